//! A JSON object that is passed on as it came: whether it is one, and has what its type requires. Nothing of it is built.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// What was seen of an object.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sight {
    /// The first required key that it lacks; one whose value is null does not count.
    pub(super) missing: Option<&'static str>,
}

impl Sight {
    /// Looks at every byte as strictly as `serde_json::Value` would; `None` when the text is anything but one object.
    pub(super) fn of(text: &str, required: &'static [&'static str]) -> Option<Sight> {
        let mut json = serde_json::Deserializer::from_str(text);
        let present = Object { required }.deserialize(&mut json).ok()?;
        json.end().ok()?;
        let missing = required.iter().zip(present).find_map(|(key, present)| (!present).then_some(*key));
        Some(Sight { missing })
    }
}

/// Answers for each required key whether it is there. Of a key that comes twice the last one counts.
struct Object {
    required: &'static [&'static str],
}

impl<'de> DeserializeSeed<'de> for Object {
    type Value = Vec<bool>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Vec<bool>, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object {
    type Value = Vec<bool>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<bool>, A::Error> {
        let mut present = vec![false; self.required.len()];
        while let Some(place) = map.next_key_seed(Key { required: self.required })? {
            let value: Seen = map.next_value()?;
            if let Some(present) = place.and_then(|place| present.get_mut(place)) {
                *present = !value.is_null;
            }
        }
        Ok(present)
    }
}

/// A key's place among the required ones.
struct Key {
    required: &'static [&'static str],
}

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Option<usize>, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Key {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Option<usize>, E> {
        Ok(self.required.iter().position(|required| *required == key))
    }
}

/// Any value, or a key further down.
struct Seen {
    is_null: bool,
}

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
        Ok(Seen { is_null: true })
    }

    fn visit_bool<E>(self, _: bool) -> Result<Seen, E> {
        Ok(Seen { is_null: false })
    }

    fn visit_i64<E>(self, _: i64) -> Result<Seen, E> {
        Ok(Seen { is_null: false })
    }

    fn visit_u64<E>(self, _: u64) -> Result<Seen, E> {
        Ok(Seen { is_null: false })
    }

    fn visit_f64<E>(self, _: f64) -> Result<Seen, E> {
        Ok(Seen { is_null: false })
    }

    fn visit_str<E>(self, _: &str) -> Result<Seen, E> {
        Ok(Seen { is_null: false })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Seen, A::Error> {
        while let Some(Seen { .. }) = elements.next_element()? {}
        Ok(Seen { is_null: false })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Seen, A::Error> {
        while let Some((Seen { .. }, Seen { .. })) = members.next_entry()? {}
        Ok(Seen { is_null: false })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::catalog;

    const TYPE: &str = "workorder.finished";

    /// What a parsed payload says.
    fn parsed(text: &str) -> Option<Sight> {
        match serde_json::from_str(text) {
            Ok(Value::Object(object)) => Some(Sight { missing: catalog::missing(TYPE, &object) }),
            Ok(_) | Err(_) => None,
        }
    }

    fn sight(text: &str) -> Option<Sight> {
        Sight::of(text, catalog::required(TYPE))
    }

    #[test]
    fn an_object_that_lacks_something_is_told_from_one_that_is_whole_and_from_what_is_none() {
        for (text, expected) in [
            (r#" {"order":"WO-1","good":3,"more":[{"a":1.5}]} "#, Some(None)),
            (r#"{"order":"WO-1","go\u006fd":3}"#, Some(None)),
            (r#"{"good":3}"#, Some(Some("order"))),
            (r#"{"order":"WO-1","good":null}"#, Some(Some("good"))),
            (r#"{"order":"WO-1","good":3,"good":null}"#, Some(Some("good"))),
            (r#"{"order":"WO-1","data":{"good":3}}"#, Some(Some("good"))),
            (r#"[{"order":"WO-1","good":3}]"#, None),
            ("3", None),
            ("", None),
            (r#"{"order":"WO-1","good":3} {}"#, None),
            (r#"{"order":"WO-1","good":3"#, None),
            (r#"{"order":"\ud800","good":3}"#, None),
            (r#"{"order":"WO-1","good":3,"\ud800":1}"#, None),
            (r#"{"order":"WO-1","good":1e999}"#, None),
            (r#"{"order":"WO-1","good":{"a":[01]}}"#, None),
        ] {
            assert_eq!(sight(text), expected.map(|missing| Sight { missing }), "{text}");
            assert_eq!(sight(text), parsed(text), "{text}");
        }
        let deep = |depth| format!(r#"{{"order":{}1{},"good":1}}"#, "[".repeat(depth), "]".repeat(depth));
        for depth in [100, 126, 127, 128, 10_000] {
            assert_eq!(sight(&deep(depth)), parsed(&deep(depth)), "{depth}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_seen_otherwise_than_a_parser_sees_it(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "{", "}", "[", "]", ",", ":", "\"order\"", "\"good\"", "\"\\ud800\"", "\"x\"", "null", "1", "-0.5e3", "1e999", " ", "true",
                ]),
                0..14,
            ),
        ) {
            let inner = parts.concat();
            for text in [inner.clone(), format!("{{\"order\":1,\"good\":{inner}}}"), format!("{{\"order\":1,{inner}}}")] {
                prop_assert_eq!(sight(&text), parsed(&text), "{}", text);
            }
        }
    }
}
