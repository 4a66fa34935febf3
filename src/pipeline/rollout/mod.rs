//! The rollout stage: futures of one trained model, drawn from contexts of a split, decoded, and what a tracker finds in
//! them; beside it the true futures. Files as [`Rollouts`](crate::latents::Rollouts) has them.
//!
//! One context is one piece of work with a stream of its own (`rollout/<split>`, i), so the bytes do not depend on
//! threads; a few pieces are held at a time, so memory does not depend on the number of contexts.

mod context;
mod features;
mod world;

use super::encode::fit_code_noise;
use super::train::{build, common};
use crate::data::{Dataset, Scale};
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::interrupt;
use crate::latents::{ROLLOUT, RolloutInfo};
use crate::measure::i3d::{I3d, LEAST_FRAMES};
use crate::models::Model;
use crate::progress::Progress;
use crate::run::{RunFolder, dataset};
use crate::seeds::Seeds;
use crate::store::json;
use crate::store::npy::{self, Element, NpyWriter};
use crate::train::checkpoint;
use context::{Context, Found};
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use world::BRANCH_FRAMES;
pub(super) use world::World;

/// Contexts held at once.
const HELD: usize = 16;
/// Contexts whose frames are kept to be looked at, and samples of each.
const FILMS: usize = 8;
/// Contexts whose Bayes mean frame is drawn.
const BLURRED: usize = 50;
/// True futures that are drawn and tracked: two sets of true clips tell what a distance of equals is.
const DRAWN: usize = 2;

/// Everything that the pieces of work share.
struct Stage<'a> {
    model: &'a dyn Model<f32>,
    data: &'a Dataset,
    world: Option<World<'a>>,
    info: RolloutInfo,
    /// What stands behind everything where no world tells, (C, H, W).
    background: Vec<f32>,
    seeds: Seeds,
    long_contexts: usize,
    /// How vectors are brought to the networks, where frames are vectors: then futures are kept as they are.
    scale: Option<Scale>,
    /// What gives the features of the Fréchet video distance.
    i3d: Option<I3d>,
}

/// Draws futures of one model and seed into [`RunFolder::rollouts`].
///
/// # Errors
/// Weights or a dataset that can't be read. A model that gives no futures leaves a description that says why.
pub fn rollout(
    experiment: &Experiment,
    model: &str,
    seed: u64,
    folder: &RunFolder,
    progress: &Progress,
) -> Result<()> {
    let Some(settings) = &experiment.rollout else {
        return Ok(());
    };
    let data = Dataset::open(&dataset(experiment, folder))?;
    let mut trained = build(experiment, model, seed, 0, &data)?;
    checkpoint::load_model(&folder.weights(model, seed), trained.as_mut())?;
    fit_code_noise(trained.as_mut(), data.split("train")?, data.frames())?;
    let scale = data.split("train")?.scale().cloned();
    let world = match &scale {
        Some(_) => None,
        None => World::of(&data, &settings.split)?,
    };
    let background = common(&data)?.background;
    let [c, h, w] = data.frame_shape();
    let (i3d, no_i3d) = match &settings.i3d {
        None => (None, None),
        Some(path) => match without(settings.seen + settings.horizon, c, path) {
            Some(reason) => (None, Some(reason)),
            None => (Some(I3d::load(path)?), None),
        },
    };
    let mut stage = Stage {
        model: trained.as_ref(),
        data: &data,
        info: RolloutInfo {
            split: settings.split.clone(),
            contexts: settings.contexts,
            samples: settings.samples,
            futures: 1,
            seen: settings.seen,
            horizon: settings.horizon,
            dt: data.dt(),
            frame_shape: data.frame_shape(),
            bodies: world.as_ref().map_or(0, World::count),
            untracked: match &world {
                Some(world) => world.untracked.clone(),
                None if scale.is_some() => Some("frames are vectors".into()),
                None => Some("no world tells what its bodies look like".into()),
            },
            lost: (h as f64).hypot(w as f64),
            gravity: world.as_ref().map_or([0.0; 2], World::gravity),
            radii: match &world {
                Some(world) if world.count() > 0 => world.radii(0)?,
                _ => Vec::new(),
            },
            long: if scale.is_some() { 0 } else { settings.long },
            i3d: i3d.as_ref().map(|network| network.name.clone()),
            no_i3d,
            ..RolloutInfo::default()
        },
        world,
        background: background.iter().map(|&v| v as f32).collect(),
        seeds: Seeds::new(seed),
        long_contexts: settings.long_contexts,
        scale,
        i3d,
    };
    let split = data.split(&settings.split)?;
    if !split.futures(0).is_empty() {
        let oracle = data.oracle().unwrap_or_default();
        stage.info.futures = oracle.futures;
    }
    let dir = folder.rollouts(model, seed).join(&settings.split);
    std::fs::create_dir_all(&dir).map_err(Error::io(&dir))?;
    stage.room()?;
    stage.long_futures(&dir)?;
    stage.contexts(&dir, progress)?;
    json::write(dir.join(ROLLOUT), &stage.info)?;
    Ok(())
}

/// Why I3D cannot be asked about clips of so many frames and channels.
fn without(frames: usize, channels: usize, weights: &Path) -> Option<String> {
    if !weights.exists() {
        return Some(format!("rollout.i3d: {} is not there", weights.display()));
    }
    if frames < LEAST_FRAMES || ![1, 3].contains(&channels) {
        return Some(format!(
            "I3D wants {LEAST_FRAMES} or more frames of 1 or 3 channels, these clips have {frames} of {channels}"
        ));
    }
    None
}

impl Stage<'_> {
    /// Where centres can be: the world's own box less what a body reaches, or the range of all true places.
    fn room(&mut self) -> Result<()> {
        let info = &self.info;
        let split = self.data.split(&info.split)?;
        let Some(world) = self.world.as_ref().filter(|world| world.count() > 0) else {
            let [_, h, w] = info.frame_shape;
            self.info.room = [0.0, w as f64, 0.0, h as f64];
            return Ok(());
        };
        if let Some((x0, y0, x1, y1)) = crate::run::outline(self.data)? {
            let (a, b) = (
                world.camera().to_pixels([x0, y1]),
                world.camera().to_pixels([x1, y0]),
            );
            self.info.room = [a[0], b[0], a[1], b[1]];
            self.info.walled = a[0] < b[0] && a[1] < b[1];
        }
        if !self.info.walled {
            let width = self.data.state_columns().len();
            let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
            for i in 0..self.info.contexts {
                for state in split.states(i).chunks_exact(width) {
                    for (k, value) in world.places(state).into_iter().enumerate() {
                        low[k % 2] = low[k % 2].min(value);
                        high[k % 2] = high[k % 2].max(value);
                    }
                }
            }
            // A box of no size holds no draws.
            let wide = |d: usize| high[d].max(low[d] + 1e-3);
            self.info.room = [low[0], wide(0), low[1], wide(1)];
        }
        Ok(())
    }

    /// True futures of the long rollouts, where the world can go on.
    fn long_futures(&mut self, dir: &Path) -> Result<()> {
        let Some(world) = self.world.as_ref().filter(|world| world.count() > 0) else {
            self.info.long = 0;
            return Ok(());
        };
        let (long, width) = (self.info.long, self.data.state_columns().len());
        if long == 0 {
            return Ok(());
        }
        let split = self.data.split(&self.info.split)?;
        let one = |i: usize| -> Result<Option<Vec<f32>>> {
            let now = &split.states(i)[(self.info.seen - 1) * width..self.info.seen * width];
            let Some(states) = world.future(i, now, long)? else {
                return Ok(None);
            };
            let places = states.chunks_exact(width);
            let places = places.flat_map(|state| world.visible(i, state));
            Ok(Some(places.map(|v| v as f32).collect()))
        };
        let all: Vec<Option<Vec<f32>>> = (0..self.long_contexts)
            .into_par_iter()
            .map(one)
            .collect::<Result<_>>()?;
        let all: Option<Vec<Vec<f32>>> = all.into_iter().collect();
        if let Some(all) = all {
            let shape = [all.len(), 1, long, 2 * self.info.bodies];
            npy::write(dir.join("long_truth.npy"), &shape, &all.concat())?;
        }
        Ok(())
    }

    /// All contexts, some at a time, their arrays written in order.
    fn contexts(&mut self, dir: &Path, progress: &Progress) -> Result<()> {
        let n = self.info.contexts;
        let bar = progress.bar("rollout", n as u64, "contexts");
        let mut files: Option<Files> = None;
        let mut branches: Vec<Vec<(f64, Vec<f64>)>> = Vec::new();
        for start in (0..n).step_by(HELD) {
            interrupt::check()?;
            let end = n.min(start + HELD);
            let this = &*self;
            let found: Vec<Found> = (start..end)
                .into_par_iter()
                .map(|i| Context::of(this, i)?.found())
                .collect::<Result<_>>()?;
            for mut one in found {
                if let Some(reason) = one.refused.take() {
                    self.info.refused.get_or_insert(reason);
                }
                branches.extend(one.branches.take());
                let files = match &mut files {
                    Some(files) => files,
                    None => files.insert(Files::create(dir, &self.info, self.long_contexts, &one)?),
                };
                files.push(&one)?;
            }
            bar.advance((end - start) as u64);
        }
        if let Some(files) = files {
            files.finish()?;
        }
        self.write_branches(dir, &branches)
    }

    /// Futures with their probabilities, padded by places that are lost and masses of 0.
    fn write_branches(&self, dir: &Path, all: &[Vec<(f64, Vec<f64>)>]) -> Result<()> {
        let most = all.iter().map(Vec::len).max().unwrap_or(0);
        if most == 0 {
            return Ok(());
        }
        let frames = self.info.horizon.min(BRANCH_FRAMES);
        let size = frames * 2 * self.info.bodies;
        let mut places = NpyWriter::<f32>::create(
            dir.join("branches.npy"),
            &[all.len(), most, frames, 2 * self.info.bodies],
        )?;
        let mut masses =
            NpyWriter::<f32>::create(dir.join("branch_masses.npy"), &[all.len(), most])?;
        for context in all {
            for k in 0..most {
                match context.get(k) {
                    Some((mass, path)) => {
                        places.push(&path.iter().map(|&v| v as f32).collect::<Vec<_>>())?;
                        masses.push(&[*mass as f32])?;
                    }
                    None => {
                        places.push(&vec![f32::NAN; size])?;
                        masses.push(&[0.0])?;
                    }
                }
            }
        }
        places.finish()?;
        masses.finish()?;
        Ok(())
    }
}

/// The arrays being written: those that the first context has something of.
struct Files {
    numbers: Vec<(&'static str, NpyWriter<f32>)>,
    bytes: Vec<(&'static str, NpyWriter<u8>)>,
}

impl Files {
    fn create(dir: &Path, info: &RolloutInfo, long: usize, first: &Found) -> Result<Self> {
        let path = |name: &str| -> PathBuf { dir.join(format!("{name}.npy")) };
        let shape = |name: &str, own: &[usize]| {
            let count = match name {
                _ if name.starts_with("films") => info.contexts.min(FILMS),
                "blur" => info.contexts.min(BLURRED),
                "long_tracks" => long,
                _ => info.contexts,
            };
            [&[count], own].concat()
        };
        fn start<T: Element>(path: PathBuf, shape: &[usize]) -> Result<NpyWriter<T>> {
            NpyWriter::create(path, shape)
        }
        let numbers = first
            .numbers
            .iter()
            .map(|(name, own, _)| Ok((*name, start(path(name), &shape(name, own))?)));
        let bytes = first
            .bytes
            .iter()
            .map(|(name, own, _)| Ok((*name, start(path(name), &shape(name, own))?)));
        Ok(Self {
            numbers: numbers.collect::<Result<_>>()?,
            bytes: bytes.collect::<Result<_>>()?,
        })
    }

    fn push(&mut self, one: &Found) -> Result<()> {
        for (name, _, values) in &one.numbers {
            if let Some((_, file)) = self.numbers.iter_mut().find(|(other, _)| other == name) {
                file.push(values)?;
            }
        }
        for (name, _, values) in &one.bytes {
            if let Some((_, file)) = self.bytes.iter_mut().find(|(other, _)| other == name) {
                file.push(values)?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        for (_, file) in self.numbers {
            file.finish()?;
        }
        for (_, file) in self.bytes {
            file.finish()?;
        }
        Ok(())
    }
}
