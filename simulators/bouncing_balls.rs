//! Several balls in a box that bounce off the walls and off each other. The question: can one latent state hold several
//! bodies, and which of them is which?
//!
//! Masses and radii are equal or different. Impacts happen one by one at their own times; momentum and energy change in them
//! as restitution says, exactly to rounding.

use crate::crowd::{Crowd, Member, pair_index};
use crate::elementary::{hypot, sin_cos};
use crate::record::fits;
use crate::room;
use crate::{Begun, Column, Distribution, Error, Outline, Rectangle, Rng, Shape, Simulator};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Several balls in a box.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BouncingBalls {
    /// Number of balls, 1..=8. Default 3.
    pub count: usize,
    /// Radius, drawn for each ball, px; at least 0.01. Default 3.
    pub radius: Distribution,
    /// Mass, drawn for each ball, kg; at least 0.001. Default 1.
    pub mass: Distribution,
    /// Inner faces of the four walls, px. Default 2..30 in x and y.
    pub walls: Rectangle,
    /// Coefficient of restitution of all impacts, 0.2..=1: with less, endlessly many impacts can happen in a finite time.
    /// Default 1.
    pub restitution: Distribution,
    /// Constant acceleration (x, y), px/s^2; only with restitution 1, so that no ball comes to rest on another. Default none.
    pub gravity: [Distribution; 2],
    /// Speed at the start, drawn for each ball, px/s. Default uniform over 10..=15.
    pub speed: Distribution,
    /// Direction at the start, drawn for each ball, deg, counter-clockwise from the x axis. Default uniform over all.
    pub direction: Distribution,
}

impl Default for BouncingBalls {
    fn default() -> Self {
        let uniform = |low, high| Distribution::Uniform { low, high };
        Self {
            count: 3,
            radius: Distribution::Constant(3.0),
            mass: Distribution::Constant(1.0),
            walls: Rectangle {
                left: 2.0,
                right: 30.0,
                bottom: 2.0,
                top: 30.0,
            },
            restitution: Distribution::Constant(1.0),
            gravity: [Distribution::Constant(0.0); 2],
            speed: uniform(10.0, 15.0),
            direction: uniform(0.0, 360.0),
        }
    }
}

/// Draws of all starts together after which a box counts as too full.
const MOST_DRAWS: usize = 10_000;

impl BouncingBalls {
    /// Small instances for contract tests: alike; different and with losses; different and falling.
    pub fn examples() -> Vec<Self> {
        let uniform = |low, high| Distribution::Uniform { low, high };
        let different = Self {
            count: 4,
            radius: uniform(1.5, 4.0),
            mass: uniform(0.5, 4.0),
            restitution: uniform(0.5, 1.0),
            ..Self::default()
        };
        let falling = Self {
            count: 2,
            restitution: Distribution::Constant(1.0),
            gravity: [0.0, -10.0].map(Distribution::Constant),
            ..different.clone()
        };
        vec![Self::default(), different, falling]
    }

    /// The balls on their way.
    fn crowd(&self, members: &[Member], restitution: f64, gravity: [f64; 2]) -> Box<Crowd> {
        let [width, height] = self.walls.size();
        let (faces, length) = (room::box_faces(&self.walls), 2.0 * width.max(height));
        Box::new(Crowd::new(&faces, length, members, restitution, gravity))
    }

    /// Centres, uniform where all balls have room, px: drawn all together until no two overlap.
    fn draw_starts(&self, radii: &[f64], rng: &mut Rng) -> Result<Vec<[f64; 2]>, Error> {
        for _ in 0..MOST_DRAWS {
            let mut centres: Vec<[f64; 2]> = Vec::new();
            for &radius in radii {
                let reach = self.walls.grown(-radius);
                let x = Distribution::Uniform {
                    low: reach.left,
                    high: reach.right,
                };
                let y = Distribution::Uniform {
                    low: reach.bottom,
                    high: reach.top,
                };
                centres.push([x.sample(rng)?, y.sample(rng)?]);
            }
            let apart = |i: usize, k: usize| {
                let ([ax, ay], [bx, by]) = (centres[i], centres[k]);
                hypot(ax - bx, ay - by) > radii[i] + radii[k]
            };
            if (0..radii.len()).all(|i| (i + 1..radii.len()).all(|k| apart(i, k))) {
                return Ok(centres);
            }
        }
        Err(Error::Physics(format!(
            "bouncing_balls: expected room for balls of radius {radii:?} px, found none in {MOST_DRAWS} draws"
        )))
    }
}

impl Simulator for BouncingBalls {
    fn check(&self) -> Result<(), Error> {
        let key = |field: &str| format!("bouncing_balls.{field}");
        if !(1..=8).contains(&self.count) {
            return Err(Error::parameter(&key("count"), "within 1..=8", self.count));
        }
        self.walls.check(&key("walls"))?;
        let any = (f64::NEG_INFINITY, f64::INFINITY);
        Error::all(
            [
                ("radius", &self.radius, (0.01, f64::INFINITY)),
                ("mass", &self.mass, (0.001, f64::INFINITY)),
                ("restitution", &self.restitution, (0.2, 1.0)),
                ("gravity[0]", &self.gravity[0], any),
                ("gravity[1]", &self.gravity[1], any),
                ("speed", &self.speed, (0.0, f64::INFINITY)),
                ("direction", &self.direction, any),
            ]
            .map(|(field, law, (low, high))| law.check(&key(field), low, high)),
        )?;
        let half = 0.5 * self.walls.size()[0].min(self.walls.size()[1]);
        if self.radius.range()[1] >= half {
            let expected = format!("less than half the smaller side of the box, {half}");
            return Err(Error::parameter(&key("radius"), expected, self.radius));
        }
        // Four fifths of what discs can fill at most: drawing starts would take too long.
        let [width, height] = self.walls.size();
        let area = self.count as f64 * std::f64::consts::PI * self.radius.range()[1].powi(2);
        if area > 0.4 * width * height {
            let expected = "balls that fill at most 0.4 of the box";
            return Err(Error::parameter(
                &key("count"),
                expected,
                area / (width * height),
            ));
        }
        let falls = self.gravity.iter().any(|law| !law.is_zero());
        if falls && self.restitution != Distribution::Constant(1.0) {
            return Err(Error::parameter(
                &key("restitution"),
                "1 with gravity",
                self.restitution,
            ));
        }
        Ok(())
    }

    fn state_columns(&self) -> Vec<Column> {
        let column = |(name, unit): (&str, &str), k: usize| Column {
            name: format!("{name}_{k}"),
            unit: unit.into(),
        };
        let each = [("x", "px"), ("y", "px"), ("vx", "px/s"), ("vy", "px/s")];
        (1..=self.count)
            .flat_map(|k| each.map(|one| column(one, k)))
            .collect()
    }

    fn parameter_columns(&self) -> Vec<Column> {
        let mut columns = Column::list(&[
            ("restitution", "1"),
            ("gravity_x", "px/s^2"),
            ("gravity_y", "px/s^2"),
        ]);
        for k in 1..=self.count {
            for (name, unit) in [("radius", "px"), ("mass", "kg"), ("speed", "px/s")] {
                let name = format!("{name}_{k}");
                columns.push(Column {
                    name,
                    unit: unit.into(),
                });
            }
        }
        columns
    }

    /// With each wall, whichever ball; and of each two balls.
    fn event_columns(&self) -> Vec<Column> {
        let mut columns = room::box_event_columns();
        for i in 1..=self.count {
            for k in i + 1..=self.count {
                debug_assert_eq!(columns.len(), 4 + pair_index(i - 1, k - 1, self.count));
                columns.push(Column {
                    name: format!("hit_{i}_{k}"),
                    unit: "1".into(),
                });
            }
        }
        columns
    }

    fn energy_unit(&self) -> Option<&'static str> {
        Some("kg px^2/s^2")
    }

    fn energy(&self, state: &[f64], parameters: &[f64]) -> Option<[f64; 2]> {
        let (&[_, gx, gy], balls) = parameters.split_first_chunk::<3>()?;
        let mut energy = [0.0; 2];
        for (ball, about) in state.chunks_exact(4).zip(balls.chunks_exact(3)) {
            let mass = about[1];
            energy[0] += 0.5 * mass * (ball[2] * ball[2] + ball[3] * ball[3]);
            energy[1] -= mass * (gx * ball[0] + gy * ball[1]);
        }
        Some(energy)
    }

    fn begin(&self, rng: &mut Rng) -> Result<Begun, Error> {
        let restitution = self.restitution.sample(rng)?;
        let gravity = [self.gravity[0].sample(rng)?, self.gravity[1].sample(rng)?];
        let mut parameters = vec![restitution, gravity[0], gravity[1]];
        let mut members = Vec::new();
        for _ in 0..self.count {
            let radius = self.radius.sample(rng)?;
            let mass = self.mass.sample(rng)?;
            let speed = self.speed.sample(rng)?;
            let (sin, cos) = sin_cos(self.direction.sample(rng)?.to_radians());
            parameters.extend([radius, mass, speed]);
            members.push(Member {
                radius,
                mass,
                state: [0.0, 0.0, speed * cos, speed * sin],
            });
        }
        let radii: Vec<f64> = members.iter().map(|member| member.radius).collect();
        for (member, [x, y]) in members.iter_mut().zip(self.draw_starts(&radii, rng)?) {
            member.state[0] = x;
            member.state[1] = y;
        }
        let motion = self.crowd(&members, restitution, gravity);
        Ok(Begun { parameters, motion })
    }

    fn resume(
        &self,
        state: &[f64],
        parameters: &[f64],
        _rng: &mut Rng,
    ) -> Result<Option<Begun>, Error> {
        fits(self, state, parameters)?;
        let balls = state.chunks_exact(4).zip(parameters[3..].chunks_exact(3));
        let members: Vec<Member> = balls
            .map(|(ball, about)| Member {
                radius: about[0],
                mass: about[1],
                state: [ball[0], ball[1], ball[2], ball[3]],
            })
            .collect();
        let gravity = [parameters[1], parameters[2]];
        Ok(Some(Begun {
            parameters: parameters.to_vec(),
            motion: self.crowd(&members, parameters[0], gravity),
        }))
    }

    fn view(&self) -> Rectangle {
        self.walls.grown(crate::bouncing_ball::MARGIN)
    }

    fn parts(&self) -> Vec<String> {
        (1..=self.count).map(|k| format!("ball_{k}")).collect()
    }

    fn background(&self, _parameters: &[f64]) -> Vec<Shape> {
        room::box_drawn(&self.walls)
    }

    fn bodies(&self, state: &[f64], parameters: &[f64], shapes: &mut Vec<Shape>) {
        let balls = state.chunks_exact(4).zip(parameters[3..].chunks_exact(3));
        shapes.extend(balls.enumerate().map(|(part, (ball, about))| Shape {
            outline: Outline::Disc {
                centre: [ball[0], ball[1]],
                radius: about[0],
            },
            brightness: 1.0,
            part,
        }));
    }
}
