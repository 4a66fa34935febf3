//! 2-D convolution (cross-correlation) of channels-last images, bias, nonlinearity and pixel shuffle fused.
//!
//! Unfolded to columns and one product for several images; in f32 by `kernels::winograd` for 3x3 kernels of step 1 over many
//! channels, by `kernels::readout` from many channels to a
//! few, and by `kernels::direct` for the others.

use super::Activation;
use super::unfold::Unfold;
use crate::kernels::product::{View, product};
use crate::kernels::{bf16, direct, readout, winograd};
use crate::tensor::{matrix, record, size, take_gradient, values};
use crate::{Error, Result};
use crate::{Float, Mat, Param};
use dfdx::prelude::{Cpu, SplitTape, Tape};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Sizes of a convolution: images of H x W x C, square kernels.
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
    /// Factor r of sub-pixel upsampling, 1 for none: r^2 groups of output channels become r x r pixels (Shi et al. 2016,
    /// "Real-time single image and video super-resolution", eq. 4).
    pub upscale: usize,
    /// What factors are rounded to.
    pub precision: Precision,
}

/// What the factors of a convolution's products are rounded to, in training in f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// Nothing: the same bytes on every machine with vectors of the same kind.
    #[default]
    F32,
    /// 8 bits, with sums in f32, in 3x3 kernels of step 1 over multiples of 32 channels on machines with matrix units (Intel AMX): there
    /// outputs and gradients err by less than 5e-3 of their largest. Everywhere else as `f32`.
    Bf16,
}

impl Precision {
    /// Whether this machine has units for it; where not, products are in f32.
    pub fn is_its_own(self) -> bool {
        self == Self::Bf16 && bf16::available()
    }
}

impl Geometry {
    /// (height, width) of the output, before upsampling.
    pub fn output(&self) -> (usize, usize) {
        let side = |n: usize| (n + 2 * self.padding).saturating_sub(self.kernel) / self.stride + 1;
        (side(self.height), side(self.width))
    }

    /// A step and a kernel that fits the padded image.
    fn check(&self) -> Result<()> {
        let side = self.height.min(self.width) + 2 * self.padding;
        let sizes = [
            self.channels,
            self.height,
            self.width,
            self.stride,
            self.upscale,
        ];
        if sizes.contains(&0) || !(1..=side).contains(&self.kernel) {
            return Err(Error::Shape(format!(
                "convolution: sizes of at least 1 and a kernel of 1..={side} expected, got {self:?}"
            )));
        }
        Ok(())
    }

    /// The kernels for this convolution, where there are better ones than unfolding: in f32.
    fn fast<F: Float>(&self, out: usize) -> Option<Fast> {
        F::as_f32(&[])?;
        let shape = winograd::Shape {
            channels: self.channels,
            height: self.height,
            width: self.width,
            padding: self.padding,
            out,
            upscale: self.upscale,
        };
        match (self.kernel, self.stride, self.upscale) {
            (3, 1, _) if self.precision == Precision::Bf16 && bf16::suits(&shape) => {
                Some(Fast::Bf16(shape))
            }
            (3, 1, _) if shape.suits() => Some(Fast::Winograd(shape)),
            (2.., _, 1) => Some(Fast::Direct(*self)),
            (1, 1, 1) if self.padding == 0 && readout::suits(self.channels, out) => {
                Some(Fast::Readout)
            }
            _ => None,
        }
    }
}

/// y = f(W * x + b): x (rows, H*W*C), W (K*K*C, out) with rows (ky, kx, c), b (out), y (rows, OH*OW*out).
///
/// With upscale r, output channel (a r + b) out/r^2 + c of a place (i, j) is channel c of pixel (r i + a, r j + b): y is then
/// (rows, r OH * r OW * out/r^2). `input_gradient: false` leaves out dL/dx, where x is data.
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
    let out = check(&x, weight, bias, geometry)?;
    let (rows, _) = size(&x);
    let (oh, ow) = geometry.output();
    let work = Work {
        unfold: Unfold::new(geometry),
        geometry,
        out,
    };
    let mut y = vec![F::of(0.0); rows * oh * ow * out];
    if !work.forward_fast(values(&x), weight, bias, activation, &mut y) {
        work.forward(values(&x), weight, bias, &mut y);
        activation.apply(&mut y);
    }
    let y = matrix(y, rows, oh * ow * out)?; // (rows, OH*OW*out)
    let (result, weight, bias) = (y.clone(), weight.clone(), bias.clone());
    Ok(record(y, tape, move |gradients| {
        let mut gy = take_gradient(gradients, &result)?;
        let mut gx = if input_gradient {
            Some(std::mem::take(&mut **gradients.get_or_alloc_mut(&x)?))
        } else {
            None
        };
        let mut gb = std::mem::take(&mut **gradients.get_or_alloc_mut(&bias.tensor)?);
        let gw = gradients.get_or_alloc_mut(&weight.tensor)?;
        let data = (values(&x), values(&result));
        let fast = work.backward_fast(
            data,
            &weight,
            activation,
            &gy,
            gx.as_deref_mut(),
            gw,
            &mut gb,
        );
        if !fast {
            activation.chain(&mut gy, values(&result));
            work.backward(values(&x), &weight, &gy, gx.as_deref_mut(), gw, &mut gb);
        }
        **gradients.get_or_alloc_mut(&bias.tensor)? = gb;
        if let Some(gx) = gx {
            **gradients.get_or_alloc_mut(&x)? = gx;
        }
        Ok(())
    }))
}

/// Kernels in f32.
#[derive(Clone, Copy)]
enum Fast {
    Bf16(winograd::Shape),
    Winograd(winograd::Shape),
    Direct(Geometry),
    Readout,
}

/// Checks that everything fits; returns the number of output channels.
fn check<F: Float>(
    x: &Mat<F>,
    weight: &Param<F>,
    bias: &Param<F>,
    geometry: Geometry,
) -> Result<usize> {
    geometry.check()?;
    let features = size(x).1;
    let pixels = geometry.channels * geometry.height * geometry.width;
    let patch = geometry.channels * geometry.kernel * geometry.kernel;
    let &[w_patch, out] = weight.shape() else {
        return Err(Error::Shape(format!(
            "convolution: weight wants two dimensions, got {:?}",
            weight.shape()
        )));
    };
    if features != pixels || w_patch != patch {
        return Err(Error::Shape(format!(
            "convolution: {geometry:?} wants images of {pixels} values and a weight of {patch} rows, got {features} and {w_patch}"
        )));
    }
    if bias.values().len() != out {
        return Err(Error::Shape(format!(
            "convolution: bias wants {out} values, got {}",
            bias.values().len()
        )));
    }
    if out % (geometry.upscale * geometry.upscale) != 0 {
        return Err(Error::Shape(format!(
            "convolution: upscale {} wants a multiple of {} output channels, got {out}",
            geometry.upscale,
            geometry.upscale * geometry.upscale
        )));
    }
    Ok(out)
}

/// Places that one product takes at least: enough to be worth packing, few enough for their columns to stay in the cache.
const PLACES: usize = 256;

/// One convolution of some images.
struct Work {
    geometry: Geometry,
    unfold: Unfold,
    /// Output channels.
    out: usize,
}

impl Work {
    /// (values of an image, values of an output, images that one product takes).
    fn sizes(&self) -> (usize, usize, usize) {
        let g = &self.geometry;
        let places = self.unfold.places();
        let group = PLACES.div_ceil(places);
        (g.channels * g.height * g.width, places * self.out, group)
    }

    /// Fast kernels, where there are some; returns whether.
    fn forward_fast<F: Float>(
        &self,
        x: &[F],
        weight: &Param<F>,
        bias: &Param<F>,
        activation: Activation,
        y: &mut [F],
    ) -> bool {
        let Some(fast) = self.geometry.fast::<F>(self.out) else {
            return false;
        };
        let all = (
            F::as_f32(x),
            F::as_f32(weight.values()),
            F::as_f32(bias.values()),
            F::as_f32_mut(y),
        );
        let (Some(x), Some(w), Some(b), Some(to)) = all else {
            return false;
        };
        let relu = activation == Activation::Relu;
        match fast {
            Fast::Bf16(shape) => bf16::forward(shape, x, w, b, relu, to),
            Fast::Winograd(shape) => winograd::forward(shape, x, w, b, relu, to),
            Fast::Direct(geometry) => direct::forward(geometry, x, w, b, relu, to),
            Fast::Readout => readout::forward(x, w, b, to),
        }
        if !relu || matches!(fast, Fast::Readout) {
            activation.apply(y);
        }
        true
    }

    /// y before the nonlinearity.
    fn forward<F: Float>(&self, x: &[F], weight: &Param<F>, bias: &Param<F>, y: &mut [F]) {
        let (pixels, outputs, group) = self.sizes();
        let (patch, places, shuffles) = (
            self.unfold.patch(),
            self.unfold.places(),
            self.geometry.upscale > 1,
        );
        let w = View::new(weight.values(), patch, self.out);
        let mut columns = Columns::new(self.unfold, group);
        let mut before = vec![F::of(0.0); if shuffles { group * outputs } else { 0 }];
        for (x, y) in x.chunks(group * pixels).zip(y.chunks_mut(group * outputs)) {
            let images = x.len() / pixels;
            let columns = View::new(columns.of(x, pixels), images * places, patch);
            let to = if shuffles {
                &mut before[..y.len()]
            } else {
                &mut *y
            };
            for row in to.chunks_exact_mut(self.out) {
                row.copy_from_slice(bias.values());
            }
            product(to, columns, w, true);
            if shuffles {
                self.shuffled(
                    |at, from, len| {
                        y[at..][..len].copy_from_slice(&before[from..][..len]);
                    },
                    images,
                );
            }
        }
    }

    /// Calls `f(start among the upsampled pixels, start among the places, length)` for every run of channels of some images.
    fn shuffled(&self, mut f: impl FnMut(usize, usize, usize), images: usize) {
        let ((oh, ow), r) = (self.geometry.output(), self.geometry.upscale);
        let len = self.out / (r * r);
        let mut from = 0;
        for image in 0..images {
            for (i, j) in (0..oh * ow).map(|at| (at / ow, at % ow)) {
                for (a, b) in (0..r * r).map(|part| (part / r, part % r)) {
                    let pixel = (image * oh * r + i * r + a) * ow * r + j * r + b;
                    f(pixel * len, from, len);
                    from += len;
                }
            }
        }
    }

    /// Fast kernels, where there are some; returns whether. `data` are x and y.
    #[allow(clippy::too_many_arguments)]
    fn backward_fast<F: Float>(
        &self,
        data: (&[F], &[F]),
        weight: &Param<F>,
        activation: Activation,
        gy: &[F],
        gx: Option<&mut [F]>,
        gw: &mut [F],
        gb: &mut [F],
    ) -> bool {
        let Some(fast) = self.geometry.fast::<F>(self.out) else {
            return false;
        };
        let chained = match fast {
            Fast::Readout => activation != Activation::Identity,
            _ => activation == Activation::Tanh,
        };
        if chained {
            return false;
        }
        let read = (
            F::as_f32(data.0),
            F::as_f32(data.1),
            F::as_f32(weight.values()),
            F::as_f32(gy),
        );
        let write = (F::as_f32_mut(gw), F::as_f32_mut(gb));
        let ((Some(x), Some(y), Some(w), Some(gy)), (Some(gw), Some(gb))) = (read, write) else {
            return false;
        };
        let outputs = (activation == Activation::Relu).then_some(y);
        let gx = gx.and_then(F::as_f32_mut);
        match fast {
            Fast::Bf16(shape) => bf16::backward(shape, (x, w), (gy, outputs), gx, gw, gb),
            Fast::Winograd(shape) => {
                winograd::backward(shape, (x, w), (gy, outputs), gx, gw, gb);
            }
            Fast::Direct(geometry) => {
                direct::backward(geometry, (x, w), (gy, outputs), gx, gw, gb);
            }
            Fast::Readout => readout::backward((x, w), gy, gx, gw, gb),
        }
        true
    }

    /// Adds to all gradients what `gy`, the gradient before the nonlinearity, sends back.
    fn backward<F: Float>(
        &self,
        x: &[F],
        weight: &Param<F>,
        gy: &[F],
        gx: Option<&mut [F]>,
        gw: &mut [F],
        gb: &mut [F],
    ) {
        let (pixels, outputs, group) = self.sizes();
        let (patch, places, shuffles) = (
            self.unfold.patch(),
            self.unfold.places(),
            self.geometry.upscale > 1,
        );
        let w = View::new(weight.values(), patch, self.out);
        let mut columns = Columns::new(self.unfold, group);
        let mut before = vec![F::of(0.0); if shuffles { group * outputs } else { 0 }];
        let mut scratch = self.unfold.scratch();
        let mut gx = gx.map(|g| g.chunks_mut(group * pixels));
        let through = gx.is_some() && !self.unfold.is_identity();
        let mut g_columns = vec![F::of(0.0); if through { group * places * patch } else { 0 }];
        for (x, gy) in x.chunks(group * pixels).zip(gy.chunks(group * outputs)) {
            let images = x.len() / pixels;
            let gy = if shuffles {
                self.shuffled(
                    |at, from, len| {
                        before[from..][..len].copy_from_slice(&gy[at..][..len]);
                    },
                    images,
                );
                &before[..gy.len()]
            } else {
                gy
            };
            for row in gy.chunks_exact(self.out) {
                gb.iter_mut().zip(row).for_each(|(s, &g)| *s += g);
            }
            let columns = View::new(columns.of(x, pixels), images * places, patch);
            let g = View::new(gy, images * places, self.out);
            product(gw, columns.t(), g, true);
            match gx.as_mut().and_then(Iterator::next) {
                Some(gx) if through => {
                    let g_columns = &mut g_columns[..images * places * patch];
                    product(g_columns, g, w.t(), false);
                    let images = gx.chunks_exact_mut(pixels);
                    for (g, image) in g_columns.chunks_exact(places * patch).zip(images) {
                        self.unfold.fold(g, &mut scratch, image);
                    }
                }
                Some(gx) => product(gx, g, w.t(), true),
                None => {}
            }
        }
    }
}

/// Columns of a group of images.
struct Columns<F> {
    unfold: Unfold,
    scratch: Vec<F>,
    columns: Vec<F>,
}

impl<F: Float> Columns<F> {
    fn new(unfold: Unfold, group: usize) -> Self {
        let len = if unfold.is_identity() {
            0
        } else {
            group * unfold.places() * unfold.patch()
        };
        Self {
            unfold,
            scratch: unfold.scratch(),
            columns: vec![F::of(0.0); len],
        }
    }

    /// (images * places, K K C) of these images of `pixels` values.
    fn of<'a>(&'a mut self, x: &'a [F], pixels: usize) -> &'a [F] {
        if self.unfold.is_identity() {
            return x;
        }
        let len = self.unfold.places() * self.unfold.patch();
        for (image, to) in x
            .chunks_exact(pixels)
            .zip(self.columns.chunks_exact_mut(len))
        {
            self.unfold.unfold(image, &mut self.scratch, to);
        }
        &self.columns[..x.len() / pixels * len]
    }
}

#[cfg(test)]
mod tests;
