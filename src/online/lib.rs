//! A trained model that watches one frame after another: encoder, filter, decoder, by the code that runs without it.
//!
//! [`Parts`] are what of a model with a law of motion travels, as JSON; a [`Watcher`] is built of them, natively or in
//! WebAssembly, and believes after every frame what the model's filter does:
//!
//! ```text
//! a_t = E q(a_t | x_t)            encoder; nothing where the frame is hidden
//! p(z_t | a_0 .. a_t)             filter of the law, or of its modes (lgssm::switching::Online)
//! E p(x_t | C m_{t|t} + d)        decoder
//! ```

mod parts;
mod place;
mod watcher;

pub use parts::{Parts, Singles, Squash};
pub use place::{Place, ellipse};
pub use watcher::{Belief, Watcher};

/// Result of everything that can fail here.
pub type Result<T> = std::result::Result<T, Error>;

/// Every message says what, expected and got.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Parts or frames that do not fit.
    #[error("{0}")]
    Shape(String),
    /// In the networks.
    #[error(transparent)]
    Network(#[from] nn::Error),
    /// In the filter.
    #[error(transparent)]
    Filter(#[from] lgssm::Error),
}
