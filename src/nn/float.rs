//! The number types of the networks: f32 to learn, f64 to check gradients.

use super::kernels::elementwise as kernels;
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
    /// tanh of every value, in place; in f32 with an absolute error below 3e-7.
    fn tanh_all(values: &mut [Self]);
    /// Turns values x into p = softmax(x) in place, and gives the means sum_i p_i g_i of two grids g.
    fn softmax_means(values: &mut [Self], grids: [&[Self]; 2]) -> [Self; 2];
    /// `to += from`.
    fn accumulate(to: &mut [Self], from: &[Self]);
    /// The values as f32, where they are: for kernels that exist in f32 only.
    fn as_f32(_values: &[Self]) -> Option<&[f32]> {
        None
    }
    /// The same for values to be written.
    fn as_f32_mut(_values: &mut [Self]) -> Option<&mut [f32]> {
        None
    }
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
    fn tanh_all(values: &mut [Self]) {
        kernels::tanh(values);
    }
    fn softmax_means(values: &mut [Self], grids: [&[Self]; 2]) -> [Self; 2] {
        kernels::softmax_means(values, grids)
    }
    fn accumulate(to: &mut [Self], from: &[Self]) {
        kernels::accumulate(to, from);
    }
    fn as_f32(values: &[Self]) -> Option<&[f32]> {
        Some(values)
    }
    fn as_f32_mut(values: &mut [Self]) -> Option<&mut [f32]> {
        Some(values)
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
    fn tanh_all(values: &mut [Self]) {
        values.iter_mut().for_each(|v| *v = v.tanh());
    }
    fn softmax_means(values: &mut [Self], grids: [&[Self]; 2]) -> [Self; 2] {
        let top = values.iter().copied().fold(Self::NEG_INFINITY, Self::max);
        values.iter_mut().for_each(|p| *p = (*p - top).exp());
        let total: Self = values.iter().sum();
        values.iter_mut().for_each(|p| *p /= total);
        grids.map(|grid| values.iter().zip(grid).map(|(p, g)| p * g).sum())
    }
    fn accumulate(to: &mut [Self], from: &[Self]) {
        to.iter_mut().zip(from).for_each(|(t, &v)| *t += v);
    }
}
