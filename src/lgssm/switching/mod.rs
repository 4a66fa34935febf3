//! A switching linear-Gaussian model whose modes depend on the state, followed by several hypotheses at once.
//!
//! ```text
//! s_t ~ p(s_t | z_{t-1}),   z_t ~ N(A_{s_t} z_{t-1} + b_{s_t}, Q),   a_t ~ N(C z_t + d, R)
//! ```
//!
//! What such a law can say that one matrix cannot: a bounce. At a wall w, x' = 2w - x - v and v' = -v is affine, but only there.
//!
//! The number of mode paths grows without bound, so the filter is a Gaussian sum (Alspach & Sorenson 1972): every hypothesis, a mode
//! path with its own Kalman filter, branches into all modes that its state allows, each branch is weighed by the code that came,
//!
//! ```text
//! lambda_{h,k} = log w_h + log p(k | m_h, P_h) + log N(a_t; C m_{h,k} + d, S_{h,k}),     log p(a_t | past) = logsumexp lambda
//! ```
//!
//! and at most M branches are kept; those with almost the same state become one. Weights, choices and moments are functions of past
//! codes alone, so the product of the p(a_t | past) is a normalised density of codes, whatever M: it is what training climbs, exactly
//! and with all gradients (file `adjoint.rs`). Where the mode probabilities do not depend on the state and nothing is pruned, it is
//! the marginal likelihood of the switching model.
//!
//! One hypothesis would have to guess: of a first frame nobody knows whether the ball is about to bounce, and a wrong guess costs the
//! velocity of the frames that follow.
//!
//! The model's own `transition_matrix` and `transition_offset` are checked and then not used; their gradients are zero.

mod adjoint;
mod dual;
pub mod em;
mod filter;
mod infer;
mod likelihood;
mod modes;
mod online;
mod reflecting;
mod room;
pub mod room_start;
pub mod start;

pub use infer::{SwitchingPosterior, infer, infer_watching};
pub use likelihood::{SwitchingEvaluation, log_likelihood, log_likelihood_and_gradients};
pub use modes::{Modes, ModesGradient};
pub use online::{Now, Online};
pub use reflecting::Reflecting;
pub use room::{MOST_AXES, Room, RoomNumbers};

use super::batch::Batch;
use super::model::Lgssm;
use crate::{Error, Result};

/// How hypotheses are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hypotheses {
    /// Most that are kept after each frame, M.
    pub most: usize,
    /// Two become one where sum_i (m_i - m'_i)^2 / P_ii is less than this: the squared distance of their means in standard deviations.
    /// 0 for never.
    pub merge_within: f64,
}

impl Hypotheses {
    /// At most `most`, merged within a tenth of a standard deviation.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            merge_within: 0.01,
        }
    }
}

/// What the hypotheses of one frame expect of its code, H Gaussians.
#[derive(Clone, Copy, Debug)]
pub struct Foreseen<'a> {
    /// Number of the sequence in its batch.
    pub sequence: usize,
    /// Frame.
    pub frame: usize,
    /// Log weights (H), which sum to one.
    pub log_weights: &'a [f64],
    /// C m + d, (H, p).
    pub means: &'a [f64],
    /// C P C' + R, (H, p, p).
    pub covs: &'a [f64],
}

/// What something other than a code, a picture x, tells of the code a of every hypothesis N(a; m_h, S_h).
#[derive(Clone, Debug)]
pub struct Told {
    /// log of the integral of p(x | a) N(a; m_h, S_h) over a, (H), nats.
    pub log_density: Vec<f64>,
    /// Mean of a given x, (H, p).
    pub means: Vec<f64>,
    /// Covariance of a given x, (H, p, p), positive definite.
    pub covs: Vec<f64>,
}

/// Looks at a frame that has no code; `None` where there is nothing to see either.
pub type Watch<'a> = dyn FnMut(&Foreseen) -> Result<Option<Told>> + 'a;

/// Checks that modes, hypotheses and batch fit the model.
fn check(model: &Lgssm, modes: &Modes, hypotheses: Hypotheses, batch: &Batch) -> Result<()> {
    if modes.latent() != model.latent {
        return Err(Error::Shape(format!(
            "modes: {} latent dimensions expected, got {}",
            model.latent,
            modes.latent()
        )));
    }
    if hypotheses.most == 0 {
        return Err(Error::Shape(
            "hypotheses: at least 1 expected, got 0".into(),
        ));
    }
    if batch.transition_matrices.is_some() || batch.transition_offsets.is_some() {
        return Err(Error::Shape(
            "modes: they are the transitions, got per-step transitions too".into(),
        ));
    }
    modes.check()?;
    batch.check(model)
}

/// log sum exp of some values; minus infinity of none.
fn log_sum_exp(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let top = values.clone().fold(f64::NEG_INFINITY, f64::max);
    if top == f64::NEG_INFINITY {
        return top;
    }
    top + values.map(|v| (v - top).exp()).sum::<f64>().ln()
}
