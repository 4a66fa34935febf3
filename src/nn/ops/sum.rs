//! Sums: a weighted one of scalars, how an objective is put together from its terms, and one of matrices.

use crate::tensor::{matrix, record, scalar, size, take_gradient, value, values};
use crate::{Error, Result};
use crate::{Float, Mat, Scalar};
use dfdx::prelude::{Cpu, Merge, PutTape, SplitTape, Tape};

/// sum_i w_i x_i; merges the tapes of all terms.
///
/// # Errors
/// Out of memory.
pub fn weighted_sum<F: Float, T: Tape<F, Cpu> + Merge<T>>(
    terms: Vec<(Scalar<F, T>, f64)>,
) -> Result<Scalar<F, T>> {
    let total: f64 = terms.iter().map(|(x, w)| w * value(x)).sum();
    let out = scalar(F::of(total))?;
    let result = out.clone();
    let mut tape = T::default();
    let mut parts = Vec::with_capacity(terms.len());
    for (x, w) in terms {
        let (x, branch) = x.split_tape();
        tape = tape.merge(branch);
        parts.push((x, F::of(w)));
    }
    tape.add_backward_op(move |gradients| {
        let g = gradients.get_or_alloc_mut(&result)?[0];
        for (x, w) in &parts {
            gradients.get_or_alloc_mut(x)?[0] += g * *w;
        }
        Ok(())
    });
    Ok(out.put_tape(tape))
}

/// x + y, (rows, c) each; merges their tapes.
///
/// # Errors
/// [`Error::Shape`] when the sizes differ.
pub fn add<F: Float, T: Tape<F, Cpu> + Merge<T>>(x: Mat<F, T>, y: Mat<F, T>) -> Result<Mat<F, T>> {
    let (x, tape) = x.split_tape();
    let (y, other) = y.split_tape();
    if size(&x) != size(&y) {
        return Err(Error::Shape(format!(
            "add: two matrices of one size expected, got {:?} and {:?}",
            size(&x),
            size(&y)
        )));
    }
    let mut sum = values(&x).to_vec();
    F::accumulate(&mut sum, values(&y));
    let sum = matrix(sum, size(&x).0, size(&x).1)?;
    let out = sum.clone();
    Ok(record(sum, tape.merge(other), move |gradients| {
        let g = take_gradient(gradients, &out)?;
        F::accumulate(gradients.get_or_alloc_mut(&x)?, &g);
        F::accumulate(gradients.get_or_alloc_mut(&y)?, &g);
        Ok(())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Grad;
    use crate::check::{self, gradients_agree, random};
    use dfdx::prelude::Backward;

    #[test]
    fn a_matrix_may_be_added_to_itself_and_its_gradient_counts_twice() {
        let x = random("x", 3, 2);
        gradients_agree("add", &x, &[], true, &|x, _| {
            add(x.retaped(), x).map(check::project)
        });
        check::refuses(
            add(random("x", 3, 2), random("y", 2, 3)),
            &["add", "(3, 2)"],
        );
    }

    #[test]
    fn value_and_gradients_are_those_of_a_weighted_sum_and_a_term_may_stand_twice() {
        let x: Vec<Scalar<f64>> = [1.5, -2.0, 0.25].map(|v| scalar(v).unwrap()).into();
        let tape = |i: usize| x[i].retaped::<Grad<f64>>();
        let sum = weighted_sum(vec![
            (tape(0), 2.0),
            (tape(1), -1.0),
            (tape(2), 0.0),
            (tape(0), 0.5),
        ])
        .unwrap();
        // All powers of two: exact.
        assert_eq!(value(&sum), 1.5 * 2.5 + 2.0);
        let mut gradients = sum.try_backward().unwrap();
        let got = [0, 1, 2].map(|i| gradients.get_or_alloc_mut(&x[i]).unwrap()[0]);
        assert_eq!(got, [2.5, -1.0, 0.0]);
    }

    /// The tape of every term counts, not that of the first alone.
    #[test]
    fn gradients_flow_through_sums_of_sums() {
        let x: Vec<Scalar<f64>> = [1.5, -2.0].map(|v| scalar(v).unwrap()).into();
        let tape = |i: usize| x[i].retaped::<Grad<f64>>();
        let left = weighted_sum(vec![(tape(0), 2.0)]).unwrap();
        let right = weighted_sum(vec![(tape(0), 1.0), (tape(1), 4.0)]).unwrap();
        let all = weighted_sum(vec![(left, 1.0), (right, 0.25)]).unwrap();
        let mut gradients = all.try_backward().unwrap();
        let got = [0, 1].map(|i| gradients.get_or_alloc_mut(&x[i]).unwrap()[0]);
        assert_eq!(got, [2.25, 1.0]);
    }
}
