//! The configuration types of the other rooms, under the names an experiment uses. The only place to change when one moves.

use crate::data::DataSource;

pub use crate::analysis::AnyAnalysis;
pub use crate::models::AnyModel;
pub use crate::train::TrainConfig;

/// Every registered analysis with its defaults: what an experiment without `analyses:` runs. Shifts are compared, futures
/// and next frames measured, impossible pairs judged, and the exact Kalman filter is taken, where there are some and where
/// it is known.
pub(super) fn all_analyses(
    data: &DataSource,
    sampled: bool,
    next_frames: bool,
) -> Vec<AnyAnalysis> {
    let mut all = AnyAnalysis::all_defaults();
    all.retain(|analysis| match analysis.name() {
        "shift" => data.is_shifted(),
        "futures" => sampled,
        "next_frame" => next_frames,
        "violations" => data.has_pairs(),
        "poses" => sampled && data.has_skeleton(),
        "kalman" => data.exact_law().is_some(),
        _ => true,
    });
    all
}
