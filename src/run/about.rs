//! `run.json`: the command that makes the run folder again, and the versions of what computes its numbers.

use super::folder::RunFolder;
use crate::error::Result;
use crate::store::json;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// What is known of a run besides its configuration. Nothing in it changes when the same run is made again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// The command, as typed in the project's folder.
    pub command: String,
    /// This program and the libraries that its numbers come from, by name.
    pub versions: IndexMap<String, String>,
}

/// The libraries whose version can move a number or a picture.
const LIBRARIES: [&str; 9] = [
    "dfdx",
    "gemm",
    "nalgebra",
    "rapier2d-f64",
    "parry2d-f64",
    "rand_chacha",
    "rand_distr",
    "plotters",
    "safetensors",
];

impl About {
    /// That of this program.
    pub fn new(command: &str) -> Self {
        let own = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        let lock = include_str!("../../Cargo.lock");
        let versions =
            std::iter::once((own.0.to_string(), own.1.to_string()))
                .chain(LIBRARIES.iter().filter_map(|name| {
                    newest(lock, name).map(|version| (name.to_string(), version))
                }))
                .collect();
        Self {
            command: command.to_string(),
            versions,
        }
    }

    /// # Errors
    /// The file can't be read.
    pub fn read(folder: &RunFolder) -> Result<Self> {
        json::read(folder.about())
    }

    /// # Errors
    /// The file can't be written.
    pub fn write(&self, folder: &RunFolder) -> Result<()> {
        json::write(folder.about(), self)?;
        Ok(())
    }
}

/// The version of a package in a Cargo.lock; of several, the last, which is the newest: ours rather than a dependency's.
fn newest(lock: &str, name: &str) -> Option<String> {
    let head = format!("name = \"{name}\"\nversion = \"");
    let (_, rest) = lock.rsplit_once(&head)?;
    rest.split('"').next().map(str::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_the_lock_file() {
        let lock = "[[package]]\nname = \"gemm\"\nversion = \"0.15.5\"\n\n[[package]]\nname = \"gemm\"\nversion = \"0.19.0\"\n";
        assert_eq!(newest(lock, "gemm").unwrap(), "0.19.0");
        assert_eq!(newest(lock, "dfdx"), None);
        let about = About::new("kinostate run a.yaml");
        assert_eq!(about.versions["kinostate"], env!("CARGO_PKG_VERSION"));
        assert_eq!(about.versions["dfdx"], "0.13.0");
        assert!(about.versions.len() >= 7, "{:?}", about.versions);
    }
}
