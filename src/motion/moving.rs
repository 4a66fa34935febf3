//! A motion: what a skeleton does over time, brought to any rate, as rows of numbers.

use super::layout::columns;
use super::rotation::Rotation;
use super::skeleton::Skeleton;

/// What a skeleton does: T frames of equal distance in time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moving {
    /// The skeleton, J joints.
    pub skeleton: Skeleton,
    /// Time between frames, s.
    pub dt: f64,
    /// Where the root is, (T), in the skeleton's unit.
    pub root: Vec<[f64; 3]>,
    /// Every joint's own rotation, (T, J): the root's is that in the world, the others' that against their parents.
    pub rotations: Vec<Vec<Rotation>>,
}

impl Moving {
    /// Frames, T.
    pub fn len(&self) -> usize {
        self.root.len()
    }

    /// Whether there is no frame.
    pub fn is_empty(&self) -> bool {
        self.root.is_empty()
    }

    /// The motion at the times 0, dt, 2 dt .. up to the last of `times`, between whose frames rotations go the short way at
    /// an even speed (slerp) and the root goes straight. `times` start at 0 and rise.
    ///
    /// A time that falls on a frame, up to rounding, is that frame.
    pub fn at_rate(self, times: &[f64], dt: f64) -> Self {
        let last = times.last().copied().unwrap_or(0.0);
        // A millionth of a step: times are sums of rounded numbers.
        let frames = (last / dt + 1e-6).floor() as usize + 1;
        let (mut root, mut rotations) = (Vec::new(), Vec::new());
        let mut k = 0;
        for i in 0..frames {
            let time = i as f64 * dt;
            while k + 2 < times.len() && times[k + 1] <= time {
                k += 1;
            }
            let next = (k + 1).min(times.len() - 1);
            let share = match times[next] - times[k] {
                step if step > 0.0 => ((time - times[k]) / step).clamp(0.0, 1.0),
                _ => 0.0,
            };
            let (a, b) = (self.root[k], self.root[next]);
            root.push(std::array::from_fn(|j| a[j] + share * (b[j] - a[j])));
            let pairs = self.rotations[k].iter().zip(&self.rotations[next]);
            rotations.push(pairs.map(|(a, &b)| a.slerp(b, share)).collect());
        }
        Self {
            dt,
            root,
            rotations,
            ..self
        }
    }

    /// Rows (T, [`columns`]) of numbers. The speed of frame t is that of the turn from frame t-1 to it; that of frame 0,
    /// which nothing comes before, is that of frame 1.
    pub fn rows(&self) -> Vec<f64> {
        let mut rows = Vec::with_capacity(self.len() * columns(&self.skeleton).len());
        for t in 0..self.len() {
            for own in &self.rotations[t] {
                rows.extend(own.six());
            }
            let after = t.max(1).min(self.len() - 1);
            for (j, _) in self.skeleton.joints.iter().enumerate() {
                let before = self.rotations[after.saturating_sub(1)][j];
                let turn = (before.inverse() * self.rotations[after][j]).log();
                rows.extend(turn.map(|v| v / self.dt));
            }
            let places = self.skeleton.places(self.root[t], &self.rotations[t]);
            rows.extend(places.into_iter().flatten());
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::motion::{Axis, arm};

    /// An elbow that turns by `speed` rad/s about z, frames at these times.
    fn waving(times: &[f64], speed: f64) -> Moving {
        let turn = |t: f64| Rotation::of_angles(&[(Axis::Z, speed * t)]);
        Moving {
            skeleton: arm(),
            dt: times[1],
            root: times.iter().map(|&t| [t, 0.0, 0.0]).collect(),
            rotations: times
                .iter()
                .map(|&t| vec![Rotation::IDENTITY, Rotation::IDENTITY, turn(t)])
                .collect(),
        }
    }

    #[test]
    fn an_even_turn_keeps_its_speed_at_any_rate_and_from_uneven_times() {
        let times = [0.0, 0.1, 0.15, 0.4, 0.41, 1.0];
        let at = waving(&times, 2.0).at_rate(&times, 0.04);
        assert_eq!(at.len(), 26);
        for t in 0..at.len() {
            let time = 0.04 * t as f64;
            let turn = Rotation::of_angles(&[(Axis::Z, 2.0 * time)]);
            assert!(at.rotations[t][2].angle_to(turn) < 1e-12, "frame {t}");
            assert!((at.root[t][0] - time).abs() < 1e-12);
        }
        // The speed columns of the elbow: after 3 x 6 rotations, 3 of each joint.
        let rows = at.rows();
        let width = columns(&at.skeleton).len();
        assert_eq!(width, 36);
        for row in rows.chunks_exact(width) {
            let speed = &row[18 + 6..18 + 9];
            assert!(speed[0].abs() + speed[1].abs() < 1e-9, "{speed:?}");
            assert!((speed[2] - 2.0).abs() < 1e-9, "{speed:?}");
        }
    }

    #[test]
    fn a_rate_that_is_the_own_one_changes_nothing() {
        let times: Vec<f64> = (0..30).map(|t| f64::from(t) / 30.0).collect();
        let own = waving(&times, 1.0);
        let at = own.clone().at_rate(&times, 1.0 / 30.0);
        assert_eq!(at.len(), 30);
        for (a, b) in at
            .rotations
            .iter()
            .flatten()
            .zip(own.rotations.iter().flatten())
        {
            assert!(a.angle_to(*b) < 1e-9);
        }
        let single = waving(&[0.0, 0.1], 1.0);
        let one = Moving {
            root: single.root[..1].to_vec(),
            rotations: single.rotations[..1].to_vec(),
            ..single
        };
        assert!(one.rows()[18..27].iter().all(|&speed| speed == 0.0));
    }
}
