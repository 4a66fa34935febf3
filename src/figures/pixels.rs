//! Pixels: PNG files, blending, dots too many for vectors, contact sheets and clips of frames.

use super::canvas::{Picture, Point, Rect};
use crate::error::{Error, Result};
use gif::{Encoder, Frame, Repeat};
use plotters::style::RGBColor;
use std::borrow::Cow;

/// PNG of RGB pixels, to be shown at `zoom` pixels a px (96 px a inch).
pub(super) fn png_rgb(width: usize, height: usize, rgb: &[u8], zoom: usize) -> Result<Vec<u8>> {
    let per_metre = (zoom as f64 * 96.0 / 0.0254).round() as u32;
    png(width, height, rgb, png::ColorType::Rgb, Some(per_metre))
}

/// PNG of a picture with transparency.
pub(super) fn png_rgba(picture: &Picture) -> Result<Vec<u8>> {
    let Picture {
        width,
        height,
        rgba,
    } = picture;
    png(*width, *height, rgba, png::ColorType::Rgba, None)
}

fn png(
    width: usize,
    height: usize,
    data: &[u8],
    colours: png::ColorType,
    per_metre: Option<u32>,
) -> Result<Vec<u8>> {
    let failed = |e: png::EncodingError| Error::file("figure.png", e.to_string());
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width as u32, height as u32);
    encoder.set_color(colours);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    encoder.set_filter(png::Filter::NoFilter);
    encoder.set_pixel_dims(per_metre.map(|n| png::PixelDimensions {
        xppu: n,
        yppu: n,
        unit: png::Unit::Meter,
    }));
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(data).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(out)
}

/// Every pixel `zoom` times as large (at least once), nearest neighbour.
pub(super) fn enlarged(picture: &Picture, zoom: usize) -> Picture {
    let zoom = zoom.max(1);
    let (width, height) = (picture.width * zoom, picture.height * zoom);
    let mut rgba = Vec::with_capacity(4 * width * height);
    for y in 0..height {
        for x in 0..width {
            let from = 4 * (y / zoom * picture.width + x / zoom);
            rgba.extend_from_slice(&picture.rgba[from..from + 4]);
        }
    }
    Picture {
        width,
        height,
        rgba,
    }
}

/// Lays a picture over RGB pixels that are `width` wide, `scale` pixels a px of `over`.
pub(super) fn blend(rgb: &mut [u8], width: usize, over: Rect, scale: f64, picture: &Picture) {
    let height = rgb.len() / 3 / width.max(1);
    let side = |v: f64, most: usize| ((v * scale).round().max(0.0) as usize).min(most);
    let (left, right) = (side(over.x, width), side(over.right(), width));
    let (top, bottom) = (side(over.y, height), side(over.bottom(), height));
    for y in top..bottom {
        let from_y = (y - top) * picture.height / (bottom - top);
        for x in left..right {
            let from_x = (x - left) * picture.width / (right - left);
            let source = &picture.rgba[4 * (from_y * picture.width + from_x)..][..4];
            let target = &mut rgb[3 * (y * width + x)..][..3];
            let alpha = u32::from(source[3]);
            for (to, from) in target.iter_mut().zip(source) {
                let mixed = alpha * u32::from(*from) + (255 - alpha) * u32::from(*to);
                *to = ((mixed + 127) / 255) as u8;
            }
        }
    }
}

/// Averages blocks of `samples` x `samples` RGB pixels; `width` and `height` are those of the result.
pub(super) fn averaged(fine: &[u8], width: usize, height: usize, samples: usize) -> Vec<u8> {
    let count = (samples * samples) as u32;
    let mut rgb = Vec::with_capacity(3 * width * height);
    for y in 0..height {
        for x in 0..width {
            let mut sum = [0u32; 3];
            for row in 0..samples {
                let from = 3 * ((y * samples + row) * width + x) * samples;
                for pixel in fine[from..from + 3 * samples].chunks_exact(3) {
                    for (total, value) in sum.iter_mut().zip(pixel) {
                        *total += u32::from(*value);
                    }
                }
            }
            rgb.extend(sum.map(|total| ((total + count / 2) / count) as u8));
        }
    }
    rgb
}

/// Dots drawn into a transparent picture over `area` (px), three pixels a px; later dots lie over earlier ones.
pub(super) fn dots(area: Rect, dots: &[(Point, RGBColor)], radius: f64, alpha: f64) -> Picture {
    const FINE: f64 = 3.0;
    let (width, height) = (
        (area.w * FINE).ceil() as usize,
        (area.h * FINE).ceil() as usize,
    );
    let mut premultiplied = vec![[0f32; 4]; width * height];
    let radius = radius * FINE;
    for (point, RGBColor(r, g, b)) in dots {
        let (cx, cy) = ((point.0 - area.x) * FINE, (point.1 - area.y) * FINE);
        let span = |c: f64, most: usize| {
            let low = (c - radius - 1.0).max(0.0) as usize;
            let high = (c + radius + 2.0).clamp(0.0, most as f64) as usize;
            low.min(most)..high
        };
        for y in span(cy, height) {
            for x in span(cx, width) {
                let distance = (x as f64 + 0.5 - cx).hypot(y as f64 + 0.5 - cy);
                let cover = (alpha * (radius + 0.5 - distance).clamp(0.0, 1.0)) as f32;
                let pixel = &mut premultiplied[y * width + x];
                for (to, from) in pixel.iter_mut().zip([*r, *g, *b, 255]) {
                    *to = cover * f32::from(from) + (1.0 - cover) * *to;
                }
            }
        }
    }
    let mut rgba = Vec::with_capacity(4 * width * height);
    for [r, g, b, a] in premultiplied {
        let whole = |v: f32| {
            if a > 0.0 {
                (255.0 * v / a).round() as u8
            } else {
                0
            }
        };
        rgba.extend([whole(r), whole(g), whole(b), a.round() as u8]);
    }
    Picture {
        width,
        height,
        rgba,
    }
}

/// Frames side by side as PNG: (N, H, W) grey values, `columns` a row, `zoom` pixels a pixel, thin lines between.
///
/// # Errors
/// [`Error::Shape`] when `frames` does not hold N x H x W values, or one of the sizes is zero.
pub fn contact_sheet(
    frames: &[u8],
    shape: (usize, usize, usize),
    columns: usize,
    zoom: usize,
) -> Result<Vec<u8>> {
    const LINE: usize = 2;
    let (count, h, w) = checked("contact sheet", frames, shape, zoom)?;
    let columns = columns.clamp(1, count);
    let (cell_w, cell_h) = (w * zoom + LINE, h * zoom + LINE);
    let width = columns * cell_w + LINE;
    let height = count.div_ceil(columns) * cell_h + LINE;
    let mut grey = vec![255; width * height];
    for (i, frame) in frames.chunks_exact(h * w).enumerate() {
        let corner = (LINE + i / columns * cell_h) * width + LINE + i % columns * cell_w;
        for y in 0..h * zoom {
            for x in 0..w * zoom {
                grey[corner + y * width + x] = frame[y / zoom * w + x / zoom];
            }
        }
    }
    png(width, height, &grey, png::ColorType::Grayscale, None)
}

/// One sequence as an endless GIF: (T, H, W) grey values, `zoom` pixels a pixel, `dt` seconds a frame.
///
/// # Errors
/// [`Error::Shape`] when `frames` does not hold T x H x W values, one of the sizes is zero, or a side is over 65,535.
pub fn clip_gif(
    frames: &[u8],
    shape: (usize, usize, usize),
    zoom: usize,
    dt: f64,
) -> Result<Vec<u8>> {
    let (_, h, w) = checked("clip", frames, shape, zoom)?;
    let palette: Vec<u8> = (0..=255).flat_map(|grey| [grey; 3]).collect();
    let pictures = frames.chunks_exact(h * w).map(|frame| {
        let mut large = Vec::with_capacity(h * w * zoom * zoom);
        for y in 0..h * zoom {
            large.extend((0..w * zoom).map(|x| frame[y / zoom * w + x / zoom]));
        }
        large
    });
    gif((w * zoom, h * zoom), &palette, pictures, dt)
}

/// An endless GIF of indexed pictures, all (width, height), `dt` seconds each (rounded to 10 ms, at least 20 ms).
pub(super) fn gif(
    (width, height): (usize, usize),
    palette: &[u8],
    pictures: impl Iterator<Item = Vec<u8>>,
    dt: f64,
) -> Result<Vec<u8>> {
    let side = |n: usize| {
        u16::try_from(n).map_err(|_| {
            Error::Shape(format!(
                "GIF: sides up to 65535 pixels, got {width} x {height}"
            ))
        })
    };
    let (width, height) = (side(width)?, side(height)?);
    let failed = |e: gif::EncodingError| Error::file("figure.gif", e.to_string());
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, width, height, palette).map_err(failed)?;
    encoder.set_repeat(Repeat::Infinite).map_err(failed)?;
    for picture in pictures {
        let frame = Frame {
            width,
            height,
            // Browsers show anything under 20 ms at 100 ms.
            delay: (100.0 * dt).round().clamp(2.0, 6000.0) as u16,
            buffer: Cow::Owned(picture),
            ..Frame::default()
        };
        encoder.write_frame(&frame).map_err(failed)?;
    }
    drop(encoder);
    Ok(out)
}

fn checked(
    what: &str,
    frames: &[u8],
    shape: (usize, usize, usize),
    zoom: usize,
) -> Result<(usize, usize, usize)> {
    let (count, h, w) = shape;
    let wants = count.checked_mul(h).and_then(|n| n.checked_mul(w));
    if frames.is_empty() || zoom == 0 || wants != Some(frames.len()) {
        return Err(Error::Shape(format!(
            "{what}: {count} frames of {h} x {w} want as many values and a zoom of 1 or more, got {} values, zoom {zoom}",
            frames.len()
        )));
    }
    Ok(shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_sheet_shows_every_pixel_of_every_frame() {
        let frames: Vec<u8> = (0..3 * 4).map(|v| v * 20).collect(); // (3, 2, 2)
        let bytes = contact_sheet(&frames, (3, 2, 2), 2, 3).unwrap();
        let decoder = png::Decoder::new(std::io::Cursor::new(bytes));
        let mut reader = decoder.read_info().unwrap();
        let mut grey = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut grey).unwrap();
        assert_eq!((info.width, info.height), (2 * 8 + 2, 2 * 8 + 2));
        for (i, value) in frames.iter().enumerate() {
            let (frame, y, x) = (i / 4, i / 2 % 2, i % 2);
            let row = 2 + frame / 2 * 8 + 3 * y + 1;
            let column = 2 + frame % 2 * 8 + 3 * x + 1;
            assert_eq!(
                grey[row * 18 + column],
                *value,
                "frame {frame}, row {y}, column {x}"
            );
        }
        assert!(contact_sheet(&frames, (3, 2, 3), 2, 3).is_err());
        assert!(contact_sheet(&[], (0, 2, 3), 2, 3).is_err());
    }

    #[test]
    fn a_clip_has_its_frames_pixels_and_time_step() {
        let frames: Vec<u8> = (0..5 * 6).map(|v| v * 8).collect(); // (5, 2, 3)
        let bytes = clip_gif(&frames, (5, 2, 3), 2, 0.1).unwrap();
        let mut options = gif::DecodeOptions::new();
        options.set_color_output(gif::ColorOutput::RGBA);
        let mut decoder = options.read_info(std::io::Cursor::new(bytes)).unwrap();
        let mut seen = 0;
        while let Some(frame) = decoder.read_next_frame().unwrap() {
            assert_eq!((frame.width, frame.height, frame.delay), (6, 4, 10));
            assert_eq!(frame.buffer[4 * (3 * 6 + 5)], frames[seen * 6 + 5]);
            seen += 1;
        }
        assert_eq!(seen, 5);
    }

    #[test]
    fn dots_are_as_large_and_as_opaque_as_asked() {
        let area = Rect::new(10.0, 10.0, 20.0, 20.0);
        let picture = dots(area, &[((20.0, 20.0), RGBColor(200, 100, 0))], 3.0, 0.5);
        let total: f64 = picture.rgba.chunks(4).map(|p| f64::from(p[3])).sum();
        let want = std::f64::consts::PI * 9.0 * 0.5 * 9.0 * 255.0;
        assert!(
            (total / want - 1.0).abs() < 0.03,
            "coverage {total}, expected {want}"
        );
        let centre = &picture.rgba[4 * (30 * 60 + 30)..][..3];
        assert_eq!(centre, [200, 100, 0]);
    }

    #[test]
    fn averaging_and_blending_keep_a_known_mean() {
        let mut fine = vec![255; 3 * 16];
        let picture = Picture {
            width: 1,
            height: 1,
            rgba: vec![0, 0, 0, 255],
        };
        blend(&mut fine, 4, Rect::new(0.0, 0.0, 1.0, 2.0), 2.0, &picture);
        let rgb = averaged(&fine, 2, 2, 2);
        assert_eq!(rgb, [0, 0, 0, 255, 255, 255, 0, 0, 0, 255, 255, 255]);
    }
}
