//! The header of an `.npy` file: one strict parser, one writer.
//!
//! Refused, with what was expected and got: other versions than 1.0, object arrays (pickled Python objects), other types
//! and byte orders, column-major order, a header longer than the file, more or fewer values than the shape says.

use crate::error::{Error, Result};
use crate::store::npy::Element;
use crate::store::npy_dictionary::{Dictionary, MAX_AXES};
use std::path::Path;

/// Magic, version 1.0.
const MAGIC: &[u8; 8] = b"\x93NUMPY\x01\x00";
/// NumPy starts the values at a multiple of this.
const ALIGN: usize = 64;

/// Type and shape of an array on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// NumPy's word for the type of its values: `|u1`, `<f4` or `<f8`.
    pub descr: String,
    /// Size along every axis.
    pub shape: Vec<usize>,
    /// Where the values start, bytes.
    pub offset: usize,
}

impl Header {
    /// The bytes in front of the values, as NumPy writes them.
    ///
    /// # Errors
    /// [`Error::File`] when the shape has too many axes.
    pub fn bytes(path: &Path, descr: &str, shape: &[usize]) -> Result<Vec<u8>> {
        if shape.len() > MAX_AXES {
            let got = shape.len();
            return Err(Error::file(
                path,
                format!("expected at most {MAX_AXES} axes, got {got}"),
            ));
        }
        let sizes: Vec<String> = shape.iter().map(usize::to_string).collect();
        let comma = if shape.len() == 1 { "," } else { "" };
        let mut text = format!(
            "{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}{comma}), }}",
            sizes.join(", ")
        );
        let start = MAGIC.len() + 2;
        let offset = (start + text.len() + 1).next_multiple_of(ALIGN);
        while start + text.len() + 1 < offset {
            text.push(' ');
        }
        text.push('\n');
        // At most 32 axes of 20 digits: far below 65536.
        let length = (text.len() as u16).to_le_bytes();
        Ok([MAGIC.as_slice(), &length, text.as_bytes()].concat())
    }

    /// Parses the start of a file and checks that exactly the values of its shape follow.
    ///
    /// # Errors
    /// [`Error::File`] naming what is refused: see the module's text.
    pub fn parse(path: &Path, content: &[u8]) -> Result<Self> {
        let wrong = |message: String| Error::file(path, message);
        let Some((magic, rest)) = content.split_at_checked(MAGIC.len()) else {
            return Err(wrong(format!(
                "expected an npy file, got {} bytes",
                content.len()
            )));
        };
        if magic[..6] != MAGIC[..6] {
            return Err(wrong(
                "expected an npy file, got another first byte string".into(),
            ));
        }
        if magic != MAGIC {
            let (major, minor) = (magic[6], magic[7]);
            return Err(wrong(format!(
                "expected npy version 1.0, got {major}.{minor}"
            )));
        }
        let &[low, high, ref rest @ ..] = rest else {
            return Err(wrong("truncated before the header".into()));
        };
        let length = usize::from(u16::from_le_bytes([low, high]));
        let Some(text) = rest.get(..length) else {
            let got = rest.len();
            return Err(wrong(format!(
                "expected a header of {length} bytes, got {got}"
            )));
        };
        let text = std::str::from_utf8(text)
            .ok()
            .filter(|text| text.is_ascii())
            .ok_or_else(|| wrong("expected an ASCII header".into()))?;
        let (descr, fortran, shape) =
            Dictionary::parse(text).map_err(|e| wrong(format!("header: {e}")))?;
        if fortran {
            let message = "header: expected row-major (C) order, got column-major (Fortran) order";
            return Err(wrong(message.into()));
        }
        let size = match descr.as_str() {
            u8::DESCR => 1,
            f32::DESCR => 4,
            f64::DESCR => 8,
            other => {
                let kind = match other.trim_start_matches(['|', '<', '>', '=']) {
                    "O" => "an object array (pickled Python objects are never read)",
                    _ => "another type",
                };
                return Err(wrong(format!(
                    "expected values of type |u1, <f4 or <f8, got {kind}: {other:?}"
                )));
            }
        };
        let offset = MAGIC.len() + 2 + length;
        let bytes = shape
            .iter()
            .try_fold(size, |bytes: usize, &n| bytes.checked_mul(n))
            .ok_or_else(|| wrong(format!("shape {shape:?} is too large for any memory")))?;
        let got = content.len() - offset;
        if got != bytes {
            return Err(wrong(format!(
                "expected {bytes} bytes of values for {descr} {shape:?}, got {got}"
            )));
        }
        Ok(Self {
            descr,
            shape,
            offset,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, values: usize) -> Result<Header> {
        let length = (text.len() as u16).to_le_bytes();
        let mut bytes = [MAGIC.as_slice(), &length, text.as_bytes()].concat();
        bytes.resize(bytes.len() + values, 0);
        Header::parse(Path::new("a.npy"), &bytes)
    }

    #[test]
    fn what_is_written_is_parsed_and_values_start_at_a_multiple_of_64() {
        for shape in [
            vec![],
            vec![3],
            vec![0, 7],
            vec![2, 3, 1, 4, 5],
            vec![1; 32],
        ] {
            let mut bytes = Header::bytes(Path::new("a.npy"), "<f8", &shape).unwrap();
            assert_eq!(bytes.len() % 64, 0);
            let offset = bytes.len();
            bytes.resize(offset + 8 * shape.iter().product::<usize>(), 1);
            let header = Header::parse(Path::new("a.npy"), &bytes).unwrap();
            let descr = "<f8".to_string();
            assert_eq!(
                header,
                Header {
                    descr,
                    shape,
                    offset
                }
            );
        }
    }

    #[test]
    fn forms_that_numpy_writes_are_taken() {
        for text in [
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }   \n",
            "{'shape':(2,1,),\"descr\":\"<f4\",'fortran_order':False}",
        ] {
            assert_eq!(parse(text, 8).unwrap().shape, [2, 1], "{text}");
        }
    }

    #[test]
    fn what_is_not_read_is_refused_with_its_reason() {
        let rest = "'fortran_order': False, 'shape': (2,)}";
        for (text, values, reason) in [
            (format!("{{'descr': '|O', {rest}"), 16, "an object array"),
            (
                format!("{{'descr': '>f8', {rest}"),
                16,
                "got another type: \">f8\"",
            ),
            (
                format!("{{'descr': [('a', '<f8')], {rest}"),
                16,
                "expected \"'\"",
            ),
            (
                format!("{{'descr': '<f8', {rest}"),
                15,
                "expected 16 bytes of values for <f8 [2], got 15",
            ),
            (format!("{{'descr': '<f8', {rest}"), 17, "got 17"),
            (
                format!("{{'descr': '<f8', 'descr': '<f8', {rest}"),
                16,
                "stands twice",
            ),
            (
                format!("{{'descr': '<f8', 'x': 1, {rest}"),
                16,
                "unknown key \"x\"",
            ),
            (
                format!("{{'descr': '<f8', {rest} 1"),
                16,
                "after the dictionary",
            ),
            (
                "{'descr': '<f8', 'fortran_order': True, 'shape': (2,)}".into(),
                16,
                "column-major",
            ),
            (
                "{'descr': '<f8', 'fortran_order': False, 'shape': (2)}".into(),
                16,
                "comma",
            ),
            (
                "{'descr': '<f8', 'fortran_order': False, 'shape': (-2,)}".into(),
                16,
                "axis 0",
            ),
            (
                "{'descr': '<f8', 'fortran_order': False, 'shape': 2}".into(),
                16,
                "expected \"(\"",
            ),
            (
                "{'descr': '<f8', 'fortran_order': False}".into(),
                16,
                "no key 'shape'",
            ),
            ("{'descr': '<f8".into(), 16, "no end"),
            (String::new(), 16, "expected \"{\""),
            (
                "{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296, 2)}"
                    .into(),
                16,
                "too large for any memory",
            ),
            (
                format!(
                    "{{'descr': '<f8', 'fortran_order': False, 'shape': ({})}}",
                    "1, ".repeat(33)
                ),
                8,
                "at most 32 axes",
            ),
        ] {
            let error = parse(&text, values).unwrap_err().to_string();
            assert!(
                error.starts_with("a.npy: ") && error.contains(reason),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn a_header_longer_than_the_file_is_refused() {
        let bytes = [MAGIC.as_slice(), &[255, 255], b"{'descr'"].concat();
        let error = Header::parse(Path::new("a.npy"), &bytes).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a.npy: expected a header of 65535 bytes, got 8"
        );
        for n in 0..10 {
            Header::parse(Path::new("a.npy"), &bytes[..n]).unwrap_err();
        }
        let error = Header::parse(Path::new("a.npy"), b"\x93NUMPY\x02\x00\0\0\0\0").unwrap_err();
        assert!(
            error
                .to_string()
                .contains("expected npy version 1.0, got 2.0")
        );
    }
}
