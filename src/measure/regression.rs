//! Linear read-outs by ridge regression with intercept.
//!
//! Features are standardised on the training sequences, x̃ = (x − mean) / std; a feature that does not vary is left
//! out. W_λ minimises mean over rows of |s − W'x̃ − c|² + λ |W|² (Hoerl & Kennard 1970), by normal equations in f64.
//! With fewer rows than features the same W_λ comes from the dual form, X'(XX'/n + λ)⁻¹ Y/n (Saunders, Gammerman & Vovk
//! 1998). λ is chosen per target from [`PENALTIES`] as the one with the least squared error on the validation
//! sequences.

use super::arrays::{build, sizes};
use super::gram::{Gram, solve};
use crate::array::Array;
use crate::error::{Error, Result};
use nalgebra::DMatrix;
use rayon::prelude::*;
use std::sync::{Mutex, PoisonError};

/// The grid of λ, in units of a standardised feature's variance: from practically least squares to heavy shrinkage.
pub const PENALTIES: [f64; 13] = [
    1e-12, 1e-11, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0,
];

/// Rows per block: enough for full-speed products, little memory.
const BLOCK_ROWS: usize = 512;
/// Bytes of a block, where so many rows would be more: large frames.
const BLOCK_BYTES: usize = 64 << 20;
/// Features a part of the dual form, and parts at a time.
const DUAL_PART: usize = 2048;
const DUAL_GROUP: usize = 16;

/// Rows of features by sequence, made on demand: latents are there as arrays, pixels are turned into f64 block by
/// block.
pub trait Features: Sync {
    /// (N, T, F).
    fn shape(&self) -> [usize; 3];
    /// Writes the features of one sequence, (T, F).
    fn fill(&self, sequence: usize, out: &mut [f64]);
}

impl Features for Array {
    fn shape(&self) -> [usize; 3] {
        sizes(self)
    }
    fn fill(&self, sequence: usize, out: &mut [f64]) {
        out.copy_from_slice(self.row(sequence));
    }
}

/// A fitted read-out from F features to D targets. A target that is NaN is not known: its row is left out, for this target
/// alone, as if it were not there.
#[derive(Clone, Debug)]
pub struct Readout {
    features: usize,
    /// Targets that are known in the same rows, and their read-out.
    parts: Vec<(Vec<usize>, Fit)>,
    /// Chosen λ per target; NaN for one that is known in no training row.
    pub penalties: Vec<f64>,
}

/// Features at some (sequence, frame) pairs only, each a sequence of one frame.
struct Rows<'a> {
    all: &'a dyn Features,
    places: Vec<(usize, usize)>,
    /// The sequence that was asked for last, (T, F).
    last: Mutex<(usize, Vec<f64>)>,
}

impl<'a> Rows<'a> {
    fn new(all: &'a dyn Features, known: &[bool]) -> Self {
        let [_, t, f] = all.shape();
        let rows = (0..known.len()).filter(|&k| known[k]);
        Self {
            all,
            places: rows.map(|k| (k / t, k % t)).collect(),
            last: Mutex::new((usize::MAX, vec![0.0; t * f])),
        }
    }
}

impl Features for Rows<'_> {
    fn shape(&self) -> [usize; 3] {
        [self.places.len(), 1, self.all.shape()[2]]
    }
    fn fill(&self, row: usize, out: &mut [f64]) {
        let (sequence, t) = self.places[row];
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.0 != sequence {
            last.0 = sequence;
            self.all.fill(sequence, &mut last.1);
        }
        out.copy_from_slice(&last.1[t * out.len()..][..out.len()]);
    }
}

/// Whether each row of targets (N, T, D) is known in a column.
fn known(targets: &Array, column: usize) -> Vec<bool> {
    let width = sizes(targets)[2];
    let values = targets.data().iter().skip(column).step_by(width);
    values.map(|v| !v.is_nan()).collect()
}

/// Columns of the rows that are known, (rows, 1, columns).
fn pick(targets: &Array, rows: &[bool], columns: &[usize]) -> Array {
    let width = sizes(targets)[2].max(1);
    let all = targets.data().chunks_exact(width).zip(rows);
    let kept: Vec<&[f64]> = all.filter(|(_, known)| **known).map(|(r, _)| r).collect();
    build([kept.len(), 1, columns.len()], |i, _, row| {
        for (value, &j) in row.iter_mut().zip(columns) {
            *value = kept[i][j];
        }
    })
}

impl Readout {
    /// Fits on `train`, chooses λ on `validation`; features with targets (N, T, D).
    ///
    /// # Errors
    /// [`Error::Shape`] when features and targets do not fit; [`Error::Numeric`] when no λ gives a solution.
    pub fn fit(
        train: (&dyn Features, &Array),
        validation: (&dyn Features, &Array),
    ) -> Result<Self> {
        let (features, width) = (train.0.shape()[2], sizes(train.1)[2]);
        let complete = |targets: &Array| !targets.data().iter().any(|v| v.is_nan());
        if complete(train.1) && complete(validation.1) {
            let fit = Fit::new(train, validation)?;
            return Ok(Self {
                features,
                penalties: fit.penalties.clone(),
                parts: vec![((0..width).collect(), fit)],
            });
        }
        shapes(train, validation)?;
        let mut groups: Vec<([Vec<bool>; 2], Vec<usize>)> = Vec::new();
        for j in 0..width {
            let mask = [train.1, validation.1].map(|targets| known(targets, j));
            match groups.iter_mut().find(|(other, _)| *other == mask) {
                Some((_, columns)) => columns.push(j),
                None => groups.push((mask, vec![j])),
            }
        }
        let (mut parts, mut penalties) = (Vec::new(), vec![f64::NAN; width]);
        for ([rows, held_out], columns) in groups {
            if !rows.contains(&true) || !held_out.contains(&true) {
                continue;
            }
            let some = [
                Rows::new(train.0, &rows),
                Rows::new(validation.0, &held_out),
            ];
            let targets = [
                pick(train.1, &rows, &columns),
                pick(validation.1, &held_out, &columns),
            ];
            let fit = Fit::new((&some[0], &targets[0]), (&some[1], &targets[1]))?;
            for (&j, &penalty) in columns.iter().zip(&fit.penalties) {
                penalties[j] = penalty;
            }
            parts.push((columns, fit));
        }
        Ok(Self {
            features,
            parts,
            penalties,
        })
    }

    /// Standard deviations of the training features; 0 of one that does not vary.
    fn scales(&self) -> Vec<f64> {
        let mut out = vec![0.0; self.features];
        if let Some((_, fit)) = self.parts.first() {
            fit.active.iter().for_each(|&j| out[j] = fit.std[j]);
        }
        out
    }

    /// The least change of features, in units of their training standard deviations, that changes the decoded targets by
    /// `wanted` (D): Delta x = S (M S)^+ wanted, S those deviations, M of [`Self::affine`], ^+ the pseudoinverse.
    ///
    /// # Errors
    /// [`Error::Shape`] for other than D numbers; [`Error::Numeric`] where no features reach the change, to a thousandth of it.
    pub fn inverse(&self, wanted: &[f64]) -> Result<Vec<f64>> {
        let (matrix, _) = self.affine();
        if wanted.len() != matrix.nrows() {
            return Err(Error::Shape(format!(
                "read-out: a change of {} targets expected, got {}",
                matrix.nrows(),
                wanted.len()
            )));
        }
        // One that is known nowhere asks for nothing.
        let matrix = matrix.map(|v| if v.is_finite() { v } else { 0.0 });
        let mut scaled = matrix.clone();
        for (mut column, scale) in scaled.column_iter_mut().zip(self.scales()) {
            column *= scale;
        }
        let failed = |what: &str| Error::Numeric(format!("read-out: {what}"));
        let inverse = scaled.clone().pseudo_inverse(1e-9 * scaled.amax());
        let inverse = inverse.map_err(failed)?;
        let target = DMatrix::from_column_slice(wanted.len(), 1, wanted);
        let steps = inverse * &target;
        let left = (&scaled * &steps - &target).norm();
        if left > 1e-3 * target.norm() {
            return Err(failed(&format!(
                "a change of features expected that changes the targets by {wanted:?}, but none does: {left:.3e} is left"
            )));
        }
        let steps = steps.iter().zip(self.scales());
        Ok(steps.map(|(step, scale)| step * scale).collect())
    }

    /// Decoded targets, (N, T, D); NaN for one that is known in no training or no validation row.
    ///
    /// # Errors
    /// [`Error::Shape`] when the number of features differs from the fit.
    pub fn decode(&self, features: &dyn Features) -> Result<Array> {
        let [n, t, f] = features.shape();
        if f != self.features {
            return Err(Error::Shape(format!(
                "read-out: want {} features, got {f}",
                self.features
            )));
        }
        let width = self.penalties.len();
        if let [(columns, fit)] = self.parts.as_slice()
            && columns.len() == width
        {
            return Ok(fit.decode(features));
        }
        let mut out = build([n, t, width], |_, _, row| row.fill(f64::NAN));
        for (columns, fit) in &self.parts {
            let decoded = fit.decode(features);
            let rows = decoded.data().chunks_exact(columns.len());
            for (to, from) in out.data_mut().chunks_exact_mut(width).zip(rows) {
                for (&j, value) in columns.iter().zip(from) {
                    to[j] = *value;
                }
            }
        }
        Ok(out)
    }

    /// The map in the features' own units: M (D, F) and c (D) of s = M x + c; NaN as in [`Self::decode`].
    pub fn affine(&self) -> (DMatrix<f64>, Vec<f64>) {
        let width = self.penalties.len();
        let mut matrix = DMatrix::from_element(width, self.features, f64::NAN);
        let mut offset = vec![f64::NAN; width];
        for (columns, fit) in &self.parts {
            let (m, c) = fit.affine();
            for (k, &j) in columns.iter().enumerate() {
                matrix.set_row(j, &m.row(k));
                offset[j] = c[k];
            }
        }
        (matrix, offset)
    }
}

/// Checks that features and targets fit together, and that there are some.
fn shapes(train: (&dyn Features, &Array), validation: (&dyn Features, &Array)) -> Result<()> {
    for (split, (features, targets)) in [("train", train), ("validation", validation)] {
        let ([n, t, f], [m, u, d]) = (features.shape(), sizes(targets));
        if (n, t) != (m, u) || n * t == 0 || f != train.0.shape()[2] || d != sizes(train.1)[2] {
            let want = (train.0.shape()[2], sizes(train.1)[2]);
            return Err(Error::Shape(format!(
                "read-out on {split}: want {want:?} features and targets, got {:?} and {:?}",
                [n, t, f],
                [m, u, d]
            )));
        }
    }
    Ok(())
}

/// A read-out of targets that are known everywhere.
#[derive(Clone, Debug)]
struct Fit {
    features: usize,
    /// Indices of features that vary.
    active: Vec<usize>,
    mean: Vec<f64>,
    std: Vec<f64>,
    /// (active, D), for standardised features.
    weights: DMatrix<f64>,
    /// (D).
    intercept: Vec<f64>,
    /// Chosen λ per target.
    penalties: Vec<f64>,
}

impl Fit {
    fn new(train: (&dyn Features, &Array), validation: (&dyn Features, &Array)) -> Result<Self> {
        shapes(train, validation)?;
        let [n, t, f] = train.0.shape();
        let (mean, std) = moments(train.0);
        let active: Vec<usize> = (0..f)
            .filter(|&j| std[j] > 1e-12 * (1.0 + mean[j].abs()))
            .collect();
        let width = sizes(train.1)[2];
        let rows = (n * t) as f64;
        let intercept: Vec<f64> = (0..width)
            .map(|j| train.1.data().iter().skip(j).step_by(width).sum::<f64>() / rows)
            .collect();
        let mut readout = Self {
            features: f,
            weights: DMatrix::zeros(active.len(), width),
            penalties: vec![1.0; width],
            active,
            mean,
            std,
            intercept,
        };
        if n * t < readout.active.len() {
            let solutions = readout.dual(train);
            readout.choose(&solutions, validation)?;
            return Ok(readout);
        }
        let (mut gram, mut cross) = (Gram::new(readout.active.len()), readout.weights.clone());
        readout.blocks(train.0, |first, x| {
            let y = readout.targets(train.1, first, x.ncols());
            gram.add(x);
            cross.gemm(1.0 / rows, x, &y, 1.0);
        });
        let gram = gram.mean(rows);
        let solutions: Vec<(f64, DMatrix<f64>)> = PENALTIES
            .par_iter()
            .filter_map(|&penalty| Some((penalty, solve(&gram, penalty, &cross)?)))
            .collect();
        readout.choose(&solutions, validation)?;
        Ok(readout)
    }

    /// The solutions of all penalties from the Gram matrix of the rows. Sums over features are cut into the same parts
    /// on any number of threads and added in order.
    fn dual(&self, train: (&dyn Features, &Array)) -> Vec<(f64, DMatrix<f64>)> {
        let [n, t, _] = train.0.shape();
        let rows = n * t;
        let mut all = DMatrix::zeros(self.active.len(), rows); // (F, n)
        self.blocks(train.0, |first, x| {
            all.columns_mut(first, x.ncols()).copy_from(x);
        });
        let starts: Vec<usize> = (0..all.nrows()).step_by(DUAL_PART).collect();
        let mut gram = DMatrix::zeros(rows, rows);
        for group in starts.chunks(DUAL_GROUP) {
            let parts: Vec<DMatrix<f64>> = group
                .par_iter()
                .map(|&first| {
                    let part = all
                        .rows(first, DUAL_PART.min(all.nrows() - first))
                        .into_owned();
                    part.tr_mul(&part)
                })
                .collect();
            parts.iter().for_each(|part| gram += part);
        }
        gram /= rows as f64;
        let y = self.targets(train.1, 0, rows) / rows as f64;
        PENALTIES
            .par_iter()
            .filter_map(|&penalty| {
                let alpha = solve(&gram, penalty, &y)?;
                Some((penalty, &all * alpha))
            })
            .collect()
    }

    /// Takes for every target the solution with the least squared error on `validation`.
    fn choose(
        &mut self,
        solutions: &[(f64, DMatrix<f64>)],
        validation: (&dyn Features, &Array),
    ) -> Result<()> {
        let width = self.intercept.len();
        let mut errors = vec![0.0; solutions.len() * width];
        self.blocks(validation.0, |first, x| {
            let y = self.targets(validation.1, first, x.ncols());
            for (k, (_, weights)) in solutions.iter().enumerate() {
                let residual = x.tr_mul(weights) - &y;
                for j in 0..width {
                    errors[k * width + j] += residual.column(j).norm_squared();
                }
            }
        });
        for j in 0..width {
            let error = |k: &usize| errors[k * width + j];
            let best = (0..solutions.len())
                .filter(|k| error(k).is_finite())
                .min_by(|a, b| error(a).total_cmp(&error(b)));
            let Some(best) = best else {
                return Err(Error::Numeric(format!(
                    "read-out: target {j} has no solution for any of {} penalties",
                    PENALTIES.len()
                )));
            };
            self.penalties[j] = solutions[best].0;
            self.weights.set_column(j, &solutions[best].1.column(j));
        }
        Ok(())
    }

    /// Decoded targets, (N, T, D), of as many features.
    fn decode(&self, features: &dyn Features) -> Array {
        let [n, t, _] = features.shape();
        let width = self.intercept.len();
        let mut out = Array::zeros([n, t, width]);
        self.blocks(features, |first, x| {
            let y = x.tr_mul(&self.weights); // (rows, D)
            for r in 0..y.nrows() {
                for j in 0..width {
                    out.data_mut()[(first + r) * width + j] = y[(r, j)] + self.intercept[j];
                }
            }
        });
        out
    }

    /// The map in the features' own units: M (D, F) and c (D) of s = M x + c.
    fn affine(&self) -> (DMatrix<f64>, Vec<f64>) {
        let mut matrix = DMatrix::zeros(self.intercept.len(), self.features);
        let mut offset = self.intercept.clone();
        for (k, &feature) in self.active.iter().enumerate() {
            for (j, c) in offset.iter_mut().enumerate() {
                let slope = self.weights[(k, j)] / self.std[feature];
                matrix[(j, feature)] = slope;
                *c -= slope * self.mean[feature];
            }
        }
        (matrix, offset)
    }

    /// Calls `with` for blocks of whole sequences: index of the first row, standardised features (active, rows).
    fn blocks(&self, features: &dyn Features, mut with: impl FnMut(usize, &DMatrix<f64>)) {
        let [n, t, f] = features.shape();
        let least = (BLOCK_BYTES / (8 * t * f.max(1))).max(1);
        let each = (BLOCK_ROWS / t).clamp(1, least);
        let mut raw = vec![0.0; t * f];
        for first in (0..n).step_by(each) {
            let count = each.min(n - first);
            let mut x = DMatrix::zeros(self.active.len(), count * t);
            for i in 0..count {
                features.fill(first + i, &mut raw);
                for (r, row) in raw.chunks_exact(f.max(1)).enumerate() {
                    for (value, &j) in x.column_mut(i * t + r).iter_mut().zip(&self.active) {
                        *value = (row[j] - self.mean[j]) / self.std[j];
                    }
                }
            }
            with(first * t, &x);
        }
    }

    /// Rows `first..first + count` of the targets less the intercept, (rows, D).
    fn targets(&self, targets: &Array, first: usize, count: usize) -> DMatrix<f64> {
        let width = self.intercept.len();
        DMatrix::from_fn(count, width, |r, j| {
            targets.data()[(first + r) * width + j] - self.intercept[j]
        })
    }
}

/// Mean and standard deviation of every feature over all rows; two passes, so that a large mean costs no digits.
fn moments(features: &dyn Features) -> (Vec<f64>, Vec<f64>) {
    let [n, t, f] = features.shape();
    let rows = (n * t) as f64;
    let mut raw = vec![0.0; t * f];
    let (mut mean, mut var) = (vec![0.0; f], vec![0.0; f]);
    for i in 0..n {
        features.fill(i, &mut raw);
        for row in raw.chunks_exact(f.max(1)) {
            for (m, value) in mean.iter_mut().zip(row) {
                *m += value / rows;
            }
        }
    }
    for i in 0..n {
        features.fill(i, &mut raw);
        for row in raw.chunks_exact(f.max(1)) {
            for ((v, m), value) in var.iter_mut().zip(&mean).zip(row) {
                *v += (value - m).powi(2) / rows;
            }
        }
    }
    (mean, var.into_iter().map(f64::sqrt).collect())
}

#[cfg(test)]
mod tests {
    use super::super::arrays::build;
    use super::*;
    use crate::seeds::Seeds;
    use rand_distr::{Distribution, StandardNormal};

    #[test]
    fn rows_whose_target_is_not_known_are_left_out_column_by_column() {
        let value = |i: usize, t: usize, j: usize| ((i * 31 + t * 7 + j * 13) as f64 * 0.7).sin();
        let features = |seed: usize| {
            build([12, 5, 3], |i, t, row| {
                for (j, v) in row.iter_mut().enumerate() {
                    *v = value(i + seed, t, j);
                }
            })
        };
        // Column 0 lacks every fifth row, column 1 every third, column 2 none, column 3 all in training.
        let lacks = |k: usize| [k.is_multiple_of(5), k % 3 == 1, false, true];
        let truth = |seed: usize| {
            build([12, 5, 4], |i, t, row| {
                for (j, v) in row.iter_mut().enumerate() {
                    let noise = 0.3 * value(i + seed, t, j + 5);
                    let lacks = lacks(5 * i + t)[j] && (j < 3 || seed == 0);
                    *v = if lacks {
                        f64::NAN
                    } else {
                        value(i + seed, t, j % 3) + noise
                    };
                }
            })
        };
        let (train, validation) = (features(0), features(50));
        let (to_train, to_validation) = (truth(0), truth(50));
        let all = Readout::fit((&train, &to_train), (&validation, &to_validation)).unwrap();
        let decoded = all.decode(&validation).unwrap();
        for j in 0..3 {
            // The same from arrays that hold the known rows and nothing else.
            let only = |array: &Array, width: usize, columns: std::ops::Range<usize>| {
                let rows = array.data().chunks_exact(width).enumerate();
                let kept = rows.filter(|(k, _)| !lacks(*k)[j]);
                let kept: Vec<f64> = kept
                    .flat_map(|(_, r)| r[columns.clone()].to_vec())
                    .collect();
                Array::new([kept.len() / columns.len(), 1, columns.len()], kept).unwrap()
            };
            let alone = Readout::fit(
                (&only(&train, 3, 0..3), &only(&to_train, 4, j..j + 1)),
                (
                    &only(&validation, 3, 0..3),
                    &only(&to_validation, 4, j..j + 1),
                ),
            )
            .unwrap();
            assert_eq!(alone.penalties[0], all.penalties[j]);
            let want = alone.decode(&validation).unwrap();
            let got: Vec<f64> = decoded.data().iter().skip(j).step_by(4).copied().collect();
            assert_eq!(got, want.data(), "column {j}");
            assert_eq!(alone.affine().1[0], all.affine().1[j]);
        }
        assert!(decoded.data().iter().skip(3).step_by(4).all(|v| v.is_nan()));
        assert!(all.penalties[3].is_nan() && all.affine().1[3].is_nan());
    }

    fn normal(shape: [usize; 3], index: u64) -> Array {
        let mut rng = Seeds::new(5).stream("regression", index);
        build(shape, |_, _, row| {
            row.fill_with(|| StandardNormal.sample(&mut rng))
        })
    }

    /// s = (2 x0 - x1 + 100, 5 - 3 x2), and a fourth feature that is constant.
    fn affine(x: &Array) -> Array {
        let [n, t, _] = sizes(x);
        build([n, t, 2], |i, t, row| {
            let x = super::super::arrays::at(x, i, t);
            row.copy_from_slice(&[2.0 * x[0] - x[1] + 100.0, 5.0 - 3.0 * x[2]]);
        })
    }

    #[test]
    fn an_affine_map_comes_back_to_1e_9() {
        let features = |index, n| {
            let mut x = normal([n, 7, 4], index);
            for row in x.data_mut().chunks_exact_mut(4) {
                row[1] += 0.9 * row[0]; // correlated
                row[3] = 3.25;
            }
            x
        };
        let (train, validation) = (features(0, 50), features(1, 10));
        let fit = Readout::fit(
            (&train, &affine(&train)),
            (&validation, &affine(&validation)),
        )
        .unwrap();
        let (matrix, offset) = fit.affine();
        let want = DMatrix::from_row_slice(2, 4, &[2., -1., 0., 0., 0., 0., -3., 0.]);
        assert!((&matrix - &want).amax() < 1e-9, "{matrix}");
        assert!(
            (offset[0] - 100.0).abs() < 1e-9 && (offset[1] - 5.0).abs() < 1e-9,
            "{offset:?}"
        );
        let test = features(2, 4);
        let decoded = fit.decode(&test).unwrap();
        for (a, b) in decoded.data().iter().zip(affine(&test).data()) {
            assert!((a - b).abs() < 1e-9, "{a} {b}");
        }
    }

    #[test]
    fn a_change_of_targets_is_the_least_change_of_features_that_makes_it() {
        let features = |index, n| {
            let mut x = normal([n, 7, 4], index);
            for row in x.data_mut().chunks_exact_mut(4) {
                row[0] *= 10.0;
                row[3] = 3.25;
            }
            x
        };
        let (train, validation) = (features(20, 60), features(21, 10));
        let fit = Readout::fit(
            (&train, &affine(&train)),
            (&validation, &affine(&validation)),
        )
        .unwrap();
        // s = (2 x0 - x1 + 100, 5 - 3 x2): by hand (s0, s1) + (3, 0) is x + (2 a^2, -b^2, 0, 0) 3 / (4 a^2 + b^2), where a and b
        // are the deviations of x0 and x1, some 10 and 1.
        let std = |j: usize| {
            let all: Vec<f64> = train.data().iter().skip(j).step_by(4).copied().collect();
            let mean = all.iter().sum::<f64>() / all.len() as f64;
            all.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / all.len() as f64
        };
        let (a, b) = (std(0), std(1));
        let step = fit.inverse(&[3.0, 0.0]).unwrap();
        let share = 3.0 / (4.0 * a + b);
        for (got, want) in step.iter().zip([2.0 * a * share, -b * share, 0.0, 0.0]) {
            assert!((got - want).abs() < 1e-6, "{step:?}");
        }
        // Two targets that are one, 2 x0, can't be changed apart.
        let doubled = |x: &Array| {
            let [n, t, _] = sizes(x);
            build([n, t, 2], |i, t, row| {
                row.fill(2.0 * super::super::arrays::at(x, i, t)[0]);
            })
        };
        let same = Readout::fit(
            (&train, &doubled(&train)),
            (&validation, &doubled(&validation)),
        );
        let error = same.unwrap().inverse(&[1.0, 0.0]).unwrap_err().to_string();
        assert!(error.contains("none does"), "{error}");
    }

    #[test]
    fn validation_shrinks_a_map_of_noise() {
        // 40 useless features, 60 rows: least squares would fit noise.
        let (x, y) = (normal([6, 10, 40], 3), normal([6, 10, 1], 4));
        let (vx, vy) = (normal([50, 10, 40], 5), normal([50, 10, 1], 6));
        let fit = Readout::fit((&x, &y), (&vx, &vy)).unwrap();
        assert_eq!(fit.penalties, [1.0]);
    }

    #[test]
    fn with_fewer_rows_than_features_the_dual_form_is_the_primal_solution() {
        // 24 rows of 4,100 features: three parts. The primal solution by nalgebra's own LU of (X'X/n + λ) is the second
        // answer.
        let (x, y) = (normal([4, 6, 4100], 10), normal([4, 6, 2], 11));
        let fit = Readout::fit(
            (&x, &y),
            (&normal([3, 6, 4100], 12), &normal([3, 6, 2], 13)),
        )
        .unwrap();
        let rows = 24;
        let mut x = DMatrix::from_fn(rows, 4100, |r, j| x.data()[r * 4100 + j]);
        for mut column in x.column_iter_mut() {
            let mean = column.mean();
            let std = (column.map(|v| (v - mean).powi(2)).sum() / rows as f64).sqrt();
            column.apply(|v| *v = (*v - mean) / std);
        }
        for j in 0..2 {
            let target = DMatrix::from_fn(rows, 1, |r, _| y.data()[2 * r + j]);
            let target = target.add_scalar(-target.mean());
            // (X'X/n + λ) w = X'y/n, checked by what it leaves.
            let w = fit.parts[0].1.weights.column(j);
            let left = x.tr_mul(&(&x * w)) / rows as f64 + w * fit.penalties[j]
                - x.tr_mul(&target) / rows as f64;
            assert!(left.amax() < 1e-9, "{j}: {}", left.amax());
        }
    }

    #[test]
    fn other_features_than_fitted_are_an_error() {
        let (x, y) = (normal([3, 4, 2], 7), normal([3, 4, 1], 8));
        let fit = Readout::fit((&x, &y), (&x, &y)).unwrap();
        let error = fit.decode(&normal([1, 4, 3], 9)).unwrap_err().to_string();
        assert!(
            error.contains("want 2") && error.contains("got 3"),
            "{error}"
        );
        assert!(Readout::fit((&x, &y), (&normal([3, 4, 5], 9), &y)).is_err());
    }
}
