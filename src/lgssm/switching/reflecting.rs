//! Free flight between two reflecting walls on every axis, as modes.

use super::modes::{Modes, ModesGradient};
use crate::{Error, Result};

/// A state of p positions and p displacements per frame; axis i flies freely between the walls `low[i]` and `high[i]`:
///
/// ```text
/// free          x' = x + v            v' = v
/// at a wall w   x' = 2w - (x + v)     v' = -v
/// features      kappa (x + v - high)  and  kappa (low - x - v)
/// ```
///
/// with 3^p modes, free flight first: every axis is free, at its low wall or at its high wall, and the features of the axes add up, so
/// their probabilities multiply. Parameters in order: low (p), high (p), ln kappa (p). Walls in units of the codes, kappa in their
/// inverse.
#[derive(Clone, Debug, PartialEq)]
pub struct Reflecting {
    low: Vec<f64>,
    high: Vec<f64>,
    log_sharpness: Vec<f64>,
}

/// Most axes: 81 modes.
const MOST_AXES: usize = 4;

/// Where an axis is in one mode.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Free,
    Low,
    High,
}

impl Reflecting {
    /// Walls and ln kappa of every axis.
    ///
    /// # Errors
    /// [`Error::Shape`] where their numbers differ, are zero or above 4.
    pub fn new(low: Vec<f64>, high: Vec<f64>, log_sharpness: Vec<f64>) -> Result<Self> {
        let axes = low.len();
        if axes == 0 || axes > MOST_AXES || axes != high.len() || axes != log_sharpness.len() {
            return Err(Error::Shape(format!(
                "reflecting: as many low as high walls and sharpnesses expected, 1 to {MOST_AXES}, got {axes}, {} and {}",
                high.len(),
                log_sharpness.len()
            )));
        }
        Ok(Self {
            low,
            high,
            log_sharpness,
        })
    }

    /// Side of axis i in a mode: digit i of the mode's number in base 3.
    fn side(mode: usize, i: usize) -> Side {
        let digit = (0..i).fold(mode, |m, _| m / 3) % 3;
        [Side::Free, Side::Low, Side::High][digit]
    }

    /// A name for every mode: `free`, or the walls that are hit, such as `x low` or `x high, y low`.
    pub fn names(axes: usize) -> Vec<String> {
        let axis = |i: usize| ["x", "y", "z", "w"][i % MOST_AXES];
        (0..3_usize.pow(axes as u32))
            .map(|mode| {
                let hit: Vec<String> = (0..axes)
                    .filter_map(|i| match Self::side(mode, i) {
                        Side::Free => None,
                        Side::Low => Some(format!("{} low", axis(i))),
                        Side::High => Some(format!("{} high", axis(i))),
                    })
                    .collect();
                match hit.is_empty() {
                    true => "free".into(),
                    false => hit.join(", "),
                }
            })
            .collect()
    }

    /// The modes that these walls stand for.
    ///
    /// # Errors
    /// None for walls that [`Self::new`] took.
    pub fn modes(&self) -> Result<Modes> {
        let p = self.low.len();
        let (n, count, features) = (2 * p, 3_usize.pow(p as u32), 2 * p);
        let mut values = ModesGradient {
            matrices: vec![0.0; count * n * n],
            offsets: vec![0.0; count * n],
            directions: vec![0.0; features * n],
            biases: vec![0.0; features],
        };
        let mut uses = vec![false; count * features];
        for i in 0..p {
            let kappa = self.log_sharpness[i].exp();
            // Features 2i: beyond the low wall; 2i + 1: beyond the high one.
            for (j, sign, wall) in [(2 * i, -1.0, self.low[i]), (2 * i + 1, 1.0, self.high[i])] {
                values.directions[j * n + i] = sign * kappa;
                values.directions[j * n + p + i] = sign * kappa;
                values.biases[j] = -sign * kappa * wall;
            }
        }
        for mode in 0..count {
            let matrix = &mut values.matrices[mode * n * n..][..n * n];
            for i in 0..p {
                let side = Self::side(mode, i);
                let sign = if side == Side::Free { 1.0 } else { -1.0 };
                matrix[i * n + i] = sign;
                matrix[i * n + p + i] = sign;
                matrix[(p + i) * n + p + i] = sign;
                values.offsets[mode * n + i] = match side {
                    Side::Free => 0.0,
                    Side::Low => 2.0 * self.low[i],
                    Side::High => 2.0 * self.high[i],
                };
                match side {
                    Side::Free => (),
                    Side::Low => uses[mode * features + 2 * i] = true,
                    Side::High => uses[mode * features + 2 * i + 1] = true,
                }
            }
        }
        Modes::new(n, values, uses)
    }

    /// Gradient in the parameters, in their order, from that in the modes.
    pub fn gradient(&self, of_modes: &ModesGradient) -> Vec<f64> {
        let p = self.low.len();
        let n = 2 * p;
        let mut out = vec![0.0; 3 * p];
        for i in 0..p {
            let kappa = self.log_sharpness[i].exp();
            for (j, sign, wall, at) in [
                (2 * i, -1.0, self.low[i], i),
                (2 * i + 1, 1.0, self.high[i], p + i),
            ] {
                out[at] -= sign * kappa * of_modes.biases[j];
                let of_kappa = of_modes.directions[j * n + i] + of_modes.directions[j * n + p + i]
                    - wall * of_modes.biases[j];
                out[2 * p + i] += sign * kappa * of_kappa;
            }
            for mode in 0..of_modes.offsets.len() / n {
                let of_offset = 2.0 * of_modes.offsets[mode * n + i];
                match Self::side(mode, i) {
                    Side::Free => (),
                    Side::Low => out[i] += of_offset,
                    Side::High => out[p + i] += of_offset,
                }
            }
        }
        out
    }
}
