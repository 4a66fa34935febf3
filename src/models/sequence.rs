//! The part that models with a law of motion share: a VAE of frames whose codes some dynamics explain.

use super::{Clips, Codes, Common, Elbo, FrameVae, Model};
use crate::error::Result;
use crate::latents::Decoder;
use crate::seeds::Rng;
use laws::{Evidence, StateSpace};
use lgssm::published::{self, Gap};
use lgssm::{self, AffineModes, Lgssm, ModeWeights, Posterior};
use nn::tensor::value;
use nn::{Float, Grad, Mat, Module, Param, Scalar, ops};

/// How codes follow one another, through states.
pub trait Dynamics<F: Float>: Module<F> + Send + Sync + std::fmt::Debug {
    /// As [`Model::start_law`].
    ///
    /// # Errors
    /// Codes that have collapsed.
    fn start(&mut self, _codes: &[f64], _steps: usize) -> Result<()> {
        Ok(())
    }
    /// As [`Model::fit_code_noise`].
    ///
    /// # Errors
    /// A covariance that lost positive definiteness.
    fn fit_code_noise(&mut self, _codes: &[f64], _steps: usize) -> Result<()> {
        Ok(())
    }
    /// log p(a_0 .. a_{T-1}), or a lower bound of it, nats, summed over sequences of `steps` frames: codes (B*T, p), of which those with
    /// `seen` (B, T) false are missing.
    ///
    /// # Errors
    /// Codes that do not fit; a covariance that lost positive definiteness.
    fn log_likelihood(
        &self,
        codes: Mat<F, Grad<F>>,
        steps: usize,
        seen: Option<&[bool]>,
        rng: &mut Rng,
    ) -> Result<Scalar<F, Grad<F>>>;
    /// As [`Model::infer`].
    ///
    /// # Errors
    /// A covariance that lost positive definiteness.
    fn infer(&self, codes: &[f64], steps: usize, seen: Option<&[bool]>) -> Result<Posterior>;
    /// As [`Model::law`].
    fn law(&self) -> Option<Lgssm>;
    /// As [`Model::modes`].
    ///
    /// # Errors
    /// Parameters that do not fit together.
    fn modes(&self) -> Result<Option<AffineModes>> {
        Ok(None)
    }
    /// As [`Model::mode_weights`].
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
    /// As [`Model::published_gap`].
    ///
    /// # Errors
    /// A covariance that lost positive definiteness.
    fn published_gap(&self, _codes: &[f64], _steps: usize) -> Result<Option<Gap>> {
        Ok(None)
    }
    /// As [`Model::emit`].
    fn emit(&self, states: &[f64]) -> Vec<f64>;
}

/// ELBO = E_q [ log p(x | a) + log p(a_{0:T-1}) - log q(a | x) ], of the frames and pixels that are seen: what is missing is summed out
/// of the law, and leaves no term.
#[derive(Debug)]
pub struct SequenceVae<F: Float> {
    frames: FrameVae<F>,
    dynamics: Box<dyn Dynamics<F>>,
}

impl<F: Float> SequenceVae<F> {
    /// Networks between frames and codes, dynamics between codes.
    pub fn new(frames: FrameVae<F>, dynamics: Box<dyn Dynamics<F>>) -> Self {
        Self { frames, dynamics }
    }
}

impl<F: Float> Module<F> for SequenceVae<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        self.frames.parameters(at, out);
        self.dynamics.parameters(at, out);
    }
}

impl<F: Float> Model<F> for SequenceVae<F> {
    fn codes(&self) -> usize {
        self.frames.codes
    }

    fn start_at(&mut self, common: &Common) -> Result<()> {
        self.frames.start_at(common)
    }

    fn start_law(&mut self, codes: &[f64], steps: usize) -> Result<()> {
        self.dynamics.start(codes, steps)
    }

    fn fit_code_noise(&mut self, codes: &[f64], steps: usize) -> Result<()> {
        self.dynamics.fit_code_noise(codes, steps)
    }

    fn elbo(&self, clips: &Clips<F>, latent_weight: f64, rng: &mut Rng) -> Result<Elbo<F>> {
        let observed = clips.observed()?;
        let head = self.frames.head(&observed)?;
        let (codes, log_q) = self.frames.sample(head, rng)?; // (M, p)
        let in_time = match &observed.rows {
            None => codes.retaped(),
            Some(rows) => ops::gather_rows(codes.retaped(), rows)?,
        }; // (B*T, p)
        let seen = clips.seen.as_ref().map(|seen| seen.frames.as_slice());
        let log_p = self
            .dynamics
            .log_likelihood(in_time, clips.steps, seen, rng)?;
        let reconstruction = self.frames.log_likelihood(codes, &observed)?;
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
        self.dynamics.infer(codes, steps, seen).map(Some)
    }

    fn law(&self) -> Option<Lgssm> {
        self.dynamics.law()
    }

    fn modes(&self) -> Result<Option<AffineModes>> {
        self.dynamics.modes()
    }

    fn mode_weights(
        &self,
        codes: &[f64],
        steps: usize,
        posterior: &Posterior,
    ) -> Result<Option<ModeWeights>> {
        self.dynamics.mode_weights(codes, steps, posterior)
    }

    fn published_gap(&self, codes: &[f64], steps: usize) -> Result<Option<Gap>> {
        self.dynamics.published_gap(codes, steps)
    }

    fn emit(&self, states: &[f64]) -> Option<Vec<f64>> {
        Some(self.dynamics.emit(states))
    }
}

/// One law for all times, its likelihood exact.
impl<F: Float> Dynamics<F> for StateSpace<F> {
    fn log_likelihood(
        &self,
        codes: Mat<F, Grad<F>>,
        steps: usize,
        seen: Option<&[bool]>,
        _: &mut Rng,
    ) -> Result<Scalar<F, Grad<F>>> {
        let evidence = Evidence {
            seen,
            published: None,
        };
        Ok(laws::log_likelihood(codes, steps, evidence, self)?)
    }

    fn fit_code_noise(&mut self, codes: &[f64], steps: usize) -> Result<()> {
        let batch = lgssm::Batch::new(codes, codes.len() / (steps * self.law().code).max(1), steps);
        Ok(self.fit_emission_cov(&batch, lgssm::infer)?)
    }

    fn infer(&self, codes: &[f64], steps: usize, seen: Option<&[bool]>) -> Result<Posterior> {
        let law = self.law();
        let sequences = codes.len() / (steps * law.code).max(1);
        let batch = lgssm::Batch {
            frame_mask: seen,
            ..lgssm::Batch::new(codes, sequences, steps)
        };
        Ok(lgssm::infer(&law, &batch)?)
    }

    fn law(&self) -> Option<Lgssm> {
        Some(self.law())
    }

    fn published_gap(&self, codes: &[f64], steps: usize) -> Result<Option<Gap>> {
        let law = self.law();
        let sequences = codes.len() / (steps * law.code).max(1);
        Ok(Some(published::gap(
            &law,
            &lgssm::Batch::new(codes, sequences, steps),
        )?))
    }

    fn emit(&self, states: &[f64]) -> Vec<f64> {
        self.law().emit(states)
    }
}
