//! Eigenvalues of the learned law on the complex plane: does it conserve, rotate, decay or grow?

use super::Draw;
use super::canvas::{Canvas, Point, Rect};
use super::legend::Entry;
use super::plot::{BELOW, Plot};
use super::range::Range;
use super::style::{AXIS, GRID, INK, Look, MIDDLE, Marker, SINGLE, Stroke};
use crate::error::Result;
use serde::{Deserialize, Serialize};
use std::f64::consts::TAU;

/// Eigenvalues on the complex plane with the unit circle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Eigenvalues {
    /// (re, im) of the learned matrix.
    pub learned: Vec<(f64, f64)>,
    /// (re, im) of the true one, drawn as crosses.
    pub truth: Vec<(f64, f64)>,
}

/// Eigenvalues closer together than this get a second, enlarged panel.
const CLUSTER: f64 = 0.6;

impl Draw for Eigenvalues {
    fn draw(&self) -> Result<Canvas> {
        let all: Vec<Point> = self.learned.iter().chain(&self.truth).copied().collect();
        let finite: Vec<Point> = all
            .into_iter()
            .filter(|(re, im)| (re + im).is_finite())
            .collect();
        if finite.is_empty() {
            return Ok(Canvas::no_data());
        }
        let (re, im) = (finite.iter().map(|p| p.0), finite.iter().map(|p| p.1));
        let span = |values: &mut dyn Iterator<Item = f64>| {
            let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| {
                (l.min(v), h.max(v))
            });
            (0.5 * low + 0.5 * high, high - low)
        };
        let ((re_mid, re_size), (im_mid, im_size)) = (span(&mut re.clone()), span(&mut im.clone()));
        let size = re_size.max(im_size);
        let zoomed = size < CLUSTER;

        const LEFT: f64 = 54.0;
        let width = if zoomed { MIDDLE } else { SINGLE };
        let side = if zoomed {
            0.5 * (width - 2.0 * LEFT - 26.0)
        } else {
            width - LEFT - 16.0
        };
        let mut canvas = Canvas::new(width, 1.0);
        let head = 14.0 + canvas.legend(&self.legend(zoomed), LEFT, 6.0, width - LEFT);
        canvas.height = (head + side + BELOW + 4.0).ceil();

        let out = |values: &mut dyn Iterator<Item = f64>| {
            let most = values.fold(1.0_f64, |most, v| most.max(v.abs()));
            Range::cover([-most, most], 0.08)
        };
        let whole = Plot::equal(
            Rect::new(LEFT, head, side, side),
            out(&mut re.clone()),
            out(&mut im.clone()),
        );
        self.draw_panel(&mut canvas, &whole);
        if zoomed {
            let half = (0.62 * size).max(0.01);
            let zoom = Plot {
                area: Rect::new(LEFT + side + 14.0 + LEFT, head, side, side),
                x: Range::new(re_mid - half, re_mid + half),
                y: Range::new(im_mid - half, im_mid + half),
            };
            self.draw_panel(&mut canvas, &zoom);
            show_zoom(&mut canvas, &whole, &zoom);
        }
        Ok(canvas)
    }

    fn example() -> Self {
        Self {
            learned: vec![(0.991, 0.017), (0.991, -0.017), (0.972, 0.0), (1.004, 0.0)],
            truth: vec![(1.0, 0.0); 4],
        }
    }
}

impl Eigenvalues {
    fn legend(&self, zoomed: bool) -> Vec<Entry> {
        let same = |p: &&Point| (p.0 - self.truth[0].0).hypot(p.1 - self.truth[0].1) < 1e-9;
        let truth = match self.truth.len() {
            count @ 2.. if self.truth.iter().all(|p| same(&p)) => {
                format!("true (all {count})")
            }
            _ => "true".to_string(),
        };
        let marks = [
            (
                "learned".to_string(),
                Marker::OpenCircle,
                Look::Prediction.colour(),
                &self.learned,
            ),
            (truth, Marker::Cross, Look::Truth.colour(), &self.truth),
        ];
        let shown = marks.into_iter().filter(|mark| !mark.3.is_empty());
        let marks = shown.map(|(label, marker, colour, _)| Entry {
            label,
            stroke: None,
            marker,
            colour,
        });
        let circle = Entry {
            label: "unit circle".to_string(),
            stroke: Some(Stroke::solid(AXIS, 1.0)),
            marker: Marker::None,
            colour: AXIS,
        };
        let enlarged = Entry {
            label: "enlarged".to_string(),
            stroke: None,
            marker: Marker::OpenSquare,
            colour: INK,
        };
        let enlarged = zoomed.then_some(enlarged);
        marks.chain([circle]).chain(enlarged).collect()
    }

    fn draw_panel(&self, canvas: &mut Canvas, plot: &Plot) {
        plot.axes(canvas, "real part", "imaginary part");
        let zero = Stroke::solid(GRID, 1.4);
        plot.line(canvas, [(plot.x.low, 0.0), (plot.x.high, 0.0)], zero);
        plot.line(canvas, [(0.0, plot.y.low), (0.0, plot.y.high)], zero);
        // So many chords that none leaves the circle by more than a twentieth of a px: r (1 - cos(step / 2)) < 0.05.
        let radius = plot.area.w / plot.x.size();
        let steps = (TAU * (radius / 0.4).sqrt()).clamp(90.0, 20_000.0) as usize;
        let angles = (0..=steps).map(|i| TAU * i as f64 / steps as f64);
        plot.line(
            canvas,
            angles.map(|a| (a.cos(), a.sin())),
            Stroke::solid(AXIS, 1.0),
        );
        let inside = |p: &&Point| {
            let inside = |at: f64| (0.0..=1.0).contains(&at);
            inside(plot.x.fraction(p.0)) && inside(plot.y.fraction(p.1))
        };
        for point in self.truth.iter().filter(inside) {
            canvas.marker(plot.at(*point), Marker::Cross, 4.2, Look::Truth.colour());
        }
        for point in self.learned.iter().filter(inside) {
            canvas.circle(
                plot.at(*point),
                3.6,
                Some(1.6),
                Look::Prediction.colour(),
                1.0,
            );
        }
    }
}

/// Marks in the whole plane what the enlarged panel shows.
fn show_zoom(canvas: &mut Canvas, whole: &Plot, zoom: &Plot) {
    let (left, top) = whole.at((zoom.x.low, zoom.y.high));
    let (right, bottom) = whole.at((zoom.x.high, zoom.y.low));
    // Never smaller than the markers inside.
    let (middle, half) = (
        (0.5 * (left + right), 0.5 * (top + bottom)),
        (0.5 * (right - left)).max(8.0),
    );
    let frame = Rect::new(middle.0 - half, middle.1 - half, 2.0 * half, 2.0 * half);
    let stroke = Stroke::solid(INK, 0.8);
    canvas.border(frame, stroke);
    canvas.border(zoom.area, stroke);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::canvas::{Align, Shape};

    fn axis_labels(figure: &Eigenvalues) -> usize {
        let canvas = figure.draw().unwrap();
        let label = |shape: &&Shape| matches!(shape, Shape::Text { text, align: Align::Centre, .. } if text == "real part");
        canvas.shapes.iter().filter(label).count()
    }

    #[test]
    fn a_cluster_is_enlarged_and_a_spread_is_not() {
        assert_eq!(axis_labels(&Eigenvalues::example()), 2);
        let spread = Eigenvalues {
            learned: vec![(0.9, 0.4), (0.9, -0.4), (-0.5, 0.0)],
            truth: Vec::new(),
        };
        assert_eq!(axis_labels(&spread), 1);
    }

    #[test]
    fn an_eigenvalue_far_outside_the_circle_is_inside_the_axes() {
        let figure = Eigenvalues {
            learned: vec![(3.0, 0.0), (-7.5, 0.2), (f64::NAN, 0.0)],
            truth: vec![(1.0, 0.0)],
        };
        let canvas = figure.draw().unwrap();
        let circles = canvas
            .shapes
            .iter()
            .filter(|s| matches!(s, Shape::Circle { ring: Some(w), .. } if *w == 1.6));
        assert_eq!(circles.count(), 2);
    }
}
