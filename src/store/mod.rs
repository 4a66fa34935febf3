//! Files: written whole or not at all, checked when read. Home of the npy, safetensors and SHA-256 libraries.

pub mod atomic;
pub mod checksum;
pub mod disk;
pub mod events;
pub mod hparams;
pub mod json;
pub mod lock;
pub mod npy;
mod npy_dictionary;
mod npy_header;
pub mod npy_order;
pub mod npy_stream;
mod seal;
pub mod tensors;
