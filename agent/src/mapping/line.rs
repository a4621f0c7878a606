//! The mapper of a Modbus line: scans of its devices into samples and counts.

use std::sync::Arc;
use std::time::Duration;

use plantlink_buffer::{Event, Stamp};
use plantlink_config::{Counted, Derivation, Device, ModbusLine, Plant, TagName};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::counter::{self, Counter, Step};
use super::sample::Sampler;
use super::{Entry, Memory, Remembered, asset_member, event, json};
use crate::reading::{self, Reading};
use crate::source::{Ack, Scan};
use crate::template::{self, Scope, rfc3339};

/// Keeps what the devices of one line have shown so far.
pub(crate) struct LineMapper {
    plant: Plant,
    devices: Vec<DeviceMapper>,
    wait: Duration,
}

struct DeviceMapper {
    device: Device,
    source: Arc<str>,
    /// The members of `metadata` that all events of the device share.
    metadata: Vec<u8>,
    samplers: Vec<Sampler>,
    counts: Vec<Counting>,
}

impl LineMapper {
    /// `commit_within` is the most that a power cut may cost; `memory` is what was remembered at the last stop.
    pub(crate) fn new(plant: &Plant, line: &ModbusLine, commit_within: Duration, memory: &Memory) -> Self {
        let devices = line.devices.iter().map(|device| DeviceMapper::new(device, memory)).collect();
        LineMapper { plant: plant.clone(), devices, wait: commit_within }
    }

    pub(crate) fn map(&mut self, scan: Scan, ack: Ack) -> Entry {
        let mut entry = Entry {
            events: Vec::new(),
            received: None,
            memory: Vec::new(),
            doubt: None,
            unmapped: None,
            ack,
            wait: self.wait,
        };
        if let Some(device) = self.devices.get_mut(scan.device) {
            device.map(&self.plant, &scan, &mut entry.events, &mut entry.memory);
        }
        entry
    }
}

impl DeviceMapper {
    fn new(device: &Device, memory: &Memory) -> Self {
        let mut samplers = Vec::new();
        let mut counts = Vec::new();
        for derivation in &device.events {
            match derivation {
                Derivation::Sampled(sampled) => samplers.push(Sampler::new(sampled, device)),
                Derivation::Counted(counted) => counts.push(Counting::new(counted, device, memory)),
            }
        }
        DeviceMapper {
            source: (&*device.name).into(),
            metadata: asset_member(device.asset.as_ref()),
            device: device.clone(),
            samplers,
            counts,
        }
    }

    fn map(&mut self, plant: &Plant, scan: &Scan, events: &mut Vec<Event>, memory: &mut Vec<Remembered>) {
        let scope = ScanScope { plant, device: &self.device, readings: &scan.readings };
        for counting in &mut self.counts {
            let (data, remembered) = counting.count(&scope, scan.stamp);
            memory.extend(remembered);
            if let Some(data) = data {
                events.push(event(&self.source, "production.counted", scan.stamp, &data, self.metadata.clone()));
            }
        }
        for sampler in &mut self.samplers {
            if let Some(sample) = sampler.sample(&self.device, &scan.readings, scan.stamp) {
                let mut metadata = self.metadata.clone();
                if !sample.quality.is_empty() {
                    metadata.extend_from_slice(br#","quality":"#);
                    metadata.extend_from_slice(&json(&sample.quality));
                }
                events.push(event(&self.source, "measurement.sampled", scan.stamp, &sample.data, metadata));
            }
        }
    }
}

/// The tags of one scan by name.
struct ScanScope<'a> {
    plant: &'a Plant,
    device: &'a Device,
    readings: &'a [Reading],
}

impl ScanScope<'_> {
    fn value(&self, name: &str) -> Option<&reading::Value> {
        let place = self.device.tags.iter().position(|tag| *tag.name == *name)?;
        self.readings.iter().find(|reading| reading.tag == place)?.value.value()
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

/// One `production.counted` of one device, with what it remembers.
struct Counting {
    counted: Counted,
    unit_of_measure: String,
    owner: String,
    spans: Spans,
    memory: CountMemory,
    /// The first scan since the start catches up what was counted meanwhile.
    catching_up: bool,
    /// When the counters were last seen, for the beginning of the next interval.
    seen_us: Option<i64>,
}

struct Spans {
    good: u64,
    scrap: u64,
    rework: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct CountMemory {
    epoch: u64,
    good: Option<Counter>,
    scrap: Option<Counter>,
    rework: Option<Counter>,
    /// When it last changed, in Unix microseconds.
    at_us: i64,
}

impl Counting {
    fn new(counted: &Counted, device: &Device, memory: &Memory) -> Self {
        let owner = format!("count/{}/{}", device.name, counted.good);
        let tag = |name: &TagName| device.tags.iter().find(|tag| tag.name == *name);
        let span = |name: Option<&TagName>| name.and_then(tag).map_or(0, |tag| counter::span(&tag.kind));
        let remembered: Option<CountMemory> = memory.get(&owner).and_then(|bytes| serde_json::from_slice(bytes).ok());
        Counting {
            unit_of_measure: tag(&counted.good)
                .and_then(|tag| tag.unit_of_measure.clone())
                .unwrap_or_else(|| "pcs".into()),
            spans: Spans {
                good: span(Some(&counted.good)),
                scrap: span(counted.scrap.as_ref()),
                rework: span(counted.rework.as_ref()),
            },
            catching_up: remembered.is_some(),
            seen_us: None,
            memory: remembered.unwrap_or_default(),
            counted: counted.clone(),
            owner,
        }
    }

    /// The event's data, if a counter moved, and the change of memory, if there is one.
    fn count(&mut self, scope: &ScanScope<'_>, stamp: Stamp) -> (Option<Map<String, Value>>, Option<Remembered>) {
        let Some(raws) = self.raws(scope) else { return (None, None) };
        let before = self.memory.clone();
        let most = self.counted.max_step;
        let steps = Steps {
            good: counter::step(&mut self.memory.good, raws.good, self.spans.good, most),
            scrap: raws.scrap.map(|raw| counter::step(&mut self.memory.scrap, raw, self.spans.scrap, most)),
            rework: raws.rework.map(|raw| counter::step(&mut self.memory.rework, raw, self.spans.rework, most)),
        };
        let new_epoch = steps.all().any(|step| matches!(step, Step::NewEpoch(_)));
        if new_epoch || self.memory.epoch == 0 {
            self.memory.epoch += 1;
        }
        let from_us = self.seen_us.unwrap_or(if before.at_us == 0 { stamp.wall_us } else { before.at_us });
        self.seen_us = Some(stamp.wall_us);
        let catching_up = std::mem::take(&mut self.catching_up);
        if before.good == self.memory.good && before.scrap == self.memory.scrap && before.rework == self.memory.rework {
            return (None, None);
        }
        self.memory.at_us = stamp.wall_us;
        let moved = steps.all().any(|step| matches!(step, Step::Counted(_) | Step::NewEpoch(_)));
        let data = moved.then(|| {
            let cause = match (new_epoch, catching_up) {
                (true, _) => "reset",
                (false, true) => "catch_up",
                (false, false) => "interval",
            };
            self.data(&steps, from_us, stamp.wall_us, cause, scope)
        });
        (data, Some((self.owner.clone(), Some(json(&self.memory)))))
    }

    /// What the counters show, or nothing while one of them cannot be trusted: a bad reading changes no memory.
    fn raws(&self, scope: &ScanScope<'_>) -> Option<Raws> {
        let optional = |name: &Option<TagName>| match name {
            None => Some(None),
            Some(name) => scope.value(name).and_then(whole).map(Some),
        };
        Some(Raws {
            good: scope.value(&self.counted.good).and_then(whole)?,
            scrap: optional(&self.counted.scrap)?,
            rework: optional(&self.counted.rework)?,
        })
    }

    fn data(&self, steps: &Steps, from_us: i64, to_us: i64, cause: &str, scope: &ScanScope<'_>) -> Map<String, Value> {
        let mut data = Map::new();
        for (name, total_name, step, counter) in [
            ("good", "good_total", Some(steps.good), self.memory.good),
            ("scrap", "scrap_total", steps.scrap, self.memory.scrap),
            ("rework", "rework_total", steps.rework, self.memory.rework),
        ] {
            if let (Some(step), Some(counter)) = (step, counter) {
                data.insert(name.into(), pieces(step).into());
                data.insert(total_name.into(), counter.total.into());
            }
        }
        data.insert("counter_epoch".into(), self.memory.epoch.into());
        data.insert("unit_of_measure".into(), self.unit_of_measure.clone().into());
        data.insert("from_at".into(), rfc3339(from_us).into());
        data.insert("to_at".into(), rfc3339(to_us).into());
        data.insert("cause".into(), cause.into());
        data.extend(template::table(&self.counted.data, scope));
        data
    }
}

struct Raws {
    good: u64,
    scrap: Option<u64>,
    rework: Option<u64>,
}

struct Steps {
    good: Step,
    scrap: Option<Step>,
    rework: Option<Step>,
}

impl Steps {
    fn all(&self) -> impl Iterator<Item = Step> {
        [Some(self.good), self.scrap, self.rework].into_iter().flatten()
    }
}

fn pieces(step: Step) -> u64 {
    match step {
        Step::First | Step::Same => 0,
        Step::Counted(pieces) | Step::NewEpoch(pieces) => pieces,
    }
}

/// A counter's value as a whole number; a negative or broken one is not a count.
fn whole(value: &reading::Value) -> Option<u64> {
    match value {
        reading::Value::Bool(value) => Some(u64::from(*value)),
        reading::Value::Unsigned(value) => Some(*value),
        reading::Value::Signed(value) => u64::try_from(*value).ok(),
        reading::Value::Float(value) => {
            (*value >= 0.0 && value.fract() == 0.0 && *value < 9e15).then_some(*value as u64)
        }
        reading::Value::Text(_) | reading::Value::Labels(_) => None,
    }
}

#[cfg(test)]
mod tests;
