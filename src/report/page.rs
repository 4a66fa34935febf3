//! What the report says, in order, without any markup: Markdown and HTML are two ways of writing this down.

use super::gather::{ModelResults, Results};
use super::numbers;
use super::summary::{ModelSummary, READOUTS, Spread, Summary, columns_of};
use crate::analysis::{Definition, Finding, Metric, NamedFigure, Table};
use crate::error::Result;
use crate::experiment::Experiment;
use indexmap::IndexMap;

pub(super) struct Page {
    pub name: String,
    pub question: String,
    /// One a model: its main numbers.
    pub headlines: Vec<Headline>,
    /// The one figure of the first screen.
    pub telling: Option<Telling>,
    pub main: MainTable,
    /// All models together.
    pub ablation: Option<AnalysisPart>,
    pub models: Vec<ModelPart>,
    pub baselines: Option<AnalysisPart>,
    /// Every number over seeds.
    pub numbers: Table,
    pub definitions: Vec<Definition>,
    pub config: String,
    pub command: String,
    pub versions: Vec<(String, String)>,
}

/// The figure that answers the question at a glance, in the columns and units of the data: all models over training where
/// there are several, else the first model's decoded against true states, else what it draws.
pub(super) struct Telling {
    /// Whose it is; nothing where it is of all.
    pub model: Option<String>,
    pub figure: NamedFigure,
    /// Folder of the drawn figure, from the report's place.
    pub folder: String,
}

/// Figures of a model that may stand on the first screen, the most telling first.
const TELLING: [&str; 3] = ["probe_scatter", "filmstrip", "training"];

/// Takes the most telling figure out of its analysis, which says where it went.
fn telling(all: Option<&mut AnalysisPart>, models: &mut [ModelPart]) -> Option<Telling> {
    let take = |part: &mut AnalysisPart, name: Option<&str>, model: Option<&str>| {
        let found = |figure: &NamedFigure| name.is_none_or(|name| figure.name == name);
        let place = part.figures.iter().position(found)?;
        let folder = part.folder.clone()?;
        let note = part.note.take().map(|note| format!(" {note}"));
        part.note = Some(format!(
            "Its first figure stands at the head of this report.{}",
            note.unwrap_or_default()
        ));
        Some(Telling {
            model: model.map(str::to_string),
            figure: part.figures.remove(place),
            folder,
        })
    };
    if let Some(found) = all.and_then(|part| take(part, None, None)) {
        return Some(found);
    }
    let model = models.first_mut()?;
    TELLING.iter().find_map(|name| {
        let mut parts = model.analyses.iter_mut();
        parts.find_map(|part| take(part, Some(name), Some(&model.name)))
    })
}

/// The answer on the first screen.
pub(super) struct Headline {
    pub model: String,
    /// Kind and seeds.
    pub about: String,
    pub numbers: Vec<HeadlineNumber>,
    /// What the analyses of [`TOLD`] answer for the first seed.
    pub answers: Vec<String>,
}

pub(super) struct HeadlineNumber {
    pub value: String,
    pub name: String,
    /// The same number of a trivial baseline: the scale to read it on.
    pub reference: Option<String>,
    pub look: Look,
}

/// The analyses whose answers stand on the first screen, beside the probe's numbers.
const TOLD: [&str; 7] = [
    "law",
    "regimes",
    "horizon",
    "futures",
    "imputation",
    "calibration",
    "geometry",
];

/// The trivial baseline that knows as much as a read-out: frames up to t, or all frames.
const REFERENCES: [(&str, &str); 2] = [
    ("filtered", "centroid Kalman filter"),
    ("smoothed", "centroid RTS smoother"),
];

/// How a row or number is marked: the colours of the figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Encoder,
    Filtered,
    Smoothed,
    Control,
    Baseline,
    Plain,
}

/// Read-outs, controls and baselines in one table.
pub(super) struct MainTable {
    pub columns: Vec<String>,
    pub groups: Vec<(String, Vec<MainRow>)>,
    pub note: String,
}

pub(super) struct MainRow {
    pub name: String,
    pub look: Look,
    pub cells: Vec<String>,
}

pub(super) struct ModelPart {
    pub name: String,
    pub about: String,
    pub analyses: Vec<AnalysisPart>,
}

pub(super) struct AnalysisPart {
    pub name: String,
    pub question: String,
    /// With the seed in front where there are several.
    pub answers: Vec<String>,
    pub tables: Vec<Table>,
    pub figures: Vec<NamedFigure>,
    /// Folder of the drawn figures, from the report's place; none when they are not drawn.
    pub folder: Option<String>,
    /// What of this part is for the first seed only.
    pub note: Option<String>,
}

/// Columns of the main table: what metrics are called before the `/`, and in the head.
const COLUMNS: [(&str, &str); 4] = [
    ("position_r2", "position R²"),
    ("velocity_r2", "velocity R²"),
    ("position_rmse", "position RMSE"),
    ("velocity_rmse", "velocity RMSE"),
];

impl Page {
    /// The figure of the first screen, where it is of this model, or of all.
    pub(super) fn telling_of(&self, model: Option<&str>) -> Option<&Telling> {
        let telling = self.telling.as_ref();
        telling.filter(|telling| telling.model.as_deref() == model)
    }

    pub(super) fn new(
        experiment: &Experiment,
        results: &Results,
        summary: &Summary,
    ) -> Result<Self> {
        let about = |model: &ModelResults| {
            let kind = experiment.model_kind(&model.name);
            let seeds: Vec<String> = model.seeds.iter().map(|s| s.seed.to_string()).collect();
            let plural = if seeds.len() == 1 { "" } else { "s" };
            format!("{kind}, seed{plural} {}", seeds.join(", "))
        };
        let mut models = Vec::new();
        let mut headlines = Vec::new();
        for model in &results.models {
            let numbers = summary.models.get(&model.name);
            headlines.push(Headline {
                model: model.name.clone(),
                about: about(model),
                numbers: numbers
                    .map(|model| main_numbers(model, &summary.baselines))
                    .unwrap_or_default(),
                answers: numbers
                    .and_then(verdict)
                    .into_iter()
                    .chain(first_answers(model))
                    .collect(),
            });
            let mut parts = analyses(model);
            let figures = format!("{}/figures", model.name);
            let agreement = model.agreement.iter();
            parts.extend(agreement.map(|finding| common(finding, Some(figures.clone()))));
            models.push(ModelPart {
                name: model.name.clone(),
                about: about(model),
                analyses: parts,
            });
        }
        let baselines = results.baselines.as_ref();
        let ablation = results.ablation.as_ref();
        let mut ablation = ablation.map(|finding| common(finding, Some("figures".into())));
        let telling = telling(ablation.as_mut(), &mut models);
        Ok(Self {
            name: experiment.name.clone(),
            question: experiment.question.clone(),
            headlines,
            telling,
            main: main_table(summary),
            ablation,
            models,
            baselines: baselines.map(|finding| common(finding, None)),
            numbers: all_numbers(summary),
            definitions: definitions(results),
            config: experiment.to_yaml()?,
            command: results.about.command.clone(),
            versions: results.about.versions.clone().into_iter().collect(),
        })
    }
}

/// What is said of several seeds or models together, its figures drawn in `folder`.
fn common(finding: &Finding, folder: Option<String>) -> AnalysisPart {
    AnalysisPart {
        name: finding.analysis.clone(),
        question: finding.question.clone(),
        answers: vec![finding.answer.clone()],
        tables: finding.tables.clone(),
        figures: finding.figures.clone(),
        folder,
        note: None,
    }
}

/// The first seed's read-out in words: what is held, mostly, partly or hardly, with R² of the best informed latents.
fn verdict(model: &ModelSummary) -> Option<String> {
    let word = |r2: f64| match r2 {
        _ if r2 >= 0.98 => "held",
        _ if r2 >= 0.85 => "mostly held",
        _ if r2 >= 0.4 => "partly held",
        _ => "hardly held",
    };
    let told: Vec<String> = model
        .quantities(4)
        .into_iter()
        .map(|(name, row, spread)| {
            format!(
                "{name} is {} (R² {} from {row})",
                word(spread.mean),
                numbers::brief(&spread)
            )
        })
        .collect();
    (!told.is_empty()).then(|| format!("Verdict: {}.", told.join("; ")))
}

fn first_answers(model: &ModelResults) -> Vec<String> {
    let findings = model.seeds.first().map(|s| s.findings.as_slice());
    let findings = findings.unwrap_or_default();
    let told = TOLD
        .iter()
        .flat_map(|name| findings.iter().filter(move |f| f.analysis == *name));
    let told = told
        .filter(|f| !f.answer.is_empty() && !f.answer.starts_with("not applicable"))
        .map(|f| f.answer.clone());
    warnings(model).into_iter().chain(told).collect()
}

/// What is wrong with which seeds, before everything else.
fn warnings(model: &ModelResults) -> Vec<String> {
    let mut all: IndexMap<&str, Vec<String>> = IndexMap::new();
    for seed in &model.seeds {
        for warning in seed.findings.iter().flat_map(|f| &f.warnings) {
            let seeds = all.entry(warning).or_default();
            if !seeds.contains(&seed.seed.to_string()) {
                seeds.push(seed.seed.to_string());
            }
        }
    }
    let line = |(warning, seeds): (&str, Vec<String>)| {
        let plural = if seeds.len() == 1 { "" } else { "s" };
        format!("Warning, seed{plural} {}: {warning}.", seeds.join(", "))
    };
    all.into_iter().map(line).collect()
}

fn look(row: &str) -> Look {
    match row {
        _ if row.starts_with("untrained") || row.starts_with("shuffled") => Look::Control,
        _ if row.starts_with("encoder") => Look::Encoder,
        _ if row.starts_with("filtered") => Look::Filtered,
        _ if row.starts_with("smoothed") => Look::Smoothed,
        _ => Look::Plain,
    }
}

fn main_numbers(model: &ModelSummary, baselines: &IndexMap<String, Metric>) -> Vec<HeadlineNumber> {
    let best =
        |of: &IndexMap<String, Spread>| READOUTS.into_iter().find(|row| of.contains_key(*row));
    let number = |quantity: &str, title: &str, row: &str, spread: &Spread| {
        let reference = REFERENCES
            .iter()
            .find(|(readout, _)| *readout == row)
            .and_then(|(_, name)| {
                let metric = baselines.get(&format!("{quantity}/{name}"))?;
                Some(format!(
                    "against {name}: {}",
                    numbers::number(metric.value, &metric.unit)
                ))
            });
        HeadlineNumber {
            value: numbers::spread(spread),
            name: format!("{title}, {row}"),
            reference,
            look: look(row),
        }
    };
    let mut list = Vec::new();
    if let Some(row) = best(&model.position_r2) {
        list.push(number(
            "position_r2",
            "position R²",
            row,
            &model.position_r2[row],
        ));
    }
    // One frame shows no velocity, so the encoder's is told only where there is nothing better.
    let only = best(&model.velocity_r2);
    for row in READOUTS {
        if let Some(spread) = model.velocity_r2.get(row)
            && (row != "encoder" || only == Some(row))
        {
            list.push(number("velocity_r2", "velocity R²", row, spread));
        }
    }
    if list.is_empty() {
        for (name, row, spread) in model.quantities(4) {
            list.push(number(
                &format!("r2/{name}"),
                &format!("{name} R²"),
                row,
                &spread,
            ));
        }
    }
    if let Some(elbo) = &model.elbo_nats_per_frame {
        list.push(HeadlineNumber {
            value: numbers::spread(elbo),
            name: "test ELBO, nats/frame".to_string(),
            reference: None,
            look: Look::Plain,
        });
    }
    list
}

/// Rows of a set of metrics: the part behind the `/`, in order of appearance.
fn rows<'a>(names: impl Iterator<Item = &'a str>, columns: &[(String, String)]) -> Vec<&'a str> {
    let mut rows = Vec::new();
    for name in names {
        if let Some((quantity, row)) = name.rsplit_once('/')
            && columns.iter().any(|(column, _)| column == quantity)
            && !rows.contains(&row)
        {
            rows.push(row);
        }
    }
    rows
}

/// Columns of the main table: more are no table to read.
const MOST_COLUMNS: usize = 12;

/// Quantities of the main table with their heads: [`COLUMNS`], or R² of the first state columns where nothing is a
/// position or a velocity.
fn main_columns(summary: &Summary) -> Vec<(String, String)> {
    let metrics = || summary.models.values().flat_map(|m| m.metrics.values());
    let names = || {
        metrics()
            .flat_map(|of| of.keys())
            .chain(summary.baselines.keys())
    };
    let usual = COLUMNS.map(|(quantity, head)| (quantity.to_string(), head.to_string()));
    let of_columns = columns_of(names());
    let known = |name: &String| {
        COLUMNS
            .iter()
            .any(|(q, _)| name.starts_with(&format!("{q}/")))
    };
    match of_columns.is_empty() || names().any(known) {
        true => usual.into(),
        false => of_columns
            .iter()
            .take(MOST_COLUMNS)
            .map(|column| (format!("r2/{column}"), format!("{column} R²")))
            .collect(),
    }
}

fn main_table(summary: &Summary) -> MainTable {
    let units = |quantity: &str| {
        let in_models = summary.models.values().flat_map(|m| m.metrics.values());
        let model = in_models
            .flat_map(|of| of.iter())
            .find(|(name, _)| name.starts_with(&format!("{quantity}/")))
            .map(|(_, spread)| spread.unit.clone());
        model.filter(|unit| unit != "1")
    };
    let quantities = main_columns(summary);
    let mut columns = vec!["read-out".to_string()];
    columns.extend(
        quantities
            .iter()
            .map(|(quantity, head)| match units(quantity) {
                Some(unit) => format!("{head} ({unit})"),
                None => head.to_string(),
            }),
    );
    columns.push("seeds".to_string());

    let mut groups = Vec::new();
    for (name, model) in &summary.models {
        let names = model.metrics.values().flat_map(|of| of.keys());
        let rows = rows(names.map(String::as_str), &quantities);
        let rows = rows.into_iter().map(|row| {
            let spreads = quantities
                .iter()
                .map(|(quantity, _)| model.get(&format!("{quantity}/{row}")));
            let spreads: Vec<Option<&Spread>> = spreads.collect();
            let seeds = spreads.iter().flatten().map(|s| s.n()).max().unwrap_or(0);
            let mut cells: Vec<String> = spreads
                .iter()
                .map(|s| s.map_or("–".to_string(), numbers::spread))
                .collect();
            cells.push(seeds.to_string());
            MainRow {
                name: row.to_string(),
                look: look(row),
                cells,
            }
        });
        groups.push((name.clone(), rows.collect::<Vec<_>>()));
    }
    let baselines = rows(summary.baselines.keys().map(String::as_str), &quantities)
        .into_iter()
        .map(|row| {
            let of = |quantity: &str| summary.baselines.get(&format!("{quantity}/{row}"));
            let mut cells: Vec<String> = quantities
                .iter()
                .map(|(quantity, _)| of(quantity).map_or("–".to_string(), numbers::metric))
                .collect();
            cells.push("–".to_string());
            MainRow {
                name: row.to_string(),
                look: Look::Baseline,
                cells,
            }
        });
    let baselines: Vec<MainRow> = baselines.collect();
    if !baselines.is_empty() {
        groups.push(("trivial baselines on the same data".to_string(), baselines));
    }
    let spread = match summary.seeds.len() {
        1 => {
            "In brackets: 95 % bootstrap interval over sequences, of one training seed".to_string()
        }
        n => format!(
            "Mean ± standard deviation over {n} training seeds; baselines with their 95 % bootstrap interval over sequences"
        ),
    };
    let some = match quantities.len() == MOST_COLUMNS {
        true => format!(" The first {MOST_COLUMNS} columns at most; every number stands below."),
        false => String::new(),
    };
    let note = format!(
        "Linear read-outs, fitted on training sequences and measured on {} held-out sequences. {spread}. R² = 1 is perfect, \
         0 is no better than the mean. Controls show what a read-out finds by chance or in an untrained network.{some}",
        summary.test_sequences
    );
    MainTable {
        columns,
        groups: groups
            .into_iter()
            .filter(|(_, rows)| !rows.is_empty())
            .collect(),
        note,
    }
}

fn analyses(model: &ModelResults) -> Vec<AnalysisPart> {
    let Some(first) = model.seeds.first() else {
        return Vec::new();
    };
    let several = model.seeds.len() > 1;
    let part = |(i, finding): (usize, &crate::analysis::Finding)| {
        // Seeds that give the same answer share a line.
        let mut answers: IndexMap<&str, Vec<String>> = IndexMap::new();
        for seed in &model.seeds {
            if let Some(finding) = seed.findings.get(i) {
                let seeds = answers.entry(&finding.answer).or_default();
                seeds.push(seed.seed.to_string());
            }
        }
        let answers = answers.into_iter().map(|(answer, seeds)| match several {
            true if seeds.len() > 1 => format!("seeds {}: {answer}", seeds.join(", ")),
            true => format!("seed {}: {answer}", seeds.join(", ")),
            false => answer.to_string(),
        });
        let shown = !(finding.tables.is_empty() && finding.figures.is_empty());
        AnalysisPart {
            name: finding.analysis.clone(),
            question: finding.question.clone(),
            answers: answers.collect(),
            tables: finding.tables.clone(),
            figures: finding.figures.clone(),
            folder: Some(format!("{}/seed-{}/figures", model.name, first.seed)),
            note: (several && shown).then(|| {
                format!(
                    "Shown: seed {}. Those of the other seeds are in {}/seed-*/.",
                    first.seed, model.name
                )
            }),
        }
    };
    first.findings.iter().enumerate().map(part).collect()
}

fn all_numbers(summary: &Summary) -> Table {
    let mut rows = Vec::new();
    for (model, of) in &summary.models {
        for (analysis, metrics) in &of.metrics {
            for (name, spread) in metrics {
                let values = spread.values.iter().map(|v| match v {
                    Some(value) => numbers::number(*value, &spread.unit),
                    None => "–".to_string(),
                });
                rows.push(vec![
                    model.clone(),
                    analysis.clone(),
                    name.clone(),
                    numbers::spread(spread),
                    match spread.n() {
                        0 => "–".to_string(),
                        n => n.to_string(),
                    },
                    match spread.unit.as_str() {
                        "1" => String::new(),
                        unit => unit.to_string(),
                    },
                    values.collect::<Vec<_>>().join(", "),
                ]);
            }
        }
    }
    for metric in summary.baselines.values() {
        rows.push(baseline_row(metric));
    }
    Table {
        caption: "Every number: mean ± standard deviation over n seeds that have it, or value with 95 % interval."
            .to_string(),
        columns: ["model", "analysis", "metric", "value", "n", "unit", "by seed"]
            .map(str::to_string)
            .to_vec(),
        rows,
    }
}

fn baseline_row(metric: &Metric) -> Vec<String> {
    vec![
        "–".to_string(),
        "baselines".to_string(),
        metric.name.clone(),
        numbers::metric(metric),
        "–".to_string(),
        match metric.unit.as_str() {
            "1" => String::new(),
            unit => unit.to_string(),
        },
        "–".to_string(),
    ]
}

/// The formulas of all analyses, each once.
fn definitions(results: &Results) -> Vec<Definition> {
    let of_models = results.models.iter().flat_map(|m| &m.seeds);
    let findings = of_models
        .flat_map(|s| &s.findings)
        .chain(results.models.iter().flat_map(|m| &m.agreement))
        .chain(&results.ablation)
        .chain(&results.baselines);
    let mut list: Vec<Definition> = Vec::new();
    for definition in findings.flat_map(|f| &f.definitions) {
        if !list.contains(definition) {
            list.push(definition.clone());
        }
    }
    list
}
