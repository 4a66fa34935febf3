//! One generation at a time in a folder: two would remove each other's unfinished shards.

use crate::error::{Error, Result};
use std::fs::{File, TryLockError};
use std::path::Path;

/// The system's lock on a folder, freed when dropped or when the process ends in whatever way.
#[derive(Debug)]
pub(super) struct Lock(Option<File>);

impl Lock {
    /// Locks a folder. File systems without locks on folders (some NFS, Windows) go unlocked.
    pub(super) fn take(dir: &Path) -> Result<Self> {
        let Ok(folder) = File::open(dir) else {
            return Ok(Self(None));
        };
        match folder.try_lock() {
            Err(TryLockError::WouldBlock) => Err(Error::file(
                dir,
                "another process is generating this dataset; wait for it",
            )),
            Ok(()) => Ok(Self(Some(folder))),
            Err(TryLockError::Error(_)) => Ok(Self(None)),
        }
    }

    /// Whether the file system gave the lock.
    #[cfg(test)]
    fn is_held(&self) -> bool {
        self.0.is_some()
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file frees the lock; the field is read here so that it is plain why it is kept.
        drop(self.0.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_generation_in_the_same_folder_is_refused_until_the_first_ends() {
        let dir = tempfile::tempdir().unwrap();
        let first = Lock::take(dir.path()).unwrap();
        if !first.is_held() {
            println!("skipped: this file system has no locks on folders");
            return;
        }
        let error = Lock::take(dir.path()).unwrap_err().to_string();
        assert!(error.contains("another process is generating"), "{error}");
        drop(first);
        Lock::take(dir.path()).unwrap();
    }
}
