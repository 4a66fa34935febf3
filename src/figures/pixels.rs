//! Pixels: PNG files, blending, dots too many for vectors.

use super::canvas::{Picture, Point, Rect};
use crate::error::{Error, Result};
use plotters::style::RGBColor;

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

/// One frame (C, H, W) as (H, W, 3) where it has three channels; else (H, W), the mean of its channels.
pub(super) fn interleaved(frame: &[u8], channels: usize) -> Vec<u8> {
    let area = frame.len() / channels.max(1);
    match channels {
        3 => (0..3 * area).map(|i| frame[i % 3 * area + i / 3]).collect(),
        1 => frame.to_vec(),
        _ => (0..area)
            .map(|p| {
                let all = (0..channels).map(|c| u32::from(frame[c * area + p]));
                let count = channels as u32;
                ((all.sum::<u32>() + count / 2) / count) as u8
            })
            .collect(),
    }
}

/// What [`interleaved`] makes of frames of so many channels: values a pixel, and their kind.
pub(super) fn kind(channels: usize) -> (usize, png::ColorType) {
    match channels {
        3 => (3, png::ColorType::Rgb),
        _ => (1, png::ColorType::Grayscale),
    }
}

/// PNG of bytes as `colours` says.
pub(super) fn png(
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
    // The highest takes three and a half times as long for 2 % fewer bytes.
    encoder.set_compression(png::Compression::Balanced);
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
    for row in picture.rgba.chunks_exact((4 * picture.width).max(1)) {
        let start = rgba.len();
        for pixel in row.chunks_exact(4) {
            for _ in 0..zoom {
                rgba.extend_from_slice(pixel);
            }
        }
        for _ in 1..zoom {
            rgba.extend_from_within(start..start + 4 * width);
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
    let from_x: Vec<usize> = (left..right)
        .map(|x| 4 * ((x - left) * picture.width / (right - left)))
        .collect();
    for y in top..bottom {
        let from_y = (y - top) * picture.height / (bottom - top);
        let source = &picture.rgba[4 * from_y * picture.width..][..4 * picture.width];
        let target = &mut rgb[3 * (y * width + left)..3 * (y * width + right)];
        for (to, &from) in target.chunks_exact_mut(3).zip(&from_x) {
            let [r, g, b, alpha] = [0, 1, 2, 3].map(|i| u32::from(source[from + i]));
            let mix = |from: u32, to: u8| {
                ((alpha * from + (255 - alpha) * u32::from(to) + 127) / 255) as u8
            };
            (to[0], to[1], to[2]) = (mix(r, to[0]), mix(g, to[1]), mix(b, to[2]));
        }
    }
}

/// Averages blocks of `samples` x `samples` RGB pixels; `width` and `height` are those of the result.
pub(super) fn averaged(fine: &[u8], width: usize, height: usize, samples: usize) -> Vec<u8> {
    let count = (samples * samples) as u32;
    let line = 3 * width * samples;
    let mut rgb = Vec::with_capacity(3 * width * height);
    // Rows first, a whole line at a time, then the columns of their sums.
    let mut sums = vec![0_u32; line];
    for rows in fine.chunks_exact((line * samples).max(1)).take(height) {
        sums.fill(0);
        for row in rows.chunks_exact(line) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += u32::from(*value);
            }
        }
        for block in sums.chunks_exact(3 * samples) {
            let mut total = [count / 2; 3];
            for pixel in block.chunks_exact(3) {
                for (total, value) in total.iter_mut().zip(pixel) {
                    *total += value;
                }
            }
            rgb.extend(total.map(|total| (total / count) as u8));
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn an_enlarged_pixel_is_a_square_of_its_colour() {
        let picture = Picture {
            width: 2,
            height: 2,
            rgba: (0..16).collect(),
        };
        let large = enlarged(&picture, 3);
        assert_eq!((large.width, large.height), (6, 6));
        for (i, pixel) in large.rgba.chunks_exact(4).enumerate() {
            let first = 8 * (i / 6 / 3) + 4 * (i % 6 / 3);
            let want: Vec<u8> = (first as u8..).take(4).collect();
            assert_eq!(pixel, want, "pixel {i}");
        }
        assert_eq!(enlarged(&picture, 0).rgba, picture.rgba);
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
