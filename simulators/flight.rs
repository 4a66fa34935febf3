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
//!    are cut there. From then on the wall carries the ball: gravity keeps its part along the wall, until the ball bounces
//!    off another wall or slides onto it.
//! 4. With drag the path is no parabola. It is cut into pieces of at most [`PIECE`] s; in each the acceleration is constant,
//!    and such that the velocity at its end is the exact one.

use crate::elementary::exp_m1;
use crate::engine::{Ball, Engine, Wall};
use crate::impact::{LEVEL, Motion, Touch, first_touch, zero_below};
use crate::{Contact, Error, Motion as Moves};
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
/// Longest piece of a path with drag, s: its error is drag^2 speed PIECE^2 duration / 12, some 1e-4 px in the box data's 4 s
/// at a drag of 0.5/s.
const PIECE: Real = 0.005;

/// One ball on its way.
pub(crate) struct Flight {
    engine: Engine,
    radius: Real,
    restitution: Real,
    gravity: Vector,
    /// Rate at which the velocity decays, 1/s.
    drag: Real,
    /// Walls that carry the ball, and their normals.
    supports: Vec<(usize, Vector)>,
    time: Real,
}

impl Flight {
    /// A ball among walls `length` px long around a convex room, under constant gravity, px/s^2. Contact of kind k is with
    /// wall k.
    pub fn new(walls: &[Wall], length: Real, ball: Ball, gravity: [Real; 2]) -> Self {
        Self {
            engine: Engine::new(walls, length, ball),
            radius: ball.radius,
            restitution: ball.restitution,
            gravity: Vector::from(gravity),
            drag: 0.0,
            supports: Vec::new(),
            time: 0.0,
        }
    }

    /// The same with linear drag: acceleration -`drag` velocity, 1/s.
    pub fn with_drag(mut self, drag: Real) -> Self {
        self.drag = drag;
        self
    }

    /// Position (px) and velocity (px/s): x, y, vx, vy.
    pub fn now(&self) -> [Real; 4] {
        let (position, velocity) = (self.engine.position(), self.engine.velocity());
        [position.x, position.y, velocity.x, velocity.y]
    }

    /// The engine, to add and move blocks.
    pub fn engine(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// Centre (px) and velocity (px/s) of block number `block`: x, y, vx, vy.
    pub fn block(&self, block: usize) -> [Real; 4] {
        self.engine.block(block)
    }

    /// Changes the constant acceleration from now on, px/s^2. What carried the ball is asked anew.
    pub fn set_gravity(&mut self, gravity: [Real; 2]) {
        self.gravity = Vector::from(gravity);
        self.release(|_| true);
    }

    /// Sets the velocity, px/s. What carried the ball is asked anew.
    pub fn set_velocity(&mut self, velocity: [Real; 2]) {
        self.engine.set_velocity(Vector::from(velocity));
        self.release(|_| true);
    }

    /// As [`Moves::advance`]; after each impact on one wall `turns` says whether the velocity along that wall is reversed. (In a
    /// corner, where two walls push at once, it is not asked: along the one is against the other.)
    pub fn advance_turning(
        &mut self,
        duration: Real,
        contacts: &mut Vec<Contact>,
        turns: &mut dyn FnMut() -> bool,
    ) -> Result<(), Error> {
        if self.drag == 0.0 {
            return self.glide(duration, contacts, turns);
        }
        let pieces = (duration / PIECE).ceil().max(1.0);
        (0..pieces as usize).try_for_each(|_| self.glide(duration / pieces, contacts, turns))
    }

    /// Moves on without drag, from impact to impact.
    fn glide(
        &mut self,
        duration: Real,
        contacts: &mut Vec<Contact>,
        turns: &mut dyn FnMut() -> bool,
    ) -> Result<(), Error> {
        let end = self.time + duration;
        let mut rest = duration;
        for _ in 0..MOST_IMPACTS {
            let acceleration = self.acceleration(rest);
            let impact = self.next_impact(rest, acceleration);
            let free = impact.map_or(rest, |(_, touch)| {
                let bounces = touch.speed > SLOWEST;
                let lead = if bounces {
                    0.5 * CROSSING / touch.speed
                } else {
                    0.0
                };
                (touch.time - lead).max(0.0)
            });
            self.fly(free, acceleration);
            self.time += free;
            rest -= free;
            if let Some((wall, touch)) = impact
                && rest > 0.0
            {
                let before = contacts.len();
                let crossing = self.bounce(wall, &touch, rest, contacts);
                if contacts.len() == before + 1 && turns() {
                    let velocity = self.engine.velocity();
                    let across = touch.normal * touch.normal.dot(velocity);
                    self.engine.set_velocity(across * 2.0 - velocity);
                }
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
            self.now()
        )))
    }

    /// First impact within `horizon` seconds, with a wall that does not carry the ball already.
    fn next_impact(&self, horizon: Real, acceleration: Vector) -> Option<(usize, Touch)> {
        let motion = Motion {
            position: self.engine.position(),
            velocity: self.engine.velocity(),
            acceleration,
        };
        let mut first: Option<(usize, Touch)> = None;
        for (wall, obstacle) in self.engine.walls().enumerate() {
            if self.supports.iter().all(|(support, _)| *support != wall) {
                let horizon = first.map_or(horizon, |(_, touch)| touch.time);
                let seen = Motion {
                    velocity: motion.velocity - self.engine.velocity_of(obstacle),
                    ..motion
                };
                let touch = first_touch(obstacle, self.radius, &seen, horizon);
                first = touch.map(|touch| (wall, touch)).or(first);
            }
        }
        first
    }

    /// Gravity, less what the supporting walls carry.
    fn pull(&self) -> Vector {
        match self.supports.as_slice() {
            [] => self.gravity,
            [(_, normal)] => self.gravity - *normal * normal.dot(self.gravity),
            _ => Vector::ZERO, // in a corner
        }
    }

    /// The constant acceleration that changes the velocity within `ahead` s as gravity and drag do: the mean of
    /// (pull - drag v) exp(-drag t).
    fn acceleration(&self, ahead: Real) -> Vector {
        let pull = self.pull();
        if self.drag == 0.0 {
            return pull;
        }
        let decay = self.drag * ahead;
        let mean = if decay > 0.0 {
            -exp_m1(-decay) / decay
        } else {
            1.0
        };
        (pull - self.engine.velocity() * self.drag) * mean
    }

    /// Free flight: half a kick of the acceleration, one step of the engine, half a kick.
    fn fly(&mut self, dt: Real, acceleration: Vector) {
        if dt > 0.0 {
            let kick = acceleration * (0.5 * dt);
            self.engine.kick(kick);
            self.engine.step(dt, false);
            self.engine.kick(kick);
        }
    }

    /// Takes the ball off the supports for whose normal `leaves` says so.
    fn release(&mut self, leaves: impl Fn(Vector) -> bool) {
        let engine = &mut self.engine;
        self.supports.retain(|&(wall, normal)| {
            let stays = !leaves(normal);
            if !stays {
                engine.enable(wall, true);
            }
            stays
        });
    }

    /// The ball has come to lie on a wall. Two walls carry it where gravity presses it on both; else it slides off the one
    /// that gravity pulls it from.
    fn lie_on(&mut self, wall: usize, normal: Vector) {
        let velocity = self.engine.velocity();
        self.release(|support| support.dot(velocity).abs() > SLOWEST);
        self.supports.push((wall, normal));
        self.engine.enable(wall, false);
        if let [(_, first), (_, second)] = self.supports[..] {
            // gravity = a first + b second
            let turn = first.perp_dot(second);
            let a = self.gravity.perp_dot(second) / turn;
            let b = first.perp_dot(self.gravity) / turn;
            if a > 0.0 {
                self.release(|normal| normal == first);
            } else if b > 0.0 {
                self.release(|normal| normal == second);
            }
        }
    }

    /// Lets the engine bounce the ball off the wall it is about to touch, within `rest` seconds; returns the time that took.
    fn bounce(
        &mut self,
        wall: usize,
        touch: &Touch,
        rest: Real,
        contacts: &mut Vec<Contact>,
    ) -> Real {
        let &Touch { normal, speed, .. } = touch;
        let mut crossing = 0.0;
        if speed > SLOWEST {
            crossing = (CROSSING / speed).min(rest);
            // Half a kick takes the speed to that of the touch. Once down, the wall holds the ball until the micro-step ends,
            // so only the part along the wall goes on. (With the whole second half every bounce would cost energy: the
            // thousand bounces of a low orbit over the floor would be out of phase.)
            let kick = self.acceleration(crossing) * (0.5 * crossing);
            self.engine.kick(kick);
            self.engine.step(crossing, true);
            self.engine.kick(kick - normal * normal.dot(kick));
            let (before, time) = (contacts.len(), self.time);
            let pushing = self.engine.pushing();
            contacts.extend(pushing.map(|kind| Contact { kind, time })); // two in a corner
            if contacts.len() == before {
                return crossing; // turned round, or stopped by the end of the frame, within the last 1e-10 px
            }
        }
        let velocity = self.engine.velocity();
        self.release(|support| support.dot(velocity).abs() > SLOWEST); // thrown off, or onto, what carried it
        let gravity = self.pull();
        let press = zero_below(LEVEL * gravity.length(), -normal.dot(gravity)).max(0.0); // px/s^2, into the wall
        let rebound = self.restitution * speed;
        if speed <= SLOWEST || rebound * rebound <= 2.0 * press * REST_HEIGHT {
            let velocity = self.engine.velocity();
            self.engine
                .set_velocity(velocity - normal * normal.dot(velocity));
            if press > 0.0 {
                self.lie_on(wall, normal);
            }
        }
        crossing
    }
}

impl Moves for Flight {
    fn state(&self, state: &mut Vec<Real>) {
        state.extend(self.now());
    }

    /// At most 100,000 impacts within one piece.
    fn advance(&mut self, duration: Real, contacts: &mut Vec<Contact>) -> Result<(), Error> {
        self.advance_turning(duration, contacts, &mut || false)
    }
}
