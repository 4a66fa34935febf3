//! What training climbs, in named terms: on their tape, and as what every clip and frame adds.

use crate::error::Result;
use nn::tensor::{PerRow, value};
use nn::{Float, Grad, Scalar, ops};

/// Who climbs a term; each has an optimiser of its own, for parameters of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Player {
    /// The model.
    Model,
    /// What the model plays against: parameters whose names start with `adversary.`.
    Adversary,
}

impl Player {
    /// Both, in the order in which they move.
    pub const ALL: [Self; 2] = [Self::Model, Self::Adversary];

    /// Whose a parameter is.
    pub fn of(parameter: &str) -> Self {
        match parameter.starts_with("adversary.") {
            true => Self::Adversary,
            false => Self::Model,
        }
    }
}

/// Where training stands: what weights of terms follow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// Optimiser steps made.
    pub step: usize,
    /// Weight of all terms about latents, 1 after the warm-up (`train.latent_weight`).
    pub latent_weight: f64,
    /// Weight of all terms beside the bound, on top of their own.
    pub beside: f64,
}

impl Schedule {
    /// Whether it is [`Self::bound`]: what is reported, not what is climbed.
    pub fn is_bound(&self) -> bool {
        *self == Self::bound()
    }

    /// As the evidence lower bound is defined: every weight of its terms 1, nothing beside it.
    pub fn bound() -> Self {
        Self {
            step: usize::MAX,
            latent_weight: 1.0,
            beside: 0.0,
        }
    }
}

/// A term of the objective.
pub struct Term<F: Float> {
    /// As the log has it.
    pub name: &'static str,
    /// Its value on the tape, nats, summed over clips and frames.
    value: Scalar<F, Grad<F>>,
    /// +1 or -1: how `value` enters the bound.
    sign: f64,
    /// What every clip and frame adds to the bound, (B, T), its sign included. Of frames that are not seen, and of
    /// terms without a value for each frame, zeros or what the term says.
    pub per_frame: Vec<f64>,
    /// Weight in the objective.
    pub weight: f64,
    /// Who climbs it.
    pub player: Player,
    /// Whether it is part of the evidence lower bound: the bound is the sum of those terms.
    pub in_bound: bool,
}

impl<F: Float> Term<F> {
    /// A term of the bound that the model climbs with this weight.
    pub fn new(name: &'static str, of: PerRow<F, Grad<F>>, weight: f64) -> Self {
        Self {
            name,
            value: of.sum,
            sign: 1.0,
            per_frame: of.rows,
            weight,
            player: Player::Model,
            in_bound: true,
        }
    }

    /// The same for a quantity that the bound is lowered by: a divergence, log q.
    pub fn minus(name: &'static str, of: PerRow<F, Grad<F>>, weight: f64) -> Self {
        let mut term = Self::new(name, of, weight);
        term.sign = -1.0;
        term.per_frame.iter_mut().for_each(|v| *v = -*v);
        term
    }

    /// The same beside the bound.
    pub fn beside_the_bound(self) -> Self {
        Self {
            in_bound: false,
            ..self
        }
    }

    /// What a term of frames that are seen adds, at the places of these frames among all (B, T): `rows` as
    /// [`Observed::rows`](super::Observed).
    pub fn placed(mut self, rows: Option<&[Option<usize>]>) -> Self {
        if let Some(rows) = rows {
            let of = |row: &Option<usize>| row.map_or(0.0, |row| self.per_frame[row]);
            self.per_frame = rows.iter().map(of).collect();
        }
        self
    }

    /// Both as one, with the name and the weight of the first.
    ///
    /// # Errors
    /// Out of memory.
    pub fn plus(mut self, other: Self) -> Result<Self> {
        let pairs = self.per_frame.iter_mut().zip(&other.per_frame);
        pairs.for_each(|(to, value)| *to += value);
        let parts = vec![(self.value, 1.0), (other.value, other.sign * self.sign)];
        self.value = ops::weighted_sum(parts)?;
        Ok(self)
    }

    /// Its value in the bound, nats, summed over clips and frames.
    pub fn total(&self) -> f64 {
        match self.sign < 0.0 {
            true => -value(&self.value),
            false => value(&self.value),
        }
    }
}

/// What `player` climbs: the weighted sum of its terms on one tape; `None` where it has none.
///
/// # Errors
/// Out of memory.
pub fn objective<F: Float>(
    terms: Vec<Term<F>>,
    player: Player,
) -> Result<Option<Scalar<F, Grad<F>>>> {
    let own: Vec<_> = terms
        .into_iter()
        .filter(|term| term.player == player)
        .map(|term| (term.value, term.sign * term.weight))
        .collect();
    match own.is_empty() {
        true => Ok(None),
        false => Ok(Some(ops::weighted_sum(own)?)),
    }
}
