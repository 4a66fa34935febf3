//! Distances of two sets of clips by their features: Fréchet distance of normal distributions, and polynomial MMD.

use crate::array::Array;
use crate::error::{Error, Result};
use nalgebra::{DMatrix, DVector, SymmetricEigen};

/// Principal axes that features are reduced to.
pub const AXES: usize = 16;

/// Mean and covariance (1 / (N - 1)) of rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    mean: DVector<f64>,
    cov: DMatrix<f64>,
}

/// A frame of reference fitted to true clips: features are standardised by their means and deviations, and turned to
/// their first principal axes. All sets that are compared go through the same one.
#[derive(Clone, Debug)]
pub struct Reference {
    mean: DVector<f64>,
    /// 1 / std, 0 for a feature that does not vary.
    weight: DVector<f64>,
    /// (features, axes).
    axes: DMatrix<f64>,
}

fn matrix(what: &str, rows: &Array) -> Result<DMatrix<f64>> {
    match *rows.shape() {
        [n, f] if n >= 2 && f > 0 && rows.data().iter().all(|v| v.is_finite()) => {
            Ok(DMatrix::from_row_slice(n, f, rows.data()))
        }
        ref other => Err(Error::Shape(format!(
            "{what}: want finite features (2 clips or more, features), got {other:?}"
        ))),
    }
}

impl Moments {
    /// Of rows (N, F).
    ///
    /// # Errors
    /// [`Error::Shape`] with fewer than two rows, or for a value that is not finite.
    pub fn of(rows: &Array) -> Result<Self> {
        let x = matrix("moments", rows)?;
        let n = x.nrows() as f64;
        let mean = x.row_mean().transpose();
        let mut centred = x;
        for mut row in centred.row_iter_mut() {
            row -= mean.transpose();
        }
        let cov = centred.tr_mul(&centred) / (n - 1.0);
        Ok(Self { mean, cov })
    }

    /// Squared Fréchet (2-Wasserstein) distance of the normal distributions with these moments (Dowson & Landau 1982):
    /// |m_a - m_b|² + tr(A + B - 2 (A^½ B A^½)^½). The roots are by eigenvalues of symmetric matrices; those below 0 by rounding count 0.
    /// It is biased upwards for small N: state N, and the distance of two sets of true clips beside it.
    ///
    /// # Errors
    /// [`Error::Shape`] for other numbers of features.
    pub fn frechet(&self, other: &Self) -> Result<f64> {
        if self.mean.len() != other.mean.len() {
            return Err(Error::Shape(format!(
                "Fréchet distance: {} and {} features",
                self.mean.len(),
                other.mean.len()
            )));
        }
        let root = square_root(&self.cov);
        let inner = &root * &other.cov * &root;
        let cross: f64 = SymmetricEigen::new(0.5 * (&inner + inner.transpose()))
            .eigenvalues
            .iter()
            .map(|v| v.max(0.0).sqrt())
            .sum();
        let means = (&self.mean - &other.mean).norm_squared();
        Ok((means + self.cov.trace() + other.cov.trace() - 2.0 * cross).max(0.0))
    }
}

fn square_root(cov: &DMatrix<f64>) -> DMatrix<f64> {
    let eigen = SymmetricEigen::new(cov.clone());
    let roots = eigen.eigenvalues.map(|v| v.max(0.0).sqrt());
    &eigen.eigenvectors * DMatrix::from_diagonal(&roots) * eigen.eigenvectors.transpose()
}

impl Reference {
    /// Fits to features (N, F) of true clips; `axes` principal axes ([`AXES`]), at most as many as features vary.
    ///
    /// # Errors
    /// [`Error::Shape`] with fewer than two clips; [`Error::Numeric`] when no feature varies.
    pub fn fit(truth: &Array, axes: usize) -> Result<Self> {
        let Moments { mean, cov } = Moments::of(truth)?;
        let weight = DVector::from_fn(mean.len(), |j, _| {
            let std = cov[(j, j)].sqrt();
            if std > 1e-9 * (1.0 + mean[j].abs()) {
                1.0 / std
            } else {
                0.0
            }
        });
        let varying = weight.iter().filter(|w| **w > 0.0).count();
        if varying == 0 || axes == 0 {
            return Err(Error::Numeric(format!(
                "Fréchet distance: none of {} features of the true clips varies",
                mean.len()
            )));
        }
        let correlation = DMatrix::from_fn(mean.len(), mean.len(), |i, j| {
            cov[(i, j)] * weight[i] * weight[j]
        });
        let eigen = SymmetricEigen::new(correlation);
        let mut order: Vec<usize> = (0..mean.len()).collect();
        order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
        let columns: Vec<_> = order
            .iter()
            .take(axes.min(varying))
            .map(|&k| eigen.eigenvectors.column(k).into_owned())
            .collect();
        Ok(Self {
            mean,
            weight,
            axes: DMatrix::from_columns(&columns),
        })
    }

    /// Features (N, F) on the axes, (N, axes).
    ///
    /// # Errors
    /// [`Error::Shape`] for other features than those fitted.
    pub fn project(&self, features: &Array) -> Result<Array> {
        let mut x = matrix("Fréchet distance", features)?;
        if x.ncols() != self.mean.len() {
            return Err(Error::Shape(format!(
                "Fréchet distance: want {} features, got {}",
                self.mean.len(),
                x.ncols()
            )));
        }
        for mut row in x.row_iter_mut() {
            row -= self.mean.transpose();
            row.component_mul_assign(&self.weight.transpose());
        }
        let out = x * &self.axes;
        let shape = [out.nrows(), out.ncols()];
        Array::new(shape, out.transpose().as_slice().to_vec())
    }

    /// `[Fréchet distance, MMD²]` between features of true clips and of generated ones, both (N, F), on the axes.
    ///
    /// # Errors
    /// As [`Reference::project`].
    pub fn distances(&self, truth: &Array, generated: &Array) -> Result<[f64; 2]> {
        let (a, b) = (self.project(truth)?, self.project(generated)?);
        Ok([Moments::of(&a)?.frechet(&Moments::of(&b)?)?, mmd(&a, &b)?])
    }
}

/// Squared maximum mean discrepancy with the polynomial kernel k(x, y) = (x·y / F + 1)³ (Bińkowski et al. 2018),
/// unbiased in the numbers of rows: mean of k(a_i, a_j) and of k(b_i, b_j) over i ≠ j, less twice the mean of k(a_i,
/// b_j). Around 0, also below, for equal distributions.
///
/// # Errors
/// [`Error::Shape`] unless both are (2 rows or more, F).
pub fn mmd(a: &Array, b: &Array) -> Result<f64> {
    let (a, b) = (matrix("MMD", a)?, matrix("MMD", b)?);
    if a.ncols() != b.ncols() {
        return Err(Error::Shape(format!(
            "MMD: {} and {} features",
            a.ncols(),
            b.ncols()
        )));
    }
    let width = a.ncols() as f64;
    let kernel = |x: &DMatrix<f64>, y: &DMatrix<f64>| {
        (x * y.transpose()).map(|dot| (dot / width + 1.0).powi(3))
    };
    let within = |x: &DMatrix<f64>| {
        let (k, n) = (kernel(x, x), x.nrows() as f64);
        (k.sum() - k.trace()) / (n * (n - 1.0))
    };
    Ok(within(&a) + within(&b) - 2.0 * kernel(&a, &b).mean())
}

#[cfg(test)]
mod tests {
    use super::super::motion::{features, frozen, jittered, shuffled};
    use super::*;
    use crate::seeds::Seeds;
    use rand::RngExt;
    use rand_distr::{Distribution, StandardNormal};

    #[test]
    fn for_commuting_covariances_it_is_the_sum_of_squared_differences_of_deviations() {
        let mut rng = Seeds::new(6).stream("frechet", 0);
        let normal: DMatrix<f64> = DMatrix::from_fn(5, 5, |_, _| StandardNormal.sample(&mut rng));
        let turn = normal.qr().q();
        let stds: [[f64; 5]; 2] = [[1.0, 2.0, 0.5, 3.0, 0.0], [1.5, 0.2, 0.5, 1.0, 0.7]];
        let moments = |stds: [f64; 5], shift: f64| Moments {
            mean: DVector::from_element(5, shift),
            cov: &turn
                * DMatrix::from_diagonal(&DVector::from_fn(5, |i, _| stds[i].powi(2)))
                * turn.transpose(),
        };
        let (a, b) = (moments(stds[0], 0.0), moments(stds[1], 0.4));
        let want: f64 = (0..5)
            .map(|i| (stds[0][i] - stds[1][i]).powi(2))
            .sum::<f64>()
            + 5.0 * 0.16;
        let (there, back) = (a.frechet(&b).unwrap(), b.frechet(&a).unwrap());
        // A deviation of 0 is a root of rounding: √1e-16.
        assert!(
            (there - want).abs() < 1e-6 && (back - want).abs() < 1e-6,
            "{there} {back} {want}"
        );
        assert!(a.frechet(&a).unwrap() < 1e-6);
    }

    #[test]
    fn mmd_is_that_of_its_definition_and_centred_for_equal_distributions() {
        let draw = |n: usize, shift: f64, stream: u64| {
            let mut rng = Seeds::new(7).stream("mmd", stream);
            let normal = |_| -> f64 { StandardNormal.sample(&mut rng) };
            Array::new([n, 3], (0..3 * n).map(normal).map(|z| z + shift).collect()).unwrap()
        };
        let (a, b) = (draw(7, 0.0, 0), draw(5, 0.5, 1));
        let k = |x: &[f64], y: &[f64]| {
            let dot: f64 = x.iter().zip(y).map(|(x, y)| x * y).sum();
            (dot / 3.0 + 1.0).powi(3)
        };
        let mean = |x: &Array, y: &Array, same: bool| {
            let (mut sum, mut count) = (0.0, 0.0);
            for i in 0..x.shape()[0] {
                for j in 0..y.shape()[0] {
                    if !same || i != j {
                        sum += k(x.row(i), y.row(j));
                        count += 1.0;
                    }
                }
            }
            sum / count
        };
        let want = mean(&a, &a, true) + mean(&b, &b, true) - 2.0 * mean(&a, &b, false);
        let got = mmd(&a, &b).unwrap();
        assert!((got - want).abs() < 1e-12, "{got} {want}");
        let equal: Vec<f64> = (0..200)
            .map(|i| mmd(&draw(20, 0.0, 2 * i + 2), &draw(20, 0.0, 2 * i + 3)).unwrap())
            .collect();
        let mean = equal.iter().sum::<f64>() / 200.0;
        let var = equal.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 199.0;
        // Unbiased: within five of its own standard errors.
        assert!(mean.abs() < 5.0 * (var / 200.0).sqrt(), "{mean} {var}");
    }

    /// Balls that fly straight in a box and bounce, (N, T, 2).
    fn clips(n: usize, stream: u64) -> Array {
        let fold = |s: f64| 5.0 + 22.0 - ((s - 5.0).rem_euclid(44.0) - 22.0).abs();
        let mut rng = Seeds::new(8).stream("clips", stream);
        let mut data = Vec::new();
        for _ in 0..n {
            let (x, y) = (rng.random_range(5.0..27.0), rng.random_range(5.0..27.0));
            let (angle, speed) = (
                rng.random_range(0.0..std::f64::consts::TAU),
                rng.random_range(2.0..3.0),
            );
            for t in 0..20 {
                let far = speed * f64::from(t);
                data.extend([
                    fold(x + far * f64::cos(angle)),
                    fold(y + far * f64::sin(angle)),
                ]);
            }
        }
        Array::new([n, 20, 2], data).unwrap()
    }

    #[test]
    fn real_is_near_real_and_frozen_shuffled_and_jittered_clips_are_far() {
        let (a, b) = (clips(500, 0), clips(500, 1));
        let of = |clips: &Array| features(clips, 1.0).unwrap();
        let reference = Reference::fit(&of(&a), AXES).unwrap();
        let far = |clips: &Array| reference.distances(&of(&a), &of(clips)).unwrap();
        let [real, real_mmd] = far(&b);
        let seeds = Seeds::new(0);
        for (name, clips, least) in [
            ("frozen", frozen(&b), 30.0),
            ("shuffled", shuffled(&b, &seeds), 30.0),
            ("jitter .25 px", jittered(&b, 0.25, &seeds), 2.0),
        ] {
            let [distance, discrepancy] = far(&clips);
            println!(
                "{name}: Fréchet {distance:.3} (real against real {real:.3}), MMD {discrepancy:.4} ({real_mmd:.4})"
            );
            assert!(distance > least * real, "{name}: {distance} against {real}");
            assert!(
                discrepancy > 5.0 * real_mmd.abs(),
                "{name}: {discrepancy} against {real_mmd}"
            );
        }
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let two = Array::zeros([2, 3]);
        assert!(
            Reference::fit(&two, AXES)
                .unwrap_err()
                .to_string()
                .contains("varies")
        );
        assert!(Moments::of(&Array::zeros([1, 3])).is_err());
        assert!(mmd(&two, &Array::zeros([2, 2])).is_err());
        let reference = Reference::fit(&Array::new([2, 1], vec![0.0, 1.0]).unwrap(), AXES).unwrap();
        assert!(
            reference
                .project(&two)
                .unwrap_err()
                .to_string()
                .contains("want 1 features")
        );
    }
}
