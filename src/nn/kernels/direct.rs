//! Convolutions in f32 straight from the padded image: the windows of a row of outputs are a strided matrix already.
//!
//! Channels-last, the window of one output is K runs of K C neighbouring values, and that of the next output starts `stride` C values
//! on. So a row of outputs is a product of that strided matrix with the weights, and nothing is unfolded; the same holds for both
//! gradients. For few channels, where products of a general library are slow, and for steps over 1.

use super::simd::{Kernel, LANES, Lanes, dispatch};
use super::strips::{Strided, product};
use crate::ops::Geometry;

/// Columns 16 or 32 wide that a matrix of `n` columns is cut into, the last one filled up with zeros.
fn blocks(n: usize) -> impl Iterator<Item = Block> {
    (0..n).step_by(2 * LANES).map(move |start| Block {
        start,
        used: (n - start).min(2 * LANES),
        width: if n - start <= LANES { LANES } else { 2 * LANES },
    })
}

/// Values of a row of blocks of `n` columns.
fn padded(n: usize) -> usize {
    n.next_multiple_of(LANES)
}

#[derive(Clone, Copy)]
struct Block {
    start: usize,
    used: usize,
    width: usize,
}

/// A (rows, n) matrix, element (i, j) at `i * row + j * column`, as blocks after each other, each dense.
fn pack(from: &[f32], rows: usize, n: usize, row: usize, column: usize, to: &mut Vec<f32>) {
    for block in blocks(n) {
        for i in 0..rows {
            let line = (0..block.used).map(|j| from[i * row + (block.start + j) * column]);
            to.extend(line);
            to.resize(to.len() + block.width - block.used, 0.0);
        }
    }
}

/// `out (rows, block.width) = a b`, or `+=` with `ADD`.
#[inline(always)]
unsafe fn multiply<L: Lanes, const ADD: bool>(
    out: &mut [f32],
    a: Strided,
    b: *const f32,
    rows: usize,
    width: usize,
) {
    assert!(out.len() >= rows * width);
    // SAFETY: `out` as asserted; a and b by the caller's promise.
    unsafe {
        if width == LANES {
            product::<L, 1, ADD>(out.as_mut_ptr(), LANES, a, b, rows);
        } else {
            product::<L, 2, ADD>(out.as_mut_ptr(), 2 * LANES, a, b, rows);
        }
    }
}

/// Images with zeros around them.
struct Padded {
    geometry: Geometry,
    values: Vec<f32>,
}

impl Padded {
    fn new(geometry: Geometry) -> Self {
        let rows = geometry.height + 2 * geometry.padding;
        let line = (geometry.width + 2 * geometry.padding) * geometry.channels;
        Self {
            geometry,
            values: vec![0.0; rows * line],
        }
    }

    fn line(&self) -> usize {
        (self.geometry.width + 2 * self.geometry.padding) * self.geometry.channels
    }

    /// Starts of the rows of the image in here.
    fn rows(&self) -> impl Iterator<Item = usize> + use<> {
        let (g, line) = (self.geometry, self.line());
        (0..g.height).map(move |y| (y + g.padding) * line + g.padding * g.channels)
    }

    fn fill(&mut self, image: &[f32]) {
        let width = self.geometry.width * self.geometry.channels;
        for (to, row) in self.rows().zip(image.chunks_exact(width)) {
            self.values[to..][..width].copy_from_slice(row);
        }
    }

    fn add_to(&self, image: &mut [f32]) {
        let width = self.geometry.width * self.geometry.channels;
        for (from, row) in self.rows().zip(image.chunks_exact_mut(width)) {
            let pairs = row.iter_mut().zip(&self.values[from..][..width]);
            pairs.for_each(|(to, v)| *to += v);
        }
    }

    /// Windows of output row `oy`: (OW, K K C), or with `only` those of one kernel row: (OW, K C).
    fn windows<'a>(&self, oy: usize, segments: &'a [usize]) -> Strided<'a> {
        let g = &self.geometry;
        let (_, ow) = g.output();
        let (start, run) = (oy * g.stride * self.line(), g.kernel * g.channels);
        let last = start + (ow - 1) * g.stride * g.channels + (g.kernel - 1) * self.line() + run;
        assert!(last <= self.values.len() && segments.len() <= g.kernel);
        Strided {
            data: self.values[start..].as_ptr(),
            row: g.stride * g.channels,
            column: 1,
            segments,
            length: run,
        }
    }
}

/// y = x * w + b, then max(., 0) with `relu`: x (images, H, W, C), w (K K C, N), y (images, OH, OW, N).
pub(crate) fn forward(
    geometry: Geometry,
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    relu: bool,
    y: &mut [f32],
) {
    let patch = geometry.kernel * geometry.kernel * geometry.channels;
    let n = bias.len();
    assert_eq!(weight.len(), patch * n);
    let mut packed = Vec::with_capacity(patch * padded(n));
    pack(weight, patch, n, n, 1, &mut packed);
    dispatch(Forward {
        geometry,
        x,
        weight: &packed,
        bias,
        relu,
        y,
    });
}

struct Forward<'a> {
    geometry: Geometry,
    x: &'a [f32],
    weight: &'a [f32],
    bias: &'a [f32],
    relu: bool,
    y: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self) {
        let (g, n) = (self.geometry, self.bias.len());
        let (_, ow) = g.output();
        let patch = g.kernel * g.kernel * g.channels;
        let mut image = Padded::new(g);
        let segments: Vec<usize> = (0..g.kernel).map(|ky| ky * image.line()).collect();
        let mut row = vec![0.0; ow * 2 * LANES];
        let pixels = g.height * g.width * g.channels;
        let mut lines = self.y.chunks_exact_mut(ow * n);
        for x in self.x.chunks_exact(pixels) {
            image.fill(x);
            for (oy, line) in (0..g.output().0).zip(&mut lines) {
                for block in blocks(n) {
                    let b = self.weight[block.start * patch..].as_ptr();
                    // SAFETY: windows inside the padded image; a block of packed weights has patch rows.
                    unsafe {
                        let a = image.windows(oy, &segments);
                        multiply::<L, false>(&mut row, a, b, ow, block.width);
                    }
                    let bias = &self.bias[block.start..][..block.used];
                    let places = line.chunks_exact_mut(n).zip(row.chunks_exact(block.width));
                    for (to, from) in places {
                        let to = &mut to[block.start..][..block.used];
                        for ((to, v), b) in to.iter_mut().zip(from).zip(bias) {
                            let v = v + b;
                            *to = if self.relu && v <= 0.0 { 0.0 } else { v };
                        }
                    }
                }
            }
        }
    }
}

/// Adds to the gradients in x, w and b what the gradient in y sends back; shapes as in [`forward`]. With `outputs`, the values of y
/// after a ReLU, gradients of outputs that are not positive count as zero.
pub(crate) fn backward(
    geometry: Geometry,
    (x, weight): (&[f32], &[f32]),
    (gy, outputs): (&[f32], Option<&[f32]>),
    gx: Option<&mut [f32]>,
    gw: &mut [f32],
    gb: &mut [f32],
) {
    let run = geometry.kernel * geometry.channels;
    let (patch, n) = (geometry.kernel * run, gb.len());
    assert_eq!((weight.len(), gw.len()), (patch * n, patch * n));
    let mut turned = Vec::new();
    if gx.is_some() {
        // For every kernel row w' (N, K C).
        for weight in weight.chunks_exact(run * n) {
            pack(weight, n, run, 1, n, &mut turned);
        }
    }
    let mut packed = vec![0.0; patch * padded(n)];
    dispatch(Backward {
        geometry,
        x,
        turned: &turned,
        gy,
        outputs,
        gx,
        gw: &mut packed,
        gb,
    });
    let mut from = 0;
    for block in blocks(n) {
        for gw in gw.chunks_exact_mut(n) {
            let pairs = gw[block.start..][..block.used]
                .iter_mut()
                .zip(&packed[from..]);
            pairs.for_each(|(to, v)| *to += v);
            from += block.width;
        }
    }
}

struct Backward<'a> {
    geometry: Geometry,
    x: &'a [f32],
    turned: &'a [f32],
    gy: &'a [f32],
    outputs: Option<&'a [f32]>,
    gx: Option<&'a mut [f32]>,
    /// As packed weights.
    gw: &'a mut [f32],
    gb: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        let (g, n) = (self.geometry, self.gb.len());
        let ((oh, ow), run) = (g.output(), g.kernel * g.channels);
        let pixels = g.height * g.width * g.channels;
        let (mut image, mut image_g) = (Padded::new(g), Padded::new(g));
        let mut row = vec![0.0; ow * 2 * LANES];
        let mut row_g = vec![0.0; ow * 2 * LANES];
        for (i, x) in self.x.chunks_exact(pixels).enumerate() {
            image.fill(x);
            image_g.values.fill(0.0);
            for oy in 0..oh {
                for block in blocks(n) {
                    self.read((i * oh + oy) * ow, block, &mut row);
                    for ky in 0..g.kernel {
                        let patch = g.kernel * run;
                        let to = &mut self.gw[block.start * patch + ky * run * block.width..];
                        let windows = image.windows(oy, &[]);
                        let a = Strided {
                            data: windows.data.wrapping_add(ky * image.line()),
                            row: 1,
                            column: windows.row,
                            segments: &[0],
                            length: ow,
                        };
                        // SAFETY: windows inside the padded image; a row has OW lines of the block's width.
                        unsafe { multiply::<L, true>(to, a, row.as_ptr(), run, block.width) };
                    }
                    if self.gx.is_none() {
                        continue;
                    }
                    let a = Strided {
                        data: row.as_ptr(),
                        row: block.width,
                        column: 1,
                        segments: &[0],
                        length: block.used,
                    };
                    for ky in 0..g.kernel {
                        let start = (oy * g.stride + ky) * image.line();
                        for into in blocks(run) {
                            let at = (ky * padded(run) + into.start) * n + block.start * into.width;
                            let b = self.turned[at..][..block.used * into.width].as_ptr();
                            // SAFETY: sizes as sliced and as above.
                            unsafe { multiply::<L, false>(&mut row_g, a, b, ow, into.width) };
                            for (ox, from) in row_g.chunks_exact(into.width).take(ow).enumerate() {
                                let at = start + ox * g.stride * g.channels + into.start;
                                let to = &mut image_g.values[at..][..into.used];
                                to.iter_mut().zip(from).for_each(|(to, v)| *to += v);
                            }
                        }
                    }
                }
            }
            if let Some(gx) = self.gx.as_deref_mut() {
                image_g.add_to(&mut gx[i * pixels..][..pixels]);
            }
        }
    }
}

impl Backward<'_> {
    /// One block of channels of the gradient of a row of outputs from place `at` on, and its share of the gradient of the bias.
    #[inline(always)]
    fn read(&mut self, at: usize, block: Block, row: &mut [f32]) {
        let n = self.gb.len();
        let bias = &mut self.gb[block.start..][..block.used];
        for (ox, to) in row
            .chunks_exact_mut(block.width)
            .enumerate()
            .take(row_len(&self.geometry))
        {
            let from = (at + ox) * n + block.start;
            let (to, rest) = to.split_at_mut(block.used);
            to.copy_from_slice(&self.gy[from..][..block.used]);
            rest.fill(0.0);
            if let Some(y) = self.outputs {
                for (g, y) in to.iter_mut().zip(&y[from..][..block.used]) {
                    *g = if *y > 0.0 { *g } else { 0.0 };
                }
            }
            bias.iter_mut().zip(to).for_each(|(b, g)| *b += *g);
        }
    }
}

/// Outputs in a row.
fn row_len(geometry: &Geometry) -> usize {
    geometry.output().1
}
