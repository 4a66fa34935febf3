//! The density of codes and states together: Bayes' rule, and its gradient.

use super::dense::joint_posterior;
use super::gradients::{ARGUMENTS, derivative, finite_differences};
use super::support::{KINDS, case, close, normals};
use kinostate::seeds::Seeds;
use lgssm::{complete_log_density, log_likelihood};
use nalgebra::DVector;

/// log p(a, z) - log p(z | a) = log p(a) for any z, with p(z | a) from the dense joint Gaussian.
#[test]
fn divided_by_the_dense_posterior_it_is_the_likelihood_whatever_the_states_are() {
    for seed in 0..KINDS {
        let (model, batch) = case(seed);
        let (n, frames) = (model.latent, batch.frames);
        let mut rng = Seeds::new(seed).stream("test/complete", 0);
        let states = normals(&mut rng, batch.sequences * frames * n);
        let joint = complete_log_density(&model, &batch.view(), &states).unwrap();
        let want = log_likelihood(&model, &batch.view()).unwrap();
        for (index, want) in want.iter().enumerate() {
            let (mean, cov) = joint_posterior(&model, &batch, index, frames - 1);
            let own = &states[index * frames * n..][..frames * n];
            let rest = DVector::from_column_slice(own) - mean;
            let root = cov.cholesky().unwrap();
            let log_det = 2.0 * root.l().diagonal().map(f64::ln).sum();
            let square = rest.dot(&root.solve(&rest));
            let size = (frames * n) as f64 * std::f64::consts::TAU.ln();
            let posterior = -0.5 * (size + log_det + square);
            let got = joint.log_density[index] - posterior;
            // As the dense likelihood, relative to terms of some hundreds.
            let tolerance = 1e-10 * (1.0 + joint.log_density[index].abs());
            assert!(
                (got - want).abs() < tolerance,
                "seed {seed}: {got} against {want}"
            );
        }
    }
}

#[test]
fn its_gradients_equal_finite_differences_for_every_kind_of_batch() {
    for seed in 0..KINDS {
        let (model, batch) = case(seed);
        let mut rng = Seeds::new(seed).stream("test/complete", 0);
        let states = normals(&mut rng, batch.sequences * batch.frames * model.latent);
        let found = complete_log_density(&model, &batch.view(), &states).unwrap();
        let total = |model: &_, batch: &super::support::Owned| -> f64 {
            let found = complete_log_density(model, &batch.view(), &states).unwrap();
            found.log_density.iter().sum()
        };
        for argument in &ARGUMENTS {
            let ours = (argument.gradient)(&found.gradients);
            let want = finite_differences(argument, &model, &batch, &total);
            if let (Some(ours), Some(want)) = (ours, want) {
                // As for the likelihood, with residuals of single states, up to some hundred standard deviations.
                let what = format!("seed {seed} {}", argument.name);
                close(&what, ours, &want, 1e-6);
            }
        }
        let by_state: Vec<f64> = (0..states.len())
            .map(|i| {
                derivative(|h| {
                    let mut moved = states.clone();
                    moved[i] += h;
                    let found = complete_log_density(&model, &batch.view(), &moved).unwrap();
                    found.log_density.iter().sum()
                })
            })
            .collect();
        close(
            &format!("seed {seed} states"),
            &found.states,
            &by_state,
            1e-7,
        );
    }
}

#[test]
fn states_that_do_not_fit_are_told() {
    let (model, batch) = case(0);
    let message = |states: &[f64]| {
        let found = complete_log_density(&model, &batch.view(), states);
        found.unwrap_err().to_string()
    };
    let count = batch.sequences * batch.frames * model.latent;
    assert!(message(&vec![0.0; count + 1]).contains(&format!("wants {count} values")));
    assert!(message(&vec![f64::NAN; count]).contains("states is not finite: value 0"));
}
