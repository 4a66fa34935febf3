//! What `meta/info.json` says, read and written.

use super::INFO;
use crate::error::{Error, Result};
use crate::store::json;
use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::Value;
use simulators::Column;
use std::ops::Range;
use std::path::Path;

/// The part of it that is read here.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Info {
    codebase_version: String,
    pub total_episodes: usize,
    pub total_frames: usize,
    #[serde(default)]
    pub total_tasks: usize,
    pub fps: f64,
    #[serde(default)]
    pub splits: IndexMap<String, String>,
    #[serde(default)]
    pub video_path: Option<String>,
    pub features: IndexMap<String, Feature>,
}

/// One column.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Feature {
    pub dtype: String,
    pub shape: Vec<usize>,
    /// A list, a map of one list (`motors`), or nothing.
    #[serde(default)]
    names: Value,
    /// Ours: the units of the names.
    #[serde(default)]
    units: Option<Vec<String>>,
}

impl Info {
    /// Reads and checks that of a folder.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::File`] for what is no such file, or of another version.
    pub fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(INFO);
        let info: Self = json::read(&path)?;
        let wrong = |message: String| Err(Error::file(&path, message));
        if !info.codebase_version.starts_with("v3.") {
            return wrong(format!(
                "expected codebase_version v3.0, got {}; `python -m lerobot.datasets.v30.convert_dataset_v21_to_v30` makes v3.0 of v2.1",
                info.codebase_version
            ));
        }
        if !(info.fps.is_finite() && info.fps > 0.0) {
            return wrong(format!("expected fps above 0, got {}", info.fps));
        }
        if info.total_episodes == 0 {
            return wrong("expected episodes, got total_episodes 0".into());
        }
        Ok(info)
    }

    /// The episodes of a split.
    ///
    /// # Errors
    /// [`Error::File`] for a split that is not there, or a range that is none.
    pub fn episodes(&self, dir: &Path, split: &str) -> Result<Range<usize>> {
        let wrong = |message: String| Error::file(dir.join(INFO), message);
        let text = self.splits.get(split).ok_or_else(|| {
            let there: Vec<_> = self.splits.keys().map(String::as_str).collect();
            wrong(format!(
                "expected a split {split}, got {}",
                there.join(", ")
            ))
        })?;
        let range = text.split_once(':').and_then(|(from, to)| {
            let range = from.trim().parse().ok()?..to.trim().parse().ok()?;
            (range.start < range.end && range.end <= self.total_episodes).then_some(range)
        });
        range.ok_or_else(|| {
            wrong(format!(
                "splits.{split}: expected FIRST:END within the {} episodes, got {text:?}",
                self.total_episodes
            ))
        })
    }

    /// Features of pictures, in order.
    pub fn cameras(&self) -> Vec<&str> {
        let picture = |feature: &Feature| matches!(feature.dtype.as_str(), "image" | "video");
        let all = self.features.iter();
        all.filter(|(_, feature)| picture(feature))
            .map(|(name, _)| name.as_str())
            .collect()
    }
}

impl Feature {
    /// Numbers of a row.
    pub fn width(&self) -> usize {
        self.shape
            .iter()
            .try_fold(1usize, |product, &n| product.checked_mul(n))
            .unwrap_or(usize::MAX)
    }

    /// Names and units of its numbers: those that it tells where there are as many and all differ, else numbered ones.
    pub fn columns(&self, feature: &str) -> Vec<Column> {
        let list = match &self.names {
            Value::Array(list) => Some(list),
            Value::Object(map) if map.len() == 1 => map.values().next().and_then(Value::as_array),
            _ => None,
        };
        let told: Vec<String> = list
            .into_iter()
            .flatten()
            .filter_map(|name| name.as_str().map(String::from))
            .collect();
        let different: std::collections::HashSet<_> = told.iter().collect();
        let names = match told.len() == self.width() && different.len() == told.len() {
            true => told,
            false => {
                let short = feature.rsplit('.').next().unwrap_or(feature);
                (0..self.width()).map(|k| format!("{short}_{k}")).collect()
            }
        };
        let units = self
            .units
            .clone()
            .filter(|units| units.len() == names.len());
        let units = units.unwrap_or_else(|| vec!["1".into(); names.len()]);
        names
            .into_iter()
            .zip(units)
            .map(|(name, unit)| Column { name, unit })
            .collect()
    }
}

/// Frames a second of frames `dt` s apart: a whole number where it is one but for rounding, as LeRobot expects it.
pub(super) fn rate(dt: f64) -> Value {
    let rate = 1.0 / dt;
    match (rate - rate.round()).abs() < 1e-9 * rate && rate >= 0.5 {
        true => Value::from(rate.round() as u64),
        false => Value::from(rate),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_whole_where_it_is_but_for_rounding() {
        assert_eq!(rate(0.2), Value::from(5));
        assert_eq!(rate(1.0 / 30.0), Value::from(30));
        assert_eq!(rate(0.3), Value::from(1.0 / 0.3));
        assert_eq!(rate(4.0), Value::from(0.25));
    }

    #[test]
    fn names_are_a_list_or_a_map_of_one_and_numbered_where_they_do_not_differ() {
        let names = |json: &str| -> Vec<String> {
            let feature: Feature = serde_json::from_str(json).unwrap();
            let columns = feature.columns("observation.state");
            columns.into_iter().map(|column| column.name).collect()
        };
        let list = r#"{"dtype": "float32", "shape": [2], "names": ["x", "y"]}"#;
        assert_eq!(names(list), ["x", "y"]);
        let map = r#"{"dtype": "float32", "shape": [2], "names": {"motors": ["a", "b"]}}"#;
        assert_eq!(names(map), ["a", "b"]);
        let twice = r#"{"dtype": "float32", "shape": [2], "names": ["grip", "grip"]}"#;
        assert_eq!(names(twice), ["state_0", "state_1"]);
        let none = r#"{"dtype": "float32", "shape": [1], "names": null}"#;
        assert_eq!(names(none), ["state_0"]);
    }
}
