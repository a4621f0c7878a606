//! A record mapping: which events it takes, and the row that each of them becomes.
//!
//! `load` takes strings without complaint and fails a whole call on some JSON types, so every cell is a string: `1` and `0` for
//! booleans, numbers with a point, times in UTC, and nothing as the empty text.

use std::collections::HashSet;

use plantlink_config::{EventPattern, Name, Record, Template};
use serde_json::Value;
use uuid::Uuid;

use crate::template::{Scope, value};

/// A mapping as `load` needs it.
#[derive(Debug)]
pub(super) struct Mapping {
    name: String,
    on: Vec<EventPattern>,
    model: String,
    /// `id`, then the fields.
    columns: Vec<String>,
    fields: Vec<Template>,
}

/// One call of `load`, with the create-once context.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Load<'a> {
    pub(super) model: &'a str,
    pub(super) columns: &'a [String],
    /// Each as wide as the columns.
    pub(super) rows: Vec<Vec<String>>,
}

impl Mapping {
    pub(super) fn new(record: &Record) -> Self {
        let columns = std::iter::once("id").chain(record.fields.iter().map(|(field, _)| field.as_str()));
        Mapping {
            name: external_id_part(&record.name),
            on: record.on.clone(),
            model: record.model.clone(),
            columns: columns.map(str::to_owned).collect(),
            fields: record.fields.iter().map(|(_, template)| template.clone()).collect(),
        }
    }

    pub(super) fn model(&self) -> &str {
        &self.model
    }

    pub(super) fn takes(&self, event_type: &str) -> bool {
        self.on.iter().any(|pattern| pattern.matches(event_type))
    }

    pub(super) fn load(&self, rows: Vec<Vec<String>>) -> Load<'_> {
        Load { model: &self.model, columns: &self.columns, rows }
    }

    /// The row of an event. `html` names the model's fields whose text is markup.
    pub(super) fn row(&self, module: &str, id: Uuid, event: &impl Scope, html: &HashSet<String>) -> Vec<String> {
        let external_id = format!("{module}.{}_{}", external_id_part(&id.to_string()), self.name);
        let fields = self.columns.iter().skip(1).zip(&self.fields);
        let cells = fields.map(|(column, template)| {
            let found = if html.contains(column) { value(template, &Escaped(event)) } else { value(template, event) };
            found.map_or_else(String::new, cell)
        });
        std::iter::once(external_id).chain(cells).collect()
    }
}

/// The module part of a plant's external ids: never that of an installed module, whose updates delete what they do not know.
pub(super) fn module(plant: &Name) -> String {
    format!("plantlink_{}", external_id_part(plant))
}

/// Letters, digits and `_` are what every version of Odoo and every tool around it takes in an external id.
fn external_id_part(name: &str) -> String {
    name.to_ascii_lowercase().replace('-', "_")
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

    fn mapping(fields: Vec<(&str, Vec<Part>)>) -> Mapping {
        let fields = fields.into_iter().map(|(field, parts)| (field.to_owned(), Template { parts })).collect();
        Mapping::new(&Record {
            name: Name::new("Alarm-2").unwrap(),
            on: vec![EventPattern::new("alarm.*").unwrap()],
            model: "maintenance.request".to_owned(),
            fields,
        })
    }

    fn row(mapping: &Mapping, event: Value, html: &[&str]) -> Vec<String> {
        let html = html.iter().map(|&field| field.to_owned()).collect();
        mapping.row(&module(&Name::new("Mill-07").unwrap()), Uuid::nil(), &Event(event), &html)
    }

    #[test]
    fn an_external_id_has_lower_case_letters_digits_and_underscores_after_the_module() {
        let row = row(&mapping(vec![]), json!({}), &[]);
        assert_eq!(row, ["plantlink_mill_07.00000000_0000_0000_0000_000000000000_alarm_2"]);
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
            let row = row(&mapping(vec![("name", vec![look("value", None)])]), json!({"value": value}), &[]);
            assert_eq!(row.last().map(String::as_str), Some(cell), "{value}");
        }
    }

    #[test]
    fn times_are_written_as_odoo_reads_them() {
        let mapping = mapping(vec![
            ("request_date", vec![look("timestamp", Some(Format::Date))]),
            ("schedule_date", vec![look("timestamp", Some(Format::Datetime))]),
        ]);
        let row = row(&mapping, json!({"timestamp": "2026-11-20T09:15:30.125+01:00"}), &[]);
        assert_eq!(row.get(1..), Some(&["2026-11-20".to_owned(), "2026-11-20 08:15:30".to_owned()][..]));
    }

    #[test]
    fn a_row_is_as_wide_as_its_columns_whatever_is_missing() {
        let mapping = mapping(vec![
            ("name", vec![look("text", None), Part::Text(" at ".to_owned()), look("line", None)]),
            ("priority", vec![Part::Text("2".to_owned())]),
            ("equipment_id/id", vec![look("equipment", None)]),
        ]);
        let rows = vec![
            row(&mapping, json!({"text": "Door", "line": "L3", "equipment": "plant.eq_1"}), &[]),
            row(&mapping, json!({"text": "Door"}), &[]),
        ];
        assert_eq!(rows[0][1..], ["Door at L3", "2", "plant.eq_1"]);
        assert_eq!(rows[1][1..], ["", "2", ""]);
        let load = mapping.load(rows);
        assert_eq!(load.columns, ["id", "name", "priority", "equipment_id/id"]);
        assert!(load.rows.iter().all(|row| row.len() == load.columns.len()));
    }

    #[test]
    fn what_an_event_says_cannot_become_markup_and_the_template_s_own_can() {
        let parts = || vec![Part::Text("<b>".to_owned()), look("text", None), Part::Text("</b>".to_owned())];
        let mapping = mapping(vec![("description", parts()), ("name", parts())]);
        let row = row(&mapping, json!({"text": "p < 3 & <script>"}), &["description"]);
        assert_eq!(row[1..], ["<b>p &lt; 3 &amp; &lt;script&gt;</b>", "<b>p < 3 & <script></b>"]);
    }

    #[test]
    fn a_mapping_takes_the_events_that_any_of_its_patterns_names() {
        let mapping = mapping(vec![]);
        assert!(mapping.takes("alarm.raised"));
        assert!(!mapping.takes("production.counted"));
    }
}
