//! Sampled paths have the moments of the joint posterior, over any lag; paths of an amortised posterior those of a roll-out.

use super::dense::joint_posterior;
use super::support::{Owned, case, model};
use kinostate::seeds::Seeds;
use lgssm::{Batch, Lgssm, infer, path_moments, sample_path};

const DRAWS: usize = 20_000;

#[test]
fn sampled_paths_have_the_joint_moments_of_the_dense_posterior() {
    for kind in [0, 1 + 2, 1 + 2 + 4 + 8 + 16 + 32] {
        let mut rng = Seeds::new(kind).stream("test/sampling", 0);
        let model = model(&mut rng, 2, 2);
        let batch = Owned::random(&mut rng, &model, 1, 5, kind);
        let (mean, cov) = joint_posterior(&model, &batch, 0, 4);
        let size = mean.len();
        let (mut first, mut second) = (vec![0.0; size], vec![0.0; size * size]);
        for _ in 0..DRAWS {
            let path = sample_path(&model, &batch.view(), &mut rng).unwrap();
            for i in 0..size {
                first[i] += path[i] - mean[i];
                for j in 0..size {
                    second[i * size + j] += (path[i] - mean[i]) * (path[j] - mean[j]);
                }
            }
        }
        // 6 standard errors: of a mean sqrt(P_ii / M), of a covariance sqrt((P_ii P_jj + P_ij^2) / M).
        let draws = DRAWS as f64;
        for i in 0..size {
            let (error, bound) = (first[i] / draws, 6.0 * (cov[(i, i)] / draws).sqrt());
            assert!(
                error.abs() < bound,
                "kind {kind} mean {i}: {error:e}, 6 standard errors {bound:e}"
            );
            for j in 0..size {
                let error = second[i * size + j] / draws - cov[(i, j)];
                let bound =
                    6.0 * ((cov[(i, i)] * cov[(j, j)] + cov[(i, j)].powi(2)) / draws).sqrt();
                assert!(
                    error.abs() < bound,
                    "kind {kind} covariance {i} {j}: {error:e}, 6 standard errors {bound:e}"
                );
            }
        }
    }
}

#[test]
fn the_same_stream_gives_the_same_path() {
    let (model, batch) = case(11);
    let draw = |index| {
        sample_path(
            &model,
            &batch.view(),
            &mut Seeds::new(1).stream("test/sampling", index),
        )
        .unwrap()
    };
    assert_eq!(draw(0), draw(0));
    assert_ne!(draw(0), draw(1));
}

/// The moments of an amortised path are those of a law's roll-out when its feedback, drift and variances are those of the law.
#[test]
fn path_moments_equal_a_roll_out_of_the_prior() {
    let (model, _) = super::support::case(0);
    let (n, frames) = (model.latent, 5);
    let mut rng = Seeds::new(4).stream("test/path", 0);
    let drift = super::support::normals(&mut rng, 2 * frames * n);
    let own: Vec<f64> = (0..n).map(|i| 0.2 + 0.1 * i as f64).collect();
    let diagonal: Vec<f64> = (0..n * n)
        .map(|i| if i % (n + 1) == 0 { own[i / n] } else { 0.0 })
        .collect();
    let variances = own.repeat(2 * frames);
    let found = path_moments(&model.transition_matrix, (&drift, &variances), frames).unwrap();
    for (index, drift) in drift.chunks_exact(frames * n).enumerate() {
        let law = Lgssm {
            initial_mean: drift[..n].to_vec(),
            initial_cov: diagonal.clone(),
            transition_cov: diagonal.clone(),
            ..model.clone()
        };
        let codes = vec![f64::NAN; frames * law.code];
        let batch = Batch {
            frame_mask: Some(&[false; 5]),
            transition_offsets: Some(drift),
            ..Batch::new(&codes, 1, frames)
        };
        let want = infer(&law, &batch).unwrap();
        let (row, square) = (frames * n, frames * n * n);
        let of = |all: &[f64], size: usize| all[index * size..][..size].to_vec();
        super::support::close("mean", &of(&found.mean, row), &want.smoothed_mean, 1e-12);
        super::support::close("cov", &of(&found.cov, square), &want.smoothed_cov, 1e-12);
        let lag = of(&found.lag_one_cov, square);
        super::support::close("lag one", &lag, &want.lag_one_cov, 1e-12);
    }
    let message = path_moments(&[1.0], (&[0.0; 3], &[1.0; 2]), 3).unwrap_err();
    assert!(
        message.to_string().contains("variances wants 3"),
        "{message}"
    );
}
