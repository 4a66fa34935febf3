//! Filtered, predicted and smoothed moments of every state, and lag-one covariances.

use super::batch::{Batch, Sequence};
use super::dispatch::{Job, dispatch};
use super::filter::{Gains, Means};
use super::matrix::{gram, multiply};
use super::model::{Lgssm, Roots};
use super::smoother::Backward;
use crate::Result;
use nalgebra::Dim;

/// Moments of z_t given codes, for every sequence and frame. Covariances are symmetric to the last bit.
#[derive(Clone, Debug, PartialEq)]
pub struct Posterior {
    /// log p(a_0 .. a_{T-1}), nats, summed over frames, (B).
    pub log_likelihood: Vec<f64>,
    /// Mean given a_0 .. a_{t-1}, (B, T, n).
    pub predicted_mean: Vec<f64>,
    /// Covariance given a_0 .. a_{t-1}, (B, T, n, n).
    pub predicted_cov: Vec<f64>,
    /// Mean given a_0 .. a_t, (B, T, n).
    pub filtered_mean: Vec<f64>,
    /// Covariance given a_0 .. a_t, (B, T, n, n).
    pub filtered_cov: Vec<f64>,
    /// Mean given all codes, (B, T, n).
    pub smoothed_mean: Vec<f64>,
    /// Covariance given all codes, (B, T, n, n).
    pub smoothed_cov: Vec<f64>,
    /// Cov(z_t, z_{t-1}) given all codes, rows z_t, (B, T, n, n); zero at t = 0.
    pub lag_one_cov: Vec<f64>,
}

/// Filter and smoother over every sequence of the batch.
///
/// # Errors
/// As [`super::log_likelihood`], and [`crate::Error::Numeric`] where a predicted covariance is singular.
pub fn infer(model: &Lgssm, batch: &Batch) -> Result<Posterior> {
    let roots = model.roots()?;
    batch.check(model)?;
    dispatch(
        model.latent,
        model.code,
        Infer {
            model,
            batch,
            roots: &roots,
        },
    )
}

struct Infer<'a> {
    model: &'a Lgssm,
    batch: &'a Batch<'a>,
    roots: &'a Roots,
}

impl Job for Infer<'_> {
    type Output = Result<Posterior>;
    fn run<N: Dim, P: Dim>(self, n: N, p: P) -> Self::Output {
        let Self {
            model,
            batch,
            roots,
        } = self;
        let (frames, size, shared) = (batch.frames, n.value(), batch.shares_covariances());
        let (row, square) = (frames * size, frames * size * size);
        let zeros = |length| vec![0.0; batch.sequences * length];
        let mut gains = Gains::new(frames, size, p.value());
        let mut means = Means::new(frames, size, p.value());
        let mut backward = Backward::new(frames, size);
        let mut change = vec![0.0; size];
        let mut found = Posterior {
            log_likelihood: Vec::with_capacity(batch.sequences),
            predicted_mean: zeros(row),
            predicted_cov: zeros(square),
            filtered_mean: zeros(row),
            filtered_cov: zeros(square),
            smoothed_mean: zeros(row),
            smoothed_cov: zeros(square),
            lag_one_cov: zeros(square),
        };
        for index in 0..batch.sequences {
            let sequence = batch.sequence(model, index);
            if index == 0 || !shared {
                gains.run((n, p), &sequence, roots)?;
                backward.run(n, &sequence, roots, &gains)?;
                found.set_covariances(index * square, size, &gains, &backward);
                found.check(&sequence, size)?;
            } else {
                for cov in found.covariances() {
                    cov.copy_within(..square, index * square);
                }
            }
            let log_likelihood = means.run((n, p), &sequence, &gains)?;
            found.log_likelihood.push(log_likelihood);
            let at = index * row;
            found.predicted_mean[at..][..row].copy_from_slice(&means.predicted);
            found.filtered_mean[at..][..row].copy_from_slice(&means.filtered);
            let smoothed = &mut found.smoothed_mean[at..][..row];
            smoothed[row - size..].copy_from_slice(&means.filtered[row - size..]);
            for t in (0..frames - 1).rev() {
                let (out, next) = smoothed[t * size..].split_at_mut(size);
                backward.mean(n, &means, t, next, out, &mut change);
            }
        }
        Ok(found)
    }
}

/// Moments of one sequence whose filter ran, by the backward pass alone: of its codes nothing is read, and
/// `log_likelihood` is empty.
///
/// # Errors
/// As [`infer`].
pub(super) fn smoothed<N: Dim>(
    n: N,
    sequence: &Sequence,
    roots: &Roots,
    (gains, means): (&Gains, &Means),
) -> Result<Posterior> {
    let (frames, size) = (sequence.batch.frames, n.value());
    let (row, square) = (frames * size, frames * size * size);
    let mut backward = Backward::new(frames, size);
    backward.run(n, sequence, roots, gains)?;
    let mut found = Posterior {
        log_likelihood: Vec::new(),
        predicted_mean: means.predicted[..row].to_vec(),
        predicted_cov: vec![0.0; square],
        filtered_mean: means.filtered[..row].to_vec(),
        filtered_cov: vec![0.0; square],
        smoothed_mean: means.filtered[..row].to_vec(),
        smoothed_cov: vec![0.0; square],
        lag_one_cov: vec![0.0; square],
    };
    found.set_covariances(0, size, gains, &backward);
    let mut change = vec![0.0; size];
    for t in (0..frames - 1).rev() {
        let (out, next) = found.smoothed_mean[t * size..].split_at_mut(size);
        backward.mean(n, means, t, next, out, &mut change);
    }
    Ok(found)
}

impl Posterior {
    fn covariances(&mut self) -> [&mut Vec<f64>; 4] {
        [
            &mut self.predicted_cov,
            &mut self.filtered_cov,
            &mut self.smoothed_cov,
            &mut self.lag_one_cov,
        ]
    }

    /// Checks that the covariances of one sequence are finite.
    fn check(&self, sequence: &Sequence, n: usize) -> Result<()> {
        for (name, covs) in [
            ("predicted_cov", &self.predicted_cov),
            ("filtered_cov", &self.filtered_cov),
            ("smoothed_cov", &self.smoothed_cov),
            ("lag_one_cov", &self.lag_one_cov),
        ] {
            let covs = &covs[sequence.at(0) * n * n..][..sequence.batch.frames * n * n];
            if let Some(i) = covs.iter().position(|x| !x.is_finite()) {
                return Err(sequence.numeric(i / (n * n), &format!("{name} is not finite")));
            }
        }
        Ok(())
    }

    /// Covariances of one sequence from their roots, written at `at`.
    fn set_covariances(&mut self, at: usize, n: usize, gains: &Gains, backward: &Backward) {
        let square = n * n;
        for (to, root) in [
            (&mut self.predicted_cov, &gains.predicted_root),
            (&mut self.filtered_cov, &gains.filtered_root),
            (&mut self.smoothed_cov, &backward.smoothed_root),
        ] {
            for (cov, root) in to[at..]
                .chunks_exact_mut(square)
                .zip(root.chunks_exact(square))
            {
                gram(cov, root, n, n);
            }
        }
        for (t, gain_t) in backward.gain_t.chunks_exact(square).enumerate() {
            let next = at + (t + 1) * square;
            if (t + 1) * square < backward.gain_t.len() {
                let smoothed = &self.smoothed_cov[next..][..square];
                multiply(&mut self.lag_one_cov[next..], smoothed, gain_t, n, n, n);
            }
        }
    }
}
