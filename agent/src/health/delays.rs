//! How long the events of a flow take from the disk to their delivery: a histogram of the last minutes. Pure.

use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Serialize;

/// Each power of two is divided into so many, so that a figure is at most an eighth too large.
const PARTS: u64 = 8;
const BUCKETS: usize = 32 * PARTS as usize;
/// The figures are of the last two of these, the present one included.
const PERIOD: Duration = Duration::from_mins(5);

/// The last minutes of one flow.
#[derive(Debug, Clone, Default)]
pub(crate) struct Delays {
    present: Counts,
    before: Counts,
    began: Option<Instant>,
}

/// How many events took how long.
#[derive(Debug, Clone)]
struct Counts([u32; BUCKETS]);

/// The figures of the last five to ten minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct DelayFigures {
    /// How many events they are made of.
    pub(crate) events: u64,
    /// Half of them took no longer, in milliseconds.
    pub(crate) p50_ms: u64,
    /// 95 of a hundred took no longer.
    pub(crate) p95_ms: u64,
    /// 99 of a hundred took no longer.
    pub(crate) p99_ms: u64,
}

impl Default for Counts {
    fn default() -> Self {
        Counts([0; BUCKETS])
    }
}

impl Delays {
    pub(crate) fn record(&mut self, delay: Duration, now: Instant) {
        self.turn(now);
        if let Some(count) = self.present.0.get_mut(bucket(delay)) {
            *count = count.saturating_add(1);
        }
    }

    /// `None` while nothing was delivered for minutes.
    pub(crate) fn figures(&self, now: Instant) -> Option<DelayFigures> {
        let mut all = self.clone();
        all.turn(now);
        let counts = || all.present.0.iter().zip(&all.before.0).map(|(one, other)| u64::from(*one) + u64::from(*other));
        let events: u64 = counts().sum();
        if events == 0 {
            return None;
        }
        let percentile = |percent: u64| {
            let rank = (events * percent).div_ceil(100);
            let mut below = 0;
            let reaches = |count: u64| {
                below += count;
                below >= rank
            };
            counts().position(reaches).map_or(0, longest_ms)
        };
        Some(DelayFigures { events, p50_ms: percentile(50), p95_ms: percentile(95), p99_ms: percentile(99) })
    }

    fn turn(&mut self, now: Instant) {
        let began = *self.began.get_or_insert(now);
        let age = now.saturating_duration_since(began);
        if age < PERIOD {
            return;
        }
        let present = std::mem::take(&mut self.present);
        self.before = if age < 2 * PERIOD { present } else { Counts::default() };
        self.began = Some(now);
    }
}

fn bucket(delay: Duration) -> usize {
    let millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX).clamp(1, u32::MAX.into());
    let power = millis.ilog2();
    let index = u64::from(power) * PARTS + ((millis * PARTS) >> power) - PARTS;
    usize::try_from(index).unwrap_or(BUCKETS - 1)
}

/// The longest delay that is counted in a bucket.
fn longest_ms(bucket: usize) -> u64 {
    let (power, part) = (bucket as u64 / PARTS, bucket as u64 % PARTS);
    (((PARTS + part + 1) << power) - 1) / PARTS
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_figure_is_never_too_small_and_at_most_an_eighth_too_large() {
        let now = Instant::now();
        for millis in (1..2_000).chain([40_000, 86_400_000, u32::MAX]) {
            let mut delays = Delays::default();
            delays.record(millis * MS, now);
            let found = delays.figures(now).unwrap().p50_ms;
            let millis = u64::from(millis);
            assert!((millis..=millis + millis / 8).contains(&found), "{found} for {millis}");
        }
        let mut delays = Delays::default();
        delays.record(Duration::MAX, now);
        assert_eq!(delays.figures(now).unwrap().p99_ms, u64::from(u32::MAX));
    }

    #[test]
    fn figures_are_ranks() {
        let now = Instant::now();
        let mut delays = Delays::default();
        for (count, millis) in [(50, 1), (45, 2), (4, 8), (1, 1_000)] {
            (0..count).for_each(|_| delays.record(millis * MS, now));
        }
        assert_eq!(delays.figures(now), Some(DelayFigures { events: 100, p50_ms: 1, p95_ms: 2, p99_ms: 8 }));
    }

    #[test]
    fn what_is_older_than_ten_minutes_is_forgotten() {
        let now = Instant::now();
        let mut delays = Delays::default();
        delays.record(MS, now);
        delays.record(100 * MS, now + PERIOD);
        assert_eq!(delays.figures(now + 2 * PERIOD - MS).unwrap().events, 2);
        assert_eq!(delays.figures(now + 2 * PERIOD).unwrap().events, 1);
        assert_eq!(delays.figures(now + 3 * PERIOD), None);
        assert_eq!(Delays::default().figures(now), None);
    }
}
