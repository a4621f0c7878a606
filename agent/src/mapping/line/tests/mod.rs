//! Scans of a line, and the events they become.

mod alarms;
mod edges;
mod jumps;
mod restarts;
mod states;
mod sums;
mod tallies;
mod turns;

use plantlink_buffer::Stamp;
use plantlink_config::{
    Address, Counted, DataTemplate, Derivation, Device, Name, Sampled, SampledTags, Table, Tag, TagName, TagType,
    Template, WordOrder,
};
use serde_json::{Value, json};

use super::*;
use crate::reading::{self, Fault, Quality, Reading};

fn tag(name: &str, kind: TagType) -> Tag {
    let at = Address { table: Table::Holding, wire: 0 };
    Tag::plain(TagName::new(name).unwrap(), at, kind, WordOrder::Abcd, Duration::from_secs(1))
}

fn line(events: Vec<Derivation>) -> ModbusLine {
    let tags = [tag("good_parts", TagType::U16), tag("speed", TagType::F32), tag("order_no", TagType::U32)].into();
    let every = Duration::from_secs(1);
    let device = Device { tags, events, ..Device::plain(Name::new("press-12").unwrap(), 1, every) };
    ModbusLine {
        name: Name::new("line-3").unwrap(),
        address: plantlink_config::LineAddress::Tcp { host: "127.0.0.1".into(), port: 502 },
        timeout: Duration::from_millis(500),
        pause: Duration::ZERO,
        devices: vec![device],
    }
}

/// Gives the line's device one more tag.
fn add(line: &mut ModbusLine, tag: Tag) {
    let tags = &mut line.devices[0].tags;
    *tags = tags.iter().cloned().chain([tag]).collect();
}

/// A tag of the line's device.
fn tag_mut(line: &mut ModbusLine, place: usize) -> &mut Tag {
    &mut Arc::make_mut(&mut line.devices[0].tags)[place]
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
        accumulate: Duration::ZERO,
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
        identity: None,
        nameplate: None,
        gone: None,
    }
}

fn silent(second: i64) -> Scan {
    let bad = |tag| Reading { tag, value: Quality::Bad(Fault::Timeout) };
    Scan { readings: vec![bad(0), bad(1), bad(2)], ..scan(second, 0, 0.0) }
}

/// The data of the events, but for what is told of the device itself.
fn data(entry: &Entry) -> Vec<Value> {
    events(entry).into_iter().filter(|(kind, _)| !kind.starts_with("device.")).map(|(_, data)| data).collect()
}

/// The types and data of the events.
fn events(entry: &Entry) -> Vec<(String, Value)> {
    let parsed = |data: &[u8]| serde_json::from_slice(data).unwrap();
    entry.events.iter().map(|event| (event.event_type.to_string(), parsed(&event.data))).collect()
}

fn mapper(events: Vec<Derivation>) -> LineMapper {
    LineMapper::new(&plant(), &line(events), Duration::ZERO, &Memory::new(), &FreshIds::ByChance)
}

/// What is remembered after the entry.
fn remember(memory: &mut Memory, entry: Entry) {
    for (owner, value) in entry.memory {
        match value {
            Some(value) => memory.insert(owner, value),
            None => memory.remove(&owner),
        };
    }
}

#[test]
fn a_moving_counter_is_an_event_with_delta_total_and_what_the_scan_saw_beside_it() {
    let mut mapper = mapper(vec![counted()]);
    assert_eq!(data(&mapper.map(scan(100, 10, 1.0), Ack::none())), [] as [Value; 0]);
    assert_eq!(data(&mapper.map(scan(101, 10, 1.0), Ack::none())), [] as [Value; 0]);
    let entry = mapper.map(scan(102, 13, 1.0), Ack::none());
    assert_eq!(
        data(&entry),
        [json!({
            "good": 3, "good_total": 13, "counter_epoch": 1, "unit_of_measure": "pcs",
            "from_at": "1970-01-01T00:01:41Z", "to_at": "1970-01-01T00:01:42Z", "cause": "interval", "order": "42",
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
        let entry = LineMapper::new(&plant(), &config, Duration::ZERO, &memory, &FreshIds::ByChance)
            .map(scan(second, parts, 1.0), Ack::none());
        for event in data(&entry) {
            assert_eq!(event["cause"], "catch_up");
            deltas += event["good"].as_u64().unwrap();
        }
        remember(&mut memory, entry);
    }
    assert_eq!(deltas, 65_536 + 9 - 65_500);
}

#[test]
fn a_bad_reading_changes_no_memory() {
    let mut mapper = mapper(vec![counted()]);
    mapper.map(scan(1, 10, 1.0), Ack::none());
    let mut bad = scan(2, 10, 1.0);
    bad.readings[0].value = Quality::Bad(Fault::Missing);
    let entry = mapper.map(bad, Ack::none());
    assert!(entry.events.is_empty() && entry.memory.is_empty());
    assert_eq!(data(&mapper.map(scan(3, 12, 1.0), Ack::none()))[0]["good"], 2);
}

#[test]
fn a_sample_holds_what_changed_and_a_tag_that_turned_bad_once() {
    let mut mapper = mapper(vec![sampled(None)]);
    let everything = json!({"good_parts": 7, "speed": 1.5, "order_no": 42});
    let first = mapper.map(scan(2, 7, 1.5), Ack::none());
    assert_eq!(data(&first), [everything]);
    assert!(first.events.iter().all(|event| !String::from_utf8_lossy(&event.metadata).contains("quality")));
    assert!(mapper.map(scan(3, 7, 1.5), Ack::none()).is_nothing());
    assert_eq!(data(&mapper.map(scan(4, 7, 1.75), Ack::none())), [json!({"speed": 1.75})]);
    let bad = |second| {
        let mut bad = scan(second, 7, 1.75);
        bad.readings[1].value = Quality::Bad(Fault::NotANumber);
        bad
    };
    let turned = mapper.map(bad(5), Ack::none());
    assert_eq!(data(&turned), [json!({"speed": null})]);
    let metadata = String::from_utf8(turned.events[0].metadata.clone()).unwrap();
    assert!(metadata.ends_with(r#""quality":{"speed":"bad: not a number"}"#), "{metadata}");
    assert!(mapper.map(bad(6), Ack::none()).is_nothing());
    assert_eq!(data(&mapper.map(scan(7, 7, 1.75), Ack::none())), [json!({"speed": 1.75})]);
}

#[test]
fn a_periodic_sample_holds_everything_and_comes_at_its_interval() {
    let every = Some(Duration::from_secs(10));
    let mut mapper = mapper(vec![sampled(every)]);
    let seconds: Vec<i64> =
        (100..130).filter(|second| !data(&mapper.map(scan(*second, 7, 1.5), Ack::none())).is_empty()).collect();
    assert_eq!(seconds, [100, 110, 120]);
}

/// How many bytes of memory each scan changes while all three tags change with every scan, one a second.
fn remembered_bytes(sampled: Derivation) -> Vec<usize> {
    let mut mapper = mapper(vec![sampled]);
    let bytes = |entry: Entry| entry.memory.iter().map(|(_, value)| value.as_ref().map_or(1, Vec::len)).sum();
    (1..6)
        .map(|second| {
            let mut scan = scan(second, second.unsigned_abs(), second as f64);
            scan.readings[2] = good(2, reading::Value::Unsigned(second.unsigned_abs()));
            bytes(mapper.map(scan, Ack::none()))
        })
        .collect()
}

#[test]
fn tags_that_change_all_the_time_cost_no_memory_of_their_reports() {
    let bytes = remembered_bytes(sampled(None));
    assert!(bytes[0] > 100, "the first reports are kept: {bytes:?}");
    assert_eq!(bytes[1..], [1, 0, 0, 0], "then they are dropped");
    let bytes = remembered_bytes(sampled(Some(Duration::from_secs(1))));
    assert_eq!(bytes[1..], [0; 4]);
}

#[test]
fn a_long_period_goes_on_after_a_restart_and_its_memory_is_small() {
    let config = line(vec![sampled(Some(Duration::from_secs(3600)))]);
    let mut memory = Memory::new();
    let mut seconds = Vec::new();
    for second in (0..7_500).step_by(500) {
        // A restart before every scan.
        let entry = LineMapper::new(&plant(), &config, Duration::ZERO, &memory, &FreshIds::ByChance)
            .map(scan(second, 7, 1.5), Ack::none());
        if !data(&entry).is_empty() {
            seconds.push(second);
        }
        remember(&mut memory, entry);
    }
    assert_eq!(seconds, [0, 4_000]);
    assert_eq!(memory["sample/press-12/0"], b"[[3,7600000000]]");
}
