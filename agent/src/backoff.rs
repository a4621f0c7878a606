//! How long to wait before the next try: exponential with full jitter.

use std::time::Duration;

/// The first step of the ceiling; it doubles with every failure.
const FIRST: Duration = Duration::from_secs(1);
/// The ceiling never rises above this.
pub(crate) const LAST: Duration = Duration::from_secs(60);
/// Full jitter may draw next to nothing; this keeps a refused connection from becoming a hot loop.
const LEAST: Duration = Duration::from_millis(50);

/// Counts failures in a row.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The pause after one more failure; `draw` in 0..1 is the jitter.
    pub(crate) fn next(&mut self, draw: f64) -> Duration {
        self.ceiling().mul_f64(draw.clamp(0.0, 1.0)).max(LEAST)
    }

    /// The longest pause after one more failure.
    pub(crate) fn ceiling(&mut self) -> Duration {
        let ceiling = FIRST.saturating_mul(2_u32.saturating_pow(self.failures)).min(LAST);
        self.failures = self.failures.saturating_add(1);
        ceiling
    }

    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_doubles_up_to_a_minute_and_starts_again_after_a_success() {
        let mut backoff = Backoff::default();
        let ceilings: Vec<u64> = (0..8).map(|_| backoff.next(1.0).as_secs()).collect();
        assert_eq!(ceilings, [1, 2, 4, 8, 16, 32, 60, 60]);
        backoff.reset();
        assert_eq!(backoff.next(1.0), FIRST);
    }

    #[test]
    fn no_draw_makes_a_hot_loop() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.next(0.0), LEAST);
        assert_eq!(backoff.next(-1.0), LEAST);
    }
}
