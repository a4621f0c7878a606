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
        let mut entry =
            Entry { events: Vec::new(), received: None, memory: Vec::new(), doubt: None, ack, wait: self.wait };
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
        let span = |name: Option<&TagName>| name.and_then(tag).map_or(0, |tag| counter::span(tag.kind));
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
    }
}

#[cfg(test)]
mod tests {
    use plantlink_config::{
        Address, DataTemplate, Name, Sampled, SampledTags, Table, Tag, TagType, Template, WordOrder,
    };
    use serde_json::json;

    use super::*;
    use crate::reading::{Fault, Quality};

    fn tag(name: &str, kind: TagType) -> Tag {
        Tag {
            name: TagName::new(name).unwrap(),
            at: Address { table: Table::Holding, wire: 0 },
            kind,
            word_order: WordOrder::Abcd,
            bit: None,
            scale: 1.0,
            offset: 0.0,
            unit_of_measure: None,
        }
    }

    fn line(events: Vec<Derivation>) -> ModbusLine {
        let device = Device {
            name: Name::new("press-12").unwrap(),
            unit: 1,
            every: Duration::from_secs(1),
            tags: vec![tag("good_parts", TagType::U16), tag("speed", TagType::F32), tag("order_no", TagType::U32)],
            events,
            asset: None,
            max_registers: 125,
            max_bits: 2000,
        };
        ModbusLine {
            name: Name::new("line-3").unwrap(),
            address: plantlink_config::LineAddress::Tcp { host: "127.0.0.1".into(), port: 502 },
            timeout: Duration::from_millis(500),
            pause: Duration::ZERO,
            devices: vec![device],
        }
    }

    fn plant() -> Plant {
        Plant { id: Name::new("mill-07").unwrap(), gateway: Name::new("gw").unwrap() }
    }

    fn counted() -> Derivation {
        Derivation::Counted(Counted {
            good: TagName::new("good_parts").unwrap(),
            scrap: None,
            rework: None,
            max_step: None,
            data: vec![("order".into(), DataTemplate::Template(Template::new("{order_no}").unwrap()))],
        })
    }

    fn sampled(every: Option<Duration>) -> Derivation {
        Derivation::Sampled(Sampled { tags: SampledTags::All, every })
    }

    fn good(tag: usize, value: reading::Value) -> Reading {
        Reading { tag, value: Quality::Good(value) }
    }

    fn scan(second: i64, parts: u64, speed: f64) -> Scan {
        use reading::Value::{Float, Unsigned};
        Scan {
            device: 0,
            stamp: Stamp { wall_us: second * 1_000_000, boottime_us: second * 1_000_000, synced: true },
            readings: vec![good(0, Unsigned(parts)), good(1, Float(speed)), good(2, Unsigned(42))],
        }
    }

    fn silent(second: i64) -> Scan {
        let bad = |tag| Reading { tag, value: Quality::Bad(Fault::Timeout) };
        Scan { readings: vec![bad(0), bad(1), bad(2)], ..scan(second, 0, 0.0) }
    }

    fn data(entry: &Entry) -> Vec<Value> {
        entry.events.iter().map(|event| serde_json::from_slice(&event.data).unwrap()).collect()
    }

    #[test]
    fn a_moving_counter_is_an_event_with_delta_total_and_what_the_scan_saw_beside_it() {
        let mut mapper = LineMapper::new(&plant(), &line(vec![counted()]), Duration::ZERO, &Memory::new());
        assert_eq!(data(&mapper.map(scan(100, 10, 1.0), Ack::none())), [] as [Value; 0]);
        assert_eq!(data(&mapper.map(scan(101, 10, 1.0), Ack::none())), [] as [Value; 0]);
        let entry = mapper.map(scan(102, 13, 1.0), Ack::none());
        assert_eq!(
            data(&entry),
            [json!({
                "good": 3, "good_total": 13, "counter_epoch": 1, "unit_of_measure": "pcs",
                "from_at": "1970-01-01T00:01:41Z", "to_at": "1970-01-01T00:01:42Z", "cause": "interval", "order": 42,
            })]
        );
        assert_eq!(entry.memory.len(), 1);
    }

    #[test]
    fn pieces_made_while_the_agent_was_down_are_caught_up_and_none_is_counted_twice() {
        let config = line(vec![counted()]);
        let mut memory = Memory::new();
        let mut deltas = 0;
        for (second, parts) in [(1, 65_500), (2, 65_510), (3, 65_510), (4, 4), (5, 9)] {
            // A restart before every scan.
            let entry =
                LineMapper::new(&plant(), &config, Duration::ZERO, &memory).map(scan(second, parts, 1.0), Ack::none());
            for event in data(&entry) {
                assert_eq!(event["cause"], "catch_up");
                deltas += event["good"].as_u64().unwrap();
            }
            memory.extend(entry.memory.into_iter().filter_map(|(owner, value)| Some((owner, value?))));
        }
        assert_eq!(deltas, 65_536 + 9 - 65_500);
    }

    #[test]
    fn a_bad_reading_changes_no_memory() {
        let mut mapper = LineMapper::new(&plant(), &line(vec![counted()]), Duration::ZERO, &Memory::new());
        mapper.map(scan(1, 10, 1.0), Ack::none());
        let entry = mapper.map(silent(2), Ack::none());
        assert!(entry.events.is_empty() && entry.memory.is_empty());
        assert_eq!(data(&mapper.map(scan(3, 12, 1.0), Ack::none()))[0]["good"], 2);
    }

    #[test]
    fn a_sample_holds_what_changed_and_a_silent_device_is_reported_once() {
        let mut mapper = LineMapper::new(&plant(), &line(vec![sampled(None)]), Duration::ZERO, &Memory::new());
        // It has never answered: nothing to say.
        assert!(mapper.map(silent(1), Ack::none()).events.is_empty());
        assert_eq!(
            data(&mapper.map(scan(2, 7, 1.5), Ack::none())),
            [json!({"good_parts": 7, "speed": 1.5, "order_no": 42})]
        );
        assert!(mapper.map(scan(3, 7, 1.5), Ack::none()).events.is_empty());
        assert_eq!(data(&mapper.map(scan(4, 7, 1.75), Ack::none())), [json!({"speed": 1.75})]);
        let gone = mapper.map(silent(5), Ack::none());
        assert_eq!(data(&gone), [json!({"good_parts": null, "speed": null, "order_no": null})]);
        let metadata = String::from_utf8(gone.events[0].metadata.clone()).unwrap();
        assert!(metadata.contains(r#""speed":"bad: device does not answer""#), "{metadata}");
        assert!(mapper.map(silent(6), Ack::none()).events.is_empty());
        assert_eq!(data(&mapper.map(scan(7, 7, 1.75), Ack::none())).len(), 1);
    }

    #[test]
    fn a_periodic_sample_holds_everything_and_comes_at_its_interval() {
        let every = Some(Duration::from_secs(10));
        let mut mapper = LineMapper::new(&plant(), &line(vec![sampled(every)]), Duration::ZERO, &Memory::new());
        let seconds: Vec<i64> =
            (100..130).filter(|second| !mapper.map(scan(*second, 7, 1.5), Ack::none()).events.is_empty()).collect();
        assert_eq!(seconds, [100, 110, 120]);
    }
}
