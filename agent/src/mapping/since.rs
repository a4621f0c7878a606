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
    /// It was seen since the start, so certainly in the boot that goes on. Nobody knows that of what was remembered.
    #[serde(skip)]
    is_of_this_run: bool,
}

impl Since {
    /// The moment in Unix microseconds, as far as it is known now. One from before the clock was set is found by the clock
    /// that runs from boot.
    pub(super) fn wall_us(self, now: Stamp) -> i64 {
        match now.boottime_us.saturating_sub(self.boottime_us) {
            age_us @ 0.. if now.synced && !self.synced => now.wall_us.saturating_sub(age_us),
            _ => self.wall_us,
        }
    }

    /// The seconds to a later moment, in whole milliseconds. Of what was seen since the start the clock that runs from boot
    /// tells, whatever the wall clock did in between; of what was remembered the wall clock has to.
    pub(super) fn seconds_to(self, later: Since, now: Stamp) -> f64 {
        if self.is_of_this_run && later.is_of_this_run {
            seconds(self.boottime_us, later.boottime_us)
        } else {
            seconds(self.wall_us(now), later.wall_us(now))
        }
    }

    /// The later of two moments; this one if they are the same.
    pub(super) fn or_later(self, other: Since, now: Stamp) -> Since {
        if self.seconds_to(other, now) > 0.0 { other } else { self }
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
        let Stamp { wall_us, boottime_us, synced } = stamp;
        Since { wall_us, boottime_us, synced, is_of_this_run: true }
    }
}

/// The seconds between two moments of one clock in microseconds, in whole milliseconds. A clock that was set back makes
/// no negative time.
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
    fn a_duration_since_the_start_is_right_whatever_the_wall_clock_did_meanwhile() {
        let now = stamp(1_000_100, 100, true);
        let remembered = |since| serde_json::from_value::<Since>(serde_json::to_value(since).unwrap()).unwrap();
        for (wall_s, synced) in [(1_000_040, true), (40, false), (316_000_040, true), (999_000_040, false)] {
            let began = Since::from(stamp(wall_s, 40, synced));
            assert_eq!(began.seconds_to(now.into(), now), 60.0, "{began:?}");
            assert_eq!(Since::from(now).seconds_to(began, now), 0.0, "{began:?}");
        }
        let began = remembered(Since::from(stamp(1_000_000, 700, true)));
        assert_eq!(began.seconds_to(now.into(), now), 100.0, "of a boot before that ran for longer");
        assert_eq!(began.or_later(now.into(), now), now.into());
        assert_eq!(Since::from(now).or_later(began, now), now.into());
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
