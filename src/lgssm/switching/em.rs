//! One step of expectation maximisation for the affine maps of the modes and the process noise.
//!
//! With the mode paths that the filter holds as the posterior over paths, and the moments of the states along each,
//!
//! ```text
//! [A_k b_k] = sum w E[z_t (z_{t-1}, 1)'] ( sum w E[(z_{t-1}, 1) (z_{t-1}, 1)'] )^-1       over paths of weight w and t with s_t = k
//! Q = mean of E[(z_t - A_k z_{t-1} - b_k) (..)']
//! ```
//!
//! (Ghahramani & Hinton 2000, with the paths of the Gaussian sum in place of their variational posterior.) Where mode probabilities
//! do not depend on the state and every path is held, this is exact EM and the likelihood never falls. What the mode probabilities
//! say about the states is left out, so in general it is a way to start, not to end.

use super::filter::Filter;
use super::infer::paths_of;
use super::{Hypotheses, Modes, check};
use crate::batch::Batch;
use crate::dispatch::{Job, dispatch};
use crate::model::{Lgssm, Roots};
use crate::{Error, Result};
use nalgebra::{DMatrix, Dim};

/// What one step of EM found.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// log p(a) before the step, nats, summed over sequences and frames.
    pub log_likelihood: f64,
    /// The modes with new maps; their features are as before.
    pub modes: Modes,
    /// Q, (n, n).
    pub transition_cov: Vec<f64>,
}

/// Weight of the map before in the regression of every mode, in transitions from states of size one: what a mode without any keeps.
const RIDGE: f64 = 0.1;

/// Maps of the modes and process noise that explain the codes better.
///
/// # Errors
/// As [`super::infer`]; [`Error::Numeric`] names a mode whose regression is singular.
pub fn step(model: &Lgssm, modes: &Modes, hypotheses: Hypotheses, batch: &Batch) -> Result<Step> {
    let roots = model.roots()?;
    check(model, modes, hypotheses, batch)?;
    let (n, count) = (model.latent, modes.count());
    let mut sums = vec![Sums::zeros(n); count];
    let job = Collect {
        model,
        modes,
        hypotheses,
        batch,
        roots: &roots,
        sums: &mut sums,
    };
    let log_likelihood = dispatch(n, model.code, job)?;
    let (mut values, mut noise, mut total) = (modes.values().clone(), DMatrix::zeros(n, n), 0.0);
    for (k, sums) in sums.iter().enumerate() {
        let ridge = DMatrix::identity(n + 1, n + 1) * RIDGE;
        let solved = (&sums.before + &ridge).cholesky().ok_or_else(|| {
            Error::Numeric(format!("modes: the regression of mode {k} is singular"))
        })?;
        let cross = &sums.cross + map_of(modes, k) * ridge;
        let map = solved.solve(&cross.transpose()).transpose(); // (n, n + 1)
        for i in 0..n {
            for j in 0..n {
                values.matrices[(k * n + i) * n + j] = map[(i, j)];
            }
            values.offsets[k * n + i] = map[(i, n)];
        }
        // What was seen, under the new map.
        let fitted = &map * sums.cross.transpose();
        noise += &sums.after - &fitted - fitted.transpose() + &map * &sums.before * map.transpose();
        total += sums.weight;
    }
    let noise = noise / total.max(f64::MIN_POSITIVE);
    let transition_cov = (0..n * n)
        .map(|i| 0.5 * (noise[(i / n, i % n)] + noise[(i % n, i / n)]))
        .collect();
    Ok(Step {
        log_likelihood,
        modes: modes.with_values(values)?,
        transition_cov,
    })
}

/// (A_k, b_k), (n, n + 1).
fn map_of(modes: &Modes, k: usize) -> DMatrix<f64> {
    let n = modes.latent();
    DMatrix::from_fn(n, n + 1, |i, j| match j < n {
        true => modes.matrix(k)[i * n + j],
        false => modes.offset(k)[i],
    })
}

/// Weighted sums over the transitions of one mode.
#[derive(Clone)]
struct Sums {
    weight: f64,
    /// E[(z, 1) (z, 1)'] of the states before, (n + 1, n + 1).
    before: DMatrix<f64>,
    /// E[z' (z, 1)'], (n, n + 1).
    cross: DMatrix<f64>,
    /// E[z' z''] of the states after, (n, n).
    after: DMatrix<f64>,
}

impl Sums {
    fn zeros(n: usize) -> Self {
        Self {
            weight: 0.0,
            before: DMatrix::zeros(n + 1, n + 1),
            cross: DMatrix::zeros(n, n + 1),
            after: DMatrix::zeros(n, n),
        }
    }
}

struct Collect<'a> {
    model: &'a Lgssm,
    modes: &'a Modes,
    hypotheses: Hypotheses,
    batch: &'a Batch<'a>,
    roots: &'a Roots,
    sums: &'a mut [Sums],
}

impl Job for Collect<'_> {
    type Output = Result<f64>;
    fn run<N: Dim, P: Dim>(self, n: N, p: P) -> Self::Output {
        let (size, frames) = (n.value(), self.batch.frames);
        let mut filter = Filter::new(frames, size, p.value());
        let mut log_likelihood = 0.0;
        for index in 0..self.batch.sequences {
            let sequence = self.batch.sequence(self.model, index);
            log_likelihood += filter.run(
                (n, p),
                &sequence,
                self.roots,
                self.modes,
                self.hypotheses,
                None,
            )?;
            for path in paths_of(self.model, self.modes, self.batch, &filter, index)? {
                let m = &path.moments;
                for t in 1..frames {
                    let sums = &mut self.sums[path.modes[t]];
                    let (w, now, then) = (path.weight, t * size, (t - 1) * size);
                    sums.weight += w;
                    for i in 0..size {
                        let after = m.smoothed_mean[now + i];
                        for j in 0..size {
                            let before = m.smoothed_mean[then + j];
                            sums.before[(i, j)] += w
                                * (m.smoothed_cov[(then + i) * size + j]
                                    + m.smoothed_mean[then + i] * before);
                            sums.cross[(i, j)] +=
                                w * (m.lag_one_cov[(now + i) * size + j] + after * before);
                            sums.after[(i, j)] += w
                                * (m.smoothed_cov[(now + i) * size + j]
                                    + after * m.smoothed_mean[now + j]);
                        }
                        sums.before[(i, size)] += w * m.smoothed_mean[then + i];
                        sums.before[(size, i)] += w * m.smoothed_mean[then + i];
                        sums.cross[(i, size)] += w * after;
                    }
                    sums.before[(size, size)] += w;
                }
            }
        }
        Ok(log_likelihood)
    }
}
