//! The affine map from latents to states by least squares, refitted cheaply for every bootstrap draw, and what it makes
//! of a law of motion.

use super::arrays::{at, sizes};
use crate::array::Array;
use crate::error::{Error, Result};
use nalgebra::{Cholesky, DMatrix, DVector, Schur};

/// Below this ratio of singular values a map counts as singular: f64 leaves six digits of the entries.
const SINGULAR: f64 = 1e-10;

/// Per-sequence sums of the normal equations of s = M z + c, z standardised.
#[derive(Clone, Debug)]
pub struct AffineSums {
    mean: DVector<f64>,
    std: DVector<f64>,
    /// Σ_t (z̃, 1)(z̃, 1)' per sequence.
    squares: Vec<DMatrix<f64>>,
    /// Σ_t (z̃, 1) s' per sequence.
    cross: Vec<DMatrix<f64>>,
}

impl AffineSums {
    /// Sums over latents (N, T, n) and states (N, T, D), of the frames whose states are all known (not NaN).
    ///
    /// # Errors
    /// [`Error::Shape`] when the sequences or frames differ.
    pub fn new(latents: &Array, states: &Array) -> Result<Self> {
        let ([count, frames, n], [m, u, _]) = (sizes(latents), sizes(states));
        if (count, frames) != (m, u) || count * frames == 0 {
            let (a, b) = (latents.shape(), states.shape());
            return Err(Error::Shape(format!(
                "affine map: latents {a:?} and states {b:?} do not fit"
            )));
        }
        let known = |i: usize, t: usize| !at(states, i, t).iter().any(|v| v.is_nan());
        let place = |k: usize| DVector::from_row_slice(at(latents, k / frames, k % frames));
        let all = (0..count * frames).filter(|k| known(k / frames, k % frames));
        let rows = (all.clone().count() as f64).max(1.0);
        let mean = all.clone().fold(DVector::zeros(n), |sum, k| sum + place(k)) / rows;
        let square = |k: usize| (place(k) - &mean).map(|v| v * v);
        let var: DVector<f64> = all.fold(DVector::zeros(n), |sum, k| sum + square(k)) / rows;
        let std = var.map(|v| if v > 0.0 { v.sqrt() } else { 1.0 });
        let (mut squares, mut cross) = (Vec::new(), Vec::new());
        for i in 0..count {
            let shown: Vec<usize> = (0..frames).filter(|&t| known(i, t)).collect();
            let z = DMatrix::from_fn(n + 1, shown.len(), |j, k| match j {
                j if j < n => (at(latents, i, shown[k])[j] - mean[j]) / std[j],
                _ => 1.0,
            });
            let width = sizes(states)[2];
            let s = DMatrix::from_fn(shown.len(), width, |k, j| at(states, i, shown[k])[j]);
            squares.push(&z * z.transpose());
            cross.push(&z * s);
        }
        Ok(Self {
            mean,
            std,
            squares,
            cross,
        })
    }

    /// Number of sequences, N.
    pub fn sequences(&self) -> usize {
        self.squares.len()
    }

    /// Least-squares M (D, n) and c (D) of the drawn sequences; None when the latents do not span n dimensions.
    pub fn fit(&self, drawn: &[u32]) -> Option<(DMatrix<f64>, DVector<f64>)> {
        let n = self.mean.len();
        let (mut square, mut cross) = (self.squares[0].map(|_| 0.0), self.cross[0].map(|_| 0.0));
        for &i in drawn {
            square += &self.squares[i as usize];
            cross += &self.cross[i as usize];
        }
        let factor = Cholesky::new(square)?;
        let pivots = factor.l_dirty().diagonal();
        if pivots.min() < SINGULAR.sqrt() * pivots.max() {
            return None;
        }
        let weights = factor.solve(&cross).transpose(); // (D, n + 1)
        let scale = DMatrix::from_diagonal(&self.std.map(|s| 1.0 / s));
        let m = weights.columns(0, n) * scale;
        let c = weights.column(n) - &m * &self.mean;
        Some((m, c))
    }
}

/// A law z' = A z + b in the coordinates s = M z + c: A_s = M A M⁺, b_s = M b + c − A_s c. None when M has not full rank.
pub fn carry(
    m: &DMatrix<f64>,
    c: &DVector<f64>,
    a: &DMatrix<f64>,
    b: &DVector<f64>,
) -> Option<(DMatrix<f64>, DVector<f64>)> {
    // Units differ by column, so rank is judged after scaling every row of M to length 1.
    let lengths = DVector::from_iterator(m.nrows(), m.row_iter().map(|row| row.norm()));
    if lengths.min() <= 0.0 {
        return None;
    }
    let scaled = DMatrix::from_diagonal(&lengths.map(|l| 1.0 / l)) * m;
    let svd = scaled.svd(true, true);
    if svd.singular_values.min() < SINGULAR.sqrt() * svd.singular_values.max() {
        return None;
    }
    let inverse = svd.pseudo_inverse(0.0).ok()? * DMatrix::from_diagonal(&lengths.map(|l| 1.0 / l));
    let a_s = m * a * inverse;
    let b_s = m * b + c - &a_s * c;
    Some((a_s, b_s))
}

/// Eigenvalues (re, im), largest modulus first.
///
/// # Errors
/// [`Error::Numeric`] when the Schur iteration does not end.
pub fn eigenvalues(a: &DMatrix<f64>) -> Result<Vec<(f64, f64)>> {
    let Some(schur) = Schur::try_new(a.clone(), f64::EPSILON, 10_000) else {
        return Err(Error::Numeric(format!(
            "law: eigenvalues of A (norm {:e}) do not converge",
            a.norm()
        )));
    };
    let mut all: Vec<(f64, f64)> = schur
        .complex_eigenvalues()
        .iter()
        .map(|v| (v.re, v.im))
        .collect();
    all.sort_by(|p, q| {
        q.0.hypot(q.1)
            .total_cmp(&p.0.hypot(p.1))
            .then(q.1.total_cmp(&p.1))
    });
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotation_has_eigenvalues_on_the_unit_circle_at_its_angle() {
        let (s, c) = 0.3f64.sin_cos();
        let found = eigenvalues(&DMatrix::from_row_slice(2, 2, &[c, -s, s, c])).unwrap();
        assert!(
            (found[0].0 - c).abs() < 1e-12 && (found[0].1 - s).abs() < 1e-12,
            "{found:?}"
        );
    }

    #[test]
    fn surplus_latent_dimensions_do_not_change_the_carried_law() {
        // s = z[0..2]; a third dimension that decays on its own.
        let m = DMatrix::from_row_slice(2, 3, &[1., 0., 0., 0., 1., 0.]);
        let a = DMatrix::from_row_slice(3, 3, &[1., 0.2, 0., 0., 1., 0., 0., 0., 0.5]);
        let zero = DVector::zeros(2);
        let (carried, offset) = carry(&m, &zero, &a, &DVector::zeros(3)).unwrap();
        let want = DMatrix::from_row_slice(2, 2, &[1., 0.2, 0., 1.]);
        assert!((carried - want).amax() < 1e-14 && offset.amax() < 1e-14);
    }
}
