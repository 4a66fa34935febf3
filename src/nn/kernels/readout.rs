//! 1x1 convolutions from many channels to a few, in f32: dot products over the channels of every pixel.

use super::simd::{Kernel, LANES, Lanes, dispatch};

/// Most output channels; with more, a product is faster.
const MOST: usize = 4;

/// Whether the kernels here can do it: whole vectors of input channels, few output channels.
pub(crate) fn suits(channels: usize, out: usize) -> bool {
    channels > 0 && channels.is_multiple_of(LANES) && (1..=MOST).contains(&out)
}

/// w (C, N) as (N, C).
fn turned(weight: &[f32], n: usize) -> Vec<f32> {
    let c = weight.len() / n;
    (0..n * c).map(|i| weight[i % c * n + i / c]).collect()
}

/// y = x w + b: x (pixels, C), w (C, N), y (pixels, N).
pub(crate) fn forward(x: &[f32], weight: &[f32], bias: &[f32], y: &mut [f32]) {
    let n = bias.len();
    let c = weight.len() / n;
    assert!(suits(c, n) && weight.len() == c * n);
    assert_eq!(x.len() / c, y.len() / n);
    let weight = &turned(weight, n);
    dispatch(Forward { x, weight, bias, y });
}

struct Forward<'a> {
    x: &'a [f32],
    /// (N, C).
    weight: &'a [f32],
    bias: &'a [f32],
    y: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self) {
        let n = self.bias.len();
        let c = self.weight.len() / n;
        for (x, y) in self.x.chunks_exact(c).zip(self.y.chunks_exact_mut(n)) {
            for ((y, w), b) in y.iter_mut().zip(self.weight.chunks_exact(c)).zip(self.bias) {
                let mut sum = L::splat(0.0);
                for at in (0..c).step_by(LANES) {
                    // SAFETY: rows of C values, C a multiple of LANES.
                    sum = unsafe {
                        L::load(x.as_ptr().add(at)).mul_add(L::load(w.as_ptr().add(at)), sum)
                    };
                }
                *y = sum.sum() + b;
            }
        }
    }
}

/// Adds to the gradients in x, w and b what the gradient in y sends back.
pub(crate) fn backward(
    (x, weight): (&[f32], &[f32]),
    gy: &[f32],
    gx: Option<&mut [f32]>,
    gw: &mut [f32],
    gb: &mut [f32],
) {
    let n = gb.len();
    let c = weight.len() / n;
    assert!(suits(c, n) && weight.len() == c * n && gw.len() == c * n);
    assert_eq!(x.len() / c, gy.len() / n);
    assert!(gx.as_ref().is_none_or(|gx| gx.len() == x.len()));
    let (weight, mut sums) = (turned(weight, n), vec![0.0; c * n]);
    dispatch(Backward {
        x,
        weight: &weight,
        gy,
        gx,
        gw: &mut sums,
        n,
    });
    for (i, sum) in sums.into_iter().enumerate() {
        gw[i % c * n + i / c] += sum;
    }
    for gy in gy.chunks_exact(n) {
        gb.iter_mut().zip(gy).for_each(|(b, g)| *b += g);
    }
}

struct Backward<'a> {
    x: &'a [f32],
    /// (N, C).
    weight: &'a [f32],
    gy: &'a [f32],
    gx: Option<&'a mut [f32]>,
    /// (N, C).
    gw: &'a mut [f32],
    n: usize,
}

impl Kernel for Backward<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self) {
        let (n, c) = (self.n, self.weight.len() / self.n);
        let mut gx = self.gx.map(|gx| gx.chunks_exact_mut(c));
        for (x, gy) in self.x.chunks_exact(c).zip(self.gy.chunks_exact(n)) {
            let mut gx = gx.as_mut().and_then(Iterator::next);
            for (k, &g) in gy.iter().enumerate() {
                let g = L::splat(g);
                for at in (0..c).step_by(LANES) {
                    // SAFETY: rows of C values, C a multiple of LANES.
                    unsafe {
                        let gw = self.gw.as_mut_ptr().add(k * c + at);
                        g.mul_add(L::load(x.as_ptr().add(at)), L::load(gw))
                            .store(gw);
                        if let Some(gx) = &mut gx {
                            let to = gx.as_mut_ptr().add(at);
                            let w = L::load(self.weight.as_ptr().add(k * c + at));
                            g.mul_add(w, L::load(to)).store(to);
                        }
                    }
                }
            }
        }
    }
}
