//! A wrong experiment file is answered with file, line, column, path and expectation, and exit code 2.

use std::path::Path;
use std::process::{Command, Output};

const GOOD: &str = "\
# Question: is it read?
name: small
question: Is it read?
data:
  simulator:
    bouncing_ball: {radius: 2}
  frames: 12
  dt: 0.2
  splits: {train: 40, validation: 10, test: 10}
models:
  first:
    vae: {}
train:
  batch: 8
analyses:
  - probe: {}
";

fn kinostate(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kinostate"))
        .current_dir(folder)
        .args(args)
        .output()
        .unwrap()
}

/// Standard error of `check` on `text`, which must fail with exit code 2 and print nothing else.
#[track_caller]
fn wrong(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("small.yaml"), text).unwrap();
    let output = kinostate(folder.path(), &["check", "small.yaml"]);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(output.stdout.is_empty());
    message
}

#[test]
fn an_instruction_set_that_is_none_is_told_before_anything_is_done() {
    let with = |level: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kinostate"));
        command.env("KINOSTATE_SIMD", level).arg("schema");
        command.output().unwrap()
    };
    let output = with("fast");
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(output.stdout.is_empty());
    for part in ["KINOSTATE_SIMD", "portable", "got \"fast\"", "unset it"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert!(with("portable").status.success());
}

#[test]
fn every_mistake_names_its_place_and_what_was_expected() {
    let cases: [(&str, &str, &str, &[&str]); 11] = [
        (
            "unknown key",
            "  dt: 0.2",
            "  dtt: 0.2",
            &[
                "small.yaml:8:3: data.dtt: unknown key `dtt`",
                "did you mean `dt`?",
                "8 |   dtt: 0.2\n  |   ^^^\n",
            ],
        ),
        (
            "unknown key at depth",
            "radius: 2",
            "raduis: 2",
            &[
                "small.yaml:6:21: data.simulator.bouncing_ball.raduis",
                "`raduis`",
                "did you mean `radius`?",
            ],
        ),
        (
            "wrong type",
            "frames: 12",
            "frames: twelve",
            &[
                "small.yaml:7:11: data.frames: expected a whole number of at least 2, got the text \"twelve\"",
                "  = frames: Frames per sequence, T.\n",
            ],
        ),
        (
            "unknown model",
            "    vae:",
            "    vea:",
            &[
                "small.yaml:12:5: models.first.vea",
                "`vea`",
                "did you mean `vae`?",
            ],
        ),
        (
            "unknown analysis",
            "- probe",
            "- probes",
            &[
                "small.yaml:16:5: analyses[0].probes",
                "`probes`",
                "did you mean `probe`?",
            ],
        ),
        (
            "unknown simulator",
            "bouncing_ball",
            "jumping_ball",
            &[
                "small.yaml:6:5: data.simulator.jumping_ball",
                "`jumping_ball`",
                "`bouncing_ball`",
            ],
        ),
        (
            "out of range",
            "radius: 2",
            "radius: -2",
            &["small.yaml:6:29: data.simulator.bouncing_ball.radius", "-2"],
        ),
        (
            "missing key",
            "  frames: 12\n",
            "",
            &[
                "small.yaml:4:1: data.frames: the key `frames` is missing",
                "4 | data:\n  | ^^^^\n",
            ],
        ),
        (
            "duplicate key",
            "  dt: 0.2",
            "  dt: 0.2\n  dt: 0.1",
            &["small.yaml:9:3: data.dt: this key is written twice"],
        ),
        (
            "contradiction",
            "batch: 8",
            "batch: 80",
            &[
                "small.yaml:14:10: train.batch",
                "data.splits.train",
                "40",
                "80",
            ],
        ),
        ("not YAML", "splits: {", "splits: {{", &["small.yaml:"]),
    ];
    for (what, from, to, parts) in cases {
        assert!(GOOD.contains(from), "{what}");
        let message = wrong(&GOOD.replacen(from, to, 1));
        for part in parts {
            assert!(
                message.contains(part),
                "{what}: {part:?} is not in {message:?}"
            );
        }
        assert_eq!(
            message.matches("small.yaml:").count(),
            1,
            "{what}: {message}"
        );
    }
    assert!(wrong("").contains("small.yaml:1:1: the file is empty"));
}

#[test]
fn wrong_usage_exits_with_2() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("small.yaml"), GOOD).unwrap();
    let cases: [(&[&str], &str); 6] = [
        (
            &["run", "nowhere.yaml"],
            "nowhere.yaml: can't read the experiment",
        ),
        (&["run"], "<EXPERIMENT>"),
        (&["fly", "small.yaml"], "unrecognized subcommand"),
        (&["run", "small.yaml", "--threads", "0"], "--threads"),
        (
            &["check", "small.yaml", "--set", "data.frmes=3"],
            "did you mean `frames`?",
        ),
        (
            &["inspect", "small.yaml", "--frames", "a.bmp"],
            ".gif or .png",
        ),
    ];
    for (args, part) in cases {
        let output = kinostate(folder.path(), args);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {message}");
        assert!(message.contains(part), "{args:?}: {message}");
    }
    assert!(
        !folder.path().join("results").exists(),
        "a wrong command leaves nothing behind"
    );
}

#[test]
fn check_prints_the_resolved_experiment_which_is_itself_an_experiment() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("small.yaml"), GOOD).unwrap();
    let first = kinostate(
        folder.path(),
        &["check", "small.yaml", "--set", "seeds=[4]"],
    );
    assert!(first.status.success());
    assert!(String::from_utf8_lossy(&first.stdout).contains("restitution:"));
    std::fs::write(folder.path().join("full.yaml"), &first.stdout).unwrap();
    let second = kinostate(folder.path(), &["check", "full.yaml"]);
    assert_eq!(first.stdout, second.stdout);
}

#[test]
fn help_shows_examples_and_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let output = kinostate(folder.path(), &["--help"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    for part in [
        "kinostate run experiments/quickstart.yaml",
        "--set",
        "Exit code: 0",
        "inspect",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
