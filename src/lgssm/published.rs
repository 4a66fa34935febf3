//! The sampled bound of the published Kalman VAE, its gap to the exact likelihood in closed form, and its gradient.
//!
//! The paper (Fraccaro et al. 2017, sec. 3.2) puts, in place of log p(a), one draw of
//!
//! ```text
//! log p(a, z) - sum_t log N(z_t; m_t, P_t),        z_t ~ N(m_t, P_t) independently,  m_t, P_t smoothed
//! ```
//!
//! Had z been drawn as one path from p(z | a) and divided by its density, every draw would give log p(a), whatever z: log p(a, z) -
//! log p(z | a) = log p(a) is Bayes' rule. Draws from the marginals are no path, and what is lost is D = sum_t log N(z_t; m_t, P_t) -
//! log p(z | a). With p(z | a) = p(z_{T-1} | a) prod_t N(z_t; m_t + J_t (z_{t+1} - m_{t+1}), E_t) of the backward pass, z_t = m_t + L_t e_t,
//! P_t = L_t L_t' and standard normal e_t, the means cancel:
//!
//! ```text
//! D(e)  = sum_{t<T-1}  1/2 r_t' E_t^-1 r_t + 1/2 ln |E_t| - ln |L_t| - 1/2 e_t' e_t,        r_t = L_t e_t - J_t L_{t+1} e_{t+1}
//! E[D]  = sum_{t<T-1}  tr(E_t^-1 P_t) - n - 1/2 ln (|P_t| / |E_t|)  =  KL( prod_t p(z_t | a) || p(z_{0:T-1} | a) )  >= 0
//! Var D = 1/2 |M|^2,   D(e) = 1/2 e' M e + const
//! ```
//!
//! since P_t = E_t + J_t P_{t+1} J_t'. So the bound is loose by the dependence of states on their neighbours, on average and with a
//! variance; both grow without limit as the process noise falls (E_t -> 0 with P_t not), the regime of deterministic physics. D does
//! not depend on the codes but through A_t: the gradient in the emission's means, offsets and codes is that of the exact likelihood,
//! and that in Q is biased towards more noise.

use super::batch::{Batch, Sequence};
use super::gradients::Gradients;
use super::likelihood::{Evaluation, log_likelihood, log_likelihood_and_gradients};
use super::model::Lgssm;
use super::precision::{Precision, add, dense};
use crate::{Error, Result};
use nalgebra::{DMatrix, DVector};

/// How far the sampled bound is below the exact log likelihood, for every sequence (B), nats summed over frames.
#[derive(Clone, Debug, PartialEq)]
pub struct Gap {
    /// The mean of D, at least 0.
    pub mean: Vec<f64>,
    /// Var D.
    pub variance: Vec<f64>,
}

/// Mean and variance of log p(a) minus the sampled bound, in closed form: see [the module](self).
///
/// # Errors
/// As [`super::infer`].
pub fn gap(model: &Lgssm, batch: &Batch) -> Result<Gap> {
    let mut found = Gap {
        mean: Vec::new(),
        variance: Vec::new(),
    };
    each(model, batch, |_, chain| {
        let (mean, variance) = chain.moments();
        found.mean.push(mean);
        found.variance.push(variance);
        Ok(())
    })?;
    Ok(found)
}

/// One draw of the sampled bound of every sequence, nats summed over frames, (B). `noise` (B, T, n) is standard normal.
///
/// # Errors
/// As [`super::infer`]; [`Error::Shape`] for noise of another size.
pub fn bound(model: &Lgssm, batch: &Batch, noise: &[f64]) -> Result<Vec<f64>> {
    let mut found = log_likelihood(model, batch)?;
    let size = check(model, batch, noise)?;
    each(model, batch, |index, chain| {
        let losses = chain.losses(&noise[index * size..][..size], None);
        found[index] -= losses.iter().fold(0.0, |sum, x| sum + x);
        Ok(())
    })?;
    Ok(found)
}

/// [`bound`] and the gradient of its sum, the noise held (reparameterised).
///
/// # Errors
/// As [`bound`].
pub fn bound_and_gradients(model: &Lgssm, batch: &Batch, noise: &[f64]) -> Result<Evaluation> {
    let mut found = log_likelihood_and_gradients(model, batch)?;
    let size = check(model, batch, noise)?;
    let shared = batch.shares_covariances();
    let mut sum: Option<Bars> = None;
    each(model, batch, |index, chain| {
        let bars = sum.get_or_insert_with(|| Bars::zeros(batch.frames, model.latent));
        let losses = chain.losses(&noise[index * size..][..size], Some(bars));
        found.log_likelihood[index] -= losses.iter().fold(0.0, |sum, x| sum + x);
        let own = &mut found.increments[index * batch.frames..];
        own.iter_mut()
            .zip(losses)
            .for_each(|(to, loss)| *to -= loss);
        if !shared || index + 1 == batch.sequences {
            chain.reverse(bars, &batch.sequence(model, index), &mut found.gradients)?;
            sum = None;
        }
        Ok(())
    })?;
    found.gradients.check()?;
    Ok(found)
}

fn check(model: &Lgssm, batch: &Batch, noise: &[f64]) -> Result<usize> {
    let size = batch.frames * model.latent;
    if noise.len() != batch.sequences * size {
        return Err(Error::Shape(format!(
            "published bound: noise of {} values expected, got {}",
            batch.sequences * size,
            noise.len()
        )));
    }
    Ok(size)
}

/// Calls `work` with the number and the covariances of every sequence.
fn each(
    model: &Lgssm,
    batch: &Batch,
    mut work: impl FnMut(usize, &Chain) -> Result<()>,
) -> Result<()> {
    model.check()?;
    batch.check(model)?;
    let shared = batch.shares_covariances();
    let mut chain = None;
    for index in 0..batch.sequences {
        if !shared || chain.is_none() {
            chain = Some(Chain::new(&batch.sequence(model, index))?);
        }
        if let Some(chain) = &chain {
            work(index, chain)?;
        }
    }
    Ok(())
}

type Matrix = DMatrix<f64>;

/// All covariances of one sequence, (n, n) each.
struct Chain {
    /// A_t; that of frame 0 is not used.
    transitions: Vec<Matrix>,
    /// P_{t|t}.
    filtered: Vec<Matrix>,
    /// I - K_t C_t.
    closed: Vec<Matrix>,
    /// Q^-1.
    precision: Matrix,
    /// P_{t|t}^-1, t < T-1.
    filtered_precision: Vec<Matrix>,
    /// E_t^-1 = P_{t|t}^-1 + A_{t+1}' Q^-1 A_{t+1}, t < T-1.
    backward_precision: Vec<Matrix>,
    /// E_t, t < T-1.
    backward: Vec<Matrix>,
    /// J_t = E_t A_{t+1}' Q^-1, t < T-1.
    gains: Vec<Matrix>,
    /// P_t.
    smoothed: Vec<Matrix>,
    /// L_t, lower triangular.
    roots: Vec<Matrix>,
}

/// Gradient of D in what its terms are made of.
struct Bars {
    backward_precision: Vec<Matrix>,
    gains: Vec<Matrix>,
    roots: Vec<Matrix>,
}

impl Bars {
    fn zeros(frames: usize, n: usize) -> Self {
        let zeros = || vec![Matrix::zeros(n, n); frames];
        Self {
            backward_precision: zeros(),
            gains: zeros(),
            roots: zeros(),
        }
    }
}

fn symmetric(x: Matrix) -> Matrix {
    let transposed = x.transpose();
    (x + transposed) * 0.5
}

impl Chain {
    fn new(sequence: &Sequence) -> Result<Self> {
        let (model, frames) = (sequence.model, sequence.batch.frames);
        let (n, p) = (model.latent, model.code);
        let inverse = |x: &Matrix, t: usize, what: &str| {
            let root = x.clone().cholesky();
            root.map(|root| root.inverse())
                .ok_or_else(|| sequence.numeric(t, &format!("{what} is not positive definite")))
        };
        let process = dense(n, n, &model.transition_cov);
        let noise = dense(p, p, &model.emission_cov);
        let eye = Matrix::identity(n, n);
        let precision = inverse(&process, 0, "transition_cov")?;
        let mut chain = Self {
            transitions: Vec::new(),
            filtered: Vec::new(),
            closed: Vec::new(),
            precision,
            filtered_precision: Vec::new(),
            backward_precision: Vec::new(),
            backward: Vec::new(),
            gains: Vec::new(),
            smoothed: Vec::new(),
            roots: Vec::new(),
        };
        for t in 0..frames {
            let matrix = dense(n, n, sequence.transition_matrix(t));
            let predicted = match chain.filtered.last() {
                None => dense(n, n, &model.initial_cov),
                Some(before) => symmetric(&matrix * before * matrix.transpose()) + &process,
            };
            chain.transitions.push(matrix);
            let seen: Vec<usize> = (0..p).filter(|&i| sequence.seen(t).component(i)).collect();
            if seen.is_empty() {
                chain.filtered.push(predicted);
                chain.closed.push(eye.clone());
                continue;
            }
            let emission = dense(p, n, sequence.emission_matrix(t)).select_rows(&seen);
            let noise = noise.select_rows(&seen).select_columns(&seen);
            let cross = &emission * &predicted;
            let innovation = symmetric(&cross * emission.transpose()) + &noise;
            let root = innovation.cholesky().ok_or_else(|| {
                sequence.numeric(t, "innovation covariance is not positive definite")
            })?;
            let gain = root.solve(&cross).transpose();
            let closed = &eye - &gain * &emission;
            // Joseph's form: no subtraction.
            let filtered =
                &closed * &predicted * closed.transpose() + &gain * noise * gain.transpose();
            chain.filtered.push(symmetric(filtered));
            chain.closed.push(closed);
        }
        for t in 0..frames - 1 {
            let matrix = &chain.transitions[t + 1];
            let own = inverse(&chain.filtered[t], t, "filtered covariance")?;
            let both = symmetric(&own + matrix.tr_mul(&(&chain.precision * matrix)));
            let backward = inverse(&both, t, "backward precision")?;
            chain
                .gains
                .push(&backward * matrix.transpose() * &chain.precision);
            chain.filtered_precision.push(own);
            chain.backward_precision.push(both);
            chain.backward.push(backward);
        }
        let mut smoothed = chain.filtered[frames - 1].clone();
        let mut all = vec![smoothed.clone()];
        for t in (0..frames - 1).rev() {
            let gain = &chain.gains[t];
            smoothed = symmetric(&chain.backward[t] + gain * smoothed * gain.transpose());
            all.push(smoothed.clone());
        }
        all.reverse();
        for (t, smoothed) in all.iter().enumerate() {
            let root = smoothed.clone().cholesky().ok_or_else(|| {
                sequence.numeric(t, "smoothed covariance is not positive definite")
            })?;
            chain.roots.push(root.l());
        }
        chain.smoothed = all;
        Ok(chain)
    }

    /// ln |x| of a triangular or Cholesky factor.
    fn log_diagonal(root: &Matrix) -> f64 {
        root.diagonal().map(f64::ln).sum()
    }

    /// 1/2 ln |E_t|.
    fn half_log_backward(&self, t: usize) -> f64 {
        let root = self.backward_precision[t].clone().cholesky();
        // Made by `new`, which inverted it by the same factor.
        -root.map_or(f64::NAN, |root| Self::log_diagonal(&root.l()))
    }

    /// D(e) for noise (T, n); its gradient is added to `bars`.
    fn losses(&self, noise: &[f64], mut bars: Option<&mut Bars>) -> Vec<f64> {
        let n = self.precision.nrows();
        let e: Vec<DVector<f64>> = noise
            .chunks_exact(n)
            .map(DVector::from_column_slice)
            .collect();
        let mut losses = Vec::with_capacity(e.len());
        for t in 0..e.len() - 1 {
            let ahead = &self.roots[t + 1] * &e[t + 1];
            let rest = &self.roots[t] * &e[t] - &self.gains[t] * &ahead;
            let force = &self.backward_precision[t] * &rest;
            losses.push(
                0.5 * (rest.dot(&force) - e[t].dot(&e[t])) + self.half_log_backward(t)
                    - Self::log_diagonal(&self.roots[t]),
            );
            if let Some(bars) = bars.as_deref_mut() {
                bars.backward_precision[t] += (&rest * rest.transpose() - &self.backward[t]) * 0.5;
                bars.gains[t] -= &force * ahead.transpose();
                bars.roots[t] += &force * e[t].transpose();
                for i in 0..n {
                    bars.roots[t][(i, i)] -= 1.0 / self.roots[t][(i, i)];
                }
                bars.roots[t + 1] -= self.gains[t].tr_mul(&force) * e[t + 1].transpose();
            }
        }
        losses
    }

    /// E[D] and Var D.
    fn moments(&self) -> (f64, f64) {
        let n = self.precision.nrows();
        let last = self.smoothed.len() - 1;
        let (mut mean, mut variance) = (0.0, 0.0);
        let mut behind = Matrix::zeros(n, n); // L_t' J_{t-1}' E_{t-1}^-1 J_{t-1} L_t
        for t in 0..=last {
            let mut own = behind.clone();
            if t < last {
                let (precision, gain) = (&self.backward_precision[t], &self.gains[t]);
                let trace = (precision * &self.smoothed[t]).trace();
                mean += trace - n as f64 + self.half_log_backward(t)
                    - Self::log_diagonal(&self.roots[t]);
                let scaled = precision * &self.roots[t];
                own += self.roots[t].tr_mul(&scaled) - Matrix::identity(n, n);
                let ahead = gain * &self.roots[t + 1];
                // Twice, above and below the diagonal.
                variance += scaled.tr_mul(&ahead).norm_squared();
                behind = ahead.tr_mul(&(precision * &ahead));
            }
            variance += 0.5 * own.norm_squared();
        }
        (mean, variance)
    }

    /// Subtracts the gradient of D in the model from `gradients`.
    fn reverse(&self, bars: &Bars, sequence: &Sequence, gradients: &mut Gradients) -> Result<()> {
        let n = self.precision.nrows();
        let last = self.smoothed.len() - 1;
        let mut in_filtered = Vec::with_capacity(last + 1);
        let mut in_process = Matrix::zeros(n, n); // in Q^-1
        let mut in_smoothed = Matrix::zeros(n, n);
        for t in 0..last {
            in_smoothed += root_gradient(&self.roots[t], &bars.roots[t]);
            let (gain, matrix) = (&self.gains[t], &self.transitions[t + 1]);
            let backward = &self.backward[t];
            // P_t = E + J P_{t+1} J'
            let in_gain = &bars.gains[t] + &in_smoothed * gain * &self.smoothed[t + 1] * 2.0;
            let weighted = &self.precision * matrix; // Q^-1 A
            // J = E A' Q^-1
            let in_backward = &in_smoothed + symmetric(&in_gain * &weighted);
            let mut in_matrix = &self.precision * in_gain.transpose() * backward;
            in_process += symmetric(matrix * backward * &in_gain);
            // E = G^-1, G = P_{t|t}^-1 + A' Q^-1 A
            let inner = &bars.backward_precision[t] - backward * in_backward * backward;
            in_matrix += weighted * &inner * 2.0;
            in_process += matrix * &inner * matrix.transpose();
            let own = &self.filtered_precision[t];
            in_filtered.push(-(own * inner * own));
            let to = gradients.transition_matrix_at(sequence.at(t + 1));
            add(to, -1.0, &in_matrix);
            in_smoothed = gain.tr_mul(&(&in_smoothed * gain));
        }
        in_filtered.push(in_smoothed + root_gradient(&self.roots[last], &bars.roots[last]));
        let mut in_cov = -&self.precision * in_process * &self.precision;
        for t in (0..=last).rev() {
            let (given, closed) = (&in_filtered[t], &self.closed[t]);
            let precision = Precision::at(sequence, t)?;
            if precision.count > 0 {
                // P_{t|t}^-1 = P_{t|t-1}^-1 + C' W C
                let p = sequence.model.code;
                let emission = dense(p, n, sequence.emission_matrix(t));
                let in_information = -(&self.filtered[t] * given * &self.filtered[t]);
                let weighted = &precision.matrix * &emission;
                let to = gradients.emission_matrix_at(sequence.at(t));
                add(to, -2.0, &(&weighted * &in_information));
                let in_noise = -(&weighted * in_information * weighted.transpose());
                add(&mut gradients.emission_cov, -1.0, &symmetric(in_noise));
            }
            let in_predicted = symmetric(closed.tr_mul(&(given * closed)));
            if t == 0 {
                add(&mut gradients.initial_cov, -1.0, &in_predicted);
                break;
            }
            // P_{t|t-1} = A P_{t-1|t-1} A' + Q
            let matrix = &self.transitions[t];
            in_cov += &in_predicted;
            let in_matrix = &in_predicted * matrix * &self.filtered[t - 1] * 2.0;
            add(
                gradients.transition_matrix_at(sequence.at(t)),
                -1.0,
                &in_matrix,
            );
            in_filtered[t - 1] += matrix.tr_mul(&(in_predicted * matrix));
        }
        add(&mut gradients.transition_cov, -1.0, &symmetric(in_cov));
        Ok(())
    }
}

/// Gradient in P = L L' from that in the lower triangle of L: sym(L^-T F L^-1), F the lower triangle of L' Lbar with half its diagonal
/// (Murray 2016, eq. 10).
fn root_gradient(root: &Matrix, gradient: &Matrix) -> Matrix {
    let mut inner = root.tr_mul(&gradient.lower_triangle());
    inner.fill_upper_triangle(0.0, 1);
    for i in 0..inner.nrows() {
        inner[(i, i)] *= 0.5;
    }
    let zeros = || Matrix::zeros(root.nrows(), root.nrows());
    let left = root.tr_solve_lower_triangular(&inner).unwrap_or_else(zeros);
    let both = root.tr_solve_lower_triangular(&left.transpose());
    symmetric(both.unwrap_or_else(zeros))
}
