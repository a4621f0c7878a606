//! Where events go: what every destination answers, and which destinations there are.

pub(crate) mod mqtt;
pub(crate) mod odoo;
mod pace;
pub(crate) mod webhook;

use std::time::Duration;

use plantlink_buffer::Refusal;
use plantlink_config::Name;

use crate::envelope::Envelope;

/// One connection or client. It tries once; the loop waits, counts, reports and stops.
pub(crate) trait Destination: Send + 'static {
    /// The most events that are worth offering at once.
    fn batch_max(&self) -> usize;

    /// Offers a batch once. What was answered is in the outcomes, in order; `rest` says why the others have none.
    fn deliver(&mut self, batch: &Batch) -> impl Future<Output = Delivery> + Send;

    /// When what it lets us in by ends, as far as it says.
    fn expiry(&self) -> Option<Expiry> {
        None
    }

    /// Says goodbye to the other side, if there is a way to.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// A destination that can tell whether it lets us in before there is anything to deliver.
pub(crate) trait Greet {
    /// Asks once.
    fn greet(&mut self) -> impl Future<Output = Result<(), DeliverError>> + Send;
}

/// A key that ends sooner than this should be replaced now: who can do it may be away.
const WARN_BEFORE: Duration = Duration::from_hours(14 * 24);

/// When a key or a certificate ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expiry {
    /// What ends, for people.
    pub(crate) of: String,
    /// Unix microseconds.
    pub(crate) at_us: i64,
}

impl Expiry {
    /// Whether what ends then should be replaced at this moment, in Unix microseconds.
    pub(crate) fn is_soon(&self, now_us: i64) -> bool {
        // What lies in the past is no time at all.
        let left = Duration::from_micros(u64::try_from(self.at_us.saturating_sub(now_us)).unwrap_or_default());
        left < WARN_BEFORE
    }
}

/// Events of one flow, oldest first.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) flow: Name,
    /// They were settled long ago, and somebody wants them offered again.
    pub(crate) is_replay: bool,
    pub(crate) events: Vec<Envelope>,
}

/// What came of offering a batch.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// One for each event from the first on, as far as there was an answer.
    pub(crate) outcomes: Vec<Outcome>,
    /// Why the others have none; `Ok` asks for the others to be offered again at once.
    pub(crate) rest: Result<(), DeliverError>,
}

/// What the destination decided about one event. No answer means: offer it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The destination has it, now or since an earlier attempt.
    Delivered,
    /// The broker has it, and nobody was subscribed.
    Unheard,
    /// No record of the destination takes it: settled as delivered without a call.
    Unused,
    /// The destination lacks something that the event points to: it is put aside, and offered again until that is there.
    Waits { reason: String },
    /// The destination will never take it.
    Rejected(Refusal),
}

impl Outcome {
    /// Whether the event is put aside.
    pub(crate) fn waits(&self) -> bool {
        match self {
            Outcome::Waits { .. } => true,
            Outcome::Delivered | Outcome::Unheard | Outcome::Unused | Outcome::Rejected { .. } => false,
        }
    }
}

/// The reason for something, as its own library told it.
pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why events have no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeliverError {
    /// Down, slow or in between: the same events are offered again after a while.
    #[error("cannot reach the destination")]
    Unreachable(#[source] Cause),
    /// It was reached, and the connection ended while the events were on their way: by chance, or because of one of them.
    #[error("the destination ended the connection")]
    Broken(#[source] Cause),
    /// The destination asks for patience.
    #[error("the destination is busy")]
    Busy { retry_after: Option<Duration> },
    /// Nothing about the events is wrong, and only a person can mend it: rights, model, topic. The other flows go on.
    #[error("paused: {reason}")]
    Paused { reason: String },
    /// The destination does not let us in: credentials, database, certificate. It concerns every flow.
    #[error("refused: {reason}")]
    Refused { reason: String },
}
