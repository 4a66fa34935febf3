//! What messages call the forms of a JSON Schema and the values of a YAML file.

use super::message::nearest;
use super::schema::kind;
use serde_json::Value as Json;
use serde_yaml::Value;

/// The words that a schema names one by one.
pub(super) fn names(schema: &Json) -> Vec<&str> {
    match (schema.get("enum"), schema.get("const")) {
        (Some(Json::Array(all)), _) => all.iter().filter_map(Json::as_str).collect(),
        (_, Some(Json::String(one))) => vec![one],
        _ => vec![],
    }
}

/// The types that a schema allows.
fn types(schema: &Json) -> Vec<&str> {
    match schema.get("type") {
        Some(Json::String(one)) => vec![one],
        Some(Json::Array(all)) => all.iter().filter_map(Json::as_str).collect(),
        _ => vec![],
    }
}

/// Whether a value has one of the types that a schema allows, and is one of its words where it names some.
pub(super) fn is_type(value: &Value, schema: &Json) -> bool {
    let types = types(schema);
    let allowed = |one: &&str| match value {
        Value::Null => *one == "null",
        Value::Bool(_) => *one == "boolean",
        Value::Number(n) => *one == "number" || (*one == "integer" && !n.is_f64()),
        Value::String(text) => {
            let names = names(schema);
            *one == "string" && (names.is_empty() || names.contains(&text.as_str()))
        }
        Value::Sequence(_) => *one == "array",
        Value::Mapping(_) => *one == "object",
        Value::Tagged(_) => false,
    };
    types.is_empty() || types.iter().any(allowed)
}

/// A limit that a schema sets.
fn limit(schema: &Json, key: &str) -> Option<f64> {
    schema.get(key).and_then(Json::as_f64)
}

/// Whether a number is within the limits that a schema sets.
pub(super) fn in_range(number: f64, schema: &Json) -> bool {
    let keeps = |key: &str, holds: fn(f64, f64) -> bool| {
        limit(schema, key).is_none_or(|limit| holds(number, limit))
    };
    !number.is_nan()
        && keeps("minimum", |x, limit| x >= limit)
        && keeps("maximum", |x, limit| x <= limit)
        && keeps("exclusiveMinimum", |x, limit| x > limit)
        && keeps("exclusiveMaximum", |x, limit| x < limit)
}

/// A number within the limits that a schema sets.
pub(super) fn some_in_range(schema: &Json) -> Option<Value> {
    let moved = |key, by| limit(schema, key).map(|limit| limit + by);
    let middle = moved("exclusiveMinimum", 0.0).zip(moved("exclusiveMaximum", 0.0));
    let number = [
        moved("minimum", 0.0),
        moved("maximum", 0.0),
        moved("exclusiveMinimum", 1.0),
        moved("exclusiveMaximum", -1.0),
        middle.map(|(low, high)| 0.5 * (low + high)),
    ]
    .into_iter()
    .flatten()
    .find(|&x| in_range(x, schema))?;
    Some(match types(schema).contains(&"integer") {
        true => (number.ceil() as i64).into(),
        false => number.into(),
    })
}

/// Checks how many `Items` or `Properties` there are.
///
/// # Errors
/// What a schema expects.
pub(super) fn count(got: usize, schema: &Json, what: &str) -> Result<(), String> {
    let limit = |side: &str| schema.get(format!("{side}{what}")).and_then(Json::as_u64);
    let (least, most) = (limit("min").unwrap_or(0), limit("max"));
    if (least..=most.unwrap_or(u64::MAX)).contains(&(got as u64)) {
        return Ok(());
    }
    Err(match most {
        Some(most) if most == least => format!("a list of {least}"),
        Some(most) => format!("{least} to {most}"),
        None => format!("at least {least}"),
    })
}

/// What a schema expects.
pub(super) fn form(schema: &Json) -> String {
    let words = names(schema);
    if !words.is_empty() {
        return one_of(words.into_iter());
    }
    let mut all: Vec<String> = Vec::new();
    let types = types(schema);
    for one in &types {
        all.push(match *one {
            // An optional value is left out, not written as nothing.
            "null" if types.len() > 1 => continue,
            "object" => map(schema),
            "array" => "a list".into(),
            "string" => "a text".into(),
            "boolean" => "`true` or `false`".into(),
            "integer" => format!("a whole number{}", range(schema)),
            "number" => format!("a number{}", range(schema)),
            "null" => "nothing".into(),
            other => other.into(),
        });
    }
    all.join(" or ")
}

/// What a choice expects: `a number or a map with one key of ..`.
pub(super) fn forms(choices: &[&Json]) -> String {
    let (mut all, mut words, mut kinds) = (Vec::new(), Vec::new(), Vec::new());
    for one in choices {
        match kind(one) {
            Some((name, _)) => kinds.push(name),
            None if !names(one).is_empty() => words.extend(names(one)),
            None => all.push(form(one)),
        }
    }
    if !words.is_empty() {
        all.push(one_of(words.into_iter()));
    }
    if !kinds.is_empty() {
        let key = match kinds.len() {
            1 => "the key",
            _ => "one key of",
        };
        all.push(format!("a map with {key} `{}`", kinds.join("`, `")));
    }
    all.join(" or ")
}

fn map(schema: &Json) -> String {
    match schema.get("properties").and_then(Json::as_object) {
        Some(properties) if !properties.is_empty() => {
            let known: Vec<&str> = properties.keys().map(String::as_str).collect();
            format!("a map of `{}`", known.join("`, `"))
        }
        Some(_) => "a map without keys, `{}`".into(),
        None => "a map".into(),
    }
}

/// " from 1 to 64", " above 0", or nothing.
fn range(schema: &Json) -> String {
    let limit = |key: &str| schema.get(key).filter(|v| v.is_number());
    let low = match (limit("minimum"), limit("exclusiveMinimum")) {
        (_, Some(low)) => Some(("above", low)),
        (Some(low), None) => Some(("of at least", low)),
        _ => None,
    };
    let high = match (limit("maximum"), limit("exclusiveMaximum")) {
        (_, Some(high)) => Some(("below", high)),
        (Some(high), None) => Some(("of at most", high)),
        _ => None,
    };
    match (low, high) {
        (Some(("of at least", low)), Some(("of at most", high))) => {
            format!(" from {low} to {high}")
        }
        (Some((a, low)), Some((b, high))) => format!(" {a} {low} and {b} {high}"),
        (Some((a, limit)), None) | (None, Some((a, limit))) => format!(" {a} {limit}"),
        (None, None) => String::new(),
    }
}

/// What a value is.
pub(super) fn got(value: &Value) -> String {
    match value {
        Value::Null => "nothing".into(),
        Value::Bool(value) => format!("`{value}`"),
        Value::Number(value) => format!("the number {value}"),
        Value::String(text) => {
            let short: String = text.chars().take(40).collect();
            let rest = if short.len() < text.len() { ".." } else { "" };
            format!("the text {short:?}{rest}")
        }
        Value::Sequence(items) => format!("a list of {}", items.len()),
        Value::Mapping(_) => "a map".into(),
        Value::Tagged(_) => "a tagged value".into(),
    }
}

/// "one of `a`, `b`", or "`a`".
pub(super) fn one_of<'a>(known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    match known[..] {
        [one] => format!("`{one}`"),
        _ => format!("one of `{}`", known.join("`, `")),
    }
}

/// "; did you mean `a`?", or nothing.
pub(super) fn did_you_mean<'a>(got: &str, known: impl Iterator<Item = &'a str>) -> String {
    let near = nearest(got, known).map(|near| format!("; did you mean `{near}`?"));
    near.unwrap_or_default()
}
