//! What a world's task gives, predicted from a model's states.

use super::images::at_least_zero;
use crate::error::{Error, Result, all};
use crate::seeds::Rng;
use nn::layers::Linear;
use nn::ops::{self, Gaussian};
use nn::tensor::{PerRow, size, values};
use nn::{Activation, Float, Mat, Module, Param, Track};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// p(r_t | s_t), where the world has a task:
///
/// ```text
/// symlog(r_t) ~ N(f(s_t), std^2),   symlog(r) = sign(r) ln(1 + |r|)
/// ```
///
/// with f of one hidden layer, and r_t what came on the way to frame t: minus the cost of frame t-1 and of what was
/// done there. It stands beside the bound, which so stays one on the frames. Source: Hafner et al. 2023 (symlog
/// predictions).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RewardConfig {
    /// Weight of its log density; 0 for no such head.
    pub weight: f64,
    /// Standard deviation of symlog(r), above 0: the smaller, the more an error counts beside pixels.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub std: f64,
}

impl Default for RewardConfig {
    fn default() -> Self {
        Self {
            weight: 1.0,
            std: 0.05,
        }
    }
}

impl RewardConfig {
    /// # Errors
    /// Names the key under `at`, what was expected and got.
    pub fn check(&self, at: &str) -> Result<()> {
        let std = match self.std.is_finite() && self.std > 0.0 {
            true => Ok(()),
            false => Err(Error::Experiment(format!(
                "{at}.std: a number above 0 expected, got {}",
                self.std
            ))),
        };
        all([at_least_zero(&format!("{at}.weight"), self.weight), std])
    }

    /// The head over states of `h` values; none where the world has no task or nobody asks.
    ///
    /// # Errors
    /// Out of memory.
    pub fn build<F: Float>(
        &self,
        rewards: bool,
        h: usize,
        hidden: usize,
        rng: &mut Rng,
    ) -> Result<Option<RewardHead<F>>> {
        if !rewards || self.weight == 0.0 {
            return Ok(None);
        }
        Ok(Some(RewardHead {
            config: *self,
            hidden: Linear::new(h, hidden, Activation::Relu, rng)?,
            last: Linear::new(hidden, 1, Activation::Identity, rng)?,
        }))
    }
}

/// A built head.
#[derive(Debug)]
pub struct RewardHead<F: Float> {
    config: RewardConfig,
    hidden: Linear<F>,
    last: Linear<F>,
}

/// sign(r) ln(1 + |r|): large numbers come closer, small ones stay.
pub fn symlog(r: f64) -> f64 {
    r.signum() * r.abs().ln_1p()
}

/// Its inverse.
pub fn symexp(y: f64) -> f64 {
    y.signum() * y.abs().exp_m1()
}

impl<F: Float> RewardHead<F> {
    /// Weight of the term in the objective.
    pub fn weight(&self) -> f64 {
        self.config.weight
    }

    fn mean<T: Track<F>>(&self, states: &Mat<F, T>) -> Result<Mat<F, T>> {
        Ok(self.last.forward(&self.hidden.forward(states)?)?)
    }

    /// log p(r | s), nats, of states (rows, h) and rewards (rows); those that are not known (NaN) leave no term.
    ///
    /// # Errors
    /// States of another size.
    pub fn log_density<T: Track<F>>(
        &self,
        states: &Mat<F, T>,
        rewards: &[f64],
    ) -> Result<PerRow<F, T>> {
        let mean = self.mean(states)?;
        let rows = size(&mean).0;
        if rewards.len() != rows {
            return Err(Error::Shape(format!(
                "rewards: {rows}, one a frame, expected, got {}",
                rewards.len()
            )));
        }
        let known = |r: &f64| if r.is_finite() { 1.0 } else { 0.0 };
        let told = |r: &f64| if r.is_finite() { symlog(*r) } else { 0.0 };
        let column = |of: &dyn Fn(&f64) -> f64| {
            ops::constant(rewards.iter().map(|r| F::of(of(r))).collect(), rows, 1)
        };
        let std = column(&|_| self.config.std)?;
        let density = Gaussian::new(mean, std)?.log_density(&column(&told)?)?;
        let density = ops::multiply(&density, &column(&known)?)?;
        Ok(PerRow {
            rows: values(&density).iter().map(|v| v.widen()).collect(),
            sum: ops::sum(&density)?,
        })
    }

    /// Rewards that are expected in states (rows, h): symexp of the mean.
    ///
    /// # Errors
    /// States of another size.
    pub fn expected(&self, states: &Mat<F>) -> Result<Vec<f64>> {
        let mean = self.mean(states)?;
        Ok(values(&mean).iter().map(|y| symexp(y.widen())).collect())
    }
}

impl<F: Float> Module<F> for RewardHead<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        self.hidden.parameters(&format!("{at}.hidden"), out);
        self.last.parameters(at, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeds::Seeds;
    use nn::tensor::matrix;

    #[test]
    fn symexp_is_the_inverse_of_symlog_which_keeps_small_numbers() {
        for r in [-1e6, -16.3, -0.2, 0.0, 1e-9, 3.0] {
            // Both lose one rounding of a number up to ln 1e6.
            assert!(
                (symexp(symlog(r)) - r).abs() <= 1e-14 * r.abs().max(1.0) * 16.0,
                "{r}"
            );
        }
        assert!((symlog(1e-4) - 1e-4).abs() < 1e-8);
    }

    #[test]
    fn a_reward_that_is_not_known_leaves_no_term() {
        let mut rng = Seeds::new(2).stream("test/reward", 0);
        let head: RewardHead<f64> = RewardConfig::default()
            .build(true, 2, 3, &mut rng)
            .unwrap()
            .unwrap();
        let states = matrix(vec![0.3, -0.2, 0.1, 0.4], 2, 2).unwrap();
        let expected = head.expected(&states).unwrap();
        let found = head.log_density(&states, &[f64::NAN, expected[1]]).unwrap();
        // At its mean a normal density of std .05 has ln(1 / (.05 sqrt(2 pi))).
        let want = -(0.05 * f64::sqrt(std::f64::consts::TAU)).ln();
        assert_eq!(found.rows[0], 0.0);
        assert!((found.rows[1] - want).abs() < 1e-12, "{:?}", found.rows);
        assert!(head.log_density(&states, &[0.0]).is_err());
        let none = RewardConfig::default().build::<f64>(false, 2, 3, &mut rng);
        assert!(none.unwrap().is_none());
    }
}
