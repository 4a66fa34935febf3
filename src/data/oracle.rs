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
