//! What the latents mean: regressions on the true state, the learned law in physical units, prediction, imputation.
//!
//! An analysis reads a [`Study`] (everything about one trained model and one seed, as plain arrays) and gives a
//! [`Finding`] (numbers with intervals, their formulas, tables, figures). One file and one line in `analyses!` add one.

pub mod ablation;
pub mod agreement;
pub mod baselines;
mod columns;
pub mod constants;
pub mod contacts;
mod curves;
mod facts_reading;
pub mod finding;
mod futures_features;
mod futures_physics;
mod futures_pictures;
mod futures_rows;
mod futures_sheet;
mod imputation_pictures;
mod latent_pictures;
mod law_inputs;
mod law_pictures;
mod ledger_pictures;
#[cfg(test)]
mod missing_tests;
pub mod monitor;
mod poses_linear;
pub mod readout;
mod regime_pictures;
mod rooms;
mod sight;
pub mod study;
#[cfg(test)]
pub(crate) mod testing;
pub mod walls;

pub use crate::measure::kinematics::Kinematics;
pub use baselines::baselines;
pub use finding::{Definition, Finding, Metric, NamedFigure, Table};
pub use monitor::monitor;
pub use study::{Footage, ImpossiblePairs, Peer, SplitStudy, Study, TrainingPoint};

use crate::error::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A question about a trained model.
pub trait Analysis {
    /// The registered name, as an experiment file has it.
    fn name(&self) -> &'static str;
    /// Checks the parameters.
    ///
    /// # Errors
    /// [`crate::Error::Experiment`] names the key, the expected range and the value.
    fn check(&self) -> Result<()>;
    /// Answers the question. A model that lacks what is asked about gives a finding that says so.
    ///
    /// # Errors
    /// Arrays that do not fit together, values that are not finite.
    fn run(&self, study: &Study) -> Result<Finding>;
}

/// Declares the modules, the YAML enum and its dispatch. One line per analysis: `file::Type`.
macro_rules! analyses {
    ($($file:ident :: $Analysis:ident),* $(,)?) => {
        $(pub mod $file;)*
        /// Any registered analysis, as an experiment file names it: a one-key map, `probe: {}`.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum AnyAnalysis {
            $(
                #[doc = concat!("See [`", stringify!($file), "`].")]
                $Analysis($file::$Analysis)
            ),*
        }
        impl AnyAnalysis {
            /// Every registered name.
            pub fn names() -> Vec<&'static str> {
                vec![$(stringify!($file)),*]
            }
            /// Every registered analysis with its default parameters.
            pub fn all_defaults() -> Vec<Self> {
                vec![$(Self::$Analysis($file::$Analysis::default())),*]
            }
        }
        impl std::ops::Deref for AnyAnalysis {
            type Target = dyn Analysis;
            fn deref(&self) -> &Self::Target {
                match self {
                    $(Self::$Analysis(analysis) => analysis),*
                }
            }
        }
    };
}

analyses! {
    probe::Probe,
    lag_scan::LagScan,
    law::Law,
    horizon::Horizon,
    kalman::Kalman,
    imputation::Imputation,
    regimes::Regimes,
    calibration::Calibration,
    collapse::Collapse,
    training::Training,
    filmstrip::Filmstrip,
    geometry::Geometry,
    traversal::Traversal,
    shift::Shift,
    futures::Futures,
    ledger::Ledger,
    memory::Memory,
    attention::Attention,
    facts::Facts,
    factors::Factors,
    next_frame::NextFrame,
    violations::Violations,
    poses::Poses,
}

#[cfg(test)]
mod tests {
    use super::testing::study;
    use super::*;

    #[test]
    fn every_analysis_has_its_registered_name_in_yaml_and_valid_defaults() {
        #[derive(Serialize, Deserialize)]
        struct Holder {
            #[serde(with = "serde_yaml::with::singleton_map_recursive")]
            analyses: Vec<AnyAnalysis>,
        }
        let all = AnyAnalysis::all_defaults();
        assert_eq!(all.len(), AnyAnalysis::names().len());
        for (analysis, name) in all.iter().zip(AnyAnalysis::names()) {
            analysis.check().unwrap();
            assert_eq!(analysis.name(), name);
            let read: Holder = serde_yaml::from_str(&format!("analyses: [{name}: {{}}]")).unwrap();
            assert_eq!(&read.analyses[0], analysis);
            let wrong = format!("analyses: [{name}: {{no_such_key: 1}}]");
            assert!(
                serde_yaml::from_str::<Holder>(&wrong).is_err(),
                "{name} takes unknown keys"
            );
        }
    }

    #[test]
    fn every_analysis_answers_the_same_on_one_thread_and_survives_its_file() {
        let study = study(12, true);
        for analysis in AnyAnalysis::all_defaults() {
            let finding = analysis.run(&study).unwrap();
            assert_eq!(finding.analysis, analysis.name());
            assert!(
                finding.question.ends_with('?') && !finding.answer.is_empty(),
                "{finding:?}"
            );
            let text = serde_json::to_string(&finding).unwrap();
            assert_eq!(
                serde_json::from_str::<Finding>(&text).unwrap(),
                finding,
                "{}",
                analysis.name()
            );
            let one = rayon::ThreadPoolBuilder::new().num_threads(1).build();
            let again = one.unwrap().install(|| analysis.run(&study)).unwrap();
            assert_eq!(again, finding, "{} on one thread", analysis.name());
            for table in &finding.tables {
                assert!(
                    table
                        .rows
                        .iter()
                        .all(|row| row.len() == table.columns.len()),
                    "{table:?}"
                );
            }
            for metric in &finding.metrics {
                assert!(metric.value.is_finite(), "{metric:?}");
            }
            for figure in &finding.figures {
                let first = figure
                    .caption
                    .split_inclusive(['?', '.'])
                    .next()
                    .unwrap_or("");
                assert!(first.ends_with('?'), "{}: {}", figure.name, figure.caption);
            }
        }
    }

    #[test]
    fn a_model_with_nothing_but_codes_or_nothing_at_all_is_told_plainly() {
        for keep in ["encoder", "nothing"] {
            let mut study = study(6, true);
            study.law = None;
            for split in [&mut study.train, &mut study.validation, &mut study.test] {
                split.latents.retain(|name| name == keep);
                split.untrained.retain(|_| false);
                split.frames.clear();
            }
            for analysis in AnyAnalysis::all_defaults() {
                let finding = analysis.run(&study).unwrap();
                assert!(!finding.answer.is_empty(), "{}", analysis.name());
            }
        }
    }
}
