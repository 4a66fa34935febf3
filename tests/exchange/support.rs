//! What these tests share: a small dataset, imports into a folder, arrays as files, and programs that may be missing.

use kinostate::data::{DataConfig, Dataset, generate};
use kinostate::exchange::{ExportOptions, Format, ImportOptions, Origin, export, import};
use kinostate::progress::Progress;
use kinostate::store::npy;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A ball with gravity in 7 + 2 + 4 sequences of 9 frames; contacts and drawn parameters are there.
pub fn ball(dir: &Path) -> Dataset {
    simulated(dir, "{ train: 7, validation: 2, test: 4 }", "{}")
}

/// The same with these splits and pictures.
pub fn simulated(dir: &Path, splits: &str, video: &str) -> Dataset {
    let yaml = format!(
        "
simulator:
  bouncing_ball:
    gravity: [0, {{ uniform: {{ low: -20, high: -5 }} }}]
    restitution: {{ uniform: {{ low: 0.5, high: 1 }} }}
video: {video}
frames: 9
dt: 0.2
splits: {splits}
sequences_per_shard: 3
"
    );
    let config: DataConfig = serde_yaml::from_str(&yaml).unwrap();
    generate(&config, dir, &Progress::hidden()).unwrap();
    Dataset::open(dir).unwrap()
}

pub fn exported(data: &Dataset, format: Format, out: &Path) -> Vec<PathBuf> {
    let options = ExportOptions {
        out: out.to_path_buf(),
        ..ExportOptions::default()
    };
    export(data.dir(), format, &options, &Progress::hidden()).unwrap()
}

/// Imports sources as the command line names them.
pub fn imported(
    sources: &[String],
    out: &Path,
    options: &ImportOptions,
) -> kinostate::Result<Dataset> {
    let origins: Vec<Origin> = sources.iter().map(|text| text.parse().unwrap()).collect();
    import(&origins, out, options, &Progress::hidden())?;
    Dataset::open(out)
}

/// The same, with what the import says, in one text.
pub fn noted(
    sources: &[String],
    out: &Path,
    options: &ImportOptions,
) -> kinostate::Result<(Dataset, String)> {
    let origins: Vec<Origin> = sources.iter().map(|text| text.parse().unwrap()).collect();
    let notes = import(&origins, out, options, &Progress::hidden())?;
    println!("{notes:?}");
    Ok((Dataset::open(out)?, notes.join("\n")))
}

/// The states of all sequences of a split, one after the other; a state that is not known is -999.
pub fn states(data: &Dataset, split: &str) -> Vec<f64> {
    let split = data.split(split).unwrap();
    let all = (0..split.len()).flat_map(|i| split.states(i));
    all.map(|&v| if v.is_nan() { -999.0 } else { v }).collect()
}

/// Which frames of all sequences of a split are seen.
pub fn seen(data: &Dataset, split: &str) -> Vec<u8> {
    let split = data.split(split).unwrap();
    (0..split.len())
        .flat_map(|i| split.frame_seen(i))
        .copied()
        .collect()
}

/// `split=folder/name`.
pub fn source(split: &str, folder: &Path, name: &str) -> String {
    format!("{split}={}", folder.join(name).display())
}

/// Every split gets the whole of one file.
pub fn everywhere(path: &Path) -> Vec<String> {
    ["train", "validation", "test"]
        .map(|split| format!("{split}={}", path.display()))
        .into()
}

/// The bytes of an `.npy` file.
pub fn array<T: npy::Element>(shape: &[usize], values: &[T]) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.npy");
    npy::write(&path, shape, values).unwrap();
    std::fs::read(path).unwrap()
}

/// An `.npz` archive of these arrays, deflated as `numpy.savez_compressed` does.
pub fn archive(path: &Path, arrays: &[(&str, Vec<u8>)]) {
    let mut zip = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    for (key, bytes) in arrays {
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file(format!("{key}.npy"), options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

/// Runs Python, or says why not: `modules` must be there.
pub fn python(modules: &[&str], script: &str, folder: &Path) -> Option<Output> {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let run = |script: &str| {
        Command::new(&python)
            .args(["-c", script])
            .current_dir(folder)
            .output()
    };
    for module in modules {
        if !run(&format!("import {module}")).is_ok_and(|output| output.status.success()) {
            println!("skipped: {python} with {module} is not installed (PYTHON names another one)");
            return None;
        }
    }
    let output = run(script).unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(output)
}

/// Whether ffmpeg is there; says so if not.
pub fn has_ffmpeg() -> bool {
    let there = |program| Command::new(program).arg("-version").output().is_ok();
    let both = there("ffmpeg") && there("ffprobe");
    if !both {
        println!("skipped: the program ffmpeg is not installed");
    }
    both
}
