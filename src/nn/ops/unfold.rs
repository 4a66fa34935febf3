//! Images to columns and back: what turns a convolution into a product.
//!
//! With stride 1 the columns are *wide*: an output row keeps the width W + 2P of the padded image, so that every column row is one
//! contiguous run of a padded plane, copied or added whole. The places beyond the true width hold garbage in a forward product and
//! must hold zeros in a gradient; [`Unfold::crop`] and [`Unfold::widen`] translate.

use super::Geometry;
use crate::nn::Float;

/// How images of one geometry become columns (C K K, places).
pub(super) struct Unfold {
    geometry: Geometry,
    /// Output height and width.
    output: (usize, usize),
    /// Length of an output row in the columns: the output width, or that of a padded image row.
    row: usize,
}

impl Unfold {
    pub fn new(geometry: Geometry) -> Self {
        let output = geometry.output();
        let wide = geometry.width + 2 * geometry.padding;
        Self {
            geometry,
            output,
            row: if geometry.stride == 1 { wide } else { output.1 },
        }
    }

    /// Places in a column row.
    pub fn places(&self) -> usize {
        self.output.0 * self.row
    }

    /// Values of a scratch image: padded planes, with a tail for the last wide run.
    fn scratch_len(&self) -> usize {
        let g = &self.geometry;
        g.channels * (g.height + 2 * g.padding) * (g.width + 2 * g.padding) + g.kernel
    }

    /// Zeros to hold a padded image between calls.
    pub fn scratch<F: Float>(&self) -> Vec<F> {
        vec![F::of(0.0); self.scratch_len()]
    }

    /// Calls `f(start of the padded row, start of the image row)` for every row of the image.
    fn rows(&self, mut f: impl FnMut(usize, usize)) {
        let Geometry {
            channels,
            height,
            width,
            padding,
            ..
        } = self.geometry;
        let (hp, wp) = (height + 2 * padding, width + 2 * padding);
        for c in 0..channels {
            for y in 0..height {
                f(
                    (c * hp + y + padding) * wp + padding,
                    (c * height + y) * width,
                );
            }
        }
    }

    /// Calls `f(column row, start of its first window in the padded image)`.
    fn windows(&self, mut f: impl FnMut(usize, usize)) {
        let Geometry {
            channels,
            height,
            width,
            kernel,
            padding,
            ..
        } = self.geometry;
        let (hp, wp) = (height + 2 * padding, width + 2 * padding);
        let mut r = 0;
        for c in 0..channels {
            for ky in 0..kernel {
                for kx in 0..kernel {
                    f(r, (c * hp + ky) * wp + kx);
                    r += 1;
                }
            }
        }
    }

    /// Image (C, H, W) to columns (C K K, places); `scratch` from [`Self::scratch`].
    pub fn unfold<F: Float>(&self, image: &[F], scratch: &mut [F], columns: &mut [F]) {
        let (w, wp, places) = (self.geometry.width, self.padded_width(), self.places());
        self.rows(|to, from| scratch[to..][..w].copy_from_slice(&image[from..][..w]));
        let stride = self.geometry.stride;
        self.windows(|r, start| {
            let to = &mut columns[r * places..][..places];
            if stride == 1 {
                to.copy_from_slice(&scratch[start..][..places]);
            } else {
                for (y, to) in to.chunks_exact_mut(self.row).enumerate() {
                    let from = &scratch[start + y * stride * wp..];
                    to.iter_mut()
                        .zip(from.iter().step_by(stride))
                        .for_each(|(t, &v)| *t = v);
                }
            }
        });
    }

    /// The transpose of [`Self::unfold`]: adds every column value to its pixel of `image`.
    pub fn fold<F: Float>(&self, columns: &[F], scratch: &mut [F], image: &mut [F]) {
        let (w, wp, places) = (self.geometry.width, self.padded_width(), self.places());
        scratch.fill(F::of(0.0));
        let stride = self.geometry.stride;
        self.windows(|r, start| {
            let from = &columns[r * places..][..places];
            if stride == 1 {
                F::accumulate(&mut scratch[start..][..places], from);
            } else {
                for (y, from) in from.chunks_exact(self.row).enumerate() {
                    let to = &mut scratch[start + y * stride * wp..];
                    to.iter_mut()
                        .step_by(stride)
                        .zip(from)
                        .for_each(|(t, &v)| *t += v);
                }
            }
        });
        self.rows(|from, to| F::accumulate(&mut image[to..][..w], &scratch[from..][..w]));
    }

    /// Places (rows, OH * row) to outputs (rows, OH * OW).
    pub fn crop<F: Float>(&self, places: &[F], output: &mut [F]) {
        let width = self.output.1;
        for (to, from) in output
            .chunks_exact_mut(width)
            .zip(places.chunks_exact(self.row))
        {
            to.copy_from_slice(&from[..width]);
        }
    }

    /// Outputs (rows, OH * OW) to places, zeros beyond the width; `places` starts as zeros and keeps them between calls.
    pub fn widen<F: Float>(&self, output: &[F], places: &mut [F]) {
        let width = self.output.1;
        for (to, from) in places
            .chunks_exact_mut(self.row)
            .zip(output.chunks_exact(width))
        {
            to[..width].copy_from_slice(from);
        }
    }

    fn padded_width(&self) -> usize {
        self.geometry.width + 2 * self.geometry.padding
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every window gathered pixel by pixel.
    fn by_hand(g: Geometry, image: &[f64]) -> Vec<f64> {
        let (oh, ow) = g.output();
        let mut out = Vec::new();
        for c in 0..g.channels {
            for ky in 0..g.kernel {
                for kx in 0..g.kernel {
                    for oy in 0..oh {
                        for ox in 0..ow {
                            let y = (oy * g.stride + ky).wrapping_sub(g.padding);
                            let x = (ox * g.stride + kx).wrapping_sub(g.padding);
                            let inside = y < g.height && x < g.width;
                            out.push(if inside {
                                image[(c * g.height + y) * g.width + x]
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
                all.push(Geometry {
                    channels: 2,
                    height,
                    width,
                    kernel,
                    stride,
                    padding,
                });
            }
        }
        all
    }

    #[test]
    fn columns_hold_every_window() {
        for g in geometries() {
            let u = Unfold::new(g);
            let image: Vec<f64> = (1..=2 * g.height * g.width).map(|v| v as f64).collect();
            let mut columns = vec![f64::NAN; 2 * g.kernel * g.kernel * u.places()];
            u.unfold(&image, &mut u.scratch(), &mut columns);
            let mut cropped = vec![0.0; 2 * g.kernel * g.kernel * g.output().0 * g.output().1];
            u.crop(&columns, &mut cropped);
            assert_eq!(cropped, by_hand(g, &image), "{g:?}");
        }
    }

    /// <unfold(x), y> = <x, fold(y)> for all x, y.
    #[test]
    fn fold_is_the_transpose_of_unfold() {
        for g in geometries() {
            let u = Unfold::new(g);
            let image: Vec<f64> = (0..2 * g.height * g.width)
                .map(|v| (v as f64 * 0.7).sin())
                .collect();
            let y: Vec<f64> = (0..2 * g.kernel * g.kernel * g.output().0 * g.output().1)
                .map(|v| (v as f64).cos())
                .collect();
            let left: f64 = by_hand(g, &image).iter().zip(&y).map(|(a, b)| a * b).sum();
            let mut wide = vec![0.0; 2 * g.kernel * g.kernel * u.places()];
            u.widen(&y, &mut wide);
            let mut back = vec![0.0; image.len()];
            u.fold(&wide, &mut u.scratch(), &mut back);
            let right: f64 = image.iter().zip(&back).map(|(a, b)| a * b).sum();
            // Some hundred terms of order one in f64.
            assert!(
                (left - right).abs() < 1e-11,
                "{g:?}: {left} against {right}"
            );
        }
    }
}
