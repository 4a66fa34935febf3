//! The files that make up an experiment: itself and what it `extends:`, and which of them says what.

use super::locate::{Part, around, exactly};
use super::message;
use super::problem::{Problem, excerpt};
use super::schema::{alternatives, below, checked, kind};
use super::set::{Set, responsible};
use super::tree::Tree;
use crate::error::{Error, Result};
use serde_json::Value as Json;
use serde_yaml::Value;
use std::path::{Component, Path, PathBuf};

/// Largest experiment file that is read, bytes: a thousand times what a long one has.
const LARGEST: u64 = 4 << 20;
/// Files that may extend each other.
const DEEPEST: usize = 16;

/// One file.
struct Document {
    /// What messages call it.
    file: String,
    text: String,
    tree: Tree,
}

/// An experiment file and what it extends.
pub(super) struct Sources {
    /// The file itself, then the one it extends, and so on.
    documents: Vec<Document>,
}

/// A mistake with its place: number of the document, line, column.
type Placed = ((usize, usize, usize), String);

impl Sources {
    /// Reads the text of the experiment `file`, and the files it extends from where that file stands.
    ///
    /// # Errors
    /// What is no YAML, an empty file, a file to extend that is not there or extends itself.
    pub fn read(text: &str, file: &str) -> Result<Self> {
        let mut documents = vec![Document::read(text, file)?];
        let mut seen = vec![whole(Path::new(file))];
        loop {
            let last = &documents[documents.len() - 1];
            let Some(written) = last.tree.value.get("extends") else {
                return Ok(Self { documents });
            };
            // Anything but a text is a mistake that the schema finds.
            let Some(target) = written.as_str() else {
                return Ok(Self { documents });
            };
            let next = last.extended(target, &documents, &mut seen);
            let next = next.map_err(|message| last.complain("extends", &message))?;
            let name = next.display().to_string();
            let text = read_text(&next).map_err(|e| match e {
                Error::Experiment(message) => last.complain("extends", &message),
                other => other,
            })?;
            documents.push(Document::read(&text, &name)?);
        }
    }

    /// All files as one: what a file says wins over what it extends, maps are merged, and nothing (`key:` or `null`) takes a key away.
    pub fn merged(&self) -> Value {
        let mut documents = self.documents.iter().rev();
        let first = documents.next().map(|d| d.tree.value.clone());
        let mut merged = documents.fold(first.unwrap_or_default(), |base, document| {
            merge(base, document.tree.value.clone(), checked())
        });
        if let Value::Mapping(map) = &mut merged
            && map.get("extends").is_some_and(Value::is_string)
        {
            map.shift_remove("extends");
        }
        merged
    }

    /// Keys that are written twice.
    pub fn repeated(&self) -> usize {
        let each = self.documents.iter().map(|d| d.tree.repeated.len());
        each.sum()
    }

    /// Whether `path` is written down in one of the files.
    pub fn says(&self, path: &str) -> bool {
        let mut all = self.documents.iter();
        all.any(|document| exactly(&document.text, path, Part::Key, 0).is_some())
    }

    /// All mistakes on one page, each where it was made: in a file, or in an override.
    pub fn page(&self, problems: &[Problem], sets: &[Set]) -> Error {
        let mut page = Page {
            placed: self.twice(),
            ..Page::default()
        };
        self.tell(problems, sets, &mut page);
        page.error()
    }

    /// Adds mistakes to a page.
    pub fn tell(&self, problems: &[Problem], sets: &[Set], page: &mut Page) {
        for problem in problems {
            let Problem { path, message, .. } = problem;
            let at = |path: &str| match path {
                "" => message.clone(),
                path => format!("{path}: {message}"),
            };
            let (place, what) = match responsible(sets, path) {
                Some(set) => match &set.origin {
                    Some(origin) => (self.place(origin, Part::Value), at(path)),
                    None if set.path() == *path => {
                        page.loose(format!("{set}: {message}"));
                        continue;
                    }
                    None => {
                        page.loose(format!("{set}: {}", at(path)));
                        continue;
                    }
                },
                None => (self.place(path, problem.part), at(path)),
            };
            match place {
                Some(place) => page.placed.push((place, self.entry(place, &what, problem))),
                None => page.loose(format!("{}: {what}", self.documents[0].file)),
            }
        }
    }

    /// Keys written twice, at their second place.
    fn twice(&self) -> Vec<Placed> {
        let mut all = Vec::new();
        for (i, document) in self.documents.iter().enumerate() {
            for (path, nth) in &document.tree.repeated {
                let place = exactly(&document.text, path, Part::Key, *nth);
                let (line, column) = place.unwrap_or((1, 1));
                let message = format!("{path}: this key is written twice in one map");
                let first = exactly(&document.text, path, Part::Key, 0);
                let message = match first {
                    Some((line, _)) => format!("{message}, first in line {line}"),
                    None => message,
                };
                let none = Problem::value(path, "");
                let place = (i, line, column);
                all.push((place, self.entry(place, &message, &none)));
            }
        }
        all
    }

    fn entry(&self, (i, line, column): (usize, usize, usize), what: &str, of: &Problem) -> String {
        let document = &self.documents[i];
        let shown = excerpt(&document.text, line, column);
        let mut entry = format!("{}:{line}:{column}: {what}\n{shown}", document.file);
        if let Some(about) = &of.about {
            let margin = " ".repeat(line.to_string().len());
            entry += &format!("\n{margin} = {about}");
        }
        entry
    }

    /// Document, line and column of a path, or of the nearest map around it that is written down.
    fn place(&self, path: &str, part: Part) -> Option<(usize, usize, usize)> {
        let (mut path, mut part) = (path, part);
        loop {
            for (i, document) in self.documents.iter().enumerate() {
                if let Some((line, column)) = document.place(path, part) {
                    return Some((i, line, column));
                }
            }
            (path, part) = (around(path)?, Part::Key);
        }
    }
}

/// Mistakes with their places, and those that stand in no file.
#[derive(Default)]
pub(super) struct Page {
    placed: Vec<Placed>,
    loose: Vec<String>,
}

impl Page {
    /// A mistake that stands in no file; once, however often it is made.
    pub fn loose(&mut self, what: String) {
        if !self.loose.contains(&what) {
            self.loose.push(what);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.placed.is_empty() && self.loose.is_empty()
    }

    /// All of them in the order of the lines.
    pub fn error(mut self) -> Error {
        self.placed.sort_by_key(|(place, _)| *place);
        self.placed.dedup();
        let mut entries: Vec<String> = self.placed.into_iter().map(|(_, entry)| entry).collect();
        entries.extend(self.loose);
        let n = entries.len();
        if n > 1 {
            entries.push(format!("{n} mistakes"));
        }
        Error::Experiment(entries.join("\n"))
    }
}

impl Document {
    fn read(text: &str, file: &str) -> Result<Self> {
        // A byte order mark, as Windows' editors write it.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        shallow(text, file)?;
        let tree = Tree::read(text).map_err(|e| unreadable(text, file, &e))?;
        if tree.value.is_null() {
            return Err(Error::Experiment(format!(
                "{file}:1:1: the file is empty; an experiment needs `name`, `question`, `data` and `models`"
            )));
        }
        Ok(Self {
            file: file.to_string(),
            text: text.to_string(),
            tree,
        })
    }

    /// The file that this one extends.
    fn extended(
        &self,
        target: &str,
        before: &[Self],
        seen: &mut Vec<PathBuf>,
    ) -> std::result::Result<PathBuf, String> {
        let path = Path::new(target);
        let ending = path.extension().and_then(|e| e.to_str());
        let relative = path
            .components()
            .all(|c| !matches!(c, Component::RootDir | Component::Prefix(_)));
        if !matches!(ending, Some("yaml" | "yml")) || !relative {
            return Err(format!(
                "expected a .yaml file, from where this one stands, got `{target}`"
            ));
        }
        let next = Path::new(&self.file).with_file_name("").join(path);
        let whole = whole(&next);
        if let Some(i) = seen.iter().position(|known| *known == whole) {
            let chain: Vec<&str> = before[i..].iter().map(|d| d.file.as_str()).collect();
            return Err(format!(
                "a file can't extend itself: {} extends `{target}` again",
                chain.join(" extends ")
            ));
        }
        if seen.len() >= DEEPEST {
            return Err(format!("expected at most {DEEPEST} files in a row"));
        }
        seen.push(whole);
        Ok(next)
    }

    fn place(&self, path: &str, part: Part) -> Option<(usize, usize)> {
        let find = |part| exactly(&self.text, path, part, 0);
        match (part, find(Part::Key)) {
            (Part::Key, Some(key)) => Some(key),
            (Part::Value, Some(key)) => {
                // A block below its key is marked at the key.
                let value = find(Part::Value).filter(|value| value.0 == key.0);
                Some(value.unwrap_or(key))
            }
            (_, None) => find(Part::Value),
        }
    }

    fn complain(&self, path: &str, message: &str) -> Error {
        let (line, column) = self.place(path, Part::Value).unwrap_or((1, 1));
        Error::Experiment(format!(
            "{}:{line}:{column}: {path}: {message}\n{}",
            self.file,
            excerpt(&self.text, line, column)
        ))
    }
}

/// Reads an experiment file.
///
/// # Errors
/// A file that can't be read, is no text or too large.
pub(super) fn read_text(path: &Path) -> Result<String> {
    let file = path.display();
    let unreadable = |e| Error::Experiment(format!("{file}: can't read the experiment: {e}"));
    let about = std::fs::metadata(path).map_err(unreadable)?;
    if about.len() > LARGEST {
        return Err(Error::Experiment(format!(
            "{file}: expected an experiment file of at most {LARGEST} bytes, got {}",
            about.len()
        )));
    }
    std::fs::read_to_string(path).map_err(unreadable)
}

/// Brackets within brackets that are read: an experiment has some ten.
const MOST_NESTED: usize = 64;

/// Refuses texts whose brackets are nested too deep, in one pass: the reader's time grows with the square of their depth.
fn shallow(text: &str, file: &str) -> Result<()> {
    let mut depth = 0usize;
    let mut quote = None;
    for (i, line) in text.lines().enumerate() {
        let mut before = ' ';
        for (column, c) in line.chars().enumerate() {
            match (quote, c) {
                (Some(open), c) if c == open && before != '\\' => quote = None,
                (Some(_), _) => {}
                // A quote opens a text where a value begins, an apostrophe within a word does not.
                (None, '"' | '\'') if " [{,:".contains(before) => quote = Some(c),
                (None, '#') if before == ' ' => break,
                (None, '[' | '{') => depth += 1,
                (None, ']' | '}') => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth > MOST_NESTED {
                let (line, column) = (i + 1, column + 1);
                return Err(Error::Experiment(format!(
                    "{file}:{line}:{column}: nested too deeply: expected at most {MOST_NESTED} brackets within each other\n{}",
                    excerpt(text, line, column)
                )));
            }
            before = c;
        }
    }
    Ok(())
}

/// The same path for every way to write it.
fn whole(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}

/// A text that is no YAML. Tabs that indent are named all at once.
fn unreadable(text: &str, file: &str, error: &serde_yaml::Error) -> Error {
    let indents = |line: &str| line[..line.len() - line.trim_start().len()].find('\t');
    let tabs = text.lines().enumerate().filter_map(|(i, line)| {
        let column = line[..indents(line)?].chars().count() + 1;
        let what = "a tab indents; YAML wants spaces";
        let shown = excerpt(text, i + 1, column);
        Some(format!("{file}:{}:{column}: {what}\n{shown}", i + 1))
    });
    let tabs: Vec<String> = tabs.collect();
    if !tabs.is_empty() {
        return Error::Experiment(tabs.join("\n"));
    }
    let what = message::what(error);
    let what = match what.as_str() {
        "repetition limit exceeded" => {
            "aliases (`*name`) repeat each other without end; write the values out".to_string()
        }
        "recursion limit exceeded" => "maps and lists are nested too deeply".to_string(),
        _ => what,
    };
    let Some(at) = error.location() else {
        return Error::Experiment(format!("{file}: {what}"));
    };
    let (line, column) = (at.line(), at.column());
    Error::Experiment(format!(
        "{file}:{line}:{column}: {what}\n{}",
        excerpt(text, line, column)
    ))
}

/// `over` on top of `base`.
fn merge(base: Value, over: Value, schema: &Json) -> Value {
    let (Value::Mapping(mut base), Value::Mapping(over)) = (base, over.clone()) else {
        return over;
    };
    let root = checked();
    let of_kinds = alternatives(root, schema)
        .iter()
        .any(|one| kind(one).is_some());
    let same = |key: &Value| base.contains_key(key);
    if of_kinds && !over.keys().all(same) {
        return Value::Mapping(over);
    }
    for (key, value) in over {
        let inner = key.as_str().and_then(|key| below(root, schema, key));
        match base.get_mut(&key) {
            Some(_) if value.is_null() => drop(base.shift_remove(&key)),
            Some(known) => {
                *known = merge(std::mem::take(known), value, inner.unwrap_or(&Json::Null));
            }
            None => drop(base.insert(key, value)),
        }
    }
    Value::Mapping(base)
}
