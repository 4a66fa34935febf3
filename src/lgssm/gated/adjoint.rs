//! The reverse pass through the filter: from the log likelihood to every argument, the gate's included.
//!
//! Let m*, P* be the gradients in the filtered moments of frame t from everything after it (P* symmetric). With the gain K, the
//! innovation covariance S, u = S^-1 (a - C m_{t|t-1} - d) and J = I - K C, one update sends back
//!
//! ```text
//! e*  = K' m* - u                                    in the innovation: d/da_t = e*, d/dd = -e*
//! S*  = 1/2 (u u' - S^-1) - sym(K' m* u')            in its covariance
//! d/dR += S* + K' P* K
//! d/dC += u (P_{t|t-1} m*)' - e* m_{t|t-1}' + 2 S* C P_{t|t-1} - 2 K' P* P_{t|t}
//! mean of z_t given the past:  m* - C' e*
//! its covariance:              J' P* J + C' S* C + sym(m* (C' u)')
//! ```
//!
//! (d P_{t|t} = J dP J' + K dR K', since the derivative in the optimal gain vanishes, so nothing cancels), and one prediction,
//! with these last two as m*, P*,
//!
//! ```text
//! A_t* = m* m_{t-1|t-1}' + 2 P* A_t P_{t-1|t-1}      b_t* = m*      d/dQ += P*
//! m*  <-  A_t' m* + (what the gate sends back)       P*  <-  A_t' P* A_t
//! ```
//!
//! Frame 0 ends in d/dmu_0 = m*, d/dSigma_0 = P*. Without a gate this is [`crate::lgssm::Gradients`]' recursion.

use super::Gate;
use super::filter::Filter;
use crate::lgssm::batch::{Seen, Sequence};
use crate::lgssm::gradients::Gradients;
use crate::lgssm::matrix::*;
use nalgebra::Dim;

/// Space for the reverse pass of one sequence.
pub(super) struct Adjoint {
    /// m*, (n).
    mean: Vec<f64>,
    /// P*, (n, n).
    cov: Vec<f64>,
    /// P_{t|t-1} or P_{t-1|t-1}, (n, n).
    given: Vec<f64>,
    filtered: Vec<f64>,
    transfer: Vec<f64>,
    square: Vec<f64>,
    matrix: Vec<f64>,
    vector: Vec<f64>,
    innovation: Vec<f64>,
    innovation_cov: Vec<f64>,
    precision: Vec<f64>,
    wide: Vec<f64>,
    wide_other: Vec<f64>,
}

impl Adjoint {
    pub(super) fn new(n: usize, p: usize) -> Self {
        let zeros = |size| vec![0.0; size];
        Self {
            mean: zeros(n),
            cov: zeros(n * n),
            given: zeros(n * n),
            filtered: zeros(n * n),
            transfer: zeros(n * n),
            square: zeros(n * n),
            matrix: zeros(n * n),
            vector: zeros(n),
            innovation: zeros(p),
            innovation_cov: zeros(p * p),
            precision: zeros(p * p),
            wide: zeros(p * n),
            wide_other: zeros(p * n),
        }
    }

    /// Adds the gradient of one sequence, after its filter ran, to `gradients` and `gate_gradient`.
    pub(super) fn run<N: Dim, P: Dim>(
        &mut self,
        size: (N, P),
        sequence: &Sequence,
        filter: &Filter,
        gate: &dyn Gate,
        gradients: &mut Gradients,
        gate_gradient: &mut [f64],
    ) {
        self.mean.fill(0.0);
        self.cov.fill(0.0);
        for t in (0..sequence.batch.frames).rev() {
            if sequence.seen(t) != Seen::Nothing {
                self.update(size, sequence, filter, t, gradients);
            }
            if t > 0 {
                self.predict(size.0, filter, gate, t, gradients, gate_gradient);
            }
        }
        add_scaled(&mut gradients.initial_mean, 1.0, &self.mean);
        add_scaled(&mut gradients.initial_cov, 1.0, &self.cov);
    }

    /// Back through the update of frame t.
    #[inline(always)]
    fn update<N: Dim, P: Dim>(
        &mut self,
        (n, p): (N, P),
        sequence: &Sequence,
        filter: &Filter,
        t: usize,
        gradients: &mut Gradients,
    ) {
        let (n, p) = (n.value(), p.value());
        let (gains, at) = (&filter.gains, sequence.at(t));
        let gain_t = &gains.gain_t[t * p * n..][..p * n];
        let u = &filter.means.weighted_innovation[t * p..][..p];
        let predicted_mean = &filter.means.predicted[t * n..][..n];
        let emission = sequence.emission_matrix(t);
        gram(&mut self.given, &gains.predicted_root[t * n * n..], n, n);
        gram(&mut self.filtered, &gains.filtered_root[t * n * n..], n, n);
        self.precision(&gains.innovation_root[t * p * p..], sequence.seen(t), p);

        // e* and S*; rows of missing components are zero in K', u and S^-1, so in both.
        let (innovation, innovation_cov) = (&mut self.innovation, &mut self.innovation_cov);
        innovation.fill(0.0);
        add_product(innovation, gain_t, &self.mean, p, n); // K' m*
        for i in 0..p {
            for j in 0..p {
                let cross = innovation[i] * u[j] + u[i] * innovation[j];
                innovation_cov[i * p + j] = 0.5 * (u[i] * u[j] - self.precision[i * p + j] - cross);
            }
        }
        add_scaled(innovation, -1.0, u);
        add_scaled(&mut gradients.codes[at * p..][..p], 1.0, innovation);
        add_scaled(gradients.emission_offset_at(at), -1.0, innovation);

        multiply(&mut self.wide, gain_t, &self.cov, p, n, n); // K' P*
        multiply_nt(&mut self.precision, &self.wide, gain_t, p, n, p); // K' P* K
        add_scaled(&mut gradients.emission_cov, 1.0, innovation_cov);
        add_scaled(&mut gradients.emission_cov, 1.0, &self.precision);

        let emission_gradient = gradients.emission_matrix_at(at);
        self.vector.fill(0.0);
        add_product(&mut self.vector, &self.given, &self.mean, n, n);
        add_outer(emission_gradient, 1.0, u, &self.vector, p, n);
        add_outer(emission_gradient, -1.0, innovation, predicted_mean, p, n);
        multiply(&mut self.wide_other, &self.wide, &self.filtered, p, n, n);
        add_scaled(emission_gradient, -2.0, &self.wide_other);
        multiply(&mut self.wide, innovation_cov, emission, p, p, n); // S* C
        multiply(&mut self.wide_other, &self.wide, &self.given, p, n, n);
        add_scaled(emission_gradient, 2.0, &self.wide_other);

        // J = I - K C, then J' P* J.
        for i in 0..n {
            for j in 0..n {
                let product: f64 = (0..p)
                    .map(|l| gain_t[l * n + i] * emission[l * n + j])
                    .sum();
                self.transfer[i * n + j] = f64::from(u8::from(i == j)) - product;
            }
        }
        multiply(&mut self.square, &self.cov, &self.transfer, n, n, n);
        multiply_tn_symmetric(&mut self.cov, &self.transfer, &self.square, n, n);
        multiply_tn_symmetric(&mut self.square, emission, &self.wide, p, n); // C' S* C
        add_scaled(&mut self.cov, 1.0, &self.square);
        self.vector.fill(0.0);
        add_product_t(&mut self.vector, emission, u, p, n);
        add_outer(&mut self.cov, 0.5, &self.mean, &self.vector, n, n);
        add_outer(&mut self.cov, 0.5, &self.vector, &self.mean, n, n);
        for (i, e) in innovation.iter().enumerate() {
            add_scaled(&mut self.mean, -e, &emission[i * n..][..n]);
        }
    }

    /// S^-1 of the components seen, zero elsewhere, from the root of S.
    #[inline(always)]
    fn precision(&mut self, root: &[f64], seen: Seen, p: usize) {
        for i in 0..p {
            for j in 0..p {
                self.innovation_cov[i * p + j] = f64::from(u8::from(i == j));
            }
        }
        solve_upper_t(root, &mut self.innovation_cov, p, p); // U'^-1
        gram(&mut self.precision, &self.innovation_cov, p, p); // U^-1 U'^-1
        for i in (0..p).filter(|&i| !seen.component(i)) {
            for j in 0..p {
                self.precision[i * p + j] = 0.0;
                self.precision[j * p + i] = 0.0;
            }
        }
    }

    /// Back through the prediction of frame t and the gate that chose it.
    #[inline(always)]
    fn predict<N: Dim>(
        &mut self,
        n: N,
        filter: &Filter,
        gate: &dyn Gate,
        t: usize,
        gradients: &mut Gradients,
        gate_gradient: &mut [f64],
    ) {
        let n = n.value();
        let matrix = &filter.matrices[t * n * n..][..n * n];
        let before = &filter.means.filtered[(t - 1) * n..][..n];
        add_scaled(&mut gradients.transition_cov, 1.0, &self.cov);
        let root = &filter.gains.filtered_root[(t - 1) * n * n..][..n * n];
        gram(&mut self.given, root, n, n);
        multiply(&mut self.transfer, &self.cov, matrix, n, n, n); // P* A
        multiply(&mut self.matrix, &self.transfer, &self.given, n, n, n);
        self.matrix.iter_mut().for_each(|x| *x *= 2.0);
        add_outer(&mut self.matrix, 1.0, &self.mean, before, n, n);
        self.vector.fill(0.0);
        add_product_t(&mut self.vector, matrix, &self.mean, n, n);
        gate.backward(
            before,
            &self.matrix,
            &self.mean,
            &mut self.vector,
            gate_gradient,
        );
        multiply_tn_symmetric(&mut self.cov, matrix, &self.transfer, n, n);
        std::mem::swap(&mut self.mean, &mut self.vector);
    }
}
