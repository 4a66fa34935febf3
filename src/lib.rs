//! kinostate learns the physical state of a moving scene from video, and shows what it learned.
//!
//! See ARCHITECTURE.md for the rooms and their directions; a module uses lower rows only.

pub mod analysis;
pub mod array;
pub mod cli;
pub mod cluster;
pub mod control;
pub mod data;
pub mod error;
pub mod exchange;
pub mod experiment;
pub mod figures;
pub mod identify;
pub mod interrupt;
pub mod latents;
pub mod measure;
pub mod memory;
pub mod models;
pub mod motion;
pub mod pipeline;
pub mod progress;
pub mod report;
pub mod run;
pub mod seeds;
pub mod store;
pub mod train;

// The command line is written as anybody's program would be, by the library's name.
extern crate self as kinostate;

pub use error::{Error, Result};
pub use {laws, lgssm, nn, online};
