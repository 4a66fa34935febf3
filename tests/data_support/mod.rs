//! What the tests of datasets share: a small configuration, and every byte of a folder.
#![allow(dead_code)] // each test binary uses a part

use kinostate::data::{DataConfig, generate};
use kinostate::progress::Progress;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A ball with gravity, drawn radius and restitution, so that every array holds something; 3 sequences a shard.
pub fn config(train: usize) -> DataConfig {
    let yaml = format!(
        "
simulator:
  bouncing_ball:
    gravity: [0, {{ uniform: {{ low: -20, high: -5 }} }}]
    restitution: {{ uniform: {{ low: 0.5, high: 1 }} }}
frames: 9
dt: 0.2
splits: {{ train: {train}, validation: 2, test: 4 }}
seed: 18446744073709551615
sequences_per_shard: 3
"
    );
    serde_yaml::from_str(&yaml).unwrap()
}

pub fn make(config: &DataConfig, dir: &Path) {
    generate(config, dir, &Progress::hidden()).unwrap();
}

/// Every file of a folder by its relative path.
pub fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().to_path_buf();
                files.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    files
}

/// Fails with names, not with megabytes.
pub fn assert_same(got: &Path, want: &BTreeMap<PathBuf, Vec<u8>>) {
    let got = contents(got);
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&got), names(want));
    for (name, bytes) in want {
        assert!(got[name] == *bytes, "{} differs", name.display());
    }
}

/// Writes files under their relative paths.
pub fn put(files: &BTreeMap<PathBuf, Vec<u8>>, dir: &Path) {
    for (name, bytes) in files {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}
