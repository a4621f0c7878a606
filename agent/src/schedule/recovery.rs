//! How long a destination is left alone after it failed, and that it is back.

use std::time::Duration;

use tokio::time::Instant;

use super::breaker::{Breaker, Failure};
use crate::destination::{DeliverError, Delivery};
use crate::retry::Retry;

/// A destination that does not let us in is asked again after this long: often enough to resume soon, and too seldom to
/// lock an account.
const KNOCK: Duration = Duration::from_secs(8);
/// A destination that asks for more patience than this is asked again all the same.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);

/// What the last turns came to.
pub(super) struct Recovery {
    retry: Retry,
    breaker: Breaker,
    /// Nothing is offered before.
    not_before: Option<Instant>,
    /// The destination did not let us in at the last turn.
    is_refused: bool,
    /// Nothing has been answered since the start or the last failure.
    is_away: bool,
}

impl Recovery {
    pub(super) fn new(retry: Retry) -> Self {
        Recovery { retry, breaker: Breaker::default(), not_before: None, is_refused: false, is_away: true }
    }

    pub(super) fn not_before(&self) -> Option<Instant> {
        self.not_before
    }

    pub(super) fn rested(&mut self) {
        self.not_before = None;
    }

    pub(super) fn is_refused(&self) -> bool {
        self.is_refused
    }

    pub(super) fn breaker_is_open(&self) -> bool {
        self.breaker.is_open()
    }

    /// Takes in what came of a turn, and says whether the destination is back with it.
    pub(super) fn learn(&mut self, delivery: &Delivery, now: Instant) -> bool {
        let has_answered = !delivery.outcomes.is_empty();
        if has_answered {
            self.breaker.answered();
        }
        self.is_refused = matches!(delivery.rest, Err(DeliverError::Refused { .. }))
            || (self.is_refused
                && matches!(
                    delivery.rest,
                    Err(DeliverError::Unreachable(_) | DeliverError::Broken(_) | DeliverError::Busy { .. })
                ));
        let pause = match &delivery.rest {
            Ok(()) => {
                self.retry.reset();
                return std::mem::take(&mut self.is_away);
            }
            // The flow waits, its neighbors do not.
            Err(DeliverError::Paused { .. }) => return false,
            Err(DeliverError::Unreachable(_) | DeliverError::Broken(_)) => {
                if has_answered {
                    self.retry.reset();
                    self.retry.pause()
                } else {
                    self.breaker.failed(Failure::Unreachable, self.retry.pause(), now)
                }
            }
            Err(DeliverError::Busy { retry_after: Some(asked) }) => self.retry.pause_of((*asked).min(RETRY_AFTER_MAX)),
            Err(DeliverError::Busy { retry_after: None }) => {
                self.breaker.failed(Failure::Overloaded, self.retry.pause(), now)
            }
            Err(DeliverError::Refused { .. }) => self.retry.pause_of(KNOCK),
        };
        self.is_away = true;
        self.not_before = Some(now + pause);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slot::Slot;

    #[test]
    fn gateways_that_are_not_let_in_knock_one_after_the_other_where_they_are_spread() {
        let now = Instant::now();
        let refused = DeliverError::Refused { reason: "not authorized".to_owned() };
        let refused = Delivery { outcomes: Vec::new(), rest: Err(refused) };
        let knocks = (0..200).map(|gateway| {
            let slot = Slot::new("mill", &format!("gw-{gateway}"), "central", Duration::from_mins(1));
            let mut recovery = Recovery::new(Retry::new(Some(slot)));
            recovery.learn(&refused, now);
            recovery.not_before().expect("it waits") - now
        });
        let mut seconds = [0; 69];
        for knock in knocks {
            assert!(knock >= KNOCK, "{knock:?}");
            seconds[knock.as_secs() as usize] += 1;
        }
        assert!(seconds.iter().all(|second| *second <= 20), "{seconds:?}");
    }
}
