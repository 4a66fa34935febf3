//! The bound of every model that claims one, held against the exact likelihood of data whose law is known.

use super::*;
use lgssm::{Batch, Lgssm};
use nn::optimiser::Adam;
use rand_distr::{Distribution, StandardNormal};

/// Two latent dimensions that turn and shrink, seen in 64 pixels: x_t = 1/2 + W z_t + s e_t.
fn world() -> Lgssm {
    let (turn, shrink) = (0.5_f64, 0.9);
    let (c, s) = (shrink * turn.cos(), shrink * turn.sin());
    let pattern = |i: usize, j: usize| {
        let (x, y) = ((i % 8) as f64 / 7.0, (i / 8) as f64 / 7.0);
        0.25 * if j == 0 { x - y } else { (3.0 * x * y).sin() }
    };
    let diagonal = |n: usize, v: f64| {
        (0..n * n)
            .map(|i| if i / n == i % n { v } else { 0.0 })
            .collect::<Vec<f64>>()
    };
    Lgssm {
        latent: 2,
        code: 64,
        transition_matrix: vec![c, -s, s, c],
        transition_offset: vec![0.0; 2],
        transition_cov: diagonal(2, 0.19),
        emission_matrix: (0..128).map(|k| pattern(k / 2, k % 2)).collect(),
        emission_offset: vec![0.5; 64],
        emission_cov: diagonal(64, 0.15 * 0.15),
        initial_mean: vec![0.0; 2],
        initial_cov: diagonal(2, 1.0),
    }
}

/// Clips of the world, (n, T, 64).
fn sampled(n: usize, stream: &str) -> Vec<f64> {
    let law = world();
    let mut rng = Seeds::new(12).stream(stream, 0);
    let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
    let mut out = Vec::new();
    for _ in 0..n {
        let mut z = [normal(), normal()];
        for t in 0..STEPS {
            if t > 0 {
                let a = &law.transition_matrix;
                z = [
                    a[0] * z[0] + a[1] * z[1] + 0.19_f64.sqrt() * normal(),
                    a[2] * z[0] + a[3] * z[1] + 0.19_f64.sqrt() * normal(),
                ];
            }
            for i in 0..64 {
                let w = &law.emission_matrix[2 * i..];
                out.push(0.5 + w[0] * z[0] + w[1] * z[1] + 0.15 * normal());
            }
        }
    }
    out
}

fn shown<F: Float>(pixels: &[f64]) -> Clips<F> {
    let rows = pixels.len() / 64;
    Clips {
        frames: matrix(pixels.iter().map(|&v| F::of(v)).collect(), rows, 64).unwrap(),
        sequences: rows / STEPS,
        steps: STEPS,
        seen: None,
        actions: None,
        rewards: None,
    }
}

/// The same settings with Gaussian pixels, wherever they say how pixels are distributed.
fn with_gaussian_pixels(config: &AnyModel) -> AnyModel {
    fn change(value: &mut serde_json::Value) -> usize {
        let Some(map) = value.as_object_mut() else {
            return 0;
        };
        let mut found = 0;
        for (key, value) in map.iter_mut() {
            if key == "likelihood" {
                *value = serde_json::json!({ "gaussian": { "std": 0.3 } });
                found += 1;
            } else {
                found += change(value);
            }
        }
        found
    }
    let mut value = serde_json::to_value(config).unwrap();
    assert_eq!(
        change(&mut value),
        1,
        "{config:?}: one key `likelihood` expected"
    );
    serde_json::from_value(value).unwrap()
}

/// A few steps of Adam.
fn trained(config: &AnyModel, steps: usize, rate: f64) -> Box<dyn Model<f32>> {
    let pixels = sampled(16 * 32, "kalman/train");
    let mut model = build::<f32>(config);
    let mean = vec![0.5; 64];
    let common = Common {
        background: mean.clone(),
        mean,
        ..Common::default()
    };
    model.start_at(&common).unwrap();
    let mut adam = Adam::new();
    for step in 0..steps {
        let part = &pixels[step % 16 * 32 * STEPS * 64..][..32 * STEPS * 64];
        let clips = shown(part);
        if step == steps / 2 {
            start_law(model.as_mut(), &clips);
        }
        let mut rng = Seeds::new(2).stream("kalman/noise", step as u64);
        let terms = model
            .objective(&clips, Schedule::bound(), &mut rng)
            .unwrap();
        let climbed = objective(terms, Player::Model).unwrap().unwrap();
        let mut gradients = [nn::tensor::backward(climbed).unwrap()];
        let mut list = Vec::new();
        model.parameters("", &mut list);
        adam.update(list, &mut gradients, -(32.0 * STEPS as f64), 1e3, rate)
            .unwrap();
    }
    model
}

/// How far the bound is below the exact likelihood of fresh clips, nats a clip: mean and standard error. With `forget`,
/// terms about latents are left out: an error that a bound must not survive.
fn gap(model: &dyn Model<f32>, forget: bool) -> (f64, f64) {
    const CLIPS: usize = 1000;
    let pixels = sampled(CLIPS, "kalman/test");
    let law = world();
    let exact = lgssm::log_likelihood(&law, &Batch::new(&pixels, CLIPS, STEPS)).unwrap();
    let mut gaps = Vec::new();
    for (i, part) in pixels.chunks(100 * STEPS * 64).enumerate() {
        let mut rng = Seeds::new(3).stream("kalman/bound", i as u64);
        let terms = model
            .objective(&shown(part), Schedule::bound(), &mut rng)
            .unwrap();
        for k in 0..part.len() / (STEPS * 64) {
            let own: f64 = terms
                .iter()
                .filter(|term| term.in_bound && !(forget && term.name != "reconstruction"))
                .flat_map(|term| &term.per_frame[k * STEPS..][..STEPS])
                .sum();
            gaps.push(exact[gaps.len()] - own);
        }
    }
    let n = gaps.len() as f64;
    let mean = gaps.iter().sum::<f64>() / n;
    let var = gaps.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (var / n).sqrt())
}

#[test]
fn every_bound_stays_below_the_exact_likelihood() {
    for config in examples() {
        let model = trained(&with_gaussian_pixels(&config), 60, 5e-3);
        if !model.claims().bound {
            continue;
        }
        let (mean, error) = gap(model.as_ref(), false);
        println!(
            "{}: {mean:.2} +- {error:.2} nats a clip below the exact likelihood",
            config.kind()
        );
        assert!(
            mean.is_finite() && mean > -3.0 * error,
            "{config:?}: above the exact likelihood by {} +- {error} nats a clip",
            -mean
        );
    }
}

/// The test above can fail: trained well, a bound comes so close that it may not forget what its latents cost.
#[test]
fn a_bound_that_forgets_its_divergence_is_above_the_exact_likelihood() {
    use nn::decoder::{DecoderConfig, MlpDecoder};
    use nn::encoder::{EncoderConfig, MlpEncoder};
    let frames = FramesConfig {
        codes: 2,
        encoder: EncoderConfig::Mlp(MlpEncoder { hidden: vec![32] }),
        decoder: DecoderConfig::Mlp(MlpDecoder { hidden: vec![32] }),
        likelihood: Likelihood::Gaussian { std: 0.2 },
    };
    let config = AnyModel::Vae(Vae { frames });
    let model = trained(&config, 600, 5e-3);
    let ((right, error), (wrong, of_wrong)) =
        (gap(model.as_ref(), false), gap(model.as_ref(), true));
    println!(
        "{right:.2} +- {error:.2} nats a clip below, without the divergence {wrong:.2} +- {of_wrong:.2}"
    );
    assert!(right > -3.0 * error && wrong < -3.0 * of_wrong);
}
