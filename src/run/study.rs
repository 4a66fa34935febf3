//! Everything about one trained model and seed, read from a run folder and its dataset.

use super::RunFolder;
use crate::analysis::{Footage, ImpossiblePairs, SplitStudy, Study, TrainingPoint};
use crate::array::Array;
use crate::data::{DataConfig, Dataset, IMPOSSIBLE, Split, event_of, violation_columns};
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::latents::{Beliefs, Decoder, EncodeConfig, JsonFile, LawInputs};
use lgssm::{AffineModes, Lgssm};
use simulators::{AnySimulator, Outline};
use std::path::Path;

/// Reads everything about one model and seed.
///
/// # Errors
/// Beliefs or a dataset that can't be read.
pub fn study(
    experiment: &Experiment,
    dataset: &Dataset,
    model: &str,
    seed: u64,
    folder: &RunFolder,
) -> Result<Study> {
    let split = |name: &str, most: usize| -> Result<SplitStudy> {
        let data = dataset.split(name)?;
        let n = data.len().min(most);
        let untrained = folder.untrained(model, seed, name);
        Ok(SplitStudy {
            latents: Beliefs::load(&folder.split(model, seed, name))?,
            untrained: match untrained.exists() {
                true => Beliefs::load(&untrained)?,
                false => Beliefs::default(),
            },
            ..of_data(dataset, data, n)?
        })
    };
    let (law, modes) = (folder.law(model, seed), folder.modes(model, seed));
    let (decoder, inputs) = (folder.decoder(model, seed), folder.inputs(model, seed));
    Ok(Study {
        name: model.to_string(),
        train: split("train", experiment.encode.train_sequences)?,
        validation: split("validation", usize::MAX)?,
        test: split("test", usize::MAX)?,
        shifts: experiment
            .data
            .further_splits()
            .into_iter()
            .filter(|name| !has_pairs(dataset, name))
            .map(|name| Ok((name.clone(), split(&name, usize::MAX)?)))
            .collect::<Result<_>>()?,
        impossible: match has_pairs(dataset, IMPOSSIBLE) {
            true => Some(pairs(dataset, split(IMPOSSIBLE, usize::MAX)?)?),
            false => None,
        },
        state_columns: dataset.state_columns().to_vec(),
        dt: dataset.dt(),
        encode: EncodeConfig::load(&folder.encode(model, seed))?,
        law: match law.exists() {
            true => Some(Lgssm::load(&law)?),
            false => None,
        },
        inputs: match inputs.exists() {
            true => Some(LawInputs::load(&inputs)?),
            false => None,
        },
        modes: match modes.exists() {
            true => Some(AffineModes::load(&modes)?),
            false => None,
        },
        event_columns: contacts(dataset)
            .into_iter()
            .map(|k| dataset.event_columns()[k].clone())
            .collect(),
        action_columns: dataset.action_columns().to_vec(),
        parameter_columns: dataset.parameter_columns().to_vec(),
        decoder: match decoder.exists() {
            true => Some(Decoder::load(&decoder)?),
            false => None,
        },
        training: training(&folder.training(model, seed))?,
        frame_shape: dataset.frame_shape(),
        observed_columns: dataset.observed_columns().to_vec(),
        skeleton: dataset.manifest().skeleton.clone(),
        exact: dataset.config().and_then(DataConfig::exact_law),
        weather: dataset.config().and_then(|config| match config.simulator {
            AnySimulator::Weather(own) => Some(own),
            _ => None,
        }),
        outline: outline(dataset)?,
        walls: walls(dataset)?,
        rollouts: experiment
            .rollout
            .as_ref()
            .map(|rollout| folder.rollouts(model, seed).join(&rollout.split)),
        seed,
    })
}

/// States, frames, events and parameters of the first `n` sequences.
pub(crate) fn of_data(dataset: &Dataset, split: &Split, n: usize) -> Result<SplitStudy> {
    let (frames, columns) = (dataset.frames(), dataset.state_columns().len());
    let all: Vec<usize> = (0..n).collect();
    let (states, seen) = known_states(split, &all, columns);
    let parameters = (0..n).flat_map(|i| split.parameters(i)).copied().collect();
    Ok(SplitStudy {
        states: Array::new([n, frames, columns], states)?,
        seen,
        parameters: Array::new([n, dataset.parameter_columns().len()], parameters)?,
        frames: match dataset.observed_columns() {
            [] => Footage::Stored {
                split: split.clone(),
                clips: n,
            },
            _ => Footage::None,
        },
        vectors: vectors(dataset, split, n)?,
        actions: actions(dataset, split, n)?,
        events: contact_counts(dataset, split, n),
        ..SplitStudy::default()
    })
}

/// Whether this is the split of impossible pairs, with their events.
fn has_pairs(dataset: &Dataset, name: &str) -> bool {
    let there = dataset.split_names().any(|split| split == name);
    name == IMPOSSIBLE && there && !violation_columns(dataset.event_columns()).is_empty()
}

/// The pairs of a split, with their events.
///
/// # Errors
/// A second clip of a pair in which nothing happens.
fn pairs(dataset: &Dataset, clips: SplitStudy) -> Result<ImpossiblePairs> {
    let split = dataset.split(IMPOSSIBLE)?;
    let event = |pair: usize| {
        let found = event_of(dataset.event_columns(), split.events(2 * pair + 1));
        found.ok_or_else(|| {
            let clip = 2 * pair + 1;
            let message = format!("split {IMPOSSIBLE}, clip {clip}: expected an event, got none");
            Error::file(dataset.dir(), message)
        })
    };
    Ok(ImpossiblePairs {
        clips,
        events: (0..split.len() / 2).map(event).collect::<Result<_>>()?,
        peers: Vec::new(),
    })
}

/// The event columns that are contacts, not violations.
fn contacts(dataset: &Dataset) -> Vec<usize> {
    let violations = violation_columns(dataset.event_columns());
    let all = 0..dataset.event_columns().len();
    all.filter(|k| violations.iter().all(|(other, _)| other != k))
        .collect()
}

/// Counts of contacts of the first `n` sequences, (N, T, E).
fn contact_counts(dataset: &Dataset, split: &Split, n: usize) -> Vec<u8> {
    let (kept, all) = (contacts(dataset), dataset.event_columns().len().max(1));
    let rows = (0..n).flat_map(|i| split.events(i).chunks_exact(all));
    rows.flat_map(|row| kept.iter().map(|&k| row[k])).collect()
}

/// What acts in the first `n` sequences; nothing where nothing does.
fn actions(dataset: &Dataset, split: &Split, n: usize) -> Result<Array> {
    let columns = dataset.action_columns().len();
    if columns == 0 {
        return Ok(Array::default());
    }
    let all = (0..n).flat_map(|i| split.actions(i)).copied().collect();
    Array::new([n, dataset.frames(), columns], all)
}

/// Vectors of the first `n` sequences, in their own units; nothing where frames are pictures.
fn vectors(dataset: &Dataset, split: &Split, n: usize) -> Result<Array> {
    let columns = dataset.observed_columns().len();
    if columns == 0 {
        return Ok(Array::default());
    }
    let all = (0..n).flat_map(|i| split.vectors(i)).map(|&x| f64::from(x));
    Array::new([n, dataset.frames(), columns], all.collect())
}

/// States (N, T, D) of these sequences, NaN where one is not known and in missing frames, and which frames are there, (N, T)
/// (empty where all are).
pub(crate) fn known_states(split: &Split, all: &[usize], width: usize) -> (Vec<f64>, Vec<bool>) {
    let mut states: Vec<f64> = all.iter().flat_map(|&i| split.states(i)).copied().collect();
    let seen = all.iter().flat_map(|&i| split.frame_seen(i));
    let seen: Vec<bool> = seen.map(|&seen| seen == 1).collect();
    for (row, seen) in states.chunks_exact_mut(width.max(1)).zip(&seen) {
        if !seen {
            row.fill(f64::NAN);
        }
    }
    (states, seen)
}

/// What training logged; nothing for a model that was not trained here.
pub(crate) fn training(path: &Path) -> Result<Vec<TrainingPoint>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
    let point = |(i, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|e| Error::file(path, format!("line {}: {e}", i + 1)))
    };
    text.lines().enumerate().map(point).collect()
}

/// Where a body's centre can be (x0, y0, x1, y1): inside the innermost rectangle that stands still, less the radius
/// where all test sequences have the same.
pub(crate) fn outline(dataset: &Dataset) -> Result<Option<(f64, f64, f64, f64)>> {
    let split = dataset.split("test")?;
    let (false, Some(config)) = (split.is_empty(), dataset.config()) else {
        return Ok(None);
    };
    let standing = config.simulator.background(split.parameters(0));
    let inside = standing
        .iter()
        .rev()
        .find_map(|shape| match &shape.outline {
            Outline::Rectangle(sides) => Some(*sides),
            _ => None,
        });
    Ok(inside.map(|sides| {
        let sides = sides.grown(-radius(dataset, split));
        (sides.left, sides.bottom, sides.right, sides.top)
    }))
}

/// The radius of all test sequences; 0 where they differ or have none.
fn radius(dataset: &Dataset, split: &Split) -> f64 {
    let radii = dataset
        .parameter_columns()
        .iter()
        .position(|column| column.name == "radius");
    radii.map_or(0.0, |column| {
        let first = split.parameters(0)[column];
        let same = (0..split.len()).all(|i| split.parameters(i)[column] == first);
        if same { first } else { 0.0 }
    })
}

/// The walls of a convex room that is no upright box: (n, w) of the lines n·x = w on which a body's centre turns.
fn walls(dataset: &Dataset) -> Result<Vec<([f64; 2], f64)>> {
    let split = dataset.split("test")?;
    let (false, Some(config)) = (split.is_empty(), dataset.config()) else {
        return Ok(Vec::new());
    };
    let standing = config.simulator.background(split.parameters(0));
    let room = standing
        .iter()
        .rev()
        .find_map(|shape| match &shape.outline {
            Outline::Polygon(corners) => Some(corners.clone()),
            _ => None,
        });
    let (corners, radius) = (room.unwrap_or_default(), radius(dataset, split));
    // Counter-clockwise corners: the inside lies left of every edge.
    let next = corners.iter().cycle().skip(1);
    let edges = corners.iter().zip(next);
    Ok(edges
        .map(|([ax, ay], [bx, by])| {
            let length = (bx - ax).hypot(by - ay);
            let n = [-(by - ay) / length, (bx - ax) / length];
            (n, n[0] * ax + n[1] * ay + radius)
        })
        .collect())
}
