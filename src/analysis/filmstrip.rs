//! What do reconstructions and predictions look like, frame by frame?

use super::{Analysis, Finding, Footage, Study};
use crate::array::Array;
use crate::error::{Error, Result};
use crate::figures::{Figure, FilmRow, Filmstrip as FilmstripFigure};
use crate::measure::bootstrap::Estimate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// True, reconstructed and predicted frames of the first held-out sequences.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Filmstrip {
    /// Sequences shown, one figure each: the first ones, so that nothing is picked.
    #[schemars(range(min = 1, max = 20))]
    pub sequences: usize,
}

impl Default for Filmstrip {
    fn default() -> Self {
        Self { sequences: 2 }
    }
}

const QUESTION: &str = "What do reconstructions and predictions look like?";

impl Analysis for Filmstrip {
    fn name(&self) -> &'static str {
        "filmstrip"
    }

    fn check(&self) -> Result<()> {
        if (1..=20).contains(&self.sequences) {
            return Ok(());
        }
        let got = self.sequences;
        Err(Error::Experiment(format!(
            "filmstrip.sequences: want 1..=20, got {got}"
        )))
    }

    fn run(&self, study: &Study) -> Result<Finding> {
        study.check()?;
        self.check()?;
        let films: Vec<(&str, &Array)> = [
            ("reconstructed", "film_reconstructed"),
            ("predicted", "film_predicted"),
        ]
        .into_iter()
        .filter_map(|(label, name)| Some((label, study.test.latents.get(name)?)))
        .collect();
        if !study.observed_columns.is_empty() {
            return Ok(Finding::without_pictures(self.name(), QUESTION));
        }
        if study.test.frames.is_empty() || films.is_empty() {
            let reason = "there are no frames, or none were decoded";
            return Ok(Finding::not_applicable(self.name(), QUESTION, reason));
        }
        let (total, size) = (
            study.test.states.shape()[1],
            study.frame_shape.iter().product::<usize>(),
        );
        for (label, film) in &films {
            if film.data().len() != film.shape()[0] * total * size {
                let got = film.shape();
                return Err(Error::Shape(format!(
                    "film of {label} frames: want (M, {total}, {size}), got {got:?}"
                )));
            }
        }
        let held = films
            .iter()
            .map(|(_, film)| film.shape()[0])
            .min()
            .unwrap_or(0);
        let mut finding = Finding::new(self.name(), QUESTION);
        let mut answers = Vec::new();
        for (label, film) in &films {
            let first = if *label == "predicted" {
                study.encode.context.min(total)
            } else {
                0
            };
            let counted = |k: usize| k % total >= first && study.test.sees(k / total, k % total);
            let rmse = grey_rmse(film, &study.test.frames, size, counted);
            finding.metric(format!("film_rmse/{label}"), Estimate::point(rmse), "1");
            answers.push(format!("{label} frames are off by {rmse:.3}"));
        }
        finding.answer = format!(
            "In grey value (0..1, root mean square over pixels of the first {held} held-out sequences) {}.",
            answers.join(", ")
        );
        finding.define(
            "film_rmse",
            "√( mean over pixels of (x − x̂)² ) / 255; predicted: frames after the context only",
            "Grey-value error of decoded frames; an empty box has about 0.16 on a disc that covers 2.8 % of the frame.",
        );
        for i in 0..self.sequences.min(held) {
            let name = if i == 0 {
                "filmstrip".into()
            } else {
                format!("filmstrip_{}", i + 1)
            };
            let missing = match (0..total).any(|t| !study.test.sees(i, t)) {
                true => " Frames that the recording lacks are hatched in the true row.",
                false => "",
            };
            let caption = format!(
                "What do reconstructions and predictions look like? Held-out sequence {}, frames {} s apart; the predicted \
                 row sees the first {} frames only, the red line stands before the first predicted one.{missing}",
                i + 1,
                study.dt,
                study.encode.context
            );
            finding.figure(
                &name,
                caption,
                Figure::Filmstrip(strip(study, &films, i, total, size)),
            );
        }
        Ok(finding)
    }
}

/// Root mean square of the grey-value error, 0..1, of the frames that are counted.
fn grey_rmse(film: &Array, frames: &Footage, size: usize, counted: impl Fn(usize) -> bool) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    let truth = (0..film.shape()[0]).flat_map(|i| frames.clip(i).chunks_exact(size));
    for (k, (decoded, truth)) in film.data().chunks_exact(size).zip(truth).enumerate() {
        if counted(k) {
            let square = |(a, b): (&f64, &u8)| ((a - f64::from(*b)) / 255.0).powi(2);
            sum += decoded.iter().zip(truth).map(square).sum::<f64>();
            count += size as f64;
        }
    }
    (sum / count).sqrt()
}

fn strip(
    study: &Study,
    films: &[(&str, &Array)],
    i: usize,
    total: usize,
    size: usize,
) -> FilmstripFigure {
    let [channels, height, width] = study.frame_shape;
    let mut truth: Vec<f64> = study.test.frames.clip(i)[..total * size]
        .iter()
        .map(|&v| f64::from(v))
        .collect();
    for (t, frame) in truth.chunks_exact_mut(size).enumerate() {
        if !study.test.sees(i, t) {
            hatch(frame, width);
        }
    }
    let row = |label: &str, values: &[f64]| FilmRow {
        label: label.into(),
        frames: bytes(values, channels, height * width),
    };
    let mut rows = vec![row("true", &truth)];
    rows.extend(films.iter().map(|(label, film)| row(label, film.row(i))));
    let predicted = films.iter().any(|(label, _)| *label == "predicted");
    FilmstripFigure {
        width,
        height,
        channels: if channels == 3 { 3 } else { 1 },
        rows,
        prediction_start: (predicted && study.encode.context < total)
            .then_some(study.encode.context),
        dt: study.dt,
    }
}

/// What is shown of a frame that is missing: grey with diagonal lines four pixels apart, as no world draws it.
fn hatch(frame: &mut [f64], width: usize) {
    for (k, value) in frame.iter_mut().enumerate() {
        *value = match (k % width + k / width) % 4 {
            0 => 176.0,
            _ => 112.0,
        };
    }
}

/// Frames (T, C, H W) as bytes: in colour where there are three channels, else the mean over channels, (T, H W).
fn bytes(values: &[f64], channels: usize, area: usize) -> Vec<u8> {
    if channels == 3 {
        let byte = |v: &f64| v.round().clamp(0.0, 255.0) as u8;
        return values.iter().map(byte).collect();
    }
    let frame = |frame: &[f64]| -> Vec<u8> {
        let mean =
            |p: usize| (0..channels).map(|c| frame[c * area + p]).sum::<f64>() / channels as f64;
        (0..area)
            .map(|p| mean(p).round().clamp(0.0, 255.0) as u8)
            .collect()
    };
    values
        .chunks_exact(channels * area)
        .flat_map(frame)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::study;
    use super::*;

    #[test]
    fn rows_hold_the_true_frames_and_prediction_starts_after_the_context() {
        let study = study(3, true);
        let finding = Filmstrip::default().run(&study).unwrap();
        assert_eq!(finding.value("film_rmse/predicted"), Some(0.0));
        assert_eq!(finding.figures.len(), 2);
        let Figure::Filmstrip(strip) = &finding.figures[1].figure else {
            panic!("{:?}", finding.figures[1].name);
        };
        assert_eq!(strip.rows[0].frames, study.test.frames.clip(1));
        assert_eq!(
            strip
                .rows
                .iter()
                .map(|r| r.label.as_str())
                .collect::<Vec<_>>(),
            ["true", "reconstructed", "predicted"]
        );
        assert_eq!(strip.prediction_start, Some(5));
    }

    #[test]
    fn three_channels_stay_in_colour_and_others_become_their_mean() {
        let values = [0., 30., 60., 60., 30., 300.];
        assert_eq!(bytes(&values, 3, 2), [0, 30, 60, 60, 30, 255]);
        assert_eq!(bytes(&values[..4], 2, 2), [30, 45]);
    }
}
