//! The pages of the manual and their fenced blocks.

use std::fs;
use std::path::{Path, PathBuf};

/// The checkout.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A fenced block of a page.
pub struct Block {
    /// `docs/worlds.md:12`, where its fence begins.
    pub place: String,
    /// What follows the fence.
    pub language: String,
    /// Its lines.
    pub text: String,
    /// What `<!-- test: .. -->` before it says, since the block before: see `main.rs`.
    pub notes: Vec<String>,
}

/// README.md and all pages of docs/, from the checkout's root, in the order of their names.
pub fn pages() -> Vec<PathBuf> {
    let mut pages = vec![PathBuf::from("README.md")];
    let mut docs: Vec<PathBuf> = fs::read_dir(root().join("docs"))
        .unwrap()
        .map(|entry| Path::new("docs").join(entry.unwrap().file_name()))
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
        .collect();
    docs.sort();
    pages.extend(docs);
    pages
}

/// The text of a page.
pub fn text(page: &Path) -> String {
    let path = root().join(page);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The fenced blocks of a text, in order.
pub fn blocks(page: &str, text: &str) -> Vec<Block> {
    let (mut found, mut notes) = (Vec::new(), Vec::new());
    let mut open: Option<Block> = None;
    let mut note: Option<String> = None;
    for (i, line) in text.lines().enumerate() {
        match (&mut open, line.trim_start().strip_prefix("```")) {
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(block), None) => block.text += &format!("{line}\n"),
            (None, Some(language)) => {
                open = Some(Block {
                    place: format!("{page}:{}", i + 1),
                    language: language.trim().into(),
                    text: String::new(),
                    notes: std::mem::take(&mut notes),
                });
            }
            (None, None) => {
                match (&mut note, line.trim().strip_prefix("<!-- test: ")) {
                    (Some(note), _) => *note += &format!(" {}", line.trim()),
                    (None, begun) => note = begun.map(String::from),
                }
                if let Some(whole) = note.take_if(|note| note.ends_with("-->")) {
                    notes.push(whole.trim_end_matches("-->").trim().to_string());
                }
            }
        }
    }
    let whole = open.is_none() && note.is_none();
    assert!(whole, "{page}: the last block or note has no end");
    found
}

/// A page without its fenced blocks.
pub fn prose(text: &str) -> String {
    let mut inside = false;
    let outside = |line: &&str| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !inside && !fence
    };
    text.lines().filter(outside).collect::<Vec<_>>().join("\n")
}

/// The part of a page below the heading `### `name``, up to the next heading of this level or above.
pub fn section<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let from = text.find(&format!("\n### `{name}`\n"))? + 1;
    let rest = &text[from..];
    let end = ["\n### ", "\n## ", "\n# "]
        .iter()
        .filter_map(|heading| rest.find(heading))
        .min();
    Some(&rest[..end.unwrap_or(rest.len())])
}

/// The names of all headings `### `name``.
pub fn named_sections(text: &str) -> Vec<String> {
    let name = |line: &str| Some(line.strip_prefix("### `")?.strip_suffix('`')?.to_string());
    text.lines().filter_map(name).collect()
}
