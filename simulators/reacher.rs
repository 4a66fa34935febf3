//! An arm of two links in the plane whose end is to reach a target. The question: can a controller that sees pictures
//! only steer what moves nonlinearly, with two motors?
//!
//! Two uniform rods without gravity, the first one pinned to the middle; a motor with torque u and a damping d at each
//! joint. With the angles a, b of the links against the x axis, masses m1, m2, lengths l1, l2 and c = m2 l1 l2/2:
//! ```text
//! (m1/3 + m2) l1^2 a'' + c cos(a - b) b'' + c sin(a - b) b'^2 = u1 - u2 - d a' + d (b' - a')
//! m2 l2^2/3 b'' + c cos(a - b) a'' - c sin(a - b) a'^2 = u2 - d (b' - a')
//! ```
//! The engine's multibody does not know these equations; a test integrates them by a Runge-Kutta method. A frame costs
//! the distance of the arm's end from the target, px. Source of the task: Reacher of gymnasium; departures: the arm's
//! sizes are in px, the motion is exact, torques cost nothing.

use crate::elementary::{cos, hypot, sin_cos};
use crate::extrapolation::Extrapolated;
use crate::linkage::{Link, Linkage};
use crate::pendulum::{BOB, rod};
use crate::record::fits;
use crate::{
    Begun, Column, Distribution, Error, Outline, Rectangle, Rng, Shape, Simulator, branch,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An arm of two links.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Reacher {
    /// Lengths of the links, px; within 0.5..=20. Default 7 and 6.
    pub length: [Distribution; 2],
    /// Their masses, kg; at least 0.001. Default 1 and 1.
    pub mass: [Distribution; 2],
    /// Damping of each joint, kg px^2/s; at least 0. Default 40.
    pub damping: Distribution,
    /// Angles of the links against the x axis at the start, deg. Default uniform over all.
    pub angle: [Distribution; 2],
    /// Torques of the motors, kg px^2/s^2, drawn anew for every frame where nobody acts; their ranges limit what can be
    /// applied. Default uniform over -200..=200 and -100..=100.
    pub torque: [Distribution; 2],
    /// Where the target is (x, y), px. Default anywhere at hand: on a circle of uniform radius in reach, uniform about
    /// it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<[Distribution; 2]>,
}

impl Default for Reacher {
    fn default() -> Self {
        let uniform = |low, high| Distribution::Uniform { low, high };
        Self {
            length: [7.0, 6.0].map(Distribution::Constant),
            mass: [Distribution::Constant(1.0); 2],
            damping: Distribution::Constant(40.0),
            angle: [uniform(0.0, 360.0); 2],
            torque: [uniform(-200.0, 200.0), uniform(-100.0, 100.0)],
            target: None,
        }
    }
}

/// Greatest error of one stretch, rad or rad/s.
const TOLERANCE: f64 = 1e-10;
/// Radius of the drawn end and target, px.
const RADIUS: f64 = 1.5;

/// Place and velocity of the arm's end, x, y, vx, vy.
fn end(lengths: [f64; 2], angles: [f64; 2], speeds: [f64; 2]) -> [f64; 4] {
    let mut at = [BOB.pivot[0], BOB.pivot[1], 0.0, 0.0];
    for k in 0..2 {
        let (sin, cos) = sin_cos(angles[k]);
        at[0] += lengths[k] * cos;
        at[1] += lengths[k] * sin;
        at[2] -= lengths[k] * speeds[k] * sin;
        at[3] += lengths[k] * speeds[k] * cos;
    }
    at
}

impl Reacher {
    /// Small instances for contract tests: the default; of other sizes, with a given target.
    pub fn examples() -> Vec<Self> {
        let uniform = |low, high| Distribution::Uniform { low, high };
        let other = Self {
            length: [uniform(4.0, 8.0), uniform(3.0, 6.0)],
            mass: [uniform(0.5, 2.0), uniform(0.5, 2.0)],
            damping: uniform(0.0, 50.0),
            target: Some([uniform(10.0, 22.0); 2]),
            ..Self::default()
        };
        vec![Self::default(), other]
    }

    /// The arm at angles and angular velocities (rad, rad/s), under parameters of [`Simulator::parameter_columns`].
    fn set_up(
        &self,
        [a, b, va, vb]: [f64; 4],
        parameters: Vec<f64>,
        rng: &mut Rng,
    ) -> Result<Begun, Error> {
        let lengths = [parameters[0], parameters[1]];
        let link = |k: usize| {
            let (length, mass) = (lengths[k], parameters[2 + k]);
            Link {
                parent: k.checked_sub(1),
                from: if k == 0 {
                    BOB.pivot
                } else {
                    [0.5 * lengths[0], 0.0]
                },
                to: [-0.5 * length, 0.0],
                mass,
                inertia: mass * length * length / 12.0,
                spring: [0.0; 2],
                damping: parameters[4],
                slides: false,
            }
        };
        let linkage = Linkage::new(&[link(0), link(1)], true, [0.0; 2]).ok_or_else(BOB.broken())?;
        let shown = move |y: &[f64], state: &mut Vec<f64>| {
            let (angles, speeds) = ([y[0], y[0] + y[1]], [y[2], y[2] + y[3]]);
            state.extend(angles);
            state.extend(speeds);
            state.extend(end(lengths, angles, speeds));
        };
        let y = vec![a, b - a, va, vb - va]; // the second link's are relative to the first
        let motion = Extrapolated::new(linkage, y, TOLERANCE, shown);
        Ok(Begun {
            parameters,
            motion: Box::new(motion.driven(self.torque.to_vec(), branch(rng))),
        })
    }
}

impl Simulator for Reacher {
    fn check(&self) -> Result<(), Error> {
        let (any, positive) = ((f64::NEG_INFINITY, f64::INFINITY), (0.0, f64::INFINITY));
        let (lengths, masses) = ((0.5, 20.0), (0.001, f64::INFINITY));
        let target = |axis: usize| match &self.target {
            Some(target) => target[axis].check(&format!("reacher.target[{axis}]"), any.0, any.1),
            None => Ok(()),
        };
        Error::all(
            [
                ("length[0]", &self.length[0], lengths),
                ("length[1]", &self.length[1], lengths),
                ("mass[0]", &self.mass[0], masses),
                ("mass[1]", &self.mass[1], masses),
                ("damping", &self.damping, positive),
                ("angle[0]", &self.angle[0], any),
                ("angle[1]", &self.angle[1], any),
                ("torque[0]", &self.torque[0], any),
                ("torque[1]", &self.torque[1], any),
            ]
            .map(|(field, law, (low, high))| law.check(&format!("reacher.{field}"), low, high))
            .into_iter()
            .chain([target(0), target(1)]),
        )
    }

    /// Angles against the x axis, then the place and velocity of the arm's end.
    fn state_columns(&self) -> Vec<Column> {
        Column::list(&[
            ("angle_1", "rad"),
            ("angle_2", "rad"),
            ("angular_velocity_1", "rad/s"),
            ("angular_velocity_2", "rad/s"),
            ("x", "px"),
            ("y", "px"),
            ("vx", "px/s"),
            ("vy", "px/s"),
        ])
    }

    fn parameter_columns(&self) -> Vec<Column> {
        Column::list(&[
            ("length_1", "px"),
            ("length_2", "px"),
            ("mass_1", "kg"),
            ("mass_2", "kg"),
            ("damping", "kg px^2/s"),
            ("target_x", "px"),
            ("target_y", "px"),
        ])
    }

    fn event_columns(&self) -> Vec<Column> {
        Vec::new()
    }

    fn action_columns(&self) -> Vec<Column> {
        Column::list(&[("torque_1", "kg px^2/s^2"), ("torque_2", "kg px^2/s^2")])
    }

    fn action_limits(&self) -> Vec<[f64; 2]> {
        self.torque.iter().map(Distribution::range).collect()
    }

    /// Distance of the arm's end from the target, px.
    fn cost(&self, state: &[f64], _action: &[f64], parameters: &[f64]) -> Option<f64> {
        let (&[_, _, _, _, x, y, ..], &[.., to_x, to_y]) = (state, parameters) else {
            return None;
        };
        Some(hypot(x - to_x, y - to_y))
    }

    fn energy_unit(&self) -> Option<&'static str> {
        Some("kg px^2/s^2")
    }

    /// Without the work of motors and damping, which change it.
    fn energy(&self, state: &[f64], parameters: &[f64]) -> Option<[f64; 2]> {
        let (&[a, b, va, vb, ..], &[l1, l2, m1, m2, ..]) = (state, parameters) else {
            return None;
        };
        let first = 0.5 * (m1 / 3.0 + m2) * l1 * l1 * va * va;
        let second = m2 * l2 * l2 / 6.0 * vb * vb;
        let both = 0.5 * m2 * l1 * l2 * cos(a - b) * va * vb;
        Some([first + second + both, 0.0])
    }

    /// Torques come from a stream of their own: start and target do not depend on them.
    fn begin(&self, rng: &mut Rng) -> Result<Begun, Error> {
        let mut torques = branch(rng);
        let lengths = [self.length[0].sample(rng)?, self.length[1].sample(rng)?];
        let masses = [self.mass[0].sample(rng)?, self.mass[1].sample(rng)?];
        let mut parameters = [lengths, masses].concat();
        parameters.push(self.damping.sample(rng)?);
        let [a, b] = [self.angle[0].sample(rng)?, self.angle[1].sample(rng)?];
        let target = match &self.target {
            Some([x, y]) => [x.sample(rng)?, y.sample(rng)?],
            None => {
                let radius = Distribution::Uniform {
                    low: (lengths[0] - lengths[1]).abs(),
                    high: lengths[0] + lengths[1],
                };
                let about = Distribution::Uniform {
                    low: 0.0,
                    high: 360.0,
                };
                let (radius, about) = (radius.sample(rng)?, about.sample(rng)?);
                let (sin, cos) = sin_cos(about.to_radians());
                [BOB.pivot[0] + radius * cos, BOB.pivot[1] + radius * sin]
            }
        };
        parameters.extend(target);
        let angles = [a.to_radians(), b.to_radians(), 0.0, 0.0];
        self.set_up(angles, parameters, &mut torques)
    }

    /// The angles do not wrap, so they hold all there is.
    fn resume(
        &self,
        state: &[f64],
        parameters: &[f64],
        rng: &mut Rng,
    ) -> Result<Option<Begun>, Error> {
        fits(self, state, parameters)?;
        let angles = [state[0], state[1], state[2], state[3]];
        Ok(Some(self.set_up(angles, parameters.to_vec(), rng)?))
    }

    fn view(&self) -> Rectangle {
        BOB.view
    }

    fn parts(&self) -> Vec<String> {
        ["end", "link_1", "link_2", "target"]
            .map(String::from)
            .to_vec()
    }

    fn bodies(&self, state: &[f64], parameters: &[f64], shapes: &mut Vec<Shape>) {
        let at = [state[4], state[5]];
        let (sin, cos) = sin_cos(state[0]);
        let elbow = [
            BOB.pivot[0] + parameters[0] * cos,
            BOB.pivot[1] + parameters[0] * sin,
        ];
        let mut target = BOB.disc([parameters[5], parameters[6]], RADIUS, 3);
        target.brightness = 0.35;
        shapes.push(target);
        shapes.push(rod(BOB.pivot, elbow, 1));
        shapes.push(rod(elbow, at, 2));
        shapes.push(Shape {
            outline: Outline::Disc {
                centre: at,
                radius: RADIUS,
            },
            brightness: 1.0,
            part: 0,
        });
    }
}
