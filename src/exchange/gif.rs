//! Export to animated GIF: grey values exactly, colours by a palette of 256 per frame.

use super::export::{Export, zoom};
use super::look::pixels;
use super::staged::Staged;
use crate::error::{Error, Result};
use gif::{Encoder, Frame, Repeat};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Writes a GIF a sequence, enlarged to be looked at.
pub(super) fn write(export: &Export) -> Result<Vec<PathBuf>> {
    let (shape, dt) = (export.frame_shape(), export.data.dt());
    export.each_sequence("gif", |frames, path| clip(frames, shape, dt, path))
}

fn clip(frames: &[u8], shape: [usize; 3], dt: f64, path: &Path) -> Result<()> {
    let [channels, height, width] = shape;
    let zoom = zoom(shape);
    let side = |n: usize| {
        u16::try_from(n * zoom)
            .map_err(|_| Error::file(path, format!("frames of {width}x{height} are too large")))
    };
    let (w, h) = (side(width)?, side(height)?);
    let staged = Staged::beside(path)?;
    let file = File::create(&staged.path).map_err(Error::io(path))?;
    let mut file = BufWriter::new(file);
    let write = |file: &mut BufWriter<File>| -> std::result::Result<(), gif::EncodingError> {
        let greys: Vec<u8> = (0..=255).flat_map(|v| [v; 3]).collect();
        let palette = if channels == 1 { greys.as_slice() } else { &[] };
        let mut encoder = Encoder::new(&mut *file, w, h, palette)?;
        encoder.set_repeat(Repeat::Infinite)?;
        for frame in frames.chunks_exact(channels * height * width) {
            let mut picture = match channels {
                1 => Frame {
                    width: w,
                    height: h,
                    buffer: enlarged(frame, 1, width, zoom).into(),
                    ..Frame::default()
                },
                _ => Frame::from_rgb_speed(w, h, &enlarged(&pixels(frame), 3, width, zoom), 10),
            };
            // Hundredths of a second; viewers take less than 2 for "as slow as you like".
            picture.delay = (100.0 * dt).round().clamp(2.0, 65535.0) as u16;
            encoder.write_frame(&picture)?;
        }
        Ok(())
    };
    write(&mut file).map_err(|e| Error::file(path, e.to_string()))?;
    file.flush().map_err(Error::io(path))?;
    staged.finish()
}

/// Every pixel of `channels` bytes repeated `zoom` times in both directions.
fn enlarged(picture: &[u8], channels: usize, width: usize, zoom: usize) -> Vec<u8> {
    let mut large = Vec::with_capacity(picture.len() * zoom * zoom);
    for row in picture.chunks_exact(channels * width) {
        let start = large.len();
        for pixel in row.chunks_exact(channels) {
            (0..zoom).for_each(|_| large.extend_from_slice(pixel));
        }
        let end = large.len();
        (1..zoom).for_each(|_| large.extend_from_within(start..end));
    }
    large
}
