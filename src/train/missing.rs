//! The `train.missing:` section: frames and pixels that training does not see.

use crate::error::{Error, Result, all};
use crate::models::Seen;
use crate::seeds::Seeds;
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is hidden from training, drawn anew for every sequence at every step. The ELBO is that of what is seen, exactly: a frame that is
/// missing is summed out of the law of motion, a pixel that is hidden leaves no term, and the encoder sees the background there.
///
/// Validation and latents are of whole sequences; what the start of a model takes from the data (background, mean, and the codes that
/// modes start from) is too.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MissingConfig {
    /// Probability that a frame is missing, each for itself. Where all of a sequence would be, its first is kept.
    #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1))]
    pub frames: f64,
    /// Length of one block of missing frames, at any place; 0 for none.
    pub block: usize,
    /// Probability that a pixel is hidden, each for itself.
    #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1))]
    pub pixels: f64,
    /// Height and width of one rectangle of hidden pixels a frame, at any place, px; [0, 0] for none.
    pub rectangle: [usize; 2],
}

impl MissingConfig {
    /// # Errors
    /// [`Error::Experiment`] names the key under `at`, what was expected and got.
    pub(super) fn check(&self, at: &str) -> Result<()> {
        let share = |key: &str, got: f64| match (0.0..1.0).contains(&got) {
            true => Ok(()),
            false => Err(Error::Experiment(format!(
                "{at}.{key}: a probability from 0 to below 1 expected, got {got}"
            ))),
        };
        let sides = match (self.rectangle[0] == 0) == (self.rectangle[1] == 0) {
            true => Ok(()),
            false => Err(Error::Experiment(format!(
                "{at}.rectangle: a height and a width, or [0, 0] for none, expected, got {:?}",
                self.rectangle
            ))),
        };
        all([
            share("frames", self.frames),
            share("pixels", self.pixels),
            sides,
        ])
    }

    /// Checks what depends on the data: sequences of `steps` frames of (C, H, W).
    ///
    /// # Errors
    /// [`Error::Experiment`] names the key under `at`, what was expected and got.
    pub fn check_data(&self, at: &str, steps: usize, [_, height, width]: [usize; 3]) -> Result<()> {
        if self.block >= steps {
            return Err(Error::Experiment(format!(
                "{at}.block: fewer than data.frames, which is {steps}, expected, got {}",
                self.block
            )));
        }
        if self.rectangle[0] > height || self.rectangle[1] > width {
            return Err(Error::Experiment(format!(
                "{at}.rectangle: at most {height} x {width}, the frame, expected, got {:?}",
                self.rectangle
            )));
        }
        Ok(())
    }

    /// Whether everything is seen.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// What is seen of `count` sequences, numbered from `first` on among all that training ever draws.
    pub(super) fn draw(
        &self,
        seeds: Seeds,
        (first, count): (u64, usize),
        steps: usize,
        frame: [usize; 3],
    ) -> Option<Seen> {
        if self.is_nothing() {
            return None;
        }
        let [channels, height, width] = frame;
        let hides = self.pixels > 0.0 || self.rectangle != [0, 0];
        let mut seen = Seen {
            frames: Vec::new(),
            pixels: hides.then(Vec::new),
        };
        for sequence in first..first + count as u64 {
            let mut rng = seeds.stream("train/missing", sequence);
            let mut frames: Vec<bool> = (0..steps)
                .map(|_| rng.random::<f64>() >= self.frames)
                .collect();
            if self.block > 0 {
                let from = rng.random_range(0..=steps - self.block);
                frames[from..from + self.block].fill(false);
            }
            if !frames.contains(&true) {
                frames[0] = true;
            }
            seen.frames.extend(frames);
            let Some(pixels) = &mut seen.pixels else {
                continue;
            };
            for _ in 0..steps {
                // A pixel is hidden in all its colours.
                let mut plane: Vec<bool> = (0..height * width)
                    .map(|_| rng.random::<f64>() >= self.pixels)
                    .collect();
                let [rows, columns] = self.rectangle;
                if rows > 0 {
                    let top = rng.random_range(0..=height - rows);
                    let left = rng.random_range(0..=width - columns);
                    for row in top..top + rows {
                        plane[row * width + left..][..columns].fill(false);
                    }
                }
                for _ in 0..channels {
                    pixels.extend_from_slice(&plane);
                }
            }
        }
        Some(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: [usize; 3] = [2, 6, 5];

    fn draw(config: &MissingConfig, first: u64, count: usize) -> Seen {
        config
            .draw(Seeds::new(3), (first, count), 10, FRAME)
            .unwrap()
    }

    fn share(all: &[bool]) -> f64 {
        all.iter().filter(|&&s| s).count() as f64 / all.len() as f64
    }

    #[test]
    fn nothing_is_hidden_by_default() {
        let none = MissingConfig::default();
        assert_eq!(none.draw(Seeds::new(3), (0, 2), 10, FRAME), None);
    }

    #[test]
    fn shares_are_as_asked_and_a_sequence_is_the_same_wherever_a_batch_is_cut() {
        let config = MissingConfig {
            frames: 0.3,
            pixels: 0.2,
            ..MissingConfig::default()
        };
        let all = draw(&config, 0, 400);
        // 6 standard errors: of 4,000 frames and of 120,000 pixels in planes.
        assert!(
            (share(&all.frames) - 0.7).abs() < 0.044,
            "{}",
            share(&all.frames)
        );
        let pixels = all.pixels.unwrap();
        assert!((share(&pixels) - 0.8).abs() < 0.007, "{}", share(&pixels));
        let part = draw(&config, 7, 2);
        assert_eq!(part.frames, all.frames[70..90]);
        assert_eq!(part.pixels.unwrap(), pixels[7 * 600..9 * 600]);
    }

    #[test]
    fn a_block_and_a_rectangle_have_their_sizes_and_hide_all_colours() {
        let config = MissingConfig {
            block: 4,
            rectangle: [3, 2],
            ..MissingConfig::default()
        };
        let seen = draw(&config, 0, 50);
        for frames in seen.frames.chunks(10) {
            let first = frames.iter().position(|&s| !s).unwrap();
            assert!(frames[first..first + 4].iter().all(|&s| !s), "{frames:?}");
            assert_eq!(share(frames), 0.6);
        }
        for frame in seen.pixels.unwrap().chunks(60) {
            assert_eq!(share(frame), 0.8); // 6 of 30
            assert_eq!(frame[..30], frame[30..]);
        }
    }

    #[test]
    fn a_sequence_of_which_all_would_be_missing_keeps_its_first_frame() {
        let config = MissingConfig {
            frames: 0.999,
            ..MissingConfig::default()
        };
        let seen = draw(&config, 0, 100);
        let lone = seen.frames.chunks(10).filter(|f| share(f) == 0.1).count();
        assert!(lone > 90);
        assert!(seen.frames.chunks(10).all(|f| f.contains(&true)));
    }

    #[test]
    fn a_wrong_setting_is_told() {
        let with = |change: fn(&mut MissingConfig)| {
            let mut config = MissingConfig::default();
            change(&mut config);
            let found = config
                .check("train.missing")
                .and_then(|()| config.check_data("train.missing", 10, FRAME));
            found.unwrap_err().to_string()
        };
        assert_eq!(
            with(|c| c.frames = 1.0),
            "train.missing.frames: a probability from 0 to below 1 expected, got 1"
        );
        assert_eq!(
            with(|c| c.block = 10),
            "train.missing.block: fewer than data.frames, which is 10, expected, got 10"
        );
        assert!(with(|c| c.rectangle = [3, 0]).contains("got [3, 0]"));
        assert_eq!(
            with(|c| c.rectangle = [3, 6]),
            "train.missing.rectangle: at most 6 x 5, the frame, expected, got [3, 6]"
        );
    }
}
