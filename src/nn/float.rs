//! The number types of the networks: f32 to learn, f64 to check gradients.

use super::kernels;
use dfdx::dtypes::{Dtype, NotMixedPrecision};

/// f32 or f64, as storage of dfdx tensors and of our kernels.
pub trait Float:
    Dtype + NotMixedPrecision + num_traits::Float + num_traits::NumAssign + std::iter::Sum + 'static
{
    /// Rounds from f64.
    fn of(value: f64) -> Self;
    /// Widens to f64.
    fn widen(self) -> f64;
    /// log p(x | logits) of one frame of Bernoulli pixels, nats, and its gradient x - sigmoid(logit) written to `residual`.
    fn bernoulli(logits: &[Self], pixels: &[Self], residual: &mut [Self]) -> f64;
    /// Sigmoid of every value, in place.
    fn sigmoid(values: &mut [Self]);
    /// `to += from`.
    fn accumulate(to: &mut [Self], from: &[Self]);
}

impl Float for f32 {
    fn of(value: f64) -> Self {
        value as f32
    }
    fn widen(self) -> f64 {
        f64::from(self)
    }
    fn bernoulli(logits: &[Self], pixels: &[Self], residual: &mut [Self]) -> f64 {
        kernels::bernoulli(logits, pixels, residual)
    }
    fn sigmoid(values: &mut [Self]) {
        kernels::sigmoid(values);
    }
    fn accumulate(to: &mut [Self], from: &[Self]) {
        kernels::accumulate(to, from);
    }
}

impl Float for f64 {
    fn of(value: f64) -> Self {
        value
    }
    fn widen(self) -> f64 {
        self
    }
    fn bernoulli(logits: &[Self], pixels: &[Self], residual: &mut [Self]) -> f64 {
        let mut total = 0.0;
        for ((&l, &x), r) in logits.iter().zip(pixels).zip(residual) {
            total += x * l - l.max(0.0) - (-l.abs()).exp().ln_1p();
            *r = x - 1.0 / (1.0 + (-l).exp());
        }
        total
    }
    fn sigmoid(values: &mut [Self]) {
        for v in values {
            *v = 1.0 / (1.0 + (-*v).exp());
        }
    }
    fn accumulate(to: &mut [Self], from: &[Self]) {
        to.iter_mut().zip(from).for_each(|(t, &v)| *t += v);
    }
}
