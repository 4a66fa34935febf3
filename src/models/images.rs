//! The part that recurrent models share: frames to features, features to frames.

use super::pixels::Pixels;
use super::{Clips, Common, FrameVae, FramesConfig, Likelihood, is_vector};
use crate::error::{Error, Result, all};
use crate::seeds::Rng;
use nn::layers::{ConvTrunk, Linear, Mover, Upsampler};
use nn::tensor::{PerRow, matrix, size, values};
use nn::{Activation, Float, Grad, Mat, Module, Param, Track};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Networks between frames and states: a one-key map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImagesConfig {
    /// Convolutions to a vector of features, sub-pixel convolutions from the state: whatever is to be seen.
    Trunk(TrunkConfig),
    /// The encoder and decoder of the linear-Gaussian models: the decoder reads a few codes that are linear in the
    /// state. With a spatial softmax as the encoder's head, they are places.
    Codes(FramesConfig),
}

impl Default for ImagesConfig {
    fn default() -> Self {
        Self::Trunk(TrunkConfig::default())
    }
}

/// Convolutions to features and back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrunkConfig {
    /// Channels of the encoder's convolutions, each of which halves the frame; the decoder has them in reverse.
    #[schemars(length(min = 1), inner(range(min = 1, max = 4096)))]
    pub channels: Vec<usize>,
    /// Features of a frame.
    #[schemars(range(min = 1, max = 4096))]
    pub features: usize,
    /// Adds mean and largest value of each of the last channels over all places to the features: what is to be seen, wherever
    /// it is. `content_motion` then reads the content from these alone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub pooled: bool,
    /// What makes frames of states.
    #[serde(skip_serializing_if = "TrunkDecoder::is_default")]
    pub decoder: TrunkDecoder,
    /// Pixels around the decoder's output.
    pub likelihood: Likelihood,
}

/// What makes frames of states, beside a trunk.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrunkDecoder {
    /// Sub-pixel convolutions: whatever is to be seen.
    #[default]
    Upsampler,
    /// One picture, put at a place: for one thing that moves without turning, before a background that stands still.
    Moved(MovedConfig),
}

impl TrunkDecoder {
    fn is_default(&self) -> bool {
        *self == Self::Upsampler
    }
}

/// A picture that is moved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MovedConfig {
    /// Side of the picture, px.
    #[schemars(range(min = 1, max = 256))]
    pub side: usize,
    /// Widths of the hidden layers that draw it, at least one.
    #[schemars(length(min = 1), inner(range(min = 1, max = 65_536)))]
    pub hidden: Vec<usize>,
}

impl Default for MovedConfig {
    fn default() -> Self {
        Self {
            side: 16,
            hidden: vec![128, 256],
        }
    }
}

impl Default for TrunkConfig {
    fn default() -> Self {
        Self {
            channels: vec![16, 32, 64],
            features: 128,
            pooled: false,
            decoder: TrunkDecoder::Upsampler,
            likelihood: Likelihood::Gaussian { std: 0.1 },
        }
    }
}

/// `value` within `1..=most`, or an error that names `at`.
pub(super) fn positive(at: &str, value: usize, most: usize) -> Result<()> {
    match (1..=most).contains(&value) {
        true => Ok(()),
        false => Err(Error::Experiment(format!(
            "{at}: a number in 1..={most} expected, got {value}"
        ))),
    }
}

/// A finite number of at least 0, or an error that names `at`.
pub(super) fn at_least_zero(at: &str, value: f64) -> Result<()> {
    match value.is_finite() && value >= 0.0 {
        true => Ok(()),
        false => Err(Error::Experiment(format!(
            "{at}: a number of at least 0 expected, got {value}"
        ))),
    }
}

impl TrunkConfig {
    /// Features beside [`Self::features`].
    fn pooled(&self) -> usize {
        let last = self.channels.last().copied().unwrap_or(0);
        if self.pooled { 2 * last } else { 0 }
    }

    fn check(&self, at: &str, frame: [usize; 3]) -> Result<()> {
        if is_vector(frame) {
            return Err(Error::Experiment(format!(
                "{at}: networks of `codes` expected for vectors of {} in place of pictures, got a trunk of convolutions",
                frame[0]
            )));
        }
        let depth = self.channels.len().min(16);
        let even = |side: &usize| side.is_multiple_of(1 << depth);
        let fits = depth > 0 && !self.channels.contains(&0) && frame[1..].iter().all(even);
        let channels = match fits {
            true => Ok(()),
            false => Err(Error::Experiment(format!(
                "{at}.channels: positive numbers, as many as halve {} x {} pixels evenly, expected, got {:?}",
                frame[1], frame[2], self.channels
            ))),
        };
        let decoder = match &self.decoder {
            TrunkDecoder::Upsampler => Ok(()),
            TrunkDecoder::Moved(moved) => {
                let at = format!("{at}.decoder.moved");
                let layers = match moved.hidden.iter().all(|n| (1..=65_536).contains(n)) {
                    true if !moved.hidden.is_empty() => Ok(()),
                    _ => Err(Error::Experiment(format!(
                        "{at}.hidden: at least one number in 1..=65536 expected, got {:?}",
                        moved.hidden
                    ))),
                };
                all([positive(&format!("{at}.side"), moved.side, 256), layers])
            }
        };
        all([
            channels,
            decoder,
            positive(&format!("{at}.features"), self.features, 4096),
            self.likelihood.check(&format!("{at}.likelihood")),
        ])
    }
}

impl ImagesConfig {
    /// Small instances for the contract tests.
    pub fn examples() -> [Self; 2] {
        let trunk = TrunkConfig {
            channels: vec![2, 3],
            features: 8,
            likelihood: Likelihood::Gaussian { std: 0.5 },
            ..TrunkConfig::default()
        };
        [Self::Trunk(trunk), Self::Codes(FramesConfig::example())]
    }

    /// # Errors
    /// Names the key under `at`, what was expected and got.
    pub fn check(&self, at: &str, frame: [usize; 3]) -> Result<()> {
        match self {
            Self::Trunk(trunk) => trunk.check(&format!("{at}.trunk"), frame),
            Self::Codes(frames) => frames.check(&format!("{at}.codes"), frame),
        }
    }

    /// Features of a frame, k.
    pub fn features(&self) -> usize {
        match self {
            Self::Trunk(trunk) => trunk.features + trunk.pooled(),
            Self::Codes(frames) => 2 * frames.codes,
        }
    }

    /// Which of the features tell nothing of where something is; `None` where there are no such.
    pub(super) fn anywhere(&self) -> Option<Range<usize>> {
        match self {
            Self::Trunk(trunk) if trunk.pooled => Some(trunk.features..self.features()),
            _ => None,
        }
    }

    /// Builds the networks; the decoder reads states of `h` values.
    ///
    /// # Errors
    /// Settings that do not fit the frames.
    pub fn build<F: Float>(&self, frame: [usize; 3], h: usize, rng: &mut Rng) -> Result<Images<F>> {
        self.build_of_parts(frame, h, [0..h, 0..h], rng)
    }

    /// The same of states that know which of their values tell what is to be seen and which tell where: a decoder that moves
    /// a picture reads each from its own.
    ///
    /// # Errors
    /// Settings that do not fit the frames.
    pub(super) fn build_of_parts<F: Float>(
        &self,
        frame: [usize; 3],
        h: usize,
        parts: [Range<usize>; 2],
        rng: &mut Rng,
    ) -> Result<Images<F>> {
        Ok(match self {
            Self::Trunk(trunk) => {
                let back: Vec<usize> = trunk.channels.iter().rev().copied().collect();
                let mut encoder = ConvTrunk::new(frame, &trunk.channels, trunk.features, rng)?;
                if trunk.pooled {
                    encoder = encoder.with_pooled();
                }
                Images::Trunk {
                    encoder,
                    decoder: match &trunk.decoder {
                        TrunkDecoder::Upsampler => {
                            Painter::Upsampler(Upsampler::new(h, &back, frame, rng)?)
                        }
                        TrunkDecoder::Moved(moved) => {
                            let (side, hidden) = (moved.side, &moved.hidden);
                            Painter::Mover(Mover::new(parts, hidden, side, frame, rng)?)
                        }
                    },
                    pixels: Pixels::new(trunk.likelihood)?,
                }
            }
            Self::Codes(frames) => Images::Codes {
                frames: frames.build(frame, rng)?,
                emission: Linear::new(h, frames.codes, Activation::Identity, rng)?,
            },
        })
    }
}

/// States (rows, h) to outputs (rows, C*H*W), see [`TrunkDecoder`].
#[derive(Debug)]
pub enum Painter<F: Float> {
    /// Sub-pixel convolutions.
    Upsampler(Upsampler<F>),
    /// A picture at a place.
    Mover(Mover<F>),
}

impl<F: Float> Painter<F> {
    fn forward<T: Track<F>>(&self, states: &Mat<F, T>) -> Result<Mat<F, T>> {
        Ok(match self {
            Self::Upsampler(networks) => networks.forward(states)?,
            Self::Mover(networks) => networks.forward(states)?,
        })
    }

    /// Frames begin at the mean of the data, or before the background that a picture is put on.
    fn start_at(&mut self, likelihood: Likelihood, common: &Common) -> Result<()> {
        match self {
            Self::Upsampler(networks) => networks.start_at(&likelihood.start(&common.mean))?,
            Self::Mover(networks) => networks.start_at(&likelihood.start(&common.background))?,
        }
        Ok(())
    }

    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        match self {
            Self::Upsampler(networks) => networks.parameters(at, out),
            Self::Mover(networks) => networks.parameters(at, out),
        }
    }
}

/// Encoder of frames, decoder p(x | state).
#[derive(Debug)]
pub enum Images<F: Float> {
    /// See [`ImagesConfig::Trunk`].
    Trunk {
        /// Frames to features.
        encoder: ConvTrunk<F>,
        /// States to frames.
        decoder: Painter<F>,
        /// Around what the decoder gives.
        pixels: Pixels<F>,
    },
    /// See [`ImagesConfig::Codes`]; the features are the encoder's head.
    Codes {
        /// Frames to a head, codes to frames.
        frames: FrameVae<F>,
        /// States to codes.
        emission: Linear<F>,
    },
}

impl<F: Float> Images<F> {
    /// Pixels around the decoder's output.
    pub fn likelihood(&self) -> Likelihood {
        match self {
            Self::Trunk { pixels, .. } => pixels.likelihood(),
            Self::Codes { frames, .. } => frames.likelihood(),
        }
    }

    /// Encoder and decoder start at what the training frames have in common.
    ///
    /// # Errors
    /// A frame of another size.
    pub fn start_at(&mut self, common: &Common) -> Result<()> {
        match self {
            Self::Codes { frames, .. } => frames.start_at(common),
            Self::Trunk {
                encoder,
                decoder,
                pixels,
            } => {
                let background: Vec<F> = common.background.iter().map(|&v| F::of(v)).collect();
                encoder.start_at(&background)?;
                decoder.start_at(pixels.likelihood(), common)
            }
        }
    }

    /// Features of every frame, (B*T, k); hidden pixels are the background, and what stands in a missing frame is
    /// still in its row.
    ///
    /// # Errors
    /// A frame of another size.
    pub fn features<T: Track<F>>(&self, clips: &Clips<F>) -> Result<Mat<F, T>> {
        let hidden = clips.seen.as_ref().and_then(|seen| seen.pixels.as_deref());
        match self {
            Self::Codes { frames, .. } => frames.features(&clips.frames, hidden),
            Self::Trunk { encoder, .. } => Ok(match hidden {
                None => encoder.forward(&clips.frames)?,
                Some(pixels) => encoder.forward(&encoder.hide(&clips.frames, pixels)?)?,
            }),
        }
    }

    /// log p(x | states), nats a frame, of frames (rows, C*H*W), of which pixels with `seen` false leave no term.
    ///
    /// # Errors
    /// Frames or states of another size.
    pub fn log_likelihood(
        &self,
        states: &Mat<F, Grad<F>>,
        frames: &Mat<F>,
        seen: Option<&[bool]>,
    ) -> Result<PerRow<F, Grad<F>>> {
        match self {
            Self::Trunk {
                decoder, pixels, ..
            } => pixels.log_likelihood(decoder.forward(states)?, frames, seen),
            Self::Codes {
                frames: networks,
                emission,
            } => networks.log_likelihood_of(emission.forward(states)?, frames, seen),
        }
    }

    /// Features (rows, k) of the frames that states (rows, h) stand for, with a gradient through the frames.
    ///
    /// # Errors
    /// States of another size.
    pub fn again<T: Track<F>>(&self, states: &Mat<F, T>) -> Result<Mat<F, T>> {
        match self {
            Self::Trunk {
                encoder,
                decoder,
                pixels,
            } => {
                let frames = pixels.likelihood().means(&decoder.forward(states)?)?;
                Ok(encoder.features_through(&frames)?.vector)
            }
            Self::Codes { frames, emission } => frames.again(emission.forward(states)?),
        }
    }

    /// Pixel means in [0, 1] of states (rows, h).
    ///
    /// # Errors
    /// States of another size.
    pub fn decode(&self, states: &[f64], h: usize) -> Result<Vec<F>> {
        let rows = states.len() / h;
        let states = matrix(states.iter().map(|&v| F::of(v)).collect(), rows, h)?;
        match self {
            Self::Trunk {
                decoder, pixels, ..
            } => {
                let mut out = values(&decoder.forward(&states)?).to_vec();
                pixels.likelihood().to_pixels(&mut out);
                Ok(out)
            }
            Self::Codes { frames, emission } => {
                let codes = emission.forward(&states)?;
                let codes: Vec<f64> = values(&codes).iter().map(|v| v.widen()).collect();
                frames.decode(&codes)
            }
        }
    }
}

/// Which pixels of all frames are seen (B*T*C*H*W); `None` for all.
pub(super) fn seen_pixels<F: Float>(clips: &Clips<F>) -> Option<Vec<bool>> {
    let seen = clips.seen.as_ref()?;
    let columns = size(&clips.frames).1;
    let at = |i: usize| seen.frames[i / columns] && seen.pixels.as_ref().is_none_or(|p| p[i]);
    Some((0..seen.frames.len() * columns).map(at).collect())
}

impl<F: Float> Module<F> for Images<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        match self {
            Self::Trunk {
                encoder,
                decoder,
                pixels,
            } => {
                encoder.parameters(&format!("{at}encoder"), out);
                decoder.parameters(&format!("{at}decoder"), out);
                pixels.parameters(&format!("{at}pixels"), out);
            }
            Self::Codes { frames, emission } => {
                frames.parameters(at, out);
                emission.parameters(&format!("{at}emission"), out);
            }
        }
    }
}
