//! The precision of the code noise among the components that are seen.

use super::batch::{Seen, Sequence};
use crate::Result;
use nalgebra::DMatrix;

/// R^-1 of the seen components, zero elsewhere, so that C and a may be used whole.
pub(super) struct Precision {
    /// (p, p); its change is dW = -W dR W.
    pub matrix: DMatrix<f64>,
    /// ln |R| of the seen components.
    pub log_determinant: f64,
    /// How many are seen.
    pub count: usize,
}

impl Precision {
    /// At frame t of a sequence.
    ///
    /// # Errors
    /// A block of R that is not positive definite.
    pub fn at(sequence: &Sequence, t: usize) -> Result<Self> {
        let p = sequence.model.code;
        let seen: Vec<usize> = match sequence.seen(t) {
            Seen::Nothing => vec![],
            Seen::All => (0..p).collect(),
            Seen::Some(mask) => (0..p).filter(|&i| mask[i]).collect(),
        };
        let cov = &sequence.model.emission_cov;
        let own = DMatrix::from_fn(seen.len(), seen.len(), |i, j| cov[seen[i] * p + seen[j]]);
        let mut matrix = DMatrix::zeros(p, p);
        if seen.is_empty() {
            return Ok(Self {
                matrix,
                log_determinant: 0.0,
                count: 0,
            });
        }
        let root = own.cholesky().ok_or_else(|| {
            sequence.numeric(
                t,
                "emission_cov of the components seen is not positive definite",
            )
        })?;
        let inverse = root.inverse();
        for (i, &row) in seen.iter().enumerate() {
            for (j, &column) in seen.iter().enumerate() {
                matrix[(row, column)] = inverse[(i, j)];
            }
        }
        Ok(Self {
            matrix,
            log_determinant: 2.0 * root.l_dirty().diagonal().map(f64::ln).sum(),
            count: seen.len(),
        })
    }
}

/// A row-major block as a matrix.
pub(super) fn dense(rows: usize, columns: usize, values: &[f64]) -> DMatrix<f64> {
    DMatrix::from_row_slice(rows, columns, &values[..rows * columns])
}

/// `to` (row-major) += scale x.
pub(super) fn add(to: &mut [f64], scale: f64, x: &DMatrix<f64>) {
    let columns = x.ncols();
    for (i, to) in to.iter_mut().enumerate() {
        *to += scale * x[(i / columns, i % columns)];
    }
}
