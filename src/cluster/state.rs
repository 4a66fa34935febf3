//! How far a task is: one line in a file, which who does it holds locked.

use crate::error::{Error, Result};
use crate::store::lock::{Lock, Share, holder};
use std::path::{Path, PathBuf};

/// How far a task is, by its file alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Nobody began it.
    Untouched,
    /// A process does it, or did when its machine died: who, and whether it is known to live.
    Running {
        /// As it named itself.
        who: String,
        /// Whether it holds the file.
        lives: bool,
    },
    /// Saved when it was asked to stop; the same task goes on from there.
    Saved,
    /// All of it is there.
    Done,
    /// It failed, with this message.
    Failed(String),
}

impl State {
    /// Reads the file of a task.
    pub fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let text = text.trim();
        match text.split_once(": ").unwrap_or((text, "")) {
            ("", _) => Self::Untouched,
            ("saved", _) => Self::Saved,
            ("done", _) => Self::Done,
            ("failed", why) => Self::Failed(why.to_string()),
            _ => Self::Running {
                who: text.to_string(),
                lives: holder(path).is_some(),
            },
        }
    }
}

/// The file of a task that this process does.
#[derive(Debug)]
pub struct Writing {
    path: PathBuf,
    _lock: Lock,
}

impl Writing {
    /// Waits until no other process does the task. The file then names this one.
    ///
    /// # Errors
    /// A file that can't be written; what `busy` says, which hears who is waited for.
    pub fn begin(path: &Path, busy: &mut dyn FnMut(&str) -> Result<()>) -> Result<Self> {
        let lock = Lock::wait(path, Share::Alone, busy)?.keeping();
        Ok(Self {
            path: path.to_path_buf(),
            _lock: lock,
        })
    }

    /// Tells how it ended.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn end(self, outcome: &Result<()>) -> Result<()> {
        let text = match outcome {
            Ok(()) => "done\n".to_string(),
            Err(Error::Interrupted(_)) => "saved\n".to_string(),
            Err(error) => {
                let error = error.to_string();
                format!("failed: {}\n", error.lines().collect::<Vec<_>>().join("; "))
            }
        };
        // In place: the lock is on this file, and a script may write here too.
        std::fs::write(&self.path, text).map_err(Error::io(&self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_tells_who_does_it_and_how_it_ended() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("train-0.state");
        assert_eq!(State::read(&path), State::Untouched);
        let mut never = |who: &str| Err(Error::Interrupted(who.into()));
        let begin = |never: &mut dyn FnMut(&str) -> Result<()>| Writing::begin(&path, never);
        let writing = begin(&mut never).unwrap();
        let State::Running { who, lives } = State::read(&path) else {
            panic!("{:?}", State::read(&path));
        };
        assert!(
            who.starts_with(&format!("process {} on ", std::process::id())),
            "{who}"
        );
        if lives {
            begin(&mut never).unwrap_err();
        }
        // Its machine dies.
        drop(writing);
        assert_eq!(State::read(&path), State::Running { who, lives: false });
        let ends = [
            (Ok(()), State::Done),
            (Err(Error::Interrupted("x".into())), State::Saved),
            (
                Err(Error::Numeric("step 3: NaN\nin: kl".into())),
                State::Failed("step 3: NaN; in: kl".into()),
            ),
        ];
        for (outcome, expected) in ends {
            begin(&mut never).unwrap().end(&outcome).unwrap();
            assert_eq!(State::read(&path), expected);
        }
    }
}
