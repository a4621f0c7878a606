//! Which records there are to point to, as they were found, for as long as that may be believed.

use std::collections::HashMap;
use std::time::Duration;

use plantlink_config::Find;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::api::Server;
use super::verdict::Setback;

/// What was found is looked for again after this long: people rename and delete.
const FOUND: Duration = Duration::from_secs(600);
/// What was not found is looked for again after this long: somebody waits for it.
const NOT_FOUND: Duration = Duration::from_secs(3);
/// So many are known at once.
const KNOWN_MAX: usize = 10_000;

/// What a record is looked for by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Wanted {
    pub(super) find: Find,
    /// The model that the field points to, where it is known.
    pub(super) relation: Option<String>,
    pub(super) value: String,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// As the column names it.
    Cell(String),
    /// No record, or more than one.
    Not(String),
}

/// What is known of the records to point to.
#[derive(Debug, Default)]
pub(super) struct Directory {
    known: HashMap<Wanted, (Found, Instant)>,
    /// Cells that Odoo says lead nowhere, with its own words.
    refused: HashMap<String, (String, Instant)>,
}

impl Directory {
    /// The record, by what was found not too long ago, or by asking.
    pub(super) async fn find(&mut self, wanted: Wanted, server: &mut impl Server) -> Result<Found, Setback> {
        if let Some((found, _)) = self.known.get(&wanted).filter(|(_, until)| *until > Instant::now()) {
            return Ok(found.clone());
        }
        let found = ask(&wanted, server).await?;
        let now = Instant::now();
        if self.known.len() >= KNOWN_MAX {
            self.known.retain(|_, (_, until)| *until > now);
        }
        if self.known.len() >= KNOWN_MAX {
            self.known.clear();
        }
        let until = now + if matches!(found, Found::Cell(_)) { FOUND } else { NOT_FOUND };
        self.known.insert(wanted, (found.clone(), until));
        Ok(found)
    }

    /// Remembers that Odoo has refused a row because this cell leads nowhere, for as long as what was not found.
    pub(super) fn refused(&mut self, cell: &str, refusal: &str) {
        let now = Instant::now();
        self.refused.retain(|_, (_, until)| *until > now);
        self.refused.insert(cell.to_owned(), (refusal.to_owned(), now + NOT_FOUND));
    }

    /// Odoo's words, if a row with this cell would be refused for it.
    pub(super) fn refusal_of(&self, cell: &str) -> Option<&str> {
        let (refusal, until) = self.refused.get(cell)?;
        (*until > Instant::now()).then_some(refusal)
    }

    /// Something that was found may be gone.
    pub(super) fn forget(&mut self) {
        self.known.clear();
    }
}

async fn ask(wanted: &Wanted, server: &mut impl Server) -> Result<Found, Setback> {
    let Wanted { find, relation, value } = wanted;
    Ok(match find {
        Find::ExternalId => match server.reference(value).await? {
            Some(reference) if relation.as_ref().is_none_or(|relation| *relation == reference.model) => {
                Found::Cell(value.clone())
            }
            Some(reference) => Found::Not(format!("`{value}` is the external id of a {}", reference.model)),
            None => Found::Not(format!("there is no record with the external id `{value}`")),
        },
        Find::DatabaseId => {
            let (Ok(id), Some(relation)) = (value.parse::<i64>(), relation) else {
                return Ok(Found::Not(format!("`{value}` is not the id of a record")));
            };
            let found = server.search(relation, json!([["id", "=", id]]), Archived::Too).await?;
            if found.is_empty() {
                Found::Not(format!("there is no {relation} with the id {id}"))
            } else {
                Found::Cell(id.to_string())
            }
        }
        Find::Search { model, by } => {
            let found = server.search(model, json!([[by, "=", Value::from(value.as_str())]]), Archived::Not).await?;
            match found.as_slice() {
                [] => Found::Not(format!("there is no {model} with {by} = `{value}`")),
                [id] => Found::Cell(id.to_string()),
                [_, _, ..] => Found::Not(format!("there is more than one {model} with {by} = `{value}`")),
            }
        }
    })
}

/// Whether a search finds what people have archived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Archived {
    Too,
    Not,
}
