//! Convolutions of 3 x 3 x 3 with step 1 over volumes: F(2, 3) along time, F(4 x 4, 3 x 3) over pictures.
//!
//! The 32 outputs of a tile of 4 x 6 x 6 inputs take 144 products a pair of channels in place of 864. Forward only, from filters
//! that are transformed once.

use super::forward::transform_filters;
use super::transform::{self, both};
use super::{BLOCK, PATCH, POINTS, TILE};
use crate::kernels::simd::{Kernel, LANES, Lanes, dispatch};
use crate::kernels::strips::{Strided, product};
use crate::kernels::workspace;

/// Frames of a tile's inputs, and of its outputs.
const FRAMES: usize = 4;
const TILE_FRAMES: usize = 2;
/// Points at which inputs and filters are multiplied.
const PLACES: usize = FRAMES * POINTS;
/// Values of transformed inputs at a time: 1 MB, which stays in the second-level cache with what is made of them.
const INPUTS: usize = 1 << 18;

/// Filters at their points, with biases.
#[derive(Clone, Debug)]
pub(crate) struct Filters {
    channels: usize,
    /// Channels filled up to whole vectors.
    wide: usize,
    out: usize,
    /// (ceil(N / 32), 144, wide, 32).
    points: Vec<f32>,
    /// N, filled up to blocks of 32.
    bias: Vec<f32>,
}

impl Filters {
    /// From weights (27 C, N) with rows (time, y, x, c), and N biases.
    pub fn new(weight: &[f32], channels: usize, bias: &[f32]) -> Self {
        let out = bias.len();
        assert_eq!(weight.len(), 27 * channels * out);
        let (wide, blocks) = (channels.next_multiple_of(LANES), out.div_ceil(BLOCK));
        let full = blocks * BLOCK;
        let mut whole = vec![0.0; 9 * wide * full];
        let mut flat = vec![0.0; POINTS * wide * full];
        let mut points = vec![0.0; PLACES * wide * full];
        // Rows of the map of F(2, 3) from three weights to four points, by weight.
        let along = [
            [1.0, 0.5, 0.5, 0.0],
            [0.0, 0.5, -0.5, 0.0],
            [0.0, 0.5, 0.5, 1.0],
        ];
        for (frame, by) in weight.chunks_exact(9 * channels * out).zip(along) {
            for (row, values) in frame.chunks_exact(out).enumerate() {
                let at = (row / channels * wide + row % channels) * full;
                whole[at..at + out].copy_from_slice(values);
            }
            dispatch(Flat {
                weight: &whole,
                sizes: [wide, full],
                points: &mut flat,
            });
            let size = POINTS * wide * BLOCK;
            for (block, flat) in flat.chunks_exact(size).enumerate() {
                for (f, by) in by.into_iter().enumerate() {
                    let to = &mut points[(block * FRAMES + f) * size..][..size];
                    to.iter_mut().zip(flat).for_each(|(to, v)| *to += by * v);
                }
            }
        }
        let mut padded = vec![0.0; full];
        padded[..out].copy_from_slice(bias);
        Self {
            channels,
            wide,
            out,
            points,
            bias: padded,
        }
    }

    /// y = x * w + b, then max(., 0) with `relu`: x (T, H, W, C) with zeros around it, y (T, H, W, N), all overwritten.
    pub fn forward(&self, x: &[f32], sizes: [usize; 3], relu: bool, y: &mut [f32]) {
        let [t, h, w] = sizes;
        assert_eq!(x.len(), t * h * w * self.channels);
        assert_eq!(y.len(), t * h * w * self.out);
        let group = (INPUTS / (PLACES * self.wide)).clamp(2, 8) * 8;
        let work = [
            PLACES * (group * self.wide + LANES),
            PLACES * (group * BLOCK + LANES),
            PLACES * self.wide,
        ];
        workspace::with(work, |[inputs, found, patch]| {
            dispatch(Forward {
                filters: self,
                sizes,
                group,
                x,
                relu,
                y,
                inputs,
                found,
                patch,
            });
        });
    }
}

/// The pictures' part of the filters' transform.
struct Flat<'a> {
    weight: &'a [f32],
    sizes: [usize; 2],
    points: &'a mut [f32],
}

impl Kernel for Flat<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self) {
        let [channels, out] = self.sizes;
        transform_filters::<L>(self.weight, channels, out, self.points);
    }
}

struct Forward<'a> {
    filters: &'a Filters,
    sizes: [usize; 3],
    /// Tiles at a time.
    group: usize,
    x: &'a [f32],
    relu: bool,
    y: &'a mut [f32],
    /// (144, tiles, wide), points apart by a cache line more than they need.
    inputs: &'a mut [f32],
    /// Their product with a block of filters: (144, tiles, 32), likewise.
    found: &'a mut [f32],
    /// One tile's inputs, with what lies outside: (4, 36, wide).
    patch: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        let [t, h, w] = self.sizes;
        let grid = [t.div_ceil(TILE_FRAMES), h.div_ceil(TILE), w.div_ceil(TILE)];
        let tiles: usize = grid.iter().product();
        let corner = |n: usize| {
            [
                n / (grid[1] * grid[2]) * TILE_FRAMES,
                n / grid[2] % grid[1] * TILE,
                n % grid[2] * TILE,
            ]
        };
        let (wide, blocks) = (self.filters.wide, self.filters.bias.len() / BLOCK);
        let (stride, found_stride) = (self.group * wide + LANES, self.group * BLOCK + LANES);
        for first in (0..tiles).step_by(self.group) {
            let count = self.group.min(tiles - first);
            for s in 0..count {
                self.read::<L>(corner(first + s), s, stride);
            }
            for block in 0..blocks {
                for p in 0..PLACES {
                    // SAFETY: `forward` made room for `group` tiles; the filters hold every block.
                    unsafe {
                        let a = Strided {
                            data: self.inputs.as_ptr().add(p * stride),
                            row: wide,
                            column: 1,
                            segments: &[0],
                            length: wide,
                        };
                        let at = (block * PLACES + p) * wide * BLOCK;
                        let b = self.filters.points.as_ptr().add(at);
                        let out = self.found.as_mut_ptr().add(p * found_stride);
                        product::<L, 2, false>(out, BLOCK, a, b, count);
                    }
                }
                for s in 0..count {
                    self.write::<L>(corner(first + s), s, block, found_stride);
                }
            }
        }
    }
}

/// The part of `start - 1 .. start - 1 + length` that lies in `0..n`, counted from its beginning.
fn inside(start: usize, length: usize, n: usize) -> std::ops::Range<usize> {
    usize::from(start == 0)..length.min(n + 1 - start)
}

impl Forward<'_> {
    /// The tile whose first output is at `corner`, at its points, as number `s` of its group.
    #[inline(always)]
    fn read<L: Lanes>(&mut self, corner: [usize; 3], s: usize, stride: usize) {
        let ([t, h, w], (c, wide)) = (self.sizes, (self.filters.channels, self.filters.wide));
        let frames = inside(corner[0], FRAMES, t);
        let rows = inside(corner[1], PATCH, h);
        let columns = inside(corner[2], PATCH, w);
        let (all, side) = (0..FRAMES, 0..PATCH);
        let place = |f: usize, i: usize, j: usize| {
            (((corner[0] + f - 1) * h + corner[1] + i - 1) * w + corner[2] + j - 1) * c
        };
        let whole = c == wide && frames == all && rows == side && columns == side;
        let (from, frame, line) = match whole {
            true => (&self.x[place(0, 0, 0)..], h * w * c, w * c),
            false => {
                self.patch.fill(0.0);
                for f in frames {
                    for i in rows.clone() {
                        let of = &self.x[place(f, i, columns.start)..];
                        let to = ((f * PATCH + i) * PATCH + columns.start) * wide;
                        let to = self.patch[to..].chunks_mut(wide).zip(of.chunks_exact(c));
                        for (to, of) in to.take(columns.len()) {
                            to[..c].copy_from_slice(of);
                        }
                    }
                }
                (&self.patch[..], POINTS * wide, PATCH * wide)
            }
        };
        assert!(from.len() >= (FRAMES - 1) * frame + (PATCH - 1) * line + PATCH * wide);
        assert!(self.inputs.len() >= (PLACES - 1) * stride + (s + 1) * wide);
        for lane in (0..wide).step_by(LANES) {
            // SAFETY: as asserted, and lane + LANES <= wide.
            unsafe {
                let mut d = [[[L::splat(0.0); PATCH]; PATCH]; FRAMES];
                for f in 0..FRAMES {
                    let from = from.as_ptr().add(f * frame + lane);
                    let own = transform::load::<L, PATCH>(from, line, wide);
                    d[f] = both!(transform::input, own, [L; 6 => 6]);
                }
                let to = self.inputs.as_mut_ptr().add(s * wide + lane);
                for i in 0..PATCH {
                    for j in 0..PATCH {
                        let [a, b, c, e] = [d[0][i][j], d[1][i][j], d[2][i][j], d[3][i][j]];
                        let points = [a.sub(c), b.add(c), c.sub(b), b.sub(e)];
                        for f in 0..FRAMES {
                            points[f].store(to.add((f * POINTS + i * PATCH + j) * stride));
                        }
                    }
                }
            }
        }
    }

    /// One block of channels of tile `s` of its group from their points to their places.
    #[inline(always)]
    fn write<L: Lanes>(&mut self, corner: [usize; 3], s: usize, block: usize, stride: usize) {
        let ([t, h, w], out) = (self.sizes, self.filters.out);
        let [frames, rows, columns] = [
            TILE_FRAMES.min(t - corner[0]),
            TILE.min(h - corner[1]),
            TILE.min(w - corner[2]),
        ];
        assert!(self.found.len() >= (PLACES - 1) * stride + (s + 1) * BLOCK);
        for lane in [0, LANES] {
            let channel = block * BLOCK + lane;
            if channel >= out {
                continue;
            }
            // SAFETY: as asserted; the biases fill whole blocks.
            unsafe {
                let bias = L::load(self.filters.bias.as_ptr().add(channel));
                let found = self.found.as_ptr().add(s * BLOCK + lane);
                let mut m = [[[L::splat(0.0); TILE]; TILE]; FRAMES];
                for f in 0..FRAMES {
                    let own = found.add(f * POINTS * stride);
                    let own = transform::load::<L, PATCH>(own, PATCH * stride, stride);
                    m[f] = both!(transform::output, own, [L; 6 => 4]);
                }
                for f in 0..frames {
                    for i in 0..rows {
                        for j in 0..columns {
                            let [a, b, c, e] = [m[0][i][j], m[1][i][j], m[2][i][j], m[3][i][j]];
                            let sum = match f {
                                0 => a.add(b).add(c),
                                _ => b.sub(c).sub(e),
                            };
                            let mut value = sum.add(bias);
                            if self.relu {
                                value = value.max(L::splat(0.0));
                            }
                            let at = ((corner[0] + f) * h + corner[1] + i) * w + corner[2] + j;
                            let to = &mut self.y[at * out + channel..(at + 1) * out];
                            value.store_some(to);
                        }
                    }
                }
            }
        }
    }
}
