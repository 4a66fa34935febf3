//! The reverse pass through the tree of hypotheses: from the log likelihood to every argument, the modes' included.
//!
//! Let lambda*_b be the gradient in the log weight of branch b, r_b its share of exp(lambda) among all branches of its frame, q_b
//! that among the kept ones, s_b that within its hypothesis, and w*_h the gradient in the log weight of hypothesis h from later
//! frames. Then
//!
//! ```text
//! lambda*_b = r_b + (s_b w*_{h(b)} - q_b sum_h w*_h  where b is kept),      w*_h = sum of lambda* over the branches of h
//! ```
//!
//! and lambda*_b is the gradient in log N(a_t; ..) of the branch and in the log probability of its mode. With m*, P* the gradients
//! in the filtered moments of the branch from later frames (P* symmetric; zero but for the heaviest of its hypothesis), the gain K,
//! the innovation covariance S, u = S^-1 (a - C m_{t|t-1} - d) and J = I - K C, one update sends back
//!
//! ```text
//! e*  = K' m* - lambda* u                                in the innovation: d/da_t = e*, d/dd = -e*
//! S*  = lambda*/2 (u u' - S^-1) - sym(K' m* u')          in its covariance
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
//! A_k* = m* m_{t-1|t-1}' + 2 P* A_k P_{t-1|t-1}      b_k* = m*      d/dQ += P*
//! in the moments of the hypothesis before:  A_k' m*,  A_k' P* A_k,  and what the mode probabilities send back
//! ```
//!
//! Frame 0 ends in d/dmu_0 = m*, d/dSigma_0 = P*. What is chosen (which branches are followed, kept and merged) is piecewise
//! constant in every argument.

use super::filter::{Branch, Filter};
use super::{Modes, ModesGradient, log_sum_exp};
use crate::batch::{Seen, Sequence};
use crate::gradients::Gradients;
use crate::matrix::*;
use nalgebra::Dim;

/// Space for the reverse pass of one sequence.
pub(super) struct Adjoint {
    /// m* and P* of every place, (places, n) and (places, n, n).
    means: Vec<f64>,
    covs: Vec<f64>,
    /// w* of every place.
    weights: Vec<f64>,
    /// lambda* of every place.
    log_weights: Vec<f64>,
    /// m* and P* of the branch at hand.
    mean: Vec<f64>,
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
    log_probabilities: Vec<f64>,
}

impl Adjoint {
    pub(super) fn new(n: usize, p: usize) -> Self {
        let zeros = |size| vec![0.0; size];
        Self {
            means: Vec::new(),
            covs: Vec::new(),
            weights: Vec::new(),
            log_weights: Vec::new(),
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
            log_probabilities: Vec::new(),
        }
    }

    /// Adds the gradient of one sequence, after its filter ran, to `gradients` and `of_modes`.
    pub(super) fn run<N: Dim, P: Dim>(
        &mut self,
        (n, p): (N, P),
        sequence: &Sequence,
        filter: &Filter,
        modes: &Modes,
        gradients: &mut Gradients,
        of_modes: &mut ModesGradient,
    ) {
        let (size, places) = (n.value(), filter.branches.len());
        for (array, size) in [
            (&mut self.means, size),
            (&mut self.covs, size * size),
            (&mut self.weights, 1),
            (&mut self.log_weights, 1),
        ] {
            array.clear();
            array.resize(places * size, 0.0);
        }
        for t in (0..sequence.batch.frames).rev() {
            self.log_weights(&filter.branches, filter.frame(t));
            for place in filter.frame(t) {
                let (branch, of_weight) = (filter.branches[place], self.log_weights[place]);
                if of_weight == 0.0 && branch.kept_as != Some(place) {
                    continue;
                }
                self.mean
                    .copy_from_slice(&self.means[place * size..][..size]);
                self.cov
                    .copy_from_slice(&self.covs[place * size * size..][..size * size]);
                if sequence.seen(t) != Seen::Nothing {
                    self.update((n, p), sequence, filter, (t, place), of_weight, gradients);
                }
                match t {
                    0 => {
                        add_scaled(&mut gradients.initial_mean, 1.0, &self.mean);
                        add_scaled(&mut gradients.initial_cov, 1.0, &self.cov);
                    }
                    _ => {
                        self.weights[branch.parent] += of_weight;
                        self.predict(n, filter, modes, branch, gradients, of_modes);
                    }
                }
            }
            if t > 0 {
                self.choose(size, filter, modes, t, of_modes);
            }
        }
    }

    /// lambda* of the branches of one frame.
    fn log_weights(&mut self, branches: &[Branch], frame: std::ops::Range<usize>) {
        let here = &branches[frame.clone()];
        let all = log_sum_exp(here.iter().map(|b| b.log_weight));
        let kept = log_sum_exp(
            here.iter()
                .filter(|b| b.kept_as.is_some())
                .map(|b| b.log_weight),
        );
        let of_all: f64 = self.weights[frame.clone()].iter().sum();
        for (branch, place) in here.iter().zip(frame) {
            let mut of_weight = (branch.log_weight - all).exp();
            if let Some(head) = branch.kept_as {
                let own = kept + branches[head].kept_log_weight;
                of_weight += (branch.log_weight - own).exp() * self.weights[head]
                    - (branch.log_weight - kept).exp() * of_all;
            }
            self.log_weights[place] = of_weight;
        }
    }

    /// Back through the update of frame t in one branch.
    #[inline(always)]
    fn update<N: Dim, P: Dim>(
        &mut self,
        (n, p): (N, P),
        sequence: &Sequence,
        filter: &Filter,
        (t, place): (usize, usize),
        of_weight: f64,
        gradients: &mut Gradients,
    ) {
        let (n, p) = (n.value(), p.value());
        let (gains, at) = (&filter.gains, sequence.at(t));
        let gain_t = &gains.gain_t[place * p * n..][..p * n];
        let u = &filter.means.weighted_innovation[place * p..][..p];
        let predicted_mean = &filter.means.predicted[place * n..][..n];
        let emission = sequence.emission_matrix(t);
        gram(
            &mut self.given,
            &gains.predicted_root[place * n * n..],
            n,
            n,
        );
        gram(
            &mut self.filtered,
            &gains.filtered_root[place * n * n..],
            n,
            n,
        );
        self.precision(&gains.innovation_root[place * p * p..], sequence.seen(t), p);

        // e* and S*; rows of missing components are zero in K', u and S^-1, so in both.
        let (innovation, innovation_cov) = (&mut self.innovation, &mut self.innovation_cov);
        innovation.fill(0.0);
        add_product(innovation, gain_t, &self.mean, p, n); // K' m*
        for i in 0..p {
            for j in 0..p {
                let cross = innovation[i] * u[j] + u[i] * innovation[j];
                let own = u[i] * u[j] - self.precision[i * p + j];
                innovation_cov[i * p + j] = 0.5 * (of_weight * own - cross);
            }
        }
        add_scaled(innovation, -of_weight, u);
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

    /// Back through the prediction of one branch, into its mode and into the moments of the hypothesis before.
    #[inline(always)]
    fn predict<N: Dim>(
        &mut self,
        n: N,
        filter: &Filter,
        modes: &Modes,
        branch: Branch,
        gradients: &mut Gradients,
        of_modes: &mut ModesGradient,
    ) {
        let (n, from) = (n.value(), branch.parent);
        let matrix = modes.matrix(branch.mode);
        let before = &filter.means.filtered[from * n..][..n];
        add_scaled(&mut gradients.transition_cov, 1.0, &self.cov);
        gram(
            &mut self.given,
            &filter.gains.filtered_root[from * n * n..][..n * n],
            n,
            n,
        );
        multiply(&mut self.transfer, &self.cov, matrix, n, n, n); // P* A
        multiply(&mut self.matrix, &self.transfer, &self.given, n, n, n);
        let of_matrix = &mut of_modes.matrices[branch.mode * n * n..][..n * n];
        add_scaled(of_matrix, 2.0, &self.matrix);
        add_outer(of_matrix, 1.0, &self.mean, before, n, n);
        add_scaled(
            &mut of_modes.offsets[branch.mode * n..][..n],
            1.0,
            &self.mean,
        );
        add_product_t(&mut self.means[from * n..][..n], matrix, &self.mean, n, n);
        multiply_tn_symmetric(&mut self.square, matrix, &self.transfer, n, n);
        add_scaled(&mut self.covs[from * n * n..][..n * n], 1.0, &self.square);
    }

    /// Back through the mode probabilities of every hypothesis before frame t.
    fn choose(
        &mut self,
        n: usize,
        filter: &Filter,
        modes: &Modes,
        t: usize,
        of_modes: &mut ModesGradient,
    ) {
        let mut at = filter.starts[t];
        while at < filter.starts[t + 1] {
            let parent = filter.branches[at].parent;
            let children = &filter.branches[at..filter.starts[t + 1]];
            let count = children.iter().take_while(|b| b.parent == parent).count();
            let of_children = &self.log_weights[at..][..count];
            let total: f64 = of_children.iter().sum();
            self.log_probabilities.clear();
            self.log_probabilities.resize(modes.count(), 0.0);
            for (branch, of_weight) in children.iter().zip(of_children) {
                self.log_probabilities[branch.mode] = of_weight - branch.log_prior.exp() * total;
            }
            gram(
                &mut self.given,
                &filter.gains.filtered_root[parent * n * n..][..n * n],
                n,
                n,
            );
            modes.backward(
                &filter.means.filtered[parent * n..][..n],
                &self.given,
                &self.log_probabilities,
                &mut self.means[parent * n..][..n],
                &mut self.covs[parent * n * n..][..n * n],
                of_modes,
            );
            at += count;
        }
    }
}
