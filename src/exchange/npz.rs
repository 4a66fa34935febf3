//! Import from NumPy's `.npz` archives: arrays in a zip file, each unpacked to disk with its checksum verified.

use super::staged::Staged;
use super::stores::{Store, Unpacked, allowed};
use crate::error::{Error, Result};
use simulators::Column;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use zip::ZipArchive;

/// The archive, and its arrays unpacked beside the place of the dataset.
pub(super) struct Archive {
    path: PathBuf,
    zip: ZipArchive<BufReader<File>>,
    beside: PathBuf,
    /// Bytes that may still be unpacked.
    left: u64,
}

impl Archive {
    /// Opens an archive of which at most `limit` bytes are unpacked.
    ///
    /// # Errors
    /// Not a zip file.
    pub fn open(path: &Path, beside: &Path, limit: u64) -> Result<Self> {
        let file = File::open(path).map_err(Error::io(path))?;
        let zip = ZipArchive::new(BufReader::new(file))
            .map_err(|e| Error::file(path, format!("expected an npz archive: {e}")))?;
        Ok(Self {
            path: path.to_path_buf(),
            zip,
            beside: beside.to_path_buf(),
            left: limit,
        })
    }
}

impl Store for Archive {
    fn path(&self) -> &Path {
        &self.path
    }

    /// Entries with unreadable names are none.
    fn keys(&self) -> Vec<String> {
        let names = self.zip.file_names().flatten();
        let keys = names.filter_map(|name| name.strip_suffix(".npy").map(str::to_string));
        keys.collect()
    }

    /// Its checksum is verified. No more than its stated size is written.
    fn array(&mut self, key: &str) -> Result<Unpacked> {
        let name = self.path.join(key);
        let wrong = |message: String| Error::file(&name, message);
        let mut entry = self
            .zip
            .by_name(&format!("{key}.npy"))
            .map_err(|e| wrong(format!("{e}")))?;
        let (stated, limit) = (entry.size(), self.left);
        allowed(&name, stated, limit)?;
        let staged = Staged::beside(&self.beside)?;
        let mut file = File::create(&staged.path).map_err(Error::io(&staged.path))?;
        let unpacked = std::io::copy(&mut (&mut entry).take(stated + 1), &mut file)
            .map_err(|e| wrong(format!("can't be unpacked: {e}")))?;
        if unpacked != stated {
            return Err(wrong(format!(
                "expected {stated} bytes as the archive states, got {}{unpacked}",
                if unpacked > stated { "at least " } else { "" }
            )));
        }
        self.left = limit - stated;
        Unpacked::staged(staged, &name)
    }

    /// Our own exports tell them as `<what>_columns` and `<what>_units`.
    fn columns(&mut self, _key: &str, what: &str) -> Result<Option<Vec<Column>>> {
        let names = format!("{what}_columns");
        if self.first(&[&names]).is_none() {
            return Ok(None);
        }
        let names = self.array(&names)?.stream.text()?;
        let units = self.array(&format!("{what}_units"))?.stream.text()?;
        if names.len() != units.len() {
            let path = self.path.join(format!("{what}_units"));
            let message = format!("expected {} units, got {}", names.len(), units.len());
            return Err(Error::file(path, message));
        }
        let column = |(name, unit)| Column { name, unit };
        Ok(Some(names.into_iter().zip(units).map(column).collect()))
    }

    fn dt(&mut self) -> Result<Option<f64>> {
        let Some(key) = self.first(&["dt"]) else {
            return Ok(None);
        };
        let mut dt = self.array(&key)?;
        match dt.stream.shape().iter().product::<usize>() {
            1 => Ok(dt.stream.numbers(1)?.first().copied()),
            _ => Ok(None),
        }
    }
}
