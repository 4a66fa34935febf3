//! Exact inference in the linear-Gaussian state-space model: filter, smoother, likelihood and its gradients, sampling, EM.
//!
//! # The one time convention
//! State t is the state that is drawn in frame t, t = 0 .. T-1:
//!
//! ```text
//! z_0 ~ N(mu_0, Sigma_0)
//! z_t = A_t z_{t-1} + c_t + w_t,   w_t ~ N(0, Q)    t = 1 .. T-1,   c_t = b_t + B_t u_{t-1}
//! a_t = C_t z_t + d_t + v_t,       v_t ~ N(0, R)    t = 0 .. T-1
//! ```
//!
//! u_{t-1} is the action taken between frames t-1 and t. Whatever moves z_{t-1} to z_t has index t; entry 0 of a per-step array
//! of transitions is never read.
//!
//! # Glossary
//! | letter | name here | shape |
//! |---|---|---|
//! | a | `codes` | (B, T, p) |
//! | A | `transition_matrix` (`transition_matrices` per step) | (n, n) |
//! | b, c | `transition_offset` (`transition_offsets` per step, with B u folded in) | (n) |
//! | Q | `transition_cov` | (n, n) |
//! | C | `emission_matrix` (`emission_matrices` per step) | (p, n) |
//! | d | `emission_offset` (`emission_offsets` per step) | (p) |
//! | R | `emission_cov` | (p, p) |
//! | mu_0, Sigma_0 | `initial_mean`, `initial_cov` | (n), (n, n) |
//! | m_{t\|t-1}, P_{t\|t-1} | `predicted_mean`, `predicted_cov`: z_t given a_0 .. a_{t-1} | (B, T, n), (B, T, n, n) |
//! | m_{t\|t}, P_{t\|t} | `filtered_mean`, `filtered_cov`: z_t given a_0 .. a_t | |
//! | m_t, P_t | `smoothed_mean`, `smoothed_cov`: z_t given all codes | |
//! | P_{t,t-1} | `lag_one_cov`: Cov(z_t, z_{t-1}) given all codes | (B, T, n, n) |
//!
//! B sequences, T frames, n latent and p code dimensions. Every array is row-major f64.
//!
//! # How it is computed
//! Covariances are carried as roots U with P = U'U and moved by orthogonal transformations only (square-root filter and
//! smoother; Kailath, Sayed & Hassibi 2000, ch. 12), so each is symmetric and positive semi-definite by construction, and a
//! process noise of 1e-10 costs half the digits it would cost otherwise. Gradients come from Fisher's identity, written with
//! the smoothed disturbances (Koopman & Shephard 1992), which needs no inverse of Q or R: see [`Gradients`]. Without masks and
//! per-step matrices no covariance depends on the codes: they are then computed once for the whole batch.

mod adjoint;
mod affine_modes;
mod batch;
mod blend;
mod complete;
mod constraint;
mod dispatch;
pub mod em;
mod error;
mod filter;
mod futures;
mod gradients;
mod innovations;
mod inputs;
mod likelihood;
mod matrix;
mod model;
pub mod packed;
mod path;
mod posterior;
mod precision;
mod predict;
pub mod published;
mod sample;
mod smoother;
pub mod switching;

pub use affine_modes::{AffineModes, ModeWeights};
pub use batch::Batch;
pub use blend::{Blend, BlendGradient, Transitions};
pub use complete::{Complete, complete_log_density};
pub use constraint::Constraint;
pub use error::{Error, Result};
pub use futures::{Transition, driven_futures, futures, moved, root};
pub use gradients::Gradients;
pub use innovations::innovations;
pub use inputs::{InputGradients, Inputs};
pub use likelihood::{Evaluation, log_likelihood, log_likelihood_and_gradients};
pub use model::Lgssm;
pub use path::{PathMoments, path_moments};
pub use posterior::{Posterior, infer};
pub use predict::{Rollout, predict};
pub use sample::sample_path;
