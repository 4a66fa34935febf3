//! Where the search for a law's parameters starts: a grid where the surface has many valleys, geometry where it tells.

use super::clip::median;
use super::laws::Law;
use super::least_squares::{Fit, Path, Series, fit};
use nalgebra::{Matrix3, Vector3};
use std::f64::consts::{PI, TAU};

/// The best fit of a law from all its starts; `None` where the codes give it no start (a bounce without an impact, an
/// angle without an arc).
pub(super) fn best(law: Law, path: &Path) -> Option<Fit> {
    let mut all = starts(law, path);
    // The more promising half of many starts is enough to go on from.
    if all.len() > 4 {
        let fixed: Vec<usize> = (0..law.constants().len()).collect();
        let mut tried: Vec<Fit> = all
            .into_iter()
            .map(|start| match law {
                Law::Relaxation | Law::SecondOrder => fit(law, start, path, &fixed),
                _ => fit(law, start, path, &[]),
            })
            .collect();
        tried.sort_by(|a, b| a.rss.total_cmp(&b.rss));
        tried.truncate(4);
        all = tried.into_iter().map(|fit| fit.parameters).collect();
    }
    let fits = all.into_iter().map(|start| fit(law, start, path, &[]));
    let usable = fits.filter(|fit| fit.rss.is_finite());
    usable.min_by(|a, b| a.rss.total_cmp(&b.rss))
}

/// Frames that count, with their times: (frame, code).
fn told(series: &Series, size: usize) -> impl Iterator<Item = (usize, &[f64])> {
    let rows = series.values.chunks_exact(size).enumerate();
    rows.filter(|(t, _)| series.counts[*t])
}

/// For each clip the first code and the mean velocity between its first and last.
fn ends(path: &Path) -> Vec<(Vec<f64>, Vec<f64>)> {
    let size = path.size;
    let each = path.clips.iter().map(|series| {
        let all: Vec<_> = told(series, size).collect();
        let (Some(first), Some(last)) = (all.first(), all.last()) else {
            return (vec![0.0; size], vec![0.0; size]);
        };
        let time = (last.0 - first.0).max(1) as f64 * path.dt;
        let pairs = first.1.iter().zip(last.1);
        (
            first.1.to_vec(),
            pairs.map(|(a, b)| (b - a) / time).collect(),
        )
    });
    each.collect()
}

/// The time that the longest clip takes, s.
fn duration(path: &Path) -> f64 {
    let most = path.clips.iter().map(|clip| clip.counts.len()).max();
    most.unwrap_or(0) as f64 * path.dt
}

fn starts(law: Law, path: &Path) -> Vec<Vec<f64>> {
    let ends = ends(path);
    let own = |velocities: bool| -> Vec<f64> {
        let each = ends.iter().flat_map(|(first, velocity)| {
            let more = if velocities { velocity.as_slice() } else { &[] };
            first.iter().chain(more).copied()
        });
        each.collect()
    };
    let last: Vec<f64> = (0..path.size)
        .map(|d| {
            median(
                path.clips
                    .iter()
                    .filter_map(|c| Some(told(c, path.size).last()?.1[d])),
            )
        })
        .collect();
    let with = |shared: &[f64], own: Vec<f64>| [shared, &own].concat();
    match law {
        Law::Still => vec![own(false)],
        Law::Uniform => vec![own(true)],
        Law::Relaxation => (0..8)
            .map(|i| {
                let rate = 0.3 / duration(path) * 2f64.powi(i);
                with(&[&[rate], last.as_slice()].concat(), own(false))
            })
            .collect(),
        Law::SecondOrder => grid(path)
            .map(|(gamma0, gamma1)| {
                let shared = [&[gamma0, gamma1], last.as_slice()].concat();
                with(&shared, own(true))
            })
            .collect(),
        Law::Swing | Law::Pendulum => swinging(law, path).unwrap_or_default(),
        Law::FreeFall => {
            let bends: Vec<[f64; 2]> = path
                .clips
                .iter()
                .filter_map(|series| {
                    let both = [0, 1].map(|d| parabola(series, d, 0..series.counts.len(), path.dt));
                    Some([both[0]?[2], both[1]?[2]])
                })
                .collect();
            let [ax, ay] = [0, 1].map(|d| 2.0 * median(bends.iter().map(|bend| bend[d])));
            let shared = [ax.hypot(ay).max(1e-6), ax.atan2(ay)];
            match shared[0].is_finite() {
                true => vec![with(&shared, own(true))],
                false => Vec::new(),
            }
        }
        Law::Bounce => bouncing(path),
    }
}

/// (gamma0, gamma1) from a sixth of a period in the clip up to three frames a period, with six dampings.
fn grid(path: &Path) -> impl Iterator<Item = (f64, f64)> {
    let (slow, fast) = (TAU / (6.0 * duration(path)), TAU / (3.0 * path.dt));
    let count = ((fast / slow).ln() / 0.22).ceil().max(4.0) as usize;
    (0..=count).flat_map(move |i| {
        let root = slow * (fast / slow).powf(i as f64 / count as f64);
        [0.0, 0.1, 0.3, 0.7, 1.0, 2.0].map(|ratio| (root * root, 2.0 * ratio * root))
    })
}

/// Coefficients of the parabola nearest to one column of a clip in some frames: c0 + c1 t + c2 t², t from the start of
/// the clip.
fn parabola(
    series: &Series,
    column: usize,
    frames: std::ops::Range<usize>,
    dt: f64,
) -> Option<[f64; 3]> {
    let (mut square, mut right, mut count) = (Matrix3::zeros(), Vector3::zeros(), 0);
    // Around the middle of its frames: well conditioned.
    let middle = 0.5 * (frames.start + frames.end) as f64 * dt;
    for (t, code) in told(series, 2).filter(|(t, _)| frames.contains(t)) {
        let s = t as f64 * dt - middle;
        let row = Vector3::new(1.0, s, s * s);
        square += row * row.transpose();
        right += row * code[column];
        count += 1;
    }
    if count < 3 {
        return None;
    }
    let c = square.try_inverse()? * right;
    Some([
        c[0] - c[1] * middle + c[2] * middle * middle,
        c[1] - 2.0 * c[2] * middle,
        c[2],
    ])
}

/// The circle through all places (Kåsa's least squares): centre and radius.
fn circle(path: &Path) -> Option<([f64; 2], f64)> {
    let all = || path.clips.iter().flat_map(|c| told(c, 2).map(|(_, at)| at));
    let n = all().count() as f64;
    let mean = [0, 1].map(|d| all().map(|at| at[d]).sum::<f64>() / n);
    let (mut square, mut right) = (Matrix3::zeros(), Vector3::zeros());
    let mut widest: f64 = 0.0;
    for at in all() {
        let (x, y) = (at[0] - mean[0], at[1] - mean[1]);
        let row = Vector3::new(x, y, 1.0);
        square += row * row.transpose();
        right += row * (x * x + y * y);
        widest = widest.max(x.hypot(y));
    }
    let c = square.try_inverse()? * right;
    let (x, y) = (0.5 * c[0], 0.5 * c[1]);
    let radius = (c[2] + x * x + y * y).sqrt();
    (radius.is_finite() && radius < 50.0 * widest).then_some(([mean[0] + x, mean[1] + y], radius))
}

/// Angles about the centre of the circle, fitted by an oscillator first.
fn swinging(law: Law, path: &Path) -> Option<Vec<Vec<f64>>> {
    let (pivot, length) = circle(path)?;
    let clips: Vec<Series> = path
        .clips
        .iter()
        .map(|series| {
            let mut before: Option<f64> = None;
            let rows = series.values.chunks_exact(2).zip(&series.counts);
            let values = rows.map(|(at, &counts)| {
                if !counts {
                    return 0.0;
                }
                let own = (at[0] - pivot[0]).atan2(at[1] - pivot[1]);
                let angle = match before {
                    None => own,
                    Some(before) => before + (own - before + PI).rem_euclid(TAU) - PI,
                };
                before = Some(angle);
                angle
            });
            Series {
                values: values.collect(),
                counts: series.counts.clone(),
            }
        })
        .collect();
    let angles = Path {
        size: 1,
        dt: path.dt,
        clips,
    };
    let linear = best(Law::SecondOrder, &angles)?;
    let (gamma0, gamma1, rest) = (
        linear.parameters[0],
        linear.parameters[1],
        linear.parameters[2],
    );
    let own = &linear.parameters[3..];
    let factors: &[f64] = match law {
        Law::Pendulum => &[1.0, 1.15, 1.4],
        _ => &[1.0],
    };
    Some(
        factors
            .iter()
            .map(|factor| {
                let mut start = vec![gamma0 * factor, gamma1, pivot[0], pivot[1], length, rest];
                start.extend(own);
                start
            })
            .collect(),
    )
}

/// Flights between impacts: where the vertical velocity turns from down to up between two frames.
fn bouncing(path: &Path) -> Vec<Vec<f64>> {
    let dt = path.dt;
    // The flights of every clip, as ranges of frames, and the fall in each.
    let flights: Vec<Vec<std::ops::Range<usize>>> = path.clips.iter().map(flights).collect();
    if flights.iter().all(|all| all.len() < 2) {
        return Vec::new();
    }
    let curves: Vec<Vec<Option<[f64; 3]>>> = path
        .clips
        .iter()
        .zip(&flights)
        .map(|(series, all)| {
            let each = all
                .iter()
                .map(|range| parabola(series, 1, range.clone(), dt));
            each.collect()
        })
        .collect();
    let long = |range: &std::ops::Range<usize>| range.len() >= 5;
    let falls = flights.iter().zip(&curves).flat_map(|(ranges, curves)| {
        let both = ranges.iter().zip(curves);
        both.filter(|(range, _)| long(range))
            .filter_map(|(_, curve)| Some(2.0 * (*curve)?[2]))
    });
    let gravity = median(falls.filter(|fall| *fall > 0.0));
    if !gravity.is_finite() {
        return Vec::new();
    }
    // Impacts: where two flights meet, with the speeds before and after.
    let (mut ratios, mut floors) = (Vec::new(), Vec::new());
    for (ranges, curves) in flights.iter().zip(&curves) {
        for (pair, ranges) in curves.windows(2).zip(ranges.windows(2)) {
            let (Some(a), Some(b)) = (pair[0], pair[1]) else {
                continue;
            };
            let about = 0.5 * (ranges[0].end + ranges[1].start) as f64 * dt - 0.5 * dt;
            let Some(time) = meeting(a, b, about, dt) else {
                continue;
            };
            let speed = |c: [f64; 3]| c[1] + 2.0 * c[2] * time;
            let (before, after) = (speed(a), speed(b));
            if before > 0.0 && after < 0.0 {
                ratios.push(-after / before);
                floors.push(a[0] + a[1] * time + a[2] * time * time);
            }
        }
    }
    let lowest = path
        .clips
        .iter()
        .flat_map(|series| told(series, 2).map(|(_, at)| at[1]))
        .fold(f64::NEG_INFINITY, f64::max);
    let mut candidates = vec![(0.9, lowest), (0.7, lowest), (0.5, lowest)];
    if !ratios.is_empty() {
        candidates.insert(0, (median(ratios), median(floors).max(lowest)));
    }
    let own: Vec<f64> = path
        .clips
        .iter()
        .zip(&flights)
        .zip(&curves)
        .flat_map(|((series, ranges), curves)| {
            let first = ranges.first().cloned().unwrap_or(0..0);
            let across = parabola(series, 0, first, dt).unwrap_or_default();
            let up = curves.first().copied().flatten();
            let at = told(series, 2)
                .next()
                .map_or([0.0; 2], |(_, at)| [at[0], at[1]]);
            let up = up.unwrap_or([at[1], 0.0, 0.0]);
            [at[0], up[0], across[1], up[1]]
        })
        .collect();
    candidates
        .into_iter()
        .map(|(restitution, floor)| {
            let mut start = vec![gravity, restitution, 1.0, floor];
            start.extend(&own);
            start
        })
        .collect()
}

/// Ranges of frames between impacts.
fn flights(series: &Series) -> Vec<std::ops::Range<usize>> {
    let frames: Vec<(usize, f64)> = told(series, 2).map(|(t, at)| (t, at[1])).collect();
    let mut cuts = Vec::new();
    // At an impact the velocity jumps up by far more than gravity bends it down elsewhere.
    let bends: Vec<f64> = frames
        .windows(3)
        .map(|w| {
            let (before, after) = ((w[1].0 - w[0].0) as f64, (w[2].0 - w[1].0) as f64);
            (w[2].1 - w[1].1) / after - (w[1].1 - w[0].1) / before
        })
        .collect();
    let usual = median(bends.iter().map(|bend| bend.abs()));
    for (i, &bend) in bends.iter().enumerate() {
        let sharp = bend < -4.0 * usual
            && (i == 0 || bend <= bends[i - 1])
            && (i + 1 == bends.len() || bend < bends[i + 1]);
        if sharp {
            cuts.push(i + 1);
        }
    }
    let mut out = Vec::new();
    let mut from = 0;
    for cut in cuts.into_iter().chain([frames.len()]) {
        // The frame at the cut lies on either side of the impact: it belongs to none.
        if cut > from {
            out.push(frames[from].0..frames[cut - 1].0 + 1);
        }
        from = (cut + 1).min(frames.len());
    }
    out
}

/// The time near `about` at which two parabolas meet.
fn meeting(a: [f64; 3], b: [f64; 3], about: f64, dt: f64) -> Option<f64> {
    let c = [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
    let mut time = about;
    for _ in 0..30 {
        let value = c[0] + c[1] * time + c[2] * time * time;
        let slope = c[1] + 2.0 * c[2] * time;
        if slope == 0.0 {
            return None;
        }
        time -= value / slope;
    }
    ((time - about).abs() < 3.0 * dt).then_some(time)
}
