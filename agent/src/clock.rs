//! What time it is: the wall clock, the clock that runs from boot, and whether the wall clock has been set.

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

fn microseconds(clock: ClockId) -> i64 {
    let at = clock_gettime(clock);
    at.tv_sec.saturating_mul(1_000_000).saturating_add(at.tv_nsec / 1_000)
}

/// Which boot this is, as the kernel names it; empty where the kernel does not say.
pub(crate) fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}
