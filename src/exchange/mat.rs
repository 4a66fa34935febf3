//! MATLAB's files of version 5 (`save -v6` and `-v7`): their arrays of numbers. Version 7.3 is HDF5.
//!
//! Source: MATLAB MAT-File Format, The MathWorks, R2023a. Elements with a tag of type and length, zlib around each
//! array in `-v7`; values are stored column by column, often in a smaller type than the array's own.
//!
//! Considered: the crate `matfile` reads arrays into memory as a whole and does not bound what a compressed one unpacks
//! to.

use super::staged::Staged;
use super::stores::{Store, Unpacked, allowed};
use crate::error::{Error, Result};
use flate2::read::ZlibDecoder;
use simulators::Column;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Bytes before the first element.
const HEAD: u64 = 128;
/// Arrays in a file at most, axes of one, letters of a name.
const MOST_ARRAYS: usize = 10_000;
const MOST_AXES: u32 = 32;
const MOST_NAME: u32 = 255;

/// Types of elements.
const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;

/// An array that is there.
#[derive(Clone, Debug)]
struct Found {
    name: String,
    /// Where its element starts, and its length.
    at: u64,
    length: u64,
    compressed: bool,
    shape: Vec<usize>,
    /// NumPy's word for its class, or why it is not read.
    descr: std::result::Result<&'static str, String>,
}

/// An opened file.
pub(super) struct Mat {
    path: PathBuf,
    beside: PathBuf,
    left: u64,
    big: bool,
    arrays: Vec<Found>,
}

impl Mat {
    /// Opens a file of which at most `limit` bytes are unpacked.
    ///
    /// # Errors
    /// [`Error::File`] for another format, elements that lead outside the file.
    pub fn open(path: &Path, beside: &Path, limit: u64) -> Result<Self> {
        let wrong =
            |message: String| Error::file(path, format!("expected a MATLAB file: {message}"));
        let mut file = File::open(path).map_err(Error::io(path))?;
        let total = file.metadata().map_err(Error::io(path))?.len();
        let mut head = [0; HEAD as usize];
        file.read_exact(&mut head)
            .map_err(|_| wrong(format!("got {total} bytes")))?;
        let big = match &head[126..] {
            b"IM" => false,
            b"MI" => true,
            other => return Err(wrong(format!("got byte order {other:?}"))),
        };
        let mut this = Self {
            path: path.to_path_buf(),
            beside: beside.to_path_buf(),
            left: limit,
            big,
            arrays: Vec::new(),
        };
        let mut at = HEAD;
        while at + 8 <= total && this.arrays.len() < MOST_ARRAYS {
            file.seek(SeekFrom::Start(at)).map_err(Error::io(path))?;
            let mut reader = BufReader::new(&file);
            let (kind, length) = this.tag(&mut reader).map_err(|e| wrong(e.to_string()))?;
            let (length, from) = (u64::from(length), at + 8);
            if from + length > total {
                return Err(wrong(format!(
                    "an element of {length} bytes at {at} in a file of {total} (truncated?)"
                )));
            }
            let found = match kind {
                MATRIX => this.describe(&mut reader, from, length, false),
                COMPRESSED => {
                    let mut inner = ZlibDecoder::new(reader.take(length));
                    match this.tag(&mut inner) {
                        Ok((MATRIX, _)) => this.describe(&mut inner, from, length, true),
                        Ok(_) => Ok(None),
                        Err(e) => Err(e),
                    }
                }
                _ => Ok(None),
            };
            let found = found.map_err(|e| wrong(format!("the element at {at}: {e}")))?;
            this.arrays.extend(found);
            // Compressed elements follow each other without padding, as MATLAB writes them.
            at = from
                + if kind == COMPRESSED {
                    length
                } else {
                    length.next_multiple_of(8)
                };
        }
        Ok(this)
    }

    fn word(&self, from: &mut impl Read) -> std::io::Result<u32> {
        let mut four = [0; 4];
        from.read_exact(&mut four)?;
        Ok(match self.big {
            true => u32::from_be_bytes(four),
            false => u32::from_le_bytes(four),
        })
    }

    /// Type and length of an element of the usual form.
    fn tag(&self, from: &mut impl Read) -> std::io::Result<(u32, u32)> {
        Ok((self.word(from)?, self.word(from)?))
    }

    /// An element of at most `most` bytes: its type and bytes, padding taken.
    fn small(&self, from: &mut impl Read, most: u32) -> std::io::Result<(u32, Vec<u8>)> {
        let first = self.word(from)?;
        let (kind, length, packed) = match first >> 16 {
            0 => (first, self.word(from)?, false),
            // The small form: length and type in one word, up to 4 bytes after it.
            length => (first & 0xffff, length, true),
        };
        if length > most || packed && length > 4 {
            let message = format!("expected at most {most} bytes, got {length}");
            return Err(std::io::Error::other(message));
        }
        let room = if packed {
            4
        } else {
            length.next_multiple_of(8)
        };
        let mut bytes = vec![0; room as usize];
        from.read_exact(&mut bytes)?;
        bytes.truncate(length as usize);
        Ok((kind, bytes))
    }

    /// Class, shape and name of the array whose content starts here.
    fn start(&self, from: &mut impl Read) -> std::io::Result<(u8, u8, Vec<usize>, String)> {
        let (_, flags) = self.small(from, 16)?;
        let (class, bits) = match (self.big, flags.get(..4)) {
            (false, Some(four)) => (four[0], four[1]),
            (true, Some(four)) => (four[3], four[2]),
            (_, None) => return Err(std::io::Error::other("flags that end early")),
        };
        let (_, sizes) = self.small(from, 4 * MOST_AXES)?;
        let size = |four: &[u8]| {
            let four = [four[0], four[1], four[2], four[3]];
            let size = match self.big {
                true => i32::from_be_bytes(four),
                false => i32::from_le_bytes(four),
            };
            usize::try_from(size)
                .map_err(|_| std::io::Error::other(format!("an axis of length {size}")))
        };
        let shape: Vec<usize> = sizes
            .chunks_exact(4)
            .map(size)
            .collect::<std::io::Result<_>>()?;
        let (_, name) = self.small(from, MOST_NAME)?;
        Ok((
            class,
            bits,
            shape,
            String::from_utf8_lossy(&name).into_owned(),
        ))
    }

    fn describe(
        &self,
        from: &mut impl Read,
        at: u64,
        length: u64,
        compressed: bool,
    ) -> std::io::Result<Option<Found>> {
        let (class, bits, shape, name) = self.start(from)?;
        let logical = bits & 2 != 0;
        let descr = match class {
            _ if bits & 8 != 0 => Err("complex numbers, where real ones are expected"),
            9 if logical => Ok("|b1"),
            6 => Ok("<f8"),
            7 => Ok("<f4"),
            8 => Ok("|i1"),
            9 => Ok("|u1"),
            10 => Ok("<i2"),
            11 => Ok("<u2"),
            12 => Ok("<i4"),
            13 => Ok("<u4"),
            14 => Ok("<i8"),
            15 => Ok("<u8"),
            1 => Err(
                "a cell array, where an array of numbers is expected: save what it holds by itself",
            ),
            2 | 3 => Err(
                "a structure, where an array of numbers is expected: save its fields by themselves (save -struct)",
            ),
            4 => Err("text, where an array of numbers is expected"),
            5 => Err("a sparse matrix, where a full one is expected: save full(..)"),
            _ => Err("an object, where an array of numbers is expected"),
        };
        Ok((!name.is_empty()).then_some(Found {
            name,
            at,
            length,
            compressed,
            shape,
            descr: descr.map_err(String::from),
        }))
    }

    /// Writes an array as `.npy`, column-major as it is.
    fn write(&self, found: &Found, descr: &str, count: u64, to: &Path) -> std::io::Result<()> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(found.at))?;
        let part = BufReader::new(file).take(found.length);
        let mut from: Box<dyn Read> = match found.compressed {
            true => {
                let mut inner = ZlibDecoder::new(part);
                self.tag(&mut inner)?;
                Box::new(inner)
            }
            false => Box::new(part),
        };
        self.start(&mut from)?;
        let first = self.word(&mut from)?;
        let (kind, length) = match first >> 16 {
            0 => (first, u64::from(self.word(&mut from)?)),
            length => (first & 0xffff, u64::from(length)),
        };
        let stored = Stored::of(kind)
            .ok_or_else(|| std::io::Error::other(format!("values of type {kind}")))?;
        if length != count * stored.size as u64 {
            return Err(std::io::Error::other(format!(
                "expected {count} values of {} bytes for shape {:?}, got {length} bytes",
                stored.size, found.shape
            )));
        }
        let mut out = BufWriter::with_capacity(1 << 20, File::create(to)?);
        let shape: Vec<String> = found.shape.iter().map(|n| format!("{n},")).collect();
        let text = format!(
            "{{'descr': '{descr}', 'fortran_order': True, 'shape': ({}), }}\n",
            shape.join(" ")
        );
        out.write_all(b"\x93NUMPY\x01\x00")?;
        out.write_all(&(text.len() as u16).to_le_bytes())?;
        out.write_all(text.as_bytes())?;
        let mut value = [0; 8];
        for _ in 0..count {
            let bytes = &mut value[..stored.size];
            from.read_exact(bytes)?;
            if self.big {
                bytes.reverse();
            }
            stored.put(bytes, descr, &mut out)?;
        }
        out.flush()
    }
}

/// The type in which values are stored.
#[derive(Clone, Copy)]
struct Stored {
    letter: char,
    size: usize,
}

impl Stored {
    fn of(kind: u32) -> Option<Self> {
        let (letter, size) = match kind {
            1 => ('i', 1),
            2 => ('u', 1),
            3 => ('i', 2),
            4 => ('u', 2),
            5 => ('i', 4),
            6 => ('u', 4),
            7 => ('f', 4),
            9 => ('f', 8),
            12 => ('i', 8),
            13 => ('u', 8),
            _ => return None,
        };
        Some(Self { letter, size })
    }

    /// Writes a value (little-endian bytes) in the type of the array.
    fn put(self, bytes: &[u8], descr: &str, out: &mut impl Write) -> std::io::Result<()> {
        let (letter, size) = (descr.as_bytes()[1], usize::from(descr.as_bytes()[2] - b'0'));
        if letter == self.letter as u8 && size == self.size || letter == b'b' {
            return out.write_all(&bytes[..size.min(bytes.len())]);
        }
        let mut eight = [0; 8];
        eight[..bytes.len()].copy_from_slice(bytes);
        let word = u64::from_le_bytes(eight);
        let unused = 64 - 8 * self.size as u32;
        let signed = (word << unused) as i64 >> unused;
        let float = match (self.letter, self.size) {
            ('f', 4) => f64::from(f32::from_bits(word as u32)),
            ('f', _) => f64::from_bits(word),
            ('i', _) => signed as f64,
            _ => word as f64,
        };
        match (letter, size) {
            (b'f', 4) => out.write_all(&(float as f32).to_le_bytes()),
            (b'f', _) => out.write_all(&float.to_le_bytes()),
            // Integers are stored as integers, never larger than their class.
            _ => {
                let whole = if self.letter == 'i' {
                    signed
                } else {
                    word as i64
                };
                out.write_all(&whole.to_le_bytes()[..size])
            }
        }
    }
}

impl Store for Mat {
    fn path(&self) -> &Path {
        &self.path
    }

    fn keys(&self) -> Vec<String> {
        self.arrays.iter().map(|found| found.name.clone()).collect()
    }

    fn array(&mut self, key: &str) -> Result<Unpacked> {
        let name = self.path.join(key);
        let found = self.arrays.iter().find(|found| found.name == key);
        let found = found
            .ok_or_else(|| Error::file(&name, "no such array"))?
            .clone();
        let descr = found
            .descr
            .clone()
            .map_err(|reason| Error::file(&name, reason))?;
        let size = u64::from(descr.as_bytes()[2] - b'0');
        let count = found
            .shape
            .iter()
            .try_fold(1u64, |count, &n| count.checked_mul(n as u64))
            .filter(|count| count.checked_mul(8).is_some())
            .ok_or_else(|| Error::file(&name, format!("shape {:?} is too large", found.shape)))?;
        allowed(&name, count * size, self.left)?;
        self.left -= count * size;
        let staged = Staged::beside(&self.beside)?;
        self.write(&found, descr, count, &staged.path)
            .map_err(|e| Error::file(&name, format!("can't be unpacked: {e}")))?;
        Unpacked::staged(staged, &name)
    }

    fn columns(&mut self, _key: &str, _what: &str) -> Result<Option<Vec<Column>>> {
        Ok(None)
    }

    fn dt(&mut self) -> Result<Option<f64>> {
        let one = |found: &Found| found.name == "dt" && found.shape.iter().all(|&n| n == 1);
        if !self.arrays.iter().any(one) {
            return Ok(None);
        }
        Ok(self.array("dt")?.stream.numbers(1)?.first().copied())
    }
}
