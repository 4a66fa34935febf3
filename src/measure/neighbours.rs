//! Positions read from the nearest codes: what codes tell by any smooth map, linear or not.

use super::arrays::{build, reorder, sizes};
use crate::array::Array;
use rayon::prelude::*;

/// Neighbours averaged: enough against noise, few enough to stay local.
const NEIGHBOURS: usize = 8;
/// Training frames that neighbours are searched among, and held-out frames decoded.
const SEARCHED: usize = 6000;

/// A regular share of whole sequences with their codes and positions.
pub struct Points {
    codes: Array,
    positions: Array,
}

impl Points {
    /// Every so many sequences that at most `SEARCHED` frames or one sequence are left.
    pub fn of(codes: &Array, positions: &Array) -> Self {
        let [n, total, _] = sizes(codes);
        let every = (n * total).div_ceil(SEARCHED).max(1);
        let kept: Vec<u32> = (0..n as u32).step_by(every).collect();
        Self {
            codes: reorder(codes, &kept),
            positions: reorder(positions, &kept),
        }
    }
}

/// Mean position of the nearest training codes for every held-out code, and the true one.
pub fn nearest(train: &Points, test: &Points, axes: usize) -> (Array, Array) {
    let p = sizes(&train.codes)[2];
    let positions = train.positions.data().chunks_exact(axes.max(1));
    let known: Vec<bool> = positions.map(|p| !p.iter().any(|v| v.is_nan())).collect();
    let rows = (known.iter().filter(|known| **known).count() as f64).max(1.0);
    let column = |j: usize| {
        let all = train.codes.data().iter().skip(j).step_by(p);
        all.zip(&known).filter(|(_, known)| **known).map(|(v, _)| v)
    };
    let weight: Vec<f64> = (0..p)
        .map(|j| {
            let mean = column(j).sum::<f64>() / rows;
            let var = column(j).map(|v| (v - mean).powi(2)).sum::<f64>() / rows;
            if var > 0.0 { 1.0 / var } else { 0.0 }
        })
        .collect();
    let one = |code: &[f64]| -> Vec<f64> {
        // The nearest so far, farthest last.
        let mut found: Vec<(f64, usize)> = Vec::with_capacity(NEIGHBOURS + 1);
        for (k, other) in train.codes.data().chunks_exact(p).enumerate() {
            if !known[k] {
                continue;
            }
            let squares = code
                .iter()
                .zip(other)
                .zip(&weight)
                .map(|((a, b), w)| w * (a - b).powi(2));
            let distance: f64 = squares.sum();
            if found.len() < NEIGHBOURS || distance < found[NEIGHBOURS - 1].0 {
                let place = found.partition_point(|(d, _)| *d <= distance);
                found.insert(place, (distance, k));
                found.truncate(NEIGHBOURS);
            }
        }
        let position = |k: usize, j: usize| train.positions.data()[k * axes + j];
        let mean =
            |j: usize| found.iter().map(|&(_, k)| position(k, j)).sum::<f64>() / found.len() as f64;
        (0..axes).map(mean).collect()
    };
    let decoded: Vec<Vec<f64>> = test.codes.data().par_chunks_exact(p).map(one).collect();
    let frames = test.positions.shape()[1];
    let decoded = build(sizes(&test.positions), |i, t, row| {
        row.copy_from_slice(&decoded[i * frames + t])
    });
    (decoded, test.positions.clone())
}
