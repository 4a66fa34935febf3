//! A ball whose every impact tosses a coin. The question: does a model of video know *which* futures there are, and how
//! probable each is?
//!
//! The ball flies as that of `bouncing_ball`. At each impact the normal component of the velocity is reversed as there;
//! the tangential one flips with probability `flip`. (In a corner, where two walls push at once, no coin is tossed.)
//! Speed and energy do not depend on the coins, and n impacts have 2^n futures, which [`CoinBounce::enumerate`] lists
//! with their probabilities.
//!
//! Information: ln 2 nats an impact for a fair coin. In the default box the centre has 22 px each way, and the mean
//! speed 12.5 px/s has a mean component of 12.5 (2/pi) px/s along each axis: 0.7234 impacts/s, which in frames 0.2 s
//! apart is 0.1447 impacts and 0.1003 nats a frame. (Starts are uniform, so that is so from the first frame on.)
//!
//! Rare kicks in mid-flight are an option: after a frame the ball goes on in any direction.

use crate::elementary::sin_cos;
use crate::flight::Flight;
use crate::record::fits;
use crate::{
    Begun, BouncingBall, Column, Contact, Distribution, Error, Motion, Rectangle, Rng, Shape,
    Simulator, branch, check_action,
};
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A bouncing ball whose impacts are left to chance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CoinBounce {
    /// The ball and its room. Default that of `bouncing_ball` with starts uniform over 5..=27 in x and y.
    pub ball: BouncingBall,
    /// Probability that an impact flips the velocity along the wall, 0..=1. Default 1/2.
    pub flip: f64,
    /// Kicks in mid-flight. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kick: Option<Kick>,
}

/// Rare kicks in mid-flight.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Kick {
    /// Probability of a kick after a frame, 0..=1. Default 0.02.
    pub probability: f64,
    /// Speed with which the ball goes on, in any direction, px/s. Default uniform over 10..=15.
    pub speed: Distribution,
}

impl Default for Kick {
    fn default() -> Self {
        Self {
            probability: 0.02,
            speed: Distribution::Uniform {
                low: 10.0,
                high: 15.0,
            },
        }
    }
}

impl Default for CoinBounce {
    fn default() -> Self {
        let start = Distribution::Uniform {
            low: 5.0,
            high: 27.0,
        };
        Self {
            ball: BouncingBall {
                start: [start; 2],
                ..BouncingBall::default()
            },
            flip: 0.5,
            kick: None,
        }
    }
}

/// Futures after which [`CoinBounce::enumerate`] gives up: 16 impacts.
const MOST_FUTURES: usize = 1 << 16;

impl CoinBounce {
    /// Small instances for contract tests: the default; an unfair coin with gravity and kicks.
    pub fn examples() -> Vec<Self> {
        let kicked = Self {
            ball: BouncingBall {
                gravity: [0.0, -10.0].map(Distribution::Constant),
                ..Self::default().ball
            },
            flip: 0.3,
            kick: Some(Kick {
                probability: 0.2,
                ..Kick::default()
            }),
        };
        vec![Self::default(), kicked]
    }

    /// Every future of a state (4) under parameters (P) with its probability, as states (T, 4) of `frames` frames `dt`
    /// s apart, row 0 being that state. The probabilities sum to 1. Futures of equal states are listed apart: a ball
    /// that flies straight at a wall comes back either way.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a state or parameters of another world, for a world with kicks (whose futures cannot be
    /// counted) and for more than 65,536 futures; [`Error::Physics`] when the engine makes no progress.
    pub fn enumerate(
        &self,
        state: &[f64],
        parameters: &[f64],
        frames: usize,
        dt: f64,
    ) -> Result<Vec<(f64, Vec<f64>)>, Error> {
        if self.kick.is_some() {
            let expected = "no kicks, so that futures can be enumerated";
            return Err(Error::parameter("coin_bounce.kick", expected, "kicks"));
        }
        self.check()?;
        let certain = self.flip == 0.0 || self.flip == 1.0;
        let mut futures = Vec::new();
        let mut open: Vec<Vec<bool>> = vec![Vec::new()]; // first coins of futures still to be seen
        while let Some(first) = open.pop() {
            // Coins after the first ones fall on their likelier side, so that a certain coin has one future.
            let likelier = self.flip > 0.5;
            let mut flight = self.ball.relaunch(state, parameters)?;
            let (mut tossed, mut contacts) = (Vec::new(), Vec::new());
            let mut states = state.to_vec(); // (T, 4)
            for _ in 1..frames {
                let mut toss = || {
                    let side = first.get(tossed.len()).copied().unwrap_or(likelier);
                    tossed.push(side);
                    side
                };
                flight.advance_turning(dt, &mut contacts, &mut toss)?;
                states.extend(flight.now());
            }
            if !certain {
                for k in first.len()..tossed.len() {
                    let mut other = tossed[..=k].to_vec();
                    other[k] = !likelier;
                    open.push(other);
                }
            }
            let chance = |&side: &bool| if side { self.flip } else { 1.0 - self.flip };
            futures.push((tossed.iter().map(chance).product(), states));
            if futures.len() + open.len() > MOST_FUTURES {
                let expected = format!("at most {MOST_FUTURES} futures; ask for fewer frames");
                let got = futures.len() + open.len();
                return Err(Error::parameter(
                    "frames",
                    expected,
                    format!("{got} or more"),
                ));
            }
        }
        Ok(futures)
    }

    /// The ball on its way, with what its coins are drawn from.
    fn motion(&self, flight: Flight, rng: Rng) -> Box<Tossed> {
        Box::new(Tossed {
            flight,
            flip: self.flip,
            kick: self.kick,
            kicked: false,
            kind: self.ball.event_columns().len(),
            rng,
            time: 0.0,
        })
    }
}

/// The flight, and what draws its coins.
struct Tossed {
    flight: Flight,
    flip: f64,
    kick: Option<Kick>,
    /// Whether a kick is still to be told.
    kicked: bool,
    /// Event column of a kick.
    kind: usize,
    rng: Rng,
    time: f64,
}

impl Motion for Tossed {
    fn state(&self, state: &mut Vec<f64>) {
        self.flight.state(state);
    }

    fn advance(&mut self, duration: f64, contacts: &mut Vec<Contact>) -> Result<(), Error> {
        if std::mem::take(&mut self.kicked) {
            let (kind, time) = (self.kind, self.time);
            contacts.push(Contact { kind, time });
        }
        let (flip, rng) = (self.flip, &mut self.rng);
        let mut toss = || flip > 0.0 && rng.random::<f64>() < flip;
        self.flight.advance_turning(duration, contacts, &mut toss)?;
        self.time += duration;
        Ok(())
    }

    /// Nothing acts from outside; kicks come all the same.
    fn apply(&mut self, action: &[f64]) -> Result<(), Error> {
        check_action(action, 0)?;
        self.act(&mut Vec::new())
    }

    /// Kicks come between frames.
    fn act(&mut self, _action: &mut Vec<f64>) -> Result<(), Error> {
        let Some(Kick { probability, speed }) = self.kick else {
            return Ok(());
        };
        if self.rng.random::<f64>() < probability {
            let speed = speed.sample(&mut self.rng)?;
            let (sin, cos) = sin_cos(std::f64::consts::TAU * self.rng.random::<f64>());
            self.flight.set_velocity([speed * cos, speed * sin]);
            self.kicked = true;
        }
        Ok(())
    }
}

impl Simulator for CoinBounce {
    fn check(&self) -> Result<(), Error> {
        let inside = |error: Error| error.renamed("bouncing_ball.", "coin_bounce.ball.");
        let share = |key: &str, got: f64| match (0.0..=1.0).contains(&got) {
            true => Ok(()),
            false => Err(Error::parameter(key, "a probability within 0..=1", got)),
        };
        let kick = self.kick.map_or(Ok(()), |Kick { probability, speed }| {
            Error::all([
                share("coin_bounce.kick.probability", probability),
                speed.check("coin_bounce.kick.speed", 0.0, f64::INFINITY),
            ])
        });
        Error::all([
            self.ball.check().map_err(inside),
            share("coin_bounce.flip", self.flip),
            kick,
        ])
    }

    fn state_columns(&self) -> Vec<Column> {
        self.ball.state_columns()
    }

    fn parameter_columns(&self) -> Vec<Column> {
        self.ball.parameter_columns()
    }

    /// Those of `bouncing_ball`; with kicks `kick`, timed at the frame after which it came.
    fn event_columns(&self) -> Vec<Column> {
        let mut columns = self.ball.event_columns();
        if self.kick.is_some() {
            columns.extend(Column::list(&[("kick", "1")]));
        }
        columns
    }

    fn energy_unit(&self) -> Option<&'static str> {
        self.ball.energy_unit()
    }

    fn energy(&self, state: &[f64], parameters: &[f64]) -> Option<[f64; 2]> {
        self.ball.energy(state, parameters)
    }

    /// Coins come from a stream of their own: the start does not depend on them.
    fn begin(&self, rng: &mut Rng) -> Result<Begun, Error> {
        let coins = branch(rng);
        let (parameters, flight) = self.ball.launch(rng)?;
        let motion = self.motion(flight, coins);
        Ok(Begun { parameters, motion })
    }

    fn resume(
        &self,
        state: &[f64],
        parameters: &[f64],
        rng: &mut Rng,
    ) -> Result<Option<Begun>, Error> {
        fits(self, state, parameters)?;
        let flight = self.ball.relaunch(state, parameters)?;
        Ok(Some(Begun {
            parameters: parameters.to_vec(),
            motion: self.motion(flight, branch(rng)),
        }))
    }

    /// Without coins and kicks, as `bouncing_ball`.
    fn exact(&self, initial: &[f64], parameters: &[f64], t: f64) -> Option<Vec<f64>> {
        match self.flip == 0.0 && self.kick.is_none() {
            true => self.ball.exact(initial, parameters, t),
            false => None,
        }
    }

    fn view(&self) -> Rectangle {
        self.ball.view()
    }

    fn parts(&self) -> Vec<String> {
        self.ball.parts()
    }

    fn background(&self, parameters: &[f64]) -> Vec<Shape> {
        self.ball.background(parameters)
    }

    fn bodies(&self, state: &[f64], parameters: &[f64], shapes: &mut Vec<Shape>) {
        self.ball.bodies(state, parameters, shapes);
    }
}
