//! The affine modes of a law that has several, as plain arrays: what an analysis reads.

use super::Lgssm;
use super::switching::{Modes, Room};
use serde::{Deserialize, Serialize};

/// Affine modes z' = A_k z + b_k of a law of motion, k = 0 .. K-1, and what all of them share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AffineModes {
    /// Emission, covariances and initial state; its transition is that of mode 0.
    pub law: Lgssm,
    /// A name for each mode, K of them: `free`, `x low`, `mode 3`.
    pub names: Vec<String>,
    /// A_k, (K, n, n).
    pub matrices: Vec<f64>,
    /// b_k, (K, n).
    pub offsets: Vec<f64>,
    /// The same modes with what chooses between them, where that is the state: all that a filter needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gated: Option<Modes>,
    /// The room that they are the free flight and the bounces of, where the law says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<Room>,
}

impl AffineModes {
    /// Modes (names, A_k, b_k) of a law whose own transition is not used. None where there are no names: too many to tell.
    pub fn new(
        law: Lgssm,
        (names, matrices, offsets): (Vec<String>, Vec<f64>, Vec<f64>),
    ) -> Option<Self> {
        let n = law.latent;
        let law = Lgssm {
            transition_matrix: matrices.get(..n * n)?.to_vec(),
            transition_offset: offsets.get(..n)?.to_vec(),
            ..law
        };
        (!names.is_empty()).then_some(Self {
            law,
            names,
            matrices,
            offsets,
            gated: None,
            room: None,
        })
    }

    /// The same with what chooses between the modes.
    #[must_use]
    pub fn gated_by(self, modes: Modes) -> Self {
        Self {
            gated: Some(modes),
            ..self
        }
    }

    /// Number of modes, K.
    pub fn count(&self) -> usize {
        self.names.len()
    }

    /// The law of mode k alone.
    pub fn law_of(&self, k: usize) -> Lgssm {
        let n = self.law.latent;
        Lgssm {
            transition_matrix: self.matrices[k * n * n..][..n * n].to_vec(),
            transition_offset: self.offsets[k * n..][..n].to_vec(),
            ..self.law.clone()
        }
    }
}

/// Weights of the modes in the transition into every frame, (B, T, K) each; they sum to 1, and to 0 at t = 0, into which nothing
/// leads.
#[derive(Clone, Debug, PartialEq)]
pub struct ModeWeights {
    /// As the filter has them: from codes up to that frame at most.
    pub filtered: Vec<f64>,
    /// As the smoother has them: from all codes.
    pub smoothed: Vec<f64>,
}
