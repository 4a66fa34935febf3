//! The density of codes and states together, and its gradient in everything, the states included.

use super::batch::Batch;
use super::gradients::Gradients;
use super::model::Lgssm;
use super::precision::{Precision, add, dense};
use crate::{Error, Result};
use nalgebra::{DMatrix, DVector};
use std::f64::consts::TAU;

/// log p(a, z) and its gradient.
#[derive(Clone, Debug, PartialEq)]
pub struct Complete {
    /// log p(a_0 .. a_{T-1}, z_0 .. z_{T-1}) of every sequence, nats, summed over frames, (B).
    pub log_density: Vec<f64>,
    /// What every frame adds to it, (B, T).
    pub increments: Vec<f64>,
    /// Gradient of the sum in parameters, codes and what is given per step, with the states held.
    pub gradients: Gradients,
    /// Gradient of the sum in the states, (B, T, n).
    pub states: Vec<f64>,
}

/// The density of codes and states together:
///
/// ```text
/// log p(a, z) = log N(z_0; mu_0, Sigma_0) + sum_{t>0} log N(z_t; A_t z_{t-1} + c_t, Q) + sum_{t seen} log N(a_t; C_t z_t + d_t, R)
/// ```
///
/// `states` (B, T, n). It is what a posterior q(z | a) of any kind is judged by: E_q[log p(a, z) - log q(z | a)] <= log p(a), with
/// equality for the posterior of [`super::infer`] only.
///
/// # Errors
/// As [`super::log_likelihood`]; [`Error::Shape`] for states of another size, [`Error::Numeric`] for states that are not finite.
pub fn complete_log_density(model: &Lgssm, batch: &Batch, states: &[f64]) -> Result<Complete> {
    model.check()?;
    batch.check(model)?;
    let (n, p, frames) = (model.latent, model.code, batch.frames);
    if states.len() != batch.sequences * frames * n {
        return Err(Error::Shape(format!(
            "lgssm: states wants {} values for {} sequences of {frames} frames, got {}",
            batch.sequences * frames * n,
            batch.sequences,
            states.len()
        )));
    }
    if let Some(i) = states.iter().position(|x| !x.is_finite()) {
        return Err(Error::Numeric(format!(
            "lgssm: states is not finite: value {i} is {}",
            states[i]
        )));
    }
    let initial = Shared::new("initial_cov", &model.initial_cov, n)?;
    let process = Shared::new("transition_cov", &model.transition_cov, n)?;
    let (mut initial_sum, mut process_sum) = (Moments::new(n), Moments::new(n));
    let initial_mean = DVector::from_column_slice(&model.initial_mean);
    let mut gradients = Gradients::zeros(model, batch);
    let mut of_states = vec![0.0; states.len()];
    let mut log_density = Vec::with_capacity(batch.sequences);
    let mut increments = Vec::with_capacity(batch.sequences * frames);
    for index in 0..batch.sequences {
        let sequence = batch.sequence(model, index);
        let mut total = 0.0;
        let state = |t: usize| DVector::from_column_slice(&states[sequence.at(t) * n..][..n]);
        for t in 0..frames {
            let before_frame = total;
            let (at, z) = (sequence.at(t), state(t));
            if t == 0 {
                let rest = &z - &initial_mean;
                let (log_p, force) = initial.log_density(&rest);
                total += log_p;
                initial_sum.add(&rest);
                add_to(&mut of_states[at * n..][..n], -1.0, &force);
                add_to(&mut gradients.initial_mean, 1.0, &force);
            } else {
                let before = state(t - 1);
                let matrix = dense(n, n, sequence.transition_matrix(t));
                let offset = DVector::from_column_slice(sequence.transition_offset(t));
                let rest = &z - &matrix * &before - offset;
                let (log_p, force) = process.log_density(&rest);
                total += log_p;
                process_sum.add(&rest);
                add_to(&mut of_states[at * n..][..n], -1.0, &force);
                let back = matrix.tr_mul(&force);
                add_to(&mut of_states[(at - 1) * n..][..n], 1.0, &back);
                add_to(gradients.transition_offset_at(at), 1.0, &force);
                let of_matrix = &force * before.transpose();
                add(gradients.transition_matrix_at(at), 1.0, &of_matrix);
            }
            let precision = Precision::at(&sequence, t)?;
            if precision.count == 0 {
                increments.push(total - before_frame);
                continue;
            }
            let emission = dense(p, n, sequence.emission_matrix(t));
            let offset = DVector::from_column_slice(sequence.emission_offset(t));
            // A missing value may be NaN: it is never read.
            let seen = |i: usize| precision.matrix[(i, i)] > 0.0;
            let code = DVector::from_fn(p, |i, _| if seen(i) { sequence.code(t)[i] } else { 0.0 });
            let rest = code - &emission * &z - offset;
            let force = &precision.matrix * &rest;
            let size = precision.count as f64 * TAU.ln() + precision.log_determinant;
            total -= 0.5 * (size + rest.dot(&force));
            add_to(&mut gradients.codes[at * p..][..p], -1.0, &force);
            add_to(gradients.emission_offset_at(at), 1.0, &force);
            let of_matrix = &force * z.transpose();
            add(gradients.emission_matrix_at(at), 1.0, &of_matrix);
            let of_cov = (&force * force.transpose() - &precision.matrix) * 0.5;
            add(&mut gradients.emission_cov, 1.0, &of_cov);
            add_to(&mut of_states[at * n..][..n], 1.0, &emission.tr_mul(&force));
            increments.push(total - before_frame);
        }
        log_density.push(total);
    }
    add(
        &mut gradients.initial_cov,
        1.0,
        &initial.gradient(&initial_sum),
    );
    add(
        &mut gradients.transition_cov,
        1.0,
        &process.gradient(&process_sum),
    );
    gradients.check()?;
    Ok(Complete {
        log_density,
        increments,
        gradients,
        states: of_states,
    })
}

/// A covariance that many residuals share.
struct Shared {
    precision: DMatrix<f64>,
    /// n ln 2 pi + ln |cov|.
    size: f64,
}

/// Sum of products of residuals, and their number.
struct Moments {
    sum: DMatrix<f64>,
    count: f64,
}

impl Moments {
    fn new(n: usize) -> Self {
        Self {
            sum: DMatrix::zeros(n, n),
            count: 0.0,
        }
    }

    fn add(&mut self, rest: &DVector<f64>) {
        self.sum.ger(1.0, rest, rest, 1.0);
        self.count += 1.0;
    }
}

impl Shared {
    fn new(name: &str, cov: &[f64], n: usize) -> Result<Self> {
        let root = dense(n, n, cov)
            .cholesky()
            .ok_or_else(|| Error::Numeric(format!("lgssm: {name} is not positive definite")))?;
        let log_determinant = 2.0 * root.l_dirty().diagonal().map(f64::ln).sum();
        Ok(Self {
            precision: root.inverse(),
            size: n as f64 * TAU.ln() + log_determinant,
        })
    }

    /// log N(rest; 0, cov), and cov^-1 rest: minus its gradient.
    fn log_density(&self, rest: &DVector<f64>) -> (f64, DVector<f64>) {
        let force = &self.precision * rest;
        (-0.5 * (self.size + rest.dot(&force)), force)
    }

    /// Gradient in the covariance of the summed log densities.
    fn gradient(&self, moments: &Moments) -> DMatrix<f64> {
        (&self.precision * &moments.sum * &self.precision - &self.precision * moments.count) * 0.5
    }
}

/// `to` += scale x.
fn add_to(to: &mut [f64], scale: f64, x: &DVector<f64>) {
    for (to, x) in to.iter_mut().zip(x.iter()) {
        *to += scale * x;
    }
}
