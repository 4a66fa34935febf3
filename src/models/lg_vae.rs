//! A VAE whose codes are observed through a linear-Gaussian state-space model, trained on the exact likelihood of the codes.
//!
//! ```text
//! a_t ~ q(a_t | x_t)                                     encoder, diagonal Gaussian, one frame at a time
//! z_0 ~ N(mu_0, Sigma_0),  z_t ~ N(A z_{t-1} + B u_{t-1} + b, Q)     law of motion; u_{t-1} acts from frame t-1 to t
//! a_t ~ N(C z_t + d, R),   x_t ~ p(x_t | a_t)            emission, decoder
//!
//! ELBO = E_q [ log p(x | a) + log p(a_{0:T-1}) - log q(a | x) ]
//! ```
//!
//! Source: the Kalman VAE (Fraccaro et al. 2017, sec. 3) with one matrix (K = 1). Departures:
//! 1. log p(a) is the exact marginal likelihood from the innovations of the filter, where the paper samples z from smoothed
//!    marginals and adds up marginal entropies, a looser bound;
//! 2. Q, R and the initial state are learned, where the paper fixes them; all covariances are full;
//! 3. offsets b and d; the transition starts as free motion, z = (position, displacement per frame), where the paper starts at A = I.

use super::{Fit, FramesConfig, SequenceVae, Sizes, occlusion};
use crate::error::{Error, Result, all};
use crate::seeds::Rng;
use laws::StateSpace;
use lgssm::{Constraint, Lgssm};
use nn::Float;
use rand_distr::{Distribution, StandardNormal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of an `lg_vae`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LgVae {
    /// Networks between frames and codes.
    pub frames: FramesConfig,
    /// Share of a frame's usual foreground from which on its code is a measurement; 0 (the default): every code is one.
    /// Less of what moves tells no place: there the law says what to expect.
    #[schemars(range(min = 0, max = 1))]
    pub seen_from: f64,
    /// Latent dimensions, n. Twice the codes: a position and a displacement for each.
    #[schemars(range(min = 1, max = 128))]
    pub latent: usize,
    /// Where the law of motion starts.
    pub start: Start,
    /// What the transition matrix may be; the start is brought to the nearest of its kind.
    pub constraint: Constraint,
}

/// Where the law of motion starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// z = (position, displacement per frame): A = [[I, I], [0, I]], C = [I, 0]. Wants latent = 2 codes.
    #[default]
    FreeMotion,
    /// A = I, as published, with small noise so that dimensions differ; C starts at random.
    Identity,
}

impl Default for LgVae {
    fn default() -> Self {
        Self {
            frames: FramesConfig::default(),
            seen_from: 0.0,
            latent: 4,
            start: Start::default(),
            constraint: Constraint::default(),
        }
    }
}

impl Fit for LgVae {
    fn fit(&mut self, at: &str, frame: [usize; 3], free: &dyn Fn(&str) -> bool) {
        self.frames.fit(&format!("{at}.frames"), frame, free);
        if free(&format!("{at}.latent")) {
            self.latent = 2 * self.frames.codes;
        }
    }
}

impl LgVae {
    /// A small instance for the contract tests.
    pub fn example() -> Self {
        Self {
            frames: FramesConfig::example(),
            ..Self::default()
        }
    }

    /// # Errors
    /// Names the key under `at`, what was expected and got.
    pub fn check(&self, at: &str, frame: [usize; 3]) -> Result<()> {
        let (codes, got) = (self.frames.codes, self.latent);
        let latent = if got < codes || got > 128 {
            Err(Error::Experiment(format!(
                "{at}.latent: a number from codes ({codes}) to 128 expected, got {got}"
            )))
        } else if self.start == Start::FreeMotion && got != 2 * codes {
            Err(Error::Experiment(format!(
                "{at}.latent: start free_motion expects 2 * codes = {}, got {got}",
                2 * codes
            )))
        } else {
            Ok(())
        };
        let constraint = self.constraint.check(&format!("{at}.constraint"), got);
        all([
            self.frames.check(&format!("{at}.frames"), frame),
            occlusion::check(at, self.seen_from, frame),
            latent,
            constraint.map_err(Error::from),
        ])
    }

    /// Builds the model.
    ///
    /// # Errors
    /// Settings that do not fit the frames.
    pub fn build<F: Float>(&self, sizes: Sizes, rng: &mut Rng) -> Result<SequenceVae<F>> {
        let frames = self.frames.build(sizes.frame, rng)?;
        let law = StateSpace::constrained(&self.law_at_start(rng), self.constraint)?;
        let law = law.driven(sizes.actions)?;
        SequenceVae::new(frames, Box::new(law)).seen_from(self.seen_from)
    }

    /// Codes start within about -3..3. Process noise starts large enough to absorb bounces, else the first gradients bend the
    /// codes instead.
    pub(super) fn law_at_start(&self, rng: &mut Rng) -> Lgssm {
        let (n, p) = (self.latent, self.frames.codes);
        let mut draw = |std: f64| {
            let v: f64 = StandardNormal.sample(rng);
            std * v
        };
        let identity = |size: usize, scale: f64| {
            (0..size * size)
                .map(|i| if i / size == i % size { scale } else { 0.0 })
                .collect::<Vec<f64>>()
        };
        let mut transition = identity(n, 1.0);
        let mut emission = vec![0.0; p * n];
        let mut initial = identity(n, 3.0);
        for i in 0..p {
            emission[i * n + i] = 1.0;
        }
        match self.start {
            Start::FreeMotion => {
                for i in 0..p {
                    transition[i * n + p + i] = 1.0;
                    initial[(p + i) * (n + 1)] = 0.5;
                }
            }
            Start::Identity => {
                transition.iter_mut().for_each(|a| *a += draw(0.02));
                emission.iter_mut().for_each(|c| *c += draw(0.3));
            }
        }
        Lgssm {
            latent: n,
            code: p,
            transition_matrix: transition,
            transition_offset: vec![0.0; n],
            transition_cov: identity(n, 0.05),
            emission_matrix: emission,
            emission_offset: vec![0.0; p],
            emission_cov: identity(p, 0.005),
            initial_mean: vec![0.0; n],
            initial_cov: initial,
        }
    }
}
