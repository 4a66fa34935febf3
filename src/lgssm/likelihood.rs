//! The exact log likelihood of a batch, alone and with its gradient in every argument.

use super::adjoint::Adjoint;
use super::batch::Batch;
use super::dispatch::{Job, dispatch};
use super::filter::{Gains, Means};
use super::gradients::Gradients;
use super::model::{Lgssm, Roots};
use crate::Result;
use nalgebra::Dim;

/// Log likelihoods and their gradient.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// log p(a_0 .. a_{T-1}) of every sequence, nats, summed over frames, (B).
    pub log_likelihood: Vec<f64>,
    /// What every frame adds to it, (B, T): log p(a_t | a_0 .. a_{t-1}), or a bound's share.
    pub increments: Vec<f64>,
    /// Gradient of the sum of `log_likelihood`.
    pub gradients: Gradients,
}

/// Exact log p(a_0 .. a_{T-1}) of every sequence, nats, summed over frames, (B).
///
/// # Errors
/// [`crate::Error::Shape`] for sizes that do not fit; [`crate::Error::Numeric`] for a covariance that is not positive definite or a
/// value that is not finite, naming the matrix and, inside the recursion, sequence and step.
pub fn log_likelihood(model: &Lgssm, batch: &Batch) -> Result<Vec<f64>> {
    let roots = model.roots()?;
    batch.check(model)?;
    dispatch(
        model.latent,
        model.code,
        Likelihood {
            model,
            batch,
            roots: &roots,
        },
    )
}

/// [`log_likelihood`] and the gradient of its sum in every parameter, every code and everything given per step.
///
/// One forward and one backward pass over the frames; no heap allocation per frame.
///
/// ```
/// use lgssm::{Batch, Lgssm, log_likelihood_and_gradients};
/// let model = Lgssm {
///     latent: 2,
///     code: 1,
///     transition_matrix: vec![1.0, 1.0, 0.0, 1.0], // position and velocity
///     transition_offset: vec![0.0; 2],
///     transition_cov: vec![1e-4, 0.0, 0.0, 1e-4],
///     emission_matrix: vec![1.0, 0.0],
///     emission_offset: vec![0.0],
///     emission_cov: vec![0.01],
///     initial_mean: vec![0.0; 2],
///     initial_cov: vec![1.0, 0.0, 0.0, 1.0],
/// };
/// let codes = [0.0, 0.5, 1.0, 1.5, 1.0, 1.25, 1.5, 1.75];
/// let found = log_likelihood_and_gradients(&model, &Batch::new(&codes, 2, 4))?;
/// assert_eq!(found.log_likelihood.len(), 2);
/// assert_eq!(found.gradients.codes.len(), codes.len());
/// # Ok::<(), lgssm::Error>(())
/// ```
///
/// # Errors
/// As [`log_likelihood`].
pub fn log_likelihood_and_gradients(model: &Lgssm, batch: &Batch) -> Result<Evaluation> {
    let roots = model.roots()?;
    batch.check(model)?;
    dispatch(
        model.latent,
        model.code,
        Evaluate {
            model,
            batch,
            roots: &roots,
        },
    )
}

struct Likelihood<'a> {
    model: &'a Lgssm,
    batch: &'a Batch<'a>,
    roots: &'a Roots,
}

impl Job for Likelihood<'_> {
    type Output = Result<Vec<f64>>;
    fn run<N: Dim, P: Dim>(self, n: N, p: P) -> Self::Output {
        let Self {
            model,
            batch,
            roots,
        } = self;
        let shared = batch.shares_covariances();
        let mut gains = Gains::new(batch.frames, n.value(), p.value());
        let mut means = Means::new(batch.frames, n.value(), p.value());
        (0..batch.sequences)
            .map(|index| {
                let sequence = batch.sequence(model, index);
                if index == 0 || !shared {
                    gains.run((n, p), &sequence, roots)?;
                }
                means.run((n, p), &sequence, &gains)
            })
            .collect()
    }
}

pub(super) struct Evaluate<'a> {
    pub model: &'a Lgssm,
    pub batch: &'a Batch<'a>,
    pub roots: &'a Roots,
}

impl Job for Evaluate<'_> {
    type Output = Result<Evaluation>;
    fn run<N: Dim, P: Dim>(self, n: N, p: P) -> Self::Output {
        let Self {
            model,
            batch,
            roots,
        } = self;
        let shared = batch.shares_covariances();
        let weight = if shared { batch.sequences as f64 } else { 1.0 };
        let (frames, size) = (batch.frames, (n.value(), p.value()));
        let mut gains = Gains::new(frames, size.0, size.1);
        let mut means = Means::new(frames, size.0, size.1);
        let mut adjoint = Adjoint::new(frames, size.0, size.1);
        let mut gradients = Gradients::zeros(model, batch);
        let mut log_likelihood = Vec::with_capacity(batch.sequences);
        let mut increments = Vec::with_capacity(batch.sequences * frames);
        for index in 0..batch.sequences {
            let sequence = batch.sequence(model, index);
            if index == 0 || !shared {
                gains.run((n, p), &sequence, roots)?;
                adjoint.covariances((n, p), &sequence, &gains, weight, &mut gradients);
            }
            log_likelihood.push(means.run((n, p), &sequence, &gains)?);
            increments.extend_from_slice(&means.increments);
            adjoint.means((n, p), &sequence, &gains, &means, &mut gradients);
        }
        gradients.check()?;
        Ok(Evaluation {
            log_likelihood,
            increments,
            gradients,
        })
    }
}
