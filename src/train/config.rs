//! The `train:` section of an experiment and its schedules.

use super::missing::MissingConfig;
use crate::error::{Error, Result, all};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// How a model is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Optimiser steps.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub steps: usize,
    /// Sequences per step, B.
    #[schemars(range(min = 1))]
    pub batch: usize,
    /// Frames that a step sees of each of its sequences, from a random one on; all where it is left out. Long recordings
    /// then give many clips, of which most do not begin where a world begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2))]
    pub window: Option<usize>,
    /// Parts that a batch is cut into, each with its own tape on its own thread. Part of the configuration and not of the
    /// machine, because sums of floats depend on the cut: the same bytes come out on any number of threads.
    #[schemars(range(min = 1))]
    pub micro_batches: usize,
    /// Adam's step size over time.
    pub learning_rate: LearningRate,
    /// Largest global norm of the gradient of the loss in nats per frame; larger ones are scaled down to it.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub gradient_clip: f64,
    /// Weight of all ELBO terms but the reconstruction: too much of it at the start and the codes collapse before the decoder
    /// has found the ball.
    pub latent_weight: Warmup,
    /// Steps between validations; a checkpoint is written at each.
    #[schemars(range(min = 1))]
    pub validate_every: usize,
    /// Steps after which a law that starts from codes does so: the encoder has to see what moves first. Before, such a law is free
    /// flight.
    pub law_from: usize,
    /// Short runs from different starts, of which the best goes on.
    pub starts: Starts,
    /// Frames and pixels that training does not see; nothing by default.
    pub missing: MissingConfig,
    /// Validations in a row without a better ELBO after which training stops; it goes on to the last step when left out. The
    /// best weights are kept either way.
    #[schemars(range(min = 1))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patience: Option<usize>,
    /// Where the weights stand that training starts from: a run folder, or a model's folder `results/box/lg_vae/seed-0` for
    /// all models and seeds. Tensors of the same name are taken, others are new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init_from: Option<PathBuf>,
    /// SHA-256 of these weights when the experiment was resolved, file by file; filled in when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init_weights: Option<IndexMap<String, String>>,
}

/// Adam's step size over time: a linear rise, a plateau, a linear fall.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LearningRate {
    /// Plateau.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub peak: f64,
    /// Steps of the rise.
    pub warmup: usize,
    /// Fraction of all steps after which the fall begins, 0..=1.
    #[schemars(range(min = 0, max = 1))]
    pub decay_from: f64,
    /// End of the fall, as a fraction of the peak.
    #[schemars(range(min = 0, max = 1))]
    pub last: f64,
}

/// A weight that rises linearly and then stays at 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Warmup {
    /// At the first step.
    #[schemars(range(min = 0, max = 1))]
    pub from: f64,
    /// Fraction of all steps after which it is 1, 0..=1.
    #[schemars(range(min = 0, max = 1))]
    pub over: f64,
}

/// A tournament of starts, judged without labels by the ELBO on validation sequences.
///
/// Some networks fold the image plane in their first hundred steps and never recover; their ELBO tells at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Starts {
    /// How many starts compete; 1 for none.
    #[schemars(range(min = 1, max = 1000))]
    pub candidates: usize,
    /// Steps that each is given. The winner keeps them.
    pub steps: usize,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            steps: 3000,
            batch: 32,
            window: None,
            micro_batches: 4,
            learning_rate: LearningRate::default(),
            gradient_clip: 10.0,
            latent_weight: Warmup::default(),
            validate_every: 250,
            law_from: 300,
            starts: Starts::default(),
            missing: MissingConfig::default(),
            patience: None,
            init_from: None,
            init_weights: None,
        }
    }
}

impl Default for LearningRate {
    fn default() -> Self {
        Self {
            peak: 2e-3,
            warmup: 100,
            decay_from: 0.6,
            last: 0.02,
        }
    }
}

impl Default for Warmup {
    fn default() -> Self {
        Self {
            from: 0.1,
            over: 0.2,
        }
    }
}

impl Default for Starts {
    fn default() -> Self {
        Self {
            candidates: 1,
            steps: 200,
        }
    }
}

/// Pixel values of a micro-batch at most, where it can be cut so: 16 MB of frames, and a few times that of the networks'
/// maps, for each thread.
const VALUES: usize = 4 << 20;

impl TrainConfig {
    /// Micro-batches where nobody says how many, for clips of so many pixel values: the usual number, more where frames
    /// are large, a clip in each at most.
    pub fn parts(&self, clip: usize) -> usize {
        let usual = Self::default().micro_batches;
        let batch = self.batch.max(1);
        usual
            .max(batch.saturating_mul(clip).div_ceil(VALUES))
            .min(batch)
    }

    /// # Errors
    /// [`Error::Experiment`] names every wrong key under `at`, what was expected and got.
    pub fn check(&self, at: &str) -> Result<()> {
        let mut found = Vec::new();
        let mut bad = |key: &str, want: &str, got: &dyn std::fmt::Display| {
            let message = format!("{at}.{key}: {want} expected, got {got}");
            found.push(Err(Error::Experiment(message)));
        };
        let fraction = |v: f64| (0.0..=1.0).contains(&v);
        if self.steps == 0 || self.steps > 100_000_000 {
            bad("steps", "a number in 1..=100000000", &self.steps);
        }
        if self.batch == 0 {
            bad("batch", "a positive number", &self.batch);
        }
        if let Some(window) = self.window
            && window < 2
        {
            bad("window", "at least 2 frames", &window);
        }
        if self.micro_batches == 0 || self.micro_batches > self.batch {
            bad(
                "micro_batches",
                &format!("a number in 1..={} (the batch)", self.batch),
                &self.micro_batches,
            );
        }
        let rate = &self.learning_rate;
        if !(rate.peak > 0.0 && rate.peak.is_finite()) {
            bad("learning_rate.peak", "a positive number", &rate.peak);
        }
        if !fraction(rate.decay_from) {
            bad(
                "learning_rate.decay_from",
                "a fraction in 0..=1",
                &rate.decay_from,
            );
        }
        if !fraction(rate.last) {
            bad("learning_rate.last", "a fraction in 0..=1", &rate.last);
        }
        if self.gradient_clip.is_nan() || self.gradient_clip <= 0.0 {
            bad("gradient_clip", "a positive number", &self.gradient_clip);
        }
        if !fraction(self.latent_weight.from) {
            bad(
                "latent_weight.from",
                "a fraction in 0..=1",
                &self.latent_weight.from,
            );
        }
        if !fraction(self.latent_weight.over) {
            bad(
                "latent_weight.over",
                "a fraction in 0..=1",
                &self.latent_weight.over,
            );
        }
        if self.validate_every == 0 {
            bad("validate_every", "a positive number", &self.validate_every);
        }
        if self.patience == Some(0) {
            bad("patience", "at least 1 validation", &0);
        }
        if self.starts.candidates == 0 || self.starts.candidates > 1000 {
            bad(
                "starts.candidates",
                "a number in 1..=1000",
                &self.starts.candidates,
            );
        }
        if self.starts.candidates > 1 && (self.starts.steps == 0 || self.starts.steps >= self.steps)
        {
            bad(
                "starts.steps",
                &format!("a number in 1..{} (below steps)", self.steps),
                &self.starts.steps,
            );
        }
        all(found
            .into_iter()
            .chain([self.missing.check(&format!("{at}.missing"))]))
    }

    /// Whether nothing has become better for so many validations that training stops: `best` is the step of the best one.
    pub fn is_patience_over(&self, step: usize, best: Option<usize>) -> bool {
        let since = |best: usize| step.saturating_sub(best) / self.validate_every.max(1);
        let over = |patience: usize| best.is_some_and(|best| since(best) >= patience);
        self.patience.is_some_and(over)
    }

    /// Adam's step size at step 0 .. steps-1.
    pub fn learning_rate_at(&self, step: usize) -> f64 {
        let rate = &self.learning_rate;
        let rise = ((step + 1) as f64 / rate.warmup.max(1) as f64).min(1.0);
        let done = step as f64 / self.steps as f64;
        let fall = if done <= rate.decay_from {
            1.0
        } else {
            (1.0 - done) / (1.0 - rate.decay_from)
        };
        rate.peak * rise * (rate.last + (1.0 - rate.last) * fall)
    }

    /// Weight of the latent terms at step 0 .. steps-1.
    pub fn latent_weight_at(&self, step: usize) -> f64 {
        let w = &self.latent_weight;
        let done = step as f64 / (self.steps as f64 * w.over).max(1.0);
        w.from + (1.0 - w.from) * done.min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_counts_validations_since_the_best_one() {
        let c = TrainConfig {
            validate_every: 10,
            patience: Some(2),
            ..TrainConfig::default()
        };
        assert!(!c.is_patience_over(500, None));
        assert!(!c.is_patience_over(39, Some(20)));
        assert!(c.is_patience_over(40, Some(20)));
        let never = TrainConfig {
            patience: None,
            ..c
        };
        assert!(!never.is_patience_over(10_000, Some(10)));
    }

    #[test]
    fn the_rate_rises_stays_and_falls_to_its_last_value() {
        let c = TrainConfig {
            steps: 1000,
            ..TrainConfig::default()
        };
        let peak = c.learning_rate.peak;
        assert!(c.learning_rate_at(0) < 0.02 * peak);
        assert_eq!(c.learning_rate_at(300), peak);
        assert!((c.learning_rate_at(1000) - 0.02 * peak).abs() < 1e-12);
        assert!((1..1000).all(|s| c.learning_rate_at(s) > 0.0 && c.learning_rate_at(s) <= peak));
    }

    #[test]
    fn the_latent_weight_ends_at_one() {
        let c = TrainConfig {
            steps: 1000,
            ..TrainConfig::default()
        };
        assert_eq!(c.latent_weight_at(0), 0.1);
        assert_eq!(c.latent_weight_at(200), 1.0);
        assert_eq!(c.latent_weight_at(999), 1.0);
    }

    #[test]
    fn a_wrong_setting_is_named_with_what_was_expected() {
        let c = TrainConfig {
            micro_batches: 64,
            batch: 32,
            ..TrainConfig::default()
        };
        let message = c.check("train").unwrap_err().to_string();
        assert_eq!(
            message,
            "train.micro_batches: a number in 1..=32 (the batch) expected, got 64"
        );
    }
}
