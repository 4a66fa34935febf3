//! Rows of frames, true, reconstructed and predicted: what does the model see, and what does it expect?

use super::canvas::{Align, Canvas, Picture, Rect};
use super::font::text_width;
use super::numbers::significant;
use super::style::{DOUBLE, GRID, INK, Look, SMALL, Stroke, TEXT};
use super::{Draw, film_gif, pixels};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// Rows of frames: true, reconstructed, predicted. Also drawn as an animated GIF.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Filmstrip {
    /// Frame width, pixels.
    pub width: usize,
    /// Frame height, pixels.
    pub height: usize,
    /// Channels of a frame, 1 or 3.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub channels: usize,
    /// Row labels with their frames, (T, C, H, W).
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
    /// (T, C, H, W), base64 in JSON.
    #[serde(with = "bytes_as_base64")]
    pub frames: Vec<u8>,
}

fn one() -> usize {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_one(channels: &usize) -> bool {
    *channels == 1
}

pub(super) mod bytes_as_base64 {
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
/// Width of a frame that is large enough, px.
const LARGEST: f64 = 64.0;
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
        let (stride, zoom) = self.pick(count, room);
        let shown: Vec<usize> = (0..count).step_by(stride).collect();
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
        film_gif::animation(self)
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
            channels: 1,
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
    /// Values of a frame.
    fn size(&self) -> usize {
        self.channels * self.width * self.height
    }

    /// Number of frames of the longest row.
    pub(super) fn check(&self) -> Result<usize> {
        let size = self.size();
        let broken = self
            .rows
            .iter()
            .find(|row| size == 0 || row.frames.len() % size != 0);
        match broken.filter(|row| size > 0 || !row.frames.is_empty()) {
            Some(row) => Err(Error::Shape(format!(
                "film strip: row \"{}\" wants whole frames of {} x {} x {} values, got {} values",
                row.label,
                self.channels,
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

    /// Number of frames.
    ///
    /// # Errors
    /// [`Error::Shape`] when a row is not made of whole frames.
    pub fn frames(&self) -> Result<usize> {
        self.check()
    }

    /// All frames in one PNG, in colour where they are: a row of frames for every row of the film.
    ///
    /// # Errors
    /// As [`frames`](Self::frames).
    pub fn sprite(&self) -> Result<Vec<u8>> {
        let count = self.check()?;
        let (w, h) = (self.width, self.height);
        let (values, colours) = pixels::kind(self.channels);
        let line_of = values * w;
        let mut all = vec![0; count * line_of * h * self.rows.len()];
        for (r, row) in self.rows.iter().enumerate() {
            for (t, frame) in row.frames.chunks_exact(self.size()).enumerate() {
                let frame = pixels::interleaved(frame, self.channels);
                for (y, line) in frame.chunks_exact(line_of).enumerate() {
                    let at = ((r * h + y) * count + t) * line_of;
                    all[at..at + line_of].copy_from_slice(line);
                }
            }
        }
        pixels::png(count * w, self.rows.len() * h, &all, colours, None)
    }

    /// Every how manieth frame is shown, and how large: whole pixels at two a px, so half a px is one zoom.
    fn pick(&self, count: usize, room: f64) -> (usize, f64) {
        let width = self.width as f64;
        let zoom =
            |shown: usize| ((room / shown as f64 - GAP).max(0.0) * 2.0 / width).floor() / 2.0;
        let readable = |shown: usize| zoom(shown) * width >= LEAST;
        let strides =
            (1..=count).filter(|stride| *stride == 1 || count.div_ceil(*stride) <= MOST_FRAMES);
        let shown = |stride: &usize| count.div_ceil(*stride);
        let stride = strides
            .into_iter()
            .find(|stride| readable(shown(stride)))
            .unwrap_or(count);
        (
            stride,
            zoom(shown(&stride)).clamp(0.5, (LARGEST / width).max(0.5)),
        )
    }

    pub(super) fn start(&self, count: usize) -> Option<usize> {
        self.prediction_start.filter(|start| *start < count)
    }

    pub(super) fn is_predicted(&self, row: &FilmRow) -> bool {
        let named = |row: &FilmRow| row.label.starts_with("predict");
        named(row) || !self.rows.iter().any(named)
    }

    pub(super) fn frame(&self, row: &FilmRow, t: usize) -> Option<Picture> {
        let frame = row.frames.chunks_exact(self.size()).nth(t)?;
        let frame = pixels::interleaved(frame, self.channels);
        let rgba = match pixels::kind(self.channels) {
            (3, _) => frame
                .chunks_exact(3)
                .flat_map(|p| [p[0], p[1], p[2], 255])
                .collect(),
            _ => frame.iter().flat_map(|v| [*v, *v, *v, 255]).collect(),
        };
        Some(Picture {
            width: self.width,
            height: self.height,
            rgba,
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn frames_in_colour_stay_in_colour_in_the_strip_on_the_page_and_in_the_animation() {
        // A red square over blue, planes one after the other.
        let area = 16 * 16;
        let inside = |p: usize| (4..12).contains(&(p % 16)) && (4..12).contains(&(p / 16));
        let plane = |value: u8, there: bool| {
            (0..area).map(move |p| if inside(p) == there { value } else { 0 })
        };
        let frame: Vec<u8> = plane(250, true)
            .chain(plane(0, true))
            .chain(plane(180, false))
            .collect();
        let film = Filmstrip {
            width: 16,
            height: 16,
            channels: 3,
            rows: vec![FilmRow {
                label: "true".into(),
                frames: frame.repeat(3),
            }],
            prediction_start: None,
            dt: 0.1,
        };
        let picture = film.frame(&film.rows[0], 1).unwrap();
        assert_eq!(picture.rgba[..4], [0, 0, 180, 255]);
        assert_eq!(picture.rgba[4 * (6 * 16 + 6)..][..4], [250, 0, 0, 255]);
        let mut reader = ::png::Decoder::new(std::io::Cursor::new(film.sprite().unwrap()))
            .read_info()
            .unwrap();
        let mut sprite = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut sprite).unwrap();
        assert_eq!((info.width, info.height), (48, 16));
        assert_eq!(sprite[3 * (6 * 48 + 16 + 6)..][..3], [250, 0, 0]);
        let bytes = film.animate().unwrap().unwrap();
        let mut options = gif::DecodeOptions::new();
        options.set_color_output(gif::ColorOutput::RGBA);
        let mut decoder = options.read_info(std::io::Cursor::new(bytes)).unwrap();
        let shown = decoder.read_next_frame().unwrap().unwrap();
        let has = |colour: [u8; 4]| shown.buffer.chunks_exact(4).any(|p| p == colour);
        assert!(has([250, 0, 0, 255]) && has([0, 0, 180, 255]));
    }
}
