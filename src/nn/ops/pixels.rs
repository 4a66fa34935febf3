//! Pixel likelihoods: Bernoulli with logits, and Gaussian with one learned standard deviation.

use crate::error::{Error, Result};
use crate::nn::tensor::{scalar, size, values};
use crate::nn::{Float, Mat, Param, Scalar};
use dfdx::prelude::{Cpu, PutTape, SplitTape, Tape};

fn same_size<F: Float>(what: &str, outputs: &Mat<F>, pixels: &Mat<F>) -> Result<usize> {
    if size(outputs) != size(pixels) {
        return Err(Error::Shape(format!(
            "{what}: decoder output {:?} and frames {:?} differ in size",
            size(outputs),
            size(pixels)
        )));
    }
    Ok(size(pixels).1.max(1))
}

/// log p(x | logits) = sum x l - softplus(l), nats, over all frames: logits and pixels (rows, C*H*W), pixels in [0, 1].
/// For grey pixels this is the usual Bernoulli cross-entropy, not a normalised density.
///
/// # Errors
/// [`Error::Shape`] when the sizes differ.
pub fn bernoulli<F: Float, T: Tape<F, Cpu>>(
    logits: Mat<F, T>,
    pixels: &Mat<F>,
) -> Result<Scalar<F, T>> {
    let (logits, mut tape) = logits.split_tape();
    let columns = same_size("bernoulli", &logits, pixels)?;
    let mut residual = vec![F::of(0.0); values(&logits).len()];
    let rows = values(&logits)
        .chunks_exact(columns)
        .zip(values(pixels).chunks_exact(columns));
    let total: f64 = rows
        .zip(residual.chunks_exact_mut(columns))
        .map(|((l, x), r)| F::bernoulli(l, x, r))
        .sum();
    let out = scalar(F::of(total))?;
    let result = out.clone();
    tape.add_backward_op(move |gradients| {
        let g = gradients.get_or_alloc_mut(&result)?[0];
        gradients
            .get_or_alloc_mut(&logits)?
            .iter_mut()
            .zip(&residual)
            .for_each(|(to, &r)| *to += g * r);
        Ok(())
    });
    Ok(out.put_tape(tape))
}

/// log N(x; mean, s^2) with s = exp(log_std), nats, over all frames and pixels: mean and pixels (rows, C*H*W), log_std (1).
///
/// # Errors
/// [`Error::Shape`] when the sizes differ.
pub fn gaussian<F: Float, T: Tape<F, Cpu>>(
    mean: Mat<F, T>,
    pixels: &Mat<F>,
    log_std: &Param<F>,
) -> Result<Scalar<F, T>> {
    const LOG_2_PI: f64 = 1.837_877_066_409_345_5;
    let (mean, mut tape) = mean.split_tape();
    same_size("gaussian", &mean, pixels)?;
    if log_std.values().len() != 1 {
        return Err(Error::Shape(format!(
            "gaussian: log_std wants 1 value, got {}",
            log_std.values().len()
        )));
    }
    let ls = log_std.values()[0].widen();
    let precision = (-2.0 * ls).exp();
    let count = values(&mean).len() as f64;
    let squares: f64 = values(&mean)
        .iter()
        .zip(values(pixels))
        .map(|(&m, &x)| (x - m).widen().powi(2))
        .sum();
    let out = scalar(F::of(
        -0.5 * precision * squares - count * (ls + 0.5 * LOG_2_PI),
    ))?;
    let (result, pixels, log_std) = (out.clone(), pixels.clone(), log_std.clone());
    tape.add_backward_op(move |gradients| {
        let g = gradients.get_or_alloc_mut(&result)?[0];
        let scale = g * F::of(precision);
        let to = gradients.get_or_alloc_mut(&mean)?;
        let pairs = values(&mean).iter().zip(values(&pixels));
        to.iter_mut()
            .zip(pairs)
            .for_each(|(to, (&m, &x))| *to += scale * (x - m));
        gradients.get_or_alloc_mut(&log_std.tensor)?[0] += g * F::of(precision * squares - count);
        Ok(())
    });
    Ok(out.put_tape(tape))
}

#[cfg(test)]
mod tests {
    use super::super::check::{self, close, gradients_agree, numbers, param, random};
    use super::*;
    use crate::nn::tensor::{matrix, value};

    /// Grey, black and white pixels in [0, 1].
    fn pixels(rows: usize, columns: usize) -> Mat<f64> {
        let grey = numbers("pixels", rows * columns);
        let clipped = grey.iter().map(|v| (v + 0.5).clamp(0.0, 1.0)).collect();
        matrix(clipped, rows, columns).unwrap()
    }

    #[test]
    fn bernoulli_is_the_cross_entropy_of_every_pixel() {
        let (logits, x) = (random("logits", 3, 7), pixels(3, 7));
        let pairs = values(&logits).iter().zip(values(&x));
        let want: f64 = pairs
            .map(|(l, x)| {
                let p = 1.0 / (1.0 + (-l).exp());
                x * p.ln() + (1.0 - x) * (1.0 - p).ln()
            })
            .sum();
        close(
            "log p",
            &[value(&bernoulli(logits, &x).unwrap())],
            &[want],
            1e-14,
        );
    }

    /// A certain pixel costs nothing, a wrong one its logit; 1 - sigmoid(100) would be zero.
    #[test]
    fn bernoulli_is_exact_at_logits_of_100() {
        for (logit, pixel, want) in [
            (100.0, 1.0, -(-100.0_f64).exp()),
            (100.0, 0.0, -100.0),
            (-100.0, 0.0, -(-100.0_f64).exp()),
            (-100.0, 1.0, -100.0),
            (100.0, 0.25, -75.0),
        ] {
            let one = |v: f64| matrix(vec![v], 1, 1).unwrap();
            let got = value(&bernoulli(one(logit), &one(pixel)).unwrap());
            assert!(
                (got - want).abs() <= 1e-14 * want.abs(),
                "logit {logit}, pixel {pixel}: {got:e} against {want:e}"
            );
        }
    }

    #[test]
    fn gradients_of_bernoulli_agree_with_finite_differences_also_at_logits_of_100() {
        for scale in [1.0, 100.0] {
            let logits: Vec<f64> = numbers("logits", 14).iter().map(|v| v * scale).collect();
            let logits = matrix(logits, 2, 7).unwrap();
            let what = format!("bernoulli, logits of {scale}");
            gradients_agree(&what, &logits, &[], true, &|l, _| {
                bernoulli(l, &pixels(2, 7))
            });
        }
    }

    #[test]
    fn gaussian_is_the_log_density_of_every_pixel() {
        let (mean, x) = (random("mean", 3, 7), pixels(3, 7));
        for log_std in [-1.5, 0.0, 0.4] {
            let std = f64::exp(log_std);
            let pairs = values(&mean).iter().zip(values(&x));
            let want: f64 = pairs
                .map(|(m, x)| {
                    let density = (-0.5 * ((x - m) / std).powi(2)).exp();
                    (density / (std * std::f64::consts::TAU.sqrt())).ln()
                })
                .sum();
            let log_std = Param::constant([1], log_std).unwrap();
            let got = value(&gaussian(mean.clone(), &x, &log_std).unwrap());
            close("log p", &[got], &[want], 1e-13);
        }
    }

    #[test]
    fn gradients_of_gaussian_agree_with_finite_differences() {
        for log_std in [-1.5, 0.4] {
            let log_std = Param::constant([1], log_std).unwrap();
            gradients_agree(
                "gaussian",
                &random("mean", 2, 7),
                &[log_std],
                true,
                &|m, p| gaussian(m, &pixels(2, 7), &p[0]),
            );
        }
    }

    #[test]
    fn wrong_sizes_are_told() {
        let (a, b) = (|| random("outputs", 2, 6), pixels(2, 7));
        let words = ["(2, 6)", "(2, 7)"];
        check::refuses(bernoulli(a(), &b), &[&["bernoulli"][..], &words].concat());
        let log_std = Param::constant([1], 0.0).unwrap();
        check::refuses(
            gaussian(a(), &b, &log_std),
            &[&["gaussian"][..], &words].concat(),
        );
        let words = ["gaussian: log_std wants 1", "got 2"];
        check::refuses(
            gaussian(a(), &pixels(2, 6), &param("log_std", &[2])),
            &words,
        );
    }
}
