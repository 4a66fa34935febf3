//! A run that is there already: more steps go on from its checkpoint, other settings do not take it away unasked,
//! damage is named, and a report without its data is told as what it is.

mod run_support;

use run_support::{command, finish};
use std::path::Path;

fn tried(folder: &Path, more: &[&str]) -> (Option<i32>, String) {
    let output = command(folder, "run", more).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), message)
}

fn read(folder: &Path, name: &str) -> Vec<u8> {
    std::fs::read(folder.join("run").join(name)).unwrap()
}

#[test]
fn more_steps_go_on_and_other_settings_do_not_overwrite_unasked() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    finish(folder, &[]);
    let first = String::from_utf8(read(folder, "first/seed-0/metrics.jsonl")).unwrap();
    finish(folder, &["--set", "train.steps=20"]);
    let log = String::from_utf8(read(folder, "log.txt")).unwrap();
    assert!(
        log.contains("goes on from its last checkpoint, 16 of 20 steps"),
        "{log}"
    );
    let second = String::from_utf8(read(folder, "first/seed-0/metrics.jsonl")).unwrap();
    assert!(
        second.starts_with(&first) && second.len() > first.len(),
        "{first}\n{second}"
    );
    let model = read(folder, "first/seed-0/model.safetensors");
    // Fewer steps, or another step size, are another model.
    for other in ["train.steps=16", "train.learning_rate.peak=0.001"] {
        let (code, message) = tried(folder, &["--set", other]);
        assert_eq!(code, Some(2), "{message}");
        assert!(
            message.contains("would be lost")
                && message.contains("--out run-2")
                && message.contains("--overwrite"),
            "{message}"
        );
        assert_eq!(read(folder, "first/seed-0/model.safetensors"), model);
    }
    let other = ["--set", "train.learning_rate.peak=0.001", "--overwrite"];
    finish(folder, &other);
    assert!(read(folder, "first/seed-0/model.safetensors") != model);
}

#[test]
fn one_altered_byte_of_a_done_marker_is_named_and_a_report_alone_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    finish(folder, &[]);
    let marks = folder.join("run/first/seed-0/done.json");
    let good = std::fs::read(&marks).unwrap();
    // The first hexadecimal digit of the first digest.
    let text = String::from_utf8(good.clone()).unwrap();
    let at = text.find("\"digest\"").unwrap();
    let at = at + text[at..].find(": \"").unwrap() + 3;
    let mut bad = good.clone();
    bad[at] = if bad[at] == b'a' { b'b' } else { b'a' };
    std::fs::write(&marks, &bad).unwrap();
    let (code, message) = tried(folder, &[]);
    assert_eq!(code, Some(1), "{message}");
    assert!(
        message.contains("done.json")
            && message.contains("damaged")
            && message.contains("stage train"),
        "{message}"
    );
    std::fs::write(&marks, &good).unwrap();
    assert_eq!(tried(folder, &[]).0, Some(0));
    // As a repository ships it: what can be made again is not there.
    for gone in ["data", "first", "done.json"] {
        let path = folder.join("run").join(gone);
        let _ = std::fs::remove_dir_all(&path).or_else(|_| std::fs::remove_file(&path));
    }
    let output = command(folder, "list", &[]);
    let program = output.get_program().to_owned();
    let output = std::process::Command::new(program)
        .current_dir(folder)
        .args(["list", "."])
        .output()
        .unwrap();
    let listed = String::from_utf8_lossy(&output.stdout);
    assert!(listed.contains("report only"), "{listed}");
}
