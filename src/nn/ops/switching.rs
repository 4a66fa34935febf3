//! A switching state-space model as learnable parameters, and the exact log density of codes under it as one operation.

use super::state_space::{RATE, StateSpace};
use crate::error::{Error, Result};
use crate::lgssm::switching::{
    self, Hypotheses, Modes, ModesGradient, Reflecting, SwitchingPosterior,
};
use crate::lgssm::{Batch, Lgssm};
use crate::nn::tensor::{scalar, size, values};
use crate::nn::{Float, Mat, Module, Param, Scalar};
use dfdx::prelude::{Cpu, PutTape, SplitTape, Tape};

/// Parameters of modes.
#[derive(Clone, Debug)]
pub struct ModesParams<F: Float> {
    kind: Kind,
    parameters: Vec<(&'static str, Param<F>)>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Reflecting,
    Mixture,
}

impl<F: Float> ModesParams<F> {
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

    /// Affine modes with a feature each, to start from: J = K.
    ///
    /// # Errors
    /// [`Error::Shape`] for values that do not fit.
    pub fn mixture(latent: usize, start: &ModesGradient) -> Result<Self> {
        let modes = Modes::mixture(latent, start.clone())?.count();
        let param =
            |shape: &[usize], v: &[f64]| Ok::<_, Error>(Param::new(shape, v)?.at_rate(RATE));
        let parameters = vec![
            (
                "modes.matrix",
                param(&[modes, latent, latent], &start.matrices)?,
            ),
            ("modes.offset", param(&[modes, latent], &start.offsets)?),
            (
                "modes.gate.weight",
                param(&[modes, latent], &start.directions)?,
            ),
            ("modes.gate.bias", param(&[modes], &start.biases)?),
        ];
        Ok(Self {
            kind: Kind::Mixture,
            parameters,
        })
    }

    /// The modes that the parameters stand for, and how a gradient in them becomes one in each parameter.
    fn modes(&self, latent: usize) -> Result<(Modes, Pull)> {
        let v: Vec<Vec<f64>> = self.parameters.iter().map(|(_, p)| p.to_f64()).collect();
        match (self.kind, v.as_slice()) {
            (Kind::Reflecting, [low, high, sharpness]) => {
                let walls = Reflecting::new(low.clone(), high.clone(), sharpness.clone())?;
                let axes = low.len();
                let pull = move |g: ModesGradient| {
                    let all = walls.gradient(&g);
                    all.chunks_exact(axes).map(<[f64]>::to_vec).collect()
                };
                let walls = Reflecting::new(low.clone(), high.clone(), sharpness.clone())?;
                Ok((walls.modes()?, Box::new(pull)))
            }
            (Kind::Mixture, [matrices, offsets, directions, biases]) => {
                let values = ModesGradient {
                    matrices: matrices.clone(),
                    offsets: offsets.clone(),
                    directions: directions.clone(),
                    biases: biases.clone(),
                };
                let pull = |g: ModesGradient| vec![g.matrices, g.offsets, g.directions, g.biases];
                Ok((Modes::mixture(latent, values)?, Box::new(pull)))
            }
            (kind, other) => Err(Error::Shape(format!(
                "modes {kind:?}: got {} parameters",
                other.len()
            ))),
        }
    }
}

/// From the gradient in modes to that in each of their parameters.
type Pull = Box<dyn Fn(ModesGradient) -> Vec<Vec<f64>>>;

/// Learnable parameters of a switching model with fixed emission; the convention is that of [`crate::lgssm::switching`].
#[derive(Clone, Debug)]
pub struct SwitchingStateSpace<F: Float> {
    space: StateSpace<F>,
    modes: ModesParams<F>,
    hypotheses: Hypotheses,
}

impl<F: Float> SwitchingStateSpace<F> {
    /// Parameters that start at these modes and, in all but the transition, at this law. Training follows `hypotheses`.
    ///
    /// # Errors
    /// A covariance that is not positive definite, or modes that do not fit.
    pub fn new(law: &Lgssm, modes: ModesParams<F>, hypotheses: Hypotheses) -> Result<Self> {
        let _ = modes.modes(law.latent)?;
        Ok(Self {
            space: StateSpace::new(law)?.gated(),
            modes,
            hypotheses,
        })
    }

    /// Emission, covariances and initial state; its transition is what the modes replace.
    pub fn law(&self) -> Lgssm {
        self.space.law()
    }

    /// The modes.
    ///
    /// # Errors
    /// None for parameters that [`Self::new`] took.
    pub fn modes(&self) -> Result<Modes> {
        Ok(self.modes.modes(self.space.size().0)?.0)
    }

    /// Filtered and smoothed states and mode probabilities of codes (B, T, p), with as many hypotheses as told.
    ///
    /// # Errors
    /// As [`switching::infer`].
    pub fn infer(
        &self,
        codes: &[f64],
        steps: usize,
        seen: Option<&[bool]>,
        hypotheses: Hypotheses,
    ) -> Result<SwitchingPosterior> {
        let p = self.space.size().1;
        let batch = Batch {
            frame_mask: seen,
            ..Batch::new(codes, codes.len() / (steps * p).max(1), steps)
        };
        switching::infer(&self.law(), &self.modes()?, hypotheses, &batch)
    }
}

impl<F: Float> Module<F> for SwitchingStateSpace<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        self.space.parameters(at, out);
        for (name, p) in &mut self.modes.parameters {
            out.push((format!("{at}{name}"), p));
        }
    }
}

/// log p(a), nats, summed over sequences of `steps` frames: codes (B*T, p). In f64; the gradient is the reverse pass through the
/// filter's tree of hypotheses, see [`crate::lgssm::switching`].
///
/// # Errors
/// [`Error::Shape`] when the codes do not fit; a moment that is not finite, with its step.
pub fn switching_log_likelihood<F: Float, T: Tape<F, Cpu>>(
    codes: Mat<F, T>,
    steps: usize,
    model: &SwitchingStateSpace<F>,
) -> Result<Scalar<F, T>> {
    let (codes, mut tape) = codes.split_tape();
    let ((rows, columns), (n, p)) = (size(&codes), model.space.size());
    if columns != p || steps == 0 || rows % steps != 0 {
        return Err(Error::Shape(format!(
            "switching_log_likelihood: codes of {p} dimensions in sequences of {steps} frames expected, got {rows} x {columns}"
        )));
    }
    let plain: Vec<f64> = values(&codes).iter().map(|v| v.widen()).collect();
    let (law, (modes, pull)) = (model.law(), model.modes.modes(n)?);
    let batch = Batch::new(&plain, rows / steps, steps);
    if !T::OWNS_TAPE {
        let total: f64 = switching::log_likelihood(&law, &modes, model.hypotheses, &batch)?
            .iter()
            .sum();
        return Ok(scalar(F::of(total))?.put_tape(tape));
    }
    let found = switching::log_likelihood_and_gradients(&law, &modes, model.hypotheses, &batch)?;
    let out = scalar(F::of(found.evaluation.log_likelihood.iter().sum()))?;
    let of_model = &found.evaluation.gradients;
    let mut parameters = model.space.gradients(of_model);
    for ((_, p), own) in model.modes.parameters.iter().zip(pull(found.modes)) {
        parameters.push((p.clone(), own));
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
