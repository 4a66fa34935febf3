//! `sweep:`, several runs of one experiment that differ in some values: which values, and what each run is called.

use super::set::Set;
use crate::error::{Error, Result};
use crate::seeds::{Rng, Seeds};
use indexmap::IndexMap;
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

/// Several runs of one experiment that differ in some values, each in a folder of its own, `results/<name>/<run>`. Values are named by
/// their path: `models.lg_vae.lg_vae.latent`, `train.learning_rate.peak`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Sweep {
    /// Every combination: a list of values by path.
    Grid(IndexMap<String, Vec<Json>>),
    /// These runs: a map of values by path for each.
    List(Vec<IndexMap<String, Json>>),
    /// Runs with drawn values.
    Random(Random),
}

/// Runs with drawn values. Run number i is the same whatever the number of runs: more of them later keep the first ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Random {
    /// How many runs: the budget.
    #[schemars(range(min = 1, max = 10_000))]
    runs: usize,
    /// Seed of the draws; independent of the training seeds.
    #[serde(default)]
    seed: u64,
    /// How values are drawn, by path.
    over: IndexMap<String, Draw>,
}

/// How one value is drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Draw {
    /// One of these, all alike.
    Choice(Vec<Json>),
    /// Uniform from low to high, to three significant digits.
    Uniform(Limits),
    /// Its logarithm is uniform, to three significant digits: for step sizes and weights.
    LogUniform(Limits),
    /// A whole number from low to high, both included.
    Integer(WholeLimits),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Limits {
    /// Least value.
    low: f64,
    /// Greatest value.
    high: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WholeLimits {
    /// Least value.
    low: i64,
    /// Greatest value.
    high: i64,
}

/// One run of a sweep.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// Its folder, `latent-4_peak-0.001`: what differs.
    pub name: String,
    /// Its values.
    pub sets: Vec<Set>,
}

/// Most runs of one sweep.
const MOST: usize = 10_000;
/// Longest name of a run, bytes: folders allow 255.
const LONGEST: usize = 100;

/// A value of a run: its path, itself, and where the file has it.
type Chosen = (String, Json, String);

impl Sweep {
    /// All runs, in order; of equal ones the first.
    ///
    /// # Errors
    /// [`Error::Experiment`], `sweep..: expected .., got ..`: nothing to vary, limits that are no range, too many runs.
    pub fn runs(&self) -> Result<Vec<Run>> {
        let chosen = match self {
            Self::Grid(axes) => grid(axes)?,
            Self::List(runs) => list(runs)?,
            Self::Random(random) => random.runs()?,
        };
        let mut paths: Vec<&str> = Vec::new();
        for (path, ..) in chosen.iter().flatten() {
            if !paths.contains(&path.as_str()) {
                paths.push(path);
            }
        }
        let short = |path: &&str| (path.to_string(), shortest(path, &paths));
        let short: IndexMap<String, String> = paths.iter().map(short).collect();
        let mut runs: IndexMap<String, (String, Vec<Chosen>)> = IndexMap::new();
        for values in chosen {
            let whole: Vec<(&str, &Json)> =
                values.iter().map(|(p, v, _)| (p.as_str(), v)).collect();
            let whole = serde_json::to_string(&whole)
                .map_err(|e| Error::Experiment(format!("sweep: {e}")))?;
            runs.entry(whole)
                .or_insert_with(|| (name(&values, &short), values));
        }
        let names: Vec<String> = runs.values().map(|(name, _)| name.clone()).collect();
        let run = |(whole, (name, values)): (String, (String, Vec<Chosen>))| {
            let alone = names.iter().filter(|other| **other == name).count() == 1;
            let set = |(path, value, origin): Chosen| Set::swept(&path, &value, origin);
            Ok(Run {
                name: match alone && name.len() <= LONGEST {
                    true => name,
                    false => distinct(&name, &whole),
                },
                sets: values.into_iter().map(set).collect::<Result<_>>()?,
            })
        };
        runs.into_iter().map(run).collect()
    }
}

fn wrong<T>(at: &str, message: impl std::fmt::Display) -> Result<T> {
    Err(Error::Experiment(format!("sweep.{at}: {message}")))
}

/// Every combination, the last axis fastest.
fn grid(axes: &IndexMap<String, Vec<Json>>) -> Result<Vec<Vec<Chosen>>> {
    if axes.is_empty() {
        return wrong("grid", "expected a list of values by path, got none");
    }
    let mut all: Vec<Vec<Chosen>> = vec![Vec::new()];
    for (path, values) in axes {
        if values.is_empty() {
            return wrong(
                &format!("grid.{path}"),
                "expected at least one value, got none",
            );
        }
        if all.len().saturating_mul(values.len()) > MOST {
            return wrong("grid", format!("expected at most {MOST} runs, got more"));
        }
        let extended = all.iter().flat_map(|run| {
            values.iter().enumerate().map(move |(i, value)| {
                let origin = format!("sweep.grid.{path}[{i}]");
                let mut run = run.clone();
                run.push((path.clone(), value.clone(), origin));
                run
            })
        });
        all = extended.collect();
    }
    Ok(all)
}

fn list(runs: &[IndexMap<String, Json>]) -> Result<Vec<Vec<Chosen>>> {
    if runs.is_empty() || runs.len() > MOST {
        return wrong(
            "list",
            format!("expected 1 to {MOST} runs, got {}", runs.len()),
        );
    }
    let run = |(i, values): (usize, &IndexMap<String, Json>)| {
        if values.is_empty() {
            return wrong(&format!("list[{i}]"), "expected a value by path, got none");
        }
        let chosen = values.iter().map(|(path, value)| {
            let origin = format!("sweep.list[{i}].{path}");
            (path.clone(), value.clone(), origin)
        });
        Ok(chosen.collect())
    };
    runs.iter().enumerate().map(run).collect()
}

impl Random {
    fn runs(&self) -> Result<Vec<Vec<Chosen>>> {
        if self.over.is_empty() {
            return wrong(
                "random.over",
                "expected how to draw a value, by path, got nothing",
            );
        }
        for (path, draw) in &self.over {
            draw.check(&format!("random.over.{path}"))?;
        }
        let seeds = Seeds::new(self.seed);
        let run = |i: usize| {
            let draws = self.over.iter().map(|(path, draw)| {
                // A stream for each value: a new path changes no value of the others.
                let mut rng = seeds.stream(&format!("sweep/{path}"), i as u64);
                let origin = format!("sweep.random.over.{path}");
                (path.clone(), draw.sample(&mut rng), origin)
            });
            draws.collect()
        };
        Ok((0..self.runs).map(run).collect())
    }
}

impl Draw {
    fn check(&self, at: &str) -> Result<()> {
        let (low, high, least) = match self {
            Self::Choice(values) if values.is_empty() => {
                return wrong(
                    &format!("{at}.choice"),
                    "expected at least one value, got none",
                );
            }
            Self::Choice(_) => return Ok(()),
            Self::Uniform(Limits { low, high }) => (*low, *high, f64::NEG_INFINITY),
            Self::LogUniform(Limits { low, high }) => (*low, *high, 0.0),
            Self::Integer(WholeLimits { low, high }) => {
                (*low as f64, *high as f64, f64::NEG_INFINITY)
            }
        };
        let range = low < high && (high - low).is_finite() && low > least;
        match (range, least == 0.0) {
            (true, _) => Ok(()),
            (_, true) => wrong(at, format!("expected 0 < low < high, got {low} and {high}")),
            _ => wrong(at, format!("expected low < high, got {low} and {high}")),
        }
    }

    fn sample(&self, rng: &mut Rng) -> Json {
        match self {
            Self::Choice(values) => values[rng.random_range(0..values.len())].clone(),
            Self::Uniform(Limits { low, high }) => rounded(rng.random_range(*low..*high)),
            Self::LogUniform(Limits { low, high }) => {
                rounded(rng.random_range(low.ln()..high.ln()).exp())
            }
            Self::Integer(WholeLimits { low, high }) => rng.random_range(*low..=*high).into(),
        }
    }
}

/// To three significant digits, so that names stay short and say the whole value.
fn rounded(value: f64) -> Json {
    format!("{value:.2e}")
        .parse::<f64>()
        .unwrap_or(value)
        .into()
}

/// The last keys of a path, as many as tell it from the other paths.
fn shortest(path: &str, all: &[&str]) -> String {
    let keys: Vec<&str> = path.split('.').collect();
    for n in 1..keys.len() {
        let tail = keys[keys.len() - n..].join(".");
        let ends = |other: &&&str| **other == tail || other.ends_with(&format!(".{tail}"));
        if all.iter().filter(ends).count() == 1 {
            return tail;
        }
    }
    path.to_string()
}

/// `latent-4_peak-0.001`.
fn name(values: &[Chosen], short: &IndexMap<String, String>) -> String {
    let part = |(path, value, _): &Chosen| {
        let text = match value {
            Json::String(text) => text.clone(),
            other => other.to_string(),
        };
        let label = short
            .get(path.as_str())
            .map_or(path.as_str(), String::as_str);
        format!("{}-{}", plain(label), plain(&text))
    };
    values.iter().map(part).collect::<Vec<_>>().join("_")
}

/// Letters, digits and dots; everything else becomes one `-`. A leading minus stays.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let keep = c.is_ascii_alphanumeric() || c == '.' || c == '_';
        match keep {
            true => out.push(c),
            false if !out.ends_with('-') => out.push('-'),
            false => {}
        }
    }
    let minus = text.starts_with('-') && text[1..].starts_with(|c: char| c.is_ascii_digit());
    let trimmed = out.trim_matches(['-', '.']);
    match minus {
        true => format!("-{trimmed}"),
        false => trimmed.to_string(),
    }
}

/// A name that is too long, or another's too: its beginning and a digest of all values.
fn distinct(name: &str, whole: &str) -> String {
    let digest = Sha256::digest(whole.as_bytes());
    let digest: String = digest.iter().take(4).map(|b| format!("{b:02x}")).collect();
    let head: String = name.chars().take(LONGEST - 10).collect();
    format!("{}-{digest}", head.trim_end_matches(['-', '_', '.']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(yaml: &str) -> Result<Vec<String>> {
        let from = serde_yaml::Deserializer::from_str(yaml);
        let sweep: Sweep = serde_yaml::with::singleton_map_recursive::deserialize(from).unwrap();
        Ok(sweep.runs()?.into_iter().map(|run| run.name).collect())
    }

    #[test]
    fn a_grid_is_every_combination_and_runs_are_named_by_what_differs() {
        let yaml =
            "grid: { models.m.lg_vae.latent: [4, 6], train.learning_rate.peak: [1.0e-3, 2.0e-3] }";
        assert_eq!(
            names(yaml).unwrap(),
            [
                "latent-4_peak-0.001",
                "latent-4_peak-0.002",
                "latent-6_peak-0.001",
                "latent-6_peak-0.002"
            ]
        );
        // The last key where it is enough, more where it is not.
        let yaml = "grid: { models.a.vae.codes: [2], models.b.vae.codes: [2, 3] }";
        assert_eq!(
            names(yaml).unwrap(),
            ["a.vae.codes-2_b.vae.codes-2", "a.vae.codes-2_b.vae.codes-3"]
        );
        let yaml = "grid: { m.channels: [[8, 8], [16, 16]], d.gravity: [-5, { uniform: { low: -1, high: 0 } }] }";
        assert_eq!(names(yaml).unwrap()[0], "channels-8-8_gravity--5");
        assert_eq!(
            names(yaml).unwrap()[3],
            "channels-16-16_gravity-uniform-low-1-high-0"
        );
    }

    #[test]
    fn a_list_is_these_runs_and_equal_ones_are_one() {
        let yaml = "list: [{ train.steps: 300 }, { train.steps: 600, train.batch: 16 }, { train.steps: 300 }]";
        assert_eq!(names(yaml).unwrap(), ["steps-300", "steps-600_batch-16"]);
    }

    #[test]
    fn names_stay_different_and_short_whatever_the_values() {
        let long = "x".repeat(300);
        let all = names(&format!(
            "grid: {{ a.b: ['x/y', 'x y', '../x', '', {long}a, {long}b] }}"
        ))
        .unwrap();
        assert_eq!(
            all.iter().collect::<std::collections::BTreeSet<_>>().len(),
            6,
            "{all:?}"
        );
        for name in &all {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            assert!(name.len() <= LONGEST && name.chars().all(plain), "{name}");
            assert!(name.starts_with("b-"), "{name}");
        }
    }

    #[test]
    fn a_larger_budget_or_another_path_keeps_the_draws_that_were_there() {
        let yaml = |runs: usize, more: &str| {
            format!(
                "random: {{ runs: {runs}, seed: 3, over: {{ a.rate: {{ log_uniform: {{ low: 1.0e-4, high: 1.0e-2 }} }}, \
                 a.n: {{ integer: {{ low: 1, high: 9 }} }}{more} }} }}"
            )
        };
        let five = names(&yaml(5, "")).unwrap();
        let fifty = names(&yaml(50, "")).unwrap();
        assert_eq!(fifty[..5], five);
        assert!(fifty.len() > 45, "{fifty:?}");
        let more = names(&yaml(5, ", a.kind: { choice: [x, y] }")).unwrap();
        for (a, b) in five.iter().zip(&more) {
            assert!(b.starts_with(&format!("{a}_kind-")), "{a} {b}");
        }
        let rates = fifty.iter().map(|name| {
            let rate = name
                .strip_prefix("rate-")
                .unwrap()
                .split('_')
                .next()
                .unwrap();
            rate.parse::<f64>().unwrap()
        });
        let below = rates
            .inspect(|r| assert!((1e-4..=1e-2).contains(r)))
            .filter(|r| *r < 1e-3);
        // Half of them in every decade: 25 +- 6 standard deviations of 3.5 would be all, so three.
        assert!((15..=35).contains(&below.count()), "{fifty:?}");
    }

    #[test]
    fn what_is_no_sweep_is_told_with_its_path() {
        for (yaml, message) in [
            ("grid: {}", "sweep.grid: expected a list of values by path"),
            (
                "grid: { a: [] }",
                "sweep.grid.a: expected at least one value",
            ),
            ("list: []", "sweep.list: expected 1 to 10000 runs, got 0"),
            ("list: [{}]", "sweep.list[0]: expected a value by path"),
            (
                "random: { runs: 2, over: {} }",
                "sweep.random.over: expected",
            ),
            (
                "random: { runs: 2, over: { a: { log_uniform: { low: 0, high: 1 } } } }",
                "sweep.random.over.a: expected 0 < low < high, got 0 and 1",
            ),
            (
                "random: { runs: 2, over: { a: { integer: { low: 3, high: 3 } } } }",
                "sweep.random.over.a: expected low < high, got 3 and 3",
            ),
        ] {
            let error = names(yaml).unwrap_err().to_string();
            assert!(error.starts_with(message), "{yaml}: {error}");
        }
        let axis: Vec<String> = (0..101).map(|i| i.to_string()).collect();
        let axis = axis.join(", ");
        let error = names(&format!("grid: {{ a: [{axis}], b: [{axis}] }}")).unwrap_err();
        assert!(error.to_string().contains("at most 10000 runs"), "{error}");
    }
}
