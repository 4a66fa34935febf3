//! What a model's beliefs are about, given what, and what the arrays of them are called.

use serde::{Deserialize, Serialize};

/// How often a latent has a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// One a clip: content.
    Clip,
    /// One a frame.
    Frame,
    /// One every so many frames: a slow level.
    Every(usize),
}

/// What kind of number it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Real, with a mean and a variance or covariance.
    Gaussian,
    /// One of so many classes, or several such variables after each other: a belief is their probabilities, `size` in all.
    Categorical(usize),
    /// Computed, without a distribution: a recurrent state.
    Deterministic,
}

/// One latent variable of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latent {
    /// As the equations have it: `z`, `a`, `h`.
    pub name: String,
    /// Dimensions.
    pub size: usize,
    /// How often it has a value.
    pub per: Per,
    /// What kind of number it is.
    pub kind: Kind,
    /// Whether one frame alone tells of it: q(a_t | x_t).
    pub alone: bool,
    /// Whether there are beliefs given the past, everything, or the first frames.
    pub in_time: bool,
    /// Whether later frames change what is believed of it.
    pub smoothed: bool,
}

impl Latent {
    /// A Gaussian latent a frame that is filtered, smoothed and predicted.
    pub fn state(name: &str, size: usize) -> Self {
        Self {
            name: name.into(),
            size,
            per: Per::Frame,
            kind: Kind::Gaussian,
            alone: false,
            in_time: true,
            smoothed: true,
        }
    }

    /// A Gaussian code that a frame alone tells of.
    pub fn code(name: &str, size: usize) -> Self {
        Self {
            alone: true,
            in_time: false,
            smoothed: false,
            ..Self::state(name, size)
        }
    }

    /// The same with another kind.
    pub fn of_kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// The same where later frames change nothing.
    pub fn filtered_only(self) -> Self {
        Self {
            smoothed: false,
            ..self
        }
    }

    /// Whether a model with this latent has a belief about it given that.
    pub fn has_belief(&self, given: Given) -> bool {
        match given {
            Given::Alone => self.alone,
            Given::All => self.in_time && self.smoothed,
            Given::UpTo | Given::First(_) => self.in_time,
        }
    }
}

/// What a belief about frame t is conditioned on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// Frame t alone.
    Alone,
    /// Frames 0..=t: filtering.
    UpTo,
    /// All frames of the clip: smoothing.
    All,
    /// The first so many frames: filtering there, open loop after.
    First(usize),
}

impl Given {
    /// As the names of stored arrays have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Alone => "encoder",
            Self::UpTo => "filtered",
            Self::All => "smoothed",
            Self::First(_) => "predicted",
        }
    }
}

/// What the array `name` of a model's beliefs is called in a file: `filtered` for the first latent that the model has
/// beliefs about given that, `<latent>_filtered` for the others, each with its `_var`, `_cov` or `_kl`. What belongs to
/// no latent keeps its name.
pub fn stored_name(latents: &[Latent], given: Given, name: &str) -> String {
    let held = || latents.iter().filter(|latent| latent.has_belief(given));
    for (i, latent) in held().enumerate() {
        let Some(part) = name.strip_prefix(latent.name.as_str()) else {
            continue;
        };
        if !["", "_var", "_cov", "_kl"].contains(&part) {
            continue;
        }
        return match i {
            0 => format!("{}{part}", given.word()),
            _ => format!("{}_{}{part}", latent.name, given.word()),
        };
    }
    name.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_latent_has_the_plain_name_and_the_others_their_own() {
        let latents = [
            Latent::state("z", 4),
            Latent::state("modes", 3).of_kind(Kind::Categorical(3)),
            Latent::code("a", 2),
        ];
        let name = |given, name| stored_name(&latents, given, name);
        assert_eq!(name(Given::UpTo, "z"), "filtered");
        assert_eq!(name(Given::All, "z_cov"), "smoothed_cov");
        assert_eq!(name(Given::UpTo, "modes"), "modes_filtered");
        assert_eq!(name(Given::Alone, "a_var"), "encoder_var");
        assert_eq!(name(Given::UpTo, "innovations"), "innovations");
    }
}
