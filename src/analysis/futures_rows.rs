//! Who is compared when futures are measured: the model's samples, the true futures, and what nothing was learned for.

use crate::array::Array;
use crate::error::Result;
use crate::figures::Look;
use crate::latents::Rollouts;
use crate::measure::futures::Futures;
use crate::measure::trivial::{constant_velocity, copy_last, empty, uniform};
use crate::seeds::Seeds;

/// Name of the model's row.
pub const SAMPLES: &str = "samples";
/// Name of the row of the world's own futures.
pub const TRUE: &str = "true futures";
/// Name of the row that knows only the box.
pub const UNIFORM: &str = "uniform";

/// One forecaster.
pub struct Row {
    /// As tables have it.
    pub name: &'static str,
    /// As figures have it.
    pub look: Look,
    /// What it says.
    pub futures: Futures,
}

/// All that futures are measured with.
pub struct Rows {
    /// The model's samples first, then the trivial ones; without those of a model that drew nothing.
    pub all: Vec<Row>,
    /// All true futures, M.
    pub truth: Futures,
    /// What the tracker finds in drawn true futures, R.
    pub tracked: Futures,
    /// True places in the seen frames, (N, seen, 2 K).
    pub seen: Array,
}

impl Rows {
    /// Reads a folder of rollouts whose bodies are followed.
    ///
    /// # Errors
    /// Files that can't be read or do not fit each other.
    pub fn read(rollouts: &Rollouts, seeds: &Seeds) -> Result<Self> {
        let info = &rollouts.info;
        let lost = info.lost;
        let seen = rollouts.array("seen")?;
        let (n, horizon, bodies) = (info.contexts, info.horizon, info.bodies);
        let mut all = Vec::new();
        if info.refused.is_none() {
            all.push(Row {
                name: SAMPLES,
                look: Look::Prediction,
                futures: Futures::new(rollouts.places("tracks")?, lost)?,
            });
        }
        let mut add = |name, look, futures: Result<Futures>| -> Result<()> {
            let futures = futures?;
            all.push(Row {
                name,
                look,
                futures,
            });
            Ok(())
        };
        if info.seen > 1 {
            let straight = constant_velocity(&seen, horizon, lost);
            add("constant velocity", Look::Baseline, straight)?;
        }
        add("copy", Look::Baseline, copy_last(&seen, horizon, lost))?;
        add("empty", Look::Control, empty(n, horizon, bodies, lost))?;
        let sizes = [n, info.samples.max(2), horizon];
        let guesses = uniform(sizes, bodies, info.room, lost, seeds);
        add(UNIFORM, Look::Control, guesses)?;
        Ok(Self {
            all,
            truth: Futures::new(rollouts.array("truth")?, lost)?,
            tracked: Futures::new(rollouts.places("truth_tracks")?, lost)?,
            seen,
        })
    }

    /// True future `m` of every context, (N, H, 2 K).
    ///
    /// # Errors
    /// None for a future that is there.
    pub fn future(&self, m: usize) -> Result<Array> {
        one(&self.truth, m)
    }

    /// The row of this name.
    pub fn get(&self, name: &str) -> Option<&Row> {
        self.all.iter().find(|row| row.name == name)
    }
}

/// Sample `s` of every context, (N, H, 2 K).
///
/// # Errors
/// A sample that is not there.
pub fn one(futures: &Futures, s: usize) -> Result<Array> {
    let [n, _, h, d] = futures.sizes();
    let only = futures.take(&[s])?;
    Array::new([n, h, d], only.array().data().to_vec())
}
