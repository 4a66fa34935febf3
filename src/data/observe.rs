//! Observations that are not pixels: columns of the states, with noise, in place of frames.

use super::config::wrong;
use crate::error::{Error, Result};
use crate::seeds::Rng;
use rand_distr::{Distribution, StandardNormal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use simulators::Column;

/// Vectors in place of frames: x_t = (columns of the state) + N(0, noise^2), each column for itself.
///
/// ```yaml
/// data: { simulator: { linear_gaussian: {} }, observe: { columns: [z0, z1], noise: 0.5 }, .. }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Observe {
    /// Names of state columns, in the order of the vector's components.
    #[schemars(length(min = 1))]
    pub columns: Vec<String>,
    /// Standard deviation of the noise, in the unit of each column: one number for all, or one for each. 0 for none.
    #[serde(default)]
    pub noise: Noise,
}

/// Standard deviation of observation noise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Noise {
    /// The same for all columns.
    Of(f64),
    /// One for each, in their order.
    Each(Vec<f64>),
}

impl Default for Noise {
    fn default() -> Self {
        Self::Of(0.0)
    }
}

impl Observe {
    /// Standard deviation of the noise of every column.
    pub fn noise_std(&self) -> Vec<f64> {
        match &self.noise {
            Noise::Of(std) => vec![*std; self.columns.len()],
            Noise::Each(all) => all.clone(),
        }
    }

    /// Where the columns stand among those of the states.
    ///
    /// # Errors
    /// [`Error::Experiment`] names the key below `data.observe`, what was expected and got.
    pub fn places(&self, states: &[Column]) -> Result<Vec<usize>> {
        if self.columns.is_empty() {
            return Err(wrong("observe.columns", "at least one column", "none"));
        }
        if let Some(twice) = repeated(&self.columns) {
            return Err(wrong(
                "observe.columns",
                "every column once",
                format!("{twice} twice"),
            ));
        }
        let std = self.noise_std();
        if std.len() != self.columns.len() {
            let expected = format!("one number, or {}, one a column", self.columns.len());
            return Err(wrong("observe.noise", expected, std.len()));
        }
        if let Some(std) = std.iter().find(|std| !(std.is_finite() && **std >= 0.0)) {
            return Err(wrong("observe.noise", "finite numbers of at least 0", std));
        }
        places(&self.columns, states, "data.observe.columns")
    }

    /// What is observed of states (T, D) whose columns `places` are looked at, (T, columns).
    pub(super) fn draw(
        &self,
        states: &[f64],
        width: usize,
        places: &[usize],
        rng: &mut Rng,
    ) -> Vec<f32> {
        let std = self.noise_std();
        let mut out = Vec::new();
        for state in states.chunks_exact(width.max(1)) {
            for (&place, std) in places.iter().zip(&std) {
                let draw: f64 = StandardNormal.sample(rng);
                out.push((state[place] + std * draw) as f32);
            }
        }
        out
    }
}

fn repeated(names: &[String]) -> Option<&String> {
    let mut rest = names.iter().enumerate();
    rest.find_map(|(i, name)| names[..i].contains(name).then_some(name))
}

/// Where columns of these names stand among those of the states.
///
/// # Errors
/// [`Error::Experiment`] at `key` names the one that there is not, and those that there are.
pub fn places(names: &[String], states: &[Column], key: &str) -> Result<Vec<usize>> {
    let place = |name: &String| {
        let found = states.iter().position(|column| column.name == *name);
        found.ok_or_else(|| {
            let there: Vec<&str> = states.iter().map(|column| column.name.as_str()).collect();
            let there = match there.is_empty() {
                true => "no states".into(),
                false => there.join(", "),
            };
            Error::Experiment(format!(
                "{key}: expected columns of the states, which are {there}, got {name}"
            ))
        })
    };
    names.iter().map(place).collect()
}

/// Mean and standard deviation of every column over the training split: networks see (x - mean) / std.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    /// Of every column.
    pub mean: Vec<f64>,
    /// Of every column; 1 where a column never changes.
    pub std: Vec<f64>,
}

impl Scale {
    /// Of vectors (rows, D) of which those with `seen` count.
    pub(super) fn of<'a>(
        columns: usize,
        rows: impl Iterator<Item = (&'a [f32], bool)> + Clone,
    ) -> Self {
        let seen = || rows.clone().filter(|(_, seen)| *seen).map(|(row, _)| row);
        let count = seen().count().max(1) as f64;
        let mut mean = vec![0.0; columns];
        for row in seen() {
            let all = mean.iter_mut().zip(row);
            all.for_each(|(m, &x)| *m += f64::from(x) / count);
        }
        let mut var = vec![0.0; columns];
        for row in seen() {
            for ((v, &x), m) in var.iter_mut().zip(row).zip(&mean) {
                *v += (f64::from(x) - m).powi(2) / count;
            }
        }
        let std = |v: &f64| match v.sqrt() {
            std if std > 0.0 => std,
            _ => 1.0,
        };
        Self {
            std: var.iter().map(std).collect(),
            mean,
        }
    }

    /// A vector as the networks see it.
    pub fn normal<'a>(&'a self, vector: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
        let all = vector.iter().zip(self.mean.iter().zip(&self.std));
        all.map(|(&x, (mean, std))| ((f64::from(x) - mean) / std) as f32)
    }

    /// Normalised values (rows, D) in the columns' own units.
    pub fn undo(&self, values: &mut [f64]) {
        for row in values.chunks_exact_mut(self.mean.len().max(1)) {
            for (x, (mean, std)) in row.iter_mut().zip(self.mean.iter().zip(&self.std)) {
                *x = mean + std * *x;
            }
        }
    }

    /// Sum of ln std: log p of a vector in its own units is that of the normalised one less this, nats.
    pub fn log_volume(&self) -> f64 {
        self.std.iter().map(|std| std.ln()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_normalised_has_mean_zero_and_unit_variance_and_comes_back() {
        let rows: Vec<[f32; 2]> = (0..50).map(|i| [3.0 + i as f32, 7.0]).collect();
        let all = rows.iter().map(|row| (&row[..], true));
        let unseen: [f32; 2] = [1e9, 1e9];
        let scale = Scale::of(2, all.chain([(&unseen[..], false)]));
        let normal: Vec<f32> = rows.iter().flat_map(|row| scale.normal(row)).collect();
        let first = || normal.iter().step_by(2).map(|&x| f64::from(x));
        assert!(first().sum::<f64>().abs() < 1e-4);
        assert!((first().map(|x| x * x).sum::<f64>() / 50.0 - 1.0).abs() < 1e-5);
        // A column that never changes is only shifted.
        assert!(normal.iter().skip(1).step_by(2).all(|&x| x == 0.0) && scale.std[1] == 1.0);
        let mut back: Vec<f64> = normal.iter().map(|&x| f64::from(x)).collect();
        scale.undo(&mut back);
        for (got, want) in back.iter().zip(rows.iter().flatten()) {
            assert!((got - f64::from(*want)).abs() < 1e-5, "{got} {want}");
        }
    }

    #[test]
    fn wrong_columns_and_noises_are_named() {
        let states = [("x", "m"), ("v", "m/s")].map(|(name, unit)| Column {
            name: name.into(),
            unit: unit.into(),
        });
        let refused = |columns: &[&str], noise: Noise| {
            let columns = columns.iter().map(|name| name.to_string()).collect();
            let observe = Observe { columns, noise };
            observe.places(&states).unwrap_err().to_string()
        };
        assert_eq!(
            refused(&["x", "y"], Noise::default()),
            "data.observe.columns: expected columns of the states, which are x, v, got y"
        );
        assert_eq!(
            refused(&["x", "x"], Noise::default()),
            "data.observe.columns: expected every column once, got x twice"
        );
        assert_eq!(
            refused(&["x"], Noise::Each(vec![0.1, 0.2])),
            "data.observe.noise: expected one number, or 1, one a column, got 2"
        );
        assert_eq!(
            refused(&["x"], Noise::Of(-1.0)),
            "data.observe.noise: expected finite numbers of at least 0, got -1"
        );
    }
}
