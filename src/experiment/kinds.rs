//! The configuration types of the other rooms, under the names an experiment uses. The only place to change when one moves.

pub use crate::models::AnyModel;
pub use crate::train::TrainConfig;

/// Any registered analysis, as a one-key map.
pub type AnyAnalysis = serde_yaml::Value;

/// Every registered analysis with its defaults: what an experiment without `analyses:` runs.
pub(super) fn all_analyses() -> Vec<AnyAnalysis> {
    Vec::new()
}

/// Every registered analysis' name.
pub(crate) fn known_analyses() -> Vec<&'static str> {
    Vec::new()
}

/// The registered name of an analysis.
pub(super) fn analysis_name(analysis: &AnyAnalysis) -> String {
    let name = analysis.as_mapping().and_then(|map| map.keys().next());
    name.and_then(AnyAnalysis::as_str).unwrap_or_default().to_string()
}
