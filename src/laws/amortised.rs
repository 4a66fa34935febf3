//! An amortised posterior of state paths: its reparameterised draw, and the density of codes and states that it is judged by.

use super::state_space::{StateSpace, send_back, sequences};
use crate::{Error, Result};
use dfdx::prelude::{Cpu, Merge, PutTape, SplitTape, Tape};
use lgssm::{self, Batch};
use nn::tensor::{PerRow, matrix, record, scalar, size, take_gradient, values};
use nn::{Float, Mat, Param};

const LOG_2_PI: f64 = 1.837_877_066_409_345_5;

/// Draws a path and gives log q of it, nats, summed over rows:
///
/// ```text
/// q(z_t | z_{t-1}) = N(F z_{t-1} + u_t, diag exp l_t),   z_{-1} = 0
/// z_t = F z_{t-1} + u_t + exp(l_t / 2) e_t
/// ```
///
/// head (B*T, 2n) holds u, then l; F (n, n); noise e (B*T * n) is standard normal. Returns z (B*T, n) with the tape, and log q with
/// an empty one.
///
/// # Errors
/// [`Error::Shape`] when head, F or noise do not fit.
pub fn amortised_path<F: Float, T: Tape<F, Cpu>>(
    head: Mat<F, T>,
    steps: usize,
    feedback: &Param<F>,
    noise: &[F],
) -> Result<(Mat<F, T>, PerRow<F, T>)> {
    let (head, tape) = head.split_tape();
    let (rows, columns) = size(&head);
    let n = columns / 2;
    if columns == 0 || columns % 2 != 0 || steps == 0 || rows % steps != 0 {
        return Err(Error::Shape(format!(
            "amortised_path: means and log variances of sequences of {steps} frames expected, got {rows} x {columns}"
        )));
    }
    if feedback.shape() != [n, n] || noise.len() != rows * n {
        return Err(Error::Shape(format!(
            "amortised_path: feedback {n} x {n} and {} noise values expected, got {:?} and {}",
            rows * n,
            feedback.shape(),
            noise.len()
        )));
    }
    let (half, zero) = (F::of(0.5), F::of(0.0));
    let back = feedback.values();
    let mut path = vec![zero; rows * n];
    let mut spread = vec![zero; rows * n]; // exp(l / 2) e
    let mut log_q = 0.0;
    let mut each = Vec::with_capacity(rows);
    for row in 0..rows {
        let mut frame = 0.0;
        let own = &values(&head)[row * columns..][..columns];
        for i in 0..n {
            let e = noise[row * n + i];
            let s = (own[n + i] * half).exp() * e;
            spread[row * n + i] = s;
            let mut z = own[i] + s;
            if row % steps > 0 {
                let before = &path[(row - 1) * n..][..n];
                for j in 0..n {
                    z += back[i * n + j] * before[j];
                }
            }
            path[row * n + i] = z;
            let term = 0.5 * (e.widen().powi(2) + own[n + i].widen() + LOG_2_PI);
            log_q -= term;
            frame -= term;
        }
        each.push(frame);
    }
    let path = matrix(path, rows, n)?; // (B*T, n)
    let log_q = scalar(F::of(log_q))?;
    let (z, q, feedback) = (path.clone(), log_q.clone(), feedback.clone());
    let path = record(path, tape, move |gradients| {
        let mut gz = take_gradient(gradients, &z)?;
        let gq = gradients.get_or_alloc_mut(&q)?[0];
        let back = feedback.values();
        for row in (0..rows).filter(|row| row % steps > 0).rev() {
            let (earlier, own) = gz.split_at_mut(row * n);
            for i in 0..n {
                for j in 0..n {
                    earlier[(row - 1) * n + j] += back[i * n + j] * own[i];
                }
            }
        }
        let gf = gradients.get_or_alloc_mut(feedback.storage())?;
        for row in (0..rows).filter(|row| row % steps > 0) {
            for i in 0..n {
                for j in 0..n {
                    gf[i * n + j] += gz[row * n + i] * values(&z)[(row - 1) * n + j];
                }
            }
        }
        let gh = gradients.get_or_alloc_mut(&head)?;
        for row in 0..rows {
            for i in 0..n {
                let g = gz[row * n + i];
                gh[row * columns + i] += g;
                gh[row * columns + n + i] += half * (g * spread[row * n + i] - gq);
            }
        }
        Ok(())
    });
    let log_q = PerRow {
        sum: log_q.put_tape(T::default()),
        rows: each,
    };
    Ok((path, log_q))
}

/// log p(a, z), nats, summed over sequences of `steps` frames (see [`lgssm::complete_log_density`]): codes (B*T, p), of which those with
/// `seen` (B, T) false are missing, states (B*T, n).
///
/// # Errors
/// [`Error::Shape`] when codes or states do not fit.
pub fn complete_log_density<F: Float, T: Tape<F, Cpu> + Merge<T>>(
    codes: Mat<F, T>,
    states: Mat<F, T>,
    steps: usize,
    seen: Option<&[bool]>,
    model: &StateSpace<F>,
) -> Result<PerRow<F, T>> {
    let (codes, tape) = codes.split_tape();
    let (states, other) = states.split_tape();
    let mut tape = tape.merge(other);
    let (plain, count) = sequences("complete_log_density", &codes, steps, model.size().1)?;
    let path: Vec<f64> = values(&states).iter().map(|v| v.widen()).collect();
    let batch = Batch {
        frame_mask: seen,
        ..Batch::new(&plain, count, steps)
    };
    let found = lgssm::complete_log_density(&model.law(), &batch, &path)?;
    let out = scalar(F::of(found.log_density.iter().sum()))?;
    let parameters = model.gradients(&found.gradients)?;
    let inputs = vec![(codes, found.gradients.codes), (states, found.states)];
    send_back(&mut tape, &out, inputs, parameters);
    Ok(PerRow {
        sum: out.put_tape(tape),
        rows: found.increments,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lgssm::Lgssm;
    use nn::check::{self, close, gradients_agree, numbers, param, random};
    use nn::tensor::value;
    use nn::{Module, ops};

    /// Row by row from the equations, and log q from the density itself.
    #[test]
    fn a_path_follows_the_recursion_and_its_log_density_is_the_gaussians() {
        let (head, f) = (random("head", 6, 4), param("F", &[2, 2]));
        let noise = numbers("noise", 12);
        let (z, log_q) = amortised_path(head.clone(), 3, &f, &noise).unwrap();
        let mut total = 0.0;
        for row in 0..6 {
            let own = &values(&head)[row * 4..][..4];
            for i in 0..2 {
                let feed: f64 = match row % 3 {
                    0 => 0.0,
                    _ => (0..2)
                        .map(|j| f.values()[i * 2 + j] * values(&z)[(row - 1) * 2 + j])
                        .sum(),
                };
                let (mean, var) = (own[i] + feed, own[2 + i].exp());
                let got = values(&z)[row * 2 + i];
                close(
                    "z",
                    &[got],
                    &[mean + var.sqrt() * noise[row * 2 + i]],
                    1e-14,
                );
                let density = (-(got - mean).powi(2) / (2.0 * var)).exp();
                total += (density / (std::f64::consts::TAU * var).sqrt()).ln();
            }
        }
        close("log q", &[value(&log_q)], &[total], 1e-13);
    }

    #[test]
    fn gradients_of_a_path_agree_with_finite_differences() {
        let noise = numbers("noise", 12);
        for (draw, density) in [(1.0, 0.0), (0.0, 1.0), (0.7, -1.3)] {
            let (head, f) = (random("head", 6, 4), [param("F", &[2, 2])]);
            gradients_agree("path", &head, &f, true, &|head, p| {
                let (z, log_q) = amortised_path(head, 3, &p[0], &noise)?;
                Ok::<_, Error>(ops::weighted_sum(vec![
                    (check::project(z), draw),
                    (log_q.sum, density),
                ])?)
            });
        }
    }

    fn model() -> StateSpace<f64> {
        StateSpace::new(&Lgssm {
            latent: 2,
            code: 1,
            transition_matrix: vec![0.9, 0.3, -0.1, 0.8],
            transition_offset: vec![0.1, -0.2],
            transition_cov: vec![0.3, 0.1, 0.1, 0.2],
            emission_matrix: vec![1.0, 0.4],
            emission_offset: vec![0.2],
            emission_cov: vec![0.2],
            initial_mean: vec![0.1, -0.3],
            initial_cov: vec![1.0, 0.2, 0.2, 0.8],
        })
        .unwrap()
    }

    /// Through codes, states that are a map of them, and every parameter of the law.
    #[test]
    fn gradients_of_the_density_agree_with_finite_differences() {
        let seen = [true, false, true, true, true, false];
        for seen in [None, Some(&seen[..])] {
            let mut start = model();
            let mut list = Vec::new();
            start.parameters("", &mut list);
            let mut all: Vec<Param<f64>> = list.into_iter().map(|(_, p)| p.clone()).collect();
            let count = all.len();
            all.extend([param("w", &[1, 2]), param("c", &[2])]);
            let codes = random("codes", 6, 1);
            gradients_agree("density", &codes, &all, true, &|codes, moved| {
                let mut model = start.clone();
                let mut list = Vec::new();
                model.parameters("", &mut list);
                for ((_, p), moved) in list.into_iter().zip(moved) {
                    *p = moved.clone();
                }
                let (w, c) = (&moved[count], &moved[count + 1]);
                let identity = ops::Activation::Identity;
                let states = ops::linear(codes.retaped(), w, c, identity, true)?;
                complete_log_density(codes, states, 3, seen, &model).map(|p| p.sum)
            });
        }
    }

    #[test]
    fn wrong_sizes_are_told() {
        let f = param("F", &[2, 2]);
        let try_it = |rows, columns, steps, noise: usize| {
            amortised_path(random("head", rows, columns), steps, &f, &vec![0.0; noise])
        };
        check::refuses(try_it(6, 3, 3, 6), &["amortised_path", "6 x 3"]);
        check::refuses(try_it(6, 4, 4, 12), &["4 frames", "6 x 4"]);
        check::refuses(try_it(6, 4, 3, 11), &["12 noise values", "11"]);
        check::refuses(try_it(6, 6, 3, 18), &["feedback 3 x 3", "[2, 2]"]);
        let states = random("z", 6, 1);
        let density = complete_log_density(random("a", 6, 1), states, 3, None, &model());
        check::refuses(density, &["states wants 12", "got 6"]);
    }
}
