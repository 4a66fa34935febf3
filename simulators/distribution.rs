//! Distributions of physical parameters, as YAML writes them: a bare number, or a one-key map.

use crate::{Error, Rng};
use rand_distr::{Distribution as _, Normal, Uniform};
use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
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

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    low: f64,
    high: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Moments {
    mean: f64,
    std: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Clipped {
    mean: f64,
    std: f64,
    low: f64,
    high: f64,
}

const NAMES: &[&str] = &["uniform", "normal", "clipped_normal"];

impl Distribution {
    /// One draw. A constant takes nothing from the stream.
    ///
    /// # Errors
    /// [`Error::Parameter`] where [`Distribution::check`] would have refused.
    pub fn sample(&self, rng: &mut Rng) -> Result<f64, Error> {
        let normal = |mean: f64, std: f64, rng: &mut Rng| match Normal::new(mean, std) {
            Ok(normal) => Ok(normal.sample(rng)),
            Err(_) => Err(Error::parameter("std", "finite and at least 0", std)),
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

impl Serialize for Distribution {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Self::Constant(value) = self {
            return serializer.serialize_f64(*value);
        }
        let mut map = serializer.serialize_map(Some(1))?;
        match *self {
            Self::Constant(_) => {} // written above
            Self::Uniform { low, high } => map.serialize_entry("uniform", &Limits { low, high })?,
            Self::Normal { mean, std } => map.serialize_entry("normal", &Moments { mean, std })?,
            Self::ClippedNormal {
                mean,
                std,
                low,
                high,
            } => map.serialize_entry(
                "clipped_normal",
                &Clipped {
                    mean,
                    std,
                    low,
                    high,
                },
            )?,
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Distribution {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DistributionVisitor)
    }
}

struct DistributionVisitor;

impl<'de> Visitor<'de> for DistributionVisitor {
    type Value = Distribution;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a number, or a map with one key of {NAMES:?}")
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Distribution, E> {
        Ok(Distribution::Constant(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Distribution, E> {
        Ok(Distribution::Constant(value as f64))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Distribution, E> {
        Ok(Distribution::Constant(value as f64))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Distribution, A::Error> {
        let Some(name) = map.next_key::<String>()? else {
            return Err(de::Error::invalid_length(0, &self));
        };
        let found = match name.as_str() {
            "uniform" => {
                let Limits { low, high } = map.next_value()?;
                Distribution::Uniform { low, high }
            }
            "normal" => {
                let Moments { mean, std } = map.next_value()?;
                Distribution::Normal { mean, std }
            }
            "clipped_normal" => {
                let Clipped {
                    mean,
                    std,
                    low,
                    high,
                } = map.next_value()?;
                Distribution::ClippedNormal {
                    mean,
                    std,
                    low,
                    high,
                }
            }
            other => return Err(de::Error::unknown_variant(other, NAMES)),
        };
        if let Some(second) = map.next_key::<String>()? {
            return Err(de::Error::custom(format!(
                "a distribution has one key, found {name:?} and {second:?}"
            )));
        }
        Ok(found)
    }
}
