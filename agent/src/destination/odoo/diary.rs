//! When a moment of every day has come.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use plantlink_config::Daily;
use tokio::time::sleep;

use crate::clock::{Time, is_plausible};
use crate::slot::Slot;

/// The gateways of a plant are spread over this time.
pub(super) const SPREAD: Duration = Duration::from_secs(600);
/// How often the clock is looked at: it may be set at any time.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Waits for one moment of every day.
pub(super) struct Diary {
    daily: Option<Daily>,
    /// So long after the moment it is this gateway's turn.
    offset: Duration,
    /// Unix microseconds, UTC; `None` until the clock is set.
    looked_us: Option<i64>,
}

impl Diary {
    pub(super) fn new(daily: Option<Daily>, slot: Slot) -> Self {
        Diary { daily, offset: slot.offset(), looked_us: None }
    }

    /// Waits until it is time, which was not so when somebody waited before. May be given up at any point.
    pub(super) async fn due(&mut self) {
        let Some(daily) = self.daily else { return std::future::pending().await };
        loop {
            let now_us = Time::now().wall_us;
            if is_plausible(now_us) {
                let looked_us = self.looked_us.replace(now_us);
                let offset = SignedDuration::try_from(self.offset).unwrap_or_default();
                let is_due = |since_us| has_come(daily, &TimeZone::system(), offset, since_us, now_us).unwrap_or(false);
                if looked_us.is_some_and(is_due) {
                    return;
                }
            }
            sleep(LOOK_EVERY).await;
        }
    }
}

/// Whether the moment, so much later, lies behind the one time and not behind the other.
fn has_come(daily: Daily, zone: &TimeZone, offset: SignedDuration, since_us: i64, now_us: i64) -> Option<bool> {
    let [since, now] = [since_us, now_us].map(|at_us| Timestamp::from_microsecond(at_us).ok());
    let (since, now) = (since?.checked_sub(offset).ok()?, now?.checked_sub(offset).ok()?);
    let today = now.to_zoned(zone.clone()).date();
    let on = |date: jiff::civil::Date| {
        let moment = date.at(daily.hour, daily.minute, 0, 0).to_zoned(zone.clone()).ok()?.timestamp();
        Some(since < moment && moment <= now)
    };
    Some(on(today)? || on(today.yesterday().ok()?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_comes_once_a_day_in_the_gateways_time_zone_and_at_its_own_offset() {
        let daily = Daily { hour: 3, minute: 10 };
        let at = |text: &str| text.parse::<Timestamp>().unwrap().as_microsecond();
        let berlin = TimeZone::fixed(jiff::tz::offset(1));
        for (zone, offset, since, now, expected) in [
            (TimeZone::UTC, 0, "2026-11-20T03:09:59Z", "2026-11-20T03:10:00Z", true),
            (TimeZone::UTC, 0, "2026-11-20T03:10:00Z", "2026-11-20T03:10:10Z", false),
            (TimeZone::UTC, 0, "2026-11-20T03:09:40Z", "2026-11-20T03:09:50Z", false),
            (TimeZone::UTC, 90, "2026-11-20T03:10:00Z", "2026-11-20T03:11:00Z", false),
            (TimeZone::UTC, 90, "2026-11-20T03:11:25Z", "2026-11-20T03:11:35Z", true),
            (berlin.clone(), 0, "2026-11-20T02:09:55Z", "2026-11-20T02:10:05Z", true),
            (berlin, 0, "2026-11-20T03:09:55Z", "2026-11-20T03:10:05Z", false),
            // A gateway that slept, or whose clock was set.
            (TimeZone::UTC, 0, "2026-11-19T23:00:00Z", "2026-11-20T09:00:00Z", true),
            (TimeZone::UTC, 0, "2026-11-20T01:00:00Z", "2026-11-21T01:00:00Z", true),
            (TimeZone::UTC, 0, "2026-11-20T09:00:00Z", "2026-11-20T01:00:00Z", false),
        ] {
            let come = has_come(daily, &zone, SignedDuration::from_secs(offset), at(since), at(now));
            assert_eq!(come, Some(expected), "{since} to {now}");
        }
    }
}
