//! Does the model know how sure it may be of where the body is?
//!
//! Latent means and covariances are carried into positions by the affine read-out p = M z + c, so an ellipse of nominal
//! coverage q is { p : (p − p̂)' (M P M')⁻¹ (p − p̂) ≤ χ²_q(D) }. Innovations of a right law are white: what a frame adds is not
//! to be foreseen from those before.

use super::curves::series;
use super::readout::look;
use super::sight::Sight;
use super::{Analysis, Finding, Kinematics, Study, Table};
use crate::array::Array;
use crate::error::{Error, Result};
use crate::figures::{Curves, Figure, Look, Panel, Series};
use crate::measure::arrays::{at, build, sizes};
use crate::measure::bootstrap::{Bootstrap, Estimate, RESAMPLES};
use crate::measure::constant_velocity::{most_likely, posterior};
use crate::measure::regression::Readout;
use crate::measure::whiteness::LagSums;
use lgssm::innovations;
use nalgebra::{Cholesky, DMatrix, DVector};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ChiSquared, ContinuousCDF};

/// Coverage of position ellipses, and whiteness of innovations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Calibration {
    /// Largest lag of the autocorrelation, frames.
    #[schemars(range(min = 1, max = 100))]
    pub lags: usize,
}

impl Default for Calibration {
    fn default() -> Self {
        Self { lags: 8 }
    }
}

const QUESTION: &str = "Does the model know how sure it may be of the position?";

/// Nominal coverages that are reported.
const REPORTED: [f64; 3] = [0.5, 0.9, 0.95];

/// Moments of one kind of latents: mean and covariance on training, validation (for the read-out) and test sequences.
struct Source {
    name: String,
    look: Look,
    means: [Array; 3],
    /// (N, T, n, n) of the test split.
    cov: Array,
}

/// Innovations of one kind.
struct Jumps {
    name: String,
    look: Look,
    test: Array,
}

impl Analysis for Calibration {
    fn name(&self) -> &'static str {
        "calibration"
    }

    fn check(&self) -> Result<()> {
        if !(1..=100).contains(&self.lags) {
            return Err(Error::Experiment(format!(
                "calibration.lags: want 1..=100, got {}",
                self.lags
            )));
        }
        Ok(())
    }

    fn run(&self, study: &Study) -> Result<Finding> {
        study.check()?;
        self.check()?;
        let Ok(kinematics) = study.kinematics() else {
            return Ok(Finding::without_states(self.name(), QUESTION, study));
        };
        let (mut sources, mut jumps) = own(study);
        if sources.is_empty() {
            let reason = "this model tells no covariance of its states";
            return Ok(Finding::not_applicable(self.name(), QUESTION, reason));
        }
        // A tracker of the centroid stands for one body in a plane.
        let planar = Kinematics::of(&study.state_columns).is_ok_and(|all| all.axes() == 2);
        if planar && kinematics.axes() == 2 {
            trackers(study, &mut sources, &mut jumps)?;
        }
        let n = study.test.states.shape()[0];
        let boot = Bootstrap::new(n, RESAMPLES, &study.seeds());
        let mut finding = Finding::new(self.name(), QUESTION);
        let coverage = coverage(&mut finding, study, &kinematics, &sources, &boot)?;
        let known: Vec<String> = finding.metrics.iter().map(|m| m.name.clone()).collect();
        let has = |s: &&Source| known.contains(&format!("nees/{}", s.name));
        if !sources.iter().any(|s| s.look != Look::Baseline && has(&s)) {
            return Ok(Finding::not_applicable(
                self.name(),
                QUESTION,
                finding
                    .warnings
                    .first()
                    .map_or("no position has a covariance", String::as_str),
            ));
        }
        let autocorrelation = self.whiteness(&mut finding, &jumps, &boot);
        let value = |name: String| finding.value(&name).unwrap_or(f64::NAN);
        let told = sources
            .iter()
            .filter(|s| s.look != Look::Baseline && has(s));
        let told: Vec<String> = told
            .map(|s| {
                format!(
                    "the 90 % ellipse of the {0} position holds {1:.1} % of the true ones (normalised squared error {2:.2})",
                    s.name,
                    100.0 * value(format!("coverage_90/{}", s.name)),
                    value(format!("nees/{}", s.name))
                )
            })
            .collect();
        finding.answer = format!("On held-out sequences {}.", told.join("; "));
        if let Some(r) = finding.value("innovation_autocorrelation_max/model") {
            finding.answer += &format!(
                " Innovations have at most an autocorrelation of {r:.3}{}.",
                finding
                    .value("innovation_autocorrelation_max/centroid tracker")
                    .map_or(String::new(), |r| format!(" (a tracker's {r:.3})"))
            );
        }
        define(&mut finding);
        let caption = format!(
            "Does the model know how sure it may be of the position? Left: share of true positions inside the ellipse of a \
             nominal coverage, {n} held-out sequences; below the diagonal the model is too sure, above it too cautious. Right: \
             autocorrelation of standardised innovations; inside the band it is what white noise has. Bands are 95 % \
             bootstrap intervals over sequences. Grey: a constant-velocity tracker of the frames' centroid."
        );
        let panels = [Some(coverage), autocorrelation].into_iter().flatten();
        let panels = panels.collect();
        finding.figure("calibration", caption, Figure::Curves(Curves { panels }));
        Ok(finding)
    }
}

/// Moments and innovations of the model itself.
fn own(study: &Study) -> (Vec<Source>, Vec<Jumps>) {
    let mut sources = Vec::new();
    for kind in ["filtered", "smoothed"] {
        let means = [&study.train, &study.validation, &study.test]
            .map(|split| split.latents.get(kind).cloned());
        let cov = study.test.latents.get(&format!("{kind}_cov"));
        if let ([Some(a), Some(b), Some(c)], Some(cov)) = (means, cov) {
            sources.push(Source {
                name: kind.into(),
                look: look(kind),
                means: [a, b, c],
                cov: cov.clone(),
            });
        }
    }
    let test = study.test.latents.get("innovations");
    let jumps = test.map(|test| Jumps {
        name: "model".into(),
        look: Look::Filtered,
        test: test.clone(),
    });
    (sources, jumps.into_iter().collect())
}

/// A constant-velocity tracker of the frames' centroid whose noises are the most likely ones: what needs no learning.
fn trackers(study: &Study, sources: &mut Vec<Source>, jumps: &mut Vec<Jumps>) -> Result<()> {
    if study.splits().iter().any(|(_, s)| s.frames.is_empty()) {
        return Ok(());
    }
    let still = study.train.background(study.frame_shape.iter().product());
    let splits = study
        .splits()
        .map(|(_, split)| split.centroids(study.frame_shape, &still));
    let model = most_likely(&splits[0], study.dt)?;
    let [train, validation, test] = splits.each_ref().map(|c| posterior(&model, c));
    let (train, validation, test) = (train?, validation?, test?);
    let shaped = |values: &[f64], split: usize, width: usize| {
        let [n, total, _] = sizes(&splits[split]);
        build([n, total, width], |i, t, row| {
            row.copy_from_slice(&values[(i * total + t) * width..][..width])
        })
    };
    for (name, means, cov) in [
        (
            "tracker, filtered",
            [
                &train.filtered_mean,
                &validation.filtered_mean,
                &test.filtered_mean,
            ],
            &test.filtered_cov,
        ),
        (
            "tracker, smoothed",
            [
                &train.smoothed_mean,
                &validation.smoothed_mean,
                &test.smoothed_mean,
            ],
            &test.smoothed_cov,
        ),
    ] {
        let [a, b, c] = means;
        sources.push(Source {
            name: name.into(),
            look: Look::Baseline,
            means: [shaped(a, 0, 4), shaped(b, 1, 4), shaped(c, 2, 4)],
            cov: shaped(cov, 2, 16),
        });
    }
    if splits[2].data().iter().any(|v| v.is_nan()) {
        return Ok(()); // a missing frame has no innovation, nor has the model's filter
    }
    let (mean, cov) = (&test.predicted_mean, &test.predicted_cov);
    let found = innovations(&model, splits[2].data(), mean, cov)?;
    jumps.push(Jumps {
        name: "centroid tracker".into(),
        look: Look::Baseline,
        test: shaped(&found, 2, 2),
    });
    Ok(())
}

/// States of a split, NaN in all frames but those that are in sight.
fn in_sight(states: &Array, sight: Option<&Sight>) -> Array {
    let mut states = states.clone();
    if let Some(sight) = sight {
        let width = sizes(&states)[2].max(1);
        let rows = states.data_mut().chunks_exact_mut(width);
        for (row, _) in rows.zip(&sight.in_sight).filter(|(_, seen)| !**seen) {
            row.fill(f64::NAN);
        }
    }
    states
}

/// Of every true position, (N, T, 2): squared distance from the decoded one in units of the decoded covariance, and its
/// distance; why there is none where a decoded covariance is singular. Where bodies are hidden, the read-out is that of
/// frames in which they are in sight: what a belief about a hidden body errs by would bend it.
fn distances(
    study: &Study,
    kinematics: &Kinematics,
    source: &Source,
    sight: Option<&[Sight; 3]>,
) -> Result<std::result::Result<Array, String>> {
    let [train, validation, test] = &source.means;
    let states = |split: usize, states| in_sight(states, sight.map(|all| &all[split]));
    let fitted = [
        states(0, &study.train.states),
        states(1, &study.validation.states),
    ];
    let readout = Readout::fit((train, &fitted[0]), (validation, &fitted[1]))?;
    let decoded = readout.decode(test)?;
    let (all, _) = readout.affine();
    let rows = kinematics.positions.iter().map(|&j| all.row(j));
    let m = DMatrix::from_rows(&rows.collect::<Vec<_>>()); // (D, n)
    let n = m.ncols();
    let mut bad = None;
    let found = build([sizes(test)[0], sizes(test)[1], 2], |i, t, row| {
        let cov = DMatrix::from_row_slice(n, n, at(&source.cov, i, t));
        let (truth, guess) = (at(&study.test.states, i, t), at(&decoded, i, t));
        let error = kinematics.positions.iter().map(|&j| truth[j] - guess[j]);
        let error = DVector::from_iterator(kinematics.axes(), error);
        match Cholesky::new(&m * cov * m.transpose()) {
            Some(factor) => {
                row.copy_from_slice(&[error.dot(&factor.solve(&error)), error.norm()]);
            }
            None => bad = bad.or(Some((i, t))),
        }
    });
    match bad {
        None => Ok(Ok(found)),
        Some((i, t)) => Ok(Err(format!(
            "calibration: the covariance of the {} position in sequence {i}, frame {t} is singular: {n} latent dimensions stand \
             for {} position columns",
            source.name,
            kinematics.axes()
        ))),
    }
}

/// Numbers, table and panel of coverage.
fn coverage(
    finding: &mut Finding,
    study: &Study,
    kinematics: &Kinematics,
    sources: &[Source],
    boot: &Bootstrap,
) -> Result<Panel> {
    let axes = kinematics.axes() as f64;
    let chi = ChiSquared::new(axes)
        .map_err(|e| Error::Numeric(format!("calibration: {axes} axes: {e}")))?;
    let levels: Vec<f64> = (1..20).map(|k| 0.05 * f64::from(k)).chain([0.99]).collect();
    let sight = Sight::of(study);
    let (mut rows, mut by_sight) = (Vec::new(), Vec::new());
    let mut panel = Panel {
        x_label: "nominal coverage".into(),
        y_label: "share of true positions inside".into(),
        series: vec![Series {
            label: "calibrated".into(),
            look: Look::Truth,
            x: vec![0.0, 1.0],
            y: vec![0.0, 1.0],
            low: Vec::new(),
            high: Vec::new(),
        }],
        y_range: Some((0.0, 1.0)),
    };
    for source in sources {
        let found = match distances(study, kinematics, source, sight.as_ref())? {
            Ok(found) => found,
            Err(reason) => {
                finding.warnings.push(reason);
                continue;
            }
        };
        let total = sizes(&found)[1];
        // Of frames that count: the share of true ones of every sequence, and how many frames that are.
        let mean = |counts: &dyn Fn(usize) -> bool, of: &dyn Fn(&[f64]) -> f64| {
            let each: Vec<(f64, f64)> = (0..sizes(&found)[0])
                .map(|i| {
                    let frames = found.row(i).chunks_exact(2).enumerate();
                    let known = frames.filter(|(t, d)| !d[0].is_nan() && counts(i * total + t));
                    let (sum, count) =
                        known.fold((0.0, 0u32), |(sum, n), (_, d)| (sum + of(d), n + 1));
                    (sum / total as f64, f64::from(count) / total as f64)
                })
                .collect();
            boot.estimate(|drawn| {
                let rows = || drawn.iter().map(|&i| each[i as usize]);
                rows().map(|(sum, _)| sum).sum::<f64>()
                    / rows().map(|(_, share)| share).sum::<f64>()
            })
        };
        let inside = |counts: &dyn Fn(usize) -> bool, level: f64| {
            let limit = chi.inverse_cdf(level);
            mean(counts, &|d| f64::from(u8::from(d[0] <= limit)))
        };
        let all = |_: usize| true;
        if let Some([_, _, sight]) = &sight {
            let groups = [("in_sight", &sight.in_sight), ("hidden", &sight.hidden)];
            for (group, frames) in groups {
                let counts = |k: usize| frames[k];
                let mut away: Vec<f64> = (found.data().chunks_exact(2).zip(frames))
                    .filter(|(d, counts)| **counts && !d[1].is_nan())
                    .map(|(d, _)| d[1])
                    .collect();
                if away.is_empty() {
                    continue;
                }
                away.sort_by(f64::total_cmp);
                let unit = &study.state_columns[kinematics.positions[0]].unit;
                let share = inside(&counts, 0.9);
                let off = Estimate::point(away[away.len() / 2]);
                let square = mean(&counts, &|d| d[1] * d[1]);
                let root = Estimate {
                    value: square.value.sqrt(),
                    interval: square.interval.map(|(low, high)| (low.sqrt(), high.sqrt())),
                };
                by_sight.push(vec![
                    source.name.clone(),
                    group.replace('_', " "),
                    away.len().to_string(),
                    share.text(),
                    off.text(),
                    root.text(),
                ]);
                let name = |metric: &str| format!("{metric}_{group}/{}", source.name);
                finding.metric(name("coverage_90"), share, "1");
                finding.metric(name("median_error"), off, unit);
                finding.metric(name("rmse"), root, unit);
            }
        }
        let mut cells = vec![source.name.clone()];
        for level in REPORTED {
            let share = inside(&all, level);
            let name = format!("coverage_{:.0}/{}", 100.0 * level, source.name);
            cells.push(share.text());
            finding.metric(name, share, "1");
        }
        let nees = mean(&all, &|d| d[0] / axes);
        cells.push(nees.text());
        finding.metric(format!("nees/{}", source.name), nees, "1");
        rows.push(cells);
        let points: Vec<(f64, Estimate)> = levels.iter().map(|&q| (q, inside(&all, q))).collect();
        panel
            .series
            .push(series(&source.name, source.look, &points));
    }
    finding.tables.push(Table {
        caption: "Share of held-out true positions inside the ellipse of a nominal coverage, and normalised estimation error squared (1 is right, more is too sure) [95 % interval]."
            .into(),
        columns: ["position", "50 %", "90 %", "95 %", "NEES / D"]
            .map(str::to_string)
            .to_vec(),
        rows,
    });
    if !by_sight.is_empty() {
        finding.tables.push(Table {
            caption: "Where the body is, in frames that show it and in frames that show nothing of it: share of true positions \
                      inside the 90 % ellipse, and distance from the decoded position [95 % interval]."
                .into(),
            columns: ["position", "body", "frames", "90 %", "median error", "RMSE"]
                .map(str::to_string)
                .to_vec(),
            rows: by_sight,
        });
    }
    Ok(panel)
}

impl Calibration {
    /// Numbers, table and panel of the innovations; None where there are none.
    fn whiteness(&self, finding: &mut Finding, jumps: &[Jumps], boot: &Bootstrap) -> Option<Panel> {
        let mut rows = Vec::new();
        let mut curves = Vec::new();
        let mut band = None;
        for source in jumps {
            let Some(sums) = LagSums::new(&source.test, self.lags) else {
                continue;
            };
            let lags = sums.lags();
            let estimates = boot.estimates(|drawn| {
                let found = sums.of(drawn);
                Some(
                    [found.variance, found.portmanteau]
                        .into_iter()
                        .chain(found.autocorrelation)
                        .collect(),
                )
            })?;
            let all: Vec<u32> = (0..sizes(&source.test)[0] as u32).collect();
            let p_value = sums.of(&all).p_value;
            let (summary, r) = estimates.split_at(2);
            let largest = r.iter().map(|e| e.value.abs()).fold(0.0, f64::max);
            let name = &source.name;
            for (metric, estimate) in [
                ("innovation_variance", summary[0]),
                ("innovation_portmanteau", summary[1]),
                ("innovation_portmanteau_p", Estimate::point(p_value)),
                ("innovation_autocorrelation_max", Estimate::point(largest)),
            ] {
                finding.metric(format!("{metric}/{name}"), estimate, "1");
            }
            rows.push(vec![
                name.clone(),
                summary[0].text(),
                r[0].text(),
                format!("{largest:.3}"),
                summary[1].text(),
                format!("{p_value:.1e}"),
            ]);
            let points: Vec<(f64, Estimate)> =
                (1..=lags).map(|h| h as f64).zip(r.to_vec()).collect();
            curves.push(series(name, source.look, &points));
            if band.is_none() {
                let half = |h: usize| 1.96 / (2.0 * sums.pairs(h)).sqrt();
                band = Some(Series {
                    label: "white noise, 95 %".into(),
                    look: Look::Truth,
                    x: (1..=lags).map(|h| h as f64).collect(),
                    y: vec![0.0; lags],
                    low: (1..=lags).map(|h| -half(h)).collect(),
                    high: (1..=lags).map(half).collect(),
                });
            }
        }
        let band = band?;
        finding.tables.push(Table {
            caption: format!(
                "Whiteness of standardised innovations, lags 1 to {} [95 % interval]: variance 1, no autocorrelation and Q/dof 1 are right.",
                band.x.len()
            ),
            columns: [
                "innovations of",
                "variance",
                "autocorrelation at lag 1",
                "largest",
                "portmanteau Q/dof",
                "p",
            ]
            .map(str::to_string)
            .to_vec(),
            rows,
        });
        Some(Panel {
            x_label: "lag (frames)".into(),
            y_label: "autocorrelation of innovations".into(),
            series: std::iter::once(band).chain(curves).collect(),
            y_range: None,
        })
    }
}

fn define(finding: &mut Finding) {
    finding.define(
        "coverage_q",
        "mean over frames of [ (p − p̂)' (M P M')⁻¹ (p − p̂) ≤ χ²_q(D) ], p̂ = M z + c the linear read-out of the mean, P its covariance",
        "Share of true positions inside the model's own q % ellipse: q is right, less is too sure, more too cautious. A law learns from draws of q(a | x) and is asked with their means, which are closer to the truth than a draw.",
    );
    if finding
        .metrics
        .iter()
        .any(|m| m.name.starts_with("coverage_90_hidden/"))
    {
        finding.define(
            "coverage_90_hidden, median_error_hidden, rmse_hidden, …_in_sight",
            "over frames whose Σ |frame − background| is below 5 %, or at least 90 %, of the upper quartile of training \
             frames; the error is the distance |p − p̂|, its root mean square taken over frames",
            "What is believed of a body that no pixel shows. Where frames hide it, the read-out is fitted on frames in sight.",
        );
    }
    finding.define(
        "nees",
        "mean over frames of (p − p̂)' (M P M')⁻¹ (p − p̂) / D",
        "Normalised estimation error squared (Bar-Shalom et al. 2001, sec. 5.4): 1 is right, more is too sure.",
    );
    finding.define(
        "innovation_variance, innovation_autocorrelation_max",
        "mean of e², largest |r_h| with r_h = mean over components of corr(e_t, e_{t−h}), e_t = S_t^(−1/2) (a_t − C m_{t|t−1} − d), t ≥ 1",
        "Under the model e is white with variance 1.",
    );
    finding.define(
        "innovation_portmanteau, innovation_portmanteau_p",
        "Q / (p² H), Q = Σ_{h=1..H} n_h Σ_ij r²_h,ij; P(χ²(p² H) > Q)",
        "Test of whiteness (Hosking 1980): 1 is right. With thousands of frames any small fault gives p ≈ 0; the size of r says how much.",
    );
    finding.define(
        "tracker, centroid tracker",
        "p' = p + dt v, v' = v with white acceleration on the centroid of |frame − background|; both noises by maximum likelihood from a grid",
        "What needs no learning, with its own covariances.",
    );
}

#[cfg(test)]
mod tests {
    use super::super::testing::study;
    use super::*;
    use crate::seeds::Seeds;
    use rand_distr::{Distribution, StandardNormal};

    /// Latents that are the true hidden ones plus noise of a known covariance, told `scale` times too small or large.
    fn noisy(scale: f64) -> Study {
        let mut study = study(200, true);
        let mut rng = Seeds::new(9).stream("calibration", 0);
        for split in [&mut study.train, &mut study.validation, &mut study.test] {
            let arrays = &mut split.latents;
            arrays.remove("filtered");
            let smoothed = arrays.get_mut("smoothed").unwrap();
            for value in smoothed.data_mut() {
                let w: f64 = StandardNormal.sample(&mut rng);
                *value += 0.05 * w;
            }
            let [n, t, _] = sizes(smoothed);
            let cov = build([n, t, 16], |_, _, row| {
                for k in 0..4 {
                    row[5 * k] = scale * 0.05 * 0.05;
                }
            });
            arrays.put("smoothed_cov", cov);
            let white = build([n, t, 2], |_, _, row| {
                row.fill_with(|| StandardNormal.sample(&mut rng))
            });
            arrays.put("innovations", white);
        }
        study
    }

    #[test]
    fn a_model_that_knows_its_noise_is_calibrated_and_one_that_halves_it_is_too_sure() {
        let finding = Calibration::default().run(&noisy(1.0)).unwrap();
        // 4,000 independent frames: standard error of a coverage below .008; the read-out's own error adds 1e-3 of variance.
        for (level, want) in [("50", 0.5), ("90", 0.9), ("95", 0.95)] {
            let got = finding
                .value(&format!("coverage_{level}/smoothed"))
                .unwrap();
            assert!((got - want).abs() < 0.03, "{level}: {got}");
        }
        let nees = finding.value("nees/smoothed").unwrap();
        assert!((nees - 1.0).abs() < 0.06, "{nees}");
        let r = finding
            .value("innovation_autocorrelation_max/model")
            .unwrap();
        assert!(r < 0.06, "{r}");
        // A tracker without walls is surprised again and again by the same bounce.
        let tracker = finding
            .value("innovation_portmanteau/centroid tracker")
            .unwrap();
        assert!(tracker > 2.0, "{tracker}");
        let sure = Calibration::default().run(&noisy(0.25)).unwrap();
        assert!((sure.value("nees/smoothed").unwrap() - 4.0).abs() < 0.25);
        // P(χ²(2) ≤ χ²_.9 / 4) = 1 − .1^(1/4).
        let got = sure.value("coverage_90/smoothed").unwrap();
        assert!((got - (1.0 - 0.1f64.powf(0.25))).abs() < 0.03, "{got}");
    }

    /// [`noisy`], with nothing in frames 7 to 10 of any picture: there latents are `off`, and err by .5 and know it.
    fn behind(off: f64) -> Study {
        let mut study = noisy(1.0);
        let mut rng = Seeds::new(10).stream("calibration", 0);
        let size: usize = study.frame_shape.iter().product();
        for split in [&mut study.train, &mut study.validation, &mut study.test] {
            let [n, total, _] = sizes(&split.states);
            for k in (0..n * total).filter(|k| (7..11).contains(&(k % total))) {
                split.frames.held_mut()[k * size..(k + 1) * size].fill(0);
                let smoothed = split.latents.get_mut("smoothed").unwrap();
                for value in &mut smoothed.data_mut()[4 * k..4 * k + 4] {
                    let w: f64 = StandardNormal.sample(&mut rng);
                    *value += off + 0.5 * w;
                }
                let cov = split.latents.get_mut("smoothed_cov").unwrap();
                for j in 0..4 {
                    cov.data_mut()[16 * k + 5 * j] += 0.25;
                }
            }
        }
        study
    }

    #[test]
    fn beliefs_about_a_hidden_body_are_judged_by_a_read_out_that_they_do_not_bend() {
        let value = |off: f64, name: &str| {
            let finding = Calibration::default().run(&behind(off)).unwrap();
            finding.value(&format!("{name}/smoothed")).unwrap()
        };
        // Of 800 hidden frames: standard error .011.
        assert!((value(0.0, "coverage_90_hidden") - 0.9).abs() < 0.04);
        assert!(value(0.0, "rmse_hidden") > 5.0 * value(0.0, "rmse_in_sight"));
        // Off by six of its own deviations in every latent, yet frames in sight are what they were.
        assert!(value(3.0, "coverage_90_hidden") < 0.05);
        assert!((value(3.0, "coverage_90_in_sight") - 0.9).abs() < 0.03);
        assert!(value(3.0, "median_error_hidden") > 3.0 * value(0.0, "median_error_hidden"));
    }

    #[test]
    fn a_singular_covariance_is_named() {
        let mut study = noisy(1.0);
        let cov = study.test.latents.get_mut("smoothed_cov").unwrap();
        cov.data_mut()[16 * 23..16 * 24].fill(0.0);
        let finding = Calibration::default().run(&study).unwrap();
        assert!(
            finding.answer.starts_with("not applicable")
                && finding.answer.contains("smoothed")
                && finding.answer.contains("sequence 1, frame 3"),
            "{finding:?}"
        );
    }
}
