//! Numbers and tables as plain text.

use std::fmt::Write;

/// Least, mean and greatest of the finite values.
#[derive(Clone, Copy, Default)]
pub(super) struct Range {
    bounds: Option<(f64, f64)>,
    sum: f64,
    finite: u64,
    /// How many values were left out.
    pub(super) not_finite: u64,
}

impl Range {
    /// Of these values.
    pub(super) fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut range = Self::default();
        values.for_each(|value| range.add(value));
        range
    }

    /// Takes one more value.
    pub(super) fn add(&mut self, value: f64) {
        if !value.is_finite() {
            self.not_finite += 1;
            return;
        }
        let (min, max) = self.bounds.unwrap_or((value, value));
        self.bounds = Some((min.min(value), max.max(value)));
        self.sum += value;
        self.finite += 1;
    }

    /// Min, mean, max; dashes where there is nothing.
    pub(super) fn text(&self) -> [String; 3] {
        let Some((min, max)) = self.bounds else {
            return ["-", "-", "-"].map(String::from);
        };
        [min, self.sum / self.finite as f64, max].map(number)
    }
}

/// Six significant digits at most.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e6).contains(&size) {
        return format!("{value:.5e}");
    }
    let before = if size < 1.0 {
        0
    } else {
        size.log10() as usize + 1
    };
    let text = format!("{value:.*}", 6usize.saturating_sub(before));
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    text.to_string()
}

/// Columns as wide as their widest cell; the first one starts at the left, the others end at the right.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let mut text = String::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            let width = width(column).unwrap_or(0);
            let _ = match column {
                0 => write!(text, "{cell:<width$}"),
                _ => write!(text, "  {cell:>width$}"),
            };
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

/// Two spaces before every line.
pub(super) fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_six_digits_and_no_idle_zeros() {
        for (value, text) in [
            (0.0, "0"),
            (20.0, "20"),
            (1.0 / 3.0, "0.333333"),
            (-123.456789, "-123.457"),
            (999_999.4, "999999"),
            (2.5e9, "2.50000e9"),
            (1e-9, "1.00000e-9"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn a_range_leaves_out_and_counts_what_is_not_finite() {
        let range = Range::of([1.0, f64::NAN, 3.0, f64::INFINITY].into_iter());
        assert_eq!(range.text(), ["1", "2", "3"]);
        assert_eq!(range.not_finite, 2);
        assert_eq!(Range::default().text(), ["-", "-", "-"]);
    }

    #[test]
    fn table_columns_line_up() {
        let rows = [["a", "b"], ["long", "10"]].map(|row| row.map(String::from).to_vec());
        assert_eq!(table(&rows), "a      b\nlong  10\n");
    }
}
