//! Channels-last images to planes: from the networks' order of values to that of frames.

use crate::tensor::{matrix, record, size, take_gradient, values};
use crate::{Error, Result};
use crate::{Float, Mat};
use dfdx::prelude::{Cpu, SplitTape, Tape};

/// (rows, P*C) to (rows, C*P): y[c, i] = x[i, c] for P pixels. With one channel nothing moves.
///
/// # Errors
/// [`Error::Shape`] when the number of columns is not a multiple of C.
pub fn planes<F: Float, T: Tape<F, Cpu>>(x: Mat<F, T>, channels: usize) -> Result<Mat<F, T>> {
    let (rows, columns) = size(&x);
    if channels == 0 || columns % channels != 0 {
        return Err(Error::Shape(format!(
            "planes: a multiple of {channels} values a row expected, got {columns}"
        )));
    }
    if channels == 1 {
        return Ok(x);
    }
    let (x, tape) = x.split_tape();
    let pixels = columns / channels;
    let mut y = Vec::with_capacity(rows * columns);
    for row in values(&x).chunks_exact(columns) {
        y.extend((0..columns).map(|o| row[o % pixels * channels + o / pixels]));
    }
    let y = matrix(y, rows, columns)?;
    let result = y.clone();
    Ok(record(y, tape, move |gradients| {
        let gy = take_gradient(gradients, &result)?;
        let gx = gradients.get_or_alloc_mut(&x)?;
        for (to, from) in gx.chunks_exact_mut(columns).zip(gy.chunks_exact(columns)) {
            for (o, &g) in from.iter().enumerate() {
                to[o % pixels * channels + o / pixels] += g;
            }
        }
        Ok(())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{self, gradients_agree, random};

    #[test]
    fn every_plane_holds_the_pixels_of_its_channel() {
        let x = random("x", 2, 15);
        let y = planes(x.clone(), 3).unwrap();
        for (x, y) in values(&x).chunks(15).zip(values(&y).chunks(15)) {
            for (i, pixel) in x.chunks(3).enumerate() {
                for (c, v) in pixel.iter().enumerate() {
                    assert_eq!(y[c * 5 + i], *v);
                }
            }
        }
        assert_eq!(values(&planes(x.clone(), 1).unwrap()), values(&x));
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        for channels in [1, 3] {
            gradients_agree("planes", &random("x", 2, 12), &[], true, &|x, _| {
                planes(x, channels).map(check::project)
            });
        }
    }

    #[test]
    fn wrong_sizes_are_told() {
        let words = ["planes", "multiple of 3", "got 14"];
        check::refuses(planes(random("x", 2, 14), 3), &words);
    }
}
