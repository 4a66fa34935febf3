//! Moments of a linear recursion with noise of its own at every step: what an amortised posterior of paths says of each state.

use super::matrix::{add_product, multiply, multiply_nt};
use super::model::check_values;
use crate::Result;

/// Moments of the states of a path, for B sequences of T frames.
#[derive(Clone, Debug, PartialEq)]
pub struct PathMoments {
    /// (B, T, n).
    pub mean: Vec<f64>,
    /// (B, T, n, n).
    pub cov: Vec<f64>,
    /// Cov(z_t, z_{t-1}), rows z_t, (B, T, n, n); zero at t = 0.
    pub lag_one_cov: Vec<f64>,
}

/// Of z_t ~ N(F z_{t-1} + u_t, diag v_t), z_{-1} = 0: feedback F (n, n), drift u and variances v (B, T, n).
///
/// # Errors
/// [`crate::Error::Shape`] for sizes that do not fit, [`crate::Error::Numeric`] for values that are not finite.
pub fn path_moments(
    feedback: &[f64],
    (drift, variances): (&[f64], &[f64]),
    frames: usize,
) -> Result<PathMoments> {
    let n = feedback.len().isqrt();
    let rows = drift.len() / n.max(1);
    check_values("feedback", feedback, n * n)?;
    check_values("drift", drift, rows / frames.max(1) * frames * n)?;
    check_values("variances", variances, drift.len())?;
    let mut found = PathMoments {
        mean: drift.to_vec(),
        cov: vec![0.0; rows * n * n],
        lag_one_cov: vec![0.0; rows * n * n],
    };
    for row in 0..rows {
        let (before, own) = found.cov.split_at_mut(row * n * n);
        let own = &mut own[..n * n];
        if row % frames > 0 {
            let (earlier, now) = found.mean.split_at_mut(row * n);
            add_product(now, feedback, &earlier[(row - 1) * n..], n, n);
            let lag = &mut found.lag_one_cov[row * n * n..][..n * n];
            multiply(lag, feedback, &before[(row - 1) * n * n..], n, n, n);
            multiply_nt(own, lag, feedback, n, n, n);
            symmetrise(own, n);
        }
        for i in 0..n {
            own[i * (n + 1)] += variances[row * n + i];
        }
    }
    Ok(found)
}

/// Both halves become their mean: they differ by rounding.
fn symmetrise(cov: &mut [f64], n: usize) {
    for i in 0..n {
        for j in 0..i {
            let mean = 0.5 * (cov[i * n + j] + cov[j * n + i]);
            cov[i * n + j] = mean;
            cov[j * n + i] = mean;
        }
    }
}
