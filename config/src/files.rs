//! The files that were read: their names, their texts, and where a byte of them is for a person.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::document::{FileId, Place};

/// The files in the order in which they were read. The first is the one that was asked for.
#[derive(Debug, Default)]
pub(crate) struct Files {
    files: Vec<File>,
    /// What people call places in sheets.
    cells: HashMap<Place, String>,
}

#[derive(Debug)]
struct File {
    /// As people know it: as it was given, or as `include` names it.
    name: String,
    path: PathBuf,
    /// Empty when it could not be read.
    text: String,
    /// The byte at which each line starts.
    lines: Vec<usize>,
}

impl Files {
    /// Takes a file in, still without its text.
    pub(crate) fn add(&mut self, name: String, path: PathBuf) -> FileId {
        self.files.push(File { name, path, text: String::new(), lines: vec![0] });
        FileId(self.files.len() - 1)
    }

    /// Sets the text of a file.
    pub(crate) fn fill(&mut self, id: FileId, text: String) {
        if let Some(file) = self.files.get_mut(id.0) {
            let after_breaks = text.match_indices('\n').map(|(at, _)| at + 1);
            file.lines = std::iter::once(0).chain(after_breaks).collect();
            file.text = text;
        }
    }

    /// Sets what people call these places in a sheet.
    pub(crate) fn name_cells(&mut self, cells: HashMap<Place, String>) {
        self.cells.extend(cells);
    }

    /// The cell or the row of a sheet that this place is.
    pub(crate) fn cell(&self, place: Place) -> Option<&str> {
        self.cells.get(&place).map(String::as_str)
    }

    /// Each with its name and where it is.
    pub(crate) fn all(&self) -> impl Iterator<Item = (FileId, &str, &Path)> {
        self.files.iter().enumerate().map(|(id, file)| (FileId(id), file.name.as_str(), file.path.as_path()))
    }

    pub(crate) fn name(&self, id: FileId) -> &str {
        self.files.get(id.0).map_or("", |file| &file.name)
    }

    /// The folder that paths in the file are relative to.
    pub(crate) fn folder(&self, id: FileId) -> &Path {
        self.files.get(id.0).and_then(|file| file.path.parent()).unwrap_or(Path::new(""))
    }

    /// The texts one after the other.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|file| file.text.as_str())
    }

    /// Line and column, in characters, both counted from 1.
    pub(crate) fn position(&self, place: Place) -> (usize, usize) {
        let (line, start) = self.line_of(place);
        let mut end = place.start.min(self.text(place.file).len());
        while !self.text(place.file).is_char_boundary(end) {
            end -= 1;
        }
        let before = self.text(place.file).get(start..end).unwrap_or_default();
        (line, before.trim_start_matches('\u{feff}').chars().count() + 1)
    }

    /// The line in which a place starts.
    pub(crate) fn line(&self, place: Place) -> &str {
        let (_, start) = self.line_of(place);
        self.text(place.file).get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default()
    }

    /// The number of the line in which a place starts, counted from 1, and its first byte.
    fn line_of(&self, place: Place) -> (usize, usize) {
        let lines = self.files.get(place.file.0).map_or([].as_slice(), |file| &file.lines);
        let line = lines.partition_point(|start| *start <= place.start).max(1);
        (line, lines.get(line - 1).copied().unwrap_or(0))
    }

    /// `file:line:column`.
    pub(crate) fn show(&self, place: Place) -> String {
        let (line, column) = self.position(place);
        format!("{}:{line}:{column}", self.name(place.file))
    }

    /// The place of a byte in the string at `place`; its start where escapes or lines make that unclear.
    pub(crate) fn inside(&self, place: Place, byte: usize) -> Place {
        let raw = self.text(place.file).get(place.start..place.end).unwrap_or_default();
        let one_line = !raw.starts_with("\"\"\"") && !raw.starts_with("'''");
        let plain = raw.get(1..1 + byte).is_some_and(|before| raw.starts_with('\'') || !before.contains('\\'));
        if one_line && plain { Place { start: place.start + 1 + byte, ..place } } else { place }
    }

    fn text(&self, id: FileId) -> &str {
        self.files.get(id.0).map_or("", |file| &file.text)
    }
}
