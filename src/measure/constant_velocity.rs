//! Constant-velocity Kalman filter and RTS smoother on measured positions: the best a tracker does that knows no walls.
//!
//! Per axis, state (p, v): p' = p + dt v, v' = v, white acceleration of density q (Bar-Shalom, Li & Kirubarajan 2001,
//! sec. 6.2.2), positions measured with variance r.

use super::arrays::{at, build, sizes};
use crate::array::Array;
use crate::error::{Error, Result};
use lgssm::{Batch, Lgssm, Posterior, infer, log_likelihood};

/// Acceleration densities tried, in velocity variances a frame interval: from rigid to jumping.
const PROCESS: [f64; 9] = [1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 3.0, 10.0];
/// Measurement variances tried, in mean squared steps between frames.
const MEASUREMENT: [f64; 6] = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0];

/// Moments of the training positions, from which the prior and the scale of the noise grid come.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    mean: [f64; 2],
    var: [f64; 2],
    /// Mean square of backward differences over dt, both axes together.
    pub velocity_var: f64,
    dt: f64,
}

impl Scale {
    /// Moments of positions (N, T, 2) where they are known: NaN where a frame is missing.
    pub fn of(positions: &Array, dt: f64) -> Self {
        let [n, frames, _] = sizes(positions);
        let known = |i: usize, t: usize| !at(positions, i, t)[0].is_nan();
        let all = || (0..n).flat_map(|i| (0..frames).map(move |t| (i, t)));
        let pairs = || all().filter(|&(i, t)| known(i, t));
        let rows = (pairs().count() as f64).max(1.0);
        let mean = [0, 1].map(|j| pairs().map(|(i, t)| at(positions, i, t)[j]).sum::<f64>() / rows);
        let var = [0, 1].map(|j| {
            pairs()
                .map(|(i, t)| (at(positions, i, t)[j] - mean[j]).powi(2))
                .sum::<f64>()
                / rows
        });
        let step =
            |i: usize, t: usize, j: usize| at(positions, i, t)[j] - at(positions, i, t - 1)[j];
        let later = || pairs().filter(|&(i, t)| t > 0 && known(i, t - 1));
        let square: f64 = later()
            .map(|(i, t)| step(i, t, 0).powi(2) + step(i, t, 1).powi(2))
            .sum();
        let steps = (2 * later().count()).max(1) as f64;
        Self {
            mean,
            var: var.map(|v| v.max(1e-6)),
            velocity_var: (square / steps / (dt * dt)).max(1e-6),
            dt,
        }
    }

    /// A model for every pair of noises that is tried.
    pub fn grid(&self) -> impl Iterator<Item = Lgssm> + '_ {
        let step = self.velocity_var * self.dt * self.dt;
        PROCESS.iter().flat_map(move |process| {
            let q = process * self.velocity_var / self.dt;
            MEASUREMENT
                .iter()
                .map(move |measurement| self.model(q, measurement * step))
        })
    }

    /// The model with acceleration density `q` and measurement variance `r`; state (x, vx, y, vy).
    pub fn model(&self, q: f64, r: f64) -> Lgssm {
        let dt = self.dt;
        let mut model = Lgssm {
            latent: 4,
            code: 2,
            transition_matrix: vec![0.0; 16],
            transition_offset: vec![0.0; 4],
            transition_cov: vec![0.0; 16],
            emission_matrix: vec![0.0; 8],
            emission_offset: vec![0.0; 2],
            emission_cov: vec![r, 0.0, 0.0, r],
            initial_mean: vec![self.mean[0], 0.0, self.mean[1], 0.0],
            initial_cov: vec![0.0; 16],
        };
        for axis in 0..2 {
            let (p, v) = (2 * axis, 2 * axis + 1);
            for (i, j, a, noise) in [
                (p, p, 1.0, dt.powi(3) / 3.0),
                (p, v, dt, dt.powi(2) / 2.0),
                (v, p, 0.0, dt.powi(2) / 2.0),
                (v, v, 1.0, dt),
            ] {
                model.transition_matrix[4 * i + j] = a;
                model.transition_cov[4 * i + j] = q * noise;
            }
            model.emission_matrix[4 * axis + p] = 1.0;
            model.initial_cov[5 * p] = self.var[axis];
            model.initial_cov[5 * v] = self.velocity_var;
        }
        model
    }
}

/// The tracker of the grid under which training positions (N, T, 2) are most likely: nothing but the positions chooses it.
///
/// # Errors
/// As [`log_likelihood`].
pub fn most_likely(positions: &Array, dt: f64) -> Result<Lgssm> {
    let [n, frames, _] = sizes(positions);
    let scale = Scale::of(positions, dt);
    let mut best: Option<(f64, Lgssm)> = None;
    let mask = mask(positions);
    for model in scale.grid() {
        let mut batch = Batch::new(positions.data(), n, frames);
        batch.frame_mask = mask.as_deref();
        let total: f64 = log_likelihood(&model, &batch)?.iter().sum();
        if best.as_ref().is_none_or(|(most, _)| total > *most) {
            best = Some((total, model));
        }
    }
    best.map(|(_, model)| model)
        .ok_or_else(|| Error::Numeric("constant velocity: no model to try".into()))
}

/// Which frames have a position; None where all have.
fn mask(positions: &Array) -> Option<Vec<bool>> {
    let known: Vec<bool> = positions
        .data()
        .chunks_exact(2)
        .map(|p| !p[0].is_nan())
        .collect();
    known.contains(&false).then_some(known)
}

/// All moments of positions (N, T, 2), NaN in missing frames.
///
/// # Errors
/// As [`infer`].
pub fn posterior(model: &Lgssm, positions: &Array) -> Result<Posterior> {
    let [n, frames, _] = sizes(positions);
    let mask = mask(positions);
    let mut batch = Batch::new(positions.data(), n, frames);
    batch.frame_mask = mask.as_deref();
    Ok(infer(model, &batch)?)
}

/// Filtered and smoothed states (N, T, 4) of positions (N, T, 2).
///
/// # Errors
/// As [`infer`].
pub fn track(model: &Lgssm, positions: &Array) -> Result<[Array; 2]> {
    let [n, frames, _] = sizes(positions);
    let found = posterior(model, positions)?;
    let shaped = |data: &[f64]| {
        build([n, frames, 4], |i, t, row| {
            row.copy_from_slice(&data[4 * (i * frames + t)..][..4])
        })
    };
    Ok([shaped(&found.filtered_mean), shaped(&found.smoothed_mean)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_path_is_tracked_to_its_velocity() {
        let path = build([3, 20, 2], |i, t, row| {
            row.copy_from_slice(&[5.0 + 0.4 * t as f64, 20.0 - 0.2 * (i + t) as f64]);
        });
        let scale = Scale::of(&path, 0.2);
        let [filtered, smoothed] = track(&scale.model(1e-6, 1e-6), &path).unwrap();
        // After 20 almost exact positions the prior (zero velocity, variance 2.5) weighs 1e-7.
        for (name, found) in [
            ("filtered", at(&filtered, 1, 19)),
            ("smoothed", at(&smoothed, 1, 0)),
        ] {
            assert!(
                (found[1] - 2.0).abs() < 1e-4 && (found[3] + 1.0).abs() < 1e-4,
                "{name} {found:?}"
            );
        }
    }
}
