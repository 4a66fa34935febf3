//! Moving scenes whose physics is known: each simulator draws its parameters, moves by Rapier, and is drawn to video.
//!
//! A simulator *is* its physical parameters, read from YAML. Adding one costs one file and one line in [`simulators!`].

use serde::{Deserialize, Serialize};

/// The generator behind every random draw: a counter-based stream cipher, the same on every platform.
pub type Rng = rand_chacha::ChaCha8Rng;

/// What can go wrong in a simulator.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A parameter is outside its range. The message names the key, the expected range and the value.
    #[error("{0}")]
    Parameter(String),
    /// The physics engine could not go on.
    #[error("{0}")]
    Physics(String),
}

/// Name and unit of one column of an array.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Short name: `x`, `vx`, ...
    pub name: String,
    /// Unit: `px`, `px/s`, `1`, ...
    pub unit: String,
}

/// One simulated sequence, without its pictures. State t is the state drawn in frame t.
#[derive(Clone, Debug, PartialEq)]
pub struct Trajectory {
    /// True states, (T, D) row-major, columns as [`Simulator::state_columns`].
    pub states: Vec<f64>,
    /// Physical parameters drawn for this sequence, (P), columns as [`Simulator::parameter_columns`].
    pub parameters: Vec<f64>,
    /// Contacts in the interval before frame t, (T, E) counts, columns as [`Simulator::event_columns`].
    pub events: Vec<u8>,
    /// Time of the first such contact since the sequence began, s, (T, E); NaN where there was none.
    pub event_times: Vec<f64>,
}

/// A world that moves by known physics.
pub trait Simulator {
    /// Checks every parameter.
    ///
    /// # Errors
    /// [`Error::Parameter`] names the key, the expected range and the value.
    fn check(&self) -> Result<(), Error>;
    /// Name and unit of every state column; D is their number.
    fn state_columns(&self) -> Vec<Column>;
    /// Name and unit of every parameter drawn per sequence; P is their number.
    fn parameter_columns(&self) -> Vec<Column>;
    /// Name of every kind of contact (unit `1`); E is their number.
    fn event_columns(&self) -> Vec<Column>;
    /// Moves one world for `frames` frames, `dt` seconds apart.
    ///
    /// # Errors
    /// [`Error::Physics`] when the engine makes no progress.
    fn simulate(&self, frames: usize, dt: f64, rng: &mut Rng) -> Result<Trajectory, Error>;
    /// The state `t` seconds after `initial` (D), where an analytic solution exists.
    fn exact(&self, _initial: &[f64], _parameters: &[f64], _t: f64) -> Option<Vec<f64>> {
        None
    }
    /// Draws every frame of a trajectory: (T, C, H, W) row-major, 0 = black, 255 = white.
    fn render(&self, trajectory: &Trajectory, video: &Video) -> Vec<u8>;
}

/// How a scene becomes pixels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Video {
    /// Frame width, pixels.
    pub width: usize,
    /// Frame height, pixels.
    pub height: usize,
}

impl Default for Video {
    fn default() -> Self {
        Self {
            width: 32,
            height: 32,
        }
    }
}

impl Video {
    /// Colour channels of a frame, C.
    pub fn channels(&self) -> usize {
        1
    }
}

pub mod bouncing_ball;
pub use bouncing_ball::BouncingBall;

/// Any registered simulator, as an experiment file names it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnySimulator {
    /// See [`BouncingBall`].
    BouncingBall(BouncingBall),
}
