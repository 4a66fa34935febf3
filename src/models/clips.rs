//! What a model is shown: clips, what of them is seen, what acted on them.

use super::Likelihood;
use crate::error::{Error, Result};
use nn::tensor::{matrix, size, values};
use nn::{Float, Mat};

/// Clips as the networks see them: pixels in [0, 1], or vectors less their mean over their standard deviation.
#[derive(Clone, Debug)]
pub struct Clips<F: Float> {
    /// (B*T, C*H*W), the frames of one clip after each other.
    pub frames: Mat<F>,
    /// Clips, B.
    pub sequences: usize,
    /// Frames per clip, T.
    pub steps: usize,
    /// What of them is seen; `None` for all.
    pub seen: Option<Seen>,
    /// What acted on the world; `None` where nothing did or it was not recorded.
    pub actions: Option<Actions>,
    /// What the world's task gave on the way to every frame, (B, T): minus the cost of the frame before and of what was
    /// done there; NaN at t = 0 and where it is not known. `None` where there is no task.
    pub rewards: Option<Vec<f64>>,
}

/// What acts on a world from frame t to frame t+1.
#[derive(Clone, Debug, PartialEq)]
pub struct Actions {
    /// Components, A.
    pub size: usize,
    /// (B, T, A).
    pub values: Vec<f64>,
}

/// Which frames and pixels are there to learn from. What stands in the others is never read.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// (B, T): false where the whole frame is missing.
    pub frames: Vec<bool>,
    /// (B, T, C*H*W): false where a pixel is hidden; `None` for none in the frames that are there.
    pub pixels: Option<Vec<bool>>,
}

/// The frames that are there, one after the other, and where they stand in time.
#[derive(Clone, Debug)]
pub struct Observed<F: Float> {
    /// (M, C*H*W).
    pub frames: Mat<F>,
    /// (M, C*H*W): false where a pixel is hidden; `None` for none.
    pub pixels: Option<Vec<bool>>,
    /// For every frame of the clips (B*T) its row here; `None` where all are there.
    pub rows: Option<Vec<Option<usize>>>,
}

impl Actions {
    /// u_{t-1} at place t of clips of `steps` frames, (B, T, A): what acted on the way to frame t; zeros at t = 0.
    pub fn before(&self, steps: usize) -> Vec<f64> {
        let mut out = vec![0.0; self.values.len()];
        let clip = (steps * self.size).max(1);
        for (to, of) in out.chunks_mut(clip).zip(self.values.chunks(clip)) {
            let shifted = to.iter_mut().skip(self.size).zip(of);
            shifted.for_each(|(to, u)| *to = *u);
        }
        out
    }
}

/// What a model is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// (C, H, W) of a frame.
    pub frame: [usize; 3],
    /// Components of an action, A; 0 where nothing acts.
    pub actions: usize,
    /// Whether the world has a task: rewards come with frames.
    pub rewards: bool,
}

/// Frames of a world that is left to itself.
impl From<[usize; 3]> for Sizes {
    fn from(frame: [usize; 3]) -> Self {
        Self {
            frame,
            actions: 0,
            rewards: false,
        }
    }
}

impl<F: Float> Clips<F> {
    /// How many frames are there.
    pub fn observations(&self) -> usize {
        let count = |seen: &Seen| seen.frames.iter().filter(|&&seen| seen).count();
        self.seen
            .as_ref()
            .map_or(self.sequences * self.steps, count)
    }

    /// log p(x | mean = x) of every frame that is seen, (B, T), see [`Likelihood::most`]; 0 of the others, and where `pixels`
    /// is `None`.
    pub fn most(&self, pixels: Option<Likelihood>) -> Vec<f64> {
        let Some(pixels) = pixels else {
            return vec![0.0; self.sequences * self.steps];
        };
        let seen = self.seen.as_ref();
        let mut most = pixels.most(&self.frames, seen.and_then(|seen| seen.pixels.as_deref()));
        if let Some(seen) = seen {
            let all = most.iter_mut().zip(&seen.frames);
            all.filter(|(_, seen)| !**seen).for_each(|(v, _)| *v = 0.0);
        }
        most
    }

    /// Every frame as a clip of its own, (B*T) clips of one frame. Rewards, which tell of frames before, are left out.
    pub fn apart(self) -> Self {
        Self {
            sequences: self.sequences * self.steps,
            steps: 1,
            rewards: None,
            ..self
        }
    }

    /// `frames` frames of every clip from its own first one on, (B) of `from`.
    ///
    /// # Errors
    /// [`Error::Shape`] for frames that are not there.
    pub fn window(&self, from: &[usize], frames: usize) -> Result<Self> {
        let (b, steps) = (self.sequences, self.steps);
        if from.len() != b || frames == 0 || from.iter().any(|first| first + frames > steps) {
            return Err(Error::Shape(format!(
                "window: {frames} of {steps} frames of {b} clips expected, got clips from {from:?} on"
            )));
        }
        let columns = size(&self.frames).1;
        let rows = |clip: usize| {
            let first = clip * steps + from[clip];
            first..first + frames
        };
        let own = |width: usize| {
            (0..b).map(move |clip| {
                let own = rows(clip);
                own.start * width..own.end * width
            })
        };
        let pixels = own(columns).flat_map(|rows| values(&self.frames)[rows].iter().copied());
        let cut = |all: &[bool], width: usize| -> Vec<bool> {
            own(width).flat_map(|rows| all[rows].to_vec()).collect()
        };
        let numbers = |all: &[f64], width: usize| -> Vec<f64> {
            own(width).flat_map(|rows| all[rows].to_vec()).collect()
        };
        Ok(Self {
            frames: matrix(pixels.collect(), b * frames, columns)?,
            sequences: b,
            steps: frames,
            seen: self.seen.as_ref().map(|seen| Seen {
                frames: cut(&seen.frames, 1),
                pixels: seen.pixels.as_ref().map(|all| cut(all, columns)),
            }),
            actions: self.actions.as_ref().map(|actions| Actions {
                size: actions.size,
                values: numbers(&actions.values, actions.size),
            }),
            rewards: self.rewards.as_ref().map(|all| numbers(all, 1)),
        })
    }

    /// What is there of the clips.
    ///
    /// # Errors
    /// [`Error::Shape`] for a mask that does not fit.
    pub fn observed(&self) -> Result<Observed<F>> {
        let Some(seen) = &self.seen else {
            return Ok(Observed {
                frames: self.frames.clone(),
                pixels: None,
                rows: None,
            });
        };
        let (all, columns) = size(&self.frames);
        let pixels = seen.pixels.as_ref().map_or(all * columns, Vec::len);
        if seen.frames.len() != all || pixels != all * columns {
            return Err(Error::Shape(format!(
                "clips: masks of {all} frames and {} pixels expected, got {} and {pixels}",
                all * columns,
                seen.frames.len()
            )));
        }
        let mut count = 0;
        let rows = seen.frames.iter().map(|&seen| {
            count += usize::from(seen);
            seen.then(|| count - 1)
        });
        let rows: Vec<Option<usize>> = rows.collect();
        let there = || (0..all).filter(|&row| seen.frames[row]);
        let of_row = |row: usize| row * columns..(row + 1) * columns;
        let frames = there().flat_map(|row| &values(&self.frames)[of_row(row)]);
        Ok(Observed {
            frames: matrix(frames.copied().collect(), count, columns)?,
            pixels: seen.pixels.as_ref().map(|pixels| {
                there()
                    .flat_map(|row| &pixels[of_row(row)])
                    .copied()
                    .collect()
            }),
            rows: Some(rows),
        })
    }
}

impl<F: Float> Observed<F> {
    /// Those with `kept` (of all frames of the clips, B*T) and the others, each with its places among all; one part,
    /// with no second, where `kept` is `None` or all are kept.
    ///
    /// # Errors
    /// Out of memory.
    pub fn split(self, kept: Option<&[bool]>) -> Result<(Self, Option<Self>)> {
        let Some(kept) = kept else {
            return Ok((self, None));
        };
        let own = |place: usize| self.rows.as_ref().map_or(Some(place), |rows| rows[place]);
        let part = |want: bool| -> Result<Self> {
            let mut from = Vec::new();
            let rows = kept.iter().enumerate().map(|(place, &kept)| {
                let row = own(place).filter(|_| kept == want)?;
                from.push(row);
                Some(from.len() - 1)
            });
            let rows: Vec<Option<usize>> = rows.collect();
            Ok(Self {
                rows: Some(rows),
                ..self.taken(&from)?
            })
        };
        let rest = part(false)?;
        match size(&rest.frames).0 {
            0 => Ok((self, None)),
            _ => Ok((part(true)?, Some(rest))),
        }
    }

    /// The same with no place for frames outside `kept` (B*T); all for `None`.
    pub fn only(&self, kept: Option<&[bool]>) -> Self {
        let rows = self.rows.as_ref().map(|rows| {
            let own = rows.iter().enumerate();
            own.map(|(t, row)| row.filter(|_| kept.is_none_or(|kept| kept[t])))
                .collect()
        });
        Self {
            rows,
            ..self.clone()
        }
    }

    /// These rows, without their places.
    ///
    /// # Errors
    /// Out of memory.
    pub fn taken(&self, rows: &[usize]) -> Result<Self> {
        let (_, columns) = size(&self.frames);
        let all = values(&self.frames);
        let pixels = rows.iter().flat_map(|row| &all[row * columns..][..columns]);
        Ok(Self {
            frames: matrix(pixels.copied().collect(), rows.len(), columns)?,
            pixels: self.pixels.as_ref().map(|all| {
                let own = rows.iter().flat_map(|row| &all[row * columns..][..columns]);
                own.copied().collect()
            }),
            rows: None,
        })
    }
}

/// Whether frames of (C, H, W) are vectors, (D, 1, 1), in place of pictures: their values are not bound to [0, 1].
pub fn is_vector([_, height, width]: [usize; 3]) -> bool {
    height == 1 && width == 1
}

/// What training frames have in common, each (C*H*W), pixels in [0, 1].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Common {
    /// Mean of every pixel over time and sequences.
    pub mean: Vec<f64>,
    /// Median of every pixel: what stands there when nothing moves through it.
    pub background: Vec<f64>,
    /// Upper quartile over frames of sum |x - background|, the foreground of a frame; 0 for vectors.
    pub foreground: f64,
    /// Root mean square of every component of an action, (A): what networks divide it by. Empty where nothing acts.
    pub action_scale: Vec<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_cuts_frames_masks_actions_and_rewards_alike() {
        let clips = Clips::<f64> {
            frames: matrix((0..12).map(f64::from).collect(), 6, 2).unwrap(),
            sequences: 2,
            steps: 3,
            seen: Some(Seen {
                frames: vec![true, false, true, true, true, false],
                pixels: None,
            }),
            actions: Some(Actions {
                size: 1,
                values: vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
            }),
            rewards: Some(vec![9.0, 8.0, 7.0, 6.0, 5.0, 4.0]),
        };
        let cut = clips.window(&[1, 0], 2).unwrap();
        assert_eq!(values(&cut.frames), [2., 3., 4., 5., 6., 7., 8., 9.]);
        assert_eq!(cut.seen.unwrap().frames, [false, true, true, true]);
        assert_eq!(cut.actions.unwrap().values, [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(cut.rewards.unwrap(), [8.0, 7.0, 6.0, 5.0]);
        assert_eq!((cut.sequences, cut.steps), (2, 2));
        let message = clips.window(&[2, 0], 2).unwrap_err().to_string();
        assert!(message.contains("2 of 3 frames"), "{message}");
    }
}
