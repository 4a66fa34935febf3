//! Planning by search: the cross-entropy method, and random shooting as its first iteration alone.
//!
//! ```text
//! u^(i) ~ N(mu, diag(sigma^2)) within limits, i = 1..C; the E cheapest give mu and sigma of the next iteration
//! ```
//!
//! (Rubinstein 1999; as a planner Chua et al. 2018.) A plan begins at the last one, moved on by a frame, so that a step
//! goes on with what the last one found. Shooting takes the cheapest of C draws.

use crate::error::{Error, Result, all};
use crate::seeds::Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::Serialize;

/// What a search over action sequences is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Search {
    /// Frames ahead, H.
    pub horizon: usize,
    /// Action sequences an iteration, C.
    pub candidates: usize,
    /// Iterations; 1 is random shooting.
    pub iterations: usize,
    /// The cheapest that an iteration keeps, E.
    pub elites: usize,
}

impl Default for Search {
    /// 12 frames, as planning in learned worlds has it (PlaNet); 128 candidates and 4 iterations with 16 elites, after
    /// which a double integrator's plan no longer gets cheaper.
    fn default() -> Self {
        Self {
            horizon: 12,
            candidates: 128,
            iterations: 4,
            elites: 16,
        }
    }
}

impl Search {
    /// # Errors
    /// Names the setting, what was expected and got.
    pub fn check(&self) -> Result<()> {
        let at_least = |name: &str, got: usize, least: usize| match got >= least {
            true => Ok(()),
            false => Err(Error::Experiment(format!(
                "--{name}: a number from {least} expected, got {got}"
            ))),
        };
        let elites = match self.elites <= self.candidates {
            true => Ok(()),
            false => Err(Error::Experiment(format!(
                "--elites: at most --candidates ({}) expected, got {}",
                self.candidates, self.elites
            ))),
        };
        all([
            at_least("horizon", self.horizon, 1),
            at_least("candidates", self.candidates, 2),
            at_least("iterations", self.iterations, 1),
            at_least("elites", self.elites, 2),
            elites,
        ])
    }
}

/// Actions that are thought of, (H, k): where the next search begins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Thought(pub Vec<f64>);

/// How actions are drawn: usual size and limits of every component, (k).
#[derive(Clone, Debug, PartialEq)]
pub struct Range {
    /// Usual size: where sigma begins.
    pub scale: Vec<f64>,
    /// Least and greatest value.
    pub limits: Vec<[f64; 2]>,
}

impl Range {
    /// Within limits.
    pub fn within(&self, actions: &mut [f64]) {
        let k = self.limits.len();
        for (i, u) in actions.iter_mut().enumerate() {
            let [low, high] = self.limits[i % k];
            *u = u.max(low).min(high);
        }
    }
}

/// Share of the usual size below which sigma does not fall: a search that has closed finds nothing new.
const LEAST_SPREAD: f64 = 0.05;

/// Thinks the next H actions; `costs` tells what candidates (C, H, k) cost. Returns them, (H, k), the best found.
///
/// # Errors
/// What `costs` fails with; [`Error::Numeric`] where no candidate has a finite cost.
pub fn search(
    search: &Search,
    range: &Range,
    last: &Thought,
    mut costs: impl FnMut(&[f64], &mut Rng) -> Result<Vec<f64>>,
    rng: &mut Rng,
) -> Result<Thought> {
    let (k, count) = (range.scale.len(), search.candidates);
    let size = search.horizon * k;
    // The last thought without the action that was taken, and nothing at its end.
    let mut mean: Vec<f64> = last.0.iter().skip(k).copied().collect();
    mean.resize(size, 0.0);
    let mut spread: Vec<f64> = (0..size).map(|i| range.scale[i % k]).collect();
    let mut best: Option<(f64, Vec<f64>)> = None;
    for iteration in 0..search.iterations {
        let mut candidates = Vec::with_capacity(count * size);
        for c in 0..count {
            // What was thought of last is itself a candidate, and so is the best so far.
            let known = match (c, iteration) {
                (0, _) => Some(mean.clone()),
                (1, 1..) => best.as_ref().map(|(_, actions)| actions.clone()),
                _ => None,
            };
            let mut own = known.unwrap_or_else(|| {
                let draw = |i: usize| {
                    let e: f64 = StandardNormal.sample(rng);
                    mean[i] + spread[i] * e
                };
                (0..size).map(draw).collect()
            });
            range.within(&mut own);
            candidates.extend(own);
        }
        let found = costs(&candidates, rng)?;
        let mut order: Vec<usize> = (0..count).filter(|&c| found[c].is_finite()).collect();
        order.sort_by(|&a, &b| found[a].total_cmp(&found[b]));
        let Some(&first) = order.first() else {
            return Err(Error::Numeric(
                "planning: no candidate has a finite cost".into(),
            ));
        };
        if best.as_ref().is_none_or(|(cost, _)| found[first] < *cost) {
            best = Some((found[first], candidates[first * size..][..size].to_vec()));
        }
        order.truncate(search.elites);
        let elites = order.len() as f64;
        for i in 0..size {
            let values = || order.iter().map(|&c| candidates[c * size + i]);
            mean[i] = values().sum::<f64>() / elites;
            let var = values().map(|u| (u - mean[i]).powi(2)).sum::<f64>() / elites;
            spread[i] = var.sqrt().max(LEAST_SPREAD * range.scale[i % k]);
        }
    }
    Ok(Thought(best.map_or(mean, |(_, actions)| actions)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeds::Seeds;

    fn range() -> Range {
        Range {
            scale: vec![1.0, 2.0],
            limits: vec![[-1.0, 1.0], [f64::NEG_INFINITY, f64::INFINITY]],
        }
    }

    /// A cost whose minimum within limits is known: u_1 -> 1 (its limit), u_2 -> -3.
    fn bowl(candidates: &[f64], _: &mut Rng) -> Result<Vec<f64>> {
        let one = |u: &[f64]| -> f64 {
            let each = u.chunks_exact(2);
            each.map(|u| (u[0] - 5.0).powi(2) + (u[1] + 3.0).powi(2))
                .sum()
        };
        Ok(candidates.chunks_exact(6).map(one).collect())
    }

    #[test]
    fn more_iterations_come_closer_and_limits_hold() {
        let off = |iterations: usize| {
            let setting = Search {
                horizon: 3,
                iterations,
                ..Search::default()
            };
            let mut rng = Seeds::new(1).stream("test/cem", 0);
            let found = search(&setting, &range(), &Thought::default(), bowl, &mut rng)
                .unwrap()
                .0;
            assert!(found.iter().step_by(2).all(|&u| u <= 1.0), "{found:?}");
            found
                .chunks_exact(2)
                .map(|u| (u[0] - 1.0).abs().max((u[1] + 3.0).abs()))
                .fold(0.0, f64::max)
        };
        let (one, eight) = (off(1), off(8));
        // sigma ends at .05 of 2.
        assert!(eight < 0.2 && eight < 0.3 * one, "{one} {eight}");
    }

    #[test]
    fn what_was_thought_of_last_is_where_the_next_search_begins() {
        let setting = Search {
            horizon: 3,
            candidates: 2,
            iterations: 1,
            elites: 2,
        };
        let last = Thought(vec![9.0, 9.0, 1.0, -3.0, 0.5, -2.0]);
        let mut rng = Seeds::new(1).stream("test/cem", 1);
        let mut first = Vec::new();
        let costs = |candidates: &[f64], rng: &mut Rng| {
            first = candidates[..6].to_vec();
            bowl(candidates, rng)
        };
        search(&setting, &range(), &last, costs, &mut rng).unwrap();
        // Moved on by a frame, nothing at its end.
        assert_eq!(first, [1.0, -3.0, 0.5, -2.0, 0.0, 0.0]);
    }

    #[test]
    fn costs_that_are_no_numbers_are_told() {
        let mut rng = Seeds::new(1).stream("test/cem", 2);
        let nan = |candidates: &[f64], _: &mut Rng| Ok(vec![f64::NAN; candidates.len() / 24]);
        let found = search(
            &Search::default(),
            &range(),
            &Thought::default(),
            nan,
            &mut rng,
        );
        assert!(found.unwrap_err().to_string().contains("finite cost"));
        let wrong = Search {
            elites: 200,
            ..Search::default()
        };
        assert!(wrong.check().unwrap_err().to_string().contains("--elites"));
    }
}
