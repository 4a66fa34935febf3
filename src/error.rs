//! The one error type of the library, and what the process exits with.

use std::path::{Path, PathBuf};

/// Result of everything that can fail here.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong. Every message says what, where, expected and got.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Wrong usage or a wrong experiment file: exit code 2.
    #[error("{0}")]
    Experiment(String),
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file was read but what it holds is wrong: truncated, altered, wrong shape, wrong type.
    #[error("{}: {message}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong: expected and got.
        message: String,
    },
    /// Arrays that do not fit: expected and got.
    #[error("{0}")]
    Shape(String),
    /// A number that is not finite, or a matrix that lost positive definiteness; names the step and the term.
    #[error("{0}")]
    Numeric(String),
    /// A simulator failed.
    #[error("simulator: {0}")]
    Simulator(#[from] simulators::Error),
    /// Stopped by the user; what was finished is kept.
    #[error("interrupted: {0}")]
    Interrupted(String),
}

/// The complaints of several checks at once, a line each.
///
/// # Errors
/// [`Error::Experiment`] with all lines; any other error alone.
pub(crate) fn all(checks: impl IntoIterator<Item = Result<()>>) -> Result<()> {
    let mut lines = Vec::new();
    for check in checks {
        match check {
            Err(Error::Experiment(line)) => lines.push(line),
            other => other?,
        }
    }
    match lines.is_empty() {
        true => Ok(()),
        false => Err(Error::Experiment(lines.join("\n"))),
    }
}

impl From<lgssm::Error> for Error {
    fn from(error: lgssm::Error) -> Self {
        match error {
            lgssm::Error::Config(message) => Self::Experiment(message),
            lgssm::Error::Shape(message) => Self::Shape(message),
            lgssm::Error::Numeric(message) => Self::Numeric(message),
        }
    }
}

impl From<nn::Error> for Error {
    fn from(error: nn::Error) -> Self {
        match error {
            nn::Error::Config(message) => Self::Experiment(message),
            nn::Error::Shape(message) => Self::Shape(message),
            nn::Error::Numeric(message) => Self::Numeric(message),
        }
    }
}

impl From<laws::Error> for Error {
    fn from(error: laws::Error) -> Self {
        match error {
            laws::Error::Shape(message) => Self::Shape(message),
            laws::Error::Network(error) => error.into(),
            laws::Error::Inference(error) => error.into(),
        }
    }
}

impl Error {
    /// For `map_err`: attaches the path to what the system said.
    pub fn io(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io { path, source }
    }

    /// A file whose content is wrong.
    pub fn file(path: impl AsRef<Path>, message: impl Into<String>) -> Self {
        Self::File {
            path: path.as_ref().to_path_buf(),
            message: message.into(),
        }
    }

    /// Process exit code: 2 for wrong usage or a wrong experiment file, 130 when stopped by the user, otherwise 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Experiment(_) => 2,
            Self::Interrupted(_) => 130,
            _ => 1,
        }
    }
}
