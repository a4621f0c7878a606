//! Records of one event each: made once, and never touched again.

use std::ops::AddAssign;

use super::api::Server;
use super::clerk::{Case, Clerk};
use super::model::Model;
use super::record::{Load, Manner, Mapping, columns};
use super::verdict::Setback;

/// The records that came of some events.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// Rows that Odoo has taken; it leaves those alone whose records are there.
    pub(super) rows: u64,
    /// Records that Odoo was asked about and had.
    pub(super) found: u64,
}

impl AddAssign for Made {
    fn add_assign(&mut self, more: Made) {
        self.rows += more.rows;
        self.found += more.found;
    }
}

impl<S: Server> Clerk<S> {
    /// Makes the records that are not there yet.
    pub(super) async fn create(
        &mut self,
        mapping: &Mapping,
        model: &Model,
        cases: Vec<Case<'_>>,
        are_replayed: bool,
    ) -> Result<Made, Setback> {
        let fields = &mapping.record().fields;
        let mut made = Made::default();
        let mut rows = Vec::with_capacity(cases.len());
        let mut events = Vec::with_capacity(cases.len());
        for mut case in cases {
            let event = case.event.id();
            // Whoever has deleted what Odoo had confirmed does not want it back.
            if are_replayed && self.register.has(mapping.label(), event).await? {
                continue;
            }
            let before = case.fate.clone();
            for (id, number) in mapping.ids(&self.module, case.event) {
                // A record that a person has imported under this id would be overwritten. Nobody can know the id of an event
                // that was never delivered, so that only a replay has to look.
                if are_replayed && let Some(referent) = self.server.reference(&id).await? {
                    if referent.model == mapping.model() {
                        self.register.confirm(mapping.label(), event, referent.id);
                    }
                    made.found += 1;
                    continue;
                }
                case.number = number;
                match self.cells(fields, model, &mut case).await? {
                    Some(cells) => {
                        self.unmade.remove(&mapping.place_of(case.event));
                        rows.push(std::iter::once(id).chain(cells).collect());
                        events.push(event);
                    }
                    // What it points to may have gone since an attempt whose answer was lost.
                    None if self.is_made(mapping, case.event).await? => *case.fate = before.clone(),
                    None => {}
                }
            }
        }
        let columns = columns("id", fields);
        let ids = self.load(&Load { model: mapping.model(), columns, rows, manner: Manner::CreateOnce }).await?;
        // Of an event with several the last stands for all: they were made together.
        for (event, id) in events.into_iter().zip(&ids) {
            self.register.confirm(mapping.label(), event, *id);
        }
        made.rows = ids.len() as u64;
        Ok(made)
    }
}
