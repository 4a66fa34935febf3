//! Which frames does the model read to expect each frame? Shares of attention on the first test sequences.
//!
//! The encode stage stores them for a few clips (`attention`, see [`Model::attention`](crate::models::Model::attention)).
//! Where the world hides what is to be remembered (a state column `closed`), the share is told that the frame at which it
//! opens reads of those before it closed.

use super::{Analysis, Finding, Study, Table};
use crate::array::Array;
use crate::error::{Error, Result};
use crate::figures::{AttentionMap, MapLayer};
use crate::measure::bootstrap::Estimate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Shares of attention by layer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Attention {}

const QUESTION: &str = "Which frames does the model read to expect each frame?";
/// The column that is 1 while something stands before the scene.
const CLOSED: &str = "closed";

/// One clip: first hidden frame and first frame in sight again.
type Hidden = (usize, usize);

impl Analysis for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn run(&self, study: &Study) -> Result<Finding> {
        let Some(stored) = study.test.latents.get("attention") else {
            let reason = "this model has no attention";
            return Ok(Finding::not_applicable(self.name(), QUESTION, reason));
        };
        let [clips, layers, frames] = match *stored.shape() {
            [clips, layers, frames, columns] if columns == frames => [clips, layers, frames],
            ref other => {
                return Err(Error::Shape(format!(
                    "attention: (clips, layers, T, T) expected, got {other:?}"
                )));
            }
        };
        let hidden: Vec<Option<Hidden>> = (0..clips).map(|i| hidden(study, i, frames)).collect();
        let mut finding = Finding::new(self.name(), QUESTION);
        let mut rows = Vec::new();
        for layer in 0..layers {
            let label = format!("layer {}", layer + 1);
            let all: Vec<Vec<f64>> = (0..clips).map(|i| read(stored, i, layer)).collect();
            let back = mean_distance(&all, frames);
            finding.metric(
                format!("mean_distance/{label}"),
                Estimate::point(back),
                "frames",
            );
            let mut row = vec![label.clone(), format!("{back:.1}")];
            let cue = cue_share(&all, &hidden, frames);
            if let Some((share, even)) = cue {
                finding.metric(format!("cue_share/{label}"), Estimate::point(share), "1");
                row.extend([format!("{share:.3}"), format!("{even:.3}")]);
            }
            rows.push(row);
        }
        let mut columns = vec!["layer".to_string(), "mean distance (frames)".to_string()];
        if hidden.iter().any(Option::is_some) {
            columns.extend(["share on the cue".into(), "if all were read alike".into()]);
        }
        finding.tables.push(Table {
            caption: format!("What is read, mean over {clips} test sequences of {frames} frames"),
            columns,
            rows: rows.clone(),
        });
        finding.answer = rows
            .iter()
            .map(|row| match row.get(2) {
                Some(share) => format!(
                    "{} looks {} frames back, {share} on the cue at the opening",
                    row[0], row[1]
                ),
                None => format!("{} looks {} frames back", row[0], row[1]),
            })
            .collect::<Vec<_>>()
            .join("; ")
            + ".";
        define(&mut finding);
        let byte = |share: f64| (255.0 * share.max(0.0).sqrt()).round().min(255.0) as u8;
        let layer = |k: usize| MapLayer {
            label: format!("layer {}", k + 1),
            shares: read(stored, 0, k).into_iter().map(byte).collect(),
        };
        let first = hidden.first().copied().flatten();
        let marks = first.map_or_else(Vec::new, |(from, to)| vec![from, to]);
        let caption = "Which frames does the model read to expect each frame? First test sequence, mean over heads, darker where \
                       more is read (square root); what a row lacks to 1 it reads of the start. Red: where the curtain closes and \
                       opens.";
        finding.figure(
            "attention_map",
            caption.into(),
            AttentionMap {
                frames,
                layers: (0..layers).map(layer).collect(),
                marks,
            }
            .into(),
        );
        Ok(finding)
    }
}

/// (T, T): what the frame of a row reads of the frame of a column. Stored column s stands for frame s - 1.
fn read(stored: &Array, clip: usize, layer: usize) -> Vec<f64> {
    let frames = stored.shape()[3];
    let own = &stored.row(clip)[layer * frames * frames..][..frames * frames];
    let shifted = own
        .chunks_exact(frames)
        .flat_map(|row| row[1..].iter().copied().chain([0.0]));
    shifted.collect()
}

/// When the first test sequences hide something, and show it again, both within the clip.
fn hidden(study: &Study, clip: usize, frames: usize) -> Option<Hidden> {
    let column = study
        .state_columns
        .iter()
        .position(|own| own.name == CLOSED)?;
    let width = study.state_columns.len();
    let row = study.test.states.row(clip);
    let closed = |t: &usize| row[t * width + column] > 0.5;
    let from = (0..frames).find(closed)?;
    let to = (from..frames).find(|t| !closed(t))?;
    (from > 0).then_some((from, to))
}

/// Mean number of frames between an expected frame and what it reads.
fn mean_distance(all: &[Vec<f64>], frames: usize) -> f64 {
    let (mut sum, mut mass) = (0.0, 0.0);
    for (i, share) in all.iter().flat_map(|map| map.iter().enumerate()) {
        let (t, s) = (i / frames, i % frames);
        sum += share * t.saturating_sub(s) as f64;
        mass += share;
    }
    sum / mass
}

/// What the frame of the opening reads of those before the closing; and what it would if it read all alike.
fn cue_share(all: &[Vec<f64>], hidden: &[Option<Hidden>], frames: usize) -> Option<(f64, f64)> {
    let pairs: Vec<(f64, f64)> = all
        .iter()
        .zip(hidden)
        .filter_map(|(map, hidden)| {
            let (from, to) = (*hidden)?;
            let share: f64 = map[to * frames..][..from].iter().sum();
            Some((share, from as f64 / (to + 1) as f64))
        })
        .collect();
    let n = pairs.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / n;
    (!pairs.is_empty()).then(|| (mean(|p| p.0), mean(|p| p.1)))
}

fn define(finding: &mut Finding) {
    finding.define(
        "mean_distance",
        "Σ_t Σ_s a_ts (t − s) / Σ a_ts, a the mean over heads",
        "How far a layer looks back.",
    );
    finding.define(
        "cue_share",
        "Σ_{s before the closing} a_ts at the frame t of the opening",
        "Whether what was seen before is read where it is needed again.",
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latents::Axis;
    use simulators::Column;

    /// One clip of four frames, closed in frame 2: the last frame reads .5 of frame 0, .25 of frame 1 and the rest of the start.
    fn study() -> Study {
        let mut study = Study {
            state_columns: vec![Column {
                name: "closed".into(),
                unit: "1".into(),
            }],
            ..Study::default()
        };
        study.test.states = Array::new([1, 4, 1], vec![0.0, 0.0, 1.0, 0.0]).unwrap();
        let map = [
            [1.0, 0.0, 0.0, 0.0],
            [1.0, 0.0, 0.0, 0.0],
            [1.0, 0.0, 0.0, 0.0],
            [0.25, 0.5, 0.25, 0.0],
        ];
        let array = Array::new([1, 1, 4, 4], map.concat()).unwrap();
        let axes = [Axis::Shown, Axis::Size, Axis::Frame, Axis::With];
        study
            .test
            .latents
            .insert("attention", &axes, array)
            .unwrap();
        study
    }

    #[test]
    fn what_the_opening_reads_of_the_cue_and_how_far_back_is_told() {
        let finding = Attention::default().run(&study()).unwrap();
        let value = |name: &str| finding.value(name).unwrap();
        assert_eq!(value("cue_share/layer 1"), 0.75);
        // .5 three frames back and .25 two, over what is read of frames.
        assert!((value("mean_distance/layer 1") - 2.0 / 0.75).abs() < 1e-12);
        assert_eq!(finding.tables[0].rows[0][3], "0.500");
        assert_eq!(finding.figures.len(), 1);
    }

    #[test]
    fn a_model_without_attention_is_told() {
        let finding = Attention::default().run(&Study::default()).unwrap();
        assert!(
            finding.answer.contains("no attention"),
            "{}",
            finding.answer
        );
    }
}
