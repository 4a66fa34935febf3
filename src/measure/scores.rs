//! R² and RMSE of decoded values against true ones, from per-sequence sums so that a bootstrap is cheap.

use super::arrays::{at, sizes};
use crate::array::Array;
use crate::error::{Error, Result};

/// Formula of R² in the words of the reports.
pub const R2_FORMULA: &str =
    "R²_j = 1 − Σ_{i,t} (s_j − ŝ_j)² / Σ_{i,t} (s_j − mean s_j)²; mean over columns j";
/// Formula of RMSE in the words of the reports.
pub const RMSE_FORMULA: &str =
    "√( mean over sequences i and frames t of Σ_j (s_j − ŝ_j)² ), j over the columns of one vector";

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    count: f64,
    /// Sum of squared errors.
    error: f64,
    /// Sum of the true values, measured from their mean over all sequences.
    truth: f64,
    /// Sum of their squares.
    square: f64,
}

/// Per-sequence sums of decoded and true values of D columns.
#[derive(Clone, Debug)]
pub struct Scores {
    sums: Vec<Sums>,
    sequences: usize,
    width: usize,
    /// Columns of the truth that do not vary.
    constant: Vec<bool>,
}

/// Below this share of its own root mean square a column's standard deviation is rounding: f32 files round by 6e-8.
const OWN_ROUNDING: f64 = 1e-7;
/// Below this share of the largest column's root mean square it is rounding of f64: 5 cos 90 degrees is 3e-16.
const ROUNDING: f64 = 1e-12;

/// Which columns of (N, T, D) do not vary beyond rounding where they are known (not NaN): std ≤ 1e-7 rms of the column, or ≤ 1e-12 of the largest rms.
pub fn constant(truth: &Array) -> Vec<bool> {
    let [n, t, d] = sizes(truth);
    let column = |j: usize| {
        let all = truth.data().iter().skip(j).take(n * t * d).step_by(d);
        all.copied().filter(|v| !v.is_nan())
    };
    let moments = |j: usize| {
        let rows = (column(j).count() as f64).max(1.0);
        let mean = column(j).sum::<f64>() / rows;
        let var = column(j).map(|v| (v - mean).powi(2)).sum::<f64>() / rows;
        let square = column(j).map(|v| v * v).sum::<f64>() / rows;
        (var.sqrt(), square.sqrt())
    };
    let all: Vec<(f64, f64)> = (0..d).map(moments).collect();
    let largest = all.iter().map(|(_, rms)| *rms).fold(0.0, f64::max);
    let still = |&(std, rms): &(f64, f64)| std <= (OWN_ROUNDING * rms).max(ROUNDING * largest);
    all.iter().map(still).collect()
}

impl Scores {
    /// Compares `decoded` with `truth`, both (N, T, D), at the (sequence, frame) pairs that `counted` accepts, where the
    /// truth is known: it is NaN where it is not.
    ///
    /// # Errors
    /// [`Error::Shape`] when the sizes differ.
    pub fn where_(
        decoded: &Array,
        truth: &Array,
        counted: impl Fn(usize, usize) -> bool,
    ) -> Result<Self> {
        let [n, t, d] = sizes(truth);
        if sizes(decoded) != [n, t, d] {
            let (want, got) = (truth.shape(), decoded.shape());
            return Err(Error::Shape(format!(
                "scores: truth is {want:?}, decoded is {got:?}"
            )));
        }
        let pairs = || (0..n).flat_map(|i| (0..t).map(move |t| (i, t)));
        let mut frames = vec![0.0; d];
        for (i, t) in pairs().filter(|&(i, t)| counted(i, t)) {
            for (count, value) in frames.iter_mut().zip(at(truth, i, t)) {
                *count += f64::from(u8::from(!value.is_nan()));
            }
        }
        let mut means = vec![0.0; d];
        for (i, t) in pairs().filter(|&(i, t)| counted(i, t)) {
            for ((mean, value), count) in means.iter_mut().zip(at(truth, i, t)).zip(&frames) {
                if !value.is_nan() {
                    *mean += value / count;
                }
            }
        }
        let mut sums = vec![Sums::default(); n * d];
        for (i, t) in pairs().filter(|&(i, t)| counted(i, t)) {
            for j in 0..d {
                let (s, guess) = (at(truth, i, t)[j], at(decoded, i, t)[j]);
                if s.is_nan() {
                    continue;
                }
                let sum = &mut sums[j * n + i];
                sum.count += 1.0;
                sum.error += (s - guess).powi(2);
                sum.truth += s - means[j];
                sum.square += (s - means[j]).powi(2);
            }
        }
        Ok(Self {
            sums,
            sequences: n,
            width: d,
            constant: constant(truth),
        })
    }

    /// Compares all frames.
    ///
    /// # Errors
    /// [`Error::Shape`] when the sizes differ.
    pub fn new(decoded: &Array, truth: &Array) -> Result<Self> {
        Self::where_(decoded, truth, |_, _| true)
    }

    /// Number of columns, D.
    pub fn width(&self) -> usize {
        self.width
    }

    fn total(&self, column: usize, drawn: &[u32]) -> Sums {
        let all = &self.sums[column * self.sequences..(column + 1) * self.sequences];
        drawn.iter().fold(Sums::default(), |a, &i| {
            let b = all[i as usize];
            Sums {
                count: a.count + b.count,
                error: a.error + b.error,
                truth: a.truth + b.truth,
                square: a.square + b.square,
            }
        })
    }

    /// Coefficient of determination of the drawn sequences, mean over those of `columns` that vary at all ([`constant`]):
    /// [`R2_FORMULA`]. NaN where none does, and where one does not in the drawn sequences.
    pub fn r2(&self, columns: &[usize], drawn: &[u32]) -> f64 {
        let one = |&j: &usize| {
            let sum = self.total(j, drawn);
            let variance = sum.square - sum.truth.powi(2) / sum.count;
            if variance > 0.0 {
                1.0 - sum.error / variance
            } else {
                f64::NAN
            }
        };
        let varying = || columns.iter().filter(|&&j| !self.constant[j]);
        varying().map(one).sum::<f64>() / varying().count() as f64
    }

    /// Root mean squared length of the error of the vector of `columns`, over the drawn sequences: [`RMSE_FORMULA`]. NaN
    /// where no frame counts.
    pub fn rmse(&self, columns: &[usize], drawn: &[u32]) -> f64 {
        let square = |&j: &usize| {
            let sum = self.total(j, drawn);
            sum.error / sum.count
        };
        columns.iter().map(square).sum::<f64>().sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r2_and_rmse_equal_the_hand_computed_ones() {
        // Column 0: truth 1 2 3 6 (mean 3, squares 4+1+0+9 = 14), errors 1 0 0 -2: R² = 1 - 5/14.
        let truth = Array::new([2, 2, 2], vec![1., 0., 2., 0., 3., 0., 6., 0.]).unwrap();
        let decoded = Array::new([2, 2, 2], vec![0., 1., 2., 0., 3., 0., 8., 0.]).unwrap();
        let scores = Scores::new(&decoded, &truth).unwrap();
        assert!((scores.r2(&[0], &[0, 1]) - (1.0 - 5.0 / 14.0)).abs() < 1e-15);
        assert!((scores.rmse(&[0], &[0, 1]) - (5.0f64 / 4.0).sqrt()).abs() < 1e-15);
        assert!((scores.rmse(&[0, 1], &[0, 1]) - (6.0f64 / 4.0).sqrt()).abs() < 1e-15);
        // Sequence 1 drawn twice: truth 3 6 3 6 (mean 4.5, squares 9), errors 0 -2 0 -2.
        assert!((scores.r2(&[0], &[1, 1]) - (1.0 - 8.0 / 9.0)).abs() < 1e-15);
        assert!(
            scores.r2(&[1], &[0, 1]).is_nan(),
            "a constant column has no R²"
        );
    }

    #[test]
    fn frames_that_do_not_count_are_left_out() {
        let truth = Array::new([1, 3, 1], vec![0., 1., 2.]).unwrap();
        let decoded = Array::new([1, 3, 1], vec![9., 1., 3.]).unwrap();
        let scores = Scores::where_(&decoded, &truth, |_, t| t > 0).unwrap();
        assert!((scores.rmse(&[0], &[0]) - 0.5f64.sqrt()).abs() < 1e-15);
    }
}
