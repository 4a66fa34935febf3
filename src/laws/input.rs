//! How actions move a state: B as learnable parameters.

use super::state_space::RATE;
use crate::{Error, Result};
use lgssm::{InputGradients, Inputs, Lgssm};
use nn::{Float, Param};

/// B (n, k) of z_t = A z_{t-1} + B u_{t-1} + b + w_t. It is learned for actions in units of their own size in the
/// training data, so that one step size fits every world; outside, actions and B are in the world's units.
#[derive(Clone, Debug)]
pub(super) struct Input<F: Float> {
    /// B S with S = diag(scale), (n, k).
    pub matrix: Param<F>,
    /// Size of every component of an action, (k); above 0.
    scale: Vec<f64>,
}

impl<F: Float> Input<F> {
    /// Actions of k components that move nothing yet.
    pub fn new(latent: usize, actions: usize) -> Result<Self> {
        Ok(Self {
            matrix: Param::constant([latent, actions], 0.0)?.at_rate(RATE),
            scale: vec![1.0; actions],
        })
    }

    /// Sets the size of every component.
    pub fn scale(&mut self, scale: &[f64]) -> Result<()> {
        let good = |&s: &f64| s > 0.0 && s.is_finite();
        if scale.len() != self.scale.len() || !scale.iter().all(good) {
            return Err(Error::Shape(format!(
                "inputs: {} sizes above 0 of actions expected, got {scale:?}",
                self.scale.len()
            )));
        }
        self.scale = scale.to_vec();
        Ok(())
    }

    /// B, (n, k), in the units of the actions.
    pub fn values(&self) -> Vec<f64> {
        let all = self.matrix.to_f64();
        let scaled = all.iter().enumerate();
        scaled
            .map(|(i, b)| b / self.scale[i % self.scale.len()])
            .collect()
    }

    /// u_{t-1} at place t in units of their size, (B, T, k), from actions (B, T, k) that act from t to t+1.
    fn before(&self, actions: &[f64], steps: usize) -> Vec<f64> {
        let k = self.scale.len();
        let mut out = vec![0.0; actions.len()];
        for (to, of) in out.chunks_mut(steps * k).zip(actions.chunks(steps * k)) {
            let shifted = to.iter_mut().skip(k).zip(of).enumerate();
            shifted.for_each(|(i, (to, u))| *to = u / self.scale[i % k]);
        }
        out
    }

    /// c_t = b + B u_{t-1}, (B, T, n), of actions (B, T, k).
    ///
    /// # Errors
    /// As [`Inputs::offsets`].
    pub fn offsets(&self, law: &Lgssm, actions: &[f64], steps: usize) -> Result<Vec<f64>> {
        let rows = actions.len() / self.scale.len().max(1);
        let inputs = Inputs {
            size: self.scale.len(),
            matrix: &self.matrix.to_f64(),
            values: &self.before(actions, steps),
        };
        Ok(inputs.offsets(law, rows / steps.max(1), steps)?)
    }

    /// Gradients of the parameters and of b from those of c_t, (B, T, n).
    pub fn gradients(&self, actions: &[f64], steps: usize, of: &[f64]) -> InputGradients {
        let inputs = Inputs {
            size: self.scale.len(),
            matrix: &self.matrix.to_f64(),
            values: &self.before(actions, steps),
        };
        inputs.gradients(of)
    }
}
