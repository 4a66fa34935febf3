//! How a recurrent state goes on.

use crate::error::Result;
use crate::seeds::Rng;
use nn::layers::{Gru, Linear, Lstm, LstmState};
use nn::{Activation, Float, Mat, Module, Param, Track, ops};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a recurrent state s (B, h) goes on with inputs z (B, n).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TransitionConfig {
    /// s_t = GRU(s_{t-1}, z_t): bounded, and what to forget is learned.
    #[default]
    Gru,
    /// (s_t, c_t) = LSTM((s_{t-1}, c_{t-1}), z_t): the memory c adds up, so that gradients reach far back. A state holds
    /// both; frames, prior and posterior read s alone.
    Lstm,
    /// s_t = s_{t-1} + f(s_{t-1}, z_t), f with one hidden layer of h units with ReLU: a step of an equation of motion.
    /// A state that is linear in place and velocity can stay so, and nothing bounds it.
    Residual,
}

/// Share of f's last weights at the start: a state begins by standing still.
const START: f64 = 0.1;

impl TransitionConfig {
    /// Values of a state of `h` units, of which the first h are read.
    pub fn values(self, h: usize) -> usize {
        match self {
            Self::Lstm => 2 * h,
            Self::Gru | Self::Residual => h,
        }
    }

    /// For latents of n and states of h values.
    ///
    /// # Errors
    /// Out of memory.
    pub fn build<F: Float>(self, n: usize, h: usize, rng: &mut Rng) -> Result<Transition<F>> {
        self.between(n, h, h, rng)
    }

    /// The same with `hidden` units in place of h in what a residual step is computed by.
    ///
    /// # Errors
    /// Out of memory.
    pub fn between<F: Float>(
        self,
        n: usize,
        h: usize,
        hidden: usize,
        rng: &mut Rng,
    ) -> Result<Transition<F>> {
        Ok(match self {
            Self::Gru => Transition::Gru(Box::new(Gru::new(n, h, false, rng)?)),
            Self::Lstm => Transition::Lstm(Box::new(Lstm::new(n, h, rng)?)),
            Self::Residual => Transition::Residual(Box::new(Residual {
                hidden: Linear::new(n + h, hidden, Activation::Relu, rng)?,
                change: Linear::new(hidden, h, Activation::Identity, rng)?.scaled(START)?,
            })),
        })
    }
}

/// A built [`TransitionConfig`].
#[derive(Debug)]
pub enum Transition<F: Float> {
    /// See there.
    Gru(Box<Gru<F>>),
    /// See there.
    Lstm(Box<Lstm<F>>),
    /// See there.
    Residual(Box<Residual<F>>),
}

/// s + change(hidden(s, z)).
#[derive(Debug)]
pub struct Residual<F: Float> {
    /// (B, h + n) to (B, h).
    hidden: Linear<F>,
    /// To what is added.
    change: Linear<F>,
}

impl<F: Float> Transition<F> {
    /// s_t of z_t (B, n) and s_{t-1}, (B, [values](TransitionConfig::values)).
    ///
    /// # Errors
    /// Other sizes.
    pub fn step<T: Track<F>>(&self, z: &Mat<F, T>, state: &Mat<F, T>) -> Result<Mat<F, T>> {
        Ok(match self {
            Self::Gru(gru) => gru.step(z, state)?,
            Self::Lstm(lstm) => {
                let h = lstm.units();
                let before = LstmState {
                    hidden: ops::columns(state, 0..h)?,
                    memory: ops::columns(state, h..2 * h)?,
                };
                let after = lstm.step(z, &before)?;
                ops::concat(&[&after.hidden, &after.memory])?
            }
            Self::Residual(residual) => {
                let hidden = residual.hidden.forward(&ops::concat(&[state, z])?)?;
                ops::add(state, &residual.change.forward(&hidden)?)?
            }
        })
    }
}

impl<F: Float> Module<F> for Transition<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        match self {
            Self::Gru(gru) => gru.parameters(at, out),
            Self::Lstm(lstm) => lstm.parameters(at, out),
            Self::Residual(residual) => {
                residual.hidden.parameters(&format!("{at}.hidden"), out);
                residual.change.parameters(&format!("{at}.change"), out);
            }
        }
    }
}
