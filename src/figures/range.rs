//! The range of an axis: never empty, always finite; and its ticks.

use super::numbers::{fixed, scientific};

/// Lowest and highest value of an axis; `low < high`, both finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Range {
    pub low: f64,
    pub high: f64,
}

/// Beyond this a difference of two values could overflow.
const LARGEST: f64 = 1e150;
/// Differences below this are zero.
const SMALLEST: f64 = 1e-150;

impl Range {
    /// From `low` to `high` in any order; a range too narrow to show is widened, one that is not finite becomes 0 to 1.
    pub fn new(low: f64, high: f64) -> Self {
        if !low.is_finite() || !high.is_finite() {
            return Self {
                low: 0.0,
                high: 1.0,
            };
        }
        let clamped = |v: f64| v.clamp(-LARGEST, LARGEST);
        let (low, high) = (clamped(low.min(high)), clamped(low.max(high)));
        let size = low.abs().max(high.abs());
        if high - low > (1e-9 * size).max(SMALLEST) {
            return Self { low, high };
        }
        let half = if size <= SMALLEST { 1.0 } else { 0.1 * size };
        let centre = 0.5 * low + 0.5 * high;
        Self {
            low: centre - half,
            high: centre + half,
        }
    }

    /// From the smallest to the largest finite value, widened on both sides by `margin` of its size; 0 to 1 for none.
    pub fn cover(values: impl IntoIterator<Item = f64>, margin: f64) -> Self {
        let finite = values.into_iter().filter(|v| v.is_finite());
        let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| {
            (l.min(v), h.max(v))
        });
        let range = Self::new(low, high);
        let extra = margin * range.size();
        Self::new(range.low - extra, range.high + extra)
    }

    pub fn size(self) -> f64 {
        self.high - self.low
    }

    /// 0 at `low`, 1 at `high`.
    pub fn fraction(self, value: f64) -> f64 {
        (value - self.low) / self.size()
    }

    /// The same centre, `size` wide.
    pub fn resized(self, size: f64) -> Self {
        let centre = 0.5 * self.low + 0.5 * self.high;
        Self::new(centre - 0.5 * size, centre + 0.5 * size)
    }

    /// At most `most` round values inside the range, evenly spaced by 1, 2 or 5 times a power of ten, with their text.
    pub fn ticks(self, most: usize) -> Vec<(f64, String)> {
        let mut exponent = self.size().log10().floor() as i32 - 2;
        loop {
            for digit in [1.0, 2.0, 5.0] {
                let step = digit * 10f64.powi(exponent);
                let slack = 1e-9 * self.size();
                let first = ((self.low - slack) / step).ceil();
                let last = ((self.high + slack) / step).floor();
                if last - first + 1.0 <= most.max(1) as f64 {
                    let count = (last - first + 1.0).max(0.0) as usize;
                    let values = (0..count).map(|i| (first + i as f64) * step);
                    return values.map(|v| (v, self.tick_text(v, exponent))).collect();
                }
            }
            exponent += 1;
        }
    }

    fn tick_text(self, value: f64, step_exponent: i32) -> String {
        let largest = self.low.abs().max(self.high.abs());
        let exponent = largest.log10().floor() as i32;
        if value != 0.0 && !(-3..=4).contains(&exponent) {
            return scientific(value, exponent, (exponent - step_exponent).max(0) as usize);
        }
        fixed(value, (-step_exponent).max(0) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_never_empty_and_always_finite() {
        let hard = [
            vec![],
            vec![f64::NAN],
            vec![f64::INFINITY, f64::NEG_INFINITY],
            vec![0.0, 0.0],
            vec![-3.0],
            vec![1e308, -1e308],
            vec![1e-320, 0.0],
            vec![1e9, 1e9 + 1e-7],
        ];
        for values in hard {
            let range = Range::cover(values.clone(), 0.05);
            assert!(
                range.low.is_finite() && range.high.is_finite(),
                "{values:?} {range:?}"
            );
            assert!(range.low < range.high, "{values:?} {range:?}");
            let ticks = range.ticks(5);
            assert!(ticks.len() <= 5, "{values:?} {ticks:?}");
        }
    }

    #[test]
    fn ticks_are_round_inside_and_few() {
        let text = |low, high, most| -> Vec<String> {
            let ticks = Range::new(low, high).ticks(most);
            ticks.into_iter().map(|(_, text)| text).collect()
        };
        assert_eq!(text(0.0, 20.0, 5), ["0", "5", "10", "15", "20"]);
        assert_eq!(text(-1.05, 1.05, 5), ["−1.0", "−0.5", "0.0", "0.5", "1.0"]);
        assert_eq!(text(0.0, 0.0031, 4), ["0.000", "0.001", "0.002", "0.003"]);
        assert_eq!(text(0.0, 3e6, 4), ["0", "1×10⁶", "2×10⁶", "3×10⁶"]);
        assert_eq!(text(0.98, 1.02, 3), ["0.98", "1.00", "1.02"]);
    }
}
