//! Records of one event each: made once, and never touched again.

use super::api::Server;
use super::clerk::{Case, Clerk};
use super::model::Model;
use super::record::{Load, Manner, Mapping, columns};
use super::verdict::Setback;

impl<S: Server> Clerk<S> {
    /// Makes the records that are not there yet.
    pub(super) async fn create(
        &mut self,
        mapping: &Mapping,
        model: &Model,
        cases: Vec<Case<'_>>,
        are_replayed: bool,
    ) -> Result<(), Setback> {
        let fields = &mapping.record().fields;
        let mut rows = Vec::with_capacity(cases.len());
        for mut case in cases {
            let id = mapping.id_of_event(&self.module, case.event.id());
            // A record that a person has imported under this id would be overwritten. Nobody can know the id of an event that
            // was never delivered, so that only a replay has to look.
            if are_replayed && self.server.reference(&id).await?.is_some() {
                continue;
            }
            if let Some(cells) = self.cells(fields, model, &mut case).await? {
                rows.push(std::iter::once(id).chain(cells).collect());
            }
        }
        let columns = columns("id", fields);
        self.load(&Load { model: mapping.model(), columns, rows, manner: Manner::CreateOnce }).await.map(drop)
    }
}
