//! A divergence that pulls prior and posterior with weights of their own: KL balance and free nats.

use super::Distribution;
use super::images::at_least_zero;
use crate::error::{Result, all};
use nn::ops;
use nn::{Float, Mat, Track};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What training climbs in place of -KL(q || p); sg(.) is held still.
///
/// ```text
/// -dynamics max(KL(sg(q) || p) - free_nats, 0) - representation max(KL(q || sg(p)) - free_nats, 0)        a frame
/// ```
///
/// A prior that has not learned yet so does not draw the posterior to itself, and what is below `free_nats` costs
/// nothing. It stands beside the bound, in which KL(q || p) counts as it is. Source: Hafner et al. 2021 (DreamerV2,
/// balance) and 2023 (DreamerV3: dynamics 1, representation 0.1, one free nat); of their max(KL, f) only a constant
/// differs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Balance {
    /// Weight with which the prior comes to the posterior; at least 0.
    pub dynamics: f64,
    /// Weight with which the posterior comes to the prior; at least 0.
    pub representation: f64,
    /// Nats a frame that cost nothing; at least 0.
    pub free_nats: f64,
}

impl Default for Balance {
    fn default() -> Self {
        Self {
            dynamics: 1.0,
            representation: 0.1,
            free_nats: 1.0,
        }
    }
}

impl Balance {
    /// The bound itself: both weights 1, nothing free.
    pub fn none() -> Self {
        Self {
            dynamics: 1.0,
            representation: 1.0,
            free_nats: 0.0,
        }
    }

    /// Whether training climbs the bound itself.
    pub fn is_none(&self) -> bool {
        *self == Self::none()
    }

    /// # Errors
    /// Names the key under `at`, what was expected and got.
    pub fn check(&self, at: &str) -> Result<()> {
        all([
            at_least_zero(&format!("{at}.dynamics"), self.dynamics),
            at_least_zero(&format!("{at}.representation"), self.representation),
            at_least_zero(&format!("{at}.free_nats"), self.free_nats),
        ])
    }

    /// Nats of every row, (rows, 1), to be subtracted.
    ///
    /// # Errors
    /// Distributions of two sizes.
    pub fn divergence<F: Float, T: Track<F>>(
        &self,
        q: &Distribution<F, T>,
        p: &Distribution<F, T>,
    ) -> Result<Mat<F, T>> {
        let above = |kl: &Mat<F, T>| ops::relu(&ops::shift(kl, -self.free_nats)?);
        let ahead = ops::scale(&above(&q.detach()?.kl(p)?)?, self.dynamics)?;
        let back = ops::scale(&above(&q.kl(&p.detach()?)?)?, self.representation)?;
        Ok(ops::add(&ahead, &back)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nn::Grad;
    use nn::ops::Gaussian;
    use nn::tensor::{backward, matrix, values};

    type Tracked = Distribution<f64, Grad<f64>>;

    /// Gradients with respect to the means of q and p, of two rows with KL .5 and 2.
    fn gradients(of: impl Fn(&Tracked, &Tracked) -> Result<Mat<f64, Grad<f64>>>) -> [Vec<f64>; 2] {
        let (q, p) = (
            matrix(vec![1.0, 2.0], 2, 1).unwrap(),
            matrix(vec![0.0; 2], 2, 1).unwrap(),
        );
        let ones = || ops::constant(vec![1.0; 2], 2, 1).unwrap();
        let tracked = |mean: &Mat<f64>| {
            Distribution::Gaussian(Gaussian::new(mean.retaped(), ones()).unwrap())
        };
        let found = of(&tracked(&q), &tracked(&p)).unwrap();
        let mut all = backward(ops::sum(&found).unwrap()).unwrap();
        [&q, &p].map(|x| all.get_or_alloc_mut(x).unwrap().to_vec())
    }

    #[test]
    fn each_side_has_its_weight_and_what_is_free_pulls_nothing() {
        let plain = gradients(|q, p| q.kl(p));
        let balance = Balance {
            dynamics: 0.8,
            representation: 0.3,
            free_nats: 1.0,
        };
        let found = gradients(|q, p| balance.divergence(q, p));
        assert_eq!(plain, [vec![1.0, 2.0], vec![-1.0, -2.0]]);
        let near = |got: f64, want: f64| assert!((got - want).abs() < 1e-15, "{got} {want}");
        near(found[0][0], 0.0);
        near(found[1][0], 0.0);
        near(found[0][1], 0.3 * 2.0);
        near(found[1][1], -0.8 * 2.0);
    }

    #[test]
    fn rows_are_the_weighted_nats_above_the_free_ones() {
        let of = |mean: f64| {
            Distribution::<f64, nn::NoTape>::Gaussian(Gaussian {
                mean: matrix(vec![mean], 1, 1).unwrap(),
                std: matrix(vec![1.0], 1, 1).unwrap(),
            })
        };
        let balance = Balance::default();
        let at = |mean: f64| values(&balance.divergence(&of(mean), &of(0.0)).unwrap())[0];
        // KL = mean^2 / 2.
        assert_eq!(at(1.0), 0.0);
        assert!((at(2.0) - 1.1).abs() < 1e-15, "{}", at(2.0));
        assert!(Balance::none().is_none() && !balance.is_none());
    }
}
