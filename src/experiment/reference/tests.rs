//! The page names every key and every kind, and none of its links is loose.

use super::super::schema::alternatives;
use super::*;

#[test]
fn every_key_of_the_schema_is_on_the_page_and_no_link_is_loose() {
    let page = reference();
    fn all_keys(schema: &Json, found: &mut Vec<String>) {
        match schema {
            Json::Object(map) => {
                if let Some(properties) = map.get("properties").and_then(Json::as_object) {
                    found.extend(properties.keys().cloned());
                }
                map.iter()
                    .filter(|(key, _)| *key != "default")
                    .for_each(|(_, value)| all_keys(value, found));
            }
            Json::Array(items) => items.iter().for_each(|value| all_keys(value, found)),
            _ => {}
        }
    }
    let mut keys = Vec::new();
    all_keys(checked(), &mut keys);
    assert!(keys.len() > 300, "{}", keys.len());
    for key in keys {
        let told = page.contains(&format!("`{key}`:")) || page.contains(&format!("`{key}:`"));
        assert!(told, "{key}");
    }
    let headings: Vec<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .map(anchor)
        .collect();
    for link in page.split("](#").skip(1) {
        let target = link.split(')').next().unwrap().to_string();
        let there = headings.iter().filter(|h| **h == target).count();
        assert_eq!(there, 1, "#{target}");
    }
    for kinds in REGISTRIES {
        let schema = &checked()["$defs"][kinds];
        for (name, _) in alternatives(checked(), schema).into_iter().filter_map(kind) {
            assert!(
                page.contains(&format!("{name}`\n")),
                "no heading for {name}"
            );
        }
    }
}

#[test]
fn lines_are_wrapped_and_none_begins_a_list_by_chance() {
    let mut page = String::new();
    let text = format!("{} - {} 3 words", "a".repeat(110), "b".repeat(20));
    wrap(&text, "- ", &mut page);
    assert_eq!(page.lines().count(), 2, "{page}");
    assert!(page.lines().nth(1).unwrap().starts_with("  bbb"), "{page}");
}
