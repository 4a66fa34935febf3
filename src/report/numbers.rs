//! How numbers are written: as many digits as carry meaning, the same everywhere.

use super::summary::Spread;
use crate::analysis::Metric;

/// A number of a metric: three decimals for shares of one (R², correlations), three significant digits otherwise (four of nats, whose
/// differences matter).
pub(super) fn number(value: f64, unit: &str) -> String {
    if !value.is_finite() {
        return "–".to_string();
    }
    let decimals = match unit {
        "1" if value.abs() < 10.0 => 3,
        _ => {
            let magnitude = value.abs().max(1e-12).log10().floor() as i32;
            let significant = if unit.starts_with("nats") { 4 } else { 3 };
            (significant - 1 - magnitude).clamp(0, 6) as usize
        }
    };
    let text = format!("{value:.decimals$}");
    // "-0.000" is zero.
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|c| c == '0' || c == '.') => rest.to_string(),
        Some(rest) => format!("−{rest}"),
        None => text,
    }
}

/// "0.917 ± 0.012" over seeds, "0.917 (0.903 to 0.930)" of one seed with an interval, "0.917" otherwise.
pub(super) fn spread(spread: &Spread) -> String {
    let mean = number(spread.mean, &spread.unit);
    match (spread.sd, spread.interval) {
        (Some(sd), _) => format!("{mean} ± {}", deviation(sd, &mean)),
        (None, Some(interval)) => with_interval(&mean, interval, &spread.unit),
        (None, None) => mean,
    }
}

/// The same of a number that has no seeds.
pub(super) fn metric(metric: &Metric) -> String {
    let value = number(metric.value, &metric.unit);
    match metric.interval {
        Some(interval) => with_interval(&value, interval, &metric.unit),
        None => value,
    }
}

fn with_interval(value: &str, (low, high): (f64, f64), unit: &str) -> String {
    format!("{value} ({} to {})", number(low, unit), number(high, unit))
}

/// A standard deviation with the decimals of its mean.
fn deviation(sd: f64, mean: &str) -> String {
    let decimals = mean.split_once('.').map_or(0, |(_, rest)| rest.len());
    format!("{sd:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_follow_the_unit() {
        assert_eq!(number(0.99951, "1"), "1.000");
        assert_eq!(number(-0.0001, "1"), "0.000");
        assert_eq!(number(-0.25, "1"), "−0.250");
        assert_eq!(number(0.016_49, "px"), "0.0165");
        assert_eq!(number(2.6, "px"), "2.60");
        assert_eq!(number(-123.456, "nats/frame"), "−123.5");
        assert_eq!(number(250_000.0, "1"), "250000");
        assert_eq!(number(f64::NAN, "1"), "–");
    }
}
