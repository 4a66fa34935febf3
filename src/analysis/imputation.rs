//! Can the model fill in frames that it did not see?
//!
//! The first frames are always seen, each later one is dropped with probability p; the smoother fills in the rest.
//! Everything is measured on dropped frames only. Published: Fraccaro et al. 2017 (Kalman VAE), figure 4 read off.

use super::arrays::at;
use super::bootstrap::{Bootstrap, Estimate, RESAMPLES};
use super::curves::series;
use super::interpolate::{empty_box, interpolated, mean_where};
use super::readout::decoder;
use super::scores::Scores;
use super::{Analysis, Finding, Kinematics, Study, Table};
use crate::error::{Error, Result};
use crate::figures::{Curves, Figure, Look, Panel, Series};
use serde::{Deserialize, Serialize};

/// Position error and wrong pixels of frames that were not seen, against the share that is missing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Imputation {}

const QUESTION: &str = "Can the model fill in frames that it did not see?";

/// Drop rates of the published curves.
const PUBLISHED_RATES: [f64; 5] = [0.1, 0.3, 0.5, 0.8, 1.0];
/// Wrong pixels of the published Kalman VAE, smoothing, read off its figure to ±.0003.
const PUBLISHED_SMOOTHING: [f64; 5] = [0.0058, 0.0064, 0.0076, 0.0129, 0.0267];
/// The same, filtering.
const PUBLISHED_FILTERING: [f64; 5] = [0.0079, 0.0083, 0.0102, 0.0158, 0.0267];

const SMOOTHED: &str = "smoothed";
const LINEAR: &str = "linear interpolation";
const EMPTY: &str = "empty box";

/// Estimates by drop rate of one row.
type Curve = Vec<(f64, Estimate)>;

/// The rows of both panels.
#[derive(Default)]
struct Found {
    position: Curve,
    position_linear: Curve,
    wrong: Curve,
    wrong_empty: Curve,
}

impl Analysis for Imputation {
    fn name(&self) -> &'static str {
        "imputation"
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn run(&self, study: &Study) -> Result<Finding> {
        study.check()?;
        let Ok(kinematics) = Kinematics::of(&study.state_columns) else {
            return Ok(Finding::without_states(self.name(), QUESTION, study));
        };
        let found = measure(study, &kinematics)?;
        if found.position.is_empty() && found.wrong.is_empty() {
            let reason = "this model was not asked to fill in missing frames";
            return Ok(Finding::not_applicable(self.name(), QUESTION, reason));
        }
        let mut finding = Finding::new(self.name(), QUESTION);
        let unit = &kinematics.position_unit;
        for (quantity, row, curve, unit) in [
            ("position_rmse", SMOOTHED, &found.position, unit.as_str()),
            (
                "position_rmse",
                LINEAR,
                &found.position_linear,
                unit.as_str(),
            ),
            ("wrong_pixels", SMOOTHED, &found.wrong, "1"),
            ("wrong_pixels", EMPTY, &found.wrong_empty, "1"),
        ] {
            for (rate, estimate) in curve {
                finding.metric(format!("imputed_{rate}_{quantity}/{row}"), *estimate, unit);
            }
        }
        finding.answer = answer(&found, unit);
        finding.define(
            "imputed_p_position_rmse",
            "√( mean over dropped frames of Σ_j (s_j − ŝ_j)² ) over position columns j, ŝ = read-out of the smoothed latents",
            "Typical distance from the truth in frames that were not seen; each frame after the first ones dropped with probability p.",
        );
        finding.define(
            "imputed_p_wrong_pixels",
            "mean over pixels of dropped frames of [ (decoded > 1/2) ≠ (true > 1/2) ]",
            "Share of pixels on the wrong side. A ball drawn at a wrong place counts twice, so an empty box beats it.",
        );
        finding.define(
            LINEAR,
            "true positions of the nearest seen frames on both sides, joined by a line; after the last one, held",
            "What needs no model.",
        );
        finding.define(
            EMPTY,
            "the median of every pixel over the training frames",
            "Drawing no ball at all.",
        );
        finding.tables.push(rate_table(&found, unit));
        let n = study.test.states.shape()[0];
        let caption = format!(
            "Can the model fill in frames that it did not see? Errors on dropped frames only, against the probability that \
             a frame is dropped (the first {} are always seen); {n} held-out sequences, bands are 95 % bootstrap intervals \
             over sequences. Published: Kalman VAE (Fraccaro et al. 2017) on its own binary frames, read off its figure to \
             ±.0003.",
            study.encode.always_seen
        );
        finding.figure("imputation", caption, Figure::Curves(panels(&found, unit)));
        Ok(finding)
    }
}

fn measure(study: &Study, kinematics: &Kinematics) -> Result<Found> {
    let truth = &study.test.states;
    let (n, total) = (truth.shape()[0], truth.shape()[1]);
    let boot = Bootstrap::new(n, RESAMPLES, &study.seeds());
    let readout = decoder(study, "smoothed")?;
    let empty = empty_box(study);
    let mut found = Found::default();
    for (k, &rate) in study.encode.drop_rates.iter().enumerate() {
        let get = |name: &str| study.test.latents.get(&format!("{name}_{k}"));
        let Some(mask) = get("mask") else {
            continue;
        };
        for name in ["mask", "wrong_pixels"] {
            if let Some(array) = get(name).filter(|array| array.data().len() != n * total) {
                let got = array.shape();
                return Err(Error::Shape(format!(
                    "{name}_{k}: want ({n}, {total}), got {got:?}"
                )));
            }
        }
        let dropped = |i: usize, t: usize| at(mask, i, t)[0] < 0.5;
        if !(0..n).any(|i| (0..total).any(|t| dropped(i, t))) {
            continue;
        }
        if let (Some(readout), Some(latents)) = (&readout, get("imputed")) {
            let linear = interpolated(truth, mask);
            for (curve, states) in [
                (&mut found.position, &readout.decode(latents)?),
                (&mut found.position_linear, &linear),
            ] {
                let scores = Scores::where_(states, truth, dropped)?;
                curve.push((
                    rate,
                    boot.estimate(|drawn| scores.rmse(&kinematics.positions, drawn)),
                ));
            }
        }
        for (curve, share) in [
            (&mut found.wrong, get("wrong_pixels")),
            (&mut found.wrong_empty, empty.as_ref()),
        ] {
            if let Some(share) = share {
                curve.push((rate, mean_where(share, dropped, &boot)));
            }
        }
    }
    Ok(found)
}

fn answer(found: &Found, unit: &str) -> String {
    let middle = |curve: &Curve| {
        let nearest = curve
            .iter()
            .min_by(|a, b| (a.0 - 0.5).abs().total_cmp(&(b.0 - 0.5).abs()));
        nearest.map(|(rate, estimate)| (*rate, estimate.value))
    };
    let mut parts = Vec::new();
    if let (Some((rate, model)), Some((_, linear))) =
        (middle(&found.position), middle(&found.position_linear))
    {
        parts.push(format!(
            "with p = {rate} of the frames missing their position is off by {model:.2} {unit} (linear interpolation {linear:.2})"
        ));
    }
    if let Some((rate, wrong)) = middle(&found.wrong) {
        let empty = middle(&found.wrong_empty)
            .map_or(String::new(), |(_, e)| format!(" (empty box {e:.4})"));
        parts.push(format!(
            "at p = {rate} a share of {wrong:.4} of their pixels is wrong{empty}"
        ));
    }
    format!("On frames not seen: {}.", parts.join("; "))
}

fn panels(found: &Found, unit: &str) -> Curves {
    let published = |label: &str, values: &[f64]| Series {
        label: label.into(),
        look: Look::Published,
        x: PUBLISHED_RATES.to_vec(),
        y: values.to_vec(),
        low: Vec::new(),
        high: Vec::new(),
    };
    let panel = |y_label: String, series: Vec<Series>| Panel {
        x_label: "probability that a frame is missing".into(),
        y_label,
        series,
        y_range: None,
    };
    let mut wrong = vec![
        series(SMOOTHED, Look::Smoothed, &found.wrong),
        series(EMPTY, Look::Baseline, &found.wrong_empty),
        published("Kalman VAE, smoothing", &PUBLISHED_SMOOTHING),
        published("Kalman VAE, filtering", &PUBLISHED_FILTERING),
    ];
    wrong.retain(|series| !series.x.is_empty());
    let mut position = vec![
        series(SMOOTHED, Look::Smoothed, &found.position),
        series(LINEAR, Look::Baseline, &found.position_linear),
    ];
    position.retain(|series| !series.x.is_empty());
    let mut panels = Vec::new();
    if !found.position.is_empty() {
        panels.push(panel(format!("position RMSE ({unit})"), position));
    }
    if !found.wrong.is_empty() {
        panels.push(panel("share of wrong pixels".into(), wrong));
    }
    Curves { panels }
}

fn rate_table(found: &Found, unit: &str) -> Table {
    let pick = |curve: &Curve, rate: f64, digits: usize| {
        let at = curve.iter().find(|(r, _)| *r == rate);
        at.map_or("–".into(), |(_, e)| format!("{:.digits$}", e.value))
    };
    let longest = if found.position.is_empty() {
        &found.wrong
    } else {
        &found.position
    };
    let row = |&(rate, _): &(f64, Estimate)| {
        let published = PUBLISHED_RATES.iter().position(|p| (p - rate).abs() < 1e-9);
        vec![
            format!("{rate}"),
            pick(&found.position, rate, 3),
            pick(&found.position_linear, rate, 3),
            pick(&found.wrong, rate, 4),
            pick(&found.wrong_empty, rate, 4),
            published.map_or("–".into(), |i| format!("{:.4}", PUBLISHED_SMOOTHING[i])),
        ]
    };
    Table {
        caption: "Frames not seen: root mean squared distance from the true position and share of wrong pixels, by the probability that a frame is missing."
            .into(),
        columns: vec![
            "missing".into(),
            format!("position RMSE ({unit})"),
            format!("linear interpolation ({unit})"),
            "wrong pixels".into(),
            "empty box".into(),
            "Kalman VAE, published".into(),
        ],
        rows: longest.iter().map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::study;
    use super::*;

    #[test]
    fn exact_latents_have_no_error_and_trivial_rows_the_known_ones() {
        let finding = Imputation::default().run(&study(300, true)).unwrap();
        assert!(finding.value("imputed_0.5_position_rmse/smoothed").unwrap() < 1e-7);
        assert_eq!(
            finding.value("imputed_0.5_wrong_pixels/smoothed"),
            Some(0.0)
        );
        // A disc of radius 3 on 32 x 32 pixels covers 28.3 / 1024 = .0276 of them.
        let empty = finding.value("imputed_0.5_wrong_pixels/empty box").unwrap();
        assert!((empty - 0.0276).abs() < 0.001, "{empty}");
        // Known from other box data: 2.6 px; a few per cent of the frames, after bounces, make most of it.
        let linear = finding
            .value("imputed_0.5_position_rmse/linear interpolation")
            .unwrap();
        assert!((linear - 2.6).abs() < 0.4, "{linear}");
    }

    #[test]
    fn seen_frames_do_not_count() {
        let mut study = study(30, true);
        let mask = study.test.latents.get("mask_0").unwrap().clone();
        let wrong = study.test.latents.arrays.get_mut("wrong_pixels_0").unwrap();
        for (value, seen) in wrong.data_mut().iter_mut().zip(mask.data()) {
            *value = if *seen > 0.5 { 1.0 } else { 0.25 };
        }
        let finding = Imputation::default().run(&study).unwrap();
        assert_eq!(
            finding.value("imputed_0.5_wrong_pixels/smoothed"),
            Some(0.25)
        );
    }
}
