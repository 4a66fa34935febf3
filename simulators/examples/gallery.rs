//! Draws a contact sheet of every world: `cargo run --release -p simulators --example gallery -- OUT_DIR`.
//!
//! Each row is one sequence of 8 frames 0.2 s apart, 64 x 64 pixels each; a row an example of the world, then one in drawn
//! colours on an uneven ground with motion blur and noise.

use rand_chacha::rand_core::SeedableRng;
use simulators::{AnySimulator, Colour, Distribution, Looks, Rng, Texture, Video, record};
use std::error::Error;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Frames a row.
const FRAMES: usize = 8;
/// Time between them, s.
const DT: f64 = 0.2;
/// Side of a frame, pixels.
const SIDE: usize = 64;
/// Between frames, pixels.
const GAP: usize = 2;

/// The picture of one row: red, green and blue of SIDE rows.
struct Row(Vec<[u8; 3]>);

/// White on black or in the world's own colours, and as it may be: every body in a colour of its own.
fn videos() -> [Video; 2] {
    let uniform = |low, high| Distribution::Uniform { low, high };
    let plain = Video {
        width: SIDE,
        height: SIDE,
        colour: true, // of worlds that have their own; others stay white on black
        ..Video::default()
    };
    let dressed = Video {
        exposure: 0.5 * DT,
        looks: Looks {
            bodies: Colour {
                hue: uniform(0.0, 360.0),
                saturation: uniform(0.6, 1.0),
                value: uniform(0.8, 1.0),
            },
            walls: Colour::grey(0.6),
            ground: Colour {
                hue: uniform(0.0, 360.0),
                saturation: Distribution::Constant(0.5),
                value: Distribution::Constant(0.25),
            },
            texture: Texture {
                contrast: Distribution::Constant(0.12),
                scale: Distribution::Constant(12.0),
            },
            noise_std: Distribution::Constant(0.02),
        },
        ..plain.clone()
    };
    [plain, dressed]
}

fn row(simulator: &AnySimulator, video: &Video, seed: u64) -> Result<Row, simulators::Error> {
    let [mut rng, mut look] = [1, 2].map(|stream| Rng::seed_from_u64(10 * seed + stream));
    let made = record(&**simulator, video, FRAMES, DT, &mut rng, &mut look)?;
    let (channels, plane) = (video.channels(), SIDE * SIDE);
    let width = FRAMES * (SIDE + GAP) - GAP;
    let mut pixels = vec![[255; 3]; width * SIDE];
    for (t, frame) in made.frames.chunks_exact(channels * plane).enumerate() {
        for k in 0..plane {
            let (i, j) = (k / SIDE, k % SIDE);
            let channel = |c: usize| frame[c.min(channels - 1) * plane + k];
            pixels[i * width + t * (SIDE + GAP) + j] = [channel(0), channel(1), channel(2)];
        }
    }
    Ok(Row(pixels))
}

/// Writes rows of pictures one under another as PNG.
fn write(path: &Path, rows: &[Row]) -> Result<(), Box<dyn Error>> {
    let width = FRAMES * (SIDE + GAP) - GAP;
    let height = rows.len() * (SIDE + GAP) - GAP;
    let mut bytes = Vec::with_capacity(3 * width * height);
    for (k, Row(pixels)) in rows.iter().enumerate() {
        if k > 0 {
            bytes.resize(bytes.len() + 3 * width * GAP, 255);
        }
        bytes.extend(pixels.iter().flatten());
    }
    let file = BufWriter::new(File::create(path)?);
    let mut encoder = png::Encoder::new(file, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::High);
    encoder.write_header()?.write_image_data(&bytes)?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let out = std::env::args()
        .nth(1)
        .ok_or("expected a folder to write to")?;
    let out = PathBuf::from(out);
    fs::create_dir_all(&out)?;
    let [plain, dressed] = videos();
    for name in AnySimulator::names() {
        let clock = Instant::now();
        let all = AnySimulator::examples();
        let examples: Vec<_> = all.into_iter().filter(|one| one.name() == *name).collect();
        let mut rows = Vec::new();
        for (k, simulator) in examples.iter().enumerate() {
            rows.push(row(simulator, &plain, k as u64)?);
        }
        // Colours of its own for every world.
        let seed = 7 + AnySimulator::names()
            .iter()
            .position(|n| n == name)
            .unwrap_or(0) as u64;
        rows.push(row(&examples[examples.len() - 1], &dressed, seed)?);
        let path = out.join(format!("{name}.png"));
        write(&path, &rows)?;
        println!(
            "{}: {} rows, {:.2?}",
            path.display(),
            rows.len(),
            clock.elapsed()
        );
    }
    Ok(())
}
