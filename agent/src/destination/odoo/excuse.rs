//! Records that are there although their row is refused or cannot be written: an attempt whose answer was lost has made them, or
//! a person has.
//!
//! Odoo reads the cells of a row before it looks whether the record is there. So a row that is sent again is refused when what it
//! points to has gone meanwhile, and the record it once made is none the worse.

use serde_json::{Value, json};

use super::api::Server;
use super::clerk::{Case, Clerk, Fate};
use super::directory::Archived;
use super::record::{Mapping, Role};
use super::verdict::Setback;
use crate::envelope::Envelope;

/// So many events are known to have no record yet.
const UNMADE_MAX: usize = 5_000;

impl<S: Server> Clerk<S> {
    /// Whether the record whose row is refused is there, under its own id or by what has to be unique about it. Then it needs
    /// no row.
    pub(super) async fn excuse(&mut self, mapping: &Mapping, event: &Envelope) -> Result<bool, Setback> {
        if mapping.role(event) != Some(Role::Create) {
            return Ok(false);
        }
        let is_there = self.is_made(mapping, event).await? || self.is_there_by_unique(mapping, event).await?;
        if is_there {
            self.excused.insert(mapping.place_of(event));
        }
        Ok(is_there)
    }

    /// Whether the event's own record is there, or all of them. An event that waits asks once: while it does, nobody makes its record.
    pub(super) async fn is_made(&mut self, mapping: &Mapping, event: &Envelope) -> Result<bool, Setback> {
        let place = mapping.place_of(event);
        if self.unmade.contains(&place) {
            return Ok(false);
        }
        let mut made = None;
        for (id, _) in mapping.ids(&self.module, event) {
            let found = self.server.reference(&id).await?;
            made = found.filter(|referent| referent.model == mapping.model());
            if made.is_none() {
                break;
            }
        }
        if let Some(referent) = &made {
            self.register.confirm(mapping.label(), event.id(), referent.id);
        } else {
            if self.unmade.len() >= UNMADE_MAX {
                self.unmade.clear();
            }
            self.unmade.insert(place);
        }
        Ok(made.is_some())
    }

    async fn is_there_by_unique(&mut self, mapping: &Mapping, event: &Envelope) -> Result<bool, Setback> {
        let unique = &mapping.record().unique;
        let mut fate = Fate::Unused;
        let mut case = Case { event, number: None, role: Role::Create, fate: &mut fate };
        if unique.is_empty() {
            return Ok(false);
        }
        let model = self.server.model(mapping.model()).await?;
        let fields = &mapping.record().fields;
        let Some(cells) = self.cells(fields, &model, &mut case).await? else { return Ok(false) };
        let mut domain = Vec::new();
        for (field, cell) in
            fields.iter().zip(&cells).filter(|(field, _)| unique.iter().any(|name| name == field.name()))
        {
            let value = match field.column.split_once('/') {
                None => Value::from(cell.as_str()),
                Some((_, "id")) => match self.server.reference(cell).await? {
                    Some(referent) => Value::from(referent.id),
                    None => return Ok(false),
                },
                Some(_) => cell.parse::<i64>().map_or(Value::Bool(false), Value::from),
            };
            domain.push(json!([field.name(), "=", value]));
        }
        let found = self.server.search(mapping.model(), Value::Array(domain), Archived::Too).await?;
        if let Some(id) = found.first() {
            self.register.confirm(mapping.label(), event.id(), *id);
        }
        Ok(!found.is_empty())
    }
}
