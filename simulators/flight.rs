//! A ball carried by Rapier from impact to impact, among fixed walls.
//!
//! Rapier resolves an impact at the end of a step, so with steps of fixed length the error is *when* the bounce happens:
//! 3 px of root-mean-square position error with one step a frame in the box data, 0.02 px with a hundred. Here a step
//! ends at each impact instead. The time of impact comes from the engine's geometry ([`crate::impact`]), and one micro-step,
//! which has time for [`CROSSING`] px, carries the ball across. The engine's contact solver does the bounce.
//!
//! 1. Half of gravity's kick before a step and half after it (leapfrog) make free flight the exact parabola.
//! 2. Contacts act in micro-steps only: a contact found ahead of time would use the speed at the step's start.
//! 3. Bounces that would rise less than [`REST_HEIGHT`] end in rest: the infinitely many bounces of a ball that settles
//!    are cut there. From then on the wall carries the ball: gravity keeps its part along the wall.

use crate::Error;
use crate::engine::{Ball, Engine, Wall};
use crate::impact::{LEVEL, Motion, Touch, first_touch, zero_below};
use rapier2d::prelude::{Real, Vector};

/// Way along the normal that a micro-step has time for, px; it begins half of it before the wall and ends on the wall, so an
/// impact costs at most this in position. (Open gaps are closed rigidly, to rounding, which is 1e-4 of this; Rapier softens
/// gaps that are closed already.)
const CROSSING: Real = 1e-10;
/// A ball that would rise less than this after a bounce comes to rest, px.
const REST_HEIGHT: Real = 1e-6;
/// A ball that meets a wall slower than this slides along it, px/s. (At the least speed of the box data, 10 px/s, that
/// changes the energy by 1e-12 of itself, and the position by 4e-5 px in 4 s.)
const SLOWEST: Real = 1e-5;
/// Impacts within one frame after which the engine is said to be stuck.
const MOST_IMPACTS: usize = 100_000;

/// The ball touched wall number `wall`, `time` seconds after the flight began.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Impact {
    /// Index into the walls of [`Flight::new`].
    pub wall: usize,
    /// Since the flight began, s.
    pub time: Real,
}

/// One ball on its way.
pub(crate) struct Flight {
    engine: Engine,
    radius: Real,
    restitution: Real,
    gravity: Vector,
    /// Walls that carry the ball at rest, and their normals. Gravity presses it on them for good: the walls meet at right
    /// angles, so no other can lift it off.
    supports: Vec<(usize, Vector)>,
    time: Real,
}

impl Flight {
    /// A ball among walls `length` px long that meet at right angles, under constant gravity, px/s^2.
    pub fn new(walls: &[Wall], length: Real, ball: Ball, gravity: [Real; 2]) -> Self {
        Self {
            engine: Engine::new(walls, length, ball),
            radius: ball.radius,
            restitution: ball.restitution,
            gravity: Vector::from(gravity),
            supports: Vec::new(),
            time: 0.0,
        }
    }

    /// Position (px) and velocity (px/s): x, y, vx, vy.
    pub fn state(&self) -> [Real; 4] {
        let (position, velocity) = (self.engine.position(), self.engine.velocity());
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
            let impact = self.next_impact(rest);
            let free = impact.map_or(rest, |(_, touch)| {
                let bounces = touch.speed > SLOWEST;
                let lead = if bounces {
                    0.5 * CROSSING / touch.speed
                } else {
                    0.0
                };
                (touch.time - lead).max(0.0)
            });
            self.fly(free);
            self.time += free;
            rest -= free;
            if let Some((wall, touch)) = impact
                && rest > 0.0
            {
                let crossing = self.bounce(wall, &touch, rest, impacts);
                self.time += crossing;
                rest -= crossing;
            }
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
    fn next_impact(&self, horizon: Real) -> Option<(usize, Touch)> {
        let motion = Motion {
            position: self.engine.position(),
            velocity: self.engine.velocity(),
            acceleration: self.acceleration(),
        };
        let mut first: Option<(usize, Touch)> = None;
        for (wall, obstacle) in self.engine.walls().enumerate() {
            if self.supports.iter().all(|(support, _)| *support != wall) {
                let horizon = first.map_or(horizon, |(_, touch)| touch.time);
                let touch = first_touch(obstacle, self.radius, &motion, horizon);
                first = touch.map(|touch| (wall, touch)).or(first);
            }
        }
        first
    }

    /// Gravity, less what the supporting walls carry.
    fn acceleration(&self) -> Vector {
        match self.supports.as_slice() {
            [] => self.gravity,
            [(_, normal)] => self.gravity - *normal * normal.dot(self.gravity),
            _ => Vector::ZERO, // in a corner
        }
    }

    /// Free flight: half a kick of gravity, one step of the engine, half a kick.
    fn fly(&mut self, dt: Real) {
        if dt > 0.0 {
            let kick = self.acceleration() * (0.5 * dt);
            self.engine.kick(kick);
            self.engine.step(dt, false);
            self.engine.kick(kick);
        }
    }

    /// Lets the engine bounce the ball off the wall it is about to touch, within `rest` seconds; returns the time that took.
    fn bounce(
        &mut self,
        wall: usize,
        touch: &Touch,
        rest: Real,
        impacts: &mut Vec<Impact>,
    ) -> Real {
        let &Touch { normal, speed, .. } = touch;
        let mut crossing = 0.0;
        if speed > SLOWEST {
            crossing = (CROSSING / speed).min(rest);
            // Half a kick takes the speed to that of the touch. Once down, the wall holds the ball until the micro-step ends,
            // so only the part along the wall goes on. (With the whole second half every bounce would cost energy: the
            // thousand bounces of a low orbit over the floor would be out of phase.)
            let kick = self.acceleration() * (0.5 * crossing);
            self.engine.kick(kick);
            self.engine.step(crossing, true);
            self.engine.kick(kick - normal * normal.dot(kick));
            let (before, time) = (impacts.len(), self.time);
            impacts.extend(self.engine.pushing().map(|wall| Impact { wall, time })); // two in a corner
            if impacts.len() == before {
                return crossing; // turned round, or stopped by the end of the frame, within the last 1e-10 px
            }
        }
        let gravity = self.acceleration();
        let press = zero_below(LEVEL * gravity.length(), -normal.dot(gravity)).max(0.0); // px/s^2, into the wall
        let rebound = self.restitution * speed;
        if speed <= SLOWEST || rebound * rebound <= 2.0 * press * REST_HEIGHT {
            let velocity = self.engine.velocity();
            self.engine
                .set_velocity(velocity - normal * normal.dot(velocity));
            if press > 0.0 {
                self.supports.push((wall, normal));
                self.engine.disable(wall);
            }
        }
        crossing
    }
}
