//! Is one model better than another? A paired bootstrap over training seeds and held-out sequences.

use super::bootstrap::{Estimate, RESAMPLES, quantile};
use super::scores::Scores;
use crate::seeds::Seeds;
use rand::RngExt;

/// Fewest training seeds that two models must share for a difference to be judged by seeds alone: that k differences have one sign has
/// probability 2^(1-k) by chance, so fewer than six can't reach 5 %.
pub const FEWEST_SEEDS: usize = 6;

/// The difference mean_s m(b_s, D) - mean_s m(a_s, D) of a score m between models a and b, with its 95 % percentile interval. Each of the 1000
/// resamples draws training seeds s with replacement (the same ones of both models where they have equally many) and held-out
/// sequences D with replacement (the same ones for both models).
///
/// `a` and `b` are the scores of each seed, of the same `sequences`; `score` is one number of the drawn sequences.
pub fn difference(
    a: &[Scores],
    b: &[Scores],
    sequences: usize,
    score: impl Fn(&Scores, &[u32]) -> f64,
    seeds: &Seeds,
) -> Estimate {
    let mean = |of: &[Scores], which: &[usize], drawn: &[u32]| {
        let sum: f64 = which.iter().map(|&s| score(&of[s], drawn)).sum();
        sum / which.len() as f64
    };
    let all: Vec<u32> = (0..sequences as u32).collect();
    let every = |of: &[Scores]| (0..of.len()).collect::<Vec<_>>();
    let value = mean(b, &every(b), &all) - mean(a, &every(a), &all);
    let mut rng = seeds.stream("analysis/compare", sequences as u64);
    let mut drawn = || {
        let mut draw = |n: usize| (0..n).map(|_| rng.random_range(0..n)).collect::<Vec<_>>();
        let of_a = draw(a.len());
        let of_b = match a.len() == b.len() {
            true => of_a.clone(),
            false => draw(b.len()),
        };
        let sequences: Vec<u32> = draw(sequences).iter().map(|&i| i as u32).collect();
        mean(b, &of_b, &sequences) - mean(a, &of_a, &sequences)
    };
    let differences = (0..RESAMPLES).map(|_| drawn()).collect();
    estimate(value, differences)
}

/// The same of one number a seed, paired by seed: mean(b - a) with its interval over drawn seeds; no interval for fewer than
/// [`FEWEST_SEEDS`].
pub fn difference_of_seeds(a: &[f64], b: &[f64], seeds: &Seeds) -> Estimate {
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| b - a).collect();
    let n = differences.len();
    let value = differences.iter().sum::<f64>() / n as f64;
    if n < FEWEST_SEEDS {
        return Estimate::point(value);
    }
    let mut rng = seeds.stream("analysis/compare_seeds", n as u64);
    let mut drawn = || {
        let sum: f64 = (0..n).map(|_| differences[rng.random_range(0..n)]).sum();
        sum / n as f64
    };
    let drawn = (0..RESAMPLES).map(|_| drawn()).collect();
    estimate(value, drawn)
}

/// Whether an interval leaves out zero.
pub fn is_significant(difference: &Estimate) -> bool {
    difference
        .interval
        .is_some_and(|(low, high)| low > 0.0 || high < 0.0)
}

fn estimate(value: f64, mut drawn: Vec<f64>) -> Estimate {
    drawn.retain(|v| v.is_finite());
    drawn.sort_by(f64::total_cmp);
    let interval = (!drawn.is_empty()).then(|| (quantile(&drawn, 0.025), quantile(&drawn, 0.975)));
    Estimate { value, interval }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Array;
    use rand_distr::{Distribution, StandardNormal};

    const N: usize = 60;
    const T: usize = 5;

    /// Scores of predictions of one column: truth + its own error of each sequence + noise of the model.
    fn scores(seed: u64, std: f64, stream: &str) -> Scores {
        let normal = |stream: &str, i: usize| -> f64 {
            StandardNormal.sample(&mut Seeds::new(seed).stream(stream, i as u64))
        };
        let truth: Vec<f64> = (0..N * T)
            .map(|i| StandardNormal.sample(&mut Seeds::new(1).stream("truth", i as u64)))
            .collect();
        let decoded = truth.iter().enumerate();
        let decoded =
            decoded.map(|(i, v)| v + std * (normal(stream, i) + 2.0 * normal("hard", i / T)));
        let decoded: Vec<f64> = decoded.collect();
        let array = |values| Array::new([N, T, 1], values).unwrap();
        Scores::new(&array(decoded), &array(truth)).unwrap()
    }

    fn r2(scores: &Scores, drawn: &[u32]) -> f64 {
        scores.r2(&[0], drawn)
    }

    #[test]
    fn a_model_does_not_differ_from_itself_and_a_better_one_does() {
        let a: Vec<Scores> = (0..3).map(|s| scores(s, 0.3, "a")).collect();
        let none = difference(&a, &a, N, r2, &Seeds::new(0));
        assert_eq!((none.value, none.interval), (0.0, Some((0.0, 0.0))));
        assert!(!is_significant(&none));
        let better: Vec<Scores> = (0..3).map(|s| scores(s, 0.2, "a")).collect();
        let found = difference(&a, &better, N, r2, &Seeds::new(0));
        assert!(is_significant(&found) && found.value > 0.0, "{found:?}");
        let back = difference(&better, &a, N, r2, &Seeds::new(0));
        assert_eq!(back.value, -found.value);
        // As many seeds are not needed.
        assert!(is_significant(&difference(
            &a,
            &better[..1],
            N,
            r2,
            &Seeds::new(0)
        )));
    }

    #[test]
    fn pairing_finds_what_lies_within_the_intervals_of_each() {
        // Hard sequences are hard for both: each interval is wide, that of the difference is not.
        let (a, b) = ([scores(0, 0.30, "a")], [scores(0, 0.27, "a")]);
        let all = difference(&a, &b, N, r2, &Seeds::new(0));
        assert!(is_significant(&all), "{all:?}");
        let single = |of: &[Scores]| {
            let boot = super::super::bootstrap::Bootstrap::new(N, RESAMPLES, &Seeds::new(0));
            boot.estimate(|drawn| r2(&of[0], drawn)).interval.unwrap()
        };
        assert!(
            single(&a).1 > single(&b).0,
            "{:?} {:?}",
            single(&a),
            single(&b)
        );
    }

    #[test]
    fn equal_models_are_rarely_told_apart() {
        let differ = |i: u64| {
            let a: Vec<Scores> = (0..8).map(|s| scores(1000 * i + s, 0.3, "a")).collect();
            let b: Vec<Scores> = (0..8)
                .map(|s| scores(1000 * i + 500 + s, 0.3, "b"))
                .collect();
            is_significant(&difference(&a, &b, N, r2, &Seeds::new(i)))
        };
        let wrong = (0..20).filter(|&i| differ(i)).count();
        // 5 % of 20 is 1; with 8 seeds a percentile interval is too narrow by a fifth, so some 10 %: at most 6 within four
        // standard deviations of 1.3.
        assert!(wrong <= 6, "{wrong} of 20");
    }

    #[test]
    fn few_seeds_alone_decide_nothing() {
        let a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let b = a.map(|v| v + 0.1 + 0.01 * v);
        let few = difference_of_seeds(&a[..5], &b[..5], &Seeds::new(0));
        assert!(few.interval.is_none() && !is_significant(&few));
        assert!(is_significant(&difference_of_seeds(&a, &b, &Seeds::new(0))));
        assert!(!is_significant(&difference_of_seeds(
            &a,
            &[2.0, 1.0, 4.0, 3.0, 6.0, 5.0],
            &Seeds::new(0)
        )));
    }
}
