//! The gradient of the log likelihood, array by array.

use super::batch::Batch;
use super::model::Lgssm;
use crate::{Error, Result};

/// Gradient of the summed log likelihood. A parameter of the model that per-step values replace has gradient zero.
///
/// Gradients of covariances are the symmetric G with dL = sum_ij G_ij dM_ij for every symmetric change dM.
///
/// Fisher's identity: the gradient of log p(a) is the posterior mean of the gradient of log p(z, a) (Cappe, Moulines & Ryden 2005,
/// sec. 10.1.3). With the smoothed disturbances Q lambda_t = E[w_t | a], R u_t = E[v_t | a], and Cov(w_t | a) = Q - Q N_t Q,
/// Cov(v_t | a) = R - R D_t R (Koopman & Shephard 1992), it reads
///
/// ```text
/// d/dA_t = lambda_t m_{t-1}' - N_t A_t P_{t-1|t-1}     d/dC_t = u_t m_t' - K_t' (I - N+_t P_{t|t})
/// d/dc_t = lambda_t                                    d/dd_t = u_t = - d/da_t
/// d/dQ   = sum_t 1/2 (lambda_t lambda_t' - N_t)        d/dR   = sum_t 1/2 (u_t u_t' - D_t)
/// d/dmu_0 = lambda_0                                   d/dSigma_0 = 1/2 (lambda_0 lambda_0' - N_0)
/// ```
///
/// with the smoothed means m_t, the Kalman gains K_t and N+_t = A_{t+1}' N_{t+1} A_{t+1}: the same numbers as the textbook form
/// d/dA_t = Q^-1 (S_{t,t-1} - A_t S_{t-1} - c_t m_{t-1}'), .., without its inverses of Q, R and Sigma_0, which cancel ten digits where
/// a noise is 1e-10.
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
    /// Zero for every argument that this model and batch have.
    pub fn zeros(model: &Lgssm, batch: &Batch) -> Self {
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
    pub(super) fn check(&self) -> Result<()> {
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
