//! A linear-Gaussian state-space model as learnable parameters, and its exact log likelihood of codes as one operation.

use super::input::Input;
use super::matrices::Matrices;
use crate::{Error, Result};
use dfdx::prelude::{Cpu, PutTape, SplitTape, Tape};
use lgssm::packed::{covariance, pack, root_gradient};
use lgssm::published;
use lgssm::{self, Batch, Constraint, Evaluation, Gradients, Lgssm, Posterior};
use nn::tensor::{PerRow, scalar, size, values};
use nn::{Float, Mat, Module, Param, Scalar};

/// Step size of these parameters relative to the networks'. Adam moves a number by about its step size a step, and a variance may
/// have to fall by a factor of hundreds, 3 in its log root: too far for a few hundred steps at a network's rate.
pub(super) const RATE: f64 = 5.0;

/// Most steps of EM; each leaves some n/T of the way to R.
const EM_STEPS: usize = 50;
/// Fall of the log likelihood, as a share of it, that is no rounding.
const FALL: f64 = 1e-6;
/// Relative change of the variances at which EM has arrived.
const EM_CHANGE: f64 = 1e-3;

/// Learnable parameters of a time-invariant model; the convention is that of [`lgssm`].
///
/// A covariance is L L' + 1e-8 I; L is lower triangular, stored packed by rows with the logarithms of its diagonal, so every value
/// of the parameters is a valid covariance.
#[derive(Clone, Debug)]
pub struct StateSpace<F: Float> {
    latent: usize,
    code: usize,
    transition_matrix: Matrices<F>,
    transition_offset: Param<F>,
    transition_root: Param<F>,
    emission_matrix: Param<F>,
    emission_offset: Param<F>,
    emission_root: Param<F>,
    initial_mean: Param<F>,
    initial_root: Param<F>,
    /// How actions move the state, where they do.
    input: Option<Input<F>>,
    /// Whether the transition is made elsewhere, so that the one here is no parameter.
    elsewhere: bool,
}

impl<F: Float> StateSpace<F> {
    /// Parameters that start at this law, any transition matrix allowed.
    ///
    /// # Errors
    /// A covariance that is not positive definite is named.
    pub fn new(law: &Lgssm) -> Result<Self> {
        Self::constrained(law, Constraint::Free)
    }

    /// Parameters that start close to this law, its transition matrix of this kind.
    ///
    /// # Errors
    /// As [`Self::new`]; a matrix that nothing of the kind is close to.
    pub fn constrained(law: &Lgssm, constraint: Constraint) -> Result<Self> {
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
            transition_matrix: Matrices::new(constraint, n, &law.transition_matrix, RATE)?,
            transition_offset: param(&[n], &law.transition_offset)?,
            transition_root: root("transition covariance", &law.transition_cov, n)?,
            emission_matrix: param(&[p, n], &law.emission_matrix)?,
            emission_offset: param(&[p], &law.emission_offset)?,
            emission_root: root("emission covariance", &law.emission_cov, p)?,
            initial_mean: param(&[n], &law.initial_mean)?,
            initial_root: root("initial covariance", &law.initial_cov, n)?,
            input: None,
            elsewhere: false,
        })
    }

    /// The same with actions of k components, which move nothing yet: B = 0. Without any nothing changes.
    ///
    /// # Errors
    /// Out of memory.
    pub fn driven(mut self, actions: usize) -> Result<Self> {
        self.input = match actions {
            0 => None,
            k => Some(Input::new(self.latent, k)?),
        };
        Ok(self)
    }

    /// Takes the size of every component of an action in the training data, (k): B learns for actions of that size.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of them, or for one that is not above 0.
    pub fn scale_actions(&mut self, scale: &[f64]) -> Result<()> {
        match &mut self.input {
            Some(input) => input.scale(scale),
            None => Ok(()),
        }
    }

    /// B, (n, k), in the units of the actions; none where nothing acts.
    pub fn input_matrix(&self) -> Option<Vec<f64>> {
        self.input.as_ref().map(Input::values)
    }

    /// c_t = b + B u_{t-1}, (B, T, n), of actions (B, T, k), of which action t acts from frame t to frame t+1; none
    /// where nothing acts.
    ///
    /// # Errors
    /// [`lgssm::Error::Shape`] for actions that do not fit.
    pub fn offsets(&self, actions: Option<&[f64]>, steps: usize) -> Result<Option<Vec<f64>>> {
        let (Some(input), Some(actions)) = (&self.input, actions) else {
            return Ok(None);
        };
        input.offsets(&self.law(), actions, steps).map(Some)
    }

    /// The same for a transition that is made elsewhere: A and b here are no parameters.
    pub(super) fn without_transition(mut self) -> Self {
        self.elsewhere = true;
        self
    }

    /// The same with C and d that stay as they are. Cells and walls are told in units of the codes, and a learned C would only be a
    /// second way to say the same.
    pub(super) fn with_fixed_emission(mut self) -> Self {
        self.emission_matrix = self.emission_matrix.fixed();
        self.emission_offset = self.emission_offset.fixed();
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
        Ok(self.transition_root.set(&packed)?)
    }

    /// Sets R to the one under which `batch` is most likely, everything else as it is, by EM with what `infer` finds.
    ///
    /// # Errors
    /// As `infer`; [`lgssm::Error::Numeric`] where R collapses.
    pub fn fit_emission_cov(
        &mut self,
        batch: &Batch,
        infer: impl Fn(&Lgssm, &Batch) -> lgssm::Result<Posterior>,
    ) -> Result<()> {
        let p = self.code;
        let mut before: Option<(f64, Vec<F>)> = None;
        for _ in 0..EM_STEPS {
            let law = self.law();
            let posterior = infer(&law, batch)?;
            // Where `infer` follows some paths of modes only, a step may make codes less likely: the one before was the last good one.
            let likely: f64 = posterior.log_likelihood.iter().sum();
            if let Some((of_before, root)) = &before
                && likely < of_before - FALL * of_before.abs()
            {
                self.emission_root.set(root)?;
                break;
            }
            before = Some((likely, self.emission_root.values().to_vec()));
            let found = lgssm::em::emission_noise(&law, batch, &posterior)?;
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
    pub fn size(&self) -> (usize, usize) {
        (self.latent, self.code)
    }

    /// The law that the parameters stand for.
    pub fn law(&self) -> Lgssm {
        Lgssm {
            latent: self.latent,
            code: self.code,
            transition_matrix: self.transition_matrix.values(),
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
    pub(super) fn gradients(&self, g: &Gradients) -> Result<Vec<(Param<F>, Vec<f64>)>> {
        let root =
            |p: &Param<F>, g: &[f64], n: usize| (p.clone(), root_gradient(&p.to_f64(), g, n));
        let mut all = match self.elsewhere {
            true => vec![],
            false => self.transition_matrix.gradients(&g.transition_matrix)?,
        };
        all.extend([
            (self.transition_offset.clone(), g.transition_offset.clone()),
            root(&self.transition_root, &g.transition_cov, self.latent),
            (self.emission_matrix.clone(), g.emission_matrix.clone()),
            (self.emission_offset.clone(), g.emission_offset.clone()),
            root(&self.emission_root, &g.emission_cov, self.code),
            (self.initial_mean.clone(), g.initial_mean.clone()),
            root(&self.initial_root, &g.initial_cov, self.latent),
        ]);
        Ok(all)
    }
}

impl<F: Float> Module<F> for StateSpace<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        if !self.elsewhere {
            self.transition_matrix
                .parameters(&format!("{at}transition."), out);
            out.push((
                format!("{at}transition.offset"),
                &mut self.transition_offset,
            ));
        }
        for (name, p) in [
            ("transition.root", &mut self.transition_root),
            ("emission.matrix", &mut self.emission_matrix),
            ("emission.offset", &mut self.emission_offset),
            ("emission.root", &mut self.emission_root),
            ("initial.mean", &mut self.initial_mean),
            ("initial.root", &mut self.initial_root),
        ] {
            out.push((format!("{at}{name}"), p));
        }
        if let Some(input) = &mut self.input {
            out.push((format!("{at}transition.input"), &mut input.matrix));
        }
    }
}

/// What of the codes is seen, and what is put for their log likelihood.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evidence<'a> {
    /// (B, T): false where a frame is missing; its code is never read. `None` where all are seen.
    pub seen: Option<&'a [bool]>,
    /// Standard normal draws (B, T, n) of the published bound (see [`lgssm::published`]); `None` for the exact likelihood.
    pub published: Option<&'a [f64]>,
    /// What acts from frame t to t+1, (B, T, k); `None` for nothing, and nothing to a law without inputs.
    pub actions: Option<&'a [f64]>,
}

impl Evidence<'_> {
    /// log p(a) of all sequences, or a draw of its bound, nats, with its gradient.
    pub(super) fn evaluate(&self, law: &Lgssm, batch: &Batch) -> Result<Evaluation> {
        Ok(match self.published {
            None => lgssm::log_likelihood_and_gradients(law, batch)?,
            Some(noise) => published::bound_and_gradients(law, batch, noise)?,
        })
    }
}

/// Sequences of codes (B*T, p) in f64.
///
/// # Errors
/// [`Error::Shape`] when they do not fit, told in the name of the operation.
pub(super) fn sequences<F: Float>(
    name: &str,
    codes: &Mat<F>,
    steps: usize,
    p: usize,
) -> Result<(Vec<f64>, usize)> {
    let (rows, columns) = size(codes);
    if columns != p || steps == 0 || rows % steps != 0 {
        return Err(Error::Shape(format!(
            "{name}: codes of {p} dimensions in sequences of {steps} frames expected, got {rows} x {columns}"
        )));
    }
    let plain = values(codes).iter().map(|v| v.widen()).collect();
    Ok((plain, rows / steps))
}

/// What an operation with one number as its result sends back: `of` times the gradient of that number, for matrices of activations and
/// for parameters.
pub(super) fn send_back<F: Float, T: Tape<F, Cpu>>(
    tape: &mut T,
    result: &Scalar<F>,
    inputs: Vec<(Mat<F>, Vec<f64>)>,
    parameters: Vec<(Param<F>, Vec<f64>)>,
) {
    let result = result.clone();
    tape.add_backward_op(move |gradients| {
        let g = gradients.get_or_alloc_mut(&result)?[0].widen();
        let add = |to: &mut [F], of: &[f64]| {
            to.iter_mut()
                .zip(of)
                .for_each(|(to, &d)| *to += F::of(g * d));
        };
        for (input, of) in &inputs {
            add(gradients.get_or_alloc_mut(input)?, of);
        }
        for (param, of) in &parameters {
            add(gradients.get_or_alloc_mut(param.storage())?, of);
        }
        Ok(())
    });
}

/// log p(a), nats, summed over sequences of `steps` frames: codes (B*T, p). Exact, in f64, unless the evidence asks for a bound; every
/// gradient in closed form (Fisher's identity, see [`lgssm`]), so nothing is differentiated through the filter.
///
/// # Errors
/// [`Error::Shape`] when the codes do not fit; a covariance that lost positive definiteness, with its step.
pub fn log_likelihood<F: Float, T: Tape<F, Cpu>>(
    codes: Mat<F, T>,
    steps: usize,
    evidence: Evidence,
    model: &StateSpace<F>,
) -> Result<PerRow<F, T>> {
    let (codes, mut tape) = codes.split_tape();
    let (plain, count) = sequences("log_likelihood", &codes, steps, model.code)?;
    let law = model.law();
    let offsets = model.offsets(evidence.actions, steps)?;
    let batch = Batch {
        frame_mask: evidence.seen,
        transition_offsets: offsets.as_deref(),
        ..Batch::new(&plain, count, steps)
    };
    let mut found = evidence.evaluate(&law, &batch)?;
    let out = scalar(F::of(found.log_likelihood.iter().sum()))?;
    let mut of_input = None;
    if let (Some(input), Some(actions), Some(of)) = (
        &model.input,
        evidence.actions,
        found.gradients.transition_offsets.take(),
    ) {
        let own = input.gradients(actions, steps, &of);
        found.gradients.transition_offset = own.offset;
        of_input = Some((input.matrix.clone(), own.matrix));
    }
    let mut parameters = model.gradients(&found.gradients)?;
    parameters.extend(of_input);
    let inputs = vec![(codes, found.gradients.codes)];
    send_back(&mut tape, &out, inputs, parameters);
    Ok(PerRow {
        sum: out.put_tape(tape),
        rows: found.increments,
    })
}

#[cfg(test)]
mod tests;
