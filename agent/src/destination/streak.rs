//! Events that were given up one after the other for one reason: soon it is no longer the events' fault.

use super::{DeliverError, Outcome};

/// So many events given up in a row, for one reason and with no success between, are not the events' fault.
const EVENTS_MAX: u32 = 20;

/// Events given up one after the other.
#[derive(Debug, Default)]
pub(crate) struct Streak {
    reason: String,
    events: u32,
}

impl Streak {
    /// What an event that was refused alone comes to: given up, unless too many were for the same reason.
    pub(super) fn give_up(&mut self, reason: String) -> Result<Outcome, DeliverError> {
        if self.reason == reason {
            self.events = self.events.saturating_add(1);
        } else {
            *self = Streak { reason: reason.clone(), events: 1 };
        }
        if self.is_too_long() {
            let reason = format!("{EVENTS_MAX} events in a row were refused alone: {reason}");
            return Err(DeliverError::Paused { reason });
        }
        Ok(Outcome::Rejected { reason })
    }

    /// An event was taken.
    pub(super) fn end(&mut self) {
        *self = Streak::default();
    }

    /// Whether the destination is only probed, until it takes an event.
    pub(super) fn is_too_long(&self) -> bool {
        self.events >= EVENTS_MAX
    }
}
