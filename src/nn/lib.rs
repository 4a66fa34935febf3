//! Networks on dfdx's tape: runtime-sized tensors, our own fused operations, layers, the optimiser.
//!
//! Everything is generic over the number type: f32 to learn, f64 to check gradients. An activation is a matrix with one row per
//! frame: (B*T, features); images are rows of C*H*W values. Parallelism is over data: a training batch is cut into micro-batches,
//! each with its own tape on its own thread. Nothing on a tape starts a thread; the optimiser's sums over parameters do.
//!
//! A matrix on a tape is `Mat<F, Grad<F>>`; used twice, it is simply used twice. One without is `Mat<F>`, and the same functions, generic
//! over the tape `T: Track<F>`, keep nothing then.

pub mod check;
mod error;
pub mod float;
mod kernels;
pub mod layers;
pub mod ops;
pub mod optimiser;
pub mod param;
pub mod plain;
mod tape;
pub mod tensor;
pub mod volume;

pub use dfdx::prelude::NoneTape as NoTape;
pub use error::{Error, Result};
pub use float::Float;
pub use kernels::level::{self, Level};
pub use layers::{decoder, encoder};
pub use ops::Activation;
pub use param::{Module, Param};
pub use tape::{Grad, Track};
pub use tensor::{Mat, Scalar};

/// The generator behind every random start: the same on every platform.
pub type Rng = rand_chacha::ChaCha8Rng;
