//! The encode stage: the latents of one trained model. (being built)

use super::RunFolder;
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::progress::Progress;

/// Writes latents of the splits `train` (its first `encode.train_sequences`), `validation` and `test` to
/// [`RunFolder::split`], those of the untrained model to [`RunFolder::untrained`], [`RunFolder::encode`],
/// [`RunFolder::scores`] and, where there is a law, [`RunFolder::law`].
///
/// # Errors
/// Weights or a dataset that can't be read.
pub fn encode(
    _experiment: &Experiment,
    _model: &str,
    _seed: u64,
    _folder: &RunFolder,
    _progress: &Progress,
) -> Result<()> {
    Err(Error::Numeric("encoding is not built in yet".into()))
}
