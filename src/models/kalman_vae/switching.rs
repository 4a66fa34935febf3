//! A law with modes that the state chooses, as the dynamics of a model.

use crate::error::Result;
use crate::models::Dynamics;
use crate::seeds::Rng;
use laws::SwitchingStateSpace;
use lgssm::switching::Hypotheses;
use lgssm::{AffineModes, Lgssm, ModeWeights, Posterior};
use nn::{Float, Grad, Mat, Module, Param, Scalar};

/// Reflecting walls or a mixture of affine modes.
#[derive(Debug)]
pub(super) struct Switching<F: Float> {
    pub law: SwitchingStateSpace<F>,
    /// Of walls and cells where the law starts from codes, in inverse typical displacements.
    pub sharpness: f64,
    /// Those of inference.
    pub hypotheses: Hypotheses,
}

impl<F: Float> Module<F> for Switching<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        self.law.parameters(at, out);
    }
}

impl<F: Float> Dynamics<F> for Switching<F> {
    fn start(&mut self, codes: &[f64], steps: usize) -> Result<()> {
        Ok(self.law.start(codes, steps, self.sharpness)?)
    }

    fn log_likelihood(
        &self,
        codes: Mat<F, Grad<F>>,
        steps: usize,
        seen: Option<&[bool]>,
        _: &mut Rng,
    ) -> Result<Scalar<F, Grad<F>>> {
        Ok(laws::switching_log_likelihood(
            codes, steps, seen, &self.law,
        )?)
    }

    fn fit_code_noise(&mut self, codes: &[f64], steps: usize) -> Result<()> {
        Ok(self.law.fit_code_noise(codes, steps, self.hypotheses)?)
    }

    fn infer(&self, codes: &[f64], steps: usize, seen: Option<&[bool]>) -> Result<Posterior> {
        Ok(self.law.infer(codes, steps, seen, self.hypotheses)?.states)
    }

    fn law(&self) -> Option<Lgssm> {
        None
    }

    fn modes(&self) -> Result<Option<AffineModes>> {
        Ok(self.law.affine_modes()?)
    }

    fn mode_weights(
        &self,
        codes: &[f64],
        steps: usize,
        _: &Posterior,
    ) -> Result<Option<ModeWeights>> {
        let found = self.law.infer(codes, steps, None, self.hypotheses)?;
        Ok(Some(ModeWeights {
            filtered: found.filtered_modes,
            smoothed: found.smoothed_modes,
        }))
    }

    fn emit(&self, states: &[f64]) -> Vec<f64> {
        self.law.law().emit(states)
    }
}
