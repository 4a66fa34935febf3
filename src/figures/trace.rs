//! What is drawn inside a pair of axes: lines, bands, dots and markers, cut at its border.

use super::canvas::{Canvas, Point, Rect, Shape};
use super::pixels;
use super::plot::Plot;
use super::style::{Look, Stroke};
use plotters::style::RGBColor;

impl Plot {
    fn inside(&self, (x, y): Point) -> bool {
        let slack = 0.01;
        x >= self.area.x - slack
            && x <= self.area.right() + slack
            && y >= self.area.y - slack
            && y <= self.area.bottom() + slack
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
    use super::super::range::Range;
    use super::super::style::INK;
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
}
