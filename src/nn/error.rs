//! What can go wrong in networks.

/// Result of everything that can fail here.
pub type Result<T> = std::result::Result<T, Error>;

/// Every message says what, where, expected and got.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A setting outside its range.
    #[error("{0}")]
    Config(String),
    /// Arrays that do not fit: expected and got.
    #[error("{0}")]
    Shape(String),
    /// A number that is not finite; names the step and the term.
    #[error("{0}")]
    Numeric(String),
}

impl Error {
    /// The complaints of several checks of settings at once, a line each.
    ///
    /// # Errors
    /// [`Error::Config`] with all lines; any other error alone.
    pub fn all(checks: impl IntoIterator<Item = Result<()>>) -> Result<()> {
        let mut lines = Vec::new();
        for check in checks {
            match check {
                Err(Self::Config(line)) => lines.push(line),
                other => other?,
            }
        }
        match lines.is_empty() {
            true => Ok(()),
            false => Err(Self::Config(lines.join("\n"))),
        }
    }
}
