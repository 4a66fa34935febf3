//! A weighted sum of scalars: how an objective is put together from its terms.

use crate::error::Result;
use crate::nn::tensor::{scalar, value};
use crate::nn::{Float, Scalar};
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
