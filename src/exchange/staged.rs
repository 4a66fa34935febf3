//! Files that libraries or programs write themselves: made beside their place, renamed over it when whole.

use crate::error::{Error, Result};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers the files of this process.
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// A path to write to, removed again unless [`Staged::finish`] was called.
#[derive(Debug)]
pub(super) struct Staged {
    place: PathBuf,
    /// Where to write.
    pub path: PathBuf,
    finished: bool,
}

impl Staged {
    /// A path beside `place`, with its ending: programs choose the format by it.
    pub fn beside(place: &Path) -> Result<Self> {
        let Some(name) = place.file_name() else {
            return Err(Error::file(place, "expected a file name, got a folder"));
        };
        if let Some(folder) = place.parent() {
            std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
        }
        let (process, count) = (std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let name = name.to_string_lossy();
        let path = place.with_file_name(format!(".{process}-{count}.tmp.{name}"));
        Ok(Self {
            place: place.to_path_buf(),
            path,
            finished: false,
        })
    }

    /// Syncs the file to disk and puts it in its place.
    pub fn finish(mut self) -> Result<()> {
        let put = || {
            std::fs::File::open(&self.path)?.sync_all()?;
            std::fs::rename(&self.path, &self.place)?;
            crate::store::atomic::sync_folder(&self.place)
        };
        put().map_err(Error::io(&self.place))?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.finished {
            // It may not have been made yet; nobody is left to tell.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
