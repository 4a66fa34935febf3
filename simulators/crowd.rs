//! Several balls carried by Rapier from impact to impact, with walls and with each other.
//!
//! As [`crate::flight`] for one ball: a step of the engine ends just before each impact, and a micro-step in which only the two
//! that meet feel their contact carries it across; the engine's contact solver does the impact. All balls fall alike, so
//! two balls move on a straight line as seen from each other, and when they touch is a quadratic's root.

use crate::engine::Wall;
use crate::impact::{Motion, first_touch};
use crate::{Contact, Error, Motion as Moves};
use rapier2d::prelude::*;

/// Way along the normal that a micro-step has time for, px: see [`crate::flight`].
const CROSSING: Real = 1e-10;
/// Two that meet slower than this do not bounce, px/s.
const SLOWEST: Real = 1e-9;
/// Impacts within one frame after which the engine is said to be stuck.
const MOST_IMPACTS: usize = 100_000;

/// One ball of a crowd.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    /// Radius, px.
    pub radius: Real,
    /// Mass, kg.
    pub mass: Real,
    /// Position (px) and velocity (px/s): x, y, vx, vy.
    pub state: [Real; 4],
}

/// The two whose contact acts in this step; None in free flight.
struct Meeting(Option<[ColliderHandle; 2]>);

impl PhysicsHooks for Meeting {
    fn filter_contact_pair(&self, pair: &PairFilterContext) -> Option<SolverFlags> {
        let [a, b] = self.0?;
        let two = (pair.collider1, pair.collider2);
        (two == (a, b) || two == (b, a)).then_some(SolverFlags::COMPUTE_RIGID_IMPULSES)
    }
}

/// Who meets whom.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Met {
    /// Ball and wall.
    Wall(usize, usize),
    /// Two balls, the lower number first.
    Balls(usize, usize),
}

/// Several balls on their way, all with their states in order.
pub(crate) struct Crowd {
    world: PhysicsWorld,
    balls: Vec<(RigidBodyHandle, ColliderHandle, Real)>,
    walls: Vec<ColliderHandle>,
    gravity: Vector,
    /// Change of every velocity that awaits the next step, px/s.
    kick: Vector,
    time: Real,
}

impl Crowd {
    /// Balls among walls `length` px long around a convex room. Contacts of kind k < W are with wall k, the others between
    /// two balls: W + 0 for (0, 1), then (0, 2), ..., (1, 2), ...
    pub fn new(
        walls: &[Wall],
        length: Real,
        members: &[Member],
        restitution: Real,
        gravity: [Real; 2],
    ) -> Self {
        let mut world = PhysicsWorld {
            gravity: Vector::ZERO,
            ..PhysicsWorld::default()
        };
        let least = members.iter().map(|m| m.radius).fold(Real::MAX, Real::min);
        let settings = &mut world.integration_parameters;
        settings.length_unit = least;
        settings.normalized_max_linear_velocity = Real::MAX;
        settings.num_solver_iterations = 1; // one contact a step: solved in one pass
        settings.warmstart_coefficient = 0.0;
        settings.contact_recycling = false;
        settings.max_ccd_substeps = 0;
        let material = |collider: ColliderBuilder| {
            collider
                .restitution(restitution)
                .friction(0.0)
                .active_hooks(ActiveHooks::FILTER_CONTACT_PAIRS)
        };
        let half = 0.5 * length;
        let walls = walls.iter().map(|wall| {
            let normal = Vector::from(wall.normal);
            let behind = Vector::from(wall.point) - normal * half;
            let turned = Rotation::from_cos_sin_unchecked(normal.x, normal.y);
            let slab =
                ColliderBuilder::cuboid(half, length).position(Pose::from_parts(behind, turned));
            world.colliders.insert(material(slab))
        });
        let walls = walls.collect();
        let balls = members.iter().map(|member| {
            let [x, y, vx, vy] = member.state;
            let (body, surface) = world.insert(
                RigidBodyBuilder::dynamic()
                    .translation(Vector::new(x, y))
                    .linvel(Vector::new(vx, vy))
                    .lock_rotations()
                    .can_sleep(false),
                material(ColliderBuilder::ball(member.radius)).mass(member.mass),
            );
            (body, surface, member.radius)
        });
        let balls = balls.collect();
        Self {
            world,
            balls,
            walls,
            gravity: Vector::from(gravity),
            kick: Vector::ZERO,
            time: 0.0,
        }
    }

    fn position(&self, ball: usize) -> Vector {
        self.world.bodies[self.balls[ball].0].translation()
    }

    fn velocity(&self, ball: usize) -> Vector {
        self.world.bodies[self.balls[ball].0].linvel() + self.kick
    }

    /// One step of the engine: half a kick, straight flight, half a kick. Contacts need the velocities themselves, to
    /// change them.
    fn step(&mut self, dt: Real, meeting: Option<[ColliderHandle; 2]>) {
        self.kick += self.gravity * (0.5 * dt);
        if meeting.is_some() {
            for k in 0..self.balls.len() {
                let velocity = self.velocity(k);
                self.world.bodies[self.balls[k].0].set_linvel(velocity, true);
            }
            self.kick = Vector::ZERO;
        }
        self.world.gravity = self.kick / dt;
        self.world.integration_parameters.dt = dt;
        self.world.step_with_events(&Meeting(meeting), &());
        self.kick = self.gravity * (0.5 * dt);
    }

    /// The first impact within `horizon` s: when, of whom, and at what approach speed, px/s.
    fn next_impact(&self, horizon: Real) -> Option<(Real, Met, Real)> {
        let mut first: Option<(Real, Met, Real)> = None;
        let mut offer = |time: Real, met: Met, speed: Real| {
            if time <= first.map_or(horizon, |(before, ..)| before) {
                first = Some((time, met, speed));
            }
        };
        for (i, &(_, _, radius)) in self.balls.iter().enumerate() {
            let motion = Motion {
                position: self.position(i),
                velocity: self.velocity(i),
                acceleration: self.gravity,
            };
            for (w, wall) in self.walls.iter().enumerate() {
                let obstacle = &self.world.colliders[*wall];
                if let Some(touch) = first_touch(obstacle, radius, &motion, horizon)
                    && touch.speed > SLOWEST
                {
                    offer(touch.time, Met::Wall(i, w), touch.speed);
                }
            }
            for (k, &(_, _, other)) in self.balls.iter().enumerate().skip(i + 1) {
                let apart = self.position(k) - motion.position;
                let speed = self.velocity(k) - motion.velocity;
                if let Some((time, approach)) = touch(apart, speed, radius + other) {
                    offer(time, Met::Balls(i, k), approach);
                }
            }
        }
        first
    }

    /// Whether the two pushed each other in the last step.
    fn pushed(&self, [a, b]: [ColliderHandle; 2]) -> bool {
        let pair = self.world.narrow_phase.contact_pair(a, b);
        pair.is_some_and(|pair| pair.total_impulse_magnitude() > 0.0)
    }

    fn kind(&self, met: Met) -> usize {
        match met {
            Met::Wall(_, wall) => wall,
            Met::Balls(i, k) => self.walls.len() + pair_index(i, k, self.balls.len()),
        }
    }
}

/// Place of the pair (i, k), i < k < n, in the order (0, 1), (0, 2), ..., (1, 2), ...
pub(crate) fn pair_index(i: usize, k: usize, n: usize) -> usize {
    i * (2 * n - i - 1) / 2 + (k - i - 1)
}

/// When two discs first touch, s, and at what approach speed: centres `apart` px from each other, moving at `speed` px/s,
/// touching at a distance of `reach` px. The root of |apart + speed t|^2 = reach^2 in the form without cancellation; None
/// where they move apart or pass by.
fn touch(apart: Vector, speed: Vector, reach: Real) -> Option<(Real, Real)> {
    let closing = apart.dot(speed); // below 0 where they near each other
    let gap = apart.length() - reach;
    if closing >= -SLOWEST * reach {
        return None;
    }
    let along = speed.dot(speed);
    let c = gap * (apart.length() + reach); // |apart|^2 - reach^2, without cancellation
    let discriminant = closing * closing - along * c;
    if discriminant <= 0.0 {
        return None;
    }
    let time = (c / (discriminant.sqrt() - closing)).max(0.0);
    Some((time, discriminant.sqrt() / reach))
}

impl Moves for Crowd {
    fn state(&self, state: &mut Vec<Real>) {
        for k in 0..self.balls.len() {
            let (position, velocity) = (self.position(k), self.velocity(k));
            state.extend([position.x, position.y, velocity.x, velocity.y]);
        }
    }

    /// At most 100,000 impacts.
    fn advance(&mut self, duration: Real, contacts: &mut Vec<Contact>) -> Result<(), Error> {
        let end = self.time + duration;
        let mut rest = duration;
        for _ in 0..MOST_IMPACTS {
            let impact = self.next_impact(rest);
            let free = impact.map_or(rest, |(time, _, speed)| {
                (time - 0.5 * CROSSING / speed).max(0.0)
            });
            if free > 0.0 {
                self.step(free, None);
            }
            self.time += free;
            rest -= free;
            if let Some((_, met, speed)) = impact
                && rest > 0.0
            {
                let two = match met {
                    Met::Wall(i, wall) => [self.balls[i].1, self.walls[wall]],
                    Met::Balls(i, k) => [self.balls[i].1, self.balls[k].1],
                };
                let crossing = (CROSSING / speed).min(rest);
                self.step(crossing, Some(two));
                if self.pushed(two) {
                    let kind = self.kind(met);
                    let time = self.time;
                    contacts.push(Contact { kind, time });
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
            "balls: expected fewer than {MOST_IMPACTS} impacts in {duration} s, stopped after {} s",
            self.time
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_numbered_in_order() {
        let n = 5;
        let mut next = 0;
        for i in 0..n {
            for k in i + 1..n {
                assert_eq!(pair_index(i, k, n), next);
                next += 1;
            }
        }
        assert_eq!(next, n * (n - 1) / 2);
    }

    #[test]
    fn two_discs_touch_when_their_distance_is_the_sum_of_radii() {
        let (apart, reach) = (Vector::new(10.0, 1.5), 4.0);
        for k in 0..40 {
            let speed = Vector::new(-3.0, -0.9 + 0.05 * k as Real);
            // Closest approach, by the foot of the perpendicular.
            let closest = apart.perp_dot(speed).abs() / speed.length();
            match touch(apart, speed, reach) {
                Some((time, approach)) => {
                    let then = apart + speed * time;
                    assert!(closest < reach);
                    assert!((then.length() - reach).abs() < 1e-12, "{then:?}");
                    assert!((approach + then.dot(speed) / reach).abs() < 1e-12);
                }
                None => assert!(closest >= reach, "{speed:?}"),
            }
        }
        assert_eq!(touch(apart, Vector::new(1.0, 0.0), reach), None);
    }
}
