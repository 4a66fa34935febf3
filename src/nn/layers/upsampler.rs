//! Features to frames: sub-pixel convolutions that double height and width.

use super::encoder::{Layer, RELU_GAIN};
use super::linear::Linear;
use crate::ops::{self, Activation, Geometry, Precision};
use crate::{Error, Float, Mat, Module, Param, Result, Rng, Track};

/// Side of every kernel.
const KERNEL: usize = 3;
/// Weights of the last convolution at the start: frames begin at the mean of the data, whatever the features are.
const START: f64 = 0.1;

/// A linear layer with ReLU to small maps, then 3x3 sub-pixel convolutions, each of which doubles height and width,
/// with ReLU between: features (rows, n) to frames (rows, C*H*W): logits of pixels, or means, added to those that it
/// starts from.
#[derive(Clone, Debug)]
pub struct Upsampler<F: Float> {
    linear: Linear<F>,
    doublings: Vec<(Layer<F>, Geometry)>,
    /// To four sub-pixels of every channel of the frame.
    last: (Layer<F>, Geometry),
    /// (C*H*W), not learned. Zeros until [`Upsampler::start_at`].
    start: Param<F>,
    frame: [usize; 3],
    /// Channels that come in from the side before every convolution, 0 for none.
    skips: Vec<usize>,
}

impl<F: Float> Upsampler<F> {
    /// For frames of (C, H, W), with `channels` before each doubling, usually 64, 32, 16.
    ///
    /// # Errors
    /// [`Error::Config`] for no or empty channels, or sides that are not multiples of 2^doublings.
    pub fn new(
        inputs: usize,
        channels: &[usize],
        frame: [usize; 3],
        rng: &mut Rng,
    ) -> Result<Self> {
        Self::with_skips(inputs, channels, frame, &vec![0; channels.len()], rng)
    }

    /// The same where maps of `skips` channels come in before each doubling: those of a trunk's
    /// [`Features`](super::Features) in reverse order, `[64, 32, 16]` of a trunk of 16, 32, 64.
    ///
    /// # Errors
    /// [`Error::Config`] as [`Upsampler::new`], or for another number of skips than of doublings.
    pub fn with_skips(
        inputs: usize,
        channels: &[usize],
        frame: [usize; 3],
        skips: &[usize],
        rng: &mut Rng,
    ) -> Result<Self> {
        let scale = 1usize.checked_shl(channels.len() as u32).unwrap_or(0);
        let fits = scale > 1 && frame[1].is_multiple_of(scale) && frame[2].is_multiple_of(scale);
        if !fits || channels.contains(&0) || frame.contains(&0) || skips.len() != channels.len() {
            return Err(Error::Config(format!(
                "Upsampler: positive numbers of channels, as many skips, and sides that can be halved as often, expected, got \
                 {channels:?} and {skips:?} for frames of {frame:?}"
            )));
        }
        let (height, width) = (frame[1] / scale, frame[2] / scale);
        let geometry = |stage: usize, last: bool| Geometry {
            channels: channels[stage] + skips[stage],
            height: height << stage,
            width: width << stage,
            kernel: KERNEL,
            stride: 1,
            padding: 1,
            // The last one's pixels are put in their planes at once.
            upscale: if last { 1 } else { 2 },
            precision: Precision::F32,
        };
        let linear = Linear::new(inputs, channels[0] * height * width, Activation::Relu, rng)?;
        let mut doublings = Vec::new();
        for stage in 0..channels.len() - 1 {
            let geometry = geometry(stage, false);
            let outputs = 4 * channels[stage + 1];
            let layer = Layer::convolution(geometry.channels, outputs, KERNEL, RELU_GAIN, rng)?;
            doublings.push((layer, geometry));
        }
        let geometry = geometry(channels.len() - 1, true);
        let last = Layer::convolution(geometry.channels, 4 * frame[0], KERNEL, START, rng)?;
        Ok(Self {
            linear,
            doublings,
            last: (last, geometry),
            start: Param::constant([frame.iter().product::<usize>()], 0.0)?.fixed(),
            frame,
            skips: skips.to_vec(),
        })
    }

    /// Starts every frame at these values (C*H*W), usually the mean of the training data: as logits or as means of
    /// pixels.
    ///
    /// # Errors
    /// [`Error::Shape`] for a frame of another size.
    pub fn start_at(&mut self, outputs: &[F]) -> Result<()> {
        self.start.set(outputs)
    }

    /// Features (rows, n) to frames (rows, C*H*W).
    ///
    /// # Errors
    /// [`Error::Shape`] when x has another number of columns, or maps were to come in.
    pub fn forward<T: Track<F>>(&self, x: &Mat<F, T>) -> Result<Mat<F, T>> {
        self.forward_with(x, &[])
    }

    /// The same with maps from the side, channels-last, in the order of the doublings: `features.maps` in reverse.
    ///
    /// # Errors
    /// [`Error::Shape`] when x or the maps do not fit.
    pub fn forward_with<T: Track<F>>(
        &self,
        x: &Mat<F, T>,
        maps: &[Mat<F, T>],
    ) -> Result<Mat<F, T>> {
        let wanted = self.skips.iter().filter(|&&c| c > 0).count();
        if maps.len() != wanted {
            return Err(Error::Shape(format!(
                "Upsampler: {wanted} maps from the side expected, got {}",
                maps.len()
            )));
        }
        let mut maps = maps.iter();
        let mut x = self.linear.forward(x)?;
        let all = self.doublings.iter().chain([&self.last]).zip(&self.skips);
        for (stage, ((layer, geometry), &skip)) in all.enumerate() {
            if skip > 0
                && let Some(map) = maps.next()
            {
                x = ops::concat_channels(&x, map, geometry.height * geometry.width)?;
            }
            let activation = match stage == self.doublings.len() {
                true => Activation::Identity,
                false => Activation::Relu,
            };
            x = ops::convolution(x, &layer.weight, &layer.bias, *geometry, activation, true)?;
        }
        ops::doubled_planes(&x, &self.start, self.frame) // (rows, C*H*W)
    }
}

impl<F: Float> Module<F> for Upsampler<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        self.linear.parameters(&format!("{at}.linear"), out);
        for (i, (layer, _)) in self.doublings.iter_mut().enumerate() {
            layer.parameters(format!("{at}.doubling.{i}"), out);
        }
        self.last.0.parameters(format!("{at}.last"), out);
        out.push((format!("{at}.start"), &mut self.start));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{close, layer_gradients_agree, project, random, refuses, scattered};
    use crate::layers::ConvTrunk;
    use crate::tensor::{matrix, size, values};
    use rand::SeedableRng;

    fn rng() -> Rng {
        Rng::seed_from_u64(3)
    }

    #[test]
    fn frames_start_at_the_mean() {
        let mut decoder = Upsampler::<f64>::new(4, &[6, 5], [2, 8, 12], &mut rng()).unwrap();
        let mean: Vec<f64> = (0..192).map(|i| f64::from(i) / 100.0).collect();
        decoder.start_at(&mean).unwrap();
        let y = decoder
            .forward(&matrix(vec![0.0; 8], 2, 4).unwrap())
            .unwrap();
        assert_eq!(size(&y), (2, 192));
        close("start", values(&y), &mean.repeat(2), 1e-15);
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        let decoder = scattered(Upsampler::new(3, &[3, 2], [2, 8, 4], &mut rng()).unwrap());
        let x = random("x", 2, 3);
        layer_gradients_agree("upsampler", &x, decoder, &|x, d: &Upsampler<f64>| {
            d.forward(x).map(project)
        });
    }

    /// Frames through the trunk and its maps to frames again: gradients through every skip.
    #[test]
    fn gradients_through_skips_agree_with_finite_differences() {
        let frame = [2, 8, 4];
        let trunk = scattered(ConvTrunk::new(frame, &[2, 3], 3, &mut rng()).unwrap());
        let decoder = Upsampler::with_skips(3, &[3, 2], frame, &[3, 2], &mut rng()).unwrap();
        let decoder = scattered(decoder);
        layer_gradients_agree("skips", &random("x", 2, 64), decoder, &|x,
                                                                       d: &Upsampler<
            f64,
        >| {
            let mut features = trunk.features_through(x)?;
            features.maps.reverse();
            d.forward_with(&features.vector, &features.maps)
                .map(project)
        });
    }

    #[test]
    fn wrong_settings_are_told() {
        let new = |channels: &[usize], frame| Upsampler::<f64>::new(4, channels, frame, &mut rng());
        refuses(
            new(&[8, 4], [1, 6, 8]),
            &["Upsampler", "[8, 4]", "[1, 6, 8]"],
        );
        refuses(new(&[], [1, 8, 8]), &["Upsampler", "[]"]);
        let decoder = Upsampler::<f64>::with_skips(4, &[3], [1, 4, 4], &[2], &mut rng()).unwrap();
        refuses(decoder.forward(&random("x", 2, 4)), &["1 maps", "got 0"]);
        let map = random("map", 2, 7);
        refuses(
            decoder.forward_with(&random("x", 2, 4), &[map]),
            &["concat_channels", "4 places", "(2, 7)"],
        );
    }
}
