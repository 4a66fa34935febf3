//! Training: batches, schedules, the loop, checkpoints.
//!
//! A run is a function of the configuration and one seed. Every draw comes from a stream numbered by the step, so the state of
//! the randomness *is* the step, and a resumed run gives the same bytes as one that was never stopped.

mod batches;
pub mod checkpoint;
mod config;
mod health;
pub mod init;
mod missing;
mod starts;
mod trainer;

pub use batches::{
    Evaluated, actions, alone, at_once, at_once_of, clips, evaluate, frames_seen, rewards, whole,
};
pub use config::{LearningRate, Starts, TrainConfig, Warmup};
pub use missing::MissingConfig;
pub use trainer::{EVENTS, Job, Pictures, Recent, Record, Steps, train};
