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

/// How a destination came to be back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Return {
    /// At the first try since the start.
    AtOnce,
    /// At a try after a failure, which had its slot where a fleet is spread.
    InSlot,
}

/// What the last turns came to.
pub(super) struct Recovery {
    retry: Retry,
    breaker: Breaker,
    /// Nothing is offered before.
    not_before: Option<Instant>,
    /// Whether the destination lets us in, as far as it was asked last; not before the first answer since the start.
    is_let_in: bool,
    /// How it will be back; nothing has been answered since the start or the last failure.
    away: Option<Return>,
}

impl Recovery {
    pub(super) fn new(retry: Retry) -> Self {
        Recovery { retry, breaker: Breaker::default(), not_before: None, is_let_in: false, away: Some(Return::AtOnce) }
    }

    pub(super) fn not_before(&self) -> Option<Instant> {
        self.not_before
    }

    pub(super) fn rested(&mut self) {
        self.not_before = None;
    }

    pub(super) fn is_let_in(&self) -> bool {
        self.is_let_in
    }

    pub(super) fn breaker_is_open(&self) -> bool {
        self.breaker.is_open()
    }

    /// Something was answered, which is settled later: the pauses do not grow as long as it gets on.
    pub(super) fn answered(&mut self) {
        self.breaker.answered();
        self.retry.reset();
    }

    /// Takes in what came of a turn, and says how the destination is back, if it is with this one.
    pub(super) fn learn(&mut self, delivery: &Delivery, now: Instant) -> Option<Return> {
        let has_answered = !delivery.outcomes.is_empty();
        if has_answered {
            self.breaker.answered();
        }
        self.is_let_in = match &delivery.rest {
            Ok(()) | Err(DeliverError::Paused { .. }) => true,
            Err(DeliverError::Refused { .. }) => false,
            // Nobody was at the door.
            Err(DeliverError::Unreachable(_) | DeliverError::Broken(_) | DeliverError::Busy { .. }) => self.is_let_in,
        };
        let pause = match &delivery.rest {
            Ok(()) => {
                self.retry.reset();
                return self.away.take();
            }
            // The flow waits, its neighbors do not.
            Err(DeliverError::Paused { .. }) => return None,
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
                let pause = self.retry.pause();
                let rest = self.breaker.failed(Failure::Overloaded, pause, now);
                if rest > pause { self.retry.pause_of(rest) } else { pause }
            }
            Err(DeliverError::Refused { .. }) => self.retry.pause_of(KNOCK),
        };
        self.away = Some(Return::InSlot);
        self.not_before = Some(now + pause);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slot::Slot;

    fn busy() -> Delivery {
        Delivery { outcomes: Vec::new(), rest: Err(DeliverError::Busy { retry_after: None }) }
    }

    #[test]
    fn a_destination_is_back_at_once_after_a_start_and_in_a_slot_after_a_failure_and_each_time_once() {
        let (now, mut recovery) = (Instant::now(), Recovery::new(Retry::default()));
        let answered = Delivery { outcomes: Vec::new(), rest: Ok(()) };
        assert_eq!(recovery.learn(&answered, now), Some(Return::AtOnce));
        assert_eq!(recovery.learn(&answered, now), None);
        assert_eq!(recovery.learn(&busy(), now), None);
        assert_eq!(recovery.learn(&answered, now), Some(Return::InSlot));
        assert_eq!(recovery.learn(&answered, now), None);
    }

    #[test]
    fn gateways_whose_breakers_rest_do_not_come_back_in_one_moment() {
        let now = Instant::now();
        let rests = (0..200).map(|_| {
            let mut recovery = Recovery::new(Retry::default());
            for _ in 0..5 {
                recovery.learn(&busy(), now);
            }
            recovery.not_before().expect("it waits") - now
        });
        let rests: Vec<Duration> = rests.collect();
        let (first, last) = (rests.iter().min().unwrap(), rests.iter().max().unwrap());
        assert!(*first >= Duration::from_secs(30), "{rests:?}");
        // That 200 draws from three seconds lie within one happens once in 3^190 runs.
        assert!(*last - *first > Duration::from_secs(1), "{rests:?}");
    }

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
