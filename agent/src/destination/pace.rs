//! How many events the next call takes: fewer while the destination is slow or a refused one is looked for, more when it
//! answers quickly.

use std::time::Duration;

/// A call that takes longer was too large.
const SLOW: Duration = Duration::from_secs(5);
/// A call that takes no longer can grow by a quarter without becoming slow.
const QUICK: Duration = Duration::from_secs(2);
/// So many full calls have to go well before one is made again that is as large as one that was too much. A worker that dies
/// over its call costs its server minutes.
const TRUST: u32 = 50;

/// The size of a call, and where a refused event is to be looked for.
#[derive(Debug)]
pub(crate) struct Pace {
    /// The most that a call ever takes, at least one.
    most: usize,
    events: usize,
    /// A call of so many events was too much, and so many full ones below that have gone well since.
    limit: Option<(usize, u32)>,
    /// Among so many events, from the next one on, at least one was refused.
    suspects: usize,
}

impl Pace {
    /// Begins with as many events as a call may ever take.
    pub(super) fn new(most: usize) -> Self {
        Pace { most, events: most, limit: None, suspects: 0 }
    }

    /// The most events of a call as things are.
    pub(super) fn events_max(&self) -> usize {
        self.events
    }

    /// How many of so many open events the next call takes; at least one.
    pub(super) fn next(&self, open: usize) -> usize {
        let halved = if self.suspects > 0 { self.suspects.div_ceil(2) } else { self.events };
        halved.min(self.events).min(open).max(1)
    }

    /// Whether a refused event is being looked for.
    pub(super) fn searches(&self) -> bool {
        self.suspects > 0
    }

    /// The calls for so many events were answered with success; the longest took this long.
    pub(super) fn stored(&mut self, events: usize, took: Duration) {
        self.suspects = self.suspects.saturating_sub(events);
        if took > SLOW {
            self.halve(events);
        } else if took <= QUICK && events == self.events {
            self.grow();
        }
    }

    fn grow(&mut self) {
        let larger = (self.events + self.events.div_ceil(4)).min(self.most);
        match &mut self.limit {
            Some((limit, well)) if larger >= *limit && *well < TRUST => *well += 1,
            Some((limit, _)) if larger >= *limit => {
                self.limit = None;
                self.events = larger;
            }
            Some(_) | None => self.events = larger,
        }
    }

    fn halve(&mut self, events: usize) {
        self.events = (events.min(self.events) / 2).max(1);
    }

    /// So many events together were refused.
    pub(super) fn refused(&mut self, events: usize) {
        self.suspects = events;
    }

    /// The refused event is found, or the events to look among are no longer the next ones.
    pub(super) fn end_search(&mut self) {
        self.suspects = 0;
    }

    /// So many events were too much for the destination, or for a proxy before it.
    pub(super) fn too_many(&mut self, events: usize) {
        self.limit = Some((events, 0));
        self.halve(events);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AN_INSTANT: Duration = Duration::from_millis(1);

    /// Calls until all events are settled, of which this one is refused whenever it is among the offered.
    fn calls_to_settle(events: usize, bad: usize) -> usize {
        let mut pace = Pace::new(100);
        let (mut settled, mut calls) = (0, 0);
        while settled < events {
            let taken = pace.next(events - settled);
            calls += 1;
            if !(settled..settled + taken).contains(&bad) {
                pace.stored(taken, AN_INSTANT);
                settled += taken;
            } else if taken == 1 {
                pace.end_search();
                settled += 1;
            } else {
                pace.refused(taken);
            }
        }
        calls
    }

    #[test]
    fn a_refused_event_is_found_in_as_many_calls_as_its_batch_has_halves() {
        for bad in 0..100 {
            let calls = calls_to_settle(100, bad);
            assert!(calls <= 10, "{calls} calls for event {bad}");
        }
    }

    #[test]
    fn slow_calls_shrink_and_quick_full_ones_grow_again() {
        let mut pace = Pace::new(100);
        pace.stored(100, SLOW + AN_INSTANT);
        assert_eq!(pace.events_max(), 50);
        pace.stored(7, AN_INSTANT);
        assert_eq!(pace.events_max(), 50, "a call that was not full says nothing about larger ones");
        pace.stored(50, QUICK + AN_INSTANT);
        assert_eq!(pace.events_max(), 50);
        pace.stored(50, QUICK);
        assert_eq!(pace.events_max(), 63);
        for _ in 0..10 {
            pace.stored(pace.events_max(), AN_INSTANT);
        }
        assert_eq!(pace.events_max(), 100);
    }

    #[test]
    fn a_call_never_has_less_than_one_event() {
        let mut pace = Pace::new(100);
        pace.too_many(3);
        pace.too_many(1);
        assert_eq!(pace.next(10), 1);
        for _ in 0..=TRUST {
            pace.stored(1, AN_INSTANT);
        }
        assert_eq!(pace.next(10), 2, "and it grows from there");
    }

    #[test]
    fn a_size_that_was_too_much_is_tried_again_only_after_many_calls_that_went_well() {
        let mut pace = Pace::new(100);
        let mut failures = 0;
        for _ in 0..300 {
            let events = pace.next(1_000);
            if events > 8 {
                failures += 1;
                pace.too_many(events);
            } else {
                pace.stored(events, AN_INSTANT);
            }
        }
        assert!((4..=12).contains(&failures), "{failures} of 300 calls");
        assert!(pace.events_max() >= 5, "{pace:?}");
    }
}
