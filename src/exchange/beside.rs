//! A table of states beside pictures: which row belongs to which frame.

use super::options::ImportOptions;
use super::table::{self, Asked};
use crate::error::{Error, Result};
use simulators::Column;
use std::path::{Path, PathBuf};

/// States of every frame of one recording.
#[derive(Debug)]
pub(super) struct Beside {
    path: PathBuf,
    /// Names and units, D.
    pub columns: Vec<Column>,
    /// (T, D), from frame 0 on.
    states: Vec<f64>,
    /// Number of the first frame in the table, where it numbers them.
    numbered: bool,
    pub notes: Vec<String>,
}

impl Beside {
    /// Reads the table that `--states` names.
    ///
    /// # Errors
    /// What the reader of tables refuses; more than one track.
    pub fn read(path: &Path, limit: u64, options: &ImportOptions) -> Result<Self> {
        let table = table::read(path, limit, &Asked::from(options))?;
        let [track] = &table.tracks[..] else {
            return Err(Error::file(
                path,
                format!(
                    "expected one row of states a frame, got {} tracks; keep the rows of one (or one column set a body: x1, y1, x2, y2)",
                    table.tracks.len()
                ),
            ));
        };
        let d = table.columns.len();
        if d == 0 {
            return Err(Error::file(path, "expected columns of states, got none"));
        }
        let mut states = track.states.clone();
        if let Some((first, every)) = track.numbered {
            // Frames are counted from 0, or from 1 where no row is of frame 0 and the first is of frame 1.
            let from = if first == 1 { 1 } else { 0 };
            let lead = usize::try_from(first - from)
                .ok()
                .filter(|&lead| lead < 1 << 32);
            let lead = lead.ok_or_else(|| {
                Error::file(
                    path,
                    format!("expected frame numbers from 0 or 1 on, got {first}"),
                )
            })?;
            let every = usize::try_from(every).unwrap_or(1).max(1);
            let rows = states.chunks_exact(d);
            let total = lead.saturating_add((rows.len() - 1).saturating_mul(every)) + 1;
            if total > 100 * rows.len() + 100_000 {
                let message = format!("{} rows over {total} frames", rows.len());
                return Err(Error::file(path, message));
            }
            let mut spread = vec![f64::NAN; total * d];
            for (k, row) in rows.enumerate() {
                let at = (lead + k * every) * d;
                spread[at..at + d].copy_from_slice(row);
            }
            states = spread;
        }
        Ok(Self {
            path: path.to_path_buf(),
            columns: table.columns,
            states,
            numbered: track.numbered.is_some(),
            notes: table.notes,
        })
    }

    /// Checks the table against the number of frames of the recording.
    ///
    /// # Errors
    /// [`Error::File`] with both numbers.
    pub fn fits(&self, frames: usize) -> Result<()> {
        let rows = self.states.len() / self.columns.len();
        // A table that numbers its frames may end early: the rest is not known.
        if rows == frames || self.numbered && rows < frames {
            return Ok(());
        }
        let (what, way) = match self.numbered {
            true => ("rows up to frame", "are its frames counted from 1?"),
            false => (
                "rows",
                "a column `frame` says which frames have rows where some have none",
            ),
        };
        Err(Error::file(
            &self.path,
            format!("expected a row a frame, {frames}, got {what} {rows}; {way}"),
        ))
    }

    /// The states of a frame of the recording, counted from 0.
    pub fn row(&self, frame: usize) -> Vec<f64> {
        let d = self.columns.len();
        let row = self.states.get(frame * d..(frame + 1) * d);
        row.map_or(vec![f64::NAN; d], <[f64]>::to_vec)
    }
}
