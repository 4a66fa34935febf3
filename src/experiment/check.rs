//! What types can't tell: ranges, and values that contradict each other.

use super::Experiment;
use crate::error::Error;
use std::collections::BTreeSet;

/// Something wrong at one place of an experiment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: `data.splits.train`, `seeds[1]`.
    pub path: String,
    /// Expected and got.
    pub message: String,
}

type Check = Result<(), Problem>;

/// Folder names next to those of the models.
const RESERVED: [&str; 2] = ["data", "figures"];

impl Experiment {
    /// Checks every value and every relation between values.
    ///
    /// # Errors
    /// The first [`Problem`], in the order of the file.
    pub fn check(&self) -> Check {
        file_name("name", "the name", &self.name)?;
        require(!self.question.trim().is_empty(), "question", || {
            "expected a sentence that ends with a question mark, got nothing".into()
        })?;
        self.check_seeds()?;
        self.check_data()?;
        self.check_models()?;
        self.check_train()?;
        self.check_encode()?;
        self.check_analyses()
    }

    fn check_seeds(&self) -> Check {
        require(!self.seeds.is_empty(), "seeds", || {
            "expected at least one seed, got none".into()
        })?;
        let mut seen = BTreeSet::new();
        for (i, seed) in self.seeds.iter().enumerate() {
            require(seen.insert(seed), format!("seeds[{i}]"), || {
                format!("expected different seeds, got {seed} twice")
            })?;
        }
        Ok(())
    }

    fn check_data(&self) -> Check {
        self.data.check().map_err(of)?;
        let frames = self.data.frames();
        require(frames >= 2, "data.frames", || {
            format!("expected at least 2, a past and a future, got {frames}")
        })
    }

    fn check_models(&self) -> Check {
        require(!self.models.is_empty(), "models", || {
            "expected at least one model, got none".into()
        })?;
        for (name, model) in &self.models {
            let path = format!("models.{name}");
            file_name(&path, "the model's name", name)?;
            require(!RESERVED.contains(&name.as_str()), &path, || {
                format!("the name of a model names its folder; `{name}` is taken")
            })?;
            model.check(&path, self.data.frame_shape()).map_err(of)?;
        }
        Ok(())
    }

    fn check_train(&self) -> Check {
        self.train.check("train").map_err(of)?;
        let (frames, shape) = (self.data.frames(), self.data.frame_shape());
        let missing = &self.train.missing;
        missing
            .check_data("train.missing", frames, shape)
            .map_err(of)?;
        let batch = self.train.batch;
        let sequences = self.data.sequences("train");
        require(batch <= sequences, "train.batch", || {
            format!("expected at most data.splits.train, which is {sequences}, got {batch}")
        })
    }

    fn check_analyses(&self) -> Check {
        let mut seen = BTreeSet::new();
        for (i, analysis) in self.analyses.iter().enumerate() {
            let name = analysis.name();
            analysis.check().map_err(|e| {
                let problem = of(e);
                Problem {
                    path: format!("analyses[{i}].{}", problem.path),
                    ..problem
                }
            })?;
            require(seen.insert(name), format!("analyses[{i}]"), || {
                format!("expected every analysis once, got `{name}` twice")
            })?;
        }
        Ok(())
    }

    fn check_encode(&self) -> Check {
        let encode = &self.encode;
        let frames = self.data.frames();
        require(
            (1..frames).contains(&encode.context),
            "encode.context",
            || {
                format!(
                    "expected 1 to {} (fewer than data.frames, which is {frames}), got {}",
                    frames - 1,
                    encode.context
                )
            },
        )?;
        for (i, rate) in encode.drop_rates.iter().enumerate() {
            require(
                (0.0..=1.0).contains(rate),
                format!("encode.drop_rates[{i}]"),
                || format!("expected a probability from 0 to 1, got {rate}"),
            )?;
        }
        require(encode.always_seen <= frames, "encode.always_seen", || {
            format!(
                "expected at most data.frames, which is {frames}, got {}",
                encode.always_seen
            )
        })?;
        for (i, &block) in encode.blocks.iter().enumerate() {
            let most = frames - encode.always_seen;
            require(
                (1..=most).contains(&block),
                format!("encode.blocks[{i}]"),
                || {
                    format!(
                        "expected 1 to {most} (data.frames less encode.always_seen), got {block}"
                    )
                },
            )?;
        }
        let train = self.data.sequences("train");
        require(
            (1..=train).contains(&encode.train_sequences),
            "encode.train_sequences",
            || {
                format!(
                    "expected 1 to data.splits.train, which is {train}, got {}",
                    encode.train_sequences
                )
            },
        )
    }
}

/// Another room's complaint: "path: expected .., got ..".
fn of(error: Error) -> Problem {
    let text = error.to_string();
    let (path, message) = text.split_once(": ").unwrap_or(("", &text));
    Problem {
        path: path.to_string(),
        message: message.to_string(),
    }
}

fn require(holds: bool, path: impl Into<String>, message: impl FnOnce() -> String) -> Check {
    if holds {
        return Ok(());
    }
    Err(Problem {
        path: path.into(),
        message: message(),
    })
}

fn file_name(path: &str, what: &str, name: &str) -> Check {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    require(
        !name.is_empty() && name.chars().all(plain) && !name.starts_with('-'),
        path,
        || {
            format!(
                "{what} names a folder: expected letters, digits, `-` and `_` only, got `{name}`"
            )
        },
    )
}
