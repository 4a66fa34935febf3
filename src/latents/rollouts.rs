//! Sampled futures on disk: what was found in decoded samples, beside the true futures. Written by the rollout stage,
//! read by analyses.
//!
//! One folder a split under `<model>/seed-<s>/rollouts/`: `rollout.json` and arrays. Sizes: N contexts, S samples, H
//! frames ahead, K bodies, C channels, M true futures, R of them drawn and tracked as well. Places are px of the
//! picture from its corner, x right and y down; NaN is lost. Row h - 1 is h frames after the last seen one.
//!
//! | file | type and shape | what |
//! |---|---|---|
//! | `tracks.npy` | f32 (N, S, H, K, 6 + C) | found in samples: x, y, scale, area, explained, template, colours |
//! | `seen.npy` | f32 (N, seen, 2 K) | true places in the seen frames |
//! | `truth.npy` | f32 (N, M, H, 2 K) | true places of the true futures; NaN where what is painted later covers the centre |
//! | `path.npy` | f32 (N, H, 2 K) | true places of true future 0, whatever covers them |
//! | `coloured.npy` | f32 (N, S, H, 6) | what is coloured in samples, where frames have colours: mass (pixels), x, y, red, green, blue |
//! | `coloured_seen.npy`, `coloured_truth.npy` | f32 (N, seen, 6), (N, R, H, 6) | the same of seen frames and of drawn true futures |
//! | `truth_tracks.npy` | f32 (N, R, H, K, 6 + C) | found in drawn true futures: the tracker's floor |
//! | `pixels.npy` | f32 (N, S, H, 4) | PSNR and SSIM against true future 0; gradient energy and Laplacian variance around the bodies |
//! | `truth_pixels.npy` | f32 (N, R, H, 4) | the same of true futures |
//! | `trivial_pixels.npy` | f32 (N, 2, H, 2) | PSNR and SSIM of the last seen frame and of the empty one |
//! | `blur.npy` | f32 (B, H, 2) | gradient energy of the mean of samples and of the mean of true futures, first contexts |
//! | `films.npy`, `films_seen.npy`, `films_truth.npy` | u8 (F, clips, frames, C, H, W) | some clips to be looked at |
//! | `branches.npy`, `branch_masses.npy` | f32 (N, B, h, 2 K), (N, B) | all futures with their probabilities, where the world can list them |
//! | `vectors.npy` | f32 (N, S, H, D) | where frames are vectors, this alone: samples in the columns' own units |
//! | `long_tracks.npy`, `long_truth.npy` | f32 (L, 1, h, K, 6 + C), (L, 1, h, 2 K) | a few long rollouts |

use crate::array::Array;
use crate::error::{Error, Result};
use crate::store::json;
use crate::store::npy::{Npy, header};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Name of the description, in the folder of the arrays.
pub const ROLLOUT: &str = "rollout.json";
/// What [`Rollouts::array`] has of a body before its colours.
pub const TRACKED: [&str; 6] = ["x", "y", "scale", "area", "explained", "template"];

/// What the arrays of a folder of rollouts are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RolloutInfo {
    /// The split whose contexts were gone on from.
    pub split: String,
    /// Contexts, N.
    pub contexts: usize,
    /// Samples of each, S.
    pub samples: usize,
    /// True futures of each, M.
    pub futures: usize,
    /// Frames that the model was shown.
    pub seen: usize,
    /// Frames ahead, H.
    pub horizon: usize,
    /// Time between frames, s.
    pub dt: f64,
    /// (C, H, W) of a frame.
    pub frame_shape: [usize; 3],
    /// Bodies that are followed, K; 0 where there is none, then there are no tracks.
    pub bodies: usize,
    /// Why no body is followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untracked: Option<String>,
    /// Why there are no samples: the model gives no futures. Then only what is true stands in the folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Distance that a lost body counts, px: the picture's diagonal.
    pub lost: f64,
    /// Where centres can be, `[left, right, top, bottom]`, px.
    pub room: [f64; 4],
    /// Whether that is the world's own box; else it is the range of the true places.
    pub walled: bool,
    /// Size of every body, px: how far its outline reaches.
    pub radii: Vec<f64>,
    /// Acceleration that acts on all, px/frame² (x right, y down), where the world has a constant one.
    pub gravity: [f64; 2],
    /// Frames of the long rollouts; 0 for none.
    pub long: usize,
    /// Weights that the logits in `i3d.npy` are of: file and hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub i3d: Option<String>,
    /// Why there is no `i3d.npy`, where the experiment asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_i3d: Option<String>,
}

/// Clips whose logits stand in `i3d.npy`, (N, 5, 400): the first sample, true future 0, and that future spoiled. The first
/// half of the contexts has true clips alone, the rest is NaN.
pub const I3D_CLIPS: [&str; 5] = ["samples", "true", "frozen", "shuffled", "noise"];

/// An opened folder of rollouts.
#[derive(Clone, Debug)]
pub struct Rollouts {
    dir: PathBuf,
    /// What its arrays are.
    pub info: RolloutInfo,
}

impl Rollouts {
    /// Opens a folder.
    ///
    /// # Errors
    /// No description, or one that can't be read.
    pub fn open(dir: &Path) -> Result<Self> {
        Ok(Self {
            dir: dir.to_path_buf(),
            info: json::read(dir.join(ROLLOUT))?,
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.npy"))
    }

    /// Whether there is such an array.
    pub fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// A whole array of numbers.
    ///
    /// # Errors
    /// A missing or damaged file.
    pub fn array(&self, name: &str) -> Result<Array> {
        let file = Npy::<f32>::open(self.path(name))?;
        let values = file.values().iter().map(|&v| f64::from(v)).collect();
        Array::new(file.shape(), values)
    }

    /// Shape and values of an array of bytes.
    ///
    /// # Errors
    /// A missing or damaged file.
    pub fn bytes(&self, name: &str) -> Result<(Vec<usize>, Vec<u8>)> {
        let file = Npy::<u8>::open(self.path(name))?;
        Ok((file.shape().to_vec(), file.values().to_vec()))
    }

    /// Places (.., 2 K) of an array of tracks (.., K, 6 + C).
    ///
    /// # Errors
    /// As [`Rollouts::array`]; [`Error::Shape`] for other axes.
    pub fn places(&self, name: &str) -> Result<Array> {
        let path = self.path(name);
        let shape = header(&path)?.shape;
        let &[ref outer @ .., bodies, width] = shape.as_slice() else {
            let message = format!("tracks (.., bodies, columns) expected, got {shape:?}");
            return Err(Error::file(path, message));
        };
        let file = Npy::<f32>::open(&path)?;
        let each = file.values().chunks_exact(width.max(1));
        let places = each.flat_map(|one| [f64::from(one[0]), f64::from(one[1])]);
        let mut shape = outer.to_vec();
        shape.push(2 * bodies);
        Array::new(shape, places.collect())
    }
}
