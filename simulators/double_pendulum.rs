//! Two point masses on two rods, one hanging on the other: chaos. The question: for how long can a model foretell a motion
//! whose errors grow exponentially?
//!
//! With angles a, b from the vertical, M = m1 + m2 and d = a - b (Landau and Lifshitz, Mechanics, section 5):
//! ```text
//! M l1 a'' + m2 l2 b'' cos d + m2 l2 b'^2 sin d + M g sin a = 0
//! l2 b'' + l1 a'' cos d - l1 a'^2 sin d + g sin b = 0
//! ```
//! The engine's multibody does not know these equations; its tests integrate them by a Runge-Kutta method for comparison.

use crate::extrapolation::Extrapolated;
use crate::linkage::{Link, Linkage};
use crate::pendulum::{BOB, hung, rod};
use crate::record::fits;
use crate::{Begun, Column, Distribution, Error, Rectangle, Rng, Shape, Simulator};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Two pendulums, one hanging on the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DoublePendulum {
    /// Lengths of the rods, px; at least 0.1. Default 6 and 6.
    pub length: [Distribution; 2],
    /// Masses, kg; at least 0.001. Default 1 and 1.
    pub mass: [Distribution; 2],
    /// Gravity, downwards, px/s^2; at least 0. Default 20.
    pub gravity: Distribution,
    /// Angles of the rods at the start, deg, counter-clockwise from straight down. Default uniform over -120..=120 each.
    pub angle: [Distribution; 2],
    /// Angular velocities of the rods at the start, deg/s. Default 0.
    pub angular_velocity: [Distribution; 2],
    /// Radius of the drawn masses, px; at least 0.01. Default 2.
    pub radius: Distribution,
}

impl Default for DoublePendulum {
    fn default() -> Self {
        let angle = Distribution::Uniform {
            low: -120.0,
            high: 120.0,
        };
        Self {
            length: [Distribution::Constant(6.0); 2],
            mass: [Distribution::Constant(1.0); 2],
            gravity: Distribution::Constant(20.0),
            angle: [angle; 2],
            angular_velocity: [Distribution::Constant(0.0); 2],
            radius: Distribution::Constant(2.0),
        }
    }
}

/// Greatest error of one stretch, rad or rad/s.
const TOLERANCE: f64 = 1e-11;

impl DoublePendulum {
    /// Small instances for contract tests: alike; different and turning.
    pub fn examples() -> Vec<Self> {
        let uniform = |low, high| Distribution::Uniform { low, high };
        let different = Self {
            length: [uniform(4.0, 8.0), uniform(3.0, 6.0)],
            mass: [uniform(0.5, 2.0), uniform(0.5, 2.0)],
            gravity: uniform(5.0, 20.0),
            angular_velocity: [uniform(-100.0, 100.0); 2],
            ..Self::default()
        };
        vec![Self::default(), different]
    }
}

impl Simulator for DoublePendulum {
    fn check(&self) -> Result<(), Error> {
        let (any, positive) = ((f64::NEG_INFINITY, f64::INFINITY), (0.0, f64::INFINITY));
        let lengths = (0.1, f64::INFINITY);
        let masses = (0.001, f64::INFINITY);
        Error::all(
            [
                ("length[0]", &self.length[0], lengths),
                ("length[1]", &self.length[1], lengths),
                ("mass[0]", &self.mass[0], masses),
                ("mass[1]", &self.mass[1], masses),
                ("gravity", &self.gravity, positive),
                ("angle[0]", &self.angle[0], any),
                ("angle[1]", &self.angle[1], any),
                ("angular_velocity[0]", &self.angular_velocity[0], any),
                ("angular_velocity[1]", &self.angular_velocity[1], any),
                ("radius", &self.radius, (0.01, f64::INFINITY)),
            ]
            .map(|(field, law, (low, high))| {
                law.check(&format!("double_pendulum.{field}"), low, high)
            }),
        )
    }

    fn state_columns(&self) -> Vec<Column> {
        Column::list(&[
            ("angle_1", "rad"),
            ("angle_2", "rad"),
            ("angular_velocity_1", "rad/s"),
            ("angular_velocity_2", "rad/s"),
            ("x_1", "px"),
            ("y_1", "px"),
            ("vx_1", "px/s"),
            ("vy_1", "px/s"),
            ("x_2", "px"),
            ("y_2", "px"),
            ("vx_2", "px/s"),
            ("vy_2", "px/s"),
        ])
    }

    fn parameter_columns(&self) -> Vec<Column> {
        Column::list(&[
            ("radius", "px"),
            ("gravity", "px/s^2"),
            ("length_1", "px"),
            ("mass_1", "kg"),
            ("length_2", "px"),
            ("mass_2", "kg"),
        ])
    }

    fn event_columns(&self) -> Vec<Column> {
        Vec::new()
    }

    fn energy_unit(&self) -> Option<&'static str> {
        Some("kg px^2/s^2")
    }

    /// Potential energy is 0 at the pivot's height.
    fn energy(&self, state: &[f64], parameters: &[f64]) -> Option<[f64; 2]> {
        let &[_, gravity, _, m1, _, m2] = parameters else {
            return None;
        };
        let bob = |mass: f64, at: &[f64]| {
            let kinetic = 0.5 * mass * (at[2] * at[2] + at[3] * at[3]);
            [kinetic, mass * gravity * (at[1] - BOB.pivot[1])]
        };
        let (one, two) = (bob(m1, state.get(4..8)?), bob(m2, state.get(8..12)?));
        Some([one[0] + two[0], one[1] + two[1]])
    }

    fn begin(&self, rng: &mut Rng) -> Result<Begun, Error> {
        let radius = self.radius.sample(rng)?;
        let gravity = self.gravity.sample(rng)?;
        let mut parameters = vec![radius, gravity];
        let mut y = vec![0.0; 4]; // the second angle is relative to the first rod
        for k in 0..2 {
            parameters.push(self.length[k].sample(rng)?);
            parameters.push(self.mass[k].sample(rng)?);
            y[k] = self.angle[k].sample(rng)?.to_radians();
            y[2 + k] = self.angular_velocity[k].sample(rng)?.to_radians();
        }
        y[1] -= y[0];
        y[3] -= y[2];
        hanging(y, parameters)
    }

    /// The angles do not wrap, so they hold all there is.
    fn resume(
        &self,
        state: &[f64],
        parameters: &[f64],
        _rng: &mut Rng,
    ) -> Result<Option<Begun>, Error> {
        fits(self, state, parameters)?;
        let y = vec![state[0], state[1] - state[0], state[2], state[3] - state[2]];
        Ok(Some(hanging(y, parameters.to_vec())?))
    }

    fn view(&self) -> Rectangle {
        BOB.view
    }

    fn parts(&self) -> Vec<String> {
        ["bob_1", "bob_2", "rod_1", "rod_2"]
            .map(String::from)
            .to_vec()
    }

    fn bodies(&self, state: &[f64], parameters: &[f64], shapes: &mut Vec<Shape>) {
        let (one, two) = ([state[4], state[5]], [state[8], state[9]]);
        shapes.push(rod(BOB.pivot, one, 2));
        shapes.push(rod(one, two, 3));
        shapes.push(BOB.disc(one, parameters[0], 0));
        shapes.push(BOB.disc(two, parameters[0], 1));
    }
}

/// The rods at y (angles and angular velocities, the second relative to the first), under parameters of
/// [`Simulator::parameter_columns`].
fn hanging(y: Vec<f64>, parameters: Vec<f64>) -> Result<Begun, Error> {
    let gravity = parameters[1];
    let lengths = [parameters[2], parameters[4]];
    let link = |k: usize| Link {
        parent: k.checked_sub(1),
        from: if k == 0 { BOB.pivot } else { [0.0; 2] },
        to: [0.0, lengths[k]],
        mass: parameters[3 + 2 * k],
        inertia: 0.0,
        spring: [0.0; 2],
        damping: 0.0,
        slides: false,
    };
    let links = [link(0), link(1)];
    let linkage = Linkage::new(&links, true, [0.0, -gravity]).ok_or_else(BOB.broken())?;
    let shown = move |y: &[f64], state: &mut Vec<f64>| {
        let (angles, speeds) = ([y[0], y[0] + y[1]], [y[2], y[2] + y[3]]);
        state.extend(angles);
        state.extend(speeds);
        let one = hung(
            [BOB.pivot[0], BOB.pivot[1], 0.0, 0.0],
            lengths[0],
            angles[0],
            speeds[0],
        );
        state.extend(one);
        state.extend(hung(one, lengths[1], angles[1], speeds[1]));
    };
    Ok(Begun {
        parameters,
        motion: Box::new(Extrapolated::new(linkage, y, TOLERANCE, shown)),
    })
}
