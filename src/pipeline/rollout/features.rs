//! What I3D sees of one context: the seen frames with a sample after them, with the true future, and with it spoiled.

use super::context::Part1;
use crate::error::Result;
use crate::latents::{I3D_CLIPS, RolloutInfo};
use crate::measure::i3d::I3d;
use crate::seeds::Rng;
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_distr::StandardNormal;

/// Standard deviation of the noise on every pixel of the noisy clip, of a range of 1.
const NOISE: f32 = 0.1;

/// Frames of one context, in [0, 1].
pub(super) struct Clips<'a> {
    pub info: &'a RolloutInfo,
    /// (seen, C, H, W).
    pub seen: &'a [f32],
    /// (H, C, H, W), where the model drew something.
    pub sample: Option<&'a [f32]>,
    /// (H, C, H, W).
    pub truth: &'a [f32],
}

impl Clips<'_> {
    /// Logits of the clips of [`I3D_CLIPS`]; NaN for what is not asked: in the first half of the contexts, which true clips
    /// alone are taken from, and where the model drew nothing.
    ///
    /// # Errors
    /// Frames that the network can't take.
    pub fn logits(&self, network: &I3d, context: usize, rng: &mut Rng) -> Result<Part1<f32>> {
        let [c, h, w] = self.info.frame_shape;
        let size = c * h * w;
        let frames = self.info.seen + self.info.horizon;
        let ask = |future: &[f32]| -> Result<Vec<f64>> {
            network.logits(&[self.seen, future].concat(), [frames, c, h, w])
        };
        let truth = ask(self.truth)?;
        let mut all = vec![f32::NAN; I3D_CLIPS.len() * truth.len()];
        let mut put = |row: usize, logits: &[f64]| {
            let own = &mut all[row * truth.len()..][..logits.len()];
            (own.iter_mut().zip(logits)).for_each(|(to, &from)| *to = from as f32);
        };
        put(1, &truth);
        if context >= self.info.contexts / 2 {
            if let Some(sample) = self.sample {
                put(0, &ask(sample)?);
            }
            let last = &self.seen[self.seen.len() - size..];
            put(2, &ask(&last.repeat(self.info.horizon))?);
            let mut order: Vec<usize> = (0..self.info.horizon).collect();
            order.shuffle(rng);
            let shuffled = order
                .iter()
                .flat_map(|&t| &self.truth[t * size..(t + 1) * size]);
            put(3, &ask(&shuffled.copied().collect::<Vec<f32>>())?);
            let noisy = self.truth.iter().map(|&v| {
                let noise: f32 = rng.sample(StandardNormal);
                (v + NOISE * noise).clamp(0.0, 1.0)
            });
            put(4, &ask(&noisy.collect::<Vec<f32>>())?);
        }
        Ok(("i3d", vec![I3D_CLIPS.len(), truth.len()], all))
    }
}
