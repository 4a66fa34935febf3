//! Rows of frames, true, reconstructed and predicted: what does the model see, and what does it expect?

use super::canvas::{Align, Canvas, Picture, Rect};
use super::numbers::{fixed, significant};
use super::style::{DOUBLE, GRID, INK, Look, SMALL, Stroke, TEXT, text_width};
use super::{Draw, pixels, render};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// Rows of frames: true, reconstructed, predicted. Also drawn as an animated GIF.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Filmstrip {
    /// Frame width, pixels.
    pub width: usize,
    /// Frame height, pixels.
    pub height: usize,
    /// Row labels with their frames, (T, H, W) grey values.
    pub rows: Vec<FilmRow>,
    /// First frame of the predicted row that was not seen: a thin red line stands before it.
    pub prediction_start: Option<usize>,
    /// Time between frames, s.
    pub dt: f64,
}

/// One row of a film strip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FilmRow {
    /// "true", "reconstructed", "predicted".
    pub label: String,
    /// (T, H, W) grey values, base64 in JSON.
    #[serde(with = "bytes_as_base64")]
    pub frames: Vec<u8>,
}

mod bytes_as_base64 {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(bytes))
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        STANDARD
            .decode(String::deserialize(from)?)
            .map_err(D::Error::custom)
    }
}

/// Frames in a row, at most, unless all of them find room at [`LEAST`] px each.
const MOST_FRAMES: usize = 10;
/// Width of a frame that still shows something, px.
const LEAST: f64 = 26.0;
const GAP: f64 = 3.0;
const MARGIN: f64 = 8.0;
const HEAD: f64 = 8.0;

impl Draw for Filmstrip {
    fn draw(&self) -> Result<Canvas> {
        let count = self.check()?;
        if count == 0 {
            return Ok(Canvas::no_data());
        }
        let labels = self
            .rows
            .iter()
            .map(|row| text_width(&row.label, TEXT, false));
        let left = MARGIN + labels.fold(0.0, f64::max) + 8.0;
        let room = DOUBLE - left - MARGIN;
        let zoom_for = |shown: usize| {
            // Whole pixels at two a px: half a px is one zoom.
            let each = room / shown as f64 - GAP;
            ((2.0 * each / self.width as f64).floor() / 2.0)
                .clamp(0.5, 64.0 / self.width.min(64) as f64)
        };
        let all_fit = zoom_for(count) * self.width as f64 >= LEAST && room / count as f64 >= LEAST;
        let stride = if all_fit {
            1
        } else {
            count.div_ceil(MOST_FRAMES)
        };
        let shown: Vec<usize> = (0..count).step_by(stride).collect();
        let zoom = zoom_for(shown.len());
        let (w, h) = (zoom * self.width as f64, zoom * self.height as f64);
        let (step_x, step_y) = ((w + GAP).ceil(), (h + GAP).ceil());

        let head = if self.start(count).is_some() {
            HEAD + 14.0
        } else {
            HEAD
        };
        let left = left.ceil();
        let bottom = head + self.rows.len() as f64 * step_y;
        let width = (left + shown.len() as f64 * step_x + MARGIN).max(200.0);
        let mut canvas = Canvas::new(width, bottom + 38.0);
        for (row, film) in self.rows.iter().enumerate() {
            let y = head + row as f64 * step_y;
            let label = (left - 8.0, y + 0.5 * h + 4.0);
            canvas.styled_text(label, &film.label, Align::Right, TEXT, false, INK);
            for (column, t) in shown.iter().enumerate() {
                let over = Rect::new(left + column as f64 * step_x, y, w, h);
                if let Some(frame) = self.frame(film, *t) {
                    canvas.image(over, frame);
                    canvas.border(over, Stroke::solid(GRID, 0.6));
                }
            }
        }
        let skip = (24.0 / step_x).ceil() as usize;
        for (column, t) in shown.iter().enumerate().step_by(skip) {
            let x = left + column as f64 * step_x + 0.5 * w;
            canvas.text((x, bottom + 11.0), &t.to_string(), Align::Centre);
        }
        let axis = match self.dt.is_finite() && self.dt > 0.0 {
            true => format!("frame ({} s apart)", significant(self.dt, 2)),
            false => "frame".to_string(),
        };
        let middle = left + 0.5 * (shown.len() as f64 * step_x - GAP);
        canvas.styled_text(
            (middle, bottom + 27.0),
            &axis,
            Align::Centre,
            TEXT,
            false,
            INK,
        );
        self.draw_start(&mut canvas, &shown, count, (left, step_x), (head, bottom));
        Ok(canvas)
    }

    fn animate(&self) -> Result<Option<Vec<u8>>> {
        let count = self.check()?;
        if count == 0 {
            return Ok(None);
        }
        let zoom = 128_usize.div_ceil(self.width.max(self.height)).max(1);
        let (w, h) = ((zoom * self.width) as f64, (zoom * self.height) as f64);
        let labels = self
            .rows
            .iter()
            .map(|row| text_width(&row.label, TEXT, false));
        let cell = labels.fold(w, f64::max).ceil() + 12.0;
        let width = cell * self.rows.len() as f64 + 12.0;
        let mut pictures = Vec::with_capacity(count);
        let mut size = (0, 0);
        for t in 0..count {
            let mut canvas = Canvas::new(width.max(150.0), h + 46.0);
            let unseen = self.start(count).is_some_and(|start| t >= start);
            for (i, row) in self.rows.iter().enumerate() {
                let over = Rect::new(
                    12.0 + (i as f64 * cell + 0.5 * (cell - 12.0 - w)).floor(),
                    22.0,
                    w,
                    h,
                );
                let expected = unseen && self.is_predicted(row);
                let colour = if expected {
                    Look::Prediction.colour()
                } else {
                    INK
                };
                let (x, _) = over.centre();
                canvas.styled_text((x, 15.0), &row.label, Align::Centre, TEXT, false, colour);
                if let Some(frame) = self.frame(row, t) {
                    canvas.image(over, frame);
                }
                let line = if expected {
                    Stroke::solid(colour, 2.0)
                } else {
                    Stroke::solid(GRID, 1.0)
                };
                canvas.border(
                    Rect::new(over.x - 1.0, over.y - 1.0, w + 2.0, h + 2.0),
                    line,
                );
            }
            let time = fixed(t as f64 * self.dt, 2);
            let note = if unseen {
                ", predicted without seeing"
            } else {
                ""
            };
            canvas.text(
                (12.0, h + 38.0),
                &format!("frame {t}, {time} s{note}"),
                Align::Left,
            );
            let (w, h, rgb) = render::bitmap(&canvas, 1)?;
            size = (w, h);
            pictures.push(indexed(&rgb));
        }
        pixels::gif(size, &palette(), pictures.into_iter(), self.dt).map(Some)
    }

    fn example() -> Self {
        // A soft disc of 3 px in a 32 x 32 box; the prediction drifts and blurs.
        let frame = |cx: f64, cy: f64, soft: f64| {
            (0..32 * 32).map(move |i| {
                let (x, y) = (f64::from(i % 32) + 0.5, f64::from(i / 32) + 0.5);
                let inside = 3.0 - (x - cx).hypot(y - cy);
                (255.0 * (0.5 + inside / soft).clamp(0.0, 1.0)) as u8
            })
        };
        let fold = |s: f64| 3.0 + ((s - 3.0).rem_euclid(52.0) - 26.0).abs();
        let row = |label: &str, drift: f64, soft: f64, from: i32| FilmRow {
            label: label.to_string(),
            frames: (0..20)
                .flat_map(|t: i32| {
                    let late = f64::from((t - from).max(0));
                    let time = f64::from(t);
                    frame(
                        fold(8.0 + 1.9 * time + drift * late),
                        fold(20.0 - 1.3 * time),
                        soft + 2.0 * drift * late,
                    )
                })
                .collect(),
        };
        Self {
            width: 32,
            height: 32,
            rows: vec![
                row("true", 0.0, 1.0, 20),
                row("reconstructed", 0.0, 1.8, 20),
                row("predicted", 0.12, 1.8, 8),
            ],
            prediction_start: Some(8),
            dt: 0.1,
        }
    }
}

impl Filmstrip {
    /// Number of frames of the longest row.
    fn check(&self) -> Result<usize> {
        let size = self.width * self.height;
        let broken = self
            .rows
            .iter()
            .find(|row| size == 0 || row.frames.len() % size != 0);
        match broken.filter(|row| size > 0 || !row.frames.is_empty()) {
            Some(row) => Err(Error::Shape(format!(
                "film strip: row \"{}\" wants whole frames of {} x {} values, got {} values",
                row.label,
                self.height,
                self.width,
                row.frames.len()
            ))),
            None => Ok(self
                .rows
                .iter()
                .map(|row| row.frames.len() / size.max(1))
                .max()
                .unwrap_or(0)),
        }
    }

    fn start(&self, count: usize) -> Option<usize> {
        self.prediction_start.filter(|start| *start < count)
    }

    fn is_predicted(&self, row: &FilmRow) -> bool {
        let named = |row: &FilmRow| row.label.starts_with("predict");
        named(row) || !self.rows.iter().any(named)
    }

    fn frame(&self, row: &FilmRow, t: usize) -> Option<Picture> {
        let grey = row.frames.chunks_exact(self.width * self.height).nth(t)?;
        Some(Picture {
            width: self.width,
            height: self.height,
            rgba: grey.iter().flat_map(|v| [*v, *v, *v, 255]).collect(),
        })
    }

    /// The red line before the first frame that was not seen, through all rows.
    fn draw_start(
        &self,
        canvas: &mut Canvas,
        shown: &[usize],
        count: usize,
        (left, step): (f64, f64),
        (top, bottom): (f64, f64),
    ) {
        let Some(column) = self
            .start(count)
            .and_then(|start| shown.iter().position(|t| *t >= start))
        else {
            return;
        };
        let x = left + column as f64 * step - 0.5 * GAP;
        let colour = Look::Prediction.colour();
        canvas.line(
            &[(x, top - 5.0), (x, bottom + 1.0)],
            Stroke::solid(colour, 1.4),
        );
        let note = "prediction starts";
        let half = 0.5 * text_width(note, SMALL, false);
        let x = x.clamp(half + 2.0, (canvas.width - half - 2.0).max(half + 2.0));
        canvas.styled_text((x, top - 9.0), note, Align::Centre, SMALL, false, colour);
    }
}

/// Grey levels, then white to the colour of predictions.
const GREYS: usize = 232;
const REDS: usize = 256 - GREYS;

fn palette() -> Vec<u8> {
    let greys = (0..GREYS).map(|i| [(i as f64 * 255.0 / (GREYS - 1) as f64).round() as u8; 3]);
    let reds = (0..REDS).map(|i| {
        let share = i as f64 / (REDS - 1) as f64;
        let colour = super::style::mix(Look::Prediction.colour(), super::style::WHITE, share);
        [colour.0, colour.1, colour.2]
    });
    greys.chain(reds).flatten().collect()
}

/// Colours of [`palette`] nearest to RGB pixels that are grey or mixed of white and the colour of predictions.
fn indexed(rgb: &[u8]) -> Vec<u8> {
    let nearest = |pixel: &[u8]| {
        let (red, blue) = (f64::from(pixel[0]), f64::from(pixel[2]));
        if red - blue < 8.0 {
            (red * (GREYS - 1) as f64 / 255.0).round() as u8
        } else {
            GREYS as u8 + ((255.0 - blue) * (REDS - 1) as f64 / 255.0).round() as u8
        }
    };
    rgb.chunks_exact(3).map(nearest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_animation_has_every_frame_at_the_speed_of_the_data() {
        let film = Filmstrip::example();
        let bytes = film.animate().unwrap().unwrap();
        let mut decoder = gif::DecodeOptions::new()
            .read_info(std::io::Cursor::new(bytes))
            .unwrap();
        let mut count = 0;
        while let Some(frame) = decoder.read_next_frame().unwrap() {
            assert_eq!(frame.delay, 10);
            count += 1;
        }
        assert_eq!(count, 20);
    }

    #[test]
    fn twenty_frames_are_picked_evenly_and_few_are_all_shown() {
        let images = |film: &Filmstrip| {
            let canvas = film.draw().unwrap();
            let image = |s: &&super::super::canvas::Shape| {
                matches!(s, super::super::canvas::Shape::Image { .. })
            };
            canvas.shapes.iter().filter(image).count()
        };
        let mut film = Filmstrip::example();
        assert_eq!(images(&film), 3 * 10);
        for row in &mut film.rows {
            row.frames.truncate(7 * 32 * 32);
        }
        assert_eq!(images(&film), 3 * 7);
    }

    #[test]
    fn a_broken_frame_is_an_error_that_names_its_row() {
        let mut film = Filmstrip::example();
        film.rows[1].frames.pop();
        assert!(
            film.draw()
                .unwrap_err()
                .to_string()
                .contains("\"reconstructed\"")
        );
    }

    #[test]
    fn palette_colours_come_back_from_their_own_rgb() {
        for (i, pixel) in palette().chunks(3).enumerate() {
            let at = indexed(pixel)[0] as usize;
            let back = &palette()[3 * at..3 * at + 3];
            let far = pixel
                .iter()
                .zip(back)
                .map(|(a, b)| a.abs_diff(*b))
                .max()
                .unwrap();
            assert!(far <= 12, "colour {i}: {pixel:?} became {back:?}");
        }
    }
}
