//! The encode stage: the latents of one trained model, and what can only be computed with the model itself.

use super::missing::{Missing, bright};
use super::next_frame::next_frames;
use super::train::build;
use crate::analysis::Metric;
use crate::array::Array;
use crate::data::{Dataset, IMPOSSIBLE, Split};
use crate::error::Result;
use crate::experiment::{EncodeSettings, Experiment};
use crate::interrupt;
use crate::latents::{
    Axis, Beliefs, Decoder, EncodeConfig, Given, JsonFile, LawInputs, SHUFFLED, ZEROED, stored_name,
};
use crate::models::{Actions, Clips, Known, Model, Query};
use crate::progress::Progress;
use crate::run::{RunFolder, dataset};
use crate::seeds::{Rng, Seeds};
use crate::store::json;
use crate::train::{Evaluated, actions, alone, at_once, checkpoint, clips, evaluate, whole};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Sequences that one part of the work holds at most.
const CUT: usize = 25;
/// Training sequences whose codes tell their noise.
const NOISE_SEQUENCES: usize = 200;
/// Test sequences whose reconstructed and predicted frames are kept for the film strip.
const FILMS: usize = 4;

/// Writes latents of the splits `train` (its first `encode.train_sequences`), `validation`, `test` and of all shifts to
/// [`RunFolder::split`], those of the untrained model to [`RunFolder::untrained`], [`RunFolder::encode`],
/// [`RunFolder::scores`] and, where there is a law, [`RunFolder::law`], or [`RunFolder::modes`] where it has several.
///
/// # Errors
/// Weights or a dataset that can't be read.
pub fn encode(
    experiment: &Experiment,
    model: &str,
    seed: u64,
    folder: &RunFolder,
    progress: &Progress,
) -> Result<()> {
    let data = Dataset::open(&dataset(experiment, folder))?;
    let settings = &experiment.encode;
    let untrained = build(experiment, model, seed, 0, &data)?;
    let mut trained = build(experiment, model, seed, 0, &data)?;
    checkpoint::load_model(&folder.weights(model, seed), trained.as_mut())?;
    let steps = data.frames();
    let further = experiment.data.further_splits();
    let part = |name: &str| -> Result<Part> {
        let split = data.split(name)?;
        Ok(Part {
            split,
            count: match name {
                "train" => settings.train_sequences.min(split.len()),
                _ => split.len(),
            },
            steps,
            seeds: Seeds::new(seed),
            name: name.to_string(),
        })
    };
    // The bound is that of the model before its code noise is fitted.
    let tested = || further.iter().map(String::as_str).chain(["test"]);
    let bounds: BTreeMap<&str, Evaluated> = tested()
        .map(|name| {
            let (split, all) = (data.split(name)?, usize::MAX);
            let found = evaluate(trained.as_ref(), split, all, steps, Seeds::new(seed))?;
            Ok((name, found))
        })
        .collect::<Result<_>>()?;
    let apart = match further.iter().any(|name| name == IMPOSSIBLE) {
        true => {
            let pairs = data.split(IMPOSSIBLE)?;
            alone(trained.as_ref(), pairs, steps, Seeds::new(seed))?
        }
        false => Vec::new(),
    };
    fit_code_noise(trained.as_mut(), data.split("train")?, steps)?;
    let bar = progress.bar("encode", 3 + further.len() as u64, "splits");
    // Of shifted splits only what tells how well the model does there.
    let no_tests = EncodeSettings {
        drop_rates: Vec::new(),
        blocks: Vec::new(),
        ..settings.clone()
    };
    let needed = ["train", "validation", "test"];
    for name in needed.into_iter().chain(further.iter().map(String::as_str)) {
        let part = part(name)?;
        let mut arrays =
            part.latents(trained.as_ref(), &[Given::Alone, Given::UpTo, Given::All])?;
        if let Some(bound) = bounds.get(name) {
            let missing = Missing {
                settings: if name == "test" { settings } else { &no_tests },
                data: data.config(),
                steps: data.frames(),
                split: part.split,
                seeds: Seeds::new(seed),
            };
            part.tests(trained.as_ref(), &missing, &mut arrays)?;
            arrays.extend(surprise(bound, steps)?)?;
            if name == IMPOSSIBLE {
                let costs = bound.most.iter().zip(&apart).map(|(most, v)| most - v);
                let costs = Array::new([part.split.len(), steps], costs.collect())?;
                arrays.insert("surprise_alone", &Beliefs::FRAMES, costs)?;
            }
        }
        if name == "test" && settings.next_frame_draws > 0 {
            arrays.extend(part.next_frames(trained.as_ref(), settings.next_frame_draws)?)?;
        }
        arrays.save(&folder.split(model, seed, name))?;
        part.untrained(untrained.as_ref())?
            .save(&folder.untrained(model, seed, name))?;
        bar.advance(1);
    }
    if let Some(decoder) = plain_decoder(trained.as_ref(), folder, model, seed)? {
        decoder.save(&folder.decoder(model, seed))?;
    }
    if let Some(model_of_states) = trained.state_space() {
        if let Some(law) = model_of_states.law() {
            json::write(folder.law(model, seed), &law)?;
            if let Some(matrix) = model_of_states.input_matrix() {
                let inputs = LawInputs {
                    size: data.action_columns().len(),
                    matrix,
                };
                inputs.save(&folder.inputs(model, seed))?;
            }
        }
        if let Some(modes) = model_of_states.modes()? {
            modes.save(&folder.modes(model, seed))?;
        }
    }
    let scores: Vec<Metric> = bounds["test"]
        .means
        .iter()
        .map(|&(ref name, value)| Metric {
            name: format!("{name}_nats_per_frame"),
            value,
            interval: None,
            unit: "nats/frame".into(),
        })
        .collect();
    json::write(folder.scores(model, seed), &scores)?;
    let config = EncodeConfig {
        latents: trained.latents(),
        ..settings.config()
    };
    json::write(folder.encode(model, seed), &config)?;
    Ok(())
}

/// Minus what every frame adds to the bound, above what its own pixels cost at best, and the terms of the bound.
fn surprise(bound: &Evaluated, steps: usize) -> Result<Beliefs> {
    let mut out = Beliefs::default();
    let mut total = bound.most.clone();
    for ((name, _), own) in bound.means[1..].iter().zip(&bound.per_frame) {
        total.iter_mut().zip(own).for_each(|(to, v)| *to -= v);
        let shape = [own.len() / steps, steps];
        let values = Array::new(shape, own.clone())?;
        out.insert(format!("bound_{name}"), &Beliefs::FRAMES, values)?;
    }
    let shape = [total.len() / steps, steps];
    out.insert("surprise", &Beliefs::FRAMES, Array::new(shape, total)?)?;
    Ok(out)
}

/// Lets the law expect of code means the noise that they have on training sequences.
pub(super) fn fit_code_noise(
    model: &mut dyn Model<f32>,
    train: &Split,
    steps: usize,
) -> Result<()> {
    let Some(model) = model.state_space_mut() else {
        return Ok(());
    };
    let mut all = Vec::new();
    let mut codes = Vec::new();
    for part in whole(train, NOISE_SEQUENCES).chunks(at_once(train, CUT)) {
        let (found, visible) = model.measured(&clips(train, part, steps)?)?;
        let size = found.len() / part.len();
        for (i, own) in found.chunks_exact(size).enumerate() {
            let hidden = |seen: &Vec<bool>| seen[i * steps..][..steps].contains(&false);
            if !visible.as_ref().is_some_and(hidden) {
                all.push(part[i]);
                codes.extend_from_slice(own);
            }
        }
    }
    if all.is_empty() {
        // Codes of missing or hidden frames are none; the law keeps the noise that it learned.
        return Ok(());
    }
    let acted = actions(train, &all, steps);
    let known = Known {
        seen: None,
        actions: acted.as_ref(),
    };
    model.fit_code_noise(&codes, steps, known)
}

/// The decoder, and how codes follow from states: C z + d follows from the codes of z = 0 and of every unit vector.
fn plain_decoder(
    model: &dyn Model<f32>,
    folder: &RunFolder,
    name: &str,
    seed: u64,
) -> Result<Option<Decoder>> {
    let Some(mut decoder) = model.plain_decoder() else {
        return Ok(None);
    };
    let Some(model) = model.state_space() else {
        return Ok(Some(decoder));
    };
    let latents = Beliefs::load(&folder.split(name, seed, "validation"))?;
    let states = latents.get("smoothed").map_or(0, |a| a.shape()[2]);
    let unit = |j: usize| {
        (0..states)
            .map(|i| f64::from(u8::from(i == j)))
            .collect::<Vec<_>>()
    };
    let offset = model.emit(&unit(states));
    let columns: Vec<Vec<f64>> = (0..states).map(|j| model.emit(&unit(j))).collect();
    let entry = |i: usize, j: usize| columns[j][i] - offset[i];
    let rows = (0..offset.len()).flat_map(|i| (0..states).map(move |j| (i, j)));
    decoder.emission = Some((rows.map(|(i, j)| entry(i, j)).collect(), offset.clone()));
    Ok(Some(decoder))
}

/// Some sequences of a split.
struct Part<'a> {
    split: &'a Split,
    count: usize,
    steps: usize,
    seeds: Seeds,
    name: String,
}

impl Part<'_> {
    /// Runs `work` on the sequence numbers `from..to` of every cut with a stream of its own, in parallel, and joins the arrays in order.
    fn each(
        &self,
        what: &str,
        work: impl Fn(usize, usize, &mut Rng) -> Result<Beliefs> + Sync,
    ) -> Result<Beliefs> {
        let stream = format!("encode/{what}/{}", self.name);
        let cut = at_once(self.split, CUT);
        let parts: Vec<Beliefs> = (0..self.count.div_ceil(cut))
            .into_par_iter()
            .map(|i| {
                interrupt::check()?;
                let mut rng = self.seeds.stream(&stream, i as u64);
                work(i * cut, ((i + 1) * cut).min(self.count), &mut rng)
            })
            .collect::<Result<_>>()?;
        Beliefs::joined(parts)
    }

    /// The clips `from..to`.
    fn clips(&self, from: usize, to: usize) -> Result<Clips<f32>> {
        let all: Vec<usize> = (from..to).collect();
        clips(self.split, &all, self.steps)
    }

    /// What the model believes given each of that, under the names of files.
    fn latents(&self, model: &dyn Model<f32>, given: &[Given]) -> Result<Beliefs> {
        let queries: Vec<Query> = given.iter().map(|&given| Query::about(given)).collect();
        let latents = model.latents();
        self.each("infer", |from, to, rng| {
            let mut out = Beliefs::default();
            let found = model.infer(&self.clips(from, to)?, &queries, rng)?;
            for (beliefs, &given) in found.into_iter().zip(given) {
                out.extend(beliefs.renamed(|name| stored_name(&latents, given, name))?)?;
            }
            Ok(out)
        })
    }

    /// Means of the untrained model: of frames alone, or filtered where it has no such beliefs.
    fn untrained(&self, model: &dyn Model<f32>) -> Result<Beliefs> {
        let alone = model.latents().iter().any(|latent| latent.alone);
        let given = if alone { Given::Alone } else { Given::UpTo };
        let mut arrays = self.latents(model, &[given])?;
        arrays.retain(|name| name == given.word());
        Ok(arrays)
    }

    /// Adds what only the test split needs: open-loop prediction, every test of missing frames, film strips.
    fn tests(&self, model: &dyn Model<f32>, missing: &Missing, arrays: &mut Beliefs) -> Result<()> {
        arrays.extend(self.each("tests", |from, to, rng| {
            self.predict_and_impute(model, missing, (from, to), rng)
        })?)?;
        if self.split.scale().is_some() {
            // Vectors are no pictures: there is no film of them.
            return Ok(());
        }
        let films = FILMS.min(self.count);
        if let Some(shares) = model.attention(&self.clips(0, films)?)? {
            let axes = [Axis::Shown, Axis::Size, Axis::Frame, Axis::With];
            arrays.insert("attention", &axes, shares)?;
        }
        let mut rng = self.seeds.stream("encode/films", 0);
        let given = [
            reconstructing(model),
            Given::First(missing.settings.context),
        ];
        let found = model.infer(&self.clips(0, films)?, &given.map(Query::about), &mut rng)?;
        for (name, beliefs) in ["film_reconstructed", "film_predicted"].iter().zip(&found) {
            if !beliefs.is_empty() {
                let film = self.film(&model.decode(beliefs)?, films)?;
                arrays.insert(*name, &[Axis::Shown, Axis::Frame, Axis::Pixel], film)?;
            }
        }
        Ok(())
    }

    /// Squared errors of the predictions of next frames, and those of the first clips as grey values 0..=255.
    fn next_frames(&self, model: &dyn Model<f32>, draws: usize) -> Result<Beliefs> {
        let in_time = model.latents().iter().any(|latent| latent.in_time);
        if self.split.scale().is_some() || !in_time {
            // Vectors are no pictures; a model of single frames predicts none.
            return Ok(Beliefs::default());
        }
        let films = FILMS.min(self.count);
        let shown = Mutex::new(Vec::new());
        let mut out = self.each("next_frame", |from, to, rng| {
            let clips = self.clips(from, to)?;
            let query = [Query::about(Given::UpTo)];
            let filtered = model.infer(&clips, &query, rng)?.pop().unwrap_or_default();
            let own = films.saturating_sub(from).min(to - from);
            let found = next_frames(
                model,
                (&clips, self.split, from),
                &filtered,
                (draws, own),
                rng,
            )?;
            if own > 0 {
                shown
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push((from, found.film));
            }
            let mut out = Beliefs::default();
            let errors = Array::new([to - from, self.steps], found.errors)?;
            out.insert("next_frame_errors", &Beliefs::FRAMES, errors)?;
            Ok(out)
        })?;
        let mut shown = shown.into_inner().unwrap_or_else(PoisonError::into_inner);
        shown.sort_by_key(|&(from, _)| from);
        let pixels: Vec<f32> = shown.into_iter().flat_map(|(_, film)| film).collect();
        let film = self.film(&pixels, films)?;
        out.insert("film_next", &[Axis::Shown, Axis::Frame, Axis::Pixel], film)?;
        Ok(out)
    }

    fn predict_and_impute(
        &self,
        model: &dyn Model<f32>,
        missing: &Missing,
        (from, to): (usize, usize),
        rng: &mut Rng,
    ) -> Result<Beliefs> {
        let context = Given::First(missing.settings.context);
        let masks: Vec<Vec<bool>> = (0..missing.tests())
            .map(|k| (from..to).flat_map(|i| missing.seen(k, i)).collect())
            .collect();
        let mut queries = vec![Query::about(reconstructing(model)), Query::about(context)];
        for mask in &masks {
            for given in [Given::All, Given::UpTo] {
                let observed = Some(mask.as_slice());
                queries.push(Query { given, observed });
            }
        }
        let mut found = model
            .infer(&self.clips(from, to)?, &queries, rng)?
            .into_iter();
        let mut out = Beliefs::default();
        let shape = [to - from, self.steps];
        let seen = found.next().unwrap_or_default();
        if self.split.scale().is_none() {
            let wrong = missing.wrong(&bright(&model.decode(&seen)?), (from, to));
            let wrong = Array::new(shape, wrong)?;
            out.insert("wrong_pixels_seen", &Beliefs::FRAMES, wrong)?;
        }
        let latents = model.latents();
        let mut ahead = found.next().unwrap_or_default();
        ahead.retain(|name| latents.iter().any(|latent| latent.name == name));
        out.extend(ahead.renamed(|name| stored_name(&latents, context, name))?)?;
        out.extend(self.controls(model, (from, to), context, rng)?)?;
        for (k, mask) in masks.iter().enumerate() {
            let both = [
                found.next().unwrap_or_default(),
                found.next().unwrap_or_default(),
            ];
            out.extend(missing.filled(model, both, (k, mask), (from, to))?)?;
        }
        Ok(out)
    }

    /// Predictions of the same frames with wrong actions, where the model reads them: none at all, and those of the next
    /// sequence.
    fn controls(
        &self,
        model: &dyn Model<f32>,
        (from, to): (usize, usize),
        context: Given,
        rng: &mut Rng,
    ) -> Result<Beliefs> {
        let mut out = Beliefs::default();
        let mut clips = self.clips(from, to)?;
        let Some(right) = clips.actions.take().filter(|_| model.claims().actions) else {
            return Ok(out);
        };
        let others: Vec<usize> = (from..to).map(|i| (i + 1) % self.count).collect();
        let zeros = vec![0.0; right.values.len()];
        let wrong = [
            (
                ZEROED,
                Actions {
                    values: zeros,
                    ..right
                },
            ),
            (
                SHUFFLED,
                match actions(self.split, &others, self.steps) {
                    Some(others) => others,
                    None => return Ok(out),
                },
            ),
        ];
        let latents = model.latents();
        for (name, actions) in wrong {
            clips.actions = Some(actions);
            let found = model.infer(&clips, &[Query::about(context)], rng)?;
            let mut found = found.into_iter().next().unwrap_or_default();
            found.retain(|latent| latents.first().is_some_and(|first| first.name == latent));
            out.extend(found.renamed(|_| name.to_string())?)?;
        }
        Ok(out)
    }

    /// Decoded frames as grey values 0..=255, (M, T, C*H*W).
    fn film(&self, pixels: &[f32], films: usize) -> Result<Array> {
        let grey: Vec<f64> = pixels
            .iter()
            .map(|&p| (f64::from(p) * 255.0).round())
            .collect();
        let side = grey.len() / (films * self.steps).max(1);
        Array::new([films, self.steps, side], grey)
    }
}

/// What a model's reconstruction of a frame is made of: the frame alone where that tells of a latent, else the frames up to it.
pub(super) fn reconstructing(model: &dyn Model<f32>) -> Given {
    match model.latents().iter().any(|latent| latent.alone) {
        true => Given::Alone,
        false => Given::UpTo,
    }
}
