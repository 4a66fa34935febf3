//! The command `identify`: constants of motion from videos or a dataset without labels, as text and as a page.

mod page;

use super::dataset_folder;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::exchange::{Crop, FilmOptions, film};
use crate::identify::{Asked, Clip, Code, Settings, identify as find};
use crate::run::RunFolder;
use std::path::{Path, PathBuf};

/// What `identify` is asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IdentifyOptions {
    /// The law, where it is known.
    pub law: Option<Asked>,
    /// What is read off the body, where it is known.
    pub code: Option<Code>,
    /// Frames a second, in place of what the files tell.
    pub fps: Option<f64>,
    /// Pixels of the recording a metre.
    pub px_per_m: Option<f64>,
    /// Of videos, the part of the pictures that is looked at.
    pub crop: Option<Crop>,
    /// Of videos, from this time on, s.
    pub from: Option<f64>,
    /// Of videos, up to this time, s.
    pub to: Option<f64>,
    /// Of a dataset, the split.
    pub split: String,
    /// Of a dataset, the sequences that are taken together.
    pub sequences: usize,
    /// Where report, figures and numbers are written; nowhere without it.
    pub out: Option<PathBuf>,
    /// The command as typed, for the page.
    pub command: String,
}

/// Longest side of the pictures that are looked at, pixels: a body of 1 % of the picture still has three.
const MOST_SIDE: usize = 320;

/// Clips of one system, with what is known of them.
struct Source {
    clips: Vec<Clip>,
    dt: f64,
    zoom: f64,
    notes: Vec<String>,
    name: String,
}

/// Finds the moving part of the clips and the constants of its motion; gives the answer as text and writes the page.
///
/// # Errors
/// Sources that can't be read or don't belong together; settings that make no sense; files that can't be written.
pub fn identify(sources: &[PathBuf], options: &IdentifyOptions) -> Result<String> {
    for (flag, value) in [
        ("fps", options.fps),
        ("px-per-m", options.px_per_m),
        ("to", options.to),
    ] {
        sensible(flag, value)?;
    }
    not_before_zero("from", options.from)?;
    let source = read(sources, options)?;
    let settings = Settings {
        dt: source.dt,
        zoom: source.zoom,
        law: options.law,
        code: options.code,
    };
    let outcome = find(&source.clips, &settings)?;
    let told = page::Told {
        source: &source,
        outcome: &outcome,
        options,
    };
    if let Some(out) = &options.out {
        told.write(out)?;
    }
    Ok(told.text())
}

/// The least and the largest of a rate, a scale or a time that can be meant.
const SENSIBLE: [f64; 2] = [1e-9, 1e9];

/// Checks a flag that has to be above 0.
pub(super) fn sensible(flag: &str, value: Option<f64>) -> Result<()> {
    let [low, high] = SENSIBLE;
    match value.filter(|v| !(low..=high).contains(v)) {
        None => Ok(()),
        Some(value) => Err(Error::Experiment(format!(
            "--{flag}: expected a finite number above 0 (from {low:?} to {high:?}), got {value:?}"
        ))),
    }
}

/// Checks a time that may be 0.
pub(super) fn not_before_zero(flag: &str, value: Option<f64>) -> Result<()> {
    match value.filter(|v| !(0.0..=SENSIBLE[1]).contains(v)) {
        None => Ok(()),
        Some(value) => Err(Error::Experiment(format!(
            "--{flag}: expected a time in seconds of 0 or later, got {value}"
        ))),
    }
}

/// All clips of all sources.
fn read(sources: &[PathBuf], options: &IdentifyOptions) -> Result<Source> {
    let mut all: Option<Source> = None;
    for path in sources {
        let one = match is_dataset(path) {
            true => of_dataset(path, options)?,
            false => of_video(path, options)?,
        };
        match &mut all {
            None => all = Some(one),
            Some(all) => {
                let shape = |source: &Source| source.clips.first().map(|clip| clip.shape);
                let same = |a: f64, b: f64| (a - b).abs() < 1e-6 * a.abs();
                if shape(all) != shape(&one) || !same(all.dt, one.dt) || !same(all.zoom, one.zoom) {
                    return Err(Error::Experiment(format!(
                        "{}: expected clips of one camera, (C, H, W) = {:?} and {:.5} s a frame as in the first, got {:?} \
                         and {:.5} s",
                        path.display(),
                        shape(all).unwrap_or_default(),
                        all.dt,
                        shape(&one).unwrap_or_default(),
                        one.dt
                    )));
                }
                all.clips.extend(one.clips);
                all.notes.extend(one.notes);
                all.name += &format!(", {}", one.name);
            }
        }
    }
    all.ok_or_else(|| Error::Experiment("identify: expected a video or a dataset, got none".into()))
}

/// Whether a path is a dataset folder, or a run folder with one.
pub(super) fn is_dataset(path: &Path) -> bool {
    path.join("manifest.json").exists() || RunFolder::new(path).config().exists()
}

/// Flags that are given where they mean nothing: `path` is a dataset.
pub(super) fn only_of_videos(path: &Path, flags: &[(&str, bool)]) -> Result<()> {
    match flags.iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((flag, _)) => Err(Error::Experiment(format!(
            "--{flag} is for videos, {} is a dataset",
            path.display()
        ))),
    }
}

fn of_dataset(path: &Path, options: &IdentifyOptions) -> Result<Source> {
    let flags = [
        ("crop", options.crop.is_some()),
        ("from", options.from.is_some()),
        ("to", options.to.is_some()),
    ];
    only_of_videos(path, &flags)?;
    let data = Dataset::open(&dataset_folder(path)?)?;
    if !data.observed_columns().is_empty() {
        return Err(Error::file(
            path,
            "expected a dataset of pictures, got one of vectors",
        ));
    }
    let split = data.split(&options.split)?;
    let count = split.len().min(options.sequences.max(1));
    let clips = (0..count).map(|i| {
        let seen = split.frame_seen(i).iter().map(|&seen| seen == 1);
        Clip::new(split.frames(i).to_vec(), data.frame_shape(), seen.collect())
    });
    Ok(Source {
        clips: clips.collect::<Result<_>>()?,
        dt: options.fps.map_or(data.dt(), |fps| 1.0 / fps),
        zoom: 1.0,
        notes: vec![format!(
            "{count} of {} sequences of the split {} together",
            split.len(),
            options.split
        )],
        name: shown(path),
    })
}

fn of_video(path: &Path, options: &IdentifyOptions) -> Result<Source> {
    let film = film(
        path,
        &FilmOptions {
            fps: options.fps,
            from: options.from,
            to: options.to,
            crop: options.crop,
            most: Some(MOST_SIDE),
            ..FilmOptions::default()
        },
    )?;
    let dt = film.dt.ok_or_else(|| {
        Error::file(
            path,
            "expected the time between frames, which the file does not tell: --fps FRAMES_A_SECOND",
        )
    })?;
    Ok(Source {
        clips: vec![Clip::new(film.frames, film.shape, film.seen)?],
        dt,
        zoom: film.zoom,
        notes: film.notes,
        name: shown(path),
    })
}

/// A path as the page shows it: nothing of this machine.
pub(super) fn shown(path: &Path) -> String {
    match path.is_absolute() {
        true => path.file_name().map_or_else(
            || path.display().to_string(),
            |name| name.to_string_lossy().into_owned(),
        ),
        false => path.display().to_string(),
    }
}
