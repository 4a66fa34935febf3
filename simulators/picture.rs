//! Grey pictures that a world shows: given as arrays, or the built-in ones.

use crate::Error;
use crate::coverage::{Scratch, rectangle};
use crate::elementary::sin_cos;
use std::sync::{Arc, OnceLock};

/// A grey picture, (H, W) row-major, 0 = no light, 255 = white, row 0 at the top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

/// Side of the built-in pictures, pixels.
const SIDE: usize = 32;

impl Picture {
    /// A picture of `width` x `height` pixels.
    ///
    /// # Errors
    /// [`Error::Parameter`] where the number of pixels is another, or 0.
    pub fn new(width: usize, height: usize, pixels: Vec<u8>) -> Result<Self, Error> {
        if width == 0 || height == 0 || pixels.len() != width * height {
            let expected = format!("{height} x {width} pixels, at least one");
            return Err(Error::parameter("picture", expected, pixels.len()));
        }
        Ok(Self {
            width,
            height,
            pixels,
        })
    }

    /// Width and height, pixels.
    pub fn size(&self) -> [usize; 2] {
        [self.width, self.height]
    }

    /// (H, W).
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Six shapes of 32 x 32 pixels that fill about as much light as a digit: disc, square, triangle, cross, ring,
    /// bars.
    pub fn built_in() -> &'static [Arc<Picture>] {
        static ALL: OnceLock<Vec<Arc<Picture>>> = OnceLock::new();
        ALL.get_or_init(|| {
            let pointed = |radius: f64, corners: usize| {
                let turn = |k: usize| std::f64::consts::TAU * k as f64 / corners as f64;
                let corner = move |k: usize| {
                    let (sin, cos) = sin_cos(turn(k));
                    [16.0 + radius * sin, 16.0 - radius * cos]
                };
                (0..corners).map(corner).collect::<Vec<_>>()
            };
            type Paint<'a> = &'a mut dyn FnMut(usize, usize, f64);
            let drawings: [&dyn Fn(Paint); 6] = [
                &|paint| Scratch::default().disc([SIDE; 2], [16.0; 2], 8.0, paint),
                &|paint| rectangle([SIDE; 2], [9.0, 23.0], [9.0, 23.0], paint),
                &|paint| Scratch::default().polygon([SIDE; 2], pointed(11.0, 3).into_iter(), paint),
                &|paint| {
                    rectangle([SIDE; 2], [13.0, 19.0], [6.0, 26.0], &mut *paint);
                    rectangle([SIDE; 2], [6.0, 13.0], [13.0, 19.0], &mut *paint);
                    rectangle([SIDE; 2], [19.0, 26.0], [13.0, 19.0], paint);
                },
                &|paint| {
                    Scratch::default().disc([SIDE; 2], [16.0; 2], 10.0, &mut *paint);
                    let mut hole = |i: usize, j: usize, c: f64| paint(i, j, -c);
                    Scratch::default().disc([SIDE; 2], [16.0; 2], 6.0, &mut hole);
                },
                &|paint| {
                    rectangle([SIDE; 2], [7.0, 12.0], [7.0, 25.0], &mut *paint);
                    rectangle([SIDE; 2], [20.0, 25.0], [7.0, 25.0], paint);
                },
            ];
            let draw = |drawing: &&dyn Fn(Paint)| {
                let mut light = vec![0.0; SIDE * SIDE];
                drawing(&mut |i, j, c| light[i * SIDE + j] += c);
                let pixels = light.iter().map(|share| (255.0 * share + 0.5) as u8);
                Arc::new(Self {
                    width: SIDE,
                    height: SIDE,
                    pixels: pixels.collect(),
                })
            };
            drawings.iter().map(draw).collect()
        })
    }

    /// Calls `light(row, column, share)` for the pixels of a `width` x `height` grid that the picture lies over,
    /// stretched to the columns and rows of `across` and `down`: the share is the picture's mean over the pixel's
    /// square, 0 beside it.
    pub(crate) fn spread(
        &self,
        [width, height]: [usize; 2],
        across: [f64; 2],
        down: [f64; 2],
        mut light: impl FnMut(usize, usize, f64),
    ) {
        let columns = overlaps(self.width, across, width);
        for (i, rows) in overlaps(self.height, down, height) {
            let mut line = vec![0.0; self.width]; // of the picture's columns, mean over the pixel's rows
            for (row, share) in rows {
                let pixels = &self.pixels[row * self.width..(row + 1) * self.width];
                for (sum, &pixel) in line.iter_mut().zip(pixels) {
                    *sum += share * f64::from(pixel) / 255.0;
                }
            }
            for (j, parts) in &columns {
                let share = parts
                    .iter()
                    .map(|(column, share)| share * line[*column])
                    .sum();
                light(i, *j, share);
            }
        }
    }
}

/// A pixel, and the cells over it with their shares of it.
type Overlap = (usize, Vec<(usize, f64)>);

/// Pixels 0..`size` under a line of `cells` equal cells from `low` to `high`, each with the cells it overlaps and the
/// share of the pixel that is under them.
fn overlaps(cells: usize, [low, high]: [f64; 2], size: usize) -> Vec<Overlap> {
    let clamp = |edge: f64, most: usize| edge.clamp(0.0, most as f64) as usize;
    let each = cells as f64 / (high - low); // cells a pixel
    let pixels = clamp(low.floor(), size)..clamp(high.ceil(), size);
    let under = |pixel: usize| {
        let [from, to] = [pixel, pixel + 1].map(|edge| (edge as f64 - low) * each);
        let range = clamp(from.floor(), cells)..clamp(to.ceil(), cells);
        let share = |cell: usize| {
            let part = to.min((cell + 1) as f64) - from.max(cell as f64);
            (cell, part.max(0.0) / each)
        };
        (pixel, range.map(share).collect())
    };
    pixels.map(under).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(picture: &Picture, across: [f64; 2], down: [f64; 2]) -> Vec<f64> {
        let mut frame = vec![0.0; 12 * 12];
        picture.spread([12, 12], across, down, |i, j, share| {
            frame[12 * i + j] += share
        });
        frame
    }

    #[test]
    fn a_picture_on_the_grid_is_drawn_as_it_is_and_light_is_kept_elsewhere() {
        let pixels: Vec<u8> = (0..12).map(|k| 20 * k).collect();
        let picture = Picture::new(4, 3, pixels.clone()).unwrap();
        let frame = drawn(&picture, [5.0, 9.0], [2.0, 5.0]);
        for (k, &pixel) in pixels.iter().enumerate() {
            let got = frame[12 * (2 + k / 4) + 5 + k % 4];
            assert!((got - f64::from(pixel) / 255.0).abs() < 1e-12, "{k}: {got}");
        }
        let light: f64 = pixels.iter().map(|&x| f64::from(x) / 255.0).sum();
        for (across, down, area) in [
            ([5.3, 9.3], [2.7, 5.7], 1.0),
            ([1.0, 9.0], [2.0, 8.0], 4.0),
            ([1.2, 3.2], [2.1, 3.6], 0.25),
        ] {
            let sum: f64 = drawn(&picture, across, down).iter().sum();
            assert!((sum - area * light).abs() < 1e-12, "{across:?}: {sum}");
        }
        let half: f64 = drawn(&picture, [-2.0, 2.0], [0.0, 3.0]).iter().sum();
        let right: f64 = (0..12)
            .filter(|k| k % 4 > 1)
            .map(|k| f64::from(pixels[k]) / 255.0)
            .sum();
        assert!(
            (half - right).abs() < 1e-12,
            "what lies outside is cut off: {half}"
        );
    }

    #[test]
    fn built_in_pictures_differ_and_have_light_and_wrong_sizes_are_refused() {
        let all = Picture::built_in();
        for (k, picture) in all.iter().enumerate() {
            let light: f64 = picture.pixels.iter().map(|&x| f64::from(x) / 255.0).sum();
            assert!((100.0..260.0).contains(&light), "{k}: {light} pixels");
            assert!(all[k + 1..].iter().all(|other| other != picture), "{k}");
        }
        let message = Picture::new(3, 2, vec![0; 5]).unwrap_err().to_string();
        assert_eq!(
            message,
            "picture: expected 2 x 3 pixels, at least one, got 5"
        );
    }
}
