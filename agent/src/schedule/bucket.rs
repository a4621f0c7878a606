//! A token bucket: so many events a second in the long run, and a burst after a pause. Pure, and in whole numbers.

use std::time::Duration;

use tokio::time::Instant;

/// A token in the unit that the bucket counts: one event a second is one of these a microsecond.
const TOKEN: u64 = 1_000_000;
/// Batches are made of what gathers in this part of a second, so that a limit does not make a batch of each event.
const PORTIONS: u64 = 10;

/// One limit.
#[derive(Debug)]
pub(super) struct Bucket {
    per_second: u64,
    burst: u64,
    /// In millionths, as they were `at` that moment.
    tokens: u64,
    at: Instant,
}

impl Bucket {
    /// Full. Both numbers are at least one.
    pub(super) fn new(per_second: u32, burst: u32, now: Instant) -> Self {
        let (per_second, burst) = (u64::from(per_second), u64::from(burst));
        Bucket { per_second, burst, tokens: burst * TOKEN, at: now }
    }

    /// How many of so many events may go now; else when. None goes as long as there are fewer tokens than a portion.
    pub(super) fn admit(&mut self, wanted: u64, now: Instant) -> Result<u64, Instant> {
        self.fill(now);
        let portion = (self.per_second / PORTIONS).min(self.burst).max(1).min(wanted) * TOKEN;
        if self.tokens >= portion {
            return Ok(wanted.min(self.tokens / TOKEN));
        }
        let missing = (portion - self.tokens).div_ceil(self.per_second);
        Err(now + Duration::from_micros(missing))
    }

    /// So many have gone.
    pub(super) fn take(&mut self, events: u64) {
        self.tokens = self.tokens.saturating_sub(events.saturating_mul(TOKEN));
    }

    /// So many more may go, whatever the burst.
    pub(super) fn add(&mut self, events: u64) {
        self.tokens = self.tokens.saturating_add(events.saturating_mul(TOKEN));
    }

    fn fill(&mut self, now: Instant) {
        let elapsed = u64::try_from(now.saturating_duration_since(self.at).as_micros()).unwrap_or(u64::MAX);
        self.at += Duration::from_micros(elapsed);
        let full = self.burst * TOKEN;
        if self.tokens < full {
            self.tokens = self.tokens.saturating_add(elapsed.saturating_mul(self.per_second)).min(full);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of those that are always there go in so many milliseconds, looked at each millisecond.
    fn gone(bucket: &mut Bucket, from: Instant, millis: std::ops::Range<u64>, wanted: u64) -> u64 {
        let mut gone = 0;
        for millis in millis {
            if let Ok(events) = bucket.admit(wanted, from + Duration::from_millis(millis)) {
                bucket.take(events);
                gone += events;
            }
        }
        gone
    }

    #[test]
    fn in_the_long_run_so_many_go_a_second_and_a_burst_at_first() {
        let now = Instant::now();
        for (per_second, burst, expected) in
            [(1, 1, 10), (7, 1, 70), (500, 1_000, 6_000), (3, 300, 330), (1_000, 10, 10_000)]
        {
            let gone = gone(&mut Bucket::new(per_second, burst, now), now, 0..10_000, 100_000);
            let portion = u64::from(per_second / 10).max(1);
            assert!((expected - portion..=expected).contains(&gone), "{gone} of {expected} at {per_second}, {burst}");
        }
    }

    #[test]
    fn a_pause_saves_up_no_more_than_the_burst() {
        let now = Instant::now();
        let mut bucket = Bucket::new(10, 25, now);
        bucket.take(25);
        assert_eq!(bucket.admit(100, now + Duration::from_secs(3_600)), Ok(25));
    }

    #[test]
    fn few_events_go_as_soon_as_there_is_a_token_for_each_and_many_in_portions() {
        let now = Instant::now();
        for (wanted, wait_ms) in [(1, 1), (5, 5), (100, 100), (10_000, 100)] {
            let mut bucket = Bucket::new(1_000, 1_000, now);
            bucket.take(1_000);
            let at = now + Duration::from_millis(wait_ms);
            assert_eq!(bucket.admit(wanted, now), Err(at), "{wanted}");
            assert_eq!(bucket.admit(wanted, at), Ok(wanted.min(100)), "{wanted}");
        }
    }

    #[test]
    fn what_was_added_goes_beside_the_limit() {
        let now = Instant::now();
        let mut bucket = Bucket::new(10, 10, now);
        bucket.add(500);
        assert_eq!(bucket.admit(1_000, now + Duration::from_secs(60)), Ok(510));
        bucket.take(510);
        assert_eq!(bucket.admit(1_000, now + Duration::from_secs(120)), Ok(10));
    }
}
