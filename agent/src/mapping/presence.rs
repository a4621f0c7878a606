//! Whether a device answers: `device.offline` and `device.online`, each once, over restarts.

use std::time::Duration;

use plantlink_buffer::Stamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::mapped::MappedDevice;
use super::since::Since;
use super::{Memory, Remembered};
use crate::reading::{Fault, Obstacle, Quality};
use crate::source::Scan;
use crate::template::rfc3339;

/// `last_good_at` is remembered anew this often, along with the events of a scan: after a restart it is at most so much
/// too early, and no commit is made for it.
const REFRESH: Duration = Duration::from_secs(60);

/// What is known of a device's presence.
pub(super) struct Presence {
    owner: String,
    memory: PresenceMemory,
    /// As it was remembered last.
    kept_good: Option<Since>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct PresenceMemory {
    /// The moment of the `device.offline`; `None` while the device answers.
    offline_since: Option<Since>,
    /// The last scan with a good value.
    last_good: Option<Since>,
}

/// What a scan says about the device's presence.
pub(super) enum Turn {
    StaysOnline,
    StaysOffline,
    Online {
        data: Map<String, Value>,
        remembered: Remembered,
    },
    /// With the last scan that had a good value; `None`: it never answered.
    Offline {
        data: Map<String, Value>,
        last_good: Option<Since>,
        remembered: Remembered,
    },
}

/// Why a device is offline, as events name it. Where its tags disagree, the first of these says most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    PortGone,
    NoRoute,
    Refused,
    Timeout,
    Exception,
}

impl Presence {
    pub(super) fn new(device: &MappedDevice, memory: &Memory) -> Self {
        let owner = format!("presence/{}", device.name);
        let memory: PresenceMemory =
            memory.get(&owner).and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default();
        Presence { owner, kept_good: memory.last_good, memory }
    }

    /// Takes a scan in of a device with so many tags.
    pub(super) fn take(&mut self, scan: &Scan, tags: usize) -> Turn {
        let now = scan.stamp;
        match (silence(scan, tags), self.memory.offline_since) {
            (None, since) => {
                if scan.readings.iter().any(|reading| reading.value.good().is_some()) {
                    self.memory.last_good = Some(now.into());
                }
                let Some(since) = since else { return Turn::StaysOnline };
                self.memory.offline_since = None;
                let data = json!({ "offline_s": since.seconds_to(now.into(), now), "was_planned": false });
                Turn::Online { data: members(data), remembered: self.remembered() }
            }
            (Some(_), Some(_)) => Turn::StaysOffline,
            (Some(cause), None) => {
                self.memory.offline_since = Some(now.into());
                let last_good = self.memory.last_good;
                let last_good_at = last_good.map(|good| rfc3339(good.wall_us(now)));
                // Modbus has no word for leaving as planned.
                let data = json!({ "cause": cause.name(), "last_good_at": last_good_at, "planned": false });
                Turn::Offline { data: members(data), last_good, remembered: self.remembered() }
            }
        }
    }

    /// The change of memory that keeps `last_good_at` young, when it is time for one.
    pub(super) fn refreshed(&mut self, now: Stamp) -> Option<Remembered> {
        self.memory.last_good?;
        let is_young = self.kept_good.is_some_and(|kept| !kept.has_lasted(REFRESH, now));
        if is_young { None } else { Some(self.remembered()) }
    }

    fn remembered(&mut self) -> Remembered {
        self.kept_good = self.memory.last_good;
        (self.owner.clone(), Some(super::json(&self.memory)))
    }
}

/// Why the device is not there: it is gone, or it answered nothing at all. A scan that ends in silence has a reading of every
/// tag.
fn silence(Scan { readings, gone, .. }: &Scan, tags: usize) -> Option<Cause> {
    if let Some(fault) = gone {
        return Cause::of(fault);
    }
    if readings.len() < tags {
        return None;
    }
    let causes: Option<Vec<Cause>> = readings
        .iter()
        .map(|reading| match &reading.value {
            Quality::Good(_) | Quality::Uncertain(..) => None,
            Quality::Bad(fault) => Cause::of(fault),
        })
        .collect();
    causes?.into_iter().min()
}

impl Cause {
    /// `None`: the device answered, and what it answered is no value.
    fn of(fault: &Fault) -> Option<Self> {
        match fault {
            Fault::NoConnection | Fault::Unreachable(Obstacle::Refused) => Some(Cause::Refused),
            Fault::Unreachable(Obstacle::NoRoute) => Some(Cause::NoRoute),
            Fault::Unreachable(Obstacle::PortGone) => Some(Cause::PortGone),
            Fault::Unreachable(Obstacle::NoAnswer) | Fault::Timeout | Fault::WrongAnswer => Some(Cause::Timeout),
            Fault::Exception(_) => Some(Cause::Exception),
            Fault::NotANumber | Fault::NotADecimal | Fault::Missing | Fault::Unscaled | Fault::WrongType => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Cause::PortGone => "port_gone",
            Cause::NoRoute => "no_route",
            Cause::Refused => "refused",
            Cause::Timeout => "timeout",
            Cause::Exception => "exception",
        }
    }
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use plantlink_buffer::Stamp;

    use super::*;
    use crate::reading::Reading;

    #[test]
    fn a_device_is_silent_when_it_answered_for_none_of_its_tags() {
        let bad = Quality::Bad;
        let good = || Quality::Good(crate::reading::Value::Unsigned(1));
        let refused = || bad(Fault::Unreachable(Obstacle::Refused));
        for (readings, expected) in [
            (vec![good(), good()], None),
            (vec![good(), bad(Fault::Timeout)], None),
            (vec![bad(Fault::Missing), bad(Fault::Timeout)], None),
            (vec![bad(Fault::NotANumber), bad(Fault::NotADecimal)], None),
            (vec![bad(Fault::Exception(2)), bad(Fault::Exception(2))], Some("exception")),
            (vec![bad(Fault::Exception(2)), bad(Fault::Timeout)], Some("timeout")),
            (vec![bad(Fault::WrongAnswer), bad(Fault::WrongAnswer)], Some("timeout")),
            (vec![bad(Fault::NoConnection), bad(Fault::Timeout)], Some("refused")),
            (vec![refused(), refused()], Some("refused")),
            (vec![bad(Fault::Unreachable(Obstacle::NoAnswer)), bad(Fault::Timeout)], Some("timeout")),
            (vec![bad(Fault::Unreachable(Obstacle::NoRoute)); 2], Some("no_route")),
            (vec![bad(Fault::Unreachable(Obstacle::PortGone)); 2], Some("port_gone")),
            // One of its tags alone, which the device refuses.
            (vec![bad(Fault::Exception(2))], None),
        ] {
            let readings = readings.into_iter().enumerate().map(|(tag, value)| Reading { tag, value });
            let scan = scan(readings.collect(), None);
            assert_eq!(silence(&scan, 2).map(Cause::name), expected, "{scan:?}");
        }
    }

    #[test]
    fn a_device_that_says_that_it_is_gone_needs_no_tags_for_that() {
        assert_eq!(silence(&scan(Vec::new(), Some(Fault::NoConnection)), 0).map(Cause::name), Some("refused"));
        assert_eq!(silence(&scan(Vec::new(), None), 0), None);
    }

    fn scan(readings: Vec<Reading>, gone: Option<Fault>) -> Scan {
        let stamp = Stamp { wall_us: 0, boottime_us: 0, synced: true };
        Scan { device: 0, stamp, readings, identity: None, nameplate: None, gone }
    }
}
