//! The moving part of a clip, found by itself: where it is in every frame, how large, how bright.
//!
//! What differs from the median frame is the body. One that stays in its place and changes its size or brightness is
//! seen against the colour around it; one that travels is followed as the part of every frame that differs most and
//! looks alike, against the median of the frames in which it is elsewhere.

use super::clip::{Clip, Pictures, median, middle};
use super::regions::{Grid, Mask, grown, mask_of, parts};
use rayon::prelude::*;

/// The moving part, frame by frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Body {
    /// Its centre, px from the upper left corner of the picture, x right and y down; (T).
    pub place: Vec<[f64; 2]>,
    /// Radius of a disc of its area, px; (T).
    pub size: Vec<f64>,
    /// How much brighter it is than what is around it, 0 to 1 (black to white); (T).
    pub brightness: Vec<f64>,
    /// Whether it is seen; (T).
    pub seen: Vec<bool>,
    /// Whether its size is known; (T).
    pub sized: Vec<bool>,
    /// Standard deviation of the noise of a pixel, 0 to 1.
    pub noise: f64,
}

/// Differences below this are rounding and compression, 0 to 1.
const LEAST: f32 = 10.0 / 255.0;
/// Of the largest difference; below lie the halos of video compression.
const HALO: f32 = 0.12;
/// Finds the moving part of every clip; `None` where nothing differs from the median frame by more than the noise.
///
/// Clips are of one camera: bodies that stay are looked at in the region of the clip in which most changes, where the
/// regions overlap. In one in which little does, noise would draw another border, and another zero of the brightness.
pub(super) fn find_all(clips: &[Clip]) -> Vec<Option<Body>> {
    let found: Vec<Option<Option<Standing>>> = clips
        .par_iter()
        .map(|clip| Some(Scene::new(&Pictures::new(clip))?.standing()))
        .collect();
    let standing = || found.iter().flatten().flatten();
    let most = standing().max_by(|a, b| a.energy.total_cmp(&b.energy));
    let all = clips.par_iter().zip(&found);
    all.map(|(clip, found)| {
        let pictures = Pictures::new(clip);
        let scene = Scene::new(&pictures)?;
        let noise = f64::from(scene.noise);
        let body = match found.as_ref()? {
            Some(own) => match most.filter(|most| own.overlaps(most)) {
                Some(most) => scene.in_place(&most.region),
                None => scene.in_place(&own.region),
            },
            None => scene.follow()?,
        };
        Some(Body { noise, ..body })
    })
    .collect()
}

/// Where a body stays, and how much changes there.
pub(super) struct Standing {
    pub region: Mask,
    pub energy: f64,
}

impl Standing {
    /// Whether a third of the smaller region is in both.
    fn overlaps(&self, other: &Self) -> bool {
        let count = |mask: &Mask| mask.iter().filter(|&&m| m).count();
        let pairs = self.region.iter().zip(&other.region);
        let both = pairs.filter(|(a, b)| **a && **b).count();
        self.region.len() == other.region.len()
            && 3 * both >= count(&self.region).min(count(&other.region))
    }
}

/// A clip and how it differs from its median frame.
pub(super) struct Scene<'a> {
    pub pictures: &'a Pictures<'a>,
    pub grid: Grid,
    pub channels: usize,
    pub steps: usize,
    pub noise: f32,
    /// Greater differences are the body's.
    pub threshold: f32,
    background: Vec<f32>,
}

/// A connected part of a frame that differs from the background.
pub(super) struct Blob {
    pub pixels: Vec<usize>,
    /// Sum of squared differences.
    pub energy: f64,
    /// Mean colour, (C).
    colour: Vec<f32>,
}

impl<'a> Scene<'a> {
    fn new(pictures: &'a Pictures<'a>) -> Option<Self> {
        let [channels, height, width] = pictures.clip.shape;
        let mut this = Self {
            pictures,
            grid: (width, height),
            channels,
            steps: pictures.clip.steps(),
            noise: pictures.noise(),
            threshold: 0.0,
            background: pictures.median(&|_, _| true),
        };
        let mut largest: Vec<f32> = Vec::new();
        for t in this.frames() {
            largest.push(this.difference(t).into_iter().fold(0.0, f32::max));
        }
        let most = largest.into_iter().fold(0.0, f32::max);
        this.threshold = (5.0 * this.smooth_noise()).max(LEAST).max(HALO * most);
        (most > this.threshold).then_some(this)
    }

    pub fn frames(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.steps).filter(|&t| self.pictures.clip.seen[t])
    }

    pub fn area(&self) -> usize {
        self.grid.0 * self.grid.1
    }

    /// Noisy frames are looked at through the mean of 3 x 3 pixels.
    pub fn blurs(&self) -> bool {
        self.noise > 2.0 / 255.0
    }

    pub fn smooth_noise(&self) -> f32 {
        match self.blurs() {
            true => self.noise / 3.0,
            false => self.noise,
        }
    }

    /// How far every pixel of frame t is from the background: the largest difference of its channels, (H W).
    fn difference(&self, t: usize) -> Vec<f32> {
        let area = self.area();
        let mut out = vec![0f32; area];
        for channel in 0..self.channels {
            let plane = channel * area;
            let own = (0..area)
                .map(|i| self.pictures.at(t, plane + i) - self.background[plane + i])
                .map(|d| if d.is_finite() { d } else { 0.0 });
            let own: Vec<f32> = own.collect();
            let own = if self.blurs() {
                blurred(&own, self.grid)
            } else {
                own
            };
            for (to, d) in out.iter_mut().zip(own) {
                *to = to.max(d.abs());
            }
        }
        out
    }

    pub fn blobs(&self, t: usize) -> Vec<Blob> {
        let (difference, area) = (self.difference(t), self.area());
        let mask: Vec<bool> = difference.iter().map(|&d| d > self.threshold).collect();
        let found = parts(&mask, self.grid).into_iter();
        let found = found.filter(|pixels| pixels.len() > 2);
        found
            .map(|pixels| Blob {
                energy: pixels
                    .iter()
                    .map(|&i| f64::from(difference[i]).powi(2))
                    .sum(),
                colour: (0..self.channels)
                    .map(|c| {
                        let all = pixels.iter().map(|&i| self.pictures.at(t, c * area + i));
                        all.sum::<f32>() / pixels.len() as f32
                    })
                    .collect(),
                pixels,
            })
            .collect()
    }

    pub fn centre(&self, pixels: &[usize]) -> [f64; 2] {
        let width = self.grid.0;
        let sum = pixels.iter().fold([0.0; 2], |[x, y], &i| {
            [x + (i % width) as f64, y + (i / width) as f64]
        });
        sum.map(|v| v / pixels.len() as f64 + 0.5)
    }

    /// A body that travels.
    fn follow(mut self) -> Option<Body> {
        let mut chosen: Vec<Option<Vec<usize>>> = Vec::new();
        let mut colour = Vec::new();
        for _ in 0..3 {
            let blobs: Vec<Vec<Blob>> = (0..self.steps)
                .map(|t| match self.pictures.clip.seen[t] {
                    true => self.blobs(t),
                    false => Vec::new(),
                })
                .collect();
            let (best, found) = choose(blobs)?;
            colour = best;
            chosen = found;
            let covered: Vec<Option<Mask>> = chosen
                .iter()
                .map(|pixels| {
                    let pixels = pixels.as_ref()?;
                    Some(grown(&mask_of(pixels, self.grid), 2, self.grid))
                })
                .collect();
            let free = |t: usize, i: usize| covered[t].as_ref().is_none_or(|mask| !mask[i]);
            let seen = self.pictures.median(&free);
            // Where the body covers a pixel in all frames, what was there before must do.
            for (to, value) in self.background.iter_mut().zip(seen) {
                if value.is_finite() {
                    *to = value;
                }
            }
        }
        Some(self.measured(&chosen, &colour))
    }

    /// Places and sizes of the chosen parts: every pixel counts by how much of it the body covers.
    fn measured(&self, chosen: &[Option<Vec<usize>>], colour: &[f32]) -> Body {
        let (area, width) = (self.area(), self.grid.0);
        let mut body = Body::blank(self.steps);
        for (t, pixels) in chosen.iter().enumerate() {
            let Some(pixels) = pixels else { continue };
            let near = grown(&mask_of(pixels, self.grid), 2, self.grid);
            let share = |i: usize| -> Option<f64> {
                let (mut above, mut below) = (0.0, 0.0);
                for (c, own) in colour.iter().enumerate() {
                    let behind = self.background[c * area + i];
                    let full = own - behind;
                    above += f64::from(full * (self.pictures.at(t, c * area + i) - behind));
                    below += f64::from(full * full);
                }
                let tells = below > f64::from(self.threshold).powi(2);
                tells.then(|| (above / below).clamp(-0.5, 1.5))
            };
            let all = (0..area).filter(|&i| near[i]);
            body.measure(t, width, all.filter_map(|i| Some((i, share(i)?))));
            let core = pixels.iter().filter_map(|&i| share(i)).filter(|s| *s > 0.7);
            let core: Vec<f64> = core.collect();
            let full = colour.iter().sum::<f32>() / colour.len() as f32;
            body.brightness[t] =
                f64::from(full) * core.iter().sum::<f64>() / core.len().max(1) as f64;
            body.seen[t] = body.size[t].is_finite();
            body.sized[t] = body.seen[t];
        }
        body.doubt_other_sizes();
        body
    }
}

/// The colour of the moving part, (C), and for every frame the pixels of the blob that is most probably it.
type Chosen = (Vec<f32>, Vec<Option<Vec<usize>>>);

/// The part that differs most in most frames is taken for the body; then in every frame the one that differs much and
/// has its area and its colour.
fn choose(blobs: Vec<Vec<Blob>>) -> Option<Chosen> {
    let strongest = || {
        blobs
            .iter()
            .filter_map(|all| all.iter().max_by(|a, b| a.energy.total_cmp(&b.energy)))
    };
    let channels = strongest().next()?.colour.len();
    let area = median(strongest().map(|blob| blob.pixels.len() as f64));
    let colour: Vec<f32> = (0..channels)
        .map(|c| middle(strongest().map(|blob| blob.colour[c]).collect()))
        .collect();
    let score = |blob: &Blob| {
        let off = (blob.pixels.len() as f64 / area).ln();
        let pairs = blob.colour.iter().zip(&colour);
        let far: f32 = pairs.map(|(a, b)| (a - b).powi(2)).sum();
        blob.energy.ln() - off * off - f64::from(far) / (2.0 * 0.1 * 0.1)
    };
    let chosen = blobs
        .into_iter()
        .map(|all| {
            let best = all
                .into_iter()
                .max_by(|a, b| score(a).total_cmp(&score(b)))?;
            let off = (best.pixels.len() as f64 / area).ln().abs();
            // A tenth of its area is a splinter, not a body.
            (off < 10f64.ln()).then_some(best.pixels)
        })
        .collect();
    Some((colour, chosen))
}

impl Body {
    /// One that is seen in none of the frames.
    pub(super) fn blank(steps: usize) -> Self {
        Self {
            place: vec![[f64::NAN; 2]; steps],
            size: vec![f64::NAN; steps],
            brightness: vec![f64::NAN; steps],
            seen: vec![false; steps],
            sized: vec![false; steps],
            noise: 0.0,
        }
    }

    /// Centre and size from pixels and the share of each that is covered.
    pub(super) fn measure(
        &mut self,
        t: usize,
        width: usize,
        cover: impl Iterator<Item = (usize, f64)>,
    ) {
        let (mut mass, mut x, mut y) = (0.0, 0.0, 0.0);
        for (i, share) in cover {
            mass += share;
            x += share * ((i % width) as f64 + 0.5);
            y += share * ((i / width) as f64 + 0.5);
        }
        if mass > 0.5 {
            self.place[t] = [x / mass, y / mass];
            self.size[t] = (mass / std::f64::consts::PI).sqrt();
        }
    }

    /// Where nearly all frames have one size, a frame with another shows a body that is partly hidden or has met
    /// something else: its centre is not known.
    fn doubt_other_sizes(&mut self) {
        let sizes = |body: &Self| -> Vec<f64> {
            let all = body.seen.iter().zip(&body.size);
            all.filter(|(seen, _)| **seen)
                .map(|(_, size)| *size)
                .collect()
        };
        let all = sizes(self);
        let middle = median(all.iter().copied());
        let spread = 1.48 * median(all.iter().map(|size| (size - middle).abs()));
        if spread > 0.06 * middle {
            return;
        }
        let most = (6.0 * spread).max(0.04 * middle);
        for t in 0..self.seen.len() {
            if self.seen[t] && (self.size[t] - middle).abs() > most {
                self.seen[t] = false;
            }
        }
    }
}

/// Means over 3 x 3 pixels, of those that are inside.
pub(super) fn blurred(values: &[f32], (width, height): Grid) -> Vec<f32> {
    let mut out = Vec::with_capacity(values.len());
    for y in 0..height {
        for x in 0..width {
            let (mut sum, mut n) = (0.0, 0.0);
            for ny in y.saturating_sub(1)..(y + 2).min(height) {
                for nx in x.saturating_sub(1)..(x + 2).min(width) {
                    sum += values[ny * width + nx];
                    n += 1.0;
                }
            }
            out.push(sum / n);
        }
    }
    out
}
