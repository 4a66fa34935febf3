//! The exact path of a frictionless ball in an upright rectangular box: the reference the engine is measured against.
//!
//! Without friction the two axes don't know of each other, so the path is two problems of one coordinate between two walls:
//! without acceleration and with restitution 1 mirror unfolding, else from impact to impact in closed form. With drag the
//! flight has a closed form still, the time of impact is a root, bracketed and halved to the last bit.

use crate::elementary::{exp_m1, ln};

/// One coordinate between two walls.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Axis {
    /// Least and greatest value the coordinate of the centre can have (wall plus or minus radius), px.
    pub limits: [f64; 2],
    /// Constant acceleration, px/s^2.
    pub acceleration: f64,
    /// Coefficient of restitution, 0..=1.
    pub restitution: f64,
    /// Rate at which drag takes the velocity, 1/s.
    pub drag: f64,
}

/// One impact of a coordinate on a wall.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AxisImpact {
    /// Since the start, s.
    pub time: f64,
    /// 0: the lower wall, 1: the upper.
    pub side: usize,
    /// Approach speed, px/s.
    pub speed: f64,
}

/// A ball that would rise less than this after a bounce, px, has come to rest: its endless bounces are cut off there.
const REST_HEIGHT: f64 = 1e-12;

impl Axis {
    /// Position and velocity after `time` s from (position, velocity).
    pub fn state(&self, start: [f64; 2], time: f64) -> [f64; 2] {
        if self.acceleration == 0.0 && self.restitution == 1.0 && self.drag == 0.0 {
            self.unfolded(start, time)
        } else {
            self.path(start, time, |_| ())
        }
    }

    /// Mirror unfolding: without acceleration and with restitution 1 the path is straight in a world of mirror images of the
    /// box; folding it back gives the position, and the number of images crossed the sign of the velocity.
    fn unfolded(&self, [position, velocity]: [f64; 2], time: f64) -> [f64; 2] {
        let [low, high] = self.limits;
        let width = high - low;
        let phase = (position + velocity * time - low).rem_euclid(2.0 * width);
        if phase <= width {
            [low + phase, velocity]
        } else {
            [low + 2.0 * width - phase, -velocity]
        }
    }

    /// As [`Axis::state`], from impact to impact; tells `note` of each.
    pub fn path(
        &self,
        [mut position, mut velocity]: [f64; 2],
        time: f64,
        mut note: impl FnMut(AxisImpact),
    ) -> [f64; 2] {
        let a = self.acceleration;
        let mut now = 0.0;
        loop {
            let first = (0..2)
                .filter_map(|side| Some((self.arrival(side, position, velocity)?, side)))
                .min_by(|one, other| one.0.total_cmp(&other.0));
            let rest = time - now;
            let Some((dt, side)) = first.filter(|(dt, _)| *dt <= rest) else {
                return self.free([position, velocity], rest);
            };
            now += dt;
            let speed = self.free([position, velocity], dt)[1].abs();
            position = self.limits[side];
            let inward = if side == 0 { 1.0 } else { -1.0 };
            note(AxisImpact {
                time: now,
                side,
                speed,
            });
            let rebound = self.restitution * speed;
            let press = -inward * a; // into the wall
            if rebound * rebound <= 2.0 * press * REST_HEIGHT {
                return [position, 0.0]; // pressed on the wall for good
            }
            velocity = inward * rebound;
            if velocity == 0.0 && press == 0.0 {
                return [position, 0.0];
            }
        }
    }

    /// Position and velocity after `t` s of free flight: with drag c, v -> a/c + (v - a/c) exp(-c t).
    fn free(&self, [position, velocity]: [f64; 2], t: f64) -> [f64; 2] {
        let (a, drag) = (self.acceleration, self.drag);
        if drag == 0.0 {
            return [position + velocity * t + 0.5 * a * t * t, velocity + a * t];
        }
        let (last, gone) = (a / drag, -exp_m1(-drag * t));
        let excess = velocity - last;
        [
            position + last * t + excess * gone / drag,
            velocity - excess * gone,
        ]
    }

    /// [`Axis::arrival`] with drag. The velocity moves monotonously to its last value, so the gap falls through 0 either
    /// before it turns or after, and is monotonous there.
    fn damped_arrival(&self, gap: f64, speed: f64, pull: f64) -> Option<f64> {
        let up = Self {
            acceleration: pull,
            ..*self
        };
        let gap_at = |t: f64| up.free([gap, speed], t)[0];
        let last = pull / self.drag;
        let turn = || ln((speed - last) / -last) / self.drag;
        let [mut low, mut high] = match (speed < 0.0, last < 0.0) {
            (true, false) if last > 0.0 => [0.0, turn()],
            (true, false) => {
                // It comes to rest after gap + speed/drag; by 60 lives it has.
                [0.0, 60.0 / self.drag]
            }
            (true, true) => [0.0, 1.0],
            (false, true) => [turn(), turn() + 1.0],
            (false, false) => return None,
        };
        while last < 0.0 && gap_at(high) >= 0.0 {
            high = low + 2.0 * (high - low);
        }
        if gap_at(high) >= 0.0 {
            return None;
        }
        loop {
            let middle = 0.5 * (low + high);
            if middle <= low || middle >= high {
                return Some(high);
            }
            if gap_at(middle) > 0.0 {
                low = middle;
            } else {
                high = middle;
            }
        }
    }

    /// Time until the coordinate moves through a wall, s; None if it never does.
    fn arrival(&self, side: usize, position: f64, velocity: f64) -> Option<f64> {
        let inward = if side == 0 { 1.0 } else { -1.0 };
        let gap = (inward * (position - self.limits[side])).max(0.0);
        let (speed, pull) = (inward * velocity, inward * self.acceleration);
        if self.drag > 0.0 {
            return self.damped_arrival(gap, speed, pull);
        }
        // gap + speed t + pull t^2/2 = 0, moving down.
        if pull == 0.0 {
            return (speed < 0.0).then(|| gap / -speed);
        }
        let discriminant = speed * speed - 2.0 * pull * gap;
        if discriminant < 0.0 {
            return None;
        }
        let root = discriminant.sqrt();
        if pull > 0.0 {
            // Pulled away: only while it still moves down.
            (speed < 0.0 && root > 0.0).then(|| 2.0 * gap / (root - speed))
        } else if speed > 0.0 {
            Some((speed + root) / -pull)
        } else {
            // Equal to (speed + root) / -pull, without cancellation; 0 from rest on the wall.
            Some(if gap == 0.0 {
                0.0
            } else {
                2.0 * gap / (root - speed)
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfolding_is_the_path_from_impact_to_impact() {
        let axis = Axis {
            limits: [5.0, 27.0],
            acceleration: 0.0,
            restitution: 1.0,
            drag: 0.0,
        };
        for k in 0..400 {
            let start = [5.0 + 0.05 * k as f64, 13.7 - 0.07 * k as f64];
            let (one, other) = (axis.state(start, 7.3), axis.path(start, 7.3, |_| ()));
            assert!(
                (one[0] - other[0]).abs() < 1e-12,
                "{start:?}: {one:?} {other:?}"
            );
            assert!(
                (one[1] - other[1]).abs() < 1e-12,
                "{start:?}: {one:?} {other:?}"
            );
        }
    }

    #[test]
    fn apex_after_a_bounce_is_e_squared_of_the_drop() {
        let axis = Axis {
            limits: [0.0, 100.0],
            acceleration: -10.0,
            restitution: 0.7,
            drag: 0.0,
        };
        let (drop, fall) = (20.0, 2.0); // 10 * 2^2 / 2
        let apex = axis.state([drop, 0.0], fall + 0.7 * fall);
        assert!((apex[0] - 0.49 * drop).abs() < 1e-12, "{apex:?}");
        assert!(apex[1].abs() < 1e-12, "{apex:?}");
    }

    #[test]
    fn a_settling_ball_rests_when_its_geometric_series_of_bounces_has_run_out() {
        let axis = Axis {
            limits: [0.0, 100.0],
            acceleration: -10.0,
            restitution: 0.5,
            drag: 0.0,
        };
        // Fall 2 s, then bounces of 2 s, 1 s, 1/2 s, ...: at rest after 6 s.
        let mut last = 0.0;
        let state = axis.path([20.0, 0.0], 10.0, |impact| last = impact.time);
        assert_eq!(state, [0.0, 0.0]);
        assert!((last - 6.0).abs() < 1e-5, "{last}"); // cut off at 1e-12 px: 2e-6 s before the end
    }

    #[test]
    fn energy_is_kept_over_many_elastic_bounces_under_gravity() {
        let axis = Axis {
            limits: [5.0, 27.0],
            acceleration: -20.0,
            restitution: 1.0,
            drag: 0.0,
        };
        let energy = |[y, v]: [f64; 2]| 0.5 * v * v + 20.0 * y;
        let start = [10.0, 9.0];
        let end = axis.state(start, 100.0);
        assert!((energy(end) / energy(start) - 1.0).abs() < 1e-11, "{end:?}");
    }
}
