//! Laws of motion as learnable parameters: state-space models on the networks' tape, with the exact gradients of
//! [`lgssm`].
//!
//! Each file: parameters that start at a law, and one operation from codes (B*T, p) to their log density, whose
//! gradient comes from the reverse pass of `lgssm` in f64, checked against finite differences.

mod amortised;
mod blended;
mod error;
mod input;
mod matrices;
mod room;
mod state_space;
mod switching;

pub use amortised::{amortised_path, complete_log_density};
pub use blended::{BlendedStateSpace, blended_log_likelihood, weights_before};
pub use error::{Error, Result};
pub use matrices::Matrices;
pub use state_space::{Evidence, StateSpace, log_likelihood};
pub use switching::{ModesParams, SwitchingStateSpace, switching_log_likelihood};
