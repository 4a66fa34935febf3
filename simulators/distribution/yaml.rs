//! How YAML writes a distribution: a bare number, or a one-key map.

use super::Distribution;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Limits {
    /// Least value.
    low: f64,
    /// Greatest value.
    high: f64,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Moments {
    /// Mean.
    mean: f64,
    /// Standard deviation.
    #[schemars(range(min = 0))]
    std: f64,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Clipped {
    /// Mean before clipping.
    mean: f64,
    /// Standard deviation before clipping.
    #[schemars(range(min = 0))]
    std: f64,
    /// Least value.
    low: f64,
    /// Greatest value.
    high: f64,
}

const NAMES: &[&str] = &["uniform", "normal", "clipped_normal"];

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

impl JsonSchema for Distribution {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Distribution".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let kind = |name: &str, about: &str, settings: Schema| {
            json_schema!({
                "type": "object",
                "description": about,
                "properties": { name: settings },
                "required": [name],
                "additionalProperties": false,
            })
        };
        json_schema!({
            "description": "One number, drawn once per sequence: a constant, or a law.",
            "anyOf": [
                { "type": "number", "description": "Always this number." },
                kind("uniform", "Uniform over low..=high.", generator.subschema_for::<Limits>()),
                kind("normal", "Normal.", generator.subschema_for::<Moments>()),
                kind(
                    "clipped_normal",
                    "Normal, values beyond a limit moved to the limit.",
                    generator.subschema_for::<Clipped>(),
                ),
            ],
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn yaml(text: &str) -> Result<Distribution, String> {
        serde_yaml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn every_kind_is_read_and_written_as_the_same_yaml_and_json() {
        for text in [
            "3",
            "-2.5",
            "{ uniform: { low: 10, high: 15 } }",
            "{ normal: { mean: -5, std: 1 } }",
            "{ clipped_normal: { mean: 16, std: 10, low: 6, high: 26 } }",
        ] {
            let read = yaml(text).unwrap();
            let written = serde_yaml::to_string(&read).unwrap();
            assert_eq!(yaml(&written), Ok(read), "{written}");
            let json = serde_json::to_string(&read).unwrap();
            assert_eq!(
                serde_json::from_str::<Distribution>(&json).unwrap(),
                read,
                "{json}"
            );
        }
    }

    #[test]
    fn a_wrong_name_lists_the_right_ones_and_a_wrong_key_is_named() {
        let error = yaml("{ gaussian: { mean: 0 } }").unwrap_err();
        assert!(
            error.contains("gaussian") && error.contains("clipped_normal"),
            "{error}"
        );
        let error = yaml("{ uniform: { low: 0, hihg: 1 } }").unwrap_err();
        assert!(
            error.contains("hihg") && error.contains("line 1"),
            "{error}"
        );
        let error = yaml("{ uniform: { low: 0, high: 1 }, normal: { mean: 0, std: 1 } }");
        assert!(error.unwrap_err().contains("one key"));
        let error = yaml("fast").unwrap_err();
        assert!(error.contains("a number, or a map"), "{error}");
    }
}
