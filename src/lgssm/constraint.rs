//! Transition matrices of a kind, each as a smooth function of free parameters, with its gradient.

use super::packed;
use crate::{Error, Result};
use nalgebra::DMatrix;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which transition matrices A a law may have. Every value of the parameters gives a matrix of the kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Constraint {
    /// Any matrix; the parameters are its entries.
    #[default]
    Free,
    /// Spectral radius below 1:
    ///
    /// ```text
    /// H = L L' + 1e-8 I = [[H1, F'], [F, P]],    E = (H1 + P + Y - Y') / 2,    A = E^-1 F
    /// ```
    ///
    /// with a packed root L (2n, 2n) and Y strictly lower triangular. H > 0 gives F' P^-1 F < H1 = E + E' - P <= E' P^-1 E, so
    /// |P^{-1/2} E z| falls at every step. Every matrix with spectral radius below 1 is reached (the linear case of Revay, Wang &
    /// Manchester 2021).
    SpectralRadius,
    /// A rotation times a decay: A = (I - S)^-1 (I + S) diag(sigmoid(d)), S skew-symmetric. Singular values are sigmoid(d).
    OrthogonalDecay,
    /// Newton's law for positions and velocities: the upper half of A is [I, dt I], the lower half, accelerations, is free.
    Newtonian {
        /// Time between frames, in the unit of the velocities. With 1 a velocity is a displacement per frame.
        #[serde(default = "one")]
        #[schemars(extend("exclusiveMinimum" = 0))]
        dt: f64,
    },
}

/// Largest spectral radius that a stable law starts with: at 1 the parameters are infinite.
const RADIUS_AT_START: f64 = 0.98;
/// Slowest decay that a rotation starts with, for the same reason.
const DECAY_AT_START: f64 = 0.99;

impl Constraint {
    /// As an experiment file calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::SpectralRadius => "spectral_radius",
            Self::OrthogonalDecay => "orthogonal_decay",
            Self::Newtonian { .. } => "newtonian",
        }
    }

    /// Names of the parts of the parameters and their sizes, in order, for an (n, n) matrix.
    pub fn parts(&self, n: usize) -> Vec<(&'static str, usize)> {
        match self {
            Self::Free => vec![("matrix", n * n)],
            Self::SpectralRadius => vec![
                ("bounded_root", n * (2 * n + 1)),
                ("bounded_skew", skews(n)),
            ],
            Self::OrthogonalDecay => vec![("rotation", skews(n)), ("decay", n)],
            Self::Newtonian { .. } => vec![("acceleration", n / 2 * n)],
        }
    }

    /// Checks that matrices of n dimensions can be of the kind.
    ///
    /// # Errors
    /// [`Error::Config`] names the key under `at`, what was expected and got.
    pub fn check(&self, at: &str, n: usize) -> Result<()> {
        let wrong = |what: &str, got: String| {
            Err(Error::Config(format!(
                "{at}.newtonian{what} expected, got {got}"
            )))
        };
        match self {
            Self::Newtonian { dt } if !(dt.is_finite() && *dt > 0.0) => {
                wrong(".dt: a positive number", dt.to_string())
            }
            Self::Newtonian { .. } if !n.is_multiple_of(2) => {
                wrong(": an even number of latent dimensions", n.to_string())
            }
            _ => Ok(()),
        }
    }

    /// A, (n, n), of these parameters.
    ///
    /// # Errors
    /// [`Error::Numeric`] for parameters that are not finite.
    pub fn matrix(&self, parameters: &[f64], n: usize) -> Result<Vec<f64>> {
        match self {
            Self::Free => Ok(parameters.to_vec()),
            Self::SpectralRadius => Stable::new(parameters, n)?.matrix(),
            Self::OrthogonalDecay => {
                let (rotation, decay) = parameters.split_at(skews(n));
                let rotation = cayley(rotation, n)?.0;
                let scaled = DMatrix::from_fn(n, n, |i, j| rotation[(i, j)] * sigmoid(decay[j]));
                Ok(rows(&scaled))
            }
            Self::Newtonian { dt } => {
                let mut matrix = vec![0.0; n / 2 * n];
                for i in 0..n / 2 {
                    matrix[i * n + i] = 1.0;
                    matrix[i * n + n / 2 + i] = *dt;
                }
                matrix.extend(parameters);
                Ok(matrix)
            }
        }
    }

    /// Gradient in the parameters from that in A, (n, n).
    ///
    /// # Errors
    /// As [`Self::matrix`].
    pub fn gradient(&self, parameters: &[f64], gradient: &[f64], n: usize) -> Result<Vec<f64>> {
        match self {
            Self::Free => Ok(gradient.to_vec()),
            Self::SpectralRadius => Stable::new(parameters, n)?.gradient(gradient),
            Self::OrthogonalDecay => {
                let (skew, decay) = parameters.split_at(skews(n));
                let (rotation, solved) = cayley(skew, n)?;
                let given = DMatrix::from_row_slice(n, n, gradient);
                let scaled = DMatrix::from_fn(n, n, |i, j| given[(i, j)] * sigmoid(decay[j]));
                // dO = (I - S)^-1 dS (O + I)
                let plus = &rotation + DMatrix::identity(n, n);
                let mut out = skew_gradient(&(solved.transpose() * scaled * plus.transpose()));
                out.extend((0..n).map(|j| {
                    let d = sigmoid(decay[j]);
                    d * (1.0 - d) * rotation.column(j).dot(&given.column(j))
                }));
                Ok(out)
            }
            Self::Newtonian { .. } => Ok(gradient[n / 2 * n..].to_vec()),
        }
    }

    /// Parameters whose A is close to `matrix` (n, n): the same where it is of the kind; else scaled down to be stable, its polar factor
    /// with its column norms for decays, or its lower half.
    ///
    /// # Errors
    /// [`Error::Numeric`] for a matrix that is not finite, or where a rotation by half a turn is needed.
    pub fn start(&self, matrix: &[f64], n: usize) -> Result<Vec<f64>> {
        if matrix.iter().any(|x| !x.is_finite()) {
            return Err(Error::Numeric(
                "transition matrix to start from is not finite".into(),
            ));
        }
        let given = DMatrix::from_row_slice(n, n, matrix);
        match self {
            Self::Free => Ok(matrix.to_vec()),
            Self::SpectralRadius => {
                let radius = given
                    .complex_eigenvalues()
                    .iter()
                    .fold(0.0_f64, |r, e| r.max(e.norm()));
                let scale = (RADIUS_AT_START / radius.max(1e-300)).min(1.0);
                Stable::start(&(given * scale))
            }
            Self::OrthogonalDecay => {
                let no_rotation = || {
                    Error::Numeric("orthogonal_decay: no rotation close to the start".to_string())
                };
                let svd = given.clone().svd(true, true);
                let (mut u, v_t) = svd.u.zip(svd.v_t).ok_or_else(no_rotation)?;
                if (&u * &v_t).determinant() < 0.0 {
                    u.column_mut(n - 1).neg_mut(); // of the smallest singular value
                }
                let rotation = u * v_t;
                let eye = DMatrix::identity(n, n);
                let plus = (&rotation + &eye).try_inverse().ok_or_else(no_rotation)?;
                let skew = (rotation - eye) * plus;
                let mut out: Vec<f64> = lower(n).map(|(i, j)| skew[(i, j)]).collect();
                out.extend(given.column_iter().map(|column| {
                    let decay = column.norm().clamp(1.0 - DECAY_AT_START, DECAY_AT_START);
                    (decay / (1.0 - decay)).ln()
                }));
                Ok(out)
            }
            Self::Newtonian { .. } => Ok(matrix[n / 2 * n..].to_vec()),
        }
    }
}

fn one() -> f64 {
    1.0
}

/// Number of entries below the diagonal.
fn skews(n: usize) -> usize {
    n * n.saturating_sub(1) / 2
}

/// Places below the diagonal, by rows.
fn lower(n: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n).flat_map(|i| (0..i).map(move |j| (i, j)))
}

/// The skew-symmetric matrix with these entries below its diagonal.
fn skew(entries: &[f64], n: usize) -> DMatrix<f64> {
    let mut matrix = DMatrix::zeros(n, n);
    for ((i, j), &s) in lower(n).zip(entries) {
        matrix[(i, j)] = s;
        matrix[(j, i)] = -s;
    }
    matrix
}

/// Gradient in the entries below the diagonal of a skew-symmetric matrix from that in the matrix.
fn skew_gradient(gradient: &DMatrix<f64>) -> Vec<f64> {
    lower(gradient.nrows())
        .map(|(i, j)| gradient[(i, j)] - gradient[(j, i)])
        .collect()
}

/// O = (I - S)^-1 (I + S), orthogonal with determinant 1, and (I - S)^-1.
fn cayley(entries: &[f64], n: usize) -> Result<(DMatrix<f64>, DMatrix<f64>)> {
    let (s, eye) = (skew(entries, n), DMatrix::identity(n, n));
    let solved = (&eye - &s)
        .try_inverse()
        .ok_or_else(|| Error::Numeric("orthogonal_decay: rotation is not finite".to_string()))?;
    Ok((&solved * (eye + s), solved))
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn rows(matrix: &DMatrix<f64>) -> Vec<f64> {
    matrix.transpose().data.into()
}

/// [`Constraint::SpectralRadius`] at some parameters.
struct Stable<'a> {
    n: usize,
    root: &'a [f64],
    /// E^-1.
    inverse: DMatrix<f64>,
    /// A.
    value: DMatrix<f64>,
}

impl<'a> Stable<'a> {
    fn new(parameters: &'a [f64], n: usize) -> Result<Self> {
        let (root, y) = parameters.split_at(n * (2 * n + 1));
        let h = DMatrix::from_row_slice(2 * n, 2 * n, &packed::covariance(root, 2 * n));
        let block = |i: usize, j: usize| h.view((i * n, j * n), (n, n)).into_owned();
        let e = (block(0, 0) + block(1, 1) + skew(y, n)) * 0.5;
        let inverse = e
            .try_inverse()
            .filter(|e| e.iter().all(|x| x.is_finite()))
            .ok_or_else(|| {
                Error::Numeric("spectral_radius: transition matrix is not finite".to_string())
            })?;
        let value = &inverse * block(1, 0);
        Ok(Self {
            n,
            root,
            inverse,
            value,
        })
    }

    fn matrix(&self) -> Result<Vec<f64>> {
        Ok(rows(&self.value))
    }

    /// dA = E^-1 (dF - dE A).
    fn gradient(&self, gradient: &[f64]) -> Result<Vec<f64>> {
        let n = self.n;
        let in_f = self.inverse.transpose() * DMatrix::from_row_slice(n, n, gradient);
        let in_e = -&in_f * self.value.transpose() * 0.5;
        let diagonal = (&in_e + in_e.transpose()) * 0.5;
        let mut in_h = DMatrix::zeros(2 * n, 2 * n);
        for (at, block) in [
            ((0, 0), &diagonal),
            ((n, n), &diagonal),
            ((n, 0), &(&in_f * 0.5)),
            ((0, n), &(in_f.transpose() * 0.5)),
        ] {
            in_h.view_mut(at, (n, n)).copy_from(block);
        }
        let mut out = packed::root_gradient(self.root, &rows(&in_h), 2 * n);
        out.extend(skew_gradient(&in_e));
        Ok(out)
    }

    /// P = sum_k A'^k A^k solves P - A' P A = I; then E = P, F = P A, scaled so that entries are of order one.
    fn start(matrix: &DMatrix<f64>) -> Result<Vec<f64>> {
        let n = matrix.nrows();
        let (mut power, mut p) = (matrix.clone(), DMatrix::identity(n, n));
        for _ in 0..12 {
            p += power.transpose() * &p * &power; // twice as many terms
            power = &power * &power;
        }
        p = (&p + p.transpose()) * 0.5;
        p /= p.diagonal().iter().product::<f64>().powf(1.0 / n as f64);
        let f = &p * matrix;
        let mut h = DMatrix::zeros(2 * n, 2 * n);
        for (at, block) in [((0, 0), &p), ((n, n), &p), ((n, 0), &f)] {
            h.view_mut(at, (n, n)).copy_from(block);
        }
        h.view_mut((0, n), (n, n)).copy_from(&f.transpose());
        let mut out = packed::pack("spectral_radius: the start", &rows(&h), 2 * n)?;
        out.extend(vec![0.0; skews(n)]);
        Ok(out)
    }
}

#[cfg(test)]
mod tests;
