//! Actions: how they move the state, and the gradients that reach them.

use super::model::{Lgssm, check_values};
use crate::Result;

/// Actions u, and the matrix by which they move the state: z_t = A z_{t-1} + B u_{t-1} + b + w_t.
///
/// [`Self::offsets`] turns them into the c_t of a [`Batch`](super::Batch), and [`Self::gradients`] turns d/dc_t back:
///
/// ```
/// use lgssm::{Batch, Inputs, Lgssm, log_likelihood_and_gradients};
/// # let model = Lgssm {
/// #     latent: 1, code: 1,
/// #     transition_matrix: vec![0.9], transition_offset: vec![0.0], transition_cov: vec![0.1],
/// #     emission_matrix: vec![1.0], emission_offset: vec![0.0], emission_cov: vec![0.1],
/// #     initial_mean: vec![0.0], initial_cov: vec![1.0],
/// # };
/// let codes = [0.0, 1.1, 2.0];
/// let inputs = Inputs { size: 1, matrix: &[0.5], values: &[0.0, 2.0, 2.0] };
/// let offsets = inputs.offsets(&model, 1, 3)?;
/// let batch = Batch { transition_offsets: Some(&offsets), ..Batch::new(&codes, 1, 3) };
/// let found = log_likelihood_and_gradients(&model, &batch)?;
/// let of_offsets = found.gradients.transition_offsets.as_deref().unwrap_or_default();
/// let gradients = inputs.gradients(of_offsets);
/// assert_eq!((gradients.matrix.len(), gradients.values.len()), (1, 3));
/// # Ok::<(), lgssm::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// Action dimensions k.
    pub size: usize,
    /// B, (n, k).
    pub matrix: &'a [f64],
    /// u, (B, T, k); entry t is u_{t-1}, the action between frames t-1 and t; entry 0 is not used.
    pub values: &'a [f64],
}

/// Gradient of the summed log likelihood in what makes up c_t = b + B u_{t-1}.
#[derive(Clone, Debug, PartialEq)]
pub struct InputGradients {
    /// d/dB = sum_t d/dc_t u_{t-1}', (n, k).
    pub matrix: Vec<f64>,
    /// d/du_{t-1} = B' d/dc_t, (B, T, k); zero at t = 0.
    pub values: Vec<f64>,
    /// d/db = sum_t d/dc_t, (n).
    pub offset: Vec<f64>,
}

impl Inputs<'_> {
    /// c_t = b + B u_{t-1}, (B, T, n), for a batch of this many sequences and frames.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] and [`crate::Error::Numeric`] for an input matrix or actions that do not fit or are not finite.
    pub fn offsets(&self, model: &Lgssm, sequences: usize, frames: usize) -> Result<Vec<f64>> {
        let (n, k) = (model.latent, self.size);
        check_values("transition_offset", &model.transition_offset, n)?;
        check_values("input matrix", self.matrix, n * k)?;
        check_values("inputs", self.values, sequences * frames * k)?;
        let mut offsets = model.transition_offset.repeat(sequences * frames);
        if k > 0 {
            for (c, u) in offsets.chunks_exact_mut(n).zip(self.values.chunks_exact(k)) {
                for (c, row) in c.iter_mut().zip(self.matrix.chunks_exact(k)) {
                    *c += row.iter().zip(u).map(|(b, u)| b * u).sum::<f64>();
                }
            }
        }
        Ok(offsets)
    }

    /// From d/dc_t, (B, T, n), as [`super::Gradients::transition_offsets`] holds it.
    pub fn gradients(&self, of_offsets: &[f64]) -> InputGradients {
        let k = self.size;
        let n = self.matrix.len() / k.max(1);
        let mut found = InputGradients {
            matrix: vec![0.0; n * k],
            values: vec![0.0; self.values.len()],
            offset: vec![0.0; n],
        };
        if k == 0 {
            return found;
        }
        let steps = self.values.chunks_exact(k);
        let to_values = found.values.chunks_exact_mut(k);
        for ((dc, u), du) in of_offsets.chunks_exact(n).zip(steps).zip(to_values) {
            for (i, &d) in dc.iter().enumerate() {
                found.offset[i] += d;
                for j in 0..k {
                    found.matrix[i * k + j] += d * u[j];
                    du[j] += d * self.matrix[i * k + j];
                }
            }
        }
        found
    }
}
