//! A linear law with normal noise, drawn as a blob. The question: does a model that assumes just this law find the
//! matrix, the noise and the Kalman filter's own estimates?
//!
//! z_0 ~ N(m0, S0), z_t = A z_{t-1} + w_t, w_t ~ N(0, Q): one step of the law takes `step` s, so frames that far apart
//! show z_0, z_1, ...; frames between steps show the straight line from one to the next. The mean m_t = A m_{t-1} and
//! the covariance S_t = A S_{t-1} A^T + Q of the future are exact ([`LinearGaussian::forecast`]). A disc shows the
//! first two coordinates; the origin is the middle of the picture.
//!
//! Default: in each of two dimensions a place (px) and its change (px/s) that turn and fade as a damped oscillator, A =
//! [[0.98, 0.19], [-0.3, 0.93]] with eigenvalues of size 0.984 at an angle of 0.244 rad, and noise of 0.05 px and 0.8
//! px/s a step; at rest a place has a standard deviation of 2.53 px and its change one of 3.22 px/s.

use crate::normal::standard_normal;
use crate::record::fits;
use crate::steps::{Law, Stepped};
use crate::{Begun, Column, Error, Rectangle, Rng, Shape, Simulator, branch};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A linear law with normal noise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LinearGaussian {
    /// A (Z x Z), rows: z_t = A z_{t-1} + noise; at least 2 x 2.
    pub transition: Vec<Vec<f64>>,
    /// Q (Z x Z), covariance of the noise of a step; may be singular.
    pub noise_cov: Vec<Vec<f64>>,
    /// m0 (Z), mean of the start.
    pub start_mean: Vec<f64>,
    /// S0 (Z x Z), covariance of the start; may be singular.
    pub start_cov: Vec<Vec<f64>>,
    /// Length of a step, s; above 0. Default 0.2.
    pub step: f64,
    /// Radius of the drawn disc, px; at least 0.01. Default 3.
    pub radius: f64,
    /// Half the side of the default view, px; above 0. Default 16.
    pub reach: f64,
}

impl Default for LinearGaussian {
    fn default() -> Self {
        // Coordinates: x, y, then their changes.
        let rows = |a: [[f64; 4]; 4]| a.map(|row| row.to_vec()).to_vec();
        let diagonal = |d: [f64; 4]| {
            rows([0, 1, 2, 3].map(|k: usize| {
                let mut row = [0.0; 4];
                row[k] = d[k];
                row
            }))
        };
        Self {
            transition: rows([
                [0.98, 0.0, 0.19, 0.0],
                [0.0, 0.98, 0.0, 0.19],
                [-0.3, 0.0, 0.93, 0.0],
                [0.0, -0.3, 0.0, 0.93],
            ]),
            noise_cov: diagonal([0.0025, 0.0025, 0.64, 0.64]),
            start_mean: vec![0.0; 4],
            start_cov: diagonal([6.4, 6.4, 10.4, 10.4]),
            step: 0.2,
            radius: 3.0,
            reach: 16.0,
        }
    }
}

/// L with L L^T = `cov`, by Cholesky with rows of zero where a pivot is zero; None where `cov` is not symmetric or has
/// a negative direction.
fn factor(cov: &[Vec<f64>]) -> Option<Vec<Vec<f64>>> {
    let n = cov.len();
    let size = cov
        .iter()
        .flatten()
        .fold(0.0, |most: f64, x| most.max(x.abs()));
    let rounding = 1e-12 * size;
    let mut lower = vec![vec![0.0; n]; n];
    for j in 0..n {
        let dot = |lower: &[Vec<f64>], i: usize| {
            let pairs = lower[i][..j].iter().zip(&lower[j][..j]);
            pairs.map(|(a, b)| a * b).sum::<f64>()
        };
        let pivot = cov[j][j] - dot(&lower, j);
        if pivot < -rounding {
            return None;
        }
        let root = if pivot > rounding { pivot.sqrt() } else { 0.0 };
        lower[j][j] = root;
        for i in j + 1..n {
            if (cov[i][j] - cov[j][i]).abs() > rounding {
                return None;
            }
            let rest = cov[i][j] - dot(&lower, i);
            if root > 0.0 {
                lower[i][j] = rest / root;
            } else if rest.abs() > rounding.max(1e-9 * size) {
                return None;
            }
        }
    }
    Some(lower)
}

/// `matrix` times `vector`.
fn times(matrix: &[Vec<f64>], vector: &[f64]) -> Vec<f64> {
    let row = |row: &Vec<f64>| row.iter().zip(vector).map(|(a, b)| a * b).sum();
    matrix.iter().map(row).collect()
}

/// A draw of N(mean, L L^T).
fn normal(mean: Vec<f64>, lower: &[Vec<f64>], rng: &mut Rng) -> Vec<f64> {
    let white: Vec<f64> = mean.iter().map(|_| standard_normal(rng)).collect();
    let noise = times(lower, &white);
    mean.iter().zip(noise).map(|(m, w)| m + w).collect()
}

/// z -> A z + noise.
struct Recursion {
    transition: Vec<Vec<f64>>,
    /// Factor of Q.
    noise: Vec<Vec<f64>>,
    rng: Rng,
}

impl Law for Recursion {
    fn next(&mut self, now: &[f64], _contacts: &mut Vec<usize>) -> Result<Vec<f64>, Error> {
        Ok(normal(
            times(&self.transition, now),
            &self.noise,
            &mut self.rng,
        ))
    }
}

impl LinearGaussian {
    /// Small instances for contract tests: the default; without noise, where the future is certain.
    pub fn examples() -> Vec<Self> {
        let certain = Self {
            noise_cov: vec![vec![0.0; 4]; 4],
            ..Self::default()
        };
        vec![Self::default(), certain]
    }

    /// Mean (Z) and covariance (Z x Z) after `steps` steps from N(mean, cov).
    pub fn forecast(
        &self,
        mean: &[f64],
        cov: &[Vec<f64>],
        steps: usize,
    ) -> (Vec<f64>, Vec<Vec<f64>>) {
        let (mut mean, mut cov) = (mean.to_vec(), cov.to_vec());
        for _ in 0..steps {
            mean = times(&self.transition, &mean);
            // A (A S)^T is A S A^T, as S is symmetric.
            let half: Vec<Vec<f64>> = cov.iter().map(|row| times(&self.transition, row)).collect();
            let n = half.len();
            let columns = (0..n).map(|k| half.iter().map(|row| row[k]).collect::<Vec<_>>());
            let mut next: Vec<Vec<f64>> = columns
                .map(|column| times(&self.transition, &column))
                .collect();
            for (row, noise) in next.iter_mut().zip(&self.noise_cov) {
                row.iter_mut().zip(noise).for_each(|(x, q)| *x += q);
            }
            cov = next;
        }
        (mean, cov)
    }

    fn refused(key: &str, matrix: &[Vec<f64>]) -> Error {
        let expected = "a symmetric matrix without negative directions";
        Error::parameter(
            &format!("linear_gaussian.{key}"),
            expected,
            format!("{matrix:?}"),
        )
    }

    fn motion(&self, now: Vec<f64>, rng: Rng) -> Result<Begun, Error> {
        let noise =
            factor(&self.noise_cov).ok_or_else(|| Self::refused("noise_cov", &self.noise_cov))?;
        let law = Recursion {
            transition: self.transition.clone(),
            noise,
            rng,
        };
        Ok(Begun {
            parameters: vec![self.radius],
            motion: Box::new(Stepped::new(law, now, self.step)),
        })
    }
}

impl Simulator for LinearGaussian {
    fn check(&self) -> Result<(), Error> {
        let z = self.start_mean.len();
        let key = |field: &str| format!("linear_gaussian.{field}");
        let finite = self.start_mean.iter().all(|x| x.is_finite());
        if z < 2 || !finite {
            let got = format!("{:?}", self.start_mean);
            return Err(Error::parameter(
                &key("start_mean"),
                "at least 2 finite numbers",
                got,
            ));
        }
        let square = |field: &str, matrix: &Vec<Vec<f64>>| {
            let fits = matrix.len() == z && matrix.iter().all(|row| row.len() == z);
            match fits && matrix.iter().flatten().all(|x| x.is_finite()) {
                true => Ok(()),
                false => {
                    let expected = format!("{z} x {z} finite numbers, as start_mean has {z}");
                    Err(Error::parameter(
                        &key(field),
                        expected,
                        format!("{matrix:?}"),
                    ))
                }
            }
        };
        let above = |field: &str, got: f64, least: f64| match got >= least && got.is_finite() {
            true => Ok(()),
            false => {
                let expected = format!("a finite number of at least {least}");
                Err(Error::parameter(&key(field), expected, got))
            }
        };
        Error::all([
            square("transition", &self.transition),
            square("noise_cov", &self.noise_cov),
            square("start_cov", &self.start_cov),
            above("step", self.step, 1e-6),
            above("radius", self.radius, 0.01),
            above("reach", self.reach, 0.1),
        ])?;
        let cov = |field: &str, matrix: &[Vec<f64>]| match factor(matrix) {
            Some(_) => Ok(()),
            None => Err(Self::refused(field, matrix)),
        };
        Error::all([
            cov("noise_cov", &self.noise_cov),
            cov("start_cov", &self.start_cov),
        ])
    }

    /// z0, z1, ...; of the default z0 and z1 are px, z2 and z3 px/s, but the law does not know of units.
    fn state_columns(&self) -> Vec<Column> {
        let column = |k| Column {
            name: format!("z{k}"),
            unit: "1".into(),
        };
        (0..self.start_mean.len()).map(column).collect()
    }

    fn parameter_columns(&self) -> Vec<Column> {
        Column::list(&[("radius", "px")])
    }

    fn event_columns(&self) -> Vec<Column> {
        Vec::new()
    }

    /// The noise comes from a stream of its own: the start does not depend on it.
    fn begin(&self, rng: &mut Rng) -> Result<Begun, Error> {
        let noise = branch(rng);
        let lower =
            factor(&self.start_cov).ok_or_else(|| Self::refused("start_cov", &self.start_cov))?;
        let start = normal(self.start_mean.clone(), &lower, rng);
        self.motion(start, noise)
    }

    /// The state counts as one of a whole number of steps.
    fn resume(
        &self,
        state: &[f64],
        parameters: &[f64],
        rng: &mut Rng,
    ) -> Result<Option<Begun>, Error> {
        fits(self, state, parameters)?;
        Ok(Some(self.motion(state.to_vec(), branch(rng))?))
    }

    /// Without noise: A to the power of the steps, and straight between them. (With noise see
    /// [`LinearGaussian::forecast`].)
    fn exact(&self, initial: &[f64], _parameters: &[f64], t: f64) -> Option<Vec<f64>> {
        if self.noise_cov.iter().flatten().any(|&x| x != 0.0) {
            return None;
        }
        let steps = t / self.step + 1e-9; // rounding
        let mut now = initial.to_vec();
        for _ in 0..steps as usize {
            now = times(&self.transition, &now);
        }
        let share = (steps.fract() - 1e-9).max(0.0);
        let next = times(&self.transition, &now);
        Some(
            now.iter()
                .zip(next)
                .map(|(a, b)| a + share * (b - a))
                .collect(),
        )
    }

    fn view(&self) -> Rectangle {
        Rectangle {
            left: -self.reach,
            right: self.reach,
            bottom: -self.reach,
            top: self.reach,
        }
    }

    fn parts(&self) -> Vec<String> {
        vec!["blob".into()]
    }

    fn bodies(&self, state: &[f64], parameters: &[f64], shapes: &mut Vec<Shape>) {
        shapes.push(Shape::disc([state[0], state[1]], parameters[0]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_gives_back_its_covariance_singular_ones_included() {
        let full = vec![
            vec![4.0, 2.0, 0.6],
            vec![2.0, 3.0, 0.4],
            vec![0.6, 0.4, 1.0],
        ];
        let flat = vec![
            vec![1.0, 2.0, 0.0],
            vec![2.0, 4.0, 0.0],
            vec![0.0, 0.0, 0.0],
        ];
        for cov in [full, flat] {
            let lower = factor(&cov).unwrap();
            for i in 0..3 {
                for j in 0..3 {
                    let got: f64 = (0..3).map(|k| lower[i][k] * lower[j][k]).sum();
                    assert!((got - cov[i][j]).abs() < 1e-12, "({i}, {j}): {got}");
                }
            }
        }
        assert_eq!(
            factor(&[vec![1.0, 2.0], vec![2.0, 1.0]]),
            None,
            "a negative direction"
        );
        assert_eq!(
            factor(&[vec![0.0, 1.0], vec![1.0, 5.0]]),
            None,
            "a negative direction"
        );
        assert_eq!(
            factor(&[vec![1.0, 0.5], vec![0.2, 1.0]]),
            None,
            "not symmetric"
        );
    }
}
