//! Collects problems while the configuration is read; where each one stands in the files is found at the end.

use std::collections::HashSet;

use crate::document::{FileId, Place};
use crate::files::Files;
use crate::locations::Locations;
use crate::path::Path;
use crate::problem::{Problem, Severity};

/// The kinds of problem, as scripts see them.
pub(crate) mod code {
    /// A file cannot be read, or is not UTF-8.
    pub(crate) const UNREADABLE: &str = "unreadable-file";
    /// What is written is not TOML.
    pub(crate) const SYNTAX: &str = "syntax";
    /// An `include` that finds nothing or is not allowed.
    pub(crate) const INCLUDE: &str = "include";
    /// A key that means nothing here.
    pub(crate) const UNKNOWN_KEY: &str = "unknown-key";
    /// A key that cannot be left out.
    pub(crate) const MISSING_KEY: &str = "missing-key";
    /// A string where a number belongs, and the like.
    pub(crate) const WRONG_TYPE: &str = "wrong-type";
    /// A number, a list or a time that is too small or too large.
    pub(crate) const OUT_OF_RANGE: &str = "out-of-range";
    /// A text that cannot be understood.
    pub(crate) const BAD_VALUE: &str = "bad-value";
    /// A name or a table that is there twice.
    pub(crate) const DUPLICATE: &str = "duplicate";
    /// A name that nothing has.
    pub(crate) const UNKNOWN_NAME: &str = "unknown-name";
    /// Keys that contradict each other.
    pub(crate) const CONFLICT: &str = "conflict";
    /// Something that can never have an effect.
    pub(crate) const UNUSED: &str = "unused";
    /// A secret that is not where the file says, or stands in the file itself.
    pub(crate) const SECRET: &str = "secret";
    /// Right, and not to be taken up by an agent that runs.
    pub(crate) const NEEDS_RESTART: &str = "needs-restart";
}

/// The problems found so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    found: Vec<Found>,
}

/// One problem, before its line and column are known.
#[derive(Debug)]
pub(crate) struct Found {
    severity: Severity,
    code: &'static str,
    path: Path,
    spot: Spot,
    message: String,
    help: Option<String>,
}

/// What to point at.
#[derive(Debug, Clone, Copy)]
enum Spot {
    /// The value of the path, or the table that it is missing in.
    Value,
    /// A byte of the string at the path.
    Inside(usize),
    /// A place that no path leads to.
    Place(Place),
}

impl Report {
    /// The agent cannot start with this.
    pub(crate) fn error(&mut self, code: &'static str, path: &Path, message: impl Into<String>) -> &mut Found {
        self.add(Severity::Error, code, path, message.into())
    }

    /// The agent can start, but its owner should know.
    pub(crate) fn warning(&mut self, code: &'static str, path: &Path, message: impl Into<String>) -> &mut Found {
        self.add(Severity::Warning, code, path, message.into())
    }

    fn add(&mut self, severity: Severity, code: &'static str, path: &Path, message: String) -> &mut Found {
        let found = Found { severity, code, path: path.clone(), spot: Spot::Value, message, help: None };
        self.found.push_mut(found)
    }

    /// Whether the agent cannot start.
    pub(crate) fn has_errors(&self) -> bool {
        self.found.iter().any(|found| found.severity == Severity::Error)
    }

    /// All problems in the order of the files and of the places in them.
    pub(crate) fn into_problems(self, files: &Files, locations: &Locations) -> Vec<Problem> {
        let mut placed: Vec<(Place, Problem)> = Vec::new();
        for found in self.found {
            let place = match found.spot {
                Spot::Place(place) => place,
                Spot::Value => locations.value(&found.path),
                Spot::Inside(byte) => files.inside(locations.value(&found.path), byte),
            };
            let (line, column) = files.position(place);
            let problem = Problem {
                severity: found.severity,
                code: found.code,
                file: files.name(place.file).to_owned(),
                line,
                column,
                path: files.cell(place).map_or_else(|| found.path.to_string(), str::to_owned),
                message: found.message,
                help: found.help,
            };
            placed.push((place, problem));
        }
        // What stands in a profile or a sheet is met again at each device that uses it.
        let mut met = HashSet::new();
        placed.retain(|(place, problem)| met.insert((*place, problem.message.clone())));
        placed.sort_by_key(|(place, _)| *place);
        // Where a line is not TOML, what was read from it is a guess.
        let broken = |problem: &Problem| problem.code == code::SYNTAX;
        let lines: HashSet<(FileId, usize)> = placed
            .iter()
            .filter(|(_, problem)| broken(problem))
            .map(|(place, problem)| (place.file, problem.line))
            .collect();
        placed.retain(|(place, problem)| broken(problem) || !lines.contains(&(place.file, problem.line)));
        placed.into_iter().map(|(_, problem)| problem).collect()
    }
}

impl Found {
    /// Adds what was probably meant, or what to do.
    pub(crate) fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(help.into());
        self
    }

    /// Adds the nearest spelling, when there is one.
    pub(crate) fn did_you_mean(&mut self, nearest: Option<&str>) -> &mut Self {
        if let Some(nearest) = nearest {
            self.help = Some(format!("did you mean `{nearest}`?"));
        }
        self
    }

    /// Points at a byte of the string instead of its start.
    pub(crate) fn inside(&mut self, byte: usize) -> &mut Self {
        self.spot = Spot::Inside(byte);
        self
    }

    /// Points at this place instead of the path's value.
    pub(crate) fn placed(&mut self, place: Place) -> &mut Self {
        self.spot = Spot::Place(place);
        self
    }
}
