//! How near does the model come to the exact Kalman filter? Only where the world is linear and Gaussian and shows vectors
//! with known noise: then the filter with the true A, Q, C and R is the best that anything can do.

use super::curves::series;
use super::{Analysis, Finding, Study, Table};
use crate::array::Array;
use crate::error::{Error, Result};
use crate::figures::{Curves, Figure, Look, Panel};
use crate::measure::arrays::sizes;
use crate::measure::bootstrap::{Bootstrap, Estimate, RESAMPLES};
use crate::measure::regression::Readout;
use crate::measure::scores::{R2_FORMULA, Scores};
use lgssm::{Batch, Lgssm};
use nalgebra::{DMatrix, DVector};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The model's likelihood and filtered states beside those of the exact Kalman filter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Kalman {}

const QUESTION: &str = "How near does the model come to the exact Kalman filter of the world?";
/// The filter with the true law.
const EXACT: &str = "exact Kalman filter";
/// The same with the smoother.
const EXACT_ALL: &str = "exact Kalman smoother";
/// A normal distribution of single vectors, with the moments of the training split.
const ALONE: &str = "vectors alone";
/// Resamples of the curves, which are many.
const DRAWN: usize = 200;

impl Analysis for Kalman {
    fn name(&self) -> &'static str {
        "kalman"
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn run(&self, study: &Study) -> Result<Finding> {
        study.check()?;
        let no = |reason: &str| Ok(Finding::not_applicable(self.name(), QUESTION, reason));
        let Some(law) = &study.exact else {
            return no(
                "the exact filter is known only of the world linear_gaussian, observed as vectors with noise of known spread",
            );
        };
        let (Some(surprise), Some(_)) = (
            study.test.latents.get("surprise"),
            study.first_of(&["filtered"]),
        ) else {
            return no("this model has no filtered latents");
        };
        let exact = study
            .splits()
            .map(|(_, split)| Exact::of(law, &split.vectors));
        let [train, validation, test] = exact;
        let (train, validation, test) = (train?, validation?, test?);
        let alone = alone(&study.train.vectors, &study.test.vectors)?;
        let n = study.test.states.shape()[0];
        let boot = Bootstrap::new(n, RESAMPLES, &study.seeds());
        let mut finding = Finding::new(self.name(), QUESTION);
        let model: Vec<f64> = surprise.data().iter().map(|v| -v).collect();
        let model = Array::new(surprise.shape().to_vec(), model)?;

        let likelihoods = [
            ("model's bound", &model),
            (EXACT, &test.log_density),
            (ALONE, &alone),
        ];
        let gap = minus(&test.log_density, &model)?;
        for (name, values) in likelihoods.into_iter().chain([("gap", &gap)]) {
            let mean = boot.estimate(|drawn| mean_of(values, drawn));
            let metric = match name {
                "gap" => "kalman_gap".to_string(),
                name => format!("log_likelihood/{name}"),
            };
            finding.metric(metric, mean, "nats/frame");
        }
        let error = standard_error(&gap);
        finding.metric("kalman_gap_error", Estimate::point(error), "nats/frame");

        let states = study.splits().map(|(_, split)| &split.states);
        let mut rows: Vec<(&str, Scores)> = Vec::new();
        for kind in ["filtered", "smoothed"] {
            let latents = study.splits().map(|(_, split)| split.latents.get(kind));
            if let [Some(a), Some(b), Some(c)] = latents {
                rows.push((kind, read([a, b, c], states)?));
            }
        }
        let vectors = study.splits().map(|(_, split)| &split.vectors);
        for (name, means) in [
            (
                EXACT,
                [&train.filtered, &validation.filtered, &test.filtered],
            ),
            (
                EXACT_ALL,
                [&train.smoothed, &validation.smoothed, &test.smoothed],
            ),
            (ALONE, vectors),
        ] {
            rows.push((name, read(means, states)?));
        }
        for (name, scores) in &rows {
            for (j, column) in study.state_columns.iter().enumerate() {
                let r2 = boot.estimate(|drawn| scores.r2(&[j], drawn));
                finding.metric(format!("kalman_r2/{}/{name}", column.name), r2, "1");
            }
        }
        // The same states, up to the coordinates in which a law is free: read the filter's means from the model's.
        if let [Some(a), Some(b), Some(c)] = study
            .splits()
            .map(|(_, split)| split.latents.get("filtered"))
        {
            let means = [&train.filtered, &validation.filtered, &test.filtered];
            let all: Vec<usize> = (0..law.latent).collect();
            let scores = read([a, b, c], means)?;
            let r2 = boot.estimate(|drawn| scores.r2(&all, drawn));
            finding.metric("filtered_means_r2", r2, "1");
        }
        self.tell(&mut finding, study, &rows, &boot);
        if let Some(learned) = &study.law {
            finding.tables.push(eigenvalues(law, learned));
        }
        let few = Bootstrap::new(n, DRAWN, &study.seeds());
        finding.figure(
            "kalman",
            format!(
                "How near does the model come to the exact Kalman filter of the world? Log likelihood that every frame \
                 adds given those before, mean of {n} held-out sequences; bands are 95 % bootstrap intervals over \
                 sequences. The model's curve is its bound; nothing can be above the filter in the mean."
            ),
            Figure::Curves(Curves {
                panels: vec![panel(&likelihoods, &few, study.dt)],
            }),
        );
        Ok(finding)
    }
}

impl Kalman {
    fn tell(
        &self,
        finding: &mut Finding,
        study: &Study,
        rows: &[(&str, Scores)],
        boot: &Bootstrap,
    ) {
        let value = |name: &str| finding.value(name).unwrap_or(f64::NAN);
        let gap = value("kalman_gap");
        let error = value("kalman_gap_error");
        let answer = format!(
            "The model's bound is {:.4} nats a frame, the exact filter's likelihood {:.4}: {gap:.4} below (standard error \
             {error:.4}); vectors alone reach {:.4}. The filter's means are read from the model's with R² {:.5}.",
            value("log_likelihood/model's bound"),
            value(&format!("log_likelihood/{EXACT}")),
            value(&format!("log_likelihood/{ALONE}")),
            value("filtered_means_r2"),
        );
        let head = |name: &str| format!("log likelihood, {name} (nats/frame)");
        let cells = |name: &str| {
            let found = finding.metrics.iter().find(|m| m.name == name);
            found.map_or("–".into(), |m| match m.interval {
                Some((low, high)) => format!("{:.4} [{low:.4}, {high:.4}]", m.value),
                None => format!("{:.4}", m.value),
            })
        };
        let likelihood = Table {
            caption: format!(
                "Log likelihood of {} held-out sequences, in the vectors' own units [95 % bootstrap interval over sequences]. \
                 The gap is paired; its standard error is {error:.4}.",
                study.test.states.shape()[0]
            ),
            columns: vec![
                head("model's bound"),
                head(EXACT),
                head(ALONE),
                "gap to the filter".into(),
            ],
            rows: vec![vec![
                cells("log_likelihood/model's bound"),
                cells(&format!("log_likelihood/{EXACT}")),
                cells(&format!("log_likelihood/{ALONE}")),
                cells("kalman_gap"),
            ]],
        };
        let line = |(name, scores): &(&str, Scores)| {
            let columns = study.state_columns.iter().enumerate();
            let cells = columns.map(|(j, _)| boot.estimate(|drawn| scores.r2(&[j], drawn)).text());
            std::iter::once(name.to_string()).chain(cells).collect()
        };
        let columns = study
            .state_columns
            .iter()
            .map(|c| format!("R² of {}", c.name));
        let readouts = Table {
            caption: "Linear read-out of the true state: from the model's latents, from the exact filter's and smoother's \
                      means, and from the vectors alone."
                .into(),
            columns: std::iter::once("read from".into()).chain(columns).collect(),
            rows: rows.iter().map(line).collect(),
        };
        finding.answer = answer;
        finding.tables.extend([likelihood, readouts]);
        finding.define(
            "log_likelihood",
            "1/(N T) Σ_i log p(x_i), in the vectors' own units; of the model its bound; of vectors alone Σ_t log N(x_t; m, S) with \
             the training split's moments",
            "What a frame is worth to whoever predicts it. No model exceeds the exact filter in the mean.",
        );
        finding.define(
            "kalman_gap, kalman_gap_error",
            "mean over sequences of ( log p_exact(x_i) − bound_i ) / T; its standard error over sequences",
            "What is lost by the learned law and by the bound; below −3 errors something is wrong with the bound.",
        );
        finding.define(
            "kalman_r2",
            R2_FORMULA,
            "How much of each state column is read, beside the exact filter.",
        );
        finding.define(
            "filtered_means_r2",
            "R² of the linear read-out of the exact filter's means from the model's filtered means, mean over columns",
            "1 where both hold the same: a law is free in its coordinates, and a read-out undoes those.",
        );
    }
}

/// What the exact filter makes of vectors.
struct Exact {
    /// log p(x_t | x_0..x_{t-1}), (N, T).
    log_density: Array,
    /// (N, T, n).
    filtered: Array,
    /// (N, T, n).
    smoothed: Array,
}

impl Exact {
    fn of(law: &Lgssm, vectors: &Array) -> Result<Self> {
        let [n, total, p] = sizes(vectors);
        if p != law.code {
            return Err(Error::Shape(format!(
                "kalman: vectors of {} expected, got {p}",
                law.code
            )));
        }
        let found = lgssm::infer(law, &Batch::new(vectors.data(), n, total))?;
        let expected = law.emit(&found.predicted_mean);
        let k = law.latent;
        let c = DMatrix::from_row_slice(p, k, &law.emission_matrix);
        let r = DMatrix::from_row_slice(p, p, &law.emission_cov);
        let density = |row: usize| -> Result<f64> {
            let given = DMatrix::from_row_slice(k, k, &found.predicted_cov[row * k * k..][..k * k]);
            let difference = (0..p).map(|j| vectors.data()[row * p + j] - expected[row * p + j]);
            log_normal(
                &DVector::from_iterator(p, difference),
                &c * given * c.transpose() + &r,
            )
        };
        let log_density: Result<Vec<f64>> = (0..n * total).map(density).collect();
        Ok(Self {
            log_density: Array::new([n, total], log_density?)?,
            filtered: Array::new([n, total, k], found.filtered_mean)?,
            smoothed: Array::new([n, total, k], found.smoothed_mean)?,
        })
    }
}

/// log N(difference; 0, cov), nats.
fn log_normal(difference: &DVector<f64>, cov: DMatrix<f64>) -> Result<f64> {
    let p = difference.len() as f64;
    let root = cov
        .cholesky()
        .ok_or_else(|| Error::Numeric("kalman: a covariance of vectors is singular".into()))?;
    let half_log_det: f64 = root.l().diagonal().iter().map(|d| d.ln()).sum();
    let square = difference.dot(&root.solve(difference));
    Ok(-0.5 * (p * std::f64::consts::TAU.ln() + square) - half_log_det)
}

/// Log density of every vector of `test` under a normal distribution with the moments of `train`, (N, T).
fn alone(train: &Array, test: &Array) -> Result<Array> {
    let [n, total, p] = sizes(test);
    let rows = || train.data().chunks_exact(p).map(DVector::from_row_slice);
    let count = (train.data().len() / p).max(1) as f64;
    let mean = rows().fold(DVector::zeros(p), |sum, x| sum + x) / count;
    let cov = rows().fold(DMatrix::zeros(p, p), |sum, x| {
        let d = x - &mean;
        sum + &d * d.transpose()
    }) / count;
    let one = |x: &[f64]| log_normal(&(DVector::from_row_slice(x) - &mean), cov.clone());
    let all: Result<Vec<f64>> = test.data().chunks_exact(p).map(one).collect();
    Array::new([n, total], all?)
}

/// Scores on the test split of a read-out of `targets` from `features`, each of train, validation and test.
fn read(features: [&Array; 3], targets: [&Array; 3]) -> Result<Scores> {
    let readout = Readout::fit((features[0], targets[0]), (features[1], targets[1]))?;
    Scores::new(&readout.decode(features[2])?, targets[2])
}

fn minus(a: &Array, b: &Array) -> Result<Array> {
    let all = a.data().iter().zip(b.data()).map(|(a, b)| a - b);
    Array::new(a.shape().to_vec(), all.collect())
}

/// Mean over all frames of the drawn sequences of values (N, T).
fn mean_of(values: &Array, drawn: &[u32]) -> f64 {
    let sum: f64 = drawn.iter().flat_map(|&i| values.row(i as usize)).sum();
    sum / (drawn.len() * values.shape()[1]).max(1) as f64
}

/// Standard error over sequences of the mean of values (N, T).
fn standard_error(values: &Array) -> f64 {
    let [n, total] = [values.shape()[0], values.shape()[1]];
    let means: Vec<f64> = (0..n)
        .map(|i| values.row(i).iter().sum::<f64>() / total as f64)
        .collect();
    let mean = means.iter().sum::<f64>() / n as f64;
    let var = means.iter().map(|m| (m - mean).powi(2)).sum::<f64>();
    (var / (n.max(2) - 1) as f64 / n as f64).sqrt()
}

fn panel(rows: &[(&str, &Array)], boot: &Bootstrap, dt: f64) -> Panel {
    let curve = |&(name, values): &(&str, &Array)| {
        let look = match name {
            EXACT => Look::Truth,
            ALONE => Look::Baseline,
            _ => Look::Filtered,
        };
        let at = |t: usize| {
            let mean = |drawn: &[u32]| {
                let sum: f64 = drawn.iter().map(|&i| values.row(i as usize)[t]).sum();
                sum / drawn.len().max(1) as f64
            };
            (t as f64 * dt, boot.estimate(mean))
        };
        let points: Vec<_> = (0..values.shape()[1]).map(at).collect();
        series(name, look, &points)
    };
    Panel {
        x_label: "time (s)".into(),
        y_label: "log likelihood (nats/frame)".into(),
        series: rows.iter().map(curve).collect(),
        y_range: None,
    }
}

/// Eigenvalues of A do not depend on the coordinates of z: the true ones beside the learned ones, each by falling size.
fn eigenvalues(exact: &Lgssm, learned: &Lgssm) -> Table {
    let of = |law: &Lgssm| {
        let a = DMatrix::from_row_slice(law.latent, law.latent, &law.transition_matrix);
        let mut all: Vec<(f64, f64)> = a
            .complex_eigenvalues()
            .iter()
            .map(|v| (v.norm(), v.arg().abs()))
            .collect();
        all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.total_cmp(&b.1)));
        all
    };
    let (exact, learned) = (of(exact), of(learned));
    let cell = |all: &[(f64, f64)], k: usize| {
        all.get(k).map_or("–".into(), |(size, angle)| {
            format!("{size:.4} at {angle:.4} rad")
        })
    };
    Table {
        caption: "Eigenvalues of A, which no choice of coordinates changes: size and angle, by falling size.".into(),
        columns: vec!["true law".into(), "learned law".into()],
        rows: (0..exact.len().max(learned.len()))
            .map(|k| vec![cell(&exact, k), cell(&learned, k)])
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::SplitStudy;
    use crate::latents::Beliefs;
    use crate::seeds::Seeds;
    use simulators::Column;

    fn law() -> Lgssm {
        Lgssm {
            latent: 2,
            code: 1,
            transition_matrix: vec![0.9, 0.3, -0.3, 0.9],
            transition_offset: vec![0.0; 2],
            transition_cov: vec![0.05, 0.0, 0.0, 0.05],
            emission_matrix: vec![1.0, 0.0],
            emission_offset: vec![0.0],
            emission_cov: vec![0.3],
            initial_mean: vec![0.0; 2],
            initial_cov: vec![1.0, 0.0, 0.0, 1.0],
        }
    }

    /// States (n, 12, 2) and vectors (n, 12, 1) of [`law`].
    fn drawn(n: usize, rng: &mut crate::seeds::Rng) -> (Vec<f64>, Vec<f64>) {
        let mut normal = |std: f64| {
            let draw: f64 = rand_distr::Distribution::sample(&rand_distr::StandardNormal, rng);
            std * draw
        };
        let (mut states, mut vectors) = (Vec::new(), Vec::new());
        for _ in 0..n {
            let mut z = [normal(1.0), normal(1.0)];
            for t in 0..12 {
                if t > 0 {
                    let std = 0.05_f64.sqrt();
                    z = [
                        0.9 * z[0] + 0.3 * z[1] + normal(std),
                        -0.3 * z[0] + 0.9 * z[1] + normal(std),
                    ];
                }
                states.extend(z);
                vectors.push(z[0] + normal(0.3_f64.sqrt()));
            }
        }
        (states, vectors)
    }

    /// A model that is the exact filter, less `loss` nats a frame, in other coordinates of z.
    fn study(loss: f64) -> Study {
        let split = |n: usize, index: u64| {
            let mut rng = Seeds::new(3).stream("kalman", index);
            let (z, x) = drawn(n, &mut rng);
            let vectors = Array::new([n, 12, 1], x).unwrap();
            let exact = Exact::of(&law(), &vectors).unwrap();
            let mut latents = Beliefs::default();
            let turned = exact.filtered.data().chunks_exact(2);
            let turned = turned.flat_map(|z| [2.0 * z[0] - z[1] + 5.0, z[0] + z[1]]);
            latents.put(
                "filtered",
                Array::new([n, 12, 2], turned.collect()).unwrap(),
            );
            let surprise = exact.log_density.data().iter().map(|v| loss - v);
            latents.put("surprise", Array::new([n, 12], surprise.collect()).unwrap());
            SplitStudy {
                states: Array::new([n, 12, 2], z).unwrap(),
                vectors,
                latents,
                ..SplitStudy::default()
            }
        };
        Study {
            train: split(200, 0),
            validation: split(50, 1),
            test: split(100, 2),
            state_columns: ["z0", "z1"]
                .map(|name| Column {
                    name: name.into(),
                    unit: "1".into(),
                })
                .to_vec(),
            exact: Some(law()),
            dt: 1.0,
            frame_shape: [1, 1, 1],
            ..Study::default()
        }
    }

    #[test]
    fn densities_of_frames_add_up_to_the_filters_likelihood() {
        let study = study(0.0);
        let x = &study.test.vectors;
        let exact = Exact::of(&law(), x).unwrap();
        let found = lgssm::infer(&law(), &Batch::new(x.data(), 100, 12)).unwrap();
        for (i, want) in found.log_likelihood.iter().enumerate() {
            let got: f64 = exact.log_density.row(i).iter().sum();
            assert!((got - want).abs() < 1e-9, "{got} {want}");
        }
    }

    #[test]
    fn a_model_that_is_the_filter_has_no_gap_and_one_that_loses_has_its_loss() {
        for loss in [0.0, 0.25] {
            let finding = Kalman::default().run(&study(loss)).unwrap();
            let gap = finding.value("kalman_gap").unwrap();
            assert!((gap - loss).abs() < 1e-9, "{gap}");
            // Other coordinates of the same means: the read-out's penalty is all that is left.
            assert!(finding.value("filtered_means_r2").unwrap() > 0.99999);
            let exact = finding.value(&format!("kalman_r2/z1/{EXACT}")).unwrap();
            let model = finding.value("kalman_r2/z1/filtered").unwrap();
            let alone = finding.value(&format!("kalman_r2/z1/{ALONE}")).unwrap();
            assert!(
                (exact - model).abs() < 1e-4 && model > alone + 0.2,
                "{exact} {model} {alone}"
            );
            let likelihood = |of: &str| finding.value(&format!("log_likelihood/{of}")).unwrap();
            assert!(likelihood(EXACT) > likelihood(ALONE) + 0.1);
        }
    }
}
