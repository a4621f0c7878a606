//! Several files as one: lists of tables are appended, and nothing is defined twice.

use crate::document::{Entry, Node, Place, Value};
use crate::path::Path;
use crate::report::{Report, code};

/// Adds the tables of another file. `place_of` shows a place to people.
pub(crate) fn merge(into: &mut Node, from: Node, report: &mut Report, place_of: &impl Fn(Place) -> String) {
    if let (Value::Table(into), Value::Table(from)) = (&mut into.value, from.value) {
        tables(into, from, &Path::top(), report, place_of);
    }
}

fn tables(
    into: &mut Vec<Entry>,
    from: Vec<Entry>,
    path: &Path,
    report: &mut Report,
    place_of: &impl Fn(Place) -> String,
) {
    for entry in from {
        let path = path.key(&entry.key);
        let Some(known) = into.iter_mut().find(|known| known.key == entry.key) else {
            into.push(entry);
            continue;
        };
        match (&mut known.node.value, entry.node.value) {
            (Value::List(known), Value::List(items)) if are_tables(known) && are_tables(&items) => known.extend(items),
            (Value::Table(known), Value::Table(entries)) if are_headings(known) && are_headings(&entries) => {
                tables(known, entries, &path, report, place_of);
            }
            (_, value) => {
                let what = if matches!(value, Value::Table(_) | Value::List(_)) { "table" } else { "key" };
                let message = format!("the {what} `{path}` is defined twice: also at {}", place_of(known.node.place));
                report.error(code::DUPLICATE, &path, message).placed(entry.node.place);
            }
        }
    }
}

fn are_tables(items: &[Node]) -> bool {
    items.iter().all(|item| matches!(item.value, Value::Table(_)))
}

/// Whether a table says nothing itself and only holds others, as `source` does in `[[source.modbus]]`.
fn are_headings(entries: &[Entry]) -> bool {
    entries.iter().all(|entry| match &entry.node.value {
        Value::Table(_) => true,
        Value::List(items) => are_tables(items),
        Value::Text(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Moment | Value::Misfit => {
            false
        }
    })
}
