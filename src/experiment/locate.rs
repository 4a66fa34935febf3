//! Lines and columns: where a path stands in a YAML text.
//!
//! The YAML reader tells places only in its errors. So a walk over the document raises an error where it should stop.

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::cell::Cell;
use std::fmt;

/// Which end of `key: value` is looked for. A list item has a value only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The key.
    Key,
    /// The value.
    Value,
}

/// Line and column (from 1, in characters) of the key or value at `path` (`data.splits.train`, `seeds[0]`; empty for the whole
/// document), if it is written down. Of a key that is written several times, the one with number `nth`, from 0.
pub(super) fn exactly(text: &str, path: &str, part: Part, nth: usize) -> Option<(usize, usize)> {
    let skip = Cell::new(nth);
    let walk = Walk {
        path: String::new(),
        stop: Target {
            path,
            part,
            skip: &skip,
        },
    };
    let from = serde_yaml::Deserializer::from_str(text);
    let stop = match path {
        "" => from.deserialize_any(Stop).err(),
        _ => walk.deserialize(from).err(),
    }?;
    stop.location().map(|place| (place.line(), place.column()))
}

/// `key` below `path`.
pub(super) fn join(path: &str, key: &str) -> String {
    match path {
        "" => key.to_string(),
        path => format!("{path}.{key}"),
    }
}

/// The path around `path`: of the map or list that holds it.
pub(super) fn around(path: &str) -> Option<&str> {
    match path {
        "" => None,
        path => Some(&path[..path.rfind(['.', '[']).unwrap_or(0)]),
    }
}

#[derive(Clone, Copy)]
struct Target<'a> {
    path: &'a str,
    part: Part,
    /// How many times to pass it by.
    skip: &'a Cell<usize>,
}

impl Target<'_> {
    fn is(&self, path: &str, part: Part) -> bool {
        if self.path != path || self.part != part {
            return false;
        }
        let passed = self.skip.get() == 0;
        self.skip.set(self.skip.get().saturating_sub(1));
        passed
    }
}

struct Walk<'a> {
    path: String,
    stop: Target<'a>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let stop = self.stop;
        while let Some(path) = map.next_key_seed(Key {
            within: &self.path,
            stop,
        })? {
            map.next_value_seed(Item(Walk { path, stop }))?;
        }
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        for i in 0.. {
            let path = format!("{}[{i}]", self.path);
            let item = Item(Walk { path, ..self });
            if seq.next_element_seed(item)?.is_none() {
                break;
            }
        }
        Ok(())
    }
    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_none<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}

/// A value: the walk may have to stop at it, and need not enter where the target can't be.
struct Item<'a>(Walk<'a>);

impl<'de> DeserializeSeed<'de> for Item<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        let Self(walk) = self;
        if walk.stop.is(&walk.path, Part::Value) {
            return from.deserialize_any(Stop);
        }
        if walk.stop.path.starts_with(&walk.path) {
            return walk.deserialize(from);
        }
        IgnoredAny::deserialize(from).map(drop)
    }
}

/// A key: its own place is known while it is read.
struct Key<'a> {
    within: &'a str,
    stop: Target<'a>,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = String;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<String, D::Error> {
        from.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key<'_> {
    type Value = String;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_str<E: Error>(self, key: &str) -> Result<String, E> {
        let path = join(self.within, key);
        if self.stop.is(&path, Part::Key) {
            return Err(E::custom("here"));
        }
        Ok(path)
    }
}

/// Fails at whatever comes.
struct Stop;

impl<'de> Visitor<'de> for Stop {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# head\na: 1\nb:\n  c: [5, 6]\n  d:\n    - e: 1\n    - f: x\n";

    fn key(text: &str, path: &str) -> Option<(usize, usize)> {
        exactly(text, path, Part::Key, 0)
    }
    fn value(text: &str, path: &str) -> Option<(usize, usize)> {
        exactly(text, path, Part::Value, 0)
    }

    #[test]
    fn keys_values_and_items_are_found_at_their_line_and_column() {
        assert_eq!(key(TEXT, "a"), Some((2, 1)));
        assert_eq!(value(TEXT, "a"), Some((2, 4)));
        assert_eq!(key(TEXT, "b.c"), Some((4, 3)));
        assert_eq!(value(TEXT, "b.c[1]"), Some((4, 10)));
        assert_eq!(key(TEXT, "b.d[1].f"), Some((7, 7)));
        assert_eq!(value(TEXT, "b.d[1].f"), Some((7, 10)));
        assert_eq!(value(TEXT, ""), Some((2, 1)));
    }

    #[test]
    fn what_is_not_written_has_no_place() {
        assert_eq!(key(TEXT, "b.missing"), None);
        assert_eq!(value(TEXT, "b.c[2]"), None);
        assert_eq!(around("b.d[1].g"), Some("b.d[1]"));
        assert_eq!(around("b.d[1]"), Some("b.d"));
        assert_eq!((around("b"), around("")), (Some(""), None));
    }

    #[test]
    fn a_key_written_twice_has_two_places() {
        let text = "a: 1\nb:\n  c: 1\n  x: 0\n  c: 2\n";
        assert_eq!(exactly(text, "b.c", Part::Key, 0), Some((3, 3)));
        assert_eq!(exactly(text, "b.c", Part::Key, 1), Some((5, 3)));
        assert_eq!(exactly(text, "b.c", Part::Key, 2), None);
    }
}
