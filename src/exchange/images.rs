//! Pictures: folders of image files and other recordings cut into clips, and frames written as PNG files.

use super::export::Export;
use super::look::{Look, pixels};
use super::sequence::{Reader, Sequence};
use crate::error::{Error, Result};
use crate::store::atomic::write_atomic;
use image::{DynamicImage, ExtendedColorType, ImageEncoder, ImageReader, Limits};
use simulators::Trajectory;
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// Pictures of one recording in order, without cuts.
pub(super) trait Recording {
    fn next(&mut self) -> Result<Option<DynamicImage>>;
    /// Time between the pictures, s, where it is known.
    fn dt(&self) -> Option<f64>;
    /// What messages call it.
    fn path(&self) -> &Path;
}

/// Recordings cut into clips of `clip` frames; what does not fill a clip at the end of a recording is left out.
pub(super) struct Clips {
    recordings: VecDeque<Box<dyn Recording>>,
    look: Look,
    clip: usize,
    shape: Option<[usize; 3]>,
    first: Option<Sequence>,
    dt: Option<f64>,
    left_out: usize,
    ignored: usize,
}

impl Clips {
    /// Starts reading; `look` is what is left to do to each picture.
    ///
    /// # Errors
    /// A recording that can't be read, or not one clip in all of them.
    pub fn open(
        recordings: Vec<Box<dyn Recording>>,
        look: Look,
        clip: usize,
        source: &Path,
    ) -> Result<Self> {
        let mut this = Self {
            dt: recordings.first().and_then(|first| first.dt()),
            recordings: recordings.into(),
            look,
            clip,
            shape: None,
            first: None,
            left_out: 0,
            ignored: 0,
        };
        this.first = this.read()?;
        if this.first.is_none() {
            let got = this.left_out;
            let message =
                format!("expected at least one clip of {clip} frames, got {got} frames (--clip)");
            return Err(Error::file(source, message));
        }
        Ok(this)
    }

    fn read(&mut self) -> Result<Option<Sequence>> {
        while let Some(recording) = self.recordings.front_mut() {
            let mut frames = Vec::new();
            let mut n = 0;
            while n < self.clip {
                let Some(picture) = recording.next()? else {
                    break;
                };
                let (frame, shape) = self.look.apply(picture, recording.path())?;
                let want = *self.shape.get_or_insert(shape);
                if shape != want {
                    let message = format!(
                        "expected pictures of (C, H, W) = {want:?} as the first one, got {shape:?} (--scale and --grey make them alike)"
                    );
                    return Err(Error::file(recording.path(), message));
                }
                frames.extend_from_slice(&frame);
                n += 1;
            }
            if n == self.clip {
                return Ok(Some(Sequence {
                    frames,
                    motion: Trajectory::default(),
                }));
            }
            self.left_out += n;
            self.recordings.pop_front();
        }
        Ok(None)
    }
}

impl Reader for Clips {
    fn frame_shape(&self) -> [usize; 3] {
        self.shape.unwrap_or_default()
    }

    fn dt(&self) -> Option<f64> {
        self.dt
    }

    fn next(&mut self) -> Result<Option<Sequence>> {
        match self.first.take() {
            Some(first) => Ok(Some(first)),
            None => self.read(),
        }
    }

    fn left_out(&self) -> Option<String> {
        let frames = (self.left_out > 0).then(|| {
            format!(
                "{} frames at the ends of recordings that do not fill a clip of {}",
                self.left_out, self.clip
            )
        });
        let files =
            (self.ignored > 0).then(|| format!("{} files that are no images", self.ignored));
        match (frames, files) {
            (Some(a), Some(b)) => Some(format!("{a}; {b}")),
            (a, b) => a.or(b),
        }
    }
}

/// Endings that are read, in lower case.
const ENDINGS: [&str; 11] = [
    "png", "jpg", "jpeg", "bmp", "tif", "tiff", "gif", "webp", "pgm", "ppm", "pnm",
];

/// Whether a file is an image by its ending.
fn is_image(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| ENDINGS.contains(&ending.to_ascii_lowercase().as_str()))
}

/// The image files of one folder, in the order of their names; numbers in names count as numbers.
struct Folder {
    dir: PathBuf,
    files: VecDeque<PathBuf>,
}

/// Opens a folder of images, or a folder of such folders: each is a recording.
///
/// # Errors
/// A folder that can't be read, or no image anywhere.
pub(super) fn open(dir: &Path, look: Look, stride: usize, clip: usize) -> Result<Clips> {
    let entries = |dir: &Path| -> Result<Vec<PathBuf>> {
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(dir).map_err(Error::io(dir))? {
            let path = entry.map_err(Error::io(dir))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if !name.starts_with('.') {
                paths.push(path);
            }
        }
        paths.sort_by(|a, b| natural(&a.to_string_lossy(), &b.to_string_lossy()));
        Ok(paths)
    };
    let mut ignored = 0;
    let mut recordings: Vec<Box<dyn Recording>> = Vec::new();
    let mut add = |dir: &Path, paths: Vec<PathBuf>| {
        let (images, others): (Vec<_>, Vec<_>) = paths.into_iter().partition(|p| is_image(p));
        ignored += others.iter().filter(|path| path.is_file()).count();
        if !images.is_empty() {
            recordings.push(Box::new(Folder {
                dir: dir.to_path_buf(),
                files: images.into_iter().step_by(stride).collect(),
            }));
        }
    };
    let here = entries(dir)?;
    let folders: Vec<PathBuf> = here.iter().filter(|path| path.is_dir()).cloned().collect();
    add(dir, here);
    for folder in folders {
        let inside = entries(&folder)?;
        add(&folder, inside);
    }
    if recordings.is_empty() {
        let message = format!(
            "expected images ({}) in it or in folders in it, got none",
            ENDINGS.join(", ")
        );
        return Err(Error::file(dir, message));
    }
    let mut clips = Clips::open(recordings, look, clip, dir)?;
    clips.ignored = ignored;
    Ok(clips)
}

/// Largest side of an image, pixels, and bytes that its decoder may take.
const MOST: u32 = 16384;
const ALLOCATION: u64 = 512 << 20;

/// Reads one image file; what claims to be larger than [`MOST`] is refused before its pixels are looked at.
///
/// # Errors
/// [`Error::Io`], or [`Error::File`] with what the decoder says.
pub(super) fn decode(path: &Path) -> Result<DynamicImage> {
    let reader = ImageReader::open(path).map_err(Error::io(path))?;
    let mut reader = reader.with_guessed_format().map_err(Error::io(path))?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(MOST);
    limits.max_image_height = Some(MOST);
    limits.max_alloc = Some(ALLOCATION);
    reader.limits(limits);
    reader
        .decode()
        .map_err(|e| Error::file(path, format!("expected an image: {e}")))
}

impl Recording for Folder {
    fn next(&mut self) -> Result<Option<DynamicImage>> {
        self.files.pop_front().map(|path| decode(&path)).transpose()
    }

    fn dt(&self) -> Option<f64> {
        None
    }

    fn path(&self) -> &Path {
        &self.dir
    }
}

/// The order of names in which `frame-2` comes before `frame-10`.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let (n, m) = (digits(a), digits(b));
        if n > 0 && m > 0 {
            let number = |text: &str, n: usize| text[..n].trim_start_matches('0').to_string();
            let (x, y) = (number(a, n), number(b, m));
            let order = x.len().cmp(&y.len()).then(x.cmp(&y)).then(n.cmp(&m));
            if order != Ordering::Equal {
                return order;
            }
            (a, b) = (&a[n..], &b[m..]);
            continue;
        }
        match (a.chars().next(), b.chars().next()) {
            (None, None) => return Ordering::Equal,
            (x, y) if x != y => return x.cmp(&y),
            (x, _) => {
                let width = x.map_or(0, char::len_utf8);
                (a, b) = (&a[width..], &b[width..]);
            }
        }
    }
}

/// Writes a folder a sequence, `<split>/00000/frame-0000.png`.
pub(super) fn write(export: &Export) -> Result<Vec<PathBuf>> {
    let shape @ [c, h, w] = export.frame_shape();
    let mut made = Vec::new();
    for (name, split, n) in &export.splits {
        let root = export.out.join(name);
        for i in 0..*n {
            let folder = root.join(format!("{i:05}"));
            std::fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
            for (t, frame) in split.frames(i).chunks_exact(c * h * w).enumerate() {
                let path = folder.join(format!("frame-{t:04}.png"));
                write_atomic(&path, &png(frame, shape, &path)?)?;
            }
            export.bar.advance(1);
        }
        made.push(root);
    }
    Ok(made)
}

/// A frame (C, H, W) as a PNG file.
fn png(frame: &[u8], [channels, height, width]: [usize; 3], path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let (picture, colour) = match channels {
        1 => (frame.to_vec(), ExtendedColorType::L8),
        3 => (pixels(frame), ExtendedColorType::Rgb8),
        other => {
            let message = format!("expected frames of 1 or 3 channels, got {other}");
            return Err(Error::file(path, message));
        }
    };
    image::codecs::png::PngEncoder::new(&mut bytes)
        .write_image(&picture, width as u32, height as u32, colour)
        .map_err(|e| Error::file(path, e.to_string()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_count_as_numbers() {
        let mut names = ["f10", "f2", "f1b", "f1", "f02", "a9", "f1a", "é2", "é10"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(
            names,
            ["a9", "f1", "f1a", "f1b", "f2", "f02", "f10", "é2", "é10"]
        );
    }

    #[test]
    fn a_png_that_claims_to_be_huge_is_refused_before_it_is_decoded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.png");
        let mut bytes = png(&[0; 4], [1, 2, 2], &path).unwrap();
        // IHDR: width at 16..20, its CRC at 29..33.
        bytes[16..20].copy_from_slice(&2_000_000_000u32.to_be_bytes());
        let crc = crc32(&bytes[12..29]).to_be_bytes();
        bytes[29..33].copy_from_slice(&crc);
        std::fs::write(&path, bytes).unwrap();
        let error = decode(&path).unwrap_err().to_string();
        assert!(error.contains("a.png: expected an image"), "{error}");
        assert!(error.to_lowercase().contains("limit"), "{error}");
    }

    /// The checksum of PNG's chunks (ISO 3309).
    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| {
                (crc >> 1) ^ (0xedb8_8320 * (crc & 1))
            })
        })
    }
}
