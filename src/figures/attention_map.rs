//! Which frames are read to expect each frame: one square picture for every layer, darker where more is read.

use super::Draw;
use super::canvas::{Align, Canvas, Picture, Rect};
use super::filmstrip::bytes_as_base64;
use super::style::{DOUBLE, GRID, INK, Look, SMALL, Stroke, TEXT};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// Shares of attention in every layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttentionMap {
    /// Frames, T.
    pub frames: usize,
    /// The layers, from the input on.
    pub layers: Vec<MapLayer>,
    /// Frames at which something happens, drawn as thin lines on both axes: where a curtain closes, and opens.
    pub marks: Vec<usize>,
}

/// One layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MapLayer {
    /// "layer 1".
    pub label: String,
    /// (T, T): 255 times the square root of the share that the frame of the row reads of the frame of the column; base64 in
    /// JSON.
    #[serde(with = "bytes_as_base64")]
    pub shares: Vec<u8>,
}

const MARGIN: f64 = 10.0;
const LEFT: f64 = 44.0;
const GAP: f64 = 14.0;
const HEAD: f64 = 24.0;
const FOOT: f64 = 40.0;

impl Draw for AttentionMap {
    fn draw(&self) -> Result<Canvas> {
        let t = self.frames;
        if let Some(layer) = self.layers.iter().find(|own| own.shares.len() != t * t) {
            return Err(Error::Shape(format!(
                "attention map: \"{}\" wants {t} x {t} values, got {}",
                layer.label,
                layer.shares.len()
            )));
        }
        if t == 0 || self.layers.is_empty() {
            return Ok(Canvas::no_data());
        }
        let across = self.layers.len().clamp(2, 4);
        let rows = self.layers.len().div_ceil(across);
        let side = (DOUBLE - LEFT - MARGIN - (across - 1) as f64 * GAP) / across as f64;
        let mut canvas = Canvas::new(DOUBLE, rows as f64 * (HEAD + side + FOOT));
        let red = Look::Prediction.colour();
        for (k, layer) in self.layers.iter().enumerate() {
            let x = LEFT + (k % across) as f64 * (side + GAP);
            let y = (k / across) as f64 * (HEAD + side + FOOT) + HEAD;
            let over = Rect::new(x, y, side, side);
            let rgba = layer.shares.iter().flat_map(|v| {
                let light = 255 - v;
                [light, light, light, 255]
            });
            canvas.image(
                over,
                Picture {
                    width: t,
                    height: t,
                    rgba: rgba.collect(),
                },
            );
            canvas.border(over, Stroke::solid(GRID, 0.6));
            for &mark in self.marks.iter().filter(|&&mark| mark < t) {
                let at = side * mark as f64 / t as f64;
                let thin = Stroke::solid(red, 0.6);
                canvas.line(&[(x + at, y), (x + at, y + side)], thin);
                canvas.line(&[(x, y + at), (x + side, y + at)], thin);
            }
            let middle = x + 0.5 * side;
            canvas.styled_text(
                (middle, y - 8.0),
                &layer.label,
                Align::Centre,
                TEXT,
                false,
                INK,
            );
            canvas.styled_text(
                (middle, y + side + 27.0),
                "frame that is read",
                Align::Centre,
                SMALL,
                false,
                INK,
            );
            for (share, align) in [(0.0, Align::Left), (1.0, Align::Right)] {
                let frame = (share * (t - 1) as f64).round();
                canvas.text(
                    (x + share * side, y + side + 13.0),
                    &frame.to_string(),
                    align,
                );
                if k % across == 0 {
                    let at = (x - 5.0, y + 8.0 + share * (side - 8.0));
                    canvas.text(at, &frame.to_string(), Align::Right);
                }
            }
            if k % across == 0 {
                canvas.upright_text((x - 26.0, y + 0.5 * side), "frame that is expected");
            }
        }
        Ok(canvas)
    }

    fn example() -> Self {
        // Layer 1 reads the last frames, layer 2 a cue within the first twenty.
        const T: usize = 64;
        let layer = |label: &str, cue: bool| {
            let share = |t: usize, s: usize| {
                let near = (-((t as f64 - s as f64) / 4.0).powi(2)).exp();
                let early = if cue && s < 20 { 0.6 } else { 0.0 };
                if s < t {
                    0.3 * near + early / 20.0
                } else {
                    0.0
                }
            };
            let all = (0..T * T).map(|i| (255.0 * share(i / T, i % T).sqrt()) as u8);
            MapLayer {
                label: label.into(),
                shares: all.collect(),
            }
        };
        Self {
            frames: T,
            layers: vec![layer("layer 1", false), layer("layer 2", true)],
            marks: vec![20, 45],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_of_another_size_is_an_error_that_names_it() {
        let mut figure = AttentionMap::example();
        figure.layers[1].shares.pop();
        let error = figure.draw().unwrap_err().to_string();
        assert!(error.contains("\"layer 2\" wants 64 x 64"), "{error}");
    }
}
