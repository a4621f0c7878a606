//! Names of a register's values or bits: `{ 0 = "stopped", 3 = "run" }`.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use crate::check::Check;
use crate::path::Path;
use crate::report::code;

/// What the vendor calls the values of an enum, or the bits of a word. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels(Arc<BTreeMap<u16, Arc<str>>>);

/// Labels as they are written: the numbers are keys, and keys are text.
pub(crate) type LabelTable = BTreeMap<String, Option<String>>;

impl Labels {
    /// The label of a value or of a bit.
    pub fn get(&self, number: u16) -> Option<&Arc<str>> {
        self.0.get(&number)
    }

    /// What a bit is called: its label, or `bit7`.
    pub fn bit(&self, number: u16) -> Arc<str> {
        self.get(number).cloned().unwrap_or_else(|| format!("bit{number}").into())
    }

    /// All of them, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &Arc<str>)> {
        self.0.iter().map(|(number, label)| (*number, label))
    }

    /// The labels of numbers up to `most`.
    pub(crate) fn check(table: &LabelTable, most: u16, at: &Path, check: &mut Check<'_>) -> Self {
        let mut labels = BTreeMap::new();
        for (key, label) in table {
            let at = at.key(key);
            let Some(label) = check.filled(label.as_ref(), &at) else { continue };
            let Some(number) = number(key).filter(|number| *number <= most) else {
                let message = format!("`{key}` has no label (allowed: 0 to {most})");
                check.report.error(code::OUT_OF_RANGE, &at, message);
                continue;
            };
            match labels.entry(number) {
                Entry::Vacant(vacant) => {
                    vacant.insert(label.into());
                }
                Entry::Occupied(_) => {
                    check.report.error(code::DUPLICATE, &at, format!("{number} has a label already"));
                }
            }
        }
        Self(Arc::new(labels))
    }
}

impl<T: Into<Arc<str>>> FromIterator<(u16, T)> for Labels {
    fn from_iter<I: IntoIterator<Item = (u16, T)>>(labels: I) -> Self {
        Self(Arc::new(labels.into_iter().map(|(number, label)| (number, label.into())).collect()))
    }
}

fn number(text: &str) -> Option<u16> {
    match text.strip_prefix("0x") {
        Some(hex) => u16::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}
