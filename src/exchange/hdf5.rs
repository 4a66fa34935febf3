//! HDF5 files: the small part of the format that holds groups, contiguous arrays and attributes.
//!
//! Source: HDF5 File Format Specification version 3.0 (superblock version 2, object headers version 2), as read by HDF5 1.8
//! and newer. Everything but the arrays' values is written first, its addresses known from the shapes, so that values
//! stream through and memory does not depend on their number. The same calls give the same bytes: no times are stored.
//!
//! Considered: `hdf5-writer` holds the whole file in memory; `hdf5-pure` and `rust-hdf5` are more than 100,000 lines each,
//! most of which no file of ours needs; `hdf5-metno` wants the C library.

use crate::error::{Error, Result};
use crate::store::atomic::AtomicFile;
use std::path::Path;

/// Marks an address that is nowhere.
const NOWHERE: u64 = u64::MAX;
/// Where the first object header starts: after the superblock.
const ROOT: u64 = 48;

/// Number type of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// Unsigned, 1 byte.
    U8,
    /// Signed, 4 bytes.
    I32,
    /// Signed, 8 bytes.
    I64,
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}

/// Value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// One number.
    Number(f64),
    /// One text.
    Text(String),
    /// A list of texts.
    Texts(Vec<String>),
}

/// Name and value of an attribute.
pub type Attribute = (String, Value);

/// An array that is to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Its name in its group.
    pub name: String,
    /// Number type.
    pub number: Number,
    /// Size along every axis.
    pub shape: Vec<usize>,
    /// What is said about it.
    pub attributes: Vec<Attribute>,
}

/// A group of arrays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    /// Its name in the file; without one its arrays stand at the root.
    pub name: String,
    /// Its arrays, in the order in which their values are written.
    pub arrays: Vec<Array>,
    /// What is said about it.
    pub attributes: Vec<Attribute>,
}

/// A file whose structure is written and whose values follow, array after array.
pub struct Writer {
    file: AtomicFile,
    /// Of every array with values: bytes that are missing, and bytes of padding after them; the next one last.
    left: Vec<(u64, usize)>,
}

impl Writer {
    /// Starts a file of groups of arrays.
    ///
    /// # Errors
    /// [`Error::File`] for text that is too long for its place (64 kB for an attribute), a shape too large for a file,
    /// [`Error::Io`].
    pub fn create(path: &Path, groups: &[Group], attributes: &[Attribute]) -> Result<Self> {
        let wrong = |message: String| Error::file(path, message);
        let mut sizes = Vec::new();
        for array in groups.iter().flat_map(|group| &group.arrays) {
            sizes.push(array.bytes().ok_or_else(|| {
                wrong(format!(
                    "array {}: shape {:?} is too large",
                    array.name, array.shape
                ))
            })?);
        }
        // Headers do not change their size with the addresses in them: a first pass with none gives the addresses.
        let draft = headers(groups, attributes, &|_| NOWHERE, &|_| NOWHERE).map_err(wrong)?;
        let mut at = ROOT;
        let starts: Vec<u64> = draft
            .iter()
            .map(|header| {
                let start = at;
                at += header.len() as u64;
                start
            })
            .collect();
        let first_value = at.next_multiple_of(8);
        let mut at = first_value;
        let mut values = Vec::new();
        for &bytes in &sizes {
            values.push(if bytes == 0 { NOWHERE } else { at });
            at = at
                .checked_add(bytes)
                .and_then(|end| end.checked_next_multiple_of(8))
                .ok_or_else(|| wrong("too large for a file".into()))?;
        }
        let headers = headers(groups, attributes, &|i| starts[i], &|i| values[i]).map_err(wrong)?;
        let mut file = AtomicFile::create(path)?;
        file.write(&superblock(at))?;
        for header in &headers {
            file.write(header)?;
        }
        let written = starts.last().map_or(ROOT, |start| {
            start + headers.last().map_or(0, Vec::len) as u64
        });
        file.write(&vec![0; (first_value - written) as usize])?;
        let padded = |bytes: u64| (bytes, (bytes.wrapping_neg() % 8) as usize);
        let left = sizes.into_iter().rev().filter(|&bytes| bytes > 0);
        let left = left.map(padded).collect();
        Ok(Self { file, left })
    }

    /// Appends the next values of the array that is being written, as they lie on disk (little-endian).
    ///
    /// # Errors
    /// [`Error::Shape`] for more values than its shape has, [`Error::Io`].
    pub fn write(&mut self, values: &[u8]) -> Result<()> {
        if values.is_empty() {
            return Ok(());
        }
        let got = values.len() as u64;
        let Some((left, padding)) = self.left.last_mut().filter(|(left, _)| *left >= got) else {
            return Err(Error::Shape(format!(
                "{}: {got} bytes too many for an array",
                self.file.path().display()
            )));
        };
        *left -= got;
        self.file.write(values)?;
        if *left == 0 {
            self.file.write(&[0; 8][..*padding])?;
            self.left.pop();
        }
        Ok(())
    }

    /// Puts the file in its place.
    ///
    /// # Errors
    /// [`Error::Shape`] when values are missing, [`Error::Io`].
    pub fn finish(self) -> Result<()> {
        let missing: u64 = self.left.iter().map(|(left, _)| left).sum();
        if missing > 0 {
            return Err(Error::Shape(format!(
                "{}: {missing} bytes of values are missing",
                self.file.path().display()
            )));
        }
        self.file.finish()?;
        Ok(())
    }
}

impl Number {
    fn bytes(self) -> u64 {
        match self {
            Self::U8 => 1,
            Self::I32 | Self::F32 => 4,
            Self::I64 | Self::F64 => 8,
        }
    }

    /// Datatype message (IV.A.2.d).
    fn datatype(self) -> Vec<u8> {
        match self {
            // Fixed point, little-endian, unsigned, 8 bits from bit 0.
            Self::U8 => vec![0x10, 0, 0, 0, 1, 0, 0, 0, 0, 0, 8, 0],
            // The same, signed (bit 3 of the flags), 32 and 64 bits.
            Self::I32 => vec![0x10, 8, 0, 0, 4, 0, 0, 0, 0, 0, 32, 0],
            Self::I64 => vec![0x10, 8, 0, 0, 8, 0, 0, 0, 0, 0, 64, 0],
            // IEEE 754 single: sign at bit 31, exponent of 8 bits at 23, mantissa of 23 bits at 0, bias 127.
            Self::F32 => vec![
                0x11, 0x20, 31, 0, 4, 0, 0, 0, 0, 0, 32, 0, 23, 8, 0, 23, 0x7f, 0, 0, 0,
            ],
            // IEEE 754 double: sign at bit 63, exponent of 11 bits at 52, mantissa of 52 bits at 0, bias 1023.
            Self::F64 => vec![
                0x11, 0x20, 63, 0, 8, 0, 0, 0, 0, 0, 64, 0, 52, 11, 0, 52, 0xff, 3, 0, 0,
            ],
        }
    }
}

impl Array {
    fn bytes(&self) -> Option<u64> {
        let product = |bytes: u64, &n: &usize| bytes.checked_mul(n as u64);
        self.shape.iter().try_fold(self.number.bytes(), product)
    }
}

type Made<T> = std::result::Result<T, String>;

/// The object headers of the root, then of every group and its arrays. `header(i)` is the address of the i-th of them,
/// `value(k)` of the k-th array's values.
fn headers(
    groups: &[Group],
    attributes: &[Attribute],
    header: &dyn Fn(usize) -> u64,
    value: &dyn Fn(usize) -> u64,
) -> Made<Vec<Vec<u8>>> {
    let (mut all, mut k) = (vec![Vec::new()], 0);
    let mut links = Vec::new();
    for group in groups {
        let place = all.len();
        if group.name.is_empty() {
            for (i, array) in group.arrays.iter().enumerate() {
                links.push((array.name.as_str(), header(place + i)));
                all.push(array_header(array, value(k))?);
                k += 1;
            }
            continue;
        }
        links.push((group.name.as_str(), header(place)));
        let inside = group.arrays.iter().enumerate();
        let inside: Vec<_> = inside
            .map(|(i, array)| (array.name.as_str(), header(place + 1 + i)))
            .collect();
        all.push(group_header(&inside, &group.attributes)?);
        for array in &group.arrays {
            all.push(array_header(array, value(k))?);
            k += 1;
        }
    }
    all[0] = group_header(&links, attributes)?;
    Ok(all)
}

fn group_header(links: &[(&str, u64)], attributes: &[Attribute]) -> Made<Vec<u8>> {
    let nowhere = NOWHERE.to_le_bytes();
    let mut messages = Vec::new();
    // Link info (IV.A.2.c): links stand in this header, not in a heap. Group info (IV.A.2.k): nothing special.
    message(
        &mut messages,
        0x02,
        &[&[0, 0][..], &nowhere, &nowhere].concat(),
    )?;
    message(&mut messages, 0x0a, &[0, 0])?;
    for (name, address) in links {
        let length = u8::try_from(name.len())
            .map_err(|_| format!("name {name:?} is longer than 255 bytes"))?;
        // Link (IV.A.2.g), version 1: hard, ASCII, the name's length in one byte.
        let body = [&[1, 0, length][..], name.as_bytes(), &address.to_le_bytes()].concat();
        message(&mut messages, 0x06, &body)?;
    }
    object(messages, attributes)
}

fn array_header(array: &Array, address: u64) -> Made<Vec<u8>> {
    let mut messages = Vec::new();
    message(&mut messages, 0x01, &dataspace(&array.shape)?)?;
    message(&mut messages, 0x03, &array.number.datatype())?;
    // Fill value (IV.A.2.f), version 3: allocated late, written if set, none set.
    message(&mut messages, 0x05, &[3, 0x0a])?;
    let bytes = array.bytes().unwrap_or(0).to_le_bytes();
    // Data layout (IV.A.2.i), version 3: contiguous.
    message(
        &mut messages,
        0x08,
        &[&[3, 1][..], &address.to_le_bytes(), &bytes].concat(),
    )?;
    object(messages, &array.attributes)
}

/// Dataspace message (IV.A.2.b), version 2; no axis is a scalar.
fn dataspace(shape: &[usize]) -> Made<Vec<u8>> {
    let rank = u8::try_from(shape.len()).ok().filter(|&rank| rank <= 32);
    let rank = rank.ok_or_else(|| format!("{} axes are more than 32", shape.len()))?;
    let mut space = vec![2, rank, 0, u8::from(rank > 0)];
    space.extend(shape.iter().flat_map(|&n| (n as u64).to_le_bytes()));
    Ok(space)
}

/// Attribute message (IV.A.2.m), version 3.
fn attribute((name, value): &Attribute) -> Made<Vec<u8>> {
    let (datatype, space, data) = match value {
        Value::Number(number) => (
            Number::F64.datatype(),
            dataspace(&[])?,
            number.to_le_bytes().to_vec(),
        ),
        Value::Text(text) => texts(std::slice::from_ref(text), dataspace(&[])?)?,
        Value::Texts(all) => texts(all, dataspace(&[all.len()])?)?,
    };
    let length = |part: &[u8]| {
        u16::try_from(part.len())
            .map(u16::to_le_bytes)
            .map_err(|_| format!("attribute {name}: too long"))
    };
    let name = [name.as_bytes(), &[0]].concat();
    Ok([
        // Version, no flags, and after the sizes: names are UTF-8.
        &[3, 0][..],
        &length(&name)?,
        &length(&datatype)?,
        &length(&space)?,
        &[1],
        &name,
        &datatype,
        &space,
        &data,
    ]
    .concat())
}

/// Texts of one length, padded with zeros: datatype, dataspace, values.
fn texts(all: &[String], space: Vec<u8>) -> Made<(Vec<u8>, Vec<u8>, Vec<u8>)> {
    let size = all.iter().map(String::len).max().unwrap_or(0).max(1);
    let length = u32::try_from(size).map_err(|_| "text is too long".to_string())?;
    // Class 3 (string), zero-padded, UTF-8.
    let datatype = [&[0x13, 0x11, 0, 0][..], &length.to_le_bytes()].concat();
    let mut data = Vec::new();
    for text in all {
        data.extend_from_slice(text.as_bytes());
        data.resize(data.len() + size - text.len(), 0);
    }
    Ok((datatype, space, data))
}

/// Appends a header message: type, size, no flags, body.
fn message(to: &mut Vec<u8>, kind: u8, body: &[u8]) -> Made<()> {
    let size = u16::try_from(body.len())
        .map_err(|_| format!("expected at most 65535 bytes of text, got {}", body.len()))?;
    to.push(kind);
    to.extend_from_slice(&size.to_le_bytes());
    to.push(0);
    to.extend_from_slice(body);
    Ok(())
}

/// An object header, version 2 (IV.A.1.b), of these messages and attributes: one chunk, its size in 4 bytes.
fn object(mut messages: Vec<u8>, attributes: &[Attribute]) -> Made<Vec<u8>> {
    for one in attributes {
        message(&mut messages, 0x0c, &attribute(one)?)?;
    }
    let size = u32::try_from(messages.len()).map_err(|_| "too many attributes".to_string())?;
    let header = [&b"OHDR"[..], &[2, 2], &size.to_le_bytes(), &messages].concat();
    Ok(checked(header))
}

/// Superblock, version 2 (II.B): addresses and lengths of 8 bytes, the end of the file, the root's header.
fn superblock(end: u64) -> Vec<u8> {
    let mut block = b"\x89HDF\r\n\x1a\n\x02\x08\x08\x00".to_vec();
    for address in [0, NOWHERE, end, ROOT] {
        block.extend_from_slice(&address.to_le_bytes());
    }
    checked(block)
}

/// Bytes followed by their checksum.
fn checked(mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = lookup3(&bytes).to_le_bytes();
    bytes.extend_from_slice(&sum);
    bytes
}

/// Jenkins' lookup3 hash (`hashlittle` with an initial value of 0), the checksum of HDF5's metadata.
fn lookup3(bytes: &[u8]) -> u32 {
    let start = 0xdead_beef_u32.wrapping_add(bytes.len() as u32);
    let mut state = [start; 3];
    if bytes.is_empty() {
        return start;
    }
    let last = (bytes.len() - 1) / 12 * 12;
    for at in (0..=last).step_by(12) {
        let block = &bytes[at..bytes.len().min(at + 12)];
        for (word, four) in state.iter_mut().zip(block.chunks(4)) {
            let mut padded = [0; 4];
            padded[..four.len()].copy_from_slice(four);
            *word = word.wrapping_add(u32::from_le_bytes(padded));
        }
        let [a, b, c] = &mut state;
        if at < last {
            // Each line: x -= z, x ^= rot(z, n), z += y, over the words in turn.
            for (turn, n) in [4, 6, 8, 16, 19, 4].into_iter().enumerate() {
                let (x, y, z) = match turn % 3 {
                    0 => (&mut *a, &mut *b, &mut *c),
                    1 => (&mut *b, &mut *c, &mut *a),
                    _ => (&mut *c, &mut *a, &mut *b),
                };
                *x = x.wrapping_sub(*z) ^ z.rotate_left(n);
                *z = z.wrapping_add(*y);
            }
        } else {
            for (turn, n) in [14, 11, 25, 16, 4, 14, 24].into_iter().enumerate() {
                // x ^= y, x -= rot(y, n), for (x, y) = (c, b), (a, c), (b, a), ..
                let (x, y) = match turn % 3 {
                    0 => (&mut *c, &*b),
                    1 => (&mut *a, &*c),
                    _ => (&mut *b, &*a),
                };
                *x = (*x ^ y).wrapping_sub(y.rotate_left(n));
            }
        }
    }
    state[2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookup3_has_its_published_values() {
        // From the driver in Bob Jenkins' lookup3.c: hashlittle("", 0, 0) and of "Four score and seven years ago".
        assert_eq!(lookup3(b""), 0xdead_beef);
        assert_eq!(lookup3(b"Four score and seven years ago"), 0x1777_0551);
    }

    fn groups() -> Vec<Group> {
        let array = |name: &str, number, shape: &[usize]| Array {
            name: name.into(),
            number,
            shape: shape.to_vec(),
            attributes: vec![("unit".into(), Value::Text("px".into()))],
        };
        vec![Group {
            name: "train".into(),
            arrays: vec![
                array("a", Number::U8, &[3]),
                array("none", Number::F64, &[2, 0]),
                array("b", Number::F64, &[1]),
            ],
            attributes: vec![("dt".into(), Value::Number(0.2))],
        }]
    }

    #[test]
    fn too_few_or_too_many_values_are_an_error_and_leave_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.h5");
        let mut writer = Writer::create(&path, &groups(), &[]).unwrap();
        writer.write(&[1, 2]).unwrap();
        assert!(writer.write(&[3, 4]).is_err());
        let error = writer.finish().unwrap_err().to_string();
        assert!(error.ends_with("9 bytes of values are missing"), "{error}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_same_calls_give_the_same_bytes_and_arrays_lie_at_multiples_of_8() {
        let dir = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let path = dir.path().join(name);
            let mut writer = Writer::create(&path, &groups(), &[]).unwrap();
            writer.write(&[1, 2, 3]).unwrap();
            writer.write(&1.5f64.to_le_bytes()).unwrap();
            writer.finish().unwrap();
            std::fs::read(&path).unwrap()
        };
        let bytes = make("a.h5");
        assert_eq!(bytes, make("b.h5"));
        let n = bytes.len();
        assert_eq!(n % 8, 0);
        assert_eq!(bytes[n - 16..n - 13], [1, 2, 3]);
        assert_eq!(bytes[n - 8..], 1.5f64.to_le_bytes());
        assert_eq!(bytes[28..36], (n as u64).to_le_bytes());
    }

    #[test]
    fn text_that_is_too_long_for_an_attribute_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let long = ("config".to_string(), Value::Text("x".repeat(70_000)));
        let error = Writer::create(&dir.path().join("a.h5"), &[], &[long]);
        let error = error.err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error.contains("at most 65535 bytes"), "{error}");
    }
}
