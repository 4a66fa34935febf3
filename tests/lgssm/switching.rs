//! The switching model: its density against brute force over all mode paths, its gradients against finite differences, its bounces.

use super::dense;
use super::support::{Owned, close, model, normals, sound};
use kinostate::seeds::{Rng, Seeds};
use lgssm::switching::{Hypotheses, Modes, ModesGradient, Reflecting};
use lgssm::{self, Batch, Lgssm, switching};
use rand::RngExt;

const MODES: usize = 3;
const P: usize = 2;
const N: usize = 2 * P;

pub fn rng(index: u64) -> Rng {
    Seeds::new(11).stream("test/switching", index)
}

/// All that was chosen stays as it is for the step of a finite difference.
const ALL: Hypotheses = Hypotheses {
    most: 100_000,
    merge_within: 0.0,
};
const FEW: Hypotheses = Hypotheses {
    most: 3,
    merge_within: 0.3,
};

fn mixture(rng: &mut Rng, gate: f64) -> ModesGradient {
    let mut random =
        |count: usize, scale: f64| normals(rng, count).iter().map(|x| scale * x).collect();
    ModesGradient {
        matrices: random(MODES * N * N, 0.45),
        offsets: random(MODES * N, 0.45),
        directions: random(MODES * N, gate),
        biases: random(MODES, 0.5),
    }
}

pub fn total(model: &Lgssm, modes: &Modes, hypotheses: Hypotheses, batch: &Owned) -> f64 {
    switching::log_likelihood(model, modes, hypotheses, &batch.view())
        .unwrap()
        .iter()
        .sum()
}

/// Fourth-order central difference: error h^4 f^(5) / 30 + 1e-16 |f| / h.
fn derivative(mut f: impl FnMut(f64) -> f64) -> f64 {
    let h = 2e-4;
    (8.0 * (f(h) - f(-h)) - (f(2.0 * h) - f(-2.0 * h))) / (12.0 * h)
}

/// Central differences in every value.
pub fn differences(values: &[f64], f: &dyn Fn(&[f64]) -> f64) -> Vec<f64> {
    let mut values = values.to_vec();
    (0..values.len())
        .map(|i| {
            let before = values[i];
            let slope = derivative(|h| {
                values[i] = before + h;
                f(&values)
            });
            values[i] = before;
            slope
        })
        .collect()
}

/// Bits of [`Owned::random`]: frames missing, components missing, C_t, d_t.
const BATCHES: [u64; 5] = [0, 1, 2, 16 + 32, 1 + 2 + 16 + 32];

#[test]
fn every_gradient_equals_finite_differences_with_all_hypotheses_and_with_few() {
    for (index, bits) in BATCHES.into_iter().enumerate() {
        for (name, hypotheses) in [("all", ALL), ("few", FEW)] {
            let mut rng = rng(index as u64);
            let model = model(&mut rng, N, P);
            let batch = Owned::random(&mut rng, &model, 2, 5, bits);
            let values = mixture(&mut rng, 0.8);
            let build = |v: ModesGradient| Modes::mixture(N, v).unwrap();
            let modes = build(values.clone());
            let found =
                switching::log_likelihood_and_gradients(&model, &modes, hypotheses, &batch.view())
                    .unwrap();
            let label = |of: &str| format!("{name}, batch {bits}, {of}");
            for (of, got, field) in of_modes(&found.modes) {
                let want = differences(field(&mut values.clone()), &|v| {
                    let mut changed = values.clone();
                    *field(&mut changed) = v.to_vec();
                    total(&model, &build(changed), hypotheses, &batch)
                });
                // Tolerance: f^(5) up to 1e5 where R is small.
                close(&label(of), got, &want, 1e-7);
            }
            let gradients = &found.evaluation.gradients;
            let want = differences(&batch.codes, &|v| {
                let codes = v.to_vec();
                let batch = Owned {
                    codes,
                    ..batch.clone()
                };
                total(&model, &modes, hypotheses, &batch)
            });
            close(&label("codes"), &gradients.codes, &want, 1e-7);
            for (of, got, field) in arguments(&model, gradients) {
                let is_cov = of.ends_with("_cov");
                let values = field(&mut model.clone()).clone();
                let size = values.len().isqrt();
                let mut want = differences(&values, &|v| {
                    let mut changed = model.clone();
                    *field(&mut changed) = v.to_vec();
                    if is_cov {
                        symmetrize(field(&mut changed), size);
                    }
                    total(&changed, &modes, hypotheses, &batch)
                });
                if is_cov {
                    symmetrize(&mut want, size);
                }
                close(&label(of), got, &want, 1e-7);
            }
            if bits & 16 > 0 {
                let want = differences(batch.emission_matrices.as_ref().unwrap(), &|v| {
                    let emission_matrices = Some(v.to_vec());
                    let batch = Owned {
                        emission_matrices,
                        ..batch.clone()
                    };
                    total(&model, &modes, hypotheses, &batch)
                });
                let got = gradients.emission_matrices.as_ref().unwrap();
                close(&label("C_t"), got, &want, 1e-7);
            }
        }
    }
}

#[test]
fn the_gradient_in_reflecting_walls_equals_finite_differences() {
    let mut rng = rng(9);
    let model = model(&mut rng, N, P);
    let batch = Owned::random(&mut rng, &model, 2, 5, 1);
    let parameters = [-1.1, -0.9, 1.2, 0.8, 0.5, 0.9];
    let walls = |v: &[f64]| {
        let part = |i: usize| v[i * P..][..P].to_vec();
        Reflecting::new(part(0), part(1), part(2)).unwrap()
    };
    let modes = walls(&parameters).modes().unwrap();
    let found =
        switching::log_likelihood_and_gradients(&model, &modes, ALL, &batch.view()).unwrap();
    let got = walls(&parameters).gradient(&found.modes);
    let want = differences(&parameters, &|v| {
        total(&model, &walls(v).modes().unwrap(), ALL, &batch)
    });
    close("walls", &got, &want, 1e-7);
}

type OfModes = fn(&mut ModesGradient) -> &mut Vec<f64>;

/// Name, gradient and place of every array of the modes.
fn of_modes(g: &ModesGradient) -> Vec<(&'static str, &[f64], OfModes)> {
    macro_rules! list {
        ($($name:ident),*) => {
            vec![$((stringify!($name), &g.$name[..], (|m: &mut ModesGradient| &mut m.$name) as OfModes)),*]
        };
    }
    list!(matrices, offsets, directions, biases)
}

fn symmetrize(values: &mut [f64], n: usize) {
    for i in 0..n {
        for j in 0..i {
            let mean = 0.5 * (values[i * n + j] + values[j * n + i]);
            values[i * n + j] = mean;
            values[j * n + i] = mean;
        }
    }
}

type Field = fn(&mut Lgssm) -> &mut Vec<f64>;

/// Name, gradient and place of every parameter of the model that a switching model uses.
fn arguments<'a>(_: &Lgssm, g: &'a lgssm::Gradients) -> Vec<(&'static str, &'a [f64], Field)> {
    macro_rules! list {
        ($($name:ident),*) => {
            vec![$((stringify!($name), &g.$name[..], (|m: &mut Lgssm| &mut m.$name) as Field)),*]
        };
    }
    list!(
        transition_cov,
        emission_matrix,
        emission_offset,
        emission_cov,
        initial_mean,
        initial_cov
    )
}

/// log p(a), smoothed means and mode probabilities of one sequence by a sum over all paths of modes whose probabilities do not
/// depend on the state, every path a dense joint Gaussian.
fn all_paths(model: &Lgssm, values: &ModesGradient, codes: &[f64]) -> (f64, Vec<f64>, Vec<f64>) {
    let frames = codes.len() / P;
    let exp: Vec<f64> = values.biases.iter().map(|b| b.exp()).collect();
    let normal: f64 = exp.iter().sum();
    let mut found = Vec::new();
    for path in 0..MODES.pow(frames as u32 - 1) {
        let mode = |t: usize| path / MODES.pow(t as u32 - 1) % MODES;
        let (mut a, mut b) = (vec![0.0; N * N], vec![0.0; N]);
        let mut log_prior = 0.0;
        for t in 1..frames {
            let k = mode(t);
            a.extend_from_slice(&values.matrices[k * N * N..][..N * N]);
            b.extend_from_slice(&values.offsets[k * N..][..N]);
            log_prior += (exp[k] / normal).ln();
        }
        let batch = Owned {
            sequences: 1,
            frames,
            codes: codes.to_vec(),
            frame_mask: None,
            component_mask: None,
            transition_matrices: Some(a),
            transition_offsets: Some(b),
            emission_matrices: None,
            emission_offsets: None,
        };
        let (mean, _) = dense::joint_posterior(model, &batch, 0, frames - 1);
        let log_likelihood = dense::joint_likelihood(model, &batch, 0);
        found.push((log_prior + log_likelihood, mean, path));
    }
    let top = found.iter().map(|f| f.0).fold(f64::NEG_INFINITY, f64::max);
    let evidence = top + found.iter().map(|f| (f.0 - top).exp()).sum::<f64>().ln();
    let (mut mean, mut modes) = (vec![0.0; frames * N], vec![0.0; frames * MODES]);
    for (weight, of_path, path) in found {
        let weight = (weight - evidence).exp();
        mean.iter_mut()
            .zip(of_path.iter())
            .for_each(|(to, m)| *to += weight * m);
        for t in 1..frames {
            modes[t * MODES + path / MODES.pow(t as u32 - 1) % MODES] += weight;
        }
    }
    (evidence, mean, modes)
}

#[test]
fn with_every_hypothesis_kept_it_is_the_exact_switching_model() {
    for index in 0..4 {
        let mut rng = rng(60 + index);
        let model = model(&mut rng, N, P);
        let values = mixture(&mut rng, 0.0);
        let codes = normals(&mut rng, 6 * P);
        let (evidence, mean, probabilities) = all_paths(&model, &values, &codes);
        let modes = Modes::mixture(N, values).unwrap();
        let found = switching::infer(&model, &modes, ALL, &Batch::new(&codes, 1, 6)).unwrap();
        close("log p(a)", &found.states.log_likelihood, &[evidence], 1e-10);
        close("smoothed mean", &found.states.smoothed_mean, &mean, 1e-9);
        close(
            "smoothed modes",
            &found.smoothed_modes,
            &probabilities,
            1e-9,
        );
        let last = 5 * MODES;
        close(
            "filtered modes",
            &found.filtered_modes[last..],
            &probabilities[last..],
            1e-9,
        );
    }
}

#[test]
fn the_density_of_the_next_code_integrates_to_one_whatever_is_pruned() {
    // The law is linear in one dimension: n = 2, p = 1, so one integral over the last code.
    let mut rng = rng(70);
    let model = model(&mut rng, 2, 1);
    let values = ModesGradient {
        matrices: normals(&mut rng, 3 * 4).iter().map(|x| 0.6 * x).collect(),
        offsets: normals(&mut rng, 3 * 2),
        directions: normals(&mut rng, 3 * 2).iter().map(|x| 3.0 * x).collect(),
        biases: normals(&mut rng, 3),
    };
    let modes = Modes::mixture(2, values).unwrap();
    let past = normals(&mut rng, 5);
    for hypotheses in [Hypotheses::new(1), FEW, ALL] {
        let log_density = |codes: &[f64]| {
            let batch = Batch::new(codes, 1, codes.len());
            switching::log_likelihood(&model, &modes, hypotheses, &batch).unwrap()[0]
        };
        let before = log_density(&past);
        let step = 0.01;
        let total: f64 = (-4000..4000)
            .map(|i| {
                let codes = [&past[..], &[f64::from(i) * step]].concat();
                (log_density(&codes) - before).exp() * step
            })
            .sum();
        assert!((total - 1.0).abs() < 1e-9, "{hypotheses:?}: {total}");
    }
}

#[test]
fn one_mode_is_the_plain_model_in_value_gradient_and_posterior() {
    for bits in BATCHES {
        let mut rng = rng(30 + bits);
        let model = model(&mut rng, N, P);
        let batch = Owned::random(&mut rng, &model, 3, 9, bits);
        let values = ModesGradient {
            matrices: model.transition_matrix.clone(),
            offsets: model.transition_offset.clone(),
            directions: normals(&mut rng, N),
            biases: vec![0.3],
        };
        let modes = Modes::mixture(N, values).unwrap();
        let plain = lgssm::log_likelihood_and_gradients(&model, &batch.view()).unwrap();
        let got =
            switching::log_likelihood_and_gradients(&model, &modes, FEW, &batch.view()).unwrap();
        let value = &got.evaluation.log_likelihood;
        close("value", value, &plain.log_likelihood, 1e-12);
        let (of, want) = (&got.evaluation.gradients, &plain.gradients);
        close("A", &got.modes.matrices, &want.transition_matrix, 1e-9);
        close("b", &got.modes.offsets, &want.transition_offset, 1e-9);
        let gate = got.modes.directions.iter().chain(&got.modes.biases);
        assert!(gate.into_iter().all(|&g| g == 0.0), "one mode is certain");
        close("codes", &of.codes, &want.codes, 1e-9);
        for ((name, got, _), (_, want, _)) in arguments(&model, of)
            .into_iter()
            .zip(arguments(&model, want))
        {
            close(name, got, want, 1e-9);
        }
        let plain = lgssm::infer(&model, &batch.view()).unwrap();
        let got = switching::infer(&model, &modes, FEW, &batch.view())
            .unwrap()
            .states;
        for (name, got, want) in [
            ("smoothed", &got.smoothed_mean, &plain.smoothed_mean),
            ("smoothed_cov", &got.smoothed_cov, &plain.smoothed_cov),
            ("filtered", &got.filtered_mean, &plain.filtered_mean),
            ("predicted", &got.predicted_mean, &plain.predicted_mean),
            ("predicted_cov", &got.predicted_cov, &plain.predicted_cov),
            ("lag_one_cov", &got.lag_one_cov, &plain.lag_one_cov),
        ] {
            close(name, got, want, 1e-12);
        }
    }
}

/// Positions of a ball that flies between walls at -2 and 2 on both axes, by mirror unfolding, and its displacements. Over 200
/// frames it never comes closer than 0.1 to a wall at a frame, where a gate could not tell.
fn flight(frames: usize) -> (Vec<f64>, Vec<f64>) {
    let (mut codes, mut velocities) = (Vec::new(), Vec::new());
    for t in 0..frames {
        for (start, v) in [(0.3, 0.4995), (-1.1, -0.2501)] {
            let u = (start + v * t as f64 + 2.0_f64).rem_euclid(8.0);
            let back = u > 4.0;
            codes.push(if back { 6.0 - u } else { u - 2.0 });
            velocities.push(if back { -v } else { v });
        }
    }
    (codes, velocities)
}

pub fn newton(q: f64) -> Lgssm {
    let diagonal = |size: usize, x: f64| -> Vec<f64> {
        (0..size * size)
            .map(|i| if i % (size + 1) == 0 { x } else { 0.0 })
            .collect()
    };
    let mut transition_matrix = diagonal(N, 1.0);
    (0..P).for_each(|i| transition_matrix[i * N + P + i] = 1.0);
    Lgssm {
        latent: N,
        code: P,
        transition_matrix,
        transition_offset: vec![0.0; N],
        transition_cov: diagonal(N, q),
        emission_matrix: (0..P * N)
            .map(|i| f64::from(u8::from(i / N == i % N)))
            .collect(),
        emission_offset: vec![0.0; P],
        emission_cov: diagonal(P, 1e-3),
        initial_mean: vec![0.0; N],
        initial_cov: diagonal(N, 2.0),
    }
}

/// Walls at -2 and 2 on both axes.
fn walls() -> Modes {
    Reflecting::new(vec![-2.0; P], vec![2.0; P], vec![1e3_f64.ln(); P])
        .unwrap()
        .modes()
        .unwrap()
}

#[test]
fn two_hundred_frames_with_almost_no_process_noise_stay_sound() {
    let (model, modes, (codes, velocities)) = (newton(1e-8), walls(), flight(200));
    let batch = Batch::new(&codes, 1, 200);
    let few = Hypotheses::new(4);
    let found = switching::log_likelihood_and_gradients(&model, &modes, few, &batch).unwrap();
    assert!(found.evaluation.log_likelihood[0].is_finite());
    let posterior = switching::infer(&model, &modes, few, &batch)
        .unwrap()
        .states;
    for (name, covs) in [
        ("predicted", &posterior.predicted_cov),
        ("filtered", &posterior.filtered_cov),
        ("smoothed", &posterior.smoothed_cov),
    ] {
        sound(name, covs, N);
    }
    // From frame 5 on the filter knows the velocity, bounces included: the largest error is a fraction of its size.
    let frames = posterior.filtered_mean.chunks_exact(N);
    for (t, (mean, v)) in frames.zip(velocities.chunks_exact(P)).enumerate().skip(5) {
        for i in 0..P {
            let (got, want) = (mean[P + i], v[i]);
            let error = (got - want).abs();
            assert!(
                error < 0.1,
                "frame {t}, axis {i}: velocity {got}, true {want}"
            );
        }
    }
}

#[test]
fn a_bounce_between_the_first_two_frames_is_found_by_what_comes_later() {
    let (model, modes) = (newton(1e-4), walls());
    // x flies at 0.4 a frame and turns at 2 between frames 0 and 1; y flies freely.
    let codes: Vec<f64> = (0..8)
        .flat_map(|t| {
            [
                2.0 - (0.4 * f64::from(t) - 0.15).abs(),
                0.2 * f64::from(t) - 0.8,
            ]
        })
        .collect();
    let batch = Batch::new(&codes, 1, 8);
    let first = |most: usize| {
        let found = switching::infer(&model, &modes, Hypotheses::new(most), &batch).unwrap();
        (found.states.smoothed_mean[P], found.smoothed_modes)
    };
    let (smoothed, probabilities) = first(8);
    assert!(
        (smoothed - 0.4).abs() < 0.05,
        "velocity before the bounce 0.4, smoothed {smoothed}"
    );
    let high = Reflecting::names(P)
        .iter()
        .position(|n| n == "x high")
        .unwrap();
    let count = Reflecting::names(P).len();
    assert!(
        probabilities[count + high] > 0.95,
        "{:?}",
        &probabilities[count..2 * count]
    );
    let (guess, _) = first(1);
    assert!(
        (guess - 0.4).abs() > 0.3,
        "one hypothesis gave {guess} already"
    );
}

#[test]
fn masked_frames_reflect_in_open_loop() {
    let (model, modes, (codes, _)) = (newton(1e-6), walls(), flight(20));
    let seen: Vec<bool> = (0..20).map(|t| t < 5).collect();
    let batch = Batch {
        frame_mask: Some(&seen),
        ..Batch::new(&codes, 1, 20)
    };
    let found = switching::infer(&model, &modes, Hypotheses::new(8), &batch).unwrap();
    let means = found.states.filtered_mean.chunks_exact(N);
    for (t, (mean, code)) in means.zip(codes.chunks_exact(P)).enumerate() {
        for i in 0..P {
            let error = (mean[i] - code[i]).abs();
            assert!(error < 0.2, "frame {t}: {} against {}", mean[i], code[i]);
        }
    }
}

#[test]
fn modes_that_do_not_fit_are_an_error() {
    let mut rng = rng(40);
    let (small, codes) = (model(&mut rng, 3, P), vec![0.0; 2 * P]);
    let message = |model: &Lgssm, most: usize, batch: &Batch| {
        switching::log_likelihood(model, &walls(), Hypotheses::new(most), batch)
            .unwrap_err()
            .to_string()
    };
    let plain = Batch::new(&codes, 1, 2);
    let wrong = message(&small, 1, &plain);
    assert!(
        wrong.contains("3 latent dimensions expected, got 4"),
        "{wrong}"
    );
    let none = message(&newton(0.1), 0, &plain);
    assert!(none.contains("at least 1 expected"), "{none}");
    let given = vec![0.0; 2 * N];
    let batch = Batch {
        transition_offsets: Some(&given),
        ..plain
    };
    let both = message(&newton(0.1), 1, &batch);
    assert!(both.contains("per-step"), "{both}");
    assert!(Reflecting::new(vec![0.0], vec![1.0; 2], vec![0.0]).is_err());
    assert!(Reflecting::new(vec![0.0; 5], vec![1.0; 5], vec![0.0; 5]).is_err());
    let mut values = mixture(&mut rng, 1.0);
    values.matrices.pop();
    assert!(Modes::mixture(N, values).is_err());
}

/// Codes of balls in a box from -2 to 2 by mirror unfolding, displacement per frame 0.1 to 0.4 on each axis, with code noise.
fn balls(rng: &mut Rng, sequences: usize, frames: usize, noise: f64) -> Vec<f64> {
    let mut codes = Vec::new();
    for _ in 0..sequences {
        let draws: Vec<f64> = (0..4).map(|_| rng.random_range(-1.0..1.0)).collect();
        for t in 0..frames {
            for i in 0..P {
                let v = draws[2 + i].signum() * (0.1 + 0.3 * draws[2 + i].abs());
                let u = (1.9 * draws[i] + v * t as f64 + 2.0).rem_euclid(8.0);
                codes.push(if u > 4.0 { 6.0 - u } else { u - 2.0 });
            }
        }
    }
    let errors = normals(rng, codes.len());
    codes
        .iter()
        .zip(errors)
        .map(|(c, e)| c + noise * e)
        .collect()
}

#[test]
fn affine_modes_that_start_from_codes_are_the_bounces() {
    let codes = balls(&mut rng(80), 300, 20, 0.015);
    let (modes, _) = switching::start::from_codes(&codes, (P, 20), 9, 50.0).unwrap();
    let exact = walls();
    // Where a state is about to be beyond a wall, what the modes do is what the walls do: to a tenth of a displacement.
    for (state, name) in [
        ([0.3, -0.4, 0.2, 0.3], "free"),
        ([1.9, 0.2, 0.3, -0.2], "x high"),
        ([-1.8, 0.2, -0.3, -0.2], "x low"),
        ([0.4, 1.85, 0.3, 0.25], "y high"),
        ([0.4, -1.9, 0.3, -0.35], "y low"),
        ([1.85, 1.9, 0.3, 0.25], "x high, y high"),
        ([-1.85, 1.9, -0.3, 0.25], "x low, y high"),
    ] {
        let next = |modes: &Modes| -> Vec<f64> {
            let mut log_probabilities = Vec::new();
            modes.log_probabilities(&state, &[1e-6; N * N], &mut log_probabilities);
            let top = (0..modes.count())
                .max_by(|&a, &b| log_probabilities[a].total_cmp(&log_probabilities[b]))
                .unwrap();
            (0..N)
                .map(|i| {
                    let row = &modes.matrix(top)[i * N..][..N];
                    let product: f64 = row.iter().zip(&state).map(|(a, z)| a * z).sum();
                    product + modes.offset(top)[i]
                })
                .collect()
        };
        let (got, want) = (next(&modes), next(&exact));
        for i in 0..N {
            let error = (got[i] - want[i]).abs();
            assert!(error < 0.05, "{name}: {got:.3?}, exact {want:.3?}");
        }
    }
}

/// What an online filter is for: nothing but what is kept after the last frame is remembered.
#[test]
fn frame_by_frame_the_filter_believes_the_same_bytes_as_of_a_whole_sequence() {
    let mut rng = rng(40);
    let model = model(&mut rng, N, P);
    let modes = Modes::mixture(N, mixture(&mut rng, 0.8)).unwrap();
    let (codes, frames) = (normals(&mut rng, 30 * P), 30);
    let seen: Vec<bool> = (0..frames)
        .map(|t| !(5..9).contains(&t) && t != 20)
        .collect();
    let batch = Batch {
        frame_mask: Some(&seen),
        ..Batch::new(&codes, 1, frames)
    };
    let few = switching::infer(&model, &modes, FEW, &batch).unwrap();
    let plain = lgssm::infer(&model, &batch).unwrap();
    let law = Modes::of_law(&model).unwrap();
    for (name, modes, states, weights) in [
        ("modes", &modes, &few.states, Some(&few.filtered_modes)),
        ("one law", &law, &plain, None),
    ] {
        let mut online = switching::Online::new(model.clone(), modes.clone(), FEW).unwrap();
        // Twice: nothing is left of the first time.
        for _ in 0..2 {
            let mut sum = 0.0;
            for t in 0..frames {
                let code = seen[t].then_some(&codes[t * P..][..P]);
                let now = online.step(code).unwrap();
                assert_eq!(
                    now.mean,
                    states.filtered_mean[t * N..][..N],
                    "{name}, frame {t}"
                );
                assert_eq!(
                    now.cov,
                    states.filtered_cov[t * N * N..][..N * N],
                    "{name}, frame {t}"
                );
                if let Some(weights) = weights {
                    assert_eq!(
                        now.modes,
                        weights[t * MODES..][..MODES],
                        "{name}, frame {t}"
                    );
                }
                sum += now.log_density;
            }
            // Added up in the same order.
            assert_eq!(sum, states.log_likelihood[0], "{name}");
            online.restart();
        }
        let wrong = online.step(Some(&[0.0; P + 1])).unwrap_err().to_string();
        assert!(wrong.contains("2 values expected, got 3"), "{wrong}");
    }
}

/// A picture that tells of the code by y = a + N(0, r I) is a measurement with r more noise: filter, smoother and likelihood
/// against the textbook's recursions.
#[test]
fn a_look_at_a_frame_without_a_code_is_a_measurement_where_it_is_gaussian() {
    use lgssm::switching::{Foreseen, Told};
    use nalgebra::{DMatrix, DVector};
    let (frames, r) = (12, 0.3);
    let mut rng = rng(41);
    let model = model(&mut rng, N, P);
    let codes = normals(&mut rng, frames * P);
    let hidden = |t: usize| (3..6).contains(&t) || t == 9;
    let seen: Vec<bool> = (0..frames).map(|t| !hidden(t)).collect();
    let batch = Batch {
        frame_mask: Some(&seen),
        ..Batch::new(&codes, 1, frames)
    };
    let matrix = |rows: usize, columns: usize, values: &[f64]| {
        DMatrix::from_row_slice(rows, columns, values)
    };
    let square = |m: &DMatrix<f64>| -> Vec<f64> { m.transpose().as_slice().to_vec() };
    let code = |t: usize| DVector::from_row_slice(&codes[t * P..][..P]);
    let log_normal = |off: &DVector<f64>, cov: &DMatrix<f64>| {
        let inverse = cov.clone().try_inverse().unwrap();
        let tau = std::f64::consts::TAU.ln();
        -0.5 * ((off.transpose() * inverse * off)[0] + cov.determinant().ln() + P as f64 * tau)
    };
    let mut looks = 0;
    let mut watch = |seen: &Foreseen| {
        looks += 1;
        assert!(hidden(seen.frame) && seen.sequence == 0 && seen.means.len() == P);
        let (m, s) = (DVector::from_row_slice(seen.means), matrix(P, P, seen.covs));
        let total = &s + DMatrix::identity(P, P) * r;
        let gain = &s * total.clone().try_inverse().unwrap();
        let off = code(seen.frame) - &m;
        let cov = &s - &gain * &s;
        Ok(Some(Told {
            log_density: vec![log_normal(&off, &total)],
            means: (m + gain * off).as_slice().to_vec(),
            covs: square(&(0.5 * (&cov + cov.transpose()))),
        }))
    };
    let law = Modes::of_law(&model).unwrap();
    let (found, told) = switching::infer_watching(&model, &law, ALL, &batch, &mut watch).unwrap();
    assert_eq!(looks, 4);

    let (a, c) = (
        matrix(N, N, &model.transition_matrix),
        matrix(P, N, &model.emission_matrix),
    );
    let (q, noise) = (
        matrix(N, N, &model.transition_cov),
        matrix(P, P, &model.emission_cov),
    );
    let mut mean = DVector::from_row_slice(&model.initial_mean);
    let mut cov = matrix(N, N, &model.initial_cov);
    let (mut before, mut after, mut log) = (Vec::new(), Vec::new(), Vec::new());
    for t in 0..frames {
        if t > 0 {
            mean = &a * &mean + DVector::from_row_slice(&model.transition_offset);
            cov = &a * &cov * a.transpose() + &q;
        }
        before.push((mean.clone(), cov.clone()));
        let more = if hidden(t) { r } else { 0.0 };
        let total = &c * &cov * c.transpose() + &noise + DMatrix::identity(P, P) * more;
        let off = code(t) - &c * &mean - DVector::from_row_slice(&model.emission_offset);
        log.push(log_normal(&off, &total));
        let gain = &cov * c.transpose() * total.try_inverse().unwrap();
        mean += &gain * off;
        cov = &cov - &gain * &c * &cov;
        after.push((mean.clone(), cov.clone()));
    }
    let mut smoothed = after.clone();
    for t in (0..frames - 1).rev() {
        let gain = &after[t].1 * a.transpose() * before[t + 1].1.clone().try_inverse().unwrap();
        let next = smoothed[t + 1].clone();
        smoothed[t].0 = &after[t].0 + &gain * (next.0 - &before[t + 1].0);
        smoothed[t].1 = &after[t].1 + &gain * (next.1 - &before[t + 1].1) * gain.transpose();
    }
    let states = &found.states;
    for t in 0..frames {
        close(
            "filtered mean",
            &states.filtered_mean[t * N..][..N],
            after[t].0.as_slice(),
            1e-9,
        );
        close(
            "filtered cov",
            &states.filtered_cov[t * N * N..][..N * N],
            &square(&after[t].1),
            1e-9,
        );
        close(
            "smoothed mean",
            &states.smoothed_mean[t * N..][..N],
            smoothed[t].0.as_slice(),
            1e-9,
        );
        close(
            "smoothed cov",
            &states.smoothed_cov[t * N * N..][..N * N],
            &square(&smoothed[t].1),
            1e-9,
        );
    }
    close("every frame", &told, &log, 1e-9);
    close(
        "sum",
        &states.log_likelihood,
        &[log.iter().sum::<f64>()],
        1e-9,
    );
}
