//! How much worse does the model do in worlds that it was not trained on?
//!
//! Every split of `data.shifts` beside the test split: the read-out of the true state that was fitted on the training split,
//! open-loop prediction, and reconstructed pixels. Whatever is fitted is fitted in distribution.

use super::readout::{best, decoder, define};
use super::{Analysis, Finding, Kinematics, SplitStudy, Study, Table};
use crate::array::Array;
use crate::error::Result;
use crate::measure::bootstrap::{Bootstrap, Estimate, RESAMPLES};
use crate::measure::scores::{RMSE_FORMULA, Scores};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The model in worlds that it was not trained on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Shift {}

const QUESTION: &str = "How much worse does the model do in worlds that it was not trained on?";

/// What is compared, with its head in the table; `velocity_rmse` after the kind of latents that tell it.
const MEASURES: [(&str, &str); 6] = [
    ("position_r2", "position R²"),
    ("position_rmse", "position RMSE"),
    ("velocity_r2", "velocity R²"),
    ("velocity_rmse", "velocity RMSE"),
    ("prediction_rmse", "prediction RMSE"),
    ("wrong_pixels", "wrong pixels"),
];

impl Analysis for Shift {
    fn name(&self) -> &'static str {
        "shift"
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn run(&self, study: &Study) -> Result<Finding> {
        study.check()?;
        let refuse = |reason| Ok(Finding::not_applicable(self.name(), QUESTION, reason));
        if study.shifts.is_empty() {
            return refuse("the experiment has no data.shifts");
        }
        let Ok(kinematics) = study.kinematics() else {
            return Ok(Finding::without_states(self.name(), QUESTION, study));
        };
        let Some(kind) = best(study) else {
            return refuse("this model has no latents");
        };
        let Some(readout) = decoder(study, kind)? else {
            return refuse("this model has no latents");
        };
        let mut finding = Finding::new(self.name(), QUESTION);
        let mut rows = Vec::new();
        let test = [("test", &study.test)];
        let shifts = study
            .shifts
            .iter()
            .map(|(name, split)| (name.as_str(), split));
        for (name, split) in test.into_iter().chain(shifts) {
            let n = split.states.shape()[0];
            let boot = Bootstrap::new(n, RESAMPLES, &study.seeds());
            let found = measures(study, split, kind, &readout, &kinematics, &boot)?;
            let mut row = vec![name.to_string(), n.to_string()];
            for (measure, estimate) in MEASURES.iter().zip(found) {
                let unit = match measure.0 {
                    "position_rmse" | "prediction_rmse" => &kinematics.position_unit,
                    "velocity_rmse" => &kinematics.velocity_unit,
                    _ => "1",
                };
                row.push(estimate.map_or("–".into(), |estimate| estimate.text()));
                if let Some(estimate) = estimate {
                    finding.metric(format!("{}/{name}", measure.0), estimate, unit);
                }
            }
            rows.push(row);
        }
        define(&mut finding);
        finding.define(
            "prediction_rmse",
            RMSE_FORMULA,
            "Typical distance of the read-out position from the true one in the frames after the first few that the model saw, \
             predicted by its law alone.",
        );
        finding.define(
            "wrong_pixels",
            "mean over frames and pixels of [(pixel > 1/2) ≠ (reconstruction > 1/2)]",
            "Share of pixels on the wrong side of one half when a frame is encoded and decoded again.",
        );
        let heads = MEASURES.iter().map(|(_, head)| head.to_string());
        finding.tables.push(Table {
            caption: format!(
                "The model in its own world (test) and in others, read out of {kind} latents by the regression fitted on \
                 training sequences [95 % bootstrap interval over sequences]. Positions in {}, velocities in {}. R² is relative to the \
                 variance within a split, so RMSE is what compares splits.",
                kinematics.position_unit, kinematics.velocity_unit
            ),
            columns: ["split", "sequences"].map(String::from).into_iter().chain(heads).collect(),
            rows,
        });
        finding.answer = answer(&finding, study, &kinematics);
        Ok(finding)
    }
}

/// The measures of one split in order; None where the model or the split has not what one needs.
fn measures(
    study: &Study,
    split: &SplitStudy,
    kind: &str,
    readout: &crate::measure::regression::Readout,
    kinematics: &Kinematics,
    boot: &Bootstrap,
) -> Result<[Option<Estimate>; 6]> {
    let (places, speeds) = (&kinematics.positions, &kinematics.velocities);
    let scores = |latents: Option<&Array>, first: usize| -> Result<Option<Scores>> {
        let Some(latents) = latents else {
            return Ok(None);
        };
        let decoded = readout.decode(latents)?;
        Scores::where_(&decoded, &split.states, |_, t| t >= first).map(Some)
    };
    let read = scores(split.latents.get(kind), 0)?;
    // Predictions are states: the read-out of codes does not fit them.
    let predicted = split.latents.get("predicted").filter(|_| kind != "encoder");
    let predicted = scores(predicted, study.encode.context)?;
    let of = |scores: &Option<Scores>, value: &dyn Fn(&Scores, &[u32]) -> f64| {
        let scores = scores.as_ref()?;
        Some(boot.estimate(|drawn| value(scores, drawn)))
    };
    let pixels = split.latents.get("wrong_pixels_seen").map(|wrong| {
        let frames = wrong.shape()[1];
        // Of every sequence, and the share of its frames that are there.
        let of = |i: u32| {
            let row = wrong.row(i as usize).iter().enumerate();
            let there = row.filter(|(t, _)| split.sees(i as usize, *t));
            let (sum, count) = there.fold((0.0, 0_usize), |(s, n), (_, v)| (s + v, n + 1));
            (sum / frames as f64, count as f64 / frames as f64)
        };
        boot.estimate(|drawn| {
            let all = || drawn.iter().map(|&i| of(i));
            all().map(|(sum, _)| sum).sum::<f64>() / all().map(|(_, share)| share).sum::<f64>()
        })
    });
    Ok([
        of(&read, &|scores, drawn| scores.r2(places, drawn)),
        of(&read, &|scores, drawn| scores.rmse(places, drawn)),
        of(&read, &|scores, drawn| scores.r2(speeds, drawn)),
        of(&read, &|scores, drawn| scores.rmse(speeds, drawn)),
        of(&predicted, &|scores, drawn| scores.rmse(places, drawn)),
        pixels,
    ])
}

/// The split with the greatest error of velocity, and how many times that of the test split it is.
fn answer(finding: &Finding, study: &Study, kinematics: &Kinematics) -> String {
    let error = |split: &str| finding.value(&format!("velocity_rmse/{split}"));
    let shifts = study
        .shifts
        .iter()
        .filter_map(|(name, _)| Some((name, error(name)?)));
    let worst = shifts.max_by(|(_, a), (_, b)| a.total_cmp(b));
    match (error("test"), worst) {
        (Some(own), Some((name, shifted))) => format!(
            "Velocity is read out with an RMSE of {own:.3} {unit} in the model's own world and of {shifted:.3} {unit} in {name}, where it is worst.",
            unit = kinematics.velocity_unit
        ),
        _ => "No velocity can be read out.".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::study;
    use super::*;

    #[test]
    fn a_split_of_another_law_is_worse_and_the_same_law_is_the_same() {
        let mut study = study(40, true);
        let same = study.test.clone();
        let mut other = study.test.clone();
        // Latents that tell half the velocity: in this world the code lies.
        let states = other.states.clone();
        let smoothed = other.latents.get_mut("smoothed").unwrap();
        let width = smoothed.shape()[2];
        let (k, _) = super::super::testing::hidden_map();
        for (z, s) in smoothed
            .data_mut()
            .chunks_mut(width)
            .zip(states.data().chunks(4))
        {
            for row in 0..width {
                z[row] -= 0.5 * (k[(row, 2)] * s[2] + k[(row, 3)] * s[3]);
            }
        }
        study.shifts = vec![("same".into(), same), ("other".into(), other)];
        let finding = Shift::default().run(&study).unwrap();
        let value = |name: &str| finding.value(name).unwrap();
        assert_eq!(value("velocity_rmse/same"), value("velocity_rmse/test"));
        assert!(value("velocity_rmse/test") < 1e-9);
        // Half of every velocity is missing: R² = 1 - 1/4 of its mean square over its variance.
        assert!(
            (value("velocity_r2/other") - 0.75).abs() < 0.01,
            "{finding:?}"
        );
        assert!(value("position_rmse/other") < 1e-9);
        assert!(finding.answer.contains("in other"), "{}", finding.answer);
        assert_eq!(finding.tables[0].rows.len(), 3);
    }

    #[test]
    fn without_shifts_it_says_so() {
        let finding = Shift::default().run(&study(4, true)).unwrap();
        assert!(
            finding.answer.contains("no data.shifts"),
            "{}",
            finding.answer
        );
    }
}
