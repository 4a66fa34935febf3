//! Size and SHA-256 of a file: how altered, truncated or exchanged files are found.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// What a file must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checksum {
    /// Size, bytes.
    pub bytes: u64,
    /// SHA-256 of the content, 64 lower-case hexadecimal digits.
    pub sha256: String,
}

impl Checksum {
    /// Of bytes in memory.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let mut hash = Hasher::default();
        hash.update(bytes);
        hash.finish()
    }

    /// Of a file, read once in blocks of constant size.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read.
    pub fn of_file(path: &Path) -> Result<Self> {
        let mut file = File::open(path).map_err(Error::io(path))?;
        let mut hash = Hasher::default();
        let mut block = vec![0; 256 * 1024];
        loop {
            match file.read(&mut block).map_err(Error::io(path))? {
                0 => return Ok(hash.finish()),
                n => hash.update(&block[..n]),
            }
        }
    }

    /// Checks the content of the file at `path`, size first.
    ///
    /// # Errors
    /// [`Error::File`] with what was expected and got.
    pub fn verify(&self, path: &Path, content: &[u8]) -> Result<()> {
        self.verify_size(path, content.len() as u64)?;
        self.verify_sum(path, &Self::of_bytes(content))
    }

    /// Checks what was counted and summed of the file at `path`, size first.
    ///
    /// # Errors
    /// [`Error::File`] with what was expected and got.
    pub fn verify_sum(&self, path: &Path, got: &Self) -> Result<()> {
        self.verify_size(path, got.bytes)?;
        if got.sha256 != self.sha256 {
            let (want, got) = (&self.sha256, &got.sha256);
            return Err(Error::file(
                path,
                format!("altered: expected SHA-256 {want}, got {got}"),
            ));
        }
        Ok(())
    }

    /// Checks that a file is there and has this size, without reading it.
    ///
    /// # Errors
    /// [`Error::File`] with what was expected and got; [`Error::Io`] when the system does not tell.
    pub fn verify_size_of(&self, path: &Path) -> Result<()> {
        match std::fs::metadata(path) {
            Ok(file) => self.verify_size(path, file.len()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(Error::file(
                path,
                format!("expected {} bytes, got no such file", self.bytes),
            )),
            Err(error) => Err(Error::io(path)(error)),
        }
    }

    fn verify_size(&self, path: &Path, got: u64) -> Result<()> {
        if got != self.bytes {
            return Err(Error::file(
                path,
                format!("expected {} bytes, got {got}", self.bytes),
            ));
        }
        Ok(())
    }
}

/// A checksum in the making.
#[derive(Clone, Debug, Default)]
pub struct Hasher {
    hash: Sha256,
    bytes: u64,
}

impl Hasher {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    /// The checksum of everything taken.
    pub fn finish(self) -> Checksum {
        let digest = self.hash.finalize();
        Checksum {
            bytes: self.bytes,
            sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_of_abc_is_the_published_value() {
        // FIPS 180-4, example B.1.
        let want = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let sum = Checksum::of_bytes(b"abc");
        assert_eq!((sum.bytes, sum.sha256.as_str()), (3, want));
    }

    #[test]
    fn truncated_and_altered_content_is_refused_with_expected_and_got() {
        let sum = Checksum::of_bytes(b"abc");
        let path = Path::new("frames.npy");
        sum.verify(path, b"abc").unwrap();
        let message = |content: &[u8]| sum.verify(path, content).unwrap_err().to_string();
        assert_eq!(message(b"ab"), "frames.npy: expected 3 bytes, got 2");
        assert!(message(b"abd").starts_with("frames.npy: altered: expected SHA-256 ba7816bf"));
    }
}
