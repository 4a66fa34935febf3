//! The `transition:` of a `kalman_vae`: which choices there are, and where each starts.

use super::blended::Blended;
use super::linear::LinearLaw;
use super::switching::Switching;
use super::weights::Weigher;
use super::{HypothesesConfig, Objective};
use crate::error::{Error, Result, all};
use crate::models::Dynamics;
use crate::seeds::Rng;
use laws::{BlendedStateSpace, ModesParams, StateSpace, SwitchingStateSpace};
use lgssm::switching::{Hypotheses, MOST_AXES};
use lgssm::{Blend, Constraint, Lgssm};
use nn::Float;
use rand_distr::{Distribution, StandardNormal};
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
    /// Free flight with a constant acceleration between walls of any direction, which are found from the codes.
    Room(Room),
    /// Affine modes, chosen by where the state is or blended by what past codes say.
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

/// How many walls a room may have, and how sharp they start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Room {
    /// Most walls. How many there are is found, each from at least 8 contacts after `train.law_from` steps.
    #[schemars(range(min = 1, max = 32))]
    pub walls: usize,
    /// Sharpness kappa of a wall at the start, in inverse typical displacements per frame.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub sharpness: f64,
}

/// How many modes there are, and what tells them apart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mixture {
    /// Number of modes K. The first starts in the middle, 2p more beyond the edges of the codes, the rest beyond the corners: 3^p
    /// (9 with two codes) fill them.
    #[schemars(range(min = 1))]
    pub modes: usize,
    /// Sharpness of their borders where they start from codes, in inverse typical displacements per frame.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub sharpness: f64,
    /// What weighs the modes.
    pub weights: Weights,
    /// Width of the network between codes and weights, for `weights: codes` and `lstm`; 50 as published.
    #[schemars(range(min = 1, max = 4096))]
    pub units: usize,
    /// Whether modes have offsets b_k; without them, as published, a mode can't be a reflection off a wall at w, x' = 2w - x.
    pub offsets: bool,
    /// Where the modes start.
    pub start: MixtureStart,
}

/// What weighs the modes of a mixture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Weights {
    /// The state before: one mode is chosen, several paths of modes are followed ([`lgssm::switching`]).
    #[default]
    State,
    /// The last two codes through one layer; matrices are blended.
    Codes,
    /// An LSTM over all codes so far, as published; matrices are blended.
    Lstm,
}

/// Where the modes of a mixture start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MixtureStart {
    /// K different laws read from the codes after `train.law_from` steps, free flight until then.
    #[default]
    Codes,
    /// z = (position, displacement per frame) flies freely in every mode, up to small noise that tells modes apart.
    FreeMotion,
    /// A_k = I as published, up to such noise; C starts at random and is learned.
    Identity,
}

impl MixtureStart {
    fn name(self) -> &'static str {
        match self {
            Self::Codes => "codes",
            Self::FreeMotion => "free_motion",
            Self::Identity => "identity",
        }
    }
}

/// Edges of the codes are known to a fraction of a displacement; what is not known of the state softens a gate by itself.
const SHARPNESS: f64 = 50.0;
/// Most walls of a room; more than a dozen are a circle.
const MOST_WALLS: usize = 32;
/// Standard deviation of the noise that tells modes apart.
const APART: f64 = 0.02;

impl Default for Reflecting {
    fn default() -> Self {
        Self {
            sharpness: SHARPNESS,
        }
    }
}

impl Default for Room {
    fn default() -> Self {
        Self {
            walls: 12,
            sharpness: SHARPNESS,
        }
    }
}

impl Default for Mixture {
    fn default() -> Self {
        Self {
            modes: 9,
            sharpness: SHARPNESS,
            weights: Weights::default(),
            units: 50,
            offsets: true,
            start: MixtureStart::default(),
        }
    }
}

/// What a transition is built for.
pub(super) struct Setting {
    /// As many mode paths are followed.
    pub hypotheses: HypothesesConfig,
    /// What the transition matrices may be.
    pub constraint: Constraint,
    /// What is climbed.
    pub objective: Objective,
    /// Components of an action; only one affine law is moved by them.
    pub actions: usize,
}

impl Transition {
    /// # Errors
    /// Names the key under `at` (of the model), what was expected and got.
    pub(super) fn check(&self, at: &str, codes: usize, setting: &Setting) -> Result<()> {
        let mut found = Vec::new();
        let mut wrong = |key: &str, want: &str, got: &dyn std::fmt::Display| {
            let message = format!("{at}.{key}: {want} expected, got {got}");
            found.push(Err(Error::Experiment(message)));
        };
        let published = setting.objective == Objective::Published;
        let bound = "exact (the published bound wants a law that is linear given past codes: linear, or a mixture with weights codes or lstm)";
        let sharpness = match self {
            Self::Linear(_) => None,
            Self::Reflecting(c) => Some(("transition.reflecting.sharpness", c.sharpness)),
            Self::Room(c) => Some(("transition.room.sharpness", c.sharpness)),
            Self::Mixture(c) => Some(("transition.mixture.sharpness", c.sharpness)),
        };
        if let Some((key, got)) = sharpness
            && !(got.is_finite() && got > 0.0)
        {
            wrong(key, "a positive number", &got);
        }
        if let Self::Reflecting(_) | Self::Room(_) = self {
            if published {
                wrong("objective", bound, &"published");
            }
            if setting.constraint != Constraint::Free {
                let want = match self {
                    Self::Room(_) => "free (a room has matrices of its own)",
                    _ => "free (reflecting walls have matrices of their own)",
                };
                wrong("constraint", want, &setting.constraint.name());
            }
        }
        if let Self::Room(c) = self {
            if !(1..=MOST_WALLS).contains(&c.walls) {
                let want = format!("a number in 1..={MOST_WALLS}");
                wrong("transition.room.walls", &want, &c.walls);
            }
            if codes > MOST_AXES {
                let want = format!("at most {MOST_AXES} with a room");
                wrong("frames.codes", &want, &codes);
            }
        }
        if let Self::Mixture(c) = self {
            let most = match c.start {
                MixtureStart::Codes => most_modes(codes),
                _ => 81,
            };
            if c.modes == 0 || c.modes > most {
                let want = format!("a number in 1..={most}");
                wrong("transition.mixture.modes", &want, &c.modes);
            }
            let of_state = c.weights == Weights::State;
            if of_state && published {
                wrong("objective", bound, &"published with weights: state");
            }
            if of_state && c.start != MixtureStart::Codes {
                let want = "codes (weights: state starts its cells at the edges of the codes)";
                wrong("transition.mixture.start", want, &c.start.name());
            }
            if (of_state || c.start == MixtureStart::Codes) && !c.offsets {
                let want = match of_state {
                    true => "true (weights: state and start: codes want modes with offsets)",
                    false => "true (start: codes gives modes with offsets)",
                };
                wrong("transition.mixture.offsets", want, &c.offsets);
            }
            if !of_state && (c.units == 0 || c.units > 4096) {
                wrong("transition.mixture.units", "a number in 1..=4096", &c.units);
            }
        }
        all(found)
    }

    /// Whether latents have to be (place, displacement per frame) of the codes.
    pub(super) fn wants_places(&self) -> bool {
        !matches!(self, Self::Mixture(c) if c.start == MixtureStart::Identity)
    }

    /// The law that a model starts with: `free` with this transition in place of its own.
    pub(super) fn build<F: Float>(
        &self,
        free: &Lgssm,
        setting: &Setting,
        rng: &mut Rng,
    ) -> Result<Box<dyn Dynamics<F>>> {
        let constraint = setting.constraint;
        let (modes, sharpness) = match self {
            Self::Linear(_) => {
                return Ok(Box::new(LinearLaw {
                    space: StateSpace::constrained(free, constraint)?.driven(setting.actions)?,
                    objective: setting.objective,
                }));
            }
            Self::Reflecting(c) => (ModesParams::reflecting(free.code)?, c.sharpness),
            Self::Room(c) => (ModesParams::room(free.code, c.walls)?, c.sharpness),
            Self::Mixture(c) if c.weights == Weights::State => (
                ModesParams::mixture(free, c.modes, constraint)?,
                c.sharpness,
            ),
            Self::Mixture(c) => return Ok(Box::new(c.blended(free, setting, rng)?)),
        };
        let train = Hypotheses::new(setting.hypotheses.train);
        Ok(Box::new(Switching {
            law: SwitchingStateSpace::new(free, modes, train)?,
            sharpness,
            hypotheses: Hypotheses::new(setting.hypotheses.infer),
        }))
    }
}

impl Mixture {
    fn blended<F: Float>(
        &self,
        free: &Lgssm,
        setting: &Setting,
        rng: &mut Rng,
    ) -> Result<Blended<F>> {
        let (n, p) = (free.latent, free.code);
        let mut draws = |std: f64, count: usize| -> Vec<f64> {
            let all = (0..count).map(|_| {
                let draw: f64 = StandardNormal.sample(rng);
                std * draw
            });
            all.collect()
        };
        let mut law = free.clone();
        let from_codes = self.start == MixtureStart::Codes;
        if self.start == MixtureStart::Identity {
            law.transition_matrix = (0..n * n)
                .map(|i| f64::from(u8::from(i / n == i % n)))
                .collect();
            let noise = draws(1.0 / (n as f64).sqrt(), p * n);
            law.emission_matrix = noise;
        }
        let apart = if from_codes { 0.0 } else { APART };
        let noise = draws(apart, self.modes * n * n);
        let matrices = law.transition_matrix.repeat(self.modes);
        let modes = Blend {
            latent: n,
            matrices: matrices.iter().zip(&noise).map(|(a, e)| a + e).collect(),
            offsets: vec![0.0; self.modes * n],
        };
        let fixed = self.start != MixtureStart::Identity;
        Ok(Blended {
            law: BlendedStateSpace::new(&law, &modes, setting.constraint, self.offsets, fixed)?,
            weigher: match self.weights {
                Weights::Lstm => Weigher::lstm(p, self.units, self.modes, rng)?,
                _ => Weigher::codes(p, self.units, self.modes, rng)?,
            },
            objective: setting.objective,
            from_codes: from_codes.then_some(self.sharpness),
        })
    }
}

/// One mode in the middle and one for every way to be beyond some edges of the codes: 3^p, up to what is worth having.
fn most_modes(codes: usize) -> usize {
    3_usize
        .saturating_pow(u32::try_from(codes).unwrap_or(u32::MAX))
        .min(81)
}
