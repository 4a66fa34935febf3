//! The `transition:` of a `kalman_vae`: which choices there are, and where each starts.

use super::gated::Gated;
use crate::error::{Error, Result};
use crate::lgssm::Lgssm;
use crate::models::Dynamics;
use crate::nn::Float;
use crate::nn::ops::{GateParams, GatedStateSpace, StateSpace};
use crate::seeds::Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

/// The `transition:` of a `kalman_vae`, as a one-key map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transition {
    /// One affine law.
    Linear(Linear),
    /// Free flight between two reflecting walls on every axis.
    Reflecting(Reflecting),
    /// Affine modes, blended by where the state is.
    Mixture(Mixture),
}

/// One affine law; nothing to set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Linear {}

/// Where walls start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reflecting {
    /// Walls start at plus and minus this, in units of the codes.
    pub edge: f64,
    /// Sharpness kappa of a wall at the start, per unit of the codes. Much sharper and no gradient reaches a wall before a code does.
    pub sharpness: f64,
}

/// Which modes, and where their cells start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mixture {
    /// Number of modes K. The first starts in the middle, 2p more beyond the edges of the codes, the rest beyond the corners: 3^p
    /// (9 with two codes) fill them.
    pub modes: usize,
    /// Cells start at plus and minus this, in units of the codes.
    pub edge: f64,
    /// Sharpness of their borders at the start, per unit of the codes.
    pub sharpness: f64,
}

/// Codes start within about -2..2: the coordinates of a ball in its box, times 3.
const EDGE: f64 = 2.0;
const SHARPNESS: f64 = 5.0;

impl Default for Reflecting {
    fn default() -> Self {
        Self {
            edge: EDGE,
            sharpness: SHARPNESS,
        }
    }
}

impl Default for Mixture {
    fn default() -> Self {
        Self {
            modes: 9,
            edge: EDGE,
            sharpness: SHARPNESS,
        }
    }
}

impl Transition {
    /// # Errors
    /// Names the key under `at`, what was expected and got.
    pub(super) fn check(&self, at: &str, codes: usize) -> Result<()> {
        let (kind, edge, sharpness) = match self {
            Self::Linear(_) => return Ok(()),
            Self::Reflecting(c) => ("reflecting", c.edge, c.sharpness),
            Self::Mixture(c) => ("mixture", c.edge, c.sharpness),
        };
        for (key, got) in [("edge", edge), ("sharpness", sharpness)] {
            if !(got.is_finite() && got > 0.0) {
                return Err(Error::Experiment(format!(
                    "{at}.{kind}.{key}: a positive number expected, got {got}"
                )));
            }
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
        smoother_passes: usize,
        rng: &mut Rng,
    ) -> Result<Box<dyn Dynamics<F>>> {
        let gate = match self {
            Self::Linear(_) => return Ok(Box::new(StateSpace::new(free)?)),
            Self::Reflecting(c) => GateParams::reflecting(free.code, c.edge, c.sharpness)?,
            Self::Mixture(c) => c.start(free, rng)?,
        };
        Ok(Box::new(Gated {
            law: GatedStateSpace::new(free, gate)?,
            smoother_passes,
        }))
    }
}

/// One mode in the middle and one for every way to be beyond some edges of the codes: 3^p, up to what is worth having.
fn most_modes(codes: usize) -> usize {
    3_usize
        .saturating_pow(u32::try_from(codes).unwrap_or(u32::MAX))
        .min(81)
}

impl Mixture {
    /// Every mode starts as free flight, with small noise. Mode k has the logit
    ///
    /// ```text
    /// sharpness * sum over axes i of (side_i (x_i + v_i) - |side_i| edge),    side in {-1, 0, 1}^p
    /// ```
    ///
    /// the middle first, then edges, then corners. With all 3^p modes the softmax is then the product over axes of "below, between,
    /// above": at the edges of the codes, where what differs from free flight is likely to be.
    fn start<F: Float>(&self, free: &Lgssm, rng: &mut Rng) -> Result<GateParams<F>> {
        let (n, p) = (free.latent, free.code);
        let mut sides: Vec<Vec<f64>> = vec![vec![]];
        for _ in 0..p.min(4) {
            sides = sides
                .iter()
                .flat_map(|s| [0.0, 1.0, -1.0].map(|side| [&s[..], &[side]].concat()))
                .collect();
        }
        sides.sort_by_key(|s| s.iter().filter(|&&side| side != 0.0).count());
        let (mut matrices, mut offsets, mut weights, mut biases) = (vec![], vec![], vec![], vec![]);
        for side in sides.iter().take(self.modes) {
            let mut noise = || -> f64 {
                let draw: f64 = StandardNormal.sample(rng);
                0.02 * draw
            };
            matrices.extend(free.transition_matrix.iter().map(|a| a + noise()));
            offsets.extend(free.transition_offset.iter().map(|b| b + noise()));
            let at = weights.len();
            weights.resize(at + n, 0.0);
            for (i, side) in side.iter().enumerate() {
                weights[at + i] = self.sharpness * side;
                weights[at + p + i] = self.sharpness * side;
            }
            biases.push(-self.sharpness * self.edge * side.iter().map(|s| s.abs()).sum::<f64>());
        }
        GateParams::mixture(n, &matrices, &offsets, &weights, &biases)
    }
}
