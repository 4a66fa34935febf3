//! Expectation maximisation: closed-form updates of every parameter from the smoothed moments; the likelihood never falls.
//!
//! The E-step is [`infer`]; the M-step maximises E[log p(z, a)] given all codes (Shumway & Stoffer 1982; Ghahramani & Hinton 1996):
//! two regressions, z_t on (z_{t-1}, u_{t-1}, 1) and a_t on (z_t, 1), and the moments of z_0. Where the
//! batch gives A_t, c_t, C_t or d_t per step, the model's own is not fitted and stays as it is; Q, R, mu_0, Sigma_0 are fitted always.

mod emission;
mod regression;
mod transition;

pub use emission::emission_noise;

use super::batch::Batch;
use super::inputs::Inputs;
use super::model::Lgssm;
use super::posterior::{Posterior, infer};
use crate::{Error, Result};
use nalgebra::{DMatrix, DVector};

/// One EM step: the model after it, and the log likelihood of the batch (nats, summed) under the model *before* it.
///
/// With one frame a sequence A, b and Q stay as they are, with nothing seen C, d and R do.
///
/// # Errors
/// As [`infer`]; [`Error::Numeric`] names the regression that has too little data, or the covariance that collapsed.
pub fn step(model: &Lgssm, batch: &Batch) -> Result<(Lgssm, f64)> {
    let posterior = infer(model, batch)?;
    let (updated, _) = maximize(model, batch, None, &posterior)?;
    Ok((updated, posterior.log_likelihood.iter().sum()))
}

/// [`step`] with actions: z_t = A z_{t-1} + B u_{t-1} + b + w_t. Returns the model, B (n, k) and the log likelihood before.
///
/// # Errors
/// As [`step`]; [`Error::Shape`] when the batch has transition offsets too.
pub fn step_with_inputs(
    model: &Lgssm,
    inputs: &Inputs,
    batch: &Batch,
) -> Result<(Lgssm, Vec<f64>, f64)> {
    model.check()?;
    if batch.transition_offsets.is_some() {
        return Err(Error::Shape(
            "lgssm: EM wants inputs or transition_offsets, got both".into(),
        ));
    }
    let offsets = inputs.offsets(model, batch.sequences, batch.frames)?;
    let moved = Batch {
        transition_offsets: Some(&offsets),
        ..*batch
    };
    let posterior = infer(model, &moved)?;
    let (updated, matrix) = maximize(model, batch, Some(inputs), &posterior)?;
    Ok((updated, matrix, posterior.log_likelihood.iter().sum()))
}

/// The M-step; returns the input matrix too (empty without inputs).
fn maximize(
    model: &Lgssm,
    batch: &Batch,
    inputs: Option<&Inputs>,
    posterior: &Posterior,
) -> Result<(Lgssm, Vec<f64>)> {
    let mut updated = model.clone();
    let mut input_matrix = inputs.map_or_else(Vec::new, |inputs| inputs.matrix.to_vec());
    if batch.sequences > 0 {
        initial(&mut updated, batch, posterior);
        transition::maximize(&mut updated, &mut input_matrix, batch, inputs, posterior)?;
        emission::maximize(&mut updated, model, batch, posterior)?;
    }
    updated.check()?;
    Ok((updated, input_matrix))
}

/// mu_0 = mean of m_0 over sequences, Sigma_0 = mean of P_0 + (m_0 - mu_0)(m_0 - mu_0)'.
fn initial(updated: &mut Lgssm, batch: &Batch, posterior: &Posterior) {
    let n = updated.latent;
    let weight = 1.0 / batch.sequences as f64;
    let first = |index: usize| state(posterior, index * batch.frames, n);
    let mean = (0..batch.sequences).fold(DVector::zeros(n), |sum, i| sum + first(i).0) * weight;
    let cov = (0..batch.sequences).fold(DMatrix::zeros(n, n), |sum, i| {
        let (state, cov) = first(i);
        let change = state - &mean;
        sum + cov + &change * change.transpose()
    }) * weight;
    updated.initial_mean = mean.data.into();
    updated.initial_cov = rows(&cov);
}

/// Smoothed mean and covariance of the frame at `at` in (B, T).
fn state(posterior: &Posterior, at: usize, n: usize) -> (DVector<f64>, DMatrix<f64>) {
    (
        DVector::from_column_slice(&posterior.smoothed_mean[at * n..][..n]),
        DMatrix::from_row_slice(n, n, &posterior.smoothed_cov[at * n * n..][..n * n]),
    )
}

/// The values of a matrix, row-major.
fn rows(matrix: &DMatrix<f64>) -> Vec<f64> {
    matrix.transpose().data.into()
}

/// The symmetric half of a covariance that is symmetric up to rounding, row-major.
fn symmetric(matrix: DMatrix<f64>) -> Vec<f64> {
    let transposed = matrix.transpose();
    ((matrix + transposed) * 0.5).data.into()
}
