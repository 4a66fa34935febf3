//! y = f(x W + b), fused, and y = x W.

use super::Activation;
use crate::kernels::product::{View, product};
use crate::tensor::{matrix, record, size, split, take_gradient, values};
use crate::{Error, Result};
use crate::{Float, Mat, Param, Track};
use dfdx::prelude::{Cpu, SplitTape, Tape};

/// y = f(x W + b): x (rows, in), W (in, out), b (out), y (rows, out).
///
/// `input_gradient: false` leaves out dL/dx, where x is data.
///
/// # Errors
/// [`Error::Shape`] when x, W and b do not fit.
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
    if bias.values().len() != outputs {
        return Err(Error::Shape(format!(
            "linear: bias wants {outputs} values, got {}",
            bias.values().len()
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

/// y = x W: x (rows, in), W (in, out), y (rows, out).
///
/// # Errors
/// [`Error::Shape`] when x and W do not fit.
pub fn times<F: Float, T: Track<F>>(x: &Mat<F, T>, weight: &Param<F>) -> Result<Mat<F, T>> {
    let (x, tape) = split(x);
    let (rows, inputs) = size(&x);
    let &[w_in, outputs] = weight.shape() else {
        return Err(Error::Shape(format!(
            "times: weight wants two dimensions, got {:?}",
            weight.shape()
        )));
    };
    if w_in != inputs {
        return Err(Error::Shape(format!(
            "times: weight wants {w_in} inputs, got {inputs}"
        )));
    }
    let mut y = vec![F::of(0.0); rows * outputs];
    let w = View::new(weight.values(), inputs, outputs);
    product(&mut y, View::new(values(&x), rows, inputs), w, false);
    let y = matrix(y, rows, outputs)?; // (rows, out)
    let (out, weight) = (y.clone(), weight.clone());
    Ok(record(y, tape, move |gradients| {
        let gy = take_gradient(gradients, &out)?;
        let gy = View::new(&gy, rows, outputs);
        let gw = gradients.get_or_alloc_mut(&weight.tensor)?;
        product(gw, View::new(values(&x), rows, inputs).t(), gy, true);
        let w = View::new(weight.values(), inputs, outputs);
        product(gradients.get_or_alloc_mut(&x)?, gy, w.t(), true);
        Ok(())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{self, close, gradients_agree, param, random};

    const ALL: [Activation; 3] = [Activation::Identity, Activation::Relu, Activation::Tanh];

    #[test]
    fn every_output_is_a_dot_product_plus_its_bias() {
        // Sides below, at and above the kernels of gemm.
        for (rows, inputs, outputs) in [(1, 1, 1), (3, 5, 4), (17, 33, 9)] {
            let x = random("x", rows, inputs);
            let (w, b) = (param("w", &[inputs, outputs]), param("b", &[outputs]));
            for activation in ALL {
                let y = linear(x.clone(), &w, &b, activation, true).unwrap();
                let mut want = Vec::new();
                for row in values(&x).chunks(inputs) {
                    for j in 0..outputs {
                        let dot: f64 = (0..inputs)
                            .map(|i| row[i] * w.values()[i * outputs + j])
                            .sum();
                        want.push(dot + b.values()[j]);
                    }
                }
                activation.apply(&mut want);
                assert_eq!(size(&y), (rows, outputs));
                close(&format!("{activation:?}"), values(&y), &want, 1e-14);
            }
        }
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        let parameters = [param("w", &[5, 4]), param("b", &[4])];
        for activation in ALL {
            for input_gradient in [true, false] {
                let what = format!("linear {activation:?}");
                gradients_agree(
                    &what,
                    &random("x", 3, 5),
                    &parameters,
                    input_gradient,
                    &|x, p| linear(x, &p[0], &p[1], activation, input_gradient).map(check::project),
                );
            }
        }
    }

    #[test]
    fn a_product_is_a_linear_map_without_bias_and_gradient() {
        let (x, w) = (random("x", 3, 5), param("w", &[5, 4]));
        let bias = Param::constant([4], 0.0).unwrap();
        let want = linear(x.clone(), &w, &bias, Activation::Identity, true).unwrap();
        close("x W", values(&times(&x, &w).unwrap()), values(&want), 1e-15);
        gradients_agree("times", &x, &[w], true, &|x, p| {
            times(&x, &p[0]).map(check::project)
        });
        let wrong = |shape: &[usize]| times(&random("x", 2, 5), &param("w", shape));
        check::refuses(wrong(&[6, 4]), &["times: weight", "6 inputs", "got 5"]);
        check::refuses(wrong(&[5]), &["times: weight", "two dimensions", "[5]"]);
    }

    #[test]
    fn wrong_sizes_are_told() {
        let try_it = |x: usize, w: &[usize], b: usize| {
            let (w, b) = (param("w", w), param("b", &[b]));
            linear(random("x", 2, x), &w, &b, Activation::Relu, true)
        };
        check::refuses(
            try_it(6, &[5, 4], 4),
            &["linear: weight", "5 inputs", "got 6"],
        );
        check::refuses(
            try_it(5, &[5, 4], 3),
            &["linear: bias", "4 values", "got 3"],
        );
        check::refuses(
            try_it(5, &[20], 4),
            &["linear: weight", "two dimensions", "got [20]"],
        );
    }
}
