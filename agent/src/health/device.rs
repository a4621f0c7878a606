//! How a device is: by the last reading of each of its tags, and by how old they are.

use std::time::Duration;

use parking_lot::Mutex;
use plantlink_config::{Device, Name, Profile, TagName};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Condition, State, Turned};
use crate::clip::clip;
use crate::clock::Time;
use crate::mapping::MappedDevice;
use crate::reading::{Fault, Quality};
use crate::source::{Identity, Scan};
use crate::template::rfc3339;

/// So many tags without a value are named; the others are counted.
const FAULTS_SHOWN: usize = 20;
/// So many intervals without a value make a device stale.
const INTERVALS: u32 = 3;
/// However short its interval, a device is not stale before that.
const FRESH_AT_LEAST: Duration = Duration::from_secs(10);

/// A device, by the last reading of each of its tags.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct DeviceHealth {
    /// The line that it is on, or the source that it publishes to.
    pub(crate) line: String,
    /// With its version, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) profile: Option<String>,
    #[serde(flatten)]
    pub(crate) condition: Condition,
    pub(crate) last_scan: Option<String>,
    /// The age in seconds of its last good value, or how long there was none since the start, where that is too long to
    /// be trusted: three intervals, ten seconds at least. One that publishes when it likes is never stale: it is down after
    /// its death certificate, and unknown while its source is down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stale_s: Option<u64>,
    pub(crate) tags_good: usize,
    pub(crate) tags_bad: usize,
    /// Some of the tags without a value, while others have one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) faults: Vec<TagFault>,
    /// The firmware that it has in place of the one that its tags were written for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unexpected_firmware: Option<String>,
    /// When it had a good value last, by the clock that nobody sets; the start until there was one.
    #[serde(skip)]
    good_boottime_us: i64,
    /// For how long a good value is news; `None`: until there is another one.
    #[serde(skip)]
    fresh_for: Option<Duration>,
}

/// Why a tag has no value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct TagFault {
    pub(crate) tag: TagName,
    pub(crate) reason: String,
}

/// The tags of a device, in their order.
pub(crate) struct KnownDevice {
    pub(crate) name: Name,
    /// With their intervals, where they are asked for.
    tags: Vec<(TagName, Option<Duration>)>,
    /// The last reading of each tag; scans bring those that were due.
    last: Mutex<Vec<Option<Result<(), Fault>>>>,
}

impl KnownDevice {
    pub(crate) fn new(device: &Device) -> Self {
        let tags = device.tags.iter().map(|tag| (tag.name.clone(), Some(tag.every)));
        KnownDevice::with(device.name.clone(), tags.collect())
    }

    /// One that publishes what its birth certificate has named.
    pub(crate) fn published(device: &MappedDevice) -> Self {
        let tags = device.tags.iter().map(|tag| (tag.name.clone(), None));
        KnownDevice::with(device.name.clone(), tags.collect())
    }

    fn with(name: Name, tags: Vec<(TagName, Option<Duration>)>) -> Self {
        KnownDevice { name, last: Mutex::new(vec![None; tags.len()]), tags }
    }
}

impl DeviceHealth {
    /// Nothing is known of it yet.
    pub(crate) fn new(line: &Name, device: &Device, now: Time) -> Self {
        let intervals = device.tags.iter().map(|tag| tag.every);
        let fresh_for = fresh_for(intervals.min().unwrap_or(device.every));
        DeviceHealth { fresh_for: Some(fresh_for), ..DeviceHealth::published(line, device.profile.as_ref(), now) }
    }

    /// One that publishes when it likes, and has not been heard of yet.
    pub(crate) fn published(source: &Name, profile: Option<&Profile>, now: Time) -> Self {
        DeviceHealth {
            line: source.to_string(),
            profile: profile.map(ToString::to_string),
            condition: Condition::default(),
            last_scan: None,
            stale_s: None,
            tags_good: 0,
            tags_bad: 0,
            faults: Vec::new(),
            unexpected_firmware: None,
            good_boottime_us: now.boottime_us,
            fresh_for: None,
        }
    }

    /// Takes in a scan, and tells if the device turned, and why it is down. It is down when it is gone, and when
    /// none of its tags has a value.
    pub(crate) fn take(&mut self, device: &KnownDevice, scan: &Scan) -> (Turned, Option<String>) {
        let KnownDevice { tags, last, .. } = device;
        let mut last = last.lock();
        for reading in &scan.readings {
            let known = match &reading.value {
                Quality::Good(_) | Quality::Uncertain(..) => {
                    self.good_boottime_us = scan.stamp.boottime_us;
                    Ok(())
                }
                Quality::Bad(fault) => Err(fault.clone()),
            };
            if let Some(last) = last.get_mut(reading.tag) {
                *last = Some(known);
            }
        }
        self.last_scan = Some(rfc3339(scan.stamp.wall_us));
        self.tags_good = last.iter().flatten().filter(|last| last.is_ok()).count();
        self.tags_bad = last.iter().flatten().count() - self.tags_good;
        // A tag that has no value brings none at its interval: the others say what can be expected.
        let good = tags.iter().zip(&*last).filter(|(_, last)| matches!(last, Some(Ok(()))));
        if let Some(shortest) = good.filter_map(|((_, every), _)| *every).min() {
            self.fresh_for = Some(fresh_for(shortest));
        }
        let faults = tags.iter().zip(&*last).filter_map(|((tag, _), last)| Some((tag, last.as_ref()?.as_ref().err()?)));
        let first = faults.clone().next();
        let is_silent = scan.gone.is_some() || self.tags_good == 0 && first.is_some();
        let state = if is_silent { State::Down } else { State::Up };
        let (fault, named) = match state {
            // With the whole device down, one tag's name would mislead.
            State::Down => {
                let fault = scan.gone.as_ref().or(first.map(|(_, fault)| fault));
                (fault.map(ToString::to_string), Vec::new())
            }
            State::Up | State::Unknown => {
                let named = |(tag, fault): (&TagName, &Fault)| TagFault { tag: tag.clone(), reason: fault.to_string() };
                (first.map(|(tag, fault)| format!("{tag}: {fault}")), faults.take(FAULTS_SHOWN).map(named).collect())
            }
        };
        self.faults = named;
        let turned = self.condition.turn(state, fault.as_deref());
        (turned, fault.filter(|_| state == State::Down))
    }

    /// Takes in what the device said that it is, and tells if that turned right or wrong.
    pub(crate) fn identify(&mut self, identity: &Identity) -> Turned {
        let found = || identity.found.as_ref().map_or_else(|| "none".to_owned(), |found| clip(found.to_string()));
        let unexpected = (!identity.expected).then(found);
        let turned = if self.unexpected_firmware == unexpected { Turned::No } else { Turned::Yes };
        self.unexpected_firmware = unexpected;
        turned
    }

    /// Nobody would hear of it now. One that was down stays so.
    pub(crate) fn unheard(&mut self) {
        match self.condition.state {
            State::Up => {
                self.condition.turn(State::Unknown, None);
            }
            State::Unknown | State::Down => {}
        }
    }

    /// The same, with the age of its values at that moment.
    pub(crate) fn at(mut self, now: Time) -> Self {
        // A value that came after that moment has no age.
        let age_us = now.boottime_us.saturating_sub(self.good_boottime_us);
        let age = Duration::from_micros(u64::try_from(age_us).unwrap_or(0));
        self.stale_s = self.fresh_for.filter(|fresh_for| age > *fresh_for).map(|_| age.as_secs());
        self
    }
}

fn fresh_for(interval: Duration) -> Duration {
    interval.saturating_mul(INTERVALS).max(FRESH_AT_LEAST)
}

#[cfg(test)]
mod tests {
    use plantlink_buffer::Stamp;
    use plantlink_config::Tag;

    use super::*;
    use crate::reading::{Reading, Value};
    use crate::source::modbus::fake::{device, holding};

    fn second(second: i64) -> Time {
        Time { wall_us: 0, boottime_us: second * 1_000_000 }
    }

    fn scan(at: i64, values: Vec<(usize, Quality<Value>)>) -> Scan {
        let readings = values.into_iter().map(|(tag, value)| Reading { tag, value }).collect();
        let stamp = Stamp { wall_us: 0, boottime_us: second(at).boottime_us, synced: true };
        Scan { device: 0, stamp, readings, identity: None, nameplate: None, gone: None }
    }

    /// A device with two tags, and what is known of it at second 100.
    fn known(intervals: [u64; 2]) -> (KnownDevice, DeviceHealth) {
        let tags = holding(&[1, 2]).into_iter().zip(intervals);
        let tags = tags.map(|(tag, every)| Tag { every: Duration::from_secs(every), ..tag }).collect();
        let profile = Profile { name: Name::new("press-4000").unwrap(), version: Some("3".to_owned()) };
        let device = Device { profile: Some(profile), ..device(1, tags) };
        (KnownDevice::new(&device), DeviceHealth::new(&Name::new("line").unwrap(), &device, second(100)))
    }

    #[test]
    fn a_device_whose_last_good_value_is_older_than_three_intervals_and_ten_seconds_is_stale() {
        let good = || Quality::Good(Value::Unsigned(1));
        let bad = || Quality::Bad(Fault::Timeout);
        for (intervals, scans, now, expected) in [
            ([1, 1], vec![], 110, None),
            ([1, 1], vec![], 111, Some(11)),
            ([1, 1], vec![scan(200, vec![(0, good()), (1, good())])], 210, None),
            ([1, 1], vec![scan(200, vec![(0, good()), (1, good())])], 211, Some(11)),
            ([60, 20], vec![scan(200, vec![(0, good()), (1, good())])], 260, None),
            ([60, 20], vec![scan(200, vec![(0, good()), (1, good())])], 261, Some(61)),
            // What is refused at its short interval says nothing of the other one.
            ([60, 1], vec![scan(200, vec![(0, good()), (1, bad())]), scan(201, vec![(1, bad())])], 380, None),
            // Down, it is stale as well.
            ([1, 1], vec![scan(200, vec![(0, good())]), scan(205, vec![(0, bad()), (1, bad())])], 211, Some(11)),
            // The scan came after the status looked at the clock.
            ([1, 1], vec![scan(200, vec![(0, good())])], 199, None),
        ] {
            let (device, mut health) = known(intervals);
            for scan in &scans {
                health.take(&device, scan);
            }
            assert_eq!(health.at(second(now)).stale_s, expected, "{intervals:?} {scans:?} {now}");
        }
    }

    #[test]
    fn a_device_is_shown_with_its_profile_and_the_version() {
        let (_, health) = known([1, 1]);
        assert_eq!(serde_json::to_value(health).unwrap()["profile"], "press-4000 3");
    }
}
