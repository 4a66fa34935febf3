//! Open-loop prediction: where the state goes from here without further codes.

use super::matrix::{add_product, multiply, multiply_tn_symmetric};
use super::model::{Lgssm, check_values, root_of};
use crate::{Error, Result};

/// Moments of the states after the one that a roll-out starts from.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollout {
    /// Mean of z_{t+1} .. z_{t+steps}, (steps, n).
    pub mean: Vec<f64>,
    /// Their covariances, (steps, n, n).
    pub cov: Vec<f64>,
}

/// Rolls z_t ~ N(`mean` (n), `cov` (n, n)) forward: m <- A m + b, P <- A P A' + Q, `steps` times. `cov` may be zero.
///
/// With per-step matrices or actions, give [`super::infer`] frames whose mask is false instead: its posterior is the same roll-out.
///
/// # Errors
/// [`Error::Shape`] and [`Error::Numeric`] as for [`Lgssm::check`]; [`Error::Numeric`] names the step where a moment is not finite.
pub fn predict(model: &Lgssm, mean: &[f64], cov: &[f64], steps: usize) -> Result<Rollout> {
    model.check()?;
    let n = model.latent;
    check_values("mean", mean, n)?;
    check_values("cov", cov, n * n)?;
    let mut rollout = Rollout {
        mean: Vec::with_capacity(steps * n),
        cov: Vec::with_capacity(steps * n * n),
    };
    let transposed = transpose(&model.transition_matrix, n);
    let (mut mean, mut cov) = (mean.to_vec(), cov.to_vec());
    let (mut moved, mut product) = (vec![0.0; n], vec![0.0; n * n]);
    if cov.iter().any(|&x| x != 0.0) {
        root_of("cov", &cov, n)?;
    }
    for step in 1..=steps {
        moved.copy_from_slice(&model.transition_offset);
        add_product(&mut moved, &model.transition_matrix, &mean, n, n);
        mean.copy_from_slice(&moved);
        multiply(&mut product, &cov, &transposed, n, n, n); // P A'
        multiply_tn_symmetric(&mut cov, &transposed, &product, n, n); // A P A'
        for (p, q) in cov.iter_mut().zip(&model.transition_cov) {
            *p += q;
        }
        if !mean.iter().chain(&cov).all(|x| x.is_finite()) {
            return Err(Error::Numeric(format!(
                "lgssm: prediction is not finite after step {step}"
            )));
        }
        rollout.mean.extend(&mean);
        rollout.cov.extend(&cov);
    }
    Ok(rollout)
}

fn transpose(matrix: &[f64], n: usize) -> Vec<f64> {
    (0..n * n).map(|i| matrix[i % n * n + i / n]).collect()
}
