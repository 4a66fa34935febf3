//! The forward pass of one sequence: the square-root filter of [`crate::lgssm`], each transition chosen as it goes.

use super::Gate;
use crate::Result;
use crate::lgssm::batch::Sequence;
use crate::lgssm::filter::{Gains, Means, Step};
use crate::lgssm::model::Roots;
use nalgebra::Dim;

/// The filter of one sequence and the transitions that it chose.
pub(super) struct Filter {
    pub gains: Gains,
    pub means: Means,
    /// A_t, (T, n, n); zero at t = 0, where nothing is chosen.
    pub matrices: Vec<f64>,
    /// b_t, (T, n); zero at t = 0.
    pub offsets: Vec<f64>,
}

impl Filter {
    pub(super) fn new(frames: usize, n: usize, p: usize) -> Self {
        Self {
            gains: Gains::new(frames, n, p),
            means: Means::new(frames, n, p),
            matrices: vec![0.0; frames * n * n],
            offsets: vec![0.0; frames * n],
        }
    }

    /// Runs over one sequence; returns its exact log likelihood, nats, summed over frames. With `first` (n) the transition into
    /// frame 1 is chosen from that state instead of the filtered mean: a hypothesis about frame 0.
    ///
    /// # Errors
    /// [`crate::Error::Numeric`] names sequence and step where a moment is no longer finite.
    pub(super) fn run<N: Dim, P: Dim>(
        &mut self,
        (n, p): (N, P),
        sequence: &Sequence,
        roots: &Roots,
        gate: &dyn Gate,
        first: Option<&[f64]>,
    ) -> Result<f64> {
        let size = n.value();
        let mut log_likelihood = 0.0;
        for t in 0..sequence.batch.frames {
            let matrix = &mut self.matrices[t * size * size..][..size * size];
            let offset = &mut self.offsets[t * size..][..size];
            if t > 0 {
                let mean = &self.means.filtered[(t - 1) * size..][..size];
                let from = first.filter(|_| t == 1).unwrap_or(mean);
                gate.transition(from, matrix, offset);
            }
            let step = Step::frame(t);
            self.gains.predict(n, matrix, sequence, roots, step)?;
            self.means.predict(n, matrix, offset, sequence, step);
            self.gains.update((n, p), sequence, roots, step)?;
            log_likelihood += self.means.update((n, p), sequence, &self.gains, step)?;
        }
        Ok(log_likelihood)
    }
}
