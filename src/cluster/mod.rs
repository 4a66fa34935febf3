//! An experiment as tasks for other machines: what was submitted, its files, and Slurm, which runs them.
//!
//! ```text
//! results/<name>/jobs/<n>/
//!   experiment.yaml                   the file as it was submitted, with all that it extends
//!   plan.json                         the tasks of every stage
//!   generate.txt train.txt gather.txt a line for each task: `kinostate task results/<name>/jobs/<n> train 3`
//!   generate.sh train.sh gather.sh    what Slurm runs
//!   slurm.json                        the ids that Slurm gave
//!   <stage>-<task>.state              who does it, or how it ended
//!   <stage>-<task>.log                what it said
//! ```

mod record;
mod script;
mod slurm;
mod state;

pub use record::{FORMAT, Phase, Planned, Submission, Unit, Work, quoted, submissions};
pub use script::Script;
pub use slurm::{Queued, cancel, ended, longest_array, owned, queue, submit};
pub use state::{State, Writing};
