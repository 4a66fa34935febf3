//! How near a picture is to the true one, and how sharp it is: PSNR, SSIM, gradients.
//!
//! Pictures are (C, H, W) with values from 0 to 1.

use crate::error::{Error, Result};

/// Side of the Gaussian window of SSIM, pixels.
pub const WINDOW: usize = 11;
/// Standard deviation of that window, pixels.
pub const WINDOW_STD: f64 = 1.5;

fn same(what: &str, a: &[f32], b: &[f32]) -> Result<()> {
    match a.len() == b.len() && !a.is_empty() {
        true => Ok(()),
        false => Err(Error::Shape(format!(
            "{what}: want two pictures of equal size, got {} and {} values",
            a.len(),
            b.len()
        ))),
    }
}

/// Mean squared error over all values.
///
/// # Errors
/// [`Error::Shape`] when the sizes differ or are zero.
pub fn mse(a: &[f32], b: &[f32]) -> Result<f64> {
    same("MSE", a, b)?;
    let squares = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2));
    Ok(squares.sum::<f64>() / a.len() as f64)
}

/// Peak signal-to-noise ratio 10 log10(1 / MSE), dB, of one frame; infinite for equal frames. Means over frames are
/// means of this number, not the number of a mean error.
///
/// # Errors
/// As [`mse`].
pub fn psnr(a: &[f32], b: &[f32]) -> Result<f64> {
    Ok(-10.0 * mse(a, b)?.log10())
}

/// Mean structural similarity of two pictures (C, H, W) from 0 to 1 (Wang et al. 2004): the mean over channels and over
/// all windows that lie inside the picture of (2 m_a m_b + c1)(2 s_ab + c2) / ((m_a² + m_b² + c1)(s_a² + s_b² + c2)),
/// c1 = .01², c2 = .03², with means m and (biased) variances s² under a Gaussian window of 11 x 11, sigma 1.5.
///
/// # Errors
/// [`Error::Shape`] for other sizes, or a picture smaller than the window.
pub fn ssim(a: &[f32], b: &[f32], [c, h, w]: [usize; 3]) -> Result<f64> {
    same("SSIM", a, b)?;
    if a.len() != c * h * w || h < WINDOW || w < WINDOW {
        return Err(Error::Shape(format!(
            "SSIM: want {c} x {h} x {w} values and at least {WINDOW} x {WINDOW} pixels, got {} values",
            a.len()
        )));
    }
    let kernel = kernel();
    let planes = a.chunks_exact(h * w).zip(b.chunks_exact(h * w));
    let sum: f64 = planes.map(|(a, b)| plane_ssim(a, b, h, w, &kernel)).sum();
    Ok(sum / c as f64)
}

/// The window along one axis, summing to 1.
fn kernel() -> [f64; WINDOW] {
    let middle = (WINDOW / 2) as f64;
    let weight = |k: usize| (-0.5 * ((k as f64 - middle) / WINDOW_STD).powi(2)).exp();
    let all: [f64; WINDOW] = std::array::from_fn(weight);
    let sum: f64 = all.iter().sum();
    all.map(|weight| weight / sum)
}

fn plane_ssim(a: &[f32], b: &[f32], h: usize, w: usize, kernel: &[f64; WINDOW]) -> f64 {
    let (c1, c2) = (1e-4, 9e-4);
    let (rows, columns) = (h - WINDOW + 1, w - WINDOW + 1);
    // a, b, a², b², ab, averaged along rows first: (h, columns).
    let mut across = vec![[0.0; 5]; h * columns];
    for (k, out) in across.iter_mut().enumerate() {
        let from = k / columns * w + k % columns;
        for (weight, at) in kernel.iter().zip(from..) {
            let (x, y) = (f64::from(a[at]), f64::from(b[at]));
            for (sum, value) in out.iter_mut().zip([x, y, x * x, y * y, x * y]) {
                *sum += weight * value;
            }
        }
    }
    let mut total = 0.0;
    for k in 0..rows * columns {
        let mut m = [0.0; 5];
        for (i, weight) in kernel.iter().enumerate() {
            for (sum, value) in m.iter_mut().zip(across[k + i * columns]) {
                *sum += weight * value;
            }
        }
        let [x, y, xx, yy, xy] = m;
        let (var_x, var_y, cov) = (xx - x * x, yy - y * y, xy - x * y);
        let top = (2.0 * x * y + c1) * (2.0 * cov + c2);
        total += top / ((x * x + y * y + c1) * (var_x + var_y + c2));
    }
    total / (rows * columns) as f64
}

/// A part of a picture: rows and columns, the ends not included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// First row and the one after the last.
    pub rows: [usize; 2],
    /// First column and the one after the last.
    pub columns: [usize; 2],
}

impl Part {
    /// The whole picture.
    pub fn whole(h: usize, w: usize) -> Self {
        Self {
            rows: [0, h],
            columns: [0, w],
        }
    }

    /// The square of `reach` px around a place (x right, y down), cut at the picture's edges: an object's box with its
    /// surroundings.
    pub fn around([x, y]: [f64; 2], reach: f64, [h, w]: [usize; 2]) -> Self {
        let span = |centre: f64, side: usize| {
            let edge = |at: f64| at.clamp(0.0, side as f64) as usize;
            [
                edge((centre - reach).floor()),
                edge((centre + reach).ceil()),
            ]
        };
        Self {
            rows: span(y, h),
            columns: span(x, w),
        }
    }
}

/// Sharpness of a part of a picture (C, H, W): `[Σ (right - here)² + (below - here)², variance of the Laplacian]`,
/// summed over channels. Both are 0 for an even part. A disc's first number grows with its contrast squared and with
/// its edge's steepness. The Laplacian (the four neighbours less four times the pixel) is taken at pixels that have all
/// neighbours in the picture.
///
/// # Errors
/// [`Error::Shape`] for other sizes.
pub fn sharpness(picture: &[f32], [c, h, w]: [usize; 3], part: Part) -> Result<[f64; 2]> {
    let ([top, bottom], [left, right]) = (part.rows, part.columns);
    if picture.len() != c * h * w || bottom > h || right > w {
        return Err(Error::Shape(format!(
            "sharpness: want {c} x {h} x {w} values and a part inside, got {} values and {part:?}",
            picture.len()
        )));
    }
    let (mut gradients, mut variance) = (0.0, 0.0);
    for plane in picture.chunks_exact(h * w) {
        let at = |i: usize, j: usize| f64::from(plane[i * w + j]);
        let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
        for i in top..bottom {
            for j in left..right {
                if j + 1 < right {
                    gradients += (at(i, j + 1) - at(i, j)).powi(2);
                }
                if i + 1 < bottom {
                    gradients += (at(i + 1, j) - at(i, j)).powi(2);
                }
                if i > 0 && j > 0 && i + 1 < h && j + 1 < w {
                    let around = at(i - 1, j) + at(i + 1, j) + at(i, j - 1) + at(i, j + 1);
                    let laplacian = around - 4.0 * at(i, j);
                    count += 1.0;
                    sum += laplacian;
                    squares += laplacian * laplacian;
                }
            }
        }
        if count > 0.0 {
            variance += squares / count - (sum / count).powi(2);
        }
    }
    Ok([gradients, variance])
}

/// Sharpness of generated pictures over that of true ones, both summed over frames: 1 as sharp as true, below it
/// blurred. NaN where the true ones are even.
pub fn sharpness_ratio(generated: &[[f64; 2]], truth: &[[f64; 2]]) -> [f64; 2] {
    let sum = |all: &[[f64; 2]], k: usize| all.iter().map(|s| s[k]).sum::<f64>();
    [0, 1].map(|k| sum(generated, k) / sum(truth, k))
}

/// Mean of equally large pictures: of the rendered true futures it is the Bayes mean, the best prediction in squared
/// error, which must be blurred where futures differ.
///
/// # Errors
/// [`Error::Shape`] unless they are whole pictures of `size` values.
pub fn mean_picture(pictures: &[f32], size: usize) -> Result<Vec<f32>> {
    let count = pictures.len().checked_div(size).unwrap_or(0);
    if count == 0 || count * size != pictures.len() {
        return Err(Error::Shape(format!(
            "mean picture: want whole pictures of {size} values, got {}",
            pictures.len()
        )));
    }
    let mut sums = vec![0.0f64; size];
    for picture in pictures.chunks_exact(size) {
        for (sum, &value) in sums.iter_mut().zip(picture) {
            *sum += f64::from(value);
        }
    }
    Ok(sums.iter().map(|sum| (sum / count as f64) as f32).collect())
}

/// Blur that the uncertainty of the future does not explain: 1 - S(mean of the samples) / S(Bayes mean), with gradient
/// energies summed over frames (the first number of [`sharpness`]). 0 where the samples' mean is as sharp as the mean
/// of the true futures, towards 1 where it is blurred more, negative where it is sharper (samples that miss branches).
pub fn excess_blur(mean_of_samples: &[[f64; 2]], bayes_mean: &[[f64; 2]]) -> f64 {
    1.0 - sharpness_ratio(mean_of_samples, bayes_mean)[0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeds::Seeds;
    use rand::RngExt;

    fn noise(values: usize, stream: u64) -> Vec<f32> {
        let mut rng = Seeds::new(2).stream("picture", stream);
        (0..values).map(|_| rng.random::<f32>()).collect()
    }

    /// SSIM from its definition: a window at a time, weights of two dimensions, variances about the means.
    fn brute(a: &[f32], b: &[f32], [c, h, w]: [usize; 3]) -> f64 {
        let (mut sum, mut count) = (0.0, 0.0);
        for channel in 0..c {
            for top in 0..=h - 11 {
                for left in 0..=w - 11 {
                    let cells = || (0..121).map(|k| (k / 11, k % 11));
                    let weight = |(i, j): (usize, usize)| {
                        let square = (i as f64 - 5.0).powi(2) + (j as f64 - 5.0).powi(2);
                        (-square / (2.0 * 2.25)).exp()
                    };
                    let all: f64 = cells().map(weight).sum();
                    let value = |of: &[f32], (i, j): (usize, usize)| {
                        f64::from(of[(channel * h + top + i) * w + left + j])
                    };
                    let mean = |f: &dyn Fn((usize, usize)) -> f64| {
                        cells().map(|at| weight(at) / all * f(at)).sum::<f64>()
                    };
                    let (ma, mb) = (mean(&|at| value(a, at)), mean(&|at| value(b, at)));
                    let va = mean(&|at| (value(a, at) - ma).powi(2));
                    let vb = mean(&|at| (value(b, at) - mb).powi(2));
                    let cov = mean(&|at| (value(a, at) - ma) * (value(b, at) - mb));
                    sum += (2.0 * ma * mb + 0.0001) * (2.0 * cov + 0.0009)
                        / ((ma * ma + mb * mb + 0.0001) * (va + vb + 0.0009));
                    count += 1.0;
                }
            }
        }
        sum / count
    }

    #[test]
    fn ssim_is_that_of_its_definition_and_one_for_equal_pictures() {
        let shape = [3, 17, 14];
        let a = noise(3 * 17 * 14, 0);
        let b: Vec<f32> = a
            .iter()
            .zip(noise(a.len(), 1))
            .map(|(a, n)| 0.7 * a + 0.3 * n)
            .collect();
        let (got, want) = (ssim(&a, &b, shape).unwrap(), brute(&a, &b, shape));
        // Differences of squares lose some 1e-15 of 1e-3.
        assert!((got - want).abs() < 1e-11, "{got} {want}");
        assert!(got > 0.5 && got < 0.99, "{got}");
        assert!((ssim(&a, &a, shape).unwrap() - 1.0).abs() < 1e-12);
        assert!(ssim(&a[..300], &b[..300], [3, 10, 10]).is_err());
    }

    #[test]
    fn psnr_of_a_tenth_off_is_20_db() {
        let (a, b) = (vec![0.5f32; 64], vec![0.6f32; 64]);
        // f32 holds .6 - .5 to 1e-7: 1e-5 dB.
        assert!((psnr(&a, &b).unwrap() - 20.0).abs() < 1e-4);
        assert_eq!(psnr(&a, &a).unwrap(), f64::INFINITY);
        assert!(psnr(&a, &b[1..]).is_err());
    }

    #[test]
    fn sharpness_of_a_step_and_a_dot_are_as_counted_by_hand() {
        // A vertical step of height .5 across 6 rows: 6 * .25; halved in contrast and spread over two pixels: 12 *
        // .0625.
        let step = |edge: &dyn Fn(usize) -> f32| (0..36).map(|k| edge(k % 6)).collect::<Vec<f32>>();
        let sharp = step(&|j| if j < 3 { 0.25 } else { 0.75 });
        let soft = step(&|j| [0.25, 0.25, 0.25, 0.5, 0.75, 0.75][j]);
        let of = |picture: &[f32]| sharpness(picture, [1, 6, 6], Part::whole(6, 6)).unwrap();
        assert_eq!((of(&sharp)[0], of(&soft)[0]), (1.5, 0.75));
        assert_eq!(sharpness_ratio(&[of(&soft)], &[of(&sharp)])[0], 0.5);
        assert_eq!(excess_blur(&[of(&soft)], &[of(&sharp)]), 0.5);
        // A dot: Laplacian -4 once, 1 four times, 0 elsewhere of 16 inner pixels: variance 20/16 - 0.
        let mut dot = vec![0.0f32; 36];
        dot[14] = 1.0;
        assert_eq!(of(&dot), [4.0, 1.25]);
        let part = Part::around([2.5, 2.5], 1.0, [6, 6]);
        assert_eq!((part.rows, part.columns), ([1, 4], [1, 4]));
        assert_eq!(sharpness(&dot, [1, 6, 6], part).unwrap()[0], 4.0);
        assert_eq!(Part::around([0.2, 9.0], 2.0, [6, 6]).columns, [0, 3]);
    }

    #[test]
    fn the_mean_picture_is_the_mean() {
        assert_eq!(mean_picture(&[0.0, 1.0, 1.0, 0.5], 2).unwrap(), [0.5, 0.75]);
        assert!(mean_picture(&[0.0; 3], 2).is_err());
    }
}
