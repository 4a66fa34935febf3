//! Diagonal Gaussians: the reparameterised draw with its log density, and the divergence from the standard normal.

use crate::tensor::{PerRow, matrix, record, scalar, size, take_gradient, values};
use crate::{Error, Result};
use crate::{Float, Mat};
use dfdx::prelude::{Cpu, PutTape, SplitTape, Tape};

const LOG_2_PI: f64 = 1.837_877_066_409_345_5;

fn dimensions<F: Float>(head: &Mat<F>, what: &str) -> Result<(usize, usize)> {
    let (rows, columns) = size(head);
    if columns == 0 || columns % 2 != 0 {
        return Err(Error::Shape(format!(
            "{what}: means and log variances side by side expected, got {columns} columns"
        )));
    }
    Ok((rows, columns / 2))
}

/// Draws a = mean + exp(log_var / 2) * noise and gives log q(a), nats, summed over rows: head (rows, 2p) holds means, then
/// log variances; noise (rows * p) is standard normal. Returns a (rows, p) with the tape, and log q with an empty one.
///
/// # Errors
/// [`Error::Shape`] when head or noise do not fit.
pub fn sample<F: Float, T: Tape<F, Cpu>>(
    head: Mat<F, T>,
    noise: &[F],
) -> Result<(Mat<F, T>, PerRow<F, T>)> {
    let (head, tape) = head.split_tape();
    let (rows, p) = dimensions(&head, "sample")?;
    if noise.len() != rows * p {
        return Err(Error::Shape(format!(
            "sample: {rows} x {p} noise values expected, got {}",
            noise.len()
        )));
    }
    let half = F::of(0.5);
    let mut draw = Vec::with_capacity(rows * p);
    let mut spread = Vec::with_capacity(rows * p); // exp(log_var / 2) * noise
    let mut log_q = 0.0;
    let mut each = Vec::with_capacity(rows);
    for (row, e) in values(&head).chunks_exact(2 * p).zip(noise.chunks_exact(p)) {
        for j in 0..p {
            let s = (row[p + j] * half).exp() * e[j];
            draw.push(row[j] + s);
            spread.push(s);
            log_q -= 0.5 * (e[j].widen().powi(2) + row[p + j].widen() + LOG_2_PI);
        }
        let own = |j: usize| e[j].widen().powi(2) + row[p + j].widen() + LOG_2_PI;
        each.push(-0.5 * (0..p).map(own).sum::<f64>());
    }
    let draw = matrix(draw, rows, p)?; // (rows, p)
    let log_q = scalar(F::of(log_q))?;
    let (a, q) = (draw.clone(), log_q.clone());
    let draw = record(draw, tape, move |gradients| {
        let ga = take_gradient(gradients, &a)?;
        let gq = gradients.get_or_alloc_mut(&q)?[0];
        let gh = gradients.get_or_alloc_mut(&head)?;
        for (to, (g, s)) in gh
            .chunks_exact_mut(2 * p)
            .zip(ga.chunks_exact(p).zip(spread.chunks_exact(p)))
        {
            for j in 0..p {
                to[j] += g[j];
                to[p + j] += half * (g[j] * s[j] - gq);
            }
        }
        Ok(())
    });
    let log_q = PerRow {
        sum: log_q.put_tape(T::default()),
        rows: each,
    };
    Ok((draw, log_q))
}

/// KL(N(mean, exp log_var) || N(0, I)), nats, summed over rows: sum of (exp log_var + mean^2 - 1 - log_var) / 2.
///
/// # Errors
/// [`Error::Shape`] when head has an odd number of columns.
pub fn standard_normal_kl<F: Float, T: Tape<F, Cpu>>(head: Mat<F, T>) -> Result<PerRow<F, T>> {
    let (head, mut tape) = head.split_tape();
    let (_, p) = dimensions(&head, "standard_normal_kl")?;
    let mut total = 0.0;
    let mut each = Vec::new();
    for row in values(&head).chunks_exact(2 * p) {
        let mut own = 0.0;
        for j in 0..p {
            let (mean, log_var) = (row[j].widen(), row[p + j].widen());
            let kl = 0.5 * (log_var.exp() + mean * mean - 1.0 - log_var);
            total += kl;
            own += kl;
        }
        each.push(own);
    }
    let out = scalar(F::of(total))?;
    let result = out.clone();
    tape.add_backward_op(move |gradients| {
        let g = gradients.get_or_alloc_mut(&result)?[0];
        let gh = gradients.get_or_alloc_mut(&head)?;
        for (to, row) in gh
            .chunks_exact_mut(2 * p)
            .zip(values(&head).chunks_exact(2 * p))
        {
            for j in 0..p {
                to[j] += g * row[j];
                to[p + j] += g * F::of(0.5) * (row[p + j].exp() - F::of(1.0));
            }
        }
        Ok(())
    });
    Ok(PerRow {
        sum: out.put_tape(tape),
        rows: each,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{self, close, gradients_agree, numbers, random};
    use crate::tensor::value;
    use crate::{Grad, ops};

    /// log N(a; mean, var) from the density itself.
    fn log_density(a: f64, mean: f64, var: f64) -> f64 {
        ((-(a - mean).powi(2) / (2.0 * var)).exp() / (std::f64::consts::TAU * var).sqrt()).ln()
    }

    #[test]
    fn a_draw_is_the_mean_plus_noise_times_the_std_and_its_log_density_is_the_gaussians() {
        let (rows, p) = (4, 3);
        let (head, noise) = (random("head", rows, 2 * p), numbers("noise", rows * p));
        let (a, log_q) = sample(head.clone(), &noise).unwrap();
        assert_eq!(size(&a), (rows, p));
        let mut total = 0.0;
        for i in 0..rows * p {
            let row = &values(&head)[i / p * 2 * p..][..2 * p];
            let (mean, var) = (row[i % p], row[p + i % p].exp());
            close(
                "draw",
                &values(&a)[i..=i],
                &[mean + var.sqrt() * noise[i]],
                1e-15,
            );
            total += log_density(values(&a)[i], mean, var);
        }
        close("log q", &[value(&log_q)], &[total], 1e-14);
    }

    /// Through the draw, through log q, and through both.
    #[test]
    fn gradients_of_a_draw_and_of_its_log_density_agree_with_finite_differences() {
        let noise = numbers("noise", 6);
        for (draw, density) in [(1.0, 0.0), (0.0, 1.0), (0.7, -1.3)] {
            gradients_agree("sample", &random("head", 2, 6), &[], true, &|head, _| {
                let (a, log_q) = sample(head, &noise)?;
                ops::weighted_sum(vec![(check::project(a), draw), (log_q.sum, density)])
            });
        }
    }

    #[test]
    fn the_divergence_is_the_integral_of_the_log_ratio() {
        for (mean, log_var) in [(0.0_f64, 0.0_f64), (0.7, -1.0), (-1.5, 0.8)] {
            let head = matrix(vec![mean, log_var], 1, 2).unwrap();
            let kl = value(&standard_normal_kl(head).unwrap());
            // Trapezoids over 12 standard deviations: exact to rounding for a Gaussian integrand.
            let (std, step) = ((log_var / 2.0).exp(), 1e-3);
            let integral: f64 = (-12_000..=12_000)
                .map(|i| {
                    let a = mean + f64::from(i) * step * std;
                    let log_q = -0.5 * ((a - mean) / std).powi(2) - std.ln() - 0.5 * LOG_2_PI;
                    let log_p = -0.5 * a * a - 0.5 * LOG_2_PI;
                    log_q.exp() * (log_q - log_p) * step * std
                })
                .sum();
            close(&format!("{mean} {log_var}"), &[kl], &[integral], 1e-11);
        }
    }

    #[test]
    fn the_divergence_sums_over_rows_and_dimensions() {
        let head = random("head", 3, 4);
        let mut sum = 0.0;
        for row in values(&head).chunks(4) {
            for j in 0..2 {
                let one = matrix(vec![row[j], row[2 + j]], 1, 2).unwrap();
                sum += value(&standard_normal_kl(one).unwrap());
            }
        }
        close(
            "sum",
            &[value(&standard_normal_kl(head).unwrap())],
            &[sum],
            1e-14,
        );
    }

    #[test]
    fn gradients_of_the_divergence_agree_with_finite_differences() {
        let op = |head: Mat<f64, Grad<f64>>, _: &[_]| standard_normal_kl(head).map(|kl| kl.sum);
        gradients_agree("kl", &random("head", 3, 4), &[], true, &op);
    }

    #[test]
    fn wrong_sizes_are_told() {
        check::refuses(
            sample(random("head", 2, 5), &[0.0; 5]),
            &["sample", "got 5 columns"],
        );
        check::refuses(
            sample(random("head", 2, 0), &[]),
            &["sample", "got 0 columns"],
        );
        check::refuses(
            sample(random("head", 2, 6), &[0.0; 5]),
            &["sample", "2 x 3", "got 5"],
        );
        check::refuses(
            standard_normal_kl(random("head", 2, 3)),
            &["standard_normal_kl", "got 3"],
        );
    }
}
