//! How far ahead does the model predict, and is that better than standing still or flying straight?
//!
//! Open loop: frames up to `context` are seen, after that the law alone moves the latent state. States are decoded by the
//! read-out of the smoothed (else filtered) latents, which never saw a prediction. Where the world is driven and the model
//! reads actions, it is told the actions that were recorded; rows with none and with those of another sequence tell what
//! they are worth.

use super::curves::series;
use super::readout::decoder;
use super::{Analysis, Finding, Kinematics, Study, Table};
use crate::array::Array;
use crate::error::Result;
use crate::figures::{Curves, Figure, Look, Panel};
use crate::latents::{SHUFFLED, ZEROED};
use crate::measure::arrays::{at, build, frames, held};
use crate::measure::bootstrap::{Bootstrap, Estimate, RESAMPLES};
use crate::measure::scores::Scores;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Error of open-loop prediction against its horizon.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Horizon {}

const QUESTION: &str = "How far ahead does the model predict position and velocity?";

/// One predictor: decoded states (N, T, D) and which groups of columns it tells.
struct Predictor {
    name: &'static str,
    look: Look,
    states: Array,
    velocities: bool,
}

impl Analysis for Horizon {
    fn name(&self) -> &'static str {
        "horizon"
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn run(&self, study: &Study) -> Result<Finding> {
        study.check()?;
        let no = |reason: &str| Ok(Finding::not_applicable(self.name(), QUESTION, reason));
        let truth = &study.test.states;
        let (n, total, seen) = (truth.shape()[0], truth.shape()[1], study.encode.context);
        if study.test.latents.get("predicted").is_none() {
            return no("this model does not predict");
        }
        if seen == 0 || seen >= total {
            return no(&format!(
                "{seen} of {total} frames are seen, so none is predicted"
            ));
        }
        let Ok(kinematics) = study.kinematics() else {
            return Ok(Finding::without_states(self.name(), QUESTION, study));
        };
        let Some(predictors) = predictors(study, &kinematics)? else {
            return no("there are no smoothed or filtered latents to fit a read-out on");
        };
        let boot = Bootstrap::new(n, RESAMPLES, &study.seeds());
        let mut finding = Finding::new(self.name(), QUESTION);
        let groups = [
            ("position", &kinematics.positions, &kinematics.position_unit),
            (
                "velocity",
                &kinematics.velocities,
                &kinematics.velocity_unit,
            ),
        ];
        let last = total - seen;
        let mut reported: Vec<usize> = [1, 2, 5, 10, last]
            .into_iter()
            .filter(|&h| h <= last)
            .collect();
        reported.sort_unstable();
        reported.dedup();
        let mut panels = Vec::new();
        for (group, columns, unit) in groups {
            let mut panel = Panel {
                x_label: "horizon (frames)".into(),
                y_label: format!("{group} RMSE ({unit})"),
                series: Vec::new(),
                y_range: None,
            };
            for predictor in predictors
                .iter()
                .filter(|p| p.velocities || group == "position")
            {
                let errors = errors(predictor, truth, seen, columns, &boot)?;
                for &h in &reported {
                    let name = format!("horizon_{h}_{group}_rmse/{}", predictor.name);
                    if finding.value(&name).is_none() {
                        finding.metric(name, errors[h - 1], unit);
                    }
                }
                let horizons = (1..=last).map(|h| h as f64);
                let points: Vec<_> = horizons.zip(errors).collect();
                panel
                    .series
                    .push(series(predictor.name, predictor.look, &points));
            }
            panels.push(panel);
        }
        let pick = |h: usize, name: &str| {
            finding
                .value(&format!("horizon_{h}_position_rmse/{name}"))
                .unwrap_or(f64::NAN)
        };
        let middle = 5.min(last);
        finding.answer = format!(
            "{middle} frames ahead the decoded position is off by {:.2} {unit} (standing still {:.2}, flying straight \
             {:.2}), {last} frames ahead by {:.2} ({:.2}, {:.2}).",
            pick(middle, "predicted"),
            pick(middle, "copy last position"),
            pick(middle, "constant velocity"),
            pick(last, "predicted"),
            pick(last, "copy last position"),
            pick(last, "constant velocity"),
            unit = kinematics.position_unit,
        );
        finding.define(
            "horizon_h_position_rmse, horizon_h_velocity_rmse",
            "√( mean over sequences of Σ_j (s_j − ŝ_j)² ) at frame context − 1 + h, ŝ = read-out of A^h z + ...",
            "Typical distance from the truth h frames after the last frame seen.",
        );
        finding.define(
            "copy last position",
            "ŝ_{c−1+h} = s_{c−1}, the true position in the last frame seen",
            "Standing still.",
        );
        finding.define(
            "constant velocity",
            "p̂_{c−1+h} = p̂_{c−1} + h dt v̂_{c−1}, from the read-out of the last filtered state",
            "Flying straight through the walls.",
        );
        gap(&mut finding, &reported);
        finding
            .tables
            .push(error_table(&finding, &reported, &kinematics));
        let caption = format!(
            "How far ahead does the model predict position and velocity? Root mean squared length of the error against the horizon after \
             {seen} seen frames, {n} held-out sequences, read-out fitted on training latents; bands are 95 % bootstrap \
             intervals over sequences."
        );
        finding.figure("horizon", caption, Figure::Curves(Curves { panels }));
        Ok(finding)
    }
}

/// The model and the trivial predictors; None without latents to fit a read-out on.
fn predictors(study: &Study, kinematics: &Kinematics) -> Result<Option<Vec<Predictor>>> {
    let Some(predicted) = study.test.latents.get("predicted") else {
        return Ok(None);
    };
    let smoothed = decoder(study, "smoothed")?;
    let filtered = decoder(study, "filtered")?;
    let Some(readout) = smoothed.as_ref().or(filtered.as_ref()) else {
        return Ok(None);
    };
    // A place that is not known stands where it was known last.
    let last = held(&study.test.states);
    let truth = &last;
    let (sizes, seen) = (crate::measure::arrays::sizes(truth), study.encode.context);
    let mut all = vec![
        Predictor {
            name: "predicted",
            look: Look::Prediction,
            states: readout.decode(predicted)?,
            velocities: true,
        },
        Predictor {
            name: "copy last position",
            look: Look::Baseline,
            states: build(sizes, |i, _, row| {
                row.copy_from_slice(at(truth, i, seen - 1))
            }),
            velocities: false,
        },
    ];
    for (name, array, look) in [
        ("actions zeroed", ZEROED, Look::Control),
        ("actions shuffled", SHUFFLED, Look::Control),
    ] {
        if let Some(latents) = study.test.latents.get(array) {
            all.push(Predictor {
                name,
                look,
                states: readout.decode(latents)?,
                velocities: true,
            });
        }
    }
    if let (Some(readout), Some(latents)) = (&filtered, study.test.latents.get("filtered")) {
        let decoded = readout.decode(latents)?;
        let straight = build(sizes, |i, t, row| {
            row.copy_from_slice(at(&decoded, i, seen - 1));
            let time = (t as f64 - (seen as f64 - 1.0)) * study.dt;
            for (&p, &v) in kinematics.positions.iter().zip(&kinematics.velocities) {
                row[p] += time * row[v];
            }
        });
        all.push(Predictor {
            name: "constant velocity",
            look: Look::Baseline,
            states: straight,
            velocities: true,
        });
    }
    Ok(Some(all))
}

/// RMSE at every horizon 1 ..= T − seen.
fn errors(
    predictor: &Predictor,
    truth: &Array,
    seen: usize,
    columns: &[usize],
    boot: &Bootstrap,
) -> Result<Vec<Estimate>> {
    let one = |t: usize| {
        let scores = Scores::new(
            &frames(&predictor.states, t..t + 1),
            &frames(truth, t..t + 1),
        )?;
        Ok(boot.estimate(|drawn| scores.rmse(columns, drawn)))
    };
    (seen..truth.shape()[1]).map(one).collect()
}

/// Adds how many times larger the error is with the actions of another sequence, at every horizon.
fn gap(finding: &mut Finding, reported: &[usize]) {
    let of = |h: usize, name: &str| finding.value(&format!("horizon_{h}_position_rmse/{name}"));
    let ratios: Vec<(usize, f64)> = reported
        .iter()
        .filter_map(|&h| Some((h, of(h, "actions shuffled")? / of(h, "predicted")?)))
        .collect();
    if ratios.is_empty() {
        return;
    }
    for (h, ratio) in ratios {
        let name = format!("horizon_{h}_action_gap");
        finding.metric(name, Estimate::point(ratio), "1");
    }
    finding.define(
        "horizon_h_action_gap",
        "position RMSE with actions shuffled / position RMSE with the right ones",
        "What it is worth to be told the right actions; 1: the model does not use them.",
    );
    finding.define(
        "actions zeroed, actions shuffled",
        "the same prediction with u = 0; with the actions of the next test sequence",
        "Controls: a model that has learned what actions do must be worse with wrong ones.",
    );
}

fn error_table(finding: &Finding, reported: &[usize], kinematics: &Kinematics) -> Table {
    let all = [
        "predicted",
        "actions zeroed",
        "actions shuffled",
        "constant velocity",
        "copy last position",
    ];
    let there = |name: &&str| {
        let position = |h: &usize| finding.value(&format!("horizon_{h}_position_rmse/{name}"));
        !name.starts_with("actions") || reported.iter().any(|h| position(h).is_some())
    };
    let names: Vec<&str> = all.into_iter().filter(there).collect();
    let moving = names.len() - 1;
    let cell = |h: usize, group: &str, name: &str| {
        let value = finding.value(&format!("horizon_{h}_{group}_rmse/{name}"));
        value.map_or("–".into(), |v| format!("{v:.3}"))
    };
    let row = |&h: &usize| {
        let of = |group: &'static str| names.iter().map(move |name| cell(h, group, name));
        [h.to_string()]
            .into_iter()
            .chain(of("position"))
            .chain(of("velocity").take(moving))
            .collect()
    };
    let (p, v) = (&kinematics.position_unit, &kinematics.velocity_unit);
    let heads = names.iter().map(|name| format!("position, {name} ({p})"));
    let velocity_heads = names
        .iter()
        .take(moving)
        .map(|name| format!("velocity, {name} ({v})"));
    Table {
        caption:
            "Root mean squared length of the error by horizon; trivial predictors beside the model."
                .into(),
        columns: ["horizon (frames)".to_string()]
            .into_iter()
            .chain(heads)
            .chain(velocity_heads)
            .collect(),
        rows: reported.iter().map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{hidden_map, newton, study};
    use super::*;
    use nalgebra::DVector;

    #[test]
    fn the_true_law_without_walls_predicts_every_horizon_exactly() {
        let mut study = study(40, false);
        let (k, offset) = hidden_map();
        let (a, seen) = (
            &k * newton() * k.clone().try_inverse().unwrap(),
            study.encode.context,
        );
        let filtered = study.test.latents.get("filtered").unwrap().clone();
        let predicted = build(crate::measure::arrays::sizes(&filtered), |i, t, row| {
            let mut z = DVector::from_row_slice(at(&filtered, i, t.min(seen - 1)));
            for _ in seen - 1..t {
                z = &a * (z - &offset) + &offset;
            }
            row.copy_from_slice(z.as_slice());
        });
        study.test.latents.put("predicted", predicted);
        let finding = Horizon::default().run(&study).unwrap();
        for name in ["predicted", "constant velocity"] {
            for group in ["position", "velocity"] {
                let error = finding
                    .value(&format!("horizon_15_{group}_rmse/{name}"))
                    .unwrap();
                // 40 px after 15 steps of f64, ten digits to spare for the read-out's penalty of 1e-12.
                assert!(error < 1e-7, "{name} {group}: {error}");
            }
        }
        let copy = finding
            .value("horizon_5_position_rmse/copy last position")
            .unwrap();
        // One second at speeds U(10, 15), mean square 158.3; its standard error over 40 sequences is .3.
        assert!((copy - 12.58).abs() < 0.9, "{copy}");
    }

    #[test]
    fn walls_stop_constant_velocity_only() {
        let finding = Horizon::default().run(&study(40, true)).unwrap();
        assert!(finding.value("horizon_15_position_rmse/predicted").unwrap() < 1e-7);
        assert!(
            finding
                .value("horizon_15_position_rmse/constant velocity")
                .unwrap()
                > 5.0
        );
    }
}
