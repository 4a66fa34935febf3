//! Exact area of a shape inside each pixel of a grid.
//!
//! Both shapes have a closed form for A(x, y), the area of the part of the shape left of x and above y; a pixel's share is
//! the mixed difference of A over its four corners. So coverage is exact up to rounding, about 1e-15 of the shape's area.

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
    radius * radius * (std::f64::consts::FRAC_PI_2 + x.atan2(half_chord)) + x * half_chord
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
}

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

    #[test]
    fn rectangle_coverage_is_the_overlap() {
        let mut area = 0.0;
        rectangle([8, 8], [1.25, 3.5], [-2.0, 2.5], |_, _, c| area += c);
        assert!((area - 2.25 * 2.5).abs() < 1e-12);
    }
}
