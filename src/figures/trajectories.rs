//! Trajectories, true and decoded, beside the same in the latent plane; also position against velocity.

use super::Draw;
use super::canvas::{Canvas, Point, Rect};
use super::legend::Entry;
use super::plot::{BELOW, Plot, room_left, unit};
use super::range::Range;
use super::style::{DOUBLE, INK, Look, Marker, SEQUENCES, SINGLE, Stroke};
use crate::error::{Error, Result};
use plotters::style::RGBColor;
use serde::{Deserialize, Serialize};

/// Trajectories in the true space, decoded, beside the same in the latent plane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trajectories {
    /// Axis labels with units, true space.
    pub axes: (String, String),
    /// Outline of the box (x0, y0, x1, y1), if there is one.
    pub outline: Option<(f64, f64, f64, f64)>,
    /// True paths, one list of (x, y) a sequence.
    pub truth: Vec<Vec<(f64, f64)>>,
    /// Decoded paths, same sequences.
    pub decoded: Vec<Vec<(f64, f64)>>,
    /// The same sequences in the latent plane.
    pub latent: Vec<Vec<(f64, f64)>>,
    /// Labels of the latent plane's axes.
    pub latent_axes: (String, String),
}

/// Points to show, axis labels, and whether it is the true space.
type Plane<'a> = (&'a [Point], &'a (String, String), bool);

const MARGIN: f64 = 8.0;

impl Draw for Trajectories {
    fn draw(&self) -> Result<Canvas> {
        let sequences = self.truth.len();
        let fits =
            |paths: &[Vec<Point>]| paths.is_empty() || sequences == 0 || paths.len() == sequences;
        if !fits(&self.decoded) || !fits(&self.latent) {
            return Err(Error::Shape(format!(
                "trajectories: {sequences} true sequences, got {} decoded and {} latent",
                self.decoded.len(),
                self.latent.len()
            )));
        }
        let real: Vec<Point> = self
            .truth
            .iter()
            .chain(&self.decoded)
            .flatten()
            .copied()
            .collect();
        let latent: Vec<Point> = self.latent.iter().flatten().copied().collect();
        let corners = self.outline.map(|(x0, y0, x1, y1)| [(x0, y0), (x1, y1)]);
        let real: Vec<Point> = real
            .into_iter()
            .chain(corners.into_iter().flatten())
            .collect();
        let planes: Vec<Plane> = [
            (&real[..], &self.axes, true),
            (&latent[..], &self.latent_axes, false),
        ]
        .into_iter()
        .filter(|(points, _, _)| !points.is_empty())
        .collect();
        if planes.is_empty() {
            return Ok(Canvas::no_data());
        }
        let width = if planes.len() == 1 { SINGLE } else { DOUBLE };
        let left = |(points, axes, _): &Plane| room_left(cover(points).1, &axes.1, 220.0);
        let lefts: Vec<f64> = planes.iter().map(left).collect();
        let gaps = 14.0 * (planes.len() - 1) as f64;
        let room = width - 2.0 * MARGIN - gaps - lefts.iter().sum::<f64>();
        let side = (room / planes.len() as f64).floor();
        let mut canvas = Canvas::new(width, 1.0);
        let indent = MARGIN + lefts[0];
        let head = 14.0 + canvas.legend(&self.legend(), indent, 6.0, width - MARGIN - indent);
        canvas.height = (head + side + BELOW + 4.0).ceil();
        let mut edge = MARGIN;
        for ((points, axes, is_real), left) in planes.iter().zip(&lefts) {
            let area = Rect::new(edge + left, head, side, side);
            edge = area.right() + 14.0;
            let (x, y) = cover(points);
            let plot = match unit(&axes.0) == unit(&axes.1) {
                true => Plot::equal(area, x, y),
                false => Plot { area, x, y },
            };
            plot.axes(&mut canvas, &axes.0, &axes.1);
            match is_real {
                true => self.draw_real(&mut canvas, &plot),
                false => draw_coloured(&mut canvas, &plot, &self.latent),
            }
        }
        Ok(canvas)
    }

    fn example() -> Self {
        // A ball without friction in a box of 28 px, dt = 0.1 s; folded motion: |((s + 2) mod 4L) - 2L| - L.
        let fold = |s: f64| ((s - 14.0).rem_euclid(56.0) - 28.0).abs() - 14.0;
        let path = |start: Point, speed: Point| -> Vec<Point> {
            let at = |t: f64| (fold(start.0 + speed.0 * t), fold(start.1 + speed.1 * t));
            (0..24).map(|t| at(0.1 * f64::from(t))).collect()
        };
        let truth = vec![
            path((-8.0, 3.0), (14.0, 9.0)),
            path((5.0, -9.0), (-11.0, 13.0)),
            path((10.0, 10.0), (-4.0, -16.0)),
        ];
        let blur = |(x, y): Point| (x + 0.5 * (1.7 * y).sin(), y + 0.5 * (1.3 * x + 1.0).sin());
        let plane = |(x, y): Point| (0.09 * x - 0.05 * y, 0.06 * x + 0.08 * y + 0.0004 * x * y);
        let all = |paths: &[Vec<Point>], f: &dyn Fn(Point) -> Point| {
            paths
                .iter()
                .map(|path| path.iter().map(|p| f(*p)).collect())
                .collect::<Vec<Vec<_>>>()
        };
        let decoded = all(&truth, &blur);
        Self {
            axes: ("position x (px)".to_string(), "position y (px)".to_string()),
            outline: Some((-14.0, -14.0, 14.0, 14.0)),
            latent: all(&decoded, &plane),
            truth,
            decoded,
            latent_axes: ("latent 1".to_string(), "latent 2".to_string()),
        }
    }
}

fn cover(points: &[Point]) -> (Range, Range) {
    (
        Range::cover(points.iter().map(|p| p.0), 0.05),
        Range::cover(points.iter().map(|p| p.1), 0.05),
    )
}

impl Trajectories {
    fn legend(&self) -> Vec<Entry> {
        let entry = |label: &str, stroke: Stroke, marker, colour| Entry {
            label: label.to_string(),
            stroke: Some(stroke),
            marker,
            colour,
        };
        let mut entries = Vec::new();
        if !self.truth.is_empty() {
            entries.push(entry("true", Look::Truth.stroke(0), Marker::None, INK));
        }
        let kinds = [("decoded", &self.decoded), ("latent", &self.latent)];
        let kinds: Vec<_> = kinds
            .iter()
            .filter(|(_, paths)| !paths.is_empty())
            .collect();
        let several = kinds.iter().any(|(_, paths)| paths.len() > 1);
        let names: Vec<_> = kinds.iter().map(|(name, _)| *name).collect();
        let note = if several {
            " (one colour a sequence)"
        } else {
            ""
        };
        let label = format!("{}{note}", names.join(", "));
        let colour = SEQUENCES[0];
        if !kinds.is_empty() {
            let stroke = Stroke::solid(colour, 1.0);
            entries.push(entry(&label, stroke, Marker::Circle, colour));
            entries.push(Entry {
                label: "start".to_string(),
                stroke: None,
                marker: Marker::OpenCircle,
                colour,
            });
        }
        if self.outline.is_some() {
            entries.push(entry("box", outline_stroke(), Marker::None, INK));
        }
        entries
    }

    fn draw_real(&self, canvas: &mut Canvas, plot: &Plot) {
        if let Some((x0, y0, x1, y1)) = self.outline {
            let corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)];
            plot.line(canvas, corners, outline_stroke());
        }
        for path in &self.truth {
            plot.line(canvas, path.iter().copied(), Stroke::solid(INK, 1.2));
        }
        draw_coloured(canvas, plot, &self.decoded);
        if self.decoded.is_empty() {
            self.truth
                .iter()
                .for_each(|path| arrows(canvas, plot, path, INK));
        }
    }
}

fn outline_stroke() -> Stroke {
    Stroke::solid(RGBColor(0xAA, 0xAA, 0xAA), 2.4)
}

/// Paths in the colours of their sequences: a ring where they start, dots at frames, arrows in time.
fn draw_coloured(canvas: &mut Canvas, plot: &Plot, paths: &[Vec<Point>]) {
    for (i, path) in paths.iter().enumerate() {
        let colour = SEQUENCES[i % SEQUENCES.len()];
        plot.line(canvas, path.iter().copied(), Stroke::solid(colour, 1.0));
        if path.len() <= 60 {
            let dots: Vec<_> = path.iter().map(|p| (*p, colour)).collect();
            plot.dots(canvas, &dots, 1.6, 1.0);
        }
        if let Some(first) = path.first().filter(|p| (p.0 + p.1).is_finite()) {
            let at = plot.at(*first);
            canvas.circle(at, 3.6, None, super::style::WHITE, 1.0);
            canvas.circle(at, 3.6, Some(1.6), colour, 1.0);
        }
        arrows(canvas, plot, path, colour);
    }
}

/// Arrow heads at a third, two thirds and the end of a path.
fn arrows(canvas: &mut Canvas, plot: &Plot, path: &[Point], colour: RGBColor) {
    let steps = path.len().saturating_sub(1);
    for part in [1, 2, 3] {
        let end = part * steps / 3;
        if end == 0 {
            continue;
        }
        let (from, to) = (plot.at(path[end - 1]), plot.at(path[end]));
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = dx.hypot(dy);
        if length.is_finite() && length > 0.5 {
            let (ux, uy) = (dx / length, dy / length);
            let wing = |side: f64| {
                (
                    to.0 - 6.0 * ux - side * 3.2 * uy,
                    to.1 - 6.0 * uy + side * 3.2 * ux,
                )
            };
            canvas.line(&[wing(1.0), to, wing(-1.0)], Stroke::solid(colour, 1.4));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folded_example_stays_in_its_box_and_moves_at_its_speed() {
        let figure = Trajectories::example();
        for path in &figure.truth {
            assert!(
                path.iter().all(|(x, y)| x.abs() <= 14.0 && y.abs() <= 14.0),
                "{path:?}"
            );
        }
        assert!(
            (figure.truth[0][0].0 + 8.0).abs() < 1e-12,
            "{:?}",
            figure.truth[0][0]
        );
    }

    #[test]
    fn sequences_that_do_not_match_are_an_error() {
        let mut figure = Trajectories::example();
        figure.latent.pop();
        assert!(
            figure
                .draw()
                .unwrap_err()
                .to_string()
                .contains("3 true sequences")
        );
    }
}
