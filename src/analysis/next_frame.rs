//! How well is the next frame predicted from all before it? The measure of the literature on bouncing balls: squared error
//! summed over the pixels of a frame, beside what needs no learning.

use super::curves::series;
use super::{Analysis, Finding, Study, Table};
use crate::analysis::SplitStudy;
use crate::array::Array;
use crate::error::{Error, Result};
use crate::figures::{Curves, Figure, FilmRow, Filmstrip, Look, Panel};
use crate::measure::arrays::build;
use crate::measure::bootstrap::{Bootstrap, Estimate, RESAMPLES};
use crate::measure::regression::{Features, Readout};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Squared error of the next frame, given all frames before it, averaged over draws of the model's prediction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NextFrame {
    /// First frame whose prediction counts: 2 by default, where two frames tell how things move.
    #[schemars(range(min = 1))]
    pub from: usize,
    /// Training clips that the linear map from the two last frames is fitted on; 0 for none.
    pub ridge_clips: usize,
    /// Numbers of others on the same data, by their names: shown in the table, as they are given here.
    pub published: IndexMap<String, f64>,
}

impl Default for NextFrame {
    fn default() -> Self {
        Self {
            from: 2,
            ridge_clips: 60,
            published: IndexMap::new(),
        }
    }
}

const QUESTION: &str = "How well is the next frame predicted?";
/// Pixels of a frame beyond which the linear map is not fitted: its Gram matrix has (2 x so many)^2 entries.
const MOST_PIXELS: usize = 1600;
/// Clips whose predictions are shown.
const SHOWN: usize = 2;
/// Frames of a strip: more are too small to see.
const STRIP: usize = 20;

/// Errors of one predictor, (N, T), and how it is drawn.
struct Row {
    name: &'static str,
    look: Look,
    errors: Array,
}

impl Analysis for NextFrame {
    fn name(&self) -> &'static str {
        "next_frame"
    }

    fn check(&self) -> Result<()> {
        let wrong = |what: String| Err(Error::Experiment(format!("next_frame.{what}")));
        if self.from == 0 {
            return wrong("from: at least 1 expected, got 0".into());
        }
        match self
            .published
            .iter()
            .find(|(_, v)| !v.is_finite() || **v < 0.0)
        {
            Some((name, value)) => wrong(format!(
                "published.{name}: a number of at least 0 expected, got {value}"
            )),
            None => Ok(()),
        }
    }

    fn run(&self, study: &Study) -> Result<Finding> {
        study.check()?;
        self.check()?;
        let no = |reason: &str| Ok(Finding::not_applicable(self.name(), QUESTION, reason));
        if !study.observed_columns.is_empty() {
            return Ok(Finding::without_pictures(self.name(), QUESTION));
        }
        let Some(own) = study.test.latents.get("next_frame_errors") else {
            return no(
                "no next frame was predicted: encode.next_frame_draws is 0, or the model believes nothing in time",
            );
        };
        let &[n, frames] = own.shape() else {
            let got = own.shape();
            return Err(Error::Shape(format!(
                "next_frame_errors: (N, T) expected, got {got:?}"
            )));
        };
        if self.from.max(2) >= frames || study.test.frames.is_empty() {
            return no(&format!("{frames} frames are too few, or none are there"));
        }
        let mut rows = vec![Row {
            name: "model",
            look: Look::Prediction,
            errors: own.clone(),
        }];
        rows.extend(self.trivial(study)?);

        let mut finding = Finding::new(self.name(), QUESTION);
        let boot = Bootstrap::new(n, RESAMPLES, &study.seeds());
        let mut panel = Panel {
            x_label: "frame".into(),
            y_label: "squared error of the frame".into(),
            series: Vec::new(),
            y_range: None,
        };
        for row in &rows {
            let counted = |t: usize| t >= self.from;
            let all = boot.estimate(|drawn| self.mean(study, &row.errors, drawn, counted));
            finding.metric(format!("next_frame_error/{}", row.name), all, "1");
            let at = |frame: usize| {
                boot.estimate(|drawn| self.mean(study, &row.errors, drawn, |t| t == frame))
            };
            let points: Vec<(f64, Estimate)> =
                (self.from..frames).map(|t| (t as f64, at(t))).collect();
            panel.series.push(series(row.name, row.look, &points));
        }
        self.tell(&mut finding, &rows, [n, frames]);
        let caption = format!(
            "How well is the next frame predicted? Squared error summed over the pixels (0..1) of a frame, predicted from all \
             frames before it; mean over {n} held-out sequences with 95 % bootstrap intervals over sequences."
        );
        let panels = vec![panel];
        finding.figure("next_frame", caption, Figure::Curves(Curves { panels }));
        self.films(study, &mut finding)?;
        Ok(finding)
    }
}

impl NextFrame {
    /// Mean over the counted frames that are there, of the drawn sequences.
    fn mean(
        &self,
        study: &Study,
        errors: &Array,
        drawn: &[u32],
        counted: impl Fn(usize) -> bool,
    ) -> f64 {
        let (mut sum, mut count) = (0.0, 0.0);
        for &i in drawn {
            for (t, error) in errors.row(i as usize).iter().enumerate() {
                if counted(t) && study.test.sees(i as usize, t) {
                    sum += error;
                    count += 1.0;
                }
            }
        }
        sum / count
    }

    /// What needs no learning, and a linear map from two frames.
    fn trivial(&self, study: &Study) -> Result<Vec<Row>> {
        let size: usize = study.frame_shape.iter().product();
        let mut rows = vec![
            Row {
                name: "copy the last frame",
                look: Look::Baseline,
                errors: errors(&study.test, size, |past, out| {
                    out.copy_from_slice(&past[past.len() - size..]);
                }),
            },
            Row {
                name: "pixels go on straight",
                look: Look::Control,
                errors: errors(&study.test, size, |past, out| {
                    let (before, last) = past.split_at(past.len() - size);
                    let before = match before.len() {
                        0 => last,
                        n => &before[n - size..],
                    };
                    for ((to, a), b) in out.iter_mut().zip(before).zip(last) {
                        *to = (2.0 * b - a).clamp(0.0, 1.0);
                    }
                }),
            },
        ];
        let whole = |split: &SplitStudy| split.seen.iter().all(|&seen| seen);
        let fits = self.ridge_clips > 0 && size <= MOST_PIXELS && !study.train.frames.is_empty();
        if fits
            && [&study.train, &study.validation, &study.test]
                .into_iter()
                .all(whole)
        {
            let train = TwoFrames::of(&study.train, self.ridge_clips, size);
            let validation = TwoFrames::of(&study.validation, self.ridge_clips.div_ceil(4), size);
            let (known, held_out) = (train.next(), validation.next());
            let map = Readout::fit((&train, &known), (&validation, &held_out))?;
            let test = TwoFrames::of(&study.test, usize::MAX, size);
            let predicted = map.decode(&test)?;
            let shape = [test.clips, test.frames, 1];
            let by_frame = build(shape, |i, t, row| {
                row[0] = 0.0;
                if t >= 2 {
                    let guess = &predicted.row(i)[(t - 2) * size..(t - 1) * size];
                    let truth = study.test.frames.clip(i)[t * size..(t + 1) * size].iter();
                    let pairs = guess.iter().zip(truth);
                    row[0] = pairs
                        .map(|(g, x)| (g.clamp(0.0, 1.0) - grey(*x)).powi(2))
                        .sum();
                }
            });
            rows.push(Row {
                name: "linear map of two frames",
                look: Look::Variant(0),
                errors: Array::new([test.clips, test.frames], by_frame.data().to_vec())?,
            });
        }
        Ok(rows)
    }

    /// Answer, formulas and table.
    fn tell(&self, finding: &mut Finding, rows: &[Row], [n, frames]: [usize; 2]) {
        let metric = |name: &str| {
            let name = format!("next_frame_error/{name}");
            finding.metrics.iter().find(|m| m.name == name).cloned()
        };
        let mut table: Vec<(String, f64, String)> = Vec::new();
        for row in rows {
            let Some(found) = metric(row.name) else {
                continue;
            };
            let interval = match found.interval {
                Some((low, high)) => format!("{low:.3} to {high:.3}"),
                None => "–".into(),
            };
            table.push((row.name.to_string(), found.value, interval));
        }
        let given = self.published.iter();
        table.extend(given.map(|(name, &v)| (format!("{name} (given)"), v, "–".into())));
        table.sort_by(|a, b| a.1.total_cmp(&b.1));
        let value = |name: &str| metric(name).map_or(f64::NAN, |m| m.value);
        finding.answer = format!(
            "The squared error of the next frame is {:.3} (copying the last frame {:.2}, pixels that go on straight {:.2}).",
            value("model"),
            value("copy the last frame"),
            value("pixels go on straight"),
        );
        finding.tables.push(Table {
            caption: format!(
                "Squared error of the next frame, frames {} to {} of {n} held-out sequences; rows \"given\" are numbers that the \
                 experiment file tells, which are not measured here",
                self.from,
                frames - 1
            ),
            columns: ["predictor", "squared error", "95 % interval"].map(String::from).to_vec(),
            rows: table
                .into_iter()
                .map(|(name, value, interval)| vec![name, format!("{value:.3}"), interval])
                .collect(),
        });
        for (name, formula, meaning) in [
            (
                "next_frame_error",
                "mean over frames of Σ over pixels of (x_t − x̂_t)², x in 0..1, x̂_t from x_0..x_{t−1}",
                "Published as the squared prediction error a frame.",
            ),
            ("copy the last frame", "x̂_t = x_{t−1}", "Standing still."),
            (
                "pixels go on straight",
                "x̂_t = clamp(2 x_{t−1} − x_{t−2}, 0, 1)",
                "Every pixel changes as it did.",
            ),
            (
                "linear map of two frames",
                "x̂_t = clamp(M (x_{t−2}, x_{t−1}) + c, 0, 1), ridge regression on training frames",
                "The best that no hidden layer can do.",
            ),
        ] {
            finding.define(name, formula, meaning);
        }
    }

    /// True and predicted frames of the first held-out sequences.
    fn films(&self, study: &Study, finding: &mut Finding) -> Result<()> {
        let Some(film) = study.test.latents.get("film_next") else {
            return Ok(());
        };
        let [channels, height, width] = study.frame_shape;
        let size = channels * height * width;
        let total = study.test.states.shape()[1];
        let (first, last) = (self.from, total.min(self.from + STRIP));
        if film.data().len() != film.shape()[0] * total * size {
            let got = film.shape();
            return Err(Error::Shape(format!(
                "film_next: (M, {total}, {size}) expected, got {got:?}"
            )));
        }
        for i in 0..SHOWN.min(film.shape()[0]) {
            let cut = first * size..last * size;
            let truth = study.test.frames.clip(i)[cut.clone()].iter();
            let truth: Vec<f64> = truth.map(|&v| f64::from(v)).collect();
            let guess = film.row(i)[cut].to_vec();
            let wrong = truth
                .iter()
                .zip(&guess)
                .map(|(a, b)| (a - b).abs())
                .collect();
            let row = |label: &str, values: Vec<f64>| FilmRow {
                label: label.into(),
                frames: values
                    .into_iter()
                    .map(|v| v.round().clamp(0.0, 255.0) as u8)
                    .collect(),
            };
            let figure = Filmstrip {
                channels,
                height,
                width,
                rows: vec![
                    row("true", truth),
                    row("predicted", guess),
                    row("off by", wrong),
                ],
                prediction_start: None,
                dt: study.dt,
            };
            let name = match i {
                0 => "next_frames".to_string(),
                _ => format!("next_frames_{}", i + 1),
            };
            let caption = format!(
                "What does the prediction of each next frame look like? Held-out sequence {}, frames {first} to {}, each \
                 predicted from all true frames before it; below, how far each pixel is off.",
                i + 1,
                last - 1
            );
            finding.figure(&name, caption, Figure::Filmstrip(figure));
        }
        Ok(())
    }
}

/// A pixel in 0..1.
fn grey(value: u8) -> f64 {
    f64::from(value) / 255.0
}

/// Squared errors (N, T) of what `predict` writes from the frames before, (t * size), for every frame after the first.
fn errors(split: &SplitStudy, size: usize, predict: impl Fn(&[f64], &mut [f64])) -> Array {
    let [n, frames] = [split.states.shape()[0], split.states.shape()[1]];
    let mut out = Array::zeros([n, frames]);
    let mut guess = vec![0.0; size];
    for i in 0..n {
        let clip: Vec<f64> = split.frames.clip(i).iter().map(|&v| grey(v)).collect();
        for t in 1..frames {
            predict(&clip[..t * size], &mut guess);
            let truth = &clip[t * size..(t + 1) * size];
            let pairs = guess.iter().zip(truth);
            out.data_mut()[i * frames + t] = pairs.map(|(g, x)| (g - x).powi(2)).sum();
        }
    }
    out
}

/// Pixels of two frames after each other, (N, T - 2, 2 size), as features of the frame after them.
struct TwoFrames<'a> {
    split: &'a SplitStudy,
    clips: usize,
    frames: usize,
    size: usize,
}

impl<'a> TwoFrames<'a> {
    fn of(split: &'a SplitStudy, most: usize, size: usize) -> Self {
        let [clips, frames] = [split.states.shape()[0].min(most), split.states.shape()[1]];
        Self {
            split,
            clips,
            frames,
            size,
        }
    }

    /// The frames that follow, (N, T - 2, size).
    fn next(&self) -> Array {
        build([self.clips, self.frames - 2, self.size], |i, t, row| {
            let pixels = &self.split.frames.clip(i)[(t + 2) * self.size..];
            row.iter_mut()
                .zip(pixels)
                .for_each(|(to, &v)| *to = grey(v));
        })
    }
}

impl Features for TwoFrames<'_> {
    fn shape(&self) -> [usize; 3] {
        [self.clips, self.frames - 2, 2 * self.size]
    }

    fn fill(&self, sequence: usize, out: &mut [f64]) {
        let clip = self.split.frames.clip(sequence);
        for (t, row) in out.chunks_exact_mut(2 * self.size).enumerate() {
            let pixels = &clip[t * self.size..];
            row.iter_mut()
                .zip(pixels)
                .for_each(|(to, &v)| *to = grey(v));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::testing::study;
    use crate::latents::Beliefs;

    fn predicted(n: usize) -> Study {
        let mut study = study(n, true);
        let frames = study.test.states.shape()[1];
        let errors = (0..n * frames).map(|k| if k % frames < 2 { 50.0 } else { 0.25 });
        let errors = Array::new([n, frames], errors.collect()).unwrap();
        let latents = &mut study.test.latents;
        latents
            .insert("next_frame_errors", &Beliefs::FRAMES, errors)
            .unwrap();
        study
    }

    #[test]
    fn the_first_frames_do_not_count_and_copying_is_off_by_what_changed() {
        let study = predicted(6);
        let trivial = NextFrame {
            ridge_clips: 0,
            ..NextFrame::default()
        };
        let finding = trivial.run(&study).unwrap();
        let value = |name: &str| finding.value(&format!("next_frame_error/{name}")).unwrap();
        assert_eq!(value("model"), 0.25);
        let size: usize = study.frame_shape.iter().product();
        let (mut sum, mut count) = (0.0, 0.0);
        for i in 0..6 {
            let frames: Vec<&[u8]> = study.test.frames.clip(i).chunks_exact(size).collect();
            for pair in frames.windows(2).skip(1) {
                let both = pair[0].iter().zip(pair[1]);
                sum += both
                    .map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2))
                    .sum::<f64>();
                count += 255.0 * 255.0;
            }
        }
        assert!((value("copy the last frame") - sum / count).abs() < 1e-9);
        let table = &finding.tables[0];
        assert_eq!(
            table.rows[0][0], "model",
            "the least error stands first: {table:?}"
        );
    }

    #[test]
    fn what_follows_linearly_from_two_frames_is_left_to_a_linear_map() {
        // Every pixel is a sine of its own, and so x_t = 2 cos(w) x_{t-1} - x_{t-2} about its mean, for one w.
        let mut study = predicted(8);
        let size: usize = 16;
        study.frame_shape = [1, 4, 4];
        let frames = study.test.states.shape()[1];
        let filled = |clips: usize, first: usize| {
            let of = |k: usize| {
                let (i, t, p) = (k / (frames * size), k / size % frames, k % size);
                let phase = ((first + i) * 7 + p * 3) as f64;
                (127.5 + 100.0 * (0.7 * t as f64 + phase).sin()).round() as u8
            };
            super::super::Footage::held((0..clips * frames * size).map(of).collect(), clips)
        };
        let sizes = study.splits().map(|(_, split)| split.states.shape()[0]);
        study.train.frames = filled(sizes[0], 0);
        study.validation.frames = filled(sizes[1], 100);
        study.test.frames = filled(sizes[2], 200);
        let finding = NextFrame::default().run(&study).unwrap();
        let value = |name: &str| finding.value(&format!("next_frame_error/{name}")).unwrap();
        // Rounding to a 255th alone is 16 / 12 / 255^2 a frame, and the map sums that of two frames.
        let linear = value("linear map of two frames");
        assert!(linear < 40.0 * 16.0 / 12.0 / 255.0_f64.powi(2), "{linear}");
        assert!(value("copy the last frame") > 100.0 * linear);
    }

    #[test]
    fn numbers_of_others_stand_in_the_table_and_are_marked_as_given() {
        let published = IndexMap::from([("RTRBM".to_string(), 3.88)]);
        let with = NextFrame {
            published,
            ridge_clips: 0,
            ..NextFrame::default()
        };
        let finding = with.run(&predicted(3)).unwrap();
        let rows = &finding.tables[0].rows;
        assert!(
            rows.iter()
                .any(|row| row[0] == "RTRBM (given)" && row[1] == "3.880"),
            "{rows:?}"
        );
        assert!(
            finding
                .metrics
                .iter()
                .all(|metric| !metric.name.contains("RTRBM"))
        );
        let wrong = NextFrame {
            published: IndexMap::from([("x".to_string(), f64::NAN)]),
            ..NextFrame::default()
        };
        assert!(
            wrong
                .check()
                .unwrap_err()
                .to_string()
                .contains("next_frame.published.x")
        );
    }
}
