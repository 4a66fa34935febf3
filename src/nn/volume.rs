//! Forward passes over volumes (time, height, width, channels), for networks that are only asked: convolution and maximum.
//!
//! Padding is that of TensorFlow's and Flax's `SAME`: along an axis of n with kernel k and stride s there are ceil(n / s)
//! outputs, and max((ceil(n / s) - 1) s + k - n, 0) places are added, half of them (rounded down) before the first.
//!
//! Kernels of 3 x 3 x 3 go by Winograd's minimal filtering F(2, 3) along all three axes (Lavin & Gray 2016): eight outputs
//! of a tile of 4 x 4 x 4 inputs take 64 products a pair of channels in place of 216. All else is patches as rows of a matrix.

use crate::kernels::product::{View, product};
use std::sync::OnceLock;

/// Values of patches gathered at once: 1 MB, which stays near the core.
const PATCHES: usize = 1 << 18;

/// Numbers over time, height, width and channels.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume {
    /// T, H, W, C.
    pub sizes: [usize; 4],
    /// Row-major, T*H*W*C.
    pub data: Vec<f32>,
}

/// Places of a tile of 4 x 4 x 4.
const TILE: usize = 64;
/// Values of transformed tiles held at once, before and after the products: 2 MB.
const TILES: usize = 1 << 19;

/// A convolution with its bias: y = x * W + b, with max(0, y) after it where `relu` is.
#[derive(Clone, Debug)]
pub struct Convolution {
    kernel: [usize; 3],
    stride: [usize; 3],
    channels: [usize; 2],
    weight: Vec<f32>,
    bias: Vec<f32>,
    relu: bool,
    /// Of 3 x 3 x 3: the weights transformed, (64, channels before, channels after), once they are needed.
    tiled: OnceLock<Vec<f32>>,
}

/// Outputs along an axis, and places added before and after it.
fn same(n: usize, kernel: usize, stride: usize) -> (usize, usize, usize) {
    let outputs = n.div_ceil(stride);
    let added = ((outputs - 1) * stride + kernel).saturating_sub(n);
    (outputs, added / 2, added - added / 2)
}

impl Volume {
    /// Of sizes (T, H, W, C), none of them 0.
    ///
    /// # Panics
    /// Values that do not fill it.
    pub fn new(sizes: [usize; 4], data: Vec<f32>) -> Self {
        assert!(
            sizes.iter().product::<usize>() == data.len() && !data.is_empty(),
            "a volume of {sizes:?} has {} values",
            data.len()
        );
        Self { sizes, data }
    }

    /// With `fill` around it: places before and after along time, height, width.
    fn padded(&self, around: [(usize, usize); 3], fill: f32) -> Self {
        let [t, h, w, c] = self.sizes;
        let [ts, hs, ws] = around;
        let sizes = [t + ts.0 + ts.1, h + hs.0 + hs.1, w + ws.0 + ws.1, c];
        let mut data = vec![fill; sizes.iter().product()];
        for (row, values) in self.data.chunks_exact(w * c).enumerate() {
            let (i, j) = (row / h + ts.0, row % h + hs.0);
            let at = ((i * sizes[1] + j) * sizes[2] + ws.0) * c;
            data[at..at + w * c].copy_from_slice(values);
        }
        Self { sizes, data }
    }

    /// The greatest value of every window, channel by channel.
    pub fn maximum(&self, kernel: [usize; 3], stride: [usize; 3]) -> Self {
        let axes = [0, 1, 2].map(|k| same(self.sizes[k], kernel[k], stride[k]));
        let [t, h, w] = axes.map(|axis| axis.0);
        let from = self.padded(axes.map(|(_, a, b)| (a, b)), f32::NEG_INFINITY);
        let [_, rows, columns, c] = from.sizes;
        let mut data = vec![f32::NEG_INFINITY; t * h * w * c];
        for (at, out) in data.chunks_exact_mut(c).enumerate() {
            let (i, j, k) = (at / (h * w), at / w % h, at % w);
            for di in 0..kernel[0] {
                for dj in 0..kernel[1] {
                    let row = (i * stride[0] + di) * rows + j * stride[1] + dj;
                    let start = (row * columns + k * stride[2]) * c;
                    let window = &from.data[start..start + kernel[2] * c];
                    for values in window.chunks_exact(c) {
                        for (out, value) in out.iter_mut().zip(values) {
                            *out = out.max(*value);
                        }
                    }
                }
            }
        }
        Self::new([t, h, w, c], data)
    }

    /// Volumes of the same T, H, W behind each other along the channels.
    ///
    /// # Panics
    /// Volumes of other sizes, or none.
    pub fn joined(parts: &[Self]) -> Self {
        let [t, h, w, _] = parts[0].sizes;
        assert!(parts.iter().all(|part| part.sizes[..3] == [t, h, w]));
        let c: usize = parts.iter().map(|part| part.sizes[3]).sum();
        let mut data = Vec::with_capacity(t * h * w * c);
        for at in 0..t * h * w {
            for part in parts {
                let own = part.sizes[3];
                data.extend_from_slice(&part.data[at * own..(at + 1) * own]);
            }
        }
        Self::new([t, h, w, c], data)
    }
}

impl Convolution {
    /// From its kernel and stride along time, height, width, channels before and after, weights (kernel T, kernel H, kernel
    /// W, channels before, channels after) row-major, and a bias for every channel after.
    ///
    /// # Panics
    /// Weights or biases that do not fit.
    pub fn new(
        kernel: [usize; 3],
        stride: [usize; 3],
        channels: [usize; 2],
        weight: Vec<f32>,
        bias: Vec<f32>,
        relu: bool,
    ) -> Self {
        let taps: usize = kernel.iter().product();
        assert!(
            weight.len() == taps * channels[0] * channels[1] && bias.len() == channels[1],
            "convolution of {kernel:?}, {channels:?} channels: {} weights, {} biases",
            weight.len(),
            bias.len()
        );
        Self {
            kernel,
            stride,
            channels,
            weight,
            bias,
            relu,
            tiled: OnceLock::new(),
        }
    }

    /// What it does to equal channels, as a convolution of one of them: its weights are summed over the channels before.
    pub fn summed(&self) -> Self {
        let [inputs, outputs] = self.channels;
        let sums = self.weight.chunks_exact(inputs * outputs).flat_map(|taps| {
            let sum = |o: usize| taps.iter().skip(o).step_by(outputs).sum::<f32>();
            (0..outputs).map(sum)
        });
        let (channels, bias) = ([1, outputs], self.bias.clone());
        Self::new(
            self.kernel,
            self.stride,
            channels,
            sums.collect(),
            bias,
            self.relu,
        )
    }

    /// Channels before and after.
    pub fn channels(&self) -> [usize; 2] {
        self.channels
    }

    /// Of a volume (T, H, W, channels before), padded as [`self`] says.
    ///
    /// # Panics
    /// A volume of another number of channels.
    pub fn forward(&self, x: &Volume) -> Volume {
        let [inputs, outputs] = self.channels;
        assert_eq!(x.sizes[3], inputs, "channels before a convolution");
        let axes = [0, 1, 2].map(|k| same(x.sizes[k], self.kernel[k], self.stride[k]));
        let [t, h, w] = axes.map(|axis| axis.0);
        let mut data = vec![0.0; t * h * w * outputs];
        match (self.kernel, self.stride) {
            ([1, 1, 1], [1, 1, 1]) => {
                let positions = View::new(&x.data, t * h * w, inputs);
                let weight = View::new(&self.weight, inputs, outputs);
                product(&mut data, positions, weight, false);
            }
            ([3, 3, 3], [1, 1, 1]) => self.by_tiles(x, &mut data),
            _ => {
                let from = x.padded(axes.map(|(_, a, b)| (a, b)), 0.0);
                self.by_patches(&from, [h, w], &mut data);
            }
        }
        let least = if self.relu { 0.0 } else { f32::NEG_INFINITY };
        for row in data.chunks_exact_mut(outputs) {
            for (y, b) in row.iter_mut().zip(&self.bias) {
                *y = (*y + b).max(least);
            }
        }
        Volume::new([t, h, w, outputs], data)
    }

    /// Patches of a padded volume as rows of a matrix, some at a time, times the weights: to (T, h, w, channels after).
    fn by_patches(&self, from: &Volume, [h, w]: [usize; 2], data: &mut [f32]) {
        let [inputs, outputs] = self.channels;
        let [kt, kh, kw] = self.kernel;
        let (run, width) = (kw * inputs, kt * kh * kw * inputs);
        let [_, rows, columns, _] = from.sizes;
        let at_once = (PATCHES / width).max(32).min(data.len() / outputs);
        let mut patches = vec![0.0; at_once * width];
        for (part, out) in data.chunks_mut(at_once * outputs).enumerate() {
            let count = out.len() / outputs;
            let own = &mut patches[..count * width];
            for (n, patch) in own.chunks_exact_mut(width).enumerate() {
                let at = part * at_once + n;
                let (i, j, k) = (at / (h * w), at / w % h, at % w);
                for (tap, into) in patch.chunks_exact_mut(run).enumerate() {
                    let row =
                        (i * self.stride[0] + tap / kh) * rows + j * self.stride[1] + tap % kh;
                    let start = (row * columns + k * self.stride[2]) * inputs;
                    into.copy_from_slice(&from.data[start..start + run]);
                }
            }
            let weight = View::new(&self.weight, width, outputs);
            product(out, View::new(own, count, width), weight, false);
        }
    }

    /// The weights G g along each axis: (64, channels before, channels after).
    fn transformed(&self) -> &[f32] {
        self.tiled.get_or_init(|| {
            let size = self.channels[0] * self.channels[1];
            let mut all = vec![0.0; TILE * size];
            const G: [[f32; 3]; 4] = [
                [1.0, 0.0, 0.0],
                [0.5, 0.5, 0.5],
                [0.5, -0.5, 0.5],
                [0.0, 0.0, 1.0],
            ];
            for (place, own) in all.chunks_exact_mut(size).enumerate() {
                let rows = [place / 16, place / 4 % 4, place % 4].map(|k| G[k]);
                for (tap, weight) in self.weight.chunks_exact(size).enumerate() {
                    let by = rows[0][tap / 9] * rows[1][tap / 3 % 3] * rows[2][tap % 3];
                    if by != 0.0 {
                        own.iter_mut().zip(weight).for_each(|(u, w)| *u += by * w);
                    }
                }
            }
            all
        })
    }

    /// 3 x 3 x 3 with stride 1 by tiles of 2 x 2 x 2 outputs.
    fn by_tiles(&self, x: &Volume, data: &mut [f32]) {
        let [inputs, outputs] = self.channels;
        let [t, h, w, _] = x.sizes;
        let [tt, th, tw] = [t, h, w].map(|n| n.div_ceil(2));
        let around = [t, h, w].map(|n| (1, 1 + n % 2));
        let from = x.padded(around, 0.0);
        let [_, rows, columns, _] = from.sizes;
        let weight = self.transformed();
        let tiles = tt * th * tw;
        let at_once = (TILES / (TILE * (inputs + outputs))).max(16).min(tiles);
        let mut before = vec![0.0; TILE * at_once * inputs];
        let mut after = vec![0.0; TILE * at_once * outputs];
        let mut tile = vec![0.0; TILE * inputs];
        let mut back = vec![0.0; 2 * 4 * 4 * outputs];
        for start in (0..tiles).step_by(at_once) {
            let count = at_once.min(tiles - start);
            let place = |n: usize| [n / (th * tw), n / tw % th, n % tw].map(|k| 2 * k);
            for n in 0..count {
                let [i, j, k] = place(start + n);
                for (line, into) in tile.chunks_exact_mut(4 * inputs).enumerate() {
                    let row = (i + line / 4) * rows + j + line % 4;
                    let at = (row * columns + k) * inputs;
                    spread(&from.data[at..], inputs, into, inputs, inputs);
                }
                for plane in tile.chunks_exact_mut(16 * inputs) {
                    for k in 0..4 {
                        spread_in_place(&mut plane[k * inputs..], 4 * inputs, inputs);
                    }
                }
                // Each of the 64 places goes to its own matrix, (count, channels before).
                let apart = 16 * count * inputs;
                for k in 0..16 {
                    let into = &mut before[(k * count + n) * inputs..];
                    spread(&tile[k * inputs..], 16 * inputs, into, apart, inputs);
                }
            }
            for place in 0..TILE {
                let own = View::new(
                    &before[place * count * inputs..][..count * inputs],
                    count,
                    inputs,
                );
                let by = &weight[place * inputs * outputs..][..inputs * outputs];
                let out = &mut after[place * count * outputs..][..count * outputs];
                product(out, own, View::new(by, inputs, outputs), false);
            }
            for n in 0..count {
                let apart = 16 * count * outputs;
                for k in 0..16 {
                    let of = &after[(k * count + n) * outputs..];
                    gather(of, apart, &mut back[k * outputs..], 16 * outputs, outputs);
                }
                for plane in back.chunks_exact_mut(16 * outputs) {
                    for k in 0..4 {
                        gather_in_place(&mut plane[k * outputs..], 4 * outputs, outputs);
                    }
                }
                let [i, j, k] = place(start + n);
                for corner in 0..4 {
                    let (i, j) = (i + corner / 2, j + corner % 2);
                    if i < t && j < h {
                        let of = &back[(16 * (corner / 2) + 4 * (corner % 2)) * outputs..];
                        let at = ((i * h + j) * w + k) * outputs;
                        let line = &mut data[at..at + (w - k).min(2) * outputs];
                        gather(of, outputs, line, outputs, outputs);
                    }
                }
            }
        }
    }
}

/// (d0 - d2, d1 + d2, d2 - d1, d1 - d3) of four places `apart` each other, `width` values each, to four others.
fn spread(of: &[f32], apart: usize, into: &mut [f32], into_apart: usize, width: usize) {
    let [a, b, c, d] = [0, 1, 2, 3].map(|k| &of[k * apart..][..width]);
    let [p, q, r, s] = lines(into, into_apart, width);
    for i in 0..width {
        (p[i], q[i], r[i], s[i]) = (a[i] - c[i], b[i] + c[i], c[i] - b[i], b[i] - d[i]);
    }
}

/// The same where they stand.
fn spread_in_place(line: &mut [f32], apart: usize, width: usize) {
    let [a, b, c, d] = lines(line, apart, width);
    for i in 0..width {
        (a[i], b[i], c[i], d[i]) = (a[i] - c[i], b[i] + c[i], c[i] - b[i], b[i] - d[i]);
    }
}

/// (m0 + m1 + m2, m1 - m2 - m3) of four places `apart` each other to two others, or to the first alone where no second is.
fn gather(of: &[f32], apart: usize, into: &mut [f32], into_apart: usize, width: usize) {
    let [a, b, c, d] = [0, 1, 2, 3].map(|k| &of[k * apart..][..width]);
    let (first, second) = into.split_at_mut(into_apart.min(into.len()));
    for (i, y) in first[..width].iter_mut().enumerate() {
        *y = a[i] + b[i] + c[i];
    }
    if second.len() >= width {
        for (i, y) in second[..width].iter_mut().enumerate() {
            *y = b[i] - c[i] - d[i];
        }
    }
}

/// The same to the first two of the four.
fn gather_in_place(line: &mut [f32], apart: usize, width: usize) {
    let [a, b, c, d] = lines(line, apart, width);
    for i in 0..width {
        (a[i], b[i]) = (a[i] + b[i] + c[i], b[i] - c[i] - d[i]);
    }
}

/// Four places `apart` each other, `width` values each.
fn lines(all: &mut [f32], apart: usize, width: usize) -> [&mut [f32]; 4] {
    let (a, tail) = all.split_at_mut(apart);
    let (b, tail) = tail.split_at_mut(apart);
    let (c, d) = tail.split_at_mut(apart);
    [a, b, c, d].map(|line| &mut line[..width])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers without a pattern in [-1, 1).
    fn noise(count: usize, mut state: u64) -> Vec<f32> {
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            ((state >> 40) as f32) / (1 << 23) as f32 - 1.0
        };
        (0..count).map(|_| next()).collect()
    }

    /// The value at a place that may lie outside.
    fn value(x: &Volume, at: [i64; 3], channel: usize) -> Option<f32> {
        let [t, h, w, c] = x.sizes.map(|n| n as i64);
        let inside = (0..t).contains(&at[0]) && (0..h).contains(&at[1]) && (0..w).contains(&at[2]);
        let place = ((at[0] * h + at[1]) * w + at[2]) * c + channel as i64;
        inside.then(|| x.data[place as usize])
    }

    #[test]
    fn convolution_and_maximum_are_their_sums_place_by_place() {
        for (sizes, kernel, stride) in [
            ([3, 5, 4, 2], [3, 3, 3], [1, 1, 1]),
            ([4, 7, 6, 3], [7, 7, 7], [2, 2, 2]),
            ([2, 3, 3, 4], [1, 1, 1], [1, 1, 1]),
            ([5, 6, 7, 2], [1, 3, 3], [1, 2, 2]),
            ([4, 4, 5, 2], [2, 2, 2], [2, 2, 2]),
        ] {
            let x = Volume::new(sizes, noise(sizes.iter().product(), 1));
            let outputs = 3;
            let taps: usize = kernel.iter().product();
            let weight = noise(taps * sizes[3] * outputs, 2);
            let channels = [sizes[3], outputs];
            let own = Convolution::new(kernel, stride, channels, weight, noise(outputs, 3), true);
            let (y, most) = (own.forward(&x), x.maximum(kernel, stride));
            let before = [0, 1, 2].map(|k| same(sizes[k], kernel[k], stride[k]).1);
            let [_, h, w, _] = y.sizes;
            assert_eq!(y.sizes[..3], most.sizes[..3]);
            for at in 0..y.data.len() / outputs {
                let place = [at / (h * w), at / w % h, at % w];
                let tap = |tap: usize| -> [i64; 3] {
                    let d = [
                        tap / (kernel[1] * kernel[2]),
                        tap / kernel[2] % kernel[1],
                        tap % kernel[2],
                    ];
                    [0, 1, 2].map(|k| (place[k] * stride[k] + d[k]) as i64 - before[k] as i64)
                };
                for o in 0..outputs {
                    let mut want = f64::from(own.bias[o]);
                    for d in 0..taps {
                        for c in 0..sizes[3] {
                            let weight = own.weight[(d * sizes[3] + c) * outputs + o];
                            want += f64::from(value(&x, tap(d), c).unwrap_or(0.0) * weight);
                        }
                    }
                    // Single precision, up to 1029 terms below 1.
                    let got = f64::from(y.data[at * outputs + o]);
                    assert!(
                        (got - want.max(0.0)).abs() < 1e-4,
                        "{sizes:?} {place:?}: {got} {want}"
                    );
                }
                for c in 0..sizes[3] {
                    let all = (0..taps).filter_map(|d| value(&x, tap(d), c));
                    let want = all.fold(f32::NEG_INFINITY, f32::max);
                    assert_eq!(most.data[at * sizes[3] + c], want, "{sizes:?} {place:?}");
                }
            }
        }
    }
}
