//! The part that every model shares: one frame to a code and back, with its pixel likelihood.

use super::{Clips, Codes, Common, Observed};
use crate::error::{Error, Result, all};
use crate::seeds::Rng;
use nn::decoder::{Decoder, DecoderConfig, MlpDecoder};
use nn::encoder::{CnnEncoder, Encoder, EncoderConfig, Head};
use nn::plain;
use nn::tensor::{PerRow, matrix, values};
use nn::{Float, Grad, Mat, Module, Param, ops};
use rand_distr::{Distribution, StandardNormal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How pixels are distributed around what the decoder gives.
#[derive(Clone, Copy, Debug, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Likelihood {
    /// Independent Bernoulli with logits from the decoder: for pixels in [0, 1], best near 0 and 1.
    #[default]
    Bernoulli,
    /// Independent Gaussian around the decoder's output, with one learned standard deviation that starts at `std`.
    Gaussian {
        /// Standard deviation of a pixel at the start, in units of the full range 0..1.
        #[schemars(extend("exclusiveMinimum" = 0))]
        std: f64,
    },
}

impl Likelihood {
    /// # Errors
    /// Names the key under `at`, what was expected and got.
    pub fn check(&self, at: &str) -> Result<()> {
        match self {
            Self::Gaussian { std } if !(std.is_finite() && *std > 0.0) => Err(Error::Experiment(
                format!("{at}.gaussian.std: a positive number expected, got {std}"),
            )),
            _ => Ok(()),
        }
    }

    /// Decoder outputs that stand for these pixel means.
    pub fn start<F: Float>(&self, mean: &[f64]) -> Vec<F> {
        let output = |&v: &f64| match self {
            Self::Gaussian { .. } => F::of(v),
            Self::Bernoulli => {
                let p = v.clamp(PIXEL_MARGIN, 1.0 - PIXEL_MARGIN);
                F::of((p / (1.0 - p)).ln())
            }
        };
        mean.iter().map(output).collect()
    }

    /// Decoder outputs to pixel means in [0, 1].
    pub fn to_pixels<F: Float>(&self, outputs: &mut [F]) {
        match self {
            Self::Bernoulli => F::sigmoid(outputs),
            Self::Gaussian { .. } => outputs
                .iter_mut()
                .for_each(|v| *v = num_traits::clamp(*v, F::of(0.0), F::of(1.0))),
        }
    }
}

/// Networks between frames and codes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FramesConfig {
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

impl Default for FramesConfig {
    fn default() -> Self {
        Self {
            codes: 2,
            encoder: EncoderConfig::default(),
            decoder: DecoderConfig::default(),
            likelihood: Likelihood::default(),
        }
    }
}

impl FramesConfig {
    /// A small instance for the contract tests: a soft-argmax and a layer.
    pub fn example() -> Self {
        Self {
            encoder: EncoderConfig::Cnn(CnnEncoder {
                channels: vec![3],
                kernels: vec![3],
                strides: vec![1],
                head: Head::SpatialSoftmax,
            }),
            decoder: DecoderConfig::Mlp(MlpDecoder { hidden: vec![5] }),
            ..Self::default()
        }
    }

    /// Networks that fit the frames where `free` says that nobody chose them, see [`Fit`](super::Fit).
    pub fn fit(&mut self, at: &str, frame: [usize; 3], free: &dyn Fn(&str) -> bool) {
        if free(&format!("{at}.encoder")) {
            self.encoder = super::default_encoder(frame);
        }
        if free(&format!("{at}.decoder")) {
            self.decoder = super::default_decoder(frame);
        }
    }

    /// # Errors
    /// Names the key under `at`, what was expected and got.
    pub fn check(&self, at: &str, frame: [usize; 3]) -> Result<()> {
        let codes = match self.codes {
            1..=64 => Ok(()),
            got => Err(Error::Experiment(format!(
                "{at}.codes: a number in 1..=64 expected, got {got}"
            ))),
        };
        let likelihood = self.likelihood.check(&format!("{at}.likelihood"));
        all([
            codes,
            likelihood,
            self.encoder
                .check(&format!("{at}.encoder"))
                .map_err(Error::from),
            self.decoder
                .check(&format!("{at}.decoder"), frame)
                .map_err(Error::from),
        ])
    }

    /// Builds the networks.
    ///
    /// # Errors
    /// Settings that do not fit the frames.
    pub fn build<F: Float>(&self, frame: [usize; 3], rng: &mut Rng) -> Result<FrameVae<F>> {
        let bernoulli = self.likelihood == Likelihood::Bernoulli;
        Ok(FrameVae {
            codes: self.codes,
            encoder: Encoder::new(&self.encoder, frame, self.codes, rng)?,
            decoder: Decoder::new(&self.decoder, frame, self.codes, bernoulli, rng)?,
            log_std: match self.likelihood {
                Likelihood::Bernoulli => None,
                Likelihood::Gaussian { std } => Some(Param::constant([1], std.ln())?),
            },
        })
    }
}

/// Keeps starting logits finite where a pixel is always black or white: |logit| is at most 6.9.
const PIXEL_MARGIN: f64 = 1e-3;

/// Codes drawn from q(a | x), (rows, p), and log q of them, on one tape.
pub type Draw<F> = (Mat<F, Grad<F>>, PerRow<F, Grad<F>>);

/// Encoder q(a | x), decoder p(x | a).
#[derive(Debug)]
pub struct FrameVae<F: Float> {
    /// Code dimensions, p.
    pub codes: usize,
    encoder: Encoder<F>,
    decoder: Decoder<F>,
    /// Of Gaussian pixels; `None` for Bernoulli.
    log_std: Option<Param<F>>,
}

impl<F: Float> FrameVae<F> {
    /// How pixels are distributed around the decoder's output, with the standard deviation of now.
    fn likelihood(&self) -> Likelihood {
        match &self.log_std {
            None => Likelihood::Bernoulli,
            Some(log_std) => Likelihood::Gaussian {
                std: log_std.values()[0].widen().exp(),
            },
        }
    }

    /// Starts from what the training frames have in common: the encoder looks at what differs from the background, the
    /// decoder's output begins at the mean.
    ///
    /// # Errors
    /// A frame of another size.
    pub fn start_at(&mut self, common: &Common) -> Result<()> {
        let background: Vec<F> = common.background.iter().map(|&v| F::of(v)).collect();
        self.encoder.start_at(&background)?;
        let output = self.likelihood().start(&common.mean);
        Ok(self.decoder.start_at(&output)?)
    }

    /// The encoder's head on a new tape, for what is seen of some frames: means and log variances (rows, 2p).
    ///
    /// # Errors
    /// Frames of another size.
    pub fn head(&self, observed: &Observed<F>) -> Result<Mat<F, Grad<F>>> {
        match &observed.pixels {
            None => Ok(self.encoder.forward(observed.frames.retaped::<Grad<F>>())?),
            Some(seen) => {
                let shown = self.encoder.hide(&observed.frames, seen)?;
                Ok(self.encoder.forward(shown.retaped::<Grad<F>>())?)
            }
        }
    }

    /// A draw from q(a | x) and log q of it: codes (rows, p).
    ///
    /// # Errors
    /// A head of another size.
    pub fn sample(&self, head: Mat<F, Grad<F>>, rng: &mut Rng) -> Result<Draw<F>> {
        let (rows, _) = nn::tensor::size(&head);
        let noise: Vec<F> = (0..rows * self.codes)
            .map(|_| {
                let draw: f64 = StandardNormal.sample(rng);
                F::of(draw)
            })
            .collect();
        Ok(ops::sample(head, &noise)?)
    }

    /// log p(x | a), nats, summed over all pixels that are seen.
    ///
    /// # Errors
    /// Frames of another size.
    pub fn log_likelihood(
        &self,
        codes: Mat<F, Grad<F>>,
        observed: &Observed<F>,
    ) -> Result<PerRow<F, Grad<F>>> {
        let outputs = self.decoder.forward(codes)?;
        let (frames, seen) = (&observed.frames, observed.pixels.as_deref());
        match &self.log_std {
            None => Ok(ops::bernoulli(outputs, frames, seen)?),
            Some(log_std) => Ok(ops::gaussian(outputs, frames, seen, log_std)?),
        }
    }

    /// Means and variances of q(a | x) for every frame of clips: of pixels that are seen, and of frames that are not,
    /// whatever stands there.
    ///
    /// # Errors
    /// Frames of another size.
    pub fn encode_clips(&self, clips: &Clips<F>) -> Result<Codes> {
        match clips.seen.as_ref().and_then(|seen| seen.pixels.as_ref()) {
            None => self.encode(&clips.frames),
            Some(pixels) => self.encode(&self.encoder.hide(&clips.frames, pixels)?),
        }
    }

    /// Means and variances of q(a | x) for every frame.
    ///
    /// # Errors
    /// Frames of another size.
    pub fn encode(&self, frames: &Mat<F>) -> Result<Codes> {
        let head = self.encoder.forward(frames.clone())?;
        let p = self.codes;
        let rows = values(&head).chunks_exact(2 * p);
        Ok(Codes {
            mean: rows
                .clone()
                .flat_map(|r| r[..p].iter().map(|v| v.widen()))
                .collect(),
            var: rows
                .flat_map(|r| r[p..].iter().map(|v| v.widen().exp()))
                .collect(),
        })
    }

    /// Pixel means in [0, 1] of codes (rows, p).
    ///
    /// # Errors
    /// A number of codes that is not a multiple of p.
    pub fn decode(&self, codes: &[f64]) -> Result<Vec<F>> {
        let rows = codes.len() / self.codes;
        let codes = matrix(codes.iter().map(|&v| F::of(v)).collect(), rows, self.codes)?;
        let mut pixels = values(&self.decoder.forward(codes)?).to_vec();
        self.likelihood().to_pixels(&mut pixels);
        Ok(pixels)
    }
}

impl<F: Float> FrameVae<F> {
    /// The decoder as plain arrays.
    pub fn plain_decoder(&self) -> plain::Decoder {
        let pixels = match self.log_std {
            None => plain::Pixels::Sigmoid,
            Some(_) => plain::Pixels::Clamp,
        };
        plain::Decoder::new(self.codes, self.decoder.plain(), pixels)
    }
}

impl<F: Float> Module<F> for FrameVae<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        self.encoder.parameters(&format!("{at}encoder"), out);
        self.decoder.parameters(&format!("{at}decoder"), out);
        if let Some(p) = &mut self.log_std {
            out.push((format!("{at}pixels.log_std"), p));
        }
    }
}
