//! Sampled futures over the true ones, a panel a context: where do the samples go, and where can the world go?

use super::Draw;
use super::canvas::{Align, Canvas, Point, Rect};
use super::legend::Entry;
use super::plot::{BELOW, Plot, room_left};
use super::range::Range;
use super::style::{AXIS, DOUBLE, INK, Look, Marker, SINGLE, Stroke, WHITE};
use crate::error::Result;
use plotters::style::RGBColor;
use serde::{Deserialize, Serialize};

/// Paths of one context; a path ends where a body is lost, and another goes on where it is found again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fan {
    /// Panel title: "context 3".
    pub label: String,
    /// What was seen.
    pub seen: Vec<Vec<(f64, f64)>>,
    /// True futures.
    pub truth: Vec<Vec<(f64, f64)>>,
    /// Samples.
    pub samples: Vec<Vec<(f64, f64)>>,
}

/// Sampled futures over the true ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleFan {
    /// Axis labels with units.
    pub axes: (String, String),
    /// Where centres can be (x0, y0, x1, y1).
    pub outline: (f64, f64, f64, f64),
    /// One panel each.
    pub fans: Vec<Fan>,
}

const MARGIN: f64 = 8.0;
const GAP: f64 = 12.0;
/// Room of a panel's title.
const TITLE: f64 = 16.0;
/// True futures: wide and light, so that samples over them are seen.
const TRUE: RGBColor = RGBColor(0xB4, 0xC8, 0xDC);

impl Draw for SampleFan {
    fn draw(&self) -> Result<Canvas> {
        if self.fans.is_empty() {
            return Ok(Canvas::no_data());
        }
        let columns = self.fans.len().min(3);
        let (x0, y0, x1, y1) = self.outline;
        let points = self.fans.iter().flat_map(|fan| {
            let all = fan.seen.iter().chain(&fan.truth).chain(&fan.samples);
            all.flatten().copied().collect::<Vec<Point>>()
        });
        let points: Vec<Point> = points.chain([(x0, y0), (x1, y1)]).collect();
        let x = Range::cover(points.iter().map(|p| p.0), 0.04);
        let y = Range::cover(points.iter().map(|p| p.1), 0.04);
        let width = if columns == 1 { SINGLE } else { DOUBLE };
        let left = room_left(y, &self.axes.1, 180.0);
        let room = width - 2.0 * MARGIN - left - GAP * (columns - 1) as f64;
        let side = (room / columns as f64).floor();
        let mut canvas = Canvas::new(width, 1.0);
        let indent = MARGIN + left;
        let mut top = 12.0 + canvas.legend(&self.legend(), indent, 6.0, width - MARGIN - indent);
        for row in self.fans.chunks(columns) {
            for (i, fan) in row.iter().enumerate() {
                let at = indent + i as f64 * (side + GAP);
                let area = Rect::new(at, top + TITLE, side, side);
                canvas.title((at + 0.5 * side, top + 11.0), &fan.label, Align::Centre);
                let plot = Plot::equal(area, x, y);
                let label = if i == 0 { self.axes.1.as_str() } else { "" };
                plot.axes(&mut canvas, &self.axes.0, label);
                self.draw_fan(&mut canvas, &plot, fan);
            }
            top += TITLE + side + BELOW + 6.0;
        }
        canvas.height = top.ceil();
        Ok(canvas)
    }

    fn example() -> Self {
        // A ball that flips its velocity along the wall with probability 1/2 at each of two impacts; the model knows one.
        let path = |first: f64, second: f64, shift: f64| -> Vec<Point> {
            let mut at = (16.0, 14.0);
            let mut v = (2.2, 1.3);
            let mut out = vec![at];
            for _ in 0..14 {
                at = (at.0 + v.0, at.1 + v.1);
                if at.0 > 27.0 {
                    (at.0, v) = (54.0 - at.0, (-v.0, first * v.1));
                }
                if at.0 < 5.0 {
                    (at.0, v) = (10.0 - at.0, (-v.0, second * v.1));
                }
                out.push((at.0, (at.1 + shift).clamp(5.0, 27.0)));
            }
            out
        };
        let signs = [(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0)];
        let fan = |label: &str, known: usize| Fan {
            label: label.to_string(),
            seen: vec![
                (0..5)
                    .map(|t| (7.2 + 2.2 * f64::from(t), 8.8 + 1.3 * f64::from(t)))
                    .collect(),
            ],
            truth: signs.iter().map(|&(a, b)| path(a, b, 0.0)).collect(),
            samples: (0..8)
                .map(|k| {
                    let (a, b) = signs[k % known];
                    path(a, b, 0.15 * (k as f64 - 3.5))
                })
                .collect(),
        };
        Self {
            axes: ("x (px)".to_string(), "y from below (px)".to_string()),
            outline: (5.0, 5.0, 27.0, 27.0),
            fans: vec![
                fan("all branches", 4),
                fan("half of them", 2),
                fan("one", 1),
            ],
        }
    }
}

impl SampleFan {
    fn legend(&self) -> Vec<Entry> {
        let entry = |label: &str, stroke: Option<Stroke>, marker, colour| Entry {
            label: label.to_string(),
            stroke,
            marker,
            colour,
        };
        let sample = Look::Prediction.colour();
        vec![
            entry("seen", Some(Stroke::solid(INK, 1.6)), Marker::None, INK),
            entry(
                "true futures",
                Some(Stroke::solid(TRUE, 4.0)),
                Marker::None,
                TRUE,
            ),
            entry(
                "samples",
                Some(Stroke::solid(sample, 0.8)),
                Marker::None,
                sample,
            ),
            entry("where a sample ends", None, Marker::Circle, sample),
        ]
    }

    fn draw_fan(&self, canvas: &mut Canvas, plot: &Plot, fan: &Fan) {
        let (x0, y0, x1, y1) = self.outline;
        let corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)];
        plot.line(
            canvas,
            corners,
            Stroke {
                dash: &[4.0, 3.0],
                ..Stroke::solid(AXIS, 0.8)
            },
        );
        for path in &fan.truth {
            plot.line(canvas, path.iter().copied(), Stroke::solid(TRUE, 4.0));
        }
        let colour = Look::Prediction.colour();
        for path in &fan.samples {
            plot.line(canvas, path.iter().copied(), Stroke::solid(colour, 0.8));
        }
        let ends: Vec<_> = fan
            .samples
            .iter()
            .filter_map(|path| path.last())
            .map(|p| (*p, colour))
            .collect();
        plot.dots(canvas, &ends, 2.2, 0.9);
        for path in &fan.seen {
            plot.line(canvas, path.iter().copied(), Stroke::solid(INK, 1.6));
            if let Some(last) = path.last() {
                let at = plot.at(*last);
                canvas.circle(at, 3.4, None, WHITE, 1.0);
                canvas.circle(at, 3.4, Some(1.6), INK, 1.0);
            }
        }
    }
}
