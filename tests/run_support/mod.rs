//! What the tests of whole runs share: a tiny experiment, the program, and every byte that a run leaves.
#![allow(dead_code)] // each test binary uses a part

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Small in everything, with every stage in it.
pub const EXPERIMENT: &str = "\
name: tiny
question: Does it end with the same bytes?
data:
  simulator: {bouncing_ball: {}}
  frames: 8
  dt: 0.2
  splits: {train: 24, validation: 8, test: 8}
  sequences_per_shard: 5
models:
  first:
    lg_vae:
      frames:
        encoder: {cnn: {channels: [4], kernels: [5], strides: [2]}}
        decoder: {mlp: {hidden: [16]}}
train: {steps: 16, batch: 8, validate_every: 4}
encode: {drop_rates: [0.5]}
analyses: [{probe: {}}, {law: {}}, {filmstrip: {}}, {traversal: {}}]
";

/// The program at work on the tiny experiment, the run folder being `run` in `folder`.
pub fn command(folder: &Path, stage: &str, more: &[&str]) -> Command {
    std::fs::create_dir_all(folder).unwrap();
    let file = folder.join("tiny.yaml");
    if !std::fs::read_to_string(&file).is_ok_and(|text| text == EXPERIMENT) {
        std::fs::write(file, EXPERIMENT).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_kinostate"));
    let args = [
        stage,
        "tiny.yaml",
        "--quiet",
        "--threads",
        "2",
        "--out",
        "run",
    ];
    command.current_dir(folder).args(args).args(more);
    command
}

/// Runs it to its end, which must be a good one.
pub fn finish(folder: &Path, more: &[&str]) {
    let Output { status, stderr, .. } = command(folder, "run", more).output().unwrap();
    let message = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{message}");
}

/// Every file of the run with its bytes, except the log with its times and the lock.
pub fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let root = folder.join("run");
    let mut found = BTreeMap::new();
    let mut waiting = vec![root.clone()];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).unwrap();
            waiting.extend(entries.map(|entry| entry.unwrap().path()));
        } else {
            let place = path.strip_prefix(&root).unwrap().to_path_buf();
            let name = place.file_name().unwrap().to_string_lossy().into_owned();
            if !["log.txt", ".lock"].contains(&name.as_str()) {
                found.insert(place, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// Names the first difference instead of printing bytes.
pub fn assert_same(
    want: &BTreeMap<PathBuf, Vec<u8>>,
    got: &BTreeMap<PathBuf, Vec<u8>>,
    what: &str,
) {
    let names = |of: &BTreeMap<PathBuf, Vec<u8>>| of.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(want), names(got), "{what}: files");
    for (name, bytes) in want {
        assert!(*bytes == got[name], "{what}: {} differs", name.display());
    }
}
