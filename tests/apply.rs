//! `kinostate apply`: on its own test split a model says what the encode stage and the probe said; on a video of that
//! split it says nearly so; what does not fit is refused with its reason.

mod run_support;

use kinostate::latents::Beliefs;
use run_support::finish;
use std::path::Path;
use std::process::{Command, Output};

fn kinostate(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kinostate"));
    command
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap()
}

fn words(output: &Output) -> String {
    let bytes = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn read(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

const MODEL: &str = "run/first/seed-0";

#[test]
fn a_model_applied_to_its_own_test_split_says_what_the_run_said() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    finish(folder, &[]);
    let done = kinostate(folder, &["apply", MODEL, "run", "--out", "own"]);
    assert!(done.status.success(), "{}", words(&done));

    // Beliefs and surprise: the bytes of the encode stage.
    let want = Beliefs::load(&folder.join(MODEL).join("latents/test")).unwrap();
    let got = Beliefs::load(&folder.join("own/latents")).unwrap();
    for name in [
        "encoder",
        "filtered",
        "smoothed",
        "smoothed_cov",
        "surprise",
    ] {
        assert_eq!(got.need(name).unwrap(), want.need(name).unwrap(), "{name}");
    }
    // R²: that of the probe, mean over x and y.
    let probe = read(&folder.join(MODEL).join("findings/probe.json"));
    let metrics = probe["metrics"].as_array().unwrap();
    let told = read(&folder.join("own/apply.json"));
    let scores = told["scores"].as_array().unwrap();
    for (name, columns) in [("position", ["x", "y"]), ("velocity", ["vx", "vy"])] {
        for kind in ["encoder", "filtered", "smoothed"] {
            let key = format!("{name}_r2/{kind}");
            let one = metrics.iter().find(|metric| metric["name"] == key.as_str());
            let want = one.unwrap()["value"].as_f64().unwrap();
            let own = scores.iter().filter(|score| {
                score["latents"] == kind && columns.contains(&score["column"].as_str().unwrap())
            });
            let own: Vec<f64> = own.map(|score| score["r2"].as_f64().unwrap()).collect();
            let mean = own.iter().sum::<f64>() / 2.0;
            assert!(
                own.len() == 2 && (mean - want).abs() < 1e-9,
                "{key}: {mean} {want}"
            );
        }
    }
    // A row a frame, and the films.
    let table = std::fs::read_to_string(folder.join("own/frames.csv")).unwrap();
    assert_eq!(table.lines().count(), 1 + 8 * 8);
    assert!(
        table.starts_with("clip,frame,time_s,seen,surprise_nats,x_smoothed (px),"),
        "{table:.120}"
    );
    for file in ["film-0.png", "film-0.gif", "reconstruction.npy"] {
        assert!(folder.join("own").join(file).exists(), "{file}");
    }

    // A video of the first test clip, if there is ffmpeg: other bytes, nearly the same latents.
    let made = kinostate(
        folder,
        &[
            "export", "run/data", "--to", "mp4", "--split", "test", "--out", "clips",
        ],
    );
    if !made.status.success() {
        println!("skipped: {}", words(&made));
    } else {
        let done = kinostate(
            folder,
            &["apply", MODEL, "clips/test-00000.mp4", "--out", "video"],
        );
        assert!(done.status.success(), "{}", words(&done));
        assert!(words(&done).contains("no true states"), "{}", words(&done));
        let video = Beliefs::load(&folder.join("video/latents")).unwrap();
        let (video, want) = (
            video.need("encoder").unwrap(),
            want.need("encoder").unwrap(),
        );
        assert_eq!(video.shape(), [1, 8, want.shape()[2]]);
        let spread = want.data().iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        for (a, b) in video.data().iter().zip(want.row(0)) {
            // H.264 at a rate of 16 moves pixels by some 1 % of white.
            assert!((a - b).abs() < 0.1 * spread, "{a} {b}");
        }
    }

    // What does not fit says so.
    let refused = |arguments: &[&str], message: &str| {
        let output = kinostate(folder, arguments);
        assert!(!output.status.success());
        assert!(words(&output).contains(message), "{}", words(&output));
    };
    refused(
        &["apply", "run", "run", "--out", "x"],
        "expected the folder of a trained model, such as",
    );
    refused(
        &["apply", "run/first/seed-7", "run", "--out", "x"],
        "got no folder",
    );
    refused(
        &["apply", MODEL, "run", "--split", "other", "--out", "x"],
        "expected a split of",
    );
    refused(
        &["apply", MODEL, "run", "--fps", "5", "--out", "x"],
        "--fps is for videos",
    );
    refused(&["apply", MODEL, "tiny.yaml", "--out", "x"], "tiny.yaml");
    std::fs::rename(folder.join("run/data"), folder.join("away")).unwrap();
    refused(
        &["apply", MODEL, "away", "--out", "x"],
        "`kinostate generate`",
    );
}
