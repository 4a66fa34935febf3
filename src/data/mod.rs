//! Datasets: generated from a simulator, sharded on disk, memory-mapped when read.

use crate::error::Result;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use simulators::{AnySimulator, Column, Video};
use std::path::Path;

/// The `data:` section of an experiment.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// The world and its physical parameters, as a one-key map: `bouncing_ball: {..}`.
    #[serde(with = "serde_yaml::with::singleton_map_recursive")]
    pub simulator: AnySimulator,
    /// How it is drawn.
    #[serde(default)]
    pub video: Video,
    /// Frames per sequence, T.
    pub frames: usize,
    /// Time between frames, s.
    pub dt: f64,
    /// Number of sequences per split: `train`, `validation` and `test` are needed.
    pub splits: IndexMap<String, usize>,
    /// Seed of the dataset; independent of the training seeds.
    #[serde(default)]
    pub seed: u64,
    /// Sequences per shard: the unit of parallel generation and of resume.
    #[serde(default = "default_shard")]
    pub sequences_per_shard: usize,
}

fn default_shard() -> usize {
    500
}

/// An opened dataset: manifest read and checked, shards memory-mapped.
#[derive(Debug)]
pub struct Dataset {}

/// The sequences of one split. Everything is by sequence index i in 0..len().
#[derive(Debug)]
pub struct Split {}

impl Dataset {
    /// Opens a dataset folder and checks it against its manifest (sizes, checksums).
    ///
    /// # Errors
    /// A missing, truncated or altered file is named with what was expected and got.
    pub fn open(_dir: &Path) -> Result<Self> {
        unimplemented!()
    }
    /// The split of this name.
    ///
    /// # Errors
    /// Names the splits that there are.
    pub fn split(&self, _name: &str) -> Result<&Split> {
        unimplemented!()
    }
    /// The configuration that made it.
    pub fn config(&self) -> &DataConfig {
        unimplemented!()
    }
    /// Name and unit of every state column.
    pub fn state_columns(&self) -> &[Column] {
        unimplemented!()
    }
    /// (C, H, W) of a frame.
    pub fn frame_shape(&self) -> [usize; 3] {
        unimplemented!()
    }
}

impl Split {
    /// Number of sequences, N.
    pub fn len(&self) -> usize {
        unimplemented!()
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Frames of sequence i, (T, C, H, W).
    pub fn frames(&self, _i: usize) -> &[u8] {
        unimplemented!()
    }
    /// True states of sequence i, (T, D).
    pub fn states(&self, _i: usize) -> &[f64] {
        unimplemented!()
    }
    /// Contact counts of sequence i in the interval before frame t, (T, E).
    pub fn events(&self, _i: usize) -> &[u8] {
        unimplemented!()
    }
}

/// Generates (or completes) a dataset folder: `manifest.json` and `<split>/shard-00000/{frames,states,...}.npy`.
///
/// # Errors
/// Bad parameters, a full disk, a folder that holds another dataset.
pub fn generate(
    _config: &DataConfig,
    _dir: &Path,
    _progress: &crate::progress::Progress,
) -> Result<()> {
    unimplemented!()
}
