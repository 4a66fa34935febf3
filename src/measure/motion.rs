//! How things move, as numbers: features of a clip's paths whose distributions can be compared.

use crate::array::Array;
use crate::error::{Error, Result};

/// Frames apart at which velocities and accelerations are taken.
pub const LAGS: [usize; 3] = [1, 2, 4];
/// Statistics of every channel over the frames of a clip.
pub const STATISTICS: [&str; 4] = ["mean", "std", "min", "max"];

/// Features of N clips, (N, F): of every channel below its mean, standard deviation, least and greatest value over the
/// clip.
///
/// Channels of each of K objects: x, y; velocities (x_t - x_{t-l}) / l and accelerations (x_t - 2 x_{t-l} + x_{t-2l}) /
/// l² along both axes at lags l of 1, 2 and 4 frames; kinetic energy |v|² / 2 at lag 1; impacts, 1 where the lag-1
/// acceleration exceeds `impact` px/frame². Then of each pair its distance; and the share of objects that are lost.
/// Units are px and frames.
///
/// A lost object stands where it was last (before its first sighting: where it is first seen; never seen: at the
/// corner): the paths stay whole, and the lost share tells.
///
/// # Errors
/// [`Error::Shape`] unless `paths` are (N, T, 2 K) with T >= 9: the longest lag's acceleration.
pub fn features(paths: &Array, impact: f64) -> Result<Array> {
    let (n, frames, d) = match *paths.shape() {
        [n, t, d] if n > 0 && t > 2 * LAGS[2] && d > 0 && d % 2 == 0 => (n, t, d),
        _ => {
            return Err(Error::Shape(format!(
                "motion features: want (clips, {} frames or more, 2 x objects), got {:?}",
                2 * LAGS[2] + 1,
                paths.shape()
            )));
        }
    };
    let mut all = Vec::new();
    for i in 0..n {
        let (path, lost) = filled(paths.row(i), d);
        let at = |t: usize, j: usize| path[t * d + j];
        let mut channels: Vec<Vec<f64>> = Vec::new();
        let velocity = |t: usize, j: usize, l: usize| (at(t, j) - at(t - l, j)) / l as f64;
        let acceleration = |t: usize, j: usize, l: usize| {
            (at(t, j) - 2.0 * at(t - l, j) + at(t - 2 * l, j)) / (l * l) as f64
        };
        for k in 0..d / 2 {
            let (x, y) = (2 * k, 2 * k + 1);
            for j in [x, y] {
                channels.push((0..frames).map(|t| at(t, j)).collect());
                for l in LAGS {
                    channels.push((l..frames).map(|t| velocity(t, j, l)).collect());
                    channels.push((2 * l..frames).map(|t| acceleration(t, j, l)).collect());
                }
            }
            let energy = |t| 0.5 * (velocity(t, x, 1).powi(2) + velocity(t, y, 1).powi(2));
            channels.push((1..frames).map(energy).collect());
            let jump = |t| acceleration(t, x, 1).hypot(acceleration(t, y, 1));
            let hit = |t| f64::from(u8::from(jump(t) > impact));
            channels.push((2..frames).map(hit).collect());
            for other in 0..k {
                let apart =
                    |t| (at(t, x) - at(t, 2 * other)).hypot(at(t, y) - at(t, 2 * other + 1));
                channels.push((0..frames).map(apart).collect());
            }
        }
        channels.push(lost);
        all.extend(channels.iter().flat_map(|channel| statistics(channel)));
    }
    let width = all.len() / n;
    Array::new([n, width], all)
}

/// Mean, standard deviation, least and greatest value.
fn statistics(values: &[f64]) -> [f64; 4] {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let var = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    [mean, var.sqrt(), least, most]
}

/// A path (T, 2 K) with lost places filled in, and the lost share of every frame (T).
fn filled(path: &[f64], d: usize) -> (Vec<f64>, Vec<f64>) {
    let mut out = path.to_vec();
    let frames = path.len() / d;
    let seen =
        |t: usize, k: usize| path[t * d + 2 * k].is_finite() && path[t * d + 2 * k + 1].is_finite();
    for k in 0..d / 2 {
        let first = (0..frames).find(|&t| seen(t, k));
        let mut last = first.map_or([0.0; 2], |t| [0, 1].map(|j| path[t * d + 2 * k + j]));
        for t in 0..frames {
            let place = &mut out[t * d + 2 * k..][..2];
            match seen(t, k) {
                true => last = [place[0], place[1]],
                false => place.copy_from_slice(&last),
            }
        }
    }
    let share = |t| (0..d / 2).filter(|&k| !seen(t, k)).count() as f64 / (d / 2) as f64;
    (out, (0..frames).map(share).collect())
}

/// Clips (N, T, F) in which nothing moves: the first frame stays. A distance of motions must be large for them.
pub fn frozen(clips: &Array) -> Array {
    super::arrays::build(super::arrays::sizes(clips), |i, _, row| {
        row.copy_from_slice(super::arrays::at(clips, i, 0));
    })
}

/// The frames of every clip (N, T, F) in an order drawn for it: right places, wrong motion.
pub fn shuffled(clips: &Array, seeds: &crate::seeds::Seeds) -> Array {
    use rand::RngExt;
    let [n, frames, _] = super::arrays::sizes(clips);
    let mut orders = Vec::with_capacity(n * frames);
    for i in 0..n {
        let mut rng = seeds.stream("measure/shuffled", i as u64);
        let mut order: Vec<usize> = (0..frames).collect();
        for k in (1..frames).rev() {
            order.swap(k, rng.random_range(0..=k));
        }
        orders.extend(order);
    }
    super::arrays::build(super::arrays::sizes(clips), |i, t, row| {
        row.copy_from_slice(super::arrays::at(clips, i, orders[i * frames + t]));
    })
}

/// Every value of clips (N, T, F) moved by a normal draw of `std` (0.25 px in the sanity rows): right motion, unsteady.
pub fn jittered(clips: &Array, std: f64, seeds: &crate::seeds::Seeds) -> Array {
    use rand_distr::{Distribution, StandardNormal};
    let mut out = clips.clone();
    let stride: usize = clips.shape()[1..].iter().product();
    for (i, clip) in out.data_mut().chunks_exact_mut(stride.max(1)).enumerate() {
        let mut rng = seeds.stream("measure/jittered", i as u64);
        for value in clip {
            let z: f64 = StandardNormal.sample(&mut rng);
            *value += std * z;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feature(all: &Array, channel: usize, statistic: usize) -> f64 {
        all.data()[4 * channel + statistic]
    }

    #[test]
    fn a_straight_flight_with_one_bounce_has_the_numbers_of_its_path() {
        // x: 2 px a frame up to frame 6, then back; y: 5 + t.
        let x = |t: usize| {
            if t <= 6 {
                2.0 * t as f64
            } else {
                24.0 - 2.0 * t as f64
            }
        };
        let path: Vec<f64> = (0..12).flat_map(|t| [x(t), 5.0 + t as f64]).collect();
        let all = features(&Array::new([1, 12, 2], path).unwrap(), 1.0).unwrap();
        // 7 channels an axis, energy, impacts, lost; 4 statistics each.
        assert_eq!(all.shape(), [1, 4 * 17]);
        assert_eq!(feature(&all, 0, 3), 12.0, "largest x");
        assert_eq!(
            (feature(&all, 1, 2), feature(&all, 1, 3)),
            (-2.0, 2.0),
            "velocity of x"
        );
        assert_eq!(feature(&all, 2, 2), -4.0, "acceleration of x at the bounce");
        assert_eq!(
            (feature(&all, 8, 0), feature(&all, 8, 1)),
            (1.0, 0.0),
            "velocity of y"
        );
        assert_eq!(
            (feature(&all, 14, 0), feature(&all, 14, 1)),
            (2.5, 0.0),
            "energy"
        );
        assert!(
            (feature(&all, 15, 0) - 0.1).abs() < 1e-12,
            "one impact of 10 frames"
        );
        assert_eq!(feature(&all, 16, 0), 0.0, "lost");
    }

    #[test]
    fn a_lost_object_stands_still_and_is_told() {
        const NAN: f64 = f64::NAN;
        let (path, lost) = filled(&[NAN, NAN, 3.0, 4.0, NAN, 1.0, 5.0, 6.0], 2);
        assert_eq!(path, [3.0, 4.0, 3.0, 4.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(lost, [1.0, 0.0, 1.0, 0.0]);
        let two: Vec<f64> = (0..40)
            .map(|k| if k % 4 < 2 { NAN } else { k as f64 })
            .collect();
        let all = features(&Array::new([1, 10, 4], two).unwrap(), 1.0).unwrap();
        let width = all.shape()[1];
        assert!(all.data().iter().all(|v| v.is_finite()));
        assert_eq!(all.data()[width - 4], 0.5);
        assert!(features(&Array::zeros([1, 8, 2]), 1.0).is_err());
    }
}
