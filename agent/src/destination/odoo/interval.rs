//! Records of intervals: made by the event that begins one, ended by the event that ends it.
//!
//! The begin makes the record once, as any event does, and never over one that is there. The end is written by the record's
//! database id, which makes no record, and only while what it writes is still as it was when the interval was opened:
//! whoever has changed that has ended it otherwise. A record that somebody has deleted or a backup has lost may have been made
//! again: the external id leads to it, while the old id may be that of another one by now.

use std::collections::HashMap;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::api::Server;
use super::book::{Contents, Memo, Origin, State};
use super::clerk::{Case, Clerk, Fate};
use super::create::Made;
use super::model::Model;
use super::record::{Load, Manner, Mapping, Role, columns};
use super::verdict::Setback;

/// The field in which Odoo keeps when a record was made.
const MADE_AT: &str = "create_date";

/// An interval to end.
struct End {
    key: String,
    by: Origin,
    id: i64,
    /// As it was when the interval was opened.
    opened: Contents,
    cells: Vec<String>,
}

/// An interval that has begun.
struct Begin {
    key: String,
    by: Origin,
    event: Uuid,
    id: i64,
    /// The cells of its end, where that came first.
    end: Option<Vec<String>>,
}

impl<S: Server> Clerk<S> {
    /// Opens and closes intervals, whichever of the two events comes first.
    pub(super) async fn interval(
        &mut self,
        mapping: &Mapping,
        model: &Model,
        cases: Vec<Case<'_>>,
        are_replayed: bool,
    ) -> Result<Made, Setback> {
        let (opens, closes): (Vec<Case<'_>>, Vec<Case<'_>>) =
            cases.into_iter().partition(|case| case.role == Role::Open);
        let (begun, made) = self.open(mapping, model, opens, are_replayed).await?;
        let mut ends = self.note_open(mapping, begun).await?;
        for case in closes {
            let end = self.end(mapping, model, case).await?;
            // The first end counts, in one batch as in two.
            ends.extend(end.filter(|end| ends.iter().all(|known| known.key != end.key)));
        }
        self.close(mapping, ends).await?;
        Ok(made)
    }

    /// Makes the records of the intervals that have none.
    async fn open(
        &mut self,
        mapping: &Mapping,
        model: &Model,
        cases: Vec<Case<'_>>,
        are_replayed: bool,
    ) -> Result<(Vec<Begin>, Made), Setback> {
        let fields = &mapping.record().fields;
        let mut begun: Vec<Begin> = Vec::new();
        let mut rows = Vec::new();
        let mut missing = Vec::new();
        for mut case in cases {
            let Some(key) = self.key(mapping, &mut case) else { continue };
            let end = match self.book.get(&mapping.record().name, &key).map(|memo| &memo.state) {
                Some(State::Open { .. } | State::Closed) => continue,
                Some(State::Ended { cells }) => Some(cells.clone()),
                Some(State::Written { .. }) | None => None,
            };
            if begun.iter().chain(&missing).any(|begin| begin.key == key) {
                continue;
            }
            let event = case.event.id();
            // Whoever has deleted what Odoo had confirmed does not want it back.
            if are_replayed && self.register.has(mapping.label(), event).await? {
                continue;
            }
            let Some(cells) = self.cells(fields, model, &mut case).await? else { continue };
            let external_id = mapping.id_of_key(&self.module, &key);
            let mut begin = Begin { key, by: Origin::of(case.event), event, id: 0, end };
            match self.server.reference(&external_id).await? {
                Some(referent) if referent.model == mapping.model() => {
                    begin.id = referent.id;
                    begun.push(begin);
                }
                Some(referent) => {
                    let reason = format!("the external id {external_id} is that of a {}", referent.model);
                    case.turns(Fate::Rejected(reason));
                }
                None => {
                    rows.push(std::iter::once(external_id).chain(cells).collect());
                    missing.push(begin);
                }
            }
        }
        let columns = columns("id", fields);
        let ids = self.load(&Load { model: mapping.model(), columns, rows, manner: Manner::CreateOnce }).await?;
        let made = Made { rows: ids.len() as u64, found: begun.len() as u64 };
        begun.extend(missing.into_iter().zip(ids).map(|(begin, id)| Begin { id, ..begin }));
        for begin in &begun {
            self.register.confirm(mapping.label(), begin.event, begin.id);
        }
        Ok((begun, made))
    }

    /// Remembers what ends will be held against. Gives the intervals whose end is known already.
    async fn note_open(&mut self, mapping: &Mapping, begun: Vec<Begin>) -> Result<Vec<End>, Setback> {
        let ids: Vec<i64> = begun.iter().map(|begin| begin.id).collect();
        let mut found = self.contents(mapping, &ids).await?;
        let mut ends = Vec::new();
        for Begin { key, by, event: _, id, end } in begun {
            let opened = found.remove(&id).unwrap_or_default();
            let state = State::Open { id, opened: opened.clone() };
            self.book.set(&mapping.record().name, &key, Memo { state, by: by.clone() });
            ends.extend(end.map(|cells| End { key, by, id, opened, cells }));
        }
        Ok(ends)
    }

    /// What an event that ends an interval has to write; nothing when its begin is still to come or the interval is over.
    async fn end(&mut self, mapping: &Mapping, model: &Model, mut case: Case<'_>) -> Result<Option<End>, Setback> {
        let Some(key) = self.key(mapping, &mut case) else { return Ok(None) };
        let known = self.book.get(&mapping.record().name, &key).map(|memo| memo.state.clone());
        let opened = match known {
            Some(State::Closed | State::Ended { .. }) => return Ok(None),
            Some(State::Open { id, opened }) => Some((id, opened)),
            Some(State::Written { .. }) | None => self.forgotten(mapping, &key).await?,
        };
        let Some(cells) = self.cells(mapping.close_fields(), model, &mut case).await? else { return Ok(None) };
        let by = Origin::of(case.event);
        let Some((id, opened)) = opened else {
            self.book.set(&mapping.record().name, &key, Memo { state: State::Ended { cells }, by });
            return Ok(None);
        };
        Ok(Some(End { key, by, id, opened, cells }))
    }

    /// An interval that Odoo has and nobody remembers here: it is open if nothing stands yet where its end is written.
    async fn forgotten(&mut self, mapping: &Mapping, key: &str) -> Result<Option<(i64, Contents)>, Setback> {
        let Some(id) = self.standing_id(mapping, key).await? else { return Ok(None) };
        let mut values = Map::new();
        for field in mapping.close_fields() {
            values.insert(field.name().to_owned(), Value::Bool(false));
        }
        Ok(Some((id, Contents { made_at: None, values })))
    }

    /// The record that an interval has in Odoo now.
    async fn standing_id(&mut self, mapping: &Mapping, key: &str) -> Result<Option<i64>, Setback> {
        let external_id = mapping.id_of_key(&self.module, key);
        let found = self.server.reference(&external_id).await?;
        Ok(found.filter(|referent| referent.model == mapping.model()).map(|referent| referent.id))
    }

    /// Ends the intervals that are still as they were opened.
    async fn close(&mut self, mapping: &Mapping, ends: Vec<End>) -> Result<(), Setback> {
        let ids: Vec<i64> = ends.iter().map(|end| end.id).collect();
        let mut found = self.contents(mapping, &ids).await?;
        let mut standing = Vec::with_capacity(ends.len());
        for end in &ends {
            let is_same = found.get(&end.id).is_some_and(|now| is_same_record(now, &end.opened));
            standing.push(if is_same { Some(end.id) } else { self.standing_id(mapping, &end.key).await? });
        }
        let others: Vec<i64> = standing.iter().flatten().copied().filter(|id| !found.contains_key(id)).collect();
        found.extend(self.contents(mapping, &others).await?);
        let rows = ends.iter().zip(&standing).filter_map(|(end, id)| {
            let id = (*id)?;
            let is_open = found.get(&id)?.values == end.opened.values;
            is_open.then(|| std::iter::once(id.to_string()).chain(end.cells.iter().cloned()).collect())
        });
        let rows = rows.collect();
        let columns = columns(".id", mapping.close_fields());
        self.load(&Load { model: mapping.model(), columns, rows, manner: Manner::KeepInStep }).await?;
        for End { key, by, .. } in ends {
            self.book.set(&mapping.record().name, &key, Memo { state: State::Closed, by });
        }
        Ok(())
    }

    /// What is in the records that are there.
    async fn contents(&mut self, mapping: &Mapping, ids: &[i64]) -> Result<HashMap<i64, Contents>, Setback> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let ended: Vec<&str> = mapping.close_fields().iter().map(plantlink_config::Field::name).collect();
        let fields = [ended.as_slice(), &[MADE_AT]].concat();
        let found = self.server.read(mapping.model(), ids, &fields).await?;
        let contents = found.into_iter().map(|(id, mut values)| {
            let made_at = values.remove(MADE_AT);
            values.retain(|field, _| ended.contains(&field.as_str()));
            values.values_mut().for_each(without_name);
            (id, Contents { made_at, values })
        });
        Ok(contents.collect())
    }
}

fn is_same_record(now: &Contents, opened: &Contents) -> bool {
    opened.made_at.is_none() || opened.made_at == now.made_at
}

/// A record that a field points to comes with its name, which may change.
fn without_name(value: &mut Value) {
    if let Value::Array(pair) = value
        && let [id @ Value::Number(_), Value::String(_)] = pair.as_slice()
    {
        *value = id.clone();
    }
}
