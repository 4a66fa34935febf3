//! The analyze stage: everything about one trained model as a [`Study`], and what each analysis finds in it.

use super::RunFolder;
use crate::analysis::{SplitStudy, Study, TrainingPoint};
use crate::array::Array;
use crate::data::{Dataset, Split};
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::interrupt;
use crate::latents::{Decoder, EncodeConfig, Latents};
use crate::lgssm::Lgssm;
use crate::progress::Progress;
use crate::store::json;
use simulators::Outline;
use std::path::Path;

/// Runs every analysis of one model and seed and writes `<analysis>.json`.
///
/// # Errors
/// Latents or a dataset that can't be read, arrays that do not fit, values that are not finite.
pub(super) fn analyze(
    experiment: &Experiment,
    model: &str,
    seed: u64,
    folder: &RunFolder,
    progress: &Progress,
) -> Result<()> {
    let dataset = Dataset::open(&folder.data())?;
    let study = study(experiment, &dataset, model, seed, folder)?;
    let findings = folder.findings(model, seed);
    std::fs::create_dir_all(&findings).map_err(Error::io(&findings))?;
    let bar = progress.bar("analyze", experiment.analyses.len() as u64, "analyses");
    for analysis in &experiment.analyses {
        interrupt::check()?;
        bar.message(analysis.name());
        let finding = analysis.run(&study)?;
        json::write(folder.finding(model, seed, analysis.name()), &finding)?;
        bar.advance(1);
    }
    Ok(())
}

/// Reads everything about one model and seed.
///
/// # Errors
/// Latents or a dataset that can't be read.
pub fn study(
    experiment: &Experiment,
    dataset: &Dataset,
    model: &str,
    seed: u64,
    folder: &RunFolder,
) -> Result<Study> {
    let config = dataset.config();
    let split = |name: &str, most: usize| -> Result<SplitStudy> {
        let data = dataset.split(name)?;
        let n = data.len().min(most);
        let untrained = folder.untrained(model, seed, name);
        Ok(SplitStudy {
            latents: Latents::load(&folder.split(model, seed, name))?,
            untrained: match untrained.exists() {
                true => Latents::load(&untrained)?,
                false => Latents::default(),
            },
            ..of_data(data, n, config.frames, dataset.state_columns().len())?
        })
    };
    let law = folder.law(model, seed);
    let decoder = folder.decoder(model, seed);
    Ok(Study {
        name: model.to_string(),
        train: split("train", experiment.encode.train_sequences)?,
        validation: split("validation", usize::MAX)?,
        test: split("test", usize::MAX)?,
        state_columns: dataset.state_columns().to_vec(),
        dt: config.dt,
        encode: EncodeConfig::load(&folder.encode(model, seed))?,
        law: match law.exists() {
            true => Some(Lgssm::load(&law)?),
            false => None,
        },
        decoder: match decoder.exists() {
            true => Some(Decoder::load(&decoder)?),
            false => None,
        },
        training: training(&folder.training(model, seed))?,
        frame_shape: dataset.frame_shape(),
        outline: outline(dataset)?,
        seed,
    })
}

/// States, frames and events of the first `n` sequences.
fn of_data(split: &Split, n: usize, frames: usize, columns: usize) -> Result<SplitStudy> {
    let states = (0..n).flat_map(|i| split.states(i)).copied().collect();
    Ok(SplitStudy {
        states: Array::new([n, frames, columns], states)?,
        frames: (0..n).flat_map(|i| split.frames(i)).copied().collect(),
        events: (0..n).flat_map(|i| split.events(i)).copied().collect(),
        ..SplitStudy::default()
    })
}

/// What training logged; nothing for a model that was not trained here.
fn training(path: &Path) -> Result<Vec<TrainingPoint>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
    let point = |(i, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|e| Error::file(path, format!("line {}: {e}", i + 1)))
    };
    text.lines().enumerate().map(point).collect()
}

/// Where a body's centre can be (x0, y0, x1, y1): inside the innermost rectangle that stands still, less the radius where
/// all test sequences have the same.
fn outline(dataset: &Dataset) -> Result<Option<(f64, f64, f64, f64)>> {
    let split = dataset.split("test")?;
    if split.is_empty() {
        return Ok(None);
    }
    let standing = dataset.config().simulator.background(split.parameters(0));
    let inside = standing
        .iter()
        .rev()
        .find_map(|shape| match &shape.outline {
            Outline::Rectangle(sides) => Some(*sides),
            _ => None,
        });
    let radii = dataset
        .parameter_columns()
        .iter()
        .position(|column| column.name == "radius");
    let radius = radii.map_or(0.0, |column| {
        let first = split.parameters(0)[column];
        let same = (0..split.len()).all(|i| split.parameters(i)[column] == first);
        if same { first } else { 0.0 }
    });
    Ok(inside.map(|sides| {
        let sides = sides.grown(-radius);
        (sides.left, sides.bottom, sides.right, sides.top)
    }))
}

/// Trivial read-outs of the dataset, `baselines.json`: what needs no learning.
///
/// # Errors
/// A dataset that can't be read.
pub(super) fn baselines(
    experiment: &Experiment,
    folder: &RunFolder,
    progress: &Progress,
) -> Result<()> {
    let dataset = Dataset::open(&folder.data())?;
    let config = dataset.config();
    let bar = progress.bar("baselines", 1, "datasets");
    let split = |name: &str, most: usize| -> Result<SplitStudy> {
        let data = dataset.split(name)?;
        let n = data.len().min(most);
        of_data(data, n, config.frames, dataset.state_columns().len())
    };
    let study = Study {
        name: "baselines".into(),
        train: split("train", experiment.encode.train_sequences)?,
        validation: split("validation", usize::MAX)?,
        test: split("test", usize::MAX)?,
        state_columns: dataset.state_columns().to_vec(),
        dt: config.dt,
        frame_shape: dataset.frame_shape(),
        outline: outline(&dataset)?,
        seed: config.seed,
        ..Study::default()
    };
    json::write(
        folder.baselines(),
        &crate::analysis::baselines::baselines(&study)?,
    )?;
    bar.advance(1);
    Ok(())
}
