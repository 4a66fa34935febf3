//! One pair of axes: where a value lies on the canvas, grid, ticks, labels, and what is drawn inside.

use super::canvas::{Align, Canvas, Point, Rect};
use super::font::{text_width, wrap};
use super::range::Range;
use super::style::{AXIS, GRID, INK, SMALL, Stroke, TEXT};

/// Room under the axis: ticks, their labels, one line of axis label.
pub(super) const BELOW: f64 = 36.0;
/// Height of a line of an axis label.
const LINE: f64 = 14.0;

/// A plotting area and the ranges it shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Plot {
    pub area: Rect,
    pub x: Range,
    pub y: Range,
}

/// Room left of the axis: the label, written upwards, and tick labels of `y` when the area is `height` px high.
pub(super) fn room_left(y: Range, label: &str, height: f64) -> f64 {
    let widths = y
        .ticks(most_up(height))
        .into_iter()
        .map(|(_, text)| text_width(&text, SMALL, false));
    let lines = wrap(label, TEXT, height).len() as f64;
    LINE * lines + 12.0 + widths.fold(0.0, f64::max)
}

fn most_up(height: f64) -> usize {
    (height / 30.0).clamp(2.0, 6.0) as usize
}

impl Plot {
    /// Widens one range so that a unit is equally long on both axes.
    pub fn equal(area: Rect, x: Range, y: Range) -> Self {
        let per_px = (x.size() / area.w).max(y.size() / area.h);
        Self {
            area,
            x: x.resized(per_px * area.w),
            y: y.resized(per_px * area.h),
        }
    }

    /// Where a value lies, px.
    pub fn at(&self, (x, y): Point) -> Point {
        (
            self.area.x + self.x.fraction(x) * self.area.w,
            self.area.bottom() - self.y.fraction(y) * self.area.h,
        )
    }

    /// Grid, axis lines, tick labels and axis labels; an empty `y_label` leaves the vertical axis without numbers.
    pub fn axes(&self, canvas: &mut Canvas, x_label: &str, y_label: &str) {
        let Rect { x, y, w, h } = self.area;
        let (right, bottom) = (self.area.right(), self.area.bottom());
        let (grid, axis) = (Stroke::solid(GRID, 0.8), Stroke::solid(AXIS, 0.8));
        let across = self.ticks_across();
        let up = self.y.ticks(most_up(h));
        for (value, _) in &across {
            let (at, _) = self.at((*value, self.y.low));
            canvas.line(&[(at, y), (at, bottom)], grid);
        }
        for (value, _) in &up {
            let (_, at) = self.at((self.x.low, *value));
            canvas.line(&[(x, at), (right, at)], grid);
        }
        canvas.line(&[(x, y), (x, bottom), (right, bottom)], axis);
        for (value, text) in &across {
            let (at, _) = self.at((*value, self.y.low));
            canvas.line(&[(at, bottom), (at, bottom + 3.5)], axis);
            canvas.text((at, bottom + 14.0), text, Align::Centre);
        }
        for (i, line) in wrap(x_label, TEXT, w + 24.0).iter().enumerate() {
            let at = (x + 0.5 * w, bottom + 29.0 + LINE * i as f64);
            canvas.styled_text(at, line, Align::Centre, TEXT, false, INK);
        }
        let mut widest: f64 = 0.0;
        for (value, text) in &up {
            let (_, at) = self.at((self.x.low, *value));
            canvas.line(&[(x - 3.5, at), (x, at)], axis);
            if !y_label.is_empty() {
                canvas.text((x - 6.0, at + 3.8), text, Align::Right);
                widest = widest.max(text_width(text, SMALL, false));
            }
        }
        let lines = wrap(y_label, TEXT, h);
        for (i, line) in lines.iter().rev().enumerate() {
            let at = (x - 12.0 - widest - LINE * i as f64, y + 0.5 * h);
            canvas.upright_text(at, line);
        }
    }

    /// As many ticks as find room for their labels.
    fn ticks_across(&self) -> Vec<(f64, String)> {
        for most in (2..=6).rev() {
            let ticks = self.x.ticks(most);
            let room = ticks
                .iter()
                .map(|(_, text)| text_width(text, SMALL, false) + 5.0);
            let step = match ticks.as_slice() {
                [a, b, ..] => (b.0 - a.0) / self.x.size() * self.area.w,
                _ => f64::INFINITY,
            };
            if room.fold(0.0, f64::max) <= step {
                return ticks;
            }
        }
        self.x.ticks(1)
    }
}

/// The unit in the last brackets of an axis label: "position x (px)" has "px".
pub(super) fn unit(label: &str) -> Option<&str> {
    let inside = label.trim_end().strip_suffix(')')?;
    inside.rsplit_once('(').map(|(_, unit)| unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_scale_gives_both_axes_the_same_px_a_unit() {
        let plot = Plot::equal(
            Rect::new(0.0, 0.0, 100.0, 50.0),
            Range::new(0.0, 1.0),
            Range::new(-2.0, 2.0),
        );
        assert_eq!(plot.x.size() / plot.area.w, plot.y.size() / plot.area.h);
        assert_eq!(plot.y, Range::new(-2.0, 2.0));
    }

    #[test]
    fn the_unit_of_a_label_is_in_its_last_brackets() {
        assert_eq!(unit("velocity (x) (px/s)"), Some("px/s"));
        assert_eq!(unit("latent 1"), None);
    }
}
