//! One context: what is true of it, what the model draws, and what is found in the drawings.

use super::world::BRANCH_FRAMES;
use super::{BLURRED, DRAWN, FILMS, Stage, features};
use crate::array::Array;
use crate::data::Scale;
use crate::error::{Error, Result};
use crate::latents::{Axis, Beliefs, Given, Named, TRACKED};
use crate::measure::chroma::{COLOURED, coloured};
use crate::measure::picture::{Part, mean_picture, psnr, sharpness, ssim};
use crate::measure::tracker::{Tracker, Tracks, unit};
use crate::models::{Ahead, Clips, Query, Seen};
use crate::train::clips;
use nn::tensor::{matrix, values};

/// Decoded values held at once by one context: 32 MB.
const MOST_VALUES: usize = 8 << 20;
/// Pixels around a body that its sharpness is taken over, beyond its own reach.
const AROUND: f64 = 2.0;

/// An array of one context: its name, its shape without the contexts' axis, its values.
pub(super) type Part1<T> = (&'static str, Vec<usize>, Vec<T>);

/// What one context adds to the files.
#[derive(Default)]
pub(super) struct Found {
    pub numbers: Vec<Part1<f32>>,
    pub bytes: Vec<Part1<u8>>,
    /// Futures with their probabilities, places (frames, 2 K), where the world lists them.
    pub branches: Option<Vec<(f64, Vec<f64>)>>,
    /// Why the model drew nothing.
    pub refused: Option<String>,
}

/// One context at work.
pub(super) struct Context<'a> {
    stage: &'a Stage<'a>,
    i: usize,
    tracker: Option<Tracker>,
    /// Places (K) in the last seen frame.
    start: Vec<[f64; 2]>,
    /// Values of a frame.
    size: usize,
    /// (T, C, H, W) of true futures, R of them.
    frames: Vec<Vec<f32>>,
    /// Places (H, 2 K) of true futures, M of them.
    places: Vec<Vec<f64>>,
    /// Places (H, 2 K) of true future 0, whatever covers them.
    path: Vec<f64>,
    /// Frames without the bodies that are followed, (H, C, H, W).
    empty: Vec<f32>,
    /// The last seen frame.
    last: Vec<f32>,
}

impl<'a> Context<'a> {
    /// Draws and places what is true.
    ///
    /// # Errors
    /// A world that can't be drawn.
    pub fn of(stage: &'a Stage<'a>, i: usize) -> Result<Self> {
        let info = &stage.info;
        let split = stage.data.split(&info.split)?;
        let size: usize = info.frame_shape.iter().product();
        if stage.scale.is_some() {
            return Ok(Self {
                stage,
                i,
                tracker: None,
                start: Vec::new(),
                size,
                frames: Vec::new(),
                places: Vec::new(),
                empty: Vec::new(),
                last: Vec::new(),
                path: Vec::new(),
            });
        }
        let width = stage.data.state_columns().len();
        let (seen, horizon) = (info.seen, info.horizon);
        let recorded = split.frames(i);
        // States of true futures, (H, D) each: simulated again, or what was recorded.
        let oracle = stage.data.oracle().filter(|_| !split.futures(i).is_empty());
        let states: Vec<&[f64]> = match oracle {
            Some(oracle) => {
                let each = split.futures(i).chunks_exact(oracle.horizon * width);
                each.map(|one| &one[..horizon * width]).collect()
            }
            None => vec![&split.states(i)[seen * width..(seen + horizon) * width]],
        };
        let mut this = Self {
            stage,
            i,
            tracker: None,
            start: Vec::new(),
            size,
            frames: Vec::new(),
            places: Vec::new(),
            path: Vec::new(),
            empty: stage.background.repeat(horizon),
            last: unit(&recorded[(seen - 1) * size..seen * size]),
        };
        if oracle.is_none() {
            this.frames = vec![unit(&recorded[seen * size..(seen + horizon) * size])];
        }
        let Some(world) = &stage.world else {
            this.places = vec![Vec::new(); states.len()];
            return Ok(this);
        };
        if oracle.is_some() {
            for one in states.iter().take(DRAWN) {
                this.frames.push(unit(&world.render(i, one)?));
            }
        }
        this.empty = world.empty(i, states[0])?;
        if world.count() > 0 {
            this.tracker = Some(world.tracker(i)?);
            let now = world.places(&split.states(i)[(seen - 1) * width..seen * width]);
            this.start = now.chunks_exact(2).map(|p| [p[0], p[1]]).collect();
        }
        let visible = |one: &&[f64]| -> Vec<f64> {
            let states = one.chunks_exact(width);
            states.flat_map(|state| world.visible(i, state)).collect()
        };
        this.places = states.iter().map(visible).collect();
        let first = states[0].chunks_exact(width);
        this.path = first.flat_map(|state| world.places(state)).collect();
        Ok(this)
    }

    /// Everything that the files take.
    ///
    /// # Errors
    /// Beliefs that do not fit each other, frames that can't be read.
    pub fn found(&self) -> Result<Found> {
        let mut found = Found::default();
        let vectors = self.stage.scale.as_ref();
        if vectors.is_none() {
            self.truth(&mut found)?;
        }
        let mut sample = None;
        match self.drawn() {
            Ok(futures) => match vectors {
                Some(scale) => found.numbers.push(self.vectors(&futures.0, scale)?),
                None => sample = self.samples(&futures, &mut found)?,
            },
            // Another model may well give futures: its rows stand without this one's.
            Err(Error::Shape(reason)) => found.refused = Some(reason),
            Err(other) => return Err(other),
        }
        if let Some(network) = &self.stage.i3d {
            let split = self.stage.data.split(&self.stage.info.split)?;
            let seen = unit(&split.frames(self.i)[..self.stage.info.seen * self.size]);
            let clips = features::Clips {
                info: &self.stage.info,
                seen: &seen,
                sample: sample.as_deref(),
                truth: &self.frames[0],
            };
            let mut rng = self.stage.seeds.stream("rollout/i3d", self.i as u64);
            found.numbers.push(clips.logits(network, self.i, &mut rng)?);
        }
        Ok(found)
    }

    /// What is true: places, what the tracker finds in true frames, trivial pictures.
    fn truth(&self, found: &mut Found) -> Result<()> {
        let info = &self.stage.info;
        let (k, horizon, seen) = (info.bodies, info.horizon, info.seen);
        let split = self.stage.data.split(&info.split)?;
        let width = self.stage.data.state_columns().len();
        if let Some(world) = self.stage.world.as_ref().filter(|_| k > 0) {
            let past = split.states(self.i)[..seen * width].chunks_exact(width);
            let past: Vec<f32> = past
                .flat_map(|state| world.places(state))
                .map(|v| v as f32)
                .collect();
            found.numbers.push(("seen", vec![seen, 2 * k], past));
            let truth = self.places.iter().flatten().map(|&v| v as f32).collect();
            let shape = vec![self.places.len(), horizon, 2 * k];
            found.numbers.push(("truth", shape, truth));
            let path = self.path.iter().map(|&v| v as f32).collect();
            found.numbers.push(("path", vec![horizon, 2 * k], path));
            if world.enumerates() {
                let now = &split.states(self.i)[(seen - 1) * width..seen * width];
                let frames = horizon.min(BRANCH_FRAMES);
                found.branches = Some(world.branches(self.i, now, frames)?);
            }
        }
        if info.frame_shape[0] == 3 {
            let past = unit(&split.frames(self.i)[..seen * self.size]);
            let shape = vec![seen, COLOURED];
            found
                .numbers
                .push(("coloured_seen", shape, self.coloured(&past)?));
            let mut all = Vec::new();
            for frames in &self.frames {
                all.extend(self.coloured(frames)?);
            }
            let shape = vec![self.frames.len(), horizon, COLOURED];
            found.numbers.push(("coloured_truth", shape, all));
        }
        let mut tracks = Vec::new();
        let mut pixels = Vec::new();
        for (frames, places) in self.frames.iter().zip(&self.places) {
            let own = self.track(frames)?;
            if let Some(own) = &own {
                tracks.extend(self.columns(own));
            }
            self.measure(frames, own.as_ref(), Some(places), &mut pixels)?;
        }
        let drawn = self.frames.len();
        if k > 0 {
            let shape = vec![drawn, horizon, k, TRACKED.len() + info.frame_shape[0]];
            found.numbers.push(("truth_tracks", shape, tracks));
        }
        found
            .numbers
            .push(("truth_pixels", vec![drawn, horizon, 4], pixels));
        let mut trivial = Vec::new();
        for row in [&self.last.repeat(horizon), &self.empty] {
            for (frame, truth) in row.chunks(self.size).zip(self.frames[0].chunks(self.size)) {
                trivial.extend(self.likeness(frame, truth)?);
            }
        }
        found
            .numbers
            .push(("trivial_pixels", vec![2, horizon, 2], trivial));
        if self.i < FILMS {
            let shape = info.frame_shape;
            let film =
                |frames: usize, clips: usize| vec![clips, frames, shape[0], shape[1], shape[2]];
            let past = split.frames(self.i)[..seen * self.size].to_vec();
            found.bytes.push(("films_seen", film(seen, 1), past));
            let truth = self.frames.iter().flatten().map(|&v| grey(v)).collect();
            found
                .bytes
                .push(("films_truth", film(horizon, drawn), truth));
        }
        Ok(())
    }

    /// Futures (draw, clip of one, frame, size), frame 0 the last seen one.
    fn drawn(&self) -> Result<(Beliefs, Beliefs)> {
        let stage = self.stage;
        let (shown, given) = (self.shown()?, self.given());
        let mut rng = self.stage.seeds.stream("rollout/beliefs", self.i as u64);
        let queries = [Query::about(given)];
        let beliefs = stage.model.infer(&shown, &queries, &mut rng)?;
        let beliefs = beliefs.into_iter().next().unwrap_or_default();
        if beliefs.is_empty() {
            return Err(Error::Shape(
                "the model believes nothing that it could go on from".into(),
            ));
        }
        let info = &stage.info;
        let mut rng = stage
            .seeds
            .stream(&format!("rollout/{}", info.split), self.i as u64);
        let actions = self.actions()?;
        let ahead = Ahead {
            horizon: info.horizon,
            draws: info.samples,
            actions: actions.as_deref(),
        };
        Ok((stage.model.rollout(&beliefs, ahead, &mut rng)?, beliefs))
    }

    /// Beliefs given the past, or of frames alone where there are no others.
    fn given(&self) -> Given {
        match self
            .stage
            .model
            .latents()
            .iter()
            .any(|latent| latent.in_time)
        {
            true => Given::UpTo,
            false => Given::Alone,
        }
    }

    /// The context as the model is shown it: its seen frames and nothing of the others.
    fn shown(&self) -> Result<Clips<f32>> {
        let (split, seen) = (
            self.stage.data.split(&self.stage.info.split)?,
            self.stage.info.seen,
        );
        let all = clips(split, &[self.i], self.stage.data.frames())?;
        let frames = values(&all.frames)[..seen * self.size].to_vec();
        Ok(Clips {
            frames: matrix(frames, seen, self.size)?,
            sequences: 1,
            steps: seen,
            seen: all.seen.map(|mask| Seen {
                frames: mask.frames[..seen].to_vec(),
                pixels: mask.pixels.map(|all| all[..seen * self.size].to_vec()),
            }),
            actions: all.actions.map(|actions| crate::models::Actions {
                values: actions.values[..seen * actions.size].to_vec(),
                ..actions
            }),
            rewards: None,
        })
    }

    /// What acted on the recorded future, (H, A); nothing where there are many futures, each with actions of its own.
    fn actions(&self) -> Result<Option<Vec<f64>>> {
        let (info, data) = (&self.stage.info, self.stage.data);
        let split = data.split(&info.split)?;
        let width = data.action_columns().len();
        let recorded = self.stage.model.claims().actions && split.futures(self.i).is_empty();
        let all = split.actions(self.i);
        let from = (info.seen - 1) * width;
        let until = from + info.horizon * width;
        Ok((recorded && width > 0).then(|| all[from..until].to_vec()))
    }

    /// Samples of vectors in their own units, (S, H, D): what is expected to be seen, without the noise of seeing it.
    fn vectors(&self, futures: &Beliefs, scale: &Scale) -> Result<Part1<f32>> {
        let info = &self.stage.info;
        let mut all = Vec::with_capacity(info.samples * info.horizon * self.size);
        let step = (MOST_VALUES / ((info.horizon + 1) * self.size)).max(1);
        for first in (0..info.samples).step_by(step) {
            let last = info.samples.min(first + step);
            let decoded = self.stage.model.decode(&draws(futures, first, last)?)?;
            for clip in decoded.chunks_exact((info.horizon + 1) * self.size) {
                // Frame 0 is the last seen one.
                let mut own: Vec<f64> = clip[self.size..].iter().map(|&v| f64::from(v)).collect();
                scale.undo(&mut own);
                all.extend(own.into_iter().map(|v| v as f32));
            }
        }
        Ok(("vectors", vec![info.samples, info.horizon, self.size], all))
    }

    /// What is found in samples; the frames (H, C, H, W) of the first.
    fn samples(
        &self,
        (futures, from): &(Beliefs, Beliefs),
        found: &mut Found,
    ) -> Result<Option<Vec<f32>>> {
        let info = &self.stage.info;
        let [c, h, w] = info.frame_shape;
        let (k, horizon, samples) = (info.bodies, info.horizon, info.samples);
        let columns = TRACKED.len() + c;
        let (mut tracks, mut pixels, mut colours) = (Vec::new(), Vec::new(), Vec::new());
        let (mut film, mut sample) = (Vec::new(), None);
        let mut mean = vec![0.0f64; horizon * self.size];
        let step = (MOST_VALUES / ((horizon + 1) * self.size)).max(1);
        for first in (0..samples).step_by(step) {
            let last = samples.min(first + step);
            let decoded = self.stage.model.decode(&draws(futures, first, last)?)?;
            for (s, clip) in decoded.chunks_exact((horizon + 1) * self.size).enumerate() {
                let clip = &clip[self.size..];
                sample.get_or_insert_with(|| clip.to_vec());
                let own = self.track(clip)?;
                if let Some(own) = &own {
                    tracks.extend(self.columns(own));
                }
                self.measure(clip, own.as_ref(), None, &mut pixels)?;
                if c == 3 {
                    colours.extend(self.coloured(clip)?);
                }
                let sums = mean.iter_mut().zip(clip);
                sums.for_each(|(sum, &value)| *sum += f64::from(value));
                if self.i < FILMS && first + s < FILMS {
                    film.extend(clip.iter().map(|&v| grey(v)));
                }
            }
        }
        if k > 0 {
            let shape = vec![samples, horizon, k, columns];
            found.numbers.push(("tracks", shape, tracks));
        }
        found
            .numbers
            .push(("pixels", vec![samples, horizon, 4], pixels));
        if c == 3 {
            let shape = vec![samples, horizon, COLOURED];
            found.numbers.push(("coloured", shape, colours));
        }
        if self.i < FILMS {
            let shape = vec![samples.min(FILMS), horizon, c, h, w];
            found.bytes.push(("films", shape, film));
        }
        if self.i < BLURRED {
            let mean: Vec<f32> = mean
                .iter()
                .map(|sum| (sum / samples as f64) as f32)
                .collect();
            found
                .numbers
                .push(("blur", vec![horizon, 2], self.blur(&mean)?));
        }
        if self.i < self.stage.long_contexts && info.long > 0 && k > 0 {
            found.numbers.push(self.long(from)?);
        }
        Ok(sample)
    }

    /// One long sample, without actions: (1, long, K, 6 + C).
    fn long(&self, from: &Beliefs) -> Result<Part1<f32>> {
        let info = &self.stage.info;
        let mut rng = self.stage.seeds.stream("rollout/long", self.i as u64);
        let ahead = Ahead {
            horizon: info.long,
            draws: 1,
            actions: None,
        };
        let futures = self.stage.model.rollout(from, ahead, &mut rng)?;
        let decoded = self.stage.model.decode(&futures)?;
        let frames = &decoded[self.size..];
        let values = self.tracker.as_ref().map(|tracker| -> Result<Vec<f32>> {
            // What stands before the bodies later is not known: what stood there last stays.
            let last = &self.empty[self.empty.len() - self.size..];
            let tracks = tracker
                .clone()
                .over(last)?
                .clip(frames, Some(&self.start))?;
            Ok(self.columns(&tracks))
        });
        let columns = TRACKED.len() + info.frame_shape[0];
        let values = values.unwrap_or_else(|| Ok(Vec::new()))?;
        Ok((
            "long_tracks",
            vec![1, info.long, info.bodies, columns],
            values,
        ))
    }

    /// Bodies in a clip (H, C, H, W).
    fn track(&self, clip: &[f32]) -> Result<Option<Tracks>> {
        let tracker = self.tracker.as_ref();
        let follow = |tracker: &Tracker| tracker.clip_over(clip, &self.empty, Some(&self.start));
        tracker.map(follow).transpose()
    }

    /// What is coloured in every frame of a clip, (frames, 6).
    fn coloured(&self, clip: &[f32]) -> Result<Vec<f32>> {
        let mut all = Vec::with_capacity(clip.len() / self.size * COLOURED);
        for frame in clip.chunks_exact(self.size) {
            let found = coloured(frame, self.stage.info.frame_shape)?;
            all.extend(found.map(|v| v as f32));
        }
        Ok(all)
    }

    fn columns(&self, tracks: &Tracks) -> Vec<f32> {
        let all = tracks.array(self.stage.info.frame_shape[0]);
        all.data().iter().map(|&v| v as f32).collect()
    }

    /// PSNR and SSIM of a frame; the second NaN for frames smaller than its window.
    fn likeness(&self, frame: &[f32], truth: &[f32]) -> Result<[f32; 2]> {
        let similar = ssim(frame, truth, self.stage.info.frame_shape).unwrap_or(f64::NAN);
        Ok([psnr(frame, truth)? as f32, similar as f32])
    }

    /// Appends PSNR, SSIM, gradient energy and Laplacian variance of every frame of a clip. Sharpness is taken around
    /// the bodies: where they are known to be (`places`), or were found, or where they should be when they are lost.
    fn measure(
        &self,
        clip: &[f32],
        tracks: Option<&Tracks>,
        places: Option<&Vec<f64>>,
        to: &mut Vec<f32>,
    ) -> Result<()> {
        let info = &self.stage.info;
        let [_, h, w] = info.frame_shape;
        let truth = self.frames[0].chunks(self.size);
        for (t, (frame, truth)) in clip.chunks(self.size).zip(truth).enumerate() {
            to.extend(self.likeness(frame, truth)?);
            let mut sum = [0.0; 2];
            for k in 0..info.bodies {
                let place = |of: &[f64]| {
                    let at = 2 * (t * info.bodies + k);
                    [of[at], of[at + 1]]
                };
                let known = places.map(|of| place(of));
                let found = tracks
                    .and_then(|tracks| tracks.at(t, k))
                    .map(|f| f.position);
                let at = known.or(found).unwrap_or_else(|| place(&self.places[0]));
                if at[0].is_finite() {
                    let part = Part::around(at, info.radii[k] + AROUND, [h, w]);
                    let own = sharpness(frame, info.frame_shape, part)?;
                    sum = [sum[0] + own[0], sum[1] + own[1]];
                }
            }
            if info.bodies == 0 {
                sum = sharpness(frame, info.frame_shape, Part::whole(h, w))?;
            }
            to.extend(sum.map(|v| v as f32));
        }
        Ok(())
    }

    /// Gradient energies of the mean of samples and of the mean of true futures, (H, 2).
    fn blur(&self, mean: &[f32]) -> Result<Vec<f32>> {
        let info = &self.stage.info;
        let [_, h, w] = info.frame_shape;
        let split = self.stage.data.split(&info.split)?;
        let bayes = match (&self.stage.world, self.stage.data.oracle()) {
            (Some(world), Some(oracle)) if !split.futures(self.i).is_empty() => {
                let width = self.stage.data.state_columns().len();
                let mut clips = Vec::new();
                for one in split.futures(self.i).chunks_exact(oracle.horizon * width) {
                    let frames = world.render(self.i, &one[..info.horizon * width])?;
                    clips.extend(unit(&frames));
                }
                mean_picture(&clips, info.horizon * self.size)?
            }
            _ => self.frames[0].clone(),
        };
        let mut out = Vec::new();
        for (own, best) in mean.chunks(self.size).zip(bayes.chunks(self.size)) {
            for frame in [own, best] {
                out.push(sharpness(frame, info.frame_shape, Part::whole(h, w))?[0] as f32);
            }
        }
        Ok(out)
    }
}

/// A value from 0 to 1 as a byte.
fn grey(value: f32) -> u8 {
    (255.0 * value).round().clamp(0.0, 255.0) as u8
}

/// Some of the draws of all arrays.
fn draws(beliefs: &Beliefs, first: usize, last: usize) -> Result<Beliefs> {
    let mut out = Beliefs::default();
    for (name, Named { axes, array }) in beliefs.iter() {
        if axes.first() != Some(&Axis::Draw) {
            out.insert(name, axes, array.clone())?;
            continue;
        }
        let mut shape = array.shape().to_vec();
        let row: usize = shape[1..].iter().product();
        shape[0] = last - first;
        let part = array.data()[first * row..last * row].to_vec();
        out.insert(name, axes, Array::new(shape, part)?)?;
    }
    Ok(out)
}
