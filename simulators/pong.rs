//! A ball between two paddles that move to meet it. The question: can a model tell apart two bodies, one of which moves by
//! Newton's law and the other by a purpose?
//!
//! Source: the pong data of the Kalman variational auto-encoder (Fraccaro, Kamronn, Paquet and Winther 2017, section 5.2).
//! Departures:
//! 1. All true states are recorded (there: none).
//! 2. A paddle knows where the ball will come, and moves there at a constant speed, in time, to meet it at a random place of
//!    its face; after the impact it goes back to the middle, aiming aside by as much. So a paddle never misses.
//! 3. Impacts happen when the ball touches (there: at the end of a step).
//!
//! Walls and paddles are smooth and the paddles' faces upright, so the ball's path is that in a box between the faces, by
//! mirror unfolding.

use crate::elementary::sin_cos;
use crate::engine::Ball;
use crate::exact::Axis;
use crate::flight::Flight;
use crate::record::fits;
use crate::{
    Begun, Column, Contact, Distribution, Error, Motion, Outline, Rectangle, Rng, Shape, Simulator,
    branch,
};
use crate::{bouncing_ball, room};
use rand_chacha::rand_core::{Rng as _, SeedableRng};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A ball between two paddles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Pong {
    /// Ball radius, px; at least 0.01. Default 2.
    pub radius: Distribution,
    /// The court, px: floor and ceiling are drawn as walls, the paddles' backs move along its sides. Default 2..30 in x and y.
    pub court: Rectangle,
    /// Thickness and length of a paddle, px. Default 2 and 8.
    pub paddle: [f64; 2],
    /// Speed of the ball, px/s; above 0. Default uniform over 12..=18.
    pub speed: Distribution,
    /// Direction at the start, deg, within -80..=80 from the horizontal; to the left or to the right by chance. Default
    /// uniform over -50..=50.
    pub direction: Distribution,
    /// Where a paddle meets the ball: distance from its middle as a share of half its length, within -0.9..=0.9. Default
    /// uniform over -0.6..=0.6.
    pub aim: Distribution,
    /// Height of the ball at the start as a share of its reach, 0..=1. Default uniform.
    pub start: Distribution,
}

impl Default for Pong {
    fn default() -> Self {
        let uniform = |low, high| Distribution::Uniform { low, high };
        Self {
            radius: Distribution::Constant(2.0),
            court: Rectangle {
                left: 2.0,
                right: 30.0,
                bottom: 2.0,
                top: 30.0,
            },
            paddle: [2.0, 8.0],
            speed: uniform(12.0, 18.0),
            direction: uniform(-50.0, 50.0),
            aim: uniform(-0.6, 0.6),
            start: uniform(0.0, 1.0),
        }
    }
}

/// After the time of a planned impact the paddles plan anew; this much later, so that it has happened, s.
const AFTER: f64 = 1e-6;

impl Pong {
    /// Small instances for contract tests.
    pub fn examples() -> Vec<Self> {
        vec![Self::default()]
    }

    /// Where the ball's centre can be, px.
    fn reach(&self, radius: f64) -> Rectangle {
        let [thickness, _] = self.paddle;
        Rectangle {
            left: self.court.left + thickness,
            right: self.court.right - thickness,
            ..self.court
        }
        .grown(-radius)
    }

    /// Ball and paddles at a state, the paddles standing still and without a plan.
    fn game(&self, state: &[f64], radius: f64, rng: Rng) -> Match {
        let ball = Ball {
            radius,
            restitution: 1.0,
            state: [state[0], state[1], state[2], state[3]],
        };
        let faces = room::box_faces(&self.court);
        let [width, height] = self.court.size();
        let mut flight = Flight::new(&faces[2..], 2.0 * width.max(height), ball, [0.0; 2]);
        let [half_width, half] = self.paddle.map(|side| 0.5 * side);
        for side in 0..2 {
            let centre = [self.paddle_x(side), state[4 + 2 * side]];
            flight.engine().add_block(centre, [half_width, half]);
        }
        Match {
            flight,
            reach: self.reach(radius),
            aim: self.aim,
            half,
            lowest: self.court.bottom + half,
            rng,
            time: 0.0,
            plan: 0.0,
        }
    }

    /// Middle of the left (0) or right paddle in x, px.
    fn paddle_x(&self, side: usize) -> f64 {
        let half = 0.5 * self.paddle[0];
        [self.court.left + half, self.court.right - half][side]
    }
}

/// The ball on its way, and the paddles' plans.
struct Match {
    flight: Flight,
    /// Where the ball's centre can be, px.
    reach: Rectangle,
    aim: Distribution,
    /// Half the length of a paddle, px.
    half: f64,
    /// Least height of a paddle's middle, px.
    lowest: f64,
    rng: Rng,
    time: f64,
    /// When the next plan is made, s.
    plan: f64,
}

impl Match {
    /// The paddle that the ball flies to sets out to meet it; the other one goes back to the middle. Both have time until
    /// the impact.
    fn plan(&mut self) -> Result<(), Error> {
        let [x, y, vx, vy] = self.flight.now();
        let (side, way) = match vx > 0.0 {
            true => (1, self.reach.right - x),
            false => (0, x - self.reach.left),
        };
        let time = way / vx.abs();
        if !(time.is_finite() && time >= 0.0) {
            // A ball that something else has put behind a paddle, or that flies to none, is met by none: they stay.
            for paddle in 0..2 {
                self.flight.engine().move_block(paddle, [0.0; 2]);
            }
            self.plan = f64::INFINITY;
            return Ok(());
        }
        let heights = Axis {
            limits: [self.reach.bottom, self.reach.top],
            acceleration: 0.0,
            restitution: 1.0,
            drag: 0.0,
        };
        let [meeting, _] = heights.state([y, vy], time);
        let middle = 0.5 * (self.reach.bottom + self.reach.top);
        for (paddle, goal) in [(side, meeting), (1 - side, middle)] {
            let goal = goal - self.half * self.aim.sample(&mut self.rng)?;
            let goal = goal.max(self.lowest).min(-self.lowest + 2.0 * middle); // within the court
            let [_, height, ..] = self.flight.block(paddle);
            let speed = (goal - height) / time;
            self.flight.engine().move_block(paddle, [0.0, speed]);
        }
        self.plan = self.time + time + AFTER;
        Ok(())
    }
}

impl Motion for Match {
    fn state(&self, state: &mut Vec<f64>) {
        state.extend(self.flight.now());
        for paddle in 0..2 {
            let [_, y, _, vy] = self.flight.block(paddle);
            state.extend([y, vy]);
        }
    }

    fn advance(&mut self, duration: f64, contacts: &mut Vec<Contact>) -> Result<(), Error> {
        let end = self.time + duration;
        while self.plan < end {
            self.flight.advance(self.plan - self.time, contacts)?;
            self.time = self.plan;
            self.plan()?;
        }
        self.flight.advance(end - self.time, contacts)?;
        self.time = end;
        Ok(())
    }
}

impl Simulator for Pong {
    fn check(&self) -> Result<(), Error> {
        let key = |field: &str| format!("pong.{field}");
        self.court.check(&key("court"))?;
        let [thickness, length] = self.paddle;
        Error::all(
            [
                (&self.radius, "radius", 0.01, f64::INFINITY),
                (&self.speed, "speed", 1e-3, f64::INFINITY),
                (&self.direction, "direction", -80.0, 80.0),
                (&self.aim, "aim", -0.9, 0.9),
                (&self.start, "start", 0.0, 1.0),
            ]
            .map(|(law, field, low, high)| law.check(&key(field), low, high)),
        )?;
        if !(thickness > 0.0 && length > 0.0 && length < self.court.size()[1]) {
            let expected = "sizes above 0 px, shorter than the court is high";
            let got = format!("{:?}", self.paddle);
            return Err(Error::parameter(&key("paddle"), expected, got));
        }
        let reach = self.reach(self.radius.range()[1]);
        if reach.left >= reach.right || reach.bottom >= reach.top {
            let expected = "room for the ball between paddles, floor and ceiling";
            return Err(Error::parameter(&key("radius"), expected, self.radius));
        }
        Ok(())
    }

    fn state_columns(&self) -> Vec<Column> {
        Column::list(&[
            ("x", "px"),
            ("y", "px"),
            ("vx", "px/s"),
            ("vy", "px/s"),
            ("y_left", "px"),
            ("vy_left", "px/s"),
            ("y_right", "px"),
            ("vy_right", "px/s"),
        ])
    }

    fn parameter_columns(&self) -> Vec<Column> {
        Column::list(&[("radius", "px"), ("speed", "px/s")])
    }

    fn event_columns(&self) -> Vec<Column> {
        let names = [
            "hit_bottom",
            "hit_top",
            "hit_left_paddle",
            "hit_right_paddle",
        ];
        Column::list(&names.map(|name| (name, "1")))
    }

    fn energy_unit(&self) -> Option<&'static str> {
        Some("px^2/s^2")
    }

    /// Of the ball, of a unit mass; the paddles are moved from outside.
    fn energy(&self, state: &[f64], _parameters: &[f64]) -> Option<[f64; 2]> {
        let [_, _, vx, vy, ..] = state else {
            return None;
        };
        Some([0.5 * (vx * vx + vy * vy), 0.0])
    }

    fn begin(&self, rng: &mut Rng) -> Result<Begun, Error> {
        let radius = self.radius.sample(rng)?;
        let speed = self.speed.sample(rng)?;
        let (sin, cos) = sin_cos(self.direction.sample(rng)?.to_radians());
        let start = self.start.sample(rng)?;
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        let heading = if seed[0] % 2 == 0 { -1.0 } else { 1.0 };
        let reach = self.reach(radius);
        let x = 0.5 * (reach.left + reach.right);
        let y = reach.bottom + start * (reach.top - reach.bottom);
        let middle = 0.5 * (reach.bottom + reach.top);
        let state = [
            x,
            y,
            heading * speed * cos,
            speed * sin,
            middle,
            0.0,
            middle,
            0.0,
        ];
        let mut motion = self.game(&state, radius, Rng::from_seed(seed));
        motion.plan()?;
        Ok(Begun {
            parameters: vec![radius, speed],
            motion: Box::new(motion),
        })
    }

    /// The paddles go on with their plans, which are in their velocities, until the impact that ends them; what they aim at
    /// later is drawn from `rng`.
    fn resume(
        &self,
        state: &[f64],
        parameters: &[f64],
        rng: &mut Rng,
    ) -> Result<Option<Begun>, Error> {
        fits(self, state, parameters)?;
        let radius = parameters[0];
        let reach = self.reach(radius);
        let (x, vx) = (state[0], state[2]);
        if !(reach.left - 1e-6..=reach.right + 1e-6).contains(&x) || vx == 0.0 {
            let expected = "a ball on its way between the paddles";
            return Err(Error::parameter("state", expected, format!("{state:?}")));
        }
        let mut motion = self.game(state, radius, branch(rng));
        for paddle in 0..2 {
            let velocity = [0.0, state[5 + 2 * paddle]];
            motion.flight.engine().move_block(paddle, velocity);
        }
        let (way, gone) = match vx > 0.0 {
            true => (reach.right - x, x - reach.left),
            false => (x - reach.left, reach.right - x),
        };
        let since = gone / vx.abs(); // the last impact
        motion.plan = match since < AFTER {
            true => (AFTER - since).max(0.0), // of which the paddles have not heard yet
            false => way.max(0.0) / vx.abs() + AFTER,
        };
        Ok(Some(Begun {
            parameters: parameters.to_vec(),
            motion: Box::new(motion),
        }))
    }

    fn view(&self) -> Rectangle {
        self.court.grown(bouncing_ball::MARGIN)
    }

    fn parts(&self) -> Vec<String> {
        ["ball", "left_paddle", "right_paddle"]
            .map(String::from)
            .to_vec()
    }

    /// Floor and ceiling, as lines of 1 px just outside the court.
    fn background(&self, _parameters: &[f64]) -> Vec<Shape> {
        let Rectangle { bottom, top, .. } = self.court;
        let line = |bottom: f64| Shape {
            outline: Outline::Rectangle(Rectangle {
                bottom,
                top: bottom + bouncing_ball::WALL_THICKNESS,
                ..self.court
            }),
            brightness: bouncing_ball::WALL_BRIGHTNESS,
            part: 0,
        };
        vec![line(bottom - bouncing_ball::WALL_THICKNESS), line(top)]
    }

    fn bodies(&self, state: &[f64], parameters: &[f64], shapes: &mut Vec<Shape>) {
        shapes.push(Shape::disc([state[0], state[1]], parameters[0]));
        let [half_width, half] = self.paddle.map(|side| 0.5 * side);
        for side in 0..2 {
            let (x, y) = (self.paddle_x(side), state[4 + 2 * side]);
            shapes.push(Shape {
                outline: Outline::Rectangle(Rectangle {
                    left: x - half_width,
                    right: x + half_width,
                    bottom: y - half,
                    top: y + half,
                }),
                brightness: 1.0,
                part: 1 + side,
            });
        }
    }
}
