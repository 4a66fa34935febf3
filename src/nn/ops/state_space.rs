//! A linear-Gaussian state-space model as learnable parameters, and its exact log likelihood of codes as one operation.

use crate::error::{Error, Result};
use crate::lgssm::packed::{covariance, pack, root_gradient};
use crate::lgssm::{self, Batch, Lgssm, Posterior};
use crate::nn::tensor::{scalar, size, values};
use crate::nn::{Float, Mat, Module, Param, Scalar};
use dfdx::prelude::{Cpu, PutTape, SplitTape, Tape};

/// Step size of these parameters relative to the networks'. Adam moves a number by about its step size a step, and a variance may
/// have to fall by a factor of hundreds, 3 in its log root: too far for a few hundred steps at a network's rate.
pub(super) const RATE: f64 = 5.0;

/// Most steps of EM; each leaves some n/T of the way to R.
const EM_STEPS: usize = 50;
/// Relative change of the variances at which EM has arrived.
const EM_CHANGE: f64 = 1e-3;

/// Learnable parameters of a time-invariant model; the convention is that of [`crate::lgssm`].
///
/// A covariance is L L' + 1e-8 I; L is lower triangular, stored packed by rows with the logarithms of its diagonal, so every value
/// of the parameters is a valid covariance.
#[derive(Clone, Debug)]
pub struct StateSpace<F: Float> {
    latent: usize,
    code: usize,
    transition_matrix: Param<F>,
    transition_offset: Param<F>,
    transition_root: Param<F>,
    emission_matrix: Param<F>,
    emission_offset: Param<F>,
    emission_root: Param<F>,
    initial_mean: Param<F>,
    initial_root: Param<F>,
    /// Whether the transition is chosen elsewhere, so that the one here is no parameter.
    gated: bool,
}

impl<F: Float> StateSpace<F> {
    /// Parameters that start at this law.
    ///
    /// # Errors
    /// A covariance that is not positive definite is named.
    pub fn new(law: &Lgssm) -> Result<Self> {
        let (n, p) = (law.latent, law.code);
        let param = |shape: &[usize], values: &[f64]| {
            Ok::<_, Error>(Param::new(shape, values)?.at_rate(RATE))
        };
        let root = |name: &str, cov: &[f64], size: usize| {
            param(&[size * (size + 1) / 2], &pack(name, cov, size)?)
        };
        Ok(Self {
            latent: n,
            code: p,
            transition_matrix: param(&[n, n], &law.transition_matrix)?,
            transition_offset: param(&[n], &law.transition_offset)?,
            transition_root: root("transition covariance", &law.transition_cov, n)?,
            emission_matrix: param(&[p, n], &law.emission_matrix)?,
            emission_offset: param(&[p], &law.emission_offset)?,
            emission_root: root("emission covariance", &law.emission_cov, p)?,
            initial_mean: param(&[n], &law.initial_mean)?,
            initial_root: root("initial covariance", &law.initial_cov, n)?,
            gated: false,
        })
    }

    /// The same for a transition that a gate chooses: A and b here are no parameters, C and d stay as they are. A gate's cells and
    /// walls are told in units of the codes, and a learned C would only be a second way to say the same.
    pub(super) fn gated(mut self) -> Self {
        self.emission_matrix = self.emission_matrix.fixed();
        self.emission_offset = self.emission_offset.fixed();
        self.gated = true;
        self
    }

    /// Sets Q to the diagonal matrix with these standard deviations (n).
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of them.
    pub(super) fn set_process_std(&mut self, std: &[f64]) -> Result<()> {
        let n = self.latent;
        let packed: Vec<F> = (0..n)
            .flat_map(|i| (0..=i).map(move |j| (i, j)))
            .map(|(i, j)| F::of(if i == j { std[i].ln() } else { 0.0 }))
            .collect();
        self.transition_root.set(&packed)
    }

    /// Sets R to the one under which `batch` is most likely, everything else as it is, by EM with what `infer` finds.
    ///
    /// # Errors
    /// As `infer`; [`Error::Numeric`] where R collapses.
    pub fn fit_emission_cov(
        &mut self,
        batch: &Batch,
        infer: impl Fn(&Lgssm, &Batch) -> Result<Posterior>,
    ) -> Result<()> {
        let p = self.code;
        for _ in 0..EM_STEPS {
            let law = self.law();
            let found = lgssm::em::emission_noise(&law, batch, &infer(&law, batch)?)?;
            let Some(cov) = found else { break };
            let packed = pack("emission covariance of code means", &cov, p)?;
            let packed: Vec<F> = packed.into_iter().map(F::of).collect();
            self.emission_root.set(&packed)?;
            let change = |i: usize| {
                (cov[i * (p + 1)] / law.emission_cov[i * (p + 1)])
                    .ln()
                    .abs()
            };
            if (0..p).map(change).fold(0.0, f64::max) < EM_CHANGE {
                break;
            }
        }
        Ok(())
    }

    /// Latent dimensions n and code dimensions p.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.latent, self.code)
    }

    /// The law that the parameters stand for.
    pub fn law(&self) -> Lgssm {
        Lgssm {
            latent: self.latent,
            code: self.code,
            transition_matrix: self.transition_matrix.to_f64(),
            transition_offset: self.transition_offset.to_f64(),
            transition_cov: covariance(&self.transition_root.to_f64(), self.latent),
            emission_matrix: self.emission_matrix.to_f64(),
            emission_offset: self.emission_offset.to_f64(),
            emission_cov: covariance(&self.emission_root.to_f64(), self.code),
            initial_mean: self.initial_mean.to_f64(),
            initial_cov: covariance(&self.initial_root.to_f64(), self.latent),
        }
    }

    /// Gradient of every parameter, beside the parameter it belongs to.
    pub(super) fn gradients(&self, g: &lgssm::Gradients) -> Vec<(Param<F>, Vec<f64>)> {
        let root =
            |p: &Param<F>, g: &[f64], n: usize| (p.clone(), root_gradient(&p.to_f64(), g, n));
        vec![
            (self.transition_matrix.clone(), g.transition_matrix.clone()),
            (self.transition_offset.clone(), g.transition_offset.clone()),
            root(&self.transition_root, &g.transition_cov, self.latent),
            (self.emission_matrix.clone(), g.emission_matrix.clone()),
            (self.emission_offset.clone(), g.emission_offset.clone()),
            root(&self.emission_root, &g.emission_cov, self.code),
            (self.initial_mean.clone(), g.initial_mean.clone()),
            root(&self.initial_root, &g.initial_cov, self.latent),
        ]
    }
}

impl<F: Float> Module<F> for StateSpace<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        for (name, p) in [
            ("transition.matrix", &mut self.transition_matrix),
            ("transition.offset", &mut self.transition_offset),
            ("transition.root", &mut self.transition_root),
            ("emission.matrix", &mut self.emission_matrix),
            ("emission.offset", &mut self.emission_offset),
            ("emission.root", &mut self.emission_root),
            ("initial.mean", &mut self.initial_mean),
            ("initial.root", &mut self.initial_root),
        ] {
            if !(self.gated && name.starts_with("transition.") && name != "transition.root") {
                out.push((format!("{at}{name}"), p));
            }
        }
    }
}

/// log p(a), nats, summed over sequences of `steps` frames: codes (B*T, p). Exact, in f64; every gradient in closed form
/// (Fisher's identity, see [`crate::lgssm`]), so nothing is differentiated through the filter.
///
/// # Errors
/// [`Error::Shape`] when the codes do not fit; a covariance that lost positive definiteness, with its step.
pub fn log_likelihood<F: Float, T: Tape<F, Cpu>>(
    codes: Mat<F, T>,
    steps: usize,
    model: &StateSpace<F>,
) -> Result<Scalar<F, T>> {
    let (codes, mut tape) = codes.split_tape();
    let (rows, p) = size(&codes);
    if p != model.code || steps == 0 || rows % steps != 0 {
        return Err(Error::Shape(format!(
            "log_likelihood: codes of {} dimensions in sequences of {steps} frames expected, got {rows} x {p}",
            model.code
        )));
    }
    let plain: Vec<f64> = values(&codes).iter().map(|v| v.widen()).collect();
    let law = model.law();
    let batch = Batch::new(&plain, rows / steps, steps);
    if !T::OWNS_TAPE {
        let total: f64 = lgssm::log_likelihood(&law, &batch)?.iter().sum();
        return Ok(scalar(F::of(total))?.put_tape(tape));
    }
    let found = lgssm::log_likelihood_and_gradients(&law, &batch)?;
    let out = scalar(F::of(found.log_likelihood.iter().sum()))?;
    let (result, parameters) = (out.clone(), model.gradients(&found.gradients));
    tape.add_backward_op(move |gradients| {
        let g = gradients.get_or_alloc_mut(&result)?[0].widen();
        let to = gradients.get_or_alloc_mut(&codes)?;
        to.iter_mut()
            .zip(&found.gradients.codes)
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

#[cfg(test)]
mod tests;
