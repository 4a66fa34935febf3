//! Nonlinear least squares over several clips (Levenberg 1944, Marquardt 1963), and profile intervals.

use super::laws::Law;
use nalgebra::{DMatrix, DVector};

/// Codes of one clip.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// (T, size).
    pub values: Vec<f64>,
    /// (T): whether a frame counts.
    pub counts: Vec<bool>,
}

/// Codes of all clips.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// Numbers a frame: 2 for places, else 1.
    pub size: usize,
    /// Time between frames, s.
    pub dt: f64,
    /// One for each clip.
    pub clips: Vec<Series>,
}

impl Path {
    /// Numbers that count.
    pub fn count(&self) -> usize {
        let frames = self.clips.iter().flat_map(|clip| &clip.counts);
        self.size * frames.filter(|&&counts| counts).count()
    }
}

/// A law fitted to a path.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fit {
    pub law: Law,
    /// Shared parameters, then those of each clip.
    pub parameters: Vec<f64>,
    /// Sum of squared residuals.
    pub rss: f64,
    /// (J' J)^-1; `None` where the codes do not tell all parameters.
    pub inverse: Option<DMatrix<f64>>,
}

impl Fit {
    /// Predicted codes of a clip, (T, size).
    pub fn predict(&self, path: &Path, clip: usize) -> Vec<f64> {
        predict(self.law, &self.parameters, path, clip)
    }
}

fn predict(law: Law, parameters: &[f64], path: &Path, clip: usize) -> Vec<f64> {
    let (shared, own) = (law.shared(path.size), law.own(path.size));
    let from = shared + clip * own;
    let steps = path.clips[clip].counts.len();
    law.predict(
        &parameters[..shared],
        &parameters[from..from + own],
        (steps, path.dt),
        path.size,
    )
}

/// Residuals of one clip, 0 where a frame does not count.
fn residuals(law: Law, parameters: &[f64], path: &Path, clip: usize) -> Vec<f64> {
    let series = &path.clips[clip];
    let predicted = predict(law, parameters, path, clip);
    let all = predicted.iter().zip(&series.values).enumerate();
    all.map(|(i, (want, got))| match series.counts[i / path.size] {
        true => got - want,
        false => 0.0,
    })
    .collect()
}

fn sum_of_squares(law: Law, parameters: &[f64], path: &Path) -> f64 {
    let clips = 0..path.clips.len();
    let each = clips.map(|i| {
        let all = residuals(law, parameters, path, i);
        all.iter().map(|r| r * r).sum::<f64>()
    });
    let sum: f64 = each.sum();
    if sum.is_finite() { sum } else { f64::INFINITY }
}

/// J' J and J' r at these parameters, by central differences; a parameter of one clip only bends that clip.
fn normal(law: Law, parameters: &[f64], path: &Path) -> (DMatrix<f64>, DVector<f64>) {
    let (shared, own) = (law.shared(path.size), law.own(path.size));
    let k = parameters.len();
    let (mut square, mut right) = (DMatrix::zeros(k, k), DVector::zeros(k));
    let mut moved = parameters.to_vec();
    for clip in 0..path.clips.len() {
        let rest = residuals(law, parameters, path, clip);
        let which: Vec<usize> = (0..shared)
            .chain(shared + clip * own..shared + (clip + 1) * own)
            .collect();
        let columns: Vec<Vec<f64>> = which
            .iter()
            .map(|&j| {
                let step = 1e-5 * parameters[j].abs().max(0.1);
                moved[j] = parameters[j] + step;
                let more = residuals(law, &moved, path, clip);
                moved[j] = parameters[j] - step;
                let less = residuals(law, &moved, path, clip);
                moved[j] = parameters[j];
                let pairs = more.iter().zip(&less);
                // Residuals are data less prediction.
                pairs.map(|(m, l)| (l - m) / (2.0 * step)).collect()
            })
            .collect();
        for (a, &i) in which.iter().enumerate() {
            right[i] += columns[a]
                .iter()
                .zip(&rest)
                .map(|(c, r)| c * r)
                .sum::<f64>();
            for (b, &j) in which.iter().enumerate().skip(a) {
                let dot: f64 = columns[a].iter().zip(&columns[b]).map(|(x, y)| x * y).sum();
                square[(i, j)] += dot;
                if i != j {
                    square[(j, i)] += dot;
                }
            }
        }
    }
    (square, right)
}

const MOST_STEPS: usize = 200;

/// The least squares nearest to `start`, with the parameters `fixed` left as they are.
pub(super) fn fit(law: Law, start: Vec<f64>, path: &Path, fixed: &[usize]) -> Fit {
    let mut at = start;
    let mut rss = sum_of_squares(law, &at, path);
    let mut damping = 1e-3;
    let (mut square, mut right) = normal(law, &at, path);
    for _ in 0..MOST_STEPS {
        let k = at.len();
        let mut system = square.clone();
        let mut aim = right.clone();
        for j in 0..k {
            system[(j, j)] += damping * square[(j, j)].max(1e-12 * square.diagonal().max());
        }
        for &j in fixed {
            system.fill_row(j, 0.0);
            system.fill_column(j, 0.0);
            system[(j, j)] = 1.0;
            aim[j] = 0.0;
        }
        let step = system.cholesky().map(|root| root.solve(&aim));
        let next: Option<Vec<f64>> = step
            .as_ref()
            .map(|step| at.iter().zip(step.iter()).map(|(a, s)| a + s).collect());
        let lower = next
            .as_ref()
            .map_or(f64::INFINITY, |next| sum_of_squares(law, next, path));
        match next {
            Some(next) if lower < rss => {
                let done = rss - lower < 1e-11 * rss;
                (at, rss) = (next, lower);
                damping = (0.2 * damping).max(1e-12);
                if done {
                    break;
                }
                (square, right) = normal(law, &at, path);
            }
            _ => {
                damping *= 8.0;
                if damping > 1e12 {
                    break;
                }
            }
        }
    }
    let inverse = match fixed.is_empty() {
        true => inverted(&normal(law, &at, path).0),
        false => None,
    };
    Fit {
        law,
        parameters: at,
        rss,
        inverse,
    }
}

/// The inverse of a positive matrix, scaled to a unit diagonal before; nothing where it is singular to 1e-13.
fn inverted(square: &DMatrix<f64>) -> Option<DMatrix<f64>> {
    let scale: Vec<f64> = square.diagonal().iter().map(|v| v.sqrt()).collect();
    if scale.iter().any(|v| !(v.is_finite() && *v > 0.0)) {
        return None;
    }
    let k = scale.len();
    let unit = DMatrix::from_fn(k, k, |i, j| square[(i, j)] / (scale[i] * scale[j]));
    let parts = unit.symmetric_eigen();
    if parts.eigenvalues.min() < 1e-13 {
        return None;
    }
    let inverse = &parts.eigenvectors
        * DMatrix::from_diagonal(&parts.eigenvalues.map(|v| 1.0 / v))
        * parts.eigenvectors.transpose();
    Some(DMatrix::from_fn(k, k, |i, j| {
        inverse[(i, j)] / (scale[i] * scale[j])
    }))
}

/// The values of parameter `which` at which the least squares, all other parameters fitted anew, rise by `rise`: the
/// interval of the profile likelihood. Infinite on a side where they never do.
pub(super) fn profile(best: &Fit, path: &Path, which: usize, rise: f64) -> (f64, f64) {
    let centre = best.parameters[which];
    let guess = match &best.inverse {
        Some(inverse) => (rise * inverse[(which, which)]).sqrt(),
        None => 0.5 * centre.abs().max(1e-3),
    };
    let side = |sign: f64| -> f64 {
        let mut from = best.parameters.clone();
        // Root of the rise over the wanted one: 1 at the end of the interval, and straight for a linear law.
        let far = |distance: f64, from: &mut Vec<f64>| -> f64 {
            let mut start = from.clone();
            start[which] = centre + sign * distance;
            let found = fit(best.law, start, path, &[which]);
            *from = found.parameters;
            ((found.rss - best.rss).max(0.0) / rise).sqrt()
        };
        let (mut low, mut at_low) = (0.0, 0.0);
        let (mut high, mut at_high) = (guess, far(guess, &mut from));
        let mut tries = 0;
        while at_high < 1.0 {
            (low, at_low) = (high, at_high);
            tries += 1;
            if tries > 14 || !high.is_finite() {
                return sign * f64::INFINITY;
            }
            high *= if at_high > 0.5 { 1.3 } else { 2.0 };
            at_high = far(high, &mut from);
        }
        for _ in 0..12 {
            if (at_high - 1.0).abs() < 2e-3 {
                break;
            }
            let share = ((1.0 - at_low) / (at_high - at_low)).clamp(0.05, 0.95);
            let middle = low + share * (high - low);
            let value = far(middle, &mut from);
            if value < 1.0 {
                (low, at_low) = (middle, value);
                if 1.0 - value < 2e-3 {
                    high = middle;
                    break;
                }
            } else {
                (high, at_high) = (middle, value);
            }
        }
        centre + sign * high
    };
    let (low, high) = (side(-1.0), side(1.0));
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(values: Vec<f64>, dt: f64) -> Path {
        let counts = vec![true; values.len()];
        Path {
            size: 1,
            dt,
            clips: vec![Series { values, counts }],
        }
    }

    #[test]
    fn a_linear_law_gives_the_regression_and_its_textbook_interval() {
        let values = vec![1.0, 2.2, 2.9, 4.3, 4.8, 6.1];
        let path = path(values.clone(), 1.0);
        let found = fit(Law::Uniform, vec![0.0, 0.0], &path, &[]);
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let sxy: f64 = (0..6).map(|t| (t as f64 - 2.5) * (values[t] - mean)).sum();
        let slope = sxy / 17.5;
        assert!((found.parameters[1] - slope).abs() < 1e-9);
        // A rise by q s² lies q s² / Sxx from the slope, squared.
        let rise = 4.0 * found.rss / 4.0;
        let (low, high) = profile(&found, &path, 1, rise);
        let half = (rise / 17.5).sqrt();
        assert!((high - slope - half).abs() < 1e-3 * half, "{high} {half}");
        assert!((slope - low - half).abs() < 1e-3 * half, "{low} {half}");
    }

    #[test]
    fn an_oscillator_is_found_again_and_a_frame_that_does_not_count_does_not_matter() {
        let law = Law::SecondOrder;
        let truth = [4.0, 0.5, 0.2, 1.0, -0.3];
        let mut path = path(law.predict(&truth[..3], &truth[3..], (30, 0.1), 1), 0.1);
        path.clips[0].values[7] = 50.0;
        path.clips[0].counts[7] = false;
        let found = fit(law, vec![3.0, 0.1, 0.0, 0.9, 0.0], &path, &[]);
        for (got, want) in found.parameters.iter().zip(truth) {
            assert!((got - want).abs() < 1e-6, "{:?}", found.parameters);
        }
        assert!(found.inverse.is_some());
    }

    #[test]
    fn an_oscillator_that_starts_on_its_slow_rate_tells_no_two_constants() {
        // z = exp(-t) solves every z'' + gamma1 z' + gamma0 z = 0 with 1 - gamma1 + gamma0 = 0.
        let values = (0..30).map(|t| (-0.1 * f64::from(t)).exp()).collect();
        let path = path(values, 0.1);
        let found = fit(Law::SecondOrder, vec![3.0, 4.0, 0.0, 1.0, -1.0], &path, &[]);
        let spread = found
            .inverse
            .map_or(f64::INFINITY, |inverse| inverse[(0, 0)]);
        assert!(spread > 1e6, "{spread}");
    }
}
