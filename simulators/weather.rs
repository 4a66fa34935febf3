//! A kite in a wind that turns rarely. The question: does a model hold what changes slowly (the wind) apart from what
//! changes fast (the kite), and how near is its forecast of the wind to the best possible one?
//!
//! The wind blows from one of four directions, r = 0 (towards +x), 1 (+y), 2 (-x), 3 (-y): a Markov chain that stays
//! for a step with probability 1 - 1/dwell and else turns to one of the other three. The kite hangs on an elastic
//! string at c:
//! ```text
//! x_t = c + a (x_{t-1} - c) + (1 - a) pull e(r_t) + noise, noise ~ N(0, s^2) in each coordinate
//! ```
//! A step takes `step` s; between steps the kite moves straight, and the wind is that of the step's beginning. The kite
//! settles `pull` px downwind, within some 1/(1 - a) steps.
//!
//! Given the true places the filter of the wind is exact ([`Weather::filter`]): a hidden Markov model whose emissions
//! are the normal densities of the steps. After h steps without seeing anything a belief has shrunk towards the uniform
//! by (1 - 4/(3 dwell))^h ([`Weather::forecast`]), so P(same at h) = 1/4 + 3/4 e^(-4h/192), nearly, at a dwell of 64.

use crate::elementary::{exp, ln};
use crate::normal::standard_normal;
use crate::record::fits;
use crate::steps::{Law, Stepped};
use crate::{Begun, Column, Error, Rectangle, Rng, Shape, Simulator, branch};
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A kite in the wind.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Weather {
    /// Mean number of steps for which the wind blows from one direction; at least 1. Default 64.
    pub dwell: f64,
    /// How far downwind the kite settles, px; at least 0. Default 7.
    pub pull: f64,
    /// Share a of its displacement that the kite keeps in a step, within 0..1. Default 0.9.
    pub keep: f64,
    /// Standard deviation s of the noise of a step in each coordinate, px; above 0. Default 0.7: the winds of two
    /// opposite directions are two of it apart in a step.
    pub noise_std: f64,
    /// Length of a step, s; above 0. Default 0.2.
    pub step: f64,
    /// Radius of the drawn kite, px; at least 0.01. Default 3.
    pub radius: f64,
}

impl Default for Weather {
    fn default() -> Self {
        Self {
            dwell: 64.0,
            pull: 7.0,
            keep: 0.9,
            noise_std: 0.7,
            step: 0.2,
            radius: 3.0,
        }
    }
}

/// Where the string is tied, px: the middle of a world of 32 x 32.
const TIED: [f64; 2] = [16.0, 16.0];

/// A state is (x, y, wind).
struct Wind {
    weather: Weather,
    rng: Rng,
}

impl Law for Wind {
    fn next(&mut self, now: &[f64], contacts: &mut Vec<usize>) -> Result<Vec<f64>, Error> {
        let rng = &mut self.rng;
        let mut wind = now[2];
        if rng.random::<f64>() * self.weather.dwell < 1.0 {
            wind = (wind + f64::from(rng.random_range(1..=3))) % 4.0;
            contacts.push(0);
        }
        let mean = self.weather.mean([now[0], now[1]], wind as usize);
        let mut place = |axis: usize| {
            let white: f64 = standard_normal(rng);
            mean[axis] + self.weather.noise_std * white
        };
        Ok(vec![place(0), place(1), wind])
    }

    fn between(&self, now: &[f64], next: &[f64], share: f64, state: &mut Vec<f64>) {
        let place = |axis: usize| now[axis] + share * (next[axis] - now[axis]);
        state.extend([place(0), place(1), now[2]]);
    }
}

impl Weather {
    /// Small instances for contract tests: the default; a wind that turns often.
    pub fn examples() -> Vec<Self> {
        let gusts = Self {
            dwell: 5.0,
            keep: 0.6,
            ..Self::default()
        };
        vec![Self::default(), gusts]
    }

    /// Where a kite at `place` is one step later on average, px, in wind number `wind`.
    fn mean(&self, place: [f64; 2], wind: usize) -> [f64; 2] {
        let towards = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]][wind % 4];
        [0, 1].map(|axis| {
            let pulled = (1.0 - self.keep) * self.pull * towards[axis];
            TIED[axis] + self.keep * (place[axis] - TIED[axis]) + pulled
        })
    }

    /// Probabilities of the four winds `steps` steps after `belief`, when nothing is seen meanwhile.
    pub fn forecast(&self, belief: [f64; 4], steps: usize) -> [f64; 4] {
        // Turning is to one of three others with 1/(3 dwell) each: all but the uniform shrinks by 1 - 4/(3 dwell).
        let kept = (1.0 - 4.0 / (3.0 * self.dwell)).powi(steps as i32);
        belief.map(|p| 0.25 + kept * (p - 0.25))
    }

    /// Probabilities of the four winds given the places up to each frame, (T, 4), from states (T, 3) one step apart:
    /// the forward filter
    /// ```text
    /// p(r_t | x_0..t) ~ N(x_t; mean(x_{t-1}, r_t), s^2) sum_r' p(r_t | r') p(r' | x_0..t-1), p(r_0 | x_0) = 1/4
    /// ```
    /// in log space. The wind's own column is not looked at.
    pub fn filter(&self, states: &[f64]) -> Vec<[f64; 4]> {
        let mut beliefs: Vec<[f64; 4]> = Vec::new();
        let mut last: Option<[f64; 2]> = None;
        for state in states.chunks_exact(3) {
            let place = [state[0], state[1]];
            let belief = match (beliefs.last(), last) {
                (Some(&before), Some(from)) => {
                    let prior = self.forecast(before, 1);
                    let log: [f64; 4] = std::array::from_fn(|wind| {
                        let mean = self.mean(from, wind);
                        let square: f64 = (0..2).map(|k| (place[k] - mean[k]).powi(2)).sum();
                        ln(prior[wind]) - 0.5 * square / (self.noise_std * self.noise_std)
                    });
                    let most = log.into_iter().fold(f64::NEG_INFINITY, f64::max);
                    let weights = log.map(|x| exp(x - most));
                    let sum: f64 = weights.iter().sum();
                    weights.map(|w| w / sum)
                }
                _ => [0.25; 4],
            };
            beliefs.push(belief);
            last = Some(place);
        }
        beliefs
    }

    fn motion(&self, state: Vec<f64>, rng: Rng) -> Begun {
        let law = Wind {
            weather: *self,
            rng,
        };
        Begun {
            parameters: vec![self.radius],
            motion: Box::new(Stepped::new(law, state, self.step)),
        }
    }
}

impl Simulator for Weather {
    fn check(&self) -> Result<(), Error> {
        let within = |field: &str, got: f64, low: f64, high: f64| match (low..=high).contains(&got)
        {
            true => Ok(()),
            false => {
                let expected = format!("within {low}..={high}");
                Err(Error::parameter(&format!("weather.{field}"), expected, got))
            }
        };
        Error::all([
            within("dwell", self.dwell, 1.0, 1e12),
            within("pull", self.pull, 0.0, 1e6),
            within("keep", self.keep, 0.0, 1.0),
            within("noise_std", self.noise_std, 1e-6, 1e6),
            within("step", self.step, 1e-6, 1e6),
            within("radius", self.radius, 0.01, 1e6),
        ])
    }

    /// The place of the kite, and the number of the wind that blew in the step before.
    fn state_columns(&self) -> Vec<Column> {
        Column::list(&[("x", "px"), ("y", "px"), ("wind", "1")])
    }

    fn parameter_columns(&self) -> Vec<Column> {
        Column::list(&[("radius", "px")])
    }

    fn event_columns(&self) -> Vec<Column> {
        Column::list(&[("turn", "1")])
    }

    /// A start near the middle in any wind. Wind and noise come from a stream of their own.
    fn begin(&self, rng: &mut Rng) -> Result<Begun, Error> {
        let weather = branch(rng);
        let wind = f64::from(rng.random_range(0..4));
        let mut place = |axis: usize| {
            let white: f64 = standard_normal(rng);
            TIED[axis] + 3.0 * white
        };
        let state = vec![place(0), place(1), wind];
        Ok(self.motion(state, weather))
    }

    /// The state counts as one of a whole number of steps.
    fn resume(
        &self,
        state: &[f64],
        parameters: &[f64],
        rng: &mut Rng,
    ) -> Result<Option<Begun>, Error> {
        fits(self, state, parameters)?;
        if ![0.0, 1.0, 2.0, 3.0].contains(&state[2]) {
            return Err(Error::parameter(
                "state",
                "a wind of 0, 1, 2 or 3",
                state[2],
            ));
        }
        Ok(Some(self.motion(state.to_vec(), branch(rng))))
    }

    fn view(&self) -> Rectangle {
        Rectangle {
            left: 0.0,
            right: 32.0,
            bottom: 0.0,
            top: 32.0,
        }
    }

    fn parts(&self) -> Vec<String> {
        vec!["kite".into()]
    }

    fn bodies(&self, state: &[f64], parameters: &[f64], shapes: &mut Vec<Shape>) {
        shapes.push(Shape::disc([state[0], state[1]], parameters[0]));
    }
}
