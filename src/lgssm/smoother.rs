//! The backward pass over states: z_t given z_{t+1} and the codes up to t, and from it the square-root RTS smoother.
//!
//! Given a_0 .. a_t, the state z_t = m_{t|t} + J_t (z_{t+1} - m_{t+1|t}) + e_t with e_t ~ N(0, E_t) independent of z_{t+1}. One QR step
//! gives both, E_t without a subtraction:
//!
//! ```text
//! [ Q^{1/2}       0       ]      [ U_{t+1|t}  X ]      J_t' = U_{t+1|t}^-1 X,    E_t = Y'Y
//! [ U_{t|t} A'    U_{t|t} ]  ->  [ 0          Y ]
//! ```
//!
//! Then P_t = E_t + J_t P_{t+1} J_t' and Cov(z_{t+1}, z_t) = P_{t+1} J_t' (Rauch, Tung & Striebel 1965).

use super::batch::Sequence;
use super::filter::{Gains, Means};
use super::matrix::*;
use super::model::Roots;
use crate::Result;
use nalgebra::Dim;

/// z_t given z_{t+1}, and the smoothed covariances, for every frame of one sequence.
pub(super) struct Backward {
    /// J_t', (T, n, n); zero at T-1.
    pub gain_t: Vec<f64>,
    /// Root of E_t, (T, n, n); that of the filtered covariance at T-1. Not triangular.
    pub root: Vec<f64>,
    /// Root of the smoothed covariance P_t, (T, n, n).
    pub smoothed_root: Vec<f64>,
    top: Vec<f64>,
    bottom: Vec<f64>,
    row: Vec<f64>,
}

impl Backward {
    pub(super) fn new(frames: usize, n: usize) -> Self {
        let zeros = |size| vec![0.0; size];
        Self {
            gain_t: zeros(frames * n * n),
            root: zeros(frames * n * n),
            smoothed_root: zeros(frames * n * n),
            top: zeros(2 * n * n),
            bottom: zeros(2 * n * n),
            row: zeros(2 * n),
        }
    }

    /// Runs over one sequence after its filter.
    ///
    /// # Errors
    /// [`crate::Error::Numeric`] names sequence and step where the predicted covariance cannot be inverted.
    pub(super) fn run<N: Dim>(
        &mut self,
        n: N,
        sequence: &Sequence,
        roots: &Roots,
        gains: &Gains,
    ) -> Result<()> {
        let last = sequence.batch.frames - 1;
        let nn = n.value() * n.value();
        let end = &gains.filtered_root[last * nn..][..nn];
        self.gain_t[last * nn..][..nn].fill(0.0);
        self.root[last * nn..][..nn].copy_from_slice(end);
        self.smoothed_root[last * nn..][..nn].copy_from_slice(end);
        for t in (0..last).rev() {
            self.condition(n, sequence, roots, gains, t)?;
            self.smooth(n, t);
        }
        Ok(())
    }

    /// J_t and the root of E_t.
    #[inline(always)]
    fn condition<N: Dim>(
        &mut self,
        n: N,
        sequence: &Sequence,
        roots: &Roots,
        gains: &Gains,
        t: usize,
    ) -> Result<()> {
        let n = n.value();
        let filtered = &gains.filtered_root[t * n * n..][..n * n];
        let matrix = sequence.transition_matrix(t + 1);
        for i in 0..n {
            let top = &mut self.top[i * 2 * n..][..2 * n];
            top[..n].copy_from_slice(&roots.transition[i * n..][..n]);
            top[n..].fill(0.0);
            let bottom = &mut self.bottom[i * 2 * n..][..2 * n];
            let root = &filtered[i * n..][..n];
            bottom[..n].fill(0.0);
            add_product(bottom, matrix, root, n, n);
            bottom[n..].copy_from_slice(root);
        }
        triangularize(
            &mut self.top,
            &mut self.bottom,
            &mut self.row,
            (n, n, 2 * n),
        );
        let gain_t = &mut self.gain_t[t * n * n..][..n * n];
        let root = &mut self.root[t * n * n..][..n * n];
        for i in 0..n {
            gain_t[i * n..][..n].copy_from_slice(&self.top[i * 2 * n + n..][..n]);
            root[i * n..][..n].copy_from_slice(&self.bottom[i * 2 * n + n..][..n]);
        }
        for i in 0..n {
            for j in 0..n {
                self.bottom[i * n + j] = self.top[i * 2 * n + j];
            }
        }
        solve_upper(&self.bottom, gain_t, n, n);
        match gain_t.iter().all(|x| x.is_finite()) {
            true => Ok(()),
            false => Err(sequence.numeric(t + 1, "predicted covariance is singular")),
        }
    }

    /// Root of P_t from that of P_{t+1}.
    #[inline(always)]
    fn smooth<N: Dim>(&mut self, n: N, t: usize) {
        let n = n.value();
        let (before, after) = self.smoothed_root.split_at_mut((t + 1) * n * n);
        let smoothed = &mut before[t * n * n..];
        let (given, carried) = self.bottom.split_at_mut(n * n);
        given.copy_from_slice(&self.root[t * n * n..][..n * n]);
        multiply(carried, after, &self.gain_t[t * n * n..], n, n, n);
        smoothed.fill(0.0);
        triangularize(smoothed, &mut self.bottom, &mut self.row, (n, 2 * n, n));
    }

    /// Mean of z_t given z_{t+1} = `next` and the codes up to t, into `out` (n).
    #[inline(always)]
    pub(super) fn mean<N: Dim>(
        &self,
        n: N,
        means: &Means,
        t: usize,
        next: &[f64],
        out: &mut [f64],
        change: &mut [f64],
    ) {
        let n = n.value();
        let predicted = &means.predicted[(t + 1) * n..][..n];
        for i in 0..n {
            change[i] = next[i] - predicted[i];
        }
        out.copy_from_slice(&means.filtered[t * n..][..n]);
        add_product_t(out, &self.gain_t[t * n * n..], change, n, n);
    }
}
