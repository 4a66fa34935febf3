//! TensorBoard's HParams: the settings of a run as one event, so that the plugin lays runs of a sweep beside each other.
//!
//! Two summaries whose content is a protocol buffer in their metadata (TensorBoard: `plugins/hparams/plugin_data.proto`,
//! `HParamsPluginData { version, session_start_info { hparams }, session_end_info { status } }`). What was measured it takes
//! from the scalars of the same folder.

use super::events::{Events, Summary, field, varint};
use crate::error::Result;
use std::path::Path;

/// The event file with the settings; that of scalars and pictures stands beside it.
pub const HPARAMS: &str = "events.out.tfevents.1.kinostate";

/// Value of a setting.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// A number.
    Number(f64),
    /// A word.
    Text(String),
    /// Yes or no.
    Switch(bool),
}

/// Writes the settings of a finished run into its folder, where they do not stand there already.
///
/// # Errors
/// A file that can't be written.
pub fn write(folder: &Path, settings: &[(String, Setting)]) -> Result<()> {
    let mut start = Vec::new();
    for (name, value) in settings {
        let mut entry = Vec::new();
        field(&mut entry, 1, name.as_bytes());
        field(&mut entry, 2, &encoded(value));
        field(&mut start, 1, &entry);
    }
    // Status 1 is success.
    let end = [1 << 3, 1];
    Events::once(
        folder.join(HPARAMS),
        &[
            (
                "_hparams_/session_start_info".into(),
                Summary::HParams(content(3, &start)),
            ),
            (
                "_hparams_/session_end_info".into(),
                Summary::HParams(content(4, &end)),
            ),
        ],
    )
}

/// `HParamsPluginData` with one of its messages; version 0 is left out, as it is the default.
fn content(number: u64, message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    field(&mut out, number, message);
    out
}

/// `google.protobuf.Value`.
fn encoded(value: &Setting) -> Vec<u8> {
    let mut out = Vec::new();
    match value {
        Setting::Number(number) => {
            varint(&mut out, 2 << 3 | 1);
            out.extend(number.to_le_bytes());
        }
        Setting::Text(text) => field(&mut out, 3, text.as_bytes()),
        Setting::Switch(switch) => {
            varint(&mut out, 4 << 3);
            varint(&mut out, u64::from(*switch));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_these_bytes() {
        // By the wire format: field 2, 64 bits; field 3, two letters; field 4, a varint.
        assert_eq!(encoded(&Setting::Number(1.5)), b"\x11\0\0\0\0\0\0\xf8\x3f");
        assert_eq!(encoded(&Setting::Text("ab".into())), b"\x1a\x02ab");
        assert_eq!(encoded(&Setting::Switch(true)), b"\x20\x01");
    }
}
