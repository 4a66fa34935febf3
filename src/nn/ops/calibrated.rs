//! Gaussian pixels whose standard deviation is the most likely one.

use crate::tensor::{PerRow, scalar, size, split, values};
use crate::{Error, Float, Mat, Result, Track};
use dfdx::prelude::PutTape;

const LOG_2_PI: f64 = 1.837_877_066_409_345_5;
/// The standard deviation is never taken to be smaller: a sharper one would pay more for the last grey level than for
/// where things are.
pub const MIN_SIGMA: f64 = 0.01;
/// Squares are added up in sixteen lanes, which vectorise, and the lanes in f64.
const LANES: usize = 16;

/// sum (x - m)^2 over pixels that are seen, and their number.
fn squares<F: Float>(mean: &[F], pixels: &[F], seen: Option<&[bool]>) -> (f64, f64) {
    if let Some(seen) = seen {
        let all = mean.iter().zip(pixels).zip(seen).filter(|(_, seen)| **seen);
        return all.fold((0.0, 0.0), |(sum, count), ((&m, &x), _)| {
            (sum + (x - m).widen().powi(2), count + 1.0)
        });
    }
    let mut lanes = [F::of(0.0); LANES];
    let (m, x) = (mean.chunks_exact(LANES), pixels.chunks_exact(LANES));
    let rest = m.remainder().iter().zip(x.remainder());
    let rest: f64 = rest.map(|(&m, &x)| (x - m).widen().powi(2)).sum();
    for (m, x) in m.zip(x) {
        for j in 0..LANES {
            let apart = x[j] - m[j];
            lanes[j] += apart * apart;
        }
    }
    let sum = lanes.iter().map(|v| v.widen()).sum::<f64>() + rest;
    (sum, mean.len() as f64)
}

/// log N(x; mean, sigma^2), nats, with the sigma that makes all frames of this call most likely: sigma^2 = the mean
/// squared error, at least [`MIN_SIGMA`]^2. Mean and pixels (rows, C*H*W); where there is a mask (rows, C*H*W), over
/// those pixels alone that it says are seen.
///
/// sigma follows the mean, yet d/dsigma is zero at its best, so gradients are those of a given sigma. Micro-batches
/// have a sigma each. Source: Rybkin, Daniilidis & Levine 2021, "Simple and effective VAE training with calibrated
/// decoders", eq. 5.
///
/// # Errors
/// [`Error::Shape`] when the sizes differ.
pub fn calibrated_gaussian<F: Float, T: Track<F>>(
    mean: &Mat<F, T>,
    pixels: &Mat<F>,
    seen: Option<&[bool]>,
) -> Result<PerRow<F, T>> {
    let (mean, mut tape) = split(mean);
    let (rows, columns) = size(pixels);
    let mask = seen.map_or(rows * columns, <[bool]>::len);
    if size(&mean) != (rows, columns) || mask != rows * columns {
        return Err(Error::Shape(format!(
            "calibrated_gaussian: means and mask of the frames' size {:?} expected, got {:?} and a mask of {mask}",
            (rows, columns),
            size(&mean)
        )));
    }
    let of_row = move |row: usize| row * columns..(row + 1) * columns;
    let errors = |row: usize| {
        let (m, x) = (&values(&mean)[of_row(row)], &values(pixels)[of_row(row)]);
        squares(m, x, seen.map(|seen| &seen[of_row(row)]))
    };
    let errors: Vec<(f64, f64)> = (0..rows).map(errors).collect();
    let count: f64 = errors.iter().map(|(_, count)| count).sum();
    let square: f64 = errors.iter().map(|(square, _)| square).sum();
    let var = (square / count.max(1.0)).max(MIN_SIGMA * MIN_SIGMA);
    let log_p =
        |(square, count): &(f64, f64)| -0.5 * (square / var + count * (var.ln() + LOG_2_PI));
    let of_rows: Vec<f64> = errors.iter().map(log_p).collect();
    let sum = scalar(F::of(of_rows.iter().sum()))?;
    let (result, pixels, seen) = (sum.clone(), pixels.clone(), seen.map(<[bool]>::to_vec));
    tape.add_backward_op(move |gradients| {
        let factor = gradients.get_or_alloc_mut(&result)?[0] * F::of(1.0 / var);
        let to = gradients.get_or_alloc_mut(&mean)?;
        let all = to.iter_mut().zip(values(&pixels)).zip(values(&mean));
        match &seen {
            None => all.for_each(|((to, &x), &m)| *to += factor * (x - m)),
            Some(seen) => all
                .zip(seen)
                .filter(|(_, seen)| **seen)
                .for_each(|(((to, &x), &m), _)| *to += factor * (x - m)),
        }
        Ok(())
    });
    Ok(PerRow {
        sum: sum.put_tape(tape),
        rows: of_rows,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Param;
    use crate::check::{self, close, gradients_agree, numbers, random};
    use crate::ops::{add, gaussian, scale, shift};
    use crate::tensor::{matrix, value};

    /// Pixels in [0, 1]; 19 columns: one whole row of lanes and a rest.
    fn pixels() -> Mat<f64> {
        let all = numbers("pixels", 3 * 19);
        let all = all.iter().map(|v| (v + 0.5).clamp(0.0, 1.0));
        matrix(all.collect(), 3, 19).unwrap()
    }

    fn masks() -> [Option<Vec<bool>>; 2] {
        [None, Some((0..57).map(|i| i % 3 != 1).collect())]
    }

    #[test]
    fn it_is_the_gaussian_at_the_best_of_all_sigmas() {
        let (y, x) = (random("y", 3, 19), pixels());
        for seen in masks() {
            let seen = seen.as_deref();
            let found = calibrated_gaussian(&y, &x, seen).unwrap();
            let at = |log_std: f64| {
                let log_std = Param::constant([1], log_std).unwrap();
                gaussian(y.clone(), &x, seen, &log_std).unwrap()
            };
            // A grid of 1e-3 in ln sigma misses the maximum by its curvature at most: N (5e-4)^2 = 1.5e-5.
            let grid = (-2000..1000).map(|i| f64::from(i) * 1e-3);
            let best = grid
                .max_by(|a, b| value(&at(*a)).total_cmp(&value(&at(*b))))
                .unwrap();
            let (got, want) = (value(&found), value(&at(best)));
            assert!(got >= want && got - want < 2e-5, "{got} against {want}");
            close("rows", &[found.rows.iter().sum()], &[got], 1e-13);
            // Each frame by itself has the same curvature: 19 / 2 pixels a unit of ln sigma, 5e-4 away.
            close("frames", &found.rows, &at(best).rows, 3e-2);
        }
    }

    /// An error of .001, ten times below the floor, in value and gradient.
    #[test]
    fn sigma_never_falls_below_its_floor() {
        let x = pixels();
        let near = shift(&x, 1e-3).unwrap();
        let floor = Param::constant([1], MIN_SIGMA.ln()).unwrap();
        let want = gaussian(near.clone(), &x, None, &floor).unwrap();
        let got = calibrated_gaussian(&near, &x, None).unwrap();
        close("rows", &got.rows, &want.rows, 1e-12);
        gradients_agree("at the floor", &random("y", 3, 19), &[], true, &|y, _| {
            let near = add(&scale(&y, 1e-3)?, &pixels().retaped())?;
            let log_p = calibrated_gaussian(&near, &pixels(), None)?;
            crate::ops::weighted_sum(vec![(log_p.sum, 1e-2)])
        });
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        for seen in masks() {
            gradients_agree("calibrated", &random("y", 3, 19), &[], true, &|y, _| {
                calibrated_gaussian(&y, &pixels(), seen.as_deref()).map(|p| p.sum)
            });
        }
    }

    #[test]
    fn wrong_sizes_are_told() {
        let x = pixels();
        let wrong = calibrated_gaussian(&random("y", 3, 18), &x, None).map(|p| p.rows);
        check::refuses(wrong, &["calibrated_gaussian", "(3, 19)", "(3, 18)"]);
        let wrong = calibrated_gaussian(&x, &x, Some(&[true; 56])).map(|p| p.rows);
        check::refuses(wrong, &["calibrated_gaussian", "mask of 56"]);
    }
}
