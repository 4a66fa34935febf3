//! A law whose transitions the filtered state chooses, as the dynamics of a model.

use crate::error::Result;
use crate::lgssm::{Lgssm, Posterior};
use crate::models::Dynamics;
use crate::nn::ops::{self, GatedStateSpace};
use crate::nn::{Float, Grad, Mat, Module, Param, Scalar};
use crate::seeds::Rng;

/// Reflecting walls or a mixture weighted by the state.
#[derive(Debug)]
pub(super) struct Gated<F: Float> {
    pub law: GatedStateSpace<F>,
    /// See [`crate::lgssm::gated::infer`].
    pub smoother_passes: usize,
}

impl<F: Float> Module<F> for Gated<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        self.law.parameters(at, out);
    }
}

impl<F: Float> Dynamics<F> for Gated<F> {
    fn log_likelihood(
        &self,
        codes: Mat<F, Grad<F>>,
        steps: usize,
        _: &mut Rng,
    ) -> Result<Scalar<F, Grad<F>>> {
        ops::gated_log_likelihood(codes, steps, &self.law)
    }

    fn infer(&self, codes: &[f64], steps: usize, seen: Option<&[bool]>) -> Result<Posterior> {
        self.law.infer(codes, steps, seen, self.smoother_passes)
    }

    fn law(&self) -> Option<Lgssm> {
        None
    }

    fn emit(&self, states: &[f64]) -> Vec<f64> {
        self.law.law().emit(states)
    }
}
