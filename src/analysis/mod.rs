//! What the latents mean: regressions on the true state, the learned law in physical units, prediction, imputation.

use crate::figures::Figure;
use serde::{Deserialize, Serialize};

/// One number that an analysis found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Path of the number: `velocity_r2/smoothed`. Rows and columns of tables over seeds are made from it.
    pub name: String,
    /// The number.
    pub value: f64,
    /// 95 % bootstrap interval over held-out sequences, where there is one.
    pub interval: Option<(f64, f64)>,
    /// Unit: `1`, `px`, `px/s`, `nats/frame`.
    pub unit: String,
}

/// A metric explained by its formula.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    /// The metric's name in the tables.
    pub name: String,
    /// Formula in plain text (Unicode letters, no TeX).
    pub formula: String,
    /// What it says, in one sentence.
    pub meaning: String,
}

/// A table of text; numbers are formatted by whoever fills it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// What the table shows, one line.
    pub caption: String,
    /// Column heads.
    pub columns: Vec<String>,
    /// Rows, each as long as `columns`.
    pub rows: Vec<Vec<String>>,
}

/// A figure with its name and caption.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NamedFigure {
    /// File name without ending: `probe_scatter`.
    pub name: String,
    /// First sentence: the question; then what is drawn, n, and what bands mean.
    pub caption: String,
    /// The data.
    pub figure: Figure,
}

/// What one analysis found for one trained model: saved as `<analysis>.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The analysis' registered name.
    pub analysis: String,
    /// The question it answers, one sentence.
    pub question: String,
    /// The answer with its main number, one sentence.
    pub answer: String,
    /// All numbers.
    pub metrics: Vec<Metric>,
    /// Formulas of the numbers.
    pub definitions: Vec<Definition>,
    /// Tables for the report.
    pub tables: Vec<Table>,
    /// Figures for the report.
    pub figures: Vec<NamedFigure>,
}
