//! Codes to frames: the networks behind p(x_t | a_t), one frame at a time.

use super::encoder::{Layer, RELU_GAIN};
use crate::Rng;
use crate::ops::{self, Activation, Geometry, Precision};
use crate::plain;
use crate::{Error, Result};
use crate::{Float, Mat, Module, Param};
use dfdx::prelude::{Cpu, Tape};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `decoder:` of a model, as a one-key map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecoderConfig {
    /// Fully connected layers.
    Mlp(MlpDecoder),
    /// A linear map to small feature maps, then sub-pixel convolutions that double them, as in the published Kalman VAE.
    Cnn(CnnDecoder),
    /// The frame is the code: for vectors that are codes already.
    Identity,
}

impl Default for DecoderConfig {
    fn default() -> Self {
        Self::Mlp(MlpDecoder::default())
    }
}

/// Fully connected decoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MlpDecoder {
    /// Widths of the hidden layers.
    #[schemars(inner(range(min = 1, max = 65_536)))]
    pub hidden: Vec<usize>,
}

impl Default for MlpDecoder {
    fn default() -> Self {
        Self {
            hidden: vec![128, 256],
        }
    }
}

/// Convolutional decoder: every stage doubles height and width.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CnnDecoder {
    /// Channels after every doubling; their number is the number of doublings.
    #[schemars(length(min = 1), inner(range(min = 1, max = 65_536)))]
    pub channels: Vec<usize>,
    /// Kernel side of the convolutions, odd.
    #[schemars(range(min = 1, max = 65_535))]
    pub kernel: usize,
    /// What the products of the doublings are rounded to.
    pub precision: Precision,
}

impl Default for CnnDecoder {
    fn default() -> Self {
        Self {
            channels: vec![32, 32, 32],
            kernel: 3,
            precision: Precision::default(),
        }
    }
}

impl DecoderConfig {
    /// # Errors
    /// [`Error::Config`] names the key, what was expected and got.
    pub fn check(&self, at: &str, frame: [usize; 3]) -> Result<()> {
        let bad = |key: &str, want: &str, got: String| {
            Err(Error::Config(format!(
                "{at}.{key}: {want} expected, got {got}"
            )))
        };
        match self {
            Self::Mlp(c) => match c.hidden.iter().find(|&&v| v == 0 || v > 65_536) {
                Some(v) => bad("mlp.hidden", "sizes in 1..=65536", v.to_string()),
                None => Ok(()),
            },
            Self::Identity => Ok(()),
            Self::Cnn(c) => {
                let scale = 1usize.checked_shl(c.channels.len() as u32).unwrap_or(0);
                let kernel = match c.kernel % 2 {
                    0 => bad("cnn.kernel", "an odd size", c.kernel.to_string()),
                    _ => Ok(()),
                };
                let channels = if c.channels.is_empty() || c.channels.contains(&0) {
                    let want = "at least one positive number";
                    bad("cnn.channels", want, format!("{:?}", c.channels))
                } else if scale == 0
                    || !frame[1].is_multiple_of(scale)
                    || !frame[2].is_multiple_of(scale)
                {
                    let want = format!(
                        "a number of doublings whose {scale}x divides frames of {}x{}",
                        frame[1], frame[2]
                    );
                    bad("cnn.channels", &want, c.channels.len().to_string())
                } else {
                    Ok(())
                };
                Error::all([kernel, channels])
            }
        }
    }
}

/// Where output logits start: a dark frame, as most pixels are background.
const START_LOGIT: f64 = -3.0;

/// Codes (rows, p) to pixel logits or means (rows, C*H*W).
#[derive(Debug)]
pub struct Decoder<F: Float> {
    linears: Vec<Layer<F>>,
    /// Convolutions to four times the channels, which become twice the height and width.
    doublings: Vec<(Layer<F>, Geometry)>,
    output: Option<(Layer<F>, Geometry)>,
}

impl<F: Float> Decoder<F> {
    /// Builds the network for frames of (C, H, W) and `codes` code dimensions; `logits` starts the output dark.
    ///
    /// # Errors
    /// [`Error::Config`] when the identity is asked for another number of codes than a frame has values.
    pub fn new(
        config: &DecoderConfig,
        frame: [usize; 3],
        codes: usize,
        logits: bool,
        rng: &mut Rng,
    ) -> Result<Self> {
        let [channels, height, width] = frame;
        let start = if logits { START_LOGIT } else { 0.0 };
        let mut decoder = Self {
            linears: vec![],
            doublings: vec![],
            output: None,
        };
        match config {
            DecoderConfig::Mlp(c) => {
                let mut inputs = codes;
                for &outputs in &c.hidden {
                    decoder
                        .linears
                        .push(Layer::linear(inputs, outputs, RELU_GAIN, rng)?);
                    inputs = outputs;
                }
                let mut last = Layer::linear(inputs, channels * height * width, 1.0, rng)?;
                last.bias = Param::constant([channels * height * width], start)?;
                decoder.linears.push(last);
            }
            DecoderConfig::Identity if channels * height * width != codes => {
                let size = channels * height * width;
                return Err(Error::Config(format!(
                    "decoder: identity wants as many codes as a frame has values, {size}, got {codes}"
                )));
            }
            DecoderConfig::Identity => {}
            DecoderConfig::Cnn(c) => {
                let (mut h, mut w) = (height >> c.channels.len(), width >> c.channels.len());
                let mut inputs = c.channels[0];
                decoder
                    .linears
                    .push(Layer::linear(codes, inputs * h * w, RELU_GAIN, rng)?);
                for &outputs in &c.channels {
                    let geometry = Geometry {
                        channels: inputs,
                        height: h,
                        width: w,
                        kernel: c.kernel,
                        stride: 1,
                        padding: c.kernel / 2,
                        upscale: 2,
                        precision: c.precision,
                    };
                    decoder.doublings.push((
                        Layer::convolution(inputs, 4 * outputs, c.kernel, RELU_GAIN, rng)?,
                        geometry,
                    ));
                    inputs = outputs;
                    (h, w) = (2 * h, 2 * w);
                }
                let geometry = Geometry {
                    channels: inputs,
                    height: h,
                    width: w,
                    kernel: 1,
                    stride: 1,
                    padding: 0,
                    upscale: 1,
                    precision: Precision::F32,
                };
                let mut last = Layer::convolution(inputs, channels, 1, 1.0, rng)?;
                last.bias = Param::constant([channels], start)?;
                decoder.output = Some((last, geometry));
            }
        }
        Ok(decoder)
    }

    /// Starts the output at these values (logits, or means of Gaussian pixels) before any code is looked at: pixel by pixel where
    /// the last layer has a bias for each, else by the mean of each channel.
    ///
    /// # Errors
    /// A frame of another size.
    pub fn start_at(&mut self, outputs: &[F]) -> Result<()> {
        if let Some((layer, _)) = &mut self.output {
            let plane = outputs.len() / layer.bias.values().len();
            let count = F::of(plane as f64);
            let means: Vec<F> = outputs
                .chunks_exact(plane)
                .map(|p| p.iter().copied().sum::<F>() / count)
                .collect();
            return layer.bias.set(&means);
        }
        match self.linears.last_mut() {
            Some(layer) => layer.bias.set(outputs),
            None => Ok(()),
        }
    }

    /// The same network as plain arrays, in half precision. There channels come first, here they come last: the maps of the linear layer, the
    /// weights and the channels before a pixel shuffle change places.
    pub fn plain(&self) -> Vec<plain::Layer> {
        let wide = |p: &Param<F>| p.values().iter().map(|v| v.widen()).collect::<Vec<f64>>();
        let mut layers = Vec::new();
        for (i, layer) in self.linears.iter().enumerate() {
            let &[inputs, outputs] = layer.weight.shape() else {
                continue;
            };
            let maps = self.doublings.first().map(|(_, g)| g.channels);
            // Of an output there, its place here.
            let from = |o: usize| match maps {
                Some(channels) => {
                    let (channel, place) = (o / (outputs / channels), o % (outputs / channels));
                    place * channels + channel
                }
                None => o,
            };
            let (weight, bias) = (wide(&layer.weight), wide(&layer.bias));
            let rows = weight.chunks_exact(outputs.max(1));
            layers.push(plain::Layer::Linear {
                inputs,
                outputs,
                relu: i + 1 < self.linears.len() || self.output.is_some(),
                weight: plain::Half::new(rows.flat_map(|row| (0..outputs).map(|o| row[from(o)]))),
                bias: plain::Half::new((0..outputs).map(|o| bias[from(o)])),
            });
        }
        // `from`: of an output channel there, that here.
        let convolution = |layer: &Layer<F>, g: &Geometry, relu, from: &dyn Fn(usize) -> usize| {
            let (weight, bias) = (wide(&layer.weight), wide(&layer.bias));
            let (outputs, window) = (bias.len(), g.kernel * g.kernel);
            let patch = (0..g.channels).flat_map(|c| (0..window).map(move |k| k * g.channels + c));
            let patch: Vec<usize> = patch.collect();
            let of = |o: usize| patch.iter().map(move |k| (k * outputs, o));
            let weights = (0..outputs).flat_map(|o| of(from(o)));
            plain::Layer::Convolution {
                channels: g.channels,
                height: g.height,
                width: g.width,
                kernel: g.kernel,
                outputs,
                relu,
                weight: plain::Half::new(weights.map(|(row, o)| weight[row + o])),
                bias: plain::Half::new((0..outputs).map(|o| bias[from(o)])),
            }
        };
        for (layer, g) in &self.doublings {
            let channels = layer.bias.values().len() / 4;
            // y[c, 2i+a, 2j+b] is channel 4c + 2a + b there, (2a + b) C + c here.
            let from = |o: usize| o % 4 * channels + o / 4;
            layers.push(convolution(layer, g, true, &from));
            layers.push(plain::Layer::PixelShuffle {
                channels,
                height: g.height,
                width: g.width,
            });
        }
        let output = self.output.iter();
        layers.extend(output.map(|(layer, g)| convolution(layer, g, false, &|o| o)));
        layers
    }

    /// (rows, p) to (rows, C*H*W).
    ///
    /// # Errors
    /// [`Error::Shape`] when the codes have another size.
    pub fn forward<T: Tape<F, Cpu>>(&self, codes: Mat<F, T>) -> Result<Mat<F, T>> {
        let mut x = codes;
        for (i, layer) in self.linears.iter().enumerate() {
            let last = i + 1 == self.linears.len() && self.output.is_none();
            let activation = if last {
                Activation::Identity
            } else {
                Activation::Relu
            };
            x = ops::linear(x, &layer.weight, &layer.bias, activation, true)?;
        }
        for (layer, g) in &self.doublings {
            x = ops::convolution(x, &layer.weight, &layer.bias, *g, Activation::Relu, true)?;
        }
        if let Some((layer, g)) = &self.output {
            x = ops::convolution(
                x,
                &layer.weight,
                &layer.bias,
                *g,
                Activation::Identity,
                true,
            )?;
            x = ops::planes(x, layer.bias.values().len())?; // (rows, C*H*W)
        }
        Ok(x)
    }
}

impl<F: Float> Module<F> for Decoder<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        for (i, layer) in self.linears.iter_mut().enumerate() {
            layer.parameters(format!("{at}.linear.{i}"), out);
        }
        for (i, (layer, _)) in self.doublings.iter_mut().enumerate() {
            layer.parameters(format!("{at}.doubling.{i}"), out);
        }
        if let Some((layer, _)) = &mut self.output {
            layer.parameters(format!("{at}.output"), out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::{matrix, values};
    use rand::{RngExt, SeedableRng};

    /// Parameters that half precision holds exactly, biases among them: what is left is the order of sums.
    #[test]
    fn plain_arrays_decode_the_same_frames() {
        let convolutional = |channels: &[usize], kernel| {
            DecoderConfig::Cnn(CnnDecoder {
                channels: channels.to_vec(),
                kernel,
                precision: Precision::F32,
            })
        };
        let (codes, frame) = (3, [2, 8, 12]);
        for config in [
            DecoderConfig::Mlp(MlpDecoder { hidden: vec![5, 7] }),
            convolutional(&[6], 3),
            convolutional(&[4, 3], 5),
        ] {
            let mut rng = Rng::seed_from_u64(1);
            let mut decoder = Decoder::<f32>::new(&config, frame, codes, true, &mut rng).unwrap();
            let mut parameters = Vec::new();
            decoder.parameters("", &mut parameters);
            for (_, parameter) in parameters {
                let eighths = (0..parameter.values().len()).map(|_| rng.random_range(-4..=4));
                let eighths: Vec<f32> = eighths.map(|n| n as f32 / 8.0).collect();
                parameter.set(&eighths).unwrap();
            }
            let plain = plain::Decoder::new(codes, decoder.plain(), plain::Pixels::Sigmoid);
            assert_eq!(plain.check(), Ok(()), "{config:?}");
            let latent = [0.5, -0.25, 0.75];
            let logits = matrix(latent.map(|z| z as f32).to_vec(), 1, codes).unwrap();
            let logits = decoder.forward(logits).unwrap();
            let want = values(&logits)
                .iter()
                .map(|y| 1.0 / (1.0 + (-f64::from(*y)).exp()));
            let got = plain.decode(&latent);
            assert_eq!(got.len(), frame.iter().product::<usize>());
            for (i, (got, want)) in got.iter().zip(want).enumerate() {
                assert!(
                    (got - want).abs() < 1e-5,
                    "{config:?}, {i}: {got} against {want}"
                );
            }
            assert!(got.iter().any(|y| (y - got[0]).abs() > 0.05), "{config:?}");
        }
    }
}
