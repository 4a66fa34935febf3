//! The joint Gaussian of a whole sequence, solved densely: what the recursions must agree with.
//!
//! The posterior comes from the block-tridiagonal precision of z_0 .. z_{T-1}, the likelihood from the covariance of all seen codes: two
//! routes that share nothing with the recursions.

use super::support::{Owned, matrix};
use lgssm::Lgssm;
use nalgebra::{DMatrix, DVector};

/// What one sequence reads at frame t.
struct Frame {
    transition: DMatrix<f64>,
    offset: DVector<f64>,
    emission: DMatrix<f64>,     // seen rows
    emission_cov: DMatrix<f64>, // seen rows and columns
    code: DVector<f64>,         // seen, minus its offset
}

fn frame(model: &Lgssm, batch: &Owned, at: usize, until: bool) -> Frame {
    let (n, p) = (model.latent, model.code);
    let pick = |given: &Option<Vec<f64>>, fixed: &[f64], size: usize| match given {
        Some(values) => values[at * size..][..size].to_vec(),
        None => fixed.to_vec(),
    };
    let seen: Vec<usize> = (0..p).filter(|&i| until && batch.seen(at, i, p)).collect();
    let offset = pick(&batch.emission_offsets, &model.emission_offset, p);
    let emission = pick(&batch.emission_matrices, &model.emission_matrix, p * n);
    let cov = matrix(p, p, &model.emission_cov);
    Frame {
        transition: matrix(
            n,
            n,
            &pick(&batch.transition_matrices, &model.transition_matrix, n * n),
        ),
        offset: DVector::from(pick(&batch.transition_offsets, &model.transition_offset, n)),
        emission: matrix(p, n, &emission).select_rows(&seen),
        emission_cov: cov.select_rows(&seen).select_columns(&seen),
        code: DVector::from_iterator(
            seen.len(),
            seen.iter().map(|&i| batch.codes[at * p + i] - offset[i]),
        ),
    }
}

/// Mean (T n) and covariance (T n, T n) of all states of one sequence, given its codes up to frame `last`.
pub fn joint_posterior(
    model: &Lgssm,
    batch: &Owned,
    index: usize,
    last: usize,
) -> (DVector<f64>, DMatrix<f64>) {
    let (n, frames) = (model.latent, batch.frames);
    let invert = |cov: &[f64]| matrix(n, n, cov).try_inverse().unwrap();
    let (initial, process) = (invert(&model.initial_cov), invert(&model.transition_cov));
    let mut precision = DMatrix::zeros(frames * n, frames * n);
    let mut shift = DVector::zeros(frames * n);
    for t in 0..frames {
        let read = frame(model, batch, index * frames + t, t <= last);
        // Adds |r|^2_W for r = sum_i M_i z_{t_i} - c.
        let mut add = |parts: &[(usize, DMatrix<f64>)], weight: &DMatrix<f64>, c: &DVector<f64>| {
            for (i, a) in parts {
                let mut view = shift.rows_mut(i * n, n);
                view += a.transpose() * weight * c;
                for (j, b) in parts {
                    let mut view = precision.view_mut((i * n, j * n), (n, n));
                    view += a.transpose() * weight * b;
                }
            }
        };
        let eye = DMatrix::identity(n, n);
        if t == 0 {
            add(
                &[(0, eye)],
                &initial,
                &DVector::from_column_slice(&model.initial_mean),
            );
        } else {
            add(
                &[(t, eye), (t - 1, -&read.transition)],
                &process,
                &read.offset,
            );
        }
        if !read.code.is_empty() {
            let weight = read.emission_cov.clone().try_inverse().unwrap();
            add(&[(t, read.emission.clone())], &weight, &read.code);
        }
    }
    let cov = precision.try_inverse().unwrap();
    (&cov * shift, cov)
}

/// log p of the seen codes of one sequence, from their joint covariance.
pub fn joint_likelihood(model: &Lgssm, batch: &Owned, index: usize) -> f64 {
    let (n, frames) = (model.latent, batch.frames);
    let reads: Vec<Frame> = (0..frames)
        .map(|t| frame(model, batch, index * frames + t, true))
        .collect();
    let mut mean = DVector::from_column_slice(&model.initial_mean);
    let mut row: Vec<DMatrix<f64>> = Vec::new(); // Cov(z_t, z_s) for s <= t
    let (mut blocks, mut residual) = (Vec::new(), Vec::new());
    for (t, read) in reads.iter().enumerate() {
        if t == 0 {
            row.push(matrix(n, n, &model.initial_cov));
        } else {
            mean = &read.transition * mean + &read.offset;
            let last = &read.transition * &row[t - 1] * read.transition.transpose();
            row.iter_mut()
                .for_each(|cov| *cov = &read.transition * &*cov);
            row.push(last + matrix(n, n, &model.transition_cov));
        }
        residual.extend((&read.code - &read.emission * &mean).iter());
        let codes = row
            .iter()
            .zip(&reads)
            .map(|(cov, other)| &read.emission * cov * other.emission.transpose());
        let mut codes: Vec<_> = codes.collect();
        codes[t] += &read.emission_cov;
        blocks.push(codes);
    }
    let sizes: Vec<usize> = reads.iter().map(|read| read.code.len()).collect();
    let start = |t: usize| sizes[..t].iter().sum::<usize>();
    let total = start(frames);
    if total == 0 {
        return 0.0;
    }
    let mut cov = DMatrix::zeros(total, total);
    for (t, blocks) in blocks.iter().enumerate() {
        for (s, block) in blocks.iter().enumerate() {
            cov.view_mut((start(t), start(s)), block.shape())
                .copy_from(block);
            cov.view_mut((start(s), start(t)), (sizes[s], sizes[t]))
                .copy_from(&block.transpose());
        }
    }
    let residual = DVector::from(residual);
    let root = cov.cholesky().unwrap();
    let log_det = 2.0 * root.l().diagonal().map(f64::ln).sum();
    -0.5 * (residual.dot(&root.solve(&residual))
        + log_det
        + total as f64 * (2.0 * std::f64::consts::PI).ln())
}
