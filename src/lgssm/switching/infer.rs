//! Filtered, predicted and smoothed states, and mode probabilities, of a switching model.
//!
//! Every moment is that of the mixture over hypotheses, mean and covariance matched. The smoother runs along every mode path that
//! is still held after the last frame, given its transitions (Rauch, Tung & Striebel 1965), and mixes them by their final weights:
//! so what later frames tell revises which modes the first ones had.

use super::filter::Filter;
use super::{Hypotheses, Modes, Watch, check};
use crate::Result;
use crate::batch::Batch;
use crate::dispatch::{Job, dispatch};
use crate::filter::{Gains, Means};
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
    Ok(run(model, modes, hypotheses, batch, None)?.0)
}

/// The same, with `watch` asked at every frame whose code is missing: a picture that no Gaussian code stands for tells of it
/// what it can, also that a body is *not* where it would be seen. Every hypothesis is weighed by what the picture is worth
/// under it and keeps the first two moments of its posterior, which is exact where the picture's likelihood is Gaussian in the
/// code, and else as good as one Gaussian a hypothesis is (assumed density filtering).
///
/// Second: what every frame adds, (B, T): log p(a_t | past), or log p(x_t | past) where `watch` told something, nats.
///
/// # Errors
/// As [`infer`], and those of `watch`.
pub fn infer_watching(
    model: &Lgssm,
    modes: &Modes,
    hypotheses: Hypotheses,
    batch: &Batch,
    watch: &mut Watch,
) -> Result<(SwitchingPosterior, Vec<f64>)> {
    run(model, modes, hypotheses, batch, Some(watch))
}

fn run(
    model: &Lgssm,
    modes: &Modes,
    hypotheses: Hypotheses,
    batch: &Batch,
    watch: Option<&mut Watch>,
) -> Result<(SwitchingPosterior, Vec<f64>)> {
    let roots = model.roots()?;
    check(model, modes, hypotheses, batch)?;
    let job = Infer {
        model,
        modes,
        hypotheses,
        batch,
        roots: &roots,
        watches: watch.is_some(),
    };
    dispatch(model.latent, model.code, Watching(job, watch))
}

struct Infer<'a> {
    model: &'a Lgssm,
    modes: &'a Modes,
    hypotheses: Hypotheses,
    batch: &'a Batch<'a>,
    roots: &'a Roots,
    /// Whether frames without codes may have told something.
    watches: bool,
}

struct Watching<'a, 'w, 'x>(Infer<'a>, Option<&'w mut Watch<'x>>);

impl Job for Watching<'_, '_, '_> {
    type Output = Result<(SwitchingPosterior, Vec<f64>)>;
    fn run<N: Dim, P: Dim>(self, n: N, p: P) -> Self::Output {
        let Watching(job, mut watch) = self;
        job.run(n, p, &mut watch)
    }
}

impl Infer<'_> {
    fn run<N: Dim, P: Dim>(
        &self,
        n: N,
        p: P,
        watch: &mut Option<&mut Watch>,
    ) -> Result<(SwitchingPosterior, Vec<f64>)> {
        let (size, frames, count) = (n.value(), self.batch.frames, self.modes.count());
        let mut increments = Vec::with_capacity(self.batch.sequences * frames);
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
            let watch = watch.as_deref_mut();
            let settings = (self.modes, self.hypotheses);
            let log_likelihood =
                filter.run((n, p), &sequence, self.roots, settings.0, settings.1, watch)?;
            found.states.log_likelihood.push(log_likelihood);
            increments.extend_from_slice(&filter.increments);
            self.filtered(size, &filter, index, &mut found);
            let paths = match self.watches {
                true => self.paths(n, p, &filter, index)?,
                false => paths_of(self.model, self.modes, self.batch, &filter, index)?,
            };
            self.smoothed(size, paths, index, &mut found);
        }
        Ok((found, increments))
    }

    /// As [`paths_of`], with the states as the filter has them: what was told of frames without codes is in them alone.
    fn paths<N: Dim, P: Dim>(
        &self,
        n: N,
        p: P,
        filter: &Filter,
        index: usize,
    ) -> Result<Vec<Path>> {
        let (frames, size) = (self.batch.frames, n.value());
        let square = size * size;
        let path = |(last, weight): (usize, f64)| {
            let (places, modes) = ancestry(filter, frames, last);
            let mut matrices = Vec::with_capacity(frames * square);
            let mut gains = Gains::new(frames, size, p.value());
            let mut means = Means::new(frames, size, p.value());
            for (t, (&place, &mode)) in places.iter().zip(&modes).enumerate() {
                matrices.extend_from_slice(self.modes.matrix(mode));
                let own = |of: &[f64], length: usize| of[place * length..][..length].to_vec();
                let to = |to: &mut [f64], of: &[f64], length: usize| {
                    to[t * length..][..length].copy_from_slice(&own(of, length));
                };
                let (from, states) = (&filter.gains, &filter.means);
                to(&mut gains.predicted_root, &from.predicted_root, square);
                to(&mut gains.filtered_root, &from.filtered_root, square);
                to(&mut means.predicted, &states.predicted, size);
                to(&mut means.filtered, &states.filtered, size);
            }
            let given = Batch {
                transition_matrices: Some(&matrices),
                ..self.batch.only(index, self.model)
            };
            let sequence = given.sequence(self.model, 0);
            Ok(Path {
                weight,
                modes,
                moments: posterior::smoothed(n, &sequence, self.roots, (&gains, &means))?,
            })
        };
        filter.kept(frames - 1).map(path).collect()
    }

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
    fn smoothed(&self, n: usize, held: Vec<Path>, index: usize, found: &mut SwitchingPosterior) {
        let (frames, count) = (self.batch.frames, self.modes.count());
        let nn = n * n;
        let mut states: Vec<Mixture> = (0..frames).map(|_| Mixture::new(n)).collect();
        let mut paths = Vec::new();
        for path in held {
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
    }
}

/// Places in the filter's arrays of the states that led to place `last` of the last frame, (T), and the modes between them;
/// entry 0 of the modes is 0.
fn ancestry(filter: &Filter, frames: usize, last: usize) -> (Vec<usize>, Vec<usize>) {
    let (mut places, mut modes) = (vec![last; frames], vec![0; frames]);
    for t in (1..frames).rev() {
        let branch = &filter.branches[places[t]];
        modes[t] = branch.mode;
        places[t - 1] = branch.parent;
    }
    (places, modes)
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
