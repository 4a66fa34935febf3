//! What an object looks like at any sub-pixel place: coverage and paint, tabulated.

use crate::error::{Error, Result};
use simulators::{Outline, Rectangle, Shape};

/// Point samples along a side of a table's cell: 64 along a pixel where a pixel has 16 cells.
const SAMPLES: usize = 4;

/// One object without its colour. At the offset (u right, v down) of a pixel's centre from the object's: `alpha`, the
/// share of the pixel's square that it covers, and `paint`, the mean brightness of that share (equal to alpha for an
/// even shape).
#[derive(Clone, Debug)]
pub struct Template {
    /// Offset of the table's first node, px.
    first: [f64; 2],
    /// Nodes a pixel.
    density: f64,
    /// Columns and rows.
    size: [usize; 2],
    /// (rows, columns).
    alpha: Vec<f32>,
    /// (1 or C; rows, columns); empty where it is alpha.
    paint: Vec<Vec<f32>>,
    area: f64,
    extent: f64,
}

/// Alpha or paint at an offset, and its derivatives with respect to u and v, 1/px.
pub(super) type Sample = [f64; 3];

impl Template {
    /// A disc of a radius, px.
    ///
    /// # Errors
    /// [`Error::Shape`] unless 0.3 <= radius <= 128.
    pub fn disc(radius: f64) -> Result<Self> {
        let inside = |x: f64, y: f64| (x * x + y * y <= radius * radius).then_some(1.0);
        Self::sampled("disc", radius, false, inside)
    }

    /// A filled polygon that does not cross itself, its corners (right, down) around the place that is to be found, px.
    /// It does not turn: an object that does has a template for every angle ([`super::Tracker::new`] takes several).
    ///
    /// # Errors
    /// [`Error::Shape`] for fewer than three corners, or where it is smaller than 0.3 px or larger than 128.
    pub fn polygon(corners: &[[f64; 2]]) -> Result<Self> {
        if corners.len() < 3 {
            let count = corners.len();
            return Err(Error::Shape(format!(
                "template: a polygon wants three corners or more, got {count}"
            )));
        }
        let far = corners
            .iter()
            .flatten()
            .fold(0.0, |far: f64, x| far.max(x.abs()));
        let inside = |x: f64, y: f64| in_polygon(corners, x, y).then_some(1.0);
        Self::sampled("polygon", far, false, inside)
    }

    /// What a world draws: shapes in world units (y up), painted one over another, around the world's point `centre`
    /// that is to be found; `scale` is the camera's pixels a unit. Their brightness is kept, one colour for all is
    /// fitted.
    ///
    /// # Errors
    /// [`Error::Shape`] where they cover nothing, or reach farther than 128 px.
    pub fn shapes(shapes: &[Shape], centre: [f64; 2], scale: f64) -> Result<Self> {
        let place = |[x, y]: [f64; 2]| [scale * (x - centre[0]), scale * (centre[1] - y)];
        let pixels: Vec<(Outline, f64)> = shapes
            .iter()
            .map(|shape| (in_pixels(&shape.outline, &place, scale), shape.brightness))
            .collect();
        let reach = |far: f64, (outline, _): &(Outline, f64)| far.max(reach(outline));
        let far = pixels.iter().fold(0.0, reach);
        let even = pixels.windows(2).all(|pair| pair[0].1 == pair[1].1);
        Self::sampled("shapes", far, !even, |x, y| {
            let top = pixels.iter().rev();
            let top = top.filter(|(outline, _)| contains(outline, x, y));
            top.map(|(_, brightness)| if even { 1.0 } else { *brightness })
                .next()
        })
    }

    /// A picture of `[C, H, W]` values around its middle, with its coverage (H, W) from 0 to 1; paint is already mixed
    /// with coverage (0 where alpha is 0). Between whole pixels it is the mean over the shifted pixel, which is
    /// bilinear.
    ///
    /// # Errors
    /// [`Error::Shape`] when the sizes do not fit or the picture is empty.
    pub fn picture(paint: &[f32], alpha: &[f32], [c, h, w]: [usize; 3]) -> Result<Self> {
        let pixels = h * w;
        if alpha.len() != pixels || paint.len() != c * pixels || c == 0 || pixels == 0 {
            return Err(Error::Shape(format!(
                "template: a picture of {c} x {h} x {w} wants {} values and {pixels} of coverage, got {} and {}",
                c * pixels,
                paint.len(),
                alpha.len()
            )));
        }
        let padded = |plane: &[f32]| {
            let mut out = vec![0.0; (h + 2) * (w + 2)];
            for (row, line) in plane.chunks_exact(w).enumerate() {
                out[(row + 1) * (w + 2) + 1..][..w].copy_from_slice(line);
            }
            out
        };
        let half = |side: usize| -0.5 * side as f64 - 0.5;
        let same = c == 1 && paint == alpha;
        let planes = paint.chunks_exact(pixels).map(padded);
        Self {
            first: [half(w), half(h)],
            density: 1.0,
            size: [w + 2, h + 2],
            alpha: padded(alpha),
            paint: if same { Vec::new() } else { planes.collect() },
            area: 0.0,
            extent: 0.5 * w.max(h) as f64,
        }
        .measured("picture")
    }

    /// Tabulates what `inside` says at points: cells of 1/16 px (coarser for what is large), summed over a pixel's
    /// square.
    fn sampled(
        what: &str,
        far: f64,
        painted: bool,
        inside: impl Fn(f64, f64) -> Option<f64>,
    ) -> Result<Self> {
        if !(0.3..=128.0).contains(&far) {
            return Err(Error::Shape(format!(
                "template: a {what} wants a reach of 0.3 to 128 px, got {far}"
            )));
        }
        let cells = match far {
            ..=6.0 => 16,
            ..=20.0 => 8,
            _ => 4,
        };
        let density = cells as f64;
        let reach = ((far + 0.5) * density).ceil() / density;
        let nodes = (2.0 * reach * density).round() as usize + 1;
        let side = nodes - 1 + cells;
        let from = -reach - 0.5;
        // Sums over all cells above and left, of coverage and of paint.
        let mut sums = vec![[0.0f64; 2]; (side + 1) * (side + 1)];
        let step = 1.0 / (density * SAMPLES as f64);
        for row in 0..side {
            let mut line = [0.0; 2];
            for column in 0..side {
                for k in 0..SAMPLES * SAMPLES {
                    let at =
                        |cell: usize, k: usize| from + step * ((cell * SAMPLES + k) as f64 + 0.5);
                    let hit = inside(at(column, k % SAMPLES), at(row, k / SAMPLES));
                    if let Some(brightness) = hit {
                        line[0] += 1.0;
                        line[1] += brightness;
                    }
                }
                let above = sums[row * (side + 1) + column + 1];
                sums[(row + 1) * (side + 1) + column + 1] =
                    [above[0] + line[0], above[1] + line[1]];
            }
        }
        let all = (cells * SAMPLES).pow(2) as f64;
        let table = |which: usize| -> Vec<f32> {
            let at = |row: usize, column: usize| sums[row * (side + 1) + column][which];
            let node = |k: usize| {
                let (i, j) = (k / nodes, k % nodes);
                let (below, right) = (i + cells, j + cells);
                ((at(below, right) - at(i, right) - at(below, j) + at(i, j)) / all) as f32
            };
            (0..nodes * nodes).map(node).collect()
        };
        Self {
            first: [-reach; 2],
            density,
            size: [nodes; 2],
            alpha: table(0),
            paint: if painted { vec![table(1)] } else { Vec::new() },
            area: 0.0,
            extent: far,
        }
        .measured(what)
    }

    fn measured(mut self, what: &str) -> Result<Self> {
        let sum: f64 = self.alpha.iter().map(|&a| f64::from(a)).sum();
        self.area = sum / self.density.powi(2);
        match self.area > 0.0 && self.area.is_finite() {
            true => Ok(self),
            false => Err(Error::Shape(format!(
                "template: this {what} covers nothing"
            ))),
        }
    }

    /// Area that it covers, px².
    pub fn area(&self) -> f64 {
        self.area
    }

    /// Largest distance from its place along an axis, px.
    pub fn extent(&self) -> f64 {
        self.extent
    }

    /// Channels that its paint tells apart: 1, or C for a picture in colours.
    pub fn channels(&self) -> usize {
        self.paint.len().max(1)
    }

    /// Alpha at an offset, and the paint of every channel into `paint`.
    pub(super) fn at(&self, u: f64, v: f64, paint: &mut [Sample]) -> Sample {
        let Some((corner, x, y)) = self.cell(u, v) else {
            paint.fill([0.0; 3]);
            return [0.0; 3];
        };
        let alpha = self.bilinear(&self.alpha, corner, x, y);
        match self.paint.is_empty() {
            true => paint.fill(alpha),
            false => {
                for (value, plane) in paint.iter_mut().zip(&self.paint) {
                    *value = self.bilinear(plane, corner, x, y);
                }
            }
        }
        alpha
    }

    /// The table's cell that an offset lies in, and where in it.
    fn cell(&self, u: f64, v: f64) -> Option<(usize, f64, f64)> {
        let x = (u - self.first[0]) * self.density;
        let y = (v - self.first[1]) * self.density;
        let [columns, rows] = self.size;
        let inside = x >= 0.0 && y >= 0.0 && x < (columns - 1) as f64 && y < (rows - 1) as f64;
        let (i, j) = (y as usize, x as usize);
        inside.then(|| (i * columns + j, x - j as f64, y - i as f64))
    }

    fn bilinear(&self, table: &[f32], corner: usize, x: f64, y: f64) -> Sample {
        let value = |k: usize| f64::from(table[k]);
        let (a, b) = (value(corner), value(corner + 1));
        let below = corner + self.size[0];
        let (c, d) = (value(below), value(below + 1));
        let (top, bottom) = (a + x * (b - a), c + x * (d - c));
        [
            top + y * (bottom - top),
            self.density * ((1.0 - y) * (b - a) + y * (d - c)),
            self.density * (bottom - top),
        ]
    }
}

fn in_polygon(corners: &[[f64; 2]], x: f64, y: f64) -> bool {
    let mut odd = false;
    for (k, b) in corners.iter().enumerate() {
        let a = &corners[(k + corners.len() - 1) % corners.len()];
        if (a[1] > y) != (b[1] > y) && x < a[0] + (y - a[1]) / (b[1] - a[1]) * (b[0] - a[0]) {
            odd = !odd;
        }
    }
    odd
}

fn in_pixels(outline: &Outline, place: &impl Fn([f64; 2]) -> [f64; 2], scale: f64) -> Outline {
    match outline {
        Outline::Disc { centre, radius } => Outline::Disc {
            centre: place(*centre),
            radius: scale * radius,
        },
        Outline::Rectangle(r) => {
            let corners = [
                [r.left, r.bottom],
                [r.right, r.bottom],
                [r.right, r.top],
                [r.left, r.top],
            ];
            Outline::Polygon(corners.map(place).to_vec())
        }
        Outline::Capsule { ends, radius } => Outline::Capsule {
            ends: ends.map(place),
            radius: scale * radius,
        },
        Outline::Polygon(corners) => {
            Outline::Polygon(corners.iter().map(|&corner| place(corner)).collect())
        }
        Outline::Soft { centre, radius } => Outline::Soft {
            centre: place(*centre),
            radius: scale * radius,
        },
        Outline::Picture { sides, picture } => {
            let (a, b) = (
                place([sides.left, sides.bottom]),
                place([sides.right, sides.top]),
            );
            Outline::Picture {
                sides: Rectangle {
                    left: a[0].min(b[0]),
                    bottom: a[1].min(b[1]),
                    right: a[0].max(b[0]),
                    top: a[1].max(b[1]),
                },
                picture: picture.clone(),
            }
        }
    }
}

/// Largest distance from the origin along an axis.
fn reach(outline: &Outline) -> f64 {
    let far = |point: &[f64; 2]| point[0].abs().max(point[1].abs());
    match outline {
        Outline::Disc { centre, radius } | Outline::Soft { centre, radius } => far(centre) + radius,
        Outline::Capsule { ends, radius } => far(&ends[0]).max(far(&ends[1])) + radius,
        Outline::Polygon(corners) => corners.iter().map(far).fold(0.0, f64::max),
        Outline::Rectangle(r) | Outline::Picture { sides: r, .. } => {
            far(&[r.left, r.bottom]).max(far(&[r.right, r.top]))
        }
    }
}

fn contains(outline: &Outline, x: f64, y: f64) -> bool {
    match outline {
        Outline::Disc { centre, radius } | Outline::Soft { centre, radius } => {
            (x - centre[0]).hypot(y - centre[1]) <= *radius
        }
        Outline::Rectangle(r) | Outline::Picture { sides: r, .. } => {
            x >= r.left && x <= r.right && y >= r.bottom && y <= r.top
        }
        Outline::Capsule {
            ends: [a, b],
            radius,
        } => {
            let along = [b[0] - a[0], b[1] - a[1]];
            let length = along[0].powi(2) + along[1].powi(2);
            let dot = (x - a[0]) * along[0] + (y - a[1]) * along[1];
            let share = if length > 0.0 {
                (dot / length).clamp(0.0, 1.0)
            } else {
                0.0
            };
            (x - a[0] - share * along[0]).hypot(y - a[1] - share * along[1]) <= *radius
        }
        Outline::Polygon(corners) => in_polygon(corners, x, y),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    fn alpha(template: &Template, u: f64, v: f64) -> f64 {
        template.at(u, v, &mut [[0.0; 3]])[0]
    }

    #[test]
    fn a_shape_covers_its_area_wherever_it_lies() {
        let triangle = [[-3.0, 2.0], [3.0, 2.0], [0.0, -2.5]];
        for (template, area) in [
            (Template::disc(3.0).unwrap(), 9.0 * PI),
            (Template::disc(12.5).unwrap(), 156.25 * PI),
            (Template::polygon(&triangle).unwrap(), 13.5),
        ] {
            // 64 or 32 points along a pixel: the boundary of some tens of px is off by a part of a point's 1/4096 px².
            assert!(
                (template.area() - area).abs() < 2e-3 * area,
                "{} {area}",
                template.area()
            );
            for (x, y) in [(0.0, 0.0), (0.31, -0.27), (0.5, 0.14)] {
                let far = template.extent().ceil() as i32 + 1;
                let pixels = (-far..=far).flat_map(|i| (-far..=far).map(move |j| (i, j)));
                let sum: f64 = pixels
                    .map(|(i, j)| alpha(&template, f64::from(j) - x, f64::from(i) - y))
                    .sum();
                assert!((sum - area).abs() < 3e-3 * area, "{sum} {area} at {x} {y}");
            }
        }
    }

    #[test]
    fn derivatives_are_those_of_the_value() {
        let template = Template::disc(3.0).unwrap();
        // Both points inside one cell of 1/16 px, where the table is bilinear and the difference exact.
        let (u, v, e) = (2.99, 0.53, 1e-4);
        let [_, du, dv] = template.at(u, v, &mut [[0.0; 3]]);
        let slope = |a: f64, b: f64| (a - b) / (2.0 * e);
        let want = slope(alpha(&template, u + e, v), alpha(&template, u - e, v));
        assert!((du - want).abs() < 1e-6, "{du} {want}");
        let want = slope(alpha(&template, u, v + e), alpha(&template, u, v - e));
        assert!((dv - want).abs() < 1e-6, "{dv} {want}");
    }

    #[test]
    fn a_picture_comes_back_at_whole_pixels_and_is_the_mean_of_neighbours_between() {
        let plane = [0.2, 0.8, 0.0, 1.0, 0.4, 0.6];
        let template = Template::picture(&plane, &plane, [1, 2, 3]).unwrap();
        assert!((alpha(&template, -1.0, -0.5) - 0.2).abs() < 1e-6);
        assert!((alpha(&template, 0.0, 0.5) - 0.4).abs() < 1e-6);
        assert!((alpha(&template, -0.5, -0.5) - 0.5).abs() < 1e-6);
        assert!((template.area() - 3.0).abs() < 1e-6);
    }

    #[test]
    fn what_cannot_be_a_template_is_refused_with_the_reason() {
        assert!(
            Template::disc(0.0)
                .unwrap_err()
                .to_string()
                .contains("0.3 to 128")
        );
        assert!(Template::disc(f64::NAN).is_err());
        assert!(
            Template::polygon(&[[0.0, 1.0]])
                .unwrap_err()
                .to_string()
                .contains("three")
        );
        let none = Template::picture(&[0.0; 4], &[0.0; 4], [1, 2, 2]).unwrap_err();
        assert!(none.to_string().contains("covers nothing"), "{none}");
        assert!(Template::picture(&[0.0; 3], &[0.0; 4], [1, 2, 2]).is_err());
    }
}
