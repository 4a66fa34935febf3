//! EM: the likelihood never falls, actions are told from noise.

use super::support::{KINDS, Owned, case, close, matrix, model, normals};
use kinostate::seeds::{Rng, Seeds};
use lgssm::{Batch, Inputs, Lgssm, em, log_likelihood, sample_path};

fn total(model: &Lgssm, batch: &Batch) -> f64 {
    log_likelihood(model, batch).unwrap().iter().sum()
}

/// Codes of the model itself, (B, T, p), with transition offsets where given.
fn draw(
    rng: &mut Rng,
    truth: &Lgssm,
    sequences: usize,
    frames: usize,
    offsets: Option<&[f64]>,
) -> Vec<f64> {
    let (n, p, all) = (truth.latent, truth.code, sequences * frames);
    let (nothing, missing) = (vec![0.0; all * p], vec![false; all]);
    let prior = Batch {
        frame_mask: Some(&missing),
        transition_offsets: offsets,
        ..Batch::new(&nothing, sequences, frames)
    };
    let states = sample_path(truth, &prior, rng).unwrap();
    let noise = normals(rng, all * p);
    let root = matrix(p, p, &truth.emission_cov)
        .cholesky()
        .unwrap()
        .unpack();
    let mut codes = vec![0.0; all * p];
    for at in 0..all {
        for i in 0..p {
            let signal: f64 = (0..n)
                .map(|j| truth.emission_matrix[i * n + j] * states[at * n + j])
                .sum();
            let error: f64 = (0..p).map(|j| root[(i, j)] * noise[at * p + j]).sum();
            codes[at * p + i] = truth.emission_offset[i] + signal + error;
        }
    }
    codes
}

#[test]
fn likelihood_never_falls_for_every_kind_of_batch() {
    for kind in 0..KINDS {
        let mut rng = Seeds::new(kind).stream("test/em", 0);
        let n = 1 + (kind / 5 % 3) as usize;
        let p = 1 + (kind / 3 % 3) as usize;
        let mut model = model(&mut rng, n, p);
        let batch = Owned::random(&mut rng, &model, 6, 12, kind);
        let mut before = f64::NEG_INFINITY;
        for step in 0..25 {
            let (next, value) = em::step(&model, &batch.view()).unwrap();
            let slack = 1e-10 * value.abs().max(1.0); // rounding of a sum of some 100 terms
            assert!(
                value >= before - slack,
                "kind {kind} step {step}: {before} -> {value}"
            );
            (model, before) = (next, value);
        }
    }
}

#[test]
fn parameters_given_per_step_stay_as_they_are() {
    let mut rng = Seeds::new(1).stream("test/em", 1);
    let model = model(&mut rng, 2, 2);
    let batch = Owned::random(&mut rng, &model, 4, 8, 4 + 8 + 16 + 32);
    let (next, _) = em::step(&model, &batch.view()).unwrap();
    assert_eq!(next.transition_matrix, model.transition_matrix);
    assert_eq!(next.transition_offset, model.transition_offset);
    assert_eq!(next.emission_matrix, model.emission_matrix);
    assert_eq!(next.emission_offset, model.emission_offset);
    assert_ne!(next.transition_cov, model.transition_cov);
    assert_ne!(next.emission_cov, model.emission_cov);
}

#[test]
fn a_start_without_motion_becomes_more_likely_than_the_truth() {
    let mut rng = Seeds::new(3).stream("test/em", 3);
    let truth = model(&mut rng, 2, 3);
    let codes = draw(&mut rng, &truth, 100, 20, None);
    let emissions = truth.emission_matrix.repeat(100 * 20);
    let batch = Batch {
        emission_matrices: Some(&emissions),
        ..Batch::new(&codes, 100, 20)
    };
    let mut found = Lgssm {
        transition_matrix: vec![0.0; 4],
        transition_offset: vec![0.0; 2],
        transition_cov: vec![1.0, 0.0, 0.0, 1.0],
        emission_offset: vec![0.0; 3],
        ..truth.clone()
    };
    let (first, want) = (total(&found, &batch), total(&truth, &batch));
    for _ in 0..200 {
        found = em::step(&found, &batch).unwrap().0;
    }
    let last = total(&found, &batch);
    assert!(
        last > want,
        "start {first:.1}, truth {want:.1}, EM {last:.1}"
    );
    // 1900 transitions, signal and noise of the same order: standard error near 0.03.
    close(
        "A",
        &found.transition_matrix,
        &truth.transition_matrix,
        0.15,
    );
}

#[test]
fn actions_are_told_from_noise() {
    let mut rng = Seeds::new(4).stream("test/em", 4);
    let (sequences, frames, k) = (200, 20, 2);
    let truth = model(&mut rng, 2, 3);
    let (effect, actions) = (
        [1.0, 0.0, -0.5, 2.0],
        normals(&mut rng, sequences * frames * k),
    );
    let offsets: Vec<f64> = actions
        .chunks_exact(k)
        .flat_map(|u| {
            (0..2)
                .map(|i| {
                    truth.transition_offset[i] + effect[2 * i] * u[0] + effect[2 * i + 1] * u[1]
                })
                .collect::<Vec<_>>()
        })
        .collect();
    let codes = draw(&mut rng, &truth, sequences, frames, Some(&offsets));
    let batch = Batch::new(&codes, sequences, frames);
    // The emission is given, or B would be known up to a change of basis only.
    let emissions = truth.emission_matrix.repeat(sequences * frames);
    let batch = Batch {
        emission_matrices: Some(&emissions),
        ..batch
    };
    let (mut found, mut input, mut before) = (truth.clone(), vec![0.0; 4], f64::NEG_INFINITY);
    for step in 0..200 {
        let inputs = Inputs {
            size: k,
            matrix: &input,
            values: &actions,
        };
        let (next, fitted, value) = em::step_with_inputs(&found, &inputs, &batch).unwrap();
        assert!(
            value >= before - 1e-10 * value.abs(),
            "step {step}: {before} -> {value}"
        );
        (found, input, before) = (next, fitted, value);
    }
    // 3800 transitions with noise of variance 0.3 and actions of variance 1: standard error near 0.01.
    close("input matrix", &input, &effect, 0.06);
}

#[test]
fn actions_that_never_vary_are_an_error_that_names_the_regression() {
    let (model, _) = case(0);
    let (codes, values) = (vec![0.5; 40 * model.code], vec![0.0; 40]);
    let effect = vec![0.0; model.latent];
    let inputs = Inputs {
        size: 1,
        matrix: &effect,
        values: &values,
    };
    let message = em::step_with_inputs(&model, &inputs, &Batch::new(&codes, 2, 20))
        .unwrap_err()
        .to_string();
    assert!(message.contains("transition is singular"), "{message}");
}
