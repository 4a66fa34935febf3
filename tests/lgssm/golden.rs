//! The LGSSM against 24 golden cases from two independent JAX implementations (one of them dynamax 1.0.3), float64.
//!
//! `golden/lgssm_golden.json` tells its own conventions in the field `about`. Relative bar 1e-9: errors are measured against the largest
//! value of the array at hand, because dynamax itself agrees with the other implementation to 6e-9 only.

use lgssm::{Batch, Lgssm, infer, log_likelihood, log_likelihood_and_gradients};
use serde_json::Value;

pub fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().unwrap()],
    }
}

/// A golden file.
pub fn open(file: &str) -> Value {
    let path = format!("{}/tests/golden/{file}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn cases() -> Vec<Value> {
    open("lgssm_golden.json")["cases"]
        .as_array()
        .unwrap()
        .clone()
}

struct Case {
    name: String,
    model: Lgssm,
    frames: usize,
    codes: Vec<f64>,
    mask: Vec<bool>,
}

fn read(case: &Value) -> Case {
    let size = |key: &str| case[key].as_u64().unwrap() as usize;
    let (n, p) = (size("n"), size("p"));
    let parameter = |key: &str| numbers(&case["params"][key]);
    Case {
        name: case["name"].as_str().unwrap().to_string(),
        frames: size("T"),
        codes: numbers(&case["x"]),
        mask: numbers(&case["mask"]).iter().map(|&m| m > 0.0).collect(),
        model: Lgssm {
            latent: n,
            code: p,
            transition_matrix: parameter("A"),
            transition_offset: vec![0.0; n],
            transition_cov: parameter("Q"),
            emission_matrix: parameter("C"),
            emission_offset: vec![0.0; p],
            emission_cov: parameter("R"),
            initial_mean: parameter("mu0"),
            initial_cov: parameter("Sigma0"),
        },
    }
}

/// Largest difference, relative to the largest golden value; absolute where the golden array is zero throughout.
fn relative(got: &[f64], golden: &[f64]) -> f64 {
    assert_eq!(got.len(), golden.len());
    let largest = golden.iter().fold(0.0_f64, |a, x| a.max(x.abs()));
    let scale = if largest > 0.0 { largest } else { 1.0 };
    let difference = |(a, b): (&f64, &f64)| (a - b).abs();
    got.iter().zip(golden).map(difference).fold(0.0, f64::max) / scale
}

#[track_caller]
fn close(name: &str, what: &str, got: &[f64], golden: &Value) {
    let error = relative(got, &numbers(golden));
    assert!(error < 1e-9, "{name} {what}: relative error {error:e}");
}

/// The rows of `values` (T, ..) at the given steps, moved by `shift`.
fn at_steps(values: &[f64], steps: &Value, size: usize, shift: usize) -> Vec<f64> {
    let rows = numbers(steps).into_iter().map(|t| t as usize + shift);
    rows.flat_map(|t| values[t * size..][..size].to_vec())
        .collect()
}

#[test]
fn posterior_and_likelihood_equal_24_golden_cases() {
    let all = cases();
    assert_eq!(all.len(), 24);
    for golden in &all {
        let case = read(golden);
        let (n, name) = (case.model.latent, &case.name);
        let batch = Batch {
            frame_mask: Some(&case.mask),
            ..Batch::new(&case.codes, 1, case.frames)
        };
        let found = infer(&case.model, &batch).unwrap();
        let likelihood = log_likelihood(&case.model, &batch).unwrap();
        assert_eq!(found.log_likelihood, likelihood);
        close(
            name,
            "log likelihood",
            &likelihood,
            &golden["log_marginal_likelihood"],
        );
        for (key, values, size) in [
            ("filtered_means", &found.filtered_mean, n),
            ("filtered_covs", &found.filtered_cov, n * n),
            ("smoothed_means", &found.smoothed_mean, n),
            ("smoothed_covs", &found.smoothed_cov, n * n),
        ] {
            close(
                name,
                key,
                &at_steps(values, &golden["steps"], size, 0),
                &golden[key],
            );
        }
        // Golden entry t is Cov(z_{t+1}, z_t): ours stands at t + 1.
        let lag_one = at_steps(&found.lag_one_cov, &golden["cross_steps"], n * n, 1);
        close(name, "lag-one", &lag_one, &golden["smoothed_cross_covs"]);
    }
}

#[test]
fn gradients_equal_24_golden_cases() {
    for golden in &cases() {
        let case = read(golden);
        let (p, name) = (case.model.code, &case.name);
        let batch = Batch {
            frame_mask: Some(&case.mask),
            ..Batch::new(&case.codes, 1, case.frames)
        };
        let found = log_likelihood_and_gradients(&case.model, &batch).unwrap();
        close(
            name,
            "log likelihood",
            &found.log_likelihood,
            &golden["log_marginal_likelihood"],
        );
        let gradients = &found.gradients;
        for (key, values) in [
            ("A", &gradients.transition_matrix),
            ("Q", &gradients.transition_cov),
            ("C", &gradients.emission_matrix),
            ("R", &gradients.emission_cov),
            ("mu0", &gradients.initial_mean),
            ("Sigma0", &gradients.initial_cov),
        ] {
            close(name, key, values, &golden["grad_ll"][key]);
        }
        let codes = at_steps(&gradients.codes, &golden["grad_ll_x_steps"], p, 0);
        close(name, "codes", &codes, &golden["grad_ll_x"]);
    }
}
