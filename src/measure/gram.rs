//! Large symmetric normal equations: X'X summed over blocks of rows, and its Cholesky factor by blocks.
//!
//! Two frames of 32 x 32 pixels are 2,048 features: nalgebra's own Cholesky works column by column, some twenty times
//! slower at that size than the same sums as matrix products.

use nalgebra::{Cholesky, DMatrix};
use rayon::prelude::*;

/// Rows and columns of a tile: three fit in the second-level cache.
const TILE: usize = 192;

/// X'X, summed over blocks of rows. Only the lower tiles are computed, in parallel; each is summed by one owner in the
/// order of the blocks, so the bytes are the same for any thread count.
#[derive(Clone, Debug)]
pub struct Gram {
    width: usize,
    tiles: Vec<(usize, usize, DMatrix<f64>)>,
}

impl Gram {
    /// Zero, for `width` features.
    pub fn new(width: usize) -> Self {
        let starts = || (0..width).step_by(TILE);
        let size = |start: usize| TILE.min(width - start);
        let tiles = starts()
            .flat_map(|i| starts().filter(move |&j| j <= i).map(move |j| (i, j)))
            .map(|(i, j)| (i, j, DMatrix::zeros(size(i), size(j))))
            .collect();
        Self { width, tiles }
    }

    /// Adds X'X, given X' (features, rows).
    pub fn add(&mut self, transposed: &DMatrix<f64>) {
        let rows = transposed.transpose();
        self.tiles.par_iter_mut().for_each(|(i, j, tile)| {
            let (h, w) = tile.shape();
            tile.gemm(1.0, &transposed.rows(*i, h), &rows.columns(*j, w), 1.0);
        });
    }

    /// The whole symmetric matrix, divided by `count`.
    pub fn mean(&self, count: f64) -> DMatrix<f64> {
        let mut all = DMatrix::zeros(self.width, self.width);
        for (i, j, tile) in &self.tiles {
            let scaled = tile / count;
            all.view_mut((*i, *j), tile.shape()).copy_from(&scaled);
            if i != j {
                let (h, w) = tile.shape();
                all.view_mut((*j, *i), (w, h))
                    .copy_from(&scaled.transpose());
            }
        }
        all
    }
}

/// Solves (G + penalty I) W = B for symmetric G by blocked Cholesky (left-looking). None when the sum is not positive
/// definite in f64.
pub fn solve(gram: &DMatrix<f64>, penalty: f64, right: &DMatrix<f64>) -> Option<DMatrix<f64>> {
    let n = gram.nrows();
    let mut l = gram.clone();
    for k in (0..n).step_by(TILE) {
        let w = TILE.min(n - k);
        // Column panel k: subtract what the finished panels on the left contribute, then factor and solve.
        let left = l.view((k, 0), (n - k, k)).into_owned();
        let top = left.rows(0, w).transpose();
        let mut panel = l.view((k, k), (n - k, w)).into_owned();
        for d in 0..w {
            panel[(d, d)] += penalty;
        }
        if k > 0 {
            panel.gemm(-1.0, &left, &top, 1.0);
        }
        let corner = Cholesky::new(panel.rows(0, w).into_owned())?.l();
        let below = panel.rows(w, n - k - w).transpose();
        let solved = corner.solve_lower_triangular(&below)?;
        l.view_mut((k, k), (w, w)).copy_from(&corner);
        l.view_mut((k + w, k), (n - k - w, w))
            .copy_from(&solved.transpose());
    }
    let half = l.solve_lower_triangular(right)?;
    let solution = l.tr_solve_lower_triangular(&half)?;
    solution.iter().all(|v| v.is_finite()).then_some(solution)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeds::Seeds;
    use rand_distr::{Distribution, StandardNormal};

    #[test]
    fn blocked_solution_satisfies_the_normal_equations() {
        let mut rng = Seeds::new(3).stream("gram", 0);
        let (rows, width) = (900, 2 * TILE + 31);
        let xt = DMatrix::from_fn(width, rows, |_, _| StandardNormal.sample(&mut rng));
        let right = DMatrix::from_fn(width, 3, |_, _| StandardNormal.sample(&mut rng));
        let mut gram = Gram::new(width);
        gram.add(&xt.columns(0, 400).into_owned());
        gram.add(&xt.columns(400, 500).into_owned());
        let all = gram.mean(rows as f64);
        let plain = &xt * xt.transpose() / rows as f64;
        assert!((&all - &plain).amax() < 1e-13, "{}", (&all - &plain).amax());
        let solution = solve(&all, 0.1, &right).unwrap();
        let residual = &plain * &solution + 0.1 * &solution - &right;
        // Condition about 100, sums of 415 products: 1e-12 is a hundred roundings.
        assert!(residual.amax() < 1e-12, "{}", residual.amax());
    }

    #[test]
    fn an_indefinite_matrix_has_no_solution() {
        let gram = -DMatrix::<f64>::identity(3, 3);
        assert!(solve(&gram, 0.5, &DMatrix::zeros(3, 1)).is_none());
    }
}
