//! A pole on a cart that is pushed along a rail. The question: can a controller that sees pictures only keep upright
//! what falls by itself?
//!
//! With the cart's place x, the pole's angle a from upright (clockwise), F the force on the cart, M and m the masses of
//! cart and pole, l half the pole's length (Florian, Correct equations for the dynamics of the cart-pole system, 2007,
//! without friction):
//! ```text
//! a'' = (g sin a + cos a (-F - m l a'^2 sin a)/(M + m)) / (l (4/3 - m cos^2 a/(M + m)))
//! x'' = (F + m l (a'^2 sin a - a'' cos a)) / (M + m)
//! ```
//! The engine's multibody does not know these equations; a test integrates them by a Runge-Kutta method. Source of the
//! constants and of the task: CartPole-v1 of gymnasium (Barto, Sutton and Anderson 1983); departures: the force is any
//! number within +-10 (there: one of two), the motion is exact (there: Euler steps of 0.02 s), and nothing ends when
//! the pole falls: a frame costs 1 where |x| > 2.4 m or |a| > 12 deg, else 0.

use crate::elementary::sin_cos;
use crate::extrapolation::Extrapolated;
use crate::linkage::{Link, Linkage};
use crate::pendulum::BOB;
use crate::record::fits;
use crate::{
    Begun, Column, Distribution, Error, Outline, Rectangle, Rng, Shape, Simulator, branch,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A pole on a cart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cartpole {
    /// Mass of the cart, kg; at least 0.001. Default 1.
    pub cart_mass: Distribution,
    /// Mass of the pole, kg; at least 0.001. Default 0.1.
    pub pole_mass: Distribution,
    /// Half the length of the pole, m; within 0.05..=1. Default 0.5.
    pub half_length: Distribution,
    /// Gravity, downwards, m/s^2; at least 0. Default 9.8.
    pub gravity: Distribution,
    /// Place (m) and velocity (m/s) of the cart at the start. Default uniform over -0.05..=0.05 each.
    pub cart: [Distribution; 2],
    /// Angle (deg) and angular velocity (deg/s) of the pole at the start, clockwise from upright. Default uniform over
    /// -2.9..=2.9 each (0.05 rad).
    pub pole: [Distribution; 2],
    /// Force on the cart, kg m/s^2, drawn anew for every frame where nobody acts; its range limits what can be applied.
    /// Default uniform over -10..=10.
    pub force: Distribution,
}

impl Default for Cartpole {
    fn default() -> Self {
        let uniform = |low, high| Distribution::Uniform { low, high };
        Self {
            cart_mass: Distribution::Constant(1.0),
            pole_mass: Distribution::Constant(0.1),
            half_length: Distribution::Constant(0.5),
            gravity: Distribution::Constant(9.8),
            cart: [uniform(-0.05, 0.05); 2],
            pole: [uniform(-2.9, 2.9); 2],
            force: uniform(-10.0, 10.0),
        }
    }
}

/// Greatest error of one stretch, m, rad or one a second.
const TOLERANCE: f64 = 1e-10;
/// Where the task ends: place, m, and angle, deg.
const LIMITS: [f64; 2] = [2.4, 12.0];

impl Cartpole {
    /// Small instances for contract tests: the default; heavy, of other lengths, hanging.
    pub fn examples() -> Vec<Self> {
        let uniform = |low, high| Distribution::Uniform { low, high };
        let hanging = Self {
            cart_mass: uniform(0.5, 2.0),
            pole_mass: uniform(0.1, 1.0),
            half_length: uniform(0.3, 0.7),
            pole: [uniform(120.0, 240.0), uniform(-50.0, 50.0)],
            force: uniform(-3.0, 3.0),
            ..Self::default()
        };
        vec![Self::default(), hanging]
    }

    /// Cart and pole at a state (x, vx, angle, angular velocity), under parameters of [`Simulator::parameter_columns`].
    fn set_up(&self, state: &[f64], parameters: &[f64], rng: &mut Rng) -> Result<Begun, Error> {
        let (&[cart, pole, half, gravity], &[x, vx, angle, speed]) = (parameters, state) else {
            let expected = "4 parameters and 4 state columns";
            return Err(Error::parameter(
                "cartpole",
                expected,
                format!("{parameters:?}, {state:?}"),
            ));
        };
        let links = [
            Link {
                parent: None,
                from: [0.0; 2],
                to: [0.0; 2],
                mass: cart,
                inertia: 1.0, // it does not turn
                spring: [0.0; 2],
                damping: 0.0,
                slides: true,
            },
            Link {
                parent: Some(0),
                from: [0.0; 2],
                to: [0.0, -half],
                mass: pole,
                inertia: pole * half * half / 3.0,
                spring: [0.0; 2],
                damping: 0.0,
                slides: false,
            },
        ];
        let linkage = Linkage::new(&links, true, [0.0, -gravity]).ok_or_else(BOB.broken())?;
        // The engine counts angles counter-clockwise.
        let shown = |y: &[f64], state: &mut Vec<f64>| state.extend([y[0], y[2], -y[1], -y[3]]);
        let y = vec![x, -angle, vx, -speed];
        let motion = Extrapolated::new(linkage, y, TOLERANCE, shown);
        Ok(Begun {
            parameters: parameters.to_vec(),
            motion: Box::new(motion.driven(vec![self.force], branch(rng))),
        })
    }
}

impl Simulator for Cartpole {
    fn check(&self) -> Result<(), Error> {
        let (any, positive) = ((f64::NEG_INFINITY, f64::INFINITY), (0.0, f64::INFINITY));
        let masses = (0.001, f64::INFINITY);
        Error::all(
            [
                ("cart_mass", &self.cart_mass, masses),
                ("pole_mass", &self.pole_mass, masses),
                ("half_length", &self.half_length, (0.05, 1.0)),
                ("gravity", &self.gravity, positive),
                ("cart[0]", &self.cart[0], any),
                ("cart[1]", &self.cart[1], any),
                ("pole[0]", &self.pole[0], any),
                ("pole[1]", &self.pole[1], any),
                ("force", &self.force, any),
            ]
            .map(|(field, law, (low, high))| law.check(&format!("cartpole.{field}"), low, high)),
        )
    }

    fn state_columns(&self) -> Vec<Column> {
        Column::list(&[
            ("cart_x", "m"),
            ("cart_vx", "m/s"),
            ("angle", "rad"),
            ("angular_velocity", "rad/s"),
        ])
    }

    fn parameter_columns(&self) -> Vec<Column> {
        Column::list(&[
            ("cart_mass", "kg"),
            ("pole_mass", "kg"),
            ("half_length", "m"),
            ("gravity", "m/s^2"),
        ])
    }

    fn event_columns(&self) -> Vec<Column> {
        Vec::new()
    }

    fn action_columns(&self) -> Vec<Column> {
        Column::list(&[("force", "kg m/s^2")])
    }

    fn action_limits(&self) -> Vec<[f64; 2]> {
        vec![self.force.range()]
    }

    /// 1 where the cart or the pole is out of bounds, else 0.
    fn cost(&self, state: &[f64], _action: &[f64], _parameters: &[f64]) -> Option<f64> {
        let &[x, _, angle, _] = state else {
            return None;
        };
        let angle = (angle + std::f64::consts::PI).rem_euclid(std::f64::consts::TAU);
        let aside = (angle - std::f64::consts::PI).to_degrees().abs();
        Some(f64::from(u8::from(
            x.abs() > LIMITS[0] || aside > LIMITS[1],
        )))
    }

    fn energy_unit(&self) -> Option<&'static str> {
        Some("kg m^2/s^2")
    }

    /// Without the work of the force, which changes it. Potential energy is 0 at the cart's height.
    fn energy(&self, state: &[f64], parameters: &[f64]) -> Option<[f64; 2]> {
        let (&[cart, pole, half, gravity], &[_, vx, angle, speed]) = (parameters, state) else {
            return None;
        };
        let (sin, cos) = sin_cos(angle);
        let (mx, my) = (vx + half * speed * cos, -half * speed * sin); // of the pole's middle
        let turning = pole * half * half / 3.0 * speed * speed;
        let kinetic = 0.5 * (cart * vx * vx + pole * (mx * mx + my * my) + turning);
        Some([kinetic, pole * gravity * half * cos])
    }

    fn begin(&self, rng: &mut Rng) -> Result<Begun, Error> {
        let mut pushes = branch(rng);
        let parameters = [
            self.cart_mass.sample(rng)?,
            self.pole_mass.sample(rng)?,
            self.half_length.sample(rng)?,
            self.gravity.sample(rng)?,
        ];
        let state = [
            self.cart[0].sample(rng)?,
            self.cart[1].sample(rng)?,
            self.pole[0].sample(rng)?.to_radians(),
            self.pole[1].sample(rng)?.to_radians(),
        ];
        self.set_up(&state, &parameters, &mut pushes)
    }

    fn resume(
        &self,
        state: &[f64],
        parameters: &[f64],
        rng: &mut Rng,
    ) -> Result<Option<Begun>, Error> {
        fits(self, state, parameters)?;
        Ok(Some(self.set_up(state, parameters, rng)?))
    }

    /// 4.8 x 4.8 m, the rail a quarter up.
    fn view(&self) -> Rectangle {
        Rectangle {
            left: -2.4,
            right: 2.4,
            bottom: -1.8,
            top: 3.0,
        }
    }

    fn parts(&self) -> Vec<String> {
        ["cart", "pole"].map(String::from).to_vec()
    }

    /// The rail.
    fn background(&self, _parameters: &[f64]) -> Vec<Shape> {
        vec![Shape {
            outline: Outline::Rectangle(Rectangle {
                left: -100.0,
                right: 100.0,
                bottom: -0.06,
                top: 0.06,
            }),
            brightness: 0.3,
            part: 0,
        }]
    }

    fn bodies(&self, state: &[f64], parameters: &[f64], shapes: &mut Vec<Shape>) {
        let (x, (sin, cos)) = (state[0], sin_cos(state[2]));
        let length = 2.0 * parameters[2];
        shapes.push(Shape {
            outline: Outline::Rectangle(Rectangle {
                left: x - 0.4,
                right: x + 0.4,
                bottom: -0.25,
                top: 0.25,
            }),
            brightness: 0.6,
            part: 0,
        });
        shapes.push(Shape {
            outline: Outline::Capsule {
                ends: [[x, 0.0], [x + length * sin, length * cos]],
                radius: 0.1,
            },
            brightness: 1.0,
            part: 1,
        });
    }
}
