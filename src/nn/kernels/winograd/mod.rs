//! 3x3 convolutions of step 1 in f32 by Winograd's minimal filtering, 4x4 outputs at a time: a quarter of the products.
//!
//! ```text
//! y = A' [ (G w G') . (B' d B) ] A           d a 6x6 patch of the image, w a 3x3 filter, y 4x4 outputs, . point by point
//! ```
//!
//! Over channels the point-wise product is a matrix product for each of the 36 points. The backward pass is the transpose of the
//! same three maps: dy -> A dy A' at the 36 points, two products, then B . B' for the image and G' . G for the filter.
//! Source: Lavin & Gray 2016, "Fast algorithms for convolutional neural networks", sec. 4.
//!
//! Images and activations are channels-last, so that lanes are channels in every map. The points amplify rounding: outputs and
//! gradients differ from those of plain sums by a few 1e-6 of their largest (tests below, 2e-5 at most).

// Indices of unrolled tiles of registers: iterators over them would hide the formulas.
#![allow(clippy::needless_range_loop)]

mod backward;
mod forward;
mod transform;
mod volume;

pub(crate) use backward::backward;
pub(crate) use forward::forward;
pub(crate) use volume::Filters;

use super::simd::{LANES, Lanes};

/// Outputs per side of a tile.
const TILE: usize = 4;
/// Pixels per side of the patch that it needs.
const PATCH: usize = 6;
/// Points at which patches and filters are multiplied.
const POINTS: usize = PATCH * PATCH;
/// Channels that the products take at a time: two vectors.
const BLOCK: usize = 2 * LANES;

/// Sizes of one convolution.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Input channels, C.
    pub channels: usize,
    /// Input height.
    pub height: usize,
    /// Input width.
    pub width: usize,
    /// Zeros around the image.
    pub padding: usize,
    /// Output channels, N.
    pub out: usize,
    /// Factor r of the pixel shuffle after it: output channel (a r + b) N / r^2 + c of a place becomes channel c of its pixel (a, b).
    pub upscale: usize,
}

impl Shape {
    /// Whether the kernels here can do it: whole vectors of channels everywhere, no patch wholly in the padding.
    pub fn suits(&self) -> bool {
        self.padding <= 2
            && self.channels.is_multiple_of(BLOCK)
            && self.out.is_multiple_of(BLOCK)
            && self.pixel_channels().is_multiple_of(LANES)
    }

    /// Height and width of the outputs, before the pixel shuffle.
    fn output(&self) -> (usize, usize) {
        let grow = 2 * self.padding;
        (self.height + grow - 2, self.width + grow - 2)
    }

    /// Channels after the pixel shuffle.
    pub fn pixel_channels(&self) -> usize {
        self.out / (self.upscale * self.upscale)
    }

    /// Values of one input image.
    pub fn input_len(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Values of one output image.
    pub fn output_len(&self) -> usize {
        let (height, width) = self.output();
        height * width * self.out
    }

    /// Tiles of one image.
    fn tiles(&self) -> usize {
        let (height, width) = self.output();
        height.div_ceil(TILE) * width.div_ceil(TILE)
    }

    /// Tile number `index`, counted over all images.
    fn tile(&self, index: usize) -> Tile {
        let (height, width) = self.output();
        let across = width.div_ceil(TILE);
        let (image, place) = (index / self.tiles(), index % self.tiles());
        let (row, column) = (place / across * TILE, place % across * TILE);
        Tile {
            image,
            row,
            column,
            rows: TILE.min(height - row),
            columns: TILE.min(width - column),
        }
    }

    /// Where output channel `channel` of the output at (row, column) stands in its image, and how far it is to the next row and column.
    pub fn place(&self, row: usize, column: usize, channel: usize) -> (usize, usize, usize) {
        let (channels, r) = (self.pixel_channels(), self.upscale);
        let line = self.output().1 * r * channels;
        let (part, c) = (channel / channels, channel % channels);
        let (a, b) = (part / r, part % r);
        let start = (row * r + a) * line + (column * r + b) * channels + c;
        (start, r * line, r * channels)
    }
}

/// Up to 4x4 outputs of one image.
#[derive(Clone, Copy)]
struct Tile {
    image: usize,
    /// Of its first output.
    row: usize,
    column: usize,
    /// Outputs inside the image.
    rows: usize,
    columns: usize,
}

impl Tile {
    /// The part of its patch that lies inside the image: (first, end) row and column in the patch.
    fn inside(&self, shape: &Shape) -> [(usize, usize); 2] {
        let along = |at: usize, size: usize| {
            let first = shape.padding.saturating_sub(at);
            (
                first,
                (size + shape.padding)
                    .saturating_sub(at)
                    .clamp(first, PATCH),
            )
        };
        [
            along(self.row, shape.height),
            along(self.column, shape.width),
        ]
    }

    /// Where pixel (i, j) of its patch stands among the values of all images; the pixel must lie inside.
    fn pixel(&self, shape: &Shape, i: usize, j: usize) -> usize {
        let (y, x) = (
            self.row + i - shape.padding,
            self.column + j - shape.padding,
        );
        self.image * shape.input_len() + (y * shape.width + x) * shape.channels
    }
}

/// B' d B of the patches of `tiles`, to `points`: point p of tile s stands at `p * stride + s * C`. `patch` holds 36 C values.
#[inline(always)]
fn transform_patches<L: Lanes>(
    shape: &Shape,
    x: &[f32],
    tiles: std::ops::Range<usize>,
    patch: &mut [f32],
    (points, stride): (&mut [f32], usize),
) {
    let c = shape.channels;
    let (count, first) = (tiles.len(), tiles.start);
    assert!(patch.len() >= POINTS * c && stride >= count * c);
    assert!(points.len() >= (POINTS - 1) * stride + count * c);
    for s in 0..count {
        let tile = shape.tile(first + s);
        let [rows, columns] = tile.inside(shape);
        let whole = [rows, columns] == [(0, PATCH); 2];
        let (from, line) = if whole {
            (&x[tile.pixel(shape, 0, 0)..], shape.width * c)
        } else {
            patch[..POINTS * c].fill(0.0);
            for i in rows.0..rows.1 {
                let at = tile.pixel(shape, i, columns.0);
                let len = (columns.1 - columns.0) * c;
                patch[(i * PATCH + columns.0) * c..][..len].copy_from_slice(&x[at..][..len]);
            }
            (&patch[..], PATCH * c)
        };
        assert!(from.len() >= (PATCH - 1) * line + PATCH * c);
        for lane in (0..c).step_by(LANES) {
            // SAFETY: the patch and the points hold what the assertions above say, and lane + LANES <= c.
            unsafe {
                let d = transform::load::<L, PATCH>(from.as_ptr().add(lane), line, c);
                let v = transform::both!(transform::input, d, [L; 6 => 6]);
                let to = points.as_mut_ptr().add(s * c + lane);
                transform::store(v, to, PATCH * stride, stride);
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
