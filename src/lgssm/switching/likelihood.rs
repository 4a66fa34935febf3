//! The log likelihood of a batch under a switching model, alone and with its gradient in every argument.

use super::adjoint::Adjoint;
use super::filter::Filter;
use super::{Hypotheses, Modes, ModesGradient, check};
use crate::Evaluation;
use crate::batch::Batch;
use crate::dispatch::{Job, dispatch};
use crate::gradients::Gradients;
use crate::model::{Lgssm, Roots};
use crate::{Error, Result};
use nalgebra::Dim;

/// Log likelihoods and their gradient, the modes' included.
#[derive(Clone, Debug, PartialEq)]
pub struct SwitchingEvaluation {
    /// Log likelihood of every sequence, and the gradient of their sum in all but the modes.
    pub evaluation: Evaluation,
    /// Gradient in the modes.
    pub modes: ModesGradient,
}

/// log p(a_0 .. a_{T-1}) of every sequence, nats, summed over frames, (B): see [the module](super) for the density.
///
/// # Errors
/// As [`crate::log_likelihood`]; [`Error::Shape`] for modes of other latent dimensions or a batch with per-step transitions.
pub fn log_likelihood(
    model: &Lgssm,
    modes: &Modes,
    hypotheses: Hypotheses,
    batch: &Batch,
) -> Result<Vec<f64>> {
    let roots = model.roots()?;
    check(model, modes, hypotheses, batch)?;
    let job = Likelihood {
        model,
        modes,
        hypotheses,
        batch,
        roots: &roots,
        gradients: None,
    };
    Ok(dispatch(model.latent, model.code, job)?.0)
}

/// [`log_likelihood`] and the gradient of its sum in every parameter, every code and everything given per step.
///
/// # Errors
/// As [`log_likelihood`].
pub fn log_likelihood_and_gradients(
    model: &Lgssm,
    modes: &Modes,
    hypotheses: Hypotheses,
    batch: &Batch,
) -> Result<SwitchingEvaluation> {
    let roots = model.roots()?;
    check(model, modes, hypotheses, batch)?;
    let mut gradients = (Gradients::zeros(model, batch), modes.zeros());
    let job = Likelihood {
        model,
        modes,
        hypotheses,
        batch,
        roots: &roots,
        gradients: Some(&mut gradients),
    };
    let (log_likelihood, increments) = dispatch(model.latent, model.code, job)?;
    let (gradients, modes) = gradients;
    gradients.check()?;
    for (name, values) in [
        ("matrices", &modes.matrices),
        ("offsets", &modes.offsets),
        ("directions", &modes.directions),
        ("biases", &modes.biases),
    ] {
        if let Some(i) = values.iter().position(|x| !x.is_finite()) {
            return Err(Error::Numeric(format!(
                "lgssm: gradient of modes.{name} is not finite: value {i} is {}",
                values[i]
            )));
        }
    }
    Ok(SwitchingEvaluation {
        evaluation: Evaluation {
            log_likelihood,
            increments,
            gradients,
        },
        modes,
    })
}

struct Likelihood<'a> {
    model: &'a Lgssm,
    modes: &'a Modes,
    hypotheses: Hypotheses,
    batch: &'a Batch<'a>,
    roots: &'a Roots,
    gradients: Option<&'a mut (Gradients, ModesGradient)>,
}

impl Job for Likelihood<'_> {
    /// Log likelihoods (B), and what every frame adds, (B, T).
    type Output = Result<(Vec<f64>, Vec<f64>)>;
    fn run<N: Dim, P: Dim>(mut self, n: N, p: P) -> Self::Output {
        let mut filter = Filter::new(self.batch.frames, n.value(), p.value());
        let mut adjoint = Adjoint::new(n.value(), p.value());
        let (mut all, mut increments) = (Vec::new(), Vec::new());
        for index in 0..self.batch.sequences {
            let sequence = self.batch.sequence(self.model, index);
            all.push(filter.run(
                (n, p),
                &sequence,
                self.roots,
                self.modes,
                self.hypotheses,
                None,
            )?);
            increments.extend_from_slice(&filter.increments);
            if let Some((gradients, of_modes)) = self.gradients.as_deref_mut() {
                adjoint.run((n, p), &sequence, &filter, self.modes, gradients, of_modes);
            }
        }
        Ok((all, increments))
    }
}
