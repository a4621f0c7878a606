//! Records that are kept in step: the latest event of each key says what is in them.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::api::Server;
use super::book::{Memo, Origin, State};
use super::clerk::{Case, Clerk};
use super::existing::Standing;
use super::model::Model;
use super::record::{Load, Manner, Mapping, columns};
use super::verdict::Setback;

impl<S: Server> Clerk<S> {
    /// Writes what has changed: of several events with one key the latest, and none that is older than what was written.
    pub(super) async fn update(
        &mut self,
        mapping: &Mapping,
        model: &Model,
        cases: Vec<Case<'_>>,
    ) -> Result<(), Setback> {
        let record = mapping.record();
        let mut by_key: HashMap<String, Vec<(Origin, Case<'_>)>> = HashMap::new();
        let mut keys = Vec::new();
        for mut case in cases {
            let Some(key) = self.key(mapping, &mut case) else { continue };
            let shared = by_key.entry(key.clone()).or_default();
            if shared.is_empty() {
                keys.push(key);
            }
            shared.push((Origin::of(case.event), case));
        }
        let mut rows = Vec::new();
        let mut written = Vec::new();
        for key in keys {
            let mut shared = by_key.remove(&key).unwrap_or_default();
            shared.sort_by(|(one, _), (other, _)| other.order(one));
            let known = match self.book.get(&record.name, &key) {
                Some(Memo { state: State::Written { cells }, by }) => Some((cells.clone(), by.clone())),
                Some(_) | None => None,
            };
            // The latest that does not wait; what is older has nothing to add.
            for (origin, mut case) in shared {
                if known.as_ref().is_some_and(|(_, by)| origin.order(by) == Ordering::Less) {
                    break;
                }
                let Some(cells) = self.cells(&record.fields, model, &mut case).await? else { continue };
                if known.as_ref().is_none_or(|(known, _)| *known != cells) {
                    let id = match mapping.existing() {
                        None => Some(mapping.id_of_key(&self.module, &key)),
                        Some(existing) => match self.standing(mapping, existing, &key, &mut case).await? {
                            Standing::Open(id) => Some(id.to_string()),
                            Standing::Over => None,
                            Standing::Missing => continue,
                        },
                    };
                    rows.extend(id.map(|id| std::iter::once(id).chain(cells.iter().cloned()).collect()));
                }
                written.push((key, Memo { state: State::Written { cells }, by: origin }));
                break;
            }
        }
        let columns = columns(if mapping.existing().is_some() { ".id" } else { "id" }, &record.fields);
        let ids = self.load(&Load { model: mapping.model(), columns, rows, manner: Manner::KeepInStep }).await?;
        if let Some(id) = ids.last() {
            self.register.took(mapping.label(), *id);
        }
        for (key, memo) in written {
            self.book.set(&record.name, &key, memo);
        }
        Ok(())
    }
}
