//! What the manifest of an imported dataset says instead of a simulator's configuration.

use super::config::check_splits;
use crate::error::{Error, Result};
use crate::store::checksum::Checksum;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// Where an imported dataset comes from, and its sizes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Import {
    /// What was read, in order.
    pub sources: Vec<ImportSource>,
    /// The settings of the import, by their names on the command line.
    pub settings: IndexMap<String, serde_json::Value>,
    /// Frames per sequence, T.
    pub frames: usize,
    /// Time between frames, s.
    pub dt: f64,
    /// (C, H, W) of a frame.
    pub frame_shape: [usize; 3],
    /// Number of sequences per split.
    pub splits: IndexMap<String, usize>,
    /// Sequences per shard.
    pub sequences_per_shard: usize,
}

/// One file or folder that was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportSource {
    /// As the command named it.
    pub path: String,
    /// Size and SHA-256 of a file; nothing for a folder.
    pub checksum: Option<Checksum>,
}

impl Import {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Experiment`] names the field, what was expected and got.
    pub fn check(&self) -> Result<()> {
        let [c, h, w] = self.frame_shape;
        for (name, got) in [
            ("frames", self.frames),
            ("sequences_per_shard", self.sequences_per_shard),
            ("frame_shape[0]", c),
            ("frame_shape[1]", h),
            ("frame_shape[2]", w),
        ] {
            if got == 0 {
                let message = format!("import.{name}: expected at least 1, got 0");
                return Err(Error::Experiment(message));
            }
        }
        let pixels = [h, w, self.frames]
            .iter()
            .try_fold(c, |product, &n| product.checked_mul(n));
        if pixels.is_none() {
            return Err(Error::Experiment(format!(
                "import.frame_shape: {:?} times {} frames is too large for any memory",
                self.frame_shape, self.frames
            )));
        }
        if !(self.dt.is_finite() && self.dt > 0.0) {
            return Err(Error::Experiment(format!(
                "import.dt: expected a finite time above 0 s, got {}",
                self.dt
            )));
        }
        check_splits("import", &self.splits)
    }
}
