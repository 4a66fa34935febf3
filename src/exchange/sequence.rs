//! One sequence on its way in, and how a long one is thinned out and cut.

use crate::data::Columns;
use crate::error::Result;
use crate::motion::Skeleton;
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
    /// The skeleton whose motions these are, where they are some.
    fn skeleton(&self) -> Option<Skeleton> {
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cut {
    pub stride: usize,
    pub clip: Option<usize>,
    /// From the start of a clip to that of the next, frames; `None`: a clip's length, so that none overlap.
    pub hop: Option<usize>,
    /// Clips go beyond a recording's end, up to half of them, with missing frames.
    pub pad: bool,
}

impl Cut {
    /// Frames that are kept of a sequence of `frames` frames but fill no clip.
    pub fn rest(&self, frames: usize) -> usize {
        let kept = frames.div_ceil(self.stride);
        let Some(clip) = self.clip else {
            return 0;
        };
        let reached = self.starts(kept, clip).last().map_or(0, |at| at + clip);
        kept.saturating_sub(reached)
    }

    /// Frames in all clips of a sequence of which `kept` frames are kept.
    pub fn given(&self, kept: usize) -> usize {
        let clip = self.clip.unwrap_or(kept);
        clip * self.starts(kept, clip).count()
    }

    /// Where clips of `clip` frames start among `kept` frames.
    fn starts(&self, kept: usize, clip: usize) -> impl Iterator<Item = usize> + use<> {
        let clip = clip.max(1);
        let needed = match self.pad {
            true => clip.div_ceil(2),
            false => clip,
        };
        let last = (kept + 1).saturating_sub(needed);
        (0..last).step_by(self.hop.unwrap_or(clip).max(1))
    }

    /// The clips of a sequence of `frames` frames; what does not fill a clip at its end is left out. Contacts are counted
    /// in the interval before a frame, so those of skipped frames are added to the next kept one's.
    pub fn clips(&self, sequence: Sequence, frames: usize) -> Vec<Sequence> {
        let whole = self.clip.is_none_or(|clip| clip == frames);
        if self.stride == 1 && whole && !(self.pad && self.hop.is_some()) {
            return vec![sequence];
        }
        let kept = frames.div_ceil(self.stride);
        let clip = self.clip.unwrap_or(kept).max(1);
        self.starts(kept, clip)
            .map(|start| {
                let there = start..(start + clip).min(kept);
                let at: Vec<usize> = there.map(|k| k * self.stride).collect();
                let missing = clip - at.len();
                sequence.at(&at, frames).padded(missing, clip)
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

    /// With so many missing frames at its end, `total` in all.
    fn padded(mut self, missing: usize, total: usize) -> Self {
        let there = (total - missing).max(1);
        let more = |len: usize| len / there * missing;
        let motion = &mut self.motion;
        let extend = |values: &mut Vec<f64>, with: f64| {
            let len = values.len();
            values.resize(len + more(len), with);
        };
        extend(&mut motion.states, f64::NAN);
        extend(&mut motion.event_times, f64::NAN);
        extend(&mut motion.actions, 0.0);
        extend(&mut motion.energies, 0.0);
        for bytes in [&mut self.frames, &mut self.seen, &mut motion.events] {
            bytes.resize(bytes.len() + more(bytes.len()), 0);
        }
        self
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
            ..Cut::default()
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
            ..Cut::default()
        };
        // Contacts before frames 1, 4 and 7; kept frames 0 2 4 6 8.
        let clip = &cut.clips(sequence(9), 9)[0];
        assert_eq!(clip.motion.events, [0, 1, 1, 0, 1]);
        assert_eq!(clip.motion.event_times[1], 1.0);
        assert_eq!(clip.motion.event_times[4], 7.0);
        assert!(clip.motion.event_times[3].is_nan());
    }

    #[test]
    fn clips_may_overlap_and_go_beyond_the_end_with_missing_frames() {
        let cut = Cut {
            stride: 1,
            clip: Some(4),
            hop: Some(2),
            pad: false,
        };
        let firsts = |cut: Cut, frames: usize| -> Vec<u8> {
            let clips = cut.clips(sequence(frames), frames);
            clips.iter().map(|clip| clip.frames[0]).collect()
        };
        assert_eq!(firsts(cut, 9), [0, 2, 4]);
        assert_eq!((cut.rest(9), cut.given(9)), (1, 12));
        // With missing frames at the end, as long as half are there: 6 7 8 and one more.
        let pad = Cut { pad: true, ..cut };
        assert_eq!(firsts(pad, 9), [0, 2, 4, 6]);
        assert_eq!(pad.rest(9), 0);
        let last = pad.clips(sequence(9), 9).pop().unwrap();
        assert_eq!(last.seen, [1, 1, 1, 0]);
        assert_eq!(last.frames, [6, 7, 8, 0]);
        assert_eq!(
            last.motion.states[..6],
            [12.0, 13.0, 14.0, 15.0, 16.0, 17.0]
        );
        assert!(last.motion.states[6..].iter().all(|value| value.is_nan()));
        // Too short for a clip is long enough for half of one; a whole sequence is one clip.
        assert_eq!(firsts(pad, 2), [0]);
        assert!(firsts(pad, 1).is_empty());
        let whole = Cut {
            stride: 1,
            ..Cut::default()
        };
        assert_eq!((firsts(whole, 5), whole.given(5)), (vec![0], 5));
    }
}
