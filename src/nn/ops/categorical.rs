//! Categorical variables on a tape: log probabilities, straight-through draws, divergences.

use crate::tensor::{matrix, record, size, split, split_all, take_gradient, values};
use crate::{Error, Float, Mat, Result, Rng, Track};
use rand::RngExt;

/// For every row `groups` independent variables with `classes` values each.
#[derive(Clone, Debug)]
pub struct Categorical<F: Float, T> {
    /// Log probabilities, (rows, groups * classes), the classes of one variable after each other.
    pub log_probabilities: Mat<F, T>,
    classes: usize,
}

impl<F: Float, T: Track<F>> Categorical<F, T> {
    /// p = (1 - uniform) softmax(logits) + uniform / classes, for logits (rows, groups * classes). A share of .01 keeps
    /// log probabilities above ln(.01 / classes), so that no divergence explodes (Hafner et al. 2023, "Mastering
    /// diverse domains through world models").
    ///
    /// # Errors
    /// [`Error::Shape`] when the columns are no whole variables; [`Error::Config`] for a share outside 0..1.
    pub fn new(logits: &Mat<F, T>, classes: usize, uniform: f64) -> Result<Self> {
        let (logits, tape) = split(logits);
        let (rows, columns) = size(&logits);
        whole_variables(columns, classes)?;
        if !(0.0..1.0).contains(&uniform) {
            return Err(Error::Config(format!(
                "categorical: a uniform share in 0..1 expected, got {uniform}"
            )));
        }
        let (keep, floor) = (F::of(1.0 - uniform), F::of(uniform / classes as f64));
        let mut softmax = values(&logits).to_vec();
        let mut logs = Vec::with_capacity(rows * columns);
        for own in softmax.chunks_exact_mut(classes) {
            let top = own.iter().copied().fold(F::neg_infinity(), F::max);
            let total: F = own.iter().map(|&l| (l - top).exp()).sum();
            let log_total = total.ln();
            for l in own {
                let log = *l - top - log_total;
                *l = log.exp();
                logs.push(if uniform == 0.0 {
                    log
                } else {
                    (keep * *l + floor).ln()
                });
            }
        }
        let y = matrix(logs, rows, columns)?;
        let out = y.clone();
        let log_probabilities = record(y, tape, move |gradients| {
            let g = take_gradient(gradients, &out)?;
            let to = gradients.get_or_alloc_mut(&logits)?;
            let groups = softmax
                .chunks_exact(classes)
                .zip(values(&out).chunks_exact(classes));
            for ((to, g), (s, y)) in to
                .chunks_exact_mut(classes)
                .zip(g.chunks_exact(classes))
                .zip(groups)
            {
                // dL/ds_i = g_i keep / p_i, and times s_i; without a uniform share this is g_i itself.
                let own = |i: usize| {
                    if uniform == 0.0 {
                        g[i]
                    } else {
                        g[i] * keep * s[i] / y[i].exp()
                    }
                };
                let total: F = (0..classes).map(own).sum();
                for i in 0..classes {
                    to[i] += own(i) - s[i] * total;
                }
            }
            Ok(())
        });
        Ok(Self {
            log_probabilities,
            classes,
        })
    }

    /// From log probabilities (rows, groups * classes) that are normalised already.
    ///
    /// # Errors
    /// [`Error::Shape`] when the columns are no whole variables.
    pub fn of_log_probabilities(log_probabilities: Mat<F, T>, classes: usize) -> Result<Self> {
        let (_, columns) = size(&log_probabilities);
        whole_variables(columns, classes)?;
        Ok(Self {
            log_probabilities,
            classes,
        })
    }

    /// Values of one variable.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// One draw of every variable as a vector with a 1 at its class, (rows, groups * classes). Backward it stands for
    /// the probabilities (Bengio et al. 2013, straight-through): dL/dp = dL/dy.
    ///
    /// # Errors
    /// Out of memory.
    pub fn sample(&self, rng: &mut Rng) -> Result<Mat<F, T>> {
        let groups = values(&self.log_probabilities).len() / self.classes;
        let draws: Vec<f64> = (0..groups).map(|_| rng.random_range(0.0..1.0)).collect();
        self.sample_with(&draws)
    }

    /// The same from given uniform draws in 0..1, (rows * groups).
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of draws.
    pub fn sample_with(&self, draws: &[f64]) -> Result<Mat<F, T>> {
        let (logs, tape) = split(&self.log_probabilities);
        let (rows, columns) = size(&logs);
        if draws.len() * self.classes != rows * columns {
            return Err(Error::Shape(format!(
                "categorical: {} draws expected, got {}",
                rows * columns / self.classes,
                draws.len()
            )));
        }
        let mut y = vec![F::of(0.0); rows * columns];
        let groups = values(&logs).chunks_exact(self.classes);
        for ((to, own), &draw) in y.chunks_exact_mut(self.classes).zip(groups).zip(draws) {
            let mut left = draw;
            // The last class takes what rounding leaves.
            let class = own[..self.classes - 1].iter().position(|l| {
                left -= l.widen().exp();
                left < 0.0
            });
            to[class.unwrap_or(self.classes - 1)] = F::of(1.0);
        }
        let y = matrix(y, rows, columns)?;
        let out = y.clone();
        Ok(record(y, tape, move |gradients| {
            let g = take_gradient(gradients, &out)?;
            let to = gradients.get_or_alloc_mut(&logs)?;
            for ((to, &g), l) in to.iter_mut().zip(&g).zip(values(&logs)) {
                *to += g * l.exp();
            }
            Ok(())
        }))
    }

    /// KL(self || other) = sum p (ln p - ln p'), nats, summed over variables: (rows, 1).
    ///
    /// # Errors
    /// [`Error::Shape`] when the sizes differ.
    pub fn kl(&self, other: &Self) -> Result<Mat<F, T>> {
        let (mine, theirs) = (&self.log_probabilities, &other.log_probabilities);
        if size(mine) != size(theirs) || self.classes != other.classes {
            return Err(Error::Shape(format!(
                "categorical kl: {:?} of {} classes expected, got {:?} of {}",
                size(mine),
                self.classes,
                size(theirs),
                other.classes
            )));
        }
        let (rows, columns) = size(mine);
        let (parts, tape) = split_all(&[mine, theirs]);
        let one = |i: usize| {
            let [p, q] = [0, 1].map(|k: usize| values(&parts[k])[i].widen());
            // 0 (ln 0 - ..) = 0.
            if p == f64::NEG_INFINITY {
                0.0
            } else {
                p.exp() * (p - q)
            }
        };
        let of_row = |row: usize| F::of((row * columns..(row + 1) * columns).map(one).sum());
        let kl = matrix((0..rows).map(of_row).collect(), rows, 1)?; // (rows, 1)
        let out = kl.clone();
        Ok(record(kl, tape, move |gradients| {
            let g = take_gradient(gradients, &out)?;
            let mut send: [Vec<F>; 2] = std::array::from_fn(|_| Vec::with_capacity(rows * columns));
            for i in 0..rows * columns {
                let [lp, lq] = [0, 1].map(|k: usize| values(&parts[k])[i]);
                let (g, p) = (g[i / columns], lp.exp());
                send[0].push(if p > F::of(0.0) {
                    g * p * (lp - lq + F::of(1.0))
                } else {
                    p
                });
                send[1].push(-g * p);
            }
            for (to, from) in parts.iter().zip(&send) {
                F::accumulate(gradients.get_or_alloc_mut(to)?, from);
            }
            Ok(())
        }))
    }

    /// The same variables as data.
    ///
    /// # Errors
    /// Out of memory.
    pub fn detach(&self) -> Result<Self> {
        Ok(Self {
            log_probabilities: super::detach(&self.log_probabilities)?,
            classes: self.classes,
        })
    }
}

fn whole_variables(columns: usize, classes: usize) -> Result<()> {
    match classes > 0 && columns.is_multiple_of(classes) {
        true => Ok(()),
        false => Err(Error::Shape(format!(
            "categorical: a multiple of {classes} columns expected, got {columns}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{self, close, gradients_agree, numbers, project, random};
    use crate::ops::{columns, exp, multiply};
    use rand::SeedableRng;

    #[test]
    fn probabilities_are_a_softmax_with_a_uniform_share() {
        let logits = random("logits", 2, 6);
        for uniform in [0.0, 0.01, 0.5] {
            let p = exp(&Categorical::new(&logits, 3, uniform)
                .unwrap()
                .log_probabilities)
            .unwrap();
            for (p, l) in values(&p).chunks(3).zip(values(&logits).chunks(3)) {
                let total: f64 = l.iter().map(|l| l.exp()).sum();
                let want: Vec<f64> = l
                    .iter()
                    .map(|l| (1.0 - uniform) * l.exp() / total + uniform / 3.0)
                    .collect();
                close("p", p, &want, 1e-14);
            }
        }
        // No overflow, and no -inf with a uniform share.
        let far = matrix(vec![1000.0, -1000.0], 1, 2).unwrap();
        let logs = Categorical::new(&far, 2, 0.01).unwrap().log_probabilities;
        close(
            "far",
            values(&logs),
            &[0.995_f64.ln(), 0.005_f64.ln()],
            1e-12,
        );
    }

    /// 6 standard errors of a share of 20,000 draws.
    #[test]
    fn draws_have_the_probabilities() {
        let logits = matrix([0.3, -1.0, 1.2].repeat(20_000), 20_000, 3).unwrap();
        let variable = Categorical::new(&logits, 3, 0.0).unwrap();
        let draws = variable.sample(&mut Rng::seed_from_u64(1)).unwrap();
        for class in 0..3 {
            let share = values(&draws).chunks(3).map(|y| y[class]).sum::<f64>() / 20_000.0;
            let p: f64 = values(&variable.log_probabilities)[class].exp();
            let error = (p * (1.0 - p) / 20_000.0).sqrt();
            assert!(
                (share - p).abs() < 6.0 * error,
                "{class}: {share} against {p}"
            );
        }
        assert!(
            values(&draws)
                .chunks(3)
                .all(|y| y.iter().sum::<f64>() == 1.0)
        );
        // The ends of the unit interval.
        let ends = Categorical::new(&random("l", 2, 3), 3, 0.0).unwrap();
        let ends = ends.sample_with(&[0.0, 1.0 - 1e-17]).unwrap();
        assert_eq!(values(&ends), [1.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn the_divergence_is_a_sum_over_classes_and_zero_between_equals() {
        let of = |name: &str| Categorical::new(&random(name, 2, 6), 3, 0.01).unwrap();
        let (q, p) = (of("q"), of("p"));
        let mut want = [0.0; 2];
        for i in 0..12 {
            let (a, b) = (
                values(&q.log_probabilities)[i],
                values(&p.log_probabilities)[i],
            );
            want[i / 6] += a.exp() * (a.exp() / b.exp()).ln();
        }
        close("kl", values(&q.kl(&p).unwrap()), &want, 1e-14);
        assert_eq!(values(&q.kl(&q).unwrap()), [0.0; 2]);
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        for uniform in [0.0, 0.01] {
            let x = random("x", 3, 8);
            gradients_agree("log probabilities", &x, &[], true, &|x, _| {
                Categorical::new(&x, 4, uniform).map(|c| project(c.log_probabilities))
            });
            gradients_agree("kl", &x, &[], true, &|x, _| {
                let part = |r| Categorical::new(&columns(&x, r)?, 2, uniform);
                part(0..4)?.kl(&part(4..8)?).map(project)
            });
        }
    }

    /// Straight through: the gradient of a draw is that of the probabilities in its place, for the same gradient
    /// behind.
    #[test]
    fn backward_a_draw_stands_for_its_probabilities() {
        let logits = random("logits", 2, 6);
        let gradient = |straight: bool| {
            let on_tape: Mat<f64, crate::Grad<f64>> = logits.retaped();
            let variable = Categorical::new(&on_tape, 3, 0.01).unwrap();
            let y = match straight {
                true => variable.sample_with(&[0.1, 0.5, 0.9, 0.3]).unwrap(),
                false => exp(&variable.log_probabilities).unwrap(),
            };
            let weights = matrix(numbers("w", 12), 2, 6).unwrap().retaped();
            let sum = crate::ops::sum(&multiply(&y, &weights).unwrap()).unwrap();
            let mut gradients = crate::tensor::backward(sum).unwrap();
            gradients.get_or_alloc_mut(&logits).unwrap().to_vec()
        };
        close("gradient", &gradient(true), &gradient(false), 1e-15);
    }

    #[test]
    fn wrong_sizes_are_told() {
        let x = random("x", 2, 6);
        check::refuses(Categorical::new(&x, 4, 0.0), &["multiple of 4", "got 6"]);
        let logs = Categorical::of_log_probabilities(x.clone(), 4);
        check::refuses(logs, &["multiple of 4", "got 6"]);
        check::refuses(
            Categorical::new(&x, 3, 1.0),
            &["uniform share in 0..1", "got 1"],
        );
        let (a, b) = (
            Categorical::new(&x, 3, 0.0).unwrap(),
            Categorical::new(&x, 2, 0.0).unwrap(),
        );
        check::refuses(a.kl(&b), &["categorical kl", "of 3", "of 2"]);
        check::refuses(a.sample_with(&[0.5; 3]), &["4 draws", "got 3"]);
    }
}
