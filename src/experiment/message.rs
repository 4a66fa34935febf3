//! From an error of the YAML reader to a line that tells what to change: place, path, expected, and the nearest known name.

use crate::error::Error;

/// `file:line:column: path: what is wrong (did you mean ..?)`.
pub(super) fn in_file(file: &str, error: &serde_yaml::Error) -> Error {
    let place = error
        .location()
        .map(|at| format!(":{}:{}", at.line(), at.column()))
        .unwrap_or_default();
    Error::Experiment(format!("{file}{place}: {}", what(error)))
}

/// What is wrong with its path, without the place.
pub(super) fn what(error: &serde_yaml::Error) -> String {
    let mut text = error.to_string();
    if let Some(at) = error.location() {
        let suffix = format!(" at line {} column {}", at.line(), at.column());
        text = text.strip_suffix(&suffix).unwrap_or(&text).to_string();
    }
    text = text.replace("struct File", "an experiment");
    match suggestion(&text) {
        Some(known) => format!("{text}; did you mean `{known}`?"),
        None => text,
    }
}

/// For "unknown field `a`, expected one of `b`, `c`": the nearest of `b`, `c`.
fn suggestion(text: &str) -> Option<String> {
    let rest = &text[text
        .find("unknown field `")
        .or_else(|| text.find("unknown variant `"))?..];
    let mut quoted = rest.split('`').skip(1).step_by(2);
    let got = quoted.next()?;
    nearest(got, quoted).map(str::to_string)
}

/// The candidate that takes the fewest single-letter edits, if it is near at all: about a third of its letters, or one a
/// prefix of the other.
pub(super) fn nearest<'a>(got: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (edits(got, candidate), candidate))
        .filter(|&(edits, candidate)| {
            let prefix =
                got.len() >= 3 && (candidate.starts_with(got) || got.starts_with(candidate));
            prefix || edits <= ((candidate.chars().count() + 1) / 3).max(1)
        })
        .min_by_key(|&(edits, _)| edits)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_count_insertions_deletions_and_replacements() {
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("abc", "abc"), 0);
    }

    #[test]
    fn only_a_near_name_is_suggested() {
        let known = ["batch", "steps", "learning_rate"];
        assert_eq!(nearest("bacth", known.into_iter()), Some("batch"));
        assert_eq!(
            nearest("learning", known.into_iter()),
            Some("learning_rate")
        );
        assert_eq!(nearest("colour", known.into_iter()), None);
    }
}
