//! The `data:` section of an experiment.

use super::impossible::{IMPOSSIBLE, Impossible};
use super::observe::Observe;
use super::oracle::{ORACLE, Oracle};
use super::pictures::Pictures;
use super::shift::Shift;
use crate::error::{Error, Result, all};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use simulators::{AnySimulator, Column, Video};

/// The `data:` section of an experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// The world and its physical parameters, as a one-key map: `bouncing_ball: {..}`.
    #[serde(with = "serde_yaml::with::singleton_map_recursive")]
    #[schemars(with = "AnySimulator")]
    pub simulator: AnySimulator,
    /// What `moving_sprites` shows, in place of its built-in shapes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pictures: Option<Pictures>,
    /// How it is drawn.
    #[serde(default)]
    pub video: Video,
    /// Columns of the states in place of pictures: then nothing is drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observe: Option<Observe>,
    /// Frames per sequence, T.
    #[schemars(range(min = 2))]
    pub frames: usize,
    /// Time between frames, s.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub dt: f64,
    /// Number of sequences per split: `train`, `validation` and `test` are needed.
    pub splits: IndexMap<String, usize>,
    /// Further splits, by name, whose worlds differ: they are encoded and reported each for itself.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub shifts: IndexMap<String, Shift>,
    /// A split `oracle` whose contexts have many true futures, simulated again from the same true state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oracle: Option<Oracle>,
    /// A split `impossible` of pairs: a clip, and the same with an event that the world's physics rules out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impossible: Option<Impossible>,
    /// Seed of the dataset; independent of the training seeds.
    #[serde(default)]
    pub seed: u64,
    /// Sequences per shard: the unit of resume. Fewer lose less work to an interruption, more make fewer files.
    #[serde(default = "default_shard")]
    #[schemars(range(min = 1))]
    pub sequences_per_shard: usize,
}

/// 10 MB of frames at 20 frames of 32 x 32.
fn default_shard() -> usize {
    500
}

/// The splits that training and analysis ask for.
pub const NEEDED: [&str; 3] = ["train", "validation", "test"];

impl DataConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Experiment`] names the key, what was expected and got.
    pub fn check(&self) -> Result<()> {
        let simulator = self.simulator.check();
        let video = self.video.check();
        let dt = match self.dt.is_finite() && self.dt > 0.0 {
            true => Ok(()),
            false => Err(wrong("dt", "a finite time above 0 s", self.dt)),
        };
        all([
            simulator.map_err(|e| below("data.simulator", e)),
            video.map_err(|e| below("data", e)),
            at_least_one("frames", self.frames),
            at_least_one("sequences_per_shard", self.sequences_per_shard),
            dt,
            check_splits("data", &self.splits),
            all(self
                .shifts
                .keys()
                .map(|name| check_name("data.shifts", name))),
            self.check_shifts(),
            self.check_pictures(),
            self.check_observe(),
            self.check_oracle(),
            self.check_impossible(),
        ])
    }

    /// Number of sequences of every split, those of shifts after the others, then the oracle's and
    /// the impossible pairs.
    pub fn all_splits(&self) -> IndexMap<String, usize> {
        let shifts = self
            .shifts
            .iter()
            .map(|(name, shift)| (name.clone(), shift.sequences));
        let oracle = self
            .oracle
            .map(|oracle| (ORACLE.to_string(), oracle.contexts));
        let splits = self.splits.clone().into_iter();
        let impossible = self
            .impossible
            .as_ref()
            .map(|pairs| (IMPOSSIBLE.to_string(), 2 * pairs.pairs));
        splits
            .chain(shifts)
            .chain(oracle)
            .chain(impossible)
            .collect()
    }

    /// Looks and shapes of pictures mean nothing where none are drawn.
    fn check_observe(&self) -> Result<()> {
        let Some(observe) = &self.observe else {
            return Ok(());
        };
        observe.places(&self.simulator.state_columns())?;
        let drawn = self.shifts.values().any(|shift| !shift.video.is_empty());
        match self.video == Video::default() && !drawn {
            true => Ok(()),
            false => {
                let expected =
                    "no video beside data.observe, whose vectors take the place of pictures";
                Err(wrong("video", expected, "one"))
            }
        }
    }

    /// Names and units of what is observed in place of pictures; none where pictures are drawn.
    pub fn observed_columns(&self) -> Vec<Column> {
        let states = self.simulator.state_columns();
        let observe = self.observe.as_ref();
        let places = observe.and_then(|observe| observe.places(&states).ok());
        let places = places.unwrap_or_default();
        places.into_iter().map(|at| states[at].clone()).collect()
    }

    /// (C, H, W) of a frame; (D, 1, 1) where a frame is a vector of D columns.
    pub fn frame_shape(&self) -> [usize; 3] {
        if let Some(observe) = &self.observe {
            return [observe.columns.len(), 1, 1];
        }
        [self.video.channels(), self.video.height, self.video.width]
    }

    /// Names of what is counted in every interval: the world's contacts, and violations where there are pairs.
    pub fn event_columns(&self) -> Vec<Column> {
        let mut columns = self.simulator.event_columns();
        columns.extend(self.impossible.iter().flat_map(Impossible::columns));
        columns
    }

    /// Number of sequences in every shard of a split of `sequences`.
    pub(super) fn shards(&self, sequences: usize) -> impl Iterator<Item = usize> + use<> {
        shards(sequences, self.sequences_per_shard)
    }
}

/// Number of sequences in every shard of a split of `sequences`, at most `most` in each: all full but the last.
pub(super) fn shards(sequences: usize, most: usize) -> impl Iterator<Item = usize> {
    (0..sequences.div_ceil(most)).map(move |shard| most.min(sequences - shard * most))
}

/// A simulator's complaints below `section`: each of their lines begins with a key.
pub(super) fn below(section: &str, error: simulators::Error) -> Error {
    let message = error.to_string();
    let lines: Vec<_> = message
        .lines()
        .map(|line| format!("{section}.{line}"))
        .collect();
    Error::Experiment(lines.join("\n"))
}

/// Checks the splits of a dataset: the needed ones are there, and every name can name a folder.
///
/// # Errors
/// [`Error::Experiment`] names `section`, what was expected and got.
pub(super) fn check_splits(section: &str, splits: &IndexMap<String, usize>) -> Result<()> {
    let wrong = |key: &str, expected: String, got: String| {
        Error::Experiment(format!("{section}.{key}: expected {expected}, got {got}"))
    };
    let needed = NEEDED.map(|name| match splits.contains_key(name) {
        true => Ok(()),
        false => {
            let got: Vec<_> = splits.keys().map(String::as_str).collect();
            Err(wrong("splits", format!("a split {name}"), got.join(", ")))
        }
    });
    let each = splits.iter().flat_map(|(name, &sequences)| {
        let some = match sequences {
            0 => Err(wrong(
                &format!("splits.{name}"),
                "at least 1".into(),
                "0".into(),
            )),
            _ => Ok(()),
        };
        [check_name(&format!("{section}.splits"), name), some]
    });
    all(needed.into_iter().chain(each))
}

/// A split is a folder and a part of a stream's name.
fn check_name(key: &str, name: &str) -> Result<()> {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.is_empty() || name.len() > 64 || !name.chars().all(letter) {
        return Err(Error::Experiment(format!(
            "{key}: expected names of at most 64 lower-case letters, digits and _, got {name:?}"
        )));
    }
    Ok(())
}

pub(super) fn wrong(
    key: &str,
    expected: impl std::fmt::Display,
    got: impl std::fmt::Display,
) -> Error {
    Error::Experiment(format!("data.{key}: expected {expected}, got {got}"))
}

fn at_least_one(key: &str, got: usize) -> Result<()> {
    if got == 0 {
        return Err(wrong(key, "at least 1", got));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const YAML: &str = "
simulator: { bouncing_ball: {} }
frames: 20
dt: 0.2
splits: { train: 7, validation: 1, test: 2 }
sequences_per_shard: 3
";

    fn config() -> DataConfig {
        serde_yaml::from_str(YAML).unwrap()
    }

    #[test]
    fn yaml_and_json_come_back_as_the_same_config() {
        let config = config();
        config.check().unwrap();
        let yaml = serde_yaml::to_string(&config).unwrap();
        assert_eq!(serde_yaml::from_str::<DataConfig>(&yaml).unwrap(), config);
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<DataConfig>(&json).unwrap(), config);
    }

    #[test]
    fn shards_are_full_but_the_last() {
        let lengths = |n| config().shards(n).collect::<Vec<_>>();
        assert_eq!(lengths(7), [3, 3, 1]);
        assert_eq!(lengths(6), [3, 3]);
        assert_eq!(lengths(1), [1]);
    }

    #[test]
    fn a_wrong_value_is_named_with_key_expected_and_got() {
        let refused = |change: &dyn Fn(&mut DataConfig)| {
            let mut config = config();
            change(&mut config);
            let error = config.check().unwrap_err();
            assert_eq!(error.exit_code(), 2);
            error.to_string()
        };
        assert_eq!(
            refused(&|c| c.frames = 0),
            "data.frames: expected at least 1, got 0"
        );
        assert_eq!(
            refused(&|c| c.dt = f64::NAN),
            "data.dt: expected a finite time above 0 s, got NaN"
        );
        assert_eq!(
            refused(&|c| c.sequences_per_shard = 0),
            "data.sequences_per_shard: expected at least 1, got 0"
        );
        assert_eq!(
            refused(&|c| {
                c.splits.shift_remove("test");
            }),
            "data.splits: expected a split test, got train, validation"
        );
        assert_eq!(
            refused(&|c| {
                c.splits.insert("validation".into(), 0);
            }),
            "data.splits.validation: expected at least 1, got 0"
        );
        for name in ["../up", "a/b", "", "Train", "é"] {
            let message = refused(&|c| {
                c.splits.insert(name.into(), 1);
            });
            assert!(message.ends_with(&format!("got {name:?}")), "{message}");
        }
        let message = refused(&|c| c.video.width = 1);
        assert!(
            message.starts_with("data.video.width: expected"),
            "{message}"
        );
    }
}
