//! A figure of ten bodies and nine joints that leaps through the air. The question: what does a model find in a motion of
//! many degrees of freedom, of which two are a parabola and one turns evenly?
//!
//! The joints are springs towards a relaxed pose, damped like flesh; there are no limits and no ground. So three laws hold
//! whatever the limbs do: the centre of mass falls on a parabola, the angular momentum about it is constant, and without damping
//! the energy is.

use crate::elementary::sin_cos;
use crate::extrapolation::Extrapolated;
use crate::linkage::{Link, Linkage};
use crate::pendulum::BOB;
use crate::record::fits;
use crate::{Begun, Column, Distribution, Error, Outline, Rectangle, Rng, Shape, Simulator};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// A leaping figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ragdoll {
    /// Size of the figure, 1 = 18 px high; at least 0.1. Default 1.
    pub size: Distribution,
    /// Mass of a square px of the figure, kg/px^2; at least 0.001. Default 0.1.
    pub density: Distribution,
    /// Stiffness of every joint, kg px^2/s^2; at least 0. Default 100.
    pub stiffness: Distribution,
    /// Damping of every joint, kg px^2/s; at least 0. Default 4.
    pub damping: Distribution,
    /// Constant acceleration (x, y), px/s^2. Default (0, -10).
    pub gravity: [Distribution; 2],
    /// Middle of the trunk at the start (x, y), px; the view is 32 x 32 px. Default (16, 13) + N(0, 1).
    pub start: [Distribution; 2],
    /// Its velocity at the start (vx, vy), px/s. Default uniform over -2..=2 and 7..=11: it lands after some 2 s.
    pub velocity: [Distribution; 2],
    /// How the trunk leans at the start, deg. Default N(0, 15^2).
    pub lean: Distribution,
    /// How fast it turns at the start, deg/s. Default N(0, 60^2).
    pub spin: Distribution,
    /// How far every joint is from its relaxed angle at the start, drawn for each, deg. Default N(0, 30^2).
    pub bend: Distribution,
    /// How fast every joint turns at the start, drawn for each, deg/s. Default N(0, 90^2).
    pub swing: Distribution,
}

impl Default for Ragdoll {
    fn default() -> Self {
        let uniform = |low, high| Distribution::Uniform { low, high };
        let normal = |mean, std| Distribution::Normal { mean, std };
        Self {
            size: Distribution::Constant(1.0),
            density: Distribution::Constant(0.1),
            stiffness: Distribution::Constant(100.0),
            damping: Distribution::Constant(4.0),
            gravity: [0.0, -10.0].map(Distribution::Constant),
            start: [normal(16.0, 1.0), normal(13.0, 1.0)],
            velocity: [uniform(-2.0, 2.0), uniform(7.0, 11.0)],
            lean: normal(0.0, 15.0),
            spin: normal(0.0, 60.0),
            bend: normal(0.0, 30.0),
            swing: normal(0.0, 90.0),
        }
    }
}

/// One body of the figure at size 1. At angle 0 limbs hang down and the head stands up.
struct Part {
    name: &'static str,
    parent: Option<usize>,
    /// The joint, from the parent's centre, px.
    joint: [f64; 2],
    /// From the joint to the centre, px.
    centre: [f64; 2],
    /// Half the distance of the round ends' middles, px.
    half: f64,
    /// Half the thickness, px.
    radius: f64,
    /// Relaxed angle relative to the parent, deg.
    relaxed: f64,
}

const fn limb(
    name: &'static str,
    parent: usize,
    joint: [f64; 2],
    half: f64,
    radius: f64,
    relaxed: f64,
) -> Part {
    Part {
        name,
        parent: Some(parent),
        joint,
        centre: [0.0, -half],
        half,
        radius,
        relaxed,
    }
}

/// Ten bodies, parents first.
const PARTS: [Part; 10] = [
    Part {
        name: "trunk",
        parent: None,
        joint: [0.0, 0.0],
        centre: [0.0, 0.0],
        half: 2.6,
        radius: 1.5,
        relaxed: 0.0,
    },
    Part {
        name: "head",
        parent: Some(0),
        joint: [0.0, 4.1],
        centre: [0.0, 2.0],
        half: 0.0,
        radius: 2.0,
        relaxed: 0.0,
    },
    limb("left_upper_arm", 0, [-1.5, 2.6], 1.7, 0.8, -40.0),
    limb("left_forearm", 2, [0.0, -1.7], 1.7, 0.7, -20.0),
    limb("right_upper_arm", 0, [1.5, 2.6], 1.7, 0.8, 40.0),
    limb("right_forearm", 4, [0.0, -1.7], 1.7, 0.7, 20.0),
    limb("left_thigh", 0, [-0.8, -3.0], 1.9, 1.0, -15.0),
    limb("left_shin", 6, [0.0, -1.9], 1.9, 0.8, 5.0),
    limb("right_thigh", 0, [0.8, -3.0], 1.9, 1.0, 15.0),
    limb("right_shin", 8, [0.0, -1.9], 1.9, 0.8, -5.0),
];

const N: usize = PARTS.len();

/// Greatest error of one stretch, px, rad, px/s or rad/s.
const TOLERANCE: f64 = 1e-7;

impl Part {
    /// Mass and moment of inertia about the centre at a size and density: of a capsule's area, spread as over a rod of its length
    /// and thickness.
    fn inertia(&self, size: f64, density: f64) -> [f64; 2] {
        let (half, radius) = (size * self.half, size * self.radius);
        let mass = density * (4.0 * half * radius + PI * radius * radius);
        let length = 2.0 * half;
        [
            mass,
            mass * (length * length / 12.0 + radius * radius / 2.0),
        ]
    }
}

/// A body's motion: x, y, angle, vx, vy, angular velocity.
type Pose = [f64; 6];

/// What is fixed to a body at (x, y) from its centre.
fn fixed_to([x, y, angle, vx, vy, speed]: Pose, [a, b]: [f64; 2]) -> [f64; 4] {
    let (sin, cos) = sin_cos(angle);
    let (dx, dy) = (a * cos - b * sin, a * sin + b * cos);
    [x + dx, y + dy, vx - speed * dy, vy + speed * dx]
}

/// Motions of all bodies from the state's columns.
fn poses(state: &[f64], size: f64) -> Vec<Pose> {
    let (angles, speeds) = (&state[4..4 + N], &state[4 + N..4 + 2 * N]);
    let mut all: Vec<Pose> = vec![[state[0], state[1], angles[0], state[2], state[3], speeds[0]]];
    for (k, part) in PARTS.iter().enumerate().skip(1) {
        let scaled = |point: [f64; 2]| point.map(|x| size * x);
        let parent = part.parent.map_or(all[0], |parent| all[parent]);
        let [x, y, vx, vy] = fixed_to(parent, scaled(part.joint));
        let at_joint = [x, y, angles[k], vx, vy, speeds[k]];
        let [x, y, vx, vy] = fixed_to(at_joint, scaled(part.centre));
        all.push([x, y, angles[k], vx, vy, speeds[k]]);
    }
    all
}

impl Ragdoll {
    /// Small instances for contract tests: the default; of other sizes, stiff and undamped.
    pub fn examples() -> Vec<Self> {
        let uniform = |low, high| Distribution::Uniform { low, high };
        let springy = Self {
            size: uniform(0.6, 1.1),
            density: uniform(0.05, 0.2),
            stiffness: uniform(20.0, 150.0),
            damping: Distribution::Constant(0.0),
            ..Self::default()
        };
        vec![Self::default(), springy]
    }

    /// Momentum (x, y) of the figure, kg px/s, its centre of mass (x, y), px, and angular momentum about that, kg px^2/s.
    pub fn momenta(&self, state: &[f64], parameters: &[f64]) -> [f64; 5] {
        let (size, density) = (parameters[0], parameters[1]);
        let (mut mass, mut sums, mut angular) = (0.0, [0.0; 4], 0.0);
        for (part, pose) in PARTS.iter().zip(poses(state, size)) {
            let [m, inertia] = part.inertia(size, density);
            let [x, y, _, vx, vy, speed] = pose;
            mass += m;
            for (sum, value) in sums.iter_mut().zip([x, y, vx, vy]) {
                *sum += m * value;
            }
            angular += m * (x * vy - y * vx) + inertia * speed;
        }
        let [x, y] = [sums[0] / mass, sums[1] / mass];
        let [px, py] = [sums[2], sums[3]];
        [px, py, x, y, angular - (x * py - y * px)]
    }
}

impl Simulator for Ragdoll {
    fn check(&self) -> Result<(), Error> {
        let (any, positive) = ((f64::NEG_INFINITY, f64::INFINITY), (0.0, f64::INFINITY));
        Error::all(
            [
                ("size", &self.size, (0.1, f64::INFINITY)),
                ("density", &self.density, (0.001, f64::INFINITY)),
                ("stiffness", &self.stiffness, positive),
                ("damping", &self.damping, positive),
                ("gravity[0]", &self.gravity[0], any),
                ("gravity[1]", &self.gravity[1], any),
                ("start[0]", &self.start[0], any),
                ("start[1]", &self.start[1], any),
                ("velocity[0]", &self.velocity[0], any),
                ("velocity[1]", &self.velocity[1], any),
                ("lean", &self.lean, any),
                ("spin", &self.spin, any),
                ("bend", &self.bend, any),
                ("swing", &self.swing, any),
            ]
            .map(|(field, law, (low, high))| law.check(&format!("ragdoll.{field}"), low, high)),
        )
    }

    /// Of the trunk's middle; then the angles of all parts, 0 upright; then their angular velocities.
    fn state_columns(&self) -> Vec<Column> {
        let mut columns = Column::list(&[("x", "px"), ("y", "px"), ("vx", "px/s"), ("vy", "px/s")]);
        for (what, unit) in [("angle", "rad"), ("angular_velocity", "rad/s")] {
            columns.extend(PARTS.iter().map(|part| Column {
                name: format!("{what}_{}", part.name),
                unit: unit.into(),
            }));
        }
        columns
    }

    fn parameter_columns(&self) -> Vec<Column> {
        Column::list(&[
            ("size", "1"),
            ("density", "kg/px^2"),
            ("stiffness", "kg px^2/s^2"),
            ("damping", "kg px^2/s"),
            ("gravity_x", "px/s^2"),
            ("gravity_y", "px/s^2"),
        ])
    }

    fn event_columns(&self) -> Vec<Column> {
        Vec::new()
    }

    fn energy_unit(&self) -> Option<&'static str> {
        Some("kg px^2/s^2")
    }

    /// Potential energy is that of height and of the joints' springs.
    fn energy(&self, state: &[f64], parameters: &[f64]) -> Option<[f64; 2]> {
        let &[size, density, stiffness, _, gx, gy] = parameters else {
            return None;
        };
        let mut energy = [0.0; 2];
        let poses = poses(state, size);
        for (part, pose) in PARTS.iter().zip(&poses) {
            let [mass, inertia] = part.inertia(size, density);
            let [x, y, angle, vx, vy, speed] = *pose;
            energy[0] += 0.5 * (mass * (vx * vx + vy * vy) + inertia * speed * speed);
            energy[1] -= mass * (gx * x + gy * y);
            if let Some(parent) = part.parent {
                let bend = angle - poses[parent][2] - part.relaxed.to_radians();
                energy[1] += 0.5 * stiffness * bend * bend;
            }
        }
        Some(energy)
    }

    fn begin(&self, rng: &mut Rng) -> Result<Begun, Error> {
        let size = self.size.sample(rng)?;
        let density = self.density.sample(rng)?;
        let stiffness = self.stiffness.sample(rng)?;
        let damping = self.damping.sample(rng)?;
        let gravity = [self.gravity[0].sample(rng)?, self.gravity[1].sample(rng)?];
        let mut y = vec![self.start[0].sample(rng)?, self.start[1].sample(rng)?];
        y.push(self.lean.sample(rng)?.to_radians());
        let mut speeds = vec![self.velocity[0].sample(rng)?, self.velocity[1].sample(rng)?];
        speeds.push(self.spin.sample(rng)?.to_radians());
        for part in &PARTS {
            if part.parent.is_some() {
                let relaxed = part.relaxed.to_radians();
                y.push(relaxed + self.bend.sample(rng)?.to_radians());
                speeds.push(self.swing.sample(rng)?.to_radians());
            }
        }
        y.extend(speeds);
        let parameters = vec![size, density, stiffness, damping, gravity[0], gravity[1]];
        leaping(y, parameters)
    }

    /// The angles do not wrap, so they hold all there is.
    fn resume(
        &self,
        state: &[f64],
        parameters: &[f64],
        _rng: &mut Rng,
    ) -> Result<Option<Begun>, Error> {
        fits(self, state, parameters)?;
        let relative = |angles: &[f64]| -> Vec<f64> {
            let joint = |(k, part): (usize, &Part)| {
                angles[k] - part.parent.map_or(0.0, |parent| angles[parent])
            };
            PARTS.iter().enumerate().map(joint).collect()
        };
        let mut y = state[..2].to_vec();
        y.extend(relative(&state[4..4 + N]));
        y.extend(&state[2..4]);
        y.extend(relative(&state[4 + N..]));
        Ok(Some(leaping(y, parameters.to_vec())?))
    }

    fn view(&self) -> Rectangle {
        BOB.view
    }

    fn parts(&self) -> Vec<String> {
        PARTS.iter().map(|part| part.name.into()).collect()
    }

    fn bodies(&self, state: &[f64], parameters: &[f64], shapes: &mut Vec<Shape>) {
        let size = parameters[0];
        for (k, (part, pose)) in PARTS.iter().zip(poses(state, size)).enumerate() {
            let end = |side: f64| {
                let [x, y, ..] = fixed_to(pose, [0.0, side * size * part.half]);
                [x, y]
            };
            let radius = size * part.radius;
            let outline = match part.half > 0.0 {
                true => Outline::Capsule {
                    ends: [end(1.0), end(-1.0)],
                    radius,
                },
                false => Outline::Disc {
                    centre: [pose[0], pose[1]],
                    radius,
                },
            };
            shapes.push(Shape {
                outline,
                brightness: 1.0,
                part: k,
            });
        }
    }
}

/// The figure at y (place, angles of the joints, then their velocities), under parameters of
/// [`Simulator::parameter_columns`].
fn leaping(y: Vec<f64>, parameters: Vec<f64>) -> Result<Begun, Error> {
    let [size, density, stiffness, damping] = [0, 1, 2, 3].map(|k: usize| parameters[k]);
    let link = |part: &Part| {
        let [mass, inertia] = part.inertia(size, density);
        Link {
            parent: part.parent,
            from: part.joint.map(|x| size * x),
            to: part.centre.map(|x| -size * x),
            mass,
            inertia,
            spring: [stiffness, part.relaxed.to_radians()],
            damping,
            slides: false,
        }
    };
    let links: Vec<Link> = PARTS.iter().map(link).collect();
    let gravity = [parameters[4], parameters[5]];
    let linkage = Linkage::new(&links, false, gravity).ok_or_else(BOB.broken())?;
    let shown = |y: &[f64], state: &mut Vec<f64>| {
        let (q, v) = y.split_at(N + 2);
        state.extend([q[0], q[1], v[0], v[1]]);
        for angles in [&q[2..], &v[2..]] {
            let mut absolute = [0.0; N];
            for (k, part) in PARTS.iter().enumerate() {
                absolute[k] = part.parent.map_or(0.0, |parent| absolute[parent]) + angles[k];
            }
            state.extend(absolute);
        }
    };
    Ok(Begun {
        parameters,
        motion: Box::new(Extrapolated::new(linkage, y, TOLERANCE, shown)),
    })
}
