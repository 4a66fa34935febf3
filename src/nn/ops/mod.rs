//! Operations on a tape. Each file: the equation, the forward pass, its gradient, and a check against finite
//! differences in f64.
//!
//! A model composes them and writes no gradient. Values are `&Mat<F, T>` with a tape `T: Track<F>` ([`crate::Track`]);
//! a value is used as often as one likes, and `?` tells sizes that do not fit. What ends in a number gives one for
//! every row, (rows, 1), for [`sum`], or a [`PerRow`](crate::tensor::PerRow).
//!
//! A new operation, for instance y = f(x):
//! 1. a file here whose first lines are the equation, and a function with the shapes in its doc comment;
//! 2. sizes are checked first: `Error::Shape`, with the operation's name, what was expected and got;
//! 3. `let (x, tape) = tensor::split(x)`, for several `split_all`, which makes their tapes one;
//! 4. the value as a `Vec` from `values(&x)`, made a matrix by `tensor::matrix`;
//! 5. `tensor::record(y, tape, move |gradients| ..)`: `take_gradient` of y, then *add* to
//!    `gradients.get_or_alloc_mut(&x)?`, one input after the other, since two may be the same value;
//! 6. tests: values against the formula written out, `check::gradients_agree`, `check::refuses` for wrong sizes.
//!
//! dfdx's own operations are not used: they are no faster, panic where sizes do not fit or a value meets itself, and
//! their broadcasts are not dense (which `tensor::values` refuses to read).

mod arrange;
mod attention;
mod calibrated;
mod categorical;
mod cells;
mod convolution;
mod diagonal;
mod elementwise;
mod gaussian;
mod images;
mod linear;
mod lstm;
mod normalise;
mod pixels;
mod places;
mod planes;
mod rows;
mod spatial_softmax;
mod sum;
mod unfold;

pub use arrange::{
    beside, columns, concat, frame, frames, heads, mean, mean_over_frames, repeat_rows, row_sums,
    stack, sum,
};
pub use attention::{attention_shares, causal_attention, rotate};
pub use calibrated::{MIN_SIGMA, calibrated_gaussian};
pub use categorical::Categorical;
pub use cells::{gru_cell, lstm_cell};
pub use convolution::{Geometry, Precision, convolution};
pub use diagonal::{Gaussian, at_least};
pub use elementwise::{
    add, add_row, constant, detach, exp, ln, mix, multiply, relu, repeat, scale, shift, sigmoid,
    silu, softplus, square, subtract, tanh, zeros,
};
pub use gaussian::{sample, standard_normal_kl};
pub use images::{concat_channels, doubled_planes, moving_maps};
pub use linear::{linear, times};
pub use lstm::{Direction, Lstm, lstm};
pub use normalise::layer_norm;
pub use pixels::{bernoulli, gaussian};
pub use places::{moved_picture, over_places};
pub use planes::planes;
pub use rows::{gather_rows, last_seen, with_displacement};
pub use spatial_softmax::spatial_softmax;
pub use sum::weighted_sum;

use super::Float;
use serde::{Deserialize, Serialize};

/// Elementwise nonlinearity fused into the operation before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// y = x.
    Identity,
    /// y = max(x, 0).
    Relu,
    /// y = tanh(x).
    Tanh,
}

impl Activation {
    fn apply<F: Float>(self, values: &mut [F]) {
        match self {
            Self::Identity => {}
            Self::Relu => values
                .iter_mut()
                .for_each(|v| *v = if *v > F::of(0.0) { *v } else { F::of(0.0) }),
            Self::Tanh => values.iter_mut().for_each(|v| *v = v.tanh()),
        }
    }

    /// Multiplies `gradient` by dy/dx, given the outputs y.
    fn chain<F: Float>(self, gradient: &mut [F], outputs: &[F]) {
        match self {
            Self::Identity => {}
            Self::Relu => gradient.iter_mut().zip(outputs).for_each(|(g, &y)| {
                if y <= F::of(0.0) {
                    *g = F::of(0.0);
                }
            }),
            Self::Tanh => gradient
                .iter_mut()
                .zip(outputs)
                .for_each(|(g, &y)| *g *= F::of(1.0) - y * y),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    #[test]
    fn activations_and_their_slopes_are_what_they_say() {
        let x = [-2.0, -0.5, 0.0, 0.5, 2.0];
        type Function = fn(f64) -> f64;
        let all: [(Activation, Function, Function); 3] = [
            (Activation::Identity, |x| x, |_| 1.0),
            (
                Activation::Relu,
                |x| x.max(0.0),
                |x| if x > 0.0 { 1.0 } else { 0.0 },
            ),
            (Activation::Tanh, f64::tanh, |x| 1.0 / x.cosh().powi(2)),
        ];
        for (activation, value, slope) in all {
            let mut y = x;
            activation.apply(&mut y);
            check::close(&format!("{activation:?}"), &y, &x.map(value), 0.0);
            let mut gradient = [3.0; 5];
            activation.chain(&mut gradient, &y);
            // Rounding of tanh and cosh.
            let want = x.map(|x| 3.0 * slope(x));
            check::close(&format!("{activation:?} slope"), &gradient, &want, 1e-15);
        }
    }
}
