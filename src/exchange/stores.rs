//! Files of named arrays, whatever their format: each array is unpacked beside the place of the dataset, as an `.npy`
//! file, and read from there.

use super::axes::{Axes, Layout};
use super::hdf5_store::Hdf5;
use super::kinds::Kind;
use super::mat::Mat;
use super::npz::Archive;
use super::staged::Staged;
use crate::error::{Error, Result};
use crate::store::npy_order::reordered;
use crate::store::npy_stream::NpyStream;
use simulators::Column;
use std::path::{Path, PathBuf};

/// A file of named arrays.
pub(super) trait Store {
    /// What messages call it.
    fn path(&self) -> &Path;
    /// The arrays that there are.
    fn keys(&self) -> Vec<String>;
    /// Unpacks an array and opens it. No more is written than is allowed.
    fn array(&mut self, key: &str) -> Result<Unpacked>;
    /// Names and units of an array's columns, where the file tells them; `what` is its name in the singular.
    fn columns(&mut self, key: &str, what: &str) -> Result<Option<Vec<Column>>>;
    /// Time between frames, s, where the file tells it.
    fn dt(&mut self) -> Result<Option<f64>>;

    /// The first of these keys that is there.
    fn first(&self, keys: &[&str]) -> Option<String> {
        let there = self.keys();
        let found = keys.iter().find(|key| there.iter().any(|k| k == *key));
        found.map(|key| (*key).to_string())
    }
}

/// Opens a file of named arrays. `group` is the part of an HDF5 file that is meant.
///
/// # Errors
/// What the format's reader refuses.
pub(super) fn open(
    path: &Path,
    kind: Kind,
    group: Option<&str>,
    beside: &Path,
    limit: u64,
) -> Result<Box<dyn Store>> {
    Ok(match kind {
        Kind::Hdf5 => Box::new(Hdf5::open(path, group, beside, limit)?),
        Kind::Mat => Box::new(Mat::open(path, beside, limit)?),
        _ => Box::new(Archive::open(path, beside, limit)?),
    })
}

/// An array that was unpacked, its file removed when dropped.
pub(super) struct Unpacked {
    pub stream: NpyStream,
    /// Where it lies.
    place: PathBuf,
    _file: Option<Staged>,
}

impl Unpacked {
    /// An array that was written to a file of ours.
    pub fn staged(file: Staged, name: &Path) -> Result<Self> {
        Ok(Self {
            stream: NpyStream::open(&file.path, name)?,
            place: file.path.clone(),
            _file: Some(file),
        })
    }

    /// Somebody's `.npy` file, left where it is.
    pub fn of_file(path: &Path) -> Result<Self> {
        Ok(Self {
            stream: NpyStream::open(path, path)?,
            place: path.to_path_buf(),
            _file: None,
        })
    }

    /// With its axes in this order, its values row-major: written anew beside `beside` where they are not.
    pub fn ordered(self, axes: Option<&[usize]>, beside: &Path) -> Result<Self> {
        let own: Vec<usize> = (0..self.stream.shape().len()).collect();
        let axes = axes.unwrap_or(&own);
        if axes == own && !self.stream.is_fortran() {
            return Ok(self);
        }
        let file = Staged::beside(beside)?;
        let name = self.stream.name().to_path_buf();
        reordered(&self.place, &name, axes, &file.path)?;
        Self::staged(file, &name)
    }

    /// As frames: the layout, and the array in the order in which it is read.
    pub fn frames(self, axes: Option<&Axes>, beside: &Path) -> Result<(Layout, Self)> {
        let layout = Layout::of(self.stream.shape(), axes, self.stream.name())?;
        let ordered = self.ordered(layout.order.as_deref(), beside)?;
        Ok((layout, ordered))
    }
}

/// Refuses an array that would take more than what may still be unpacked.
///
/// # Errors
/// [`Error::File`] with both sizes and the flag that allows it.
pub(super) fn allowed(name: &Path, bytes: u64, left: u64) -> Result<()> {
    if bytes <= left {
        return Ok(());
    }
    Err(Error::file(
        name,
        format!(
            "unpacks to {bytes} bytes, more than the {left} that are allowed (a bomb or a mistake); allow it with --limit-gib"
        ),
    ))
}
