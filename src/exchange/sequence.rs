//! One sequence on its way in, and how a long one is thinned out and cut.

use crate::data::Columns;
use crate::error::Result;
use simulators::{Camera, Trajectory};

/// One sequence: frames (T, C, H, W), the numbers that go with them, and which frames are seen.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sequence {
    pub frames: Vec<u8>,
    /// A state that is not known is NaN.
    pub motion: Trajectory,
    /// (T): 1, or 0 for a frame that is missing and whose pixels are 0.
    pub seen: Vec<u8>,
}

/// Somebody's file or folder, opened: what its sequences are, and the sequences one after the other.
pub(super) trait Reader {
    /// (C, H, W) of a frame.
    fn frame_shape(&self) -> [usize; 3];
    /// Names and units of the numbers.
    fn columns(&self) -> Columns {
        Columns::default()
    }
    /// From world units to pixels, where it is known.
    fn camera(&self) -> Option<Camera> {
        None
    }
    /// Time between the frames that are given, s, where the source tells.
    fn dt(&self) -> Option<f64>;
    /// Frames that will be given at most, where that is known before they are read.
    fn expected(&self) -> Option<usize> {
        None
    }
    /// The next sequence.
    fn next(&mut self) -> Result<Option<Sequence>>;
    /// What was left out, filled in or turned round, in words, when all is read.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Frames of a source that fill no clip, in words.
pub(super) fn left_over(frames: usize, clip: usize) -> Option<String> {
    (frames > 0).then(|| {
        format!(
            "left out {frames} frames at the ends of recordings that do not fill a clip of {clip}"
        )
    })
}

/// Every `stride`-th frame, in clips of `clip` frames (`None`: the whole sequence).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    pub stride: usize,
    pub clip: Option<usize>,
}

impl Cut {
    /// Frames that are kept of a sequence of `frames` frames but fill no clip.
    pub fn rest(&self, frames: usize) -> usize {
        let kept = frames.div_ceil(self.stride);
        self.clip.map_or(0, |clip| kept % clip.max(1))
    }

    /// The clips of a sequence of `frames` frames; what does not fill a clip at its end is left out. Contacts are counted
    /// in the interval before a frame, so those of skipped frames are added to the next kept one's.
    pub fn clips(&self, sequence: Sequence, frames: usize) -> Vec<Sequence> {
        let whole = self.clip.is_none_or(|clip| clip == frames);
        if self.stride == 1 && whole {
            return vec![sequence];
        }
        let kept = frames.div_ceil(self.stride);
        let clip = self.clip.unwrap_or(kept).max(1);
        (0..kept / clip)
            .map(|c| {
                let at: Vec<usize> = (c * clip..(c + 1) * clip)
                    .map(|k| k * self.stride)
                    .collect();
                sequence.at(&at, frames)
            })
            .collect()
    }
}

impl Sequence {
    /// The frames `at`, of `frames` in all. A kept frame keeps the action that acts from it on.
    fn at(&self, at: &[usize], frames: usize) -> Self {
        let motion = &self.motion;
        let kinds = motion.events.len() / frames.max(1);
        let (mut events, mut event_times) = (Vec::new(), Vec::new());
        for (k, &t) in at.iter().enumerate() {
            // A clip starts without contacts, as every sequence does.
            let before = if k == 0 { t..t } else { at[k - 1] + 1..t + 1 };
            for e in 0..kinds {
                let rows = || before.clone().map(|u| u * kinds + e);
                events.push(rows().fold(0u8, |sum, i| sum.saturating_add(motion.events[i])));
                let first = rows().map(|i| motion.event_times[i]);
                event_times.push(first.fold(f64::NAN, f64::min));
            }
        }
        Self {
            frames: rows(&self.frames, at, frames),
            seen: rows(&self.seen, at, frames),
            motion: Trajectory {
                states: rows(&motion.states, at, frames),
                parameters: motion.parameters.clone(),
                events,
                event_times,
                actions: rows(&motion.actions, at, frames),
                energies: rows(&motion.energies, at, frames),
                exposed: Vec::new(),
            },
        }
    }
}

/// The rows `at` of an array of `total` rows.
fn rows<T: Copy>(values: &[T], at: &[usize], total: usize) -> Vec<T> {
    let width = values.len() / total.max(1);
    at.iter()
        .flat_map(|&t| &values[t * width..(t + 1) * width])
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(frames: usize) -> Sequence {
        Sequence {
            frames: (0..frames as u8).collect(),
            seen: (0..frames).map(|t| u8::from(t != 4)).collect(),
            motion: Trajectory {
                states: (0..2 * frames).map(|v| v as f64).collect(),
                parameters: vec![7.0],
                events: (0..frames).map(|t| u8::from(t % 3 == 1)).collect(),
                event_times: (0..frames)
                    .map(|t| if t % 3 == 1 { t as f64 } else { f64::NAN })
                    .collect(),
                actions: (0..frames).map(|t| -(t as f64)).collect(),
                ..Trajectory::default()
            },
        }
    }

    #[test]
    fn clips_follow_each_other_without_overlap_and_the_rest_is_left_out() {
        let cut = Cut {
            stride: 2,
            clip: Some(3),
        };
        // Frames 0 2 4 | 6 8 10 | 12 alone.
        let clips = cut.clips(sequence(13), 13);
        let frames: Vec<_> = clips.iter().map(|clip| clip.frames.clone()).collect();
        assert_eq!(frames, [[0, 2, 4], [6, 8, 10]]);
        assert_eq!(clips[0].seen, [1, 1, 0]);
        assert_eq!(clips[1].motion.states, [12.0, 13.0, 16.0, 17.0, 20.0, 21.0]);
        assert_eq!(clips[1].motion.parameters, [7.0]);
        assert_eq!(clips[1].motion.actions, [-6.0, -8.0, -10.0]);
    }

    #[test]
    fn contacts_of_skipped_frames_count_for_the_next_kept_one() {
        let cut = Cut {
            stride: 2,
            clip: None,
        };
        // Contacts before frames 1, 4 and 7; kept frames 0 2 4 6 8.
        let clip = &cut.clips(sequence(9), 9)[0];
        assert_eq!(clip.motion.events, [0, 1, 1, 0, 1]);
        assert_eq!(clip.motion.event_times[1], 1.0);
        assert_eq!(clip.motion.event_times[4], 7.0);
        assert!(clip.motion.event_times[3].is_nan());
    }
}
