//! Networks on dfdx's tape: runtime-sized tensors, our own fused operations, encoders, decoders and the optimiser.
//!
//! Everything is generic over the number type: f32 to learn, f64 to check gradients. An activation is a matrix with one row per
//! frame: (B*T, features); images are rows of C*H*W values. Parallelism is over data: a training batch is cut into micro-batches,
//! each with its own tape on its own thread, so nothing in here starts a thread.

mod bf16;
pub mod decoder;
mod direct;
pub mod encoder;
pub mod float;
mod kernels;
pub mod ops;
pub mod optimiser;
pub mod param;
pub mod plain;
mod product;
mod readout;
mod simd;
mod strips;
pub mod tensor;
mod tiles;
mod winograd;
mod workspace;

pub use float::Float;
pub use lgssm::{Error, Result};
pub use ops::Activation;
pub use param::{Module, Param};
pub use tensor::{Grad, Mat, Scalar};

/// The generator behind every random start: the same on every platform.
pub type Rng = rand_chacha::ChaCha8Rng;
