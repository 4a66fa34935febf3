//! A gated state-space model as learnable parameters, and its exact log likelihood of codes as one operation.

use super::state_space::{RATE, StateSpace};
use crate::error::{Error, Result};
use crate::lgssm::gated::{self, Gate, Mixture, Reflecting};
use crate::lgssm::{Batch, Lgssm, Posterior};
use crate::nn::tensor::{scalar, size, values};
use crate::nn::{Float, Mat, Module, Param, Scalar};
use dfdx::prelude::{Cpu, PutTape, SplitTape, Tape};

/// Parameters of a gate, in the order of [`Gate::parameters`].
#[derive(Clone, Debug)]
pub struct GateParams<F: Float> {
    kind: Kind,
    parameters: Vec<(&'static str, Param<F>)>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Reflecting,
    Mixture,
}

impl<F: Float> GateParams<F> {
    /// Walls that start at -`edge` and `edge` on each of `axes` axes, with this sharpness kappa.
    ///
    /// # Errors
    /// Out of memory.
    pub fn reflecting(axes: usize, edge: f64, sharpness: f64) -> Result<Self> {
        let same = |value: f64| Ok::<_, Error>(Param::constant([axes], value)?.at_rate(RATE));
        let parameters = vec![
            ("walls.low", same(-edge)?),
            ("walls.high", same(edge)?),
            ("walls.log_sharpness", same(sharpness.ln())?),
        ];
        Ok(Self {
            kind: Kind::Reflecting,
            parameters,
        })
    }

    /// Modes A_k (K, n, n), b_k (K, n) and their weights W (K, n), c (K), to start from.
    ///
    /// # Errors
    /// [`Error::Shape`] for values that are not K times these.
    pub fn mixture(
        latent: usize,
        matrices: &[f64],
        offsets: &[f64],
        weights: &[f64],
        biases: &[f64],
    ) -> Result<Self> {
        let modes = biases.len();
        let param =
            |shape: &[usize], v: &[f64]| Ok::<_, Error>(Param::new(shape, v)?.at_rate(RATE));
        let parameters = vec![
            ("modes.matrix", param(&[modes, latent, latent], matrices)?),
            ("modes.offset", param(&[modes, latent], offsets)?),
            ("modes.gate.weight", param(&[modes, latent], weights)?),
            ("modes.gate.bias", param(&[modes], biases)?),
        ];
        Ok(Self {
            kind: Kind::Mixture,
            parameters,
        })
    }

    /// The gate that the parameters stand for.
    fn gate(&self, latent: usize) -> Result<Box<dyn Gate>> {
        let v: Vec<Vec<f64>> = self.parameters.iter().map(|(_, p)| p.to_f64()).collect();
        Ok(match (self.kind, v.as_slice()) {
            (Kind::Reflecting, [low, high, sharpness]) => Box::new(Reflecting::new(
                low.clone(),
                high.clone(),
                sharpness.clone(),
            )?),
            (_, [a, b, w, c]) => Box::new(Mixture::new(
                latent,
                a.clone(),
                b.clone(),
                w.clone(),
                c.clone(),
            )?),
            (kind, other) => {
                return Err(Error::Shape(format!(
                    "gate {kind:?}: got {} parameters",
                    other.len()
                )));
            }
        })
    }
}

/// Learnable parameters of a model with fixed emission whose transition a gate chooses; the convention is that of
/// [`crate::lgssm::gated`].
#[derive(Clone, Debug)]
pub struct GatedStateSpace<F: Float> {
    space: StateSpace<F>,
    gate: GateParams<F>,
}

impl<F: Float> GatedStateSpace<F> {
    /// Parameters that start at this gate and, in all but the transition, at this law.
    ///
    /// # Errors
    /// A covariance that is not positive definite, or a gate that does not fit.
    pub fn new(law: &Lgssm, gate: GateParams<F>) -> Result<Self> {
        gate.gate(law.latent)?;
        Ok(Self {
            space: StateSpace::new(law)?.gated(),
            gate,
        })
    }

    /// Emission, covariances and initial state; its transition is what the gate replaces.
    pub fn law(&self) -> Lgssm {
        self.space.law()
    }

    /// Filtered and smoothed states of codes (B, T, p), see [`gated::infer`].
    ///
    /// # Errors
    /// As [`gated::infer`].
    pub fn infer(
        &self,
        codes: &[f64],
        steps: usize,
        seen: Option<&[bool]>,
        passes: usize,
    ) -> Result<Posterior> {
        let (n, p) = self.space.size();
        let batch = Batch {
            frame_mask: seen,
            ..Batch::new(codes, codes.len() / (steps * p).max(1), steps)
        };
        gated::infer(&self.law(), self.gate.gate(n)?.as_ref(), &batch, passes)
    }
}

impl<F: Float> Module<F> for GatedStateSpace<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        self.space.parameters(at, out);
        for (name, p) in &mut self.gate.parameters {
            out.push((format!("{at}{name}"), p));
        }
    }
}

/// log p(a), nats, summed over sequences of `steps` frames: codes (B*T, p). Exact, in f64; the gradient is the filter's own reverse
/// pass through its gate, see [`crate::lgssm::gated`].
///
/// # Errors
/// [`Error::Shape`] when the codes do not fit; a moment that is not finite, with its step.
pub fn gated_log_likelihood<F: Float, T: Tape<F, Cpu>>(
    codes: Mat<F, T>,
    steps: usize,
    model: &GatedStateSpace<F>,
) -> Result<Scalar<F, T>> {
    let (codes, mut tape) = codes.split_tape();
    let ((rows, columns), (n, p)) = (size(&codes), model.space.size());
    if columns != p || steps == 0 || rows % steps != 0 {
        return Err(Error::Shape(format!(
            "gated_log_likelihood: codes of {p} dimensions in sequences of {steps} frames expected, got {rows} x {columns}"
        )));
    }
    let plain: Vec<f64> = values(&codes).iter().map(|v| v.widen()).collect();
    let (law, gate) = (model.law(), model.gate.gate(n)?);
    let batch = Batch::new(&plain, rows / steps, steps);
    if !T::OWNS_TAPE {
        let total: f64 = gated::log_likelihood(&law, gate.as_ref(), &batch)?
            .iter()
            .sum();
        return Ok(scalar(F::of(total))?.put_tape(tape));
    }
    let found = gated::log_likelihood_and_gradients(&law, gate.as_ref(), &batch)?;
    let out = scalar(F::of(found.evaluation.log_likelihood.iter().sum()))?;
    let of_model = &found.evaluation.gradients;
    let mut parameters = model.space.gradients(of_model);
    let mut rest = &found.gate[..];
    for (_, p) in &model.gate.parameters {
        let (own, after) = rest.split_at(p.values().len());
        parameters.push((p.clone(), own.to_vec()));
        rest = after;
    }
    let of_codes = found.evaluation.gradients.codes;
    let result = out.clone();
    tape.add_backward_op(move |gradients| {
        let g = gradients.get_or_alloc_mut(&result)?[0].widen();
        let to = gradients.get_or_alloc_mut(&codes)?;
        to.iter_mut()
            .zip(&of_codes)
            .for_each(|(to, &d)| *to += F::of(g * d));
        for (param, d) in &parameters {
            let to = gradients.get_or_alloc_mut(&param.tensor)?;
            to.iter_mut()
                .zip(d)
                .for_each(|(to, &d)| *to += F::of(g * d));
        }
        Ok(())
    });
    Ok(out.put_tape(tape))
}
