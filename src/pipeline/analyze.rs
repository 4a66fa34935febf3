//! The analyze stage: everything about one trained model as a [`Study`], and what each analysis finds in it.

use super::plot::draw;
use super::{RunFolder, dataset};
use crate::analysis::ablation::{Variant, ablation as compare};
use crate::analysis::agreement::{SeedLatents, agreement as seed_agreement};
use crate::analysis::{SplitStudy, Study, TrainingPoint};
use crate::array::Array;
use crate::data::{Dataset, Split};
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::interrupt;
use crate::latents::{Decoder, EncodeConfig, JsonFile, Latents};
use crate::progress::Progress;
use crate::store::json;
use lgssm::{AffineModes, Lgssm};
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
    let dataset = Dataset::open(&dataset(experiment, folder))?;
    let study = study(experiment, &dataset, model, seed, folder)?;
    let findings = folder.findings(model, seed);
    std::fs::create_dir_all(&findings).map_err(Error::io(&findings))?;
    let bar = progress.bar("analyze", experiment.analyses.len() as u64, "analyses");
    for analysis in &experiment.analyses {
        interrupt::check()?;
        bar.message(analysis.name());
        let finding = analysis.run(&study)?;
        json::write(folder.finding(model, seed, analysis.name()), &finding)?;
        for warning in &finding.warnings {
            progress.say(&format!("warning: {model}, seed {seed}: {warning}"));
        }
        bar.advance(1);
    }
    Ok(())
}

/// Compares the latents of all seeds of one model: [`RunFolder::agreement`] and its figures.
///
/// # Errors
/// Latents that can't be read or do not fit together.
pub(super) fn agreement(
    experiment: &Experiment,
    model: &str,
    folder: &RunFolder,
    progress: &Progress,
) -> Result<()> {
    let latents = |seed: u64| -> Result<SeedLatents> {
        let untrained = |split| -> Result<Latents> {
            let path = folder.untrained(model, seed, split);
            match path.exists() {
                true => Latents::load(&path),
                false => Ok(Latents::default()),
            }
        };
        Ok(SeedLatents {
            seed,
            train: Latents::load(&folder.split(model, seed, "train"))?,
            test: Latents::load(&folder.split(model, seed, "test"))?,
            untrained_train: untrained("train")?,
            untrained_test: untrained("test")?,
        })
    };
    let seeds: Vec<SeedLatents> = experiment
        .seeds
        .iter()
        .map(|&seed| latents(seed))
        .collect::<Result<_>>()?;
    let finding = seed_agreement(&seeds)?;
    draw(&folder.common_figures(model), &finding.figures, progress)?;
    json::write(folder.agreement(model), &finding)?;
    Ok(())
}

/// Compares all models by what their training logged: [`RunFolder::ablation`] and its figures.
///
/// # Errors
/// A log that can't be read.
pub(super) fn ablation(
    experiment: &Experiment,
    folder: &RunFolder,
    progress: &Progress,
) -> Result<()> {
    let variant = |name: &String| -> Result<Variant> {
        let logs = experiment.seeds.iter();
        let logs = logs.map(|&seed| training(&folder.training(name, seed)));
        Ok(Variant {
            name: name.clone(),
            seeds: logs.collect::<Result<_>>()?,
        })
    };
    let variants: Vec<Variant> = experiment
        .models
        .keys()
        .map(variant)
        .collect::<Result<_>>()?;
    let finding = compare(&variants);
    draw(&folder.shared_figures(), &finding.figures, progress)?;
    json::write(folder.ablation(), &finding)?;
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
            ..of_data(dataset, data, n)?
        })
    };
    let (law, modes) = (folder.law(model, seed), folder.modes(model, seed));
    let decoder = folder.decoder(model, seed);
    Ok(Study {
        name: model.to_string(),
        train: split("train", experiment.encode.train_sequences)?,
        validation: split("validation", usize::MAX)?,
        test: split("test", usize::MAX)?,
        shifts: experiment
            .data
            .further_splits()
            .into_iter()
            .map(|name| Ok((name.clone(), split(&name, usize::MAX)?)))
            .collect::<Result<_>>()?,
        state_columns: dataset.state_columns().to_vec(),
        dt: dataset.dt(),
        encode: EncodeConfig::load(&folder.encode(model, seed))?,
        law: match law.exists() {
            true => Some(Lgssm::load(&law)?),
            false => None,
        },
        modes: match modes.exists() {
            true => Some(AffineModes::load(&modes)?),
            false => None,
        },
        event_columns: dataset.event_columns().to_vec(),
        parameter_columns: dataset.parameter_columns().to_vec(),
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

/// States, frames, events and parameters of the first `n` sequences.
fn of_data(dataset: &Dataset, split: &Split, n: usize) -> Result<SplitStudy> {
    let (frames, columns) = (dataset.frames(), dataset.state_columns().len());
    let states = (0..n).flat_map(|i| split.states(i)).copied().collect();
    let parameters = (0..n).flat_map(|i| split.parameters(i)).copied().collect();
    Ok(SplitStudy {
        states: Array::new([n, frames, columns], states)?,
        parameters: Array::new([n, dataset.parameter_columns().len()], parameters)?,
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
    let (false, Some(config)) = (split.is_empty(), dataset.config()) else {
        return Ok(None);
    };
    let standing = config.simulator.background(split.parameters(0));
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
    let dataset = Dataset::open(&dataset(experiment, folder))?;
    let bar = progress.bar("baselines", 1, "datasets");
    let split = |name: &str, most: usize| -> Result<SplitStudy> {
        let data = dataset.split(name)?;
        let n = data.len().min(most);
        of_data(&dataset, data, n)
    };
    let study = Study {
        name: "baselines".into(),
        train: split("train", experiment.encode.train_sequences)?,
        validation: split("validation", usize::MAX)?,
        test: split("test", usize::MAX)?,
        state_columns: dataset.state_columns().to_vec(),
        dt: dataset.dt(),
        frame_shape: dataset.frame_shape(),
        outline: outline(&dataset)?,
        seed: dataset.seed(),
        ..Study::default()
    };
    json::write(
        folder.baselines(),
        &crate::analysis::baselines::baselines(&study)?,
    )?;
    bar.advance(1);
    Ok(())
}
