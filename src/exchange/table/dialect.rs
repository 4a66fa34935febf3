//! The dialect of a table: what stands between its cells, its decimal sign, its comments. Told from its first lines.

use crate::error::{Error, Result};
use serde::Serialize;
use std::path::Path;
use std::str::FromStr;

/// What stands between the cells of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Separator {
    /// `,`
    Comma,
    /// `;`
    Semicolon,
    /// A tab.
    Tab,
    /// `|`
    Bar,
    /// Any number of spaces or tabs.
    Space,
}

impl Separator {
    /// In the order in which they are preferred where two fit as well.
    const ALL: [Self; 5] = [
        Self::Comma,
        Self::Semicolon,
        Self::Tab,
        Self::Bar,
        Self::Space,
    ];

    fn letter(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
            Self::Tab => b'\t',
            Self::Bar => b'|',
            Self::Space => b' ',
        }
    }
}

impl FromStr for Separator {
    type Err = String;
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        Ok(match text {
            "," | "comma" => Self::Comma,
            ";" | "semicolon" => Self::Semicolon,
            "\t" | "\\t" | "tab" => Self::Tab,
            "|" | "bar" => Self::Bar,
            " " | "space" => Self::Space,
            _ => {
                return Err(format!(
                    "expected comma, semicolon, tab, bar or space, got {text:?}"
                ));
            }
        })
    }
}

/// The decimal sign of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Decimal {
    /// `1.5`
    Point,
    /// `1,5`
    Comma,
}

impl FromStr for Decimal {
    type Err = String;
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "." | "point" => Ok(Self::Point),
            "," | "comma" => Ok(Self::Comma),
            _ => Err(format!("expected point or comma, got {text:?}")),
        }
    }
}

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dialect {
    pub separator: Separator,
    pub decimal: Decimal,
}

/// A cell's number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cell {
    Number(f64),
    /// Empty, or a word for nothing.
    Missing,
    Text,
}

/// Words that stand for a value that is not known, in lower case.
const NOTHING: [&str; 11] = [
    "", "nan", "na", "n/a", "#n/a", "null", "none", "-", "--", "?", "missing",
];

impl Dialect {
    /// What a cell holds.
    pub fn cell(self, text: &str) -> Cell {
        let text = text.trim();
        if NOTHING.contains(&text.to_ascii_lowercase().as_str()) {
            return Cell::Missing;
        }
        let number = match self.decimal {
            Decimal::Point => text.parse().ok(),
            // A point would be a thousands sign: nobody can tell 1.234 from 1,234.
            Decimal::Comma if text.contains('.') => None,
            Decimal::Comma => text.replacen(',', ".", 1).parse().ok(),
        };
        number.map_or(Cell::Text, Cell::Number)
    }

    /// Digits after the decimal sign; nothing for a number with an exponent.
    pub fn digits(self, text: &str) -> Option<u32> {
        let sign = match self.decimal {
            Decimal::Point => '.',
            Decimal::Comma => ',',
        };
        let text = text.trim();
        if text.contains(['e', 'E']) {
            return None;
        }
        Some(
            text.split_once(sign)
                .map_or(0, |(_, after)| after.len() as u32),
        )
    }

    /// The cells of all lines, with the number of each line: quotes are taken off, white space around cells too.
    ///
    /// # Errors
    /// A quote without an end.
    pub fn rows(self, path: &Path, text: &str) -> Result<Vec<(usize, Vec<String>)>> {
        if self.separator == Separator::Space {
            let cells = |line: &str| -> Vec<String> {
                let words = line.split_whitespace();
                words
                    .map(|word| word.trim_matches('"').to_string())
                    .collect()
            };
            let lines = text.lines().enumerate();
            let rows = lines.map(|(i, line)| (i + 1, cells(line)));
            return Ok(rows.filter(|(_, cells)| !cells.is_empty()).collect());
        }
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(self.separator.letter())
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|e| Error::file(path, e.to_string()))?;
            let line = record.position().map_or(0, csv::Position::line) as usize;
            let cells: Vec<String> = record.iter().map(str::to_string).collect();
            if cells.iter().any(|cell| !cell.is_empty()) {
                rows.push((line, cells));
            }
        }
        Ok(rows)
    }
}

/// Lines that are looked at to tell the dialect.
const SAMPLE: usize = 200;

/// Tells the dialect of a table without its comments, where the flags do not.
///
/// # Errors
/// [`Error::File`] for a text in which no separator gives columns.
pub(super) fn dialect(
    path: &Path,
    text: &str,
    separator: Option<Separator>,
    decimal: Option<Decimal>,
) -> Result<Dialect> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let sample: Vec<&str> = lines.take(SAMPLE).collect();
    let sample = sample.join("\n");
    let mut best: Option<(f64, Dialect)> = None;
    for one in Separator::ALL {
        if separator.is_some_and(|asked| asked != one) {
            continue;
        }
        for sign in [Decimal::Point, Decimal::Comma] {
            let given = decimal.is_some_and(|asked| asked != sign);
            // A comma between cells can't be in them, unless it is asked for and they are quoted.
            let both = one == Separator::Comma && sign == Decimal::Comma && decimal.is_none();
            if given || both {
                continue;
            }
            let this = Dialect {
                separator: one,
                decimal: sign,
            };
            let rows = this.rows(path, &sample)?;
            let score = score(this, &rows);
            if best.is_none_or(|(most, _)| score > most) {
                best = Some((score, this));
            }
        }
    }
    let alone = separator.is_some();
    match best {
        Some((score, dialect)) if score > 0.0 || alone => Ok(dialect),
        _ => {
            let first: String = text.trim_start().chars().take(60).collect();
            let first = first.lines().next().unwrap_or_default();
            Err(Error::file(
                path,
                format!(
                    "expected a table, columns apart by commas, semicolons, tabs, bars or spaces (--separator), got {first:?}"
                ),
            ))
        }
    }
}

/// How well a dialect fits: the part of cells that are numbers, less where lines have different numbers of cells.
fn score(dialect: Dialect, rows: &[(usize, Vec<String>)]) -> f64 {
    let width = rows.iter().map(|(_, cells)| cells.len()).max().unwrap_or(0);
    if width < 2 {
        return 0.0;
    }
    let alike = rows
        .iter()
        .filter(|(_, cells)| cells.len() == width)
        .count();
    let cells = || rows.iter().flat_map(|(_, cells)| cells);
    let is_number = |cell: &&String| matches!(dialect.cell(cell), Cell::Number(_));
    let (numbers, all) = (cells().filter(is_number).count(), cells().count());
    // A table of names only is one too, just a worse guess.
    let part = |a: usize, b: usize| (a as f64 + 1e-3) / b.max(1) as f64;
    part(alike, rows.len()).powi(2) * part(numbers, all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_and_decimal_signs_are_told_from_the_file() {
        for (text, separator, decimal) in [
            ("x,y\n1.5,2\n", Separator::Comma, Decimal::Point),
            ("x;y\n1.5;2.5\n", Separator::Semicolon, Decimal::Point),
            (
                "t;x;y\n0;1,5;2,25\n0,1;3;4,5\n",
                Separator::Semicolon,
                Decimal::Comma,
            ),
            ("x\ty\n1,5\t2,5\n", Separator::Tab, Decimal::Comma),
            ("x name\ty\n1.5\t2.5\n", Separator::Tab, Decimal::Point),
            ("x|y\n1|2\n", Separator::Bar, Decimal::Point),
            (
                "x   y\n1.5 2\n -3   4e-1\n",
                Separator::Space,
                Decimal::Point,
            ),
            ("x, y\n1, 2\n3, 4\n", Separator::Comma, Decimal::Point),
            ("\"a, b\",x\n\"c, d\",2\n", Separator::Comma, Decimal::Point),
        ] {
            let found = dialect(Path::new("a"), text, None, None).unwrap();
            assert_eq!(
                (found.separator, found.decimal),
                (separator, decimal),
                "{text}"
            );
        }
        let error = dialect(Path::new("a"), "a poem\n\nby one\n", None, None);
        let error = error.map(|d| format!("{d:?}"));
        println!("{error:?}");
        let error = dialect(Path::new("a.txt"), "one\ntwo\n", None, None).unwrap_err();
        assert!(error.to_string().contains("--separator"), "{error}");
    }

    #[test]
    fn cells_are_numbers_nothing_or_text() {
        let point = Dialect {
            separator: Separator::Comma,
            decimal: Decimal::Point,
        };
        assert_eq!(point.cell(" 1.5e3 "), Cell::Number(1500.0));
        for nothing in ["", "NaN", "N/A", "null", " - "] {
            assert_eq!(point.cell(nothing), Cell::Missing, "{nothing}");
        }
        assert_eq!(point.cell("1,5"), Cell::Text);
        let comma = Dialect {
            decimal: Decimal::Comma,
            ..point
        };
        assert_eq!(comma.cell("-1,5"), Cell::Number(-1.5));
        assert_eq!(comma.cell("1.234,5"), Cell::Text);
        assert_eq!(point.digits("0.0333"), Some(4));
        assert_eq!(comma.digits("3"), Some(0));
        assert_eq!(point.digits("1e-3"), None);
    }
}
