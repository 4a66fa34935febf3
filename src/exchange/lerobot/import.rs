//! Somebody's LeRobot folder, read row by row: an episode a recording, one camera, one vector of states, the actions.

use super::episodes::{Clip, clips, files};
use super::info::Info;
use super::table_read::{Cell, Rows};
use super::{ACTION, INFO, SEEN, STATE};
use crate::data::Columns;
use crate::error::{Error, Result};
use crate::exchange::clips::Recording;
use crate::exchange::images;
use crate::exchange::look::Look;
use crate::exchange::options::ImportOptions;
use crate::exchange::sequence::{Cut, Reader, Sequence, left_over};
use crate::exchange::video::Video;
use simulators::{Column, Trajectory};
use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Whether a folder is one.
pub(in crate::exchange) fn is_one(dir: &Path) -> bool {
    dir.join(INFO).is_file()
}

/// The names of its splits.
///
/// # Errors
/// What is wrong with its info.json.
pub(in crate::exchange) fn splits(dir: &Path) -> Result<Vec<String>> {
    Ok(Info::read(dir)?.splits.keys().cloned().collect())
}

/// A folder that is being read.
pub(in crate::exchange) struct LeRobot {
    dir: PathBuf,
    info: Info,
    /// Episodes that are given.
    episodes: Range<usize>,
    files: VecDeque<PathBuf>,
    rows: Option<Rows>,
    /// Columns that are read, in order, and what for.
    wanted: Vec<(String, Role)>,
    camera: Camera,
    states: Vec<Column>,
    actions: Vec<Column>,
    look: Look,
    cut: Cut,
    shape: Option<[usize; 3]>,
    /// The first row of the next episode.
    ahead: Option<Frame>,
    /// Rows read, of all episodes.
    read: usize,
    left_over: usize,
    ready: VecDeque<Sequence>,
    notes: Vec<String>,
}

/// Where the pictures come from.
enum Camera {
    /// Nothing is drawn: a byte a frame.
    None,
    /// PNG files in the data.
    Images,
    /// Videos, by the program ffmpeg.
    Videos(Box<Videos>),
}

/// What a column of the data is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Episode,
    Number,
    States,
    Actions,
    Picture,
    Seen,
}

/// One row of the data.
struct Frame {
    episode: usize,
    number: usize,
    picture: Option<Vec<u8>>,
    seen: bool,
    states: Vec<f64>,
    actions: Vec<f64>,
}

impl LeRobot {
    /// Opens a folder, or one split of it.
    ///
    /// # Errors
    /// [`Error::File`] with what is wrong: the version, a feature that is not there, a file that is damaged.
    pub fn open(dir: &Path, split: Option<&str>, options: &ImportOptions) -> Result<Self> {
        let info = Info::read(dir)?;
        let episodes = match split {
            Some(split) => info.episodes(dir, split)?,
            None => 0..info.total_episodes,
        };
        let mut notes = Vec::new();
        let mut wanted = vec![
            ("episode_index".to_string(), Role::Episode),
            ("frame_index".to_string(), Role::Number),
        ];
        let place = dir.join(INFO);
        let feature = |flag: &str, key: &str| {
            info.features.get(key).ok_or_else(|| {
                let there: Vec<_> = info.features.keys().map(String::as_str).collect();
                let there = there.join(", ");
                Error::file(
                    &place,
                    format!("--{flag} {key}: expected a feature, got {there}"),
                )
            })
        };
        // States and actions.
        let key = options.states_key.as_deref().unwrap_or(STATE);
        let states = match (options.no_states, &options.states_key) {
            (true, _) => Vec::new(),
            (false, None) if !info.features.contains_key(STATE) => Vec::new(),
            _ => {
                let feature = feature("states", key)?;
                numbers(&place, key, &feature.dtype)?;
                wanted.push((key.into(), Role::States));
                named(feature.columns(key), options)?
            }
        };
        let actions = match info.features.get(ACTION) {
            Some(feature) => {
                numbers(&place, ACTION, &feature.dtype)?;
                wanted.push((ACTION.into(), Role::Actions));
                feature.columns(ACTION)
            }
            None => Vec::new(),
        };
        // Pictures.
        let cameras = info.cameras();
        let camera = match (&options.observe, &options.frames_key) {
            (Some(_), _) => None,
            (None, Some(key)) => {
                let dtype = &feature("frames", key)?.dtype;
                if !cameras.contains(&key.as_str()) {
                    let cameras = cameras.join(", ");
                    let message =
                        format!("--frames {key}: expected one of {cameras}, got numbers ({dtype})");
                    return Err(Error::file(&place, message));
                }
                Some(key.clone())
            }
            (None, None) => match cameras[..] {
                [] => {
                    let message = "expected a feature of pictures (dtype image or video), got none; --observe \
                        NAME,.. takes columns of its states as vectors, without pictures";
                    return Err(Error::file(&place, message));
                }
                [one] => Some(one.to_string()),
                [first, ..] => {
                    notes.push(format!(
                        "took {first} of the cameras {}; --frames KEY takes another",
                        cameras.join(", ")
                    ));
                    Some(first.to_string())
                }
            },
        };
        let mut look = options.look();
        let camera = match camera {
            None => Camera::None,
            Some(key) if info.features[&key].dtype == "image" => {
                wanted.push((key, Role::Picture));
                Camera::Images
            }
            Some(key) => {
                // ffmpeg crops and scales.
                look = Look {
                    grey: options.grey,
                    ..Look::default()
                };
                Camera::Videos(Box::new(Videos::open(dir, &key, &info, options)?))
            }
        };
        if info.features.contains_key(SEEN) {
            wanted.push((SEEN.into(), Role::Seen));
        }
        let used = |name: &str| {
            let counted = ["timestamp", "index", "task_index"];
            let is_camera = info.cameras().contains(&name);
            wanted.iter().any(|(key, _)| key == name) || counted.contains(&name) || is_camera
        };
        let others = info.features.keys().map(String::as_str);
        let others: Vec<&str> = others.filter(|name| !used(name)).collect();
        if !others.is_empty() {
            notes.push(format!("left out the features {}", others.join(", ")));
        }
        if info.total_tasks > 1 {
            notes.push(format!(
                "left out which of {} tasks an episode is of",
                info.total_tasks
            ));
        }
        let mut this = Self {
            files: files(dir, "data")?.into(),
            dir: dir.to_path_buf(),
            episodes,
            rows: None,
            wanted,
            camera,
            states,
            actions,
            look,
            cut: options.cut(),
            shape: None,
            ahead: None,
            read: 0,
            left_over: 0,
            ready: VecDeque::new(),
            notes,
            info,
        };
        this.fill()?;
        if this.ready.is_empty() {
            let clip = this.cut.clip.unwrap_or(1);
            let message =
                format!("expected an episode of at least {clip} frames (--clip), got none");
            return Err(Error::file(dir, message));
        }
        Ok(this)
    }

    /// Reads on until a sequence is ready or the end has come.
    fn fill(&mut self) -> Result<()> {
        while self.ready.is_empty() {
            let Some((sequence, frames)) = self.episode()? else {
                return Ok(());
            };
            self.left_over += self.cut.rest(frames);
            self.ready.extend(self.cut.clips(sequence, frames));
        }
        Ok(())
    }

    /// The next episode and its frames.
    fn episode(&mut self) -> Result<Option<(Sequence, usize)>> {
        let first = match self.ahead.take() {
            Some(frame) => frame,
            None => match self.frame()? {
                Some(frame) => frame,
                None => return Ok(None),
            },
        };
        let episode = first.episode;
        let (mut frames, mut seen) = (Vec::new(), Vec::new());
        let mut motion = Trajectory::default();
        let mut next = Some(first);
        while let Some(frame) = next {
            if frame.episode != episode {
                self.ahead = Some(frame);
                break;
            }
            if frame.number != seen.len() {
                let message = format!(
                    "episode {episode}: expected frame_index {}, got {}; rows of an episode follow each other from 0 on",
                    seen.len(),
                    frame.number
                );
                return Err(Error::file(self.dir.join("data"), message));
            }
            let planes = self.picture(&frame)?;
            seen.push(u8::from(planes.is_some()));
            let pixels = self.shape.unwrap_or([1, 1, 1]).iter().product();
            frames.extend(planes.unwrap_or_else(|| vec![0; pixels]));
            motion.states.extend(frame.states);
            motion.actions.extend(frame.actions);
            next = self.frame()?;
        }
        let total = seen.len();
        let sequence = Sequence {
            frames,
            motion,
            seen,
        };
        Ok(Some((sequence, total)))
    }

    /// The picture of a frame as (C, H, W); nothing where it is missing.
    fn picture(&mut self, frame: &Frame) -> Result<Option<Vec<u8>>> {
        let wrong = |message: String| {
            let at = format!(
                "episode {}, frame {}: {message}",
                frame.episode, frame.number
            );
            Error::file(self.dir.join("data"), at)
        };
        let picture = match &mut self.camera {
            Camera::None => return Ok(frame.seen.then(|| vec![0])),
            Camera::Images => match &frame.picture {
                Some(bytes) => Some(images::decode_bytes(bytes).map_err(wrong)?),
                None if frame.seen => {
                    return Err(wrong("expected the bytes of an image file, got null; lerobot's embed_images puts them in the table".into()));
                }
                None => None,
            },
            Camera::Videos(videos) => Some(videos.frame(frame.episode, frame.number)?),
        };
        let Some(picture) = picture else {
            return Ok(None);
        };
        let (planes, shape, _) = self.look.apply(picture, &self.dir)?;
        let want = *self.shape.get_or_insert(shape);
        if shape != want {
            return Err(wrong(format!(
                "expected a picture of (C, H, W) = {want:?} as the first one, got {shape:?} (--scale and --grey make them alike)"
            )));
        }
        Ok(frame.seen.then_some(planes))
    }

    /// The next row of the episodes that are given.
    fn frame(&mut self) -> Result<Option<Frame>> {
        loop {
            let Some(rows) = &mut self.rows else {
                let Some(path) = self.files.pop_front() else {
                    let want = self.info.total_frames;
                    if self.read != want {
                        let message = format!(
                            "expected {want} rows as meta/info.json says (total_frames), got {}: files are missing or too many",
                            self.read
                        );
                        return Err(Error::file(self.dir.join("data"), message));
                    }
                    return Ok(None);
                };
                let wanted: Vec<&str> = self.wanted.iter().map(|(name, _)| name.as_str()).collect();
                self.rows = Some(Rows::open(&path, &wanted)?);
                continue;
            };
            let Some(row) = rows.next()? else {
                self.rows = None;
                continue;
            };
            let path = rows.path.clone();
            self.read += 1;
            let frame = self.of_row(row, &path)?;
            if self.episodes.contains(&frame.episode) {
                return Ok(Some(frame));
            }
        }
    }

    /// A row, checked.
    fn of_row(&self, row: Vec<Cell>, path: &Path) -> Result<Frame> {
        let at = self.read - 1;
        let wrong = |name: &str, want: &str, got: &Cell| {
            let got = match got {
                Cell::Bytes(bytes) => format!("{} bytes", bytes.len()),
                Cell::Numbers(values) if values.len() > 8 => format!("{} numbers", values.len()),
                Cell::Numbers(values) => format!("{values:?}"),
                Cell::Nothing => "null".into(),
            };
            Error::file(
                path,
                format!("{name} in row {at}: expected {want}, got {got}"),
            )
        };
        let mut frame = Frame {
            episode: 0,
            number: 0,
            picture: None,
            seen: true,
            states: Vec::new(),
            actions: Vec::new(),
        };
        for ((name, role), cell) in self.wanted.iter().zip(row) {
            let count = |cell: &Cell| {
                let whole = |v: &f64| *v >= 0.0 && v.fract() == 0.0 && *v < 1e15;
                let number = cell.number().filter(whole).map(|v| v as usize);
                number.ok_or_else(|| wrong(name, "a whole number from 0 on", cell))
            };
            let vector = |cell: Cell, width: usize, good: fn(f64) -> bool| {
                let values = match cell {
                    Cell::Numbers(values) if values.len() == width => values,
                    // What is not known.
                    Cell::Nothing => vec![f64::NAN; width],
                    other => {
                        let want = format!("{width} numbers as meta/info.json says");
                        return Err(wrong(name, &want, &other));
                    }
                };
                match values.iter().all(|&v| good(v)) {
                    true => Ok(values),
                    false => Err(wrong(name, "finite numbers", &Cell::Numbers(values))),
                }
            };
            match role {
                Role::Episode => frame.episode = count(&cell)?,
                Role::Number => frame.number = count(&cell)?,
                Role::Seen => frame.seen = count(&cell)? == 1,
                // A state that is not known is NaN.
                Role::States => {
                    frame.states = vector(cell, self.states.len(), |v| !v.is_infinite())?;
                }
                Role::Actions => {
                    frame.actions = vector(cell, self.actions.len(), f64::is_finite)?;
                }
                Role::Picture => match cell {
                    Cell::Bytes(bytes) => frame.picture = Some(bytes),
                    Cell::Nothing => {}
                    other => return Err(wrong(name, "an image file", &other)),
                },
            }
        }
        Ok(frame)
    }
}

/// Refuses a feature that holds no numbers.
fn numbers(place: &Path, key: &str, dtype: &str) -> Result<()> {
    match dtype.starts_with("float")
        || dtype.starts_with("int")
        || dtype.starts_with("uint")
        || dtype == "bool"
    {
        true => Ok(()),
        false => Err(Error::file(
            place,
            format!("feature {key}: expected numbers, got dtype {dtype}"),
        )),
    }
}

/// The state columns, by the names that were asked for where there are such.
fn named(columns: Vec<Column>, options: &ImportOptions) -> Result<Vec<Column>> {
    match &options.columns {
        None => Ok(columns),
        Some(named) if named.len() == columns.len() => Ok(named.clone()),
        Some(named) => Err(Error::Experiment(format!(
            "--columns: expected {} names, got {}",
            columns.len(),
            named.len()
        ))),
    }
}

impl Reader for LeRobot {
    fn frame_shape(&self) -> [usize; 3] {
        self.shape.unwrap_or([1, 1, 1])
    }

    fn columns(&self) -> Columns {
        Columns {
            state: self.states.clone(),
            actions: self.actions.clone(),
            ..Columns::default()
        }
    }

    fn dt(&self) -> Option<f64> {
        Some(self.cut.stride as f64 / self.info.fps)
    }

    fn expected(&self) -> Option<usize> {
        // As many a frame as in the mean of all episodes.
        let part = self.info.total_frames as f64 * self.episodes.len() as f64;
        Some((part / self.info.total_episodes as f64) as usize / self.cut.stride)
    }

    fn next(&mut self) -> Result<Option<Sequence>> {
        let next = self.ready.pop_front();
        self.fill()?;
        Ok(next)
    }

    fn notes(&self) -> Vec<String> {
        let rest = left_over(self.left_over, self.cut.clip.unwrap_or(0));
        self.notes.iter().cloned().chain(rest).collect()
    }
}

/// The videos of one camera, read on from episode to episode.
struct Videos {
    dir: PathBuf,
    key: String,
    template: String,
    fps: f64,
    clips: HashMap<usize, Clip>,
    options: ImportOptions,
    /// The file that is read, and the number of its next frame.
    open: Option<(PathBuf, Video, usize)>,
}

impl Videos {
    fn open(dir: &Path, key: &str, info: &Info, options: &ImportOptions) -> Result<Self> {
        let template = info.video_path.clone().ok_or_else(|| {
            let message = format!("video_path: expected a path for the video {key}, got none");
            Error::file(dir.join(INFO), message)
        })?;
        Ok(Self {
            dir: dir.to_path_buf(),
            key: key.into(),
            template,
            fps: info.fps,
            clips: clips(dir, key)?,
            options: ImportOptions {
                // Frames are taken as they come.
                dt: Some(1.0 / info.fps),
                fps: None,
                ..options.clone()
            },
            open: None,
        })
    }

    /// A frame of an episode; frames are asked for in order.
    fn frame(&mut self, episode: usize, number: usize) -> Result<image::DynamicImage> {
        let Some(clip) = self.clips.get(&episode) else {
            let message = format!("expected a row of episode {episode}, got none");
            return Err(Error::file(self.dir.join("meta/episodes"), message));
        };
        let path = self
            .template
            .replace("{video_key}", &self.key)
            .replace("{chunk_index:03d}", &format!("{:03}", clip.chunk))
            .replace("{file_index:03d}", &format!("{:03}", clip.file));
        let path = self.dir.join(path);
        let at = (clip.from * self.fps).round() as usize + number;
        if self
            .open
            .as_ref()
            .is_none_or(|(there, _, next)| *there != path || *next > at)
        {
            self.open = Some((path.clone(), Video::open(&path, &self.options, 1)?, 0));
        }
        if let Some((_, video, next)) = &mut self.open {
            while let Some(shot) = video.next()? {
                *next += 1;
                if let (Some(picture), true) = (shot.picture, *next == at + 1) {
                    return Ok(picture);
                }
            }
        }
        let message = format!(
            "expected frame {at}, that of episode {episode}, frame {number}, got the end of the video"
        );
        Err(Error::file(path, message))
    }
}
