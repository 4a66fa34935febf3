//! Columns side by side and apart, frames of all clips out of their order in time and back, and sums.

use crate::tensor::{matrix, record, scalar, size, split, split_all, take_gradient, values};
use crate::{Error, Float, Mat, Param, Result, Scalar, Track};
use dfdx::prelude::{Cpu, PutTape, SplitTape, Tape};
use std::ops::Range;

/// Matrices of equally many rows side by side: (rows, c_1), (rows, c_2) .. to (rows, c_1 + c_2 ..).
///
/// # Errors
/// [`Error::Shape`] for none, or rows that differ in number.
pub fn concat<F: Float, T: Track<F>>(all: &[&Mat<F, T>]) -> Result<Mat<F, T>> {
    let rows = all.first().map_or(0, |x| size(x).0);
    let sizes: Vec<(usize, usize)> = all.iter().map(|x| size(x)).collect();
    if sizes.is_empty() || sizes.iter().any(|&(r, _)| r != rows) {
        return Err(Error::Shape(format!(
            "concat: at least one matrix, all of equally many rows, expected, got {sizes:?}"
        )));
    }
    let (parts, tape) = split_all(all);
    let columns = sizes.iter().map(|(_, c)| c).sum();
    let mut y = Vec::with_capacity(rows * columns);
    for row in 0..rows {
        for (x, (_, c)) in parts.iter().zip(&sizes) {
            y.extend_from_slice(&values(x)[row * c..][..*c]);
        }
    }
    let y = matrix(y, rows, columns)?;
    let out = y.clone();
    Ok(record(y, tape, move |gradients| {
        let g = take_gradient(gradients, &out)?;
        let mut start = 0;
        for (x, (_, c)) in parts.iter().zip(&sizes) {
            let to = gradients.get_or_alloc_mut(x)?;
            for row in 0..rows {
                F::accumulate(&mut to[row * c..][..*c], &g[row * columns + start..][..*c]);
            }
            start += c;
        }
        Ok(())
    }))
}

/// The same row beside every row of x: (rows, c) and `row` (d) to (rows, c + d). x is data: no gradient flows to it.
///
/// # Errors
/// Out of memory.
pub fn beside<F: Float, T: Tape<F, Cpu>>(x: Mat<F, T>, row: &Param<F>) -> Result<Mat<F, T>> {
    let (x, tape) = x.split_tape();
    let (rows, c) = size(&x);
    let columns = c + row.values().len();
    let mut y = Vec::with_capacity(rows * columns);
    for i in 0..rows {
        y.extend_from_slice(&values(&x)[i * c..][..c]);
        y.extend_from_slice(row.values());
    }
    let y = matrix(y, rows, columns)?;
    let (out, row) = (y.clone(), row.clone());
    Ok(record(y, tape, move |gradients| {
        let g = take_gradient(gradients, &out)?;
        let to = gradients.get_or_alloc_mut(&row.tensor)?;
        for g in g.chunks_exact(columns.max(1)) {
            F::accumulate(to, &g[c..]);
        }
        Ok(())
    }))
}

/// Some columns of x: (rows, c) to (rows, length of `range`).
///
/// # Errors
/// [`Error::Shape`] for columns that x does not have.
pub fn columns<F: Float, T: Track<F>>(x: &Mat<F, T>, range: Range<usize>) -> Result<Mat<F, T>> {
    let (x, tape) = split(x);
    let (rows, c) = size(&x);
    if range.start > range.end || range.end > c {
        return Err(Error::Shape(format!(
            "columns: a range in 0..{c} expected, got {range:?}"
        )));
    }
    let n = range.len();
    let mut y = Vec::with_capacity(rows * n);
    for row in 0..rows {
        y.extend_from_slice(&values(&x)[row * c + range.start..][..n]);
    }
    let y = matrix(y, rows, n)?;
    let out = y.clone();
    Ok(record(y, tape, move |gradients| {
        let g = take_gradient(gradients, &out)?;
        let to = gradients.get_or_alloc_mut(&x)?;
        for row in 0..rows {
            F::accumulate(&mut to[row * c + range.start..][..n], &g[row * n..][..n]);
        }
        Ok(())
    }))
}

/// x as `N` matrices of equally many columns, in their order: heads of a network.
///
/// # Errors
/// [`Error::Shape`] when the columns cannot be shared equally.
pub fn heads<F: Float, T: Track<F>, const N: usize>(x: &Mat<F, T>) -> Result<[Mat<F, T>; N]> {
    let (_, c) = size(x);
    if N == 0 || c % N.max(1) != 0 {
        return Err(Error::Shape(format!(
            "heads: a multiple of {N} columns expected, got {c}"
        )));
    }
    let all: Result<Vec<_>> = (0..N)
        .map(|i| columns(x, i * c / N..(i + 1) * c / N))
        .collect();
    all?.try_into()
        .map_err(|_| Error::Shape(format!("heads: {N} matrices expected")))
}

/// Checks that rows are whole clips of `steps` frames; returns (clips, columns).
fn clips<F: Float>(what: &str, x: &Mat<F>, steps: usize) -> Result<(usize, usize)> {
    let (rows, c) = size(x);
    match steps {
        1.. if rows % steps == 0 => Ok((rows / steps, c)),
        _ => Err(Error::Shape(format!(
            "{what}: clips of {steps} frames expected, got {rows} rows"
        ))),
    }
}

/// Frame t of every clip: (B*T, c), T = `steps`, to (B, c).
///
/// # Errors
/// [`Error::Shape`] when x is not a number of whole clips, or t is not below T.
pub fn frame<F: Float, T: Track<F>>(x: &Mat<F, T>, t: usize, steps: usize) -> Result<Mat<F, T>> {
    frames(x, t..t + 1, steps)
}

/// Some frames of every clip, in their order: (B*T, c), T = `steps`, to (B*S, c), S the length of `range`.
///
/// # Errors
/// [`Error::Shape`] when x is not a number of whole clips, or for frames that it does not have.
pub fn frames<F: Float, T: Track<F>>(
    x: &Mat<F, T>,
    range: Range<usize>,
    steps: usize,
) -> Result<Mat<F, T>> {
    let (x, tape) = split(x);
    let (count, c) = clips("frames", &x, steps)?;
    if range.start > range.end || range.end > steps {
        return Err(Error::Shape(format!(
            "frames: frames in 0..{steps} expected, got {range:?}"
        )));
    }
    let (skip, run) = (range.start * c, range.len() * c);
    let mut y = Vec::with_capacity(count * run);
    for clip in 0..count {
        y.extend_from_slice(&values(&x)[clip * steps * c + skip..][..run]);
    }
    let y = matrix(y, count * range.len(), c)?;
    let out = y.clone();
    Ok(record(y, tape, move |gradients| {
        let g = take_gradient(gradients, &out)?;
        let to = gradients.get_or_alloc_mut(&x)?;
        for clip in 0..count {
            F::accumulate(
                &mut to[clip * steps * c + skip..][..run],
                &g[clip * run..][..run],
            );
        }
        Ok(())
    }))
}

/// The reverse of [`frame`]: T matrices (B, c), one a frame, to (B*T, c), the frames of one clip after each other.
///
/// # Errors
/// [`Error::Shape`] for none, or matrices of several sizes.
pub fn stack<F: Float, T: Track<F>>(all: &[Mat<F, T>]) -> Result<Mat<F, T>> {
    let sizes: Vec<(usize, usize)> = all.iter().map(size).collect();
    let Some(&(count, c)) = sizes
        .first()
        .filter(|&s| sizes.iter().all(|other| other == s))
    else {
        return Err(Error::Shape(format!(
            "stack: at least one frame, all of one size, expected, got {sizes:?}"
        )));
    };
    let (parts, tape) = split_all(&all.iter().collect::<Vec<_>>());
    let steps = parts.len();
    let mut y = Vec::with_capacity(count * steps * c);
    for clip in 0..count {
        for x in &parts {
            y.extend_from_slice(&values(x)[clip * c..][..c]);
        }
    }
    let y = matrix(y, count * steps, c)?; // (B*T, c)
    let out = y.clone();
    Ok(record(y, tape, move |gradients| {
        let g = take_gradient(gradients, &out)?;
        for (t, x) in parts.iter().enumerate() {
            let to = gradients.get_or_alloc_mut(x)?;
            for clip in 0..count {
                F::accumulate(&mut to[clip * c..][..c], &g[(clip * steps + t) * c..][..c]);
            }
        }
        Ok(())
    }))
}

/// Every row `times` times, one after the other: (B, c) to (B*T, c); what holds for a clip, given to all its frames.
///
/// # Errors
/// Out of memory.
pub fn repeat_rows<F: Float, T: Track<F>>(x: &Mat<F, T>, times: usize) -> Result<Mat<F, T>> {
    stack(&vec![x.clone(); times])
}

/// The mean over the frames of every clip: (B*T, c), T = `steps`, to (B, c).
///
/// # Errors
/// [`Error::Shape`] when x is not a number of whole clips.
pub fn mean_over_frames<F: Float, T: Track<F>>(x: &Mat<F, T>, steps: usize) -> Result<Mat<F, T>> {
    let (x, tape) = split(x);
    let (count, c) = clips("mean_over_frames", &x, steps)?;
    let share = F::of(1.0 / steps as f64);
    let mut y = vec![F::of(0.0); count * c];
    for row in 0..count * steps {
        let to = &mut y[row / steps * c..][..c];
        let from = &values(&x)[row * c..][..c];
        to.iter_mut()
            .zip(from)
            .for_each(|(to, &v)| *to += share * v);
    }
    let y = matrix(y, count, c)?;
    let out = y.clone();
    Ok(record(y, tape, move |gradients| {
        let g = take_gradient(gradients, &out)?;
        let to = gradients.get_or_alloc_mut(&x)?;
        for row in 0..count * steps {
            let from = &g[row / steps * c..][..c];
            let to = &mut to[row * c..][..c];
            to.iter_mut()
                .zip(from)
                .for_each(|(to, &g)| *to += share * g);
        }
        Ok(())
    }))
}

/// The sum of every row: (rows, c) to (rows, 1), added in f64.
///
/// # Errors
/// Out of memory.
pub fn row_sums<F: Float, T: Track<F>>(x: &Mat<F, T>) -> Result<Mat<F, T>> {
    let (x, tape) = split(x);
    let (rows, c) = size(&x);
    let sum = |row: usize| -> f64 { values(&x)[row * c..][..c].iter().map(|v| v.widen()).sum() };
    let y = matrix((0..rows).map(|row| F::of(sum(row))).collect(), rows, 1)?;
    let out = y.clone();
    Ok(record(y, tape, move |gradients| {
        let g = take_gradient(gradients, &out)?;
        let to = gradients.get_or_alloc_mut(&x)?;
        for (to, g) in to.chunks_exact_mut(c.max(1)).zip(&g) {
            to.iter_mut().for_each(|to| *to += *g);
        }
        Ok(())
    }))
}

/// factor * sum of all values, added in f64.
fn total<F: Float, T: Track<F>>(x: &Mat<F, T>, factor: f64) -> Result<Scalar<F, T>> {
    let (x, mut tape) = split(x);
    let sum: f64 = values(&x).iter().map(|v| v.widen()).sum();
    let (out, factor) = (scalar(F::of(sum * factor))?, F::of(factor));
    let result = out.clone();
    tape.add_backward_op(move |gradients| {
        let g = gradients.get_or_alloc_mut(&result)?[0] * factor;
        let to = gradients.get_or_alloc_mut(&x)?;
        to.iter_mut().for_each(|to| *to += g);
        Ok(())
    });
    Ok(out.put_tape(tape))
}

/// The sum of all values, added in f64.
///
/// # Errors
/// Out of memory.
pub fn sum<F: Float, T: Track<F>>(x: &Mat<F, T>) -> Result<Scalar<F, T>> {
    total(x, 1.0)
}

/// The mean of all values; 0 of none.
///
/// # Errors
/// Out of memory.
pub fn mean<F: Float, T: Track<F>>(x: &Mat<F, T>) -> Result<Scalar<F, T>> {
    total(x, 1.0 / (values(x).len().max(1)) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{self, gradients_agree, project, random};
    use crate::ops::{exp, scale};
    use crate::tensor::value;

    fn counting(rows: usize, columns: usize) -> Mat<f64> {
        matrix(
            (0..rows * columns).map(|i| i as f64).collect(),
            rows,
            columns,
        )
        .unwrap()
    }

    #[test]
    fn columns_stand_side_by_side_and_come_apart_again() {
        let (x, y) = (counting(2, 3), scale(&counting(2, 1), 10.0).unwrap());
        let both = concat(&[&x, &y, &x]).unwrap();
        assert_eq!(
            values(&both),
            [
                0.0, 1.0, 2.0, 0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 10.0, 3.0, 4.0, 5.0
            ]
        );
        assert_eq!(values(&columns(&both, 0..3).unwrap()), values(&x));
        assert_eq!(values(&columns(&both, 3..4).unwrap()), values(&y));
        let [a, b] = heads(&counting(2, 4)).unwrap();
        assert_eq!(
            (values(&a), values(&b)),
            (&[0.0, 1.0, 4.0, 5.0][..], &[2.0, 3.0, 6.0, 7.0][..])
        );
    }

    #[test]
    fn frames_of_all_clips_are_taken_and_stacked_back() {
        let x = counting(6, 2); // two clips of three frames
        let all: Vec<Mat<f64>> = (0..3).map(|t| frame(&x, t, 3).unwrap()).collect();
        assert_eq!(values(&all[1]), [2.0, 3.0, 8.0, 9.0]);
        assert_eq!(values(&stack(&all).unwrap()), values(&x));
        assert_eq!(
            values(&frames(&x, 1..3, 3).unwrap())[..4],
            [2.0, 3.0, 4.0, 5.0]
        );
        assert_eq!(
            values(&repeat_rows(&all[0], 2).unwrap()),
            [0.0, 1.0, 0.0, 1.0, 6.0, 7.0, 6.0, 7.0]
        );
        // A third is no binary number.
        let means = mean_over_frames(&x, 3).unwrap();
        crate::check::close("means", values(&means), &[2.0, 3.0, 8.0, 9.0], 1e-15);
    }

    #[test]
    fn sums_are_sums() {
        let x = counting(2, 3);
        assert_eq!(values(&row_sums(&x).unwrap()), [3.0, 12.0]);
        assert_eq!(value(&sum(&x).unwrap()), 15.0);
        assert_eq!(value(&mean(&x).unwrap()), 2.5);
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        let x = random("x", 6, 4);
        gradients_agree("concat", &x, &[], true, &|x, _| {
            concat(&[&x, &exp(&x)?, &x]).map(project)
        });
        gradients_agree("columns", &x, &[], true, &|x, _| {
            columns(&x, 1..3).map(project)
        });
        gradients_agree("heads", &x, &[], true, &|x, _| {
            let [a, b] = heads(&x)?;
            crate::ops::multiply(&a, &b).map(project)
        });
        gradients_agree("stack", &x, &[], true, &|x, _| {
            let all: Result<Vec<_>> = [2, 0, 1, 0].iter().map(|&t| frame(&x, t, 3)).collect();
            stack(&all?).map(project)
        });
        gradients_agree("frames", &x, &[], true, &|x, _| {
            frames(&x, 1..3, 3).map(project)
        });
        gradients_agree("repeat", &x, &[], true, &|x, _| {
            repeat_rows(&x, 3).map(project)
        });
        gradients_agree("mean over frames", &x, &[], true, &|x, _| {
            mean_over_frames(&x, 3).map(project)
        });
        gradients_agree("row sums", &x, &[], true, &|x, _| {
            row_sums(&exp(&x)?).map(project)
        });
        gradients_agree("sum", &x, &[], true, &|x, _| sum(&exp(&x)?));
        gradients_agree("mean", &x, &[], true, &|x, _| mean(&exp(&x)?));
    }

    #[test]
    fn wrong_sizes_are_told() {
        let (x, y) = (counting(6, 2), counting(3, 2));
        check::refuses(concat(&[&x, &y]), &["concat", "(6, 2)", "(3, 2)"]);
        check::refuses(
            concat::<f64, dfdx::prelude::NoneTape>(&[]),
            &["concat", "at least one"],
        );
        check::refuses(columns(&x, 1..3), &["columns", "0..2", "1..3"]);
        check::refuses(heads::<_, _, 3>(&x), &["heads", "multiple of 3", "got 2"]);
        check::refuses(frame(&x, 3, 3), &["frames in 0..3", "3..4"]);
        check::refuses(frame(&x, 0, 4), &["clips of 4 frames", "got 6 rows"]);
        check::refuses(frame(&x, 0, 0), &["clips of 0 frames"]);
        check::refuses(stack(&[x.clone(), y]), &["stack", "(6, 2)", "(3, 2)"]);
        check::refuses(mean_over_frames(&x, 5), &["mean_over_frames", "5"]);
    }
}
