//! Predicting turns without learning, and scores of predicted and sampled turns.

use crate::motion::Rotation;

/// A rotation that turned from `before` to `last` in one frame, turned on by as many frames' worth:
/// R = last exp(steps log(before^-1 last)). 0 steps is zero velocity, h steps constant velocity.
pub fn turned_on(before: Rotation, last: Rotation, steps: f64) -> Rotation {
    let step = (before.inverse() * last).log();
    last * Rotation::exp(step.map(|v| v * steps))
}

/// Frames' worth of turning in `horizon` frames when every frame turns by `factor` of the one before:
/// factor + factor^2 + .. + factor^horizon.
pub fn damped_steps(factor: f64, horizon: usize) -> f64 {
    (1..=horizon).map(|h| factor.powi(h as i32)).sum()
}

/// Mean geodesic distance over joints, radians; poses have the same joints.
pub fn distance(a: &[Rotation], b: &[Rotation]) -> f64 {
    let pairs = a.iter().zip(b);
    pairs.map(|(a, b)| a.angle_to(*b)).sum::<f64>() / a.len().max(1) as f64
}

/// Mean distance of places, in their unit; poses have the same joints.
pub fn place_distance(a: &[[f64; 3]], b: &[[f64; 3]]) -> f64 {
    let far = |(a, b): (&[f64; 3], &[f64; 3])| {
        let squares = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b));
        squares.sum::<f64>().sqrt()
    };
    a.iter().zip(b).map(far).sum::<f64>() / a.len().max(1) as f64
}

/// The energy score of sampled poses, radians: mean_i d(X_i, x) - 1/(2 S (S-1)) sum_{i != j} d(X_i, X_j), where d is the
/// mean geodesic [`distance`] over joints. For one sample that is its error.
pub fn energy_score(samples: &[&[Rotation]], truth: &[Rotation]) -> f64 {
    let s = samples.len() as f64;
    let near: f64 = samples.iter().map(|one| distance(one, truth)).sum();
    let mut apart = 0.0;
    for (i, a) in samples.iter().enumerate() {
        apart += samples[..i].iter().map(|b| distance(a, b)).sum::<f64>();
    }
    match samples.len() {
        0 => f64::NAN,
        1 => near,
        _ => near / s - apart / (s * (s - 1.0)),
    }
}

/// Whether the truth is as near to the samples' mean as `level` of the samples are: within the ceil(level (S + 1))-th of
/// their distances. Of samples of the truth's own kind that happens with probability `level`, or a little more for few.
pub fn covered(samples: &[Rotation], mean: Rotation, truth: Rotation, level: f64) -> bool {
    let mut far: Vec<f64> = samples.iter().map(|one| mean.angle_to(*one)).collect();
    far.sort_by(f64::total_cmp);
    let rank = (level * (far.len() + 1) as f64).ceil() as usize;
    // Beyond the last there is no limit.
    far.get(rank.saturating_sub(1))
        .is_none_or(|&limit| mean.angle_to(truth) <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeds::Seeds;
    use rand_distr::{Distribution, StandardNormal};

    #[test]
    fn turning_on_an_even_turn_is_exact_and_damping_falls_short_of_it() {
        let at = |t: f64| Rotation::exp([0.1, 0.2 * t, -0.1 * t]);
        // A turn about one axis: exp(v t) exp(v) = exp(v (t + 1)).
        let even = |t: f64| Rotation::exp([0.0, 0.2 * t, -0.1 * t]);
        assert!(turned_on(even(0.0), even(1.0), 4.0).angle_to(even(5.0)) < 1e-12);
        assert!(turned_on(at(0.0), at(1.0), 0.0).angle_to(at(1.0)) < 1e-12);
        assert!((damped_steps(0.5, 3) - 0.875).abs() < 1e-15);
        assert!((damped_steps(1.0, 7) - 7.0).abs() < 1e-15);
    }

    #[test]
    fn the_energy_score_is_least_for_samples_like_the_truth_and_coverage_is_its_level() {
        let mut rng = Seeds::new(3).stream("joints", 0);
        let mut turn = |std: f64| {
            let v: [f64; 3] = std::array::from_fn(|_| {
                let z: f64 = StandardNormal.sample(&mut rng);
                std * z
            });
            Rotation::exp(v)
        };
        let (mut scores, mut inside) = ([0.0; 3], 0.0);
        for _ in 0..400 {
            let truth = [turn(0.3)];
            for (score, std) in scores.iter_mut().zip([0.03, 0.3, 0.9]) {
                let samples: Vec<[Rotation; 1]> = (0..19).map(|_| [turn(std)]).collect();
                let all: Vec<&[Rotation]> = samples.iter().map(|one| &one[..]).collect();
                *score += energy_score(&all, &truth) / 400.0;
                if std == 0.3 {
                    let flat: Vec<Rotation> = samples.iter().map(|one| one[0]).collect();
                    let hit = covered(&flat, Rotation::IDENTITY, truth[0], 0.9);
                    inside += f64::from(u8::from(hit)) / 400.0;
                }
            }
        }
        let [tight, right, wide] = scores;
        assert!(right < tight && right < wide, "{scores:?}");
        // 400 draws of probability .9 (19 samples: the 18th of 20 ranks): standard error .015, 4 of them.
        assert!((inside - 0.9).abs() < 0.06, "{inside}");
        let one = Rotation::exp([0.5, 0.0, 0.0]);
        let score = energy_score(&[&[one]], &[Rotation::IDENTITY]);
        assert!((score - 0.5).abs() < 1e-12);
    }
}
