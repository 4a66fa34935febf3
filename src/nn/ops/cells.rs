//! One step of a recurrent unit: gates, memory and output fused, from sums that linear maps give.

use crate::tensor::{matrix, record, size, split_all, take_gradient, values};
use crate::{Error, Float, Mat, Result, Track};
use dfdx::prelude::PutTape;

/// Checks that x is (rows, parts * units) for a state of (rows, units).
fn fits<F: Float, T>(
    what: &str,
    x: &Mat<F, T>,
    parts: usize,
    (rows, units): (usize, usize),
) -> Result<()> {
    if size(x) == (rows, parts * units) {
        return Ok(());
    }
    Err(Error::Shape(format!(
        "{what}: sums of {rows} x {} for a state of {rows} x {units} expected, got {:?}",
        parts * units,
        size(x)
    )))
}

/// A gated recurrent unit's step (Cho et al. 2014, with the reset gate after the product, as cuDNN and PyTorch have
/// it):
///
/// ```text
/// r = sigmoid(x_r + y_r),  u = sigmoid(x_u + y_u),  n = tanh(x_n + r y_n),  h' = (1 - u) n + u h
/// ```
///
/// x (B, 3h) from the input and y (B, 3h) from the state, both in the order r, u, n; h (B, h) to h' (B, h).
///
/// # Errors
/// [`Error::Shape`] when the sizes do not fit.
pub fn gru_cell<F: Float, T: Track<F>>(
    x: &Mat<F, T>,
    y: &Mat<F, T>,
    h: &Mat<F, T>,
) -> Result<Mat<F, T>> {
    let (rows, units) = size(h);
    fits("gru_cell", x, 3, (rows, units))?;
    fits("gru_cell", y, 3, (rows, units))?;
    let (parts, tape) = split_all(&[x, y, h]);
    let one = F::of(1.0);
    let mut gates = values(&parts[0]).to_vec(); // r, u, n after their functions
    let mut next = Vec::with_capacity(rows * units);
    let width = 3 * units;
    for row in 0..rows {
        let gate = &mut gates[row * width..][..width];
        let from_state = &values(&parts[1])[row * width..][..width];
        let (reset_update, new) = gate.split_at_mut(2 * units);
        F::accumulate(reset_update, &from_state[..2 * units]);
        F::sigmoid(reset_update);
        for j in 0..units {
            new[j] += reset_update[j] * from_state[2 * units + j];
        }
        F::tanh_all(new);
        let before = &values(&parts[2])[row * units..][..units];
        for j in 0..units {
            let u = reset_update[units + j];
            next.push((one - u) * new[j] + u * before[j]);
        }
    }
    let next = matrix(next, rows, units)?; // (B, h)
    let out = next.clone();
    Ok(record(next, tape, move |gradients| {
        let g = take_gradient(gradients, &out)?;
        let mut in_x = vec![F::of(0.0); rows * width];
        let mut in_y = in_x.clone();
        let mut in_h = vec![F::of(0.0); rows * units];
        for row in 0..rows {
            let gate = &gates[row * width..][..width];
            let from_state = &values(&parts[1])[row * width..][..width];
            let before = &values(&parts[2])[row * units..][..units];
            let (to_x, to_y) = (
                &mut in_x[row * width..][..width],
                &mut in_y[row * width..][..width],
            );
            for j in 0..units {
                let [r, u, n] = [0, 1, 2].map(|part| gate[part * units + j]);
                let g = g[row * units + j];
                let dn = g * (one - u) * (one - n * n);
                let du = g * (before[j] - n) * u * (one - u);
                let dr = dn * from_state[2 * units + j] * r * (one - r);
                (to_x[j], to_x[units + j], to_x[2 * units + j]) = (dr, du, dn);
                (to_y[j], to_y[units + j], to_y[2 * units + j]) = (dr, du, dn * r);
                in_h[row * units + j] = g * u;
            }
        }
        for (to, from) in parts.iter().zip([&in_x, &in_y, &in_h]) {
            F::accumulate(gradients.get_or_alloc_mut(to)?, from);
        }
        Ok(())
    }))
}

/// A long short-term memory's step, as [`Lstm`](super::Lstm) writes it: sums (B, 4h) in the order i, f, g, o and memory
/// c (B, h) to (h', c'), each (B, h).
///
/// # Errors
/// [`Error::Shape`] when the sizes do not fit.
pub fn lstm_cell<F: Float, T: Track<F>>(
    sums: &Mat<F, T>,
    memory: &Mat<F, T>,
) -> Result<(Mat<F, T>, Mat<F, T>)> {
    let (rows, units) = size(memory);
    fits("lstm_cell", sums, 4, (rows, units))?;
    let (parts, mut tape) = split_all(&[sums, memory]);
    let (one, width) = (F::of(1.0), 4 * units);
    let mut gates = values(&parts[0]).to_vec();
    let mut cells = Vec::with_capacity(rows * units);
    for (gate, before) in gates
        .chunks_exact_mut(width.max(1))
        .zip(values(&parts[1]).chunks_exact(units.max(1)))
    {
        let (sigmoids, rest) = gate.split_at_mut(2 * units);
        let (new, output) = rest.split_at_mut(units);
        F::sigmoid(sigmoids);
        F::tanh_all(new);
        F::sigmoid(output);
        for j in 0..units {
            cells.push(sigmoids[units + j] * before[j] + sigmoids[j] * new[j]);
        }
    }
    let mut tanhs = cells.clone();
    F::tanh_all(&mut tanhs);
    let hidden =
        (0..rows * units).map(|i| gates[i / units * width + 3 * units + i % units] * tanhs[i]);
    let hidden = matrix(hidden.collect(), rows, units)?;
    let cells = matrix(cells, rows, units)?;
    let (h, c) = (hidden.clone(), cells.clone());
    tape.add_backward_op(move |gradients| {
        let (gh, gc) = (take_gradient(gradients, &h)?, take_gradient(gradients, &c)?);
        let mut in_sums = vec![F::of(0.0); rows * width];
        let mut in_memory = vec![F::of(0.0); rows * units];
        for i in 0..rows * units {
            let (row, j) = (i / units, i % units);
            let gate = &gates[row * width..][..width];
            let [input, forget, new, output] = [0, 1, 2, 3].map(|part| gate[part * units + j]);
            let tanh = tanhs[i];
            let dc = gc[i] + gh[i] * output * (one - tanh * tanh);
            let to = &mut in_sums[row * width..][..width];
            to[j] = dc * new * input * (one - input);
            to[units + j] = dc * values(&parts[1])[i] * forget * (one - forget);
            to[2 * units + j] = dc * input * (one - new * new);
            to[3 * units + j] = gh[i] * tanh * output * (one - output);
            in_memory[i] = dc * forget;
        }
        F::accumulate(gradients.get_or_alloc_mut(&parts[0])?, &in_sums);
        F::accumulate(gradients.get_or_alloc_mut(&parts[1])?, &in_memory);
        Ok(())
    });
    Ok((hidden.put_tape(tape.clone()), cells.put_tape(tape)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{self, close, gradients_agree, project, random};
    use crate::ops::{add, columns};

    fn sigmoid(x: f64) -> f64 {
        1.0 / (1.0 + (-x).exp())
    }

    #[test]
    fn a_gru_step_follows_the_equations() {
        let (x, y, h) = (random("x", 3, 6), random("y", 3, 6), random("h", 3, 2));
        let got = gru_cell(&x, &y, &h).unwrap();
        for i in 0..6 {
            let (row, j) = (i / 2, i % 2);
            let [xr, xu, xn] = [0, 1, 2].map(|part| values(&x)[row * 6 + part * 2 + j]);
            let [yr, yu, yn] = [0, 1, 2].map(|part| values(&y)[row * 6 + part * 2 + j]);
            let (r, u) = (sigmoid(xr + yr), sigmoid(xu + yu));
            let n = (xn + r * yn).tanh();
            close(
                "h",
                &values(&got)[i..=i],
                &[(1.0 - u) * n + u * values(&h)[i]],
                1e-15,
            );
        }
    }

    #[test]
    fn an_lstm_step_follows_the_equations() {
        let (sums, c) = (random("sums", 3, 8), random("c", 3, 2));
        let (h, next) = lstm_cell(&sums, &c).unwrap();
        for i in 0..6 {
            let (row, j) = (i / 2, i % 2);
            let [a, f, g, o] = [0, 1, 2, 3].map(|part| values(&sums)[row * 8 + part * 2 + j]);
            let want = sigmoid(f) * values(&c)[i] + sigmoid(a) * g.tanh();
            close("c", &values(&next)[i..=i], &[want], 1e-15);
            close("h", &values(&h)[i..=i], &[sigmoid(o) * want.tanh()], 1e-15);
        }
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        gradients_agree("gru_cell", &random("x", 3, 14), &[], true, &|x, _| {
            gru_cell(
                &columns(&x, 0..6)?,
                &columns(&x, 6..12)?,
                &columns(&x, 12..14)?,
            )
            .map(project)
        });
        // Through h alone, c alone and both.
        for (with_h, with_c) in [(true, false), (false, true), (true, true)] {
            gradients_agree("lstm_cell", &random("x", 3, 10), &[], true, &|x, _| {
                let (h, c) = lstm_cell(&columns(&x, 0..8)?, &columns(&x, 8..10)?)?;
                match (with_h, with_c) {
                    (true, true) => add(&h, &c).map(project),
                    (true, false) => Ok(project(h)),
                    _ => Ok(project(c)),
                }
            });
        }
    }

    #[test]
    fn wrong_sizes_are_told() {
        let of = |columns| random("x", 3, columns);
        check::refuses(
            gru_cell(&of(6), &of(5), &of(2)),
            &["gru_cell", "3 x 6", "(3, 5)"],
        );
        check::refuses(lstm_cell(&of(6), &of(2)), &["lstm_cell", "3 x 8", "(3, 6)"]);
    }
}
