//! What controllers reached: numbers, page and figure.

use super::{ControlOptions, GoalAs, Planning};
use crate::control::Outcome;
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
    /// Share of episodes in which the goal was reached.
    pub reached: f64,
    /// 95 % bootstrap interval over episodes.
    pub reached_interval: Option<(f64, f64)>,
    /// Mean over episodes of minus the sum of distances.
    pub mean_return: f64,
    /// Its standard deviation over episodes.
    pub return_std: f64,
    /// Mean distance in the last frame.
    pub final_distance: f64,
    /// Return of every episode.
    pub returns: Vec<f64>,
    /// First frame in which the goal was reached, episode by episode.
    pub reached_at: Vec<Option<usize>>,
    /// Mean distance in every frame.
    pub distances: Vec<f64>,
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
    /// The model first, then who it is compared with, in the same episodes.
    pub rows: Vec<ControlRow>,
}

impl ControlRow {
    /// Of all episodes, in order.
    pub(super) fn of(name: &str, found: &[Outcome], within: f64, seed: u64) -> Self {
        let returns: Vec<f64> = found.iter().map(Outcome::total).collect();
        let reached_at: Vec<Option<usize>> = found.iter().map(|one| one.reached(within)).collect();
        let n = (found.len() as f64).max(1.0);
        let boot = Bootstrap::new(found.len(), DRAWS, &Seeds::new(seed));
        let share: Estimate = boot.estimate(|drawn| {
            let hits = drawn.iter().filter(|&&i| reached_at[i as usize].is_some());
            hits.count() as f64 / drawn.len().max(1) as f64
        });
        let mean = returns.iter().sum::<f64>() / n;
        let var = returns.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / n;
        let frames = found.first().map_or(0, |one| one.distances.len());
        let distance = |t: usize| found.iter().map(|one| one.distances[t]).sum::<f64>() / n;
        let distances: Vec<f64> = (0..frames).map(distance).collect();
        Self {
            controller: name.into(),
            reached: share.value,
            reached_interval: share.interval,
            mean_return: mean,
            return_std: var.sqrt(),
            final_distance: distances.last().copied().unwrap_or(f64::NAN),
            returns,
            reached_at,
            distances,
        }
    }

    /// Name, share, return and last distance as text.
    pub(super) fn cells(&self) -> [String; 4] {
        let interval = self.reached_interval.map_or(String::new(), |(low, high)| {
            format!(" [{low:.2}, {high:.2}]")
        });
        [
            self.controller.clone(),
            format!("{:.2}{interval}", self.reached),
            format!("{:.1} ± {:.1}", self.mean_return, self.return_std),
            format!("{:.2}", self.final_distance),
        ]
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
        Figure::Curves(Curves {
            panels: vec![Panel {
                x_label: "step".into(),
                y_label: format!("mean distance from the goal ({})", self.unit),
                series: series.collect(),
                y_range: None,
            }],
        })
    }

    /// The table as a page.
    pub(super) fn markdown(&self) -> String {
        let o = &self.options;
        let told = match o.goal_as {
            Some(GoalAs::Picture) => "a picture of it",
            _ => "its place, through a linear read-out of its state",
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
        let mut text = format!(
            "# Control: {} in {}\n\nA goal is the place where {} frames of random acting led from the same start; it \
             counts as reached within {} {} in one of {} frames. {} episodes from seed {}, the same for all; a return is \
             minus the sum of distances. The model is told the goal by {told} and acts by {acts}.\n\n",
            self.model, self.world, o.ahead, o.within, self.unit, o.steps, o.episodes, o.seed,
        );
        text += &format!(
            "| controller | reached [95 %] | return ± sd | distance in the last frame ({}) |\n|---|---|---|---|\n",
            self.unit
        );
        for row in &self.rows {
            text += &format!("| {} |\n", row.cells().join(" | "));
        }
        text + "\n![mean distance from the goal](distance.svg)\n\n![the first episodes](control.gif)\n"
    }
}
