//! One linear law, as the dynamics of a model, trained on the exact likelihood or on the published bound.

use super::Objective;
use super::blended::codes_rows;
use crate::error::Result;
use crate::models::state_space::{Found, Known, OnlineLaw, Starts};
use crate::models::{Ahead, Dynamics};
use crate::seeds::Rng;
use laws::{Evidence, StateSpace};
use lgssm::Lgssm;
use lgssm::published::Gap;
use nn::tensor::PerRow;
use nn::{Float, Grad, Mat, Module, Param};

/// A [`StateSpace`] with its objective.
#[derive(Debug)]
pub(super) struct LinearLaw<F: Float> {
    pub space: StateSpace<F>,
    pub objective: Objective,
}

impl<F: Float> Module<F> for LinearLaw<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        self.space.parameters(at, out);
    }
}

impl<F: Float> Dynamics<F> for LinearLaw<F> {
    fn latent(&self) -> usize {
        self.space.size().0
    }

    fn reads_actions(&self) -> bool {
        true
    }

    fn scale_actions(&mut self, scale: &[f64]) -> Result<()> {
        Ok(self.space.scale_actions(scale)?)
    }

    fn input_matrix(&self) -> Option<Vec<f64>> {
        self.space.input_matrix()
    }

    fn is_marginal(&self) -> bool {
        self.objective == Objective::Exact
    }

    fn log_likelihood(
        &self,
        codes: Mat<F, Grad<F>>,
        steps: usize,
        known: Known,
        rng: &mut Rng,
    ) -> Result<PerRow<F, Grad<F>>> {
        let count = codes_rows(&codes) * self.space.law().latent;
        let noise = self.objective.noise(count, rng);
        let evidence = Evidence {
            seen: known.seen,
            published: noise.as_deref(),
            actions: known.acts(),
        };
        Ok(laws::log_likelihood(codes, steps, evidence, &self.space)?)
    }

    fn fit_code_noise(&mut self, codes: &[f64], steps: usize, known: Known) -> Result<()> {
        self.space.fit_code_noise(codes, steps, known)
    }

    fn infer(&self, codes: &[f64], steps: usize, known: Known) -> Result<Found> {
        Dynamics::infer(&self.space, codes, steps, known)
    }

    fn rollout(&self, from: Starts, ahead: Ahead, rng: &mut Rng) -> Result<Vec<f64>> {
        Dynamics::rollout(&self.space, from, ahead, rng)
    }

    fn law(&self) -> Option<Lgssm> {
        Some(self.space.law())
    }

    fn published_gap(&self, codes: &[f64], steps: usize, known: Known) -> Result<Option<Gap>> {
        self.space.published_gap(codes, steps, known)
    }

    fn online(&self) -> Result<std::result::Result<OnlineLaw, String>> {
        Ok(OnlineLaw::linear(
            self.space.law(),
            self.space.input_matrix().as_deref(),
        ))
    }

    fn common_law(&self) -> Option<Lgssm> {
        Some(self.space.law())
    }

    fn emit(&self, states: &[f64]) -> Vec<f64> {
        self.space.law().emit(states)
    }
}
