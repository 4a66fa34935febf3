//! Acting on what a model believes: regulators of learned laws, search over rollouts, and the loop that they close.
//!
//! A controller of [`Pixels`] is given frames and its own last action, and nothing else: it filters them by the model and
//! plans with the model. Beside it stand controllers that do nothing, act at random, or are given the true state: what a
//! number of returns means is told by theirs in the same episodes.

mod aim;
mod belief;
mod cem;
mod classical;
mod controller;
mod ilqr;
mod lqr;
mod reading;
mod task;
mod trial;

pub use aim::Aim;
pub use belief::{Watcher, input_law, repeated};
pub use cem::{Range, Search, Thought, search};
pub use classical::{classical, classical_name, linearised};
pub use controller::{
    Controller, Now, Objective, Pixels, Plan, Planner, Restless, Still, TrueLqr, TrueSearch,
    true_cost,
};
pub use ilqr::{Ilqr, Law, TrueIlqr, WorldLaw};
pub use lqr::Lqr;
pub use reading::{Reading, spread};
pub use task::{Score, Task, target};
pub use trial::{Course, IMAGINED, Judged, Outcome, Trial};
