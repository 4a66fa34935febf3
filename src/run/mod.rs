//! The run folder: its paths, which stages are finished, and what reads it back.

mod about;
pub mod done;
mod folder;
mod study;

pub use crate::store::lock::Lock;
pub use about::About;
pub use folder::{RunFolder, run_folders};
pub use study::study;
pub(crate) use study::{known_states, of_data, outline, training};

use crate::experiment::Experiment;
use std::path::{Path, PathBuf};

/// Where the experiment's dataset stands: in the run folder, or where it was before.
pub fn dataset(experiment: &Experiment, folder: &RunFolder) -> PathBuf {
    experiment
        .data
        .stored()
        .map_or_else(|| folder.data(), Path::to_path_buf)
}
