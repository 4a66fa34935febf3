//! Moving scenes whose physics is known: each simulator draws its parameters, moves by Rapier, and is drawn to video.
//!
//! A simulator *is* its physical parameters, read from YAML. Adding one costs one file and one line in the
//! registry at the end of this file.
//!
//! # Units
//! Lengths are in `px`: with the default camera of the default box, one unit of length is one pixel. Times are in `s`,
//! velocities in `px/s`, accelerations in `px/s^2`, angles in `deg`; counts and ratios have the unit `1`. A camera that
//! magnifies changes the picture, never the states: they stay in these world units. x points right and y up.
//!
//! # Time
//! State t is the state that frame t shows, t = 0..T, `dt` seconds apart. Events of row t happened in the interval
//! (t-1, t]; row 0 has none.
//!
//! ```
//! use rand_chacha::rand_core::SeedableRng;
//! use simulators::{BouncingBall, Rng, Simulator, Video, render};
//!
//! let ball = BouncingBall::default();
//! let trajectory = ball.simulate(20, 0.2, &mut Rng::seed_from_u64(1))?; // 20 frames, 0.2 s apart
//! let video = render(&ball, &trajectory, &Video::default())?; // (T, C, H, W)
//! assert_eq!(video.len(), 20 * 32 * 32);
//! # Ok::<(), simulators::Error>(())
//! ```

mod coverage;
mod distribution;
mod engine;
pub mod exact;
mod flight;
mod impact;
mod registry;
mod render;
mod scene;
mod video;

pub use distribution::Distribution;
pub use render::render;
pub use scene::{Outline, Rectangle, Shape};
pub use video::{Camera, Video};

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

impl Error {
    /// `key: expected .., got ..`.
    pub(crate) fn parameter(
        key: &str,
        expected: impl std::fmt::Display,
        got: impl std::fmt::Display,
    ) -> Self {
        Self::Parameter(format!("{key}: expected {expected}, got {got}"))
    }
}

/// Name and unit of one column of an array.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Short name: `x`, `vx`, ...
    pub name: String,
    /// Unit: `px`, `px/s`, `1`, ... (see the head of this crate).
    pub unit: String,
}

impl Column {
    /// Columns of these (name, unit) pairs.
    pub(crate) fn list(columns: &[(&str, &str)]) -> Vec<Self> {
        let column = |&(name, unit): &(&str, &str)| Self {
            name: name.into(),
            unit: unit.into(),
        };
        columns.iter().map(column).collect()
    }
}

/// One simulated sequence, without its pictures. State t is the state drawn in frame t.
#[derive(Clone, Debug, PartialEq)]
pub struct Trajectory {
    /// True states, (T, D) row-major, columns as [`Simulator::state_columns`].
    pub states: Vec<f64>,
    /// Physical parameters drawn for this sequence, (P), columns as [`Simulator::parameter_columns`].
    pub parameters: Vec<f64>,
    /// Contacts in the interval before frame t, (T, E) counts (255 stands for 255 or more), columns as
    /// [`Simulator::event_columns`].
    pub events: Vec<u8>,
    /// Time of the first such contact since the sequence began, s, (T, E); NaN where there was none.
    pub event_times: Vec<f64>,
}

/// A world that moves by known physics, and what is to be seen of it.
pub trait Simulator: Send + Sync {
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
    /// [`Error::Parameter`] as [`Simulator::check`], or for `frames` and `dt`; [`Error::Physics`] when the engine makes
    /// no progress.
    fn simulate(&self, frames: usize, dt: f64, rng: &mut Rng) -> Result<Trajectory, Error>;
    /// The state (D) `t` seconds after `initial` (D) under `parameters` (P), where an analytic solution exists.
    fn exact(&self, _initial: &[f64], _parameters: &[f64], _t: f64) -> Option<Vec<f64>> {
        None
    }
    /// The part of the world a camera looks at when it is not told otherwise, px.
    fn view(&self) -> Rectangle;
    /// What stands still behind the bodies (walls), in the order of painting. Drawn once a sequence, and only where
    /// [`Video::walls`] asks for it.
    fn background(&self, parameters: &[f64]) -> Vec<Shape>;
    /// Appends what moves, as it is seen in `state` (D), in the order of painting.
    fn bodies(&self, state: &[f64], parameters: &[f64], shapes: &mut Vec<Shape>);
}

registry::simulators! {
    bouncing_ball::BouncingBall,
}
