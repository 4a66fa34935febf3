//! Diagonal Gaussians: the reparameterised draw with its log density, and the divergence from the standard normal.

use crate::error::{Error, Result};
use crate::nn::tensor::{matrix, record, scalar, size, take_gradient, values};
use crate::nn::{Float, Mat, Scalar};
use dfdx::prelude::{Cpu, PutTape, SplitTape, Tape};

const LOG_2_PI: f64 = 1.837_877_066_409_345_5;

fn dimensions<F: Float>(head: &Mat<F>, what: &str) -> Result<(usize, usize)> {
    let (rows, columns) = size(head);
    if columns % 2 != 0 {
        return Err(Error::Shape(format!(
            "{what}: means and log variances side by side expected, got {columns} columns"
        )));
    }
    Ok((rows, columns / 2))
}

/// Draws a = mean + exp(log_var / 2) * noise and gives log q(a), nats, summed over rows: head (rows, 2p) holds means, then
/// log variances; noise (rows * p) is standard normal. Returns a (rows, p) with the tape, and the scalar with an empty one.
///
/// # Errors
/// [`Error::Shape`] when head or noise do not fit.
pub fn sample<F: Float, T: Tape<F, Cpu>>(
    head: Mat<F, T>,
    noise: &[F],
) -> Result<(Mat<F, T>, Scalar<F, T>)> {
    let (head, tape) = head.split_tape();
    let (rows, p) = dimensions(&head, "sample")?;
    if noise.len() != rows * p {
        return Err(Error::Shape(format!(
            "sample: {rows} x {p} noise values expected, got {}",
            noise.len()
        )));
    }
    let half = F::of(0.5);
    let mut draw = Vec::with_capacity(rows * p);
    let mut spread = Vec::with_capacity(rows * p); // exp(log_var / 2) * noise
    let mut log_q = 0.0;
    for (row, e) in values(&head).chunks_exact(2 * p).zip(noise.chunks_exact(p)) {
        for j in 0..p {
            let s = (row[p + j] * half).exp() * e[j];
            draw.push(row[j] + s);
            spread.push(s);
            log_q -= 0.5 * (e[j].widen().powi(2) + row[p + j].widen() + LOG_2_PI);
        }
    }
    let draw = matrix(draw, rows, p)?; // (rows, p)
    let log_q = scalar(F::of(log_q))?;
    let (a, q) = (draw.clone(), log_q.clone());
    let draw = record(draw, tape, move |gradients| {
        let ga = take_gradient(gradients, &a)?;
        let gq = gradients.get_or_alloc_mut(&q)?[0];
        let gh = gradients.get_or_alloc_mut(&head)?;
        for (to, (g, s)) in gh
            .chunks_exact_mut(2 * p)
            .zip(ga.chunks_exact(p).zip(spread.chunks_exact(p)))
        {
            for j in 0..p {
                to[j] += g[j];
                to[p + j] += half * (g[j] * s[j] - gq);
            }
        }
        Ok(())
    });
    Ok((draw, log_q.put_tape(T::default())))
}

/// KL(N(mean, exp log_var) || N(0, I)), nats, summed over rows: sum of (exp log_var + mean^2 - 1 - log_var) / 2.
///
/// # Errors
/// [`Error::Shape`] when head has an odd number of columns.
pub fn standard_normal_kl<F: Float, T: Tape<F, Cpu>>(head: Mat<F, T>) -> Result<Scalar<F, T>> {
    let (head, mut tape) = head.split_tape();
    let (_, p) = dimensions(&head, "standard_normal_kl")?;
    let mut total = 0.0;
    for row in values(&head).chunks_exact(2 * p) {
        for j in 0..p {
            let (mean, log_var) = (row[j].widen(), row[p + j].widen());
            total += 0.5 * (log_var.exp() + mean * mean - 1.0 - log_var);
        }
    }
    let out = scalar(F::of(total))?;
    let result = out.clone();
    tape.add_backward_op(move |gradients| {
        let g = gradients.get_or_alloc_mut(&result)?[0];
        let gh = gradients.get_or_alloc_mut(&head)?;
        for (to, row) in gh
            .chunks_exact_mut(2 * p)
            .zip(values(&head).chunks_exact(2 * p))
        {
            for j in 0..p {
                to[j] += g * row[j];
                to[p + j] += g * F::of(0.5) * (row[p + j].exp() - F::of(1.0));
            }
        }
        Ok(())
    });
    Ok(out.put_tape(tape))
}
