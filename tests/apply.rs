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

/// The ball of the run is moved along the read-out of its law: before and after differ by what was asked in the belief, the rest
/// is written, and what can't be asked is refused with what can.
#[test]
fn clips_are_made_as_asked_and_what_a_model_lacks_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    finish(folder, &[]);
    let made = |extra: &[&str], out: &str| {
        let arguments = [&["synthesize", MODEL, "--out", out], extra].concat();
        kinostate(folder, &arguments)
    };
    let done = made(
        &["--from", "1", "--horizon", "3", "--samples", "2"],
        "futures",
    );
    assert!(done.status.success(), "{}", words(&done));
    let table = std::fs::read_to_string(folder.join("futures/asked.csv")).unwrap();
    let names: Vec<&str> = table
        .lines()
        .map(|line| line.split(',').next().unwrap())
        .collect();
    assert_eq!(names, ["clip", "future-0", "future-1"]);
    for file in ["clips.npy", "future-0.gif", "future-1.gif"] {
        assert!(folder.join("futures").join(file).exists(), "{file}");
    }
    // The same bytes again.
    made(
        &["--from", "1", "--horizon", "3", "--samples", "2"],
        "again",
    );
    let [one, two] =
        ["futures", "again"].map(|out| std::fs::read(folder.join(out).join("clips.npy")).unwrap());
    assert_eq!(one, two);

    let done = made(&["--move", "x=+2", "--horizon", "2"], "moved");
    assert!(done.status.success(), "{}", words(&done));
    assert!(
        folder.join("moved/before-0.gif").exists() && folder.join("moved/after-0.gif").exists()
    );
    let done = made(&["--move", "x=+900", "--horizon", "2"], "far");
    assert!(
        words(&done).contains("outside of the training data's"),
        "{}",
        words(&done)
    );

    for (extra, message) in [
        (
            &["--move", "speed=+1"][..],
            "expected a state of this dataset (x, y, vx, vy), got speed",
        ),
        (&["--swap", "0:1"], "keeps the content of a clip apart"),
        (&["--content", "2"], "keeps the content of a clip apart"),
        (&["--swap", "0-1"], "such as 4:7, got 0-1"),
        (&["--from", "99"], "expected a clip below 8"),
        (&["--seen", "0"], "--seen in 1..=8"),
    ] {
        let output = made(extra, "refused");
        assert!(!output.status.success(), "{extra:?}");
        assert!(
            words(&output).contains(message),
            "{extra:?}: {}",
            words(&output)
        );
    }
}
