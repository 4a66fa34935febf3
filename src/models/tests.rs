//! Contract tests: every registered model, the moment it is registered.

use super::*;
use crate::latents::Axis;
use crate::seeds::Seeds;
use nn::tensor::{matrix, value};
use nn::{Grad, Scalar};
use rand::RngExt;

mod actions;
mod kalman;
mod occlusion;

const FRAME: [usize; 3] = [1, 8, 8];
const STEPS: usize = 4;

/// An instance of every kind, and of every choice within a kind that changes its equations.
fn examples() -> Vec<AnyModel> {
    use super::kalman_vae::{
        Linear, Mixture, MixtureStart, Objective, Reflecting, Room, Transition, Weights,
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
        other(Transition::Room(Room {
            walls: 3,
            sharpness: 1.0,
        })),
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
    let rvae = Rvae::example;
    let recurrent = [
        Rvae {
            prior: rvae::Prior::Fixed,
            ..rvae()
        },
        Rvae {
            posterior: rvae::Posterior::All,
            ..rvae()
        },
        Rvae {
            transition: TransitionConfig::Residual,
            frames: ImagesConfig::examples()[1].clone(),
            ..rvae()
        },
        Rvae {
            transition: TransitionConfig::Lstm,
            ..rvae()
        },
    ];
    let svg = Svg::example;
    let fed_back = [
        Svg {
            prior: svg::SvgPrior::Fixed,
            frames: ImagesConfig::examples()[1].clone(),
            ..svg()
        },
        Svg {
            prior: svg::SvgPrior::None,
            ..svg()
        },
    ];
    let rssm = Rssm::example;
    let with_states = [
        Rssm {
            ahead: Foresight::default(),
            frames: ImagesConfig::examples()[1].clone(),
            ..rssm()
        },
        Rssm {
            reward: RewardConfig {
                weight: 0.0,
                ..RewardConfig::default()
            },
            ..rssm()
        },
    ];
    let two_of_three = ZKind::Categorical(Classes {
        classes: 3,
        ..Classes::default()
    });
    let chosen = [
        AnyModel::Rvae(Rvae {
            kind: two_of_three,
            ..rvae()
        }),
        AnyModel::Svg(Svg {
            kind: two_of_three,
            ..svg()
        }),
        AnyModel::Svg(Svg {
            kind: two_of_three,
            prior: svg::SvgPrior::Fixed,
            ..svg()
        }),
        AnyModel::Rssm(Rssm {
            kind: two_of_three,
            ..Rssm::example()
        }),
    ];
    let attentive = [
        Attention {
            kind: two_of_three,
            reach: Some(2),
            ..Attention::example()
        },
        Attention {
            layers: 2,
            ahead: Foresight::default(),
            frames: ImagesConfig::examples()[1].clone(),
            ..Attention::example()
        },
    ];
    let slow = [
        Hierarchical {
            reset: true,
            every: 3,
            frames: ImagesConfig::examples()[1].clone(),
            ..Hierarchical::example()
        },
        Hierarchical {
            every: 1,
            ahead: Foresight::default(),
            ..Hierarchical::example()
        },
    ];
    let apart = [
        ContentMotion {
            contrast: 0.0,
            frames: ImagesConfig::examples()[1].clone(),
            ..ContentMotion::example()
        },
        ContentMotion {
            pool: 1,
            ahead: Foresight::default(),
            ..ContentMotion::example()
        },
    ];
    let predictive = Predictive::example;
    let coded = [
        Predictive {
            ahead: 0,
            frames: ImagesConfig::examples()[1].clone(),
            ..predictive()
        },
        Predictive {
            present: false,
            jumpy: true,
            ..predictive()
        },
    ];
    let mut all = AnyModel::examples();
    all.extend(coded.map(AnyModel::Predictive));
    all.extend(attentive.map(AnyModel::Attention));
    all.extend(slow.map(AnyModel::Hierarchical));
    all.extend(apart.map(AnyModel::ContentMotion));
    let moved = TrunkConfig {
        channels: vec![2, 3],
        features: 4,
        pooled: true,
        decoder: TrunkDecoder::Moved(MovedConfig {
            side: 3,
            hidden: vec![4],
        }),
        likelihood: Likelihood::Gaussian { std: 0.5 },
    };
    all.push(AnyModel::ContentMotion(ContentMotion {
        frames: ImagesConfig::Trunk(moved.clone()),
        ..ContentMotion::example()
    }));
    all.push(AnyModel::Rvae(Rvae {
        frames: ImagesConfig::Trunk(moved),
        ..rvae()
    }));
    all.extend(kalman.map(AnyModel::KalmanVae));
    all.extend(recurrent.map(AnyModel::Rvae));
    all.extend(with_states.map(AnyModel::Rssm));
    all.extend(fed_back.map(AnyModel::Svg));
    all.extend(chosen);
    all.push(AnyModel::Srvp(Srvp {
        first: 1,
        residual: 0.0,
        frames: ImagesConfig::examples()[1].clone(),
        ..Srvp::example()
    }));
    all.extend(constrained.map(AnyModel::LgVae));
    all
}

/// The same with probabilities in place of draws of classes. A draw is a step function of what is learned: a difference sees
/// nothing through it, and the straight-through gradient is that of the probabilities, by definition and with its own test
/// (`nn::ops::Categorical`). What is left to be checked of a model is everything around the draw: here it is exact.
fn differentiable(config: &AnyModel) -> AnyModel {
    let mut config = config.clone();
    let kind = match &mut config {
        AnyModel::Attention(own) => &mut own.kind,
        AnyModel::Rssm(own) => &mut own.kind,
        AnyModel::Rvae(own) => &mut own.kind,
        AnyModel::Svg(own) => &mut own.kind,
        _ => return config,
    };
    if let ZKind::Categorical(own) = kind {
        own.relaxed = true;
    }
    config
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
        actions: None,
        rewards: None,
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

/// What the model climbs at this latent weight.
fn climbed<F: Float>(
    model: &dyn Model<F>,
    clips: &Clips<F>,
    latent_weight: f64,
) -> Scalar<F, Grad<F>> {
    // What stands beside the bound is learned too.
    let at = Schedule {
        latent_weight,
        beside: if latent_weight < 1.0 { 1.0 } else { 0.0 },
        ..Schedule::bound()
    };
    let terms = model.objective(clips, at, &mut noise()).unwrap();
    objective(terms, Player::Model).unwrap().unwrap()
}

/// The terms of the bound by name, nats, summed over clips and frames.
fn terms(model: &dyn Model<f64>, clips: &Clips<f64>, rng: &mut Rng) -> Vec<(&'static str, f64)> {
    let terms = model.objective(clips, Schedule::bound(), rng).unwrap();
    let own = terms.iter().filter(|term| term.in_bound);
    own.map(|term| (term.name, term.total())).collect()
}

/// Lets what starts from codes start.
fn start_law<F: Float>(model: &mut dyn Model<F>, clips: &Clips<F>) {
    let mut names = Vec::new();
    model.parameters("", &mut names);
    let in_a_room = names.iter().any(|(name, _)| name.ends_with("room.present"));
    if let Some(model) = model.state_space_mut() {
        let codes = model.encode(&clips.frames).unwrap().mean;
        model.start_law(&codes, clips.steps).unwrap();
        // A few random clips hold no contacts to find walls from.
        if in_a_room {
            let range = [0, 1].map(|axis| {
                let all = codes.iter().skip(axis).step_by(2).copied();
                (
                    all.clone().fold(f64::INFINITY, f64::min),
                    all.fold(f64::NEG_INFINITY, f64::max),
                )
            });
            model.start_law(&flights_in_a_box(range), 20).unwrap();
        }
    }
}

/// Two codes of 60 flights of 20 frames between two walls on every axis, by unfolding.
fn flights_in_a_box(range: [(f64, f64); 2]) -> Vec<f64> {
    let mut rng = Seeds::new(5).stream("test/box", 0);
    let mut codes = Vec::new();
    for _ in 0..60 {
        let start = [0; 2].map(|_| rng.random_range(0.0..2.0));
        let speed = [0; 2].map(|_| rng.random_range(0.05..0.2));
        for t in 0..20 {
            codes.extend([0, 1].map(|i: usize| {
                let (low, high) = range[i];
                let way = (start[i] + f64::from(t) * speed[i]) % 2.0;
                low + (high - low) * (1.0 - (1.0 - way).abs())
            }));
        }
    }
    codes
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
        if name.ends_with(".bias") {
            let values = p.values().iter().enumerate();
            let moved: Vec<f64> = values.map(|(i, b)| b + 0.031 + 0.007 * i as f64).collect();
            p.set(&moved).unwrap();
        }
    }
}

/// Central differences in f64: truncation h^2, rounding 1e-16 |loss| / h; together below 1e-6 of gradients of order one.
fn gradients_agree(
    config: &AnyModel,
    mut model: Box<dyn Model<f64>>,
    weight: f64,
    clips: &Clips<f64>,
) {
    const H: f64 = 1e-5;
    start_law(model.as_mut(), clips);
    move_off_kinks(model.as_mut());
    let loss = |m: &dyn Model<f64>| value(&climbed(m, clips, weight));
    let climbed = climbed(model.as_ref(), clips, weight);
    let gradients = nn::tensor::backward(climbed).unwrap();
    let mut list = Vec::new();
    model.parameters("", &mut list);
    let analytic: Vec<(String, Vec<f64>)> = list
        .iter()
        .map(|(name, p)| (name.clone(), p.gradient(&gradients)))
        .collect();
    let fixed: Vec<bool> = list.iter().map(|(_, p)| p.is_fixed()).collect();
    for (k, (name, gradient)) in analytic.iter().enumerate() {
        // Rewards stand beside the bound, which alone is climbed at a weight of 1.
        if fixed[k] || (name.starts_with("reward") && weight == 1.0) {
            continue;
        }
        assert!(
            gradient.iter().any(|&g| g != 0.0),
            "{config:?}: no gradient reaches {name}"
        );
        for i in (0..gradient.len()).step_by(gradient.len() / 7 + 1) {
            let mut difference = |h: f64| {
                nudge(model.as_mut(), k, i, h);
                let up = loss(model.as_ref());
                nudge(model.as_mut(), k, i, -2.0 * h);
                let down = loss(model.as_ref());
                nudge(model.as_mut(), k, i, h);
                ((up - down) / (2.0 * h), up)
            };
            let agrees = |(difference, up): (f64, f64), h: f64| {
                // Relative, and a few roundings of the loss itself over the step.
                let allowed = 2e-6 * (difference.abs() + gradient[i].abs() + 1e-2)
                    + 4.0 * f64::EPSILON * up.abs() / h;
                (difference - gradient[i]).abs() < allowed
            };
            let found = difference(H);
            // Among many ReLUs one may have its kink within the step: there a smaller step decides.
            assert!(
                agrees(found, H) || agrees(difference(H / 50.0), H / 50.0),
                "{config:?}: {name}[{i}]: {} against {}",
                gradient[i],
                found.0
            );
        }
    }
}

/// As impossible pairs are judged: what each frame costs a model that knows no past.
#[test]
fn every_model_judges_a_frame_as_a_clip_of_its_own() {
    let whole = clips::<f64>();
    let frames = whole.sequences * whole.steps;
    for config in examples() {
        let model = build::<f64>(&config);
        let mut rng = Seeds::new(4).stream("apart", 0);
        let apart = whole.clone().apart();
        let terms = model.objective(&apart, Schedule::bound(), &mut rng);
        let terms = terms.unwrap_or_else(|e| panic!("{config:?}: {e}"));
        let bound = terms.iter().filter(|term| term.in_bound);
        let all: Vec<&[f64]> = bound.map(|term| term.per_frame.as_slice()).collect();
        assert!(!all.is_empty());
        for values in all {
            assert!(
                values.len() == frames && values.iter().all(|v| v.is_finite()),
                "{config:?}"
            );
        }
    }
}

#[test]
fn every_gradient_of_every_model_agrees_with_finite_differences() {
    for config in examples().iter().map(differentiable) {
        for (weight, clips) in [(1.0, clips::<f64>()), (0.3, partly_seen())] {
            gradients_agree(&config, build::<f64>(&config), weight, &clips);
        }
    }
}

/// What a draw of classes passes on: the network behind it is trained by the draw, the one before it through the draw.
#[test]
fn gradients_pass_straight_through_draws_of_classes() {
    for config in examples() {
        if differentiable(&config) == config {
            continue;
        }
        let gradient = |config: &AnyModel| -> Vec<(String, Vec<f64>)> {
            let mut model = build::<f64>(config);
            move_off_kinks(model.as_mut());
            // Without the divergence all that reaches the posterior comes through draws.
            let climbed = climbed(model.as_ref(), &clips(), 0.0);
            let gradients = nn::tensor::backward(climbed).unwrap();
            let mut list = Vec::new();
            model.parameters("", &mut list);
            let own = list
                .iter()
                .filter(|(name, _)| name.starts_with("posterior"));
            own.map(|(name, p)| (name.clone(), p.gradient(&gradients)))
                .collect()
        };
        let (drawn, relaxed) = (gradient(&config), gradient(&differentiable(&config)));
        assert!(!drawn.is_empty(), "{config:?}");
        for ((name, drawn), (_, relaxed)) in drawn.iter().zip(&relaxed) {
            assert!(drawn.iter().any(|&g| g != 0.0), "{config:?}: {name}");
            assert_ne!(drawn, relaxed, "{config:?}: {name}: no draw was made");
        }
    }
}

#[test]
fn an_untrained_model_started_at_the_mean_frame_beats_one_that_was_not() {
    for config in examples() {
        let clips = clips::<f64>();
        let mut model = build::<f64>(&config);
        let before = value(&climbed(model.as_ref(), &clips, 1.0));
        let frames = nn::tensor::values(&clips.frames);
        let mean: Vec<f64> = (0..64)
            .map(|i| frames.iter().skip(i).step_by(64).sum::<f64>() / (2 * STEPS) as f64)
            .collect();
        let common = Common {
            background: mean.clone(),
            mean: mean.clone(),
            ..Common::default()
        };
        model.start_at(&common).unwrap();
        let after = value(&climbed(model.as_ref(), &clips, 1.0));
        assert!(
            after > before,
            "{}: {after} against {before}",
            config.kind()
        );
        let short = Common {
            background: mean[1..].to_vec(),
            mean,
            ..Common::default()
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
            value(&climbed(model.as_ref(), &clips, 1.0))
        };
        assert_eq!(value_at(0.0), value_at(0.77), "{}", config.kind());
    }
}

/// The bound of clips whose last frames are missing is that of the marginal: clips that end before. For those that claim it: an amortised
/// posterior or the published bound pays for a state that nothing is seen of.
#[test]
fn the_bound_of_what_is_seen_is_the_bound_of_the_marginal() {
    const SHORT: usize = 3;
    for config in examples() {
        let mut model = build::<f64>(&config);
        if !model.claims().marginal {
            continue;
        }
        let whole = clips::<f64>();
        start_law(model.as_mut(), &whole);
        let ends: Vec<bool> = (0..2 * STEPS).map(|row| row % STEPS < SHORT).collect();
        let all = nn::tensor::values(&whole.frames);
        let first = (0..2).flat_map(|i| &all[i * STEPS * 64..][..SHORT * 64]);
        let short = Clips {
            frames: matrix(first.copied().collect(), 2 * SHORT, 64).unwrap(),
            sequences: 2,
            steps: SHORT,
            seen: None,
            actions: None,
            rewards: None,
        };
        let masked = Clips {
            seen: Some(Seen {
                frames: ends,
                pixels: None,
            }),
            ..whole
        };
        assert_eq!(masked.observations(), 2 * SHORT);
        let values = |clips: &Clips<f64>| -> Vec<f64> {
            let terms = terms(model.as_ref(), clips, &mut noise());
            terms.into_iter().map(|(_, v)| v).collect()
        };
        let (got, want) = (values(&masked), values(&short));
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
            terms(model, &clips, &mut rng)[1].1
        };
        losses.push(code_term(exact.as_ref()) - code_term(published.as_ref()));
    }
    let mean = losses.iter().sum::<f64>() / DRAWS as f64;
    let law = exact.state_space().unwrap();
    let codes = law.encode(&clips.frames).unwrap().mean;
    let gap = law
        .published_gap(&codes, STEPS, Known::default())
        .unwrap()
        .unwrap();
    let (want, variance): (f64, f64) = (gap.mean.iter().sum(), gap.variance.iter().sum());
    let error = (variance / DRAWS as f64).sqrt();
    assert!(
        want > 0.0 && (mean - want).abs() < 6.0 * error,
        "{mean} against {want}, standard error {error}"
    );
}

#[test]
fn terms_sum_to_the_objective_at_latent_weight_one_and_frames_to_their_terms() {
    for config in examples() {
        let model = build::<f64>(&config);
        for clips in [clips(), partly_seen()] {
            let at = Schedule::bound();
            let terms = model.objective(&clips, at, &mut noise()).unwrap();
            let mut sum = 0.0;
            for term in terms.iter().filter(|term| term.in_bound) {
                sum += term.total();
                let frames: f64 = term.per_frame.iter().sum();
                let what = format!("{} {}", config.kind(), term.name);
                assert_eq!(term.per_frame.len(), 2 * STEPS, "{what}");
                assert!(
                    (frames - term.total()).abs() < 1e-9 * term.total().abs().max(1.0),
                    "{what}: frames sum to {frames}, the term is {}",
                    term.total()
                );
            }
            let total = value(&climbed(model.as_ref(), &clips, 1.0));
            assert!(
                (sum - total).abs() < 1e-9 * total.abs(),
                "{}: {sum} against {total}",
                config.kind()
            );
        }
    }
}

#[test]
fn f32_agrees_with_f64() {
    for config in examples() {
        let a = value(&climbed(build::<f32>(&config).as_ref(), &clips(), 1.0));
        let b = value(&climbed(build::<f64>(&config).as_ref(), &clips(), 1.0));
        // Pixels, weights and activations rounded to 24 bits, hundreds of terms.
        assert!(
            (a - b).abs() < 1e-4 * b.abs(),
            "{}: {a} against {b}",
            config.kind()
        );
    }
}

const ALL: [Given; 4] = [Given::Alone, Given::UpTo, Given::All, Given::First(2)];

fn infer<F: Float>(model: &dyn Model<F>, clips: &Clips<F>) -> Vec<Beliefs> {
    let asked = ALL.map(Query::about);
    model.infer(clips, &asked, &mut noise()).unwrap()
}

#[test]
fn beliefs_are_about_the_declared_latents_and_decode_to_pixels() {
    for config in examples() {
        let model = build::<f32>(&config);
        let found = infer(model.as_ref(), &clips());
        for (beliefs, given) in found.iter().zip(ALL) {
            let what = format!("{} {given:?}", config.kind());
            for latent in model.latents() {
                let named = beliefs.named(&latent.name);
                assert_eq!(
                    named.is_some(),
                    latent.has_belief(given),
                    "{what}: {latent:?}"
                );
                let Some(named) = named else { continue };
                assert_eq!(named.axes.first(), Some(&Axis::Clip), "{what}");
                assert_eq!(named.axes.last(), Some(&Axis::Size), "{what}");
                assert_eq!(named.array.shape().last(), Some(&latent.size), "{what}");
                assert!(named.array.data().iter().all(|v| v.is_finite()), "{what}");
                for (part, positive) in [("var", true), ("kl", false)] {
                    if let Some(values) = beliefs.get(&format!("{}_{part}", latent.name)) {
                        let least = if positive { f64::MIN_POSITIVE } else { -1e-9 };
                        let fits = |&v: &f64| v >= least;
                        assert!(values.data().iter().all(fits), "{what}: {part} {values:?}");
                    }
                }
            }
            if beliefs.is_empty() {
                continue;
            }
            let pixels = model.decode(beliefs).unwrap();
            assert_eq!(pixels.len(), 2 * STEPS * 64, "{what}");
            assert!(pixels.iter().all(|p| (0.0..=1.0).contains(p)), "{what}");
        }
        assert!(
            found.iter().any(|beliefs| !beliefs.is_empty()),
            "{}",
            config.kind()
        );
    }
}

#[test]
fn what_is_believed_given_the_past_does_not_change_with_later_frames() {
    for config in examples() {
        let model = build::<f64>(&config);
        if !model.claims().causal {
            continue;
        }
        let before = clips::<f64>();
        let mut values = nn::tensor::values(&before.frames).to_vec();
        for clip in values.chunks_exact_mut(STEPS * 64) {
            clip[3 * 64..].iter_mut().for_each(|v| *v = 1.0 - *v);
        }
        let after = Clips {
            frames: matrix(values, 2 * STEPS, 64).unwrap(),
            ..before.clone()
        };
        let (before, after) = (
            infer(model.as_ref(), &before),
            infer(model.as_ref(), &after),
        );
        for (given, kept) in [(1, 3), (3, STEPS)] {
            let mut changes = false;
            for (name, named) in before[given].iter() {
                let other = after[given].need(name).unwrap();
                let row = named.array.row(0).len();
                let frame = row / STEPS;
                for clip in 0..2 {
                    let (a, b) = (named.array.row(clip), other.row(clip));
                    let own = kept * frame;
                    let what = format!("{} {:?} {name}", config.kind(), ALL[given]);
                    assert_eq!(a[..own], b[..own], "{what}");
                    changes |= a[own..] != b[own..];
                }
            }
            // A test that nothing could fail would say nothing.
            let says = before[given].is_empty() || kept == STEPS || changes;
            assert!(
                says,
                "{}: frames from {kept} on change nothing",
                config.kind()
            );
        }
    }
}

#[test]
fn a_rollout_starts_at_the_belief_and_its_draws_differ() {
    for config in examples() {
        let model = build::<f64>(&config);
        let found = infer(model.as_ref(), &clips());
        let from = found[1..2]
            .iter()
            .chain(&found[..1])
            .find(|b| !b.is_empty());
        let from = from.unwrap();
        let roll = |horizon, draws| {
            let ahead = Ahead {
                horizon,
                draws,
                actions: None,
            };
            model.rollout(from, ahead, &mut noise()).unwrap()
        };
        let now = model.decode(&roll(0, 1)).unwrap();
        let believed = model.decode(from).unwrap();
        let last: Vec<f64> = (0..2)
            .flat_map(|b| &believed[(b * STEPS + STEPS - 1) * 64..][..64])
            .copied()
            .collect();
        for (a, b) in now.iter().zip(&last) {
            // The same network on fewer rows.
            assert!((a - b).abs() < 1e-12, "{}: {a} against {b}", config.kind());
        }
        let futures = roll(3, 2);
        assert_eq!(roll(3, 2), futures, "{}: another time", config.kind());
        for (name, named) in futures.iter() {
            assert_eq!(named.axes, Beliefs::FUTURES, "{name}");
            assert_eq!(named.array.shape()[..3], [2, 2, 4], "{name}");
        }
        let first = model.latents()[0].name.clone();
        let array = futures.get(&first).unwrap();
        assert_eq!(
            array.row(0) == array.row(1),
            model.claims().one_future,
            "{}: one future twice",
            config.kind()
        );
        assert_eq!(model.decode(&futures).unwrap().len(), 2 * 2 * 4 * 64);
    }
}

#[test]
fn threads_change_no_byte() {
    for config in examples() {
        let model = build::<f32>(&config);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.unwrap().install(|| {
                let clips = clips::<f32>();
                let value = value(&climbed(model.as_ref(), &clips, 1.0));
                (value.to_bits(), infer(model.as_ref(), &clips))
            })
        };
        assert!(run(1) == run(2), "{}", config.kind());
    }
}

#[test]
fn frames_of_another_size_are_an_error() {
    for config in examples() {
        let model = build::<f32>(&config);
        let wrong = Clips {
            frames: matrix(vec![0.0; 4 * 49], 4, 49).unwrap(),
            sequences: 1,
            steps: 4,
            seen: None,
            actions: None,
            rewards: None,
        };
        let asked = [Query::about(Given::Alone), Query::about(Given::UpTo)];
        let found = model.infer(&wrong, &asked, &mut noise());
        let message = found.err().map(|e| e.to_string()).unwrap_or_default();
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
            "kalman_vae: { transition: { room: { walls: 33 } } }",
            "transition.room.walls: a number in 1..=32 expected, got 33",
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
