//! Temporal variational autoencoders. One file and one line in `models!` add a model.
//!
//! A model is read top to bottom in its own file: source, equations, config, parts, the thing itself, tests.

mod frames;
mod sequence;

use crate::error::{Error, Result};
use crate::seeds::Rng;
use lgssm::published::Gap;
use lgssm::{AffineModes, Lgssm, ModeWeights, Posterior};
use nn::tensor::{matrix, size, values};
use nn::{Float, Grad, Mat, Module, Scalar};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use frames::{FrameVae, FrameVaeConfig, Likelihood};
pub use sequence::{Dynamics, SequenceVae};

/// Video clips as the networks see them: pixels in [0, 1].
#[derive(Clone, Debug)]
pub struct Clips<F: Float> {
    /// (B*T, C*H*W), the frames of one clip after each other.
    pub frames: Mat<F>,
    /// Clips, B.
    pub sequences: usize,
    /// Frames per clip, T.
    pub steps: usize,
    /// What of them is seen; `None` for all.
    pub seen: Option<Seen>,
}

/// Which frames and pixels are there to learn from. What stands in the others is never read.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// (B, T): false where the whole frame is missing.
    pub frames: Vec<bool>,
    /// (B, T, C*H*W): false where a pixel is hidden; `None` for none in the frames that are there.
    pub pixels: Option<Vec<bool>>,
}

/// The frames that are there, one after the other, and where they stand in time.
#[derive(Clone, Debug)]
pub struct Observed<F: Float> {
    /// (M, C*H*W).
    pub frames: Mat<F>,
    /// (M, C*H*W): false where a pixel is hidden; `None` for none.
    pub pixels: Option<Vec<bool>>,
    /// For every frame of the clips (B*T) its row here; `None` where all are there.
    pub rows: Option<Vec<Option<usize>>>,
}

impl<F: Float> Clips<F> {
    /// How many frames are there.
    pub fn observations(&self) -> usize {
        let count = |seen: &Seen| seen.frames.iter().filter(|&&seen| seen).count();
        self.seen
            .as_ref()
            .map_or(self.sequences * self.steps, count)
    }

    /// What is there of the clips.
    ///
    /// # Errors
    /// [`Error::Shape`] for a mask that does not fit.
    pub fn observed(&self) -> Result<Observed<F>> {
        let Some(seen) = &self.seen else {
            return Ok(Observed {
                frames: self.frames.clone(),
                pixels: None,
                rows: None,
            });
        };
        let (all, columns) = size(&self.frames);
        let pixels = seen.pixels.as_ref().map_or(all * columns, Vec::len);
        if seen.frames.len() != all || pixels != all * columns {
            return Err(Error::Shape(format!(
                "clips: masks of {all} frames and {} pixels expected, got {} and {pixels}",
                all * columns,
                seen.frames.len()
            )));
        }
        let mut count = 0;
        let rows = seen.frames.iter().map(|&seen| {
            count += usize::from(seen);
            seen.then(|| count - 1)
        });
        let rows: Vec<Option<usize>> = rows.collect();
        let there = || (0..all).filter(|&row| seen.frames[row]);
        let of_row = |row: usize| row * columns..(row + 1) * columns;
        let frames = there().flat_map(|row| &values(&self.frames)[of_row(row)]);
        Ok(Observed {
            frames: matrix(frames.copied().collect(), count, columns)?,
            pixels: seen.pixels.as_ref().map(|pixels| {
                there()
                    .flat_map(|row| &pixels[of_row(row)])
                    .copied()
                    .collect()
            }),
            rows: Some(rows),
        })
    }
}

/// The evidence lower bound of what is seen of some clips, in nats summed over all their frames.
pub struct Elbo<F: Float> {
    /// What training climbs: reconstruction + latent_weight * (the other terms), on its tape.
    pub objective: Scalar<F, Grad<F>>,
    /// The terms by name; they sum to the ELBO (latent weight 1).
    pub terms: Vec<(&'static str, f64)>,
}

/// What training frames have in common, each (C*H*W), pixels in [0, 1].
#[derive(Clone, Debug, PartialEq)]
pub struct Common {
    /// Mean of every pixel over time and sequences.
    pub mean: Vec<f64>,
    /// Median of every pixel: what stands there when nothing moves through it.
    pub background: Vec<f64>,
}

/// Mean and variance of q(a_t | x_t), (rows, p) row-major.
#[derive(Clone, Debug)]
pub struct Codes {
    /// Means.
    pub mean: Vec<f64>,
    /// Variances.
    pub var: Vec<f64>,
}

/// A trained or untrained model. Object safe: an experiment holds `Box<dyn Model<f32>>`.
pub trait Model<F: Float>: Module<F> + Send + Sync {
    /// Code dimensions, p.
    fn codes(&self) -> usize;
    /// Takes what all training frames have in common into encoder and decoder.
    ///
    /// # Errors
    /// A frame of another size.
    fn start_at(&mut self, common: &Common) -> Result<()>;
    /// Takes codes (B, T, p) of training clips into what of the law starts from them; called once, after `train.law_from` steps.
    ///
    /// # Errors
    /// Codes that have collapsed.
    fn start_law(&mut self, _codes: &[f64], _steps: usize) -> Result<()> {
        Ok(())
    }
    /// Fits the noise that the law expects of codes to code *means* (B, T, p). It was learned on draws from q(a | x), whose variance
    /// its R contains; a reader of the latents gives means, and would be told to trust them too little. The ELBO is that of the
    /// model before.
    ///
    /// # Errors
    /// A covariance that lost positive definiteness.
    fn fit_code_noise(&mut self, _codes: &[f64], _steps: usize) -> Result<()> {
        Ok(())
    }
    /// The evidence lower bound of `clips` with draws from `rng`.
    ///
    /// # Errors
    /// Clips of another frame size; a covariance that lost positive definiteness.
    fn elbo(&self, clips: &Clips<F>, latent_weight: f64, rng: &mut Rng) -> Result<Elbo<F>>;
    /// Codes of every frame: frames (rows, C*H*W).
    ///
    /// # Errors
    /// Frames of another size.
    fn encode(&self, frames: &Mat<F>) -> Result<Codes>;
    /// Pixel means in [0, 1], (rows, C*H*W), of codes (rows, p).
    ///
    /// # Errors
    /// A number of codes that is not a multiple of p.
    fn decode(&self, codes: &[f64]) -> Result<Vec<F>>;
    /// The decoder as plain arrays, for the report's explorer; `None` where it has no such form.
    fn plain_decoder(&self) -> Option<crate::latents::Decoder> {
        None
    }
    /// Filtered and smoothed states given code means (B, T, p) and a mask (B, T) of seen frames; `None` without dynamics.
    ///
    /// # Errors
    /// A covariance that lost positive definiteness.
    fn infer(
        &self,
        _codes: &[f64],
        _steps: usize,
        _seen: Option<&[bool]>,
    ) -> Result<Option<Posterior>> {
        Ok(None)
    }
    /// The law of motion, where the model has a time-invariant linear one.
    fn law(&self) -> Option<Lgssm> {
        None
    }
    /// The affine modes of a law that chooses between several, where they can be told apart.
    ///
    /// # Errors
    /// Parameters that do not fit together.
    fn modes(&self) -> Result<Option<AffineModes>> {
        Ok(None)
    }
    /// Weights of the modes, given code means (B, T, p) and what was inferred from them with all frames seen. `None` without modes.
    ///
    /// # Errors
    /// Parameters that do not fit together.
    fn mode_weights(
        &self,
        _codes: &[f64],
        _steps: usize,
        _posterior: &Posterior,
    ) -> Result<Option<ModeWeights>> {
        Ok(None)
    }
    /// How far the published Kalman VAE's bound is below the exact likelihood of code means (B, T, p), where it has a meaning.
    ///
    /// # Errors
    /// A covariance that lost positive definiteness.
    fn published_gap(&self, _codes: &[f64], _steps: usize) -> Result<Option<Gap>> {
        Ok(None)
    }
    /// Expected codes (rows, p) of states (rows, n), where the model has states: C z + d.
    fn emit(&self, states: &[f64]) -> Option<Vec<f64>> {
        self.law().map(|law| law.emit(states))
    }
}

/// Declares the model files, the YAML enum and its dispatch. One line per model: `file::Config`.
macro_rules! models {
    ($($file:ident :: $Config:ident),* $(,)?) => {
        $(pub mod $file;)*
        $(pub use $file::$Config;)*

        /// Any registered model, as an experiment file names it: a one-key map from kind to settings.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum AnyModel {
            $(#[allow(missing_docs)] $Config($Config)),*
        }

        impl AnyModel {
            /// Names of all registered kinds.
            pub fn names() -> Vec<&'static str> {
                vec![$(stringify!($file)),*]
            }
            /// One small instance of each kind, for the contract tests.
            pub fn examples() -> Vec<Self> {
                vec![$(Self::$Config($Config::example())),*]
            }
            /// Registered name of this kind.
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$Config(_) => stringify!($file)),* }
            }
            /// Checks every setting for frames of (C, H, W).
            ///
            /// # Errors
            /// Names the key under `at`, what was expected and got.
            pub fn check(&self, at: &str, frame: [usize; 3]) -> Result<()> {
                match self { $(Self::$Config(c) => c.check(&format!("{at}.{}", stringify!($file)), frame)),* }
            }
            /// Builds the model with weights drawn from `rng`.
            ///
            /// # Errors
            /// Settings that do not fit the frames.
            pub fn build<F: Float>(&self, frame: [usize; 3], rng: &mut Rng) -> Result<Box<dyn Model<F>>> {
                match self { $(Self::$Config(c) => Ok(Box::new(c.build::<F>(frame, rng)?))),* }
            }
        }
    };
}

models! {
    dkf::Dkf,
    kalman_vae::KalmanVae,
    lg_vae::LgVae,
    vae::Vae,
}

#[cfg(test)]
mod tests;
