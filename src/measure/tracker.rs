//! Where the objects of a picture are: templates fitted to sub-pixel places, with size and colour, and followed through
//! a clip.
//!
//! A frame I of C channels over a background B is taken as I = B + Σ_k (g_k P_k - B α_k): object k covers the share α_k
//! of a pixel and paints it in colour g_k ([`Template`]). One object at a time is found by correlation on whole pixels,
//! then its place (and size) by least squares with the colour solved for in closed form; with several, each is found
//! again with the others removed. Places of one frame become paths by the cheapest assignment to where every path is
//! expected ([`super::assignment`]).
//!
//! **An object that is not there is lost (`None`), never left out**: its fit explains too little of the picture, or is
//! too faint.

mod fit;
mod floor;
mod template;

pub use floor::Floor;
pub use template::Template;

use super::assignment::assign;
use crate::array::Array;
use crate::error::{Error, Result};
use fit::{Fit, Scene, Scratch};
use rayon::prelude::*;

/// What is fitted, and when an object counts as lost.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Objects in every frame, K.
    pub objects: usize,
    /// Range of the fitted size as a multiple of the template's, e.g. `[0.7, 1.4]`; None keeps the template's.
    pub sizes: Option<[f64; 2]>,
    /// Least share of the squared difference from the background in the object's window that the fit must explain.
    /// Default 0.5: a true frame reaches .99, a disc blurred to twice its width .8, noise .1.
    pub explained: f64,
    /// Least mean difference from the background, of full white 1, in the channel where it is largest. Default 0.1.
    pub contrast: f64,
    /// Farthest that a path can be from where it is expected, px; an object beyond it is lost. Default: no limit.
    pub gate: Option<f64>,
    /// Cost of a full change of colour in one channel, px, when paths are told apart. Default 8.
    pub colour_cost: f64,
    /// Rounds in which each of several objects is found again with the others removed. Default 2.
    pub rounds: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            objects: 1,
            sizes: None,
            explained: 0.5,
            contrast: 0.1,
            gate: None,
            colour_cost: 8.0,
            rounds: 2,
        }
    }
}

/// An object found in a frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Place, px from the frame's corner: x right, y down. Pixel (i, j) has its centre at (j + 1/2, i + 1/2).
    pub position: [f64; 2],
    /// Size as a multiple of the template's.
    pub scale: f64,
    /// Area that it covers, px².
    pub area: f64,
    /// Colour in every channel, 0 to 1 (a gain, where the template has a picture's paint).
    pub colour: Vec<f64>,
    /// Which template fitted best.
    pub template: usize,
    /// Share of the squared difference from the background that the fit explains.
    pub explained: f64,
    /// Largest mean difference from the background over channels, 0 to 1.
    pub contrast: f64,
}

/// Paths of K objects through a clip of T frames.
#[derive(Clone, Debug, PartialEq)]
pub struct Tracks {
    objects: usize,
    /// (T, K).
    found: Vec<Option<Found>>,
}

/// Finds objects in frames of one shape.
#[derive(Clone, Debug)]
pub struct Tracker {
    templates: Vec<Template>,
    settings: Settings,
    /// C, H, W.
    shape: [usize; 3],
    /// (C, H, W).
    background: Vec<f64>,
}

/// Frames of 8 bits as values from 0 to 1.
pub fn unit(frames: &[u8]) -> Vec<f32> {
    frames.iter().map(|&v| f32::from(v) / 255.0).collect()
}

impl Tracker {
    /// A tracker for frames (C, H, W) from 0 to 1; each object may look like any of the templates. The background is
    /// black.
    ///
    /// # Errors
    /// [`Error::Shape`] without templates or objects, for empty frames, a picture of other channels, or a wrong range
    /// of sizes.
    pub fn new(templates: Vec<Template>, shape: [usize; 3], settings: Settings) -> Result<Self> {
        let mut channels = templates.iter().map(Template::channels);
        let wrong = channels.find(|&c| c != 1 && c != shape[0]);
        let size: usize = shape.iter().product();
        let problem = match (&settings.sizes, wrong) {
            _ if templates.is_empty() => Some("wants a template".into()),
            _ if settings.objects == 0 => Some("wants an object".into()),
            _ if size == 0 => Some(format!("wants frames with pixels, got {shape:?}")),
            (_, Some(c)) => Some(format!(
                "has {c} channels in a picture, frames have {}",
                shape[0]
            )),
            (Some([low, high]), _) if !(0.0 < *low && low <= high && high.is_finite()) => {
                Some(format!("wants sizes 0 < low <= high, got [{low}, {high}]"))
            }
            _ => None,
        };
        match problem {
            Some(problem) => Err(Error::Shape(format!("tracker {problem}"))),
            None => Ok(Self {
                templates,
                settings,
                shape,
                background: vec![0.0; size],
            }),
        }
    }

    /// The same over a background (C, H, W) from 0 to 1.
    ///
    /// # Errors
    /// [`Error::Shape`] for another size.
    pub fn over(mut self, background: &[f32]) -> Result<Self> {
        let want = self.background.len();
        if background.len() != want {
            return Err(Error::Shape(format!(
                "tracker: background wants {want} values, got {}",
                background.len()
            )));
        }
        self.background = background.iter().map(|&v| f64::from(v)).collect();
        Ok(self)
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Values of a frame.
    fn size(&self) -> usize {
        self.background.len()
    }

    /// Objects of one frame (C, H, W), those that explain most first; at most K. A pixel that is not finite counts as
    /// background.
    ///
    /// # Errors
    /// [`Error::Shape`] for a frame of another size.
    pub fn frame(&self, frame: &[f32]) -> Result<Vec<Found>> {
        self.check(frame.len(), 1)?;
        Ok(self.find(frame, &mut Scratch::default()))
    }

    fn check(&self, values: usize, frames: usize) -> Result<()> {
        let want = frames * self.size();
        if values == want {
            return Ok(());
        }
        let shape = self.shape;
        Err(Error::Shape(format!(
            "tracker: {frames} frames of {shape:?} want {want} values, got {values}"
        )))
    }

    fn find(&self, frame: &[f32], scratch: &mut Scratch) -> Vec<Found> {
        let pixels = frame.iter().zip(&self.background);
        let mut residual: Vec<f64> = pixels
            .map(|(&value, behind)| match value.is_finite() {
                true => f64::from(value) - behind,
                false => 0.0,
            })
            .collect();
        let objects = self.settings.objects;
        let mut found: Vec<Option<(usize, Fit)>> = vec![None; objects];
        let rounds = if objects > 1 { self.settings.rounds } else { 0 };
        for round in 0..=rounds {
            for slot in found.iter_mut() {
                if let Some((template, fit)) = slot.take() {
                    self.paint(template, &fit, 1.0, &mut residual, scratch);
                }
                *slot = self.best(&residual, scratch);
                if let Some((template, fit)) = slot {
                    self.paint(*template, fit, -1.0, &mut residual, scratch);
                }
            }
            // Nothing is left to find again.
            if round == 0 && found.iter().all(Option::is_none) {
                break;
            }
        }
        let mut found: Vec<Found> = found
            .into_iter()
            .flatten()
            .map(|(template, fit)| Found {
                position: fit.position,
                scale: fit.scale,
                area: self.templates[template].area() * fit.scale.powi(2),
                colour: fit.colour,
                template,
                explained: fit.explained,
                contrast: fit.contrast,
            })
            .collect();
        found.sort_by(|a, b| b.explained.total_cmp(&a.explained));
        found
    }

    fn paint(&self, k: usize, fit: &Fit, sign: f64, residual: &mut [f64], scratch: &mut Scratch) {
        let template = &self.templates[k];
        let (background, shape) = (&self.background, self.shape);
        Scene::paint(template, fit, background, shape, sign, residual, scratch);
    }

    /// The template that explains most of what is left, if one does.
    fn best(&self, residual: &[f64], scratch: &mut Scratch) -> Option<(usize, Fit)> {
        let scene = Scene {
            residual,
            background: &self.background,
            shape: self.shape,
        };
        let mut best: Option<(usize, Fit)> = None;
        for (k, template) in self.templates.iter().enumerate() {
            let start = scene.coarse(template);
            let fit = scene.refine(template, start, self.settings.sizes, scratch);
            let seen =
                fit.explained >= self.settings.explained && fit.contrast >= self.settings.contrast;
            if seen
                && best
                    .as_ref()
                    .is_none_or(|(_, b)| fit.explained > b.explained)
            {
                best = Some((k, fit));
            }
        }
        best
    }

    /// Paths through a clip (T, C, H, W). `start` holds K places (x, y) before the first frame, so that paths keep the
    /// order of the true objects; without it the first frame's objects are numbered by how much they explain.
    ///
    /// # Errors
    /// [`Error::Shape`] for whole frames of another size, or other than K places.
    pub fn clip(&self, frames: &[f32], start: Option<&[[f64; 2]]>) -> Result<Tracks> {
        let total = frames.len() / self.size();
        self.check(frames.len(), total)?;
        let mut scratch = Scratch::default();
        let (mut paths, mut tracks) = self.begin(total, start)?;
        for frame in frames.chunks_exact(self.size()) {
            self.next(&mut paths, frame, &mut tracks, &mut scratch);
        }
        Ok(tracks)
    }

    /// [`Tracker::clip`] where every frame has a background of its own (T, C, H, W): curtains, doors, occluders.
    ///
    /// # Errors
    /// As [`Tracker::clip`]; [`Error::Shape`] for other than a background a frame.
    pub fn clip_over(
        &self,
        frames: &[f32],
        backgrounds: &[f32],
        start: Option<&[[f64; 2]]>,
    ) -> Result<Tracks> {
        if frames.len() != backgrounds.len() || frames.is_empty() {
            return Err(Error::Shape(format!(
                "tracker: want a background for every frame, {} values, got {}",
                frames.len(),
                backgrounds.len()
            )));
        }
        let each = backgrounds.chunks(self.size());
        let still = each.clone().all(|one| *one == backgrounds[..one.len()]);
        let mut here = self.clone().over(&backgrounds[..self.size()])?;
        if still {
            return here.clip(frames, start);
        }
        let total = frames.len() / self.size();
        self.check(frames.len(), total)?;
        let (mut paths, mut tracks) = self.begin(total, start)?;
        let mut scratch = Scratch::default();
        for (frame, background) in frames.chunks_exact(self.size()).zip(each) {
            let behind = here.background.iter_mut().zip(background);
            behind.for_each(|(to, &value)| *to = f64::from(value));
            here.next(&mut paths, frame, &mut tracks, &mut scratch);
        }
        Ok(tracks)
    }

    /// Paths before the first of so many frames.
    fn begin(&self, frames: usize, start: Option<&[[f64; 2]]>) -> Result<(Vec<Path>, Tracks)> {
        let objects = self.settings.objects;
        if let Some(got) = start.map(<[_]>::len).filter(|&got| got != objects) {
            return Err(Error::Shape(format!(
                "tracker: want {objects} places to start from, got {got}"
            )));
        }
        let paths = (0..objects).map(|k| Path::from(start.map(|places| places[k])));
        let tracks = Tracks {
            objects,
            found: Vec::with_capacity(frames * objects),
        };
        Ok((paths.collect(), tracks))
    }

    /// Goes on through one more frame.
    fn next(&self, paths: &mut [Path], frame: &[f32], to: &mut Tracks, scratch: &mut Scratch) {
        let found = self.find(frame, scratch);
        let order = self.follow(paths, &found);
        for (path, &which) in paths.iter_mut().zip(&order) {
            let next = which.map(|k| found[k].clone());
            path.go_on(next.as_ref());
            to.found.push(next);
        }
    }

    /// For every path the object that goes on with it.
    fn follow(&self, paths: &[Path], found: &[Found]) -> Vec<Option<usize>> {
        let mut cost = Vec::with_capacity(paths.len() * found.len());
        for path in paths {
            for (k, object) in found.iter().enumerate() {
                // A path without a past takes what explains most.
                let far = path.expected().map_or(k as f64, |at| {
                    let [dx, dy] = [0, 1].map(|d| object.position[d] - at[d]);
                    let colours = path.colour.iter().zip(&object.colour);
                    let change: f64 = colours.map(|(a, b)| (a - b).powi(2)).sum();
                    dx * dx + dy * dy + self.settings.colour_cost.powi(2) * change
                });
                cost.push(far);
            }
        }
        let mut order = assign(&cost, paths.len(), found.len());
        for (path, which) in paths.iter().zip(order.iter_mut()) {
            let (Some(gate), Some(at), Some(k)) = (self.settings.gate, path.expected(), *which)
            else {
                continue;
            };
            let p = found[k].position;
            if (p[0] - at[0]).hypot(p[1] - at[1]) > gate {
                *which = None;
            }
        }
        order
    }

    /// [`Tracker::clip`] of many clips (N, T, C, H, W), in parallel; the same for any number of threads. `starts` holds
    /// (N, K) places.
    ///
    /// # Errors
    /// As [`Tracker::clip`].
    pub fn clips(
        &self,
        frames: &[f32],
        clips: usize,
        starts: Option<&[[f64; 2]]>,
    ) -> Result<Vec<Tracks>> {
        let objects = self.settings.objects;
        let length = frames.len().checked_div(clips).unwrap_or(0);
        if length * clips != frames.len() || length == 0 {
            return Err(Error::Shape(format!(
                "tracker: {} values are not {clips} clips",
                frames.len()
            )));
        }
        if let Some(got) = starts.map(<[_]>::len).filter(|&got| got != clips * objects) {
            return Err(Error::Shape(format!(
                "tracker: want {} places to start from, got {got}",
                clips * objects
            )));
        }
        (0..clips)
            .into_par_iter()
            .map(|i| {
                let start = starts.map(|all| &all[i * objects..(i + 1) * objects]);
                self.clip(&frames[i * length..(i + 1) * length], start)
            })
            .collect()
    }
}

/// Where an object was last, and how it moved.
#[derive(Clone, Debug, Default)]
struct Path {
    last: Option<[f64; 2]>,
    velocity: [f64; 2],
    colour: Vec<f64>,
    /// Frames since it was seen.
    missed: usize,
}

impl From<Option<[f64; 2]>> for Path {
    fn from(last: Option<[f64; 2]>) -> Self {
        Self {
            last,
            ..Self::default()
        }
    }
}

impl Path {
    /// Constant velocity for one frame; a longer gap is bridged by standing still, since walls may lie in it.
    fn expected(&self) -> Option<[f64; 2]> {
        let last = self.last?;
        Some(match self.missed {
            0 => [last[0] + self.velocity[0], last[1] + self.velocity[1]],
            _ => last,
        })
    }

    fn go_on(&mut self, found: Option<&Found>) {
        let Some(found) = found else {
            self.missed += 1;
            return;
        };
        self.velocity = match (self.last, self.missed, self.colour.is_empty()) {
            // A place to start from is no frame: nothing is known of the velocity.
            (Some(last), 0, false) => [0, 1].map(|d| found.position[d] - last[d]),
            _ => [0.0; 2],
        };
        self.last = Some(found.position);
        self.colour.clone_from(&found.colour);
        self.missed = 0;
    }
}

impl Tracks {
    /// Objects, K.
    pub fn objects(&self) -> usize {
        self.objects
    }

    /// Frames, T.
    pub fn frames(&self) -> usize {
        self.found.len() / self.objects
    }

    /// Object k in frame t; None where it is lost.
    ///
    /// # Panics
    /// Beyond the last frame or object.
    pub fn at(&self, t: usize, k: usize) -> Option<&Found> {
        assert!(k < self.objects, "tracks: object {k} of {}", self.objects);
        self.found[t * self.objects + k].as_ref()
    }

    /// Places (T, 2 K): x and y of every object, px; NaN where it is lost.
    pub fn positions(&self) -> Array {
        let places = self.found.iter();
        let data = places.flat_map(|f| f.as_ref().map_or([f64::NAN; 2], |f| f.position));
        let mut out = Array::zeros([self.frames(), 2 * self.objects]);
        out.data_mut()
            .iter_mut()
            .zip(data)
            .for_each(|(o, v)| *o = v);
        out
    }

    /// All that was found, (T, K, 6 + C): x, y (px), scale, area (px²), explained, template, colour; NaN where lost.
    pub fn array(&self, channels: usize) -> Array {
        let mut out = Array::zeros([self.frames(), self.objects, 6 + channels]);
        for (row, found) in out
            .data_mut()
            .chunks_exact_mut(6 + channels)
            .zip(&self.found)
        {
            row.fill(f64::NAN);
            if let Some(f) = found {
                let [x, y] = f.position;
                row[..6].copy_from_slice(&[x, y, f.scale, f.area, f.explained, f.template as f64]);
                for (value, colour) in row[6..].iter_mut().zip(&f.colour) {
                    *value = *colour;
                }
            }
        }
        out
    }

    /// Share of objects over all frames that are lost.
    pub fn lost(&self) -> f64 {
        let lost = self.found.iter().filter(|f| f.is_none()).count();
        lost as f64 / self.found.len().max(1) as f64
    }
}

#[cfg(test)]
mod tests;
