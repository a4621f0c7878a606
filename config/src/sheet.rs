//! A sheet: a CSV file with a row for each tag or alarm, read as the tables that its rows stand for.
//!
//! The columns are the keys of such a table, and `note`. A cell becomes the kind of value that its key wants, so that what is
//! wrong with it is found where every other table is checked.

use std::collections::HashMap;

use crate::csv::{self, Cell, Row, Unclosed};
use crate::document::{Entry, FileId, Node, Place, Value};
use crate::files::Files;
use crate::path::Path;
use crate::report::{Report, code};
use crate::shape::{Shape, TableShape};
use crate::spelling::nearest;

/// For people; it means nothing here.
const NOTE: &str = "note";

/// What stands in the rows of a sheet.
pub(crate) struct RowShape {
    pub(crate) table: &'static TableShape,
    /// The column that every sheet of this kind has.
    pub(crate) key: &'static str,
}

/// Reads the rows of a sheet whose file is known already. `None` comes back when they cannot be told; that was reported.
pub(crate) fn read(
    file: FileId,
    bytes: Vec<u8>,
    shape: &RowShape,
    files: &mut Files,
    report: &mut Report,
) -> Option<Vec<Node>> {
    let mut problem = |at: usize, message: String| {
        let place = Place { file, start: at, end: at };
        report.error(code::UNREADABLE, &Path::top(), message).placed(place);
    };
    let text = match text(bytes) {
        Ok(text) => text,
        Err(message) => {
            problem(0, message.to_owned());
            return None;
        }
    };
    let rows = csv::rows(&text);
    files.fill(file, text);
    match rows {
        Ok(rows) => Sheet { file, shape, report, labels: HashMap::new() }.tables(&rows, files),
        Err(Unclosed(at)) => {
            problem(at, "this quote is never closed".to_owned());
            None
        }
    }
}

/// UTF-8, or the Latin-1 of older spreadsheets, in which every byte is a character.
fn text(bytes: Vec<u8>) -> Result<String, &'static str> {
    if bytes.starts_with(b"PK") {
        return Err("this is a workbook, not a CSV file: save it as \"CSV UTF-8\"");
    }
    if bytes.contains(&0) {
        return Err("this is no CSV file in UTF-8 or Latin-1: save it as \"CSV UTF-8\"");
    }
    Ok(String::from_utf8(bytes).unwrap_or_else(|error| error.as_bytes().iter().map(|byte| char::from(*byte)).collect()))
}

struct Sheet<'a> {
    file: FileId,
    shape: &'a RowShape,
    report: &'a mut Report,
    /// What people call the places of cells and rows.
    labels: HashMap<Place, String>,
}

/// A column that means something.
struct Column<'a> {
    index: usize,
    key: &'a str,
    shape: &'a Shape,
    header: Place,
}

impl<'a> Sheet<'a> {
    fn tables(mut self, rows: &[Row], files: &mut Files) -> Option<Vec<Node>> {
        let tables = match rows {
            [] => {
                self.problem(code::MISSING_KEY, Place::start_of(self.file), "the sheet is empty".to_owned());
                None
            }
            [header, rows @ ..] => {
                self.columns(header).map(|columns| rows.iter().map(|row| self.table(row, header, &columns)).collect())
            }
        };
        files.name_cells(self.labels);
        tables
    }

    /// The columns that the first row names; `None` without the one that every sheet has.
    fn columns(&mut self, header: &Row) -> Option<Vec<Column<'a>>> {
        let RowShape { table, key } = self.shape;
        let has_key = header.cells.iter().any(|cell| cell.text == *key);
        // One that is spelled wrong is told below, as the other columns are.
        if !has_key && !header.cells.iter().any(|cell| nearest(&cell.text, [*key]).is_some()) {
            let place = self.row(header);
            self.problem(code::MISSING_KEY, place, format!("the first row names no column `{key}`"));
            return None;
        }
        let mut columns: Vec<Column<'a>> = Vec::new();
        for (index, cell) in header.cells.iter().enumerate() {
            let place = self.cell(header, index, cell, None);
            let text = cell.text.as_str();
            if text == NOTE || text.is_empty() {
                continue;
            }
            let Some((key, shape)) = table.keys.iter().find(|(key, _)| key == text) else {
                let keys = || table.keys.iter().map(|(key, _)| key.as_str()).chain([NOTE]);
                let found = self.report.error(code::UNKNOWN_KEY, &Path::top(), format!("unknown column `{text}`"));
                let found = found.placed(place);
                match nearest(text, keys()) {
                    Some(nearest) => found.did_you_mean(Some(nearest)),
                    None => found.help(format!("allowed: {}", keys().collect::<Vec<_>>().join(", "))),
                };
                continue;
            };
            if columns.iter().any(|known| known.key == text) {
                self.problem(code::DUPLICATE, place, format!("the column `{text}` is there twice"));
                continue;
            }
            columns.push(Column { index, key, shape, header: place });
        }
        has_key.then_some(columns)
    }

    fn table(&mut self, row: &Row, header: &Row, columns: &[Column<'_>]) -> Node {
        let mut entries = Vec::new();
        for (index, cell) in row.cells.iter().enumerate().filter(|(_, cell)| !cell.text.is_empty()) {
            let column = columns.iter().find(|column| column.index == index);
            let place = self.cell(row, index, cell, column.map(|column| column.key));
            if let Some(Column { key, shape, header, .. }) = column {
                let mut value = value(&cell.text, shape, place);
                if let Some(message) = misfit(shape, &value) {
                    self.problem(code::BAD_VALUE, place, message);
                    value = Value::Misfit;
                }
                entries.push(Entry { key: (*key).to_owned(), key_place: *header, node: Node { place, value } });
            } else if header.cells.get(index).is_none_or(|header| header.text.is_empty()) {
                let message = "this cell is in a column without a name";
                let found = self.report.error(code::UNKNOWN_KEY, &Path::top(), message).placed(place);
                if index >= header.cells.len() {
                    found.help("has a cell before it a decimal comma? It needs quotes around it");
                }
            }
        }
        Node { place: self.row(row), value: Value::Table(entries) }
    }

    fn cell(&mut self, row: &Row, index: usize, cell: &Cell, key: Option<&str>) -> Place {
        let place = Place { file: self.file, start: cell.start, end: cell.end };
        let name = format!("{}{}", letters(index), row.number);
        self.labels.insert(place, key.map_or(name.clone(), |key| format!("{name} ({key})")));
        place
    }

    fn row(&mut self, row: &Row) -> Place {
        let start = row.cells.first().map_or(0, |cell| cell.start);
        // A row reaches up to the end of its line, which no cell does.
        let end = row.cells.last().map_or(0, |cell| cell.end) + 1;
        let place = Place { file: self.file, start, end };
        self.labels.insert(place, format!("row {}", row.number));
        place
    }

    fn problem(&mut self, code: &'static str, place: Place, message: String) {
        self.report.error(code, &Path::top(), message).placed(place);
    }
}

/// The value that a key wants, as far as the text is one; else the text, which is then the wrong kind.
fn value(text: &str, shape: &Shape, place: Place) -> Value {
    let otherwise = || Value::Text(text.to_owned());
    match shape {
        Shape::Any | Shape::Text(_) | Shape::Choice(_) | Shape::Tagged { .. } => otherwise(),
        Shape::Boolean => text.parse().map_or_else(|_| otherwise(), Value::Boolean),
        Shape::Integer(..) => integer(text).map_or_else(otherwise, Value::Integer),
        Shape::Number => number(text).unwrap_or_else(otherwise),
        Shape::List(items, _) => {
            let item = |text: &str| Node { place, value: value(text.trim(), items, place) };
            Value::List(text.split('|').map(item).collect())
        }
        Shape::Table(table) => {
            let entry = |text: &str| {
                let (key, text) = text.split_once('=')?;
                let shape = table.key(key.trim()).unwrap_or(&Shape::Any);
                let node = Node { place, value: value(text.trim(), shape, place) };
                Some(Entry { key: key.trim().to_owned(), key_place: place, node })
            };
            text.split('|').map(entry).collect::<Option<_>>().map_or_else(otherwise, Value::Table)
        }
        Shape::Either(choices) => {
            let values = choices.iter().map(|shape| value(text, shape, place));
            values.into_iter().find(|value| !matches!(value, Value::Text(_))).unwrap_or_else(otherwise)
        }
    }
}

/// Why a text that is still one is not what its column wants. The other tables do not show what they find: it may be a secret,
/// and a sheet has none.
fn misfit(shape: &Shape, value: &Value) -> Option<String> {
    match (shape, value) {
        (Shape::Table(_), Value::Text(text)) => {
            Some(format!("`{text}` has a part without `=` (as in 0=stopped|3=run)"))
        }
        (Shape::Number, Value::Text(text)) => {
            Some(format!("`{text}` is not a number (allowed: as in 1234.5 or 1234,5, without marks between thousands)"))
        }
        (Shape::Integer(..), Value::Text(text)) => {
            Some(format!("`{text}` is not a whole number (allowed: as in 16 or 0x10)"))
        }
        (Shape::List(items, _), Value::List(nodes)) => {
            let message = nodes.iter().find_map(|node| misfit(items, &node.value))?;
            Some(format!("{message}; several stand in a cell as in 1|2"))
        }
        (_, _) => None,
    }
}

fn integer(text: &str) -> Option<i128> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => i128::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// A number with a decimal point or a decimal comma, and nothing between thousands.
fn number(text: &str) -> Option<Value> {
    if let Ok(number) = text.parse() {
        return Some(Value::Integer(number));
    }
    let numeric = text.contains(|character: char| character.is_ascii_digit());
    let point = if text.contains('.') { text.to_owned() } else { text.replacen(',', ".", 1) };
    point.parse().ok().filter(|_| numeric).map(Value::Float)
}

/// The name of a column as spreadsheets show it: A to Z, then AA.
fn letters(index: usize) -> String {
    let last = char::from(b'A' + u8::try_from(index % 26).unwrap_or(0));
    match index / 26 {
        0 => last.to_string(),
        more => format!("{}{last}", letters(more - 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_a_point_or_a_comma() {
        for (text, expected) in [
            ("3", Some(3.0)),
            ("-0,5", Some(-0.5)),
            ("0.1", Some(0.1)),
            ("1,5E-3", Some(0.0015)),
            ("1.234,5", None),
            ("1,234,5", None),
            ("inf", None),
            ("ten", None),
        ] {
            let found = number(text).and_then(|value| match value {
                Value::Integer(number) => Some(number as f64),
                Value::Float(number) => Some(number),
                Value::Text(_)
                | Value::Boolean(_)
                | Value::Moment
                | Value::Misfit
                | Value::List(_)
                | Value::Table(_) => None,
            });
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn columns_are_named_as_spreadsheets_name_them() {
        assert_eq!([0, 25, 26, 51, 52, 702].map(letters), ["A", "Z", "AA", "AZ", "BA", "AAA"]);
    }
}
