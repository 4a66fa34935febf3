//! Import from HDF5 files: their arrays unpacked, chunk by chunk, and what our own exports say about them.

use super::hdf5_read::{Attribute, Chunk, Filter, Found, NOWHERE, Place, Reader};
use super::staged::Staged;
use super::stores::{Store, Unpacked, allowed};
use crate::error::{Error, Result};
use flate2::read::ZlibDecoder;
use simulators::Column;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Bytes of one chunk at most: it is unpacked in memory.
const MOST_CHUNK: u64 = 1 << 30;
/// Bytes that are copied at a time.
const BLOCK: u64 = 1 << 20;

/// An HDF5 file, or one group of it.
pub(super) struct Hdf5 {
    reader: Reader,
    /// `train/`, or nothing for the whole file.
    group: String,
    beside: PathBuf,
    left: u64,
    /// Written by MATLAB: shapes are the other way round.
    matlab: bool,
}

/// The groups of a file that hold frames, as our own export has one for every split; none where frames stand at the
/// root.
///
/// # Errors
/// What [`Reader::open`] refuses.
pub(super) fn groups(path: &Path, frames: &[&str]) -> Result<Vec<String>> {
    let reader = Reader::open(path)?;
    let has = |key: &str| reader.arrays.contains_key(key);
    if frames.iter().any(|key| has(key)) {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for key in reader.arrays.keys() {
        if let Some((group, name)) = key.rsplit_once('/')
            && frames.contains(&name)
            && !found.iter().any(|there| there == group)
        {
            found.push(group.to_string());
        }
    }
    Ok(found)
}

impl Hdf5 {
    /// Opens a file, or one group of it, of which at most `limit` bytes are unpacked.
    ///
    /// # Errors
    /// What [`Reader::open`] refuses.
    pub fn open(path: &Path, group: Option<&str>, beside: &Path, limit: u64) -> Result<Self> {
        let mut start = [0; 10];
        let matlab = File::open(path)
            .and_then(|mut file| file.read_exact(&mut start))
            .is_ok()
            && start.starts_with(b"MATLAB 7.3");
        Ok(Self {
            reader: Reader::open(path)?,
            group: group.map_or(String::new(), |group| format!("{group}/")),
            beside: beside.to_path_buf(),
            left: limit,
            matlab,
        })
    }

    fn found(&self, key: &str) -> Result<&Found> {
        let path = format!("{}{key}", self.group);
        let name = self.reader.path.join(&path);
        match self.reader.arrays.get(&path) {
            Some(Ok(found)) => Ok(found),
            Some(Err(reason)) => Err(Error::file(name, reason.as_str())),
            None => Err(Error::file(name, "no such array")),
        }
    }

    /// Writes the values of an array after its header.
    fn write(&mut self, found: &Found, name: &Path, to: &Path) -> Result<()> {
        let sizes: Vec<usize> = found
            .shape
            .iter()
            .map(|&n| usize::try_from(n).unwrap_or(usize::MAX))
            .collect();
        let header = header(&found.number.descr(), &sizes, self.matlab);
        let size = found.number.size as u64;
        let bytes = sizes
            .iter()
            .try_fold(size, |bytes, &n| bytes.checked_mul(n as u64));
        let bytes =
            bytes.ok_or_else(|| Error::file(name, format!("shape {sizes:?} is too large")))?;
        allowed(name, bytes, self.left)?;
        self.left -= bytes;
        let mut out = File::create(to).map_err(Error::io(to))?;
        out.write_all(&header).map_err(Error::io(to))?;
        match &found.place {
            Place::Compact(values) if values.len() as u64 == bytes => {
                let mut values = values.clone();
                found.little(&mut values);
                out.write_all(&values).map_err(Error::io(to))
            }
            Place::Compact(values) => Err(Error::file(
                name,
                format!("expected {bytes} bytes of values, got {}", values.len()),
            )),
            // Never written: all values are 0.
            Place::Contiguous(NOWHERE) => out
                .set_len(header.len() as u64 + bytes)
                .map_err(Error::io(to)),
            &Place::Contiguous(address) => {
                let mut done = 0;
                while done < bytes {
                    let part = BLOCK.min(bytes - done);
                    let mut values = self.reader.bytes(address + done, part)?;
                    found.little(&mut values);
                    out.write_all(&values).map_err(Error::io(to))?;
                    done += part;
                }
                Ok(())
            }
            Place::Chunked { tree, chunk } => {
                let end = header.len() as u64 + bytes;
                out.set_len(end).map_err(Error::io(to))?;
                if chunk.contains(&0) || found.shape.is_empty() {
                    return Err(Error::file(name, format!("chunks of shape {chunk:?}")));
                }
                let whole = chunk
                    .iter()
                    .try_fold(size, |bytes, &n| bytes.checked_mul(n));
                let whole = whole.filter(|&bytes| bytes <= MOST_CHUNK).ok_or_else(|| {
                    Error::file(name, format!("chunks of shape {chunk:?} are too large"))
                })?;
                for part in self.reader.chunks(*tree, found.shape.len())? {
                    if part.bytes > 2 * MOST_CHUNK {
                        return Err(Error::file(
                            name,
                            format!("a chunk of {} bytes", part.bytes),
                        ));
                    }
                    let raw = self.reader.bytes(part.address, part.bytes)?;
                    let mut values = unfiltered(raw, found, &part, whole).map_err(|e| {
                        Error::file(name, format!("chunk at {:?}: {e}", part.offset))
                    })?;
                    found.little(&mut values);
                    put(&mut out, header.len() as u64, &values, found, chunk, &part)
                        .map_err(Error::io(to))?;
                }
                Ok(())
            }
        }
    }
}

/// An npy header of any type and order.
fn header(descr: &str, shape: &[usize], matlab: bool) -> Vec<u8> {
    let shape: Vec<String> = match matlab {
        // What MATLAB stores column by column, HDF5 calls the other way round, row by row.
        true => shape.iter().rev().map(|n| format!("{n},")).collect(),
        false => shape.iter().map(|n| format!("{n},")).collect(),
    };
    let order = if matlab { "True" } else { "False" };
    let text = format!(
        "{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({}), }}\n",
        shape.join(" ")
    );
    let length = (text.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], text.as_bytes()].concat()
}

impl Found {
    /// Turns the bytes of values round where the greatest comes first.
    fn little(&self, values: &mut [u8]) {
        if self.number.big {
            let each = values.chunks_exact_mut(self.number.size);
            each.for_each(<[u8]>::reverse);
        }
    }
}

/// The values of a chunk: its filters undone, last first.
fn unfiltered(
    mut bytes: Vec<u8>,
    found: &Found,
    chunk: &Chunk,
    whole: u64,
) -> std::result::Result<Vec<u8>, String> {
    for (k, filter) in found.filters.iter().enumerate().rev() {
        if chunk.mask >> k & 1 == 1 {
            continue;
        }
        bytes = match filter {
            Filter::Fletcher32 => {
                let end = bytes.len().checked_sub(4).ok_or("no checksum")?;
                let (values, sum) = bytes.split_at(end);
                let want = u32::from_le_bytes([sum[0], sum[1], sum[2], sum[3]]);
                let got = fletcher32(values);
                if got != want {
                    return Err(format!(
                        "expected checksum {want:08x}, got {got:08x}: damaged"
                    ));
                }
                values.to_vec()
            }
            Filter::Deflate => {
                let mut out = Vec::new();
                ZlibDecoder::new(&bytes[..])
                    .take(whole + 5)
                    .read_to_end(&mut out)
                    .map_err(|e| format!("can't be unpacked: {e}"))?;
                out
            }
            Filter::Shuffle => {
                let size = found.number.size;
                let count = bytes.len() / size;
                let mut out = bytes.clone();
                for i in 0..count {
                    for k in 0..size {
                        out[i * size + k] = bytes[k * count + i];
                    }
                }
                out
            }
        };
    }
    match bytes.len() as u64 == whole {
        true => Ok(bytes),
        false => Err(format!(
            "expected {whole} bytes of values, got {}",
            bytes.len()
        )),
    }
}

/// Fletcher's checksum over words of two bytes, the greater first, folded as HDF5 does (`H5_checksum_fletcher32`).
fn fletcher32(bytes: &[u8]) -> u32 {
    let fold = |n: u32| (n & 0xffff) + (n >> 16);
    let (mut a, mut b) = (0u32, 0u32);
    // 360 words are as many as can't overflow the second sum.
    for block in bytes.chunks(720) {
        for two in block.chunks(2) {
            a += u32::from(two[0]) << 8 | two.get(1).map_or(0, |&low| u32::from(low));
            b += a;
        }
        (a, b) = (fold(a), fold(b));
    }
    (a, b) = (fold(a), fold(b));
    b << 16 | a
}

/// Puts the rows of a chunk in their places; what lies outside the array is padding.
fn put(
    out: &mut File,
    start: u64,
    values: &[u8],
    found: &Found,
    chunk: &[u64],
    part: &Chunk,
) -> std::io::Result<()> {
    let (rank, size) = (chunk.len(), found.number.size as u64);
    let inside = |k: usize| found.shape[k].saturating_sub(part.offset[k]).min(chunk[k]);
    let last = rank - 1;
    let run = inside(last);
    let rows: u64 = (0..last).map(inside).product();
    if run == 0 || rows == 0 {
        return Ok(());
    }
    let mut index = vec![0; last];
    for _ in 0..rows {
        let (mut from, mut to) = (0, 0);
        for (k, side) in chunk.iter().enumerate() {
            let i = index.get(k).copied().unwrap_or(0);
            from = from * side + i;
            to = to * found.shape[k] + part.offset[k] + i;
        }
        let bytes = &values[(from * size) as usize..((from + run) * size) as usize];
        out.seek(SeekFrom::Start(start + to * size))?;
        out.write_all(bytes)?;
        for k in (0..last).rev() {
            index[k] += 1;
            if index[k] < inside(k) {
                break;
            }
            index[k] = 0;
        }
    }
    Ok(())
}

impl Store for Hdf5 {
    fn path(&self) -> &Path {
        &self.reader.path
    }

    fn keys(&self) -> Vec<String> {
        let keys = self.reader.arrays.keys();
        keys.filter_map(|key| key.strip_prefix(&self.group))
            .map(str::to_string)
            .collect()
    }

    fn array(&mut self, key: &str) -> Result<Unpacked> {
        let found = self.found(key)?.clone();
        let name = self.reader.path.join(format!("{}{key}", self.group));
        let staged = Staged::beside(&self.beside)?;
        self.write(&found, &name, &staged.path)?;
        Unpacked::staged(staged, &name)
    }

    fn columns(&mut self, key: &str, _what: &str) -> Result<Option<Vec<Column>>> {
        let found = self.found(key)?;
        if found.shape.last() == Some(&0) {
            // Without columns there is nothing to name.
            return Ok(Some(Vec::new()));
        }
        let attributes = &found.attributes;
        let (Some(Attribute::Texts(names)), Some(Attribute::Texts(units))) =
            (attributes.get("columns"), attributes.get("units"))
        else {
            return Ok(None);
        };
        let column = |(name, unit): (&String, &String)| Column {
            name: name.clone(),
            unit: unit.clone(),
        };
        Ok(Some(names.iter().zip(units).map(column).collect()))
    }

    fn dt(&mut self) -> Result<Option<f64>> {
        if let Some(Attribute::Number(dt)) = self.reader.attributes.get("dt") {
            return Ok(Some(*dt));
        }
        let one = |found: &Found| found.shape.iter().all(|&n| n == 1);
        if !self.found("dt").is_ok_and(one) {
            return Ok(None);
        }
        Ok(self.array("dt")?.stream.numbers(1)?.first().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fletchers_checksum_is_the_sum_of_words_and_of_sums() {
        assert_eq!(fletcher32(&[0; 8]), 0);
        // By hand: 0x6162 + 0x6364 = 0xc4c6; 0x6162 + 0xc4c6 = 0x12628, folded 0x2629.
        assert_eq!(fletcher32(b"abcd"), 0x2629_c4c6);
        assert_eq!(fletcher32(b"a"), 0x6100_6100);
    }
}
