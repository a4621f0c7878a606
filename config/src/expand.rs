//! Profiles and sheets become tags, events and alarms of the devices that name them, and sets of records become those of the
//! destinations. Every value keeps its place in its own file, and what is checked later knows devices and destinations only.

use std::fs;
use std::path::{Path as FilePath, PathBuf};
use std::sync::LazyLock;

use crate::derivation::AlarmTable;
use crate::document::{Entry, Node, Value};
use crate::files::Files;
use crate::include::Tree;
use crate::path::Path;
use crate::record_set;
use crate::report::{Report, code};
use crate::shape::{Shape, schema_of};
use crate::sheet::{self, RowShape};
use crate::spelling::nearest;
use crate::tag::TagTable;

/// What a tag is.
static TAG: LazyLock<Shape> = LazyLock::new(|| Shape::of(&schema_of::<TagTable>()));

/// What an alarm of a word is.
static ALARM: LazyLock<Shape> = LazyLock::new(|| Shape::of(&schema_of::<AlarmTable>()));

/// Expands every device and every destination of the tree.
pub(crate) fn expand(tree: &mut Tree, report: &mut Report) {
    let Some(root) = &mut tree.root else { return };
    let profiles = root.get("profile").map(|entry| entry.node.clone());
    let (Shape::Table(tag), Shape::Table(alarm)) = (&*TAG, &*ALARM) else { return };
    let mut expansion = Expansion {
        profiles,
        tag_sheets: Sheets { shape: RowShape { table: tag, key: "name" }, read: Vec::new() },
        alarm_sheets: Sheets { shape: RowShape { table: alarm, key: "bit" }, read: Vec::new() },
        files: &mut tree.files,
        report,
        report_missing: tree.whole,
    };
    let at = Path::top().key("source").key("modbus");
    for (index, line) in list_mut(root, &["source", "modbus"]).iter_mut().enumerate() {
        let at = at.item(index).key("device");
        for (index, device) in list_mut(line, &["device"]).iter_mut().enumerate() {
            expansion.device(device, &at.item(index));
        }
    }
    let at = Path::top().key("source").key("mqtt");
    for (index, source) in list_mut(root, &["source", "mqtt"]).iter_mut().enumerate() {
        let at = at.item(index).key("sparkplug");
        for (index, published) in list_mut(source, &["sparkplug"]).iter_mut().enumerate() {
            expansion.published(published, &at.item(index));
        }
    }
    record_set::join(root, report, tree.whole);
    if let Value::Table(entries) = &mut root.value {
        // What is wrong in a profile or a set of records is found wherever it is named too, and told once: where it is met
        // first.
        entries.sort_by_key(|entry| !matches!(entry.key.as_str(), "profile" | "records"));
    }
}

struct Expansion<'a> {
    profiles: Option<Node>,
    tag_sheets: Sheets,
    alarm_sheets: Sheets,
    files: &'a mut Files,
    report: &'a mut Report,
    report_missing: bool,
}

/// The sheets of one kind.
struct Sheets {
    shape: RowShape,
    /// Those that were read; `None` for one with a problem.
    read: Vec<(PathBuf, Option<Vec<Node>>)>,
}

/// What was named has a problem, which was reported.
struct Broken;

impl Expansion<'_> {
    fn device(&mut self, device: &mut Node, at: &Path) {
        let profile = self.profile(device, at);
        let sheet = self.tag_sheets.rows(device, "tag_sheet", at, self.files, self.report);
        let broken = profile.is_err() || sheet.is_err();
        let profile = profile.unwrap_or_default();
        let tags = |profile: &Node| profile.list("tag").to_vec();
        let mut own = sheet.unwrap_or_default();
        own.extend_from_slice(device.list("tag"));
        let tags = overridden(profile.as_ref().map(tags).unwrap_or_default(), own);
        if !tags.is_empty() {
            set_list(device, "tag", tags);
        } else if !broken && self.report_missing && device.get("tag").is_none() {
            let message = "a device needs tags (allowed: `tag`, `tag_sheet`, or a `profile` that has some)";
            self.report.error(code::MISSING_KEY, at, message);
        }
        if broken {
            // They may name tags that nobody knows now, and that is no mistake of theirs.
            set_list(device, "event", Vec::new());
        } else if let Some(profile) = profile {
            let events = [profile.list("event"), device.list("event")].concat();
            set_list(device, "event", events);
            inherit(device, &profile, "identity");
            inherit(device, &profile, "nameplate");
        }
        self.alarms(device, at);
    }

    /// Puts the rows of the sheets that events name before their own alarms. Where there are no bits, none are named.
    fn alarms(&mut self, table: &mut Node, at: &Path) {
        let events = list_mut(table, &["event"]).iter_mut().enumerate();
        for (index, event) in events.filter(|(_, event)| event.get("bits").is_some()) {
            let at = at.key("event").item(index);
            // What a sheet with a problem would name counts as unnamed, and that is no mistake.
            let rows = self.alarm_sheets.rows(event, "alarm_sheet", &at, self.files, self.report).unwrap_or_default();
            if !rows.is_empty() {
                let alarms = [rows, event.list("alarms").to_vec()].concat();
                set_list(event, "alarms", alarms);
            }
        }
    }

    /// What is published takes from a profile what is not about registers.
    fn published(&mut self, table: &mut Node, at: &Path) {
        match self.profile(table, at) {
            Ok(None) => {}
            Ok(Some(profile)) => {
                let mut tags = profile.list("tag").to_vec();
                tags.iter_mut().for_each(without_registers);
                let tags = overridden(tags, table.list("tag").to_vec());
                if !tags.is_empty() {
                    set_list(table, "tag", tags);
                }
                let events = [profile.list("event"), table.list("event")].concat();
                set_list(table, "event", events);
            }
            // They may name tags that nobody knows now, and that is no mistake of theirs.
            Err(Broken) => set_list(table, "event", Vec::new()),
        }
        self.alarms(table, at);
    }

    /// The profile that a device names.
    fn profile(&mut self, device: &Node, at: &Path) -> Result<Option<Node>, Broken> {
        if device.get("profile").is_none() {
            return Ok(None);
        }
        let Some(name) = device.text("profile") else { return Err(Broken) };
        let profiles = self.profiles.as_ref();
        if let Some(profile) = profiles.and_then(|profiles| profiles.get(name)) {
            return Ok(Some(profile.node.clone()));
        }
        let names = match profiles.map(|profiles| &profiles.value) {
            Some(Value::Table(entries)) => entries.as_slice(),
            Some(_) | None => &[],
        };
        let nearest = nearest(name, names.iter().map(|entry| entry.key.as_str()));
        let found = self.report.error(code::UNKNOWN_NAME, &at.key("profile"), format!("there is no profile `{name}`"));
        found.did_you_mean(nearest);
        Err(Broken)
    }
}

impl Sheets {
    /// The rows of the sheet that a table names under `key`.
    fn rows(
        &mut self,
        table: &Node,
        key: &str,
        at: &Path,
        files: &mut Files,
        report: &mut Report,
    ) -> Result<Vec<Node>, Broken> {
        let Some(Entry { node, .. }) = table.get(key) else { return Ok(Vec::new()) };
        let Some(name) = table.text(key) else { return Err(Broken) };
        let path = files.folder(node.place.file).join(name);
        if let Some((_, known)) = self.read.iter().find(|(known, _)| *known == path) {
            return known.clone().ok_or(Broken);
        }
        let rows = read(name, &path, &self.shape, &at.key(key), files, report);
        self.read.push((path, rows.clone()));
        rows.ok_or(Broken)
    }
}

fn read(
    name: &str,
    path: &FilePath,
    shape: &RowShape,
    at: &Path,
    files: &mut Files,
    report: &mut Report,
) -> Option<Vec<Node>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            report.error(code::UNREADABLE, at, format!("cannot read {}: {error}", path.display()));
            return None;
        }
    };
    let file = files.add(name.to_owned(), path.to_owned());
    sheet::read(file, bytes, shape, files, report)
}

/// The profile's tags, in which the device's own of the same name replace the keys that they give; then the device's
/// others. Of names that are there twice among the device's own, the second stays for the check to find.
fn overridden(mut tags: Vec<Node>, own: Vec<Node>) -> Vec<Node> {
    let mut open = vec![true; tags.len()];
    for tag in own {
        let base = tags.iter_mut().zip(&mut open).find(|(base, open)| **open && same_name(base, &tag));
        match base {
            Some((base, open)) => {
                *open = false;
                replace(base, tag);
            }
            None => tags.push(tag),
        }
    }
    tags
}

/// Leaves what is true of a tag however its value comes.
fn without_registers(tag: &mut Node) {
    const KEYS: [&str; 7] = ["name", "type", "unit_of_measure", "deadband", "min_interval", "max_silence", "labels"];
    if let Value::Table(entries) = &mut tag.value {
        entries.retain(|entry| KEYS.contains(&entry.key.as_str()));
    }
}

fn same_name(one: &Node, other: &Node) -> bool {
    one.text("name").is_some_and(|name| other.text("name") == Some(name))
}

fn replace(base: &mut Node, by: Node) {
    if let (Value::Table(entries), Value::Table(new)) = (&mut base.value, by.value) {
        entries.retain(|entry| !new.iter().any(|new| new.key == entry.key));
        entries.extend(new);
        base.place = by.place;
    }
}

/// Gives the device what the profile has under a key, unless it has that itself.
fn inherit(device: &mut Node, profile: &Node, key: &str) {
    if device.get(key).is_some() {
        return;
    }
    if let (Some(inherited), Value::Table(entries)) = (profile.get(key), &mut device.value) {
        entries.push(inherited.clone());
    }
}

/// Puts a list under a key, unless something else than a list stands there, which is the lint's to report.
pub(crate) fn set_list(table: &mut Node, key: &str, items: Vec<Node>) {
    let place = table.place;
    let Value::Table(entries) = &mut table.value else { return };
    let value = Value::List(items);
    match entries.iter_mut().find(|entry| entry.key == key) {
        Some(entry) if matches!(entry.node.value, Value::List(_)) => entry.node.value = value,
        Some(_) => {}
        None => entries.push(Entry { key: key.to_owned(), key_place: place, node: Node { place, value } }),
    }
}

/// The list at the end of these keys; empty when there is none.
pub(crate) fn list_mut<'a>(mut node: &'a mut Node, keys: &[&str]) -> &'a mut [Node] {
    for key in keys {
        let Value::Table(entries) = &mut node.value else { return &mut [] };
        let Some(entry) = entries.iter_mut().find(|entry| entry.key == *key) else { return &mut [] };
        node = &mut entry.node;
    }
    let Value::List(items) = &mut node.value else { return &mut [] };
    items
}
