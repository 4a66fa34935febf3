//! Exact area of a shape inside each pixel of a grid.
//!
//! Discs and rectangles have a closed form for A(x, y), the area of the part of the shape left of x and above y; a pixel's
//! share is the mixed difference of A over its four corners. For polygons every edge adds, row by row, the signed area
//! between itself and the right border; their running sum is each pixel's share. So coverage is exact up to rounding, about
//! 1e-15 of the shape's area. The round ends of a capsule are polygons of the same area.

use crate::elementary::{acos, atan2, sin, sin_cos};

/// Area, left of x and above y, of the disc of radius r about the origin, given the areas `left` of the part left of x and
/// `above` of the part above y ([`segment`]); x and y already clamped to -r..=r.
///
/// Inside the disc A = (left + above)/2 - pi r^2/4 + x y (its mixed derivative is 1, and it is pi r^2/4 at the centre). Outside,
/// the quadrant that points away from the centre is empty, so A is made of whole segments.
fn disc_corner(radius: f64, x: f64, y: f64, left: f64, above: f64) -> f64 {
    let area = std::f64::consts::PI * radius * radius;
    if x * x + y * y < radius * radius {
        return 0.5 * (left + above) - 0.25 * area + x * y;
    }
    match (x > 0.0, y > 0.0) {
        (true, true) => left + above - area,
        (true, false) => above,
        (false, true) => left,
        (false, false) => 0.0,
    }
}

/// Area of the part of a disc left of x, x within -r..=r: pi r^2/2 + x h + r^2 atan(x/h), h = sqrt(r^2 - x^2) half the chord.
/// (Near x = r rounding of h cancels between the two terms; with asin(x/r) it would not, and cost 1e-9.)
fn segment(radius: f64, x: f64) -> f64 {
    let half_chord = ((radius - x) * (radius + x)).sqrt();
    radius * radius * (std::f64::consts::FRAC_PI_2 + atan2(x, half_chord)) + x * half_chord
}

/// The pixels from `low` to `high` that lie in `0..size`.
fn pixels(low: f64, high: f64, size: usize) -> std::ops::Range<usize> {
    let clamp = |edge: f64| edge.clamp(0.0, size as f64) as usize;
    clamp(low.floor())..clamp(high.ceil())
}

/// Buffers that are reused from shape to shape, so that drawing a frame allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Per column edge: x, the area left of it, A of the row edge above.
    columns: Vec<[f64; 3]>,
    /// A polygon's corners inside the frame, pixels, and the same while it is clipped.
    corners: Vec<[f64; 2]>,
    clipped: Vec<[f64; 2]>,
    /// Change of the signed area from pixel to pixel, rows of the polygon's box and one column more.
    changes: Vec<f64>,
}

/// Farthest that a capsule's round end and its polygon may be apart, pixels.
const SAGITTA: f64 = 0.01;

impl Scratch {
    /// Calls `paint(row, column, coverage)` for every pixel of a `width` x `height` grid that the disc may touch; centre
    /// (column, row) and radius in pixels, coverage 0..=1.
    pub fn disc(
        &mut self,
        [width, height]: [usize; 2],
        centre: [f64; 2],
        radius: f64,
        mut paint: impl FnMut(usize, usize, f64),
    ) {
        let columns = pixels(centre[0] - radius, centre[0] + radius, width);
        let rows = pixels(centre[1] - radius, centre[1] + radius, height);
        if columns.is_empty() || rows.is_empty() {
            return;
        }
        let offset = |edge: usize, middle: f64| (edge as f64 - middle).clamp(-radius, radius);
        let top = offset(rows.start, centre[1]);
        let above = segment(radius, top);
        self.columns.clear();
        self.columns.extend((columns.start..=columns.end).map(|j| {
            let x = offset(j, centre[0]);
            let left = segment(radius, x);
            [x, left, disc_corner(radius, x, top, left, above)]
        }));
        for i in rows {
            let y = offset(i + 1, centre[1]);
            let above = segment(radius, y);
            let mut previous = 0.0; // A below minus A above, at the pixel's left edge
            for (j, [x, left, corner]) in self.columns.iter_mut().enumerate() {
                let lower = disc_corner(radius, *x, y, *left, above);
                let strip = lower - *corner;
                *corner = lower;
                if j > 0 {
                    paint(i, columns.start + j - 1, (strip - previous).clamp(0.0, 1.0));
                }
                previous = strip;
            }
        }
    }
}

impl Scratch {
    /// As [`Scratch::disc`], for a capsule with ends (column, row).
    pub fn capsule(
        &mut self,
        size: [usize; 2],
        [a, b]: [[f64; 2]; 2],
        radius: f64,
        paint: impl FnMut(usize, usize, f64),
    ) {
        let half_turn = std::f64::consts::PI;
        let along = atan2(b[1] - a[1], b[0] - a[0]);
        let step = 2.0 * acos(1.0 - (SAGITTA / radius).min(1.0));
        let n = (half_turn / step).ceil().clamp(2.0, 200.0);
        let step = half_turn / n;
        let radius = radius * (step / sin(step)).sqrt(); // the area of the polygon is that of the disc
        self.corners.clear();
        for (centre, from) in [(b, along - 0.5 * half_turn), (a, along + 0.5 * half_turn)] {
            for k in 0..=n as usize {
                let (sin, cos) = sin_cos(from + k as f64 * step);
                self.corners
                    .push([centre[0] + radius * cos, centre[1] + radius * sin]);
            }
        }
        self.polygon_of_corners(size, paint);
    }

    /// As [`Scratch::disc`], for a polygon of corners (column, row) that does not cross itself.
    pub fn polygon(
        &mut self,
        size: [usize; 2],
        corners: impl Iterator<Item = [f64; 2]>,
        paint: impl FnMut(usize, usize, f64),
    ) {
        self.corners.clear();
        self.corners.extend(corners);
        self.polygon_of_corners(size, paint);
    }

    /// Sutherland and Hodgman's clipping of the corners by one border: those with `sign * (coordinate - limit) >= 0` stay.
    fn clip(&mut self, axis: usize, sign: f64, limit: f64) {
        let inside = |p: [f64; 2]| sign * (p[axis] - limit) >= 0.0;
        self.clipped.clear();
        let Some(&last) = self.corners.last() else {
            return;
        };
        let mut from = last;
        for &to in &self.corners {
            if inside(from) != inside(to) {
                let share = (limit - from[axis]) / (to[axis] - from[axis]);
                let mut cut = [0, 1].map(|k| from[k] + share * (to[k] - from[k]));
                cut[axis] = limit;
                self.clipped.push(cut);
            }
            if inside(to) {
                self.clipped.push(to);
            }
            from = to;
        }
        std::mem::swap(&mut self.corners, &mut self.clipped);
    }

    fn polygon_of_corners(
        &mut self,
        [width, height]: [usize; 2],
        mut paint: impl FnMut(usize, usize, f64),
    ) {
        for (axis, limit) in [(0, width as f64), (1, height as f64)] {
            self.clip(axis, 1.0, 0.0);
            self.clip(axis, -1.0, limit);
        }
        let least = |axis: usize| {
            self.corners
                .iter()
                .map(|c| c[axis])
                .fold(f64::MAX, f64::min)
        };
        let most = |axis: usize| {
            self.corners
                .iter()
                .map(|c| c[axis])
                .fold(f64::MIN, f64::max)
        };
        let columns = pixels(least(0), most(0), width);
        let rows = pixels(least(1), most(1), height);
        if self.corners.len() < 3 || columns.is_empty() || rows.is_empty() {
            return;
        }
        let line = columns.len() + 2;
        self.changes.clear();
        self.changes.resize(rows.len() * line, 0.0);
        let mut area = 0.0;
        let mut from = self.corners[self.corners.len() - 1];
        for &to in &self.corners {
            area += from[0] * to[1] - from[1] * to[0];
            let (sign, top, bottom) = match from[1] < to[1] {
                true => (1.0, from, to),
                false => (-1.0, to, from),
            };
            from = to;
            let slope = (bottom[0] - top[0]) / (bottom[1] - top[1]);
            if top[1] == bottom[1] {
                continue;
            }
            for row in rows.clone() {
                let (y0, y1) = (top[1].max(row as f64), bottom[1].min(row as f64 + 1.0));
                if y0 >= y1 {
                    continue;
                }
                let tall = sign * (y1 - y0);
                let x_at = |y: f64| {
                    (top[0] + slope * (y - top[1])).clamp(columns.start as f64, columns.end as f64)
                };
                let (x0, x1) = (x_at(y0), x_at(y1));
                let (left, right) = (x0.min(x1), x0.max(x1));
                let cells = &mut self.changes[(row - rows.start) * line..][..line];
                let (first, last) = (left.floor() as usize, right.ceil() as usize);
                for column in first..last.max(first + 1) {
                    // The piece of the edge over this column: its height, and how much of the pixel lies to its right.
                    let (l, r) = (left.max(column as f64), right.min(column as f64 + 1.0));
                    let share = if right > left {
                        (r - l) / (right - left)
                    } else {
                        1.0
                    };
                    let covered = tall * share * (column as f64 + 1.0 - 0.5 * (l + r));
                    cells[column - columns.start] += covered;
                    cells[column - columns.start + 1] += tall * share - covered;
                }
            }
        }
        let sign = -area.signum();
        for row in rows.clone() {
            let cells = &self.changes[(row - rows.start) * line..][..line];
            let mut sum = 0.0;
            for column in columns.clone() {
                sum += cells[column - columns.start];
                let coverage = (sign * sum).clamp(0.0, 1.0);
                if coverage > 0.0 {
                    paint(row, column, coverage);
                }
            }
        }
    }
}

/// As [`Scratch::disc`], for an upright rectangle: its first and last column (`x`) and row (`y`), pixels.
pub(crate) fn rectangle(
    [width, height]: [usize; 2],
    x: [f64; 2],
    y: [f64; 2],
    mut paint: impl FnMut(usize, usize, f64),
) {
    let overlap = |pixel: usize, [low, high]: [f64; 2]| {
        (high.min(pixel as f64 + 1.0) - low.max(pixel as f64)).max(0.0)
    };
    for i in pixels(y[0], y[1], height) {
        let tall = overlap(i, y);
        for j in pixels(x[0], x[1], width) {
            paint(i, j, tall * overlap(j, x));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Coverage of one pixel by counting a 400 x 400 grid of points: off by at most a boundary strip, 4/400.
    fn counted(centre: [f64; 2], radius: f64, i: usize, j: usize) -> f64 {
        let n = 400;
        let mut inside = 0;
        for a in 0..n {
            for b in 0..n {
                let y = i as f64 + (a as f64 + 0.5) / n as f64 - centre[1];
                let x = j as f64 + (b as f64 + 0.5) / n as f64 - centre[0];
                inside += usize::from(x * x + y * y <= radius * radius);
            }
        }
        inside as f64 / (n * n) as f64
    }

    #[test]
    fn disc_coverage_is_the_area_counted_point_by_point() {
        for (centre, radius) in [
            ([8.3, 7.9], 3.0),
            ([8.0, 8.0], 0.4),
            ([7.5, 8.2], 0.6),
            ([0.5, 15.8], 4.7), // cut by the frame
        ] {
            let mut scratch = Scratch::default();
            let mut covered = vec![0.0; 256];
            scratch.disc([16, 16], centre, radius, |i, j, c| covered[16 * i + j] = c);
            for i in 0..16 {
                for j in 0..16 {
                    let want = counted(centre, radius, i, j);
                    let got = covered[16 * i + j];
                    assert!(
                        (got - want).abs() < 0.002,
                        "{centre:?} {radius} ({i}, {j}): {got} {want}"
                    );
                }
            }
        }
    }

    #[test]
    fn disc_coverage_adds_up_to_the_area_and_its_centroid_is_the_centre() {
        let mut scratch = Scratch::default();
        for k in 0..200 {
            let centre = [16.0 + 0.37 * k as f64 % 1.0, 15.0 + 0.73 * k as f64 % 1.0];
            let radius = 0.2 + 0.05 * k as f64;
            let (mut area, mut column, mut row) = (0.0, 0.0, 0.0);
            scratch.disc([32, 32], centre, radius, |i, j, c| {
                area += c;
                column += c * (j as f64 + 0.5);
                row += c * (i as f64 + 0.5);
            });
            let want = std::f64::consts::PI * radius * radius;
            assert!(
                (area - want).abs() < 1e-12 * (1.0 + want),
                "area {area}, want {want}"
            );
            // A pixel's share is put at the pixel's centre, not at its own centroid: measured 0.0073 px from radius 3 on, half
            // of that from 4.5 on, 0.023 at 1.
            let error = (column / area - centre[0]).hypot(row / area - centre[1]);
            if radius >= 3.0 {
                assert!(error < 0.01, "radius {radius}: centroid off by {error}");
            }
        }
    }

    /// Area of a polygon's overlap with every pixel, by clipping the polygon to the pixel and the shoelace formula.
    fn clipped_area(corners: &[[f64; 2]], i: usize, j: usize) -> f64 {
        let mut scratch = Scratch {
            corners: corners.to_vec(),
            ..Scratch::default()
        };
        for (axis, low) in [(0, j as f64), (1, i as f64)] {
            scratch.clip(axis, 1.0, low);
            scratch.clip(axis, -1.0, low + 1.0);
        }
        let c = &scratch.corners;
        let cross = |k: usize| {
            let ([ax, ay], [bx, by]) = (c[k], c[(k + 1) % c.len()]);
            ax * by - ay * bx
        };
        0.5 * (0..c.len()).map(cross).sum::<f64>().abs()
    }

    #[test]
    fn polygon_coverage_is_the_overlap_with_each_pixel_whichever_way_round_and_also_cut_by_the_frame()
     {
        let mut rng = 1u64;
        let mut next = || {
            rng = rng.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (rng >> 33) as f64 / (1u64 << 31) as f64
        };
        for case in 0..300 {
            // A star-shaped polygon around a point, partly outside of the 16 x 16 frame.
            let (cx, cy, n) = (-2.0 + 20.0 * next(), -2.0 + 20.0 * next(), 3 + case % 6);
            let mut corners: Vec<[f64; 2]> = (0..n)
                .map(|k| {
                    let (turn, r) = (
                        std::f64::consts::TAU * (k as f64 + 0.9 * next()) / n as f64,
                        0.5 + 6.0 * next(),
                    );
                    [cx + r * turn.cos(), cy + r * turn.sin()]
                })
                .collect();
            if case % 2 == 0 {
                corners.reverse();
            }
            let mut scratch = Scratch::default();
            let mut covered = vec![0.0; 256];
            scratch.polygon([16, 16], corners.iter().copied(), |i, j, c| {
                covered[16 * i + j] = c
            });
            for i in 0..16 {
                for j in 0..16 {
                    let want = clipped_area(&corners, i, j);
                    let got = covered[16 * i + j];
                    assert!(
                        (got - want).abs() < 1e-12,
                        "{case} ({i}, {j}): {got} {want}"
                    );
                }
            }
        }
    }

    #[test]
    fn capsule_coverage_is_the_area_counted_point_by_point_and_adds_up() {
        for (a, b, radius) in [
            ([4.3, 5.1], [11.2, 9.7], 1.7),
            ([8.0, 8.0], [8.0, 8.0], 3.0),
            ([2.0, 12.0], [13.0, 12.0], 0.3),
        ] {
            let mut scratch = Scratch::default();
            let mut covered = vec![0.0; 256];
            scratch.capsule([16, 16], [a, b], radius, |i, j, c| covered[16 * i + j] = c);
            let (dx, dy): (f64, f64) = (b[0] - a[0], b[1] - a[1]);
            let length = dx.hypot(dy);
            let want = std::f64::consts::PI * radius * radius + 2.0 * radius * length;
            let got: f64 = covered.iter().sum();
            // The arcs have the disc's area; where they meet the straight sides they stand out by less than a sagitta.
            assert!(
                (got - want).abs() < 0.01 * (1.0 + 2.0 * length),
                "{got} {want}"
            );
            let n = 200;
            for i in 0..16 {
                for j in 0..16 {
                    let mut inside = 0;
                    for k in 0..n * n {
                        let x = j as f64 + ((k % n) as f64 + 0.5) / n as f64;
                        let y = i as f64 + ((k / n) as f64 + 0.5) / n as f64;
                        let along =
                            ((x - a[0]) * dx + (y - a[1]) * dy) / (length * length).max(1e-300);
                        let t = along.clamp(0.0, 1.0);
                        let d = (x - a[0] - t * dx).hypot(y - a[1] - t * dy);
                        inside += usize::from(d <= radius);
                    }
                    let want = inside as f64 / (n * n) as f64;
                    let got = covered[16 * i + j];
                    // 0.01 of sagitta along at most 1.5 px of border, and 1/200 by counting.
                    assert!((got - want).abs() < 0.02, "({i}, {j}): {got} {want}");
                }
            }
        }
    }

    #[test]
    fn rectangle_coverage_is_the_overlap() {
        let mut area = 0.0;
        rectangle([8, 8], [1.25, 3.5], [-2.0, 2.5], |_, _, c| area += c);
        assert!((area - 2.25 * 2.5).abs() < 1e-12);
    }
}
