//! Error and skill of sampled futures against the number of frames ahead, beside trivial rows and the world's own futures.

use super::Draw;
use super::canvas::Canvas;
use super::curves::{Curves, Panel, Series};
use super::style::Look;
use crate::error::Result;
use serde::{Deserialize, Serialize};

/// Error and skill over the horizon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SkillOverHorizon {
    /// Vertical axis of the left panel with its unit: "energy score (px)".
    pub error_label: String,
    /// Error of every row over frames ahead.
    pub error: Vec<Series>,
    /// Skill of every row: 1 the true law, 0 uniform.
    pub skill: Vec<Series>,
}

/// Height of the left panel as a multiple of the largest error that is no trivial row's.
const MOST_ERROR: f64 = 1.25;
/// Rows far below knowing nothing would hide all others.
const LEAST_SKILL: f64 = -1.0;

impl Draw for SkillOverHorizon {
    fn draw(&self) -> Result<Canvas> {
        let lowest = self
            .skill
            .iter()
            .flat_map(|series| series.y.iter().copied())
            .filter(|v| v.is_finite())
            .fold(0.0, f64::min);
        let panel = |y_label: &str, series: &[Series], y_range| Panel {
            x_label: "frames ahead".into(),
            y_label: y_label.into(),
            series: series.to_vec(),
            y_range,
        };
        // A trivial row that leaves the picture would hide all others too.
        let others = self.error.iter().filter(|s| s.look != Look::Baseline);
        let values = others.flat_map(|s| s.y.iter().chain(&s.high).copied());
        let most = values.filter(|v| v.is_finite()).fold(0.0, f64::max);
        let error = (most > 0.0).then_some((0.0, MOST_ERROR * most));
        let mut panels = vec![panel(&self.error_label, &self.error, error)];
        if !self.skill.is_empty() {
            let range = (lowest.max(LEAST_SKILL) - 0.05, 1.1);
            panels.push(panel(
                "skill (1 true law, 0 uniform)",
                &self.skill,
                Some(range),
            ));
        }
        Curves { panels }.draw()
    }

    fn example() -> Self {
        let x: Vec<f64> = (1..=30).map(f64::from).collect();
        let series = |label: &str, look, of: &dyn Fn(f64) -> f64| Series {
            label: label.to_string(),
            look,
            x: x.clone(),
            y: x.iter().map(|h| of(*h)).collect(),
            low: Vec::new(),
            high: Vec::new(),
        };
        let truth = |h: f64| 4.2 * (1.0 - (-h / 14.0).exp());
        let uniform = |_: f64| 5.75;
        let model = |h: f64| truth(h) + 0.3 + 0.02 * h;
        let straight = |h: f64| 0.12 * h.powf(1.6);
        let skill =
            |of: &dyn Fn(f64) -> f64, h: f64| (uniform(h) - of(h)) / (uniform(h) - truth(h));
        Self {
            error_label: "energy score (px)".into(),
            error: vec![
                series("samples", Look::Prediction, &model),
                series("constant velocity", Look::Baseline, &straight),
                series("uniform", Look::Control, &uniform),
                series("true futures", Look::Truth, &truth),
            ],
            skill: vec![
                series("samples", Look::Prediction, &|h| skill(&model, h)),
                series("constant velocity", Look::Baseline, &|h| {
                    skill(&straight, h)
                }),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_far_below_nothing_does_not_hide_the_others() {
        let mut figure = SkillOverHorizon::example();
        figure.skill[1].y = vec![-500.0; 30];
        let svg = super::super::render::svg(&figure.draw().unwrap()).unwrap();
        let label = |text: &str| svg.lines().any(|line| line == text);
        assert!(label("1.0") && !label("-500"), "{svg}");
    }
}
