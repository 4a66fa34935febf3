//! Files that appear whole or not at all: written beside their place, synced to disk, then renamed over it.

use crate::error::{Error, Result};
use crate::store::checksum::{Checksum, Hasher};
use crate::store::lock::host;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers the temporary files of this process, so that two writers of one path never share one.
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// Enough that a frame of usual size is one system call.
const BUFFER: usize = 256 * 1024;

/// A file being written: it takes its place on [`finish`](Self::finish), and leaves nothing behind when dropped before.
#[derive(Debug)]
pub struct AtomicFile {
    path: PathBuf,
    temporary: PathBuf,
    /// `None` once finished.
    file: Option<BufWriter<File>>,
    hash: Hasher,
}

impl AtomicFile {
    /// Starts a file in the folder of `path`, which must exist.
    ///
    /// # Errors
    /// [`Error::Io`] when the folder is missing or not writable.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        let Some(name) = path.file_name() else {
            return Err(Error::file(&path, "expected a file name, got a folder"));
        };
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = name.to_string_lossy();
        // Two machines may write into one folder, and two containers both be process 1.
        let (host, process) = (host(), std::process::id());
        let temporary = path.with_file_name(format!(".{name}.{host}-{process}-{count}.tmp"));
        let file = File::create(&temporary).map_err(Error::io(&path))?;
        Ok(Self {
            path,
            temporary,
            file: Some(BufWriter::with_capacity(BUFFER, file)),
            hash: Hasher::default(),
        })
    }

    /// Where the file will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// [`Error::Io`], for example on a full disk.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some(file) = &mut self.file {
            file.write_all(bytes).map_err(Error::io(&self.path))?;
        }
        self.hash.update(bytes);
        Ok(())
    }

    /// Syncs the file to disk and puts it in its place; gives its size and SHA-256.
    ///
    /// # Errors
    /// [`Error::Io`]; what stood at the path before is then untouched.
    pub fn finish(mut self) -> Result<Checksum> {
        if let Some(file) = self.file.take() {
            let commit = || -> std::io::Result<()> {
                let file = file.into_inner().map_err(|e| e.into_error())?;
                file.sync_all()?;
                fs::rename(&self.temporary, &self.path)?;
                sync_folder(&self.path)
            };
            if let Err(error) = commit() {
                let _ = fs::remove_file(&self.temporary);
                return Err(Error::io(&self.path)(error));
            }
        }
        Ok(std::mem::take(&mut self.hash).finish())
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // Nobody is left to tell; a leftover is swept by `remove_leftovers`.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Makes a new name durable: syncs the folder that holds `path`. Folders cannot be opened for this on Windows, where it is
/// not needed.
///
/// # Errors
/// What the system says.
pub fn sync_folder(path: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    File::open(folder_of(path))?.sync_all()?;
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

#[cfg(unix)]
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Writes a whole file at once.
///
/// # Errors
/// [`Error::Io`]; what stood at the path before is then untouched.
pub fn write_atomic(path: impl AsRef<Path>, bytes: &[u8]) -> Result<Checksum> {
    let mut file = AtomicFile::create(path)?;
    file.write(bytes)?;
    file.finish()
}

/// Removes the temporary files that a killed process left in a folder.
///
/// # Errors
/// [`Error::Io`] when the folder cannot be read or a leftover not removed.
pub fn remove_leftovers(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
        let entry = entry.map_err(Error::io(folder))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') && name.ends_with(".tmp") {
            fs::remove_file(entry.path()).map_err(Error::io(entry.path()))?;
        }
    }
    Ok(())
}

/// The same for a folder and all folders below it; links are not followed.
///
/// # Errors
/// As [`remove_leftovers`].
pub fn remove_leftovers_below(folder: &Path) -> Result<()> {
    remove_leftovers(folder)?;
    for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
        let entry = entry.map_err(Error::io(folder))?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_leftovers_below(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn an_unfinished_file_leaves_the_old_one_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.bin");
        write_atomic(&path, b"old").unwrap();
        let mut file = AtomicFile::create(&path).unwrap();
        file.write(&[7; 1_000_000]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        drop(file);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(dir.path()), ["a.bin"]);
    }

    #[test]
    fn a_finished_file_holds_what_was_written_and_tells_its_checksum() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.bin");
        let mut file = AtomicFile::create(&path).unwrap();
        file.write(b"ab").unwrap();
        file.write(b"c").unwrap();
        let sum = file.finish().unwrap();
        assert_eq!(sum, Checksum::of_bytes(b"abc"));
        assert_eq!(sum, Checksum::of_file(&path).unwrap());
        assert_eq!(names(dir.path()), ["a.bin"]);
    }

    #[test]
    fn leftovers_of_a_killed_writer_are_swept_and_other_files_stay() {
        let dir = tempfile::tempdir().unwrap();
        write_atomic(dir.path().join("keep.tmp"), b"x").unwrap();
        std::mem::forget(AtomicFile::create(dir.path().join("b")).unwrap());
        assert_eq!(names(dir.path()).len(), 2);
        remove_leftovers(dir.path()).unwrap();
        assert_eq!(names(dir.path()), ["keep.tmp"]);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = write_atomic("/nonexistent-folder/a.bin", b"x").unwrap_err();
        assert!(error.to_string().contains("/nonexistent-folder/a.bin"));
    }
}
