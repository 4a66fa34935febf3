//! When a ball on a parabola first touches a fixed convex obstacle.

use rapier2d::prelude::{Collider, Real, Vector};

/// Gap below which a ball counts as touching, px: far above the rounding of positions (1e-14), far below every tolerance.
pub(crate) const TOUCH: Real = 1e-11;

/// Speed along the normal below which a ball neither nears nor leaves a wall, px/s: above what rounding leaves of it.
const STILL: Real = 1e-10;
/// Share of the acceleration below which it is along the wall: the normal is exact to rounding only.
pub(crate) const LEVEL: Real = 1e-9;

/// `value`, or 0 where its size is at most `size`.
pub(crate) fn zero_below(size: Real, value: Real) -> Real {
    if value.abs() <= size { 0.0 } else { value }
}

/// Motion of a ball's centre: position + velocity t + acceleration t^2/2, until something acts on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Motion {
    /// Centre at t = 0, px.
    pub position: Vector,
    /// Velocity at t = 0, px/s.
    pub velocity: Vector,
    /// Constant acceleration, px/s^2.
    pub acceleration: Vector,
}

/// How a ball first touches an obstacle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Touch {
    /// From now, s.
    pub time: Real,
    /// From the obstacle's nearest point to the ball's centre, length 1.
    pub normal: Vector,
    /// Approach speed at that time, against the normal, px/s; at least 0.
    pub speed: Real,
}

/// Distance of the surfaces of a ball and an obstacle, px (negative where they overlap), and the unit vector from the
/// obstacle's nearest point to the centre, by the engine's geometry; None if the centre is inside the obstacle.
fn gap(obstacle: &Collider, centre: Vector, radius: Real) -> Option<(Real, Vector)> {
    let nearest = obstacle
        .shape()
        .project_point(obstacle.position(), centre, false);
    let apart = centre - nearest.point;
    let distance = apart.length();
    let outside = !nearest.is_inside && distance > 0.0;
    outside.then(|| (distance - radius, apart / distance))
}

/// The first touch within 0..=horizon, s, in which the ball moves towards the obstacle or is pressed on it.
///
/// The obstacle is convex, so it lies wholly behind the plane through its point nearest to the ball, across the line that
/// joins the two. The ball cannot touch it before it reaches that plane, and when it does is a quadratic's root: a lower
/// bound that is exact for a flat wall. Starting again from there climbs to the impact (Newton's method, from below) and
/// can skip none, however grazing.
pub(crate) fn first_touch(
    obstacle: &Collider,
    radius: Real,
    motion: &Motion,
    horizon: Real,
) -> Option<Touch> {
    let mut time = 0.0;
    // A flat wall takes two passes; a round obstacle a handful, the graze that needs more is cut off below its touch.
    for _ in 0..64 {
        let moved = motion.velocity * time + motion.acceleration * (0.5 * time * time);
        let velocity = motion.velocity + motion.acceleration * time;
        let (gap, normal) = gap(obstacle, motion.position + moved, radius)?;
        let speed = zero_below(STILL, normal.dot(velocity));
        let level = LEVEL * motion.acceleration.length();
        let pull = zero_below(level, normal.dot(motion.acceleration));
        if gap <= TOUCH && (speed < 0.0 || (speed == 0.0 && pull < 0.0)) {
            let speed = -speed;
            return Some(Touch {
                time,
                normal,
                speed,
            });
        }
        time += first_descent(gap, speed, pull)?;
        if time > horizon {
            return None;
        }
    }
    None
}

/// First time t >= 0 at which gap + speed t + pull t^2/2 falls through 0: the root of the quadratic at which it descends,
/// in the form without cancellation. Below 0 at the start (a ball that leaves) it has to rise first; where it does not get
/// up to 0, the time of its highest point stands for the root.
fn first_descent(gap: Real, speed: Real, pull: Real) -> Option<Real> {
    let discriminant = speed * speed - 2.0 * pull * gap;
    if speed < 0.0 {
        // Going down: none if the pull turns it round before.
        return (discriminant >= 0.0).then(|| 2.0 * gap / (discriminant.sqrt() - speed));
    }
    // Going up: it comes down again only if pulled.
    (pull < 0.0).then(|| (speed + discriminant.max(0.0).sqrt()) / -pull)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rapier2d::prelude::ColliderBuilder;

    /// The first time by brute force: a million samples of the gap.
    fn sampled(obstacle: &Collider, radius: Real, motion: &Motion, horizon: Real) -> Option<Real> {
        let n = 1_000_000;
        (0..=n).map(|k| horizon * k as Real / n as Real).find(|&t| {
            let at = motion.position + motion.velocity * t + motion.acceleration * (0.5 * t * t);
            gap(obstacle, at, radius).is_none_or(|(gap, _)| gap <= 0.0)
        })
    }

    #[test]
    fn first_touch_is_the_first_sample_that_overlaps_for_flat_and_round_obstacles() {
        let floor = ColliderBuilder::cuboid(50.0, 1.0).build();
        let disc = ColliderBuilder::ball(2.0).build();
        for obstacle in [&floor, &disc] {
            for k in 0..60 {
                let angle = 0.1 * k as Real;
                let motion = Motion {
                    position: Vector::new(-6.0 + 0.2 * k as Real, 7.0),
                    velocity: Vector::new(8.0 * angle.cos(), 8.0 * angle.sin()),
                    acceleration: Vector::new(1.0, -9.0),
                };
                let found = first_touch(obstacle, 1.5, &motion, 4.0).map(|touch| touch.time);
                let want = sampled(obstacle, 1.5, &motion, 4.0);
                match (found, want) {
                    (Some(t), Some(sample)) => assert!(
                        (sample - t) < 5e-6 && t <= sample + 1e-9,
                        "{k}: {t} {sample}"
                    ),
                    (None, None) => {}
                    other => panic!("{k}: {other:?}"),
                }
            }
        }
    }

    #[test]
    fn a_graze_that_straight_casts_miss_is_found_and_a_near_miss_is_not() {
        let ceiling = ColliderBuilder::cuboid(50.0, 1.0).build(); // underside at y = -1
        for (rise, hits) in [(1.0 + 1e-9_f64, true), (1.0 - 1e-9, false)] {
            let motion = Motion {
                position: Vector::new(-5.0, -4.0), // radius 2: gap 1
                velocity: Vector::new(3.0, (2.0 * 10.0 * rise).sqrt()), // apex `rise` above
                acceleration: Vector::new(0.0, -10.0),
            };
            let found = first_touch(&ceiling, 2.0, &motion, 2.0);
            assert_eq!(found.is_some(), hits, "rise {rise}: {found:?}");
        }
    }
}
