//! Trivial ways to fill in frames that were not seen, and the mean over such frames.

use super::arrays::{at, build, sizes};
use super::bootstrap::{Bootstrap, Estimate};
use crate::array::Array;

/// Mean of an (N, T) array over the accepted (sequence, frame) pairs.
pub fn mean_where(
    values: &Array,
    counted: impl Fn(usize, usize) -> bool,
    boot: &Bootstrap,
) -> Estimate {
    let [n, total, _] = sizes(values);
    let sums: Vec<(f64, f64)> = (0..n)
        .map(|i| {
            let frames = (0..total).filter(|&t| counted(i, t));
            frames.fold((0.0, 0.0), |(sum, count), t| {
                (sum + at(values, i, t)[0], count + 1.0)
            })
        })
        .collect();
    boot.estimate(|drawn| {
        let add = |(sum, count), &i: &u32| (sum + sums[i as usize].0, count + sums[i as usize].1);
        let (sum, count) = drawn.iter().fold((0.0, 0.0), add);
        sum / count
    })
}

/// Every state column between the nearest frames on both sides that are seen and in which it is known (not NaN), by a line;
/// held before the first and after the last. NaN where it is known in none.
pub fn interpolated(truth: &Array, mask: &Array) -> Array {
    let total = truth.shape()[1];
    build(sizes(truth), |i, t, row| {
        for (j, value) in row.iter_mut().enumerate() {
            let seen = |t: &usize| at(mask, i, *t)[0] >= 0.5 && !at(truth, i, *t)[j].is_nan();
            let before = (0..=t).rev().find(seen);
            let after = (t..total).find(seen);
            let first = || {
                (0..total)
                    .find(|&t| !at(truth, i, t)[j].is_nan())
                    .unwrap_or(0)
            };
            let (a, b) = match (before.or(after), after.or(before)) {
                (Some(a), Some(b)) => (a, b),
                _ => (first(), first()),
            };
            let share = if b > a {
                (t - a) as f64 / (b - a) as f64
            } else {
                0.0
            };
            *value = (1.0 - share) * at(truth, i, a)[j] + share * at(truth, i, b)[j];
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpolation_is_a_line_between_seen_frames_and_holds_the_last() {
        let truth = Array::new([1, 6, 1], vec![0., 9., 9., 6., 9., 9.]).unwrap();
        let mask = Array::new([1, 6], vec![1., 0., 0., 1., 0., 0.]).unwrap();
        assert_eq!(interpolated(&truth, &mask).data(), [0., 2., 4., 6., 6., 6.]);
    }
}
