//! Which sequences a step sees, how they become pixels in [0, 1] or normalised vectors, and what the ELBO of many sequences is.

use crate::data::Split;
use crate::error::Result;
use crate::models::{Actions, Clips, Model, Schedule, Seen};
use crate::seeds::Seeds;
use nn::tensor::matrix;
use rand::seq::SliceRandom;
use rayon::prelude::*;

/// The clips of these sequences, pixels in [0, 1] or vectors normalised by the training split's
/// [`Scale`](crate::data::Scale), with the dataset's own missing frames where it has any.
///
/// # Errors
/// Out of memory.
pub fn clips(split: &Split, indices: &[usize], steps: usize) -> Result<Clips<f32>> {
    let mut pixels = Vec::new();
    for &i in indices {
        match split.scale() {
            None => pixels.extend(split.frames(i).iter().map(|&v| f32::from(v) / 255.0)),
            Some(scale) => {
                let size = scale.mean.len();
                let rows = split.vectors(i).chunks_exact(size);
                pixels.extend(rows.flat_map(|row| scale.normal(row)));
            }
        }
    }
    let rows = indices.len() * steps;
    let columns = pixels.len() / rows.max(1);
    Ok(Clips {
        frames: matrix(pixels, rows, columns)?,
        sequences: indices.len(),
        steps,
        seen: frames_seen(split, indices).map(|frames| Seen {
            frames,
            pixels: None,
        }),
        actions: actions(split, indices, steps),
        rewards: rewards(split, indices),
    })
}

/// What acted on these sequences, in the world's units; nothing where nothing did.
pub fn actions(split: &Split, indices: &[usize], steps: usize) -> Option<Actions> {
    let own = |&i: &usize| split.actions(i);
    let values: Vec<f64> = indices.iter().flat_map(own).copied().collect();
    (!values.is_empty()).then(|| Actions {
        size: values.len() / (indices.len() * steps).max(1),
        values,
    })
}

/// What came with every frame of these sequences, (B, T): minus the [cost](Split::costs) of the frame before; NaN at
/// t = 0. Nothing where the world has no task.
pub fn rewards(split: &Split, indices: &[usize]) -> Option<Vec<f64>> {
    let of = |&i: &usize| {
        let costs = split.costs(i);
        let later = costs.len().saturating_sub(1);
        let first = (!costs.is_empty()).then_some(f64::NAN);
        let rest = costs.into_iter().take(later).map(|cost| -cost);
        first.into_iter().chain(rest)
    };
    let all: Vec<f64> = indices.iter().flat_map(of).collect();
    (!all.is_empty()).then_some(all)
}

/// Which frames of these sequences are seen, (B, T); nothing where all frames of the dataset are.
pub fn frames_seen(split: &Split, indices: &[usize]) -> Option<Vec<bool>> {
    let seen = indices.iter().flat_map(|&i| split.frame_seen(i));
    let seen: Vec<bool> = seen.map(|&seen| seen == 1).collect();
    (!seen.is_empty()).then_some(seen)
}

/// Nats that a term of the bound about what is observed loses when vectors have their own units again in place of those of
/// the networks: sum of ln std over the components that are seen, one number a frame, (B*T). Zeros for pixels.
pub(super) fn volumes(split: &Split, clips: &Clips<f32>) -> Vec<f64> {
    let frames = clips.sequences * clips.steps;
    let Some(scale) = split.scale() else {
        return vec![0.0; frames];
    };
    let seen = |frame: usize, k: usize| {
        clips.seen.as_ref().is_none_or(|seen| {
            let at = frame * scale.std.len() + k;
            seen.frames[frame] && seen.pixels.as_ref().is_none_or(|pixels| pixels[at])
        })
    };
    let volume = |frame: usize| {
        let all = scale.std.iter().enumerate();
        let seen = all.filter(|(k, _)| seen(frame, *k));
        seen.map(|(_, std)| std.ln()).sum()
    };
    (0..frames).map(volume).collect()
}

/// The term of a bound that is a density of what is observed.
pub(super) const DENSITY: &str = "reconstruction";

/// The first `most` sequences of which every frame is seen.
pub fn whole(split: &Split, most: usize) -> Vec<usize> {
    let whole = |&i: &usize| !split.frame_seen(i).contains(&0);
    (0..split.len()).filter(whole).take(most).collect()
}

/// What is seen where two things may hide it: the dataset, and what training hides on top.
pub(super) fn both(a: Option<Seen>, b: Option<Seen>) -> Option<Seen> {
    let (Some(a), Some(b)) = (&a, &b) else {
        return a.or(b);
    };
    let and = |x: &[bool], y: &[bool]| x.iter().zip(y).map(|(x, y)| *x && *y).collect();
    let frames: Vec<bool> = and(&a.frames, &b.frames);
    Some(Seen {
        // Where nothing at all would be left, what the dataset has is kept.
        frames: match frames.contains(&true) {
            true => frames,
            false => a.frames.clone(),
        },
        pixels: match (&a.pixels, &b.pixels) {
            (Some(x), Some(y)) => Some(and(x, y)),
            (x, y) => x.clone().or_else(|| y.clone()),
        },
    })
}

/// The order in which training visits its sequences: a new permutation every epoch, the last incomplete batch left out.
pub(super) struct Order {
    sequences: usize,
    batch: usize,
    seeds: Seeds,
    epoch: Option<(usize, Vec<usize>)>,
}

impl Order {
    pub fn new(sequences: usize, batch: usize, seeds: Seeds) -> Self {
        Self {
            sequences,
            batch,
            seeds,
            epoch: None,
        }
    }

    /// Sequence indices of step number `step`.
    pub fn batch(&mut self, step: usize) -> &[usize] {
        let per_epoch = self.sequences / self.batch;
        let (epoch, place) = (step / per_epoch, step % per_epoch);
        if self.epoch.as_ref().is_none_or(|(e, _)| *e != epoch) {
            let mut order: Vec<usize> = (0..self.sequences).collect();
            order.shuffle(&mut self.seeds.stream("train/order", epoch as u64));
            self.epoch = Some((epoch, order));
        }
        let order = self.epoch.as_ref().map_or(&[][..], |(_, order)| order);
        &order[place * self.batch..(place + 1) * self.batch]
    }
}

/// Sequences that one evaluation part holds at most.
const EVALUATION_CUT: usize = 16;
/// Values of frames that one part of the work holds where sequences are large: 1,024 frames of 32 x 32 pixels.
const VALUES_AT_ONCE: usize = 1 << 20;

/// Sequences that one part of the work holds, at most `most`: fewer where frames are large, so that memory is bounded and every
/// core has its part.
pub fn at_once(split: &Split, most: usize) -> usize {
    if split.is_empty() {
        return most;
    }
    at_once_of(split.frames(0).len().max(split.vectors(0).len()), most)
}

/// The same for sequences of so many values.
pub fn at_once_of(values: usize, most: usize) -> usize {
    (VALUES_AT_ONCE / values.max(1)).clamp(1, most)
}

/// The bound of a split, of which every frame adds its part.
pub struct Evaluated {
    /// Nats per frame that is seen: names and means, `elbo` first.
    pub means: Vec<(String, f64)>,
    /// What every clip and frame adds to each term, (N, T), in the order of `means` after the first.
    pub per_frame: Vec<Vec<f64>>,
    /// What no decoder's pixels can surpass, (N, T), see [`Clips::most`].
    pub most: Vec<f64>,
}

/// The ELBO of the first `limit` sequences of a split and its terms. The noise is the same at every call.
///
/// # Errors
/// A covariance that lost positive definiteness; frames of another size.
pub fn evaluate(
    model: &dyn Model<f32>,
    split: &Split,
    limit: usize,
    steps: usize,
    seeds: Seeds,
) -> Result<Evaluated> {
    let all: Vec<usize> = (0..split.len().min(limit)).collect();
    type Part = (Vec<(&'static str, f64, Vec<f64>)>, usize, Vec<f64>);
    let parts: Vec<Part> = all
        .par_chunks(at_once(split, EVALUATION_CUT))
        .enumerate()
        .map(|(i, part)| {
            let mut rng = seeds.stream("evaluate/noise", i as u64);
            let clips = clips(split, part, steps)?;
            let terms = model.objective(&clips, Schedule::bound(), &mut rng)?;
            let own = terms.into_iter().filter(|term| term.in_bound);
            let volumes = volumes(split, &clips);
            let own = own.map(|term| {
                let (mut total, mut per_frame) = (term.total(), term.per_frame);
                if term.name == DENSITY && split.scale().is_some() {
                    total -= volumes.iter().sum::<f64>();
                    let all = per_frame.iter_mut().zip(&volumes);
                    all.for_each(|(value, volume)| *value -= volume);
                }
                (term.name, total, per_frame)
            });
            Ok((
                own.collect(),
                clips.observations(),
                clips.most(model.pixels()),
            ))
        })
        .collect::<Result<_>>()?;
    let seen = parts.iter().map(|(_, seen, _)| seen).sum::<usize>();
    let frames = seen.max(1) as f64;
    let mut means: Vec<(String, f64)> = vec![("elbo".into(), 0.0)];
    let mut per_frame: Vec<Vec<f64>> = Vec::new();
    let mut most = Vec::new();
    for (part, _, own) in parts {
        most.extend(own);
        for (i, (name, total, own)) in part.into_iter().enumerate() {
            if means.len() <= i + 1 {
                means.push((name.into(), 0.0));
                per_frame.push(Vec::new());
            }
            means[i + 1].1 += total / frames;
            means[0].1 += total / frames;
            per_frame[i].extend(own);
        }
    }
    Ok(Evaluated {
        means,
        per_frame,
        most,
    })
}

/// What every frame of a split adds to the bound as a clip of its own, (N, T): what it is worth to a model that knows no past.
///
/// # Errors
/// As [`evaluate`].
pub fn alone(
    model: &dyn Model<f32>,
    split: &Split,
    steps: usize,
    seeds: Seeds,
) -> Result<Vec<f64>> {
    let all: Vec<usize> = (0..split.len()).collect();
    let parts: Vec<Vec<f64>> = all
        .par_chunks(at_once(split, EVALUATION_CUT))
        .enumerate()
        .map(|(i, part)| {
            let mut rng = seeds.stream("evaluate/alone", i as u64);
            let clips = clips(split, part, steps)?.apart();
            let mut total = vec![0.0; part.len() * steps];
            for term in model.objective(&clips, Schedule::bound(), &mut rng)? {
                if term.in_bound {
                    let own = total.iter_mut().zip(&term.per_frame);
                    own.for_each(|(to, v)| *to += v);
                }
            }
            Ok(total)
        })
        .collect::<Result<_>>()?;
    Ok(parts.concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DataConfig, Dataset, generate};
    use crate::progress::Progress;
    use std::path::Path;

    fn made(simulator: &str, dir: &Path) -> Dataset {
        let yaml = format!(
            "simulator: {{ {simulator}: {{}} }}\nframes: 9\ndt: 0.05\nsplits: {{ train: 3, validation: 1, test: 1 }}\n\
             video: {{ width: 8, height: 8 }}\n"
        );
        let config: DataConfig = serde_yaml::from_str(&yaml).unwrap();
        generate(&config, dir, &Progress::hidden()).unwrap();
        Dataset::open(dir).unwrap()
    }

    /// Gymnasium's cost written out: a reward comes with the frame after the state and the action that it is of.
    #[test]
    fn a_reward_is_minus_the_cost_of_the_frame_before() {
        let dir = tempfile::tempdir().unwrap();
        let data = made("pendulum_v1", dir.path());
        let split = data.split("train").unwrap();
        let clips = clips(split, &[2, 0], data.frames()).unwrap();
        let rewards = clips.rewards.unwrap();
        assert_eq!(rewards.len(), 2 * 9);
        for (i, own) in [2, 0].into_iter().zip(rewards.chunks(9)) {
            assert!(own[0].is_nan());
            for (before, reward) in own[1..].iter().enumerate() {
                let state = &split.states(i)[before * 4..];
                let torque = split.actions(i)[before];
                let turns = state[0] / std::f64::consts::TAU;
                let aside = (turns - turns.round()) * std::f64::consts::TAU;
                let want = -(aside * aside + 0.1 * state[1] * state[1] + 0.001 * torque * torque);
                assert!(
                    (reward - want).abs() < 1e-12,
                    "{i} {before}: {reward} {want}"
                );
            }
        }
    }

    #[test]
    fn a_world_without_a_task_has_no_rewards() {
        for world in ["bouncing_ball", "pushed_ball"] {
            let dir = tempfile::tempdir().unwrap();
            let data = made(world, dir.path());
            let split = data.split("train").unwrap();
            assert!(split.costs(0).is_empty() && rewards(split, &[0, 1]).is_none());
        }
    }
}
