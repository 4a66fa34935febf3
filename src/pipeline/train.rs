//! The train stage: one model, one seed. (being built)

use super::RunFolder;
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::progress::Progress;

/// Trains `experiment.models[model]` with this seed and writes `model.safetensors` and `metrics.jsonl` into
/// [`RunFolder::model`]; goes on from a checkpoint there.
///
/// # Errors
/// A dataset that can't be read, a loss that is not finite.
pub fn train(
    _experiment: &Experiment,
    _model: &str,
    _seed: u64,
    _folder: &RunFolder,
    _progress: &Progress,
) -> Result<()> {
    Err(Error::Numeric("training is not built in yet".into()))
}
