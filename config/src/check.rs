//! What every check needs: the report, the files, the plant's names and the world the agent will run in.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::env;
use std::path::{Path as FilePath, PathBuf};

use crate::Environment;
use crate::document::Place;
use crate::files::Files;
use crate::locations::Locations;
use crate::name::{EventType, Name, TagName};
use crate::path::Path;
use crate::places::spot;
use crate::plant::Plant;
use crate::problem::Spot;
use crate::profile::Profile;
use crate::report::{Report, code};
use crate::service_user::{ServiceUser, Wanted};
use crate::spelling::nearest;
use crate::template::{FORMATS, Template, TemplateFault};

/// Handed from table to table.
pub(crate) struct Check<'a> {
    pub(crate) report: Report,
    pub(crate) files: &'a Files,
    pub(crate) locations: &'a Locations,
    pub(crate) environment: Environment,
    /// Whether a key that is not there is missing. It may be there where the text is not TOML.
    report_missing: bool,
    /// `$CREDENTIALS_DIRECTORY`.
    pub(crate) credentials: Option<PathBuf>,
    /// Whose rights are looked at where they are not those of this process.
    service: Option<ServiceUser>,
    /// `None` until it is read, and when it is wrong.
    pub(crate) plant: Option<Plant>,
    /// By name; empty until they are read.
    pub(crate) profiles: HashMap<String, Profile>,
}

impl<'a> Check<'a> {
    /// `report_missing` as [`crate::lint::Lint`] has it.
    pub(crate) fn new(
        report: Report,
        files: &'a Files,
        locations: &'a Locations,
        environment: Environment,
        service: Option<ServiceUser>,
        report_missing: bool,
    ) -> Self {
        let credentials = env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        Self {
            report,
            files,
            locations,
            environment,
            report_missing,
            credentials,
            service,
            plant: None,
            profiles: HashMap::new(),
        }
    }

    /// A name that was written. What is missing was reported before.
    pub(crate) fn name(&mut self, text: Option<&String>, at: &Path) -> Option<Name> {
        let text = text?;
        let name = Name::new(text);
        if name.is_none() {
            let message = format!("`{text}` is not a name (allowed: letters a to z and A to Z, digits, `_` and `-`)");
            self.report.error(code::BAD_VALUE, at, message);
        }
        name
    }

    /// The name of a tag that was written.
    pub(crate) fn tag_name(&mut self, text: Option<&String>, at: &Path) -> Option<TagName> {
        let text = text?;
        let name = TagName::new(text);
        if name.is_none() {
            let message =
                format!("`{text}` is not a tag's name (allowed: letters and digits of any script, `_`, `-`, `.`)");
            self.report.error(code::BAD_VALUE, at, message);
        }
        name
    }

    /// A text that was written and says something.
    pub(crate) fn filled(&mut self, text: Option<&String>, at: &Path) -> Option<String> {
        let text = text?;
        if text.trim().is_empty() {
            self.report.error(code::BAD_VALUE, at, "this cannot be empty");
            return None;
        }
        Some(text.clone())
    }

    /// A template that was written.
    pub(crate) fn template(&mut self, text: &str, at: &Path) -> Option<Template> {
        match Template::new(text) {
            Ok(template) => Some(template),
            Err(error) => {
                let meant = match &error.fault {
                    TemplateFault::Format(text) => nearest(text, FORMATS.map(|(name, _)| name)),
                    TemplateFault::Open
                    | TemplateFault::Close
                    | TemplateFault::Empty
                    | TemplateFault::Reference(_)
                    | TemplateFault::Pointer(_) => None,
                };
                let found = self.report.error(code::BAD_VALUE, at, error.to_string());
                found.inside(error.at).did_you_mean(meant);
                None
            }
        }
    }

    /// The type of an event.
    pub(crate) fn event_type(&mut self, text: &str, at: &Path) -> Option<EventType> {
        let event_type = EventType::new(text);
        if event_type.is_none() {
            let message = format!(
                "`{text}` is not an event type (allowed: two words of a to z, 0 to 9 and `_`, joined by a dot)"
            );
            self.report.error(code::BAD_VALUE, at, message).help("as in workorder.finished");
        }
        event_type
    }

    /// Whether the name is new. One that is there twice is reported.
    pub(crate) fn unique(&mut self, names: &mut HashMap<String, Path>, name: &str, at: &Path) -> bool {
        match names.entry(name.to_owned()) {
            Entry::Vacant(vacant) => {
                vacant.insert(at.clone());
                true
            }
            Entry::Occupied(known) => {
                let message = format!("`{name}` is there twice: also at {}", self.show(known.get()));
                self.report.error(code::DUPLICATE, at, message);
                false
            }
        }
    }

    /// Reports a key that this table cannot do without, and why.
    pub(crate) fn missing(&mut self, key: &str, why: &str, table: &Path) {
        if self.report_missing {
            self.report.error(code::MISSING_KEY, table, format!("missing key `{key}`: {why}"));
        }
    }

    /// Whether the table has one of these keys, even with something wrong under it. Such a key is not missing.
    pub(crate) fn has_any(&self, table: &Path, keys: &[&str]) -> bool {
        keys.iter().any(|key| self.locations.has(&table.key(key)))
    }

    /// Where a value stands, as people see it.
    pub(crate) fn spot(&self, at: &Path) -> Spot {
        spot(self.files, self.locations, at)
    }

    /// Where something stands, for people.
    pub(crate) fn show(&self, at: &Path) -> String {
        self.files.show(self.locations.value(at))
    }

    /// A path as the file means it: relative to the file that it stands in.
    pub(crate) fn path(&self, text: &str, at: &Path) -> PathBuf {
        self.files.folder(self.locations.value(at).file).join(text)
    }

    /// A path to a file that has to be there already.
    pub(crate) fn existing_file(&mut self, text: &str, at: &Path) -> Option<PathBuf> {
        let path = self.path(text, at);
        match std::fs::File::open(&path).and_then(|file| file.metadata()) {
            Ok(found) if found.is_file() => {
                if let Some(obstacle) = self.obstacle(&path, Wanted::Read) {
                    self.report.warning(code::UNREADABLE, at, format!("cannot read {}: {obstacle}", path.display()));
                }
                Some(path)
            }
            Ok(_) => {
                self.unreadable(&path, "it is no file", at);
                None
            }
            Err(error) => {
                self.unreadable(&path, &error.to_string(), at);
                None
            }
        }
    }

    /// Why the service may not do this with a file, where that is another user than the one who checks.
    pub(crate) fn obstacle(&self, file: &FilePath, wanted: Wanted) -> Option<String> {
        self.service.as_ref()?.obstacle(file, wanted)
    }

    /// Warns of the files of the configuration itself that the service may not read.
    pub(crate) fn check_files(&mut self) {
        for (id, name, path) in self.files.all() {
            if let Some(obstacle) = self.obstacle(path, Wanted::Read) {
                let message = format!("cannot read {name}: {obstacle}");
                self.report.warning(code::UNREADABLE, &Path::top(), message).placed(Place::start_of(id));
            }
        }
    }

    fn unreadable(&mut self, path: &FilePath, why: &str, at: &Path) {
        self.report.error(code::UNREADABLE, at, format!("cannot read {}: {why}", path.display()));
    }
}
