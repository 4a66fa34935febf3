//! One YAML file is one experiment: read, overridden, completed with defaults, checked, and saved as it will be run.
//!
//! A wrong file is answered with all its mistakes at once: file, line, column, path, what was expected, the nearest known key and the
//! line itself with a caret ([`Error::Experiment`], exit code 2).

mod check;
mod digest;
mod kinds;
mod locate;
mod message;
mod plan;
mod problem;
mod reference;
mod rollout;
mod schema;
mod set;
mod sources;
mod sweep;
mod tree;
mod validate;
mod words;

pub use digest::Stage;
pub use kinds::{AnyAnalysis, AnyModel, TrainConfig};
pub use locate::Part;
pub use plan::{Plan, PlannedRun};
pub use problem::Problem;
pub use reference::reference;
pub use rollout::RolloutSettings;
pub use schema::schema;

use crate::data::{DataSource, ORACLE};
use crate::error::{Error, Result};
use crate::latents::EncodeConfig;
use crate::train::init;
use indexmap::IndexMap;
use rollout::RolloutFile;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use set::Set;
use sources::{Sources, read_text};
use std::path::Path;
use sweep::Sweep;
use validate::validate;

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
    /// Which futures are sampled; none unless the file or `data.oracle` asks for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutSettings>,
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
    /// Lengths of a block of missing frames right after the frames always seen; by default those of the published planning test
    /// (5, 9 and 15) that leave a frame to be seen after them.
    pub blocks: Vec<usize>,
    /// Frames always seen at the start of an imputation sequence; 4 as in those curves.
    pub always_seen: usize,
    /// Training sequences encoded to fit probes: 1000, or all there are when fewer. A linear read-out of some ten latents is
    /// settled by far fewer; what it costs is disk.
    pub train_sequences: usize,
    /// Draws whose mean is the prediction of each next frame of the test split; 0 for no such prediction.
    #[serde(skip_serializing_if = "is_zero")]
    pub next_frame_draws: usize,
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

impl EncodeSettings {
    /// What holds where the file says nothing.
    fn usual(data: &DataSource) -> Self {
        let train = data.sequences("train");
        let always_seen = 4.min(data.frames());
        let fits = |block: &usize| always_seen + block < data.frames();
        Self {
            context: data.frames() / 2,
            drop_rates: vec![0.1, 0.3, 0.5, 0.8, 1.0],
            blocks: [5, 9, 15].into_iter().filter(fits).collect(),
            always_seen,
            train_sequences: 1000.min(train),
            next_frame_draws: 0,
        }
    }

    /// The part that readers of the latents need.
    pub fn config(&self) -> EncodeConfig {
        EncodeConfig {
            context: self.context,
            drop_rates: self.drop_rates.clone(),
            blocks: self.blocks.clone(),
            always_seen: self.always_seen,
            latents: Vec::new(),
        }
    }
}

/// A file is one experiment: a question, the data, the models that are trained on them, and what is asked of their latents.
// As it is written: what may be left out is optional here and nowhere else.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct File {
    /// Another experiment file, from where this one stands: what it says holds unless this file says otherwise. Maps are merged, lists
    /// and values replaced, `key: null` takes a key away.
    #[serde(rename = "extends")]
    // Read before values are: see `sources`.
    _extends: Option<String>,
    /// Names the run folder `results/<name>`: letters, digits, `-` and `_`.
    name: String,
    /// What the experiment asks, one sentence; the report opens with it.
    question: String,
    /// One model is trained per seed; the report shows mean and spread over them.
    #[serde(default = "one_seed")]
    seeds: Vec<u64>,
    /// The world, its video and the splits; or a dataset that is there already.
    data: DataSource,
    /// Models by the name of their folder; each is a one-key map `kind: {parameters}`.
    #[serde(with = "serde_yaml::with::singleton_map_recursive")]
    #[schemars(with = "IndexMap<String, AnyModel>")]
    models: IndexMap<String, AnyModel>,
    /// Optimisation, the same for every model.
    #[serde(default, with = "serde_yaml::with::singleton_map_recursive")]
    #[schemars(with = "TrainConfig")]
    train: TrainConfig,
    /// Which latents are written for the analyses.
    #[serde(default)]
    encode: EncodeFile,
    /// Which futures are sampled from which contexts. Left out there are none, or those of `data.oracle` where that is.
    #[serde(default)]
    rollout: Option<RolloutFile>,
    /// What is asked of the latents; all registered analyses when the file has no such key.
    #[serde(default, with = "serde_yaml::with::singleton_map_recursive")]
    #[schemars(with = "Option<Vec<AnyAnalysis>>")]
    analyses: Option<Vec<AnyAnalysis>>,
    /// Several runs of this experiment that differ in some values, each in a folder of its own.
    #[serde(
        default,
        rename = "sweep",
        with = "serde_yaml::with::singleton_map_recursive"
    )]
    #[schemars(with = "Option<Sweep>")]
    // Read beside the experiment: see `plan`.
    _sweep: Option<Sweep>,
}

/// Which latents are written for the analyses.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EncodeFile {
    /// Frames seen before open-loop prediction starts; half of `data.frames` by default, so that both halves have room.
    context: Option<usize>,
    /// Drop rates of the imputation test, 0 to 1; by default those of the published curves of the Kalman VAE on box data.
    #[schemars(inner(range(min = 0, max = 1)))]
    drop_rates: Option<Vec<f64>>,
    /// Lengths of a block of missing frames right after the frames always seen; by default those of the published planning test
    /// (5, 9 and 15) that leave a frame to be seen after them.
    #[schemars(inner(range(min = 1)))]
    blocks: Option<Vec<usize>>,
    /// Frames always seen at the start of an imputation sequence; 4 by default.
    always_seen: Option<usize>,
    /// Training sequences encoded to fit probes: by default 1000, or all there are when fewer.
    #[schemars(range(min = 1))]
    train_sequences: Option<usize>,
    /// Draws whose mean is the prediction of each next frame of the test split, for the analysis `next_frame`; by default 0,
    /// no such prediction: it decodes that many times more frames than the rest of the stage.
    #[serde(default)]
    #[schemars(range(max = 1000))]
    next_frame_draws: usize,
}

fn one_seed() -> Vec<u64> {
    vec![0]
}

impl From<File> for Experiment {
    fn from(file: File) -> Self {
        let EncodeFile {
            context,
            drop_rates,
            blocks,
            always_seen,
            train_sequences,
            next_frame_draws,
        } = file.encode;
        let usual = EncodeSettings::usual(&file.data);
        let rollout = RolloutSettings::resolve(file.rollout, &file.data);
        Self {
            name: file.name,
            question: file.question,
            seeds: file.seeds,
            encode: EncodeSettings {
                context: context.unwrap_or(usual.context),
                drop_rates: drop_rates.unwrap_or(usual.drop_rates),
                blocks: blocks.unwrap_or(usual.blocks),
                always_seen: always_seen.unwrap_or(usual.always_seen),
                train_sequences: train_sequences.unwrap_or(usual.train_sequences),
                next_frame_draws,
            },
            analyses: file.analyses.unwrap_or_else(|| {
                kinds::all_analyses(&file.data, rollout.is_some(), next_frame_draws > 0)
            }),
            rollout,
            data: file.data,
            models: file.models,
            train: file.train,
        }
    }
}

impl Experiment {
    /// Reads an experiment file, applies `--set` overrides (`key.path=value`), fills in defaults and checks everything. Of a file with a
    /// sweep this is what all runs have in common; its runs are a [`Plan`].
    ///
    /// # Errors
    /// [`Error::Experiment`] with file, line, column, path, expected and got; for an override its text in place of the line.
    pub fn load(path: &Path, sets: &[String]) -> Result<Self> {
        Self::parse(&read_text(path)?, &path.display().to_string(), sets)
    }

    /// The same from text; `file` is how messages call it, and where what it extends is looked for.
    ///
    /// # Errors
    /// See [`Experiment::load`].
    pub fn parse(text: &str, file: &str, sets: &[String]) -> Result<Self> {
        let sources = Sources::read(text, file)?;
        let overrides = set::parse(sets)?;
        let written = Self::written(&sources)?;
        let resolved = written.resolved(&sources, &overrides);
        resolved.map_err(|problems| sources.page(&problems, &overrides))
    }

    /// Fills in the hashes of the weights that training starts from, unless the file tells.
    fn resolve_init(&mut self) -> Result<()> {
        let (Some(folder), None) = (&self.train.init_from, &self.train.init_weights) else {
            return Ok(());
        };
        let models = self.models.keys().map(String::as_str);
        let found = init::resolve(folder, models, &self.seeds)?;
        self.train.init_weights = Some(found);
        Ok(())
    }

    /// With overrides, what a stored dataset holds, and defaults that follow from it.
    fn resolved(&self, sources: &Sources, sets: &[Set]) -> std::result::Result<Self, Vec<Problem>> {
        let free = |path: &str| !sources.says(path) && set::responsible(sets, path).is_none();
        let mut experiment = set::apply(self, sets, free)?;
        experiment.data.resolve().map_err(|e| {
            let text = e.to_string();
            let message = text.strip_prefix("data.dataset: ").unwrap_or(&text);
            vec![Problem::value("data.dataset", message)]
        })?;
        experiment
            .resolve_init()
            .map_err(|e| vec![Problem::value("train.init_from", e.to_string())])?;
        // Defaults that follow from the data follow from the data as overridden.
        let usual = EncodeSettings::usual(&experiment.data);
        if free("encode.context") {
            experiment.encode.context = usual.context;
        }
        if free("encode.blocks") {
            experiment.encode.blocks = usual.blocks;
        }
        if free("encode.always_seen") {
            experiment.encode.always_seen = usual.always_seen;
        }
        if free("encode.train_sequences") {
            experiment.encode.train_sequences = usual.train_sequences;
        }
        if let Some(rollout) = &mut experiment.rollout {
            let usual = RolloutSettings::usual(&rollout.split, &experiment.data);
            for (key, to, from) in [
                ("contexts", &mut rollout.contexts, usual.contexts),
                ("samples", &mut rollout.samples, usual.samples),
                ("seen", &mut rollout.seen, usual.seen),
                ("horizon", &mut rollout.horizon, usual.horizon),
                ("long", &mut rollout.long, usual.long),
            ] {
                if free(&format!("rollout.{key}")) {
                    *to = from;
                }
            }
            let recorded = experiment.data.frames().saturating_sub(rollout.seen);
            if free("rollout.horizon") && rollout.split != ORACLE {
                rollout.horizon = recorded;
            }
            if free("rollout.long_contexts") {
                rollout.long_contexts = rollout.contexts.min(16);
            }
        }
        if free("analyses") {
            let (sampled, next) = (
                experiment.rollout.is_some(),
                experiment.encode.next_frame_draws > 0,
            );
            experiment.analyses = kinds::all_analyses(&experiment.data, sampled, next);
        }
        let frame = experiment.data.frame_shape();
        for (name, model) in &mut experiment.models {
            model.fit(&format!("models.{name}"), frame, &free);
        }
        // A default that does not fit gives way: nobody is blamed for a key that nobody wrote.
        let train = &mut experiment.train;
        if free("train.batch") {
            let sequences = experiment.data.sequences("train");
            train.batch = train.batch.min(sequences.max(1)).max(1);
        }
        if free("train.micro_batches") {
            let values = experiment.data.frames() * frame.iter().product::<usize>();
            train.micro_batches = train.parts(values);
        }
        let problems = experiment.problems();
        match problems.is_empty() {
            true => Ok(experiment),
            false => Err(problems),
        }
    }

    /// What the files say, without overrides.
    fn written(sources: &Sources) -> Result<Self> {
        let mut tree = sources.merged();
        let mut problems = validate(&tree, schema::checked());
        // What is not wrong in itself may still contradict what is not wrong either.
        for problem in problems.iter().rev() {
            match &problem.instead {
                Some(value) => tree::put(&mut tree, &problem.path, value.clone()),
                None => tree::remove(&mut tree, &problem.path),
            }
        }
        let sound = serde_yaml::from_value::<Self>(tree);
        if problems.is_empty() && sources.repeated() == 0 {
            return sound.map_err(|e| sources.page(&[Problem::value("", e.to_string())], &[]));
        }
        if let Ok(sound) = sound {
            let more = sound.problems();
            let known = more.into_iter().filter(|p| {
                let stands = || sources.says(p.path.split('[').next().unwrap_or_default());
                holds_beside(p, &problems) && stands()
            });
            problems.extend(known.collect::<Vec<_>>());
        }
        Err(sources.page(&problems, &[]))
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

/// What the other sections are checked against.
const SHAPES: [&str; 4] = ["data.dataset", "data.frames", "data.splits", "data.video"];

/// Whether a contradiction is one still, where the values of `mistakes` were taken for others.
fn holds_beside(found: &Problem, mistakes: &[Problem]) -> bool {
    let own = section(&found.path);
    mistakes.iter().all(|mistake| {
        let key = mistake.path.rsplit('.').next().unwrap_or_default();
        let key = key.split('[').next().unwrap_or_default();
        let letter = |c: char| c.is_alphanumeric() || c == '_';
        let names = || found.message.split(|c| !letter(c)).any(|word| word == key);
        if mistake.touches(&found.path) {
            false
        } else if section(&mistake.path) == own {
            !names()
        } else {
            own == "data" || !SHAPES.iter().any(|shape| mistake.touches(shape))
        }
    })
}

/// The part of a file that is checked for itself: `models.a`, `train`.
fn section(path: &str) -> &str {
    let ends = |c: char| c == '.' || c == '[';
    let first = path.find(ends).unwrap_or(path.len());
    match &path[..first] {
        "models" | "analyses" => {
            let rest = path[first..].get(1..).and_then(|rest| rest.find(ends));
            rest.map_or(path, |rest| &path[..first + 1 + rest])
        }
        _ => &path[..first],
    }
}

#[cfg(test)]
mod tests;
