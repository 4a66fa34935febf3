//! Two balls that meet in free space. The question: does a model that saw some speeds and sizes conserve momentum for others?
//!
//! Source: the collision of phyworld (see [`crate::projectile`]): two balls on one horizontal line of a world of 10 x 10 m, with
//! masses as their areas; in distribution radius 0.7..=1.5 m and speed 1..=4 m/s, out of it radius 0.3..=0.6 or 1.5..=2 m, speed
//! 0..=0.8 or 4.5..=6 m/s. Departure: an offset of the two lines is a parameter (by default 0), for oblique impacts.
//!
//! Exact, by conservation of momentum and restitution e: at the time of touch the impulse along the line of centres n is
//! (1 + e) m1 m2/(m1 + m2) times the approach speed.

use crate::crowd::{Crowd, Member};
use crate::projectile::WORLD;
use crate::record::fits;
use crate::{Begun, Column, Distribution, Error, Outline, Rectangle, Rng, Shape, Simulator};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Two balls on their way to each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TwoBallCollision {
    /// Radius of either ball, drawn for each, m; at least 0.01. Default uniform over 0.7..=1.5.
    pub radius: Distribution,
    /// Speed of either ball towards the other, drawn for each, m/s. Default uniform over 1..=4.
    pub speed: Distribution,
    /// Mass of a square metre of ball, kg/m^2; at least 0.001. Default 1.
    pub density: Distribution,
    /// Coefficient of restitution, 0..=1. Default 1.
    pub restitution: Distribution,
    /// Where the left and the right ball begin, x, m. Default uniform over 1.5..=3 and 7..=8.5.
    pub start: [Distribution; 2],
    /// How much higher than the left ball's the right ball's line is, m. Default 0: head-on.
    pub offset: Distribution,
}

impl Default for TwoBallCollision {
    fn default() -> Self {
        let uniform = |low, high| Distribution::Uniform { low, high };
        Self {
            radius: uniform(0.7, 1.5),
            speed: uniform(1.0, 4.0),
            density: Distribution::Constant(1.0),
            restitution: Distribution::Constant(1.0),
            start: [uniform(1.5, 3.0), uniform(7.0, 8.5)],
            offset: Distribution::Constant(0.0),
        }
    }
}

impl TwoBallCollision {
    /// Small instances for contract tests: head-on; oblique with losses.
    pub fn examples() -> Vec<Self> {
        let uniform = |low, high| Distribution::Uniform { low, high };
        let oblique = Self {
            restitution: uniform(0.0, 1.0),
            offset: uniform(-1.5, 1.5),
            density: uniform(0.5, 2.0),
            ..Self::default()
        };
        vec![Self::default(), oblique]
    }
}

impl Simulator for TwoBallCollision {
    fn check(&self) -> Result<(), Error> {
        let key = |field: &str| format!("two_ball_collision.{field}");
        let any = (f64::NEG_INFINITY, f64::INFINITY);
        Error::all(
            [
                ("radius", &self.radius, (0.01, f64::INFINITY)),
                ("speed", &self.speed, (0.0, f64::INFINITY)),
                ("density", &self.density, (0.001, f64::INFINITY)),
                ("restitution", &self.restitution, (0.0, 1.0)),
                ("start[0]", &self.start[0], any),
                ("start[1]", &self.start[1], any),
                ("offset", &self.offset, any),
            ]
            .map(|(field, law, (low, high))| law.check(&key(field), low, high)),
        )?;
        let apart = self.start[1].range()[0] - self.start[0].range()[1];
        let most = 2.0 * self.radius.range()[1];
        if apart <= most {
            let expected = format!("starts more than two greatest radii, {most} m, apart");
            return Err(Error::parameter(
                &key("start"),
                expected,
                format!("{apart} m"),
            ));
        }
        Ok(())
    }

    fn state_columns(&self) -> Vec<Column> {
        Column::list(&[
            ("x_1", "m"),
            ("y_1", "m"),
            ("vx_1", "m/s"),
            ("vy_1", "m/s"),
            ("x_2", "m"),
            ("y_2", "m"),
            ("vx_2", "m/s"),
            ("vy_2", "m/s"),
        ])
    }

    fn parameter_columns(&self) -> Vec<Column> {
        Column::list(&[
            ("restitution", "1"),
            ("offset", "m"),
            ("radius_1", "m"),
            ("mass_1", "kg"),
            ("speed_1", "m/s"),
            ("radius_2", "m"),
            ("mass_2", "kg"),
            ("speed_2", "m/s"),
        ])
    }

    fn event_columns(&self) -> Vec<Column> {
        Column::list(&[("hit_1_2", "1")])
    }

    fn energy_unit(&self) -> Option<&'static str> {
        Some("kg m^2/s^2")
    }

    fn energy(&self, state: &[f64], parameters: &[f64]) -> Option<[f64; 2]> {
        let &[_, _, _, one, _, _, two, _] = parameters else {
            return None;
        };
        let of = |mass: f64, ball: &[f64]| 0.5 * mass * (ball[2] * ball[2] + ball[3] * ball[3]);
        Some([of(one, state.get(..4)?) + of(two, state.get(4..8)?), 0.0])
    }

    fn begin(&self, rng: &mut Rng) -> Result<Begun, Error> {
        let density = self.density.sample(rng)?;
        let restitution = self.restitution.sample(rng)?;
        let offset = self.offset.sample(rng)?;
        let mut parameters = vec![restitution, offset];
        let mut state = Vec::new();
        for (side, heading) in [(0, 1.0), (1, -1.0)] {
            let radius = self.radius.sample(rng)?;
            let speed = self.speed.sample(rng)?;
            let x = self.start[side].sample(rng)?;
            let mass = density * std::f64::consts::PI * radius * radius;
            let y = 5.0 - 0.5 * heading * offset;
            parameters.extend([radius, mass, speed]);
            state.extend([x, y, heading * speed, 0.0]);
        }
        Ok(flying(&state, parameters))
    }

    fn resume(
        &self,
        state: &[f64],
        parameters: &[f64],
        _rng: &mut Rng,
    ) -> Result<Option<Begun>, Error> {
        fits(self, state, parameters)?;
        Ok(Some(flying(state, parameters.to_vec())))
    }

    fn exact(&self, initial: &[f64], parameters: &[f64], t: f64) -> Option<Vec<f64>> {
        let &[e, _, r1, m1, _, r2, m2, _] = parameters else {
            return None;
        };
        let &[x1, y1, ux1, uy1, x2, y2, ux2, uy2] = initial else {
            return None;
        };
        let straight = |x: f64, y: f64, vx: f64, vy: f64, t: f64| [x + vx * t, y + vy * t, vx, vy];
        let (apart, speed, reach) = ([x2 - x1, y2 - y1], [ux2 - ux1, uy2 - uy1], r1 + r2);
        let dot = |a: [f64; 2], b: [f64; 2]| a[0] * b[0] + a[1] * b[1];
        let (a, b, c) = (
            dot(speed, speed),
            dot(apart, speed),
            dot(apart, apart) - reach * reach,
        );
        let discriminant = b * b - a * c;
        let touch = (c > 0.0 && b < 0.0 && discriminant > 0.0)
            .then(|| c / (discriminant.sqrt() - b))
            .filter(|&touch| touch < t);
        let Some(touch) = touch else {
            let [one, two] = [straight(x1, y1, ux1, uy1, t), straight(x2, y2, ux2, uy2, t)];
            return Some([one, two].concat());
        };
        let (one, two) = (
            straight(x1, y1, ux1, uy1, touch),
            straight(x2, y2, ux2, uy2, touch),
        );
        let n = [(two[0] - one[0]) / reach, (two[1] - one[1]) / reach];
        let impulse = (1.0 + e) * m1 * m2 / (m1 + m2) * -dot(speed, n);
        let after = |ball: [f64; 4], push: f64| {
            let (vx, vy) = (ball[2] + push * n[0], ball[3] + push * n[1]);
            straight(ball[0], ball[1], vx, vy, t - touch)
        };
        Some([after(one, -impulse / m1), after(two, impulse / m2)].concat())
    }

    fn view(&self) -> Rectangle {
        WORLD
    }

    fn parts(&self) -> Vec<String> {
        vec!["ball_1".into(), "ball_2".into()]
    }

    fn bodies(&self, state: &[f64], parameters: &[f64], shapes: &mut Vec<Shape>) {
        for part in 0..2 {
            shapes.push(Shape {
                outline: Outline::Disc {
                    centre: [state[4 * part], state[4 * part + 1]],
                    radius: parameters[2 + 3 * part],
                },
                brightness: 1.0,
                part,
            });
        }
    }
}

/// The balls at a state, under parameters of [`Simulator::parameter_columns`].
fn flying(state: &[f64], parameters: Vec<f64>) -> Begun {
    let members: Vec<Member> = state
        .chunks_exact(4)
        .zip(parameters[2..].chunks_exact(3))
        .map(|(ball, about)| Member {
            radius: about[0],
            mass: about[1],
            state: [ball[0], ball[1], ball[2], ball[3]],
        })
        .collect();
    let motion = Box::new(Crowd::new(&[], 1.0, &members, parameters[0], [0.0; 2]));
    Begun { parameters, motion }
}
