//! Blended transitions: their values, and the gradient of the exact likelihood through them.

use super::gradients::derivative;
use super::support::{case, close, normals};
use kinostate::seeds::Seeds;
use lgssm::{Batch, Blend, Transitions, log_likelihood, log_likelihood_and_gradients};

fn blend(seed: u64, n: usize, modes: usize) -> Blend {
    let mut rng = Seeds::new(seed).stream("test/blend", 0);
    let scaled = |values: Vec<f64>| values.iter().map(|v| 0.4 * v).collect();
    Blend {
        latent: n,
        matrices: scaled(normals(&mut rng, modes * n * n)),
        offsets: scaled(normals(&mut rng, modes * n)),
    }
}

#[test]
fn one_mode_alone_is_that_mode_and_half_of_two_is_their_mean() {
    let blend = blend(1, 2, 3);
    let found = blend.transitions(&[0.0, 1.0, 0.0, 0.5, 0.0, 0.5]).unwrap();
    assert_eq!(found.matrices[..4], blend.matrices[4..8]);
    assert_eq!(found.offsets[..2], blend.offsets[2..4]);
    for i in 0..4 {
        let mean = 0.5 * (blend.matrices[i] + blend.matrices[8 + i]);
        assert!((found.matrices[4 + i] - mean).abs() < 1e-15);
    }
}

#[test]
fn the_likelihood_of_a_blend_has_the_gradient_of_finite_differences() {
    for seed in 0..12 {
        let (model, batch) = case(seed & !12); // no transitions of its own
        let (n, frames) = (model.latent, batch.sequences * batch.frames);
        let mut rng = Seeds::new(seed).stream("test/blend/weights", 0);
        let weights: Vec<f64> = normals(&mut rng, frames * 3);
        let start = blend(seed, n, 3);
        let value = |blend: &Blend, weights: &[f64]| -> f64 {
            let given = blend.transitions(weights).unwrap();
            let view = Batch {
                transition_matrices: Some(&given.matrices),
                transition_offsets: Some(&given.offsets),
                ..batch.view()
            };
            log_likelihood(&model, &view).unwrap().iter().sum()
        };
        let given = start.transitions(&weights).unwrap();
        let view = Batch {
            transition_matrices: Some(&given.matrices),
            transition_offsets: Some(&given.offsets),
            ..batch.view()
        };
        let found = log_likelihood_and_gradients(&model, &view)
            .unwrap()
            .gradients;
        let of = Transitions {
            matrices: found.transition_matrices.unwrap(),
            offsets: found.transition_offsets.unwrap(),
        };
        let found = start.gradient(&weights, &of).unwrap();
        type Pick = for<'a> fn(&'a mut Blend, &'a mut Vec<f64>) -> &'a mut Vec<f64>;
        let differences = |pick: Pick, count: usize| -> Vec<f64> {
            let by = |i: usize, h: f64| {
                let (mut blend, mut weights) = (start.clone(), weights.clone());
                pick(&mut blend, &mut weights)[i] += h;
                value(&blend, &weights)
            };
            (0..count).map(|i| derivative(|h| by(i, h))).collect()
        };
        let matrices = differences(|b, _| &mut b.matrices, found.matrices.len());
        let offsets = differences(|b, _| &mut b.offsets, found.offsets.len());
        let by_weight = differences(|_, w| w, found.weights.len());
        // As for every other gradient of the likelihood.
        close(&format!("A, seed {seed}"), &found.matrices, &matrices, 1e-7);
        close(&format!("b, seed {seed}"), &found.offsets, &offsets, 1e-7);
        close(
            &format!("alpha, seed {seed}"),
            &found.weights,
            &by_weight,
            1e-7,
        );
    }
}

#[test]
fn weights_that_do_not_fit_are_told() {
    let message = blend(0, 2, 3)
        .transitions(&[0.5; 4])
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("3 modes of 2") && message.contains("4"),
        "{message}"
    );
}
