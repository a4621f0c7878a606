//! A JSON object of which only some members matter: every byte is looked at as strictly as by a parser, and nothing else of
//! it is built.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// The members of these names that an object has at its top; `None` for a text that is no JSON object.
pub(super) fn members(text: &str, matters: impl Fn(&str) -> bool) -> Option<Map<String, Value>> {
    let mut json = serde_json::Deserializer::from_str(text);
    let members = json.deserialize_map(Object { matters }).ok()?;
    json.end().ok().map(|()| members)
}

struct Object<M> {
    matters: M,
}

impl<'de, M: Fn(&str) -> bool> Visitor<'de> for Object<M> {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut members = Map::new();
        while let Some(Key(key)) = object.next_key()? {
            if (self.matters)(&key) {
                members.insert(key.into_owned(), object.next_value()?);
            } else {
                let Seen = object.next_value()?;
            }
        }
        Ok(members)
    }
}

/// Borrowed from the text where nothing in it is escaped.
struct Key<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Key<'de>, D::Error> {
        json.deserialize_str(ReadKey)
    }
}

struct ReadKey;

impl<'de> Visitor<'de> for ReadKey {
    type Value = Key<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Borrowed(key)))
    }

    fn visit_str<E>(self, key: &str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Owned(key.to_owned())))
    }
}

/// Any value, or a key deeper down, as one that was looked at.
struct Seen;

impl<'de> Deserialize<'de> for Seen {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Seen, D::Error> {
        json.deserialize_any(Look)
    }
}

struct Look;

impl<'de> Visitor<'de> for Look {
    type Value = Seen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Seen, E> {
        Ok(Seen)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Seen, E> {
        Ok(Seen)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Seen, E> {
        Ok(Seen)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Seen, E> {
        Ok(Seen)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Seen, E> {
        Ok(Seen)
    }

    fn visit_str<E>(self, _: &str) -> Result<Seen, E> {
        Ok(Seen)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Seen, A::Error> {
        while let Some(Seen) = elements.next_element()? {}
        Ok(Seen)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Seen, A::Error> {
        while let Some((Seen, Seen)) = members.next_entry()? {}
        Ok(Seen)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// What a parser says of the same members.
    fn parsed(text: &str, matters: impl Fn(&str) -> bool) -> Option<Map<String, Value>> {
        let Ok(Value::Object(mut object)) = serde_json::from_str(text) else { return None };
        object.retain(|key, _| matters(key));
        Some(object)
    }

    fn is_object(text: &str) -> bool {
        let found = members(text, |key| key == "good");
        assert_eq!(found, parsed(text, |key| key == "good"), "{text}");
        found.is_some()
    }

    #[test]
    fn what_matters_is_what_a_parser_finds_under_these_names() {
        let text = r#"{"order":"WO-1","go\u006fd":1,"note":"x","good":3,"previous":{"good":1,"note":"y"}}"#;
        let matters = |key: &str| ["good", "previous"].contains(&key);
        let found = members(text, matters).unwrap();
        assert_eq!(Value::from(found.clone()), serde_json::json!({"good": 3, "previous": {"good": 1, "note": "y"}}));
        assert_eq!(Some(found), parsed(text, matters));
    }

    #[test]
    fn an_object_is_told_from_what_is_none() {
        for (text, expected) in [
            (r#" {"order":"WO-1","good":3,"more":[{"a":1.5,"b":null}]} "#, true),
            (r#"{"order":"WO-1","go\u006fd":3}"#, true),
            (r#"[{"order":"WO-1","good":3}]"#, false),
            ("3", false),
            ("", false),
            (r#"{"order":"WO-1"} {}"#, false),
            (r#"{"order":"WO-1""#, false),
            (r#"{"order":"\ud800"}"#, false),
            (r#"{"\ud800":1}"#, false),
            (r#"{"good":1e999}"#, false),
            (r#"{"good":{"a":[01]}}"#, false),
        ] {
            assert_eq!(is_object(text), expected, "{text}");
        }
        let deep = |depth| format!(r#"{{"order":{}1{}}}"#, "[".repeat(depth), "]".repeat(depth));
        for depth in [100, 126, 127, 128, 10_000] {
            assert_eq!(is_object(&deep(depth)), depth < 127, "{depth}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_seen_otherwise_than_a_parser_sees_it(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "{", "}", "[", "]", ",", ":", "\"order\"", "\"\\ud800\"", "\"x\"", "null", "1", "-0.5e3", "1e999", " ", "true",
                ]),
                0..14,
            ),
        ) {
            let inner = parts.concat();
            for text in [inner.clone(), format!("{{\"order\":1,\"good\":{inner}}}"), format!("{{\"order\":1,{inner}}}")] {
                prop_assert_eq!(members(&text, |_| false).is_some(), is_object(&text));
            }
        }
    }
}
