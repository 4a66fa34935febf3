//! The pendulum of gymnasium, in its own Euler scheme. The question: how far does control from pixels come on the task
//! that everybody knows the returns of?
//!
//! Source: Pendulum-v1 of gymnasium 1.4.0 (`classic_control/pendulum.py`): a uniform rod, angle a = 0 upright and
//! counter-clockwise, torque u within +-2. A step of 0.05 s is
//! ```text
//! w <- clip(w + (3 g/(2 l) sin a + 3 u/(m l^2)) dt, -8, 8),  a <- a + w dt
//! ```
//! and costs a^2 + 0.1 w^2 + 0.001 u^2 of the state before it, a taken within -pi..pi. Starts are uniform over -pi..pi
//! and -1..1. `simulators/tests/pendulum_v1.rs` has 30 steps of gymnasium's own to 1e-9. Departure: frames show the rod
//! and a disc at its end in this crate's way. `pendulum` with a torque is the exact motion (of a point mass on a rod).
//!
//! Returns of 100 episodes of 200 steps, seeds 0..99 there: zero -1180 +- 351, random -1208 +- 294, energy shaping and
//! a linear controller on the true state -144.7 +- 89.2.

use crate::elementary::{sin, sin_cos};
use crate::record::fits;
use crate::steps::{Law, Stepped};
use crate::{
    Begun, Column, Distribution, Error, Outline, Rectangle, Rng, Shape, Simulator, branch,
    check_action,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// Gymnasium's pendulum.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PendulumV1 {
    /// Gravity g, m/s^2. Default 10.
    pub gravity: f64,
    /// Mass m, kg; above 0. Default 1.
    pub mass: f64,
    /// Length l, m; within 0.1..=1.4. Default 1.
    pub length: f64,
    /// Angle at the start, deg, from upright. Default uniform over -180..=180.
    pub angle: Distribution,
    /// Angular velocity at the start, rad/s. Default uniform over -1..=1.
    pub angular_velocity: Distribution,
    /// Torque, kg m^2/s^2, drawn anew for every frame where nobody acts; its range limits what can be applied. Default
    /// uniform over -2..=2.
    pub torque: Distribution,
    /// Length of a step, s; above 0. Default 0.05. Frames should be a whole number of steps apart.
    pub step: f64,
}

/// Greatest angular velocity, rad/s.
const MOST_SPEED: f64 = 8.0;

impl Default for PendulumV1 {
    fn default() -> Self {
        let uniform = |low, high| Distribution::Uniform { low, high };
        Self {
            gravity: 10.0,
            mass: 1.0,
            length: 1.0,
            angle: uniform(-180.0, 180.0),
            angular_velocity: uniform(-1.0, 1.0),
            torque: uniform(-2.0, 2.0),
            step: 0.05,
        }
    }
}

/// A state is (a, w, x, y): the rod's end is at -l sin a, l cos a.
struct Scheme {
    world: PendulumV1,
    torque: f64,
    rng: Rng,
}

impl Law for Scheme {
    fn next(&mut self, now: &[f64], _contacts: &mut Vec<usize>) -> Result<Vec<f64>, Error> {
        let PendulumV1 {
            gravity: g,
            mass: m,
            length: l,
            step,
            ..
        } = self.world;
        let (angle, speed) = (now[0], now[1]);
        let pull = 3.0 * g / (2.0 * l) * sin(angle) + 3.0 / (m * l * l) * self.torque;
        let speed = (speed + pull * step).clamp(-MOST_SPEED, MOST_SPEED);
        Ok(self.world.columns_of(angle + speed * step, speed))
    }

    /// The angle moves straight; its velocity changes at the end of a step.
    fn between(&self, now: &[f64], next: &[f64], share: f64, state: &mut Vec<f64>) {
        let angle = now[0] + share * (next[0] - now[0]);
        state.extend(self.world.columns_of(angle, now[1]));
    }

    fn act(&mut self, action: &mut Vec<f64>) -> Result<(), Error> {
        let torque = self.world.torque.sample(&mut self.rng)?;
        action.push(torque);
        self.apply(&[torque])
    }

    fn apply(&mut self, action: &[f64]) -> Result<(), Error> {
        check_action(action, 1)?;
        self.torque = action[0];
        Ok(())
    }
}

impl PendulumV1 {
    /// Small instances for contract tests.
    pub fn examples() -> Vec<Self> {
        vec![Self::default()]
    }

    fn columns_of(&self, angle: f64, speed: f64) -> Vec<f64> {
        let (sin, cos) = sin_cos(angle);
        vec![angle, speed, -self.length * sin, self.length * cos]
    }

    fn motion(&self, state: Vec<f64>, rng: Rng) -> Begun {
        let law = Scheme {
            world: *self,
            torque: 0.0,
            rng,
        };
        Begun {
            parameters: vec![self.gravity, self.mass, self.length],
            motion: Box::new(Stepped::new(law, state, self.step)),
        }
    }
}

impl Simulator for PendulumV1 {
    fn check(&self) -> Result<(), Error> {
        let key = |field: &str| format!("pendulum_v1.{field}");
        let within = |field: &str, got: f64, low: f64, high: f64| match (low..=high).contains(&got)
        {
            true => Ok(()),
            false => Err(Error::parameter(
                &key(field),
                format!("within {low}..={high}"),
                got,
            )),
        };
        let any = (f64::NEG_INFINITY, f64::INFINITY);
        Error::all([
            within("gravity", self.gravity, -1e6, 1e6),
            within("mass", self.mass, 1e-6, 1e6),
            within("length", self.length, 0.1, 1.4),
            within("step", self.step, 1e-6, 1e6),
            self.angle.check(&key("angle"), any.0, any.1),
            self.angular_velocity
                .check(&key("angular_velocity"), -MOST_SPEED, MOST_SPEED),
            self.torque.check(&key("torque"), any.0, any.1),
        ])
    }

    fn state_columns(&self) -> Vec<Column> {
        Column::list(&[
            ("angle", "rad"),
            ("angular_velocity", "rad/s"),
            ("x", "m"),
            ("y", "m"),
        ])
    }

    fn parameter_columns(&self) -> Vec<Column> {
        Column::list(&[("gravity", "m/s^2"), ("mass", "kg"), ("length", "m")])
    }

    fn event_columns(&self) -> Vec<Column> {
        Vec::new()
    }

    fn action_columns(&self) -> Vec<Column> {
        Column::list(&[("torque", "kg m^2/s^2")])
    }

    fn action_limits(&self) -> Vec<[f64; 2]> {
        vec![self.torque.range()]
    }

    /// Gymnasium's: a^2 + 0.1 w^2 + 0.001 u^2.
    fn cost(&self, state: &[f64], action: &[f64], _parameters: &[f64]) -> Option<f64> {
        let (&[angle, speed, ..], &[torque]) = (state, action) else {
            return None;
        };
        let aside = (angle + PI).rem_euclid(2.0 * PI) - PI;
        Some(aside * aside + 0.1 * speed * speed + 0.001 * torque * torque)
    }

    /// Torques come from a stream of their own: the start does not depend on them.
    fn begin(&self, rng: &mut Rng) -> Result<Begun, Error> {
        let torques = branch(rng);
        let angle = self.angle.sample(rng)?.to_radians();
        let speed = self.angular_velocity.sample(rng)?;
        Ok(self.motion(self.columns_of(angle, speed), torques))
    }

    /// The state counts as one of a whole number of steps.
    fn resume(
        &self,
        state: &[f64],
        parameters: &[f64],
        rng: &mut Rng,
    ) -> Result<Option<Begun>, Error> {
        fits(self, state, parameters)?;
        Ok(Some(self.motion(state.to_vec(), branch(rng))))
    }

    fn view(&self) -> Rectangle {
        Rectangle {
            left: -1.6,
            right: 1.6,
            bottom: -1.6,
            top: 1.6,
        }
    }

    fn parts(&self) -> Vec<String> {
        ["end", "rod"].map(String::from).to_vec()
    }

    fn bodies(&self, state: &[f64], _parameters: &[f64], shapes: &mut Vec<Shape>) {
        let end = [state[2], state[3]];
        shapes.push(Shape {
            outline: Outline::Capsule {
                ends: [[0.0; 2], end],
                radius: 0.08,
            },
            brightness: 0.5,
            part: 1,
        });
        shapes.push(Shape {
            outline: Outline::Disc {
                centre: end,
                radius: 0.2,
            },
            brightness: 1.0,
            part: 0,
        });
    }
}
