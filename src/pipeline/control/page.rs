//! What controllers reached: numbers, page and figure.

use super::{ControlOptions, GoalAs, Planning};
use crate::control::{IMAGINED, Judged, Outcome, Score};
use crate::figures::{Curves, Figure, Look, Panel, Series};
use crate::measure::bootstrap::{Bootstrap, Estimate};
use crate::seeds::Seeds;
use serde::Serialize;

/// Resamples of the interval of a share.
const DRAWS: usize = 1000;

/// What one controller reached in all episodes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ControlRow {
    /// Who acted.
    pub controller: String,
    /// What counts, the mean over episodes: the share in which the goal was reached, or of the time upright.
    pub score: f64,
    /// Its 95 % bootstrap interval over episodes.
    pub score_interval: Option<(f64, f64)>,
    /// Mean over episodes of minus the sum of distances.
    pub mean_return: f64,
    /// Its standard deviation over episodes.
    pub return_std: f64,
    /// What counts, episode by episode.
    pub scores: Vec<f64>,
    /// Mean distance, or cost, in the last frame.
    pub final_distance: f64,
    /// Return of every episode.
    pub returns: Vec<f64>,
    /// First frame in which the goal was reached, episode by episode; empty where nothing is to be reached.
    pub reached_at: Vec<Option<usize>>,
    /// Mean distance, or cost, in every frame.
    pub distances: Vec<f64>,
    /// What plans were expected to cost beside what they would have cost; none where nobody plans.
    pub plans: Option<Plans>,
}

/// Predicted minus real cost of plans, a frame: below zero where the model is too hopeful.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plans {
    /// Of the plans that were chosen, the mean over those that were judged.
    pub chosen: f64,
    /// Of action sequences that were drawn and not chosen: without anyone who looks for the model's errors.
    pub drawn: f64,
    /// Real cost of the chosen plans, a frame.
    pub real: f64,
    /// `chosen` over the steps that were judged.
    pub chosen_over_time: Vec<f64>,
    /// `drawn` over the same.
    pub drawn_over_time: Vec<f64>,
}

impl Plans {
    fn of(found: &[Outcome]) -> Option<Self> {
        let count = found.first().map_or(0, |one| one.judged.len());
        if count == 0 {
            return None;
        }
        let n = found.len() as f64;
        let over = |of: &dyn Fn(&Judged) -> f64| -> Vec<f64> {
            let at = |i: usize| found.iter().map(|one| of(&one.judged[i])).sum::<f64>() / n;
            (0..count).map(at).collect()
        };
        let (chosen, drawn) = (over(&|plan| plan.chosen), over(&|plan| plan.drawn));
        let mean = |all: &[f64]| all.iter().sum::<f64>() / count as f64;
        Some(Self {
            chosen: mean(&chosen),
            drawn: mean(&drawn),
            real: mean(&over(&|plan| plan.real)),
            chosen_over_time: chosen,
            drawn_over_time: drawn,
        })
    }
}

/// Everything that `control.json` holds.
#[derive(Clone, Debug, Serialize)]
pub struct ControlReport {
    /// `<model>/seed-<s>`.
    pub model: String,
    /// The world.
    pub world: String,
    /// As it was asked for, with what was chosen.
    pub options: ControlOptions,
    /// Unit of distances.
    pub unit: String,
    /// What counts.
    pub score: Score,
    /// What `final_distance` is.
    pub last: String,
    /// The model first, then who it is compared with, in the same episodes.
    pub rows: Vec<ControlRow>,
}

impl ControlRow {
    /// Of all episodes, in order.
    pub(super) fn of(name: &str, found: &[Outcome], score: Score, seed: u64) -> Self {
        let returns: Vec<f64> = found.iter().map(Outcome::total).collect();
        let reached_at: Vec<Option<usize>> = match score {
            Score::Reached(within) => found.iter().map(|one| one.reached(within)).collect(),
            _ => Vec::new(),
        };
        let scores: Vec<f64> = found.iter().map(|one| score.value(one)).collect();
        let n = (found.len() as f64).max(1.0);
        let boot = Bootstrap::new(found.len(), DRAWS, &Seeds::new(seed));
        let share: Estimate = boot.estimate(|drawn| {
            let sum: f64 = drawn.iter().map(|&i| scores[i as usize]).sum();
            sum / drawn.len().max(1) as f64
        });
        let mean = returns.iter().sum::<f64>() / n;
        let var = returns.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / n;
        let frames = found.first().map_or(0, |one| one.distances.len());
        let distance = |t: usize| found.iter().map(|one| one.distances[t]).sum::<f64>() / n;
        let distances: Vec<f64> = (0..frames).map(distance).collect();
        Self {
            controller: name.into(),
            score: share.value,
            score_interval: share.interval,
            mean_return: mean,
            return_std: var.sqrt(),
            final_distance: distances.last().copied().unwrap_or(f64::NAN),
            returns,
            scores,
            reached_at,
            distances,
            plans: Plans::of(found),
        }
    }

    /// Name, score, return and last distance as text.
    pub(super) fn cells(&self) -> [String; 4] {
        let interval = self.score_interval.map_or(String::new(), |(low, high)| {
            format!(" [{low:.2}, {high:.2}]")
        });
        [
            self.controller.clone(),
            format!("{:.2}{interval}", self.score),
            format!("{:.1} ± {:.1}", self.mean_return, self.return_std),
            format!("{:.2}", self.final_distance),
        ]
    }
}

/// A quantity with its unit, where it has one.
pub(super) fn with_unit(what: &str, unit: &str) -> String {
    match unit {
        "1" => what.into(),
        unit => format!("{what} ({unit})"),
    }
}

impl ControlReport {
    /// Mean distance from the goal in every frame, of all controllers.
    pub(super) fn figure(&self) -> Figure {
        let looks = [
            Look::Filtered,
            Look::Truth,
            Look::Smoothed,
            Look::Baseline,
            Look::Control,
        ];
        let rows = self.rows.iter().enumerate();
        let series = rows.map(|(i, row)| Series {
            label: row.controller.clone(),
            look: looks[i.min(looks.len() - 1)],
            x: (0..row.distances.len()).map(|t| t as f64).collect(),
            y: row.distances.clone(),
            low: Vec::new(),
            high: Vec::new(),
        });
        let mut panels = vec![Panel {
            x_label: "step".into(),
            y_label: with_unit(self.measured(), &self.unit),
            series: series.collect(),
            y_range: None,
        }];
        let episodes = self.rows.iter().enumerate().map(|(i, row)| Series {
            label: row.controller.clone(),
            look: looks[i.min(looks.len() - 1)],
            x: (0..row.returns.len()).map(|t| t as f64).collect(),
            y: row.returns.clone(),
            low: Vec::new(),
            high: Vec::new(),
        });
        panels.push(Panel {
            x_label: "episode".into(),
            y_label: "return".into(),
            series: episodes.collect(),
            y_range: None,
        });
        let plans = self.rows.first().and_then(|row| row.plans.as_ref());
        panels.extend(plans.map(|plans| {
            let line = |label: &str, look: Look, y: &[f64]| Series {
                label: label.into(),
                look,
                x: (0..y.len()).map(|i| i as f64).collect(),
                y: y.to_vec(),
                low: Vec::new(),
                high: Vec::new(),
            };
            Panel {
                x_label: "judged plan".into(),
                y_label: "predicted minus real cost of a frame".into(),
                series: vec![
                    line("chosen plan", Look::Filtered, &plans.chosen_over_time),
                    line("drawn, not chosen", Look::Control, &plans.drawn_over_time),
                ],
                y_range: None,
            }
        }));
        Figure::Curves(Curves { panels })
    }

    /// What a curve over steps is of.
    fn measured(&self) -> &'static str {
        match self.options.own_task {
            true => "mean cost of a frame",
            false => "mean distance from the goal",
        }
    }

    /// The table as a page.
    pub(super) fn markdown(&self) -> String {
        let o = &self.options;
        let told = match o.goal_as {
            Some(GoalAs::Picture) => "is told the goal by a picture of it",
            Some(GoalAs::Place) => {
                "is told the goal by its place, through a linear read-out of its state,"
            }
            None => "predicts what the task costs",
        };
        let search = |iterations: usize| {
            let (count, frames) = (o.search.candidates, o.search.horizon);
            format!("search: {count} candidates of {frames} frames, {iterations} iterations")
        };
        let acts = match o.planning {
            Some(Planning::Lqg) => "LQG in its learned law".to_string(),
            Some(Planning::Shooting) => search(1),
            _ => search(o.search.iterations),
        };
        let task = match o.own_task {
            true => "The task is the world's own, and a return is minus the sum of its costs"
                .to_string(),
            false => format!(
                "A goal is the place where {} frames of random acting led from the same start, and a return is minus the \
                 sum of distances",
                o.ahead
            ),
        };
        let mut text = format!(
            "# Control: {} in {}\n\n{task}. {} steps; {} episodes from seed {}, the same for all; {}. The model {told} \
             and acts by {acts}.\n\n",
            self.model,
            self.world,
            o.frames(),
            o.episodes,
            o.seed,
            self.score.told(&self.unit),
        );
        text += &format!(
            "| controller | {} [95 %] | return ± sd | {} |\n|---|---|---|---|\n",
            self.score.word(),
            with_unit(&self.last, &self.unit),
        );
        for row in &self.rows {
            text += &format!("| {} |\n", row.cells().join(" | "));
        }
        if let Some(plans) = self.rows.first().and_then(|row| row.plans.as_ref()) {
            text += &format!(
                "\nPlans of {} frames, carried out in the simulator from the true state: predicted minus real cost of a \
                 frame {:.3} where they were chosen and {:.3} where they were drawn and not chosen; the chosen ones \
                 really cost {:.3} a frame. A planner that lives on the model's errors has the first number far below the \
                 second.\n",
                o.search.horizon, plans.chosen, plans.drawn, plans.real
            );
        }
        text += &format!(
            "\n![{} over the steps, returns](distance.svg)\n",
            self.measured()
        );
        text += &format!(
            "\n![the first episodes: true, believed, and imagined {IMAGINED} frames at a time](control.gif)\n"
        );
        text
    }
}
