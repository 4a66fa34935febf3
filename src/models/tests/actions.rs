//! Contract tests of models in a world that is driven: they read actions, or nothing that they say depends on any.

use super::*;
use nn::tensor::values;

const ACTIONS: usize = 2;

/// Actions of the two clips, of another size a component, none of them zero.
fn acted(shift: f64) -> Actions {
    let value = |i: usize| (1.0 + (i % ACTIONS) as f64) * (0.7 * i as f64 + shift).sin();
    Actions {
        size: ACTIONS,
        values: (0..2 * STEPS * ACTIONS).map(value).collect(),
    }
}

fn driven<F: Float>(clips: Clips<F>) -> Clips<F> {
    Clips {
        actions: Some(acted(0.4)),
        ..clips
    }
}

/// A model that was built for actions, with their sizes taken in.
fn built<F: Float>(config: &AnyModel) -> Box<dyn Model<F>> {
    let sizes = Sizes {
        frame: FRAME,
        actions: ACTIONS,
    };
    let mut model: Box<dyn Model<F>> = config
        .build(sizes, &mut Seeds::new(3).stream("test/weights", 0))
        .unwrap();
    let grey = vec![0.5; 64];
    let common = Common {
        mean: grey.clone(),
        background: grey,
        action_scale: vec![0.7, 1.4],
    };
    model.start_at(&common).unwrap();
    // B starts at zero.
    let mut list = Vec::new();
    model.parameters("", &mut list);
    for (name, p) in list {
        if name.ends_with("transition.input") {
            let own: Vec<F> = (0..p.values().len())
                .map(|i| F::of(0.2 - 0.1 * i as f64))
                .collect();
            p.set(&own).unwrap();
        }
    }
    model
}

#[test]
fn every_gradient_of_every_driven_model_agrees_with_finite_differences() {
    let mut readers = Vec::new();
    for config in examples().iter().map(differentiable) {
        let model = built::<f64>(&config);
        if !model.claims().actions {
            continue;
        }
        readers.push(config.kind());
        gradients_agree(&config, model, 1.0, &driven(clips()));
        gradients_agree(&config, built(&config), 0.3, &driven(partly_seen()));
    }
    readers.sort_unstable();
    readers.dedup();
    assert_eq!(readers, ["kalman_vae", "lg_vae", "rvae", "srvp", "svg"]);
}

/// Everything that a model says of clips: its terms, its beliefs, its rollouts under `ahead`.
fn said(model: &dyn Model<f64>, clips: &Clips<f64>, ahead: &[f64]) -> Vec<Vec<f64>> {
    let mut all: Vec<Vec<f64>> = terms(model, clips, &mut noise())
        .into_iter()
        .map(|(_, total)| vec![total])
        .collect();
    let found = infer(model, clips);
    for beliefs in &found {
        all.extend(beliefs.iter().map(|(_, named)| named.array.data().to_vec()));
    }
    if let Some(filtered) = found.get(1).filter(|beliefs| !beliefs.is_empty()) {
        let ahead = Ahead {
            horizon: 2,
            draws: 2,
            actions: Some(ahead),
        };
        let futures = model.rollout(filtered, ahead, &mut noise()).unwrap();
        all.extend(futures.iter().map(|(_, named)| named.array.data().to_vec()));
    }
    all
}

#[test]
fn a_model_depends_on_actions_exactly_when_it_claims_to() {
    for config in examples() {
        let mut model = built::<f64>(&config);
        let clips = driven(clips::<f64>());
        start_law(model.as_mut(), &clips);
        let other = Clips {
            actions: Some(acted(1.9)),
            ..clips.clone()
        };
        let (one, two) = ([0.3; 8], [-0.8; 8]);
        let reads = model.claims().actions;
        let m = model.as_ref();
        let kind = config.kind();
        assert_eq!(
            said(m, &clips, &one) != said(m, &other, &one),
            reads,
            "{kind}: past"
        );
        assert_eq!(
            said(m, &clips, &one) != said(m, &clips, &two),
            reads,
            "{kind}: ahead"
        );
        if !reads {
            let none = Clips {
                actions: None,
                ..clips.clone()
            };
            assert_eq!(said(m, &clips, &one), said(m, &none, &one), "{kind}");
        }
    }
}

#[test]
fn a_filtered_belief_knows_what_acted_before_its_frame_and_nothing_after() {
    for config in examples() {
        let model = built::<f64>(&config);
        if !model.claims().actions {
            continue;
        }
        let clips = driven(clips::<f64>());
        // From frame 2 on something else acts.
        let mut later = acted(0.4);
        for (i, u) in later.values.iter_mut().enumerate() {
            if i / ACTIONS % STEPS >= 2 {
                *u = 5.0 - *u;
            }
        }
        let other = Clips {
            actions: Some(later),
            ..clips.clone()
        };
        let of = |clips: &Clips<f64>| infer(model.as_ref(), clips).swap_remove(1);
        let (one, two) = (of(&clips), of(&other));
        let name = model.latents()[0].name.clone();
        let (one, two) = (one.need(&name).unwrap(), two.need(&name).unwrap());
        let size = one.shape()[2];
        for (i, (a, b)) in one
            .data()
            .chunks(size)
            .zip(two.data().chunks(size))
            .enumerate()
        {
            assert_eq!(
                a == b,
                i % STEPS <= 2,
                "{}: frame {}",
                config.kind(),
                i % STEPS
            );
        }
    }
}

#[test]
fn what_acts_ahead_moves_a_rollout_as_it_moves_a_prediction() {
    for config in examples() {
        let model = built::<f64>(&config);
        if !model.claims().actions || model.state_space().is_none() {
            continue;
        }
        let clips = driven(clips::<f64>());
        let queries = [Query::about(Given::First(2))];
        let predicted = model
            .infer(&clips, &queries, &mut noise())
            .unwrap()
            .swap_remove(0);
        let first = Clips {
            frames: matrix(
                (0..2)
                    .flat_map(|b| values(&clips.frames)[b * STEPS * 64..][..128].to_vec())
                    .collect(),
                4,
                64,
            )
            .unwrap(),
            steps: 2,
            actions: Some(Actions {
                size: ACTIONS,
                values: (0..2)
                    .flat_map(|b| acted(0.4).values[b * STEPS * ACTIONS..][..2 * ACTIONS].to_vec())
                    .collect(),
            }),
            ..clips.clone()
        };
        let seen = model
            .infer(&first, &[Query::about(Given::UpTo)], &mut noise())
            .unwrap();
        // Action 1 acts from frame 1, the last that was seen, to frame 2.
        let ahead: Vec<f64> = (0..2)
            .flat_map(|b| acted(0.4).values[(b * STEPS + 1) * ACTIONS..][..2 * ACTIONS].to_vec())
            .collect();
        const DRAWS: usize = 4000;
        let ahead = Ahead {
            horizon: 2,
            draws: DRAWS,
            actions: Some(&ahead),
        };
        let futures = model.rollout(&seen[0], ahead, &mut noise()).unwrap();
        let futures = futures.need("z").unwrap();
        let z = predicted.need("z").unwrap();
        let n = z.shape()[2];
        for b in 0..2 {
            for i in 0..n {
                let of = |draw: usize| futures.data()[((draw * 2 + b) * 3 + 2) * n + i];
                let mean = (0..DRAWS).map(of).sum::<f64>() / DRAWS as f64;
                let var = (0..DRAWS).map(|d| (of(d) - mean).powi(2)).sum::<f64>() / DRAWS as f64;
                let want = z.data()[(b * STEPS + 3) * n + i];
                // 6 standard errors of a mean.
                let allowed = 6.0 * (var / DRAWS as f64).sqrt();
                assert!(
                    (mean - want).abs() < allowed,
                    "{}: {mean} {want} {allowed}",
                    config.kind()
                );
            }
        }
    }
}
