//! Filter, smoother and likelihood against the joint Gaussian of a whole sequence, solved densely.
//!
//! Tolerance 1e-10: the dense systems have condition numbers up to some 1e4.

use super::dense::{joint_likelihood, joint_posterior};
use super::support::{KINDS, Owned, case, close, sound};
use lgssm::{Batch, infer, log_likelihood, predict};
use nalgebra::DMatrix;

const TOLERANCE: f64 = 1e-10;

fn block(cov: &DMatrix<f64>, t: usize, s: usize, n: usize) -> Vec<f64> {
    cov.view((t * n, s * n), (n, n))
        .transpose()
        .iter()
        .copied()
        .collect()
}

#[test]
fn moments_equal_the_dense_joint_gaussian_for_every_kind_of_batch() {
    for seed in 0..192 {
        let (model, batch) = case(seed);
        let (n, frames) = (model.latent, batch.frames);
        let found = infer(&model, &batch.view()).unwrap();
        let label =
            |what: &str, t: usize| format!("seed {seed} (n {n}, p {}) {what} {t}", model.code);
        for index in 0..batch.sequences {
            let (mean, cov) = joint_posterior(&model, &batch, index, frames - 1);
            for t in 0..frames {
                let at = index * frames + t;
                let ours = |values: &[f64], size: usize| values[at * size..][..size].to_vec();
                close(
                    &label("smoothed mean", t),
                    &ours(&found.smoothed_mean, n),
                    mean.rows(t * n, n).as_slice(),
                    TOLERANCE,
                );
                close(
                    &label("smoothed cov", t),
                    &ours(&found.smoothed_cov, n * n),
                    &block(&cov, t, t, n),
                    TOLERANCE,
                );
                let lag = if t == 0 {
                    vec![0.0; n * n]
                } else {
                    block(&cov, t, t - 1, n)
                };
                close(
                    &label("lag-one", t),
                    &ours(&found.lag_one_cov, n * n),
                    &lag,
                    TOLERANCE,
                );
                let (mean, cov) = joint_posterior(&model, &batch, index, t);
                close(
                    &label("filtered mean", t),
                    &ours(&found.filtered_mean, n),
                    mean.rows(t * n, n).as_slice(),
                    TOLERANCE,
                );
                close(
                    &label("filtered cov", t),
                    &ours(&found.filtered_cov, n * n),
                    &block(&cov, t, t, n),
                    TOLERANCE,
                );
                if t > 0 {
                    let (mean, cov) = joint_posterior(&model, &batch, index, t - 1);
                    close(
                        &label("predicted mean", t),
                        &ours(&found.predicted_mean, n),
                        mean.rows(t * n, n).as_slice(),
                        TOLERANCE,
                    );
                    close(
                        &label("predicted cov", t),
                        &ours(&found.predicted_cov, n * n),
                        &block(&cov, t, t, n),
                        TOLERANCE,
                    );
                }
            }
        }
        for covs in [
            &found.predicted_cov,
            &found.filtered_cov,
            &found.smoothed_cov,
        ] {
            sound(&label("cov", 0), covs, n);
        }
    }
}

#[test]
fn likelihood_equals_the_dense_joint_gaussian_for_every_kind_of_batch() {
    for seed in 0..192 {
        let (model, batch) = case(seed);
        let found = log_likelihood(&model, &batch.view()).unwrap();
        let want: Vec<f64> = (0..batch.sequences)
            .map(|index| joint_likelihood(&model, &batch, index))
            .collect();
        close(&format!("seed {seed}"), &found, &want, TOLERANCE);
    }
}

#[test]
fn all_frames_missing_is_the_prior_roll_out() {
    let (model, mut batch) = case(0);
    batch = Owned {
        frames: 5,
        codes: vec![f64::NAN; 10 * model.code],
        frame_mask: Some(vec![false; 10]),
        ..batch
    };
    let found = infer(&model, &batch.view()).unwrap();
    assert_eq!(found.log_likelihood, [0.0, 0.0]);
    let n = model.latent;
    let rollout = predict(&model, &model.initial_mean, &model.initial_cov, 4).unwrap();
    let after = |first: &[f64], rest: &[f64]| [first, rest, first, rest].concat();
    let mean = after(&model.initial_mean, &rollout.mean);
    let cov = after(&model.initial_cov, &rollout.cov);
    for means in [
        &found.predicted_mean,
        &found.filtered_mean,
        &found.smoothed_mean,
    ] {
        close("mean", means, &mean, 1e-13);
    }
    for covs in [
        &found.predicted_cov,
        &found.filtered_cov,
        &found.smoothed_cov,
    ] {
        close("cov", covs, &cov, 1e-13);
        sound("cov", covs, n);
    }
}

#[test]
fn one_model_for_all_steps_equals_the_same_matrices_given_per_step() {
    for seed in 0..16 {
        let (model, batch) = case(KIND_PLAIN + seed * KINDS);
        let all = batch.sequences * batch.frames;
        let (transitions, emissions) = (
            model.transition_matrix.repeat(all),
            model.emission_matrix.repeat(all),
        );
        let seen = vec![true; all];
        let plain = batch.view();
        for general in [
            Batch {
                transition_matrices: Some(&transitions),
                ..plain
            },
            Batch {
                emission_matrices: Some(&emissions),
                ..plain
            },
            Batch {
                frame_mask: Some(&seen),
                ..plain
            },
        ] {
            let (a, b) = (
                infer(&model, &plain).unwrap(),
                infer(&model, &general).unwrap(),
            );
            for (a, b) in [
                (&a.log_likelihood, &b.log_likelihood),
                (&a.smoothed_mean, &b.smoothed_mean),
                (&a.smoothed_cov, &b.smoothed_cov),
                (&a.lag_one_cov, &b.lag_one_cov),
            ] {
                close("shared against general", a, b, 1e-12);
            }
        }
    }
}

/// Kind of batch without masks and per-step matrices, but with per-step offsets.
const KIND_PLAIN: u64 = 8 + 32;
