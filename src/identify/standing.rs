//! A body that stays in its place and changes its size or its brightness: which region it has, and both in every frame,
//! against the colour around it.

use super::body::{Blob, Body, Scene, Standing, blurred};
use super::clip::{median, middle, midmean};
use super::regions::{Mask, closed, grown, mask_of, parts};
use super::sectors::{self, Cover};
use std::collections::BTreeMap;

/// Frames whose difference is at most this share of the largest tell little of where a body is.
const FAINT: f64 = 0.3;
/// Width of the ring of colour around a body in noisy frames, px: its noise is the body's as well.
const NOISY_RING: usize = 10;

impl Scene<'_> {
    /// The region of a body that stays in its place and changes there, if that is what moves. A body that travels is at
    /// most pixels of its way for a short time only; one that stays changes its own pixels for a good part of the clip,
    /// or is where it differs from the median frame in most frames in which it does.
    pub fn standing(&self) -> Option<Standing> {
        let mut energies = vec![0f64; self.area()];
        let mut mains: Vec<Blob> = Vec::new();
        for t in self.frames() {
            let blobs = self.blobs(t);
            let main = blobs
                .into_iter()
                .max_by(|a, b| a.energy.total_cmp(&b.energy));
            if let Some(main) = main {
                let share = main.energy / main.pixels.len() as f64;
                main.pixels.iter().for_each(|&i| energies[i] += share);
                mains.push(main);
            }
        }
        let most = mains.iter().map(|main| main.energy).fold(0.0, f64::max);
        mains.retain(|main| main.energy > FAINT * FAINT * most);
        let places: Vec<[f64; 2]> = mains.iter().map(|main| self.centre(&main.pixels)).collect();
        let middle = [0, 1].map(|d| median(places.iter().map(|at| at[d])));
        let far = median(
            places
                .iter()
                .map(|at| (at[0] - middle[0]).hypot(at[1] - middle[1])),
        );
        let within = (middle[1] as usize).min(self.grid.1 - 1) * self.grid.0
            + (middle[0] as usize).min(self.grid.0 - 1);
        let mut often = vec![0usize; self.area()];
        for main in &mains {
            main.pixels.iter().for_each(|&i| often[i] += 1);
        }
        let usual = often
            .iter()
            .map(|&n| 10 * n > 3 * mains.len().max(1))
            .collect();
        let energy = |part: &[usize]| part.iter().map(|&i| energies[i]).sum::<f64>();
        for mask in [self.changing(0.15), usual] {
            let all = parts(&mask, self.grid).into_iter();
            let Some(main) = all
                .filter(|part| part.len() > 4)
                .max_by(|a, b| energy(a).total_cmp(&energy(b)))
            else {
                continue;
            };
            let energy = energy(&main);
            let region = closed(&mask_of(&main, self.grid), self.grid);
            let inside = count(&region);
            let radius = (inside as f64 / std::f64::consts::PI).sqrt();
            if far > 0.3 * radius || !grown(&region, 2, self.grid)[within] {
                continue;
            }
            // What changes for a shorter time belongs to it as well, unless something else is passing by.
            let brief = self.changing(0.05);
            let wider = parts(&brief, self.grid)
                .into_iter()
                .find(|part| part.iter().any(|i| main.contains(i)))
                .map(|part| closed(&mask_of(&part, self.grid), self.grid));
            let wider = wider.filter(|wider| {
                (count(wider) as f64) < 2.5 * inside as f64 && count(wider) > inside
            });
            let region = wider.unwrap_or(region);
            return Some(Standing { region, energy });
        }
        None
    }

    /// Pixels whose values still differ by the threshold when a share `cut` of the frames at either end is left out.
    fn changing(&self, cut: f64) -> Mask {
        let area = self.area();
        let all: Vec<usize> = self.frames().collect();
        let every = all.len().div_ceil(64).max(1);
        let frames: Vec<usize> = all.into_iter().step_by(every).collect();
        let mut out = vec![false; area];
        let skip = (cut * frames.len() as f64).floor() as usize;
        let mut values = Vec::with_capacity(frames.len());
        for c in 0..self.channels {
            let planes: Vec<Vec<f32>> = frames
                .iter()
                .map(|&t| {
                    let plane: Vec<f32> = (0..area)
                        .map(|i| self.pictures.at(t, c * area + i))
                        .collect();
                    match self.blurs() {
                        true => blurred(&plane, self.grid),
                        false => plane,
                    }
                })
                .collect();
            for (i, out) in out.iter_mut().enumerate() {
                values.clear();
                values.extend(planes.iter().map(|plane| plane[i]));
                values.sort_unstable_by(f32::total_cmp);
                // Of a range the noise counts more than of one value.
                let least = self.threshold.max(6.0 * self.smooth_noise());
                *out |= values[values.len() - 1 - skip] - values[skip] > least;
            }
        }
        out
    }

    /// A body that stays: against the colour around it in the same frame.
    pub fn in_place(&self, region: &[bool]) -> Body {
        let (width, area) = (self.grid.0, self.area());
        let pixels: Vec<usize> = (0..area).filter(|&i| region[i]).collect();
        let radius = (pixels.len() as f64 / std::f64::consts::PI).sqrt();
        let centre = self.centre(&pixels);
        let window = grown(region, 3.max((0.25 * radius) as usize), self.grid);
        let wide = if self.blurs() { NOISY_RING } else { 3 };
        let around = grown(&window, wide, self.grid);
        let ring: Vec<usize> = (0..area).filter(|&i| around[i] && !window[i]).collect();
        let near = |i: usize| {
            let (x, y) = ((i % width) as f64 + 0.5, (i / width) as f64 + 0.5);
            (x - centre[0]).hypot(y - centre[1]) < (0.35 * radius).max(1.5)
        };
        let core: Vec<usize> = (0..area).filter(|&i| near(i)).collect();
        let window: Vec<usize> = (0..area).filter(|&i| window[i]).collect();
        let behind: Vec<Vec<f32>> = (0..self.steps)
            .map(|t| {
                let of = |c: usize| ring.iter().map(move |&i| self.pictures.at(t, c * area + i));
                let all = (0..self.channels).map(|c| match ring.is_empty() {
                    true => 0.0,
                    // Noise of the ring is noise of the body; steady pictures are rounded, which a median withstands.
                    false if self.blurs() => midmean(of(c).collect()),
                    false => middle(of(c).collect()),
                });
                all.collect()
            })
            .collect();
        let less = |t: usize, c: usize, i: usize| self.pictures.at(t, c * area + i) - behind[t][c];
        // The colour of the body: the direction in which its core differs most.
        let mut colour = vec![0f32; self.channels];
        for t in self.frames() {
            for (c, to) in colour.iter_mut().enumerate() {
                *to += core.iter().map(|&i| less(t, c, i)).sum::<f32>();
            }
        }
        let length = colour.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-9);
        colour.iter_mut().for_each(|v| *v /= length);
        let along = |t: usize, i: usize| -> f32 {
            let all = colour.iter().enumerate();
            all.map(|(c, u)| less(t, c, i) * u).sum()
        };
        let mut body = Body::blank(self.steps);
        let mut covers: Vec<Cover> = vec![Vec::new(); self.steps];
        let contrast: Vec<f64> = (0..self.steps)
            .map(|t| f64::from(middle(core.iter().map(|&i| along(t, i)).collect())))
            .collect();
        let most = self.frames().map(|t| contrast[t].abs()).fold(0.0, f64::max);
        for t in self.frames() {
            body.seen[t] = true;
            body.place[t] = centre;
            if contrast[t].abs() < 0.25 * most {
                continue;
            }
            let cover: Vec<f64> = window
                .iter()
                .map(|&i| (f64::from(along(t, i)) / contrast[t]).clamp(-0.5, 1.5))
                .collect();
            let mut inside = vec![false; area];
            for (&i, &share) in window.iter().zip(&cover) {
                inside[i] = share > 0.5;
            }
            let own = parts(&inside, self.grid)
                .into_iter()
                .find(|part| part.iter().any(|i| core.contains(i)));
            let Some(own) = own else { continue };
            let own = grown(&mask_of(&own, self.grid), 2, self.grid);
            let all = window.iter().zip(&cover).filter(|(i, _)| own[**i]);
            covers[t] = all.map(|(&i, &share)| (i, share)).collect();
            body.measure(t, width, covers[t].iter().copied());
            body.sized[t] = body.size[t].is_finite();
        }
        let middle_of = sectors::centre(region, self.grid).unwrap_or(centre);
        for (t, size) in sectors::sizes(&covers, middle_of, width)
            .into_iter()
            .enumerate()
        {
            if body.sized[t] {
                body.size[t] = size;
            }
        }
        body.brightness = contrast.clone();
        // A median over pixels has 1.57 times the variance of a mean; bytes round to a third of one.
        let mean = self.frames().map(|t| contrast[t]).sum::<f64>() / self.frames().count() as f64;
        let varies = self
            .frames()
            .map(|t| (contrast[t] - mean).powi(2))
            .sum::<f64>()
            / self.frames().count() as f64;
        let noise = f64::from(self.noise).powi(2) * 1.57 / core.len() as f64;
        if varies > 9.0 * (noise + (0.3f64 / 255.0).powi(2)) {
            body.brightness = match self.blurs() {
                // Noise differs from pixel to pixel: all that follow the core are of one colour with it.
                true => {
                    let follows =
                        |i: &usize| (self.slope(*i, &along, &contrast) - 1.0).abs() < 0.15;
                    let inner: Vec<usize> = window.iter().copied().filter(follows).collect();
                    let all = if inner.len() > core.len() {
                        &inner
                    } else {
                        &core
                    };
                    (0..self.steps)
                        .map(|t| f64::from(midmean(all.iter().map(|&i| along(t, i)).collect())))
                        .collect()
                }
                false => self.gains(&window, &contrast),
            };
        }
        body
    }

    /// How much a pixel follows the contrast: the slope of its least squares.
    fn slope(&self, i: usize, along: &dyn Fn(usize, usize) -> f32, contrast: &[f64]) -> f64 {
        let n = self.frames().count() as f64;
        let mean = self.frames().map(|t| contrast[t]).sum::<f64>() / n;
        let (mut above, mut below) = (0.0, 0.0);
        for t in self.frames() {
            above += (contrast[t] - mean) * f64::from(along(t, i));
            below += (contrast[t] - mean).powi(2);
        }
        above / below
    }

    /// The brightness of a body that stays, from all pixels that follow `contrast`: each frame is the mean frame plus a
    /// number times one pattern, by least squares that give pixels far off (something passes by) little weight. Pixels
    /// that are equal in all frames count once: a body of one colour is rounded alike everywhere.
    fn gains(&self, window: &[usize], contrast: &[f64]) -> Vec<f64> {
        let (area, frames) = (self.area(), self.frames().collect::<Vec<_>>());
        let mut distinct: BTreeMap<Vec<u32>, usize> = BTreeMap::new();
        for &pixel in window {
            for c in 0..self.channels {
                let i = c * area + pixel;
                let series = frames.iter().map(|&t| self.pictures.at(t, i).to_bits());
                distinct.entry(series.collect()).or_insert(i);
            }
        }
        let n = frames.len() as f64;
        let mean = frames.iter().map(|&t| contrast[t]).sum::<f64>() / n;
        let power: f64 = frames.iter().map(|&t| (contrast[t] - mean).powi(2)).sum();
        let mut out = contrast.to_vec();
        if power <= 0.0 {
            return out;
        }
        let values = |i: usize| -> Vec<f64> {
            let all = frames.iter().map(|&t| f64::from(self.pictures.at(t, i)));
            all.collect()
        };
        // (mean, pattern, values) of every pixel that counts.
        let all: Vec<(f64, f64, Vec<f64>)> = distinct
            .values()
            .map(|&i| {
                let own = values(i);
                let middle = median(own.iter().copied());
                let scale = frames.iter().zip(&own);
                // A slope that a passing thing does not bend: the median of slopes over frames that tell one.
                let slopes =
                    scale.filter(|(t, _)| (contrast[**t] - mean).powi(2) * n > 0.3 * power);
                let typical = median(frames.iter().map(|&t| contrast[t]));
                let slope = median(slopes.map(|(&t, v)| (v - middle) / (contrast[t] - typical)));
                (middle, slope, own)
            })
            .filter(|(_, slope, _)| slope.is_finite() && slope.abs() > 0.05)
            .collect();
        let typical = median(frames.iter().map(|&t| contrast[t]));
        let mut gains = Vec::with_capacity(frames.len());
        for (k, &t) in frames.iter().enumerate() {
            let mut gain = contrast[t] - typical;
            for _ in 0..5 {
                let rest = all.iter().map(|(m, p, v)| v[k] - m - p * gain);
                let spread = (1.5 * median(rest.clone().map(f64::abs))).max(0.5 / 255.0);
                let (mut above, mut below) = (0.0, 0.0);
                for (rest, (m, p, v)) in rest.zip(&all) {
                    let weight = (2.0 * spread / rest.abs()).min(1.0);
                    above += weight * p * (v[k] - m);
                    below += weight * p * p;
                }
                if below > 0.0 {
                    gain = above / below;
                }
            }
            gains.push(gain);
        }
        // Back to the scale and the zero of the contrast, on which several clips agree: noise in patterns shrinks gains.
        let (mut above, mut below, mut own) = (0.0, 0.0, 0.0);
        for (&t, gain) in frames.iter().zip(&gains) {
            above += gain * (contrast[t] - typical);
            below += gain * gain;
            own += (contrast[t] - typical).powi(2);
        }
        if above <= 0.0 || above * above < 0.5 * below * own {
            // The contrast is constant but for noise: there is nothing to follow.
            return out;
        }
        let scale = above / below;
        let both = || frames.iter().zip(&gains);
        let zero = median(both().map(|(&t, gain)| contrast[t] - scale * gain));
        for (&t, gain) in both() {
            // It tells what bytes round away and no more: farther off, something passes at the edge of the body.
            let most = 0.5 / 255.0;
            out[t] = (zero + scale * gain).clamp(contrast[t] - most, contrast[t] + most);
        }
        out
    }
}

fn count(mask: &[bool]) -> usize {
    mask.iter().filter(|&&m| m).count()
}
