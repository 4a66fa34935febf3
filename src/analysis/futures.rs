//! Do sampled futures happen as often as the world makes them? Samples of the rollout stage against true futures, by the
//! number of frames ahead, in pixels of the picture; beside every number what knowing nothing and knowing the world give.
//!
//! It reads the files of the rollout stage alone ([`Rollouts`]). What is measured, and by which formula, is written in
//! `docs/futures.md`.

use super::futures_rows::{Row, Rows, SAMPLES, TRUE, UNIFORM, one};
use super::futures_sheet::Sheet;
use super::{Analysis, Finding, Study, futures_features, futures_physics, futures_pictures};
use crate::array::Array;
use crate::error::Result;
use crate::figures::Look;
use crate::latents::Rollouts;
use crate::measure::bootstrap::{Bootstrap, Estimate, RESAMPLES};
use crate::measure::futures::{
    ENERGY_FORMULA, Futures as Samples, SKILL_FORMULA, over_contexts, skill,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Sampled futures against true ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Futures {
    /// Error beyond which a prediction is not valid any more, px. Default 1.
    pub valid_px: f64,
    /// Samples whose mean place is compared with the truth. Default 16.
    #[schemars(range(min = 1))]
    pub mean_of: usize,
    /// Distance within which a sample has met a branch of the future, px. Default 1.
    pub branch_px: f64,
}

impl Default for Futures {
    fn default() -> Self {
        Self {
            valid_px: 1.0,
            mean_of: 16,
            branch_px: 1.0,
        }
    }
}

const QUESTION: &str = "Do sampled futures happen as often as the world makes them?";
/// True futures that coverage, CRPS and the error of the mean are averaged over: they take one truth at a time.
const TRUTHS: usize = 8;

/// Frames ahead that tables show.
pub(super) fn shown(horizon: usize) -> Vec<usize> {
    let usual = [1, 2, 5, 10, 20, 30, 50, 100, 200];
    let mut all: Vec<usize> = usual.into_iter().filter(|&h| h < horizon).collect();
    all.push(horizon);
    all
}

impl Analysis for Futures {
    fn name(&self) -> &'static str {
        "futures"
    }

    fn check(&self) -> Result<()> {
        let positive = |key: &str, got: f64| match got > 0.0 && got.is_finite() {
            true => Ok(()),
            false => Err(crate::Error::Experiment(format!(
                "futures.{key}: expected a length above 0 px, got {got}"
            ))),
        };
        positive("valid_px", self.valid_px)?;
        positive("branch_px", self.branch_px)?;
        match self.mean_of {
            0 => Err(crate::Error::Experiment(
                "futures.mean_of: expected at least 1, got 0".into(),
            )),
            _ => Ok(()),
        }
    }

    fn run(&self, study: &Study) -> Result<Finding> {
        let refuse = |reason: &str| Ok(Finding::not_applicable(self.name(), QUESTION, reason));
        let Some(dir) = &study.rollouts else {
            return refuse("the experiment samples no futures (`rollout:` or `data.oracle`)");
        };
        if !study.observed_columns.is_empty() {
            return Ok(Finding::without_pictures(self.name(), QUESTION));
        }
        let rollouts = Rollouts::open(dir)?;
        let info = &rollouts.info;
        let mut finding = Finding::new(self.name(), QUESTION);
        let mut sheet = Sheet::new(info.horizon);
        let mut answers = Vec::new();
        if let Some(reason) = &info.refused {
            answers.push(format!("This model gives no futures: {reason}."));
        }
        let mut followed = None;
        match &info.untracked {
            Some(reason) => answers.push(format!("No body is followed: {reason}.")),
            None => {
                let rows = Rows::read(&rollouts, &study.seeds())?;
                let boot = Bootstrap::new(info.contexts, RESAMPLES, &study.seeds());
                let scores = self.places(&rows, &boot, &mut sheet)?;
                answers.extend(self.answer(&sheet, info.horizon));
                futures_physics::floor(&rows, &mut finding)?;
                futures_physics::branches(self, &rollouts, &rows, &mut sheet)?;
                futures_pictures::skill(&scores, &rollouts, &mut finding);
                futures_pictures::fan(&rollouts, &rows, &mut finding);
                followed = Some(rows);
            }
        }
        futures_pictures::pixels(&rollouts, &mut sheet)?;
        futures_pictures::strip(&rollouts, &mut finding)?;
        if let Some(reason) = &info.no_i3d {
            answers.push(format!("FVD is left out: {reason}."));
        }
        finding.answer = answers.join(" ");
        if finding.answer.is_empty() {
            finding.answer = "Pictures of samples are compared with true ones.".into();
        }
        let true_futures = match info.futures {
            1 => "the recorded future".to_string(),
            m => format!("{m} true futures"),
        };
        let caption = format!(
            "{} contexts of `{}`, {} frames seen, {} samples against {true_futures} each; by frames ahead",
            info.contexts, info.split, info.seen, info.samples
        );
        sheet.write(&shown(info.horizon), caption, &mut finding);
        if let Some(rows) = followed {
            futures_physics::distances(&rollouts, &rows, &study.seeds(), &mut finding)?;
            futures_physics::validity(&rollouts, &mut finding)?;
        }
        futures_features::fvd(&rollouts, &mut finding)?;
        define(&mut finding, self);
        Ok(finding)
    }
}

/// Energy scores over the whole horizon, for the figure.
pub(super) struct Scores {
    /// Row, look, energy score with its interval at every frame ahead.
    pub energy: Vec<(&'static str, Look, Vec<Estimate>)>,
    /// The same of the skill, where there is one.
    pub skill: Vec<(&'static str, Look, Vec<f64>)>,
}

impl Futures {
    /// Everything about places.
    fn places(&self, rows: &Rows, boot: &Bootstrap, sheet: &mut Sheet) -> Result<Scores> {
        let futures = rows.truth.sizes()[1];
        let oracle = match futures {
            1 => Array::zeros([rows.truth.sizes()[0], rows.truth.sizes()[2]]),
            _ => rows.truth.self_score()?,
        };
        let mean = |by_context: &Array| -> Vec<Estimate> {
            let horizon = by_context.shape()[1];
            let at = |h: usize| {
                boot.estimate(|drawn| {
                    let sum: f64 = drawn.iter().map(|&i| by_context.row(i as usize)[h]).sum();
                    sum / drawn.len() as f64
                })
            };
            (0..horizon).map(at).collect()
        };
        let mut energy = Vec::new();
        for row in &rows.all {
            let score = row.futures.energy_score_of(&rows.truth)?;
            energy.push((row.name, row.look, mean(&score)));
        }
        energy.push((TRUE, Look::Truth, mean(&oracle)));
        for (name, _, values) in &energy {
            sheet.estimates("energy_score", "px", name, values);
        }
        let plain = |name: &str| -> Vec<f64> {
            let row = energy.iter().find(|(other, _, _)| *other == name);
            row.map_or_else(Vec::new, |(_, _, of)| of.iter().map(|e| e.value).collect())
        };
        let (none, best) = (plain(UNIFORM), plain(TRUE));
        let mut skills = Vec::new();
        for (name, look, values) in energy.iter().filter(|(name, _, _)| *name != UNIFORM) {
            let own: Vec<f64> = values.iter().map(|e| e.value).collect();
            let own = skill(&own, &none, &best)?;
            if *name != TRUE {
                sheet.values("skill", "1", name, &own);
            }
            skills.push((*name, *look, own));
        }
        for row in &rows.all {
            self.one_row(row, rows, sheet)?;
        }
        if futures > 1 {
            // The world's own futures as samples, one of them held out as the truth.
            let others: Vec<usize> = (1..futures).collect();
            let row = Row {
                name: TRUE,
                look: Look::Truth,
                futures: rows.truth.take(&others)?,
            };
            let truths = [rows.future(0)?];
            self.against(&row, &truths, &rows.truth, sheet)?;
        }
        Ok(Scores {
            energy,
            skill: skills,
        })
    }

    fn one_row(&self, row: &Row, rows: &Rows, sheet: &mut Sheet) -> Result<()> {
        let most = rows.truth.sizes()[1].min(TRUTHS);
        let truths: Vec<Array> = (0..most).map(|m| rows.future(m)).collect::<Result<_>>()?;
        self.against(row, &truths, &rows.truth, sheet)
    }

    /// What takes one truth at a time, averaged over some.
    fn against(
        &self,
        row: &Row,
        truths: &[Array],
        oracle: &Samples,
        sheet: &mut Sheet,
    ) -> Result<()> {
        let futures = &row.futures;
        let samples = futures.sizes()[1];
        let averaged = |of: &dyn Fn(&Array) -> Result<Vec<f64>>| -> Result<Vec<f64>> {
            let all: Vec<Vec<f64>> = truths.iter().map(of).collect::<Result<_>>()?;
            let at = |h: usize| all.iter().map(|one| one[h]).sum::<f64>() / all.len() as f64;
            Ok((0..all[0].len()).map(at).collect())
        };
        let crps = averaged(&|truth| Ok(over_contexts(&futures.crps(truth)?)))?;
        sheet.values("crps", "px", row.name, &crps);
        let of_mean = futures.take(&(0..samples.min(self.mean_of)).collect::<Vec<_>>())?;
        let squares = averaged(&|truth| {
            let mut errors = of_mean.mean_error(truth)?;
            errors
                .data_mut()
                .iter_mut()
                .for_each(|error| *error *= *error);
            Ok(over_contexts(&errors))
        })?;
        let rms: Vec<f64> = squares.iter().map(|square| square.sqrt()).collect();
        sheet.values("rms_of_mean", "px", row.name, &rms);
        let best = over_contexts(&futures.best_of(&truths[0], samples)?);
        sheet.values("best_of_all", "px", row.name, &best);
        for level in [0.5, 0.9] {
            // Few samples have no interval so wide.
            let Ok(covered) = averaged(&|truth| futures.coverage(truth, level)) else {
                continue;
            };
            let name = format!("coverage_{:.0}", 100.0 * level);
            sheet.values(&name, "1", row.name, &covered);
        }
        if [SAMPLES, "empty"].contains(&row.name) {
            sheet.values("lost", "1", row.name, &futures.lost_share());
        }
        if oracle.sizes()[1] > 1 && samples > 1 && row.name != UNIFORM {
            let [n, _, h, d] = futures.sizes();
            if [n, h, d] == [oracle.sizes()[0], oracle.sizes()[2], oracle.sizes()[3]] {
                let ratio = futures.diversity_ratio(oracle)?;
                sheet.values("diversity", "1", row.name, &ratio);
            }
        } else if samples > 1 && row.name == SAMPLES {
            sheet.values("spread", "px", row.name, &futures.diversity());
        }
        let valid = futures.valid_time(&truths[0], self.valid_px)?;
        let mean = valid.data().iter().sum::<f64>() / valid.data().len() as f64;
        sheet.single("valid_time", "frames", row.name, mean);
        Ok(())
    }

    /// The main numbers in a sentence.
    fn answer(&self, sheet: &Sheet, horizon: usize) -> Option<String> {
        let h = horizon.min(10);
        let at = |measure: &str, row: &str| sheet.value(measure, row, h);
        let score = at("energy_score", SAMPLES)?;
        let part = |name: &str, value: Option<f64>, digits: usize| {
            value.map_or(String::new(), |v| format!("{name} {v:.digits$}"))
        };
        Some(format!(
            "{h} frames ahead the energy score of the samples is {score:.2} px (true futures {:.2}, constant velocity \
             {:.2}, uniform places {:.2}){}; the mean of {} samples is {:.2} px (root mean square) from the truth, and \
             {:.1} % of the bodies are lost.",
            at("energy_score", TRUE).unwrap_or(f64::NAN),
            at("energy_score", "constant velocity").unwrap_or(f64::NAN),
            at("energy_score", UNIFORM).unwrap_or(f64::NAN),
            part(", skill", at("skill", SAMPLES), 3),
            self.mean_of,
            at("rms_of_mean", SAMPLES).unwrap_or(f64::NAN),
            100.0 * at("lost", SAMPLES).unwrap_or(f64::NAN),
        ))
    }
}

/// Formulas of the numbers.
fn define(finding: &mut Finding, settings: &Futures) {
    let many = format!(
        "√ mean over contexts and true futures of d(mean of {} samples, x)²",
        settings.mean_of
    );
    let valid = format!(
        "frames before the first in which any body is over {} px off; mean over contexts and samples",
        settings.valid_px
    );
    let variation = format!(
        "½ Σ_b |share of samples within {} px of branch b − its probability| + ½ the share near none",
        settings.branch_px
    );
    for (name, formula, meaning) in [
        (
            "energy_score",
            ENERGY_FORMULA,
            "Distance of the forecast from what happens, least for samples of the true law. d in px, root mean square over bodies; a lost body is the picture's diagonal away.",
        ),
        (
            "skill",
            SKILL_FORMULA,
            "1 as good as the world itself, 0 as good as knowing only the box; worse is negative.",
        ),
        (
            "crps",
            "mean_i |X_i − x| − 1/(2 S (S − 1)) Σ_{i≠j} |X_i − X_j|, a coordinate",
            "The same for one coordinate at a time.",
        ),
        (
            "rms_of_mean",
            &many,
            "What squared error asks for: where nothing is left to chance, the error of the prediction.",
        ),
        (
            "best_of_all",
            "min_i d(X_i, x), mean over contexts",
            "Rewards noise: read it beside the row of uniform places only.",
        ),
        (
            "coverage_50, coverage_90",
            "share of true coordinates inside the samples' central interval",
            "Calibrated samples have .5 and .9.",
        ),
        (
            "diversity",
            "mean distance of samples / that of true futures",
            "1 as varied as the world, towards 0 collapsed.",
        ),
        (
            "lost",
            "share of bodies that the tracker does not find",
            "Counted, never left out.",
        ),
        (
            "valid_time",
            &valid,
            "How long a single sample can be trusted.",
        ),
        (
            "branch_variation",
            &variation,
            "0 where every possible future is drawn as often as it happens; 1 where none is met.",
        ),
        (
            "precision, recall",
            "share of samples near any true future; share of true futures near any sample",
            "What is drawn can happen; what can happen is drawn.",
        ),
        (
            "psnr, ssim",
            "10 log₁₀(1/MSE) a frame; Gaussian window 11 × 11, σ 1.5",
            "Of pictures, against true future 0; mean over frames. Both punish a sharp guess at the wrong place.",
        ),
        (
            "sharpness",
            "Σ (gradients)² around the bodies / the same of true frames",
            "1 as sharp as true.",
        ),
        (
            "excess_blur",
            "1 − S(mean of samples) / S(mean of true futures)",
            "Blur that the uncertainty of the future does not explain.",
        ),
        (
            "frechet, mmd",
            "|m_a − m_b|² + tr(A + B − 2 (A^½ B A^½)^½) of motion features on 16 axes; polynomial kernel, unbiased",
            "Distance of the motion of samples from true motion; read it beside real against real and the spoiled clips.",
        ),
        (
            "energy_drift, wall, overlap",
            "mean (E_h − E_1)/E_1; px in a wall; px of overlap",
            "Whether a world stays a world in long rollouts.",
        ),
    ] {
        finding.define(name, formula, meaning);
    }
}

/// Sample `s` of every context of a row.
pub(super) fn sample(row: &Row, s: usize) -> Result<Array> {
    one(&row.futures, s)
}

#[cfg(test)]
mod tests;
