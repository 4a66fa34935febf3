//! JSON Schema of an experiment file: what editors complete from, and what a file is checked against.

use super::File;
use serde_json::{Value as Json, json};
use std::sync::LazyLock;

static CHECKED: LazyLock<Json> = LazyLock::new(|| {
    let mut schema = schemars::schema_for!(File).to_value();
    plain_descriptions(&mut schema);
    schema
});

/// The schema that the values of a file are checked against, after what it extends was read.
pub(super) fn checked() -> &'static Json {
    &CHECKED
}

/// JSON Schema (draft 2020-12) of an experiment file, as text: for editors, which find it by the first line of a file,
/// `# yaml-language-server: $schema=schema.json`.
///
/// It differs from what a file is checked against in two things: a file that extends another may leave out what that one has, and
/// take a model away by nothing in its place.
pub fn schema() -> String {
    let mut schema = checked().clone();
    schema["title"] = json!("kinostate experiment");
    let root = required(&mut schema);
    let simulated = required(&mut schema["$defs"]["DataConfig"]);
    let model = &mut schema["properties"]["models"]["additionalProperties"];
    *model = json!({ "anyOf": [model.take(), { "type": "null" }] });
    schema["if"] = json!({ "not": { "required": ["extends"] } });
    schema["then"] = json!({
        "required": root,
        "properties": { "data": { "anyOf": [{ "required": simulated }, { "required": ["dataset"] }] } },
    });
    format!("{schema:#}\n")
}

/// Takes a type's required keys out of it.
fn required(schema: &mut Json) -> Json {
    let object = schema.as_object_mut();
    let taken = object.and_then(|object| object.shift_remove("required"));
    taken.unwrap_or_else(|| json!([]))
}

/// What a schema says directly, without its references.
pub(super) fn resolve<'a>(root: &'a Json, schema: &'a Json) -> &'a Json {
    let target = schema.get("$ref").and_then(Json::as_str);
    match target.and_then(|target| root.pointer(target.strip_prefix('#')?)) {
        Some(found) => resolve(root, found),
        None => schema,
    }
}

/// Whether a schema offers alternatives, be it only one.
pub(super) fn is_choice(root: &Json, schema: &Json) -> bool {
    let schema = resolve(root, schema);
    schema.get("oneOf").is_some() || schema.get("anyOf").is_some()
}

/// The alternatives of a choice, choices in it opened; a schema that is no choice is its only alternative.
pub(super) fn alternatives<'a>(root: &'a Json, schema: &'a Json) -> Vec<&'a Json> {
    let schema = resolve(root, schema);
    match schema.get("oneOf").or_else(|| schema.get("anyOf")) {
        Some(Json::Array(all)) => all.iter().flat_map(|one| alternatives(root, one)).collect(),
        _ => vec![schema],
    }
}

/// Of an alternative that is a one-key map (`vae: {..}`), the key and the schema of its value.
pub(super) fn kind(alternative: &Json) -> Option<(&str, &Json)> {
    let properties = alternative.get("properties")?.as_object()?;
    let required = alternative.get("required")?.as_array()?;
    let closed = alternative.get("additionalProperties") == Some(&Json::Bool(false));
    let (name, value) = properties.iter().next()?;
    (closed && properties.len() == 1 && required.len() == 1).then_some((name.as_str(), value))
}

/// The schema of what stands under `key` of a map.
pub(super) fn below<'a>(root: &'a Json, schema: &'a Json, key: &str) -> Option<&'a Json> {
    let alternatives = alternatives(root, schema);
    let named = |one: &&'a Json| one.get("properties")?.get(key);
    alternatives.iter().find_map(named).or_else(|| {
        let any = |one: &&'a Json| {
            one.get("additionalProperties")
                .filter(|any| any.is_object())
        };
        alternatives.iter().find_map(any)
    })
}

/// Descriptions as an editor shows them: without the brackets of rustdoc's links and its line breaks.
fn plain_descriptions(schema: &mut Json) {
    match schema {
        Json::Object(map) => {
            if let Some(Json::String(text)) = map.get_mut("description") {
                let line = |part: &str| part.split_whitespace().collect::<Vec<_>>().join(" ");
                let parts: Vec<String> = text.split("\n\n").map(line).collect();
                *text = parts.join("\n\n").replace("[`", "`").replace("`]", "`");
            }
            map.values_mut().for_each(plain_descriptions);
        }
        Json::Array(items) => items.iter_mut().for_each(plain_descriptions),
        _ => {}
    }
}
