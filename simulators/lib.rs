//! Moving scenes whose physics is known: each simulator draws its parameters, moves by Rapier, and is drawn to video.
//!
//! A simulator *is* its physical parameters, read from YAML. Adding one costs one file and one line in the
//! registry at the end of this file.
//!
//! # Units
//! Lengths are in `px`: with the default camera of the default box, one unit of length is one pixel. Times are in `s`,
//! velocities in `px/s`, accelerations in `px/s^2`, masses in `kg`; angles in `rad` in the states and in `deg` in YAML; counts
//! and ratios have the unit `1`. (`projectile` and `two_ball_collision` measure lengths in `m`, as their source does.) A
//! camera that magnifies changes the picture, never the states: they stay in these world units. x points right and y up.
//!
//! # Time
//! State t is the state that frame t shows, t = 0..T, `dt` seconds apart. Events of row t happened in the interval
//! (t-1, t]; row 0 has none. Action t acts from frame t to frame t+1.
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
mod crowd;
mod distribution;
mod elementary;
mod elliptic;
mod engine;
mod episode;
pub mod exact;
mod extrapolation;
mod flight;
mod hand;
mod impact;
mod linkage;
mod looks;
mod normal;
mod obstacle;
mod picture;
mod record;
mod registry;
mod render;
mod room;
mod scene;
mod steps;
mod video;
mod violation;

pub use distribution::Distribution;
pub use episode::Episode;
pub use hand::Hand;
pub use looks::{Colour, Look, Looks, Texture};
pub use obstacle::Obstacle;
pub use picture::Picture;
pub use record::{Recording, energy_columns, future, record};
pub use render::{render, render_as, render_without};
pub use scene::{Outline, Rectangle, Shape};
pub use video::{Camera, Video};
pub use violation::{Pair, Staging, Violation};

use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use serde::{Deserialize, Serialize};

/// The generator behind every random draw: a counter-based stream cipher, the same on every platform.
pub type Rng = rand_chacha::ChaCha8Rng;

/// A stream of its own, seeded from `rng`: what is drawn from the one does not depend on how much is drawn from the other.
pub(crate) fn branch(rng: &mut Rng) -> Rng {
    let mut seed = [0; 32];
    rng.fill_bytes(&mut seed);
    Rng::from_seed(seed)
}

/// What can go wrong in a simulator.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Parameters are outside their ranges. A line each names the key, the expected range and the value.
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

    /// The same of a world inside another: keys that begin with `from` begin with `to`.
    pub(crate) fn renamed(self, from: &str, to: &str) -> Self {
        match self {
            Self::Parameter(message) => Self::Parameter(message.replace(from, to)),
            other => other,
        }
    }

    /// The complaints of several checks at once, a line each; anything but a parameter out of its range alone.
    pub(crate) fn all(checks: impl IntoIterator<Item = Result<(), Self>>) -> Result<(), Self> {
        let mut lines = Vec::new();
        for check in checks {
            match check {
                Err(Self::Parameter(line)) => lines.push(line),
                other => other?,
            }
        }
        match lines.is_empty() {
            true => Ok(()),
            false => Err(Self::Parameter(lines.join("\n"))),
        }
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
#[derive(Clone, Debug, Default, PartialEq)]
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
    /// What acts from frame t to frame t+1, (T, A), columns as [`Simulator::action_columns`]; the last row acts on nothing
    /// that is recorded.
    pub actions: Vec<f64>,
    /// Kinetic and potential energy of state t, (T, 2), in [`Simulator::energy_unit`]; empty where that is None.
    pub energies: Vec<f64>,
    /// The states that frame t is the mean picture of, (T, S, D), S = [`Video::exposure_samples`]; empty without
    /// [`Video::exposure`].
    pub exposed: Vec<f64>,
}

/// The bodies met, or a body met something that stands still.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contact {
    /// Column of [`Simulator::event_columns`].
    pub kind: usize,
    /// Since the motion began, s.
    pub time: f64,
}

/// A world that has begun: its drawn parameters, and what moves it.
pub struct Begun {
    /// Physical parameters drawn for this sequence, (P).
    pub parameters: Vec<f64>,
    /// The world at its first state.
    pub motion: Box<dyn Motion>,
}

/// One world on its way. Many are moved at once, each by one thread at a time.
pub trait Motion: Send {
    /// Appends the state (D).
    fn state(&self, state: &mut Vec<f64>);
    /// Moves on by `duration` s and appends the contacts on the way.
    ///
    /// # Errors
    /// [`Error::Physics`] when the engine makes no progress.
    fn advance(&mut self, duration: f64, contacts: &mut Vec<Contact>) -> Result<(), Error>;
    /// Draws what acts until the next frame, and appends it (A). Called once a frame, at its state.
    ///
    /// # Errors
    /// [`Error::Parameter`] as [`Simulator::check`].
    fn act(&mut self, _action: &mut Vec<f64>) -> Result<(), Error> {
        Ok(())
    }
    /// In place of [`Motion::act`]: an action (A) from outside acts until the next frame.
    ///
    /// # Errors
    /// [`Error::Parameter`] for an action of another length, or that is not finite; a world that is left to itself takes one of
    /// length 0.
    fn apply(&mut self, action: &[f64]) -> Result<(), Error> {
        check_action(action, 0)
    }
}

/// Checks that an action has `components` finite numbers.
///
/// # Errors
/// [`Error::Parameter`] where it has not.
pub(crate) fn check_action(action: &[f64], components: usize) -> Result<(), Error> {
    if action.len() == components && action.iter().all(|x| x.is_finite()) {
        return Ok(());
    }
    let expected = match components {
        0 => "none, as this world is left to itself".into(),
        n => format!("{n} finite numbers"),
    };
    Err(Error::parameter("action", expected, format!("{action:?}")))
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
    /// Name and unit of every component of an action; A is their number. Most worlds are left to themselves.
    fn action_columns(&self) -> Vec<Column> {
        Vec::new()
    }
    /// Least and greatest value of every component of an action (A); infinite where there is none.
    fn action_limits(&self) -> Vec<[f64; 2]> {
        vec![[f64::NEG_INFINITY, f64::INFINITY]; self.action_columns().len()]
    }
    /// What it costs to be in a state (D) and to act (A) until the next frame, under `parameters` (P), where the world has a
    /// task. A task is done well where the sum of costs over the frames is small.
    fn cost(&self, _state: &[f64], _action: &[f64], _parameters: &[f64]) -> Option<f64> {
        None
    }
    /// Unit of [`Simulator::energy`].
    fn energy_unit(&self) -> Option<&'static str> {
        None
    }
    /// Kinetic and potential energy of a state (D) under `parameters` (P), in [`Simulator::energy_unit`].
    fn energy(&self, _state: &[f64], _parameters: &[f64]) -> Option<[f64; 2]> {
        None
    }
    /// Draws the parameters and the first state of a world whose parameters were checked.
    ///
    /// # Errors
    /// [`Error::Parameter`] where [`Simulator::check`] would have refused; [`Error::Physics`] where no first state is found.
    fn begin(&self, rng: &mut Rng) -> Result<Begun, Error>;
    /// The world at a recorded state (D) under its recorded parameters (P), going on from there: what is left to chance is
    /// drawn from `rng`, a stream of its own, so that one state has many futures. Where nothing is left to chance the
    /// recorded future comes back (to the accuracy of the world's motion). The motion's clock starts anew. None where
    /// the state columns do not hold all there is.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a state or parameters that are none of this world's; [`Error::Physics`] as
    /// [`Simulator::begin`].
    fn resume(
        &self,
        _state: &[f64],
        _parameters: &[f64],
        _rng: &mut Rng,
    ) -> Result<Option<Begun>, Error> {
        Ok(None)
    }
    /// Moves one world for `frames` frames, `dt` seconds apart.
    ///
    /// # Errors
    /// [`Error::Parameter`] as [`Simulator::check`], or for `frames` and `dt`; [`Error::Physics`] when the engine makes
    /// no progress.
    fn simulate(&self, frames: usize, dt: f64, rng: &mut Rng) -> Result<Trajectory, Error> {
        record::simulate(self, frames, dt, None, rng)
    }
    /// The state (D) `t` seconds after `initial` (D) under `parameters` (P), where an exact solution exists.
    fn exact(&self, _initial: &[f64], _parameters: &[f64], _t: f64) -> Option<Vec<f64>> {
        None
    }
    /// The part of the world a camera looks at when it is not told otherwise, in world units.
    fn view(&self) -> Rectangle;
    /// Names of what can have a colour of its own, in the order of [`Shape::part`].
    fn parts(&self) -> Vec<String> {
        vec!["body".into()]
    }
    /// Hue (deg), saturation and value of every part, where the world itself says them: then of the looks' colour only the
    /// value counts, as a factor. In grey pictures the value is all there is. Empty, the default: the looks say all.
    fn tints(&self, _parameters: &[f64]) -> Vec<[f64; 3]> {
        Vec::new()
    }
    /// What stands still behind the bodies (walls), in the order of painting. Drawn once a sequence, and only where
    /// [`Video::walls`] asks for it. Brightness 1 is wall, 0 is ground.
    fn background(&self, _parameters: &[f64]) -> Vec<Shape> {
        Vec::new()
    }
    /// Appends what moves, as it is seen in `state` (D), in the order of painting.
    fn bodies(&self, state: &[f64], parameters: &[f64], shapes: &mut Vec<Shape>);
}

registry::simulators! {
    bouncing_ball::BouncingBall,
    bouncing_balls::BouncingBalls,
    cartpole::Cartpole,
    coin_bounce::CoinBounce,
    curtain::Curtain,
    double_pendulum::DoublePendulum,
    kinds::Kinds,
    linear_gaussian::LinearGaussian,
    moving_sprites::MovingSprites,
    occluded_ball::OccludedBall,
    pendulum::Pendulum,
    pendulum_v1::PendulumV1,
    pong::Pong,
    projectile::Projectile,
    published_balls::PublishedBalls,
    pushed_ball::PushedBall,
    ragdoll::Ragdoll,
    reacher::Reacher,
    spring_mass::SpringMass,
    two_ball_collision::TwoBallCollision,
    two_rooms::TwoRooms,
    weather::Weather,
}
