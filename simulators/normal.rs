//! Standard normal draws with the same bits on every platform.
//!
//! The ziggurat of 256 layers (Doornik 2005, "ZIGNOR"), draw for draw that of `rand_distr::StandardNormal`: the same numbers
//! are taken from the stream and the same values come out, to the rounding of its tables. That one takes `exp` and `ln`
//! from the C library, so that one draw in some 100,000 would have other last digits elsewhere.

use crate::Rng;
use crate::elementary::{exp, ln};
use rand::RngExt;
use rand_chacha::rand_core::Rng as _;
use rand_distr::Open01;
use std::sync::LazyLock;

/// Where the tail begins.
const TAIL: f64 = 3.654_152_885_361_009;
/// Area of each layer, of the tail with the box under it too; as many digits as the published tables were made with.
const AREA: f64 = 0.004_928_673_233_99;

/// exp(-x^2 / 2), the density without its constant.
fn density(x: f64) -> f64 {
    exp(-0.5 * x * x)
}

/// Right edges x of the layers, falling, and densities there; the first edge stands for the tail with the box under it.
static LAYERS: LazyLock<[[f64; 257]; 2]> = LazyLock::new(|| {
    let mut edges = [0.0; 257];
    edges[0] = AREA / density(TAIL);
    edges[1] = TAIL;
    for i in 2..256 {
        let above = AREA / edges[i - 1] + density(edges[i - 1]);
        edges[i] = (-2.0 * ln(above)).sqrt();
    }
    [edges, edges.map(density)]
});

/// One draw of a normal with mean 0 and standard deviation 1.
pub(crate) fn standard_normal(rng: &mut Rng) -> f64 {
    let [edges, heights] = &*LAYERS;
    loop {
        let bits = rng.next_u64();
        let layer = (bits & 0xff) as usize;
        // 52 bits as a number in [2, 4), moved to [-1, 1).
        let u = f64::from_bits((1024 << 52) | (bits >> 12)) - 3.0;
        let x = u * edges[layer];
        if x.abs() < edges[layer + 1] {
            return x;
        }
        if layer == 0 {
            return beyond(rng).copysign(u);
        }
        let [low, high] = [heights[layer], heights[layer + 1]];
        if high + (low - high) * rng.random::<f64>() < density(x) {
            return x;
        }
    }
}

/// A draw given that it is above [`TAIL`] (Marsaglia 1964).
fn beyond(rng: &mut Rng) -> f64 {
    loop {
        let [x, y] = [0; 2].map(|_| ln(rng.sample(Open01)));
        let x = x / TAIL;
        if -2.0 * y >= x * x {
            return TAIL - x;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::rand_core::SeedableRng;
    use rand_distr::{Distribution, StandardNormal};

    #[test]
    fn draws_are_those_of_rand_distr_from_the_same_numbers_of_the_stream() {
        let [mut own, mut other] = [0; 2].map(|_| Rng::seed_from_u64(7));
        let (mut tail, mut worst) = (0, 0.0f64);
        for i in 0..1_000_000 {
            let (x, y): (f64, f64) = (standard_normal(&mut own), StandardNormal.sample(&mut other));
            // The tables are made, not copied: a recursion over 255 layers, which magnifies roundings of 1e-16.
            assert!(
                (x - y).abs() < 1e-12 * (1.0 + y.abs()),
                "draw {i}: {x} and {y}"
            );
            worst = worst.max((x - y).abs());
            tail += usize::from(x.abs() > TAIL);
        }
        println!("largest difference {worst:e}, {tail} draws in the tail");
        // 1e6 draws, 258 expected: the tail was visited.
        assert!((180..340).contains(&tail), "{tail}");
    }
}
