//! A VAE of single frames without dynamics (Kingma & Welling 2014): the control that shows what a law of motion adds.
//!
//! ```text
//! ELBO = sum_t E_{a_t ~ q(a_t | x_t)} [ log p(x_t | a_t) ] - KL(q(a_t | x_t) || N(0, I))
//! ```

use super::{
    Ahead, Claims, Clips, Common, Fit, FrameVae, FramesConfig, Likelihood, Model, Query, Schedule,
    Sizes, Term,
};
use crate::array::Array;
use crate::error::Result;
use crate::latents::{Beliefs, Decoder, Given, Latent};
use crate::seeds::Rng;
use nn::decoder::{CnnDecoder, DecoderConfig};
use nn::encoder::{CnnEncoder, EncoderConfig, Head};
use nn::{Float, Module, Param, ops};
use rand_distr::{Distribution, StandardNormal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of a `vae`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Vae {
    /// Networks between frames and codes.
    pub frames: FramesConfig,
}

impl Fit for Vae {
    fn fit(&mut self, at: &str, frame: [usize; 3], free: &dyn Fn(&str) -> bool) {
        self.frames.fit(&format!("{at}.frames"), frame, free);
    }
}

impl Vae {
    /// A small instance for the contract tests.
    pub fn example() -> Self {
        let encoder = CnnEncoder {
            channels: vec![3],
            kernels: vec![3],
            strides: vec![2],
            head: Head::Flatten,
        };
        let frames = FramesConfig {
            codes: 3,
            encoder: EncoderConfig::Cnn(encoder),
            decoder: DecoderConfig::Cnn(CnnDecoder {
                channels: vec![2, 3],
                ..CnnDecoder::default()
            }),
            likelihood: Likelihood::Gaussian { std: 0.3 },
        };
        Self { frames }
    }

    /// # Errors
    /// Names the key under `at`, what was expected and got.
    pub fn check(&self, at: &str, frame: [usize; 3]) -> Result<()> {
        self.frames.check(&format!("{at}.frames"), frame)
    }

    /// Builds the model.
    ///
    /// # Errors
    /// Settings that do not fit the frames.
    pub fn build<F: Float>(&self, sizes: Sizes, rng: &mut Rng) -> Result<VaeModel<F>> {
        Ok(VaeModel {
            frames: self.frames.build(sizes.frame, rng)?,
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
    fn claims(&self) -> Claims {
        Claims {
            bound: true,
            marginal: true,
            causal: true,
            masks: true,
            actions: false,
            one_future: false,
        }
    }

    fn latents(&self) -> Vec<Latent> {
        vec![Latent::code("a", self.frames.codes)]
    }

    fn start_at(&mut self, common: &Common) -> Result<()> {
        self.frames.start_at(common)
    }

    fn objective(&self, clips: &Clips<F>, at: Schedule, rng: &mut Rng) -> Result<Vec<Term<F>>> {
        let observed = clips.observed()?;
        let rows = observed.rows.as_deref();
        let head = self.frames.head(&observed)?;
        let kl = ops::standard_normal_kl(head.retaped())?;
        let (codes, _) = self.frames.sample(head, rng)?;
        let reconstruction = self.frames.log_likelihood(codes, &observed)?;
        Ok(vec![
            Term::new("reconstruction", reconstruction, 1.0).placed(rows),
            Term::minus("negative_kl", kl, at.latent_weight).placed(rows),
        ])
    }

    fn infer(&self, clips: &Clips<F>, queries: &[Query], _: &mut Rng) -> Result<Vec<Beliefs>> {
        let codes = self.frames.encode_clips(clips)?;
        let shape = [clips.sequences, clips.steps, self.frames.codes];
        let answer = |query: &Query| {
            let mut out = Beliefs::default();
            if query.given == Given::Alone {
                for (name, values) in [("a", &codes.mean), ("a_var", &codes.var)] {
                    out.insert(name, &Beliefs::STATES, Array::new(shape, values.clone())?)?;
                }
            }
            Ok(out)
        };
        queries.iter().map(answer).collect()
    }

    /// The prior knows no time: every later frame is a draw of its own. Goes on from beliefs of frames alone.
    fn rollout(&self, from: &Beliefs, ahead: Ahead, rng: &mut Rng) -> Result<Beliefs> {
        let codes = from.need("a")?;
        let p = self.frames.codes;
        let (clips, steps) = (codes.shape()[0], codes.shape()[1]);
        let mut values = Vec::new();
        for k in 0..ahead.draws * clips {
            values.extend_from_slice(&codes.row(k % clips)[(steps - 1) * p..]);
            let draws = StandardNormal
                .sample_iter(&mut *rng)
                .take(ahead.horizon * p);
            values.extend(draws.map(|x: f64| x));
        }
        let mut out = Beliefs::default();
        let shape = [ahead.draws, clips, ahead.horizon + 1, p];
        out.insert("a", &Beliefs::FUTURES, Array::new(shape, values)?)?;
        Ok(out)
    }

    fn decode(&self, beliefs: &Beliefs) -> Result<Vec<F>> {
        self.frames.decode(beliefs.need("a")?.data())
    }

    fn pixels(&self) -> Option<Likelihood> {
        Some(self.frames.likelihood())
    }

    fn plain_decoder(&self) -> Option<Decoder> {
        self.frames.plain_decoder()
    }
}
