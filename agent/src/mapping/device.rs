//! The mapper of one device: whether it is there, what it is, what it counted and what has changed.

use std::collections::HashMap;
use std::sync::Arc;

use plantlink_buffer::Event;
use plantlink_config::{Derivation, Plant, Stage, TagName};
use serde_json::Value;
use uuid::Uuid;

use super::derived::{Derived, Made};
use super::description::Description;
use super::mapped::MappedDevice;
use super::presence::{Presence, Turn};
use super::reported::Reported;
use super::sample::{Sample, Sampler};
use super::since::Since;
use super::{Entry, FreshIds, Memory, event, json};
use crate::catalog;
use crate::metadata::shared_members;
use crate::reading::{self, Caveat, Quality, Reading};
use crate::source::Scan;
use crate::template::Scope;

/// Keeps what one device has shown so far.
pub(super) struct DeviceMapper {
    device: Arc<MappedDevice>,
    /// The places of its tags.
    places: HashMap<TagName, usize>,
    source: Arc<str>,
    /// The members of `metadata` that all events of the device share.
    metadata: Vec<u8>,
    presence: Presence,
    description: Description,
    reported: Reported,
    samplers: Vec<Sampler>,
    derived: Vec<Derived>,
    ids: FreshIds,
}

impl DeviceMapper {
    pub(super) fn new(device: Arc<MappedDevice>, memory: &Memory, ids: &FreshIds) -> Self {
        let mut samplers = Vec::new();
        for (place, derivation) in device.events.iter().enumerate() {
            if let Derivation::Sampled(sampled) = derivation {
                samplers.push(Sampler::new(sampled, place, &device, memory));
            }
        }
        DeviceMapper {
            source: (&*device.name).into(),
            metadata: shared_members(device.stage, device.asset.as_ref()),
            presence: Presence::new(&device, memory),
            description: Description::new(&device, memory),
            reported: Reported::new(&device, samplers.iter().flat_map(Sampler::by_exception).copied(), memory),
            derived: device.events.iter().filter_map(|event| Derived::new(event, &device, memory)).collect(),
            places: device.tags.iter().enumerate().map(|(place, tag)| (tag.name.clone(), place)).collect(),
            device,
            samplers,
            ids: ids.clone(),
        }
    }

    pub(super) fn stage(&self) -> Stage {
        self.device.stage
    }

    /// Adds what the scan became to the entry.
    pub(super) fn map(&mut self, plant: &Plant, mut scan: Scan, entry: &mut Entry) {
        match self.presence.take(&scan, self.device.tags.len()) {
            Turn::StaysOnline => {}
            Turn::StaysOffline => return,
            Turn::Online { data, remembered } => {
                entry.memory.push(remembered);
                entry.events.push(self.event("device.online", &scan, json(&data)));
            }
            Turn::Offline { data, last_good, remembered } => {
                entry.memory.push(remembered);
                let offline = entry.events.len();
                entry.events.push(self.event("device.offline", &scan, json(&data)));
                if let Some(last_good) = last_good {
                    self.silence(plant, &scan, last_good, entry);
                }
                if let Some(events) = entry.events.get_mut(offline..) {
                    name_cause(events);
                }
                return;
            }
        }
        let before = entry.events.len();
        self.describe(plant, &scan, entry);
        if !self.description.is_trusted() {
            scan.readings.iter_mut().for_each(make_uncertain);
        }
        self.derive(plant, &scan, entry, |derived, scope, made| derived.take(scope, scan.stamp, made));
        self.sample(&scan, entry);
        if entry.events.len() > before {
            entry.memory.extend(self.presence.refreshed(scan.stamp));
        }
    }

    /// Adds what its device kept from before and sends now.
    pub(super) fn recall(&self, scan: &Scan, entry: &mut Entry) {
        let samples = self.samplers.iter().filter_map(|sampler| sampler.late(&self.device, &scan.readings));
        entry.events.extend(samples.map(|sample| self.sampled(scan, &sample)));
    }

    /// What is open in its derivations ends. Its tags turn to `null`, once, and whatever it answers later is news.
    fn silence(&mut self, plant: &Plant, scan: &Scan, last_good: Since, entry: &mut Entry) {
        self.derive(plant, scan, entry, |derived, scope, made| derived.silence(last_good, scope, scan.stamp, made));
        self.reported.forget(&mut entry.memory);
        let samples: Vec<Sample> = self
            .samplers
            .iter_mut()
            .filter_map(|sampler| sampler.silenced(&self.device, &scan.readings, &mut entry.memory))
            .collect();
        entry.events.extend(samples.iter().map(|sample| self.sampled(scan, sample)));
    }

    fn describe(&mut self, plant: &Plant, scan: &Scan, entry: &mut Entry) {
        let Some(described) = self.description.take(scan, &self.device) else { return };
        entry.memory.push(described.remembered);
        entry.events.push(self.event("device.described", scan, described.data));
        if described.is_trusted_again {
            self.derive(plant, scan, entry, |derived, scope, made| derived.renew(scope, scan.stamp, made));
        }
    }

    /// Adds what the scan means to each derivation.
    fn derive(
        &mut self,
        plant: &Plant,
        scan: &Scan,
        entry: &mut Entry,
        mut each: impl FnMut(&mut Derived, &ScanScope<'_>, &mut Made),
    ) {
        let scope = ScanScope { plant, places: &self.places, readings: &scan.readings };
        let mut made = Made::new(&self.ids);
        self.derived.iter_mut().for_each(|derived| each(derived, &scope, &mut made));
        entry.memory.extend(made.memory);
        entry.events.extend(made.events.into_iter().map(|(event_type, mut data)| {
            catalog::conform(&event_type, &mut data);
            self.event(&event_type, scan, json(&data))
        }));
    }

    fn sample(&mut self, scan: &Scan, entry: &mut Entry) {
        let news = self.reported.take(&scan.readings, scan.stamp, &mut entry.memory);
        let samples: Vec<Sample> = self
            .samplers
            .iter_mut()
            .filter_map(|sampler| sampler.sample(&self.device, scan, &news, &mut entry.memory))
            .collect();
        entry.events.extend(samples.iter().map(|sample| self.sampled(scan, sample)));
    }

    fn event(&self, event_type: &str, scan: &Scan, data: Vec<u8>) -> Event {
        event(&self.ids, &self.source, event_type, scan.stamp, data, self.metadata.clone())
    }

    fn sampled(&self, scan: &Scan, sample: &Sample) -> Event {
        let mut metadata = self.metadata.clone();
        if !sample.quality.is_empty() {
            metadata.extend_from_slice(br#","quality":"#);
            metadata.extend_from_slice(&json(&sample.quality));
        }
        event(&self.ids, &self.source, "measurement.sampled", scan.stamp, json(&sample.data), metadata)
    }
}

/// The first of the events has caused the others.
fn name_cause(events: &mut [Event]) {
    let Some((cause, effects)) = events.split_first_mut() else { return };
    let cause = Uuid::from_bytes(cause.id);
    for effect in effects {
        let members = format!(r#","correlation_id":"{cause}","causation_id":"{cause}""#);
        effect.metadata.extend_from_slice(members.as_bytes());
    }
}

/// What a device of another firmware says may mean something else.
fn make_uncertain(reading: &mut Reading) {
    if let Quality::Good(value) = &reading.value {
        reading.value = Quality::Uncertain(value.clone(), Caveat::UnexpectedFirmware);
    }
}

/// The reading of the tag at this place. Readings are in the order of the tags.
pub(super) fn reading_of(readings: &[Reading], place: usize) -> Option<&Reading> {
    let found = readings.binary_search_by_key(&place, |reading| reading.tag).ok()?;
    readings.get(found)
}

/// The tags of one scan by name, as far as they are good.
pub(super) struct ScanScope<'a> {
    plant: &'a Plant,
    places: &'a HashMap<TagName, usize>,
    readings: &'a [Reading],
}

impl ScanScope<'_> {
    /// The tag's reading, if the scan has one.
    pub(super) fn reading(&self, name: &str) -> Option<&Reading> {
        reading_of(self.readings, *self.places.get(name)?)
    }

    pub(super) fn value(&self, name: &str) -> Option<&reading::Value> {
        self.reading(name)?.value.good()
    }
}

impl Scope for ScanScope<'_> {
    fn name(&self, name: &str) -> Option<Value> {
        match (self.value(name), name) {
            (Some(value), _) => Some(value.to_json()),
            (None, "plant") => Some(Value::from(&*self.plant.id)),
            (None, "gateway") => Some(Value::from(&*self.plant.gateway)),
            (None, _) => None,
        }
    }

    fn pointer(&self, _pointer: &str) -> Option<Value> {
        None
    }
}
