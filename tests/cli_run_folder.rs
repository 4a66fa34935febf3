//! A run folder belongs to one process, remembers what is finished, and is told apart from other people's folders.

use kinostate::run::RunFolder;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const EXPERIMENT: &str = "\
name: small
question: Is it kept?
data:
  simulator: {bouncing_ball: {}}
  frames: 8
  dt: 0.2
  splits: {train: 12, validation: 4, test: 4}
models: {first: {vae: {}}}
train: {batch: 4}
";

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kinostate"));
    command.current_dir(folder).args(args);
    command
}

fn kinostate(folder: &Path, args: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = command(folder, args).output().unwrap();
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("small.yaml"), EXPERIMENT).unwrap();
    folder
}

#[test]
fn a_second_process_is_refused_while_the_first_works_and_let_in_after() {
    let dir = folder();
    let held = RunFolder::new(dir.path().join("results/small"))
        .take()
        .unwrap();
    let (code, message) = kinostate(dir.path(), &["generate", "small.yaml"]);
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("another kinostate process"), "{message}");
    drop(held);
    assert_eq!(
        kinostate(dir.path(), &["generate", "small.yaml"]).0,
        Some(0)
    );
}

#[test]
fn a_killed_process_leaves_no_lock_and_its_work_goes_on() {
    let dir = folder();
    let many = [
        "generate",
        "small.yaml",
        "--threads",
        "1",
        "--set",
        "data.splits.train=30000",
    ];
    let mut first = command(dir.path(), &many)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Killed as soon as it is seen at work; were it quicker, the test would still hold.
    while !dir.path().join("results/small/done.json").exists()
        && first.try_wait().unwrap().is_none()
    {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    first.kill().unwrap();
    first.wait().unwrap();
    let (code, message) = kinostate(
        dir.path(),
        &["generate", "small.yaml", "--set", "data.splits.train=30000"],
    );
    assert_eq!(code, Some(0), "{message}");
    let goes_on = message.contains("goes on where it was left") || message.contains("done already");
    assert!(goes_on, "{message}");
}

#[test]
fn quiet_says_nothing_and_logs_everything() {
    let dir = folder();
    let output = command(
        dir.path(),
        &["generate", "small.yaml", "--quiet", "--out", "run"],
    )
    .output()
    .unwrap();
    assert!(output.status.success());
    assert!(output.stdout.is_empty() && output.stderr.is_empty());
    let log = std::fs::read_to_string(dir.path().join("run/log.txt")).unwrap();
    assert!(log.contains("Z generate: done in"), "{log}");
    // The resolved experiment stands beside the results.
    let config = std::fs::read_to_string(dir.path().join("run/config.yaml")).unwrap();
    assert!(config.contains("always_seen: 4"), "{config}");
}

#[test]
fn a_finished_stage_is_skipped_and_a_changed_one_is_done_again() {
    let dir = folder();
    let run = |more: &[&str]| {
        let args: Vec<&str> = ["generate", "small.yaml"]
            .iter()
            .chain(more)
            .copied()
            .collect();
        let (code, message) = kinostate(dir.path(), &args);
        assert_eq!(code, Some(0), "{message}");
        message
    };
    let states = || {
        let path = dir
            .path()
            .join("results/small/data/test/shard-00000/states.npy");
        std::fs::read(path).unwrap()
    };
    run(&[]);
    let first = states();
    assert!(
        run(&["--set", "name=small", "--set", "train.steps=7"]).contains("generate: done already")
    );
    assert!(run(&["--set", "data.seed=1"]).contains("the configuration has changed"));
    assert!(states() != first);
    assert!(run(&[]).contains("the configuration has changed"));
    assert!(
        states() == first,
        "the same configuration gives the same bytes"
    );
    assert!(run(&["--again"]).contains("generate: again"));
    assert!(states() == first);
}

#[test]
fn a_stage_without_the_one_before_it_names_the_command() {
    let dir = folder();
    for (stage, before) in [
        ("train", "generate"),
        ("report", "analyze"),
        ("plot", "analyze"),
    ] {
        let (code, message) = kinostate(dir.path(), &[stage, "small.yaml"]);
        assert_eq!(code, Some(2), "{stage}: {message}");
        assert!(
            message.contains(&format!("`kinostate {before} ..`")),
            "{stage}: {message}"
        );
    }
}

#[test]
fn inspect_tells_what_a_run_folder_holds() {
    let dir = folder();
    kinostate(dir.path(), &["generate", "small.yaml"]);
    let output = command(dir.path(), &["inspect", "results/small"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        "small: Is it kept?",
        "kinostate run small.yaml",
        "generate",
        "done",
        "first, seed 0",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    for file in ["frames.gif", "frames.png"] {
        let output = command(dir.path(), &["inspect", "results/small", "--frames", file])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(dir.path().join(file).metadata().unwrap().len() > 500);
    }
}
