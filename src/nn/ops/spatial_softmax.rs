//! Expected image coordinates under a softmax over each feature map ("soft-argmax"; Finn et al. 2016, "Deep spatial
//! autoencoders", sec. IV-B).

use crate::error::{Error, Result};
use crate::nn::tensor::{matrix, record, size, take_gradient, values};
use crate::nn::{Float, Mat};
use dfdx::prelude::{Cpu, SplitTape, Tape};

/// Maps (rows, M*H*W) to coordinates (rows, 2M): for map m, sum_i p_i (u_i, v_i) with p = softmax of the map's values and
/// (u, v) in [-1, 1], u to the right and v upwards.
///
/// # Errors
/// [`Error::Shape`] when the number of columns is not M H W.
pub fn spatial_softmax<F: Float, T: Tape<F, Cpu>>(
    x: Mat<F, T>,
    maps: usize,
    height: usize,
    width: usize,
) -> Result<Mat<F, T>> {
    let (x, tape) = x.split_tape();
    let (rows, columns) = size(&x);
    let places = height * width;
    if columns != maps * places {
        return Err(Error::Shape(format!(
            "spatial_softmax: {maps} x {height} x {width} values a row expected, got {columns}"
        )));
    }
    let at = |i: usize, n: usize| {
        if n > 1 {
            2.0 * i as f64 / (n - 1) as f64 - 1.0
        } else {
            0.0
        }
    };
    let u: Vec<F> = (0..places).map(|i| F::of(at(i % width, width))).collect();
    let v: Vec<F> = (0..places).map(|i| F::of(-at(i / width, height))).collect();
    let mut weights = values(&x).to_vec(); // becomes the softmax, (rows, M*H*W)
    let mut out = Vec::with_capacity(rows * 2 * maps);
    for map in weights.chunks_exact_mut(places) {
        let top = map.iter().copied().fold(F::neg_infinity(), F::max);
        map.iter_mut().for_each(|p| *p = (*p - top).exp());
        let total: F = map.iter().copied().sum();
        map.iter_mut().for_each(|p| *p /= total);
        let mean = |grid: &[F]| map.iter().zip(grid).map(|(&p, &g)| p * g).sum::<F>();
        out.extend([mean(&u), mean(&v)]);
    }
    let y = matrix(out, rows, 2 * maps)?; // (rows, 2M)
    let result = y.clone();
    Ok(record(y, tape, move |gradients| {
        let gy = take_gradient(gradients, &result)?;
        let gx = gradients.get_or_alloc_mut(&x)?;
        let maps = gx
            .chunks_exact_mut(places)
            .zip(weights.chunks_exact(places));
        for ((to, p), (g, mean)) in
            maps.zip(gy.chunks_exact(2).zip(values(&result).chunks_exact(2)))
        {
            for i in 0..places {
                to[i] += p[i] * ((u[i] - mean[0]) * g[0] + (v[i] - mean[1]) * g[1]);
            }
        }
        Ok(())
    }))
}
