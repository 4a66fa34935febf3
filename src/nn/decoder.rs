//! Codes to frames: the networks behind p(x_t | a_t), one frame at a time.

use super::encoder::{Layer, RELU_GAIN};
use super::ops::{self, Activation, Geometry, Precision};
use super::{Float, Mat, Module, Param};
use crate::Rng;
use crate::plain;
use crate::{Error, Result};
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
    /// Out of memory.
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

    /// The same network as plain arrays, in half precision.
    pub fn plain(&self) -> Vec<plain::Layer> {
        let half = |p: &Param<F>| plain::Half::new(p.values().iter().map(|v| v.widen()));
        let mut layers = Vec::new();
        for (i, layer) in self.linears.iter().enumerate() {
            let &[inputs, outputs] = layer.weight.shape() else {
                continue;
            };
            layers.push(plain::Layer::Linear {
                inputs,
                outputs,
                relu: i + 1 < self.linears.len() || self.output.is_some(),
                weight: half(&layer.weight),
                bias: half(&layer.bias),
            });
        }
        let convolution = |layer: &Layer<F>, g: &Geometry, relu| plain::Layer::Convolution {
            channels: g.channels,
            height: g.height,
            width: g.width,
            kernel: g.kernel,
            outputs: layer.bias.values().len(),
            relu,
            weight: half(&layer.weight),
            bias: half(&layer.bias),
        };
        for (layer, g) in &self.doublings {
            layers.push(convolution(layer, g, true));
            layers.push(plain::Layer::PixelShuffle {
                channels: layer.weight.shape()[0] / 4,
                height: g.height,
                width: g.width,
            });
        }
        layers.extend(
            self.output
                .iter()
                .map(|(layer, g)| convolution(layer, g, false)),
        );
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
