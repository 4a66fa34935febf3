//! The plot stage: every figure of every finding, drawn from its JSON.

use super::projector;
use crate::analysis::{Finding, NamedFigure};
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::interrupt;
use crate::progress::Progress;
use crate::run::{RunFolder, dataset};
use crate::store::events::{Events, Summary};
use crate::store::{atomic::write_atomic, json};
use crate::train::EVENTS;
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::path::Path;

/// Draws the figures of one model and seed as `figures/<name>.svg` and `.png`, film strips also as `.gif`; latents for
/// TensorBoard's projector beside them.
///
/// # Errors
/// A finding that can't be read, two figures of one name, a figure whose arrays do not fit.
pub fn plot(
    experiment: &Experiment,
    model: &str,
    seed: u64,
    folder: &RunFolder,
    progress: &Progress,
) -> Result<()> {
    let mut figures = Vec::new();
    let mut names = BTreeSet::new();
    for analysis in experiment.analysis_names() {
        let path = folder.finding(model, seed, analysis);
        let finding: Finding = json::read(&path)?;
        for figure in finding.figures {
            if !names.insert(figure.name.clone()) {
                let message = format!(
                    "expected figures of different names, got {} twice",
                    figure.name
                );
                return Err(Error::file(path, message));
            }
            figures.push(figure);
        }
    }
    let dir = folder.figures(model, seed);
    draw(&dir, &figures, progress)?;
    let latents = folder.split(model, seed, "test");
    projector::write(&dir, &latents, &dataset(experiment, folder))
}

/// Draws figures into a folder, also as a TensorBoard event file.
///
/// # Errors
/// A figure whose arrays do not fit; a file that can't be written.
pub(super) fn draw(dir: &Path, figures: &[NamedFigure], progress: &Progress) -> Result<()> {
    std::fs::create_dir_all(dir).map_err(Error::io(dir))?;
    let bar = progress.bar("plot", figures.len() as u64, "figures");
    let draw = |named: &NamedFigure| {
        interrupt::check()?;
        let file = |ending: &str| dir.join(format!("{}.{ending}", named.name));
        let named_error = |e: Error| Error::file(file("svg"), e.to_string());
        write_atomic(
            file("svg"),
            named.figure.svg().map_err(named_error)?.as_bytes(),
        )?;
        let png = named.figure.png().map_err(named_error)?;
        write_atomic(file("png"), &png)?;
        if let Some(gif) = named.figure.gif().map_err(named_error)? {
            write_atomic(file("gif"), &gif)?;
        }
        bar.advance(1);
        Ok(Summary::png(png).map(|png| (named.name.clone(), png)))
    };
    let drawn: Vec<Option<_>> = figures.par_iter().map(draw).collect::<Result<_>>()?;
    let drawn: Vec<(String, Summary)> = drawn.into_iter().flatten().collect();
    Events::anew(dir.join(EVENTS)).append(0, &drawn)
}
