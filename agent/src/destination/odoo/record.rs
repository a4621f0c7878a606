//! A record mapping: what an event is to it, and how its records are named.

use std::sync::Arc;
use std::time::Duration;

use plantlink_config::{
    Condition, Each, EventPattern, Existing, Field, Name, Record, Reference, Sharing, Template, Which,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::clock::{Time, age};
use crate::envelope::Envelope;
use crate::template::{Scope, text};

/// Keys up to this length are part of the external id as they are.
const KEY_CHARACTERS_MAX: usize = 100;

/// A mapping as it is used.
#[derive(Debug)]
pub(super) struct Mapping {
    /// As external ids have it.
    name: String,
    /// As the register has it.
    label: Arc<str>,
    /// The name under which the records are that events share: its own, or that of the mapping that makes them.
    shared_name: String,
    record: Record,
}

/// What an event does to a mapping's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It has one of its own.
    Create,
    /// It brings the one that it shares up to date.
    Update,
    /// It presses the button of one that is there.
    Press,
    /// It begins an interval.
    Open,
    /// It ends one.
    Close,
}

/// One call of `load`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Load<'a> {
    pub(super) model: &'a str,
    pub(super) columns: Vec<&'a str>,
    /// Each as wide as the columns.
    pub(super) rows: Vec<Vec<String>>,
    pub(super) manner: Manner,
}

/// What `load` does with a record that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It leaves it as it is.
    CreateOnce,
    /// It writes the columns of the row.
    KeepInStep,
}

impl Mapping {
    pub(super) fn new(record: &Record) -> Self {
        let maker = match record.sharing.existing().map(|existing| &existing.which) {
            Some(Which::Of { record: maker, .. }) => maker,
            Some(Which::Having(_)) | None => &record.name,
        };
        Mapping {
            name: external_id_part(&record.name),
            label: Arc::from(&*record.name),
            shared_name: external_id_part(maker),
            record: record.clone(),
        }
    }

    pub(super) fn record(&self) -> &Record {
        &self.record
    }

    /// The record's name, as it is remembered with what was confirmed.
    pub(super) fn label(&self) -> &Arc<str> {
        &self.label
    }

    pub(super) fn model(&self) -> &str {
        &self.record.model
    }

    /// What is written when an interval ends; nothing for the other modes.
    pub(super) fn close_fields(&self) -> &[Field] {
        match &self.record.sharing {
            Sharing::Interval { close_fields, .. } => close_fields,
            Sharing::Create { .. } | Sharing::Update { .. } | Sharing::Existing { .. } | Sharing::Press { .. } => &[],
        }
    }

    /// Which record it is, when that is there already.
    pub(super) fn existing(&self) -> Option<&Existing> {
        self.record.sharing.existing()
    }

    /// What the event is to this mapping, if it is anything. Only the begin of an interval has to meet the condition: an end
    /// need not say again what the begin has said.
    pub(super) fn role(&self, event: &Envelope) -> Option<Role> {
        let is = |patterns: &[EventPattern]| patterns.iter().any(|pattern| pattern.matches(event.event_type()));
        let role = match &self.record.sharing {
            Sharing::Create { on, .. } => is(on).then_some(Role::Create),
            Sharing::Update { on, .. } | Sharing::Existing { on, .. } => is(on).then_some(Role::Update),
            Sharing::Press { on, .. } => is(on).then_some(Role::Press),
            Sharing::Interval { open, .. } if is(open) => Some(Role::Open),
            Sharing::Interval { close, .. } => is(close).then_some(Role::Close),
        };
        role.filter(|role| *role == Role::Close || self.takes(event))
    }

    /// Whether the event is too old to make a record.
    pub(super) fn is_late(&self, event: &Envelope, now: Time) -> bool {
        let age: Option<Duration> = age(event.recorded(), now);
        self.record.skip_after.zip(age).is_some_and(|(skip_after, age)| age > skip_after)
    }

    /// The record's name among those that events share; `None` when the event does not say it.
    pub(super) fn key(&self, event: &impl Scope) -> Option<String> {
        let key: &Template = match &self.record.sharing {
            Sharing::Create { .. } => return None,
            Sharing::Update { key, .. } | Sharing::Interval { key, .. } => key,
            Sharing::Existing { existing, .. } | Sharing::Press { existing, .. } => match &existing.which {
                Which::Of { key, .. } => key,
                Which::Having(_) => {
                    let having = self.having(event)?;
                    return Some(json!(having).to_string());
                }
            },
        };
        text(key, event).filter(|key| !key.is_empty())
    }

    /// The field of the file that says which record an event means.
    pub(super) fn names_key(&self) -> &'static str {
        match self.existing().map(|existing| &existing.which) {
            Some(Which::Having(_)) => "by",
            Some(Which::Of { .. }) | None => "key",
        }
    }

    /// What the record has to hold that the event means, by field; `None` when the event does not say it, and for records that
    /// are found otherwise.
    pub(super) fn having(&self, event: &impl Scope) -> Option<Vec<(String, String)>> {
        let Which::Having(by) = &self.existing()?.which else { return None };
        let filled = |(field, template): &(String, Template)| {
            let value = text(template, event).filter(|value| !value.is_empty())?;
            Some((field.clone(), value))
        };
        by.iter().map(filled).collect()
    }

    /// Which record of which event.
    pub(super) fn place_of(&self, event: &Envelope) -> (String, Uuid) {
        (self.name.clone(), event.id())
    }

    /// The external id of an event's own record.
    fn id_of_event(&self, module: &str, event: Uuid) -> String {
        format!("{module}.{}_{}", external_id_part(&event.to_string()), self.name)
    }

    /// The external ids of the records that are an event's own: one, or one for each of its numbers, with that and its tag.
    pub(super) fn ids(&self, module: &str, event: &Envelope) -> Vec<(String, Option<(String, Value)>)> {
        let id = self.id_of_event(module, event.id());
        match self.each() {
            Each::Event => vec![(id, None)],
            Each::Number => {
                let numbers = event.numbers().into_iter();
                numbers.map(|(tag, value)| (format!("{id}_{}", key_part(&tag)), Some((tag, value)))).collect()
            }
        }
    }

    /// The external id of the record that all events with this key share.
    pub(super) fn id_of_key(&self, module: &str, key: &str) -> String {
        format!("{module}.{}_{}", self.shared_name, key_part(key))
    }

    /// What of an event has a record of its own.
    fn each(&self) -> Each {
        match self.record.sharing {
            Sharing::Create { each, .. } => each,
            Sharing::Update { .. } | Sharing::Existing { .. } | Sharing::Press { .. } | Sharing::Interval { .. } => {
                Each::Event
            }
        }
    }

    fn takes(&self, event: &impl Scope) -> bool {
        let Record { when, unless, .. } = &self.record;
        meets(when, event) && (unless.asked.is_empty() || !meets(unless, event))
    }
}

fn meets(condition: &Condition, event: &impl Scope) -> bool {
    condition.asked.iter().all(|(reference, right)| {
        let found = match reference {
            Reference::Name(name) => event.name(name),
            Reference::Pointer(pointer) => event.pointer(pointer),
        };
        found.is_some_and(|found| right.iter().any(|right| is_same(right, &found)))
    })
}

/// A number is the same however it is written: 1 and 1.0.
pub(super) fn is_same(one: &Value, other: &Value) -> bool {
    one == other || one.as_f64().is_some_and(|number| other.as_f64() == Some(number))
}

/// The columns of a call: that of the id, then those of the fields.
pub(super) fn columns<'a>(id: &'a str, fields: &'a [Field]) -> Vec<&'a str> {
    std::iter::once(id).chain(fields.iter().map(|field| field.column.as_str())).collect()
}

/// The module part of a plant's external ids: never that of an installed module, whose updates delete what they do not know.
pub(super) fn module(plant: &Name) -> String {
    format!("plantlink_{}", external_id_part(plant))
}

/// Letters, digits and `_` are what every version of Odoo and every tool around it takes in an external id.
pub(super) fn external_id_part(name: &str) -> String {
    name.to_ascii_lowercase().replace('-', "_")
}

/// A key that an external id cannot hold as it is gets a digest behind it, so that no two keys become one record.
fn key_part(key: &str) -> String {
    let holds =
        |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || "_-".contains(character);
    if key.chars().all(holds) && key.len() <= KEY_CHARACTERS_MAX {
        return external_id_part(key);
    }
    let shown = |character: char| if character.is_ascii_alphanumeric() { character.to_ascii_lowercase() } else { '_' };
    let shown: String = key.chars().take(KEY_CHARACTERS_MAX).map(shown).collect();
    format!("{shown}_{}", Uuid::new_v5(&Uuid::NAMESPACE_OID, key.as_bytes()).simple())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_external_id_has_lower_case_letters_digits_and_underscores_after_the_module() {
        let module = module(&Name::new("Mill-07").unwrap());
        let mapping = Mapping::new(&Record {
            name: Name::new("Alarm-2").unwrap(),
            model: "maintenance.request".to_owned(),
            sharing: Sharing::Create { on: Vec::new(), each: Each::Event },
            when: Condition::default(),
            unless: Condition::default(),
            fields: Vec::new(),
            unique: Vec::new(),
            skip_after: None,
        });
        let of_event = mapping.id_of_event(&module, Uuid::nil());
        assert_eq!(of_event, "plantlink_mill_07.00000000_0000_0000_0000_000000000000_alarm_2");
        assert_eq!(mapping.id_of_key(&module, "press-12"), "plantlink_mill_07.alarm_2_press_12");
    }

    #[test]
    fn keys_that_differ_in_what_an_external_id_cannot_hold_name_two_records() {
        let parts = ["press 1", "press/1", "Press_1", "press_1", &"x".repeat(101), &"x".repeat(102)].map(key_part);
        for (index, part) in parts.iter().enumerate() {
            assert!(part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'), "{part}");
            assert!(!parts[..index].contains(part), "{part}");
        }
    }

    #[test]
    fn a_number_is_the_same_however_it_is_written() {
        assert!(is_same(&json!(1), &json!(1.0)) && is_same(&json!("a"), &json!("a")));
        assert!(!is_same(&json!(1), &json!("1")) && !is_same(&json!(true), &json!(1)));
    }
}
