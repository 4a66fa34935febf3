//! The forward pass: filters and patches to their points, products, and back to pixels with bias, nonlinearity and pixel shuffle.

use super::{BLOCK, PATCH, POINTS, Shape, TILE, transform, transform_patches};
use crate::kernels::simd::{Kernel, LANES, Lanes, dispatch};
use crate::kernels::strips::{Strided, product};
use crate::kernels::workspace;

/// Tiles at a time: their points and one block of filters stay in the second-level cache.
const GROUP: usize = 16;

/// y = x * w + b, then max(., 0) with `relu`: x (images, H, W, C), w (9 C, N) with rows (ky, kx, c), y (images, OH, OW, N) or its
/// pixel shuffle. Every value of y is overwritten.
pub(crate) fn forward(
    shape: Shape,
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    relu: bool,
    y: &mut [f32],
) {
    let (c, n) = (shape.channels, shape.out);
    let images = x.len() / shape.input_len();
    assert!(shape.suits() && images * shape.input_len() == x.len());
    assert_eq!(y.len(), images * shape.output_len());
    assert_eq!((weight.len(), bias.len()), (9 * c * n, n));
    let sizes = [
        POINTS * c * n,
        POINTS * (GROUP * c + LANES),
        POINTS * (GROUP * BLOCK + LANES),
        POINTS * c,
    ];
    workspace::with(sizes, |[filters, patches, found, patch]| {
        dispatch(Forward {
            shape,
            tiles: images * shape.tiles(),
            x,
            weight,
            bias,
            relu,
            y,
            filters,
            patches,
            found,
            patch,
        });
    });
}

struct Forward<'a> {
    shape: Shape,
    tiles: usize,
    x: &'a [f32],
    weight: &'a [f32],
    bias: &'a [f32],
    relu: bool,
    y: &'a mut [f32],
    /// G w G': (N / 32, 36, C, 32).
    filters: &'a mut [f32],
    /// B' d B: (36, tiles, C), points apart by a cache line more than they need, so that they do not meet in one set of it.
    patches: &'a mut [f32],
    /// Their product: (36, tiles, 32), likewise.
    found: &'a mut [f32],
    patch: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        let (c, n) = (self.shape.channels, self.shape.out);
        transform_filters::<L>(self.weight, c, n, self.filters);
        let (stride, found_stride) = (GROUP * c + LANES, GROUP * BLOCK + LANES);
        for first in (0..self.tiles).step_by(GROUP) {
            let tiles = first..(first + GROUP).min(self.tiles);
            let to = (&mut *self.patches, stride);
            transform_patches::<L>(&self.shape, self.x, tiles.clone(), self.patch, to);
            for block in 0..n / BLOCK {
                for p in 0..POINTS {
                    // SAFETY: sizes as `forward` made them.
                    unsafe {
                        let a = Strided {
                            data: self.patches.as_ptr().add(p * stride),
                            row: c,
                            column: 1,
                            segments: &[0],
                            length: c,
                        };
                        let b = self.filters.as_ptr().add((block * POINTS + p) * c * BLOCK);
                        let out = self.found.as_mut_ptr().add(p * found_stride);
                        product::<L, 2, false>(out, BLOCK, a, b, tiles.len());
                    }
                }
                self.write::<L>(tiles.clone(), block);
            }
        }
    }
}

impl Forward<'_> {
    /// A' m A + b of one block of channels to its pixels.
    #[inline(always)]
    fn write<L: Lanes>(&mut self, tiles: std::ops::Range<usize>, block: usize) {
        let stride = GROUP * BLOCK + LANES;
        let zero = L::splat(0.0);
        for (s, tile) in tiles.map(|t| self.shape.tile(t)).enumerate() {
            for lane in [0, LANES] {
                let channel = block * BLOCK + lane;
                let (start, row, column) = self.shape.place(tile.row, tile.column, channel);
                let start = tile.image * self.shape.output_len() + start;
                assert!(
                    start + (tile.rows - 1) * row + (tile.columns - 1) * column + LANES
                        <= self.y.len()
                );
                // SAFETY: reads what the products wrote; writes inside y as asserted.
                unsafe {
                    let bias = L::load(self.bias.as_ptr().add(channel));
                    let found = self.found.as_ptr().add(s * BLOCK + lane);
                    let y = self.y.as_mut_ptr().add(start);
                    let m = transform::load::<L, PATCH>(found, PATCH * stride, stride);
                    let mut v = transform::both!(transform::output, m, [L; 6 => 4]);
                    for i in 0..TILE {
                        for j in 0..TILE {
                            v[i][j] = v[i][j].add(bias);
                            if self.relu {
                                v[i][j] = v[i][j].max(zero);
                            }
                        }
                    }
                    if (tile.rows, tile.columns) == (TILE, TILE) {
                        transform::store(v, y, row, column);
                    } else {
                        for i in 0..tile.rows {
                            for j in 0..tile.columns {
                                v[i][j].store(y.add(i * row + j * column));
                            }
                        }
                    }
                }
            }
        }
    }
}

/// G w G' of filters (9 C, N), to (N / 32, 36, C, 32).
#[inline(always)]
pub(super) fn transform_filters<L: Lanes>(w: &[f32], c: usize, n: usize, points: &mut [f32]) {
    assert!(w.len() >= 9 * c * n && points.len() >= POINTS * c * n && n.is_multiple_of(BLOCK));
    for block in 0..n / BLOCK {
        for channel in 0..c {
            for lane in [0, LANES] {
                // SAFETY: as asserted.
                unsafe {
                    let from = w.as_ptr().add(channel * n + block * BLOCK + lane);
                    let to = points
                        .as_mut_ptr()
                        .add((block * POINTS * c + channel) * BLOCK + lane);
                    let w = transform::load::<L, 3>(from, 3 * c * n, c * n);
                    let v = transform::both!(transform::weight, w, [L; 3 => 6]);
                    transform::store(v, to, PATCH * c * BLOCK, c * BLOCK);
                }
            }
        }
    }
}
