//! Frames that are not seen: which ones, what the model fills in, and what a line between the seen places would draw.

use crate::array::Array;
use crate::data::{DataConfig, Split};
use crate::error::{Error, Result};
use crate::experiment::EncodeSettings;
use crate::latents::Beliefs;
use crate::measure::interpolate::interpolated;
use crate::models::Model;
use crate::seeds::Seeds;
use rand::RngExt;
use simulators::{Trajectory, render};

/// The tests of missing frames: one a drop rate, then one a block.
pub(super) struct Missing<'a> {
    pub settings: &'a EncodeSettings,
    /// World and camera, to draw guesses with; none for imported data.
    pub data: Option<&'a DataConfig>,
    /// Frames of a sequence, T.
    pub steps: usize,
    pub split: &'a Split,
    pub seeds: Seeds,
}

impl Missing<'_> {
    /// Number of tests.
    pub fn tests(&self) -> usize {
        self.settings.drop_rates.len() + self.settings.blocks.len()
    }

    /// Which frames of sequence i are seen in test k: the first ones always; of the others each is dropped with the k-th rate, or
    /// those of the block right after the first ones are.
    pub fn seen(&self, k: usize, i: usize) -> Vec<bool> {
        let (steps, first) = (self.steps, self.settings.always_seen);
        if let Some(&rate) = self.settings.drop_rates.get(k) {
            let mut rng = self.seeds.stream(&format!("encode/drop/{k}"), i as u64);
            let draws = (0..steps).map(|_| rng.random::<f64>());
            return draws
                .enumerate()
                .map(|(t, u)| t < first || u >= rate)
                .collect();
        }
        let block = self.settings.blocks[k - self.settings.drop_rates.len()];
        (0..steps)
            .map(|t| t < first || t >= first + block)
            .collect()
    }

    /// What the model, smoothing and filtering, and trivial guesses fill in for the sequences `from..to` in test k, whose frames are seen
    /// where `mask` (B, T) says so. Nothing for a model that believes nothing in time.
    pub fn filled(
        &self,
        model: &dyn Model<f32>,
        beliefs: [Beliefs; 2],
        (k, mask): (usize, &[bool]),
        (from, to): (usize, usize),
    ) -> Result<Beliefs> {
        let shape = [to - from, self.steps];
        let frames = |values: Vec<f64>| Array::new(shape, values);
        let mut out = Beliefs::default();
        // Wrong pixels are of pictures.
        let vectors = self.split.scale().is_some();
        let first = model.latents().into_iter().find(|latent| latent.in_time);
        let Some(first) = first else {
            return Ok(out);
        };
        for (name, beliefs) in ["", "filtered_"].iter().zip(beliefs) {
            let Some(states) = beliefs.get(&first.name) else {
                continue;
            };
            let states = states.clone();
            out.insert(format!("imputed_{name}{k}"), &Beliefs::STATES, states)?;
            if vectors {
                continue;
            }
            let wrong = self.wrong(&bright(&model.decode(&beliefs)?), (from, to));
            let name = format!("wrong_pixels_{name}{k}");
            out.insert(name, &Beliefs::FRAMES, frames(wrong)?)?;
        }
        let mask: Vec<f64> = mask.iter().map(|&s| f64::from(u8::from(s))).collect();
        if let Some(data) = self.data.filter(|_| !vectors) {
            let drawn = self.line(data, &mask, (from, to))?;
            let wrong = frames(self.wrong(&drawn, (from, to)))?;
            out.insert(format!("wrong_pixels_line_{k}"), &Beliefs::FRAMES, wrong)?;
        }
        out.insert(format!("mask_{k}"), &Beliefs::FRAMES, frames(mask)?)?;
        Ok(out)
    }

    /// Share of pixels of every frame on the wrong side of 1/2.
    pub fn wrong(&self, bright: &[bool], (from, to): (usize, usize)) -> Vec<f64> {
        let truth: Vec<bool> = (from..to)
            .flat_map(|i| self.split.frames(i))
            .map(|&x| x > 127)
            .collect();
        let side = truth.len() / ((to - from) * self.steps).max(1);
        let frames = bright.chunks_exact(side).zip(truth.chunks_exact(side));
        frames
            .map(|(a, b)| a.iter().zip(b).filter(|(a, b)| a != b).count() as f64 / side as f64)
            .collect()
    }

    /// Frames with the body on a line between the true places of the nearest seen frames.
    fn line(
        &self,
        data: &DataConfig,
        mask: &[f64],
        (from, to): (usize, usize),
    ) -> Result<Vec<bool>> {
        let (n, steps) = (to - from, self.steps);
        let states: Vec<f64> = (from..to)
            .flat_map(|i| self.split.states(i))
            .copied()
            .collect();
        let width = states.len() / (n * steps).max(1);
        let guess = interpolated(
            &Array::new([n, steps, width], states)?,
            &Array::new([n, steps], mask.to_vec())?,
        );
        let world = data.world()?;
        let simulator = &*world;
        let mut out = Vec::new();
        for i in from..to {
            // What was drawn of the looks stands after them.
            let physical = simulator.parameter_columns().len();
            let motion = Trajectory {
                states: guess.row(i - from).to_vec(),
                parameters: self.split.parameters(i)[..physical].to_vec(),
                ..Trajectory::default()
            };
            let frames = render(simulator, &motion, &data.video)
                .map_err(|e| Error::Numeric(format!("encode: sequence {i}: {e}")))?;
            out.extend(frames.into_iter().map(|x| x > 127));
        }
        Ok(out)
    }
}

/// Pixels above 1/2.
pub(super) fn bright(pixels: &[f32]) -> Vec<bool> {
    pixels.iter().map(|&p| p > 0.5).collect()
}
