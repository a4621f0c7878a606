//! `alarm.raised` and `alarm.cleared` of a number that leaves its limits.

use plantlink_buffer::Stamp;
use plantlink_config::{Alarm, Alarmed, Limit};
use serde::{Deserialize, Serialize};

use super::alarm::Phase;
use super::derived::Made;
use super::device::ScanScope;
use super::mapped::MappedDevice;
use super::{Memory, json};
use crate::template;

/// The limits of one number, with what is remembered of them.
pub(super) struct Limited {
    alarmed: Alarmed,
    limit: Limit,
    alarm: Alarm,
    owner: String,
    crossed: Option<Crossed>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Crossed {
    side: Side,
    phase: Phase,
}

/// Which of the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Side {
    High,
    Low,
}

impl Limited {
    pub(super) fn new(alarmed: &Alarmed, limit: Limit, alarm: &Alarm, device: &MappedDevice, memory: &Memory) -> Self {
        let owner = format!("limit/{}/{}", device.name, alarm.code);
        let crossed = memory.get(&owner).and_then(|bytes| serde_json::from_slice(bytes).ok());
        Limited { alarmed: alarmed.clone(), limit, alarm: alarm.clone(), owner, crossed }
    }

    /// An event if the number left its limits for long enough, or is back within them.
    pub(super) fn take(&mut self, scope: &ScanScope<'_>, stamp: Stamp, made: &mut Made) {
        let Some(value) = scope.value(&self.alarmed.tag) else { return };
        let Some(number) = value.number() else { return };
        let before = self.crossed;
        let was = before.filter(|before| before.phase.is_on()).map(|before| before.side);
        let beyond = beyond(&self.limit, number, was);
        let phase = before.map(|before| before.phase);
        let (phase, change) =
            Phase::look(phase, beyond.is_some(), self.alarmed.delay, self.alarm.hold_off, stamp, &made.ids);
        let side = beyond.or(before.map(|before| before.side));
        self.crossed = side.zip(phase).map(|(side, phase)| Crossed { side, phase });
        made.events.extend(change.map(|change| {
            let (event_type, mut data) = change.told(&self.alarm, stamp);
            data.insert("value".into(), value.to_json());
            let limit = side.and_then(|side| side.of(&self.limit));
            data.extend(limit.map(|limit| ("limit".to_owned(), limit.into())));
            data.extend(template::table(&self.alarmed.data, scope));
            (event_type.into(), data)
        }));
        if self.crossed != before {
            made.memory.push((self.owner.clone(), self.crossed.map(|crossed| json(&crossed))));
        }
    }
}

impl Side {
    fn of(self, limit: &Limit) -> Option<f64> {
        match self {
            Side::High => limit.high,
            Side::Low => limit.low,
        }
    }
}

/// The limit that the number is beyond. From one that it was beyond it has to come back by the hysteresis.
fn beyond(limit: &Limit, number: f64, was: Option<Side>) -> Option<Side> {
    let back = |side| if was == Some(side) { limit.hysteresis } else { 0.0 };
    if limit.high.is_some_and(|high| number > high - back(Side::High)) {
        return Some(Side::High);
    }
    limit.low.is_some_and(|low| number < low + back(Side::Low)).then_some(Side::Low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_comes_back_within_a_limit_by_the_hysteresis() {
        use Side::{High, Low};
        let limit = |high, low, hysteresis| Limit { high, low, hysteresis };
        for (limit, steps) in [
            (limit(Some(80.0), None, 0.0), vec![(80.0, None), (80.1, Some(High)), (80.0, None)]),
            (
                limit(Some(80.0), None, 5.0),
                vec![(79.0, None), (81.0, Some(High)), (75.1, Some(High)), (75.0, None), (79.0, None)],
            ),
            (limit(None, Some(2.0), 0.5), vec![(2.0, None), (1.9, Some(Low)), (2.4, Some(Low)), (2.5, None)]),
            // From one limit straight to the other.
            (
                limit(Some(10.0), Some(0.0), 1.0),
                vec![(11.0, Some(High)), (-1.0, Some(Low)), (0.5, Some(Low)), (1.0, None)],
            ),
        ] {
            let mut was = None;
            for (number, expected) in steps {
                was = beyond(&limit, number, was);
                assert_eq!(was, expected, "{number} of {limit:?}");
            }
        }
    }
}
