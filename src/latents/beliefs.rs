//! Named arrays with named axes.

use crate::array::Array;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;

/// What the positions along an axis stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// Draws of the same future.
    Draw,
    /// Clips of the split, in its order.
    Clip,
    /// The first clips of the split: what is kept to be looked at.
    Shown,
    /// Frames.
    Frame,
    /// Ticks of a latent slower than frames.
    Tick,
    /// Dimensions.
    Size,
    /// Dimensions again: the columns of a covariance.
    With,
    /// Channels, rows and columns of a frame in one.
    Pixel,
}

/// An array and what its axes are.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    /// One for each axis of the array.
    pub axes: Vec<Axis>,
    /// The values.
    pub array: Array,
}

/// Named arrays with named axes: what a model believes, and what is stored of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Beliefs {
    arrays: BTreeMap<String, Named>,
}

impl Beliefs {
    /// (clip, frame).
    pub const FRAMES: [Axis; 2] = [Axis::Clip, Axis::Frame];
    /// (clip, frame, size).
    pub const STATES: [Axis; 3] = [Axis::Clip, Axis::Frame, Axis::Size];
    /// (clip, frame, size, with).
    pub const COVARIANCES: [Axis; 4] = [Axis::Clip, Axis::Frame, Axis::Size, Axis::With];
    /// (draw, clip, frame, size).
    pub const FUTURES: [Axis; 4] = [Axis::Draw, Axis::Clip, Axis::Frame, Axis::Size];

    /// Puts an array in, in place of one of that name.
    ///
    /// # Errors
    /// [`Error::Shape`] when the number of axes differs from the array's, or an axis is as long here and otherwise
    /// elsewhere.
    pub fn insert(&mut self, name: impl Into<String>, axes: &[Axis], array: Array) -> Result<()> {
        let name = name.into();
        if axes.len() != array.shape().len() {
            return Err(Error::Shape(format!(
                "{name}: {} axes ({axes:?}) for an array of shape {:?}",
                axes.len(),
                array.shape()
            )));
        }
        for axis in [Axis::Draw, Axis::Clip, Axis::Shown, Axis::Frame] {
            let own = length(axes, &array, axis);
            let others = self.arrays.iter().filter(|(other, _)| **other != name);
            for (other, named) in others {
                let theirs = length(&named.axes, &named.array, axis);
                if let (Some(own), Some(theirs)) = (own, theirs)
                    && own != theirs
                {
                    return Err(Error::Shape(format!(
                        "{name}: {own} along the axis {axis:?}, where {other} has {theirs}"
                    )));
                }
            }
        }
        let axes = axes.to_vec();
        self.arrays.insert(name, Named { axes, array });
        Ok(())
    }

    /// Puts an array of clips, frames and sizes in, or of films by its name: for tests.
    #[cfg(test)]
    pub(crate) fn put(&mut self, name: &str, array: Array) {
        let axes: &[Axis] = match name.starts_with("film_") {
            true => &[Axis::Shown, Axis::Frame, Axis::Pixel],
            false => &Self::COVARIANCES[..array.shape().len()],
        };
        self.insert(name, axes, array).unwrap();
    }

    /// The array of this name.
    pub fn get(&self, name: &str) -> Option<&Array> {
        self.arrays.get(name).map(|named| &named.array)
    }

    /// The same to change its values.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Array> {
        self.arrays.get_mut(name).map(|named| &mut named.array)
    }

    /// The array of this name with its axes.
    pub fn named(&self, name: &str) -> Option<&Named> {
        self.arrays.get(name)
    }

    /// The array of this name.
    ///
    /// # Errors
    /// [`Error::Shape`] names it and what there is.
    pub fn need(&self, name: &str) -> Result<&Array> {
        self.get(name).ok_or_else(|| {
            let there: Vec<&str> = self.arrays.keys().map(String::as_str).collect();
            Error::Shape(format!(
                "beliefs: {name} expected, got {}",
                there.join(", ")
            ))
        })
    }

    /// All arrays in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Named)> {
        self.arrays
            .iter()
            .map(|(name, named)| (name.as_str(), named))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.arrays.is_empty()
    }

    /// Length of an axis, where an array has it.
    pub fn length(&self, axis: Axis) -> Option<usize> {
        self.arrays
            .values()
            .find_map(|named| length(&named.axes, &named.array, axis))
    }

    /// Takes one out.
    pub fn remove(&mut self, name: &str) -> Option<Named> {
        self.arrays.remove(name)
    }

    /// Keeps those whose names are wanted.
    pub fn retain(&mut self, mut wanted: impl FnMut(&str) -> bool) {
        self.arrays.retain(|name, _| wanted(name));
    }

    /// Takes all of another in.
    ///
    /// # Errors
    /// As [`Self::insert`].
    pub fn extend(&mut self, other: Self) -> Result<()> {
        for (name, Named { axes, array }) in other.arrays {
            self.insert(name, &axes, array)?;
        }
        Ok(())
    }

    /// The same under other names.
    ///
    /// # Errors
    /// As [`Self::insert`].
    pub fn renamed(self, name: impl Fn(&str) -> String) -> Result<Self> {
        let mut out = Self::default();
        for (old, Named { axes, array }) in self.arrays {
            out.insert(name(&old), &axes, array)?;
        }
        Ok(out)
    }

    /// Those of the first frames alone; what has no frames stays as it is.
    ///
    /// # Errors
    /// [`Error::Shape`] for more frames than there are.
    pub fn first_frames(&self, frames: usize) -> Result<Self> {
        self.frames_within(|_| 0..frames)
    }

    /// That of the last frame alone, which keeps its axis; what has no frames stays as it is.
    ///
    /// # Errors
    /// [`Error::Shape`] where there is no frame.
    pub fn last_frame(&self) -> Result<Self> {
        self.frames_within(|all| all.saturating_sub(1)..all.max(1))
    }

    /// Some frames, chosen from how many there are.
    fn frames_within(&self, kept: impl Fn(usize) -> Range<usize>) -> Result<Self> {
        let mut out = Self::default();
        for (name, Named { axes, array }) in &self.arrays {
            let array = match axes.iter().position(|&axis| axis == Axis::Frame) {
                Some(at) => within(array, at, kept(array.shape()[at]))?,
                None => array.clone(),
            };
            out.insert(name.clone(), axes, array)?;
        }
        Ok(out)
    }

    /// The beliefs about the clips of all parts, one after the other.
    ///
    /// # Errors
    /// [`Error::Shape`] for an array without clips, or that not all parts have alike.
    pub fn joined(parts: Vec<Self>) -> Result<Self> {
        let mut out = Self::default();
        let Some(first) = parts.first() else {
            return Ok(out);
        };
        for (name, Named { axes, .. }) in &first.arrays {
            let all: Vec<&Array> = parts.iter().filter_map(|part| part.get(name)).collect();
            let same = all.iter().all(|a| a.shape().len() == axes.len());
            let clip = axes.iter().position(|&axis| axis == Axis::Clip);
            let (true, true, Some(clip)) = (all.len() == parts.len(), same, clip) else {
                return Err(Error::Shape(format!(
                    "{name}: clips in every part expected, got axes {axes:?} in {} of {}",
                    all.len(),
                    parts.len()
                )));
            };
            out.insert(name.clone(), axes, concatenated(&all, clip)?)?;
        }
        Ok(out)
    }
}

fn length(axes: &[Axis], array: &Array, axis: Axis) -> Option<usize> {
    let at = axes.iter().position(|&own| own == axis)?;
    Some(array.shape()[at])
}

/// Some positions along an axis.
fn within(array: &Array, axis: usize, kept: Range<usize>) -> Result<Array> {
    let mut shape = array.shape().to_vec();
    if kept.end > shape[axis] {
        return Err(Error::Shape(format!(
            "at least {} frames expected, got {}",
            kept.end, shape[axis]
        )));
    }
    let inner: usize = shape[axis + 1..].iter().product();
    let block = (shape[axis] * inner).max(1);
    let blocks = array.data().chunks_exact(block);
    let data = blocks.flat_map(|block| &block[kept.start * inner..kept.end * inner]);
    let data = data.copied().collect();
    shape[axis] = kept.len();
    Array::new(shape, data)
}

/// Arrays one after the other along an axis.
fn concatenated(parts: &[&Array], axis: usize) -> Result<Array> {
    let mut shape = parts[0].shape().to_vec();
    shape[axis] = parts.iter().map(|part| part.shape()[axis]).sum();
    let outer: usize = shape[..axis].iter().product();
    let mut data = Vec::with_capacity(shape.iter().product());
    for i in 0..outer {
        for part in parts {
            let block = part.data().len() / outer.max(1);
            data.extend_from_slice(&part.data()[i * block..][..block]);
        }
    }
    Array::new(shape, data)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beliefs(clips: usize, first: f64) -> Beliefs {
        let mut out = Beliefs::default();
        let values = |n: usize| (0..n).map(|i| first + i as f64).collect();
        let z = Array::new([2, clips, 1], values(2 * clips)).unwrap();
        let c = Array::new([clips, 1], values(clips)).unwrap();
        out.insert("z", &[Axis::Draw, Axis::Clip, Axis::Size], z)
            .unwrap();
        out.insert("c", &[Axis::Clip, Axis::Size], c).unwrap();
        out
    }

    #[test]
    fn parts_are_joined_along_clips_wherever_that_axis_stands() {
        let all = Beliefs::joined(vec![beliefs(2, 0.0), beliefs(1, 10.0)]).unwrap();
        assert_eq!(all.get("c").unwrap().data(), [0.0, 1.0, 10.0]);
        assert_eq!(
            all.get("z").unwrap().data(),
            [0.0, 1.0, 10.0, 2.0, 3.0, 11.0]
        );
        assert_eq!(all.length(Axis::Clip), Some(3));
        assert_eq!(all.length(Axis::Frame), None);
    }

    #[test]
    fn the_first_frames_and_the_last_are_cut_from_every_clip() {
        let mut all = beliefs(2, 0.0);
        let frames = Array::new([2, 3, 2], (0..12).map(f64::from).collect()).unwrap();
        all.insert("s", &Beliefs::STATES, frames).unwrap();
        let cut = all.first_frames(2).unwrap();
        let kept = [0.0, 1.0, 2.0, 3.0, 6.0, 7.0, 8.0, 9.0];
        assert_eq!(cut.get("s").unwrap().data(), kept);
        assert_eq!(cut.get("z"), all.get("z"));
        assert!(all.first_frames(4).is_err());
        let last = all.last_frame().unwrap();
        assert_eq!(last.get("s").unwrap().shape(), [2, 1, 2]);
        assert_eq!(last.get("s").unwrap().data(), [4.0, 5.0, 10.0, 11.0]);
    }

    #[test]
    fn axes_that_do_not_fit_are_told() {
        let mut one = beliefs(2, 0.0);
        let wrong = one.insert("k", &[Axis::Clip], Array::zeros([3]));
        let message = wrong.unwrap_err().to_string();
        assert!(message.contains("3 along the axis Clip"), "{message}");
        let wrong = one.insert("k", &[Axis::Clip], Array::zeros([2, 2]));
        assert!(wrong.unwrap_err().to_string().contains("[2, 2]"));
    }
}
