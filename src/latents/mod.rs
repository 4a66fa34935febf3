//! Latent states as named arrays in files: what learning writes and analysis reads.
//!
//! One folder per split under `<model>/seed-<s>/latents/`, one `.npy` (f64) per array. Sizes: N sequences, T frames, p code
//! dimensions, n latent dimensions. State t is the state drawn in frame t. Which arrays there are depends on the model:
//!
//! | name | shape | what |
//! |---|---|---|
//! | `encoder` | (N, T, p) | mean of q(a_t given x_t) |
//! | `encoder_var` | (N, T, p) | its variance |
//! | `filtered`, `filtered_cov` | (N, T, n), (N, T, n, n) | z_t given frames up to t (dynamical models only) |
//! | `smoothed`, `smoothed_cov` | (N, T, n), (N, T, n, n) | z_t given all frames |
//! | `predicted` | (N, T, n) | z_t given the first `context` frames only: filtered before, open loop after |
//! | `imputed_<k>`, `mask_<k>` | (N, T, n), (N, T) | smoothed z_t given the frames whose mask is 1, for the k-th drop rate |
//! | `wrong_pixels_<k>` | (N, T) | fraction of pixels of the decoded imputation on the wrong side of 0.5 |
//!
//! `latents.json` beside them holds name, shape, size and SHA-256 of each.

mod files;

use crate::array::Array;
use std::collections::BTreeMap;

pub(crate) use files::INDEX;

/// The latent arrays of one split.
#[derive(Clone, Debug, Default)]
pub struct Latents {
    /// Arrays by name, see the table above.
    pub arrays: BTreeMap<String, Array>,
}

impl Latents {
    /// The array of this name, where the model has it.
    pub fn get(&self, name: &str) -> Option<&Array> {
        self.arrays.get(name)
    }
}

/// What the encode stage did, needed to read the arrays: saved as `encode.json`.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct EncodeConfig {
    /// Frames seen before open-loop prediction starts.
    pub context: usize,
    /// Drop rates of the imputation test, in the order of `imputed_<k>`.
    pub drop_rates: Vec<f64>,
    /// Frames always seen at the start of an imputation sequence.
    pub always_seen: usize,
}

/// A time-invariant linear-Gaussian law, row-major (n latent, p code dimensions); see `lgssm` for the convention.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LinearGaussian {
    /// Latent dimensions n.
    pub latent: usize,
    /// Code dimensions p.
    pub code: usize,
    /// A, (n, n).
    pub transition_matrix: Vec<f64>,
    /// b, (n).
    pub transition_offset: Vec<f64>,
    /// Q, (n, n).
    pub transition_cov: Vec<f64>,
    /// C, (p, n).
    pub emission_matrix: Vec<f64>,
    /// d, (p).
    pub emission_offset: Vec<f64>,
    /// R, (p, p).
    pub emission_cov: Vec<f64>,
    /// mu_0, (n).
    pub initial_mean: Vec<f64>,
    /// Sigma_0, (n, n).
    pub initial_cov: Vec<f64>,
}

impl LinearGaussian {
    /// C z + d of every state: (rows, n) to (rows, p).
    pub fn emit(&self, states: &[f64]) -> Vec<f64> {
        let (n, p) = (self.latent, self.code);
        let row = |i: usize| &self.emission_matrix[i * n..(i + 1) * n];
        states
            .chunks_exact(n)
            .flat_map(|z| {
                (0..p).map(move |i| {
                    let dot: f64 = row(i).iter().zip(z).map(|(c, z)| c * z).sum();
                    dot + self.emission_offset[i]
                })
            })
            .collect()
    }
}

impl From<&LinearGaussian> for crate::lgssm::Lgssm {
    fn from(law: &LinearGaussian) -> Self {
        Self {
            latent: law.latent,
            code: law.code,
            transition_matrix: law.transition_matrix.clone(),
            transition_offset: law.transition_offset.clone(),
            transition_cov: law.transition_cov.clone(),
            emission_matrix: law.emission_matrix.clone(),
            emission_offset: law.emission_offset.clone(),
            emission_cov: law.emission_cov.clone(),
            initial_mean: law.initial_mean.clone(),
            initial_cov: law.initial_cov.clone(),
        }
    }
}
