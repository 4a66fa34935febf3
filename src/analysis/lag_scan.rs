//! Which frame's state do the latents at frame t hold? Tells off-by-one errors in data, model or probe.

use super::curves::series;
use super::readout::{KINDS, look};
use super::{Analysis, Finding, Study};
use crate::error::{Error, Result};
use crate::figures::{Curves, Figure, Panel};
use crate::measure::arrays::{frames, sizes};
use crate::measure::bootstrap::{Bootstrap, Estimate, RESAMPLES};
use crate::measure::regression::Readout;
use crate::measure::scores::Scores;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// R² of linear read-outs of the states at t + lag from the latents at t.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LagScan {
    /// Lags from -max_lag to max_lag frames. Two tell an error of one frame from a flat curve.
    #[schemars(range(min = 1, max = 5))]
    pub max_lag: usize,
}

impl Default for LagScan {
    fn default() -> Self {
        Self { max_lag: 2 }
    }
}

/// A gain of R² at another lag that is told in a warning: more than a bootstrap's half width on a few hundred sequences.
const LATE: f64 = 0.005;
/// The least R² of latents that tell a lag: below, the best of several lags is chance.
const TOLD: f64 = 0.5;
/// Panels of the figure: more columns would not be readable. The numbers are there for all.
const SHOWN: usize = 6;

/// What is scanned: positions and velocities where there are, else every column that varies.
fn groups(study: &Study) -> Vec<(String, Vec<usize>)> {
    match study.kinematics() {
        Ok(kinematics) => vec![
            ("position".into(), kinematics.positions),
            ("velocity".into(), kinematics.velocities),
        ],
        Err(_) => study
            .varying_columns()
            .into_iter()
            .map(|j| (study.state_columns[j].name.clone(), vec![j]))
            .collect(),
    }
}

const QUESTION: &str = "Which frame's state do the latents at frame t hold?";

impl Analysis for LagScan {
    fn name(&self) -> &'static str {
        "lag_scan"
    }

    fn check(&self) -> Result<()> {
        if (1..=5).contains(&self.max_lag) {
            return Ok(());
        }
        let got = self.max_lag;
        Err(Error::Experiment(format!(
            "lag_scan.max_lag: want 1..=5, got {got}"
        )))
    }

    fn run(&self, study: &Study) -> Result<Finding> {
        study.check()?;
        self.check()?;
        let groups = groups(study);
        if groups.is_empty() {
            return Ok(Finding::without_states(self.name(), QUESTION, study));
        }
        let &[n, total, _] = study.test.states.shape() else {
            return Err(Error::Shape("lag_scan: states want three axes".into()));
        };
        let kinds: Vec<&str> = KINDS
            .into_iter()
            .filter(|kind| study.first_of(&[kind]).is_some())
            .collect();
        if kinds.is_empty() {
            return Ok(Finding::not_applicable(
                self.name(),
                QUESTION,
                "this model has no latents",
            ));
        }
        if total <= 2 * self.max_lag {
            let reason = format!("{total} frames are too few for lags up to {}", self.max_lag);
            return Ok(Finding::not_applicable(self.name(), QUESTION, &reason));
        }
        let mut finding = Finding::new(self.name(), QUESTION);
        let boot = Bootstrap::new(n, RESAMPLES, &study.seeds());
        let mut panels: Vec<Panel> = groups
            .iter()
            .map(|(kind, _)| Panel {
                x_label: "lag of the state (frames)".into(),
                y_label: format!("{kind} R²"),
                series: Vec::new(),
                y_range: None,
            })
            .collect();
        let mut answers = Vec::new();
        // Where observations are noisy, what the past tells is better known of earlier frames: no sign of a wrong offset.
        let telling = ["encoder", "smoothed", "filtered"]
            .into_iter()
            .find(|kind| kinds.contains(kind));
        for &kind in &kinds {
            let lags = self.scan(study, kind)?;
            for ((group, columns), panel) in groups.iter().zip(&mut panels) {
                let mut points = Vec::new();
                for (lag, scores) in &lags {
                    let r2 = boot.estimate(|drawn| scores.r2(columns, drawn));
                    finding.metric(format!("{group}_r2_lag_{lag:+}/{kind}"), r2, "1");
                    points.push((*lag as f64, r2));
                }
                let curve = series(kind, look(kind), &points);
                let best = (0..curve.y.len()).max_by(|&a, &b| curve.y[a].total_cmp(&curve.y[b]));
                if let Some(best) = best {
                    let (lag, r2) = (curve.x[best], curve.y[best]);
                    let name = format!("best_{group}_lag/{kind}");
                    finding.metric(name, Estimate::point(lag), "frames");
                    if *group == groups[0].0 {
                        let what = match group.as_str() {
                            "position" => "the position",
                            other => other,
                        };
                        answers.push(format!(
                            "{kind} latents tell {what} best at lag {lag:+} (R² {r2:.3})"
                        ));
                        let right = points.iter().find(|(at, _)| *at == 0.0);
                        let right = right.map_or(f64::NAN, |(_, e)| e.value);
                        if Some(kind) == telling && lag != 0.0 && r2 > TOLD && r2 > right + LATE {
                            finding.warnings.push(format!(
                                "{kind} latents tell {what} better at lag {lag:+} (R² {r2:.3}) than at lag 0 ({right:.3}): the states are \
                                 stored off by that many frames, or the model is late. For recordings, import with `--state-offset {lag}`"
                            ));
                        }
                    }
                }
                panel.series.push(curve);
            }
        }
        finding.answer = format!("{}; 0 is right.", answers.join(", "));
        finding.define(
            "position_r2_lag_k, velocity_r2_lag_k",
            "R² of the linear read-out ŝ_{t+k} = M_k z_t + c_k, fitted anew for every lag k, on frames where all lags exist",
            "Position must peak at lag 0; a peak elsewhere is an off-by-one error between frames, states and latents.",
        );
        let caption = format!(
            "Which frame's state do the latents at frame t hold? R² of the state at t + lag from the latents at t, on {n} \
             held-out sequences; bands are 95 % bootstrap intervals over sequences."
        );
        panels.truncate(SHOWN);
        let curves = Curves { panels };
        finding.figure("lag_scan", caption, Figure::Curves(curves));
        Ok(finding)
    }
}

impl LagScan {
    /// Scores of every lag for one kind of latents.
    fn scan(&self, study: &Study, kind: &str) -> Result<Vec<(i64, Scores)>> {
        let max = self.max_lag;
        let total = study.test.states.shape()[1];
        let latents = study.splits().map(|(_, split)| {
            let array = split.latents.get(kind).cloned().unwrap_or_default();
            frames(&array, max..total - max)
        });
        let mut found = Vec::new();
        for shift in 0..=2 * max {
            // Latents of missing frames tell of no frame.
            let states = study.splits().map(|(_, split)| {
                let mut states = frames(&split.states, shift..total - 2 * max + shift);
                let [_, count, width] = sizes(&states);
                let rows = states.data_mut().chunks_exact_mut(width.max(1)).enumerate();
                let blind = rows.filter(|(k, _)| !split.sees(k / count, max + k % count));
                blind.for_each(|(_, row)| row.fill(f64::NAN));
                states
            });
            let readout = Readout::fit((&latents[0], &states[0]), (&latents[1], &states[1]))?;
            let scores = Scores::new(&readout.decode(&latents[2])?, &states[2])?;
            found.push((shift as i64 - max as i64, scores));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::study;
    use super::*;
    use crate::measure::arrays::{at, build};

    #[test]
    fn exact_latents_peak_at_lag_0() {
        let finding = LagScan::default().run(&study(80, true)).unwrap();
        for row in ["encoder", "smoothed"] {
            assert_eq!(
                finding.value(&format!("best_position_lag/{row}")),
                Some(0.0),
                "{finding:?}"
            );
        }
        assert_eq!(finding.value("best_velocity_lag/smoothed"), Some(0.0));
        let one_late = finding.value("velocity_r2_lag_+1/smoothed").unwrap();
        assert!(one_late < 0.95, "bounces change velocities: {one_late}");
    }

    #[test]
    fn latents_one_frame_late_peak_at_lag_minus_1() {
        let mut study = study(80, true);
        for split in [&mut study.train, &mut study.validation, &mut study.test] {
            let codes = split.latents.get_mut("encoder").unwrap();
            let [n, t, f] = crate::measure::arrays::sizes(codes);
            let late = build([n, t, f], |i, t, row| {
                row.copy_from_slice(at(codes, i, t.saturating_sub(1)));
            });
            *codes = late;
        }
        let finding = LagScan::default().run(&study).unwrap();
        assert_eq!(finding.value("best_position_lag/encoder"), Some(-1.0));
        let warning = &finding.warnings[0];
        assert!(warning.contains("`--state-offset -1`"), "{warning}");
    }
}
