//! The command line as a user meets it: exit codes, messages, a tiny experiment from nothing to its report.

use std::path::Path;
use std::process::{Command, Output};

const TINY: [&str; 7] = [
    "data.splits.train=40",
    "data.splits.validation=20",
    "data.splits.test=24",
    "train.steps=12",
    "train.batch=8",
    "train.validate_every=6",
    "models.lg_vae.lg_vae.frames.decoder.mlp.hidden=[16]",
];

fn kinostate(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kinostate"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(args)
        .output()
        .unwrap()
}

fn tiny(command: &str, out: &Path, more: &[&str]) -> Output {
    let out = out.display().to_string();
    let mut args = vec![command, "experiments/quickstart.yaml", "--out", &out];
    for set in TINY.iter().chain(more) {
        match set.starts_with("--") {
            true => args.push(set),
            false => args.extend(["--set", set]),
        }
    }
    kinostate(&args)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn succeeds(output: &Output) {
    assert!(
        output.status.success(),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
}

#[test]
fn one_command_goes_from_nothing_to_the_report_and_a_second_finds_all_done() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    succeeds(&tiny("run", &one, &[]));
    let summary: serde_json::Value =
        serde_json::from_slice(&std::fs::read(one.join("summary.json")).unwrap()).unwrap();
    let model = &summary["models"]["lg_vae"];
    for metric in ["position_r2", "velocity_r2"] {
        for row in ["encoder", "filtered", "smoothed"] {
            let found = &model[metric][row];
            assert!(found["mean"].is_f64(), "{metric} {row}: {found}");
            assert_eq!(found["values"].as_array().unwrap().len(), 1);
        }
    }
    assert!(model["elbo_nats_per_frame"]["mean"].is_f64(), "{model}");
    assert!(summary["baselines"].is_object());

    let report = std::fs::read(one.join("report.html")).unwrap();
    let again = tiny("run", &one, &[]);
    succeeds(&again);
    assert!(
        text(&again.stderr).contains("done already")
            || text(&again.stdout).contains("done already")
    );
    assert_eq!(report, std::fs::read(one.join("report.html")).unwrap());

    // Elsewhere and stage by stage: the same bytes.
    for stage in ["generate", "train", "encode", "analyze", "plot", "report"] {
        succeeds(&tiny(stage, &two, &[]));
    }
    for file in [
        "summary.json",
        "lg_vae/seed-0/model.safetensors",
        "lg_vae/seed-0/figures/law.svg",
    ] {
        let read = |root: &Path| std::fs::read(root.join(file)).unwrap();
        assert!(read(&one) == read(&two), "{file} differs");
    }

    // Asked again, an analysis finds the same.
    let findings =
        |root: &Path| std::fs::read(root.join("lg_vae/seed-0/findings/law.json")).unwrap();
    let found = findings(&one);
    succeeds(&tiny("analyze", &one, &["--again"]));
    assert!(found == findings(&one));

    // Other analyses leave the training alone; another training does not.
    let weights = |root: &Path| {
        std::fs::metadata(root.join("lg_vae/seed-0/model.safetensors"))
            .unwrap()
            .modified()
            .unwrap()
    };
    let before = weights(&one);
    succeeds(&tiny("run", &one, &["analyses=[{probe: {}}]"]));
    assert_eq!(weights(&one), before);
    let other = &["train.learning_rate.peak=0.001"];
    let refused = tiny("run", &one, other);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("--overwrite"));
    assert_eq!(weights(&one), before);
    succeeds(&tiny("run", &one, &[other[0], "--overwrite"]));
    assert!(weights(&one) > before);

    // What is there can be looked at.
    let data = two.join("data").display().to_string();
    let clip = two.join("clip.gif").display().to_string();
    let table = kinostate(&["inspect", &data]);
    succeeds(&table);
    assert!(
        text(&table.stdout).contains("px/s"),
        "{}",
        text(&table.stdout)
    );
    succeeds(&kinostate(&["inspect", &data, "--frames", &clip]));
    assert_eq!(&std::fs::read(&clip).unwrap()[..4], b"GIF8");
}

#[test]
fn a_stage_without_the_one_before_it_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let output = tiny("encode", folder.path(), &[]);
    assert_ne!(output.status.code(), Some(0));
    assert!(
        text(&output.stderr).contains("kinostate"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn wrong_usage_and_wrong_files_exit_with_2_and_name_the_place() {
    for (set, words) in [
        ("train.stepz=3", "steps"),
        ("data.simulator.bouncing_ball.restitutoin=1", "restitution"),
        (
            "data.simulator.bouncing_ball.restitution=1.5",
            "restitution",
        ),
        ("train.batch=none", "train.batch"),
        ("models.lg_vae.lg_vae.latent=3", "latent"),
        ("encode.context=20", "context"),
        ("data.video.width=4", "width"),
        ("train.batch=4000", "batch"),
    ] {
        let output = kinostate(&["check", "experiments/quickstart.yaml", "--set", set]);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{set}: {message}");
        assert!(message.contains(words), "{set}: {message}");
    }
    assert_eq!(
        kinostate(&["run", "no/such/file.yaml"]).status.code(),
        Some(2)
    );
    assert_eq!(kinostate(&["fly"]).status.code(), Some(2));
}

#[test]
fn every_shipped_experiment_is_valid_and_starts_with_its_question() {
    for entry in
        std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments")).unwrap()
    {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let mut lines = text.lines();
        // The first line is for editors.
        assert!(lines.next().unwrap().starts_with("# yaml-language-server:"));
        assert!(
            lines.next().unwrap().starts_with("# Question:"),
            "{}",
            path.display()
        );
        let output = kinostate(&["check", &path.display().to_string()]);
        // Data that somebody else owns are not shipped: the message says what is not there.
        let stored = text
            .lines()
            .find_map(|line| line.strip_prefix("data: { dataset: "));
        let folder = stored.and_then(|rest| rest.split(" }").next());
        match folder.filter(|folder| !Path::new(folder).exists()) {
            None => succeeds(&output),
            Some(folder) => {
                let told = String::from_utf8_lossy(&output.stderr);
                let named = told.contains("data.dataset: ") && told.contains(folder);
                assert!(named && output.status.code() == Some(2), "{told}");
            }
        }
    }
}
