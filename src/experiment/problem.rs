//! One mistake in an experiment, and how a page of them reads: place, path, what was expected, and the line with a caret.

use super::locate::Part;
use serde_yaml::Value;
use std::fmt::Write;

/// Something wrong at one place of an experiment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: `data.splits.train`, `seeds[1]`.
    pub path: String,
    /// Whether the key is wrong or its value.
    pub part: Part,
    /// Expected and got.
    pub message: String,
    /// A key and what it is for, where that is known.
    pub about: Option<String>,
    /// What may stand there, for looking at the rest of the file.
    pub instead: Option<Value>,
}

impl Problem {
    pub(super) fn new(path: impl Into<String>, part: Part, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            part,
            message: message.into(),
            about: None,
            instead: None,
        }
    }

    /// A wrong value.
    pub(super) fn value(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(path, Part::Value, message)
    }

    /// Whether this is about the same value as `other`, or about something in it or around it.
    pub(super) fn touches(&self, other: &str) -> bool {
        let below = |a: &str, b: &str| {
            let rest = a.strip_prefix(b);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']) || b.is_empty())
        };
        below(&self.path, other) || below(other, &self.path)
    }
}

/// Longest part of a source line that is shown, characters.
const SHOWN: usize = 120;

/// A source line with a caret under what stands at `column` (from 1, in characters).
pub(super) fn excerpt(text: &str, line: usize, column: usize) -> String {
    let Some(source) = text.lines().nth(line.saturating_sub(1)) else {
        return String::new();
    };
    // What a terminal would act upon is not shown.
    let safe = |c: char| {
        if c.is_control() && c != '\t' {
            '\u{fffd}'
        } else {
            c
        }
    };
    let all: Vec<char> = source.chars().map(safe).collect();
    let at = column.saturating_sub(1).min(all.len());
    let from = if at < SHOWN { 0 } else { at - SHOWN / 2 };
    let to = all.len().min(from + SHOWN);
    let shown: String = all[from..to].iter().collect();
    // Tabs stay tabs, so that the caret stands right however wide they are.
    let pad: String = all[from..at]
        .iter()
        .map(|c| if *c == '\t' { '\t' } else { ' ' })
        .collect();
    let carets = "^".repeat(extent(&all[at..to]).max(1));
    let number = line.to_string();
    let margin = " ".repeat(number.len());
    let mut out = String::new();
    let _ = write!(
        out,
        "{number} | {}\n{margin} | {pad}{carets}",
        shown.trim_end()
    );
    out
}

/// Characters of the key, the scalar or the flow collection that begins here.
fn extent(rest: &[char]) -> usize {
    let closing = match rest.first() {
        None => return 0,
        Some('"') => '"',
        Some('\'') => '\'',
        Some('{') => return bracketed(rest, '{', '}'),
        Some('[') => return bracketed(rest, '[', ']'),
        Some(_) => {
            let ends = |i: usize| match rest[i] {
                ',' | ']' | '}' => true,
                ':' => rest.get(i + 1).is_none_or(|next| next.is_whitespace()),
                ' ' => rest.get(i + 1) == Some(&'#'),
                _ => false,
            };
            let end = (0..rest.len()).find(|&i| ends(i)).unwrap_or(rest.len());
            let text: String = rest[..end].iter().collect();
            return text.trim_end().chars().count();
        }
    };
    let end = rest.iter().skip(1).position(|&c| c == closing);
    end.map_or(rest.len(), |end| end + 2)
}

fn bracketed(rest: &[char], open: char, close: char) -> usize {
    let mut depth = 0;
    for (i, &c) in rest.iter().enumerate() {
        depth += i32::from(c == open) - i32::from(c == close);
        if depth == 0 {
            return i + 1;
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_marks_the_key_or_value_and_no_more() {
        let carets = |line: &str, column: usize| {
            let page = excerpt(&format!("first\n{line}\nlast"), 2, column);
            let lines: Vec<String> = page.lines().map(str::to_string).collect();
            assert_eq!(lines[0], format!("2 | {line}"));
            lines[1].strip_prefix("  | ").unwrap().to_string()
        };
        assert_eq!(carets("  dtt: 0.2", 3), "  ^^^");
        assert_eq!(carets("  dt: 0.25  # s", 7), "      ^^^^");
        assert_eq!(carets("a: [1, [2], 3] # x", 4), "   ^^^^^^^^^^^");
        assert_eq!(carets("a: {b: 'it is', c: 1}", 8), "       ^^^^^^^");
        assert_eq!(carets("a: {b: x y, c: 1}", 8), "       ^^^");
        assert_eq!(carets("\ta: 1", 2), "\t^");
        assert_eq!(carets("é: ü", 4), "   ^");
    }

    #[test]
    fn long_lines_are_cut_around_the_place_and_control_characters_are_not_shown() {
        let line = format!("{}{}: \u{1b}[31m", " ".repeat(3), "x".repeat(500));
        let page = excerpt(&line, 1, 507);
        assert!(!page.contains('\u{1b}'), "{page:?}");
        let widths: Vec<usize> = page.lines().map(|l| l.chars().count()).collect();
        assert!(widths.iter().all(|&w| w <= SHOWN + 4), "{widths:?}");
        assert!(page.lines().nth(1).unwrap().ends_with('^'), "{page}");
        assert_eq!(excerpt("a", 7, 1), "");
    }

    #[test]
    fn a_mistake_touches_what_holds_it_and_what_it_holds() {
        let at = |path: &str| Problem::value(path, "");
        assert!(at("a.b").touches("a") && at("a").touches("a.b[0]") && at("a").touches("a"));
        assert!(!at("a.bc").touches("a.b") && !at("a[1]").touches("a[10]"));
        assert!(at("").touches("a") && at("a").touches(""));
    }
}
