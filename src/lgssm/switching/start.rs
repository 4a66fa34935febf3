//! Where modes start: read from codes alone, once they move as the picture does.
//!
//! What differs from free flight is likely to be at the edges of where codes are seen: a state about to be beyond an edge must have met
//! something. Cells start there, and the affine map of each is a ridge regression towards free flight from states to next states,
//!
//! ```text
//! s_t = (a_t, a_t - a_{t-1})  ->  s_{t+1} = (a_{t+1}, a_{t+2} - a_{t+1}),
//! ```
//!
//! over those t where both displacements are velocities, which the codes themselves tell: the one before and the one after are nearly
//! the same.

use super::{Hypotheses, Modes, ModesGradient};
use crate::batch::Batch;
use crate::model::Lgssm;
use crate::{Error, Result};
use nalgebra::DMatrix;

/// A displacement is a velocity where it is repeated to within this fraction of the typical one.
const REPEATED: f64 = 0.2;
/// Weight of free flight in the regressions, in transitions from states of size one.
const RIDGE: f64 = 0.1;

/// Where codes are seen, and how far they move.
#[derive(Clone, Debug, PartialEq)]
pub struct Edges {
    /// Smallest code of every axis, (p).
    pub low: Vec<f64>,
    /// Largest code of every axis, (p).
    pub high: Vec<f64>,
    /// Root mean square displacement per frame of every axis, (p).
    pub step: Vec<f64>,
}

impl Edges {
    /// Of codes (B, T, p).
    ///
    /// # Errors
    /// [`Error::Shape`] where the codes do not fit; [`Error::Numeric`] names an axis that does not move or is not finite.
    pub fn of(codes: &[f64], code: usize, frames: usize) -> Result<Self> {
        if code == 0 || frames < 2 || codes.is_empty() || !codes.len().is_multiple_of(code * frames)
        {
            return Err(Error::Shape(format!(
                "edges: codes of {code} dimensions in sequences of {frames} frames expected, at least 2, got {} values",
                codes.len()
            )));
        }
        let (mut low, mut high) = (vec![f64::INFINITY; code], vec![f64::NEG_INFINITY; code]);
        let mut step = vec![0.0; code];
        for sequence in codes.chunks_exact(code * frames) {
            for (t, now) in sequence.chunks_exact(code).enumerate() {
                for i in 0..code {
                    low[i] = low[i].min(now[i]);
                    high[i] = high[i].max(now[i]);
                    if t > 0 {
                        step[i] += (now[i] - sequence[(t - 1) * code + i]).powi(2);
                    }
                }
            }
        }
        let moves = (codes.len() / (code * frames) * (frames - 1)) as f64;
        step.iter_mut().for_each(|s| *s = (*s / moves).sqrt());
        match step.iter().position(|s| !(s.is_finite() && *s > 0.0)) {
            None => Ok(Self { low, high, step }),
            Some(i) => Err(Error::Numeric(format!(
                "edges: code {i} does not move (typical displacement {}): the codes have collapsed",
                step[i]
            ))),
        }
    }
}

/// Side of every axis in every cell: the middle first, then edges, then corners, each -1 (below the low edge), 0 or 1 (above the
/// high one), at most 3^p of them.
pub fn cells(code: usize, most: usize) -> Vec<Vec<i8>> {
    let mut cells: Vec<Vec<i8>> = vec![vec![]];
    for _ in 0..code {
        cells = cells
            .iter()
            .flat_map(|cell| [0, 1, -1].map(|side| [&cell[..], &[side]].concat()))
            .collect();
    }
    cells.sort_by_key(|cell| cell.iter().filter(|&&side| side != 0).count());
    cells.truncate(most);
    cells
}

/// Directions (K, n) and biases (K) of the features of these cells for states (place, displacement), sharpness kappa in inverse typical
/// displacements:
///
/// ```text
/// f = kappa sum over axes of  (x + v - high) / step  above,  (low - x - v) / step  below,  0 between
/// ```
///
/// With all 3^p cells the softmax is the product over axes of "below, between, above".
pub fn gates(cells: &[Vec<i8>], edges: &Edges, sharpness: f64) -> (Vec<f64>, Vec<f64>) {
    let p = edges.step.len();
    let mut directions = vec![0.0; cells.len() * 2 * p];
    let mut biases = vec![0.0; cells.len()];
    for (k, cell) in cells.iter().enumerate() {
        for (i, &side) in cell.iter().enumerate() {
            let slope = f64::from(side) * sharpness / edges.step[i];
            directions[k * 2 * p + i] = slope;
            directions[k * 2 * p + p + i] = slope;
            biases[k] -= slope
                * if side > 0 {
                    edges.high[i]
                } else {
                    edges.low[i]
                };
        }
    }
    (directions, biases)
}

/// The cell that is on this side of axis i and between the edges of all others.
fn edge(cells: &[Vec<i8>], i: usize, side: i8) -> Option<usize> {
    let alone = |(j, &s): (usize, &i8)| s == if i == j { side } else { 0 };
    cells
        .iter()
        .position(|cell| cell.iter().enumerate().all(alone))
}

/// Rows (s, 1) to (s', 1) under free flight, (n + 1, n + 1).
fn free_flight(p: usize) -> DMatrix<f64> {
    DMatrix::from_fn(2 * p + 1, 2 * p + 1, |i, j| {
        f64::from(u8::from(i == j || (j < p && i == j + p)))
    })
}

/// Corners as their edges after each other: where an edge does D = F^-1 M to what free flight F gives, a corner does the product of both.
/// They are seen too rarely to be told from data.
fn compose_corners(maps: &mut [DMatrix<f64>], cells: &[Vec<i8>], p: usize) {
    for k in 0..cells.len() {
        let edges: Vec<usize> = (0..p)
            .filter(|&i| cells[k][i] != 0)
            .filter_map(|i| edge(&cells[..k], i, cells[k][i]))
            .collect();
        if edges.len() < 2 {
            continue;
        }
        let middle = maps[0].clone().try_inverse();
        let Some(back) = middle else { continue };
        maps[k] = edges
            .iter()
            .fold(maps[0].clone(), |map, &e| map * &back * &maps[e]);
    }
}

/// The same modes with their corners composed anew.
fn with_composed_corners(modes: Modes, cells: &[Vec<i8>]) -> Result<Modes> {
    let n = modes.latent();
    let mut maps: Vec<DMatrix<f64>> = (0..modes.count())
        .map(|k| {
            DMatrix::from_fn(n + 1, n + 1, |i, j| match (i < n, j < n) {
                (true, true) => modes.matrix(k)[j * n + i],
                (false, true) => modes.offset(k)[j],
                (_, false) => f64::from(u8::from(i == j)),
            })
        })
        .collect();
    compose_corners(&mut maps, cells, n / 2);
    let mut values = modes.values().clone();
    for (k, map) in maps.iter().enumerate() {
        for i in 0..n {
            for j in 0..n {
                values.matrices[(k * n + i) * n + j] = map[(j, i)];
            }
            values.offsets[k * n + i] = map[(n, i)];
        }
    }
    modes.with_values(values)
}

/// Affine maps A_k (K, n, n) and b_k (K, n) of these cells, n = 2p, from codes (B, T, p).
///
/// # Errors
/// A regression that cannot be solved.
pub fn identify(
    cells: &[Vec<i8>],
    edges: &Edges,
    codes: &[f64],
    frames: usize,
) -> Result<(Vec<f64>, Vec<f64>)> {
    let p = edges.step.len();
    let n = 2 * p;
    let mut sums = vec![
        (
            DMatrix::<f64>::zeros(n + 1, n + 1),
            DMatrix::<f64>::zeros(n + 1, n + 1),
        );
        cells.len()
    ];
    for sequence in codes.chunks_exact(p * frames) {
        let at = |t: usize, i: usize| sequence[t * p + i];
        let repeats = |t: usize| {
            (0..p).all(|i| {
                let second = at(t, i) - 2.0 * at(t - 1, i) + at(t - 2, i);
                second.abs() < REPEATED * edges.step[i]
            })
        };
        for t in 2..frames.saturating_sub(3) {
            if !repeats(t) || !repeats(t + 3) {
                continue;
            }
            let side = |i: usize| {
                let ahead = 2.0 * at(t, i) - at(t - 1, i);
                i8::from(ahead > edges.high[i]) - i8::from(ahead < edges.low[i])
            };
            let cell: Vec<i8> = (0..p).map(side).collect();
            let Some(k) = cells.iter().position(|c| *c == cell) else {
                continue;
            };
            let state = DMatrix::from_fn(1, n + 1, |_, j| match j {
                j if j < p => at(t, j),
                j if j < n => at(t, j - p) - at(t - 1, j - p),
                _ => 1.0,
            });
            let next = DMatrix::from_fn(1, n + 1, |_, j| match j {
                j if j < p => at(t + 1, j),
                j if j < n => at(t + 2, j - p) - at(t + 1, j - p),
                _ => 1.0,
            });
            sums[k].0 += state.tr_mul(&state);
            sums[k].1 += state.tr_mul(&next);
        }
    }
    let free = free_flight(p);
    let mut maps: Vec<DMatrix<f64>> = Vec::new();
    for (k, (gram, cross)) in sums.into_iter().enumerate() {
        let ridge = DMatrix::identity(n + 1, n + 1) * RIDGE;
        let solved = (gram + &ridge).cholesky().ok_or_else(|| {
            Error::Numeric(format!("modes: the regression of cell {k} is singular"))
        })?;
        maps.push(solved.solve(&(cross + ridge * &free)));
    }
    compose_corners(&mut maps, cells, p);
    let (mut matrices, mut offsets) = (Vec::new(), Vec::new());
    for map in &maps {
        matrices.extend((0..n * n).map(|i| map[(i % n, i / n)]));
        offsets.extend((0..n).map(|i| map[(n, i)]));
    }
    Ok((matrices, offsets))
}

/// Steps of EM after the regressions.
const EM_STEPS: usize = 30;
/// Process noise before them, in typical displacements.
const PROCESS_STD: f64 = 0.2;
/// What is added to it at each step, in typical displacements: few codes can be explained without any.
const LEAST_STD: f64 = 0.02;
/// Code noise, in typical displacements.
const CODE_STD: f64 = 0.1;

/// Modes and process noise Q (n, n) that start from codes: [`gates`] at their edges, the maps of [`identify`], then EM
/// ([`super::em`]), which tells noise in the codes from noise in the law.
///
/// # Errors
/// As [`Edges::of`], [`identify`] and [`super::em::step`].
pub fn from_codes(
    codes: &[f64],
    (code, frames): (usize, usize),
    most: usize,
    sharpness: f64,
) -> Result<(Modes, Vec<f64>)> {
    let edges = Edges::of(codes, code, frames)?;
    let cells = cells(code, most);
    let (directions, biases) = gates(&cells, &edges, sharpness);
    let (matrices, offsets) = identify(&cells, &edges, codes, frames)?;
    let values = ModesGradient {
        matrices,
        offsets,
        directions,
        biases,
    };
    let (n, mut modes) = (2 * code, Modes::mixture(2 * code, values)?);
    let diagonal = |size: usize, std: &dyn Fn(usize) -> f64| -> Vec<f64> {
        (0..size * size)
            .map(|i| match i % (size + 1) {
                0 => std(i / (size + 1)).powi(2),
                _ => 0.0,
            })
            .collect()
    };
    let middle: Vec<f64> = (0..code)
        .map(|i| 0.5 * (edges.low[i] + edges.high[i]))
        .collect();
    let mut model = Lgssm {
        latent: n,
        code,
        transition_matrix: diagonal(n, &|_| 1.0),
        transition_offset: vec![0.0; n],
        transition_cov: diagonal(n, &|i| PROCESS_STD * edges.step[i % code]),
        emission_matrix: (0..code * n)
            .map(|i| f64::from(u8::from(i / n == i % n)))
            .collect(),
        emission_offset: vec![0.0; code],
        emission_cov: diagonal(code, &|i| CODE_STD * edges.step[i]),
        initial_mean: [middle, vec![0.0; code]].concat(),
        initial_cov: diagonal(n, &|i| match i < code {
            true => 0.5 * (edges.high[i] - edges.low[i]),
            false => edges.step[i - code],
        }),
    };
    let batch = Batch::new(codes, codes.len() / (code * frames), frames);
    for _ in 0..EM_STEPS {
        let found = super::em::step(&model, &modes, Hypotheses::new(4), &batch)?;
        model.transition_cov = found.transition_cov;
        for i in 0..n {
            model.transition_cov[i * (n + 1)] += (LEAST_STD * edges.step[i % code]).powi(2);
        }
        modes = with_composed_corners(found.modes, &cells)?;
    }
    Ok((modes, model.transition_cov))
}
