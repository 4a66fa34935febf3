//! Three balls by the published rule of "bouncing balls". The question: how near does a model come to what is published
//! on this data, and to what is possible?
//!
//! Source: the bouncing balls of the recurrent temporal restricted Boltzmann machine (Sutskever, Hinton and Taylor,
//! NIPS 2008), as their script is documented to make them: a box of 10 x 10, balls of radius 1.2 and equal mass, the
//! speeds of all together of norm 0.5 a frame, two half-steps a frame. A half-step moves all balls straight; then
//! whatever reaches over a wall has its velocity turned inwards, and each two balls nearer than their radii exchange
//! their velocities along the line of centres, whether they near each other or not. So balls overlap for moments, which
//! is part of the data. A pixel is the sum of exp(-(d/r)^8) over the balls, at most 1. Departures:
//! 1. A frame of the source is 0.2 s here (`step` is a half-step), so velocities are in m/s: five times those a frame.
//! 2. Pixels are those at pixel centres (there: at corners, half a pixel aside).
//! 3. Frames have 8 bits.
//!
//! Squared error per next frame of 30 x 30 pixels, from the true positions: copy 11.84, constant velocity 2.05, the
//! same reflected by the walls 1.36 (`simulators/tests/published_balls.rs` measures them anew).

use crate::elementary::hypot;
use crate::normal::standard_normal;
use crate::record::fits;
use crate::steps::{Law, Stepped, places_between};
use crate::{Begun, Column, Error, Outline, Rectangle, Rng, Shape, Simulator};
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Balls by the published rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PublishedBalls {
    /// Number of balls, 1..=4. Default 3.
    pub count: usize,
    /// Radius, m, within 0.1..=2. Default 1.2.
    pub radius: f64,
    /// Norm of all velocities together, m/s; at least 0. Default 2.5: 0.5 a frame of 0.2 s.
    pub speed: f64,
    /// Length of a half-step, s; above 0. Default 0.1: half a frame of 0.2 s.
    pub step: f64,
}

impl Default for PublishedBalls {
    fn default() -> Self {
        Self {
            count: 3,
            radius: 1.2,
            speed: 2.5,
            step: 0.1,
        }
    }
}

/// Side of the box, m.
const SIDE: f64 = 10.0;
/// Draws of all starts together after which a box counts as too full.
const MOST_DRAWS: usize = 100_000;

/// Half-steps of all balls, (x, y, vx, vy) each.
struct Rule {
    radius: f64,
    step: f64,
}

impl Law for Rule {
    fn next(&mut self, now: &[f64], contacts: &mut Vec<usize>) -> Result<Vec<f64>, Error> {
        let n = now.len() / 4;
        let mut balls = now.to_vec();
        for ball in balls.chunks_exact_mut(4) {
            for axis in 0..2 {
                ball[axis] += self.step * ball[2 + axis];
            }
        }
        for ball in balls.chunks_exact_mut(4) {
            for axis in 0..2 {
                let (x, v) = (ball[axis], ball[2 + axis]);
                for (side, over) in [x < self.radius, x > SIDE - self.radius]
                    .into_iter()
                    .enumerate()
                {
                    let outward = if side == 0 { v < 0.0 } else { v > 0.0 };
                    if over && outward {
                        ball[2 + axis] = -v;
                        contacts.push(2 * axis + side);
                    }
                }
            }
        }
        for i in 0..n {
            for k in 0..i {
                let apart = [0, 1].map(|axis: usize| balls[4 * i + axis] - balls[4 * k + axis]);
                let distance = hypot(apart[0], apart[1]);
                if distance >= 2.0 * self.radius || distance == 0.0 {
                    continue;
                }
                let line = apart.map(|x| x / distance);
                let along = |ball: usize, balls: &[f64]| {
                    line[0] * balls[4 * ball + 2] + line[1] * balls[4 * ball + 3]
                };
                let exchange = along(k, &balls) - along(i, &balls);
                for axis in 0..2 {
                    balls[4 * i + 2 + axis] += exchange * line[axis];
                    balls[4 * k + 2 + axis] -= exchange * line[axis];
                }
                contacts.push(4 + crate::crowd::pair_index(k, i, n));
            }
        }
        Ok(balls)
    }

    /// Places move straight; velocities change at the end of a half-step.
    fn between(&self, now: &[f64], next: &[f64], share: f64, state: &mut Vec<f64>) {
        places_between(now, next, share, state);
    }
}

impl PublishedBalls {
    /// Small instances for contract tests: as published; fewer and faster.
    pub fn examples() -> Vec<Self> {
        let two = Self {
            count: 2,
            radius: 1.5,
            speed: 4.0,
            ..Self::default()
        };
        vec![Self::default(), two]
    }

    fn motion(&self, balls: Vec<f64>) -> Begun {
        let law = Rule {
            radius: self.radius,
            step: self.step,
        };
        Begun {
            parameters: vec![self.radius],
            motion: Box::new(Stepped::new(law, balls, self.step)),
        }
    }
}

impl Simulator for PublishedBalls {
    fn check(&self) -> Result<(), Error> {
        let within = |field: &str, got: f64, low: f64, high: f64| match (low..=high).contains(&got)
        {
            true => Ok(()),
            false => {
                let expected = format!("within {low}..={high}");
                Err(Error::parameter(
                    &format!("published_balls.{field}"),
                    expected,
                    got,
                ))
            }
        };
        Error::all([
            within("count", self.count as f64, 1.0, 4.0),
            within("radius", self.radius, 0.1, 2.0),
            within("speed", self.speed, 0.0, 1e6),
            within("step", self.step, 1e-6, 1e6),
        ])
    }

    fn state_columns(&self) -> Vec<Column> {
        let each = [("x", "m"), ("y", "m"), ("vx", "m/s"), ("vy", "m/s")];
        let column = |k: usize| {
            each.map(|(name, unit)| Column {
                name: format!("{name}_{k}"),
                unit: unit.into(),
            })
        };
        (1..=self.count).flat_map(column).collect()
    }

    fn parameter_columns(&self) -> Vec<Column> {
        Column::list(&[("radius", "m")])
    }

    /// With each wall, whichever ball; and of each two balls, once for every half-step that they overlap.
    fn event_columns(&self) -> Vec<Column> {
        let mut columns = crate::room::box_event_columns();
        for i in 1..=self.count {
            columns.extend((i + 1..=self.count).map(|k| Column {
                name: format!("hit_{i}_{k}"),
                unit: "1".into(),
            }));
        }
        columns
    }

    fn energy_unit(&self) -> Option<&'static str> {
        Some("m^2/s^2")
    }

    /// Of unit masses; the rule keeps it to rounding.
    fn energy(&self, state: &[f64], _parameters: &[f64]) -> Option<[f64; 2]> {
        let of = |ball: &[f64]| 0.5 * (ball[2] * ball[2] + ball[3] * ball[3]);
        Some([state.chunks_exact(4).map(of).sum(), 0.0])
    }

    fn begin(&self, rng: &mut Rng) -> Result<Begun, Error> {
        let n = self.count;
        let velocities: Vec<f64> = (0..2 * n).map(|_| standard_normal(rng)).collect();
        let norm = velocities.iter().map(|v| v * v).sum::<f64>().sqrt();
        // Uniform over 2..10 as in the source, drawn again until all fit in.
        for _ in 0..MOST_DRAWS {
            let places: Vec<f64> = (0..2 * n)
                .map(|_| 2.0 + 8.0 * rng.random::<f64>())
                .collect();
            let inside = |x: &f64| (self.radius..=SIDE - self.radius).contains(x);
            let apart = |i: usize, k: usize| {
                let (dx, dy) = (
                    places[2 * i] - places[2 * k],
                    places[2 * i + 1] - places[2 * k + 1],
                );
                hypot(dx, dy) >= 2.0 * self.radius
            };
            if places.iter().all(inside) && (0..n).all(|i| (0..i).all(|k| apart(i, k))) {
                let ball = |k: usize| {
                    let v = [0, 1].map(|axis| velocities[2 * k + axis] * self.speed / norm);
                    [places[2 * k], places[2 * k + 1], v[0], v[1]]
                };
                return Ok(self.motion((0..n).flat_map(ball).collect()));
            }
        }
        let (n, radius) = (self.count, self.radius);
        Err(Error::Physics(format!(
            "published_balls: expected room for {n} balls of radius {radius} m, found none in {MOST_DRAWS} draws"
        )))
    }

    /// The state counts as one at the end of a half-step.
    fn resume(
        &self,
        state: &[f64],
        parameters: &[f64],
        _rng: &mut Rng,
    ) -> Result<Option<Begun>, Error> {
        fits(self, state, parameters)?;
        Ok(Some(self.motion(state.to_vec())))
    }

    fn view(&self) -> Rectangle {
        crate::projectile::WORLD
    }

    fn parts(&self) -> Vec<String> {
        (1..=self.count).map(|k| format!("ball_{k}")).collect()
    }

    fn bodies(&self, state: &[f64], parameters: &[f64], shapes: &mut Vec<Shape>) {
        let balls = state.chunks_exact(4).enumerate();
        shapes.extend(balls.map(|(part, ball)| Shape {
            outline: Outline::Soft {
                centre: [ball[0], ball[1]],
                radius: parameters[0],
            },
            brightness: 1.0,
            part,
        }));
    }
}
