//! Expected least squares: W minimises sum E|y - W x|^2 for random y and x.

use crate::{Error, Result};
use nalgebra::DMatrix;

/// Sums of expected products.
pub(super) struct Regression {
    name: &'static str,
    /// sum E[x x'], (k, k).
    xx: DMatrix<f64>,
    /// sum E[x y'], (k, m).
    xy: DMatrix<f64>,
}

impl Regression {
    /// y of `m` on x of `k` values.
    pub(super) fn new(name: &'static str, k: usize, m: usize) -> Self {
        Self {
            name,
            xx: DMatrix::zeros(k, k),
            xy: DMatrix::zeros(k, m),
        }
    }

    /// Adds one case: E[x x'] and E[x y'].
    pub(super) fn add(&mut self, xx: &DMatrix<f64>, xy: &DMatrix<f64>) {
        self.xx += xx;
        self.xy += xy;
    }

    /// W, (m, k).
    ///
    /// # Errors
    /// [`Error::Numeric`] when sum E[x x'] is singular: too few cases, or regressors that depend on each other.
    pub(super) fn solve(self) -> Result<DMatrix<f64>> {
        let Some(root) = self.xx.cholesky() else {
            return Err(Error::Numeric(format!(
                "lgssm: EM: the second moment of the regressors of the {} is singular",
                self.name
            )));
        };
        Ok(root.solve(&self.xy).transpose())
    }
}
