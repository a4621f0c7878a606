//! The Odoo destination: events become records, each at most once, and a person's edit is never overwritten.
//!
//! What is in doubt is sent again as it was: the external id makes that harmless. A row is given up only after it was refused
//! alone, twice, since Odoo blames rows for what others did.

mod api;
mod book;
mod call;
mod cell;
mod clerk;
mod create;
mod custom_model;
mod denial;
mod diary;
mod directory;
mod excuse;
mod existing;
mod holdings;
mod interval;
mod key_expiry;
mod marker;
mod model;
mod office;
mod preflight;
mod race;
mod reconcile;
mod reconciled;
mod record;
mod register;
mod session;
mod survey;
mod update;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use plantlink_buffer::{Kept, Refusal};
use plantlink_config::{Name, OdooDestination};
use tokio::time::Instant;

use super::pace::Pace;
use super::{Batch, DeliverError, Delivery, Destination, Expiry, Greet, Outcome};
use crate::envelope::{Envelope, Site};
use api::Server;
use book::Book;
use clerk::{Clerk, Fate, RACE_PAUSE};
pub(crate) use custom_model::{Part, make_model};
pub(crate) use marker::Save;
pub(crate) use office::Office;
pub(crate) use preflight::{Example, Finding, Preflight};
pub(crate) use reconcile::Reconciler;
pub(crate) use reconciled::{Desk, Tally, Visitors, Wish, desk};
use record::{Mapping, module};
use register::Register;
pub(crate) use register::Shelf;
use verdict::{Setback, names_nothing};

/// A turn ends after this long, so that something more urgent waits no longer for its own.
const TURN: Duration = Duration::from_secs(1);
/// What every refusal of a row is called: its reason is a sentence, in whatever language.
const CODE: &str = "refused_by_odoo";
/// How often a row has to be refused alone.
const REFUSALS: u32 = 2;
/// A hundred rows have most of the best rate in a quarter of a second; more only lengthen every race.
const EVENTS_MAX: usize = 100;

/// One database of one Odoo.
pub(crate) struct Odoo<S = Office> {
    clerk: Clerk<S>,
    config: OdooDestination,
    mappings: Vec<Mapping>,
    pace: Pace,
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
        }
    }

    /// Writes down what became of events.
    fn stored(&mut self, fates: Vec<Fate>, took: Duration, outcomes: &mut Vec<Outcome>) {
        self.pace.stored(fates.len(), took);
        for fate in fates {
            outcomes.push(match fate {
                Fate::Unused => Outcome::Unused,
                Fate::Done => Outcome::Delivered,
                Fate::Waits(reason) => Outcome::Waits { reason },
                Fate::Rejected(reason) => refused(reason),
            });
        }
    }

    /// Whether the record that was refused alone is there all the same. What keeps that from being known is no answer.
    async fn is_there(&mut self, failed: Option<usize>, event: &Envelope) -> Result<bool, DeliverError> {
        let Some(mapping) = failed.and_then(|failed| self.mappings.get(failed)) else { return Ok(false) };
        match self.clerk.excuse(mapping, event).await {
            Ok(is_there) => Ok(is_there),
            Err(setback) => self.weigh(setback, 1).map(|_| false),
        }
    }

    /// What a row comes to that is refused alone for good. That what it points to is not there is not the event's fault.
    fn given_up(&mut self, reason: String) -> Outcome {
        match names_nothing(&reason) {
            Some(cell) => {
                self.clerk.directory.refused(cell, &reason);
                Outcome::Waits { reason }
            }
            None => refused(reason),
        }
    }

    /// Whether the rows are suspected; otherwise why nothing is known of them.
    fn weigh(&mut self, setback: Setback, events: usize) -> Result<Suspicion, DeliverError> {
        Err(match setback {
            Setback::Refused { reason } | Setback::Race { certain: false, reason } => {
                return Ok(Suspicion { reason, of_size: false });
            }
            Setback::TooLarge => {
                self.pace.too_many(events);
                let reason = "the request is too large for the server or for a proxy before it (413)".to_owned();
                return Ok(Suspicion { reason, of_size: true });
            }
            Setback::Race { certain: true, .. } => {
                // A shorter call meets fewer others. Nobody is overloaded, so that nobody needs a rest.
                self.pace.too_many(events);
                DeliverError::Busy { retry_after: Some(RACE_PAUSE.1) }
            }
            Setback::Busy { retry_after } => DeliverError::Busy { retry_after },
            Setback::Unanswered(cause) => {
                self.pace.too_many(events);
                DeliverError::Unreachable(cause)
            }
            Setback::Unreachable(cause) => DeliverError::Unreachable(cause),
            Setback::Denied(denial) => DeliverError::Refused { reason: denial.told(&self.config) },
            Setback::Paused { reason } => DeliverError::Paused { reason },
        })
    }
}

fn refused(reason: String) -> Outcome {
    Outcome::Rejected(Refusal { code: CODE.to_owned(), reason })
}

/// Rows were refused together, or one alone.
struct Suspicion {
    reason: String,
    /// Fewer rows at once may do; none of them need be bad.
    of_size: bool,
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

impl<S: Server> Odoo<S> {
    async fn offer(&mut self, batch: &Batch) -> Delivery {
        let began = Instant::now();
        let mut outcomes = Vec::with_capacity(batch.events.len());
        let mut refusals = 0;
        // A search ends with its turn, since the next batch may be another flow's.
        self.pace.end_search();
        while outcomes.len() < batch.events.len() {
            if !outcomes.is_empty() && !self.pace.searches() && began.elapsed() >= TURN {
                break;
            }
            let (_, open) = batch.events.split_at(outcomes.len());
            let (offered, _) = open.split_at(self.pace.next(open.len()));
            let mut failed = None;
            let setback = match self.clerk.write(&self.mappings, offered, batch.is_replay, &mut failed).await {
                Ok((fates, took)) => {
                    refusals = 0;
                    self.stored(fates, took, &mut outcomes);
                    continue;
                }
                Err(setback) => setback,
            };
            let ended = match self.weigh(setback, offered.len()) {
                Err(error) => Err(error),
                Ok(Suspicion { of_size, .. }) if offered.len() > 1 => {
                    if !of_size {
                        self.pace.refused(offered.len());
                    }
                    continue;
                }
                Ok(Suspicion { reason, .. }) => {
                    refusals += 1;
                    if refusals < REFUSALS {
                        // What the row points to may be gone since it was found.
                        self.clerk.directory.forget();
                        continue;
                    }
                    refusals = 0;
                    match offered.first() {
                        Some(event) => match self.is_there(failed, event).await {
                            Ok(true) => continue,
                            Ok(false) => {
                                self.pace.end_search();
                                Ok(self.given_up(reason))
                            }
                            Err(error) => Err(error),
                        },
                        None => continue,
                    }
                }
            };
            match ended {
                Ok(outcome) => outcomes.push(outcome),
                Err(error) => return Delivery { outcomes, rest: Err(error) },
            }
        }
        Delivery { outcomes, rest: Ok(()) }
    }
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
