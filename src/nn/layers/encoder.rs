//! Frames to codes: the networks behind q(a_t | x_t), one frame at a time.

use crate::Rng;
use crate::ops::{self, Activation, Geometry, Precision};
use crate::tensor::{matrix, size, values};
use crate::{Error, Result};
use crate::{Float, Mat, Module, Param, Track};
use dfdx::prelude::{Cpu, PutTape, SplitTape, Tape};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `encoder:` of a model, as a one-key map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EncoderConfig {
    /// Fully connected layers.
    Mlp(MlpEncoder),
    /// Convolutions, then a read-out.
    Cnn(CnnEncoder),
    /// The code is the frame: for vectors that are codes already. Their variance is learned, one for each component.
    Identity,
}

impl Default for EncoderConfig {
    fn default() -> Self {
        Self::Cnn(CnnEncoder::default())
    }
}

/// Fully connected encoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MlpEncoder {
    /// Widths of the hidden layers.
    #[schemars(inner(range(min = 1, max = 65_536)))]
    pub hidden: Vec<usize>,
}

impl Default for MlpEncoder {
    fn default() -> Self {
        Self {
            hidden: vec![256, 128],
        }
    }
}

/// Convolutional encoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CnnEncoder {
    /// Channels of every convolution.
    #[schemars(length(min = 1), inner(range(min = 1, max = 65_536)))]
    pub channels: Vec<usize>,
    /// Kernel side of every convolution, odd. Pictures are padded by half of it, before a spatial softmax by one less than it.
    #[schemars(length(min = 1), inner(range(min = 1, max = 65_536)))]
    pub kernels: Vec<usize>,
    /// Stride of every convolution.
    #[schemars(length(min = 1), inner(range(min = 1, max = 65_536)))]
    pub strides: Vec<usize>,
    /// How the last feature maps become codes.
    pub head: Head,
}

impl Default for CnnEncoder {
    fn default() -> Self {
        Self {
            channels: vec![8, 8],
            kernels: vec![5, 3],
            strides: vec![2, 1],
            head: Head::default(),
        }
    }
}

/// How feature maps become codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Head {
    /// A linear map of all feature values, as in the published Kalman VAE. Can fold the plane at a bad start.
    Flatten,
    /// A 1x1 convolution to one map per pair of codes, the expected image coordinates under its softmax, and a linear map
    /// of these. Where something is cannot be folded or bent far, so a bad start is unlikely.
    #[default]
    SpatialSoftmax,
}

impl EncoderConfig {
    /// # Errors
    /// [`Error::Config`] names the key, what was expected and got.
    pub fn check(&self, at: &str) -> Result<()> {
        match self {
            Self::Mlp(c) => positive(at, "mlp.hidden", &c.hidden),
            Self::Identity => Ok(()),
            Self::Cnn(c) => {
                let (n, k, s) = (c.channels.len(), c.kernels.len(), c.strides.len());
                if n == 0 || n != k || n != s {
                    return Err(Error::Config(format!(
                        "{at}.cnn: channels, kernels and strides want the same length of at least 1, got {n}, {k} and {s}"
                    )));
                }
                let kernels = match c.kernels.iter().find(|&&k| k % 2 == 0) {
                    Some(k) => Err(Error::Config(format!(
                        "{at}.cnn.kernels: odd sizes expected, got {k}"
                    ))),
                    None => Ok(()),
                };
                Error::all([
                    positive(at, "cnn.channels", &c.channels),
                    positive(at, "cnn.strides", &c.strides),
                    kernels,
                ])
            }
        }
    }
}

fn positive(at: &str, key: &str, sizes: &[usize]) -> Result<()> {
    match sizes.iter().find(|&&v| v == 0 || v > 65_536) {
        Some(v) => Err(Error::Config(format!(
            "{at}.{key}: sizes in 1..=65536 expected, got {v}"
        ))),
        None => Ok(()),
    }
}

/// One layer with weight and bias.
#[derive(Clone, Debug)]
pub(crate) struct Layer<F: Float> {
    pub weight: Param<F>,
    pub bias: Param<F>,
}

impl<F: Float> Layer<F> {
    /// Fully connected, W (in, out) ~ N(0, gain^2 / in).
    pub fn linear(inputs: usize, outputs: usize, gain: f64, rng: &mut Rng) -> Result<Self> {
        let weight = Param::normal([inputs, outputs], gain / (inputs as f64).sqrt(), rng)?;
        Ok(Self {
            weight,
            bias: Param::constant([outputs], 0.0)?,
        })
    }

    /// Convolution, W (K K in, out) ~ N(0, gain^2 / (K K in)).
    pub fn convolution(
        channels: usize,
        outputs: usize,
        kernel: usize,
        gain: f64,
        rng: &mut Rng,
    ) -> Result<Self> {
        let patch = channels * kernel * kernel;
        let weight = Param::normal([patch, outputs], gain / (patch as f64).sqrt(), rng)?;
        Ok(Self {
            weight,
            bias: Param::constant([outputs], 0.0)?,
        })
    }

    pub fn parameters<'a>(&'a mut self, at: String, out: &mut Vec<(String, &'a mut Param<F>)>) {
        out.push((format!("{at}.weight"), &mut self.weight));
        out.push((format!("{at}.bias"), &mut self.bias));
    }
}

/// sqrt(2): keeps the variance of activations through a ReLU layer (He et al. 2015, eq. 10).
pub(crate) const RELU_GAIN: f64 = std::f64::consts::SQRT_2;

/// Frames (rows, C*H*W) to the mean and log variance of q(a | x) (rows, 2p).
#[derive(Debug)]
pub struct Encoder<F: Float> {
    /// What stands still in every frame, (C*H*W); taken off before anything is looked at. Zeros until [`Encoder::start_at`].
    background: Param<F>,
    /// Channels of a frame.
    channels: usize,
    convolutions: Vec<(Layer<F>, Geometry)>,
    /// The 1x1 convolution before a spatial softmax, with (maps, height, width).
    maps: Option<(Layer<F>, Geometry)>,
    linears: Vec<Layer<F>>,
    /// Log variances (p) of codes that are the frames themselves.
    log_var: Option<Param<F>>,
}

/// Where log variances start: a standard deviation of .08 is small against codes of unit size, and large enough for gradients to flow.
const START_LOG_VAR: f64 = -5.0;
/// Features are positive where something is drawn, so positive weights of this size make the softmax of an untrained map fall on
/// what is drawn, not on the background: a centroid to start from.
const MAP_GAIN: f64 = 3.0;
/// Codes span about -3..3 at the start with a spatial softmax, whose coordinates span -1..1.
const COORDINATE_GAIN: f64 = 3.0;

impl<F: Float> Encoder<F> {
    /// Builds the network for frames of (C, H, W) and `codes` code dimensions.
    ///
    /// # Errors
    /// [`Error::Config`] when the identity is asked for another number of codes than a frame has values.
    pub fn new(
        config: &EncoderConfig,
        frame: [usize; 3],
        codes: usize,
        rng: &mut Rng,
    ) -> Result<Self> {
        let mut encoder = Self {
            background: Param::constant([frame.iter().product::<usize>()], 0.0)?.fixed(),
            channels: frame[0],
            convolutions: vec![],
            maps: None,
            linears: vec![],
            log_var: None,
        };
        if *config == EncoderConfig::Identity {
            let size = frame.iter().product::<usize>();
            if size != codes {
                return Err(Error::Config(format!(
                    "encoder: identity wants as many codes as a frame has values, {size}, got {codes}"
                )));
            }
            encoder.log_var = Some(Param::constant([codes], START_LOG_VAR)?);
            return Ok(encoder);
        }
        let [mut channels, mut height, mut width] = frame;
        let hidden: &[usize] = match config {
            EncoderConfig::Mlp(c) => &c.hidden,
            EncoderConfig::Identity => &[],
            EncoderConfig::Cnn(c) => {
                for ((&outputs, &kernel), &stride) in
                    c.channels.iter().zip(&c.kernels).zip(&c.strides)
                {
                    // Whatever is seen at the edge of the picture must not be cut off at the edge of a map: a cut shifts the
                    // centre of the map, which bends the codes near the walls.
                    let padding = match c.head {
                        Head::SpatialSoftmax => kernel - 1,
                        Head::Flatten => kernel / 2,
                    };
                    let geometry = Geometry {
                        channels,
                        height,
                        width,
                        kernel,
                        stride,
                        padding,
                        upscale: 1,
                        precision: Precision::F32,
                    };
                    encoder.convolutions.push((
                        Layer::convolution(channels, outputs, kernel, RELU_GAIN, rng)?,
                        geometry,
                    ));
                    channels = outputs;
                    (height, width) = geometry.output();
                }
                if c.head == Head::SpatialSoftmax {
                    // Of an odd number of codes the last starts with the first coordinate of a map of its own.
                    let pairs = codes.div_ceil(2);
                    let geometry = Geometry {
                        channels,
                        height,
                        width,
                        kernel: 1,
                        stride: 1,
                        padding: 0,
                        upscale: 1,
                        precision: Precision::F32,
                    };
                    let mut maps = Layer::convolution(channels, pairs, 1, MAP_GAIN, rng)?;
                    let positive: Vec<f64> = maps.weight.to_f64().iter().map(|w| w.abs()).collect();
                    maps.weight = Param::new([channels, pairs], &positive)?;
                    encoder.maps = Some((maps, geometry));
                }
                &[]
            }
        };
        let mut inputs = if encoder.maps.is_some() {
            2 * codes.div_ceil(2)
        } else {
            channels * height * width
        };
        for &outputs in hidden {
            encoder
                .linears
                .push(Layer::linear(inputs, outputs, RELU_GAIN, rng)?);
            inputs = outputs;
        }
        let mut head = Layer::linear(inputs, 2 * codes, 1.0, rng)?;
        let mut weight = head.weight.to_f64();
        for (i, row) in weight.chunks_exact_mut(2 * codes).enumerate() {
            for (j, w) in row.iter_mut().enumerate() {
                if encoder.maps.is_some() {
                    *w = if i == j && j < codes {
                        COORDINATE_GAIN
                    } else {
                        0.0
                    };
                } else if j >= codes {
                    *w *= 0.1;
                }
            }
        }
        head.weight = Param::new([inputs, 2 * codes], &weight)?;
        let bias: Vec<f64> = (0..2 * codes)
            .map(|j| if j < codes { 0.0 } else { START_LOG_VAR })
            .collect();
        head.bias = Param::new([2 * codes], &bias)?;
        encoder.linears.push(head);
        Ok(encoder)
    }

    /// Takes what stands still in the training data off every frame. What moves is then seen on a background of exact zeros, which
    /// is also what the convolutions are padded with: they cannot tell where in the picture they are, so a spatial softmax gives
    /// codes that move with what moves, and cannot be bent to please the law of motion.
    ///
    /// # Errors
    /// A frame of another size.
    pub fn start_at(&mut self, background: &[F]) -> Result<()> {
        self.background.set(background)
    }

    /// What stands still, (C*H*W).
    pub fn background(&self) -> &[F] {
        self.background.values()
    }

    /// Starts the variances of codes that are the frames themselves there; others stay.
    ///
    /// # Errors
    /// None that can happen.
    pub fn start_variance(&mut self, variance: f64) -> Result<()> {
        match &mut self.log_var {
            Some(log_var) => {
                let start = vec![F::of(variance.ln()); log_var.values().len()];
                log_var.set(&start)
            }
            None => Ok(()),
        }
    }

    /// Frames (rows, C*H*W) with the background in place of every pixel that is not seen: nothing is there that differs from it.
    ///
    /// # Errors
    /// [`Error::Shape`] when mask or frames have another size.
    pub fn hide(&self, frames: &Mat<F>, seen: &[bool]) -> Result<Mat<F>> {
        let (rows, columns) = size(frames);
        let background = self.background.values();
        if columns != background.len() || seen.len() != rows * columns {
            return Err(Error::Shape(format!(
                "encoder: frames of {} values with a mask of as many expected, got {columns} and {} for {rows} frames",
                background.len(),
                seen.len()
            )));
        }
        let all = values(frames).iter().zip(seen).enumerate();
        let shown = all.map(|(i, (&v, &seen))| if seen { v } else { background[i % columns] });
        matrix(shown.collect(), rows, columns)
    }

    /// Frames (rows, C*H*W) less the background, channels-last: (rows, H*W*C). Frames are data, so no gradient flows back.
    fn moving<T: Tape<F, Cpu>>(&self, frames: Mat<F, T>) -> Result<Mat<F, T>> {
        let (frames, tape) = frames.split_tape();
        let (rows, columns) = size(&frames);
        let background = self.background.values();
        if columns != background.len() {
            return Err(Error::Shape(format!(
                "encoder: frames of {} values expected, got {columns}",
                background.len()
            )));
        }
        let mut moving = Vec::with_capacity(rows * columns);
        let pixels = columns / self.channels;
        for frame in values(&frames).chunks_exact(columns) {
            if self.channels == 1 {
                moving.extend(frame.iter().zip(background).map(|(&x, &m)| x - m));
            } else {
                let places = (0..columns).map(|i| i % self.channels * pixels + i / self.channels);
                moving.extend(places.map(|at| frame[at] - background[at]));
            }
        }
        Ok(matrix(moving, rows, columns)?.put_tape(tape))
    }

    /// (rows, C*H*W) to (rows, 2p): means, then log variances.
    ///
    /// # Errors
    /// [`Error::Shape`] when the frames have another size.
    pub fn forward<T: Tape<F, Cpu>>(&self, frames: Mat<F, T>) -> Result<Mat<F, T>> {
        if let Some(log_var) = &self.log_var {
            let (_, columns) = size(&frames);
            let codes = log_var.values().len();
            if columns != codes {
                return Err(Error::Shape(format!(
                    "encoder: frames of {codes} values expected, got {columns}"
                )));
            }
            return ops::beside(frames, log_var);
        }
        let x = self.moving(frames)?;
        self.after(x, false)
    }

    /// The same of frames that something made: the gradient flows back into them.
    ///
    /// # Errors
    /// [`Error::Shape`] when the frames have another size.
    pub fn forward_through<T: Track<F>>(&self, frames: Mat<F, T>) -> Result<Mat<F, T>> {
        if self.log_var.is_some() {
            return self.forward(frames);
        }
        let x = ops::moving_maps(&frames, &self.background, self.channels)?;
        self.after(x, true)
    }

    /// Layers after the background is taken off; a gradient for `x` itself only where it is to flow into frames.
    fn after<T: Tape<F, Cpu>>(&self, mut x: Mat<F, T>, into_frames: bool) -> Result<Mat<F, T>> {
        let mut first = !into_frames;
        for (layer, geometry) in &self.convolutions {
            x = ops::convolution(
                x,
                &layer.weight,
                &layer.bias,
                *geometry,
                Activation::Relu,
                !first,
            )?;
            first = false;
        }
        if let Some((layer, geometry)) = &self.maps {
            x = ops::convolution(
                x,
                &layer.weight,
                &layer.bias,
                *geometry,
                Activation::Identity,
                !first,
            )?;
            x = ops::planes(x, layer.weight.shape()[1])?;
            x = ops::spatial_softmax(x, layer.weight.shape()[1], geometry.height, geometry.width)?; // (rows, p)
        }
        for (i, layer) in self.linears.iter().enumerate() {
            let activation = if i + 1 < self.linears.len() {
                Activation::Relu
            } else {
                Activation::Identity
            };
            x = ops::linear(x, &layer.weight, &layer.bias, activation, !first)?;
            first = false;
        }
        Ok(x)
    }
}

impl<F: Float> Module<F> for Encoder<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        out.push((format!("{at}.background"), &mut self.background));
        for (i, (layer, _)) in self.convolutions.iter_mut().enumerate() {
            layer.parameters(format!("{at}.convolution.{i}"), out);
        }
        if let Some(log_var) = &mut self.log_var {
            out.push((format!("{at}.log_var"), log_var));
        }
        if let Some((layer, _)) = &mut self.maps {
            layer.parameters(format!("{at}.maps"), out);
        }
        for (i, layer) in self.linears.iter_mut().enumerate() {
            layer.parameters(format!("{at}.linear.{i}"), out);
        }
    }
}
