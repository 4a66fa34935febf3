//! Pictures: folders of image files read, and frames written as PNG files.

use super::clips::{Recording, Shot};
use super::export::Export;
use super::kinds::{IMAGE_ENDINGS, ending, entries, is_image};
use super::look::pixels;
use super::options::ImportOptions;
use super::stack::{self, Stack};
use crate::error::{Error, Result};
use crate::store::atomic::sync_folder;
use image::metadata::Orientation;
use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, ImageReader, Limits};
use rayon::prelude::*;
use std::collections::VecDeque;
use std::io::{BufRead, Seek};
use std::path::{Path, PathBuf};

/// The image files of one folder, in the order of their names; numbers in names count as numbers.
struct Folder {
    dir: PathBuf,
    /// Files before some are left out.
    all: usize,
    /// With their numbers.
    files: VecDeque<(usize, PathBuf)>,
    turned: usize,
}

/// The recordings of a folder of images, or of a folder of such folders; how many files are no images.
///
/// # Errors
/// A folder that can't be read, or no image anywhere.
pub(super) fn recordings(
    dir: &Path,
    stride: usize,
    options: &ImportOptions,
) -> Result<(Vec<Box<dyn Recording>>, usize)> {
    let mut ignored = 0;
    let mut recordings: Vec<Box<dyn Recording>> = Vec::new();
    let mut add = |dir: &Path, paths: Vec<PathBuf>| -> Result<()> {
        let (images, others): (Vec<_>, Vec<_>) = paths.into_iter().partition(|p| is_image(p));
        ignored += others.iter().filter(|path| path.is_file()).count();
        // TIFF files of several pages are recordings of their own.
        let tiff = |path: &PathBuf| matches!(ending(path).as_str(), "tif" | "tiff");
        if !images.is_empty() && images.iter().all(tiff) && stack::pages(&images[0])? > 1 {
            for path in images {
                recordings.push(Box::new(Stack::open(&path, stride, options.white)?));
            }
        } else if !images.is_empty() {
            recordings.push(Box::new(Folder {
                dir: dir.to_path_buf(),
                all: images.len(),
                files: images.into_iter().enumerate().step_by(stride).collect(),
                turned: 0,
            }));
        }
        Ok(())
    };
    let here = entries(dir)?;
    let folders: Vec<PathBuf> = here.iter().filter(|path| path.is_dir()).cloned().collect();
    add(dir, here)?;
    for folder in folders {
        let inside = entries(&folder)?;
        add(&folder, inside)?;
    }
    if recordings.is_empty() {
        let message = format!(
            "expected images ({}) in it or in folders in it, or files of arrays, tables or videos, got none",
            IMAGE_ENDINGS.join(", ")
        );
        return Err(Error::file(dir, message));
    }
    Ok((recordings, ignored))
}

/// Largest side of an image, pixels, and bytes that its decoder may take.
const MOST: u32 = 16384;
const ALLOCATION: u64 = 512 << 20;

/// Reads one image file, turned as its EXIF data say, and whether it was; what claims to be larger than [`MOST`] is refused
/// before its pixels are looked at.
///
/// # Errors
/// [`Error::Io`], or [`Error::File`] with what the decoder says.
pub(super) fn decode(path: &Path) -> Result<(DynamicImage, bool)> {
    let reader = ImageReader::open(path).map_err(Error::io(path))?;
    let reader = reader.with_guessed_format().map_err(Error::io(path))?;
    limited(reader).map_err(|e| Error::file(path, format!("expected an image: {e}")))
}

/// The same of the bytes of a file, with what is wrong with them.
pub(super) fn decode_bytes(bytes: &[u8]) -> std::result::Result<DynamicImage, String> {
    let reader = ImageReader::new(std::io::Cursor::new(bytes));
    let reader = reader.with_guessed_format().map_err(|e| e.to_string())?;
    let (picture, _) = limited(reader).map_err(|e| format!("expected an image: {e}"))?;
    Ok(picture)
}

fn limited<R: BufRead + Seek>(
    mut reader: ImageReader<R>,
) -> image::ImageResult<(DynamicImage, bool)> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MOST);
    limits.max_image_height = Some(MOST);
    limits.max_alloc = Some(ALLOCATION);
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    let orientation = decoder.orientation()?;
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    Ok((picture, orientation != Orientation::NoTransforms))
}

impl Recording for Folder {
    fn next(&mut self) -> Result<Option<Shot>> {
        let Some((number, path)) = self.files.pop_front() else {
            return Ok(None);
        };
        let (picture, turned) = decode(&path)?;
        self.turned += usize::from(turned);
        Ok(Some(Shot {
            picture: Some(picture),
            number,
        }))
    }

    fn len(&self) -> (usize, usize) {
        (self.files.len(), self.all)
    }

    fn path(&self) -> &Path {
        &self.dir
    }

    fn turned(&self) -> usize {
        self.turned
    }
}

/// Writes a folder a sequence, `<split>/00000/frame-0000.png`. Every file appears whole, and each folder is flushed to disk
/// once: a flush a file takes longer than all the rest, and an export can be made again.
pub(super) fn write(export: &Export) -> Result<Vec<PathBuf>> {
    let shape @ [c, h, w] = export.frame_shape();
    let mut made = Vec::new();
    for (name, split, n) in &export.splits {
        let root = export.out.join(name);
        (0..*n).into_par_iter().try_for_each(|i| -> Result<()> {
            let folder = root.join(format!("{i:05}"));
            std::fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
            for (t, frame) in split.frames(i).chunks_exact(c * h * w).enumerate() {
                let path = folder.join(format!("frame-{t:04}.png"));
                let beside = folder.join(format!(".frame-{t:04}.png.tmp"));
                std::fs::write(&beside, png(frame, shape, &path)?)
                    .and_then(|()| std::fs::rename(&beside, &path))
                    .map_err(Error::io(&path))?;
            }
            sync_folder(&folder.join("any")).map_err(Error::io(&folder))?;
            export.bar.advance(1);
            Ok(())
        })?;
        made.push(root);
    }
    Ok(made)
}

/// A frame (C, H, W) as a PNG file.
pub(super) fn png(
    frame: &[u8],
    [channels, height, width]: [usize; 3],
    path: &Path,
) -> Result<Vec<u8>> {
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
