//! What the YAML reader says, and the nearest known name.

/// What is wrong with its path, without the place.
pub(super) fn what(error: &serde_yaml::Error) -> String {
    let mut text = error.to_string();
    if let Some(at) = error.location() {
        let suffix = format!(" at line {} column {}", at.line(), at.column());
        text = text.strip_suffix(&suffix).unwrap_or(&text).to_string();
    }
    text
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

/// Edits from `a` to `b`: insertions, deletions, replacements, and swaps of neighbours (optimal string alignment).
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            table[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = table[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let best = replaced.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
                let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                if swapped {
                    best.min(table[i - 2][j - 2] + 1)
                } else {
                    best
                }
            };
        }
    }
    table[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_count_insertions_deletions_replacements_and_swaps() {
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("vea", "vae"), 1);
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
