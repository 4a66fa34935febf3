//! The rooms of ARCHITECTURE.md, checked: a module uses lower rows only, and one library has one home.

use std::fs;
use std::path::{Path, PathBuf};

/// Crates of their own below all rows, kept apart by the compiler.
const CRATES: [&str; 2] = ["lgssm", "nn"];

/// Every module of `src/` with its row; a module uses rows below its own, and itself.
const ROWS: [(&str, u32); 17] = [
    ("error", 0),
    ("interrupt", 1),
    ("memory", 1),
    ("seeds", 1),
    ("array", 1),
    ("progress", 1),
    ("store", 1),
    ("latents", 3),
    ("data", 4),
    ("exchange", 5),
    ("models", 5),
    ("train", 6),
    ("figures", 4),
    ("analysis", 6),
    ("experiment", 7),
    ("pipeline", 9),
    ("report", 8),
];

/// Pairs that break the rule, each with its reason.
const EXCEPTIONS: [(&str, &str, &str); 1] = [(
    "report",
    "pipeline",
    "reads the paths of a run folder and the command that made it",
)];

/// A library and the only modules that may name it.
const HOMES: [(&str, &[&str]); 14] = [
    ("ctrlc", &["interrupt"]),
    ("libc", &["memory", "nn"]),
    ("dfdx", &["nn", "models", "train"]),
    ("gemm", &["nn"]),
    ("nalgebra", &["lgssm", "analysis"]),
    ("statrs", &["analysis"]),
    ("plotters", &["figures"]),
    ("safetensors", &["store"]),
    ("clap", &["cli", "main"]),
    ("indicatif", &["progress"]),
    ("zip", &["exchange"]),
    ("image", &["exchange"]),
    ("csv", &["exchange"]),
    ("rapier2d", &[]),
];

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
    let row = |name: &str| {
        ROWS.iter()
            .find(|(module, _)| *module == name)
            .map(|(_, row)| *row)
    };
    let mut wrong = Vec::new();
    for (module, path, code) in modules() {
        if ["main", "cli", "lib"].contains(&module.as_str()) || CRATES.contains(&module.as_str()) {
            continue;
        }
        let own = row(&module).unwrap_or_else(|| panic!("{module} has no row in this test"));
        for used in uses(&code) {
            let excepted = EXCEPTIONS
                .iter()
                .any(|(from, to, _)| *from == module && *to == used);
            if let Some(other) =
                row(&used).filter(|other| used != module && *other >= own && !excepted)
            {
                wrong.push(format!(
                    "{}: {module} (row {own}) uses {used} (row {other})",
                    path.display()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_library_has_one_home() {
    let mut wrong = Vec::new();
    for (module, path, code) in modules() {
        for (library, homes) in HOMES {
            // A path that starts with the library, not one that ends in its name (`write_image::<L>`).
            let path_from = code.match_indices(&format!("{library}::")).any(|(i, _)| {
                !code[..i].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.')
            });
            let named = path_from || code.contains(&format!("use {library};"));
            if named && !homes.contains(&module.as_str()) {
                wrong.push(format!(
                    "{}: {library} belongs to {homes:?}",
                    path.display()
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
