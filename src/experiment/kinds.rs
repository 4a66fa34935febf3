//! The configuration types of the other rooms, under the names an experiment uses. The only place to change when one moves.

/// Any registered model, as a one-key map.
pub type AnyModel = serde_yaml::Value;
/// The `train:` section.
pub type TrainConfig = serde_yaml::Value;
/// Any registered analysis, as a one-key map.
pub type AnyAnalysis = serde_yaml::Value;

/// Every registered analysis with its defaults: what an experiment without `analyses:` runs.
pub(super) fn all_analyses() -> Vec<AnyAnalysis> {
    Vec::new()
}
