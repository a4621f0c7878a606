//! A SUBSCRIBE or UNSUBSCRIBE without its answer, and what the answer means.

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::error::{LinkError, Waiting};
use super::packet::Qos;
use super::reason::Reason;

/// What a broker is asked for with filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asking {
    Subscribe { qos: Qos },
    Unsubscribe,
}

/// One question.
pub(super) struct Asked {
    pub(super) packet_id: u16,
    pub(super) what: Asking,
    /// When something last came that the answer may stand behind, or could not come because of us.
    pub(super) since: Instant,
    pub(super) filters: Vec<String>,
    pub(super) reply: oneshot::Sender<Result<(), LinkError>>,
}

impl Asking {
    pub(super) fn waiting(self) -> Waiting {
        match self {
            Asking::Subscribe { .. } => Waiting::Suback,
            Asking::Unsubscribe => Waiting::Unsuback,
        }
    }
}

impl Asked {
    /// A SUBACK has come. An answer of the other kind is a broker's slip.
    pub(super) fn subscribed(self, answers: Vec<Result<Qos, Reason>>) {
        let Asking::Subscribe { qos } = self.what else {
            return;
        };
        let mut answers = answers.into_iter();
        let refusals: Vec<_> = self
            .filters
            .into_iter()
            .filter_map(|filter| match answers.next() {
                Some(Ok(granted)) if granted >= qos => None,
                // With less, nothing that is promised of what arrives could be kept.
                Some(Ok(_)) => Some((filter, Reason::new(Reason::QOS_NOT_SUPPORTED))),
                Some(Err(reason)) => Some((filter, reason)),
                None => Some((filter, Reason::new(Reason::UNSPECIFIED_ERROR))),
            })
            .collect();
        let answer = if refusals.is_empty() { Ok(()) } else { Err(LinkError::Subscribe { refusals }) };
        // Nobody waits for it when the future was dropped.
        drop(self.reply.send(answer));
    }

    /// An UNSUBACK has come.
    pub(super) fn unsubscribed(self, refusals: Vec<Reason>) {
        let answer = match refusals.into_iter().next() {
            None => Ok(()),
            Some(reason) => Err(LinkError::Unsubscribe { reason }),
        };
        // Nobody waits for it when the future was dropped.
        drop(self.reply.send(answer));
    }
}
