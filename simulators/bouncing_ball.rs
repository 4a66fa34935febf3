//! One ball in a rectangular box, with gravity and restitution, without friction and drag.
//!
//! Source: the box data of the Kalman variational auto-encoder (Fraccaro, Kamronn, Paquet and Winther 2017, section 5.1),
//! whose sizes and speeds are the defaults. Departures:
//! 1. Frame t shows state t (there: state t-1, so positions could not be read off exactly).
//! 2. Bounces happen at the time of impact (there: at the end of a frame's one physics step).
//! 3. Frames are anti-aliased (there: binary).

use crate::engine::{Ball, Wall};
use crate::exact::Axis;
use crate::flight::{Flight, Impact};
use crate::{Column, Distribution, Error, Outline, Rectangle, Rng, Shape, Simulator, Trajectory};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Thickness of the drawn walls, px; the default view holds them just so.
const WALL_THICKNESS: f64 = 1.0;
/// Room between the inner walls and the edge of the default view, px.
const MARGIN: f64 = 2.0;
/// White, as in the source: a grey wall costs its entropy under Bernoulli pixels and sits on the threshold of wrong-pixel counts.
const WALL_BRIGHTNESS: f64 = 1.0;

/// One ball in a rectangular box. Every field has a default, together the original Kalman-VAE box data; every number but
/// the walls may be a [`Distribution`], drawn once per sequence.
///
/// ```
/// let yaml = "{ restitution: 0.8, gravity: [0, { uniform: { low: -20, high: -5 } }] }";
/// let ball: simulators::BouncingBall = serde_yaml::from_str(yaml)?;
/// # Ok::<(), serde_yaml::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BouncingBall {
    /// Ball radius, px; at least 0.01 and less than half the smaller side of the box. Default 3.
    pub radius: Distribution,
    /// Inner faces of the four walls, px. Default 2..30 in x and y.
    pub walls: Rectangle,
    /// Coefficient of restitution of the impacts, 0..=1 (speed after over speed before, along the normal). Default 1.
    pub restitution: Distribution,
    /// Constant acceleration (x, y), px/s^2. Default none.
    pub gravity: [Distribution; 2],
    /// Speed at the start, px/s. Default uniform over 10..=15.
    pub speed: Distribution,
    /// Direction of the velocity at the start, deg, counter-clockwise from the x axis. Default uniform over all.
    pub direction: Distribution,
    /// Centre of the ball at the start (x, y), px; must leave room for the greatest radius. Default (16, 16) + 10 N(0, I),
    /// clipped to 6..=26.
    pub start: [Distribution; 2],
}

impl Default for BouncingBall {
    fn default() -> Self {
        let start = Distribution::ClippedNormal {
            mean: 16.0,
            std: 10.0,
            low: 6.0,
            high: 26.0,
        };
        Self {
            radius: Distribution::Constant(3.0),
            walls: Rectangle {
                left: 2.0,
                right: 30.0,
                bottom: 2.0,
                top: 30.0,
            },
            restitution: Distribution::Constant(1.0),
            gravity: [Distribution::Constant(0.0); 2],
            speed: Distribution::Uniform {
                low: 10.0,
                high: 15.0,
            },
            direction: Distribution::Uniform {
                low: 0.0,
                high: 360.0,
            },
            start: [start; 2],
        }
    }
}

impl BouncingBall {
    /// Small instances for contract tests: the original data; everything drawn, with gravity, losses and rest.
    pub fn examples() -> Vec<Self> {
        let uniform = |low, high| Distribution::Uniform { low, high };
        let falling = Self {
            radius: uniform(1.0, 4.0),
            restitution: uniform(0.0, 1.0),
            gravity: [
                Distribution::Normal {
                    mean: 0.0,
                    std: 2.0,
                },
                uniform(-20.0, -5.0),
            ],
            ..Self::default()
        };
        vec![Self::default(), falling]
    }

    /// Where the ball's centre can be, px.
    fn reach(&self, radius: f64) -> Rectangle {
        self.walls.grown(-radius)
    }

    /// Left, right, bottom, top: the order of the event columns.
    fn four_walls(&self) -> [Wall; 4] {
        let Rectangle {
            left,
            right,
            bottom,
            top,
        } = self.walls;
        let (x, y) = (0.5 * (left + right), 0.5 * (bottom + top));
        let wall = |point, normal| Wall { point, normal };
        [
            wall([left, y], [1.0, 0.0]),
            wall([right, y], [-1.0, 0.0]),
            wall([x, bottom], [0.0, 1.0]),
            wall([x, top], [0.0, -1.0]),
        ]
    }
}

impl Simulator for BouncingBall {
    fn check(&self) -> Result<(), Error> {
        let key = |field: &str| format!("bouncing_ball.{field}");
        self.walls.check(&key("walls"))?;
        let half = 0.5 * self.walls.size()[0].min(self.walls.size()[1]);
        self.radius.check(&key("radius"), 0.01, f64::INFINITY)?;
        if self.radius.range()[1] >= half {
            let expected = format!("less than half the smaller side of the box, {half}");
            return Err(Error::parameter(&key("radius"), expected, self.radius));
        }
        self.restitution.check(&key("restitution"), 0.0, 1.0)?;
        for (axis, gravity) in self.gravity.iter().enumerate() {
            let key = key(&format!("gravity[{axis}]"));
            gravity.check(&key, f64::NEG_INFINITY, f64::INFINITY)?;
        }
        self.speed.check(&key("speed"), 0.0, f64::INFINITY)?;
        self.direction
            .check(&key("direction"), f64::NEG_INFINITY, f64::INFINITY)?;
        let reach = self.reach(self.radius.range()[1]);
        let [x, y] = &self.start;
        x.check(&key("start[0]"), reach.left, reach.right)?;
        y.check(&key("start[1]"), reach.bottom, reach.top)
    }

    fn state_columns(&self) -> Vec<Column> {
        Column::list(&[("x", "px"), ("y", "px"), ("vx", "px/s"), ("vy", "px/s")])
    }

    fn parameter_columns(&self) -> Vec<Column> {
        Column::list(&[
            ("radius", "px"),
            ("restitution", "1"),
            ("gravity_x", "px/s^2"),
            ("gravity_y", "px/s^2"),
            ("speed", "px/s"),
        ])
    }

    fn event_columns(&self) -> Vec<Column> {
        Column::list(&[
            ("hit_left", "1"),
            ("hit_right", "1"),
            ("hit_bottom", "1"),
            ("hit_top", "1"),
        ])
    }

    fn simulate(&self, frames: usize, dt: f64, rng: &mut Rng) -> Result<Trajectory, Error> {
        self.check()?;
        if !(dt > 0.0 && dt.is_finite()) {
            return Err(Error::parameter("dt", "finite and above 0 s", dt));
        }
        let radius = self.radius.sample(rng)?;
        let restitution = self.restitution.sample(rng)?;
        let gravity = [self.gravity[0].sample(rng)?, self.gravity[1].sample(rng)?];
        let speed = self.speed.sample(rng)?;
        let direction = self.direction.sample(rng)?.to_radians();
        let [x, y] = [self.start[0].sample(rng)?, self.start[1].sample(rng)?];
        let ball = Ball {
            radius,
            restitution,
            state: [x, y, speed * direction.cos(), speed * direction.sin()],
        };
        let [width, height] = self.walls.size();
        let mut flight = Flight::new(&self.four_walls(), 2.0 * width.max(height), ball, gravity);

        let mut states = Vec::with_capacity(4 * frames); // (T, D)
        let mut events = vec![0u8; 4 * frames]; // (T, E)
        let mut event_times = vec![f64::NAN; 4 * frames]; // (T, E)
        let mut impacts = Vec::new();
        for t in 0..frames {
            if t > 0 {
                flight.advance(dt, &mut impacts)?;
            }
            states.extend(flight.state());
            for Impact { wall, time } in impacts.drain(..) {
                let cell = 4 * t + wall;
                events[cell] = events[cell].saturating_add(1);
                event_times[cell] = event_times[cell].min(time); // NaN.min(time) is time
            }
        }
        Ok(Trajectory {
            states,
            parameters: vec![radius, restitution, gravity[0], gravity[1], speed],
            events,
            event_times,
        })
    }

    fn exact(&self, initial: &[f64], parameters: &[f64], t: f64) -> Option<Vec<f64>> {
        let (&[x, y, vx, vy], &[radius, restitution, gx, gy, _]) = (initial, parameters) else {
            return None;
        };
        let reach = self.reach(radius);
        let axis = |limits, acceleration| Axis {
            limits,
            acceleration,
            restitution,
        };
        let [x, vx] = axis([reach.left, reach.right], gx).state([x, vx], t);
        let [y, vy] = axis([reach.bottom, reach.top], gy).state([y, vy], t);
        Some(vec![x, y, vx, vy])
    }

    fn view(&self) -> Rectangle {
        self.walls.grown(MARGIN)
    }

    /// The walls as a grey line of 1 px just outside their inner faces: a grey rectangle, and a black one over it.
    fn background(&self, _parameters: &[f64]) -> Vec<Shape> {
        let filled = |sides, brightness| Shape {
            outline: Outline::Rectangle(sides),
            brightness,
        };
        vec![
            filled(self.walls.grown(WALL_THICKNESS), WALL_BRIGHTNESS),
            filled(self.walls, 0.0),
        ]
    }

    fn bodies(&self, state: &[f64], parameters: &[f64], shapes: &mut Vec<Shape>) {
        shapes.push(Shape {
            outline: Outline::Disc {
                centre: [state[0], state[1]],
                radius: parameters[0],
            },
            brightness: 1.0,
        });
    }
}
