//! The filter one frame at a time: a code comes in, the filtered belief is returned.

use super::filter::Filter;
use super::infer::{filtered_modes, filtered_moments};
use super::{Hypotheses, Modes, check};
use crate::batch::Batch;
use crate::dispatch::{Job, dispatch};
use crate::model::Roots;
use crate::{Error, Lgssm, Result};
use nalgebra::Dim;

/// A filter on its way. After every frame it holds at most [`Hypotheses::most`] states, however long it runs, and believes what
/// [`super::infer`] does of the same codes, to the last bit; with the modes [of one law](Modes::of_law) what [`crate::infer`] does.
pub struct Online {
    model: Lgssm,
    modes: Modes,
    hypotheses: Hypotheses,
    roots: Roots,
    filter: Filter,
    begun: bool,
}

/// What is believed of the last frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Now {
    /// m_{t|t}, (n).
    pub mean: Vec<f64>,
    /// P_{t|t}, (n, n).
    pub cov: Vec<f64>,
    /// p(s_t = k | a_0 .. a_t), (K); zero at the first frame, which no mode leads to.
    pub modes: Vec<f64>,
    /// log p(a_t | a_0 .. a_{t-1}), nats; 0 where the code is missing.
    pub log_density: f64,
}

impl Online {
    /// Before the first frame.
    ///
    /// # Errors
    /// As [`super::log_likelihood`].
    pub fn new(model: Lgssm, modes: Modes, hypotheses: Hypotheses) -> Result<Self> {
        let roots = model.roots()?;
        let nothing = vec![0.0; model.code];
        check(&model, &modes, hypotheses, &Batch::new(&nothing, 1, 1))?;
        let filter = Filter::new(1, model.latent, model.code);
        Ok(Self {
            model,
            modes,
            hypotheses,
            roots,
            filter,
            begun: false,
        })
    }

    /// The law, or what its modes have in common.
    pub fn model(&self) -> &Lgssm {
        &self.model
    }

    /// Back to before the first frame.
    pub fn restart(&mut self) {
        self.begun = false;
        self.filter.branches.clear();
        self.filter.starts.clear();
    }

    /// The next frame: its code (p), or nothing where it is not seen.
    ///
    /// # Errors
    /// [`Error::Shape`] for a code of another size; [`Error::Numeric`] where a moment is no longer finite, after which it is before
    /// the first frame again.
    pub fn step(&mut self, code: Option<&[f64]>) -> Result<Now> {
        let p = self.model.code;
        if let Some(got) = code.map(<[f64]>::len).filter(|&got| got != p) {
            return Err(Error::Shape(format!(
                "online filter: a code of {p} values expected, got {got}"
            )));
        }
        // The filter's arrays begin at the frame before.
        let t = usize::from(self.begun);
        let mut codes = vec![0.0; t * p];
        codes.extend_from_slice(code.unwrap_or(&vec![0.0; p]));
        let seen: Vec<bool> = (0..=t).map(|i| i < t || code.is_some()).collect();
        if self.begun {
            self.filter.forget(self.model.latent);
        }
        let (latent, code) = (self.model.latent, self.model.code);
        let step = Step {
            online: self,
            t,
            codes: &codes,
            seen: &seen,
        };
        let now = dispatch(latent, code, step);
        match now {
            Ok(_) => self.begun = true,
            Err(_) => self.restart(),
        }
        now
    }
}

struct Step<'a> {
    online: &'a mut Online,
    t: usize,
    codes: &'a [f64],
    seen: &'a [bool],
}

impl Job for Step<'_> {
    type Output = Result<Now>;
    fn run<N: Dim, P: Dim>(self, n: N, p: P) -> Self::Output {
        let (t, online) = (self.t, self.online);
        let batch = Batch {
            frame_mask: Some(self.seen),
            ..Batch::new(self.codes, 1, t + 1)
        };
        let sequence = batch.sequence(&online.model, 0);
        let (filter, size) = (&mut online.filter, n.value());
        let (roots, modes) = (&online.roots, &online.modes);
        filter.step(
            (n, p),
            t,
            &sequence,
            roots,
            (modes, online.hypotheses),
            None,
        )?;
        filter.starts.push(filter.branches.len());
        let mut now = Now {
            mean: vec![0.0; size],
            cov: vec![0.0; size * size],
            modes: vec![0.0; modes.count()],
            log_density: filter.increments.last().copied().unwrap_or(0.0),
        };
        filtered_moments(filter, t, size).write(&mut now.mean, &mut now.cov);
        if t > 0 {
            filtered_modes(filter, t, &mut now.modes);
        }
        filter.starts.pop();
        Ok(now)
    }
}
