//! Parameters of a time-invariant linear-Gaussian state-space model, and the check that they make sense.

use super::matrix::cholesky;
use crate::{Error, Result};

/// Parameters of a time-invariant model, row-major; letters and time convention as told in [the module](super).
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Lgssm {
    /// Latent dimensions n.
    pub latent: usize,
    /// Code dimensions p.
    pub code: usize,
    /// A, (n, n).
    pub transition_matrix: Vec<f64>,
    /// b, (n).
    pub transition_offset: Vec<f64>,
    /// Q, (n, n), positive definite.
    pub transition_cov: Vec<f64>,
    /// C, (p, n).
    pub emission_matrix: Vec<f64>,
    /// d, (p).
    pub emission_offset: Vec<f64>,
    /// R, (p, p), positive definite.
    pub emission_cov: Vec<f64>,
    /// mu_0, (n).
    pub initial_mean: Vec<f64>,
    /// Sigma_0, (n, n), positive definite.
    pub initial_cov: Vec<f64>,
}

/// Upper triangular roots U (U'U = the covariance) of the three covariances of a model.
pub(super) struct Roots {
    /// Root of Sigma_0, (n, n).
    pub initial: Vec<f64>,
    /// Root of Q, (n, n).
    pub transition: Vec<f64>,
    /// Root of R, (p, p).
    pub emission: Vec<f64>,
}

impl Lgssm {
    /// Checks sizes, that every number is finite, and that the covariances are symmetric and positive definite.
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::Numeric`], naming the parameter, what was expected and what was got.
    pub fn check(&self) -> Result<()> {
        self.roots().map(|_| ())
    }

    /// C z + d of every state: (rows, n) to (rows, p).
    pub fn emit(&self, states: &[f64]) -> Vec<f64> {
        let (n, p) = (self.latent, self.code);
        let rows = self.emission_matrix.chunks_exact(n);
        states
            .chunks_exact(n)
            .flat_map(|z| {
                rows.clone()
                    .zip(&self.emission_offset)
                    .take(p)
                    .map(move |(row, d)| row.iter().zip(z).map(|(c, z)| c * z).sum::<f64>() + d)
            })
            .collect()
    }

    /// [`Self::check`], and the roots it found.
    pub(super) fn roots(&self) -> Result<Roots> {
        let (n, p) = (self.latent, self.code);
        if n == 0 || p == 0 {
            return Err(Error::Shape(format!(
                "lgssm: latent and code dimensions must be at least 1, got {n} and {p}"
            )));
        }
        for (name, values, size) in [
            ("transition_matrix", &self.transition_matrix, n * n),
            ("transition_offset", &self.transition_offset, n),
            ("transition_cov", &self.transition_cov, n * n),
            ("emission_matrix", &self.emission_matrix, p * n),
            ("emission_offset", &self.emission_offset, p),
            ("emission_cov", &self.emission_cov, p * p),
            ("initial_mean", &self.initial_mean, n),
            ("initial_cov", &self.initial_cov, n * n),
        ] {
            check_values(name, values, size)?;
        }
        Ok(Roots {
            initial: root_of("initial_cov", &self.initial_cov, n)?,
            transition: root_of("transition_cov", &self.transition_cov, n)?,
            emission: root_of("emission_cov", &self.emission_cov, p)?,
        })
    }
}

/// Checks the length of one argument and that all of it is finite.
pub(super) fn check_values(name: &str, values: &[f64], size: usize) -> Result<()> {
    if values.len() != size {
        return Err(Error::Shape(format!(
            "lgssm: {name} wants {size} values, got {}",
            values.len()
        )));
    }
    match values.iter().position(|x| !x.is_finite()) {
        None => Ok(()),
        Some(i) => Err(Error::Numeric(format!(
            "lgssm: {name} is not finite: value {i} is {}",
            values[i]
        ))),
    }
}

/// Upper Cholesky root of a covariance that must be symmetric (to 1e-9 of its largest entry, what survives an f32 round trip
/// of both halves by the same route) and positive definite.
pub(super) fn root_of(name: &str, cov: &[f64], n: usize) -> Result<Vec<f64>> {
    let largest = cov.iter().fold(0.0_f64, |a, x| a.max(x.abs()));
    for i in 0..n {
        for j in 0..i {
            let (a, b) = (cov[i * n + j], cov[j * n + i]);
            if (a - b).abs() > 1e-9 * largest {
                return Err(Error::Numeric(format!(
                    "lgssm: {name} is not symmetric: entry ({i}, {j}) is {a}, entry ({j}, {i}) is {b}"
                )));
            }
        }
    }
    let mut root = vec![0.0; n * n];
    cholesky(&mut root, cov, n).map_err(|(i, pivot)| {
        Error::Numeric(format!(
            "lgssm: {name} is not positive definite: pivot {i} is {pivot:e}"
        ))
    })?;
    Ok(root)
}
