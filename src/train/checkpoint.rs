//! A training run on disk: parameters, optimiser moments and the step, which is also the state of the randomness.

use super::trainer::Recent;
use crate::error::{Error, Result};
use crate::models::{Model, Player};
use crate::store::tensors::{self, NamedTensor, TensorData};
use nn::optimiser::Adam;
use std::collections::BTreeMap;
use std::path::Path;

/// What a checkpoint says beside its tensors.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct State {
    /// Optimiser steps done.
    pub step: usize,
    /// Which start of the tournament won.
    pub start: usize,
    /// Best validation ELBO so far, nats per frame, and its step.
    pub best: Option<(f64, usize)>,
    /// The law came with the weights that training started from: it does not start anew.
    pub law_kept: bool,
    /// Sums since the last validation; none at a validation.
    pub recent: Recent,
}

/// The parameters of a model as named tensors.
pub fn parameters(model: &mut dyn Model<f32>) -> Vec<NamedTensor> {
    let mut list = Vec::new();
    model.parameters("", &mut list);
    list.into_iter()
        .map(|(name, p)| NamedTensor {
            name,
            shape: p.shape().to_vec(),
            data: TensorData::F32(p.values().to_vec()),
        })
        .collect()
}

/// Saves parameters alone: what a user takes away.
///
/// # Errors
/// The file cannot be written.
pub fn save_model(
    path: &Path,
    model: &mut dyn Model<f32>,
    metadata: &BTreeMap<String, String>,
) -> Result<()> {
    tensors::save(path, &parameters(model), metadata).map(drop)
}

/// Loads parameters into a model of the same architecture.
///
/// # Errors
/// A tensor that is missing, superfluous or of another shape is named.
pub fn load_model(path: &Path, model: &mut dyn Model<f32>) -> Result<BTreeMap<String, String>> {
    let (stored, metadata) = tensors::load(path)?;
    let stored: BTreeMap<String, NamedTensor> =
        stored.into_iter().map(|t| (t.name.clone(), t)).collect();
    fill(path, model, &stored, "")?;
    Ok(metadata)
}

fn fill(
    path: &Path,
    model: &mut dyn Model<f32>,
    stored: &BTreeMap<String, NamedTensor>,
    prefix: &str,
) -> Result<()> {
    let mut list = Vec::new();
    model.parameters("", &mut list);
    let expected = list.len();
    for (name, p) in list {
        let shape = p.shape().to_vec();
        p.set(&values(path, stored, &format!("{prefix}{name}"), &shape)?)?;
    }
    let found = stored.keys().filter(|k| k.starts_with(prefix)).count();
    if found != expected {
        return Err(Error::file(
            path,
            format!("{expected} parameter tensors expected, got {found}"),
        ));
    }
    Ok(())
}

fn values(
    path: &Path,
    stored: &BTreeMap<String, NamedTensor>,
    name: &str,
    shape: &[usize],
) -> Result<Vec<f32>> {
    let tensor = stored
        .get(name)
        .ok_or_else(|| Error::file(path, format!("tensor {name} of shape {shape:?} is missing")))?;
    match &tensor.data {
        TensorData::F32(v) if tensor.shape == shape => Ok(v.clone()),
        other => Err(Error::file(
            path,
            format!(
                "tensor {name}: f32 of shape {shape:?} expected, got {} of shape {:?}",
                other.kind(),
                tensor.shape
            ),
        )),
    }
}

/// Saves everything that going on needs; an optimiser for each of [`Player::ALL`].
///
/// # Errors
/// The file cannot be written.
pub fn save(
    path: &Path,
    model: &mut dyn Model<f32>,
    adams: &mut [Adam<f32>],
    state: &State,
) -> Result<()> {
    let mut out = Vec::new();
    let mut list = Vec::new();
    model.parameters("", &mut list);
    for (name, p) in list {
        let shape = p.shape().to_vec();
        let (first, second) = adams[Player::of(&name) as usize].moments(p)?;
        for (kind, data) in [
            ("model.", p.values().to_vec()),
            ("first.", first),
            ("second.", second),
        ] {
            out.push(NamedTensor {
                name: format!("{kind}{name}"),
                shape: shape.clone(),
                data: TensorData::F32(data),
            });
        }
    }
    let mut metadata = BTreeMap::new();
    metadata.insert("step".into(), state.step.to_string());
    metadata.insert("start".into(), state.start.to_string());
    if state.law_kept {
        metadata.insert("law_kept".into(), "true".into());
    }
    if let Some((elbo, step)) = state.best {
        metadata.insert("best_elbo".into(), format!("{elbo:?}"));
        metadata.insert("best_step".into(), step.to_string());
    }
    if state.recent.count > 0 {
        metadata.insert("recent_count".into(), state.recent.count.to_string());
        for (name, sum) in &state.recent.sums {
            metadata.insert(format!("{RECENT}{name}"), format!("{sum:?}"));
        }
    }
    tensors::save(path, &out, &metadata).map(drop)
}

/// Before the names of sums since the last validation.
const RECENT: &str = "recent.";

/// Restores model and optimiser; returns where the run stood.
///
/// # Errors
/// A tensor or a number that is missing, superfluous or malformed is named.
pub fn load(path: &Path, model: &mut dyn Model<f32>, adams: &mut [Adam<f32>]) -> Result<State> {
    let (stored, metadata) = tensors::load(path)?;
    let stored: BTreeMap<String, NamedTensor> =
        stored.into_iter().map(|t| (t.name.clone(), t)).collect();
    let state = State {
        step: number(path, &metadata, "step")?,
        start: number(path, &metadata, "start")?,
        best: match metadata.contains_key("best_elbo") {
            true => Some((
                number(path, &metadata, "best_elbo")?,
                number(path, &metadata, "best_step")?,
            )),
            false => None,
        },
        law_kept: metadata.contains_key("law_kept"),
        recent: recent(path, &metadata)?,
    };
    fill(path, model, &stored, "model.")?;
    let mut list = Vec::new();
    model.parameters("", &mut list);
    for (name, p) in list {
        let shape = p.shape().to_vec();
        let first = values(path, &stored, &format!("first.{name}"), &shape)?;
        let second = values(path, &stored, &format!("second.{name}"), &shape)?;
        let adam = &mut adams[Player::of(&name) as usize];
        adam.restore(state.step, p, &(first, second))?;
    }
    Ok(state)
}

fn recent(path: &Path, metadata: &BTreeMap<String, String>) -> Result<Recent> {
    let names = metadata.keys().filter_map(|key| key.strip_prefix(RECENT));
    let sum = |name: &str| number(path, metadata, &format!("{RECENT}{name}"));
    let sums: BTreeMap<String, f64> = names
        .map(|name| Ok((name.to_string(), sum(name)?)))
        .collect::<Result<_>>()?;
    Ok(Recent {
        count: match sums.is_empty() {
            true => 0,
            false => number(path, metadata, "recent_count")?,
        },
        sums,
    })
}

fn number<N: std::str::FromStr>(
    path: &Path,
    metadata: &BTreeMap<String, String>,
    key: &str,
) -> Result<N> {
    let text = metadata
        .get(key)
        .ok_or_else(|| Error::file(path, format!("metadata {key} is missing")))?;
    text.parse().map_err(|_| {
        Error::file(
            path,
            format!("metadata {key}: a number expected, got {text:?}"),
        )
    })
}
