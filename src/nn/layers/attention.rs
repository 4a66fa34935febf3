//! Causal self-attention over the frames of clips, and transformers of it: all frames at once (`seq`), or one more
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
    reach: Option<usize>,
}

/// Keys and values of the frames so far, (B, n) each: what one more frame reads.
#[derive(Clone, Debug)]
pub struct Cache<F: Float, T = NoneTape> {
    keys: Vec<Mat<F, T>>,
    values: Vec<Mat<F, T>>,
    /// Frames in here.
    time: usize,
}

impl<F: Float, T: Track<F>> Default for Cache<F, T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<F: Float, T: Track<F>> Cache<F, T> {
    /// Empty.
    pub fn new() -> Self {
        Self {
            keys: Vec::new(),
            values: Vec::new(),
            time: 0,
        }
    }

    /// Frames gone through.
    pub fn steps(&self) -> usize {
        self.time
    }

    /// As it was after the first `frames` frames.
    ///
    /// # Errors
    /// [`Error::Shape`] for more than there were.
    pub fn first(&self, frames: usize) -> Result<Self> {
        if frames > self.time {
            return Err(Error::Shape(format!(
                "Cache: at most {} frames expected, got the first {frames}",
                self.time
            )));
        }
        Ok(Self {
            keys: self.keys[..frames].to_vec(),
            values: self.values[..frames].to_vec(),
            time: frames,
        })
    }

    /// Takes in `steps` frames of every clip, (B*S, n) each.
    fn extend(&mut self, keys: &Mat<F, T>, values: &Mat<F, T>, steps: usize) -> Result<()> {
        for t in 0..steps {
            self.keys.push(ops::frame(keys, t, steps)?);
            self.values.push(ops::frame(values, t, steps)?);
        }
        self.time += steps;
        Ok(())
    }
}

impl<F: Float> Cache<F> {
    /// That of `times` copies of its clips, one set after the other.
    ///
    /// # Errors
    /// Out of memory.
    pub fn tiled(&self, times: usize) -> Result<Self> {
        let all = |kept: &[Mat<F>]| -> Result<Vec<Mat<F>>> {
            let tile = |x: &Mat<F>| matrix(values(x).repeat(times), size(x).0 * times, size(x).1);
            kept.iter().map(tile).collect()
        };
        Ok(Self {
            keys: all(&self.keys)?,
            values: all(&self.values)?,
            time: self.time,
        })
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
            reach: None,
        })
    }

    /// The same where a frame reads the last `reach` frames alone, itself among them; all with `None`.
    #[must_use]
    pub fn within(self, reach: Option<usize>) -> Self {
        Self { reach, ..self }
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

    /// The same of whole clips.
    fn whole<T: Track<F>>(&self, x: &Mat<F, T>, steps: usize) -> Result<[Mat<F, T>; 3]> {
        let time: Vec<usize> = (0..size(x).0).map(|row| row % steps.max(1)).collect();
        self.parts(x, &time)
    }

    /// All frames of clips of `steps`: x (B*T, n) to (B*T, n). What later steps read goes to `cache`, an empty one.
    ///
    /// # Errors
    /// [`Error::Shape`] when x is not a number of whole clips or has another number of columns, or frames are cached.
    pub fn seq<T: Track<F>>(
        &self,
        x: &Mat<F, T>,
        steps: usize,
        cache: Option<&mut Cache<F, T>>,
    ) -> Result<Mat<F, T>> {
        let [q, k, v] = self.whole(x, steps)?;
        let read = ops::causal_attention([&q, &k, &v], self.heads, steps, self.reach)?;
        if let Some(cache) = cache {
            if cache.time > 0 {
                return Err(Error::Shape(format!(
                    "SelfAttention: an empty cache expected, got one of {} frames",
                    cache.time
                )));
            }
            cache.extend(&k, &v, steps)?;
        }
        self.out.forward(&read)
    }

    /// One more frame of every clip: x (B, n) to (B, n).
    ///
    /// # Errors
    /// [`Error::Shape`] when x does not fit the cache or the weights.
    pub fn step<T: Track<F>>(&self, x: &Mat<F, T>, cache: &mut Cache<F, T>) -> Result<Mat<F, T>> {
        let clips = size(x).0;
        if let Some(first) = cache.keys.first()
            && size(first).0 != clips
        {
            return Err(Error::Shape(format!(
                "SelfAttention: a frame of each of {} clips expected, got {clips} rows",
                size(first).0
            )));
        }
        let [q, k, v] = self.parts(x, &vec![cache.time; clips])?;
        cache.extend(&k, &v, 1)?;
        let far = self
            .reach
            .map_or(0, |reach| cache.time.saturating_sub(reach));
        let (keys, all) = (
            ops::stack(&cache.keys[far..])?,
            ops::stack(&cache.values[far..])?,
        );
        let read = ops::causal_attention([&q, &keys, &all], self.heads, cache.time - far, None)?;
        self.out.forward(&read)
    }

    /// Which frames every frame reads, the mean over heads: x (B*T, n) to (B*T, T).
    ///
    /// # Errors
    /// As [`Self::seq`].
    pub fn shares(&self, x: &Mat<F>, steps: usize) -> Result<Mat<F>> {
        let [q, k, _] = self.whole::<NoneTape>(x, steps)?;
        ops::attention_shares(&q, &k, self.heads, steps, self.reach)
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

    /// The same where a frame reads the last `reach` frames alone; see [`SelfAttention::within`].
    #[must_use]
    pub fn within(mut self, reach: Option<usize>) -> Self {
        self.attention = self.attention.within(reach);
        self
    }

    /// All frames of clips of `steps`: x (B*T, n) to (B*T, n). What later steps read goes to `cache`, an empty one.
    ///
    /// # Errors
    /// As [`SelfAttention::seq`].
    pub fn seq<T: Track<F>>(
        &self,
        x: &Mat<F, T>,
        steps: usize,
        cache: Option<&mut Cache<F, T>>,
    ) -> Result<Mat<F, T>> {
        let read = self
            .attention
            .seq(&self.norms[0].forward(x)?, steps, cache)?;
        self.after(x, &read)
    }

    /// One more frame of every clip: x (B, n) to (B, n).
    ///
    /// # Errors
    /// [`Error::Shape`] when x does not fit the cache or the weights.
    pub fn step<T: Track<F>>(&self, x: &Mat<F, T>, cache: &mut Cache<F, T>) -> Result<Mat<F, T>> {
        let read = self.attention.step(&self.norms[0].forward(x)?, cache)?;
        self.after(x, &read)
    }

    /// Which frames every frame reads, the mean over heads: x (B*T, n) to (B*T, T).
    ///
    /// # Errors
    /// As [`SelfAttention::seq`].
    pub fn shares(&self, x: &Mat<F>, steps: usize) -> Result<Mat<F>> {
        self.attention.shares(&self.norms[0].forward(x)?, steps)
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

/// Blocks one after the other, and a normalised output (Radford et al. 2019).
#[derive(Clone, Debug)]
pub struct Transformer<F: Float> {
    blocks: Vec<TransformerBlock<F>>,
    norm: LayerNorm<F>,
}

impl<F: Float> Transformer<F> {
    /// `layers` blocks for rows of `n` values, n a multiple of 2 `heads`, each of which reads the last `reach` frames; all
    /// with `None`.
    ///
    /// # Errors
    /// [`Error::Config`] when it is not, or a reach of 0.
    pub fn new(
        [layers, n, heads]: [usize; 3],
        reach: Option<usize>,
        rng: &mut Rng,
    ) -> Result<Self> {
        if reach == Some(0) {
            return Err(Error::Config(
                "Transformer: a reach of at least 1 frame expected, got 0".into(),
            ));
        }
        let block = |_| Ok(TransformerBlock::new(n, heads, rng)?.within(reach));
        Ok(Self {
            blocks: (0..layers).map(block).collect::<Result<_>>()?,
            norm: LayerNorm::new(n)?,
        })
    }

    /// Empty, one cache for each block.
    pub fn caches<T: Track<F>>(&self) -> Vec<Cache<F, T>> {
        self.blocks.iter().map(|_| Cache::new()).collect()
    }

    /// All frames of clips of `steps`: x (B*T, n) to (B*T, n). What later steps read goes to `caches`, empty ones of
    /// [`Self::caches`], or none at all.
    ///
    /// # Errors
    /// As [`SelfAttention::seq`].
    pub fn seq<T: Track<F>>(
        &self,
        x: &Mat<F, T>,
        steps: usize,
        caches: &mut [Cache<F, T>],
    ) -> Result<Mat<F, T>> {
        let mut caches = caches.iter_mut();
        let through =
            |x: Mat<F, T>, block: &TransformerBlock<F>| block.seq(&x, steps, caches.next());
        self.norm
            .forward(&self.blocks.iter().try_fold(x.clone(), through)?)
    }

    /// One more frame of every clip: x (B, n) to (B, n).
    ///
    /// # Errors
    /// [`Error::Shape`] when x does not fit the caches or the weights.
    pub fn step<T: Track<F>>(
        &self,
        x: &Mat<F, T>,
        caches: &mut [Cache<F, T>],
    ) -> Result<Mat<F, T>> {
        if caches.len() != self.blocks.len() {
            return Err(Error::Shape(format!(
                "Transformer: a cache for each of {} blocks expected, got {}",
                self.blocks.len(),
                caches.len()
            )));
        }
        let mut pairs = self.blocks.iter().zip(caches);
        let through = |x: Mat<F, T>, (block, cache): (&TransformerBlock<F>, &mut Cache<F, T>)| {
            block.step(&x, cache)
        };
        self.norm.forward(&pairs.try_fold(x.clone(), through)?)
    }

    /// Which frames every frame reads in each block, the mean over heads: x (B*T, n) to as many (B*T, T).
    ///
    /// # Errors
    /// As [`SelfAttention::seq`].
    pub fn shares(&self, x: &Mat<F>, steps: usize) -> Result<Vec<Mat<F>>> {
        let mut x = x.clone();
        let mut all = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            all.push(block.shares(&x, steps)?);
            x = block.seq(&x, steps, None)?;
        }
        Ok(all)
    }
}

impl<F: Float> Module<F> for Transformer<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        for (i, block) in self.blocks.iter_mut().enumerate() {
            block.parameters(&format!("{at}.{i}"), out);
        }
        self.norm.parameters(&format!("{at}.norm"), out);
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

    fn transformer(reach: Option<usize>) -> Transformer<f64> {
        let new = Transformer::new([2, 4, 2], reach, &mut Rng::seed_from_u64(3));
        scattered(new.unwrap())
    }

    /// From nothing, or from the first frames at once.
    #[test]
    fn going_through_all_frames_is_step_after_step() {
        let x = random("x", 3 * STEPS, 4);
        for (reach, at_once) in [(None, 0), (None, 3), (Some(2), 0), (Some(2), 3)] {
            let net = transformer(reach);
            let mut caches = net.caches();
            let mut all = Vec::new();
            if at_once > 0 {
                let first = ops::frames(&x, 0..at_once, STEPS).unwrap();
                let first = net.seq(&first, at_once, &mut caches).unwrap();
                all.extend((0..at_once).map(|t| ops::frame(&first, t, at_once).unwrap()));
            }
            for t in at_once..STEPS {
                let now = ops::frame(&x, t, STEPS).unwrap();
                all.push(net.step(&now, &mut caches).unwrap());
            }
            assert_eq!(caches[0].steps(), STEPS);
            let seq = net.seq(&x, STEPS, &mut []).unwrap();
            close("y", values(&seq), values(&ops::stack(&all).unwrap()), 1e-12);
        }
    }

    /// A cache that is cut goes on as if nothing had come after.
    #[test]
    fn a_cache_of_the_first_frames_is_that_of_a_shorter_clip() {
        let (net, x) = (transformer(None), random("x", 2 * STEPS, 4));
        let mut caches = net.caches();
        net.seq(&x, STEPS, &mut caches).unwrap();
        let mut cut: Vec<_> = caches.iter().map(|c| c.first(2).unwrap()).collect();
        let next = net.step(&ops::frame(&x, 2, STEPS).unwrap(), &mut cut);
        let seq = net.seq(&x, STEPS, &mut []).unwrap();
        let want = ops::frame(&seq, 2, STEPS).unwrap();
        close("y", values(&next.unwrap()), values(&want), 1e-12);
        refuses(caches[0].first(STEPS + 1), &["at most 5 frames", "first 6"]);
        let mut twice: Vec<_> = caches.iter().map(|c| c.tiled(2).unwrap()).collect();
        let last = random("last", 2, 4);
        let both = matrix(values(&last).repeat(2), 4, 4).unwrap();
        let one = net.step(&last, &mut caches).unwrap();
        let both = net.step(&both, &mut twice).unwrap();
        close("tiled", values(&both), &values(&one).repeat(2), 1e-14);
    }

    /// What a row reads of a frame is what a change of that frame's value moves it by: zero where it reads nothing.
    #[test]
    fn shares_are_of_frames_that_are_read() {
        let (net, x) = (transformer(Some(2)), random("x", 2 * STEPS, 4));
        let shares = net.shares(&x, STEPS).unwrap();
        assert_eq!(shares.len(), 2);
        for (row, own) in shares
            .iter()
            .flat_map(|s| values(s).chunks(STEPS).enumerate())
        {
            let t = row % STEPS;
            let read = |s: usize| s <= t && t - s < 2;
            assert!((0..STEPS).all(|s| (own[s] > 0.0) == read(s)), "{own:?}");
            assert!((own.iter().sum::<f64>() - 1.0).abs() < 1e-14);
        }
    }

    /// The last frame of the second clip changes nothing but itself; its first one all of its clip.
    #[test]
    fn a_frame_reaches_later_ones_of_its_clip_and_no_others() {
        let (block, x) = (block(), random("x", 2 * STEPS, 4));
        let before = block.seq(&x, STEPS, None).unwrap();
        let changed = |row: usize| {
            let mut other = values(&x).to_vec();
            other[row * 4] += 1.0;
            let after = block
                .seq(&matrix(other, 2 * STEPS, 4).unwrap(), STEPS, None)
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
            block.seq(&ops::scale(x, 4.0)?, 3, None).map(project)
        });
        let attention = block().attention;
        layer_gradients_agree("attention", &x, attention, &|x, a: &SelfAttention<f64>| {
            a.seq(x, 3, None).map(project)
        });
        // Through cached keys, too: two frames at once, and then two more.
        let x = random("x", 2 * 4, 4);
        layer_gradients_agree("steps", &x, block(), &|x, block: &TransformerBlock<f64>| {
            let x = ops::scale(x, 4.0)?;
            let mut cache = Cache::new();
            let first = block.seq(&ops::frames(&x, 0..2, 4)?, 2, Some(&mut cache))?;
            let third = block.step(&ops::frame(&x, 2, 4)?, &mut cache)?;
            let late = ops::stack(&[third, block.step(&ops::frame(&x, 3, 4)?, &mut cache)?])?;
            ops::concat(&[&first, &late]).map(project)
        });
    }

    #[test]
    fn wrong_sizes_are_told() {
        let mut rng = Rng::seed_from_u64(3);
        let odd = SelfAttention::<f64>::new(6, 2, &mut rng);
        refuses(odd, &["SelfAttention", "multiple of 2 x 2", "got 6"]);
        let block = block();
        refuses(
            block.seq(&random("x", 7, 4), 3, None),
            &["clips of 3 frames", "q (7, 4)"],
        );
        refuses(
            block.seq(&random("x", 6, 4), 0, None),
            &["clips of 0 frames"],
        );
        let mut cache = Cache::new();
        block.seq(&random("x", 4, 4), 2, Some(&mut cache)).unwrap();
        refuses(
            block.seq(&random("x", 4, 4), 2, Some(&mut cache)),
            &["an empty cache", "of 2 frames"],
        );
        refuses(
            block.step(&random("x", 3, 4), &mut cache),
            &["each of 2 clips", "got 3 rows"],
        );
    }
}
