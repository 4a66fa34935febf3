//! Decoded frames along each axis of the latent space: what does each direction mean?

use super::canvas::{Align, Canvas, Picture, Rect};
use super::filmstrip::bytes_as_base64;
use super::font::text_width;
use super::numbers::significant;
use super::style::{DOUBLE, GRID, INK, SMALL, Stroke, TEXT};
use super::{Draw, Look};
use crate::error::{Error, Result};
use crate::latents::Decoder;
use lgssm::switching::Modes;
use nn::plain::{Half, Layer, Pixels};
use serde::{Deserialize, Serialize};

/// A row of frames an axis, the others resting at the centre; and what an interactive page needs to decode any other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Traversal {
    /// Channels of a frame, 1 or 3.
    pub channels: usize,
    /// Frame height, pixels.
    pub height: usize,
    /// Frame width, pixels.
    pub width: usize,
    /// Rows of the drawn figure.
    pub rows: Vec<TraversalRow>,
    /// For pages that can compute.
    pub explorer: Explorer,
}

/// One row: frames at values of one axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TraversalRow {
    /// The axis.
    pub axis: Axis,
    /// Where on the axis each frame lies.
    pub values: Vec<f64>,
    /// Frames later that are shown: one frame shows no velocity.
    pub ahead: usize,
    /// (len(values), C, H, W), base64 in JSON.
    #[serde(with = "bytes_as_base64")]
    pub frames: Vec<u8>,
}

/// A direction of the latent space with the range that the data fill.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    /// `x`, `vx`, `latent 1`.
    pub name: String,
    /// Unit, empty for raw latents.
    pub unit: String,
    /// 1 % quantile over held-out frames.
    pub low: f64,
    /// 99 % quantile.
    pub high: f64,
}

/// A latent space that can be walked through: n latents z, D identified axes s = M z + c.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explorer {
    /// Where the walk begins, z (n).
    pub centre: Vec<f64>,
    /// The raw latents.
    pub latents: Vec<Axis>,
    /// The identified axes.
    pub identified: Vec<Axis>,
    /// M (D, n), row-major.
    pub read: Vec<f64>,
    /// c (D).
    pub read_offset: Vec<f64>,
    /// P (n, D) with M P = I, row-major: z moves by P e_j when axis j does by 1.
    pub write: Vec<f64>,
    /// A (n, n) and b (n) of the next frame's z = A z + b.
    pub law: Option<(Vec<f64>, Vec<f64>)>,
    /// Modes that the state chooses between, in place of that law's transition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modes: Option<Modes>,
    /// That law with its covariances and initial state, where a page can filter with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<lgssm::Lgssm>,
    /// Time between frames, s.
    pub dt: f64,
    /// From z to a frame.
    pub decoder: Decoder,
}

impl Explorer {
    /// The latent state some frames later; the same where there is no law.
    pub fn later(&self, latent: &[f64], frames: usize) -> Vec<f64> {
        let mut z = latent.to_vec();
        if let Some((a, b)) = &self.law {
            for _ in 0..frames {
                let rows = a.chunks_exact(z.len().max(1)).zip(b);
                let next =
                    rows.map(|(row, b)| b + row.iter().zip(&z).map(|(a, z)| a * z).sum::<f64>());
                z = next.collect();
            }
        }
        z
    }

    /// The centre, moved to a value of identified axis j.
    pub fn at(&self, j: usize, value: f64) -> Vec<f64> {
        let (n, d) = (self.centre.len(), self.identified.len());
        let row = &self.read[j * n..(j + 1) * n];
        let now = self.read_offset[j]
            + row
                .iter()
                .zip(&self.centre)
                .map(|(m, z)| m * z)
                .sum::<f64>();
        let moved = |(i, z): (usize, &f64)| z + self.write[i * d + j] * (value - now);
        self.centre.iter().enumerate().map(moved).collect()
    }
}

const GAP: f64 = 3.0;
const MARGIN: f64 = 8.0;

impl Draw for Traversal {
    fn draw(&self) -> Result<Canvas> {
        let size = self.channels * self.height * self.width;
        for row in &self.rows {
            if size == 0 || row.frames.len() != size * row.values.len() {
                let (want, got) = (size * row.values.len(), row.frames.len());
                let name = &row.axis.name;
                return Err(Error::Shape(format!(
                    "traversal of {name}: want {want} bytes, got {got}"
                )));
            }
        }
        let columns = self
            .rows
            .iter()
            .map(|row| row.values.len())
            .max()
            .unwrap_or(0);
        if columns == 0 {
            return Ok(Canvas::no_data());
        }
        let labels = self.rows.iter().flat_map(|row| {
            let (first, second) = label(row);
            [
                text_width(&first, TEXT, true),
                text_width(&second, SMALL, false),
            ]
        });
        let left = (MARGIN + labels.fold(0.0, f64::max) + 10.0).ceil();
        let room = (DOUBLE - left - MARGIN) / columns as f64 - GAP;
        // Wide enough for the number under it, as large as fits.
        let zoom = ((2.0 * room / self.width as f64).floor() / 2.0).max(0.5);
        let (w, h) = (zoom * self.width as f64, zoom * self.height as f64);
        let (step_x, step_y) = ((w + GAP).ceil(), (h + 20.0).ceil());
        let width = left + columns as f64 * step_x + MARGIN;
        let mut canvas = Canvas::new(width, MARGIN + self.rows.len() as f64 * step_y);
        for (i, row) in self.rows.iter().enumerate() {
            let y = MARGIN + i as f64 * step_y;
            let (first, second) = label(row);
            let middle = y + 0.5 * h;
            canvas.styled_text((left - 10.0, middle), &first, Align::Right, TEXT, true, INK);
            let (under, grey) = ((left - 10.0, middle + 14.0), Look::Baseline.colour());
            canvas.styled_text(under, &second, Align::Right, SMALL, false, grey);
            for (k, value) in row.values.iter().enumerate() {
                let over = Rect::new(left + k as f64 * step_x, y, w, h);
                canvas.image(over, self.picture(&row.frames[k * size..(k + 1) * size]));
                canvas.border(over, Stroke::solid(GRID, 0.6));
                let (x, _) = over.centre();
                canvas.text((x, y + h + 12.0), &significant(*value, 2), Align::Centre);
            }
        }
        Ok(canvas)
    }

    fn example() -> Self {
        // Two codes that move a soft spot over 8 x 8 pixels; the law is free flight.
        let side = 8;
        let spot = |axis: usize| {
            move |at: usize| {
                let place = if axis == 0 { at % side } else { at / side };
                place as f64 - 3.5
            }
        };
        let pixels = side * side;
        let weight = (0..2).flat_map(|axis| (0..pixels).map(spot(axis)));
        let bias = (0..pixels).map(|at| -0.5 * (spot(0)(at).powi(2) + spot(1)(at).powi(2)));
        let layer = Layer::Linear {
            inputs: 2,
            outputs: pixels,
            relu: false,
            weight: Half::new(weight),
            bias: Half::new(bias),
        };
        let mut decoder = Decoder::new(2, vec![layer], Pixels::Sigmoid);
        decoder.emission = Some((vec![1., 0., 0., 0., 0., 1., 0., 0.], vec![0.0; 2]));
        let axis = |name: &str, unit: &str, high: f64| Axis {
            name: name.into(),
            unit: unit.into(),
            low: -high,
            high,
        };
        let identity: Vec<f64> = (0..16).map(|i| f64::from(u8::from(i % 5 == 0))).collect();
        let mut law = identity.clone();
        (law[2], law[7]) = (0.2, 0.2);
        let explorer = Explorer {
            modes: None,
            centre: vec![0.0; 4],
            latents: (1..=4)
                .map(|i| axis(&format!("latent {i}"), "", 3.0))
                .collect(),
            identified: vec![
                axis("x", "px", 3.0),
                axis("y", "px", 3.0),
                axis("vx", "px/s", 4.0),
                axis("vy", "px/s", 4.0),
            ],
            read: identity.clone(),
            read_offset: vec![0.0; 4],
            write: identity.clone(),
            filter: Some(lgssm::Lgssm {
                latent: 4,
                code: 2,
                transition_matrix: law.clone(),
                transition_offset: vec![0.0; 4],
                transition_cov: identity.iter().map(|v| 0.01 * v).collect(),
                emission_matrix: vec![1., 0., 0., 0., 0., 1., 0., 0.],
                emission_offset: vec![0.0; 2],
                emission_cov: vec![0.01, 0.0, 0.0, 0.01],
                initial_mean: vec![0.0; 4],
                initial_cov: identity.clone(),
            }),
            law: Some((law, vec![0.0; 4])),
            dt: 0.2,
            decoder,
        };
        let rows = [(0, 0), (1, 0), (2, 3), (3, 3)];
        Self::new([1, side, side], &rows, explorer)
    }
}

/// Frames a row.
const COLUMNS: usize = 9;

impl Traversal {
    /// Decodes rows of (identified axis, frames ahead); raw latents where none is identified.
    pub fn new(shape: [usize; 3], rows: &[(usize, usize)], explorer: Explorer) -> Self {
        let values = |axis: &Axis| -> Vec<f64> {
            let share = |k: usize| k as f64 / (COLUMNS - 1) as f64;
            (0..COLUMNS)
                .map(|k| axis.low + share(k) * (axis.high - axis.low))
                .collect()
        };
        let frame = |z: &[f64]| -> Vec<u8> {
            let pixels = explorer.decoder.decode(z).into_iter();
            pixels.map(|p| (255.0 * p).round() as u8).collect()
        };
        let row = |axis: &Axis, ahead: usize, state: &dyn Fn(f64) -> Vec<f64>| {
            let values = values(axis);
            let frames = values
                .iter()
                .map(|&v| frame(&explorer.later(&state(v), ahead)));
            TraversalRow {
                axis: axis.clone(),
                ahead,
                frames: frames.flatten().collect(),
                values,
            }
        };
        let rows = match rows {
            [] => (explorer.latents.iter().enumerate())
                .map(|(i, axis)| {
                    row(axis, 0, &|value| {
                        let mut z = explorer.centre.clone();
                        z[i] = value;
                        z
                    })
                })
                .collect(),
            rows => (rows.iter())
                .map(|&(j, ahead)| {
                    row(&explorer.identified[j], ahead, &|value| {
                        explorer.at(j, value)
                    })
                })
                .collect(),
        };
        let [channels, height, width] = shape;
        Self {
            channels,
            height,
            width,
            rows,
            explorer,
        }
    }

    fn picture(&self, frame: &[u8]) -> Picture {
        let area = self.height * self.width;
        let pixel = |p: usize| match self.channels {
            3 => [frame[p], frame[area + p], frame[2 * area + p], 255],
            _ => [frame[p], frame[p], frame[p], 255],
        };
        Picture {
            width: self.width,
            height: self.height,
            rgba: (0..area).flat_map(pixel).collect(),
        }
    }
}

/// "vx (px/s)" and "3 frames later".
fn label(row: &TraversalRow) -> (String, String) {
    let Axis { name, unit, .. } = &row.axis;
    let first = match unit.as_str() {
        "" => name.clone(),
        unit => format!("{name} ({unit})"),
    };
    let second = match row.ahead {
        0 => String::new(),
        1 => "1 frame later".to_string(),
        n => format!("{n} frames later"),
    };
    (first, second)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Brightness-weighted mean column and row of a frame.
    fn centroid(frame: &[u8]) -> (f64, f64) {
        let total: f64 = frame.iter().map(|&v| f64::from(v)).sum();
        let mean = |of: &dyn Fn(usize) -> usize| {
            let weighted = frame
                .iter()
                .enumerate()
                .map(|(i, &v)| f64::from(v) * of(i) as f64);
            weighted.sum::<f64>() / total
        };
        (mean(&|i| i % 8), mean(&|i| i / 8))
    }

    #[test]
    fn a_position_moves_the_spot_along_its_axis_only_and_a_velocity_after_some_frames() {
        let figure = Traversal::example();
        for (row, axis) in [(0, 0), (1, 1), (2, 0), (3, 1)] {
            let row = &figure.rows[row];
            let places: Vec<[f64; 2]> = row.frames.chunks(64).map(|f| centroid(f).into()).collect();
            assert!(
                places.windows(2).all(|w| w[1][axis] > w[0][axis]),
                "{}: {places:?}",
                row.axis.name
            );
            assert!(
                places.iter().all(|p| (p[1 - axis] - 3.5).abs() < 0.05),
                "{places:?}"
            );
        }
        // In its own frame a velocity cannot be seen.
        let z = figure.explorer.at(2, 4.0);
        assert_eq!(
            figure.explorer.decoder.decode(&z),
            figure.explorer.decoder.decode(&[0.0; 4])
        );
    }

    #[test]
    fn frames_that_do_not_fit_are_refused_with_their_axis() {
        let mut figure = Traversal::example();
        figure.rows[1].frames.pop();
        let error = figure.draw().unwrap_err().to_string();
        assert!(
            error.contains("traversal of y: want 576 bytes, got 575"),
            "{error}"
        );
    }
}
