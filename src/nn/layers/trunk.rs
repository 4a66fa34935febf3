//! Frames to features: convolutions of stride 2.

use super::encoder::{Layer, RELU_GAIN};
use super::linear::Linear;
use crate::ops::{self, Activation, Geometry, Precision};
use crate::tensor::values;
use crate::{Error, Float, Mat, Module, Param, Result, Rng, Track};

/// Side of every kernel.
const KERNEL: usize = 3;

/// 3x3 convolutions of stride 2 with ReLU, each of which halves height and width, then one linear layer with ReLU:
/// frames (rows, C*H*W) to features (rows, n). What stands still in the data is taken off first.
#[derive(Clone, Debug)]
pub struct ConvTrunk<F: Float> {
    /// (C*H*W), not learned. Zeros until [`ConvTrunk::start_at`].
    background: Param<F>,
    convolutions: Vec<(Layer<F>, Geometry)>,
    linear: Linear<F>,
    /// Whether what the last maps hold wherever it is stands behind the features.
    pooled: bool,
}

/// What a trunk makes of frames.
#[derive(Clone, Debug)]
pub struct Features<F: Float, T> {
    /// The maps after every convolution, channels-last: (rows, h*w*c), for the skip connections of an
    /// [`Upsampler`](super::Upsampler).
    pub maps: Vec<Mat<F, T>>,
    /// (rows, n), with pooled maps (rows, n + 2c).
    pub vector: Mat<F, T>,
}

impl<F: Float> ConvTrunk<F> {
    /// For frames of (C, H, W), with `channels` after each convolution, usually 16, 32, 64.
    ///
    /// # Errors
    /// [`Error::Config`] for no or empty channels, or frames too small to be halved as often.
    pub fn new(
        frame: [usize; 3],
        channels: &[usize],
        features: usize,
        rng: &mut Rng,
    ) -> Result<Self> {
        let halvings = channels.len() as u32;
        let small = frame[1].min(frame[2]).checked_shr(halvings).unwrap_or(0) == 0;
        if channels.is_empty() || channels.contains(&0) || frame[0] == 0 || small {
            return Err(Error::Config(format!(
                "ConvTrunk: at least one positive number of channels, and frames that can be halved as often, expected, got \
                 {channels:?} for frames of {frame:?}"
            )));
        }
        let [mut inputs, mut height, mut width] = frame;
        let mut convolutions = Vec::new();
        for &outputs in channels {
            let geometry = Geometry {
                channels: inputs,
                height,
                width,
                kernel: KERNEL,
                stride: 2,
                padding: 1,
                upscale: 1,
                precision: Precision::F32,
            };
            let layer = Layer::convolution(inputs, outputs, KERNEL, RELU_GAIN, rng)?;
            convolutions.push((layer, geometry));
            inputs = outputs;
            (height, width) = geometry.output();
        }
        let flat = inputs * height * width;
        Ok(Self {
            background: Param::constant([frame.iter().product::<usize>()], 0.0)?.fixed(),
            convolutions,
            linear: Linear::new(flat, features, Activation::Relu, rng)?,
            pooled: false,
        })
    }

    /// The same with mean and largest value of each of the last c channels over all places behind the features: what is to be
    /// seen, wherever it is ([`ops::over_places`]).
    #[must_use]
    pub fn with_pooled(mut self) -> Self {
        self.pooled = true;
        self
    }

    /// Takes what stands still in the training data (C*H*W) off every frame: what moves is then seen on exact zeros,
    /// which is also what convolutions are padded with.
    ///
    /// # Errors
    /// [`Error::Shape`] for a frame of another size.
    pub fn start_at(&mut self, background: &[F]) -> Result<()> {
        self.background.set(background)
    }

    /// Features of frames that are data: no gradient is sent back to them, which spares the costliest step of all. The
    /// type of the frames, without a tape, says that there is none.
    ///
    /// # Errors
    /// [`Error::Shape`] when the frames have another size.
    pub fn forward<T: Track<F>>(&self, frames: &Mat<F>) -> Result<Mat<F, T>> {
        Ok(self.features(frames)?.vector)
    }

    /// The same with the maps between.
    ///
    /// # Errors
    /// [`Error::Shape`] when the frames have another size.
    pub fn features<T: Track<F>>(&self, frames: &Mat<F>) -> Result<Features<F, T>> {
        let channels = self.convolutions[0].1.channels;
        let maps = ops::moving_maps(frames, &self.background, channels)?;
        self.after(maps.retaped(), false)
    }

    /// Features of frames that something made: the gradient flows back into them.
    ///
    /// # Errors
    /// [`Error::Shape`] when the frames have another size.
    pub fn features_through<T: Track<F>>(&self, frames: &Mat<F, T>) -> Result<Features<F, T>> {
        let channels = self.convolutions[0].1.channels;
        let maps = ops::moving_maps(frames, &self.background, channels)?;
        self.after(maps, true)
    }

    fn after<T: Track<F>>(&self, mut x: Mat<F, T>, into_frames: bool) -> Result<Features<F, T>> {
        let mut maps = Vec::with_capacity(self.convolutions.len());
        for (i, (layer, geometry)) in self.convolutions.iter().enumerate() {
            let gradient = into_frames || i > 0;
            let relu = Activation::Relu;
            x = ops::convolution(x, &layer.weight, &layer.bias, *geometry, relu, gradient)?;
            maps.push(x.clone());
        }
        let mut vector = self.linear.forward(&x)?; // (rows, n)
        if self.pooled {
            let channels = self.convolutions.last();
            let channels = channels.map_or(0, |(layer, _)| layer.bias.values().len());
            vector = ops::concat(&[&vector, &ops::over_places(&x, channels)?])?;
        }
        Ok(Features { maps, vector })
    }

    /// Frames (rows, C*H*W) with the background in place of every pixel that is not seen.
    ///
    /// # Errors
    /// [`Error::Shape`] when mask or frames have another size.
    pub fn hide(&self, frames: &Mat<F>, seen: &[bool]) -> Result<Mat<F>> {
        let (rows, columns) = crate::tensor::size(frames);
        let background = self.background.values();
        if columns != background.len() || seen.len() != rows * columns {
            return Err(Error::Shape(format!(
                "ConvTrunk: frames of {} values with a mask of as many expected, got {columns} and {} for {rows} frames",
                background.len(),
                seen.len()
            )));
        }
        let all = values(frames).iter().zip(seen).enumerate();
        let shown = all.map(|(i, (&v, &seen))| if seen { v } else { background[i % columns] });
        crate::tensor::matrix(shown.collect(), rows, columns)
    }
}

impl<F: Float> Module<F> for ConvTrunk<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        out.push((format!("{at}.background"), &mut self.background));
        for (i, (layer, _)) in self.convolutions.iter_mut().enumerate() {
            layer.parameters(format!("{at}.convolution.{i}"), out);
        }
        self.linear.parameters(&format!("{at}.linear"), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Grad;
    use crate::check::{layer_gradients_agree, project, random, refuses, scattered};
    use crate::tensor::{backward, size};
    use rand::SeedableRng;

    fn trunk(frame: [usize; 3]) -> ConvTrunk<f64> {
        let mut rng = Rng::seed_from_u64(3);
        scattered(ConvTrunk::new(frame, &[3, 4], 5, &mut rng).unwrap())
    }

    #[test]
    fn every_convolution_halves_the_frame_also_where_sides_are_odd() {
        let trunk = trunk([2, 7, 8]);
        let features: Features<f64, Grad<f64>> = trunk.features(&random("x", 3, 112)).unwrap();
        let sizes: Vec<_> = features.maps.iter().map(size).collect();
        assert_eq!(sizes, [(3, 4 * 4 * 3), (3, 2 * 2 * 4)]);
        assert_eq!(size(&features.vector), (3, 5));
    }

    #[test]
    fn gradients_agree_with_finite_differences_also_in_the_frames() {
        layer_gradients_agree(
            "trunk",
            &random("x", 2, 2 * 6 * 6),
            trunk([2, 6, 6]),
            &|x, t: &ConvTrunk<f64>| {
                let features = t.features_through(x)?;
                ops::concat(&[&features.vector, &features.maps[0]]).map(project)
            },
        );
    }

    /// Frames that are data get none, and parameters the same gradient as with it.
    #[test]
    fn parameters_have_the_same_gradient_with_and_without_that_of_the_frames() {
        let (mut trunk, x) = (trunk([2, 6, 6]), random("x", 2, 72));
        let data: Mat<f64, Grad<f64>> = trunk.forward(&x).unwrap();
        let made = trunk
            .features_through(&x.retaped::<Grad<f64>>())
            .unwrap()
            .vector;
        let gradients = [data, made].map(|y| backward(project(y)).unwrap());
        let mut list = Vec::new();
        trunk.parameters("", &mut list);
        for (name, p) in list {
            let [a, b] = [0, 1].map(|i| p.gradient(&gradients[i]));
            assert_eq!(a, b, "{name}");
            assert!(p.is_fixed() || a.iter().any(|&g| g != 0.0), "{name}");
        }
        let [mut data, mut made] = gradients;
        assert!(data.get_or_alloc_mut(&x).unwrap().iter().all(|&g| g == 0.0));
        assert!(made.get_or_alloc_mut(&x).unwrap().iter().any(|&g| g != 0.0));
    }

    /// Steps of whole strides: 4 px, which two convolutions of stride 2 make one cell.
    #[test]
    fn pooled_maps_do_not_tell_where_something_is_and_come_behind_the_features() {
        let mut trunk = trunk([1, 16, 16]).with_pooled();
        // A background would tell places apart.
        trunk.start_at(&[0.0; 256]).unwrap();
        let dot = |column: usize| {
            let pixel = |i: usize| f64::from(u8::from(i == 6 * 16 + column));
            let x = crate::tensor::matrix((0..256).map(pixel).collect(), 1, 256).unwrap();
            let y: Mat<f64> = trunk.forward(&x).unwrap();
            values(&y).to_vec()
        };
        let (left, right) = (dot(5), dot(9));
        assert_eq!(left.len(), 5 + 2 * 4);
        crate::check::close("pooled", &left[5..], &right[5..], 1e-12);
        let moved = left[..5].iter().zip(&right[..5]);
        assert!(moved.map(|(a, b)| (a - b).abs()).sum::<f64>() > 1e-3);
    }

    #[test]
    fn what_is_not_seen_is_the_background() {
        let (trunk, x) = (trunk([1, 4, 4]), random("x", 2, 16));
        let mut seen = vec![true; 32];
        seen[17] = false;
        let shown = trunk.hide(&x, &seen).unwrap();
        assert_eq!(values(&shown)[17], trunk.background.values()[1]);
        assert_eq!(values(&shown)[..17], values(&x)[..17]);
        refuses(
            trunk.hide(&x, &[true; 31]),
            &["ConvTrunk", "16 values", "31"],
        );
    }

    #[test]
    fn wrong_settings_are_told() {
        let mut rng = Rng::seed_from_u64(3);
        let mut new =
            |frame, channels: &[usize]| ConvTrunk::<f64>::new(frame, channels, 5, &mut rng);
        refuses(
            new([1, 4, 8], &[3, 4, 5]),
            &["ConvTrunk", "halved", "[3, 4, 5]", "[1, 4, 8]"],
        );
        refuses(new([1, 8, 8], &[]), &["at least one"]);
        refuses(
            trunk([1, 4, 4]).forward::<Grad<f64>>(&random("x", 2, 15)),
            &["moving_maps", "16 values", "got 15"],
        );
    }
}
