//! Filter, smoother and likelihood against the joint Gaussian of a whole sequence, solved densely.
//!
//! The posterior comes from the block-tridiagonal precision of z_0 .. z_{T-1}, the likelihood from the covariance of all seen codes: two
//! routes that share nothing with the recursions. Tolerance 1e-10: the dense systems have condition numbers up to some 1e4.

use super::support::{Owned, case, close, matrix, sound};
use kinostate::lgssm::{Batch, Lgssm, infer, log_likelihood, predict};
use nalgebra::{DMatrix, DVector};

const TOLERANCE: f64 = 1e-10;

/// What one sequence reads at frame t.
struct Frame {
    transition: DMatrix<f64>,
    offset: DVector<f64>,
    emission: DMatrix<f64>,     // seen rows
    emission_cov: DMatrix<f64>, // seen rows and columns
    code: DVector<f64>,         // seen, minus its offset
}

fn frame(model: &Lgssm, batch: &Owned, at: usize, until: bool) -> Frame {
    let (n, p) = (model.latent, model.code);
    let pick = |given: &Option<Vec<f64>>, fixed: &[f64], size: usize| match given {
        Some(values) => values[at * size..][..size].to_vec(),
        None => fixed.to_vec(),
    };
    let seen: Vec<usize> = (0..p).filter(|&i| until && batch.seen(at, i, p)).collect();
    let offset = pick(&batch.emission_offsets, &model.emission_offset, p);
    let emission = pick(&batch.emission_matrices, &model.emission_matrix, p * n);
    let cov = matrix(p, p, &model.emission_cov);
    Frame {
        transition: matrix(
            n,
            n,
            &pick(&batch.transition_matrices, &model.transition_matrix, n * n),
        ),
        offset: DVector::from(pick(&batch.transition_offsets, &model.transition_offset, n)),
        emission: matrix(p, n, &emission).select_rows(&seen),
        emission_cov: cov.select_rows(&seen).select_columns(&seen),
        code: DVector::from_iterator(
            seen.len(),
            seen.iter().map(|&i| batch.codes[at * p + i] - offset[i]),
        ),
    }
}

/// Mean (T n) and covariance (T n, T n) of all states of one sequence, given its codes up to frame `last`.
pub fn joint_posterior(
    model: &Lgssm,
    batch: &Owned,
    index: usize,
    last: usize,
) -> (DVector<f64>, DMatrix<f64>) {
    let (n, frames) = (model.latent, batch.frames);
    let invert = |cov: &[f64]| matrix(n, n, cov).try_inverse().unwrap();
    let (initial, process) = (invert(&model.initial_cov), invert(&model.transition_cov));
    let mut precision = DMatrix::zeros(frames * n, frames * n);
    let mut shift = DVector::zeros(frames * n);
    for t in 0..frames {
        let read = frame(model, batch, index * frames + t, t <= last);
        // Adds |r|^2_W for r = sum_i M_i z_{t_i} - c.
        let mut add = |parts: &[(usize, DMatrix<f64>)], weight: &DMatrix<f64>, c: &DVector<f64>| {
            for (i, a) in parts {
                let mut view = shift.rows_mut(i * n, n);
                view += a.transpose() * weight * c;
                for (j, b) in parts {
                    let mut view = precision.view_mut((i * n, j * n), (n, n));
                    view += a.transpose() * weight * b;
                }
            }
        };
        let eye = DMatrix::identity(n, n);
        if t == 0 {
            add(
                &[(0, eye)],
                &initial,
                &DVector::from_column_slice(&model.initial_mean),
            );
        } else {
            add(
                &[(t, eye), (t - 1, -&read.transition)],
                &process,
                &read.offset,
            );
        }
        if read.code.len() > 0 {
            let weight = read.emission_cov.clone().try_inverse().unwrap();
            add(&[(t, read.emission.clone())], &weight, &read.code);
        }
    }
    let cov = precision.try_inverse().unwrap();
    (&cov * shift, cov)
}

/// log p of the seen codes of one sequence, from their joint covariance.
fn joint_likelihood(model: &Lgssm, batch: &Owned, index: usize) -> f64 {
    let (n, frames) = (model.latent, batch.frames);
    let reads: Vec<Frame> = (0..frames)
        .map(|t| frame(model, batch, index * frames + t, true))
        .collect();
    let mut mean = DVector::from_column_slice(&model.initial_mean);
    let mut row: Vec<DMatrix<f64>> = Vec::new(); // Cov(z_t, z_s) for s <= t
    let (mut blocks, mut residual) = (Vec::new(), Vec::new());
    for (t, read) in reads.iter().enumerate() {
        if t == 0 {
            row.push(matrix(n, n, &model.initial_cov));
        } else {
            mean = &read.transition * mean + &read.offset;
            let last = &read.transition * &row[t - 1] * read.transition.transpose();
            row.iter_mut()
                .for_each(|cov| *cov = &read.transition * &*cov);
            row.push(last + matrix(n, n, &model.transition_cov));
        }
        residual.extend((&read.code - &read.emission * &mean).iter());
        let codes = row
            .iter()
            .zip(&reads)
            .map(|(cov, other)| &read.emission * cov * other.emission.transpose());
        let mut codes: Vec<_> = codes.collect();
        codes[t] += &read.emission_cov;
        blocks.push(codes);
    }
    let sizes: Vec<usize> = reads.iter().map(|read| read.code.len()).collect();
    let start = |t: usize| sizes[..t].iter().sum::<usize>();
    let total = start(frames);
    if total == 0 {
        return 0.0;
    }
    let mut cov = DMatrix::zeros(total, total);
    for (t, blocks) in blocks.iter().enumerate() {
        for (s, block) in blocks.iter().enumerate() {
            cov.view_mut((start(t), start(s)), block.shape())
                .copy_from(block);
            cov.view_mut((start(s), start(t)), (sizes[s], sizes[t]))
                .copy_from(&block.transpose());
        }
    }
    let residual = DVector::from(residual);
    let root = cov.cholesky().unwrap();
    let log_det = 2.0 * root.l().diagonal().map(f64::ln).sum();
    -0.5 * (residual.dot(&root.solve(&residual))
        + log_det
        + total as f64 * (2.0 * std::f64::consts::PI).ln())
}

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
        let (model, batch) = case(KIND_PLAIN + seed * super::support::KINDS);
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
