//! A covariance as free parameters: its lower Cholesky factor, packed by rows, with logarithms on the diagonal.

use crate::{Error, Result};

/// Smallest variance in every direction: keeps covariances positive definite when they come from f32 parameters.
pub const VARIANCE_FLOOR: f64 = 1e-8;

/// Packed root of a covariance (n, n): n (n+1) / 2 values.
///
/// # Errors
/// [`Error::Numeric`] when it is not positive definite, with its name and the pivot.
pub fn pack(name: &str, cov: &[f64], n: usize) -> Result<Vec<f64>> {
    let mut l = vec![0.0; n * n];
    let mut packed = Vec::with_capacity(n * (n + 1) / 2);
    for i in 0..n {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| l[i * n + k] * l[j * n + k]).sum();
            let rest = cov[i * n + j] - dot;
            if i == j {
                if rest.is_nan() || rest <= 0.0 {
                    return Err(Error::Numeric(format!(
                        "{name} is not positive definite: pivot {i} is {rest:e}"
                    )));
                }
                l[i * n + i] = rest.sqrt();
                packed.push(0.5 * rest.ln());
            } else {
                l[i * n + j] = rest / l[j * n + j];
                packed.push(l[i * n + j]);
            }
        }
    }
    Ok(packed)
}

/// L, (n, n), from its packed form.
fn unpack(packed: &[f64], n: usize) -> Vec<f64> {
    let mut l = vec![0.0; n * n];
    let mut at = 0;
    for i in 0..n {
        for j in 0..=i {
            l[i * n + j] = if i == j { packed[at].exp() } else { packed[at] };
            at += 1;
        }
    }
    l
}

/// L L' + 1e-8 I, (n, n): every value of the parameters is a valid covariance.
pub fn covariance(packed: &[f64], n: usize) -> Vec<f64> {
    let l = unpack(packed, n);
    let mut cov = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let dot: f64 = (0..=j).map(|k| l[i * n + k] * l[j * n + k]).sum();
            cov[i * n + j] = dot;
            cov[j * n + i] = dot;
        }
        cov[i * n + i] += VARIANCE_FLOOR;
    }
    cov
}

/// Gradient in the packed root from the symmetric gradient G in the covariance: 2 G L, times L_ii on the diagonal.
pub fn root_gradient(packed: &[f64], gradient: &[f64], n: usize) -> Vec<f64> {
    let l = unpack(packed, n);
    let mut out = Vec::with_capacity(packed.len());
    for i in 0..n {
        for j in 0..=i {
            let dot: f64 = (j..n).map(|k| gradient[i * n + k] * l[k * n + j]).sum();
            out.push(2.0 * dot * if i == j { l[i * n + i] } else { 1.0 });
        }
    }
    out
}
