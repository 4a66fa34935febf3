//! The YAML reference as a Markdown page, made from the schema that files are checked against.

use super::schema::{checked, is_choice, kind};
use super::words::{form, names};
use indexmap::IndexMap;
use serde_json::Value as Json;

/// Longest line of the page.
const WIDTH: usize = 116;

const HEAD: &str = "\
# YAML reference

Every key of an experiment file: what it is, its type and range, its default. `kinostate schema --markdown` prints this
page from the schema that files are checked against, and a test compares them; [experiments.md](experiments.md) tells
how the parts go together. Headings are paths as `--set` has them: `NAME` stands for a name of your choice.
";

/// The types whose alternatives are registered kinds.
const REGISTRIES: [&str; 3] = ["AnySimulator", "AnyModel", "AnyAnalysis"];

/// Most keys of a type that is described where it stands.
const SHORT: usize = 4;

/// A type of the schema as the page has it.
struct Entry {
    /// Its heading.
    title: String,
    /// Several keys have this type, which is not a registered kind: it comes after all others.
    shared: bool,
    /// It has no section: its keys stand below the one key that has this type.
    inline: bool,
}

/// The page: a section for the file and for every type below it; types that stand in several places come last.
pub fn reference() -> String {
    let root = checked();
    let mut uses = IndexMap::new();
    count(root, &mut uses);
    let mut entries = Entries::new();
    visit(root, root, "", &uses, &mut entries);
    let mut page = HEAD.to_string();
    page += "\n## The file\n";
    describe(root, &entries, &mut page);
    for late in [false, true] {
        for (name, entry) in &entries {
            if entry.shared == late && !entry.inline {
                page += &format!("\n## {}\n", entry.title);
                describe(&root["$defs"][name.as_str()], &entries, &mut page);
            }
        }
    }
    page
}

type Entries = IndexMap<String, Entry>;

/// How many places refer to each type.
fn count(schema: &Json, uses: &mut IndexMap<String, usize>) {
    if let Some(name) = referred(schema) {
        *uses.entry(name.to_string()).or_default() += 1;
    }
    match schema {
        Json::Object(map) => map.values().for_each(|value| count(value, uses)),
        Json::Array(items) => items.iter().for_each(|value| count(value, uses)),
        _ => {}
    }
}

/// Enters every type below `schema`, which stands at `path`.
fn visit(
    root: &Json,
    schema: &Json,
    path: &str,
    uses: &IndexMap<String, usize>,
    entries: &mut Entries,
) {
    if let Some(name) = referred(schema) {
        if entries.contains_key(name) {
            return;
        }
        let target = &root["$defs"][name];
        let registered = REGISTRIES.iter().find_map(|of| {
            let all = root["$defs"][of]["oneOf"].as_array()?;
            let mut kinds = all.iter().filter_map(kind);
            let (key, _) = kinds.find(|(_, value)| referred(value) == Some(name))?;
            Some(match *of {
                "AnySimulator" => format!("data.simulator.{key}"),
                "AnyModel" => format!("models.NAME.{key}"),
                _ => format!("analyses.{key}"),
            })
        });
        let shared = registered.is_none() && uses[name] > 1;
        // What stands in several places is named by its key: `frames.encoder`.
        let path = match (&registered, shared) {
            (Some(path), _) => path,
            (None, true) => path.rsplit('.').next().unwrap_or(path),
            (None, false) => path,
        };
        let mut title = match shared {
            true => words(name),
            false => format!("`{path}`"),
        };
        if entries.values().any(|entry| entry.title == title) || name == "DataConfig" {
            let key = target["required"][0].as_str().unwrap_or(name);
            title = format!("{title} with `{key}`");
        }
        let keys = target["properties"].as_object();
        let small = keys.is_some_and(|keys| (1..=SHORT).contains(&keys.len()));
        let mut below = IndexMap::new();
        count(target, &mut below);
        let inline = small && below.is_empty() && !shared && registered.is_none();
        let entry = Entry {
            title,
            shared,
            inline,
        };
        entries.insert(name.into(), entry);
        return visit(root, target, path, uses, entries);
    }
    let below = |key: &str| match path {
        "" => key.to_string(),
        path => format!("{path}.{key}"),
    };
    for choice in ["oneOf", "anyOf"] {
        for one in schema[choice].as_array().into_iter().flatten() {
            match kind(one) {
                Some((key, value)) => visit(root, value, &below(key), uses, entries),
                None => visit(root, one, path, uses, entries),
            }
        }
    }
    for (key, value) in schema["properties"].as_object().into_iter().flatten() {
        visit(root, value, &below(key), uses, entries);
    }
    let any = &schema["additionalProperties"];
    if any.is_object() {
        visit(root, any, &below("NAME"), uses, entries);
    }
    if schema["items"].is_object() {
        visit(root, &schema["items"], path, uses, entries);
    }
}

/// The words of a type's name.
fn words(name: &str) -> String {
    let name = name.trim_start_matches("Any").trim_end_matches("Config");
    let name = name.trim_end_matches(char::is_numeric);
    let mut words = String::new();
    for c in name.chars() {
        match (c.is_uppercase(), words.is_empty()) {
            (true, false) => words.extend([' ', c.to_ascii_lowercase()]),
            _ => words.push(c),
        }
    }
    words
}

/// The type that a schema refers to.
fn referred(schema: &Json) -> Option<&str> {
    schema["$ref"].as_str()?.strip_prefix("#/$defs/")
}

/// The anchor that GitHub gives a heading.
fn anchor(title: &str) -> String {
    let kept = |c: char| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || "_-".contains(c) => Some(c.to_ascii_lowercase()),
        _ => None,
    };
    title.chars().filter_map(kept).collect()
}

/// What a type is: its description, then its keys or its alternatives.
fn describe(schema: &Json, entries: &Entries, page: &mut String) {
    let about = description(schema);
    if !about.is_empty() {
        *page += "\n";
        wrap(&about, "", page);
    }
    if is_choice(checked(), schema) {
        *page += "\n";
        for one in choices(schema) {
            let about = description(one);
            let text = match (kind(one), referred(one)) {
                (Some((key, value)), _) => format!("`{key}:` {}", kind_of(value, entries)),
                (_, Some(name)) => link(name, entries),
                _ => alternative(one),
            };
            // A kind's own section has its description.
            let links = text.contains("](#");
            wrap(&entry(&text, if links { "" } else { &about }), "- ", page);
            if let Some(value) = kind(one).and_then(|(_, value)| here(value, entries)) {
                keys(value, entries, "  - ", page);
            }
        }
        return;
    }
    let has_keys = schema["properties"]
        .as_object()
        .is_some_and(|keys| !keys.is_empty());
    *page += match has_keys {
        true => "\n",
        false => "\nNo keys: `{}`.\n",
    };
    keys(schema, entries, "- ", page);
}

/// A line for every key of a map.
fn keys(schema: &Json, entries: &Entries, indent: &str, page: &mut String) {
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .collect();
    for (key, value) in schema["properties"].as_object().into_iter().flatten() {
        let mut text = format!("`{key}`: {}", kind_of(value, entries));
        if required.contains(&key.as_str()) {
            text += ", required";
        } else if let Some(default) = default(value) {
            text += &format!(", default `{default}`");
        }
        wrap(&entry(&text, &description(value)), indent, page);
        if let Some(value) = here(value, entries) {
            keys(value, entries, &format!("  {indent}"), page);
        }
    }
}

/// The map whose keys are told where a value stands, be it that of every item.
fn here<'a>(schema: &'a Json, entries: &Entries) -> Option<&'a Json> {
    match referred(schema) {
        Some(name) if entries[name].inline => return Some(&checked()["$defs"][name]),
        Some(_) => return None,
        None => {}
    }
    // What may be left out stands beside nothing.
    if let [one] = choices(schema)[..]
        && referred(one).is_some()
    {
        return here(one, entries);
    }
    let each = ["additionalProperties", "items"].map(|key| &schema[key]);
    match schema["properties"].is_object() {
        true => Some(schema),
        false => each
            .into_iter()
            .filter(|each| each.is_object())
            .find_map(|each| here(each, entries)),
    }
}

/// Type and what is said of it, as sentences.
fn entry(text: &str, about: &str) -> String {
    match about.is_empty() {
        true => format!("{text}."),
        false => format!("{text}. {about}"),
    }
}

/// The alternatives as they are written, without "nothing".
fn choices(schema: &Json) -> Vec<&Json> {
    let all = schema["oneOf"].as_array().or(schema["anyOf"].as_array());
    let something = |one: &&Json| one["type"] != "null";
    all.into_iter().flatten().filter(something).collect()
}

/// The type of a value in words, with a link where it has a section.
fn kind_of(schema: &Json, entries: &Entries) -> String {
    match referred(schema) {
        Some(name) if entries[name].inline => return "a map".into(),
        Some(name) => return link(name, entries),
        None => {}
    }
    if is_choice(checked(), schema) {
        let all: Vec<String> = choices(schema)
            .into_iter()
            .map(|one| match kind(one) {
                Some((key, value)) => format!("`{key}:` {}", kind_of(value, entries)),
                None => kind_of(one, entries),
            })
            .collect();
        return all.join(" or ");
    }
    if schema["items"].is_object() {
        let [least, most] = ["minItems", "maxItems"].map(|key| schema[key].as_u64());
        let count = match (least, most) {
            (Some(least), Some(most)) if least == most => format!("a list of {least}"),
            (Some(least), Some(most)) => format!("a list of {least} to {most}"),
            (Some(least), None) => format!("a list of at least {least}"),
            _ => "a list".into(),
        };
        return format!("{count}, each {}", kind_of(&schema["items"], entries));
    }
    if schema["additionalProperties"].is_object() {
        let value = kind_of(&schema["additionalProperties"], entries);
        return format!("a map, for each name {value}");
    }
    alternative(schema)
}

/// A plain value in words.
fn alternative(schema: &Json) -> String {
    match (names(schema).is_empty(), schema["properties"].as_object()) {
        (true, Some(keys)) if !keys.is_empty() => "a map".into(),
        _ => match form(schema) {
            nothing if nothing.is_empty() => "any value".into(),
            form => form,
        },
    }
}

fn link(name: &str, entries: &Entries) -> String {
    let title = &entries[name].title;
    format!("[{title}](#{})", anchor(title))
}

/// A default as YAML, where it is short and not told in words; that of a map with keys of its own is told there.
fn default(schema: &Json) -> Option<String> {
    let value = schema.get("default").filter(|value| !value.is_null())?;
    let target = referred(schema).map(|name| &checked()["$defs"][name]);
    let told = description(schema).contains("Default ")
        || target.is_some_and(|target| target["properties"].is_object());
    let text = flow(value);
    (!told && text.len() <= 60).then_some(text)
}

/// A value on one line of YAML.
fn flow(value: &Json) -> String {
    match value {
        Json::Object(map) if map.is_empty() => "{}".into(),
        Json::Object(map) => {
            let all: Vec<String> = map
                .iter()
                .map(|(k, v)| format!("{k}: {}", flow(v)))
                .collect();
            format!("{{ {} }}", all.join(", "))
        }
        Json::Array(items) => {
            let all: Vec<String> = items.iter().map(flow).collect();
            format!("[{}]", all.join(", "))
        }
        Json::String(text) => text.clone(),
        Json::Number(number) => number.to_string().trim_end_matches(".0").to_string(),
        other => other.to_string(),
    }
}

/// A description on one line: formulas as code, without examples and rustdoc's links.
fn description(schema: &Json) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    let mut plain = String::new();
    for (i, part) in text.split("```").enumerate() {
        match part.split_once(' ') {
            Some(("text", formula)) if i % 2 == 1 => plain += &format!(" `{}` ", formula.trim()),
            _ if i % 2 == 1 => {}
            _ => plain += part,
        }
    }
    // What remains of rustdoc's links: "`lg_vae`(super::lg_vae)".
    while let Some(from) = plain.find("`(") {
        let Some(to) = plain[from..].find(')') else {
            break;
        };
        plain.replace_range(from + 1..=from + to, "");
    }
    let line = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.strip_prefix("See `").filter(|rest| rest.len() < 40) {
        Some(_) => String::new(),
        None => line,
    }
}

/// Lines of at most [`WIDTH`]; what follows the first is indented as its text.
fn wrap(text: &str, bullet: &str, page: &mut String) {
    let indent = " ".repeat(bullet.len());
    let mut line = bullet.to_string();
    for word in text.split(' ') {
        // At the start of a line these would begin a list or a heading.
        let marks = word
            .chars()
            .all(|c| "-+*#>=.".contains(c) || c.is_numeric());
        let full = line.chars().count() + 1 + word.chars().count() > WIDTH;
        if full && !marks && line.trim() != bullet.trim() {
            *page += &format!("{}\n", line.trim_end());
            line = indent.clone();
        }
        line += word;
        line.push(' ');
    }
    *page += &format!("{}\n", line.trim_end());
}

#[cfg(test)]
mod tests;
