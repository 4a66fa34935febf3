//! Curves of estimates for the figures.

use crate::figures::{Look, Series};
use crate::measure::bootstrap::Estimate;

/// One curve through (x, estimate) pairs in the order of x, its band the intervals (of no width where one is missing).
pub fn series(label: &str, look: Look, points: &[(f64, Estimate)]) -> Series {
    let mut points = points.to_vec();
    points.retain(|(_, estimate)| estimate.value.is_finite());
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let edge = |pick: fn((f64, f64)) -> f64| -> Vec<f64> {
        let width = |e: &Estimate| pick(e.interval.unwrap_or((e.value, e.value)));
        points.iter().map(|(_, e)| width(e)).collect()
    };
    Series {
        label: label.into(),
        look,
        x: points.iter().map(|(x, _)| *x).collect(),
        y: points.iter().map(|(_, e)| e.value).collect(),
        low: edge(|(low, _)| low),
        high: edge(|(_, high)| high),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_sorted_and_those_without_a_value_left_out() {
        let interval = Some((1.0, 3.0));
        let points = [
            (
                0.5,
                Estimate {
                    value: 2.0,
                    interval,
                },
            ),
            (0.3, Estimate::point(f64::NAN)),
            (0.1, Estimate::point(1.0)),
        ];
        let curve = series("a", Look::Smoothed, &points);
        assert_eq!((curve.x, curve.y), (vec![0.1, 0.5], vec![1.0, 2.0]));
        assert_eq!((curve.low, curve.high), (vec![1.0, 1.0], vec![1.0, 3.0]));
    }
}
