//! The frames that are looked at, and their common brightness from frame to frame.

use crate::error::{Error, Result};

/// One clip: pixels and which frames are there.
#[derive(Clone, Debug)]
pub struct Clip {
    /// (T, C, H, W), 0 = black.
    pub frames: Vec<u8>,
    /// (C, H, W).
    pub shape: [usize; 3],
    /// (T): false for a frame that is missing, whose pixels are not read.
    pub seen: Vec<bool>,
}

impl Clip {
    /// A clip of (T, C, H, W) bytes; an empty `seen` says that every frame is there.
    ///
    /// # Errors
    /// [`Error::Shape`] where the bytes are no whole frames, or `seen` has another length.
    pub fn new(frames: Vec<u8>, shape: [usize; 3], seen: Vec<bool>) -> Result<Self> {
        let size: usize = shape.iter().product();
        let steps = frames.len().checked_div(size).unwrap_or(0);
        if size == 0 || steps * size != frames.len() {
            return Err(Error::Shape(format!(
                "identify: frames of (C, H, W) = {shape:?} wanted, got {} bytes",
                frames.len()
            )));
        }
        let seen = match seen.is_empty() {
            true => vec![true; steps],
            false => seen,
        };
        if seen.len() != steps {
            return Err(Error::Shape(format!(
                "identify: {steps} frames, but {} marks of frames that are there",
                seen.len()
            )));
        }
        Ok(Self {
            frames,
            shape,
            seen,
        })
    }

    /// Frames, T.
    pub fn steps(&self) -> usize {
        self.seen.len()
    }

    /// Pixels of a frame, H W.
    pub fn area(&self) -> usize {
        self.shape[1] * self.shape[2]
    }
}

/// A clip whose frames are brought to one brightness: value = (byte / 255 - offset) / gain of its frame.
pub(super) struct Pictures<'a> {
    pub clip: &'a Clip,
    gain: Vec<f32>,
    offset: Vec<f32>,
}

/// Frames that a median is taken of at most: more change it little and take their time.
const MEDIAN_FRAMES: usize = 64;
/// Darker pixels tell no gain.
const DARK: f32 = 0.05;
/// Share of the pixels that must tell a gain for it to be that of the light and not of the body.
const BRIGHT_SHARE: f64 = 0.3;

impl<'a> Pictures<'a> {
    /// Brings all frames to the brightness of the median frame: by one factor a frame where the background is bright
    /// enough to tell it, else by one offset. Both are medians over the pixels that change least, so a body on less than
    /// half of the picture does not move them.
    pub fn new(clip: &'a Clip) -> Self {
        let steps = clip.steps();
        let mut this = Self {
            clip,
            gain: vec![1.0; steps],
            offset: vec![0.0; steps],
        };
        let median = this.median(&|_, _| true);
        let calm = this.calm();
        let bright: Vec<usize> = calm.iter().copied().filter(|&i| median[i] > DARK).collect();
        let factors = bright.len() as f64 > BRIGHT_SHARE * calm.len() as f64;
        for t in 0..steps {
            if !clip.seen[t] {
                continue;
            }
            if factors {
                let every = bright.len().div_ceil(20_000);
                let ratios = bright.iter().step_by(every);
                let gain = middle(ratios.map(|&i| this.at(t, i) / median[i]).collect());
                this.gain[t] = gain.max(DARK);
            } else {
                let every = calm.len().div_ceil(20_000);
                let all = calm.iter().step_by(every);
                this.offset[t] = middle(all.map(|&i| this.at(t, i) - median[i]).collect());
            }
        }
        this
    }

    /// Channels and pixels whose standard deviation over time is at most 1.2 times the median one: in noise, a median
    /// over all would follow the part that changes.
    fn calm(&self) -> Vec<usize> {
        let size = self.clip.shape[0] * self.clip.area();
        let seen: Vec<usize> = (0..self.clip.steps())
            .filter(|&t| self.clip.seen[t])
            .collect();
        let every = seen.len().div_ceil(MEDIAN_FRAMES).max(1);
        let frames: Vec<usize> = seen.into_iter().step_by(every).collect();
        let n = frames.len().max(1) as f32;
        let spreads: Vec<f32> = (0..size)
            .map(|i| {
                let mean = frames.iter().map(|&t| self.at(t, i)).sum::<f32>() / n;
                let squares = frames.iter().map(|&t| (self.at(t, i) - mean).powi(2));
                (squares.sum::<f32>() / n).sqrt()
            })
            .collect();
        let most = 1.2 * middle(spreads.clone());
        (0..size).filter(|&i| spreads[i] <= most).collect()
    }

    /// Value of channel and pixel `i` (of C H W) in frame t.
    pub fn at(&self, t: usize, i: usize) -> f32 {
        let size = self.clip.shape[0] * self.clip.area();
        (f32::from(self.clip.frames[t * size + i]) / 255.0 - self.offset[t]) / self.gain[t]
    }

    /// The median frame (C, H, W) over frames where `counts(t, pixel)`; NaN for a pixel that never counts.
    pub fn median(&self, counts: &dyn Fn(usize, usize) -> bool) -> Vec<f32> {
        let (channels, area) = (self.clip.shape[0], self.clip.area());
        let there: Vec<usize> = (0..self.clip.steps())
            .filter(|&t| self.clip.seen[t])
            .collect();
        let every = there.len().div_ceil(MEDIAN_FRAMES).max(1);
        let chosen: Vec<usize> = there.into_iter().step_by(every).collect();
        let mut out = vec![f32::NAN; channels * area];
        let mut values = Vec::with_capacity(chosen.len());
        for pixel in 0..area {
            for channel in 0..channels {
                let i = channel * area + pixel;
                values.clear();
                let counted = chosen.iter().filter(|&&t| counts(t, pixel));
                values.extend(counted.map(|&t| self.at(t, i)));
                if !values.is_empty() {
                    out[i] = middle_of(&mut values);
                }
            }
        }
        out
    }

    /// Standard deviation of the noise of a pixel, from differences of neighbouring frames: most pixels stand still.
    pub fn noise(&self) -> f32 {
        let (size, steps) = (self.clip.shape[0] * self.clip.area(), self.clip.steps());
        let every = (size * steps).div_ceil(200_000).max(1);
        let pairs: Vec<usize> = (1..steps)
            .filter(|&t| self.clip.seen[t] && self.clip.seen[t - 1])
            .collect();
        let all = pairs
            .iter()
            .flat_map(|&t| (t % every..size).step_by(every).map(move |i| (t, i)));
        let differences: Vec<f32> = all
            .map(|(t, i)| (self.at(t, i) - self.at(t - 1, i)).abs())
            .collect();
        match differences.is_empty() {
            true => 0.0,
            // The median of |N(0, 2 s²)| is .954 s.
            false => middle(differences) / 0.954,
        }
    }
}

/// Median of values; the mean of the middle two.
pub(super) fn middle(mut values: Vec<f32>) -> f32 {
    middle_of(&mut values)
}

fn middle_of(values: &mut [f32]) -> f32 {
    let n = values.len();
    if n == 0 {
        return f32::NAN;
    }
    let (below, upper, _) = values.select_nth_unstable_by(n / 2, f32::total_cmp);
    match n % 2 {
        1 => *upper,
        _ => 0.5 * (*upper + below.iter().copied().fold(f32::NEG_INFINITY, f32::max)),
    }
}

/// Mean of the middle half of values: as deaf to what is far off as a median needs to be here, with .84 of the efficiency
/// of a mean in Gaussian noise where a median has .64. NaN for none.
pub(super) fn midmean(mut values: Vec<f32>) -> f32 {
    values.sort_unstable_by(f32::total_cmp);
    let cut = values.len() / 4;
    let own = &values[cut..values.len() - cut];
    let sum: f64 = own.iter().map(|&v| f64::from(v)).sum();
    (sum / own.len() as f64) as f32
}

/// Median of f64 values, NaN for none.
pub(super) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    let n = values.len();
    if n == 0 {
        return f64::NAN;
    }
    values.sort_by(f64::total_cmp);
    0.5 * (values[n / 2] + values[(n - 1) / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_a_lamp_that_fades_are_brought_to_one_brightness() {
        // A grey ramp under light that falls by 3 % a frame.
        let frames: Vec<u8> = (0..6)
            .flat_map(|t| {
                let light = 1.0 - 0.03 * f64::from(t);
                (0..100).map(move |i| ((80.0 + f64::from(i)) * light).round() as u8)
            })
            .collect();
        let clip = Clip::new(frames, [1, 10, 10], Vec::new()).unwrap();
        let pictures = Pictures::new(&clip);
        for t in 0..6 {
            for i in 0..100 {
                let far = (pictures.at(t, i) - pictures.at(0, i)).abs();
                // Two roundings to bytes, and that of the median.
                assert!(far < 1.6 / 255.0, "frame {t}, pixel {i}: {far}");
            }
        }
    }

    #[test]
    fn the_noise_of_a_still_clip_is_found() {
        use crate::seeds::Seeds;
        use rand::RngExt;
        let mut rng = Seeds::new(1).stream("noise", 0);
        // A sum of twelve uniforms has a variance of 1.
        let mut normal = || (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
        let frames = (0..20 * 400)
            .map(|_| (128.0 + 10.0 * normal()) as u8)
            .collect();
        let clip = Clip::new(frames, [1, 20, 20], Vec::new()).unwrap();
        let found = 255.0 * Pictures::new(&clip).noise();
        // 7,600 differences: the median's standard error is 1.3 %, rounding adds a little.
        assert!((found / 10.0 - 1.0).abs() < 0.06, "{found}");
    }
}
