//! Who may write into a dataset's folder: one generation, or any number of makers of single shards.
//!
//! ```text
//! .lock                    held alone by what completes the dataset, shared by makers of single shards
//! .begin.lock              held alone for the moment in which a maker of shards looks what the folder holds
//! .<split>-<shard>.lock    held alone by the maker of one shard
//! ```

use crate::error::{Error, Result};
use crate::interrupt;
use crate::progress::Progress;
use crate::store::lock::{Lock, Share};
use std::path::Path;

/// Whether somebody has worked in the folder.
pub(super) fn is_there(dir: &Path) -> bool {
    dir.join(".lock").exists()
}

/// Waits until nobody else works in the folder. A folder that can't be written is not locked: it can only be read.
pub(super) fn alone(dir: &Path, progress: &Progress) -> Result<Lock> {
    take(dir, ".lock", Share::Alone, "this dataset", progress)
}

/// Waits until nobody completes the dataset.
pub(super) fn among_others(dir: &Path, progress: &Progress) -> Result<Lock> {
    take(dir, ".lock", Share::Shared, "this dataset", progress)
}

/// Waits for the moment in which one looks what the folder holds.
pub(super) fn begin(dir: &Path, progress: &Progress) -> Result<Lock> {
    take(dir, ".begin.lock", Share::Alone, "this dataset", progress)
}

/// Waits until nobody makes this shard.
pub(super) fn shard(dir: &Path, split: &str, i: usize, progress: &Progress) -> Result<Lock> {
    let what = format!("shard {i} of {split}");
    take(
        dir,
        &format!(".{split}-{i:05}.lock"),
        Share::Alone,
        &what,
        progress,
    )
}

/// Removes the lock files of single shards; to be called by who holds the folder alone.
pub(super) fn sweep(dir: &Path) -> Result<()> {
    for entry in std::fs::read_dir(dir).map_err(Error::io(dir))? {
        let entry = entry.map_err(Error::io(dir))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') && name.ends_with(".lock") && name != ".lock" {
            let _ = std::fs::remove_file(entry.path());
        }
    }
    Ok(())
}

fn take(dir: &Path, name: &str, share: Share, what: &str, progress: &Progress) -> Result<Lock> {
    let mut told = String::new();
    let mut busy = |who: &str| {
        // Once for each holder.
        if told != who {
            progress.say(&format!(
                "{}: {who} is making {what}; waits for it, and takes over should it die",
                dir.display()
            ));
            told = who.into();
        }
        interrupt::check()
    };
    match Lock::wait(&dir.join(name), share, &mut busy) {
        Err(Error::Io { .. }) => Ok(Lock::none()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_second_generation_in_the_same_folder_waits_says_for_whom_and_takes_over() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log.txt");
        let progress = Progress::new(true, Some(&log)).unwrap();
        let first = alone(dir.path(), &progress).unwrap();
        if !first.is_held() {
            println!("skipped: this file system has no locks");
            return;
        }
        let read = || std::fs::read_to_string(&log).unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| among_others(dir.path(), &progress).unwrap());
            while read().is_empty() {
                std::thread::sleep(Duration::from_millis(5));
            }
            let text = read();
            let who = format!(": process {} on ", std::process::id());
            assert!(
                text.contains(&who) && text.contains("is making this dataset; waits for it"),
                "{text}"
            );
            assert!(!second.is_finished());
            drop(first);
            second.join().unwrap();
        });
        assert_eq!(read().lines().count(), 1, "{}", read());
    }
}
