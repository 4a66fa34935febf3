//! M-step of C, d and R.
//!
//! Where only some components of a code are seen, the others are latent like the state: given z_t and the seen ones they are
//! linear-Gaussian, so that the whole code is y = F z_t + g + e, e ~ N(0, V), with F = 0 and g = a in the rows of seen components. Frames
//! of which nothing is seen do not count.

use super::regression::Regression;
use super::{rows, state, symmetric};
use crate::Result;
use crate::batch::{Seen, Sequence};
use crate::{Batch, Lgssm, Posterior};
use nalgebra::{DMatrix, DVector};

/// One code given the state: y = `matrix` z + `offset` + e, e ~ N(0, `cov`).
struct Filled {
    at: usize,
    matrix: DMatrix<f64>,
    offset: DVector<f64>,
    cov: DMatrix<f64>,
}

/// Regresses the codes (minus what the batch gives) on z_t and 1; R is the mean expected square of the rest.
pub(super) fn maximize(
    updated: &mut Lgssm,
    model: &Lgssm,
    batch: &Batch,
    posterior: &Posterior,
) -> Result<()> {
    let (n, p) = (model.latent, model.code);
    let fit_matrix = batch.emission_matrices.is_none();
    let fit_offset = batch.emission_offsets.is_none();
    let states = if fit_matrix { n } else { 0 };
    let size = states + usize::from(fit_offset);
    let given_matrix = |at: usize| {
        let given = batch.emission_matrices?;
        Some(DMatrix::from_row_slice(p, n, &given[at * p * n..][..p * n]))
    };
    let given_offset = |at: usize| {
        let given = batch.emission_offsets?;
        Some(DVector::from_column_slice(&given[at * p..][..p]))
    };

    let codes = filled(model, batch)?;
    if codes.is_empty() {
        return Ok(());
    }

    let mut regression = Regression::new("emission", size, p);
    for code in codes.iter().filter(|_| size > 0) {
        let (mean, cov) = state(posterior, code.at, n);
        let (mut matrix, mut offset) = (code.matrix.clone(), code.offset.clone());
        if let Some(given) = given_matrix(code.at) {
            matrix -= given;
        }
        if let Some(given) = given_offset(code.at) {
            offset -= given;
        }
        let one = fit_offset.then_some(1.0);
        let x = DVector::from_iterator(size, mean.iter().copied().take(states).chain(one));
        let target = &matrix * mean + offset;
        let (mut xx, mut xy) = (&x * x.transpose(), &x * target.transpose());
        if fit_matrix {
            let mut corner = xx.view_mut((0, 0), (n, n));
            corner += &cov;
            let mut corner = xy.view_mut((0, 0), (n, p));
            corner += cov * matrix.transpose();
        }
        regression.add(&xx, &xy);
    }
    if size > 0 {
        let weights = regression.solve()?;
        if fit_matrix {
            updated.emission_matrix = rows(&weights.columns(0, n).into_owned());
        }
        if fit_offset {
            updated.emission_offset = weights.column(size - 1).into_owned().data.into();
        }
    }

    updated.emission_cov = noise(updated, batch, posterior, &codes);
    Ok(())
}

/// The M-step of R alone, with everything else as it is: the mean expected square of a_t - C z_t - d over the frames seen, (p, p).
/// `None` where nothing is seen.
///
/// # Errors
/// [`crate::Error::Numeric`] where R of the components seen is singular.
pub fn emission_noise(
    model: &Lgssm,
    batch: &Batch,
    posterior: &Posterior,
) -> Result<Option<Vec<f64>>> {
    let codes = filled(model, batch)?;
    Ok((!codes.is_empty()).then(|| noise(model, batch, posterior, &codes)))
}

/// Every code of which something is seen.
fn filled(model: &Lgssm, batch: &Batch) -> Result<Vec<Filled>> {
    let mut codes = Vec::new();
    for index in 0..batch.sequences {
        let sequence = batch.sequence(model, index);
        for t in 0..batch.frames {
            codes.extend(fill(&sequence, t)?);
        }
    }
    Ok(codes)
}

/// Mean over `codes` of E[(y - C z - d)(y - C z - d)'], C and d those of `fitted` where the batch does not give them.
fn noise(fitted: &Lgssm, batch: &Batch, posterior: &Posterior, codes: &[Filled]) -> Vec<f64> {
    let (n, p) = (fitted.latent, fitted.code);
    let emission = batch.emission_matrices.unwrap_or(&fitted.emission_matrix);
    let offsets = batch.emission_offsets.unwrap_or(&fitted.emission_offset);
    let at = |code: &Filled, given: bool| if given { code.at } else { 0 };
    let mut cov = DMatrix::zeros(p, p);
    for code in codes {
        let (mean, state_cov) = state(posterior, code.at, n);
        let of_matrix = at(code, batch.emission_matrices.is_some()) * p * n;
        let of_offset = at(code, batch.emission_offsets.is_some()) * p;
        let matrix = &code.matrix - DMatrix::from_row_slice(p, n, &emission[of_matrix..][..p * n]);
        let offset = &code.offset - DVector::from_column_slice(&offsets[of_offset..][..p]);
        let rest = &matrix * mean + offset;
        cov += &rest * rest.transpose() + &matrix * state_cov * matrix.transpose() + &code.cov;
    }
    symmetric(cov / codes.len() as f64)
}

/// The whole code of frame t given z_t and the components seen; none where nothing is seen.
fn fill(sequence: &Sequence, t: usize) -> Result<Option<Filled>> {
    let (n, p) = (sequence.model.latent, sequence.model.code);
    let mut filled = Filled {
        at: sequence.at(t),
        matrix: DMatrix::zeros(p, n),
        offset: DVector::from_column_slice(sequence.code(t)),
        cov: DMatrix::zeros(p, p),
    };
    let mask = match sequence.seen(t) {
        Seen::Nothing => return Ok(None),
        Seen::All => return Ok(Some(filled)),
        Seen::Some(mask) => mask,
    };
    let (seen, missing): (Vec<usize>, Vec<usize>) = (0..p).partition(|&i| mask[i]);
    let emission = DMatrix::from_row_slice(p, n, sequence.emission_matrix(t));
    let offset = DVector::from_column_slice(sequence.emission_offset(t));
    let cov = DMatrix::from_row_slice(p, p, &sequence.model.emission_cov);
    let cross = cov.select_rows(&seen).select_columns(&missing);
    let Some(root) = cov.select_rows(&seen).select_columns(&seen).cholesky() else {
        return Err(sequence.numeric(t, "emission_cov of the components seen is singular"));
    };
    let weights = root.solve(&cross).transpose(); // R_ms R_ss^-1
    let rest = (&filled.offset - &offset).select_rows(&seen);
    let matrix = emission.select_rows(&missing) - &weights * emission.select_rows(&seen);
    let mean = offset.select_rows(&missing) + &weights * rest;
    let noise = cov.select_rows(&missing).select_columns(&missing) - weights * cross;
    for (i, &row) in missing.iter().enumerate() {
        filled.offset[row] = mean[i];
        filled.matrix.row_mut(row).copy_from(&matrix.row(i));
        for (j, &column) in missing.iter().enumerate() {
            filled.cov[(row, column)] = noise[(i, j)];
        }
    }
    Ok(Some(filled))
}
