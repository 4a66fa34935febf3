//! A weighted sum of scalars: how an objective is put together from its terms.

use crate::tensor::{scalar, value};
use crate::{Float, Result, Scalar};
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Grad;
    use crate::tensor::backward;

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
        let mut gradients = backward(sum).unwrap();
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
        let mut gradients = backward(all).unwrap();
        let got = [0, 1].map(|i| gradients.get_or_alloc_mut(&x[i]).unwrap()[0]);
        assert_eq!(got, [2.25, 1.0]);
    }
}
