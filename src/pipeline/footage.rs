//! What the commands `apply` and `watch` share: a trained model with what it learned from, and clips of anything as its
//! networks see them.

use super::apply::ApplyOptions;
use super::dataset_folder;
use super::encode::reconstructing;
use super::identify::{is_dataset, not_before_zero, only_of_videos, sensible, shown};
use super::train::build;
use crate::array::Array;
use crate::data::{Dataset, Scale};
use crate::error::{Error, Result};
use crate::exchange::{FilmOptions, film};
use crate::experiment::Experiment;
use crate::latents::{Beliefs, Given, stored_name};
use crate::measure::regression::Readout;
use crate::models::{Clips, Model, Query, Schedule, Seen};
use crate::run::{RunFolder, dataset, known_states};
use crate::seeds::Seeds;
use crate::train::{at_once_of, checkpoint};
use nn::tensor::matrix;
use rayon::prelude::*;
use simulators::Column;
use std::path::Path;

/// Clips that one part of the work holds at most, when a model infers and when its bound is told: those of the encode
/// stage, whose numbers come back.
const INFER_CUT: usize = 25;
const BOUND_CUT: usize = 16;
/// A trained model with the dataset that it learned from.
pub(super) struct Trained {
    pub model: Box<dyn Model<f32>>,
    pub data: Dataset,
    pub seed: u64,
    folder: RunFolder,
    /// Its name in the experiment.
    pub name: String,
}

impl Trained {
    /// Opens `results/box/lg_vae/seed-0`.
    ///
    /// # Errors
    /// Not the folder of a trained model; its data or latents are not there, which its run folder makes again.
    pub fn open(path: &Path) -> Result<Self> {
        let wrong = |got: &str| {
            Error::Experiment(format!(
                "{}: expected the folder of a trained model, such as results/box/lg_vae/seed-0, got {got}",
                path.display()
            ))
        };
        let path = match path.is_dir() {
            true => path.canonicalize().map_err(Error::io(path))?,
            false => return Err(wrong("no folder")),
        };
        let word = |path: &Path| {
            path.file_name()
                .map(|name| name.to_string_lossy().into_owned())
        };
        let seed: Option<u64> = word(&path)
            .and_then(|name| name.strip_prefix("seed-").map(str::to_string))
            .and_then(|seed| seed.parse().ok());
        let (Some(seed), Some(above)) = (seed, path.parent()) else {
            return Err(wrong("one whose name is not seed-<number>"));
        };
        let (Some(name), Some(root)) = (word(above), above.parent()) else {
            return Err(wrong("one outside of a run folder"));
        };
        let folder = RunFolder::new(root);
        if !folder.config().exists() {
            return Err(wrong(
                "one outside of a run folder (no config.yaml two folders up)",
            ));
        }
        if !folder.weights(&name, seed).exists() {
            return Err(wrong("one without model.safetensors: train it first"));
        }
        let experiment = Experiment::load(&folder.config(), &[])?;
        let place = dataset(&experiment, &folder);
        if !place.join("manifest.json").exists() {
            return Err(Error::file(
                place,
                "the dataset that the model learned from is not there, and with it the background that the model takes \
                 away and the states of the read-out; `kinostate generate` with the same experiment and --out makes it again",
            ));
        }
        let data = Dataset::open(&place)?;
        let mut model = build(&experiment, &name, seed, 0, &data)?;
        checkpoint::load_model(&folder.weights(&name, seed), model.as_mut())?;
        Ok(Self {
            model,
            data,
            seed,
            folder,
            name,
        })
    }

    /// Mean surprise of the frames of its own test split, nats; nothing where they are not encoded.
    pub fn usual_surprise(&self) -> Option<f64> {
        let dir = self.folder.split(&self.name, self.seed, "test");
        let beliefs = dir.exists().then(|| Beliefs::load(&dir).ok()).flatten()?;
        let all = beliefs.get("surprise")?.data();
        Some(all.iter().sum::<f64>() / all.len().max(1) as f64)
    }

    /// What frames are brought to: (C, H, W), or columns of vectors.
    fn vectors(&self) -> Option<&Scale> {
        self.data
            .split("train")
            .ok()
            .and_then(|split| split.scale())
    }

    /// The linear read-out of states from latents of this name, fitted as the analysis `probe` does; nothing where the
    /// training data have no states.
    pub fn readout(&self, latents: &str) -> Result<Option<Readout>> {
        let width = self.data.state_columns().len();
        if width == 0 {
            return Ok(None);
        }
        let part = |name: &str| -> Result<Option<(Array, Array)>> {
            let dir = self.folder.split(&self.name, self.seed, name);
            if !dir.exists() {
                return Err(Error::file(
                    dir,
                    "the latents of the training data are not there, which the read-out of states is fitted to; \
                     `kinostate encode` with the same experiment and --out makes them again",
                ));
            }
            let beliefs = Beliefs::load(&dir)?;
            let Some(features) = beliefs.get(latents) else {
                return Ok(None);
            };
            let n = features.shape()[0];
            let all: Vec<usize> = (0..n).collect();
            let (states, _) = known_states(self.data.split(name)?, &all, width);
            let states = Array::new([n, self.data.frames(), width], states)?;
            Ok(Some((features.clone(), states)))
        };
        let (Some(train), Some(validation)) = (part("train")?, part("validation")?) else {
            return Ok(None);
        };
        let fit = Readout::fit((&train.0, &train.1), (&validation.0, &validation.1))?;
        Ok(Some(fit))
    }
}

/// Clips of anything, as the networks see them.
pub(super) struct Footage {
    /// (N, T, C, H, W); empty where frames are vectors.
    pub bytes: Vec<u8>,
    /// (N, T, C*H*W) from 0 to 1, or normalised vectors.
    values: Vec<f32>,
    pub shape: [usize; 3],
    pub clips: usize,
    pub steps: usize,
    /// (N, T); empty where all are there.
    pub seen: Vec<bool>,
    /// (N, T, D) and their columns, where there are any.
    pub states: Option<(Array, Vec<Column>)>,
    pub dt: Option<f64>,
    pub name: String,
    pub notes: Vec<String>,
}

impl Footage {
    /// Reads a dataset's split, or a video as one clip in the size of the model's frames.
    ///
    /// # Errors
    /// A dataset whose frames have another shape; a video that can't be read.
    pub fn read(path: &Path, trained: &Trained, options: &ApplyOptions) -> Result<Self> {
        sensible("fps", options.fps)?;
        sensible("to", options.to)?;
        not_before_zero("from", options.from)?;
        let mut this = match is_dataset(path) {
            true => Self::of_dataset(path, trained, options)?,
            false => Self::of_video(path, trained, options)?,
        };
        let own = trained.data.dt();
        if let Some(dt) = this.dt.filter(|dt| (dt / own - 1.0).abs() > 1e-3) {
            this.notes.push(format!(
                "frames are {dt:.4} s apart, those that the model learned from {own:.4} s: its law is one of frames, so \
                 velocities and predictions are those of the wrong step"
            ));
        }
        Ok(this)
    }

    fn of_dataset(path: &Path, trained: &Trained, options: &ApplyOptions) -> Result<Self> {
        let flags = [
            ("fps", options.fps.is_some()),
            ("crop", options.crop.is_some()),
            ("from", options.from.is_some()),
            ("to", options.to.is_some()),
        ];
        only_of_videos(path, &flags)?;
        let data = Dataset::open(&dataset_folder(path)?)?;
        let vectors = |data: &Dataset| !data.observed_columns().is_empty();
        if data.frame_shape() != trained.data.frame_shape()
            || vectors(&data) != vectors(&trained.data)
        {
            let words = |data: &Dataset| match vectors(data) {
                true => format!("vectors of {}", data.observed_columns().len()),
                false => format!("frames of (C, H, W) = {:?}", data.frame_shape()),
            };
            return Err(Error::file(
                path,
                format!(
                    "expected {} as the model learned from, got {} (import --scale and --grey bring pictures to a size)",
                    words(&trained.data),
                    words(&data)
                ),
            ));
        }
        let split = data.split(&options.split)?;
        let clips = split.len().min(options.sequences.unwrap_or(usize::MAX));
        let all: Vec<usize> = (0..clips).collect();
        let bytes: Vec<u8> = all.iter().flat_map(|&i| split.frames(i)).copied().collect();
        let values = match trained.vectors() {
            None => bytes.iter().map(|&v| f32::from(v) / 255.0).collect(),
            Some(scale) => {
                let rows = all
                    .iter()
                    .flat_map(|&i| split.vectors(i).chunks_exact(scale.mean.len()));
                rows.flat_map(|row| scale.normal(row)).collect()
            }
        };
        let width = data.state_columns().len();
        let (states, _) = known_states(split, &all, width);
        let seen = all.iter().flat_map(|&i| split.frame_seen(i));
        let seen = seen.map(|&seen| seen == 1).collect();
        let states = match width {
            0 => None,
            _ => Some((
                Array::new([clips, data.frames(), width], states)?,
                data.state_columns().to_vec(),
            )),
        };
        Ok(Self {
            bytes,
            values,
            shape: data.frame_shape(),
            clips,
            steps: data.frames(),
            seen,
            states,
            dt: Some(data.dt()),
            name: shown(path),
            notes: Vec::new(),
        })
    }

    fn of_video(path: &Path, trained: &Trained, options: &ApplyOptions) -> Result<Self> {
        if trained.vectors().is_some() {
            return Err(Error::Experiment(format!(
                "{}: expected vectors as the model learned from, got a video",
                path.display()
            )));
        }
        let [channels, height, width] = trained.data.frame_shape();
        let film = film(
            path,
            &FilmOptions {
                fps: options.fps,
                from: options.from,
                to: options.to,
                crop: options.crop,
                size: Some([width, height]),
                most: None,
                grey: channels == 1,
            },
        )?;
        let bytes = match (film.shape[0], channels) {
            (a, b) if a == b => film.frames,
            // A video without colour for a model of colours.
            _ => film
                .frames
                .chunks_exact(height * width)
                .flat_map(|plane| std::iter::repeat_n(plane, channels).flatten())
                .copied()
                .collect(),
        };
        let all = film.seen.iter().all(|&seen| seen);
        Ok(Self {
            values: bytes.iter().map(|&v| f32::from(v) / 255.0).collect(),
            bytes,
            shape: [channels, height, width],
            clips: 1,
            steps: film.seen.len(),
            seen: if all { Vec::new() } else { film.seen },
            states: None,
            dt: film.dt,
            name: shown(path),
            notes: film.notes,
        })
    }

    /// The clips `from..to` as a model reads them.
    ///
    /// # Errors
    /// Sizes that do not fit.
    pub fn part(&self, from: usize, to: usize) -> Result<Clips<f32>> {
        let size: usize = self.shape.iter().product();
        let frames = from * self.steps..to * self.steps;
        let rows = frames.len();
        let values = self.values[frames.start * size..frames.end * size].to_vec();
        Ok(Clips {
            frames: matrix(values, rows, size)?,
            sequences: to - from,
            steps: self.steps,
            seen: (!self.seen.is_empty()).then(|| Seen {
                frames: self.seen[frames].to_vec(),
                pixels: None,
            }),
            actions: None,
            rewards: None,
        })
    }

    fn cuts(&self, most: usize) -> Vec<(usize, usize)> {
        let most = at_once_of(self.values.len() / self.clips.max(1), most);
        let each = (0..self.clips).step_by(most);
        each.map(|from| (from, (from + most).min(self.clips)))
            .collect()
    }

    /// Minus what every frame adds to the bound, above what its own pixels cost at best, nats, (N, T).
    pub fn surprise(&self, model: &dyn Model<f32>, seed: u64) -> Result<Array> {
        let seeds = Seeds::new(seed);
        let parts: Vec<Vec<f64>> = self
            .cuts(BOUND_CUT)
            .into_par_iter()
            .enumerate()
            .map(|(i, (from, to))| {
                let mut rng = seeds.stream("evaluate/noise", i as u64);
                let clips = self.part(from, to)?;
                let terms = model.objective(&clips, Schedule::bound(), &mut rng)?;
                let mut total = clips.most(model.pixels());
                for term in terms.into_iter().filter(|term| term.in_bound) {
                    let pairs = total.iter_mut().zip(&term.per_frame);
                    pairs.for_each(|(to, value)| *to -= value);
                }
                Ok(total)
            })
            .collect::<Result<_>>()?;
        Array::new([self.clips, self.steps], parts.concat())
    }

    /// Latents under their stored names, and decoded frames from 0 to 1, (N, T, C*H*W).
    pub fn latents(&self, model: &dyn Model<f32>, seed: u64) -> Result<(Beliefs, Vec<f32>)> {
        let seeds = Seeds::new(seed);
        let latents = model.latents();
        let given = [Given::Alone, Given::UpTo, Given::All];
        let parts: Vec<(Beliefs, Vec<f32>)> = self
            .cuts(INFER_CUT)
            .into_par_iter()
            .enumerate()
            .map(|(i, (from, to))| {
                let mut rng = seeds.stream("encode/infer/test", i as u64);
                let clips = self.part(from, to)?;
                let queries: Vec<Query> = given.iter().map(|&given| Query::about(given)).collect();
                let found = model.infer(&clips, &queries, &mut rng)?;
                let seen = model.infer(&clips, &[Query::about(reconstructing(model))], &mut rng)?;
                let mut out = Beliefs::default();
                for (beliefs, given) in found.into_iter().zip(given) {
                    out.extend(beliefs.renamed(|name| stored_name(&latents, given, name))?)?;
                }
                let pixels = match seen.first() {
                    Some(beliefs) if !beliefs.is_empty() => model.decode(beliefs)?,
                    _ => Vec::new(),
                };
                Ok((out, pixels))
            })
            .collect::<Result<_>>()?;
        let (beliefs, pixels): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        Ok((Beliefs::joined(beliefs)?, pixels.concat()))
    }
}
