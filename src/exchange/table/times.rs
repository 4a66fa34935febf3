//! Time stamps on an even grid: which of them are neighbours, how far apart neighbours are, and where some are missing.

/// Times that lie on a grid.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::exchange) struct Grid {
    /// Time between neighbours, in the unit of the times.
    pub step: f64,
    /// The place of every time, counted in steps from the first.
    pub places: Vec<usize>,
    /// The furthest that a time lies from its place, in steps.
    pub off: f64,
}

/// A time may be this far from its place beyond what rounding explains, in steps.
const JITTER: f64 = 0.01;

/// Finds the grid of increasing times that were rounded to multiples of `rounding`: every time is within the rounding
/// of t_0 + k step, with the mean step over all. `jitter` is how far they may be off beyond that, in steps.
///
/// Nothing for times that do not increase or lie on no grid.
pub(in crate::exchange) fn grid(times: &[f64], rounding: f64, jitter: f64) -> Option<Grid> {
    let (&first, &last) = (times.first()?, times.last()?);
    if times.len() == 1 {
        return Some(Grid {
            step: 0.0,
            places: vec![0],
            off: 0.0,
        });
    }
    let gaps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    if gaps.iter().any(|gap| !(gap.is_finite() && *gap > 0.0)) {
        return None;
    }
    // The least gap is one step, but for rounding and jitter: so are all within their reach, which is less than half a
    // step, and their mean is better.
    let least = gaps.iter().copied().fold(f64::INFINITY, f64::min);
    let reach = 2.0 * rounding + 2.0 * jitter.max(JITTER) * least;
    let single: Vec<f64> = gaps
        .iter()
        .copied()
        .filter(|gap| *gap <= least + reach.min(0.5 * least))
        .collect();
    let mut step = single.iter().sum::<f64>() / single.len() as f64;
    let mut places = Vec::new();
    // Places tell the mean step over all, and that the places: twice is enough, the second time confirms.
    for _ in 0..2 {
        places = vec![0usize];
        let mut place = 0usize;
        for gap in &gaps {
            let steps = (gap / step).round();
            if !(1.0..1e9).contains(&steps) {
                return None;
            }
            place = place.checked_add(steps as usize)?;
            places.push(place);
        }
        step = (last - first) / place as f64;
    }
    // The line through all times, not only through both ends: t_0 is rounded too.
    let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / times.len() as f64;
    let start = mean(&mut times.iter().zip(&places).map(|(t, &k)| t - k as f64 * step));
    let off = times
        .iter()
        .zip(&places)
        .map(|(t, &k)| (t - start - k as f64 * step).abs());
    let off = off.fold(0.0, f64::max);
    let limit = rounding + jitter.max(JITTER) * step + 1e-9 * last.abs().max(first.abs());
    (off <= limit).then_some(Grid {
        step,
        off: off / step,
        places,
    })
}

/// A number without the noise of its last digits.
pub(in crate::exchange) fn clean(value: f64) -> f64 {
    format!("{value:.11e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounded_times_have_their_mean_step_and_no_gaps() {
        for digits in [3, 4] {
            let scale = 10f64.powi(digits);
            let times: Vec<f64> = (0..60)
                .map(|k| (f64::from(k) / 30.0 * scale).round() / scale)
                .collect();
            let found = grid(&times, 1.0 / scale, 0.0).unwrap();
            assert!(found.places.iter().copied().eq(0..60), "{:?}", found.places);
            // Both ends are off by at most half a digit.
            assert!(
                (found.step - 1.0 / 30.0).abs() <= 1.0 / scale / 59.0,
                "{}",
                found.step
            );
        }
    }

    #[test]
    fn gaps_are_whole_numbers_of_steps() {
        let times = [0.0, 0.1, 0.2, 0.5, 0.6, 1.0];
        let found = grid(&times, 0.1, 0.0).unwrap();
        assert_eq!(found.places, [0, 1, 2, 5, 6, 10]);
        assert_eq!(clean(found.step), 0.1);
        // NTSC in milliseconds.
        let times = [0.0, 0.033, 0.067, 0.133, 0.167];
        let found = grid(&times, 0.001, 0.0).unwrap();
        assert_eq!(found.places, [0, 1, 2, 4, 5]);
    }

    #[test]
    fn uneven_times_have_no_grid() {
        for times in [
            vec![0.0, 0.1, 0.25],
            vec![0.0, 0.1, 0.1],
            vec![0.0, 0.1, 0.05],
            vec![0.0, 0.1, f64::NAN],
            vec![0.0, 0.04, 0.11, 0.13, 0.2],
        ] {
            assert_eq!(grid(&times, 0.001, 0.0), None, "{times:?}");
        }
        // A camera whose frames come a little early or late.
        let times = [0.0, 0.031, 0.068, 0.1, 0.131];
        assert_eq!(grid(&times, 1e-6, 0.0), None);
        let found = grid(&times, 1e-6, 0.1).unwrap();
        assert_eq!(found.places, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_step_in_the_last_digits_does_not_drift() {
        // 10,000 times of 1/29.97 s in milliseconds: the first gaps alone would put the last time 3 steps off.
        let times: Vec<f64> = (0..10_000)
            .map(|k| (f64::from(k) * 1001.0 / 30.0).round() / 1000.0)
            .collect();
        let found = grid(&times, 0.001, 0.0).unwrap();
        assert_eq!(found.places.last(), Some(&9_999));
        assert!((found.step - 1001.0 / 30_000.0).abs() < 1e-6);
    }
}
