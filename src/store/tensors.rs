//! Weights in safetensors files: named arrays with a map of text, the same bytes for the same content.
//!
//! Reading and all its checks are the crate `safetensors`'. The header is written here, since the crate keeps the text in a
//! `HashMap`, whose order differs from run to run. A format version and a checksum of the whole content stand in the text
//! (`super::seal`).

use super::seal;
use crate::error::{Error, Result};
use crate::store::atomic::AtomicFile;
use crate::store::checksum::Checksum;
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A named array, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor {
    /// Name, unique in its file: `encoder.0.weight`.
    pub name: String,
    /// Size along every axis.
    pub shape: Vec<usize>,
    /// Values.
    pub data: TensorData,
}

/// Values of a tensor.
#[derive(Clone, Debug, PartialEq)]
pub enum TensorData {
    /// Weights, optimiser moments.
    F32(Vec<f32>),
    /// State-space parameters, statistics.
    F64(Vec<f64>),
    /// Counters.
    U64(Vec<u64>),
}

impl TensorData {
    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(v) => v.len(),
            Self::F64(v) => v.len(),
            Self::U64(v) => v.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Name of the type: `f32`, `f64`, `u64`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::F32(_) => "f32",
            Self::F64(_) => "f64",
            Self::U64(_) => "u64",
        }
    }

    /// Euclidean norm, summed in f64.
    pub fn norm(&self) -> f64 {
        let squares: f64 = match self {
            Self::F32(v) => v.iter().map(|&x| f64::from(x).powi(2)).sum(),
            Self::F64(v) => v.iter().map(|&x| x * x).sum(),
            Self::U64(v) => v.iter().map(|&x| (x as f64).powi(2)).sum(),
        };
        squares.sqrt()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::F32(v) => bytemuck::cast_slice(v),
            Self::F64(v) => bytemuck::cast_slice(v),
            Self::U64(v) => bytemuck::cast_slice(v),
        }
    }

    fn dtype(&self) -> Dtype {
        match self {
            Self::F32(_) => Dtype::F32,
            Self::F64(_) => Dtype::F64,
            Self::U64(_) => Dtype::U64,
        }
    }

    /// `None` for a type that is not kept here. The number of bytes is whole: safetensors has checked it.
    fn read(dtype: Dtype, bytes: &[u8]) -> Option<Self> {
        Some(match dtype {
            Dtype::F32 => Self::F32(copied(bytes)),
            Dtype::F64 => Self::F64(copied(bytes)),
            Dtype::U64 => Self::U64(copied(bytes)),
            _ => return None,
        })
    }
}

/// Values out of bytes that may start anywhere.
fn copied<T: bytemuck::Pod>(bytes: &[u8]) -> Vec<T> {
    let mut values = vec![T::zeroed(); bytes.len() / size_of::<T>()];
    bytemuck::cast_slice_mut(&mut values).copy_from_slice(bytes);
    values
}

/// The word that safetensors keeps for the map of text.
const METADATA: &str = "__metadata__";

/// Writes tensors and text, whole or not at all. Values of eight bytes come first in the file, so that every array is
/// aligned; otherwise the given order is kept.
///
/// # Errors
/// [`Error::Shape`] when a tensor's values do not fit its shape or a name stands twice; [`Error::Io`].
pub fn save(
    path: impl AsRef<Path>,
    tensors: &[NamedTensor],
    metadata: &BTreeMap<String, String>,
) -> Result<Checksum> {
    let mut order: Vec<&NamedTensor> = tensors.iter().collect();
    order.sort_by_key(|tensor| tensor.data.kind() == "f32");
    let mut names = BTreeSet::from([METADATA]);
    let mut header = serde_json::Map::new();
    header.insert(
        METADATA.into(),
        serde_json::json!(seal::sealed(&order, metadata)),
    );
    let mut start = 0;
    for NamedTensor { name, shape, data } in &order {
        let want = shape
            .iter()
            .try_fold(1usize, |n, &size| n.checked_mul(size));
        if want != Some(data.len()) {
            let got = data.len();
            return Err(Error::Shape(format!(
                "tensor {name}: shape {shape:?} does not fit its {got} values"
            )));
        }
        if !names.insert(name) {
            return Err(Error::Shape(format!(
                "tensor {name}: expected a name once, got it twice"
            )));
        }
        let end = start + data.bytes().len();
        let info = TensorInfo {
            dtype: data.dtype(),
            shape: shape.clone(),
            data_offsets: (start, end),
        };
        header.insert(name.clone(), serde_json::json!(info));
        start = end;
    }
    let mut text = serde_json::Value::Object(header).to_string();
    let padding = text.len().next_multiple_of(8) - text.len();
    text.push_str(&" ".repeat(padding));
    let mut file = AtomicFile::create(path)?;
    file.write(&(text.len() as u64).to_le_bytes())?;
    file.write(text.as_bytes())?;
    for tensor in order {
        file.write(tensor.data.bytes())?;
    }
    file.finish()
}

/// Tensors and text.
pub type Content = (Vec<NamedTensor>, BTreeMap<String, String>);

/// Reads a file of [`save`]: tensors in the order in which they stand in it, and the text.
///
/// # Errors
/// [`Error::Io`], or [`Error::File`] when the file is not whole, not what was saved, of another format version, or
/// without a checksum.
pub fn load(path: impl AsRef<Path>) -> Result<Content> {
    let path = path.as_ref();
    match read(path)? {
        (content, true) => Ok(content),
        (_, false) => Err(Error::file(
            path,
            "expected a file of this program, got one without a checksum",
        )),
    }
}

/// Reads any file of f32, f64 and u64 tensors, also other programs'; a checksum is verified where there is one.
///
/// # Errors
/// As [`load`].
pub fn load_any(path: impl AsRef<Path>) -> Result<Content> {
    read(path.as_ref()).map(|(content, _)| content)
}

fn read(path: &Path) -> Result<(Content, bool)> {
    let bytes = std::fs::read(path).map_err(Error::io(path))?;
    let (metadata, values) = split(&bytes).map_err(|error| {
        let got = bytes.len();
        Error::file(
            path,
            format!("expected a safetensors file, got {got} bytes: {error}"),
        )
    })?;
    let mut tensors = Vec::new();
    for name in metadata.offset_keys() {
        tensors.push(read_tensor(path, &metadata, name, values)?);
    }
    let text = metadata.metadata().clone().unwrap_or_default();
    let mut text: BTreeMap<String, String> = text.into_iter().collect();
    let sealed = seal::open(&tensors, &mut text).map_err(|e| Error::file(path, e))?;
    Ok(((tensors, text), sealed))
}

/// Header and values. The crate's own `read_metadata` adds offsets before it bounds them, which overflows on a forged
/// header; its `Metadata` checks that offsets follow each other and fit the shapes, and the file's size is checked here.
fn split(bytes: &[u8]) -> std::result::Result<(Metadata, &[u8]), String> {
    let (length, rest) = bytes.split_first_chunk().ok_or("no header")?;
    let length = u64::from_le_bytes(*length);
    let (header, values) = usize::try_from(length)
        .ok()
        .and_then(|length| rest.split_at_checked(length))
        .ok_or_else(|| format!("header of {length} bytes, {} are there", rest.len()))?;
    let metadata: Metadata = serde_json::from_slice(header).map_err(|e| e.to_string())?;
    if metadata.data_len() != values.len() {
        let (want, got) = (metadata.data_len(), values.len());
        return Err(format!("{want} bytes of values, {got} are there"));
    }
    Ok((metadata, values))
}

fn read_tensor(
    path: &Path,
    metadata: &Metadata,
    name: String,
    values: &[u8],
) -> Result<NamedTensor> {
    let info = metadata.info(&name);
    let bytes = info.and_then(|info| values.get(info.data_offsets.0..info.data_offsets.1));
    let (Some(info), Some(bytes)) = (info, bytes) else {
        return Err(Error::file(
            path,
            format!("tensor {name} is outside the file"),
        ));
    };
    let Some(data) = TensorData::read(info.dtype, bytes) else {
        let got = info.dtype;
        return Err(Error::file(
            path,
            format!("tensor {name}: expected type F32, F64 or U64, got {got:?}"),
        ));
    };
    let shape = info.shape.clone();
    Ok(NamedTensor { name, shape, data })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(name: &str, shape: &[usize], data: TensorData) -> NamedTensor {
        let (name, shape) = (name.to_string(), shape.to_vec());
        NamedTensor { name, shape, data }
    }

    fn sample() -> (Vec<NamedTensor>, BTreeMap<String, String>) {
        let tensors = vec![
            tensor("steps", &[], TensorData::U64(vec![u64::MAX])),
            tensor("q", &[2], TensorData::F64(vec![1e-300, -0.0])),
            tensor(
                "w.0",
                &[1, 3],
                TensorData::F32(vec![1.0, f32::MIN_POSITIVE, 3.0]),
            ),
            tensor("none", &[0, 4], TensorData::F32(vec![])),
        ];
        let text = [
            "model",
            "step",
            "config",
            "a",
            "b",
            "c",
            "d",
            "\"quoted\"\n",
        ];
        let text = text.map(|key| (key.to_string(), format!("of {key}")));
        (tensors, text.into())
    }

    #[test]
    fn tensors_and_text_come_back_and_bytes_repeat() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.safetensors");
        let (tensors, text) = sample();
        let sums: BTreeSet<String> = (0..20)
            .map(|_| save(&path, &tensors, &text).unwrap().sha256)
            .collect();
        assert_eq!(sums.len(), 1);
        assert_eq!(load(&path).unwrap(), (tensors, text));
    }

    #[test]
    fn wide_values_come_first_so_that_all_are_aligned() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.safetensors");
        let (mut tensors, text) = sample();
        tensors.rotate_left(2);
        save(&path, &tensors, &text).unwrap();
        let (back, _) = load(&path).unwrap();
        let names: Vec<_> = back.iter().map(|t| t.name.as_str()).collect();
        assert_eq!(names, ["steps", "q", "w.0", "none"]);
    }

    #[test]
    fn what_does_not_fit_is_refused_before_anything_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.safetensors");
        let none = BTreeMap::new();
        let short = [tensor("w", &[2], TensorData::F32(vec![1.0]))];
        let error = save(&path, &short, &none).unwrap_err().to_string();
        assert_eq!(error, "tensor w: shape [2] does not fit its 1 values");
        let twice = [
            tensor("w", &[0], TensorData::F32(vec![])),
            tensor("w", &[0], TensorData::F64(vec![])),
        ];
        save(&path, &twice, &none).unwrap_err();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    fn refusal(header: &str, values: usize) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.safetensors");
        let length = (header.len() as u64).to_le_bytes();
        let values = vec![0; values];
        std::fs::write(&path, [&length, header.as_bytes(), &values].concat()).unwrap();
        load(&path).unwrap_err().to_string()
    }

    #[test]
    fn another_type_is_refused_by_name() {
        let error = refusal(
            r#"{"w":{"dtype":"I8","shape":[8],"data_offsets":[0,8]}}"#,
            8,
        );
        assert!(
            error.ends_with("tensor w: expected type F32, F64 or U64, got I8"),
            "{error}"
        );
    }

    #[test]
    fn truncated_and_forged_files_are_refused() {
        let header = r#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
        let error = refusal(header, 7);
        assert!(
            error.ends_with("got 69 bytes: 8 bytes of values, 7 are there"),
            "{error}"
        );
        // Offsets near 2^64, where a sum with the header's length overflows.
        let end = u64::MAX - 3;
        let shape = end / 4;
        refusal(
            &format!(r#"{{"w":{{"dtype":"F32","shape":[{shape}],"data_offsets":[0,{end}]}}}}"#),
            8,
        );
    }
}
