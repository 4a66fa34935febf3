//! `kinostate compare`: the same numbers of several runs in one table, with the differences that hold, and their training curves.

use super::numbers;
use super::summary::{ModelSummary, READOUTS, Spread, Summary};
use crate::analysis::{Kinematics, readout};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::experiment::{Experiment, Stage};
use crate::figures::{Curves, Figure, Look, Panel, Series};
use crate::measure::bootstrap::Estimate;
use crate::measure::compare::{FEWEST_SEEDS, difference, difference_of_seeds, is_significant};
use crate::measure::scores::Scores;
use crate::run::{RunFolder, dataset, run_folders, study};
use crate::seeds::Seeds;
use crate::store::{atomic::write_atomic, json};
use crate::train::Record;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Several runs side by side; the first row is what the others are compared with.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Heads of the columns, with units.
    pub columns: Vec<String>,
    /// One a model of a run.
    pub rows: Vec<Row>,
    /// Runs without a report, which are left out.
    pub left_out: Vec<String>,
    #[serde(skip)]
    curves: Curves,
}

/// One model of one run.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The run's folder, and the model where a run has several.
    pub name: String,
    /// One a column; none where the model has no such number.
    pub cells: Vec<Option<Cell>>,
}

/// One number.
#[derive(Clone, Debug, Serialize)]
pub struct Cell {
    /// Mean over seeds.
    pub mean: f64,
    /// Sample standard deviation over seeds (n - 1); none for one.
    pub sd: Option<f64>,
    /// Training seeds.
    pub n: usize,
    /// Mean less that of the first row.
    pub difference: Option<f64>,
    /// Its 95 % interval of a paired bootstrap over training seeds and held-out sequences, where there is enough to draw from.
    pub interval: Option<(f64, f64)>,
    /// Whether that interval leaves out zero.
    pub significant: bool,
    #[serde(skip)]
    unit: String,
}

/// Which numbers are compared.
enum Column {
    /// R² of positions or velocities from the best informed latents.
    Readout(&'static str),
    /// Any metric by its name.
    Metric(String),
}

/// A model of a run while it is compared.
struct Entry {
    name: String,
    model: ModelSummary,
    seeds: Vec<u64>,
    /// Two models are compared by the same sequences.
    data: String,
    /// By kind of quantity: each seed's scores, the columns of the states, and how many sequences there are. Empty where the latents
    /// are gone.
    scores: Vec<Scores>,
    kinematics: Option<Kinematics>,
    sequences: usize,
    curves: BTreeMap<String, Vec<(f64, f64)>>,
}

/// Compares run folders, or all runs below folders, by R² of positions and velocities, ELBO, and the metrics named `more`.
///
/// # Errors
/// Folders without runs, a metric that no run has, files that can't be read.
pub fn compare(paths: &[PathBuf], more: &[String]) -> Result<Comparison> {
    let mut folders = Vec::new();
    for path in paths {
        let found = run_folders(path)?;
        if found.is_empty() {
            return Err(Error::file(
                path,
                "expected a run folder or a folder of runs, got none",
            ));
        }
        folders.extend(found);
    }
    let (mut entries, mut left_out) = (Vec::new(), Vec::new());
    let names = labels(&folders);
    for (folder, name) in folders.iter().zip(names) {
        match folder.summary().exists() {
            true => entries.extend(read(folder, &name)?),
            false => left_out.push(name),
        }
    }
    let Some(first) = entries.first() else {
        let message =
            "expected runs with a report, got none; `kinostate list` tells how far they are";
        return Err(Error::Experiment(format!("compare: {message}")));
    };
    let mut columns = vec![
        Column::Readout("position_r2"),
        Column::Readout("velocity_r2"),
    ];
    columns.push(Column::Metric("elbo_nats_per_frame".into()));
    for name in more {
        if !entries.iter().any(|entry| entry.model.get(name).is_some()) {
            let known = entries.iter().flat_map(|e| e.model.metrics.values());
            let mut known: Vec<&str> = known.flat_map(|of| of.keys()).map(String::as_str).collect();
            known.sort_unstable();
            known.dedup();
            return Err(Error::Experiment(format!(
                "--metric {name}: expected one of {}",
                known.join(", ")
            )));
        }
        columns.push(Column::Metric(name.clone()));
    }
    let rows = entries.iter().map(|entry| Row {
        name: entry.name.clone(),
        cells: columns
            .iter()
            .map(|column| column.cell(first, entry))
            .collect(),
    });
    Ok(Comparison {
        rows: rows.collect(),
        columns: columns.iter().map(|column| column.head(&entries)).collect(),
        left_out,
        curves: curves(&entries),
    })
}

/// What tells the folders apart: their paths without what they have in common.
fn labels(folders: &[RunFolder]) -> Vec<String> {
    let parts = |folder: &RunFolder| -> Vec<String> {
        let all = folder.root().components();
        all.map(|part| part.as_os_str().to_string_lossy().into_owned())
            .collect()
    };
    let all: Vec<Vec<String>> = folders.iter().map(parts).collect();
    let shortest = all.iter().map(Vec::len).min().unwrap_or(0);
    let same = |i: &usize| all.iter().all(|one| one[*i] == all[0][*i]);
    let common = (0..shortest.saturating_sub(1)).take_while(same).count();
    all.iter().map(|one| one[common..].join("/")).collect()
}

fn read(folder: &RunFolder, name: &str) -> Result<Vec<Entry>> {
    let summary: Summary = json::read(folder.summary())?;
    let experiment = Experiment::load(&folder.config(), &[])?;
    let several = summary.models.len() > 1;
    let entry = |(model, numbers): (&String, &ModelSummary)| {
        let (scores, kinematics, sequences) =
            scores(&experiment, folder, model, &summary.seeds).unwrap_or_default();
        Ok(Entry {
            name: match several {
                true => format!("{name} {model}"),
                false => name.to_string(),
            },
            model: numbers.clone(),
            seeds: summary.seeds.clone(),
            data: experiment.stage_digest(Stage::Generate)?,
            scores,
            kinematics,
            sequences,
            curves: logged(folder, model, &summary.seeds)?,
        })
    };
    summary.models.iter().map(entry).collect()
}

/// Scores of every seed, where its latents and the dataset are still there.
fn scores(
    experiment: &Experiment,
    folder: &RunFolder,
    model: &str,
    seeds: &[u64],
) -> Option<(Vec<Scores>, Option<Kinematics>, usize)> {
    let data = Dataset::open(&dataset(experiment, folder)).ok()?;
    let kinematics = Kinematics::of(data.state_columns()).ok()?;
    let mut all = Vec::new();
    for &seed in seeds {
        let study = study(experiment, &data, model, seed, folder).ok()?;
        let kind = readout::best(&study)?;
        let decoder = readout::decoder(&study, kind).ok()??;
        let decoded = decoder.decode(study.test.latents.get(kind)?).ok()?;
        all.push(Scores::new(&decoded, &study.test.states).ok()?);
    }
    Some((all, Some(kinematics), data.split("test").ok()?.len()))
}

/// Training curves, means over the seeds that logged a step.
fn logged(
    folder: &RunFolder,
    model: &str,
    seeds: &[u64],
) -> Result<BTreeMap<String, Vec<(f64, f64)>>> {
    let mut sums: BTreeMap<String, BTreeMap<u64, (f64, usize)>> = BTreeMap::new();
    for &seed in seeds {
        let path = folder.training(model, seed);
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        for line in text.lines() {
            let record: Record =
                serde_json::from_str(line).map_err(|e| Error::file(&path, e.to_string()))?;
            for (name, value) in record.values {
                let place = sums
                    .entry(name)
                    .or_default()
                    .entry(record.step)
                    .or_default();
                *place = (place.0 + value, place.1 + 1);
            }
        }
    }
    let mean = |(step, (sum, n)): (u64, (f64, usize))| (step as f64, sum / n as f64);
    let curve =
        |(name, steps): (String, BTreeMap<_, _>)| (name, steps.into_iter().map(mean).collect());
    Ok(sums.into_iter().map(curve).collect())
}

impl Column {
    fn head(&self, entries: &[Entry]) -> String {
        match self {
            Self::Readout("position_r2") => "position R²".into(),
            Self::Readout(_) => "velocity R²".into(),
            Self::Metric(name) if name == "elbo_nats_per_frame" => "test ELBO (nats/frame)".into(),
            Self::Metric(name) => {
                let found = entries.iter().find_map(|entry| entry.model.get(name));
                match found.map_or("1", |spread| &spread.unit) {
                    "1" => name.clone(),
                    unit => format!("{name} ({unit})"),
                }
            }
        }
    }

    fn spread<'a>(&self, entry: &'a Entry) -> Option<&'a Spread> {
        match self {
            Self::Readout(quantity) => {
                let of = match *quantity {
                    "position_r2" => &entry.model.position_r2,
                    _ => &entry.model.velocity_r2,
                };
                READOUTS.iter().find_map(|kind| of.get(*kind))
            }
            Self::Metric(name) => entry.model.get(name),
        }
    }

    fn cell(&self, first: &Entry, entry: &Entry) -> Option<Cell> {
        let spread = self.spread(entry)?;
        let mut cell = Cell {
            mean: spread.mean,
            sd: spread.sd,
            n: spread.n(),
            difference: None,
            interval: None,
            significant: false,
            unit: spread.unit.clone(),
        };
        if let (false, Some(reference)) = (std::ptr::eq(first, entry), self.spread(first)) {
            let found = self.difference(first, entry, reference, spread);
            cell.significant = is_significant(&found);
            cell.difference = Some(found.value);
            cell.interval = found.interval;
        }
        Some(cell)
    }

    fn difference(&self, first: &Entry, entry: &Entry, a: &Spread, b: &Spread) -> Estimate {
        let seeds = Seeds::new(0);
        let drawable = first.data == entry.data && first.sequences == entry.sequences;
        let both = !first.scores.is_empty() && !entry.scores.is_empty();
        if let (Self::Readout(quantity), true, Some(kinematics)) =
            (self, drawable && both, &entry.kinematics)
        {
            let group = match *quantity {
                "position_r2" => &kinematics.positions,
                _ => &kinematics.velocities,
            };
            let score = |scores: &Scores, drawn: &[u32]| scores.r2(group, drawn);
            return difference(&first.scores, &entry.scores, entry.sequences, score, &seeds);
        }
        // By seeds that both have.
        let value = |entry: &Entry, of: &Spread, seed: u64| {
            let place = entry.seeds.iter().position(|s| *s == seed)?;
            of.values.get(place).copied().flatten()
        };
        let pairs = first
            .seeds
            .iter()
            .filter_map(|&seed| Some((value(first, a, seed)?, value(entry, b, seed)?)));
        let (a_values, b_values): (Vec<f64>, Vec<f64>) = pairs.unzip();
        match a_values.len() >= FEWEST_SEEDS {
            true => difference_of_seeds(&a_values, &b_values, &seeds),
            false => Estimate::point(b.mean - a.mean),
        }
    }
}

/// Colours of runs, each with four dashes. Here a colour means a run and nothing else.
const LOOKS: [Look; 6] = [
    Look::Filtered,
    Look::Prediction,
    Look::Smoothed,
    Look::Encoder,
    Look::Published,
    Look::Truth,
];
/// Runs that can be told apart in one figure.
const DRAWN: usize = 4 * LOOKS.len();

fn curves(entries: &[Entry]) -> Curves {
    let best = |entry: &Entry, quantity: &str| {
        let name = |kind: &str| format!("validation/{quantity}_{kind}");
        let names = READOUTS.iter().map(|kind| name(kind));
        names
            .into_iter()
            .find(|name| entry.curves.contains_key(name))
    };
    let panel = |y_label: &str, name: &dyn Fn(&Entry) -> Option<String>| {
        let series = entries
            .iter()
            .take(DRAWN)
            .enumerate()
            .filter_map(|(i, entry)| {
                let points = entry.curves.get(&name(entry)?)?;
                let (x, y) = points.iter().copied().unzip();
                Some(Series {
                    label: entry.name.clone(),
                    look: LOOKS[i % LOOKS.len()],
                    x,
                    y,
                    low: Vec::new(),
                    high: Vec::new(),
                })
            });
        Panel {
            x_label: "step".into(),
            y_label: y_label.into(),
            series: series.collect(),
            y_range: None,
        }
    };
    let panels = vec![
        panel("validation ELBO (nats/frame)", &|_| {
            Some("validation/elbo".into())
        }),
        panel("position R²", &|entry| best(entry, "position_r2")),
        panel("velocity R²", &|entry| best(entry, "velocity_r2")),
    ];
    let filled = panels.into_iter().filter(|panel| !panel.series.is_empty());
    Curves {
        panels: filled.collect(),
    }
}

impl Comparison {
    /// The table with its note, as Markdown that also reads well in a terminal.
    pub fn text(&self) -> String {
        let mut rows = vec![[&["run".to_string()][..], &self.columns].concat()];
        for row in &self.rows {
            let cells = row.cells.iter().map(|cell| match cell {
                Some(cell) => cell.text(),
                None => "–".into(),
            });
            rows.push([row.name.clone()].into_iter().chain(cells).collect());
        }
        let width = |i: usize| {
            rows.iter()
                .map(|row| row[i].chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
        let mut out = String::new();
        for (i, row) in rows.iter().enumerate() {
            let cells = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell}{}", " ".repeat(width - cell.chars().count())));
            out += &format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "));
            if i == 0 {
                let rules = widths.iter().map(|width| "-".repeat(*width));
                out += &format!("|-{}-|\n", rules.collect::<Vec<_>>().join("-|-"));
            }
        }
        out += &format!(
            "\nMean ± standard deviation over n training seeds (n); Δ: difference from the first row with its 95 % interval by a paired bootstrap \
             over training seeds and held-out sequences, where both have the same data and their latents are there, otherwise over at least \
             {FEWEST_SEEDS} common seeds; * marks intervals without zero, not corrected for the number of comparisons; with one seed it is about these trained models, not about other \
             seeds. R² from the best \
             informed latents (smoothed, filtered, encoder).\n"
        );
        if !self.left_out.is_empty() {
            out += &format!(
                "Without a report, so left out: {}.\n",
                self.left_out.join(", ")
            );
        }
        out
    }

    /// Writes `compare.md`, `compare.json` and the overlaid training curves, `compare.svg` and `compare.png`, into a folder.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn write(&self, dir: &Path) -> Result<()> {
        std::fs::create_dir_all(dir).map_err(Error::io(dir))?;
        let figure = Figure::Curves(self.curves.clone());
        let drawn = match self.rows.len() > DRAWN {
            true => format!(" The first {DRAWN} runs."),
            false => String::new(),
        };
        let text = format!(
            "{}\n![training curves](compare.svg)\n\n*How did training go? Values on validation sequences over optimiser steps, means over seeds; a colour is a run.{drawn}*\n",
            self.text()
        );
        write_atomic(dir.join("compare.svg"), figure.svg()?.as_bytes())?;
        write_atomic(dir.join("compare.png"), &figure.png()?)?;
        write_atomic(dir.join("compare.md"), text.as_bytes())?;
        json::write(dir.join("compare.json"), self).map(drop)
    }
}

impl Cell {
    /// `0.917 ± 0.012 (3), Δ +0.010 [0.004, 0.015]*`.
    fn text(&self) -> String {
        let spread = Spread {
            mean: self.mean,
            sd: self.sd,
            values: Vec::new(),
            unit: self.unit.clone(),
            interval: None,
        };
        let number = |value: f64| numbers::number(value, &self.unit);
        let mut text = format!("{} ({})", numbers::brief(&spread), self.n);
        if let Some(difference) = self.difference {
            let sign = if difference > 0.0 { "+" } else { "" };
            text += &format!(", Δ {sign}{}", number(difference));
        }
        if let Some((low, high)) = self.interval {
            text += &format!(" [{}, {}]", number(low), number(high));
        }
        if self.significant {
            text.push('*');
        }
        text
    }
}
