//! Scores of futures against their definitions, and what they promise about forecasts.

use super::*;
use crate::seeds::Seeds;
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

const LOST: f64 = 45.0;

/// Normal futures (N, S, H, 2 K) around a mean that grows with the horizon; `share` of the objects lost.
fn drawn([n, s, h, d]: [usize; 4], std: f64, share: f64, stream: u64) -> Futures {
    let mut rng = Seeds::new(9).stream("futures", stream);
    let mut samples = Array::zeros([n, s, h, d]);
    for (k, place) in samples.data_mut().chunks_exact_mut(2).enumerate() {
        let t = (k / (d / 2) % h) as f64;
        let normal = |rng: &mut crate::seeds::Rng| -> f64 { StandardNormal.sample(rng) };
        place.copy_from_slice(&[t + std * normal(&mut rng), std * normal(&mut rng)]);
        if rng.random::<f64>() < share {
            place.fill(f64::NAN);
        }
    }
    Futures::new(samples, LOST).unwrap()
}

fn truth(of: &Futures) -> Array {
    let [n, _, h, d] = of.sizes();
    let one = of.take(&[0]).unwrap();
    Array::new([n, h, d], one.array().data().to_vec()).unwrap()
}

#[test]
fn energy_score_and_crps_are_those_of_their_definitions_also_where_objects_are_lost() {
    let futures = drawn([4, 7, 3, 4], 2.0, 0.2, 0);
    let x = truth(&drawn([4, 1, 3, 4], 2.0, 0.2, 1));
    let (score, by_axis) = (futures.energy_score(&x).unwrap(), futures.crps(&x).unwrap());
    let lost = |p: &[f64]| p[0].is_nan();
    let d = |a: &[f64], b: &[f64]| {
        let one = |k: usize| {
            let (p, q) = (&a[2 * k..2 * k + 2], &b[2 * k..2 * k + 2]);
            match (lost(p), lost(q)) {
                (true, true) => 0.0,
                (false, false) => (p[0] - q[0]).powi(2) + (p[1] - q[1]).powi(2),
                _ => LOST.powi(2),
            }
        };
        (0.5 * (one(0) + one(1))).sqrt()
    };
    let gap = |a: f64, b: f64| match (a.is_nan(), b.is_nan()) {
        (true, true) => 0.0,
        (false, false) => (a - b).abs(),
        _ => LOST,
    };
    for n in 0..4 {
        for h in 0..3 {
            let want_of = |d: &dyn Fn(&[f64], &[f64]) -> f64| {
                let (mut near, mut apart) = (0.0, 0.0);
                for i in 0..7 {
                    near += d(futures.at(n, i, h), row(&x, n, h)) / 7.0;
                    for j in 0..7 {
                        apart += d(futures.at(n, i, h), futures.at(n, j, h)) / (7.0 * 6.0);
                    }
                }
                near - 0.5 * apart
            };
            let got = score.data()[n * 3 + h];
            let want = want_of(&d);
            assert!((got - want).abs() < 1e-12, "energy score {got} {want}");
            for j in 0..4 {
                let got = by_axis.data()[(n * 3 + h) * 4 + j];
                let want = want_of(&|a, b| gap(a[j], b[j]));
                assert!((got - want).abs() < 1e-11, "CRPS {got} {want}");
            }
        }
    }
}

#[test]
fn crps_of_many_normal_samples_is_the_closed_form_of_the_normal() {
    // Gneiting & Raftery 2007, eq. 21: σ (z (2 Φ(z) - 1) + 2 φ(z) - 1/√π), here at z = 0.7, σ = 2.
    let mut rng = Seeds::new(1).stream("crps", 0);
    let n = 200_000;
    let samples: Vec<f64> = (0..n)
        .map(|_| {
            let z: f64 = StandardNormal.sample(&mut rng);
            2.0 * z
        })
        .collect();
    let (z, phi, cdf): (f64, f64, f64) = (0.7, 0.312_253_933_366_761, 0.758_036_347_776_927);
    let want = 2.0 * (z * (2.0 * cdf - 1.0) + 2.0 * phi - 1.0 / std::f64::consts::PI.sqrt());
    let got = crps(&samples, 1.4, LOST);
    // Standard deviation of one term is about 1.3: six standard errors of 200,000 draws.
    assert!(
        (got - want).abs() < 6.0 * 1.3 / (n as f64).sqrt(),
        "{got} {want}"
    );
}

#[test]
fn the_true_distribution_has_skill_one_and_no_other_is_better() {
    let shape = [3000, 8, 1, 2];
    let oracle = drawn(shape, 2.0, 0.0, 2);
    let future = truth(&drawn([3000, 1, 1, 2], 2.0, 0.0, 3));
    let mean = |futures: &Futures| over_contexts(&futures.energy_score(&future).unwrap())[0];
    let (best, narrow, wide) = (
        mean(&oracle),
        mean(&drawn(shape, 0.7, 0.0, 4)),
        mean(&drawn(shape, 4.5, 0.0, 5)),
    );
    assert!(best < narrow && best < wide, "{best} {narrow} {wide}");
    // Half the mean distance of two of them: σ √π / 2 · ... = √π for σ = 2 in the plane, within six errors of
    // 1.1/√3000.
    let own = over_contexts(&oracle.self_score().unwrap())[0];
    let exact = std::f64::consts::PI.sqrt();
    assert!((own - exact).abs() < 0.04, "{own} {exact}");
    assert!((best - exact).abs() < 0.12, "{best} {exact}");
    let s = skill(&[best, wide], &[wide, wide], &[best, best]).unwrap();
    assert_eq!(s, [1.0, 0.0]);
    assert!(skill(&[1.0], &[1.0], &[1.0]).unwrap()[0].is_nan());
}

#[test]
fn against_many_true_futures_it_is_the_mean_of_scores_against_each() {
    let (model, oracle) = (
        drawn([3, 5, 2, 2], 1.0, 0.1, 6),
        drawn([3, 4, 2, 2], 2.0, 0.1, 7),
    );
    let all = model.energy_score_of(&oracle).unwrap();
    let mut want = [0.0; 6];
    for m in 0..4 {
        let one = model
            .energy_score(&truth(&oracle.take(&[m]).unwrap()))
            .unwrap();
        want.iter_mut()
            .zip(one.data())
            .for_each(|(w, v)| *w += v / 4.0);
    }
    for (got, want) in all.data().iter().zip(want) {
        assert!((got - want).abs() < 1e-12, "{got} {want}");
    }
}

#[test]
fn samples_of_the_true_distribution_cover_half_and_nine_tenths() {
    for samples in [19, 64] {
        let futures = drawn([4000, samples, 1, 2], 2.0, 0.0, 8);
        let x = truth(&drawn([4000, 1, 1, 2], 2.0, 0.0, 9));
        for level in [0.5, 0.9] {
            let got = futures.coverage(&x, level).unwrap()[0];
            // 8,000 coordinates: six binomial standard errors.
            let error = 6.0 * (level * (1.0 - level) / 8000.0f64).sqrt();
            assert!(
                (got - level).abs() < error,
                "{samples} samples: {got} of {level}"
            );
        }
    }
    let narrow = drawn([500, 64, 1, 2], 0.5, 0.0, 10);
    let x = truth(&drawn([500, 1, 1, 2], 2.0, 0.0, 11));
    assert!(narrow.coverage(&x, 0.9).unwrap()[0] < 0.5);
    assert!(
        drawn([2, 5, 1, 2], 1.0, 0.0, 12)
            .coverage(&truth(&narrow), 0.9)
            .is_err()
    );
    let lost = drawn([50, 64, 1, 2], 2.0, 0.9, 13);
    let x = truth(&drawn([50, 1, 1, 2], 2.0, 0.0, 14));
    assert_eq!(lost.coverage(&x, 0.9).unwrap()[0], 0.0);
}

#[test]
fn losing_an_object_is_worse_than_guessing_it() {
    let x = truth(&drawn([50, 1, 2, 2], 1.0, 0.0, 15));
    let score = |f: &Futures| over_contexts(&f.energy_score(&x).unwrap())[0];
    let (found, lost) = (
        drawn([50, 6, 2, 2], 8.0, 0.0, 16),
        drawn([50, 6, 2, 2], 8.0, 0.5, 16),
    );
    assert!(
        score(&lost) > 2.0 * score(&found),
        "{} {}",
        score(&lost),
        score(&found)
    );
    assert!(
        (lost.lost_share()[0] - 0.5).abs() < 0.15,
        "{:?}",
        lost.lost_share()
    );
    assert_eq!(found.lost_share(), [0.0, 0.0]);
}

#[test]
fn valid_time_ends_at_the_first_frame_beyond_the_limit_or_with_a_lost_object() {
    let x = Array::zeros([1, 5, 2]);
    let mut samples = Array::zeros([1, 3, 5, 2]);
    samples.data_mut()[10 + 2 * 2] = 1.01; // sample 1, frame 2
    samples.data_mut()[20 + 2 * 4] = f64::NAN; // sample 2, frame 4
    let futures = Futures::new(samples, LOST).unwrap();
    assert_eq!(futures.valid_time(&x, 1.0).unwrap().data(), [5.0, 2.0, 4.0]);
    assert_eq!(futures.best_of(&x, 1).unwrap().data(), [0.0; 5]);
    assert_eq!(
        futures.take(&[1]).unwrap().best_of(&x, 1).unwrap().data()[2],
        1.01
    );
    // By pixels: 4 % of the power is wrong in frame 1.
    let (good, truth) = ([1.0f32, 1.0, 1.0, 0.8], [1.0f32; 4]);
    assert_eq!(valid_frames_by_pixels(&good, &truth, 1).unwrap(), 3);
    assert_eq!(
        valid_frames_by_pixels(&good, &truth, 2).unwrap(),
        2,
        "2 % is valid"
    );
    assert_eq!(valid_frames_by_pixels(&[0.0; 4], &[0.0; 4], 2).unwrap(), 2);
}

#[test]
fn diversity_is_the_mean_distance_and_its_ratio_is_of_the_truth() {
    let samples = Array::new([1, 3, 1, 2], vec![0.0, 0.0, 3.0, 4.0, 0.0, 0.0]).unwrap();
    let futures = Futures::new(samples, LOST).unwrap();
    assert!((futures.diversity()[0] - 10.0 / 3.0).abs() < 1e-12);
    let wide = drawn([300, 8, 1, 2], 4.0, 0.0, 17);
    let ratio = drawn([300, 8, 1, 2], 1.0, 0.0, 18)
        .diversity_ratio(&wide)
        .unwrap()[0];
    assert!((ratio - 0.25).abs() < 0.02, "{ratio}");
    let certain = drawn([3, 4, 1, 2], 0.0, 0.0, 19);
    assert!(wide.take(&[0]).unwrap().diversity()[0] == 0.0);
    assert!(certain.diversity_ratio(&certain).unwrap()[0].is_nan());
}

#[test]
fn the_mean_of_two_branches_is_between_them() {
    let samples = Array::new([1, 3, 1, 2], vec![0.0, 0.0, 4.0, 0.0, f64::NAN, f64::NAN]).unwrap();
    let futures = Futures::new(samples, LOST).unwrap();
    let x = Array::zeros([1, 1, 2]);
    assert_eq!(futures.mean_error(&x).unwrap().data(), [2.0]);
    let none = Futures::single(Array::new([1, 1, 2], vec![f64::NAN; 2]).unwrap(), LOST).unwrap();
    assert_eq!(none.mean_error(&x).unwrap().data(), [LOST]);
}

#[test]
fn shapes_that_do_not_fit_are_refused_by_name() {
    let futures = drawn([2, 3, 4, 2], 1.0, 0.0, 20);
    let wrong = futures.energy_score(&Array::zeros([2, 3, 2])).unwrap_err();
    assert!(
        wrong
            .to_string()
            .contains("energy score: want a true future of [2, 4, 2]"),
        "{wrong}"
    );
    assert!(Futures::new(Array::zeros([2, 3, 4, 3]), 1.0).is_err());
    assert!(Futures::new(Array::zeros([2, 3, 4, 2]), 0.0).is_err());
    assert!(Futures::single(Array::zeros([2, 4]), 1.0).is_err());
    assert!(futures.take(&[3]).is_err() && futures.take(&[]).is_err());
    assert!(
        futures
            .diversity_ratio(&drawn([2, 3, 5, 2], 1.0, 0.0, 21))
            .is_err()
    );
}
