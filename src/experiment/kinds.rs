//! The configuration types of the other rooms, under the names an experiment uses. The only place to change when one moves.

pub use crate::analysis::AnyAnalysis;
pub use crate::models::AnyModel;
pub use crate::train::TrainConfig;

/// Every registered analysis with its defaults: what an experiment without `analyses:` runs.
pub(super) fn all_analyses() -> Vec<AnyAnalysis> {
    AnyAnalysis::all_defaults()
}
