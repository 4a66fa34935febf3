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
}

impl Gate for Reflecting {
    fn latent(&self) -> usize {
        2 * self.low.len()
    }

    fn parameters(&self) -> Vec<f64> {
        [&self.low[..], &self.high, &self.log_sharpness].concat()
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
