//! A video file as one clip in memory: for what looks at a recording once and needs no dataset of it.

use super::clips::Recording;
use super::kinds::Kind;
use super::look::{Crop, Look, Size};
use super::options::ImportOptions;
use super::video::Video;
use crate::error::{Error, Result};
use std::path::Path;

/// What is kept of a video file.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FilmOptions {
    /// Frames a second, where the file's own times do not count: its frames are taken as they come.
    pub fps: Option<f64>,
    /// From this time on, s.
    pub from: Option<f64>,
    /// Up to this time, s.
    pub to: Option<f64>,
    /// The part of the pictures that is kept.
    pub crop: Option<Crop>,
    /// The size that pictures get; their own where not given, or [`FilmOptions::most`].
    pub size: Option<[usize; 2]>,
    /// Longest side, pixels: larger pictures are scaled down.
    pub most: Option<usize>,
    /// Brightness in place of colour.
    pub grey: bool,
}

/// The frames of a video file.
#[derive(Clone, Debug, PartialEq)]
pub struct Film {
    /// (T, C, H, W), 0 = black; pictures whose channels are equal everywhere have one.
    pub frames: Vec<u8>,
    /// (C, H, W).
    pub shape: [usize; 3],
    /// (T): false where the file lacks a frame, whose pixels are 0.
    pub seen: Vec<bool>,
    /// Time between frames, s; nothing where neither the file nor [`FilmOptions::fps`] tells.
    pub dt: Option<f64>,
    /// Pixels of the file for one of these frames.
    pub zoom: f64,
    /// What was done to it, in words.
    pub notes: Vec<String>,
}

/// Bytes of frames that are held at most.
const MOST_BYTES: usize = 1 << 30;

/// Reads a video file.
///
/// # Errors
/// A file of another kind, which `kinostate import` makes a dataset of; ffmpeg is not installed; times that are uneven;
/// more frames than fit into a GiB.
pub fn film(path: &Path, options: &FilmOptions) -> Result<Film> {
    if path.is_dir() {
        return Err(Error::file(
            path,
            format!(
                "expected a dataset folder or a video, got a folder without manifest.json and config.yaml; `kinostate import \
                 {} --out FOLDER` makes a dataset of recordings in it",
                path.display()
            ),
        ));
    }
    let kind = Kind::of(path)?;
    if kind != Kind::Video {
        return Err(Error::file(
            path,
            format!(
                "expected a dataset folder or a video, got {}; `kinostate import {} --out FOLDER` makes a dataset of it",
                kind.words(),
                path.display()
            ),
        ));
    }
    let dt = options.fps.map(|fps| 1.0 / fps);
    let mut import = ImportOptions {
        dt,
        crop: options.crop,
        grey: options.grey,
        ..ImportOptions::default()
    };
    // The first picture tells the size, turned as the file says.
    let mut first = Video::open(path, &import, 1)?;
    let picture = first
        .next()?
        .and_then(|shot| shot.picture)
        .ok_or_else(|| Error::file(path, "expected a video with frames, got none"))?;
    drop(first);
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let [to_width, to_height] = options.size.unwrap_or_else(|| {
        let longest = width.max(height);
        let most = options.most.unwrap_or(longest).max(1);
        match longest > most {
            true => [width, height].map(|side| (side * most).div_ceil(longest).max(1)),
            false => [width, height],
        }
    });
    let zoom = width as f64 / to_width as f64;
    if (to_width, to_height) != (width, height) {
        let size = format!("{to_width}x{to_height}");
        import.scale = Some(size.parse::<Size>().map_err(|e| Error::file(path, e))?);
    }
    let mut video = Video::open(path, &import, 1)?;
    let dt = dt.or_else(|| video.dt());
    if (options.from.is_some() || options.to.is_some()) && dt.is_none() {
        return Err(Error::file(
            path,
            "expected the time between frames for --from and --to, which the file does not tell (--fps)",
        ));
    }
    let time = |frame: usize| frame as f64 * dt.unwrap_or(0.0);
    let (mut frames, mut seen, mut shape) = (Vec::new(), Vec::new(), None);
    let mut number = 0;
    while let Some(shot) = video.next()? {
        let now = time(number);
        number += 1;
        if options.from.is_some_and(|from| now < from - 1e-9) {
            continue;
        }
        if options.to.is_some_and(|to| now > to + 1e-9) {
            break;
        }
        seen.push(shot.picture.is_some());
        match shot.picture {
            Some(picture) => {
                let (frame, own, _) = Look::default().apply(picture, path)?;
                shape = Some(own);
                frames.push(frame);
            }
            None => frames.push(Vec::new()),
        }
        let bytes = frames.len() * shape.map_or(0, |shape| shape.iter().product());
        if bytes > MOST_BYTES {
            return Err(Error::file(
                path,
                format!(
                    "{} frames of {to_width} x {to_height} pixels are more than 1 GiB; --from and --to take a part",
                    frames.len()
                ),
            ));
        }
    }
    let shape = shape.ok_or_else(|| {
        Error::file(
            path,
            format!("expected frames between --from and --to, got none of {number}"),
        )
    })?;
    let size: usize = shape.iter().product();
    let mut all = Vec::with_capacity(frames.len() * size);
    for frame in frames {
        match frame.is_empty() {
            true => all.resize(all.len() + size, 0),
            false => all.extend_from_slice(&frame),
        }
    }
    let mut notes = video.notes();
    if zoom > 1.0 {
        notes.push(format!(
            "looked at in {to_width} x {to_height} pixels, {zoom:.2} of the file's each"
        ));
    }
    let (frames, shape) = grey(all, shape);
    Ok(Film {
        frames,
        shape,
        seen,
        dt,
        zoom,
        notes,
    })
}

/// Frames without colour have one channel: video files have three all the same.
fn grey(frames: Vec<u8>, shape: [usize; 3]) -> (Vec<u8>, [usize; 3]) {
    let [channels, height, width] = shape;
    let area = height * width;
    // Colours are stored coarser than brightness: greys come back a little off.
    let same = |frame: &[u8]| {
        (0..area).all(|i| {
            let [r, g, b] = [0, 1, 2].map(|c| frame[c * area + i]);
            r.abs_diff(g).max(g.abs_diff(b)) <= 3
        })
    };
    if channels != 3 || !frames.chunks_exact(3 * area).all(same) {
        return (frames, shape);
    }
    let green = frames
        .chunks_exact(3 * area)
        .flat_map(|frame| &frame[area..2 * area]);
    (green.copied().collect(), [1, height, width])
}
