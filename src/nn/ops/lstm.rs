//! A long short-term memory over the frames of every sequence, fused over time.

use crate::Rng;
use crate::kernels::product::{View, product};
use crate::tensor::{matrix, record, size, take_gradient, values};
use crate::{Activation, Float, Mat, Module, Param, Track};
use crate::{Error, Result};
use dfdx::prelude::{Cpu, SplitTape, Tape};

/// Weights of one layer of h units over inputs of k values (Hochreiter & Schmidhuber 1997, with forget gates, Gers et al. 2000):
///
/// ```text
/// (i, f, g, o) = x_t W_x + h_{t-1} W_h + b            each (h)
/// c_t = sigmoid(f) c_{t-1} + sigmoid(i) tanh(g),      h_t = sigmoid(o) tanh(c_t),      h_{-1} = c_{-1} = 0
/// ```
#[derive(Clone, Debug)]
pub struct Lstm<F: Float> {
    /// W_x, (k, 4h).
    input: Param<F>,
    /// W_h, (h, 4h).
    recurrent: Param<F>,
    /// b, (4h).
    bias: Param<F>,
}

impl<F: Float> Lstm<F> {
    /// Weights N(0, 1 / fan-in); the bias of the forget gates starts at 1, so that memory lasts from the start (Jozefowicz et al. 2015).
    ///
    /// # Errors
    /// Out of memory.
    pub fn new(inputs: usize, units: usize, rng: &mut Rng) -> Result<Self> {
        let std = |fan_in: usize| 1.0 / (fan_in.max(1) as f64).sqrt();
        let mut bias = vec![0.0; 4 * units];
        bias[units..2 * units].fill(1.0);
        Ok(Self {
            input: Param::normal([inputs, 4 * units], std(inputs), rng)?,
            recurrent: Param::normal([units, 4 * units], std(units), rng)?,
            bias: Param::new([4 * units], &bias)?,
        })
    }

    /// Inputs k and units h.
    pub fn size(&self) -> (usize, usize) {
        (self.input.shape()[0], self.recurrent.shape()[0])
    }

    /// One step, for what is fed back: x (B, k) and the state (h, c) of the step before to the next one, each (B, h).
    ///
    /// # Errors
    /// [`Error::Shape`] when x or the state do not fit the weights.
    pub fn step<T: Track<F>>(
        &self,
        x: &Mat<F, T>,
        (hidden, memory): (&Mat<F, T>, &Mat<F, T>),
    ) -> Result<(Mat<F, T>, Mat<F, T>)> {
        let identity = Activation::Identity;
        let from_input = super::linear(x.clone(), &self.input, &self.bias, identity, true)?;
        let from_state = super::times(hidden, &self.recurrent)?;
        super::lstm_cell(&super::add(&from_input, &from_state)?, memory)
    }
}

impl<F: Float> Module<F> for Lstm<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        for (name, p) in [
            ("input", &mut self.input),
            ("recurrent", &mut self.recurrent),
            ("bias", &mut self.bias),
        ] {
            out.push((format!("{at}{name}"), p));
        }
    }
}

/// Which way through the frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From frame 0: h_t has seen x_0 .. x_t.
    Forward,
    /// From frame T-1: h_t has seen x_t .. x_{T-1}.
    Backward,
}

/// What one call keeps for its gradient.
struct Kept<F> {
    /// Values of the gates after their nonlinearities, (B*T, 4h).
    gates: Vec<F>,
    /// c_t, (B*T, h).
    cells: Vec<F>,
}

/// The order in which frames are gone through.
struct Walk {
    steps: usize,
    direction: Direction,
}

impl Walk {
    /// Frame number k of the walk.
    fn at(&self, k: usize) -> usize {
        match self.direction {
            Direction::Forward => k,
            Direction::Backward => self.steps - 1 - k,
        }
    }
}

/// h_t of every frame: x (B*T, k) in sequences of `steps` frames to (B*T, h).
///
/// # Errors
/// [`Error::Shape`] when x does not fit the weights or the steps.
pub fn lstm<F: Float, T: Tape<F, Cpu>>(
    x: Mat<F, T>,
    steps: usize,
    direction: Direction,
    weights: &Lstm<F>,
) -> Result<Mat<F, T>> {
    let (x, tape) = x.split_tape();
    let ((rows, columns), (inputs, units)) = (size(&x), weights.size());
    if columns != inputs || steps == 0 || rows % steps != 0 {
        return Err(Error::Shape(format!(
            "lstm: {inputs} inputs in sequences of {steps} frames expected, got {rows} x {columns}"
        )));
    }
    let walk = Walk { steps, direction };
    let (y, kept) = forward(values(&x), rows, &walk, weights);
    let y = matrix(y, rows, units)?; // (B*T, h)
    let (out, weights) = (y.clone(), weights.clone());
    Ok(record(y, tape, move |gradients| {
        let gy = take_gradient(gradients, &out)?;
        let gates = backward(&gy, rows, &walk, &weights, &kept);
        let before = shifted(values(&out), rows, units, &walk);
        let g = View::new(&gates, rows, 4 * units);
        let gb = gradients.get_or_alloc_mut(&weights.bias.tensor)?;
        for row in gates.chunks_exact(4 * units) {
            gb.iter_mut().zip(row).for_each(|(s, &d)| *s += d);
        }
        let gh = gradients.get_or_alloc_mut(&weights.recurrent.tensor)?;
        product(gh, View::new(&before, rows, units).t(), g, true);
        let gw = gradients.get_or_alloc_mut(&weights.input.tensor)?;
        product(gw, View::new(values(&x), rows, inputs).t(), g, true);
        let gx = gradients.get_or_alloc_mut(&x)?;
        let w = View::new(weights.input.values(), inputs, 4 * units);
        product(gx, g, w.t(), true);
        Ok(())
    }))
}

/// Outputs (B*T, h) and what the gradient needs.
fn forward<F: Float>(x: &[F], rows: usize, walk: &Walk, weights: &Lstm<F>) -> (Vec<F>, Kept<F>) {
    let (inputs, units) = weights.size();
    let sequences = rows / walk.steps;
    let mut gates = Vec::with_capacity(rows * 4 * units);
    for _ in 0..rows {
        gates.extend_from_slice(weights.bias.values());
    }
    let w = View::new(weights.input.values(), inputs, 4 * units);
    product(&mut gates, View::new(x, rows, inputs), w, true);
    let recurrent = View::new(weights.recurrent.values(), units, 4 * units);
    let (mut hidden, mut cells) = (
        vec![F::of(0.0); rows * units],
        vec![F::of(0.0); rows * units],
    );
    let mut before = vec![F::of(0.0); sequences * units]; // h of the frame before, (B, h)
    let mut memory = before.clone(); // its c
    let mut step = vec![F::of(0.0); sequences * 4 * units];
    for k in 0..walk.steps {
        product(
            &mut step,
            View::new(&before, sequences, units),
            recurrent,
            false,
        );
        for b in 0..sequences {
            let row = b * walk.steps + walk.at(k);
            let gate = &mut gates[row * 4 * units..][..4 * units];
            F::accumulate(gate, &step[b * 4 * units..][..4 * units]);
            let (sigmoids, rest) = gate.split_at_mut(2 * units);
            let (tanh, output) = rest.split_at_mut(units);
            F::sigmoid(sigmoids);
            F::sigmoid(output);
            F::tanh_all(tanh);
            let (c, h) = (
                &mut memory[b * units..][..units],
                &mut before[b * units..][..units],
            );
            for j in 0..units {
                c[j] = sigmoids[units + j] * c[j] + sigmoids[j] * tanh[j];
            }
            h.copy_from_slice(c);
            F::tanh_all(h);
            h.iter_mut().zip(output).for_each(|(h, o)| *h = *o * *h);
            cells[row * units..][..units].copy_from_slice(c);
            hidden[row * units..][..units].copy_from_slice(h);
        }
    }
    (hidden, Kept { gates, cells })
}

/// Gradient in the sums before the nonlinearities, (B*T, 4h), from that in the outputs (B*T, h).
fn backward<F: Float>(
    gy: &[F],
    rows: usize,
    walk: &Walk,
    weights: &Lstm<F>,
    kept: &Kept<F>,
) -> Vec<F> {
    let (_, units) = weights.size();
    let sequences = rows / walk.steps;
    let one = F::of(1.0);
    let recurrent = View::new(weights.recurrent.values(), units, 4 * units);
    let mut out = vec![F::of(0.0); rows * 4 * units];
    let mut in_hidden = vec![F::of(0.0); sequences * units]; // what later frames send to h_t
    let mut in_cell = in_hidden.clone(); // and to c_t
    let mut step = vec![F::of(0.0); sequences * 4 * units];
    let mut tanhs = vec![F::of(0.0); units]; // of c_t
    for k in (0..walk.steps).rev() {
        for b in 0..sequences {
            let row = b * walk.steps + walk.at(k);
            let gate = &kept.gates[row * 4 * units..][..4 * units];
            let d = &mut step[b * 4 * units..][..4 * units];
            tanhs.copy_from_slice(&kept.cells[row * units..][..units]);
            F::tanh_all(&mut tanhs);
            for j in 0..units {
                let [i, f, g, o] = [0, 1, 2, 3].map(|part| gate[part * units + j]);
                let tanh = tanhs[j];
                let c_before = match k {
                    0 => F::of(0.0),
                    _ => kept.cells[(b * walk.steps + walk.at(k - 1)) * units + j],
                };
                let dh = gy[row * units + j] + in_hidden[b * units + j];
                let dc = in_cell[b * units + j] + dh * o * (one - tanh * tanh);
                d[j] = dc * g * i * (one - i);
                d[units + j] = dc * c_before * f * (one - f);
                d[2 * units + j] = dc * i * (one - g * g);
                d[3 * units + j] = dh * tanh * o * (one - o);
                in_cell[b * units + j] = dc * f;
            }
            out[row * 4 * units..][..4 * units].copy_from_slice(d);
        }
        let d = View::new(&step, sequences, 4 * units);
        product(&mut in_hidden, d, recurrent.t(), false);
    }
    out
}

/// h of the frame before each, (B*T, h): zero for the first.
fn shifted<F: Float>(hidden: &[F], rows: usize, units: usize, walk: &Walk) -> Vec<F> {
    let mut out = vec![F::of(0.0); rows * units];
    for b in 0..rows / walk.steps {
        for k in 1..walk.steps {
            let (to, from) = (b * walk.steps + walk.at(k), b * walk.steps + walk.at(k - 1));
            out[to * units..][..units].copy_from_slice(&hidden[from * units..][..units]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{self, close, gradients_agree, param, random};

    const BOTH: [Direction; 2] = [Direction::Forward, Direction::Backward];

    fn weights(p: &[Param<f64>]) -> Lstm<f64> {
        Lstm {
            input: p[0].clone(),
            recurrent: p[1].clone(),
            bias: p[2].clone(),
        }
    }

    fn parameters() -> [Param<f64>; 3] {
        [
            param("W_x", &[3, 8]),
            param("W_h", &[2, 8]),
            param("b", &[8]),
        ]
    }

    /// The equations, one sequence and one unit at a time.
    #[test]
    fn every_output_follows_the_equations() {
        let (p, x) = (parameters(), random("x", 2 * 5, 3));
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        for direction in BOTH {
            let mut want = vec![0.0; 20];
            for b in 0..2 {
                let (mut h, mut c) = ([0.0; 2], [0.0; 2]);
                let mut order: Vec<usize> = (0..5).collect();
                if direction == Direction::Backward {
                    order.reverse();
                }
                for t in order {
                    let row = &values(&x)[(b * 5 + t) * 3..][..3];
                    let sum = |j: usize| -> f64 {
                        let input: f64 = (0..3).map(|i| row[i] * p[0].values()[i * 8 + j]).sum();
                        let past: f64 = (0..2).map(|i| h[i] * p[1].values()[i * 8 + j]).sum();
                        input + past + p[2].values()[j]
                    };
                    let sums: Vec<f64> = (0..8).map(sum).collect();
                    for j in 0..2 {
                        let (i, f) = (sigmoid(sums[j]), sigmoid(sums[2 + j]));
                        c[j] = f * c[j] + i * sums[4 + j].tanh();
                        h[j] = sigmoid(sums[6 + j]) * c[j].tanh();
                        want[(b * 5 + t) * 2 + j] = h[j];
                    }
                }
            }
            let y = lstm(x.clone(), 5, direction, &weights(&p)).unwrap();
            assert_eq!(size(&y), (10, 2));
            close(&format!("{direction:?}"), values(&y), &want, 1e-14);
        }
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        for direction in BOTH {
            let what = format!("lstm {direction:?}");
            let x = random("x", 2 * 5, 3);
            gradients_agree(&what, &x, &parameters(), true, &|x, p| {
                lstm(x, 5, direction, &weights(p)).map(check::project)
            });
        }
    }

    #[test]
    fn wrong_sizes_are_told() {
        let try_it = |rows, columns, steps| {
            let x = random("x", rows, columns);
            lstm(x, steps, Direction::Forward, &weights(&parameters()))
        };
        check::refuses(try_it(10, 2, 5), &["lstm: 3 inputs", "got 10 x 2"]);
        check::refuses(try_it(9, 3, 5), &["sequences of 5 frames", "got 9 x 3"]);
        check::refuses(try_it(9, 3, 0), &["sequences of 0 frames"]);
    }
}
