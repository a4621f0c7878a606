//! A TOML text as a tree in which every key and value knows its place.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::path::Step;

/// Which of the files, in the order in which they were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FileId(pub(crate) usize);

/// Some bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) file: FileId,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// A value and where it stands. A table written with a header stands at its header.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

/// A TOML value.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Text(String),
    /// Wider than any integer that is allowed, so that too large a number is out of range and nothing worse.
    Integer(i128),
    Float(f64),
    Boolean(bool),
    /// A date or a time. No key takes one.
    Moment,
    /// A cell of a sheet that is none of what its column takes, which was reported where it was read.
    Misfit,
    List(Vec<Node>),
    /// In the order of the file.
    Table(Vec<Entry>),
}

/// A key and its value.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_place: Place,
    pub(crate) node: Node,
}

/// Where the text is not TOML, and why.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    pub(crate) place: Place,
    pub(crate) message: String,
}

impl Place {
    /// The first byte of the file that was asked for.
    pub(crate) const START: Self = Self::start_of(FileId(0));

    /// The first byte of a file.
    pub(crate) const fn start_of(file: FileId) -> Self {
        Self { file, start: 0, end: 0 }
    }

    fn new(file: FileId, span: Range<usize>) -> Self {
        Self { file, start: span.start, end: span.end }
    }
}

impl Node {
    /// A file in which nothing stands.
    pub(crate) const EMPTY: Self = Self { place: Place::START, value: Value::Table(Vec::new()) };

    /// What this table or list holds there.
    pub(crate) fn step(&self, step: &Step) -> Option<&Node> {
        match step {
            Step::Key(key) => self.get(key).map(|entry| &entry.node),
            Step::Item(index) => {
                let Value::List(items) = &self.value else { return None };
                items.get(*index)
            }
        }
    }

    /// What stands under a key, if this is a table that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        let Value::Table(entries) = &self.value else { return None };
        entries.iter().find(|entry| entry.key == key)
    }

    /// The elements that stand under a key of this table, if that is a list.
    pub(crate) fn list(&self, key: &str) -> &[Node] {
        match self.get(key).map(|entry| &entry.node.value) {
            Some(Value::List(items)) => items,
            Some(_) | None => &[],
        }
    }

    /// The text that stands under a key of this table.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match self.get(key).map(|entry| &entry.node.value) {
            Some(Value::Text(text)) => Some(text),
            Some(_) | None => None,
        }
    }
}

/// Reads a TOML text as far as it can be understood.
pub(crate) fn parse(file: FileId, text: &str) -> (Node, Vec<SyntaxError>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let errors = errors.into_iter().map(|error| SyntaxError {
        place: Place::new(file, error.span().unwrap_or_default()),
        message: error.message().to_owned(),
    });
    let place = Place::new(file, table.span());
    (Node { place, value: Value::Table(entries(file, table.into_inner())) }, errors.collect())
}

fn entries(file: FileId, table: DeTable<'_>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = table
        .into_iter()
        .map(|(key, value)| Entry {
            key_place: Place::new(file, key.span()),
            key: key.into_inner().into_owned(),
            node: node(file, value),
        })
        .collect();
    entries.sort_by_key(|entry| entry.key_place);
    entries
}

fn node(file: FileId, value: Spanned<DeValue<'_>>) -> Node {
    let place = Place::new(file, value.span());
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(number) => {
            let limit = if number.as_str().starts_with('-') { i128::MIN } else { i128::MAX };
            Value::Integer(i128::from_str_radix(number.as_str(), number.radix()).unwrap_or(limit))
        }
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(truth) => Value::Boolean(truth),
        DeValue::Datetime(_) => Value::Moment,
        DeValue::Array(items) => Value::List(items.into_iter().map(|item| node(file, item)).collect()),
        DeValue::Table(table) => Value::Table(entries(file, table)),
    };
    Node { place, value }
}
