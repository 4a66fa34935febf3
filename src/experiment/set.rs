//! `--set key.path=value`: overrides of single values of an experiment, applied after its defaults.

use super::problem::Problem;
use super::schema::checked;
use super::validate::validate;
use super::{Experiment, message};
use crate::error::Error;
use serde_yaml::Value;
use std::fmt;

type Result<T, E = Error> = std::result::Result<T, E>;

/// One override: `train.steps=100`, `seeds.0=3`, `models.small.lg_vae.latent=6`; from the command line or from a sweep.
#[derive(Clone, Debug)]
pub(super) struct Set {
    path: Vec<String>,
    pub(super) value: Value,
    text: String,
    /// Where the file has it, for a value of a sweep.
    pub origin: Option<String>,
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--set {}", self.text)
    }
}

impl Set {
    /// A value of a sweep; `origin` is its own path in the file.
    ///
    /// # Errors
    /// An empty key.
    pub fn swept(path: &str, value: &serde_json::Value, origin: String) -> Result<Self> {
        let value = serde_yaml::to_value(value);
        match (keys(path), value) {
            (Some(keys), Ok(value)) => Ok(Self {
                path: keys,
                value,
                text: String::new(),
                origin: Some(origin),
            }),
            _ => Err(Error::Experiment(format!(
                "{origin}: expected the path of a value, key.key, got `{path}`"
            ))),
        }
    }

    /// Its path, keys with dots between.
    pub fn path(&self) -> String {
        self.path.join(".")
    }

    /// Whether both are about the same value, or one about something in the other's.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.path.iter().zip(&other.path).all(|(a, b)| a == b)
    }
}

/// Reads overrides; list items may be written `seeds.0` or `seeds[0]`.
///
/// # Errors
/// No `=`, an empty key, or a value that is not YAML.
pub(super) fn parse(sets: &[String]) -> Result<Vec<Set>> {
    sets.iter().map(|text| parse_one(text)).collect()
}

fn parse_one(text: &str) -> Result<Set> {
    let wrong = |what: String| Error::Experiment(format!("--set {text}: {what}"));
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| wrong("expected key.path=value, got no `=`".into()))?;
    let path = keys(key.trim());
    let path = path.ok_or_else(|| wrong("expected key.path=value, got an empty key".into()))?;
    let value = serde_yaml::from_str(value)
        .map_err(|e| wrong(format!("the value is not YAML: {}", message::what(&e))))?;
    Ok(Set {
        path,
        value,
        text: text.to_string(),
        origin: None,
    })
}

/// The keys of a path; none when one is empty.
fn keys(path: &str) -> Option<Vec<String>> {
    let path = path.replace('[', ".").replace(']', "");
    let keys: Vec<String> = path.split('.').map(str::to_string).collect();
    keys.iter().all(|key| !key.is_empty()).then_some(keys)
}

/// The experiment with all overrides; its values are checked and read again, as those of the file.
///
/// # Errors
/// All unknown paths (with the nearest known key) and values of the wrong type.
pub(super) fn apply(
    experiment: &Experiment,
    sets: &[Set],
    follows: impl Fn(&str) -> bool,
) -> Result<Experiment, Vec<Problem>> {
    if sets.is_empty() {
        return Ok(experiment.clone());
    }
    let broken = |message: String| vec![Problem::value("", message)];
    let mut tree = experiment.to_value().map_err(|e| broken(e.to_string()))?;
    // What follows from data that are not looked at yet is left open.
    if let (Some(_), Some(Value::Mapping(encode))) =
        (experiment.data.stored(), tree.get_mut("encode"))
    {
        encode.retain(|key, _| {
            !key.as_str()
                .is_some_and(|key| follows(&format!("encode.{key}")))
        });
    }
    if let Value::Mapping(all) = &mut tree {
        for key in ["analyses", "rollout"]
            .into_iter()
            .filter(|key| follows(key))
        {
            all.shift_remove(key);
        }
        if let Some(Value::Mapping(rollout)) = all.get_mut("rollout") {
            let open = |key: &Value| {
                key.as_str()
                    .is_some_and(|key| follows(&format!("rollout.{key}")))
            };
            rollout.retain(|key, _| !open(key));
        }
    }
    let mut wrong = Vec::new();
    for set in sets {
        let mut steps = set.path.iter().enumerate();
        let at = steps.try_fold(&mut tree, |tree, (depth, key)| {
            descend(tree, key, &set.path[..depth])
        });
        match at {
            Ok(at) => *at = set.value.clone(),
            // Values at their default are not always written: the schema knows every key.
            Err(message) => match put_new(&tree, set, message) {
                Ok(with) => tree = with,
                Err(problem) => wrong.push(*problem),
            },
        }
    }
    wrong.extend(validate(&tree, checked()));
    if !wrong.is_empty() {
        return Err(wrong);
    }
    serde_yaml::from_value(tree).map_err(|e| broken(e.to_string()))
}

/// The tree with a key that was not written, and the maps around it, where the schema knows it; `unknown` is said where it does not.
///
/// # Errors
/// What the schema has against it.
fn put_new(tree: &Value, set: &Set, unknown: String) -> Result<Value, Box<Problem>> {
    let mut with = tree.clone();
    let mut at = &mut with;
    for key in &set.path {
        if at.is_null() {
            *at = Value::Mapping(serde_yaml::Mapping::new());
        }
        let Value::Mapping(map) = at else {
            return Err(Box::new(Problem::value(set.path(), unknown)));
        };
        at = map.entry(key.as_str().into()).or_insert(Value::Null);
    }
    *at = set.value.clone();
    let before = validate(tree, checked());
    let found = validate(&with, checked());
    let mut new = found
        .into_iter()
        .filter(|problem| !before.contains(problem));
    match new.find(|problem| problem.touches(&set.path())) {
        None => Ok(with),
        Some(problem) if problem.message.starts_with("unknown key") => {
            Err(Box::new(Problem::value(set.path(), unknown)))
        }
        Some(problem) => Err(Box::new(problem)),
    }
}

/// The last override that touches `path`, if any does.
pub(super) fn responsible<'a>(sets: &'a [Set], path: &str) -> Option<&'a Set> {
    let path = path.replace('[', ".").replace(']', "");
    let path: Vec<&str> = path.split('.').collect();
    sets.iter()
        .rev()
        .find(|set| set.path.iter().zip(&path).all(|(a, b)| a == b))
}

/// One step down the tree, or a message that names what is known there.
fn descend<'a>(tree: &'a mut Value, key: &str, above: &[String]) -> Result<&'a mut Value, String> {
    let place = match above {
        [] => "the experiment".to_string(),
        above => format!("`{}`", above.join(".")),
    };
    match tree {
        Value::Mapping(map) => {
            let names: Vec<String> = map
                .keys()
                .filter_map(Value::as_str)
                .map(str::to_string)
                .collect();
            map.get_mut(key).ok_or_else(|| {
                let near = message::nearest(key, names.iter().map(String::as_str))
                    .map(|near| format!("; did you mean `{near}`?"))
                    .unwrap_or_default();
                let known = names.join("`, `");
                format!("unknown key `{key}` in {place}, expected one of `{known}`{near}")
            })
        }
        Value::Sequence(items) => {
            let n = items.len();
            key.parse::<usize>()
                .ok()
                .and_then(|i| items.get_mut(i))
                .ok_or_else(|| match n {
                    0 => format!("{place} is an empty list: set it as a whole"),
                    _ => format!(
                        "{place} is a list of {n}: expected an index from 0 to {}, got `{key}`",
                        n - 1
                    ),
                })
        }
        _ => Err(format!("{place} is a single value and has no key `{key}`")),
    }
}
