//! Checks a tree of YAML values against the JSON Schema of an experiment: all unknown keys, wrong types, names and ranges at once.

use super::locate::{Part, join};
use super::message::nearest;
use super::problem::Problem;
use super::schema::{alternatives, is_choice, kind, resolve};
use super::words::{
    count, did_you_mean, form, forms, got, in_range, is_type, names, one_of, some_in_range,
};
use serde_json::{Map, Value as Json};
use serde_yaml::{Mapping, Value};

/// Everything in `value` that `schema` does not allow, in the order of the file.
pub(super) fn validate(value: &Value, schema: &Json) -> Vec<Problem> {
    let mut check = Validator {
        root: schema,
        problems: Vec::new(),
    };
    check.value(value, schema, "");
    check.problems
}

struct Validator<'a> {
    /// Where references lead.
    root: &'a Json,
    problems: Vec<Problem>,
}

impl<'a> Validator<'a> {
    fn wrong(&mut self, path: &str, part: Part, message: String, schema: &Json) {
        self.problems.push(Problem {
            about: about(path, schema),
            ..Problem::new(path, part, message)
        });
    }

    /// A wrong name below `path`, the choice that `schema` describes.
    fn wrong_name(&mut self, below: &str, message: String, path: &str, schema: &Json) {
        self.problems.push(Problem {
            about: about(path, schema),
            ..Problem::new(below, Part::Key, message)
        });
    }

    /// `schema` is as the key above has it, with that key's own description.
    fn value(&mut self, value: &Value, schema: &'a Json, path: &str) {
        let choices = alternatives(self.root, schema);
        match choices[..] {
            [one] if !is_choice(self.root, schema) => self.plain(value, one, schema, path),
            _ => self.choice(value, &choices, schema, path),
        }
    }

    /// One of several forms: a name, a one-key map by its key, or whatever form the value has.
    fn choice(&mut self, value: &Value, choices: &[&'a Json], about: &'a Json, path: &str) {
        let kinds: Vec<(&str, &Json)> = choices.iter().filter_map(|one| kind(one)).collect();
        let words: Vec<&str> = choices.iter().flat_map(|one| names(one)).collect();
        let known = || {
            kinds
                .iter()
                .map(|(name, _)| *name)
                .chain(words.iter().copied())
        };
        let wrong_name = |name: &str| {
            let forms = forms(choices);
            let near = did_you_mean(name, known());
            format!("unknown name `{name}`, expected {forms}{near}")
        };
        match value {
            Value::Mapping(map) if !kinds.is_empty() => {
                let mut entries = map.iter();
                let (Some((key, inner)), None) = (entries.next(), entries.next()) else {
                    let keys: Vec<&str> = map.keys().filter_map(Value::as_str).collect();
                    let got = match keys[..] {
                        [] => "an empty map".to_string(),
                        _ => format!("{} keys, `{}`", keys.len(), keys.join("`, `")),
                    };
                    let message = format!("expected {}, got {got}", forms(choices));
                    return self.wrong(path, Part::Value, message, about);
                };
                let name = key.as_str().unwrap_or_default();
                let below = join(path, name);
                match kinds.iter().find(|(known, _)| *known == name) {
                    Some((_, schema)) => self.value(inner, schema, &below),
                    None if words.contains(&name) => {
                        let message = format!("`{name}` has no settings: write just `{name}`");
                        self.wrong_name(&below, message, path, about);
                    }
                    None => self.wrong_name(&below, wrong_name(name), path, about),
                }
            }
            Value::String(name) if words.contains(&name.as_str()) => {}
            Value::String(name) if kinds.iter().any(|(known, _)| known == name) => {
                let message = format!("expected a one-key map: write `{name}: {{}}`");
                self.wrong(path, Part::Value, message, about);
            }
            Value::String(name) if known().next().is_some() => {
                self.wrong(path, Part::Value, wrong_name(name), about);
            }
            _ => {
                let fits = choices.iter().filter(|one| is_type(value, one));
                match fits.rev().max_by_key(|one| common_keys(value, one)) {
                    Some(one) => self.plain(value, one, about, path),
                    None => {
                        let message = format!("expected {}, got {}", forms(choices), got(value));
                        self.wrong(path, Part::Value, message, about);
                    }
                }
            }
        }
    }

    fn plain(&mut self, value: &Value, schema: &'a Json, about: &'a Json, path: &str) {
        if !is_type(value, schema) {
            let expected = form(schema);
            let near = match (value, &names(schema)[..]) {
                (Value::String(text), names) => did_you_mean(text, names.iter().copied()),
                (Value::Number(_) | Value::Bool(_), []) if expected == "a text" => {
                    "; put it in quotes".into()
                }
                _ => String::new(),
            };
            let message = format!("expected {expected}, got {}{near}", got(value));
            return self.wrong(path, Part::Value, message, about);
        }
        match value {
            Value::Mapping(map) => self.map(map, schema, about, path),
            Value::Sequence(items) => {
                if let Err(expected) = count(items.len(), schema, "Items") {
                    let message = format!("expected {expected}, got {}", items.len());
                    self.wrong(path, Part::Value, message, about);
                }
                let Some(schema) = schema.get("items") else {
                    return;
                };
                for (i, item) in items.iter().enumerate() {
                    self.value(item, schema, &format!("{path}[{i}]"));
                }
            }
            Value::Number(number) if !in_range(number.as_f64().unwrap_or(f64::NAN), schema) => {
                let message = format!("expected {}, got {number}", form(schema));
                self.wrong(path, Part::Value, message, about);
                if let Some(problem) = self.problems.last_mut() {
                    problem.instead = some_in_range(schema);
                }
            }
            _ => {}
        }
    }

    /// The setting of a map whose own settings have this key: where it belongs.
    fn below(&self, key: &str, properties: Option<&'a Map<String, Json>>) -> Option<&'a str> {
        let has = |schema: &Json| {
            let own = resolve(self.root, schema).get("properties");
            own.and_then(|all| all.get(key)).is_some()
        };
        let found = properties?.iter().find(|(_, schema)| has(schema));
        found.map(|(name, _)| name.as_str())
    }

    fn map(&mut self, map: &Mapping, schema: &'a Json, about: &'a Json, path: &str) {
        let properties = schema.get("properties").and_then(Json::as_object);
        let known = || {
            properties
                .into_iter()
                .flatten()
                .map(|(name, _)| name.as_str())
        };
        let any = schema.get("additionalProperties");
        let mut meant = Vec::new();
        for (key, value) in map {
            let key = key.as_str().unwrap_or_default();
            let below = join(path, key);
            match (properties.and_then(|all| all.get(key)), any) {
                (Some(schema), _) => self.value(value, schema, &below),
                (None, Some(schema @ Json::Object(_))) => self.value(value, schema, &below),
                (None, Some(Json::Bool(false))) => {
                    let near = match self.below(key, properties) {
                        Some(nested) => format!("; write it under `{nested}`: `{nested}.{key}`"),
                        None => did_you_mean(key, known()),
                    };
                    meant.extend(nearest(key, known()));
                    let message = match known().next() {
                        None => format!("unknown key `{key}`, expected no settings here"),
                        Some(_) => {
                            format!("unknown key `{key}`, expected {}{near}", one_of(known()))
                        }
                    };
                    self.wrong(&below, Part::Key, message, &Json::Null);
                }
                (None, _) => {}
            }
        }
        if let Err(expected) = count(map.len(), schema, "Properties") {
            let message = format!("expected {expected}, got {}", map.len());
            self.wrong(path, Part::Value, message, about);
        }
        let required = schema.get("required").and_then(Json::as_array);
        for key in required.into_iter().flatten().filter_map(Json::as_str) {
            // A key that is only misspelt was told already.
            if !map.contains_key(key) && !meant.contains(&key) {
                let about = properties.and_then(|all| all.get(key)).unwrap_or(about);
                let message = format!("the key `{key}` is missing");
                self.wrong(&join(path, key), Part::Key, message, about);
                if let Some(problem) = self.problems.last_mut() {
                    problem.instead = some_in_range(about);
                }
            }
        }
    }
}

/// Whether a form knows a map's first key, and how many of them all.
fn common_keys(value: &Value, form: &Json) -> (bool, usize) {
    let known = form.get("properties").and_then(Json::as_object);
    match (value, known) {
        (Value::Mapping(map), Some(known)) => {
            let knows = |key: &Value| key.as_str().is_some_and(|key| known.contains_key(key));
            let first = map.keys().next().is_some_and(knows);
            (first, map.keys().filter(|key| knows(key)).count())
        }
        _ => (false, 0),
    }
}

/// What a key is for, as its schema describes it.
fn about(path: &str, schema: &Json) -> Option<String> {
    let text = schema.get("description")?.as_str()?;
    let words: Vec<&str> = text.split_whitespace().collect();
    let key = path.rsplit('.').next().unwrap_or(path);
    Some(format!("{key}: {}", words.join(" ")))
}
