//! Filtered, predicted and smoothed states, and mode probabilities, of a switching model.
//!
//! Every moment is that of the mixture over hypotheses, mean and covariance matched. The smoother runs along every mode path that
//! is still held after the last frame, given its transitions (Rauch, Tung & Striebel 1965), and mixes them by their final weights:
//! so what later frames tell revises which modes the first ones had.

use super::filter::Filter;
use super::{Hypotheses, Modes, check};
use crate::Result;
use crate::batch::Batch;
use crate::dispatch::{Job, dispatch};
use crate::matrix::{add_outer, add_scaled, gram};
use crate::model::{Lgssm, Roots};
use crate::posterior::{self, Posterior};
use nalgebra::Dim;

/// Moments and mode probabilities given codes, for every sequence and frame.
#[derive(Clone, Debug, PartialEq)]
pub struct SwitchingPosterior {
    /// Moments of the states; `log_likelihood` as [`super::log_likelihood`].
    pub states: Posterior,
    /// p(s_t = k | a_0 .. a_t), (B, T, K); zero at t = 0, which no mode leads to.
    pub filtered_modes: Vec<f64>,
    /// p(s_t = k | all codes), (B, T, K); zero at t = 0.
    pub smoothed_modes: Vec<f64>,
}

/// Filter and smoother over every sequence of the batch.
///
/// # Errors
/// As [`super::log_likelihood`], and [`crate::Error::Numeric`] where a predicted covariance is singular.
pub fn infer(
    model: &Lgssm,
    modes: &Modes,
    hypotheses: Hypotheses,
    batch: &Batch,
) -> Result<SwitchingPosterior> {
    let roots = model.roots()?;
    check(model, modes, hypotheses, batch)?;
    let job = Infer {
        model,
        modes,
        hypotheses,
        batch,
        roots: &roots,
    };
    dispatch(model.latent, model.code, job)
}

struct Infer<'a> {
    model: &'a Lgssm,
    modes: &'a Modes,
    hypotheses: Hypotheses,
    batch: &'a Batch<'a>,
    roots: &'a Roots,
}

impl Job for Infer<'_> {
    type Output = Result<SwitchingPosterior>;
    fn run<N: Dim, P: Dim>(self, n: N, p: P) -> Self::Output {
        let (size, frames, count) = (n.value(), self.batch.frames, self.modes.count());
        let rows = self.batch.sequences * frames;
        let zeros = |length: usize| vec![0.0; rows * length];
        let mut found = SwitchingPosterior {
            states: Posterior {
                log_likelihood: Vec::with_capacity(self.batch.sequences),
                predicted_mean: zeros(size),
                predicted_cov: zeros(size * size),
                filtered_mean: zeros(size),
                filtered_cov: zeros(size * size),
                smoothed_mean: zeros(size),
                smoothed_cov: zeros(size * size),
                lag_one_cov: zeros(size * size),
            },
            filtered_modes: zeros(count),
            smoothed_modes: zeros(count),
        };
        let mut filter = Filter::new(frames, size, p.value());
        for index in 0..self.batch.sequences {
            let sequence = self.batch.sequence(self.model, index);
            let log_likelihood =
                filter.run((n, p), &sequence, self.roots, self.modes, self.hypotheses)?;
            found.states.log_likelihood.push(log_likelihood);
            self.filtered(size, &filter, index, &mut found);
            self.smoothed(size, &filter, index, &mut found)?;
        }
        Ok(found)
    }
}

impl Infer<'_> {
    /// Moments of predicted and filtered states and filtered mode probabilities of one sequence.
    fn filtered(&self, n: usize, filter: &Filter, index: usize, found: &mut SwitchingPosterior) {
        let (frames, count) = (self.batch.frames, self.modes.count());
        for t in 0..frames {
            let at = index * frames + t;
            // Predicted weights: those of the branches before the code came.
            let mut predicted = Mixture::new(n);
            for place in filter.frame(t) {
                let branch = &filter.branches[place];
                let before = match t {
                    0 => 0.0,
                    _ => filter.branches[branch.parent].kept_log_weight,
                };
                predicted.push(
                    (before + branch.log_prior).exp(),
                    &filter.means.predicted[place * n..][..n],
                    Cov::Root(&filter.gains.predicted_root[place * n * n..][..n * n]),
                );
            }
            let states = &mut found.states;
            predicted.write(
                &mut states.predicted_mean[at * n..],
                &mut states.predicted_cov[at * n * n..],
            );
            filtered_moments(filter, t, n).write(
                &mut states.filtered_mean[at * n..],
                &mut states.filtered_cov[at * n * n..],
            );
            if t > 0 {
                let probabilities = &mut found.filtered_modes[at * count..][..count];
                filtered_modes(filter, t, probabilities);
            }
        }
    }

    /// Moments of smoothed states and smoothed mode probabilities of one sequence.
    fn smoothed(
        &self,
        n: usize,
        filter: &Filter,
        index: usize,
        found: &mut SwitchingPosterior,
    ) -> Result<()> {
        let (frames, count) = (self.batch.frames, self.modes.count());
        let nn = n * n;
        let mut states: Vec<Mixture> = (0..frames).map(|_| Mixture::new(n)).collect();
        let mut paths = Vec::new();
        for path in paths_of(self.model, self.modes, self.batch, filter, index)? {
            let (weight, moments) = (path.weight, path.moments);
            for (t, mode) in path.modes.iter().enumerate().skip(1) {
                found.smoothed_modes[(index * frames + t) * count + mode] += weight;
            }
            for (t, mixture) in states.iter_mut().enumerate() {
                mixture.push(
                    weight,
                    &moments.smoothed_mean[t * n..][..n],
                    Cov::Full(&moments.smoothed_cov[t * nn..][..nn]),
                );
            }
            paths.push((weight, moments));
        }
        for (t, mixture) in states.iter().enumerate() {
            let at = index * frames + t;
            let to = &mut found.states;
            mixture.write(
                &mut to.smoothed_mean[at * n..],
                &mut to.smoothed_cov[at * nn..],
            );
            if t > 0 {
                let lag_one = &mut to.lag_one_cov[at * nn..][..nn];
                for (weight, path) in &paths {
                    add_scaled(lag_one, *weight, &path.lag_one_cov[t * nn..][..nn]);
                    let now = mixture.deviation(&path.smoothed_mean[t * n..][..n]);
                    let before = states[t - 1].deviation(&path.smoothed_mean[(t - 1) * n..][..n]);
                    add_outer(lag_one, *weight, &now, &before, n, n);
                }
            }
        }
        Ok(())
    }
}

/// Filtered state of frame t: the mixture of what is kept after it.
pub(super) fn filtered_moments(filter: &Filter, t: usize, n: usize) -> Mixture {
    let mut filtered = Mixture::new(n);
    for (place, weight) in filter.kept(t) {
        filtered.push(
            weight,
            &filter.means.filtered[place * n..][..n],
            Cov::Root(&filter.gains.filtered_root[place * n * n..][..n * n]),
        );
    }
    filtered
}

/// Adds p(s_t = k | a_0 .. a_t) to the K `probabilities`.
pub(super) fn filtered_modes(filter: &Filter, t: usize, probabilities: &mut [f64]) {
    let here = || {
        let all = filter.branches[filter.frame(t)].iter();
        all.filter(|b| b.kept_as.is_some())
    };
    let total = super::log_sum_exp(here().map(|b| b.log_weight));
    for branch in here() {
        probabilities[branch.mode] += (branch.log_weight - total).exp();
    }
}

/// One mode path that is still held after the last frame.
pub(super) struct Path {
    /// Its normalised weight.
    pub weight: f64,
    /// Mode of every transition, (T); entry 0 is not used.
    pub modes: Vec<usize>,
    /// Moments of the states of the sequence along it.
    pub moments: Posterior,
}

/// The paths held after the last frame of sequence number `index`, whose filter ran.
///
/// # Errors
/// [`crate::Error::Numeric`] where a predicted covariance is singular.
pub(super) fn paths_of(
    model: &Lgssm,
    modes: &Modes,
    batch: &Batch,
    filter: &Filter,
    index: usize,
) -> Result<Vec<Path>> {
    let (frames, n) = (batch.frames, model.latent);
    let nn = n * n;
    let path = |(last, weight): (usize, f64)| {
        let mut path = vec![0; frames];
        let (mut matrices, mut offsets) = (vec![0.0; frames * nn], vec![0.0; frames * n]);
        let mut place = last;
        for t in (1..frames).rev() {
            let branch = &filter.branches[place];
            matrices[t * nn..][..nn].copy_from_slice(modes.matrix(branch.mode));
            offsets[t * n..][..n].copy_from_slice(modes.offset(branch.mode));
            path[t] = branch.mode;
            place = branch.parent;
        }
        let given = Batch {
            transition_matrices: Some(&matrices),
            transition_offsets: Some(&offsets),
            ..batch.only(index, model)
        };
        Ok(Path {
            weight,
            modes: path,
            moments: posterior::infer(model, &given)?,
        })
    };
    filter.kept(frames - 1).map(path).collect()
}

/// A covariance or its root.
pub(super) enum Cov<'a> {
    Root(&'a [f64]),
    Full(&'a [f64]),
}

/// First and second moment of a mixture of Gaussians, weights summing to one.
pub(super) struct Mixture {
    mean: Vec<f64>,
    /// Sum of weighted covariances and of weighted outer products of the means with themselves.
    parts: Vec<(f64, Vec<f64>)>,
    cov: Vec<f64>,
    total: f64,
}

impl Mixture {
    fn new(n: usize) -> Self {
        Self {
            mean: vec![0.0; n],
            parts: Vec::new(),
            cov: vec![0.0; n * n],
            total: 0.0,
        }
    }

    fn push(&mut self, weight: f64, mean: &[f64], cov: Cov) {
        let n = self.mean.len();
        add_scaled(&mut self.mean, weight, mean);
        self.total += weight;
        match cov {
            Cov::Full(cov) => add_scaled(&mut self.cov, weight, cov),
            Cov::Root(root) => {
                let mut cov = vec![0.0; n * n];
                gram(&mut cov, root, n, n);
                add_scaled(&mut self.cov, weight, &cov);
            }
        }
        self.parts.push((weight, mean.to_vec()));
    }

    /// A mean minus that of the mixture.
    fn deviation(&self, mean: &[f64]) -> Vec<f64> {
        mean.iter()
            .zip(&self.mean)
            .map(|(m, all)| m - all / self.total)
            .collect()
    }

    /// Mean (n) and covariance (n, n), symmetric to the last bit: sum of weighted covariances and of what the means spread.
    pub(super) fn write(&self, mean: &mut [f64], cov: &mut [f64]) {
        let n = self.mean.len();
        for (to, m) in mean[..n].iter_mut().zip(&self.mean) {
            *to = m / self.total;
        }
        for (to, c) in cov[..n * n].iter_mut().zip(&self.cov) {
            *to = c / self.total;
        }
        for (weight, part) in &self.parts {
            let deviation = self.deviation(part);
            for i in 0..n {
                for j in i..n {
                    let spread = weight / self.total * deviation[i] * deviation[j];
                    cov[i * n + j] += spread;
                    if i != j {
                        cov[j * n + i] += spread;
                    }
                }
            }
        }
    }
}
