//! How a scene becomes pixels: frame size, what is drawn, and the camera.

use crate::{Error, Looks, Rectangle};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a scene becomes pixels. Frames are (T, C, H, W) with C = 1 (grey) or 3 (red, green, blue), row 0 at the top of the
/// picture (large y).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Video {
    /// Frame width W, pixels, 8..=256.
    #[schemars(range(min = 8, max = 256))]
    pub width: usize,
    /// Frame height H, pixels, 8..=256.
    #[schemars(range(min = 8, max = 256))]
    pub height: usize,
    /// Whether the walls are drawn behind the bodies.
    pub walls: bool,
    /// The part of the world to show, px (world units); the simulator's own view where left out. It is fitted inside the
    /// frame and centred, with square pixels, so discs stay round: a window of another aspect shows more world, not a
    /// stretched one.
    pub camera: Option<Rectangle>,
    /// Whether frames are red, green and blue. Default grey.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub colour: bool,
    /// How long the shutter is open around each frame's state, s, at most the time between frames: a frame is the mean of
    /// what is to be seen then (motion blur). Default 0: a frame is a moment.
    #[serde(skip_serializing_if = "is_no_time")]
    pub exposure: f64,
    /// Number of moments in that time, odd. Default 15: at a speed of one ball radius in that time a tenth of it apart.
    #[serde(skip_serializing_if = "is_default_samples")]
    pub exposure_samples: usize,
    /// Colours, texture and noise, drawn per sequence. Default white on black.
    #[serde(skip_serializing_if = "Looks::is_default")]
    pub looks: Looks,
}

/// Moments of an exposure, when not said otherwise.
const EXPOSURE_SAMPLES: usize = 15;

// Fields that came later are written only where they say something, so that the digests of older experiments stay.
fn is_no_time(exposure: &f64) -> bool {
    *exposure == 0.0
}

fn is_default_samples(samples: &usize) -> bool {
    *samples == EXPOSURE_SAMPLES
}

impl Default for Video {
    /// 32 x 32 pixels, walls drawn, the simulator's own view: the pictures of the original Kalman-VAE box data.
    fn default() -> Self {
        Self {
            width: 32,
            height: 32,
            walls: true,
            camera: None,
            colour: false,
            exposure: 0.0,
            exposure_samples: EXPOSURE_SAMPLES,
            looks: Looks::default(),
        }
    }
}

impl Video {
    /// Colour channels of a frame, C.
    pub fn channels(&self) -> usize {
        if self.colour { 3 } else { 1 }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Parameter`] names the key, the expected range and the value.
    pub fn check(&self) -> Result<(), Error> {
        let size = |key: &str, got: usize| match got {
            8..=256 => Ok(()),
            _ => Err(Error::parameter(key, "within 8..=256 pixels", got)),
        };
        let exposure = match self.exposure {
            time if time >= 0.0 && time.is_finite() => Ok(()),
            time => Err(Error::parameter(
                "video.exposure",
                "finite and at least 0 s",
                time,
            )),
        };
        let samples = match self.exposure_samples {
            odd if odd % 2 == 1 && odd <= 255 => Ok(()),
            got => {
                let expected = "an odd number within 1..=255";
                Err(Error::parameter("video.exposure_samples", expected, got))
            }
        };
        Error::all([
            size("video.width", self.width),
            size("video.height", self.height),
            exposure,
            samples,
            self.looks.check(),
            self.camera
                .map_or(Ok(()), |window| window.check("video.camera")),
        ])
    }

    /// The camera that shows [`Video::camera`], or `view` where that is left out.
    pub fn camera(&self, view: Rectangle) -> Camera {
        let window = self.camera.unwrap_or(view);
        let [width, height] = window.size();
        let scale = (self.width as f64 / width).min(self.height as f64 / height);
        let centre_x = 0.5 * (window.left + window.right);
        let centre_y = 0.5 * (window.bottom + window.top);
        Camera {
            scale,
            origin: [
                0.5 * self.width as f64 - scale * centre_x,
                0.5 * self.height as f64 + scale * centre_y,
            ],
        }
    }
}

/// From world units to pixels: `column = origin[0] + scale x`, `row = origin[1] - scale y`. Pixel (i, j) is the square of
/// rows i..i+1 and columns j..j+1, so its centre is at (i + 1/2, j + 1/2).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Camera {
    /// Pixels per unit of length.
    pub scale: f64,
    /// Where the world's origin lies, pixels: column and row.
    pub origin: [f64; 2],
}

impl Camera {
    /// Where the world point (x, y) lies, pixels: column and row.
    pub fn to_pixels(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        [
            self.origin[0] + self.scale * x,
            self.origin[1] - self.scale * y,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOX: Rectangle = Rectangle {
        left: 0.0,
        right: 32.0,
        bottom: 0.0,
        top: 32.0,
    };

    #[test]
    fn the_default_camera_of_a_32_px_world_is_one_pixel_a_unit_with_y_up() {
        let camera = Video::default().camera(BOX);
        assert_eq!(camera.scale, 1.0);
        assert_eq!(camera.to_pixels([0.0, 32.0]), [0.0, 0.0]);
        assert_eq!(camera.to_pixels([32.0, 0.0]), [32.0, 32.0]);
    }

    #[test]
    fn a_window_of_another_aspect_is_fitted_and_centred() {
        let video = Video {
            width: 64,
            height: 32,
            ..Video::default()
        };
        let camera = video.camera(BOX);
        assert_eq!(camera.scale, 1.0);
        assert_eq!(camera.to_pixels([16.0, 16.0]), [32.0, 16.0]);
    }

    #[test]
    fn check_names_key_range_and_value() {
        let video = Video {
            width: 4,
            ..Video::default()
        };
        let message = video.check().unwrap_err().to_string();
        assert_eq!(
            message,
            "video.width: expected within 8..=256 pixels, got 4"
        );
        let window = Rectangle { left: 40.0, ..BOX };
        let video = Video {
            camera: Some(window),
            ..Video::default()
        };
        assert!(
            video
                .check()
                .unwrap_err()
                .to_string()
                .starts_with("video.camera: expected")
        );
    }
}
