//! Whether a text is one JSON object: every byte is looked at as strictly as by a parser, and nothing of it is built.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

pub(super) fn is_object(text: &str) -> bool {
    let mut json = serde_json::Deserializer::from_str(text);
    json.deserialize_map(Object).is_ok() && json.end().is_ok()
}

struct Object;

impl<'de> Visitor<'de> for Object {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some((Seen, Seen)) = members.next_entry()? {}
        Ok(())
    }
}

/// Any value or key, as one that was looked at.
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

    fn parses_as_object(text: &str) -> bool {
        serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_object())
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
            assert_eq!(parses_as_object(text), expected, "{text}");
        }
        let deep = |depth| format!(r#"{{"order":{}1{}}}"#, "[".repeat(depth), "]".repeat(depth));
        for depth in [100, 126, 127, 128, 10_000] {
            assert_eq!(is_object(&deep(depth)), parses_as_object(&deep(depth)), "{depth}");
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
                prop_assert_eq!(is_object(&text), parses_as_object(&text), "{}", text);
            }
        }
    }
}
