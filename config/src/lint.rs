//! Compares the tables with what may stand in them: unknown and missing keys, kinds of value, words, ranges.
//!
//! What is wrong is reported and left out of the result, so that the rest can be read and checked further.

use serde_json::{Map, Number, Value as Json};

use crate::document::{Entry, Node, Value};
use crate::path::Path;
use crate::report::{Report, code};
use crate::shape::{Shape, TableShape};
use crate::spelling::nearest;
use crate::synonym::meant;

/// Goes through the tables once.
pub(crate) struct Lint<'a> {
    pub(crate) report: &'a mut Report,
    /// Whether a key that is not there is missing. It may be there where the text is not TOML.
    pub(crate) report_missing: bool,
}

impl Lint<'_> {
    /// The part of the value that is right; `None` when it is wrong as a whole.
    pub(crate) fn value(&mut self, node: &Node, shape: &Shape, path: &Path) -> Option<Json> {
        match (shape, &node.value) {
            (_, Value::Misfit) => None,
            (Shape::Either(choices), _) => match choices.iter().find(|choice| takes(choice, &node.value)) {
                Some(choice) => self.value(node, choice, path),
                None => self.wrong_type(node, shape, path),
            },
            (Shape::Table(shape), Value::Table(entries)) => Some(self.table(entries, shape, path)),
            (Shape::Tagged { known, own }, Value::Table(entries)) => self.tagged(entries, known, own.as_ref(), path),
            (Shape::List(items, least), Value::List(nodes)) => {
                if nodes.len() < *least {
                    self.report.error(code::OUT_OF_RANGE, path, "the list is empty (allowed: one element or more)");
                }
                // An element that is wrong keeps its place, so that the others keep theirs.
                let items = nodes.iter().enumerate().map(|(index, node)| self.value(node, items, &path.item(index)));
                Some(items.map(|item| item.unwrap_or(Json::Null)).collect())
            }
            (Shape::Text(_), Value::Text(text)) => Some(Json::from(text.as_str())),
            (Shape::Choice(words), Value::Text(text)) => self.word(text, words, path),
            (Shape::Boolean, Value::Boolean(truth)) => Some(Json::from(*truth)),
            (Shape::Integer(least, most), Value::Integer(number)) => self.integer(*number, *least, *most, path),
            (Shape::Number, Value::Integer(number)) => self.integer(*number, i64::MIN.into(), i64::MAX.into(), path),
            (Shape::Number, Value::Float(number)) => self.float(*number, path),
            (Shape::Any, _) => self.any(node, path),
            (
                Shape::Text(_)
                | Shape::Choice(_)
                | Shape::Boolean
                | Shape::Number
                | Shape::Integer(..)
                | Shape::List(..)
                | Shape::Table(_)
                | Shape::Tagged { .. },
                _,
            ) => self.wrong_type(node, shape, path),
        }
    }

    fn table(&mut self, entries: &[Entry], shape: &TableShape, path: &Path) -> Json {
        let unused = || {
            shape.keys.iter().map(|(key, _)| key.as_str()).filter(|key| !entries.iter().any(|entry| entry.key == **key))
        };
        let mut right = Map::new();
        let mut meant = Vec::new();
        for Entry { key, key_place, node } in entries {
            if let Some(known) = shape.key(key) {
                match self.value(node, known, &path.key(key)) {
                    Some(value) => {
                        right.insert(key.clone(), value);
                    }
                    // A key of the owner's own is there, whatever is wrong with it.
                    None if shape.others.is_some() => {
                        right.insert(key.clone(), Json::Null);
                    }
                    None => {}
                }
                continue;
            }
            let found = self.report.error(code::UNKNOWN_KEY, path, format!("unknown key `{key}`")).placed(*key_place);
            match nearest(key, unused()) {
                Some(nearest) => {
                    meant.push(nearest);
                    found.did_you_mean(Some(nearest));
                }
                None => {
                    let allowed: Vec<&str> = shape.keys.iter().map(|(key, _)| key.as_str()).collect();
                    found.help(format!("allowed: {}", allowed.join(", ")));
                }
            }
        }
        for key in &shape.required {
            let written = entries.iter().any(|entry| entry.key == *key) || meant.contains(&key.as_str());
            if self.report_missing && !written {
                self.report.error(code::MISSING_KEY, path, format!("missing key `{key}`"));
            }
        }
        Json::Object(right)
    }

    fn tagged(
        &mut self,
        entries: &[Entry],
        known: &[(String, TableShape)],
        own: Option<&TableShape>,
        path: &Path,
    ) -> Option<Json> {
        let words: Vec<String> = known.iter().map(|(word, _)| word.clone()).collect();
        let Some(tag) = entries.iter().find(|entry| entry.key == "type") else {
            if self.report_missing {
                let message = format!("missing key `type` (allowed: {})", words.join(", "));
                self.report.error(code::MISSING_KEY, path, message);
            }
            return None;
        };
        if let (Value::Text(text), Some(own)) = (&tag.node.value, own)
            && !words.contains(text)
            && entries.iter().all(|entry| own.key(&entry.key).is_some())
        {
            return Some(self.table(entries, own, path));
        }
        let word = self.value(&tag.node, &Shape::Choice(words), &path.key("type"))?;
        let (_, shape) = known.iter().find(|(known, _)| word == known.as_str())?;
        Some(self.table(entries, shape, path))
    }

    fn word(&mut self, text: &str, words: &[String], path: &Path) -> Option<Json> {
        if words.iter().any(|word| word == text) {
            return Some(Json::from(text));
        }
        let message = format!("`{text}` is not allowed here (allowed: {})", words.join(", "));
        let found = self.report.error(code::BAD_VALUE, path, message);
        match meant(text, words) {
            Some(meant) => found.help(format!("did you mean {meant}?")),
            None => found.did_you_mean(nearest(text, words.iter().map(String::as_str))),
        };
        None
    }

    fn integer(&mut self, number: i128, least: i128, most: i128, path: &Path) -> Option<Json> {
        let fits = (least..=most).contains(&number);
        let json = u64::try_from(number).map(Json::from).or_else(|_| i64::try_from(number).map(Json::from));
        match json {
            Ok(json) if fits => Some(json),
            Ok(_) | Err(_) => {
                let allowed = if least == most { least.to_string() } else { format!("{least} to {most}") };
                let message = format!("{number} is out of range (allowed: {allowed})");
                self.report.error(code::OUT_OF_RANGE, path, message);
                None
            }
        }
    }

    fn float(&mut self, number: f64, path: &Path) -> Option<Json> {
        let json = Number::from_f64(number).map(Json::Number);
        if json.is_none() {
            self.report.error(code::OUT_OF_RANGE, path, format!("{number} is not a number that can be used here"));
        }
        json
    }

    fn any(&mut self, node: &Node, path: &Path) -> Option<Json> {
        let shape = match node.value {
            Value::Text(_) => Shape::Text(None),
            Value::Integer(_) | Value::Float(_) => Shape::Number,
            Value::Boolean(_) => Shape::Boolean,
            Value::List(_) => Shape::List(Box::new(Shape::Any), 0),
            Value::Table(_) => Shape::Table(TableShape::open()),
            Value::Moment => return self.wrong_type(node, &Shape::Text(None), path),
            Value::Misfit => return None,
        };
        self.value(node, &shape, path)
    }

    /// The value itself is not shown: it may be a secret at the wrong place.
    fn wrong_type(&mut self, node: &Node, shape: &Shape, path: &Path) -> Option<Json> {
        let message = format!("expected {}, found {}", shape.expected(), kind(&node.value));
        let found = self.report.error(code::WRONG_TYPE, path, message);
        match shape {
            Shape::Table(TableShape { summary: Some(summary), .. }) => {
                found.help(summary.as_str());
            }
            Shape::Text(Some(example)) => {
                found.help(format!("as in \"{example}\""));
            }
            Shape::List(items, _)
                if matches!((&**items, &node.value), (Shape::Text(_) | Shape::Choice(_), Value::Text(_))) =>
            {
                found.help("put it in brackets, as in [\"one\", \"two\"]");
            }
            Shape::Text(None) | Shape::Choice(_)
                if matches!(node.value, Value::Moment | Value::Integer(_) | Value::Float(_)) =>
            {
                found.help("put it in quotes");
            }
            Shape::Any
            | Shape::Text(_)
            | Shape::Choice(_)
            | Shape::Boolean
            | Shape::Number
            | Shape::Integer(..)
            | Shape::List(..)
            | Shape::Table(_)
            | Shape::Tagged { .. }
            | Shape::Either(_) => {}
        }
        None
    }
}

/// Whether this is the shape that a value of this kind was meant for.
fn takes(shape: &Shape, value: &Value) -> bool {
    match shape {
        Shape::Any => true,
        Shape::Text(_) | Shape::Choice(_) => matches!(value, Value::Text(_)),
        Shape::Boolean => matches!(value, Value::Boolean(_)),
        Shape::Number => matches!(value, Value::Integer(_) | Value::Float(_)),
        Shape::Integer(..) => matches!(value, Value::Integer(_)),
        Shape::List(..) => matches!(value, Value::List(_)),
        Shape::Table(_) | Shape::Tagged { .. } => matches!(value, Value::Table(_)),
        Shape::Either(choices) => choices.iter().any(|choice| takes(choice, value)),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Text(_) => "a string",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Moment => "a date or a time",
        Value::Misfit => "what is none",
        Value::List(_) => "a list",
        Value::Table(_) => "a table",
    }
}
