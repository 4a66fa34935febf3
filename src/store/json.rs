//! JSON files: read with the path in every error, written whole and indented for people.

use crate::error::{Error, Result};
use crate::store::atomic::write_atomic;
use crate::store::checksum::Checksum;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;

/// Reads a file.
///
/// # Errors
/// [`Error::Io`], or [`Error::File`] with line and column of what does not fit.
pub fn read<T: DeserializeOwned>(path: impl AsRef<Path>) -> Result<T> {
    let path = path.as_ref();
    let bytes = std::fs::read(path).map_err(Error::io(path))?;
    serde_json::from_slice(&bytes).map_err(|e| Error::file(path, e.to_string()))
}

/// Writes a file: two spaces of indent, a newline at the end. The same value gives the same bytes.
///
/// Numbers that are not finite become `null`, as JSON has no word for them; check them before.
///
/// # Errors
/// [`Error::Io`], or [`Error::File`] when the value has no JSON form.
pub fn write<T: Serialize + ?Sized>(path: impl AsRef<Path>, value: &T) -> Result<Checksum> {
    let path = path.as_ref();
    let mut text =
        serde_json::to_string_pretty(value).map_err(|e| Error::file(path, e.to_string()))?;
    text.push('\n');
    write_atomic(path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn every_finite_double_comes_back_bit_by_bit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        let values = vec![
            0.1,
            1.0 / 3.0,
            -0.0,
            f64::MIN_POSITIVE / 8.0,
            f64::MAX,
            1e22,
        ];
        write(&path, &values).unwrap();
        let back: Vec<f64> = read(&path).unwrap();
        let bits = |v: &[f64]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&back), bits(&values));
    }

    #[test]
    fn an_error_names_file_line_and_column() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        std::fs::write(&path, "{\n  \"a\": x\n}").unwrap();
        let error = read::<BTreeMap<String, f64>>(&path)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("a.json") && error.contains("line 2 column 8"),
            "{error}"
        );
    }
}
