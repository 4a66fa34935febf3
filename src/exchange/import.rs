//! From somebody's recordings to a dataset folder: what is asked for, which reader takes it, and which split it goes to.

use super::look::{Crop, Look, Size};
use super::npz::Arrays;
use super::origin::Origin;
use super::sequence::{Cut, Reader, Sequence};
use super::spool::Spool;
use super::trajectories::{Trajectories, View};
use super::video::Video;
use super::{images, images::Clips};
use crate::data::{Columns, Import, ImportSource, NEEDED, record};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::seeds::Seeds;
use crate::store::checksum::Checksum;
use crate::store::npy_stream::NpyStream;
use indexmap::IndexMap;
use rand::seq::SliceRandom;
use serde::Serialize;
use simulators::{Camera, Column};
use std::path::Path;

/// Settings of an import, named as on the command line.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ImportOptions {
    /// Time between the frames of the source, s; what it tells itself when not given.
    pub dt: Option<f64>,
    /// Frames per sequence; whole sequences when not given, and [`USUAL_CLIP`] for pictures and video.
    pub clip: Option<usize>,
    /// Every how many frames one is taken; 0 and 1 take all.
    pub stride: usize,
    /// The part of the pictures that is kept.
    pub crop: Option<Crop>,
    /// The size that pictures get, or that trajectories are drawn at.
    pub scale: Option<Size>,
    /// Brightness in place of colour.
    pub grey: bool,
    /// The value of white in arrays: 255 for integers, 1 for floats when not given.
    pub white: Option<f64>,
    /// Which array of an npz archive holds the frames.
    #[serde(rename = "frames")]
    pub frames_key: Option<String>,
    /// Which array of an npz archive holds the states.
    #[serde(rename = "states")]
    pub states_key: Option<String>,
    /// Leave states out.
    pub no_states: bool,
    /// Names and units of the state columns.
    pub columns: Option<Vec<Column>>,
    /// Frame t shows state t + offset.
    pub state_offset: i64,
    /// Adds a velocity for every column without one, by central differences.
    pub derive_velocities: bool,
    /// Radius of the ball that trajectories are drawn as, in the unit of the positions.
    pub radius: Option<f64>,
    /// The part of the world that trajectories are drawn in.
    pub view: Option<View>,
    /// Shuffles the sequences of each source before they go to splits.
    pub shuffle: Option<u64>,
    /// Sequences per shard; 500 when not given.
    pub sequences_per_shard: Option<usize>,
    /// Bytes that a source may unpack to, GiB; 1 or 250 times its own size when not given, whichever is more.
    pub limit_gib: Option<f64>,
}

/// Frames of a clip of pictures or video, where nothing else is asked for: that of the simulated worlds.
pub const USUAL_CLIP: usize = 20;

const GIB: f64 = (1u64 << 30) as f64;

impl ImportOptions {
    pub(super) fn look(&self) -> Look {
        Look {
            crop: self.crop,
            scale: self.scale,
            grey: self.grey,
        }
    }

    pub(super) fn cut(&self) -> Cut {
        Cut {
            stride: self.stride.max(1),
            clip: self.clip,
        }
    }

    fn check(&self) -> Result<()> {
        let wrong = |flag: &str, expected: &str, got: f64| {
            Error::Experiment(format!("--{flag}: expected {expected}, got {got}"))
        };
        for (flag, value) in [
            ("dt", self.dt),
            ("white", self.white),
            ("radius", self.radius),
            ("limit-gib", self.limit_gib),
        ] {
            if let Some(value) = value.filter(|v| !(v.is_finite() && *v > 0.0)) {
                return Err(wrong(flag, "a finite number above 0", value));
            }
        }
        if self.clip == Some(0) {
            return Err(wrong("clip", "at least 1 frame", 0.0));
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

    /// Bytes that a source may unpack to.
    fn limit(&self, path: &Path) -> u64 {
        let own = std::fs::metadata(path).map_or(0, |file| file.len());
        match self.limit_gib {
            Some(gib) => (gib * GIB) as u64,
            None => (GIB as u64).max(own.saturating_mul(250)),
        }
    }

    /// What was asked for, without what was not.
    fn settings(&self) -> Result<IndexMap<String, serde_json::Value>> {
        let all = serde_json::to_value(self).map_err(|e| Error::Experiment(e.to_string()))?;
        let asked =
            |value: &serde_json::Value| !(value.is_null() || *value == false || *value == 0);
        Ok(all
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(_, value)| asked(value))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }
}

/// `name:unit` or `name (unit)` or a name alone, whose unit is then px for x and y, px/s for vx and vy, and 1 for others.
pub fn column(text: &str) -> Column {
    let text = text.trim();
    let split = text.split_once(':').or_else(|| {
        let (name, unit) = text.split_once('(')?;
        Some((name, unit.strip_suffix(')')?))
    });
    let (name, unit) = match split {
        Some((name, unit)) => (name.trim(), unit.trim()),
        None => {
            let unit = match text {
                "x" | "y" | "z" => "px",
                "vx" | "vy" | "vz" => "px/s",
                _ => "1",
            };
            (text, unit)
        }
    };
    Column {
        name: name.into(),
        unit: unit.into(),
    }
}

/// Reads every source and writes the dataset folder `out`. Gives what was left out, in words.
///
/// # Errors
/// Whatever a reader refuses; sources that do not fit together; a folder that is there already. Nothing is left behind
/// then.
pub fn import(
    origins: &[Origin],
    out: &Path,
    options: &ImportOptions,
    progress: &Progress,
) -> Result<Vec<String>> {
    options.check()?;
    let splits = origins.iter().flat_map(|origin| &origin.shares);
    let splits: Vec<&str> = splits.map(|share| share.split.as_str()).collect();
    if let Some(missing) = NEEDED.iter().find(|needed| !splits.contains(needed)) {
        return Err(Error::Experiment(format!(
            "expected a source for the split {missing}, got {}; train:0.9,validation:0.1=PATH divides one source",
            splits.join(", ")
        )));
    }
    let mut gathered: Option<Gathered> = None;
    let mut notes = Vec::new();
    for origin in origins {
        let path = &origin.path;
        let limit = options.limit(path);
        let mut reader = open(path, out, limit, options)?;
        let this = Gathered {
            shape: reader.frame_shape(),
            columns: reader.columns(),
            camera: reader.camera(),
            dt: options
                .dt
                .map(|dt| dt * options.stride.max(1) as f64)
                .or(reader.dt()),
            splits: IndexMap::new(),
            spool: match &gathered {
                // The limit is on what is written in all.
                None => Spool::beside(out, limit)?,
                Some(_) => Spool::beside(out, 0)?,
            },
        };
        let all = match &mut gathered {
            None => gathered.insert(this),
            Some(all) => {
                all.fits(&this, path)?;
                all.spool.allow(limit);
                all
            }
        };
        let first = all.spool.len();
        while let Some(sequence) = reader.next()? {
            all.spool.push(&sequence, path)?;
        }
        notes.extend(
            reader
                .left_out()
                .map(|what| format!("{}: left out {what}", path.display())),
        );
        all.divide(origin, first, options)?;
    }
    let Some(mut all) = gathered else {
        return Err(Error::Experiment(
            "expected at least one source, got none".into(),
        ));
    };
    let first = origins.first().map_or(out, |origin| &origin.path);
    let Some(dt) = all.dt else {
        let message = "the time between frames is not told: give --dt SECONDS";
        return Err(Error::file(first, message));
    };
    let d = all.columns.state.len();
    let frames = all.spool.frames(all.shape);
    let added = match options.derive_velocities {
        true => velocities(&mut all.columns.state),
        false => Vec::new(),
    };
    let mut sources = Vec::new();
    for origin in origins {
        let path = &origin.path;
        sources.push(ImportSource {
            path: path.display().to_string(),
            checksum: match path.is_file() {
                true => Some(Checksum::of_file(path)?),
                false => None,
            },
        });
    }
    let import = Import {
        sources,
        settings: options.settings()?,
        frames,
        dt,
        frame_shape: all.shape,
        splits: all
            .splits
            .iter()
            .map(|(split, places)| (split.clone(), places.len()))
            .collect(),
        sequences_per_shard: options.sequences_per_shard.unwrap_or(500),
    };
    let Gathered {
        splits,
        mut spool,
        columns,
        camera,
        ..
    } = all;
    let sequence = |split: &str, i: usize| {
        let Sequence { frames, mut motion } = spool.read(splits[split][i])?;
        if !added.is_empty() {
            motion.states = with_velocities(&motion.states, d, &added, dt);
        }
        Ok((motion, frames))
    };
    record(out, import, &columns, camera, sequence, progress)?;
    Ok(notes)
}

/// The reader of a source, chosen by what it is.
fn open(path: &Path, out: &Path, limit: u64, options: &ImportOptions) -> Result<Box<dyn Reader>> {
    let clip = options.clip.unwrap_or(USUAL_CLIP);
    let stride = options.stride.max(1);
    if path.is_dir() {
        return Ok(Box::new(images::open(path, options.look(), stride, clip)?));
    }
    let ending = path.extension().map(|ending| ending.to_string_lossy());
    let ending = ending.unwrap_or_default().to_ascii_lowercase();
    Ok(match ending.as_str() {
        "npz" => Box::new(Arrays::open_npz(path, out, limit, options)?),
        "npy" if NpyStream::open(path, path)?.shape().len() > 3 => {
            Box::new(Arrays::open_npy(path, options)?)
        }
        "npy" | "csv" => Box::new(Trajectories::open(path, options)?),
        _ => {
            let video = Video::open(path, &options.look(), stride)?;
            // ffmpeg has cropped and scaled.
            let look = Look {
                grey: options.grey,
                ..Look::default()
            };
            Box::new(Clips::open(vec![Box::new(video)], look, clip, path)?)
        }
    })
}

/// What the sources gave so far.
struct Gathered {
    shape: [usize; 3],
    columns: Columns,
    camera: Option<Camera>,
    dt: Option<f64>,
    /// Places in the spool by split.
    splits: IndexMap<String, Vec<usize>>,
    spool: Spool,
}

impl Gathered {
    /// Checks that another source is of the same kind.
    fn fits(&self, other: &Self, path: &Path) -> Result<()> {
        let wrong = |what: &str, want: String, got: String| {
            let message = format!("expected {what} {want} as in the first source, got {got}");
            Err(Error::file(path, message))
        };
        if self.shape != other.shape {
            let (want, got) = (format!("{:?}", self.shape), format!("{:?}", other.shape));
            return wrong("frames of (C, H, W) =", want, got);
        }
        if self.columns != other.columns {
            let names = |columns: &Columns| super::arrays::names(&columns.state).join(", ");
            return wrong("state columns", names(&self.columns), names(&other.columns));
        }
        if self.dt != other.dt {
            let text = |dt: Option<f64>| dt.map_or("nothing".into(), |dt| format!("{dt} s"));
            return wrong("a time between frames of", text(self.dt), text(other.dt));
        }
        if self.camera != other.camera {
            let text = |camera: Option<Camera>| format!("{camera:?}");
            return wrong(
                "the view (--view, --radius)",
                text(self.camera),
                text(other.camera),
            );
        }
        Ok(())
    }

    /// Gives the sequences from `first` on to the origin's splits, in order or shuffled.
    fn divide(&mut self, origin: &Origin, first: usize, options: &ImportOptions) -> Result<()> {
        let mut places: Vec<usize> = (first..self.spool.len()).collect();
        if let Some(seed) = options.shuffle {
            places.shuffle(&mut Seeds::new(seed).stream("import/shuffle", first as u64));
        }
        let mut places = places.into_iter();
        for (share, count) in origin.shares.iter().zip(origin.divide(places.len())?) {
            let split = self.splits.entry(share.split.clone()).or_default();
            split.extend(places.by_ref().take(count));
        }
        Ok(())
    }
}

/// Appends a velocity column for every column that has none and is none; gives the places of their positions.
fn velocities(columns: &mut Vec<Column>) -> Vec<usize> {
    let places: Vec<usize> = (0..columns.len())
        .filter(|&j| {
            let name = format!("v{}", columns[j].name);
            let rate = columns[j].unit.contains("/s");
            !rate && columns.iter().all(|column| column.name != name)
        })
        .collect();
    for &j in &places {
        columns.push(Column {
            name: format!("v{}", columns[j].name),
            unit: format!("{}/s", columns[j].unit),
        });
    }
    places
}

/// States (T, D) with velocities of the columns `of` appended: central differences, one-sided at both ends.
fn with_velocities(states: &[f64], d: usize, of: &[usize], dt: f64) -> Vec<f64> {
    let total = states.len() / d.max(1);
    let mut wide = Vec::with_capacity(total * (d + of.len()));
    for t in 0..total {
        wide.extend_from_slice(&states[t * d..(t + 1) * d]);
        let (before, after) = (t.saturating_sub(1), (t + 1).min(total - 1));
        for &j in of {
            let change = states[after * d + j] - states[before * d + j];
            wide.push(change / (dt * (after - before).max(1) as f64));
        }
    }
    wide
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_read_with_or_without_units() {
        let read = |text: &str| {
            let column = column(text);
            (column.name, column.unit)
        };
        let pair = |a: &str, b: &str| (a.to_string(), b.to_string());
        assert_eq!(read("x:m"), pair("x", "m"));
        assert_eq!(read("angle (rad)"), pair("angle", "rad"));
        assert_eq!(read("vx"), pair("vx", "px/s"));
        assert_eq!(read("mass"), pair("mass", "1"));
    }

    #[test]
    fn derived_velocities_of_a_parabola_are_exact_inside() {
        let mut columns: Vec<Column> = ["x:m", "vx:m/s", "y:m"].map(column).into();
        let of = velocities(&mut columns);
        assert_eq!(of, [2]);
        assert_eq!(
            (columns[3].name.as_str(), columns[3].unit.as_str()),
            ("vy", "m/s")
        );
        // y = t^2 at dt = 0.5: central differences of a parabola are its derivative 2 t.
        let states: Vec<f64> = (0..5)
            .flat_map(|k| [1.0, 0.0, (0.5 * f64::from(k)).powi(2)])
            .collect();
        let wide = with_velocities(&states, 3, &of, 0.5);
        let speeds: Vec<f64> = wide.chunks_exact(4).map(|row| row[3]).collect();
        assert_eq!(speeds, [0.5, 1.0, 2.0, 3.0, 3.5]);
    }
}
