//! The backward pass of the gradients: how the log likelihood changes with every predicted and filtered moment.
//!
//! For frame t let lambda = d log p / d mean and let N be defined by d log p / d covariance = 1/2 (lambda lambda' - N), both for
//! the predicted moments (lambda, N) and for the filtered ones (lambda+, N+). With the innovation e, its covariance S and the gain K
//!
//! ```text
//! lambda+_{T-1} = 0                        N+_{T-1} = 0
//! u_t      = S^-1 e - K' lambda+           D_t = S^-1 + K' N+ K             (seen components)
//! lambda_t = lambda+ + C' u_t              N_t = C' S^-1 C + (I - K C)' N+ (I - K C)
//! lambda+_{t-1} = A_t' lambda_t            N+_{t-1} = A_t' N_t A_t
//! ```
//!
//! (Bryson-Frazier; de Jong 1989; Koopman & Shephard 1992.) R u_t and Q lambda_t are the smoothed disturbances E[v_t | a], E[w_t | a],
//! and m_t = m_{t|t} + P_{t|t} lambda+_t. N does not depend on the codes. The recursions are the exact reverse pass of the filter for
//! *any* (lambda+, N+), not only those above: if A_t were chosen from the filtered mean, its share would be added to lambda+_{t-1}
//! (and the change of lambda lambda' to N+_{t-1}), and everything else would stand.

use super::batch::{Seen, Sequence};
use super::filter::{Gains, Means, mask_emission};
use super::gradients::Gradients;
use super::matrix::*;
use nalgebra::Dim;

/// Space for the backward pass of one sequence.
pub(super) struct Adjoint {
    /// N of the moments that the pass stands at, (n, n).
    information: Vec<f64>,
    /// lambda of the moments that the pass stands at, (n).
    lambda: Vec<f64>,
    /// P_{t|t}, (T, n, n).
    filtered_cov: Vec<f64>,
    smoothed: Vec<f64>,
    previous: Vec<f64>,
    disturbance: Vec<f64>,
    state_a: Vec<f64>,
    state_b: Vec<f64>,
    emission: Vec<f64>,
    gain_information: Vec<f64>,
    code_cov: Vec<f64>,
}

impl Adjoint {
    pub(super) fn new(frames: usize, n: usize, p: usize) -> Self {
        let zeros = |size| vec![0.0; size];
        Self {
            information: zeros(n * n),
            lambda: zeros(n),
            filtered_cov: zeros(frames * n * n),
            smoothed: zeros(n),
            previous: zeros(n),
            disturbance: zeros(p),
            state_a: zeros(n * n),
            state_b: zeros(n * n),
            emission: zeros(p * n),
            gain_information: zeros(p * n),
            code_cov: zeros(p * p),
        }
    }

    /// The part of every gradient that does not depend on the codes: all terms with N, D, K alone. `weight` sequences share it.
    pub(super) fn covariances<N: Dim, P: Dim>(
        &mut self,
        (n, p): (N, P),
        sequence: &Sequence,
        gains: &Gains,
        weight: f64,
        gradients: &mut Gradients,
    ) {
        self.information.fill(0.0);
        let nn = n.value() * n.value();
        for t in (0..sequence.batch.frames).rev() {
            let filtered_root = &gains.filtered_root[t * nn..][..nn];
            gram(
                &mut self.filtered_cov[t * nn..],
                filtered_root,
                n.value(),
                n.value(),
            );
            if t + 1 < sequence.batch.frames {
                self.transition_covariance((n, p), sequence, t + 1, weight, gradients);
            }
            self.emission_covariance((n, p), sequence, gains, t, weight, gradients);
        }
        add_scaled(&mut gradients.initial_cov, -0.5 * weight, &self.information);
    }

    /// From (N of z_t predicted) to (N+ of z_{t-1} filtered), with its share of d/dA_t and d/dQ.
    #[inline(always)]
    fn transition_covariance<N: Dim, P: Dim>(
        &mut self,
        (n, _): (N, P),
        sequence: &Sequence,
        t: usize,
        weight: f64,
        gradients: &mut Gradients,
    ) {
        let n = n.value();
        let matrix = sequence.transition_matrix(t);
        let before = &self.filtered_cov[(t - 1) * n * n..][..n * n];
        add_scaled(
            &mut gradients.transition_cov,
            -0.5 * weight,
            &self.information,
        );
        multiply(&mut self.state_a, &self.information, matrix, n, n, n); // N A
        multiply(&mut self.state_b, &self.state_a, before, n, n, n); // N A P
        let gradient = gradients.transition_matrix_at(sequence.at(t));
        add_scaled(gradient, -weight, &self.state_b);
        multiply_tn_symmetric(&mut self.information, matrix, &self.state_a, n, n);
    }

    /// From (N+ of z_t filtered) to (N of z_t predicted), with its share of d/dC_t and d/dR.
    #[inline(always)]
    fn emission_covariance<N: Dim, P: Dim>(
        &mut self,
        (n, p): (N, P),
        sequence: &Sequence,
        gains: &Gains,
        t: usize,
        weight: f64,
        gradients: &mut Gradients,
    ) {
        let (n, p) = (n.value(), p.value());
        let seen = sequence.seen(t);
        if seen == Seen::Nothing {
            return;
        }
        let gain_t = &gains.gain_t[t * p * n..][..p * n];
        let root = &gains.innovation_root[t * p * p..][..p * p];
        let filtered_cov = &self.filtered_cov[t * n * n..][..n * n];
        match seen {
            Seen::Some(mask) => {
                mask_emission(&mut self.emission, sequence.emission_matrix(t), mask, n)
            }
            _ => self.emission.copy_from_slice(sequence.emission_matrix(t)),
        }
        // I - K C, before the emission is whitened in place.
        let closed = &mut self.state_a[..n * n];
        for i in 0..n {
            for j in 0..n {
                let mut sum = if i == j { 1.0 } else { 0.0 };
                for l in 0..p {
                    sum -= gain_t[l * n + i] * self.emission[l * n + j];
                }
                closed[i * n + j] = sum;
            }
        }
        // d/dC -= K' (I - N+ P)
        let gradient = gradients.emission_matrix_at(sequence.at(t));
        multiply(
            &mut self.gain_information,
            gain_t,
            &self.information,
            p,
            n,
            n,
        ); // K' N+
        add_scaled(gradient, -weight, gain_t);
        for i in 0..p {
            for j in 0..n {
                let mut sum = 0.0;
                for l in 0..n {
                    sum += self.gain_information[i * n + l] * filtered_cov[l * n + j];
                }
                gradient[i * n + j] += weight * sum;
            }
        }
        // d/dR -= 1/2 (S^-1 + K' N+ K)
        self.code_cov.fill(0.0);
        for i in 0..p {
            self.code_cov[i * p + i] = 1.0;
        }
        solve_upper_t(root, &mut self.code_cov, p, p); // S^{-T/2}
        for i in 0..p {
            for j in 0..p {
                if !(seen.component(i) && seen.component(j)) {
                    continue;
                }
                let mut sum = 0.0;
                for l in 0..p {
                    sum += self.code_cov[l * p + i] * self.code_cov[l * p + j];
                }
                for l in 0..n {
                    sum += self.gain_information[i * n + l] * gain_t[j * n + l];
                }
                gradients.emission_cov[i * p + j] -= 0.5 * weight * sum;
            }
        }
        // N = C' S^-1 C + (I - K C)' N+ (I - K C)
        multiply(&mut self.state_b, &self.information, closed, n, n, n);
        multiply_tn_symmetric(&mut self.information, closed, &self.state_b, n, n);
        solve_upper_t(root, &mut self.emission, p, n);
        gram(&mut self.state_b, &self.emission, p, n);
        add_scaled(&mut self.information, 1.0, &self.state_b);
    }

    /// The part of every gradient that depends on the codes, after [`Self::covariances`] (which leaves P_{t|t} here).
    pub(super) fn means<N: Dim, P: Dim>(
        &mut self,
        (n, p): (N, P),
        sequence: &Sequence,
        gains: &Gains,
        means: &Means,
        gradients: &mut Gradients,
    ) {
        let size = n.value();
        let last = sequence.batch.frames - 1;
        self.lambda.fill(0.0);
        self.smoothed
            .copy_from_slice(&means.filtered[last * size..][..size]);
        for t in (0..=last).rev() {
            if t < last {
                self.transition_mean((n, p), sequence, means, t + 1, gradients);
            }
            self.emission_mean((n, p), sequence, gains, means, t, gradients);
        }
        let lambda = &self.lambda[..size];
        add_scaled(&mut gradients.initial_mean, 1.0, lambda);
        add_outer(&mut gradients.initial_cov, 0.5, lambda, lambda, size, size);
    }

    /// From lambda of z_t predicted to lambda+ of z_{t-1} filtered and m_{t-1}, with its share of d/dA_t, d/dc_t and d/dQ.
    #[inline(always)]
    fn transition_mean<N: Dim, P: Dim>(
        &mut self,
        (n, _): (N, P),
        sequence: &Sequence,
        means: &Means,
        t: usize,
        gradients: &mut Gradients,
    ) {
        let (n, at) = (n.value(), sequence.at(t));
        let (lambda, previous) = (&mut self.lambda[..n], &mut self.previous[..n]);
        previous.fill(0.0);
        add_product_t(previous, sequence.transition_matrix(t), lambda, n, n);
        let smoothed = &mut self.smoothed[..n];
        smoothed.copy_from_slice(&means.filtered[(t - 1) * n..][..n]);
        let cov = &self.filtered_cov[(t - 1) * n * n..][..n * n];
        add_product(smoothed, cov, previous, n, n);
        add_outer(&mut gradients.transition_cov, 0.5, lambda, lambda, n, n);
        add_scaled(gradients.transition_offset_at(at), 1.0, lambda);
        add_outer(
            gradients.transition_matrix_at(at),
            1.0,
            lambda,
            smoothed,
            n,
            n,
        );
        lambda.copy_from_slice(previous);
    }

    /// From lambda+ of z_t filtered to lambda of z_t predicted, with its share of d/dC_t, d/dd_t, d/da_t and d/dR.
    #[inline(always)]
    fn emission_mean<N: Dim, P: Dim>(
        &mut self,
        (n, p): (N, P),
        sequence: &Sequence,
        gains: &Gains,
        means: &Means,
        t: usize,
        gradients: &mut Gradients,
    ) {
        let (n, p, at) = (n.value(), p.value(), sequence.at(t));
        if sequence.seen(t) == Seen::Nothing {
            return;
        }
        let u = &mut self.disturbance[..p];
        let gain_t = &gains.gain_t[t * p * n..][..p * n];
        for i in 0..p {
            let mut sum = means.weighted_innovation[t * p + i];
            for j in 0..n {
                sum -= gain_t[i * n + j] * self.lambda[j];
            }
            u[i] = sum;
        }
        add_outer(
            gradients.emission_matrix_at(at),
            1.0,
            u,
            &self.smoothed,
            p,
            n,
        );
        add_scaled(gradients.emission_offset_at(at), 1.0, u);
        add_outer(&mut gradients.emission_cov, 0.5, u, u, p, p);
        add_scaled(&mut gradients.codes[at * p..][..p], -1.0, u);
        add_product_t(&mut self.lambda, sequence.emission_matrix(t), u, p, n);
    }
}
