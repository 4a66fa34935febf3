//! Two rooms with a door between them, and an agent. The question: does a planner find the way through the door, where
//! the straight way to the goal is blocked?
//!
//! The agent is a disc that goes with the velocity it is told, a_t from frame t to frame t+1, and slides along walls:
//! what points into a wall is lost (impacts without restitution, exact in time). The wall between the rooms stands at x
//! = 16; the door in it is drawn per sequence. A frame costs the distance from the goal, px; the published task counts
//! an episode as solved within 2 px of it. Source of the task: the two rooms of PLDM (Sobal et al. 2025) and DINO-WM
//! (Zhou et al. 2024); sizes here are those of a box of 28 px.

use crate::elementary::hypot;
use crate::engine::Ball;
use crate::flight::Flight;
use crate::record::fits;
use crate::{
    Begun, Column, Contact, Distribution, Error, Motion, Obstacle, Outline, Rectangle, Rng, Shape,
    Simulator, bouncing_ball, branch, check_action, room,
};
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Two rooms, a door, an agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TwoRooms {
    /// Radius of the agent, px; at least 0.1. Default 2.
    pub radius: f64,
    /// Inner faces of the outer walls, px. Default 2..30 in x and y.
    pub walls: Rectangle,
    /// Thickness of the wall between the rooms, which stands in the middle, px; above 0. Default 2.
    pub thickness: f64,
    /// Width of the door, px; more than the agent's. Default 8.
    pub door: f64,
    /// Middle of the door, y, px. Default uniform over 7..=25.
    pub door_y: Distribution,
    /// Velocity (x, y), px/s, drawn anew for every frame where nobody acts; its range limits what can be applied.
    /// Default uniform over -25..=25 each: at most 5 px along an axis in 0.2 s.
    pub velocity: [Distribution; 2],
    /// Whether the goal is always in the room where the agent is not; else agent and goal are anywhere. Default false.
    pub other_room: bool,
}

impl Default for TwoRooms {
    fn default() -> Self {
        let uniform = |low, high| Distribution::Uniform { low, high };
        Self {
            radius: 2.0,
            walls: Rectangle {
                left: 2.0,
                right: 30.0,
                bottom: 2.0,
                top: 30.0,
            },
            thickness: 2.0,
            door: 8.0,
            door_y: uniform(7.0, 25.0),
            velocity: [uniform(-25.0, 25.0); 2],
            other_room: false,
        }
    }
}

/// Draws of a place after which the rooms count as too small.
const MOST_DRAWS: usize = 10_000;

impl TwoRooms {
    /// Small instances for contract tests: the default; a narrow door, the goal behind it.
    pub fn examples() -> Vec<Self> {
        let narrow = Self {
            door: 5.0,
            other_room: true,
            ..Self::default()
        };
        vec![Self::default(), narrow]
    }

    /// Middle of the wall between the rooms, x, px.
    fn middle(&self) -> f64 {
        0.5 * (self.walls.left + self.walls.right)
    }

    /// The wall below and above a door at `door_y`, px.
    fn between(&self, door_y: f64) -> [Rectangle; 2] {
        let half = 0.5 * self.thickness;
        let sides = |bottom, top| Rectangle {
            left: self.middle() - half,
            right: self.middle() + half,
            bottom,
            top,
        };
        [
            sides(self.walls.bottom, door_y - 0.5 * self.door),
            sides(door_y + 0.5 * self.door, self.walls.top),
        ]
    }

    /// The same as bodies.
    fn obstacles(&self, door_y: f64) -> [Obstacle; 2] {
        self.between(door_y).map(|sides| {
            let Rectangle {
                left,
                right,
                bottom,
                top,
            } = sides;
            Obstacle::Polygon(vec![
                [left, bottom],
                [right, bottom],
                [right, top],
                [left, top],
            ])
        })
    }

    /// Distance of a point from the nearest wall, px.
    fn clearance(&self, point: [f64; 2], obstacles: &[Obstacle; 2]) -> f64 {
        let outer = room::box_faces(&self.walls);
        let outer = outer.iter().map(|face| face.distance(point));
        let inner = obstacles.iter().map(|wall| wall.distance(point));
        outer.chain(inner).fold(f64::INFINITY, f64::min)
    }

    /// A place of the agent, uniform where it has room, px.
    fn draw_place(&self, obstacles: &[Obstacle; 2], rng: &mut Rng) -> Result<[f64; 2], Error> {
        let [width, height] = self.walls.size();
        for _ in 0..MOST_DRAWS {
            let place = [
                self.walls.left + width * rng.random::<f64>(),
                self.walls.bottom + height * rng.random::<f64>(),
            ];
            if self.clearance(place, obstacles) >= self.radius {
                return Ok(place);
            }
        }
        let radius = self.radius;
        Err(Error::Physics(format!(
            "two_rooms: expected room for a radius of {radius} px, found none in {MOST_DRAWS} draws"
        )))
    }

    /// The agent at a state (x, y, vx, vy) and a door.
    fn motion(&self, state: [f64; 4], door_y: f64, rng: Rng) -> Box<Agent> {
        let ball = Ball {
            radius: self.radius,
            restitution: 0.0,
            state,
        };
        let [width, height] = self.walls.size();
        let faces = room::box_faces(&self.walls);
        let mut flight = Flight::new(&faces, 2.0 * width.max(height), ball, [0.0; 2]);
        for collider in self.obstacles(door_y).iter().filter_map(Obstacle::collider) {
            flight.engine().add_obstacle(collider);
        }
        Box::new(Agent {
            flight,
            velocity: self.velocity,
            rng,
        })
    }
}

/// The agent on its way.
struct Agent {
    flight: Flight,
    velocity: [Distribution; 2],
    rng: Rng,
}

impl Motion for Agent {
    fn state(&self, state: &mut Vec<f64>) {
        self.flight.state(state);
    }

    /// Both halves of the inner wall are one kind of contact.
    fn advance(&mut self, duration: f64, contacts: &mut Vec<Contact>) -> Result<(), Error> {
        let before = contacts.len();
        self.flight.advance(duration, contacts)?;
        for contact in &mut contacts[before..] {
            contact.kind = contact.kind.min(4);
        }
        Ok(())
    }

    fn act(&mut self, action: &mut Vec<f64>) -> Result<(), Error> {
        let mut velocity = [0.0; 2];
        for (component, law) in velocity.iter_mut().zip(&self.velocity) {
            *component = law.sample(&mut self.rng)?;
        }
        action.extend(velocity);
        self.apply(&velocity)
    }

    fn apply(&mut self, action: &[f64]) -> Result<(), Error> {
        check_action(action, 2)?;
        self.flight.set_velocity([action[0], action[1]]);
        Ok(())
    }
}

impl Simulator for TwoRooms {
    fn check(&self) -> Result<(), Error> {
        let key = |field: &str| format!("two_rooms.{field}");
        self.walls.check(&key("walls"))?;
        let [width, height] = self.walls.size();
        let within = |field: &str, got: f64, low: f64, high: f64| match (low..=high).contains(&got)
        {
            true => Ok(()),
            false => Err(Error::parameter(
                &key(field),
                format!("within {low}..={high}"),
                got,
            )),
        };
        let any = (f64::NEG_INFINITY, f64::INFINITY);
        Error::all([
            within("radius", self.radius, 0.1, 0.2 * width.min(height)),
            within("thickness", self.thickness, 0.01, 0.2 * width),
            within("door", self.door, 2.1 * self.radius, 0.9 * height),
            self.velocity[0].check(&key("velocity[0]"), any.0, any.1),
            self.velocity[1].check(&key("velocity[1]"), any.0, any.1),
        ])?;
        let half = 0.5 * self.door + 0.01;
        let (low, high) = (self.walls.bottom + half, self.walls.top - half);
        self.door_y.check(&key("door_y"), low, high)
    }

    /// Place of the agent, and its velocity: what walls left of the last action.
    fn state_columns(&self) -> Vec<Column> {
        Column::list(&[("x", "px"), ("y", "px"), ("vx", "px/s"), ("vy", "px/s")])
    }

    fn parameter_columns(&self) -> Vec<Column> {
        Column::list(&[
            ("radius", "px"),
            ("door_y", "px"),
            ("goal_x", "px"),
            ("goal_y", "px"),
        ])
    }

    fn event_columns(&self) -> Vec<Column> {
        let mut columns = room::box_event_columns();
        columns.extend(Column::list(&[("hit_inner", "1")]));
        columns
    }

    fn action_columns(&self) -> Vec<Column> {
        Column::list(&[("velocity_x", "px/s"), ("velocity_y", "px/s")])
    }

    fn action_limits(&self) -> Vec<[f64; 2]> {
        self.velocity.iter().map(Distribution::range).collect()
    }

    /// Distance from the goal, px, as the crow flies.
    fn cost(&self, state: &[f64], _action: &[f64], parameters: &[f64]) -> Option<f64> {
        let (&[x, y, ..], &[_, _, to_x, to_y]) = (state, parameters) else {
            return None;
        };
        Some(hypot(x - to_x, y - to_y))
    }

    /// Actions come from a stream of their own: the rooms do not depend on them.
    fn begin(&self, rng: &mut Rng) -> Result<Begun, Error> {
        let actions = branch(rng);
        let door_y = self.door_y.sample(rng)?;
        let obstacles = self.obstacles(door_y);
        let [x, y] = self.draw_place(&obstacles, rng)?;
        let mut goal = self.draw_place(&obstacles, rng)?;
        let side = |x: f64| x > self.middle();
        for _ in 0..MOST_DRAWS {
            if !self.other_room || side(goal[0]) != side(x) {
                break;
            }
            goal = self.draw_place(&obstacles, rng)?;
        }
        Ok(Begun {
            parameters: vec![self.radius, door_y, goal[0], goal[1]],
            motion: self.motion([x, y, 0.0, 0.0], door_y, actions),
        })
    }

    fn resume(
        &self,
        state: &[f64],
        parameters: &[f64],
        rng: &mut Rng,
    ) -> Result<Option<Begun>, Error> {
        fits(self, state, parameters)?;
        let (door_y, now) = (parameters[1], [state[0], state[1], state[2], state[3]]);
        let obstacles = self.obstacles(door_y);
        if self.clearance([now[0], now[1]], &obstacles) < self.radius - 1e-6 {
            let expected = format!("an agent of radius {} px inside the rooms", self.radius);
            return Err(Error::parameter("state", expected, format!("{state:?}")));
        }
        Ok(Some(Begun {
            parameters: parameters.to_vec(),
            motion: self.motion(now, door_y, branch(rng)),
        }))
    }

    fn view(&self) -> Rectangle {
        self.walls.grown(bouncing_ball::MARGIN)
    }

    fn parts(&self) -> Vec<String> {
        vec!["agent".into()]
    }

    fn background(&self, parameters: &[f64]) -> Vec<Shape> {
        let mut shapes = room::box_drawn(&self.walls);
        shapes.extend(self.between(parameters[1]).map(|sides| Shape {
            outline: Outline::Rectangle(sides),
            brightness: bouncing_ball::WALL_BRIGHTNESS,
            part: 0,
        }));
        shapes
    }

    fn bodies(&self, state: &[f64], parameters: &[f64], shapes: &mut Vec<Shape>) {
        shapes.push(Shape::disc([state[0], state[1]], parameters[0]));
    }
}
