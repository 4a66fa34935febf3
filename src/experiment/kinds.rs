//! The configuration types of the other rooms, under the names an experiment uses. The only place to change when one moves.

pub use crate::analysis::AnyAnalysis;
pub use crate::models::AnyModel;
pub use crate::train::TrainConfig;

/// Every registered analysis with its defaults: what an experiment without `analyses:` runs. Shifts are compared, and
/// futures measured, where there are some.
pub(super) fn all_analyses(shifted: bool, sampled: bool) -> Vec<AnyAnalysis> {
    let mut all = AnyAnalysis::all_defaults();
    all.retain(|analysis| match analysis.name() {
        "shift" => shifted,
        "futures" => sampled,
        _ => true,
    });
    all
}
