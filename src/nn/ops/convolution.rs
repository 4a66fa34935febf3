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

    /// A step and a kernel that fits the padded image.
    fn check(&self) -> Result<()> {
        let side = self.height.min(self.width) + 2 * self.padding;
        let sizes = [self.channels, self.height, self.width, self.stride];
        if sizes.contains(&0) || !(1..=side).contains(&self.kernel) {
            return Err(Error::Shape(format!(
                "convolution: sizes of at least 1 and a kernel of 1..={side} expected, got {self:?}"
            )));
        }
        Ok(())
    }
}

/// y = f(W * x + b): x (rows, C*H*W), W (out, C*K*K), b (out), y (rows, out*OH*OW).
///
/// `input_gradient: false` leaves out dL/dx, where x is data.
///
/// # Errors
/// [`Error::Shape`] when x, W, b and the geometry do not fit.
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
    geometry.check()?;
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
    if bias.values().len() != out {
        return Err(Error::Shape(format!(
            "convolution: bias wants {out} values, got {}",
            bias.values().len()
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

#[cfg(test)]
mod tests {
    use super::super::check::{self, close, gradients_agree, param, random};
    use super::*;

    fn geometry(kernel: usize, stride: usize, padding: usize) -> Geometry {
        Geometry {
            channels: 2,
            height: 6,
            width: 5,
            kernel,
            stride,
            padding,
        }
    }

    /// Odd kernels as the networks use them, padded by half; and others.
    const CASES: [(usize, usize, usize); 8] = [
        (1, 1, 0),
        (3, 1, 1),
        (5, 1, 2),
        (3, 2, 1),
        (5, 2, 2),
        (3, 1, 0),
        (1, 2, 0),
        (5, 1, 4),
    ];

    /// y[o, i, j] = f(b_o + sum over c, di, dj of W[o, c, di, dj] x[c, s i + di - P, s j + dj - P]), zeros outside.
    fn by_hand(g: Geometry, x: &[f64], w: &[f64], b: &[f64], f: Activation) -> Vec<f64> {
        let (oh, ow) = g.output();
        let mut y = Vec::new();
        for image in x.chunks(g.channels * g.height * g.width) {
            let pixel = |c: usize, i: isize, j: isize| {
                let inside = 0 <= i && i < g.height as isize && 0 <= j && j < g.width as isize;
                if inside {
                    image[(c * g.height + i as usize) * g.width + j as usize]
                } else {
                    0.0
                }
            };
            for (o, &bias) in b.iter().enumerate() {
                for at in 0..oh * ow {
                    let corner =
                        |i: usize, d: usize| (g.stride * i + d) as isize - g.padding as isize;
                    let mut sum = bias;
                    for c in 0..g.channels {
                        for k in 0..g.kernel * g.kernel {
                            let weight = w[(o * g.channels + c) * g.kernel * g.kernel + k];
                            let (i, j) =
                                (corner(at / ow, k / g.kernel), corner(at % ow, k % g.kernel));
                            sum += weight * pixel(c, i, j);
                        }
                    }
                    y.push(sum);
                }
            }
        }
        f.apply(&mut y);
        y
    }

    fn parameters(g: Geometry) -> [Param<f64>; 2] {
        let shape = [3, g.channels * g.kernel * g.kernel];
        [param("w", &shape), param("b", &[3])]
    }

    #[test]
    fn every_output_is_its_window_times_the_kernel() {
        for (kernel, stride, padding) in CASES {
            let g = geometry(kernel, stride, padding);
            let (x, [w, b]) = (random("x", 3, 60), parameters(g));
            for f in [Activation::Identity, Activation::Relu, Activation::Tanh] {
                let y = convolution(x.clone(), &w, &b, g, f, true).unwrap();
                let want = by_hand(g, values(&x), w.values(), b.values(), f);
                close(&format!("{g:?} {f:?}"), values(&y), &want, 1e-13);
            }
        }
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        for (kernel, stride, padding) in CASES {
            let g = geometry(kernel, stride, padding);
            for (f, input_gradient) in [(Activation::Tanh, true), (Activation::Relu, false)] {
                let x = random("x", 2, 60);
                gradients_agree(
                    &format!("{g:?}"),
                    &x,
                    &parameters(g),
                    input_gradient,
                    &|x, p| convolution(x, &p[0], &p[1], g, f, input_gradient).map(check::project),
                );
            }
        }
    }

    #[test]
    fn wrong_sizes_are_told() {
        let try_it = |x: usize, w: &[usize], b: usize, g: Geometry| {
            let (w, b) = (param("w", w), param("b", &[b]));
            convolution(random("x", 2, x), &w, &b, g, Activation::Relu, true)
        };
        let g = geometry(3, 1, 1);
        check::refuses(try_it(59, &[3, 18], 3, g), &["convolution", "60", "got 59"]);
        check::refuses(
            try_it(60, &[3, 17], 3, g),
            &["convolution", "18 columns", "and 17"],
        );
        check::refuses(try_it(60, &[54], 3, g), &["two dimensions", "got [54]"]);
        check::refuses(try_it(60, &[3, 18], 2, g), &["bias wants 3", "got 2"]);
        let words = ["kernel of 1..=5", "kernel: 7"];
        check::refuses(try_it(60, &[3, 98], 3, geometry(7, 1, 0)), &words);
        check::refuses(try_it(60, &[3, 18], 3, geometry(3, 0, 1)), &["stride: 0"]);
    }
}
