//! What can go wrong in a learnable law: what its inference or its tensors say, in their words.

/// Result of everything that can fail here.
pub type Result<T> = std::result::Result<T, Error>;

/// Every message says what, where, expected and got.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Arrays that do not fit: expected and got.
    #[error("{0}")]
    Shape(String),
    /// From tensors.
    #[error(transparent)]
    Network(#[from] nn::Error),
    /// From inference.
    #[error(transparent)]
    Inference(#[from] lgssm::Error),
}
