//! One alarm over time: when it is raised, how often it comes again, and when it is cleared.

use std::time::Duration;

use plantlink_buffer::Stamp;
use plantlink_config::Alarm;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::FreshIds;
use super::since::Since;
use crate::template::rfc3339;

/// What is remembered of an alarm that is there, or was a moment ago. Of one that is not, nothing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Phase {
    /// It is there, and may not last.
    Pending {
        since: Since,
    },
    Raised(Raised),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Raised {
    alarm_id: Uuid,
    since: Since,
    /// How often it came again before it was cleared.
    repeats: u64,
    /// Since when it is not there, if it may come again.
    off_since: Option<Since>,
}

/// What there is to tell of an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Raised { alarm_id: Uuid },
    Cleared { raised: Raised, off_since: Since },
}

impl Phase {
    /// Whether the alarm was there when it was looked at last.
    pub(super) fn is_on(&self) -> bool {
        match self {
            Phase::Pending { .. } => true,
            Phase::Raised(raised) => raised.off_since.is_none(),
        }
    }

    /// Looks at an alarm once: it is raised when it lasts for `delay`, and cleared when it stays off for `hold_off`.
    pub(super) fn look(
        phase: Option<Self>,
        is_on: bool,
        delay: Duration,
        hold_off: Duration,
        now: Stamp,
        ids: &FreshIds,
    ) -> (Option<Self>, Option<Change>) {
        match (phase, is_on) {
            (None | Some(Phase::Pending { .. }), false) => (None, None),
            (None, true) => Self::rise(now.into(), delay, now, ids),
            (Some(Phase::Pending { since }), true) => Self::rise(since, delay, now, ids),
            (Some(Phase::Raised(raised)), true) => {
                let repeats = raised.repeats + u64::from(raised.off_since.is_some());
                (Some(Phase::Raised(Raised { repeats, off_since: None, ..raised })), None)
            }
            (Some(Phase::Raised(raised)), false) => {
                let off_since = raised.off_since.unwrap_or_else(|| now.into());
                if off_since.has_lasted(hold_off, now) {
                    (None, Some(Change::Cleared { raised, off_since }))
                } else {
                    (Some(Phase::Raised(Raised { off_since: Some(off_since), ..raised })), None)
                }
            }
        }
    }

    fn rise(since: Since, delay: Duration, now: Stamp, ids: &FreshIds) -> (Option<Self>, Option<Change>) {
        if !since.has_lasted(delay, now) {
            return (Some(Phase::Pending { since }), None);
        }
        let alarm_id = ids.next(now);
        let raised = Raised { alarm_id, since, repeats: 0, off_since: None };
        (Some(Phase::Raised(raised)), Some(Change::Raised { alarm_id }))
    }
}

impl Change {
    /// The type and the data of the event.
    pub(super) fn told(self, alarm: &Alarm, now: Stamp) -> (&'static str, Map<String, Value>) {
        let mut data = Map::new();
        let named = |data: &mut Map<String, Value>, alarm_id: Uuid| {
            data.insert("alarm_id".into(), alarm_id.to_string().into());
            data.insert("code".into(), (&*alarm.code).into());
            data.insert("text".into(), (&*alarm.text).into());
        };
        match self {
            Change::Raised { alarm_id } => {
                named(&mut data, alarm_id);
                data.insert("severity".into(), alarm.severity.name().into());
                if let Some(category) = &alarm.category {
                    data.insert("category".into(), (&**category).into());
                }
                data.insert("repeat_count".into(), 0.into());
                ("alarm.raised", data)
            }
            Change::Cleared { raised, off_since } => {
                named(&mut data, raised.alarm_id);
                data.insert("raised_at".into(), rfc3339(raised.since.wall_us(now)).into());
                data.insert("duration_s".into(), raised.since.seconds_to(off_since, now).into());
                data.insert("repeat_count".into(), raised.repeats.into());
                ("alarm.cleared", data)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of an alarm that each letter shows once a second, `x` where it is there: raised, or cleared with its
    /// duration and its repeats.
    fn told(seen: &str, delay_s: u64, hold_off_s: u64) -> Vec<String> {
        let mut phase = None;
        let mut told = Vec::new();
        for (second, seen) in (0..).zip(seen.chars()) {
            let now = Stamp { wall_us: second * 1_000_000, boottime_us: second * 1_000_000, synced: true };
            let [delay, hold_off] = [delay_s, hold_off_s].map(Duration::from_secs);
            let (next, change) = Phase::look(phase, seen == 'x', delay, hold_off, now, &FreshIds::ByChance);
            phase = next;
            told.extend(change.map(|change| match change {
                Change::Raised { .. } => format!("{second} raised"),
                Change::Cleared { raised, off_since } => {
                    let on_s = raised.since.seconds_to(off_since, now);
                    format!("{second} cleared after {on_s} s, {} repeats", raised.repeats)
                }
            }));
        }
        told
    }

    #[test]
    fn an_alarm_is_raised_when_it_lasts_and_cleared_when_it_stays_off() {
        for (seen, delay_s, hold_off_s, expected) in [
            ("..x..", 0, 0, vec!["2 raised", "3 cleared after 1 s, 0 repeats"]),
            (
                "xxx.x.",
                0,
                0,
                vec!["0 raised", "3 cleared after 3 s, 0 repeats", "4 raised", "5 cleared after 1 s, 0 repeats"],
            ),
            // Chatter: one alarm, which counts how often it came again.
            (".x.x.x...", 0, 3, vec!["1 raised"]),
            (".x.x.x....", 0, 3, vec!["1 raised", "9 cleared after 5 s, 2 repeats"]),
            // What does not last is no alarm.
            ("xx.xx.", 2, 0, vec![]),
            ("xx.xxxx.", 2, 0, vec!["5 raised", "7 cleared after 4 s, 0 repeats"]),
            // What comes back before the alarm is cleared lasts already.
            ("xxx.x..", 2, 2, vec!["2 raised"]),
            ("xxx.x...", 2, 2, vec!["2 raised", "7 cleared after 5 s, 1 repeats"]),
        ] {
            assert_eq!(told(seen, delay_s, hold_off_s), expected, "{seen} {delay_s} {hold_off_s}");
        }
    }

    #[test]
    fn raised_and_cleared_are_one_alarm() {
        let at = |second: i64| Stamp { wall_us: second * 1_000_000, boottime_us: second * 1_000_000, synced: true };
        let ids = FreshIds::counted();
        let look = |phase, is_on, second| Phase::look(phase, is_on, Duration::ZERO, Duration::ZERO, at(second), &ids);
        let (phase, Some(Change::Raised { alarm_id })) = look(None, true, 1) else { panic!("not raised") };
        let (None, Some(Change::Cleared { raised, .. })) = look(phase, false, 2) else { panic!("not cleared") };
        assert_eq!(raised.alarm_id, alarm_id);
        let (_, Some(Change::Raised { alarm_id: next })) = look(None, true, 3) else { panic!("not raised again") };
        assert_ne!(next, alarm_id);
    }
}
