//! How pixels are distributed around what a decoder gives.

use crate::error::{Error, Result};
use nn::tensor::{PerRow, size, values};
use nn::{Float, Grad, Mat, Module, Param, Track, ops};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Keeps starting logits finite where a pixel is always black or white: |logit| is at most 6.9.
const PIXEL_MARGIN: f64 = 1e-3;

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
    /// Independent Gaussian with the standard deviation that makes the frames of a micro-batch most likely, in closed
    /// form (sigma-VAE; at least .01). Frames share it, so what training climbs is no bound on any one of them.
    Calibrated,
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
            Self::Gaussian { .. } | Self::Calibrated => F::of(v),
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
            Self::Gaussian { .. } | Self::Calibrated => outputs
                .iter_mut()
                .for_each(|v| *v = num_traits::clamp(*v, F::of(0.0), F::of(1.0))),
        }
    }

    /// Decoder outputs to pixel means, on a tape; Gaussian ones are not clamped to [0, 1], so that their gradient goes on.
    ///
    /// # Errors
    /// Out of memory.
    pub fn means<F: Float, T: Track<F>>(&self, outputs: &Mat<F, T>) -> Result<Mat<F, T>> {
        match self {
            Self::Bernoulli => Ok(ops::sigmoid(outputs)?),
            Self::Gaussian { .. } | Self::Calibrated => Ok(outputs.clone()),
        }
    }

    /// log p(x | mean = x) of every frame, nats: what no decoder can surpass. Bernoulli pixels between black and white have a
    /// cost of their own, x ln x + (1 - x) ln(1 - x), whatever is known; of other densities 0. Of the pixels that `seen`
    /// has; `None` for all.
    pub fn most<F: Float>(&self, frames: &Mat<F>, seen: Option<&[bool]>) -> Vec<f64> {
        let (rows, columns) = size(frames);
        if *self != Self::Bernoulli || columns == 0 {
            return vec![0.0; rows];
        }
        let own = |share: f64| match share > 0.0 {
            true => share * share.ln(),
            false => 0.0,
        };
        let frames = values(frames).chunks_exact(columns).enumerate();
        frames
            .map(|(row, frame)| {
                let pixels = frame.iter().enumerate();
                let pixels =
                    pixels.filter(|(i, _)| seen.is_none_or(|seen| seen[row * columns + i]));
                let each = pixels.map(|(_, x)| own(x.widen()) + own(1.0 - x.widen()));
                each.sum()
            })
            .collect()
    }

    /// Whether it is a density of a frame by itself: what a bound is made of.
    pub fn is_of_one_frame(&self) -> bool {
        *self != Self::Calibrated
    }
}

/// A [`Likelihood`] with what it learns.
#[derive(Debug)]
pub struct Pixels<F: Float> {
    likelihood: Likelihood,
    /// Of Gaussian pixels with a learned standard deviation.
    log_std: Option<Param<F>>,
}

impl<F: Float> Pixels<F> {
    /// At its start.
    ///
    /// # Errors
    /// Out of memory.
    pub fn new(likelihood: Likelihood) -> Result<Self> {
        Ok(Self {
            likelihood,
            log_std: match likelihood {
                Likelihood::Gaussian { std } => Some(Param::constant([1], std.ln())?),
                Likelihood::Bernoulli | Likelihood::Calibrated => None,
            },
        })
    }

    /// As it was asked for.
    pub fn likelihood(&self) -> Likelihood {
        self.likelihood
    }

    /// log p(x | decoder outputs), nats a frame, of the pixels that `seen` (rows, C*H*W) has; `None` for all.
    ///
    /// # Errors
    /// Frames of another size.
    pub fn log_likelihood(
        &self,
        outputs: Mat<F, Grad<F>>,
        frames: &Mat<F>,
        seen: Option<&[bool]>,
    ) -> Result<PerRow<F, Grad<F>>> {
        Ok(match (&self.log_std, self.likelihood) {
            (Some(log_std), _) => ops::gaussian(outputs, frames, seen, log_std)?,
            (None, Likelihood::Calibrated) => ops::calibrated_gaussian(&outputs, frames, seen)?,
            (None, _) => ops::bernoulli(outputs, frames, seen)?,
        })
    }
}

impl<F: Float> Module<F> for Pixels<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        if let Some(p) = &mut self.log_std {
            out.push((format!("{at}.log_std"), p));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nn::tensor::{matrix, wide};

    /// The decoder that gives the picture itself, beside ones that are off by a little.
    #[test]
    fn no_pixel_means_are_likelier_than_the_picture_itself() {
        let pixels = [0.0, 0.3, 1.0, 0.5, 0.9, 0.02];
        let frames = matrix(pixels.to_vec(), 2, 3).unwrap();
        let likelihood = Likelihood::Bernoulli;
        let most = likelihood.most(&frames, None);
        let logits = |off: f64| -> Vec<f64> {
            let near = |v: &f64| (v + off).clamp(1e-9, 1.0 - 1e-9);
            pixels
                .iter()
                .map(near)
                .map(|m| (m / (1.0 - m)).ln())
                .collect()
        };
        let own = Pixels::<f64>::new(likelihood).unwrap();
        let given = |off: f64| {
            let outputs = matrix(logits(off), 2, 3).unwrap();
            own.log_likelihood(outputs.retaped(), &frames, None)
                .unwrap()
                .rows
        };
        for (row, most) in most.iter().enumerate() {
            assert!((given(0.0)[row] - most).abs() < 1e-6);
            assert!(given(0.01)[row] < *most && given(-0.01)[row] < *most);
        }
        let seen = [true, false, true, false, false, true];
        let some = likelihood.most(&frames, Some(&seen));
        assert_eq!(some[0], 0.0);
        assert!(some[1] > most[1]);
        let gaussian = Likelihood::Gaussian { std: 0.1 };
        assert_eq!(gaussian.most(&frames, None), [0.0, 0.0]);
        assert_eq!(wide(&frames), pixels);
    }
}
