//! What a model believes of the world now, from the pictures it has seen and the actions that were taken.

use crate::array::Array;
use crate::error::{Error, Result};
use crate::latents::{Axis, Beliefs, Given, Named};
use crate::measure::input_law::InputLaw;
use crate::models::{Actions, Clips, Model, Query};
use crate::seeds::Rng;
use lgssm::{Batch, Inputs, Lgssm};
use nalgebra::{DMatrix, DVector};
use nn::tensor::matrix;

/// A filter that is shown one frame after the other.
///
/// Of a model with one linear law it keeps the codes of the frames and runs the exact filter over them, and of one that
/// [follows](Model::follow) the last belief: a frame is looked at once. Any other model is asked anew about all frames
/// so far.
pub struct Watcher<'a> {
    model: &'a dyn Model<f32>,
    /// Components of an action.
    actions: usize,
    law: Option<(Lgssm, Vec<f64>)>,
    /// The last belief of a model that follows.
    last: Option<Beliefs>,
    /// Pixels in [0, 1] of all frames so far; codes of them where there is a law.
    seen: Vec<f32>,
    codes: Vec<f64>,
    frames: usize,
    /// (frames - 1, k).
    acted: Vec<f64>,
}

impl<'a> Watcher<'a> {
    /// Nothing is seen yet.
    pub fn new(model: &'a dyn Model<f32>, actions: usize) -> Self {
        Self {
            model,
            actions,
            law: law(model),
            last: None,
            seen: Vec::new(),
            codes: Vec::new(),
            frames: 0,
            acted: Vec::new(),
        }
    }

    /// The belief about a new frame (C, H, W), before which `acted` (k) was done (nothing before the first): arrays of
    /// one clip of one frame, or of all frames so far where the model [remembers them](Model::remembers_all), from which
    /// [`Model::rollout`] goes on.
    ///
    /// # Errors
    /// A frame or an action of another size; a covariance that lost positive definiteness.
    pub fn see(&mut self, frame: &[u8], acted: &[f64], rng: &mut Rng) -> Result<Beliefs> {
        let expected = if self.frames == 0 { 0 } else { self.actions };
        if acted.len() != expected {
            return Err(Error::Shape(format!(
                "control: an action of {expected} components before frame {} expected, got {}",
                self.frames,
                acted.len()
            )));
        }
        self.frames += 1;
        self.acted.extend_from_slice(acted);
        let pixels: Vec<f32> = frame.iter().map(|&v| f32::from(v) / 255.0).collect();
        match (&self.law, self.model.state_space()) {
            (Some((law, input)), Some(space)) => {
                let size = pixels.len();
                self.codes
                    .extend(space.encode(&matrix(pixels, 1, size)?)?.mean);
                self.filtered(law, input)
            }
            _ => {
                if let Some(found) = self.followed(&pixels, acted)? {
                    self.last = Some(found.clone());
                    return Ok(found);
                }
                self.seen.extend(pixels);
                self.asked(rng)
            }
        }
    }

    /// By the model, from its last belief.
    fn followed(&self, pixels: &[f32], acted: &[f64]) -> Result<Option<Beliefs>> {
        let own = match self.frames {
            1 => vec![0.0; self.actions],
            _ => acted.to_vec(),
        };
        let clips = Clips {
            frames: matrix(pixels.to_vec(), 1, pixels.len())?,
            sequences: 1,
            steps: 1,
            seen: None,
            actions: Some(Actions {
                size: self.actions,
                values: own,
            }),
            rewards: None,
        };
        self.model.follow(self.last.as_ref(), &clips)
    }

    /// By the exact filter over the codes so far.
    fn filtered(&self, law: &Lgssm, input: &[f64]) -> Result<Beliefs> {
        let (n, steps) = (law.latent, self.frames);
        // Entry t is what acted before frame t; entry 0 is not read.
        let values = [vec![0.0; self.actions], self.acted.clone()].concat();
        let inputs = Inputs {
            size: self.actions,
            matrix: input,
            values: &values,
        };
        let offsets = inputs.offsets(law, 1, steps)?;
        let batch = Batch {
            transition_offsets: Some(&offsets),
            ..Batch::new(&self.codes, 1, steps)
        };
        let found = lgssm::infer(law, &batch)?;
        let last = |values: &[f64], size: usize| values[(steps - 1) * size..].to_vec();
        let mut out = Beliefs::default();
        let mean = Array::new([1, 1, n], last(&found.filtered_mean, n))?;
        out.insert("z", &Beliefs::STATES, mean)?;
        let cov = Array::new([1, 1, n, n], last(&found.filtered_cov, n * n))?;
        out.insert("z_cov", &Beliefs::COVARIANCES, cov)?;
        Ok(out)
    }

    /// By the model itself.
    fn asked(&self, rng: &mut Rng) -> Result<Beliefs> {
        let steps = self.frames;
        let size = self.seen.len() / steps;
        let clips = Clips {
            frames: matrix(self.seen.clone(), steps, size)?,
            sequences: 1,
            steps,
            seen: None,
            actions: Some(Actions {
                size: self.actions,
                // The last row acts on nothing that is seen.
                values: [self.acted.clone(), vec![0.0; self.actions]].concat(),
            }),
            rewards: None,
        };
        let found = self
            .model
            .infer(&clips, &[Query::about(Given::UpTo)], rng)?;
        if self.model.remembers_all() {
            return Ok(found.into_iter().next().unwrap_or_default());
        }
        let mut out = Beliefs::default();
        for (name, Named { axes, array }) in found.iter().flat_map(Beliefs::iter) {
            if axes.get(..2) != Some(&[Axis::Clip, Axis::Frame]) {
                continue;
            }
            let mut shape = array.shape().to_vec();
            shape[1] = 1;
            let row = array.data().len() / steps;
            let last = array.data()[(steps - 1) * row..].to_vec();
            out.insert(name, axes, Array::new(shape, last)?)?;
        }
        Ok(out)
    }
}

/// The linear law of a model that has one with inputs, and its B.
fn law(model: &dyn Model<f32>) -> Option<(Lgssm, Vec<f64>)> {
    let space = model.state_space()?;
    Some((space.law()?, space.input_matrix()?))
}

/// The same for a controller: z_{t+1} = A z_t + B u_t + b.
pub fn input_law(model: &dyn Model<f32>) -> Option<InputLaw> {
    let (law, input) = law(model)?;
    let n = law.latent;
    Some(InputLaw {
        state: DMatrix::from_row_slice(n, n, &law.transition_matrix),
        input: DMatrix::from_row_slice(n, input.len() / n, &input),
        offset: DVector::from_row_slice(&law.transition_offset),
    })
}

/// One belief as that of so many clips.
///
/// # Errors
/// [`Error::Shape`] for a belief that is not one of one clip.
pub fn repeated(belief: &Beliefs, clips: usize) -> Result<Beliefs> {
    let mut out = Beliefs::default();
    for (name, Named { axes, array }) in belief.iter() {
        let mut shape = array.shape().to_vec();
        if axes.first() != Some(&Axis::Clip) || shape[0] != 1 {
            return Err(Error::Shape(format!(
                "{name}: one clip expected, got axes {axes:?} of {shape:?}"
            )));
        }
        shape[0] = clips;
        out.insert(name, axes, Array::new(shape, array.data().repeat(clips))?)?;
    }
    Ok(out)
}
