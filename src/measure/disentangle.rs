//! How factors are spread over the dimensions of a latent: DCI and MIG.
//!
//! ```text
//! R_ij  importance of dimension i for factor j: |w_ij| of a lasso on standardised features
//! D = sum_i rho_i (1 + sum_j P_ij log_K P_ij),   P_ij = R_ij / sum_k R_ik,   rho_i = sum_j R_ij / sum R     disentanglement
//! C = mean_j (1 + sum_i Q_ij log_n Q_ij),        Q_ij = R_ij / sum_k R_kj                                   completeness
//! MIG_j = (I(z_(1); v_j) - I(z_(2); v_j)) / H(v_j)                             the two dimensions that tell most of factor j
//! ```
//!
//! K factors, n dimensions. D is 1 where every dimension tells of one factor alone, C where every factor stands in one dimension
//! alone. Sources: Eastwood & Williams 2018 (lasso, sec. 3); Chen et al. 2018 (MIG, eq. 6), with both sides in bins of equal
//! numbers of rows, as Locatello et al. 2019 have bins of equal width.

use crate::error::{Error, Result};
use nalgebra::{DMatrix, DVector};

/// Penalties of the lasso in units of a standardised target; the validation rows choose.
const PENALTIES: [f64; 6] = [0.3, 0.1, 0.03, 0.01, 0.003, 0.001];
/// Rounds over all coordinates, at most, and the change that ends them.
const ROUNDS: usize = 200;
const STILL: f64 = 1e-7;

/// Features and targets of standard size, by the moments of training rows.
fn standard(x: &DMatrix<f64>, by: &DMatrix<f64>) -> DMatrix<f64> {
    let mut out = x.clone();
    for (mut column, own) in out.column_iter_mut().zip(by.column_iter()) {
        let (mean, std) = (own.mean(), own.variance().sqrt());
        let scale = if std > 1e-9 { 1.0 / std } else { 0.0 };
        column.apply(|v| *v = (*v - mean) * scale);
    }
    out
}

/// |w| of the lasso of every target: features (rows, n) and targets (rows, m), each with validation rows, to (n, m).
/// w = argmin |y - X w|^2 / 2 rows + penalty |w|_1 of standardised values, by coordinate descent (Friedman et al. 2010).
///
/// # Errors
/// [`Error::Shape`] for rows that do not fit.
pub fn importances(
    train: (&DMatrix<f64>, &DMatrix<f64>),
    validation: (&DMatrix<f64>, &DMatrix<f64>),
) -> Result<DMatrix<f64>> {
    let (rows, held) = (train.0.nrows(), validation.0.nrows());
    if rows < 2 || held == 0 || train.1.nrows() != rows || validation.1.nrows() != held {
        return Err(Error::Shape(format!(
            "lasso: targets of each of {rows} (at least 2) and {held} (at least 1) rows expected, got {} and {}",
            train.1.nrows(),
            validation.1.nrows()
        )));
    }
    let (x, y) = (standard(train.0, train.0), standard(train.1, train.1));
    let (held_x, held_y) = (
        standard(validation.0, train.0),
        standard(validation.1, train.1),
    );
    let n = rows as f64;
    let (gram, told) = (x.tr_mul(&x) / n, x.tr_mul(&y) / n);
    let mut out = DMatrix::zeros(x.ncols(), y.ncols());
    for j in 0..y.ncols() {
        let mut best = f64::INFINITY;
        let mut w = DVector::zeros(x.ncols());
        for penalty in PENALTIES {
            descend(&gram, told.column(j).into_owned(), penalty, &mut w);
            let error = (held_y.column(j) - &held_x * &w).norm_squared();
            if error < best {
                best = error;
                out.set_column(j, &w.abs());
            }
        }
    }
    Ok(out)
}

/// Coordinate descent from w.
fn descend(gram: &DMatrix<f64>, told: DVector<f64>, penalty: f64, w: &mut DVector<f64>) {
    // What each feature tells of the rest that is not explained.
    let mut left = told - gram * &*w;
    for _ in 0..ROUNDS {
        let mut change = 0.0_f64;
        for i in 0..w.len() {
            let curve = gram[(i, i)];
            if curve <= 1e-12 {
                continue;
            }
            let alone = left[i] + curve * w[i];
            let next = alone.signum() * (alone.abs() - penalty).max(0.0) / curve;
            let step = next - w[i];
            if step != 0.0 {
                left.axpy(-step, &gram.column(i), 1.0);
                w[i] = next;
                change = change.max(step.abs());
            }
        }
        if change < STILL {
            break;
        }
    }
}

/// 1 minus the entropy of shares in units of ln n; `None` where there are no shares.
fn sharpness(values: impl Iterator<Item = f64> + Clone, n: usize) -> Option<f64> {
    let all: f64 = values.clone().sum();
    if all <= 0.0 {
        return None;
    }
    if n < 2 {
        return Some(1.0);
    }
    let shares = values.map(|v| v / all).filter(|&p| p > 0.0);
    Some(1.0 + shares.map(|p| p * p.ln()).sum::<f64>() / (n as f64).ln())
}

/// Disentanglement of importances (n, K): `None` for fewer than two factors, of which none can be kept apart, or where nothing
/// is important.
pub fn disentanglement(importances: &DMatrix<f64>) -> Option<f64> {
    let all = importances.sum();
    if importances.ncols() < 2 || all <= 0.0 {
        return None;
    }
    let each = importances.row_iter().filter_map(|row| {
        let own = sharpness(row.iter().copied(), row.len())?;
        Some(row.sum() / all * own)
    });
    Some(each.sum())
}

/// Completeness of importances (n, K), the mean over factors of which any dimension tells; `None` where there is none.
pub fn completeness(importances: &DMatrix<f64>) -> Option<f64> {
    let each: Vec<f64> = importances
        .column_iter()
        .filter_map(|column| sharpness(column.iter().copied(), column.len()))
        .collect();
    (!each.is_empty()).then(|| each.iter().sum::<f64>() / each.len() as f64)
}

/// The bin of every value, of bins with equal numbers of values as far as equal values allow.
pub fn binned(values: &[f64], bins: usize) -> Vec<usize> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let edge = |k: usize| sorted[(k * sorted.len() / bins).min(sorted.len() - 1)];
    let edges: Vec<f64> = (1..bins).map(edge).collect();
    values
        .iter()
        .map(|v| edges.partition_point(|edge| edge <= v))
        .collect()
}

/// Entropy of classes, nats.
pub fn entropy(classes: &[usize]) -> f64 {
    let mut counts = vec![0.0; classes.iter().max().map_or(0, |most| most + 1)];
    classes.iter().for_each(|&k| counts[k] += 1.0);
    let n = classes.len() as f64;
    let known = counts.iter().filter(|&&count| count > 0.0);
    known.map(|count| -count / n * (count / n).ln()).sum()
}

/// Information of two classes of the same rows about each other, nats, as their counts have it.
pub fn information(a: &[usize], b: &[usize]) -> f64 {
    let width = b.iter().max().map_or(1, |most| most + 1);
    let both: Vec<usize> = a.iter().zip(b).map(|(a, b)| a * width + b).collect();
    entropy(a) + entropy(b) - entropy(&both)
}

/// Gap between the two dimensions of a latent (rows, n) that tell most of the classes, in units of their entropy; with one
/// dimension what that tells. `None` where there is one class.
pub fn gap(latent: &DMatrix<f64>, classes: &[usize], bins: usize) -> Option<f64> {
    let all = entropy(classes);
    if all <= 0.0 || latent.ncols() == 0 {
        return None;
    }
    let mut told: Vec<f64> = latent
        .column_iter()
        .map(|column| information(&binned(column.as_slice(), bins), classes))
        .collect();
    told.sort_by(|a, b| b.total_cmp(a));
    Some((told[0] - told.get(1).copied().unwrap_or(0.0)) / all)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All pairs of 4 x 5 levels, each in one row.
    fn grid() -> DMatrix<f64> {
        DMatrix::from_fn(200, 2, |i, j| match j {
            0 => (i % 4) as f64,
            _ => (i / 4 % 5) as f64,
        })
    }

    #[test]
    fn a_latent_that_is_the_factors_has_dci_and_mig_of_1() {
        let v = grid();
        let z = DMatrix::from_fn(200, 3, |i, j| match j {
            0 => 3.0 - 2.0 * v[(i, 1)],
            1 => 1.0,
            _ => 0.1 * v[(i, 0)],
        });
        let r = importances((&z, &v), (&z, &v)).unwrap();
        assert_eq!(disentanglement(&r), Some(1.0));
        assert_eq!(completeness(&r), Some(1.0));
        for j in 0..2 {
            let classes: Vec<usize> = v.column(j).iter().map(|v| *v as usize).collect();
            // The other dimension is independent of it in these rows, and the constant one tells nothing.
            assert!((gap(&z, &classes, 10).unwrap() - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn a_rotated_latent_has_dci_and_mig_near_0_and_a_doubled_one_is_not_complete() {
        let v = grid();
        let v = DMatrix::from_fn(200, 2, |i, j| {
            (v[(i, j)] - [1.5, 2.0][j]) / [1.25f64.sqrt(), 2f64.sqrt()][j]
        });
        // 45 degrees: each dimension tells of both factors alike, |w| = 1/2^.5 everywhere.
        let z = DMatrix::from_fn(200, 2, |i, j| v[(i, 0)] + [1.0, -1.0][j] * v[(i, 1)]);
        let r = importances((&z, &v), (&z, &v)).unwrap();
        assert!(disentanglement(&r).unwrap() < 1e-6, "{r}");
        assert!(completeness(&r).unwrap() < 1e-6, "{r}");
        let classes: Vec<usize> = (0..200).map(|i| i % 4).collect();
        assert!(gap(&z, &classes, 10).unwrap() < 0.05);
        // One factor in both of two dimensions with noise of their own: of four shares by hand.
        let r = DMatrix::from_row_slice(3, 2, &[1.0, 0.0, 1.0, 0.0, 0.0, 3.0]);
        assert_eq!(disentanglement(&r), Some(1.0));
        let want = 0.5 * (1.0 - 2f64.ln() / 3f64.ln() + 1.0);
        assert!((completeness(&r).unwrap() - want).abs() < 1e-12);
        // Of one row that is shared 3 : 1 and makes 4/7 of all: by hand.
        let r = DMatrix::from_row_slice(2, 2, &[3.0, 1.0, 0.0, 3.0]);
        let mixed = 1.0 + (0.75 * 0.75f64.ln() + 0.25 * 0.25f64.ln()) / 2f64.ln();
        let want = 4.0 / 7.0 * mixed + 3.0 / 7.0;
        assert!((disentanglement(&r).unwrap() - want).abs() < 1e-12);
    }

    #[test]
    fn information_of_tables_is_that_of_their_counts() {
        // Counts 2 1 / 1 2: by hand, ln 2 + ln 2 - H(1/3, 1/6, 1/6, 1/3).
        let (a, b) = ([0, 0, 0, 1, 1, 1], [0, 0, 1, 0, 1, 1]);
        let both = 2.0 / 3.0 * 3f64.ln() + 1.0 / 3.0 * 6f64.ln();
        assert!((information(&a, &b) - (2.0 * 2f64.ln() - both)).abs() < 1e-12);
        // Edges are the third and fifth of 1 1 1 5 7 9, that is 1 and 7.
        assert_eq!(
            binned(&[5.0, 1.0, 1.0, 1.0, 9.0, 7.0], 3),
            [1, 1, 1, 1, 2, 2]
        );
    }

    #[test]
    fn the_lasso_leaves_out_what_tells_nothing_and_shrinks_by_its_penalty() {
        // Two orthogonal features of one target y = 2 a: standardised w = 1, less the least penalty.
        let x = DMatrix::from_row_slice(4, 2, &[1.0, 1.0, 1.0, -1.0, -1.0, 1.0, -1.0, -1.0]);
        let y = DMatrix::from_row_slice(4, 1, &[2.0, 2.0, -2.0, -2.0]);
        let r = importances((&x, &y), (&x, &y)).unwrap();
        // nalgebra's variance is over n, so standardised features have a square mean of 1.
        assert!((r[0] - (1.0 - 0.001)).abs() < 1e-9, "{r}");
        assert_eq!(r[1], 0.0);
    }
}
