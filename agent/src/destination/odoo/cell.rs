//! One cell of a row. `load` takes strings without complaint and fails a whole call on some JSON types, so every cell is a
//! string: `1` and `0` for booleans, numbers with a point, times in UTC, and nothing as the empty text.

use plantlink_config::Template;
use serde_json::Value;

use super::model::Model;
use crate::template::{Scope, value};

/// What a template comes to in a column of a model; nothing where the event does not say it.
pub(super) fn text(template: &Template, column: &str, model: &Model, event: &impl Scope) -> String {
    let found = if model.is_markup(column) { value(template, &Escaped(event)) } else { value(template, event) };
    let text = found.map_or_else(String::new, cell);
    // Odoo stores what is no number as one, and then nobody can read the record any more.
    let is_no_number = model.is_number(column) && text.parse().is_ok_and(|number: f64| !number.is_finite());
    if is_no_number { String::new() } else { text }
}

fn cell(value: Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(true) => "1".to_owned(),
        Value::Bool(false) => "0".to_owned(),
        // PostgreSQL takes no U+0000 in a text.
        Value::String(text) => text.replace('\0', ""),
        // A JSON number is always finite and has a point.
        number @ Value::Number(_) => number.to_string(),
        nested @ (Value::Array(_) | Value::Object(_)) => nested.to_string(),
    }
}

/// An event whose texts cannot become markup. What stands around them in a template was written by the plant's owner and stays.
struct Escaped<'a, S>(&'a S);

impl<S: Scope> Scope for Escaped<'_, S> {
    fn name(&self, name: &str) -> Option<Value> {
        self.0.name(name).map(escaped)
    }

    fn pointer(&self, pointer: &str) -> Option<Value> {
        self.0.pointer(pointer).map(escaped)
    }
}

fn escaped(value: Value) -> Value {
    let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    match value {
        Value::String(text) => Value::String(escape(&text)),
        nested @ (Value::Array(_) | Value::Object(_)) => Value::String(escape(&nested.to_string())),
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_)) => plain,
    }
}

#[cfg(test)]
mod tests {
    use plantlink_config::{Format, Part, Reference};
    use serde_json::json;

    use super::*;

    struct Event(Value);

    impl Scope for Event {
        fn name(&self, name: &str) -> Option<Value> {
            self.0.get(name).cloned()
        }

        fn pointer(&self, pointer: &str) -> Option<Value> {
            self.0.pointer(pointer).cloned()
        }
    }

    fn look(name: &str, format: Option<Format>) -> Part {
        Part::Look { up: Reference::Name(name.to_owned()), format }
    }

    fn model() -> Model {
        Model::new(&json!({"description": {"type": "html"}, "quantity": {"type": "float"}, "name": {"type": "char"}}))
    }

    #[test]
    fn every_kind_of_value_is_a_text_that_odoo_takes() {
        for (value, cell) in [
            (json!(true), "1"),
            (json!(false), "0"),
            (json!(null), ""),
            (json!(3), "3"),
            (json!(-2.5), "-2.5"),
            (json!("E-STOP"), "E-STOP"),
            (json!("a\0b"), "ab"),
            (json!([1, "x"]), r#"[1,"x"]"#),
        ] {
            let template = Template { parts: vec![look("value", None)] };
            assert_eq!(text(&template, "name", &model(), &Event(json!({"value": value}))), cell, "{value}");
        }
    }

    #[test]
    fn what_is_no_number_does_not_get_into_a_field_of_numbers() {
        let template = Template { parts: vec![look("value", None)] };
        for (value, number) in [("NaN", ""), ("inf", ""), ("-Infinity", ""), ("1e3", "1e3"), ("1,5", "1,5")] {
            let event = Event(json!({"value": value}));
            assert_eq!(text(&template, "quantity", &model(), &event), number);
            assert_eq!(text(&template, "name", &model(), &event), value);
        }
    }

    #[test]
    fn times_are_written_as_odoo_reads_them() {
        let event = Event(json!({"timestamp": "2026-11-20T09:15:30.125+01:00"}));
        for (format, written) in [(Format::Date, "2026-11-20"), (Format::Datetime, "2026-11-20 08:15:30")] {
            let template = Template { parts: vec![look("timestamp", Some(format))] };
            assert_eq!(text(&template, "at", &model(), &event), written);
        }
    }

    #[test]
    fn what_an_event_says_cannot_become_markup_and_the_template_s_own_can() {
        let parts = vec![Part::Text("<b>".to_owned()), look("text", None), Part::Text("</b>".to_owned())];
        let (template, event) = (Template { parts }, Event(json!({"text": "p < 3 & <script>"})));
        let written = ["description", "name"].map(|column| text(&template, column, &model(), &event));
        assert_eq!(written, ["<b>p &lt; 3 &amp; &lt;script&gt;</b>", "<b>p < 3 & <script></b>"]);
    }
}
