//! When to try again what cannot be reached: after a pause that is drawn, or in the gateway's slot where a fleet is spread.

use std::time::Duration;

use crate::backoff::Backoff;
use crate::clock::Time;
use crate::slot::Slot;

/// Gateways that were all asked to wait for a moment come back over at least this long.
const LEAST_SPREAD: Duration = Duration::from_secs(1);

/// The pauses between failures in a row.
#[derive(Debug, Default)]
pub(crate) struct Retry {
    backoff: Backoff,
    slot: Option<Slot>,
}

impl Retry {
    /// With a slot, the tries are a period apart that is as long as what the slot spreads over, and at most a minute.
    pub(crate) fn new(slot: Option<Slot>) -> Self {
        Retry { backoff: Backoff::default(), slot }
    }

    /// The pause after one more failure.
    pub(crate) fn pause(&mut self) -> Duration {
        match self.slot {
            None => self.backoff.next(fastrand::f64()),
            Some(slot) => self.in_slot(slot, Duration::ZERO),
        }
    }

    /// The pause after one more failure that came with the other side's wish to be left alone for so long, never shorter.
    /// Gateways with one wish come back one after the other where they are spread; elsewhere within the next tenth of the
    /// time, or a second if that is more.
    pub(crate) fn pause_of(&mut self, asked: Duration) -> Duration {
        match self.slot {
            None => asked + (asked / 10).max(LEAST_SPREAD).mul_f64(fastrand::f64()),
            Some(slot) => self.in_slot(slot, asked),
        }
    }

    pub(crate) fn reset(&mut self) {
        self.backoff.reset();
    }

    fn in_slot(&mut self, slot: Slot, least: Duration) -> Duration {
        let period = self.backoff.ceiling().max(slot.tries_within());
        let least_us = i64::try_from(least.as_micros()).unwrap_or(i64::MAX);
        least + slot.next(period, Time::now().wall_us.saturating_add(least_us))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backoff::LAST;

    #[test]
    fn gateways_with_one_wish_to_wait_do_not_come_back_in_one_moment_and_none_of_them_too_early() {
        for (asked_s, spread_s) in [(0, 1.0), (8, 1.0), (30, 3.0), (600, 60.0)] {
            let asked = Duration::from_secs(asked_s);
            let pauses: Vec<Duration> = (0..200).map(|_| Retry::default().pause_of(asked)).collect();
            let latest = asked + Duration::from_secs_f64(spread_s);
            assert!(pauses.iter().all(|pause| (asked..=latest).contains(pause)), "{asked:?}: {pauses:?}");
            let (first, last) = (pauses.iter().min(), pauses.iter().max());
            // That 200 draws lie within a quarter of each other happens once in 4^190 runs.
            assert!(last.zip(first).is_some_and(|(last, first)| *last - *first > (latest - asked) / 4), "{pauses:?}");
        }
    }

    #[test]
    fn what_was_asked_for_is_waited_for_and_a_slot_comes_after_it() {
        let asked = Duration::from_secs(30);
        let within = Duration::from_secs(10);
        let mut spread = Retry::new(Some(Slot::new("mill", "gw", "central", within)));
        let pause = spread.pause_of(asked);
        assert!(pause > asked && pause <= asked + within, "{pause:?}");
    }

    #[test]
    fn slots_are_a_minute_apart_at_most_however_long_a_fleet_is_spread_over() {
        let mut retry = Retry::new(Some(Slot::new("mill", "gw", "central", Duration::from_hours(1))));
        assert!((0..10).all(|_| retry.pause() <= LAST));
    }
}
