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

use super::{Clips, Codes, Common, Elbo, FrameVae, FrameVaeConfig, LgVae, Likelihood, Model};
use crate::error::{Error, Result};
use crate::latents::Decoder;
use crate::lgssm::{self, Lgssm, Posterior};
use crate::nn::decoder::{DecoderConfig, MlpDecoder};
use crate::nn::encoder::{CnnEncoder, EncoderConfig, Head};
use crate::nn::ops::{GateParams, GatedStateSpace, StateSpace};
use crate::nn::tensor::value;
use crate::nn::{Float, Mat, Module, Param, ops};
use crate::seeds::Rng;
use rand_distr::{Distribution, StandardNormal};
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

/// The `transition:` of a `kalman_vae`, as a one-key map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transition {
    /// One affine law.
    Linear(Linear),
    /// Free flight between two reflecting walls on every axis.
    Reflecting(Reflecting),
    /// Affine modes, blended by where the state is.
    Mixture(Mixture),
}

/// One affine law; nothing to set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Linear {}

/// Where walls start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reflecting {
    /// Walls start at plus and minus this, in units of the codes.
    pub edge: f64,
    /// Sharpness kappa of a wall at the start, per unit of the codes. Much sharper and no gradient reaches a wall before a code does.
    pub sharpness: f64,
}

/// Which modes, and where their cells start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mixture {
    /// Number of modes K. The first starts in the middle, 2p more beyond the edges of the codes, the rest beyond the corners: 3^p
    /// (9 with two codes) fill them.
    pub modes: usize,
    /// Cells start at plus and minus this, in units of the codes.
    pub edge: f64,
    /// Sharpness of their borders at the start, per unit of the codes.
    pub sharpness: f64,
}

/// Codes start within about -2..2: the coordinates of a ball in its box, times 3.
const EDGE: f64 = 2.0;
const SHARPNESS: f64 = 5.0;

impl Default for Reflecting {
    fn default() -> Self {
        Self {
            edge: EDGE,
            sharpness: SHARPNESS,
        }
    }
}

impl Default for Mixture {
    fn default() -> Self {
        Self {
            modes: 9,
            edge: EDGE,
            sharpness: SHARPNESS,
        }
    }
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
        let (kind, edge, sharpness) = match &self.transition {
            Transition::Linear(_) => return Ok(()),
            Transition::Reflecting(c) => ("reflecting", c.edge, c.sharpness),
            Transition::Mixture(c) => ("mixture", c.edge, c.sharpness),
        };
        for (key, got) in [("edge", edge), ("sharpness", sharpness)] {
            if !(got.is_finite() && got > 0.0) {
                return Err(Error::Experiment(format!(
                    "{at}.transition.{kind}.{key}: a positive number expected, got {got}"
                )));
            }
        }
        match &self.transition {
            Transition::Mixture(c) if c.modes == 0 || c.modes > most_modes(self.codes) => {
                Err(Error::Experiment(format!(
                    "{at}.transition.mixture.modes: a number in 1..={} expected, got {}",
                    most_modes(self.codes),
                    c.modes
                )))
            }
            _ => Ok(()),
        }
    }

    /// Builds the model.
    ///
    /// # Errors
    /// Settings that do not fit the frames.
    pub fn build<F: Float>(&self, frame: [usize; 3], rng: &mut Rng) -> Result<KalmanVaeModel<F>> {
        let frames = self.frames().build(frame, rng)?;
        let free = LgVae {
            codes: self.codes,
            latent: self.latent,
            ..LgVae::default()
        }
        .law_at_start(rng);
        let law = match &self.transition {
            Transition::Linear(_) => Law::Linear(StateSpace::new(&free)?),
            Transition::Reflecting(c) => {
                let gate = GateParams::reflecting(self.codes, c.edge, c.sharpness)?;
                Law::Gated(GatedStateSpace::new(&free, gate)?)
            }
            Transition::Mixture(c) => {
                Law::Gated(GatedStateSpace::new(&free, c.start(&free, rng)?)?)
            }
        };
        Ok(KalmanVaeModel {
            frames,
            law,
            smoother_passes: self.smoother_passes,
        })
    }
}

/// One mode in the middle and one for every way to be beyond some edges of the codes: 3^p, up to what is worth having.
fn most_modes(codes: usize) -> usize {
    3_usize
        .saturating_pow(u32::try_from(codes).unwrap_or(u32::MAX))
        .min(81)
}

impl Mixture {
    /// Every mode starts as free flight, with small noise. Mode k has the logit
    ///
    /// ```text
    /// sharpness * sum over axes i of (side_i (x_i + v_i) - |side_i| edge),    side in {-1, 0, 1}^p
    /// ```
    ///
    /// the middle first, then edges, then corners. With all 3^p modes the softmax is then the product over axes of "below, between,
    /// above": at the edges of the codes, where what differs from free flight is likely to be.
    fn start<F: Float>(&self, free: &Lgssm, rng: &mut Rng) -> Result<GateParams<F>> {
        let (n, p) = (free.latent, free.code);
        let mut sides: Vec<Vec<f64>> = vec![vec![]];
        for _ in 0..p.min(4) {
            sides = sides
                .iter()
                .flat_map(|s| [0.0, 1.0, -1.0].map(|side| [&s[..], &[side]].concat()))
                .collect();
        }
        sides.sort_by_key(|s| s.iter().filter(|&&side| side != 0.0).count());
        let (mut matrices, mut offsets, mut weights, mut biases) = (vec![], vec![], vec![], vec![]);
        for side in sides.iter().take(self.modes) {
            let mut noise = || -> f64 {
                let draw: f64 = StandardNormal.sample(rng);
                0.02 * draw
            };
            matrices.extend(free.transition_matrix.iter().map(|a| a + noise()));
            offsets.extend(free.transition_offset.iter().map(|b| b + noise()));
            let at = weights.len();
            weights.resize(at + n, 0.0);
            for (i, side) in side.iter().enumerate() {
                weights[at + i] = self.sharpness * side;
                weights[at + p + i] = self.sharpness * side;
            }
            biases.push(-self.sharpness * self.edge * side.iter().map(|s| s.abs()).sum::<f64>());
        }
        GateParams::mixture(n, &matrices, &offsets, &weights, &biases)
    }
}

/// The law of motion of a built model.
#[derive(Debug)]
enum Law<F: Float> {
    Linear(StateSpace<F>),
    Gated(GatedStateSpace<F>),
}

/// A built `kalman_vae`.
#[derive(Debug)]
pub struct KalmanVaeModel<F: Float> {
    frames: FrameVae<F>,
    law: Law<F>,
    smoother_passes: usize,
}

impl<F: Float> Module<F> for KalmanVaeModel<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        self.frames.parameters(at, out);
        match &mut self.law {
            Law::Linear(law) => law.parameters(at, out),
            Law::Gated(law) => law.parameters(at, out),
        }
    }
}

impl<F: Float> Model<F> for KalmanVaeModel<F> {
    fn codes(&self) -> usize {
        self.frames.codes
    }

    fn start_at(&mut self, common: &Common) -> Result<()> {
        self.frames.start_at(common)
    }

    fn elbo(&self, clips: &Clips<F>, latent_weight: f64, rng: &mut Rng) -> Result<Elbo<F>> {
        let head = self.frames.head(&clips.frames)?;
        let (codes, log_q) = self.frames.sample(head, rng)?;
        let log_p = match &self.law {
            Law::Linear(law) => ops::log_likelihood(codes.retaped(), clips.steps, law)?,
            Law::Gated(law) => ops::gated_log_likelihood(codes.retaped(), clips.steps, law)?,
        };
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
        match &self.law {
            Law::Gated(law) => law
                .infer(codes, steps, seen, self.smoother_passes)
                .map(Some),
            Law::Linear(law) => {
                let sequences = codes.len() / (steps * self.frames.codes).max(1);
                let batch = lgssm::Batch {
                    frame_mask: seen,
                    ..lgssm::Batch::new(codes, sequences, steps)
                };
                lgssm::infer(&law.law(), &batch).map(Some)
            }
        }
    }

    fn law(&self) -> Option<Lgssm> {
        match &self.law {
            Law::Linear(law) => Some(law.law()),
            Law::Gated(_) => None,
        }
    }

    fn emit(&self, states: &[f64]) -> Option<Vec<f64>> {
        match &self.law {
            Law::Linear(law) => Some(law.law().emit(states)),
            Law::Gated(law) => Some(law.law().emit(states)),
        }
    }
}
