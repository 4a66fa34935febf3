//! The iterative linear-quadratic regulator: actions that are locally best under a law that is not linear.
//!
//! ```text
//! J = sum_{t=0..H-1} c(x_t, u_t) + c(x_H, 0),   x_{t+1} = f(x_t, u_t)
//! ```
//!
//! About the path of the last actions, f is taken as linear (A, B) and c as quadratic, both by central differences; with
//! V the cost to go,
//!
//! ```text
//! Q_x = c_x + A' V_x,   Q_u = c_u + B' V_x,   Q_xx = c_xx + A' V_xx A,   Q_ux = c_ux + B' V_xx A
//! Q_uu = c_uu + B' V_xx B + mu I,   k = -Q_uu^-1 Q_u,   K = -Q_uu^-1 Q_ux,   u <- u + s k + K (x - x_last)
//! ```
//!
//! (Li and Todorov 2004; Tassa, Erez and Todorov 2012 for mu.) Second derivatives of the cost keep their positive part.
//! The longest step s among 1, 1/2, .. 1/32 that lowers J is taken, within the limits of actions; mu falls where one
//! does and rises where none does. What it finds depends on where it begins: it knows no other side of a hill.

use super::cem::Range;
use super::controller::{Controller, Now};
use crate::error::{Error, Result};
use crate::seeds::{Rng, Seeds};
use nalgebra::{Cholesky, DMatrix, DVector, SymmetricEigen};
use simulators::{Episode, Simulator};

/// A law of motion with a cost.
pub trait Law {
    /// f: the state (n) after an action (k).
    ///
    /// # Errors
    /// What the law fails with.
    fn next(&self, state: &[f64], action: &[f64]) -> Result<Vec<f64>>;
    /// c: what a state and an action there cost.
    ///
    /// # Errors
    /// What the law fails with.
    fn cost(&self, state: &[f64], action: &[f64]) -> Result<f64>;
}

/// A simulator under its task.
pub struct WorldLaw<'a> {
    /// The world.
    pub world: &'a dyn Simulator,
    /// Time between frames, s.
    pub dt: f64,
    /// The world's parameters, (P).
    pub parameters: &'a [f64],
}

impl Law for WorldLaw<'_> {
    fn next(&self, state: &[f64], action: &[f64]) -> Result<Vec<f64>> {
        let mut rng = Seeds::new(0).stream("control/ilqr", 0);
        let mut ahead = Episode::resume(self.world, state, self.parameters, self.dt, &mut rng)?;
        ahead.step(action)?;
        Ok(ahead.state().to_vec())
    }

    fn cost(&self, state: &[f64], action: &[f64]) -> Result<f64> {
        let cost = self.world.cost(state, action, self.parameters);
        cost.ok_or_else(|| Error::Shape("ilqr: a world with a task expected".into()))
    }
}

/// Settings of the search.
#[derive(Clone, Debug, PartialEq)]
pub struct Ilqr {
    /// Frames ahead, H.
    pub horizon: usize,
    /// Times that law and cost are looked at anew.
    pub iterations: usize,
}

/// Step of first central differences in units of a state's or an action's size.
const STEP: f64 = 1e-4;
/// Step of a cost's differences, of which the second ones lose 1e-16 of the cost over its square to rounding.
const BEND: f64 = 1e-3;

/// Law and cost about one state and action.
struct About {
    a: DMatrix<f64>,
    b: DMatrix<f64>,
    /// Slope in (x, u), (n + k).
    slope: DVector<f64>,
    /// Second derivatives in (x, u), their positive part.
    bend: DMatrix<f64>,
}

/// Of a cost alone, by central differences in (x, u).
fn bent(
    law: &dyn Law,
    state: &[f64],
    action: &[f64],
    sizes: &[f64],
) -> Result<(DVector<f64>, DMatrix<f64>)> {
    let n = state.len();
    let all = sizes.len();
    let at = |moved: &[(usize, f64)]| {
        let (mut x, mut u) = (state.to_vec(), action.to_vec());
        for &(j, h) in moved {
            match j < n {
                true => x[j] += h,
                false => u[j - n] += h,
            }
        }
        law.cost(&x, &u)
    };
    let here = at(&[])?;
    let (mut slope, mut bend) = (DVector::zeros(all), DMatrix::zeros(all, all));
    for i in 0..all {
        let h = BEND * sizes[i];
        let (up, down) = (at(&[(i, h)])?, at(&[(i, -h)])?);
        slope[i] = (up - down) / (2.0 * h);
        bend[(i, i)] = (up - 2.0 * here + down) / (h * h);
        for j in 0..i {
            let g = BEND * sizes[j];
            let both = at(&[(i, h), (j, g)])? + at(&[(i, -h), (j, -g)])?;
            let apart = at(&[(i, h), (j, -g)])? + at(&[(i, -h), (j, g)])?;
            bend[(i, j)] = (both - apart) / (4.0 * h * g);
            bend[(j, i)] = bend[(i, j)];
        }
    }
    let parts = SymmetricEigen::new(bend);
    let positive = DMatrix::from_diagonal(&parts.eigenvalues.map(|v| v.max(0.0)));
    let bend = &parts.eigenvectors * positive * parts.eigenvectors.transpose();
    Ok((slope, bend))
}

fn about(law: &dyn Law, state: &[f64], action: &[f64], sizes: &[f64]) -> Result<About> {
    let (n, k) = (state.len(), action.len());
    let (mut a, mut b) = (DMatrix::zeros(n, n), DMatrix::zeros(n, k));
    for j in 0..n + k {
        let h = STEP * sizes[j];
        let moved = |h: f64| {
            let (mut x, mut u) = (state.to_vec(), action.to_vec());
            match j < n {
                true => x[j] += h,
                false => u[j - n] += h,
            }
            law.next(&x, &u)
        };
        let (up, down) = (moved(h)?, moved(-h)?);
        let each = up.iter().zip(&down).map(|(u, d)| (u - d) / (2.0 * h));
        let column = DVector::from_iterator(n, each);
        match j < n {
            true => a.set_column(j, &column),
            false => b.set_column(j - n, &column),
        }
    }
    let (slope, bend) = bent(law, state, action, sizes)?;
    Ok(About { a, b, slope, bend })
}

/// States (H + 1, each n) under actions (H, k), and J.
fn path(law: &dyn Law, start: &[f64], actions: &[f64], k: usize) -> Result<(Vec<Vec<f64>>, f64)> {
    let (mut states, mut cost) = (vec![start.to_vec()], 0.0);
    for (t, action) in actions.chunks_exact(k).enumerate() {
        cost += law.cost(&states[t], action)?;
        let next = law.next(&states[t], action)?;
        states.push(next);
    }
    cost += law.cost(&states[states.len() - 1], &vec![0.0; k])?;
    Ok((states, cost))
}

impl Ilqr {
    /// Better actions (H, k) from a state (n) on, beginning at `actions`; and J of them.
    ///
    /// # Errors
    /// What the law fails with; [`Error::Shape`] for actions of another length.
    pub fn improve(
        &self,
        law: &dyn Law,
        start: &[f64],
        range: &Range,
        mut actions: Vec<f64>,
    ) -> Result<(Vec<f64>, f64)> {
        let (n, k) = (start.len(), range.scale.len());
        if k == 0 || actions.len() != self.horizon * k {
            return Err(Error::Shape(format!(
                "ilqr: {} actions of {k} components expected, got {} values",
                self.horizon,
                actions.len()
            )));
        }
        range.within(&mut actions);
        let sizes = [vec![1.0; n], range.scale.clone()].concat();
        let (mut states, mut cost) = path(law, start, &actions, k)?;
        let mut damping = 1e-6;
        for _ in 0..self.iterations {
            let own: Vec<About> = (0..self.horizon)
                .map(|t| about(law, &states[t], &actions[t * k..][..k], &sizes))
                .collect::<Result<_>>()?;
            let (slope, bend) = bent(law, &states[self.horizon], &vec![0.0; k], &sizes)?;
            let last = (
                slope.rows(0, n).into_owned(),
                bend.view((0, 0), (n, n)).into_owned(),
            );
            let Some(gains) = backward(&own, last, n, damping) else {
                damping *= 100.0;
                continue;
            };
            let mut better = None;
            for half in 0..6 {
                let share = 0.5_f64.powi(half);
                let tried = forward(law, start, (&states, &actions), &gains, share, range)?;
                if tried.2 < cost {
                    better = Some(tried);
                    break;
                }
            }
            match better {
                Some((moved, path, less)) => {
                    let gained = cost - less;
                    (actions, states, cost) = (moved, path, less);
                    damping = (damping * 0.1).max(1e-9);
                    if gained < 1e-9 * cost.abs().max(1e-9) {
                        break;
                    }
                }
                None => damping *= 100.0,
            }
        }
        Ok((actions, cost))
    }
}

/// k and K of every step, the first first; none where Q_uu is not positive.
fn backward(
    own: &[About],
    (mut v, mut vv): (DVector<f64>, DMatrix<f64>),
    n: usize,
    damping: f64,
) -> Option<Vec<(DVector<f64>, DMatrix<f64>)>> {
    let mut gains = Vec::with_capacity(own.len());
    for About { a, b, slope, bend } in own.iter().rev() {
        let k = b.ncols();
        let q_x = slope.rows(0, n) + a.transpose() * &v;
        let q_u = slope.rows(n, k) + b.transpose() * &v;
        let q_xx = bend.view((0, 0), (n, n)) + a.transpose() * &vv * a;
        let q_ux = bend.view((n, 0), (k, n)) + b.transpose() * &vv * a;
        let q_uu = bend.view((n, n), (k, k)) + b.transpose() * &vv * b;
        let factor = Cholesky::new(&q_uu + DMatrix::identity(k, k) * damping)?;
        let step = -factor.solve(&q_u);
        let gain = -factor.solve(&q_ux);
        v = q_x
            + gain.transpose() * &q_uu * &step
            + gain.transpose() * &q_u
            + q_ux.transpose() * &step;
        let next = q_xx
            + gain.transpose() * &q_uu * &gain
            + gain.transpose() * &q_ux
            + q_ux.transpose() * &gain;
        vv = (&next + next.transpose()) * 0.5;
        gains.push((step, gain));
    }
    gains.reverse();
    Some(gains)
}

/// Actions that a share of the step leads to, their path and J.
fn forward(
    law: &dyn Law,
    start: &[f64],
    (states, actions): (&[Vec<f64>], &[f64]),
    gains: &[(DVector<f64>, DMatrix<f64>)],
    share: f64,
    range: &Range,
) -> Result<(Vec<f64>, Vec<Vec<f64>>, f64)> {
    let k = range.scale.len();
    let (mut moved, mut path, mut cost) = (Vec::new(), vec![start.to_vec()], 0.0);
    for (t, (step, gain)) in gains.iter().enumerate() {
        let off = path[t].iter().zip(&states[t]).map(|(x, last)| x - last);
        let off = DVector::from_iterator(states[t].len(), off);
        let change = step * share + gain * off;
        let mut action: Vec<f64> = (0..k).map(|j| actions[t * k + j] + change[j]).collect();
        range.within(&mut action);
        cost += law.cost(&path[t], &action)?;
        path.push(law.next(&path[t], &action)?);
        moved.extend(action);
    }
    cost += law.cost(&path[path.len() - 1], &vec![0.0; k])?;
    Ok((moved, path, cost))
}

/// Plans anew in every frame, from the true state and by the simulator itself.
pub struct TrueIlqr<'a> {
    /// The world.
    pub world: &'a dyn Simulator,
    /// Time between frames, s.
    pub dt: f64,
    /// How far and how often.
    pub ilqr: Ilqr,
    /// Usual size and limits of actions.
    pub range: Range,
    /// What was thought of last, (H, k); empty at the start.
    pub thought: Vec<f64>,
}

impl Controller for TrueIlqr<'_> {
    fn act(&mut self, now: &Now, _: &mut Rng) -> Result<Vec<f64>> {
        let k = self.range.scale.len();
        let law = WorldLaw {
            world: self.world,
            dt: self.dt,
            parameters: now.parameters,
        };
        let mut first: Vec<f64> = self.thought.iter().skip(k).copied().collect();
        first.resize(self.ilqr.horizon * k, 0.0);
        let (found, _) = self.ilqr.improve(&law, now.state, &self.range, first)?;
        self.thought = found;
        Ok(self.thought[..k].to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Aim, Lqr};
    use super::*;
    use crate::measure::input_law::InputLaw;

    struct Linear(InputLaw, Aim);

    impl Law for Linear {
        fn next(&self, state: &[f64], action: &[f64]) -> Result<Vec<f64>> {
            let (x, u) = (
                DVector::from_row_slice(state),
                DVector::from_row_slice(action),
            );
            let next = &self.0.state * x + &self.0.input * u + &self.0.offset;
            Ok(next.as_slice().to_vec())
        }

        fn cost(&self, state: &[f64], action: &[f64]) -> Result<f64> {
            Ok(self.1.cost(state, action))
        }
    }

    fn free(k: usize) -> Range {
        Range {
            scale: vec![1.0; k],
            limits: vec![[f64::NEG_INFINITY, f64::INFINITY]; k],
        }
    }

    #[test]
    fn under_a_linear_law_one_iteration_finds_what_the_riccati_recursion_does() {
        let law = InputLaw {
            state: DMatrix::from_row_slice(2, 2, &[1.0, 0.2, -0.1, 0.9]),
            input: DMatrix::from_row_slice(2, 1, &[0.02, 0.3]),
            offset: DVector::from_row_slice(&[0.1, -0.2]),
        };
        let aim = Aim {
            matrix: DMatrix::from_row_slice(1, 2, &[1.0, 0.3]),
            offset: DVector::from_row_slice(&[0.4]),
            target: DVector::from_row_slice(&[3.0]),
            spread: 1.7,
            effort: 0.03,
            scale: vec![2.0],
        };
        let want = Lqr::new(&law, &aim, 9).unwrap().act(&[0.5, -1.0]);
        let ilqr = Ilqr {
            horizon: 9,
            iterations: 1,
        };
        let own = Linear(law, aim);
        let found = ilqr.improve(&own, &[0.5, -1.0], &free(1), vec![0.0; 9]);
        let (found, _) = found.unwrap();
        // The damping of 1e-6 beside a Q_uu of .03 shifts an action of 11 by 4e-4.
        assert!((found[0] - want[0]).abs() < 1e-3, "{found:?} {want:?}");
    }

    #[test]
    fn limits_hold_and_more_iterations_never_cost_more() {
        let world = simulators::PendulumV1::default();
        let law = WorldLaw {
            world: &world,
            dt: 0.05,
            parameters: &[10.0, 1.0, 1.0],
        };
        let range = Range {
            scale: vec![1.2],
            limits: world.action_limits(),
        };
        let start = [0.9, -1.0, -f64::sin(0.9), f64::cos(0.9)];
        let mut last = f64::INFINITY;
        for iterations in [0, 1, 4, 12] {
            let ilqr = Ilqr {
                horizon: 20,
                iterations,
            };
            let (found, cost) = ilqr.improve(&law, &start, &range, vec![0.0; 20]).unwrap();
            assert!(found.iter().all(|u| u.abs() <= 2.0), "{found:?}");
            assert!(cost <= last, "{iterations}: {cost} {last}");
            last = cost;
        }
        let first = path(&law, &start, &[0.0; 20], 1).unwrap().1;
        assert!(last < 0.9 * first, "{last} {first}");
        let ilqr = Ilqr {
            horizon: 20,
            iterations: 1,
        };
        let wrong = ilqr.improve(&law, &start, &range, vec![0.0; 3]);
        assert!(wrong.unwrap_err().to_string().contains("20 actions"));
    }
}
