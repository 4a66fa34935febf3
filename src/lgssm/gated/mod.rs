//! A transition chosen at every step from the filtered mean: the likelihood stays exact, and every gradient is in closed form.
//!
//! ```text
//! (A_t, b_t) = gate(m_{t-1|t-1}),    z_t ~ N(A_t z_{t-1} + b_t, Q),    a_t ~ N(C z_t + d, R)
//! ```
//!
//! m_{t-1|t-1} is a function of a_0 .. a_{t-1}, so given past codes every step is linear and Gaussian, the filter is exact for this
//! model and log p(a) is the sum over its innovations. The *gradient* flows through the gate too: from A_t and b_t to the filtered
//! mean and so to all earlier frames. The reverse pass is the filter's own adjoint (file `adjoint.rs`), in f64.
//!
//! What a law can say with a gate that one matrix cannot: a bounce. At a wall w, x' = 2w - x - v and v' = -v is affine, but only there.
//!
//! The model's own `transition_matrix` and `transition_offset` are checked and then not used; their gradients are zero.

mod adjoint;
mod filter;
mod infer;
mod likelihood;
mod mixture;
mod reflecting;

pub use infer::infer;
pub use likelihood::{GatedEvaluation, log_likelihood, log_likelihood_and_gradients};
pub use mixture::Mixture;
pub use reflecting::Reflecting;

use super::batch::Batch;
use super::model::{Lgssm, check_values};
use crate::{Error, Result};

/// How a filtered mean chooses the transition to the next frame.
pub trait Gate: Sync {
    /// Latent dimensions n.
    fn latent(&self) -> usize;
    /// All parameters in a fixed order.
    fn parameters(&self) -> Vec<f64>;
    /// Writes A (n, n) and b (n) for a mean (n).
    fn transition(&self, mean: &[f64], matrix: &mut [f64], offset: &mut [f64]);
    /// Adds to the gradients in the mean (n) and in [`Self::parameters`] what the gradients in A (n, n) and b (n) send back.
    fn backward(
        &self,
        mean: &[f64],
        matrix_gradient: &[f64],
        offset_gradient: &[f64],
        mean_gradient: &mut [f64],
        parameter_gradient: &mut [f64],
    );
}

/// Checks that gate and batch fit the model.
fn check(model: &Lgssm, gate: &dyn Gate, batch: &Batch) -> Result<()> {
    if gate.latent() != model.latent {
        return Err(Error::Shape(format!(
            "gate: {} latent dimensions expected, got {}",
            model.latent,
            gate.latent()
        )));
    }
    if batch.transition_matrices.is_some() || batch.transition_offsets.is_some() {
        return Err(Error::Shape(
            "gate: chooses the transitions itself, got per-step transitions too".into(),
        ));
    }
    let parameters = gate.parameters();
    check_values("gate", &parameters, parameters.len())?;
    batch.check(model)
}

/// 1 / (1 + exp(-x)).
fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}
