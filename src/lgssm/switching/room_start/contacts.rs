//! Codes turned so that displacements are alike in all directions, and the contacts in them.

use super::clusters::Cluster;
use super::median;
use crate::Lgssm;
use crate::batch::Batch;
use nalgebra::{DMatrix, DVector};

/// Share of second differences that is surely of free flight.
const FREE: f64 = 0.35;
/// Smallest jump of a contact, in typical displacements per axis.
const LEAST_JUMP: f64 = 0.3;
/// Sequences that the likelihood is asked of.
const FOR_LIKELIHOOD: usize = 120;

/// A bounce off one wall, in turned codes.
#[derive(Clone, Debug)]
pub(super) struct Contact {
    /// u' - u.
    pub(super) jump: DVector<f64>,
    /// Where the paths meet.
    pub(super) place: DVector<f64>,
    /// Velocity before the impact.
    pub(super) before: DVector<f64>,
}

/// Codes with displacements alike in all directions: root^-1 a, (B, T, p).
pub(super) struct Turned {
    pub(super) p: usize,
    pub(super) frames: usize,
    pub(super) codes: Vec<f64>,
}

impl Turned {
    pub(super) fn of(codes: &[f64], root: &DMatrix<f64>, frames: usize) -> Self {
        let p = root.nrows();
        let mut out = Vec::with_capacity(codes.len());
        for code in codes.chunks_exact(p) {
            // Forward substitution.
            let start = out.len();
            for i in 0..p {
                let known: f64 = (0..i).map(|j| root[(i, j)] * out[start + j]).sum();
                out.push((code[i] - known) / root[(i, i)]);
            }
        }
        Self {
            p,
            frames,
            codes: out,
        }
    }

    /// A law of these codes but for its modes, and the first of them.
    pub(super) fn law(&self, noise: f64, process_std: f64) -> (Lgssm, Batch<'_>) {
        let (p, n) = (self.p, 2 * self.p);
        let diagonal = |size: usize, std: &dyn Fn(usize) -> f64| -> Vec<f64> {
            let entry = |i: usize| {
                if i.is_multiple_of(size + 1) {
                    std(i / size).powi(2)
                } else {
                    0.0
                }
            };
            (0..size * size).map(entry).collect()
        };
        let count = (self.codes.len() / (p * self.frames)).min(FOR_LIKELIHOOD);
        let codes = &self.codes[..count * p * self.frames];
        let rows = codes.len() as f64 / p as f64;
        let mean = |i: usize| codes.iter().skip(i).step_by(p).sum::<f64>() / rows;
        let mean: Vec<f64> = (0..p).map(mean).collect();
        let squares = codes
            .iter()
            .enumerate()
            .map(|(i, x)| (x - mean[i % p]).powi(2));
        let spread = (squares.sum::<f64>() / codes.len() as f64).sqrt();
        let law = Lgssm {
            latent: n,
            code: p,
            transition_matrix: diagonal(n, &|_| 1.0),
            transition_offset: vec![0.0; n],
            transition_cov: diagonal(n, &|_| process_std),
            emission_matrix: (0..p * n)
                .map(|i| f64::from(u8::from(i / n == i % n)))
                .collect(),
            emission_offset: vec![0.0; p],
            emission_cov: diagonal(p, &|_| noise.max(0.01)),
            initial_mean: [mean, vec![0.0; p]].concat(),
            initial_cov: diagonal(n, &|i| if i < p { spread } else { 1.0 }),
        };
        (law, Batch::new(codes, count, self.frames))
    }

    pub(super) fn sequences(&self) -> impl Iterator<Item = &[f64]> {
        self.codes.chunks_exact(self.p * self.frames)
    }

    /// Second differences a_{t+1} - 2 a_t + a_{t-1} of a sequence at t.
    pub(super) fn second(&self, sequence: &[f64], t: usize) -> DVector<f64> {
        let at = |t: usize, i: usize| sequence[t * self.p + i];
        DVector::from_fn(self.p, |i, _| at(t + 1, i) - 2.0 * at(t, i) + at(t - 1, i))
    }

    /// Where second differences are densest, and how far from there they typically are in free flight, per axis.
    pub(super) fn acceleration(&self) -> (DVector<f64>, f64) {
        let all: Vec<DVector<f64>> = self
            .sequences()
            .flat_map(|s| (1..self.frames - 1).map(move |t| self.second(s, t)))
            .collect();
        let mut middle =
            DVector::from_fn(self.p, |i, _| median(all.iter().map(|d| d[i]).collect()));
        let size = (self.p as f64).sqrt();
        let mut noise = 0.0;
        for round in 0..20 {
            let distances: Vec<f64> = all.iter().map(|d| (d - &middle).norm()).collect();
            let mut sorted = distances.clone();
            sorted.sort_by(f64::total_cmp);
            // Of p normal draws, bounces apart, some half are nearer than the root of p.
            let near = sorted[(FREE * sorted.len() as f64) as usize];
            noise = near / size;
            let within = if round < 18 { near } else { 3.0 * near };
            let mut count = 0.0;
            let mut sum = DVector::zeros(self.p);
            for (d, _) in all
                .iter()
                .zip(&distances)
                .filter(|(_, far)| **far <= within)
            {
                sum += d;
                count += 1.0;
            }
            middle = sum / count;
        }
        (middle, noise)
    }

    /// Bounces off one wall: both velocities known, and both paths through one place.
    pub(super) fn contacts(&self, gravity: &DVector<f64>, tolerance: f64) -> Vec<Contact> {
        let mut found = Vec::new();
        for s in self.sequences() {
            let at = |t: usize| DVector::from_column_slice(&s[t * self.p..][..self.p]);
            let free: Vec<bool> = (0..self.frames)
                .map(|t| {
                    t > 0 && t + 1 < self.frames && (self.second(s, t) - gravity).norm() < tolerance
                })
                .collect();
            for t in 2..self.frames.saturating_sub(3) {
                if !free[t - 1] || !free[t + 2] || free[t] && free[t + 1] {
                    continue;
                }
                let (a, b) = (at(t), at(t + 1));
                // Instantaneous velocities at t and t + 1.
                let before = &a - at(t - 1) + gravity * 0.5;
                let after = at(t + 2) - &b - gravity * 0.5;
                let jump = &after - &before - gravity;
                if jump.norm() < LEAST_JUMP.max(2.0 * tolerance) {
                    continue;
                }
                // a - b + after - g/2 + tau (before - after + g) = 0.
                let constant = &a - &b + &after - gravity * 0.5;
                let tau = constant.dot(&jump) / jump.norm_squared();
                let left = 1.0 - tau;
                let place = &a + &before * tau + gravity * (0.5 * tau * tau);
                let other = &b - &after * left + gravity * (0.5 * left * left);
                if (-0.05..1.05).contains(&tau) && (&place - &other).norm() < 2.0 * tolerance {
                    found.push(Contact {
                        jump,
                        place: (place + other) * 0.5,
                        before: before + gravity * tau,
                    });
                }
            }
        }
        found
    }

    /// Share of codes beyond a wall.
    pub(super) fn beyond(&self, wall: &Cluster, tolerance: f64) -> f64 {
        let all = self.codes.chunks_exact(self.p);
        let count = all.len() as f64;
        let ahead = |code: &[f64]| -> f64 {
            let along = code.iter().zip(wall.normal.iter());
            along.map(|(x, n)| x * n).sum::<f64>() - wall.offset
        };
        all.filter(|code| ahead(code) > 2.0 * tolerance).count() as f64 / count
    }

    /// Whether a code comes within two typical displacements of a place.
    pub(super) fn near(&self, place: &DVector<f64>) -> bool {
        self.codes.chunks_exact(self.p).any(|code| {
            let squares = code.iter().zip(place.iter()).map(|(a, b)| (a - b).powi(2));
            squares.sum::<f64>() < 4.0 * self.p as f64
        })
    }
}
