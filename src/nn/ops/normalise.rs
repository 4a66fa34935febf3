//! Layer normalisation.

use crate::tensor::{matrix, record, size, split, take_gradient, values};
use crate::{Error, Float, Mat, Param, Result, Track};

/// Keeps the scale of constant rows finite.
const EPSILON: f64 = 1e-5;

/// y = g (x - mean) / sqrt(var + 1e-5) + b, mean and variance over the columns of each row (Ba, Kiros & Hinton 2016,
/// eq. 4): x (rows, c), gain g (c), bias b (c).
///
/// # Errors
/// [`Error::Shape`] when gain or bias have another size.
pub fn layer_norm<F: Float, T: Track<F>>(
    x: &Mat<F, T>,
    gain: &Param<F>,
    bias: &Param<F>,
) -> Result<Mat<F, T>> {
    let (x, tape) = split(x);
    let (rows, c) = size(&x);
    if gain.values().len() != c || bias.values().len() != c || c == 0 {
        return Err(Error::Shape(format!(
            "layer_norm: gain and bias of {c} values (at least 1) expected, got {} and {}",
            gain.values().len(),
            bias.values().len()
        )));
    }
    let share = F::of(1.0 / c as f64);
    let mut normal = values(&x).to_vec();
    let mut scales = Vec::with_capacity(rows); // 1 / sqrt(var + eps)
    let mut y = Vec::with_capacity(rows * c);
    for row in normal.chunks_exact_mut(c) {
        let mean = row.iter().copied().sum::<F>() * share;
        row.iter_mut().for_each(|v| *v -= mean);
        let var = row.iter().map(|&v| v * v).sum::<F>() * share;
        let scale = F::of(1.0) / (var + F::of(EPSILON)).sqrt();
        row.iter_mut().for_each(|v| *v *= scale);
        scales.push(scale);
        let line = row.iter().zip(gain.values()).zip(bias.values());
        y.extend(line.map(|((&v, &g), &b)| g * v + b));
    }
    let y = matrix(y, rows, c)?;
    let (out, gain, bias) = (y.clone(), gain.clone(), bias.clone());
    Ok(record(y, tape, move |gradients| {
        let gy = take_gradient(gradients, &out)?;
        let to = gradients.get_or_alloc_mut(bias.storage())?;
        gy.chunks_exact(c).for_each(|g| F::accumulate(to, g));
        let to = gradients.get_or_alloc_mut(gain.storage())?;
        for (g, n) in gy.chunks_exact(c).zip(normal.chunks_exact(c)) {
            to.iter_mut()
                .zip(g)
                .zip(n)
                .for_each(|((to, &g), &n)| *to += g * n);
        }
        let to = gradients.get_or_alloc_mut(&x)?;
        let mut own = vec![F::of(0.0); c];
        for (row, to) in to.chunks_exact_mut(c).enumerate() {
            let (g, n) = (&gy[row * c..][..c], &normal[row * c..][..c]);
            let scaled = own.iter_mut().zip(g).zip(gain.values());
            scaled.for_each(|((own, &g), &gain)| *own = g * gain);
            let mean = own.iter().copied().sum::<F>() * share;
            let along = own.iter().zip(n).map(|(&d, &n)| d * n).sum::<F>() * share;
            for j in 0..c {
                to[j] += scales[row] * (own[j] - mean - n[j] * along);
            }
        }
        Ok(())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{self, close, gradients_agree, param, project, random};

    #[test]
    fn every_row_has_the_mean_and_variance_of_bias_and_gain() {
        let (gain, bias) = (
            Param::constant([5], 3.0).unwrap(),
            Param::constant([5], -1.0).unwrap(),
        );
        let y = layer_norm(&random("x", 4, 5), &gain, &bias).unwrap();
        for row in values(&y).chunks(5) {
            let mean = row.iter().sum::<f64>() / 5.0;
            let var = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 5.0;
            // Variances of the rows are about .3, of which 1e-5 is 3e-5.
            close("mean", &[mean], &[-1.0], 1e-13);
            close("var", &[var], &[9.0], 2e-4);
        }
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        let parameters = [param("gain", &[5]), param("bias", &[5])];
        gradients_agree(
            "layer_norm",
            &random("x", 4, 5),
            &parameters,
            true,
            &|x, p| layer_norm(&x, &p[0], &p[1]).map(project),
        );
    }

    #[test]
    fn wrong_sizes_are_told() {
        let (gain, bias) = (param("gain", &[4]), param("bias", &[5]));
        check::refuses(
            layer_norm(&random("x", 4, 5), &gain, &bias),
            &["layer_norm", "5 values", "4 and 5"],
        );
    }
}
