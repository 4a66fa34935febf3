//! A sweep from its YAML to its folders: runs named by what differs, data made once, nothing finished run again.

mod run_support;

use run_support::EXPERIMENT;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::SystemTime;

const SWEEP: &str = "
sweep:
  grid:
    models.first.lg_vae.start: [free_motion, identity]
    data.frames: [8, 9]
";

fn kinostate(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kinostate"));
    command.current_dir(folder).args(args).output().unwrap()
}

#[track_caller]
fn succeeds(folder: &Path, args: &[&str]) -> String {
    let output = kinostate(folder, args);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{args:?}: {message}");
    String::from_utf8(output.stdout).unwrap() + &message
}

fn fresh(sweep: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), sweep);
    folder
}

/// The tiny experiment, tinier still, with a sweep.
fn write(folder: &Path, sweep: &str) {
    let text = EXPERIMENT.replace("steps: 16", "steps: 4").replace(
        "{law: {}}, {filmstrip: {}}, {traversal: {}}",
        "{collapse: {}}",
    );
    assert!(text.contains("{probe: {}}, {collapse: {}}]"), "{text}");
    std::fs::write(folder.join("tiny.yaml"), text + sweep).unwrap();
}

/// When every file of a folder was last written, but the log and the lock, and what is written whatever was done before.
fn written(root: &Path) -> BTreeMap<PathBuf, SystemTime> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![root.to_path_buf()];
    let always = ["log.txt", ".lock", "config.yaml", "run.json", "compare"];
    while let Some(path) = waiting.pop() {
        for entry in std::fs::read_dir(&path).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().to_string_lossy().into_owned();
            if always.contains(&&*name) {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                waiting.push(entry.path());
            } else if !name.starts_with("report") && name != "summary.json" {
                found.insert(entry.path(), entry.metadata().unwrap().modified().unwrap());
            }
        }
    }
    found
}

#[test]
fn runs_are_named_by_what_differs_share_their_data_and_are_not_run_again() {
    let folder = fresh(SWEEP);
    let root = folder.path().join("results/tiny");
    let names = [
        "start-free_motion_frames-8",
        "start-free_motion_frames-9",
        "start-identity_frames-8",
        "start-identity_frames-9",
    ];
    // First one run alone, then all of them.
    succeeds(folder.path(), &["run", "tiny.yaml", "--only", names[2]]);
    assert!(root.join(names[2]).join("report.html").exists());
    assert!(!root.join(names[0]).exists());
    let said = succeeds(folder.path(), &["run", "tiny.yaml"]);
    assert!(
        said.contains("run 3 of 4: start-identity_frames-8\ngenerate: done already"),
        "{said}"
    );
    for name in names {
        let run = root.join(name);
        assert!(run.join("report.html").exists(), "{name}");
        let command = std::fs::read_to_string(run.join("run.json")).unwrap();
        assert!(
            command.contains(&format!("kinostate run tiny.yaml --only {name}")),
            "{command}"
        );
    }
    // Two datasets for four runs; a run's own folder has them at their usual place.
    assert_eq!(std::fs::read_dir(root.join("data")).unwrap().count(), 2);
    let manifest = |name: &str| {
        root.join(name)
            .join("data/manifest.json")
            .canonicalize()
            .unwrap()
    };
    assert_eq!(manifest(names[0]), manifest(names[2]));
    assert_ne!(manifest(names[0]), manifest(names[1]));

    // All runs in one table: the first is the reference, of the same data and latents the second has an interval.
    let text = std::fs::read_to_string(root.join("compare/compare.md")).unwrap();
    let row = |name: &str| {
        let row = text
            .lines()
            .find(|line| line.starts_with(&format!("| {name} ")));
        row.unwrap_or_else(|| panic!("{name}: {text}")).to_string()
    };
    assert!(
        !row(names[0]).contains('Δ') && row(names[0]).contains(" (1) "),
        "{text}"
    );
    assert_eq!(row(names[2]).matches("Δ").count(), 3, "{text}");
    assert_eq!(row(names[2]).matches('[').count(), 2, "{text}");
    // Other data: no pairs of sequences.
    assert_eq!(row(names[1]).matches('[').count(), 0, "{text}");
    for name in ["compare.svg", "compare.png", "compare.json"] {
        assert!(root.join("compare").join(name).exists(), "{name}");
    }
    let runs = [names[0], names[2]].map(|name| format!("results/tiny/{name}"));
    let said = succeeds(
        folder.path(),
        &[
            "compare",
            &runs[0],
            &runs[1],
            "--metric",
            "position_rmse/smoothed",
        ],
    );
    assert!(said.contains("| position_rmse/smoothed (px) "), "{said}");
    assert!(
        said.starts_with("| run ") && said.contains(&format!("| {} ", names[2])),
        "{said}"
    );
    let output = kinostate(folder.path(), &["compare", &runs[0], "--metric", "nothing"]);
    assert_eq!(output.status.code(), Some(2));

    let before = written(&root);
    assert!(before.len() > 80, "{}", before.len());
    succeeds(folder.path(), &["run", "tiny.yaml", "--quiet"]);
    assert!(written(&root) == before, "a finished run was touched");

    // One value more is one run more for each other value.
    let more = SWEEP.replace("[8, 9]", "[8, 9, 7]");
    write(folder.path(), &more);
    succeeds(folder.path(), &["run", "tiny.yaml", "--quiet"]);
    let after = written(&root);
    for (path, time) in &before {
        assert_eq!(after.get(path), Some(time), "{}", path.display());
    }
    assert!(root.join("start-identity_frames-7/report.html").exists());

    let table = succeeds(folder.path(), &["list"]);
    assert_eq!(table.matches(" done ").count(), 6, "{table}");
    assert!(table.contains("tiny/start-identity_frames-9 "), "{table}");
    assert!(table.contains("velocity R² encoder"), "{table}");
}

#[test]
fn another_configuration_under_the_same_name_gets_its_own_data_and_leaves_those_of_others() {
    let folder = fresh("\nsweep: { list: [{ train.steps: 6 }, { train.steps: 4 }] }\n");
    let root = folder.path().join("results/tiny");
    succeeds(folder.path(), &["run", "tiny.yaml", "--quiet"]);
    // The file's first run is what the others are compared with, not the alphabet's.
    let table = std::fs::read_to_string(root.join("compare/compare.md")).unwrap();
    let line = |name: &str| {
        let mut lines = table.lines();
        lines
            .find(|line| line.starts_with(&format!("| {name} ")))
            .unwrap()
    };
    assert!(
        !line("steps-6").contains('Δ') && line("steps-4").contains('Δ'),
        "{table}"
    );
    let link = |run: &str| std::fs::read_link(root.join(run).join("data")).unwrap();
    let (first, second) = (link("steps-4"), link("steps-6"));
    assert_eq!(first, second);
    let args = [
        "run",
        "tiny.yaml",
        "--quiet",
        "--set",
        "data.dt=0.1",
        "--only",
        "steps-4",
        // Another experiment in a finished folder: the user says so.
        "--overwrite",
    ];
    succeeds(folder.path(), &args);
    assert_ne!(link("steps-4"), first);
    assert_eq!(link("steps-6"), second);
    succeeds(folder.path(), &["inspect", "results/tiny/steps-6/data"]);
    succeeds(
        folder.path(),
        &[
            "run",
            "tiny.yaml",
            "--quiet",
            "--again",
            "--only",
            "steps-6",
        ],
    );
    assert_eq!(link("steps-6"), second);
}

#[test]
fn a_run_that_fails_does_not_stop_the_others_and_is_told_at_the_end() {
    let folder =
        fresh("\nsweep: { list: [{ train.steps: 4 }, { train.steps: 6 }, { train.steps: 8 }] }\n");
    let root = folder.path().join("results/tiny");
    // A folder where the weights of the second run should be written.
    std::fs::create_dir_all(root.join("steps-6/first/seed-0/model.safetensors/x")).unwrap();
    let output = kinostate(folder.path(), &["run", "tiny.yaml", "--quiet"]);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("1 of 3 runs failed"), "{message}");
    assert!(message.contains("steps-6: "), "{message}");
    assert!(root.join("steps-8/report.html").exists());
    let table = succeeds(folder.path(), &["list", "results"]);
    assert_eq!(table.matches(" done ").count(), 2, "{table}");
    assert!(
        table.contains("stopped before train first, seed 0 (2 of 6 stages)"),
        "{table}"
    );
    let output = kinostate(folder.path(), &["run", "tiny.yaml", "--only", "steps-7"]);
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(
        message.contains("one of `steps-4`, `steps-6`, `steps-8`"),
        "{message}"
    );
}
