//! Contract tests: every registered model, the moment it is registered.

use super::*;
use crate::nn::tensor::{matrix, value};
use crate::seeds::Seeds;
use dfdx::prelude::Backward;
use rand::RngExt;

const FRAME: [usize; 3] = [1, 8, 8];
const STEPS: usize = 4;

/// An instance of every kind, and of every choice within a kind that changes its equations.
fn examples() -> Vec<AnyModel> {
    use super::kalman_vae::{Linear, Reflecting, Transition};
    let other = |transition| {
        AnyModel::KalmanVae(KalmanVae {
            transition,
            ..KalmanVae::example()
        })
    };
    // Soft, so that gradients reach the walls from the few codes there are.
    let walls = Reflecting { sharpness: 1.0 };
    let mut all = AnyModel::examples();
    all.push(other(Transition::Reflecting(walls)));
    all.push(other(Transition::Linear(Linear {})));
    all
}

/// Two clips of random grey pixels.
fn clips<F: Float>() -> Clips<F> {
    let mut rng = Seeds::new(5).stream("test/pixels", 0);
    let pixels: Vec<F> = (0..2 * STEPS * 64)
        .map(|_| F::of(rng.random::<f64>()))
        .collect();
    Clips {
        frames: matrix(pixels, 2 * STEPS, 64).unwrap(),
        sequences: 2,
        steps: STEPS,
    }
}

fn build<F: Float>(config: &AnyModel) -> Box<dyn Model<F>> {
    config
        .build(FRAME, &mut Seeds::new(3).stream("test/weights", 0))
        .unwrap()
}

fn noise() -> Rng {
    Seeds::new(3).stream("test/noise", 0)
}

/// Adds `delta` to value i of parameter k.
fn nudge(model: &mut dyn Model<f64>, k: usize, i: usize, delta: f64) {
    let mut list = Vec::new();
    model.parameters("", &mut list);
    let mut values = list[k].1.values().to_vec();
    values[i] += delta;
    list[k].1.set(&values).unwrap();
}

/// Central differences in f64: truncation h^2, rounding 1e-16 |loss| / h; together below 1e-6 of gradients of order one.
#[test]
fn every_gradient_of_every_model_agrees_with_finite_differences() {
    const H: f64 = 1e-5;
    for config in examples() {
        for weight in [1.0, 0.3] {
            let mut model = build::<f64>(&config);
            let clips = clips::<f64>();
            let codes = model.encode(&clips.frames).unwrap().mean;
            model.start_law(&codes, STEPS).unwrap();
            let loss = |m: &dyn Model<f64>| {
                value(&m.elbo(&clips, weight, &mut noise()).unwrap().objective)
            };
            let gradients = model
                .elbo(&clips, weight, &mut noise())
                .unwrap()
                .objective
                .try_backward()
                .unwrap();
            let mut list = Vec::new();
            model.parameters("", &mut list);
            let analytic: Vec<(String, Vec<f64>)> = list
                .iter()
                .map(|(name, p)| (name.clone(), p.gradient(&gradients)))
                .collect();
            let fixed: Vec<bool> = list.iter().map(|(_, p)| p.is_fixed()).collect();
            for (k, (name, gradient)) in analytic.iter().enumerate() {
                if fixed[k] {
                    continue;
                }
                assert!(
                    gradient.iter().any(|&g| g != 0.0),
                    "{}: no gradient reaches {name}",
                    config.kind()
                );
                for i in (0..gradient.len()).step_by(gradient.len() / 7 + 1) {
                    nudge(model.as_mut(), k, i, H);
                    let up = loss(model.as_ref());
                    nudge(model.as_mut(), k, i, -2.0 * H);
                    let down = loss(model.as_ref());
                    nudge(model.as_mut(), k, i, H);
                    let difference = (up - down) / (2.0 * H);
                    let error = (difference - gradient[i]).abs()
                        / (difference.abs() + gradient[i].abs() + 1e-2);
                    assert!(
                        error < 2e-6,
                        "{}: {name}[{i}]: {} against {difference}",
                        config.kind(),
                        gradient[i]
                    );
                }
            }
        }
    }
}

#[test]
fn an_untrained_model_started_at_the_mean_frame_beats_one_that_was_not() {
    for config in examples() {
        let clips = clips::<f64>();
        let mut model = build::<f64>(&config);
        let before = value(&model.elbo(&clips, 1.0, &mut noise()).unwrap().objective);
        let frames = crate::nn::tensor::values(&clips.frames);
        let mean: Vec<f64> = (0..64)
            .map(|i| frames.iter().skip(i).step_by(64).sum::<f64>() / (2 * STEPS) as f64)
            .collect();
        let common = Common {
            background: mean.clone(),
            mean: mean.clone(),
        };
        model.start_at(&common).unwrap();
        let after = value(&model.elbo(&clips, 1.0, &mut noise()).unwrap().objective);
        assert!(
            after > before,
            "{}: {after} against {before}",
            config.kind()
        );
        let short = Common {
            background: mean[1..].to_vec(),
            mean,
        };
        assert!(model.start_at(&short).is_err());
    }
}

#[test]
fn terms_sum_to_the_objective_at_latent_weight_one() {
    for config in examples() {
        let elbo = build::<f64>(&config)
            .elbo(&clips(), 1.0, &mut noise())
            .unwrap();
        let sum: f64 = elbo.terms.iter().map(|(_, v)| v).sum();
        let total = value(&elbo.objective);
        assert!(
            (sum - total).abs() < 1e-9 * total.abs(),
            "{}: {sum} against {total}",
            config.kind()
        );
    }
}

#[test]
fn f32_agrees_with_f64() {
    for config in examples() {
        let a = value(
            &build::<f32>(&config)
                .elbo(&clips(), 1.0, &mut noise())
                .unwrap()
                .objective,
        );
        let b = value(
            &build::<f64>(&config)
                .elbo(&clips(), 1.0, &mut noise())
                .unwrap()
                .objective,
        );
        // Pixels, weights and activations rounded to 24 bits, hundreds of terms.
        assert!(
            (a - b).abs() < 1e-4 * b.abs(),
            "{}: {a} against {b}",
            config.kind()
        );
    }
}

#[test]
fn codes_decode_to_pixels_between_zero_and_one_and_shapes_fit() {
    for config in examples() {
        let model = build::<f32>(&config);
        let clips = clips::<f32>();
        let codes = model.encode(&clips.frames).unwrap();
        assert_eq!(codes.mean.len(), 2 * STEPS * model.codes());
        assert!(codes.var.iter().all(|&v| v > 0.0));
        let pixels = model.decode(&codes.mean).unwrap();
        assert_eq!(pixels.len(), 2 * STEPS * 64);
        assert!(pixels.iter().all(|p| (0.0..=1.0).contains(p)));
        if let Some(posterior) = model.infer(&codes.mean, STEPS, None).unwrap() {
            let latent = posterior.filtered_mean.len() / (2 * STEPS);
            assert!(model.law().is_none_or(|law| law.latent == latent));
            assert_eq!(posterior.smoothed_cov.len(), 2 * STEPS * latent * latent);
            let expected = model.emit(&posterior.smoothed_mean).unwrap();
            assert_eq!(expected.len(), codes.mean.len());
        }
    }
}

#[test]
fn frames_of_another_size_are_an_error() {
    for config in examples() {
        let model = build::<f32>(&config);
        let wrong = matrix(vec![0.0; 4 * 49], 4, 49).unwrap();
        let message = model
            .encode(&wrong)
            .err()
            .map(|e| e.to_string())
            .unwrap_or_default();
        assert!(message.contains("49"), "{}: {message:?}", config.kind());
    }
}

#[test]
fn settings_survive_yaml() {
    for config in examples() {
        let text = serde_yaml::to_string(
            &serde_yaml::with::singleton_map_recursive::serialize(
                &config,
                serde_yaml::value::Serializer,
            )
            .unwrap(),
        )
        .unwrap();
        let back: AnyModel = serde_yaml::with::singleton_map_recursive::deserialize(
            serde_yaml::Deserializer::from_str(&text),
        )
        .unwrap();
        assert_eq!(back, config, "{text}");
        config.check("models.example", FRAME).unwrap();
    }
}
