//! How much of the true positions and velocities do the latents hold, linearly?
//!
//! Linear regression (see [`crate::measure::regression`]) of every kind of latents on every true state column: fitted on the
//! training sequences, measured on held-out ones, with controls beside it (an untrained encoder, shuffled targets).

use super::readout::{KINDS, Row, column_table, define, look, table};
use super::{Analysis, Finding, SplitStudy, Study};
use crate::array::Array;
use crate::error::Result;
use crate::figures::{Figure, ProbeScatter, ScatterPanel};
use crate::latents::{Given, Kind, Per, stored_name};
use crate::measure::arrays::{central_differences, columns as cut, reorder, sizes};
use crate::measure::bootstrap::{Bootstrap, RESAMPLES};
use crate::measure::regression::Readout;
use crate::measure::scores::Scores;
use rand::seq::SliceRandom;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// At most so many points a panel are kept for the figure.
const POINTS: usize = 10_000;

/// Linear regression of the latents on the true states.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Probe {}

const QUESTION: &str =
    "How much of the true positions and velocities do the latents hold, linearly?";

impl Analysis for Probe {
    fn name(&self) -> &'static str {
        "probe"
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn run(&self, study: &Study) -> Result<Finding> {
        study.check()?;
        let kinematics = study.kinematics().ok();
        if study.varying_columns().is_empty() {
            return Ok(Finding::without_states(self.name(), QUESTION, study));
        }
        let mut finding = Finding::new(self.name(), QUESTION);
        let latents = |name: &str| {
            let name = name.to_string();
            move |split: &SplitStudy| split.latents.get(&name).cloned()
        };
        let mut rows = Vec::new();
        let mut decoded = None;
        for name in ["encoder", "filtered", "smoothed"] {
            if let Some((found, scores)) = fit(study, latents(name), 0, None)? {
                rows.push(Row::new(name, scores));
                if name == "filtered" {
                    let late = Scores::where_(&found, &study.test.states, |_, t| t >= 2)?;
                    rows.push(Row::new("filtered t>=2", late));
                    if let Some(free) = away_from_contacts(study) {
                        let free = Scores::where_(&found, &study.test.states, |i, t| {
                            t >= 2 && free(i, t)
                        })?;
                        rows.push(Row::new(AWAY, free));
                    }
                }
                decoded = Some((name, found));
            }
        }
        for name in further_latents(study) {
            if let Some((_, scores)) = fit(study, latents(&name), 0, None)? {
                rows.push(Row::new(&name, scores));
            }
        }
        let Some((best, decoded)) = decoded else {
            return Ok(Finding::not_applicable(
                self.name(),
                QUESTION,
                "this model has no latents",
            ));
        };
        let differences = |split: &SplitStudy| {
            let codes = split.latents.get("encoder")?;
            central_differences(codes, study.dt).ok()
        };
        if let Some((_, scores)) = fit(study, differences, 1, None)? {
            rows.push(Row::velocities("encoder central differences", scores));
        }
        if let Some((_, scores)) = fit(study, |s| s.untrained.get("encoder").cloned(), 0, None)? {
            rows.push(Row::new("untrained encoder", scores));
        }
        if let Some((_, scores)) = fit(study, latents(best), 0, Some("analysis/shuffle"))? {
            rows.push(Row::new("shuffled targets", scores));
        }

        let n = study.test.states.shape()[0];
        let boot = Bootstrap::new(n, RESAMPLES, &study.seeds());
        let columns = &study.state_columns;
        for row in &rows {
            match &kinematics {
                Some(kinematics) => row.add_metrics(&mut finding, &boot, columns, kinematics),
                None => row.add_column_metrics(&mut finding, &boot, columns),
            }
        }
        define(&mut finding);
        finding.name_constant_columns(study);
        finding.name_left_out(study);
        finding.tables.push(match &kinematics {
            Some(kinematics) => table(&rows, &boot, kinematics, study),
            None => column_table(&rows, &boot, columns, n),
        });
        let told = |name: &str, key: String| {
            let r2 = finding.value(&key)?;
            Some(format!("{name} with R² {r2:.3}"))
        };
        let told: Vec<String> = match &kinematics {
            Some(_) => ["position", "velocity"]
                .into_iter()
                .filter_map(|name| told(name, format!("{name}_r2/{best}")))
                .collect(),
            None => columns
                .iter()
                .filter_map(|c| told(&c.name, format!("r2/{}/{best}", c.name)))
                .collect(),
        };
        finding.answer = format!(
            "{best} latents hold {} on {n} held-out sequences.",
            told.join(" and "),
        );
        let caption = format!(
            "Does the {best} latent state tell the true state? Linear read-out against truth on {n} held-out sequences, \
             one panel a state variable, identity line; R² and RMSE over all their frames."
        );
        let figure = scatter(study, best, &decoded)?;
        finding.figure("probe_scatter", caption, Figure::ProbeScatter(figure));
        Ok(finding)
    }
}

/// The row of frames with no contact next to them.
const AWAY: &str = "filtered t>=2, no contact within a frame";

/// Whether nothing was touched in the frame before or after frame t of test sequence i; `None` where no contact was
/// recorded at all. A velocity turns round there, and a state that is made to foresee the next frame may hold the
/// displacement to it, which is no linear function of position and velocity next to a wall.
fn away_from_contacts(study: &Study) -> Option<impl Fn(usize, usize) -> bool> {
    let kinds = study.event_columns.len();
    let (events, frames) = (&study.test.events, study.test.states.shape()[1]);
    let some = kinds > 0 && events.iter().any(|&count| count > 0);
    let touched = move |i: usize, t: usize| {
        let at = (i * frames + t) * kinds;
        t < frames && events[at..at + kinds].iter().any(|&count| count > 0)
    };
    some.then_some(move |i, t| !touched(i, t) && !touched(i, t + 1))
}

/// What the model believes of its other latents, frame by frame, as stored: `z_filtered` beside the state.
fn further_latents(study: &Study) -> Vec<String> {
    let latents = &study.encode.latents;
    let of = |given| {
        latents
            .iter()
            .filter(|latent| {
                latent.per == Per::Frame && !matches!(latent.kind, Kind::Categorical(_))
            })
            .map(move |latent| stored_name(latents, given, &latent.name))
    };
    let names = of(Given::UpTo).chain(of(Given::All));
    names
        .filter(|name| !KINDS.contains(&name.as_str()))
        .collect()
}

/// Fits `features` of the training split on the states and scores them on the test split. With `shuffle`, the states of
/// every split are given to other sequences by that random stream: what is left is what chance gives. (Scored against
/// the unshuffled test states a chance slope β would count twice, as 2β − β².) None where a split lacks the features. A row
/// counts where its state is known and the `beside` frames before and after it are there.
fn fit(
    study: &Study,
    features: impl Fn(&SplitStudy) -> Option<Array>,
    beside: usize,
    shuffle: Option<&str>,
) -> Result<Option<(Array, Scores)>> {
    let all = (
        features(&study.train),
        features(&study.validation),
        features(&study.test),
    );
    let (Some(train), Some(validation), Some(test)) = all else {
        return Ok(None);
    };
    let last = study.test.states.shape()[1].saturating_sub(1);
    // A difference of codes reads the frames on both sides.
    let read = |t: usize| t.saturating_sub(beside)..=(t + beside).min(last);
    let targets = |split: &SplitStudy, index: u64| match shuffle {
        None => split.states_read(read),
        Some(stream) => {
            let mut order: Vec<u32> = (0..split.states.shape()[0] as u32).collect();
            order.shuffle(&mut study.seeds().stream(stream, index));
            reorder(&split.states, &order)
        }
    };
    let readout = Readout::fit(
        (&train, &targets(&study.train, 0)),
        (&validation, &targets(&study.validation, 1)),
    )?;
    let decoded = readout.decode(&test)?;
    let scores = Scores::new(&decoded, &targets(&study.test, 2))?;
    Ok(Some((decoded, scores)))
}

fn scatter(study: &Study, name: &str, decoded: &Array) -> Result<ProbeScatter> {
    let scores = Scores::new(decoded, &study.test.states)?;
    let all: Vec<u32> = (0..study.test.states.shape()[0] as u32).collect();
    let [n, t, width] = sizes(&study.test.states);
    let frames = n * t;
    let every = frames.div_ceil(POINTS);
    // Four digits behind the point are finer than any pixel of the figure and keep its file small.
    let thin = |array: &Array, j: usize| -> Vec<f64> {
        let values = cut(array, &[j]);
        let rows = values.data().iter().step_by(every);
        let known = study
            .test
            .states
            .data()
            .iter()
            .skip(j)
            .step_by(width * every);
        rows.zip(known)
            .filter(|(_, truth)| !truth.is_nan())
            .map(|(value, _)| value)
            .map(|v| (v * 1e4).round() / 1e4)
            .collect()
    };
    let panels = study
        .state_columns
        .iter()
        .enumerate()
        .map(|(j, column)| ScatterPanel {
            name: column.name.clone(),
            unit: column.unit.clone(),
            truth: thin(&study.test.states, j),
            decoded: thin(decoded, j),
            r2: scores.r2(&[j], &all),
            rmse: scores.rmse(&[j], &all),
        });
    Ok(ProbeScatter {
        look: look(name),
        panels: panels.filter(|panel| panel.r2.is_finite()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::study;
    use super::*;

    #[test]
    fn frames_next_to_a_contact_are_told_apart() {
        let mut study = study(60, true);
        assert!(away_from_contacts(&study).is_none());
        study.event_columns = vec![simulators::Column {
            name: "hit".into(),
            unit: "1".into(),
        }];
        let (n, frames) = (study.test.states.shape()[0], study.test.states.shape()[1]);
        study.test.events = vec![0; n * frames];
        study.test.events[5] = 1;
        let free = away_from_contacts(&study).unwrap();
        let near: Vec<usize> = (0..frames).filter(|&t| !free(0, t)).collect();
        assert_eq!(near, [4, 5]);
        assert!((0..frames).all(|t| free(1, t)));
    }

    #[test]
    fn an_affine_image_of_the_state_is_read_out_to_1e_9() {
        let finding = Probe::default().run(&study(60, true)).unwrap();
        for name in ["position", "velocity"] {
            let r2 = finding.value(&format!("{name}_r2/smoothed")).unwrap();
            let rmse = finding.value(&format!("{name}_rmse/smoothed")).unwrap();
            assert!(
                (1.0 - r2).abs() < 1e-9 && rmse < 1e-9,
                "{name}: {r2} {rmse}"
            );
        }
        assert!((finding.value("position_r2/encoder").unwrap() - 1.0).abs() < 1e-9);
        let velocity = finding.value("velocity_r2/encoder").unwrap();
        assert!(
            velocity < 0.3,
            "one frame's position tells little of velocity: {velocity}"
        );
    }

    #[test]
    fn controls_find_nothing() {
        let finding = Probe::default().run(&study(300, true)).unwrap();
        for row in ["shuffled targets", "untrained encoder"] {
            for name in ["position", "velocity"] {
                let r2 = finding.value(&format!("{name}_r2/{row}")).unwrap();
                // 300 x 20 rows, two to four features, frames of a sequence correlated: |R²| of chance is below 2 %.
                assert!(r2.abs() < 0.02, "{row} {name}: {r2}");
            }
        }
    }

    #[test]
    fn a_model_without_dynamics_reports_its_encoder_only() {
        let mut study = study(20, true);
        for split in [&mut study.train, &mut study.validation, &mut study.test] {
            split.latents.retain(|name| name == "encoder");
        }
        let finding = Probe::default().run(&study).unwrap();
        assert!(finding.value("velocity_r2/smoothed").is_none());
        assert!(
            finding
                .value("velocity_r2/encoder central differences")
                .unwrap()
                > 0.5
        );
        assert!(finding.answer.starts_with("encoder"), "{}", finding.answer);
    }

    #[test]
    fn states_of_any_names_without_velocities_are_read_out_column_by_column() {
        let mut study = study(40, true);
        for (column, name) in study.state_columns.iter_mut().zip(["cos", "sin", "a", "b"]) {
            (column.name, column.unit) = (name.into(), "1".into());
        }
        let finding = Probe::default().run(&study).unwrap();
        for name in ["cos", "sin", "a", "b"] {
            let r2 = finding.value(&format!("r2/{name}/smoothed")).unwrap();
            assert!((1.0 - r2).abs() < 1e-9, "{name}: {r2}");
            assert!(finding.value(&format!("rmse/{name}/smoothed")).unwrap() < 1e-9);
        }
        assert!(
            finding
                .answer
                .starts_with("smoothed latents hold cos with R² 1.000 and sin")
        );
        assert_eq!(finding.tables[0].rows.len(), 4);
        let lags = super::super::lag_scan::LagScan::default()
            .run(&study)
            .unwrap();
        assert_eq!(
            lags.value("best_cos_lag/smoothed"),
            Some(0.0),
            "{}",
            lags.answer
        );
    }

    #[test]
    fn a_latent_that_is_not_finite_is_named() {
        let mut study = study(4, true);
        study.test.latents.get_mut("smoothed").unwrap().data_mut()[4 * 23] = f64::NAN;
        let error = Probe::default().run(&study).unwrap_err().to_string();
        assert!(
            error.contains("test smoothed") && error.contains("sequence 1, frame 3"),
            "{error}"
        );
    }
}
