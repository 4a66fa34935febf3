//! Every kind of transition matrix: its property for any parameters, its gradient, its start.

use super::*;
use rand_chacha::ChaCha8Rng as Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};

const KINDS: [Constraint; 4] = [
    Constraint::Free,
    Constraint::SpectralRadius,
    Constraint::OrthogonalDecay,
    Constraint::Newtonian { dt: 0.2 },
];

fn rng(n: usize) -> Rng {
    Rng::seed_from_u64(n as u64)
}

fn normals(rng: &mut Rng, count: usize, scale: f64) -> Vec<f64> {
    (0..count)
        .map(|_| {
            let draw: f64 = StandardNormal.sample(rng);
            scale * draw
        })
        .collect()
}

fn parameters(kind: Constraint, n: usize, scale: f64, rng: &mut Rng) -> Vec<f64> {
    let count = kind.parts(n).iter().map(|(_, size)| size).sum();
    normals(rng, count, scale)
}

fn radius(matrix: &[f64], n: usize) -> f64 {
    DMatrix::from_row_slice(n, n, matrix)
        .complex_eigenvalues()
        .iter()
        .fold(0.0, |r, e| r.max(e.norm()))
}

#[test]
fn any_parameters_give_a_matrix_of_the_kind() {
    for n in [2, 4, 6] {
        let mut rng = rng(n);
        for case in 0..200 {
            let scale = [0.1, 0.5, 1.0, 2.0][case % 4];
            for kind in KINDS {
                let parameters = parameters(kind, n, scale, &mut rng);
                let a = kind.matrix(&parameters, n).unwrap();
                let label = format!("{kind:?}, n {n}, scale {scale}: {a:?}");
                match kind {
                    Constraint::Free => assert_eq!(a, parameters),
                    Constraint::SpectralRadius => {
                        let radius = radius(&a, n);
                        // Eigenvalues of a matrix far from normal: a root of the rounding.
                        assert!(radius < 1.0 + 1e-9, "{radius} {label}");
                    }
                    Constraint::OrthogonalDecay => {
                        let a = DMatrix::from_row_slice(n, n, &a);
                        let gram = a.transpose() * &a;
                        let decay = &parameters[parameters.len() - n..];
                        for i in 0..n {
                            for j in 0..n {
                                let want = if i == j {
                                    sigmoid(decay[i]).powi(2)
                                } else {
                                    0.0
                                };
                                assert!((gram[(i, j)] - want).abs() < 1e-12, "{label}");
                            }
                        }
                        assert!(a.determinant() > 0.0, "{label}");
                    }
                    Constraint::Newtonian { dt } => {
                        for i in 0..n / 2 {
                            for j in 0..n {
                                let position = f64::from(u8::from(i == j));
                                let velocity = dt * f64::from(u8::from(n / 2 + i == j));
                                assert_eq!(a[i * n + j], position + velocity, "{label}");
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Central differences: truncation 1e-10 and rounding 1e-11, times third derivatives and values of some ten.
#[test]
fn gradients_equal_finite_differences() {
    const H: f64 = 1e-5;
    for n in [2, 4] {
        let mut rng = rng(10 + n);
        for kind in KINDS {
            let parameters = parameters(kind, n, 0.5, &mut rng);
            let weights = normals(&mut rng, n * n, 1.0);
            let value = |parameters: &[f64]| -> f64 {
                let a = kind.matrix(parameters, n).unwrap();
                a.iter().zip(&weights).map(|(a, w)| a * w).sum()
            };
            let gradient = kind.gradient(&parameters, &weights, n).unwrap();
            assert_eq!(gradient.len(), parameters.len());
            for i in 0..parameters.len() {
                let at = |by: f64| {
                    let mut moved = parameters.clone();
                    moved[i] += by;
                    value(&moved)
                };
                let want = (at(H) - at(-H)) / (2.0 * H);
                assert!(
                    (gradient[i] - want).abs() < 1e-7 * want.abs().max(1.0),
                    "{kind:?}, n {n}, parameter {i}: {} against {want}",
                    gradient[i]
                );
            }
        }
    }
}

#[test]
fn a_start_of_the_kind_is_kept_and_another_is_brought_close() {
    let close = |kind: Constraint, start: &[f64], want: &[f64], tolerance: f64| {
        let n = start.len().isqrt();
        let got = kind.matrix(&kind.start(start, n).unwrap(), n).unwrap();
        for (g, w) in got.iter().zip(want) {
            assert!(
                (g - w).abs() < tolerance,
                "{kind:?}: {got:?} against {want:?}"
            );
        }
    };
    for n in [2, 4] {
        let mut rng = rng(20 + n);
        for kind in KINDS {
            let mut a = kind.matrix(&parameters(kind, n, 0.5, &mut rng), n).unwrap();
            if kind == Constraint::SpectralRadius {
                let scale = 0.9 / radius(&a, n);
                a.iter_mut().for_each(|a| *a *= scale);
            }
            // The floor of 1e-8 under H, times the condition number of P.
            let tolerance = if kind == Constraint::SpectralRadius {
                1e-5
            } else {
                1e-10
            };
            close(kind, &a, &a, tolerance);
        }
    }
    let flight = [1.0, 1.0, 0.0, 1.0];
    close(
        Constraint::SpectralRadius,
        &flight,
        &flight.map(|a| 0.98 * a),
        1e-3,
    );
    close(
        Constraint::Newtonian { dt: 0.2 },
        &flight,
        &[1.0, 0.2, 0.0, 1.0],
        1e-15,
    );
    let message = Constraint::Free
        .start(&[f64::NAN], 1)
        .unwrap_err()
        .to_string();
    assert!(message.contains("not finite"), "{message}");
}

#[test]
fn a_time_step_or_a_size_that_cannot_be_is_told() {
    let message = |kind: Constraint, n| kind.check("constraint", n).unwrap_err().to_string();
    assert_eq!(
        message(Constraint::Newtonian { dt: 0.0 }, 4),
        "constraint.newtonian.dt: a positive number expected, got 0"
    );
    assert_eq!(
        message(Constraint::Newtonian { dt: 1.0 }, 3),
        "constraint.newtonian: an even number of latent dimensions expected, got 3"
    );
    assert!(KINDS.iter().all(|kind| kind.check("constraint", 4).is_ok()));
}
