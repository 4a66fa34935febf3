//! What each stage's result depends on, as a digest: a stage is done again exactly when its digest changes.

use super::Experiment;
use crate::error::{Error, Result};
use crate::train::init::Init;
use serde_yaml::Value;
use sha2::{Digest, Sha256};

/// One step of the chain, with the model and seed it works on where there is one per model and seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage<'a> {
    /// Simulate and render the dataset.
    Generate,
    /// Train one model with one seed.
    Train(&'a str, u64),
    /// Write the latents of one trained model.
    Encode(&'a str, u64),
    /// Draw futures of one trained model.
    Rollout(&'a str, u64),
    /// Run the analyses on one model's latents.
    Analyze(&'a str, u64),
    /// The trivial baselines of the dataset.
    Baselines,
    /// Draw the figures of one model.
    Plot(&'a str, u64),
    /// Compare all seeds of one model.
    Agreement(&'a str),
    /// Compare all models by what their training logged.
    Ablation,
    /// Write the report of the whole experiment.
    Report,
}

impl Stage<'_> {
    /// The stage's name in commands, logs and `done.json`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Generate => "generate",
            Self::Train(..) => "train",
            Self::Encode(..) => "encode",
            Self::Rollout(..) => "rollout",
            Self::Analyze(..) => "analyze",
            Self::Baselines => "baselines",
            Self::Plot(..) => "plot",
            Self::Agreement(..) => "agreement",
            Self::Ablation => "ablation",
            Self::Report => "report",
        }
    }

    /// Version of what the stage computes: raised when other numbers or pictures come out of the same configuration, so
    /// that results of an older program are made again.
    fn version(&self) -> u32 {
        match self {
            Self::Generate => 2,
            Self::Train(..) => 3,
            Self::Encode(..) => 10,
            Self::Rollout(..) | Self::Agreement(..) => 1,
            Self::Plot(..) => 2,
            Self::Report => 4,
            Self::Ablation | Self::Baselines => 3,
            Self::Analyze(..) => 7,
        }
    }

    /// The stages whose results it rests on, and itself.
    fn rests_on(&self) -> Vec<Self> {
        let mut all = vec![Self::Generate];
        match *self {
            Self::Generate => {}
            Self::Baselines => all.push(Self::Baselines),
            Self::Report => all.push(Self::Report),
            // Of every seed; all have the same versions.
            Self::Agreement(model) => {
                all.extend([Self::Train(model, 0), Self::Encode(model, 0), *self]);
            }
            Self::Ablation => all.extend([Self::Train("", 0), Self::Ablation]),
            Self::Train(model, seed)
            | Self::Encode(model, seed)
            | Self::Rollout(model, seed)
            | Self::Analyze(model, seed)
            | Self::Plot(model, seed) => {
                let chain = [
                    Self::Train(model, seed),
                    Self::Encode(model, seed),
                    Self::Rollout(model, seed),
                    Self::Analyze(model, seed),
                    Self::Plot(model, seed),
                ];
                let own = chain.iter().position(|stage| stage == self);
                all.extend(&chain[..=own.unwrap_or(0)]);
            }
        }
        all
    }

    /// The command that does it.
    pub fn command(&self) -> &'static str {
        match self {
            Self::Baselines | Self::Agreement(..) | Self::Ablation => "analyze",
            other => other.name(),
        }
    }
}

/// Version of what models make of actions, where there are any: 1 is that they read them.
const ACTIONS: u32 = 1;
/// Version of what models make of frames with hidden bodies, where they tell them (`seen_from`): 1 is that they learn from
/// their pictures.
const HIDDEN: u32 = 1;

impl Experiment {
    /// SHA-256 (hex) of the parts of the resolved experiment that the stage's result depends on, its own and those of the
    /// stages before it, and of the versions of these stages. The name, the question and the other models and seeds are no part of a model's digest.
    ///
    /// # Errors
    /// A value that YAML can't hold.
    pub fn stage_digest(&self, stage: Stage) -> Result<String> {
        let mut tree = self.to_value()?;
        if self.data.stored().is_some() {
            // What a stored dataset holds matters, not where it stands.
            tree["data"] = tree["data"]["facts"].clone();
        }
        if let Some(train) = tree["train"].as_mapping_mut() {
            // Which weights training starts from matters, not where they stand.
            train.remove("init_from");
        }
        if let Some(rollout) = tree.get_mut("rollout").and_then(Value::as_mapping_mut)
            && rollout.remove("i3d").is_some()
        {
            // Which weights measure matters, and whether they are there.
            let sum = self.rollout.as_ref().and_then(|own| own.i3d_sum.clone());
            rollout.insert("i3d_sum".into(), sum.unwrap_or_default().into());
        }
        let of_unit = |model: &str, seed: u64| {
            let mut train = tree["train"].clone();
            if let (Some(from), Some(all), Some(train)) = (
                &self.train.init_from,
                &self.train.init_weights,
                train.as_mapping_mut(),
            ) {
                let own =
                    Init::of(from, all, model, seed).map_or(String::new(), |init| init.sha256);
                train.insert("init_weights".into(), own.into());
            }
            train
        };
        let (sampled, driven) = (self.rollout.is_some(), self.data.is_driven());
        let unit = |model: &str, seed: u64, rest: &[&'static str]| {
            let mut parts = vec![
                ("data", tree["data"].clone()),
                ("model", tree["models"][model].clone()),
                ("train", of_unit(model, seed)),
                ("seed", Value::from(seed)),
            ];
            if driven {
                parts.push(("actions", Value::from(ACTIONS)));
            }
            let tells = |settings: (&Value, &Value)| {
                let share = settings.1.get("seen_from").and_then(Value::as_f64);
                share.is_some_and(|share| share > 0.0)
            };
            let settings = tree["models"][model].as_mapping();
            if settings.is_some_and(|own| own.iter().any(tells)) {
                // Validation in training reads them, too.
                parts.push(("hidden", Value::from(HIDDEN)));
            }
            parts.extend(rest.iter().map(|&key| (key, tree[key].clone())));
            parts
        };
        let parts = match stage {
            Stage::Generate => vec![("data", tree["data"].clone())],
            Stage::Baselines => ["data", "encode", "analyses"]
                .map(|key| (key, tree[key].clone()))
                .to_vec(),
            Stage::Train(model, seed) => unit(model, seed, &[]),
            Stage::Encode(model, seed) => unit(model, seed, &["encode"]),
            Stage::Rollout(model, seed) => unit(model, seed, &["encode", "rollout"]),
            Stage::Analyze(model, seed) | Stage::Plot(model, seed) => match sampled {
                true => unit(model, seed, &["encode", "rollout", "analyses"]),
                false => unit(model, seed, &["encode", "analyses"]),
            },
            Stage::Agreement(model) => {
                let mut parts = unit(model, 0, &["encode", "analyses"]);
                parts.push(("seeds", tree["seeds"].clone()));
                parts
            }
            Stage::Ablation => ["data", "models", "train", "seeds"]
                .map(|key| (key, tree[key].clone()))
                .to_vec(),
            Stage::Report => vec![("all", tree.clone())],
        };
        let mut hash = Sha256::new();
        let rests_on = stage.rests_on().into_iter();
        // Where no futures are drawn nothing rests on how they would be.
        for stage in rests_on.filter(|one| sampled || !matches!(one, Stage::Rollout(..))) {
            hash.update(stage.version().to_le_bytes());
        }
        for (name, value) in parts {
            let text = serde_yaml::to_string(&value)
                .map_err(|e| Error::Experiment(format!("{name}: can't be written as YAML: {e}")))?;
            for part in [name, &text] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
        }
        Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect())
    }
}
