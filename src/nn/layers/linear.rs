//! Fully connected layers.

use super::encoder::RELU_GAIN;
use crate::ops::{self, Activation};
use crate::{Error, Float, Mat, Module, Param, Result, Rng, Track};

/// y = f(x W + b): x (rows, in) to y (rows, out).
#[derive(Clone, Debug)]
pub struct Linear<F: Float> {
    /// W, (in, out).
    pub weight: Param<F>,
    /// b, (out).
    pub bias: Param<F>,
    activation: Activation,
}

impl<F: Float> Linear<F> {
    /// W ~ N(0, g^2 / in), b = 0, with g = sqrt 2 before a ReLU (He et al. 2015, eq. 10) and 1 before anything else.
    ///
    /// # Errors
    /// Out of memory.
    pub fn new(
        inputs: usize,
        outputs: usize,
        activation: Activation,
        rng: &mut Rng,
    ) -> Result<Self> {
        let gain = match activation {
            Activation::Relu => RELU_GAIN,
            Activation::Identity | Activation::Tanh => 1.0,
        };
        let std = gain / (inputs.max(1) as f64).sqrt();
        Ok(Self {
            weight: Param::normal([inputs, outputs], std, rng)?,
            bias: Param::constant([outputs], 0.0)?,
            activation,
        })
    }

    /// The same with weights `factor` times as large: a small one lets a head start near its bias.
    ///
    /// # Errors
    /// Out of memory.
    pub fn scaled(mut self, factor: f64) -> Result<Self> {
        let small: Vec<f64> = self.weight.to_f64().iter().map(|w| factor * w).collect();
        self.weight = Param::new(self.weight.shape(), &small)?;
        Ok(self)
    }

    /// (in, out).
    pub fn size(&self) -> (usize, usize) {
        (self.weight.shape()[0], self.weight.shape()[1])
    }

    /// (rows, in) to (rows, out).
    ///
    /// # Errors
    /// [`Error::Shape`] when x has another number of columns.
    pub fn forward<T: Track<F>>(&self, x: &Mat<F, T>) -> Result<Mat<F, T>> {
        ops::linear(x.clone(), &self.weight, &self.bias, self.activation, true)
    }
}

impl<F: Float> Module<F> for Linear<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        out.push((format!("{at}.weight"), &mut self.weight));
        out.push((format!("{at}.bias"), &mut self.bias));
    }
}

/// Linear layers with a nonlinearity between them and none at the end.
#[derive(Clone, Debug)]
pub struct Mlp<F: Float>(Vec<Linear<F>>);

impl<F: Float> Mlp<F> {
    /// `sizes` from input to output: `[in, hidden .., out]`.
    ///
    /// # Errors
    /// [`Error::Config`] for fewer than two sizes.
    pub fn new(sizes: &[usize], between: Activation, rng: &mut Rng) -> Result<Self> {
        if sizes.len() < 2 {
            return Err(Error::Config(format!(
                "Mlp: at least two sizes, from input to output, expected, got {sizes:?}"
            )));
        }
        let count = sizes.len() - 1;
        let layer = |i: usize| {
            let last = i + 1 == count;
            let activation = if last { Activation::Identity } else { between };
            Linear::new(sizes[i], sizes[i + 1], activation, rng)
        };
        Ok(Self((0..count).map(layer).collect::<Result<_>>()?))
    }

    /// (rows, in) to (rows, out).
    ///
    /// # Errors
    /// [`Error::Shape`] when x has another number of columns.
    pub fn forward<T: Track<F>>(&self, x: &Mat<F, T>) -> Result<Mat<F, T>> {
        self.0
            .iter()
            .try_fold(x.clone(), |x, layer| layer.forward(&x))
    }
}

impl<F: Float> Module<F> for Mlp<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        for (i, layer) in self.0.iter_mut().enumerate() {
            layer.parameters(&format!("{at}.{i}"), out);
        }
    }
}

/// y = g (x - mean) / sqrt(var + 1e-5) + b over the columns of every row.
#[derive(Clone, Debug)]
pub struct LayerNorm<F: Float> {
    /// g, (c), ones at the start.
    pub gain: Param<F>,
    /// b, (c), zeros at the start.
    pub bias: Param<F>,
}

impl<F: Float> LayerNorm<F> {
    /// For rows of `columns` values.
    ///
    /// # Errors
    /// Out of memory.
    pub fn new(columns: usize) -> Result<Self> {
        Ok(Self {
            gain: Param::constant([columns], 1.0)?,
            bias: Param::constant([columns], 0.0)?,
        })
    }

    /// (rows, c) to (rows, c).
    ///
    /// # Errors
    /// [`Error::Shape`] when x has another number of columns.
    pub fn forward<T: Track<F>>(&self, x: &Mat<F, T>) -> Result<Mat<F, T>> {
        ops::layer_norm(x, &self.gain, &self.bias)
    }
}

impl<F: Float> Module<F> for LayerNorm<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        out.push((format!("{at}.gain"), &mut self.gain));
        out.push((format!("{at}.bias"), &mut self.bias));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{close, layer_gradients_agree, project, random, refuses};
    use crate::tensor::{size, values};
    use rand::SeedableRng;

    fn rng() -> Rng {
        Rng::seed_from_u64(3)
    }

    #[test]
    fn an_mlp_is_its_layers_one_after_the_other() {
        let mlp = Mlp::<f64>::new(&[4, 6, 5, 2], Activation::Tanh, &mut rng()).unwrap();
        let x = random("x", 3, 4);
        let y = mlp.forward(&x).unwrap();
        assert_eq!(size(&y), (3, 2));
        let [a, b, c] = [0, 1, 2].map(|i| &mlp.0[i]);
        let h = ops::tanh(&ops::times(&x, &a.weight).unwrap()).unwrap();
        let h = ops::tanh(&ops::times(&h, &b.weight).unwrap()).unwrap();
        // Biases start at zero.
        close(
            "y",
            values(&y),
            values(&ops::times(&h, &c.weight).unwrap()),
            1e-14,
        );
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        let mlp = Mlp::new(&[4, 5, 2], Activation::Tanh, &mut rng()).unwrap();
        layer_gradients_agree("mlp", &random("x", 3, 4), mlp, &|x, m| {
            m.forward(x).map(project)
        });
        let norm = LayerNorm::new(4).unwrap();
        layer_gradients_agree("norm", &random("x", 3, 4), norm, &|x, m| {
            m.forward(x).map(project)
        });
    }

    #[test]
    fn wrong_sizes_are_told() {
        refuses(
            Mlp::<f64>::new(&[3], Activation::Relu, &mut rng()),
            &["Mlp", "at least two", "[3]"],
        );
        let layer = Linear::<f64>::new(3, 2, Activation::Relu, &mut rng()).unwrap();
        refuses(
            layer.forward(&random("x", 2, 4)),
            &["linear", "3 inputs", "got 4"],
        );
    }
}
