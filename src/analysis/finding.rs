//! What an analysis hands on: numbers, their formulas, tables and figures.

use super::{Kinematics, Study};
use crate::error::Error;
use crate::figures::Figure;
use crate::measure::bootstrap::Estimate;
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
    /// What is wrong with the model, one sentence each: told in the log and at the head of the report.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl Finding {
    /// An empty finding that asks `question`.
    pub fn new(analysis: &str, question: &str) -> Self {
        Self {
            analysis: analysis.into(),
            question: question.into(),
            answer: String::new(),
            metrics: Vec::new(),
            definitions: Vec::new(),
            tables: Vec::new(),
            figures: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The finding of a model that lacks what the question is about: "not applicable: this model has no law".
    pub fn not_applicable(analysis: &str, question: &str, reason: &str) -> Self {
        Self {
            answer: format!("not applicable: {reason}"),
            ..Self::new(analysis, question)
        }
    }

    /// The finding of a question about pictures where frames are vectors.
    pub fn without_pictures(analysis: &str, question: &str) -> Self {
        let reason = "this dataset observes vectors, which are no pictures";
        Self::not_applicable(analysis, question, reason)
    }

    /// The finding of a dataset that lacks the true states the question is about.
    pub fn without_states(analysis: &str, question: &str, study: &Study) -> Self {
        let columns = &study.state_columns;
        let still = study.kinematics().err().map(|error| error.to_string());
        let still = still.filter(|_| Kinematics::of(columns).is_ok());
        let reason = match (columns.is_empty(), still) {
            (true, _) => "this dataset has no true states to compare with".to_string(),
            (_, Some(still)) => still,
            _ => {
                let names = columns.iter().map(|c| format!("{} ({})", c.name, c.unit));
                let names: Vec<_> = names.collect();
                format!(
                    "no velocity with its position among this dataset's state columns {}; a velocity's unit ends in /s",
                    names.join(", ")
                )
            }
        };
        Self::not_applicable(analysis, question, &reason)
    }

    /// The finding of an analysis that could not be made: everything else of the report goes on without it.
    pub fn failed(analysis: &str, error: &Error) -> Self {
        let mut finding = Self::not_applicable(
            analysis,
            &format!("What does the analysis {analysis} tell?"),
            &error.to_string(),
        );
        finding
            .warnings
            .push(format!("{analysis} could not be made: {error}"));
        finding
    }

    /// Leaves out whatever holds a value that is not finite, which JSON can't say, and names it: numbers, intervals, figures.
    pub fn keep_finite(&mut self) {
        self.metrics.retain(|metric| metric.value.is_finite());
        for metric in &mut self.metrics {
            let finite = |(low, high): &(f64, f64)| low.is_finite() && high.is_finite();
            metric.interval = metric.interval.filter(finite);
        }
        let readable = |figure: &NamedFigure| {
            let text = serde_json::to_string(figure).unwrap_or_default();
            serde_json::from_str::<NamedFigure>(&text).is_ok()
        };
        let (kept, lost): (Vec<_>, Vec<_>) = std::mem::take(&mut self.figures)
            .into_iter()
            .partition(readable);
        self.figures = kept;
        for figure in lost {
            self.warnings.push(format!(
                "{}: the figure {} is left out, it holds values that are not finite",
                self.analysis, figure.name
            ));
        }
    }

    /// Adds a number. One that is not finite (the R² of a constant column) has no meaning and is left out.
    pub fn metric(&mut self, name: impl Into<String>, estimate: Estimate, unit: &str) {
        if estimate.value.is_finite() {
            self.metrics.push(Metric {
                name: name.into(),
                value: estimate.value,
                interval: estimate.interval,
                unit: unit.into(),
            });
        }
    }

    /// Adds the formula of a number.
    pub fn define(&mut self, name: &str, formula: &str, meaning: &str) {
        self.definitions.push(Definition {
            name: name.into(),
            formula: formula.into(),
            meaning: meaning.into(),
        });
    }

    /// Adds a figure.
    pub fn figure(&mut self, name: &str, caption: String, figure: Figure) {
        self.figures.push(NamedFigure {
            name: name.into(),
            caption,
            figure,
        });
    }

    /// Value of the metric of this name.
    pub fn value(&self, name: &str) -> Option<f64> {
        let metric = self.metrics.iter().find(|m| m.name == name)?;
        Some(metric.value)
    }
}
