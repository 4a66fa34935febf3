//! What a file asks for: one experiment, or the runs of its sweep.

use super::Experiment;
use super::problem::Problem;
use super::set;
use super::sources::{Page, Sources, read_text};
use super::sweep::{Run, Sweep};
use crate::error::{Error, Result};
use std::path::Path;

/// An experiment file with all its runs.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The experiment without the values that a sweep varies.
    pub experiment: Experiment,
    /// The runs of its sweep, in order; empty without one.
    pub runs: Vec<PlannedRun>,
}

/// One run of a sweep.
#[derive(Clone, Debug)]
pub struct PlannedRun {
    /// Its folder within that of the experiment: the values that differ, `latent-4_peak-0.001`.
    pub name: String,
    /// What the sweep varies, by path, and its values here.
    pub varied: Vec<(String, serde_yaml::Value)>,
    /// With its values.
    pub experiment: Experiment,
}

impl Plan {
    /// Reads a file as [`Experiment::load`] does, and every run of its sweep.
    ///
    /// # Errors
    /// As [`Experiment::load`]; the mistakes of all runs at once.
    pub fn load(path: &Path, sets: &[String]) -> Result<Self> {
        Self::parse(&read_text(path)?, &path.display().to_string(), sets)
    }

    /// The text of a file with all that it extends in it: it reads to the same plan, whatever becomes of those files.
    ///
    /// # Errors
    /// What is no YAML; a file that can't be read.
    pub fn frozen(path: &Path) -> Result<String> {
        let sources = Sources::read(&read_text(path)?, &path.display().to_string())?;
        serde_yaml::to_string(&sources.merged())
            .map_err(|e| Error::file(path, format!("can't be written as YAML: {e}")))
    }

    /// The same from text; `file` is how messages call it.
    ///
    /// # Errors
    /// As [`Plan::load`].
    pub fn parse(text: &str, file: &str, sets: &[String]) -> Result<Self> {
        let sources = Sources::read(text, file)?;
        let overrides = set::parse(sets)?;
        let written = Experiment::written(&sources)?;
        let mut page = Page::default();
        let mut tell =
            |problems: Vec<Problem>, sets: &[_]| sources.tell(&problems, sets, &mut page);
        let experiment = written.resolved(&sources, &overrides);
        let experiment = experiment
            .map_err(|problems| tell(problems, &overrides))
            .ok();
        let mut runs = Vec::new();
        for Run { name, sets } in Self::sweep(&sources)? {
            let twice = overrides
                .iter()
                .find(|o| sets.iter().any(|s| s.overlaps(o)));
            if let Some(twice) = twice {
                let message = "the sweep of this experiment varies it";
                tell(vec![Problem::value(twice.path(), message)], &overrides);
                break;
            }
            let all = [&overrides[..], &sets].concat();
            match written.resolved(&sources, &all) {
                Ok(experiment) => runs.push(PlannedRun {
                    name,
                    varied: sets.into_iter().map(|s| (s.path(), s.value)).collect(),
                    experiment,
                }),
                Err(problems) => tell(problems, &all),
            }
        }
        match experiment {
            Some(experiment) if page.is_empty() => Ok(Self { experiment, runs }),
            _ => Err(page.error()),
        }
    }

    fn sweep(sources: &Sources) -> Result<Vec<Run>> {
        let merged = sources.merged();
        let Some(sweep) = merged.get("sweep").filter(|value| !value.is_null()) else {
            return Ok(Vec::new());
        };
        let complain = |text: String| {
            let (path, message) = text.split_once(": ").unwrap_or(("sweep", &text));
            sources.page(&[Problem::value(path, message)], &[])
        };
        let sweep: Sweep = serde_yaml::with::singleton_map_recursive::deserialize(sweep.clone())
            .map_err(|e| complain(format!("sweep: {e}")))?;
        sweep.runs().map_err(|e| complain(e.to_string()))
    }
}
