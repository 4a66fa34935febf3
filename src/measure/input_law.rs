//! The affine law of true states under actions, s_{t+1} = A s_t + B u_t + b, by least squares.

use super::arrays::{at, sizes};
use crate::array::Array;
use nalgebra::{Cholesky, DMatrix, DVector};

/// A (D, D), B (D, k) and b (D).
#[derive(Clone, Debug, PartialEq)]
pub struct InputLaw {
    /// A.
    pub state: DMatrix<f64>,
    /// B.
    pub input: DMatrix<f64>,
    /// b.
    pub offset: DVector<f64>,
}

impl InputLaw {
    /// The law of some state columns over all sequences (N, T, D) with actions (N, T, k), of the intervals (t-1, t] that
    /// `free` says nothing else acted in and whose states are known. None where they do not tell.
    pub fn fit(
        states: &Array,
        actions: &Array,
        columns: &[usize],
        free: impl Fn(usize, usize) -> bool,
    ) -> Option<Self> {
        let ([count, frames, _], [n, t, k]) = (sizes(states), sizes(actions));
        if k == 0 || (n, t) != (count, frames) {
            return None;
        }
        let d = columns.len();
        let size = d + k + 1;
        let (mut square, mut cross) = (DMatrix::zeros(size, size), DMatrix::zeros(size, d));
        for i in 0..count {
            for t in 1..frames {
                let (before, now) = (at(states, i, t - 1), at(states, i, t));
                let known = columns.iter().all(|&j| (before[j] + now[j]).is_finite());
                if !known || !free(i, t) {
                    continue;
                }
                let given = columns.iter().map(|&j| before[j]);
                let given = given.chain(at(actions, i, t - 1).iter().copied());
                let x = DVector::from_iterator(size, given.chain([1.0]));
                let y = DMatrix::from_iterator(1, d, columns.iter().map(|&j| now[j]));
                square += &x * x.transpose();
                cross += &x * y;
            }
        }
        // Scaled to a unit diagonal: columns have units of their own.
        let scale = square.diagonal().map(|v: f64| 1.0 / v.sqrt());
        if scale.iter().any(|s| !s.is_finite()) {
            return None;
        }
        let scale = DMatrix::from_diagonal(&scale);
        let factor = Cholesky::new(&scale * square * &scale)?;
        let weights = (&scale * factor.solve(&(&scale * cross))).transpose(); // (D, D + k + 1)
        Some(Self {
            state: weights.columns(0, d).into_owned(),
            input: weights.columns(d, k).into_owned(),
            offset: weights.column(size - 1).into_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::arrays::build;
    use super::*;

    #[test]
    fn a_law_comes_back_from_the_intervals_that_follow_it() {
        let law = InputLaw {
            state: DMatrix::from_row_slice(2, 2, &[1.0, 0.2, 0.0, 0.9]),
            input: DMatrix::from_row_slice(2, 1, &[0.02, 0.2]),
            offset: DVector::from_row_slice(&[0.0, -0.3]),
        };
        let actions = build([5, 12, 1], |i, t, row| {
            row[0] = ((3 * i + 7 * t) % 5) as f64
        });
        let mut now = DVector::zeros(2);
        let states = build([5, 12, 2], |i, t, row| {
            now = match t {
                0 => DVector::from_row_slice(&[i as f64, 1.0 - i as f64]),
                _ => &law.state * &now + &law.input * at(&actions, i, t - 1)[0] + &law.offset,
            };
            if (i, t) == (2, 6) {
                now[1] += 4.0; // a kick
            }
            row.copy_from_slice(now.as_slice());
        });
        let fit = |free: &dyn Fn(usize, usize) -> bool| {
            InputLaw::fit(&states, &actions, &[0, 1], free).unwrap()
        };
        let found = fit(&|i, t| (i, t) != (2, 6));
        let off = |a: &DMatrix<f64>, b: &DMatrix<f64>| (a - b).amax();
        assert!(off(&found.state, &law.state) < 1e-9 && off(&found.input, &law.input) < 1e-9);
        assert!((found.offset - &law.offset).amax() < 1e-9);
        assert!(off(&fit(&|_, _| true).input, &law.input) > 1e-3);
        let still = build([5, 12, 1], |_, _, row| row[0] = 0.0);
        assert!(InputLaw::fit(&states, &still, &[0, 1], |_, _| true).is_none());
    }
}
