//! Lines and columns: where a path stands in a YAML text, and keys that are written twice.
//!
//! The YAML reader tells places only in its errors. So a walk over the document raises an error where it should stop.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

/// Fails where a key is written twice in one map: readers of maps would silently keep the last one.
pub(super) fn no_duplicates(text: &str) -> Result<(), serde_yaml::Error> {
    Walk {
        path: String::new(),
        stop_at: None,
    }
    .deserialize(serde_yaml::Deserializer::from_str(text))
}

/// Line and column (from 1) of the key or list item (where its first key stands) at `path` (`data.splits.train`, `seeds[0]`), or of the nearest map
/// around it that is written down.
pub(super) fn find(text: &str, path: &str) -> Option<(usize, usize)> {
    let mut path = path;
    loop {
        if let Some(place) = exactly(text, path) {
            return Some(place);
        }
        path = &path[..path.rfind(['.', '['])?];
    }
}

/// The same for this path alone: whether, and where, it is written down.
pub(super) fn exactly(text: &str, path: &str) -> Option<(usize, usize)> {
    let walk = Walk {
        path: String::new(),
        stop_at: Some(path),
    };
    let stop = walk
        .deserialize(serde_yaml::Deserializer::from_str(text))
        .err()?;
    stop.location().map(|place| (place.line(), place.column()))
}

struct Walk<'a> {
    path: String,
    stop_at: Option<&'a str>,
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
        let seen = RefCell::new(HashSet::new());
        while let Some(path) = map.next_key_seed(Key {
            within: &self.path,
            seen: &seen,
            stop_at: self.stop_at,
        })? {
            map.next_value_seed(Walk { path, ..self })?;
        }
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut path = format!("{}[0]", self.path);
        for i in 1.. {
            let item = Item(Walk { path, ..self });
            if seq.next_element_seed(item)?.is_none() {
                break;
            }
            path = format!("{}[{i}]", self.path);
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
    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

/// A list item: the walk may have to stop at the item itself.
struct Item<'a>(Walk<'a>);

impl<'de> DeserializeSeed<'de> for Item<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        if self.0.stop_at == Some(&self.0.path) {
            return from.deserialize_any(Stop);
        }
        self.0.deserialize(from)
    }
}

/// A key: its own place is known while it is read.
struct Key<'a> {
    within: &'a str,
    seen: &'a RefCell<HashSet<String>>,
    stop_at: Option<&'a str>,
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
        let path = match self.within {
            "" => key.to_string(),
            within => format!("{within}.{key}"),
        };
        if self.stop_at == Some(&path) {
            return Err(E::custom("here"));
        }
        if self.stop_at.is_none() && !self.seen.borrow_mut().insert(key.to_string()) {
            return Err(E::custom(format_args!("the key `{key}` is written twice")));
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

    const TEXT: &str = "a: 1\nb:\n  c: [5, 6]\n  d:\n    - e: 1\n    - f: x\n";

    #[test]
    fn keys_and_items_are_found_at_their_line_and_column() {
        assert_eq!(find(TEXT, "a"), Some((1, 1)));
        assert_eq!(find(TEXT, "b.c"), Some((3, 3)));
        assert_eq!(find(TEXT, "b.c[1]"), Some((3, 10)));
        assert_eq!(find(TEXT, "b.d[1].f"), Some((6, 7)));
    }

    #[test]
    fn what_is_not_written_is_placed_at_the_map_around_it() {
        assert_eq!(find(TEXT, "b.missing"), Some((2, 1)));
        assert_eq!(find(TEXT, "b.d[1].g.h"), Some((6, 7)));
        assert_eq!(find(TEXT, "nowhere"), None);
    }

    #[test]
    fn a_key_written_twice_is_reported_at_the_second() {
        assert!(no_duplicates(TEXT).is_ok());
        let error = no_duplicates("a: 1\nb:\n  c: 1\n  x: 0\n  c: 2\n").unwrap_err();
        let place = error.location().unwrap();
        assert_eq!((place.line(), place.column()), (5, 3), "{error}");
        assert!(no_duplicates("a: {c: 1}\nb: {c: 1}\n").is_ok());
    }
}
