//! A VAE whose codes follow a state-space model with a transition of choice: linear, walls (two an axis, or a room of any
//! shape), or a mixture of affine modes.
//!
//! ```text
//! a_t ~ q(a_t | x_t)                                         encoder, diagonal Gaussian, one frame at a time
//! s_t ~ p(s_t | z_{t-1})                                     mode; linear: always the same
//! z_0 ~ N(mu_0, Sigma_0),  z_t ~ N(A_{s_t} z_{t-1} + b_{s_t}, Q)   law of motion
//! a_t ~ N(C z_t + d, R),   x_t ~ p(x_t | a_t)                emission, decoder
//!
//! ELBO = E_q [ log p(x | a) + log p(a_{0:T-1}) - log q(a | x) ]
//! ```
//!
//! Source: the Kalman VAE (Fraccaro et al. 2017, sec. 3). As published: `transition: { mixture: { modes: 3, weights: lstm, offsets: false,
//! start: identity } }` with `objective: published`. What is there in its place by default, besides the departures of
//! [`lg_vae`](super::lg_vae):
//! 1. `weights: state`: a mode is chosen, where the paper blends matrices: half a bounce is no motion at all. Several mode paths are
//!    followed at once, see [`lgssm::switching`], whose density takes the place of log p(a);
//! 2. its probabilities come from the state before, where the paper's weights come from an LSTM over past codes (`weights: lstm`, or the
//!    last two codes alone, `weights: codes`): the state is then all there is to know about the future;
//! 3. `offsets`: a bounce off a wall at w is x' = 2w - x, which no matrix without an offset can say;
//! 4. C = [I 0] and d = 0 are fixed, so codes stay places and latents z = (place, displacement per frame); the modes start
//!    from the codes, after `train.law_from` steps of free flight;
//! 5. `objective: exact`: the likelihood of the codes in place of a sampled bound of it, see [`lgssm::published`] for the gap;
//! 6. always: one C for all modes (the paper blends C_k too), so that what a state looks like does not depend on how it got there.

mod blended;
mod linear;
mod switching;
mod transition;
mod weights;

pub use transition::{Linear, Mixture, MixtureStart, Reflecting, Room, Transition, Weights};

use super::lg_vae::Start;
use super::{Fit, FramesConfig, LgVae, SequenceVae, Sizes, occlusion};
use crate::error::{Error, Result, all};
use crate::seeds::Rng;
use lgssm::Constraint;
use nn::Float;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use transition::Setting;

/// Settings of a `kalman_vae`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KalmanVae {
    /// Networks between frames and codes.
    pub frames: FramesConfig,
    /// Share of a frame's usual foreground from which on its code is a measurement; 0 (the default): every code is one.
    /// Less of what moves tells no place: there the law says what to expect.
    #[schemars(range(min = 0, max = 1))]
    pub seen_from: f64,
    /// Latent dimensions, n = 2p: a place and a displacement for each code; any number with `start: identity`.
    #[schemars(range(min = 1, max = 128))]
    pub latent: usize,
    /// How one state leads to the next.
    pub transition: Transition,
    /// What transition matrices may be, of a linear law and of every mode of a mixture.
    pub constraint: Constraint,
    /// What is climbed in place of log p(a).
    pub objective: Objective,
    /// Mode paths that are followed at once, see [`lgssm::switching`].
    pub hypotheses: HypothesesConfig,
}

/// What stands for log p(a) in the ELBO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// The likelihood itself, from the innovations of the filter.
    #[default]
    Exact,
    /// The paper's sampled bound of it, see [`lgssm::published`].
    Published,
}

/// How many mode paths are followed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HypothesesConfig {
    /// In training. Time grows with it; one has to guess where a first bounce was.
    pub train: usize,
    /// When latents are written.
    pub infer: usize,
}

impl Default for HypothesesConfig {
    fn default() -> Self {
        Self {
            train: 4,
            infer: 16,
        }
    }
}

impl Default for KalmanVae {
    fn default() -> Self {
        Self {
            frames: FramesConfig::default(),
            seen_from: 0.0,
            latent: 4,
            transition: Transition::Mixture(Mixture::default()),
            constraint: Constraint::default(),
            objective: Objective::default(),
            hypotheses: HypothesesConfig::default(),
        }
    }
}

impl Fit for KalmanVae {
    fn fit(&mut self, at: &str, frame: [usize; 3], free: &dyn Fn(&str) -> bool) {
        self.frames.fit(&format!("{at}.frames"), frame, free);
        if free(&format!("{at}.latent")) {
            self.latent = 2 * self.frames.codes;
        }
    }
}

impl KalmanVae {
    /// A small instance for the contract tests.
    pub fn example() -> Self {
        Self {
            frames: FramesConfig::example(),
            transition: Transition::Mixture(Mixture {
                modes: 9,
                sharpness: 1.0,
                ..Mixture::default()
            }),
            ..Self::default()
        }
    }

    /// # Errors
    /// Names the key under `at`, what was expected and got.
    pub fn check(&self, at: &str, frame: [usize; 3]) -> Result<()> {
        let (codes, got) = (self.frames.codes, self.latent);
        let bad = |key: &str, want: String, got: usize| {
            Err(Error::Experiment(format!(
                "{at}.{key}: {want} expected, got {got}"
            )))
        };
        let latent = match self.transition.wants_places() {
            true if got != 2 * codes => bad("latent", format!("2 * codes = {}", 2 * codes), got),
            false if !(codes..=128).contains(&got) => bad(
                "latent",
                format!("a number from codes ({codes}) to 128"),
                got,
            ),
            _ => Ok(()),
        };
        let paths = |key: &str, got: usize| match got {
            1..=1000 => Ok(()),
            _ => bad(
                &format!("hypotheses.{key}"),
                "a number in 1..=1000".into(),
                got,
            ),
        };
        all([
            self.frames.check(&format!("{at}.frames"), frame),
            occlusion::check(at, self.seen_from, frame),
            latent,
            paths("train", self.hypotheses.train),
            paths("infer", self.hypotheses.infer),
            self.constraint
                .check(&format!("{at}.constraint"), got)
                .map_err(Error::from),
            self.transition.check(at, codes, &self.setting()),
        ])
    }

    fn setting(&self) -> Setting {
        Setting {
            hypotheses: self.hypotheses,
            constraint: self.constraint,
            objective: self.objective,
            actions: 0,
        }
    }

    /// Builds the model.
    ///
    /// # Errors
    /// Settings that do not fit the frames.
    pub fn build<F: Float>(&self, sizes: Sizes, rng: &mut Rng) -> Result<SequenceVae<F>> {
        let frames = self.frames.build(sizes.frame, rng)?;
        let free = LgVae {
            frames: self.frames.clone(),
            latent: self.latent,
            start: match self.transition.wants_places() {
                true => Start::FreeMotion,
                false => Start::Identity,
            },
            ..LgVae::default()
        }
        .law_at_start(rng);
        let setting = Setting {
            actions: sizes.actions,
            ..self.setting()
        };
        let dynamics = self.transition.build(&free, &setting, rng)?;
        SequenceVae::new(frames, dynamics).seen_from(self.seen_from)
    }
}
