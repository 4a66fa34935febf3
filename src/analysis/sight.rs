//! Which frames show the body, by their pictures alone.
//!
//! The foreground of a frame is sum |x - background| over its pixels, the background their median over training frames; the
//! usual one is the upper quartile of the training frames.

use super::Study;
use crate::measure::pixels::foregrounds;

/// Share of the usual foreground from which on a body is in sight, and below which it is hidden.
const IN_SIGHT: f64 = 0.9;
const HIDDEN: f64 = 0.05;
/// Share of hidden test frames below which there is nothing to tell.
const RARE: f64 = 1e-3;

/// What the frames (N*T) of one split show.
pub struct Sight {
    /// The body, nearly whole.
    pub in_sight: Vec<bool>,
    /// Nothing of it. Frames that show a part of it are neither, nor are missing ones.
    pub hidden: Vec<bool>,
}

impl Sight {
    /// Of training, validation and test frames; `None` where no frame hides the body, or there are no pictures.
    pub fn of(study: &Study) -> Option<[Self; 3]> {
        let size: usize = study.frame_shape.iter().product();
        if study
            .splits()
            .iter()
            .any(|(_, split)| split.frames.is_empty())
        {
            return None;
        }
        let still = study.train.background(size);
        let all = study.splits().map(|(_, split)| {
            let [clips, frames] = [split.states.shape()[0], split.states.shape()[1]];
            let mut found = foregrounds(&split.frames, clips, &still);
            for (k, value) in found.iter_mut().enumerate() {
                if !split.sees(k / frames, k % frames) {
                    *value = f64::NAN;
                }
            }
            found
        });
        let mut seen: Vec<f64> = all[0].iter().copied().filter(|v| !v.is_nan()).collect();
        seen.sort_by(f64::total_cmp);
        let usual = *seen.get(seen.len() * 3 / 4)?;
        let found = all.map(|own| Self {
            in_sight: own.iter().map(|&v| v >= IN_SIGHT * usual).collect(),
            hidden: own.iter().map(|&v| v < HIDDEN * usual).collect(),
        });
        let hidden = &found[2].hidden;
        let count = hidden.iter().filter(|&&hidden| hidden).count();
        (usual > 0.0 && count as f64 >= RARE * hidden.len() as f64 && count > 0).then_some(found)
    }
}
