//! Did training converge, and did velocity come out on the way? The ELBO may rise while the velocity's R² falls.

use super::{Analysis, Finding, Study, TrainingPoint};
use crate::error::Result;
use crate::figures::{Curves, Figure, Look, Panel, Series};
use crate::measure::bootstrap::Estimate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What training logged, over steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Training {}

const QUESTION: &str = "Did training converge, and did the R² of velocity rise with the ELBO?";

impl Analysis for Training {
    fn name(&self) -> &'static str {
        "training"
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn run(&self, study: &Study) -> Result<Finding> {
        let names = names(&study.training);
        let (Some(last), false) = (study.training.last(), names.is_empty()) else {
            return Ok(Finding::not_applicable(
                self.name(),
                QUESTION,
                "nothing was logged during training",
            ));
        };
        let mut finding = Finding::new(self.name(), QUESTION);
        let mut answers = Vec::new();
        for name in &names {
            let curve = curve(&study.training, name);
            let (Some(&end), Some(best)) =
                (curve.1.last(), curve.1.iter().copied().reduce(f64::max))
            else {
                continue;
            };
            finding.metric(
                format!("training_last/{name}"),
                Estimate::point(end),
                unit(name),
            );
            let quantity = quantity(name);
            if quantity == "elbo" || is_r2(quantity) {
                finding.metric(
                    format!("training_best/{name}"),
                    Estimate::point(best),
                    unit(name),
                );
            }
            if name == "validation/elbo" || name.starts_with("validation/velocity_r2") {
                answers.push(format!("{name} {end:.3} (best {best:.3})"));
            }
        }
        finding.answer = match answers.is_empty() {
            true => format!("{} steps were logged.", last.step),
            false => format!("After {} steps: {}.", last.step, answers.join(", ")),
        };
        finding.define(
            "training_last, training_best",
            "last value, and largest value over all logged steps",
            "Last below best: the quantity fell again while training went on.",
        );
        let caption = "Did training converge, and did the R² of velocity rise with the ELBO? Values as logged, not smoothed, \
                       over optimiser steps, one seed; validation near-black, training grey, R² in the colour of its latents."
            .into();
        finding.figure(
            "training",
            caption,
            Figure::Curves(panels(&study.training, &names)),
        );
        Ok(finding)
    }
}

/// Every finite quantity that was logged, in alphabetical order.
fn names(points: &[TrainingPoint]) -> Vec<String> {
    let all = points.iter().flat_map(|point| &point.values);
    let mut names: Vec<String> = all
        .filter(|(_, v)| v.is_finite())
        .map(|(name, _)| name.clone())
        .collect();
    names.sort();
    names.dedup();
    names
}

/// What follows the split's name.
fn quantity(name: &str) -> &str {
    name.split_once('/').map_or(name, |(_, quantity)| quantity)
}

fn is_r2(quantity: &str) -> bool {
    quantity.contains("_r2")
}

/// R² has no unit; the ELBO and its terms are in nats a frame.
fn unit(name: &str) -> &'static str {
    match quantity(name) {
        "elbo" | "reconstruction" | "kl" | "prior" | "entropy" | "published_gap"
        | "published_gap_std" => "nats/frame",
        name if name.starts_with("code_kl") => "nats/frame",
        _ => "1",
    }
}

/// Steps and finite values of one quantity.
fn curve(points: &[TrainingPoint], name: &str) -> (Vec<f64>, Vec<f64>) {
    let at = |point: &TrainingPoint| {
        let value = point.values.get(name).filter(|v| v.is_finite())?;
        Some((point.step as f64, *value))
    };
    points.iter().filter_map(at).unzip()
}

/// The ELBO first, then all R² in one panel, then one panel for each other quantity.
fn panels(points: &[TrainingPoint], names: &[String]) -> Curves {
    let group = |name: &String| match quantity(name) {
        "elbo" => (0, String::new()),
        r2 if is_r2(r2) => (1, String::new()),
        // What is logged of every dimension stands in one panel.
        other => (2, other.split('/').next().unwrap_or(other).to_string()),
    };
    let mut groups: Vec<_> = names.iter().map(group).collect();
    groups.sort();
    groups.dedup();
    let panel = |key: &(i32, String)| {
        let members = names.iter().filter(|name| group(name) == *key);
        let y_label = match key.0 {
            0 => "ELBO (nats/frame)".into(),
            1 => "R²".into(),
            _ => match unit(&key.1) {
                "1" => key.1.replace('_', " "),
                unit => format!("{} ({unit})", key.1.replace('_', " ")),
            },
        };
        Panel {
            x_label: "optimiser steps".into(),
            y_label,
            series: members.map(|name| series(points, name)).collect(),
            y_range: None,
        }
    };
    Curves {
        panels: groups.iter().map(panel).collect(),
    }
}

fn series(points: &[TrainingPoint], name: &str) -> Series {
    let (x, y) = curve(points, name);
    let look = match quantity(name) {
        q if q.ends_with("smoothed") => Look::Smoothed,
        q if q.ends_with("filtered") => Look::Filtered,
        q if q.ends_with("encoder") => Look::Encoder,
        _ if name.starts_with("train/") => Look::Baseline,
        _ => Look::Truth,
    };
    let label = match quantity(name).split_once('/') {
        Some((_, dimension)) => dimension.to_string(),
        None if is_r2(quantity(name)) => quantity(name).replace("_r2", "").replace('_', " "),
        None => name
            .split_once('/')
            .map_or(name, |(split, _)| split)
            .to_string(),
    };
    Series {
        label,
        look,
        x,
        y,
        low: Vec::new(),
        high: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_velocity_that_fell_while_the_elbo_rose_is_told() {
        let point = |step, elbo, r2| TrainingPoint {
            step,
            values: [
                ("train/elbo".to_string(), elbo + 1.0),
                ("validation/elbo".to_string(), elbo),
                ("validation/velocity_r2_smoothed".to_string(), r2),
                ("train/gradient_norm".to_string(), 2.0),
            ]
            .into(),
        };
        let mut study = Study {
            training: vec![point(100, -20.0, 0.84), point(200, -15.0, 0.78)],
            ..Study::default()
        };
        // A step that logged one value only leaves no gap.
        study.training.push(TrainingPoint {
            step: 300,
            values: [("train/elbo".to_string(), -13.0)].into(),
        });
        let finding = Training::default().run(&study).unwrap();
        assert_eq!(
            finding.value("training_last/validation/velocity_r2_smoothed"),
            Some(0.78)
        );
        assert_eq!(
            finding.value("training_best/validation/velocity_r2_smoothed"),
            Some(0.84)
        );
        let Figure::Curves(curves) = &finding.figures[0].figure else {
            panic!("{:?}", finding.figures[0].name);
        };
        let labels: Vec<_> = curves.panels.iter().map(|p| p.y_label.as_str()).collect();
        assert_eq!(labels, ["ELBO (nats/frame)", "R²", "gradient norm"]);
        let elbo = &curves.panels[0].series;
        assert_eq!((elbo[0].x.len(), elbo[1].x.len()), (3, 2));
    }

    #[test]
    fn a_study_without_a_log_is_not_applicable() {
        let finding = Training::default().run(&Study::default()).unwrap();
        assert!(finding.answer.starts_with("not applicable"));
    }
}
