//! Temporal variational autoencoders. One file and one line in `models!` add a model.
//!
//! A model is read top to bottom in its own file: source, equations, config, parts, the thing itself, tests. What every
//! temporal VAE can answer is [`Model`]: which latents it has, the terms of its objective for every clip and frame,
//! beliefs about latents given the past, everything or the first frames, rollouts of its prior, and frames of beliefs.
//! What only models with a linear-Gaussian law can do is [`StateSpaceModel`]. What a model says that it is, its
//! [`Claims`], is what the contract tests hold it to.

mod balance;
mod clips;
mod defaults;
mod driven;
mod frames;
mod images;
mod objective;
mod occlusion;
mod pixels;
mod pooling;
mod recurrent;
mod reward;
mod sequence;
mod state_space;
mod stochastic;
mod transition;

use crate::array::Array;
use crate::error::Result;
use crate::latents::{Beliefs, Given, Latent};
use crate::seeds::Rng;
use nn::{Float, Module};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use balance::Balance;
pub use clips::{Actions, Clips, Common, Observed, Seen, Sizes, is_vector};
pub use defaults::{Fit, default_channels, default_decoder, default_encoder};
pub use frames::{FrameVae, FramesConfig};
pub use images::{Images, ImagesConfig, MovedConfig, Painter, TrunkConfig, TrunkDecoder};
pub use objective::{Player, Schedule, Term, objective};
pub use pixels::Likelihood;
pub use recurrent::{Before, Cell, Drawn, Foresight, Look, Lowered, RecurrentVae};
pub use reward::{RewardConfig, symexp, symlog};
pub use sequence::SequenceVae;
pub use state_space::{Codes, Dynamics, Found, Known, OnlineLaw, StateSpaceModel};
pub use stochastic::{Classes, Distribution, Head, Variables, ZKind};
pub use transition::{Transition, TransitionConfig};

/// One query about clips: beliefs given what, and which of their frames are observed.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// What a belief about frame t is conditioned on.
    pub given: Given,
    /// (B, T): false where a frame is kept from the model, beside those that [`Clips::seen`] hides; `None` for none.
    pub observed: Option<&'a [bool]>,
}

impl Query<'_> {
    /// Beliefs given that, no frame kept back.
    pub fn about(given: Given) -> Self {
        Self {
            given,
            observed: None,
        }
    }

    /// (B, T): which frames of `clips` beliefs are conditioned on: of those observed and seen, the first ones where
    /// only they are given. `None` for all.
    pub fn observed_frames<F: Float>(&self, clips: &Clips<F>) -> Option<Vec<bool>> {
        let first = match self.given {
            Given::First(n) => n,
            _ => clips.steps,
        };
        let seen = clips.seen.as_ref().map(|seen| seen.frames.as_slice());
        if self.observed.is_none() && seen.is_none() && first >= clips.steps {
            return None;
        }
        let rows = 0..clips.sequences * clips.steps;
        let open = |mask: Option<&[bool]>, row: usize| mask.is_none_or(|mask| mask[row]);
        Some(
            rows.map(|row| {
                row % clips.steps < first && open(self.observed, row) && open(seen, row)
            })
            .collect(),
        )
    }
}

/// How far to go on, how often, and what acts.
#[derive(Clone, Copy, Debug)]
pub struct Ahead<'a> {
    /// Frames after the last belief.
    pub horizon: usize,
    /// Futures of every clip.
    pub draws: usize,
    /// (B, horizon, A): what acts from the last frame on; `None` for nothing.
    pub actions: Option<&'a [f64]>,
}

/// Where beliefs hold what a clip shows, apart from how it moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The latent that frames are decoded from.
    pub latent: String,
    /// Which of its values.
    pub range: std::ops::Range<usize>,
    /// Whether it has a prior, N(0, I), to be drawn from.
    pub drawn: bool,
}

/// What a model says that it is. The contract tests hold it to that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The terms in the bound sum to a lower bound of log p(x).
    pub bound: bool,
    /// With frames missing at the end, the bound is that of clips that end before.
    pub marginal: bool,
    /// Beliefs given the past do not change when later frames do.
    pub causal: bool,
    /// It learns from clips with missing frames and hidden pixels, which are never read.
    pub masks: bool,
    /// It reads actions, where the world has any.
    pub actions: bool,
    /// All draws of a rollout are one future.
    pub one_future: bool,
}

/// A trained or untrained model. Object safe: an experiment holds `Box<dyn Model<f32>>`.
pub trait Model<F: Float>: Module<F> + Send + Sync {
    /// What it is.
    fn claims(&self) -> Claims;
    /// Its latents, the one that stands for the state first.
    fn latents(&self) -> Vec<Latent>;
    /// Takes what all training frames have in common into encoder and decoder.
    ///
    /// # Errors
    /// A frame of another size.
    fn start_at(&mut self, common: &Common) -> Result<()>;
    /// The terms of the objective of `clips` with draws from `rng`.
    ///
    /// # Errors
    /// Clips of another frame size; a covariance that lost positive definiteness.
    fn objective(&self, clips: &Clips<F>, at: Schedule, rng: &mut Rng) -> Result<Vec<Term<F>>>;
    /// Answers queries about the same clips from one look at their frames, in order. An answer holds arrays by the
    /// names of [`Self::latents`] (`z`: means or values; `z_var`, `z_cov`, `z_kl`), of the latents that [have a
    /// belief](Latent::has_belief) given that; none where none has.
    ///
    /// # Errors
    /// Clips of another frame size; a covariance that lost positive definiteness.
    fn infer(&self, clips: &Clips<F>, queries: &[Query], rng: &mut Rng) -> Result<Vec<Beliefs>>;
    /// Futures drawn from the prior after the last belief of `from`, which is what [`Self::infer`] gave for
    /// [`Given::UpTo`] or a later [`Self::rollout`]: arrays (draw, clip, frame, size) whose frame 0 is that belief's
    /// mean in every draw, and whose frames after it go on from a draw of it.
    ///
    /// # Errors
    /// Beliefs without what the model goes on from.
    fn rollout(&self, from: &Beliefs, ahead: Ahead, rng: &mut Rng) -> Result<Beliefs>;
    /// Pixel means in [0, 1] of beliefs, for each of their draws, clips and frames (.., C*H*W).
    ///
    /// # Errors
    /// Beliefs that say nothing about a frame.
    fn decode(&self, beliefs: &Beliefs) -> Result<Vec<F>>;
    /// The filtered belief about one more frame of every clip (clips of one frame, whose actions are those that acted before
    /// it) from that about the frame before; from nothing about the first. `None` where a belief alone is not enough to
    /// go on: then [`Self::infer`] is asked about all frames.
    ///
    /// # Errors
    /// Clips of another size; a belief without what the model goes on from.
    fn follow(&self, last: Option<&Beliefs>, clips: &Clips<F>) -> Result<Option<Beliefs>> {
        let _ = (last, clips);
        Ok(None)
    }
    /// Whether [`Self::rollout`] goes on from beliefs about all frames so far, and not from the last one alone.
    fn remembers_all(&self) -> bool {
        false
    }
    /// Which frames the model reads to expect each frame of clips, by layer: (B, L, T, T), where the row of frame t sums to
    /// 1 and its column s stands for what is known of frame s - 1 (column 0 for the start). `None` without attention.
    ///
    /// # Errors
    /// Clips of another frame size.
    fn attention(&self, clips: &Clips<F>) -> Result<Option<Array>> {
        let _ = clips;
        Ok(None)
    }
    /// Rewards that are expected to have come with the frames of beliefs, for each of their draws, clips and frames;
    /// `None` where the model does not predict any.
    ///
    /// # Errors
    /// Beliefs without what they are read from.
    fn rewards(&self, beliefs: &Beliefs) -> Result<Option<Vec<f64>>> {
        let _ = beliefs;
        Ok(None)
    }
    /// How pixels are distributed around what it decodes; `None` where that is no density of its own.
    fn pixels(&self) -> Option<Likelihood> {
        None
    }
    /// The decoder as plain arrays, for the report's explorer; `None` where it has no such form.
    fn plain_decoder(&self) -> Option<crate::latents::Decoder> {
        None
    }
    /// What of it watches one frame after another outside of this library, as in the report's live page; the reason where
    /// nothing can.
    ///
    /// # Errors
    /// Parameters that do not fit together.
    fn online(&mut self) -> Result<std::result::Result<online::Parts, String>> {
        Ok(Err(
            "its state follows no linear-Gaussian law, which is what a live page filters by".into(),
        ))
    }
    /// Where beliefs hold what does not change in a clip; `None` where it is not kept apart.
    fn content(&self) -> Option<Content> {
        None
    }
    /// What only models with a linear-Gaussian law can do.
    fn state_space(&self) -> Option<&dyn StateSpaceModel<F>> {
        None
    }
    /// The same, to change it.
    fn state_space_mut(&mut self) -> Option<&mut dyn StateSpaceModel<F>> {
        None
    }
}

/// Declares the model files, the YAML enum and its dispatch. One line per model: `file::Config`.
macro_rules! models {
    ($($file:ident :: $Config:ident),* $(,)?) => {
        $(pub mod $file;)*
        $(pub use $file::$Config;)*

        /// Any registered model, as an experiment file names it: a one-key map from kind to settings.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum AnyModel {
            $(#[allow(missing_docs)] $Config($Config)),*
        }

        impl AnyModel {
            /// Names of all registered kinds.
            pub fn names() -> Vec<&'static str> {
                vec![$(stringify!($file)),*]
            }
            /// One small instance of each kind, for the contract tests.
            pub fn examples() -> Vec<Self> {
                vec![$(Self::$Config($Config::example())),*]
            }
            /// Registered name of this kind.
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$Config(_) => stringify!($file)),* }
            }
            /// Checks every setting for frames of (C, H, W).
            ///
            /// # Errors
            /// Names the key under `at`, what was expected and got.
            pub fn check(&self, at: &str, frame: [usize; 3]) -> Result<()> {
                match self { $(Self::$Config(c) => c.check(&format!("{at}.{}", stringify!($file)), frame)),* }
            }
            /// Chooses what `free` says that nobody wrote, for frames of (C, H, W); see [`Fit`].
            pub fn fit(&mut self, at: &str, frame: [usize; 3], free: &dyn Fn(&str) -> bool) {
                match self { $(Self::$Config(c) => c.fit(&format!("{at}.{}", stringify!($file)), frame, free)),* }
            }
            /// Builds the model with weights drawn from `rng`, for frames of (C, H, W) alone or [with actions](Sizes).
            ///
            /// # Errors
            /// Settings that do not fit the frames.
            pub fn build<F: Float>(&self, sizes: impl Into<Sizes>, rng: &mut Rng) -> Result<Box<dyn Model<F>>> {
                let sizes = sizes.into();
                match self { $(Self::$Config(c) => Ok(Box::new(c.build::<F>(sizes, rng)?))),* }
            }
        }
    };
}

models! {
    attention::Attention,
    content_motion::ContentMotion,
    dkf::Dkf,
    hierarchical::Hierarchical,
    kalman_vae::KalmanVae,
    lg_vae::LgVae,
    predictive::Predictive,
    rssm::Rssm,
    rvae::Rvae,
    srvp::Srvp,
    svg::Svg,
    vae::Vae,
}

#[cfg(test)]
mod tests;
