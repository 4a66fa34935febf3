//! A VAE whose codes follow a state-space model with a transition of choice: linear, reflecting walls, or a mixture of affine modes.
//!
//! ```text
//! a_t ~ q(a_t | x_t)                                         encoder, diagonal Gaussian, one frame at a time
//! (A_t, b_t) = gate(E[z_{t-1} | a_0 .. a_{t-1}])             linear: always the same
//! z_0 ~ N(mu_0, Sigma_0),  z_t ~ N(A_t z_{t-1} + b_t, Q)     law of motion
//! a_t ~ N(C z_t + d, R),   x_t ~ p(x_t | a_t)                emission, decoder
//!
//! ELBO = E_q [ log p(x | a) + log p(a_{0:T-1}) - log q(a | x) ]
//! ```
//!
//! Source: the Kalman VAE (Fraccaro et al. 2017, sec. 3). Departures, besides those of [`lg_vae`](super::lg_vae):
//! 1. the weights of the modes come from the filtered state, where the paper's come from an LSTM over past codes: the state is then
//!    all there is to know about the future, and log p(a) is still exact;
//! 2. modes have offsets: a bounce off a wall at w is x' = 2w - x, which no matrix without an offset can say;
//! 3. with a gate C = [I 0] and d = 0 are fixed, and every mode starts as free flight, so codes stay places and latents z = (place,
//!    displacement per frame).

mod gated;
mod transition;

pub use transition::{Linear, Mixture, Reflecting, Transition};

use super::{FrameVaeConfig, LgVae, Likelihood, SequenceVae};
use crate::error::{Error, Result};
use crate::nn::Float;
use crate::nn::decoder::{DecoderConfig, MlpDecoder};
use crate::nn::encoder::{CnnEncoder, EncoderConfig, Head};
use crate::seeds::Rng;
use serde::{Deserialize, Serialize};

/// Settings of a `kalman_vae`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KalmanVae {
    /// Code dimensions, p. Two are enough for one ball.
    pub codes: usize,
    /// Latent dimensions, n = 2p: a place and a displacement for each code.
    pub latent: usize,
    /// Frames to codes.
    pub encoder: EncoderConfig,
    /// Codes to frames.
    pub decoder: DecoderConfig,
    /// Pixels around the decoder's output.
    pub likelihood: Likelihood,
    /// How one state leads to the next.
    pub transition: Transition,
    /// Choices of the transitions by the smoother, see [`crate::lgssm::gated::infer`]; 0 for those of the filter.
    pub smoother_passes: usize,
}

impl Default for KalmanVae {
    fn default() -> Self {
        Self {
            codes: 2,
            latent: 4,
            encoder: EncoderConfig::default(),
            decoder: DecoderConfig::default(),
            likelihood: Likelihood::default(),
            transition: Transition::Mixture(Mixture::default()),
            smoother_passes: 3,
        }
    }
}

impl KalmanVae {
    fn frames(&self) -> FrameVaeConfig<'_> {
        FrameVaeConfig {
            codes: self.codes,
            encoder: &self.encoder,
            decoder: &self.decoder,
            likelihood: self.likelihood,
        }
    }

    /// A small instance for the contract tests.
    pub fn example() -> Self {
        let encoder = CnnEncoder {
            channels: vec![3],
            kernels: vec![3],
            strides: vec![1],
            head: Head::SpatialSoftmax,
        };
        Self {
            encoder: EncoderConfig::Cnn(encoder),
            decoder: DecoderConfig::Mlp(MlpDecoder { hidden: vec![5] }),
            ..Self::default()
        }
    }

    /// # Errors
    /// Names the key under `at`, what was expected and got.
    pub fn check(&self, at: &str, frame: [usize; 3]) -> Result<()> {
        self.frames().check(at, frame)?;
        if self.latent != 2 * self.codes {
            return Err(Error::Experiment(format!(
                "{at}.latent: 2 * codes = {} expected, got {}",
                2 * self.codes,
                self.latent
            )));
        }
        if self.smoother_passes > 100 {
            return Err(Error::Experiment(format!(
                "{at}.smoother_passes: a number in 0..=100 expected, got {}",
                self.smoother_passes
            )));
        }
        self.transition
            .check(&format!("{at}.transition"), self.codes)
    }

    /// Builds the model.
    ///
    /// # Errors
    /// Settings that do not fit the frames.
    pub fn build<F: Float>(&self, frame: [usize; 3], rng: &mut Rng) -> Result<SequenceVae<F>> {
        let frames = self.frames().build(frame, rng)?;
        let free = LgVae {
            codes: self.codes,
            latent: self.latent,
            ..LgVae::default()
        }
        .law_at_start(rng);
        let dynamics = self.transition.build(&free, self.smoother_passes, rng)?;
        Ok(SequenceVae::new(frames, dynamics))
    }
}
