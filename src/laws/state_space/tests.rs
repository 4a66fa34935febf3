//! The state-space operation against `lgssm`, and its gradients against finite differences.

use super::*;
use lgssm::packed::VARIANCE_FLOOR;
use nn::Grad;
use nn::check::{self, close, gradients_agree, numbers, random};
use nn::tensor::value;
use rand::SeedableRng;

/// n = 3, p = 2, nothing diagonal, nothing zero.
fn law() -> Lgssm {
    let small = |name: &str, n: usize, scale: f64| -> Vec<f64> {
        numbers(name, n).iter().map(|v| v * scale).collect()
    };
    let cov = |name: &str, n: usize, scale: f64| {
        let root = numbers(name, n * n);
        let entry = |i: usize| -> f64 {
            let dot: f64 = (0..n)
                .map(|k| root[i / n * n + k] * root[i % n * n + k])
                .sum();
            scale * (dot + if i / n == i % n { 0.5 } else { 0.0 })
        };
        (0..n * n).map(entry).collect::<Vec<_>>()
    };
    let mut transition = small("A", 9, 0.3);
    (0..3).for_each(|i| transition[4 * i] += 0.8);
    Lgssm {
        latent: 3,
        code: 2,
        transition_matrix: transition,
        transition_offset: small("b", 3, 0.2),
        transition_cov: cov("Q", 3, 0.3),
        emission_matrix: numbers("C", 6),
        emission_offset: small("d", 2, 0.2),
        emission_cov: cov("R", 2, 0.5),
        initial_mean: numbers("mean", 3),
        initial_cov: cov("Sigma", 3, 1.0),
    }
}

fn parameters(model: &mut StateSpace<f64>) -> Vec<(String, &mut Param<f64>)> {
    let mut list = Vec::new();
    model.parameters("", &mut list);
    list
}

#[test]
fn the_parameters_stand_for_the_law_that_they_started_at() {
    let (want, got) = (law(), StateSpace::<f64>::new(&law()).unwrap().law());
    close("A", &got.transition_matrix, &want.transition_matrix, 0.0);
    for (name, got, want, n) in [
        ("Q", &got.transition_cov, &want.transition_cov, 3),
        ("R", &got.emission_cov, &want.emission_cov, 2),
        ("Sigma_0", &got.initial_cov, &want.initial_cov, 3),
    ] {
        let floored: Vec<f64> = (0..n * n)
            .map(|i| want[i] + if i / n == i % n { VARIANCE_FLOOR } else { 0.0 })
            .collect();
        close(name, got, &floored, 1e-15);
    }
}

#[test]
fn a_root_of_any_values_is_a_positive_definite_covariance() {
    // Entries up to e^6 are rounded by 1e-13, far below the floor of 1e-8.
    for scale in [0.1, 1.0, 3.0] {
        let packed: Vec<f64> = numbers("root", 6).iter().map(|v| v * scale).collect();
        let cov = covariance(&packed, 3);
        pack("covariance", &cov, 3).unwrap();
    }
    let message = pack("Q", &[1.0, 2.0, 2.0, 1.0], 2).unwrap_err().to_string();
    assert_eq!(message, "Q is not positive definite: pivot 1 is -3e0");
}

#[test]
fn the_value_is_the_sum_over_sequences_of_the_exact_likelihood() {
    let model = StateSpace::<f64>::new(&law()).unwrap();
    let codes = random("codes", 3 * 5, 2);
    let law = model.law();
    let one_by_one: f64 = values(&codes)
        .chunks(5 * 2)
        .map(|codes| lgssm::log_likelihood(&law, &Batch::new(codes, 1, 5)).unwrap()[0])
        .sum();
    let plain = value(&log_likelihood(codes.clone(), 5, Evidence::default(), &model).unwrap());
    let taped = value(
        &log_likelihood(codes.retaped::<Grad<f64>>(), 5, Evidence::default(), &model).unwrap(),
    );
    close("without a tape", &[plain], &[one_by_one], 1e-13);
    close("with a tape", &[taped], &[one_by_one], 1e-13);
}

fn gradients_of(what: &str, mut model: StateSpace<f64>, evidence: Evidence, count: usize) {
    let start: Vec<Param<f64>> = parameters(&mut model)
        .into_iter()
        .map(|(_, p)| p.clone())
        .collect();
    assert_eq!(start.len(), count, "{what}");
    let codes = random("codes", 2 * 6, 2);
    gradients_agree(what, &codes, &start, true, &|codes, moved| {
        let mut model = model.clone();
        for ((_, p), moved) in parameters(&mut model).into_iter().zip(moved) {
            *p = moved.clone();
        }
        log_likelihood(codes, 6, evidence, &model).map(|p| p.sum)
    });
}

/// Codes and all eight parameters, packed roots among them; all seen and some missing, the likelihood and its published bound.
#[test]
fn gradients_agree_with_finite_differences() {
    let noise = numbers("noise", 2 * 6 * 3);
    let seen: Vec<bool> = (0..12).map(|i| i % 5 != 1).collect();
    for published in [None, Some(&noise[..])] {
        for seen in [None, Some(&seen[..])] {
            let model = StateSpace::<f64>::new(&law()).unwrap();
            let what = format!("bound {}, masked {}", published.is_some(), seen.is_some());
            let evidence = Evidence {
                seen,
                published,
                actions: None,
            };
            gradients_of(&what, model, evidence, 8);
            // With actions: b and B get theirs through the offsets of every step.
            let model = StateSpace::<f64>::new(&law()).unwrap().driven(2).unwrap();
            let actions = numbers("actions", 2 * 6 * 2);
            let evidence = Evidence {
                actions: Some(&actions),
                ..evidence
            };
            gradients_of(&format!("{what}, driven"), model, evidence, 9);
        }
    }
}

/// The parameters of every constraint, in place of the entries of A.
#[test]
fn gradients_of_constrained_transitions_agree_with_finite_differences() {
    let square = Lgssm {
        latent: 2,
        transition_matrix: vec![0.9, 0.6, -0.1, 0.8],
        transition_offset: vec![0.1, -0.2],
        transition_cov: vec![0.3, 0.1, 0.1, 0.2],
        emission_matrix: vec![1.0, 0.2, -0.3, 0.7],
        initial_mean: vec![0.5, -0.5],
        initial_cov: vec![1.0, 0.2, 0.2, 0.8],
        ..law()
    };
    for (constraint, parts) in [
        (Constraint::Free, 1),
        (Constraint::SpectralRadius, 2),
        (Constraint::OrthogonalDecay, 2),
        (Constraint::Newtonian { dt: 0.6 }, 1),
    ] {
        let model = StateSpace::<f64>::constrained(&square, constraint).unwrap();
        let what = format!("{constraint:?}");
        gradients_of(&what, model, Evidence::default(), 7 + parts);
    }
}

/// A missing code may be anything.
#[test]
fn missing_codes_are_not_read_and_get_no_gradient() {
    let model = StateSpace::<f64>::new(&law()).unwrap();
    let seen = [true, false, true, true, false, true];
    let at = |missing: f64| {
        let mut codes = numbers("codes", 12);
        for (i, code) in codes.iter_mut().enumerate() {
            if !seen[i / 2] {
                *code = missing;
            }
        }
        let evidence = Evidence {
            seen: Some(&seen),
            ..Evidence::default()
        };
        let codes = nn::tensor::matrix(codes, 6, 2).unwrap();
        let out = log_likelihood(codes.retaped::<Grad<f64>>(), 6, evidence, &model).unwrap();
        let total = value(&out);
        let mut gradients = nn::tensor::backward(out.sum).unwrap();
        (total, gradients.get_or_alloc_mut(&codes).unwrap().to_vec())
    };
    let (total, gradient) = at(0.0);
    assert_eq!((total, gradient.clone()), at(1e9));
    for (i, g) in gradient.iter().enumerate() {
        assert_eq!(*g != 0.0, seen[i / 2], "{i}: {gradient:?}");
    }
}

#[test]
fn wrong_sizes_are_told() {
    let model = StateSpace::<f64>::new(&law()).unwrap();
    let try_it = |rows, p, steps| {
        log_likelihood(random("codes", rows, p), steps, Evidence::default(), &model)
    };
    let name = "log_likelihood: codes of 2 dimensions";
    check::refuses(try_it(6, 3, 3), &[name, "got 6 x 3"]);
    check::refuses(
        try_it(7, 2, 3),
        &[name, "sequences of 3 frames", "got 7 x 2"],
    );
    check::refuses(try_it(6, 2, 0), &[name, "sequences of 0 frames"]);
}

#[test]
fn the_noise_of_codes_is_found_from_a_hundred_times_too_much() {
    let truth = law();
    let (sequences, steps) = (400, 20);
    let mut rng = nn::Rng::seed_from_u64(1);
    let never = vec![false; sequences * steps];
    let empty = vec![0.0; sequences * steps * truth.code];
    let unseen = Batch {
        frame_mask: Some(&never),
        ..Batch::new(&empty, sequences, steps)
    };
    let states = lgssm::sample_path(&truth, &unseen, &mut rng).unwrap();
    let (c, root) = (
        &truth.emission_cov,
        nalgebra::DMatrix::from_row_slice(2, 2, &truth.emission_cov),
    );
    let root = root.cholesky().unwrap().l();
    let mut codes = truth.emit(&states);
    for code in codes.chunks_exact_mut(2) {
        use rand_distr::{Distribution, StandardNormal};
        let draw = nalgebra::DVector::from_fn(2, |_, _| StandardNormal.sample(&mut rng));
        let noise: nalgebra::DVector<f64> = &root * draw;
        code.iter_mut()
            .zip(noise.iter())
            .for_each(|(to, e)| *to += e);
    }
    let far = Lgssm {
        emission_cov: c.iter().map(|v| 100.0 * v).collect(),
        ..truth.clone()
    };
    let mut model = StateSpace::<f64>::new(&far).unwrap();
    model
        .fit_emission_cov(&Batch::new(&codes, sequences, steps), lgssm::infer)
        .unwrap();
    // A variance from M = 8000 frames is uncertain by sqrt(2 / M) = 1.6 %, somewhat more as states are not seen.
    for (got, want) in model.law().emission_cov.iter().zip(c) {
        assert!((got - want).abs() < 0.1 * c[0].max(c[3]), "{got} {want}");
    }
    let mut rest = model.law();
    rest.emission_cov = far.emission_cov.clone();
    let same = StateSpace::<f64>::new(&far).unwrap().law();
    assert_eq!(
        (
            rest.transition_matrix,
            rest.transition_cov,
            rest.emission_matrix
        ),
        (
            same.transition_matrix,
            same.transition_cov,
            same.emission_matrix
        )
    );
}

/// The mean path of codes under known actions is what B and A make of them; the last action acts on nothing that is seen.
#[test]
fn actions_move_the_state_in_their_own_units_from_their_frame_to_the_next() {
    let mut model = StateSpace::<f64>::new(&law()).unwrap().driven(2).unwrap();
    model.scale_actions(&[2.0, 5.0]).unwrap();
    let b = [0.5, 0.0, 0.0, -1.0, 0.3, 0.2];
    let learned: Vec<f64> = (0..6).map(|i| b[i] * [2.0, 5.0][i % 2]).collect();
    for (name, p) in parameters(&mut model) {
        if name == "transition.input" {
            p.set(&learned).unwrap();
        }
    }
    close("B", &model.input_matrix().unwrap(), &b, 1e-15);
    let actions = [1.0, 0.0, 0.0, 3.0, 7.0, 7.0];
    let offsets = model.offsets(Some(&actions), 3).unwrap().unwrap();
    let own = model.law().transition_offset;
    for (t, pushed) in [[0.0; 3], [0.5, 0.0, 0.3], [0.0, -3.0, 0.6]]
        .iter()
        .enumerate()
    {
        let want: Vec<f64> = own.iter().zip(pushed).map(|(b, u)| b + u).collect();
        close(&format!("frame {t}"), &offsets[3 * t..][..3], &want, 1e-14);
    }
    assert!(model.offsets(Some(&actions[..4]), 3).is_err());
    assert!(model.scale_actions(&[1.0, 0.0]).is_err());
}
