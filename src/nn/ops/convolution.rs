//! 2-D convolution (cross-correlation) by unfolding each image into columns and one product, bias and nonlinearity fused.

use super::Activation;
use super::unfold::Unfold;
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
    let unfold = Unfold::new(geometry);
    let wide = unfold.places();
    let mut columns = vec![F::of(0.0); patch * wide];
    let mut padded = unfold.scratch();
    let mut y_wide = vec![F::of(0.0); out * wide];
    let mut y = vec![F::of(0.0); rows * out * places];
    let w = View::new(weight.values(), out, patch);
    for (image, y) in values(&x)
        .chunks_exact(pixels)
        .zip(y.chunks_exact_mut(out * places))
    {
        unfold.unfold(image, &mut padded, &mut columns);
        for (row, &b) in y_wide.chunks_exact_mut(wide).zip(bias.values()) {
            row.fill(b);
        }
        product(&mut y_wide, w, View::new(&columns, patch, wide), true);
        unfold.crop(&y_wide, y);
    }
    activation.apply(&mut y);
    let y = matrix(y, rows, out * places)?; // (rows, out*OH*OW)
    let (result, weight, bias) = (y.clone(), weight.clone(), bias.clone());
    Ok(record(y, tape, move |gradients| {
        let mut gy = take_gradient(gradients, &result)?;
        activation.chain(&mut gy, values(&result));
        let mut gb = vec![F::of(0.0); out];
        let mut gw = vec![F::of(0.0); patch * out]; // transposed: the fast order for a short side `out`
        let mut g_columns = vec![F::of(0.0); patch * wide];
        let mut g_padded = unfold.scratch();
        let mut g_wide = vec![F::of(0.0); out * wide];
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
            unfold.unfold(image, &mut padded, &mut columns);
            unfold.widen(g, &mut g_wide);
            let g = View::new(&g_wide, out, wide);
            product(&mut gw, View::new(&columns, patch, wide), g.t(), true);
            if let Some(image) = gx.as_mut().and_then(Iterator::next) {
                product(&mut g_columns, w.t(), g, false);
                unfold.fold(&g_columns, &mut g_padded, image);
            }
        }
        F::accumulate(gradients.get_or_alloc_mut(&bias.tensor)?, &gb);
        let to = gradients.get_or_alloc_mut(&weight.tensor)?;
        for (i, g) in gw.into_iter().enumerate() {
            to[i % out * patch + i / out] += g;
        }
        Ok(())
    }))
}
