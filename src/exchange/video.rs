//! Video files through the program ffmpeg: read as a pipe of pictures, written as H.264.

use super::export::{Export, zoom};
use super::ffmpeg::{self, Running};
use super::images::Recording;
use super::look::{Look, pixels};
use super::staged::Staged;
use crate::error::{Error, Result};
use image::{DynamicImage, GrayImage, RgbImage};
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ChildStdout;

/// The pictures of a video file, one after the other, and the time between them.
pub(super) struct Video {
    path: PathBuf,
    /// `None` once it has ended.
    running: Option<Running>,
    stdout: Option<BufReader<ChildStdout>>,
    dt: f64,
}

impl Video {
    /// Starts ffmpeg on a file: every `stride`-th frame, cropped, scaled and greyed as asked.
    ///
    /// # Errors
    /// ffmpeg or ffprobe are not installed; the file has no video.
    pub fn open(path: &Path, look: &Look, stride: usize) -> Result<Self> {
        // Fails before ffmpeg with a plain message.
        std::fs::File::open(path).map_err(Error::io(path))?;
        let rate = frame_rate(path)?;
        let mut filters = Vec::new();
        if let Some(crop) = look.crop {
            let (size, left, top) = (crop.size, crop.left, crop.top);
            filters.push(format!(
                "crop={}:{}:{left}:{top}:exact=1",
                size.width, size.height
            ));
        }
        if stride > 1 {
            filters.push(format!("framestep={stride}"));
        }
        if let Some(size) = look.scale {
            filters.push(format!("scale={}:{}:flags=area", size.width, size.height));
        }
        let (kind, codec) = match look.grey {
            true => ("gray", "pgm"),
            false => ("rgb24", "ppm"),
        };
        filters.push(format!("format={kind}"));
        // Only this file: a playlist may not name others.
        let arguments = [
            "-nostdin",
            "-v",
            "error",
            "-xerror",
            "-protocol_whitelist",
            "file,pipe",
            "-i",
            &ffmpeg::file(path),
            "-map",
            "0:v:0",
            "-vf",
            &filters.join(","),
            "-f",
            "image2pipe",
            "-c:v",
            codec,
            "pipe:1",
        ]
        .map(String::from);
        let mut running = ffmpeg::start("ffmpeg", &arguments, "reading a video file")?;
        let stdout = running.child.stdout.take().map(BufReader::new);
        Ok(Self {
            path: path.to_path_buf(),
            running: Some(running),
            stdout,
            dt: stride as f64 / rate,
        })
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
    fn next(&mut self) -> Result<Option<DynamicImage>> {
        let Some(stdout) = &mut self.stdout else {
            return Ok(None);
        };
        match picture(stdout, &self.path)? {
            Some(picture) => Ok(Some(picture)),
            None => {
                self.stdout = None;
                if let Some(running) = self.running.take() {
                    running.finish(&self.path)?;
                }
                Ok(None)
            }
        }
    }

    fn dt(&self) -> Option<f64> {
        Some(self.dt)
    }

    fn path(&self) -> &Path {
        &self.path
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

/// Frames a second of a file's first video, by ffprobe.
fn frame_rate(path: &Path) -> Result<f64> {
    let arguments = [
        "-v",
        "error",
        "-protocol_whitelist",
        "file",
        "-select_streams",
        "v:0",
        "-show_entries",
        "stream=avg_frame_rate,r_frame_rate",
        "-of",
        "default=noprint_wrappers=1",
        &ffmpeg::file(path),
    ]
    .map(String::from);
    let mut running = ffmpeg::start("ffprobe", &arguments, "reading a video file")?;
    let mut text = String::new();
    if let Some(stdout) = running.child.stdout.take() {
        stdout
            .take(1 << 16)
            .read_to_string(&mut text)
            .map_err(Error::io(path))?;
    }
    running.finish(path)?;
    let rate = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        let (above, below) = line.strip_prefix('=')?.trim().split_once('/')?;
        let rate = above.parse::<f64>().ok()? / below.parse::<f64>().ok()?;
        (rate.is_finite() && rate > 0.0).then_some(rate)
    };
    rate("avg_frame_rate")
        .or_else(|| rate("r_frame_rate"))
        .ok_or_else(|| Error::file(path, "expected a video with a frame rate, got none"))
}

/// Writes an MP4 file a sequence.
pub(super) fn write(export: &Export) -> Result<Vec<PathBuf>> {
    let (shape, dt) = (export.frame_shape(), export.data.dt());
    export.each_sequence("mp4", |frames, path| clip(frames, shape, dt, path))
}

fn clip(frames: &[u8], shape: [usize; 3], dt: f64, path: &Path) -> Result<()> {
    let [channels, height, width] = shape;
    let staged = Staged::beside(path)?;
    let kind = if channels == 1 { "gray" } else { "rgb24" };
    // Even sides, as the colour format wants; a fixed rate of 16 (near lossless) and one thread: the same bytes each time.
    let zoom = zoom(shape).next_multiple_of(2);
    let filter = format!("scale=iw*{zoom}:ih*{zoom}:flags=neighbor,format=yuv420p");
    let arguments: Vec<String> = [
        "-v",
        "error",
        "-y",
        "-f",
        "rawvideo",
        "-pix_fmt",
        kind,
        "-s",
        &format!("{width}x{height}"),
        "-r",
        &format!("{:.6}", 1.0 / dt),
        "-i",
        "pipe:0",
        "-vf",
        &filter,
        "-c:v",
        "libx264",
        "-crf",
        "16",
        "-threads",
        "1",
        "-fflags",
        "+bitexact",
        "-flags:v",
        "+bitexact",
        "-movflags",
        "+faststart",
        &ffmpeg::file(&staged.path),
    ]
    .map(String::from)
    .into();
    let mut running = ffmpeg::start("ffmpeg", &arguments, "writing an MP4 file")?;
    let mut fed = Ok(());
    if let Some(mut stdin) = running.child.stdin.take() {
        for frame in frames.chunks_exact(channels * height * width) {
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
