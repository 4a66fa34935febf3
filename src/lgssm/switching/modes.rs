//! Affine modes, and how probable each is where a state is about to be.

use super::log_sum_exp;
use crate::matrix::{add_outer, add_product, add_scaled};
use crate::model::check_values;
use crate::{Error, Lgssm, Result};
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// K affine modes, with probabilities from J features of the state before:
///
/// ```text
/// f_j = (g_j' m + c_j) / sqrt(1 + pi/8 g_j' P g_j)           for a state N(m, P)
/// p(k | m, P) = softmax_k ( sum over the features j that mode k uses of f_j )
/// ```
///
/// The denominator is the mean of a logistic gate over the uncertainty of its argument (MacKay 1992, eq. 10): as long as nobody knows
/// the velocity, nobody knows the mode, however sharp the gate is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "Stored", try_from = "Stored")]
pub struct Modes {
    latent: usize,
    values: ModesGradient,
    /// (K, J).
    uses: Vec<bool>,
}

/// [`Modes`] in a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    latent: usize,
    matrices: Vec<f64>,
    offsets: Vec<f64>,
    directions: Vec<f64>,
    biases: Vec<f64>,
    uses: Vec<bool>,
}

impl From<Modes> for Stored {
    fn from(modes: Modes) -> Self {
        let v = modes.values;
        Self {
            latent: modes.latent,
            matrices: v.matrices,
            offsets: v.offsets,
            directions: v.directions,
            biases: v.biases,
            uses: modes.uses,
        }
    }
}

impl TryFrom<Stored> for Modes {
    type Error = Error;
    fn try_from(stored: Stored) -> Result<Self> {
        let values = ModesGradient {
            matrices: stored.matrices,
            offsets: stored.offsets,
            directions: stored.directions,
            biases: stored.biases,
        };
        Self::new(stored.latent, values, stored.uses)
    }
}

/// The numbers of [`Modes`], or the gradient in them.
#[derive(Clone, Debug, PartialEq)]
pub struct ModesGradient {
    /// A_k, (K, n, n).
    pub matrices: Vec<f64>,
    /// b_k, (K, n).
    pub offsets: Vec<f64>,
    /// g_j, (J, n).
    pub directions: Vec<f64>,
    /// c_j, (J).
    pub biases: Vec<f64>,
}

impl Modes {
    /// Modes that use the features told by `uses` (K, J).
    ///
    /// # Errors
    /// [`Error::Shape`] names the array whose size does not fit.
    pub fn new(latent: usize, values: ModesGradient, uses: Vec<bool>) -> Result<Self> {
        let features = values.biases.len();
        let modes = values.offsets.len() / latent.max(1);
        for (name, got, want) in [
            ("offsets", values.offsets.len(), modes.max(1) * latent),
            (
                "matrices",
                values.matrices.len(),
                modes.max(1) * latent * latent,
            ),
            ("directions", values.directions.len(), features * latent),
            ("uses", uses.len(), modes.max(1) * features),
        ] {
            if got != want {
                return Err(Error::Shape(format!(
                    "modes: {name} of {want} values expected for {modes} modes with {features} features and {latent} latent dimensions, got {got}"
                )));
            }
        }
        Ok(Self {
            latent,
            values,
            uses,
        })
    }

    /// Modes with a feature of their own each: `uses` is the identity, J = K.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn mixture(latent: usize, values: ModesGradient) -> Result<Self> {
        let modes = values.biases.len();
        let uses = (0..modes * modes)
            .map(|i| i / modes.max(1) == i % modes.max(1))
            .collect();
        Self::new(latent, values, uses)
    }

    /// The one mode of a linear law, whose probability is 1.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn of_law(law: &Lgssm) -> Result<Self> {
        let values = ModesGradient {
            matrices: law.transition_matrix.clone(),
            offsets: law.transition_offset.clone(),
            directions: Vec::new(),
            biases: Vec::new(),
        };
        Self::new(law.latent, values, Vec::new())
    }

    /// The same features with other numbers.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_values(&self, values: ModesGradient) -> Result<Self> {
        Self::new(self.latent, values, self.uses.clone())
    }

    /// Latent dimensions n.
    pub fn latent(&self) -> usize {
        self.latent
    }

    /// Number of modes K.
    pub fn count(&self) -> usize {
        self.values.offsets.len() / self.latent
    }

    /// The numbers.
    pub fn values(&self) -> &ModesGradient {
        &self.values
    }

    /// A_k, (n, n).
    pub fn matrix(&self, mode: usize) -> &[f64] {
        let size = self.latent * self.latent;
        &self.values.matrices[mode * size..][..size]
    }

    /// b_k, (n).
    pub fn offset(&self, mode: usize) -> &[f64] {
        &self.values.offsets[mode * self.latent..][..self.latent]
    }

    pub(super) fn check(&self) -> Result<()> {
        let v = &self.values;
        for (name, values) in [
            ("modes.matrices", &v.matrices),
            ("modes.offsets", &v.offsets),
            ("modes.directions", &v.directions),
            ("modes.biases", &v.biases),
        ] {
            check_values(name, values, values.len())?;
        }
        Ok(())
    }

    /// Zero in every place.
    pub(super) fn zeros(&self) -> ModesGradient {
        let zeros = |v: &[f64]| vec![0.0; v.len()];
        ModesGradient {
            matrices: zeros(&self.values.matrices),
            offsets: zeros(&self.values.offsets),
            directions: zeros(&self.values.directions),
            biases: zeros(&self.values.biases),
        }
    }

    /// Feature j at a state: g_j' m + c_j, the denominator, and P g_j in `spread` (n).
    fn feature(&self, j: usize, mean: &[f64], cov: &[f64], spread: &mut [f64]) -> (f64, f64) {
        let n = self.latent;
        let direction = &self.values.directions[j * n..][..n];
        spread.fill(0.0);
        add_product(spread, cov, direction, n, n);
        let ahead = self.values.biases[j] + dot(direction, mean);
        (ahead, (1.0 + PI / 8.0 * dot(direction, spread)).sqrt())
    }

    /// log p(k | m, P) of every mode into `out` (K), for a mean (n) and a covariance (n, n).
    pub fn log_probabilities(&self, mean: &[f64], cov: &[f64], out: &mut Vec<f64>) {
        let (features, mut spread) = (self.values.biases.len(), vec![0.0; self.latent]);
        out.clear();
        out.resize(self.count(), 0.0);
        for j in 0..features {
            let (ahead, width) = self.feature(j, mean, cov, &mut spread);
            for (k, logit) in out.iter_mut().enumerate() {
                if self.uses[k * features + j] {
                    *logit += ahead / width;
                }
            }
        }
        let total = log_sum_exp(out.iter().copied());
        out.iter_mut().for_each(|l| *l -= total);
    }

    /// Adds to the gradients in the mean (n), the covariance (n, n) and the gate's numbers what the gradients in the logits (K) send back.
    pub(super) fn backward(
        &self,
        mean: &[f64],
        cov: &[f64],
        of_logits: &[f64],
        of_mean: &mut [f64],
        of_cov: &mut [f64],
        of_modes: &mut ModesGradient,
    ) {
        let (n, features) = (self.latent, self.values.biases.len());
        let mut spread = vec![0.0; n];
        for j in 0..features {
            let of_feature: f64 = of_logits
                .iter()
                .enumerate()
                .filter(|(k, _)| self.uses[k * features + j])
                .map(|(_, g)| g)
                .sum();
            if of_feature == 0.0 {
                continue;
            }
            let (ahead, width) = self.feature(j, mean, cov, &mut spread);
            let direction = &self.values.directions[j * n..][..n];
            let of_ahead = of_feature / width;
            // d (1/width) = -pi/16 width^-3 d(g' P g).
            let of_square = -PI / 16.0 * of_feature * ahead / (width * width * width);
            add_scaled(of_mean, of_ahead, direction);
            add_outer(of_cov, of_square, direction, direction, n, n);
            let into = &mut of_modes.directions[j * n..][..n];
            add_scaled(into, of_ahead, mean);
            add_scaled(into, 2.0 * of_square, &spread);
            of_modes.biases[j] += of_ahead;
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
