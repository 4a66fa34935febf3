//! The train stage: one model, one seed.

use super::encode::reconstructing;
use crate::analysis::collapse::{Collapse, activity};
use crate::analysis::monitor;
use crate::data::{Dataset, Scale, Split};
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::figures::contact_sheet;
use crate::latents::{Beliefs, Given, Kind, Latent, stored_name};
use crate::models::{Common, Known, Model, Query, Sizes};
use crate::progress::Progress;
use crate::run::{RunFolder, dataset, known_states};
use crate::seeds::Seeds;
use crate::store::events::Summary;
use crate::train::init::Init;
use crate::train::{self, Job, actions, at_once, clips, rewards};
use rayon::iter::{IntoParallelIterator, ParallelIterator};

/// Sequences whose latents are watched during training.
const WATCHED: usize = 200;
/// Of them, those that are held at once, at most.
const WATCHED_AT_ONCE: usize = 25;

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
    let (states, _) = known_states(split, &all, data.state_columns().len());
    if all.len() < 2 {
        progress.say(&format!(
            "train {model}, seed {seed}: one validation sequence is too little to look at read-outs on while training; the report has them"
        ));
    }
    let watch = |trained: &dyn Model<f32>| {
        let given = [Given::Alone, Given::UpTo, Given::All];
        let mut rng = Seeds::new(seed).stream("train/watch", 0);
        // A part at a time: memory does not grow with the frames that are watched.
        let (mut parts, mut codes) = (vec![Vec::new(); given.len()], Vec::new());
        for part in all.chunks(at_once(split, WATCHED_AT_ONCE)) {
            let shown = clips(split, part, steps)?;
            let found = trained.infer(&shown, &given.map(Query::about), &mut rng)?;
            parts
                .iter_mut()
                .zip(found)
                .for_each(|(to, own)| to.push(own));
            if let Some(law) = trained.state_space() {
                codes.extend(law.encode(&shown.frames)?.mean);
            }
        }
        let found: Vec<Beliefs> = parts
            .into_iter()
            .map(Beliefs::joined)
            .collect::<Result<_>>()?;
        let latents = trained.latents();
        let mut arrays: Vec<(String, &[f64])> = Vec::new();
        for (beliefs, given) in found.iter().zip(given) {
            let real = |latent: &&Latent| !matches!(latent.kind, Kind::Categorical(_));
            for latent in latents.iter().filter(real) {
                if let Some(values) = beliefs.get(&latent.name) {
                    let name = stored_name(&latents, given, &latent.name);
                    arrays.push((name, values.data()));
                }
            }
        }
        let mut values = monitor(&arrays, &states, data.state_columns(), steps)?;
        let (found, line) = collapsing(&latents, &found);
        values.extend(found);
        progress.log(&format!("train {model}, seed {seed}: {line}"));
        let gap = match trained.state_space() {
            Some(law) => {
                let acted = actions(split, &all, steps);
                let known = Known {
                    seen: None,
                    actions: acted.as_ref(),
                };
                law.published_gap(&codes, steps, known)?
            }
            None => None,
        };
        if let Some(gap) = gap {
            let frames = (gap.mean.len() * steps).max(1) as f64;
            let mean = gap.mean.iter().sum::<f64>() / frames;
            values.push(("published_gap".into(), mean));
            let variance = gap.variance.iter().sum::<f64>() / gap.variance.len().max(1) as f64;
            values.push(("published_gap_std".into(), variance.sqrt() / steps as f64));
        }
        Ok(values)
    };
    let pictures = |model: &dyn Model<f32>| reconstruction(model, split, data.frame_shape(), steps);
    train::train(&Job {
        config: &experiment.train,
        steps,
        frame: data.frame_shape(),
        train: data.split("train")?,
        validation: split,
        seeds: Seeds::new(seed),
        folder: &path,
        build: &|start| build(experiment, model, seed, start, &data),
        init: match (&experiment.train.init_from, &experiment.train.init_weights) {
            (Some(from), Some(weights)) => Some(Init::of(from, weights, model, seed)?),
            _ => None,
        },
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

/// The first validation sequences, each above its reconstruction from code means, in colour where they are.
fn reconstruction(
    model: &dyn Model<f32>,
    split: &Split,
    [c, h, w]: [usize; 3],
    steps: usize,
) -> Result<Vec<(String, Summary)>> {
    let shown: Vec<usize> = (0..split.len().min(SHOWN)).collect();
    let queries = [Query::about(reconstructing(model))];
    let mut rng = Seeds::new(0).stream("train/pictures", 0);
    let found = model.infer(&clips(split, &shown, steps)?, &queries, &mut rng)?;
    let decoded = match found.first().filter(|_| !shown.is_empty()) {
        Some(beliefs) => model.decode(beliefs)?,
        None => Vec::new(),
    };
    if split.scale().is_some() {
        // Vectors are no pictures.
        return Ok(Vec::new());
    }
    let size = c * h * w;
    let mut rows = Vec::new();
    let mut push = |values: &[f32]| {
        for frame in values.chunks_exact(size) {
            let byte = |v: &f32| (255.0 * v).round().clamp(0.0, 255.0) as u8;
            rows.extend(frame.iter().map(byte));
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
    let sheet = contact_sheet(&rows, [rows.len() / size, c, h, w], steps, zoom)?;
    let picture = Summary::png(sheet).map(|png| ("reconstruction".to_string(), png));
    Ok(picture.into_iter().collect())
}

/// How much every dimension of the first latent with a variance carries, as numbers to record and as a line for the log: the KL divergence
/// of its belief from the normal distribution with the moments of all means, nats a frame, and how many dimensions are active by the
/// analysis' own measure. `found` in the order of beliefs given a frame alone, the past, everything.
fn collapsing(latents: &[Latent], found: &[Beliefs]) -> (Vec<(String, f64)>, String) {
    let of = |beliefs: &Beliefs| {
        let spread = |latent: &Latent| {
            let var = beliefs.get(&format!("{}_var", latent.name))?;
            let mean = beliefs.get(&latent.name)?;
            let word = if latent.alone { "code" } else { "latent" };
            Some((word, mean.data().to_vec(), var.data().to_vec(), latent.size))
        };
        latents.iter().find_map(spread)
    };
    let Some((word, mean, var, p)) = found.iter().find_map(of) else {
        return (Vec::new(), "no latent has a variance".into());
    };
    let all = activity(&mean, &var, p);
    let least = Collapse::default().share;
    let active = all.iter().filter(|a| a.share() > least).count();
    let mut values = vec![(format!("active_{word}s"), active as f64)];
    let mut told = Vec::new();
    for (j, a) in all.iter().enumerate() {
        if a.information.is_finite() {
            values.push((format!("{word}_kl/{word} {}", j + 1), a.information));
        }
        told.push(format!("{:.2}", a.information));
    }
    let warning = if active < p {
        "warning: collapse: "
    } else {
        ""
    };
    let line = format!(
        "{warning}{active} of {p} {word} dimensions active, KL by dimension {} nats/frame",
        told.join(", ")
    );
    (values, line)
}

/// Training sequences that mean and background are taken over.
const COMMON_SEQUENCES: usize = 500;
/// Pixels whose values are counted together.
const COMMON_PIXELS: usize = 512;

/// Mean and median over time and training sequences of every pixel, or component as the networks see it; how large
/// actions are.
///
/// # Errors
/// A dataset without training sequences.
pub(super) fn common(data: &Dataset) -> Result<Common> {
    let split = data.split("train")?;
    let found = match split.scale() {
        Some(scale) => common_of_vectors(split, scale),
        None => common_of_pictures(split, data.frame_shape()),
    };
    Ok(Common {
        action_scale: action_scale(split, data.action_columns().len()),
        ..found
    })
}

/// Mean and median of pictures.
fn common_of_pictures(split: &Split, frame: [usize; 3]) -> Common {
    let pixels: usize = frame.iter().product();
    // How often every value occurs, of some pixels at a time: of all they would not fit the caches.
    let counts = |first: usize| {
        let own = first..(first + COMMON_PIXELS).min(pixels);
        let mut counts = vec![[0u32; 256]; own.len()];
        for i in 0..split.len().min(COMMON_SEQUENCES) {
            for frame in split.frames(i).chunks_exact(pixels) {
                for (counts, &v) in counts.iter_mut().zip(&frame[own.clone()]) {
                    counts[usize::from(v)] += 1;
                }
            }
        }
        counts
    };
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
    let parts = (0..pixels.div_ceil(COMMON_PIXELS)).into_par_iter();
    let parts: Vec<(Vec<f64>, Vec<f64>)> = parts
        .map(|part| {
            let counts = counts(part * COMMON_PIXELS);
            let of_all = |of: &dyn Fn(&[u32; 256]) -> f64| counts.iter().map(of).collect();
            (of_all(&mean), of_all(&median))
        })
        .collect();
    let (means, backgrounds): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    let background = backgrounds.concat();
    Common {
        mean: means.concat(),
        foreground: foreground(split, &background),
        background,
        ..Common::default()
    }
}

/// Upper quartile over frames that are seen of sum |x - background|.
fn foreground(split: &Split, background: &[f64]) -> f64 {
    let clips = (0..split.len().min(COMMON_SEQUENCES)).into_par_iter();
    let mut all: Vec<f64> = clips
        .flat_map_iter(|i| {
            let seen = split.frame_seen(i);
            let frames = split.frames(i).chunks_exact(background.len()).enumerate();
            let frames = frames.filter(move |(t, _)| seen.get(*t) != Some(&0));
            frames.map(|(_, frame)| {
                let pixels = frame.iter().zip(background);
                pixels.map(|(&x, b)| (f64::from(x) / 255.0 - b).abs()).sum()
            })
        })
        .collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() * 3 / 4).copied().unwrap_or(0.0)
}

/// Root mean square of every component of the actions of training sequences; 1 where one never acts, none where nothing
/// does.
fn action_scale(split: &Split, size: usize) -> Vec<f64> {
    let mut sums = vec![0.0; size];
    let mut count = 0u32;
    for i in 0..split.len().min(COMMON_SEQUENCES) {
        for row in split.actions(i).chunks_exact(size.max(1)) {
            sums.iter_mut().zip(row).for_each(|(sum, u)| *sum += u * u);
            count += 1;
        }
    }
    let root = |sum: f64| match (sum / f64::from(count.max(1))).sqrt() {
        root if root > 0.0 => root,
        _ => 1.0,
    };
    sums.into_iter().map(root).collect()
}

/// The same of vectors, whose mean over the training split is zero.
fn common_of_vectors(split: &Split, scale: &Scale) -> Common {
    let size = scale.mean.len();
    let mut columns = vec![Vec::new(); size];
    for i in 0..split.len().min(COMMON_SEQUENCES) {
        let seen = split.frame_seen(i);
        let rows = split.vectors(i).chunks_exact(size).enumerate();
        for (_, row) in rows.filter(|(t, _)| seen.get(*t) != Some(&0)) {
            let all = columns.iter_mut().zip(scale.normal(row));
            all.for_each(|(column, x)| column.push(f64::from(x)));
        }
    }
    let median = |mut column: Vec<f64>| {
        column.sort_by(f64::total_cmp);
        column.get(column.len() / 2).copied().unwrap_or(0.0)
    };
    Common {
        mean: vec![0.0; size],
        background: columns.into_iter().map(median).collect(),
        ..Common::default()
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
    let frame = data.frame_shape();
    let config = experiment.models.get(model).ok_or_else(|| {
        let known: Vec<&str> = experiment.models.keys().map(String::as_str).collect();
        Error::Experiment(format!(
            "model {model}: one of {} expected",
            known.join(", ")
        ))
    })?;
    let sizes = Sizes {
        frame,
        actions: data.action_columns().len(),
        rewards: rewards(data.split("train")?, &[0]).is_some(),
    };
    let mut built = config.build(sizes, &mut Seeds::new(seed).stream("init", start as u64))?;
    built.start_at(&common(data)?)?;
    Ok(built)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Array;

    #[test]
    fn a_dimension_that_does_not_move_is_warned_of_in_the_log() {
        let two = [Latent::code("a", 2)];
        let mut found = Beliefs::default();
        let mut put = |name, values| {
            let array = Array::new([1, 2, 2], values).unwrap();
            found.insert(name, &Beliefs::STATES, array).unwrap();
        };
        put("a", vec![1.0, 0.5, -1.0, 0.5]);
        put("a_var", vec![0.01; 4]);
        let (values, line) = collapsing(&two, std::slice::from_ref(&found));
        assert_eq!(values[0], ("active_codes".into(), 1.0));
        // 1/2 ln((1 + .01) / .01) = 2.308, and nothing.
        assert_eq!(
            line,
            "warning: collapse: 1 of 2 code dimensions active, KL by dimension 2.31, 0.00 nats/frame"
        );
        let (values, line) = collapsing(&two, &[Beliefs::default()]);
        assert!(values.is_empty() && line == "no latent has a variance");
    }
}
