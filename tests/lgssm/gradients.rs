//! Every gradient against finite differences and against the textbook form of Fisher's identity.

use super::support::{KINDS, Owned, case, close, matrix};
use lgssm::{Gradients, Lgssm, infer, log_likelihood, log_likelihood_and_gradients};
use nalgebra::{DMatrix, DVector};

fn total(model: &Lgssm, batch: &Owned) -> f64 {
    log_likelihood(model, &batch.view()).unwrap().iter().sum()
}

/// Fourth-order central difference: error h^4 f^(5) / 30 + 1e-16 |f| / h, some 1e-11 for f near 100.
pub fn derivative(mut f: impl FnMut(f64) -> f64) -> f64 {
    let h = 1e-3;
    (8.0 * (f(h) - f(-h)) - (f(2.0 * h) - f(-2.0 * h))) / (12.0 * h)
}

/// One array of a model or a batch: its name, where it stands, where its gradient stands.
pub struct Argument {
    pub name: &'static str,
    values: for<'a> fn(&'a mut Lgssm, &'a mut Owned) -> Option<&'a mut Vec<f64>>,
    pub gradient: fn(&Gradients) -> Option<&Vec<f64>>,
    covariance: bool,
}

pub const ARGUMENTS: [Argument; 13] = {
    macro_rules! parameter {
        ($name:ident, $covariance:literal) => {
            Argument {
                name: stringify!($name),
                values: |model, _| Some(&mut model.$name),
                gradient: |gradients| Some(&gradients.$name),
                covariance: $covariance,
            }
        };
    }
    macro_rules! per_step {
        ($name:ident) => {
            Argument {
                name: stringify!($name),
                values: |_, batch| batch.$name.as_mut(),
                gradient: |gradients| gradients.$name.as_ref(),
                covariance: false,
            }
        };
    }
    [
        parameter!(transition_matrix, false),
        parameter!(transition_offset, false),
        parameter!(transition_cov, true),
        parameter!(emission_matrix, false),
        parameter!(emission_offset, false),
        parameter!(emission_cov, true),
        parameter!(initial_mean, false),
        parameter!(initial_cov, true),
        per_step!(transition_matrices),
        per_step!(transition_offsets),
        per_step!(emission_matrices),
        per_step!(emission_offsets),
        Argument {
            name: "codes",
            values: |_, batch| Some(&mut batch.codes),
            gradient: |gradients| Some(&gradients.codes),
            covariance: false,
        },
    ]
};

/// Finite differences of `total` by every value of one argument; a covariance is changed symmetrically, G_ij from the change of both halves.
pub fn finite_differences(
    argument: &Argument,
    model: &Lgssm,
    batch: &Owned,
    total: &dyn Fn(&Lgssm, &Owned) -> f64,
) -> Option<Vec<f64>> {
    let (mut model, mut batch) = (model.clone(), batch.clone());
    let count = (argument.values)(&mut model, &mut batch)?.len();
    let size = count.isqrt();
    let mut found = Vec::with_capacity(count);
    for i in 0..count {
        let mirror = if argument.covariance {
            i % size * size + i / size
        } else {
            i
        };
        let before = (argument.values)(&mut model, &mut batch)?[i];
        found.push(derivative(|h| {
            for place in [i, mirror] {
                if let Some(values) = (argument.values)(&mut model, &mut batch) {
                    values[place] = before + h;
                }
            }
            let value = total(&model, &batch);
            for place in [i, mirror] {
                if let Some(values) = (argument.values)(&mut model, &mut batch) {
                    values[place] = before;
                }
            }
            value / if mirror == i { 1.0 } else { 2.0 }
        }));
    }
    Some(found)
}

#[test]
fn every_gradient_equals_finite_differences_for_every_kind_of_batch() {
    for seed in 0..KINDS {
        let (model, batch) = case(seed);
        let found = log_likelihood_and_gradients(&model, &batch.view()).unwrap();
        assert_eq!(
            found.log_likelihood,
            log_likelihood(&model, &batch.view()).unwrap()
        );
        for argument in &ARGUMENTS {
            let ours = (argument.gradient)(&found.gradients);
            let want = finite_differences(argument, &model, &batch, &total);
            assert_eq!(
                ours.is_some(),
                want.is_some(),
                "seed {seed} {}",
                argument.name
            );
            if let (Some(ours), Some(want)) = (ours, want) {
                // Tolerance: the error of the differences, with f^(5) up to 1e5 where R is small.
                close(&format!("seed {seed} {}", argument.name), ours, &want, 1e-7);
            }
        }
    }
}

#[test]
fn gradients_equal_the_textbook_form_of_fishers_identity() {
    for seed in 0..2 * KINDS {
        let (model, batch) = case(seed);
        if batch.component_mask.is_some() {
            continue; // the textbook form is written for whole frames
        }
        let found = log_likelihood_and_gradients(&model, &batch.view())
            .unwrap()
            .gradients;
        let want = textbook(&model, &batch);
        let mut sums = (
            found.transition_matrix,
            found.transition_offset,
            found.emission_matrix,
            found.emission_offset,
        );
        for (sum, steps) in [
            (&mut sums.0, &found.transition_matrices),
            (&mut sums.1, &found.transition_offsets),
            (&mut sums.2, &found.emission_matrices),
            (&mut sums.3, &found.emission_offsets),
        ] {
            if let Some(steps) = steps {
                assert!(
                    sum.iter().all(|&x| x == 0.0),
                    "a parameter that is not used has a gradient"
                );
                for step in steps.chunks_exact(sum.len()) {
                    sum.iter_mut().zip(step).for_each(|(sum, x)| *sum += x);
                }
            }
        }
        let ours = [
            sums.0,
            sums.1,
            found.transition_cov,
            sums.2,
            sums.3,
            found.emission_cov,
            found.initial_mean,
            found.initial_cov,
        ];
        for (i, (ours, want)) in ours.iter().zip(&want).enumerate() {
            let want: Vec<f64> = want.transpose().iter().copied().collect();
            close(&format!("seed {seed} gradient {i}"), ours, &want, 1e-10);
        }
    }
}

/// d/dA, d/dc, d/dQ, d/dC, d/dd, d/dR, d/dmu_0, d/dSigma_0 from smoothed moments, summed over steps: the formulas with inverses.
fn textbook(model: &Lgssm, batch: &Owned) -> [DMatrix<f64>; 8] {
    let (n, p) = (model.latent, model.code);
    let posterior = infer(model, &batch.view()).unwrap();
    let pick = |given: &Option<Vec<f64>>, fixed: &[f64], at: usize, size: usize| match given {
        Some(values) => values[at * size..][..size].to_vec(),
        None => fixed.to_vec(),
    };
    let inverse = |size: usize, cov: &[f64]| matrix(size, size, cov).try_inverse().unwrap();
    let (process, noise) = (
        inverse(n, &model.transition_cov),
        inverse(p, &model.emission_cov),
    );
    let initial = inverse(n, &model.initial_cov);
    let zeros = |r, c| DMatrix::<f64>::zeros(r, c);
    let [mut a, mut c, mut q] = [zeros(n, n), zeros(n, 1), zeros(n, n)];
    let [mut e, mut d, mut r] = [zeros(p, n), zeros(p, 1), zeros(p, p)];
    let [mut mean, mut cov] = [zeros(n, 1), zeros(n, n)];
    for at in 0..batch.sequences * batch.frames {
        let state = |at: usize| {
            let m = DVector::from_column_slice(&posterior.smoothed_mean[at * n..][..n]);
            let s =
                matrix(n, n, &posterior.smoothed_cov[at * n * n..][..n * n]) + &m * m.transpose();
            (m, s)
        };
        let (m, s) = state(at);
        if at % batch.frames == 0 {
            let mu = DVector::from_column_slice(&model.initial_mean);
            let square = &s - &m * mu.transpose() - &mu * m.transpose() + &mu * mu.transpose();
            mean += &initial * (&m - mu);
            cov += (&initial * square * &initial - &initial) * 0.5;
        } else {
            let (m1, s1) = state(at - 1);
            let lag =
                matrix(n, n, &posterior.lag_one_cov[at * n * n..][..n * n]) + &m * m1.transpose();
            let matrix = matrix(
                n,
                n,
                &pick(
                    &batch.transition_matrices,
                    &model.transition_matrix,
                    at,
                    n * n,
                ),
            );
            let offset = DVector::from(pick(
                &batch.transition_offsets,
                &model.transition_offset,
                at,
                n,
            ));
            let rest = &m - &matrix * &m1 - &offset;
            a += &process * (&lag - &matrix * &s1 - &offset * m1.transpose());
            c += &process * &rest;
            let cross = &lag * matrix.transpose() + &m * offset.transpose()
                - &matrix * &m1 * offset.transpose();
            let square =
                s.clone() + &matrix * s1 * matrix.transpose() + &offset * offset.transpose()
                    - &cross
                    - cross.transpose();
            q += (&process * square * &process - &process) * 0.5;
        }
        if batch.seen(at, 0, p) {
            let matrix = matrix(
                p,
                n,
                &pick(&batch.emission_matrices, &model.emission_matrix, at, p * n),
            );
            let offset =
                DVector::from(pick(&batch.emission_offsets, &model.emission_offset, at, p));
            let code = DVector::from_column_slice(&batch.codes[at * p..][..p]) - offset;
            let cov = s.clone() - &m * m.transpose();
            let rest = &code - &matrix * &m;
            e += &noise * (&code * m.transpose() - &matrix * &s);
            d += &noise * &rest;
            let square = &rest * rest.transpose() + &matrix * cov * matrix.transpose();
            r += (&noise * square * &noise - &noise) * 0.5;
        }
    }
    [a, c, q, e, d, r, mean, cov]
}
