//! A VAE whose codes are observed through a linear-Gaussian state-space model, trained on the exact likelihood of the codes.
//!
//! ```text
//! a_t ~ q(a_t | x_t)                                     encoder, diagonal Gaussian, one frame at a time
//! z_0 ~ N(mu_0, Sigma_0),  z_t ~ N(A z_{t-1} + b, Q)     law of motion
//! a_t ~ N(C z_t + d, R),   x_t ~ p(x_t | a_t)            emission, decoder
//!
//! ELBO = E_q [ log p(x | a) + log p(a_{0:T-1}) - log q(a | x) ]
//! ```
//!
//! Source: the Kalman VAE (Fraccaro et al. 2017, sec. 3) with one matrix (K = 1). Departures:
//! 1. log p(a) is the exact marginal likelihood from the innovations of the filter, where the paper samples z from smoothed
//!    marginals and adds up marginal entropies, a looser bound;
//! 2. Q, R and the initial state are learned, where the paper fixes them; all covariances are full;
//! 3. offsets b and d; the transition starts as free motion, z = (position, displacement per frame), where the paper starts at A = I.

use super::{Clips, Codes, Common, Elbo, FrameVae, FrameVaeConfig, Likelihood, Model};
use crate::error::{Error, Result};
use crate::latents::Decoder;
use crate::lgssm::{self, Lgssm, Posterior};
use crate::nn::decoder::{DecoderConfig, MlpDecoder};
use crate::nn::encoder::{CnnEncoder, EncoderConfig, Head};
use crate::nn::ops::StateSpace;
use crate::nn::tensor::value;
use crate::nn::{Float, Mat, Module, Param, ops};
use crate::seeds::Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

/// Settings of an `lg_vae`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LgVae {
    /// Code dimensions, p. Two are enough for one ball.
    pub codes: usize,
    /// Latent dimensions, n. Twice the codes: a position and a displacement for each.
    pub latent: usize,
    /// Frames to codes.
    pub encoder: EncoderConfig,
    /// Codes to frames.
    pub decoder: DecoderConfig,
    /// Pixels around the decoder's output.
    pub likelihood: Likelihood,
    /// Where the law of motion starts.
    pub start: Start,
}

/// Where the law of motion starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// z = (position, displacement per frame): A = [[I, I], [0, I]], C = [I, 0]. Wants latent = 2 codes.
    #[default]
    FreeMotion,
    /// A = I, as published, with small noise so that dimensions differ; C starts at random.
    Identity,
}

impl Default for LgVae {
    fn default() -> Self {
        Self {
            codes: 2,
            latent: 4,
            encoder: EncoderConfig::default(),
            decoder: DecoderConfig::default(),
            likelihood: Likelihood::default(),
            start: Start::default(),
        }
    }
}

impl LgVae {
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
        if self.latent < self.codes || self.latent > 128 {
            return Err(Error::Experiment(format!(
                "{at}.latent: a number from codes ({}) to 128 expected, got {}",
                self.codes, self.latent
            )));
        }
        if self.start == Start::FreeMotion && self.latent != 2 * self.codes {
            return Err(Error::Experiment(format!(
                "{at}.latent: start free_motion expects 2 * codes = {}, got {}",
                2 * self.codes,
                self.latent
            )));
        }
        Ok(())
    }

    /// Builds the model.
    ///
    /// # Errors
    /// Settings that do not fit the frames.
    pub fn build<F: Float>(&self, frame: [usize; 3], rng: &mut Rng) -> Result<LgVaeModel<F>> {
        let frames = self.frames().build(frame, rng)?;
        Ok(LgVaeModel {
            frames,
            law: StateSpace::new(&self.law_at_start(rng))?,
        })
    }

    /// Codes start within about -3..3. Process noise starts large enough to absorb bounces, else the first gradients bend the
    /// codes instead.
    pub(super) fn law_at_start(&self, rng: &mut Rng) -> Lgssm {
        let (n, p) = (self.latent, self.codes);
        let mut draw = |std: f64| {
            let v: f64 = StandardNormal.sample(rng);
            std * v
        };
        let identity = |size: usize, scale: f64| {
            (0..size * size)
                .map(|i| if i / size == i % size { scale } else { 0.0 })
                .collect::<Vec<f64>>()
        };
        let mut transition = identity(n, 1.0);
        let mut emission = vec![0.0; p * n];
        let mut initial = identity(n, 3.0);
        for i in 0..p {
            emission[i * n + i] = 1.0;
        }
        match self.start {
            Start::FreeMotion => {
                for i in 0..p {
                    transition[i * n + p + i] = 1.0;
                    initial[(p + i) * (n + 1)] = 0.5;
                }
            }
            Start::Identity => {
                transition.iter_mut().for_each(|a| *a += draw(0.02));
                emission.iter_mut().for_each(|c| *c += draw(0.3));
            }
        }
        Lgssm {
            latent: n,
            code: p,
            transition_matrix: transition,
            transition_offset: vec![0.0; n],
            transition_cov: identity(n, 0.05),
            emission_matrix: emission,
            emission_offset: vec![0.0; p],
            emission_cov: identity(p, 0.005),
            initial_mean: vec![0.0; n],
            initial_cov: initial,
        }
    }
}

/// A built `lg_vae`.
#[derive(Debug)]
pub struct LgVaeModel<F: Float> {
    frames: FrameVae<F>,
    law: StateSpace<F>,
}

impl<F: Float> Module<F> for LgVaeModel<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        self.frames.parameters(at, out);
        self.law.parameters(at, out);
    }
}

impl<F: Float> Model<F> for LgVaeModel<F> {
    fn codes(&self) -> usize {
        self.frames.codes
    }

    fn start_at(&mut self, common: &Common) -> Result<()> {
        self.frames.start_at(common)
    }

    fn elbo(&self, clips: &Clips<F>, latent_weight: f64, rng: &mut Rng) -> Result<Elbo<F>> {
        let head = self.frames.head(&clips.frames)?;
        let (codes, log_q) = self.frames.sample(head, rng)?;
        let log_p = ops::log_likelihood(codes.retaped(), clips.steps, &self.law)?;
        let reconstruction = self.frames.log_likelihood(codes, &clips.frames)?;
        let terms = vec![
            ("reconstruction", value(&reconstruction)),
            ("code_log_likelihood", value(&log_p)),
            ("code_entropy", -value(&log_q)),
        ];
        let objective = ops::weighted_sum(vec![
            (reconstruction, 1.0),
            (log_p, latent_weight),
            (log_q, -latent_weight),
        ])?;
        Ok(Elbo { objective, terms })
    }

    fn encode(&self, frames: &Mat<F>) -> Result<Codes> {
        self.frames.encode(frames)
    }

    fn decode(&self, codes: &[f64]) -> Result<Vec<F>> {
        self.frames.decode(codes)
    }

    fn plain_decoder(&self) -> Option<Decoder> {
        Some(self.frames.plain_decoder())
    }

    fn infer(
        &self,
        codes: &[f64],
        steps: usize,
        seen: Option<&[bool]>,
    ) -> Result<Option<Posterior>> {
        let sequences = codes.len() / (steps * self.frames.codes).max(1);
        let batch = lgssm::Batch {
            frame_mask: seen,
            ..lgssm::Batch::new(codes, sequences, steps)
        };
        lgssm::infer(&self.law.law(), &batch).map(Some)
    }

    fn law(&self) -> Option<Lgssm> {
        Some(self.law.law())
    }
}
