//! Content and motion: one latent a clip for what a thing is, one a frame for how it moves.
//!
//! ```text
//! e_t = CNN(x_t),   g_t = LSTM(g_{t-1}, e_t),   c = mean_{t in S} relu(V e_t)     S: a random subset of the frames
//! z_c ~ p(z_c) = N(0, I),                        q(z_c | x_S) = N(mu_c(c), sigma_c(c))                      content
//! z_m,t ~ p(z_m,t | z_m,<t) = N(mu_p(h_{t-1}), sigma_p(h_{t-1})),   h_t = GRU(h_{t-1}, z_m,t)               motion: prior
//! z_m,t ~ q(z_m,t | x_0..x_t, z_m,<t) = N(mu_p + mu_q(g_t, h_{t-1}), sigma_q(g_t, h_{t-1}))                 posterior
//! x_t ~ p(x_t | dec(z_c, z_m,t))                                                                            emission
//!
//! ELBO = sum_t E_q [ log p(x_t | z_c, z_m,t) ] - KL(q(z_c) || p(z_c)) - sum_t KL(q(z_m,t) || p(z_m,t | z_m,<t))
//! ```
//!
//! Content is paid for once a clip, and no order of the frames tells of it; what a frame alone has is paid for every frame.
//! Any subset S gives a bound, and their mean is one. A width of z_m that is too large swallows the content, because the
//! prior of later frames can carry it on for little: `motion` is the setting to look at first.
//!
//! With `contrast` > 0 two subsets of a clip have to be distinguished from those of other clips in the (micro) batch, beside the
//! bound: a_i, b_i the means of q(z_c) of both,
//!
//! ```text
//! L = ELBO - contrast sum_i log sum_j exp(f_ij) - f_ii,   f_ij = -|a_i - b_j|^2 / 2
//! ```
//!
//! The state is s_t = (z_m,t, z_c, h_t). A filtered belief of z_c is that of the last `pool` frames so far, and its
//! divergence at frame t the rate of what is known of the content by then.
//!
//! Source: the disentangled sequential autoencoder (Li & Mandt 2018); the contrastive term is that of C-DSVAE (Bai et al.
//! 2021), with InfoNCE (van den Oord et al. 2018). Departures:
//! 1. z_c is pooled over a random subset of frames, where they run an LSTM over all of them;
//! 2. the motion's posterior is filtered: it never waits for a later frame, and does not read z_c;
//! 3. its mean is a correction of the prior's, so that it starts where the prior is;
//! 4. both subsets of the contrast come from the clip itself; there is no augmentation, and no term for the motion.

use super::images::{at_least_zero, positive};
use super::pooling::{Pool, pooled};
use super::recurrent::{Look, Lowered, Shared};
use super::stochastic::picked;
use super::{
    Before, Cell, Distribution, Drawn, Foresight, Head, ImagesConfig, RecurrentVae, Sizes,
    Variables, ZKind,
};
use crate::error::{Result, all};
use crate::seeds::Rng;
use nn::layers::{Gru, Linear, Lstm};
use nn::ops::{self, Categorical, Direction};
use nn::tensor::{size, values};
use nn::{Activation, Float, Mat, Module, Param, Track};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Settings of a `content_motion`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ContentMotion {
    /// Dimensions of z_c.
    #[schemars(range(min = 1, max = 128))]
    pub content: usize,
    /// Dimensions of z_m. Many of them swallow the content.
    #[schemars(range(min = 1, max = 128))]
    pub motion: usize,
    /// Units of the LSTM, of the GRU and of hidden layers.
    #[schemars(range(min = 1, max = 4096))]
    pub units: usize,
    /// Frames whose content is pooled, at most: a random subset of any size up to it. 1 is one random frame.
    #[schemars(range(min = 1, max = 1024))]
    pub pool: usize,
    /// Weight of the contrastive term beside the bound; 0 for none.
    pub contrast: f64,
    /// Frames that draws from the prior alone have to predict.
    pub ahead: Foresight,
    /// Networks between frames and features.
    pub frames: ImagesConfig,
}

impl Default for ContentMotion {
    fn default() -> Self {
        Self {
            content: 16,
            motion: 4,
            units: 128,
            pool: 8,
            contrast: 0.0,
            ahead: Foresight::default(),
            frames: ImagesConfig::default(),
        }
    }
}

impl ContentMotion {
    /// A small instance for the contract tests.
    pub fn example() -> Self {
        Self {
            content: 3,
            motion: 2,
            units: 4,
            pool: 3,
            contrast: 0.4,
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
            latent: self.content,
            kind: ZKind::Gaussian,
            units: self.units,
            ahead: self.ahead,
            frames: &self.frames,
        };
        all([
            positive(&format!("{at}.content"), self.content, 128),
            positive(&format!("{at}.motion"), self.motion, 128),
            positive(&format!("{at}.pool"), self.pool, 1024),
            at_least_zero(&format!("{at}.contrast"), self.contrast),
            shared.check(at, frame),
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
    ) -> Result<RecurrentVae<F, ContentMotionCell<F>>> {
        let (h, k, acts) = (self.units, self.frames.features(), sizes.actions);
        let anywhere = self.frames.anywhere().unwrap_or(0..k);
        let [m, c] = [self.motion, self.content].map(|n| ZKind::Gaussian.variables(n));
        let cell = ContentMotionCell {
            seen: Linear::new(anywhere.len(), h, Activation::Relu, rng)?,
            anywhere,
            content: c.head(h, h, 0.5, rng)?,
            memory: Lstm::new(k, h, rng)?,
            path: Gru::new(self.motion + acts, h, true, rng)?,
            prior: m.head(h + acts, h, 1.0, rng)?,
            posterior: m.head(2 * h + acts, h, 0.5, rng)?,
            config: self.clone(),
        };
        let all = self.motion + self.content;
        let parts = [self.motion..all, 0..self.motion];
        let images = self.frames.build_of_parts(sizes.frame, all, parts, rng)?;
        Ok(RecurrentVae::new(images, cell, self.ahead).driven(acts))
    }
}

/// A built `content_motion` between its networks of frames. A state is (z_m, z_c, h); what is remembered of a frame is g, and
/// for each subset the pooled c beside a 1 where any frame of it is seen.
#[derive(Debug)]
pub struct ContentMotionCell<F: Float> {
    config: ContentMotion,
    /// Which of a frame's features the content is read from.
    anywhere: Range<usize>,
    /// V: of one frame.
    seen: Linear<F>,
    /// q(z_c).
    content: Head<F>,
    memory: Lstm<F>,
    /// Motion so far.
    path: Gru<F>,
    prior: Head<F>,
    posterior: Head<F>,
}

impl<F: Float> ContentMotionCell<F> {
    /// Where z_c stands in a state.
    fn content_place(&self) -> Range<usize> {
        self.config.motion..self.config.motion + self.config.content
    }

    /// h of states.
    fn moved<T: Track<F>>(&self, state: &Mat<F, T>) -> Result<Mat<F, T>> {
        Ok(ops::columns(state, self.content_place().end..self.units())?)
    }

    /// Subsets of a clip's frames.
    fn subsets(&self) -> usize {
        if self.config.contrast > 0.0 { 2 } else { 1 }
    }

    /// q(z_c) of one of the subsets, from what is remembered of a frame; the prior where nothing of it is seen.
    fn content_of<T: Track<F>>(
        &self,
        memory: &Mat<F, T>,
        subset: usize,
    ) -> Result<Distribution<F, T>> {
        let h = self.config.units;
        let from = h + subset * (h + 1);
        let q = self
            .content
            .forward(&ops::columns(memory, from..from + h)?)?;
        let flags = ops::columns(memory, from + h..from + h + 1)?;
        let open: Vec<bool> = values(&flags).iter().map(|v| v.widen() > 0.5).collect();
        match open.contains(&false) {
            true => q.or(&self.nothing_known(open.len())?, open.iter().copied()),
            false => Ok(q),
        }
    }

    /// p(z_c) of B clips.
    fn nothing_known<T: Track<F>>(&self, clips: usize) -> Result<Distribution<F, T>> {
        ZKind::Gaussian
            .variables(self.config.content)
            .standard(clips)
    }

    /// s_t of z_m,t, where the content is known.
    fn onward<T: Track<F>>(
        &self,
        z: &Mat<F, T>,
        content: &Mat<F, T>,
        before: &Before<F, T>,
    ) -> Result<Mat<F, T>> {
        let h = self.moved(before.state)?;
        let h = self.path.step(&before.beside(z)?, &h)?;
        Ok(ops::concat(&[z, content, &h])?)
    }
}

impl<F: Float> Cell<F> for ContentMotionCell<F> {
    fn units(&self) -> usize {
        self.config.motion + self.config.content + self.config.units
    }

    /// Those of a frame.
    fn latent(&self) -> Variables {
        ZKind::Gaussian.variables(self.config.motion)
    }

    fn levels(&self) -> Vec<Variables> {
        let sizes = [self.config.motion, self.config.content];
        sizes.map(|n| ZKind::Gaussian.variables(n)).to_vec()
    }

    fn level_names(&self) -> Vec<(&'static str, &'static str)> {
        vec![
            ("z_m", "negative_kl_motion"),
            ("z_c", "negative_kl_content"),
        ]
    }

    fn remembered(&self) -> usize {
        self.config.units + self.subsets() * (self.config.units + 1)
    }

    fn content(&self) -> Option<(Range<usize>, bool)> {
        Some((self.content_place(), true))
    }

    fn shown(&self) -> Range<usize> {
        0..self.content_place().end
    }

    fn memory<T: Track<F>>(&self, features: &Mat<F, T>, look: &mut Look) -> Result<Mat<F, T>> {
        let steps = look.steps;
        let clips = size(features).0 / steps.max(1);
        let seen = ops::columns(features, self.anywhere.clone())?;
        let seen = self.seen.forward(&seen)?; // (B*T, h)
        let mut parts = vec![self.memory.seq(features, steps, Direction::Forward)?];
        for _ in 0..self.subsets() {
            let mut means = Vec::with_capacity(steps);
            for shares in pooled(clips, Pool::UpTo(self.config.pool), look) {
                let any = |clip: &[f64]| F::of(f64::from(u8::from(clip.iter().any(|s| *s > 0.0))));
                let flags = shares.chunks_exact(steps).map(any).collect();
                let flags = ops::constant(flags, clips, 1)?;
                means.push(ops::concat(&[&picked(&seen, &shares, steps)?, &flags])?);
            }
            if means.len() < steps {
                means = vec![means[0].clone(); steps];
            }
            parts.push(ops::stack(&means)?); // (B*T, h + 1)
        }
        Ok(ops::concat(&parts.iter().collect::<Vec<_>>())?)
    }

    fn prior<T: Track<F>>(&self, before: &Before<F, T>) -> Result<Distribution<F, T>> {
        self.prior
            .forward(&before.beside(&self.moved(before.state)?)?)
    }

    fn posterior<T: Track<F>>(
        &self,
        memory: &Mat<F, T>,
        before: &Before<F, T>,
        prior: &Distribution<F, T>,
    ) -> Result<Distribution<F, T>> {
        let g = ops::columns(memory, 0..self.config.units)?;
        let both = ops::concat(&[&g, &self.moved(before.state)?])?;
        self.posterior.correct(&before.beside(&both)?, prior)
    }

    fn transition<T: Track<F>>(&self, z: &Mat<F, T>, before: &Before<F, T>) -> Result<Mat<F, T>> {
        let content = ops::columns(before.state, self.content_place())?;
        self.onward(z, &content, before)
    }

    /// Where something is learned, the content is drawn with the first frame and stays; where beliefs are inferred, it is
    /// what the frames so far tell.
    fn draw<T: Track<F>>(
        &self,
        memory: &Mat<F, T>,
        before: &Before<F, T>,
        seen: Option<&[bool]>,
        mut rng: Option<&mut Rng>,
    ) -> Result<Drawn<F, T>> {
        let clips = size(memory).0;
        let nothing = self.nothing_known(clips)?;
        let learned = rng.is_some();
        let (content, of_content) = match learned && !before.first {
            // Paid for at the first frame.
            true => (
                ops::columns(before.state, self.content_place())?,
                [self.nothing_known(clips)?, nothing],
            ),
            false => {
                let q = self.content_of(memory, 0)?;
                let z = match rng.as_deref_mut() {
                    Some(rng) => q.sample(rng)?,
                    None => q.mode()?,
                };
                (z, [q, nothing])
            }
        };
        let (z, of_motion) = self.latent_of(memory, before, seen, rng)?;
        Ok(Drawn {
            state: self.onward(&z, &content, before)?,
            levels: vec![of_motion, of_content],
        })
    }

    /// The contrast of two subsets, at the first frame of every clip.
    fn beside<T: Track<F>>(
        &self,
        states: &[Mat<F, T>],
        memory: &Mat<F, T>,
    ) -> Result<Option<Lowered<F, T>>> {
        let clips = size(&states[0]).0;
        if self.config.contrast == 0.0 || clips < 2 {
            return Ok(None);
        }
        let first = ops::frame(memory, 0, states.len())?;
        let a = self.content_of(&first, 0)?.mode()?;
        let b = self.content_of(&first, 1)?.mode()?;
        let mut columns = Vec::with_capacity(clips);
        for j in 0..clips {
            let own = ops::repeat_rows(&ops::frame(&b, j, clips)?, clips)?; // (B, c)
            let away = ops::row_sums(&ops::square(&ops::subtract(&a, &own)?)?)?;
            columns.push(ops::scale(&away, -0.5)?);
        }
        let scores = ops::concat(&columns.iter().collect::<Vec<_>>())?; // (B, B)
        let found = Categorical::new(&scores, clips, 0.0)?.log_probabilities;
        let own = (0..clips * clips).map(|k| F::of(f64::from(u8::from(k / clips == k % clips))));
        let own = ops::constant(own.collect(), clips, clips)?;
        let told = ops::row_sums(&ops::multiply(&found, &own)?)?;
        let mut all = vec![ops::scale(&told, -1.0)?];
        all.resize(states.len(), ops::zeros(clips, 1)?);
        Ok(Some(Lowered {
            name: "contrast",
            weight: self.config.contrast,
            values: ops::stack(&all)?, // (B*T, 1)
        }))
    }
}

impl<F: Float> Module<F> for ContentMotionCell<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        self.seen.parameters(&format!("{at}content.frame"), out);
        self.content.parameters(&format!("{at}content.clip"), out);
        self.memory.parameters(&format!("{at}memory"), out);
        self.path.parameters(&format!("{at}path"), out);
        self.prior.parameters(&format!("{at}prior"), out);
        self.posterior.parameters(&format!("{at}posterior"), out);
    }
}
