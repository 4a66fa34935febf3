//! `kinostate list`: the run folders below a folder, how far each is, and its main numbers; what was submitted.

use super::jobs::jobs;
use super::title;
use crate::error::Result;
use crate::experiment::{Experiment, Stage};
use crate::report::Summary;
use crate::run::{RunFolder, done, run_folders};
use crate::store::json;
use std::path::Path;

/// A table of all run folders below `dir`: state and main numbers; below it the tasks of submissions that wait, run or failed.
///
/// # Errors
/// A folder that can't be read. What a run folder holds wrong is told in its row.
pub fn list(dir: &Path) -> Result<String> {
    let mut rows = vec![["run", "state", "results (mean ± sd over seeds, n)"].map(String::from)];
    let folders = run_folders(dir)?;
    for folder in &folders {
        let name = match folder.root().strip_prefix(dir) {
            Ok(name) if name.as_os_str().is_empty() => folder.root().display().to_string(),
            Ok(name) => name.display().to_string(),
            Err(_) => folder.root().display().to_string(),
        };
        let state = match state(folder) {
            Ok(state) => state,
            Err(error) => {
                let text = error.to_string();
                format!("unreadable: {}", text.lines().next().unwrap_or_default())
            }
        };
        let lines = match folder.summary().exists() {
            true => json::read::<Summary>(folder.summary())
                .map_or_else(|error| vec![error.to_string()], |summary| summary.lines()),
            false => vec!["–".into()],
        };
        let mut lines = lines.into_iter();
        rows.push([name, state, lines.next().unwrap_or_default()]);
        rows.extend(lines.map(|line| [String::new(), String::new(), line]));
    }
    let jobs = jobs(dir)?;
    Ok(match folders.is_empty() {
        true => format!("{}: no runs\n{jobs}", dir.display()),
        false => aligned(&rows) + &jobs,
    })
}

/// Rows with their columns below each other.
pub(super) fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |i: usize| {
        rows.iter()
            .map(|row| row[i].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut out = String::new();
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| {
            let pad = width - cell.chars().count();
            format!("{cell}{}", " ".repeat(pad))
        });
        out += cells.collect::<Vec<_>>().join("  ").trim_end();
        out.push('\n');
    }
    out
}

/// "done", "running", or the first stage that is missing and how many are there.
fn state(folder: &RunFolder) -> Result<String> {
    let experiment = Experiment::load(&folder.config(), &[])?;
    let mut stages = vec![Stage::Generate, Stage::Baselines];
    for model in experiment.models.keys() {
        for &seed in &experiment.seeds {
            stages.extend([Stage::Train(model, seed), Stage::Encode(model, seed)]);
            if experiment.rollout.is_some() {
                stages.push(Stage::Rollout(model, seed));
            }
            stages.extend([Stage::Analyze(model, seed), Stage::Plot(model, seed)]);
        }
        if experiment.seeds.len() > 1 {
            stages.push(Stage::Agreement(model));
        }
    }
    let running = folder.is_taken();
    let (mut finished, mut next) = (0, None);
    for &stage in &stages {
        match done::state(&experiment, stage, folder)? {
            done::State::Done => finished += 1,
            _ => next = next.or(Some(stage)),
        }
    }
    let all = stages.len();
    // A clone of a repository holds reports without what they were made from.
    if finished == 0 && !running && folder.summary().exists() {
        return Ok("report only: its data and models are not here".into());
    }
    Ok(match (next, running) {
        (None, false) if folder.summary().exists() => "done".into(),
        (None, false) => "no report yet".into(),
        (Some(next), false) => format!(
            "stopped before {} ({finished} of {all} stages)",
            title(next)
        ),
        (Some(next), true) => format!("running {} ({finished} of {all} stages)", title(next)),
        (None, true) => "running report".into(),
    })
}
