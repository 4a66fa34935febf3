//! What a path holds, for people: run folders, findings, experiments, and whatever the data room knows.

use crate::analysis::Finding;
use crate::data;
use crate::error::{Error, Result};
use crate::experiment::{Experiment, Stage};
use crate::figures;
use crate::run::done::{self, State};
use crate::run::{About, RunFolder, dataset};
use crate::store::{atomic::write_atomic, json};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Sequences drawn by [`inspect_frames`], and columns of a sheet.
const SEQUENCES: usize = 8;
/// Pixels a pixel.
const ZOOM: usize = 4;

// Writing to a String never fails, so results of write! are not looked at in this file.

/// Describes a run folder, a finding, an experiment file, a dataset, latents, weights or an array.
///
/// # Errors
/// Anything else, or something damaged.
pub fn inspect(path: &Path) -> Result<String> {
    let folder = RunFolder::new(path);
    let ending = path.extension().and_then(|ending| ending.to_str());
    match ending {
        _ if folder.config().exists() => run_folder(&folder),
        Some("yaml" | "yml") => Experiment::load(path, &[])?.to_yaml(),
        Some("json") => Ok(finding(&json::read(path)?)),
        _ => data::describe(path),
    }
}

/// The dataset folder that is meant by a path: itself, or that of a run folder.
///
/// # Errors
/// A run folder whose configuration can't be read.
pub fn dataset_folder(path: &Path) -> Result<PathBuf> {
    let folder = RunFolder::new(path);
    match folder.config().exists() {
        true => Ok(dataset(&Experiment::load(&folder.config(), &[])?, &folder)),
        false => Ok(path.to_path_buf()),
    }
}

/// Draws the first sequences of a dataset (or of a run folder's) to `file`: moving as .gif, as a sheet as .png.
///
/// # Errors
/// Not a dataset, another ending, a file that can't be written.
pub fn inspect_frames(path: &Path, file: &Path) -> Result<String> {
    let ending = file.extension().and_then(|ending| ending.to_str());
    if !matches!(ending, Some("gif" | "png")) {
        let message = format!(
            "--frames {}: expected a file that ends in .gif or .png",
            file.display()
        );
        return Err(Error::Experiment(message));
    }
    let dir = dataset_folder(path)?;
    let sheet = data::frames_for_sheet(&dir, "test", SEQUENCES)?;
    let [channels, height, width] = sheet.frame_shape;
    let n = sheet.sequences.len();
    let frames = sheet.sequences.first().map_or(0, Vec::len) / (channels * height * width).max(1);
    let bytes = if ending == Some("gif") {
        let wide = side_by_side(&sheet.sequences, frames * channels * height, width);
        let size = [frames, channels, height, n * (width + 1) - 1];
        figures::clip_gif(&wide, size, ZOOM, sheet.dt)?
    } else {
        let size = [n * frames, channels, height, width];
        figures::contact_sheet(&sheet.sequences.concat(), size, frames, ZOOM)?
    };
    write_atomic(file, &bytes)?;
    Ok(format!(
        "{}: {n} test sequences of {frames} frames, {width} x {height} px\n",
        file.display()
    ))
}

/// Sequences (T, C, H, W), `lines` of `width` in all, as one clip, a grey line between neighbours.
fn side_by_side(sequences: &[Vec<u8>], lines: usize, width: usize) -> Vec<u8> {
    let mut clip = Vec::new();
    for row in 0..lines {
        for (i, sequence) in sequences.iter().enumerate() {
            if i > 0 {
                clip.push(128);
            }
            clip.extend_from_slice(&sequence[row * width..(row + 1) * width]);
        }
    }
    clip
}

fn run_folder(folder: &RunFolder) -> Result<String> {
    let experiment = Experiment::load(&folder.config(), &[])?;
    let mut out = format!("{}: {}\n", experiment.name, experiment.question);
    if let Ok(about) = About::read(folder) {
        let _ = writeln!(out, "{}", about.command);
    }
    let mut line = |stage: Stage, what: &str| -> Result<()> {
        let state = match done::state(&experiment, stage, folder)? {
            State::Done => "done",
            State::Begun => "begun",
            State::Other => "done for another configuration",
            State::Shorter(_) => "done with fewer training steps",
            State::Missing => "-",
        };
        let _ = writeln!(out, "  {:<10} {what:<24} {state}", stage.name());
        Ok(())
    };
    line(Stage::Generate, "")?;
    line(Stage::Baselines, "")?;
    for model in experiment.models.keys() {
        for &seed in &experiment.seeds {
            let what = format!("{model}, seed {seed}");
            line(Stage::Train(model, seed), &what)?;
            line(Stage::Encode(model, seed), &what)?;
            if experiment.rollout.is_some() {
                line(Stage::Rollout(model, seed), &what)?;
            }
            line(Stage::Analyze(model, seed), &what)?;
            line(Stage::Plot(model, seed), &what)?;
        }
    }
    let report = folder.report_html();
    if report.exists() {
        let _ = writeln!(out, "report: {}", report.display());
    }
    Ok(out)
}

fn finding(finding: &Finding) -> String {
    let mut out = format!(
        "{}: {}\n{}\n",
        finding.analysis, finding.question, finding.answer
    );
    for metric in &finding.metrics {
        let _ = write!(
            out,
            "  {:<44} {:>12.6} {}",
            metric.name, metric.value, metric.unit
        );
        if let Some((low, high)) = metric.interval {
            let _ = write!(out, "  ({low:.6} to {high:.6})");
        }
        out.push('\n');
    }
    for figure in &finding.figures {
        let _ = writeln!(out, "  figure {}: {}", figure.name, figure.caption);
    }
    out
}
