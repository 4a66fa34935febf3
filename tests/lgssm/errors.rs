//! What must be an error, and what the error must name.

use super::hard::newton;
use super::support::case;
use lgssm::Error;
use lgssm::{Batch, Lgssm, infer, log_likelihood, log_likelihood_and_gradients, predict};

#[track_caller]
fn refuses<T: std::fmt::Debug>(result: Result<T, Error>, words: &[&str]) {
    let message = result.unwrap_err().to_string();
    for word in words {
        assert!(message.contains(word), "{message:?} does not say {word:?}");
    }
}

#[test]
fn errors_name_the_sequence_the_step_and_the_matrix() {
    let (model, batch) = case(0);
    let (n, p, frames) = (model.latent, model.code, batch.frames);
    let with = |change: fn(&mut Lgssm)| {
        let mut changed = model.clone();
        change(&mut changed);
        log_likelihood(&changed, &batch.view())
    };
    refuses(
        with(|m| m.transition_cov[0] = -1.0),
        &["transition_cov", "not positive definite", "pivot 0"],
    );
    refuses(
        with(|m| m.emission_cov.fill(0.0)),
        &["emission_cov", "not positive definite"],
    );
    refuses(
        with(|m| m.initial_cov[0] = f64::NAN),
        &["initial_cov", "not finite"],
    );
    refuses(
        with(|m| m.emission_matrix.push(0.0)),
        &["emission_matrix", "wants", "got"],
    );
    let skew = Lgssm {
        initial_cov: vec![1.0, 0.1, 0.2, 1.0],
        ..newton(2, 1, 1.0, 1.0, 1.0)
    };
    refuses(
        log_likelihood(&skew, &Batch::new(&[0.0], 1, 1)),
        &["initial_cov", "symmetric"],
    );
    refuses(
        log_likelihood(&model, &Batch::new(&batch.codes[1..], 2, frames)),
        &["codes", "wants", "got"],
    );
    refuses(
        log_likelihood(&model, &Batch::new(&[], 0, 0)),
        &["at least 1 frame"],
    );
    let short = Batch {
        transition_matrices: Some(&[0.0]),
        ..batch.view()
    };
    refuses(
        infer(&model, &short),
        &["transition_matrices", &(2 * frames * n * n).to_string()],
    );
    let mut codes = vec![0.0; 2 * frames * p];
    codes[frames * p] = f64::NAN;
    refuses(
        infer(&model, &Batch::new(&codes, 2, frames)),
        &["sequence 1, step 0", "innovation"],
    );
}

#[test]
fn a_covariance_that_overflows_is_an_error_that_names_the_step() {
    // 1.1^t overflows the root of the covariance near t = 7,400, its square near 3,700.
    let model = newton(2, 1, 1.0, 1.0, 1.1);
    let (codes, missing) = (vec![0.0; 9000], vec![false; 9000]);
    let batch = Batch {
        frame_mask: Some(&missing),
        ..Batch::new(&codes, 1, 9000)
    };
    refuses(
        infer(&model, &batch),
        &["sequence 0, step", "predicted covariance is not finite"],
    );
    refuses(
        log_likelihood_and_gradients(&model, &batch),
        &["sequence 0, step", "predicted covariance"],
    );
    refuses(
        predict(&model, &[0.0; 2], &[1.0, 0.0, 0.0, 1.0], 9000),
        &["step", "not finite"],
    );
}
