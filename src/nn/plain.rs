//! A trained decoder as plain arrays: what shows frames of any latent state where the model itself is not, as in the report's
//! explorer.
//!
//! Weights are rounded to half precision (11 bits): the frames differ from the model's by less than one grey value of 256.

use serde::{Deserialize, Serialize};

/// Raised when a reader of the old layout would misread the new one.
const VERSION: u32 = 1;

/// From latent states to frames: codes a = C z + d, then layer after layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decoder {
    format_version: u32,
    /// Code dimensions, p.
    pub codes: usize,
    /// C (p, n) row-major and d (p) of a = C z + d, where the model has states beside codes.
    pub emission: Option<(Vec<f64>, Vec<f64>)>,
    /// The network, from codes to C*H*W outputs.
    pub layers: Vec<Layer>,
    /// From outputs to pixels in [0, 1].
    pub pixels: Pixels,
}

/// One layer of a decoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Layer {
    /// y = x W + b.
    Linear {
        /// Length of x.
        inputs: usize,
        /// Length of y.
        outputs: usize,
        /// Whether max(0, y) follows.
        relu: bool,
        /// W (inputs, outputs), row-major.
        weight: Half,
        /// b (outputs).
        bias: Half,
    },
    /// Cross-correlation of (C, H, W) with zeros around, one step at a time; as high and wide as before.
    Convolution {
        /// Channels before, C.
        channels: usize,
        /// Height, H.
        height: usize,
        /// Width, W.
        width: usize,
        /// Side of the kernel, K, odd.
        kernel: usize,
        /// Channels after.
        outputs: usize,
        /// Whether max(0, y) follows.
        relu: bool,
        /// (outputs, C*K*K), row-major.
        weight: Half,
        /// (outputs).
        bias: Half,
    },
    /// (4C, H, W) to (C, 2H, 2W): y[c, 2i+a, 2j+b] = x[4c+2a+b, i, j].
    PixelShuffle {
        /// Channels after, C.
        channels: usize,
        /// Height before, H.
        height: usize,
        /// Width before, W.
        width: usize,
    },
}

/// From a decoder's outputs to pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pixels {
    /// 1 / (1 + exp(-y)).
    Sigmoid,
    /// y, cut off at 0 and 1.
    Clamp,
}

/// Numbers in half precision; little-endian base64 in JSON.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Half(Vec<half::f16>);

impl Half {
    /// Rounds to the nearest.
    pub fn new(values: impl IntoIterator<Item = f64>) -> Self {
        Self(values.into_iter().map(half::f16::from_f64).collect())
    }
    fn values(&self) -> impl Iterator<Item = f32> {
        self.0.iter().map(|v| v.to_f32())
    }
    fn len(&self) -> usize {
        self.0.len()
    }
}

impl Serialize for Half {
    fn serialize<S: serde::Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let bytes: Vec<u8> = self.0.iter().flat_map(|v| v.to_le_bytes()).collect();
        to.serialize_str(&STANDARD.encode(bytes))
    }
}

impl<'de> Deserialize<'de> for Half {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        use base64::{Engine, engine::general_purpose::STANDARD};
        use serde::de::Error;
        let text = String::deserialize(from)?;
        let bytes = STANDARD.decode(text).map_err(D::Error::custom)?;
        if bytes.len() % 2 != 0 {
            return Err(D::Error::custom("expected two bytes a number"));
        }
        let pairs = bytes.chunks_exact(2);
        Ok(Self(
            pairs
                .map(|b| half::f16::from_le_bytes([b[0], b[1]]))
                .collect(),
        ))
    }
}

impl Decoder {
    /// From its parts.
    pub fn new(codes: usize, layers: Vec<Layer>, pixels: Pixels) -> Self {
        Self {
            format_version: VERSION,
            codes,
            emission: None,
            layers,
            pixels,
        }
    }

    /// Number of latent dimensions: those of states, or of codes where there are no states.
    pub fn latent(&self) -> usize {
        match &self.emission {
            Some((matrix, _)) => matrix.len() / self.codes.max(1),
            None => self.codes,
        }
    }

    /// Whether the version is known and the layers fit each other.
    ///
    /// # Errors
    /// The layer, expected and got.
    pub fn check(&self) -> std::result::Result<(), String> {
        if self.format_version != VERSION {
            let got = self.format_version;
            return Err(format!("expected format version {VERSION}, got {got}"));
        }
        if let Some((matrix, offset)) = &self.emission
            && (offset.len() != self.codes || self.codes == 0 || matrix.len() % self.codes != 0)
        {
            let got = (matrix.len(), offset.len());
            return Err(format!(
                "emission of {} codes, got {got:?} values",
                self.codes
            ));
        }
        let mut size = self.codes;
        for (i, layer) in self.layers.iter().enumerate() {
            let (weight, bias) = layer.arrays();
            let [inputs, outputs, weights, biases] = layer
                .sizes()
                .ok_or_else(|| format!("layer {i}: too large for any memory"))?;
            if (size, weights, biases) != (inputs, weight, bias) {
                return Err(format!(
                    "layer {i}: expected {inputs} inputs, {weights} weights, {biases} biases, got {size}, {weight}, {bias}"
                ));
            }
            size = outputs;
        }
        Ok(())
    }

    /// Codes (p) of a latent state (n).
    pub fn emit(&self, latent: &[f64]) -> Vec<f64> {
        let Some((matrix, offset)) = &self.emission else {
            return latent.to_vec();
        };
        let rows = matrix.chunks_exact(latent.len().max(1)).zip(offset);
        rows.map(|(row, d)| d + row.iter().zip(latent).map(|(c, z)| c * z).sum::<f64>())
            .collect()
    }

    /// Pixels in [0, 1], (C*H*W), of a latent state (n).
    pub fn decode(&self, latent: &[f64]) -> Vec<f64> {
        let mut x: Vec<f32> = self.emit(latent).iter().map(|&v| v as f32).collect();
        for layer in &self.layers {
            x = layer.forward(&x);
        }
        let pixel = |v: f32| match self.pixels {
            Pixels::Sigmoid => 1.0 / (1.0 + (-f64::from(v)).exp()),
            Pixels::Clamp => f64::from(v).clamp(0.0, 1.0),
        };
        x.into_iter().map(pixel).collect()
    }
}

impl Layer {
    /// Weights and biases that are there.
    fn arrays(&self) -> (usize, usize) {
        match self {
            Self::Linear { weight, bias, .. } | Self::Convolution { weight, bias, .. } => {
                (weight.len(), bias.len())
            }
            Self::PixelShuffle { .. } => (0, 0),
        }
    }

    /// Inputs, outputs, weights and biases that its sizes ask for.
    fn sizes(&self) -> Option<[usize; 4]> {
        let product = |sizes: &[usize]| {
            sizes
                .iter()
                .try_fold(1usize, |all, &size| all.checked_mul(size))
        };
        Some(match *self {
            Self::Linear {
                inputs, outputs, ..
            } => [inputs, outputs, product(&[inputs, outputs])?, outputs],
            Self::Convolution {
                channels,
                height,
                width,
                kernel,
                outputs,
                ..
            } => [
                product(&[channels, height, width])?,
                product(&[outputs, height, width])?,
                product(&[outputs, channels, kernel, kernel])?,
                outputs,
            ],
            Self::PixelShuffle {
                channels,
                height,
                width,
            } => {
                let size = product(&[4, channels, height, width])?;
                [size, size, 0, 0]
            }
        })
    }

    fn forward(&self, x: &[f32]) -> Vec<f32> {
        let (mut y, relu) = match self {
            Self::Linear {
                outputs,
                relu,
                weight,
                bias,
                ..
            } => {
                let mut y: Vec<f32> = bias.values().collect();
                for (x, row) in x.iter().zip(weight.0.chunks_exact((*outputs).max(1))) {
                    y.iter_mut()
                        .zip(row)
                        .for_each(|(y, w)| *y += x * w.to_f32());
                }
                (y, *relu)
            }
            Self::Convolution {
                channels,
                height,
                width,
                kernel,
                relu,
                weight,
                bias,
                ..
            } => {
                let size = [*channels, *height, *width, *kernel];
                let weight: Vec<f32> = weight.values().collect();
                let kernels = weight.chunks_exact((channels * kernel * kernel).max(1));
                let maps = kernels.zip(bias.values());
                (
                    maps.flat_map(|(w, b)| correlate(x, w, b, size)).collect(),
                    *relu,
                )
            }
            Self::PixelShuffle { height, width, .. } => {
                let (h, w) = (*height, *width);
                let from = |o: usize| {
                    let (c, y, x) = (o / (4 * h * w), o / (2 * w) % (2 * h), o % (2 * w));
                    ((4 * c + 2 * (y % 2) + x % 2) * h + y / 2) * w + x / 2
                };
                ((0..x.len()).map(|o| x[from(o)]).collect(), false)
            }
        };
        if relu {
            y.iter_mut().for_each(|v| *v = v.max(0.0));
        }
        y
    }
}

/// One output map of a convolution of images (C, H, W) with a kernel (C, K, K).
fn correlate(x: &[f32], weight: &[f32], bias: f32, [c, h, w, k]: [usize; 4]) -> Vec<f32> {
    let mut y = vec![bias; h * w];
    for (at, &weight) in weight.iter().enumerate().take(c * k * k) {
        let (channel, di, dj) = (at / (k * k), at / k % k, at % k);
        for i in 0..h {
            let Some(from_i) = (i + di).checked_sub(k / 2).filter(|&i| i < h) else {
                continue;
            };
            for j in 0..w {
                if let Some(from_j) = (j + dj).checked_sub(k / 2).filter(|&j| j < w) {
                    y[i * w + j] += weight * x[(channel * h + from_i) * w + from_j];
                }
            }
        }
    }
    y
}
