//! Trying what records look up, with example events: whether what they point to is there, and there once.

use std::collections::{BTreeMap, BTreeSet};

use plantlink_config::{Absent, Field, FieldValue, Find, KeyPath, Missing, Record, Severity, Which};

use super::super::api::Server as _;
use super::super::directory::{Found, Wanted};
use super::super::existing::{only_one, said};
use super::super::record::Mapping;
use super::super::verdict::Setback;
use super::Preflight;
use crate::template::text;

/// So many are named whose events look for a record in vain.
const NAMED_MAX: usize = 3;

/// Whose events look something up, by what they look up.
type Asked<T> = BTreeMap<T, BTreeSet<String>>;

impl Preflight {
    /// Tries the lookups of a record with every example that it is for, each value once.
    pub(super) async fn lookups(
        &mut self,
        record: &Record,
        written: &[(&str, &[Field])],
        at: &KeyPath,
    ) -> Result<(), Setback> {
        let mapping = Mapping::new(record);
        self.record_itself(&mapping, at).await?;
        for (key, fields) in written {
            for field in *fields {
                self.related(&mapping, field, &at.key(key)).await?;
            }
        }
        Ok(())
    }

    /// The record that a field points to.
    async fn related(&mut self, mapping: &Mapping, field: &Field, at: &KeyPath) -> Result<(), Setback> {
        let FieldValue::Related(related) = &field.value else { return Ok(()) };
        let (name, relation) = match related.find {
            // A constant one was looked at with its column.
            Find::ExternalId if related.value.constant().is_some() => return Ok(()),
            Find::ExternalId | Find::DatabaseId => {
                let model = self.api.model(mapping.model()).await?;
                (field.column.as_str(), model.relation(field.name()).map(str::to_owned))
            }
            // The file names the field alone.
            Find::Search { .. } => (field.name(), None),
        };
        let at = at.key(name);
        let mut asked: Asked<String> = BTreeMap::new();
        for example in self.examples.iter().filter(|example| example.is_for(mapping)) {
            if let Some(value) = text(&related.value, &example.envelope).filter(|value| !value.is_empty()) {
                asked.entry(value).or_default().insert(example.whose.clone());
            }
        }
        let then = match related.missing {
            Missing::Wait => "the event waits until there is one",
            Missing::DeadLetter => "the event becomes a dead letter",
            Missing::Empty => "the field stays empty",
        };
        let mut found = Vec::new();
        let untried = asked.is_empty();
        for (value, whose) in asked {
            let wanted = Wanted { find: related.find.clone(), relation: relation.clone(), value: value.clone() };
            match self.directory.find(wanted, &mut self.api).await? {
                Found::Cell(_) => found.push(value),
                Found::Not(reason) => self.not_found(&at, &reason, &whose, then),
            }
        }
        self.tell(mapping, name, &found, untried);
        Ok(())
    }

    /// The record that is written to, when that is there already.
    async fn record_itself(&mut self, mapping: &Mapping, at: &KeyPath) -> Result<(), Setback> {
        let Some(existing) = mapping.existing() else { return Ok(()) };
        // What another mapping makes need not be there yet.
        let Which::Having(_) = existing.which else { return Ok(()) };
        let mut asked: Asked<Vec<(String, String)>> = BTreeMap::new();
        for example in self.examples.iter().filter(|example| example.is_for(mapping)) {
            if let Some(having) = mapping.having(&example.envelope) {
                asked.entry(having).or_default().insert(example.whose.clone());
            }
        }
        let then = match existing.missing {
            Absent::Wait => "the event waits until there is one",
            Absent::DeadLetter => "the event becomes a dead letter",
        };
        let mut found = Vec::new();
        let untried = asked.is_empty();
        for (having, whose) in asked {
            match only_one(&mut self.api, mapping.model(), &having).await? {
                Ok(_) => found.push(said(&having)),
                Err(reason) => self.not_found(&at.key("by"), &reason, &whose, then),
            }
        }
        self.tell(mapping, "by", &found, untried);
        Ok(())
    }

    fn not_found(&mut self, at: &KeyPath, reason: &str, whose: &BTreeSet<String>, then: &str) {
        let named: Vec<&str> = whose.iter().take(NAMED_MAX).map(String::as_str).collect();
        let more = match whose.len().saturating_sub(NAMED_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let message = format!("{reason} ({}{more}): {then}", named.join(", "));
        self.add(at.clone(), Severity::Warning, "unknown-record", message, None);
    }

    fn tell(&mut self, mapping: &Mapping, name: &str, found: &[String], untried: bool) {
        let record = &mapping.record().name;
        if untried {
            self.met
                .push(format!("record {record}: what `{name}` finds depends on the event; --event FILE tries some"));
        } else if !found.is_empty() {
            self.met.push(format!("record {record}: `{name}` finds {}", found.join(", ")));
        }
    }
}
