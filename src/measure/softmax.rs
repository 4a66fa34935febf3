//! Multinomial logistic regression: what linear features tell of a class, in nats.

use crate::error::{Error, Result};
use nalgebra::{DMatrix, DVector};

/// p(k | x) = softmax((x - mean) / std W + b)_k.
#[derive(Clone, Debug, PartialEq)]
pub struct Softmax {
    mean: DVector<f64>,
    /// Of features that vary; 0 takes one that does not out.
    scale: DVector<f64>,
    /// (features, classes).
    weights: DMatrix<f64>,
    bias: DVector<f64>,
}

/// Steps of the accelerated descent.
const STEPS: usize = 400;
/// Rounds of the power iteration that bounds the slope.
const POWERS: usize = 30;

impl Softmax {
    /// Minimises the mean of -log p(class | x) plus `penalty` / 2 times the squared weights of standardised features, by
    /// accelerated gradient descent from zero (Nesterov 1983; the step is one over the largest curvature): features
    /// (rows, n), a class below `classes` for each row.
    ///
    /// # Errors
    /// [`Error::Shape`] for no row, other numbers of classes, or a class out of range.
    pub fn fit(
        features: &DMatrix<f64>,
        labels: &[usize],
        classes: usize,
        penalty: f64,
    ) -> Result<Self> {
        let (rows, n) = features.shape();
        if rows == 0 || labels.len() != rows || labels.iter().any(|&k| k >= classes) {
            return Err(Error::Shape(format!(
                "softmax: a class below {classes} for each of {rows} rows (at least 1) expected, got {}",
                labels.len()
            )));
        }
        let mean = DVector::from_fn(n, |j, _| features.column(j).mean());
        let scale = DVector::from_fn(n, |j, _| {
            let std = features.column(j).variance().sqrt();
            if std > 1e-9 { 1.0 / std } else { 0.0 }
        });
        let mut this = Self {
            mean,
            scale,
            weights: DMatrix::zeros(n, classes),
            bias: DVector::zeros(classes),
        };
        let x = this.standard(features);
        let across = x.transpose();
        // The curvature is at most half the largest eigenvalue of x'x / rows; the column of ones adds 1.
        let mut direction = DVector::from_element(n, 1.0);
        let mut largest = 0.0;
        for _ in 0..POWERS {
            let next = &across * (&x * &direction) / rows as f64;
            largest = next.norm();
            if largest > 0.0 {
                direction = next / largest;
            }
        }
        let rate = 1.0 / (0.5 * (1.1 * largest + 1.0) + penalty);
        let (mut ahead_w, mut ahead_b) = (this.weights.clone(), this.bias.clone());
        let mut momentum = 1.0_f64;
        for _ in 0..STEPS {
            let mut error = probabilities(&x, &ahead_w, &ahead_b);
            for (row, &label) in labels.iter().enumerate() {
                error[(row, label)] -= 1.0;
            }
            error /= rows as f64;
            let slope_w = &across * &error + penalty * &ahead_w;
            let slope_b = error.row_sum().transpose();
            let (w, b) = (&ahead_w - rate * slope_w, &ahead_b - rate * slope_b);
            let next = 0.5 * (1.0 + (1.0 + 4.0 * momentum * momentum).sqrt());
            let share = (momentum - 1.0) / next;
            ahead_w = &w + share * (&w - &this.weights);
            ahead_b = &b + share * (&b - &this.bias);
            (this.weights, this.bias, momentum) = (w, b, next);
        }
        Ok(this)
    }

    fn standard(&self, features: &DMatrix<f64>) -> DMatrix<f64> {
        DMatrix::from_fn(features.nrows(), features.ncols(), |i, j| {
            (features[(i, j)] - self.mean[j]) * self.scale[j]
        })
    }

    /// Probabilities of the classes, (rows, classes).
    pub fn probabilities(&self, features: &DMatrix<f64>) -> DMatrix<f64> {
        probabilities(&self.standard(features), &self.weights, &self.bias)
    }
}

fn probabilities(x: &DMatrix<f64>, weights: &DMatrix<f64>, bias: &DVector<f64>) -> DMatrix<f64> {
    let mut out = x * weights;
    let (rows, classes) = out.shape();
    // Column by column in memory: class k of row i is value k rows + i.
    let values = out.as_mut_slice();
    let bias = bias.as_slice();
    for i in 0..rows {
        let mut most = f64::NEG_INFINITY;
        for (k, own) in bias.iter().enumerate() {
            let value = values[k * rows + i] + own;
            values[k * rows + i] = value;
            most = most.max(value);
        }
        let mut sum = 0.0;
        for k in 0..classes {
            let value = (values[k * rows + i] - most).exp();
            values[k * rows + i] = value;
            sum += value;
        }
        for k in 0..classes {
            values[k * rows + i] /= sum;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeds::Seeds;
    use rand::RngExt;

    /// Two classes with equal Gaussians at -d/2 and d/2: the log odds are d x, and nothing else.
    #[test]
    fn weights_are_the_log_odds_of_gaussian_classes() {
        use rand_distr::{Distribution, StandardNormal};
        let (rows, d) = (20_000, 1.5);
        let mut rng = Seeds::new(2).stream("softmax", 0);
        let mut labels = Vec::new();
        let x = DMatrix::from_fn(rows, 1, |_, _| {
            let label = usize::from(rng.random::<bool>());
            labels.push(label);
            let noise: f64 = StandardNormal.sample(&mut rng);
            noise + d * (label as f64 - 0.5)
        });
        let found = Softmax::fit(&x, &labels, 2, 0.0).unwrap();
        let at = |v: f64| {
            let p = found.probabilities(&DMatrix::from_element(1, 1, v));
            (p[1] / p[0]).ln()
        };
        // Standard error of a slope of 20,000 rows: 1 / sqrt(rows mean(p q x^2)), some .02; six of it.
        assert!(
            (at(1.0) - at(0.0) - d).abs() < 0.12,
            "{}",
            at(1.0) - at(0.0)
        );
        assert!(at(0.0).abs() < 0.1, "{}", at(0.0));
    }

    #[test]
    fn a_feature_that_says_nothing_leaves_the_shares_and_constant_ones_are_no_matter() {
        let labels: Vec<usize> = (0..400).map(|i| usize::from(i % 4 == 0)).collect();
        let x = DMatrix::from_fn(400, 2, |i, j| if j == 0 { 3.0 } else { (i / 4 % 2) as f64 });
        let found = Softmax::fit(&x, &labels, 2, 1e-6).unwrap();
        for p in found.probabilities(&x).column(1).iter() {
            assert!((p - 0.25).abs() < 1e-3, "{p}");
        }
    }

    #[test]
    fn classes_out_of_range_are_told() {
        let x = DMatrix::from_element(2, 1, 0.0);
        let message = Softmax::fit(&x, &[0, 3], 3, 0.0).unwrap_err().to_string();
        assert!(message.contains("a class below 3"), "{message}");
    }
}
