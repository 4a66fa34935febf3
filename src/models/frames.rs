//! The part that every model shares: one frame to a code and back, with its pixel likelihood.

use super::pixels::Pixels;
use super::{Clips, Codes, Common, Likelihood, Observed, is_vector};
use crate::error::{Error, Result, all};
use crate::seeds::Rng;
use nn::decoder::{Decoder, DecoderConfig, MlpDecoder};
use nn::encoder::{CnnEncoder, Encoder, EncoderConfig, Head};
use nn::plain;
use nn::tensor::{PerRow, matrix, size, values};
use nn::{Float, Grad, Mat, Module, Param, Track, ops};
use rand_distr::{Distribution, StandardNormal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
        if free(&format!("{at}.likelihood")) && super::is_vector(frame) {
            self.likelihood = Likelihood::Gaussian { std: 0.1 };
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
        let vectors = self.check_kind(at, frame);
        all([
            codes,
            likelihood,
            vectors,
            self.encoder
                .check(&format!("{at}.encoder"))
                .map_err(Error::from),
            self.decoder
                .check(&format!("{at}.decoder"), frame)
                .map_err(Error::from),
        ])
    }

    /// Vectors want networks without convolutions and a density of real numbers; the identity wants vectors.
    fn check_kind(&self, at: &str, frame: [usize; 3]) -> Result<()> {
        let wrong = |key: &str, want: String, got: &str| {
            Err(Error::Experiment(format!(
                "{at}.{key}: {want} expected, got {got}"
            )))
        };
        let identity = |key: &str, is: bool| match (is, is_vector(frame)) {
            (true, false) => wrong(
                key,
                format!("mlp or cnn for pictures of {}x{}", frame[1], frame[2]),
                "identity",
            ),
            (true, true) if self.codes != frame[0] => wrong(
                "codes",
                format!("{}, as an identity {key} of such vectors has,", frame[0]),
                &self.codes.to_string(),
            ),
            _ => Ok(()),
        };
        let encoder = identity("encoder", self.encoder == EncoderConfig::Identity);
        let decoder = identity("decoder", self.decoder == DecoderConfig::Identity);
        if !is_vector(frame) {
            return all([encoder, decoder]);
        }
        let kind = |key: &str, cnn: bool| match cnn {
            true => {
                let want = "identity or mlp: {} for vectors in place of pictures";
                wrong(key, want.into(), "cnn")
            }
            false => Ok(()),
        };
        let likelihood = match self.likelihood {
            Likelihood::Bernoulli => {
                let want = "gaussian: { std: .. } for vectors, which are no pixels in 0..1,";
                wrong("likelihood", want.into(), "bernoulli")
            }
            Likelihood::Gaussian { .. } | Likelihood::Calibrated => Ok(()),
        };
        all([
            encoder,
            decoder,
            kind("encoder", matches!(self.encoder, EncoderConfig::Cnn(_))),
            kind("decoder", matches!(self.decoder, DecoderConfig::Cnn(_))),
            likelihood,
        ])
    }

    /// Builds the networks.
    ///
    /// # Errors
    /// Settings that do not fit the frames.
    pub fn build<F: Float>(&self, frame: [usize; 3], rng: &mut Rng) -> Result<FrameVae<F>> {
        let bernoulli = self.likelihood == Likelihood::Bernoulli;
        let mut encoder = Encoder::new(&self.encoder, frame, self.codes, rng)?;
        if let Likelihood::Gaussian { std } = self.likelihood {
            // Where encoder and decoder are the identity, their densities then cancel: the bound starts at the law's own
            // likelihood of the vectors, less what noise of this variance costs.
            encoder.start_variance(std * std)?;
        }
        Ok(FrameVae {
            built: Box::new((self.clone(), frame)),
            codes: self.codes,
            encoder,
            vectors: is_vector(frame),
            decoder: Decoder::new(&self.decoder, frame, self.codes, bernoulli, rng)?,
            pixels: Pixels::new(self.likelihood)?,
        })
    }
}

/// Codes drawn from q(a | x), (rows, p), and log q of them, on one tape.
pub type Draw<F> = (Mat<F, Grad<F>>, PerRow<F, Grad<F>>);

/// Encoder q(a | x), decoder p(x | a).
#[derive(Debug)]
pub struct FrameVae<F: Float> {
    /// What it was built of, and (C, H, W).
    built: Box<(FramesConfig, [usize; 3])>,
    /// Code dimensions, p.
    pub codes: usize,
    encoder: Encoder<F>,
    decoder: Decoder<F>,
    /// Whether frames are vectors, whose values are not bound to [0, 1].
    vectors: bool,
    pixels: Pixels<F>,
}

impl<F: Float> FrameVae<F> {
    /// Starts from what the training frames have in common: the encoder looks at what differs from the background, the
    /// decoder's output begins at the mean.
    ///
    /// # Errors
    /// A frame of another size.
    pub fn start_at(&mut self, common: &Common) -> Result<()> {
        let background: Vec<F> = common.background.iter().map(|&v| F::of(v)).collect();
        self.encoder.start_at(&background)?;
        let output = self.pixels.likelihood().start(&common.mean);
        Ok(self.decoder.start_at(&output)?)
    }

    /// The encoder's head on a new tape, for what is seen of some frames: means and log variances (rows, 2p).
    ///
    /// # Errors
    /// Frames of another size.
    pub fn head(&self, observed: &Observed<F>) -> Result<Mat<F, Grad<F>>> {
        self.features(&observed.frames, observed.pixels.as_deref())
    }

    /// A draw from q(a | x) and log q of it: codes (rows, p).
    ///
    /// # Errors
    /// A head of another size.
    pub fn sample(&self, head: Mat<F, Grad<F>>, rng: &mut Rng) -> Result<Draw<F>> {
        let (rows, _) = size(&head);
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
        self.log_likelihood_of(codes, &observed.frames, observed.pixels.as_deref())
    }

    /// The same of frames (rows, C*H*W), of which the pixels with `seen` false leave no term.
    ///
    /// # Errors
    /// Frames of another size.
    pub fn log_likelihood_of(
        &self,
        codes: Mat<F, Grad<F>>,
        frames: &Mat<F>,
        seen: Option<&[bool]>,
    ) -> Result<PerRow<F, Grad<F>>> {
        let outputs = self.decoder.forward(codes)?;
        self.pixels.log_likelihood(outputs, frames, seen)
    }

    /// Pixels around the decoder's output.
    pub fn likelihood(&self) -> Likelihood {
        self.pixels.likelihood()
    }

    /// The encoder's head (rows, 2p) of all frames, on a new tape or on none; pixels with `seen` false are the
    /// background.
    ///
    /// # Errors
    /// Frames of another size.
    pub fn features<T: Track<F>>(
        &self,
        frames: &Mat<F>,
        seen: Option<&[bool]>,
    ) -> Result<Mat<F, T>> {
        Ok(match seen {
            None => self.encoder.forward(frames.retaped::<T>())?,
            Some(seen) => {
                let shown = self.encoder.hide(frames, seen)?;
                self.encoder.forward(shown.retaped::<T>())?
            }
        })
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

    /// sum |x - background| of every frame, over the pixels that are seen.
    ///
    /// # Errors
    /// Frames of another size.
    pub fn foreground(&self, frames: &Mat<F>, seen: Option<&[bool]>) -> Result<Vec<f64>> {
        let still = self.encoder.background();
        let (rows, columns) = size(frames);
        if columns != still.len() {
            return Err(Error::Shape(format!(
                "foreground: frames of {} values expected, got {columns}",
                still.len()
            )));
        }
        let there = |at: usize| seen.is_none_or(|seen| seen[at]);
        let own = |row: usize| {
            let frame = &values(frames)[row * columns..][..columns];
            let pixels = frame.iter().zip(still).enumerate();
            let pixels = pixels.filter(|(i, _)| there(row * columns + i));
            pixels
                .map(|(_, (&x, &b))| (x.widen() - b.widen()).abs())
                .sum()
        };
        Ok((0..rows).map(own).collect())
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

    /// The encoder's head (rows, 2p) of the frames that codes (rows, p) stand for, with a gradient through the frames.
    ///
    /// # Errors
    /// Codes of another size.
    pub fn again<T: Track<F>>(&self, codes: Mat<F, T>) -> Result<Mat<F, T>> {
        let outputs = self.decoder.forward(codes)?;
        let frames = match self.vectors {
            true => outputs,
            false => self.pixels.likelihood().means(&outputs)?,
        };
        Ok(self.encoder.forward_through(frames)?)
    }

    /// Pixel means in [0, 1] of codes (rows, p); means of vectors as the networks see them.
    ///
    /// # Errors
    /// A number of codes that is not a multiple of p.
    pub fn decode(&self, codes: &[f64]) -> Result<Vec<F>> {
        let rows = codes.len() / self.codes;
        let codes = matrix(codes.iter().map(|&v| F::of(v)).collect(), rows, self.codes)?;
        let mut pixels = values(&self.decoder.forward(codes)?).to_vec();
        if !self.vectors {
            self.pixels.likelihood().to_pixels(&mut pixels);
        }
        Ok(pixels)
    }
}

impl<F: Float> FrameVae<F> {
    /// The two networks as they travel, with this law.
    pub fn online(&mut self, law: super::OnlineLaw, least_foreground: f64) -> online::Parts {
        let mut all = Vec::new();
        self.encoder.parameters("encoder", &mut all);
        self.decoder.parameters("decoder", &mut all);
        let single = |p: &mut Param<F>| p.values().iter().map(|v| v.widen() as f32).collect();
        let weights = all
            .into_iter()
            .map(|(name, p)| (name, online::Singles(single(p))));
        online::Parts {
            frame: self.built.1,
            codes: self.codes,
            encoder: self.built.0.encoder.clone(),
            decoder: self.built.0.decoder.clone(),
            pixels: match self.pixels.likelihood() {
                Likelihood::Bernoulli => online::Squash::Sigmoid,
                Likelihood::Gaussian { .. } | Likelihood::Calibrated => online::Squash::Clamp,
            },
            weights: weights.collect(),
            law: law.common,
            modes: law.modes,
            hypotheses: law.hypotheses,
            least_foreground,
        }
    }

    /// Whether frames are vectors in place of pictures.
    pub fn reads_vectors(&self) -> bool {
        self.vectors
    }

    /// The decoder as plain arrays, from which pages draw pictures; nothing where frames are vectors.
    pub fn plain_decoder(&self) -> Option<plain::Decoder> {
        if self.vectors {
            return None;
        }
        let pixels = match self.pixels.likelihood() {
            Likelihood::Bernoulli => plain::Pixels::Sigmoid,
            Likelihood::Gaussian { .. } | Likelihood::Calibrated => plain::Pixels::Clamp,
        };
        Some(plain::Decoder::new(
            self.codes,
            self.decoder.plain(),
            pixels,
        ))
    }
}

impl<F: Float> Module<F> for FrameVae<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        self.encoder.parameters(&format!("{at}encoder"), out);
        self.decoder.parameters(&format!("{at}decoder"), out);
        self.pixels.parameters(&format!("{at}pixels"), out);
    }
}
