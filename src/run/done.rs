//! Which stages are finished, and for which configuration: `done.json` in the run folder and in every model's folder.

use super::folder::RunFolder;
use crate::error::{Error, Result};
use crate::experiment::{Experiment, Stage};
use crate::store::json;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// One stage in `done.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    /// What its result depends on: [`Experiment::stage_digest`].
    digest: String,
    /// `false` from its start to its end: a stage that was interrupted may go on from its checkpoint.
    finished: bool,
    /// Sizes of the files that it left, by their place beside `done.json`: what has gone since is made again.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    files: IndexMap<String, u64>,
    /// Of a training: its number of steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    steps: Option<usize>,
    /// Of a training: its digest without the number of steps. Where only that grew, it goes on from the last checkpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lineage: Option<String>,
    /// Of a training that went on: the steps that were all at first, after which its step size had fallen once already.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    went_on_from: Vec<usize>,
    /// First half of the SHA-256 of all the rest of this mark: one altered byte is named, not taken for another configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seal: Option<String>,
}

impl Mark {
    /// A stage that begins.
    fn begun(experiment: &Experiment, stage: Stage) -> Result<Self> {
        let trains = matches!(stage, Stage::Train(..));
        Ok(Self {
            digest: experiment.stage_digest(stage)?,
            finished: false,
            files: IndexMap::new(),
            steps: trains.then_some(experiment.train.steps),
            lineage: match trains {
                true => Some(lineage(experiment, stage)?),
                false => None,
            },
            went_on_from: Vec::new(),
            seal: None,
        })
    }

    /// What `seal` should be for the stage of this name.
    fn sealed(&self, stage: &str) -> Result<String> {
        let open = Self {
            seal: None,
            ..self.clone()
        };
        let text = serde_json::to_string(&open)
            .map_err(|e| Error::Experiment(format!("done.json: can't be written: {e}")))?;
        let hash = Sha256::new().chain_update(stage).chain_update(text);
        let bytes = hash.finalize();
        Ok(bytes[..16].iter().map(|b| format!("{b:02x}")).collect())
    }
}

/// The digest of a training whatever its number of steps.
fn lineage(experiment: &Experiment, stage: Stage) -> Result<String> {
    let mut endless = experiment.clone();
    endless.train.steps = 0;
    endless.stage_digest(stage)
}

type Marks = IndexMap<String, Mark>;

/// What there is of a stage's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// All of it, for this configuration.
    Done,
    /// Begun for this configuration, not ended.
    Begun,
    /// A training of fewer steps, the same in all else, whose last checkpoint is there.
    Shorter(usize),
    /// Something, for another configuration.
    Other,
    /// Nothing.
    Missing,
}

/// The stages of one unit in their order: what comes later rests on what comes before.
const ORDER: [&str; 10] = [
    "generate",
    "train",
    "encode",
    "rollout",
    "analyze",
    "baselines",
    "plot",
    "agreement",
    "ablation",
    "report",
];

/// State of a stage.
///
/// # Errors
/// `done.json` can't be read.
pub(crate) fn state(experiment: &Experiment, stage: Stage, folder: &RunFolder) -> Result<State> {
    let path = file(stage, folder);
    let marks = read(&path)?;
    let Some(mark) = marks.get(stage.name()) else {
        return Ok(State::Missing);
    };
    if mark.digest != experiment.stage_digest(stage)? {
        return Ok(match (stage, mark.steps) {
            (Stage::Train(model, seed), Some(steps))
                if steps < experiment.train.steps
                    && folder
                        .model(model, seed)
                        .join("checkpoint.safetensors")
                        .exists()
                    && mark.lineage == Some(lineage(experiment, stage)?) =>
            {
                State::Shorter(steps)
            }
            _ => State::Other,
        });
    }
    let complete = needed(experiment, stage, folder)
        .iter()
        .all(|path| path.exists())
        && whole(beside(&path), &mark.files);
    Ok(match mark.finished && complete {
        true => State::Done,
        false => State::Begun,
    })
}

/// Whether a stage left finished results of another configuration, which doing it for this one would take away.
///
/// # Errors
/// As [`state`].
pub(crate) fn would_lose(
    experiment: &Experiment,
    stage: Stage,
    folder: &RunFolder,
) -> Result<bool> {
    let finished = read(&file(stage, folder))?
        .get(stage.name())
        .is_some_and(|mark| mark.finished);
    Ok(finished && state(experiment, stage, folder)? == State::Other)
}

/// Marks a stage as begun. What an earlier configuration left is removed first, unless it can be gone on with.
///
/// # Errors
/// A file can't be removed or written.
pub(crate) fn begin(
    experiment: &Experiment,
    stage: Stage,
    folder: &RunFolder,
    keep: bool,
) -> Result<()> {
    let path = file(stage, folder);
    let mut marks = read(&path)?;
    if !keep {
        // A link leads to data that other runs share, named for what is in it: nothing old is there.
        for old in products(stage, folder)
            .iter()
            .filter(|old| !old.is_symlink())
        {
            remove(old)?;
        }
    }
    let rank = |name: &str| ORDER.iter().position(|other| *other == name);
    let mut mark = Mark::begun(experiment, stage)?;
    if let Some(before) = marks.get(stage.name()).filter(|_| keep) {
        mark.went_on_from.clone_from(&before.went_on_from);
        if before.digest != mark.digest && before.lineage == mark.lineage {
            mark.went_on_from.extend(before.steps);
        }
    }
    marks.retain(|name, _| rank(name) < rank(stage.name()));
    marks.insert(stage.name().to_string(), mark);
    write(&path, &marks)
}

/// Marks a stage as finished.
///
/// # Errors
/// A file that the stage should have written is not there; `done.json` can't be written.
pub(crate) fn finish(experiment: &Experiment, stage: Stage, folder: &RunFolder) -> Result<()> {
    for path in needed(experiment, stage, folder) {
        if !path.exists() {
            let message = format!("expected from stage {}, got nothing", stage.name());
            return Err(Error::file(path, message));
        }
    }
    let path = file(stage, folder);
    let mut marks = read(&path)?;
    if let Some(mark) = marks.get_mut(stage.name()) {
        mark.finished = true;
        mark.files = sizes(beside(&path), &lasting(stage, folder))?;
    }
    write(&path, &marks)
}

/// Where a stage's mark stands.
fn file(stage: Stage, folder: &RunFolder) -> PathBuf {
    match stage {
        Stage::Train(model, seed)
        | Stage::Encode(model, seed)
        | Stage::Rollout(model, seed)
        | Stage::Analyze(model, seed)
        | Stage::Plot(model, seed) => folder.model(model, seed),
        Stage::Agreement(model) => folder.model_root(model),
        Stage::Generate | Stage::Baselines | Stage::Ablation | Stage::Report => {
            folder.root().to_path_buf()
        }
    }
    .join("done.json")
}

/// The folder of `done.json`.
fn beside(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

/// What must be there for the stage to count as finished.
fn needed(experiment: &Experiment, stage: Stage, folder: &RunFolder) -> Vec<PathBuf> {
    match stage {
        Stage::Generate => vec![super::dataset(experiment, folder).join("manifest.json")],
        Stage::Train(model, seed) => vec![folder.weights(model, seed)],
        Stage::Encode(model, seed) => {
            vec![folder.latents(model, seed), folder.encode(model, seed)]
        }
        Stage::Rollout(model, seed) => {
            vec![folder.rollouts(model, seed)]
        }
        Stage::Analyze(model, seed) => experiment
            .analysis_names()
            .iter()
            .map(|name| folder.finding(model, seed, name))
            .collect(),
        Stage::Baselines => vec![folder.baselines()],
        Stage::Plot(model, seed) => vec![folder.figures(model, seed)],
        Stage::Agreement(model) => vec![folder.agreement(model)],
        Stage::Ablation => vec![folder.ablation()],
        Stage::Report => vec![folder.summary(), folder.report_md(), folder.report_html()],
    }
}

/// What a later run checks to be there as it was left. A training's checkpoint may go once it is finished.
fn lasting(stage: Stage, folder: &RunFolder) -> Vec<PathBuf> {
    match stage {
        Stage::Train(model, seed) => {
            vec![folder.weights(model, seed), folder.training(model, seed)]
        }
        other => products(other, folder),
    }
}

/// Sizes of all files under some paths, by their place below `root`; hidden ones are locks, which are no results.
fn sizes(root: &Path, paths: &[PathBuf]) -> Result<IndexMap<String, u64>> {
    let mut found = IndexMap::new();
    let mut waiting: Vec<PathBuf> = paths.iter().rev().cloned().collect();
    while let Some(path) = waiting.pop() {
        let Ok(about) = fs::metadata(&path) else {
            continue;
        };
        let name = path.file_name().unwrap_or_default();
        if name.to_string_lossy().starts_with('.') {
            continue;
        }
        if about.is_dir() {
            let entries = fs::read_dir(&path).map_err(Error::io(&path))?;
            let below: std::io::Result<Vec<PathBuf>> = entries
                .map(|entry| entry.map(|entry| entry.path()))
                .collect();
            waiting.extend(below.map_err(Error::io(&path))?);
        } else if let Ok(place) = path.strip_prefix(root) {
            found.insert(place.to_string_lossy().into_owned(), about.len());
        }
    }
    found.sort_keys();
    Ok(found)
}

/// Whether the files of a finished stage are all there, in their sizes. A place that leads out of the folder never is.
fn whole(root: &Path, files: &IndexMap<String, u64>) -> bool {
    files.iter().all(|(place, &size)| {
        let place = Path::new(place);
        let inside = |part: std::path::Component| matches!(part, std::path::Component::Normal(_));
        place.components().all(inside)
            && fs::metadata(root.join(place)).is_ok_and(|about| about.len() == size)
    })
}

/// Everything that a stage may have written.
fn products(stage: Stage, folder: &RunFolder) -> Vec<PathBuf> {
    match stage {
        Stage::Generate => vec![folder.data()],
        // Whatever stands in a model's folder comes from its training.
        Stage::Train(model, seed) => vec![folder.model(model, seed)],
        Stage::Encode(model, seed) => vec![
            folder.latents(model, seed),
            folder.encode(model, seed),
            folder.law(model, seed),
            folder.inputs(model, seed),
            folder.modes(model, seed),
            folder.decoder(model, seed),
            folder.scores(model, seed),
        ],
        Stage::Rollout(model, seed) => vec![folder.rollouts(model, seed)],
        Stage::Analyze(model, seed) => vec![folder.findings(model, seed)],
        Stage::Baselines => vec![folder.baselines()],
        Stage::Plot(model, seed) => vec![folder.figures(model, seed)],
        Stage::Agreement(model) => vec![folder.agreement(model), folder.common_figures(model)],
        Stage::Ablation => vec![folder.ablation(), folder.shared_figures()],
        Stage::Report => vec![folder.summary(), folder.report_md(), folder.report_html()],
    }
}

fn read(path: &Path) -> Result<Marks> {
    if !path.exists() {
        return Ok(Marks::new());
    }
    let damaged = |what: String| {
        Error::file(
            path,
            format!(
                "damaged: {what}. Put the file back as it was, or remove it to do its stages again"
            ),
        )
    };
    let marks: Marks = json::read(path).map_err(|e| damaged(e.to_string()))?;
    for (name, mark) in &marks {
        if !ORDER.contains(&name.as_str()) {
            let known = ORDER.join(", ");
            return Err(damaged(format!(
                "expected a stage of {known}, got `{name}`"
            )));
        }
        if let Some(seal) = &mark.seal
            && *seal != mark.sealed(name)?
        {
            return Err(damaged(format!(
                "the mark of stage {name} is not what its checksum says"
            )));
        }
    }
    Ok(marks)
}

fn write(path: &Path, marks: &Marks) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(Error::io(parent))?;
    }
    let mut sealed = marks.clone();
    for (name, mark) in &mut sealed {
        mark.seal = Some(mark.sealed(name)?);
    }
    json::write(path, &sealed)?;
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    if path.is_dir() {
        fs::remove_dir_all(path).map_err(Error::io(path))
    } else if path.exists() {
        fs::remove_file(path).map_err(Error::io(path))
    } else {
        Ok(())
    }
}
