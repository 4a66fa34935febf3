//! One EM step, parameter by parameter, against the exact gradient.

use super::support::{KINDS, Owned, close, matrix, model};
use kinostate::seeds::Seeds;
use lgssm::{Posterior, em, infer, log_likelihood_and_gradients};
use nalgebra::{DMatrix, DVector};

/// sum E[x x'] for x = (z, 1), as far as each is fitted, over the frames at `at`.
fn second_moment(
    posterior: &Posterior,
    n: usize,
    at: &[usize],
    state: bool,
    one: bool,
) -> DMatrix<f64> {
    let kept: Vec<usize> = (0..n + 1)
        .filter(|&i| if i < n { state } else { one })
        .collect();
    let mut sum = DMatrix::zeros(n + 1, n + 1);
    for &at in at {
        let mean = posterior.smoothed_mean[at * n..][..n]
            .iter()
            .copied()
            .chain([1.0]);
        let mean = DVector::from_iterator(n + 1, mean);
        sum += &mean * mean.transpose();
        let mut corner = sum.view_mut((0, 0), (n, n));
        corner += matrix(n, n, &posterior.smoothed_cov[at * n * n..][..n * n]);
    }
    sum.select_rows(&kept).select_columns(&kept)
}

/// One fitted regression (`weights` m x k with covariance `cov`), its gradients and its count of cases: where EM must go.
///
/// W' = W + Q dL/dW (sum E[x x'])^-1 and Q' = Q + 2/M Q dL/dQ Q - 1/M (W' - W) sum E[x x'] (W' - W)' (Xu & Jordan 1996).
fn along_the_gradient(
    (weights, weights_gradient): (&DMatrix<f64>, &DMatrix<f64>),
    (cov, cov_gradient): (&DMatrix<f64>, &DMatrix<f64>),
    xx: &DMatrix<f64>,
    count: usize,
) -> (DMatrix<f64>, DMatrix<f64>) {
    let count = count as f64;
    let change = match xx.len() {
        0 => weights.clone(),
        _ => cov * weights_gradient * xx.clone().try_inverse().unwrap(),
    };
    let cov = cov + (cov * cov_gradient * cov * 2.0 - &change * xx * change.transpose()) / count;
    (weights + change, cov)
}

/// (m, n) and (m) side by side, as far as each is fitted.
fn beside(
    m: usize,
    n: usize,
    left: &[f64],
    right: &[f64],
    states: bool,
    one: bool,
) -> DMatrix<f64> {
    let whole = DMatrix::from_fn(
        m,
        n + 1,
        |i, j| if j < n { left[i * n + j] } else { right[i] },
    );
    let kept: Vec<usize> = (0..n + 1)
        .filter(|&i| if i < n { states } else { one })
        .collect();
    whole.select_columns(&kept)
}

#[test]
fn one_step_goes_where_the_exact_gradient_sends_it_for_every_kind_of_batch() {
    for kind in 0..KINDS {
        let mut rng = Seeds::new(kind).stream("test/em", 2);
        let (n, p) = (1 + (kind / 5 % 3) as usize, 1 + (kind / 3 % 3) as usize);
        let model = model(&mut rng, n, p);
        let batch = Owned::random(&mut rng, &model, 6, 10, kind);
        let posterior = infer(&model, &batch.view()).unwrap();
        let gradients = log_likelihood_and_gradients(&model, &batch.view())
            .unwrap()
            .gradients;
        let (next, value) = em::step(&model, &batch.view()).unwrap();
        assert_eq!(value, posterior.log_likelihood.iter().sum::<f64>());
        let check = |what: &str, got: DMatrix<f64>, want: DMatrix<f64>| {
            close(
                &format!("kind {kind} {what}"),
                got.as_slice(),
                want.as_slice(),
                1e-9,
            );
        };

        let (fit_a, fit_b) = (
            batch.transition_matrices.is_none(),
            batch.transition_offsets.is_none(),
        );
        let after: Vec<usize> = (0..60).filter(|at| at % 10 < 9).collect(); // z_{t-1} of every transition
        let side = |a: &[f64], b: &[f64]| beside(n, n, a, b, fit_a, fit_b);
        let (weights, cov) = along_the_gradient(
            (
                &side(&model.transition_matrix, &model.transition_offset),
                &side(&gradients.transition_matrix, &gradients.transition_offset),
            ),
            (
                &matrix(n, n, &model.transition_cov),
                &matrix(n, n, &gradients.transition_cov),
            ),
            &second_moment(&posterior, n, &after, fit_a, fit_b),
            after.len(),
        );
        check(
            "A, b",
            side(&next.transition_matrix, &next.transition_offset),
            weights,
        );
        check("Q", matrix(n, n, &next.transition_cov), cov);

        let (fit_c, fit_d) = (
            batch.emission_matrices.is_none(),
            batch.emission_offsets.is_none(),
        );
        let seen: Vec<usize> = (0..60)
            .filter(|&at| (0..p).any(|i| batch.seen(at, i, p)))
            .collect();
        let side = |c: &[f64], d: &[f64]| beside(p, n, c, d, fit_c, fit_d);
        let (weights, cov) = along_the_gradient(
            (
                &side(&model.emission_matrix, &model.emission_offset),
                &side(&gradients.emission_matrix, &gradients.emission_offset),
            ),
            (
                &matrix(p, p, &model.emission_cov),
                &matrix(p, p, &gradients.emission_cov),
            ),
            &second_moment(&posterior, n, &seen, fit_c, fit_d),
            seen.len(),
        );
        check(
            "C, d",
            side(&next.emission_matrix, &next.emission_offset),
            weights,
        );
        check("R", matrix(p, p, &next.emission_cov), cov);

        let (mean, cov) = along_the_gradient(
            (
                &matrix(n, 1, &model.initial_mean),
                &matrix(n, 1, &gradients.initial_mean),
            ),
            (
                &matrix(n, n, &model.initial_cov),
                &matrix(n, n, &gradients.initial_cov),
            ),
            &DMatrix::from_element(1, 1, 6.0),
            6,
        );
        check("mu_0", matrix(n, 1, &next.initial_mean), mean);
        check("Sigma_0", matrix(n, n, &next.initial_cov), cov);
    }
}

#[test]
fn the_noise_alone_goes_where_the_exact_gradient_sends_it_for_every_kind_of_batch() {
    for kind in 0..KINDS {
        let mut rng = Seeds::new(kind).stream("test/em", 3);
        let (n, p) = (1 + (kind / 5 % 3) as usize, 1 + (kind / 3 % 3) as usize);
        let model = model(&mut rng, n, p);
        let batch = Owned::random(&mut rng, &model, 6, 10, kind);
        let posterior = infer(&model, &batch.view()).unwrap();
        let found = log_likelihood_and_gradients(&model, &batch.view()).unwrap();
        let seen = (0..60).filter(|&at| (0..p).any(|i| batch.seen(at, i, p)));
        let cov = matrix(p, p, &model.emission_cov);
        let gradient = matrix(p, p, &found.gradients.emission_cov);
        // R' = R + 2/M R dL/dR R (Xu & Jordan 1996), nothing else moving.
        let want = &cov + &cov * gradient * &cov * 2.0 / seen.count() as f64;
        let got = em::emission_noise(&model, &batch.view(), &posterior).unwrap();
        close(
            &format!("kind {kind} R"),
            matrix(p, p, &got.unwrap()).as_slice(),
            want.as_slice(),
            1e-9,
        );
    }
}
