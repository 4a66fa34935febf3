//! The random variable of a frame, Gaussian or categorical: settings, heads, draws and divergences.
//!
//! ```text
//! gaussian      z_i ~ N(mu_i, sigma_i^2), drawn by reparametrisation
//! categorical   z_i ~ Cat((1 - u) softmax(l_i) + u / K), a vector with a one at its class, straight-through gradients
//! ```
//!
//! A model's settings hold a size and a [`ZKind`]; [`ZKind::variables`] joins them to a [`Variables`], which knows how wide z is
//! and builds a [`Head`] for each of its distributions. What a head gives is a [`Distribution`]: draws, its best guess, the
//! divergence from another, in closed form for both kinds. Models read z as a row of numbers and need not know its kind:
//!
//! ```text
//! let variables = config.kind.variables(config.latent);
//! let prior = variables.head(h, hidden, 1.0, rng)?;         // 1.0: sigma to start at; a categorical starts uniform
//! let p = prior.forward(&state)?;                           // (B, width)
//! let q = posterior.correct(&features, &p)?;                // or posterior.forward(&features)?, with no prior in it
//! let z = q.sample(rng)?;  let kl = q.kl(&p)?;              // (B, width), (B, 1); q.detach()? for KL balancing
//! ```

use super::images::positive;
use crate::error::{Error, Result, all};
use crate::latents::Kind;
use crate::seeds::Rng;
use nn::layers::{CategoricalHead, GaussianHead};
use nn::ops::{self, Categorical, Gaussian};
use nn::tensor::{size, values};
use nn::{Float, Mat, Module, Param, Track};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the dimensions of z are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ZKind {
    /// Real numbers, independent given what stands before.
    #[default]
    Gaussian,
    /// Each is one of some classes: an event that happens or does not has no blurred edge.
    Categorical(Classes),
}

/// Categorical variables.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Classes {
    /// Values of one variable.
    #[schemars(range(min = 2, max = 256))]
    pub classes: usize,
    /// Share of the uniform distribution in prior and posterior: no class is ever impossible, so that no divergence explodes.
    #[schemars(extend("exclusiveMinimum" = 0.0, "exclusiveMaximum" = 1.0))]
    pub uniform: f64,
    /// Probabilities in place of draws, which makes the whole objective differentiable: for finite differences.
    #[cfg(test)]
    #[serde(skip)]
    pub relaxed: bool,
}

impl Default for Classes {
    fn default() -> Self {
        Self {
            classes: 8,
            uniform: 0.01,
            #[cfg(test)]
            relaxed: false,
        }
    }
}

impl ZKind {
    /// `size` variables of this kind a frame.
    pub fn variables(self, size: usize) -> Variables {
        Variables { size, kind: self }
    }

    /// # Errors
    /// Names the key under `at`, what was expected and got.
    pub fn check(&self, at: &str) -> Result<()> {
        let Self::Categorical(own) = self else {
            return Ok(());
        };
        let at = format!("{at}.categorical");
        let several = match own.classes {
            1 => Err(Error::Experiment(format!(
                "{at}.classes: at least 2 expected, got 1"
            ))),
            _ => positive(&format!("{at}.classes"), own.classes, 256),
        };
        let share = match own.uniform > 0.0 && own.uniform < 1.0 {
            true => Ok(()),
            false => Err(Error::Experiment(format!(
                "{at}.uniform: a share between 0 and 1 expected, got {}",
                own.uniform
            ))),
        };
        all([several, share])
    }
}

/// The random variables of a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Variables {
    size: usize,
    kind: ZKind,
}

impl Variables {
    /// Numbers of a draw: one for a real variable, one for each class of a categorical one.
    pub fn width(&self) -> usize {
        match self.kind {
            ZKind::Gaussian => self.size,
            ZKind::Categorical(own) => self.size * own.classes,
        }
    }

    /// As a model lists its latents.
    pub fn kind(&self) -> Kind {
        match self.kind {
            ZKind::Gaussian => Kind::Gaussian,
            ZKind::Categorical(own) => Kind::Categorical(own.classes),
        }
    }

    /// What is known of nothing: N(0, I), or equal probabilities.
    ///
    /// # Errors
    /// Out of memory.
    pub fn standard<F: Float, T: Track<F>>(&self, rows: usize) -> Result<Distribution<F, T>> {
        Ok(match self.kind {
            ZKind::Gaussian => Distribution::Gaussian(Gaussian::standard(rows, self.size)?),
            ZKind::Categorical(own) => {
                let logits = ops::zeros(rows, self.width())?;
                let equal = Categorical::new(&logits, own.classes, own.uniform)?;
                Distribution::Categorical(equal, own)
            }
        })
    }

    /// From `inputs` features through one hidden layer. Gaussians start near N(0, `std`^2), categoricals near equal probabilities.
    ///
    /// # Errors
    /// A standard deviation that is not above .01.
    pub fn head<F: Float>(
        &self,
        inputs: usize,
        hidden: usize,
        std: f64,
        rng: &mut Rng,
    ) -> Result<Head<F>> {
        Ok(match self.kind {
            ZKind::Gaussian => Head::Gaussian(GaussianHead::with_hidden(
                inputs, hidden, self.size, std, rng,
            )?),
            ZKind::Categorical(own) => {
                let sizes = [hidden, self.size, own.classes];
                let head = CategoricalHead::with_hidden(inputs, sizes, own.uniform, rng)?;
                Head::Categorical(head, own)
            }
        })
    }
}

/// From features to a [`Distribution`].
#[derive(Clone, Debug)]
pub enum Head<F: Float> {
    /// Of real variables.
    Gaussian(GaussianHead<F>),
    /// Of variables with classes.
    Categorical(CategoricalHead<F>, Classes),
}

impl<F: Float> Head<F> {
    /// Features (rows, k) to a distribution of (rows, width).
    ///
    /// # Errors
    /// Features of another size.
    pub fn forward<T: Track<F>>(&self, x: &Mat<F, T>) -> Result<Distribution<F, T>> {
        Ok(match self {
            Self::Gaussian(head) => Distribution::Gaussian(head.forward(x)?),
            Self::Categorical(head, own) => Distribution::Categorical(head.forward(x)?, *own),
        })
    }

    /// The posterior as a correction of the prior, at which it starts: means, or logarithms of probabilities before they are
    /// normalised, are added.
    ///
    /// # Errors
    /// Features of another size; a prior of another kind.
    pub fn correct<T: Track<F>>(
        &self,
        x: &Mat<F, T>,
        prior: &Distribution<F, T>,
    ) -> Result<Distribution<F, T>> {
        Ok(match (self, prior) {
            (Self::Gaussian(head), Distribution::Gaussian(p)) => {
                Distribution::Gaussian(head.correct(x, p)?)
            }
            (Self::Categorical(head, own), Distribution::Categorical(p, _)) => {
                Distribution::Categorical(head.correct(x, p)?, *own)
            }
            (_, prior) => return Err(prior.of_another_kind("a correction")),
        })
    }
}

impl<F: Float> Module<F> for Head<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        match self {
            Self::Gaussian(head) => head.parameters(at, out),
            Self::Categorical(head, _) => head.parameters(at, out),
        }
    }
}

/// A prior or posterior of z, a row a clip.
#[derive(Clone, Debug)]
pub enum Distribution<F: Float, T> {
    /// Of real variables.
    Gaussian(Gaussian<F, T>),
    /// Of variables with classes.
    Categorical(Categorical<F, T>, Classes),
}

impl<F: Float, T: Track<F>> Distribution<F, T> {
    /// A draw that gradients flow through, (rows, width).
    ///
    /// # Errors
    /// Out of memory.
    pub fn sample(&self, rng: &mut Rng) -> Result<Mat<F, T>> {
        Ok(match self {
            Self::Gaussian(own) => own.sample(rng)?,
            #[cfg(test)]
            Self::Categorical(own, Classes { relaxed: true, .. }) => {
                ops::exp(&own.log_probabilities)?
            }
            Self::Categorical(own, _) => own.sample(rng)?,
        })
    }

    /// The one most likely value: means, or ones at the most likely classes, (rows, width).
    ///
    /// # Errors
    /// Out of memory.
    pub fn mode(&self) -> Result<Mat<F, T>> {
        match self {
            Self::Gaussian(own) => Ok(own.mean.clone()),
            Self::Categorical(own, _) => {
                let (rows, columns) = size(&own.log_probabilities);
                let mut ones = vec![F::of(0.0); rows * columns];
                let groups = values(&own.log_probabilities).chunks_exact(own.classes());
                for (to, logs) in ones.chunks_exact_mut(own.classes()).zip(groups) {
                    // The first of equals.
                    let best =
                        (0..logs.len()).fold(0, |i, k| if logs[k] > logs[i] { k } else { i });
                    to[best] = F::of(1.0);
                }
                Ok(ops::constant(ones, rows, columns)?)
            }
        }
    }

    /// What is stored of it: means and variances, or probabilities alone, which say everything, (rows * width) each.
    pub fn stored(&self) -> (Vec<f64>, Option<Vec<f64>>) {
        let wide = |x: &Mat<F, T>| values(x).iter().map(|v| v.widen()).collect::<Vec<f64>>();
        match self {
            Self::Gaussian(own) => {
                let var = wide(&own.std).iter().map(|s| s * s).collect();
                (wide(&own.mean), Some(var))
            }
            Self::Categorical(own, _) => {
                let logs = wide(&own.log_probabilities);
                (logs.iter().map(|l| l.exp()).collect(), None)
            }
        }
    }

    /// KL(self || other), nats, (rows, 1).
    ///
    /// # Errors
    /// Sizes or kinds that differ.
    pub fn kl(&self, other: &Self) -> Result<Mat<F, T>> {
        match (self, other) {
            (Self::Gaussian(q), Self::Gaussian(p)) => Ok(q.kl(p)?),
            (Self::Categorical(q, _), Self::Categorical(p, _)) => Ok(q.kl(p)?),
            (_, other) => Err(other.of_another_kind("a divergence")),
        }
    }

    /// This one in the rows that are `seen`, `other` in the rest.
    ///
    /// # Errors
    /// Sizes or kinds that differ.
    pub fn or(&self, other: &Self, seen: impl Iterator<Item = bool> + Clone) -> Result<Self> {
        let pick = |q: &Mat<F, T>, p: &Mat<F, T>| -> Result<Mat<F, T>> {
            let n = size(q).1;
            let open = shares(seen.clone(), n)?;
            let closed = shares(seen.clone().map(|seen| !seen), n)?;
            Ok(ops::add(
                &ops::multiply(q, &open)?,
                &ops::multiply(p, &closed)?,
            )?)
        };
        match (self, other) {
            (Self::Gaussian(q), Self::Gaussian(p)) => Ok(Self::Gaussian(Gaussian::new(
                pick(&q.mean, &p.mean)?,
                pick(&q.std, &p.std)?,
            )?)),
            (Self::Categorical(q, own), Self::Categorical(p, _)) => {
                let logs = pick(&q.log_probabilities, &p.log_probabilities)?;
                let both = Categorical::of_log_probabilities(logs, own.classes)?;
                Ok(Self::Categorical(both, *own))
            }
            (_, other) => Err(other.of_another_kind("a choice by rows")),
        }
    }

    /// The same with rows taken or put together alike in all that it holds.
    ///
    /// # Errors
    /// What `rows` fails with.
    pub fn each(&self, rows: impl Fn(&Mat<F, T>) -> nn::Result<Mat<F, T>>) -> Result<Self> {
        Ok(match self {
            Self::Gaussian(own) => {
                Self::Gaussian(Gaussian::new(rows(&own.mean)?, rows(&own.std)?)?)
            }
            Self::Categorical(own, classes) => {
                let logs = rows(&own.log_probabilities)?;
                let same = Categorical::of_log_probabilities(logs, own.classes())?;
                Self::Categorical(same, *classes)
            }
        })
    }

    /// Frame t of every clip: (B*T, width), T = `steps`, to (B, width).
    ///
    /// # Errors
    /// Rows that are not whole clips, or t beyond them.
    pub fn frame(&self, t: usize, steps: usize) -> Result<Self> {
        self.each(|x| ops::frame(x, t, steps))
    }

    /// The reverse of [`Self::frame`]: T of (B, width) to one of (B*T, width).
    ///
    /// # Errors
    /// None; several sizes or kinds.
    pub fn stack(all: &[Self]) -> Result<Self> {
        let first = all.first().ok_or_else(|| {
            Error::Shape("stack: at least one distribution expected, got none".into())
        })?;
        let (mut one, mut two) = (Vec::new(), Vec::new());
        for own in all {
            match (own, first) {
                (Self::Gaussian(own), Self::Gaussian(_)) => {
                    one.push(own.mean.clone());
                    two.push(own.std.clone());
                }
                (Self::Categorical(own, _), Self::Categorical(..)) => {
                    one.push(own.log_probabilities.clone());
                }
                (own, _) => return Err(own.of_another_kind("a stack")),
            }
        }
        Ok(match first {
            Self::Gaussian(_) => {
                Self::Gaussian(Gaussian::new(ops::stack(&one)?, ops::stack(&two)?)?)
            }
            Self::Categorical(own, classes) => {
                let logs = ops::stack(&one)?;
                let all = Categorical::of_log_probabilities(logs, own.classes())?;
                Self::Categorical(all, *classes)
            }
        })
    }

    /// The same as data: nothing is learned through it.
    ///
    /// # Errors
    /// Out of memory.
    pub fn detach(&self) -> Result<Self> {
        Ok(match self {
            Self::Gaussian(own) => Self::Gaussian(own.detach()?),
            Self::Categorical(own, classes) => Self::Categorical(own.detach()?, *classes),
        })
    }

    fn of_another_kind(&self, what: &str) -> Error {
        let got = match self {
            Self::Gaussian(_) => "a Gaussian",
            Self::Categorical(..) => "a categorical",
        };
        Error::Shape(format!(
            "{what}: two distributions of one kind expected, got {got} beside another"
        ))
    }
}

/// Ones in the rows that are `open`, zeros in the others, (rows, columns).
///
/// # Errors
/// Out of memory.
pub fn shares<F: Float, T: Track<F>>(
    open: impl Iterator<Item = bool>,
    columns: usize,
) -> Result<Mat<F, T>> {
    let row = |open: bool| vec![F::of(f64::from(u8::from(open))); columns];
    let values: Vec<F> = open.flat_map(row).collect();
    let rows = values.len() / columns.max(1);
    Ok(ops::constant(values, rows, columns)?)
}

/// sum_t share_t x_t of every clip: x (B*T, c) and a share for each of its rows, to (B, c).
///
/// # Errors
/// Another number of shares.
pub fn picked<F: Float, T: Track<F>>(
    x: &Mat<F, T>,
    share: &[f64],
    steps: usize,
) -> Result<Mat<F, T>> {
    let (rows, columns) = size(x);
    let scaled = share.iter().map(|s| F::of(s * steps as f64));
    let all = scaled.flat_map(|s| std::iter::repeat_n(s, columns));
    let shares = ops::constant(all.collect(), rows, columns)?;
    Ok(ops::mean_over_frames(&ops::multiply(x, &shares)?, steps)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeds::Seeds;
    use nn::NoTape;
    use nn::tensor::matrix;

    fn rng() -> Rng {
        Seeds::new(4).stream("test/stochastic", 0)
    }

    fn both() -> [Variables; 2] {
        [ZKind::Gaussian, ZKind::Categorical(Classes::default())].map(|kind| kind.variables(3))
    }

    #[test]
    fn a_posterior_starts_at_its_prior_and_costs_next_to_nothing() {
        for variables in both() {
            let head: Head<f64> = variables.head(5, 4, 1.0, &mut rng()).unwrap();
            let correction: Head<f64> = variables.head(2, 4, 1.0, &mut rng()).unwrap();
            let x = matrix(vec![0.3; 10], 2, 5).unwrap();
            let prior: Distribution<f64, NoTape> = head.forward(&x).unwrap();
            let nothing = matrix(vec![0.0; 4], 2, 2).unwrap();
            let q = correction.correct(&nothing, &prior).unwrap();
            let kl = values(&q.kl(&prior).unwrap()).to_vec();
            // Gaussians: two sigmas near 1 that come from other biases. Categoricals: the uniform share counts twice.
            assert!(kl.iter().all(|kl| (0.0..1e-2).contains(kl)), "{kl:?}");
        }
    }

    #[test]
    fn modes_are_means_or_ones_at_the_likeliest_classes_and_stored_are_probabilities() {
        let logits = matrix(vec![0.1, 0.9, 0.2, 0.0, 0.0, -1.0], 1, 6).unwrap();
        let own = Classes {
            classes: 3,
            ..Classes::default()
        };
        let d: Distribution<f64, NoTape> =
            Distribution::Categorical(Categorical::new(&logits, 3, 0.01).unwrap(), own);
        assert_eq!(values(&d.mode().unwrap()), [0.0, 1.0, 0.0, 1.0, 0.0, 0.0]);
        let (p, var) = d.stored();
        assert!(var.is_none());
        for own in p.chunks(3) {
            assert!((own.iter().sum::<f64>() - 1.0).abs() < 1e-14, "{own:?}");
        }
        let d: Distribution<f64, NoTape> = both()[0].standard(1).unwrap();
        assert_eq!(values(&d.mode().unwrap()), [0.0; 3]);
        assert_eq!(d.stored(), (vec![0.0; 3], Some(vec![1.0; 3])));
    }

    #[test]
    fn rows_that_are_not_seen_have_the_other_distribution_and_cost_nothing() {
        for variables in both() {
            let head: Head<f64> = variables.head(2, 4, 0.5, &mut rng()).unwrap();
            let x = matrix(vec![3.0, -2.0, 1.0, 4.0], 2, 2).unwrap();
            let q: Distribution<f64, NoTape> = head.forward(&x).unwrap();
            let p = variables.standard(2).unwrap();
            let picked = q.or(&p, [true, false].into_iter()).unwrap();
            let kl = values(&picked.kl(&p).unwrap()).to_vec();
            let whole = values(&q.kl(&p).unwrap()).to_vec();
            assert_eq!(kl, [whole[0], 0.0]);
            assert!(whole[0] > 0.0);
        }
    }

    #[test]
    fn frames_of_a_distribution_stack_to_it() {
        for variables in both() {
            let head: Head<f64> = variables.head(2, 4, 0.5, &mut rng()).unwrap();
            let x = matrix((0..12).map(f64::from).collect(), 6, 2).unwrap();
            let all: Distribution<f64, NoTape> = head.forward(&x).unwrap();
            let frames: Vec<_> = (0..3).map(|t| all.frame(t, 3).unwrap()).collect();
            assert_ne!(frames[0].stored(), frames[1].stored());
            assert_eq!(Distribution::stack(&frames).unwrap().stored(), all.stored());
        }
        let [a, b] = both().map(|v| v.standard::<f64, NoTape>(1).unwrap());
        let message = Distribution::stack(&[a, b]).unwrap_err().to_string();
        assert!(message.contains("a stack"), "{message}");
    }

    #[test]
    fn kinds_that_differ_and_wrong_settings_are_told() {
        let [a, b] = both().map(|v| v.standard::<f64, NoTape>(1).unwrap());
        let message = a.kl(&b).unwrap_err().to_string();
        assert!(
            message.contains("two distributions of one kind"),
            "{message}"
        );
        for (classes, uniform, want) in [
            (
                1,
                0.01,
                "m.kind.categorical.classes: at least 2 expected, got 1",
            ),
            (
                4,
                0.0,
                "m.kind.categorical.uniform: a share between 0 and 1 expected, got 0",
            ),
        ] {
            let own = Classes {
                classes,
                uniform,
                ..Classes::default()
            };
            let message = ZKind::Categorical(own).check("m.kind").unwrap_err();
            assert!(message.to_string().ends_with(want), "{message}");
        }
    }
}
