//! Other people's `.npy` arrays: any number type, read in order, with memory independent of the array's size.
//!
//! [`Npy`](crate::store::npy::Npy) maps the few types that this project writes; here every boolean, integer and float
//! type of NumPy (little-endian) is taken and converted; column-major arrays by way of
//! [`reordered`](super::npy_order::reordered). Nothing is allocated before sizes are checked against the file, and
//! object arrays (pickled Python objects) are refused: nothing is ever unpickled.

use crate::error::{Error, Result};
use crate::store::npy_dictionary::Dictionary;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// NumPy's own limit for headers that are read without `max_header_size`.
const MAX_HEADER: usize = 10_000;

/// Number type of an array on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One byte, 0 or 1.
    Bool,
    /// Unsigned integers of 1, 2, 4 or 8 bytes.
    Unsigned(usize),
    /// Signed integers of 1, 2, 4 or 8 bytes.
    Signed(usize),
    /// Floats of 4 or 8 bytes.
    Float(usize),
    /// Text of this many letters of 4 bytes (UTF-32).
    Text(usize),
}

impl Kind {
    fn of(descr: &str) -> std::result::Result<Self, String> {
        let size = |from: usize| descr.get(from..).and_then(|n| n.parse::<usize>().ok());
        let order = descr.chars().next().unwrap_or(' ');
        let little = matches!(order, '<' | '|');
        match (descr.chars().nth(1), size(2)) {
            (Some('b'), Some(1)) if little => Ok(Self::Bool),
            (Some('u'), Some(n @ (1 | 2 | 4 | 8))) if little => Ok(Self::Unsigned(n)),
            (Some('i'), Some(n @ (1 | 2 | 4 | 8))) if little => Ok(Self::Signed(n)),
            (Some('f'), Some(n @ (4 | 8))) if little => Ok(Self::Float(n)),
            (Some('U'), Some(n)) if little => Ok(Self::Text(n)),
            (Some('O'), _) => Err(format!(
                "an object array ({descr:?}): pickled Python objects are never read; save a plain array of numbers"
            )),
            _ => Err(format!(
                "expected bool, integers or floats of 4 or 8 bytes, little-endian, got {descr:?}; convert it with numpy's astype"
            )),
        }
    }

    /// NumPy's word for it.
    pub fn descr(self) -> String {
        match self {
            Self::Bool => "|b1".into(),
            Self::Unsigned(1) => "|u1".into(),
            Self::Signed(1) => "|i1".into(),
            Self::Unsigned(n) => format!("<u{n}"),
            Self::Signed(n) => format!("<i{n}"),
            Self::Float(n) => format!("<f{n}"),
            Self::Text(n) => format!("<U{n}"),
        }
    }

    /// Bytes a value.
    pub fn bytes(self) -> usize {
        match self {
            Self::Bool => 1,
            Self::Unsigned(n) | Self::Signed(n) | Self::Float(n) => n,
            Self::Text(n) => n.saturating_mul(4),
        }
    }

    /// The value that its bytes stand for; integers above 2^53 are rounded.
    fn value(self, bytes: &[u8]) -> f64 {
        let mut eight = [0; 8];
        eight[..bytes.len().min(8)].copy_from_slice(&bytes[..bytes.len().min(8)]);
        let word = u64::from_le_bytes(eight);
        match self {
            Self::Bool => f64::from(u8::from(word != 0)),
            Self::Unsigned(_) => word as f64,
            Self::Signed(n) => {
                let unused = 64 - 8 * n as u32;
                ((word << unused) as i64 >> unused) as f64
            }
            Self::Float(4) => f64::from(f32::from_bits(word as u32)),
            Self::Float(_) => f64::from_bits(word),
            Self::Text(_) => f64::NAN,
        }
    }
}

/// An array that is read in order.
#[derive(Debug)]
pub struct NpyStream {
    /// What messages call it.
    name: PathBuf,
    file: BufReader<File>,
    kind: Kind,
    shape: Vec<usize>,
    fortran: bool,
    /// Where the values start, bytes.
    offset: u64,
}

impl NpyStream {
    /// Opens a file and checks that exactly the values of its shape follow its header. `name` is what messages call it.
    ///
    /// # Errors
    /// [`Error::File`] naming what is refused: object arrays, other types and byte orders, a
    /// truncated file, trailing bytes.
    pub fn open(path: &Path, name: &Path) -> Result<Self> {
        let wrong = |message: String| Error::file(name, message);
        let file = File::open(path).map_err(Error::io(name))?;
        let total = file.metadata().map_err(Error::io(name))?.len();
        let mut file = BufReader::new(file);
        let mut start = [0; 8];
        let short = |_| wrong(format!("expected an npy array, got {total} bytes"));
        file.read_exact(&mut start).map_err(short)?;
        if &start[..6] != b"\x93NUMPY" {
            return Err(wrong(
                "expected an npy array, got another first byte string".into(),
            ));
        }
        let (width, length) = match start[6] {
            1 => {
                let mut two = [0; 2];
                file.read_exact(&mut two).map_err(short)?;
                (2, usize::from(u16::from_le_bytes(two)))
            }
            2 | 3 => {
                let mut four = [0; 4];
                file.read_exact(&mut four).map_err(short)?;
                (4, u32::from_le_bytes(four) as usize)
            }
            other => return Err(wrong(format!("expected npy version 1 to 3, got {other}"))),
        };
        if length > MAX_HEADER {
            return Err(wrong(format!(
                "expected a header of at most {MAX_HEADER} bytes, got {length}"
            )));
        }
        let mut text = vec![0; length];
        file.read_exact(&mut text)
            .map_err(|_| wrong(format!("truncated: expected a header of {length} bytes")))?;
        let text = String::from_utf8(text)
            .map_err(|_| wrong("expected a header of text, got other bytes".into()))?;
        let (descr, fortran, shape) =
            Dictionary::parse(&text).map_err(|e| wrong(format!("header: {e}")))?;
        let kind = Kind::of(&descr).map_err(wrong)?;
        let bytes = shape
            .iter()
            .try_fold(kind.bytes() as u64, |bytes, &n| bytes.checked_mul(n as u64))
            .ok_or_else(|| wrong(format!("shape {shape:?} is too large for any memory")))?;
        let got = total.saturating_sub((8 + width + length) as u64);
        if got != bytes {
            return Err(wrong(format!(
                "expected {bytes} bytes of values for {descr} {shape:?}, got {got}"
            )));
        }
        Ok(Self {
            name: name.to_path_buf(),
            file,
            kind,
            // With one axis, or none longer than 1 but one, both orders are the same.
            fortran: fortran && shape.iter().filter(|&&n| n != 1).count() > 1,
            shape,
            offset: (8 + width + length) as u64,
        })
    }

    /// Size along every axis.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number type.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What messages call it.
    pub fn name(&self) -> &Path {
        &self.name
    }

    /// Whether its values lie in column-major order: those can't be read in row-major order as they come.
    pub fn is_fortran(&self) -> bool {
        self.fortran
    }

    /// Where its values start in the file, bytes.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next `n` values as they are on disk.
    ///
    /// # Errors
    /// [`Error::Io`] when fewer are left, [`Error::File`] for a column-major array.
    pub fn bytes(&mut self, n: usize) -> Result<Vec<u8>> {
        if self.fortran {
            let message = "expected row-major (C) order, got column-major (Fortran) order";
            return Err(Error::file(&self.name, message));
        }
        let mut bytes = vec![0; n.saturating_mul(self.kind.bytes())];
        self.file
            .read_exact(&mut bytes)
            .map_err(Error::io(&self.name))?;
        Ok(bytes)
    }

    /// The next `n` values as numbers.
    ///
    /// # Errors
    /// [`Error::Io`] when fewer are left, [`Error::File`] for text.
    pub fn numbers(&mut self, n: usize) -> Result<Vec<f64>> {
        if let Kind::Text(_) = self.kind {
            return Err(Error::file(&self.name, "expected numbers, got text"));
        }
        let bytes = self.bytes(n)?;
        let kind = self.kind;
        Ok(bytes
            .chunks_exact(kind.bytes())
            .map(|value| kind.value(value))
            .collect())
    }

    /// All values of an array of text.
    ///
    /// # Errors
    /// [`Error::File`] when it holds something else.
    pub fn text(&mut self) -> Result<Vec<String>> {
        let wrong = |name: &Path| Error::file(name, "expected an array of text");
        let Kind::Text(letters) = self.kind else {
            return Err(wrong(&self.name));
        };
        let count = self.shape.iter().product();
        let bytes = self.bytes(count)?;
        (0..count)
            .map(|i| {
                let word = &bytes[4 * letters * i..4 * letters * (i + 1)];
                let letters = word.chunks_exact(4).map(|letter| {
                    char::from_u32(u32::from_le_bytes([
                        letter[0], letter[1], letter[2], letter[3],
                    ]))
                });
                let text: Option<String> = letters.collect();
                let text = text.ok_or_else(|| wrong(&self.name))?;
                Ok(text.trim_end_matches('\0').to_string())
            })
            .collect()
    }
}

/// The bytes of a whole array of text, as NumPy stores it.
///
/// # Errors
/// More than 32 axes.
pub fn text_array(words: &[String]) -> Result<Vec<u8>> {
    let letters = words.iter().map(|word| word.chars().count()).max();
    let letters = letters.unwrap_or(0).max(1);
    let descr = format!("<U{letters}");
    let mut bytes =
        crate::store::npy_header::Header::bytes(Path::new("text.npy"), &descr, &[words.len()])?;
    for word in words {
        let mut word: Vec<u32> = word.chars().map(u32::from).collect();
        word.resize(letters, 0);
        bytes.extend(word.iter().flat_map(|letter| letter.to_le_bytes()));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(descr: &str, shape: &str, values: &[u8]) -> Result<NpyStream> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npy");
        let text = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n");
        let length = (text.len() as u16).to_le_bytes();
        let bytes = [b"\x93NUMPY\x01\x00", &length[..], text.as_bytes(), values].concat();
        std::fs::write(&path, bytes).unwrap();
        NpyStream::open(&path, Path::new("a.npy"))
    }

    #[test]
    fn every_number_type_is_read_as_its_value() {
        let read = |descr: &str, bytes: &[u8]| {
            let mut stream = array(descr, "(2,)", bytes).unwrap();
            stream.numbers(2).unwrap()
        };
        assert_eq!(read("'|b1'", &[1, 0]), [1.0, 0.0]);
        assert_eq!(read("'|u1'", &[255, 3]), [255.0, 3.0]);
        assert_eq!(read("'|i1'", &[255, 3]), [-1.0, 3.0]);
        assert_eq!(read("'<u2'", &[1, 1, 255, 255]), [257.0, 65535.0]);
        assert_eq!(read("'<i2'", &[1, 1, 255, 255]), [257.0, -1.0]);
        let both = |a: &[u8], b: &[u8]| [a, b].concat();
        let ints = both(&(-70_000i32).to_le_bytes(), &5i32.to_le_bytes());
        assert_eq!(read("'<i4'", &ints), [-70_000.0, 5.0]);
        let ints = both(&i64::MIN.to_le_bytes(), &7i64.to_le_bytes());
        assert_eq!(read("'<i8'", &ints), [-(2f64.powi(63)), 7.0]);
        let floats = both(&0.5f32.to_le_bytes(), &(-2f32).to_le_bytes());
        assert_eq!(read("'<f4'", &floats), [0.5, -2.0]);
        let floats = both(&0.1f64.to_le_bytes(), &1e300f64.to_le_bytes());
        assert_eq!(read("'<f8'", &floats), [0.1, 1e300]);
    }

    #[test]
    fn text_comes_back_letter_by_letter() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npy");
        let words = ["x", "°C", ""].map(String::from);
        std::fs::write(&path, text_array(&words).unwrap()).unwrap();
        assert_eq!(
            NpyStream::open(&path, &path).unwrap().text().unwrap(),
            words
        );
    }

    #[test]
    fn what_is_not_read_is_refused_with_its_reason() {
        for (descr, shape, bytes, reason) in [
            ("'|O'", "(2,)", 16, "pickled Python objects are never read"),
            ("'>f8'", "(2,)", 16, "little-endian, got \">f8\""),
            ("'<f2'", "(2,)", 4, "astype"),
            ("'<c16'", "(2,)", 32, "astype"),
            ("'<f8'", "(2,)", 15, "expected 16 bytes of values"),
            ("'<f8'", "(2,)", 17, "got 17"),
            ("[('a', '<f8')]", "(2,)", 16, "header: expected"),
            (
                "'<f8'",
                "(4294967296, 4294967296, 2)",
                16,
                "too large for any memory",
            ),
        ] {
            let error = array(descr, shape, &vec![0; bytes])
                .unwrap_err()
                .to_string();
            assert!(
                error.starts_with("a.npy: ") && error.contains(reason),
                "{descr}: {error}"
            );
        }
    }
}
