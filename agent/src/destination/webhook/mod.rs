//! The webhook destination: events are posted to one URL, and each is delivered when the endpoint has said so.
//!
//! What is in doubt is posted again: the event's id makes that harmless. An event that was refused without being named is
//! given up only after it was refused alone.

mod body;
mod endpoint;
mod signature;
mod verdict;

use std::time::Duration;

use plantlink_config::WebhookDestination;
use tokio::time::Instant;

use super::pace::Pace;
use super::{Batch, DeliverError, Delivery, Destination, Outcome, Refusal};
use crate::envelope::Envelope;
use body::Body;
use endpoint::Endpoint;
use verdict::{Setback, Taken};

/// A turn ends after this long, so that something more urgent waits no longer for its own.
const TURN: Duration = Duration::from_secs(1);
/// A turn may have this many events, however few of them a request takes.
const TURN_EVENTS: usize = 100;

/// What a refusal is called that the endpoint gives no code of its own for.
pub(super) const CODE: &str = "refused_by_endpoint";

/// One endpoint.
pub(crate) struct Webhook {
    endpoint: Endpoint,
    pace: Pace,
    /// The endpoint has said that it takes nothing before.
    not_before: Option<Instant>,
}

impl Webhook {
    pub(crate) fn new(config: &WebhookDestination) -> Self {
        Webhook { endpoint: Endpoint::new(config), pace: Pace::new(usize::from(config.batch)), not_before: None }
    }

    /// Posts the first of these events, as many as fit, and takes in what was answered. No outcome and no error asks for fewer.
    async fn offer(&mut self, events: &[Envelope]) -> Delivery {
        let body = Body::new(events, self.endpoint.config());
        let (posted, _) = events.split_at(body.events());
        let began = Instant::now();
        let taken = self.endpoint.post(posted, &body).await.and_then(|answer| {
            self.not_before = answer.used_up.map(|respite| Instant::now() + respite);
            verdict::of(&answer, &posted.iter().map(Envelope::id).collect::<Vec<_>>())
        });
        let Taken { outcomes, retry_after } = match taken {
            Ok(taken) => taken,
            Err(setback) => {
                return match self.weigh(setback, posted.len()) {
                    Ok(given_up) => Delivery { outcomes: given_up.into_iter().collect(), rest: Ok(()) },
                    Err(error) => Delivery { outcomes: Vec::new(), rest: Err(error) },
                };
            }
        };
        self.pace.stored(posted.len(), began.elapsed());
        let all = outcomes.len() == posted.len();
        Delivery { outcomes, rest: if all { Ok(()) } else { Err(DeliverError::Busy { retry_after }) } }
    }

    /// What a request of so many events comes to that was not taken: an only one is given up, fewer are to be offered, or the
    /// turn is over.
    fn weigh(&mut self, setback: Setback, events: usize) -> Result<Option<Outcome>, DeliverError> {
        let is_alone = events == 1;
        let reason = match setback {
            Setback::Refused { .. } if !is_alone => {
                self.pace.refused(events);
                return Ok(None);
            }
            Setback::TooLarge { .. } if !is_alone => {
                self.pace.too_many(events);
                return Ok(None);
            }
            Setback::Refused { reason } | Setback::TooLarge { reason } => reason,
            Setback::Unanswered(cause) => {
                self.pace.too_many(events);
                return Err(DeliverError::Unreachable(cause));
            }
            Setback::Unreachable(cause) => return Err(DeliverError::Unreachable(cause)),
            Setback::Busy { retry_after } => return Err(DeliverError::Busy { retry_after }),
            Setback::Denied { reason } => {
                self.endpoint.read_again();
                return Err(DeliverError::Refused { reason });
            }
        };
        self.pace.end_search();
        Ok(Some(Outcome::Rejected(Refusal { code: CODE.to_owned(), reason })))
    }

    /// How long the endpoint still takes nothing, as it has said.
    fn respite(&self) -> Option<Duration> {
        self.not_before?.checked_duration_since(Instant::now()).filter(|respite| !respite.is_zero())
    }
}

impl Destination for Webhook {
    fn batch_max(&self) -> usize {
        self.pace.events_max().max(TURN_EVENTS)
    }

    async fn deliver(&mut self, batch: &Batch) -> Delivery {
        let began = Instant::now();
        let mut outcomes = Vec::with_capacity(batch.events.len());
        // A search ends with its turn, since the next batch may be another flow's.
        self.pace.end_search();
        while outcomes.len() < batch.events.len() {
            if !outcomes.is_empty() && !self.pace.searches() && began.elapsed() >= TURN {
                break;
            }
            if let Some(respite) = self.respite() {
                return Delivery { outcomes, rest: Err(DeliverError::Busy { retry_after: Some(respite) }) };
            }
            let (_, open) = batch.events.split_at(outcomes.len());
            let (offered, _) = open.split_at(self.pace.next(open.len()));
            let Delivery { outcomes: answered, rest } = self.offer(offered).await;
            outcomes.extend(answered);
            if rest.is_err() {
                return Delivery { outcomes, rest };
            }
        }
        Delivery { outcomes, rest: Ok(()) }
    }

    /// HTTP knows no farewell: every answer is already the end of its request.
    async fn close(self) {}
}
