//! An experiment on an imported dataset, through the command line: with states, without them, and when it changes.

use super::support::{archive, array, everywhere, exported, imported, simulated, source};
use kinostate::exchange::{Format, ImportOptions};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const EXPERIMENT: &str = "
name: own
question: Does a model learn from imported frames?
data: { dataset: own }
models:
  a:
    lg_vae:
      frames:
        codes: 2
        encoder: { cnn: { channels: [2, 2], kernels: [5, 3], strides: [2, 1], head: spatial_softmax } }
        decoder: { mlp: { hidden: [8] } }
      latent: 4
train: { steps: 4, batch: 4, validate_every: 2, micro_batches: 1 }
";

fn kinostate(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kinostate"))
        .args(args)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    [&output.stdout[..], &output.stderr]
        .map(String::from_utf8_lossy)
        .concat()
}

#[track_caller]
fn succeeds(output: &Output) -> String {
    assert!(output.status.success(), "{}", text(output));
    text(output)
}

/// A dataset `own` with or without states, beside an experiment on it.
fn project(folder: &Path, states: bool) {
    // Small frames and enough sequences for read-outs to be fitted.
    let splits = "{ train: 24, validation: 8, test: 10 }";
    let data = simulated(&folder.join("data"), splits, "{ width: 16, height: 16 }");
    exported(&data, Format::Npz, &folder.join("npz"));
    let options = ImportOptions {
        no_states: !states,
        ..ImportOptions::default()
    };
    let sources = ["train", "validation", "test"]
        .map(|split| source(split, &folder.join("npz"), &format!("{split}.npz")));
    imported(&sources, &folder.join("own"), &options).unwrap();
    fs::write(folder.join("own.yaml"), EXPERIMENT).unwrap();
}

#[test]
fn a_run_on_imported_data_has_the_numbers_of_a_run_on_the_simulated_ones() {
    let dir = tempfile::tempdir().unwrap();
    project(dir.path(), true);
    let shown = succeeds(&kinostate(dir.path(), &["check", "own.yaml"]));
    for words in [
        "dataset: own",
        "manifest_sha256: ",
        "frames: 9",
        "train: 24",
        "context: 4",
    ] {
        assert!(shown.contains(words), "{words:?} is not in {shown}");
    }
    succeeds(&kinostate(dir.path(), &["run", "own.yaml", "--out", "one"]));
    let again = succeeds(&kinostate(dir.path(), &["run", "own.yaml", "--out", "one"]));
    assert!(again.contains("done already"), "{again}");
    assert!(
        !dir.path().join("one/data").exists(),
        "the dataset was copied"
    );
    // The folder that was simulated is a dataset too: the same frames and states, the same results.
    let other = EXPERIMENT.replace("dataset: own", "dataset: data");
    fs::write(dir.path().join("data.yaml"), other).unwrap();
    succeeds(&kinostate(
        dir.path(),
        &["run", "data.yaml", "--out", "two"],
    ));
    let read = |run: &str, file: &str| fs::read(dir.path().join(run).join(file)).unwrap();
    assert!(read("one", "a/seed-0/model.safetensors") == read("two", "a/seed-0/model.safetensors"));
    // Every number of the imported data is one of the simulated data. Those have a few more: what a simulator draws or reports.
    let summary = |run: &str| -> serde_json::Value {
        serde_json::from_slice(&read(run, "summary.json")).unwrap()
    };
    let (one, two) = (summary("one"), summary("two"));
    assert_eq!(one["baselines"], two["baselines"]);
    for quantity in ["position_r2", "velocity_r2", "elbo_nats_per_frame"] {
        let of = |summary: &serde_json::Value| summary["models"]["a"][quantity].clone();
        assert_eq!(of(&one), of(&two), "{quantity}");
    }
    let (one, two) = (
        &one["models"]["a"]["metrics"],
        &two["models"]["a"]["metrics"],
    );
    let mut compared = 0;
    for (analysis, metrics) in one.as_object().unwrap() {
        for (name, value) in metrics.as_object().unwrap() {
            assert_eq!(value, &two[analysis][name], "{analysis} {name}");
            compared += 1;
        }
    }
    assert!(compared > 50, "{compared}");
    for (analysis, metrics) in two.as_object().unwrap() {
        for name in metrics.as_object().unwrap().keys() {
            let more =
                analysis == "regimes" || name.ends_with("_wrong_pixels/linear interpolation");
            let here = one.get(analysis).and_then(|of| of.get(name)).is_some();
            assert!(here || more, "{analysis} {name}");
        }
    }
    succeeds(&kinostate(dir.path(), &["inspect", "one"]));
    let gif = kinostate(dir.path(), &["inspect", "one", "--frames", "a.gif"]);
    succeeds(&gif);

    // Another dataset under the same name: done again by `run`, refused where the old one was written down.
    let frozen = dir.path().join("frozen.yaml");
    fs::copy(dir.path().join("one/config.yaml"), &frozen).unwrap();
    fs::remove_dir_all(dir.path().join("own")).unwrap();
    let sources = everywhere(&dir.path().join("npz/test.npz"));
    imported(&sources, &dir.path().join("own"), &ImportOptions::default()).unwrap();
    let output = kinostate(dir.path(), &["run", "frozen.yaml", "--out", "three"]);
    let message = text(&output);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(
        message.contains("another dataset than the experiment was resolved for")
            && message.contains("splits.train: 10 there, 24 here"),
        "{message}"
    );
    let refused = text(&kinostate(dir.path(), &["run", "own.yaml", "--out", "one"]));
    assert!(refused.contains("would be lost"), "{refused}");
    let again = ["run", "own.yaml", "--out", "one", "--overwrite"];
    let changed = succeeds(&kinostate(dir.path(), &again));
    assert!(
        changed.contains("the configuration has changed"),
        "{changed}"
    );
}

#[test]
fn without_true_states_models_train_and_each_analysis_says_what_it_lacks() {
    let dir = tempfile::tempdir().unwrap();
    project(dir.path(), false);
    succeeds(&kinostate(dir.path(), &["run", "own.yaml", "--out", "run"]));
    let finding = |name: &str| {
        let path = dir
            .path()
            .join(format!("run/a/seed-0/findings/{name}.json"));
        let finding: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        finding["answer"].as_str().unwrap().to_string()
    };
    for name in ["probe", "lag_scan", "law", "horizon", "geometry"] {
        assert_eq!(
            finding(name),
            "not applicable: this dataset has no true states to compare with",
            "{name}"
        );
    }
    for name in ["training", "filmstrip"] {
        assert!(!finding(name).starts_with("not applicable"), "{name}");
    }
    let report = fs::read_to_string(dir.path().join("run/report.md")).unwrap();
    assert!(
        report.contains("this dataset has no true states"),
        "{report}"
    );
    assert!(report.contains("ELBO"), "{report}");
    assert!(!report.contains("NaN"), "{report}");
}

#[test]
fn colour_is_learned_from_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.npz");
    // A red square that moves to the right over blue, (N, T, H, W, C).
    let mut frames = Vec::new();
    for n in 0..12 {
        for t in 0..6 {
            for at in 0..16 * 16 {
                let inside =
                    (n % 8..n % 8 + 3).contains(&(at / 16)) && (t..t + 4).contains(&(at % 16));
                frames.extend(if inside { [255u8, 0, 0] } else { [0, 0, 90] });
            }
        }
    }
    archive(&path, &[("frames", array(&[12, 6, 16, 16, 3], &frames))]);
    let options = ImportOptions {
        dt: Some(0.1),
        ..ImportOptions::default()
    };
    imported(
        &[path.display().to_string()],
        &dir.path().join("own"),
        &options,
    )
    .unwrap();
    fs::write(dir.path().join("own.yaml"), EXPERIMENT).unwrap();
    succeeds(&kinostate(dir.path(), &["run", "own.yaml", "--out", "run"]));
    let film = dir.path().join("run/a/seed-0/figures/filmstrip.png");
    assert!(film.exists());
}

#[test]
fn a_dataset_that_is_not_there_is_named_with_its_place_in_the_file() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("own.yaml"), EXPERIMENT).unwrap();
    let output = kinostate(dir.path(), &["check", "own.yaml"]);
    let message = text(&output);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(
        message.contains("own.yaml:4:")
            && message.contains("data.dataset: own/manifest.json")
            && message.contains("counts from the folder where the command is started"),
        "{message}"
    );
    // Keys of a simulated dataset do not go with a stored one.
    let both = EXPERIMENT.replace("dataset: own", "dataset: own, frames: 3");
    fs::write(dir.path().join("own.yaml"), both).unwrap();
    let message = text(&kinostate(dir.path(), &["check", "own.yaml"]));
    assert!(
        message.contains("unknown key `frames`") && message.contains("`dataset`"),
        "{message}"
    );
}
