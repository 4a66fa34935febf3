//! The split `oracle`: contexts whose every true state has many true futures, simulated again from it.
//!
//! A context is a sequence as any other (streams `simulate/oracle`, i and `look/oracle`, i). Its first `seen` frames are
//! what a model is shown; future m goes on from the true state of the last of them by [`simulators::future`], with what
//! is left to chance drawn from the stream `future/oracle`, i * futures + m. So each future is the same bytes whatever
//! the number of contexts, threads and shards. Where nothing is left to chance all futures of a context are equal.

use super::config::{DataConfig, wrong};
use crate::error::{Error, Result, all};
use crate::seeds::Seeds;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use simulators::{AnySimulator, Trajectory};

/// Name of the split.
pub const ORACLE: &str = "oracle";

/// A split whose contexts have many true futures: what a forecast that knows the world's law would draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Oracle {
    /// Number of contexts. Default 500: a share near a half is then known to .022.
    #[schemars(range(min = 1))]
    pub contexts: usize,
    /// True futures of each, M. Default 64.
    #[schemars(range(min = 1))]
    pub futures: usize,
    /// Frames of a context that are seen; the last of them shows the state that all its futures start from. Default 5.
    #[schemars(range(min = 1))]
    pub seen: usize,
    /// Frames of a future, H. Default 30.
    #[schemars(range(min = 1))]
    pub horizon: usize,
}

impl Default for Oracle {
    fn default() -> Self {
        Self {
            contexts: 500,
            futures: 64,
            seen: 5,
            horizon: 30,
        }
    }
}

impl DataConfig {
    /// Checks `data.oracle`, and that the world can go on from a recorded state.
    ///
    /// # Errors
    /// [`Error::Experiment`] names the key, what was expected and got.
    pub(super) fn check_oracle(&self) -> Result<()> {
        let Some(oracle) = self.oracle else {
            return Ok(());
        };
        let positive = |key: &str, got: usize| match got {
            0 => Err(wrong(&format!("oracle.{key}"), "at least 1", got)),
            _ => Ok(()),
        };
        let seen = match oracle.seen <= self.frames {
            true => Ok(()),
            false => {
                let most = format!("at most data.frames, which is {}", self.frames);
                Err(wrong("oracle.seen", most, oracle.seen))
            }
        };
        let free = match self.splits.contains_key(ORACLE) || self.shifts.contains_key(ORACLE) {
            true => Err(wrong("oracle", "no other split of that name", "one")),
            false => Ok(()),
        };
        all([
            positive("contexts", oracle.contexts),
            positive("futures", oracle.futures),
            positive("seen", oracle.seen),
            positive("horizon", oracle.horizon),
            seen,
            free,
            self.check_resumable(),
        ])
    }

    /// That the state columns hold all that a future depends on.
    fn check_resumable(&self) -> Result<()> {
        // Settings that no world can begin with are told where they are checked.
        let mut rng = Seeds::new(self.seed).stream("simulate/oracle", 0);
        let (true, Ok(begun)) = (
            self.simulator.check().is_ok(),
            self.simulator.begin(&mut rng),
        ) else {
            return Ok(());
        };
        let mut state = Vec::new();
        begun.motion.state(&mut state);
        match self.simulator.resume(&state, &begun.parameters, &mut rng) {
            Ok(None) => {
                let expected = "a world whose state columns hold all that its future depends on";
                let name = self.simulator.name();
                Err(wrong(
                    "oracle",
                    expected,
                    format!("{name}, which cannot go on from them"),
                ))
            }
            _ => Ok(()),
        }
    }

    /// The true futures of context `i`, whose sequence is `motion`: (M, H, D), row h - 1 the state h frames after the
    /// last seen one. Nothing without `data.oracle`.
    ///
    /// # Errors
    /// [`Error::Simulator`] as [`simulators::future`], by the number of the context and future.
    pub(super) fn futures(
        &self,
        simulator: &AnySimulator,
        i: usize,
        motion: &Trajectory,
    ) -> Result<Vec<f64>> {
        let Some(oracle) = self.oracle else {
            return Ok(Vec::new());
        };
        let width = simulator.state_columns().len(); // D
        let parameters = &motion.parameters[..simulator.parameter_columns().len()];
        let now = &motion.states[(oracle.seen - 1) * width..oracle.seen * width];
        let mut all = Vec::with_capacity(oracle.futures * oracle.horizon * width);
        for m in 0..oracle.futures {
            let index = (i * oracle.futures + m) as u64;
            let mut rng = Seeds::new(self.seed).stream("future/oracle", index);
            let frames = oracle.horizon + 1;
            let future =
                simulators::future(&**simulator, now, parameters, frames, self.dt, &mut rng);
            let future = future.map_err(|error| {
                let message = format!("{ORACLE} sequence {i}, future {m}: {error}");
                Error::Simulator(simulators::Error::Physics(message))
            })?;
            all.extend_from_slice(&future.states[width..]);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Dataset, generate};
    use super::*;
    use crate::progress::Progress;
    use std::path::Path;

    fn config(simulator: &str) -> DataConfig {
        let yaml = format!(
            "simulator: {{ {simulator}: {{}} }}\nframes: 12\ndt: 0.2\nsplits: {{ train: 2, validation: 1, test: 1 }}\n\
             video: {{ width: 8, height: 8 }}\nsequences_per_shard: 3\n\
             oracle: {{ contexts: 7, futures: 5, seen: 4, horizon: 20 }}\n"
        );
        serde_yaml::from_str(&yaml).unwrap()
    }

    fn made(config: &DataConfig, dir: &Path) -> Dataset {
        generate(config, dir, &Progress::hidden()).unwrap();
        Dataset::open(dir).unwrap()
    }

    #[test]
    fn where_nothing_is_left_to_chance_every_future_is_the_recorded_one() {
        let dir = tempfile::tempdir().unwrap();
        let data = made(&config("bouncing_ball"), dir.path());
        let split = data.split(ORACLE).unwrap();
        assert_eq!(split.len(), 7);
        for i in 0..7 {
            let futures: Vec<&[f64]> = split.futures(i).chunks_exact(20 * 4).collect();
            assert_eq!(futures.len(), 5);
            assert!(futures.iter().all(|one| *one == futures[0]));
            // Frames 4..12 were recorded too; a resumed flight is as exact as the flight itself, 1e-9 px an impact.
            let recorded = &split.states(i)[4 * 4..];
            let pairs = recorded.iter().zip(futures[0]);
            let far = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(far < 1e-6, "context {i}: {far}");
        }
        assert!(data.split("test").unwrap().futures(0).is_empty());
        assert_eq!(data.oracle().unwrap().horizon, 20);
    }

    #[test]
    fn every_future_of_a_coin_is_one_of_those_that_are_enumerated() {
        let dir = tempfile::tempdir().unwrap();
        let config = config("coin_bounce");
        let data = made(&config, dir.path());
        let AnySimulator::CoinBounce(coin) = &config.simulator else {
            panic!("another world")
        };
        let split = data.split(ORACLE).unwrap();
        let mut different = 0;
        for i in 0..split.len() {
            let now = &split.states(i)[3 * 4..4 * 4];
            let all = coin.enumerate(now, split.parameters(i), 21, 0.2).unwrap();
            let futures: Vec<&[f64]> = split.futures(i).chunks_exact(20 * 4).collect();
            for one in &futures {
                let far = |path: &[f64]| -> f64 {
                    let pairs = path[4..].iter().zip(one.iter());
                    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
                };
                let near = all
                    .iter()
                    .map(|(_, path)| far(path))
                    .fold(f64::INFINITY, f64::min);
                assert!(near < 1e-6, "context {i}: {near} px from every branch");
            }
            different += usize::from(futures.iter().any(|one| one != &futures[0]));
        }
        // In 20 frames a ball meets two walls or three: five equal futures have a probability below 1/100.
        assert!(
            different >= 5,
            "{different} of 7 contexts have different futures"
        );
    }

    #[test]
    fn futures_do_not_depend_on_shards_threads_or_their_number_and_are_made_again_alike() {
        let folder = |config: &DataConfig, dir: &Path| -> Vec<Vec<u64>> {
            let data = made(config, dir);
            let split = data.split(ORACLE).unwrap();
            let bits = |i: usize| split.futures(i).iter().map(|v| v.to_bits()).collect();
            (0..split.len()).map(bits).collect()
        };
        let [one, two] = [(), ()].map(|()| tempfile::tempdir().unwrap());
        let all = folder(&config("coin_bounce"), one.path());
        let mut fewer = config("coin_bounce");
        fewer.sequences_per_shard = 2;
        fewer.oracle.as_mut().unwrap().contexts = 3;
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .unwrap();
        assert_eq!(pool.install(|| folder(&fewer, two.path())), all[..3]);
        // An interrupted generation: the manifest and one shard are not there yet.
        let shard = one.path().join("oracle/shard-00001");
        std::fs::remove_dir_all(&shard).unwrap();
        assert_eq!(folder(&config("coin_bounce"), one.path()), all);
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let refused = |config: &DataConfig| config.check().unwrap_err().to_string();
        let mut odd = config("coin_bounce");
        odd.oracle.as_mut().unwrap().seen = 13;
        let message = refused(&odd);
        assert!(
            message.starts_with("data.oracle.seen: expected at most data.frames"),
            "{message}"
        );
        let mut odd = config("coin_bounce");
        odd.oracle.as_mut().unwrap().futures = 0;
        assert_eq!(
            refused(&odd),
            "data.oracle.futures: expected at least 1, got 0"
        );
        let mut odd = config("coin_bounce");
        odd.splits.insert(ORACLE.into(), 3);
        assert!(refused(&odd).contains("no other split of that name"));
    }
}
