//! Tests of exact inference in the linear-Gaussian state-space model, through its public functions only.

mod blend;
mod brute_force;
mod complete;
mod dense;
mod em;
mod em_step;
mod errors;
mod golden;
mod gradients;
mod hard;
mod published;
mod room;
mod room_start;
mod sampling;
mod support;
mod switching;
