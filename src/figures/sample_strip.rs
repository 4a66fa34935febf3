//! Rows of frames in grey or colour: the true future above several samples of it.

use super::Draw;
use super::canvas::{Align, Canvas, Picture, Rect};
use super::filmstrip::bytes_as_base64;
use super::font::text_width;
use super::numbers::significant;
use super::style::{DOUBLE, GRID, INK, Look, SMALL, Stroke, TEXT};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// Rows of frames, the first ones seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleStrip {
    /// (C, H, W) of a frame; C is 1 or 3.
    pub frame_shape: [usize; 3],
    /// Rows from above: true futures, samples.
    pub rows: Vec<StripRow>,
    /// First frame that was not seen.
    pub start: usize,
    /// Numbers of the frames that are kept, from 0 at the clip's first.
    pub shown: Vec<usize>,
    /// Time between frames, s.
    pub dt: f64,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StripRow {
    /// "true", "sample 1".
    pub label: String,
    /// Whether it is drawn by the model.
    pub sampled: bool,
    /// (shown frames, C, H, W), base64 in JSON; empty frames at its start stay blank.
    #[serde(with = "bytes_as_base64")]
    pub frames: Vec<u8>,
    /// Frames left out at its start.
    pub blank: usize,
}

const GAP: f64 = 3.0;
const MARGIN: f64 = 8.0;
const HEAD: f64 = 22.0;
/// Width of a frame that is large enough, px.
const LARGEST: f64 = 64.0;

impl Draw for SampleStrip {
    fn draw(&self) -> Result<Canvas> {
        let [c, h, w] = self.frame_shape;
        let size = c * h * w;
        let count = self.shown.len();
        let broken = self.rows.iter().find(|row| {
            size == 0 || row.frames.len() + row.blank * size != count * size || ![1, 3].contains(&c)
        });
        if let Some(row) = broken {
            return Err(Error::Shape(format!(
                "sample strip: row \"{}\" wants {count} frames of {c} x {h} x {w} less {} blank ones, got {} values",
                row.label,
                row.blank,
                row.frames.len()
            )));
        }
        if count == 0 || self.rows.is_empty() {
            return Ok(Canvas::no_data());
        }
        let labels = self
            .rows
            .iter()
            .map(|row| text_width(&row.label, TEXT, false));
        let left = (MARGIN + labels.fold(0.0, f64::max) + 8.0).ceil();
        let room = (DOUBLE - left - MARGIN) / count as f64 - GAP;
        let side = room.clamp(8.0, LARGEST).max(1.0);
        let zoom = (2.0 * side / w as f64).floor().max(1.0) / 2.0;
        let (fw, fh) = (zoom * w as f64, zoom * h as f64);
        let (step_x, step_y) = ((fw + GAP).ceil(), (fh + GAP).ceil());
        let bottom = HEAD + self.rows.len() as f64 * step_y;
        let width = (left + count as f64 * step_x + MARGIN).max(200.0);
        let mut canvas = Canvas::new(width, bottom + 38.0);
        let red = Look::Prediction.colour();
        for (r, row) in self.rows.iter().enumerate() {
            let y = HEAD + r as f64 * step_y;
            let colour = if row.sampled { red } else { INK };
            let at = (left - 8.0, y + 0.5 * fh + 4.0);
            canvas.styled_text(at, &row.label, Align::Right, TEXT, false, colour);
            for (k, frame) in row.frames.chunks_exact(size).enumerate() {
                let column = (row.blank + k) as f64;
                let over = Rect::new(left + column * step_x, y, fw, fh);
                canvas.image(over, picture(frame, self.frame_shape));
                canvas.border(over, Stroke::solid(GRID, 0.6));
            }
        }
        let skip = (24.0 / step_x).ceil() as usize;
        for (column, t) in self.shown.iter().enumerate().step_by(skip) {
            let x = left + column as f64 * step_x + 0.5 * fw;
            canvas.text((x, bottom + 11.0), &t.to_string(), Align::Centre);
        }
        let axis = match self.dt.is_finite() && self.dt > 0.0 {
            true => format!("frame ({} s apart)", significant(self.dt, 2)),
            false => "frame".to_string(),
        };
        let middle = left + 0.5 * (count as f64 * step_x - GAP);
        canvas.styled_text(
            (middle, bottom + 27.0),
            &axis,
            Align::Centre,
            TEXT,
            false,
            INK,
        );
        if let Some(column) = self.shown.iter().position(|&t| t >= self.start) {
            let x = left + column as f64 * step_x - 0.5 * GAP;
            canvas.line(
                &[(x, HEAD - 5.0), (x, bottom + 1.0)],
                Stroke::solid(red, 1.4),
            );
            let note = "not seen from here on";
            let half = 0.5 * text_width(note, SMALL, false);
            let x = x.clamp(half + 2.0, (canvas.width - half - 2.0).max(half + 2.0));
            canvas.styled_text((x, HEAD - 9.0), note, Align::Centre, SMALL, false, red);
        }
        Ok(canvas)
    }

    fn example() -> Self {
        // A coloured disc in a 32 x 32 box; samples bounce at other sides.
        let fold = |s: f64| 3.0 + ((s - 3.0).rem_euclid(52.0) - 26.0).abs();
        let shown: Vec<usize> = (0..20).step_by(2).collect();
        let row = |label: &str, sampled: bool, sign: f64| {
            let from = if sampled { 5 } else { 0 };
            let frames = shown.iter().filter(|&&t| t >= from).flat_map(|&t| {
                let late = (t as f64 - 8.0).max(0.0);
                let (cx, cy) = (
                    fold(8.0 + 1.9 * t as f64),
                    fold(20.0 - 1.3 * (t as f64 - late) - 1.3 * sign * late),
                );
                (0..3 * 32 * 32).map(move |i| {
                    let (x, y) = ((i % 32) as f64 + 0.5, (i / 32 % 32) as f64 + 0.5);
                    let inside = (3.5 - (x - cx).hypot(y - cy)).clamp(0.0, 1.0);
                    let [ground, paint] =
                        [[40.0, 44.0, 60.0][i / 1024], [240.0, 170.0, 60.0][i / 1024]];
                    (ground + inside * (paint - ground)) as u8
                })
            });
            StripRow {
                label: label.to_string(),
                sampled,
                frames: frames.collect(),
                blank: shown.iter().filter(|&&t| t < from).count(),
            }
        };
        Self {
            frame_shape: [3, 32, 32],
            rows: vec![
                row("true", false, 1.0),
                row("sample 1", true, 1.0),
                row("sample 2", true, -1.0),
                row("sample 3", true, 0.2),
            ],
            start: 5,
            shown,
            dt: 0.2,
        }
    }
}

/// A frame (C, H, W) as a picture.
fn picture(frame: &[u8], [c, h, w]: [usize; 3]) -> Picture {
    let plane = h * w;
    let channel = |k: usize, i: usize| frame[(k % c) * plane + i];
    Picture {
        width: w,
        height: h,
        rgba: (0..plane)
            .flat_map(|i| [channel(0, i), channel(1 % c, i), channel(2 % c, i), 255])
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_become_red_green_and_blue_and_one_becomes_grey() {
        let frame = [10, 20, 30, 40, 50, 60];
        assert_eq!(
            picture(&frame, [3, 1, 2]).rgba,
            [10, 30, 50, 255, 20, 40, 60, 255]
        );
        assert_eq!(
            picture(&frame[..2], [1, 1, 2]).rgba,
            [10, 10, 10, 255, 20, 20, 20, 255]
        );
    }

    #[test]
    fn a_row_of_another_length_is_an_error_that_names_it() {
        let mut figure = SampleStrip::example();
        figure.rows[2].frames.pop();
        let error = figure.draw().unwrap_err().to_string();
        assert!(error.contains("sample 2"), "{error}");
    }
}
