//! The encode stage: the latents of one trained model, and what can only be computed with the model itself.

use super::missing::{Missing, bright};
use super::train::build;
use crate::analysis::Metric;
use crate::array::Array;
use crate::data::{Dataset, Split};
use crate::error::Result;
use crate::experiment::{EncodeSettings, Experiment};
use crate::interrupt;
use crate::latents::{Decoder, JsonFile, Latents};
use crate::models::Model;
use crate::progress::Progress;
use crate::run::{RunFolder, dataset};
use crate::seeds::Seeds;
use crate::store::json;
use crate::train::{checkpoint, clips, evaluate, frames_seen, whole};
use lgssm::innovations;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Sequences that one part of the work holds.
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
    let elbo = evaluate(
        trained.as_ref(),
        data.split("test")?,
        usize::MAX,
        steps,
        Seeds::new(seed),
    )?;
    fit_code_noise(trained.as_mut(), data.split("train")?, steps)?;
    let further = experiment.data.further_splits();
    let bar = progress.bar("encode", 3 + further.len() as u64, "splits");
    // Of shifted splits only what tells how well the model does there.
    let no_tests = EncodeSettings {
        drop_rates: Vec::new(),
        blocks: Vec::new(),
        ..settings.clone()
    };
    let needed = ["train", "validation", "test"];
    for name in needed.into_iter().chain(further.iter().map(String::as_str)) {
        let split = data.split(name)?;
        let count = match name {
            "train" => settings.train_sequences.min(split.len()),
            _ => split.len(),
        };
        let part = Part {
            split,
            count,
            steps: data.frames(),
        };
        let mut arrays = part.latents(trained.as_ref())?;
        if name != "train" && name != "validation" {
            let missing = Missing {
                settings: if name == "test" { settings } else { &no_tests },
                data: data.config(),
                steps: data.frames(),
                split,
                seeds: Seeds::new(seed),
            };
            part.tests(trained.as_ref(), &missing, &mut arrays)?;
        }
        Latents { arrays }.save(&folder.split(model, seed, name))?;
        let mut arrays = part.latents(untrained.as_ref())?;
        arrays.retain(|name, _| name == "encoder");
        Latents { arrays }.save(&folder.untrained(model, seed, name))?;
        bar.advance(1);
    }
    if let Some(decoder) = plain_decoder(trained.as_ref(), folder, model, seed)? {
        decoder.save(&folder.decoder(model, seed))?;
    }
    if let Some(law) = trained.law() {
        json::write(folder.law(model, seed), &law)?;
    }
    if let Some(modes) = trained.modes()? {
        modes.save(&folder.modes(model, seed))?;
    }
    let scores: Vec<Metric> = elbo
        .into_iter()
        .map(|(name, value)| Metric {
            name: format!("{name}_nats_per_frame"),
            value,
            interval: None,
            unit: "nats/frame".into(),
        })
        .collect();
    json::write(folder.scores(model, seed), &scores)?;
    json::write(folder.encode(model, seed), &settings.config())?;
    Ok(())
}

/// Lets the law expect of code means the noise that they have on training sequences.
fn fit_code_noise(model: &mut dyn Model<f32>, train: &Split, steps: usize) -> Result<()> {
    let all = whole(train, NOISE_SEQUENCES);
    if all.is_empty() {
        // Codes of missing frames are none; the law keeps the noise that it learned.
        return Ok(());
    }
    let mut codes = Vec::new();
    for part in all.chunks(CUT) {
        codes.extend(model.encode(&clips(train, part, steps)?.frames)?.mean);
    }
    model.fit_code_noise(&codes, steps)
}

/// The decoder, and how codes follow from states: C z + d is told by the codes of z = 0 and of every unit vector.
fn plain_decoder(
    model: &dyn Model<f32>,
    folder: &RunFolder,
    name: &str,
    seed: u64,
) -> Result<Option<Decoder>> {
    let Some(mut decoder) = model.plain_decoder() else {
        return Ok(None);
    };
    let latents = Latents::load(&folder.split(name, seed, "validation"))?;
    let states = latents.get("smoothed").map_or(0, |a| a.shape()[2]);
    let unit = |j: usize| {
        (0..states)
            .map(|i| f64::from(u8::from(i == j)))
            .collect::<Vec<_>>()
    };
    decoder.emission = model
        .emit(&unit(states))
        .filter(|_| states > 0)
        .map(|offset| {
            let columns: Vec<Vec<f64>> = (0..states)
                .map(|j| model.emit(&unit(j)).unwrap_or_default())
                .collect();
            let entry = |i: usize, j: usize| columns[j][i] - offset[i];
            let rows = (0..offset.len()).flat_map(|i| (0..states).map(move |j| (i, j)));
            (rows.map(|(i, j)| entry(i, j)).collect(), offset.clone())
        });
    Ok(Some(decoder))
}

type Arrays = BTreeMap<String, Array>;

/// Some sequences of a split.
struct Part<'a> {
    split: &'a Split,
    count: usize,
    steps: usize,
}

impl Part<'_> {
    /// Runs `work` on the sequence numbers `from..to` of every cut, in parallel, and joins the named arrays in order.
    fn each(
        &self,
        work: impl Fn(usize, usize) -> Result<Vec<(String, Vec<f64>)>> + Sync,
    ) -> Result<Arrays> {
        let parts: Vec<Vec<(String, Vec<f64>)>> = (0..self.count.div_ceil(CUT))
            .into_par_iter()
            .map(|i| {
                interrupt::check()?;
                work(i * CUT, ((i + 1) * CUT).min(self.count))
            })
            .collect::<Result<_>>()?;
        let mut joined: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for (name, values) in parts.into_iter().flatten() {
            joined.entry(name).or_default().extend(values);
        }
        let frames = self.count * self.steps;
        joined
            .into_iter()
            .map(|(name, values)| {
                let size = values.len() / frames.max(1);
                let shape = match name.as_str() {
                    n if n.ends_with("_cov") => {
                        vec![self.count, self.steps, size.isqrt(), size.isqrt()]
                    }
                    n if n.starts_with("mask_") || n.starts_with("wrong_pixels_") => {
                        vec![self.count, self.steps]
                    }
                    _ => vec![self.count, self.steps, size],
                };
                Ok((name, Array::new(shape, values)?))
            })
            .collect()
    }

    /// Codes, filtered and smoothed states, standardised innovations, weights of modes.
    fn latents(&self, model: &dyn Model<f32>) -> Result<Arrays> {
        let law = match model.law() {
            Some(law) => Some(law),
            None => model.modes()?.map(|modes| modes.law),
        };
        self.each(|from, to| {
            let all: Vec<usize> = (from..to).collect();
            let codes = model.encode(&clips(self.split, &all, self.steps)?.frames)?;
            let seen = frames_seen(self.split, &all);
            let posterior = model.infer(&codes.mean, self.steps, seen.as_deref())?;
            let mut out = Vec::new();
            if let (Some(law), Some(p)) = (&law, &posterior) {
                let found = innovations(law, &codes.mean, &p.predicted_mean, &p.predicted_cov)?;
                out.push(("innovations".to_string(), found));
                if let Some(weights) = model.mode_weights(&codes.mean, self.steps, p)? {
                    out.push(("modes_filtered".into(), weights.filtered));
                    out.push(("modes_smoothed".into(), weights.smoothed));
                }
            }
            out.push(("encoder".into(), codes.mean));
            out.push(("encoder_var".into(), codes.var));
            if let Some(p) = posterior {
                out.push(("filtered".into(), p.filtered_mean));
                out.push(("filtered_cov".into(), p.filtered_cov));
                out.push(("smoothed".into(), p.smoothed_mean));
                out.push(("smoothed_cov".into(), p.smoothed_cov));
            }
            Ok(out)
        })
    }

    /// Adds what only the test split needs: open-loop prediction, every test of missing frames, film strips.
    fn tests(&self, model: &dyn Model<f32>, missing: &Missing, arrays: &mut Arrays) -> Result<()> {
        let encoder = arrays["encoder"].clone();
        let films = FILMS.min(self.count);
        arrays.extend(
            self.each(|from, to| self.predict_and_impute(model, missing, &encoder, from, to))?,
        );
        if let Some(predicted) = arrays.get("predicted") {
            let states: Vec<f64> = (0..films).flat_map(|i| predicted.row(i)).copied().collect();
            let codes = model.emit(&states).unwrap_or_default();
            arrays.insert("film_predicted".into(), self.film(model, &codes, films)?);
        }
        let codes: Vec<f64> = (0..films).flat_map(|i| encoder.row(i)).copied().collect();
        arrays.insert(
            "film_reconstructed".into(),
            self.film(model, &codes, films)?,
        );
        Ok(())
    }

    fn predict_and_impute(
        &self,
        model: &dyn Model<f32>,
        missing: &Missing,
        encoder: &Array,
        from: usize,
        to: usize,
    ) -> Result<Vec<(String, Vec<f64>)>> {
        let codes: Vec<f64> = (from..to).flat_map(|i| encoder.row(i)).copied().collect();
        let mut known: Vec<bool> = (from..to)
            .flat_map(|_| (0..self.steps).map(|t| t < missing.settings.context))
            .collect();
        let all: Vec<usize> = (from..to).collect();
        if let Some(seen) = frames_seen(self.split, &all) {
            let both = known.iter_mut().zip(seen);
            both.for_each(|(known, seen)| *known &= seen);
        }
        let mut out = Vec::new();
        if let Some(p) = model.infer(&codes, self.steps, Some(&known))? {
            out.push(("predicted".to_string(), p.filtered_mean));
        }
        for k in 0..missing.tests() {
            if let Some(filled) = missing.fill(model, &codes, k, (from, to))? {
                out.extend(filled);
            }
        }
        let seen = missing.wrong(&bright(&model.decode(&codes)?), (from, to));
        out.push(("wrong_pixels_seen".into(), seen));
        Ok(out)
    }

    /// Decoded frames as grey values 0..=255, (M, T, C*H*W).
    fn film(&self, model: &dyn Model<f32>, codes: &[f64], films: usize) -> Result<Array> {
        let grey: Vec<f64> = model
            .decode(codes)?
            .into_iter()
            .map(|p| (f64::from(p) * 255.0).round())
            .collect();
        let side = grey.len() / (films * self.steps).max(1);
        Array::new([films, self.steps, side], grey)
    }
}
