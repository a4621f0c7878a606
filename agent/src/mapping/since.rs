//! Since when something is so: remembered over restarts, and right even if the clock was set meanwhile.

use std::time::Duration;

use plantlink_buffer::Stamp;
use serde::{Deserialize, Serialize};

/// The moment at which something began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Since {
    wall_us: i64,
    boottime_us: i64,
    synced: bool,
}

impl Since {
    /// It began some time before now. What was seen before the boot, or before the clock was set, is as old as the clocks
    /// of now show it.
    pub(super) fn wall(wall_us: i64, now: Stamp) -> Self {
        let age_us = now.wall_us.saturating_sub(wall_us).max(0);
        Since {
            wall_us: now.wall_us.saturating_sub(age_us),
            boottime_us: now.boottime_us.saturating_sub(age_us),
            synced: now.synced,
        }
    }

    /// The moment in Unix microseconds, as far as it is known now. One from before the clock was set is found by the clock
    /// that runs from boot.
    pub(super) fn wall_us(self, now: Stamp) -> i64 {
        match now.boottime_us.saturating_sub(self.boottime_us) {
            age_us @ 0.. if now.synced && !self.synced => now.wall_us.saturating_sub(age_us),
            _ => self.wall_us,
        }
    }

    /// Whether it has been so for this long. A clock that runs from boot goes back with a boot only, and a boot takes longer
    /// than anybody is asked to wait.
    pub(super) fn has_lasted(self, least: Duration, now: Stamp) -> bool {
        let age_us = now.boottime_us.saturating_sub(self.boottime_us);
        u64::try_from(age_us).map_or(true, |age_us| Duration::from_micros(age_us) >= least)
    }
}

impl From<Stamp> for Since {
    fn from(stamp: Stamp) -> Self {
        Since { wall_us: stamp.wall_us, boottime_us: stamp.boottime_us, synced: stamp.synced }
    }
}

/// The seconds between two moments in Unix microseconds, in whole milliseconds. A clock that was set back makes no
/// negative time.
pub(super) fn seconds(from_us: i64, to_us: i64) -> f64 {
    let milliseconds = to_us.saturating_sub(from_us).max(0) / 1_000;
    milliseconds as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(wall_s: i64, boottime_s: i64, synced: bool) -> Stamp {
        Stamp { wall_us: wall_s * 1_000_000, boottime_us: boottime_s * 1_000_000, synced }
    }

    #[test]
    fn a_moment_from_before_the_clock_was_set_is_found_when_it_is() {
        let began = Since::from(stamp(40, 40, false));
        for (now, expected_s) in [
            (stamp(60, 60, false), 40),
            (stamp(1_000_060, 60, true), 1_000_040),
            // Another boot, of which only that is known.
            (stamp(1_000_000, 5, true), 40),
        ] {
            assert_eq!(began.wall_us(now), expected_s * 1_000_000, "{now:?}");
        }
        let synced = Since::from(stamp(1_000_000, 40, true));
        assert_eq!(synced.wall_us(stamp(2_000_000, 60, true)), 1_000_000_000_000);
    }

    #[test]
    fn time_that_counts_is_that_since_boot_and_a_boot_is_long_enough() {
        let began = Since::from(stamp(100, 40, true));
        for (now, expected) in [(stamp(900, 41, true), false), (stamp(90, 42, true), true), (stamp(101, 1, true), true)]
        {
            assert_eq!(began.has_lasted(Duration::from_secs(2), now), expected, "{now:?}");
        }
        assert!(began.has_lasted(Duration::ZERO, stamp(100, 40, true)));
    }
}
