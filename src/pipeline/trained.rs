//! A trained model as a run left it, for readers outside the chain.

use super::encode::fit_code_noise;
use super::train::build;
use crate::data::Dataset;
use crate::error::Result;
use crate::experiment::Experiment;
use crate::models::Model;
use crate::run::{RunFolder, dataset};
use crate::train::checkpoint;

/// The model of one seed as the encode stage had it, so that it believes what stands in `latents/`, and its dataset: a law
/// expects of codes the noise that they have on training sequences.
///
/// # Errors
/// Weights or a dataset that can't be read; a name that the experiment does not have.
pub fn trained(
    experiment: &Experiment,
    model: &str,
    seed: u64,
    folder: &RunFolder,
) -> Result<(Box<dyn Model<f32>>, Dataset)> {
    let data = Dataset::open(&dataset(experiment, folder))?;
    let mut trained = build(experiment, model, seed, 0, &data)?;
    checkpoint::load_model(&folder.weights(model, seed), trained.as_mut())?;
    fit_code_noise(trained.as_mut(), data.split("train")?, data.frames())?;
    Ok((trained, data))
}
