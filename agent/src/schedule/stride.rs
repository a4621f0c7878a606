//! How many events a turn may have, so that it holds at most a second of work: whatever is more urgent waits no longer.
//! Pure.

use std::time::Duration;

/// What a turn may take.
const SECOND: Duration = Duration::from_secs(1);
/// What a full turn grows to: calls are the cheaper the more they hold, and turns do not all take the same.
const AIM: Duration = Duration::from_millis(900);
/// Where to begin with a destination that nobody knows: little enough for a slow link.
const FIRST: usize = 64;

/// The most events of a turn, as the last turns went.
#[derive(Debug)]
pub(super) struct Stride {
    events: usize,
    /// A turn that was too long, with its number of events. When fewer of them hardly take less, the time is not theirs but
    /// that of the call, and a smaller turn would only cost.
    slow: Option<(usize, Duration)>,
    /// Fewer than these do not make a turn shorter.
    least: usize,
}

impl Default for Stride {
    fn default() -> Self {
        Stride { events: FIRST, slow: None, least: 1 }
    }
}

impl Stride {
    /// The most events of the next turn, at least one.
    pub(super) fn events_max(&self) -> usize {
        self.events
    }

    /// So many events were answered, and it took so long.
    pub(super) fn measured(&mut self, events: usize, took: Duration) {
        if events == 0 {
            return;
        }
        if took <= SECOND {
            self.slow = None;
            self.least = 1;
            if events >= self.events {
                let fitting = (events as f64 * AIM.as_secs_f64() / took.as_secs_f64()) as usize;
                self.events = fitting.clamp(self.events, events.saturating_mul(2));
            }
            return;
        }
        if let Some((before, longer)) = self.slow
            && events < before
            && took > longer.mul_f64(0.75)
        {
            self.least = before;
        }
        self.slow = Some((events, took));
        let fitting = (events as f64 / took.as_secs_f64()) as usize;
        // One long turn says little: at most a half goes at a time.
        self.events = fitting.max(events / 2).max(self.least).max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Full turns of a destination that takes so many microseconds for a call and so many for each event; at most `window`
    /// events at once. Returns the last turn's events and time.
    fn settled(call_us: u64, event_us: u64, window: usize) -> (usize, Duration) {
        let mut stride = Stride::default();
        let mut last = (0, Duration::ZERO);
        for _ in 0..100 {
            let events = stride.events_max().min(window);
            last = (events, Duration::from_micros(call_us + event_us * events as u64));
            stride.measured(last.0, last.1);
        }
        last
    }

    #[test]
    fn a_turn_grows_to_the_window_where_the_destination_is_quick() {
        for (call_us, event_us) in [(0, 0), (2_000, 20), (300_000, 100)] {
            assert_eq!(settled(call_us, event_us, 500).0, 500, "{call_us}, {event_us}");
        }
    }

    #[test]
    fn a_turn_holds_about_a_second_where_each_event_takes_its_time() {
        for event_us in [5_000, 20_000, 100_000, 900_000] {
            let (events, took) = settled(10_000, event_us, 500);
            assert!(took <= Duration::from_millis(1_100), "{events} events in {took:?}");
            assert!(took >= Duration::from_millis(750), "{events} events in {took:?}");
        }
    }

    #[test]
    fn a_turn_stays_large_where_the_call_takes_the_time_and_not_the_events() {
        for call_us in [1_500_000, 2_400_000, 10_000_000] {
            let (events, _) = settled(call_us, 1_000, 100);
            assert!(events >= 50, "{events} events with {call_us}");
        }
    }

    #[test]
    fn a_destination_that_recovers_gets_large_turns_again() {
        let mut stride = Stride::default();
        for _ in 0..20 {
            stride.measured(
                stride.events_max(),
                Duration::from_millis(100) * u32::try_from(stride.events_max()).unwrap(),
            );
        }
        assert!(stride.events_max() <= 11);
        for _ in 0..8 {
            stride.measured(stride.events_max().min(500), Duration::from_millis(10));
        }
        assert!(stride.events_max() >= 500);
    }

    #[test]
    fn a_turn_that_was_not_full_says_nothing_about_larger_ones() {
        let mut stride = Stride::default();
        stride.measured(3, Duration::from_millis(1));
        assert_eq!(stride.events_max(), FIRST);
        stride.measured(0, Duration::from_secs(5));
        assert_eq!(stride.events_max(), FIRST, "nothing was answered");
    }
}
