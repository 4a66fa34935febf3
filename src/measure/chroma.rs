//! What is coloured in a picture whose surroundings are grey: how much, where, and of which colour. It needs no template
//! and no label.

use crate::error::{Error, Result};

/// Numbers of a frame: mass, x, y, red, green, blue.
pub const COLOURED: usize = 6;

/// Chroma below which a pixel counts as grey: what a decoder leaves of colour where nothing stands.
const GREY: f64 = 0.1;

/// The coloured part of a frame (3, H, W) of values in 0..1:
///
/// ```text
/// w = max(r, g, b) - min(r, g, b), 0 below .1;   mass = sum w (pixels);   place = sum w p / mass (px from the corner);
/// colour = sum w (r, g, b) / mass, its largest component 1
/// ```
///
/// Place and colour are NaN where nothing is coloured.
///
/// # Errors
/// [`Error::Shape`] for frames without three channels, or another number of values.
pub fn coloured(frame: &[f32], [c, h, w]: [usize; 3]) -> Result<[f64; COLOURED]> {
    let size = h * w;
    if c != 3 || frame.len() != 3 * size {
        return Err(Error::Shape(format!(
            "coloured: a frame of 3 x {h} x {w} values expected, got {} of {c} channels",
            frame.len()
        )));
    }
    let mut sums = [0.0; COLOURED];
    for i in 0..size {
        let rgb = [0, 1, 2].map(|k| f64::from(frame[k * size + i]));
        let most = rgb.into_iter().fold(f64::NEG_INFINITY, f64::max);
        let least = rgb.into_iter().fold(f64::INFINITY, f64::min);
        let weight = most - least;
        if weight < GREY {
            continue;
        }
        let place = [(i % w) as f64 + 0.5, (i / w) as f64 + 0.5];
        let own = [1.0, place[0], place[1], rgb[0], rgb[1], rgb[2]];
        for (sum, value) in sums.iter_mut().zip(own) {
            *sum += weight * value;
        }
    }
    let mass = sums[0];
    let mut out = sums.map(|sum| sum / mass);
    out[0] = mass;
    let brightest = out[3..].iter().copied().fold(f64::NAN, f64::max);
    out[3..].iter_mut().for_each(|v| *v /= brightest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: [usize; 3] = [3, 4, 5];

    /// Grey .5 with pixels of one colour.
    fn picture(pixels: &[usize], rgb: [f32; 3]) -> Vec<f32> {
        let mut frame = vec![0.5; 60];
        for &i in pixels {
            for (k, value) in rgb.iter().enumerate() {
                frame[20 * k + i] = *value;
            }
        }
        frame
    }

    #[test]
    fn mass_place_and_colour_are_those_of_the_pixels_that_are_no_grey() {
        // Rows 1 and 2 of column 3.
        let found = coloured(&picture(&[8, 13], [0.6, 0.3, 0.0]), SHAPE).unwrap();
        let want = [1.2, 3.5, 2.0, 1.0, 0.5, 0.0];
        for (got, want) in found.iter().zip(want) {
            // Pixels have 24 bits.
            assert!((got - want).abs() < 1e-6, "{found:?}");
        }
    }

    #[test]
    fn nothing_is_found_in_grey_and_wrong_sizes_are_told() {
        let found = coloured(&picture(&[7], [0.5, 0.55, 0.5]), SHAPE).unwrap();
        assert_eq!(found[0], 0.0);
        assert!(found[1..].iter().all(|v| v.is_nan()), "{found:?}");
        let message = coloured(&[0.0; 20], [1, 4, 5]).unwrap_err().to_string();
        assert!(message.contains("20 of 1 channels"), "{message}");
    }
}
