//! The manual of import and export: it names every flag that there is and no other, and its commands run.

use super::arrays::{matlab_array, matlab_file};
use super::support::{archive, array};
use super::tables::TRACKMATE;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn manual() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/import.md")).unwrap()
}

fn kinostate(dir: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kinostate"))
        .args(words)
        .current_dir(dir)
        .output()
        .unwrap()
}

/// The words that begin with two dashes.
fn flags(text: &str) -> BTreeSet<String> {
    let letter = |c: char| c.is_ascii_lowercase() || c == '-';
    let words = text.match_indices("--").map(|(at, _)| {
        let word: String = text[at + 2..].chars().take_while(|&c| letter(c)).collect();
        word.trim_end_matches('-').to_string()
    });
    words.filter(|word| !word.is_empty()).collect()
}

#[test]
fn the_manual_names_every_flag_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let mut there = BTreeSet::new();
    for command in ["import", "export"] {
        let help = kinostate(dir.path(), &[command, "--help"]);
        there.extend(flags(&String::from_utf8_lossy(&help.stdout)));
    }
    there.remove("help");
    let told = flags(&manual());
    let lacking: Vec<_> = there.difference(&told).collect();
    let unknown: Vec<_> = told.difference(&there).collect();
    assert!(lacking.is_empty(), "not in docs/import.md: {lacking:?}");
    assert!(unknown.is_empty(), "only in docs/import.md: {unknown:?}");
}

#[test]
fn the_manuals_commands_run_as_they_stand_there() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: Vec<u8>| fs::write(dir.path().join(name), bytes).unwrap();
    let frames = array(&[20, 5, 4, 6], &[90u8; 20 * 120]);
    for name in ["box.npz", "box_test.npz"] {
        let arrays = [("frames", frames.clone()), ("dt", array(&[1], &[0.2f64]))];
        archive(&dir.path().join(name), &arrays);
    }
    // As published: frames in `images`, states in `state`.
    let states = array(&[20, 5, 4], &[1f64; 400]);
    for name in ["kalman.npz", "kalman_test.npz"] {
        let arrays = [("images", frames.clone()), ("state", states.clone())];
        archive(&dir.path().join(name), &arrays);
    }
    let video = array(&[60, 6, 5, 3], &[90u8; 60 * 90]);
    archive(&dir.path().join("video.npz"), &[("frames", video)]);
    let whole = matlab_array("frames", &[4, 6, 5, 9], 9, &[90; 4 * 6 * 5 * 9]);
    put("recording.mat", matlab_file(true, &[whole]));
    let mut spots = TRACKMATE.lines().take(4).collect::<Vec<_>>().join("\n") + "\n";
    let mut pose = "track,frame_idx,a.x,a.y,a.score\n".to_string();
    for t in 0..60 {
        let (x, y) = (f64::from(t) / 2.0, f64::from(t % 7));
        spots += &format!("ID{t},{t},0,1,{x},{y},0,{},{t},1\n", f64::from(t) / 10.0);
        pose += &format!("one,{t},{x},{y},0.{}\n", 5 + t % 5);
    }
    put("spots.csv", spots.into_bytes());
    put("pose.csv", pose.into_bytes());
    let text = manual().replace("\\\n", "");
    let blocks = text.split("```sh\n").skip(1);
    let lines: Vec<&str> = blocks
        .flat_map(|block| block.split("```").next().unwrap().lines())
        .collect();
    assert!(lines.len() >= 8, "{lines:?}");
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[0], "kinostate");
        // Video is tried where ffmpeg is there.
        if line.contains(".mp4") || line.contains(".mov") {
            continue;
        }
        let output = kinostate(dir.path(), &words[1..]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}\n{error}");
    }
}
