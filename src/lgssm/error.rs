//! What can go wrong in inference.

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
    /// A number that is not finite, or a matrix that lost positive definiteness; names the step and the term.
    #[error("{0}")]
    Numeric(String),
}
