//! Recurrent layers: over all frames of clips at once (`seq`), or one step with a state that is fed back (`step`).

use super::linear::LayerNorm;
use crate::ops::{self, Activation, Direction};
use crate::tensor::size;
use crate::{Error, Float, Mat, Module, Param, Result, Rng, Track};

/// A gated recurrent unit of h units over inputs of k values:
///
/// ```text
/// (r, u, n)_x = x_t W_x + b_x,   (r, u, n)_h = h_{t-1} W_h + b_h          each (h), with layer norm where asked for
/// r = sigmoid(r_x + r_h),  u = sigmoid(u_x + u_h),  n = tanh(n_x + r n_h),  h_t = (1 - u) n + u h_{t-1}
/// ```
///
/// Source: Cho et al. 2014; layer norm of both sums as Ba, Kiros & Hinton 2016, eq. 20-22.
#[derive(Clone, Debug)]
pub struct Gru<F: Float> {
    input: Param<F>,
    input_bias: Param<F>,
    recurrent: Param<F>,
    recurrent_bias: Param<F>,
    norms: Option<[LayerNorm<F>; 2]>,
}

impl<F: Float> Gru<F> {
    /// Weights N(0, 1 / fan-in), biases 0.
    ///
    /// # Errors
    /// Out of memory.
    pub fn new(inputs: usize, units: usize, norm: bool, rng: &mut Rng) -> Result<Self> {
        let std = |fan_in: usize| 1.0 / (fan_in.max(1) as f64).sqrt();
        Ok(Self {
            input: Param::normal([inputs, 3 * units], std(inputs), rng)?,
            input_bias: Param::constant([3 * units], 0.0)?,
            recurrent: Param::normal([units, 3 * units], std(units), rng)?,
            recurrent_bias: Param::constant([3 * units], 0.0)?,
            norms: match norm {
                true => Some([LayerNorm::new(3 * units)?, LayerNorm::new(3 * units)?]),
                false => None,
            },
        })
    }

    /// Units, h.
    pub fn units(&self) -> usize {
        self.recurrent.shape()[0]
    }

    /// h_{-1} = 0 for `clips` clips, (B, h).
    ///
    /// # Errors
    /// Out of memory.
    pub fn start<T: Track<F>>(&self, clips: usize) -> Result<Mat<F, T>> {
        ops::zeros(clips, self.units())
    }

    /// (r, u, n)_x of some rows, (rows, 3h).
    fn input_sums<T: Track<F>>(&self, x: &Mat<F, T>) -> Result<Mat<F, T>> {
        let identity = Activation::Identity;
        let sums = ops::linear(x.clone(), &self.input, &self.input_bias, identity, true)?;
        match &self.norms {
            None => Ok(sums),
            Some([norm, _]) => norm.forward(&sums),
        }
    }

    /// h_t from (r, u, n)_x and h_{t-1}.
    fn cell<T: Track<F>>(&self, from_input: &Mat<F, T>, h: &Mat<F, T>) -> Result<Mat<F, T>> {
        let identity = Activation::Identity;
        let sums = ops::linear(
            h.clone(),
            &self.recurrent,
            &self.recurrent_bias,
            identity,
            true,
        )?;
        let from_state = match &self.norms {
            None => sums,
            Some([_, norm]) => norm.forward(&sums)?,
        };
        ops::gru_cell(from_input, &from_state, h)
    }

    /// x_t (B, k) and h_{t-1} (B, h) to h_t (B, h).
    ///
    /// # Errors
    /// [`Error::Shape`] when x or h do not fit the weights.
    pub fn step<T: Track<F>>(&self, x: &Mat<F, T>, h: &Mat<F, T>) -> Result<Mat<F, T>> {
        self.cell(&self.input_sums(x)?, h)
    }

    /// h_t of every frame, from `start` (B, h): x (B*T, k), T = `steps`, to (B*T, h). The products with inputs are one
    /// for all frames.
    ///
    /// # Errors
    /// [`Error::Shape`] when x is not a number of whole clips or does not fit the weights.
    pub fn seq<T: Track<F>>(
        &self,
        x: &Mat<F, T>,
        steps: usize,
        start: &Mat<F, T>,
    ) -> Result<Mat<F, T>> {
        whole("Gru", x, steps, start)?;
        let from_input = self.input_sums(x)?;
        let mut h = start.clone();
        let mut all = Vec::with_capacity(steps);
        for t in 0..steps {
            h = self.cell(&ops::frame(&from_input, t, steps)?, &h)?;
            all.push(h.clone());
        }
        ops::stack(&all)
    }
}

/// Checks that x is whole clips of `steps` frames and the state one row for each.
fn whole<F: Float, T>(what: &str, x: &Mat<F, T>, steps: usize, state: &Mat<F, T>) -> Result<()> {
    let (rows, clips) = (size(x).0, size(state).0);
    if steps > 0 && rows == clips * steps {
        return Ok(());
    }
    Err(Error::Shape(format!(
        "{what}: clips of {steps} frames (at least 1) with a state of one row for each expected, got {rows} rows and {clips} states"
    )))
}

impl<F: Float> Module<F> for Gru<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        out.push((format!("{at}.input"), &mut self.input));
        out.push((format!("{at}.input_bias"), &mut self.input_bias));
        out.push((format!("{at}.recurrent"), &mut self.recurrent));
        out.push((format!("{at}.recurrent_bias"), &mut self.recurrent_bias));
        if let Some([input, recurrent]) = &mut self.norms {
            input.parameters(&format!("{at}.input_norm"), out);
            recurrent.parameters(&format!("{at}.recurrent_norm"), out);
        }
    }
}

/// A long short-term memory; its equations stand at [`ops::Lstm`].
#[derive(Clone, Debug)]
pub struct Lstm<F: Float>(ops::Lstm<F>);

/// Output h and memory c of an [`Lstm`], (B, h) each.
#[derive(Clone, Debug)]
pub struct LstmState<F: Float, T> {
    /// h_t.
    pub hidden: Mat<F, T>,
    /// c_t.
    pub memory: Mat<F, T>,
}

impl<F: Float> Lstm<F> {
    /// `units` units over inputs of `inputs` values; starts as [`ops::Lstm::new`].
    ///
    /// # Errors
    /// Out of memory.
    pub fn new(inputs: usize, units: usize, rng: &mut Rng) -> Result<Self> {
        Ok(Self(ops::Lstm::new(inputs, units, rng)?))
    }

    /// Units, h.
    pub fn units(&self) -> usize {
        self.0.size().1
    }

    /// h_{-1} = c_{-1} = 0 for `clips` clips.
    ///
    /// # Errors
    /// Out of memory.
    pub fn start<T: Track<F>>(&self, clips: usize) -> Result<LstmState<F, T>> {
        Ok(LstmState {
            hidden: ops::zeros(clips, self.units())?,
            memory: ops::zeros(clips, self.units())?,
        })
    }

    /// x_t (B, k) and the state before to the next one.
    ///
    /// # Errors
    /// [`Error::Shape`] when x or the state do not fit the weights.
    pub fn step<T: Track<F>>(
        &self,
        x: &Mat<F, T>,
        state: &LstmState<F, T>,
    ) -> Result<LstmState<F, T>> {
        let (hidden, memory) = self.0.step(x, (&state.hidden, &state.memory))?;
        Ok(LstmState { hidden, memory })
    }

    /// h_t of every frame, from zeros: x (B*T, k), T = `steps`, to (B*T, h), fused over time.
    ///
    /// # Errors
    /// [`Error::Shape`] when x is not a number of whole clips or does not fit the weights.
    pub fn seq<T: Track<F>>(
        &self,
        x: &Mat<F, T>,
        steps: usize,
        direction: Direction,
    ) -> Result<Mat<F, T>> {
        ops::lstm(x.clone(), steps, direction, &self.0)
    }
}

impl<F: Float> Module<F> for Lstm<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        self.0.parameters(&format!("{at}."), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{close, layer_gradients_agree, project, random, refuses, scattered};
    use crate::tensor::values;
    use dfdx::prelude::NoneTape;
    use rand::SeedableRng;

    const STEPS: usize = 4;

    fn rng() -> Rng {
        Rng::seed_from_u64(3)
    }

    fn gru(norm: bool) -> Gru<f64> {
        scattered(Gru::new(3, 2, norm, &mut rng()).unwrap())
    }

    fn lstm() -> Lstm<f64> {
        scattered(Lstm::new(3, 2, &mut rng()).unwrap())
    }

    #[test]
    fn going_through_all_frames_is_step_after_step() {
        let x = random("x", 3 * STEPS, 3);
        for norm in [false, true] {
            let (gru, start) = (gru(norm), random("start", 3, 2));
            let mut h = start.clone();
            let mut all = Vec::new();
            for t in 0..STEPS {
                h = gru.step(&ops::frame(&x, t, STEPS).unwrap(), &h).unwrap();
                all.push(h.clone());
            }
            let seq = gru.seq(&x, STEPS, &start).unwrap();
            close(
                "gru",
                values(&seq),
                values(&ops::stack(&all).unwrap()),
                1e-12,
            );
        }
        let lstm = lstm();
        let mut state = lstm.start::<NoneTape>(3).unwrap();
        let mut all = Vec::new();
        for t in 0..STEPS {
            state = lstm
                .step(&ops::frame(&x, t, STEPS).unwrap(), &state)
                .unwrap();
            all.push(state.hidden.clone());
        }
        let seq = lstm.seq(&x, STEPS, Direction::Forward).unwrap();
        close(
            "lstm",
            values(&seq),
            values(&ops::stack(&all).unwrap()),
            1e-12,
        );
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        for norm in [false, true] {
            let x = random("x", 2 * STEPS, 3);
            layer_gradients_agree("gru seq", &x, gru(norm), &|x, gru: &Gru<f64>| {
                gru.seq(x, STEPS, &gru.start(2)?).map(project)
            });
            layer_gradients_agree("gru step", &random("x", 2, 5), gru(norm), &|x,
                                                                               gru: &Gru<
                f64,
            >| {
                let (x, h) = (ops::columns(x, 0..3)?, ops::columns(x, 3..5)?);
                gru.step(&x, &gru.step(&x, &h)?).map(project)
            });
        }
        layer_gradients_agree("lstm step", &random("x", 2, 3), lstm(), &|x,
                                                                         lstm: &Lstm<
            f64,
        >| {
            let first = lstm.step(x, &lstm.start(2)?)?;
            let second = lstm.step(x, &first)?;
            ops::concat(&[&second.hidden, &second.memory, &first.hidden]).map(project)
        });
    }

    #[test]
    fn wrong_sizes_are_told() {
        let (x, gru, lstm) = (random("x", 6, 3), gru(false), lstm());
        let start = gru.start(2).unwrap();
        refuses(
            gru.seq(&x, 2, &start),
            &["Gru", "2 frames", "6 rows and 2 states"],
        );
        refuses(gru.seq(&x, 0, &start), &["Gru", "0 frames"]);
        refuses(
            gru.step(&random("x", 2, 4), &start),
            &["linear", "3 inputs", "got 4"],
        );
        refuses(
            gru.step(&random("x", 3, 3), &start),
            &["gru_cell", "2 x 6", "(3, 6)"],
        );
        refuses(
            lstm.seq(&x, 4, Direction::Forward),
            &["lstm", "4 frames", "6 x 3"],
        );
    }
}
