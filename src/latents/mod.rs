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

pub mod decoder;
mod files;

use crate::array::Array;
use std::collections::BTreeMap;

pub use decoder::Decoder;
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
