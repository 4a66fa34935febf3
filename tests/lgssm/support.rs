//! Random small models and batches from fixed seeds, and comparisons.

use kinostate::seeds::{Rng, Seeds};
use lgssm::{Batch, Lgssm};
use nalgebra::{DMatrix, SymmetricEigen};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

pub fn normals(rng: &mut Rng, count: usize) -> Vec<f64> {
    StandardNormal.sample_iter(rng).take(count).collect()
}

pub fn matrix(rows: usize, columns: usize, values: &[f64]) -> DMatrix<f64> {
    DMatrix::from_row_slice(rows, columns, values)
}

/// A covariance with eigenvalues of order `scale`, far from singular.
pub fn covariance(rng: &mut Rng, size: usize, scale: f64) -> Vec<f64> {
    let root = matrix(size, size, &normals(rng, size * size));
    let cov =
        (&root * root.transpose() / size as f64 + DMatrix::identity(size, size) * 0.3) * scale;
    ((&cov + cov.transpose()) * 0.5).data.into()
}

pub fn model(rng: &mut Rng, n: usize, p: usize) -> Lgssm {
    let scale = 0.9 / (n as f64).sqrt();
    Lgssm {
        latent: n,
        code: p,
        transition_matrix: normals(rng, n * n).iter().map(|x| scale * x).collect(),
        transition_offset: normals(rng, n),
        transition_cov: covariance(rng, n, 0.2),
        emission_matrix: normals(rng, p * n),
        emission_offset: normals(rng, p),
        emission_cov: covariance(rng, p, 0.3),
        initial_mean: normals(rng, n),
        initial_cov: covariance(rng, n, 2.0),
    }
}

/// A batch that owns its arrays. Which of them are there depends on the bits of `kind`.
#[derive(Clone)]
pub struct Owned {
    pub sequences: usize,
    pub frames: usize,
    pub codes: Vec<f64>,
    pub frame_mask: Option<Vec<bool>>,
    pub component_mask: Option<Vec<bool>>,
    pub transition_matrices: Option<Vec<f64>>,
    pub transition_offsets: Option<Vec<f64>>,
    pub emission_matrices: Option<Vec<f64>>,
    pub emission_offsets: Option<Vec<f64>>,
}

/// Number of kinds of batch: every subset of the six optional arrays.
pub const KINDS: u64 = 64;

impl Owned {
    pub fn random(
        rng: &mut Rng,
        model: &Lgssm,
        sequences: usize,
        frames: usize,
        kind: u64,
    ) -> Self {
        let (n, p, all) = (model.latent, model.code, sequences * frames);
        let scale = 0.9 / (n as f64).sqrt();
        let mut codes: Vec<f64> = normals(rng, all * p).iter().map(|x| 2.0 * x).collect();
        let mut seen = |count: usize| -> Vec<bool> {
            normals(rng, count).iter().map(|&x| x > -0.5).collect() // 69 % are there
        };
        let frame_mask = (kind & 1 > 0).then(|| seen(all));
        let component_mask = (kind & 2 > 0).then(|| seen(all * p));
        // What is missing must never be read.
        for (i, code) in codes.iter_mut().enumerate() {
            let there = frame_mask.as_ref().is_none_or(|mask| mask[i / p])
                && component_mask.as_ref().is_none_or(|mask| mask[i]);
            if !there {
                *code = f64::NAN;
            }
        }
        let mut given = |bit: u64, size: usize, scale: f64| {
            (kind & bit > 0).then(|| normals(rng, all * size).iter().map(|x| scale * x).collect())
        };
        Self {
            sequences,
            frames,
            codes,
            frame_mask,
            component_mask,
            transition_matrices: given(4, n * n, scale),
            transition_offsets: given(8, n, 1.0),
            emission_matrices: given(16, p * n, 1.0),
            emission_offsets: given(32, p, 1.0),
        }
    }

    pub fn view(&self) -> Batch<'_> {
        Batch {
            frame_mask: self.frame_mask.as_deref(),
            component_mask: self.component_mask.as_deref(),
            transition_matrices: self.transition_matrices.as_deref(),
            transition_offsets: self.transition_offsets.as_deref(),
            emission_matrices: self.emission_matrices.as_deref(),
            emission_offsets: self.emission_offsets.as_deref(),
            ..Batch::new(&self.codes, self.sequences, self.frames)
        }
    }

    pub fn seen(&self, at: usize, component: usize, p: usize) -> bool {
        self.frame_mask.as_ref().is_none_or(|mask| mask[at])
            && self
                .component_mask
                .as_ref()
                .is_none_or(|mask| mask[at * p + component])
    }
}

/// A random model of sizes 1 to 4 and a random batch of 2 sequences of 1 to 6 frames; the kind is the seed modulo [`KINDS`].
pub fn case(seed: u64) -> (Lgssm, Owned) {
    let mut rng = Seeds::new(seed).stream("test/lgssm", 0);
    let mut size = |count: u64| (rng.random_range(0..count) + 1) as usize;
    let (n, p, frames) = (size(4), size(4), size(6));
    let model = model(&mut rng, n, p);
    let batch = Owned::random(&mut rng, &model, 2, frames, seed % KINDS);
    (model, batch)
}

/// Largest difference, relative to the largest wanted value or 1, whichever is more.
pub fn difference(got: &[f64], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let scale = want.iter().fold(1.0_f64, |a, x| a.max(x.abs()));
    let errors = got.iter().zip(want).map(|(a, b)| (a - b).abs() / scale);
    errors.fold(
        0.0,
        |a, e| if e.is_nan() { f64::INFINITY } else { a.max(e) },
    )
}

#[track_caller]
pub fn close(label: &str, got: &[f64], want: &[f64], tolerance: f64) {
    let error = difference(got, want);
    assert!(
        error <= tolerance,
        "{label}: {error:e} > {tolerance:e}\n got {got:?}\nwant {want:?}"
    );
}

/// Every (n, n) block is finite, symmetric to the last bit, and positive semi-definite up to what rounding a Gram matrix costs.
#[track_caller]
pub fn sound(label: &str, covs: &[f64], n: usize) {
    for (i, cov) in covs.chunks_exact(n * n).enumerate() {
        assert!(cov.iter().all(|x| x.is_finite()), "{label} {i}: {cov:?}");
        let cov = matrix(n, n, cov);
        assert_eq!(cov, cov.transpose(), "{label} {i} is not symmetric");
        let scale = cov.amax();
        if scale > 0.0 {
            let smallest = SymmetricEigen::new(&cov / scale).eigenvalues.min();
            assert!(
                smallest > -1e-14 * n as f64,
                "{label} {i}: eigenvalue {smallest:e} of {scale:e}"
            );
        }
    }
}
