//! A device that publishes, or the metrics of a node itself: from its metrics to the scans of a device.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use plantlink_buffer::{EventTime, Stamp};
use plantlink_config::{Name, Plant, SparkplugMapping, TagName};

use super::super::device::DeviceMapper;
use super::super::mapped::{MappedDevice, MappedTag};
use super::super::{Entry, FreshIds, Heard, Memory};
use super::birth::{Announced, Birth};
use crate::reading::{Fault, Quality, Reading, Value};
use crate::source::Scan;
use crate::source::sparkplug::{Metric, Payload};

/// A message whose metrics come more often is rejected: one message is one commit.
const SCANS_MAX: usize = 4_096;

/// One device, as its last birth certificate has it.
pub(super) struct Published {
    birth: Birth,
    device: Arc<MappedDevice>,
    /// By place in the certificate: the place of its tag.
    tags: Vec<Option<usize>>,
    mapper: DeviceMapper,
    /// What is remembered of the device, for the mapper of another certificate.
    memory: Memory,
}

impl Published {
    /// A device with its certificate. `memory` may hold rows of others.
    pub(super) fn new(
        mapping: &Arc<SparkplugMapping>,
        name: Name,
        birth: Birth,
        memory: &Memory,
        ids: &FreshIds,
    ) -> Self {
        let (tags, places) = tags(mapping, birth.announced());
        let device = Arc::new(MappedDevice::published(mapping, name, tags));
        let of_device = |owner: &str| {
            let rest = owner.split_once('/').and_then(|(_, rest)| rest.strip_prefix(&*device.name));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let memory: Memory = memory
            .iter()
            .filter(|(owner, _)| of_device(owner))
            .map(|(owner, value)| (owner.clone(), value.clone()))
            .collect();
        Published { birth, mapper: DeviceMapper::new(device.clone(), &memory, ids), device, tags: places, memory }
    }

    /// The same device with another certificate, or with the same one.
    pub(super) fn reborn(self, mapping: &Arc<SparkplugMapping>, birth: Birth, ids: &FreshIds) -> Self {
        if self.birth.announced() == birth.announced() {
            return self;
        }
        Published::new(mapping, self.device.name.clone(), birth, &self.memory, ids)
    }

    pub(super) fn birth(&self) -> &Birth {
        &self.birth
    }

    pub(super) fn device(&self) -> &Arc<MappedDevice> {
        &self.device
    }

    /// Maps the values of its birth certificate: of all its tags, at one moment.
    pub(super) fn born(&mut self, plant: &Plant, payload: &Payload, stamp: Stamp, entry: &mut Entry) {
        let mut readings: Readings =
            (0..self.device.tags.len()).map(|tag| (tag, Quality::Bad(Fault::Missing))).collect();
        for metric in &payload.metrics {
            if let Some((tag, value)) = self.birth.place(metric).ok().and_then(|place| self.reading(place, metric)) {
                readings.insert(tag, value);
            }
        }
        self.take(plant, scan(readings, payload.timestamp, stamp), payload.timestamp, stamp, entry);
    }

    /// Maps new values, or names the metric that no certificate has named. Metrics that come several times in one message
    /// make as many scans.
    pub(super) fn data(
        &mut self,
        plant: &Plant,
        payload: &Payload,
        stamp: Stamp,
        entry: &mut Entry,
    ) -> Result<(), String> {
        let places: Result<Vec<usize>, String> =
            payload.metrics.iter().map(|metric| self.birth.place(metric)).collect();
        let (mut now, mut late) = (Scans::default(), Scans::default());
        for (place, metric) in places?.into_iter().zip(&payload.metrics) {
            let Some((tag, value)) = self.reading(place, metric) else { continue };
            let scans = if metric.is_historical == Some(true) { &mut late } else { &mut now };
            scans.add(tag, value, metric.timestamp.or(payload.timestamp));
        }
        if now.0.len() + late.0.len() > SCANS_MAX {
            return Err(format!("a metric comes more than {SCANS_MAX} times"));
        }
        for (readings, at_ms) in late.0 {
            let before = entry.events.len();
            let scan = scan(readings, at_ms, stamp);
            self.mapper.recall(&scan, entry);
            restamp(entry, before, at_ms, stamp);
        }
        for (readings, at_ms) in now.0 {
            self.take(plant, scan(readings, at_ms, stamp), at_ms, stamp, entry);
        }
        Ok(())
    }

    /// It is gone: none of its tags has a value any more. When that was, only its broker knows.
    pub(super) fn died(&mut self, plant: &Plant, fault: &Fault, stamp: Stamp, entry: &mut Entry) {
        let readings = (0..self.device.tags.len()).map(|tag| (tag, Quality::Bad(fault.clone()))).collect();
        self.take(plant, Scan { gone: Some(fault.clone()), ..scan(readings, None, stamp) }, None, stamp, entry);
    }

    /// The reading of a metric that is a tag.
    fn reading(&self, place: usize, metric: &Metric) -> Option<(usize, Quality<Value>)> {
        let tag = (*self.tags.get(place)?)?;
        let kind = &self.device.tags.get(tag)?.kind;
        let datatype = self.birth.announced().get(place)?.datatype();
        let value = datatype.map_or(Quality::Bad(Fault::WrongType), |datatype| metric.value(kind, datatype));
        Some((tag, value))
    }

    fn take(&mut self, plant: &Plant, scan: Scan, at_ms: Option<u64>, stamp: Stamp, entry: &mut Entry) {
        let (events, memory) = (entry.events.len(), entry.memory.len());
        entry.heard.push(Heard { device: self.device.clone(), scan: Some(Scan { stamp, ..scan.clone() }) });
        self.mapper.map(plant, scan, entry);
        restamp(entry, events, at_ms, stamp);
        for (owner, value) in entry.memory.iter().skip(memory) {
            match value {
                Some(value) => self.memory.insert(owner.clone(), value.clone()),
                None => self.memory.remove(owner),
            };
        }
    }
}

/// By the place of the tag.
type Readings = BTreeMap<usize, Quality<Value>>;

/// Readings that were taken together, each tag once, and when in milliseconds since 1970.
#[derive(Default)]
struct Scans(Vec<(Readings, Option<u64>)>);

impl Scans {
    fn add(&mut self, tag: usize, value: Quality<Value>, at_ms: Option<u64>) {
        match self.0.last_mut() {
            Some((readings, last_ms)) if !readings.contains_key(&tag) => {
                readings.insert(tag, value);
                *last_ms = (*last_ms).max(at_ms);
            }
            Some(_) | None => self.0.push((BTreeMap::from([(tag, value)]), at_ms)),
        }
    }
}

/// A scan at the sender's time, where it gave one: on both of our clocks, as far as ours can say how long ago that was.
fn scan(readings: Readings, at_ms: Option<u64>, stamp: Stamp) -> Scan {
    let readings = readings.into_iter().map(|(tag, value)| Reading { tag, value }).collect();
    let wall_us = at_ms.and_then(micros).unwrap_or(stamp.wall_us);
    let ago_us = if stamp.synced { stamp.wall_us.saturating_sub(wall_us) } else { 0 };
    let stamp = Stamp { wall_us, boottime_us: stamp.boottime_us.saturating_sub(ago_us), ..stamp };
    Scan { device: 0, stamp, readings, identity: None, nameplate: None, gone: None }
}

/// The events since then have the sender's time, and were recorded at ours.
fn restamp(entry: &mut Entry, since: usize, at_ms: Option<u64>, stamp: Stamp) {
    for event in entry.events.iter_mut().skip(since) {
        event.stamp = stamp;
        if let Some(wall_us) = at_ms.and_then(micros) {
            event.at = EventTime::Sender { wall_us };
        }
    }
}

/// `None`: no calendar shows it.
fn micros(at_ms: u64) -> Option<i64> {
    let at = jiff::Timestamp::from_millisecond(i64::try_from(at_ms).ok()?).ok()?;
    Some(at.as_microsecond())
}

/// The tags, and for each metric of the certificate the place of its own.
fn tags(mapping: &SparkplugMapping, announced: &[Announced]) -> (Vec<MappedTag>, Vec<Option<usize>>) {
    if let Some(listed) = &mapping.tags {
        let place = |metric: &Announced| {
            let name = TagName::of_metric(&metric.name);
            listed.iter().position(|listed| match &listed.metric {
                Some(exact) => *exact == metric.name,
                None => name.as_ref() == Some(&listed.name),
            })
        };
        return (listed.iter().map(MappedTag::from).collect(), announced.iter().map(place).collect());
    }
    let (mut tags, mut names) = (Vec::new(), HashSet::new());
    let places = announced.iter().map(|metric| {
        let (name, datatype) = (TagName::of_metric(&metric.name)?, metric.datatype()?);
        // Of two metrics with one name among tags, the first one has it.
        if Metric::is_of_the_protocol(&metric.name) || !names.insert(name.clone()) {
            return None;
        }
        tags.push(MappedTag::announced(name, datatype.tag_type()));
        Some(tags.len() - 1)
    });
    let places = places.collect();
    (tags, places)
}
