//! Rows put in another place: frames that are seen among all, the last one seen, and what moved since the frame before.

use crate::tensor::{matrix, record, size, take_gradient, values};
use crate::{Error, Result};
use crate::{Float, Mat};
use dfdx::prelude::{Cpu, SplitTape, Tape};

/// y_i = x_{from(i)}, or zeros where there is none: x (rows, c) to y (len of `from`, c).
///
/// # Errors
/// [`Error::Shape`] for a row that x does not have.
pub fn gather_rows<F: Float, T: Tape<F, Cpu>>(
    x: Mat<F, T>,
    from: &[Option<usize>],
) -> Result<Mat<F, T>> {
    let (x, tape) = x.split_tape();
    let (rows, columns) = size(&x);
    if let Some(row) = from.iter().flatten().find(|&&row| row >= rows) {
        return Err(Error::Shape(format!(
            "gather_rows: rows below {rows} expected, got {row}"
        )));
    }
    let mut y = vec![F::of(0.0); from.len() * columns];
    if columns > 0 {
        for (to, row) in y.chunks_exact_mut(columns).zip(from) {
            if let Some(row) = row {
                to.copy_from_slice(&values(&x)[row * columns..][..columns]);
            }
        }
    }
    let y = matrix(y, from.len(), columns)?;
    let (out, from) = (y.clone(), from.to_vec());
    Ok(record(y, tape, move |gradients| {
        let gy = take_gradient(gradients, &out)?;
        let gx = gradients.get_or_alloc_mut(&x)?;
        for (i, row) in from.iter().enumerate() {
            if let Some(row) = row {
                F::accumulate(
                    &mut gx[row * columns..][..columns],
                    &gy[i * columns..][..columns],
                );
            }
        }
        Ok(())
    }))
}

/// For every frame of sequences of `steps`: itself where it is seen, else the last one seen before it, if any. `seen` (B, T).
pub fn last_seen(seen: &[bool], steps: usize) -> Vec<Option<usize>> {
    let mut last = None;
    let held = seen.iter().enumerate().map(|(row, &seen)| {
        if row % steps.max(1) == 0 {
            last = None;
        }
        if seen {
            last = Some(row);
        }
        last
    });
    held.collect()
}

/// y_t = (x_t, x_t - x_{t-1}), x_{-1} = x_0: x (B*T, c) in sequences of `steps` to (B*T, 2c).
///
/// # Errors
/// [`Error::Shape`] when x is not a number of whole sequences.
pub fn with_displacement<F: Float, T: Tape<F, Cpu>>(
    x: Mat<F, T>,
    steps: usize,
) -> Result<Mat<F, T>> {
    let (x, tape) = x.split_tape();
    let (rows, c) = size(&x);
    if steps == 0 || rows % steps != 0 {
        return Err(Error::Shape(format!(
            "with_displacement: sequences of {steps} frames expected, got {rows} rows"
        )));
    }
    let v = values(&x);
    let mut y = Vec::with_capacity(rows * 2 * c);
    for row in 0..rows {
        let now = &v[row * c..][..c];
        y.extend_from_slice(now);
        match row % steps {
            0 => y.extend(std::iter::repeat_n(F::of(0.0), c)),
            _ => y.extend(
                now.iter()
                    .zip(&v[(row - 1) * c..][..c])
                    .map(|(a, b)| *a - *b),
            ),
        }
    }
    let y = matrix(y, rows, 2 * c)?; // (B*T, 2c)
    let out = y.clone();
    Ok(record(y, tape, move |gradients| {
        let gy = take_gradient(gradients, &out)?;
        let gx = gradients.get_or_alloc_mut(&x)?;
        for row in 0..rows {
            for j in 0..c {
                gx[row * c + j] += gy[row * 2 * c + j];
                if row % steps > 0 {
                    let moved = gy[row * 2 * c + c + j];
                    gx[row * c + j] += moved;
                    gx[(row - 1) * c + j] -= moved;
                }
            }
        }
        Ok(())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{self, gradients_agree, random};

    #[test]
    fn rows_stand_where_they_were_told_and_the_rest_is_zero() {
        let x = matrix(vec![1.0, 2.0, 3.0, 4.0], 2, 2).unwrap();
        let y = gather_rows(x, &[Some(1), None, Some(0), Some(1)]).unwrap();
        assert_eq!(values(&y), [3.0, 4.0, 0.0, 0.0, 1.0, 2.0, 3.0, 4.0]);
    }

    #[test]
    fn the_last_seen_frame_is_one_of_the_same_sequence() {
        let seen = [false, true, false, false, true, false, false, false];
        let want = [
            None,
            Some(1),
            Some(1),
            Some(1),
            Some(4),
            Some(4),
            Some(4),
            Some(4),
        ];
        assert_eq!(last_seen(&seen, 4), want);
        assert_eq!(
            last_seen(&[true, false, false, false], 2)[2..],
            [None, None]
        );
    }

    #[test]
    fn a_displacement_is_that_since_the_frame_before_in_the_same_sequence() {
        let x = matrix(vec![1.0, 4.0, 10.0, 20.0], 4, 1).unwrap();
        let y = with_displacement(x, 2).unwrap();
        assert_eq!(values(&y), [1.0, 0.0, 4.0, 3.0, 10.0, 0.0, 20.0, 10.0]);
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        let x = random("x", 6, 2);
        let from = [Some(2), None, Some(0), Some(2), Some(5)];
        gradients_agree("gather", &x, &[], true, &|x, _| {
            gather_rows(x, &from).map(check::project)
        });
        gradients_agree("displacement", &x, &[], true, &|x, _| {
            with_displacement(x, 3).map(check::project)
        });
    }

    #[test]
    fn wrong_sizes_are_told() {
        let x = || random("x", 4, 2);
        check::refuses(
            gather_rows(x(), &[Some(4)]),
            &["gather_rows", "below 4", "got 4"],
        );
        check::refuses(with_displacement(x(), 3), &["with_displacement", "3", "4"]);
        check::refuses(with_displacement(x(), 0), &["with_displacement", "0"]);
    }
}
