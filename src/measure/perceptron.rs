//! A small network as a read-out: what a latent tells that no linear map finds.
//!
//! ```text
//! h = tanh(x̃ W + b),  x̃ standardised;   a value: ŷ = h v + c of ỹ standardised,  a class: p = softmax(h V + c)
//! loss = mean over rows of the sum over targets of (ŷ - ỹ)^2 / 2 or -log p(class); what is not known leaves no term
//! ```
//!
//! All targets share one hidden layer. Adam (Kingma & Ba 2015) on random rows; the weights with the least loss on validation rows
//! are kept, so that a network that learns its rows by heart is not worse than one that was stopped.

use crate::error::{Error, Result};
use crate::seeds::Rng;
use nalgebra::DMatrix;
use rand::RngExt;

/// Units of the hidden layer.
const UNITS: usize = 32;
/// Steps of Adam, rows of each, its rate, and after how many the validation rows are asked.
const STEPS: usize = 600;
const ROWS: usize = 256;
const RATE: f64 = 0.01;
const EVERY: usize = 50;

/// What is read from each row.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// A number; NaN where it is not known.
    Values(Vec<f64>),
    /// One of so many classes; `None` where it is not known.
    Classes(Vec<Option<usize>>, usize),
}

impl Target {
    /// Rows.
    pub fn rows(&self) -> usize {
        match self {
            Self::Values(all) => all.len(),
            Self::Classes(all, _) => all.len(),
        }
    }

    /// Outputs of the network.
    fn width(&self) -> usize {
        match self {
            Self::Values(_) => 1,
            Self::Classes(_, classes) => *classes,
        }
    }
}

/// A fitted network.
#[derive(Clone, Debug)]
pub struct Perceptron {
    /// Of features: mean, and one over the standard deviation (0 of one that does not vary).
    features: Vec<[f64; 2]>,
    /// Of values: mean and standard deviation; of classes none.
    targets: Vec<(usize, Option<[f64; 2]>)>,
    /// W (n, h), b (1, h), V (h, out), c (1, out).
    weights: [DMatrix<f64>; 4],
}

fn moments(values: impl Iterator<Item = f64> + Clone) -> [f64; 2] {
    let known = values.filter(|v| !v.is_nan());
    let n = (known.clone().count() as f64).max(1.0);
    let mean = known.clone().sum::<f64>() / n;
    let var = known.map(|v| (v - mean).powi(2)).sum::<f64>() / n;
    [mean, var.sqrt()]
}

impl Perceptron {
    /// Fits features (rows, n) to targets, each with as many rows; `validation` chooses when to stop.
    ///
    /// # Errors
    /// [`Error::Shape`] for no rows, targets of other rows, or of another kind in `validation`.
    pub fn fit(
        train: (&DMatrix<f64>, &[Target]),
        validation: (&DMatrix<f64>, &[Target]),
        rng: &mut Rng,
    ) -> Result<Self> {
        for (x, targets) in [train, validation] {
            let fits = targets.iter().all(|own| own.rows() == x.nrows());
            if x.nrows() == 0
                || !fits
                || targets.len() != train.1.len()
                || x.ncols() != train.0.ncols()
            {
                return Err(Error::Shape(format!(
                    "perceptron: {} targets of each of {} rows (at least 1) of {} features expected, got {:?} of {}",
                    train.1.len(),
                    x.nrows(),
                    train.0.ncols(),
                    targets.iter().map(Target::rows).collect::<Vec<_>>(),
                    x.ncols()
                )));
            }
        }
        let features = train.0.column_iter().map(|column| {
            let [mean, std] = moments(column.iter().copied());
            [mean, if std > 1e-9 { 1.0 / std } else { 0.0 }]
        });
        let targets = train.1.iter().map(|own| {
            let scale = match own {
                Target::Values(values) => {
                    let [mean, std] = moments(values.iter().copied());
                    Some([mean, std.max(1e-12)])
                }
                Target::Classes(..) => None,
            };
            (own.width(), scale)
        });
        let targets: Vec<_> = targets.collect();
        let (n, out) = (train.0.ncols(), targets.iter().map(|own| own.0).sum());
        let mut draw = |rows: usize, columns: usize, size: f64| {
            DMatrix::from_fn(rows, columns, |_, _| {
                size * (2.0 * rng.random::<f64>() - 1.0)
            })
        };
        let mut this = Self {
            features: features.collect(),
            targets,
            weights: [
                draw(n, UNITS, (3.0 / n.max(1) as f64).sqrt()),
                DMatrix::zeros(1, UNITS),
                draw(UNITS, out, 0.1),
                DMatrix::zeros(1, out),
            ],
        };
        let [x, held] = [train.0, validation.0].map(|own| this.standard(own));
        let mut best = (f64::INFINITY, this.weights.clone());
        let zeros = || this.weights.clone().map(|w| w * 0.0);
        let (mut first, mut second) = (zeros(), zeros());
        for step in 1..=STEPS {
            let rows: Vec<usize> = (0..ROWS.min(x.nrows()))
                .map(|_| rng.random_range(0..x.nrows()))
                .collect();
            let slopes = this.slopes(&x.select_rows(&rows), train.1, &rows);
            // A rate that falls to a tenth: the last steps settle.
            let rate = RATE * (1.0 - 0.9 * step as f64 / STEPS as f64);
            for (k, slope) in slopes.into_iter().enumerate() {
                first[k] = 0.9 * &first[k] + 0.1 * &slope;
                second[k] = 0.99 * &second[k] + 0.01 * slope.component_mul(&slope);
                let unbiased = |decay: f64| 1.0 - decay.powi(step as i32);
                let (a, b) = (unbiased(0.9), unbiased(0.99));
                this.weights[k].zip_zip_apply(&first[k], &second[k], |w, m, v| {
                    *w -= rate * (m / a) / ((v / b).sqrt() + 1e-8);
                });
            }
            if step % EVERY == 0 {
                let loss = this.loss(&held, validation.1);
                if loss < best.0 {
                    best = (loss, this.weights.clone());
                }
            }
        }
        this.weights = best.1;
        Ok(this)
    }

    fn standard(&self, features: &DMatrix<f64>) -> DMatrix<f64> {
        DMatrix::from_fn(features.nrows(), features.ncols(), |i, j| {
            let [mean, scale] = self.features[j];
            (features[(i, j)] - mean) * scale
        })
    }

    /// Hidden units and outputs of standardised features; classes as probabilities.
    fn forward(&self, x: &DMatrix<f64>) -> [DMatrix<f64>; 2] {
        let [w, b, v, c] = &self.weights;
        let add = |mut y: DMatrix<f64>, row: &DMatrix<f64>| {
            for (mut column, &bias) in y.column_iter_mut().zip(row.iter()) {
                column.add_scalar_mut(bias);
            }
            y
        };
        let hidden = add(x * w, b).map(f64::tanh);
        let mut out = add(&hidden * v, c);
        for (from, width, scale) in self.places() {
            if scale.is_some() {
                continue;
            }
            for i in 0..out.nrows() {
                let mut own = out.view_mut((i, from), (1, width));
                let most = own.max();
                own.apply(|v| *v = (*v - most).exp());
                own /= own.sum();
            }
        }
        [hidden, out]
    }

    /// First output, number of outputs and scale of every target.
    fn places(&self) -> impl Iterator<Item = (usize, usize, Option<[f64; 2]>)> {
        self.targets.iter().scan(0, |from, &(width, scale)| {
            let own = *from;
            *from += width;
            Some((own, width, scale))
        })
    }

    /// Slopes of the mean loss of some rows of the targets.
    fn slopes(&self, x: &DMatrix<f64>, targets: &[Target], rows: &[usize]) -> [DMatrix<f64>; 4] {
        let [hidden, mut out] = self.forward(x);
        for ((from, width, scale), target) in self.places().zip(targets) {
            for (i, &row) in rows.iter().enumerate() {
                match (target, scale) {
                    (Target::Values(values), Some([mean, std])) if !values[row].is_nan() => {
                        out[(i, from)] -= (values[row] - mean) / std;
                    }
                    (Target::Classes(labels, _), _) if labels[row].is_some() => {
                        out[(i, from + labels[row].unwrap_or(0))] -= 1.0;
                    }
                    _ => out.view_mut((i, from), (1, width)).fill(0.0),
                }
            }
        }
        out /= rows.len() as f64;
        let across = |g: &DMatrix<f64>| DMatrix::from_fn(1, g.ncols(), |_, j| g.column(j).sum());
        let below = (&out * self.weights[2].transpose()).zip_map(&hidden, |g, h| g * (1.0 - h * h));
        [
            x.tr_mul(&below),
            across(&below),
            hidden.tr_mul(&out),
            across(&out),
        ]
    }

    fn loss(&self, x: &DMatrix<f64>, targets: &[Target]) -> f64 {
        let [_, out] = self.forward(x);
        let mut sum = 0.0;
        for ((from, _, scale), target) in self.places().zip(targets) {
            let rows = 0..x.nrows();
            sum += match (target, scale) {
                (Target::Values(values), Some([mean, std])) => {
                    let error = |i: usize| out[(i, from)] - (values[i] - mean) / std;
                    let known = rows.filter(|&i| !values[i].is_nan());
                    known.map(|i| 0.5 * error(i).powi(2)).sum::<f64>()
                }
                (Target::Classes(labels, _), _) => {
                    let known = rows.filter_map(|i| Some((i, labels[i]?)));
                    known
                        .map(|(i, k)| -out[(i, from + k)].max(f64::MIN_POSITIVE).ln())
                        .sum()
                }
                _ => 0.0,
            };
        }
        sum
    }

    /// What it reads from features (rows, n): values, or the most probable classes as numbers, for every target.
    pub fn read(&self, features: &DMatrix<f64>) -> Vec<Vec<f64>> {
        let [_, out] = self.forward(&self.standard(features));
        let all = self.places().map(|(from, width, scale)| {
            let rows = 0..out.nrows();
            let read = |i: usize| match scale {
                Some([mean, std]) => mean + std * out[(i, from)],
                None => {
                    let better =
                        |best: usize, k: usize| match out[(i, from + k)] > out[(i, from + best)] {
                            true => k,
                            false => best,
                        };
                    (0..width).fold(0, better) as f64
                }
            };
            rows.map(read).collect()
        });
        all.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeds::Seeds;

    /// x in a square; the class is the quadrant's parity, the value a product: no linear map tells either.
    fn rows(n: usize, index: u64) -> (DMatrix<f64>, Vec<Target>) {
        let mut rng = Seeds::new(3).stream("perceptron", index);
        let x = DMatrix::from_fn(n, 2, |_, _| 2.0 * rng.random::<f64>() - 1.0);
        let product = |i: usize| x[(i, 0)] * x[(i, 1)];
        let classes = (0..n).map(|i| (i % 7 > 0).then(|| usize::from(product(i) > 0.0)));
        let values = (0..n).map(|i| {
            if i % 5 == 0 {
                f64::NAN
            } else {
                100.0 + 30.0 * product(i)
            }
        });
        let targets = vec![
            Target::Classes(classes.collect(), 2),
            Target::Values(values.collect()),
        ];
        (x, targets)
    }

    #[test]
    fn a_product_and_its_sign_are_read_where_no_linear_map_reads_them() {
        let ((x, y), (held, wanted)) = (rows(1500, 0), rows(500, 1));
        let mut rng = Seeds::new(3).stream("perceptron", 2);
        let net = Perceptron::fit((&x, &y), (&held, &wanted), &mut rng).unwrap();
        let (test, truth) = rows(1000, 3);
        let read = net.read(&test);
        let Target::Classes(labels, _) = &truth[0] else {
            panic!()
        };
        let known: Vec<(usize, usize)> = (0..1000).filter_map(|i| Some((i, labels[i]?))).collect();
        let right = known
            .iter()
            .filter(|(i, k)| read[0][*i] == *k as f64)
            .count() as f64;
        // 32 units fit the saddle to some .05, which misjudges rows that near to the axes: a few in a hundred.
        assert!(
            right / known.len() as f64 > 0.93,
            "{right} of {}",
            known.len()
        );
        let (mut error, mut all) = (0.0, 0.0);
        for i in 0..1000 {
            let truth = 100.0 + 30.0 * test[(i, 0)] * test[(i, 1)];
            error += (read[1][i] - truth).powi(2);
            all += (truth - 100.0).powi(2);
        }
        assert!(1.0 - error / all > 0.95, "R2 {}", 1.0 - error / all);
    }

    #[test]
    fn targets_of_other_rows_are_told() {
        let (x, mut y) = rows(10, 0);
        y[0] = Target::Values(vec![0.0; 9]);
        let mut rng = Seeds::new(3).stream("perceptron", 2);
        let message = Perceptron::fit((&x, &y), (&x, &y), &mut rng)
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("10 rows") && message.contains("[9, 10]"),
            "{message}"
        );
    }
}
