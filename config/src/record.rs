//! What an event becomes in Odoo: a record made once, one kept in step, or one for an interval.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::button::Button;
use crate::check::Check;
use crate::condition::{Condition, ConditionTable};
use crate::existing::{Absent, ByTable, Existing, Which};
use crate::interval::Interval;
use crate::items::{Items, OneOrMany};
use crate::lookup::Lookup;
use crate::name::Name;
use crate::path::Path;
use crate::pattern::EventPattern;
use crate::record_field::{Field, Fields, technical};
use crate::report::code;
use crate::template::Template;

/// What events become in one model of Odoo.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Part of the record's external id.
    pub name: Name,
    /// The model, as in `maintenance.request`.
    pub model: String,
    /// Which events it is for, and how they share a record.
    pub sharing: Sharing,
    /// What an event has to say besides, to be taken.
    pub when: Condition,
    /// What it may not say: an event that meets all of this is not taken. Without anything asked, none is left out.
    pub unless: Condition,
    /// What is written, in the order of the file; at least one, or none where a button is pressed. Of an interval, when it begins.
    pub fields: Vec<Field>,
    /// Fields that Odoo wants to be unique together: a record that has them already is as good as the event's own.
    pub unique: Vec<String>,
    /// Events that are older than this when their turn comes make no record any more.
    pub skip_after: Option<Duration>,
}

/// How events share a record.
#[derive(Debug, Clone, PartialEq)]
pub enum Sharing {
    /// Each event has a record of its own, or one for each number in it, which is made once and never touched again.
    Create {
        /// The events, at least one pattern.
        on: Vec<EventPattern>,
        /// What of an event has a record.
        each: Each,
    },
    /// All events with the same key have one record, which is kept in step with the latest.
    Update {
        /// The events, at least one pattern.
        on: Vec<EventPattern>,
        /// Names the record.
        key: Template,
    },
    /// Events change a record that is there already, and keep it in step with the latest of them.
    Existing {
        /// The events, at least one pattern.
        on: Vec<EventPattern>,
        /// Which record that is.
        existing: Existing,
    },
    /// Events press a button on a record that is there already.
    Press {
        /// The events, at least one pattern.
        on: Vec<EventPattern>,
        /// Which record that is, and in which state the button may be pressed.
        existing: Existing,
        /// The button.
        button: Button,
    },
    /// The two events with the same key have one record: the first makes it, the second ends it.
    Interval {
        /// The events that begin an interval, at least one pattern.
        open: Vec<EventPattern>,
        /// The events that end one, at least one pattern.
        close: Vec<EventPattern>,
        /// Names the interval.
        key: Template,
        /// What is written when it ends, at least one field.
        close_fields: Vec<Field>,
    },
}

/// What of an event has a record of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Each {
    /// The event as a whole.
    #[default]
    Event,
    /// Each number in its data, which templates find as `{tag}` and `{value}`.
    Number,
}

impl Sharing {
    /// Which record it is, when that is there already.
    pub fn existing(&self) -> Option<&Existing> {
        match self {
            Sharing::Existing { existing, .. } | Sharing::Press { existing, .. } => Some(existing),
            Sharing::Create { .. } | Sharing::Update { .. } | Sharing::Interval { .. } => None,
        }
    }
}

impl Record {
    /// The events that it is for, by the key under which the file has them.
    pub(crate) fn events(&self) -> Vec<(&'static str, &[EventPattern])> {
        match &self.sharing {
            Sharing::Create { on, .. }
            | Sharing::Update { on, .. }
            | Sharing::Existing { on, .. }
            | Sharing::Press { on, .. } => vec![("on", on)],
            Sharing::Interval { open, close, .. } => vec![("open", open), ("close", close)],
        }
    }
}

/// What events become in one model of Odoo.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordTable {
    /// Part of the record's external id; unique in its destination.
    #[schemars(required)]
    pub(crate) name: Option<String>,
    /// The events it is for: a type, a pattern with `*`, or a list of these. An interval has `open` and `close` in its place.
    on: Option<OneOrMany>,
    /// The events that begin an interval: one record is made for each `key`.
    open: Option<OneOrMany>,
    /// The events that end it: `close_fields` are written, unless somebody else has changed them meanwhile.
    close: Option<OneOrMany>,
    /// `create`: one record for each event, never touched again. `update`: one for each `key`, kept in step.
    #[serde(default)]
    mode: ModeName,
    /// Names the record that events share, as in `{alarm_id}`. A template.
    key: Option<String>,
    /// In place of `key`: a record that is there already and is never made here, found by these fields, as in
    /// `{ "production_id.name" = "{order}" }`. With `mode = "update"`.
    by: Option<ByTable>,
    /// Beside `key`: writes to the records that another one of this destination makes with the same key, never before it has
    /// made them. With `mode = "update"`.
    of: Option<String>,
    /// Of a record that is there already: what it has to hold to be changed, as in `{ state = ["ready", "progress"] }`. When it
    /// does not, the event is settled and nothing is written or pressed.
    #[serde(rename = "while")]
    only_while: Option<ConditionTable>,
    /// Of a record that is there already: `wait` holds an event back until it is there, `dead-letter` gives the event up.
    missing: Option<Absent>,
    /// The model, as in maintenance.request.
    #[schemars(required)]
    model: Option<String>,
    /// What the event has to say besides: `{ severity = ["fault", "critical"] }`. All of it has to hold.
    when: Option<ConditionTable>,
    /// What it may not say: `{ final = false }`. An event that says all of it is not taken.
    unless: Option<ConditionTable>,
    /// `event`: one record for the event. `number`: one for each number in its data, as for the tags of measurement.sampled, with
    /// `{tag}` and `{value}`; an event without any makes none.
    each: Option<Each>,
    /// In place of `fields`: a button of Odoo's that is pressed on a record that is there already, while that is in the state that
    /// `while` names. `button_mark_done` closes a manufacturing order. Where Odoo asks a question back, the event becomes a dead
    /// letter with it.
    button: Option<Button>,
    /// Its fields by their technical names, as Odoo's import names them. A string is a template. Every record has them, except
    /// where a `button` is pressed.
    fields: Option<Fields>,
    /// What is written when an interval ends.
    close_fields: Option<Fields>,
    /// Fields that are unique together in Odoo, as ["name", "product_id"]: a record that has them already is the event's.
    #[schemars(length(min = 1))]
    unique: Option<Items<String>>,
    /// From which age on an event is late. An interval is judged by its begin. Needs `when_stale`.
    stale_after: Option<Interval>,
    /// What becomes of a late event: `create` makes the record all the same, `skip` makes none.
    when_stale: Option<WhenStale>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum ModeName {
    #[default]
    Create,
    Update,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum WhenStale {
    Create,
    Skip,
}

impl RecordTable {
    pub(crate) fn check(&self, at: &Path, check: &mut Check<'_>) -> Option<Record> {
        let name = check.name(self.name.as_ref(), &at.key("name"));
        let sharing = self.sharing(at, check);
        let model = self.model.as_ref().and_then(|model| technical(model, "model", &at.key("model"), check));
        let when = self.when.as_ref().map_or_else(Condition::default, |when| when.check(&at.key("when"), check));
        let unless =
            self.unless.as_ref().map_or_else(Condition::default, |unless| unless.check(&at.key("unless"), check));
        if self.only_while.is_some() && !self.writes_to_existing() {
            useless(&["while"], "on records that are made here", at, check);
        }
        if self.missing.is_some() && !self.writes_to_existing() {
            useless(&["missing"], "on records that are made here", at, check);
        }
        let fields = match &self.fields {
            Some(fields) => Some(fields.check(&at.key("fields"), check)),
            None if check.has_any(at, &["button"]) => Some(Vec::new()),
            None => {
                required("fields", "what is written", at, check);
                None
            }
        };
        let unique = self.unique(&at.key("unique"), fields.as_deref(), check);
        let skip_after = self.skip_after(at, check);
        Some(Record {
            name: name?,
            model: model?,
            sharing: sharing?,
            when,
            unless,
            fields: fields?,
            unique,
            skip_after,
        })
    }

    fn sharing(&self, at: &Path, check: &mut Check<'_>) -> Option<Sharing> {
        let patterns = |patterns: &Option<OneOrMany>, key: &str, check: &mut Check<'_>| {
            patterns.as_ref().map(|patterns| event_patterns(patterns.texts(&at.key(key)), check))
        };
        let [on, open, close] = [(&self.on, "on"), (&self.open, "open"), (&self.close, "close")]
            .map(|(found, key)| patterns(found, key, check));
        let key = self.key.as_ref().map(|key| key_template(key, &at.key("key"), check));
        let close_fields = self.close_fields.as_ref().map(|fields| fields.check(&at.key("close_fields"), check));
        let is_interval = check.has_any(at, &["open", "close", "close_fields"]);
        if is_interval {
            useless(
                &["on", "mode", "unique", "by", "of", "each", "button"],
                "on an interval, which has `open` and `close`",
                at,
                check,
            );
            for (key, why) in [
                ("open", "the events that begin an interval"),
                ("close", "the events that end an interval"),
                ("key", "it tells which end belongs to which begin"),
                ("close_fields", "what is written when an interval ends"),
            ] {
                required(key, why, at, check);
            }
            return Some(Sharing::Interval { open: open?, close: close?, key: key??, close_fields: close_fields? });
        }
        match self.mode {
            ModeName::Create => {
                let why = "with mode = \"create\": each event has a record of its own";
                useless(&["key", "by", "of", "button"], why, at, check);
            }
            ModeName::Update => {
                useless(&["unique", "each"], "with mode = \"update\": the key says which record it is", at, check);
            }
        }
        required("on", "the events that it is for; an interval has `open` and `close`", at, check);
        match self.mode {
            ModeName::Create => {
                let each = self.each.unwrap_or_default();
                if each == Each::Number {
                    useless(&["unique"], "with each = \"number\"", at, check);
                }
                Some(Sharing::Create { on: on?, each })
            }
            ModeName::Update if self.writes_to_existing() => {
                let existing = self.existing(key, at, check);
                match self.button {
                    None => Some(Sharing::Existing { on: on?, existing: existing? }),
                    Some(button) => {
                        button.check(self.model.as_deref(), &at.key("button"), check);
                        required("while", "in which state the button may be pressed", at, check);
                        useless(&["fields"], "beside `button`: another record writes them, before this one", at, check);
                        Some(Sharing::Press { on: on?, existing: existing?, button })
                    }
                }
            }
            ModeName::Update => {
                useless(&["button"], "on records that are made here", at, check);
                required("key", "it says which events share a record", at, check);
                Some(Sharing::Update { on: on?, key: key?? })
            }
        }
    }

    fn writes_to_existing(&self) -> bool {
        self.by.is_some() || self.of.is_some()
    }

    fn existing(&self, key: Option<Option<Template>>, at: &Path, check: &mut Check<'_>) -> Option<Existing> {
        let only_while = self.only_while.as_ref().map(|fields| fields.fields(&at.key("while"), check));
        let which = match &self.by {
            Some(by) => {
                useless(&["key", "of"], "beside `by`, which says which record it is", at, check);
                by.check(&at.key("by"), check)
            }
            None => {
                required("key", "it says which of the other's records it is", at, check);
                let record = check.name(self.of.as_ref(), &at.key("of"));
                Some(Which::Of { record: record?, key: key?? })
            }
        };
        let missing = self.missing.unwrap_or_default();
        Some(Existing { which: which?, only_while: only_while.unwrap_or_default(), missing })
    }

    fn unique(&self, at: &Path, fields: Option<&[Field]>, check: &mut Check<'_>) -> Vec<String> {
        let mut unique = Vec::new();
        for (at, name) in self.unique.iter().flat_map(|names| names.iter(at)) {
            let written = |fields: &[Field]| fields.iter().any(|field| field.name() == name);
            if fields.is_none_or(written) {
                unique.push(name.clone());
                continue;
            }
            let names: Vec<&str> = fields.into_iter().flatten().map(Field::name).collect();
            let message = format!("`{name}` is none of `fields` (allowed: {})", names.join(", "));
            let nearest = crate::spelling::nearest(name, names.iter().copied());
            check.report.error(code::UNKNOWN_NAME, &at, message).did_you_mean(nearest);
        }
        unique
    }

    fn skip_after(&self, at: &Path, check: &mut Check<'_>) -> Option<Duration> {
        let stale_after =
            self.stale_after.as_ref().map(|after| after.check_some(&at.key("stale_after"), &mut check.report));
        match (stale_after, self.when_stale) {
            (None, None | Some(WhenStale::Create)) => None,
            (Some(_), None) => {
                required("when_stale", "what becomes of an event that is older (allowed: create, skip)", at, check);
                None
            }
            (None, Some(WhenStale::Skip)) => {
                required("stale_after", "from which age on an event is skipped", at, check);
                None
            }
            (Some(_), Some(WhenStale::Create)) => {
                let message = "`stale_after` has no effect with when_stale = \"create\"";
                check.report.error(code::CONFLICT, &at.key("stale_after"), message);
                None
            }
            (Some(after), Some(WhenStale::Skip)) => after,
        }
    }
}

fn useless(keys: &[&str], why: &str, at: &Path, check: &mut Check<'_>) {
    for key in keys {
        if check.has_any(at, &[key]) {
            check.report.error(code::CONFLICT, &at.key(key), format!("`{key}` has no effect {why}"));
        }
    }
}

fn required(key: &str, why: &str, at: &Path, check: &mut Check<'_>) {
    if !check.has_any(at, &[key]) {
        check.missing(key, why, at);
    }
}

/// A template that looks something up: a constant would be one record for everything.
fn key_template(text: &str, at: &Path, check: &mut Check<'_>) -> Option<Template> {
    let template = Lookup::Event.template(text, at, check)?;
    if template.constant().is_some() {
        let message = format!("`{text}` is the same for every event, so that all would share one record");
        check
            .report
            .error(code::BAD_VALUE, at, message)
            .help("look something up, as in \"{device}\" or \"{alarm_id}\"");
        return None;
    }
    Some(template)
}

/// Patterns of event types, as records and flows have them.
pub(crate) fn event_patterns(texts: Vec<(Path, &str)>, check: &mut Check<'_>) -> Vec<EventPattern> {
    let mut patterns = Vec::new();
    for (at, text) in texts {
        match EventPattern::new(text) {
            Some(pattern) => patterns.push(pattern),
            None => {
                let message =
                    format!("`{text}` fits no event type (allowed: a to z, 0 to 9, `_`, `.`, and `*` for any text)");
                check.report.error(code::BAD_VALUE, &at, message);
            }
        }
    }
    patterns
}
