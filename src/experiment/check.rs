//! What types can't tell: ranges, and values that contradict each other.

use super::Experiment;
use super::locate::Part;
use super::problem::Problem;
use crate::error::{Error, Result};
use crate::seeds::Seeds;
use std::collections::BTreeSet;

/// Bytes of frames of one dataset that are believed, 16 TB.
const LARGEST_BYTES: f64 = 16e12;

/// Folder names next to those of the models.
const RESERVED: [&str; 3] = ["data", "figures", "jobs"];

impl Experiment {
    /// Every value that is out of its range or contradicts another, in the order of the file.
    pub fn problems(&self) -> Vec<Problem> {
        let mut found = Problems::default();
        found.file_name("name", "the name", &self.name);
        found.require(!self.question.trim().is_empty(), "question", || {
            "expected a sentence that ends with a question mark, got nothing".into()
        });
        self.check_seeds(&mut found);
        found.of(self.data.check(), "");
        let frames = self.data.frames();
        found.require(frames >= 2, "data.frames", || {
            format!("expected at least 2, a past and a future, got {frames}")
        });
        self.check_size(&mut found);
        self.check_models(&mut found);
        self.check_train(&mut found);
        self.check_encode(&mut found);
        if let Some(rollout) = &self.rollout {
            found.of(rollout.check(&self.data), "");
        }
        self.check_analyses(&mut found);
        found.0
    }

    /// Builds every model once, as training will: what only fails there is told before data are made.
    ///
    /// # Errors
    /// Settings that do not fit each other or the frames, by the model's name.
    pub fn buildable(&self) -> Result<()> {
        for (name, model) in &self.models {
            let mut rng = Seeds::new(0).stream("init", 0);
            let built = model.build::<f32>(self.data.frame_shape(), &mut rng);
            built.map_err(|e| Error::Experiment(format!("models.{name}: {e}")))?;
        }
        Ok(())
    }

    /// What may be meant otherwise, though it can be run.
    pub fn warnings(&self) -> Vec<String> {
        let (steps, from) = (self.train.steps, self.train.law_from);
        let mut found = Vec::new();
        let modes = self
            .models
            .keys()
            .filter(|name| self.model_kind(name) == "kalman_vae");
        for name in modes.filter(|_| steps <= from) {
            found.push(format!(
                "models.{name}: train.steps is {steps} and train.law_from {from}: a law with modes that starts from codes never starts"
            ));
        }
        found
    }

    /// Bytes of all frames of the dataset.
    pub fn frame_bytes(&self) -> f64 {
        let [c, h, w] = self.data.frame_shape();
        let sequences: f64 = self.data.all_sequences().map(|n| n as f64).sum();
        sequences * self.data.frames() as f64 * (c * h * w) as f64
    }

    /// Refuses what no disk holds.
    fn check_size(&self, found: &mut Problems) {
        let [c, h, w] = self.data.frame_shape();
        let sequences: f64 = self.data.all_sequences().map(|n| n as f64).sum();
        let bytes = self.frame_bytes();
        if bytes > LARGEST_BYTES && self.data.stored().is_none() {
            let path = match self.data.frames() > 1_000_000 {
                true => "data.frames",
                false => "data.splits",
            };
            found.require(false, path, || {
                format!(
                    "{sequences} sequences of {} frames of {c} x {h} x {w} would take {:.1} TB on disk; expected at most {:.0} TB",
                    self.data.frames(),
                    bytes / 1e12,
                    LARGEST_BYTES / 1e12
                )
            });
        }
    }

    fn check_seeds(&self, found: &mut Problems) {
        found.require(!self.seeds.is_empty(), "seeds", || {
            "expected at least one seed, got none".into()
        });
        let mut seen = BTreeSet::new();
        for (i, seed) in self.seeds.iter().enumerate() {
            found.require(seen.insert(seed), format!("seeds[{i}]"), || {
                format!("expected different seeds, got {seed} twice")
            });
        }
    }

    fn check_models(&self, found: &mut Problems) {
        found.require(!self.models.is_empty(), "models", || {
            "expected at least one model, got none".into()
        });
        for (name, model) in &self.models {
            let path = format!("models.{name}");
            found.file_name(&path, "the model's name", name);
            found.require(!RESERVED.contains(&name.as_str()), &path, || {
                format!("the name of a model names its folder; `{name}` is taken")
            });
            found.of(model.check(&path, self.data.frame_shape()), "");
        }
    }

    fn check_train(&self, found: &mut Problems) {
        found.of(self.train.check("train"), "");
        let (frames, shape) = (self.data.frames(), self.data.frame_shape());
        let missing = &self.train.missing;
        found.of(missing.check_data("train.missing", frames, shape), "");
        let batch = self.train.batch;
        let sequences = self.data.sequences("train");
        found.require(batch <= sequences, "train.batch", || {
            format!("expected at most data.splits.train, which is {sequences}, got {batch}")
        });
    }

    fn check_analyses(&self, found: &mut Problems) {
        let mut seen = BTreeSet::new();
        for (i, analysis) in self.analyses.iter().enumerate() {
            let name = analysis.name();
            found.of(analysis.check(), &format!("analyses[{i}]."));
            found.require(seen.insert(name), format!("analyses[{i}]"), || {
                format!("expected every analysis once, got `{name}` twice")
            });
        }
    }

    fn check_encode(&self, found: &mut Problems) {
        let encode = &self.encode;
        let frames = self.data.frames();
        let (context, seen) = (encode.context, encode.always_seen);
        found.require((1..frames).contains(&context), "encode.context", || {
            let most = frames.saturating_sub(1);
            format!(
                "expected 1 to {most} (fewer than data.frames, which is {frames}), got {context}"
            )
        });
        for (i, rate) in encode.drop_rates.iter().enumerate() {
            let path = format!("encode.drop_rates[{i}]");
            found.require((0.0..=1.0).contains(rate), path, || {
                format!("expected a probability from 0 to 1, got {rate}")
            });
        }
        found.require(seen <= frames, "encode.always_seen", || {
            format!("expected at most data.frames, which is {frames}, got {seen}")
        });
        for (i, &block) in encode.blocks.iter().enumerate() {
            let most = frames.saturating_sub(seen);
            let path = format!("encode.blocks[{i}]");
            found.require((1..=most).contains(&block), path, || {
                format!("expected 1 to {most} (data.frames less encode.always_seen), got {block}")
            });
        }
        let draws = encode.next_frame_draws;
        found.require(draws <= 1000, "encode.next_frame_draws", || {
            format!("expected 0 to 1000, got {draws}")
        });
        let (got, train) = (encode.train_sequences, self.data.sequences("train"));
        let path = "encode.train_sequences";
        found.require((1..=train).contains(&got), path, || {
            format!("expected 1 to data.splits.train, which is {train}, got {got}")
        });
    }
}

/// What was found so far.
#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn require(&mut self, holds: bool, path: impl Into<String>, message: impl FnOnce() -> String) {
        if !holds {
            self.0.push(Problem::value(path, message()));
        }
    }

    /// Another room's complaints below `at`, a line each: "path: expected .., got ..".
    fn of(&mut self, checked: Result<()>, at: &str) {
        let Err(error) = checked else { return };
        for line in error.to_string().lines() {
            let (path, message) = line.split_once(": ").unwrap_or(("", line));
            self.0.push(Problem::value(format!("{at}{path}"), message));
        }
    }

    fn file_name(&mut self, path: &str, what: &str, name: &str) {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let fits = !name.is_empty() && name.chars().all(plain) && !name.starts_with('-');
        self.require(fits, path, || {
            format!(
                "{what} names a folder: expected letters, digits, `-` and `_` only, got `{name}`"
            )
        });
        if let (false, Some(problem)) = (fits, self.0.last_mut()) {
            problem.part = if path == "name" {
                Part::Value
            } else {
                Part::Key
            };
        }
    }
}
