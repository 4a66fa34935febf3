//! A recurrent temporal VAE: a state that is computed from draws of a latent a frame, and frames that are decoded from
//! the state.
//!
//! ```text
//! e_t = CNN(x_t),   g_t = LSTM(g_{t-1}, e_t)
//! z_t ~ p(z_t | s_{t-1}) = N(mu_p(s_{t-1}), sigma_p(s_{t-1}))              prior, learned or N(0, I)
//! z_t ~ q(z_t | x_0..x_t, s_{t-1}) = N(mu_p + mu_q(g_t, s_{t-1}), sigma_q(g_t, s_{t-1}))    posterior
//! s_t = GRU(s_{t-1}, z_t), LSTM(s_{t-1}, z_t) or s_{t-1} + f(s_{t-1}, z_t),   x_t ~ p(x_t | dec(s_t))   transition, emission
//!
//! ELBO = sum_t E_q [ log p(x_t | s_t) ] - KL(q(z_t) || p(z_t | s_{t-1}))
//! ```
//!
//! Source: the variational RNN (Chung et al. 2015) as the state-space model without feedback of frames that Girin et
//! al. 2021 (sec. 4) write down. Departures:
//! 1. a frame reaches the decoder through z alone: one that is fed back lets the decoder ignore z;
//! 2. the posterior's mean is a correction of the prior's, so that it starts where the prior is;
//! 3. `posterior: all` runs the LSTM from the last frame backward, q(z_t | x_t .. x_{T-1}, s_{t-1}): smoothing;
//! 4. `ahead` adds log p of the next frames under draws from the prior alone, after a random frame of every clip:
//!    beside the bound. It teaches the state what moves it, where z would repaint every frame;
//! 5. a frame that is not seen has the prior for its posterior, and costs nothing;
//! 6. where the world is driven, prior, posterior and transition read the action since the frame before.

use super::recurrent::{Look, Shared};
use super::{
    Before, Cell, Distribution, Foresight, Head, ImagesConfig, RecurrentVae, Sizes, Transition,
    TransitionConfig, Variables, ZKind,
};
use crate::error::Result;
use crate::seeds::Rng;
use nn::layers::Lstm;
use nn::ops::{self, Direction};
use nn::tensor::size;
use nn::{Float, Mat, Module, Param, Track};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What p(z_t) knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Prior {
    /// The state before.
    #[default]
    Learned,
    /// Nothing: N(0, I).
    Fixed,
}

/// Which frames q(z_t) reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Posterior {
    /// Those up to t: filtering.
    #[default]
    Past,
    /// Those from t on, and through the state those before: smoothing.
    All,
}

/// Settings of an `rvae`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rvae {
    /// Dimensions of z.
    #[schemars(range(min = 1, max = 128))]
    pub latent: usize,
    /// What they are.
    pub kind: ZKind,
    /// Units of the state s and of the LSTM.
    #[schemars(range(min = 1, max = 4096))]
    pub units: usize,
    /// How the state goes on.
    pub transition: TransitionConfig,
    /// What p(z_t) knows.
    pub prior: Prior,
    /// Which frames q(z_t) reads.
    pub posterior: Posterior,
    /// Frames that draws from the prior alone have to predict.
    pub ahead: Foresight,
    /// Networks between frames and features.
    pub frames: ImagesConfig,
}

impl Default for Rvae {
    fn default() -> Self {
        Self {
            latent: 16,
            kind: ZKind::default(),
            units: 128,
            transition: TransitionConfig::default(),
            prior: Prior::default(),
            posterior: Posterior::default(),
            ahead: Foresight::default(),
            frames: ImagesConfig::default(),
        }
    }
}

impl Rvae {
    /// A small instance for the contract tests.
    pub fn example() -> Self {
        Self {
            latent: 2,
            units: 5,
            ahead: Foresight {
                frames: 2,
                weight: 0.5,
            },
            frames: ImagesConfig::examples()[0].clone(),
            ..Self::default()
        }
    }

    fn shared(&self) -> Shared<'_> {
        Shared {
            latent: self.latent,
            kind: self.kind,
            units: self.units,
            ahead: self.ahead,
            frames: &self.frames,
        }
    }

    /// # Errors
    /// Names the key under `at`, what was expected and got.
    pub fn check(&self, at: &str, frame: [usize; 3]) -> Result<()> {
        self.shared().check(at, frame)
    }

    /// Builds the model.
    ///
    /// # Errors
    /// Settings that do not fit the frames.
    pub fn build<F: Float>(
        &self,
        sizes: Sizes,
        rng: &mut Rng,
    ) -> Result<RecurrentVae<F, RvaeCell<F>>> {
        let (h, k) = (self.units, self.frames.features());
        let z = self.kind.variables(self.latent);
        let acts = sizes.actions;
        let cell = RvaeCell {
            config: self.clone(),
            memory: Lstm::new(k, h, rng)?,
            prior: z.head(h + acts, h, 1.0, rng)?,
            posterior: z.head(2 * h + acts, h, 0.5, rng)?,
            transition: self.transition.build(z.width() + acts, h, rng)?,
        };
        Ok(
            RecurrentVae::new(self.frames.build(sizes.frame, h, rng)?, cell, self.ahead)
                .driven(acts),
        )
    }
}

/// A built `rvae` between its networks of frames.
#[derive(Debug)]
pub struct RvaeCell<F: Float> {
    config: Rvae,
    memory: Lstm<F>,
    prior: Head<F>,
    posterior: Head<F>,
    transition: Transition<F>,
}

impl<F: Float> RvaeCell<F> {
    /// What heads read of s_{t-1}, with what acted: of an LSTM not its memory.
    fn read<T: Track<F>>(&self, before: &Before<F, T>) -> Result<Mat<F, T>> {
        match self.config.transition {
            TransitionConfig::Lstm => {
                before.beside(&ops::columns(before.state, 0..self.config.units)?)
            }
            TransitionConfig::Gru | TransitionConfig::Residual => before.joined(),
        }
    }
}

impl<F: Float> Cell<F> for RvaeCell<F> {
    fn units(&self) -> usize {
        self.config.transition.values(self.config.units)
    }

    fn shown(&self) -> Range<usize> {
        0..self.config.units
    }

    fn latent(&self) -> Variables {
        self.config.kind.variables(self.config.latent)
    }

    fn remembered(&self) -> usize {
        self.config.units
    }

    fn looks_ahead(&self) -> bool {
        self.config.posterior == Posterior::All
    }

    fn memory<T: Track<F>>(&self, features: &Mat<F, T>, look: &mut Look) -> Result<Mat<F, T>> {
        let direction = match self.config.posterior {
            Posterior::Past => Direction::Forward,
            Posterior::All => Direction::Backward,
        };
        Ok(self.memory.seq(features, look.steps, direction)?)
    }

    fn prior<T: Track<F>>(&self, before: &Before<F, T>) -> Result<Distribution<F, T>> {
        if self.config.prior == Prior::Fixed {
            return self.latent().standard(size(before.state).0);
        }
        self.prior.forward(&self.read(before)?)
    }

    fn posterior<T: Track<F>>(
        &self,
        memory: &Mat<F, T>,
        before: &Before<F, T>,
        prior: &Distribution<F, T>,
    ) -> Result<Distribution<F, T>> {
        let both = ops::concat(&[memory, &self.read(before)?])?;
        self.posterior.correct(&both, prior)
    }

    fn transition<T: Track<F>>(&self, z: &Mat<F, T>, before: &Before<F, T>) -> Result<Mat<F, T>> {
        self.transition.step(&before.beside(z)?, before.state)
    }
}

impl<F: Float> Module<F> for RvaeCell<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        self.memory.parameters(&format!("{at}memory"), out);
        if self.config.prior == Prior::Learned {
            self.prior.parameters(&format!("{at}prior"), out);
        }
        self.posterior.parameters(&format!("{at}posterior"), out);
        self.transition.parameters(&format!("{at}transition"), out);
    }
}
