//! Rows that nothing was learned for: copy, constant velocity, an empty frame, uniform places. No number means anything
//! without them.

use super::futures::Futures;
use crate::array::Array;
use crate::error::{Error, Result};
use crate::seeds::Seeds;
use rand::RngExt;

fn context(what: &str, seen: &Array, least: usize) -> Result<[usize; 3]> {
    match seen.shape() {
        &[n, t, d] if t >= least && d > 0 && d % 2 == 0 => Ok([n, t, d]),
        other => Err(Error::Shape(format!(
            "{what}: want seen places (contexts, {least} frames or more, 2 x objects), got {other:?}"
        ))),
    }
}

fn each(
    [n, _, d]: [usize; 3],
    horizon: usize,
    lost: f64,
    value: impl Fn(usize, usize, usize) -> f64,
) -> Result<Futures> {
    let mut out = Array::zeros([n, horizon, d]);
    for (k, cell) in out.data_mut().iter_mut().enumerate() {
        *cell = value(k / d / horizon, k / d % horizon, k % d);
    }
    Futures::single(out, lost)
}

/// The last seen places (N, T, 2 K), for H frames.
///
/// # Errors
/// [`Error::Shape`] without a seen frame.
pub fn copy_last(seen: &Array, horizon: usize, lost: f64) -> Result<Futures> {
    let [n, t, d] = context("copy of the last frame", seen, 1)?;
    let last = |i: usize, j: usize| seen.row(i)[(t - 1) * d + j];
    each([n, t, d], horizon, lost, |i, _, j| last(i, j))
}

/// The last two seen places (N, T, 2 K) continued in a straight line, x_h = x_T + h (x_T - x_{T-1}), through walls.
///
/// # Errors
/// [`Error::Shape`] with fewer than two seen frames.
pub fn constant_velocity(seen: &Array, horizon: usize, lost: f64) -> Result<Futures> {
    let [n, t, d] = context("constant velocity", seen, 2)?;
    each([n, t, d], horizon, lost, |i, h, j| {
        let at = |frame: usize| seen.row(i)[frame * d + j];
        at(t - 1) + (h + 1) as f64 * (at(t - 1) - at(t - 2))
    })
}

/// What a tracker finds in empty frames: every object lost.
///
/// # Errors
/// [`Error::Shape`] for an empty size.
pub fn empty(contexts: usize, horizon: usize, objects: usize, lost: f64) -> Result<Futures> {
    let sizes = [contexts, 0, 2 * objects];
    each(sizes, horizon, lost, |_, _, _| f64::NAN)
}

/// Places drawn uniformly where centres can be, `[left, right, top, bottom]` px, anew for every frame: what knowing
/// only the box gives. Context i has a stream of its own.
///
/// # Errors
/// [`Error::Shape`] for an empty size or box.
pub fn uniform(
    [contexts, samples, horizon]: [usize; 3],
    objects: usize,
    [left, right, top, bottom]: [f64; 4],
    lost: f64,
    seeds: &Seeds,
) -> Result<Futures> {
    if !(left < right && top < bottom) {
        return Err(Error::Shape(format!(
            "uniform futures: want left < right and top < bottom, got {:?}",
            [left, right, top, bottom]
        )));
    }
    let mut out = Array::zeros([contexts, samples, horizon, 2 * objects]);
    let stride = samples * horizon * 2 * objects;
    if stride > 0 {
        for (i, context) in out.data_mut().chunks_exact_mut(stride).enumerate() {
            let mut rng = seeds.stream("measure/uniform", i as u64);
            for place in context.chunks_exact_mut(2) {
                place[0] = rng.random_range(left..right);
                place[1] = rng.random_range(top..bottom);
            }
        }
    }
    Futures::new(out, lost)
}

/// Frames that repeat the last of the seen ones (T, size), (H, size).
///
/// # Errors
/// [`Error::Shape`] without a whole frame.
pub fn copy_frames(seen: &[f32], size: usize, horizon: usize) -> Result<Vec<f32>> {
    if size == 0 || seen.is_empty() || !seen.len().is_multiple_of(size) {
        return Err(Error::Shape(format!(
            "copied frames: want whole frames of {size} values, got {}",
            seen.len()
        )));
    }
    Ok(seen[seen.len() - size..].repeat(horizon))
}

/// Frames of the background alone, (H, size).
pub fn empty_frames(background: &[f32], horizon: usize) -> Vec<f32> {
    background.repeat(horizon)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constant_velocity_is_exact_for_a_straight_path_and_copy_lags_by_it() {
        let path = |t: usize| [3.0 + 2.0 * t as f64, 9.0 - t as f64];
        let seen = Array::new([1, 3, 2], (0..3).flat_map(path).collect()).unwrap();
        let truth = Array::new([1, 4, 2], (3..7).flat_map(path).collect()).unwrap();
        let error = |f: Futures| f.energy_score(&truth).unwrap().data().to_vec();
        assert_eq!(error(constant_velocity(&seen, 4, 45.0).unwrap()), [0.0; 4]);
        for (h, e) in error(copy_last(&seen, 4, 45.0).unwrap()).iter().enumerate() {
            assert!((e - 5f64.sqrt() * (h + 1) as f64).abs() < 1e-12, "{e}");
        }
        assert_eq!(error(empty(1, 4, 1, 45.0).unwrap()), [45.0; 4]);
        let one = Array::zeros([1, 1, 2]);
        assert!(constant_velocity(&one, 4, 45.0).is_err());
    }

    #[test]
    fn uniform_places_fill_their_box_and_a_context_does_not_depend_on_the_others() {
        let draw = |n| uniform([n, 64, 5], 2, [5.0, 27.0, 3.0, 9.0], 45.0, &Seeds::new(1)).unwrap();
        let (few, many) = (draw(2), draw(7));
        assert_eq!(few.array().row(1), many.array().row(1));
        let x = many.array().data().iter().step_by(2);
        let y = many.array().data().iter().skip(1).step_by(2);
        assert!(
            x.clone().all(|x| (5.0..27.0).contains(x)) && y.clone().all(|y| (3.0..9.0).contains(y))
        );
        // 4,480 draws: six standard errors of 22/√12.
        let mean = x.sum::<f64>() / 4480.0;
        assert!(
            (mean - 16.0).abs() < 6.0 * 22.0 / (12.0 * 4480.0f64).sqrt(),
            "{mean}"
        );
    }

    #[test]
    fn trivial_frames_are_the_last_and_the_background() {
        assert_eq!(
            copy_frames(&[0.0, 0.1, 0.5, 0.6], 2, 2).unwrap(),
            [0.5, 0.6, 0.5, 0.6]
        );
        assert_eq!(empty_frames(&[0.2, 0.3], 2), [0.2, 0.3, 0.2, 0.3]);
        assert!(copy_frames(&[], 2, 2).is_err());
    }
}
