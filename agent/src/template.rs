//! Fills templates: `{name}` and `{/json/pointer}` from what a source or an event knows.

use jiff::Timestamp;
use plantlink_config::{DataTemplate, Format, Part, Reference, Template};
use serde_json::{Map, Value};

/// What names and pointers mean at the place where a template is filled.
pub(crate) trait Scope {
    /// What stands under a name; `None` when nothing does.
    fn name(&self, name: &str) -> Option<Value>;
    /// What a JSON pointer (RFC 6901) finds in the payload at hand.
    fn pointer(&self, pointer: &str) -> Option<Value>;
}

/// The template's value. One lone `{...}` keeps the JSON type of what it names; `None` when something is missing.
pub(crate) fn value(template: &Template, scope: &impl Scope) -> Option<Value> {
    match template.parts.as_slice() {
        [Part::Look { up, format }] => look(up, *format, scope),
        _ => text(template, scope).map(Value::String),
    }
}

/// The template's value as text; `None` when something is missing.
pub(crate) fn text(template: &Template, scope: &impl Scope) -> Option<String> {
    let mut out = String::new();
    for part in &template.parts {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Look { up, format } => match look(up, *format, scope)? {
                Value::String(text) => out.push_str(&text),
                Value::Null => return None,
                other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                    out.push_str(&other.to_string());
                }
            },
        }
    }
    Some(out)
}

/// A table of templates as an object. What is missing is left out.
pub(crate) fn table(fields: &[(String, DataTemplate)], scope: &impl Scope) -> Map<String, Value> {
    fields.iter().filter_map(|(key, template)| Some((key.clone(), data(template, scope)?))).collect()
}

/// The moment a template names, in Unix microseconds; `None` when it is missing, an error when it is no time.
pub(crate) fn moment(template: &Template, scope: &impl Scope) -> Option<Result<i64, NotATime>> {
    let (found, format) = match template.parts.as_slice() {
        [Part::Look { up, format }] => (find(up, scope)?, *format),
        _ => (Value::String(text(template, scope)?), None),
    };
    if found.is_null() {
        return None;
    }
    Some(read_moment(&found, format).ok_or(NotATime { found }))
}

/// What stood where a time was expected.
#[derive(Debug, thiserror::Error)]
#[error("{found} is not a time")]
pub(crate) struct NotATime {
    found: Value,
}

/// RFC 3339 in UTC, as every event shows its times.
pub(crate) fn rfc3339(wall_us: i64) -> String {
    Timestamp::from_microsecond(wall_us).map_or_else(|_| String::from("0001-01-01T00:00:00Z"), |at| at.to_string())
}

fn data(template: &DataTemplate, scope: &impl Scope) -> Option<Value> {
    match template {
        DataTemplate::Constant(constant) => Some(constant.clone()),
        DataTemplate::Template(template) => value(template, scope),
        DataTemplate::Table(fields) => Some(Value::Object(table(fields, scope))),
        DataTemplate::List(items) => Some(items.iter().filter_map(|item| data(item, scope)).collect()),
    }
}

fn find(up: &Reference, scope: &impl Scope) -> Option<Value> {
    match up {
        Reference::Pointer(pointer) => scope.pointer(pointer),
        Reference::Name(name) => scope.name(name),
    }
}

fn look(up: &Reference, format: Option<Format>, scope: &impl Scope) -> Option<Value> {
    let found = find(up, scope)?;
    match format {
        None => Some(found),
        Some(format) => show_moment(read_moment(&found, None)?, format),
    }
}

/// Reads RFC 3339, or the number that `format` announces.
fn read_moment(found: &Value, format: Option<Format>) -> Option<i64> {
    match format {
        None => found.as_str()?.parse::<Timestamp>().ok().map(|at| at.as_microsecond()),
        Some(Format::Unix) => scaled(found, 1_000_000.0),
        Some(Format::UnixMs) => scaled(found, 1_000.0),
        Some(Format::Date) => {
            format!("{}T00:00:00Z", found.as_str()?).parse::<Timestamp>().ok().map(|at| at.as_microsecond())
        }
        Some(Format::Datetime) => {
            format!("{}Z", found.as_str()?).parse::<Timestamp>().ok().map(|at| at.as_microsecond())
        }
    }
}

/// A number of seconds or milliseconds as microseconds, within what a calendar can show.
fn scaled(found: &Value, microseconds: f64) -> Option<i64> {
    let number = match found {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    let at = (number * microseconds).round();
    Timestamp::from_microsecond(at as i64).ok().filter(|_| at.is_finite()).map(|at| at.as_microsecond())
}

fn show_moment(wall_us: i64, format: Format) -> Option<Value> {
    let at = Timestamp::from_microsecond(wall_us).ok()?;
    Some(match format {
        Format::Date => Value::String(at.strftime("%Y-%m-%d").to_string()),
        Format::Datetime => Value::String(at.strftime("%Y-%m-%d %H:%M:%S").to_string()),
        Format::Unix => Value::from(at.as_second()),
        Format::UnixMs => Value::from(at.as_millisecond()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    struct Here(Value);

    impl Scope for Here {
        fn name(&self, name: &str) -> Option<Value> {
            self.0.get(name).cloned()
        }
        fn pointer(&self, pointer: &str) -> Option<Value> {
            self.0.pointer(pointer).cloned()
        }
    }

    fn name(name: &str, format: Option<Format>) -> Part {
        Part::Look { up: Reference::Name(name.into()), format }
    }

    #[test]
    fn a_lone_name_keeps_its_type_and_text_around_it_makes_a_string() {
        let here = Here(json!({"good": 3, "line": "L3"}));
        let lone = Template { parts: vec![name("good", None)] };
        assert_eq!(value(&lone, &here), Some(json!(3)));
        let mixed = Template { parts: vec![name("line", None), Part::Text(": ".into()), name("good", None)] };
        assert_eq!(value(&mixed, &here), Some(json!("L3: 3")));
    }

    #[test]
    fn a_string_in_which_a_name_is_missing_is_left_out_whole() {
        let here = Here(json!({"line": "L3"}));
        let mixed = Template { parts: vec![name("line", None), Part::Text("/".into()), name("order", None)] };
        assert_eq!(value(&mixed, &here), None);
        let fields =
            vec![("a".to_owned(), DataTemplate::Template(mixed)), ("b".to_owned(), DataTemplate::Constant(json!(1)))];
        assert_eq!(Value::Object(table(&fields, &here)), json!({"b": 1}));
    }

    #[test]
    fn moments_are_shown_in_utc_in_every_format() {
        let here = Here(json!({"at": "2026-11-20T09:15:30.125+01:00"}));
        for (format, shown) in [
            (Format::Date, json!("2026-11-20")),
            (Format::Datetime, json!("2026-11-20 08:15:30")),
            (Format::Unix, json!(1_795_162_530)),
            (Format::UnixMs, json!(1_795_162_530_125_i64)),
        ] {
            assert_eq!(value(&Template { parts: vec![name("at", Some(format))] }, &here), Some(shown), "{format:?}");
        }
    }

    #[test]
    fn a_time_is_read_as_its_format_announces_and_nonsense_is_no_time() {
        let at =
            |found: Value, format| moment(&Template { parts: vec![name("at", format)] }, &Here(json!({"at": found})));
        let expected = 1_795_162_530_125_000;
        for (found, format) in [
            (json!("2026-11-20T08:15:30.125Z"), None),
            (json!(1_795_162_530.125), Some(Format::Unix)),
            (json!(1_795_162_530_125_i64), Some(Format::UnixMs)),
        ] {
            assert_eq!(at(found, format).unwrap().unwrap(), expected);
        }
        assert!(at(json!("yesterday"), None).unwrap().is_err());
        assert!(at(json!(1e300), Some(Format::Unix)).unwrap().is_err());
        assert!(at(json!(null), None).is_none());
    }
}
