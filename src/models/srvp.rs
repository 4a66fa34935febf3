//! Stochastic latent residual video prediction: a state that moves by residual steps, a content vector, and no frame fed back.
//!
//! ```text
//! e_t = CNN(x_t),   g_t = LSTM(g_{t-1}, e_t)
//! w = tanh(W mean_{t in S} relu(V e_t) + b)                                     content, S: random frames
//! y_0 ~ p(y_0) = N(0, I),                      q(y_0 | x_0..x_{k-1}) = N(mu_0(g_{k-1}), sigma_0(g_{k-1}))
//! z_t ~ p(z_t | y_{t-1}) = N(mu_p(y_{t-1}), sigma_p(y_{t-1}))                   prior
//! z_t ~ q(z_t | x_0..x_t) = N(mu_p + mu_q(g_t), sigma_q(g_t))                   posterior, t > 0
//! y_t = y_{t-1} + f(y_{t-1}, z_t),   x_t ~ p(x_t | dec(y_t, w))                 transition, emission
//!
//! L = sum_t E_q [ log p(x_t | y_t, w) ] - KL(q(y_0) || p(y_0)) - sum_{t>0} KL(q(z_t) || p(z_t | y_{t-1}))
//!     - residual sum_t |f(y_{t-1}, z_t)|^2
//! ```
//!
//! L is a bound on log p(x | w), and as w is computed from the frames without a price, **no bound** on log p(x). The state is
//! s_t = (y_t, w); y_0 takes the place of z at frame 0.
//!
//! Source: Franceschi, Delasalles, Chen, Lamprier & Gallinari 2020. Departures:
//! 1. the mean of z's posterior is a correction of the prior's, so that it starts where the prior is;
//! 2. y_0 is inferred from the LSTM after k frames, not from the k encodings side by side; in training k is drawn from
//!    1..=`first`, so that what is believed of the first frames, before all k are seen, is something that was learned;
//! 3. S are `first` random frames of those that are seen; when beliefs are inferred, the last `first` of those seen up to t (as
//!    there). Their mean is taken, not their sum: fewer frames give a content of the same size;
//! 4. one step a frame; the square of a residual is lowered, not its length; no skip connections;
//! 5. where the world is driven, prior, posterior and f read the action since the frame before.

use super::images::{at_least_zero, positive};
use super::pooling::{Pool, pooled};
use super::recurrent::{Look, Lowered, Shared};
use super::stochastic::picked;
use super::{
    Before, Cell, Distribution, Foresight, Head, ImagesConfig, RecurrentVae, Sizes, Transition,
    TransitionConfig, Variables, ZKind,
};
use crate::error::{Result, all};
use crate::seeds::Rng;
use nn::layers::{Linear, Lstm};
use nn::ops::{self, Direction};
use nn::tensor::size;
use nn::{Activation, Float, Mat, Module, Param, Track};
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of an `srvp`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Srvp {
    /// Dimensions of y and of z.
    #[schemars(range(min = 1, max = 128))]
    pub latent: usize,
    /// Numbers of the content w.
    #[schemars(range(min = 1, max = 4096))]
    pub content: usize,
    /// Units of the LSTM and of hidden layers.
    #[schemars(range(min = 1, max = 4096))]
    pub units: usize,
    /// Frames that y_0 is inferred from at most, and number of frames whose content is pooled.
    #[schemars(range(min = 1, max = 64))]
    pub first: usize,
    /// Weight of the squared residuals beside the bound.
    pub residual: f64,
    /// Frames that draws from the prior alone have to predict.
    pub ahead: Foresight,
    /// Networks between frames and features.
    pub frames: ImagesConfig,
}

impl Default for Srvp {
    fn default() -> Self {
        Self {
            latent: 20,
            content: 128,
            units: 128,
            first: 5,
            residual: 1.0,
            ahead: Foresight::default(),
            frames: ImagesConfig::default(),
        }
    }
}

impl Srvp {
    /// A small instance for the contract tests.
    pub fn example() -> Self {
        Self {
            latent: 3,
            content: 6,
            units: 4,
            first: 2,
            residual: 0.3,
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
        let shared = Shared {
            latent: self.latent,
            kind: ZKind::Gaussian,
            units: self.units,
            ahead: self.ahead,
            frames: &self.frames,
        };
        all([
            shared.check(at, frame),
            positive(&format!("{at}.content"), self.content, 4096),
            positive(&format!("{at}.first"), self.first, 64),
            at_least_zero(&format!("{at}.residual"), self.residual),
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
    ) -> Result<RecurrentVae<F, SrvpCell<F>>> {
        let (n, c, h) = (self.latent, self.content, self.units);
        let (k, acts) = (self.frames.features(), sizes.actions);
        let z = ZKind::Gaussian.variables(n);
        let cell = SrvpCell {
            seen: Linear::new(k, c, Activation::Relu, rng)?,
            content: Linear::new(c, c, Activation::Tanh, rng)?,
            memory: Lstm::new(k, h, rng)?,
            initial: z.head(h, h, 0.5, rng)?,
            prior: z.head(n + acts, h, 1.0, rng)?,
            posterior: z.head(h + acts, h, 0.5, rng)?,
            transition: TransitionConfig::Residual.between(n + acts, n, h, rng)?,
            config: self.clone(),
        };
        let images = self.frames.build(sizes.frame, n + c, rng)?;
        Ok(RecurrentVae::new(images, cell, self.ahead).driven(acts))
    }
}

/// A built `srvp` between its networks of frames. A state is (y, w); what is remembered of a frame is (g, w).
#[derive(Debug)]
pub struct SrvpCell<F: Float> {
    config: Srvp,
    /// V: of one frame.
    seen: Linear<F>,
    /// W: of their mean.
    content: Linear<F>,
    memory: Lstm<F>,
    /// q(y_0).
    initial: Head<F>,
    prior: Head<F>,
    posterior: Head<F>,
    transition: Transition<F>,
}

impl<F: Float> SrvpCell<F> {
    /// y of states (B, n + c).
    fn place<T: Track<F>>(&self, state: &Mat<F, T>) -> Result<Mat<F, T>> {
        Ok(ops::columns(state, 0..self.config.latent)?)
    }
}

impl<F: Float> Cell<F> for SrvpCell<F> {
    fn units(&self) -> usize {
        self.config.latent + self.config.content
    }

    fn latent(&self) -> Variables {
        ZKind::Gaussian.variables(self.config.latent)
    }

    fn remembered(&self) -> usize {
        self.config.units + self.config.content
    }

    fn content(&self) -> Option<(std::ops::Range<usize>, bool)> {
        let all = self.config.latent + self.config.content;
        Some((self.config.latent..all, false))
    }

    fn starts_with(&self) -> usize {
        self.config.first
    }

    fn is_bound(&self) -> bool {
        false
    }

    /// g_t and the content, with g_{k-1} in the place of g_0.
    fn memory<T: Track<F>>(&self, features: &Mat<F, T>, look: &mut Look) -> Result<Mat<F, T>> {
        let steps = look.steps;
        let clips = size(features).0 / steps.max(1);
        let g = self.memory.seq(features, steps, Direction::Forward)?;
        let first = self.config.first.min(steps);
        let k = match look.rng.as_deref_mut() {
            Some(rng) => rng.random_range(1..=first),
            None => first,
        };
        // Of the first k frames the last that is seen: after it the LSTM has only waited.
        let mut at = vec![0.0; clips * steps];
        for clip in 0..clips {
            let open = |t: &usize| look.seen.is_none_or(|seen| seen[clip * steps + t]);
            at[clip * steps + (0..k).rev().find(open).unwrap_or(0)] = 1.0;
        }
        let mut own = vec![picked(&g, &at, steps)?];
        for t in 1..steps {
            own.push(ops::frame(&g, t, steps)?);
        }
        let seen = self.seen.forward(features)?; // (B*T, c)
        let content = |shares: &Vec<f64>| -> Result<Mat<F, T>> {
            Ok(self.content.forward(&picked(&seen, shares, steps)?)?)
        };
        let pool = Pool::Always(self.config.first);
        let mut contents = pooled(clips, pool, look)
            .iter()
            .map(content)
            .collect::<Result<Vec<_>>>()?;
        if contents.len() < steps {
            contents = vec![contents[0].clone(); steps];
        }
        Ok(ops::concat(&[&ops::stack(&own)?, &ops::stack(&contents)?])?)
    }

    fn prior<T: Track<F>>(&self, before: &Before<F, T>) -> Result<Distribution<F, T>> {
        if before.first {
            return self.latent().standard(size(before.state).0);
        }
        self.prior
            .forward(&before.beside(&self.place(before.state)?)?)
    }

    fn posterior<T: Track<F>>(
        &self,
        memory: &Mat<F, T>,
        before: &Before<F, T>,
        prior: &Distribution<F, T>,
    ) -> Result<Distribution<F, T>> {
        let g = ops::columns(memory, 0..self.config.units)?;
        match before.first {
            true => self.initial.forward(&g),
            false => self.posterior.correct(&before.beside(&g)?, prior),
        }
    }

    fn transition<T: Track<F>>(&self, z: &Mat<F, T>, before: &Before<F, T>) -> Result<Mat<F, T>> {
        let content = ops::columns(before.state, self.config.latent..self.units())?;
        let y = match before.first {
            true => z.clone(),
            false => {
                let y = self.place(before.state)?;
                self.transition.step(&before.beside(z)?, &y)?
            }
        };
        Ok(ops::concat(&[&y, &content])?)
    }

    fn with_content<T: Track<F>>(
        &self,
        memory: &Mat<F, T>,
        state: &Mat<F, T>,
    ) -> Result<Mat<F, T>> {
        let content = ops::columns(memory, self.config.units..self.remembered())?;
        Ok(ops::concat(&[&self.place(state)?, &content])?)
    }

    /// |f(y_{t-1}, z_t)|^2, which is what a state has moved by.
    fn beside<T: Track<F>>(
        &self,
        states: &[Mat<F, T>],
        _: &Mat<F, T>,
    ) -> Result<Option<Lowered<F, T>>> {
        if self.config.residual == 0.0 {
            return Ok(None);
        }
        let mut moved = vec![ops::zeros(size(&states[0]).0, 1)?];
        for two in states.windows(2) {
            let step = ops::subtract(&self.place(&two[1])?, &self.place(&two[0])?)?;
            moved.push(ops::row_sums(&ops::square(&step)?)?);
        }
        Ok(Some(Lowered {
            name: "residuals",
            weight: self.config.residual,
            values: ops::stack(&moved)?, // (B*T, 1)
        }))
    }
}

impl<F: Float> Module<F> for SrvpCell<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        self.seen.parameters(&format!("{at}content.frame"), out);
        self.content.parameters(&format!("{at}content.clip"), out);
        self.memory.parameters(&format!("{at}memory"), out);
        self.initial.parameters(&format!("{at}initial"), out);
        self.prior.parameters(&format!("{at}prior"), out);
        self.posterior.parameters(&format!("{at}posterior"), out);
        self.transition.parameters(&format!("{at}transition"), out);
    }
}
