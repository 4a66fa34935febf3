//! Export to NumPy's `.npz`: a zip archive of `.npy` arrays, stored as they are so that loading is reading.

use super::arrays::{Array, Values, arrays, names, units};
use super::export::Export;
use super::staged::Staged;
use crate::data::Split;
use crate::error::{Error, Result};
use crate::store::npy::Element;
use crate::store::npy::Header;
use crate::store::npy_stream::text_array;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use zip::write::{SimpleFileOptions, ZipWriter};

/// Writes `<split>.npz` with the keys frames, states, parameters, events and event_times, where there are such also actions
/// and energies, frame_seen where frames are missing, `<array>_columns` and `<array>_units` (text) and dt.
pub(super) fn write(export: &Export) -> Result<Vec<PathBuf>> {
    let mut made = Vec::new();
    for (name, split, n) in &export.splits {
        let path = export.out.join(format!("{name}.npz"));
        archive(export, split, *n, &path)?;
        made.push(path);
    }
    Ok(made)
}

fn archive(export: &Export, split: &Split, n: usize, path: &Path) -> Result<()> {
    let staged = Staged::beside(path)?;
    let file = File::create(&staged.path).map_err(Error::io(path))?;
    let mut zip = ZipWriter::new(BufWriter::with_capacity(1 << 20, file));
    for array in arrays(export.data) {
        entry(
            &mut zip,
            path,
            array.name,
            &header(path, &array, n)?,
            |to| {
                for i in 0..n {
                    to.write_all(array.values.of(split, i))?;
                    if array.name == "frames" {
                        export.bar.advance(1);
                    }
                }
                Ok(())
            },
            n as u64 * array.size() * array.shape.iter().product::<usize>() as u64,
        )?;
        if !["frames", "event_times", "frame_seen"].contains(&array.name) {
            for (what, words) in [
                ("columns", names(array.columns)),
                ("units", units(array.columns)),
            ] {
                let of = match array.name {
                    "energies" => "energy",
                    name => name.trim_end_matches('s'),
                };
                let key = format!("{of}_{what}");
                let bytes = text_array(&words)?;
                entry(&mut zip, path, &key, &bytes, |_| Ok(()), 0)?;
            }
        }
    }
    let dt = export.data.dt().to_le_bytes();
    let bytes = [Header::bytes(path, f64::DESCR, &[])?, dt.to_vec()].concat();
    entry(&mut zip, path, "dt", &bytes, |_| Ok(()), 0)?;
    let broken = |e: zip::result::ZipError| Error::file(path, e.to_string());
    let mut file = zip.finish().map_err(broken)?;
    file.flush().map_err(Error::io(path))?;
    drop(file);
    staged.finish()
}

fn header(path: &Path, array: &Array, n: usize) -> Result<Vec<u8>> {
    let descr = match array.values {
        Values::Bytes(_) => u8::DESCR,
        Values::Doubles(_) => f64::DESCR,
    };
    let shape = [&[n], array.shape.as_slice()].concat();
    Header::bytes(path, descr, &shape)
}

type Zip = ZipWriter<BufWriter<File>>;

/// Adds `<key>.npy`: a start, and `more` bytes that `rest` writes.
fn entry(
    zip: &mut Zip,
    path: &Path,
    key: &str,
    start: &[u8],
    rest: impl FnOnce(&mut Zip) -> std::io::Result<()>,
    more: u64,
) -> Result<()> {
    // No time is stored: the same dataset gives the same bytes. Past 4 GB an entry needs the longer form.
    let options = SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default())
        .large_file(more > 4_000_000_000);
    zip.start_file(format!("{key}.npy"), options)
        .map_err(|e| Error::file(path, e.to_string()))?;
    zip.write_all(start)
        .and_then(|()| rest(zip))
        .map_err(Error::io(path))
}
