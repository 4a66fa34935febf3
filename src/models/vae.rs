//! A VAE of single frames without dynamics (Kingma & Welling 2014): the control that shows what a law of motion adds.
//!
//! ```text
//! ELBO = sum_t E_{a_t ~ q(a_t | x_t)} [ log p(x_t | a_t) ] - KL(q(a_t | x_t) || N(0, I))
//! ```

use super::{Clips, Codes, Common, Elbo, FrameVae, FrameVaeConfig, Likelihood, Model};
use crate::error::Result;
use crate::latents::Decoder;
use crate::seeds::Rng;
use nn::decoder::{CnnDecoder, DecoderConfig};
use nn::encoder::{CnnEncoder, EncoderConfig, Head};
use nn::tensor::value;
use nn::{Float, Mat, Module, Param, ops};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of a `vae`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Vae {
    /// Code dimensions, p. Two are enough for one ball.
    #[schemars(range(min = 1, max = 64))]
    pub codes: usize,
    /// Frames to codes.
    pub encoder: EncoderConfig,
    /// Codes to frames.
    pub decoder: DecoderConfig,
    /// Pixels around the decoder's output.
    pub likelihood: Likelihood,
}

impl Default for Vae {
    fn default() -> Self {
        Self {
            codes: 2,
            encoder: EncoderConfig::default(),
            decoder: DecoderConfig::default(),
            likelihood: Likelihood::default(),
        }
    }
}

impl Vae {
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
            strides: vec![2],
            head: Head::Flatten,
        };
        Self {
            codes: 3,
            encoder: EncoderConfig::Cnn(encoder),
            decoder: DecoderConfig::Cnn(CnnDecoder {
                channels: vec![2, 3],
                ..CnnDecoder::default()
            }),
            likelihood: Likelihood::Gaussian { std: 0.3 },
        }
    }

    /// # Errors
    /// Names the key under `at`, what was expected and got.
    pub fn check(&self, at: &str, frame: [usize; 3]) -> Result<()> {
        self.frames().check(at, frame)
    }

    /// Builds the model.
    ///
    /// # Errors
    /// Settings that do not fit the frames.
    pub fn build<F: Float>(&self, frame: [usize; 3], rng: &mut Rng) -> Result<VaeModel<F>> {
        Ok(VaeModel {
            frames: self.frames().build(frame, rng)?,
        })
    }
}

/// A built `vae`.
#[derive(Debug)]
pub struct VaeModel<F: Float> {
    frames: FrameVae<F>,
}

impl<F: Float> Module<F> for VaeModel<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        self.frames.parameters(at, out);
    }
}

impl<F: Float> Model<F> for VaeModel<F> {
    fn codes(&self) -> usize {
        self.frames.codes
    }

    fn start_at(&mut self, common: &Common) -> Result<()> {
        self.frames.start_at(common)
    }

    fn elbo(&self, clips: &Clips<F>, latent_weight: f64, rng: &mut Rng) -> Result<Elbo<F>> {
        let observed = clips.observed()?;
        let head = self.frames.head(&observed)?;
        let kl = ops::standard_normal_kl(head.retaped())?;
        let (codes, _) = self.frames.sample(head, rng)?;
        let reconstruction = self.frames.log_likelihood(codes, &observed)?;
        let terms = vec![
            ("reconstruction", value(&reconstruction)),
            ("negative_kl", -value(&kl)),
        ];
        let objective = ops::weighted_sum(vec![(reconstruction, 1.0), (kl, -latent_weight)])?;
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
}
