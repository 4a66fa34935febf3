//! Videos of 1920 x 1080 pixels through the command: gravity and restitution.

use super::clips::{Disc, Disturbed, clip};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// 60 frames a second of 192 x 108 pixels, scaled up ten times: 40 px of the small ones are a metre, so 400 of the large.
fn video(path: &Path, steps: usize, of: impl Fn(f64) -> [f64; 2]) -> bool {
    let disturbed = Disturbed {
        noise: 0.01,
        ..Disturbed::default()
    };
    let small = clip((192, 108), steps, 0.3, disturbed, 5, |t| {
        vec![Disc {
            at: of(t as f64 / 60.0),
            radius: 5.0,
            brightness: 0.9,
        }]
    });
    let run = Command::new("ffmpeg")
        .args([
            "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "gray", "-s", "192x108", "-r", "60",
        ])
        .args([
            "-i",
            "pipe:0",
            "-vf",
            "scale=1920:1080:flags=bicubic,format=yuv420p",
        ])
        .args(["-c:v", "libx264", "-preset", "ultrafast", "-crf", "20"])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn();
    let Ok(mut run) = run else {
        println!("skipped: no ffmpeg");
        return false;
    };
    run.stdin.take().unwrap().write_all(&small.frames).unwrap();
    assert!(run.wait().unwrap().success());
    true
}

fn numbers(video: &Path, more: &[&str]) -> serde_json::Value {
    let out = video.with_extension("found");
    let output = Command::new(env!("CARGO_BIN_EXE_kinostate"))
        .arg("identify")
        .arg(video)
        .args(more)
        .arg("--out")
        .arg(&out)
        .output()
        .unwrap();
    println!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let page = std::fs::read_to_string(out.join("report.md")).unwrap();
    for file in ["strip.png", "path.svg"] {
        assert!(
            page.contains(&format!("]({file})")) && out.join(file).exists(),
            "{file}"
        );
    }
    serde_json::from_slice(&std::fs::read(out.join("identify.json")).unwrap()).unwrap()
}

fn constant<'a>(found: &'a serde_json::Value, name: &str) -> (&'a str, f64) {
    let all = found["constants"].as_array().unwrap();
    let one = all.iter().find(|c| c["name"] == name).unwrap();
    (
        one["unit"].as_str().unwrap(),
        one["value"].as_f64().unwrap(),
    )
}

#[test]
fn gravity_of_a_falling_ball_is_within_two_percent() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("drop.mp4");
    // Thrown to the right; .65 s of 9.81 m/s² are 2.07 m.
    if !video(&path, 40, |t| {
        [30.0 + 60.0 * t, 10.0 + 0.5 * 9.81 * 40.0 * t * t]
    }) {
        return;
    }
    let found = numbers(&path, &["--px-per-m", "400"]);
    assert_eq!(
        (found["law"].as_str(), found["told"].as_bool()),
        (Some("free_fall"), Some(true)),
        "{found}"
    );
    let (unit, gravity) = constant(&found, "gravity");
    assert_eq!(unit, "m/s^2");
    assert!((gravity / 9.81 - 1.0).abs() < 0.02, "{gravity}");
}

#[test]
fn gravity_and_restitution_of_a_bouncing_ball_are_within_two_percent() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ball.mp4");
    let (gravity, restitution, floor, top) = (9.81 * 40.0, 0.75f64, 100.0, 12.0);
    // Flight by flight: our own answer.
    let fall: f64 = 2.0 * (floor - top) / gravity;
    let fall = fall.sqrt();
    let height = |t: f64| {
        if t < fall {
            return top + 0.5 * gravity * t * t;
        }
        let (mut from, mut speed) = (fall, restitution * gravity * fall);
        while t > from + 2.0 * speed / gravity && speed > 1e-6 {
            from += 2.0 * speed / gravity;
            speed *= restitution;
        }
        let s = t - from;
        floor - speed * s + 0.5 * gravity * s * s
    };
    if !video(&path, 120, |t| [20.0 + 50.0 * t, height(t)]) {
        return;
    }
    let found = numbers(&path, &["--px-per-m", "400"]);
    assert_eq!(
        (found["law"].as_str(), found["told"].as_bool()),
        (Some("bounce"), Some(true)),
        "{found}"
    );
    let (g, e) = (
        constant(&found, "gravity").1,
        constant(&found, "restitution").1,
    );
    assert!(
        (g / 9.81 - 1.0).abs() < 0.02 && (e / restitution - 1.0).abs() < 0.02,
        "{g} {e}"
    );
}
