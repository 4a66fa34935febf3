//! Forward passes over volumes (time, height, width, channels), for networks that are only asked: convolution and maximum.
//!
//! Padding is that of TensorFlow's and Flax's `SAME`: along an axis of n with kernel k and stride s there are ceil(n / s)
//! outputs, and max((ceil(n / s) - 1) s + k - n, 0) places are added, half of them (rounded down) before the first.
//!
//! Kernels of 3 x 3 x 3 with step 1 go by Winograd's minimal filtering (Lavin & Gray 2016): the 32 outputs of a tile of
//! 4 x 6 x 6 inputs take 144 products a pair of channels in place of 864. All is done 16 channels at a time.

use crate::kernels::product::{View, product};
use crate::kernels::{windows, winograd};

/// Numbers over time, height, width and channels.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume {
    /// T, H, W, C.
    pub sizes: [usize; 4],
    /// Row-major, T*H*W*C.
    pub data: Vec<f32>,
}

/// A convolution with its bias: y = x * W + b, with max(0, y) after it where `relu` is.
#[derive(Clone, Debug)]
pub struct Convolution {
    kernel: [usize; 3],
    stride: [usize; 3],
    channels: [usize; 2],
    weight: Vec<f32>,
    bias: Vec<f32>,
    relu: bool,
    filters: Filters,
}

/// The weights as the way of the convolution wants them.
#[derive(Clone, Debug)]
enum Filters {
    /// 1 x 1 x 1 with step 1: a product, by the weights themselves.
    Plain,
    /// 3 x 3 x 3 with step 1.
    Tiles(winograd::Filters),
    Windows(windows::Filters),
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

    /// With zeros around it: places before and after along time, height, width.
    fn padded(&self, around: [(usize, usize); 3]) -> Self {
        let [t, h, w, c] = self.sizes;
        let [ts, hs, ws] = around;
        let sizes = [t + ts.0 + ts.1, h + hs.0 + hs.1, w + ws.0 + ws.1, c];
        let mut data = vec![0.0; sizes.iter().product()];
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
        let c = self.sizes[3];
        let mut data = vec![0.0; t * h * w * c];
        let windows = [0, 1, 2].map(|k| [kernel[k], stride[k], axes[k].1]);
        windows::maximum((&self.data, self.sizes), windows, (&mut data, [t, h, w]));
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
        let filters = match (kernel, stride) {
            ([1, 1, 1], [1, 1, 1]) => Filters::Plain,
            ([3, 3, 3], [1, 1, 1]) => {
                Filters::Tiles(winograd::Filters::new(&weight, channels[0], &bias))
            }
            _ => Filters::Windows(windows::Filters::new(&weight, kernel, channels[0], &bias)),
        };
        Self {
            kernel,
            stride,
            channels,
            weight,
            bias,
            relu,
            filters,
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
        match &self.filters {
            Filters::Plain => {
                let positions = View::new(&x.data, t * h * w, inputs);
                let weight = View::new(&self.weight, inputs, outputs);
                product(&mut data, positions, weight, false);
                let least = if self.relu { 0.0 } else { f32::NEG_INFINITY };
                for row in data.chunks_exact_mut(outputs) {
                    for (y, b) in row.iter_mut().zip(&self.bias) {
                        *y = (*y + b).max(least);
                    }
                }
            }
            Filters::Tiles(filters) => filters.forward(&x.data, [t, h, w], self.relu, &mut data),
            Filters::Windows(filters) => {
                let from = x.padded(axes.map(|(_, a, b)| (a, b)));
                let [rows, lines, columns, _] = from.sizes;
                let from = (&from.data[..], [rows, lines, columns]);
                filters.forward(from, self.stride, self.relu, (&mut data, [t, h, w]));
            }
        }
        Volume::new([t, h, w, outputs], data)
    }
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
        for (sizes, kernel, stride, outputs) in [
            ([3, 5, 4, 2], [3, 3, 3], [1, 1, 1], 3),
            // With tiles that lie inside wholly: whole vectors of channels, and not.
            ([5, 10, 11, 16], [3, 3, 3], [1, 1, 1], 35),
            ([4, 11, 9, 20], [3, 3, 3], [1, 1, 1], 16),
            ([1, 1, 1, 1], [3, 3, 3], [1, 1, 1], 1),
            ([4, 7, 6, 3], [7, 7, 7], [2, 2, 2], 3),
            ([3, 5, 9, 1], [7, 7, 7], [2, 2, 2], 40),
            ([2, 3, 3, 4], [1, 1, 1], [1, 1, 1], 3),
            ([5, 6, 7, 19], [1, 3, 3], [1, 2, 2], 3),
            ([4, 4, 5, 2], [2, 2, 2], [2, 2, 2], 3),
        ] {
            let x = Volume::new(sizes, noise(sizes.iter().product(), 1));
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
