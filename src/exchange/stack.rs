//! TIFF files whose pages are the frames of one recording, as microscopes write them: 8 and 16 bits, floats, grey or
//! colour.

use super::clips::{Recording, Shot};
use crate::error::{Error, Result};
use image::{DynamicImage, GrayImage, RgbImage, RgbaImage};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use tiff::ColorType;
use tiff::decoder::{Decoder, DecodingResult, Limits};

/// Pages of a file at most.
const MOST_PAGES: usize = 1_000_000;
/// Bytes that one page may take.
const MOST_BYTES: usize = 512 << 20;

type Pages = Decoder<BufReader<File>>;

fn decoder(path: &Path) -> Result<Pages> {
    let file = File::open(path).map_err(Error::io(path))?;
    let mut limits = Limits::default();
    limits.decoding_buffer_size = MOST_BYTES;
    limits.intermediate_buffer_size = MOST_BYTES;
    let decoder = Decoder::new(BufReader::new(file)).map_err(|e| wrong(path, &e))?;
    Ok(decoder.with_limits(limits))
}

fn wrong(path: &Path, e: &tiff::TiffError) -> Error {
    Error::file(path, format!("expected a TIFF file: {e}"))
}

/// How many pages a file has.
///
/// # Errors
/// [`Error::File`] with what the decoder says.
pub(super) fn pages(path: &Path) -> Result<usize> {
    let mut decoder = decoder(path)?;
    let mut count = 1;
    while decoder.more_images() && count < MOST_PAGES {
        decoder.next_image().map_err(|e| wrong(path, &e))?;
        count += 1;
    }
    Ok(count)
}

/// The pages of a file, in order.
pub(super) struct Stack {
    path: PathBuf,
    decoder: Pages,
    stride: usize,
    pages: usize,
    next: usize,
    /// What white is; the largest number of the type, or 1 for floats, when not given.
    white: Option<f64>,
    /// The brightest value, and what white was taken to be.
    brightest: (f64, f64),
}

impl Stack {
    /// Opens a file.
    ///
    /// # Errors
    /// [`Error::File`] with what the decoder says.
    pub fn open(path: &Path, stride: usize, white: Option<f64>) -> Result<Self> {
        Ok(Self {
            path: path.to_path_buf(),
            pages: pages(path)?,
            decoder: decoder(path)?,
            stride,
            next: 0,
            white,
            brightest: (0.0, 0.0),
        })
    }

    fn page(&mut self) -> Result<DynamicImage> {
        let path = self.path.join(format!("page {}", self.next));
        let (width, height) = self.decoder.dimensions().map_err(|e| wrong(&path, &e))?;
        let colour = self.decoder.colortype().map_err(|e| wrong(&path, &e))?;
        let channels = match colour {
            ColorType::Gray(_) => 1,
            ColorType::RGB(_) => 3,
            ColorType::RGBA(_) => 4,
            other => {
                let message = format!("expected a grey, RGB or RGBA page, got {other:?}");
                return Err(Error::file(&path, message));
            }
        };
        let read = self.decoder.read_image().map_err(|e| wrong(&path, &e))?;
        let bytes = match read {
            DecodingResult::U8(values) if self.white.is_none() => values,
            DecodingResult::U8(values) => {
                self.scaled(&path, values.iter().map(|&v| v.into()), 255.0)?
            }
            DecodingResult::U16(values) => {
                self.scaled(&path, values.iter().map(|&v| v.into()), 65535.0)?
            }
            DecodingResult::U32(values) => {
                self.scaled(&path, values.iter().map(|&v| v.into()), f64::from(u32::MAX))?
            }
            DecodingResult::F32(values) => {
                self.scaled(&path, values.iter().map(|&v| v.into()), 1.0)?
            }
            DecodingResult::F64(values) => self.scaled(&path, values.iter().copied(), 1.0)?,
            _ => {
                let message = "expected pages of unsigned integers or floats, got another type; save them as such";
                return Err(Error::file(&path, message));
            }
        };
        let picture = match channels {
            1 => GrayImage::from_raw(width, height, bytes).map(DynamicImage::ImageLuma8),
            3 => RgbImage::from_raw(width, height, bytes).map(DynamicImage::ImageRgb8),
            _ => RgbaImage::from_raw(width, height, bytes).map(DynamicImage::ImageRgba8),
        };
        picture.ok_or_else(|| {
            Error::file(
                &path,
                format!("expected {width} x {height} pixels, got fewer"),
            )
        })
    }

    fn scaled(
        &mut self,
        path: &Path,
        values: impl Iterator<Item = f64>,
        usual: f64,
    ) -> Result<Vec<u8>> {
        let white = self.white.unwrap_or(usual);
        self.brightest.1 = white;
        values
            .map(|value| {
                if !(-1e-5 * white..=white * (1.0 + 1e-5)).contains(&value) {
                    let message = format!(
                        "expected pixels from 0 to {white}, got {value} (--white VALUE tells what white is)"
                    );
                    return Err(Error::file(path, message));
                }
                self.brightest.0 = self.brightest.0.max(value);
                Ok((value / white * 255.0).round() as u8)
            })
            .collect()
    }
}

impl Recording for Stack {
    fn next(&mut self) -> Result<Option<Shot>> {
        let number = self.next;
        if number >= self.pages {
            return Ok(None);
        }
        let picture = self.page()?;
        for _ in 0..self.stride {
            self.next += 1;
            if self.next < self.pages {
                let next = self.decoder.next_image();
                next.map_err(|e| wrong(&self.path, &e))?;
            }
        }
        Ok(Some(Shot {
            picture: Some(picture),
            number,
        }))
    }

    fn len(&self) -> (usize, usize) {
        (self.pages.div_ceil(self.stride), self.pages)
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn notes(&self) -> Vec<String> {
        let (most, white) = self.brightest;
        // A camera of 12 bits in files of 16: a sixteenth of white at most.
        let dark = white > 0.0 && most < white / 8.0;
        let words = || {
            format!(
                "the brightest pixel is {most} where white is {white}; --white {most} would show more"
            )
        };
        dark.then(words).into_iter().collect()
    }
}
