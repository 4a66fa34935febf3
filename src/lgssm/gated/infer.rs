//! Filtered and smoothed states under a gated transition.
//!
//! Filtered moments are exact. Given the transitions that the filter chose, so is the smoother; but into frame 1 the filter chose
//! without knowing the velocity, and a bounce taken for free flight there spoils the first smoothed states. The smoother therefore
//! compares hypotheses about frame 0, the sigma points of its filtered distribution,
//!
//! ```text
//! m_{0|0}  and  m_{0|0} +- sqrt(n) (row i of the root of P_{0|0}),  i = 1 .. n
//! ```
//!
//! each of which chooses the transition into frame 1 (all later ones follow from filtered means), and keeps for every sequence
//! the one of largest log p(a | transitions) + log density of the point relative to m_{0|0}, which is -n/2. Then come passes that
//! choose again from the smoothed mean z_{t-1|T} of the pass before; the one under which the codes are most likely is kept.

use super::filter::Filter;
use super::{Gate, check};
use crate::Result;
use crate::lgssm::batch::Batch;
use crate::lgssm::dispatch::{Job, dispatch};
use crate::lgssm::model::{Lgssm, Roots};
use crate::lgssm::posterior::{self, Posterior};
use nalgebra::Dim;

/// Filter, and smoother with `passes` choices of the transitions: with 0 the filter's own, with 1 the best hypothesis about
/// frame 0, then passes - 1 times from smoothed means.
///
/// `log_likelihood`, `predicted_*` and `filtered_*` are those of the filter, whatever the passes.
///
/// # Errors
/// As [`super::log_likelihood`], and [`crate::Error::Numeric`] where a predicted covariance is singular.
pub fn infer(model: &Lgssm, gate: &dyn Gate, batch: &Batch, passes: usize) -> Result<Posterior> {
    let roots = model.roots()?;
    check(model, gate, batch)?;
    let n = model.latent;
    let choose = Choose {
        model,
        gate,
        batch,
        roots: &roots,
        hypotheses: passes > 0,
    };
    let [own, mut chosen] = dispatch(n, model.code, choose)?;
    let mut best = smooth(model, batch, &own)?;
    if passes == 0 {
        return Ok(best);
    }
    let mut likelihood = vec![f64::NEG_INFINITY; batch.sequences];
    for pass in 0..passes {
        let found = smooth(model, batch, &chosen)?;
        for (i, best_yet) in likelihood.iter_mut().enumerate() {
            if found.log_likelihood[i] > *best_yet {
                *best_yet = found.log_likelihood[i];
                take_smoothed(&mut best, &found, i, batch.frames * n, n);
            }
        }
        if pass + 1 < passes {
            rechoose(gate, &found.smoothed_mean, batch.frames, &mut chosen);
        }
    }
    Ok(best)
}

/// Transitions of a batch: A_t (B, T, n, n) and b_t (B, T, n).
struct Transitions {
    matrices: Vec<f64>,
    offsets: Vec<f64>,
}

/// Filter and smoother with these transitions held fixed.
fn smooth(model: &Lgssm, batch: &Batch, held: &Transitions) -> Result<Posterior> {
    let given = Batch {
        transition_matrices: Some(&held.matrices),
        transition_offsets: Some(&held.offsets),
        ..*batch
    };
    posterior::infer(model, &given)
}

/// Transitions into frames 1 .. T-1 of every sequence, from means (B, T, n).
fn rechoose(gate: &dyn Gate, means: &[f64], frames: usize, chosen: &mut Transitions) {
    let n = gate.latent();
    for (at, mean) in means.chunks_exact(n).enumerate() {
        if (at + 1) % frames != 0 {
            let matrix = &mut chosen.matrices[(at + 1) * n * n..][..n * n];
            gate.transition(mean, matrix, &mut chosen.offsets[(at + 1) * n..][..n]);
        }
    }
}

/// Takes the smoothed moments of sequence `i` from another pass; a sequence has `row` values of means.
fn take_smoothed(to: &mut Posterior, from: &Posterior, i: usize, row: usize, n: usize) {
    for (to, from, size) in [
        (&mut to.smoothed_mean, &from.smoothed_mean, row),
        (&mut to.smoothed_cov, &from.smoothed_cov, row * n),
        (&mut to.lag_one_cov, &from.lag_one_cov, row * n),
    ] {
        to[i * size..][..size].copy_from_slice(&from[i * size..][..size]);
    }
}

struct Choose<'a> {
    model: &'a Lgssm,
    gate: &'a dyn Gate,
    batch: &'a Batch<'a>,
    roots: &'a Roots,
    hypotheses: bool,
}

impl Job for Choose<'_> {
    type Output = Result<[Transitions; 2]>;
    /// The transitions that the filter chooses, and those under the best hypothesis about frame 0.
    fn run<N: Dim, P: Dim>(self, n: N, p: P) -> Self::Output {
        let size = n.value();
        let mut filter = Filter::new(self.batch.frames, size, p.value());
        let mut found = [(); 2].map(|()| Transitions {
            matrices: vec![],
            offsets: vec![],
        });
        for index in 0..self.batch.sequences {
            let sequence = self.batch.sequence(self.model, index);
            let mut best = filter.run((n, p), &sequence, self.roots, self.gate, None)?;
            for list in &mut found {
                list.matrices.extend_from_slice(&filter.matrices);
                list.offsets.extend_from_slice(&filter.offsets);
            }
            if !self.hypotheses {
                continue;
            }
            let mean = filter.means.filtered[..size].to_vec();
            let root = filter.gains.filtered_root[..size * size].to_vec();
            let at = found[1].matrices.len() - filter.matrices.len();
            for sign in [1.0, -1.0] {
                for row in root.chunks_exact(size) {
                    let scale = sign * (size as f64).sqrt();
                    let point: Vec<f64> =
                        mean.iter().zip(row).map(|(m, u)| m + scale * u).collect();
                    let likelihood =
                        filter.run((n, p), &sequence, self.roots, self.gate, Some(&point))?;
                    let worth = likelihood - 0.5 * size as f64;
                    if worth > best {
                        best = worth;
                        found[1].matrices[at..].copy_from_slice(&filter.matrices);
                        found[1].offsets[at / size..].copy_from_slice(&filter.offsets);
                    }
                }
            }
        }
        Ok(found)
    }
}
