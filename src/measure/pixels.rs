//! What frames tell without any learning: their background, their centroid, their pixels as features.

use super::arrays::build;
use super::regression::Features;
use crate::array::Array;

/// Frames of the clips of one split, wherever they lie: in memory, or on disk until they are looked at.
pub trait Films: std::fmt::Debug + Send + Sync {
    /// Clips, N.
    fn clips(&self) -> usize;
    /// Frames of clip i, (T, C, H, W).
    fn clip(&self, i: usize) -> &[u8];
}

/// Frames of one split as features of a read-out: the pixels of frame t, or of frames t and t - 1 (then t starts at 1).
#[derive(Clone, Copy, Debug)]
pub struct Pixels<'a> {
    frames: &'a dyn Films,
    sequences: usize,
    total: usize,
    size: usize,
    stacked: usize,
    /// (C, H, W) and the side k of the square blocks that are averaged.
    blocks: Option<([usize; 3], usize)>,
}

impl<'a> Pixels<'a> {
    /// The pixels of `stacked` frames (1 or more) of frames (N, T, size); [N, T] in `clips`.
    ///
    /// # Panics
    /// When there are fewer clips than that.
    pub fn new(frames: &'a dyn Films, clips: [usize; 2], size: usize, stacked: usize) -> Self {
        assert!(
            frames.clips() >= clips[0],
            "pixels: fewer clips than states"
        );
        Self {
            frames,
            sequences: clips[0],
            total: clips[1],
            size,
            stacked,
            blocks: None,
        }
    }

    /// The same with the mean of every k x k block of pixels of each channel in place of the pixels; blocks at the
    /// right and lower edge are cut off there. k = 1 leaves all as it is.
    #[must_use]
    pub fn averaged(self, frame: [usize; 3], k: usize) -> Self {
        Self {
            blocks: (k > 1).then_some((frame, k)),
            ..self
        }
    }

    /// Features of one frame.
    fn width(&self) -> usize {
        self.blocks.map_or(self.size, |([c, h, w], k)| {
            c * h.div_ceil(k) * w.div_ceil(k)
        })
    }
}

/// Means of k x k blocks of a frame (C, H, W), as shares of 255.
fn block_means(frame: &[u8], [_, h, w]: [usize; 3], k: usize, out: &mut [f64]) {
    let (rows, columns) = (h.div_ceil(k), w.div_ceil(k));
    for (block, value) in out.iter_mut().enumerate() {
        let (c, i, j) = (
            block / (rows * columns),
            block / columns % rows,
            block % columns,
        );
        let (mut sum, mut count) = (0u64, 0u64);
        for y in i * k..((i + 1) * k).min(h) {
            for x in j * k..((j + 1) * k).min(w) {
                sum += u64::from(frame[(c * h + y) * w + x]);
                count += 1;
            }
        }
        *value = sum as f64 / count as f64 / 255.0;
    }
}

impl Features for Pixels<'_> {
    fn shape(&self) -> [usize; 3] {
        [
            self.sequences,
            self.total + 1 - self.stacked,
            self.width() * self.stacked,
        ]
    }

    fn fill(&self, sequence: usize, out: &mut [f64]) {
        let width = self.width();
        let clip = self.frames.clip(sequence);
        for (t, row) in out.chunks_exact_mut(width * self.stacked).enumerate() {
            let first = t * self.size;
            if let Some((frame, k)) = self.blocks {
                let frames = clip[first..].chunks_exact(self.size);
                for (out, pixels) in row.chunks_exact_mut(width).zip(frames) {
                    block_means(pixels, frame, k, out);
                }
                continue;
            }
            for (value, pixel) in row.iter_mut().zip(&clip[first..]) {
                *value = f64::from(*pixel) / 255.0;
            }
        }
    }
}

/// What stands still: the median of every pixel over all frames with `seen` (N, T; empty for all), (C, H, W). A body that moves covers any one pixel in a
/// small share of the frames only.
pub fn background(frames: &dyn Films, size: usize, seen: &[bool]) -> Vec<u8> {
    let mut counts = vec![[0u32; 256]; size];
    let mut all = 0u32;
    for i in 0..frames.clips() {
        let clip = frames.clip(i);
        let total = clip.len() / size.max(1);
        for (t, frame) in clip.chunks_exact(size).enumerate() {
            if seen.get(i * total + t) == Some(&false) {
                continue;
            }
            all += 1;
            for (count, &value) in counts.iter_mut().zip(frame) {
                count[value as usize] += 1;
            }
        }
    }
    let half = all.div_ceil(2);
    let median = |count: &[u32; 256]| {
        let mut seen = 0;
        let reached = |c: &u32| {
            seen += c;
            seen >= half
        };
        count.iter().position(reached).unwrap_or(0) as u8
    };
    counts.iter().map(median).collect()
}

/// Centroid (x right, y down, in pixels from the frame's corner) of |frame − background| over all channels of frames
/// (N, T, C, H, W), (N, T, 2); the middle of a frame in which nothing differs.
pub fn centroids(
    frames: &dyn Films,
    [n, total]: [usize; 2],
    [_, height, width]: [usize; 3],
    background: &[u8],
) -> Array {
    build([n, total, 2], |i, t, row| {
        let frame = &frames.clip(i)[t * background.len()..][..background.len()];
        let (mut weight, mut x, mut y) = (0.0, 0.0, 0.0);
        for (k, (value, still)) in frame.iter().zip(background).enumerate() {
            let w = f64::from(value.abs_diff(*still));
            weight += w;
            x += w * ((k % width) as f64 + 0.5);
            y += w * ((k / width % height) as f64 + 0.5);
        }
        let middle = [width as f64 / 2.0, height as f64 / 2.0];
        row.copy_from_slice(&if weight > 0.0 {
            [x / weight, y / weight]
        } else {
            middle
        });
    })
}

/// Foreground of every frame (N, T, C, H, W), sum |frame − background| in grey levels, (N*T).
pub fn foregrounds(frames: &dyn Films, clips: usize, background: &[u8]) -> Vec<f64> {
    let of = |frame: &[u8]| {
        let pixels = frame.iter().zip(background);
        pixels
            .map(|(value, still)| f64::from(value.abs_diff(*still)))
            .sum()
    };
    let clips = (0..clips).map(|i| frames.clip(i).chunks_exact(background.len().max(1)));
    clips.flat_map(|clip| clip.map(of)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::arrays::at;
    use super::*;
    use crate::analysis::Footage;
    use crate::analysis::testing::{discs, study};

    #[test]
    fn centroid_of_a_drawn_disc_is_where_the_state_says() {
        let mut study = study(20, true);
        // Walls that stand still must not pull at it.
        let mut frames = discs(&study.test.states);
        for frame in frames.chunks_exact_mut(32 * 32) {
            frame[..64].fill(200);
        }
        study.test.frames = Footage::held(frames, 20);
        let still = background(&study.test.frames, 32 * 32, &[]);
        assert!(still[..64].iter().all(|&v| v == 200) && still[64..].iter().all(|&v| v == 0));
        let found = centroids(&study.test.frames, [20, 20], study.frame_shape, &still);
        for i in 0..20 {
            for t in 0..20 {
                let (c, s) = (at(&found, i, t), at(&study.test.states, i, t));
                // 16 samples a pixel: the centre of a disc of 28 pixels is known to a few hundredths.
                assert!(
                    (c[0] - s[0]).abs() < 0.1 && (c[1] - s[1]).abs() < 0.1,
                    "{c:?} {s:?}"
                );
            }
        }
    }

    #[test]
    fn averaged_blocks_are_the_means_of_their_pixels_and_cut_off_at_the_edge() {
        // Two channels of 3 x 5 pixels, blocks of 2: 2 x 3 of them a channel.
        let frame = Footage::held((0..30).collect(), 1);
        let pixels = Pixels::new(&frame, [1, 1], 30, 1).averaged([2, 3, 5], 2);
        assert_eq!(pixels.shape(), [1, 1, 12]);
        let mut out = vec![0.0; 12];
        pixels.fill(0, &mut out);
        let want = [
            (1 + 5 + 6) as f64 / 4.0,
            (2 + 3 + 7 + 8) as f64 / 4.0,
            (4 + 9) as f64 / 2.0,
            (10 + 11) as f64 / 2.0,
            (12 + 13) as f64 / 2.0,
            14.0,
        ];
        for (k, want) in want.into_iter().enumerate() {
            assert!((out[k] - want / 255.0).abs() < 1e-15, "{out:?}");
            assert!(
                (out[6 + k] - (want + 15.0) / 255.0).abs() < 1e-15,
                "{out:?}"
            );
        }
    }

    #[test]
    fn two_frames_are_stacked_from_the_second_frame_on() {
        let study = study(2, true);
        let pixels = Pixels::new(&study.test.frames, [2, 20], 1024, 2);
        assert_eq!(pixels.shape(), [2, 19, 2048]);
        let mut out = vec![0.0; 19 * 2048];
        pixels.fill(1, &mut out);
        let want: Vec<f64> = study.test.frames.clip(1)[..2 * 1024]
            .iter()
            .map(|&v| f64::from(v) / 255.0)
            .collect();
        assert_eq!(out[..2048], want);
    }
}
