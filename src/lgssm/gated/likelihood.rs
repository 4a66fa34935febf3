//! The exact log likelihood of a batch under a gated transition, alone and with its gradient in every argument.

use super::adjoint::Adjoint;
use super::filter::Filter;
use super::{Gate, check};
use crate::lgssm::Evaluation;
use crate::lgssm::batch::Batch;
use crate::lgssm::dispatch::{Job, dispatch};
use crate::lgssm::gradients::Gradients;
use crate::lgssm::model::{Lgssm, Roots};
use crate::{Error, Result};
use nalgebra::Dim;

/// Log likelihoods and their gradient, the gate's included.
#[derive(Clone, Debug, PartialEq)]
pub struct GatedEvaluation {
    /// Log likelihood of every sequence, and the gradient of their sum in all but the gate. What flows through the gate is in it.
    pub evaluation: Evaluation,
    /// Gradient in the gate's parameters, in their order.
    pub gate: Vec<f64>,
}

/// Exact log p(a_0 .. a_{T-1}) of every sequence, nats, summed over frames, (B).
///
/// # Errors
/// As [`crate::lgssm::log_likelihood`]; [`Error::Shape`] for a gate of other latent dimensions or a batch with per-step transitions.
pub fn log_likelihood(model: &Lgssm, gate: &dyn Gate, batch: &Batch) -> Result<Vec<f64>> {
    let roots = model.roots()?;
    check(model, gate, batch)?;
    let job = Likelihood {
        model,
        gate,
        batch,
        roots: &roots,
        gradients: None,
    };
    dispatch(model.latent, model.code, job)
}

/// [`log_likelihood`] and the gradient of its sum in every parameter, every code and everything given per step.
///
/// # Errors
/// As [`log_likelihood`].
pub fn log_likelihood_and_gradients(
    model: &Lgssm,
    gate: &dyn Gate,
    batch: &Batch,
) -> Result<GatedEvaluation> {
    let roots = model.roots()?;
    check(model, gate, batch)?;
    let mut gradients = (
        Gradients::zeros(model, batch),
        vec![0.0; gate.parameters().len()],
    );
    let job = Likelihood {
        model,
        gate,
        batch,
        roots: &roots,
        gradients: Some(&mut gradients),
    };
    let log_likelihood = dispatch(model.latent, model.code, job)?;
    let (gradients, gate) = gradients;
    gradients.check()?;
    if let Some(i) = gate.iter().position(|x| !x.is_finite()) {
        return Err(Error::Numeric(format!(
            "lgssm: gradient of the gate is not finite: value {i} is {}",
            gate[i]
        )));
    }
    Ok(GatedEvaluation {
        evaluation: Evaluation {
            log_likelihood,
            gradients,
        },
        gate,
    })
}

struct Likelihood<'a> {
    model: &'a Lgssm,
    gate: &'a dyn Gate,
    batch: &'a Batch<'a>,
    roots: &'a Roots,
    gradients: Option<&'a mut (Gradients, Vec<f64>)>,
}

impl Job for Likelihood<'_> {
    type Output = Result<Vec<f64>>;
    fn run<N: Dim, P: Dim>(mut self, n: N, p: P) -> Self::Output {
        let mut filter = Filter::new(self.batch.frames, n.value(), p.value());
        let mut adjoint = Adjoint::new(n.value(), p.value());
        (0..self.batch.sequences)
            .map(|index| {
                let sequence = self.batch.sequence(self.model, index);
                let found = filter.run((n, p), &sequence, self.roots, self.gate, None)?;
                if let Some((gradients, of_gate)) = self.gradients.as_deref_mut() {
                    adjoint.run((n, p), &sequence, &filter, self.gate, gradients, of_gate);
                }
                Ok(found)
            })
            .collect()
    }
}
