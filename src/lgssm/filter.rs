//! The forward pass: square-root Kalman filter, its covariances apart from its means, and the exact log likelihood.
//!
//! With roots U'U = P, one frame is two QR steps ([`triangularize`]):
//!
//! ```text
//! predict   [ Q^{1/2} ]      [ U_{t|t-1} ]          update   [ R^{1/2}       0         ]      [ S^{1/2}  S^{-T/2} C P ]
//!           [ U A'    ]  ->  [ 0         ]                   [ U_{t|t-1} C'  U_{t|t-1} ]  ->  [ 0        U_{t|t}      ]
//! ```
//!
//! A missing component is a code of its own that tells nothing: row of C zero, variance one, innovation zero.

use super::batch::{Seen, Sequence};
use super::matrix::*;
use super::model::Roots;
use crate::Result;
use nalgebra::Dim;

/// Which frame one step of the filter treats, and the places in the arrays of [`Gains`] and [`Means`] that it reads and writes.
/// A plain filter has one place a frame; one that follows several hypotheses has one for each of them.
#[derive(Clone, Copy)]
pub(super) struct Step {
    /// Frame.
    pub t: usize,
    /// Place of the filtered state of frame t-1; not read at t = 0.
    pub from: usize,
    /// Place of the states of frame t.
    pub to: usize,
}

impl Step {
    /// Frame t of a plain filter.
    pub(super) fn frame(t: usize) -> Self {
        Self {
            t,
            from: t.saturating_sub(1),
            to: t,
        }
    }
}

/// ln(2 pi).
const LN_2PI: f64 = 1.837_877_066_409_345_3;

/// All of the filter that does not depend on the codes, for every frame of one sequence.
pub(super) struct Gains {
    /// Root of P_{t|t-1}, (T, n, n).
    pub predicted_root: Vec<f64>,
    /// Root of P_{t|t}, (T, n, n).
    pub filtered_root: Vec<f64>,
    /// Upper triangular root of the innovation covariance S_t, (T, p, p).
    pub innovation_root: Vec<f64>,
    /// K_t', (T, p, n): transposed Kalman gain; zero rows for missing components.
    pub gain_t: Vec<f64>,
    /// log det S_t + (components seen) ln 2 pi, (T); 0 where nothing is seen.
    pub normalizer: Vec<f64>,
    top: Vec<f64>,
    bottom: Vec<f64>,
    row: Vec<f64>,
    emission: Vec<f64>,
    emission_root: Vec<f64>,
    emission_cov: Vec<f64>,
}

/// All of the filter that depends on the codes, for every frame of one sequence.
pub(super) struct Means {
    /// m_{t|t-1}, (T, n).
    pub predicted: Vec<f64>,
    /// m_{t|t}, (T, n).
    pub filtered: Vec<f64>,
    /// S_t^-1 (a_t - C_t m_{t|t-1} - d_t), (T, p); zero for missing components.
    pub weighted_innovation: Vec<f64>,
    /// log p(a_t | a_0 .. a_{t-1}) of the sequence that ran last, nats, (T).
    pub increments: Vec<f64>,
}

impl Gains {
    /// Space for `places` states: one a frame in a plain filter.
    pub(super) fn new(places: usize, n: usize, p: usize) -> Self {
        Self {
            predicted_root: vec![0.0; places * n * n],
            filtered_root: vec![0.0; places * n * n],
            innovation_root: vec![0.0; places * p * p],
            gain_t: vec![0.0; places * p * n],
            normalizer: vec![0.0; places],
            top: vec![0.0; p * (p + n)],
            bottom: vec![0.0; n * (p + n)],
            row: vec![0.0; p + n],
            emission: vec![0.0; p * n],
            emission_root: vec![0.0; p * p],
            emission_cov: vec![0.0; p * p],
        }
    }

    /// Makes room for `places` states.
    pub(super) fn reserve(&mut self, places: usize, n: usize, p: usize) {
        let grow = |array: &mut Vec<f64>, size: usize| {
            if array.len() < places * size {
                array.resize(places * size, 0.0);
            }
        };
        grow(&mut self.predicted_root, n * n);
        grow(&mut self.filtered_root, n * n);
        grow(&mut self.innovation_root, p * p);
        grow(&mut self.gain_t, p * n);
        grow(&mut self.normalizer, 1);
    }

    /// Runs the covariances of the filter over one sequence.
    ///
    /// # Errors
    /// [`crate::Error::Numeric`] names sequence, step and covariance where one is no longer finite.
    pub(super) fn run<N: Dim, P: Dim>(
        &mut self,
        (n, p): (N, P),
        sequence: &Sequence,
        roots: &Roots,
    ) -> Result<()> {
        for t in 0..sequence.batch.frames {
            let step = Step::frame(t);
            self.predict(n, sequence.transition_matrix(t), sequence, roots, step)?;
            self.update((n, p), sequence, roots, step)?;
        }
        Ok(())
    }

    /// Root of P_{t|t-1} from the root of P_{t-1|t-1} and A_t = `matrix`, which is not read at t = 0.
    #[inline(always)]
    pub(super) fn predict<N: Dim>(
        &mut self,
        n: N,
        matrix: &[f64],
        sequence: &Sequence,
        roots: &Roots,
        Step { t, from, to }: Step,
    ) -> Result<()> {
        let n = n.value();
        let predicted = &mut self.predicted_root[to * n * n..][..n * n];
        if t == 0 {
            predicted.copy_from_slice(&roots.initial);
            return Ok(());
        }
        let filtered = &self.filtered_root[from * n * n..][..n * n];
        predicted.copy_from_slice(&roots.transition);
        multiply_nt(&mut self.bottom, filtered, matrix, n, n, n);
        triangularize(predicted, &mut self.bottom, &mut self.row, (n, n, n));
        match (0..n).all(|i| predicted[i * n + i].is_finite()) {
            true => Ok(()),
            false => Err(sequence.numeric(t, "predicted covariance is not finite")),
        }
    }

    /// Root of P_{t|t}, Kalman gain and innovation covariance from the root of P_{t|t-1}.
    #[inline(always)]
    pub(super) fn update<N: Dim, P: Dim>(
        &mut self,
        sizes: (N, P),
        sequence: &Sequence,
        roots: &Roots,
        step: Step,
    ) -> Result<()> {
        self.update_as(sizes, sequence, roots, step, sequence.seen(step.t))
    }

    /// The same as if so much of the code were seen.
    #[inline(always)]
    pub(super) fn update_as<N: Dim, P: Dim>(
        &mut self,
        (n, p): (N, P),
        sequence: &Sequence,
        roots: &Roots,
        Step { t, to, .. }: Step,
        seen: Seen,
    ) -> Result<()> {
        let (n, p) = (n.value(), p.value());
        let width = p + n;
        let predicted = &self.predicted_root[to * n * n..][..n * n];
        let filtered = &mut self.filtered_root[to * n * n..][..n * n];
        let gain_t = &mut self.gain_t[to * p * n..][..p * n];
        let innovation = &mut self.innovation_root[to * p * p..][..p * p];
        if seen == Seen::Nothing {
            filtered.copy_from_slice(predicted);
            gain_t.fill(0.0);
            self.normalizer[to] = 0.0;
            return Ok(());
        }
        let mut count = p;
        let (mut emission, mut emission_root) = (sequence.emission_matrix(t), &roots.emission[..]);
        if let Seen::Some(mask) = seen {
            count = mask.iter().filter(|&&seen| seen).count();
            mask_emission(&mut self.emission, emission, mask, n);
            mask_cov(&mut self.emission_cov, &sequence.model.emission_cov, mask);
            if cholesky(&mut self.emission_root, &self.emission_cov, p).is_err() {
                return Err(sequence.numeric(t, "emission_cov of the components seen is singular"));
            }
            (emission, emission_root) = (&self.emission, &self.emission_root);
        }
        let (top, bottom) = (&mut self.top[..p * width], &mut self.bottom[..n * width]);
        for i in 0..p {
            top[i * width..][..p].copy_from_slice(&emission_root[i * p..][..p]);
            top[i * width + p..][..n].fill(0.0);
        }
        for i in 0..n {
            let root = &predicted[i * n..][..n];
            let row = &mut bottom[i * width..][..width];
            row[..p].fill(0.0);
            add_product(row, emission, root, p, n);
            row[p..].copy_from_slice(root);
        }
        triangularize(top, bottom, &mut self.row, (p, n, width));
        let mut normalizer = count as f64 * LN_2PI;
        for i in 0..p {
            innovation[i * p..][..p].copy_from_slice(&top[i * width..][..p]);
            gain_t[i * n..][..n].copy_from_slice(&top[i * width + p..][..n]);
            normalizer += 2.0 * innovation[i * p + i].abs().ln();
        }
        for i in 0..n {
            filtered[i * n..][..n].copy_from_slice(&bottom[i * width + p..][..n]);
        }
        solve_upper(innovation, gain_t, p, n);
        self.normalizer[to] = normalizer;
        match normalizer.is_finite() {
            true => Ok(()),
            false => Err(sequence.numeric(t, "innovation covariance is not finite or singular")),
        }
    }
}

impl Means {
    /// Space for `places` states.
    pub(super) fn new(places: usize, n: usize, p: usize) -> Self {
        Self {
            predicted: vec![0.0; places * n],
            filtered: vec![0.0; places * n],
            weighted_innovation: vec![0.0; places * p],
            increments: Vec::new(),
        }
    }

    /// Makes room for `places` states.
    pub(super) fn reserve(&mut self, places: usize, n: usize, p: usize) {
        let grow = |array: &mut Vec<f64>, size: usize| {
            if array.len() < places * size {
                array.resize(places * size, 0.0);
            }
        };
        grow(&mut self.predicted, n);
        grow(&mut self.filtered, n);
        grow(&mut self.weighted_innovation, p);
    }

    /// Runs the means of the filter over one sequence; returns its exact log likelihood, nats, summed over frames.
    ///
    /// # Errors
    /// [`crate::Error::Numeric`] names sequence and step where the innovation is not finite (codes, or means that blew up).
    pub(super) fn run<N: Dim, P: Dim>(
        &mut self,
        (n, p): (N, P),
        sequence: &Sequence,
        gains: &Gains,
    ) -> Result<f64> {
        self.increments.clear();
        for t in 0..sequence.batch.frames {
            let (matrix, offset) = (sequence.transition_matrix(t), sequence.transition_offset(t));
            let step = Step::frame(t);
            self.predict(n, matrix, offset, sequence, step);
            let increment = self.update((n, p), sequence, gains, step)?;
            self.increments.push(increment);
        }
        // From a positive zero, as a running sum starts.
        Ok(self.increments.iter().fold(0.0, |sum, x| sum + x))
    }

    /// m_{t|t-1} from m_{t-1|t-1}, A_t = `matrix` and c_t = `offset`, which are not read at t = 0.
    #[inline(always)]
    pub(super) fn predict<N: Dim>(
        &mut self,
        n: N,
        matrix: &[f64],
        offset: &[f64],
        sequence: &Sequence,
        Step { t, from, to }: Step,
    ) {
        let n = n.value();
        let predicted = &mut self.predicted[to * n..][..n];
        if t == 0 {
            predicted.copy_from_slice(&sequence.model.initial_mean);
        } else {
            predicted.copy_from_slice(offset);
            let before = &self.filtered[from * n..][..n];
            add_product(predicted, matrix, before, n, n);
        }
    }

    /// m_{t|t} from m_{t|t-1} and a_t; returns log p(a_t | a_0 .. a_{t-1}), 0 where nothing is seen.
    #[inline(always)]
    pub(super) fn update<N: Dim, P: Dim>(
        &mut self,
        (n, p): (N, P),
        sequence: &Sequence,
        gains: &Gains,
        Step { t, to, .. }: Step,
    ) -> Result<f64> {
        let (n, p) = (n.value(), p.value());
        let predicted = &self.predicted[to * n..][..n];
        let filtered = &mut self.filtered[to * n..][..n];
        let innovation = &mut self.weighted_innovation[to * p..][..p];
        filtered.copy_from_slice(predicted);
        let seen = sequence.seen(t);
        if seen == Seen::Nothing {
            innovation.fill(0.0);
            return Ok(0.0);
        }
        let (code, offset) = (sequence.code(t), sequence.emission_offset(t));
        let emission = sequence.emission_matrix(t);
        for i in 0..p {
            innovation[i] = if seen.component(i) {
                let mut expected = offset[i];
                for j in 0..n {
                    expected += emission[i * n + j] * predicted[j];
                }
                code[i] - expected
            } else {
                0.0
            };
        }
        add_product_t(filtered, &gains.gain_t[to * p * n..], innovation, p, n);
        let root = &gains.innovation_root[to * p * p..][..p * p];
        solve_upper_t(root, innovation, p, 1);
        let square: f64 = innovation.iter().map(|x| x * x).sum();
        solve_upper(root, innovation, p, 1);
        match square.is_finite() {
            true => Ok(-0.5 * (square + gains.normalizer[to])),
            false => {
                Err(sequence.numeric(t, "innovation (code minus its prediction) is not finite"))
            }
        }
    }
}

/// `out` (p, n): C with the rows of missing components zero.
pub(super) fn mask_emission(out: &mut [f64], emission: &[f64], mask: &[bool], n: usize) {
    out.copy_from_slice(emission);
    for (row, _) in out
        .chunks_exact_mut(n)
        .zip(mask)
        .filter(|(_, seen)| !**seen)
    {
        row.fill(0.0);
    }
}

/// `out` (p, p): R with the rows and columns of missing components those of the identity.
fn mask_cov(out: &mut [f64], cov: &[f64], mask: &[bool]) {
    let p = mask.len();
    for i in 0..p {
        for j in 0..p {
            out[i * p + j] = match (mask[i] && mask[j], i == j) {
                (true, _) => cov[i * p + j],
                (false, same) => f64::from(u8::from(same)),
            };
        }
    }
}
