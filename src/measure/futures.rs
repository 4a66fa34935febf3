//! Sampled futures against the true one and against many true ones: energy score, CRPS, skill, coverage, diversity,
//! valid time.
//!
//! N contexts, S samples, H frames ahead, K objects with x and y each. An object that the tracker lost is NaN. It is at
//! [`Futures::lost`] px from every place and at 0 from another lost one: losing an object costs as much as guessing
//! wildly, and cannot be used to hide a wrong guess. The distance of two configurations is d = √(mean over objects of
//! their squared distances), px.

use crate::array::Array;
use crate::error::{Error, Result};
use rayon::prelude::*;

/// Formula of the energy score in the words of the reports.
pub const ENERGY_FORMULA: &str =
    "ES(h) = mean_i d(X_i, x) − 1/(2 S (S − 1)) Σ_{i≠j} d(X_i, X_j); mean over contexts";
/// Formula of the skill in the words of the reports.
pub const SKILL_FORMULA: &str = "(ES uniform − ES model) / (ES uniform − ES of true futures)";

/// Sampled futures, (N, S, H, 2 K).
#[derive(Clone, Debug, PartialEq)]
pub struct Futures {
    samples: Array,
    lost: f64,
}

/// A number for every context and frame ahead, (N, H).
pub type ByHorizon = Array;

impl Futures {
    /// Futures of shape (N, S, H, 2 K); `lost` is the distance that a lost object counts, px: the box's diagonal.
    ///
    /// # Errors
    /// [`Error::Shape`] for other axes, an empty one, an odd last one, or a `lost` that is not positive.
    pub fn new(samples: Array, lost: f64) -> Result<Self> {
        let shape = samples.shape();
        let fits = shape.len() == 4 && !shape.contains(&0) && shape[3].is_multiple_of(2);
        if !(fits && lost > 0.0 && lost.is_finite()) {
            return Err(Error::Shape(format!(
                "futures: want (contexts, samples, horizon, 2 x objects), none empty, and a lost distance > 0, got {shape:?} and {lost}"
            )));
        }
        Ok(Self { samples, lost })
    }

    /// One future a context: a deterministic guess, or the truth (N, H, 2 K).
    ///
    /// # Errors
    /// As [`Futures::new`].
    pub fn single(future: Array, lost: f64) -> Result<Self> {
        let shape = future.shape().to_vec();
        if let [n, h, d] = shape[..] {
            return Self::new(Array::new([n, 1, h, d], future.data().to_vec())?, lost);
        }
        Err(Error::Shape(format!(
            "futures: want (contexts, horizon, 2 x objects), got {shape:?}"
        )))
    }

    /// N, S, H, 2 K.
    pub fn sizes(&self) -> [usize; 4] {
        let s = self.samples.shape();
        [s[0], s[1], s[2], s[3]]
    }

    /// All values, (N, S, H, 2 K).
    pub fn array(&self) -> &Array {
        &self.samples
    }

    /// Distance that a lost object counts, px.
    pub fn lost(&self) -> f64 {
        self.lost
    }

    /// Sample `s` of context `n`, `h` frames after the last seen one less 1: (2 K).
    ///
    /// # Panics
    /// Out of range.
    pub fn at(&self, n: usize, s: usize, h: usize) -> &[f64] {
        let [_, samples, horizon, d] = self.sizes();
        &self.samples.data()[((n * samples + s) * horizon + h) * d..][..d]
    }

    /// Only some of the samples, in this order.
    ///
    /// # Errors
    /// [`Error::Shape`] for one that is not there, or none.
    pub fn take(&self, which: &[usize]) -> Result<Self> {
        let [n, samples, h, d] = self.sizes();
        if let Some(wrong) = which.iter().find(|&&s| s >= samples) {
            return Err(Error::Shape(format!(
                "futures: sample {wrong} of {samples}"
            )));
        }
        let mut data = Vec::with_capacity(n * which.len() * h * d);
        for i in 0..n {
            for &s in which {
                data.extend_from_slice(&self.samples.row(i)[s * h * d..][..h * d]);
            }
        }
        Self::new(Array::new([n, which.len(), h, d], data)?, self.lost)
    }

    /// Share of lost objects at every frame ahead, (H).
    pub fn lost_share(&self) -> Vec<f64> {
        let [n, s, h, d] = self.sizes();
        let mut counts = vec![0.0; h];
        for (k, row) in self.samples.data().chunks_exact(d).enumerate() {
            let lost = row.chunks_exact(2).filter(|p| is_lost(p)).count();
            counts[k % h] += lost as f64;
        }
        let all = (n * s * d / 2) as f64;
        counts.into_iter().map(|count| count / all).collect()
    }

    /// d of two configurations (2 K), px.
    pub fn distance(&self, a: &[f64], b: &[f64]) -> f64 {
        distance(a, b, self.lost)
    }

    /// `value` at every context and horizon, in parallel; contexts are independent, so threads do not change a byte.
    fn each(&self, value: impl Fn(usize, usize) -> f64 + Sync) -> ByHorizon {
        let [n, _, h, _] = self.sizes();
        let mut out = Array::zeros([n, h]);
        let rows = out.data_mut().par_chunks_mut(h).enumerate();
        rows.for_each(|(i, row)| {
            for (t, cell) in row.iter_mut().enumerate() {
                *cell = value(i, t);
            }
        });
        out
    }

    /// Checks that `truth` (or other futures) has the same contexts, horizon and objects.
    fn fits(&self, what: &str, other: &Self) -> Result<()> {
        let ([n, _, h, d], [m, _, g, e]) = (self.sizes(), other.sizes());
        if (n, h, d) == (m, g, e) {
            return Ok(());
        }
        Err(Error::Shape(format!(
            "{what}: samples are {:?}, the others {:?}: contexts, horizon and objects differ",
            self.sizes(),
            other.sizes()
        )))
    }

    fn fits_truth(&self, what: &str, truth: &Array) -> Result<()> {
        let [n, _, h, d] = self.sizes();
        match truth.shape() == [n, h, d] {
            true => Ok(()),
            false => Err(Error::Shape(format!(
                "{what}: want a true future of {:?}, got {:?}",
                [n, h, d],
                truth.shape()
            ))),
        }
    }

    /// Mean distance between different samples of a context at a horizon; 0 for one sample.
    fn spread(&self, n: usize, h: usize) -> f64 {
        let samples = self.sizes()[1];
        if samples < 2 {
            return 0.0;
        }
        let mut sum = 0.0;
        for i in 1..samples {
            for j in 0..i {
                sum += self.distance(self.at(n, i, h), self.at(n, j, h));
            }
        }
        2.0 * sum / (samples * (samples - 1)) as f64
    }

    /// Energy score of every context and frame ahead, px: mean_i d(X_i, x) - 1/(2 S (S-1)) Σ_{i≠j} d(X_i, X_j)
    /// (Gneiting & Raftery 2007; unbiased in S). Least, in expectation, for samples of the true distribution. With one
    /// sample it is the distance.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `truth` is (N, H, 2 K).
    pub fn energy_score(&self, truth: &Array) -> Result<ByHorizon> {
        self.fits_truth("energy score", truth)?;
        let samples = self.sizes()[1];
        Ok(self.each(|n, h| {
            let x = row(truth, n, h);
            let near: f64 = (0..samples)
                .map(|s| self.distance(self.at(n, s, h), x))
                .sum();
            near / samples as f64 - 0.5 * self.spread(n, h)
        }))
    }

    /// Energy score against many true futures of each context, px: the mean of [`Futures::energy_score`] over them,
    /// which has less noise than one future. Where a sample set holds the true futures themselves, see
    /// [`Futures::self_score`].
    ///
    /// # Errors
    /// [`Error::Shape`] unless the other axes are equal.
    pub fn energy_score_of(&self, oracle: &Self) -> Result<ByHorizon> {
        self.fits("energy score", oracle)?;
        let (samples, futures) = (self.sizes()[1], oracle.sizes()[1]);
        Ok(self.each(|n, h| {
            let mut near = 0.0;
            for m in 0..futures {
                let x = oracle.at(n, m, h);
                near += (0..samples)
                    .map(|s| self.distance(self.at(n, s, h), x))
                    .sum::<f64>();
            }
            near / (samples * futures) as f64 - 0.5 * self.spread(n, h)
        }))
    }

    /// Energy score that true futures get against others of the same context, px: half their mean distance. No forecast
    /// is better in expectation.
    ///
    /// # Errors
    /// [`Error::Shape`] with fewer than two.
    pub fn self_score(&self) -> Result<ByHorizon> {
        if self.sizes()[1] < 2 {
            return Err(Error::Shape(
                "energy score of true futures: want two a context or more, got 1".into(),
            ));
        }
        Ok(self.each(|n, h| 0.5 * self.spread(n, h)))
    }

    /// Continuous ranked probability score of every coordinate, px, (N, H, 2 K): mean_i |X_i - x| - 1/(2 S (S-1))
    /// Σ_{i≠j} |X_i - X_j| (the fair CRPS, Ferro 2014). A lost sample or a lost truth is [`Futures::lost`] away, as in
    /// the energy score.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `truth` is (N, H, 2 K).
    pub fn crps(&self, truth: &Array) -> Result<Array> {
        self.fits_truth("CRPS", truth)?;
        let [n, samples, h, d] = self.sizes();
        let mut out = Array::zeros([n, h, d]);
        let rows = out.data_mut().par_chunks_mut(d).enumerate();
        rows.for_each(|(k, scores)| {
            let (i, t) = (k / h, k % h);
            for (j, score) in scores.iter_mut().enumerate() {
                let x = row(truth, i, t)[j];
                let values: Vec<f64> = (0..samples).map(|s| self.at(i, s, t)[j]).collect();
                *score = crps(&values, x, self.lost);
            }
        });
        Ok(out)
    }

    /// Share of true coordinates inside the samples' central interval of `level` (.5, .9), at every frame ahead, (H); a calibrated forecast has
    /// `level`. The interval's ends are the (1 ± level) (S + 1) / 2-th of the sorted samples, linear between, so that samples of the
    /// true distribution cover `level` exactly for any S that reaches so far (S >= 2 / (1 - level) - 1). A lost coordinate is not covered.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `truth` is (N, H, 2 K), 0 < level < 1, and there are samples enough.
    pub fn coverage(&self, truth: &Array, level: f64) -> Result<Vec<f64>> {
        self.fits_truth("coverage", truth)?;
        let samples = self.sizes()[1];
        let least = (2.0 / (1.0 - level) - 1.0 - 1e-9).ceil();
        if !(level > 0.0 && level < 1.0) || (samples as f64) < least {
            return Err(Error::Shape(format!(
                "coverage of {level}: want 0 < level < 1 and {least} samples or more, got {samples}"
            )));
        }
        let [n, _, _, d] = self.sizes();
        let inside = self.each(|i, t| {
            let covered = |j: &usize| {
                let x = row(truth, i, t)[*j];
                let mut values: Vec<f64> = (0..samples)
                    .map(|s| self.at(i, s, t)[*j])
                    .filter(|v| v.is_finite())
                    .collect();
                if values.len() < samples || !x.is_finite() {
                    return false;
                }
                values.sort_by(f64::total_cmp);
                let quantile = |share: f64| {
                    let place = share * (samples + 1) as f64 - 1.0;
                    let place = place.clamp(0.0, (samples - 1) as f64);
                    let low = (place.floor() as usize).min(samples.saturating_sub(2));
                    let high = (low + 1).min(samples - 1);
                    values[low] + (place - low as f64) * (values[high] - values[low])
                };
                quantile(0.5 - 0.5 * level) <= x && x <= quantile(0.5 + 0.5 * level)
            };
            (0..d).filter(covered).count() as f64
        });
        let all = (n * d) as f64;
        Ok(over_contexts(&inside)
            .into_iter()
            .map(|mean| mean * n as f64 / all)
            .collect())
    }

    /// Mean distance between samples of a context at every frame ahead, px, (H).
    pub fn diversity(&self) -> Vec<f64> {
        over_contexts(&self.each(|n, h| self.spread(n, h)))
    }

    /// [`Futures::diversity`] over that of true futures, (H): 1 as varied as the truth, towards 0 collapsed. NaN where
    /// the future is certain.
    ///
    /// # Errors
    /// [`Error::Shape`] unless the other axes are equal.
    pub fn diversity_ratio(&self, oracle: &Self) -> Result<Vec<f64>> {
        self.fits("diversity", oracle)?;
        let pairs = self.diversity().into_iter().zip(oracle.diversity());
        Ok(pairs
            .map(|(a, b)| if b > 1e-9 { a / b } else { f64::NAN })
            .collect())
    }

    /// Distance of the nearest of the first `samples` samples, px, (N, H). It rewards noise: state it beside the same
    /// of uniform samples only.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `truth` is (N, H, 2 K) and 0 < samples <= S.
    pub fn best_of(&self, truth: &Array, samples: usize) -> Result<ByHorizon> {
        self.fits_truth("best of N", truth)?;
        if samples == 0 || samples > self.sizes()[1] {
            return Err(Error::Shape(format!(
                "best of {samples}: there are {} samples",
                self.sizes()[1]
            )));
        }
        Ok(self.each(|n, h| {
            let far = |s| self.distance(self.at(n, s, h), row(truth, n, h));
            (0..samples).map(far).fold(f64::INFINITY, f64::min)
        }))
    }

    /// Distance of the samples' mean place from the true one, px, (N, H): what squared error asks for. Lost samples are
    /// left out of the mean, a place without any counts as lost.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `truth` is (N, H, 2 K).
    pub fn mean_error(&self, truth: &Array) -> Result<ByHorizon> {
        self.fits_truth("error of the mean", truth)?;
        let [_, samples, _, d] = self.sizes();
        Ok(self.each(|n, h| {
            let mut mean = vec![f64::NAN; d];
            for (k, place) in mean.chunks_exact_mut(2).enumerate() {
                let seen = (0..samples).map(|s| &self.at(n, s, h)[2 * k..2 * k + 2]);
                let seen: Vec<&[f64]> = seen.filter(|p| !is_lost(p)).collect();
                for (j, value) in place.iter_mut().enumerate() {
                    *value = seen.iter().map(|p| p[j]).sum::<f64>() / seen.len() as f64;
                }
            }
            self.distance(&mean, row(truth, n, h))
        }))
    }

    /// Valid prediction time of every context and sample, frames, (N, S): frames before the first one in which any
    /// object is farther than `limit` px (1) from the truth; H where none is.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `truth` is (N, H, 2 K).
    pub fn valid_time(&self, truth: &Array, limit: f64) -> Result<Array> {
        self.fits_truth("valid prediction time", truth)?;
        let [n, samples, h, _] = self.sizes();
        let mut out = Array::zeros([n, samples]);
        for (k, time) in out.data_mut().iter_mut().enumerate() {
            let (i, s) = (k / samples, k % samples);
            let farthest = |t: usize| {
                let pairs = self
                    .at(i, s, t)
                    .chunks_exact(2)
                    .zip(row(truth, i, t).chunks_exact(2));
                pairs
                    .map(|(a, b)| distance(a, b, self.lost))
                    .fold(0.0, f64::max)
            };
            *time = valid_frames((0..h).map(farthest), limit) as f64;
        }
        Ok(out)
    }
}

fn row(truth: &Array, n: usize, h: usize) -> &[f64] {
    let (frames, d) = (truth.shape()[1], truth.shape()[2]);
    &truth.data()[(n * frames + h) * d..][..d]
}

fn is_lost(place: &[f64]) -> bool {
    !place.iter().all(|v| v.is_finite())
}

/// √(mean over objects of squared distances) of two configurations (2 K), px; `lost` px between a place and a lost one.
pub fn distance(a: &[f64], b: &[f64], lost: f64) -> f64 {
    let mut sum = 0.0;
    for (p, q) in a.chunks_exact(2).zip(b.chunks_exact(2)) {
        sum += match (is_lost(p), is_lost(q)) {
            (false, false) => (p[0] - q[0]).powi(2) + (p[1] - q[1]).powi(2),
            (true, true) => 0.0,
            _ => lost * lost,
        };
    }
    (sum / (a.len() / 2) as f64).sqrt()
}

/// Fair CRPS of one coordinate: mean_i |X_i - x| - 1/(2 S (S-1)) Σ_{i≠j} |X_i - X_j|, the second term 0 for one sample;
/// by sorting, S log S. A value that is not finite is `lost` away from every other and 0 from its like.
pub fn crps(samples: &[f64], x: f64, lost: f64) -> f64 {
    let mut seen: Vec<f64> = samples.iter().copied().filter(|v| v.is_finite()).collect();
    seen.sort_by(f64::total_cmp);
    let (all, found) = (samples.len() as f64, seen.len() as f64);
    let missing = all - found;
    let near = match x.is_finite() {
        true => seen.iter().map(|v| (v - x).abs()).sum::<f64>() + missing * lost,
        false => found * lost,
    };
    if samples.len() < 2 {
        return near / all;
    }
    // Σ_{i<j} (X_j - X_i) of sorted values: X_k is larger than k others and smaller than the rest.
    let ordered = seen.iter().enumerate();
    let pairs = ordered
        .map(|(k, v)| (2.0 * k as f64 - found + 1.0) * v)
        .sum::<f64>();
    near / all - (pairs + found * missing * lost) / (all * (all - 1.0))
}

/// Mean over contexts at every frame ahead, (H), of (N, H, ..) with trailing axes averaged too.
pub fn over_contexts(values: &Array) -> Vec<f64> {
    let (n, h) = (values.shape()[0], values.shape()[1]);
    let rest: usize = values.shape()[2..].iter().product();
    let mut sums = vec![0.0; h];
    for (k, cell) in values.data().chunks_exact(rest.max(1)).enumerate() {
        sums[k % h] += cell.iter().sum::<f64>();
    }
    sums.into_iter()
        .map(|sum| sum / (n * rest) as f64)
        .collect()
}

/// (uniform - model) / (uniform - oracle) at every frame ahead: 1 as good as the true distribution, 0 as good as
/// knowing only the box, negative for worse. Of means over contexts, never a mean of ratios. NaN where oracle and
/// uniform are equal.
///
/// # Errors
/// [`Error::Shape`] for unequal lengths.
pub fn skill(model: &[f64], uniform: &[f64], oracle: &[f64]) -> Result<Vec<f64>> {
    if model.len() != uniform.len() || model.len() != oracle.len() {
        return Err(Error::Shape(format!(
            "skill: want equal horizons, got {} of the model, {} uniform, {} of true futures",
            model.len(),
            uniform.len(),
            oracle.len()
        )));
    }
    let rows = model.iter().zip(uniform).zip(oracle);
    Ok(rows
        .map(|((m, u), o)| match (u - o).abs() > 1e-12 {
            true => (u - m) / (u - o),
            false => f64::NAN,
        })
        .collect())
}

/// Frames before the first error beyond `limit` (or not a number).
pub fn valid_frames(errors: impl IntoIterator<Item = f64>, limit: f64) -> usize {
    errors
        .into_iter()
        .take_while(|error| *error <= limit)
        .count()
}

/// Valid prediction time by pixels, frames: frames before MSE / mean(true²) first exceeds 0.025 (the rule of the
/// physically informed models' literature, PIM); frames (H, pixels) from 0 to 1.
///
/// # Errors
/// [`Error::Shape`] unless both are whole frames of `size` values, equally many.
pub fn valid_frames_by_pixels(generated: &[f32], truth: &[f32], size: usize) -> Result<usize> {
    if generated.len() != truth.len() || size == 0 || !truth.len().is_multiple_of(size) {
        return Err(Error::Shape(format!(
            "valid prediction time: want frames of {size} values, got {} and {}",
            generated.len(),
            truth.len()
        )));
    }
    let frames = generated.chunks_exact(size).zip(truth.chunks_exact(size));
    let errors = frames.map(|(a, b)| {
        let squares = |of: &mut dyn Iterator<Item = f64>| of.map(|v| v * v).sum::<f64>();
        let error = squares(&mut a.iter().zip(b).map(|(a, b)| f64::from(a - b)));
        let power = squares(&mut b.iter().map(|&b| f64::from(b)));
        if error == 0.0 { 0.0 } else { error / power }
    });
    Ok(valid_frames(errors, PIM_LIMIT))
}

/// Error over mean square at which [`valid_frames_by_pixels`] ends.
pub const PIM_LIMIT: f64 = 0.025;

#[cfg(test)]
mod tests;
