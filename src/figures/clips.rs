//! Frames of a sequence, as they are: contact sheets and animations.

use super::palette::Palette;
use super::pixels::{interleaved, kind, png};
use crate::error::{Error, Result};
use gif::{Encoder, Frame, Repeat};
use std::borrow::Cow;

/// Frames side by side as PNG: (N, C, H, W) values, in colour for three channels, `columns` a row, `zoom` pixels a pixel,
/// thin lines between.
///
/// # Errors
/// [`Error::Shape`] when `frames` does not hold N x C x H x W values, or one of the sizes is zero.
pub fn contact_sheet(
    frames: &[u8],
    shape: [usize; 4],
    columns: usize,
    zoom: usize,
) -> Result<Vec<u8>> {
    const LINE: usize = 2;
    let [count, channels, h, w] = checked("contact sheet", frames, shape, zoom)?;
    let (values, colours) = kind(channels);
    let columns = columns.clamp(1, count);
    let (cell_w, cell_h) = (w * zoom + LINE, h * zoom + LINE);
    let width = columns * cell_w + LINE;
    let height = count.div_ceil(columns) * cell_h + LINE;
    let mut sheet = vec![255; values * width * height];
    for (i, frame) in frames.chunks_exact(channels * h * w).enumerate() {
        let frame = interleaved(frame, channels);
        let corner = (LINE + i / columns * cell_h) * width + LINE + i % columns * cell_w;
        for y in 0..h * zoom {
            for x in 0..w * zoom {
                let to = values * (corner + y * width + x);
                let from = values * (y / zoom * w + x / zoom);
                sheet[to..to + values].copy_from_slice(&frame[from..from + values]);
            }
        }
    }
    png(width, height, &sheet, colours, None)
}

/// One sequence as an endless GIF: (T, C, H, W) values, in colour for three channels, `zoom` pixels a pixel, `dt` seconds a
/// frame.
///
/// # Errors
/// [`Error::Shape`] when `frames` does not hold T x C x H x W values, one of the sizes is zero, or a side is over 65,535.
pub fn clip_gif(frames: &[u8], shape: [usize; 4], zoom: usize, dt: f64) -> Result<Vec<u8>> {
    let [_, channels, h, w] = checked("clip", frames, shape, zoom)?;
    let small: Vec<Vec<u8>> = frames
        .chunks_exact(channels * h * w)
        .map(|frame| interleaved(frame, channels))
        .collect();
    let colours = (channels == 3).then(|| Palette::of(small.iter().map(Vec::as_slice)));
    let palette = match &colours {
        Some(palette) => palette.colours.clone(),
        None => (0..=255).flat_map(|grey| [grey; 3]).collect(),
    };
    let pictures = small.iter().map(|frame| {
        let frame = match &colours {
            Some(palette) => palette.indexed(frame),
            None => frame.clone(),
        };
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

fn checked(what: &str, frames: &[u8], shape: [usize; 4], zoom: usize) -> Result<[usize; 4]> {
    let [count, channels, h, w] = shape;
    let wants = shape
        .iter()
        .try_fold(1usize, |n, &size| n.checked_mul(size));
    if frames.is_empty() || zoom == 0 || wants != Some(frames.len()) {
        return Err(Error::Shape(format!(
            "{what}: {count} frames of {channels} x {h} x {w} want as many values and a zoom of 1 or more, got {} values, zoom {zoom}",
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
        let bytes = contact_sheet(&frames, [3, 1, 2, 2], 2, 3).unwrap();
        let decoder = ::png::Decoder::new(std::io::Cursor::new(bytes));
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
        assert!(contact_sheet(&frames, [3, 1, 2, 3], 2, 3).is_err());
        assert!(contact_sheet(&[], [0, 1, 2, 3], 2, 3).is_err());
    }

    #[test]
    fn a_clip_has_its_frames_pixels_and_time_step() {
        let frames: Vec<u8> = (0..5 * 6).map(|v| v * 8).collect(); // (5, 2, 3)
        let bytes = clip_gif(&frames, [5, 1, 2, 3], 2, 0.1).unwrap();
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
    fn frames_of_three_channels_are_in_colour_on_sheets_and_in_clips() {
        // One red and one green pixel a frame, planes one after the other.
        let frames = [200, 0, 0, 100, 0, 0, 0, 200, 100, 0, 0, 0]; // (2, 3, 1, 2)
        let bytes = contact_sheet(&frames, [2, 3, 1, 2], 2, 1).unwrap();
        let mut reader = ::png::Decoder::new(std::io::Cursor::new(bytes))
            .read_info()
            .unwrap();
        let mut sheet = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut sheet).unwrap();
        assert_eq!(info.color_type, ::png::ColorType::Rgb);
        let pixel = |x: usize| &sheet[3 * (2 * 10 + x)..][..3];
        let all = [pixel(2), pixel(3), pixel(6), pixel(7)];
        assert_eq!(all, [[200, 0, 0], [0, 100, 0], [0, 100, 0], [200, 0, 0]]);

        let bytes = clip_gif(&frames, [2, 3, 1, 2], 1, 0.1).unwrap();
        let mut options = gif::DecodeOptions::new();
        options.set_color_output(gif::ColorOutput::RGBA);
        let mut decoder = options.read_info(std::io::Cursor::new(bytes)).unwrap();
        let frame = decoder.read_next_frame().unwrap().unwrap();
        assert_eq!(frame.buffer[..8], [200, 0, 0, 255, 0, 100, 0, 255]);
    }
}
