//! Standardised innovations: what a code says that the past did not, in units of its predicted spread.

use super::Lgssm;
use super::matrix::{cholesky, multiply, multiply_nt, solve_upper_t};
use crate::{Error, Result};

/// e_t = U_t'^-1 (a_t - C m_{t|t-1} - d) with U_t'U_t = S_t = C P_{t|t-1} C' + R, for codes (rows, p), predicted means (rows, n) and
/// covariances (rows, n, n). Under the model they are independent draws of N(0, I) (Kailath 1968).
///
/// # Errors
/// [`Error::Shape`] where the numbers of rows differ; [`Error::Numeric`] names the row whose S is not positive definite.
pub fn innovations(
    law: &Lgssm,
    codes: &[f64],
    predicted_mean: &[f64],
    predicted_cov: &[f64],
) -> Result<Vec<f64>> {
    let (n, p) = (law.latent, law.code);
    let rows = codes.len() / p;
    let got = (codes.len(), predicted_mean.len(), predicted_cov.len());
    if got != (rows * p, rows * n, rows * n * n) {
        return Err(Error::Shape(format!(
            "innovations: values of rows of {p}, {n} and {n} x {n} expected, got {got:?}"
        )));
    }
    let expected = law.emit(predicted_mean);
    let mut out: Vec<f64> = codes.iter().zip(expected).map(|(a, e)| a - e).collect();
    let (mut wide, mut cov, mut root) = (vec![0.0; p * n], vec![0.0; p * p], vec![0.0; p * p]);
    for (row, e) in out.chunks_exact_mut(p).enumerate() {
        let given = &predicted_cov[row * n * n..][..n * n];
        multiply(&mut wide, &law.emission_matrix, given, p, n, n);
        multiply_nt(&mut cov, &wide, &law.emission_matrix, p, n, p);
        cov.iter_mut()
            .zip(&law.emission_cov)
            .for_each(|(s, r)| *s += r);
        cholesky(&mut root, &cov, p).map_err(|(i, pivot)| {
            Error::Numeric(format!(
                "innovations: covariance of row {row} is not positive definite: pivot {i} is {pivot:e}"
            ))
        })?;
        solve_upper_t(&root, e, p, 1);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::super::{Batch, infer, log_likelihood};
    use super::*;

    /// log p(a) is the sum of log N(innovation; 0, S), so Σ |e|² must explain the difference between two code sequences whose
    /// covariances are the same: an independent answer from the likelihood.
    #[test]
    fn squared_innovations_are_what_the_likelihood_says() {
        let law = Lgssm {
            latent: 2,
            code: 2,
            transition_matrix: vec![1.0, 0.3, -0.2, 0.9],
            transition_offset: vec![0.1, -0.2],
            transition_cov: vec![0.2, 0.05, 0.05, 0.1],
            emission_matrix: vec![1.0, 0.5, -0.3, 2.0],
            emission_offset: vec![0.4, 0.0],
            emission_cov: vec![0.3, 0.1, 0.1, 0.2],
            initial_mean: vec![0.5, -1.0],
            initial_cov: vec![2.0, 0.3, 0.3, 1.0],
        };
        let codes: Vec<f64> = (0..2 * 2 * 5)
            .map(|i| (1.7 * f64::from(i)).sin() * 2.0)
            .collect();
        let batch = Batch::new(&codes, 2, 5);
        let found = infer(&law, &batch).unwrap();
        let e = innovations(&law, &codes, &found.predicted_mean, &found.predicted_cov).unwrap();
        let squares: Vec<f64> = e
            .chunks_exact(10)
            .map(|e| e.iter().map(|v| v * v).sum())
            .collect();
        let likelihood = log_likelihood(&law, &batch).unwrap();
        let want = -2.0 * (likelihood[1] - likelihood[0]);
        assert!(
            (squares[1] - squares[0] - want).abs() < 1e-9,
            "{squares:?} {want}"
        );
        assert!(
            innovations(
                &law,
                &codes[2..],
                &found.predicted_mean,
                &found.predicted_cov
            )
            .is_err()
        );
    }
}
