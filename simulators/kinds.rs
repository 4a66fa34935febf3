//! Shapes of many kinds that move in many ways. The question: does a model keep what a thing is apart from how it
//! moves, so that the one can be exchanged without the other?
//!
//! Content: 3 shapes (disc, square, triangle) x 6 colours x 3 sizes = 54 kinds, ln 54 = 3.99 nats. Motion: 3 directions
//! of the start x 3 speeds x 3 gravities = 27, ln 27 = 3.30 nats, and the place of the start. All are drawn uniformly,
//! content and motion from streams of their own. The *centre* moves among walls that are the same for all contents (and
//! are not drawn), elastically, so any content can be shown in any motion: [`Kinds::swap`] gives the true clip of one
//! content in another's motion. Shapes of one size have one area. Colours need `video.colour`; in grey pictures all
//! kinds are white.

use crate::elementary::sin_cos;
use crate::engine::Ball;
use crate::exact::Axis;
use crate::flight::Flight;
use crate::record::fits;
use crate::{
    Begun, Column, Error, Outline, Rectangle, Rng, Shape, Simulator, Trajectory, branch, room,
};
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// Shapes of many kinds that move in many ways.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Kinds {
    /// Hues of the six colours, deg. Default 0, 60, .., 300.
    pub hues: [f64; 6],
    /// Sizes: radius of the disc of the shape's area, px; above 0. Default 2.2, 3 and 4.
    pub sizes: [f64; 3],
    /// Directions of the start, deg, counter-clockwise from the x axis. Default 30, 150 and 270.
    pub directions: [f64; 3],
    /// Speeds of the start, px/s; at least 0. Default 5, 10 and 15.
    pub speeds: [f64; 3],
    /// Gravities, downwards, px/s^2. Default 0, 8 and 16.
    pub gravities: [f64; 3],
    /// Where the centre can be, px. Default 6..26 in x and y.
    pub reach: Rectangle,
}

impl Default for Kinds {
    fn default() -> Self {
        Self {
            hues: [0.0, 60.0, 120.0, 180.0, 240.0, 300.0],
            sizes: [2.2, 3.0, 4.0],
            directions: [30.0, 150.0, 270.0],
            speeds: [5.0, 10.0, 15.0],
            gravities: [0.0, 8.0, 16.0],
            reach: Rectangle {
                left: 6.0,
                right: 26.0,
                bottom: 6.0,
                top: 26.0,
            },
        }
    }
}

/// Columns of the content: shape, colour, size.
const CONTENT: std::ops::Range<usize> = 0..3;
/// Columns of the motion: direction, speed, gravity.
const MOTION: std::ops::Range<usize> = 3..6;

/// Number of a combination of three choices, the first one slowest.
fn combined(choices: &[f64], [_, second, third]: [usize; 3]) -> usize {
    let &[a, b, c] = choices else {
        return 0; // callers slice three columns
    };
    (a as usize * second + b as usize) * third + c as usize
}

impl Kinds {
    /// Small instances for contract tests.
    pub fn examples() -> Vec<Self> {
        vec![Self::default()]
    }

    /// Number of the content, 0..54, of parameters (P).
    pub fn content(&self, parameters: &[f64]) -> usize {
        combined(&parameters[CONTENT], [3, 6, 3])
    }

    /// Number of the motion, 0..27, of parameters (P); the place of the start is not counted.
    pub fn motion(&self, parameters: &[f64]) -> usize {
        combined(&parameters[MOTION], [3, 3, 3])
    }

    /// Parameters (P) of the content of the one and the motion (and start) of the other.
    pub fn swapped(&self, content_of: &[f64], motion_of: &[f64]) -> Vec<f64> {
        let mut parameters = motion_of.to_vec();
        parameters[CONTENT].copy_from_slice(&content_of[CONTENT]);
        parameters
    }

    /// The true clip of the content of one sequence in the motion of another: what the world would have shown.
    pub fn swap(&self, content_of: &Trajectory, motion_of: &Trajectory) -> Trajectory {
        Trajectory {
            parameters: self.swapped(&content_of.parameters, &motion_of.parameters),
            ..motion_of.clone()
        }
    }

    /// Gravity downwards of a sequence, px/s^2.
    fn gravity(&self, parameters: &[f64]) -> f64 {
        self.gravities[parameters[5] as usize % 3]
    }

    /// A centre on its way: for the engine a ball of radius 1 px in walls 1 px farther out.
    fn flight(&self, state: [f64; 4], parameters: &[f64]) -> Flight {
        let ball = Ball {
            radius: 1.0,
            restitution: 1.0,
            state,
        };
        let walls = self.reach.grown(1.0);
        let [width, height] = walls.size();
        let faces = room::box_faces(&walls);
        let gravity = [0.0, -self.gravity(parameters)];
        Flight::new(&faces, 2.0 * width.max(height), ball, gravity)
    }
}

impl Simulator for Kinds {
    fn check(&self) -> Result<(), Error> {
        let key = |field: &str| format!("kinds.{field}");
        self.reach.check(&key("reach"))?;
        let each = |field: &str, values: &[f64], least: f64| {
            let fits = |x: &f64| x.is_finite() && *x >= least;
            match values.iter().all(fits) {
                true => Ok(()),
                false => {
                    let expected = format!("finite numbers of at least {least}");
                    Err(Error::parameter(
                        &key(field),
                        expected,
                        format!("{values:?}"),
                    ))
                }
            }
        };
        Error::all([
            each("hues", &self.hues, f64::MIN),
            each("sizes", &self.sizes, 0.01),
            each("directions", &self.directions, f64::MIN),
            each("speeds", &self.speeds, 0.0),
            each("gravities", &self.gravities, f64::MIN),
        ])
    }

    fn state_columns(&self) -> Vec<Column> {
        Column::list(&[("x", "px"), ("y", "px"), ("vx", "px/s"), ("vy", "px/s")])
    }

    /// Choices are counted from 0.
    fn parameter_columns(&self) -> Vec<Column> {
        Column::list(&[
            ("shape", "1"),
            ("colour", "1"),
            ("size", "1"),
            ("direction", "1"),
            ("speed", "1"),
            ("gravity", "1"),
            ("start_x", "px"),
            ("start_y", "px"),
        ])
    }

    fn event_columns(&self) -> Vec<Column> {
        room::box_event_columns()
    }

    fn energy_unit(&self) -> Option<&'static str> {
        Some("px^2/s^2")
    }

    /// Of a unit mass.
    fn energy(&self, state: &[f64], parameters: &[f64]) -> Option<[f64; 2]> {
        let &[_, y, vx, vy] = state else {
            return None;
        };
        Some([0.5 * (vx * vx + vy * vy), self.gravity(parameters) * y])
    }

    fn begin(&self, rng: &mut Rng) -> Result<Begun, Error> {
        let [mut content, mut motion] = [branch(rng), branch(rng)];
        let choose = |from: usize, rng: &mut Rng| rng.random_range(0..from) as f64;
        let mut parameters: Vec<f64> = [3, 6, 3].map(|from| choose(from, &mut content)).to_vec();
        parameters.extend([3, 3, 3].map(|from| choose(from, &mut motion)));
        let Rectangle {
            left,
            right,
            bottom,
            top,
        } = self.reach;
        let x = left + (right - left) * motion.random::<f64>();
        let y = bottom + (top - bottom) * motion.random::<f64>();
        parameters.extend([x, y]);
        let (sin, cos) = sin_cos(self.directions[parameters[3] as usize].to_radians());
        let speed = self.speeds[parameters[4] as usize];
        let flight = self.flight([x, y, speed * cos, speed * sin], &parameters);
        let motion = Box::new(flight);
        Ok(Begun { parameters, motion })
    }

    fn resume(
        &self,
        state: &[f64],
        parameters: &[f64],
        _rng: &mut Rng,
    ) -> Result<Option<Begun>, Error> {
        fits(self, state, parameters)?;
        let now = [state[0], state[1], state[2], state[3]];
        let motion = Box::new(self.flight(now, parameters));
        let parameters = parameters.to_vec();
        Ok(Some(Begun { parameters, motion }))
    }

    /// As a ball in a box.
    fn exact(&self, initial: &[f64], parameters: &[f64], t: f64) -> Option<Vec<f64>> {
        let &[x, y, vx, vy] = initial else {
            return None;
        };
        let axis = |limits, acceleration| Axis {
            limits,
            acceleration,
            restitution: 1.0,
            drag: 0.0,
        };
        let Rectangle {
            left,
            right,
            bottom,
            top,
        } = self.reach;
        let [x, vx] = axis([left, right], 0.0).state([x, vx], t);
        let [y, vy] = axis([bottom, top], -self.gravity(parameters)).state([y, vy], t);
        Some(vec![x, y, vx, vy])
    }

    /// A margin of 6 px around where the centre can be: by default 32 x 32 px.
    fn view(&self) -> Rectangle {
        self.reach.grown(6.0)
    }

    fn parts(&self) -> Vec<String> {
        vec!["body".into()]
    }

    fn tints(&self, parameters: &[f64]) -> Vec<[f64; 3]> {
        vec![[self.hues[parameters[1] as usize % 6], 1.0, 1.0]]
    }

    fn bodies(&self, state: &[f64], parameters: &[f64], shapes: &mut Vec<Shape>) {
        let (x, y) = (state[0], state[1]);
        let radius = self.sizes[parameters[2] as usize % 3];
        let area = PI * radius * radius;
        let outline = match parameters[0] as usize {
            0 => Outline::Disc {
                centre: [x, y],
                radius,
            },
            1 => {
                let half = 0.5 * area.sqrt();
                Outline::Rectangle(Rectangle {
                    left: x - half,
                    right: x + half,
                    bottom: y - half,
                    top: y + half,
                })
            }
            _ => {
                // An equilateral triangle in a circle of radius r has the area r^2 sqrt(27)/4.
                let r = (4.0 * area / 27f64.sqrt()).sqrt();
                let corner = |k: f64| {
                    let (sin, cos) = sin_cos(2.0 * PI * k / 3.0);
                    [x - r * sin, y + r * cos]
                };
                Outline::Polygon([0.0, 1.0, 2.0].map(corner).to_vec())
            }
        };
        shapes.push(Shape {
            outline,
            brightness: 1.0,
            part: 0,
        });
    }
}
