//! A point mass on a rod. The question: is the learned oscillation that of the true angle, whose period grows with the
//! amplitude, and not that of a linear law?
//!
//! angle'' = -(gravity/length) sin(angle) - damping angle'. Without damping the motion is a Jacobi elliptic function
//! (`simulators/elliptic.rs`): with k = sin(amplitude/2), sin(angle/2) = k sn(w t, k), w^2 = gravity/length, and the period is
//! 4 K(k)/w; a pendulum that goes over the top turns as the amplitude function am.

use crate::elementary::sin_cos;
use crate::elliptic;
use crate::extrapolation::Extrapolated;
use crate::linkage::{Link, Linkage};
use crate::record::fits;
use crate::{
    Begun, Column, Distribution, Error, Outline, Rectangle, Rng, Shape, Simulator, branch,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// A pendulum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Pendulum {
    /// Length of the rod, px; at least 0.1. Default 11.
    pub length: Distribution,
    /// Mass, kg; at least 0.001. Default 1.
    pub mass: Distribution,
    /// Gravity, downwards, px/s^2; at least 0. Default 40: small oscillations take 3.3 s.
    pub gravity: Distribution,
    /// Damping c of angle'' = ... - c angle', 1/s; at least 0. Default 0.
    pub damping: Distribution,
    /// Angle at the start, deg, counter-clockwise from straight down. Default uniform over -90..=90.
    pub angle: Distribution,
    /// Angular velocity at the start, deg/s. Default N(0, 40^2).
    pub angular_velocity: Distribution,
    /// Radius of the drawn mass, px; at least 0.01. Default 3.
    pub radius: Distribution,
    /// Torque u at the pivot, kg px^2/s^2, drawn anew for every frame and recorded as action; its range limits what can be
    /// applied. The task is to stand upright: a frame costs a^2 + 0.1 w^2 + 0.001 (u/(mass gravity length))^2 at an angle a
    /// from upright (rad) and an angular velocity w (rad/s); without gravity torques cost nothing. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub torque: Option<Distribution>,
}

impl Default for Pendulum {
    fn default() -> Self {
        Self {
            length: Distribution::Constant(11.0),
            mass: Distribution::Constant(1.0),
            gravity: Distribution::Constant(40.0),
            damping: Distribution::Constant(0.0),
            angle: Distribution::Uniform {
                low: -90.0,
                high: 90.0,
            },
            angular_velocity: Distribution::Normal {
                mean: 0.0,
                std: 40.0,
            },
            radius: Distribution::Constant(3.0),
            torque: None,
        }
    }
}

/// What both pendulum worlds share: where they hang, and how they are drawn.
pub(crate) struct Hanging {
    /// The pivot, px.
    pub pivot: [f64; 2],
    /// The view, px.
    pub view: Rectangle,
}

/// The pivot in the middle of a world of 32 x 32 px.
pub(crate) const BOB: Hanging = Hanging {
    pivot: [16.0, 16.0],
    view: Rectangle {
        left: 0.0,
        right: 32.0,
        bottom: 0.0,
        top: 32.0,
    },
};

impl Hanging {
    /// A white disc.
    pub fn disc(&self, centre: [f64; 2], radius: f64, part: usize) -> Shape {
        Shape {
            outline: Outline::Disc { centre, radius },
            brightness: 1.0,
            part,
        }
    }

    /// What to say where the engine refuses the joints.
    pub fn broken(&self) -> impl Fn() -> Error {
        || Error::Physics("joints: expected a tree of bodies, got none".into())
    }
}

/// How far an angle from straight down is from upright, rad, within -pi..pi.
fn from_upright(angle: f64) -> f64 {
    angle.rem_euclid(2.0 * PI) - PI
}

/// A grey rod of 1 px.
pub(crate) fn rod(from: [f64; 2], to: [f64; 2], part: usize) -> Shape {
    Shape {
        outline: Outline::Capsule {
            ends: [from, to],
            radius: 0.5,
        },
        brightness: 0.5,
        part,
    }
}

/// Position and velocity of what hangs on a rod from a moving point: x, y, vx, vy.
pub(crate) fn hung([x, y, vx, vy]: [f64; 4], length: f64, angle: f64, speed: f64) -> [f64; 4] {
    let (sin, cos) = sin_cos(angle);
    let along = length * speed;
    [
        x + length * sin,
        y - length * cos,
        vx + along * cos,
        vy + along * sin,
    ]
}

/// Greatest error of one stretch, rad or rad/s.
const TOLERANCE: f64 = 1e-11;

impl Pendulum {
    /// Small instances for contract tests: free; over the top; different and damped; driven.
    pub fn examples() -> Vec<Self> {
        let uniform = |low, high| Distribution::Uniform { low, high };
        let wild = Self {
            angle: uniform(-180.0, 180.0),
            angular_velocity: uniform(-400.0, 400.0),
            ..Self::default()
        };
        let damped = Self {
            length: uniform(6.0, 12.0),
            mass: uniform(0.5, 2.0),
            gravity: uniform(10.0, 60.0),
            damping: uniform(0.1, 1.0),
            radius: uniform(2.0, 4.0),
            ..Self::default()
        };
        let driven = Self {
            torque: Some(uniform(-200.0, 200.0)),
            ..damped.clone()
        };
        vec![Self::default(), wild, damped, driven]
    }

    fn columns_of(angle: f64, speed: f64, length: f64) -> Vec<f64> {
        let pivot = [BOB.pivot[0], BOB.pivot[1], 0.0, 0.0];
        let mut state = vec![angle, speed];
        state.extend(hung(pivot, length, angle, speed));
        state
    }

    /// The pendulum at an angle (rad) and angular velocity (rad/s), under parameters of [`Simulator::parameter_columns`].
    fn hang(&self, at: [f64; 2], parameters: Vec<f64>, rng: &mut Rng) -> Result<Begun, Error> {
        let &[_, length, mass, gravity, damping] = parameters.as_slice() else {
            let expected = "radius, length, mass, gravity, damping";
            return Err(Error::parameter(
                "parameters",
                expected,
                format!("{parameters:?}"),
            ));
        };
        let link = Link {
            parent: None,
            from: BOB.pivot,
            to: [0.0, length],
            mass,
            inertia: 0.0,
            spring: [0.0; 2],
            damping: damping * mass * length * length, // of the torque
            slides: false,
        };
        let linkage = Linkage::new(&[link], true, [0.0, -gravity]).ok_or_else(BOB.broken())?;
        let shown = move |y: &[f64], state: &mut Vec<f64>| {
            state.extend(Self::columns_of(y[0], y[1], length));
        };
        let mut motion = Extrapolated::new(linkage, at.to_vec(), TOLERANCE, shown);
        if let Some(torque) = self.torque {
            motion = motion.driven(vec![torque], branch(rng));
        }
        Ok(Begun {
            parameters,
            motion: Box::new(motion),
        })
    }
}

impl Simulator for Pendulum {
    fn check(&self) -> Result<(), Error> {
        let (any, positive) = ((f64::NEG_INFINITY, f64::INFINITY), (0.0, f64::INFINITY));
        Error::all(
            [
                ("length", &self.length, (0.1, f64::INFINITY)),
                ("mass", &self.mass, (0.001, f64::INFINITY)),
                ("gravity", &self.gravity, positive),
                ("damping", &self.damping, positive),
                ("angle", &self.angle, any),
                ("angular_velocity", &self.angular_velocity, any),
                ("radius", &self.radius, (0.01, f64::INFINITY)),
                (
                    "torque",
                    &self.torque.unwrap_or(Distribution::Constant(0.0)),
                    any,
                ),
            ]
            .map(|(field, law, (low, high))| law.check(&format!("pendulum.{field}"), low, high)),
        )
    }

    fn state_columns(&self) -> Vec<Column> {
        Column::list(&[
            ("angle", "rad"),
            ("angular_velocity", "rad/s"),
            ("x", "px"),
            ("y", "px"),
            ("vx", "px/s"),
            ("vy", "px/s"),
        ])
    }

    fn parameter_columns(&self) -> Vec<Column> {
        Column::list(&[
            ("radius", "px"),
            ("length", "px"),
            ("mass", "kg"),
            ("gravity", "px/s^2"),
            ("damping", "1/s"),
        ])
    }

    fn event_columns(&self) -> Vec<Column> {
        Vec::new()
    }

    fn action_columns(&self) -> Vec<Column> {
        match self.torque {
            Some(_) => Column::list(&[("torque", "kg px^2/s^2")]),
            None => Vec::new(),
        }
    }

    fn action_limits(&self) -> Vec<[f64; 2]> {
        self.torque.iter().map(Distribution::range).collect()
    }

    fn cost(&self, state: &[f64], action: &[f64], parameters: &[f64]) -> Option<f64> {
        let (&[angle, speed, ..], &[torque], &[_, length, mass, gravity, _]) =
            (state, action, parameters)
        else {
            return None;
        };
        let weight = mass * gravity * length;
        let weights = if weight > 0.0 { torque / weight } else { 0.0 };
        let aside = from_upright(angle);
        Some(aside * aside + 0.1 * speed * speed + 0.001 * weights * weights)
    }

    fn energy_unit(&self) -> Option<&'static str> {
        Some("kg px^2/s^2")
    }

    /// Potential energy is 0 at the pivot's height.
    fn energy(&self, state: &[f64], parameters: &[f64]) -> Option<[f64; 2]> {
        let (&[_, _, _, y, vx, vy], &[_, _, mass, gravity, _]) = (state, parameters) else {
            return None;
        };
        let kinetic = 0.5 * mass * (vx * vx + vy * vy);
        Some([kinetic, mass * gravity * (y - BOB.pivot[1])])
    }

    fn begin(&self, rng: &mut Rng) -> Result<Begun, Error> {
        let radius = self.radius.sample(rng)?;
        let length = self.length.sample(rng)?;
        let mass = self.mass.sample(rng)?;
        let gravity = self.gravity.sample(rng)?;
        let damping = self.damping.sample(rng)?;
        let angle = self.angle.sample(rng)?.to_radians();
        let speed = self.angular_velocity.sample(rng)?.to_radians();
        let parameters = vec![radius, length, mass, gravity, damping];
        self.hang([angle, speed], parameters, rng)
    }

    /// The angles do not wrap, so they hold all there is.
    fn resume(
        &self,
        state: &[f64],
        parameters: &[f64],
        rng: &mut Rng,
    ) -> Result<Option<Begun>, Error> {
        fits(self, state, parameters)?;
        let begun = self.hang([state[0], state[1]], parameters.to_vec(), rng)?;
        Ok(Some(begun))
    }

    /// Without damping and torque.
    fn exact(&self, initial: &[f64], parameters: &[f64], t: f64) -> Option<Vec<f64>> {
        let (&[angle, speed, ..], &[_, length, _, gravity, damping]) = (initial, parameters) else {
            return None;
        };
        let [angle, speed] = (damping == 0.0 && self.torque.is_none())
            .then(|| elliptic::pendulum([angle, speed], gravity / length, t))?;
        Some(Self::columns_of(angle, speed, length))
    }

    fn view(&self) -> Rectangle {
        BOB.view
    }

    fn parts(&self) -> Vec<String> {
        ["bob", "rod"].map(String::from).to_vec()
    }

    fn bodies(&self, state: &[f64], parameters: &[f64], shapes: &mut Vec<Shape>) {
        let bob = [state[2], state[3]];
        shapes.push(rod(BOB.pivot, bob, 1));
        shapes.push(BOB.disc(bob, parameters[0], 0));
    }
}
