//! `kinostate export`, `kinostate import` and `kinostate pictures`.

use clap::Args;
use kinostate::Result;
use kinostate::data;
use kinostate::exchange::{
    self, Axes, Crop, Decimal, ExportOptions, Format, ImportOptions, Length, Origin,
    PicturesOptions, Separator, Shade, Size, View, column,
};
use kinostate::pipeline::dataset_folder;
use kinostate::progress::Progress;
use std::path::PathBuf;

/// What `export` accepts.
#[derive(Args, Debug)]
pub(super) struct Export {
    /// A dataset folder, or a run folder with one
    dataset: PathBuf,
    /// Format: npz, hdf5, flat-hdf5 (stable-worldmodel), lerobot, bvh, mp4, gif or png
    #[arg(long, value_name = "FORMAT")]
    to: Format,
    /// Folder to write to; files that are there are replaced
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Only this split; repeatable
    #[arg(long = "split", value_name = "NAME")]
    splits: Vec<String>,
    /// Sequences of each split at most [default: all; 8 for mp4 and gif]
    #[arg(long, value_name = "N")]
    sequences: Option<usize>,
    /// LeRobot: pictures as H.264 videos, by the program ffmpeg, in place of PNG files
    #[arg(long)]
    video: bool,
    /// Write a dataset card beside it, README.md, as the Hugging Face Hub shows it
    #[arg(long)]
    card: bool,
    /// The licence that the card names, such as mit or cc-by-4.0 [default: unknown]
    #[arg(long, value_name = "NAME", requires = "card")]
    license: Option<String>,
    /// Show no progress
    #[arg(long, short)]
    quiet: bool,
}

impl Export {
    /// Does it and tells what was written.
    pub(super) fn run(self) -> Result<String> {
        let dataset = dataset_folder(&self.dataset)?;
        let options = ExportOptions {
            splits: self.splits,
            sequences: self.sequences,
            out: self.out,
            video: self.video,
            card: self.card,
            license: self.license,
        };
        let progress = Progress::new(self.quiet, None)?;
        let made = exchange::export(&dataset, self.to, &options, &progress)?;
        Ok(made
            .iter()
            .map(|path| format!("{}\n", path.display()))
            .collect())
    }
}

/// What `pictures` accepts.
#[derive(Args, Debug)]
pub(super) struct Pictures {
    /// Images, JSON arrays of brightness, folders of them, and folders of such folders, in the order of their names
    #[arg(required = true, value_name = "SOURCE")]
    sources: Vec<PathBuf>,
    /// The array to write, .npy: bytes (N, H, W), 255 = white
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Scale the pictures to this size
    #[arg(long, value_name = "WxH")]
    scale: Option<Size>,
    /// Size of the pictures in a JSON array, which does not tell it
    #[arg(long, value_name = "WxH", default_value = "28x28")]
    json_size: Size,
}

impl Pictures {
    /// Does it and tells what was written.
    pub(super) fn run(self) -> Result<String> {
        let options = PicturesOptions {
            scale: self.scale,
            json_size: self.json_size,
            out: self.out,
        };
        let [n, height, width] = exchange::pictures(&self.sources, &options)?;
        let out = options.out.display();
        Ok(format!("{out}: {n} pictures of {width}x{height}\n"))
    }
}

const SOURCES: &str = "\
Sources, told apart by their endings and first bytes:
  .npz .h5 .mat     arrays: frames and states (N, T, D) where there are any; of our own HDF5 export, every split;
                    stable-worldmodel's flat HDF5 with ep_len and ep_offset
  .npy              frames alone, or trajectories (N, T, D) or (T, D) drawn as a ball
  .csv .tsv .txt    tables of trajectories, plain or of trackpy, TrackMate, SLEAP, DeepLabCut; drawn as balls
  .bvh              motions of joints, and those of PyBullet (.txt, .json); drawn as a stick figure
  .tif              a stack: its pages are frames
  FOLDER            a LeRobot dataset of version 3.0; or images in the order of their names, in it or in folders in it; or files of one of the other kinds,
                    each a recording
  others            a video, read by the program ffmpeg

A source is divided into train (80 %), validation and test (10 % each), in its order: neighbouring clips of one video look
alike and should not be in two splits. `train:0.9,validation:0.1=box.npz test=box_test.npz` says it otherwise.
docs/import.md is the manual.

Examples:
  kinostate import walk.mp4 --out data/walk --crop 480x480+80+0 --scale 32x32 --grey --stride 2 --clip 20
  kinostate import train:0.9,validation:0.1=box.npz test=box_test.npz --out data/box --frames images --states state \\
    --columns x:px,y:px,vx:px/s,vy:px/s --state-offset -1 --dt 0.2
  kinostate run experiments/quickstart.yaml   with `data: { dataset: data/box }` in place of a simulator";

/// What `import` accepts.
#[derive(Args, Debug)]
#[command(after_help = SOURCES)]
pub(super) struct Import {
    /// Files and folders, each with the splits it goes to if need be: [SPLIT[:PART],..=]PATH
    #[arg(required = true, value_name = "SOURCE")]
    sources: Vec<Origin>,
    /// The dataset folder to make
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Time between the frames of the source, s; its own times do not count then [default: what it tells itself]
    #[arg(long, value_name = "SECONDS")]
    dt: Option<f64>,
    /// Bring it to this many frames a second: video by repeating and dropping frames, motions by turning on evenly
    #[arg(long, value_name = "RATE")]
    fps: Option<f64>,
    /// Frames per sequence [default: whole sequences; 20 for images and video]
    #[arg(long, value_name = "T")]
    clip: Option<usize>,
    /// Start a clip every K frames, so that they overlap [default: none do]
    #[arg(long, value_name = "K")]
    hop: Option<usize>,
    /// Let the last clips go beyond a recording's end, up to half of them, with missing frames
    #[arg(long)]
    pad: bool,
    /// Take every K-th frame
    #[arg(long, value_name = "K", default_value_t = 1)]
    stride: usize,
    /// Keep this part of the pictures, pixels from the left and from the top
    #[arg(long, value_name = "WxH+LEFT+TOP")]
    crop: Option<Crop>,
    /// Scale the pictures to this size; trajectories are drawn at it [default for them: 32x32]
    #[arg(long, value_name = "WxH")]
    scale: Option<Size>,
    /// Brightness in place of colour
    #[arg(long)]
    grey: bool,
    /// What transparent pixels show: black, white, a grey value or #rrggbb [default: black]
    #[arg(long, value_name = "COLOUR")]
    background: Option<Shade>,
    /// The value of white in arrays [default: 255 for integers, 1 for floats]
    #[arg(long, value_name = "VALUE")]
    white: Option<f64>,
    /// Arrays: a letter an axis of the frames, N sequences, T frames, C channels, H rows, W columns, in their order
    #[arg(long, value_name = "LETTERS")]
    axes: Option<Axes>,
    /// Archives: the array of frames [default: frames or images]; LeRobot: the camera [default: the first]
    #[arg(long, value_name = "KEY")]
    frames: Option<String>,
    /// Archives: the array of states [default: states or state, where there is one]; video, images: a table, a row a frame
    #[arg(long, value_name = "KEY|TABLE", conflicts_with = "no_states")]
    states: Option<String>,
    /// Archives: leave states out
    #[arg(long)]
    no_states: bool,
    /// Names and units of the state columns; of a table, which columns are states. A velocity's unit ends in /s
    #[arg(long, value_name = "NAME:UNIT,..", value_delimiter = ',')]
    columns: Vec<String>,
    /// Observe these state columns as vectors, in place of pictures: nothing is drawn then. `*_r?` means all like it,
    /// `!root_*` none like that
    #[arg(long, value_name = "NAME,..", value_delimiter = ',')]
    observe: Vec<String>,
    /// Archives: frame t shows state t + K; -1 for the original Kalman VAE files
    #[arg(
        long,
        value_name = "K",
        default_value_t = 0,
        allow_hyphen_values = true
    )]
    state_offset: i64,
    /// Add the velocity of every state column, by central differences
    #[arg(long)]
    derive_velocities: bool,
    /// Trajectories: radius of the ball, in the unit of x and y [default: a tenth of their range]
    #[arg(long, value_name = "R")]
    radius: Option<f64>,
    /// Trajectories: the part of the world that is drawn [default: around all positions]
    #[arg(long, value_name = "LEFT,RIGHT,BOTTOM,TOP", allow_hyphen_values = true)]
    view: Option<View>,
    /// BVH: the unit of its lengths, m, cm, mm or inch, which are turned to metres [default: unknown, kept as they are]
    #[arg(long, value_name = "UNIT")]
    unit: Option<Length>,
    /// Motions: the side from which the figure is seen, degrees about the vertical [default: 0, along -z]
    #[arg(long, value_name = "DEGREES", allow_hyphen_values = true)]
    azimuth: Option<f64>,
    /// Tables: the column that tells tracks apart [default: sequence, track, track_id, particle, id, ..]
    #[arg(long, value_name = "COLUMN")]
    track: Option<String>,
    /// Tables: what stands between cells: comma, semicolon, tab, bar or space [default: told from the file]
    #[arg(long, value_name = "WORD")]
    separator: Option<Separator>,
    /// Tables: the decimal sign, point or comma [default: told from the file]
    #[arg(long, value_name = "WORD")]
    decimal: Option<Decimal>,
    /// Tables: points with a lower score (likelihood, confidence) are not known
    #[arg(long, value_name = "SCORE", allow_hyphen_values = true)]
    min_score: Option<f64>,
    /// Video: of a damaged file, keep the frames before the damage
    #[arg(long)]
    keep_good: bool,
    /// Shuffle the sequences of each source before they are divided
    #[arg(long, value_name = "SEED")]
    shuffle: Option<u64>,
    /// Sequences per file of the dataset [default: 500]
    #[arg(long, value_name = "N")]
    sequences_per_shard: Option<usize>,
    /// Refuse a source that unpacks to more [default: 1, or 250 times its size if that is more]
    #[arg(long, value_name = "GIB")]
    limit_gib: Option<f64>,
    /// Show no progress
    #[arg(long, short)]
    quiet: bool,
}

impl Import {
    /// Does it and describes the dataset.
    pub(super) fn run(self) -> Result<String> {
        let columns: Vec<_> = self.columns.iter().map(|text| column(text)).collect();
        let options = ImportOptions {
            dt: self.dt,
            fps: self.fps,
            clip: self.clip,
            stride: self.stride,
            hop: self.hop,
            pad: self.pad,
            unit: self.unit,
            azimuth: self.azimuth,
            crop: self.crop,
            scale: self.scale,
            grey: self.grey,
            background: self.background,
            white: self.white,
            axes: self.axes,
            frames_key: self.frames,
            states_key: self.states,
            no_states: self.no_states,
            columns: (!columns.is_empty()).then_some(columns),
            state_offset: self.state_offset,
            derive_velocities: self.derive_velocities,
            observe: (!self.observe.is_empty()).then_some(self.observe),
            radius: self.radius,
            view: self.view,
            track: self.track,
            separator: self.separator,
            decimal: self.decimal,
            min_score: self.min_score,
            keep_good: self.keep_good,
            shuffle: self.shuffle,
            sequences_per_shard: self.sequences_per_shard,
            limit_gib: self.limit_gib,
        };
        let progress = Progress::new(self.quiet, None)?;
        for note in exchange::import(&self.sources, &self.out, &options, &progress)? {
            progress.say(&note);
        }
        data::describe(&self.out)
    }
}
