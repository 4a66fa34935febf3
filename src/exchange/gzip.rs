//! Bytes made smaller, as every reader of gzip takes them back.

use crate::error::{Error, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

/// The same bytes compressed; always the same way, without name and time.
///
/// # Errors
/// None that can happen in memory.
pub fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut to = GzEncoder::new(Vec::new(), Compression::best());
    let done = to.write_all(bytes).and_then(|()| to.finish());
    done.map_err(Error::io("gzip"))
}
