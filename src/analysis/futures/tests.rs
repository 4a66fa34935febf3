//! Forecasters whose worth is known: the true law itself, uniform places, one that is always right.

use super::*;
use crate::latents::{ROLLOUT, RolloutInfo};
use crate::seeds::Seeds;
use crate::store::{json, npy};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use std::path::Path;

const N: usize = 150;
const M: usize = 32;
const S: usize = 32;
const H: usize = 10;

/// Places (N, count, H, 2): a walk from the middle with steps of .8 px, every draw of its own.
fn walks(count: usize, name: &str) -> Vec<f32> {
    let mut all = Vec::new();
    for i in 0..N {
        let mut rng = Seeds::new(7).stream(name, i as u64);
        for _ in 0..count {
            let mut at = [16.0, 16.0];
            for _ in 0..H {
                for x in &mut at {
                    let z: f64 = StandardNormal.sample(&mut rng);
                    *x += 0.8 * z;
                }
                all.extend(at.map(|v| v as f32));
            }
        }
    }
    all
}

fn uniform() -> Vec<f32> {
    let mut rng = Seeds::new(8).stream("uniform", 0);
    let place = |_| rng.random_range(5.0..27.0_f64) as f32;
    (0..N * S * H * 2).map(place).collect()
}

/// As the rollout stage writes it: tracks with size and colour after the place.
fn tracks(places: &[f32]) -> Vec<f32> {
    let each = places.chunks_exact(2);
    each.flat_map(|p| [p[0], p[1], 1.0, 28.0, 0.99, 0.0, 1.0])
        .collect()
}

fn write(dir: &Path, samples: &[f32], truth: &[f32], futures: usize) {
    let info = RolloutInfo {
        split: "oracle".into(),
        contexts: N,
        samples: S,
        futures,
        seen: 2,
        horizon: H,
        dt: 0.2,
        frame_shape: [1, 32, 32],
        bodies: 1,
        lost: 45.25,
        room: [5.0, 27.0, 5.0, 27.0],
        radii: vec![3.0],
        ..RolloutInfo::default()
    };
    json::write(dir.join(ROLLOUT), &info).unwrap();
    let array = |name: &str, shape: &[usize], values: &[f32]| {
        npy::write(dir.join(format!("{name}.npy")), shape, values).unwrap();
    };
    array("tracks", &[N, S, H, 1, 7], &tracks(samples));
    array("truth", &[N, futures, H, 2], truth);
    array("seen", &[N, 2, 2], &vec![16.0; N * 4]);
    let first: Vec<f32> = truth
        .chunks_exact(futures * H * 2)
        .flat_map(|context| context[..H * 2].to_vec())
        .collect();
    array("truth_tracks", &[N, 1, H, 1, 7], &tracks(&first));
    array("pixels", &[N, S, H, 4], &vec![1.0; N * S * H * 4]);
    array("truth_pixels", &[N, 1, H, 4], &vec![1.0; N * H * 4]);
    array("trivial_pixels", &[N, 2, H, 2], &vec![1.0; N * 2 * H * 2]);
}

fn found(samples: &[f32], truth: &[f32], futures: usize) -> Finding {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), samples, truth, futures);
    let study = Study {
        rollouts: Some(dir.path().to_path_buf()),
        ..Study::default()
    };
    Futures::default().run(&study).unwrap()
}

#[test]
fn samples_of_the_true_law_have_skill_one_and_nominal_coverage() {
    let finding = found(&walks(S, "samples"), &walks(M, "truth"), M);
    let value = |name: &str| finding.value(name).unwrap_or_else(|| panic!("{name}"));
    for h in [1, 5, 10] {
        let name = |measure: &str| format!("{measure}_h{h}/samples");
        // Half the spread of 32 samples is known to about 3 % in one context, of 150 to .3 % of it.
        assert!(
            (value(&name("skill")) - 1.0).abs() < 0.01,
            "h {h}: {}",
            value(&name("skill"))
        );
        // 8 truths x 150 contexts x 2 coordinates, samples of a context shared: six standard errors of 300 shares.
        for (level, error) in [
            (50.0, 6.0 * (0.25f64 / 300.0).sqrt()),
            (90.0, 6.0 * (0.09f64 / 300.0).sqrt()),
        ] {
            let covered = value(&name(&format!("coverage_{level}")));
            assert!(
                (covered - level / 100.0).abs() < error,
                "h {h}: {covered} of {level} %"
            );
        }
        assert!((value(&name("diversity")) - 1.0).abs() < 0.03);
        assert_eq!(value(&name("lost")), 0.0);
    }
    // The walk's own spread: the mean distance of two draws in the plane is σ √π, with σ = .8 √h; half of it is the score.
    let want = 0.5 * 0.8 * 10f64.sqrt() * std::f64::consts::PI.sqrt();
    let score = value("energy_score_h10/samples");
    assert!((score - want).abs() < 0.03 * want, "{score} {want}");
    assert!(
        finding.answer.contains("energy score"),
        "{}",
        finding.answer
    );
    for figure in &finding.figures {
        figure.figure.svg().unwrap();
    }
}

#[test]
fn uniform_samples_have_no_skill_and_one_that_is_always_right_has_all() {
    let finding = found(&uniform(), &walks(M, "truth"), M);
    for h in [1, 10] {
        let skill = finding.value(&format!("skill_h{h}/samples")).unwrap();
        // Both are draws of one law: their difference is that of two means over 150 contexts.
        assert!(skill.abs() < 0.05, "h {h}: {skill}");
    }
    let truth = walks(1, "truth");
    let right: Vec<f32> = truth
        .chunks_exact(H * 2)
        .flat_map(|one| one.repeat(S))
        .collect();
    let finding = found(&right, &truth, 1);
    for name in ["energy_score_h10/samples", "rms_of_mean_h10/samples"] {
        assert!(finding.value(name).unwrap().abs() < 1e-9, "{name}");
    }
    assert_eq!(finding.value("skill_h10/samples"), Some(1.0));
    assert_eq!(finding.value("valid_time/samples"), Some(H as f64));
}

#[test]
fn what_is_lost_costs_the_picture_s_diagonal_and_is_told() {
    let lost = vec![f32::NAN; N * S * H * 2];
    let finding = found(&lost, &walks(M, "truth"), M);
    let score = finding.value("energy_score_h1/samples").unwrap();
    assert!((score - 45.25).abs() < 1e-9, "{score}");
    assert_eq!(finding.value("lost_h10/samples"), Some(1.0));
}
