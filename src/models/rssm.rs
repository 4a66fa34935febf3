//! A recurrent state-space model: a state of two parts, one computed and one drawn, and what the world's task gives.
//!
//! ```text
//! h_t = GRU(h_{t-1}, [z_{t-1}, u_{t-1}])                                                                computed
//! z_t ~ p(z_t | h_t) = N(mu_p(h_t), sigma_p(h_t))                                                       prior
//! z_t ~ q(z_t | h_t, x_t) = N(mu_q(h_t, e_t), sigma_q(h_t, e_t)),   e_t = CNN(x_t)                      posterior
//! s_t = (h_t, z_t),   x_t ~ p(x_t | dec(s_t)),   r_t ~ p(r_t | s_t)                                     emission
//!
//! ELBO = sum_t E_q [ log p(x_t | s_t) ] - KL(q(z_t) || p(z_t | h_t))
//! ```
//!
//! All given the actions u. Training climbs log p(x_t | s_t) less the divergence of [`Balance`], and log p(r_t | s_t) of
//! [`RewardConfig`]; what is reported as the bound is the ELBO above. With `kind: { categorical: .. }` z is a row of
//! one-hot vectors, `latent` of them.
//!
//! Source: Hafner et al. 2019 (PlaNet) and 2023 (DreamerV3). Departures:
//! 1. z enters the GRU without a layer between, with layer norm in the GRU as DreamerV3 has it;
//! 2. no world here ends an episode, so nothing predicts that one goes on;
//! 3. `ahead` as in `rvae`, for frames and rewards: draws from the prior alone have to predict;
//! 4. a frame that is not seen has the prior for its posterior, and costs nothing.

use super::balance::Balance;
use super::images::positive;
use super::reward::RewardConfig;
use super::{
    Before, Cell, Distribution, Foresight, Head, ImagesConfig, Look, RecurrentVae, Sizes,
    Variables, ZKind,
};
use crate::error::{Result, all};
use crate::seeds::Rng;
use nn::layers::Gru;
use nn::ops;
use nn::{Float, Mat, Module, Param, Track};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of an `rssm`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rssm {
    /// Dimensions of z.
    #[schemars(range(min = 1, max = 1024))]
    pub latent: usize,
    /// What they are.
    pub kind: ZKind,
    /// Units of h.
    #[schemars(range(min = 1, max = 4096))]
    pub units: usize,
    /// How the divergence pulls either side.
    pub balance: Balance,
    /// What the world's task gives, where it has one.
    pub reward: RewardConfig,
    /// Frames that draws from the prior alone have to predict.
    pub ahead: Foresight,
    /// Networks between frames and features.
    pub frames: ImagesConfig,
}

impl Default for Rssm {
    fn default() -> Self {
        Self {
            latent: 16,
            kind: ZKind::default(),
            units: 128,
            balance: Balance::default(),
            reward: RewardConfig::default(),
            ahead: Foresight::default(),
            frames: ImagesConfig::default(),
        }
    }
}

impl Rssm {
    /// A small instance for the contract tests, which compare with finite differences: nothing is held still.
    pub fn example() -> Self {
        Self {
            latent: 2,
            kind: ZKind::default(),
            units: 5,
            balance: Balance::none(),
            reward: RewardConfig {
                weight: 0.7,
                std: 0.5,
            },
            ahead: Foresight {
                frames: 2,
                weight: 0.5,
            },
            frames: ImagesConfig::examples()[0].clone(),
        }
    }

    /// # Errors
    /// Names the key under `at`, what was expected and got.
    pub fn check(&self, at: &str, frame: [usize; 3]) -> Result<()> {
        all([
            positive(&format!("{at}.latent"), self.latent, 1024),
            self.kind.check(&format!("{at}.kind")),
            positive(&format!("{at}.units"), self.units, 4096),
            self.balance.check(&format!("{at}.balance")),
            self.reward.check(&format!("{at}.reward")),
            self.ahead.check(&format!("{at}.ahead")),
            self.frames.check(&format!("{at}.frames"), frame),
        ])
    }

    /// Builds the model.
    ///
    /// # Errors
    /// Settings that do not fit the frames.
    pub fn build<F: Float>(
        &self,
        sizes: Sizes,
        rng: &mut Rng,
    ) -> Result<RecurrentVae<F, RssmCell<F>>> {
        let (h, k, acts) = (self.units, self.frames.features(), sizes.actions);
        let z = self.kind.variables(self.latent);
        let n = z.width();
        let cell = RssmCell {
            config: self.clone(),
            features: k,
            path: Gru::new(n + acts, h, true, rng)?,
            prior: z.head(h, h, 1.0, rng)?,
            posterior: z.head(h + k, h, 0.5, rng)?,
        };
        let images = self.frames.build(sizes.frame, h + n, rng)?;
        let reward = self.reward.build(sizes.rewards, h + n, h, rng)?;
        Ok(RecurrentVae::new(images, cell, self.ahead)
            .driven(acts)
            .rewarded(reward))
    }
}

/// A built `rssm` between its networks of frames. A state is (h, z); before its frame, (h_t) alone.
#[derive(Debug)]
pub struct RssmCell<F: Float> {
    config: Rssm,
    features: usize,
    path: Gru<F>,
    prior: Head<F>,
    posterior: Head<F>,
}

impl<F: Float> Cell<F> for RssmCell<F> {
    fn units(&self) -> usize {
        self.config.units + self.latent().width()
    }

    fn latent(&self) -> Variables {
        self.config.kind.variables(self.config.latent)
    }

    fn remembered(&self) -> usize {
        self.features
    }

    fn forgets(&self) -> bool {
        true
    }

    fn balance(&self) -> Balance {
        self.config.balance
    }

    fn memory<T: Track<F>>(&self, features: &Mat<F, T>, _look: &mut Look) -> Result<Mat<F, T>> {
        Ok(features.clone())
    }

    fn advance<T: Track<F>>(&self, before: &Before<F, T>) -> Result<Mat<F, T>> {
        let h = self.config.units;
        let last = ops::columns(before.state, 0..h)?;
        let z = ops::columns(before.state, h..self.units())?;
        Ok(self.path.step(&before.beside(&z)?, &last)?)
    }

    fn prior<T: Track<F>>(&self, before: &Before<F, T>) -> Result<Distribution<F, T>> {
        self.prior.forward(before.state)
    }

    fn posterior<T: Track<F>>(
        &self,
        memory: &Mat<F, T>,
        before: &Before<F, T>,
        _prior: &Distribution<F, T>,
    ) -> Result<Distribution<F, T>> {
        let both = ops::concat(&[before.state, memory])?;
        self.posterior.forward(&both)
    }

    fn transition<T: Track<F>>(&self, z: &Mat<F, T>, before: &Before<F, T>) -> Result<Mat<F, T>> {
        Ok(ops::concat(&[before.state, z])?)
    }
}

impl<F: Float> Module<F> for RssmCell<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        self.path.parameters(&format!("{at}path"), out);
        self.prior.parameters(&format!("{at}prior"), out);
        self.posterior.parameters(&format!("{at}posterior"), out);
    }
}
