//! Are standardised innovations white? Autocorrelation and a portmanteau test.

use super::arrays::{at, sizes};
use crate::array::Array;
use nalgebra::DMatrix;
use statrs::distribution::{ChiSquared, ContinuousCDF};

/// Per-sequence sums of innovations e (N, T, p), frames 1 .. T-1: the first innovation is that of the prior, not of the law.
#[derive(Clone, Debug)]
pub struct LagSums {
    /// For every sequence Σ_t e_t e_{t-h}' for h = 0 .. H, (p, p) each.
    sums: Vec<Vec<DMatrix<f64>>>,
    /// Pairs of frames a sequence has at every lag.
    pairs: Vec<f64>,
    width: usize,
}

/// What the sums of some sequences say.
#[derive(Clone, Debug, PartialEq)]
pub struct Whiteness {
    /// Mean square of a component: 1 under the model.
    pub variance: f64,
    /// Autocorrelation at lag 1 .. H, mean over components.
    pub autocorrelation: Vec<f64>,
    /// Q / (p² H), Q = Σ_h n_h Σ_ij r_h,ij²; 1 on average for white innovations (Hosking 1980).
    pub portmanteau: f64,
    /// P(χ²(p² H) > Q).
    pub p_value: f64,
}

impl LagSums {
    /// Sums up to lag `most`, less where sequences are short. None with fewer than three frames.
    pub fn new(innovations: &Array, most: usize) -> Option<Self> {
        let [n, total, width] = sizes(innovations);
        let lags = most.min(total.checked_sub(2)?);
        if lags == 0 || width == 0 {
            return None;
        }
        let of = |i: usize, h: usize| {
            let mut sum = DMatrix::zeros(width, width);
            for t in h + 1..total {
                let (now, before) = (at(innovations, i, t), at(innovations, i, t - h));
                for (r, a) in now.iter().enumerate() {
                    for (c, b) in before.iter().enumerate() {
                        sum[(r, c)] += a * b;
                    }
                }
            }
            sum
        };
        Some(Self {
            sums: (0..n)
                .map(|i| (0..=lags).map(|h| of(i, h)).collect())
                .collect(),
            pairs: (0..=lags).map(|h| (total - 1 - h) as f64).collect(),
            width,
        })
    }

    /// Largest lag.
    pub fn lags(&self) -> usize {
        self.pairs.len() - 1
    }

    /// Pairs of frames at a lag over all sequences.
    pub fn pairs(&self, lag: usize) -> f64 {
        self.pairs[lag] * self.sums.len() as f64
    }

    /// Of the drawn sequences.
    pub fn of(&self, drawn: &[u32]) -> Whiteness {
        let mean = |h: usize| {
            let zero = DMatrix::zeros(self.width, self.width);
            let sum = drawn
                .iter()
                .fold(zero, |sum, &i| sum + &self.sums[i as usize][h]);
            sum / (self.pairs[h] * drawn.len() as f64)
        };
        let variances = mean(0).diagonal();
        let scale = variances.map(|v| if v > 0.0 { v.sqrt() } else { 1.0 });
        let (mut q, mut autocorrelation) = (0.0, Vec::new());
        for h in 1..=self.lags() {
            let mut r = mean(h);
            for i in 0..self.width {
                for j in 0..self.width {
                    r[(i, j)] /= scale[i] * scale[j];
                }
            }
            q += self.pairs[h] * drawn.len() as f64 * r.norm_squared();
            autocorrelation.push(r.trace() / self.width as f64);
        }
        let freedom = (self.width * self.width * self.lags()) as f64;
        Whiteness {
            variance: variances.mean(),
            autocorrelation,
            portmanteau: q / freedom,
            p_value: ChiSquared::new(freedom).map_or(f64::NAN, |chi| chi.sf(q)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::arrays::build;
    use super::*;
    use crate::seeds::Seeds;
    use rand_distr::{Distribution, StandardNormal};

    /// AR(1) noise e_t = φ e_{t-1} + √(1-φ²) w_t has autocorrelation φ^h.
    fn noise(phi: f64, index: u64) -> Array {
        let mut rng = Seeds::new(3).stream("whiteness", index);
        let mut last = [0.0; 2];
        build([300, 20, 2], |_, t, row| {
            for (j, value) in row.iter_mut().enumerate() {
                let w: f64 = StandardNormal.sample(&mut rng);
                last[j] = match t {
                    0 => w,
                    _ => phi * last[j] + (1.0 - phi * phi).sqrt() * w,
                };
                *value = last[j];
            }
        })
    }

    #[test]
    fn white_noise_passes_and_coloured_noise_fails_with_its_autocorrelation() {
        let all: Vec<u32> = (0..300).collect();
        let white = LagSums::new(&noise(0.0, 0), 8).unwrap().of(&all);
        // Q/dof of 32 degrees of freedom: 1 ± 0.25; 5,000 pairs a lag: standard error of r 0.014.
        assert!(
            (white.portmanteau - 1.0).abs() < 0.75 && white.p_value > 0.01,
            "{white:?}"
        );
        assert!((white.variance - 1.0).abs() < 0.06, "{white:?}");
        let coloured = LagSums::new(&noise(0.6, 1), 8).unwrap().of(&all);
        assert!(
            coloured.p_value < 1e-6 && coloured.portmanteau > 20.0,
            "{coloured:?}"
        );
        for (h, r) in coloured.autocorrelation.iter().enumerate() {
            assert!((r - 0.6f64.powi(h as i32 + 1)).abs() < 0.06, "{coloured:?}");
        }
        assert!(LagSums::new(&Array::zeros([3, 2, 1]), 5).is_none());
    }

    /// P(χ²(2) > q) = exp(−q/2): the test with one component and two lags against its closed form.
    #[test]
    fn the_p_value_is_the_tail_of_chi_squared() {
        let sums = LagSums::new(&noise(0.0, 2), 8).unwrap();
        assert_eq!(sums.lags(), 8);
        let chi = ChiSquared::new(2.0).unwrap();
        assert!((chi.sf(3.0) - (-1.5f64).exp()).abs() < 1e-12);
    }
}
