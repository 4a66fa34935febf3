//! `summary.json`: every number with mean, standard deviation and values over seeds; the main ones under fixed names.

use super::gather::{ModelResults, Results};
use super::numbers;
use crate::analysis::Metric;
use crate::experiment::Experiment;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// The numbers of one experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The experiment's name.
    pub name: String,
    /// The experiment's question.
    pub question: String,
    /// Training seeds, in the order of `values`.
    pub seeds: Vec<u64>,
    /// Sequences that every number is measured on.
    pub test_sequences: usize,
    /// By the model's name in the experiment.
    pub models: IndexMap<String, ModelSummary>,
    /// Trivial read-outs of the same data, by metric: `velocity_r2/<row>`.
    pub baselines: IndexMap<String, Metric>,
}

/// The numbers of one model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelSummary {
    /// Coefficient of determination of positions, by read-out: `encoder`, `filtered`, `filtered t>=2` (from the third frame
    /// on: one frame shows no velocity), `smoothed`, as far as there are.
    pub position_r2: IndexMap<String, Spread>,
    /// The same of velocities.
    pub velocity_r2: IndexMap<String, Spread>,
    /// ELBO on test sequences, nats per frame.
    pub elbo_nats_per_frame: Option<Spread>,
    /// Every number, by analysis and name; `scores` are those of the encode stage.
    pub metrics: IndexMap<String, IndexMap<String, Spread>>,
}

/// One number over seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Mean over the seeds that have it.
    pub mean: f64,
    /// Sample standard deviation (n - 1); none for one seed.
    pub sd: Option<f64>,
    /// One a seed; none where the seed lacks it. Empty for a number of all seeds together.
    pub values: Vec<Option<f64>>,
    /// Unit.
    pub unit: String,
    /// 95 % bootstrap interval over held-out sequences, for one seed only.
    #[serde(skip)]
    pub interval: Option<(f64, f64)>,
}

/// The read-outs of the main numbers, from best informed to least.
pub(super) const READOUTS: [&str; 3] = ["smoothed", "filtered", "encoder"];

impl Summary {
    /// Gathers all numbers.
    pub fn new(experiment: &Experiment, results: &Results) -> Self {
        let models = results.models.iter();
        let baselines = results.baselines.iter().flat_map(|f| &f.metrics);
        Self {
            name: experiment.name.clone(),
            question: experiment.question.clone(),
            seeds: experiment.seeds.clone(),
            test_sequences: experiment.data.sequences("test"),
            models: models
                .map(|model| (model.name.clone(), ModelSummary::new(model)))
                .collect(),
            baselines: baselines
                .map(|metric| (metric.name.clone(), metric.clone()))
                .collect(),
        }
    }
}

impl Summary {
    /// The main numbers for a terminal, one line a model.
    pub fn lines(&self) -> Vec<String> {
        let line = |(name, model): (&String, &ModelSummary)| {
            let mut parts = Vec::new();
            for (title, of) in [
                ("position R²", &model.position_r2),
                ("velocity R²", &model.velocity_r2),
            ] {
                let rows = of
                    .iter()
                    .map(|(row, spread)| format!("{row} {}", numbers::brief(spread)));
                if !of.is_empty() {
                    parts.push(format!("{title} {}", rows.collect::<Vec<_>>().join(", ")));
                }
            }
            if parts.is_empty() {
                let columns = model.quantities(4).into_iter();
                parts.extend(columns.map(|(name, row, spread)| {
                    format!("{name} R² {row} {}", numbers::brief(&spread))
                }));
            }
            if let Some(elbo) = &model.elbo_nats_per_frame {
                parts.push(format!("test ELBO {} nats/frame", numbers::brief(elbo)));
            }
            format!("{name}: {}", parts.join("; "))
        };
        self.models.iter().map(line).collect()
    }
}

impl ModelSummary {
    fn new(model: &ModelResults) -> Self {
        let mut metrics: IndexMap<String, IndexMap<String, Spread>> = IndexMap::new();
        for (i, seed) in model.seeds.iter().enumerate() {
            for (analysis, metric) in seed.metrics() {
                let spread = metrics
                    .entry(analysis.to_string())
                    .or_default()
                    .entry(metric.name.clone())
                    .or_insert_with(|| Spread {
                        mean: f64::NAN,
                        sd: None,
                        values: vec![None; model.seeds.len()],
                        unit: metric.unit.clone(),
                        interval: None,
                    });
                spread.values[i] = Some(metric.value);
                spread.interval = metric.interval;
            }
        }
        for spread in metrics.values_mut().flat_map(IndexMap::values_mut) {
            spread.settle();
        }
        for (finding, metric) in model.agreement.iter().flat_map(|f| {
            let of = |metric| (f.analysis.clone(), metric);
            f.metrics.iter().map(of)
        }) {
            let common = Spread {
                mean: metric.value,
                sd: None,
                values: Vec::new(),
                unit: metric.unit.clone(),
                interval: None,
            };
            let of = metrics.entry(finding).or_default();
            of.insert(metric.name.clone(), common);
        }
        let find = |name: &str| metrics.values().find_map(|of| of.get(name)).cloned();
        let readouts = |quantity: &str| {
            let named = ["encoder", "filtered", "filtered t>=2", "smoothed"];
            let named = named.iter();
            named
                .filter_map(|row| Some((row.to_string(), find(&format!("{quantity}/{row}"))?)))
                .collect()
        };
        Self {
            position_r2: readouts("position_r2"),
            velocity_r2: readouts("velocity_r2"),
            elbo_nats_per_frame: find("elbo_nats_per_frame"),
            metrics,
        }
    }

    /// R² by the best informed latents that have it: of position and velocity, or of the first `most` state columns.
    pub(super) fn quantities(&self, most: usize) -> Vec<(String, &'static str, Spread)> {
        let pick = |name: &str, prefix: &str| {
            READOUTS.into_iter().find_map(|row| {
                let spread = self.get(&format!("{prefix}/{row}"))?.clone();
                Some((name.to_string(), row, spread))
            })
        };
        let groups = [("position", "position_r2"), ("velocity", "velocity_r2")];
        let kinematic: Vec<_> = groups.iter().filter_map(|(n, p)| pick(n, p)).collect();
        match kinematic.is_empty() {
            false => kinematic,
            true => columns_of(self.metrics.values().flat_map(|of| of.keys()))
                .iter()
                .filter_map(|column| pick(column, &format!("r2/{column}")))
                .take(most)
                .collect(),
        }
    }

    /// The spread of a metric, whichever analysis it comes from.
    pub fn get(&self, name: &str) -> Option<&Spread> {
        self.metrics.values().find_map(|of| of.get(name))
    }
}

impl Spread {
    /// Mean and sample standard deviation of the values.
    fn settle(&mut self) {
        let values: Vec<f64> = self.values.iter().flatten().copied().collect();
        let n = values.len() as f64;
        self.mean = values.iter().sum::<f64>() / n;
        if values.len() > 1 {
            let squares: f64 = values.iter().map(|v| (v - self.mean).powi(2)).sum();
            self.sd = Some((squares / (n - 1.0)).sqrt());
            self.interval = None;
        }
    }

    /// Seeds that have it.
    pub fn n(&self) -> usize {
        self.values.iter().flatten().count()
    }
}

/// State columns in metrics `r2/<column>/<row>`, in order of appearance.
pub(super) fn columns_of<'a>(names: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut columns: Vec<String> = Vec::new();
    for name in names {
        let column = name
            .strip_prefix("r2/")
            .and_then(|rest| rest.rsplit_once('/'));
        if let Some((column, _)) = column
            && !columns.iter().any(|known| known == column)
        {
            columns.push(column.to_string());
        }
    }
    columns
}
