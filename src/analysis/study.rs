//! Everything about one trained model and one seed, as plain arrays: what an analysis reads.

use crate::array::Array;
use crate::data::{Event, Split};
use crate::error::{Error, Result};
use crate::latents::{Axis, Beliefs, Decoder, EncodeConfig, LawInputs};
use crate::measure::arrays::sizes;
use crate::measure::pixels::{Films, Pixels, background, centroids};
use crate::motion::Skeleton;
use crate::seeds::Seeds;
use lgssm::{AffineModes, Lgssm};
use serde::{Deserialize, Serialize};
use simulators::Column;
use std::collections::BTreeMap;

/// Everything about one trained model and one seed, as plain arrays. Sizes: N sequences, T frames, D state columns.
#[derive(Clone, Debug, Default)]
pub struct Study {
    /// The model's name in the experiment.
    pub name: String,
    /// The sequences that read-outs are fitted on.
    pub train: SplitStudy,
    /// The sequences that choose a read-out's penalty.
    pub validation: SplitStudy,
    /// The held-out sequences that every number is measured on.
    pub test: SplitStudy,
    /// Splits of other worlds by name: what a read-out or a law makes of what it was not fitted on.
    pub shifts: Vec<(String, SplitStudy)>,
    /// Pairs of a possible and an impossible clip, where the dataset has some.
    pub impossible: Option<ImpossiblePairs>,
    /// Name and unit of every state column.
    pub state_columns: Vec<Column>,
    /// Time between frames, s.
    pub dt: f64,
    /// What the encode stage did.
    pub encode: EncodeConfig,
    /// The learned law of motion, where the model has one.
    pub law: Option<Lgssm>,
    /// How actions move the state by that law, where there are any.
    pub inputs: Option<LawInputs>,
    /// The modes of a law that chooses between several.
    pub modes: Option<AffineModes>,
    /// Name and unit of every kind of contact.
    pub event_columns: Vec<Column>,
    /// Name and unit of every component of an action; none where nothing acts.
    pub action_columns: Vec<Column>,
    /// Name and unit of every physical parameter drawn per sequence.
    pub parameter_columns: Vec<Column>,
    /// The decoder, where it can be had as plain arrays.
    pub decoder: Option<Decoder>,
    /// What training logged, in order of steps.
    pub training: Vec<TrainingPoint>,
    /// (C, H, W) of a frame; (D, 1, 1) where a frame is a vector of D columns.
    pub frame_shape: [usize; 3],
    /// Name and unit of every component of the vectors in place of frames; none where frames are pictures.
    pub observed_columns: Vec<Column>,
    /// The joints whose motions the states are, where they are some.
    pub skeleton: Option<Skeleton>,
    /// The true law of those vectors, in their own units, where the world is linear and Gaussian.
    pub exact: Option<Lgssm>,
    /// The world itself, where it is one whose wind has an exact filter.
    pub weather: Option<simulators::Weather>,
    /// Where a body's centre can be (x0, y0, x1, y1): the box less the radius, or the box, if there is one.
    pub outline: Option<(f64, f64, f64, f64)>,
    /// The folder of sampled futures, where the experiment asked for them: read by the analyses that need them.
    pub rollouts: Option<std::path::PathBuf>,
    /// Oblique walls of a convex room: unit normal that points inwards, and w of the line n·x = w where a centre turns.
    pub walls: Vec<([f64; 2], f64)>,
    /// The training seed; also the root of the analyses' own draws (bootstrap, shuffling).
    pub seed: u64,
}

/// One split of a [`Study`].
#[derive(Clone, Debug, Default)]
pub struct SplitStudy {
    /// True states, (N, T, D); NaN where one is not known, and in frames that are missing.
    pub states: Array,
    /// The trained model's arrays.
    pub latents: Beliefs,
    /// The same model before training: its `encoder` array only.
    pub untrained: Beliefs,
    /// Frames, (T, C, H, W) a clip; none where no analysis needs them.
    pub frames: Footage,
    /// Vectors in place of frames, (N, T, D), in their own units; empty where frames are pictures.
    pub vectors: Array,
    /// Which frames are there, (N, T); empty where all are. A missing frame's pixels stand for nothing.
    pub seen: Vec<bool>,
    /// Contact counts in the interval before frame t, (N, T, E); may be empty.
    pub events: Vec<u8>,
    /// What acts from frame t to t+1, (N, T, A); empty where nothing does.
    pub actions: Array,
    /// Physical parameters, (N, P); may be empty.
    pub parameters: Array,
}

/// Clips 2i and 2i + 1 are the same until something happens in the second that the world's physics rules out.
#[derive(Clone, Debug, Default)]
pub struct ImpossiblePairs {
    /// The clips, (2 P, T).
    pub clips: SplitStudy,
    /// What happens in pair i, and the first frame that may show it, (P).
    pub events: Vec<Event>,
    /// Judges beside the model.
    pub peers: Vec<Peer>,
}

/// Somebody else's surprise.
#[derive(Clone, Debug, PartialEq)]
pub struct Peer {
    /// Who.
    pub name: String,
    /// Unit of the costs.
    pub unit: String,
    /// Cost of every frame, (2 P, T).
    pub costs: Array,
}

/// Where the frames of a split are. Those of a dataset stay on disk, memory-mapped, until they are looked at.
#[derive(Clone, Debug, Default)]
pub enum Footage {
    /// Nowhere.
    #[default]
    None,
    /// In memory.
    Held {
        /// (N, T, C, H, W).
        frames: Vec<u8>,
        /// N.
        clips: usize,
    },
    /// In a dataset.
    Stored {
        /// The split.
        split: Split,
        /// Its first so many clips, N.
        clips: usize,
    },
}

impl Footage {
    /// Frames (N, T, C, H, W) of so many clips, in memory.
    pub fn held(frames: Vec<u8>, clips: usize) -> Self {
        Self::Held { frames, clips }
    }

    /// Whether there are no frames.
    pub fn is_empty(&self) -> bool {
        self.clips() == 0
    }

    /// Frames of clip i, (T, C, H, W).
    pub fn clip(&self, i: usize) -> &[u8] {
        Films::clip(self, i)
    }

    /// Frames in memory, to change them: for tests.
    #[cfg(test)]
    pub(crate) fn held_mut(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Held { frames, .. } => frames,
            other => panic!("frames in memory expected, got {other:?}"),
        }
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        *self = Self::None;
    }
}

impl Films for Footage {
    fn clips(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Held { clips, .. } | Self::Stored { clips, .. } => *clips,
        }
    }

    fn clip(&self, i: usize) -> &[u8] {
        match self {
            Self::None => &[],
            Self::Held { frames, clips } => {
                let size = frames.len() / (*clips).max(1);
                &frames[i * size..(i + 1) * size]
            }
            Self::Stored { split, .. } => split.frames(i),
        }
    }
}

impl SplitStudy {
    /// Frames as features of a read-out, see [`Pixels::new`].
    pub fn pixels(&self, frame: [usize; 3], stacked: usize) -> Pixels<'_> {
        let size = frame.iter().product();
        Pixels::new(&self.frames, self.clips(), size, stacked)
    }

    /// Centroids of what moves, see [`centroids`]; NaN in missing frames.
    pub fn centroids(&self, frame: [usize; 3], background: &[u8]) -> Array {
        let mut found = centroids(&self.frames, self.clips(), frame, background);
        for (row, seen) in found.data_mut().chunks_exact_mut(2).zip(&self.seen) {
            if !seen {
                row.fill(f64::NAN);
            }
        }
        found
    }

    /// What stands still in the frames that are there, of `size` bytes each; see [`background`].
    pub fn background(&self, size: usize) -> Vec<u8> {
        background(&self.frames, size, &self.seen)
    }

    /// Whether frame t of sequence i is there.
    pub fn sees(&self, i: usize, t: usize) -> bool {
        let total = self.clips()[1];
        self.seen.get(i * total + t).is_none_or(|&seen| seen)
    }

    /// The states of the frames for which `read` lists what a source reads, NaN where it reads a missing frame.
    pub fn states_read(&self, read: impl Fn(usize) -> std::ops::RangeInclusive<usize>) -> Array {
        let mut states = self.states.clone();
        let [_, total, width] = sizes(&states);
        if self.seen.is_empty() || width == 0 {
            return states;
        }
        for (k, row) in states.data_mut().chunks_exact_mut(width).enumerate() {
            if !read(k % total).all(|t| self.sees(k / total, t)) {
                row.fill(f64::NAN);
            }
        }
        states
    }

    /// [N, T].
    fn clips(&self) -> [usize; 2] {
        [self.states.shape()[0], self.states.shape()[1]]
    }
}

/// What training logged at one step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainingPoint {
    /// Optimiser steps made.
    pub step: u64,
    /// Values by `<split>/<quantity>`: `validation/elbo`.
    pub values: BTreeMap<String, f64>,
}

impl Study {
    /// The streams of this study's random draws.
    pub fn seeds(&self) -> Seeds {
        Seeds::new(self.seed)
    }

    /// The three splits with their names.
    pub fn splits(&self) -> [(&'static str, &SplitStudy); 3] {
        [
            ("train", &self.train),
            ("validation", &self.validation),
            ("test", &self.test),
        ]
    }

    /// The first of `names` that all three splits have.
    pub fn first_of<'a>(&self, names: &[&'a str]) -> Option<&'a str> {
        let everywhere = |name: &&str| {
            self.splits()
                .iter()
                .all(|(_, s)| s.latents.get(name).is_some())
        };
        names.iter().copied().find(|name| everywhere(name))
    }

    /// Checks that all arrays fit together and that every value is finite; states may be NaN.
    ///
    /// # Errors
    /// [`Error::Shape`] names the split and the array, expected and got; [`Error::Numeric`] names the array and the
    /// sequence and frame of the first value that is not finite.
    pub fn check(&self) -> Result<()> {
        let shifts = self
            .shifts
            .iter()
            .map(|(name, split)| (name.as_str(), split));
        for (split, study) in self.splits().into_iter().chain(shifts) {
            let subject =
                |array: &str| format!("{} seed {}, {split} {array}", self.name, self.seed);
            let &[n, t, d] = study.states.shape() else {
                let got = study.states.shape();
                return Err(Error::Shape(format!(
                    "{}: want (N, T, D), got {got:?}",
                    subject("states")
                )));
            };
            if n == 0 || t == 0 || d != self.state_columns.len() {
                return Err(Error::Shape(format!(
                    "{}: want N > 0, T > 0, D = {}, got {:?}",
                    subject("states"),
                    self.state_columns.len(),
                    study.states.shape()
                )));
            }
            check_known(&subject("states"), &study.states)?;
            if !study.seen.is_empty() && study.seen.len() != n * t {
                return Err(Error::Shape(format!(
                    "{}: want {} frames, got {}",
                    subject("seen"),
                    n * t,
                    study.seen.len()
                )));
            }
            let pixels: usize = self.frame_shape.iter().product();
            let clips = study.frames.clips();
            let bytes = match clips {
                0 => 0,
                _ => study.frames.clip(0).len(),
            };
            if clips > 0 && (clips, bytes) != (n, t * pixels) {
                return Err(Error::Shape(format!(
                    "{}: want {n} clips of {} bytes, got {clips} of {bytes}",
                    subject("frames"),
                    t * pixels,
                )));
            }
            for (name, named) in study.latents.iter().chain(study.untrained.iter()) {
                let want = |axis: Axis| match axis {
                    Axis::Clip => Some(n),
                    Axis::Frame => Some(t),
                    _ => None,
                };
                let mut axes = named.axes.iter().zip(named.array.shape());
                let fits = axes.all(|(&axis, &got)| want(axis).is_none_or(|want| want == got));
                if !fits {
                    return Err(Error::Shape(format!(
                        "{}: axes {:?} of {n} clips and {t} frames expected, got {:?}",
                        subject(name),
                        named.axes,
                        named.array.shape()
                    )));
                }
                check_finite(&subject(name), &named.array)?;
            }
        }
        Ok(())
    }
}

fn check_finite(subject: &str, array: &Array) -> Result<()> {
    check(subject, array, f64::is_finite)
}

/// Values may be unknown, NaN, but not infinite.
fn check_known(subject: &str, array: &Array) -> Result<()> {
    check(subject, array, |v| !v.is_infinite())
}

fn check(subject: &str, array: &Array, good: impl Fn(f64) -> bool) -> Result<()> {
    let Some(at) = array.data().iter().position(|&v| !good(v)) else {
        return Ok(());
    };
    let value = array.data()[at];
    let inner: usize = array.shape().iter().skip(1).product();
    let place = match array.shape() {
        [_, frames, rest @ ..] => {
            let frame = rest.iter().product::<usize>().max(1);
            format!("sequence {}, frame {}", at / inner, at / frame % frames)
        }
        _ => format!("value {at}"),
    };
    Err(Error::Numeric(format!("{subject}: {value} in {place}")))
}
