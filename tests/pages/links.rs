//! Links and pictures of the pages.

use super::blocks::{pages, prose, root, text};
use std::path::Path;

/// The anchors of a page, as GitHub makes them of its headings.
fn anchors(text: &str) -> Vec<String> {
    let kept = |c: char| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || "_-".contains(c) => Some(c.to_ascii_lowercase()),
        _ => None,
    };
    let text = prose(text);
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            line.trim_start_matches('#')
                .trim()
                .chars()
                .filter_map(kept)
                .collect()
        })
        .collect()
}

/// The targets of all links and pictures in a text.
fn targets(text: &str) -> Vec<String> {
    let prose = prose(text);
    let parts = prose.split("](").skip(1);
    parts
        .filter_map(|rest| Some(rest.split_once(')')?.0.to_string()))
        .collect()
}

/// What is wrong with the links of `text`, which stands in `folder`.
fn loose(folder: &Path, own: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for target in targets(own) {
        if target.starts_with("https://") {
            continue;
        }
        let (file, anchor) = match target.split_once('#') {
            Some((file, anchor)) => (file, Some(anchor)),
            None => (target.as_str(), None),
        };
        let path = folder.join(file);
        if !path.exists() {
            wrong.push(format!("{target}: no such file"));
            continue;
        }
        let there = || match file {
            "" => anchors(own),
            _ => anchors(&std::fs::read_to_string(&path).unwrap_or_default()),
        };
        if anchor.is_some_and(|anchor| !there().iter().any(|known| known == anchor)) {
            wrong.push(format!("{target}: no such heading"));
        }
    }
    wrong
}

#[test]
fn every_link_and_picture_leads_to_something_that_is_there() {
    let mut wrong = Vec::new();
    let (mut all, further) = (
        pages(),
        ["ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"],
    );
    all.extend(further.map(Into::into));
    all.extend(["simulators/README.md", "benches/README.md"].map(Into::into));
    for page in all {
        let folder = root().join(&page).parent().unwrap().to_path_buf();
        let found = loose(&folder, &text(&page));
        wrong.extend(found.iter().map(|w| format!("{}: {w}", page.display())));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_link_to_nothing_is_found() {
    let here = "# A head of `two`\n[a](README.md) [b](#a-head-of-two) [c](README.md#one-table)";
    assert!(loose(root(), here).is_empty(), "{:?}", loose(root(), here));
    for wrong in [
        "[a](NONE.md)",
        "[b](#none)",
        "[c](README.md#none)",
        "![d](none.png)",
    ] {
        assert_eq!(loose(root(), wrong).len(), 1, "{wrong}");
    }
}

#[test]
fn every_page_of_the_manual_is_in_its_index() {
    let index = targets(&text(Path::new("docs/README.md")));
    for page in pages().iter().filter(|page| page.starts_with("docs")) {
        let name = page.file_name().unwrap().to_str().unwrap();
        let there = name == "README.md" || index.iter().any(|target| target == name);
        assert!(there, "docs/README.md does not link {name}");
    }
}
