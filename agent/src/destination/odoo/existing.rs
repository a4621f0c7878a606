//! Records that are there already, made by a person or by another mapping: which one an event means, and whether it may still
//! be changed.

use plantlink_config::{Absent, Existing, Which};
use serde_json::{Map, Value, json};

use super::api::Server;
use super::clerk::{Case, Clerk, Fate};
use super::directory::Archived;
use super::record::{Mapping, is_same};
use super::verdict::Setback;

/// What an event can do to the record that it means.
pub(super) enum Standing {
    /// The record with this database id is written to.
    Open(i64),
    /// The record holds what ends its being written to.
    Over,
    /// There is no such record, or more than one; the event has its fate.
    Missing,
}

impl<S: Server> Clerk<S> {
    /// Looks for the record with this key, and whether it may be changed.
    pub(super) async fn standing(
        &mut self,
        mapping: &Mapping,
        existing: &Existing,
        key: &str,
        case: &mut Case<'_>,
    ) -> Result<Standing, Setback> {
        let id = match self.existing(mapping, existing, key, case).await? {
            Ok(id) => id,
            Err(reason) => {
                case.turns(match existing.missing {
                    Absent::Wait => Fate::Waits(reason),
                    Absent::DeadLetter => Fate::Rejected(reason),
                });
                return Ok(Standing::Missing);
            }
        };
        if existing.only_while.is_empty() {
            return Ok(Standing::Open(id));
        }
        let fields: Vec<&str> = existing.only_while.iter().map(|(field, _)| field.as_str()).collect();
        let found = self.server.read(mapping.model(), &[id], &fields).await?;
        let is_open = found.get(&id).is_some_and(|values| holds(values, &existing.only_while));
        Ok(if is_open { Standing::Open(id) } else { Standing::Over })
    }

    /// The id of the one record that is meant; otherwise what is wrong, in a sentence.
    async fn existing(
        &mut self,
        mapping: &Mapping,
        existing: &Existing,
        key: &str,
        case: &Case<'_>,
    ) -> Result<Result<i64, String>, Setback> {
        let model = mapping.model();
        Ok(match &existing.which {
            Which::Of { record, .. } => {
                let found = self.server.reference(&mapping.id_of_key(&self.module, key)).await?;
                let found = found.filter(|referent| referent.model == model);
                found
                    .map(|referent| referent.id)
                    .ok_or_else(|| format!("`{record}` has made no {model} for `{key}` yet"))
            }
            Which::Having(_) => {
                let having = mapping.having(case.event).unwrap_or_default();
                only_one(&mut self.server, model, &having).await?
            }
        })
    }
}

/// The id of the one record that holds these values; otherwise what is wrong, in a sentence.
pub(super) async fn only_one(
    server: &mut impl Server,
    model: &str,
    having: &[(String, String)],
) -> Result<Result<i64, String>, Setback> {
    let domain = having.iter().map(|(field, value)| json!([field, "=", value])).collect();
    Ok(match server.search(model, domain, Archived::Not).await?.as_slice() {
        [id] => Ok(*id),
        [] => Err(format!("there is no {model} with {}", said(having))),
        [_, _, ..] => Err(format!("there is more than one {model} with {}", said(having))),
    })
}

/// What a record has to hold, for people.
pub(super) fn said(having: &[(String, String)]) -> String {
    having.iter().map(|(field, value)| format!("{field} = `{value}`")).collect::<Vec<_>>().join(" and ")
}

fn holds(values: &Map<String, Value>, wanted: &[(String, Vec<Value>)]) -> bool {
    wanted.iter().all(|(field, choices)| {
        values.get(field).is_some_and(|held| choices.iter().any(|choice| is_same(choice, held)))
    })
}
