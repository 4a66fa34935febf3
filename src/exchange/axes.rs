//! What the axes of an array of frames are: told by `--axes`, or by a shape that can be read in one way only.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// One letter an axis: N sequences, T frames, C channels, H rows, W columns; in the order of the file. `THWC` is one
/// video, `NTHW` many grey ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Axes(String);

impl FromStr for Axes {
    type Err = String;
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let upper = text.to_ascii_uppercase();
        let once = |letter: char| upper.matches(letter).count() <= 1;
        let known = upper
            .chars()
            .all(|letter| "NTCHW".contains(letter) && once(letter));
        match known && ['T', 'H', 'W'].iter().all(|letter| upper.contains(*letter)) {
            true => Ok(Self(upper)),
            false => Err(format!(
                "expected a letter an axis, T (frames), H (rows) and W (columns), with N (sequences) and C (channels) where there are such, as THWC; got {text:?}"
            )),
        }
    }
}

impl fmt::Display for Axes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Axes> for String {
    fn from(axes: Axes) -> Self {
        axes.0
    }
}

impl TryFrom<String> for Axes {
    type Error = String;
    fn try_from(text: String) -> std::result::Result<Self, String> {
        text.parse()
    }
}

/// Channels that a frame may have: grey, colour, colour with alpha.
const CHANNELS: [usize; 3] = [1, 3, 4];

/// How an array of frames is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Sequences; 1 where the array is one video.
    pub sequences: usize,
    /// Whether there is an axis of sequences.
    pub many: bool,
    /// Frames of a sequence.
    pub frames: usize,
    /// (C, H, W) of a frame.
    pub shape: [usize; 3],
    /// Channels come last, after `order`.
    pub last: bool,
    /// The axes of the file in the order in which they are read; nothing where that is the file's own.
    pub order: Option<Vec<usize>>,
}

impl Layout {
    /// That of an array of this shape.
    ///
    /// # Errors
    /// [`Error::File`] with the readings that the shape has, or with what the letters of `asked` do not fit.
    pub fn of(shape: &[usize], asked: Option<&Axes>, name: &Path) -> Result<Self> {
        let wrong = |message: String| Error::file(name, message);
        if shape.contains(&0) {
            return Err(wrong(format!("expected frames, got none: shape {shape:?}")));
        }
        let axes = match asked {
            Some(axes) if axes.0.len() != shape.len() => {
                return Err(wrong(format!(
                    "--axes {axes}: expected an array of {} axes, got shape {shape:?}",
                    axes.0.len()
                )));
            }
            Some(axes) => axes.0.clone(),
            None => {
                let readings = readings(shape);
                match readings[..] {
                    [one] => one.to_string(),
                    [] => {
                        return Err(wrong(format!(
                            "expected frames (N, T, H, W), (N, T, C, H, W) or (N, T, H, W, C) with C = 1, 3 or 4, or one video without N, got shape {shape:?}; --axes LETTERS tells what they are in another order"
                        )));
                    }
                    _ => {
                        let words = readings.iter().map(|axes| in_words(axes, shape));
                        let words: Vec<String> = words.collect();
                        return Err(wrong(format!(
                            "shape {shape:?} can be read as {}",
                            words.join(" or as ")
                        )));
                    }
                }
            }
        };
        let size = |letter: char| axes.find(letter).map(|at| shape[at]);
        let channels = size('C').unwrap_or(1);
        if !CHANNELS.contains(&channels) {
            return Err(wrong(format!(
                "expected 1, 3 or 4 channels, got {channels} along the axis C of shape {shape:?} (--axes {axes})"
            )));
        }
        let many = axes.contains('N');
        let start = if many { "NT" } else { "T" };
        let last = axes == format!("{start}HWC");
        let wanted = match (last, axes.contains('C')) {
            (true, _) => axes.clone(),
            (false, true) => format!("{start}CHW"),
            (false, false) => format!("{start}HW"),
        };
        let order = wanted.chars().filter_map(|letter| axes.find(letter));
        Ok(Self {
            sequences: size('N').unwrap_or(1),
            many,
            frames: size('T').unwrap_or(1),
            shape: [channels, size('H').unwrap_or(1), size('W').unwrap_or(1)],
            last,
            order: (wanted != axes).then(|| order.collect()),
        })
    }
}

/// The ways in which a shape can be meant.
fn readings(shape: &[usize]) -> Vec<&'static str> {
    let channels = |n: &usize| CHANNELS.contains(n);
    let mut found = Vec::new();
    match shape {
        [_, _, _] => found.push("THW"),
        [_, second, _, last] => {
            found.push("NTHW");
            if channels(last) {
                found.push("THWC");
            }
            if matches!(second, 1 | 3) {
                found.push("TCHW");
            }
        }
        [_, _, third, _, last] => {
            if channels(third) {
                found.push("NTCHW");
            }
            if channels(last) {
                found.push("NTHWC");
            }
        }
        _ => {}
    }
    found
}

/// `200 sequences of 32 frames of 32 x 3 px (--axes NTHW)`.
fn in_words(axes: &str, shape: &[usize]) -> String {
    let size = |letter: char| axes.find(letter).map_or(1, |at| shape[at]);
    let many = match axes.contains('N') {
        true => format!("{} sequences of {} frames", size('N'), size('T')),
        false => format!("one video of {} frames", size('T')),
    };
    let colours = match axes.contains('C') {
        true => format!(" in {} channels", size('C')),
        false => String::new(),
    };
    format!(
        "{many} of {} x {} px{colours} (--axes {axes})",
        size('H'),
        size('W')
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(shape: &[usize], axes: Option<&str>) -> Result<Layout> {
        let axes: Option<Axes> = axes.map(|axes| axes.parse().unwrap());
        Layout::of(shape, axes.as_ref(), Path::new("a.npy"))
    }

    #[test]
    fn shapes_with_one_reading_are_read() {
        for (shape, want) in [
            (&[9, 8, 7][..], (1, 9, [1, 8, 7], false)),
            (&[5, 9, 8, 7], (5, 9, [1, 8, 7], false)),
            (&[5, 9, 3, 8, 7], (5, 9, [3, 8, 7], false)),
            (&[5, 9, 8, 7, 3], (5, 9, [3, 8, 7], true)),
            (&[5, 9, 8, 7, 4], (5, 9, [4, 8, 7], true)),
        ] {
            let found = layout(shape, None).unwrap();
            let got = (found.sequences, found.frames, found.shape, found.last);
            assert_eq!(got, want, "{shape:?}");
            assert_eq!(found.order, None);
        }
    }

    #[test]
    fn two_readings_are_refused_with_both_and_letters_decide() {
        let error = layout(&[200, 32, 31, 3], None).unwrap_err().to_string();
        assert_eq!(
            error,
            "a.npy: shape [200, 32, 31, 3] can be read as 200 sequences of 32 frames of 31 x 3 px (--axes NTHW) \
             or as one video of 200 frames of 32 x 31 px in 3 channels (--axes THWC)"
        );
        for shape in [[20, 3, 8, 7], [20, 8, 7, 1], [20, 8, 7, 4], [20, 1, 8, 7]] {
            let error = layout(&shape, None).unwrap_err().to_string();
            assert!(error.contains("can be read as"), "{error}");
        }
        let error = layout(&[5, 9, 3, 8, 3], None).unwrap_err().to_string();
        assert!(
            error.contains("NTCHW") && error.contains("NTHWC"),
            "{error}"
        );
        let found = layout(&[200, 32, 31, 3], Some("thwc")).unwrap();
        assert_eq!((found.sequences, found.frames), (1, 200));
        assert_eq!(
            (found.shape, found.last, found.order),
            ([3, 32, 31], true, None)
        );
        // MATLAB's order, and one with everything moved.
        let found = layout(&[32, 31, 200], Some("HWT")).unwrap();
        assert_eq!((found.frames, found.shape), (200, [1, 32, 31]));
        assert_eq!(found.order, Some(vec![2, 0, 1]));
        let found = layout(&[3, 31, 32, 9, 5], Some("CWHTN")).unwrap();
        assert_eq!((found.sequences, found.frames), (5, 9));
        assert_eq!(
            (found.shape, found.order),
            ([3, 32, 31], Some(vec![4, 3, 0, 2, 1]))
        );
    }

    #[test]
    fn letters_that_do_not_fit_are_refused() {
        for text in ["", "TH", "THWX", "TTHW", "NCHW"] {
            assert!(text.parse::<Axes>().is_err(), "{text}");
        }
        let error = layout(&[5, 9, 8], Some("NTHW")).unwrap_err().to_string();
        assert!(error.contains("expected an array of 4 axes"), "{error}");
        let error = layout(&[9, 8, 7, 5], Some("THWC")).unwrap_err().to_string();
        assert!(
            error.contains("expected 1, 3 or 4 channels, got 5"),
            "{error}"
        );
    }
}
