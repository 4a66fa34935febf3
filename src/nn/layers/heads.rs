//! From features to distributions.

use super::linear::Linear;
use crate::ops::{self, Activation, Categorical, Gaussian};
use crate::{Error, Float, Mat, Module, Param, Result, Rng, Track};

/// Standard deviations never fall below this: log densities and divergences stay finite.
const MIN_STD: f64 = 0.01;
/// Share of a head's weights at the start: mean and standard deviation begin at their biases, whatever the features
/// are.
const START: f64 = 0.1;

/// (mean, raw) = x W + b, std = softplus(raw) + .01: features (rows, k) to a Gaussian of n independent dimensions; with
/// one hidden layer, x is relu(x W_0 + b_0).
#[derive(Clone, Debug)]
pub struct GaussianHead<F: Float> {
    /// With ReLU.
    hidden: Option<Linear<F>>,
    last: Linear<F>,
}

impl<F: Float> GaussianHead<F> {
    /// Starts near N(0, std^2) whatever the features are.
    ///
    /// # Errors
    /// [`Error::Config`] for a standard deviation that is not above .01.
    pub fn new(inputs: usize, n: usize, std: f64, rng: &mut Rng) -> Result<Self> {
        if !(std.is_finite() && std > MIN_STD) {
            return Err(Error::Config(format!(
                "GaussianHead: a standard deviation above {MIN_STD} to start at expected, got {std}"
            )));
        }
        let mut linear = Linear::new(inputs, 2 * n, Activation::Identity, rng)?.scaled(START)?;
        // The inverse of softplus: ln(exp y - 1).
        let raw = (std - MIN_STD).exp_m1().ln();
        let bias: Vec<f64> = (0..2 * n).map(|j| if j < n { 0.0 } else { raw }).collect();
        linear.bias = Param::new([2 * n], &bias)?;
        Ok(Self {
            hidden: None,
            last: linear,
        })
    }

    /// The same behind one hidden layer of `hidden` units with ReLU.
    ///
    /// # Errors
    /// [`Error::Config`] as [`GaussianHead::new`].
    pub fn with_hidden(
        inputs: usize,
        hidden: usize,
        n: usize,
        std: f64,
        rng: &mut Rng,
    ) -> Result<Self> {
        Ok(Self {
            hidden: Some(Linear::new(inputs, hidden, Activation::Relu, rng)?),
            ..Self::new(hidden, n, std, rng)?
        })
    }

    /// (rows, k) to N(mean, std^2) of (rows, n).
    ///
    /// # Errors
    /// [`Error::Shape`] when x has another number of columns.
    pub fn forward<T: Track<F>>(&self, x: &Mat<F, T>) -> Result<Gaussian<F, T>> {
        let own = match &self.hidden {
            None => self.last.forward(x)?,
            Some(hidden) => self.last.forward(&hidden.forward(x)?)?,
        };
        let [mean, raw] = ops::heads(&own)?;
        Gaussian::new(mean, ops::shift(&ops::softplus(&raw)?, MIN_STD)?)
    }

    /// The posterior as a correction of the prior: the means of both are added, the standard deviation is its own.
    ///
    /// # Errors
    /// [`Error::Shape`] when x or the prior do not fit.
    pub fn correct<T: Track<F>>(
        &self,
        x: &Mat<F, T>,
        prior: &Gaussian<F, T>,
    ) -> Result<Gaussian<F, T>> {
        let own = self.forward(x)?;
        Gaussian::new(ops::add(&prior.mean, &own.mean)?, own.std)
    }
}

impl<F: Float> Module<F> for GaussianHead<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        if let Some(hidden) = &mut self.hidden {
            hidden.parameters(&format!("{at}.hidden"), out);
        }
        self.last.parameters(at, out);
    }
}

/// Features (rows, k) to `groups` categorical variables of `classes` values: logits = x W + b; with one hidden layer, x is
/// relu(x W_0 + b_0).
#[derive(Clone, Debug)]
pub struct CategoricalHead<F: Float> {
    /// With ReLU.
    hidden: Option<Linear<F>>,
    last: Linear<F>,
    classes: usize,
    uniform: f64,
}

impl<F: Float> CategoricalHead<F> {
    /// Starts near equal probabilities. `uniform` is the share of the uniform distribution in every variable, usually
    /// .01.
    ///
    /// # Errors
    /// Out of memory.
    pub fn new(
        inputs: usize,
        groups: usize,
        classes: usize,
        uniform: f64,
        rng: &mut Rng,
    ) -> Result<Self> {
        let linear = Linear::new(inputs, groups * classes, Activation::Identity, rng)?;
        Ok(Self {
            hidden: None,
            last: linear.scaled(START)?,
            classes,
            uniform,
        })
    }

    /// The same behind one hidden layer of `hidden` units with ReLU.
    ///
    /// # Errors
    /// Out of memory.
    pub fn with_hidden(
        inputs: usize,
        [hidden, groups, classes]: [usize; 3],
        uniform: f64,
        rng: &mut Rng,
    ) -> Result<Self> {
        Ok(Self {
            hidden: Some(Linear::new(inputs, hidden, Activation::Relu, rng)?),
            ..Self::new(hidden, groups, classes, uniform, rng)?
        })
    }

    fn logits<T: Track<F>>(&self, x: &Mat<F, T>) -> Result<Mat<F, T>> {
        match &self.hidden {
            None => self.last.forward(x),
            Some(hidden) => self.last.forward(&hidden.forward(x)?),
        }
    }

    /// (rows, k) to categorical variables of (rows, groups * classes).
    ///
    /// # Errors
    /// [`Error::Shape`] when x has another number of columns.
    pub fn forward<T: Track<F>>(&self, x: &Mat<F, T>) -> Result<Categorical<F, T>> {
        Categorical::new(&self.logits(x)?, self.classes, self.uniform)
    }

    /// The posterior as a correction of the prior: its logits are the prior's log probabilities and its own.
    ///
    /// # Errors
    /// [`Error::Shape`] when x or the prior do not fit.
    pub fn correct<T: Track<F>>(
        &self,
        x: &Mat<F, T>,
        prior: &Categorical<F, T>,
    ) -> Result<Categorical<F, T>> {
        let logits = ops::add(&prior.log_probabilities, &self.logits(x)?)?;
        Categorical::new(&logits, self.classes, self.uniform)
    }
}

impl<F: Float> Module<F> for CategoricalHead<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        if let Some(hidden) = &mut self.hidden {
            hidden.parameters(&format!("{at}.hidden"), out);
        }
        self.last.parameters(at, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{close, layer_gradients_agree, project, random, refuses};
    use crate::tensor::{matrix, values};
    use rand::SeedableRng;

    fn rng() -> Rng {
        Rng::seed_from_u64(3)
    }

    #[test]
    fn heads_start_where_they_are_told() {
        let head = GaussianHead::<f64>::new(4, 3, 0.5, &mut rng()).unwrap();
        let at_zero = head.forward(&matrix(vec![0.0; 8], 2, 4).unwrap()).unwrap();
        close("mean", values(&at_zero.mean), &[0.0; 6], 0.0);
        close("std", values(&at_zero.std), &[0.5; 6], 1e-15);
        let head = CategoricalHead::<f64>::new(4, 2, 5, 0.01, &mut rng()).unwrap();
        let at_zero = head.forward(&matrix(vec![0.0; 8], 2, 4).unwrap()).unwrap();
        close(
            "logs",
            values(&at_zero.log_probabilities),
            &[-(5.0_f64.ln()); 20],
            1e-14,
        );
    }

    #[test]
    fn a_standard_deviation_never_falls_below_its_floor() {
        let head = GaussianHead::<f64>::new(1, 1, 1.0, &mut rng()).unwrap();
        let far = matrix(vec![1e6, -1e6], 2, 1).unwrap();
        let got = values(&head.forward(&far).unwrap().std).to_vec();
        assert!(
            got.iter().all(|&s| s >= MIN_STD) && got.contains(&MIN_STD),
            "{got:?}"
        );
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        let x = random("x", 3, 4);
        for head in [
            GaussianHead::new(4, 2, 0.5, &mut rng()).unwrap(),
            GaussianHead::with_hidden(4, 3, 2, 0.5, &mut rng()).unwrap(),
        ] {
            layer_gradients_agree("gaussian", &x, head, &|x, head: &GaussianHead<f64>| {
                let prior = head.forward(x)?;
                let q = head.correct(&ops::tanh(x)?, &prior)?;
                ops::concat(&[&q.mean, &q.std]).map(project)
            });
        }
        for head in [
            CategoricalHead::new(4, 2, 3, 0.01, &mut rng()).unwrap(),
            CategoricalHead::with_hidden(4, [3, 2, 3], 0.01, &mut rng()).unwrap(),
        ] {
            layer_gradients_agree(
                "categorical",
                &x,
                head,
                &|x, head: &CategoricalHead<f64>| {
                    let prior = head.forward(x)?;
                    let q = head.correct(&ops::tanh(x)?, &prior)?;
                    ops::concat(&[&prior.log_probabilities, &q.log_probabilities]).map(project)
                },
            );
        }
    }

    #[test]
    fn wrong_settings_are_told() {
        refuses(
            GaussianHead::<f64>::new(4, 2, 0.01, &mut rng()),
            &["GaussianHead", "above 0.01", "got 0.01"],
        );
    }
}
