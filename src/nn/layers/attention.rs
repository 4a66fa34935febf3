//! Causal self-attention over the frames of clips, and a transformer block: all frames at once (`seq`), or one more
//! with the keys of those before (`step`).

use super::linear::{LayerNorm, Linear};
use crate::ops::{self, Activation};
use crate::tensor::{matrix, size, values};
use crate::{Error, Float, Mat, Module, Param, Result, Rng, Track};
use dfdx::prelude::NoneTape;

/// Multi-head self-attention with rotary positions: every frame of a clip reads from itself and those before it.
///
/// (q, k, v) = x W + b,   y = attention(rotate q, rotate k, v) W_o + b_o          x, y (B*T, n)
#[derive(Clone, Debug)]
pub struct SelfAttention<F: Float> {
    into: Linear<F>,
    out: Linear<F>,
    heads: usize,
}

/// Keys and values of the frames so far: what one more frame reads. Without a tape: one that grows with every frame is
/// for inference, and training has all frames at once.
#[derive(Clone, Debug)]
pub struct Cache<F: Float> {
    clips: usize,
    /// For every clip those of its frames one after the other, (t * n).
    keys: Vec<Vec<F>>,
    values: Vec<Vec<F>>,
    /// Frames gone through, of which the last may be in here.
    time: usize,
}

impl<F: Float> Cache<F> {
    /// Empty, for `clips` clips.
    pub fn new(clips: usize) -> Self {
        Self {
            clips,
            keys: vec![Vec::new(); clips],
            values: vec![Vec::new(); clips],
            time: 0,
        }
    }

    /// Frames gone through.
    pub fn steps(&self) -> usize {
        self.time
    }

    /// Takes in one frame of every clip, (B, n) each, and gives those of all, (B*t, n).
    fn add(&mut self, key: &Mat<F>, value: &Mat<F>) -> Result<(Mat<F>, Mat<F>)> {
        let n = size(key).1;
        let all = |kept: &mut Vec<Vec<F>>, new: &Mat<F>| {
            for (kept, new) in kept.iter_mut().zip(values(new).chunks_exact(n.max(1))) {
                kept.extend_from_slice(new);
            }
            let rows = self.clips * (self.time + 1);
            matrix(kept.concat(), rows, n)
        };
        let both = (all(&mut self.keys, key)?, all(&mut self.values, value)?);
        self.time += 1;
        Ok(both)
    }
}

impl<F: Float> SelfAttention<F> {
    /// For rows of `n` values, n a multiple of 2 `heads`.
    ///
    /// # Errors
    /// [`Error::Config`] when it is not.
    pub fn new(n: usize, heads: usize, rng: &mut Rng) -> Result<Self> {
        if heads == 0 || n == 0 || !n.is_multiple_of(2 * heads) {
            return Err(Error::Config(format!(
                "SelfAttention: a multiple of 2 x {heads} values (an even width for each of at least one head) expected, got {n}"
            )));
        }
        Ok(Self {
            into: Linear::new(n, 3 * n, Activation::Identity, rng)?,
            out: Linear::new(n, n, Activation::Identity, rng)?,
            heads,
        })
    }

    /// q, k turned to their times, and v.
    fn parts<T: Track<F>>(&self, x: &Mat<F, T>, time: &[usize]) -> Result<[Mat<F, T>; 3]> {
        let [q, k, v] = ops::heads(&self.into.forward(x)?)?;
        Ok([
            ops::rotate(&q, self.heads, time)?,
            ops::rotate(&k, self.heads, time)?,
            v,
        ])
    }

    /// All frames of clips of `steps`: x (B*T, n) to (B*T, n).
    ///
    /// # Errors
    /// [`Error::Shape`] when x is not a number of whole clips or has another number of columns.
    pub fn seq<T: Track<F>>(&self, x: &Mat<F, T>, steps: usize) -> Result<Mat<F, T>> {
        let time: Vec<usize> = (0..size(x).0).map(|row| row % steps.max(1)).collect();
        let [q, k, v] = self.parts(x, &time)?;
        let read = ops::causal_attention(&q, &k, &v, self.heads, steps)?;
        self.out.forward(&read)
    }

    /// One more frame of every clip: x (B, n) to (B, n).
    ///
    /// # Errors
    /// [`Error::Shape`] when x does not fit the cache or the weights.
    pub fn step(&self, x: &Mat<F>, cache: &mut Cache<F>) -> Result<Mat<F>> {
        if size(x).0 != cache.clips {
            return Err(Error::Shape(format!(
                "SelfAttention: a frame of each of {} clips expected, got {} rows",
                cache.clips,
                size(x).0
            )));
        }
        let [q, k, v] = self.parts::<NoneTape>(x, &vec![cache.time; cache.clips])?;
        let (keys, all) = cache.add(&k, &v)?;
        let read = ops::causal_attention(&q, &keys, &all, self.heads, cache.time)?;
        self.out.forward(&read)
    }
}

impl<F: Float> Module<F> for SelfAttention<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        self.into.parameters(&format!("{at}.into"), out);
        self.out.parameters(&format!("{at}.out"), out);
    }
}

/// Attention and an MLP of 4n units, each on a normalised copy of what they add to (Xiong et al. 2020, "pre-norm"):
///
/// h = x + attention(norm x),   y = h + W_2 silu(W_1 norm h)
#[derive(Clone, Debug)]
pub struct TransformerBlock<F: Float> {
    norms: [LayerNorm<F>; 2],
    attention: SelfAttention<F>,
    wide: Linear<F>,
    narrow: Linear<F>,
}

/// Units of the MLP for every value of a row.
const WIDER: usize = 4;

impl<F: Float> TransformerBlock<F> {
    /// For rows of `n` values, n a multiple of 2 `heads`.
    ///
    /// # Errors
    /// [`Error::Config`] when it is not.
    pub fn new(n: usize, heads: usize, rng: &mut Rng) -> Result<Self> {
        Ok(Self {
            norms: [LayerNorm::new(n)?, LayerNorm::new(n)?],
            attention: SelfAttention::new(n, heads, rng)?,
            wide: Linear::new(n, WIDER * n, Activation::Identity, rng)?,
            narrow: Linear::new(WIDER * n, n, Activation::Identity, rng)?,
        })
    }

    /// x + read, then the MLP on it.
    fn after<T: Track<F>>(&self, x: &Mat<F, T>, read: &Mat<F, T>) -> Result<Mat<F, T>> {
        let h = ops::add(x, read)?;
        let wide = ops::silu(&self.wide.forward(&self.norms[1].forward(&h)?)?)?;
        ops::add(&h, &self.narrow.forward(&wide)?)
    }

    /// All frames of clips of `steps`: x (B*T, n) to (B*T, n).
    ///
    /// # Errors
    /// [`Error::Shape`] when x is not a number of whole clips or has another number of columns.
    pub fn seq<T: Track<F>>(&self, x: &Mat<F, T>, steps: usize) -> Result<Mat<F, T>> {
        let read = self.attention.seq(&self.norms[0].forward(x)?, steps)?;
        self.after(x, &read)
    }

    /// One more frame of every clip: x (B, n) to (B, n).
    ///
    /// # Errors
    /// [`Error::Shape`] when x does not fit the cache or the weights.
    pub fn step(&self, x: &Mat<F>, cache: &mut Cache<F>) -> Result<Mat<F>> {
        let read = self.attention.step(&self.norms[0].forward(x)?, cache)?;
        self.after(x, &read)
    }
}

impl<F: Float> Module<F> for TransformerBlock<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        let [before, between] = &mut self.norms;
        before.parameters(&format!("{at}.attention_norm"), out);
        self.attention.parameters(&format!("{at}.attention"), out);
        between.parameters(&format!("{at}.mlp_norm"), out);
        self.wide.parameters(&format!("{at}.wide"), out);
        self.narrow.parameters(&format!("{at}.narrow"), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{close, layer_gradients_agree, project, random, refuses, scattered};
    use rand::SeedableRng;

    const STEPS: usize = 5;

    fn block() -> TransformerBlock<f64> {
        scattered(TransformerBlock::new(4, 2, &mut Rng::seed_from_u64(3)).unwrap())
    }

    #[test]
    fn going_through_all_frames_is_step_after_step() {
        let (block, x) = (block(), random("x", 3 * STEPS, 4));
        let mut cache = Cache::new(3);
        let steps = (0..STEPS).map(|t| block.step(&ops::frame(&x, t, STEPS)?, &mut cache));
        let all: Vec<Mat<f64>> = steps.collect::<Result<_>>().unwrap();
        assert_eq!(cache.steps(), STEPS);
        let seq = block.seq(&x, STEPS).unwrap();
        close("y", values(&seq), values(&ops::stack(&all).unwrap()), 1e-12);
    }

    /// The last frame of the second clip changes nothing but itself; its first one all of its clip.
    #[test]
    fn a_frame_reaches_later_ones_of_its_clip_and_no_others() {
        let (block, x) = (block(), random("x", 2 * STEPS, 4));
        let before = block.seq(&x, STEPS).unwrap();
        let changed = |row: usize| {
            let mut other = values(&x).to_vec();
            other[row * 4] += 1.0;
            let after = block
                .seq(&matrix(other, 2 * STEPS, 4).unwrap(), STEPS)
                .unwrap();
            let rows = values(&before).chunks(4).zip(values(&after).chunks(4));
            rows.map(|(a, b)| a != b).collect::<Vec<bool>>()
        };
        let from = |first: usize| {
            (0..2 * STEPS)
                .map(|row| row >= first)
                .collect::<Vec<bool>>()
        };
        assert_eq!(changed(2 * STEPS - 1), from(2 * STEPS - 1));
        assert_eq!(changed(STEPS), from(STEPS));
    }

    /// Rows of four values in -1..1 may have a variance of .02, where a layer norm's third derivatives, and with them
    /// the error of the differences, are a hundred times those elsewhere: rows are stretched first.
    #[test]
    fn gradients_agree_with_finite_differences() {
        let x = random("x", 2 * 3, 4);
        layer_gradients_agree("block", &x, block(), &|x, block: &TransformerBlock<f64>| {
            block.seq(&ops::scale(x, 4.0)?, 3).map(project)
        });
        let attention = block().attention;
        layer_gradients_agree("attention", &x, attention, &|x, a: &SelfAttention<f64>| {
            a.seq(x, 3).map(project)
        });
    }

    #[test]
    fn wrong_sizes_are_told() {
        let mut rng = Rng::seed_from_u64(3);
        let odd = SelfAttention::<f64>::new(6, 2, &mut rng);
        refuses(odd, &["SelfAttention", "multiple of 2 x 2", "got 6"]);
        let block = block();
        refuses(
            block.seq(&random("x", 7, 4), 3),
            &["clips of 3 frames", "q (7, 4)"],
        );
        refuses(block.seq(&random("x", 6, 4), 0), &["clips of 0 frames"]);
        let mut cache = Cache::new(2);
        refuses(
            block.step(&random("x", 3, 4), &mut cache),
            &["each of 2 clips", "got 3 rows"],
        );
    }
}
