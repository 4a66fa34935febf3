//! The seal of a safetensors file: format version and SHA-256 of everything it says, kept in its own map of text.
//!
//! The checksum is taken of names, types, shapes, values and text, not of the file's bytes: another spelling of the same
//! header is the same content.

use super::tensors::NamedTensor;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Raised when a reader of the old layout would misread the new one.
const VERSION: &str = "1";
const VERSION_KEY: &str = "format_version";
const CHECKSUM_KEY: &str = "sha256";

/// Adds the seal to the text of a file that holds these tensors in this order.
pub(super) fn sealed(
    tensors: &[&NamedTensor],
    text: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut text = text.clone();
    text.insert(VERSION_KEY.into(), VERSION.into());
    let sum = checksum(tensors, &text);
    text.insert(CHECKSUM_KEY.into(), sum);
    text
}

/// Checks the seal and takes it out of the text. `Ok(false)` when there is none, as in other programs' files.
///
/// # Errors
/// Another version, or content that is not what was sealed: expected and got.
pub(super) fn open(
    tensors: &[NamedTensor],
    text: &mut BTreeMap<String, String>,
) -> Result<bool, String> {
    let Some(want) = text.remove(CHECKSUM_KEY) else {
        return Ok(false);
    };
    match text.get(VERSION_KEY) {
        Some(version) if version == VERSION => {}
        version => {
            let got = version.map_or("none", String::as_str);
            return Err(format!("expected format version {VERSION}, got {got}"));
        }
    }
    let tensors: Vec<&NamedTensor> = tensors.iter().collect();
    let got = checksum(&tensors, text);
    if got != want {
        return Err(format!("altered: expected SHA-256 {want}, got {got}"));
    }
    text.remove(VERSION_KEY);
    Ok(true)
}

fn checksum(tensors: &[&NamedTensor], text: &BTreeMap<String, String>) -> String {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    part(&(text.len() as u64).to_le_bytes());
    for (key, value) in text {
        part(key.as_bytes());
        part(value.as_bytes());
    }
    for NamedTensor { name, shape, data } in tensors {
        part(name.as_bytes());
        part(data.kind().as_bytes());
        for &size in shape {
            part(&(size as u64).to_le_bytes());
        }
        part(data.bytes());
    }
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}
