//! Free flight between two reflecting walls on every axis.

use super::{Gate, sigmoid};
use crate::{Error, Result};

/// A state of p positions and p displacements per frame; axis i flies freely between the walls `low[i]` and `high[i]`:
///
/// ```text
/// free          x' = x + v            v' = v
/// at a wall w   x' = 2w - (x + v)     v' = -v
/// g_high = sigmoid(kappa (x + v - high)),   g_low = sigmoid(kappa (low - x - v))
/// s = 1 - 2 (g_low + g_high - g_low g_high)
/// x' = s (x + v) + 2 (g_low low + g_high high),   v' = s v
/// ```
///
/// Parameters in order: low (p), high (p), ln kappa (p). Walls in units of the codes, kappa in their inverse.
#[derive(Clone, Debug, PartialEq)]
pub struct Reflecting {
    low: Vec<f64>,
    high: Vec<f64>,
    log_sharpness: Vec<f64>,
}

impl Reflecting {
    /// Walls and ln kappa of every axis.
    ///
    /// # Errors
    /// [`Error::Shape`] where their numbers differ or are zero.
    pub fn new(low: Vec<f64>, high: Vec<f64>, log_sharpness: Vec<f64>) -> Result<Self> {
        if low.is_empty() || low.len() != high.len() || low.len() != log_sharpness.len() {
            return Err(Error::Shape(format!(
                "reflecting: as many low as high walls and sharpnesses expected, at least one, got {}, {} and {}",
                low.len(),
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

    /// Axis i at a mean: kappa, x + v, g_low, g_high.
    fn gates(&self, mean: &[f64], i: usize) -> (f64, f64, f64, f64) {
        let kappa = self.log_sharpness[i].exp();
        let ahead = mean[i] + mean[self.low.len() + i];
        let low = sigmoid(kappa * (self.low[i] - ahead));
        let high = sigmoid(kappa * (ahead - self.high[i]));
        (kappa, ahead, low, high)
    }

    /// Every combination of walls, one side (-1 low, 0 none, 1 high) an axis: free flight first, then one wall, then corners.
    fn sides(&self) -> Vec<Vec<i8>> {
        let mut sides: Vec<Vec<i8>> = vec![vec![]];
        for _ in 0..self.low.len() {
            sides = sides
                .iter()
                .flat_map(|s| [0, -1, 1].map(|side| [&s[..], &[side]].concat()))
                .collect();
            if sides.len() > MOST_MODES {
                return Vec::new();
            }
        }
        sides.sort_by_key(|s| s.iter().filter(|&&side| side != 0).count());
        sides
    }
}

/// More combinations of walls than this (4 axes) are not told apart.
const MOST_MODES: usize = 81;

impl Gate for Reflecting {
    fn latent(&self) -> usize {
        2 * self.low.len()
    }

    fn parameters(&self) -> Vec<f64> {
        [&self.low[..], &self.high, &self.log_sharpness].concat()
    }

    /// One mode for every combination of walls: `free`, `low 1` .. `high p`, `low 1 + high 2`, ...
    fn modes(&self) -> (Vec<String>, Vec<f64>, Vec<f64>) {
        let p = self.low.len();
        let n = 2 * p;
        let (mut names, mut matrices, mut offsets) = (vec![], vec![], vec![]);
        for sides in self.sides() {
            let (mut matrix, mut offset) = (vec![0.0; n * n], vec![0.0; n]);
            let mut name = vec![];
            for (i, side) in sides.into_iter().enumerate() {
                let (sign, wall, word) = match side {
                    0 => (1.0, 0.0, ""),
                    -1 => (-1.0, self.low[i], "low"),
                    _ => (-1.0, self.high[i], "high"),
                };
                matrix[i * n + i] = sign;
                matrix[i * n + p + i] = sign;
                matrix[(p + i) * n + p + i] = sign;
                offset[i] = 2.0 * wall;
                if side != 0 {
                    name.push(format!("{word} {}", i + 1));
                }
            }
            names.push(match name.is_empty() {
                true => "free".into(),
                false => name.join(" + "),
            });
            matrices.extend(matrix);
            offsets.extend(offset);
        }
        (names, matrices, offsets)
    }

    /// Products over axes of "at no wall", "at the low one", "at the high one": (1 - g_low)(1 - g_high), and the rest shared in
    /// proportion to the gates. With these, A = sum_k alpha_k A_k, and b too where at most one gate of an axis is open.
    fn weights(&self, mean: &[f64]) -> Vec<f64> {
        let axes: Vec<[f64; 3]> = (0..self.low.len())
            .map(|i| {
                let (_, _, low, high) = self.gates(mean, i);
                let free = (1.0 - low) * (1.0 - high);
                let share = match low + high > 0.0 {
                    true => low / (low + high),
                    false => 0.5,
                };
                [(1.0 - free) * share, free, (1.0 - free) * (1.0 - share)]
            })
            .collect();
        let product = |sides: &Vec<i8>| {
            let each = sides.iter().zip(&axes);
            each.map(|(side, w)| w[(side + 1) as usize]).product()
        };
        self.sides().iter().map(product).collect()
    }

    fn transition(&self, mean: &[f64], matrix: &mut [f64], offset: &mut [f64]) {
        let p = self.low.len();
        let n = 2 * p;
        matrix.fill(0.0);
        offset.fill(0.0);
        for i in 0..p {
            let (_, _, low, high) = self.gates(mean, i);
            let sign = 1.0 - 2.0 * (low + high - low * high);
            matrix[i * n + i] = sign;
            matrix[i * n + p + i] = sign;
            matrix[(p + i) * n + p + i] = sign;
            offset[i] = 2.0 * (low * self.low[i] + high * self.high[i]);
        }
    }

    fn backward(
        &self,
        mean: &[f64],
        matrix_gradient: &[f64],
        offset_gradient: &[f64],
        mean_gradient: &mut [f64],
        parameter_gradient: &mut [f64],
    ) {
        let p = self.low.len();
        let n = 2 * p;
        for i in 0..p {
            let (kappa, ahead, low, high) = self.gates(mean, i);
            let in_sign = matrix_gradient[i * n + i]
                + matrix_gradient[i * n + p + i]
                + matrix_gradient[(p + i) * n + p + i];
            let in_offset = 2.0 * offset_gradient[i];
            // Gradients in the arguments of the two sigmoids.
            let in_low =
                (in_offset * self.low[i] - 2.0 * in_sign * (1.0 - high)) * low * (1.0 - low);
            let in_high =
                (in_offset * self.high[i] - 2.0 * in_sign * (1.0 - low)) * high * (1.0 - high);
            let in_ahead = kappa * (in_high - in_low);
            mean_gradient[i] += in_ahead;
            mean_gradient[p + i] += in_ahead;
            parameter_gradient[i] += in_offset * low + kappa * in_low;
            parameter_gradient[p + i] += in_offset * high - kappa * in_high;
            parameter_gradient[2 * p + i] +=
                kappa * (in_low * (self.low[i] - ahead) + in_high * (ahead - self.high[i]));
        }
    }
}
