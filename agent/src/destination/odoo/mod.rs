//! The Odoo destination: events become records, each at most once, and a person's edit is never overwritten.
//!
//! What is in doubt is sent again as it was: the external id makes that harmless. A row is given up only after it was refused
//! alone, twice, since Odoo blames rows for what others did.

mod api;
mod barrier;
mod book;
mod call;
mod cell;
mod clerk;
mod create;
mod custom_model;
mod denial;
mod diary;
mod directory;
mod ends;
mod excuse;
mod existing;
mod holdings;
mod interval;
mod key_expiry;
mod marker;
mod model;
mod offer;
mod office;
mod preflight;
mod press;
mod race;
mod reconcile;
mod reconciled;
mod record;
mod register;
mod rule;
mod session;
mod stand;
mod survey;
mod update;
mod verdict;

use std::collections::HashSet;
use std::sync::Arc;

use plantlink_buffer::Kept;
use plantlink_config::{Name, OdooDestination};
use uuid::Uuid;

use super::pace::Pace;
use super::{Batch, DeliverError, Delivery, Destination, Expiry, Greet, Outcome};
use crate::envelope::Site;
use api::Server;
use book::Book;
use clerk::Clerk;
pub(crate) use custom_model::{Part, make_model};
pub(crate) use marker::Save;
use offer::Suspicion;
pub(crate) use office::Office;
pub(crate) use preflight::{Example, Finding, Preflight};
pub(crate) use reconcile::Reconciler;
pub(crate) use reconciled::{Desk, Tally, Visitors, Wish, desk};
use record::{Mapping, module};
use register::Register;
pub(crate) use register::Shelf;
use verdict::Setback;

/// Two hundred rows have nine tenths of the best rate of Odoo 18 and 19 in half a second; a hundred have that in 18 only, where
/// a call costs less. More would lengthen every race.
const EVENTS_MAX: usize = 200;

/// One database of one Odoo.
pub(crate) struct Odoo<S = Office> {
    clerk: Clerk<S>,
    config: OdooDestination,
    mappings: Vec<Mapping>,
    pace: Pace,
    /// Events that a record rule stands before, while nobody knows whether it means them or the user.
    doubted: HashSet<Uuid>,
}

impl Odoo {
    /// `kept` is what it remembered at its last stop; `save` writes down what it remembers from then on.
    pub(crate) fn new(
        config: &OdooDestination,
        site: &Site,
        office: Office,
        kept: Vec<Kept>,
        save: Save,
        shelf: Arc<dyn Shelf>,
    ) -> Self {
        Odoo::with_server(office, config, &site.plant, Book::new(kept, save), Register::new(shelf))
    }
}

impl<S: Server> Odoo<S> {
    fn with_server(server: S, config: &OdooDestination, plant: &Name, book: Book, register: Register) -> Self {
        Odoo {
            clerk: Clerk::new(server, module(plant), book, register),
            config: config.clone(),
            mappings: config.records.iter().map(Mapping::new).collect(),
            pace: Pace::new(EVENTS_MAX),
            doubted: HashSet::new(),
        }
    }
}

impl<S: Server> Destination for Odoo<S> {
    fn batch_max(&self) -> usize {
        self.pace.events_max()
    }

    async fn deliver(&mut self, batch: &Batch) -> Delivery {
        let delivery = self.offer(batch).await;
        for (event, outcome) in batch.events.iter().zip(&delivery.outcomes) {
            match outcome {
                // What is offered again stays what it became.
                Outcome::Rejected(_) if !batch.is_replay => self.clerk.gave_up(&self.mappings, event),
                Outcome::Rejected(_)
                | Outcome::Delivered
                | Outcome::Unheard
                | Outcome::Unused
                | Outcome::Waits { .. } => {}
            }
        }
        self.clerk.finish();
        delivery
    }

    fn expiry(&self) -> Option<Expiry> {
        self.clerk.server.expiry()
    }

    /// Odoo knows no farewell: every answer is already the end of its connection.
    async fn close(self) {}
}

impl<S: Server> Greet for Odoo<S> {
    async fn greet(&mut self) -> Result<(), DeliverError> {
        match self.clerk.server.enter().await {
            Ok(()) => Ok(()),
            // It says nothing about the size of calls.
            Err(Setback::Unanswered(cause)) => Err(DeliverError::Unreachable(cause)),
            Err(setback) => match self.weigh(setback, 1) {
                // There is no flow yet that it could concern alone.
                Ok(Suspicion { reason, .. }) | Err(DeliverError::Paused { reason }) => {
                    Err(DeliverError::Refused { reason })
                }
                Err(error) => Err(error),
            },
        }
    }
}

#[cfg(test)]
mod tests;
