//! What is to be done in an episode, and what is reported of it beside its return.

use super::classical::wrapped;
use super::trial::Outcome;
use serde::Serialize;
use simulators::Simulator;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// To be at a place that random acting leads to from the same start, so many frames later: a frame costs the distance
    /// from it.
    Goal(
        /// Frames.
        usize,
    ),
    /// The world's own task, by its cost.
    World,
}

/// What counts in an episode, between 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Score {
    /// 1 where a frame after the first costs at most that, which is a distance.
    Reached(f64),
    /// Share of the last half of the frames within 0.2 rad of upright.
    Upright,
    /// Share of the steps before the first that costs anything.
    Kept,
}

/// How far from upright still counts as that, rad.
const ASIDE: f64 = 0.2;

impl Score {
    /// What counts in a world's own task, by its name. A place counts as reached within `within` of it.
    pub fn of(name: &str, within: f64) -> Self {
        match name {
            "pendulum_v1" => Self::Upright,
            "cartpole" => Self::Kept,
            _ => Self::Reached(within),
        }
    }

    /// As tables have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Reached(_) => "reached",
            Self::Upright => "upright",
            Self::Kept => "time upright",
        }
    }

    /// The same as a sentence.
    pub fn told(self, unit: &str) -> String {
        match self {
            Self::Reached(within) => format!("reached: within {within} {unit} in a frame"),
            Self::Upright => {
                "upright: share of the last half of the frames within 0.2 rad of it".into()
            }
            Self::Kept => {
                "time upright: share of the steps before the first that costs anything".into()
            }
        }
    }

    /// Of an episode.
    pub fn value(self, found: &Outcome) -> f64 {
        let share = |hits: usize, of: usize| hits as f64 / of.max(1) as f64;
        match self {
            Self::Reached(within) => f64::from(u8::from(found.reached(within).is_some())),
            Self::Kept => {
                let kept = found.costs.iter().position(|cost| *cost > 0.0);
                share(kept.unwrap_or(found.costs.len()), found.costs.len())
            }
            Self::Upright => {
                let frames = found.distances.len();
                let width = found.states.len() / frames.max(1);
                let rows = found.states.chunks_exact(width.max(1));
                let later = rows.skip(frames - frames / 2);
                let hits = later.filter(|row| wrapped(row[0]).abs() <= ASIDE).count();
                share(hits, frames / 2)
            }
        }
    }
}

/// The place that a world's parameters ask for (x, y), where they do.
pub fn target(world: &dyn Simulator, parameters: &[f64]) -> Option<Vec<f64>> {
    let columns = world.parameter_columns();
    let named = |name: String| columns.iter().position(|column| column.name == name);
    ["goal", "target"].iter().find_map(|word| {
        let x = named(format!("{word}_x"))?;
        let y = named(format!("{word}_y"))?;
        Some(vec![*parameters.get(x)?, *parameters.get(y)?])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_shares_of_frames_and_steps() {
        let found = Outcome {
            // pi - .1, and a whole turn: the last half is .1 and 2 pi + .3.
            states: vec![
                3.0,
                0.0,
                1.0,
                0.0,
                0.1,
                0.0,
                std::f64::consts::TAU + 0.3,
                0.0,
            ],
            distances: vec![5.0, 2.0, 1.4, 3.0],
            costs: vec![0.0, 0.0, 1.0],
            ..Outcome::default()
        };
        assert_eq!(Score::Upright.value(&found), 0.5);
        assert_eq!(Score::Kept.value(&found), 2.0 / 3.0);
        assert_eq!(Score::Reached(1.5).value(&found), 1.0);
        assert_eq!(Score::Reached(1.0).value(&found), 0.0);
    }
}
