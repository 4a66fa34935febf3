//! Expected image coordinates under a softmax over each feature map ("soft-argmax"; Finn et al. 2016, "Deep spatial
//! autoencoders", sec. IV-B).

use crate::tensor::{matrix, record, size, take_gradient, values};
use crate::{Error, Result};
use crate::{Float, Mat};
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
        out.extend(F::softmax_means(map, [&u, &v]));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{self, close, gradients_agree, numbers, random};

    /// sum_i p_i (u_i, v_i) by the definition, from logits below some hundred.
    fn by_hand(map: &[f64], height: usize, width: usize) -> [f64; 2] {
        let (mut total, mut u, mut v) = (0.0, 0.0, 0.0);
        for i in 0..height {
            for j in 0..width {
                let p = map[i * width + j].exp();
                total += p;
                u += p * (-1.0 + j as f64 * 2.0 / (width - 1) as f64);
                v += p * (1.0 - i as f64 * 2.0 / (height - 1) as f64);
            }
        }
        [u / total, v / total]
    }

    #[test]
    fn coordinates_are_the_mean_place_under_the_softmax_also_at_logits_of_100() {
        let (maps, h, w) = (3, 4, 5);
        for scale in [1.0, 5.0, 100.0] {
            let x: Vec<f64> = numbers("x", 2 * maps * h * w)
                .iter()
                .map(|v| v * scale)
                .collect();
            let want: Vec<f64> = x.chunks(h * w).flat_map(|map| by_hand(map, h, w)).collect();
            let y = spatial_softmax(matrix(x, 2, maps * h * w).unwrap(), maps, h, w).unwrap();
            // exp turns the rounding of a logit of 100 into 100 times that of a number of order one.
            close(&format!("scale {scale}"), values(&y), &want, 1e-13);
        }
    }

    #[test]
    fn u_points_right_and_v_upwards() {
        let corner = |at: usize| {
            let mut map = vec![-100.0; 12];
            map[at] = 100.0;
            let y = spatial_softmax(matrix(map, 1, 12).unwrap(), 1, 3, 4).unwrap();
            values(&y).to_vec()
        };
        // Beside the peak stand e^-200 times the others.
        for (at, place) in [
            (0, [-1.0, 1.0]),
            (3, [1.0, 1.0]),
            (8, [-1.0, -1.0]),
            (11, [1.0, -1.0]),
        ] {
            close(&format!("corner {at}"), &corner(at), &place, 1e-15);
        }
    }

    #[test]
    fn one_row_or_column_has_its_coordinate_in_the_middle() {
        let y = spatial_softmax(random("x", 1, 5), 1, 1, 5).unwrap();
        assert_eq!(values(&y)[1], 0.0);
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        for scale in [1.0, 100.0] {
            let x: Vec<f64> = numbers("x", 48).iter().map(|v| v * scale).collect();
            let x = matrix(x, 2, 24).unwrap();
            gradients_agree(&format!("scale {scale}"), &x, &[], true, &|x, _| {
                spatial_softmax(x, 2, 3, 4).map(check::project)
            });
        }
    }

    #[test]
    fn wrong_sizes_are_told() {
        let words = ["spatial_softmax", "2 x 3 x 4", "got 23"];
        check::refuses(spatial_softmax(random("x", 2, 23), 2, 3, 4), &words);
    }
}
