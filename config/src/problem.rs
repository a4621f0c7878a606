//! What is wrong with a configuration, as people and scripts see it.

use std::fmt;

use serde::Serialize;

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Whether the agent can start in spite of it.
    pub severity: Severity,
    /// The kind of problem, for scripts.
    pub code: &'static str,
    /// The file as it was given, or as `include` names it.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// The table or key, as in `source.modbus[0].device[0]`; empty for the file as a whole. In a tag sheet
    /// the cell, as in `D14 (scale)`, or the row.
    pub path: String,
    /// What is wrong, and what is allowed.
    pub message: String,
    /// What was probably meant.
    pub help: Option<String>,
}

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The agent does not start.
    Error,
    /// The agent starts.
    Warning,
}

/// A place in the configuration.
#[derive(Debug, Clone, Default)]
pub struct Spot {
    /// The file as the command, `include` or `tag_sheet` names it.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// The key, as in `source.modbus[0].device[0].every`.
    pub path: String,
}

/// What is written there is the same wherever it stands: a device does not change because of a line above it.
impl PartialEq for Spot {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Problem {
    /// A warning about what only the agent can know.
    pub fn warning(spot: &Spot, code: &'static str, message: String) -> Self {
        Self::new(Severity::Warning, spot.clone(), code, message)
    }

    /// Something wrong that only the agent can know.
    pub fn new(severity: Severity, spot: Spot, code: &'static str, message: String) -> Self {
        let Spot { file, line, column, path } = spot;
        Self { severity, code, file, line, column, path, message, help: None }
    }
}

/// `file:line:column  path: message (help)`, a warning with that word before the path.
impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}:{}  ", self.file, self.line, self.column)?;
        match self.severity {
            Severity::Error => {}
            Severity::Warning => out.write_str("warning: ")?,
        }
        if !self.path.is_empty() {
            write!(out, "{}: ", self.path)?;
        }
        out.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(out, " ({help})"),
            None => Ok(()),
        }
    }
}
