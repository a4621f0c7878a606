//! What time it is: the wall clock, the clock that runs from boot, and whether the wall clock has been set.

use std::time::Duration;

use plantlink_buffer::Stamp;
use rustix::time::{ClockId, clock_gettime};

/// 2026-01-01T00:00:00Z. A wall clock before this program was written has not been set since boot.
const WRITTEN_US: i64 = 1_767_225_600_000_000;

/// The gateway's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Clock;

impl Clock {
    pub(crate) fn now(self) -> Stamp {
        let wall_us = microseconds(ClockId::Realtime);
        Stamp { wall_us, boottime_us: microseconds(ClockId::Boottime), synced: wall_us >= WRITTEN_US }
    }
}

/// How long ago something was. The wall clock tells, also over reboots, unless it was set in between: then the clock that
/// runs from boot tells, and nobody knows of what another boot recorded.
pub(crate) fn age(recorded: Stamp, now: Stamp) -> Option<Duration> {
    let elapsed_us = if recorded.synced == now.synced {
        now.wall_us.saturating_sub(recorded.wall_us).max(0)
    } else {
        now.boottime_us.saturating_sub(recorded.boottime_us)
    };
    u64::try_from(elapsed_us).ok().map(Duration::from_micros)
}

fn microseconds(clock: ClockId) -> i64 {
    let at = clock_gettime(clock);
    at.tv_sec.saturating_mul(1_000_000).saturating_add(at.tv_nsec / 1_000)
}

/// Which boot this is, as the kernel names it; empty where the kernel does not say.
pub(crate) fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_by_the_clock_that_was_not_set_in_between() {
        let stamp = |wall_us, boottime_us, synced| Stamp { wall_us, boottime_us, synced };
        for (recorded, now, expected) in [
            (stamp(5, 900, true), stamp(12, 3, true), Some(7)),
            (stamp(5, 0, false), stamp(9, 4, false), Some(4)),
            (stamp(5, 100, false), stamp(WRITTEN_US, 250, true), Some(150)),
            (stamp(5, 300, false), stamp(WRITTEN_US, 250, true), None),
            (stamp(12, 0, true), stamp(5, 9, true), Some(0)),
        ] {
            assert_eq!(age(recorded, now), expected.map(Duration::from_micros), "{recorded:?} {now:?}");
        }
    }
}
