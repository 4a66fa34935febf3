//! The published bound against its definition, its gap against the dense joint Gaussian and against Monte Carlo, its gradient.

use super::dense::joint_posterior;
use super::gradients::{ARGUMENTS, finite_differences};
use super::support::{KINDS, Owned, case, close, matrix, normals};
use kinostate::seeds::Seeds;
use lgssm::published::{bound, bound_and_gradients, gap};
use lgssm::{Batch, Lgssm, complete_log_density, infer, log_likelihood, sample_path};
use nalgebra::{DMatrix, DVector};

fn noise(seed: u64, model: &Lgssm, batch: &Owned, draw: u64) -> Vec<f64> {
    let mut rng = Seeds::new(seed).stream("test/published", draw);
    normals(&mut rng, batch.sequences * batch.frames * model.latent)
}

/// log p(a, z) - sum_t log N(z_t; m_t, P_t) with z_t = m_t + L_t e_t, term by term as in the paper.
fn by_definition(model: &Lgssm, batch: &Owned, noise: &[f64]) -> Vec<f64> {
    let (n, frames) = (model.latent, batch.frames);
    let found = infer(model, &batch.view()).unwrap();
    let mut states = Vec::new();
    let mut log_q = vec![0.0; batch.sequences];
    for at in 0..batch.sequences * frames {
        let cov = matrix(n, n, &found.smoothed_cov[at * n * n..][..n * n]);
        let root = cov.cholesky().unwrap().l();
        let e = DVector::from_column_slice(&noise[at * n..][..n]);
        let mean = DVector::from_column_slice(&found.smoothed_mean[at * n..][..n]);
        states.extend((mean + &root * &e).iter());
        let size = n as f64 * std::f64::consts::TAU.ln();
        log_q[at / frames] -= 0.5 * (size + e.dot(&e)) + root.diagonal().map(f64::ln).sum();
    }
    let joint = complete_log_density(model, &batch.view(), &states).unwrap();
    joint
        .log_density
        .iter()
        .zip(&log_q)
        .map(|(p, q)| p - q)
        .collect()
}

#[test]
fn a_draw_is_the_papers_formula_for_every_kind_of_batch() {
    for seed in 0..KINDS {
        let (model, batch) = case(seed);
        let noise = noise(seed, &model, &batch, 0);
        let got = bound(&model, &batch.view(), &noise).unwrap();
        let want = by_definition(&model, &batch, &noise);
        // Condition numbers up to 1e4, terms of some hundreds.
        close(&format!("seed {seed}"), &got, &want, 1e-9);
    }
}

/// KL( N(m, blocks of S) || N(m, S) ) and the variance of its integrand, from the dense covariance S of the whole path.
#[test]
fn the_gap_is_the_divergence_of_the_marginals_from_the_dense_joint() {
    for seed in 0..KINDS {
        let (model, batch) = case(seed);
        let (n, frames) = (model.latent, batch.frames);
        let found = gap(&model, &batch.view()).unwrap();
        for index in 0..batch.sequences {
            let (_, cov) = joint_posterior(&model, &batch, index, frames - 1);
            let mut roots = DMatrix::zeros(frames * n, frames * n);
            for t in 0..frames {
                let own = cov.view((t * n, t * n), (n, n)).into_owned();
                let root = own.cholesky().unwrap().l();
                roots.view_mut((t * n, t * n), (n, n)).copy_from(&root);
            }
            let joint = cov.cholesky().unwrap();
            let log_det = |l: &DMatrix<f64>| 2.0 * l.diagonal().map(f64::ln).sum();
            // e' (L' S^-1 L - I) e / 2 for z = m + L e.
            let form =
                roots.transpose() * joint.solve(&roots) - DMatrix::identity(frames * n, frames * n);
            let mean = 0.5 * (form.trace() + log_det(&joint.l()) - log_det(&roots));
            let variance = 0.5 * form.norm_squared();
            close(
                &format!("seed {seed} mean"),
                &[found.mean[index]],
                &[mean],
                1e-9,
            );
            close(
                &format!("seed {seed} variance"),
                &[found.variance[index]],
                &[variance],
                1e-9,
            );
            assert!(found.mean[index] > -1e-10, "{}", found.mean[index]);
        }
    }
}

/// Constant velocity in 4 dimensions, seen in 2, 20 frames: what inference of a bouncing ball looks like.
fn flight(process_var: f64, code_var: f64) -> Lgssm {
    let eye = |size: usize, scale: f64| -> Vec<f64> {
        (0..size * size)
            .map(|i| if i % (size + 1) == 0 { scale } else { 0.0 })
            .collect()
    };
    let mut transition_matrix = eye(4, 1.0);
    (transition_matrix[2], transition_matrix[7]) = (1.0, 1.0);
    Lgssm {
        latent: 4,
        code: 2,
        transition_matrix,
        transition_offset: vec![0.0; 4],
        transition_cov: eye(4, process_var),
        emission_matrix: vec![1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0],
        emission_offset: vec![0.0; 2],
        emission_cov: eye(2, code_var),
        initial_mean: vec![0.0; 4],
        initial_cov: eye(4, 20.0),
    }
}

/// Monte Carlo over 4000 draws: 6 standard errors; that of a variance is sqrt(2 / 4000) of it times some for the tails of a square.
#[test]
fn draws_have_the_mean_and_the_variance_of_the_closed_form() {
    const DRAWS: u64 = 4000;
    let model = flight(0.02, 0.03);
    let mut rng = Seeds::new(0).stream("test/published/codes", 0);
    let codes = normals(&mut rng, 40);
    let batch = Batch::new(&codes, 1, 20);
    let exact = log_likelihood(&model, &batch).unwrap()[0];
    let losses: Vec<f64> = (0..DRAWS)
        .map(|i| {
            let noise = normals(&mut Seeds::new(1).stream("test/published", i), 80);
            exact - bound(&model, &batch, &noise).unwrap()[0]
        })
        .collect();
    let mean = losses.iter().sum::<f64>() / DRAWS as f64;
    let variance = losses.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (DRAWS - 1) as f64;
    let found = gap(&model, &batch).unwrap();
    let error = (found.variance[0] / DRAWS as f64).sqrt();
    assert!(
        (mean - found.mean[0]).abs() < 6.0 * error,
        "{mean} {found:?} {error}"
    );
    assert!(
        (variance / found.variance[0] - 1.0).abs() < 0.2,
        "{variance} {found:?}"
    );
}

/// A path drawn as one gives log p(a) at every draw: no gap and no variance.
#[test]
fn joint_paths_have_no_gap_and_no_variance() {
    let model = flight(0.02, 0.03);
    let mut rng = Seeds::new(0).stream("test/published/codes", 0);
    let codes = normals(&mut rng, 10);
    let owned = Owned {
        sequences: 1,
        frames: 5,
        codes,
        frame_mask: None,
        component_mask: None,
        transition_matrices: None,
        transition_offsets: None,
        emission_matrices: None,
        emission_offsets: None,
    };
    let exact = log_likelihood(&model, &owned.view()).unwrap()[0];
    let (mean, cov) = joint_posterior(&model, &owned, 0, 4);
    let root = cov.cholesky().unwrap();
    let log_det = 2.0 * root.l().diagonal().map(f64::ln).sum();
    for _ in 0..20 {
        let path = sample_path(&model, &owned.view(), &mut rng).unwrap();
        let rest = DVector::from_column_slice(&path) - &mean;
        let size = 20.0 * std::f64::consts::TAU.ln();
        let log_q = -0.5 * (size + log_det + rest.dot(&root.solve(&rest)));
        let joint = complete_log_density(&model, &owned.view(), &path).unwrap();
        let got = joint.log_density[0] - log_q;
        assert!((got - exact).abs() < 1e-8, "{got} against {exact}");
    }
}

/// The gap of a frame grows without limit as the process noise falls.
#[test]
fn the_gap_punishes_a_small_process_noise() {
    let codes = vec![0.0; 40];
    let batch = Batch::new(&codes, 1, 20);
    let gaps: Vec<f64> = [0.08, 0.02, 0.001, 1e-5]
        .map(|q| gap(&flight(q, 0.03), &batch).unwrap().mean[0] / 20.0)
        .to_vec();
    assert!(gaps.windows(2).all(|pair| pair[0] < pair[1]), "{gaps:?}");
    assert!(gaps[3] > 10.0 * gaps[0], "{gaps:?}");
}

#[test]
fn its_gradients_equal_finite_differences_for_every_kind_of_batch() {
    for seed in 0..KINDS {
        let (model, batch) = case(seed);
        let noise = noise(seed, &model, &batch, 1);
        let found = bound_and_gradients(&model, &batch.view(), &noise).unwrap();
        let value = bound(&model, &batch.view(), &noise).unwrap();
        close("value", &found.log_likelihood, &value, 1e-12);
        let total = |model: &Lgssm, batch: &Owned| -> f64 {
            bound(model, &batch.view(), &noise).unwrap().iter().sum()
        };
        for argument in &ARGUMENTS {
            let ours = (argument.gradient)(&found.gradients);
            let want = finite_differences(argument, &model, &batch, &total);
            if let (Some(ours), Some(want)) = (ours, want) {
                // Fourth-order differences with a step of 1e-3 next to covariances of .06.
                close(&format!("seed {seed} {}", argument.name), ours, &want, 1e-5);
            }
        }
    }
}

#[test]
fn noise_of_another_size_is_told() {
    let (model, batch) = case(0);
    let message = bound(&model, &batch.view(), &[0.0])
        .unwrap_err()
        .to_string();
    assert!(
        message.starts_with("published bound: noise of"),
        "{message}"
    );
}
