//! Looks: colours, background texture and sensor noise, drawn once per sequence, apart from the physics.

use crate::{Column, Distribution, Error, Rng};
use rand_chacha::rand_core::{Rng as _, SeedableRng};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A colour as hue, saturation and value, each a distribution. Grey pictures show the value alone.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Colour {
    /// Hue, deg: 0 red, 120 green, 240 blue. Default 0.
    pub hue: Distribution,
    /// 0 = grey, 1 = pure colour. Default 0.
    pub saturation: Distribution,
    /// 0 = black, 1 = as bright as the colour gets. Default 1.
    pub value: Distribution,
}

impl Default for Colour {
    /// White.
    fn default() -> Self {
        Self::grey(1.0)
    }
}

impl Colour {
    /// A grey: 0 = black, 1 = white.
    pub fn grey(value: f64) -> Self {
        Self {
            hue: Distribution::Constant(0.0),
            saturation: Distribution::Constant(0.0),
            value: Distribution::Constant(value),
        }
    }

    fn parts(&self) -> [(&'static str, &'static str, &Distribution); 3] {
        [
            ("hue", "deg", &self.hue),
            ("saturation", "1", &self.saturation),
            ("value", "1", &self.value),
        ]
    }

    fn check(&self, key: &str) -> Result<(), Error> {
        let unlimited = [f64::NEG_INFINITY, f64::INFINITY];
        let ranges = [unlimited, [0.0, 1.0], [0.0, 1.0]];
        let parts = self.parts().into_iter().zip(ranges);
        Error::all(
            parts.map(|((name, _, law), [low, high])| {
                law.check(&format!("{key}.{name}"), low, high)
            }),
        )
    }
}

/// An uneven background: smooth random patches, added to the ground's brightness.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Texture {
    /// Greatest change of brightness, 0..=1. Default 0: an even ground.
    pub contrast: Distribution,
    /// Size of a patch, pixels, at least 1. Default 8.
    pub scale: Distribution,
}

impl Default for Texture {
    fn default() -> Self {
        Self {
            contrast: Distribution::Constant(0.0),
            scale: Distribution::Constant(8.0),
        }
    }
}

/// How a world is dressed, drawn once per sequence from a stream of its own: the motion does not depend on it.
///
/// ```
/// let yaml = "{ bodies: { hue: { uniform: { low: 0, high: 360 } }, saturation: 1 }, texture: { contrast: 0.2 } }";
/// let looks: simulators::Looks = serde_yaml::from_str(yaml)?;
/// # Ok::<(), serde_yaml::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Looks {
    /// Of every body, each drawn for itself. Default white.
    pub bodies: Colour,
    /// Of the walls. Default white.
    pub walls: Colour,
    /// Of the ground behind it all. Default black.
    pub ground: Colour,
    /// Unevenness of the ground.
    pub texture: Texture,
    /// Standard deviation of the normal noise of every pixel of every frame, as a share of white. Default 0.
    pub noise_std: Distribution,
}

impl Default for Looks {
    /// White on black, even, without noise.
    fn default() -> Self {
        Self {
            bodies: Colour::default(),
            walls: Colour::default(),
            ground: Colour::grey(0.0),
            texture: Texture::default(),
            noise_std: Distribution::Constant(0.0),
        }
    }
}

impl Looks {
    /// Whether everything is as it is when nothing is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Parameter`] names the key, the expected range and the value.
    pub fn check(&self) -> Result<(), Error> {
        let Texture { contrast, scale } = &self.texture;
        Error::all([
            self.bodies.check("video.looks.bodies"),
            self.walls.check("video.looks.walls"),
            self.ground.check("video.looks.ground"),
            contrast.check("video.looks.texture.contrast", 0.0, 1.0),
            scale.check("video.looks.texture.scale", 1.0, f64::INFINITY),
            self.noise_std.check("video.looks.noise_std", 0.0, 1.0),
        ])
    }

    /// Everything that is drawn, in order, with its name: of every part of the world, then what is there once.
    fn laws(&self, parts: &[String]) -> Vec<(String, &'static str, &Distribution)> {
        let mut all = Vec::new();
        let coloured = parts.iter().map(|part| (part.as_str(), &self.bodies));
        for (of, colour) in coloured.chain([("walls", &self.walls), ("ground", &self.ground)]) {
            for (name, unit, law) in colour.parts() {
                all.push((format!("look_{of}_{name}"), unit, law));
            }
        }
        all.push(("look_texture_contrast".into(), "1", &self.texture.contrast));
        all.push(("look_texture_scale".into(), "pixel", &self.texture.scale));
        all.push(("look_noise_std".into(), "1", &self.noise_std));
        all
    }

    /// Name and unit of [`Look::numbers`], for a world of these parts.
    pub fn columns(&self, parts: &[String]) -> Vec<Column> {
        let drawn = self
            .laws(parts)
            .into_iter()
            .filter(|(_, _, law)| !law.is_constant());
        drawn
            .map(|(name, unit, _)| Column {
                name,
                unit: unit.into(),
            })
            .collect()
    }

    /// Draws the look of one sequence of a world of these parts.
    ///
    /// # Errors
    /// [`Error::Parameter`] where [`Looks::check`] would have refused.
    pub fn draw(&self, parts: &[String], rng: &mut Rng) -> Result<Look, Error> {
        if self.is_default() {
            return Ok(Look::plain(parts.len())); // nothing is taken from the stream
        }
        let (mut values, mut numbers) = (Vec::new(), Vec::new());
        for (_, _, law) in self.laws(parts) {
            let value = law.sample(rng)?;
            values.push(value);
            if !law.is_constant() {
                numbers.push(value);
            }
        }
        let colour = |k: usize| [values[3 * k], values[3 * k + 1], values[3 * k + 2]];
        let n = parts.len();
        let rest = 3 * (n + 2);
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        Ok(Look {
            parts: (0..n).map(colour).collect(),
            walls: colour(n),
            ground: colour(n + 1),
            contrast: values[rest],
            scale: values[rest + 1],
            noise_std: values[rest + 2],
            grain: Rng::from_seed(seed),
            numbers,
        })
    }
}

/// The look of one sequence.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// Hue (deg), saturation and value of every part.
    pub parts: Vec<[f64; 3]>,
    /// The same of the walls.
    pub walls: [f64; 3],
    /// The same of the ground.
    pub ground: [f64; 3],
    /// Greatest change of the ground's brightness, 0..=1.
    pub contrast: f64,
    /// Size of its patches, pixels.
    pub scale: f64,
    /// Standard deviation of the noise, as a share of white.
    pub noise_std: f64,
    /// What patches and noise are drawn from.
    pub(crate) grain: Rng,
    /// What was drawn, in the order of [`Looks::columns`].
    pub numbers: Vec<f64>,
}

impl Look {
    /// White parts and walls on black, without noise.
    pub fn plain(parts: usize) -> Self {
        const WHITE: [f64; 3] = [0.0, 0.0, 1.0];
        Self {
            parts: vec![WHITE; parts],
            walls: WHITE,
            ground: [0.0; 3],
            contrast: 0.0,
            scale: 8.0,
            noise_std: 0.0,
            grain: Rng::from_seed([0; 32]),
            numbers: Vec::new(),
        }
    }
}

/// Share of white in each channel: one of grey, or red, green and blue.
///
/// Source of the conversion: Smith, Color gamut transform pairs, SIGGRAPH 1978.
pub(crate) fn channels([hue, saturation, value]: [f64; 3], coloured: bool) -> Vec<f64> {
    if !coloured {
        return vec![value];
    }
    let channel = |n: f64| {
        let k = (n + hue / 60.0).rem_euclid(6.0);
        value - value * saturation * k.min(4.0 - k).clamp(0.0, 1.0)
    };
    vec![channel(5.0), channel(3.0), channel(1.0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hues_are_where_the_colour_wheel_has_them() {
        for (hue, want) in [
            (0.0, [1.0, 0.0, 0.0]),
            (60.0, [1.0, 1.0, 0.0]),
            (120.0, [0.0, 1.0, 0.0]),
            (240.0, [0.0, 0.0, 1.0]),
            (-60.0, [1.0, 0.0, 1.0]),
            (390.0, [1.0, 0.5, 0.0]),
        ] {
            assert_eq!(channels([hue, 1.0, 1.0], true), want, "{hue}");
        }
        assert_eq!(channels([77.0, 0.0, 0.25], true), [0.25; 3]);
        assert_eq!(channels([77.0, 1.0, 0.25], false), [0.25]);
    }

    #[test]
    fn what_is_drawn_has_a_column_and_what_is_not_has_none() {
        let parts = ["one".to_string(), "two".to_string()];
        let mut rng = Rng::from_seed([1; 32]);
        let plain = Looks::default();
        assert!(plain.columns(&parts).is_empty());
        let before = rng.clone();
        assert_eq!(plain.draw(&parts, &mut rng).unwrap(), Look::plain(2));
        assert_eq!(rng, before);
        let hue = Distribution::Uniform {
            low: 0.0,
            high: 360.0,
        };
        let looks = Looks {
            bodies: Colour {
                hue,
                ..Colour::default()
            },
            ..plain
        };
        let names: Vec<_> = looks.columns(&parts).into_iter().map(|c| c.name).collect();
        assert_eq!(names, ["look_one_hue", "look_two_hue"]);
        let look = looks.draw(&parts, &mut rng).unwrap();
        assert_eq!(look.numbers, [look.parts[0][0], look.parts[1][0]]);
        assert_ne!(look.parts[0], look.parts[1]);
    }
}
