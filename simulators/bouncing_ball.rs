//! One ball in a box or a convex room, with gravity, restitution and drag, without friction. The question: position is seen
//! in every frame, velocity never; does a latent state hold it, also across bounces?
//!
//! Source: the box data of the Kalman variational auto-encoder (Fraccaro, Kamronn, Paquet and Winther 2017, section 5.1),
//! whose sizes and speeds are the defaults. Departures:
//! 1. Frame t shows state t (there: state t-1, so positions could not be read off exactly).
//! 2. Bounces happen at the time of impact (there: at the end of a frame's one physics step).
//! 3. Frames are anti-aliased (there: binary).

use crate::elementary::{cos, sin};
use crate::engine::{Ball, Wall};
use crate::exact::Axis;
use crate::flight::Flight;
use crate::record::fits;
use crate::room;
use crate::{Begun, Column, Distribution, Error, Obstacle, Rectangle, Rng, Shape, Simulator};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Thickness of the drawn walls, px; the default view holds them just so.
pub(crate) const WALL_THICKNESS: f64 = 1.0;
/// Room between the inner walls and the edge of the default view, px.
pub(crate) const MARGIN: f64 = 2.0;
/// White, as in the source: a grey wall costs its entropy under Bernoulli pixels and sits on the threshold of wrong-pixel counts.
pub(crate) const WALL_BRIGHTNESS: f64 = 1.0;

/// One ball in a box or a convex room. Every field has a default, together the original Kalman-VAE box data; every number but
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
    /// Corners (x, y) of a convex room in order, px, in place of the four walls. A start that does not fit is drawn again. The
    /// source's polygon is `[[3, 1], [1, 15], [8, 30], [25, 30], [30, 8], [15, 1]]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room: Option<Vec<[f64; 2]>>,
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
    /// Rate at which drag takes the velocity, 1/s: acceleration -drag velocity. Default none.
    #[serde(skip_serializing_if = "Distribution::is_zero")]
    pub drag: Distribution,
    /// A convex obstacle in the room that the ball bounces off, as off its walls. A start on it is drawn again. With
    /// gravity only for restitution 1, so that no ball comes to rest on it. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub obstacle: Option<Obstacle>,
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
            room: None,
            drag: Distribution::Constant(0.0),
            obstacle: None,
        }
    }
}

impl BouncingBall {
    /// Small instances for contract tests: the original data; everything drawn, with gravity, losses and rest;
    /// a room with drag; obstacles.
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
        let hexagon = [3, 1, 1, 15, 8, 30, 25, 30, 30, 8, 15, 1].map(f64::from);
        let room = Self {
            radius: uniform(1.0, 3.0),
            room: Some(hexagon.chunks(2).map(|c| [c[0], c[1]]).collect()),
            restitution: uniform(0.5, 1.0),
            drag: uniform(0.0, 0.3),
            ..falling.clone()
        };
        let pillar = Self {
            restitution: uniform(0.6, 1.0),
            obstacle: Some(Obstacle::Disc {
                centre: [16.0, 16.0],
                radius: 4.0,
            }),
            ..Self::default()
        };
        let wedge = Self {
            room: room.room.clone(),
            radius: uniform(1.0, 2.5),
            gravity: [0.0, -10.0].map(Distribution::Constant),
            obstacle: Some(Obstacle::Polygon(vec![
                [13.0, 12.0],
                [20.0, 13.0],
                [15.0, 20.0],
            ])),
            ..Self::default()
        };
        vec![Self::default(), falling, room, pillar, wedge]
    }

    /// Whether no sequence has drag.
    fn undamped(&self) -> bool {
        self.drag.is_zero()
    }

    /// Where the ball's centre can be, px.
    fn reach(&self, radius: f64) -> Rectangle {
        self.walls.grown(-radius)
    }

    /// The room's corners, counter-clockwise.
    fn corners(&self) -> Option<Vec<[f64; 2]>> {
        self.room.as_deref().map(room::counter_clockwise)
    }

    /// In the order of the event columns: left, right, bottom, top; or the edges of the room.
    fn faces(&self) -> Vec<Wall> {
        match self.corners() {
            Some(corners) => room::faces(&corners),
            None => room::box_faces(&self.walls),
        }
    }

    /// The upright rectangle around it all, px.
    fn bounds(&self) -> Rectangle {
        self.room.as_deref().map_or(self.walls, room::bounds)
    }

    /// Distance of a point from the nearest wall and obstacle, px; below 0 outside of the room.
    fn clearance(&self, faces: &[Wall], point: [f64; 2]) -> f64 {
        let walls = faces.iter().map(|face| face.distance(point));
        let obstacle = self.obstacle.iter().map(|body| body.distance(point));
        walls.chain(obstacle).fold(f64::INFINITY, f64::min)
    }

    /// The first centre drawn at which a ball of this radius touches no wall and no obstacle, px.
    fn draw_start(&self, radius: f64, faces: &[Wall], rng: &mut Rng) -> Result<[f64; 2], Error> {
        if self.room.is_none() && self.obstacle.is_none() {
            return Ok([self.start[0].sample(rng)?, self.start[1].sample(rng)?]); // checked
        }
        for _ in 0..10_000 {
            let start = [self.start[0].sample(rng)?, self.start[1].sample(rng)?];
            if self.clearance(faces, start) >= radius {
                return Ok(start);
            }
        }
        let expected = format!("a start in the room for a radius of {radius} px");
        Err(Error::Physics(format!(
            "bouncing_ball.start: expected {expected}, got none in 10,000 draws"
        )))
    }

    /// Draws the parameters of one sequence, and the ball on its way.
    ///
    /// # Errors
    /// As [`Simulator::begin`].
    pub(crate) fn launch(&self, rng: &mut Rng) -> Result<(Vec<f64>, Flight), Error> {
        let radius = self.radius.sample(rng)?;
        let restitution = self.restitution.sample(rng)?;
        let gravity = [self.gravity[0].sample(rng)?, self.gravity[1].sample(rng)?];
        let speed = self.speed.sample(rng)?;
        let direction = self.direction.sample(rng)?.to_radians();
        let faces = self.faces();
        let [x, y] = self.draw_start(radius, &faces, rng)?;
        let drag = self.drag.sample(rng)?;
        let mut parameters = vec![radius, restitution, gravity[0], gravity[1], speed];
        if !self.undamped() {
            parameters.push(drag);
        }
        let state = [x, y, speed * cos(direction), speed * sin(direction)];
        let flight = self.flight(&faces, state, &parameters);
        Ok((parameters, flight))
    }

    /// The ball at a state, under parameters of [`Simulator::parameter_columns`].
    fn flight(&self, faces: &[Wall], state: [f64; 4], parameters: &[f64]) -> Flight {
        let ball = Ball {
            radius: parameters[0],
            restitution: parameters[1],
            state,
        };
        let [width, height] = self.bounds().size();
        let length = 2.0 * width.max(height);
        let drag = parameters.get(5).copied().unwrap_or(0.0);
        let gravity = [parameters[2], parameters[3]];
        let mut flight = Flight::new(faces, length, ball, gravity).with_drag(drag);
        if let Some(collider) = self.obstacle.as_ref().and_then(Obstacle::collider) {
            flight.engine().add_obstacle(collider);
        }
        flight
    }

    /// The ball at a recorded state under recorded parameters.
    ///
    /// # Errors
    /// As [`Simulator::resume`].
    pub(crate) fn relaunch(&self, state: &[f64], parameters: &[f64]) -> Result<Flight, Error> {
        fits(self, state, parameters)?;
        let (&[x, y, vx, vy], radius) = (state, parameters[0]) else {
            return Err(Error::parameter(
                "state",
                "x, y, vx, vy",
                format!("{state:?}"),
            )); // fits: 4 columns
        };
        let faces = self.faces();
        // A bounce can push a ball 1e-10 px into its wall.
        if self.clearance(&faces, [x, y]) < radius - 1e-6 {
            let expected = format!("a ball of radius {radius} px inside the room");
            return Err(Error::parameter("state", expected, format!("{state:?}")));
        }
        Ok(self.flight(&faces, [x, y, vx, vy], parameters))
    }
}

impl Simulator for BouncingBall {
    fn check(&self) -> Result<(), Error> {
        let key = |field: &str| format!("bouncing_ball.{field}");
        let (any, positive) = ((f64::NEG_INFINITY, f64::INFINITY), (0.0, f64::INFINITY));
        let ranges = [
            ("radius", &self.radius, (0.01, f64::INFINITY)),
            ("restitution", &self.restitution, (0.0, 1.0)),
            ("gravity[0]", &self.gravity[0], any),
            ("gravity[1]", &self.gravity[1], any),
            ("speed", &self.speed, positive),
            ("direction", &self.direction, any),
            ("start[0]", &self.start[0], any),
            ("start[1]", &self.start[1], any),
            ("drag", &self.drag, positive),
        ];
        let ranges = ranges.map(|(field, law, (low, high))| law.check(&key(field), low, high));
        Error::all([self.walls.check(&key("walls"))].into_iter().chain(ranges))?;
        if let Some(obstacle) = &self.obstacle {
            obstacle.check(&key("obstacle"))?;
            let falls = self.gravity.iter().any(|law| !law.is_zero());
            if falls && self.restitution != Distribution::Constant(1.0) {
                let expected = "1 with gravity and an obstacle";
                return Err(Error::parameter(
                    &key("restitution"),
                    expected,
                    self.restitution,
                ));
            }
        }
        if let Some(corners) = &self.room {
            return room::check(&key("room"), corners, self.radius.range()[1]);
        }
        let half = 0.5 * self.walls.size()[0].min(self.walls.size()[1]);
        if self.radius.range()[1] >= half {
            let expected = format!("less than half the smaller side of the box, {half}");
            return Err(Error::parameter(&key("radius"), expected, self.radius));
        }
        let reach = self.reach(self.radius.range()[1]);
        let [x, y] = &self.start;
        Error::all([
            x.check(&key("start[0]"), reach.left, reach.right),
            y.check(&key("start[1]"), reach.bottom, reach.top),
        ])
    }

    fn state_columns(&self) -> Vec<Column> {
        Column::list(&[("x", "px"), ("y", "px"), ("vx", "px/s"), ("vy", "px/s")])
    }

    fn parameter_columns(&self) -> Vec<Column> {
        let mut columns = Column::list(&[
            ("radius", "px"),
            ("restitution", "1"),
            ("gravity_x", "px/s^2"),
            ("gravity_y", "px/s^2"),
            ("speed", "px/s"),
        ]);
        if !self.undamped() {
            columns.extend(Column::list(&[("drag", "1/s")]));
        }
        columns
    }

    fn event_columns(&self) -> Vec<Column> {
        let mut columns = match &self.room {
            Some(corners) => room::event_columns(corners.len()),
            None => room::box_event_columns(),
        };
        if self.obstacle.is_some() {
            columns.extend(Column::list(&[("hit_obstacle", "1")]));
        }
        columns
    }

    fn energy_unit(&self) -> Option<&'static str> {
        Some("px^2/s^2")
    }

    /// Of a unit mass: v^2/2 and -gravity . position.
    fn energy(&self, state: &[f64], parameters: &[f64]) -> Option<[f64; 2]> {
        let (&[x, y, vx, vy], &[_, _, gx, gy, ..]) = (state, parameters) else {
            return None;
        };
        Some([0.5 * (vx * vx + vy * vy), -gx * x - gy * y])
    }

    fn begin(&self, rng: &mut Rng) -> Result<Begun, Error> {
        let (parameters, flight) = self.launch(rng)?;
        let motion = Box::new(flight);
        Ok(Begun { parameters, motion })
    }

    /// A ball that lies on a wall, which the state does not say, finds it again within 1e-10 px.
    fn resume(
        &self,
        state: &[f64],
        parameters: &[f64],
        _rng: &mut Rng,
    ) -> Result<Option<Begun>, Error> {
        let flight = self.relaunch(state, parameters)?;
        Ok(Some(Begun {
            parameters: parameters.to_vec(),
            motion: Box::new(flight),
        }))
    }

    /// In the box: without drag or gravity in closed form, with both by roots that are bracketed to the last bit.
    fn exact(&self, initial: &[f64], parameters: &[f64], t: f64) -> Option<Vec<f64>> {
        let (&[x, y, vx, vy], &[radius, restitution, gx, gy, ..]) = (initial, parameters) else {
            return None;
        };
        if self.room.is_some() || self.obstacle.is_some() {
            return None;
        }
        let reach = self.reach(radius);
        let axis = |limits, acceleration| Axis {
            limits,
            acceleration,
            restitution,
            drag: parameters.get(5).copied().unwrap_or(0.0),
        };
        let [x, vx] = axis([reach.left, reach.right], gx).state([x, vx], t);
        let [y, vy] = axis([reach.bottom, reach.top], gy).state([y, vy], t);
        Some(vec![x, y, vx, vy])
    }

    fn view(&self) -> Rectangle {
        self.bounds().grown(MARGIN)
    }

    fn parts(&self) -> Vec<String> {
        vec!["ball".into()]
    }

    /// The walls as a white line of 1 px just outside their inner faces: a white outline, and a black one over it;
    /// the obstacle white.
    fn background(&self, _parameters: &[f64]) -> Vec<Shape> {
        let mut shapes = match self.corners() {
            Some(corners) => room::drawn(&corners),
            None => room::box_drawn(&self.walls),
        };
        shapes.extend(self.obstacle.as_ref().map(|body| Shape {
            outline: body.outline(),
            brightness: WALL_BRIGHTNESS,
            part: 0,
        }));
        shapes
    }

    fn bodies(&self, state: &[f64], parameters: &[f64], shapes: &mut Vec<Shape>) {
        shapes.push(Shape::disc([state[0], state[1]], parameters[0]));
    }
}
