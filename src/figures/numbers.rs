//! Numbers as a reader expects them: a real minus sign, few digits, powers of ten with superscripts.

/// `decimals` digits after the point, with a minus sign (U+2212), never "−0.00".
pub(super) fn fixed(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return special(value);
    }
    let digits = format!("{:.*}", decimals, value.abs());
    if value < 0.0 && digits.bytes().any(|c| (b'1'..=b'9').contains(&c)) {
        format!("\u{2212}{digits}")
    } else {
        digits
    }
}

/// `digits` significant digits: 0.0123, 1.23, 123, 1.23×10⁻⁵.
pub(super) fn significant(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return special(value);
    }
    if value == 0.0 {
        return "0".to_string();
    }
    let mut exponent = value.abs().log10().floor() as i32;
    // 9.999 rounds up to 10.0: one digit more before the point.
    if value.abs() / 10f64.powi(exponent) >= 10.0 - 0.5 * 10f64.powi(1 - digits as i32) {
        exponent += 1;
    }
    if !(-4..=5).contains(&exponent) {
        return scientific(value, exponent, digits.saturating_sub(1));
    }
    fixed(value, (digits as i32 - 1 - exponent).max(0) as usize)
}

/// `value` as a multiple of ten to the `exponent`: 1.2×10⁻³.
pub(super) fn scientific(value: f64, exponent: i32, decimals: usize) -> String {
    let mantissa = value / 10f64.powi(exponent);
    format!("{}×10{}", fixed(mantissa, decimals), superscript(exponent))
}

fn superscript(exponent: i32) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let sign = if exponent < 0 { "⁻" } else { "" };
    let digits = exponent.unsigned_abs().to_string();
    let digits = digits.bytes().map(|c| DIGITS[usize::from(c - b'0')]);
    sign.chars().chain(digits).collect()
}

fn special(value: f64) -> String {
    match value {
        v if v.is_nan() => "–".to_string(),
        v if v > 0.0 => "∞".to_string(),
        _ => "\u{2212}∞".to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_with_the_digits_asked_for() {
        for (value, want) in [
            (0.01234, "0.0123"),
            (1.0, "1.00"),
            (9.999, "10.0"),
            (-123.4, "−123"),
            (0.0, "0"),
            (1.5e-7, "1.50×10⁻⁷"),
            (-2.0e12, "−2.00×10¹²"),
            (f64::NAN, "–"),
            (f64::NEG_INFINITY, "−∞"),
        ] {
            assert_eq!(significant(value, 3), want, "{value}");
        }
        assert_eq!(fixed(-0.0004, 2), "0.00");
        assert_eq!(fixed(-0.996, 2), "−1.00");
    }
}
