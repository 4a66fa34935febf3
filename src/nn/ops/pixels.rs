//! Pixel likelihoods: Bernoulli with logits, and Gaussian with one learned standard deviation.

use crate::tensor::{PerRow, scalar, size, values};
use crate::{Error, Result};
use crate::{Float, Mat, Param};
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

/// Checks that a mask of pixels has one value for each.
fn same_count(what: &str, seen: Option<&[bool]>, count: usize) -> Result<()> {
    match seen.map(<[bool]>::len).filter(|&len| len != count) {
        None => Ok(()),
        Some(len) => Err(Error::Shape(format!(
            "{what}: a mask of {count} pixels expected, got {len}"
        ))),
    }
}

/// A logit whose pixel is black for sure: log p(0 | l) and its slope are exactly zero in both number types.
const BLACK: f64 = -1e4;

/// log p(x | logits) = sum x l - softplus(l), nats, over all frames: logits and pixels (rows, C*H*W), pixels in [0, 1]; where there is a
/// mask (rows, C*H*W), over those pixels alone that it says are seen.
/// For grey pixels this is the usual Bernoulli cross-entropy, not a normalised density.
///
/// # Errors
/// [`Error::Shape`] when the sizes differ.
pub fn bernoulli<F: Float, T: Tape<F, Cpu>>(
    logits: Mat<F, T>,
    pixels: &Mat<F>,
    seen: Option<&[bool]>,
) -> Result<PerRow<F, T>> {
    let (logits, mut tape) = logits.split_tape();
    let columns = same_size("bernoulli", &logits, pixels)?;
    let count = values(&logits).len();
    same_count("bernoulli", seen, count)?;
    let mut residual = vec![F::of(0.0); count];
    // A hidden pixel is read as a black one that the decoder was sure of.
    let shown = seen.map(|seen| {
        let only = |all: &[F], hidden: f64| -> Vec<F> {
            let pairs = all.iter().zip(seen);
            pairs
                .map(|(&v, &s)| if s { v } else { F::of(hidden) })
                .collect()
        };
        (only(values(&logits), BLACK), only(values(pixels), 0.0))
    });
    let (own, true_pixels) = match &shown {
        None => (values(&logits), values(pixels)),
        Some((logits, pixels)) => (&logits[..], &pixels[..]),
    };
    let frames = own
        .chunks_exact(columns)
        .zip(true_pixels.chunks_exact(columns));
    let rows: Vec<f64> = frames
        .zip(residual.chunks_exact_mut(columns))
        .map(|((l, x), r)| F::bernoulli(l, x, r))
        .collect();
    let out = scalar(F::of(rows.iter().sum()))?;
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
    Ok(PerRow {
        sum: out.put_tape(tape),
        rows,
    })
}

/// log N(x; mean, s^2) with s = exp(log_std), nats, over all frames and pixels: mean and pixels (rows, C*H*W), log_std (1); where there
/// is a mask (rows, C*H*W), over those pixels alone that it says are seen.
///
/// # Errors
/// [`Error::Shape`] when the sizes differ.
pub fn gaussian<F: Float, T: Tape<F, Cpu>>(
    mean: Mat<F, T>,
    pixels: &Mat<F>,
    seen: Option<&[bool]>,
    log_std: &Param<F>,
) -> Result<PerRow<F, T>> {
    const LOG_2_PI: f64 = 1.837_877_066_409_345_5;
    let (mean, mut tape) = mean.split_tape();
    let columns = same_size("gaussian", &mean, pixels)?;
    if log_std.values().len() != 1 {
        return Err(Error::Shape(format!(
            "gaussian: log_std wants 1 value, got {}",
            log_std.values().len()
        )));
    }
    let ls = log_std.values()[0].widen();
    let precision = (-2.0 * ls).exp();
    let all = values(&mean).len();
    same_count("gaussian", seen, all)?;
    let mut rest: Vec<F> = values(pixels)
        .iter()
        .zip(values(&mean))
        .map(|(&x, &m)| x - m)
        .collect();
    let mut count = all as f64;
    let mut counts = vec![columns as f64; all / columns];
    if let Some(seen) = seen {
        let hidden = rest.iter_mut().enumerate().filter(|(i, _)| !seen[*i]);
        for (i, rest) in hidden {
            *rest = F::of(0.0);
            count -= 1.0;
            counts[i / columns] -= 1.0;
        }
    }
    let squares: f64 = rest.iter().map(|r| r.widen().powi(2)).sum();
    let out = scalar(F::of(
        -0.5 * precision * squares - count * (ls + 0.5 * LOG_2_PI),
    ))?;
    let rows = rest
        .chunks_exact(columns)
        .zip(&counts)
        .map(|(rest, count)| {
            let squares: f64 = rest.iter().map(|r| r.widen().powi(2)).sum();
            -0.5 * precision * squares - count * (ls + 0.5 * LOG_2_PI)
        });
    let rows = rows.collect();
    let (result, log_std) = (out.clone(), log_std.clone());
    tape.add_backward_op(move |gradients| {
        let g = gradients.get_or_alloc_mut(&result)?[0];
        let scale = g * F::of(precision);
        let to = gradients.get_or_alloc_mut(&mean)?;
        to.iter_mut()
            .zip(&rest)
            .for_each(|(to, &r)| *to += scale * r);
        gradients.get_or_alloc_mut(&log_std.tensor)?[0] += g * F::of(precision * squares - count);
        Ok(())
    });
    Ok(PerRow {
        sum: out.put_tape(tape),
        rows,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{self, close, gradients_agree, numbers, param, random};
    use crate::tensor::{matrix, value};

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
            &[value(&bernoulli(logits, &x, None).unwrap())],
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
            let got = value(&bernoulli(one(logit), &one(pixel), None).unwrap());
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
                bernoulli(l, &pixels(2, 7), None).map(|p| p.sum)
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
            let got = value(&gaussian(mean.clone(), &x, None, &log_std).unwrap());
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
                &|m, p| gaussian(m, &pixels(2, 7), None, &p[0]).map(|p| p.sum),
            );
        }
    }

    /// What is hidden changes neither the value nor a gradient, in both number types, and the rest is as if it were alone.
    #[test]
    fn a_mask_leaves_the_seen_pixels_alone() {
        fn hidden<F: Float>(value: f64) -> [(f64, Vec<F>); 2] {
            let numbers: Vec<f64> = (0..6).map(|i| 0.1 + 0.15 * f64::from(i)).collect();
            let seen = [true, false, true, true, false, true];
            let with = |scale: f64| {
                let all = numbers.iter().zip(&seen);
                let all = all.map(|(v, s)| F::of(if *s { scale * v } else { value }));
                matrix(all.collect(), 2, 3).unwrap()
            };
            let log_std = Param::constant([1], -0.5).unwrap();
            let gradient = |out: PerRow<F, crate::Grad<F>>, of: &Mat<F>| {
                let total = crate::tensor::value(&out);
                let mut gradients = crate::tensor::backward(out.sum).unwrap();
                (total, gradients.get_or_alloc_mut(of).unwrap().to_vec())
            };
            let (outputs, x) = (with(-3.0), with(1.0));
            let first = bernoulli(outputs.retaped(), &x, Some(&seen)).unwrap();
            let second = gaussian(outputs.retaped(), &x, Some(&seen), &log_std).unwrap();
            [gradient(first, &outputs), gradient(second, &outputs)]
        }
        assert_eq!(hidden::<f32>(0.0), hidden::<f32>(77.0));
        let [first, second] = hidden::<f64>(0.0);
        assert_eq!([first.clone(), second.clone()], hidden::<f64>(-1e9));
        let alone: Vec<f64> = [0usize, 2, 3, 5].map(|i| 0.1 + 0.15 * i as f64).into();
        let outputs = matrix(alone.iter().map(|v| -3.0 * v).collect(), 1, 4).unwrap();
        let x = matrix(alone, 1, 4).unwrap();
        let log_std = Param::constant([1], -0.5).unwrap();
        let want = [
            value(&bernoulli(outputs.clone(), &x, None).unwrap()),
            value(&gaussian(outputs, &x, None, &log_std).unwrap()),
        ];
        close("seen alone", &[first.0, second.0], &want, 1e-14);
        for (_, gradient) in [first, second] {
            assert!(gradient[1] == 0.0 && gradient[4] == 0.0 && gradient[0] != 0.0);
        }
    }

    #[test]
    fn gradients_of_masked_pixels_agree_with_finite_differences() {
        let seen: Vec<bool> = (0..14).map(|i| i % 3 != 1).collect();
        let log_std = Param::constant([1], 0.4).unwrap();
        let outputs = random("outputs", 2, 7);
        gradients_agree("bernoulli", &outputs, &[], true, &|l, _| {
            bernoulli(l, &pixels(2, 7), Some(&seen)).map(|p| p.sum)
        });
        gradients_agree("gaussian", &outputs, &[log_std], true, &|m, p| {
            gaussian(m, &pixels(2, 7), Some(&seen), &p[0]).map(|p| p.sum)
        });
    }

    #[test]
    fn wrong_sizes_are_told() {
        let outputs = random("outputs", 2, 7);
        check::refuses(
            bernoulli(outputs, &pixels(2, 7), Some(&[true; 13])),
            &["bernoulli: a mask of 14", "got 13"],
        );
        let (a, b) = (|| random("outputs", 2, 6), pixels(2, 7));
        let words = ["(2, 6)", "(2, 7)"];
        check::refuses(
            bernoulli(a(), &b, None),
            &[&["bernoulli"][..], &words].concat(),
        );
        let log_std = Param::constant([1], 0.0).unwrap();
        check::refuses(
            gaussian(a(), &b, None, &log_std),
            &[&["gaussian"][..], &words].concat(),
        );
        let words = ["gaussian: log_std wants 1", "got 2"];
        check::refuses(
            gaussian(a(), &pixels(2, 6), None, &param("log_std", &[2])),
            &words,
        );
    }
}
