//! Reads the file that was asked for and the ones it includes, and makes one tree of them.

use std::path::{Path as FilePath, PathBuf};
use std::{fs, io};

use crate::document::{self, Node, Place, Value};
use crate::files::Files;
use crate::merge::merge;
use crate::path::Path;
use crate::pattern::wild;
use crate::report::{Report, code};

/// Everything that was read.
pub(crate) struct Tree {
    pub(crate) files: Files,
    /// The tables of all files; `None` when one of them cannot be read, since the others may refer to it.
    pub(crate) root: Option<Node>,
    /// Whether every file is TOML throughout. If not, what is missing may only be unreadable.
    pub(crate) whole: bool,
}

/// Reads the file and what it includes, in the order of `include` and of the file names.
pub(crate) fn read(path: &FilePath, report: &mut Report) -> Tree {
    let mut tree = Tree { files: Files::default(), root: None, whole: true };
    let Some(mut root) = tree.read_file(path.display().to_string(), path, report) else {
        return tree;
    };
    let folder = path.parent().unwrap_or(FilePath::new(""));
    let mut known = vec![identity(path)];
    let mut complete = true;
    for (pattern, at) in patterns(&root) {
        for (name, path) in expand(&pattern, folder, &at, report) {
            // A pattern may also find the file that names it, or what another pattern has found.
            if known.contains(&identity(&path)) {
                continue;
            }
            known.push(identity(&path));
            match tree.read_file(name, &path, report) {
                Some(included) => {
                    let included = without_include(included, report);
                    merge(&mut root, included, report, &|place| tree.files.show(place));
                }
                None => complete = false,
            }
        }
    }
    tree.root = complete.then_some(root);
    tree
}

impl Tree {
    /// The tree of one file. What is not TOML is reported and left out, but `None` comes back when that is the header
    /// of a table: nobody knows then whose keys come after it.
    fn read_file(&mut self, name: String, path: &FilePath, report: &mut Report) -> Option<Node> {
        let file = self.files.add(name, path.to_owned());
        let text = match fs::read(path).map(String::from_utf8) {
            Ok(Ok(text)) => text,
            Ok(Err(error)) => {
                let valid = error.utf8_error().valid_up_to();
                let place = Place { file, start: valid, end: valid };
                self.files.fill(file, String::from_utf8_lossy(error.as_bytes()).into_owned());
                report.error(code::UNREADABLE, &Path::top(), "this is not UTF-8").placed(place);
                return None;
            }
            Err(error) => {
                let message = format!("cannot read the file: {error}");
                report.error(code::UNREADABLE, &Path::top(), message).placed(Place::start_of(file));
                return None;
            }
        };
        let (node, errors) = document::parse(file, &text);
        self.files.fill(file, text);
        self.whole &= errors.is_empty();
        let mut headers = true;
        for error in errors {
            headers &= !self.files.line(error.place).trim_start().starts_with('[');
            report.error(code::SYNTAX, &Path::top(), error.message).placed(error.place);
        }
        headers.then_some(node)
    }
}

/// The patterns that `include` lists. Anything else that stands there is the lint's to report.
fn patterns(root: &Node) -> Vec<(String, Path)> {
    let Some(Value::List(items)) = root.get("include").map(|entry| &entry.node.value) else {
        return Vec::new();
    };
    let at = Path::top().key("include");
    let text = |(index, item): (usize, &Node)| match &item.value {
        Value::Text(text) => Some((text.clone(), at.item(index))),
        Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Moment
        | Value::Misfit
        | Value::List(_)
        | Value::Table(_) => None,
    };
    items.iter().enumerate().filter_map(text).collect()
}

fn without_include(mut included: Node, report: &mut Report) -> Node {
    if let Some(entry) = included.get("include") {
        let message = "a file that is included includes nothing";
        report.error(code::INCLUDE, &Path::top().key("include"), message).placed(entry.key_place);
    }
    if let Value::Table(entries) = &mut included.value {
        entries.retain(|entry| entry.key != "include");
    }
    included
}

/// The files that a pattern means, by the names that people see, sorted.
fn expand(pattern: &str, folder: &FilePath, at: &Path, report: &mut Report) -> Vec<(String, PathBuf)> {
    let (parent, last) = pattern.rsplit_once('/').map_or(("", pattern), |(parent, last)| (parent, last));
    if parent.contains('*') {
        let message = format!("`{pattern}` has a `*` in a folder's name (allowed: in the name of the file)");
        report.error(code::INCLUDE, at, message);
        return Vec::new();
    }
    if !last.contains('*') {
        let path = folder.join(pattern);
        if path.exists() {
            return vec![(pattern.to_owned(), path)];
        }
        report.error(code::INCLUDE, at, format!("`{pattern}` does not exist"));
        return Vec::new();
    }
    let prefix = pattern.get(..pattern.len() - last.len()).unwrap_or_default();
    let names = match matching(&folder.join(prefix), last) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            report.error(code::INCLUDE, at, format!("cannot list `{prefix}`: {error}"));
            return Vec::new();
        }
    };
    if names.is_empty() {
        report.warning(code::INCLUDE, at, format!("`{pattern}` matches no file"));
    }
    names.into_iter().map(|name| (format!("{prefix}{name}"), folder.join(prefix).join(name))).collect()
}

/// The files of a folder whose names fit; what starts with a dot is an editor's.
fn matching(folder: &FilePath, pattern: &str) -> io::Result<Vec<String>> {
    let here = if folder.as_os_str().is_empty() { FilePath::new(".") } else { folder };
    let mut names = Vec::new();
    for entry in fs::read_dir(here)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') && wild(pattern, &name) && !entry.path().is_dir() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// The same file under two names is one.
fn identity(path: &FilePath) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}
