//! The gated transition: its likelihood and gradients against the plain model, finite differences and a long run; its smoother.

use super::support::{Owned, close, model, normals, sound};
use kinostate::lgssm::gated::{Gate, Mixture, Reflecting};
use kinostate::lgssm::{self, Batch, Lgssm, gated};
use kinostate::seeds::{Rng, Seeds};

const MODES: usize = 3;
const P: usize = 2;
const N: usize = 2 * P;

fn rng(index: u64) -> Rng {
    Seeds::new(11).stream("test/gated", index)
}

fn reflecting(values: &[f64]) -> Box<dyn Gate> {
    let part = |i: usize| values[i * P..][..P].to_vec();
    Box::new(Reflecting::new(part(0), part(1), part(2)).unwrap())
}

fn mixture(values: &[f64]) -> Box<dyn Gate> {
    let (matrices, rest) = values.split_at(MODES * N * N);
    let (offsets, rest) = rest.split_at(MODES * N);
    let (weights, biases) = rest.split_at(MODES * N);
    let [a, b, w, c] = [matrices, offsets, weights, biases].map(<[f64]>::to_vec);
    Box::new(Mixture::new(N, a, b, w, c).unwrap())
}

/// A gate from its parameters, and parameters for it, under which it is neither fully open nor closed.
type Kind = (&'static str, fn(&[f64]) -> Box<dyn Gate>, Vec<f64>);

fn kinds(rng: &mut Rng) -> Vec<Kind> {
    let count = MODES * (N * N + 2 * N + 1);
    let random: Vec<f64> = normals(rng, count).iter().map(|x| 0.45 * x).collect();
    vec![
        (
            "reflecting",
            reflecting,
            vec![-1.1, -0.9, 1.2, 0.8, 0.5, 0.9],
        ),
        ("mixture", mixture, random),
    ]
}

fn total(model: &Lgssm, gate: &dyn Gate, batch: &Owned) -> f64 {
    gated::log_likelihood(model, gate, &batch.view())
        .unwrap()
        .iter()
        .sum()
}

/// Fourth-order central difference: error h^4 f^(5) / 30 + 1e-16 |f| / h.
fn derivative(mut f: impl FnMut(f64) -> f64) -> f64 {
    let h = 2e-4;
    (8.0 * (f(h) - f(-h)) - (f(2.0 * h) - f(-2.0 * h))) / (12.0 * h)
}

/// Bits of [`Owned::random`]: frames missing, components missing, C_t, d_t.
const BATCHES: [u64; 5] = [0, 1, 2, 16 + 32, 1 + 2 + 16 + 32];

#[test]
fn every_gradient_of_a_gated_filter_equals_finite_differences() {
    for (index, bits) in BATCHES.into_iter().enumerate() {
        let mut rng = rng(index as u64);
        let model = model(&mut rng, N, P);
        let batch = Owned::random(&mut rng, &model, 2, 6, bits);
        for (name, build, parameters) in kinds(&mut rng) {
            let gate = build(&parameters);
            let found =
                gated::log_likelihood_and_gradients(&model, gate.as_ref(), &batch.view()).unwrap();
            let label = |of: &str| format!("{name}, batch {bits}, {of}");
            let differences = |values: &[f64], f: &dyn Fn(&[f64]) -> f64| -> Vec<f64> {
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
            };
            // Tolerance: f^(5) up to 1e5 where gates are sharp and R is small.
            let want = differences(&parameters, &|v| total(&model, build(v).as_ref(), &batch));
            close(&label("gate"), &found.gate, &want, 1e-7);
            let gradients = &found.evaluation.gradients;
            let want = differences(&batch.codes, &|v| {
                let codes = v.to_vec();
                total(
                    &model,
                    gate.as_ref(),
                    &Owned {
                        codes,
                        ..batch.clone()
                    },
                )
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
                    total(&changed, gate.as_ref(), &batch)
                });
                if is_cov {
                    symmetrize(&mut want, size);
                }
                close(&label(of), got, &want, 1e-7);
            }
            if bits & 16 > 0 {
                let of_c = |v: &[f64]| {
                    let emission_matrices = Some(v.to_vec());
                    total(
                        &model,
                        gate.as_ref(),
                        &Owned {
                            emission_matrices,
                            ..batch.clone()
                        },
                    )
                };
                let want = differences(batch.emission_matrices.as_ref().unwrap(), &of_c);
                close(
                    &label("C_t"),
                    gradients.emission_matrices.as_ref().unwrap(),
                    &want,
                    1e-7,
                );
            }
        }
    }
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

/// Name, gradient and place of every parameter of the model that a gated filter uses.
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

/// Records the transitions that a gate chooses along one sequence.
fn chosen(model: &Lgssm, gate: &dyn Gate, codes: &[f64], frames: usize) -> (Vec<f64>, Vec<f64>) {
    let posterior = gated::infer(model, gate, &Batch::new(codes, 1, frames), 0).unwrap();
    let (mut a, mut b) = (vec![0.0; N * N], vec![0.0; N]);
    let (mut matrix, mut offset) = (a.clone(), b.clone());
    for mean in posterior.filtered_mean[..(frames - 1) * N].chunks_exact(N) {
        gate.transition(mean, &mut matrix, &mut offset);
        a.extend_from_slice(&matrix);
        b.extend_from_slice(&offset);
    }
    (a, b)
}

#[test]
fn the_value_is_that_of_the_plain_filter_with_the_chosen_transitions_held_fixed() {
    let mut rng = rng(20);
    let model = model(&mut rng, N, P);
    let codes = normals(&mut rng, 7 * P);
    for (name, build, parameters) in kinds(&mut rng) {
        let gate = build(&parameters);
        let (matrices, offsets) = chosen(&model, gate.as_ref(), &codes, 7);
        let batch = Batch::new(&codes, 1, 7);
        let held = Batch {
            transition_matrices: Some(&matrices),
            transition_offsets: Some(&offsets),
            ..batch
        };
        let plain = lgssm::log_likelihood_and_gradients(&model, &held).unwrap();
        let gated = gated::log_likelihood_and_gradients(&model, gate.as_ref(), &batch).unwrap();
        let (got, want) = (&gated.evaluation, &plain);
        assert_eq!(got.log_likelihood, want.log_likelihood, "{name}");
        // No gate lies behind the last code, so nothing of its gradient flows through one.
        let last = 6 * P;
        close(
            name,
            &got.gradients.codes[last..],
            &want.gradients.codes[last..],
            1e-12,
        );
        // Everything else does differ: the gates answer to the past.
        let change = super::support::difference(&got.gradients.codes, &want.gradients.codes);
        assert!(change > 1e-3, "{name}: no gradient flows through the gate");
    }
}

#[test]
fn a_mixture_of_one_mode_is_the_plain_model_in_value_gradient_and_posterior() {
    for bits in BATCHES {
        let mut rng = rng(30 + bits);
        let model = model(&mut rng, N, P);
        let batch = Owned::random(&mut rng, &model, 3, 9, bits);
        let (a, b) = (
            model.transition_matrix.clone(),
            model.transition_offset.clone(),
        );
        let gate = Mixture::new(N, a, b, normals(&mut rng, N), vec![0.3]).unwrap();
        let plain = lgssm::log_likelihood_and_gradients(&model, &batch.view()).unwrap();
        let got = gated::log_likelihood_and_gradients(&model, &gate, &batch.view()).unwrap();
        close(
            "value",
            &got.evaluation.log_likelihood,
            &plain.log_likelihood,
            1e-12,
        );
        let (of, want) = (&got.evaluation.gradients, &plain.gradients);
        close("A", &got.gate[..N * N], &want.transition_matrix, 1e-9);
        close("b", &got.gate[N * N..][..N], &want.transition_offset, 1e-9);
        assert!(
            got.gate[N * N + N..].iter().all(|&g| g == 0.0),
            "one weight is always 1"
        );
        close("codes", &of.codes, &want.codes, 1e-9);
        for ((name, got, _), (_, want, _)) in arguments(&model, of)
            .into_iter()
            .zip(arguments(&model, want))
        {
            close(name, got, want, 1e-9);
        }
        let plain = lgssm::infer(&model, &batch.view()).unwrap();
        let got = gated::infer(&model, &gate, &batch.view(), 3).unwrap();
        close("smoothed", &got.smoothed_mean, &plain.smoothed_mean, 1e-12);
        close(
            "smoothed_cov",
            &got.smoothed_cov,
            &plain.smoothed_cov,
            1e-12,
        );
        close("filtered", &got.filtered_mean, &plain.filtered_mean, 1e-12);
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

fn newton(q: f64) -> Lgssm {
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

fn walls() -> Reflecting {
    Reflecting::new(vec![-2.0; P], vec![2.0; P], vec![1e3_f64.ln(); P]).unwrap()
}

#[test]
fn two_hundred_frames_with_almost_no_process_noise_stay_sound() {
    let (model, gate, (codes, velocities)) = (newton(1e-8), walls(), flight(200));
    let batch = Batch::new(&codes, 1, 200);
    let found = gated::log_likelihood_and_gradients(&model, &gate, &batch).unwrap();
    assert!(found.evaluation.log_likelihood[0].is_finite());
    let posterior = gated::infer(&model, &gate, &batch, 3).unwrap();
    for (name, covs) in [
        ("predicted", &posterior.predicted_cov),
        ("filtered", &posterior.filtered_cov),
        ("smoothed", &posterior.smoothed_cov),
    ] {
        sound(name, covs, N);
    }
    // From frame 5 on the filter knows the velocity, bounces included: the largest error is a fraction of its size.
    for (t, (mean, v)) in posterior
        .filtered_mean
        .chunks_exact(N)
        .zip(velocities.chunks_exact(P))
        .enumerate()
        .skip(5)
    {
        for i in 0..P {
            let error = (mean[P + i] - v[i]).abs();
            assert!(
                error < 0.1,
                "frame {t}, axis {i}: velocity {}, true {}",
                mean[P + i],
                v[i]
            );
        }
    }
}

#[test]
fn a_bounce_in_the_first_frames_is_smoothed_by_a_hypothesis_about_frame_0() {
    // The first bounce is between frames 0 and 1, where the filter cannot know the velocity.
    let (model, gate) = (newton(1e-4), walls());
    let codes: Vec<f64> = (0..8)
        .flat_map(|t| [2.0 - (0.4 * t as f64 - 0.15).abs(), 0.2 * t as f64 - 0.8])
        .collect();
    let batch = Batch::new(&codes, 1, 8);
    let first = |passes: usize| {
        let found = gated::infer(&model, &gate, &batch, passes).unwrap();
        (
            found.smoothed_mean[P],
            found.filtered_mean,
            found.log_likelihood,
        )
    };
    let ((own, filtered, exact), (again, same, still)) = (first(0), first(2));
    assert!(
        (again - 0.4).abs() < 0.05,
        "velocity before the bounce 0.4, smoothed {again}"
    );
    assert!(
        (own - 0.4).abs() > 0.4,
        "the filter's own choice gave {own} already"
    );
    assert_eq!(
        (filtered, exact),
        (same, still),
        "filtered moments do not depend on passes"
    );
}

#[test]
fn masked_frames_reflect_in_open_loop() {
    let (model, gate, (codes, _)) = (newton(1e-6), walls(), flight(20));
    let seen: Vec<bool> = (0..20).map(|t| t < 5).collect();
    let batch = Batch {
        frame_mask: Some(&seen),
        ..Batch::new(&codes, 1, 20)
    };
    let found = gated::infer(&model, &gate, &batch, 1).unwrap();
    for (t, (mean, code)) in found
        .filtered_mean
        .chunks_exact(N)
        .zip(codes.chunks_exact(P))
        .enumerate()
    {
        for i in 0..P {
            assert!(
                (mean[i] - code[i]).abs() < 0.1,
                "frame {t}: {} against {}",
                mean[i],
                code[i]
            );
        }
    }
}

#[test]
fn a_gate_that_does_not_fit_is_an_error() {
    let mut rng = rng(40);
    let (small, codes) = (model(&mut rng, 3, P), vec![0.0; 2 * P]);
    let message = |found: kinostate::Result<Vec<f64>>| found.unwrap_err().to_string();
    let wrong = message(gated::log_likelihood(
        &small,
        &walls(),
        &Batch::new(&codes, 1, 2),
    ));
    assert!(
        wrong.contains("3 latent dimensions expected, got 4"),
        "{wrong}"
    );
    let given = vec![0.0; 2 * N];
    let batch = Batch {
        transition_offsets: Some(&given),
        ..Batch::new(&codes, 1, 2)
    };
    let both = message(gated::log_likelihood(&newton(0.1), &walls(), &batch));
    assert!(both.contains("per-step"), "{both}");
    assert!(Reflecting::new(vec![0.0], vec![1.0; 2], vec![0.0]).is_err());
    assert!(Mixture::new(2, vec![0.0; 3], vec![], vec![], vec![0.0]).is_err());
}
