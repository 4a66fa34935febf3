//! The backward pass: the transposes of the maps and products of the forward pass.

use super::forward::transform_filters;
use super::{BLOCK, PATCH, POINTS, Shape, TILE, transform, transform_patches};
use crate::kernels::simd::{Kernel, LANES, Lanes, dispatch};
use crate::kernels::strips::{Strided, product};
use crate::kernels::workspace;
use std::ops::Range;

/// Tiles at a time: the gradient of all filters is read and written once for so many.
const GROUP: usize = 32;

/// Adds to the gradients in x, w and b what the gradient in y sends back; shapes as in [`super::forward`]. With `outputs`, the values
/// of y after a ReLU, gradients of outputs that are not positive count as zero.
pub(crate) fn backward(
    shape: Shape,
    (x, weight): (&[f32], &[f32]),
    (gy, outputs): (&[f32], Option<&[f32]>),
    gx: Option<&mut [f32]>,
    gw: &mut [f32],
    gb: &mut [f32],
) {
    let (c, n) = (shape.channels, shape.out);
    let images = x.len() / shape.input_len();
    assert!(shape.suits() && images * shape.input_len() == x.len());
    assert_eq!(gy.len(), images * shape.output_len());
    assert!(outputs.is_none_or(|y| y.len() == gy.len()));
    assert!(gx.as_ref().is_none_or(|gx| gx.len() == x.len()));
    assert_eq!(
        (weight.len(), gw.len(), gb.len()),
        (9 * c * n, 9 * c * n, n)
    );
    let needed = usize::from(gx.is_some());
    let sizes = [
        9 * c * n * needed,
        POINTS * c * n * needed,
        POINTS * c * n,
        POINTS * (GROUP * c + LANES),
        POINTS * (GROUP * c + LANES) * needed,
        POINTS * (GROUP * BLOCK + LANES),
        POINTS * c,
    ];
    workspace::with(
        sizes,
        |[
            turned,
            filters,
            filters_g,
            patches,
            patches_g,
            found_g,
            patch,
        ]| {
            dispatch(Backward {
                shape,
                tiles: images * shape.tiles(),
                x,
                weight,
                gy,
                outputs,
                gx,
                gw,
                gb,
                turned,
                filters,
                filters_g,
                patches,
                patches_g,
                found_g,
                patch,
            });
        },
    );
}

struct Backward<'a> {
    shape: Shape,
    tiles: usize,
    x: &'a [f32],
    weight: &'a [f32],
    gy: &'a [f32],
    outputs: Option<&'a [f32]>,
    gx: Option<&'a mut [f32]>,
    gw: &'a mut [f32],
    gb: &'a mut [f32],
    /// w with input and output channels exchanged: (9 N, C).
    turned: &'a mut [f32],
    /// G w G' of it: (C / 32, 36, N, 32).
    filters: &'a mut [f32],
    /// Gradient of the points of the filters: (N / 32, 36, C, 32).
    filters_g: &'a mut [f32],
    /// Points of the patches: (36, tiles, C).
    patches: &'a mut [f32],
    /// Their gradient.
    patches_g: &'a mut [f32],
    /// A dy A' of one block of channels: (36, tiles, 32).
    found_g: &'a mut [f32],
    patch: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        let (c, n) = (self.shape.channels, self.shape.out);
        if self.gx.is_some() {
            for (k, w) in self.weight.chunks_exact(n).enumerate() {
                let (k, channel) = (k / c, k % c);
                for (o, &w) in w.iter().enumerate() {
                    self.turned[(k * n + o) * c + channel] = w;
                }
            }
            transform_filters::<L>(self.turned, n, c, self.filters);
        }
        self.filters_g.fill(0.0);
        let stride = GROUP * c + LANES;
        for first in (0..self.tiles).step_by(GROUP) {
            let tiles = first..(first + GROUP).min(self.tiles);
            let to = (&mut *self.patches, stride);
            transform_patches::<L>(&self.shape, self.x, tiles.clone(), self.patch, to);
            for block in 0..n / BLOCK {
                self.read::<L>(tiles.clone(), block);
                self.multiply::<L>(tiles.len(), block);
            }
            self.write_image::<L>(tiles);
        }
        self.write_filters::<L>();
    }
}

impl Backward<'_> {
    /// A dy A' of one block of channels, and its share of the gradient of the bias.
    #[inline(always)]
    fn read<L: Lanes>(&mut self, tiles: Range<usize>, block: usize) {
        let stride = GROUP * BLOCK + LANES;
        for lane in [0, LANES] {
            let channel = block * BLOCK + lane;
            // SAFETY: the bias has N values; places lie inside gy as asserted; found_g was made for GROUP tiles.
            unsafe {
                let bias = self.gb.as_mut_ptr().add(channel);
                let mut sum = L::load(bias);
                for (s, tile) in tiles.clone().map(|t| self.shape.tile(t)).enumerate() {
                    let (start, row, column) = self.shape.place(tile.row, tile.column, channel);
                    let start = tile.image * self.shape.output_len() + start;
                    assert!(
                        start + (tile.rows - 1) * row + (tile.columns - 1) * column + LANES
                            <= self.gy.len()
                    );
                    let mut g = [[L::splat(0.0); TILE]; TILE];
                    for i in 0..tile.rows {
                        for j in 0..tile.columns {
                            let at = start + i * row + j * column;
                            let mut value = L::load(self.gy.as_ptr().add(at));
                            if let Some(y) = self.outputs {
                                value = value.where_positive(L::load(y.as_ptr().add(at)));
                            }
                            sum = sum.add(value);
                            g[i][j] = value;
                        }
                    }
                    let to = self.found_g.as_mut_ptr().add(s * BLOCK + lane);
                    let v = transform::both!(transform::output_t, g, [L; 4 => 6]);
                    transform::store(v, to, PATCH * stride, stride);
                }
                sum.store(bias);
            }
        }
    }

    /// Gradients at the points: of the filters, += patches' found_g; of the patches, += found_g filters'.
    #[inline(always)]
    fn multiply<L: Lanes>(&mut self, tiles: usize, block: usize) {
        let (c, n) = (self.shape.channels, self.shape.out);
        let stride = GROUP * c + LANES;
        for p in 0..POINTS {
            // SAFETY: sizes as `backward` made them.
            unsafe {
                let found = self.found_g.as_ptr().add(p * (GROUP * BLOCK + LANES));
                let patches_t = Strided {
                    data: self.patches.as_ptr().add(p * stride),
                    row: 1,
                    column: c,
                    segments: &[0],
                    length: tiles,
                };
                let out = self
                    .filters_g
                    .as_mut_ptr()
                    .add((block * POINTS + p) * c * BLOCK);
                product::<L, 2, true>(out, BLOCK, patches_t, found, c);
                if self.gx.is_none() {
                    continue;
                }
                let a = Strided {
                    data: found,
                    row: BLOCK,
                    column: 1,
                    segments: &[0],
                    length: BLOCK,
                };
                for into in 0..c / BLOCK {
                    let rows = (into * POINTS + p) * n + block * BLOCK;
                    let b = self.filters.as_ptr().add(rows * BLOCK);
                    let out = self.patches_g.as_mut_ptr().add(p * stride + into * BLOCK);
                    if block == 0 {
                        product::<L, 2, false>(out, c, a, b, tiles);
                    } else {
                        product::<L, 2, true>(out, c, a, b, tiles);
                    }
                }
            }
        }
    }

    /// B v B' of the gradients of the patches, added to the pixels inside the image.
    #[inline(always)]
    fn write_image<L: Lanes>(&mut self, tiles: Range<usize>) {
        let Some(gx) = self.gx.as_deref_mut() else {
            return;
        };
        let c = self.shape.channels;
        let stride = GROUP * c + LANES;
        for (s, tile) in tiles.map(|t| self.shape.tile(t)).enumerate() {
            let [rows, columns] = tile.inside(&self.shape);
            if rows.0 >= rows.1 || columns.0 >= columns.1 {
                continue;
            }
            let start = tile.pixel(&self.shape, rows.0, columns.0);
            let (down, right) = (rows.1 - 1 - rows.0, columns.1 - 1 - columns.0);
            let line = self.shape.width * c;
            assert!(start + down * line + (right + 1) * c <= gx.len());
            for lane in (0..c).step_by(LANES) {
                // SAFETY: reads what the products wrote; writes inside gx as asserted.
                unsafe {
                    let from = self.patches_g.as_ptr().add(s * c + lane);
                    let to = gx.as_mut_ptr().add(start + lane);
                    let v = transform::load::<L, PATCH>(from, PATCH * stride, stride);
                    let d = transform::both!(transform::input_t, v, [L; 6 => 6]);
                    for i in rows.0..rows.1 {
                        for j in columns.0..columns.1 {
                            let to = to.add((i - rows.0) * line + (j - columns.0) * c);
                            L::load(to).add(d[i][j]).store(to);
                        }
                    }
                }
            }
        }
    }

    /// G' u G of the gradient of the filters' points, added to the gradient of the filters.
    #[inline(always)]
    fn write_filters<L: Lanes>(&mut self) {
        let (c, n) = (self.shape.channels, self.shape.out);
        for block in 0..n / BLOCK {
            for channel in 0..c {
                for lane in [0, LANES] {
                    // SAFETY: sizes as `backward` checked and made them.
                    unsafe {
                        let at = (block * POINTS * c + channel) * BLOCK + lane;
                        let from = self.filters_g.as_ptr().add(at);
                        let to = self.gw.as_mut_ptr().add(channel * n + block * BLOCK + lane);
                        let u = transform::load::<L, PATCH>(from, PATCH * c * BLOCK, c * BLOCK);
                        let w = transform::both!(transform::weight_t, u, [L; 6 => 3]);
                        let before = transform::load::<L, 3>(to, 3 * c * n, c * n);
                        let mut sum = w;
                        for i in 0..3 {
                            for j in 0..3 {
                                sum[i][j] = before[i][j].add(w[i][j]);
                            }
                        }
                        transform::store(sum, to, 3 * c * n, c * n);
                    }
                }
            }
        }
    }
}
