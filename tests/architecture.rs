//! The rooms of ARCHITECTURE.md, checked: a module uses lower rows only, and one library has one home.

use std::fs;
use std::path::{Path, PathBuf};

/// A line of the table of rooms in ARCHITECTURE.md.
struct Room {
    /// Modules of the library stand above those with lower rows; crates of their own have none: the compiler keeps them apart.
    row: Option<u32>,
    /// As `use crate::NAME` has it.
    name: String,
    /// Libraries that may be named here.
    home_of: Vec<String>,
}

/// The table under "## Rooms".
fn rooms() -> Vec<Room> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md");
    let text = fs::read_to_string(path).unwrap();
    let section = text.split("## Rooms").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let lines = section.lines().filter(|line| line.starts_with("| "));
    let rooms: Vec<Room> = lines
        .skip(1)
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let name = cells[1].trim_matches(['`', '/']).trim_end_matches(".rs");
            Room {
                row: cells[0].parse().ok(),
                name: name.rsplit('/').next().unwrap().to_string(),
                home_of: cells[2]
                    .split(',')
                    .map(|library| library.trim().to_string())
                    .filter(|library| !library.is_empty())
                    .collect(),
            }
        })
        .collect();
    assert!(rooms.len() > 20, "the table of rooms was not found");
    rooms
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// (module, file, code without tests, comments and doc lines) of every file under `src/`.
fn modules() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    files.sort();
    files
        .into_iter()
        .filter(|path| !path.ends_with("tests.rs") && !path.ends_with("testing.rs"))
        .map(|path| {
            let first = path
                .strip_prefix(&root)
                .unwrap()
                .components()
                .next()
                .unwrap();
            let module = first
                .as_os_str()
                .to_string_lossy()
                .trim_end_matches(".rs")
                .to_string();
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            let code: Vec<&str> = code
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .collect();
            (module, path, code.join("\n"))
        })
        .collect()
}

/// Names that follow `crate::`, also those in braces: `use crate::{data, report::write}`.
fn uses(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with('$')
            || code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
        {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        let word = |text: &str| {
            text.trim_start()
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect::<String>()
        };
        match rest.strip_prefix('{') {
            None => found.push(word(rest)),
            Some(inside) => {
                let (mut depth, mut item) = (0, String::new());
                for c in inside.chars() {
                    match c {
                        '}' if depth == 0 => break,
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        ',' if depth == 0 => found.push(word(&std::mem::take(&mut item))),
                        _ => {}
                    }
                    if depth > 0 || c != ',' {
                        item.push(c);
                    }
                }
                found.push(word(&item));
            }
        }
    }
    found
}

#[test]
fn a_module_uses_lower_rows_only() {
    let rooms = rooms();
    let room = |name: &str| rooms.iter().find(|room| room.name == name);
    let mut wrong = Vec::new();
    for (module, path, code) in modules() {
        if module == "lib" {
            continue;
        }
        let own = room(&module).unwrap_or_else(|| panic!("{module} has no row in ARCHITECTURE.md"));
        let Some(row) = own.row else { continue };
        for used in uses(&code) {
            let other = room(&used).and_then(|room| room.row);
            if let Some(other) = other.filter(|&other| used != module && other >= row) {
                wrong.push(format!(
                    "{}: {module} (row {row}) uses {used} (row {other})",
                    path.display()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_library_has_its_homes() {
    let rooms = rooms();
    let homes = |library: &str| -> Vec<&str> {
        let at_home = rooms
            .iter()
            .filter(|room| room.home_of.iter().any(|l| l == library));
        at_home.map(|room| room.name.as_str()).collect()
    };
    let mut libraries: Vec<&str> = rooms
        .iter()
        .flat_map(|room| &room.home_of)
        .map(String::as_str)
        .collect();
    libraries.sort_unstable();
    libraries.dedup();
    let mut wrong = Vec::new();
    for (module, path, code) in modules() {
        for library in &libraries {
            // A path that starts with the library, not one that ends in its name (`write_image::<L>`).
            let path_from = code.match_indices(&format!("{library}::")).any(|(i, _)| {
                !code[..i].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.')
            });
            let named = path_from || code.contains(&format!("use {library};"));
            if named && !homes(library).contains(&module.as_str()) {
                wrong.push(format!(
                    "{}: {library} belongs to {:?}",
                    path.display(),
                    homes(library)
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_file_tells_its_purpose_in_its_first_line() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "simulators", "tests", "benches", "examples"] {
        rust_files(&root.join(folder), &mut files);
    }
    let silent: Vec<_> = files
        .iter()
        .filter(|path| !fs::read_to_string(path).unwrap().starts_with("//!"))
        .collect();
    assert!(silent.is_empty(), "{silent:?}");
}

#[test]
fn every_path_that_the_documents_name_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut missing = Vec::new();
    for document in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let text = fs::read_to_string(root.join(document)).unwrap();
        for (i, name) in text.split('`').enumerate() {
            let is_path = i % 2 == 1
                && [
                    "src/",
                    "simulators/",
                    "tests/",
                    "experiments/",
                    "benches/",
                    "examples/",
                    ".ci/",
                ]
                .iter()
                .any(|folder| name.starts_with(folder))
                && !name.contains(' ');
            if is_path && !root.join(name).exists() {
                missing.push(format!("{document}: {name}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// What a page links, reports and small tables; all else is made again by the command that the report shows.
#[test]
fn committed_results_are_at_most_15_megabytes_and_their_pictures_are_linked() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let listed = std::process::Command::new("git")
        .current_dir(root)
        .args(["ls-files", "-z"])
        .output();
    let Some(listed) = listed.ok().filter(|output| output.status.success()) else {
        println!("skipped: not a git checkout, or no git");
        return;
    };
    let listed = String::from_utf8(listed.stdout).unwrap();
    let files: Vec<&str> = listed.split_terminator('\0').collect();
    let mut linked = Vec::new();
    for page in files.iter().filter(|file| file.ends_with(".md")) {
        let folder = root.join(page).parent().unwrap().to_path_buf();
        let text = fs::read_to_string(root.join(page)).unwrap_or_default();
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split([')', '#']).next())
        {
            linked.extend(folder.join(link).canonicalize().ok());
        }
    }
    let (mut size, mut loose) = (0, Vec::new());
    for file in files.iter().filter(|file| file.starts_with("results/")) {
        let path = root.join(file);
        let Ok(about) = fs::metadata(&path) else {
            continue;
        };
        size += about.len();
        let picture = [".png", ".svg", ".gif", ".html"]
            .iter()
            .any(|end| file.ends_with(end));
        if picture && !path.canonicalize().is_ok_and(|path| linked.contains(&path)) {
            loose.push(*file);
        }
    }
    assert!(loose.is_empty(), "linked from no page: {loose:#?}");
    assert!(size <= 15_000_000, "results/ holds {size} bytes");
}
