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
        rewards: Some((0..2 * STEPS).map(reward).collect()),
        ..clips
    }
}

/// What came with frame i of all: not known at the beginning.
fn reward(i: usize) -> f64 {
    match i % STEPS {
        0 => f64::NAN,
        _ => 3.0 * (1.3 * i as f64).cos(),
    }
}

/// A model that was built for actions, with their sizes taken in.
fn built<F: Float>(config: &AnyModel) -> Box<dyn Model<F>> {
    let sizes = Sizes {
        frame: FRAME,
        actions: ACTIONS,
        rewards: true,
    };
    let mut model: Box<dyn Model<F>> = config
        .build(sizes, &mut Seeds::new(3).stream("test/weights", 0))
        .unwrap();
    let grey = vec![0.5; 64];
    let common = Common {
        mean: grey.clone(),
        background: grey,
        action_scale: vec![0.7, 1.4],
        ..Common::default()
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
    assert_eq!(
        readers,
        [
            "attention",
            "content_motion",
            "hierarchical",
            "kalman_vae",
            "lg_vae",
            "rssm",
            "rvae",
            "srvp",
            "svg"
        ]
    );
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

#[test]
fn a_belief_that_follows_frame_after_frame_is_the_filtered_one() {
    let mut followers = Vec::new();
    for config in examples() {
        let model = built::<f64>(&config);
        let clips = driven(clips::<f64>());
        let whole = infer(model.as_ref(), &clips).swap_remove(1);
        let before = acted(0.4).before(STEPS);
        let mut last: Option<Beliefs> = None;
        for t in 0..STEPS {
            let own = |all: &[f64], size: usize| -> Vec<f64> {
                let of = |b: usize| all[(b * STEPS + t) * size..][..size].to_vec();
                (0..2).flat_map(of).collect()
            };
            let one = Clips {
                frames: matrix(own(values(&clips.frames), 64), 2, 64).unwrap(),
                steps: 1,
                actions: Some(Actions {
                    size: ACTIONS,
                    values: own(&before, ACTIONS),
                }),
                rewards: None,
                ..clips.clone()
            };
            let Some(found) = model.follow(last.as_ref(), &one).unwrap() else {
                break;
            };
            followers.push(config.kind());
            for (name, named) in found.iter() {
                let all = whole.need(name).unwrap();
                let want = own(all.data(), all.shape()[2]);
                for (got, want) in named.array.data().iter().zip(&want) {
                    // The same networks on fewer rows.
                    assert!((got - want).abs() < 1e-12, "{name} {t}: {got} {want}");
                }
            }
            last = Some(found);
        }
    }
    followers.dedup();
    assert_eq!(followers, ["rssm"]);
}

#[test]
fn rewards_are_learned_where_they_are_told_and_expected_of_every_frame_of_a_rollout() {
    let mut model = built::<f64>(&AnyModel::Rssm(Rssm::example()));
    let clips = driven(clips::<f64>());
    let training = Schedule {
        beside: 1.0,
        ..Schedule::bound()
    };
    let at = |model: &dyn Model<f64>, clips: &Clips<f64>| {
        let terms = model.objective(clips, training, &mut noise()).unwrap();
        let of = |name: &str| terms.iter().find(|t| t.name == name).map(Term::total);
        (of("reward"), of("foresight_reward"))
    };
    let (here, ahead) = at(model.as_ref(), &clips);
    assert!(here.is_some() && ahead.is_some());
    let untold = Clips {
        rewards: None,
        ..clips.clone()
    };
    assert_eq!(at(model.as_ref(), &untold), (None, None));
    // In the bound there are none.
    let bound = model.objective(&clips, Schedule::bound(), &mut noise());
    assert_eq!(bound.unwrap().len(), 2);
    // Plain ascent on the head alone brings the density up.
    let climbed = climbed(model.as_ref(), &clips, 0.5);
    let gradients = nn::tensor::backward(climbed).unwrap();
    let mut list = Vec::new();
    model.parameters("", &mut list);
    for (name, p) in list.into_iter().filter(|(n, _)| n.starts_with("reward")) {
        let gradient = p.gradient(&gradients);
        assert!(gradient.iter().any(|g| *g != 0.0), "{name}");
        let moved = p.values().iter().zip(&gradient);
        let moved: Vec<f64> = moved.map(|(v, g)| v + 1e-4 * g).collect();
        p.set(&moved).unwrap();
    }
    assert!(at(model.as_ref(), &clips).0 > here);
    let found = infer(model.as_ref(), &clips).swap_remove(1);
    let ahead = Ahead {
        horizon: 3,
        draws: 2,
        actions: Some(&[0.3; 12]),
    };
    let futures = model.rollout(&found, ahead, &mut noise()).unwrap();
    let expected = model.rewards(&futures).unwrap().unwrap();
    assert_eq!(expected.len(), 2 * 2 * 4);
    // Frame 0 is the belief.
    let now = model.rewards(&found).unwrap().unwrap();
    assert!((expected[0] - now[STEPS - 1]).abs() < 1e-12);
}

#[test]
fn a_balanced_divergence_is_climbed_and_the_bound_is_told_without_it() {
    let plain = Rssm::example();
    let of = |balance: Balance| {
        let config = AnyModel::Rssm(Rssm {
            balance,
            ..plain.clone()
        });
        let mut model = built::<f64>(&config);
        let clips = driven(clips::<f64>());
        let told = terms(model.as_ref(), &clips, &mut noise());
        // At a weight below 1 what stands beside the bound is climbed too.
        let climbed = climbed(model.as_ref(), &clips, 0.5);
        let gradients = nn::tensor::backward(climbed).unwrap();
        let mut list = Vec::new();
        model.parameters("", &mut list);
        let of = |(name, p): &(String, &mut nn::Param<f64>)| (name.clone(), p.gradient(&gradients));
        let all: Vec<(String, Vec<f64>)> = list.iter().map(of).collect();
        (told, all)
    };
    let with = |dynamics, representation, free_nats| {
        of(Balance {
            dynamics,
            representation,
            free_nats,
        })
    };
    let (bound, unbalanced) = of(Balance::none());
    let (told, balanced) = with(1.0, 0.25, 0.0);
    let (_, still) = with(0.0, 0.0, 0.0);
    let (_, free) = with(1.0, 0.25, 1e6);
    assert_eq!(bound, told);
    // Both sides are linear in their weights: g(1, 1/4) = 3/4 g(1, 0) + 1/4 g(1, 1).
    let (_, one_sided) = with(1.0, 0.0, 0.0);
    for (k, (name, want)) in unbalanced.iter().enumerate() {
        for (i, want) in want.iter().enumerate() {
            let mixed = 0.75 * one_sided[k].1[i] + 0.25 * want;
            let got = balanced[k].1[i];
            // Roundings of gradients of order 10.
            assert!((got - mixed).abs() < 1e-10, "{name}: {got} {mixed}");
            assert!((free[k].1[i] - still[k].1[i]).abs() < 1e-12, "{name}");
        }
    }
    let differs = |a: &[(String, Vec<f64>)], b: &[(String, Vec<f64>)], part: &str| {
        a.iter()
            .zip(b)
            .any(|(x, y)| x.0.starts_with(part) && x.1 != y.1)
    };
    assert!(differs(&one_sided, &still, "prior"));
    assert!(differs(&one_sided, &unbalanced, "posterior"));
}
