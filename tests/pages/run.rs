//! Runs the blocks of a page.

use super::blocks::{Block, blocks, pages, root, text};
use kinostate::experiment::Plan;
use serde_yaml::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

/// Adds the page's settings to commands that take an experiment.
const KINOSTATE: &str = r#"#!/usr/bin/env bash
case "$1" in
  run|generate|train|encode|analyze|plot|report|check|submit) eval exec '"$PAGES_BINARY" "$@"' "$PAGES_SETS" ;;
  *) exec "$PAGES_BINARY" "$@" ;;
esac
"#;

/// The uses of cargo on a page: the program, the tests, whose command is that of `.ci/run`, and its installation.
const CARGO: &str = r#"#!/usr/bin/env bash
case "$*" in
  "run --release -- "*) shift 3; exec kinostate "$@" ;;
  "test --workspace") exec grep -q '^cargo test --workspace' "$PAGES_CHECKS" ;;
  "install --path .") exec grep -q '^name = "kinostate"' "$PAGES_ROOT/Cargo.toml" ;;
  *) echo "cargo $*: what this page's test should do for it is not known" >&2; exit 1 ;;
esac
"#;

/// The one use of pip on a page: the Python package, which `.ci/run` builds and tests.
const PIP: &str = r#"#!/usr/bin/env bash
case "$*" in
  "install ./python") test -f "$PAGES_ROOT/python/pyproject.toml" && exec grep -q 'cd python && .*maturin" build' "$PAGES_CHECKS" ;;
  *) echo "pip $*: what this page's test should do for it is not known" >&2; exit 1 ;;
esac
"#;

/// A scratch folder in which the blocks of one page run.
struct Page {
    folder: tempfile::TempDir,
    sets: String,
    printed: String,
}

impl Page {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for from in ["experiments", "docs/tutorial"] {
            fs::create_dir_all(folder.path().join(from)).unwrap();
            for entry in fs::read_dir(root().join(from)).unwrap() {
                let name = entry.unwrap().file_name();
                let to = folder.path().join(from).join(&name);
                fs::copy(root().join(from).join(&name), to).unwrap();
            }
        }
        fs::create_dir(folder.path().join("bin")).unwrap();
        for (name, script) in [("kinostate", KINOSTATE), ("cargo", CARGO), ("pip", PIP)] {
            let path = folder.path().join("bin").join(name);
            fs::write(&path, script).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self {
            folder,
            sets: String::new(),
            printed: String::new(),
        }
    }

    fn command(&self, program: &str, arguments: &[&str]) -> std::io::Result<Output> {
        let mut path = self.folder.path().join("bin").into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        Command::new(program)
            .args(arguments)
            .current_dir(self.folder.path())
            .env("PATH", path)
            .env("PAGES_BINARY", env!("CARGO_BIN_EXE_kinostate"))
            .env("PAGES_CHECKS", root().join(".ci/run"))
            .env("PAGES_ROOT", root())
            .env("PAGES_SETS", &self.sets)
            .output()
    }

    /// Runs a block.
    ///
    /// # Errors
    /// What is wrong with it, without its place.
    fn run(&mut self, block: &Block, elsewhere: bool) -> Result<(), String> {
        let mut fails = false;
        let mut printed = false;
        for note in &block.notes {
            match note.split_once(' ') {
                None if note == "fails" => fails = true,
                None if note == "printed" => printed = true,
                Some(("--set", _)) => self.sets = note.clone(),
                Some(("file", name)) => {
                    let path = self.folder.path().join(name);
                    fs::create_dir_all(path.parent().unwrap()).map_err(|e| e.to_string())?;
                    fs::write(path, &block.text).map_err(|e| e.to_string())?;
                }
                Some(("needs", program)) => {
                    if self.command(program, &["-version"]).is_err() {
                        println!("skipped: {}: no {program}", block.place);
                        return Ok(());
                    }
                }
                Some(("run", _)) => {}
                _ => return Err(format!("unknown note `{note}`")),
            }
        }
        match block.language.as_str() {
            "sh" if elsewhere => Ok(()),
            "sh" => self.shell(block, fails),
            "yaml" => self.yaml(block),
            "python" => self.python(block),
            "json" => serde_json::from_str::<serde_json::Value>(&block.text)
                .map(drop)
                .map_err(|e| e.to_string()),
            "rust" => is_a_file(&block.text),
            "text" if printed => {
                let lacking = |line: &&str| !self.printed.contains(line.trim_end());
                match block.text.lines().find(lacking) {
                    Some(line) => Err(format!("not printed: {line}\nbut:\n{}", self.printed)),
                    None => Ok(()),
                }
            }
            "text" => Ok(()),
            other => Err(format!("a block of unknown language `{other}`")),
        }
    }

    fn shell(&mut self, block: &Block, fails: bool) -> Result<(), String> {
        let script = format!("set -euo pipefail\n{}", block.text);
        let output = self.command("bash", &["-c", &script]).unwrap();
        let out = String::from_utf8_lossy(&output.stdout);
        self.printed = format!("{out}{}", String::from_utf8_lossy(&output.stderr));
        match output.status.success() != fails {
            true => Ok(()),
            false => Err(format!("{}: {}", output.status, self.printed)),
        }
    }

    fn yaml(&self, block: &Block) -> Result<(), String> {
        let read: Value = serde_yaml::from_str(&block.text).map_err(|e| e.to_string())?;
        let name = match read.get("name").or_else(|| read.get("extends")) {
            Some(_) => block.text.clone(),
            None => completed(&read)?,
        };
        let path = self.folder.path().join("experiments/of_the_page.yaml");
        fs::write(&path, name).map_err(|e| e.to_string())?;
        let plan = Plan::load(&path, &[]).map_err(|e| e.to_string())?;
        plan.experiment.buildable().map_err(|e| e.to_string())
    }

    fn python(&self, block: &Block) -> Result<(), String> {
        let modules = block.text.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            matches!(words.next(), Some("import" | "from")).then(|| words.next())?
        });
        for module in modules {
            let there = self.command("python3", &["-c", &format!("import {module}")]);
            if !there.is_ok_and(|output| output.status.success()) {
                println!("skipped: {}: python3 has no {module}", block.place);
                return Ok(());
            }
        }
        let output = self.command("python3", &["-c", &block.text]).unwrap();
        match output.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&output.stderr).into()),
        }
    }
}

/// A part of an experiment with the rest of `quickstart.yaml`.
fn completed(part: &Value) -> Result<String, String> {
    let path = root().join("experiments/quickstart.yaml");
    let mut whole: Value = serde_yaml::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let top = part.as_mapping().ok_or("expected a map")?;
    for (key, value) in top {
        let merged = ["data", "train", "encode"].map(Value::from).contains(key);
        match (value.as_mapping(), whole.get_mut(key)) {
            (Some(values), Some(Value::Mapping(there))) if merged => {
                for (key, value) in values {
                    there.insert(key.clone(), value.clone());
                }
            }
            _ => {
                let whole = whole.as_mapping_mut().unwrap();
                whole.insert(key.clone(), value.clone());
            }
        }
    }
    serde_yaml::to_string(&whole).map_err(|e| e.to_string())
}

/// Whether a block of Rust is the text of a file that is compiled by another test or as an example.
fn is_a_file(code: &str) -> Result<(), String> {
    let mut folders: Vec<PathBuf> = ["docs", "examples", "simulators/examples"]
        .map(|folder| root().join(folder))
        .to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs")
                && fs::read_to_string(&path).unwrap() == code
            {
                return Ok(());
            }
        }
    }
    Err("this is the text of no file under docs/ or examples/".into())
}

/// The test that runs the commands of a page, where the page names one.
fn elsewhere(page: &Path, text: &str) -> bool {
    let note = text.lines().find_map(|line| {
        let line = line.strip_prefix("<!-- test: run by ")?;
        line.strip_suffix(" -->")
    });
    note.is_some_and(|test| {
        let code = fs::read_to_string(root().join(test)).unwrap_or_default();
        let named = code.contains(page.to_str().unwrap());
        assert!(named, "{}: {test} does not name it", page.display());
        true
    })
}

#[test]
fn every_fenced_block_of_readme_and_manual_runs() {
    let (mut count, mut wrong) = (0, Vec::new());
    for page in pages() {
        let begun = Instant::now();
        let text = text(&page);
        let mut scratch = Page::new();
        let elsewhere = elsewhere(&page, &text);
        for block in blocks(page.to_str().unwrap(), &text) {
            count += 1;
            if let Err(message) = scratch.run(&block, elsewhere) {
                wrong.push(format!("{}: {message}", block.place));
            }
        }
        println!("{}: {:.1} s", page.display(), begun.elapsed().as_secs_f64());
    }
    assert!(count > 30, "{count} blocks");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_block_that_is_wrong_is_told_from_one_that_is_right() {
    let cases = [
        ("sh", "kinostate check experiments/quickstart.yaml", true),
        ("sh", "kinostate check experiments/quikstart.yaml", false),
        ("sh", "kinostate chekc experiments/quickstart.yaml", false),
        ("sh", "cargo build", false),
        ("sh", "cargo test --workspace", true),
        ("yaml", "train: { steps: 3 }", true),
        ("yaml", "train: { stpes: 3 }", false),
        ("yaml", "models: { a: { lg_vae: { latent: 3 } } }", false),
        ("yaml", "steps: 3", false),
        ("json", "{\"a\": 1}", true),
        ("json", "{a: 1}", false),
        ("rust", "fn main() {}", false),
        ("python", "import sys", true),
        ("text", "anything", true),
        ("", "no language", false),
        ("fish", "a language nobody knows", false),
    ];
    for (language, code, right) in cases {
        let page = format!("```{language}\n{code}\n```\n");
        let block = &blocks("a page", &page)[0];
        let found = Page::new().run(block, false);
        assert_eq!(found.is_ok(), right, "{language}: {code}: {found:?}");
    }
    let page = "<!-- test: fails -->\n```sh\nkinostate check none.yaml\n```\n<!-- test: printed -->\n```text\nnone.yaml\n```\n";
    let all = blocks("a page", page);
    let mut scratch = Page::new();
    assert_eq!(scratch.run(&all[0], false), Ok(()));
    assert_eq!(scratch.run(&all[1], false), Ok(()));
    scratch.printed = "something else".into();
    assert!(scratch.run(&all[1], false).is_err());
}
