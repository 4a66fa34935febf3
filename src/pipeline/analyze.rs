//! The analyze stage: everything about one trained model as a [`Study`], and what each analysis finds in it.

use super::plot::draw;
use super::violations::peers;

use crate::analysis::ablation::{Variant, ablation as compare};
use crate::analysis::agreement::{SeedLatents, agreement as seed_agreement};
use crate::analysis::{Finding, SplitStudy, Study};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::interrupt;
use crate::latents::Beliefs;
use crate::progress::Progress;
use crate::run::{RunFolder, dataset, of_data, outline, study, training};
use crate::store::json;

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
    let mut study = study(experiment, &dataset, model, seed, folder)?;
    if let Some(pairs) = &mut study.impossible {
        pairs.peers = peers(&dataset)?;
    }
    let findings = folder.findings(model, seed);
    std::fs::create_dir_all(&findings).map_err(Error::io(&findings))?;
    let bar = progress.bar("analyze", experiment.analyses.len() as u64, "analyses");
    for analysis in &experiment.analyses {
        interrupt::check()?;
        bar.message(analysis.name());
        let mut finding = sound(analysis.name(), analysis.run(&study))?;
        let train = &experiment.train;
        if analysis.name() == "law" && study.modes.is_some() && train.steps <= train.law_from {
            finding.warnings.push(format!(
                "the law with modes never started: train.steps is {}, train.law_from {}; until then it is free flight",
                train.steps, train.law_from
            ));
        }
        json::write(folder.finding(model, seed, analysis.name()), &finding)?;
        for warning in &finding.warnings {
            progress.say(&format!("warning: {model}, seed {seed}: {warning}"));
        }
        bar.advance(1);
    }
    Ok(())
}

/// What an analysis found, or why it could not be made: no analysis takes the report with it.
///
/// # Errors
/// Only what is not about this analysis: the user stopped, a file can't be read or written.
fn sound(name: &str, found: Result<Finding>) -> Result<Finding> {
    let mut finding = match found {
        Err(error @ (Error::Interrupted(_) | Error::Io { .. } | Error::File { .. })) => {
            return Err(error);
        }
        Err(error) => Finding::failed(name, &error),
        Ok(finding) => finding,
    };
    finding.keep_finite();
    Ok(finding)
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
        let untrained = |split| -> Result<Beliefs> {
            let path = folder.untrained(model, seed, split);
            match path.exists() {
                true => Beliefs::load(&path),
                false => Ok(Beliefs::default()),
            }
        };
        Ok(SeedLatents {
            seed,
            train: Beliefs::load(&folder.split(model, seed, "train"))?,
            test: Beliefs::load(&folder.split(model, seed, "test"))?,
            untrained_train: untrained("train")?,
            untrained_test: untrained("test")?,
        })
    };
    let seeds: Vec<SeedLatents> = experiment
        .seeds
        .iter()
        .map(|&seed| latents(seed))
        .collect::<Result<_>>()?;
    let finding = sound("agreement", seed_agreement(&seeds))?;
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
    let finding = sound("ablation", Ok(compare(&variants)))?;
    draw(&folder.shared_figures(), &finding.figures, progress)?;
    json::write(folder.ablation(), &finding)?;
    Ok(())
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
        observed_columns: dataset.observed_columns().to_vec(),
        outline: outline(&dataset)?,
        seed: dataset.seed(),
        ..Study::default()
    };
    let found = crate::analysis::baselines::baselines(&study);
    json::write(folder.baselines(), &sound("baselines", found)?)?;
    bar.advance(1);
    Ok(())
}
