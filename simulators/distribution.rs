//! Distributions of physical parameters, drawn once per sequence.

mod yaml;

use crate::normal::standard_normal;
use crate::{Error, Rng};
use rand_distr::{Distribution as _, Uniform};
use std::fmt;

/// The distribution of one number, drawn once per sequence. In YAML:
///
/// ```yaml
/// radius: 3
/// speed: { uniform: { low: 10, high: 15 } }
/// gravity: [0, { normal: { mean: -5, std: 1 } }]
/// start: [{ clipped_normal: { mean: 16, std: 10, low: 6, high: 26 } }, 16]
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distribution {
    /// Always this number; a bare number in YAML.
    Constant(f64),
    /// Uniform over low..=high.
    Uniform {
        /// Least value.
        low: f64,
        /// Greatest value.
        high: f64,
    },
    /// Normal.
    Normal {
        /// Mean.
        mean: f64,
        /// Standard deviation.
        std: f64,
    },
    /// Normal, values beyond a limit moved to the limit (so the limits have probability of their own).
    ClippedNormal {
        /// Mean before clipping.
        mean: f64,
        /// Standard deviation before clipping.
        std: f64,
        /// Least value.
        low: f64,
        /// Greatest value.
        high: f64,
    },
}

impl Distribution {
    /// One draw. A constant takes nothing from the stream.
    ///
    /// # Errors
    /// [`Error::Parameter`] where [`Distribution::check`] would have refused.
    pub fn sample(&self, rng: &mut Rng) -> Result<f64, Error> {
        let normal = |mean: f64, std: f64, rng: &mut Rng| match std.is_finite() && std >= 0.0 {
            true => Ok(mean + std * standard_normal(rng)),
            false => Err(Error::parameter("std", "finite and at least 0", std)),
        };
        match *self {
            Self::Constant(value) => Ok(value),
            Self::Uniform { low, high } => match Uniform::new_inclusive(low, high) {
                Ok(uniform) => Ok(uniform.sample(rng)),
                Err(_) => Err(Error::parameter("uniform", "finite low <= high", self)),
            },
            Self::Normal { mean, std } => normal(mean, std, rng),
            Self::ClippedNormal {
                mean,
                std,
                low,
                high,
            } => Ok(normal(mean, std, rng)?.max(low).min(high)),
        }
    }

    /// Least and greatest value it can give; infinite for a normal.
    pub fn range(&self) -> [f64; 2] {
        match *self {
            Self::Constant(value) => [value, value],
            Self::Uniform { low, high } | Self::ClippedNormal { low, high, .. } => [low, high],
            Self::Normal { mean, std: 0.0 } => [mean, mean],
            Self::Normal { .. } => [f64::NEG_INFINITY, f64::INFINITY],
        }
    }

    /// Whether it always gives the same number and takes nothing from the stream.
    pub fn is_constant(&self) -> bool {
        matches!(self, Self::Constant(_))
    }

    /// Whether it is the constant 0.
    pub fn is_zero(&self) -> bool {
        *self == Self::Constant(0.0)
    }

    /// Checks that the distribution exists and gives values within `low..=high` only.
    ///
    /// # Errors
    /// [`Error::Parameter`] names `key`, the range and the distribution.
    pub fn check(&self, key: &str, low: f64, high: f64) -> Result<(), Error> {
        let [least, greatest] = self.range();
        let formed = match *self {
            Self::Constant(value) => value.is_finite(),
            Self::Uniform { low, high } => low <= high && (high - low).is_finite(),
            Self::Normal { mean, std } => mean.is_finite() && std.is_finite() && std >= 0.0,
            Self::ClippedNormal { mean, std, .. } => {
                mean.is_finite() && std.is_finite() && std >= 0.0 && least <= greatest
            }
        };
        if !formed {
            let expected = "finite numbers, low <= high and std >= 0";
            return Err(Error::parameter(key, expected, self));
        }
        if least < low || greatest > high {
            let expected = match (low.is_finite(), high.is_finite()) {
                (true, true) => format!("only values within {low}..={high}"),
                (true, false) => format!("only values of at least {low}"),
                _ => format!("only values of at most {high}"),
            };
            return Err(Error::parameter(key, expected, self));
        }
        Ok(())
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(value) => write!(f, "{value}"),
            Self::Uniform { low, high } => write!(f, "uniform {{low: {low}, high: {high}}}"),
            Self::Normal { mean, std } => write!(f, "normal {{mean: {mean}, std: {std}}}"),
            Self::ClippedNormal {
                mean,
                std,
                low,
                high,
            } => write!(
                f,
                "clipped_normal {{mean: {mean}, std: {std}, low: {low}, high: {high}}}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::rand_core::SeedableRng;

    #[test]
    fn draws_have_the_mean_and_variance_of_their_law_and_keep_to_the_range() {
        let n = 100_000;
        for (law, mean, std) in [
            (Distribution::Constant(2.0), 2.0, 0.0),
            // Uniform: (high - low) / sqrt 12.
            (
                Distribution::Uniform {
                    low: 10.0,
                    high: 15.0,
                },
                12.5,
                5.0 / 12f64.sqrt(),
            ),
            (
                Distribution::Normal {
                    mean: -5.0,
                    std: 2.0,
                },
                -5.0,
                2.0,
            ),
            // Standard normal clipped to +-1: variance erf(1/sqrt 2) - 2 phi(1) + 2 (1 - Phi(1)) = 0.51606.
            (
                Distribution::ClippedNormal {
                    mean: 0.0,
                    std: 1.0,
                    low: -1.0,
                    high: 1.0,
                },
                0.0,
                0.51606f64.sqrt(),
            ),
        ] {
            let mut rng = Rng::seed_from_u64(1);
            let draws: Vec<f64> = (0..n).map(|_| law.sample(&mut rng).unwrap()).collect();
            let [low, high] = law.range();
            assert!(draws.iter().all(|x| (low..=high).contains(x)), "{law}");
            let found = draws.iter().sum::<f64>() / n as f64;
            let variance = draws.iter().map(|x| (x - found).powi(2)).sum::<f64>() / n as f64;
            let error = std / (n as f64).sqrt();
            // 6 standard errors; that of a standard deviation is at most std / sqrt(2 n) (normal).
            assert!((found - mean).abs() <= 6.0 * error, "{law}: mean {found}");
            assert!(
                (variance.sqrt() - std).abs() <= 6.0 * error,
                "{law}: std {}",
                variance.sqrt()
            );
        }
    }
}
