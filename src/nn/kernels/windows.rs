//! Windows over volumes, channels last: convolutions of any kernel and step, and the greatest value of each window.
//!
//! A window is a run of `kernel[2] * C` neighbours on each of its lines, so that a convolution is a product of strided rows
//! ([`super::strips`]): no patch is copied.

use super::simd::{Kernel, LANES, Lanes, dispatch};
use super::strips::{Strided, product};
use super::workspace;

/// Channels that the products take at a time: two vectors.
const BLOCK: usize = 2 * LANES;

/// Filters of windows, with biases.
#[derive(Clone, Debug)]
pub(crate) struct Filters {
    kernel: [usize; 3],
    channels: usize,
    out: usize,
    /// (ceil(N / 32), taps * C, 32).
    blocks: Vec<f32>,
    /// N, filled up to blocks of 32.
    bias: Vec<f32>,
}

impl Filters {
    /// From weights (taps * C, N) with rows (time, y, x, c), and N biases.
    pub fn new(weight: &[f32], kernel: [usize; 3], channels: usize, bias: &[f32]) -> Self {
        let out = bias.len();
        let depth = kernel.iter().product::<usize>() * channels;
        assert_eq!(weight.len(), depth * out);
        let full = out.next_multiple_of(BLOCK);
        let mut blocks = vec![0.0; depth * full];
        for (k, row) in weight.chunks_exact(out).enumerate() {
            for (block, values) in row.chunks(BLOCK).enumerate() {
                let at = (block * depth + k) * BLOCK;
                blocks[at..at + values.len()].copy_from_slice(values);
            }
        }
        let mut padded = vec![0.0; full];
        padded[..out].copy_from_slice(bias);
        Self {
            kernel,
            channels,
            out,
            blocks,
            bias: padded,
        }
    }

    /// y = x * w + b at every `stride` places, then max(., 0) with `relu`: x (T, H, W, C) with what is around it already, y
    /// (T', H', W', N), all overwritten.
    pub fn forward(
        &self,
        (x, from): (&[f32], [usize; 3]),
        stride: [usize; 3],
        relu: bool,
        (y, to): (&mut [f32], [usize; 3]),
    ) {
        assert_eq!(x.len(), from.iter().product::<usize>() * self.channels);
        assert_eq!(y.len(), to.iter().product::<usize>() * self.out);
        for axis in 0..3 {
            assert!((to[axis] - 1) * stride[axis] + self.kernel[axis] <= from[axis]);
        }
        let lines = (0..self.kernel[0]).flat_map(|i| (0..self.kernel[1]).map(move |j| (i, j)));
        let row = from[2] * self.channels;
        let segments: Vec<usize> = lines.map(|(i, j)| (i * from[1] + j) * row).collect();
        workspace::with([to[2] * BLOCK], |[found]| {
            dispatch(Convolve {
                filters: self,
                x,
                from,
                stride,
                segments: &segments,
                relu,
                y,
                to,
                found,
            });
        });
    }
}

struct Convolve<'a> {
    filters: &'a Filters,
    x: &'a [f32],
    from: [usize; 3],
    stride: [usize; 3],
    segments: &'a [usize],
    relu: bool,
    y: &'a mut [f32],
    to: [usize; 3],
    /// A line of outputs, one block of channels: (W', 32).
    found: &'a mut [f32],
}

impl Kernel for Convolve<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Filters { channels, out, .. } = *self.filters;
        let length = self.filters.kernel[2] * channels;
        let depth = self.segments.len() * length;
        let [_, h, w] = self.to;
        for block in 0..self.filters.bias.len() / BLOCK {
            let filters = &self.filters.blocks[block * depth * BLOCK..][..depth * BLOCK];
            let bias = &self.filters.bias[block * BLOCK..][..BLOCK];
            for (line, y) in self.y.chunks_exact_mut(w * out).enumerate() {
                let (i, j) = (line / h * self.stride[0], line % h * self.stride[1]);
                let start = (i * self.from[1] + j) * self.from[2] * channels;
                // SAFETY: `forward` asserted that every window lies in x, and `found` holds a line.
                unsafe {
                    let a = Strided {
                        data: self.x.as_ptr().add(start),
                        row: self.stride[2] * channels,
                        column: 1,
                        segments: self.segments,
                        length,
                    };
                    let found = self.found.as_mut_ptr();
                    product::<L, 2, false>(found, BLOCK, a, filters.as_ptr(), w);
                }
                for (y, found) in y.chunks_exact_mut(out).zip(self.found.chunks_exact(BLOCK)) {
                    let y = y[block * BLOCK..].chunks_mut(LANES);
                    let all = found.chunks_exact(LANES).zip(bias.chunks_exact(LANES));
                    for (y, (found, bias)) in y.zip(all) {
                        let mut value = L::load_some(found).add(L::load_some(bias));
                        if self.relu {
                            value = value.max(L::splat(0.0));
                        }
                        value.store_some(y);
                    }
                }
            }
        }
    }
}

/// The greatest value of every window of x (T, H, W, C), channel by channel, to y (T', H', W', C). Axis by axis: `kernel`,
/// `stride` and how many places lie before the first; what lies outside does not count, and no window lies there wholly.
pub(crate) fn maximum(
    (x, from): (&[f32], [usize; 4]),
    axes: [[usize; 3]; 3],
    (y, to): (&mut [f32], [usize; 3]),
) {
    assert_eq!(x.len(), from.iter().product::<usize>());
    assert_eq!(y.len(), to.iter().product::<usize>() * from[3]);
    dispatch(Maximum {
        x,
        from,
        axes,
        y,
        to,
    });
}

struct Maximum<'a> {
    x: &'a [f32],
    from: [usize; 4],
    axes: [[usize; 3]; 3],
    y: &'a mut [f32],
    to: [usize; 3],
}

impl Kernel for Maximum<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self) {
        let [_, h, w, c] = self.from;
        let [_, rows, columns] = self.to;
        let window = |axis: usize, at: usize| {
            let [kernel, stride, before] = self.axes[axis];
            let first = at * stride;
            first.saturating_sub(before)..(first + kernel - before).min(self.from[axis])
        };
        for (at, y) in self.y.chunks_exact_mut(c).enumerate() {
            let (i, j, k) = (at / (rows * columns), at / columns % rows, at % columns);
            let (frames, lines, places) = (window(0, i), window(1, j), window(2, k));
            for (part, y) in y.chunks_mut(LANES).enumerate() {
                let lane = part * LANES;
                let mut most = L::splat(f32::NEG_INFINITY);
                for f in frames.clone() {
                    for l in lines.clone() {
                        for p in places.clone() {
                            let at = ((f * h + l) * w + p) * c;
                            most = L::load_some(&self.x[at + lane..at + c]).max(most);
                        }
                    }
                }
                most.store_some(y);
            }
        }
    }
}
