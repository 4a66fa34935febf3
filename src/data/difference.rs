//! In which keys two configurations differ: for the message that a folder holds another dataset.

use serde_json::Value;

/// The paths whose values differ, each with both values: `splits.train: 100 there, 200 here`.
pub(super) fn differences(there: &Value, here: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk(String::new(), Some(there), Some(here), &mut found);
    found
}

fn walk(path: String, there: Option<&Value>, here: Option<&Value>, found: &mut Vec<String>) {
    if let (Some(Value::Object(a)), Some(Value::Object(b))) = (there, here) {
        let added = b.keys().filter(|key| !a.contains_key(*key));
        for key in a.keys().chain(added) {
            let dot = if path.is_empty() { "" } else { "." };
            walk(format!("{path}{dot}{key}"), a.get(key), b.get(key), found);
        }
    } else if there != here {
        let text = |value: Option<&Value>| value.map_or("nothing".into(), Value::to_string);
        found.push(format!(
            "{path}: {} there, {} here",
            text(there),
            text(here)
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_differing_path_is_named_with_both_values_and_order_does_not_matter() {
        let there = json!({"a": 1, "b": {"c": 2, "d": [3]}, "e": 0});
        let here = json!({"b": {"d": [4], "c": 2}, "a": 1, "f": null});
        assert_eq!(
            differences(&there, &here),
            [
                "b.d: [3] there, [4] here",
                "e: 0 there, nothing here",
                "f: nothing there, null here",
            ]
        );
        assert!(differences(&there, &there).is_empty());
    }
}
