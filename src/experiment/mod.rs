//! One YAML file is one experiment: read, overridden, completed with defaults, checked, and saved as it will be run.
//!
//! A wrong file is answered with file, line, column, path, what was expected and the known alternatives
//! ([`Error::Experiment`], exit code 2).

mod check;
mod digest;
mod kinds;
mod locate;
mod message;
mod set;

pub use check::Problem;
pub use digest::Stage;
pub use kinds::{AnyAnalysis, AnyModel, TrainConfig};

use crate::data::DataSource;
use crate::error::{Error, Result};
use crate::latents::EncodeConfig;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A resolved experiment: every default is filled in and every value checked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "File")]
pub struct Experiment {
    /// Names the run folder `results/<name>`: letters, digits, `-` and `_`.
    pub name: String,
    /// What the experiment asks, one sentence; the report opens with it.
    pub question: String,
    /// One model is trained per seed; the report shows mean and spread over them.
    pub seeds: Vec<u64>,
    /// The world, its video and the splits; or a dataset that is there already.
    pub data: DataSource,
    /// Models by the name of their folder; each is a one-key map `kind: {parameters}`.
    #[serde(with = "serde_yaml::with::singleton_map_recursive")]
    pub models: IndexMap<String, AnyModel>,
    /// Optimisation, the same for every model.
    #[serde(with = "serde_yaml::with::singleton_map_recursive")]
    pub train: TrainConfig,
    /// Which latents are written for the analyses.
    pub encode: EncodeSettings,
    /// What is asked of the latents; all registered analyses when the file has no such key.
    #[serde(with = "serde_yaml::with::singleton_map_recursive")]
    pub analyses: Vec<AnyAnalysis>,
}

/// The `encode:` section.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncodeSettings {
    /// Frames seen before open-loop prediction starts; half of `data.frames` by default, so that both halves have room.
    pub context: usize,
    /// Drop rates of the imputation test; by default those of the published curves of the Kalman VAE on box data.
    pub drop_rates: Vec<f64>,
    /// Frames always seen at the start of an imputation sequence; 4 as in those curves.
    pub always_seen: usize,
    /// Training sequences encoded to fit probes: 1000, or all there are when fewer. A linear read-out of some ten latents is
    /// settled by far fewer; what it costs is disk.
    pub train_sequences: usize,
}

impl EncodeSettings {
    /// What holds where the file says nothing.
    fn usual(data: &DataSource) -> Self {
        let train = data.sequences("train");
        Self {
            context: data.frames() / 2,
            drop_rates: vec![0.1, 0.3, 0.5, 0.8, 1.0],
            always_seen: 4.min(data.frames()),
            train_sequences: 1000.min(train),
        }
    }

    /// The part that readers of the latents need.
    pub fn config(&self) -> EncodeConfig {
        EncodeConfig {
            context: self.context,
            drop_rates: self.drop_rates.clone(),
            always_seen: self.always_seen,
        }
    }
}

/// An experiment as it is written: what may be left out is optional here and nowhere else.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    question: String,
    #[serde(default = "one_seed")]
    seeds: Vec<u64>,
    data: DataSource,
    #[serde(with = "serde_yaml::with::singleton_map_recursive")]
    models: IndexMap<String, AnyModel>,
    #[serde(default, with = "serde_yaml::with::singleton_map_recursive")]
    train: TrainConfig,
    #[serde(default)]
    encode: EncodeFile,
    #[serde(default, with = "serde_yaml::with::singleton_map_recursive")]
    analyses: Option<Vec<AnyAnalysis>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct EncodeFile {
    context: Option<usize>,
    drop_rates: Option<Vec<f64>>,
    always_seen: Option<usize>,
    train_sequences: Option<usize>,
}

fn one_seed() -> Vec<u64> {
    vec![0]
}

impl From<File> for Experiment {
    fn from(file: File) -> Self {
        let EncodeFile {
            context,
            drop_rates,
            always_seen,
            train_sequences,
        } = file.encode;
        let usual = EncodeSettings::usual(&file.data);
        Self {
            name: file.name,
            question: file.question,
            seeds: file.seeds,
            encode: EncodeSettings {
                context: context.unwrap_or(usual.context),
                drop_rates: drop_rates.unwrap_or(usual.drop_rates),
                always_seen: always_seen.unwrap_or(usual.always_seen),
                train_sequences: train_sequences.unwrap_or(usual.train_sequences),
            },
            data: file.data,
            models: file.models,
            train: file.train,
            analyses: file.analyses.unwrap_or_else(kinds::all_analyses),
        }
    }
}

impl Experiment {
    /// Reads an experiment file, applies `--set` overrides (`key.path=value`), fills in defaults and checks everything.
    ///
    /// # Errors
    /// [`Error::Experiment`] with file, line, column, path, expected and got; for an override its text in place of the line.
    pub fn load(path: &Path, sets: &[String]) -> Result<Self> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|e| Error::Experiment(format!("{file}: can't read the experiment: {e}")))?;
        Self::parse(&text, &file, sets)
    }

    /// The same from text; `file` is how messages call it.
    ///
    /// # Errors
    /// See [`Experiment::load`].
    pub fn parse(text: &str, file: &str, sets: &[String]) -> Result<Self> {
        if let Ok(serde_yaml::Value::Null) = serde_yaml::from_str(text) {
            return Err(Error::Experiment(format!(
                "{file}:1:1: the file is empty; an experiment needs `name`, `question`, `data` and `models`"
            )));
        }
        locate::no_duplicates(text).map_err(|e| message::in_file(file, &e))?;
        let written: Self = serde_yaml::from_str(text).map_err(|e| message::in_file(file, &e))?;
        let overrides = set::parse(sets)?;
        let mut experiment = set::apply(written, &overrides)?;
        experiment.data.resolve().map_err(|e| {
            let place = locate::find(text, "data.dataset")
                .map(|(line, column)| format!("{line}:{column}: "))
                .unwrap_or_default();
            Error::Experiment(format!("{file}:{place}{e}"))
        })?;
        // Defaults that follow from the data follow from the data as overridden.
        let usual = EncodeSettings::usual(&experiment.data);
        let free = |key: &str| {
            let path = format!("encode.{key}");
            locate::exactly(text, &path).is_none() && set::responsible(&overrides, &path).is_none()
        };
        if free("context") {
            experiment.encode.context = usual.context;
        }
        if free("always_seen") {
            experiment.encode.always_seen = usual.always_seen;
        }
        if free("train_sequences") {
            experiment.encode.train_sequences = usual.train_sequences;
        }
        experiment.check().map_err(|problem| {
            let Problem { path, message } = &problem;
            if let Some(set) = set::responsible(&overrides, path) {
                return Error::Experiment(format!("{set}: {path}: {message}"));
            }
            let place = locate::find(text, path)
                .map(|(line, column)| format!(":{line}:{column}"))
                .unwrap_or_default();
            Error::Experiment(format!("{file}{place}: {path}: {message}"))
        })?;
        Ok(experiment)
    }

    /// Names of the analyses, in their order.
    pub fn analysis_names(&self) -> Vec<&'static str> {
        self.analyses
            .iter()
            .map(|analysis| analysis.name())
            .collect()
    }

    /// The registered kind of a model; empty for an unknown name.
    pub fn model_kind(&self, model: &str) -> &'static str {
        self.models.get(model).map_or("", AnyModel::kind)
    }

    /// The resolved experiment as YAML: reads back to the same experiment.
    ///
    /// # Errors
    /// A value that YAML can't hold.
    pub fn to_yaml(&self) -> Result<String> {
        serde_yaml::to_string(self)
            .map_err(|e| Error::Experiment(format!("the experiment can't be written as YAML: {e}")))
    }

    /// The resolved experiment as a tree of YAML values.
    fn to_value(&self) -> Result<serde_yaml::Value> {
        serde_yaml::to_value(self)
            .map_err(|e| Error::Experiment(format!("the experiment can't be written as YAML: {e}")))
    }
}

#[cfg(test)]
mod tests;
