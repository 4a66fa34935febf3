//! What is to be reached: a place, given as an affine read-out of the state and its value there.

use crate::error::{Error, Result};
use nalgebra::{DMatrix, DVector};

/// What it costs to be in z and to do u:
///
/// ```text
/// |y - y*|^2 / spread^2 + effort sum_j (u_j / scale_j)^2,   y = M z + c
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Aim {
    /// M, (m, n).
    pub matrix: DMatrix<f64>,
    /// c, (m).
    pub offset: DVector<f64>,
    /// y*, (m).
    pub target: DVector<f64>,
    /// How far y usually is from its mean: distances count in units of it.
    pub spread: f64,
    /// What an action of usual size costs beside a distance of one spread.
    pub effort: f64,
    /// Usual size of every component of an action, (k).
    pub scale: Vec<f64>,
}

impl Aim {
    /// Of one state (n) and the action (k) that is taken there.
    pub fn cost(&self, state: &[f64], action: &[f64]) -> f64 {
        let mut off = 0.0;
        for i in 0..self.matrix.nrows() {
            let row = self.matrix.row(i);
            let y: f64 = row.iter().zip(state).map(|(m, z)| m * z).sum();
            off += (y + self.offset[i] - self.target[i]).powi(2);
        }
        let each = action.iter().zip(&self.scale);
        let work: f64 = each.map(|(u, s)| (u / s).powi(2)).sum();
        off / (self.spread * self.spread) + self.effort * work
    }

    /// Of futures (draws S, candidates C, H + 1, n), whose frame 0 is now, under actions (C, H, k): the sum over the H
    /// frames to come and the actions before them, the mean over draws, for each candidate.
    ///
    /// # Errors
    /// [`Error::Shape`] for sizes that do not fit.
    pub fn costs(&self, futures: &[f64], actions: &[f64], horizon: usize) -> Result<Vec<f64>> {
        let (n, k) = (self.matrix.ncols(), self.scale.len());
        let (path, row) = ((horizon + 1) * n, horizon * k);
        let candidates = actions.len() / row.max(1);
        if row == 0
            || actions.len() != candidates * row
            || candidates == 0
            || !futures.len().is_multiple_of(candidates * path)
        {
            return Err(Error::Shape(format!(
                "aim: futures of {n} dimensions over {horizon} frames and {k} actions expected, got {} and {} values",
                futures.len(),
                actions.len()
            )));
        }
        let draws = futures.len() / (candidates * path);
        let mut costs = vec![0.0; candidates];
        for (i, future) in futures.chunks_exact(path).enumerate() {
            let own = &actions[i % candidates * row..][..row];
            let states = future[n..].chunks_exact(n);
            let sum: f64 = states
                .zip(own.chunks_exact(k))
                .map(|(z, u)| self.cost(z, u))
                .sum();
            costs[i % candidates] += sum / draws as f64;
        }
        Ok(costs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_means_over_draws_of_sums_over_frames() {
        let aim = Aim {
            matrix: DMatrix::from_row_slice(1, 2, &[1.0, 0.0]),
            offset: DVector::from_row_slice(&[1.0]),
            target: DVector::from_row_slice(&[3.0]),
            spread: 2.0,
            effort: 0.5,
            scale: vec![2.0],
        };
        // (0 + 1 - 3)^2 / 4 + .5 (2 / 2)^2
        assert!((aim.cost(&[0.0, 9.0], &[2.0]) - 1.5).abs() < 1e-15);
        // Two draws of two candidates, one step each: only the frame after now counts.
        let futures = [
            7., 7., 2., 0., 7., 7., 4., 0., 7., 7., 0., 0., 7., 7., 4., 0.,
        ];
        let costs = aim.costs(&futures, &[0.0, 2.0], 1).unwrap();
        assert_eq!(costs, [0.5, 1.5]);
        assert!(aim.costs(&futures[1..], &[0.0, 2.0], 1).is_err());
    }
}
