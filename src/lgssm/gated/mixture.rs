//! A soft choice between affine modes.

use super::Gate;
use crate::{Error, Result};

/// K affine modes, blended by weights that a linear function of the mean m gives:
///
/// ```text
/// alpha = softmax(W m + c),    A = sum_k alpha_k A_k,    b = sum_k alpha_k b_k
/// ```
///
/// Softmax of a linear function cuts the state space into convex cells, one a mode. Parameters in order: A_k (K, n, n), b_k (K, n),
/// W (K, n), c (K).
#[derive(Clone, Debug, PartialEq)]
pub struct Mixture {
    latent: usize,
    matrices: Vec<f64>,
    offsets: Vec<f64>,
    weights: Vec<f64>,
    biases: Vec<f64>,
}

impl Mixture {
    /// Modes A_k (K, n, n), b_k (K, n) and their weights W (K, n), c (K).
    ///
    /// # Errors
    /// [`Error::Shape`] names the array whose size does not fit K = the number of biases, at least one.
    pub fn new(
        latent: usize,
        matrices: Vec<f64>,
        offsets: Vec<f64>,
        weights: Vec<f64>,
        biases: Vec<f64>,
    ) -> Result<Self> {
        let modes = biases.len();
        for (name, got, want) in [
            ("biases", modes, modes.max(1)),
            ("matrices", matrices.len(), modes * latent * latent),
            ("offsets", offsets.len(), modes * latent),
            ("weights", weights.len(), modes * latent),
        ] {
            if got != want {
                return Err(Error::Shape(format!(
                    "mixture: {name} of {want} values expected for {modes} modes of {latent} latent dimensions, got {got}"
                )));
            }
        }
        Ok(Self {
            latent,
            matrices,
            offsets,
            weights,
            biases,
        })
    }

    /// alpha (K) at a mean (n).
    pub fn weights(&self, mean: &[f64]) -> Vec<f64> {
        let mut alpha: Vec<f64> = self
            .weights
            .chunks_exact(self.latent)
            .zip(&self.biases)
            .map(|(w, c)| c + w.iter().zip(mean).map(|(w, m)| w * m).sum::<f64>())
            .collect();
        let top = alpha.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        alpha.iter_mut().for_each(|a| *a = (*a - top).exp());
        let total: f64 = alpha.iter().sum();
        alpha.iter_mut().for_each(|a| *a /= total);
        alpha
    }
}

impl Gate for Mixture {
    fn latent(&self) -> usize {
        self.latent
    }

    fn parameters(&self) -> Vec<f64> {
        [
            &self.matrices[..],
            &self.offsets,
            &self.weights,
            &self.biases,
        ]
        .concat()
    }

    fn transition(&self, mean: &[f64], matrix: &mut [f64], offset: &mut [f64]) {
        matrix.fill(0.0);
        offset.fill(0.0);
        let n = self.latent;
        for (k, alpha) in self.weights(mean).into_iter().enumerate() {
            add(matrix, alpha, &self.matrices[k * n * n..][..n * n]);
            add(offset, alpha, &self.offsets[k * n..][..n]);
        }
    }

    fn backward(
        &self,
        mean: &[f64],
        matrix_gradient: &[f64],
        offset_gradient: &[f64],
        mean_gradient: &mut [f64],
        parameter_gradient: &mut [f64],
    ) {
        let n = self.latent;
        let (in_matrices, rest) = parameter_gradient.split_at_mut(self.matrices.len());
        let (in_offsets, rest) = rest.split_at_mut(self.offsets.len());
        let (in_weights, in_biases) = rest.split_at_mut(self.weights.len());
        let alpha = self.weights(mean);
        let worth: Vec<f64> = (0..alpha.len())
            .map(|k| {
                dot(&self.matrices[k * n * n..][..n * n], matrix_gradient)
                    + dot(&self.offsets[k * n..][..n], offset_gradient)
            })
            .collect();
        let average = dot(&alpha, &worth);
        for (k, (&alpha, worth)) in alpha.iter().zip(worth).enumerate() {
            add(
                &mut in_matrices[k * n * n..][..n * n],
                alpha,
                matrix_gradient,
            );
            add(&mut in_offsets[k * n..][..n], alpha, offset_gradient);
            let in_logit = alpha * (worth - average);
            add(&mut in_weights[k * n..][..n], in_logit, mean);
            in_biases[k] += in_logit;
            add(mean_gradient, in_logit, &self.weights[k * n..][..n]);
        }
    }
}

fn add(to: &mut [f64], scale: f64, from: &[f64]) {
    to.iter_mut().zip(from).for_each(|(to, x)| *to += scale * x);
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
