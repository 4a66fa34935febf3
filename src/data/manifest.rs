//! What a dataset folder says about itself.

use super::config::{DataConfig, shards};
use super::difference::differences;
use super::import::Import;
use super::oracle::ORACLE;
use super::shard::{ShardEntry, Shown, Sizes};
use crate::error::{Error, Result};
use crate::motion::Skeleton;
use crate::store::checksum::Checksum;
use crate::store::json;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use simulators::{Camera, Column, Trajectory, energy_columns};
use std::path::Path;

/// Name of the file, in the dataset's folder.
pub(super) const MANIFEST: &str = "manifest.json";
/// Stands beside the shards until the manifest is written: how they are being made.
pub(super) const UNFINISHED: &str = "unfinished.json";

const FORMAT: &str = "kinostate dataset";
/// Raised when a reader of the old layout would misread the new one.
const VERSION: u32 = 1;

/// How a dataset is made: enough to make it again, byte by byte.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// Always `kinostate dataset`.
    pub format: String,
    /// Version of the layout.
    pub format_version: u32,
    /// Name of the program that made it.
    pub generator: String,
    /// Version of that program.
    pub generator_version: String,
    /// From what it is made.
    #[serde(flatten)]
    pub made: Made,
}

/// From what a dataset is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(
    clippy::large_enum_variant,
    reason = "one a dataset: its size does not matter"
)]
pub enum Made {
    /// From a simulator: the configuration with all defaults filled in; its seed is the dataset's.
    #[serde(rename = "config")]
    Simulated(DataConfig),
    /// From somebody else's files.
    #[serde(rename = "import")]
    Imported(Import),
}

impl Made {
    /// Frames per sequence, T.
    pub fn frames(&self) -> usize {
        match self {
            Self::Simulated(config) => config.frames,
            Self::Imported(import) => import.frames,
        }
    }

    /// Time between frames, s.
    pub fn dt(&self) -> f64 {
        match self {
            Self::Simulated(config) => config.dt,
            Self::Imported(import) => import.dt,
        }
    }

    /// (C, H, W) of a frame; (D, 1, 1) where a frame is a vector of D columns.
    pub fn frame_shape(&self) -> [usize; 3] {
        match self {
            Self::Simulated(config) => config.frame_shape(),
            Self::Imported(import) => import.frame_shape,
        }
    }

    /// Number of sequences per split.
    pub fn splits(&self) -> IndexMap<String, usize> {
        match self {
            Self::Simulated(config) => config.all_splits(),
            Self::Imported(import) => import.splits.clone(),
        }
    }

    /// Sequences per shard.
    pub fn sequences_per_shard(&self) -> usize {
        match self {
            Self::Simulated(config) => config.sequences_per_shard,
            Self::Imported(import) => import.sequences_per_shard,
        }
    }

    fn check(&self) -> Result<()> {
        match self {
            Self::Simulated(config) => config.check(),
            Self::Imported(import) => import.check(),
        }
    }
}

impl Origin {
    /// That of this program and configuration.
    pub(super) fn new(made: Made) -> Self {
        Self {
            format: FORMAT.into(),
            format_version: VERSION,
            generator: env!("CARGO_PKG_NAME").into(),
            generator_version: env!("CARGO_PKG_VERSION").into(),
            made,
        }
    }

    fn check(&self, path: &Path) -> Result<()> {
        if self.format != FORMAT || self.format_version != VERSION {
            let (format, version) = (&self.format, self.format_version);
            let message =
                format!("expected {FORMAT:?} version {VERSION}, got {format:?} {version}");
            return Err(Error::file(path, message));
        }
        self.made
            .check()
            .map_err(|e| Error::file(path, e.to_string()))
    }

    /// Checks that a folder is being made, or was made, from the same configuration.
    pub(super) fn same_config(&self, dir: &Path, here: &DataConfig) -> Result<()> {
        let Made::Simulated(there) = &self.made else {
            let message = "holds an imported dataset. Remove the folder, choose another, or name it as `data: { dataset: .. }`";
            return Err(Error::file(dir, message));
        };
        let json = |config: &DataConfig| {
            serde_json::to_value(config).map_err(|e| Error::file(dir, e.to_string()))
        };
        let found = differences(&json(there)?, &json(here)?);
        if found.is_empty() {
            return Ok(());
        }
        let found = found.join("; ");
        Err(Error::file(
            dir,
            format!("holds another dataset: {found}. Remove the folder or choose another"),
        ))
    }
}

/// Reads the origin of an unfinished dataset.
pub(super) fn read_unfinished(dir: &Path) -> Result<Origin> {
    let path = dir.join(UNFINISHED);
    let origin: Origin = json::read(&path)?;
    origin.check(&path)?;
    Ok(origin)
}

/// The manifest of a finished dataset. The paths of its files are derived from split name and shard number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// How it was made.
    #[serde(flatten)]
    pub origin: Origin,
    /// What the arrays are, in words, for those who read them elsewhere.
    pub arrays: IndexMap<String, String>,
    /// (C, H, W) of a frame; (D, 1, 1) where a frame is a vector of D columns.
    pub frame_shape: [usize; 3],
    /// Name and unit of every component of the vectors in place of frames; none where frames are pictures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observed_columns: Vec<Column>,
    /// From world units to pixels; nothing where an imported dataset does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub camera: Option<Camera>,
    /// The joints whose motions these are: what belongs to what, and how long limbs are; none of other data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skeleton: Option<Skeleton>,
    /// Name and unit of every state column.
    pub state_columns: Vec<Column>,
    /// Name and unit of every parameter column.
    pub parameter_columns: Vec<Column>,
    /// Name and unit of every event column.
    pub event_columns: Vec<Column>,
    /// Name and unit of every action column; none in most worlds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub action_columns: Vec<Column>,
    /// Name and unit of every energy column; none where they are not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub energy_columns: Vec<Column>,
    /// What is not known of the frames and states; everything is in most datasets.
    #[serde(default, skip_serializing_if = "Missing::is_nothing")]
    pub missing: Missing,
    /// Shards of every split, in order.
    pub splits: IndexMap<String, Vec<ShardEntry>>,
}

/// What a dataset does not know: frames that a camera dropped, cells that a tracker left empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Missing {
    /// Frames that are not seen, over all splits. Where there are any, `frame_seen.npy` (n, T) is 0 for them and 1 for the
    /// others, and their pixels are 0.
    pub frames: u64,
    /// Values of states that are not known, over all splits. They are NaN in `states.npy`.
    pub states: u64,
}

impl Missing {
    /// Whether everything is known.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl Manifest {
    /// That of a dataset without shards yet.
    pub(super) fn new(config: &DataConfig) -> Self {
        let simulator = &config.simulator;
        let mut parameter_columns = simulator.parameter_columns();
        parameter_columns.extend(config.video.looks.columns(&simulator.parts()));
        let action_columns = simulator.action_columns();
        let energy_columns = energy_columns(&**simulator);
        let mut arrays = arrays(
            &config.observed_columns(),
            &action_columns,
            &energy_columns,
            Missing::default(),
        );
        if config.oracle.is_some() {
            let what = "f64 (n, M, H, D), split oracle only: state_columns of M true futures, \
                        row h - 1 is h frames after the last seen one";
            arrays.insert("futures".into(), what.into());
        }
        if config.impossible.is_some() {
            let what = "u8 (n, T, E): event_columns; number of contacts in the interval before frame t; \
                        impossible_<kind> is 1 where that happens";
            arrays.insert("events".into(), what.into());
        }
        Self {
            origin: Origin::new(Made::Simulated(config.clone())),
            arrays,
            frame_shape: config.frame_shape(),
            observed_columns: config.observed_columns(),
            camera: match config.observe {
                None => Some(config.video.camera(simulator.view())),
                Some(_) => None,
            },
            skeleton: None,
            state_columns: simulator.state_columns(),
            parameter_columns,
            event_columns: config.event_columns(),
            action_columns,
            energy_columns,
            missing: Missing::default(),
            splits: IndexMap::new(),
        }
    }

    /// Reads and checks the manifest of a dataset folder.
    ///
    /// # Errors
    /// [`Error::Io`] when there is none, [`Error::File`] when it contradicts itself.
    pub fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(MANIFEST);
        if !path.exists() && dir.join(UNFINISHED).exists() {
            let message = "its generation was not finished; generate it again to go on";
            return Err(Error::file(dir, message));
        }
        let mut written: Value = json::read(&path)?;
        let sealed = written
            .as_object_mut()
            .and_then(|keys| keys.shift_remove(CHECKSUM));
        let this = Self::deserialize(&written).map_err(|e| Error::file(&path, e.to_string()))?;
        this.origin.check(&path)?;
        let made = &this.origin.made;
        if this.frame_shape != made.frame_shape() {
            let (want, got) = (made.frame_shape(), this.frame_shape);
            return Err(Error::file(
                &path,
                format!("expected frame_shape {want:?} as in config, got {got:?}"),
            ));
        }
        if let Some(skeleton) = &this.skeleton {
            let wrong = |message| Error::file(&path, format!("skeleton: {message}"));
            skeleton.check().map_err(wrong)?;
        }
        let observed = this.observed_columns.len();
        if observed > 0 && this.frame_shape != [observed, 1, 1] {
            let got = this.frame_shape;
            return Err(Error::file(
                &path,
                format!(
                    "expected frame_shape [{observed}, 1, 1] for {observed} observed_columns, got {got:?}"
                ),
            ));
        }
        let names = |splits: Vec<&String>| format!("{splits:?}");
        let splits = made.splits();
        let (want, got) = (splits.keys(), this.splits.keys());
        if !want.clone().eq(got.clone()) {
            let (want, got) = (names(want.collect()), names(got.collect()));
            let message = format!("expected splits {want} as in config, got {got}");
            return Err(Error::file(&path, message));
        }
        for (split, entries) in &this.splits {
            let (sequences, most) = (splits[split], made.sequences_per_shard());
            let got = entries.iter().map(|shard| shard.sequences);
            if !shards(sequences, most).eq(got) {
                let got = entries.len();
                return Err(Error::file(
                    &path,
                    format!(
                        "split {split}: expected {sequences} sequences in shards of {most}, got {got} shards that differ"
                    ),
                ));
            }
        }
        this.check_seal(&path, &written, sealed.as_ref())?;
        Ok(this)
    }

    /// That nothing was changed since the manifest was written, not even where the change makes sense: a seed, a unit.
    fn check_seal(&self, path: &Path, written: &Value, sealed: Option<&Value>) -> Result<()> {
        let own = json_of(path, self)?;
        let known = |key: &&String| own.get(key.as_str()).is_some();
        if let Some(key) = written
            .as_object()
            .and_then(|keys| keys.keys().find(|k| !known(k)))
        {
            return Err(Error::file(path, format!("unknown key {key:?}")));
        }
        let got = checksum(path, written)?;
        match sealed {
            // Written by another program: its files have checksums of their own.
            None => Ok(()),
            Some(Value::String(want)) if *want == got => Ok(()),
            Some(want) => Err(Error::file(
                path,
                format!("altered: expected {CHECKSUM} {want}, got \"{got}\""),
            )),
        }
    }

    pub(super) fn write(&self, dir: &Path) -> Result<()> {
        let path = dir.join(MANIFEST);
        let mut value = json_of(&path, self)?;
        let sum = checksum(&path, &value)?;
        if let Some(keys) = value.as_object_mut() {
            keys.insert(CHECKSUM.into(), Value::String(sum));
        }
        json::write(path, &value)?;
        Ok(())
    }

    pub(super) fn sizes(&self) -> Sizes {
        Sizes {
            frames: self.origin.made.frames(),
            frame_shape: self.frame_shape,
            vectors: !self.observed_columns.is_empty(),
            state: self.state_columns.len(),
            parameters: self.parameter_columns.len(),
            events: self.event_columns.len(),
            actions: self.action_columns.len(),
            energies: self.energy_columns.len(),
            frame_seen: self.missing.frames > 0,
            futures: None,
        }
    }

    /// The same of one split.
    pub(super) fn sizes_of(&self, split: &str) -> Sizes {
        let futures = match &self.origin.made {
            Made::Simulated(config) if split == ORACLE => config.oracle,
            _ => None,
        };
        Sizes {
            futures: futures.map(|oracle| [oracle.futures, oracle.horizon]),
            ..self.sizes()
        }
    }

    /// Wrong numbers are stopped here, by name, before they reach a file.
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::Numeric`] with split and sequence, expected and got.
    pub(super) fn check_sequence(
        &self,
        split: &str,
        i: usize,
        motion: &Trajectory,
        shown: &Shown,
        seen: &[u8],
    ) -> Result<()> {
        let sizes = self.sizes();
        let [c, h, w] = sizes.frame_shape;
        for (what, want, got) in [
            ("states", sizes.frames * sizes.state, motion.states.len()),
            ("parameters", sizes.parameters, motion.parameters.len()),
            ("events", sizes.frames * sizes.events, motion.events.len()),
            (
                "event_times",
                sizes.frames * sizes.events,
                motion.event_times.len(),
            ),
            (
                "actions",
                sizes.frames * sizes.actions,
                motion.actions.len(),
            ),
            (
                "energies",
                sizes.frames * sizes.energies,
                motion.energies.len(),
            ),
            (
                "frames",
                sizes.frames * c * h * w * usize::from(!sizes.vectors),
                shown.pictures().len(),
            ),
            (
                "values of vectors",
                sizes.frames * c * usize::from(sizes.vectors),
                shown.vectors().len(),
            ),
            (
                "entries of frame_seen",
                sizes.frames * usize::from(sizes.frame_seen),
                seen.len(),
            ),
        ] {
            if want != got {
                return Err(Error::Shape(format!(
                    "{split} sequence {i}: expected {want} {what}, got {got}"
                )));
            }
        }
        let finite = |what: &str, columns: &[Column], values: &[f64]| {
            // A state may be unknown where the manifest says that some are.
            let unknown = what == "states" && self.missing.states > 0;
            let wrong = |value: &f64| !(value.is_finite() || unknown && value.is_nan());
            let Some(at) = values.iter().position(wrong) else {
                return Ok(());
            };
            let (row, column) = (at / columns.len(), &columns[at % columns.len()].name);
            let got = values[at];
            Err(Error::Numeric(format!(
                "{split} sequence {i}: expected finite {what}, got {column} = {got} in row {row}"
            )))
        };
        finite("states", &self.state_columns, &motion.states)?;
        finite("parameters", &self.parameter_columns, &motion.parameters)?;
        finite("actions", &self.action_columns, &motion.actions)?;
        finite("energies", &self.energy_columns, &motion.energies)?;
        let vectors: Vec<f64> = shown.vectors().iter().map(|&x| f64::from(x)).collect();
        finite("vectors", &self.observed_columns, &vectors)
    }
}

/// Key of the checksum of everything else in the file.
const CHECKSUM: &str = "checksum";

fn json_of(path: &Path, manifest: &Manifest) -> Result<Value> {
    serde_json::to_value(manifest).map_err(|e| Error::file(path, e.to_string()))
}

/// SHA-256 of the compact JSON, so that white space does not count.
fn checksum(path: &Path, value: &Value) -> Result<String> {
    let text = serde_json::to_vec(value).map_err(|e| Error::file(path, e.to_string()))?;
    Ok(Checksum::of_bytes(&text).sha256)
}

/// What every array is, in words.
pub(super) fn arrays(
    observed: &[Column],
    actions: &[Column],
    energies: &[Column],
    missing: Missing,
) -> IndexMap<String, String> {
    let mut arrays = vec![
        (
            "frames",
            "u8 (n, T, C, H, W): 0 = black, 255 = white, row 0 at the top",
        ),
        (
            "states",
            "f64 (n, T, D): state_columns; state t is the state drawn in frame t",
        ),
        (
            "parameters",
            "f64 (n, P): parameter_columns, drawn once per sequence",
        ),
        (
            "events",
            "u8 (n, T, E): event_columns; number of contacts in the interval before frame t",
        ),
        (
            "event_times",
            "f64 (n, T, E): time of the first of them since the sequence began, s; NaN where there was none",
        ),
    ];
    if !observed.is_empty() {
        arrays[0] = (
            "vectors",
            "f32 (n, T, D): observed_columns, what is seen of frame t",
        );
        arrays[1].1 = "f64 (n, T, D): state_columns; state t is that of frame t";
    }
    if !actions.is_empty() {
        arrays.push((
            "actions",
            "f64 (n, T, A): action_columns; action t acts from frame t to frame t+1",
        ));
    }
    if !energies.is_empty() {
        arrays.push(("energies", "f64 (n, T, 2): energy_columns of state t"));
    }
    if missing.states > 0 {
        arrays[1].1 = match observed.is_empty() {
            true => {
                "f64 (n, T, D): state_columns; state t is the state drawn in frame t; NaN where it is not known"
            }
            false => {
                "f64 (n, T, D): state_columns; state t is that of frame t; NaN where it is not known"
            }
        };
    }
    if missing.frames > 0 {
        arrays.push((
            "frame_seen",
            "u8 (n, T): 1 where frame t is seen, 0 where it is missing and its pixels are 0",
        ));
    }
    let owned = |(name, what): (&str, &str)| (name.to_string(), what.to_string());
    arrays.into_iter().map(owned).collect()
}
