//! Splits whose worlds differ from those that a model learns from: distribution shift.

use super::config::{DataConfig, NEEDED, below, wrong};
use crate::error::{Error, Result, all};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use simulators::{AnySimulator, Video};

/// Some keys of a section with new values.
pub type Changes = Map<String, Value>;

/// A split with other parameters than `data.simulator` and `data.video` have.
///
/// ```yaml
/// shifts:
///   fast_balls: { sequences: 500, simulator: { speed: { uniform: { low: 20, high: 30 } } } }
///   noisy: { sequences: 500, video: { looks: { noise_std: 0.1 } } }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Shift {
    /// Number of sequences.
    #[schemars(range(min = 1))]
    pub sequences: usize,
    /// The world's parameters that differ, with their values: `speed: 20`. Others stay; a law is replaced as a whole.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub simulator: Changes,
    /// What differs in how it is drawn: `looks: { noise_std: 0.1 }`. Size, colour and camera must stay.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub video: Changes,
}

impl DataConfig {
    /// World and video of a split, with the pictures that the world shows.
    ///
    /// # Errors
    /// [`Error::Experiment`] names the shift whose changes do not fit; pictures that can't be read.
    pub fn of_split(&self, split: &str) -> Result<(AnySimulator, Video)> {
        let (simulator, video) = self.settings_of(split)?;
        Ok((self.showing(simulator)?, video))
    }

    /// The same without pictures.
    fn settings_of(&self, split: &str) -> Result<(AnySimulator, Video)> {
        let Some(shift) = self.shifts.get(split) else {
            return Ok((self.simulator.clone(), self.video.clone()));
        };
        let at = |part: &str, message: String| {
            Error::Experiment(format!("data.shifts.{split}.{part}: {message}"))
        };
        // The world's parameters are below its name.
        let name = self.simulator.name();
        let below = Map::from_iter([(name.to_string(), Value::Object(shift.simulator.clone()))]);
        Ok((
            changed(&self.simulator, &below).map_err(|e| at("simulator", e))?,
            changed(&self.video, &shift.video).map_err(|e| at("video", e))?,
        ))
    }

    /// Checks the shifts: each gives worlds that exist, with the same columns and the same view.
    ///
    /// # Errors
    /// [`Error::Experiment`] names the shift, what was expected and got.
    pub(super) fn check_shifts(&self) -> Result<()> {
        let check = |(split, shift)| self.check_shift(split, shift);
        all(self.shifts.iter().map(check))
    }

    fn check_shift(&self, split: &String, shift: &Shift) -> Result<()> {
        let key = |part: &str| format!("shifts.{split}.{part}");
        if self.splits.contains_key(split) || NEEDED.contains(&split.as_str()) {
            let expected = "a name that no split has";
            return Err(wrong(&format!("shifts.{split}"), expected, split));
        }
        if shift.sequences == 0 {
            return Err(wrong(&key("sequences"), "at least 1", 0));
        }
        let (simulator, video) = self.settings_of(split)?;
        let section = format!("data.shifts.{split}");
        // Its keys are those below the simulator's name.
        let name = format!("{}.", simulator.name());
        let world = new_complaints(simulator.check(), self.simulator.check(), &name);
        let film = new_complaints(video.check(), self.video.check(), "");
        all([
            world.map_err(|e| below(&format!("{section}.simulator"), e)),
            film.map_err(|e| below(&section, e)),
        ])?;
        let columns = |simulator: &AnySimulator, video: &Video| {
            let mut parameters = simulator.parameter_columns();
            parameters.extend(video.looks.columns(&simulator.parts()));
            [
                simulator.state_columns(),
                simulator.event_columns(),
                simulator.action_columns(),
                parameters,
            ]
        };
        let (want, got) = (
            columns(&self.simulator, &self.video),
            columns(&simulator, &video),
        );
        if let Some((want, got)) = want.iter().zip(&got).find(|(want, got)| want != got) {
            let names = |columns: &[simulators::Column]| {
                let names: Vec<_> = columns.iter().map(|c| c.name.as_str()).collect();
                names.join(", ")
            };
            let expected = format!(
                "the columns of data.simulator and data.video, {}",
                names(want)
            );
            return Err(wrong(&format!("shifts.{split}"), expected, names(got)));
        }
        let seen = |simulator: &AnySimulator, video: &Video| {
            let camera = video.camera(simulator.view());
            (camera, video.channels(), video.height, video.width)
        };
        let (want, got) = (seen(&self.simulator, &self.video), seen(&simulator, &video));
        if want != got {
            let expected = format!("the view of data.video, {want:?} (camera, C, H, W)");
            let message = "; name a data.video.camera that holds for all splits";
            return Err(wrong(
                &format!("shifts.{split}"),
                expected,
                format!("{got:?}{message}"),
            ));
        }
        Ok(())
    }
}

/// The complaints that were not there `before`, without the start of their paths.
fn new_complaints(
    now: std::result::Result<(), simulators::Error>,
    before: std::result::Result<(), simulators::Error>,
    start: &str,
) -> std::result::Result<(), simulators::Error> {
    let Err(simulators::Error::Parameter(now)) = now else {
        return now;
    };
    let before = before.err().map_or(String::new(), |e| e.to_string());
    let new = now
        .lines()
        .filter(|line| before.lines().all(|old| old != *line));
    let new: Vec<&str> = new
        .map(|line| line.strip_prefix(start).unwrap_or(line))
        .collect();
    match new.is_empty() {
        true => Ok(()),
        false => Err(simulators::Error::Parameter(new.join("\n"))),
    }
}

/// A section with some keys changed.
fn changed<T: Serialize + DeserializeOwned>(
    base: &T,
    changes: &Changes,
) -> std::result::Result<T, String> {
    let mut tree = serde_json::to_value(base).map_err(|e| e.to_string())?;
    merge(&mut tree, &Value::Object(changes.clone()));
    serde_json::from_value(tree).map_err(|e| e.to_string())
}

/// Names of laws: a map with one of them is a value, not a section.
const LAWS: [&str; 3] = ["uniform", "normal", "clipped_normal"];

/// Puts the changes into the tree: sections key by key, everything else as a whole.
fn merge(tree: &mut Value, changes: &Value) {
    let is_law = |value: &Value| {
        let keys = value.as_object().map(|map| map.keys());
        keys.is_some_and(|mut keys| keys.any(|key| LAWS.contains(&key.as_str())))
    };
    let laws = is_law(tree) || is_law(changes);
    match (tree, changes) {
        (Value::Object(tree), Value::Object(changes)) if !laws => {
            for (key, value) in changes {
                merge(tree.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (tree, changes) => *tree = changes.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(shifts: &str) -> DataConfig {
        let yaml = format!(
            "simulator: {{ occluded_ball: {{ ball: {{ restitution: 0.9 }} }} }}\n\
             frames: 20\ndt: 0.2\nsplits: {{ train: 7, validation: 1, test: 2 }}\nshifts: {{ {shifts} }}\n"
        );
        serde_yaml::from_str(&yaml).unwrap()
    }

    #[test]
    fn a_shift_changes_what_it_names_and_nothing_else() {
        let config = config(
            "fast: { sequences: 3, simulator: { ball: { speed: { clipped_normal: { mean: 20, std: 1, low: 15, high: 25 } } } } }, \
             noisy: { sequences: 2, video: { looks: { noise_std: 0.1 } } }",
        );
        config.check().unwrap();
        let (AnySimulator::OccludedBall(base), AnySimulator::OccludedBall(fast)) =
            (config.simulator.clone(), config.of_split("fast").unwrap().0)
        else {
            panic!("another world")
        };
        let speed = simulators::Distribution::ClippedNormal {
            mean: 20.0,
            std: 1.0,
            low: 15.0,
            high: 25.0,
        };
        let mut want = base;
        want.ball.speed = speed;
        assert_eq!(fast, want);
        let (simulator, video) = config.of_split("noisy").unwrap();
        assert_eq!(simulator, config.simulator);
        assert_eq!(
            video.looks.noise_std,
            simulators::Distribution::Constant(0.1)
        );
        assert_eq!(
            config.of_split("test").unwrap(),
            (config.simulator.clone(), config.video.clone())
        );
        let all = config.all_splits();
        let all: Vec<_> = all.iter().map(|(name, n)| (name.as_str(), *n)).collect();
        assert_eq!(
            all,
            [
                ("train", 7),
                ("validation", 1),
                ("test", 2),
                ("fast", 3),
                ("noisy", 2)
            ]
        );
        let yaml = serde_yaml::to_string(&config).unwrap();
        assert_eq!(serde_yaml::from_str::<DataConfig>(&yaml).unwrap(), config);
    }

    #[test]
    fn a_shift_that_does_not_fit_is_named_with_what_is_wrong() {
        for (shifts, parts) in [
            (
                "test: { sequences: 1 }",
                ["data.shifts.test: expected", "no split has"],
            ),
            (
                "odd: { sequences: 0 }",
                ["data.shifts.odd.sequences: expected", "got 0"],
            ),
            (
                "odd: { sequences: 1, simulator: { ball: { sped: 3 } } }",
                ["data.shifts.odd.simulator: ", "unknown field `sped`"],
            ),
            (
                "odd: { sequences: 1, simulator: { ball: { speed: -3 } } }",
                ["data.shifts.odd.simulator.ball.speed: expected", "got -3"],
            ),
            (
                "odd: { sequences: 1, video: { width: 64 } }",
                ["data.shifts.odd: expected the view", "32"],
            ),
            (
                "odd: { sequences: 1, simulator: { ball: { drag: 0.5 } } }",
                ["data.shifts.odd: expected the columns", "drag"],
            ),
            (
                "Odd: { sequences: 1 }",
                ["data.shifts: expected", "\"Odd\""],
            ),
        ] {
            let error = config(shifts).check().unwrap_err().to_string();
            assert!(parts.iter().all(|part| error.contains(part)), "{error}");
        }
    }
}
