//! Images to columns and back: what turns a convolution into a product.
//!
//! Channels-last: the window of one output is K runs of K*C neighbouring values of the padded image, so a row of columns is K copies.

use super::Geometry;
use crate::Float;

/// How images of one geometry become columns (places, K K C).
#[derive(Clone, Copy)]
pub(super) struct Unfold {
    geometry: Geometry,
    /// Output height and width.
    output: (usize, usize),
}

impl Unfold {
    pub fn new(geometry: Geometry) -> Self {
        Self {
            geometry,
            output: geometry.output(),
        }
    }

    /// Outputs of one image, without channels.
    pub fn places(&self) -> usize {
        self.output.0 * self.output.1
    }

    /// Values of a window.
    pub fn patch(&self) -> usize {
        self.geometry.kernel * self.geometry.kernel * self.geometry.channels
    }

    /// Whether an image is its own columns.
    pub fn is_identity(&self) -> bool {
        let g = &self.geometry;
        (g.kernel, g.stride, g.padding) == (1, 1, 0)
    }

    /// Values in a row of the padded image.
    fn line(&self) -> usize {
        (self.geometry.width + 2 * self.geometry.padding) * self.geometry.channels
    }

    /// Zeros to hold a padded image between calls.
    pub fn scratch<F: Float>(&self) -> Vec<F> {
        vec![F::of(0.0); (self.geometry.height + 2 * self.geometry.padding) * self.line()]
    }

    /// Calls `f(start of the row in the padded image, start in the image)` for every row of an image.
    fn rows(&self, mut f: impl FnMut(usize, usize)) {
        let g = &self.geometry;
        let before = g.padding * self.line() + g.padding * g.channels;
        for y in 0..g.height {
            f(before + y * self.line(), y * g.width * g.channels);
        }
    }

    /// Calls `f(start of the run in the columns, start in the padded image)` for every run of K C values.
    fn runs(&self, mut f: impl FnMut(usize, usize)) {
        let g = &self.geometry;
        let run = g.kernel * g.channels;
        let mut to = 0;
        for oy in 0..self.output.0 {
            for ox in 0..self.output.1 {
                let corner = oy * g.stride * self.line() + ox * g.stride * g.channels;
                for ky in 0..g.kernel {
                    f(to, corner + ky * self.line());
                    to += run;
                }
            }
        }
    }

    /// Image (H, W, C) to columns (places, K K C); `scratch` from [`Self::scratch`].
    pub fn unfold<F: Float>(&self, image: &[F], scratch: &mut [F], columns: &mut [F]) {
        let (width, run) = (
            self.geometry.width * self.geometry.channels,
            self.geometry.kernel * self.geometry.channels,
        );
        self.rows(|to, from| scratch[to..][..width].copy_from_slice(&image[from..][..width]));
        let copy = |to: &mut [F], from: &[F]| to.iter_mut().zip(from).for_each(|(t, &v)| *t = v);
        // A call for a short copy costs more than the copy: sizes of the usual kernels on one channel are constants.
        match run {
            3 => self.runs(|to, at| copy(&mut columns[to..][..3], &scratch[at..][..3])),
            5 => self.runs(|to, at| copy(&mut columns[to..][..5], &scratch[at..][..5])),
            _ => self.runs(|to, at| columns[to..][..run].copy_from_slice(&scratch[at..][..run])),
        }
    }

    /// The transpose of [`Self::unfold`]: adds every column value to its pixel of `image`.
    pub fn fold<F: Float>(&self, columns: &[F], scratch: &mut [F], image: &mut [F]) {
        let (width, run) = (
            self.geometry.width * self.geometry.channels,
            self.geometry.kernel * self.geometry.channels,
        );
        scratch.fill(F::of(0.0));
        self.runs(|from, at| {
            let pairs = scratch[at..][..run].iter_mut().zip(&columns[from..][..run]);
            pairs.for_each(|(t, &v)| *t += v);
        });
        self.rows(|from, to| F::accumulate(&mut image[to..][..width], &scratch[from..][..width]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Precision;

    /// Every window gathered pixel by pixel.
    fn by_hand(g: Geometry, image: &[f64]) -> Vec<f64> {
        let (oh, ow) = g.output();
        let mut out = Vec::new();
        for oy in 0..oh {
            for ox in 0..ow {
                for ky in 0..g.kernel {
                    for kx in 0..g.kernel {
                        for c in 0..g.channels {
                            let y = (oy * g.stride + ky).wrapping_sub(g.padding);
                            let x = (ox * g.stride + kx).wrapping_sub(g.padding);
                            let inside = y < g.height && x < g.width;
                            out.push(if inside {
                                image[(y * g.width + x) * g.channels + c]
                            } else {
                                0.0
                            });
                        }
                    }
                }
            }
        }
        out
    }

    fn geometries() -> Vec<Geometry> {
        let mut all = Vec::new();
        for (kernel, stride, padding) in [
            (1, 1, 0),
            (3, 1, 1),
            (5, 1, 2),
            (3, 2, 1),
            (5, 2, 2),
            (3, 3, 1),
            (3, 1, 0),
        ] {
            for (height, width) in [(5, 7), (8, 8), (6, 5)] {
                for channels in [1, 2] {
                    all.push(Geometry {
                        channels,
                        height,
                        width,
                        kernel,
                        stride,
                        padding,
                        upscale: 1,
                        precision: Precision::F32,
                    });
                }
            }
        }
        all
    }

    #[test]
    fn columns_hold_every_window() {
        for g in geometries() {
            let u = Unfold::new(g);
            let image: Vec<f64> = (1..=g.channels * g.height * g.width)
                .map(|v| v as f64)
                .collect();
            let mut columns = vec![f64::NAN; u.patch() * u.places()];
            u.unfold(&image, &mut u.scratch(), &mut columns);
            assert_eq!(columns, by_hand(g, &image), "{g:?}");
        }
    }

    /// <unfold(x), y> = <x, fold(y)> for all x, y.
    #[test]
    fn fold_is_the_transpose_of_unfold() {
        for g in geometries() {
            let u = Unfold::new(g);
            let image: Vec<f64> = (0..g.channels * g.height * g.width)
                .map(|v| (v as f64 * 0.7).sin())
                .collect();
            let y: Vec<f64> = (0..u.patch() * u.places())
                .map(|v| (v as f64).cos())
                .collect();
            let left: f64 = by_hand(g, &image).iter().zip(&y).map(|(a, b)| a * b).sum();
            let mut back = vec![0.0; image.len()];
            u.fold(&y, &mut u.scratch(), &mut back);
            let right: f64 = image.iter().zip(&back).map(|(a, b)| a * b).sum();
            // Some hundred terms of order one in f64.
            assert!(
                (left - right).abs() < 1e-11,
                "{g:?}: {left} against {right}"
            );
        }
    }
}
