//! M-step of A, B, b and Q.

use super::regression::Regression;
use super::{rows, state, symmetric};
use crate::Result;
use crate::{Batch, Inputs, Lgssm, Posterior};
use nalgebra::{DMatrix, DVector};

/// Regresses z_t (minus what the batch gives) on z_{t-1}, u_{t-1} and 1, over all t >= 1; Q is the mean expected square of the rest.
pub(super) fn maximize(
    updated: &mut Lgssm,
    input_matrix: &mut Vec<f64>,
    batch: &Batch,
    inputs: Option<&Inputs>,
    posterior: &Posterior,
) -> Result<()> {
    let n = updated.latent;
    let steps: Vec<usize> = (0..batch.sequences * batch.frames)
        .filter(|at| at % batch.frames > 0)
        .collect();
    if steps.is_empty() {
        return Ok(());
    }
    let actions = inputs.map_or(0, |inputs| inputs.size);
    let fit_matrix = batch.transition_matrices.is_none();
    let fit_offset = batch.transition_offsets.is_none();
    let states = if fit_matrix { n } else { 0 };
    let size = states + actions + usize::from(fit_offset);
    let given_matrix = |at: usize| {
        let given = batch.transition_matrices?;
        Some(DMatrix::from_row_slice(n, n, &given[at * n * n..][..n * n]))
    };
    let given_offset = |at: usize| {
        let given = batch.transition_offsets?;
        Some(DVector::from_column_slice(&given[at * n..][..n]))
    };
    // (u_{t-1}, 1), as far as they are regressors.
    let known = |at: usize| {
        let action = inputs.map_or(&[][..], |inputs| &inputs.values[at * actions..][..actions]);
        let one = fit_offset.then_some(1.0);
        DVector::from_iterator(size - states, action.iter().copied().chain(one))
    };

    let mut regression = Regression::new("transition", size, n);
    for &at in steps.iter().filter(|_| size > 0) {
        let (before, before_cov) = state(posterior, at - 1, n);
        let (mut target, _) = state(posterior, at, n);
        if let Some(matrix) = given_matrix(at) {
            target -= matrix * &before;
        }
        if let Some(offset) = given_offset(at) {
            target -= offset;
        }
        let known = known(at);
        let x = DVector::from_iterator(
            size,
            before.iter().take(states).chain(known.iter()).copied(),
        );
        let (mut xx, mut xy) = (&x * x.transpose(), &x * target.transpose());
        if fit_matrix {
            let mut corner = xx.view_mut((0, 0), (n, n));
            corner += &before_cov;
            let mut corner = xy.view_mut((0, 0), (n, n));
            corner += lag_one(posterior, at, n).transpose();
        }
        regression.add(&xx, &xy);
    }
    let mut weights = DMatrix::zeros(n, 0);
    if size > 0 {
        weights = regression.solve()?;
    }
    if fit_matrix {
        updated.transition_matrix = rows(&weights.columns(0, n).into_owned());
    }
    if actions > 0 {
        *input_matrix = rows(&weights.columns(states, actions).into_owned());
    }
    if fit_offset {
        updated.transition_offset = weights.column(size - 1).into_owned().data.into();
    }

    let fitted = DMatrix::from_row_slice(n, n, &updated.transition_matrix);
    let known_weights = weights.columns(states, size - states).into_owned();
    let mut cov = DMatrix::zeros(n, n);
    for &at in &steps {
        let (before, before_cov) = state(posterior, at - 1, n);
        let (after, after_cov) = state(posterior, at, n);
        let matrix = given_matrix(at).unwrap_or_else(|| fitted.clone());
        let mut rest = after - &matrix * before - &known_weights * known(at);
        if let Some(offset) = given_offset(at) {
            rest -= offset;
        }
        let lag = lag_one(posterior, at, n) * matrix.transpose();
        cov += &rest * rest.transpose() + after_cov - &lag - lag.transpose();
        cov += &matrix * before_cov * matrix.transpose();
    }
    updated.transition_cov = symmetric(cov / steps.len() as f64);
    Ok(())
}

/// Cov(z_t, z_{t-1}) of the frame at `at` in (B, T).
fn lag_one(posterior: &Posterior, at: usize, n: usize) -> DMatrix<f64> {
    DMatrix::from_row_slice(n, n, &posterior.lag_one_cov[at * n * n..][..n * n])
}
