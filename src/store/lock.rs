//! Locks between processes and machines: a file that says who holds it, freed when its process ends in whatever way.

use crate::error::{Error, Result};
use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::time::Duration;

/// Time between two looks at a lock that is held.
const PAUSE: Duration = Duration::from_millis(200);

/// Who else may hold it at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// Nobody.
    Alone,
    /// Others that share it.
    Shared,
}

/// A lock that is held. Where the file system has no locks (some NFS, some Lustre) it is held by nobody and guards nothing.
///
/// The file stays, empty unless [`Lock::keeping`] was asked for: a process that waits for it has it open.
#[derive(Debug)]
pub struct Lock {
    file: Option<File>,
    empties: bool,
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let (Some(file), true) = (&self.file, self.empties) {
            let _ = file.set_len(0);
        }
    }
}

/// What came of trying to take a lock.
#[derive(Debug)]
pub enum Attempt {
    /// It is ours.
    Taken(Lock),
    /// Another process holds it: who, as it wrote itself, "another process" where it did not.
    Busy(String),
}

impl Lock {
    /// Takes the lock of a file, which is made where it is not there, unless another process holds it.
    ///
    /// # Errors
    /// [`Error::Io`] when the file can't be made.
    pub fn attempt(path: &Path, share: Share) -> Result<Attempt> {
        let mut options = File::options();
        // A shared lock over NFS wants a file open for reading, an exclusive one for writing.
        let file = options.create(true).append(true).read(true).open(path);
        let mut file = file.map_err(Error::io(path))?;
        let found = match share {
            Share::Alone => file.try_lock(),
            Share::Shared => file.try_lock_shared(),
        };
        match found {
            Ok(()) => {
                if share == Share::Alone {
                    // Who holds it is a courtesy; a full disk is no reason to do without the lock.
                    let _ = file.set_len(0);
                    let _ = file.write_all(myself().as_bytes());
                }
                Ok(Attempt::Taken(Self {
                    file: Some(file),
                    empties: share == Share::Alone,
                }))
            }
            Err(TryLockError::WouldBlock) => Ok(Attempt::Busy(said(path))),
            Err(TryLockError::Error(error)) if without_locks(&error) => {
                Ok(Attempt::Taken(Self::none()))
            }
            Err(TryLockError::Error(error)) => Err(Error::io(path)(error)),
        }
    }

    /// Waits until the lock is free. `busy` is called at once and then at every look with who holds it; its error ends the waiting.
    ///
    /// # Errors
    /// As [`Lock::attempt`], or what `busy` says.
    pub fn wait(
        path: &Path,
        share: Share,
        busy: &mut dyn FnMut(&str) -> Result<()>,
    ) -> Result<Self> {
        loop {
            match Self::attempt(path, share)? {
                Attempt::Taken(lock) => return Ok(lock),
                Attempt::Busy(who) => busy(&who)?,
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// A lock of nothing, for folders that can't be written.
    pub fn none() -> Self {
        Self {
            file: None,
            empties: false,
        }
    }

    /// The same lock, which leaves what stands in the file when it is freed.
    pub fn keeping(mut self) -> Self {
        self.empties = false;
        self
    }

    /// Whether the file system gave the lock.
    pub fn is_held(&self) -> bool {
        self.file.is_some()
    }
}

/// Who holds the lock of a file alone, `None` where nobody does.
pub fn holder(path: &Path) -> Option<String> {
    let file = File::open(path).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Some(said(path)),
        _ => None,
    }
}

/// This process as a lock names it: "process 12 on n1 (Slurm job 7_3)".
pub fn myself() -> String {
    let mut text = format!("process {} on {}", std::process::id(), host());
    let of = |name| std::env::var(name).ok().filter(|v| !v.is_empty());
    let array = of("SLURM_ARRAY_JOB_ID").zip(of("SLURM_ARRAY_TASK_ID"));
    let job = array.map(|(job, task)| format!("{job}_{task}"));
    if let Some(job) = job.or_else(|| of("SLURM_JOB_ID")) {
        text += &format!(" (Slurm job {job})");
    }
    text
}

/// Name of this machine, "?" where it has none.
pub fn host() -> String {
    #[cfg(unix)]
    {
        let mut name = [0u8; 256];
        // SAFETY: the buffer is writable and its length is told with one byte to spare, which stays zero.
        let told = unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len() - 1) } == 0;
        let end = name.iter().position(|&b| b == 0).unwrap_or(0);
        if told && end > 0 {
            return String::from_utf8_lossy(&name[..end]).into_owned();
        }
    }
    std::env::var("COMPUTERNAME").unwrap_or_else(|_| "?".into())
}

/// What the holder wrote.
fn said(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    match text.trim() {
        "" => "another process".into(),
        text => text.chars().take(200).collect(),
    }
}

/// Whether the system says that files here have no locks.
fn without_locks(error: &std::io::Error) -> bool {
    #[cfg(unix)]
    if error.raw_os_error() == Some(libc::ENOLCK) {
        return true;
    }
    error.kind() == ErrorKind::Unsupported
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_lock_is_waited_for_says_who_holds_it_and_is_taken_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".lock");
        let Attempt::Taken(first) = Lock::attempt(&path, Share::Alone).unwrap() else {
            panic!("busy");
        };
        if !first.is_held() {
            println!("skipped: this file system has no locks");
            return;
        }
        let me = format!("process {} on ", std::process::id());
        assert!(holder(&path).unwrap().starts_with(&me));
        let (tell, told) = mpsc::channel();
        let place = path.clone();
        let second = std::thread::spawn(move || {
            let mut busy = |who: &str| {
                tell.send(who.to_string()).unwrap();
                Ok(())
            };
            Lock::wait(&place, Share::Shared, &mut busy).unwrap()
        });
        assert!(told.recv().unwrap().starts_with(&me));
        drop(first);
        let second = second.join().unwrap();
        // Shared with others that share it, and with nobody else.
        assert!(matches!(
            Lock::attempt(&path, Share::Shared).unwrap(),
            Attempt::Taken(_)
        ));
        assert!(matches!(
            Lock::attempt(&path, Share::Alone).unwrap(),
            Attempt::Busy(_)
        ));
        assert_eq!(holder(&path), None);
        drop(second);
        assert!(matches!(
            Lock::attempt(&path, Share::Alone).unwrap(),
            Attempt::Taken(_)
        ));
    }

    #[test]
    fn waiting_ends_by_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".lock");
        let first = Lock::attempt(&path, Share::Alone).unwrap();
        if matches!(&first, Attempt::Taken(lock) if !lock.is_held()) {
            println!("skipped: this file system has no locks");
            return;
        }
        let mut stop = |_: &str| Err(Error::Interrupted("enough".into()));
        let error = Lock::wait(&path, Share::Alone, &mut stop).unwrap_err();
        assert_eq!(error.exit_code(), 130);
    }
}
