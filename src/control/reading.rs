//! What a place is in terms of a state: an affine read-out, and how far places usually are from their mean.

use super::Aim;
use crate::error::{Error, Result};
use crate::measure::regression::Readout;
use crate::models::StateSpaceModel;
use nalgebra::{DMatrix, DVector};

/// y = M z + c.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    matrix: DMatrix<f64>,
    offset: DVector<f64>,
    /// Root mean square of a component of y - mean y.
    spread: f64,
}

impl Reading {
    /// How far a place usually is from the mean.
    pub fn spread(&self) -> f64 {
        self.spread
    }

    /// Some of the columns of a state of `width`; `spread` as in [`spread`].
    pub fn of_columns(place: &[usize], width: usize, spread: f64) -> Self {
        let entry = |i: usize, j: usize| f64::from(u8::from(place[i] == j));
        Self {
            matrix: DMatrix::from_fn(place.len(), width, entry),
            offset: DVector::zeros(place.len()),
            spread,
        }
    }

    /// Some of the targets of a fitted read-out.
    pub fn of_readout(readout: &Readout, place: &[usize], spread: f64) -> Self {
        let (m, c) = readout.affine();
        Self {
            matrix: DMatrix::from_fn(place.len(), m.ncols(), |i, j| m[(place[i], j)]),
            offset: DVector::from_iterator(place.len(), place.iter().map(|&j| c[j])),
            spread,
        }
    }

    /// The codes C z + d that a model expects of a state, which codes of training frames (rows, p) tell the spread of.
    ///
    /// # Errors
    /// [`Error::Shape`] for a model without one linear law.
    pub fn of_codes(space: &dyn StateSpaceModel<f32>, codes: &[f64]) -> Result<Self> {
        let law = space.law();
        let n = law
            .map(|law| law.latent)
            .ok_or_else(|| Error::Shape("control: a model with one linear law expected".into()))?;
        let offset = space.emit(&vec![0.0; n]);
        let column = |j: usize| {
            let unit: Vec<f64> = (0..n).map(|i| f64::from(u8::from(i == j))).collect();
            space.emit(&unit)
        };
        let columns: Vec<Vec<f64>> = (0..n).map(column).collect();
        let rows: Vec<&[f64]> = codes.chunks_exact(offset.len().max(1)).collect();
        Ok(Self {
            matrix: DMatrix::from_fn(offset.len(), n, |i, j| columns[j][i] - offset[i]),
            spread: spread(&rows),
            offset: DVector::from_vec(offset),
        })
    }

    /// To be at y = `target`, where actions are usually of the size `scale` and cost `effort` at that.
    pub fn aim(&self, target: Vec<f64>, effort: f64, scale: &[f64]) -> Aim {
        Aim {
            matrix: self.matrix.clone(),
            offset: self.offset.clone(),
            target: DVector::from_vec(target),
            spread: self.spread,
            effort,
            scale: scale.to_vec(),
        }
    }
}

/// Root mean square of the components of rows less their means, over the rows that are known; 1 where nothing varies.
pub fn spread(rows: &[&[f64]]) -> f64 {
    let known = || rows.iter().filter(|row| row.iter().all(|v| v.is_finite()));
    let width = rows.first().map_or(1, |row| row.len());
    let n = (known().count() as f64).max(1.0);
    let of = |j: usize| {
        let mean = known().map(|row| row[j]).sum::<f64>() / n;
        known().map(|row| (row[j] - mean).powi(2)).sum::<f64>() / n
    };
    match ((0..width).map(of).sum::<f64>() / width as f64).sqrt() {
        spread if spread > 0.0 => spread,
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_that_of_known_rows() {
        let rows: [&[f64]; 4] = [&[1.0, 7.0], &[3.0, 7.0], &[f64::NAN, 0.0], &[2.0, 7.0]];
        // variance (1 + 1 + 0) / 3 in one of two columns
        assert!((spread(&rows) - f64::sqrt(1.0 / 3.0)).abs() < 1e-15);
        assert_eq!(spread(&[&[2.0], &[2.0]]), 1.0);
    }

    #[test]
    fn columns_of_a_state_are_read_as_they_are() {
        let aim = Reading::of_columns(&[2, 0], 3, 2.0).aim(vec![5.0, 1.0], 0.0, &[1.0]);
        // (4 - 5)^2 + (3 - 1)^2, over 2^2
        assert!((aim.cost(&[3.0, 9.0, 4.0], &[0.0]) - 1.25).abs() < 1e-15);
    }
}
