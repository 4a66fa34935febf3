//! The fast kernels behind the operations: vectorised f32 loops without a tape, chosen at run time for the machine.

pub(crate) mod bf16;
pub(crate) mod direct;
pub(crate) mod elementwise;
pub mod level;
pub(crate) mod product;
pub(crate) mod readout;
pub(crate) mod simd;
mod strips;
mod tiles;
pub(crate) mod windows;
pub(crate) mod winograd;
pub(crate) mod workspace;
