//! Offering a batch: rows that are refused together are halved, and one is given up only when it was refused alone, twice.

use std::time::Duration;

use plantlink_buffer::Refusal;
use tokio::time::Instant;

use super::Odoo;
use super::api::Server;
use super::clerk::{Fate, RACE_PAUSE, Written};
use super::verdict::{Setback, names_nothing};
use crate::destination::{Batch, DeliverError, Delivery, Outcome};
use crate::envelope::Envelope;

/// A turn ends after this long, so that something more urgent waits no longer for its own.
const TURN: Duration = Duration::from_secs(1);
/// What every refusal of a row is called: its reason is a sentence, in whatever language.
const CODE: &str = "refused_by_odoo";
/// How often a row has to be refused alone.
const REFUSALS: u32 = 2;

/// Rows were refused together, or one alone.
pub(super) struct Suspicion {
    pub(super) reason: String,
    pub(super) of: Suspect,
}

/// What may be to blame for a refusal.
pub(super) enum Suspect {
    /// A row.
    Row,
    /// A row, or the user's rights.
    RowOrRights,
    /// The size: fewer rows at once may do, and none of them need be bad.
    Size,
}

impl<S: Server> Odoo<S> {
    /// Offers what it can in a turn.
    pub(super) async fn offer(&mut self, batch: &Batch) -> Delivery {
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
            let judged = match self.clerk.write(&self.mappings, offered, batch.is_replay, &mut failed).await {
                Ok(Written { fates, took, .. }) => {
                    refusals = 0;
                    self.stored(fates, took, &mut outcomes);
                    continue;
                }
                Err(Setback::Barred { reason }) => self.behind_rule(failed, reason, offered.len()).await,
                Err(setback) => self.weigh(setback, offered.len()),
            };
            let ended = match judged {
                Err(error) => Err(error),
                Ok(Suspicion { of, .. }) if offered.len() > 1 => {
                    match of {
                        Suspect::Row | Suspect::RowOrRights => self.pace.refused(offered.len()),
                        Suspect::Size => {}
                    }
                    continue;
                }
                Ok(Suspicion { reason, of }) => {
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
                                Ok(match of {
                                    Suspect::RowOrRights => self.doubt(event, reason),
                                    Suspect::Row | Suspect::Size => self.given_up(reason),
                                })
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
    pub(super) fn weigh(&mut self, setback: Setback, events: usize) -> Result<Suspicion, DeliverError> {
        Err(match setback {
            Setback::Refused { reason } | Setback::Barred { reason } | Setback::Race { certain: false, reason } => {
                return Ok(Suspicion { reason, of: Suspect::Row });
            }
            Setback::TooLarge => {
                self.pace.too_many(events);
                let reason = "the request is too large for the server or for a proxy before it (413)".to_owned();
                return Ok(Suspicion { reason, of: Suspect::Size });
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

pub(super) fn refused(reason: String) -> Outcome {
    Outcome::Rejected(Refusal { code: CODE.to_owned(), reason })
}
