//! What of a trained model travels to where it watches.

use base64::{Engine, engine::general_purpose::STANDARD};
use lgssm::Lgssm;
use lgssm::switching::Modes;
use nn::decoder::DecoderConfig;
use nn::encoder::EncoderConfig;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Networks, law and what tells seen frames from hidden ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parts {
    /// (C, H, W) of a frame.
    pub frame: [usize; 3],
    /// Code dimensions, p.
    pub codes: usize,
    /// Frames to codes.
    pub encoder: EncoderConfig,
    /// Codes to frames.
    pub decoder: DecoderConfig,
    /// From the decoder's outputs to pixels.
    pub pixels: Squash,
    /// Weights by their names in the model file: `encoder..`, `decoder..`.
    pub weights: BTreeMap<String, Singles>,
    /// The law, or what its modes have in common.
    pub law: Lgssm,
    /// Modes that the state chooses between; none of one linear law.
    pub modes: Option<Modes>,
    /// Mode paths that are followed at once.
    pub hypotheses: usize,
    /// Foreground, sum |x - background| over pixels in [0, 1], below which a frame's code is no measurement; 0 for none.
    pub least_foreground: f64,
}

/// From a decoder's outputs to pixels in [0, 1].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Squash {
    /// 1 / (1 + exp(-y)).
    Sigmoid,
    /// y, cut off at 0 and 1.
    Clamp,
}

/// Numbers in single precision; little-endian base64 in JSON.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Singles(pub Vec<f32>);

impl Serialize for Singles {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let bytes: Vec<u8> = self.0.iter().flat_map(|v| v.to_le_bytes()).collect();
        to.serialize_str(&STANDARD.encode(bytes))
    }
}

impl<'de> Deserialize<'de> for Singles {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let bytes = STANDARD
            .decode(String::deserialize(from)?)
            .map_err(D::Error::custom)?;
        let (numbers, rest) = bytes.as_chunks::<4>();
        if !rest.is_empty() {
            let got = bytes.len();
            return Err(D::Error::custom(format!(
                "expected four bytes a number, got {got} bytes"
            )));
        }
        Ok(Self(
            numbers.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        ))
    }
}
