//! What time it is: the wall clock, the clock that runs from boot, and whether the wall clock is set.

mod watch;

use std::ffi::c_long;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use plantlink_buffer::{Recorded, Stamp};
use plantlink_config::SyncedBy;
use rtime_clock::adjtime::{Timex, adjtimex};
use rustix::time::{ClockId, clock_gettime};
use uuid::Uuid;

pub(crate) use watch::watch;

/// 2026-01-01T00:00:00Z. A wall clock before this program was written is not set, whoever says so.
const WRITTEN_US: i64 = 1_767_225_600_000_000;

/// A larger error the kernel does not count: there it says that nobody keeps the clock in step. That is where it begins after
/// a boot, and where it is within nine hours of the last word from a time service (`NTP_PHASE_LIMIT`, adjtimex(2)). The flag
/// that is set then is not asked for, since some services never clear it.
const ERROR_US_MAX: c_long = 16_000_000;

/// The gateway's clocks, with what is believed about them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Clock {
    synced_by: SyncedBy,
}

/// Now, on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Time {
    /// Unix microseconds, UTC; whatever somebody has set.
    pub(crate) wall_us: i64,
    /// Microseconds of `CLOCK_BOOTTIME`, which nobody sets.
    pub(crate) boottime_us: i64,
}

/// Why the wall clock is not believed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Doubt {
    #[error("it shows a time before 2026")]
    Early,
    #[error("no time service keeps it in step")]
    Free,
    #[error("the kernel does not say whether it is kept in step")]
    Untold(#[source] io::Error),
}

impl Clock {
    pub(crate) fn new(synced_by: SyncedBy) -> Self {
        Clock { synced_by }
    }

    /// Now, for what is recorded.
    pub(crate) fn now(self) -> Stamp {
        self.look().0
    }

    /// The same, with the reason why the wall clock is not believed, if it is not.
    pub(crate) fn look(self) -> (Stamp, Option<Doubt>) {
        let Time { wall_us, boottime_us } = Time::now();
        let doubt = self.doubt(wall_us);
        (Stamp { wall_us, boottime_us, synced: doubt.is_none() }, doubt)
    }

    fn doubt(self, wall_us: i64) -> Option<Doubt> {
        if !is_plausible(wall_us) {
            return Some(Doubt::Early);
        }
        match self.synced_by {
            SyncedBy::Time => None,
            SyncedBy::Kernel => kernel_doubt(kernel_error_us()),
        }
    }
}

impl Time {
    pub(crate) fn now() -> Self {
        Time { wall_us: wall_us(), boottime_us: boottime_us() }
    }
}

impl From<Stamp> for Time {
    fn from(stamp: Stamp) -> Self {
        Time { wall_us: stamp.wall_us, boottime_us: stamp.boottime_us }
    }
}

/// Whether a wall clock can show this. One that was never set shows 1970, or when its firmware was made.
pub(crate) fn is_plausible(wall_us: i64) -> bool {
    wall_us >= WRITTEN_US
}

/// How long ago an event was recorded. In the boot that goes on, its clock tells, whatever happened to the wall clock. Of
/// another boot the wall clock tells, unless one of the times cannot be.
pub(crate) fn age(recorded: Recorded, now: Time) -> Option<Duration> {
    let elapsed_us = match recorded.boottime_us {
        Some(boottime_us) => now.boottime_us.saturating_sub(boottime_us),
        None if is_plausible(recorded.wall_us) && is_plausible(now.wall_us) => {
            now.wall_us.saturating_sub(recorded.wall_us)
        }
        None => return None,
    };
    Some(Duration::from_micros(u64::try_from(elapsed_us).unwrap_or(0)))
}

/// The C library is asked, so that the tests can give one process another time.
fn wall_us() -> i64 {
    let micros = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => micros(since),
        Err(before) => -micros(before.duration()),
    }
}

fn boottime_us() -> i64 {
    let at = clock_gettime(ClockId::Boottime);
    at.tv_sec.saturating_mul(1_000_000).saturating_add(at.tv_nsec / 1_000)
}

/// The largest error that the kernel knows of.
fn kernel_error_us() -> io::Result<c_long> {
    let mut told = Timex::new();
    adjtimex(&mut told)?;
    Ok(told.0.maxerror)
}

fn kernel_doubt(error_us: io::Result<c_long>) -> Option<Doubt> {
    match error_us {
        Ok(error_us) if error_us < ERROR_US_MAX => None,
        Ok(_) => Some(Doubt::Free),
        Err(error) => Some(Doubt::Untold(error)),
    }
}

/// Which boot this is, as the kernel names it. Where it does not, each start counts as one: what another one recorded is
/// never taken for this boot's.
pub(crate) fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map_or_else(|_| Uuid::now_v7().to_string(), |id| id.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use plantlink_buffer::TimeQuality;

    use super::*;

    /// 2026-09-21.
    const TODAY_US: i64 = 1_790_000_000_000_000;
    const TEN_YEARS_US: i64 = 10 * 365 * 86_400 * 1_000_000;

    #[test]
    fn an_age_is_told_by_the_clock_of_its_boot_and_else_by_the_wall_clock_where_it_can_be() {
        let now = Time { wall_us: TODAY_US, boottime_us: 250 };
        let ahead = Time { wall_us: TODAY_US + TEN_YEARS_US, ..now };
        let unset = Time { wall_us: 250, ..now };
        for (recorded, boottime_us, now, expected) in [
            (TODAY_US - 7, None, now, Some(7)),
            (TODAY_US + 7, None, now, Some(0)),
            (7, None, now, None),
            (TODAY_US - 7, None, unset, None),
            // In this boot, whatever the wall clock showed then and shows now.
            (TODAY_US - 7, Some(100), now, Some(150)),
            (TODAY_US - 7, Some(100), ahead, Some(150)),
            (TODAY_US + TEN_YEARS_US, Some(100), now, Some(150)),
            (100, Some(100), now, Some(150)),
            (100, Some(100), unset, Some(150)),
            (100, Some(300), now, Some(0)),
        ] {
            let recorded = Recorded { wall_us: recorded, quality: TimeQuality::Synced, boottime_us };
            assert_eq!(age(recorded, now), expected.map(Duration::from_micros), "{recorded:?} {now:?}");
        }
    }

    #[test]
    fn a_clock_before_2026_is_not_set_whoever_says_so() {
        for synced_by in [SyncedBy::Kernel, SyncedBy::Time] {
            for wall_us in [0, -1, WRITTEN_US - 1] {
                assert!(matches!(Clock::new(synced_by).doubt(wall_us), Some(Doubt::Early)), "{wall_us}");
            }
        }
        assert!(Clock::new(SyncedBy::Time).doubt(WRITTEN_US).is_none());
    }

    #[test]
    fn the_kernel_is_believed_while_it_knows_of_an_error_of_less_than_sixteen_seconds() {
        assert!(kernel_doubt(Ok(0)).is_none() && kernel_doubt(Ok(15_999_999)).is_none());
        assert!(matches!(kernel_doubt(Ok(16_000_000)), Some(Doubt::Free)));
        assert!(matches!(kernel_doubt(Err(io::ErrorKind::PermissionDenied.into())), Some(Doubt::Untold(_))));
    }
}
