//! The programs ffmpeg and ffprobe: started with fixed arguments, their complaints turned into ours.
//!
//! Video is left to them: they read what cameras and phones write, and no system library or C++ compiler is needed to build
//! this project. (The crates `openh264` and `muxide` would write MP4, but compile a C++ codec, and read none of the rest.)

use crate::error::{Error, Result};
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

/// A program that runs, and what it complains about.
pub(super) struct Running {
    pub child: Child,
    errors: JoinHandle<String>,
    program: &'static str,
}

/// Complaints that are kept, bytes.
const WORDS: u64 = 16 << 10;

/// Starts a program with pipes to and from it.
///
/// # Errors
/// [`Error::Experiment`] that says how to install it.
pub(super) fn start(program: &'static str, arguments: &[String], what: &str) -> Result<Running> {
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.map_err(|e| match e.kind() {
        ErrorKind::NotFound => Error::Experiment(format!(
            "{what} needs the program {program}, which is not installed (Debian: apt-get install ffmpeg; macOS: brew install ffmpeg; others: ffmpeg.org)"
        )),
        _ => Error::io(program)(e),
    })?;
    let stderr = child.stderr.take();
    // Read on the side: a full pipe would stop the program.
    let errors = std::thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(mut stderr) = stderr {
            let _ = stderr.by_ref().take(WORDS).read_to_end(&mut text);
            let _ = std::io::copy(&mut stderr, &mut std::io::sink());
        }
        String::from_utf8_lossy(&text).trim().to_string()
    });
    Ok(Running {
        child,
        errors,
        program,
    })
}

impl Running {
    /// Waits for its end; gives what it complained about, or how it failed.
    ///
    /// # Errors
    /// [`Error::Io`] when it can't be waited for.
    pub fn end(mut self) -> Result<Option<String>> {
        drop(self.child.stdin.take());
        drop(self.child.stdout.take());
        let status = self.child.wait().map_err(Error::io(self.program))?;
        let errors = self.errors.join().unwrap_or_default();
        if status.success() && errors.is_empty() {
            return Ok(None);
        }
        // The first words are the cause, and "[h264 @ 0x55..]" before them tells nobody anything.
        let plain = |line: &'_ str| match line.strip_prefix('[').and_then(|l| l.split_once("] ")) {
            Some((_, words)) => words.to_string(),
            None => line.to_string(),
        };
        let words: Vec<String> = errors.lines().take(2).map(plain).collect();
        let words = words.join("; ");
        Ok(Some(match words.is_empty() {
            true => status.to_string(),
            false => words,
        }))
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// [`Error::File`] with its words when it failed or complained.
    pub fn finish(self, path: &Path) -> Result<()> {
        let program = self.program;
        match self.end()? {
            None => Ok(()),
            Some(words) => Err(Error::file(path, format!("{program}: {words}"))),
        }
    }

    /// Ends it early.
    pub fn stop(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = self.errors.join();
    }
}

/// A file for ffmpeg: a name with a colon would be taken for a protocol.
pub(super) fn file(path: &Path) -> String {
    format!("file:{}", path.display())
}
