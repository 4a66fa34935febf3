//! `kinostate apply`, `kinostate watch` and `kinostate identify`: commands about recordings.

use clap::Args;
use kinostate::Result;
use kinostate::exchange::Crop;
use kinostate::identify::{Asked, Code};
use kinostate::pipeline::{ApplyOptions, IdentifyOptions, apply, identify, watch};
use std::path::{Path, PathBuf};

const IDENTIFY: &str = "\
From one clip, or several of one system, without labels: the moving part is found by itself, laws of motion are fitted to
its place, its angle about a pivot, its size or its brightness, and the constants are told with 95 % intervals. What the
clips can't tell is said, with the reason. docs/identify.md is the manual.

Examples:
  kinostate identify swing.mp4
  kinostate identify drop.mp4 --law free_fall --px-per-m 412 --out results/drop
  kinostate identify slow.mp4 --fps 240 --from 0.5 --to 2
  kinostate identify a.mp4 b.mp4 c.mp4                   three clips of one system, one camera
  kinostate identify results/pendulum/data --sequences 5";

/// What `identify` accepts.
#[derive(Args, Debug)]
#[command(after_help = IDENTIFY)]
pub(super) struct Identify {
    /// Videos of one system, or a dataset folder, or a run folder with one
    #[arg(required = true, value_name = "CLIP|DATASET")]
    sources: Vec<PathBuf>,
    /// The law, where it is known: second_order, free_fall, pendulum or bounce [default: the most probable]
    #[arg(long, value_name = "LAW")]
    law: Option<Asked>,
    /// What is read off the body: place, angle, size or brightness [default: what varies most]
    #[arg(long, value_name = "CODE")]
    code: Option<Code>,
    /// Frames a second, where the file does not tell or is played slowly
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    fps: Option<f64>,
    /// Pixels of the recording a metre: gravity is then reported in m/s^2
    #[arg(long, value_name = "PIXELS", allow_negative_numbers = true)]
    px_per_m: Option<f64>,
    /// Of a video, look at this part of the pictures only, pixels from the left and from the top
    #[arg(long, value_name = "WxH+LEFT+TOP")]
    crop: Option<Crop>,
    /// Of a video, from this time on, s
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    from: Option<f64>,
    /// Of a video, up to this time, s
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    to: Option<f64>,
    /// Of a dataset, this split
    #[arg(long, value_name = "NAME", default_value = "test")]
    split: String,
    /// Of a dataset, its first N sequences, taken for clips of one system
    #[arg(long, value_name = "N", default_value_t = 10)]
    sequences: usize,
    /// Folder for report.md, identify.json, strip.png, path.svg and path.png
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Identify {
    /// Does it and tells what was found.
    pub(super) fn run(self) -> Result<String> {
        let command = self.command();
        let options = IdentifyOptions {
            law: self.law,
            code: self.code,
            fps: self.fps,
            px_per_m: self.px_per_m,
            crop: self.crop,
            from: self.from,
            to: self.to,
            split: self.split,
            sequences: self.sequences,
            out: self.out,
            command,
        };
        identify(&self.sources, &options)
    }

    /// The command, without anything that depends on this machine.
    fn command(&self) -> String {
        let shown = |path: &Path| match path.is_absolute() {
            true => Path::new(path.file_name().unwrap_or_default())
                .display()
                .to_string(),
            false => path.display().to_string(),
        };
        let mut out = String::from("kinostate identify");
        for source in &self.sources {
            out += &format!(" {}", super::quoted(&shown(source)));
        }
        let flags = [
            ("fps", self.fps),
            ("px-per-m", self.px_per_m),
            ("from", self.from),
            ("to", self.to),
        ];
        for (flag, value) in flags {
            if let Some(value) = value {
                out += &format!(" --{flag} {value}");
            }
        }
        if let Some(crop) = self.crop {
            out += &format!(" --crop {crop}");
        }
        if let Some(law) = self.law {
            out += &format!(" --law {}", law.name());
        }
        if let Some(code) = self.code {
            out += &format!(" --code {}", code.name());
        }
        if self.split != "test" {
            out += &format!(" --split {}", self.split);
        }
        if self.sequences != 10 {
            out += &format!(" --sequences {}", self.sequences);
        }
        if let Some(dir) = &self.out {
            out += &format!(" --out {}", super::quoted(&shown(dir)));
        }
        out
    }
}

const APPLY: &str = "\
The model sees the dataset or video as it saw its test split. Written are latents/ (encoder, filtered, smoothed, surprise,
states_filtered, ..), reconstruction.npy, frames.csv with a row a frame, apply.json with R2 of every state that is known,
and films of the first clips. A video is one clip, brought to the size of the model's frames.

Examples:
  kinostate apply results/box/lg_vae/seed-0 results/other/data --split test --out results/there
  kinostate apply results/box/lg_vae/seed-0 ball.mp4 --crop 480x480+80+0 --out results/ball";

/// A trained model, what it looks at, and where the answer goes.
#[derive(Args, Debug)]
struct Seen {
    /// The folder of a trained model: results/<name>/<model>/seed-<s>
    model: PathBuf,
    /// A video, a dataset folder, or a run folder with one
    #[arg(value_name = "VIDEO|DATASET")]
    source: PathBuf,
    /// Folder to write to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Of a dataset, this split
    #[arg(long, value_name = "NAME", default_value = "test")]
    split: String,
    /// Of a dataset, its first N sequences [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    sequences: Option<u32>,
    /// Of a video, frames a second, where the file does not tell
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    fps: Option<f64>,
    /// Of a video, this part of the pictures, pixels from the left and from the top
    #[arg(long, value_name = "WxH+LEFT+TOP")]
    crop: Option<Crop>,
    /// Of a video, from this time on, s
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    from: Option<f64>,
    /// Of a video, up to this time, s
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    to: Option<f64>,
}

impl Seen {
    fn options(self) -> (PathBuf, PathBuf, ApplyOptions) {
        let options = ApplyOptions {
            split: self.split,
            sequences: self.sequences.map(|n| n as usize),
            fps: self.fps,
            crop: self.crop,
            from: self.from,
            to: self.to,
            out: self.out,
        };
        (self.model, self.source, options)
    }
}

/// What `apply` accepts.
#[derive(Args, Debug)]
#[command(after_help = APPLY)]
pub(super) struct Apply {
    #[command(flatten)]
    seen: Seen,
}

impl Apply {
    /// Does it and tells what was written.
    pub(super) fn run(self) -> Result<String> {
        let (model, source, options) = self.seen.options();
        apply(&model, &source, &options)
    }
}

const WATCH: &str = "\
Surprise is minus what a frame adds to the model's bound, above what its own pixels cost at best, nats.
Beside every moment stands how many frames of the validation split surprise as much. Written are moments.csv,
surprise.csv with all frames, watch.json, and moments.gif: each moment with the frames around it, the surprising one in a border, bars below for all.

Example:
  kinostate watch results/box/lg_vae/seed-0 ball.mp4 --moments 5 --out results/odd";

/// What `watch` accepts.
#[derive(Args, Debug)]
#[command(after_help = WATCH)]
pub(super) struct Watch {
    #[command(flatten)]
    seen: Seen,
    /// Moments that are listed
    #[arg(long, value_name = "N", default_value_t = 10)]
    moments: u32,
}

impl Watch {
    /// Does it and tells what was found.
    pub(super) fn run(self) -> Result<String> {
        let (model, source, options) = self.seen.options();
        watch(&model, &source, self.moments as usize, &options)
    }
}
