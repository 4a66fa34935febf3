//! Sampled paths have the moments of the joint posterior, over any lag.

use super::dense::joint_posterior;
use super::support::{Owned, case, model};
use kinostate::lgssm::sample_path;
use kinostate::seeds::Seeds;

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
