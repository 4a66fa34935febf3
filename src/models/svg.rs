//! Stochastic video generation: a latent a frame, and the frame before fed back.
//!
//! ```text
//! e_t = CNN(x_t),   g_t = LSTM_q(g_{t-1}, e_t),   r_t = LSTM_p(r_{t-1}, e_t)
//! z_t ~ p(z_t | x_0..x_{t-1}) = N(mu_p(r_{t-1}), sigma_p(r_{t-1}))              prior: learned; N(0, I): fixed; no z: none
//! z_t ~ q(z_t | x_0..x_t) = N(mu_p + mu_q(g_t), sigma_q(g_t))                   posterior
//! d_t = LSTM_d(d_{t-1}, [e_{t-1}, z_t]),   x_t ~ p(x_t | dec(d_t))              transition, emission
//!
//! ELBO = sum_t E_q [ log p(x_t | d_t) ] - KL(q(z_t) || p(z_t | x_0..x_{t-1}))
//! ```
//!
//! In rollouts, and where a frame is missing, e_t is of the frame that was decoded. The state s_t = (d_t, e_t, r_t).
//!
//! Source: Denton & Fergus 2018, SVG-LP (`prior: learned`) and SVG-FP (`prior: fixed`). Departures:
//! 1. the posterior's mean is a correction of the prior's, so that it starts where the prior is;
//! 2. no skip connections from the last seen frame to the decoder: what stands still is in the decoder's start, and what else
//!    a frame shows goes through e_{t-1};
//! 3. the first frame is generated like all others, from z_0 alone;
//! 4. `ahead` as in `rvae`; `prior: none` leaves z out: the deterministic twin of the same size.

use super::recurrent::{Look, Shared};
use super::{
    Before, Cell, Distribution, Foresight, Head, ImagesConfig, RecurrentVae, Sizes, Variables,
    ZKind,
};
use crate::error::Result;
use crate::seeds::Rng;
use nn::layers::{Lstm, LstmState};
use nn::ops::{self, Direction};
use nn::tensor::size;
use nn::{Float, Mat, Module, Param, Track};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What p(z_t) knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SvgPrior {
    /// The frames before.
    #[default]
    Learned,
    /// Nothing: N(0, I).
    Fixed,
    /// There is no z: one future.
    None,
}

/// Settings of an `svg`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Svg {
    /// Dimensions of z.
    #[schemars(range(min = 1, max = 128))]
    pub latent: usize,
    /// What they are.
    pub kind: ZKind,
    /// Units of each LSTM.
    #[schemars(range(min = 1, max = 4096))]
    pub units: usize,
    /// What p(z_t) knows.
    pub prior: SvgPrior,
    /// Frames that draws from the prior alone have to predict.
    pub ahead: Foresight,
    /// Networks between frames and features.
    pub frames: ImagesConfig,
}

impl Default for Svg {
    fn default() -> Self {
        Self {
            latent: 8,
            kind: ZKind::default(),
            units: 128,
            prior: SvgPrior::default(),
            ahead: Foresight::default(),
            frames: ImagesConfig::default(),
        }
    }
}

impl Svg {
    /// A small instance for the contract tests.
    pub fn example() -> Self {
        Self {
            latent: 2,
            units: 4,
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
    ) -> Result<RecurrentVae<F, SvgCell<F>>> {
        let (h, k) = (self.units, self.frames.features());
        let z = self.kind.variables(self.latent);
        let acts = sizes.actions;
        let cell = SvgCell {
            config: self.clone(),
            features: k,
            past: Lstm::new(k, h, rng)?,
            prior: z.head(h + acts, h, 1.0, rng)?,
            memory: Lstm::new(k, h, rng)?,
            posterior: z.head(h + acts, h, 0.5, rng)?,
            drawing: Lstm::new(k + z.width() + acts, h, rng)?,
        };
        Ok(
            RecurrentVae::new(self.frames.build(sizes.frame, h, rng)?, cell, self.ahead)
                .driven(acts),
        )
    }
}

/// A built `svg` between its networks of frames. A state is (d hidden, d memory, e), and (r hidden, r memory) where the prior
/// is learned.
#[derive(Debug)]
pub struct SvgCell<F: Float> {
    config: Svg,
    features: usize,
    past: Lstm<F>,
    prior: Head<F>,
    memory: Lstm<F>,
    posterior: Head<F>,
    drawing: Lstm<F>,
}

impl<F: Float> SvgCell<F> {
    /// Where e stands in a state.
    fn heard(&self) -> Range<usize> {
        2 * self.config.units..2 * self.config.units + self.features
    }

    /// The LSTM state whose 2h values begin at column `from` of a state.
    fn lstm<T: Track<F>>(&self, state: &Mat<F, T>, from: usize) -> Result<LstmState<F, T>> {
        let h = self.config.units;
        Ok(LstmState {
            hidden: ops::columns(state, from..from + h)?,
            memory: ops::columns(state, from + h..from + 2 * h)?,
        })
    }
}

impl<F: Float> Cell<F> for SvgCell<F> {
    fn units(&self) -> usize {
        let learned = self.config.prior == SvgPrior::Learned;
        self.heard().end + if learned { 2 * self.config.units } else { 0 }
    }

    fn latent(&self) -> Variables {
        self.config.kind.variables(self.config.latent)
    }

    fn remembered(&self) -> usize {
        self.config.units
    }

    fn one_future(&self) -> bool {
        self.config.prior == SvgPrior::None
    }

    fn shown(&self) -> Range<usize> {
        0..self.config.units
    }

    fn hears(&self) -> bool {
        true
    }

    fn hear<T: Track<F>>(&self, features: &Mat<F, T>, state: &Mat<F, T>) -> Result<Mat<F, T>> {
        let drawing = ops::columns(state, 0..self.heard().start)?;
        if self.config.prior != SvgPrior::Learned {
            return Ok(ops::concat(&[&drawing, features])?);
        }
        let past = self.lstm(state, self.heard().end)?;
        let past = self.past.step(features, &past)?;
        Ok(ops::concat(&[
            &drawing,
            features,
            &past.hidden,
            &past.memory,
        ])?)
    }

    fn memory<T: Track<F>>(&self, features: &Mat<F, T>, look: &mut Look) -> Result<Mat<F, T>> {
        Ok(self.memory.seq(features, look.steps, Direction::Forward)?)
    }

    fn prior<T: Track<F>>(&self, before: &Before<F, T>) -> Result<Distribution<F, T>> {
        let state = before.state;
        if self.config.prior != SvgPrior::Learned {
            return self.latent().standard(size(state).0);
        }
        let past = self.lstm(state, self.heard().end)?;
        self.prior.forward(&before.beside(&past.hidden)?)
    }

    fn posterior<T: Track<F>>(
        &self,
        memory: &Mat<F, T>,
        before: &Before<F, T>,
        prior: &Distribution<F, T>,
    ) -> Result<Distribution<F, T>> {
        match self.config.prior {
            SvgPrior::None => Ok(prior.clone()),
            _ => self.posterior.correct(&before.beside(memory)?, prior),
        }
    }

    fn transition<T: Track<F>>(&self, z: &Mat<F, T>, before: &Before<F, T>) -> Result<Mat<F, T>> {
        let state = before.state;
        let rest = ops::columns(state, self.heard().start..self.units())?;
        let heard = ops::columns(state, self.heard())?;
        let z = match self.config.prior {
            SvgPrior::None => ops::zeros(size(z).0, size(z).1)?,
            _ => z.clone(),
        };
        let drawing = self.lstm(state, 0)?;
        let input = before.beside(&ops::concat(&[&heard, &z])?)?;
        let drawing = self.drawing.step(&input, &drawing)?;
        Ok(ops::concat(&[&drawing.hidden, &drawing.memory, &rest])?)
    }
}

impl<F: Float> Module<F> for SvgCell<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        if self.config.prior == SvgPrior::Learned {
            self.past.parameters(&format!("{at}past"), out);
            self.prior.parameters(&format!("{at}prior"), out);
        }
        if self.config.prior != SvgPrior::None {
            self.memory.parameters(&format!("{at}memory"), out);
            self.posterior.parameters(&format!("{at}posterior"), out);
        }
        self.drawing.parameters(&format!("{at}drawing"), out);
    }
}
