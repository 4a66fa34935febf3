//! Settings of an import, named as on the command line, and which of them a kind of source takes.

use super::axes::Axes;
use super::kinds::Kind;
use super::look::{Crop, Look, Shade, Size};
use super::mocap::Length;
use super::sequence::Cut;
use super::table::{Decimal, Separator};
use super::trajectories::View;
use crate::error::{Error, Result};
use indexmap::IndexMap;
use serde::Serialize;
use simulators::Column;
use std::path::Path;

/// Settings of an import, named as on the command line.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ImportOptions {
    /// Time between the frames of the source, s; what it tells itself when not given.
    pub dt: Option<f64>,
    /// Frames a second that a video is brought to, by repeating and dropping frames.
    pub fps: Option<f64>,
    /// Frames per sequence; whole sequences when not given, and [`USUAL_CLIP`] for pictures and video.
    pub clip: Option<usize>,
    /// Frames from the start of a clip to that of the next; as many as a clip has when not given, so that none overlap.
    pub hop: Option<usize>,
    /// Clips go beyond a recording's end, up to half of them, with missing frames.
    pub pad: bool,
    /// Every how many frames one is taken; 0 and 1 take all.
    pub stride: usize,
    /// The part of the pictures that is kept.
    pub crop: Option<Crop>,
    /// The size that pictures get, or that trajectories are drawn at.
    pub scale: Option<Size>,
    /// Brightness in place of colour.
    pub grey: bool,
    /// What stands behind transparent pixels; black when not given.
    pub background: Option<Shade>,
    /// The value of white in arrays: 255 for integers, 1 for floats when not given.
    pub white: Option<f64>,
    /// What the axes of an array of frames are.
    pub axes: Option<Axes>,
    /// Which array of an archive holds the frames.
    #[serde(rename = "frames")]
    pub frames_key: Option<String>,
    /// Which array of an archive holds the states; beside pictures and video, the table that does.
    #[serde(rename = "states")]
    pub states_key: Option<String>,
    /// Leave states out.
    pub no_states: bool,
    /// Names and units of the state columns; of a table also which of its columns are states.
    pub columns: Option<Vec<Column>>,
    /// Frame t shows state t + offset.
    pub state_offset: i64,
    /// Adds a velocity for every column without one, by central differences.
    pub derive_velocities: bool,
    /// State columns that are observed as vectors, in place of pictures.
    pub observe: Option<Vec<String>>,
    /// Radius of the ball that trajectories are drawn as, in the unit of the positions.
    pub radius: Option<f64>,
    /// The part of the world that trajectories are drawn in.
    pub view: Option<View>,
    /// The unit of lengths of a BVH file; its own, unknown one when not given.
    pub unit: Option<Length>,
    /// From where a motion's figure is seen, degrees about the vertical; 0 looks along -z when not given.
    pub azimuth: Option<f64>,
    /// The column of a table that tells its tracks apart.
    pub track: Option<String>,
    /// What stands between the cells of a table; told from the file when not given.
    pub separator: Option<Separator>,
    /// The decimal sign of a table; told from the file when not given.
    pub decimal: Option<Decimal>,
    /// Points of a tracker with a lower score are not known.
    pub min_score: Option<f64>,
    /// Keeps what can be read of a damaged video.
    pub keep_good: bool,
    /// Shuffles the sequences of each source before they go to splits.
    pub shuffle: Option<u64>,
    /// Sequences per shard; 500 when not given.
    pub sequences_per_shard: Option<usize>,
    /// Bytes that a source may unpack to, GiB; 1 or 250 times its own size when not given, whichever is more.
    pub limit_gib: Option<f64>,
}

/// Frames of a clip of pictures or video, where nothing else is asked for: that of the simulated worlds.
pub const USUAL_CLIP: usize = 20;

pub(super) const GIB: f64 = (1u64 << 30) as f64;

impl ImportOptions {
    pub(super) fn look(&self) -> Look {
        Look {
            crop: self.crop,
            scale: self.scale,
            grey: self.grey,
            background: self.background.unwrap_or_default(),
        }
    }

    pub(super) fn cut(&self) -> Cut {
        Cut {
            stride: self.stride.max(1),
            clip: self.clip,
            hop: self.hop,
            pad: self.pad,
        }
    }

    /// Checks what does not depend on the sources.
    ///
    /// # Errors
    /// [`Error::Experiment`] names the flag, what was expected and got.
    pub(super) fn check(&self) -> Result<()> {
        let wrong = |flag: &str, expected: &str, got: f64| {
            Error::Experiment(format!("--{flag}: expected {expected}, got {got}"))
        };
        for (flag, value) in [
            ("dt", self.dt),
            ("fps", self.fps),
            ("white", self.white),
            ("radius", self.radius),
            ("limit-gib", self.limit_gib),
        ] {
            if let Some(value) = value.filter(|v| !(v.is_finite() && *v > 0.0)) {
                return Err(wrong(flag, "a finite number above 0", value));
            }
        }
        if let (Some(dt), Some(fps)) = (self.dt, self.fps) {
            return Err(Error::Experiment(format!(
                "--dt {dt} and --fps {fps}: expected one of them; --fps takes frames by their times, --dt says how far apart all are"
            )));
        }
        if self.clip == Some(0) {
            return Err(wrong("clip", "at least 1 frame", 0.0));
        }
        if self.hop == Some(0) {
            return Err(wrong("hop", "at least 1 frame", 0.0));
        }
        for (flag, given) in [("hop", self.hop.is_some()), ("pad", self.pad)] {
            if given && self.clip.is_none() {
                let message = format!("--{flag}: expected --clip T beside it, got none");
                return Err(Error::Experiment(message));
            }
        }
        if let Some(azimuth) = self.azimuth.filter(|v| !v.is_finite()) {
            return Err(wrong("azimuth", "a finite number of degrees", azimuth));
        }
        let mut names = std::collections::HashSet::new();
        for column in self.columns.iter().flatten() {
            if column.name.is_empty() || !names.insert(&column.name) {
                return Err(Error::Experiment(format!(
                    "--columns: expected different names, got {:?} twice or empty",
                    column.name
                )));
            }
        }
        Ok(())
    }

    /// Checks that every flag that was given means something to one of the sources at least.
    ///
    /// # Errors
    /// [`Error::Experiment`] names the flag, what the source is and which flags it takes.
    pub(super) fn check_flags(&self, sources: &[(&Path, Kind)]) -> Result<()> {
        for flag in self.settings()?.keys() {
            let takes = |kind: Kind| {
                kind.flags().contains(&flag.as_str())
                    || COMMON.contains(&flag.as_str())
                    || self.states_key.is_some() && kind.of_states().contains(&flag.as_str())
            };
            if sources.iter().any(|(_, kind)| takes(*kind)) {
                continue;
            }
            let Some((path, kind)) = sources.first() else {
                continue;
            };
            let dashed = |flag: &&str| format!("--{flag}");
            let own: Vec<String> = kind.flags().iter().map(dashed).collect();
            let with = match kind.of_states().contains(&flag.as_str()) {
                true => " without --states TABLE",
                false => "",
            };
            return Err(Error::Experiment(format!(
                "--{flag} does not apply to {}, {}{with}; what does: {}, and --{}",
                path.display(),
                kind.words(),
                own.join(", "),
                COMMON.join(", --"),
            )));
        }
        Ok(())
    }

    /// Bytes that a source may unpack to.
    pub(super) fn limit(&self, path: &Path) -> u64 {
        let own = std::fs::metadata(path).map_or(0, |file| file.len());
        match self.limit_gib {
            Some(gib) => (gib * GIB) as u64,
            None => (GIB as u64).max(own.saturating_mul(250)),
        }
    }

    /// What was asked for, without what was not.
    pub(super) fn settings(&self) -> Result<IndexMap<String, serde_json::Value>> {
        let all = serde_json::to_value(self).map_err(|e| Error::Experiment(e.to_string()))?;
        let asked =
            |value: &serde_json::Value| !(value.is_null() || *value == false || *value == 0);
        let asked = |(key, value): &(&String, &serde_json::Value)| match key.as_str() {
            "stride" => asked(value) && **value != 1,
            // Seed 0 and a score of 0 are asked for too.
            "shuffle" | "min-score" | "azimuth" => !value.is_null(),
            _ => asked(value),
        };
        Ok(all
            .as_object()
            .into_iter()
            .flatten()
            .filter(asked)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }
}

/// Flags that every source takes.
const COMMON: [&str; 7] = [
    "dt",
    "observe",
    "clip",
    "stride",
    "shuffle",
    "sequences-per-shard",
    "limit-gib",
];

/// `name:unit` or `name (unit)` or a name alone, whose unit is then px for x and y, px/s for vx and vy, and 1 for
/// others.
pub fn column(text: &str) -> Column {
    let text = text.trim();
    let split = text.split_once(':').or_else(|| {
        let (name, unit) = text.split_once('(')?;
        Some((name, unit.strip_suffix(')')?))
    });
    let (name, unit) = match split {
        Some((name, unit)) => (name.trim(), unit.trim()),
        None => (text, usual_unit(text)),
    };
    Column {
        name: name.into(),
        unit: unit.into(),
    }
}

/// The unit of a column that tells none.
pub(super) fn usual_unit(name: &str) -> &'static str {
    match name {
        "x" | "y" | "z" => "px",
        "vx" | "vy" | "vz" => "px/s",
        _ => "1",
    }
}
