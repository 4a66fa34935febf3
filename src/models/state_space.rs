//! What only models with a linear-Gaussian law of motion can do, and the law as they hold it.

use super::{Actions, Ahead, Clips};
use crate::error::Result;
use crate::seeds::Rng;
use lgssm::published::Gap;
use lgssm::switching::{Hypotheses, Modes};
use lgssm::{AffineModes, Lgssm, ModeWeights, Posterior};
use nn::tensor::PerRow;
use nn::{Float, Grad, Mat, Module};

/// Mean and variance of q(a_t | x_t), (rows, p) row-major.
#[derive(Clone, Debug)]
pub struct Codes {
    /// Means.
    pub mean: Vec<f64>,
    /// Variances.
    pub var: Vec<f64>,
}

/// What is known of codes beside themselves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// (B, T): false where a frame is missing, so that its code is never read; `None` where all are seen.
    pub seen: Option<&'a [bool]>,
    /// What acts from frame t to t+1; `None` for nothing.
    pub actions: Option<&'a Actions>,
}

impl<'a> Known<'a> {
    /// Values of the actions, (B, T, A).
    pub fn acts(&self) -> Option<&'a [f64]> {
        self.actions.map(|actions| actions.values.as_slice())
    }
}

/// A model whose codes follow a linear-Gaussian law, or one that chooses between several.
pub trait StateSpaceModel<F: Float> {
    /// Codes of every frame: frames (rows, C*H*W).
    ///
    /// # Errors
    /// Frames of another size.
    fn encode(&self, frames: &Mat<F>) -> Result<Codes>;
    /// Codes of clips (B, T, p): means of q(a | x), and of frames that show too little of what moves, what the law expects
    /// there given all others; with them which frames are seen, `None` for all.
    ///
    /// # Errors
    /// Frames of another size; a covariance that lost positive definiteness.
    fn measured(&self, clips: &Clips<F>) -> Result<(Vec<f64>, Option<Vec<bool>>)>;
    /// Takes codes (B, T, p) of training clips into what of the law starts from them; called once, after
    /// `train.law_from` steps.
    ///
    /// # Errors
    /// Codes that have collapsed.
    fn start_law(&mut self, codes: &[f64], steps: usize) -> Result<()>;
    /// Fits the noise that the law expects of codes to code *means* (B, T, p). It was learned on draws from q(a | x),
    /// whose variance its R contains; a reader of the latents gives means, and would be told to trust them too little.
    /// The bound is that of the model before.
    ///
    /// # Errors
    /// A covariance that lost positive definiteness.
    fn fit_code_noise(&mut self, codes: &[f64], steps: usize, known: Known) -> Result<()>;
    /// The law of motion, where it is time-invariant and linear.
    fn law(&self) -> Option<Lgssm>;
    /// B (n, A) of that law, z_t = A z_{t-1} + B u_{t-1} + b, in the units of the actions, where it has inputs.
    fn input_matrix(&self) -> Option<Vec<f64>>;
    /// The affine modes of a law that chooses between several, where they can be told apart.
    ///
    /// # Errors
    /// Parameters that do not fit together.
    fn modes(&self) -> Result<Option<AffineModes>>;
    /// How far the published Kalman VAE's bound is below the exact likelihood of code means (B, T, p), where it has a
    /// meaning.
    ///
    /// # Errors
    /// A covariance that lost positive definiteness.
    fn published_gap(&self, codes: &[f64], steps: usize, known: Known) -> Result<Option<Gap>>;
    /// Expected codes (rows, p) of states (rows, n): C z + d.
    fn emit(&self, states: &[f64]) -> Vec<f64>;
}

/// What was inferred from codes.
#[derive(Clone, Debug)]
pub struct Found {
    /// Predicted, filtered and smoothed states.
    pub states: Posterior,
    /// Weights of the modes in the transition into every frame, where the law has modes.
    pub modes: Option<ModeWeights>,
}

/// A law with modes, and how many of their paths are followed.
#[derive(Clone, Debug)]
pub struct Followed {
    /// Emission, covariances and initial state.
    pub law: Lgssm,
    /// The transitions; a single one for a linear law.
    pub modes: Modes,
    /// Paths that are kept.
    pub hypotheses: Hypotheses,
}

impl Followed {
    /// One linear law.
    ///
    /// # Errors
    /// None for a law that fits together.
    pub fn linear(law: Lgssm) -> Result<Self> {
        Ok(Self {
            modes: Modes::of_law(&law)?,
            hypotheses: Hypotheses::new(1),
            law,
        })
    }
}

/// Where futures start.
#[derive(Clone, Copy, Debug)]
pub struct Starts<'a> {
    /// Means of the states up to now, (B, T, n).
    pub path: &'a [f64],
    /// Covariance of the last of them, (B, n, n).
    pub cov: &'a [f64],
    /// Frames of the path, T.
    pub steps: usize,
}

/// A law that a filter follows frame by frame.
#[derive(Clone, Debug)]
pub struct OnlineLaw {
    /// The law, or what its modes have in common.
    pub common: Lgssm,
    /// Modes that the state chooses between; none of one linear law.
    pub modes: Option<Modes>,
    /// Mode paths that are followed at once.
    pub hypotheses: usize,
}

impl OnlineLaw {
    /// One linear law; a reason where actions move it.
    pub(super) fn linear(
        common: Lgssm,
        inputs: Option<&[f64]>,
    ) -> std::result::Result<Self, String> {
        match inputs {
            Some(_) => {
                Err("its law is moved by actions, and a live page has none to tell it".into())
            }
            None => Ok(Self {
                common,
                modes: None,
                hypotheses: 1,
            }),
        }
    }
}

/// How codes follow one another, through states.
pub trait Dynamics<F: Float>: Module<F> + Send + Sync + std::fmt::Debug {
    /// Latent dimensions, n.
    fn latent(&self) -> usize;
    /// Modes that its states are told apart by, K; 0 without.
    fn mode_count(&self) -> usize {
        0
    }
    /// Whether [`Self::log_likelihood`] with codes missing at the end is that of shorter sequences.
    fn is_marginal(&self) -> bool {
        true
    }
    /// Whether actions move it.
    fn reads_actions(&self) -> bool {
        false
    }
    /// Takes the size of every component of an action in the training data, (A).
    ///
    /// # Errors
    /// Another number of them than it was built for.
    fn scale_actions(&mut self, _scale: &[f64]) -> Result<()> {
        Ok(())
    }
    /// As [`StateSpaceModel::input_matrix`].
    fn input_matrix(&self) -> Option<Vec<f64>> {
        None
    }
    /// As [`StateSpaceModel::start_law`].
    ///
    /// # Errors
    /// Codes that have collapsed.
    fn start(&mut self, _codes: &[f64], _steps: usize) -> Result<()> {
        Ok(())
    }
    /// As [`StateSpaceModel::fit_code_noise`].
    ///
    /// # Errors
    /// A covariance that lost positive definiteness.
    fn fit_code_noise(&mut self, _codes: &[f64], _steps: usize, _known: Known) -> Result<()> {
        Ok(())
    }
    /// log p(a_0 .. a_{T-1}), or a lower bound of it, nats, summed over sequences of `steps` frames: codes (B*T, p), of
    /// which those that are not seen are missing, given what acts.
    ///
    /// # Errors
    /// Codes that do not fit; a covariance that lost positive definiteness.
    fn log_likelihood(
        &self,
        codes: Mat<F, Grad<F>>,
        steps: usize,
        known: Known,
        rng: &mut Rng,
    ) -> Result<PerRow<F, Grad<F>>>;
    /// Filtered and smoothed states given code means (B, T, p), which of them are seen, and what acts.
    ///
    /// # Errors
    /// A covariance that lost positive definiteness.
    fn infer(&self, codes: &[f64], steps: usize, known: Known) -> Result<Found>;
    /// Draws states (draws, B, horizon, n) after `from`.
    ///
    /// # Errors
    /// A covariance that is not positive semi-definite.
    fn rollout(&self, from: Starts, ahead: Ahead, rng: &mut Rng) -> Result<Vec<f64>>;
    /// As [`StateSpaceModel::law`].
    fn law(&self) -> Option<Lgssm>;
    /// As [`StateSpaceModel::modes`].
    ///
    /// # Errors
    /// Parameters that do not fit together.
    fn modes(&self) -> Result<Option<AffineModes>> {
        Ok(None)
    }
    /// As [`StateSpaceModel::published_gap`].
    ///
    /// # Errors
    /// A covariance that lost positive definiteness.
    fn published_gap(&self, _: &[f64], _steps: usize, _known: Known) -> Result<Option<Gap>> {
        Ok(None)
    }
    /// The law as a filter follows it frame by frame, outside of this library too; the reason where none can.
    ///
    /// # Errors
    /// Parameters that do not fit together.
    fn online(&self) -> Result<std::result::Result<OnlineLaw, String>> {
        Ok(Err(
            "its law reads past codes by a network, which a live page does not hold".into(),
        ))
    }
    /// The law, or what its modes have in common: emission, noises, initial state. `None` where codes are not emitted by a
    /// linear-Gaussian law.
    fn common_law(&self) -> Option<Lgssm> {
        None
    }
    /// The law as something that is followed from frame to frame, so that frames without codes can tell of it too; `None` where
    /// it depends on past codes or on what acts.
    ///
    /// # Errors
    /// Parameters that do not fit together.
    fn followed(&self, _known: Known) -> Result<Option<Followed>> {
        Ok(None)
    }
    /// As [`StateSpaceModel::emit`].
    fn emit(&self, states: &[f64]) -> Vec<f64>;
}
