//! A run that is killed or stopped at any moment ends, run again, with the bytes of one that was never stopped.
//!
//! `KINOSTATE_KILLS=50 cargo test --release --test run_killed -- --nocapture` kills 50 times; a few by default.

mod run_support;

use kinostate::seeds::Seeds;
use rand::RngExt;
use run_support::{assert_same, command, contents, finish};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// Kills without a break in one folder, before it may end.
const IN_A_ROW: usize = 5;

/// Which stage a run folder is in, by what stands in it.
fn stage(folder: &Path) -> &'static str {
    let run = folder.join("run");
    let model = run.join("first/seed-0");
    let stages = [
        (run.join("report.html"), "report"),
        (model.join("figures"), "plot"),
        (model.join("findings"), "analyze"),
        (model.join("latents"), "encode"),
        (model, "train"),
        (run.join("data"), "generate"),
    ];
    stages
        .iter()
        .find(|(path, _)| path.exists())
        .map_or("start", |(_, name)| name)
}

/// Kills the child after a time; false when it had ended before.
fn kill_after(mut child: Child, time: Duration) -> bool {
    let since = Instant::now();
    while since.elapsed() < time {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();
    true
}

#[test]
fn killed_at_random_moments_a_run_ends_with_the_same_bytes() {
    let kills: usize = match std::env::var("KINOSTATE_KILLS") {
        Ok(text) => text.parse().expect("KINOSTATE_KILLS is a number"),
        Err(_) => 5,
    };
    let whole = tempfile::tempdir().unwrap();
    let since = Instant::now();
    finish(whole.path(), &[]);
    let took = since.elapsed();
    let want = contents(whole.path());
    assert!(want.len() > 40, "{:?}", want.keys());

    let mut rng = Seeds::new(50).stream("kills", 0);
    let mut hit: BTreeMap<&str, usize> = BTreeMap::new();
    let mut done = 0;
    while done < kills {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..IN_A_ROW.min(kills - done) {
            let time = took.mul_f64(rng.random_range(0.0..1.0));
            let child = command(folder.path(), "run", &[])
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            if kill_after(child, time) {
                *hit.entry(stage(folder.path())).or_default() += 1;
                done += 1;
            }
        }
        finish(folder.path(), &[]);
        assert_same(
            &want,
            &contents(folder.path()),
            &format!("after {done} kills"),
        );
    }
    println!(
        "{done} kills, in {hit:?}; a run takes {:.1} s",
        took.as_secs_f64()
    );
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_and_exits_within_two_seconds_and_loses_not_a_step() {
    // One validation only, so that the interruption falls between two.
    let long = [
        "--set",
        "train.steps=300",
        "--set",
        "train.validate_every=300",
    ];
    let whole = tempfile::tempdir().unwrap();
    finish(whole.path(), &long);

    let folder = tempfile::tempdir().unwrap();
    let child = command(folder.path(), "run", &long)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = folder.path().join("run/log.txt");
    let begun =
        || std::fs::read_to_string(&log).is_ok_and(|text| text.contains("train first, seed 0"));
    while !begun() {
        std::thread::sleep(Duration::from_millis(2));
    }
    std::thread::sleep(Duration::from_millis(60));
    let since = Instant::now();
    let sent = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
    let output = child.wait_with_output().unwrap();
    let took = since.elapsed();
    let message = String::from_utf8_lossy(&output.stderr);
    println!("{took:?}: {message}");
    assert_eq!(output.status.code(), Some(130), "{message}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(message.contains("training is saved at step"), "{message}");
    assert!(
        folder
            .path()
            .join("run/first/seed-0/checkpoint.safetensors")
            .exists()
    );

    finish(folder.path(), &long);
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(log.contains("going on from step"), "{log}");
    assert_same(
        &contents(whole.path()),
        &contents(folder.path()),
        "after Ctrl-C",
    );
}
