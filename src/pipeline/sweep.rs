//! The runs of a sweep: one after the other, each in a folder of its own; data that are the same are made once.
//!
//! ```text
//! results/<name>/<run>/              a run folder like any other
//! results/<name>/<run>/data -> ../data/<digest>
//! results/<name>/data/<digest>/      a dataset, for all runs whose data section is the same
//! ```

use super::{Options, Step, steps};
use crate::data::DataSource;
use crate::error::{Error, Result};
use crate::experiment::{Experiment, Plan, PlannedRun, Stage};
use crate::progress::Progress;
use crate::run::RunFolder;
use crate::store::hparams::{self, Setting};
use indexmap::IndexMap;
use serde_yaml::Value;
use std::path::{Path, PathBuf};

/// Runs some steps of the chain for every run of a sweep, or for those named `only`. A run that fails does not stop the others; one that is
/// finished is not run again.
///
/// # Errors
/// A name that no run has; how many runs failed, once all others are finished; [`Error::Interrupted`] at once.
pub fn sweep(plan: &Plan, options: &Options, asked: &[Step], only: &[String]) -> Result<PathBuf> {
    let root = root_of(plan, options.out.as_deref());
    for name in only {
        if !plan.runs.iter().any(|run| run.name == *name) {
            let known: Vec<&str> = plan.runs.iter().map(|run| run.name.as_str()).collect();
            return Err(Error::Experiment(format!(
                "--only {name}: expected a run of the sweep, one of `{}`",
                known.join("`, `")
            )));
        }
    }
    let chosen = |run: &&PlannedRun| only.is_empty() || only.contains(&run.name);
    let runs: Vec<&PlannedRun> = plan.runs.iter().filter(chosen).collect();
    let progress = Progress::new(options.quiet, None)?;
    let mut failed = Vec::new();
    for (i, run) in runs.iter().enumerate() {
        let name = &run.name;
        progress.say(&format!("run {} of {}: {name}", i + 1, runs.len()));
        let folder = RunFolder::new(root.join(name));
        let options = Options {
            out: Some(folder.root().to_path_buf()),
            command: format!("{} --only {name}", options.command),
            ..options.clone()
        };
        let outcome =
            share_data(&root, run, &folder).and_then(|()| steps(&run.experiment, &options, asked));
        let outcome = outcome.and_then(|_| hparams(run, &folder));
        match outcome {
            Ok(()) => {}
            Err(Error::Interrupted(message)) => {
                return Err(Error::Interrupted(format!("{name}: {message}")));
            }
            Err(error) => {
                progress.say(&format!("{name}: failed: {error}"));
                failed.push(format!("{name}: {error}"));
            }
        }
    }
    match failed.is_empty() {
        true => Ok(root),
        false => Err(Error::file(
            root,
            format!(
                "{} of {} runs failed, the others are finished:\n{}",
                failed.len(),
                runs.len(),
                failed.join("\n")
            ),
        )),
    }
}

/// The folder of an experiment, or of all its runs.
pub(super) fn root_of(plan: &Plan, out: Option<&Path>) -> PathBuf {
    match out {
        Some(out) => out.to_path_buf(),
        None => Path::new("results").join(&plan.experiment.name),
    }
}

/// Where the runs of a sweep with the same data section keep their dataset.
pub(super) fn shared_data(root: &Path, experiment: &Experiment) -> Result<PathBuf> {
    Ok(root.join(place(experiment)?))
}

/// The same below the folder of all runs.
fn place(experiment: &Experiment) -> Result<PathBuf> {
    let digest = experiment.stage_digest(Stage::Generate)?;
    Ok(Path::new("data").join(&digest[..12]))
}

/// Tells TensorBoard the values that the sweep varies, in the folder of every model and seed that is trained. They are the
/// same however many runs the sweep has.
pub(super) fn hparams(run: &PlannedRun, folder: &RunFolder) -> Result<()> {
    let mut own = IndexMap::new();
    for (path, value) in &run.varied {
        flatten(path, value, &mut own);
    }
    for model in run.experiment.models.keys() {
        for &seed in &run.experiment.seeds {
            if !folder.training(model, seed).exists() {
                continue;
            }
            let mut settings = vec![
                ("model".to_string(), Setting::Text(model.clone())),
                ("seed".to_string(), Setting::Number(seed as f64)),
            ];
            settings.extend(own.iter().map(|(key, value)| (key.clone(), value.clone())));
            hparams::write(&folder.model(model, seed), &settings)?;
        }
    }
    Ok(())
}

/// The values of a tree by their paths, `train.learning_rate.peak`; a list is a word.
fn flatten(at: &str, value: &Value, out: &mut IndexMap<String, Setting>) {
    let setting = match value {
        Value::Mapping(map) => {
            for (key, value) in map {
                let key = key.as_str().unwrap_or("?");
                let path = match at {
                    "" => key.to_string(),
                    at => format!("{at}.{key}"),
                };
                flatten(&path, value, out);
            }
            return;
        }
        Value::Tagged(tagged) => return flatten(at, &tagged.value, out),
        Value::Null => Setting::Text("null".into()),
        Value::Bool(switch) => Setting::Switch(*switch),
        Value::Number(number) => Setting::Number(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => Setting::Text(text.clone()),
        list => Setting::Text(serde_json::to_string(list).unwrap_or_default()),
    };
    out.insert(at.into(), setting);
}

/// Makes the run's data folder a link to the one of all runs with the same data.
pub(super) fn share_data(root: &Path, run: &PlannedRun, folder: &RunFolder) -> Result<()> {
    if !matches!(run.experiment.data, DataSource::Simulated(_)) {
        return Ok(());
    }
    let place = place(&run.experiment)?;
    let (shared, link) = (root.join(&place), folder.data());
    std::fs::create_dir_all(&shared).map_err(Error::io(&shared))?;
    std::fs::create_dir_all(folder.root()).map_err(Error::io(folder.root()))?;
    let target = Path::new("..").join(&place);
    match std::fs::read_link(&link) {
        Ok(there) if there == target => return Ok(()),
        // Of an earlier configuration.
        Ok(_) => std::fs::remove_file(&link).map_err(Error::io(&link))?,
        // A dataset of its own stays.
        Err(_) if link.exists() => return Ok(()),
        Err(_) => {}
    }
    symlink(&target, &link)
}

#[cfg(unix)]
fn symlink(target: &Path, link: &Path) -> Result<()> {
    std::os::unix::fs::symlink(target, link).map_err(Error::io(link))
}

/// Where links are not for everyone, every run makes its own data.
#[cfg(not(unix))]
fn symlink(_: &Path, _: &Path) -> Result<()> {
    Ok(())
}
