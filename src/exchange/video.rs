//! Video files through the program ffmpeg: read as a pipe of pictures, written as H.264.

use super::clips::{Recording, Shot};
use super::export::{Export, zoom};
use super::ffmpeg::{self, Running};
use super::look::{Look, pixels};
use super::options::ImportOptions;
use super::staged::Staged;
use super::video_time::{self, Plan};
use crate::error::{Error, Result};
use image::{DynamicImage, GrayImage, RgbImage};
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ChildStdout;

/// The pictures of a video file, one after the other, at one rate.
pub(super) struct Video {
    path: PathBuf,
    look: Look,
    /// Many videos may wait for their turn: ffmpeg starts with the first picture.
    started: bool,
    /// `None` once it has ended.
    running: Option<Running>,
    stdout: Option<BufReader<ChildStdout>>,
    plan: Plan,
    stride: usize,
    /// The next frame of the recording.
    next: usize,
    /// Frames of the file that were read, and the last of them.
    read: usize,
    last: Option<DynamicImage>,
    keep_good: bool,
    notes: Vec<String>,
}

impl Video {
    /// Asks for the times of a file: it will give every `stride`-th frame, cropped, scaled and greyed as asked.
    ///
    /// # Errors
    /// ffmpeg or ffprobe are not installed; the file has no video; its times are uneven and no rate is asked for.
    pub fn open(path: &Path, options: &ImportOptions, stride: usize) -> Result<Self> {
        // Fails before ffmpeg with a plain message.
        std::fs::File::open(path).map_err(Error::io(path))?;
        let probe = video_time::probe(path)?;
        let plan = video_time::plan(path, &probe, options.fps, options.dt)?;
        let notes = plan.note.clone().into_iter().collect();
        let this = Self {
            path: path.to_path_buf(),
            look: options.look(),
            started: false,
            running: None,
            stdout: None,
            plan,
            stride,
            next: 0,
            read: 0,
            last: None,
            keep_good: options.keep_good,
            notes,
        };
        this.check_crop()?;
        Ok(this)
    }

    /// ffmpeg moves a part of the picture that lies outside of it until it lies inside.
    fn check_crop(&self) -> Result<()> {
        let Some(crop) = self.look.crop else {
            return Ok(());
        };
        let mut whole = self.seen_as(Look::default());
        if let Some(picture) = whole.frame()? {
            crop.check([picture.width(), picture.height()], &self.path)?;
        }
        Ok(())
    }

    fn start(&self) -> Result<Running> {
        let look = &self.look;
        let mut filters = Vec::new();
        if let Some(crop) = look.crop {
            let (size, left, top) = (crop.size, crop.left, crop.top);
            filters.push(format!(
                "crop={}:{}:{left}:{top}:exact=1",
                size.width, size.height
            ));
        }
        if let Some(size) = look.scale {
            filters.push(format!("scale={}:{}:flags=area", size.width, size.height));
        }
        let (kind, codec) = match look.grey {
            true => ("gray", "pgm"),
            false => ("rgb24", "ppm"),
        };
        filters.push(format!("format={kind}"));
        // Every frame once, whatever its time: a second apart, at one a second.
        filters.push("settb=1,setpts=N".into());
        let mut arguments = vec!["-nostdin", "-v", "error", "-xerror"];
        if self.keep_good {
            // Threads of the decoder hold frames back, more or fewer, when it stops.
            arguments.extend(["-threads", "1"]);
        }
        let (file, filters) = (ffmpeg::file(&self.path), filters.join(","));
        arguments.extend([
            // Only this file: a playlist may not name others.
            "-protocol_whitelist",
            "file,pipe",
            "-i",
            &file,
            "-map",
            "0:v:0",
            "-vf",
            &filters,
            "-r",
            "1",
            "-f",
            "image2pipe",
            "-c:v",
            codec,
            "pipe:1",
        ]);
        let arguments: Vec<String> = arguments.into_iter().map(String::from).collect();
        ffmpeg::start("ffmpeg", &arguments, "reading a video file")
    }

    /// The next frame of the file.
    fn frame(&mut self) -> Result<Option<DynamicImage>> {
        if !self.started {
            let mut running = self.start()?;
            self.stdout = running.child.stdout.take().map(BufReader::new);
            self.running = Some(running);
            self.started = true;
        }
        let Some(stdout) = &mut self.stdout else {
            return Ok(None);
        };
        let read = picture(stdout, &self.path);
        if let Ok(Some(picture)) = read {
            self.read += 1;
            return Ok(Some(picture));
        }
        self.stdout = None;
        let ended = match self.running.take() {
            Some(running) => running.end()?,
            None => None,
        };
        // What ffmpeg says explains more than a picture that ends early.
        let complaint = match (ended, read) {
            (Some(words), _) => words,
            (None, Err(e)) => return Err(e),
            (None, Ok(_)) => return Ok(None),
        };
        if self.keep_good && self.read > 0 {
            self.notes.push(format!(
                "damaged: kept its first {} frames of {}; ffmpeg: {complaint}",
                self.read, self.plan.total
            ));
            return Ok(None);
        }
        let way = match self.read {
            0 => String::new(),
            _ => format!(
                "; {} of {} frames before that can be read, `kinostate import` with --keep-good keeps them",
                self.good()?,
                self.plan.total
            ),
        };
        Err(Error::file(&self.path, format!("ffmpeg: {complaint}{way}")))
    }

    /// The same file from its first frame on, with other pictures, as far as it can be read.
    fn seen_as(&self, look: Look) -> Self {
        Self {
            path: self.path.clone(),
            look,
            started: false,
            running: None,
            stdout: None,
            plan: self.plan.clone(),
            stride: 1,
            next: 0,
            read: 0,
            last: None,
            keep_good: true,
            notes: Vec::new(),
        }
    }

    /// How many frames `--keep-good` keeps: as it reads them, in small.
    fn good(&self) -> Result<usize> {
        let small = self.seen_as(Look {
            scale: "16x16".parse().ok(),
            grey: true,
            ..Look::default()
        });
        let mut running = small.start()?;
        let mut count = 0;
        if let Some(stdout) = running.child.stdout.take() {
            let mut stdout = BufReader::new(stdout);
            while let Ok(Some(_)) = picture(&mut stdout, &self.path) {
                count += 1;
            }
        }
        running.end()?;
        Ok(count)
    }
}

impl Drop for Video {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
    }
}

impl Recording for Video {
    fn next(&mut self) -> Result<Option<Shot>> {
        let number = self.next;
        let wanted = match &self.plan.frames {
            // As many as come.
            None => Some(number),
            Some(frames) => match frames.get(number) {
                Some(Some(frame)) => Some(*frame),
                Some(None) => None,
                None => {
                    // To its end: what was read must have been whole.
                    while self.frame()?.is_some() {}
                    return Ok(None);
                }
            },
        };
        let mut picture = None;
        if let Some(wanted) = wanted {
            while self.read <= wanted {
                match self.frame()? {
                    Some(frame) => self.last = Some(frame),
                    None if self.plan.frames.is_none() || self.keep_good => return Ok(None),
                    None => {
                        let message = format!(
                            "expected {} frames as its times say, got {}; --dt SECONDS takes them as they come",
                            wanted + 1,
                            self.read
                        );
                        return Err(Error::file(&self.path, message));
                    }
                }
            }
            picture.clone_from(&self.last);
        }
        self.next += self.stride;
        Ok(Some(Shot { picture, number }))
    }

    fn dt(&self) -> Option<f64> {
        self.plan.dt.map(|dt| dt * self.stride as f64)
    }

    fn len(&self) -> (usize, usize) {
        (self.plan.total.div_ceil(self.stride), self.plan.total)
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }
}

/// Largest side that is taken from ffmpeg, pixels.
const MOST: usize = 16384;

/// The next picture of a stream of binary PGM or PPM files; nothing at its end.
fn picture(from: &mut impl Read, path: &Path) -> Result<Option<DynamicImage>> {
    let wrong = |message: &str| Error::file(path, format!("ffmpeg: {message}"));
    let mut byte = || -> Result<Option<u8>> {
        let mut one = [0];
        match from.read(&mut one) {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some(one[0])),
            Err(e) => Err(Error::io(path)(e)),
        }
    };
    // "P5", width, height, 255, each ended by one white space.
    let mut words: Vec<String> = vec![String::new()];
    while words.len() < 5 {
        let Some(letter) = byte()? else {
            if words.len() == 1 && words[0].is_empty() {
                return Ok(None);
            }
            return Err(wrong("a picture that ends in its head"));
        };
        match letter.is_ascii_whitespace() {
            true => words.push(String::new()),
            false => words.last_mut().map_or((), |word| word.push(letter.into())),
        }
        if words.iter().any(|word| word.len() > 8) {
            return Err(wrong("expected a PGM or PPM picture"));
        }
    }
    let side = |word: &str| {
        word.parse::<usize>()
            .ok()
            .filter(|n| (1..=MOST).contains(n))
    };
    let (Some(width), Some(height), "255") = (side(&words[1]), side(&words[2]), words[3].as_str())
    else {
        return Err(wrong("expected a PGM or PPM picture of 8 bits"));
    };
    let channels = match words[0].as_str() {
        "P5" => 1,
        "P6" => 3,
        _ => return Err(wrong("expected a PGM or PPM picture")),
    };
    let mut bytes = vec![0; width * height * channels];
    from.read_exact(&mut bytes)
        .map_err(|_| wrong("a picture that ends early"))?;
    let (width, height) = (width as u32, height as u32);
    let picture = match channels {
        1 => GrayImage::from_raw(width, height, bytes).map(DynamicImage::ImageLuma8),
        _ => RgbImage::from_raw(width, height, bytes).map(DynamicImage::ImageRgb8),
    };
    Ok(picture)
}

/// Writes an MP4 file a sequence, to look at.
pub(super) fn write(export: &Export) -> Result<Vec<PathBuf>> {
    let (shape, dt) = (export.frame_shape(), export.data.dt());
    // Even sides, as the colour format wants.
    let zoom = zoom(shape).next_multiple_of(2);
    let [channels, height, width] = shape;
    export.each_sequence("mp4", |frames, path| {
        let frames = frames.chunks_exact(channels * height * width);
        encode(frames, shape, zoom, &[], dt, path)
    })
}

/// Writes frames (C, H, W) as one MP4 file of their own size, to be read again frame by frame: a whole picture every other
/// frame.
///
/// # Errors
/// [`Error::Experiment`] for an odd size, which the colour format does not hold; what ffmpeg complains of.
pub(super) fn film<'a>(
    frames: impl Iterator<Item = &'a [u8]>,
    shape: [usize; 3],
    dt: f64,
    path: &Path,
) -> Result<()> {
    let [_, height, width] = shape;
    if height % 2 + width % 2 > 0 {
        return Err(Error::Experiment(format!(
            "--video: expected pictures of an even width and height, got {width}x{height}; without --video they are PNG files"
        )));
    }
    encode(frames, shape, 1, &["-g", "2"], dt, path)
}

/// Gives frames to ffmpeg, each pixel `zoom` times in both directions.
fn encode<'a>(
    frames: impl Iterator<Item = &'a [u8]>,
    shape: [usize; 3],
    zoom: usize,
    more: &[&str],
    dt: f64,
    path: &Path,
) -> Result<()> {
    let [channels, height, width] = shape;
    let staged = Staged::beside(path)?;
    let kind = if channels == 1 { "gray" } else { "rgb24" };
    // A fixed rate of 16 (near lossless) and one thread: the same bytes each time.
    let filter = format!("scale=iw*{zoom}:ih*{zoom}:flags=neighbor,format=yuv420p");
    let (size, rate) = (format!("{width}x{height}"), format!("{:.6}", 1.0 / dt));
    let mut arguments = vec![
        "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", kind, "-s", &size, "-r", &rate, "-i",
        "pipe:0", "-vf", &filter, "-c:v", "libx264", "-crf", "16", "-threads", "1",
    ];
    arguments.extend(more);
    let file = ffmpeg::file(&staged.path);
    arguments.extend([
        "-fflags",
        "+bitexact",
        "-flags:v",
        "+bitexact",
        "-movflags",
        "+faststart",
        &file,
    ]);
    let arguments: Vec<String> = arguments.into_iter().map(String::from).collect();
    let mut running = ffmpeg::start("ffmpeg", &arguments, "writing an MP4 file")?;
    let mut fed = Ok(());
    if let Some(mut stdin) = running.child.stdin.take() {
        for frame in frames {
            fed = match channels {
                1 => stdin.write_all(frame),
                _ => stdin.write_all(&pixels(frame)),
            };
            if fed.is_err() {
                break;
            }
        }
    }
    // What ffmpeg says explains more than a broken pipe.
    running.finish(path)?;
    fed.map_err(Error::io(path))?;
    staged.finish()
}
