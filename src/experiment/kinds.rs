//! The configuration types of the other rooms, under the names an experiment uses. The only place to change when one moves.

pub use crate::analysis::AnyAnalysis;
pub use crate::models::AnyModel;
pub use crate::train::TrainConfig;

/// Every registered analysis with its defaults: what an experiment without `analyses:` runs. Shifts are compared, futures
/// measured, impossible pairs judged, and the exact Kalman filter is taken, where there are some and where it is known.
pub(super) fn all_analyses(
    shifted: bool,
    sampled: bool,
    exact: bool,
    paired: bool,
) -> Vec<AnyAnalysis> {
    let mut all = AnyAnalysis::all_defaults();
    all.retain(|analysis| match analysis.name() {
        "shift" => shifted,
        "futures" => sampled,
        "kalman" => exact,
        "violations" => paired,
        _ => true,
    });
    all
}
