//! Where an experiment's data come from: a simulator, or a dataset that is there already.

use super::config::{DataConfig, NEEDED};
use super::dataset::Dataset;
use super::difference::differences;
use super::impossible::IMPOSSIBLE;
use super::manifest::{MANIFEST, Manifest};
use super::oracle::{ORACLE, Oracle};
use crate::error::{Error, Result};
use crate::store::checksum::Checksum;
use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, StringDeserializer};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};

/// The `data:` section of an experiment: `{ simulator: .., frames: .., .. }`, or `{ dataset: FOLDER }` for a dataset that
/// was imported or generated before.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[allow(
    clippy::large_enum_variant,
    reason = "one an experiment: its size does not matter"
)]
pub enum DataSource {
    /// Generated into the run folder.
    Simulated(DataConfig),
    /// Read where it stands.
    Stored(Stored),
}

/// A dataset folder that is there already.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stored {
    /// The folder, from where the command is started.
    pub dataset: PathBuf,
    /// What it held when the experiment was resolved; filled in when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Facts>,
}

/// What an experiment depends on in a stored dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// SHA-256 of its manifest, which holds the checksums of all arrays.
    pub manifest_sha256: String,
    /// Frames per sequence, T.
    pub frames: usize,
    /// Time between frames, s.
    pub dt: f64,
    /// (C, H, W) of a frame; (D, 1, 1) where a frame is a vector of D columns.
    pub frame_shape: [usize; 3],
    /// Number of sequences per split.
    pub splits: IndexMap<String, usize>,
}

impl Facts {
    /// Those of a dataset folder.
    fn read(dir: &Path) -> Result<Self> {
        let manifest = Manifest::read(dir)?;
        let made = &manifest.origin.made;
        Ok(Self {
            manifest_sha256: Checksum::of_file(&dir.join(MANIFEST))?.sha256,
            frames: made.frames(),
            dt: made.dt(),
            frame_shape: manifest.frame_shape,
            splits: made.splits(),
        })
    }
}

impl DataSource {
    /// Fills in what a stored dataset or a file of pictures holds, unless the file tells.
    ///
    /// # Errors
    /// [`Error::Experiment`] when there is no dataset.
    pub fn resolve(&mut self) -> Result<()> {
        if let Self::Simulated(DataConfig {
            pictures: Some(pictures),
            ..
        }) = self
        {
            return pictures.resolve();
        }
        if let Self::Stored(stored @ Stored { facts: None, .. }) = self {
            let facts = Facts::read(&stored.dataset);
            stored.facts = Some(facts.map_err(|e| {
                let from = match std::env::current_dir() {
                    Ok(here) if stored.dataset.is_relative() && !stored.dataset.exists() => format!(
                        "; a dataset's path counts from the folder where the command is started, {}",
                        here.display()
                    ),
                    _ => String::new(),
                };
                Error::Experiment(format!("data.dataset: {e}{from}"))
            })?);
        }
        Ok(())
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Experiment`] names the key, what was expected and got.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Simulated(config) => config.check(),
            Self::Stored(_) => Ok(()),
        }
    }

    /// Opens a stored dataset, reads it through, and checks that it is still what the experiment was resolved for.
    ///
    /// # Errors
    /// A missing, damaged or changed dataset.
    pub fn verify(&self) -> Result<()> {
        let Self::Stored(Stored { dataset, facts }) = self else {
            return Ok(());
        };
        Dataset::open(dataset)?;
        let json = |facts: &Facts| {
            serde_json::to_value(facts).map_err(|e| Error::file(dataset, e.to_string()))
        };
        let there = json(&Facts::read(dataset)?)?;
        let here = facts.as_ref().map_or(Ok(there.clone()), json)?;
        let found = differences(&there, &here);
        if found.is_empty() {
            return Ok(());
        }
        Err(Error::file(
            dataset,
            format!(
                "another dataset than the experiment was resolved for: {}. Leave out `data.facts` to take it as it is now",
                found.join("; ")
            ),
        ))
    }

    /// The exact law of what is observed, where the world is linear and Gaussian: see [`DataConfig::exact_law`].
    pub fn exact_law(&self) -> Option<lgssm::Lgssm> {
        match self {
            Self::Simulated(config) => config.exact_law(),
            Self::Stored(_) => None,
        }
    }

    /// Whether something acts on the world.
    pub fn is_driven(&self) -> bool {
        match self {
            Self::Simulated(config) => !config.simulator.action_columns().is_empty(),
            Self::Stored(stored) => Manifest::read(&stored.dataset)
                .is_ok_and(|manifest| !manifest.action_columns.is_empty()),
        }
    }

    /// Whether the data are motions of joints.
    pub fn has_skeleton(&self) -> bool {
        let manifest = self.stored().map(Manifest::read);
        manifest.is_some_and(|manifest| manifest.is_ok_and(|manifest| manifest.skeleton.is_some()))
    }

    /// The folder of a stored dataset.
    pub fn stored(&self) -> Option<&Path> {
        match self {
            Self::Simulated(_) => None,
            Self::Stored(stored) => Some(&stored.dataset),
        }
    }

    /// Frames per sequence, T; 0 for a stored dataset that was not resolved.
    pub fn frames(&self) -> usize {
        match self {
            Self::Simulated(config) => config.frames,
            Self::Stored(stored) => stored.facts.as_ref().map_or(0, |facts| facts.frames),
        }
    }

    /// (C, H, W) of a frame; (D, 1, 1) where a frame is a vector of D columns.
    pub fn frame_shape(&self) -> [usize; 3] {
        match self {
            Self::Simulated(config) => config.frame_shape(),
            Self::Stored(stored) => stored
                .facts
                .as_ref()
                .map_or([0; 3], |facts| facts.frame_shape),
        }
    }

    /// Number of sequences of a split; 0 when there is none.
    pub fn sequences(&self, split: &str) -> usize {
        self.splits().get(split).copied().unwrap_or(0)
    }

    /// Number of sequences of every split.
    fn splits(&self) -> IndexMap<String, usize> {
        match self {
            Self::Simulated(config) => config.all_splits(),
            Self::Stored(Stored { facts, .. }) => facts
                .as_ref()
                .map_or_else(IndexMap::new, |facts| facts.splits.clone()),
        }
    }

    /// Number of sequences of every split, one after the other.
    pub fn all_sequences(&self) -> impl Iterator<Item = usize> {
        self.splits().into_values()
    }

    /// Settings of the split `oracle`, where a simulator makes one.
    pub fn oracle(&self) -> Option<Oracle> {
        match self {
            Self::Simulated(config) => config.oracle,
            Self::Stored(_) => None,
        }
    }

    /// Whether there are impossible pairs.
    pub fn has_pairs(&self) -> bool {
        self.splits().contains_key(IMPOSSIBLE)
    }

    /// Whether there are splits of other worlds.
    pub fn is_shifted(&self) -> bool {
        self.further_splits().iter().any(|name| name != IMPOSSIBLE)
    }

    /// Names of the splits beside those that training and analysis ask for: shifts, and others of a stored dataset. The
    /// split `oracle` is for futures alone.
    pub fn further_splits(&self) -> Vec<String> {
        let splits = self.splits().into_keys();
        splits
            .filter(|name| !NEEDED.contains(&name.as_str()))
            .filter(|name| self.oracle().is_none() || name != ORACLE)
            .collect()
    }
}

impl JsonSchema for DataSource {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DataSource".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A simulator, its video and the splits; or a dataset that is there already.",
            "anyOf": [generator.subschema_for::<DataConfig>(), generator.subschema_for::<Stored>()],
        })
    }
}

impl<'de> Deserialize<'de> for DataSource {
    /// The first key chooses, so that the reader's lines, columns and known keys stay those of the chosen form.
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        from.deserialize_map(Choice)
    }
}

struct Choice;

impl<'de> Visitor<'de> for Choice {
    type Value = DataSource;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map with `simulator`, `frames`, `dt` and `splits`, or with `dataset`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<DataSource, A::Error> {
        let first: Option<String> = map.next_key()?;
        let stored = first.as_deref() == Some("dataset");
        let map = MapAccessDeserializer::new(Put { first, map });
        Ok(match stored {
            true => DataSource::Stored(Stored::deserialize(map)?),
            false => DataSource::Simulated(DataConfig::deserialize(map)?),
        })
    }
}

/// A map whose first key was read already.
struct Put<A> {
    first: Option<String>,
    map: A,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Put<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> std::result::Result<Option<K::Value>, A::Error> {
        match self.first.take() {
            Some(first) => seed
                .deserialize(StringDeserializer::<A::Error>::new(first))
                .map(Some),
            None => self.map.next_key_seed(seed),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> std::result::Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}
