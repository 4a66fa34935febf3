//! Impossible pairs from the data to the report: judged by the model's surprise and by judges that learn nothing, the same
//! bytes on one thread and two, and marked by `kinostate watch` where they happen.

mod run_support;

use kinostate::data::{Dataset, event_of};
use run_support::{EXPERIMENT, contents, finish};
use std::path::Path;
use std::process::Command;

/// Enough for a ball to be drawn where it is; its law is not yet learned.
const TRAINED: [&str; 20] = [
    "--set",
    "train.steps=800",
    "--set",
    "train.batch=16",
    "--set",
    "data.splits.train=300",
    "--set",
    "data.video={width: 16, height: 16, walls: false}",
    "--set",
    "data.frames=12",
    "--set",
    "data.impossible={pairs: 24, kinds: [vanish, wall, brightness]}",
    "--set",
    "models.first.lg_vae.frames.decoder.mlp.hidden=[48]",
    "--set",
    "analyses=[{violations: {}}]",
    "--set",
    "encode.drop_rates=[]",
    "--set",
    "train.validate_every=400",
];

fn value(finding: &serde_json::Value, name: &str) -> f64 {
    let metrics = finding["metrics"].as_array().unwrap();
    let found = metrics.iter().find(|metric| metric["name"] == name);
    found.unwrap_or_else(|| panic!("no {name}: {finding:#}"))["value"]
        .as_f64()
        .unwrap()
}

fn read(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn what_vanishes_is_told_by_surprise_and_marked_by_watch_in_its_clip_and_after_its_frame() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    finish(folder, &TRAINED);
    let finding = read(&folder.join("run/first/seed-0/findings/violations.json"));
    println!("{}", finding["answer"]);
    // The true law pays nothing in possible clips and something at every event: by construction of the pairs.
    for kind in ["all", "vanish", "wall", "brightness"] {
        for what in ["pairwise", "within_one_frame", "auroc"] {
            let told = value(&finding, &format!("{what}/true law/{kind}"));
            assert_eq!(told, 1.0, "{what} {kind}");
        }
    }
    // A ball that is gone costs its pixels, whatever the law has learned: all of eight pairs are told. A tracker of 16 x 16
    // pixels tells most pairs.
    assert!(value(&finding, "pairwise/surprise/vanish") >= 0.75);
    assert!(value(&finding, "pairwise/tracker/all") >= 0.6);
    assert!(
        folder
            .join("run/first/seed-0/figures/violations.svg")
            .exists()
    );

    let watched = Command::new(env!("CARGO_BIN_EXE_kinostate"))
        .current_dir(folder)
        .args(["watch", "run/first/seed-0", "run", "--split", "impossible"])
        .args(["--moments", "4", "--out", "odd"])
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&watched.stderr).into_owned();
    assert!(watched.status.success(), "{words}");
    let data = Dataset::open(&folder.join("run/data")).unwrap();
    let split = data.split("impossible").unwrap();
    let table = std::fs::read_to_string(folder.join("odd/moments.csv")).unwrap();
    println!("{table}");
    let (mut right, mut at_once) = (0, 0);
    for row in table.lines().skip(1) {
        let cells: Vec<&str> = row.split(',').collect();
        let [clip, frame]: [usize; 2] = [1, 2].map(|k| cells[k].parse().unwrap());
        let event = event_of(data.event_columns(), split.events(clip));
        right += usize::from(event.as_ref().is_some_and(|event| frame >= event.frame));
        at_once += usize::from(
            event.is_some_and(|event| (0..=1).contains(&(frame as i64 - event.frame as i64))),
        );
    }
    // Half of the clips are possible, and half of the frames of the others come before the event: by chance one in four.
    assert_eq!(right, 4, "{table}");
    println!("{at_once} of 4 within a frame of the event");
    assert!(folder.join("odd/moments.gif").exists());
}

#[test]
fn a_run_with_pairs_leaves_the_same_bytes_on_one_thread_and_two() {
    let run = |threads: &str| {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("tiny.yaml"), EXPERIMENT).unwrap();
        let ran = Command::new(env!("CARGO_BIN_EXE_kinostate"))
            .current_dir(dir.path())
            .args(["run", "tiny.yaml", "--quiet", "--out", "run"])
            .args(["--threads", threads, "--set", "data.frames=10"])
            .args(["--set", "data.impossible={pairs: 5, kinds: [kick, vanish]}"])
            .args(["--set", "analyses=[{violations: {}}]"])
            .output()
            .unwrap();
        assert!(
            ran.status.success(),
            "{}",
            String::from_utf8_lossy(&ran.stderr)
        );
        let all = contents(dir.path());
        (dir, all)
    };
    let ((_a, one), (_b, two)) = (run("1"), run("2"));
    assert!(one.keys().eq(two.keys()));
    for (path, bytes) in &one {
        assert!(bytes == &two[path], "{} differs", path.display());
    }
}
