//! Cuts and combinations of (N, T, F) arrays.

use crate::array::Array;
use crate::error::{Error, Result};
use std::ops::Range;

/// (N, T, F) of an array, trailing axes taken together.
pub fn sizes(array: &Array) -> [usize; 3] {
    let shape = array.shape();
    let at = |axis: usize| shape.get(axis).copied().unwrap_or(1);
    [at(0), at(1), shape.iter().skip(2).product()]
}

/// An (N, T, F) array whose row at (sequence, frame) is written by `row`.
pub fn build([n, t, f]: [usize; 3], mut row: impl FnMut(usize, usize, &mut [f64])) -> Array {
    let mut out = Array::zeros([n, t, f]);
    if f > 0 {
        for (k, values) in out.data_mut().chunks_exact_mut(f).enumerate() {
            row(k / t, k % t, values);
        }
    }
    out
}

/// The F values at (sequence, frame).
pub fn at(array: &Array, sequence: usize, t: usize) -> &[f64] {
    let [_, frames, f] = sizes(array);
    let start = (sequence * frames + t) * f;
    &array.data()[start..start + f]
}

/// The frames of `range`, (N, range, F).
pub fn frames(array: &Array, range: Range<usize>) -> Array {
    let [n, _, f] = sizes(array);
    build([n, range.len(), f], |i, t, row| {
        row.copy_from_slice(at(array, i, range.start + t));
    })
}

/// The columns of these indices, (N, T, indices).
pub fn columns(array: &Array, indices: &[usize]) -> Array {
    let [n, t, _] = sizes(array);
    build([n, t, indices.len()], |i, t, row| {
        let all = at(array, i, t);
        for (value, &j) in row.iter_mut().zip(indices) {
            *value = all[j];
        }
    })
}

/// The sequences in the order of `order`.
pub fn reorder(array: &Array, order: &[u32]) -> Array {
    let [_, t, f] = sizes(array);
    build([order.len(), t, f], |i, t, row| {
        row.copy_from_slice(at(array, order[i] as usize, t));
    })
}

/// Every value that is NaN as it was last in its sequence; as it is first where it was not known before.
pub fn held(array: &Array) -> Array {
    build(sizes(array), |i, t, row| {
        for (j, value) in row.iter_mut().enumerate() {
            let known = |t: &usize| !at(array, i, *t)[j].is_nan();
            let place = (0..=t).rev().find(known);
            let place = place.or_else(|| (t..sizes(array)[1]).find(known));
            *value = at(array, i, place.unwrap_or(t))[j];
        }
    })
}

/// Rate of change over time: (f_{t+1} - f_{t-1}) / (2 dt) inside, one-sided at both ends.
///
/// # Errors
/// [`Error::Shape`] with fewer than two frames.
pub fn central_differences(array: &Array, dt: f64) -> Result<Array> {
    let [n, frames, f] = sizes(array);
    if frames < 2 {
        return Err(Error::Shape(format!(
            "central differences: want T >= 2, got {frames}"
        )));
    }
    Ok(build([n, frames, f], |i, t, row| {
        let (before, after) = (t.saturating_sub(1), (t + 1).min(frames - 1));
        let span = (after - before) as f64 * dt;
        for (j, value) in row.iter_mut().enumerate() {
            *value = (at(array, i, after)[j] - at(array, i, before)[j]) / span;
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn central_differences_of_a_line_are_its_slope_at_every_frame() {
        let line = build([2, 5, 1], |i, t, row| {
            row[0] = 3.0 + (i as f64 + 1.0) * 0.2 * t as f64
        });
        let slope = central_differences(&line, 0.2).unwrap();
        for i in 0..2 {
            for t in 0..5 {
                assert!(
                    (at(&slope, i, t)[0] - (i as f64 + 1.0)).abs() < 1e-12,
                    "{slope:?}"
                );
            }
        }
    }

    #[test]
    fn cuts_keep_sequences_apart() {
        let all = build([2, 3, 2], |i, t, row| {
            row.copy_from_slice(&[(10 * i + t) as f64, -((10 * i + t) as f64)]);
        });
        assert_eq!(
            frames(&all, 1..3).data(),
            [1., -1., 2., -2., 11., -11., 12., -12.]
        );
        assert_eq!(columns(&all, &[1]).data(), [0., -1., -2., -10., -11., -12.]);
        assert_eq!(reorder(&all, &[1, 0]).row(0), all.row(1));
    }
}
