//! Layers: parameters with the operations that they enter, named and started as a whole.

pub mod decoder;
pub mod encoder;
