//! The place of a value among the tables: `source.modbus[0].device[0].at`.

use std::fmt;

/// The way from the top of the file to a value, as problems show it. The top is empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Path(Vec<Step>);

/// From a table or a list to what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// The key of a table.
    Key(String),
    /// The element of a list, counted from 0.
    Item(usize),
}

impl Path {
    /// The top of the file.
    pub fn top() -> Self {
        Self::default()
    }

    /// A key of this table.
    pub fn key(&self, key: &str) -> Self {
        self.step(Step::Key(key.to_owned()))
    }

    /// An element of this list, counted from 0.
    pub fn item(&self, index: usize) -> Self {
        self.step(Step::Item(index))
    }

    /// From the top on.
    pub(crate) fn steps(&self) -> &[Step] {
        &self.0
    }

    fn step(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, step) in self.0.iter().enumerate() {
            match step {
                Step::Item(index) => write!(out, "[{index}]")?,
                Step::Key(key) => {
                    if depth > 0 {
                        out.write_str(".")?;
                    }
                    if is_bare(key) { out.write_str(key)? } else { write!(out, "{key:?}")? }
                }
            }
        }
        Ok(())
    }
}

/// Whether TOML wants no quotes around the key.
fn is_bare(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|character| character.is_ascii_alphanumeric() || matches!(character, '_' | '-'))
}
