//! The train stage: one model, one seed.

use super::{RunFolder, dataset};
use crate::analysis::monitor;
use crate::data::{Dataset, Split};
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::figures::contact_sheet;
use crate::models::{Common, Model};
use crate::progress::Progress;
use crate::seeds::Seeds;
use crate::store::events::Summary;
use crate::train::{self, Job, clips};

/// Sequences whose latents are watched during training.
const WATCHED: usize = 200;

/// Trains to [`RunFolder::weights`] and [`RunFolder::training`], from the last checkpoint if there is one.
///
/// # Errors
/// A dataset or a checkpoint that can't be read; a number that is not finite, with the step and the term.
pub fn train(
    experiment: &Experiment,
    model: &str,
    seed: u64,
    folder: &RunFolder,
    progress: &Progress,
) -> Result<()> {
    let data = Dataset::open(&dataset(experiment, folder))?;
    let (split, steps) = (data.split("validation")?, data.frames());
    let path = folder.model(model, seed);
    std::fs::create_dir_all(&path).map_err(Error::io(&path))?;
    let all: Vec<usize> = (0..split.len().min(WATCHED)).collect();
    let states: Vec<f64> = all.iter().flat_map(|&i| split.states(i)).copied().collect();
    let watch = |model: &dyn Model<f32>| {
        let codes = model.encode(&clips(split, &all, steps)?.frames)?;
        let mut arrays = vec![("encoder", codes.mean.clone())];
        if let Some(posterior) = model.infer(&codes.mean, steps, None)? {
            arrays.push(("filtered", posterior.filtered_mean));
            arrays.push(("smoothed", posterior.smoothed_mean));
        }
        monitor(&arrays, &states, data.state_columns(), steps)
    };
    let pictures = |model: &dyn Model<f32>| reconstruction(model, split, data.frame_shape(), steps);
    train::train(&Job {
        config: &experiment.train,
        steps,
        train: data.split("train")?,
        validation: split,
        seeds: Seeds::new(seed),
        folder: &path,
        build: &|start| build(experiment, model, seed, start, &data),
        watch: &watch,
        pictures: Some(&pictures),
        progress,
    })?;
    Ok(())
}

/// Sequences whose reconstructions are shown during training.
const SHOWN: usize = 2;
/// Their least width and height, pixels.
const SHOWN_SIZE: usize = 64;

/// The first validation sequences, each above its reconstruction from code means; grey, the mean over channels.
fn reconstruction(
    model: &dyn Model<f32>,
    split: &Split,
    [c, h, w]: [usize; 3],
    steps: usize,
) -> Result<Vec<(String, Summary)>> {
    let shown: Vec<usize> = (0..split.len().min(SHOWN)).collect();
    let codes = model.encode(&clips(split, &shown, steps)?.frames)?;
    let decoded = model.decode(&codes.mean)?;
    let size = c * h * w;
    let mut rows = Vec::new();
    let mut push = |values: &[f32]| {
        for frame in values.chunks_exact(size) {
            rows.extend((0..h * w).map(|i| {
                let sum: f32 = frame.iter().skip(i).step_by(h * w).sum();
                (255.0 * sum / c as f32).round().clamp(0.0, 255.0) as u8
            }));
        }
    };
    for (i, of) in shown.iter().zip(decoded.chunks_exact(steps * size)) {
        let truth: Vec<f32> = split
            .frames(*i)
            .iter()
            .map(|&v| f32::from(v) / 255.0)
            .collect();
        push(&truth);
        push(of);
    }
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let zoom = SHOWN_SIZE.div_ceil(h.max(w));
    let sheet = contact_sheet(&rows, (rows.len() / (h * w), h, w), steps, zoom)?;
    let picture = Summary::png(sheet).map(|png| ("reconstruction".to_string(), png));
    Ok(picture.into_iter().collect())
}

/// Training sequences that mean and background are taken over.
const COMMON_SEQUENCES: usize = 500;

/// Mean and median over time and training sequences of every pixel.
fn common(split: &Split, frame: [usize; 3]) -> Common {
    let pixels: usize = frame.iter().product();
    let mut counts = vec![[0u32; 256]; pixels];
    for i in 0..split.len().min(COMMON_SEQUENCES) {
        for frame in split.frames(i).chunks_exact(pixels) {
            for (counts, &v) in counts.iter_mut().zip(frame) {
                counts[usize::from(v)] += 1;
            }
        }
    }
    let mean = |counts: &[u32; 256]| {
        let total: f64 = counts
            .iter()
            .zip(0u32..)
            .map(|(&n, v)| f64::from(n) * f64::from(v))
            .sum();
        total / 255.0 / f64::from(counts.iter().sum::<u32>().max(1))
    };
    let median = |counts: &[u32; 256]| {
        let half = counts.iter().sum::<u32>() / 2;
        let mut below = 0;
        let at = counts.iter().position(|&n| {
            below += n;
            below > half
        });
        at.unwrap_or(0) as f64 / 255.0
    };
    Common {
        mean: counts.iter().map(mean).collect(),
        background: counts.iter().map(median).collect(),
    }
}

/// A model with the weights of start number `start`.
///
/// # Errors
/// A name that the experiment does not have; settings that do not fit the frames.
pub(super) fn build(
    experiment: &Experiment,
    model: &str,
    seed: u64,
    start: usize,
    data: &Dataset,
) -> Result<Box<dyn Model<f32>>> {
    let (split, frame) = (data.split("train")?, data.frame_shape());
    let config = experiment.models.get(model).ok_or_else(|| {
        let known: Vec<&str> = experiment.models.keys().map(String::as_str).collect();
        Error::Experiment(format!(
            "model {model}: one of {} expected",
            known.join(", ")
        ))
    })?;
    let mut built = config.build(frame, &mut Seeds::new(seed).stream("init", start as u64))?;
    built.start_at(&common(split, frame))?;
    Ok(built)
}
