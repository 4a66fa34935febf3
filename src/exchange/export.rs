//! A dataset in another format: which sequences, and which file writes them.

use super::{card, flat_export, gif, hdf5_export, images, lerobot, mocap, npz_export, video};
use crate::data::{Dataset, Split};
use crate::error::{Error, Result};
use crate::progress::{Bar, Progress};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Declares the formats: their names and the function of each. One line per format.
macro_rules! formats {
    ($($(#[$doc:meta])* $Format:ident = $name:literal, $write:path, $most:expr;)*) => {
        /// A format that datasets are exported to.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Format {
            $($(#[$doc])* $Format),*
        }

        impl Format {
            /// Every format.
            pub const ALL: &'static [Self] = &[$(Self::$Format),*];

            /// Its name on the command line.
            pub fn name(self) -> &'static str {
                match self { $(Self::$Format => $name),* }
            }

            /// Sequences per split where nothing else is asked for; `None` is all.
            fn usual(self) -> Option<usize> {
                match self { $(Self::$Format => $most),* }
            }

            fn write(self, export: &Export) -> Result<Vec<PathBuf>> {
                match self { $(Self::$Format => $write(export)),* }
            }
        }
    };
}

formats! {
    /// NumPy's archives, a file a split: every array, columns, units and dt.
    Npz = "npz", npz_export::write, None;
    /// HDF5, one file with a group a split: the same arrays, columns and units as attributes.
    Hdf5 = "hdf5", hdf5_export::write, None;
    /// stable-worldmodel's HDF5, a file a split: the steps of all sequences in one array each.
    FlatHdf5 = "flat-hdf5", flat_export::write, None;
    /// LeRobot's folder of version 3.0: states, actions and pictures in Parquet, an episode a sequence.
    LeRobot = "lerobot", lerobot::write, None;
    /// Biovision Hierarchy, a file a sequence: motions of joints for Blender and other animation programs.
    Bvh = "bvh", mocap::write, None;
    /// H.264 video, a file a sequence, by the program ffmpeg. Lossy: to look at.
    Mp4 = "mp4", video::write, Some(8);
    /// Animated GIF, a file a sequence: to look at.
    Gif = "gif", gif::write, Some(8);
    /// A folder a sequence, a PNG file a frame; lossless.
    Png = "png", images::write, None;
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = String;
    fn from_str(name: &str) -> std::result::Result<Self, String> {
        let names: Vec<_> = Self::ALL.iter().map(|format| format.name()).collect();
        let known = Self::ALL.iter().find(|format| format.name() == name);
        known
            .copied()
            .ok_or_else(|| format!("expected one of {}, got {name}", names.join(", ")))
    }
}

/// What of a dataset is exported, and where to.
#[derive(Clone, Debug, Default)]
pub struct ExportOptions {
    /// The splits; all when there is none.
    pub splits: Vec<String>,
    /// Sequences of each split at most; the format's usual number when not given.
    pub sequences: Option<usize>,
    /// The folder that is written to.
    pub out: PathBuf,
    /// LeRobot: pictures as videos in place of PNG files.
    pub video: bool,
    /// Writes a dataset card beside it, README.md.
    pub card: bool,
    /// The licence that the card names, as the Hugging Face Hub spells it; `unknown` when not given.
    pub license: Option<String>,
}

/// What a format's writer works on.
pub(super) struct Export<'a> {
    pub data: &'a Dataset,
    /// Name, split, and number of its sequences that are exported.
    pub splits: Vec<(&'a str, &'a Split, usize)>,
    pub out: &'a Path,
    pub video: bool,
    pub bar: Bar,
}

/// Writes a dataset folder in another format and returns the files or folders that were made.
///
/// # Errors
/// Not a dataset, an unknown split, a program that is missing (named), a full disk.
pub fn export(
    dir: &Path,
    format: Format,
    options: &ExportOptions,
    progress: &Progress,
) -> Result<Vec<PathBuf>> {
    let data = Dataset::open(dir)?;
    if !data.observed_columns().is_empty() && format != Format::Bvh {
        return Err(Error::file(
            dir,
            "expected pictures to export, got vectors in place of frames; np.load reads vectors.npy, states.npy and the others of every shard as they are",
        ));
    }
    let names: Vec<&str> = match options.splits.is_empty() {
        true => data.split_names().collect(),
        false => options.splits.iter().map(String::as_str).collect(),
    };
    if options.video && format != Format::LeRobot {
        return Err(Error::Experiment(format!(
            "--video: expected --to lerobot, got {format}; --to mp4 writes a video a sequence"
        )));
    }
    let most = options.sequences.or(format.usual()).unwrap_or(usize::MAX);
    if most == 0 {
        return Err(Error::Experiment(
            "--sequences: expected at least 1, got 0".into(),
        ));
    }
    let splits = names
        .into_iter()
        .map(|name| {
            data.split(name)
                .map(|split| (name, split, split.len().min(most)))
        })
        .collect::<Result<Vec<_>>>()?;
    std::fs::create_dir_all(&options.out).map_err(Error::io(&options.out))?;
    let total = splits.iter().map(|(_, _, n)| *n as u64).sum();
    let export = Export {
        data: &data,
        splits,
        out: &options.out,
        video: options.video,
        bar: progress.bar("export", total, "sequences"),
    };
    let mut made = format.write(&export)?;
    if options.card {
        made.push(card::write(&export, format, options)?);
    }
    Ok(made)
}

impl Export<'_> {
    /// (C, H, W) of a frame.
    pub fn frame_shape(&self) -> [usize; 3] {
        self.data.frame_shape()
    }

    /// Writes a file a sequence: `<split>-00000.<ending>`.
    pub fn each_sequence(
        &self,
        ending: &str,
        write: impl Fn(&[u8], &Path) -> Result<()>,
    ) -> Result<Vec<PathBuf>> {
        let mut made = Vec::new();
        for (name, split, n) in &self.splits {
            for i in 0..*n {
                let path = self.out.join(format!("{name}-{i:05}.{ending}"));
                write(split.frames(i), &path)?;
                self.bar.advance(1);
                made.push(path);
            }
        }
        Ok(made)
    }
}

/// Every frame as often in both directions that its smaller side has at least this many pixels.
const LARGE: usize = 192;

/// How often a pixel is repeated in both directions where people look at it.
pub(super) fn zoom([_, height, width]: [usize; 3]) -> usize {
    LARGE.div_ceil(height.min(width).max(1)).max(1)
}
