//! A coloured ball behind a curtain that closes for long. The question: for how long does a model hold a colour, and a
//! motion, of which nothing is to be seen?
//!
//! A ball of one of four colours bounces in its box; after `shown` seconds a curtain closes over the whole box, for
//! `closed` seconds, while the ball goes on behind it. When it opens the colour is the same (a guess is right in one of
//! four, the best possible memory always), and the place is the reflected one, exactly (`bouncing_ball`'s). With a coin
//! (`flip` above 0, see `coin_bounce`) the hidden ball's places are those of [`Curtain::futures`], with their
//! probabilities: its true posterior given the state at the closing. Colours need `video.colour`.

use crate::record::fits;
use crate::{
    Begun, CoinBounce, Column, Contact, Distribution, Error, Motion, Outline, Rectangle, Rng,
    Shape, Simulator, branch,
};
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A ball behind a curtain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Curtain {
    /// The ball, its box and its coin. Default that of `coin_bounce` without coins.
    pub ball: CoinBounce,
    /// How long the ball is seen before the curtain closes, s; at least 0. Default 4: 20 frames of 0.2 s.
    pub shown: Distribution,
    /// How long the curtain stays closed, s; at least 0. Default uniform over 5..=40: 25 to 200 frames of 0.2 s.
    pub closed: Distribution,
    /// Hues of the four colours, deg. Default 0, 90, 180 and 270.
    pub hues: [f64; 4],
    /// Brightness of the curtain, 0..=1. Default 0.5.
    pub brightness: f64,
}

impl Default for Curtain {
    fn default() -> Self {
        Self {
            ball: CoinBounce {
                flip: 0.0,
                ..CoinBounce::default()
            },
            shown: Distribution::Constant(4.0),
            closed: Distribution::Uniform {
                low: 5.0,
                high: 40.0,
            },
            hues: [0.0, 90.0, 180.0, 270.0],
            brightness: 0.5,
        }
    }
}

/// Parameters of the curtain, after those of the ball.
const OWN: usize = 3;

impl Curtain {
    /// Small instances for contract tests: soon closed and open again; with a coin.
    pub fn examples() -> Vec<Self> {
        let uniform = |low, high| Distribution::Uniform { low, high };
        let soon = Self {
            shown: Distribution::Constant(1.0),
            closed: uniform(0.5, 2.0),
            ..Self::default()
        };
        let coin = Self {
            ball: CoinBounce::default(),
            ..soon.clone()
        };
        vec![soon, coin]
    }

    /// Every future of the hidden ball with its probability, as states (T, D): those of [`CoinBounce::enumerate`], one
    /// where there is no coin.
    ///
    /// # Errors
    /// As there.
    pub fn futures(
        &self,
        state: &[f64],
        parameters: &[f64],
        frames: usize,
        dt: f64,
    ) -> Result<Vec<(f64, Vec<f64>)>, Error> {
        fits(self, state, parameters)?;
        let (ball, own) = parameters.split_at(parameters.len() - OWN);
        let futures = self.ball.enumerate(&state[..4], ball, frames, dt)?;
        let with_clock = |(chance, balls): (f64, Vec<f64>)| {
            let mut states = Vec::new();
            for (t, ball) in balls.chunks_exact(4).enumerate() {
                let time = state[4] + t as f64 * dt;
                states.extend(ball);
                states.extend([time, is_closed(time, own)]);
            }
            (chance, states)
        };
        Ok(futures.into_iter().map(with_clock).collect())
    }

    fn motion(&self, ball: Begun, own: &[f64], time: f64) -> Begun {
        let mut parameters = ball.parameters;
        parameters.extend(own);
        Begun {
            parameters,
            motion: Box::new(Hidden {
                ball: ball.motion,
                time,
                own: [own[0], own[1], own[2]],
            }),
        }
    }
}

/// 1 where the curtain is closed at a time, s, by its own parameters (colour, shown, closed), else 0.
fn is_closed(time: f64, own: &[f64]) -> f64 {
    // A frame that falls on the moment of closing or opening shows what comes: sums of dt are rounded.
    let time = time + 1e-9;
    f64::from(u8::from(time >= own[1] && time < own[1] + own[2]))
}

/// The ball, and a clock.
struct Hidden {
    ball: Box<dyn Motion>,
    time: f64,
    own: [f64; OWN],
}

impl Motion for Hidden {
    fn state(&self, state: &mut Vec<f64>) {
        self.ball.state(state);
        state.extend([self.time, is_closed(self.time, &self.own)]);
    }

    fn advance(&mut self, duration: f64, contacts: &mut Vec<Contact>) -> Result<(), Error> {
        self.ball.advance(duration, contacts)?;
        self.time += duration;
        Ok(())
    }

    fn act(&mut self, action: &mut Vec<f64>) -> Result<(), Error> {
        self.ball.act(action)
    }

    fn apply(&mut self, action: &[f64]) -> Result<(), Error> {
        self.ball.apply(action)
    }
}

impl Simulator for Curtain {
    fn check(&self) -> Result<(), Error> {
        let inside = |error: Error| error.renamed("coin_bounce.", "curtain.ball.");
        let hues = match self.hues.iter().all(|hue| hue.is_finite()) {
            true => Ok(()),
            false => {
                let got = format!("{:?}", self.hues);
                Err(Error::parameter("curtain.hues", "finite numbers", got))
            }
        };
        let brightness = match (0.0..=1.0).contains(&self.brightness) {
            true => Ok(()),
            false => Err(Error::parameter(
                "curtain.brightness",
                "within 0..=1",
                self.brightness,
            )),
        };
        Error::all([
            self.ball.check().map_err(inside),
            self.shown.check("curtain.shown", 0.0, f64::INFINITY),
            self.closed.check("curtain.closed", 0.0, f64::INFINITY),
            hues,
            brightness,
        ])
    }

    /// Of the ball; then the time since the sequence began, which says when the curtain closes and opens, and whether
    /// it is closed.
    fn state_columns(&self) -> Vec<Column> {
        let mut columns = self.ball.state_columns();
        columns.extend(Column::list(&[("time", "s"), ("closed", "1")]));
        columns
    }

    /// Of the ball; then number of the colour, time of the closing, and how long it lasts.
    fn parameter_columns(&self) -> Vec<Column> {
        let mut columns = self.ball.parameter_columns();
        columns.extend(Column::list(&[
            ("colour", "1"),
            ("time_shown", "s"),
            ("time_closed", "s"),
        ]));
        columns
    }

    fn event_columns(&self) -> Vec<Column> {
        self.ball.event_columns()
    }

    fn energy_unit(&self) -> Option<&'static str> {
        self.ball.energy_unit()
    }

    fn energy(&self, state: &[f64], parameters: &[f64]) -> Option<[f64; 2]> {
        let ball = parameters.len().checked_sub(OWN)?;
        self.ball.energy(state.get(..4)?, &parameters[..ball])
    }

    fn begin(&self, rng: &mut Rng) -> Result<Begun, Error> {
        let mut show = branch(rng);
        let colour = f64::from(show.random_range(0..4));
        let own = [
            colour,
            self.shown.sample(&mut show)?,
            self.closed.sample(&mut show)?,
        ];
        let ball = self.ball.begin(rng)?;
        Ok(self.motion(ball, &own, 0.0))
    }

    fn resume(
        &self,
        state: &[f64],
        parameters: &[f64],
        rng: &mut Rng,
    ) -> Result<Option<Begun>, Error> {
        fits(self, state, parameters)?;
        let (ball, own) = parameters.split_at(parameters.len() - OWN);
        let ball = self.ball.resume(&state[..4], ball, rng)?;
        Ok(ball.map(|ball| self.motion(ball, own, state[4])))
    }

    /// Without a coin, as `bouncing_ball`.
    fn exact(&self, initial: &[f64], parameters: &[f64], t: f64) -> Option<Vec<f64>> {
        let (ball, own) = parameters.split_at_checked(parameters.len().checked_sub(OWN)?)?;
        let mut state = self.ball.exact(initial.get(..4)?, ball, t)?;
        let time = initial.get(4)? + t;
        state.extend([time, is_closed(time, own)]);
        Some(state)
    }

    fn view(&self) -> Rectangle {
        self.ball.view()
    }

    fn parts(&self) -> Vec<String> {
        vec!["ball".into(), "curtain".into()]
    }

    fn tints(&self, parameters: &[f64]) -> Vec<[f64; 3]> {
        let colour = parameters[parameters.len() - OWN] as usize;
        vec![[self.hues[colour % 4], 1.0, 1.0], [0.0, 0.0, 1.0]]
    }

    fn background(&self, parameters: &[f64]) -> Vec<Shape> {
        self.ball.background(parameters)
    }

    /// An open curtain is drawn up: it has no height.
    fn bodies(&self, state: &[f64], parameters: &[f64], shapes: &mut Vec<Shape>) {
        self.ball.bodies(&state[..4], parameters, shapes);
        let room = self.ball.view().grown(-crate::bouncing_ball::MARGIN);
        let closed = state[5] > 0.5;
        shapes.push(Shape {
            outline: Outline::Rectangle(Rectangle {
                bottom: if closed { room.bottom } else { room.top },
                ..room
            }),
            brightness: self.brightness,
            part: 1,
        });
    }
}
