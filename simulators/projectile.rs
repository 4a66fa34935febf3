//! A ball thrown through free air. The question: what does a model make of speeds and sizes that it has never seen?
//!
//! Source: the parabola of phyworld (Kang, Yue, Lu, Lin, Zhao, Wang, Huang and Feng, How far is video generation from world
//! model: a physical law perspective, ICML 2025): a world of 10 x 10 m, frames 0.1 s apart; in distribution radius 0.7..=1.5 m
//! and speed 1..=4 m/s, out of it radius 0.3..=0.6 or 1.5..=2 m, speed 0..=0.8 or 4.5..=6 m/s. Departures:
//! 1. Gravity is a parameter, by default so weak (2 m/s^2) that the ball stays in sight for 20 frames of 0.1 s.
//! 2. The start is drawn from a square near the upper left corner.
//!
//! The path is the exact parabola: one step of the engine between two kicks of gravity (leapfrog).

use crate::elementary::{cos, sin};
use crate::engine::Ball;
use crate::flight::Flight;
use crate::record::fits;
use crate::{Begun, Column, Distribution, Error, Rectangle, Rng, Shape, Simulator};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A ball in free flight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Projectile {
    /// Ball radius, m; at least 0.01. Default uniform over 0.7..=1.5.
    pub radius: Distribution,
    /// Speed at the start, m/s. Default uniform over 1..=4.
    pub speed: Distribution,
    /// Direction of the throw, deg, counter-clockwise from the x axis. Default 0: to the right.
    pub direction: Distribution,
    /// Constant acceleration (x, y), m/s^2. Default (0, -2).
    pub gravity: [Distribution; 2],
    /// Centre of the ball at the start (x, y), m. Default uniform over 1.5..=2.5 and 7..=8.5.
    pub start: [Distribution; 2],
}

impl Default for Projectile {
    fn default() -> Self {
        let uniform = |low, high| Distribution::Uniform { low, high };
        Self {
            radius: uniform(0.7, 1.5),
            speed: uniform(1.0, 4.0),
            direction: Distribution::Constant(0.0),
            gravity: [0.0, -2.0].map(Distribution::Constant),
            start: [uniform(1.5, 2.5), uniform(7.0, 8.5)],
        }
    }
}

impl Projectile {
    /// Small instances for contract tests.
    pub fn examples() -> Vec<Self> {
        vec![Self::default()]
    }
}

impl Simulator for Projectile {
    fn check(&self) -> Result<(), Error> {
        let any = (f64::NEG_INFINITY, f64::INFINITY);
        Error::all(
            [
                ("radius", &self.radius, (0.01, f64::INFINITY)),
                ("speed", &self.speed, (0.0, f64::INFINITY)),
                ("direction", &self.direction, any),
                ("gravity[0]", &self.gravity[0], any),
                ("gravity[1]", &self.gravity[1], any),
                ("start[0]", &self.start[0], any),
                ("start[1]", &self.start[1], any),
            ]
            .map(|(field, law, (low, high))| law.check(&format!("projectile.{field}"), low, high)),
        )
    }

    fn state_columns(&self) -> Vec<Column> {
        Column::list(&[("x", "m"), ("y", "m"), ("vx", "m/s"), ("vy", "m/s")])
    }

    fn parameter_columns(&self) -> Vec<Column> {
        Column::list(&[
            ("radius", "m"),
            ("gravity_x", "m/s^2"),
            ("gravity_y", "m/s^2"),
            ("speed", "m/s"),
        ])
    }

    fn event_columns(&self) -> Vec<Column> {
        Vec::new()
    }

    fn energy_unit(&self) -> Option<&'static str> {
        Some("m^2/s^2")
    }

    /// Of a unit mass.
    fn energy(&self, state: &[f64], parameters: &[f64]) -> Option<[f64; 2]> {
        let (&[x, y, vx, vy], &[_, gx, gy, _]) = (state, parameters) else {
            return None;
        };
        Some([0.5 * (vx * vx + vy * vy), -gx * x - gy * y])
    }

    fn begin(&self, rng: &mut Rng) -> Result<Begun, Error> {
        let radius = self.radius.sample(rng)?;
        let gravity = [self.gravity[0].sample(rng)?, self.gravity[1].sample(rng)?];
        let speed = self.speed.sample(rng)?;
        let direction = self.direction.sample(rng)?.to_radians();
        let [x, y] = [self.start[0].sample(rng)?, self.start[1].sample(rng)?];
        let state = [x, y, speed * cos(direction), speed * sin(direction)];
        Ok(thrown(state, vec![radius, gravity[0], gravity[1], speed]))
    }

    fn resume(
        &self,
        state: &[f64],
        parameters: &[f64],
        _rng: &mut Rng,
    ) -> Result<Option<Begun>, Error> {
        fits(self, state, parameters)?;
        let now = [state[0], state[1], state[2], state[3]];
        Ok(Some(thrown(now, parameters.to_vec())))
    }

    /// The parabola.
    fn exact(&self, initial: &[f64], parameters: &[f64], t: f64) -> Option<Vec<f64>> {
        let (&[x, y, vx, vy], &[_, gx, gy, _]) = (initial, parameters) else {
            return None;
        };
        let at = |x: f64, v: f64, a: f64| x + v * t + 0.5 * a * t * t;
        Some(vec![at(x, vx, gx), at(y, vy, gy), vx + gx * t, vy + gy * t])
    }

    fn view(&self) -> Rectangle {
        WORLD
    }

    fn parts(&self) -> Vec<String> {
        vec!["ball".into()]
    }

    fn bodies(&self, state: &[f64], parameters: &[f64], shapes: &mut Vec<Shape>) {
        shapes.push(Shape::disc([state[0], state[1]], parameters[0]));
    }
}

/// A ball at a state (x, y, vx, vy) under parameters of [`Simulator::parameter_columns`].
fn thrown(state: [f64; 4], parameters: Vec<f64>) -> Begun {
    let ball = Ball {
        radius: parameters[0],
        restitution: 1.0,
        state,
    };
    let gravity = [parameters[1], parameters[2]];
    Begun {
        parameters,
        motion: Box::new(Flight::new(&[], 1.0, ball, gravity)),
    }
}

/// The world of the source, m.
pub(crate) const WORLD: Rectangle = Rectangle {
    left: 0.0,
    right: 10.0,
    bottom: 0.0,
    top: 10.0,
};
