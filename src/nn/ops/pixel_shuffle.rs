//! Sub-pixel upsampling: channels become pixels (Shi et al. 2016, "Real-time single image and video super-resolution", eq. 4).

use crate::error::{Error, Result};
use crate::nn::tensor::{matrix, record, size, take_gradient, values};
use crate::nn::{Float, Mat};
use dfdx::prelude::{Cpu, SplitTape, Tape};

/// (rows, 4C*H*W) to (rows, C*2H*2W): y[c, 2i+a, 2j+b] = x[4c+2a+b, i, j].
///
/// # Errors
/// [`Error::Shape`] when the number of columns is not 4 C H W.
pub fn pixel_shuffle<F: Float, T: Tape<F, Cpu>>(
    x: Mat<F, T>,
    channels: usize,
    height: usize,
    width: usize,
) -> Result<Mat<F, T>> {
    let (x, tape) = x.split_tape();
    let (rows, columns) = size(&x);
    if columns != 4 * channels * height * width {
        return Err(Error::Shape(format!(
            "pixel_shuffle: 4 x {channels} x {height} x {width} values a row expected, got {columns}"
        )));
    }
    // For output position o of one image, the input position it comes from.
    let source: Vec<usize> = (0..columns)
        .map(|o| {
            let (c, y, x) = (
                o / (4 * height * width),
                o / (2 * width) % (2 * height),
                o % (2 * width),
            );
            ((4 * c + 2 * (y % 2) + x % 2) * height + y / 2) * width + x / 2
        })
        .collect();
    let mut out = Vec::with_capacity(rows * columns);
    for row in values(&x).chunks_exact(columns) {
        out.extend(source.iter().map(|&i| row[i]));
    }
    let y = matrix(out, rows, columns)?;
    let result = y.clone();
    Ok(record(y, tape, move |gradients| {
        let gy = take_gradient(gradients, &result)?;
        let gx = gradients.get_or_alloc_mut(&x)?;
        for (to, from) in gx.chunks_exact_mut(columns).zip(gy.chunks_exact(columns)) {
            source.iter().zip(from).for_each(|(&i, &g)| to[i] += g);
        }
        Ok(())
    }))
}

#[cfg(test)]
mod tests {
    use super::super::check::{self, gradients_agree, random};
    use super::*;

    #[test]
    fn every_pixel_comes_from_its_channel() {
        let (c, h, w) = (3, 2, 5);
        let x = random("x", 2, 4 * c * h * w);
        let y = pixel_shuffle(x.clone(), c, h, w).unwrap();
        let rows = values(&x)
            .chunks(4 * c * h * w)
            .zip(values(&y).chunks(4 * c * h * w));
        for (x, y) in rows {
            // Walks over the input, where the operation walks over the output.
            for channel in 0..4 * c {
                for (i, j) in (0..h * w).map(|at| (at / w, at % w)) {
                    let (a, b) = (channel % 4 / 2, channel % 2);
                    let place = (channel / 4 * 2 * h + 2 * i + a) * 2 * w + 2 * j + b;
                    assert_eq!(y[place], x[(channel * h + i) * w + j], "{channel} {i} {j}");
                }
            }
        }
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        gradients_agree("pixel_shuffle", &random("x", 2, 48), &[], true, &|x, _| {
            pixel_shuffle(x, 2, 3, 2).map(check::project)
        });
    }

    #[test]
    fn wrong_sizes_are_told() {
        let words = ["pixel_shuffle", "4 x 2 x 3 x 2", "got 47"];
        check::refuses(pixel_shuffle(random("x", 2, 47), 2, 3, 2), &words);
    }
}
