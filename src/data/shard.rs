//! One shard on disk: five to nine arrays of the same sequences, and their checksums.

use crate::error::{Error, Result};
use crate::store::checksum::Checksum;
use crate::store::json;
use crate::store::npy::{Element, Npy, NpyWriter};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Sizes that all sequences of a dataset share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Frames per sequence, T.
    pub frames: usize,
    /// (C, H, W) of a frame; (D, 1, 1) of vectors.
    pub frame_shape: [usize; 3],
    /// Whether frames are vectors.
    pub vectors: bool,
    /// State columns, D.
    pub state: usize,
    /// Parameter columns, P.
    pub parameters: usize,
    /// Event columns, E.
    pub events: usize,
    /// Action columns, A; 0: there is no such array.
    pub actions: usize,
    /// Energy columns; 0: there is no such array.
    pub energies: usize,
    /// Whether some frames are not seen: then an array tells which are.
    pub frame_seen: bool,
    /// (M, H): true futures of every sequence and their frames, in the split that has them.
    pub futures: Option<[usize; 2]>,
}

impl Sizes {
    /// None where frames are vectors.
    fn frames(&self, n: usize) -> Option<[usize; 5]> {
        let [c, h, w] = self.frame_shape;
        (!self.vectors).then_some([n, self.frames, c, h, w])
    }
    /// None where frames are pictures.
    fn vectors(&self, n: usize) -> Option<[usize; 3]> {
        self.vectors
            .then_some([n, self.frames, self.frame_shape[0]])
    }
    fn states(&self, n: usize) -> [usize; 3] {
        [n, self.frames, self.state]
    }
    fn parameters(&self, n: usize) -> [usize; 2] {
        [n, self.parameters]
    }
    fn events(&self, n: usize) -> [usize; 3] {
        [n, self.frames, self.events]
    }
    /// None where the worlds of the dataset have none.
    fn actions(&self, n: usize) -> Option<[usize; 3]> {
        (self.actions > 0).then_some([n, self.frames, self.actions])
    }
    /// None where every frame of the dataset is seen.
    fn frame_seen(&self, n: usize) -> Option<[usize; 2]> {
        self.frame_seen.then_some([n, self.frames])
    }
    /// None where the worlds of the dataset have none.
    fn energies(&self, n: usize) -> Option<[usize; 3]> {
        (self.energies > 0).then_some([n, self.frames, self.energies])
    }
    /// None but in the split that has them.
    fn futures(&self, n: usize) -> Option<[usize; 4]> {
        self.futures.map(|[m, h]| [n, m, h, self.state])
    }
}

/// What a finished shard is: an entry of the manifest, and the content of its `shard.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardEntry {
    /// Number of sequences, n.
    pub sequences: usize,
    /// `frames.npy`, where frames are pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frames: Option<Checksum>,
    /// `vectors.npy`, where they are vectors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vectors: Option<Checksum>,
    /// `states.npy`.
    pub states: Checksum,
    /// `parameters.npy`.
    pub parameters: Checksum,
    /// `events.npy`.
    pub events: Checksum,
    /// `event_times.npy`.
    pub event_times: Checksum,
    /// `actions.npy`, where there are actions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions: Option<Checksum>,
    /// `energies.npy`, where energies are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energies: Option<Checksum>,
    /// `frame_seen.npy`, where some frames of the dataset are not seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_seen: Option<Checksum>,
    /// `futures.npy`, in the split that has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub futures: Option<Checksum>,
}

impl ShardEntry {
    /// Bytes on disk.
    pub fn bytes(&self) -> u64 {
        let files = [&self.states, &self.parameters];
        let files = files.into_iter().chain(&self.frames).chain(&self.vectors);
        let files = files.chain([&self.events, &self.event_times]);
        let files = files.chain(&self.actions).chain(&self.energies);
        let files = files.chain(&self.frame_seen).chain(&self.futures);
        // The files exist, so their sizes add up to less than 2^64; a forged manifest must not panic.
        files.fold(0, |sum, file| sum.saturating_add(file.bytes))
    }
}

/// What is seen of one sequence.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    /// Frames (T, C, H, W).
    Pictures(Vec<u8>),
    /// Vectors (T, D).
    Vectors(Vec<f32>),
}

impl Default for Shown {
    fn default() -> Self {
        Self::Pictures(Vec::new())
    }
}

impl Shown {
    /// Frames (T, C, H, W); empty for vectors.
    pub fn pictures(&self) -> &[u8] {
        match self {
            Self::Pictures(frames) => frames,
            Self::Vectors(_) => &[],
        }
    }

    /// Vectors (T, D); empty for pictures.
    pub fn vectors(&self) -> &[f32] {
        match self {
            Self::Pictures(_) => &[],
            Self::Vectors(vectors) => vectors,
        }
    }
}

/// Folder of a shard. Paths are always made here, never read from a file.
pub(super) fn folder(dir: &Path, split: &str, shard: usize) -> PathBuf {
    dir.join(split).join(format!("shard-{shard:05}"))
}

/// A shard being written.
pub(super) struct ShardWriter {
    folder: PathBuf,
    sequences: usize,
    frames: Option<NpyWriter<u8>>,
    vectors: Option<NpyWriter<f32>>,
    states: NpyWriter<f64>,
    parameters: NpyWriter<f64>,
    events: NpyWriter<u8>,
    event_times: NpyWriter<f64>,
    actions: Option<NpyWriter<f64>>,
    energies: Option<NpyWriter<f64>>,
    frame_seen: Option<NpyWriter<u8>>,
    futures: Option<NpyWriter<f64>>,
}

impl ShardWriter {
    /// Starts a shard of `n` sequences in place of whatever the folder held.
    pub(super) fn create(folder: PathBuf, n: usize, sizes: &Sizes) -> Result<Self> {
        if folder.exists() {
            std::fs::remove_dir_all(&folder).map_err(Error::io(&folder))?;
        }
        std::fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
        Ok(Self {
            sequences: n,
            frames: sizes
                .frames(n)
                .map(|shape| NpyWriter::create(folder.join("frames.npy"), &shape))
                .transpose()?,
            vectors: sizes
                .vectors(n)
                .map(|shape| NpyWriter::create(folder.join("vectors.npy"), &shape))
                .transpose()?,
            states: NpyWriter::create(folder.join("states.npy"), &sizes.states(n))?,
            parameters: NpyWriter::create(folder.join("parameters.npy"), &sizes.parameters(n))?,
            events: NpyWriter::create(folder.join("events.npy"), &sizes.events(n))?,
            event_times: NpyWriter::create(folder.join("event_times.npy"), &sizes.events(n))?,
            actions: sizes
                .actions(n)
                .map(|shape| NpyWriter::create(folder.join("actions.npy"), &shape))
                .transpose()?,
            energies: sizes
                .energies(n)
                .map(|shape| NpyWriter::create(folder.join("energies.npy"), &shape))
                .transpose()?,
            frame_seen: sizes
                .frame_seen(n)
                .map(|shape| NpyWriter::create(folder.join("frame_seen.npy"), &shape))
                .transpose()?,
            futures: sizes
                .futures(n)
                .map(|shape| NpyWriter::create(folder.join("futures.npy"), &shape))
                .transpose()?,
            folder,
        })
    }

    /// Appends one sequence, whose sizes the caller has checked; `seen` (T) tells which frames are, where some are not.
    pub(super) fn push(
        &mut self,
        motion: &simulators::Trajectory,
        shown: &Shown,
        seen: &[u8],
    ) -> Result<()> {
        if let Some(frames) = &mut self.frames {
            frames.push(shown.pictures())?;
        }
        if let Some(vectors) = &mut self.vectors {
            vectors.push(shown.vectors())?;
        }
        self.states.push(&motion.states)?;
        self.parameters.push(&motion.parameters)?;
        self.events.push(&motion.events)?;
        self.event_times.push(&motion.event_times)?;
        if let Some(actions) = &mut self.actions {
            actions.push(&motion.actions)?;
        }
        if let Some(energies) = &mut self.energies {
            energies.push(&motion.energies)?;
        }
        if let Some(frame_seen) = &mut self.frame_seen {
            frame_seen.push(seen)?;
        }
        Ok(())
    }

    /// Appends the true futures (M, H, D) of one sequence, where the split has them.
    pub(super) fn push_futures(&mut self, states: &[f64]) -> Result<()> {
        match &mut self.futures {
            Some(futures) => futures.push(states),
            None => Ok(()),
        }
    }

    /// Puts the arrays in their places, and then `shard.json`, which says that they are whole.
    pub(super) fn finish(self) -> Result<ShardEntry> {
        let entry = ShardEntry {
            sequences: self.sequences,
            frames: self.frames.map(NpyWriter::finish).transpose()?,
            vectors: self.vectors.map(NpyWriter::finish).transpose()?,
            states: self.states.finish()?,
            parameters: self.parameters.finish()?,
            events: self.events.finish()?,
            event_times: self.event_times.finish()?,
            actions: self.actions.map(NpyWriter::finish).transpose()?,
            energies: self.energies.map(NpyWriter::finish).transpose()?,
            frame_seen: self.frame_seen.map(NpyWriter::finish).transpose()?,
            futures: self.futures.map(NpyWriter::finish).transpose()?,
        };
        json::write(self.folder.join("shard.json"), &entry)?;
        Ok(entry)
    }
}

/// The entry of a shard that was finished before, if its files are still what it says.
pub(super) fn finished(folder: &Path, n: usize, sizes: &Sizes) -> Option<ShardEntry> {
    let entry: ShardEntry = json::read(folder.join("shard.json")).ok()?;
    (entry.sequences == n && OpenShard::open(folder, &entry, sizes).is_ok()).then_some(entry)
}

/// A shard that was opened: sizes, shapes and checksums are as its entry says.
#[derive(Debug)]
pub(super) struct OpenShard {
    pub frames: Option<Npy<u8>>,
    pub vectors: Option<Npy<f32>>,
    pub states: Npy<f64>,
    pub parameters: Npy<f64>,
    pub events: Npy<u8>,
    pub event_times: Npy<f64>,
    pub actions: Option<Npy<f64>>,
    pub energies: Option<Npy<f64>>,
    pub frame_seen: Option<Npy<u8>>,
    pub futures: Option<Npy<f64>>,
}

impl OpenShard {
    /// Maps the arrays and checks them.
    pub(super) fn open(folder: &Path, entry: &ShardEntry, sizes: &Sizes) -> Result<Self> {
        let n = entry.sequences;
        let path = |name| folder.join(name);
        Ok(Self {
            frames: optional(&path("frames.npy"), sizes.frames(n), entry.frames.as_ref())?,
            vectors: optional(
                &path("vectors.npy"),
                sizes.vectors(n),
                entry.vectors.as_ref(),
            )?,
            states: array(&path("states.npy"), &sizes.states(n), &entry.states)?,
            parameters: array(
                &path("parameters.npy"),
                &sizes.parameters(n),
                &entry.parameters,
            )?,
            events: array(&path("events.npy"), &sizes.events(n), &entry.events)?,
            event_times: array(
                &path("event_times.npy"),
                &sizes.events(n),
                &entry.event_times,
            )?,
            actions: optional(
                &path("actions.npy"),
                sizes.actions(n),
                entry.actions.as_ref(),
            )?,
            energies: optional(
                &path("energies.npy"),
                sizes.energies(n),
                entry.energies.as_ref(),
            )?,
            frame_seen: optional(
                &path("frame_seen.npy"),
                sizes.frame_seen(n),
                entry.frame_seen.as_ref(),
            )?,
            futures: optional(
                &path("futures.npy"),
                sizes.futures(n),
                entry.futures.as_ref(),
            )?,
        })
    }
}

/// An array that is there in some datasets: announced in the manifest and with a checksum, or with neither.
fn optional<T: Element, const AXES: usize>(
    path: &Path,
    shape: Option<[usize; AXES]>,
    checksum: Option<&Checksum>,
) -> Result<Option<Npy<T>>> {
    match (shape, checksum) {
        (Some(shape), Some(checksum)) => array(path, &shape, checksum).map(Some),
        (None, None) => Ok(None),
        (shape, _) => {
            let (want, got) = match shape {
                Some(_) => ("a checksum, as the manifest tells of it", "none"),
                None => ("no checksum, as the manifest does not tell of it", "one"),
            };
            Err(Error::file(path, format!("expected {want}, got {got}")))
        }
    }
}

fn array<T: Element>(path: &Path, shape: &[usize], checksum: &Checksum) -> Result<Npy<T>> {
    checksum.verify_size_of(path)?;
    let npy = Npy::open_shaped(path, shape)?;
    npy.verify(checksum)?;
    Ok(npy)
}
