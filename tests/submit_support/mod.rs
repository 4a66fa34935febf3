//! What the tests of submitted experiments share: a tiny sweep, the program, what a sweep leaves.
#![allow(dead_code)] // each test binary uses a part

use super::run_support::EXPERIMENT;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Writes `tiny.yaml`: two runs of so many steps that share their data, in shards of so many sequences; two seeds each.
pub fn experiment(folder: &Path, [first, second]: [usize; 2], shard: usize) {
    let every = first.div_ceil(16);
    let small = "simulator: {bouncing_ball: {}}\n  video: {width: 16, height: 16}";
    let text = EXPERIMENT
        .replace("simulator: {bouncing_ball: {}}", small)
        .replace("validate_every: 4", &format!("validate_every: {every}"))
        .replace(
            "sequences_per_shard: 5",
            &format!("sequences_per_shard: {shard}"),
        )
        .replace(
            "{law: {}}, {filmstrip: {}}, {traversal: {}}",
            "{collapse: {}}",
        );
    assert!(
        text.contains(small) && text.contains("{probe: {}}, {collapse: {}}]"),
        "{text}"
    );
    let sweep = format!(
        "seeds: [0, 1]\nsweep: {{ list: [{{ train.steps: {first} }}, {{ train.steps: {second} }}] }}\n"
    );
    std::fs::write(folder.join("tiny.yaml"), text + &sweep).unwrap();
}

/// The program in a folder.
pub fn kinostate(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kinostate"));
    command.current_dir(folder).args(args);
    command
}

/// What it prints, where it ends well.
#[track_caller]
pub fn succeeds(folder: &Path, args: &[&str]) -> String {
    let output = kinostate(folder, args).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {message}");
    String::from_utf8(output.stdout).unwrap()
}

/// What it prints and complains, where it ends with this code.
#[track_caller]
pub fn fails(command: &mut Command, code: i32) -> (String, String) {
    let output = command.output().unwrap();
    let [said, message] =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert_eq!(output.status.code(), Some(code), "{said}{message}");
    (said, message)
}

/// Every file of a folder with its bytes, but logs with their times, locks, and what was submitted.
pub fn left(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![root.to_path_buf()];
    while let Some(path) = waiting.pop() {
        let place = path.strip_prefix(root).unwrap().to_path_buf();
        let name = place.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if place != Path::new("jobs") {
                let entries = std::fs::read_dir(&path).unwrap();
                waiting.extend(entries.map(|entry| entry.unwrap().path()));
            }
        } else if name != "log.txt" && !name.ends_with(".lock") {
            found.insert(place, std::fs::read(&path).unwrap());
        }
    }
    found
}
