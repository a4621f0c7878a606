//! How a flow's backlog moves: how long it will take at its present pace, and when events were given up. Pure.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The pace is that of this time.
const WINDOW: Duration = Duration::from_secs(30);

/// What was waiting lately, looked at again and again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress(VecDeque<(Instant, u64)>);

impl Progress {
    /// So many events wait at this moment.
    pub(crate) fn look(&mut self, waiting: u64, now: Instant) {
        while self.0.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > WINDOW) {
            self.0.pop_front();
        }
        self.0.push_back((now, waiting));
    }

    /// How long it takes until nothing waits, at the pace since the most that waited lately: what gathered before an
    /// outage ended says nothing of the pace after it. `None` when no less waits than then.
    pub(crate) fn empty_in(&self) -> Option<Duration> {
        let (now, waiting) = *self.0.back()?;
        // The last of several equal ones.
        let (then, most) = *self.0.iter().max_by_key(|(_, waiting)| *waiting)?;
        let elapsed_us = now.saturating_duration_since(then).as_micros();
        let left_us = (elapsed_us * u128::from(waiting)).checked_div(u128::from(most - waiting))?;
        u64::try_from(left_us).ok().map(Duration::from_micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told after these looks, one a second.
    fn empty_in_s(waiting: impl IntoIterator<Item = u64>) -> Option<u64> {
        let (mut progress, began) = (Progress::default(), Instant::now());
        for (second, waiting) in (0..).zip(waiting) {
            progress.look(waiting, began + Duration::from_secs(second));
        }
        progress.empty_in().map(|left| left.as_secs())
    }

    #[test]
    fn a_backlog_that_shrinks_is_gone_when_its_pace_says_so() {
        assert_eq!(empty_in_s([1_000, 900, 800]), Some(8));
        assert_eq!(empty_in_s([1_000, 0]), Some(0));
        // While it gathered, before that, it had another pace.
        assert_eq!(empty_in_s((0..20).map(|second| second * 50).chain([900, 850, 800])), Some(16));
    }

    #[test]
    fn a_backlog_that_does_not_shrink_has_no_end() {
        assert_eq!(empty_in_s([]), None);
        assert_eq!(empty_in_s([5]), None);
        assert_eq!(empty_in_s([5, 5, 5]), None);
        assert_eq!(empty_in_s([5, 6, 7]), None);
        // It shrank, but that is long ago.
        assert_eq!(empty_in_s([1_000, 900].into_iter().chain([900; 40])), None);
    }
}
