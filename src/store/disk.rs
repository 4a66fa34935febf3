//! Room on a disk, looked at before something large is written.

use crate::error::{Error, Result};
use std::path::Path;

/// Bytes that can still be written where `path` is or will be; `None` where the system does not tell.
pub fn free(path: &Path) -> Option<u64> {
    // The folder itself need not be there yet.
    let there = std::path::absolute(path).ok()?;
    let there = there.ancestors().find(|folder| folder.exists())?;
    free_at(there)
}

#[cfg(unix)]
fn free_at(folder: &Path) -> Option<u64> {
    use std::os::unix::ffi::OsStrExt;
    let name = std::ffi::CString::new(folder.as_os_str().as_bytes()).ok()?;
    // SAFETY: all bits zero is a value of this plain struct.
    let mut found: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: the name ends with a zero byte, and the struct outlives the call.
    let told = unsafe { libc::statvfs(name.as_ptr(), &raw mut found) } == 0;
    #[allow(clippy::useless_conversion)] // 32 bits on some systems
    let bytes = |blocks: libc::fsblkcnt_t| u64::from(blocks).checked_mul(found.f_frsize);
    told.then(|| bytes(found.f_bavail)).flatten()
}

#[cfg(not(unix))]
fn free_at(_: &Path) -> Option<u64> {
    None
}

/// Bytes of all files in a folder and below; 0 where there is none.
pub fn used(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => used(&entry.path()),
        Ok(data) => data.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

/// Refuses to write `needed` bytes where fewer are `free`.
///
/// # Errors
/// [`Error::Experiment`] names `what`, the place, both numbers and the ways out.
pub fn check(what: &str, path: &Path, needed: u64, free: Option<u64>) -> Result<()> {
    match free {
        Some(free) if needed > free => Err(Error::Experiment(format!(
            "{what} would take {} ({needed} bytes) and {} ({free} bytes) are free at {}: make room, take fewer or smaller \
             frames, name a folder on another disk (`--out`), or say `--ignore-disk`",
            size(needed),
            size(free),
            path.display()
        ))),
        _ => Ok(()),
    }
}

/// "1.2 GB".
fn size(bytes: u64) -> String {
    let units = [("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)];
    let bytes = bytes as f64;
    let large = units.iter().find(|(_, unit)| bytes >= *unit);
    large.map_or(format!("{bytes} B"), |(name, unit)| {
        format!("{:.1} {name}", bytes / unit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_with_both_numbers_and_the_ways_out() {
        let path = Path::new("results/large/data");
        check("data", path, 500, Some(500)).unwrap();
        check("data", path, u64::MAX, None).unwrap();
        let error = check("data", path, 61_440_000_000, Some(3_200)).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let said = error.to_string();
        for part in [
            "61.4 GB (61440000000 bytes)",
            "3.2 kB (3200 bytes)",
            "results/large/data",
            "--ignore-disk",
        ] {
            assert!(said.contains(part), "{part:?} is not in {said:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_disk_tells_its_room_also_for_a_folder_that_is_not_there_yet() {
        let dir = tempfile::tempdir().unwrap();
        let below = free(&dir.path().join("not/there/yet")).unwrap();
        assert!(below > 0 && below < 1 << 60, "{below}");
        std::fs::create_dir(dir.path().join("a")).unwrap();
        std::fs::write(dir.path().join("a/b"), [0; 700]).unwrap();
        assert_eq!(used(dir.path()), 700);
    }
}
