//! A ball carried by Rapier from impact to impact, among fixed walls.
//!
//! Rapier resolves an impact at the end of a step, so with steps of fixed length the error is *when* the bounce happens:
//! 3 px of root-mean-square position error with one step a frame in the box data, 0.02 px with a hundred. Here a step
//! ends at each impact instead. The time of impact comes from the engine's geometry ([`crate::impact`]), and one micro-step,
//! in which the ball travels [`CROSSING`] px, carries it across. The engine's contact solver does the bounce.
//!
//! 1. Half of gravity's kick before a step and half after it (leapfrog) make free flight the exact parabola.
//! 2. Contacts act in micro-steps only: a contact found ahead of time would use the speed at the step's start.
//! 3. Bounces that would rise less than [`REST_HEIGHT`] end in rest: the infinitely many bounces of a ball that settles
//!    are cut there. From then on the wall carries the ball: gravity keeps its part along the wall.

use crate::Error;
use crate::impact::{LEVEL, Motion, first_touch, zero_below};
use rapier2d::prelude::*;

/// Way along the normal that a micro-step has time for, px. The ball stops on the wall until the micro-step ends, so an
/// impact costs no more than twice this in position. It is 10,000 times the rounding of positions.
const CROSSING: Real = 1e-10;
/// Gap at which a micro-step begins, px. Open gaps are closed rigidly, to rounding; Rapier softens those closed already.
const SKIN: Real = 0.5 * CROSSING;
/// A ball that would rise less than this after a bounce comes to rest, px.
const REST_HEIGHT: Real = 1e-6;
/// A ball that approaches a wall slower than this slides along it, px/s. (At the least speed of the box data, 10 px/s, that
/// changes the energy by 5e-11 of itself, and the position by 4e-5 px in 4 s.)
const SLOWEST: Real = 1e-5;
/// Impacts within one frame after which the engine is said to be stuck.
const MOST_IMPACTS: usize = 100_000;

/// A flat wall: what lies behind the plane through `point` across `normal`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wall {
    /// Middle of its face, px.
    pub point: [Real; 2],
    /// Into the room, length 1.
    pub normal: [Real; 2],
}

/// What a ball is and where it starts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ball {
    /// Radius, px.
    pub radius: Real,
    /// Coefficient of restitution, 0..=1.
    pub restitution: Real,
    /// Position (px) and velocity (px/s): x, y, vx, vy.
    pub state: [Real; 4],
}

/// The ball touched wall number `wall`, `time` seconds after the flight began.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Impact {
    /// Index into the walls of [`Flight::new`].
    pub wall: usize,
    /// Since the flight began, s.
    pub time: Real,
}

/// A wall that carries the ball at rest, and its normal.
type Support = (ColliderHandle, Vector);

/// The ball is about to meet a wall.
#[derive(Clone, Copy)]
struct Meeting {
    /// From now, s.
    time: Real,
    wall: ColliderHandle,
    /// Of the wall, into the room.
    normal: Vector,
}

/// Which contacts act in a step.
enum Contacts<'a> {
    /// None: free flight.
    Off,
    /// All but the supporting walls.
    On(&'a [Support]),
}

impl PhysicsHooks for Contacts<'_> {
    fn filter_contact_pair(&self, pair: &PairFilterContext) -> Option<SolverFlags> {
        match self {
            Self::On(supports)
                if supports
                    .iter()
                    .all(|(wall, _)| *wall != pair.collider1 && *wall != pair.collider2) =>
            {
                Some(SolverFlags::COMPUTE_RIGID_IMPULSES)
            }
            _ => None,
        }
    }
}

/// One ball in one Rapier world. Every flight has a world of its own (1.5 us to build, of some 35 us a sequence), so a
/// sequence's bytes can't depend on what was simulated before.
pub(crate) struct Flight {
    world: PhysicsWorld,
    ball: RigidBodyHandle,
    surface: ColliderHandle,
    walls: Vec<ColliderHandle>,
    radius: Real,
    restitution: Real,
    gravity: Vector,
    /// Gravity presses the ball on these for good: the box is rectangular, so no other wall can lift it off.
    supports: Vec<Support>,
    time: Real,
}

impl Flight {
    /// A ball among walls `length` px long, under constant gravity, px/s^2.
    pub fn new(walls: &[Wall], length: Real, ball: Ball, gravity: [Real; 2]) -> Self {
        let mut world = PhysicsWorld {
            gravity: Vector::new(0.0, 0.0), // by kicks, see above
            ..PhysicsWorld::default()
        };
        let settings = &mut world.integration_parameters;
        settings.length_unit = ball.radius;
        settings.normalized_max_linear_velocity = Real::MAX;
        settings.num_solver_iterations = 1; // one ball, one or two contacts: solved in one pass
        settings.warmstart_coefficient = 0.0; // an impact starts from nothing
        settings.contact_recycling = false; // gaps are always measured anew
        settings.max_ccd_substeps = 0; // no step passes an impact
        let material = |collider: ColliderBuilder| {
            collider
                .restitution(ball.restitution)
                .friction(0.0)
                .active_hooks(ActiveHooks::FILTER_CONTACT_PAIRS)
        };
        let half = 0.5 * length;
        let walls = walls.iter().map(|wall| {
            let normal = Vector::from(wall.normal);
            let behind = Vector::from(wall.point) - normal * half;
            let turned = Rotation::from_cos_sin_unchecked(normal.x, normal.y); // exact, unlike an angle
            let slab =
                ColliderBuilder::cuboid(half, length).position(Pose::from_parts(behind, turned));
            world.colliders.insert(material(slab))
        });
        let walls = walls.collect();
        let [x, y, vx, vy] = ball.state;
        let (body, surface) = world.insert(
            RigidBodyBuilder::dynamic()
                .translation(Vector::new(x, y))
                .linvel(Vector::new(vx, vy))
                .lock_rotations()
                .can_sleep(false),
            material(ColliderBuilder::ball(ball.radius)),
        );
        Self {
            world,
            ball: body,
            surface,
            walls,
            radius: ball.radius,
            restitution: ball.restitution,
            gravity: Vector::from(gravity),
            supports: Vec::new(),
            time: 0.0,
        }
    }

    /// Position (px) and velocity (px/s): x, y, vx, vy.
    pub fn state(&self) -> [Real; 4] {
        let body = &self.world.bodies[self.ball];
        let (position, velocity) = (body.translation(), body.linvel());
        [position.x, position.y, velocity.x, velocity.y]
    }

    /// Flies on for `duration` seconds and appends the impacts on the way.
    ///
    /// # Errors
    /// [`Error::Physics`] after 100,000 impacts in one call.
    pub fn advance(&mut self, duration: Real, impacts: &mut Vec<Impact>) -> Result<(), Error> {
        let end = self.time + duration;
        let mut rest = duration;
        for _ in 0..MOST_IMPACTS {
            let Some(meeting) = self.next_impact(rest) else {
                self.step(rest, false);
                self.time = end;
                return Ok(());
            };
            if meeting.time > 0.0 {
                self.step(meeting.time, false);
                self.time += meeting.time;
                rest -= meeting.time;
            }
            let crossing = self.bounce(&meeting, rest, impacts);
            self.time += crossing;
            rest -= crossing;
            if rest <= 0.0 {
                self.time = end;
                return Ok(());
            }
        }
        Err(Error::Physics(format!(
            "ball: expected fewer than {MOST_IMPACTS} impacts in {duration} s, stopped at {:?}",
            self.state()
        )))
    }

    /// First impact within `horizon` seconds, with a wall that does not carry the ball already.
    fn next_impact(&self, horizon: Real) -> Option<Meeting> {
        let body = &self.world.bodies[self.ball];
        let motion = Motion {
            position: body.translation(),
            velocity: body.linvel(),
            acceleration: self.acceleration(),
        };
        let mut first: Option<Meeting> = None;
        for handle in self.walls.iter().filter(|wall| !self.carries(**wall)) {
            let horizon = first.map_or(horizon, |meeting| meeting.time);
            let wall = &self.world.colliders[*handle];
            let touch = first_touch(wall, self.radius + SKIN, &motion, horizon);
            first = touch.map_or(first, |(time, gap)| {
                Some(Meeting {
                    time,
                    wall: *handle,
                    normal: gap.normal,
                })
            });
        }
        first
    }

    /// Gravity, less what the supporting walls carry.
    fn acceleration(&self) -> Vector {
        match self.supports.as_slice() {
            [] => self.gravity,
            [(_, normal)] => self.gravity - *normal * normal.dot(self.gravity),
            _ => Vector::ZERO, // wedged between two walls
        }
    }

    fn carries(&self, wall: ColliderHandle) -> bool {
        self.supports.iter().any(|(support, _)| *support == wall)
    }

    /// Lets the engine bounce the ball off the wall it has met, within `rest` seconds; returns the time that took.
    fn bounce(&mut self, meeting: &Meeting, rest: Real, impacts: &mut Vec<Impact>) -> Real {
        let normal = meeting.normal;
        let approach = -normal.dot(self.world.bodies[self.ball].linvel());
        let mut crossing = 0.0;
        if approach > SLOWEST {
            crossing = (CROSSING / approach).min(rest);
            self.step(crossing, true);
            if !self.note_impacts(impacts) {
                return crossing; // turned round, or stopped by the end of the frame, within the last 1e-10 px
            }
        }
        let gravity = self.acceleration();
        let press = zero_below(LEVEL * gravity.length(), -normal.dot(gravity)); // px/s^2, into the wall
        let rebound = self.restitution * approach;
        if approach <= SLOWEST || rebound * rebound <= 2.0 * press.max(0.0) * REST_HEIGHT {
            let body = &mut self.world.bodies[self.ball];
            let velocity = body.linvel();
            body.set_linvel(velocity - normal * normal.dot(velocity), true);
            if press > 0.0 {
                self.supports.push((meeting.wall, normal));
            }
        }
        crossing
    }

    /// Appends every wall that pushed the ball in the last step (two in a corner); whether there was one.
    fn note_impacts(&self, impacts: &mut Vec<Impact>) -> bool {
        let before = impacts.len();
        for (wall, handle) in self.walls.iter().enumerate() {
            let pair = self.world.narrow_phase.contact_pair(self.surface, *handle);
            if pair.is_some_and(|pair| pair.total_impulse_magnitude() > 0.0) {
                impacts.push(Impact {
                    wall,
                    time: self.time,
                });
            }
        }
        impacts.len() > before
    }

    /// One step of the engine, half a kick of gravity before it and half after it.
    fn step(&mut self, dt: Real, contacts: bool) {
        let kick = self.acceleration() * (0.5 * dt);
        self.kick(kick);
        self.world.integration_parameters.dt = dt;
        let contacts = match contacts {
            true => Contacts::On(&self.supports),
            false => Contacts::Off,
        };
        self.world.step_with_events(&contacts, &());
        self.kick(kick);
    }

    fn kick(&mut self, change: Vector) {
        if change != Vector::ZERO {
            let body = &mut self.world.bodies[self.ball];
            let velocity = body.linvel();
            body.set_linvel(velocity + change, true);
        }
    }
}
