//! TensorBoard event files: scalars and pictures by step, read back and cut at a step so that a run can go on.
//!
//! A file is a sequence of TFRecords: length (u64), its masked CRC-32C, the data, their masked CRC-32C, all little-endian. The data
//! are protocol buffers, `Event { wall_time, step, file_version | summary }` with `Summary { value: [{ tag, simple_value | image }] }`
//! (TensorFlow: `core/lib/io/record_writer.cc`, `core/util/event.proto`, `core/framework/summary.proto`).
//!
//! Departure: `wall_time` is the step, in seconds, and no clock: the same run gives the same bytes. TensorBoard's horizontal axes
//! "wall" and "relative" therefore show steps.

use crate::error::{Error, Result};
use crate::store::atomic::write_atomic;
use std::path::{Path, PathBuf};

/// Something to look at, at one step.
#[derive(Clone, Debug, PartialEq)]
pub enum Summary {
    /// A number.
    Scalar(f64),
    /// A picture.
    Image {
        /// Pixels.
        width: usize,
        /// Pixels.
        height: usize,
        /// The picture as a PNG file.
        png: Vec<u8>,
    },
    /// What the HParams plugin keeps in the metadata of a summary: see [`super::hparams`].
    HParams(Vec<u8>),
}

impl Summary {
    /// A PNG file, whose size stands in its header; nothing where it has none.
    pub fn png(png: Vec<u8>) -> Option<Self> {
        let size = |at: usize| {
            let bytes = png.get(at..at + 4)?.try_into().ok()?;
            Some(u32::from_be_bytes(bytes) as usize)
        };
        let (width, height) = (size(16)?, size(20)?);
        Some(Self::Image { width, height, png })
    }
}

/// An event file. It is written as a whole at every change, so it is whole at every moment.
#[derive(Debug)]
pub struct Events {
    path: PathBuf,
    /// Step and record, in their order.
    records: Vec<(u64, Vec<u8>)>,
}

impl Events {
    /// Opens a file, or begins one. What follows a damaged record is left out.
    ///
    /// # Errors
    /// A file that can't be read.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let records = match path.exists() {
            true => records(&std::fs::read(&path).map_err(Error::io(&path))?),
            false => Vec::new(),
        };
        Ok(Self { path, records })
    }

    /// A new file, whatever stood there; nothing is written yet.
    pub fn anew(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            records: Vec::new(),
        }
    }

    /// Drops what was recorded after `step`.
    pub fn keep_until(&mut self, step: u64) {
        self.records.retain(|(at, _)| *at <= step);
    }

    /// Records some values at `step` and writes the file.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn append(&mut self, step: u64, values: &[(String, Summary)]) -> Result<()> {
        if !values.is_empty() {
            let mut summary = Vec::new();
            for (tag, value) in values {
                field(&mut summary, 1, &encoded(tag, value));
            }
            self.records.push((step, event(step, 5, &summary)));
        }
        self.write()
    }

    /// One event at step 0, written unless the file holds it already.
    ///
    /// # Errors
    /// A file that can't be read or written.
    pub(super) fn once(path: PathBuf, values: &[(String, Summary)]) -> Result<()> {
        let there = Self::open(path)?;
        let mut summary = Vec::new();
        for (tag, value) in values {
            field(&mut summary, 1, &encoded(tag, value));
        }
        let records = vec![(0, event(0, 5, &summary))];
        match there.records == records {
            true => Ok(()),
            false => Self { records, ..there }.write(),
        }
    }

    /// Writes the file.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn write(&self) -> Result<()> {
        let mut bytes = framed(&event(0, 3, b"brain.Event:2"));
        for (_, record) in &self.records {
            bytes.extend(framed(record));
        }
        write_atomic(&self.path, &bytes).map(drop)
    }

    /// Where it stands.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// `Event` with its length-delimited field `number`.
fn event(step: u64, number: u64, data: &[u8]) -> Vec<u8> {
    let mut out = vec![WALL_TIME];
    out.extend((step as f64).to_le_bytes());
    out.push(STEP);
    varint(&mut out, step);
    field(&mut out, number, data);
    out
}

/// Key of a double, field 1.
const WALL_TIME: u8 = 1 << 3 | 1;
/// Key of a varint, field 2.
const STEP: u8 = 2 << 3;

/// `Summary.Value`.
fn encoded(tag: &str, value: &Summary) -> Vec<u8> {
    let mut out = Vec::new();
    field(&mut out, 1, tag.as_bytes());
    match value {
        Summary::Scalar(value) => {
            out.push(2 << 3 | 5);
            out.extend((*value as f32).to_le_bytes());
        }
        Summary::Image { width, height, png } => {
            let mut image = Vec::new();
            // Colour space 3: RGB.
            for (number, value) in [(1, *height as u64), (2, *width as u64), (3, 3)] {
                varint(&mut image, number << 3);
                varint(&mut image, value);
            }
            field(&mut image, 4, png);
            field(&mut out, 4, &image);
        }
        Summary::HParams(content) => {
            // A float tensor (type 1) of shape (0): the value itself is in the metadata.
            let mut tensor = vec![1 << 3, 1];
            field(&mut tensor, 2, &[2 << 3 | 2, 0]);
            field(&mut out, 8, &tensor);
            let mut plugin = Vec::new();
            field(&mut plugin, 1, b"hparams");
            field(&mut plugin, 2, content);
            let mut metadata = Vec::new();
            field(&mut metadata, 1, &plugin);
            field(&mut out, 9, &metadata);
        }
    }
    out
}

/// A length-delimited field.
pub(super) fn field(out: &mut Vec<u8>, number: u64, data: &[u8]) {
    varint(out, number << 3 | 2);
    varint(out, data.len() as u64);
    out.extend(data);
}

/// A number in groups of seven bits, the lowest first.
pub(super) fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn framed(record: &[u8]) -> Vec<u8> {
    let length = (record.len() as u64).to_le_bytes();
    let mut out = length.to_vec();
    out.extend(masked(&length).to_le_bytes());
    out.extend(record);
    out.extend(masked(record).to_le_bytes());
    out
}

/// Steps and records of a file but its first, up to the first that is damaged.
fn records(bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut found = Vec::new();
    let mut rest = bytes;
    while let Some((record, after)) = next(rest) {
        rest = after;
        let Some(step) = step(record) else { break };
        found.push((step, record.to_vec()));
    }
    if !found.is_empty() {
        found.remove(0);
    }
    found
}

fn next(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let size = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    if u32::from_le_bytes(*sum) != masked(length) || size > rest.len() {
        return None;
    }
    let (record, rest) = rest.split_at(size);
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    (u32::from_le_bytes(*sum) == masked(record)).then_some((record, rest))
}

/// The step of an event that was written here.
fn step(record: &[u8]) -> Option<u64> {
    let (&STEP, mut rest) = record.get(9..)?.split_first()? else {
        return None;
    };
    let mut step = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        step |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(step);
        }
    }
    None
}

/// CRC-32C, rotated and shifted as TFRecords have it.
fn masked(data: &[u8]) -> u32 {
    crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli; reflected polynomial 0x82F63B78).
fn crc32c(data: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut i = 0;
        while i < 256 {
            let (mut value, mut bit) = (i as u32, 0);
            while bit < 8 {
                value = (value >> 1) ^ (if value & 1 == 1 { 0x82f6_3b78 } else { 0 });
                bit += 1;
            }
            table[i] = value;
            i += 1;
        }
        table
    };
    let step = |crc: u32, &byte: &u8| TABLE[usize::from(crc as u8 ^ byte)] ^ (crc >> 8);
    !data.iter().fold(!0, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_castagnolis() {
        // RFC 3720, B.4.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(&(0..32).collect::<Vec<u8>>()), 0x46dd_794e);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    fn scalar(value: f64) -> Vec<(String, Summary)> {
        vec![("validation/elbo".into(), Summary::Scalar(value))]
    }

    #[test]
    fn a_scalar_is_these_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let mut events = Events::open(folder.path().join("a")).unwrap();
        events
            .append(300, &[("a".into(), Summary::Scalar(1.5))])
            .unwrap();
        let bytes = std::fs::read(events.path()).unwrap();
        let (version, rest) = next(&bytes).unwrap();
        assert_eq!(version, b"\x09\0\0\0\0\0\0\0\0\x10\0\x1a\x0dbrain.Event:2");
        let (record, rest) = next(rest).unwrap();
        // Wall time 300.0, step 300, summary of one value: tag "a", simple_value 1.5.
        let expected =
            b"\x09\0\0\0\0\0\xc0\x72\x40\x10\xac\x02\x2a\x0a\x0a\x08\x0a\x01a\x15\0\0\xc0\x3f";
        assert_eq!(record, expected);
        assert!(rest.is_empty());
    }

    #[test]
    fn a_file_goes_on_from_a_step_with_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mut whole = Events::open(path("whole")).unwrap();
        for step in [10, 20, 300] {
            whole.append(step, &scalar(step as f64)).unwrap();
        }
        let mut first = Events::open(path("cut")).unwrap();
        first.append(10, &scalar(10.0)).unwrap();
        first.append(20, &scalar(20.0)).unwrap();
        first.append(250, &scalar(-1.0)).unwrap();
        let mut again = Events::open(path("cut")).unwrap();
        again.keep_until(20);
        again.append(300, &scalar(300.0)).unwrap();
        let read = |name| std::fs::read(path(name)).unwrap();
        assert_eq!(read("cut"), read("whole"));
    }

    #[test]
    fn a_damaged_file_is_read_up_to_the_damage() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let mut events = Events::open(&path).unwrap();
        events.append(1, &scalar(1.0)).unwrap();
        let one = std::fs::read(&path).unwrap().len();
        events.append(2, &scalar(2.0)).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() {
            let n = records(&whole[..length]).len();
            assert_eq!(n, usize::from(length >= one), "cut off at {length}");
        }
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            assert!(records(&bytes).len() < 2, "byte {at}");
        }
    }
}
