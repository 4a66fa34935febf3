//! The networks that weigh the modes of a blended transition by past codes.

use crate::error::Result;
use crate::seeds::Rng;
use dfdx::prelude::{Cpu, Tape};
use nn::ops::{self, Activation, Direction, Lstm};
use nn::{Float, Mat, Module, Param};

/// From codes (B*T, p) to logits (B*T, K) of the modes: row t is known at frame t and makes the transition to t + 1.
#[derive(Debug)]
pub(super) struct Weigher<F: Float> {
    memory: Memory<F>,
    weight: Param<F>,
    bias: Param<F>,
}

#[derive(Debug)]
enum Memory<F: Float> {
    /// tanh of a linear map of (a_t, a_t - a_{t-1}).
    Codes { weight: Param<F>, bias: Param<F> },
    /// An LSTM over a_0 .. a_t.
    Lstm(Lstm<F>),
}

impl<F: Float> Weigher<F> {
    /// A layer of `units` over the last two codes.
    pub fn codes(p: usize, units: usize, modes: usize, rng: &mut Rng) -> Result<Self> {
        let memory = Memory::Codes {
            weight: Param::normal([2 * p, units], 1.0 / (2.0 * p as f64).sqrt(), rng)?,
            bias: Param::constant([units], 0.0)?,
        };
        Self::over(memory, units, modes, rng)
    }

    /// An LSTM of `units` over all codes so far.
    pub fn lstm(p: usize, units: usize, modes: usize, rng: &mut Rng) -> Result<Self> {
        Self::over(Memory::Lstm(Lstm::new(p, units, rng)?), units, modes, rng)
    }

    fn over(memory: Memory<F>, units: usize, modes: usize, rng: &mut Rng) -> Result<Self> {
        Ok(Self {
            memory,
            weight: Param::normal([units, modes], 1.0 / (units as f64).sqrt(), rng)?,
            bias: Param::constant([modes], 0.0)?,
        })
    }

    /// Makes mode 0 the likely one, with probability `share` where the networks say nothing.
    pub fn prefer_first(&mut self, share: f64) -> Result<()> {
        let modes = self.bias.values().len();
        let mut bias = vec![F::of(0.0); modes];
        if modes > 1 {
            bias[0] = F::of((share * (modes - 1) as f64 / (1.0 - share)).ln());
        }
        Ok(self.bias.set(&bias)?)
    }

    /// Logits (B*T, K) of codes (B*T, p) in sequences of `steps`.
    ///
    /// # Errors
    /// Codes that do not fit.
    pub fn logits<T: Tape<F, Cpu>>(&self, codes: Mat<F, T>, steps: usize) -> Result<Mat<F, T>> {
        let memory = match &self.memory {
            Memory::Codes { weight, bias } => {
                let pairs = ops::with_displacement(codes, steps)?; // (B*T, 2p)
                ops::linear(pairs, weight, bias, Activation::Tanh, true)?
            }
            Memory::Lstm(lstm) => ops::lstm(codes, steps, Direction::Forward, lstm)?,
        }; // (B*T, units)
        Ok(ops::linear(
            memory,
            &self.weight,
            &self.bias,
            Activation::Identity,
            true,
        )?)
    }
}

impl<F: Float> Module<F> for Weigher<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        match &mut self.memory {
            Memory::Codes { weight, bias } => {
                out.push((format!("{at}hidden.weight"), weight));
                out.push((format!("{at}hidden.bias"), bias));
            }
            Memory::Lstm(lstm) => lstm.parameters(&format!("{at}lstm."), out),
        }
        out.push((format!("{at}output.weight"), &mut self.weight));
        out.push((format!("{at}output.bias"), &mut self.bias));
    }
}
