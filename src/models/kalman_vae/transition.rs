//! The `transition:` of a `kalman_vae`: which choices there are, and where each starts.

use super::HypothesesConfig;
use super::switching::Switching;
use crate::error::{Error, Result};
use crate::lgssm::Lgssm;
use crate::lgssm::switching::Hypotheses;
use crate::models::Dynamics;
use crate::nn::Float;
use crate::nn::ops::{ModesParams, StateSpace, SwitchingStateSpace};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `transition:` of a `kalman_vae`, as a one-key map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Transition {
    /// One affine law.
    Linear(Linear),
    /// Free flight between two reflecting walls on every axis.
    Reflecting(Reflecting),
    /// Affine modes, chosen by where the state is.
    Mixture(Mixture),
}

/// One affine law; nothing to set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Linear {}

/// How sharp walls start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Reflecting {
    /// Sharpness kappa of a wall at the start, in inverse typical displacements per frame. Walls start at the edges of the codes.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub sharpness: f64,
}

/// How many modes there are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mixture {
    /// Number of modes K. The first starts in the middle, 2p more beyond the edges of the codes, the rest beyond the corners: 3^p
    /// (9 with two codes) fill them.
    #[schemars(range(min = 1))]
    pub modes: usize,
    /// Sharpness of their borders at the start, in inverse typical displacements per frame.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub sharpness: f64,
}

/// Edges of the codes are known to a fraction of a displacement; what is not known of the state softens a gate by itself.
const SHARPNESS: f64 = 50.0;

impl Default for Reflecting {
    fn default() -> Self {
        Self {
            sharpness: SHARPNESS,
        }
    }
}

impl Default for Mixture {
    fn default() -> Self {
        Self {
            modes: 9,
            sharpness: SHARPNESS,
        }
    }
}

impl Transition {
    /// # Errors
    /// Names the key under `at`, what was expected and got.
    pub(super) fn check(&self, at: &str, codes: usize) -> Result<()> {
        let (kind, sharpness) = match self {
            Self::Linear(_) => return Ok(()),
            Self::Reflecting(c) => ("reflecting", c.sharpness),
            Self::Mixture(c) => ("mixture", c.sharpness),
        };
        if !(sharpness.is_finite() && sharpness > 0.0) {
            return Err(Error::Experiment(format!(
                "{at}.{kind}.sharpness: a positive number expected, got {sharpness}"
            )));
        }
        match self {
            Self::Mixture(c) if c.modes == 0 || c.modes > most_modes(codes) => {
                Err(Error::Experiment(format!(
                    "{at}.mixture.modes: a number in 1..={} expected, got {}",
                    most_modes(codes),
                    c.modes
                )))
            }
            _ => Ok(()),
        }
    }

    /// The law that a model starts with: `free` with this transition in place of its own.
    pub(super) fn build<F: Float>(
        &self,
        free: &Lgssm,
        hypotheses: HypothesesConfig,
    ) -> Result<Box<dyn Dynamics<F>>> {
        let (modes, sharpness) = match self {
            Self::Linear(_) => return Ok(Box::new(StateSpace::new(free)?)),
            Self::Reflecting(c) => (ModesParams::reflecting(free.code)?, c.sharpness),
            Self::Mixture(c) => (ModesParams::mixture(free, c.modes)?, c.sharpness),
        };
        let train = Hypotheses::new(hypotheses.train);
        Ok(Box::new(Switching {
            law: SwitchingStateSpace::new(free, modes, train)?,
            sharpness,
            hypotheses: Hypotheses::new(hypotheses.infer),
        }))
    }
}

/// One mode in the middle and one for every way to be beyond some edges of the codes: 3^p, up to what is worth having.
fn most_modes(codes: usize) -> usize {
    3_usize
        .saturating_pow(u32::try_from(codes).unwrap_or(u32::MAX))
        .min(81)
}
