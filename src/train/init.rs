//! Training that starts from another run's weights: which file they are in, which tensors are taken, what is written down.

use super::checkpoint::parameters;
use crate::error::{Error, Result};
use crate::models::Model;
use crate::store::checksum::Checksum;
use crate::store::json;
use crate::store::tensors::{self, NamedTensor, TensorData};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The weights of a model's folder.
const WEIGHTS: &str = "model.safetensors";
/// What was taken, in the folder of the model that starts.
const RECORD: &str = "init_from.json";

/// Where weights come from that training starts from.
#[derive(Clone, Debug, PartialEq)]
pub struct Init {
    /// The file.
    pub weights: PathBuf,
    /// SHA-256 that it must have.
    pub sha256: String,
}

/// Which tensors a model took, by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Taken {
    /// The file, as the experiment names it.
    pub weights: String,
    /// Its SHA-256.
    pub sha256: String,
    /// Tensors that both have.
    pub taken: Vec<String>,
    /// Tensors of the model that the file lacks: they start as usual.
    pub new: Vec<String>,
    /// Tensors of the file that the model lacks.
    pub left_out: Vec<String>,
}

/// The weights in a folder for one model and seed, below it: its own, or those of a run folder.
fn place(folder: &Path, model: &str, seed: u64) -> String {
    match folder.join(WEIGHTS).exists() {
        true => WEIGHTS.into(),
        false => format!("{model}/seed-{seed}/{WEIGHTS}"),
    }
}

/// SHA-256 of the weights that these models and seeds start from, by their place below the folder.
///
/// # Errors
/// [`Error::Experiment`] for a file that is not there.
pub fn resolve<'a>(
    folder: &Path,
    models: impl Iterator<Item = &'a str> + Clone,
    seeds: &[u64],
) -> Result<IndexMap<String, String>> {
    let mut found = IndexMap::new();
    for model in models {
        for &seed in seeds {
            let place = place(folder, model, seed);
            if found.contains_key(&place) {
                continue;
            }
            let sum = Checksum::of_file(&folder.join(&place)).map_err(|e| {
                Error::Experiment(format!(
                    "{e}; expected {WEIGHTS} in the folder, or a run folder with {model}/seed-{seed}/{WEIGHTS}"
                ))
            })?;
            found.insert(place, sum.sha256);
        }
    }
    Ok(found)
}

impl Init {
    /// What one model and seed start from.
    ///
    /// # Errors
    /// [`Error::Experiment`] where nothing was resolved for them.
    pub fn of(
        folder: &Path,
        weights: &IndexMap<String, String>,
        model: &str,
        seed: u64,
    ) -> Result<Self> {
        let own = format!("{model}/seed-{seed}/{WEIGHTS}");
        let found = [WEIGHTS, &own].into_iter().find_map(|place| {
            let sha256 = weights.get(place)?.clone();
            Some(Self {
                weights: folder.join(place),
                sha256,
            })
        });
        found.ok_or_else(|| {
            Error::Experiment(format!(
                "train.init_weights: expected {WEIGHTS} or {own}, got {}; leave it out to take what train.init_from holds now",
                weights.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
            ))
        })
    }

    /// Takes every tensor that the model has too.
    ///
    /// # Errors
    /// [`Error::File`] for other weights than the experiment was resolved for, a file that shares no tensor, and tensors of
    /// another shape, all of which are listed.
    pub fn take(&self, model: &mut dyn Model<f32>) -> Result<Taken> {
        let path = &self.weights;
        let sum = Checksum::of_file(path)?.sha256;
        if sum != self.sha256 {
            return Err(Error::file(
                path,
                format!(
                    "other weights than the experiment was resolved for: expected SHA-256 {}, got {sum}; leave out \
                        train.init_weights to take them as they are now",
                    self.sha256
                ),
            ));
        }
        let (stored, _) = tensors::load(path)?;
        let mut stored: BTreeMap<String, NamedTensor> =
            stored.into_iter().map(|t| (t.name.clone(), t)).collect();
        let mut told = Taken {
            weights: path.display().to_string(),
            sha256: sum,
            ..Taken::default()
        };
        let wrong: Vec<String> = parameters(model)
            .iter()
            .filter_map(|here| {
                let there = stored.get(&here.name)?;
                let differs = there.shape != here.shape;
                let shapes = (&here.shape, &there.shape);
                differs
                    .then(|| format!("{}: expected {:?}, got {:?}", here.name, shapes.0, shapes.1))
            })
            .collect();
        if !wrong.is_empty() {
            return Err(Error::file(
                path,
                format!(
                    "{} tensors have another shape than the model's: {}; train.init_from takes weights of a model of the same sizes",
                    wrong.len(),
                    wrong.join("; ")
                ),
            ));
        }
        let mut list = Vec::new();
        model.parameters("", &mut list);
        for (name, parameter) in list {
            match stored.remove(&name).map(|tensor| tensor.data) {
                Some(TensorData::F32(values)) => {
                    parameter.set(&values)?;
                    told.taken.push(name);
                }
                Some(other) => {
                    let message = format!("tensor {name}: expected f32, got {}", other.kind());
                    return Err(Error::file(path, message));
                }
                None => told.new.push(name),
            }
        }
        told.left_out = stored.into_keys().collect();
        if told.taken.is_empty() {
            return Err(Error::file(
                path,
                format!(
                    "expected tensors that the model has ({}), got {}",
                    told.new.join(", "),
                    told.left_out.join(", ")
                ),
            ));
        }
        Ok(told)
    }
}

impl Taken {
    /// Writes it into the folder of the model that starts.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, folder: &Path) -> Result<()> {
        json::write(folder.join(RECORD), self).map(drop)
    }

    /// In words.
    pub fn words(&self) -> String {
        let list = |what: &str, names: &[String]| match names.is_empty() {
            true => String::new(),
            false => format!("; {what}: {}", names.join(", ")),
        };
        format!(
            "starts from {}: took {} tensors{}{}",
            self.weights,
            self.taken.len(),
            list("new", &self.new),
            list("left out", &self.left_out)
        )
    }
}
