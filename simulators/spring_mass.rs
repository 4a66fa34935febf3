//! A mass on springs, in one or two dimensions. The question: does a latent state turn as the phase of an oscillator does, and
//! is its eigenvalue the true frequency?
//!
//! m x'' = -k (x - rest) - c x' in each dimension, with a stiffness for each: a line, an ellipse or a Lissajous figure. The
//! forces are handed to a body of the engine, whose steps are extrapolated (`simulators/extrapolation.rs`); the damped harmonic
//! oscillation in closed form is the reference.

use crate::elementary::{cos, cosh, exp, sin, sinh};
use crate::extrapolation::{Engine, Extrapolated};
use crate::record::fits;
use crate::{Begun, Column, Distribution, Error, Outline, Rectangle, Rng, Shape, Simulator};
use rapier2d::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A mass on springs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SpringMass {
    /// 1: along x only; 2: in the plane. Default 1.
    pub dimensions: usize,
    /// Mass, kg; at least 0.001. Default 1.
    pub mass: Distribution,
    /// Stiffness along x and y, kg/s^2; at least 0. Default 4 and 4: a period of 3.14 s.
    pub stiffness: [Distribution; 2],
    /// Damping c, kg/s; at least 0. Default 0.
    pub damping: Distribution,
    /// Displacement from rest at the start (x, y), px. Default uniform over -9..=9 each.
    pub displacement: [Distribution; 2],
    /// Velocity at the start (vx, vy), px/s. Default N(0, 6^2) each.
    pub velocity: [Distribution; 2],
    /// Radius of the drawn mass, px; at least 0.01. Default 3.
    pub radius: Distribution,
    /// Where the mass is at rest (x, y), px; the view is 32 x 32 px. Default (16, 16).
    pub rest: [f64; 2],
}

impl Default for SpringMass {
    fn default() -> Self {
        let displacement = Distribution::Uniform {
            low: -9.0,
            high: 9.0,
        };
        let velocity = Distribution::Normal {
            mean: 0.0,
            std: 6.0,
        };
        Self {
            dimensions: 1,
            mass: Distribution::Constant(1.0),
            stiffness: [Distribution::Constant(4.0); 2],
            damping: Distribution::Constant(0.0),
            displacement: [displacement; 2],
            velocity: [velocity; 2],
            radius: Distribution::Constant(3.0),
            rest: [16.0, 16.0],
        }
    }
}

/// Greatest error of one stretch, px or px/s.
const TOLERANCE: f64 = 1e-9;

impl SpringMass {
    /// Small instances for contract tests: a line; a damped Lissajous figure.
    pub fn examples() -> Vec<Self> {
        let uniform = |low, high| Distribution::Uniform { low, high };
        let plane = Self {
            dimensions: 2,
            mass: uniform(0.5, 2.0),
            stiffness: [uniform(2.0, 6.0), uniform(6.0, 12.0)],
            damping: uniform(0.0, 3.0),
            radius: uniform(2.0, 4.0),
            ..Self::default()
        };
        vec![Self::default(), plane]
    }

    /// The mass at a place (px) and velocity (px/s), x, y, vx, vy, under parameters of [`Simulator::parameter_columns`].
    fn hung(&self, y: [f64; 4], parameters: Vec<f64>) -> Begun {
        let n = self.dimensions;
        let (mass, damping) = (parameters[1], parameters[2]);
        let mut stiffness = [0.0; 2];
        stiffness[..n].copy_from_slice(&parameters[3..3 + n]);
        let mut world = PhysicsWorld {
            gravity: Vector::ZERO,
            ..PhysicsWorld::default()
        };
        world.integration_parameters.normalized_max_linear_velocity = Real::MAX;
        world.integration_parameters.num_solver_iterations = 1; // nothing to solve
        let body = RigidBodyBuilder::dynamic()
            .additional_mass(mass)
            .lock_rotations()
            .can_sleep(false);
        let body = world.insert_body(body);
        let springs = Springs {
            world,
            body,
            stiffness,
            damping,
            rest: self.rest,
        };
        let shown = move |y: &[f64], state: &mut Vec<f64>| {
            state.extend(&y[..n]);
            state.extend(&y[2..2 + n]);
        };
        Begun {
            parameters,
            motion: Box::new(Extrapolated::new(springs, y.to_vec(), TOLERANCE, shown)),
        }
    }
}

/// One body, pulled by springs.
struct Springs {
    world: PhysicsWorld,
    body: RigidBodyHandle,
    stiffness: [Real; 2],
    damping: Real,
    rest: [Real; 2],
}

impl Engine for Springs {
    fn load(&mut self, y: &[Real]) {
        let body = &mut self.world.bodies[self.body];
        body.set_translation(Vector::new(y[0], y[1]), true);
        body.set_linvel(Vector::new(y[2], y[3]), true);
    }

    fn step(&mut self, dt: Real) {
        let body = &mut self.world.bodies[self.body];
        let (x, v) = (body.translation(), body.linvel());
        let force = |x: Real, v: Real, axis: usize| {
            -self.stiffness[axis] * (x - self.rest[axis]) - self.damping * v
        };
        let force = Vector::new(force(x.x, v.x, 0), force(x.y, v.y, 1));
        body.reset_forces(true);
        body.add_force(force, true);
        self.world.integration_parameters.dt = dt;
        self.world.step();
    }

    fn save(&self, y: &mut [Real]) {
        let body = &self.world.bodies[self.body];
        let (x, v) = (body.translation(), body.linvel());
        y.copy_from_slice(&[x.x, x.y, v.x, v.y]);
    }
}

impl Simulator for SpringMass {
    fn check(&self) -> Result<(), Error> {
        let key = |field: &str| format!("spring_mass.{field}");
        if !(1..=2).contains(&self.dimensions) {
            return Err(Error::parameter(
                &key("dimensions"),
                "1 or 2",
                self.dimensions,
            ));
        }
        let (any, positive) = ((f64::NEG_INFINITY, f64::INFINITY), (0.0, f64::INFINITY));
        Error::all(
            [
                ("mass", &self.mass, (0.001, f64::INFINITY)),
                ("stiffness[0]", &self.stiffness[0], positive),
                ("stiffness[1]", &self.stiffness[1], positive),
                ("damping", &self.damping, positive),
                ("displacement[0]", &self.displacement[0], any),
                ("displacement[1]", &self.displacement[1], any),
                ("velocity[0]", &self.velocity[0], any),
                ("velocity[1]", &self.velocity[1], any),
                ("radius", &self.radius, (0.01, f64::INFINITY)),
                ("rest[0]", &Distribution::Constant(self.rest[0]), any),
                ("rest[1]", &Distribution::Constant(self.rest[1]), any),
            ]
            .map(|(field, law, (low, high))| law.check(&key(field), low, high)),
        )
    }

    fn state_columns(&self) -> Vec<Column> {
        match self.dimensions {
            1 => Column::list(&[("x", "px"), ("vx", "px/s")]),
            _ => Column::list(&[("x", "px"), ("y", "px"), ("vx", "px/s"), ("vy", "px/s")]),
        }
    }

    fn parameter_columns(&self) -> Vec<Column> {
        let mut columns = Column::list(&[
            ("radius", "px"),
            ("mass", "kg"),
            ("damping", "kg/s"),
            ("stiffness_x", "kg/s^2"),
        ]);
        if self.dimensions == 2 {
            columns.extend(Column::list(&[("stiffness_y", "kg/s^2")]));
        }
        columns
    }

    fn event_columns(&self) -> Vec<Column> {
        Vec::new()
    }

    fn energy_unit(&self) -> Option<&'static str> {
        Some("kg px^2/s^2")
    }

    fn energy(&self, state: &[f64], parameters: &[f64]) -> Option<[f64; 2]> {
        let n = self.dimensions;
        let (&[_, mass, _], stiffness) = parameters.split_first_chunk::<3>()?;
        let (x, v) = (state.get(..n)?, state.get(n..2 * n)?);
        let kinetic = 0.5 * mass * v.iter().map(|v| v * v).sum::<f64>();
        let spring = |axis: usize| 0.5 * stiffness[axis] * (x[axis] - self.rest[axis]).powi(2);
        Some([kinetic, (0..n).map(spring).sum()])
    }

    fn begin(&self, rng: &mut Rng) -> Result<Begun, Error> {
        let n = self.dimensions;
        let radius = self.radius.sample(rng)?;
        let mass = self.mass.sample(rng)?;
        let damping = self.damping.sample(rng)?;
        let (mut stiffness, mut y) = ([0.0; 2], [self.rest[0], self.rest[1], 0.0, 0.0]);
        for axis in 0..n {
            stiffness[axis] = self.stiffness[axis].sample(rng)?;
            y[axis] += self.displacement[axis].sample(rng)?;
            y[2 + axis] = self.velocity[axis].sample(rng)?;
        }
        let mut parameters = vec![radius, mass, damping];
        parameters.extend(&stiffness[..n]);
        Ok(self.hung(y, parameters))
    }

    fn resume(
        &self,
        state: &[f64],
        parameters: &[f64],
        _rng: &mut Rng,
    ) -> Result<Option<Begun>, Error> {
        fits(self, state, parameters)?;
        let n = self.dimensions;
        let mut y = [self.rest[0], self.rest[1], 0.0, 0.0];
        y[..n].copy_from_slice(&state[..n]);
        y[2..2 + n].copy_from_slice(&state[n..]);
        Ok(Some(self.hung(y, parameters.to_vec())))
    }

    /// The damped oscillation of each dimension.
    fn exact(&self, initial: &[f64], parameters: &[f64], t: f64) -> Option<Vec<f64>> {
        let n = self.dimensions;
        let (&[_, mass, damping], stiffness) = parameters.split_first_chunk::<3>()?;
        let axis = |axis: usize| {
            let (x, v) = (initial[axis] - self.rest[axis], initial[n + axis]);
            let [x, v] = oscillation([x, v], stiffness[axis] / mass, damping / mass, t);
            [x + self.rest[axis], v]
        };
        let ends: Vec<_> = (0..n).map(axis).collect();
        let columns = (0..2).flat_map(|k| ends.iter().map(move |end| end[k]));
        Some(columns.collect())
    }

    fn view(&self) -> Rectangle {
        Rectangle {
            left: 0.0,
            right: 32.0,
            bottom: 0.0,
            top: 32.0,
        }
    }

    fn parts(&self) -> Vec<String> {
        let all = ["mass", "spring"].map(String::from);
        all[..3 - self.dimensions].to_vec()
    }

    /// A thin line from the left edge to a mass on a line; the mass alone in the plane.
    fn bodies(&self, state: &[f64], parameters: &[f64], shapes: &mut Vec<Shape>) {
        let (x, y) = match self.dimensions {
            1 => (state[0], self.rest[1]),
            _ => (state[0], state[1]),
        };
        if self.dimensions == 1 {
            shapes.push(Shape {
                outline: Outline::Rectangle(Rectangle {
                    left: self.view().left,
                    right: x,
                    bottom: y - 0.5,
                    top: y + 0.5,
                }),
                brightness: 0.5,
                part: 1,
            });
        }
        shapes.push(Shape {
            outline: Outline::Disc {
                centre: [x, y],
                radius: parameters[0],
            },
            brightness: 1.0,
            part: 0,
        });
    }
}

/// Displacement and velocity after `t` s of x'' = -`square` x - `drag` x', from the roots of the characteristic equation: with
/// half = drag/2 and w^2 = square - half^2, exp(-half t) (x cos w t + (v + half x) sin(w t)/w), and its hyperbolic and straight
/// siblings for w^2 below and at 0.
fn oscillation([x, v]: [f64; 2], square: f64, drag: f64, t: f64) -> [f64; 2] {
    let half = 0.5 * drag;
    let w2 = square - half * half;
    let (cos, sin) = match w2 {
        w2 if w2 > 0.0 => {
            let w = w2.sqrt();
            (cos(w * t), sin(w * t) / w)
        }
        w2 if w2 < 0.0 => {
            let w = (-w2).sqrt();
            (cosh(w * t), sinh(w * t) / w)
        }
        _ => (1.0, t),
    };
    let decay = exp(-half * t);
    [
        decay * (x * cos + (v + half * x) * sin),
        decay * (v * cos - (square * x + half * v) * sin),
    ]
}
