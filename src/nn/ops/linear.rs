//! y = f(x W + b), fused.

use super::Activation;
use crate::error::{Error, Result};
use crate::nn::product::{View, product};
use crate::nn::tensor::{matrix, record, size, take_gradient, values};
use crate::nn::{Float, Mat, Param};
use dfdx::prelude::{Cpu, SplitTape, Tape};

/// y = f(x W + b): x (rows, in), W (in, out), b (out), y (rows, out).
///
/// `input_gradient: false` leaves out dL/dx, where x is data.
///
/// # Errors
/// [`Error::Shape`] when x and W do not fit.
pub fn linear<F: Float, T: Tape<F, Cpu>>(
    x: Mat<F, T>,
    weight: &Param<F>,
    bias: &Param<F>,
    activation: Activation,
    input_gradient: bool,
) -> Result<Mat<F, T>> {
    let (x, tape) = x.split_tape();
    let (rows, inputs) = size(&x);
    let &[w_in, outputs] = weight.shape() else {
        return Err(Error::Shape(format!(
            "linear: weight wants two dimensions, got {:?}",
            weight.shape()
        )));
    };
    if w_in != inputs {
        return Err(Error::Shape(format!(
            "linear: weight wants {w_in} inputs, got {inputs}"
        )));
    }
    let mut y = Vec::with_capacity(rows * outputs);
    for _ in 0..rows {
        y.extend_from_slice(bias.values());
    }
    product(
        &mut y,
        View::new(values(&x), rows, inputs),
        View::new(weight.values(), inputs, outputs),
        true,
    );
    activation.apply(&mut y);
    let y = matrix(y, rows, outputs)?; // (rows, out)
    let (out, weight, bias) = (y.clone(), weight.clone(), bias.clone());
    Ok(record(y, tape, move |gradients| {
        let mut gy = take_gradient(gradients, &out)?;
        activation.chain(&mut gy, values(&out));
        let gb = gradients.get_or_alloc_mut(&bias.tensor)?;
        for row in gy.chunks_exact(outputs) {
            gb.iter_mut().zip(row).for_each(|(s, &d)| *s += d);
        }
        let gy = View::new(&gy, rows, outputs);
        let gw = gradients.get_or_alloc_mut(&weight.tensor)?;
        product(gw, View::new(values(&x), rows, inputs).t(), gy, true);
        if input_gradient {
            let gx = gradients.get_or_alloc_mut(&x)?;
            product(
                gx,
                gy,
                View::new(weight.values(), inputs, outputs).t(),
                true,
            );
        }
        Ok(())
    }))
}
