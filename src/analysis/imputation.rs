//! Can the model fill in frames that it did not see?
//!
//! The first frames are always seen; then each later one is dropped with probability p, or a block of them is missing. The
//! smoother fills in from all seen frames, the filter from those before. Everything is measured on missing frames only.
//! Published: Fraccaro et al. 2017 (Kalman VAE), figure 4 read off.

use super::imputation_pictures::{panels, test_table};
use super::readout::decoder;
use super::{Analysis, Finding, Kinematics, Study};
use crate::array::Array;
use crate::error::{Error, Result};
use crate::figures::{Curves, Figure};
use crate::measure::arrays::at;
use crate::measure::bootstrap::{Bootstrap, Estimate, RESAMPLES};
use crate::measure::interpolate::{interpolated, mean_where};
use crate::measure::scores::Scores;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Position error and wrong pixels of frames that were not seen, against the share or the number that is missing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Imputation {}

const QUESTION: &str = "Can the model fill in frames that it did not see?";

pub(super) const SMOOTHED: &str = "smoothed";
pub(super) const FILTERED: &str = "filtered";
pub(super) const LINEAR: &str = "linear interpolation";
pub(super) const EMPTY: &str = "empty box";
pub(super) const SEEN: &str = "nothing missing";

/// Estimates by drop rate or block length of one row.
pub(super) type Curve = Vec<(f64, Estimate)>;

/// The rows of one kind of tests: drop rates, or blocks.
#[derive(Default)]
pub(super) struct Found {
    /// Position errors by row.
    pub position: Vec<(&'static str, Curve)>,
    /// Shares of wrong pixels by row.
    pub wrong: Vec<(&'static str, Curve)>,
    /// Whether the published values are of this world.
    pub published: bool,
}

impl Found {
    fn add(rows: &mut Vec<(&'static str, Curve)>, row: &'static str, x: f64, value: Estimate) {
        match rows.iter_mut().find(|(name, _)| *name == row) {
            Some((_, curve)) => curve.push((x, value)),
            None => rows.push((row, vec![(x, value)])),
        }
    }

    fn is_empty(&self) -> bool {
        self.position.is_empty() && self.wrong.is_empty()
    }

    /// The estimate of a row at a drop rate or block length.
    pub fn get(rows: &[(&'static str, Curve)], row: &str, x: f64) -> Option<Estimate> {
        let (_, curve) = rows.iter().find(|(name, _)| *name == row)?;
        curve.iter().find(|(at, _)| *at == x).map(|(_, e)| *e)
    }
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
        // Without positions the pixels are compared alone.
        let kinematics = study.kinematics().ok();
        let [rates, blocks] = measure(study, kinematics.as_ref())?;
        if rates.is_empty() && blocks.is_empty() {
            let reason = "this model was not asked to fill in missing frames";
            return Ok(Finding::not_applicable(self.name(), QUESTION, reason));
        }
        let mut finding = Finding::new(self.name(), QUESTION);
        let unit = kinematics.map_or_else(String::new, |k| k.position_unit);
        let unit = unit.as_str();
        for (prefix, found) in [("imputed_", &rates), ("imputed_block_", &blocks)] {
            for (quantity, rows, unit) in [
                ("position_rmse", &found.position, unit),
                ("wrong_pixels", &found.wrong, "1"),
            ] {
                for (row, curve) in rows {
                    for (x, estimate) in curve {
                        finding.metric(format!("{prefix}{x}_{quantity}/{row}"), *estimate, unit);
                    }
                }
            }
        }
        finding.answer = answer(&rates, &blocks, unit);
        define(&mut finding);
        for (found, of_blocks) in [(&rates, false), (&blocks, true)] {
            if !found.is_empty() {
                finding.tables.push(test_table(found, of_blocks, unit));
            }
        }
        let n = study.test.states.shape()[0];
        let caption = format!(
            "Can the model fill in frames that it did not see? Errors on missing frames only: each frame after the first {0} \
             dropped with a probability, or a block of frames right after the first {0} missing; {n} held-out sequences, bands \
             are 95 % bootstrap intervals over sequences.{1}",
            study.encode.always_seen,
            match rates.published {
                true =>
                    " Published: Kalman VAE (Fraccaro et al. 2017) on its own binary frames, read off its figures to ±.0003.",
                false => "",
            }
        );
        let panels = panels(&rates, &blocks, unit);
        finding.figure("imputation", caption, Figure::Curves(Curves { panels }));
        Ok(finding)
    }
}

/// The tests of drop rates and those of blocks.
fn measure(study: &Study, kinematics: Option<&Kinematics>) -> Result<[Found; 2]> {
    let truth = &study.test.states;
    let (n, total) = (truth.shape()[0], truth.shape()[1]);
    let boot = Bootstrap::new(n, RESAMPLES, &study.seeds());
    let readouts = match kinematics {
        Some(_) => [
            (SMOOTHED, "imputed", decoder(study, "smoothed")?),
            (FILTERED, "imputed_filtered", decoder(study, "filtered")?),
        ],
        None => [
            (SMOOTHED, "imputed", None),
            (FILTERED, "imputed_filtered", None),
        ],
    };
    let empty = empty_box(study);
    let published = study.is_one_ball_box();
    let mut found = [(), ()].map(|()| Found {
        published,
        ..Found::default()
    });
    let rates = study.encode.drop_rates.iter().map(|&rate| (0, rate));
    let blocks = study.encode.blocks.iter().map(|&block| (1, block as f64));
    for (k, (kind, x)) in rates.chain(blocks).enumerate() {
        let get = |name: &str| study.test.latents.get(&format!("{name}_{k}"));
        let Some(mask) = get("mask") else {
            continue;
        };
        for name in [
            "mask",
            "wrong_pixels",
            "wrong_pixels_filtered",
            "wrong_pixels_line",
        ] {
            if let Some(array) = get(name).filter(|array| array.data().len() != n * total) {
                let got = array.shape();
                return Err(Error::Shape(format!(
                    "{name}_{k}: want ({n}, {total}), got {got:?}"
                )));
            }
        }
        // A frame that the dataset lacks tells nothing of what was filled in.
        let dropped = |i: usize, t: usize| at(mask, i, t)[0] < 0.5 && study.test.sees(i, t);
        if !(0..n).any(|i| (0..total).any(|t| dropped(i, t))) {
            continue;
        }
        let Found {
            position, wrong, ..
        } = &mut found[kind];
        let mut distance = |row: &'static str, states: &Array| -> Result<()> {
            let Some(kinematics) = kinematics else {
                return Ok(());
            };
            let scores = Scores::where_(states, truth, dropped)?;
            let rmse = boot.estimate(|drawn| scores.rmse(&kinematics.positions, drawn));
            Found::add(position, row, x, rmse);
            Ok(())
        };
        for (row, name, readout) in &readouts {
            if let (Some(readout), Some(latents)) = (readout, get(name)) {
                distance(row, &readout.decode(latents)?)?;
            }
        }
        if kinematics.is_some() {
            distance(LINEAR, &interpolated(truth, mask))?;
        }
        for (row, share) in [
            (SMOOTHED, get("wrong_pixels")),
            (FILTERED, get("wrong_pixels_filtered")),
            (LINEAR, get("wrong_pixels_line")),
            (EMPTY, empty.as_ref()),
            (SEEN, study.test.latents.get("wrong_pixels_seen")),
        ] {
            if let Some(share) = share {
                Found::add(wrong, row, x, mean_where(share, dropped, &boot));
            }
        }
    }
    Ok(found)
}

fn answer(rates: &Found, blocks: &Found, unit: &str) -> String {
    let middle = |rows: &[(&'static str, Curve)]| {
        let (_, curve) = rows.iter().find(|(row, _)| *row == SMOOTHED)?;
        let nearest = curve
            .iter()
            .min_by(|a, b| (a.0 - 0.5).abs().total_cmp(&(b.0 - 0.5).abs()));
        nearest.map(|(rate, estimate)| (*rate, estimate.value))
    };
    let mut parts = Vec::new();
    if let Some((rate, model)) = middle(&rates.position) {
        let linear = Found::get(&rates.position, LINEAR, rate).map_or(f64::NAN, |e| e.value);
        parts.push(format!(
            "with p = {rate} of the frames missing their position is off by {model:.2} {unit} (linear interpolation {linear:.2})"
        ));
    }
    if let Some((rate, wrong)) = middle(&rates.wrong) {
        let other = |row: &str, words: &str| {
            Found::get(&rates.wrong, row, rate).map(|e| format!("{words} {:.4}", e.value))
        };
        let others = [other(EMPTY, "empty box"), other(SEEN, "nothing missing")];
        let others: Vec<String> = others.into_iter().flatten().collect();
        parts.push(format!(
            "at p = {rate} a share of {wrong:.4} of their pixels is wrong ({})",
            others.join(", ")
        ));
    }
    let longest = blocks.position.iter().find(|(row, _)| *row == SMOOTHED);
    if let Some((block, e)) = longest.and_then(|(_, curve)| curve.last()) {
        let linear = Found::get(&blocks.position, LINEAR, *block).map_or(f64::NAN, |e| e.value);
        parts.push(format!(
            "in a block of {block} missing frames the position is off by {:.2} {unit} (linear interpolation {linear:.2})",
            e.value
        ));
    }
    if parts.is_empty() {
        return "On frames not seen this model has no smoothed state to be measured; the tables have the rest.".into();
    }
    format!("On frames not seen: {}.", parts.join("; "))
}

fn define(finding: &mut Finding) {
    finding.define(
        "imputed_p_position_rmse, imputed_block_n_position_rmse",
        "√( mean over missing frames of Σ_j (s_j − ŝ_j)² ) over position columns j, ŝ = read-out of the smoothed (filtered) latents",
        "Typical distance from the truth in frames that were not seen: each frame after the first ones dropped with probability p, or n frames in a block right after them.",
    );
    finding.define(
        "imputed_p_wrong_pixels, imputed_block_n_wrong_pixels",
        "mean over pixels of missing frames of [ (decoded > 1/2) ≠ (true > 1/2) ]",
        "Share of pixels on the wrong side. A ball drawn at a wrong place counts twice, so an empty box beats it.",
    );
    finding.define(
        LINEAR,
        "true positions of the nearest seen frames on both sides, joined by a line; after the last one, held; drawn by the simulator",
        "What needs no model.",
    );
    finding.define(
        EMPTY,
        "the median of every pixel over the training frames",
        "Drawing no ball at all.",
    );
    finding.define(
        SEEN,
        "wrong pixels of the decoded code of the missing frame itself",
        "What the decoder gets wrong where nothing is missing: the floor. (The true position drawn by the simulator has none.)",
    );
}

/// Share of pixels that an empty box has wrong, (N, T); None without frames.
fn empty_box(study: &Study) -> Option<Array> {
    let size: usize = study.frame_shape.iter().product();
    if study.test.frames.is_empty() || study.train.frames.is_empty() {
        return None;
    }
    let still = study.train.background(size);
    let wrong = |frame: &[u8]| {
        let differ = frame
            .iter()
            .zip(&still)
            .filter(|(a, b)| (**a > 127) != (**b > 127));
        differ.count() as f64 / size as f64
    };
    let (n, total) = (study.test.states.shape()[0], study.test.states.shape()[1]);
    let clip = |i: usize| study.test.frames.clip(i).chunks_exact(size);
    let share = (0..n).flat_map(clip).map(wrong).collect();
    Array::new([n, total], share).ok()
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
        let wrong = study.test.latents.get_mut("wrong_pixels_0").unwrap();
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
