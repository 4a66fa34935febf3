//! 3x3 convolutions of step 1 with factors rounded to bf16 and sums in f32, on the matrix unit of machines that have one.
//!
//! A padded image, channels-last, is a long line of places; the window of an output is 9 runs of channels at fixed distances from its
//! place. So all outputs of an image are one product of a strided matrix, and nothing is unfolded; those that stand in the padding
//! to the right are computed and thrown away. With p the place in the padded image and s one of the 9 shifts:
//!
//! ```text
//! y[p, n]     =  sum over s, c of  x[p + s, c] W[s, c, n]
//! dx[p, c]    =  sum over s, n of  dy[p + s, n] W[8 - s, c, n]
//! dW[s, c, n] =  sum over p of     x[p + s, c] dy[p, n]
//! ```
//!
//! Rounding a factor to 8 bits errs by 2^-9 of it at most: outputs and gradients differ from those in f32 by less than 5e-3 of
//! their largest (tests).

pub(crate) use super::tiles::available;
use super::tiles::{Left, PANEL, SIDE, Tiles};
use super::winograd::Shape;
use super::workspace;
use bytemuck::cast_slice_mut;

#[cfg(target_arch = "x86_64")]
mod vectors;

/// Whether this machine and these sizes suit: whole panels of channels, one pixel of padding, pairs of places.
pub(crate) fn suits(shape: &Shape) -> bool {
    shape.padding == 1
        && shape.width.is_multiple_of(2)
        && shape.channels.is_multiple_of(SIDE)
        && shape.pixel_channels().is_multiple_of(SIDE)
        && available()
}

/// Images whose sums over places are one product: enough to be worth reading the gradient of all filters, few enough for the cache.
const GROUP: usize = 2;
/// Shifts of a window.
const SHIFTS: usize = 9;

/// Places of one image.
#[derive(Clone, Copy)]
struct Places {
    width: usize,
    height: usize,
}

impl Places {
    fn of(shape: &Shape) -> Self {
        Self {
            width: shape.width,
            height: shape.height,
        }
    }
    /// From a place to that below it.
    fn line(self) -> usize {
        self.width + 2
    }
    /// Places of outputs, whole blocks of them.
    fn rows(self) -> usize {
        (self.height * self.line()).next_multiple_of(SIDE)
    }
    /// Places of a padded image, as far as windows reach.
    fn span(self) -> usize {
        (self.rows() + self.shift(SHIFTS - 1) + 1).next_multiple_of(2)
    }
    /// Distance of a window's run number `s` from its place.
    fn shift(self, s: usize) -> usize {
        s / 3 * self.line() + s % 3
    }
    /// In bytes, of the runs of windows in an image of `channels`, [`SIDE`] channels at a time.
    fn runs(self, channels: usize) -> Vec<usize> {
        let blocks = |s| (0..channels).step_by(SIDE).map(move |c| (s, c));
        let all = (0..SHIFTS).flat_map(blocks);
        all.map(|(s, c)| (self.shift(s) * channels + c) * size_of::<u16>())
            .collect()
    }
}

/// x (rows, H*W*C), W (9 C, N), b (N) to y: W * x + b, after a ReLU where `relu`, shuffled as `shape` says.
#[cfg_attr(not(target_arch = "x86_64"), allow(unused_unsafe))]
pub(crate) fn forward(
    shape: Shape,
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    relu: bool,
    y: &mut [f32],
) {
    let (c, n) = (shape.channels, shape.out);
    assert!(suits(&shape) && weight.len() == SHIFTS * c * n && bias.len() == n);
    let images = x.len() / shape.input_len();
    assert_eq!(
        (x.len(), y.len()),
        (images * shape.input_len(), images * shape.output_len())
    );
    let places = Places::of(&shape);
    let sizes = [weight.len() / 2, places.span() * c / 2, places.rows() * n];
    workspace::with(sizes, |[filters, padded, found]| {
        let narrow = (cast_slice_mut(filters), cast_slice_mut(padded));
        // SAFETY: `suits` was asked.
        unsafe { forward_with(shape, (x, weight, bias), relu, y, narrow, found) }
    });
}

/// [`forward`] compiled for this machine, with scratch memory.
#[cfg_attr(
    target_arch = "x86_64",
    target_feature(enable = "avx512f,avx512bw,avx512bf16")
)]
fn forward_with(
    shape: Shape,
    (x, weight, bias): (&[f32], &[f32], &[f32]),
    relu: bool,
    y: &mut [f32],
    (filters, padded): (&mut [u16], &mut [u16]),
    found: &mut [f32],
) {
    let Some(tiles) = Tiles::new() else { return };
    let (places, c, n) = (Places::of(&shape), shape.channels, shape.out);
    let least = if relu { 0.0 } else { f32::NEG_INFINITY };
    pack(weight, SHIFTS * c, n, filters);
    let runs = places.runs(c);
    padded.fill(0);
    let images = x.chunks_exact(shape.input_len());
    for (x, y) in images.zip(y.chunks_exact_mut(shape.output_len())) {
        for (i, row) in x.chunks_exact(places.width * c).enumerate() {
            let start = ((i + 1) * places.line() + 1) * c;
            round(row, &mut padded[start..][..row.len()]);
        }
        outputs(&tiles, (places, c), padded, (filters, &runs), found);
        for block in 0..n / SIDE {
            let found = &found[block * SIDE * places.rows()..];
            let bias = &bias[block * SIDE..][..SIDE];
            for (i, j) in each(places) {
                let from = &found[(i * places.line() + j) * SIDE..][..SIDE];
                let (at, ..) = shape.place(i, j, block * SIDE);
                let sums = from.iter().zip(bias).map(|(v, b)| (v + b).max(least));
                y[at..][..SIDE]
                    .iter_mut()
                    .zip(sums)
                    .for_each(|(y, v)| *y = v);
            }
        }
    }
}

/// Adds to the gradients in x, w and b what the gradient in y sends back; shapes as in [`forward`]. With `y`, the
/// outputs after a ReLU, gradients of outputs that are not positive count as zero.
#[cfg_attr(not(target_arch = "x86_64"), allow(unused_unsafe))]
pub(crate) fn backward(
    shape: Shape,
    (x, weight): (&[f32], &[f32]),
    (gy, y): (&[f32], Option<&[f32]>),
    gx: Option<&mut [f32]>,
    gw: &mut [f32],
    gb: &mut [f32],
) {
    let (places, c, n) = (Places::of(&shape), shape.channels, shape.out);
    let images = x.len() / shape.input_len();
    assert!(suits(&shape) && gy.len() == images * shape.output_len());
    assert!(y.is_none_or(|y| y.len() == gy.len()));
    assert!(gx.as_ref().is_none_or(|gx| gx.len() == x.len()));
    assert_eq!(
        (weight.len(), gw.len(), gb.len()),
        (SHIFTS * c * n, SHIFTS * c * n, n)
    );
    let through = usize::from(gx.is_some());
    let sizes = [
        weight.len() / 2 * through,
        c * GROUP * places.span() / 2,
        n * GROUP * places.rows() / 2,
        places.span() * n / 2 * through,
        places.rows() * c * through,
        gw.len(),
        places.width * c / 2,
    ];
    workspace::with(
        sizes,
        |[filters, planes, pairs, padded, found, sums, row]| {
            let space = Space {
                filters: cast_slice_mut(filters),
                planes: cast_slice_mut(planes),
                pairs: cast_slice_mut(pairs),
                padded: cast_slice_mut(padded),
                found,
                sums,
                row: cast_slice_mut(row),
            };
            // SAFETY: `suits` was asked.
            unsafe { backward_with(shape, (x, weight), (gy, y), (gx, gw, gb), space) }
        },
    );
}

/// Scratch memory of the backward pass.
struct Space<'a> {
    filters: &'a mut [u16],
    /// Of x: a line of places for each channel.
    planes: &'a mut [u16],
    /// Of dy: places of outputs, packed as a right factor.
    pairs: &'a mut [u16],
    /// Of dy: a padded image.
    padded: &'a mut [u16],
    found: &'a mut [f32],
    sums: &'a mut [f32],
    row: &'a mut [u16],
}

/// [`backward`] compiled for this machine, with scratch memory.
#[cfg_attr(
    target_arch = "x86_64",
    target_feature(enable = "avx512f,avx512bw,avx512bf16")
)]
fn backward_with(
    shape: Shape,
    (x, weight): (&[f32], &[f32]),
    (gy, y): (&[f32], Option<&[f32]>),
    (mut gx, gw, gb): (Option<&mut [f32]>, &mut [f32], &mut [f32]),
    mut space: Space,
) {
    let Some(tiles) = Tiles::new() else { return };
    let (places, c, n) = (Places::of(&shape), shape.channels, shape.out);
    let images = x.len() / shape.input_len();
    if gx.is_some() {
        pack_turned(weight, c, n, space.filters);
    }
    let runs = places.runs(n);
    space.planes.fill(0);
    space.pairs.fill(0);
    space.padded.fill(0);
    space.sums.fill(0.0);
    for first in (0..images).step_by(GROUP) {
        let count = GROUP.min(images - first);
        for k in 0..count {
            let inputs = (first + k) * shape.input_len()..(first + k + 1) * shape.input_len();
            let outputs = (first + k) * shape.output_len()..(first + k + 1) * shape.output_len();
            space.take_image(shape, k, &x[inputs.clone()]);
            let gy = (&gy[outputs.clone()], y.map(|y| &y[outputs]));
            space.take_gradient(shape, k, gy, gb, gx.is_some());
            if let Some(gx) = gx.as_deref_mut() {
                space.add_to_image(&tiles, shape, &runs, &mut gx[inputs]);
            }
        }
        space.add_to_filters(&tiles, shape, count);
    }
    let blocks = n / SIDE;
    for (k, sums) in space.sums.chunks_exact(PANEL).enumerate() {
        let (rows, block) = (k / blocks * SIDE, k % blocks * SIDE);
        for (r, sums) in sums.chunks_exact(SIDE).enumerate() {
            let to = &mut gw[(rows + r) * n + block..][..SIDE];
            to.iter_mut().zip(sums).for_each(|(to, s)| *to += s);
        }
    }
}

// Inlined, so that they are compiled with the vectors of `backward_with`.
impl Space<'_> {
    /// x of image `k` of the group, as lines of places.
    #[inline(always)]
    fn take_image(&mut self, shape: Shape, k: usize, x: &[f32]) {
        let (places, c) = (Places::of(&shape), shape.channels);
        for (i, row) in x.chunks_exact(places.width * c).enumerate() {
            round(row, self.row);
            let start = k * places.span() + (i + 1) * places.line() + 1;
            let planes = self.planes.chunks_exact_mut(GROUP * places.span());
            for (channel, plane) in planes.enumerate() {
                let to = &mut plane[start..][..places.width];
                let from = self.row[channel..].iter().step_by(c);
                to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
            }
        }
    }

    /// dy of image `k` of the group where y is positive: in pairs of places, its sum, and padded where asked for.
    #[inline(always)]
    fn take_gradient(
        &mut self,
        shape: Shape,
        k: usize,
        (gy, y): (&[f32], Option<&[f32]>),
        gb: &mut [f32],
        pad: bool,
    ) {
        let (places, n) = (Places::of(&shape), shape.out);
        let steps = places.rows() / SIDE;
        let mut kept = [[0.0; SIDE]; 2];
        for block in 0..n / SIDE {
            let gb = &mut gb[block * SIDE..][..SIDE];
            for (i, j) in each(places).step_by(2) {
                for (side, kept) in kept.iter_mut().enumerate() {
                    let (at, ..) = shape.place(i, j + side, block * SIDE);
                    gate(&gy[at..][..SIDE], y.map(|y| &y[at..][..SIDE]), kept, gb);
                    if pad {
                        let place = (i + 1) * places.line() + j + side + 1;
                        round(kept, &mut self.padded[place * n + block * SIDE..][..SIDE]);
                    }
                }
                let place = i * places.line() + j;
                let step = (block * GROUP + k) * steps + place / SIDE;
                let panel = &mut self.pairs[step * PANEL..][..PANEL];
                interleave(&kept[0], &kept[1], panel, place % SIDE / 2);
            }
        }
    }

    /// dx of the image whose gradient was taken last.
    #[inline(always)]
    fn add_to_image(&mut self, tiles: &Tiles, shape: Shape, runs: &[usize], gx: &mut [f32]) {
        let (places, c) = (Places::of(&shape), shape.channels);
        let padded = (places, shape.out);
        outputs(tiles, padded, self.padded, (self.filters, runs), self.found);
        for block in 0..c / SIDE {
            let found = &self.found[block * SIDE * places.rows()..];
            for (i, j) in each(places) {
                let from = &found[(i * places.line() + j) * SIDE..][..SIDE];
                let to = &mut gx[(i * places.width + j) * c + block * SIDE..][..SIDE];
                to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
            }
        }
    }

    /// dW of the first `count` images of the group.
    #[inline(always)]
    fn add_to_filters(&mut self, tiles: &Tiles, shape: Shape, count: usize) {
        let places = Places::of(&shape);
        let (plane, steps) = (GROUP * places.span(), places.rows() / SIDE);
        let offsets: Vec<usize> = (0..count)
            .flat_map(|k| (0..steps).map(move |step| k * places.span() + step * SIDE))
            .map(|place| place * size_of::<u16>())
            .collect();
        let channels = || (0..shape.channels).step_by(SIDE);
        let windows = (0..SHIFTS).flat_map(|s| channels().map(move |c| (s, c)));
        let blocks = windows.flat_map(|(s, c)| (0..shape.out / SIDE).map(move |n| (s, c, n)));
        for ((s, channel, block), sums) in blocks.zip(self.sums.chunks_exact_mut(PANEL)) {
            let left = Left {
                start: self.planes[channel * plane + places.shift(s)..].as_ptr(),
                stride: plane * size_of::<u16>(),
                offsets: &offsets,
            };
            let right = self.pairs[block * GROUP * steps * PANEL..].as_ptr();
            // SAFETY: the last of 32 lines of places ends where `planes` does, shifts included (`Places::span`); `pairs` has as many
            // panels as there are offsets.
            unsafe { tiles.block(left, right, sums.as_mut_ptr(), true) };
        }
    }
}

/// All (row, column) of an image.
fn each(places: Places) -> impl Iterator<Item = (usize, usize)> {
    (0..places.height).flat_map(move |i| (0..places.width).map(move |j| (i, j)))
}

/// Products of all windows of one padded image of `c` channels: a block of 32 columns after the other, in each place after place.
fn outputs(
    tiles: &Tiles,
    (places, c): (Places, usize),
    padded: &[u16],
    (filters, runs): (&[u16], &[usize]),
    found: &mut [f32],
) {
    assert_eq!(padded.len(), places.span() * c);
    let panels = runs.len() * PANEL;
    let found = found.chunks_exact_mut(places.rows() * SIDE);
    for (filters, found) in filters.chunks_exact(panels).zip(found) {
        for (k, found) in found.chunks_exact_mut(PANEL).enumerate() {
            let left = Left {
                start: padded[k * SIDE * c..].as_ptr(),
                stride: c * size_of::<u16>(),
                offsets: runs,
            };
            // SAFETY: the last window of the last place ends where `padded` does (`Places::span`); `filters` has a panel for each run.
            unsafe { tiles.block(left, filters.as_ptr(), found.as_mut_ptr(), false) };
        }
    }
}

/// The right factor W[8 - s, c, n] with rows (s, n) and columns c, rounded and packed. A row's neighbours are a pair already.
fn pack_turned(weight: &[f32], c: usize, n: usize, to: &mut [u16]) {
    let mut row = [0; SIDE];
    for (k, panel) in to.chunks_exact_mut(PANEL).enumerate() {
        let (column, step) = (k / (SHIFTS * n / SIDE) * SIDE, k % (SHIFTS * n / SIDE));
        let (s, first) = (step / (n / SIDE), step % (n / SIDE) * SIDE);
        for j in 0..SIDE {
            let at = ((SHIFTS - 1 - s) * c + column + j) * n + first;
            round(&weight[at..][..SIDE], &mut row);
            let start = j / 16 * PANEL / 2 + j % 16 * 2;
            let pairs = panel[start..].chunks_mut(SIDE);
            for (pair, to) in row.chunks_exact(2).zip(pairs) {
                to[..2].copy_from_slice(pair);
            }
        }
    }
}

/// A right factor (rows, columns), rounded and packed for [`Tiles::block`], 32 columns after the other.
fn pack(from: &[f32], rows: usize, columns: usize, to: &mut [u16]) {
    for (k, panel) in to.chunks_exact_mut(PANEL).enumerate() {
        let (column, row) = (k / (rows / SIDE) * SIDE, k % (rows / SIDE) * SIDE);
        for pair in 0..SIDE / 2 {
            let line = |r: usize| &from[(row + 2 * pair + r) * columns + column..][..SIDE];
            interleave(line(0), line(1), panel, pair);
        }
    }
}

/// Rounds to nearest, ties to even.
#[inline(always)]
fn round(from: &[f32], to: &mut [u16]) {
    assert!(from.len() == to.len() && from.len().is_multiple_of(SIDE));
    // SAFETY: `suits` was asked, so the vector units are there; sizes as asserted.
    unsafe { vectors::round(from.as_ptr(), to.as_mut_ptr(), from.len()) }
}

/// Numbers where `y` is positive, else 0; adds them to `sum`.
#[inline(always)]
fn gate(from: &[f32], y: Option<&[f32]>, to: &mut [f32; SIDE], sum: &mut [f32]) {
    assert!(from.len() == SIDE && y.is_none_or(|y| y.len() == SIDE) && sum.len() == SIDE);
    // SAFETY: as in `round`.
    unsafe {
        let y = y.unwrap_or(&[1.0; SIDE]).as_ptr();
        vectors::gate(from.as_ptr(), y, to.as_mut_ptr(), sum.as_mut_ptr());
    }
}

/// Two rows of 32 numbers as pair number `pair` of a panel.
#[inline(always)]
fn interleave(even: &[f32], odd: &[f32], panel: &mut [u16], pair: usize) {
    assert!(even.len() == SIDE && odd.len() == SIDE && panel.len() == PANEL && pair < SIDE / 2);
    // SAFETY: as in `round`; a half of a panel is 512 numbers, a pair of them 32.
    unsafe {
        let to = panel.as_mut_ptr().add(pair * SIDE);
        vectors::interleave(even.as_ptr(), odd.as_ptr(), to);
        let (even, odd) = (even.as_ptr().add(16), odd.as_ptr().add(16));
        vectors::interleave(even, odd, to.add(PANEL / 2));
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod vectors {
    pub unsafe fn round(_: *const f32, _: *mut u16, _: usize) {}
    pub unsafe fn gate(_: *const f32, _: *const f32, _: *mut f32, _: *mut f32) {}
    pub unsafe fn interleave(_: *const f32, _: *const f32, _: *mut u16) {}
}

#[cfg(test)]
mod tests;
