//! 2-D convolution (cross-correlation) by unfolding each image into columns and one product, bias and nonlinearity fused.

use super::Activation;
use crate::error::{Error, Result};
use crate::nn::product::{View, product};
use crate::nn::tensor::{matrix, record, size, take_gradient, values};
use crate::nn::{Float, Mat, Param};
use dfdx::prelude::{Cpu, SplitTape, Tape};

/// Sizes of a convolution: images of C x H x W, square kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Input channels, C.
    pub channels: usize,
    /// Input height, H.
    pub height: usize,
    /// Input width, W.
    pub width: usize,
    /// Kernel side, K.
    pub kernel: usize,
    /// Step between windows.
    pub stride: usize,
    /// Zeros around the image.
    pub padding: usize,
}

impl Geometry {
    /// (height, width) of the output.
    pub fn output(&self) -> (usize, usize) {
        let side = |n: usize| (n + 2 * self.padding).saturating_sub(self.kernel) / self.stride + 1;
        (side(self.height), side(self.width))
    }

    /// Calls `f(column row, image row start, first output x, input x of it, run length)` for every row of pixels under the
    /// windows, and `zero(column row)` first: the one place that knows which pixel is under which window.
    fn each_row(&self, mut f: impl FnMut(usize, usize, usize, usize, usize)) {
        let (oh, ow) = self.output();
        let Self {
            channels,
            height,
            width,
            kernel,
            stride,
            padding,
        } = *self;
        for c in 0..channels {
            for ky in 0..kernel {
                for kx in 0..kernel {
                    // Output x whose window column kx lies inside the image: 0 <= ox * stride + kx - padding < width.
                    let first = padding.saturating_sub(kx).div_ceil(stride);
                    let end = (width + padding)
                        .saturating_sub(kx)
                        .div_ceil(stride)
                        .min(ow);
                    if first >= end {
                        continue;
                    }
                    let x0 = first * stride + kx - padding;
                    for oy in 0..oh {
                        let y = oy * stride + ky;
                        if y < padding || y >= height + padding {
                            continue;
                        }
                        let row = ((c * kernel + ky) * kernel + kx) * oh * ow + oy * ow;
                        f(
                            row,
                            (c * height + y - padding) * width,
                            first,
                            x0,
                            end - first,
                        );
                    }
                }
            }
        }
    }

    /// Image (C, H, W) to columns (C K K, OH OW). `columns` starts as zeros and keeps its zeros between calls.
    fn unfold<F: Float>(&self, image: &[F], columns: &mut [F]) {
        self.each_row(|row, line, first, x0, run| {
            let to = &mut columns[row + first..][..run];
            if self.stride == 1 {
                to.copy_from_slice(&image[line + x0..][..run]);
            } else {
                let from = image[line + x0..].iter().step_by(self.stride);
                to.iter_mut().zip(from).for_each(|(t, &v)| *t = v);
            }
        });
    }

    /// The transpose of `unfold`: adds every column value to its pixel.
    fn fold<F: Float>(&self, columns: &[F], image: &mut [F]) {
        self.each_row(|row, line, first, x0, run| {
            let from = &columns[row + first..][..run];
            if self.stride == 1 {
                image[line + x0..][..run]
                    .iter_mut()
                    .zip(from)
                    .for_each(|(p, &v)| *p += v);
            } else {
                image[line + x0..]
                    .iter_mut()
                    .step_by(self.stride)
                    .zip(from)
                    .for_each(|(p, &v)| *p += v);
            }
        });
    }
}

/// y = f(W * x + b): x (rows, C*H*W), W (out, C*K*K), b (out), y (rows, out*OH*OW).
///
/// `input_gradient: false` leaves out dL/dx, where x is data.
///
/// # Errors
/// [`Error::Shape`] when x, W and the geometry do not fit.
pub fn convolution<F: Float, T: Tape<F, Cpu>>(
    x: Mat<F, T>,
    weight: &Param<F>,
    bias: &Param<F>,
    geometry: Geometry,
    activation: Activation,
    input_gradient: bool,
) -> Result<Mat<F, T>> {
    let (x, tape) = x.split_tape();
    let (rows, features) = size(&x);
    let pixels = geometry.channels * geometry.height * geometry.width;
    let (oh, ow) = geometry.output();
    let (patch, places) = (
        geometry.channels * geometry.kernel * geometry.kernel,
        oh * ow,
    );
    let &[out, w_patch] = weight.shape() else {
        return Err(Error::Shape(format!(
            "convolution: weight wants two dimensions, got {:?}",
            weight.shape()
        )));
    };
    if features != pixels || w_patch != patch {
        return Err(Error::Shape(format!(
            "convolution: {geometry:?} wants images of {pixels} values and a weight of {patch} columns, got {features} and {w_patch}"
        )));
    }
    let mut columns = vec![F::of(0.0); patch * places];
    let mut y = Vec::with_capacity(rows * out * places);
    for image in values(&x).chunks_exact(pixels) {
        let start = y.len();
        for &b in bias.values() {
            y.resize(y.len() + places, b);
        }
        geometry.unfold(image, &mut columns);
        let (w, c) = (
            View::new(weight.values(), out, patch),
            View::new(&columns, patch, places),
        );
        product(&mut y[start..], w, c, true);
    }
    activation.apply(&mut y);
    let y = matrix(y, rows, out * places)?; // (rows, out*OH*OW)
    let (result, weight, bias) = (y.clone(), weight.clone(), bias.clone());
    Ok(record(y, tape, move |gradients| {
        let mut gy = take_gradient(gradients, &result)?;
        activation.chain(&mut gy, values(&result));
        let mut gb = vec![F::of(0.0); out];
        let mut gw = vec![F::of(0.0); out * patch];
        let mut g_columns = vec![F::of(0.0); patch * places];
        let w = View::new(weight.values(), out, patch);
        let gx = if input_gradient {
            Some(gradients.get_or_alloc_mut(&x)?)
        } else {
            None
        };
        let mut gx = gx.map(|g| g.chunks_exact_mut(pixels));
        for (image, g) in values(&x)
            .chunks_exact(pixels)
            .zip(gy.chunks_exact(out * places))
        {
            gb.iter_mut()
                .zip(g.chunks_exact(places))
                .for_each(|(s, p)| *s += p.iter().copied().sum());
            geometry.unfold(image, &mut columns);
            let g = View::new(g, out, places);
            product(&mut gw, g, View::new(&columns, patch, places).t(), true);
            if let Some(image) = gx.as_mut().and_then(Iterator::next) {
                product(&mut g_columns, w.t(), g, false);
                geometry.fold(&g_columns, image);
            }
        }
        for (param, g) in [(&bias, gb), (&weight, gw)] {
            gradients
                .get_or_alloc_mut(&param.tensor)?
                .iter_mut()
                .zip(g)
                .for_each(|(s, d)| *s += d);
        }
        Ok(())
    }))
}
