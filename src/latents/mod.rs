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
//! | `innovations` | (N, T, p) | standardised: what the code of frame t says that frames before it did not (where there is a law) |
//! | `modes_filtered`, `modes_smoothed` | (N, T, K) | weights of the law's modes in the transition into frame t, as filter and smoother have them; zeros at t = 0 |
//! | `predicted` | (N, T, n) | z_t given the first `context` frames only: filtered before, open loop after |
//! | `mask_<k>` | (N, T) | 1 where a frame is seen in the k-th test of missing frames: first the drop rates, then the blocks |
//! | `imputed_<k>`, `imputed_filtered_<k>` | (N, T, n) | smoothed and filtered z_t given the seen frames only |
//! | `wrong_pixels_<k>`, `wrong_pixels_filtered_<k>` | (N, T) | fraction of pixels of the decoded imputation on the wrong side of 0.5 |
//! | `wrong_pixels_line_<k>` | (N, T) | the same with the body drawn on a line between its true places in the nearest seen frames |
//! | `wrong_pixels_seen` | (N, T) | the same of the decoded code of frame t itself: nothing missing |
//!
//! `latents.json` beside them holds name, shape, size and SHA-256 of each.

mod files;

use crate::array::Array;
use std::collections::BTreeMap;

pub(crate) use files::INDEX;
pub use files::JsonFile;
pub use nn::plain::Decoder;

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
    /// Lengths of the blocks of missing frames right after the first ones; their tests follow those of the drop rates.
    #[serde(default)]
    pub blocks: Vec<usize>,
    /// Frames always seen at the start of an imputation sequence.
    pub always_seen: usize,
}
