//! One pair of axes: where a value lies on the canvas, grid, ticks, labels, and what is drawn inside.

use super::canvas::{Align, Canvas, Point, Rect, Shape};
use super::pixels;
use super::range::Range;
use super::style::{AXIS, GRID, INK, Look, SMALL, Stroke, TEXT, text_width, wrap};
use plotters::style::RGBColor;

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

    fn inside(&self, (x, y): Point) -> bool {
        let slack = 0.01;
        x >= self.area.x - slack
            && x <= self.area.right() + slack
            && y >= self.area.y - slack
            && y <= self.area.bottom() + slack
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

    /// Lines through the values, cut at the border of the area; a value that is not finite leaves a gap.
    pub fn line(
        &self,
        canvas: &mut Canvas,
        values: impl IntoIterator<Item = Point>,
        stroke: Stroke,
    ) {
        let mut run: Vec<Point> = Vec::new();
        let mut last: Option<Point> = None;
        for value in values {
            let here = Some(self.at(value)).filter(|p| p.0.is_finite() && p.1.is_finite());
            if let (Some(from), Some(to)) = (last, here) {
                match cut(self.area, from, to) {
                    Some((a, b)) => {
                        if run.last() != Some(&a) {
                            canvas.line(&thinned(&run), stroke);
                            run = vec![a];
                        }
                        run.push(b);
                    }
                    None => {
                        canvas.line(&thinned(&run), stroke);
                        run.clear();
                    }
                }
            }
            last = here;
        }
        canvas.line(&thinned(&run), stroke);
    }

    /// The area between two curves over increasing x; a value that is not finite leaves a gap.
    pub fn band(
        &self,
        canvas: &mut Canvas,
        band: &[(f64, f64, f64)],
        colour: RGBColor,
        alpha: f64,
    ) {
        let clamp = |(x, y): Point| (x, y.clamp(self.area.y, self.area.bottom()));
        let parts = band.split(|(x, low, high)| !(x + low + high).is_finite());
        for part in parts.filter(|part| part.len() > 1) {
            let edges = part.iter().map(|(x, low, high)| {
                let ((x, bottom), (_, top)) =
                    (clamp(self.at((*x, *low))), clamp(self.at((*x, *high))));
                (x, top, bottom)
            });
            canvas.shapes.push(Shape::Area {
                edges: thinned_band(edges.collect()),
                colour,
                alpha,
            });
        }
    }

    /// One dot a value, those outside left out; thousands of them become one picture.
    pub fn dots(&self, canvas: &mut Canvas, values: &[(Point, RGBColor)], radius: f64, alpha: f64) {
        const MOST_VECTORS: usize = 1_000;
        let placed = values
            .iter()
            .map(|(value, colour)| (self.at(*value), *colour));
        let inside: Vec<_> = placed.filter(|(point, _)| self.inside(*point)).collect();
        if inside.len() > MOST_VECTORS {
            canvas.image(self.area, pixels::dots(self.area, &inside, radius, alpha));
            return;
        }
        for (point, colour) in inside {
            canvas.circle(point, radius, None, colour, alpha);
        }
    }

    /// One marker a value, those outside left out.
    pub fn markers(
        &self,
        canvas: &mut Canvas,
        values: impl IntoIterator<Item = Point>,
        look: Look,
        radius: f64,
    ) {
        for value in values {
            let at = self.at(value);
            if self.inside(at) {
                canvas.marker(at, look.marker(), radius, look.colour());
            }
        }
    }
}

/// The unit in the last brackets of an axis label: "position x (px)" has "px".
pub(super) fn unit(label: &str) -> Option<&str> {
    let inside = label.trim_end().strip_suffix(')')?;
    inside.rsplit_once('(').map(|(_, unit)| unit)
}

/// The part of a line inside a rectangle (Liang and Barsky 1984).
fn cut(area: Rect, from: Point, to: Point) -> Option<(Point, Point)> {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let (mut start, mut end) = (0.0_f64, 1.0_f64);
    for (speed, room) in [
        (-dx, from.0 - area.x),
        (dx, area.right() - from.0),
        (-dy, from.1 - area.y),
        (dy, area.bottom() - from.1),
    ] {
        if speed == 0.0 {
            if room < 0.0 {
                return None;
            }
        } else if speed < 0.0 {
            start = start.max(room / speed);
        } else {
            end = end.min(room / speed);
        }
    }
    // The ends are kept exactly where they are inside: runs are joined by comparing them.
    let at = |t: f64| match t {
        0.0 => from,
        1.0 => to,
        t => (from.0 + t * dx, from.1 + t * dy),
    };
    (start <= end).then(|| (at(start), at(end)))
}

/// Curves of more points are thinned.
const LONG: usize = 600;

fn same_column(a: f64, b: f64) -> bool {
    (2.0 * a).floor() == (2.0 * b).floor()
}

/// Long bands keep, of each half px, the lowest and the highest edge.
fn thinned_band(edges: Vec<(f64, f64, f64)>) -> Vec<(f64, f64, f64)> {
    if edges.len() <= LONG {
        return edges;
    }
    let last = edges.len() - 1;
    let widest = |a: (f64, f64, f64), b: &(f64, f64, f64)| (a.0, a.1.min(b.1), a.2.max(b.2));
    let columns = edges.chunk_by(|a, b| same_column(a.0, b.0));
    let columns = columns.map(|column| column.iter().fold(column[0], widest));
    columns.chain([edges[last]]).collect()
}

/// Long curves keep, of each half px, their first, lowest, highest and last point: the same picture from fewer.
fn thinned(points: &[Point]) -> Vec<Point> {
    if points.len() <= LONG || !points.is_sorted_by(|a, b| a.0 <= b.0) {
        return points.to_vec();
    }
    let mut kept = Vec::new();
    for column in points.chunk_by(|a, b| same_column(a.0, b.0)) {
        let extreme = |wanted: std::cmp::Ordering| {
            (0..column.len()).reduce(|a, b| {
                if column[b].1.total_cmp(&column[a].1) == wanted {
                    b
                } else {
                    a
                }
            })
        };
        let mut places = vec![0, column.len() - 1];
        places.extend(extreme(std::cmp::Ordering::Less));
        places.extend(extreme(std::cmp::Ordering::Greater));
        places.sort_unstable();
        places.dedup();
        kept.extend(places.into_iter().map(|i| column[i]));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot() -> Plot {
        Plot {
            area: Rect::new(0.0, 0.0, 100.0, 50.0),
            x: Range::new(0.0, 10.0),
            y: Range::new(0.0, 5.0),
        }
    }

    fn paths(canvas: &Canvas) -> Vec<Vec<Point>> {
        let path = |shape: &Shape| match shape {
            Shape::Path { points, .. } => Some(points.clone()),
            _ => None,
        };
        canvas.shapes.iter().filter_map(path).collect()
    }

    #[test]
    fn a_line_is_cut_at_the_border_and_nan_leaves_a_gap() {
        let mut canvas = Canvas::new(100.0, 50.0);
        let values = [
            (0.0, 1.0),
            (1.0, 1.0),
            (2.0, f64::NAN),
            (3.0, 2.0),
            (4.0, 8.0),
            (5.0, 2.0),
        ];
        plot().line(&mut canvas, values, Stroke::solid(INK, 1.0));
        let drawn = paths(&canvas);
        assert_eq!(drawn.len(), 3, "{drawn:?}");
        assert_eq!(drawn[0], [(0.0, 40.0), (10.0, 40.0)]);
        assert_eq!(drawn[1], [(30.0, 30.0), (35.0, 0.0)]);
        assert_eq!(drawn[2], [(45.0, 0.0), (50.0, 30.0)]);
    }

    #[test]
    fn equal_scale_gives_both_axes_the_same_px_a_unit() {
        let plot = Plot::equal(plot().area, Range::new(0.0, 1.0), Range::new(-2.0, 2.0));
        assert_eq!(plot.x.size() / plot.area.w, plot.y.size() / plot.area.h);
        assert_eq!(plot.y, Range::new(-2.0, 2.0));
    }

    #[test]
    fn thinning_keeps_the_ends_and_every_extreme() {
        let points: Vec<Point> = (0..50_000)
            .map(|i| (f64::from(i) * 0.005, f64::from(i * 7919 % 1000)))
            .collect();
        let kept = thinned(&points);
        assert!(kept.len() <= 4 * 501, "{}", kept.len());
        assert_eq!((kept[0], kept[kept.len() - 1]), (points[0], points[49_999]));
        let range = |p: &[Point]| Range::cover(p.iter().map(|p| p.1), 0.0);
        assert_eq!(range(&kept), range(&points));
    }

    #[test]
    fn the_unit_of_a_label_is_in_its_last_brackets() {
        assert_eq!(unit("velocity (x) (px/s)"), Some("px/s"));
        assert_eq!(unit("latent 1"), None);
    }
}
