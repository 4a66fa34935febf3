//! The `rollout:` section: which futures are sampled from which contexts.

use crate::data::{DataSource, ORACLE};
use crate::error::{Error, Result, all};
use crate::measure::i3d::I3d;
use crate::store::checksum::Checksum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The `rollout:` section, resolved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RolloutSettings {
    /// The split whose sequences are gone on from.
    pub split: String,
    /// Its first so many sequences.
    pub contexts: usize,
    /// Futures drawn from each.
    pub samples: usize,
    /// Frames that are shown.
    pub seen: usize,
    /// Frames that are drawn.
    pub horizon: usize,
    /// Contexts of the long rollouts, one sample each.
    pub long_contexts: usize,
    /// Frames of the long rollouts; 0 for none.
    pub long: usize,
    /// Weights of I3D, for the Fréchet video distance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub i3d: Option<PathBuf>,
    /// SHA-256 of that file, where it is there: what it holds matters, not where it stands.
    #[serde(skip)]
    pub i3d_sum: Option<String>,
}

/// Which futures are sampled from which contexts. Left out there are none, or those of `data.oracle` where that is.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RolloutFile {
    /// The split whose sequences are gone on from; `oracle` by default where there is `data.oracle`, else `test`.
    split: Option<String>,
    /// Its first so many sequences; all of `oracle`, or 200 of another split (fewer where it has fewer) by default.
    #[schemars(range(min = 1))]
    contexts: Option<usize>,
    /// Futures drawn from each; as many as true ones in `oracle`, else 16 by default.
    #[schemars(range(min = 1))]
    samples: Option<usize>,
    /// Frames that are shown; `data.oracle.seen` or 5 by default.
    #[schemars(range(min = 1))]
    seen: Option<usize>,
    /// Frames that are drawn; `data.oracle.horizon`, or all that were recorded after by default.
    #[schemars(range(min = 1))]
    horizon: Option<usize>,
    /// Contexts of the long rollouts, one sample each; 16 by default.
    #[schemars(range(min = 1))]
    long_contexts: Option<usize>,
    /// Frames of the long rollouts, which tell whether a world stays a world; 200 by default, 0 for none.
    long: Option<usize>,
    /// Weights of I3D (`kinostate i3d` writes them) for the Fréchet video distance, FVD; without the file it is left out.
    i3d: Option<PathBuf>,
}

impl RolloutSettings {
    /// What holds where the file says nothing but the split.
    pub(super) fn usual(split: &str, data: &DataSource) -> Self {
        let there = data.sequences(split);
        let long = |contexts: usize| (contexts.min(16), 200);
        match data.oracle().filter(|_| split == ORACLE) {
            Some(oracle) => {
                let (long_contexts, long) = long(oracle.contexts);
                Self {
                    split: split.into(),
                    contexts: oracle.contexts,
                    samples: oracle.futures,
                    seen: oracle.seen,
                    horizon: oracle.horizon,
                    long_contexts,
                    long,
                    i3d: None,
                    i3d_sum: None,
                }
            }
            None => {
                let seen = 5.min(data.frames().saturating_sub(1));
                let (long_contexts, long) = long(there);
                Self {
                    split: split.into(),
                    contexts: there.min(200),
                    samples: 16,
                    seen,
                    horizon: data.frames().saturating_sub(seen),
                    long_contexts,
                    long,
                    i3d: None,
                    i3d_sum: None,
                }
            }
        }
    }

    /// The section of a file with all defaults, or none where nothing asks for futures.
    pub(super) fn resolve(file: Option<RolloutFile>, data: &DataSource) -> Option<Self> {
        let oracle = data.oracle().is_some();
        let file = match file {
            None if !oracle => return None,
            file => file.unwrap_or_default(),
        };
        let split = file
            .split
            .unwrap_or_else(|| if oracle { ORACLE } else { "test" }.into());
        let usual = Self::usual(&split, data);
        let contexts = file.contexts.unwrap_or(usual.contexts);
        let seen = file.seen.unwrap_or(usual.seen);
        let horizon = match split == ORACLE && oracle {
            true => usual.horizon,
            false => data.frames().saturating_sub(seen),
        };
        Some(Self {
            contexts,
            samples: file.samples.unwrap_or(usual.samples),
            seen,
            horizon: file.horizon.unwrap_or(horizon),
            long_contexts: file.long_contexts.unwrap_or(contexts.min(16)),
            long: file.long.unwrap_or(usual.long),
            i3d_sum: (file.i3d.as_ref())
                .and_then(|path| Checksum::of_file(path).ok())
                .map(|sum| sum.sha256),
            i3d: file.i3d,
            split,
        })
    }

    /// Checks the settings against the data.
    ///
    /// # Errors
    /// [`Error::Experiment`] names the key, what was expected and got.
    pub(super) fn check(&self, data: &DataSource) -> Result<()> {
        let wrong = |key: &str, expected: String, got: String| {
            let message = format!("rollout.{key}: expected {expected}, got {got}");
            Err(Error::Experiment(message))
        };
        let within =
            |key: &str, got: usize, most: usize, what: &str| match (1..=most).contains(&got) {
                true => Ok(()),
                false => wrong(key, format!("1 to {most} ({what})"), got.to_string()),
            };
        let there = data.sequences(&self.split);
        if there == 0 {
            return wrong(
                "split",
                "a split of the data".into(),
                format!("`{}`", self.split),
            );
        }
        let positive = |key: &str, got: usize| match got {
            0 => wrong(key, "at least 1".into(), "0".into()),
            _ => Ok(()),
        };
        let times = match data.oracle().filter(|_| self.split == ORACLE) {
            Some(oracle) => {
                let seen = match self.seen == oracle.seen {
                    true => Ok(()),
                    false => {
                        let want = format!(
                            "{}, as data.oracle.seen: its futures start there",
                            oracle.seen
                        );
                        wrong("seen", want, self.seen.to_string())
                    }
                };
                let what = "at most data.oracle.horizon";
                all([seen, within("horizon", self.horizon, oracle.horizon, what)])
            }
            None => {
                let frames = data.frames();
                let seen = within(
                    "seen",
                    self.seen,
                    frames.saturating_sub(1),
                    "fewer than data.frames",
                );
                let most = frames.saturating_sub(self.seen);
                let what = "what was recorded: data.frames less rollout.seen";
                let horizon = match seen.is_ok() {
                    true => within("horizon", self.horizon, most, what),
                    false => Ok(()),
                };
                all([seen, horizon])
            }
        };
        let weights = match self.i3d.as_ref().filter(|_| self.i3d_sum.is_some()) {
            Some(path) => match I3d::load(path) {
                Ok(_) => Ok(()),
                Err(error) => Err(Error::Experiment(format!("rollout.i3d: {error}"))),
            },
            None => Ok(()),
        };
        let what = format!("at most the sequences of {}", self.split);
        all([
            weights,
            within("contexts", self.contexts, there, &what),
            positive("samples", self.samples),
            times,
            within(
                "long_contexts",
                self.long_contexts,
                self.contexts.max(1),
                "at most rollout.contexts",
            ),
        ])
    }
}
