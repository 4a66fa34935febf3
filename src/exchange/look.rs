//! What is kept of a picture: a crop, a size, grey or colour.

use crate::error::{Error, Result};
use image::imageops::{self, FilterType};
use image::{DynamicImage, GrayImage, RgbImage, RgbaImage};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// Width and height, pixels: `64x48`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Size {
    /// Width, pixels.
    pub width: u32,
    /// Height, pixels.
    pub height: u32,
}

/// A part of a picture: `64x48+10+20` is 64 wide, 48 high, 10 from the left and 20 from the top, pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Crop {
    /// Width and height.
    pub size: Size,
    /// Columns left out on the left.
    pub left: u32,
    /// Rows left out at the top.
    pub top: u32,
}

/// Larger frames are no frames of ours.
const MOST: u32 = 4096;

impl FromStr for Size {
    type Err = String;
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let side = |side: &str| side.parse::<u32>().ok().filter(|n| (1..=MOST).contains(n));
        text.split_once('x')
            .and_then(|(width, height)| {
                Some(Self {
                    width: side(width)?,
                    height: side(height)?,
                })
            })
            .ok_or_else(|| format!("expected WIDTHxHEIGHT of 1 to {MOST} pixels, got {text:?}"))
    }
}

impl FromStr for Crop {
    type Err = String;
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let wrong = || format!("expected WIDTHxHEIGHT+LEFT+TOP in pixels, got {text:?}");
        let mut parts = text.split('+');
        let mut part = || parts.next().ok_or_else(wrong);
        let crop = Self {
            size: part()?.parse().map_err(|_| wrong())?,
            left: part()?.parse().map_err(|_| wrong())?,
            top: part()?.parse().map_err(|_| wrong())?,
        };
        match parts.next() {
            None => Ok(crop),
            Some(_) => Err(wrong()),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl Crop {
    /// Checks that it is a part of a picture of this width and height.
    ///
    /// # Errors
    /// Names the picture's size.
    pub(super) fn check(&self, [width, height]: [u32; 2], source: &Path) -> Result<()> {
        let inside =
            |from: u32, size: u32, all: u32| from.checked_add(size).is_some_and(|end| end <= all);
        if inside(self.left, self.size.width, width) && inside(self.top, self.size.height, height) {
            return Ok(());
        }
        let message =
            format!("--crop {self}: expected a part of the picture's {width}x{height} pixels");
        Err(Error::file(source, message))
    }
}

impl fmt::Display for Crop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}+{}", self.size, self.left, self.top)
    }
}

macro_rules! as_text {
    ($Type:ty) => {
        impl From<$Type> for String {
            fn from(value: $Type) -> Self {
                value.to_string()
            }
        }
        impl TryFrom<String> for $Type {
            type Error = String;
            fn try_from(text: String) -> std::result::Result<Self, String> {
                text.parse()
            }
        }
    };
}
as_text!(Size);
as_text!(Crop);
as_text!(Shade);

/// What is kept of a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    pub crop: Option<Crop>,
    pub scale: Option<Size>,
    pub grey: bool,
    /// Behind transparent pixels.
    pub background: Shade,
}

/// A colour: `black`, `white`, a grey value 0 to 255, or `#rrggbb`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shade(pub [u8; 3]);

impl FromStr for Shade {
    type Err = String;
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let wrong = || {
            format!("expected black, white, a grey value from 0 to 255 or #rrggbb, got {text:?}")
        };
        match text {
            "black" => return Ok(Self([0; 3])),
            "white" => return Ok(Self([255; 3])),
            _ => {}
        }
        let Some(hex) = text.strip_prefix('#') else {
            return text
                .parse()
                .map(|grey| Self([grey; 3]))
                .map_err(|_| wrong());
        };
        if hex.len() != 6 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let part = |i: usize| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).map_err(|_| wrong());
        Ok(Self([part(0)?, part(1)?, part(2)?]))
    }
}

impl fmt::Display for Shade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [r, g, b] = self.0;
        write!(f, "#{r:02x}{g:02x}{b:02x}")
    }
}

/// A picture without its transparency: what stands in front of `background` by its alpha; nothing where all is opaque.
pub(super) fn flattened(picture: &DynamicImage, background: Shade) -> Option<DynamicImage> {
    if !picture.color().has_alpha() {
        return None;
    }
    let pixels = picture.to_rgba8();
    if pixels.pixels().all(|pixel| pixel[3] == 255) {
        return None;
    }
    let over = |value: u8, behind: u8, alpha: u8| {
        let (value, behind, alpha) = (u32::from(value), u32::from(behind), u32::from(alpha));
        ((value * alpha + behind * (255 - alpha) + 127) / 255) as u8
    };
    let flat = RgbImage::from_fn(pixels.width(), pixels.height(), |x, y| {
        let &image::Rgba([r, g, b, alpha]) = pixels.get_pixel(x, y);
        let [br, bg, bb] = background.0;
        image::Rgb([over(r, br, alpha), over(g, bg, alpha), over(b, bb, alpha)])
    });
    let flat = DynamicImage::ImageRgb8(flat);
    let [r, g, b] = background.0;
    // Grey with alpha stays grey on a grey ground.
    Some(match picture.color().has_color() || r != g || g != b {
        true => flat,
        false => DynamicImage::ImageLuma8(flat.to_luma8()),
    })
}

impl Look {
    /// Whether opaque pictures stay as they are.
    pub fn is_nothing(&self) -> bool {
        self.crop.is_none() && self.scale.is_none() && !self.grey
    }

    /// Crops, scales (area-weighted when smaller) and takes the brightness: (C, H, W) row-major with its shape, and whether
    /// anything was transparent.
    pub fn apply(
        &self,
        picture: DynamicImage,
        source: &Path,
    ) -> Result<(Vec<u8>, [usize; 3], bool)> {
        let flat = flattened(&picture, self.background);
        let was_clear = flat.is_some();
        let mut picture = flat.unwrap_or(picture);
        if let Some(crop) = self.crop {
            crop.check([picture.width(), picture.height()], source)?;
            picture = picture.crop_imm(crop.left, crop.top, crop.size.width, crop.size.height);
        }
        if let Some(Size { width, height }) = self.scale {
            picture = picture.resize_exact(width, height, FilterType::Triangle);
        }
        let grey = self.grey || !picture.color().has_color();
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        if grey {
            let grey = match picture {
                DynamicImage::ImageLuma8(grey) => grey,
                other => imageops::grayscale(&other.to_rgb8()),
            };
            return Ok((grey.into_raw(), [1, height, width], was_clear));
        }
        let planes = planes(picture.to_rgb8().as_raw());
        Ok((planes, [3, height, width], was_clear))
    }

    /// The same for a frame that is (C, H, W) already.
    pub fn apply_planes(
        &self,
        frame: Vec<u8>,
        shape: [usize; 3],
        source: &Path,
    ) -> Result<(Vec<u8>, [usize; 3])> {
        let [channels, height, width] = shape;
        if self.is_nothing() && channels != 4 {
            return Ok((frame, shape));
        }
        let wrong = || Error::file(source, format!("frames of {shape:?} are too large"));
        let (w, h) = (
            u32::try_from(width).map_err(|_| wrong())?,
            u32::try_from(height).map_err(|_| wrong())?,
        );
        let picture = match channels {
            1 => GrayImage::from_raw(w, h, frame).map(DynamicImage::ImageLuma8),
            4 => RgbaImage::from_raw(w, h, interleaved(&frame, 4)).map(DynamicImage::ImageRgba8),
            _ => RgbImage::from_raw(w, h, pixels(&frame)).map(DynamicImage::ImageRgb8),
        };
        let (frame, shape, _) = self.apply(picture.ok_or_else(wrong)?, source)?;
        Ok((frame, shape))
    }
}

/// From RGB pixels (H, W, 3) to planes (3, H, W).
fn planes(pixels: &[u8]) -> Vec<u8> {
    planes_of(pixels, 3)
}

/// From pixels (H, W, C) to planes (C, H, W).
pub(super) fn planes_of(pixels: &[u8], channels: usize) -> Vec<u8> {
    (0..channels)
        .flat_map(|c| pixels.chunks_exact(channels).map(move |pixel| pixel[c]))
        .collect()
}

/// From planes (3, H, W) to RGB pixels (H, W, 3).
pub(super) fn pixels(planes: &[u8]) -> Vec<u8> {
    interleaved(planes, 3)
}

/// From planes (C, H, W) to pixels (H, W, C).
fn interleaved(planes: &[u8], channels: usize) -> Vec<u8> {
    let plane = planes.len() / channels;
    (0..plane)
        .flat_map(|i| (0..channels).map(move |c| planes[c * plane + i]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crops_and_sizes_are_read_and_written_alike_and_nonsense_is_refused() {
        for text in ["64x48+10+20", "1x1+0+0"] {
            assert_eq!(text.parse::<Crop>().unwrap().to_string(), text);
        }
        for text in [
            "64x48",
            "64x48+1",
            "64x48+1+2+3",
            "0x4+0+0",
            "ax4+0+0",
            "-1x4+0+0",
        ] {
            assert!(text.parse::<Crop>().is_err(), "{text}");
        }
        for text in ["64", "64x", "x64", "0x64", "64x99999", "6 4x4"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_crop_keeps_its_pixels_and_half_the_size_keeps_the_mean() {
        let path = Path::new("a");
        let frame: Vec<u8> = (0..16).map(|i| 10 * i).collect();
        let look = Look {
            crop: Some("2x2+1+2".parse().unwrap()),
            ..Look::default()
        };
        let (cropped, shape) = look.apply_planes(frame.clone(), [1, 4, 4], path).unwrap();
        assert_eq!((cropped, shape), (vec![90, 100, 130, 140], [1, 2, 2]));
        let look = Look {
            scale: Some("2x2".parse().unwrap()),
            ..Look::default()
        };
        let (small, _) = look.apply_planes(vec![80; 16], [1, 4, 4], path).unwrap();
        assert_eq!(small, [80; 4]);
        let look = Look {
            crop: Some("4x4+1+0".parse().unwrap()),
            ..Look::default()
        };
        let error = look.apply_planes(frame, [1, 4, 4], path).unwrap_err();
        assert!(error.to_string().contains("4x4 pixels"), "{error}");
    }

    #[test]
    fn what_is_transparent_shows_the_ground_by_its_alpha() {
        let path = Path::new("a");
        let planes = [[200u8, 200, 200], [0; 3], [100; 3], [0, 255, 51]].concat();
        let over = |background: &str| {
            let look = Look {
                background: background.parse().unwrap(),
                ..Look::default()
            };
            look.apply_planes(planes.clone(), [4, 1, 3], path).unwrap()
        };
        // Alpha 0, 1 and 0.2: red 0.2 * 200 = 40, over white 40 + 0.8 * 255 = 244.
        let (black, shape) = over("black");
        assert_eq!(shape, [3, 1, 3]);
        assert_eq!(black, [0, 200, 40, 0, 0, 0, 0, 100, 20]);
        assert_eq!(over("white").0[..3], [255, 200, 244]);
        assert_eq!(over("#0a0000").0[..3], [10, 200, 48]);
        for text in ["", "grey", "256", "#12345", "#12345g", "#é1234"] {
            assert!(text.parse::<Shade>().is_err(), "{text}");
        }
        assert_eq!("7".parse::<Shade>().unwrap().to_string(), "#070707");
    }

    #[test]
    fn planes_and_pixels_are_each_others_inverse_and_green_is_brighter_than_blue() {
        let picture: Vec<u8> = (0..24).collect();
        assert_eq!(pixels(&planes(&picture)), picture);
        let look = Look {
            grey: true,
            ..Look::default()
        };
        let planes = [[0u8; 2], [0, 255], [255, 0]].concat();
        let (grey, shape) = look
            .apply_planes(planes, [3, 1, 2], Path::new("a"))
            .unwrap();
        assert_eq!(shape, [1, 1, 2]);
        assert!(grey[1] > 2 * grey[0] && grey[0] > 0, "{grey:?}");
    }
}
