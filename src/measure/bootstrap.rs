//! Percentile bootstrap over held-out sequences (Efron 1979).

use crate::seeds::Seeds;
use rand::RngExt;

/// Resamples of the bootstrap: the 2.5 % quantile of 1,000 has a standard error of 0.5 percentage points.
pub const RESAMPLES: usize = 1000;

/// A number with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The number over all held-out sequences.
    pub value: f64,
    /// Percentile interval over resampled sequences, where there is one.
    pub interval: Option<(f64, f64)>,
}

impl Estimate {
    /// A number without an interval.
    pub fn point(value: f64) -> Self {
        Self {
            value,
            interval: None,
        }
    }

    /// `0.923 [0.910, 0.935]`.
    pub fn text(&self) -> String {
        match self.interval {
            Some((low, high)) => format!("{:.3} [{low:.3}, {high:.3}]", self.value),
            None => format!("{:.3}", self.value),
        }
    }
}

/// Draws of whole sequences with replacement. Sequences, not frames: frames of one sequence are not independent.
#[derive(Clone, Debug)]
pub struct Bootstrap {
    all: Vec<u32>,
    draws: Vec<Vec<u32>>,
}

impl Bootstrap {
    /// `resamples` draws of `sequences` out of `sequences`; the same for every statistic, so that differences are paired.
    pub fn new(sequences: usize, resamples: usize, seeds: &Seeds) -> Self {
        let mut rng = seeds.stream("analysis/bootstrap", sequences as u64);
        let n = sequences as u32;
        let mut draw = || (0..n).map(|_| rng.random_range(0..n)).collect();
        let draws = if n < 2 {
            Vec::new()
        } else {
            (0..resamples).map(|_| draw()).collect()
        };
        Self {
            all: (0..n).collect(),
            draws,
        }
    }

    /// The statistic of all sequences, and the 2.5 % and 97.5 % quantiles of it over the draws. `statistic` gets the
    /// indices of the drawn sequences.
    pub fn estimate(&self, statistic: impl Fn(&[u32]) -> f64) -> Estimate {
        let value = statistic(&self.all);
        let mut drawn: Vec<f64> = self.draws.iter().map(|d| statistic(d)).collect();
        drawn.retain(|v| v.is_finite());
        drawn.sort_by(f64::total_cmp);
        let interval =
            (!drawn.is_empty()).then(|| (quantile(&drawn, 0.025), quantile(&drawn, 0.975)));
        Estimate { value, interval }
    }

    /// The same for many numbers that are computed together; `statistic` gives the same count for every draw.
    pub fn estimates(
        &self,
        statistic: impl Fn(&[u32]) -> Option<Vec<f64>>,
    ) -> Option<Vec<Estimate>> {
        let values = statistic(&self.all)?;
        let drawn: Vec<Vec<f64>> = self.draws.iter().filter_map(|d| statistic(d)).collect();
        let one = |(j, &value): (usize, &f64)| {
            let mut column: Vec<f64> = drawn.iter().map(|d| d[j]).collect();
            column.sort_by(f64::total_cmp);
            let interval =
                (!column.is_empty()).then(|| (quantile(&column, 0.025), quantile(&column, 0.975)));
            Estimate { value, interval }
        };
        Some(values.iter().enumerate().map(one).collect())
    }
}

/// Quantile of sorted values, linear between neighbours.
pub(super) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (low, part) = (place.floor() as usize, place.fract());
    let high = (low + 1).min(sorted.len() - 1);
    sorted[low] + part * (sorted[high] - sorted[low])
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_distr::{Distribution, StandardNormal};

    #[test]
    fn interval_of_a_mean_covers_it_in_about_95_of_100_samples() {
        let covered = (0..400)
            .filter(|&trial| {
                let mut rng = Seeds::new(7).stream("trial", trial);
                let sample: Vec<f64> = (0..60).map(|_| StandardNormal.sample(&mut rng)).collect();
                let boot = Bootstrap::new(60, 400, &Seeds::new(trial));
                let mean = |d: &[u32]| d.iter().map(|&i| sample[i as usize]).sum::<f64>() / 60.0;
                let (low, high) = boot.estimate(mean).interval.unwrap();
                low < 0.0 && 0.0 < high
            })
            .count() as f64
            / 400.0;
        // Binomial standard error 1.1 %, and a percentile interval of 60 is a little short: three errors either side.
        assert!((0.90..=0.98).contains(&covered), "covered {covered}");
    }

    #[test]
    fn one_sequence_has_no_interval() {
        let boot = Bootstrap::new(1, 100, &Seeds::new(0));
        assert_eq!(boot.estimate(|_| 2.0), Estimate::point(2.0));
    }
}
