//! Layers: parameters with the operations that they enter, named and started as a whole.

pub mod decoder;
pub mod encoder;
mod heads;
mod linear;
mod recurrent;
mod trunk;
mod upsampler;

pub use heads::{CategoricalHead, GaussianHead};
pub use linear::{LayerNorm, Linear, Mlp};
pub use recurrent::{Gru, Lstm, LstmState};
pub use trunk::{ConvTrunk, Features};
pub use upsampler::Upsampler;
