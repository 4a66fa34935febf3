//! Adam with clipping by the global norm, over gradients of micro-batches added in a fixed order.

use super::tensor::out_of_memory;
use super::{Float, Param};
use crate::{Error, Result};
use dfdx::optim::AdamConfig;
use dfdx::prelude::{Cpu, Gradients};
use rayon::prelude::*;

/// Adam (Kingma & Ba 2015, algorithm 1): the update itself is dfdx's.
#[derive(Debug)]
pub struct Adam<F: Float> {
    config: AdamConfig,
    /// Updates so far.
    step: i32,
    first: Gradients<F, Cpu>,
    second: Gradients<F, Cpu>,
}

/// First and second moments of one parameter.
pub type Moments<F> = (Vec<F>, Vec<F>);

impl<F: Float> Adam<F> {
    /// With the usual decay rates 0.9 and 0.999.
    pub fn new() -> Self {
        Self {
            config: AdamConfig::default(),
            step: 0,
            first: Gradients::leaky(),
            second: Gradients::leaky(),
        }
    }

    /// One update with the gradient `sum over parts / scale`, clipped to `clip` in its global norm (a negative scale climbs instead
    /// of descending). Returns the norm before clipping.
    ///
    /// # Errors
    /// [`Error::Numeric`] names the parameter whose gradient is not finite; nothing is updated then.
    pub fn update(
        &mut self,
        parameters: Vec<(String, &mut Param<F>)>,
        parts: &mut [Gradients<F, Cpu>],
        scale: f64,
        clip: f64,
        learning_rate: f64,
    ) -> Result<f64> {
        let parameters: Vec<_> = parameters
            .into_iter()
            .filter(|(_, p)| !p.is_fixed())
            .collect();
        let (sum, rest) = parts.split_first_mut().ok_or_else(|| {
            Error::Shape("optimiser: at least one micro-batch expected, got none".into())
        })?;
        let mut square = 0.0;
        for (name, p) in &parameters {
            let total = sum.get_or_alloc_mut(&p.tensor).map_err(out_of_memory)?;
            let others = rest.iter_mut().map(|part| {
                let g = part.get_or_alloc_mut(&p.tensor).map_err(out_of_memory)?;
                Ok(&g[..])
            });
            add(total, &others.collect::<Result<Vec<_>>>()?);
            let norm: f64 = total.iter().map(|g| g.widen().powi(2)).sum();
            if !norm.is_finite() {
                return Err(Error::Numeric(format!("gradient of {name} is not finite")));
            }
            square += norm;
        }
        let norm = square.sqrt() / scale.abs();
        let shrink = if norm > clip { clip / norm } else { 1.0 };
        let factor = F::of(shrink / scale);
        self.step += 1;
        for (_, p) in parameters {
            let g = sum.get_or_alloc_mut(&p.tensor).map_err(out_of_memory)?;
            g.iter_mut().for_each(|g| *g *= factor);
            let first = self
                .first
                .get_or_alloc_mut(&p.tensor)
                .map_err(out_of_memory)?;
            let second = self
                .second
                .get_or_alloc_mut(&p.tensor)
                .map_err(out_of_memory)?;
            self.config.lr = learning_rate * p.rate();
            self.config
                .try_update(self.step, &mut p.tensor, first, second, g)
                .map_err(out_of_memory)?;
        }
        Ok(norm)
    }

    /// Updates so far.
    pub fn step(&self) -> usize {
        self.step.unsigned_abs() as usize
    }

    /// The moments of a parameter, for a checkpoint.
    ///
    /// # Errors
    /// Out of memory.
    pub fn moments(&mut self, p: &Param<F>) -> Result<Moments<F>> {
        let first = self
            .first
            .get_or_alloc_mut(&p.tensor)
            .map_err(out_of_memory)?
            .to_vec();
        let second = self
            .second
            .get_or_alloc_mut(&p.tensor)
            .map_err(out_of_memory)?
            .to_vec();
        Ok((first, second))
    }

    /// Goes on from a checkpoint.
    ///
    /// # Errors
    /// [`Error::Shape`] when the number of values differs from the parameter's.
    pub fn restore(&mut self, step: usize, p: &Param<F>, moments: &Moments<F>) -> Result<()> {
        self.step = i32::try_from(step)
            .map_err(|_| Error::Shape(format!("optimiser: step {step} is too large")))?;
        for (to, from) in [
            (&mut self.first, &moments.0),
            (&mut self.second, &moments.1),
        ] {
            let to = to.get_or_alloc_mut(&p.tensor).map_err(out_of_memory)?;
            if to.len() != from.len() {
                return Err(Error::Shape(format!(
                    "optimiser: {} moments expected, got {}",
                    to.len(),
                    from.len()
                )));
            }
            to.copy_from_slice(from);
        }
        Ok(())
    }
}

/// Values that one thread adds up at a time: few enough for their sums to stay in the nearest cache.
const PIECE: usize = 4096;

/// Adds every one of `others` to `total`, each value in their order, on all threads.
fn add<F: Float>(total: &mut [F], others: &[&[F]]) {
    total
        .par_chunks_mut(PIECE)
        .enumerate()
        .for_each(|(k, total)| {
            for other in others {
                let from = &other[k * PIECE..][..total.len()];
                total.iter_mut().zip(from).for_each(|(t, &g)| *t += g);
            }
        });
}

impl<F: Float> Default for Adam<F> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
