//! A YAML text as a tree of values that forgives what a reader of types would stop at: keys written twice are listed.

use super::locate::join;
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Visitor};
use serde_yaml::{Mapping, Value};
use std::cell::RefCell;
use std::fmt;

/// What a text holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    /// All values; of a key that is written several times, the last.
    pub value: Value,
    /// Path of every key that was written before, and how many times.
    pub repeated: Vec<(String, usize)>,
}

impl Tree {
    /// Reads a text.
    ///
    /// # Errors
    /// What is no YAML, or no plain data: tags, keys that are no text, aliases of aliases without end.
    pub fn read(text: &str) -> Result<Self, serde_yaml::Error> {
        let repeated = RefCell::new(Vec::new());
        let build = Build {
            path: String::new(),
            repeated: &repeated,
        };
        let value = build.deserialize(serde_yaml::Deserializer::from_str(text))?;
        Ok(Self {
            value,
            repeated: repeated.into_inner(),
        })
    }
}

struct Build<'a> {
    path: String,
    repeated: &'a RefCell<Vec<(String, usize)>>,
}

impl<'de> DeserializeSeed<'de> for Build<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Build<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map, a list, a number, a text or nothing")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut all = Mapping::new();
        let mut times: Vec<(String, usize)> = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            let path = join(&self.path, &key);
            match times.iter_mut().find(|(known, _)| *known == key) {
                None => times.push((key.clone(), 0)),
                Some((_, n)) => {
                    *n += 1;
                    self.repeated.borrow_mut().push((path.clone(), *n));
                }
            }
            let value = map.next_value_seed(Build { path, ..self })?;
            all.insert(key.into(), value);
        }
        Ok(Value::Mapping(all))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        loop {
            let path = format!("{}[{}]", self.path, all.len());
            match seq.next_element_seed(Build { path, ..self })? {
                Some(value) => all.push(value),
                None => return Ok(Value::Sequence(all)),
            }
        }
    }
    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<Value, A::Error> {
        Err(A::Error::custom(
            "expected plain values, got a tag (`!name`); write a one-key map: `name: ..`",
        ))
    }
    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_none<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

/// Takes away what stands at `path`; an item of a list goes with its place.
pub(super) fn remove(value: &mut Value, path: &str) {
    let (at, last) = match path.strip_suffix(']').and_then(|p| p.rsplit_once('[')) {
        Some(split) => split,
        None => path.rsplit_once('.').unwrap_or(("", path)),
    };
    match (get_mut(value, at), last.parse::<usize>()) {
        (Some(Value::Sequence(items)), Ok(i)) if i < items.len() => drop(items.remove(i)),
        (Some(Value::Mapping(map)), _) => drop(map.shift_remove(last)),
        _ => {}
    }
}

/// Puts a value at `path`, where there is such a place.
pub(super) fn put(value: &mut Value, path: &str, new: Value) {
    if let Some(place) = get_mut(value, path) {
        *place = new;
    } else if let (at, key) = path.rsplit_once('.').unwrap_or(("", path))
        && let Some(Value::Mapping(map)) = get_mut(value, at)
    {
        map.insert(key.into(), new);
    }
}

fn get_mut<'a>(value: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    let path = path.replace('[', ".").replace(']', "");
    let mut keys = path.split('.').filter(|key| !key.is_empty());
    keys.try_fold(value, |value, key| match value {
        Value::Mapping(map) => map.get_mut(key),
        Value::Sequence(items) => items.get_mut(key.parse::<usize>().ok()?),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_holds_what_the_text_says_and_lists_keys_written_again() {
        let text = "a: 1\nb: {c: [x, -2, .5], d: }\n3: true\na: 2\nb: {c: 1, c: 2, c: 3}\n";
        let tree = Tree::read(text).unwrap();
        let expected: Value = serde_yaml::from_str("{a: 2, b: {c: 3}, '3': true}").unwrap();
        assert_eq!(tree.value, expected);
        let repeated: Vec<_> = tree
            .repeated
            .iter()
            .map(|(p, n)| (p.as_str(), *n))
            .collect();
        assert_eq!(repeated, [("a", 1), ("b", 1), ("b.c", 1), ("b.c", 2)]);
    }

    #[test]
    fn tags_and_endless_aliases_are_refused() {
        let error = Tree::read("a: !b {c: 1}").unwrap_err().to_string();
        assert!(error.contains("a tag"), "{error}");
        let mut bomb = "a0: &a0 [x]\n".to_string();
        for i in 1..40 {
            let last = i - 1;
            bomb += &format!("a{i}: &a{i} [*a{last}, *a{last}, *a{last}]\n");
        }
        let error = Tree::read(&bomb).unwrap_err().to_string();
        assert!(error.contains("limit exceeded"), "{error}");
    }

    #[test]
    fn a_path_is_taken_away_and_nothing_else() {
        let mut tree = Tree::read("{a: {b: [1, 2, {c: 3}]}, d: 4}").unwrap().value;
        for path in ["a.b[2].c", "a.b[0]", "d", "nowhere.x", "a.b[7]"] {
            remove(&mut tree, path);
        }
        assert_eq!(tree, Tree::read("{a: {b: [2, {}]}}").unwrap().value);
        for path in ["a.b[0]", "nowhere.x", "a.e"] {
            put(&mut tree, path, Value::Null);
        }
        assert_eq!(tree, Tree::read("{a: {b: [null, {}], e: }}").unwrap().value);
    }
}
