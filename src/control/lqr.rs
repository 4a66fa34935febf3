//! The linear-quadratic regulator of an affine law, by the Riccati recursion: exact.
//!
//! ```text
//! z_{t+1} = A z_t + B u_t + b
//! J = sum_{t=0..H} |y_t - y*|^2 / spread^2 + sum_{t=0..H-1} effort sum_j (u_tj / scale_j)^2,   y_t = M z_t + c
//! ```
//!
//! The cost to go is z' P_h z + 2 p_h' z + const with h steps left, Q = M'M / spread^2, q = M'(c - y*) / spread^2,
//! R = effort diag(scale)^-2:
//!
//! ```text
//! S = R + B' P_{h-1} B,   K_h = S^-1 B' P_{h-1} A,   k_h = S^-1 B'(P_{h-1} b + p_{h-1}),   u = -K_h z - k_h
//! P_h = Q + A' P_{h-1} A - A' P_{h-1} B K_h,   p_h = q + A'(P_{h-1} b + p_{h-1}) - A' P_{h-1} B k_h,   P_0 = Q, p_0 = q
//! ```
//!
//! (Bertsekas, Dynamic Programming and Optimal Control, vol. I, sec. 3.1, with offsets.) On the mean of a filtered
//! belief in place of z it is LQG: for a linear-Gaussian law no other controller costs less.

use super::Aim;
use crate::error::{Error, Result};
use crate::measure::input_law::InputLaw;
use nalgebra::{Cholesky, DMatrix, DVector};

/// u = -K z - k with H steps left: what to do now.
#[derive(Clone, Debug, PartialEq)]
pub struct Lqr {
    /// K, (k, n).
    pub gain: DMatrix<f64>,
    /// k, (k).
    pub offset: DVector<f64>,
}

impl Lqr {
    /// The regulator of a law for an aim, `horizon` steps ahead.
    ///
    /// # Errors
    /// [`Error::Shape`] for an aim of another size; [`Error::Numeric`] where actions cost nothing and move nothing.
    pub fn new(law: &InputLaw, aim: &Aim, horizon: usize) -> Result<Self> {
        let InputLaw {
            state: a,
            input: b,
            offset,
        } = law;
        let (n, k) = (b.nrows(), b.ncols());
        if (aim.matrix.ncols(), aim.scale.len()) != (n, k) || horizon == 0 {
            return Err(Error::Shape(format!(
                "lqr: an aim of {n} latent dimensions and {k} actions over some steps expected, got {}, {}, {horizon}",
                aim.matrix.ncols(),
                aim.scale.len()
            )));
        }
        let weight = 1.0 / (aim.spread * aim.spread);
        let stage = aim.matrix.transpose() * &aim.matrix * weight;
        let slope = aim.matrix.transpose() * (&aim.offset - &aim.target) * weight;
        let effort = DVector::from_iterator(k, aim.scale.iter().map(|s| aim.effort / (s * s)));
        let effort = DMatrix::from_diagonal(&effort);
        let (mut p, mut linear) = (stage.clone(), slope.clone());
        let mut now = Self {
            gain: DMatrix::zeros(k, n),
            offset: DVector::zeros(k),
        };
        for _ in 0..horizon {
            let pb = &p * b;
            let hessian = &effort + b.transpose() * &pb;
            let factor = Cholesky::new(hessian).ok_or_else(|| {
                Error::Numeric(
                    "lqr: actions neither cost nor move anything; give them an effort".into(),
                )
            })?;
            let rest = &p * offset + &linear;
            now.gain = factor.solve(&(pb.transpose() * a));
            now.offset = factor.solve(&(b.transpose() * &rest));
            let cross = a.transpose() * &pb;
            let next = &stage + a.transpose() * &p * a - &cross * &now.gain;
            linear = &slope + a.transpose() * rest - &cross * &now.offset;
            p = (&next + next.transpose()) * 0.5;
        }
        Ok(now)
    }

    /// What to do at a state (n).
    pub fn act(&self, state: &[f64]) -> Vec<f64> {
        let z = DVector::from_row_slice(state);
        (-&self.gain * z - &self.offset).as_slice().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn law() -> InputLaw {
        InputLaw {
            state: DMatrix::from_row_slice(3, 3, &[1.0, 0.2, 0.0, -0.1, 0.9, 0.3, 0.05, 0.0, 0.8]),
            input: DMatrix::from_row_slice(3, 2, &[0.02, 0.0, 0.2, 0.1, -0.1, 0.3]),
            offset: DVector::from_row_slice(&[0.1, -0.2, 0.05]),
        }
    }

    fn aim() -> Aim {
        Aim {
            matrix: DMatrix::from_row_slice(2, 3, &[1.0, 0.2, 0.0, 0.0, -0.3, 0.8]),
            offset: DVector::from_row_slice(&[0.4, -1.0]),
            target: DVector::from_row_slice(&[3.0, 2.0]),
            spread: 1.7,
            effort: 0.03,
            scale: vec![2.0, 5.0],
        }
    }

    /// The whole cost as one quadratic form of all actions, solved at once: no recursion.
    fn all_at_once(law: &InputLaw, aim: &Aim, start: &DVector<f64>, horizon: usize) -> Vec<f64> {
        let k = law.input.ncols();
        let size = horizon * k;
        let (mut free, mut moved) = (start.clone(), DMatrix::zeros(3, size));
        let (mut square, mut slope) = (DMatrix::zeros(size, size), DVector::zeros(size));
        for h in 0..horizon {
            free = &law.state * free + &law.offset;
            moved = &law.state * moved;
            let mut own = moved.view_mut((0, h * k), (3, k));
            own += &law.input;
            let y = &aim.matrix * &moved / aim.spread;
            let off = (&aim.matrix * &free + &aim.offset - &aim.target) / aim.spread;
            square += y.transpose() * &y;
            slope += y.transpose() * off;
        }
        for i in 0..size {
            square[(i, i)] += aim.effort / aim.scale[i % k].powi(2);
        }
        let all = square.lu().solve(&-slope).unwrap();
        all.as_slice()[..k].to_vec()
    }

    #[test]
    fn the_first_action_is_that_of_all_actions_found_at_once() {
        let (law, aim) = (law(), aim());
        for horizon in [1, 2, 7, 30] {
            for start in [[0.0, 0.0, 0.0], [1.0, -2.0, 0.5]] {
                let found = Lqr::new(&law, &aim, horizon).unwrap().act(&start);
                let want = all_at_once(&law, &aim, &DVector::from_row_slice(&start), horizon);
                for (got, want) in found.iter().zip(&want) {
                    // Both solve systems of condition 1e4 at most.
                    assert!(
                        (got - want).abs() < 1e-9 * want.abs().max(1.0),
                        "{got} {want}"
                    );
                }
            }
        }
    }

    /// A scalar law has its stationary gain in closed form: p^2 b^2 + p (r - r a^2 - q b^2) - q r = 0.
    #[test]
    fn the_gain_of_a_long_horizon_solves_the_algebraic_riccati_equation() {
        let (a, b, q, r) = (1.1, 0.5, 2.0, 0.7);
        let one = |x: f64| DMatrix::from_element(1, 1, x);
        let law = InputLaw {
            state: one(a),
            input: one(b),
            offset: DVector::zeros(1),
        };
        let aim = Aim {
            matrix: one(f64::sqrt(q)),
            offset: DVector::zeros(1),
            target: DVector::zeros(1),
            spread: 1.0,
            effort: r,
            scale: vec![1.0],
        };
        let found = Lqr::new(&law, &aim, 200).unwrap();
        let half = 0.5 * (r - r * a * a - q * b * b);
        let p = (-half + f64::sqrt(half * half + b * b * q * r)) / (b * b);
        let want = a * b * p / (r + b * b * p);
        assert!(
            (found.gain[(0, 0)] - want).abs() < 1e-12,
            "{found:?} {want}"
        );
    }

    #[test]
    fn an_aim_of_another_size_is_refused() {
        let mut aim = aim();
        aim.scale.pop();
        let message = Lqr::new(&law(), &aim, 5).unwrap_err().to_string();
        assert!(message.starts_with("lqr: an aim of 3"), "{message}");
    }
}
