//! The exact log likelihood of a batch and its gradient in every argument.
//!
//! Fisher's identity: the gradient of log p(a) is the posterior mean of the gradient of log p(z, a) (Cappe, Moulines & Ryden 2005,
//! sec. 10.1.3). With the smoothed disturbances Q lambda_t = E[w_t | a] and R u_t = E[v_t | a] of [`super::adjoint`] it reads
//!
//! ```text
//! d/dA_t = lambda_t m_{t-1}' - N_t A_t P_{t-1|t-1}     d/dC_t = u_t m_t' - K_t' (I - N+_t P_{t|t})
//! d/dc_t = lambda_t                                    d/dd_t = u_t = - d/da_t
//! d/dQ   = sum_t 1/2 (lambda_t lambda_t' - N_t)        d/dR   = sum_t 1/2 (u_t u_t' - D_t)
//! d/dmu_0 = lambda_0                                   d/dSigma_0 = 1/2 (lambda_0 lambda_0' - N_0)
//! ```
//!
//! the same numbers as the textbook form Q^-1 (S_{t,t-1} - A_t S_{t-1} - c_t m_{t-1}'), .., without its inverses of Q, R and Sigma_0, which
//! for a process noise of 1e-10 cancel ten digits.

use super::adjoint::Adjoint;
use super::batch::Batch;
use super::dispatch::{Job, dispatch};
use super::filter::{Gains, Means};
use super::model::{Lgssm, Roots};
use crate::{Error, Result};
use nalgebra::Dim;

/// Log likelihoods and their gradient.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// log p(a_0 .. a_{T-1}) of every sequence, nats, summed over frames, (B).
    pub log_likelihood: Vec<f64>,
    /// Gradient of the sum of `log_likelihood`.
    pub gradients: Gradients,
}

/// Gradient of the summed log likelihood. A parameter of the model that per-step values replace has gradient zero.
///
/// Gradients of covariances are the symmetric G with dL = sum_ij G_ij dM_ij for every symmetric change dM.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradients {
    /// d/dA, (n, n).
    pub transition_matrix: Vec<f64>,
    /// d/db, (n).
    pub transition_offset: Vec<f64>,
    /// d/dQ, (n, n), symmetric.
    pub transition_cov: Vec<f64>,
    /// d/dC, (p, n).
    pub emission_matrix: Vec<f64>,
    /// d/dd, (p).
    pub emission_offset: Vec<f64>,
    /// d/dR, (p, p), symmetric.
    pub emission_cov: Vec<f64>,
    /// d/dmu_0, (n).
    pub initial_mean: Vec<f64>,
    /// d/dSigma_0, (n, n), symmetric.
    pub initial_cov: Vec<f64>,
    /// d/da_t, (B, T, p); zero for missing components.
    pub codes: Vec<f64>,
    /// d/dA_t, (B, T, n, n), zero at t = 0; there if A_t was given.
    pub transition_matrices: Option<Vec<f64>>,
    /// d/dc_t, (B, T, n), zero at t = 0; there if c_t was given.
    pub transition_offsets: Option<Vec<f64>>,
    /// d/dC_t, (B, T, p, n); there if C_t was given.
    pub emission_matrices: Option<Vec<f64>>,
    /// d/dd_t, (B, T, p); there if d_t was given.
    pub emission_offsets: Option<Vec<f64>>,
}

impl Gradients {
    fn zeros(model: &Lgssm, batch: &Batch) -> Self {
        let (n, p, frames) = (model.latent, model.code, batch.sequences * batch.frames);
        let zeros = |size| vec![0.0; size];
        let where_given = |given: Option<&[f64]>| given.map(|values| zeros(values.len()));
        Self {
            transition_matrix: zeros(n * n),
            transition_offset: zeros(n),
            transition_cov: zeros(n * n),
            emission_matrix: zeros(p * n),
            emission_offset: zeros(p),
            emission_cov: zeros(p * p),
            initial_mean: zeros(n),
            initial_cov: zeros(n * n),
            codes: zeros(frames * p),
            transition_matrices: where_given(batch.transition_matrices),
            transition_offsets: where_given(batch.transition_offsets),
            emission_matrices: where_given(batch.emission_matrices),
            emission_offsets: where_given(batch.emission_offsets),
        }
    }

    /// Checks that every gradient is finite.
    fn check(&self) -> Result<()> {
        let none = Vec::new();
        for (name, values) in [
            ("transition_matrix", &self.transition_matrix),
            ("transition_offset", &self.transition_offset),
            ("transition_cov", &self.transition_cov),
            ("emission_matrix", &self.emission_matrix),
            ("emission_offset", &self.emission_offset),
            ("emission_cov", &self.emission_cov),
            ("initial_mean", &self.initial_mean),
            ("initial_cov", &self.initial_cov),
            ("codes", &self.codes),
            (
                "transition_matrices",
                self.transition_matrices.as_ref().unwrap_or(&none),
            ),
            (
                "transition_offsets",
                self.transition_offsets.as_ref().unwrap_or(&none),
            ),
            (
                "emission_matrices",
                self.emission_matrices.as_ref().unwrap_or(&none),
            ),
            (
                "emission_offsets",
                self.emission_offsets.as_ref().unwrap_or(&none),
            ),
        ] {
            if let Some(i) = values.iter().position(|x| !x.is_finite()) {
                return Err(Error::Numeric(format!(
                    "lgssm: gradient of {name} is not finite: value {i} is {}",
                    values[i]
                )));
            }
        }
        Ok(())
    }

    /// Where d/dA of the frame at `at` in (B, T) is added up.
    #[inline(always)]
    pub(super) fn transition_matrix_at(&mut self, at: usize) -> &mut [f64] {
        let size = self.transition_matrix.len();
        place(
            &mut self.transition_matrices,
            &mut self.transition_matrix,
            at,
            size,
        )
    }
    /// Where d/dc of the frame at `at` in (B, T) is added up.
    #[inline(always)]
    pub(super) fn transition_offset_at(&mut self, at: usize) -> &mut [f64] {
        let size = self.transition_offset.len();
        place(
            &mut self.transition_offsets,
            &mut self.transition_offset,
            at,
            size,
        )
    }
    /// Where d/dC of the frame at `at` in (B, T) is added up.
    #[inline(always)]
    pub(super) fn emission_matrix_at(&mut self, at: usize) -> &mut [f64] {
        let size = self.emission_matrix.len();
        place(
            &mut self.emission_matrices,
            &mut self.emission_matrix,
            at,
            size,
        )
    }
    /// Where d/dd of the frame at `at` in (B, T) is added up.
    #[inline(always)]
    pub(super) fn emission_offset_at(&mut self, at: usize) -> &mut [f64] {
        let size = self.emission_offset.len();
        place(
            &mut self.emission_offsets,
            &mut self.emission_offset,
            at,
            size,
        )
    }
}

#[inline(always)]
fn place<'a>(
    varying: &'a mut Option<Vec<f64>>,
    fixed: &'a mut [f64],
    at: usize,
    size: usize,
) -> &'a mut [f64] {
    match varying {
        Some(values) => &mut values[at * size..][..size],
        None => fixed,
    }
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
/// use kinostate::lgssm::{Batch, Lgssm, log_likelihood_and_gradients};
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
/// # Ok::<(), kinostate::Error>(())
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

struct Evaluate<'a> {
    model: &'a Lgssm,
    batch: &'a Batch<'a>,
    roots: &'a Roots,
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
        for index in 0..batch.sequences {
            let sequence = batch.sequence(model, index);
            if index == 0 || !shared {
                gains.run((n, p), &sequence, roots)?;
                adjoint.covariances((n, p), &sequence, &gains, weight, &mut gradients);
            }
            log_likelihood.push(means.run((n, p), &sequence, &gains)?);
            adjoint.means((n, p), &sequence, &gains, &means, &mut gradients);
        }
        gradients.check()?;
        Ok(Evaluation {
            log_likelihood,
            gradients,
        })
    }
}
