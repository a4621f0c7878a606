//! One cell of a `load` row turned into a field's value, with the words that Odoo has for what it does not take.

use serde_json::{Value, json};

use super::database::Database;
use super::refusal::RpcError;
use super::schema::{Field, Kind};

/// How a column names its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    /// `field`: the value, or the name of the record it points to.
    Plain,
    /// `field/id`: an external id.
    ExternalId,
    /// `field/.id`: a database id.
    DatabaseId,
}

/// What became of a cell.
pub(super) enum Cell {
    Value(Value),
    /// Taken, with something to say about it.
    Warned(Value, Complaint),
    Refused(Complaint),
}

/// One message about one cell, without its row.
pub(super) struct Complaint {
    pub(super) message: String,
    pub(super) moreinfo: Option<Value>,
}

impl Complaint {
    fn new(message: String) -> Self {
        Complaint { message, moreinfo: None }
    }

    fn with(message: String, moreinfo: Value) -> Self {
        Complaint { message, moreinfo: Some(moreinfo) }
    }
}

/// Converts a cell; an error is one that fails the whole call.
pub(super) fn convert(database: &Database, field: &Field, naming: Naming, cell: &Value) -> Result<Cell, RpcError> {
    if matches!(cell, Value::Null | Value::Bool(false)) || cell.as_str() == Some("") {
        return Ok(Cell::Value(Value::Null));
    }
    if let Kind::Many2one(target) = field.kind {
        return Ok(match naming {
            Naming::Plain => by_name(database, field, target, &text(cell)),
            Naming::ExternalId => by_external_id(database, field, target, &text(cell)),
            Naming::DatabaseId => by_database_id(database, field, target, &text(cell)),
        });
    }
    plain(field, cell)
}

fn plain(field: &Field, cell: &Value) -> Result<Cell, RpcError> {
    let text = text(cell);
    let label = field.label;
    Ok(match field.kind {
        Kind::Char | Kind::Html => Cell::Value(Value::from(text)),
        Kind::Integer => text.parse::<i64>().map_or_else(
            |_| Cell::Refused(Complaint::new(format!("'{text}' does not seem to be an integer for field '{label}'"))),
            |number| Cell::Value(Value::from(number)),
        ),
        Kind::Float => text.parse::<f64>().map_or_else(
            |_| Cell::Refused(Complaint::new(format!("'{text}' does not seem to be a number for field '{label}'"))),
            |number| Cell::Value(Value::from(number)),
        ),
        Kind::Boolean => {
            let word = lower(cell)?;
            match word.as_str() {
                "1" | "true" | "yes" => Cell::Value(Value::Bool(true)),
                "0" | "false" | "no" => Cell::Value(Value::Bool(false)),
                _ => Cell::Refused(Complaint::with(
                    format!("Unknown value '{text}' for boolean field '{label}'"),
                    json!("Use '1' for yes and '0' for no"),
                )),
            }
        }
        Kind::Selection(choices) => {
            let word = lower(cell)?;
            let found = choices.iter().find(|(key, label)| key.to_lowercase() == word || label.to_lowercase() == word);
            found.map_or_else(
                || {
                    let labels: Vec<&str> = choices.iter().map(|(_, label)| *label).collect();
                    let message = format!("Value '{text}' not found in selection field '{label}'");
                    Cell::Refused(Complaint::with(message, json!(labels)))
                },
                |(key, _)| Cell::Value(Value::from(*key)),
            )
        }
        Kind::Date => {
            let day = text.get(..10).unwrap_or(&text);
            if shaped(day, "0000-00-00") {
                Cell::Value(Value::from(day))
            } else {
                Cell::Refused(no_time(&text, "date", label, "2012-12-31"))
            }
        }
        Kind::Datetime => {
            if cell.is_number() {
                return Err(RpcError::attribute(kind_of(cell), "strip"));
            }
            if ["0000-00-00 00:00:00", "0000-00-00 00:00", "0000-00-00"].iter().any(|shape| shaped(&text, shape)) {
                Cell::Value(Value::from(text))
            } else {
                Cell::Refused(no_time(&text, "datetime", label, "2012-12-31 23:59:59"))
            }
        }
        Kind::Many2one(_) => Cell::Value(Value::Null),
    })
}

fn by_external_id(database: &Database, field: &Field, target: &str, name: &str) -> Cell {
    match database.external_id(&with_module(name)) {
        Some(to) if to.model == target => Cell::Value(Value::from(to.id)),
        Some(to) => {
            let found = &to.model;
            Cell::Refused(Complaint::new(format!(
                "Invalid external ID {name}: expected model '{target}', found '{found}'"
            )))
        }
        None => {
            let message = format!("No matching record found for external id '{name}' in field '{}'", field.label);
            Cell::Refused(Complaint::with(message, possible_values(target)))
        }
    }
}

fn by_database_id(database: &Database, field: &Field, target: &str, id: &str) -> Cell {
    let found = id.parse::<i64>().ok().filter(|id| database.record(target, *id).is_some());
    found.map_or_else(
        || {
            Cell::Refused(Complaint::new(format!(
                "No matching record found for database id '{id}' in field '{}'",
                field.label
            )))
        },
        |id| Cell::Value(Value::from(id)),
    )
}

fn by_name(database: &Database, field: &Field, target: &str, name: &str) -> Cell {
    let label = field.label;
    let found: Vec<i64> = database
        .records(target)
        .filter(|(_, values)| values.get("name").and_then(Value::as_str) == Some(name))
        .filter(|(_, values)| values.get("active") != Some(&Value::Bool(false)))
        .map(|(id, _)| id)
        .collect();
    match found.as_slice() {
        [] => Cell::Refused(Complaint::new(format!("No matching record found for name '{name}' in field '{label}'"))),
        [id] => Cell::Value(Value::from(*id)),
        [first, ..] => {
            let message =
                format!("Found multiple matches for value \"{name}\" in field \"{label}\" ({} matches)", found.len());
            Cell::Warned(Value::from(*first), Complaint::new(message))
        }
    }
}

/// An external id without a dot belongs to a module that no installed one can be.
pub(super) fn with_module(name: &str) -> String {
    if name.contains('.') { name.to_owned() } else { format!("__import__.{name}") }
}

fn possible_values(target: &str) -> Value {
    json!({
        "name": "Possible Values", "type": "ir.actions.act_window", "target": "new", "view_mode": "list,form",
        "views": [[false, "list"], [false, "form"]], "context": {"create": false},
        "help": "See all possible values", "res_model": "ir.model.data", "domain": [["model", "=", target]],
    })
}

fn no_time(text: &str, what: &str, label: &str, example: &str) -> Complaint {
    Complaint::with(
        format!("'{text}' does not seem to be a valid {what} for field '{label}'"),
        json!(format!("Use the format '{example}'")),
    )
}

/// Whether the text has a digit wherever the shape has one, and the shape's own characters elsewhere.
fn shaped(text: &str, shape: &str) -> bool {
    text.len() == shape.len()
        && text.bytes().zip(shape.bytes()).all(|(byte, at)| if at == b'0' { byte.is_ascii_digit() } else { byte == at })
}

fn text(cell: &Value) -> String {
    cell.as_str().map_or_else(|| cell.to_string(), str::to_owned)
}

/// Odoo calls `.lower()` on whatever it was sent.
fn lower(cell: &Value) -> Result<String, RpcError> {
    cell.as_str().map(str::to_lowercase).ok_or_else(|| RpcError::attribute(kind_of(cell), "lower"))
}

/// Python's name for the type of a JSON value.
fn kind_of(cell: &Value) -> &'static str {
    match cell {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}
