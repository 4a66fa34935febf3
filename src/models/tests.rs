//! Contract tests: every registered model, the moment it is registered.

use super::*;
use crate::seeds::Seeds;
use nn::tensor::{matrix, value};
use rand::RngExt;

const FRAME: [usize; 3] = [1, 8, 8];
const STEPS: usize = 4;

/// An instance of every kind, and of every choice within a kind that changes its equations.
fn examples() -> Vec<AnyModel> {
    use super::kalman_vae::{
        Linear, Mixture, MixtureStart, Objective, Reflecting, Transition, Weights,
    };
    use lgssm::Constraint;
    let small = KalmanVae::example;
    let other = |transition| KalmanVae {
        transition,
        ..small()
    };
    let mixture = |modes, weights, start| Mixture {
        modes,
        weights,
        start,
        units: 3,
        // Soft, so that gradients reach the cells from the few codes there are.
        sharpness: 1.0,
        ..Mixture::default()
    };
    let walls = Reflecting { sharpness: 1.0 };
    let from_codes = mixture(3, Weights::Codes, MixtureStart::Codes);
    let flight = mixture(2, Weights::Lstm, MixtureStart::FreeMotion);
    let as_published = Mixture {
        offsets: false,
        ..mixture(2, Weights::Lstm, MixtureStart::Identity)
    };
    let kalman = [
        other(Transition::Reflecting(walls)),
        other(Transition::Linear(Linear {})),
        KalmanVae {
            objective: Objective::Published,
            ..other(Transition::Linear(Linear {}))
        },
        other(Transition::Mixture(from_codes)),
        KalmanVae {
            constraint: Constraint::OrthogonalDecay,
            ..other(Transition::Mixture(flight))
        },
        KalmanVae {
            objective: Objective::Published,
            latent: 3,
            ..other(Transition::Mixture(as_published))
        },
        KalmanVae {
            constraint: Constraint::SpectralRadius,
            ..small()
        },
    ];
    let constrained = [
        Constraint::SpectralRadius,
        Constraint::OrthogonalDecay,
        Constraint::Newtonian { dt: 0.5 },
    ]
    .map(|constraint| LgVae {
        constraint,
        ..LgVae::example()
    });
    let mut all = AnyModel::examples();
    all.extend(kalman.map(AnyModel::KalmanVae));
    all.extend(constrained.map(AnyModel::LgVae));
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
        seen: None,
    }
}

/// Two frames missing, one of them the first; a fifth of the pixels hidden.
fn partly_seen<F: Float>() -> Clips<F> {
    let pixels = (0..2 * STEPS * 64).map(|i| i % 5 != 2);
    Clips {
        seen: Some(Seen {
            frames: (0..2 * STEPS).map(|row| row != 2 && row != STEPS).collect(),
            pixels: Some(pixels.collect()),
        }),
        ..clips()
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

/// Gives the networks biases that are not zero: where all that a kernel sees is hidden, or comes from units that are off, it stands exactly
/// at the kink of its ReLU.
fn move_off_kinks(model: &mut dyn Model<f64>) {
    let mut list = Vec::new();
    model.parameters("", &mut list);
    for (name, p) in list {
        if (name.starts_with("encoder.") || name.starts_with("decoder.")) && name.ends_with(".bias")
        {
            let values = p.values().iter().enumerate();
            let moved: Vec<f64> = values.map(|(i, b)| b + 0.031 + 0.007 * i as f64).collect();
            p.set(&moved).unwrap();
        }
    }
}

/// Central differences in f64: truncation h^2, rounding 1e-16 |loss| / h; together below 1e-6 of gradients of order one.
#[test]
fn every_gradient_of_every_model_agrees_with_finite_differences() {
    const H: f64 = 1e-5;
    for config in examples() {
        for (weight, clips) in [(1.0, clips::<f64>()), (0.3, partly_seen())] {
            let mut model = build::<f64>(&config);
            let codes = model.encode(&clips.frames).unwrap().mean;
            model.start_law(&codes, STEPS).unwrap();
            move_off_kinks(model.as_mut());
            let loss = |m: &dyn Model<f64>| {
                value(&m.elbo(&clips, weight, &mut noise()).unwrap().objective)
            };
            let elbo = model.elbo(&clips, weight, &mut noise()).unwrap();
            let gradients = nn::tensor::backward(elbo.objective).unwrap();
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
                    "{config:?}: no gradient reaches {name}"
                );
                for i in (0..gradient.len()).step_by(gradient.len() / 7 + 1) {
                    nudge(model.as_mut(), k, i, H);
                    let up = loss(model.as_ref());
                    nudge(model.as_mut(), k, i, -2.0 * H);
                    let down = loss(model.as_ref());
                    nudge(model.as_mut(), k, i, H);
                    let difference = (up - down) / (2.0 * H);
                    let error = (difference - gradient[i]).abs();
                    // Relative, and a few roundings of the loss itself over the step.
                    let allowed = 2e-6 * (difference.abs() + gradient[i].abs() + 1e-2)
                        + 4.0 * f64::EPSILON * up.abs() / H;
                    assert!(
                        error < allowed,
                        "{config:?}: {name}[{i}]: {} against {difference}",
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
        let frames = nn::tensor::values(&clips.frames);
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

/// What is missing may be anything: the ELBO is that of what is seen.
#[test]
fn missing_frames_and_hidden_pixels_are_never_read() {
    for config in examples() {
        let model = build::<f64>(&config);
        let value_at = |hidden: f64| {
            let mut clips = partly_seen::<f64>();
            let seen = clips.seen.clone().unwrap();
            let pixels = seen.pixels.unwrap();
            let shown: Vec<f64> = nn::tensor::values(&clips.frames)
                .iter()
                .enumerate()
                .map(|(i, &v)| {
                    if seen.frames[i / 64] && pixels[i] {
                        v
                    } else {
                        hidden
                    }
                })
                .collect();
            clips.frames = matrix(shown, 2 * STEPS, 64).unwrap();
            value(&model.elbo(&clips, 1.0, &mut noise()).unwrap().objective)
        };
        assert_eq!(value_at(0.0), value_at(0.77), "{}", config.kind());
    }
}

/// The ELBO of clips whose last frames are missing is that of the marginal: clips that end before. The posterior of a `dkf` and the
/// published bound are not that of a marginal: a state that nothing is seen of costs them something.
#[test]
fn the_elbo_of_what_is_seen_is_the_elbo_of_the_marginal() {
    const SHORT: usize = 3;
    for config in examples() {
        let exact = match &config {
            AnyModel::Dkf(_) => false,
            AnyModel::KalmanVae(c) => c.objective == super::kalman_vae::Objective::Exact,
            _ => true,
        };
        if !exact {
            continue;
        }
        let mut model = build::<f64>(&config);
        let whole = clips::<f64>();
        let codes = model.encode(&whole.frames).unwrap().mean;
        model.start_law(&codes, STEPS).unwrap();
        let ends: Vec<bool> = (0..2 * STEPS).map(|row| row % STEPS < SHORT).collect();
        let all = nn::tensor::values(&whole.frames);
        let first = (0..2).flat_map(|i| &all[i * STEPS * 64..][..SHORT * 64]);
        let short = Clips {
            frames: matrix(first.copied().collect(), 2 * SHORT, 64).unwrap(),
            sequences: 2,
            steps: SHORT,
            seen: None,
        };
        let masked = Clips {
            seen: Some(Seen {
                frames: ends,
                pixels: None,
            }),
            ..whole
        };
        assert_eq!(masked.observations(), 2 * SHORT);
        let elbo = |clips: &Clips<f64>| {
            let elbo = model.elbo(clips, 1.0, &mut noise()).unwrap();
            elbo.terms.iter().map(|(_, v)| *v).collect::<Vec<f64>>()
        };
        let (got, want) = (elbo(&masked), elbo(&short));
        for (g, w) in got.iter().zip(&want) {
            // The same sums in another order.
            assert!(
                (g - w).abs() < 1e-10 * w.abs().max(1.0),
                "{}: {got:?} against {want:?}",
                config.kind()
            );
        }
    }
}

#[test]
fn the_published_bound_is_below_the_likelihood_by_its_gap_on_average() {
    use super::kalman_vae::{Linear, Objective, Transition};
    const DRAWS: u64 = 300;
    let with = |objective| {
        build::<f64>(&AnyModel::KalmanVae(KalmanVae {
            transition: Transition::Linear(Linear {}),
            objective,
            ..KalmanVae::example()
        }))
    };
    let (exact, published) = (with(Objective::Exact), with(Objective::Published));
    let clips = clips::<f64>();
    // Codes are drawn first, so each pair has the same ones.
    let mut losses = Vec::new();
    for draw in 0..DRAWS {
        let code_term = |model: &dyn Model<f64>| {
            let mut rng = Seeds::new(9).stream("test/noise", draw);
            model.elbo(&clips, 1.0, &mut rng).unwrap().terms[1].1
        };
        losses.push(code_term(exact.as_ref()) - code_term(published.as_ref()));
    }
    let mean = losses.iter().sum::<f64>() / DRAWS as f64;
    let codes = exact.encode(&clips.frames).unwrap().mean;
    let gap = exact.published_gap(&codes, STEPS).unwrap().unwrap();
    let (want, variance): (f64, f64) = (gap.mean.iter().sum(), gap.variance.iter().sum());
    let error = (variance / DRAWS as f64).sqrt();
    assert!(
        want > 0.0 && (mean - want).abs() < 6.0 * error,
        "{mean} against {want}, standard error {error}"
    );
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

#[test]
fn settings_that_contradict_each_other_are_told() {
    for (text, want) in [
        (
            "kalman_vae: { transition: { mixture: { weights: lstm, modes: 10 } } }",
            "transition.mixture.modes: a number in 1..=9 expected, got 10",
        ),
        (
            "kalman_vae: { transition: { mixture: { weights: lstm, start: identity, modes: 82 } } }",
            "transition.mixture.modes: a number in 1..=81 expected, got 82",
        ),
        (
            "kalman_vae: { transition: { mixture: { start: identity } } }",
            "transition.mixture.start: codes (weights: state starts its cells at the edges of the codes) expected, got identity",
        ),
        (
            "kalman_vae: { transition: { mixture: { offsets: false } } }",
            "transition.mixture.offsets: true (weights: state and start: codes want modes with offsets) expected, got false",
        ),
        (
            "kalman_vae: { transition: { mixture: { weights: codes, offsets: false } } }",
            "transition.mixture.offsets: true (start: codes gives modes with offsets) expected, got false",
        ),
        (
            "kalman_vae: { transition: { mixture: { weights: codes, units: 0 } } }",
            "transition.mixture.units: a number in 1..=4096 expected, got 0",
        ),
        (
            "kalman_vae: { objective: published }",
            "expected, got published with weights: state",
        ),
        (
            "kalman_vae: { objective: published, transition: { reflecting: {} } }",
            "or a mixture with weights codes or lstm) expected, got published",
        ),
        (
            "kalman_vae: { constraint: spectral_radius, transition: { reflecting: {} } }",
            "constraint: free (reflecting walls have matrices of their own) expected, got spectral_radius",
        ),
        (
            "kalman_vae: { latent: 3 }",
            "latent: 2 * codes = 4 expected, got 3",
        ),
        (
            "kalman_vae: { latent: 1, transition: { mixture: { weights: lstm, start: identity } } }",
            "latent: a number from codes (2) to 128 expected, got 1",
        ),
        (
            "lg_vae: { constraint: { newtonian: { dt: 0 } } }",
            "constraint.newtonian.dt: a positive number expected, got 0",
        ),
        (
            "lg_vae: { latent: 3, start: identity, constraint: { newtonian: {} } }",
            "constraint.newtonian: an even number of latent dimensions expected, got 3",
        ),
    ] {
        let model: AnyModel = serde_yaml::with::singleton_map_recursive::deserialize(
            serde_yaml::Deserializer::from_str(text),
        )
        .unwrap();
        let message = model.check("models.a", FRAME).unwrap_err().to_string();
        assert!(
            message.starts_with("models.a.") && message.ends_with(want),
            "{text}\n got {message}\nwant {want}"
        );
    }
}
