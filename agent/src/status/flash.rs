//! What this process writes to the disk, from its own account with the kernel: flash wears out by it.

use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::Instant;

const ACCOUNT: &str = "/proc/self/io";
const DAY_S: u64 = 86_400;
/// A shorter run says nothing about a day.
const PROJECTED_FROM_S: u64 = 60;

/// The account since the start. It counts what goes to the disk, whoever asks for it: events, checkpoints, rows that change.
#[derive(Debug)]
pub(crate) struct FlashAccount {
    started: Instant,
    /// Events that were recorded before the start.
    recorded: u64,
}

/// Its figures. A field is `None` where the kernel keeps no account, or while there is nothing to divide by.
#[derive(Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Flash {
    /// Bytes since the start.
    pub(crate) bytes_written: Option<u64>,
    /// For each event that was recorded since.
    pub(crate) bytes_per_event: Option<u64>,
    /// What a day comes to at the rate since the start.
    pub(crate) bytes_per_day: Option<u64>,
}

impl FlashAccount {
    pub(crate) fn new(recorded: u64) -> Self {
        FlashAccount { started: Instant::now(), recorded }
    }

    pub(crate) fn figures(&self, recorded: u64) -> Flash {
        let account = std::fs::read_to_string(ACCOUNT).ok();
        let written = account.as_deref().and_then(bytes_written);
        written.map_or_else(Flash::default, |bytes| {
            figures(bytes, recorded.saturating_sub(self.recorded), self.started.elapsed().as_secs())
        })
    }
}

fn figures(bytes: u64, events: u64, uptime_s: u64) -> Flash {
    let per_day = || u64::try_from(u128::from(bytes) * u128::from(DAY_S) / u128::from(uptime_s)).ok();
    Flash {
        bytes_written: Some(bytes),
        bytes_per_event: bytes.checked_div(events),
        bytes_per_day: (uptime_s >= PROJECTED_FROM_S).then(per_day).flatten(),
    }
}

/// What was given to the disk, without what was taken back before it got there (proc(5), `/proc/pid/io`).
fn bytes_written(account: &str) -> Option<u64> {
    let number =
        |name| account.lines().find_map(|line| line.strip_prefix(name)).and_then(|text| text.trim().parse().ok());
    let written: u64 = number("write_bytes:")?;
    Some(written.saturating_sub(number("cancelled_write_bytes:")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_reached_the_disk_is_not_counted() {
        let account = "rchar: 9\nwchar: 9000\nread_bytes: 0\nwrite_bytes: 8192\ncancelled_write_bytes: 4096\n";
        assert_eq!(bytes_written(account), Some(4_096));
        assert_eq!(bytes_written("rchar: 9\n"), None);
    }

    #[test]
    fn a_day_is_projected_from_a_minute_on() {
        let per_day = |uptime_s| figures(6_000_000, 1_000, uptime_s).bytes_per_day;
        assert_eq!(per_day(59), None);
        assert_eq!(per_day(60), Some(8_640_000_000));
    }

    #[test]
    fn without_events_there_are_no_bytes_per_event() {
        assert_eq!(figures(4_096, 0, 60).bytes_per_event, None);
        assert_eq!(figures(4_096, 2, 60).bytes_per_event, Some(2_048));
    }
}
