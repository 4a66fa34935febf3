//! Everything that a report is made of, read from the JSON files of a run folder.

use crate::analysis::{Finding, Metric};
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::run::{About, RunFolder};
use crate::store::json;
use crate::train::Record;
use std::path::Path;

/// All results of one experiment.
#[derive(Clone, Debug)]
pub struct Results {
    /// Command and versions.
    pub about: About,
    /// Trivial read-outs of the same data.
    pub baselines: Option<Finding>,
    /// What the trainings of all models say together, where there are several.
    pub ablation: Option<Finding>,
    /// In the order of the experiment.
    pub models: Vec<ModelResults>,
}

/// All results of one model.
#[derive(Clone, Debug)]
pub struct ModelResults {
    /// Its name in the experiment.
    pub name: String,
    /// In the order of the experiment.
    pub seeds: Vec<SeedResults>,
    /// What all seeds say together, where there are several.
    pub agreement: Option<Finding>,
}

/// All results of one model and seed.
#[derive(Clone, Debug)]
pub struct SeedResults {
    /// The training seed.
    pub seed: u64,
    /// In the order of the experiment's analyses.
    pub findings: Vec<Finding>,
    /// Numbers that the encode stage took from the model itself.
    pub scores: Vec<Metric>,
}

impl Results {
    /// Reads a run folder.
    ///
    /// # Errors
    /// A finding that is missing or can't be read.
    pub fn read(experiment: &Experiment, folder: &RunFolder) -> Result<Self> {
        let names = experiment.analysis_names();
        let seed = |model: &str, seed: u64| -> Result<SeedResults> {
            let findings = names
                .iter()
                .map(|name| json::read(folder.finding(model, seed, name)))
                .collect::<Result<_>>()?;
            let scores = folder.scores(model, seed);
            let mut scores = match scores.exists() {
                true => json::read(scores)?,
                false => Vec::new(),
            };
            if experiment.train.patience.is_some() {
                scores.extend(stopped(&folder.training(model, seed))?);
            }
            Ok(SeedResults {
                seed,
                findings,
                scores,
            })
        };
        let models = experiment
            .models
            .keys()
            .map(|name| {
                let seeds = experiment.seeds.iter().map(|&s| seed(name, s));
                let agreement = folder.agreement(name);
                let several = experiment.seeds.len() > 1 && agreement.exists();
                Ok(ModelResults {
                    name: name.clone(),
                    seeds: seeds.collect::<Result<_>>()?,
                    agreement: match several {
                        true => Some(json::read(agreement)?),
                        false => None,
                    },
                })
            })
            .collect::<Result<_>>()?;
        let (baselines, ablation) = (folder.baselines(), folder.ablation());
        let several = experiment.models.len() > 1 && ablation.exists();
        Ok(Self {
            about: About::read(folder)?,
            baselines: match baselines.exists() {
                true => Some(json::read(baselines)?),
                false => None,
            },
            ablation: match several {
                true => Some(json::read(ablation)?),
                false => None,
            },
            models,
        })
    }
}

/// When a training with patience stopped, and its best step.
///
/// # Errors
/// A log that can't be read.
fn stopped(log: &Path) -> Result<Vec<Metric>> {
    let text = std::fs::read_to_string(log).map_err(Error::io(log))?;
    let mut best: Option<(f64, u64)> = None;
    let mut last = 0;
    for line in text.lines() {
        let record: Record =
            serde_json::from_str(line).map_err(|e| Error::file(log, e.to_string()))?;
        last = record.step;
        let elbo = record.values.get("validation/elbo");
        if let Some(&elbo) = elbo.filter(|elbo| best.is_none_or(|(b, _)| **elbo > b)) {
            best = Some((elbo, record.step));
        }
    }
    let steps = |name: &str, value: u64| Metric {
        name: name.into(),
        value: value as f64,
        interval: None,
        unit: "steps".into(),
    };
    let best = best.map(|(_, step)| steps("best_step", step));
    Ok([steps("trained_steps", last)]
        .into_iter()
        .chain(best)
        .collect())
}

impl SeedResults {
    /// All numbers with the analysis they come from; `scores` for those of the encode stage.
    pub(super) fn metrics(&self) -> impl Iterator<Item = (&str, &Metric)> {
        let scores = self.scores.iter().map(|metric| ("scores", metric));
        let found = self.findings.iter().flat_map(|finding| {
            let of = |metric| (finding.analysis.as_str(), metric);
            finding.metrics.iter().map(of)
        });
        scores.chain(found)
    }
}
