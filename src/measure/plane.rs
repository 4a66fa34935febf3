//! The plane that latent codes are shown in.

use super::arrays::{at, sizes};
use crate::array::Array;
use nalgebra::{DMatrix, DVector, SymmetricEigen};

/// Four digits behind the point: finer than any figure, and a small file.
pub fn short(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

/// The plane that codes are shown in: the two code dimensions, or the first two principal axes of more.
pub struct Plane {
    mean: DVector<f64>,
    /// (2, p).
    pub axes: DMatrix<f64>,
    principal: bool,
}

impl Plane {
    /// The plane of codes (N, T, p), p at least 2.
    pub fn of(codes: &Array) -> Self {
        let [n, total, p] = sizes(codes);
        if p == 2 {
            return Self {
                mean: DVector::zeros(2),
                axes: DMatrix::identity(2, 2),
                principal: false,
            };
        }
        let rows = (n * total) as f64;
        let all =
            || (0..n * total).map(|k| DVector::from_row_slice(at(codes, k / total, k % total)));
        let mean = all().fold(DVector::zeros(p), |sum, z| sum + z) / rows;
        let cov = all().fold(DMatrix::zeros(p, p), |sum, z| {
            let z = z - &mean;
            sum + &z * z.transpose()
        }) / rows;
        let eigen = SymmetricEigen::new(cov);
        let mut order: Vec<usize> = (0..p).collect();
        order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
        let axis = |k: usize| {
            let axis = eigen.eigenvectors.column(order[k]).into_owned();
            // An eigenvector's sign is arbitrary: its largest entry is made positive.
            let sign = axis[axis.iamax()].signum();
            (axis * sign).transpose()
        };
        Self {
            mean,
            axes: DMatrix::from_rows(&[axis(0), axis(1)]),
            principal: true,
        }
    }

    /// Where a code lies in the plane.
    pub fn place(&self, code: &[f64]) -> (f64, f64) {
        let at = &self.axes * (DVector::from_row_slice(code) - &self.mean);
        (short(at[0]), short(at[1]))
    }

    /// Labels of the plane's axes.
    pub fn labels(&self) -> (String, String) {
        let kind = if self.principal {
            "principal axis of codes"
        } else {
            "code"
        };
        (format!("{kind} 1"), format!("{kind} 2"))
    }
}
