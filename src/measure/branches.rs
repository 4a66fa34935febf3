//! Do samples take every branch of the future as often as it happens? Total variation over enumerated futures;
//! precision and recall.

use super::futures::Futures;
use crate::array::Array;
use crate::error::{Error, Result};

/// Enumerated places of one context at one frame ahead, with their probabilities.
#[derive(Clone, Debug, PartialEq)]
pub struct Branches {
    /// (B) configurations of 2 K values, px.
    places: Vec<Vec<f64>>,
    /// (B), summing to 1.
    masses: Vec<f64>,
    lost: f64,
}

impl Branches {
    /// Branches with their masses, which are normalised. Those at the same place (within 1e-6 px) become one.
    ///
    /// # Errors
    /// [`Error::Shape`] without a branch, for other counts, or for masses that are negative or sum to 0.
    pub fn new(places: &[Vec<f64>], masses: &[f64], lost: f64) -> Result<Self> {
        let sum: f64 = masses.iter().sum();
        let sound = masses.iter().all(|m| *m >= 0.0) && sum > 0.0 && sum.is_finite();
        if places.is_empty() || places.len() != masses.len() || !sound {
            return Err(Error::Shape(format!(
                "branches: want a mass >= 0 for every place, some > 0, got {} places and {masses:?}",
                places.len()
            )));
        }
        let mut all = Self {
            places: Vec::new(),
            masses: Vec::new(),
            lost,
        };
        for (place, mass) in places.iter().zip(masses) {
            all.add(place, mass / sum, 1e-6);
        }
        Ok(all)
    }

    /// Branches of many true futures of context `n` at frame `h`: the first future of a branch stands for all within
    /// `radius` px of it. Their masses are shares of the futures, known to √(p (1-p) / M) only; prefer
    /// [`Branches::new`] where futures can be enumerated.
    pub fn of(oracle: &Futures, n: usize, h: usize, radius: f64) -> Self {
        let samples = oracle.sizes()[1];
        let mut all = Self {
            places: Vec::new(),
            masses: Vec::new(),
            lost: oracle.lost(),
        };
        for s in 0..samples {
            all.add(oracle.at(n, s, h), 1.0 / samples as f64, radius);
        }
        all
    }

    fn add(&mut self, place: &[f64], mass: f64, radius: f64) {
        let near = |p: &Vec<f64>| super::futures::distance(p, place, self.lost) <= radius;
        match self.places.iter().position(near) {
            Some(b) => self.masses[b] += mass,
            None => {
                self.places.push(place.to_vec());
                self.masses.push(mass);
            }
        }
    }

    /// Number of branches.
    pub fn count(&self) -> usize {
        self.masses.len()
    }

    /// Probabilities of the branches.
    pub fn masses(&self) -> &[f64] {
        &self.masses
    }

    /// Shares of samples (each 2 K) in every branch, that of the nearest one within `radius` px, and last the share off
    /// all of them.
    pub fn shares<'a>(
        &self,
        samples: impl IntoIterator<Item = &'a [f64]>,
        radius: f64,
    ) -> Vec<f64> {
        let mut counts = vec![0.0; self.count() + 1];
        let mut all = 0.0;
        for sample in samples {
            let far = |p: &Vec<f64>| super::futures::distance(p, sample, self.lost);
            let distances = self.places.iter().map(far).enumerate();
            let nearest = distances.min_by(|a, b| a.1.total_cmp(&b.1));
            let branch = nearest.filter(|(_, d)| *d <= radius).map(|(b, _)| b);
            counts[branch.unwrap_or(self.count())] += 1.0;
            all += 1.0;
        }
        counts.into_iter().map(|count| count / all).collect()
    }

    /// Total variation 1/2 Σ_b |share_b - mass_b| over branches and the mass off all of them, which is a branch of its
    /// own with true mass 0: 0 where every branch is taken as often as it happens, 1 - p where one of mass p is taken
    /// always, 1 where none is met.
    pub fn total_variation<'a>(
        &self,
        samples: impl IntoIterator<Item = &'a [f64]>,
        radius: f64,
    ) -> f64 {
        let shares = self.shares(samples, radius);
        let off = shares[self.count()];
        let pairs = shares.iter().zip(&self.masses);
        0.5 * (pairs.map(|(s, m)| (s - m).abs()).sum::<f64>() + off)
    }

    /// What `samples` draws from the true masses get on average: 1/2 Σ_b E|K/S - p|, K binomial, in closed form (de
    /// Moivre: E|K - S p| = 2 v (S choose v) p^v (1-p)^(S-v+1), v = floor(S p) + 1). The floor of a table of total
    /// variations.
    pub fn expected_variation(&self, samples: usize) -> f64 {
        let s = samples as f64;
        let one = |&p: &f64| {
            if p <= 0.0 || p >= 1.0 {
                return 0.0;
            }
            let v = (s * p).floor() + 1.0;
            let choose: f64 = (1..=v as usize)
                .map(|k| ((s - v + k as f64) / k as f64).ln())
                .sum();
            let log = (2.0 * v).ln() + choose + v * p.ln() + (s - v + 1.0) * (1.0 - p).ln();
            log.exp() / s
        };
        0.5 * self.masses.iter().map(one).sum::<f64>()
    }
}

/// Total variation of every context at frame `h` ahead, given its branches.
///
/// # Errors
/// [`Error::Shape`] for other than N branches.
pub fn total_variations(
    futures: &Futures,
    branches: &[Branches],
    h: usize,
    radius: f64,
) -> Result<Vec<f64>> {
    let [n, samples, horizon, _] = futures.sizes();
    if branches.len() != n || h >= horizon {
        return Err(Error::Shape(format!(
            "branches: want those of {n} contexts at a frame below {horizon}, got {} at {h}",
            branches.len()
        )));
    }
    let one = |(i, all): (usize, &Branches)| {
        all.total_variation((0..samples).map(|s| futures.at(i, s, h)), radius)
    };
    Ok(branches.iter().enumerate().map(one).collect())
}

/// `[precision, recall]` at every context and frame ahead, (N, H, 2). Precision: share of samples within `radius` px of
/// any true future (what is generated can happen); recall: share of true futures within `radius` of any sample (what
/// can happen is generated).
///
/// # Errors
/// [`Error::Shape`] unless contexts, horizon and objects are equal.
pub fn precision_recall(futures: &Futures, oracle: &Futures, radius: f64) -> Result<Array> {
    let ([n, s, h, d], [m, o, g, e]) = (futures.sizes(), oracle.sizes());
    if (n, h, d) != (m, g, e) {
        return Err(Error::Shape(format!(
            "precision and recall: samples are {:?}, true futures {:?}",
            futures.sizes(),
            oracle.sizes()
        )));
    }
    let mut out = Array::zeros([n, h, 2]);
    for (k, pair) in out.data_mut().chunks_exact_mut(2).enumerate() {
        let (i, t) = (k / h, k % h);
        let (mut near_sample, mut near_future) = (vec![false; s], vec![false; o]);
        for (a, near_sample) in near_sample.iter_mut().enumerate() {
            for (b, near_future) in near_future.iter_mut().enumerate() {
                if futures.distance(futures.at(i, a, t), oracle.at(i, b, t)) <= radius {
                    (*near_sample, *near_future) = (true, true);
                }
            }
        }
        let share = |all: &[bool]| all.iter().filter(|x| **x).count() as f64 / all.len() as f64;
        pair.copy_from_slice(&[share(&near_sample), share(&near_future)]);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeds::Seeds;
    use rand::RngExt;

    fn line(places: &[f64]) -> Vec<Vec<f64>> {
        places.iter().map(|x| vec![*x, 0.0]).collect()
    }

    #[test]
    fn collapse_to_one_branch_costs_the_mass_of_the_others_and_off_support_costs_all() {
        let branches = Branches::new(&line(&[0.0, 5.0, 10.0]), &[2.0, 1.0, 1.0], 45.0).unwrap();
        let tv = |places: &[f64]| {
            let all = line(places);
            branches.total_variation(all.iter().map(Vec::as_slice), 1.0)
        };
        assert_eq!(tv(&[0.1, 0.0, 5.2, 9.5]), 0.0);
        assert_eq!(tv(&[0.0; 4]), 0.5);
        assert_eq!(tv(&[2.5; 4]), 1.0);
        assert_eq!(tv(&[f64::NAN; 4]), 1.0);
        // Half on the first, as it should be; a quarter between the others: 1/2 (0 + 1/4 - 0 ... ) by hand.
        assert_eq!(tv(&[0.0, 0.0, 5.0, 7.5]), 0.25);
    }

    #[test]
    fn branches_at_one_place_are_one_and_futures_fall_into_theirs() {
        let branches = Branches::new(&line(&[0.0, 5.0, 0.0]), &[0.25, 0.5, 0.25], 45.0).unwrap();
        assert_eq!((branches.count(), branches.masses()), (2, &[0.5, 0.5][..]));
        let data = [0.0, 0.0, 5.0, 0.0, 0.3, 0.0, 0.2, 0.1].to_vec();
        let oracle = Futures::new(Array::new([1, 4, 1, 2], data).unwrap(), 45.0).unwrap();
        let found = Branches::of(&oracle, 0, 0, 1.0);
        assert_eq!((found.count(), found.masses()), (2, &[0.75, 0.25][..]));
        let tv = total_variations(&oracle, &[branches], 0, 1.0).unwrap();
        assert_eq!(tv, [0.25]);
        assert!(Branches::new(&line(&[0.0]), &[-1.0], 45.0).is_err());
    }

    #[test]
    fn the_expected_variation_is_what_true_samples_get() {
        let masses = [0.5, 0.3, 0.15, 0.05];
        let places = line(&[0.0, 5.0, 10.0, 15.0]);
        let branches = Branches::new(&places, &masses, 45.0).unwrap();
        let mut rng = Seeds::new(5).stream("branches", 0);
        let trials = 4000;
        let mut sum = 0.0;
        for _ in 0..trials {
            let samples: Vec<&[f64]> = (0..64)
                .map(|_| {
                    let mut left: f64 = rng.random();
                    let pick = masses.iter().position(|m| {
                        left -= m;
                        left < 0.0
                    });
                    places[pick.unwrap_or(3)].as_slice()
                })
                .collect();
            sum += branches.total_variation(samples, 1.0);
        }
        let (got, want) = (sum / f64::from(trials), branches.expected_variation(64));
        // The standard deviation of one is about .035: six standard errors of 4,000.
        assert!((got - want).abs() < 0.0034, "{got} {want}");
        // One coin, one toss: always half off.
        let coin = Branches::new(&places[..2], &[0.5, 0.5], 45.0).unwrap();
        assert!((coin.expected_variation(1) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn collapsed_samples_are_precise_and_noise_recalls() {
        let futures = |x: &[f64]| {
            let data = x.iter().flat_map(|x| [*x, 0.0]).collect();
            Futures::new(Array::new([1, x.len(), 1, 2], data).unwrap(), 45.0).unwrap()
        };
        let oracle = futures(&[0.0, 0.0, 5.0, 10.0]);
        let of = |x: &[f64]| precision_recall(&futures(x), &oracle, 1.0).unwrap();
        assert_eq!(of(&[0.0, 0.1]).data(), [1.0, 0.5]);
        assert_eq!(of(&[0.5, 2.5, 5.5, 7.5, 10.0]).data(), [0.6, 1.0]);
        assert!(
            precision_recall(
                &oracle,
                &Futures::new(Array::zeros([1, 2, 2, 2]), 1.0).unwrap(),
                1.0
            )
            .is_err()
        );
    }
}
