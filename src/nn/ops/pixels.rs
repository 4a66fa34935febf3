//! Pixel likelihoods: Bernoulli with logits, and Gaussian with one learned standard deviation.

use crate::error::{Error, Result};
use crate::nn::tensor::{scalar, size, values};
use crate::nn::{Float, Mat, Param, Scalar};
use dfdx::prelude::{Cpu, PutTape, SplitTape, Tape};

fn same_size<F: Float>(what: &str, outputs: &Mat<F>, pixels: &Mat<F>) -> Result<usize> {
    if size(outputs) != size(pixels) {
        return Err(Error::Shape(format!(
            "{what}: decoder output {:?} and frames {:?} differ in size",
            size(outputs),
            size(pixels)
        )));
    }
    Ok(size(pixels).1.max(1))
}

/// log p(x | logits) = sum x l - softplus(l), nats, over all frames: logits and pixels (rows, C*H*W), pixels in [0, 1].
/// For grey pixels this is the usual Bernoulli cross-entropy, not a normalised density.
///
/// # Errors
/// [`Error::Shape`] when the sizes differ.
pub fn bernoulli<F: Float, T: Tape<F, Cpu>>(
    logits: Mat<F, T>,
    pixels: &Mat<F>,
) -> Result<Scalar<F, T>> {
    let (logits, mut tape) = logits.split_tape();
    let columns = same_size("bernoulli", &logits, pixels)?;
    let mut residual = vec![F::of(0.0); values(&logits).len()];
    let rows = values(&logits)
        .chunks_exact(columns)
        .zip(values(pixels).chunks_exact(columns));
    let total: f64 = rows
        .zip(residual.chunks_exact_mut(columns))
        .map(|((l, x), r)| F::bernoulli(l, x, r))
        .sum();
    let out = scalar(F::of(total))?;
    let result = out.clone();
    tape.add_backward_op(move |gradients| {
        let g = gradients.get_or_alloc_mut(&result)?[0];
        gradients
            .get_or_alloc_mut(&logits)?
            .iter_mut()
            .zip(&residual)
            .for_each(|(to, &r)| *to += g * r);
        Ok(())
    });
    Ok(out.put_tape(tape))
}

/// log N(x; mean, s^2) with s = exp(log_std), nats, over all frames and pixels: mean and pixels (rows, C*H*W), log_std (1).
///
/// # Errors
/// [`Error::Shape`] when the sizes differ.
pub fn gaussian<F: Float, T: Tape<F, Cpu>>(
    mean: Mat<F, T>,
    pixels: &Mat<F>,
    log_std: &Param<F>,
) -> Result<Scalar<F, T>> {
    const LOG_2_PI: f64 = 1.837_877_066_409_345_5;
    let (mean, mut tape) = mean.split_tape();
    same_size("gaussian", &mean, pixels)?;
    let ls = log_std.values()[0].widen();
    let precision = (-2.0 * ls).exp();
    let count = values(&mean).len() as f64;
    let squares: f64 = values(&mean)
        .iter()
        .zip(values(pixels))
        .map(|(&m, &x)| (x - m).widen().powi(2))
        .sum();
    let out = scalar(F::of(
        -0.5 * precision * squares - count * (ls + 0.5 * LOG_2_PI),
    ))?;
    let (result, pixels, log_std) = (out.clone(), pixels.clone(), log_std.clone());
    tape.add_backward_op(move |gradients| {
        let g = gradients.get_or_alloc_mut(&result)?[0];
        let scale = g * F::of(precision);
        let to = gradients.get_or_alloc_mut(&mean)?;
        let pairs = values(&mean).iter().zip(values(&pixels));
        to.iter_mut()
            .zip(pairs)
            .for_each(|(to, (&m, &x))| *to += scale * (x - m));
        gradients.get_or_alloc_mut(&log_std.tensor)?[0] += g * F::of(precision * squares - count);
        Ok(())
    });
    Ok(out.put_tape(tape))
}
