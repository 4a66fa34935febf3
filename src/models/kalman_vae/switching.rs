//! A law with modes that the state chooses, as the dynamics of a model.

use crate::error::Result;
use crate::models::state_space::{Followed, Found, Known, OnlineLaw, Starts};
use crate::models::{Ahead, Dynamics};
use crate::seeds::Rng;
use laws::SwitchingStateSpace;
use lgssm::switching::Hypotheses;
use lgssm::{AffineModes, Lgssm, ModeWeights, Transition};
use nn::tensor::PerRow;
use nn::{Float, Grad, Mat, Module, Param};
use rand::RngExt;

/// Reflecting walls, a room or a mixture of affine modes.
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
    fn latent(&self) -> usize {
        self.law.law().latent
    }

    fn mode_count(&self) -> usize {
        self.law.modes().map_or(0, |modes| modes.count())
    }

    fn start(&mut self, codes: &[f64], steps: usize) -> Result<()> {
        Ok(self.law.start(codes, steps, self.sharpness)?)
    }

    fn log_likelihood(
        &self,
        codes: Mat<F, Grad<F>>,
        steps: usize,
        known: Known,
        _: &mut Rng,
    ) -> Result<PerRow<F, Grad<F>>> {
        Ok(laws::switching_log_likelihood(
            codes, steps, known.seen, &self.law,
        )?)
    }

    fn fit_code_noise(&mut self, codes: &[f64], steps: usize, _: Known) -> Result<()> {
        Ok(self.law.fit_code_noise(codes, steps, self.hypotheses)?)
    }

    fn infer(&self, codes: &[f64], steps: usize, known: Known) -> Result<Found> {
        let found = self.law.infer(codes, steps, known.seen, self.hypotheses)?;
        Ok(Found {
            states: found.states,
            modes: Some(ModeWeights {
                filtered: found.filtered_modes,
                smoothed: found.smoothed_modes,
            }),
        })
    }

    /// A mode is drawn by its probability at the state, which is known: its own uncertainty softens no gate.
    fn rollout(&self, from: Starts, ahead: Ahead, rng: &mut Rng) -> Result<Vec<f64>> {
        let (law, modes) = (self.law.law(), self.law.modes()?);
        let n = law.latent;
        let last: Vec<f64> = from
            .path
            .chunks_exact(from.steps * n)
            .flat_map(|path| &path[(from.steps - 1) * n..])
            .copied()
            .collect();
        let known = vec![0.0; n * n];
        let choose = |state: &[f64], rng: &mut Rng| {
            let mut logs = Vec::new();
            modes.log_probabilities(state, &known, &mut logs);
            let mut left: f64 = rng.random();
            let drawn = logs.iter().position(|log| {
                left -= log.exp();
                left <= 0.0
            });
            let mode = drawn.unwrap_or(logs.len() - 1);
            Transition {
                matrix: modes.matrix(mode),
                offset: modes.offset(mode),
            }
        };
        let size = (ahead.horizon, ahead.draws);
        Ok(lgssm::futures(&law, (&last, from.cov), size, choose, rng)?)
    }

    fn law(&self) -> Option<Lgssm> {
        None
    }

    fn modes(&self) -> Result<Option<AffineModes>> {
        Ok(self.law.affine_modes()?)
    }

    fn online(&self) -> Result<std::result::Result<OnlineLaw, String>> {
        Ok(Ok(OnlineLaw {
            common: self.law.law(),
            modes: Some(self.law.modes()?),
            hypotheses: self.hypotheses.most,
        }))
    }

    fn common_law(&self) -> Option<Lgssm> {
        Some(self.law.law())
    }

    fn followed(&self, _: Known) -> Result<Option<Followed>> {
        Ok(Some(Followed {
            law: self.law.law(),
            modes: self.law.modes()?,
            hypotheses: self.hypotheses,
        }))
    }

    fn emit(&self, states: &[f64]) -> Vec<f64> {
        self.law.law().emit(states)
    }
}
