//! The part that recurrent models share: frames to features, features to frames.

use super::pixels::Pixels;
use super::{Clips, Common, Likelihood};
use crate::error::{Error, Result, all};
use crate::seeds::Rng;
use nn::layers::{ConvTrunk, Upsampler};
use nn::tensor::{PerRow, matrix, size, values};
use nn::{Float, Grad, Mat, Module, Param, Track};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Networks between frames and features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ImagesConfig {
    /// Channels of the encoder's convolutions, each of which halves the frame; the decoder has them in reverse.
    #[schemars(length(min = 1), inner(range(min = 1, max = 4096)))]
    pub channels: Vec<usize>,
    /// Features of a frame.
    #[schemars(range(min = 1, max = 4096))]
    pub features: usize,
    /// Pixels around the decoder's output.
    pub likelihood: Likelihood,
}

impl Default for ImagesConfig {
    fn default() -> Self {
        Self {
            channels: vec![16, 32, 64],
            features: 128,
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

impl ImagesConfig {
    /// A small instance for the contract tests.
    pub fn example() -> Self {
        Self {
            channels: vec![2, 3],
            features: 5,
            likelihood: Likelihood::Gaussian { std: 0.5 },
        }
    }

    /// # Errors
    /// Names the key under `at`, what was expected and got.
    pub fn check(&self, at: &str, frame: [usize; 3]) -> Result<()> {
        let depth = self.channels.len().min(16);
        let even = |side: &usize| side.is_multiple_of(1 << depth);
        let channels = match depth > 0 && !self.channels.contains(&0) && frame[1..].iter().all(even)
        {
            true => Ok(()),
            false => Err(Error::Experiment(format!(
                "{at}.channels: positive numbers, as many as halve {} x {} pixels evenly, expected, got {:?}",
                frame[1], frame[2], self.channels
            ))),
        };
        all([
            channels,
            positive(&format!("{at}.features"), self.features, 4096),
            self.likelihood.check(&format!("{at}.likelihood")),
        ])
    }

    /// Builds the networks; the decoder reads `state` values.
    ///
    /// # Errors
    /// Settings that do not fit the frames.
    pub fn build<F: Float>(
        &self,
        frame: [usize; 3],
        state: usize,
        rng: &mut Rng,
    ) -> Result<Images<F>> {
        let back: Vec<usize> = self.channels.iter().rev().copied().collect();
        Ok(Images {
            encoder: ConvTrunk::new(frame, &self.channels, self.features, rng)?,
            decoder: Upsampler::new(state, &back, frame, rng)?,
            pixels: Pixels::new(self.likelihood)?,
        })
    }
}

/// Encoder of frames, decoder p(x | state).
#[derive(Debug)]
pub struct Images<F: Float> {
    encoder: ConvTrunk<F>,
    decoder: Upsampler<F>,
    pixels: Pixels<F>,
}

impl<F: Float> Images<F> {
    /// Pixels around the decoder's output.
    pub fn likelihood(&self) -> Likelihood {
        self.pixels.likelihood()
    }

    /// Encoder and decoder start at what the training frames have in common.
    ///
    /// # Errors
    /// A frame of another size.
    pub fn start_at(&mut self, common: &Common) -> Result<()> {
        let background: Vec<F> = common.background.iter().map(|&v| F::of(v)).collect();
        self.encoder.start_at(&background)?;
        let output = self.pixels.likelihood().start(&common.mean);
        Ok(self.decoder.start_at(&output)?)
    }

    /// Features of every frame, (B*T, k); hidden pixels are the background, and what stands in a missing frame is
    /// still in its row.
    ///
    /// # Errors
    /// A frame of another size.
    pub fn features<T: Track<F>>(&self, clips: &Clips<F>) -> Result<Mat<F, T>> {
        let hidden = clips.seen.as_ref().and_then(|seen| seen.pixels.as_ref());
        Ok(match hidden {
            None => self.encoder.forward(&clips.frames)?,
            Some(pixels) => self
                .encoder
                .forward(&self.encoder.hide(&clips.frames, pixels)?)?,
        })
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
        self.pixels
            .log_likelihood(self.decoder.forward(states)?, frames, seen)
    }

    /// Pixel means in [0, 1] of states (rows, h).
    ///
    /// # Errors
    /// States of another size.
    pub fn decode(&self, states: &[f64], h: usize) -> Result<Vec<F>> {
        let states = matrix(
            states.iter().map(|&v| F::of(v)).collect(),
            states.len() / h,
            h,
        )?;
        let mut pixels = values(&self.decoder.forward(&states)?).to_vec();
        self.pixels.likelihood().to_pixels(&mut pixels);
        Ok(pixels)
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
        self.encoder.parameters(&format!("{at}encoder"), out);
        self.decoder.parameters(&format!("{at}decoder"), out);
        self.pixels.parameters(&format!("{at}pixels"), out);
    }
}
