//! Are long generated clips still possible: the right number of objects, energy kept, nothing through walls or each
//! other, true speeds?

use super::futures::Futures;
use crate::error::{Error, Result};

/// What must hold in a world.
#[derive(Clone, Debug, PartialEq)]
pub struct World {
    /// Where the edges of objects may be, `[left, right, top, bottom]`, px from the frame's corner (y down).
    pub room: [f64; 4],
    /// Radius of every object, px, (K).
    pub radii: Vec<f64>,
    /// Acceleration that acts on all, px/frame² (x right, y down); its potential is part of the energy.
    pub gravity: [f64; 2],
}

/// What holds at one frame ahead, over contexts and samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Validity {
    /// Share of frames in which all K objects are found.
    pub complete: f64,
    /// Mean over clips of (E_h - E_1) / E_1, E = Σ_k (|v_k|² / 2 - g·x_k) of unit masses with v by differences of
    /// neighbouring frames and gravity's potential measured from the room's bottom; of clips in which both are known.
    pub energy_drift: f64,
    /// Mean of |E_h - E_1| / E_1, which drifts of both signs cannot hide.
    pub energy_change: f64,
    /// Mean over found objects of how deep each is in a wall, px.
    pub wall: f64,
    /// Deepest of them, px.
    pub deepest_wall: f64,
    /// Mean over found pairs of how far they overlap, max(0, r_i + r_j - distance), px; 0 for one object.
    pub overlap: f64,
    /// Largest overlap, px.
    pub largest_overlap: f64,
}

/// [`Validity`] at every frame ahead, (H); the first frame has no velocity, so its energies are those of the second.
///
/// # Errors
/// [`Error::Shape`] for other than K radii, or fewer than two frames.
pub fn validity(futures: &Futures, world: &World) -> Result<Vec<Validity>> {
    let [n, samples, horizon, d] = futures.sizes();
    let objects = d / 2;
    if world.radii.len() != objects || horizon < 2 {
        return Err(Error::Shape(format!(
            "validity: want a radius for each of {objects} objects and 2 frames or more, got {} radii and {horizon} frames",
            world.radii.len()
        )));
    }
    let energy = |i: usize, s: usize, h: usize| {
        let (before, now) = (futures.at(i, s, h - 1), futures.at(i, s, h));
        let [left, _, _, bottom] = world.room;
        let one = |k: usize| {
            let (vx, vy) = (
                now[2 * k] - before[2 * k],
                now[2 * k + 1] - before[2 * k + 1],
            );
            // The place in the middle of the two, where v is the velocity.
            let x = 0.5 * (now[2 * k] + before[2 * k]) - left;
            let y = 0.5 * (now[2 * k + 1] + before[2 * k + 1]) - bottom;
            0.5 * (vx * vx + vy * vy) - world.gravity[0] * x - world.gravity[1] * y
        };
        (0..objects).map(one).sum::<f64>()
    };
    let mut all = Vec::with_capacity(horizon);
    for h in 0..horizon {
        let (mut complete, mut walls, mut overlaps) = (0.0, Depth::default(), Depth::default());
        let (mut drift, mut change, mut known) = (0.0, 0.0, 0.0);
        for i in 0..n {
            for s in 0..samples {
                let now = futures.at(i, s, h);
                let places: Vec<(usize, &[f64])> = now
                    .chunks_exact(2)
                    .enumerate()
                    .filter(|(_, p)| p.iter().all(|v| v.is_finite()))
                    .collect();
                complete += f64::from(u8::from(places.len() == objects));
                for (a, (k, p)) in places.iter().enumerate() {
                    walls.add(in_wall(p, world.radii[*k], world.room));
                    for (j, q) in &places[..a] {
                        let apart = (p[0] - q[0]).hypot(p[1] - q[1]);
                        overlaps.add((world.radii[*k] + world.radii[*j] - apart).max(0.0));
                    }
                }
                let (first, later) = (energy(i, s, 1), energy(i, s, h.max(1)));
                let part = (later - first) / first;
                if part.is_finite() {
                    drift += part;
                    change += part.abs();
                    known += 1.0;
                }
            }
        }
        all.push(Validity {
            complete: complete / (n * samples) as f64,
            energy_drift: drift / known,
            energy_change: change / known,
            wall: walls.mean(),
            deepest_wall: walls.most,
            overlap: overlaps.mean(),
            largest_overlap: overlaps.most,
        });
    }
    Ok(all)
}

#[derive(Default)]
struct Depth {
    sum: f64,
    count: f64,
    most: f64,
}

impl Depth {
    fn add(&mut self, depth: f64) {
        self.sum += depth;
        self.count += 1.0;
        self.most = self.most.max(depth);
    }
    fn mean(&self) -> f64 {
        if self.count > 0.0 {
            self.sum / self.count
        } else {
            0.0
        }
    }
}

/// How deep a disc is in the walls, px: the larger of both axes.
fn in_wall(place: &[f64], radius: f64, [left, right, top, bottom]: [f64; 4]) -> f64 {
    let axis = |x: f64, low: f64, high: f64| (low - (x - radius)).max(x + radius - high);
    axis(place[0], left, right)
        .max(axis(place[1], top, bottom))
        .max(0.0)
}

/// Speeds between neighbouring frames from `from` frames ahead on, px/frame, of all objects that are found in both.
pub fn speeds(futures: &Futures, from: usize) -> Vec<f64> {
    let [n, samples, horizon, d] = futures.sizes();
    let mut all = Vec::new();
    for i in 0..n {
        for s in 0..samples {
            for h in from.max(1)..horizon {
                let (a, b) = (futures.at(i, s, h - 1), futures.at(i, s, h));
                let speed = |k: usize| (b[2 * k] - a[2 * k]).hypot(b[2 * k + 1] - a[2 * k + 1]);
                all.extend((0..d / 2).map(speed).filter(|v| v.is_finite()));
            }
        }
    }
    all
}

/// Shares of values in `bins` equal bins from `low` to `high`; what lies outside counts in the first or last.
pub fn histogram(values: &[f64], bins: usize, [low, high]: [f64; 2]) -> Vec<f64> {
    let mut counts = vec![0.0; bins];
    for value in values {
        let place = (value - low) / (high - low) * bins as f64;
        counts[(place.max(0.0) as usize).min(bins.saturating_sub(1))] += 1.0;
    }
    counts
        .iter()
        .map(|count| count / values.len() as f64)
        .collect()
}

/// Earth mover's distance of two sets of numbers, in their unit: ∫ |F_a - F_b|, exact for any sizes. NaN where one is
/// empty.
pub fn earth_mover(a: &[f64], b: &[f64]) -> f64 {
    let mut all: Vec<(f64, f64)> = Vec::with_capacity(a.len() + b.len());
    all.extend(a.iter().map(|&v| (v, 1.0 / a.len() as f64)));
    all.extend(b.iter().map(|&v| (v, -1.0 / b.len() as f64)));
    if a.is_empty() || b.is_empty() {
        return f64::NAN;
    }
    all.sort_by(|x, y| x.0.total_cmp(&y.0));
    let (mut gap, mut sum) = (0.0f64, 0.0);
    for pair in all.windows(2) {
        gap += pair[0].1;
        sum += gap.abs() * (pair[1].0 - pair[0].0);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Array;

    fn world(radii: Vec<f64>, gravity: [f64; 2]) -> World {
        World {
            room: [2.0, 30.0, 2.0, 30.0],
            radii,
            gravity,
        }
    }

    fn futures(paths: Vec<f64>, horizon: usize, objects: usize) -> Futures {
        Futures::new(
            Array::new([1, 1, horizon, 2 * objects], paths).unwrap(),
            45.0,
        )
        .unwrap()
    }

    #[test]
    fn a_thrown_ball_keeps_its_energy_and_one_that_speeds_up_does_not() {
        let fall = |t: f64| [5.0 + t, 10.0 - 2.0 * t + 0.5 * 0.3 * t * t];
        let path: Vec<f64> = (0..8).flat_map(|t| fall(f64::from(t))).collect();
        let all = validity(&futures(path, 8, 1), &world(vec![3.0], [0.0, 0.3])).unwrap();
        for v in &all {
            // Differences of a parabola are exact velocities at the middle; its middle chord is g/8 = .04 off the path,
            // always the same.
            assert!(v.energy_drift.abs() < 1e-12, "{v:?}");
            assert_eq!((v.complete, v.overlap), (1.0, 0.0));
        }
        let faster: Vec<f64> = (0..5)
            .flat_map(|t| [5.0 + [0.0, 1.0, 3.0, 5.0, 7.0][t], 10.0])
            .collect();
        let all = validity(&futures(faster, 5, 1), &world(vec![3.0], [0.0; 2])).unwrap();
        assert_eq!((all[1].energy_drift, all[2].energy_drift), (0.0, 3.0));
    }

    #[test]
    fn depth_in_walls_and_in_each_other_is_in_px() {
        let paths = vec![
            4.0,
            10.0,
            9.0,
            10.0,
            4.0,
            10.0,
            29.0,
            31.5,
            f64::NAN,
            f64::NAN,
            9.0,
            9.0,
        ];
        let all = validity(&futures(paths, 3, 2), &world(vec![3.0, 3.0], [0.0; 2])).unwrap();
        assert_eq!((all[0].wall, all[0].deepest_wall), (0.5, 1.0));
        assert_eq!((all[0].overlap, all[0].largest_overlap), (1.0, 1.0));
        assert_eq!((all[1].deepest_wall, all[1].largest_overlap), (4.5, 0.0));
        assert_eq!(
            (all[2].complete, all[2].wall, all[2].overlap),
            (0.0, 0.0, 0.0)
        );
        assert!(all[2].energy_drift.is_nan());
        let none = validity(&futures(vec![0.0; 4], 2, 1), &world(vec![], [0.0; 2]));
        assert!(none.unwrap_err().to_string().contains("radius"));
    }

    #[test]
    fn speeds_are_counted_and_compared() {
        let path = vec![0.0, 0.0, 3.0, 4.0, 3.0, 4.0, f64::NAN, 0.0];
        let found = speeds(&futures(path, 4, 1), 0);
        assert_eq!(found, [5.0, 0.0]);
        assert_eq!(histogram(&found, 4, [0.0, 4.0]), [0.5, 0.0, 0.0, 0.5]);
        // Moving all by 2 costs 2; of {0, 4} against {1}: 1/2 + 3/2.
        assert!((earth_mover(&[1.0, 5.0], &[3.0, 7.0]) - 2.0).abs() < 1e-12);
        assert!((earth_mover(&[0.0, 4.0], &[1.0]) - 2.0).abs() < 1e-12);
        assert!(earth_mover(&[], &[1.0]).is_nan());
    }
}
