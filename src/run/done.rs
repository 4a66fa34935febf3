//! Which stages are finished, and for which configuration: `done.json` in the run folder and in every model's folder.

use super::folder::RunFolder;
use crate::error::{Error, Result};
use crate::experiment::{Experiment, Stage};
use crate::store::json;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
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
}

type Marks = IndexMap<String, Mark>;

/// What there is of a stage's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// All of it, for this configuration.
    Done,
    /// Begun for this configuration, not ended.
    Begun,
    /// Something, for another configuration.
    Other,
    /// Nothing.
    Missing,
}

/// The stages of one unit in their order: what comes later rests on what comes before.
const ORDER: [&str; 9] = [
    "generate",
    "train",
    "encode",
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
        return Ok(State::Other);
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
    marks.retain(|name, _| rank(name) < rank(stage.name()));
    marks.insert(
        stage.name().to_string(),
        Mark {
            digest: experiment.stage_digest(stage)?,
            finished: false,
            files: IndexMap::new(),
        },
    );
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

/// Sizes of all files under some paths, by their place below `root`.
fn sizes(root: &Path, paths: &[PathBuf]) -> Result<IndexMap<String, u64>> {
    let mut found = IndexMap::new();
    let mut waiting: Vec<PathBuf> = paths.iter().rev().cloned().collect();
    while let Some(path) = waiting.pop() {
        let Ok(about) = fs::metadata(&path) else {
            continue;
        };
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
            folder.modes(model, seed),
            folder.decoder(model, seed),
            folder.scores(model, seed),
        ],
        Stage::Analyze(model, seed) => vec![folder.findings(model, seed)],
        Stage::Baselines => vec![folder.baselines()],
        Stage::Plot(model, seed) => vec![folder.figures(model, seed)],
        Stage::Agreement(model) => vec![folder.agreement(model), folder.common_figures(model)],
        Stage::Ablation => vec![folder.ablation(), folder.shared_figures()],
        Stage::Report => vec![folder.summary(), folder.report_md(), folder.report_html()],
    }
}

fn read(path: &Path) -> Result<Marks> {
    match path.exists() {
        true => json::read(path),
        false => Ok(Marks::new()),
    }
}

fn write(path: &Path, marks: &Marks) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(Error::io(parent))?;
    }
    json::write(path, marks)?;
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
