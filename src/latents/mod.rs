//! What models believe, as named arrays with named axes, in memory and in files: what learning writes and analysis
//! reads.
//!
//! One folder per split under `<model>/seed-<s>/latents/`, one `.npy` (f64) per array; `latents.json` beside them
//! (format 2) holds axes, shape, size and SHA-256 of each. Sizes: N clips, T frames, n latent dimensions, p code
//! dimensions. State t is the state drawn in frame t. Which arrays there are depends on the latents that the model
//! declares ([`Latent`], listed in `encode.json`):
//!
//! | name | axes | what |
//! |---|---|---|
//! | `encoder` | clip, frame, size | belief about the first latent that one frame alone tells of (a code): its mean |
//! | `filtered` | clip, frame, size | mean of the first latent given frames up to t |
//! | `smoothed` | clip, frame, size | given all frames |
//! | `predicted` | clip, frame, size | given the first `context` frames only: filtered before, open loop after |
//! | `predicted_zeroed`, `predicted_shuffled` | clip, frame, size | the same with no actions, and with those of the next clip |
//! | `<latent>_filtered`, .. | as the latent says | the same of the model's other latents (`modes_filtered`, `h_filtered`); without the frame axis where there is one a clip |
//! | `.._var`, `.._cov` | .., size / .., size, with | variance, or covariance, of the array of that name |
//! | `.._kl` | clip, frame | divergence from the prior, nats |
//! | `innovations` | clip, frame, size | standardised: what the code of frame t says that frames before it did not (where there is a law) |
//! | `surprise`, `bound_<term>` | clip, frame | minus what frame t adds to the bound, above what its own pixels cost at best, nats; what it adds to each of its terms |
//! | `mask_<k>` | clip, frame | 1 where a frame is seen in the k-th test of missing frames: first the drop rates, then the blocks |
//! | `imputed_<k>`, `imputed_filtered_<k>` | clip, frame, size | smoothed and filtered first latent given the seen frames only |
//! | `wrong_pixels_<k>`, `wrong_pixels_filtered_<k>` | clip, frame | fraction of pixels of the decoded imputation on the wrong side of 0.5 |
//! | `wrong_pixels_line_<k>` | clip, frame | the same with the body drawn on a line between its true places in the nearest seen frames |
//! | `wrong_pixels_seen` | clip, frame | the same of the frame decoded from what is believed when nothing is missing |
//! | `film_reconstructed`, `film_predicted` | shown, frame, pixel | decoded frames of the first clips, 0..=255 |

mod beliefs;
mod files;
mod latent;
mod rollouts;

pub use beliefs::{Axis, Beliefs, Named};
pub(crate) use files::INDEX;
pub use files::{JsonFile, LawInputs};
pub use latent::{Given, Kind, Latent, Per, stored_name};
pub use nn::plain::Decoder;
pub use rollouts::{I3D_CLIPS, ROLLOUT, RolloutInfo, Rollouts, TRACKED};

/// Prediction as if nothing had acted.
pub const ZEROED: &str = "predicted_zeroed";
/// Prediction with the actions of another clip.
pub const SHUFFLED: &str = "predicted_shuffled";

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
    /// What the model's beliefs are about; empty where an older program wrote it.
    #[serde(default)]
    pub latents: Vec<Latent>,
}
