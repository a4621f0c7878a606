//! The marker record: by it a database is known that was restored from a backup, or is a copy of the one before.
//!
//! It is an attachment of nobody's, which every employee may make and only its maker sees. Each gateway has its own, under
//! `plantlink_<plant>.installation_<gateway>`, and counts in it at each look: a database whose count is behind what was
//! written there last has been put back.

use std::sync::Arc;
use std::time::Duration;

use plantlink_buffer::Kept;
use plantlink_config::Name;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::api::{Api, Server as _};
use super::call::Call;
use super::denial::Denial;
use super::record::{Load, Manner, external_id_part, module};
use super::verdict::{Setback, of_reference};
use crate::envelope::Site;

/// A model that is in every database.
const MODEL: &str = "ir.attachment";
/// The record's name. The configuration lets no other record have it.
const RECORD: &str = "installation";
/// It is looked at whenever we come in, and this often while we stay: what is put back in between is noticed then.
const LOOK_EVERY: Duration = Duration::from_secs(600);

/// Writes down what a destination remembers, before any answer that is settled later.
pub(crate) type Save = Arc<dyn Fn(Vec<Kept>) + Send + Sync>;

/// The marker of one gateway in one database.
pub(super) struct Marker {
    external_id: String,
    title: String,
    /// As it was written last; `None`: never, or a person has accepted the database as it is.
    written: Option<Mark>,
    looked: Option<Instant>,
    save: Save,
}

/// What tells one state of a database from an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    /// The record's database id.
    id: i64,
    count: u64,
}

impl Marker {
    /// With what was remembered at the last stop.
    pub(super) fn new(site: &Site, kept: &[Kept], save: Save) -> Self {
        let Site { plant, gateway, .. } = site;
        let row = kept.iter().find(|row| row.record == RECORD && row.key.is_empty());
        Marker {
            external_id: external_id(plant, gateway),
            title: format!("plantlink {plant}/{gateway}: tells this database from a restored one, do not change"),
            written: row.and_then(|row| serde_json::from_slice(row.value.as_deref()?).ok()),
            looked: None,
            save,
        }
    }

    /// Whoever comes in anew may have come into another database.
    pub(super) fn came_in(&mut self) {
        self.looked = None;
    }

    pub(super) fn is_due(&self) -> bool {
        self.looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY)
    }

    /// The database is the right one as it is now.
    pub(super) fn accept(&mut self) {
        self.looked = None;
        self.remember(None);
    }

    /// Looks whether the database is the one that was written to, and counts on. A user who may not keep the marker goes
    /// without it.
    pub(super) async fn look(&mut self, api: &mut Api) -> Result<(), Setback> {
        match self.count_on(api).await {
            Ok(())
            | Err(Setback::Refused { .. } | Setback::Barred { .. } | Setback::Paused { .. } | Setback::TooLarge) => {
                self.looked = Some(Instant::now());
                Ok(())
            }
            // Neither says anything about the rows that are to be sent.
            Err(Setback::Race { .. }) => Err(Setback::Busy { retry_after: None }),
            Err(Setback::Unanswered(cause)) => Err(Setback::Unreachable(cause)),
            Err(setback @ (Setback::Unreachable(_) | Setback::Busy { .. } | Setback::Denied(_))) => Err(setback),
        }
    }

    async fn count_on(&mut self, api: &mut Api) -> Result<(), Setback> {
        let found = find(api, &self.external_id).await?;
        let count = match (self.written, found) {
            (Some(_), None) => return Err(self.denied()),
            (Some(written), Some(found)) if found.id != written.id || found.count < written.count => {
                return Err(self.denied());
            }
            (_, found) => found.map_or(0, |found| found.count) + 1,
        };
        let load = Load {
            model: MODEL,
            columns: vec!["id", "name", "description"],
            rows: vec![vec![self.external_id.clone(), self.title.clone(), json!({ "count": count }).to_string()]],
            manner: Manner::KeepInStep,
        };
        let ids = api.load(&load).await?;
        self.remember(ids.first().map(|id| Mark { id: *id, count }));
        Ok(())
    }

    fn denied(&self) -> Setback {
        Setback::Denied(Denial::PutBack { external_id: self.external_id.clone() })
    }

    fn remember(&mut self, mark: Option<Mark>) {
        self.written = mark;
        // Two numbers always become JSON.
        let value = mark.and_then(|mark| serde_json::to_vec(&mark).ok());
        (self.save)(vec![Kept { record: RECORD.to_owned(), key: String::new(), value }]);
    }
}

fn external_id(plant: &Name, gateway: &Name) -> String {
    format!("{}.{RECORD}_{}", module(plant), external_id_part(gateway))
}

/// The marker as the database has it.
async fn find(api: &mut Api, external_id: &str) -> Result<Option<Mark>, Setback> {
    let (module, name) = external_id.split_once('.').unwrap_or_default();
    let asked =
        Call::new("ir.model.data", "check_object_reference").argument("module", module).argument("xml_id", name);
    let unseen = || Setback::Refused { reason: format!("{external_id} is another user's") };
    let referent = match api.call(asked).await {
        // It is there, and nothing more is told to this user.
        Ok(answer) if answer[1] == Value::Bool(false) => return Err(unseen()),
        answer => of_reference(answer)?,
    };
    let Some(referent) = referent else { return Ok(None) };
    let mut found = api.read(MODEL, &[referent.id], &["description"]).await?;
    let values = found.remove(&referent.id).ok_or_else(unseen)?;
    let said: Option<Value> =
        values.get("description").and_then(Value::as_str).and_then(|text| serde_json::from_str(text).ok());
    // What a person has written over it counts as nothing.
    let count = said.and_then(|said| said["count"].as_u64()).unwrap_or(0);
    Ok(Some(Mark { id: referent.id, count }))
}

/// Why this user cannot keep the marker of a gateway, as far as asking shows; nothing is written.
pub(super) async fn hindrance(api: &mut Api, site: &Site) -> Result<Option<String>, Setback> {
    let external_id = external_id(&site.plant, &site.gateway);
    let found = match find(api, &external_id).await {
        Ok(found) => found,
        Err(Setback::Refused { reason } | Setback::Paused { reason }) => return Ok(Some(reason)),
        Err(setback) => return Err(setback),
    };
    let may = match found {
        Some(mark) => api.may(MODEL, "write", &[mark.id]).await?,
        None => api.may(MODEL, "create", &[]).await?,
    };
    Ok((!may).then(|| format!("the user may not write `{MODEL}` {external_id}")))
}
