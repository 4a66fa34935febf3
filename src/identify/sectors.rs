//! The size of a body that stays, when something hides a part of it or passes by: sector by sector around its centre.

use super::clip::median;
use super::regions::Grid;
use nalgebra::{Matrix3, Vector3};
use std::f64::consts::{PI, TAU};

/// Sectors around the centre.
const SECTORS: usize = 16;
/// Samples a side of a pixel that lies in several sectors.
const FINE: usize = 4;

/// Covered pixels of a frame, each with its share.
pub(super) type Cover = Vec<(usize, f64)>;

/// The centre of a round region: that of the circle through its border (Kåsa's least squares), border that lies off it
/// left out. `None` where less than half of the border is left.
pub(super) fn centre(region: &[bool], (width, height): Grid) -> Option<[f64; 2]> {
    let inside = |x: usize, y: usize| x < width && y < height && region[y * width + x];
    let mut border: Vec<[f64; 2]> = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let open = [
                (x.wrapping_sub(1), y),
                (x + 1, y),
                (x, y.wrapping_sub(1)),
                (x, y + 1),
            ];
            if inside(x, y) && open.iter().any(|&(x, y)| !inside(x, y)) {
                border.push([x as f64 + 0.5, y as f64 + 0.5]);
            }
        }
    }
    // Least median of distances over circles through three points: a straight cut does not bend it.
    let n = border.len();
    if n < 12 {
        return None;
    }
    let off = |p: &[f64; 2], ([x, y], radius): ([f64; 2], f64)| {
        ((p[0] - x).hypot(p[1] - y) - radius).abs()
    };
    let typical = |found| median(border.iter().map(|p| off(p, found)));
    let through = |i: usize| {
        circle(&[
            border[i],
            border[(i + n / 3) % n],
            border[(i + 2 * n / 3) % n],
        ])
    };
    let best = (0..n)
        .step_by(n.div_ceil(200))
        .filter_map(through)
        .map(|found| (typical(found), found))
        .min_by(|a, b| a.0.total_cmp(&b.0))?;
    let near = (3.0 * best.0).max(0.8);
    let kept: Vec<[f64; 2]> = border
        .iter()
        .copied()
        .filter(|p| off(p, best.1) <= near)
        .collect();
    match 2 * kept.len() >= n {
        true => circle(&kept).map(|(at, _)| at),
        false => None,
    }
}

fn circle(points: &[[f64; 2]]) -> Option<([f64; 2], f64)> {
    let n = points.len() as f64;
    let mean = [0, 1].map(|d| points.iter().map(|p| p[d]).sum::<f64>() / n);
    let (mut square, mut right) = (Matrix3::zeros(), Vector3::zeros());
    for p in points {
        let (x, y) = (p[0] - mean[0], p[1] - mean[1]);
        let row = Vector3::new(x, y, 1.0);
        square += row * row.transpose();
        right += row * (x * x + y * y);
    }
    let c = square.try_inverse()? * right;
    let (x, y) = (0.5 * c[0], 0.5 * c[1]);
    let radius = (c[2] + x * x + y * y).sqrt();
    radius
        .is_finite()
        .then_some(([mean[0] + x, mean[1] + y], radius))
}

/// Radius of a disc of the body's area in every frame, NaN where nothing is covered. A sector whose own radius does not
/// go with that of the others (it is hidden, or something passes by) is taken for what the others say.
pub(super) fn sizes(covers: &[Cover], [x, y]: [f64; 2], width: usize) -> Vec<f64> {
    let slice = TAU / SECTORS as f64;
    let sector = |px: f64, py: f64| {
        let angle = (py - y).atan2(px - x) + PI;
        ((angle / slice) as usize).min(SECTORS - 1)
    };
    let areas: Vec<Option<[f64; SECTORS]>> = covers
        .iter()
        .map(|cover| {
            let mut out = [0.0; SECTORS];
            for &(i, share) in cover {
                let (left, top) = ((i % width) as f64, (i / width) as f64);
                for k in 0..FINE * FINE {
                    let part = |k: usize| (k as f64 + 0.5) / FINE as f64;
                    let at = sector(left + part(k % FINE), top + part(k / FINE));
                    out[at] += share / (FINE * FINE) as f64;
                }
            }
            (out.iter().sum::<f64>() > 0.5).then_some(out)
        })
        .collect();
    let radius = |area: f64| (2.0 * area.max(0.0) / slice).sqrt();
    let frames: Vec<&[f64; SECTORS]> = areas.iter().flatten().collect();
    // A sector's usual radius beside the median one, and how far from that it is over time.
    let mut shape = [1.0; SECTORS];
    let mut trusted = [true; SECTORS];
    let common = |areas: &[f64; SECTORS], shape: &[f64; SECTORS], trusted: &[bool; SECTORS]| {
        let all = (0..SECTORS).filter(|&k| trusted[k] && shape[k] > 0.05);
        median(all.map(|k| radius(areas[k]) / shape[k]))
    };
    let ratio = |areas: &[f64; SECTORS], k: usize, own: f64| radius(areas[k]) / own;
    for _ in 0..3 {
        let own: Vec<f64> = frames
            .iter()
            .map(|areas| common(areas, &shape, &trusted).max(1e-6))
            .collect();
        let mut spreads = [0.0; SECTORS];
        for k in 0..SECTORS {
            let all = || {
                frames
                    .iter()
                    .zip(&own)
                    .map(|(areas, own)| ratio(areas, k, *own))
            };
            shape[k] = median(all());
            let bend = |r: f64| (r / shape[k].max(0.05) - 1.0).powi(2);
            spreads[k] = (all().map(bend).sum::<f64>() / frames.len().max(1) as f64).sqrt();
        }
        let usual = median(spreads);
        for k in 0..SECTORS {
            trusted[k] = spreads[k] <= (3.0 * usual).max(0.04);
        }
    }
    let kept = trusted.iter().filter(|&&t| t).count();
    let shapes = (0..SECTORS).filter(|&k| trusted[k]).map(|k| shape[k]);
    let typical = median(shapes);
    areas
        .iter()
        .map(|areas| {
            let Some(areas) = areas else {
                return f64::NAN;
            };
            let plain = areas.iter().sum::<f64>();
            if 2 * kept < SECTORS {
                return (plain / PI).sqrt();
            }
            let own = common(areas, &shape, &trusted);
            let off: Vec<f64> = (0..SECTORS)
                .map(|k| ratio(areas, k, own * shape[k].max(0.05)) - 1.0)
                .collect();
            let usual = median((0..SECTORS).filter(|&k| trusted[k]).map(|k| off[k].abs()));
            let most = (6.0 * usual).max(0.04);
            let area: f64 = (0..SECTORS)
                .map(|k| match (trusted[k], off[k].abs() <= most) {
                    (true, true) => areas[k],
                    (true, false) => 0.5 * slice * (own * shape[k]).powi(2),
                    (false, _) => 0.5 * slice * (own * typical).powi(2),
                })
                .sum();
            (area / PI).sqrt()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shares of pixels that a disc covers, without what lies between two columns.
    fn disc(radius: f64, hidden: (usize, usize)) -> Cover {
        let inside = |x: f64, y: f64| (x - 20.2).hypot(y - 19.7) < radius;
        let cover = (0..40 * 40).map(|i| {
            let (x, y) = ((i % 40) as f64, (i / 40) as f64);
            let part = |k: usize| (k as f64 + 0.5) / 8.0;
            let count = (0..64).filter(|k| inside(x + part(k % 8), y + part(k / 8)));
            (i, count.count() as f64 / 64.0)
        });
        cover
            .filter(|(i, share)| *share > 0.0 && !(hidden.0..hidden.1).contains(&(i % 40)))
            .collect()
    }

    #[test]
    fn a_whole_disc_has_its_radius_and_one_behind_a_bar_nearly() {
        let radii: Vec<f64> = (0..12).map(|t| 8.0 + 0.7 * f64::from(t)).collect();
        let whole: Vec<Cover> = radii.iter().map(|&r| disc(r, (0, 0))).collect();
        let barred: Vec<Cover> = radii.iter().map(|&r| disc(r, (27, 31))).collect();
        for (r, found) in radii.iter().zip(sizes(&whole, [20.2, 19.7], 40)) {
            // Areas by 64 samples a pixel: a tenth of a pixel of 200.
            assert!((found - r).abs() < 0.01, "{found} {r}");
        }
        let found = sizes(&barred, [20.2, 19.7], 40);
        let scale = found[0] / radii[0];
        for (r, found) in radii.iter().zip(found) {
            // What is hidden costs up to a tenth of the area; sectors know it to 1 %.
            assert!((found / scale / r - 1.0).abs() < 0.01, "{found} {r}");
        }
    }

    #[test]
    fn the_centre_of_a_cut_disc_is_that_of_its_round_border() {
        let mut region = vec![false; 40 * 40];
        for (i, share) in disc(14.0, (28, 40)) {
            region[i] = share > 0.5;
        }
        let [x, y] = centre(&region, (40, 40)).unwrap();
        assert!((x - 20.2).abs() < 0.3 && (y - 19.7).abs() < 0.3, "{x} {y}");
    }
}
