//! From sequences that somebody else recorded to a dataset folder, which appears whole or not at all.

use super::config::shards;
use super::import::Import;
use super::manifest::{Made, Manifest, Missing, Origin, arrays};
use super::shard::{self, ShardWriter, Shown};
use crate::error::{Error, Result};
use crate::motion::Skeleton;
use crate::progress::Progress;
use crate::store::atomic;
use crate::store::lock::host;
use indexmap::IndexMap;
use simulators::{Camera, Column, Trajectory};
use std::path::{Path, PathBuf};

/// Names and units of the columns of a dataset's arrays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Columns {
    /// Of the states, D; none for plain video.
    pub state: Vec<Column>,
    /// Of what is constant in a sequence, P.
    pub parameters: Vec<Column>,
    /// Of the contacts, E.
    pub events: Vec<Column>,
    /// Of the actions, A.
    pub actions: Vec<Column>,
    /// Of the vectors in place of frames; none for pictures.
    pub observed: Vec<Column>,
    /// Of the energies.
    pub energies: Vec<Column>,
}

/// One recorded sequence.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recorded {
    /// Its numbers; a state that is not known is NaN.
    pub motion: Trajectory,
    /// What is seen of it: frames (T, C, H, W), or vectors (T, D) where [`Columns::observed`] names them.
    pub shown: Shown,
    /// 1 for every frame that is seen and 0 for others, (T); empty where all frames of the dataset are.
    pub frame_seen: Vec<u8>,
}

/// What all sequences of a recording share.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Described {
    /// Names and units.
    pub columns: Columns,
    /// From world units to pixels, where it is known.
    pub camera: Option<Camera>,
    /// The skeleton whose motions these are, where they are some.
    pub skeleton: Option<Skeleton>,
    /// How many frames and values of states are not known.
    pub missing: Missing,
}

/// Writes a dataset folder. `sequence(split, i)` gives the i-th sequence of a split. One is held in memory at a time. The
/// folder is made beside its place and takes it when it is whole.
///
/// # Errors
/// Wrong settings, a folder that is there and holds something, arrays that do not fit, a state that is not finite and not
/// announced as missing, a full disk; nothing is left behind then.
pub fn record(
    dir: &Path,
    import: Import,
    described: &Described,
    mut sequence: impl FnMut(&str, usize) -> Result<Recorded>,
    progress: &Progress,
) -> Result<()> {
    import.check()?;
    free(dir)?;
    let folder = Beside::make(dir)?;
    let columns = &described.columns;
    let mut manifest = Manifest {
        frame_shape: import.frame_shape,
        camera: described.camera,
        skeleton: described.skeleton.clone(),
        missing: described.missing,
        arrays: arrays(
            &columns.observed,
            &columns.actions,
            &columns.energies,
            described.missing,
        ),
        observed_columns: columns.observed.clone(),
        state_columns: columns.state.clone(),
        parameter_columns: columns.parameters.clone(),
        event_columns: columns.events.clone(),
        action_columns: columns.actions.clone(),
        energy_columns: columns.energies.clone(),
        splits: IndexMap::new(),
        origin: Origin::new(Made::Imported(import)),
    };
    let sizes = manifest.sizes();
    let made = &manifest.origin.made;
    let all = made.splits();
    let total = all.values().map(|&n| n as u64).sum();
    let bar = progress.bar("import", total, "sequences");
    let mut splits = IndexMap::new();
    for (split, &sequences) in &all {
        let (mut entries, mut first) = (Vec::new(), 0);
        for (i, n) in shards(sequences, made.sequences_per_shard()).enumerate() {
            let at = shard::folder(&folder.path, split, i);
            let mut writer = ShardWriter::create(at, n, &sizes)?;
            for k in first..first + n {
                let one = sequence(split, k)?;
                manifest.check_sequence(split, k, &one.motion, &one.shown, &one.frame_seen)?;
                writer.push(&one.motion, &one.shown, &one.frame_seen)?;
                bar.advance(1);
            }
            entries.push(writer.finish()?);
            first += n;
        }
        let at = shard::folder(&folder.path, split, 0);
        atomic::sync_folder(&at).map_err(Error::io(&at))?;
        splits.insert(split.clone(), entries);
    }
    manifest.splits = splits;
    manifest.write(&folder.path)?;
    folder.finish(dir)
}

/// Checks that nothing stands where a dataset is to be.
///
/// # Errors
/// [`Error::File`] names what stands there.
fn free(dir: &Path) -> Result<()> {
    if !dir.exists() {
        return Ok(());
    }
    let mut entries = std::fs::read_dir(dir).map_err(Error::io(dir))?;
    match entries.next() {
        None => Ok(()),
        Some(entry) => {
            let name = entry.map_err(Error::io(dir))?.file_name();
            let name = name.to_string_lossy();
            Err(Error::file(
                dir,
                format!(
                    "expected a new or an empty folder, got one with {name}; remove it or choose another"
                ),
            ))
        }
    }
}

/// A folder in the making, removed when dropped before it took its place.
struct Beside {
    path: PathBuf,
    finished: bool,
}

impl Beside {
    fn make(dir: &Path) -> Result<Self> {
        let Some(name) = dir.file_name() else {
            return Err(Error::file(dir, "expected a folder with a name of its own"));
        };
        let name = format!(
            ".{}.{}-{}.importing",
            name.to_string_lossy(),
            host(),
            std::process::id()
        );
        let path = dir.with_file_name(name);
        if path.exists() {
            // Left by a killed process that had this number.
            std::fs::remove_dir_all(&path).map_err(Error::io(&path))?;
        }
        std::fs::create_dir_all(&path).map_err(Error::io(&path))?;
        Ok(Self {
            path,
            finished: false,
        })
    }

    fn finish(mut self, dir: &Path) -> Result<()> {
        if dir.exists() {
            std::fs::remove_dir(dir).map_err(Error::io(dir))?;
        }
        std::fs::rename(&self.path, dir).map_err(Error::io(dir))?;
        self.finished = true;
        atomic::sync_folder(dir).map_err(Error::io(dir))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if !self.finished {
            // Nobody is left to tell.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
