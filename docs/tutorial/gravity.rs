//! Is gravity in the learned law? The acceleration that the law gives at every height, beside the true one of free flight.
//!
//! The law is carried into physical coordinates, s' = A s + b (see `law`). At a mean state s_h of height h its vertical
//! acceleration is ((A − I) s_h + b)_vy / dt. True accelerations come from frame pairs without a contact between them.

use super::{Analysis, Finding, Kinematics, Study};
use crate::error::Result;
use crate::figures::{Curves, Figure, Look, Panel, Series};
use crate::measure::affine::{AffineSums, carry};
use crate::measure::arrays::{at, columns, sizes};
use crate::measure::bootstrap::{Bootstrap, Estimate};
use nalgebra::{DMatrix, DVector};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The learned law's acceleration against height.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Gravity {}

const QUESTION: &str = "Is gravity in the learned law?";
/// Bins of height; each needs some frames.
const BINS: usize = 8;
const LEAST: usize = 5;

/// Frames of one height, without a contact before the next: mean kinematic state and mean acceleration.
struct Bin {
    state: Vec<f64>,
    acceleration: f64,
}

impl Analysis for Gravity {
    fn name(&self) -> &'static str {
        "gravity"
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn run(&self, study: &Study) -> Result<Finding> {
        study.check()?;
        let no = |reason: &str| Ok(Finding::not_applicable(self.name(), QUESTION, reason));
        let (Some(law), Some(latents)) = (&study.law, study.train.latents.get("smoothed")) else {
            return no("this model has no law");
        };
        let kinematics = Kinematics::of(&study.state_columns)?;
        let order: Vec<usize> = [&kinematics.positions[..], &kinematics.velocities[..]].concat();
        let (height, speed) = (kinematics.axes() - 1, order.len() - 1); // the last axis points up
        let bins = bins(study, &order, height, speed);
        if bins.is_empty() {
            return no("no frames are free of contacts");
        }
        let sums = AffineSums::new(latents, &columns(&study.train.states, &order))?;
        let a = DMatrix::from_row_slice(law.latent, law.latent, &law.transition_matrix);
        let b = DVector::from_row_slice(&law.transition_offset);
        let boot = Bootstrap::new(sums.sequences(), 200, &study.seeds());
        let learned = boot.estimates(|drawn| {
            let (m, c) = sums.fit(drawn)?;
            let (a, b) = carry(&m, &c, &a, &b)?;
            let acceleration = |bin: &Bin| {
                let next: f64 = (0..order.len()).map(|j| a[(speed, j)] * bin.state[j]).sum();
                (next + b[speed] - bin.state[speed]) / study.dt
            };
            Some(bins.iter().map(acceleration).collect())
        });
        let Some(learned) = learned else {
            return no("the map from latents to states is singular");
        };
        let mut finding = Finding::new(self.name(), QUESTION);
        let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / bins.len() as f64;
        let unit = format!("{}/s", kinematics.velocity_unit);
        let (found, truth) = (
            mean(&mut learned.iter().map(|e| e.value)),
            mean(&mut bins.iter().map(|bin| bin.acceleration)),
        );
        finding.metric("acceleration/learned", Estimate::point(found), &unit);
        finding.metric("acceleration/true", Estimate::point(truth), &unit);
        finding.define(
            "acceleration",
            "mean over heights h of ((A − I) s_h + b)_vy / dt",
            "Vertical acceleration that the learned law gives in free flight.",
        );
        finding.answer = format!(
            "In free flight the learned law accelerates by {found:.1} {unit}, Newton's by {truth:.1}."
        );
        let edge = |pick: fn((f64, f64)) -> f64| -> Vec<f64> {
            let band = learned
                .iter()
                .map(|e| e.interval.unwrap_or((e.value, e.value)));
            band.map(pick).collect()
        };
        let heights: Vec<f64> = bins.iter().map(|bin| bin.state[height]).collect();
        let series = |label: &str, look, y, low, high| Series {
            label: label.into(),
            look,
            x: heights.clone(),
            y,
            low,
            high,
        };
        let panel = Panel {
            x_label: format!("height ({})", kinematics.position_unit),
            y_label: format!("acceleration ({unit})"),
            series: vec![
                series(
                    "true",
                    Look::Truth,
                    bins.iter().map(|bin| bin.acceleration).collect(),
                    vec![],
                    vec![],
                ),
                series(
                    "learned law",
                    Look::Smoothed,
                    learned.iter().map(|e| e.value).collect(),
                    edge(|(low, _)| low),
                    edge(|(_, high)| high),
                ),
            ],
            y_range: None,
        };
        let n = study.test.states.shape()[0];
        finding.figure(
            "gravity",
            format!(
                "Is gravity in the learned law? Its vertical acceleration against height, in frames without contact of {n} \
                 held-out sequences; band: 95 % bootstrap interval over training sequences."
            ),
            Figure::Curves(Curves { panels: vec![panel] }),
        );
        Ok(finding)
    }
}

fn bins(study: &Study, order: &[usize], height: usize, speed: usize) -> Vec<Bin> {
    let states = columns(&study.test.states, order);
    let [n, frames, width] = sizes(&states);
    let events = study.test.events.len() / (n * frames);
    let touched = |i: usize, t: usize| {
        let from = (i * frames + t) * events;
        study.test.events[from..from + events]
            .iter()
            .any(|&count| count > 0)
    };
    let free: Vec<(usize, usize)> = (0..n)
        .flat_map(|i| (0..frames - 1).map(move |t| (i, t)))
        .filter(|&(i, t)| !touched(i, t + 1))
        .collect();
    let level = |&(i, t): &(usize, usize)| at(&states, i, t)[height];
    let low = free.iter().map(level).fold(f64::INFINITY, f64::min);
    let high = free.iter().map(level).fold(f64::NEG_INFINITY, f64::max);
    let bin = |pair: &(usize, usize)| {
        (((level(pair) - low) / (high - low) * BINS as f64) as usize).min(BINS - 1)
    };
    (0..BINS)
        .filter_map(|k| {
            let inside: Vec<_> = free.iter().filter(|pair| bin(pair) == k).collect();
            if inside.len() < LEAST {
                return None;
            }
            let mean = |of: &dyn Fn(usize, usize) -> f64| {
                inside.iter().map(|&&(i, t)| of(i, t)).sum::<f64>() / inside.len() as f64
            };
            Some(Bin {
                state: (0..width)
                    .map(|j| mean(&|i, t| at(&states, i, t)[j]))
                    .collect(),
                acceleration: mean(&|i, t| at(&states, i, t + 1)[speed] - at(&states, i, t)[speed])
                    / study.dt,
            })
        })
        .collect()
}
